"""`Unpacked`: the hub every format, operation and oracle meets at, an exact value as plain integers."""

from __future__ import annotations

from enum import IntEnum
from fractions import Fraction
from typing import NamedTuple

__all__ = ["Kind", "Unpacked"]


class Kind(IntEnum):
    """Class of an unpacked value."""

    ZERO = 0
    FINITE = 1
    INFINITY = 2
    NAN = 3


class Unpacked(NamedTuple):
    """``(-1)**sign * significand * 2**exponent`` when `kind` is FINITE; a signed zero, infinity or NaN otherwise.

    >>> Unpacked.finite(1, 3, -1).value
    Fraction(-3, 2)
    >>> float(Unpacked.finite(0, 7, 6))
    448.0
    """

    kind: Kind
    sign: int
    significand: int
    exponent: int

    @classmethod
    def zero(cls, sign: int = 0) -> Unpacked:
        """+0, or -0 for ``sign=1``."""
        return cls(Kind.ZERO, sign, 0, 0)

    @classmethod
    def finite(cls, sign: int, significand: int, exponent: int) -> Unpacked:
        """A finite number; a zero significand gives a signed zero."""
        return cls(Kind.FINITE if significand else Kind.ZERO, sign, significand, exponent if significand else 0)

    @classmethod
    def infinity(cls, sign: int = 0) -> Unpacked:
        """+infinity, or -infinity for ``sign=1``."""
        return cls(Kind.INFINITY, sign, 0, 0)

    @classmethod
    def nan(cls, sign: int = 0) -> Unpacked:
        """Not a number (also the posit and takum NaR)."""
        return cls(Kind.NAN, sign, 0, 0)

    @classmethod
    def from_fraction(cls, x: Fraction | int) -> Unpacked:
        """The exact dyadic rational `x`; `ValueError` when its denominator is not a power of two."""
        x = Fraction(x)
        denominator = x.denominator
        if denominator & (denominator - 1):
            raise ValueError(f"x must be a dyadic rational, got {x}")
        return cls.finite(int(x < 0), abs(x.numerator), 1 - denominator.bit_length())

    @property
    def is_finite(self) -> bool:
        """True for numbers and zeros."""
        return self.kind <= Kind.FINITE

    @property
    def value(self) -> Fraction:
        """The exact rational value; `ValueError` for infinities and NaN."""
        if not self.is_finite:
            raise ValueError(f"{self.kind.name.lower()} has no rational value")
        magnitude = self.significand << self.exponent if self.exponent >= 0 else self.significand
        exact = Fraction(magnitude, 1 if self.exponent >= 0 else 1 << -self.exponent)
        return -exact if self.sign else exact

    def __float__(self) -> float:
        """The nearest binary64 (ties to even); OverflowError beyond its range."""
        if self.kind is Kind.NAN:
            return float("nan")
        if self.kind is Kind.INFINITY:
            return float("-inf") if self.sign else float("inf")
        if self.kind is Kind.ZERO:
            return -0.0 if self.sign else 0.0
        # int / int is correctly rounded in Python, subnormal results included.
        return float(self.value)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Unpacked):
            return tuple.__eq__(self, other)
        if isinstance(other, float | int | Fraction):
            if not self.is_finite:
                return self.kind is Kind.INFINITY and isinstance(other, float) and float(self) == other
            if isinstance(other, float) and (other != other or other in (float("inf"), float("-inf"))):
                return False
            return self.value == other
        return NotImplemented

    def __hash__(self) -> int:
        return tuple.__hash__(self)
