"""Block floating point whose exponent takes the carry: an element that rounds out of range raises it by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .exponent import ExponentFormat
from .integer import IntFormat
from .structured import StructuredBlock, structured

__all__ = ["CarryBlockFormat"]


@structured
@dataclass(frozen=True)
class CarryBlockFormat(StructuredBlock):
    """Block floating point that re-rounds a block under twice the scale when any element rounds out of range.

    Everything else is the plain format: the same scale rule first, the same codes in all other blocks. At the largest
    scale there is no carry and the element saturates. With ``full_range`` (AMD's encoder) the most negative code is in
    range, so only positive elements carry.

    Source: AMD Quark 0.13, custom_ops/bfp, BFPCPUKernelCompiler: "x >= 128 or x < -128 raises the shared exponent".

    >>> import numfmt as nf
    >>> plain = nf.encode([127.5, 1.0], nf.BlockFormat("int8_f6", "ufp8_e8m0", 2, full_range=True))
    >>> carry = nf.encode([127.5, 1.0], CarryBlockFormat("int8_f6", "ufp8_e8m0", 2, full_range=True))
    >>> nf.decode(plain), nf.decode(carry)
    (array([127.,   1.], dtype=float32), array([128.,   0.], dtype=float32))
    """

    kind: ClassVar[str] = "carry"

    def _check(self) -> None:
        self._need(isinstance(self.element, IntFormat) and self.element.bits < 32, "an integer element", self.element)
        self._need(isinstance(self.scale, ExponentFormat), "an exponent-only scale", self.scale.name)
        self._need(self.tensor_scale is None and not self.centre, "neither tensor scale nor centre", self.tensor_scale)
        self._need(self.rule != "mse", "a rule that takes one scale", self.rule)

    @property
    def wide_element(self) -> IntFormat:
        """The element with one more bit, in which rounding past the range shows."""
        e = self.element
        assert isinstance(e, IntFormat)
        return IntFormat(e.bits + 1, e.signed, e.frac_bits, e.sign_magnitude)
