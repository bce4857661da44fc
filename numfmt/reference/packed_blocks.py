"""Complex, 3:4 sparse and ggml block formats once more, one number at a time, in integers, fractions and floats."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

from ..errors import ArgumentError, FormatOverflowError, NaNError
from ..formats import Format
from ..formats.block import BlockFormat
from ..formats.fairy import FairyFormat
from ..formats.ggml import GgmlFormat
from ..formats.sherry import SherryFormat, STQ1Format
from ..rounding import Overflow, Rounding
from .blocks import BlockOptions, Draw, ReferenceBlock, Value, decode_block
from .decode import decode
from .encode import encode
from .places import floor_log2
from .scales import Number, binary32, exact, nearest_code
from .tensors import ReferenceTensor, block_positions, register_oracle, rowwise

__all__ = ["fairy_code"]


def _own_rule(fmt: BlockFormat, options: BlockOptions) -> None:
    """Refuse a policy, unless it spells out the element's own."""
    element = fmt.element
    rounding = options.rounding is None or Rounding.parse(options.rounding) is element.default_rounding
    overflow = options.overflow is None or Overflow.parse(options.overflow) is Overflow.SATURATE
    if not (rounding and overflow and options.nan is None):
        raise ArgumentError(f"{fmt.name} chooses its codes by a rule of its own")


def _finite(values: Sequence[Any], fmt: BlockFormat) -> None:
    for v in values:
        parts = (v.real, v.imag) if isinstance(v, complex) else (v,)
        if not all(map(math.isfinite, parts)):
            raise NaNError(f"x must be finite for {fmt.name}")


def _lane_total(values: Sequence[float]) -> float:
    """Binary64: number i to lane i mod 32, then lanes added by halves."""
    lanes = [0.0] * 32
    for i, v in enumerate(values):
        lanes[i % 32] += v
    while len(lanes) > 1:
        half = len(lanes) // 2
        lanes = [a + b for a, b in zip(lanes[:half], lanes[half:], strict=True)]
    return lanes[0]


# ---- fourth roots of unity (arXiv:2508.05571) ----------------------------------------------------------------------


def fairy_code(real: Number, imag: Number) -> int:
    """k of the nearest i**k. Turned by 45 degrees the four sectors are quadrants, each with its first edge.

    >>> [fairy_code(*z) for z in ((1, 1), (1, -1), (-1, 1), (-1, -1), (0, 0))]
    [1, 0, 2, 3, 0]
    """
    a, b = Fraction(real), Fraction(imag)
    u, v = a - b, a + b
    if (u > 0 and v >= 0) or u == v == 0:
        return 0
    if u <= 0 and v > 0:
        return 1
    return 2 if u < 0 else 3


def _fairy_scale(magnitudes: list[float], members: list[bool], scale: Format) -> int:
    total = _lane_total([m if member else 0.0 for m, member in zip(magnitudes, members, strict=True)])
    mean, least = nearest_code(total / max(sum(members), 1), scale), nearest_code(1e-5, scale)
    return max((mean, least), key=lambda c: exact(decode(c, scale)))


def _fairy(
    values: list[Any],
    shape: tuple[int, ...],
    fmt: FairyFormat,
    axis: Any,
    options: BlockOptions,
    random: Sequence[Draw] | None,
    given: Number | None,
) -> ReferenceTensor:
    scale = fmt.scale
    assert isinstance(scale, Format)
    if (options.rounding, options.overflow, options.nan) != (None, None, None):
        raise ArgumentError(f"{fmt.name} is encoded by phase")
    _finite(values, fmt)
    rows, padded = block_positions(shape, fmt.block, axis)
    codes, scales, decoded = [0] * padded, [], [0j] * math.prod(shape)
    for row in rows:
        numbers = [0.0 if at is None else values[at] for _, at in row]
        found = [fairy_code(z.real, z.imag) for z in numbers]
        real, imag = ([abs(float(z.real)) for z in numbers], [abs(float(z.imag)) for z in numbers])
        odd = [c % 2 == 1 for c in found]
        pair = [_fairy_scale(real, [not o for o in odd], scale), _fairy_scale(imag, odd, scale)]
        scales.append(pair)
        for (wide, at), code in zip(row, found, strict=True):
            codes[wide] = code
            if at is not None:
                s = float(exact(decode(pair[code % 2], scale)))
                decoded[at] = (complex(s, 0.0), complex(0.0, s), complex(-s, 0.0), complex(0.0, -s))[code]
    parts = {"codes": codes, "scales": [s for s, _ in scales], "sides.scales_imag": [s for _, s in scales]}
    return ReferenceTensor(parts, decoded)


