"""HiFloat8: tapered precision from a prefix-coded dot field."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from ..rounding import Overflow, Rounding
from .base import Format
from .unpacked import Unpacked

__all__ = ["HiFloat8Format"]


@dataclass(frozen=True)
class HiFloat8Format(Format):
    """HiF8: sign | dot prefix | sign-magnitude exponent with implicit leading one | mantissa.

    Dot 11, 10, 01, 001, 0001 gives 4, 3, 2, 1, 0 exponent bits and 1, 2, 3, 3, 3 mantissa bits; dot 0000 holds zero and
    the powers 2**-22 to 2**-16. 0x6F and 0xEF are infinities, 0x80 is the only NaN, there is no -0. Rounding is nearest
    with ties away from zero; magnitudes of at least 40960 overflow. Source: arXiv:2409.16626 tables 1 and 2.

    >>> HiFloat8Format().max
    32768.0
    """

    source: str = field(default="Ascend HiFloat8, arXiv:2409.16626", compare=False)

    @property
    def bits(self) -> int:  # type: ignore[override]
        return 8

    @property
    def name(self) -> str:
        return "hif8"

    @property
    def default_rounding(self) -> Rounding:
        return Rounding.NEAREST_AWAY

    @property
    def default_overflow(self) -> Overflow:
        return Overflow.NONSATURATING

    @staticmethod
    def _split(magnitude: int) -> tuple[int, int]:
        """(exponent bits, dot prefix bits) of a magnitude code of at least 8."""
        for exponent_bits, prefix_bits, prefix in ((4, 2, 3), (3, 2, 2), (2, 2, 1), (1, 3, 1)):
            if magnitude >> (7 - prefix_bits) == prefix:
                return exponent_bits, prefix_bits
        return 0, 4

    def value_of(self, code: int) -> Unpacked:
        self.check_code(code)
        sign, magnitude = divmod(code, 128)
        if magnitude == 0:
            return Unpacked.nan() if sign else Unpacked.zero()
        if magnitude == 0x6F:
            return Unpacked.infinity(sign)
        if magnitude < 8:
            return Unpacked.finite(sign, 1, magnitude - 23)
        exponent_bits, prefix_bits = self._split(magnitude)
        mantissa_bits = 7 - prefix_bits - exponent_bits
        mantissa = magnitude & ((1 << mantissa_bits) - 1)
        exponent = 0
        if exponent_bits:
            coded = (magnitude >> mantissa_bits) & ((1 << exponent_bits) - 1)
            top = 1 << (exponent_bits - 1)
            exponent = top + (coded & (top - 1))
            if coded & top:
                exponent = -exponent
        return Unpacked.finite(sign, (1 << mantissa_bits) + mantissa, exponent - mantissa_bits)

    @property
    def above_max(self) -> Fraction:
        # 0x6F would have been 1.5 * 2**15.
        return Fraction(49152)

    @property
    def below_min(self) -> Fraction:
        return Fraction(-49152)

    def fields_of(self, code: int) -> tuple[tuple[str, str], ...]:
        text = f"{code:08b}"
        magnitude = code & 0x7F
        if magnitude < 8:
            return (("sign", text[0]), ("regime", text[1:5]), ("exponent", text[5:]))
        exponent_bits, prefix_bits = self._split(magnitude)
        cut, end = 1 + prefix_bits, 1 + prefix_bits + exponent_bits
        parts = (("sign", text[0]), ("regime", text[1:cut]), ("exponent", text[cut:end]), ("mantissa", text[end:]))
        return tuple(part for part in parts if part[1])
