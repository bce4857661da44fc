"""MX+: the largest element of an MX block needs no exponent, so its exponent bits hold mantissa."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .block import BlockFormat
from .exponent import ExponentFormat
from .floating import FloatFormat
from .integer import IntFormat
from .scale_rules import element_facts
from .structured import StructuredBlock, structured

__all__ = ["MXPlusFormat"]


@structured
@dataclass(frozen=True)
class MXPlusFormat(StructuredBlock):
    """An MX format whose block maximum is stored as sign and e + m mantissa bits under the known exponent emax.

    The code of the block maximum reads ``(-1)**sign * (1 + m / 2**w) * 2**emax * X`` with w = bits - 1; the others stay
    plain elements. ``sides["index"]`` (uint8) tells which element that is: the first of the largest magnitudes.

    Only the floor rule puts the maximum into [2**emax, 2**(emax + 1)) * X, so any other is refused. The mantissa is
    rounded once and saturates at 2 - 2**-w (there is no carry into X). Our choice where the paper is silent: a block
    without such a maximum (all zero, or so small that X is at its least) has index 255 and is a plain MX block.

    Bits per element count the index as one byte, as the paper does. Source: arXiv:2510.14557 (MX+).

    >>> import numfmt as nf
    >>> b = nf.encode([-9.84, 1.0, 6.0, 0.0], MXPlusFormat("fp4_e2m1", "ufp8_e8m0", 4))
    >>> b.codes, b.sides["index"]
    (array([10,  1,  5,  0], dtype=uint8), array([0], dtype=uint8))
    >>> nf.decode(b)
    array([-10.,   1.,   6.,   0.], dtype=float32)
    """

    kind: ClassVar[str] = "mx_plus"
    #: Index of a block without an element under the known exponent.
    NO_INDEX: ClassVar[int] = 255

    def _check(self) -> None:
        self._need(self.rule == "floor", "rule='floor': others do not fix the exponent of the maximum", self.rule)
        self._need(isinstance(self.element, FloatFormat), "a float element", self.element.name)
        self._need(isinstance(self.scale, ExponentFormat), "an exponent-only scale", self.scale.name)
        self._need(self.tensor_scale is None and not self.centre, "neither tensor scale nor centre", self.tensor_scale)
        self._need(type(self.block) is int and self.block <= 255, "a block of at most 255 elements", self.block)

    @property
    def mantissa_width(self) -> int:
        """w: mantissa bits of the block maximum, every bit below its sign."""
        return self.element.bits - 1

    @property
    def emax(self) -> int:
        """Exponent of the block maximum, relative to X."""
        return element_facts(self.element).emax

    @property
    def maximum_format(self) -> IntFormat:
        """What the block maximum over ``2**emax * X`` is rounded to: sign, leading 1 and w fraction bits."""
        w = self.mantissa_width
        return IntFormat(w + 2, frac_bits=w, sign_magnitude=True)

    @property
    def side_bits(self) -> float:
        return super().side_bits + 8


def mx_plus(plain: BlockFormat, source: str) -> MXPlusFormat:
    """The MX+ form of an MX format."""
    return MXPlusFormat(plain.element, plain.scale, plain.block, source=source)
