"""Codebooks: formats given by their list of values, real (NF4, ternary, ...) or complex (the fourth roots of unity)."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError, CodeRangeError, FormatMismatchError
from ..rounding import NaNRule, Rounding
from .base import Format
from .real import Real
from .unpacked import Unpacked

__all__ = ["CodebookFormat", "FourthRootsFormat"]


@dataclass(frozen=True)
class CodebookFormat(Format):
    """A real codebook: code `i` stands for ``values[i]``.

    Parameters
    ----------
    label : str
        Canonical name.
    values : tuple of float, int or Fraction
        At most 65536; taken exactly. Floats are dyadic, so an NF4 entry means its float32 constant. ``-0.0`` counts as
        a negative zero.
    ties : Rounding
        Default rounding. Values beyond the ends take the end.
    float32_breakpoints : bool
        Nearest rounding turns at the midpoint rounded to binary32, as the reference implementation's constants do.
    breakpoints : tuple of float
        Where nearest rounding turns between neighbouring magnitudes, ascending, for a codebook that is symmetric;
        for reference implementations whose constants are not midpoints.

    >>> CodebookFormat("pm3", (-3, -1, 1, 3)).max
    3.0
    """

    label: str
    values: tuple[Any, ...]
    ties: Rounding = Rounding.NEAREST_EVEN
    float32_breakpoints: bool = False
    source: str = field(default="user codebook", compare=False)
    breakpoints: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        values = tuple(self.values)
        object.__setattr__(self, "values", values)
        if not 2 <= len(values) <= 65536:
            raise ArgumentError(f"values must hold 2 to 65536 numbers, got {len(values)}")
        for value in values:
            try:
                Fraction(value)
            except (TypeError, ValueError, OverflowError):
                raise ArgumentError(f"values must be finite real numbers, got {value!r}") from None
            Unpacked.from_fraction(Fraction(value))

    @property
    def name(self) -> str:
        return self.label

    @property
    def bits(self) -> int:  # type: ignore[override]
        return (len(self.values) - 1).bit_length()

    @property
    def code_count(self) -> int:
        return len(self.values)

    @property
    def default_rounding(self) -> Rounding:
        return self.ties

    def value_of(self, code: int) -> Unpacked:
        value = self.values[self.check_code(code)]
        if value == 0:
            return Unpacked.zero(int(isinstance(value, float) and np.signbit(value)))
        return Unpacked.from_fraction(Fraction(value))

    @cached_property
    def _given_breakpoints(self) -> dict[Fraction, Fraction]:
        """Breakpoint above each magnitude that has one."""
        magnitudes = sorted({abs(Fraction(v)) for v in self.values})
        if len(self.breakpoints) != len(magnitudes) - 1:
            raise ArgumentError(
                f"breakpoints must hold {len(magnitudes) - 1} numbers for {len(magnitudes)} magnitudes, "
                f"got {len(self.breakpoints)}"
            )
        return dict(zip(magnitudes, map(Fraction, self.breakpoints), strict=False))

    def breakpoint(self, lower: int, upper: int) -> Real:
        if self.breakpoints:
            low, high = Fraction(self.values[lower]), Fraction(self.values[upper])
            negative = low < 0
            at = self._given_breakpoints[min(abs(low), abs(high))]
            return -at if negative else at
        midpoint = super().breakpoint(lower, upper)
        if self.float32_breakpoints:
            assert isinstance(midpoint, Fraction)
            return round_to_float32(midpoint)
        return midpoint


def round_to_float32(x: Fraction) -> Fraction:
    """`x` rounded to the nearest binary32 normal number, ties to even, in integers."""
    if x == 0:
        return x
    exponent = abs(x.numerator).bit_length() - x.denominator.bit_length() - 25
    quantum = Fraction(2) ** exponent
    while abs(x) / quantum >= 1 << 24:
        quantum *= 2
    return round(x / quantum) * quantum


@dataclass(frozen=True)
class FourthRootsFormat(Format):
    """The complex codebook <+-1, +-i>: code k stands for i**k, so products add codes modulo 4.

    A number goes to the nearest axis by phase: [-pi/4, pi/4) to 1, [pi/4, 3pi/4) to i, and so on round; 0 goes to 1.
    All decided by comparing real and imaginary part. Source: Fairy+-i, arXiv:2508.05571, and its public code.

    >>> FourthRootsFormat().table
    array([ 1.+0.j,  0.+1.j, -1.+0.j,  0.-1.j], dtype=complex64)
    """

    source: str = field(default="Fairy+-i, arXiv:2508.05571 and its public code", compare=False)

    @property
    def bits(self) -> int:  # type: ignore[override]
        return 2

    @property
    def name(self) -> str:
        return "fourth_roots"

    @property
    def is_complex(self) -> bool:
        return True

    def value_of(self, code: int) -> Unpacked:
        raise FormatMismatchError(f"{self.name} holds complex numbers; use real_imag_of(code) or table")

    def real_imag_of(self, code: int) -> tuple[Unpacked, Unpacked]:
        """Exact real and imaginary part of `code`."""
        if not 0 <= code < 4:
            raise CodeRangeError(f"code must be in [0, 4) for {self.name}, got {code}")
        parts = ((1, 0), (0, 1), (-1, 0), (0, -1))[code]
        return Unpacked.from_fraction(parts[0]), Unpacked.from_fraction(parts[1])

    @property
    def has_nan(self) -> bool:
        return False

    @property
    def has_inf(self) -> bool:
        return False

    @property
    def has_zero(self) -> bool:
        return False

    @property
    def has_negative_zero(self) -> bool:
        return False

    @property
    def finite_count(self) -> int:
        return 4

    @property
    def value_count(self) -> int:
        return 4

    @property
    def default_nan(self) -> NaNRule:
        return NaNRule.RAISE

    @cached_property
    def table(self) -> npt.NDArray[Any]:
        values = np.array([complex(float(r), float(i)) for r, i in map(self.real_imag_of, range(4))], np.complex64)
        values.setflags(write=False)
        return values

    @property
    def value_dtype(self) -> np.dtype[Any]:
        return np.dtype(np.complex64)

    def nearest_axis(self, real: npt.NDArray[Any], imag: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Codes by phase, from comparisons only (negation of a float is exact)."""
        plus_one = (imag >= -real) & (imag < real) | (real == 0) & (imag == 0)
        plus_i = (imag >= real) & (imag > -real) & ~plus_one
        minus_one = (imag <= -real) & (imag > real)
        return np.where(plus_one, 0, np.where(plus_i, 1, np.where(minus_one, 2, 3))).astype(np.uint8)
