"""Exact comparison of rationals with the irrational values of logarithmic formats, and exact binary64 thresholds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "Exponential",
    "Real",
    "approximation",
    "binary64_at_or_above",
    "brief",
    "compare",
    "is_negative",
    "nearest_binary64",
    "nearest_exponentials",
]


@dataclass(frozen=True)
class Exponential:
    """``(-1)**sign * base**exponent`` with an irrational value: base 2 (fractional exponent) or base sqrt(e)."""

    sign: int
    base: str  # "2" or "sqrt_e"
    exponent: Fraction

    @staticmethod
    def make(sign: int, base: str, exponent: Fraction) -> Real:
        """The value as a Fraction where it is rational (exponent 0, or base 2 with an integer exponent)."""
        if exponent == 0 or (base == "2" and exponent.denominator == 1):
            value = Fraction(2) ** int(exponent)
            return -value if sign else value
        return Exponential(sign, base, exponent)

    def enclosure(self, precision: int) -> tuple[Fraction, Fraction]:
        """Rationals strictly around the magnitude, about `precision` correct bits."""
        from mpmath import libmp

        bits = precision + 40
        q = libmp.from_rational(self.exponent.numerator, self.exponent.denominator, 4 * bits)
        if self.base == "2":
            x = libmp.mpf_pow(libmp.from_int(2), q, bits)
        else:
            x = libmp.mpf_exp(libmp.mpf_shift(q, -1), bits)
        _, mantissa, exponent, _ = x
        # mpmath's results are good to a few units in the last place; a million of them is a safe margin.
        slack = Fraction(1, 1 << (bits - 20))
        middle = Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
        return middle * (1 - slack), middle * (1 + slack)

    def __neg__(self) -> Exponential:
        return Exponential(1 - self.sign, self.base, self.exponent)


Real = Fraction | Exponential


def is_negative(x: Real) -> bool:
    """Whether `x` is below zero."""
    return x < 0 if isinstance(x, Fraction) else bool(x.sign)


def approximation(x: Real) -> Fraction:
    """`x` itself, or a rational with 128 correct bits."""
    if isinstance(x, Fraction):
        return x
    low, high = x.enclosure(128)
    return -(low + high) / 2 if x.sign else (low + high) / 2


def _compare_exponentials(x: Exponential, y: Exponential) -> int:
    if x.sign != y.sign:
        return -1 if x.sign else 1
    if x.base == y.base:
        larger = (x.exponent > y.exponent) - (x.exponent < y.exponent)
        return -larger if x.sign else larger
    # 2**p = exp(q / 2) with rational p and q only for p = q = 0, which `make` turns into a Fraction.
    precision = 64
    while True:
        (a, b), (c, d) = x.enclosure(precision), y.enclosure(precision)
        if b < c or d < a:
            larger = 1 if d < a else -1
            return -larger if x.sign else larger
        precision *= 2


def compare(x: Real, real: Real) -> int:
    """Sign of ``x - real``: -1, 0 or 1, decided exactly.

    An irrational `real` never equals `x` (2**q with q not an integer is irrational; exp(q), q != 0, is transcendental
    by Lindemann), so refining its enclosure ends.
    """
    if isinstance(x, Exponential):
        return _compare_exponentials(x, real) if isinstance(real, Exponential) else -compare(real, x)
    if isinstance(real, Fraction):
        return (x > real) - (x < real)
    if (x < 0) != bool(real.sign) or x == 0:
        return 1 if real.sign else -1
    magnitude, precision = abs(x), 64
    while True:
        low, high = real.enclosure(precision)
        if magnitude < low or magnitude > high:
            outside = 1 if magnitude > high else -1
            return -outside if real.sign else outside
        precision *= 2


def _nearest_rational(x: Fraction) -> float:
    try:
        return float(x)
    except OverflowError:
        return math.inf if x > 0 else -math.inf


def brief(value: object) -> str:
    """`value` as short text: a Fraction beyond binary64 can have thousands of digits."""
    if not isinstance(value, Fraction) or value == 0:
        return str(value)
    if max(value.numerator.bit_length(), value.denominator.bit_length()) <= 64:
        return str(value)
    power = abs(value.numerator).bit_length() - value.denominator.bit_length()
    return f"about {'-' if value < 0 else ''}2**{power}"


def nearest_binary64(real: Real) -> float:
    """`real` correctly rounded to binary64 (ties to even; an infinity beyond its range)."""
    if isinstance(real, Fraction):
        return _nearest_rational(real)
    precision = 64
    while True:
        low, high = (_nearest_rational(bound) for bound in real.enclosure(precision))
        if low == high:
            return -low if real.sign else low
        precision *= 2


def nearest_exponentials(base: str, exponents: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """``base**exponent`` (base "2" or "sqrt_e") correctly rounded to binary64; the exponents are exact in binary64.

    Where long doubles have 64 bits or more they give the value with a wide margin, and only elements too close to a
    rounding boundary are computed exactly; elsewhere every element is.
    """
    wide = exponents.astype(np.longdouble)
    near = np.exp2(wide) if base == "2" else np.exp(wide / 2)
    values = near.astype(np.float64)
    if np.finfo(np.longdouble).nmant >= 63:
        slack = near * np.longdouble(2.0**-58)
        doubtful = (near - slack).astype(np.float64) != (near + slack).astype(np.float64)
    else:
        doubtful = np.ones(values.shape, bool)
    for i in np.flatnonzero(doubtful):
        values[i] = nearest_binary64(Exponential.make(0, base, Fraction(float(exponents[i]))))
    return values


def binary64_at_or_above(real: Real, *, strictly: bool) -> float:
    """The smallest binary64 ``>= real`` (``> real`` when `strictly`); +infinity when none is finite."""
    x = nearest_binary64(real)
    if x == -math.inf:
        x = -math.nextafter(math.inf, 0.0)
        return x if compare(Fraction(x), real) >= 0 else math.nextafter(x, math.inf)
    if x == math.inf:
        largest = math.nextafter(math.inf, 0.0)
        at_least = compare(Fraction(largest), real)
        return largest if at_least > 0 or (at_least == 0 and not strictly) else math.inf
    side = compare(Fraction(x), real)
    if side < 0 or (side == 0 and strictly):
        x = math.nextafter(x, math.inf)
    return x
