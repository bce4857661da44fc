"""Progressive integers: 4-bit codes become exact 8-bit integers through integer group scales, those become reals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .integer import IntFormat
from .structured import StructuredBlock, structured

__all__ = ["DGQFormat", "ProgressiveFormat", "QoQFormat"]


@dataclass(frozen=True)
class ProgressiveFormat(StructuredBlock):
    """Two levels over one axis: value = (q - z) * s1 * s0, where (q - z) * s1 is an 8-bit integer.

    s0 is the scale of a whole row (a channel); every `group` elements share an integer scale s1, in
    ``sides["group_scales"]`` (uint8), and a zero point z, in ``sides["group_zeros"]`` (uint8). q has 4 bits without
    sign. The last group of a row may be shorter. Every rounding is half to even; a `rounding` argument concerns the
    last one alone, that of the codes before z is added. Bits per element count the group data, not s0.
    """

    group: int = 128

    def _check(self) -> None:
        self._need(self.element == IntFormat(4, signed=False), "element uint4", self.element.name)
        self._need(self.block is None, "block=None: s0 covers the whole axis", self.block)
        self._need(not self.power_of_two_scale and self.zero_point is None, "a scale with a significand", self.scale)
        self._need(self.tensor_scale is None and not self.centre, "neither tensor scale nor centre", self.tensor_scale)
        self._need(self.quotient == "exact", "the exact quotient", self.quotient)
        self._need(type(self.group) is int and self.group > 0, "a positive int group", self.group)

    @property
    def bits_per_element(self) -> float:
        """4 bits and the group's scale (8 bits) and zero point (4 bits)."""
        return self.element.bits + (8 + 4) / self.group


@structured
@dataclass(frozen=True)
class QoQFormat(ProgressiveFormat):
    """QServe's progressive group quantization (QoQ).

    Level 0: s0 = max|w| / 119, rounded by the scale format; v = round(w / s0) in [-119, 119]. Level 1, per group, with
    vmin <= 0 <= vmax: s1 = max(round((vmax - vmin) / 15), 1), z = round(-vmin / s1) in 0..15, q = round(v / s1) + z in
    0..15. 119 is the protective range: the largest for which (q - z) * s1 fits int8 for every pair (vmin, vmax).

    Source: QServe, arXiv:2405.04532 section 4.1; mit-han-lab/deepcompressor, data/range.py (ProtectiveQuantRange, and
    zero kept inside the range), which adds z before it rounds.

    >>> import numfmt as nf
    >>> b = nf.encode([119.0, -60.0, 16.0, 0.0], nf.get("qoq_int4_g128"))
    >>> b.scales, b.sides["group_scales"], b.sides["group_zeros"]
    (array([1.], dtype=float16), array([[12]], dtype=uint8), array([[5]], dtype=uint8))
    >>> b.codes
    array([15,  0,  6,  5], dtype=uint8)
    >>> nf.decode(b)
    array([120., -60.,  12.,   0.], dtype=float32)
    """

    kind: ClassVar[str] = "qoq"
    #: Largest magnitude of the 8-bit intermediate.
    PROTECTIVE_RANGE: ClassVar[int] = 119

    def _check(self) -> None:
        super()._check()
        self._need(self.rule == "absmax_119", "rule='absmax_119'", self.rule)


@structured
@dataclass(frozen=True)
class DGQFormat(ProgressiveFormat):
    """Dual grained quantization (DGQ), without its grid searches.

    s0 = max|w| / 127, rounded by the scale format. Per group, with wmin <= 0 <= wmax and s4 = (wmax - wmin) / 15:
    s1 = clip(round(s4 / s0), 1, 127), z = round(-wmin / s4), n = floor(127 / s1), and q = round(w / (s1 * s0)) + z
    clipped to [max(0, z - n), min(15, z + n)], so that |(q - z) * s1| <= 127. All of that is exact, except that z takes
    wmax - wmin and 15 * wmin rounded to binary64 (which changes nothing for binary32). Where s0 is 0, s1 = 1 and z = 0.

    Source: DGQ, arXiv:2310.04836; ilur98/DGQ, dgq/quant/quantizer_helper.py (searchquant with every ratio 1; its zero
    is not limited to the range, and it stores s0 in bfloat16).

    >>> import numfmt as nf
    >>> b = nf.encode([127.0, -60.0, 16.0, 0.0], nf.get("dgq_int4_g128"))
    >>> b.scales, b.sides["group_scales"], b.sides["group_zeros"]
    (array([1.], dtype=float16), array([[12]], dtype=uint8), array([[5]], dtype=uint8))
    >>> b.codes
    array([15,  0,  6,  5], dtype=uint8)
    """

    kind: ClassVar[str] = "dgq"
    #: Largest magnitude of the 8-bit intermediate.
    INTEGER_RANGE: ClassVar[int] = 127

    def _check(self) -> None:
        super()._check()
        self._need(self.rule == "absmax", "rule='absmax'", self.rule)
