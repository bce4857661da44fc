"""Exponent-only formats: E8M0, the shared scale of the OCP MX formats."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from ..errors import ArgumentError
from ..rounding import Overflow, Rounding
from .base import Format
from .unpacked import Unpacked

__all__ = ["ExponentFormat"]


@dataclass(frozen=True)
class ExponentFormat(Format):
    """Unsigned powers of two: value = 2**(code - bias), the all-ones code is NaN; no zero, no sign, no infinity.

    Encoding defaults (OCP defines none for an arbitrary real): nearest with ties up, 0 and everything below the
    smallest value give the smallest, negative numbers give NaN, too large values saturate. Profiles give the other
    stacks' rules. Source: OCP MX v1.0 section 5.4.1 (E8M0).

    >>> ExponentFormat(8).max == 2.0 ** 127
    True
    """

    bits: int = 8
    source: str = field(default="OCP Microscaling Formats v1.0, section 5.4.1", compare=False)

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 11:
            raise ArgumentError(f"an exponent-only format here has 2 to 11 bits, got {self.bits}")

    @property
    def name(self) -> str:
        return f"ufp{self.bits}_e{self.bits}m0"

    @property
    def bias(self) -> int:
        """2**(bits - 1) - 1."""
        return (1 << (self.bits - 1)) - 1

    @property
    def negative_is_nan(self) -> bool:
        return True

    @property
    def default_rounding(self) -> Rounding:
        return Rounding.NEAREST_UP

    @property
    def default_overflow(self) -> Overflow:
        return Overflow.SATURATE

    def value_of(self, code: int) -> Unpacked:
        if self.check_code(code) == self.code_count - 1:
            return Unpacked.nan()
        return Unpacked.finite(0, 1, code - self.bias)

    @property
    def above_max(self) -> Fraction:
        return Fraction(2) ** (self.code_count - 1 - self.bias)

    @property
    def field_widths(self) -> tuple[tuple[str, int], ...]:
        return (("exponent", self.bits),)
