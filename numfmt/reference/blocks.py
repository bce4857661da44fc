"""Block formats once more: one block, one number at a time, in Python integers and fractions.

Nothing here comes from the library's block code: scalar rounding is `numfmt.reference.encode`, the rest is written from
the definitions. Whole arrays: ``tensors.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from ..errors import ArgumentError, NaNError
from ..formats import Format, IntFormat, get
from ..formats.block import BlockFormat
from ..rounding import NaNRule, Overflow, Rounding
from .decode import decode
from .encode import encode
from .scales import (
    Number,
    binary32,
    binary64,
    exact,
    largest,
    nearest_code,
    scale_candidates,
    tensor_scale_for,
    twn_threshold,
)

__all__ = [
    "BlockOptions",
    "ReferenceBlock",
    "block_format",
    "decode_block",
    "encode_block",
    "encode_plain",
    "own_tensor_scale",
    "tensor_scale",
]

Value = Fraction | float
Draw = tuple[int, int]


@dataclass(frozen=True)
class BlockOptions:
    """The policy of a call, with the library's defaults: elements saturate, NaN as the element format says."""

    rounding: Rounding | str | None = None
    overflow: Overflow | str | None = None
    nan: NaNRule | str | None = None
    #: Arithmetic of the quotients "divide" and "reciprocal": binary32 for inputs that it holds, else binary64.
    wide: bool = False


@dataclass(frozen=True)
class ReferenceBlock:
    """One encoded block: the bits, and the format and tensor scale that they need to mean something."""

    fmt: BlockFormat
    scale_code: int
    element_codes: tuple[int, ...]
    zero_point: int | None = None
    tensor_scale: Fraction = Fraction(1)
    #: Further codes of special formats, by name.
    sides: dict[str, tuple[int, ...]] = field(default_factory=dict)
    #: The value of a scale that is quantized in blocks itself, instead of `scale_code`.
    scale_value: Fraction | float | None = None


# ---- one block -----------------------------------------------------------------------------------------------------


def encode_block(
    values: Sequence[Number],
    fmt: BlockFormat | str,
    *,
    rounding: Rounding | str | None = None,
    overflow: Overflow | str | None = None,
    nan: NaNRule | str | None = None,
    tensor_scale: Number | None = None,
    scale_rule: str | None = None,
    scale_code: int | None = None,
    wide: bool = False,
    random: Sequence[Draw] | None = None,
) -> ReferenceBlock:
    """Encode the numbers of one block: the witness against which ``numfmt.encode`` is checked.

    Parameters
    ----------
    values : sequence of float, int or Fraction
        The whole block, padding included. Taken exactly; -0.0, NaN and infinities as `fmt.nonfinite` says.
    fmt : BlockFormat or str
        A block format whose scale is a scalar format (double quantization: `encode_tensor`).
    rounding, overflow, nan : members, names or None
        Of the elements; None: the element's own rounding and NaN rule, saturation.
    tensor_scale : number, optional
        Default: that of a tensor which is this block.
    scale_rule : str, optional
        Default: the format's.
    scale_code : int, optional
        A given scale instead of the rule's.
    wide : bool
        The quotients "divide" and "reciprocal" in binary64 instead of binary32.
    random : sequence of (integer, width), optional
        For the stochastic roundings, one per element.

    Returns
    -------
    ReferenceBlock

    Raises
    ------
    NaNError
        NaN or an infinity where the format refuses them.

    >>> encode_block([6.0, 1.0, -0.25], "mxfp4").element_codes, encode_block([448.0], "mxfp8_e4m3").scale_code
    ((7, 2, 8), 127)
    """
    fmt = block_format(fmt)
    if scale_rule is not None:
        fmt = replace(fmt, rule=scale_rule)
    if tensor_scale is None:
        scale_of_all = own_tensor_scale(values, fmt)
    else:
        scale_of_all = Fraction(tensor_scale)
    options = BlockOptions(rounding, overflow, nan, wide)
    return encode_plain(values, fmt, options, scale_of_all, random, scale_code)


def decode_block(block: ReferenceBlock) -> list[Value]:
    """The exact values of a block: Fractions; floats for NaN, infinities and -0.

    >>> decode_block(encode_block([6.0, -0.25, 0.1], "mxfp4"))
    [Fraction(6, 1), -0.0, Fraction(0, 1)]
    """
    fmt = block.fmt
    scale = block.scale_value
    if scale is None:
        assert isinstance(fmt.scale, Format)
        scale = decode(block.scale_code, fmt.scale)
    scale = _times(scale, block.tensor_scale)
    zero = Fraction(0)
    if fmt.zero_point is not None:
        assert block.zero_point is not None
        zero = exact(decode(block.zero_point, fmt.zero_point))
    values = {code: decode(code, fmt.element) for code in set(block.element_codes)}
    elements = [values[code] for code in block.element_codes]
    return [_times(exact(e) - zero if fmt.zero_point is not None else e, scale) for e in elements]


