"""The value of a code, family by family, written from the standards a second time, apart from `value_of`."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from ..formats import (
    CodebookFormat,
    ExponentFormat,
    FloatFormat,
    Format,
    HiFloat8Format,
    IntFormat,
    LnsFormat,
    P3109Format,
    PositFormat,
    Specials,
    TakumFormat,
    TakumLogFormat,
)
from ..formats import scalar as get

__all__ = ["HIF8_MAGNITUDES", "decode", "exponential", "logarithm", "nearest_float"]

NAN, INFINITY = math.nan, math.inf


def decode(code: int, fmt: Format | str) -> Fraction | float:
    """The exact value of `code` as a Fraction; a float for NaN, infinities, -0 and the irrational values (nearest).

    >>> decode(0x7E, "fp8_e4m3fn"), decode(0x80, "fp8_e4m3fn"), decode(0x7F, "fp8_e4m3fn")
    (Fraction(448, 1), -0.0, nan)
    """
    fmt = get(fmt)
    code = fmt.check_code(int(code))
    if isinstance(fmt, FloatFormat):
        return _float(code, fmt)
    if isinstance(fmt, P3109Format):
        return _p3109(code, fmt)
    if isinstance(fmt, IntFormat):
        return _integer(code, fmt)
    if isinstance(fmt, PositFormat):
        return _posit(code, fmt.bits, fmt.es)
    if isinstance(fmt, TakumFormat):
        return _takum(code, fmt.bits)
    if isinstance(fmt, (TakumLogFormat, LnsFormat)):
        return _logarithmic(code, fmt)
    if isinstance(fmt, ExponentFormat):
        # OCP MX v1.0 5.4.1: 2**(code - 127), 0xFF is NaN.
        return NAN if code == 2**fmt.bits - 1 else Fraction(2) ** (code - 2 ** (fmt.bits - 1) + 1)
    if isinstance(fmt, HiFloat8Format):
        return _hif8(code)
    if isinstance(fmt, CodebookFormat):
        value = fmt.values[code]
        return value if value == 0 and isinstance(value, float) and math.copysign(1, value) < 0 else Fraction(value)
    unpacked = fmt.value_of(code)  # a family this witness has not read about
    return unpacked.value if unpacked.is_finite and not (unpacked.sign and unpacked == 0) else float(unpacked)


def _signed(negative: bool, magnitude: Fraction | float) -> Fraction | float:
    if not negative:
        return magnitude
    return -0.0 if magnitude == 0 else -magnitude


def _minifloat(x: int, t: int, precision: int, bias: int) -> Fraction:
    """X = 0: T * 2**(1-P) * 2**(1-B), else (1 + T * 2**(1-P)) * 2**(X-B)."""
    fraction = Fraction(t, 2 ** (precision - 1))
    return fraction * Fraction(2) ** (1 - bias) if x == 0 else (1 + fraction) * Fraction(2) ** (x - bias)


def _float(code: int, fmt: FloatFormat) -> Fraction | float:
    e, m = fmt.E, fmt.M
    negative = fmt.signed and code >> (e + m) == 1
    x, t = (code >> m) % 2**e, code % 2**m
    all_ones = x == 2**e - 1
    if fmt.specials is Specials.IEEE and all_ones:
        return NAN if t else _signed(negative, INFINITY)
    if fmt.specials is Specials.FN and all_ones and t == 2**m - 1:
        return NAN
    if fmt.specials is Specials.FNUZ and negative and x == t == 0:
        return NAN
    return _signed(negative, _minifloat(x, 0 if x == 0 and not fmt.subnormals else t, m + 1, fmt.bias))


def _p3109(code: int, fmt: P3109Format) -> Fraction | float:
    # v4.0: NaN 2**(K-1) signed, 2**K - 1 unsigned; infinities 2**(K-1) - 1 and 2**K - 1 signed, 2**K - 2 unsigned.
    k, p = fmt.K, fmt.P
    half = 2 ** (k - 1)
    if code == (half if fmt.signed else 2 * half - 1):
        return NAN
    negative = fmt.signed and code > half
    magnitude = code - half if negative else code
    if fmt.extended and magnitude == (half - 1 if fmt.signed else 2 * half - 2):
        return -INFINITY if negative else INFINITY
    bias = 2 ** (k - p - 1) if fmt.signed else 2 ** (k - p)
    x, t = divmod(magnitude, 2 ** (p - 1))
    return _signed(negative, _minifloat(x, t, p, bias))


def _integer(code: int, fmt: IntFormat) -> Fraction | float:
    step, half = Fraction(2) ** -fmt.frac_bits, 2 ** (fmt.bits - 1)
    if fmt.sign_magnitude:
        return _signed(code >= half, (code % half) * step)
    return (code - 2 * half if fmt.signed and code >= half else code) * step


def _posit(code: int, bits: int, es: int) -> Fraction | float:
    """Read the string of the absolute value from the left: regime run, its end bit, exponent, fraction."""
    if code == 0:
        return Fraction(0)
    if code == 2 ** (bits - 1):
        return NAN
    negative = code > 2 ** (bits - 1)
    text = f"{2**bits - code if negative else code:0{bits}b}"[1:]
    run = len(text) - len(text.lstrip(text[0]))
    k = run - 1 if text[0] == "1" else -run
    rest = text[run + 1 :]
    exponent = int(rest[:es].ljust(es, "0") or "0", 2)
    fraction = rest[es:]
    scale = (k << es) + exponent
    value = (1 + Fraction(int(fraction or "0", 2), 2 ** len(fraction))) * Fraction(2) ** scale
    return -value if negative else value


def _takum_characteristic(text: str) -> tuple[int, Fraction]:
    """(c, m) of a takum string without its sign: D, R (3 bits), C (r bits), mantissa; zeros follow a short string."""
    text = text.ljust(11, "0")
    regime = int(text[1:4], 2)
    r = regime if text[0] == "1" else 7 - regime
    tail = int(text[4 : 4 + r] or "0", 2)
    c = 2**r - 1 + tail if text[0] == "1" else -(2 ** (r + 1)) + 1 + tail
    mantissa = text[4 + r :]
    return c, Fraction(int(mantissa or "0", 2), 2 ** len(mantissa))


def _takum(code: int, bits: int) -> Fraction | float:
    """Through the absolute value: a takum's negation is its two's complement, and a positive one is (1 + m) * 2**c."""
    half = 2 ** (bits - 1)
    if code in (0, half):
        return NAN if code else Fraction(0)
    c, m = _takum_characteristic(f"{2 * half - code if code > half else code:0{bits}b}"[1:])
    value = (1 + m) * Fraction(2) ** c
    return -value if code > half else value


def logarithm(code: int, fmt: Format) -> Fraction | None:
    """Logarithm of a magnitude, in base 2 for LNS and in base sqrt(e) for the logarithmic takum; None for 0 and NaN."""
    if isinstance(fmt, LnsFormat):
        # Two's complement exponent of bits - 1 bits with frac_bits fraction bits; the most negative one is reserved.
        field, half = code % 2 ** (fmt.bits - 1), 2 ** (fmt.bits - 2)
        return None if field == half else Fraction(field - 2 * half if field > half else field, 2**fmt.frac_bits)
    assert isinstance(fmt, TakumLogFormat)
    half = 2 ** (fmt.bits - 1)
    if code in (0, half):
        return None
    c, m = _takum_characteristic(f"{2 * half - code if code > half else code:0{fmt.bits}b}"[1:])
    return c + m


def _logarithmic(code: int, fmt: LnsFormat | TakumLogFormat) -> Fraction | float:
    exponent, half = logarithm(code, fmt), 2 ** (fmt.bits - 1)
    if exponent is None:
        return NAN if code >= half else Fraction(0)
    binary = isinstance(fmt, LnsFormat)
    negative = code >= half
    if exponent == 0 or (binary and exponent.denominator == 1):
        return _signed(negative, Fraction(2) ** int(exponent))
    return _signed(negative, nearest_float(*exponential(binary, exponent, 200)))


def exponential(binary: bool, exponent: Fraction, precision: int) -> tuple[Fraction, Fraction]:
    """Rationals below and above ``2**exponent`` (`binary`) or ``exp(exponent / 2)``, good to about `precision` bits."""
    import mpmath

    with mpmath.workprec(precision + 64):
        q = mpmath.mpf(exponent.numerator) / exponent.denominator
        middle = to_fraction(mpmath.power(2, q) if binary else mpmath.exp(q / 2))
    # |q| < 2**20, so the rounding of q costs at most 20 of the 64 extra bits.
    return middle * (1 - Fraction(1, 2**precision)), middle * (1 + Fraction(1, 2**precision))


def to_fraction(x: Any) -> Fraction:
    """The exact value of a finite mpmath number."""
    sign, mantissa, exponent, _ = x._mpf_
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent) * (-1 if sign else 1)


def nearest_float(low: Fraction, high: Fraction) -> float:
    """The binary64 nearest to a number known to lie between `low` and `high`."""
    below, above = float(low), float(high)
    if below != above:
        raise ArithmeticError(f"{low} to {high} is too wide to be rounded")
    return below


#: HiF8 magnitudes by code 0x01 to 0x7F (arXiv:2409.16626; facts: 0x6F is infinity): (first code, count, mantissa bits,
#: first exponent, its step from one group of mantissas to the next).
_HIF8_ROWS = (
    (0x08, 1, 3, 0, 0),
    (0x10, 1, 3, 1, 0),
    (0x18, 1, 3, -1, 0),
    (0x20, 2, 3, 2, 1),
    (0x30, 2, 3, -2, -1),
    (0x40, 4, 2, 4, 1),
    (0x50, 4, 2, -4, -1),
    (0x60, 8, 1, 8, 1),
    (0x70, 8, 1, -8, -1),
)
HIF8_MAGNITUDES: dict[int, Fraction] = {m: Fraction(2) ** (m - 23) for m in range(1, 8)} | {
    first + group * 2**bits + t: (1 + Fraction(t, 2**bits)) * Fraction(2) ** (exponent + group * step)
    for first, groups, bits, exponent, step in _HIF8_ROWS
    for group in range(groups)
    for t in range(2**bits)
    if first + group * 2**bits + t != 0x6F
}


def _hif8(code: int) -> Fraction | float:
    negative, magnitude = code >= 0x80, code % 0x80
    if magnitude == 0:
        return NAN if negative else Fraction(0)
    return _signed(negative, INFINITY if magnitude == 0x6F else HIF8_MAGNITUDES[magnitude])
