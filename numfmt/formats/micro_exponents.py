"""Shared micro-exponents (MX9, MX6, MX4): a block exponent, and one more bit of exponent for every pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .exponent import ExponentFormat
from .integer import IntFormat
from .scale_rules import element_facts
from .structured import StructuredBlock, structured

__all__ = ["MicroExponentFormat", "micro_exponents"]


@structured
@dataclass(frozen=True)
class MicroExponentFormat(StructuredBlock):
    """value = (-1)**sign * M * 2**(1 - m) * 2**(E - 127) * 2**-D: E per block, one bit D per `pair` elements.

    E is the exponent of the block's largest element, D = min(1, E - exponent of the group's largest element), kept in
    ``sides["micro_exponents"]`` (uint8, block / pair of them). M has m bits, no hidden one, rounds half to even and
    saturates at 2**m - 1: no carry into E or D. A zero keeps its sign.

    Binary32 subnormals count as what they are, by default: the exponent field 0 stands for 2**-127 here.
    ``flush_subnormals=True`` takes magnitudes below 2**-126 for zeros first, as AMD Quark does; the codes are then
    Quark's for every binary32 input. A NaN or infinity makes the whole block NaN in either.

    Source: Rouhani et al., "With Shared Microexponents, A Little Shifting Goes a Long Way" (ISCA 2023), table 2 (block
    16, pairs, m = 7, 4, 2); encoder: AMD Quark 0.13, custom_ops/bfp BFPPrime. Not an OCP MX format.

    >>> import numfmt as nf
    >>> b = nf.encode([1.0, -0.75, 0.25, 0.1], MicroExponentFormat("int5_f3_sm", "ufp8_e8m0", 4))
    >>> b.codes, b.sides["micro_exponents"]
    (array([ 8, 22,  4,  2], dtype=uint8), array([[0, 1]], dtype=uint8))
    >>> nf.decode(b)
    array([ 1.   , -0.75 ,  0.25 ,  0.125], dtype=float32)
    """

    kind: ClassVar[str] = "micro_exponents"
    pair: int = 2
    flush_subnormals: bool = False

    def _check(self) -> None:
        e = self.element
        fits = isinstance(e, IntFormat) and e.sign_magnitude and element_facts(e).emax == 0
        self._need(fits, "a sign-magnitude element below 2, such as int8_f6_sm", e.name)
        self._need(self.rule == "floor", "rule='floor'", self.rule)
        self._need(isinstance(self.scale, ExponentFormat), "an exponent-only scale", self.scale.name)
        self._need(self.tensor_scale is None and not self.centre, "neither tensor scale nor centre", self.tensor_scale)
        whole = type(self.block) is int and type(self.pair) is int and self.pair > 0 and self.block % self.pair == 0
        self._need(whole, "a block that `pair` divides", f"block={self.block}, pair={self.pair}")

    @property
    def groups(self) -> int:
        """Micro-exponents per block."""
        assert isinstance(self.block, int)
        return self.block // self.pair

    @property
    def side_bits(self) -> float:
        return super().side_bits + self.groups


def micro_exponents(m: int, source: str) -> MicroExponentFormat:
    """The format with m mantissa bits."""
    element = IntFormat(m + 1, frac_bits=m - 1, sign_magnitude=True)
    return MicroExponentFormat(element, ExponentFormat(8), 16, source=source)
