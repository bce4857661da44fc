"""Takums: tapered precision with a bounded 9-bit characteristic, linear and logarithmic."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError
from .posit import TwosComplementCodes
from .real import Exponential, Real, nearest_exponentials
from .unpacked import Unpacked

__all__ = ["TakumFormat", "TakumLogFormat", "takum_fields"]

#: Precision (bits) of the rational that stands for an irrational value in `value_of`.
LOG_PRECISION = 128


def takum_fields(code: int, bits: int) -> tuple[int, int, int, int]:
    """(S, c, M, p) of a takum code that is neither 0 nor NaR: sign, characteristic, mantissa integer, mantissa bits.

    Fields S | D | R (3 bits) | C (r bits) | M (p bits), short strings padded with zeros on the right to 12 bits;
    r = R if D else 7 - R; c = 2**r - 1 + C if D else -2**(r+1) + 1 + C. Source: arXiv:2404.18603 definition 2.
    """
    if bits < 12:
        code, bits = code << (12 - bits), 12
    s = code >> (bits - 1)
    d = (code >> (bits - 2)) & 1
    regime = (code >> (bits - 5)) & 7
    r = regime if d else 7 - regime
    p = bits - 5 - r
    c = (code >> p) & ((1 << r) - 1)
    characteristic = (1 << r) - 1 + c if d else -(1 << (r + 1)) + 1 + c
    return s, characteristic, code & ((1 << p) - 1), p


def characteristics(
    magnitude: npt.NDArray[np.int64], bits: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """`takum_fields` of positive codes as arrays: characteristic, mantissa integer, mantissa bits."""
    if bits < 12:
        magnitude, bits = magnitude << (12 - bits), 12
    d = (magnitude >> (bits - 2)) & 1
    regime = (magnitude >> (bits - 5)) & 7
    r = np.where(d == 1, regime, 7 - regime)
    p = bits - 5 - r
    c = (magnitude >> p) & ((np.int64(1) << r) - 1)
    characteristic = np.where(d == 1, (np.int64(1) << r) - 1 + c, -(np.int64(2) << r) + 1 + c)
    return characteristic.astype(np.int32), magnitude & ((np.int64(1) << p) - 1), p.astype(np.int32)


class _Takum(TwosComplementCodes):
    """What both takums share: string rounding with ties to the even code, never to 0 or NaR when nearest."""

    bits: int

    def _value(self, code: int, bits: int) -> Real:
        raise NotImplementedError

    def breakpoint(self, lower: int, upper: int) -> Real:
        return Fraction(0) if 0 in (lower, upper) else self._value(2 * lower + 1, self.bits + 1)

    def real_of(self, code: int) -> Real:
        return Fraction(0) if code == 0 else self._value(code, self.bits)

    def fields_of(self, code: int) -> tuple[tuple[str, str], ...]:
        text = f"{code:0{self.bits}b}"
        if code in (0, self.nan_code):
            return (("sign", text[0]), ("regime", text[1:]))
        p = takum_fields(code, self.bits)[3]
        end = max(self.bits, 12) - p
        parts = (("sign", text[0]), ("regime", text[1:5]), ("exponent", text[5:end]), ("mantissa", text[end:]))
        return tuple(part for part in parts if part[1])

    def _check(self) -> None:
        if not 3 <= self.bits <= 32:
            raise ArgumentError(f"takums here have 3 to 32 bits, got {self.bits}")

    @cached_property
    def value_dtype(self) -> np.dtype[Any]:
        # Values reach 2**254; the logarithmic ones are irrational.
        return np.dtype(np.float64)


@dataclass(frozen=True)
class TakumFormat(_Takum):
    """Linear takum: value = ((1 - 3S) + M * 2**-p) * 2**e with e = (-1)**S * (c + S).

    Called ``takum`` here and in Universal, ``takum_linear`` in libtakum. Source: arXiv:2404.18603, arXiv:2408.10594.

    >>> TakumFormat(8).value_of(0x40).value
    Fraction(1, 1)
    """

    bits: int
    source: str = field(default="Hunhold, arXiv:2404.18603 definition 2 (linear)", compare=False)

    def __post_init__(self) -> None:
        self._check()

    @property
    def name(self) -> str:
        return f"takum{self.bits}"

    def _value(self, code: int, bits: int) -> Fraction:
        s, c, m, p = takum_fields(code, bits)
        exponent = -(c + 1) if s else c
        return (Fraction(1 - 3 * s) + Fraction(m, 1 << p)) * Fraction(2) ** exponent

    def value_of(self, code: int) -> Unpacked:
        if self.check_code(code) in (0, self.nan_code):
            return Unpacked.nan() if code else Unpacked.zero()
        return Unpacked.from_fraction(self._value(code, self.bits))

    def decode_array(self, codes: npt.NDArray[Any]) -> npt.NDArray[np.float64] | None:
        half = 1 << (self.bits - 1)
        code = codes.astype(np.int64)
        negative = code > half
        c, fraction, p = characteristics(np.where(negative, 2 * half - code, code), self.bits)
        # |value| = (1 + M * 2**-p) * 2**c; the significand has at most 28 bits, so ldexp is exact.
        values = np.ldexp(1.0 + np.ldexp(fraction.astype(np.float64), -p), c)
        values = np.where(negative, -values, values)
        return np.asarray(np.where(code == 0, 0.0, np.where(code == half, np.nan, values)))


@dataclass(frozen=True)
class TakumLogFormat(_Takum):
    """Logarithmic takum: value = (-1)**S * sqrt(e)**l with l = (-1)**S * (c + M * 2**-p).

    Values other than 0 and +-1 are irrational: `decode` gives them correctly rounded, and encoding compares exactly.
    Called ``takum`` in libtakum. Source: arXiv:2404.18603 definition 2.

    >>> round(TakumLogFormat(16).max / 1e55, 3)
    2.285
    """

    bits: int
    source: str = field(default="Hunhold, arXiv:2404.18603 definition 2 (logarithmic)", compare=False)

    def __post_init__(self) -> None:
        self._check()

    @property
    def name(self) -> str:
        return f"takum_log{self.bits}"

    @property
    def exact(self) -> bool:
        return False

    def _value(self, code: int, bits: int) -> Real:
        s, c, m, p = takum_fields(code, bits)
        exponent = c + Fraction(m, 1 << p)
        return Exponential.make(s, "sqrt_e", -exponent if s else exponent)

    def value_of(self, code: int) -> Unpacked:
        if self.check_code(code) in (0, self.nan_code):
            return Unpacked.nan() if code else Unpacked.zero()
        return approximate(self._value(code, self.bits))

    def decode_array(self, codes: npt.NDArray[Any]) -> npt.NDArray[np.float64] | None:
        half = 1 << (self.bits - 1)
        code = codes.astype(np.int64)
        negative = code > half
        c, fraction, p = characteristics(np.where(negative, 2 * half - code, code), self.bits)
        ordinary = (code != 0) & (code != half)
        values = np.where(code == half, np.nan, 0.0)
        exponents = (c + np.ldexp(fraction.astype(np.float64), -p))[ordinary]
        values[ordinary] = nearest_exponentials("sqrt_e", exponents)
        return np.where(negative, -values, values)


def approximate(real: Real) -> Unpacked:
    """`real` as an Unpacked: exact when rational, else its leading `LOG_PRECISION` bits."""
    if isinstance(real, Fraction):
        return Unpacked.from_fraction(real)
    low, high = real.enclosure(LOG_PRECISION + 8)
    middle = (low + high) / 2
    exponent = middle.numerator.bit_length() - middle.denominator.bit_length() - LOG_PRECISION
    scaled = middle / Fraction(2) ** exponent
    return Unpacked.finite(real.sign, round(scaled), exponent)