def tensor_scale(values: Sequence[Number], fmt: BlockFormat | str) -> Fraction:
    """The tensor scale of a two-level format for a tensor of these numbers; those that are not finite do not count.

    >>> tensor_scale([2688.0, 1.0], "nvfp4"), tensor_scale([0.0], "nvfp4")
    (Fraction(1, 1), Fraction(1, 1))
    """
    fmt = block_format(fmt)
    amax = max((abs(Fraction(v)) for v in values if math.isfinite(v)), default=Fraction(0))
    return tensor_scale_for(amax, fmt, fmt.rule)


def block_format(fmt: BlockFormat | str) -> BlockFormat:
    """The block format of a name; a scalar one is an error."""
    found = get(fmt)
    if not isinstance(found, BlockFormat):
        raise ArgumentError(f"fmt must be a block format, got {found.name}")
    return found


def own_tensor_scale(values: Sequence[Number], fmt: BlockFormat) -> Fraction:
    """`tensor_scale`, 1 for formats without it."""
    return Fraction(1) if fmt.tensor_scale is None else tensor_scale(values, fmt)


def _sign_of(x: Value) -> float:
    return math.copysign(1.0, x) if isinstance(x, float) else (-1.0 if x < 0 else 1.0)


def _times(a: Value, b: Value) -> Value:
    """The exact product with IEEE 754's zeros, infinities and NaN."""
    if a != a or b != b or (_infinite(a) and b == 0) or (_infinite(b) and a == 0):
        return math.nan
    sign = _sign_of(a) * _sign_of(b)
    if _infinite(a) or _infinite(b):
        return math.copysign(math.inf, sign)
    magnitude = exact(a) * exact(b)
    return magnitude if magnitude or sign > 0 else -0.0


def _infinite(v: Value) -> bool:
    return isinstance(v, float) and math.isinf(v)


def encode_plain(
    values: Sequence[Number],
    fmt: BlockFormat,
    options: BlockOptions,
    scale_of_all: Fraction,
    random: Sequence[Draw] | None,
    scale_code: int | None = None,
) -> ReferenceBlock:
    """`encode_block` with everything decided: the format's rule, the tensor scale."""
    scale = fmt.scale
    if not isinstance(scale, Format):
        raise ArgumentError(f"the scales of {fmt.name} are quantized in blocks: use encode_tensor")
    finite = [v if math.isfinite(v) else 0.0 for v in values]
    has_special = not all(math.isfinite(v) for v in values)
    if has_special and fmt.nonfinite == "raise":
        raise NaNError(f"x must be finite for {fmt.name}")
    # Elements that are not finite reach their own format only under "skip".
    kept = list(values) if fmt.nonfinite == "skip" else finite
    if fmt.zero_point is not None:
        block = _encode_affine(finite, kept, fmt, options, random)
    else:
        codes = (
            [scale_code]
            if scale_code is not None
            else scale_candidates(finite, fmt, fmt.rule, scale_of_all, options.wide)
        )
        found = []
        for code in codes:
            elements = _element_codes(kept, fmt, options, code, scale_of_all, random)
            found.append(ReferenceBlock(fmt, code, elements, None, scale_of_all))
        block = found[0] if len(found) == 1 else _least_error(values, found, fmt.rule)
    if has_special and fmt.nonfinite == "nan":
        zero = None if block.zero_point is None else 0
        return ReferenceBlock(fmt, nearest_code(math.nan, scale), (0,) * len(values), zero, scale_of_all)
    return block


def _element(x: Value, options: BlockOptions, random: Draw | None, element: Format) -> int:
    overflow = Overflow.SATURATE if options.overflow is None else options.overflow
    return encode(x, element, options.rounding, overflow, options.nan, random=random)


def _element_codes(
    values: Sequence[Number],
    fmt: BlockFormat,
    options: BlockOptions,
    scale_code: int,
    scale_of_all: Fraction,
    random: Sequence[Draw] | None,
) -> tuple[int, ...]:
    assert isinstance(fmt.scale, Format)
    draws: Sequence[Draw | None] = random or [None] * len(values)
    if fmt.rule == "twn":
        quotients = _twn_signs(values)
    else:
        scale = decode(scale_code, fmt.scale)
        divisor = Fraction(0) if scale != scale else exact(scale) * scale_of_all
        quotients = [_quotient(v, divisor, fmt, options.wide, scale_of_all) for v in values]
    element, known, codes = fmt.encoded_element, {}, []
    for q, draw in zip(quotients, draws, strict=True):
        # Equal numbers under equal draws round alike; most large blocks of a test are zeros.
        key = (q, _sign_of(q), draw)
        if key not in known:
            known[key] = _element(q, options, draw, element)
        codes.append(known[key])
    return tuple(codes)


