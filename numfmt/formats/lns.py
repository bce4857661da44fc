"""Logarithmic number systems: a sign and a fixed-point base-2 logarithm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError
from .base import ContiguousCodes, Format
from .real import Exponential, Real, nearest_exponentials
from .takum import approximate
from .unpacked import Unpacked

__all__ = ["LnsFormat"]


@dataclass(frozen=True)
class LnsFormat(Format):
    """LNS(bits, frac_bits): value = (-1)**s * 2**(L / 2**frac_bits), L a two's complement integer of bits - 1 bits.

    The most negative L means zero with sign 0 and NaN with sign 1. Nearest rounding acts on the logarithm, so it flips
    at the geometric midpoint (ties, which are irrational values, cannot occur for rational inputs). Values beyond the
    largest saturate, infinities too; half a step below the smallest exponent lies the zero code.
    Source: Stillwater Universal ``lns`` encoding; base 2**(1/gamma) of arXiv:2106.13914 with gamma = 2**frac_bits.

    >>> LnsFormat(8, 3).max == 2.0 ** 7.875
    True
    """

    bits: int
    frac_bits: int
    source: str = field(default="Universal lns<n, r> encoding; arXiv:2106.13914 (gamma = 2**r)", compare=False)

    def __post_init__(self) -> None:
        if not 3 <= self.bits <= 16 or not 0 <= self.frac_bits <= self.bits - 2 or self.bits - 2 - self.frac_bits > 10:
            raise ArgumentError(
                "lns needs 3 to 16 bits, 0 <= frac_bits <= bits - 2 and at most 10 integer exponent bits "
                f"(values within binary64), got bits={self.bits}, frac_bits={self.frac_bits}"
            )

    @property
    def name(self) -> str:
        return f"lns{self.bits}_{self.frac_bits}"

    @property
    def exact(self) -> bool:
        return self.frac_bits == 0

    def _logarithm(self, code: int) -> tuple[int, int]:
        half = 1 << (self.bits - 1)
        sign, field_ = divmod(code, half)
        return sign, field_ - half if field_ >= half // 2 else field_

    @property
    def _lowest(self) -> int:
        return -(1 << (self.bits - 2))

    def _power(self, sign: int, twice_logarithm: int) -> Real:
        return Exponential.make(sign, "2", Fraction(twice_logarithm, 2 << self.frac_bits))

    def real_of(self, code: int) -> Real:
        sign, logarithm = self._logarithm(code)
        return Fraction(0) if logarithm == self._lowest else self._power(sign, 2 * logarithm)

    def value_of(self, code: int) -> Unpacked:
        sign, logarithm = self._logarithm(self.check_code(code))
        if logarithm == self._lowest:
            return Unpacked.nan() if sign else Unpacked.zero()
        return approximate(self._power(sign, 2 * logarithm))

    @cached_property
    def ordered_codes(self) -> Sequence[int]:
        half, quarter = 1 << (self.bits - 1), 1 << (self.bits - 2)
        top = 2 * half
        return ContiguousCodes(
            range(half + quarter - 1, half - 1, -1),
            range(top - 1, half + quarter, -1),
            range(quarter, half),  # zero, then the negative logarithms
            range(quarter),
        )

    @property
    def nan_codes(self) -> tuple[int, ...]:
        return (3 << (self.bits - 2),)

    @property
    def infinity_codes(self) -> tuple[int | None, int | None]:
        return None, None

    @property
    def finite_count(self) -> int:
        return (1 << self.bits) - 1

    def breakpoint(self, lower: int, upper: int) -> Real:
        # Half-way between the logarithms; next to zero, half a step below the smallest logarithm.
        sign, a = self._logarithm(lower)
        other, b = self._logarithm(upper)
        if a != self._lowest and b != self._lowest and sign != other:
            raise ArgumentError(f"codes {lower} and {upper} are not neighbours")  # pragma: no cover
        return self._power(sign if a != self._lowest else other, a + b)

    def decode_array(self, codes: npt.NDArray[Any]) -> npt.NDArray[np.float64] | None:
        half = 1 << (self.bits - 1)
        code = codes.astype(np.int64)
        field_ = code & (half - 1)
        logarithm = np.where(field_ >= half // 2, field_ - half, field_)
        negative, reserved = code >= half, logarithm == self._lowest
        values = np.where(negative, np.nan, 0.0)
        exponents = np.ldexp(logarithm.astype(np.float64), -self.frac_bits)[~reserved]
        values[~reserved] = nearest_exponentials("2", exponents)
        return np.where(negative & ~reserved, -values, values)

    @property
    def field_widths(self) -> tuple[tuple[str, int], ...]:
        return (("sign", 1), ("exponent", self.bits - 1 - self.frac_bits), ("mantissa", self.frac_bits))

    @cached_property
    def value_dtype(self) -> np.dtype[Any]:
        if not self.exact:
            return np.dtype(np.float64)
        return self._smallest_dtype()
