"""Tenstorrent's block floats: sign and magnitude with the leading one stored, aligned by truncation, then rounded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .exponent import ExponentFormat
from .integer import IntFormat
from .structured import StructuredBlock, structured

__all__ = ["TenstorrentFormat", "tenstorrent"]


@structured
@dataclass(frozen=True)
class TenstorrentFormat(StructuredBlock):
    """value = (-1)**sign * M * 2**(E - 127 - (w - 1)): 16 elements under the largest exponent E, M of w bits.

    The significand (24 bits, the leading one among them) is aligned to E by a *truncating* shift and only then rounded
    half to even to w bits; it saturates at 2**w - 1 without a carry. Magnitudes below 2**-126 count as zero, and zero
    has no sign. Binary64 input is aligned in the same way: to multiples of 2**(E - 127 - 23), towards zero.

    Not defined by the host packer and therefore our choice: a NaN or infinity makes the block NaN (there E becomes 255
    and the other elements are flushed or wrong).

    Source: tenstorrent/tt-metal, tt_metal/impl/data_format/bfp_simd.hpp (row_scalar), bfp8_b, bfp4_b and bfp2_b;
    blockfloat_common.cpp does not flush subnormals. The search for a lower exponent (bfp_exponent_search.hpp) is not
    part of it.

    >>> import numfmt as nf
    >>> nf.decode(nf.encode([1.0, -0.3, 0.1, 1.9], TenstorrentFormat("int4_f2_sm", "ufp8_e8m0", 4)))
    array([ 1.  , -0.25,  0.  ,  1.75], dtype=float32)
    """

    kind: ClassVar[str] = "tenstorrent"

    def _check(self) -> None:
        e = self.element
        fits = isinstance(e, IntFormat) and e.sign_magnitude and e.frac_bits == e.bits - 2 and e.bits <= 16
        self._need(fits, "a sign-magnitude element of w + 1 bits with w - 1 fraction bits", e.name)
        self._need(self.rule == "floor", "rule='floor'", self.rule)
        self._need(isinstance(self.scale, ExponentFormat), "an exponent-only scale", self.scale.name)
        self._need(self.tensor_scale is None and not self.centre, "neither tensor scale nor centre", self.tensor_scale)


def tenstorrent(w: int, source: str) -> TenstorrentFormat:
    """The format with w magnitude bits."""
    element = IntFormat(w + 1, frac_bits=w - 1, sign_magnitude=True)
    return TenstorrentFormat(element, ExponentFormat(8), 16, source=source)