def _twn_signs(values: Sequence[Number]) -> list[Value]:
    """Signs of the elements whose magnitude exceeds the threshold; what is not finite stays itself."""
    threshold = twn_threshold([v if math.isfinite(v) else 0.0 for v in values])
    signs = [Fraction(1 if v > 0 else -1) if abs(float(v)) > threshold else Fraction(0) for v in values]
    return [s if math.isfinite(v) else float(v) for v, s in zip(values, signs, strict=True)]


def _quotient(x: Number, scale: Fraction, fmt: BlockFormat, wide: bool, scale_of_all: Fraction = Fraction(1)) -> Value:
    """What the element format rounds: x / scale exactly, or as binary32 (binary64 if `wide`) arithmetic has it."""
    if not math.isfinite(x):
        return float(x)
    if scale == 0 or x == 0:
        negative = (math.copysign(1.0, x) if isinstance(x, float) else x) < 0
        return -0.0 if negative != (scale < 0) else 0.0
    if fmt.quotient == "exact" or fmt.power_of_two_scale:
        return Fraction(x) / scale
    rounded = binary64 if wide else binary32
    a = rounded(Fraction(x))
    if fmt.quotient == "divide":
        return _over(a, rounded(scale), rounded)
    if fmt.quotient == "two_step_reciprocal":
        inverse = _over(_over(Fraction(1), scale_of_all, rounded), rounded(scale / scale_of_all), rounded)
    else:
        inverse = _over(Fraction(1), rounded(scale), rounded)
    if _infinite(inverse):
        # Our choice: a reciprocal beyond the arithmetic's range is its largest number.
        top = largest(get("binary64" if wide else "binary32"))
        inverse = top if inverse > 0 else -top
    return rounded(_times(a, inverse))


def _over(a: Value, b: Value, rounded: Callable[[Value], Value]) -> Value:
    """IEEE 754 division, `a` not NaN and not both zero."""
    if _infinite(b) or a == 0:
        return math.copysign(0.0, _sign_of(a) * _sign_of(b))
    if _infinite(a) or b == 0:
        return math.copysign(math.inf, _sign_of(a) * _sign_of(b))
    return rounded(exact(a) / exact(b))


def _encode_affine(
    finite: Sequence[Number],
    kept: Sequence[Number],
    fmt: BlockFormat,
    options: BlockOptions,
    random: Sequence[Draw] | None,
) -> ReferenceBlock:
    """ONNX QuantizeLinear with the scale of DynamicQuantizeLinear: a range that holds 0, an integer zero point."""
    element, zero_format, scale_format = fmt.element, fmt.zero_point, fmt.scale
    assert isinstance(element, IntFormat) and isinstance(zero_format, IntFormat) and isinstance(scale_format, Format)
    bits = element.bits
    qmin, qmax = (-(2 ** (bits - 1)) + element.narrow, 2 ** (bits - 1) - 1) if element.signed else (0, 2**bits - 1)
    range_ = [Fraction(0), *(Fraction(v) for v in finite)]
    low, high = min(range_), max(range_)
    code = nearest_code((high - low) / (qmax - qmin), scale_format)
    scale = exact(decode(code, scale_format))
    zero = min(max(round(qmin - low / scale), qmin), qmax) if scale else qmin
    wide_int, integers = IntFormat(32), []
    draws: Sequence[Draw | None] = random or [None] * len(kept)
    for v, draw in zip(kept, draws, strict=True):
        q = _quotient(v, scale, fmt, options.wide)
        integers.append(int(exact(decode(_element(q, options, draw, wide_int), wide_int))) + zero)
    codes = tuple(min(max(i, qmin), qmax) % 2**bits for i in integers)
    return ReferenceBlock(fmt, code, codes, zero % 2**zero_format.bits)


def _least_error(values: Sequence[Number], found: list[ReferenceBlock], rule: str) -> ReferenceBlock:
    """The first of least error; errors in binary64, added in the order of the elements."""
    errors = []
    for block in found:
        total = 0.0
        for x, y in zip(values, decode_block(block), strict=True):
            distance = abs(float(x) - float(y)) if math.isfinite(x) else 0.0
            if rule == "four_over_six_abs_max":
                total = max(total, distance)
            else:
                total += distance if rule == "four_over_six_mae" else distance * distance
        errors.append(total)
    return found[errors.index(min(errors))]