# ---- 3:4 sparse ternary (arXiv:2601.07892; llama.cpp PR 22836) -----------------------------------------------------


def _least(magnitudes: Sequence[Fraction]) -> int:
    """Place of the first of the least."""
    return min(range(4), key=lambda i: magnitudes[i])


def _sherry(
    values: Sequence[Number], fmt: BlockFormat, options: BlockOptions, whole: Fraction, random: Sequence[Draw] | None
) -> ReferenceBlock:
    assert isinstance(fmt, SherryFormat) and isinstance(fmt.scale, Format)
    _own_rule(fmt, options)
    _finite(values, fmt)
    codes, kept = [], []
    for start in range(0, len(values), 4):
        four = values[start : start + 4]
        zero = _least([abs(Fraction(v)) for v in four])
        for i, v in enumerate(four):
            sign = (v > 0) - (v < 0) or fmt.sign_of_zero
            codes.append(1 if i == zero else 1 + sign)
            kept.append(0.0 if i == zero else abs(float(v)))
    mean = _lane_total(kept) / (3 * len(values) // 4)
    return ReferenceBlock(fmt, nearest_code(mean, fmt.scale), tuple(codes))


def _stq1(
    values: Sequence[Number], fmt: BlockFormat, options: BlockOptions, whole: Fraction, random: Sequence[Draw] | None
) -> ReferenceBlock:
    _own_rule(fmt, options)
    _finite(values, fmt)
    codes = [0] * 256
    for chunk in range(0, 256, 64):
        for g in range(16):
            places = [chunk + g + 16 * p for p in range(4)]
            zero = places[_least([abs(Fraction(values[i])) for i in places])]
            for i in places:
                codes[i] = 1 if i == zero else 0 if values[i] < 0 else 2
    return ReferenceBlock(fmt, _half(max(abs(Fraction(v)) for v in values), fmt), tuple(codes))


# ---- ggml (ggml-quants.c) ------------------------------------------------------------------------------------------


def _half(x: Value, fmt: BlockFormat) -> int:
    """The binary16 bits of a stored scale."""
    code = encode(x, "binary16", "nearest_even", "nonsaturating")
    if not math.isfinite(float(decode(code, "binary16"))):
        raise FormatOverflowError(f"x needs a scale beyond binary16 for {fmt.name}")
    return code


def _sum(a: Value, b: Value) -> Value:
    """The exact sum with IEEE 754's zero: -0 only from -0 and -0."""
    if not (math.isfinite(a) and math.isfinite(b)):
        return float(a) + float(b)
    total = exact(a) + exact(b)
    both = all(v == 0 and isinstance(v, float) and math.copysign(1.0, v) < 0 for v in (a, b))
    return -0.0 if both else total


def _quotient32(x: Value, by: int) -> Value:
    """Binary32 x / by, a zero with its sign."""
    return math.copysign(0.0, float(x) * by) if x == 0 else binary32(exact(x) / by)


def _inverse(d: Value) -> Fraction:
    """Binary32 1 / d; 0 for 0 and where it overflows (a documented deviation)."""
    r = binary32(1 / exact(d)) if d else Fraction(0)
    return exact(r) if math.isfinite(r) else Fraction(0)


def _product32(a: Value, b: Value) -> Fraction:
    return exact(binary32(exact(a) * exact(b)))


_Found = tuple[list[int], int, dict[str, tuple[int, ...]]]


def _signed_maximum(x: list[Value], fmt: GgmlFormat, low: int) -> _Found:
    d = _quotient32(max(x, key=lambda v: abs(exact(v))), -low)
    r = _inverse(d)
    shifted = [exact(binary32(_product32(v, r) + low + Fraction(1, 2))) for v in x]
    return [min(2 * low - 1, int(s)) for s in shifted], _half(d, fmt), {}


def _affine(x: list[Value], fmt: GgmlFormat, steps: int) -> _Found:
    low, high = min(x, key=exact), max(x, key=exact)
    d = _quotient32(binary32(exact(high) - exact(low)), steps)
    r = _inverse(d) if math.isfinite(d) else Fraction(0)
    stored: dict[str, tuple[int, ...]] = {"minimums": (_half(low, fmt),)}
    codes = []
    for v in x:
        shifted = binary32(_product32(binary32(exact(v) - exact(low)), r) + Fraction(1, 2)) if r else Fraction(1, 2)
        codes.append(min(steps, int(exact(shifted))))
    return codes, _half(d, fmt), stored


def _absmax(x: list[Value], fmt: GgmlFormat, steps: int) -> _Found:
    d = binary32(max(abs(exact(v)) for v in x) / steps)
    r = _inverse(d)
    codes = []
    for v in x:
        q = _product32(v, r)
        nearest = math.floor(abs(q) + Fraction(1, 2))
        integer = -nearest if q < 0 else nearest
        codes.append(integer % 256 if steps == 127 else integer + 1)
    return codes, _half(d, fmt), {}


def _mxfp4(x: list[Value], fmt: GgmlFormat) -> _Found:
    amax = max(abs(exact(v)) for v in x)
    e = max(0, floor_log2(amax) + 125) if amax else 0
    codes = [encode(exact(v) / Fraction(2) ** (e - 127), "fp4_e2m1", "nearest_zero", "saturate") for v in x]
    return [0 if c == 8 else c for c in codes], e, {}


_ENCODERS: dict[str, Callable[[list[Value], GgmlFormat], _Found]] = {
    "q4_0": partial(_signed_maximum, low=8),
    "q5_0": partial(_signed_maximum, low=16),
    "q4_1": partial(_affine, steps=15),
    "q5_1": partial(_affine, steps=31),
    "q8_0": partial(_absmax, steps=127),
    "tq1_0": partial(_absmax, steps=1),
    "tq2_0": partial(_absmax, steps=1),
    "mxfp4_ggml": _mxfp4,
}


def _ggml(
    values: Sequence[Number], fmt: BlockFormat, options: BlockOptions, whole: Fraction, random: Sequence[Draw] | None
) -> ReferenceBlock:
    assert isinstance(fmt, GgmlFormat)
    _own_rule(fmt, options)
    if fmt.label not in _ENCODERS:
        raise ArgumentError(f"{fmt.label} is decode-only")
    _finite(values, fmt)
    single = [binary32(v if isinstance(v, float) else Fraction(v)) for v in values]
    if not all(map(math.isfinite, single)):
        raise FormatOverflowError(f"x must fit binary32 for {fmt.name}")
    codes, scale, sides = _ENCODERS[fmt.label](single, fmt)
    return ReferenceBlock(fmt, scale, tuple(codes), sides=sides)


def _ggml_values(block: ReferenceBlock) -> list[Value]:
    """Exact values; the types with sub-blocks are decode-only and have no oracle."""
    products = decode_block(block)
    if "minimums" not in block.sides:
        return products
    minimum = decode(block.sides["minimums"][0], "binary16")
    return [_sum(p, minimum) for p in products]


register_oracle(FairyFormat, _fairy)
register_oracle(SherryFormat, rowwise(_sherry))
register_oracle(STQ1Format, rowwise(_stq1))
register_oracle(GgmlFormat, rowwise(_ggml, _ggml_values))
