"""Fairy: complex numbers as fourth roots of unity times one of two scales, one for the reals and one for the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .base import Format
from .codebook import FourthRootsFormat
from .structured import StructuredBlock, structured

__all__ = ["FairyFormat"]


@structured
@dataclass(frozen=True)
class FairyFormat(StructuredBlock):
    """Complex elements +-s_re and +-i s_im: two bits each, and two scales per tensor (or row, or group).

    An element goes to the nearest axis by phase (`FourthRootsFormat`; 0 goes to 1). s_re is the mean of |Re| over the
    elements that went to +-1, s_im the mean of |Im| over those that went to +-i: binary64 sums in the order of every
    sum that decides a scale, the mean rounded to binary64 and then by the scale format, and at least 1e-5 (as the scale
    format has it), which is also what an empty set gets. ``scales`` holds s_re, ``sides["scales_imag"]`` s_im.

    Real input has imaginary part 0. A part that is NaN or infinite is an error. Elements that fill up a last block are
    zeros like others: they count among the +-1.

    Source: Fairy+-i, arXiv:2508.05571 and its public code (two scales per weight tensor; the code of its successor
    Fairy2i, arXiv:2512.02901, has the floor 1e-6). Scales per row and per group
    are the same formula over fewer elements; the paper has none.

    >>> import numfmt as nf
    >>> b = nf.encode([3 + 1j, -1 + 0j, 0.5 - 4j], "fairy")
    >>> b.codes, float(b.scales), float(b.sides["scales_imag"])
    (array([0, 2, 3], dtype=uint8), 2.0, 4.0)
    >>> nf.decode(b)
    array([ 2.+0.j, -2.+0.j,  0.-4.j], dtype=complex64)
    """

    kind: ClassVar[str] = "fairy"
    #: Smallest scale, before the scale format rounds it.
    FLOOR: ClassVar[float] = 1e-5

    def _check(self) -> None:
        self._need(isinstance(self.element, FourthRootsFormat), "element fourth_roots", self.element.name)
        self._need(isinstance(self.scale, Format), "a scalar scale format", self.scale.name)
        self._need(self.rule == "absmean", "rule='absmean'", self.rule)
        self._need(self.tensor_scale is None and not self.centre, "neither tensor scale nor centre", self.tensor_scale)
        self._need(self.nonfinite == "raise", "nonfinite='raise'", self.nonfinite)
        plain = self.quotient == "exact" and not self.full_range and not self.min_scale
        self._need(plain, "the usual quotient, full_range and min_scale: codes go by phase", super().spelled_name)

    @property
    def side_bits(self) -> float:
        return 2 * super().side_bits
