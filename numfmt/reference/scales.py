"""Scale rules once more, one block at a time: exact rationals, and binary64 only where a rule is defined in it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

from ..formats import ExponentFormat, Format, IntFormat
from ..formats.block import BlockFormat
from .decode import decode
from .encode import encode
from .places import floor_log2

__all__ = [
    "EXPONENT_RULES",
    "QUOTIENT_RULES",
    "binary32",
    "binary64",
    "exact",
    "largest",
    "mean_in_lanes",
    "nearest_code",
    "scale_candidates",
    "tensor_scale_for",
    "twn_threshold",
]

Number = float | int | Fraction

#: Rules that give an exponent, in the order of facts and standards: OCP MX v1.0 section 6.3 and its relatives.
EXPONENT_RULES = (
    "floor",
    "even",
    "ceil",
    "rceil",
    "rceil_division",
    "rceil_reciprocal",
    "nearest",
    "floor_quotient",
)
#: Rules that give a real number, which the scale format rounds once.
QUOTIENT_RULES = ("absmax", "absmax_full", "signed_absmax", "absmax_119", "absmean", "absmedian", "twn")


def exact(x: Fraction | float) -> Fraction:
    """A decoded finite value as a rational; -0 as 0."""
    return Fraction(x)


def binary32(x: Fraction | float) -> Fraction | float:
    """The binary32 nearest to `x`, ties to even; beyond its range an infinity."""
    return decode(encode(x, "binary32", "nearest_even", "nonsaturating"), "binary32")


def binary64(x: Fraction | float) -> Fraction | float:
    """The binary64 nearest to `x`, ties to even; beyond its range an infinity."""
    return decode(encode(x, "binary64", "nearest_even", "nonsaturating"), "binary64")


@lru_cache(maxsize=1024)
def largest(element: Format) -> Fraction:
    """F: what encoding makes of a number beyond every range when it saturates."""
    return exact(decode(encode(Fraction(1 << 40_000), element, None, "saturate"), element))


def nearest_code(x: Fraction | float, fmt: Format) -> int:
    """The code of a scale: the scale format's own default rounding, saturating."""
    return encode(x, fmt, None, "saturate", "canonical" if fmt.has_nan else "raise")


# ---- exponents -----------------------------------------------------------------------------------------------------


def _ceil_log2(x: Fraction) -> int:
    e = floor_log2(x)
    return e if Fraction(2) ** e == x else e + 1


def _mantissa_bits(element: Format) -> int:
    """m of the rule "even": bits behind the leading one; an integer's significand is its magnitude."""
    if isinstance(element, IntFormat):
        return element.bits - (2 if element.signed else 1)
    return int(getattr(element, "mantissa_bits", 0))


def _rounded_half_up(a: Fraction, m: int) -> Fraction:
    ulp = Fraction(2) ** (floor_log2(a) - m)
    return (a / ulp + Fraction(1, 2)).__floor__() * ulp


def _binary32_quotient(a: Fraction, f: Fraction, reciprocal: bool) -> Fraction | float:
    narrow, divisor = binary32(a), binary32(f)
    if isinstance(narrow, float) or isinstance(divisor, float):
        return narrow if isinstance(narrow, float) else 0.0
    if not reciprocal:
        return binary32(narrow / divisor)
    inverse = binary32(1 / divisor)
    assert isinstance(inverse, Fraction)
    return binary32(narrow * inverse)


def _exponent_scale(rule: str, a: Fraction, element: Format) -> Fraction | float:
    """The power of two of an exponent rule for a > 0; 0.0 or infinity where binary32 arithmetic leaves its range."""
    f = largest(element)
    emax = floor_log2(f)
    if rule == "floor":
        e = floor_log2(a) - emax
    elif rule == "even":
        e = floor_log2(_rounded_half_up(a, _mantissa_bits(element))) - emax
    elif rule == "ceil":
        e = _ceil_log2(a) - emax
    elif rule == "rceil":
        e = _ceil_log2(a / f)
    elif rule in ("rceil_division", "rceil_reciprocal"):
        q = _binary32_quotient(a, f, rule == "rceil_reciprocal")
        if isinstance(q, float) or q == 0:
            return float(q)
        e = _ceil_log2(q)
    elif rule == "nearest":
        e = floor_log2(a / f)
        e += a / f >= Fraction(3, 2) * Fraction(2) ** e
    else:
        assert rule == "floor_quotient", rule
        e = floor_log2(a / f)
    return Fraction(2) ** e


# ---- statistics ----------------------------------------------------------------------------------------------------


def _lane_total(values: Sequence[float]) -> float:
    """Binary64 sum: value i goes to lane i mod 32, the upper half of the lanes is added to the lower, and so on."""
    lanes = [0.0] * 32
    for i, value in enumerate(values):
        lanes[i % 32] += value
    while len(lanes) > 1:
        half = len(lanes) // 2
        lanes = [lanes[i] + lanes[i + half] for i in range(half)]
    return lanes[0]


