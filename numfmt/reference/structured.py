"""Block formats with structure inside the block, once more: one block at a time, in integers and fractions.

Written from the definitions in the format classes' docstrings; of the library only the fields of the formats are read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from ..errors import NaNError
from ..formats import Format, IntFormat, get
from ..formats.bitmod import BitModFormat
from ..formats.block import BlockFormat
from ..formats.carry_block import CarryBlockFormat
from ..formats.if4 import IF4Format
from ..formats.micro_exponents import MicroExponentFormat
from ..formats.mx_plus import MXPlusFormat
from ..formats.progressive import DGQFormat, ProgressiveFormat, QoQFormat
from ..formats.tenstorrent import TenstorrentFormat
from ..rounding import Overflow
from .blocks import BlockOptions, Draw, ReferenceBlock, Value, decode_block, encode_plain
from .decode import decode
from .encode import encode
from .places import floor_log2
from .scales import Number, exact, nearest_code
from .tensors import register_oracle, rowwise

__all__: list[str] = []

_NORMAL = Fraction(1, 1 << 126)
Draws = Sequence[Draw] | None


# ---- shared steps --------------------------------------------------------------------------------------------------


def _numbers(values: Sequence[Number], fmt: BlockFormat) -> tuple[list[Number], list[Number], bool]:
    """What the scale sees, what the elements see, and whether the block is NaN."""
    special = not all(math.isfinite(v) for v in values)
    if special and fmt.nonfinite == "raise":
        raise NaNError(f"x must be finite for {fmt.name}")
    finite: list[Number] = [v if math.isfinite(v) else 0.0 for v in values]
    return finite, list(values) if fmt.nonfinite == "skip" else finite, special and fmt.nonfinite == "nan"


def _amax(values: Sequence[Number]) -> Fraction:
    return max((abs(Fraction(v)) for v in values), default=Fraction(0))


def _field(amax: Fraction) -> int:
    """E: the exponent of the largest element as E8M0 holds it, 0 for zero and everything below 2**-127."""
    return min(max(floor_log2(amax) + 127, 0), 254) if amax else 0


def _negative(x: Number) -> bool:
    return math.copysign(1.0, x) < 0 if isinstance(x, float) else x < 0


def _over(x: Number, divisor: Fraction) -> Value:
    """x / divisor exactly; what is not finite, and zeros, keep their kind."""
    if not math.isfinite(x):
        return float(x)
    if x == 0 or divisor == 0:
        return -0.0 if _negative(x) else 0.0
    return Fraction(x) / divisor


def _code(x: Value, element: Format, options: BlockOptions, draw: Draw | None, saturate: bool = False) -> int:
    """A code under the policy of a call; `saturate`: whatever its overflow is."""
    overflow = Overflow.SATURATE if options.overflow is None or saturate else options.overflow
    return encode(x, element, options.rounding, overflow, options.nan, random=draw)


def _integer(code: int, fmt: Format) -> Fraction:
    return exact(decode(code, fmt))


def _each(draws: Draws, values: Sequence[Number]) -> Sequence[Draw | None]:
    return [None] * len(values) if draws is None else draws


def _scale_format(fmt: BlockFormat) -> Format:
    assert isinstance(fmt.scale, Format)
    return fmt.scale


def _nan_block(fmt: BlockFormat, count: int, sides: dict[str, tuple[int, ...]], whole: Fraction) -> ReferenceBlock:
    code = nearest_code(math.nan, _scale_format(fmt))
    return ReferenceBlock(fmt, code, (0,) * count, tensor_scale=whole, sides=sides)


def _times(x: Value, factor: Fraction) -> Value:
    return x * factor if isinstance(x, Fraction) and x else x


def _squared_error(values: Sequence[Number], decoded: Sequence[Value]) -> float:
    """Binary64: rounded differences squared and added in order; numbers that are not finite do not count."""
    total = 0.0
    for x, y in zip(values, decoded, strict=True):
        if math.isfinite(x):
            distance = abs(float(x) - float(y))
            total += distance * distance
    return total


# ---- MX+ (arXiv:2510.14557) ----------------------------------------------------------------------------------------


def _encode_mx_plus(
    values: Sequence[Number], fmt: MXPlusFormat, options: BlockOptions, whole: Fraction, draws: Draws
) -> ReferenceBlock:
    block = encode_plain(values, fmt, options, whole, draws)
    finite = [abs(Fraction(v)) if math.isfinite(v) else Fraction(0) for v in values]
    scale = decode(block.scale_code, _scale_format(fmt))
    w, at = fmt.element.bits - 1, finite.index(max(finite))
    unit = _times(scale, Fraction(2) ** floor_log2(Fraction(fmt.element.max)))
    if unit != unit or finite[at] < unit:
        return replace(block, sides={"index": (255,)})
    draw = _each(draws, values)[at]
    signed = Fraction(values[at]) / exact(unit)
    fixed = IntFormat(w + 2, frac_bits=w, sign_magnitude=True)
    rounded = abs(_integer(encode(signed, fixed, options.rounding, "saturate", random=draw), fixed))
    codes = list(block.element_codes)
    codes[at] = (1 << w if signed < 0 else 0) + int((rounded - 1) * 2**w)
    return replace(block, element_codes=tuple(codes), sides={"index": (at,)})


def _decode_mx_plus(block: ReferenceBlock) -> list[Value]:
    values = decode_block(block)
    at = block.sides["index"][0]
    if at < len(values):
        w = block.fmt.element.bits - 1
        sign, m = divmod(block.element_codes[at], 1 << w)
        scale = exact(decode(block.scale_code, _scale_format(block.fmt)))
        emax = floor_log2(Fraction(block.fmt.element.max))
        values[at] = (-1) ** sign * (1 + Fraction(m, 1 << w)) * Fraction(2) ** emax * scale
    return values


register_oracle(MXPlusFormat, rowwise(_encode_mx_plus, _decode_mx_plus))


# ---- shared micro-exponents (Rouhani et al. 2023; AMD Quark) -------------------------------------------------------


def _flushed(values: list[Number]) -> list[Number]:
    return [math.copysign(0.0, v) if math.isfinite(v) and abs(Fraction(v)) < _NORMAL else v for v in values]


def _encode_micro(
    values: Sequence[Number], fmt: MicroExponentFormat, options: BlockOptions, whole: Fraction, draws: Draws
) -> ReferenceBlock:
    finite, kept, is_nan = _numbers(values, fmt)
    pairs = len(values) // fmt.pair
    if is_nan:
        return _nan_block(fmt, len(values), {"micro_exponents": (0,) * pairs}, whole)
    if fmt.flush_subnormals:
        finite, kept = _flushed(finite), _flushed(kept)
    m = fmt.element.bits - 1
    magnitude = IntFormat(m + 1, sign_magnitude=True)
    e = _field(_amax(finite))
    codes, micro = [], []
    for i, (x, draw) in enumerate(zip(kept, _each(draws, values), strict=True)):
        first = i - i % fmt.pair
        d = min(1, e - _field(_amax(finite[first : first + fmt.pair])))
        if i == first:
            micro.append(d)
        codes.append(_code(_over(x, Fraction(2) ** (e - 127 - d + 1 - m)), magnitude, options, draw))
    return ReferenceBlock(fmt, e, tuple(codes), sides={"micro_exponents": tuple(micro)})


def _decode_micro(block: ReferenceBlock) -> list[Value]:
    assert isinstance(block.fmt, MicroExponentFormat)
    micro, pair = block.sides["micro_exponents"], block.fmt.pair
    return [_times(v, Fraction(1, 1 << micro[i // pair])) for i, v in enumerate(decode_block(block))]


register_oracle(MicroExponentFormat, rowwise(_encode_micro, _decode_micro))


# ---- block floats of vendors (AMD Quark "compiler"; Tenstorrent) ---------------------------------------------------


def _encode_carry(
    values: Sequence[Number], fmt: CarryBlockFormat, options: BlockOptions, whole: Fraction, draws: Draws
) -> ReferenceBlock:
    finite, _, is_nan = _numbers(values, fmt)
    if is_nan:
        return _nan_block(fmt, len(values), {}, whole)
    element = fmt.element
    assert isinstance(element, IntFormat)
    scale_code = encode_plain(finite, replace(fmt, nonfinite="skip"), BlockOptions(), whole, None).scale_code
    step = exact(decode(scale_code, _scale_format(fmt))) / 2**element.frac_bits
    top = 2 ** (element.bits - 1) - 1
    bottom = -top - 1 if fmt.full_range and not element.sign_magnitude else -top
    wide = IntFormat(32)
    for x, draw in zip(finite, _each(draws, values), strict=True):
        q = _integer(_code(_over(x, step), wide, options, draw, saturate=True), wide)
        if not bottom <= q <= top and scale_code < 254:
            scale_code += 1
            break
    return encode_plain(values, fmt, options, whole, draws, scale_code)


register_oracle(CarryBlockFormat, rowwise(_encode_carry))


def _encode_tenstorrent(
    values: Sequence[Number], fmt: TenstorrentFormat, options: BlockOptions, whole: Fraction, draws: Draws
) -> ReferenceBlock:
    finite, kept, is_nan = _numbers(values, fmt)
    if is_nan:
        return _nan_block(fmt, len(values), {}, whole)
    w = fmt.element.bits - 1
    e = _field(_amax(_flushed(finite)))
    magnitude = IntFormat(w + 1, sign_magnitude=True)
    codes = []
    for x, draw in zip(_flushed(kept), _each(draws, values), strict=True):
        aligned: Value = float(x)
        if math.isfinite(x):
            # 24 bits: what the truncating shift leaves of the significand, the leading one among them.
            bits = math.floor(abs(Fraction(x)) / Fraction(2) ** (e - 127 - 23))
            aligned = Fraction(-bits if _negative(x) else bits, 2 ** (24 - w))
        code = _code(aligned, magnitude, options, draw)
        codes.append(0 if code == 1 << w else code)
    return ReferenceBlock(fmt, e, tuple(codes))


register_oracle(TenstorrentFormat, rowwise(_encode_tenstorrent))


# ---- a grid chosen per block (BitMoD, arXiv:2411.11745; IF4, arXiv:2603.28765) -------------------------------------

#: Largest magnitude of each grid: base grid with +-er, base grid with +-ea.
_LARGEST = {"bitmod_fp3": (4, 4, 6, 6), "bitmod_fp4": (12, 12, 16, 16)}


def _encode_bitmod(
    values: Sequence[Number], fmt: BitModFormat, options: BlockOptions, whole: Fraction, draws: Draws
) -> ReferenceBlock:
    finite, kept, is_nan = _numbers(values, fmt)
    if is_nan:
        return _nan_block(fmt, len(values), {"grid": (0,)}, whole)
    scale_format, found = _scale_format(fmt), []
    for choice, largest in enumerate(_LARGEST[fmt.element.name]):
        wanted = min(max(_amax(finite) / largest, Fraction(1e-5)), Fraction(10_000))
        scale_code = nearest_code(wanted, scale_format)
        unit = exact(decode(scale_code, scale_format))
        grid = get(f"{fmt.element.name}_{('er_pos', 'er_neg', 'ea_pos', 'ea_neg')[choice]}")
        pairs = zip(kept, _each(draws, values), strict=True)
        codes = tuple(_code(_over(x, unit), grid, options, draw) for x, draw in pairs)
        found.append(ReferenceBlock(fmt, scale_code, codes, sides={"grid": (choice,)}))
    errors = [_squared_error(values, _decode_bitmod(block)) for block in found]
    return found[errors.index(min(errors))]


#: Magnitudes behind the codes without sign; the code of -0 holds the special value of the grid.
_BASE = {"bitmod_fp3": (0, 1, 2, 4), "bitmod_fp4": (0, 1, 2, 3, 4, 6, 8, 12)}
_SPECIALS = {"bitmod_fp3": (3, -3, 6, -6), "bitmod_fp4": (10, -10, 16, -16)}


def _decode_bitmod(block: ReferenceBlock) -> list[Value]:
    name = block.fmt.element.name
    base, special = _BASE[name], _SPECIALS[name][block.sides["grid"][0]]
    levels = [*base, special, *(-level for level in base[1:])]
    scale = decode(block.scale_code, _scale_format(block.fmt))
    if scale != scale:
        return [math.nan] * len(block.element_codes)
    return [levels[code] * exact(scale) for code in block.element_codes]


register_oracle(BitModFormat, rowwise(_encode_bitmod, _decode_bitmod))


def _encode_if4(
    values: Sequence[Number], fmt: IF4Format, options: BlockOptions, whole: Fraction, draws: Draws
) -> ReferenceBlock:
    floats = encode_plain(values, fmt, options, whole, draws)
    unit = decode(floats.scale_code, _scale_format(fmt))
    if unit != unit or unit == 0:
        return floats
    step = exact(unit) * whole * Fraction(6, 7)
    int4 = IntFormat(4, narrow=True)
    pairs = zip(values, _each(draws, values), strict=True)
    codes = tuple(_code(_over(x, step), int4, options, draw) for x, draw in pairs)
    integers = replace(floats, scale_code=floats.scale_code + 128, element_codes=codes)
    marked = _squared_error(values, _decode_if4(integers)) < _squared_error(values, _decode_if4(floats))
    return integers if marked else floats


def _decode_if4(block: ReferenceBlock) -> list[Value]:
    if block.scale_code < 128:
        return decode_block(block)
    scale = exact(decode(block.scale_code - 128, _scale_format(block.fmt))) * block.tensor_scale
    return [(code - 16 * (code > 7)) * Fraction(6, 7) * scale for code in block.element_codes]


register_oracle(IF4Format, rowwise(_encode_if4, _decode_if4))


# ---- progressive integers (QServe, arXiv:2405.04532; DGQ, arXiv:2310.04836) ----------------------------------------


def _progressive_codes(
    kept: Sequence[Number],
    wanted: Sequence[Fraction],
    zero: int,
    bounds: tuple[int, int],
    options: BlockOptions,
    draws: Sequence[Draw | None],
) -> list[int]:
    """round(wanted) + zero within bounds; numbers that are not finite are rounded as themselves."""
    wide, codes = IntFormat(32), []
    for x, q, draw in zip(kept, wanted, draws, strict=True):
        value: Value = q if math.isfinite(x) else float(x)
        integer = int(_integer(_code(value, wide, options, draw), wide))
        codes.append(min(max(integer + zero, bounds[0]), bounds[1]))
    return codes


def _encode_progressive(
    values: Sequence[Number], fmt: ProgressiveFormat, options: BlockOptions, whole: Fraction, draws: Draws
) -> ReferenceBlock:
    finite, kept, is_nan = _numbers(values, fmt)
    groups = range(0, len(values), fmt.group)
    if is_nan:
        ones, zeros = (1,) * len(groups), (0,) * len(groups)
        return _nan_block(fmt, len(values), {"group_scales": ones, "group_zeros": zeros}, whole)
    is_qoq = isinstance(fmt, QoQFormat)
    scale_code = nearest_code(_amax(finite) / (119 if is_qoq else 127), _scale_format(fmt))
    s0 = exact(decode(scale_code, _scale_format(fmt)))
    scales, zeros_of, codes = [], [], []
    for at in groups:
        part = [Fraction(v) for v in finite[at : at + fmt.group]]
        if is_qoq:
            v = [min(max(round(x / s0), -119), 119) if s0 else 0 for x in part]
            low, high = min(0, *v), max(0, *v)
            s1 = max(round(Fraction(high - low, 15)), 1)
            z, bounds = min(max(round(Fraction(-low, s1)), 0), 15), (0, 15)
            wanted = [Fraction(x, s1) for x in v]
        else:
            least, most = min([Fraction(0), *part]), max([Fraction(0), *part])
            s1 = min(max(round((most - least) / (15 * s0)), 1), 127) if s0 else 1
            # Binary64, away from the ends of its range.
            span, fifteen = float((most - least) / 16), float(-15 * least / 16)
            z = round(Fraction(fifteen) / Fraction(span)) if span and s0 else 0
            bounds = max(0, z - 127 // s1), min(15, z + 127 // s1)
            wanted = [x / (s1 * s0) if s0 else Fraction(0) for x in part]
        inner = _each(draws, values)[at : at + fmt.group]
        codes += _progressive_codes(kept[at : at + fmt.group], wanted, z, bounds, options, inner)
        scales.append(s1)
        zeros_of.append(z)
    sides = {"group_scales": tuple(scales), "group_zeros": tuple(zeros_of)}
    return ReferenceBlock(fmt, scale_code, tuple(codes), sides=sides)


def _decode_progressive(block: ReferenceBlock) -> list[Value]:
    assert isinstance(block.fmt, ProgressiveFormat)
    s0 = decode(block.scale_code, _scale_format(block.fmt))
    if s0 != s0:
        return [math.nan] * len(block.element_codes)
    found: list[Value] = []
    for i, q in enumerate(block.element_codes):
        group = i // block.fmt.group
        integer = (q - block.sides["group_zeros"][group]) * block.sides["group_scales"][group]
        found.append(integer * exact(s0))
    return found


for _class in (QoQFormat, DGQFormat):
    register_oracle(_class, rowwise(_encode_progressive, _decode_progressive))
