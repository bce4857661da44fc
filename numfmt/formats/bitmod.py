"""BitMoD: the redundant -0 code of a small float becomes one of four special values, chosen for every group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .codebook import CodebookFormat
from .registry import scalar
from .structured import StructuredBlock, structured

__all__ = ["BitModFormat", "bitmod"]


@structured
@dataclass(frozen=True)
class BitModFormat(StructuredBlock):
    """Groups on one of four grids: the base grid of the element with +er, -er, +ea or -ea in place of -0.

    ``sides["grid"]`` (uint8, 0..3 in that order) tells which. For each grid the scale is absmax / max|grid|, clamped to
    [1e-5, 1e4] and rounded once by the scale format; elements are the nearest level of the exact quotient, a midpoint
    goes to the lower level; the grid of the least squared error is kept, the first of equals. Errors are binary64:
    squares of rounded differences, added in the order of the elements. An all-zero group has the scale 1e-5.

    The authors' code does all of that in binary16, the quotient and the mean of the squares included; its choice of
    grid therefore differs in some groups. Its grids are 3 bits: er 3, ea 6; 4 bits (E2M1 times 2): er 10, ea 16.
    Source: BitMoD, arXiv:2411.11745 section III; abdelfattah-lab/BitMoD-HPCA-25, bitmod_quant/quant_utils (its
    predecessor yc2367/BitMoD has er 5 for 4 bits).

    >>> import numfmt as nf
    >>> b = nf.encode([6.0, -4.0, 2.0, 0.9], BitModFormat("bitmod_fp3", "binary16", 4))
    >>> b.codes, b.sides["grid"], nf.decode(b)
    (array([4, 7, 2, 1], dtype=uint8), array([2], dtype=uint8), array([ 6., -4.,  2.,  1.], dtype=float32))
    """

    kind: ClassVar[str] = "bitmod"
    #: Names of the specials, in the order of the selector.
    SPECIALS: ClassVar[tuple[str, ...]] = ("er_pos", "er_neg", "ea_pos", "ea_neg")
    LEAST_SCALE: ClassVar[float] = 1e-5
    LARGEST_SCALE: ClassVar[float] = 1e4

    def _check(self) -> None:
        known = self.element.name in ("bitmod_fp3", "bitmod_fp4")
        self._need(known, "element bitmod_fp3 or bitmod_fp4", self.element.name)
        self._need(self.rule == "absmax", "rule='absmax'", self.rule)
        self._need(not self.power_of_two_scale, "a scale with a significand", self.scale)
        self._need(self.tensor_scale is None and not self.centre, "neither tensor scale nor centre", self.tensor_scale)

    @property
    def grids(self) -> tuple[CodebookFormat, ...]:
        """The four codebooks, in the order of the selector."""
        return tuple(scalar(f"{self.element.name}_{label}") for label in self.SPECIALS)  # type: ignore[misc]

    @property
    def side_bits(self) -> float:
        return super().side_bits + 2


def bitmod(bits: int, source: str) -> BitModFormat:
    """BitMoD with 3 or 4 bits, groups of 128 and binary16 scales."""
    return BitModFormat(scalar(f"bitmod_fp{bits}"), scalar("binary16"), 128, source=source)