def mean_in_lanes(values: Sequence[float]) -> float:
    """Mean in binary64: the lane sum over the count."""
    return _lane_total(values) / len(values)


def twn_threshold(values: Sequence[Number]) -> float:
    """0.7 times the mean magnitude, in binary64 (arXiv:1605.04711 equation 6)."""
    return 0.7 * mean_in_lanes([abs(float(v)) for v in values])


def _twn(values: Sequence[Number]) -> Fraction:
    magnitudes, threshold = [abs(float(v)) for v in values], twn_threshold(values)
    count = sum(m > threshold for m in magnitudes)
    return Fraction(_lane_total([m if m > threshold else 0.0 for m in magnitudes]) / count) if count else Fraction(0)


def _floored(x: Fraction | float) -> Fraction:
    return max(exact(x), exact(binary32(1e-5)))


def _statistic(rule: str, values: Sequence[Number], fmt: BlockFormat) -> tuple[Fraction, Fraction]:
    """Numerator and divisor of a quotient rule."""
    magnitudes = [abs(Fraction(v)) for v in values]
    a, f = max(magnitudes), largest(fmt.encoded_element)
    if rule == "absmax":
        return a, f
    if rule == "absmax_full":
        element = fmt.element
        return a, Fraction(2) ** (element.bits - 1 - element.frac_bits) if isinstance(element, IntFormat) else f
    if rule == "absmax_119":
        return a, Fraction(119)
    if rule == "signed_absmax":
        return Fraction(values[magnitudes.index(a)]), f
    if rule == "absmean":
        return _floored(binary32(mean_in_lanes([float(m) for m in magnitudes]))), Fraction(1)
    if rule == "absmedian":
        return _floored(sorted(magnitudes)[(len(magnitudes) - 1) // 2]), Fraction(1)
    assert rule == "twn", rule
    return _twn(values), Fraction(1)


# ---- from a block to scale codes -----------------------------------------------------------------------------------


def scale_candidates(
    values: Sequence[Number], fmt: BlockFormat, rule: str, tensor_scale: Fraction, wide: bool = False
) -> list[int]:
    """Scale codes that the rule considers for a block of finite numbers, the preferred first; one for most rules."""
    scale = fmt.scale
    assert isinstance(scale, Format)
    a = max((abs(Fraction(v)) for v in values), default=Fraction(0))
    if rule in EXPONENT_RULES:
        power = _exponent_scale(rule, a, fmt.encoded_element) if a else 0.0
        return [nearest_code(power, scale)]
    if rule.startswith("four_over_six"):
        return [nearest_code(a / (target * tensor_scale), scale) for target in (6, 4)]
    if rule == "mse" and isinstance(scale, ExponentFormat):
        best = _exponent_scale("rceil", a, fmt.encoded_element) if a else 0.0
        return [nearest_code(exact(best) / 2**less, scale) for less in range(3)]
    if rule == "mse":
        shrunken = [a * (100 - i) / 100 for i in range(80)]
        return [nearest_code(b / (largest(fmt.encoded_element) * tensor_scale), scale) for b in shrunken]
    if not values:
        return [nearest_code(Fraction(0), scale)]
    numerator, divisor = _statistic(rule, values, fmt)
    wanted = numerator / (divisor * tensor_scale)
    if fmt.quotient == "two_step_reciprocal":
        # torchao nvfp4_tensor.py: (a / F) / tensor scale, each quotient rounded.
        rounded = binary64 if wide else binary32
        wanted = exact(rounded(exact(rounded(exact(rounded(numerator)) / divisor)) / tensor_scale))
    if abs(wanted) < fmt.min_scale:
        wanted = Fraction(fmt.min_scale) * (-1 if wanted < 0 else 1)
    return [nearest_code(wanted, scale)]


def tensor_scale_for(amax: Number, fmt: BlockFormat, rule: str) -> Fraction:
    """amax / (F * largest block scale) in the tensor scale's format; 256 for E4M3's 448 under four_over_six."""
    assert fmt.tensor_scale is not None and isinstance(fmt.scale, Format)
    if not amax:
        return Fraction(1)
    top = Fraction(256) if rule.startswith("four_over_six") else largest(fmt.scale)
    wanted = Fraction(amax) / (largest(fmt.encoded_element) * top)
    found = exact(decode(nearest_code(wanted, fmt.tensor_scale), fmt.tensor_scale))
    # Too small for the format: its smallest positive number, the code after zero's in every format of that use.
    return found or exact(decode(nearest_code(Fraction(0), fmt.tensor_scale) + 1, fmt.tensor_scale))
