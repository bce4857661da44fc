"""Sherry: ternary blocks in which exactly one of each four elements is zero, so that four take five bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .base import Format
from .registry import get
from .structured import StructuredBlock, structured

__all__ = ["SherryFormat", "STQ1Format"]


@structured
@dataclass(frozen=True)
class SherryFormat(StructuredBlock):
    """3:4 sparse ternary: of each four consecutive elements the least magnitude becomes 0, the others +-s.

    s is the sum of the kept magnitudes over 3/4 of the block: a binary64 sum in the order of every sum that decides a
    scale, its quotient rounded to binary64 and then by the scale format. Codes are those of ``ternary``: 0, 1, 2.

    Parameters
    ----------
    sign_of_zero : {1, 0}
        What a zero among the three kept elements becomes. 1: +s, as in llama.cpp's STQ1_0, so that each four have
        exactly one zero and pack into five bits. 0: it stays 0, as torch.sign has it; layout sherry_5bit then refuses
        such codes.

    Notes
    -----
    Of equal least magnitudes the first becomes 0 (STQ1_0's rule; Sherry's own code leaves it to torch.topk, whose order
    of ties is not defined). Bits per element are 5/4 and the scale's share.

    Source: Sherry, arXiv:2601.07892, and its public code (utils_quant.py, 3 of 4, groups of 128).

    >>> import numfmt as nf
    >>> b = nf.encode([0.5, -2.0, 3.0, 1.0], SherryFormat("ternary", "binary32", 4, "absmean"))
    >>> b.codes, b.scales
    (array([1, 0, 2, 2], dtype=uint8), array([2.], dtype=float32))
    """

    sign_of_zero: int = 1

    kind: ClassVar[str] = "sherry"

    def _check(self) -> None:
        self._need(self.element == get("ternary"), "element ternary", self.element.name)
        self._need(isinstance(self.scale, Format), "a scalar scale format", self.scale.name)
        self._need(self.rule == "absmean", "rule='absmean'", self.rule)
        self._need(type(self.block) is int and self.block % 4 == 0, "a block that is a multiple of 4", self.block)
        self._need(self.tensor_scale is None and not self.centre, "neither tensor scale nor centre", self.tensor_scale)
        self._need(self.nonfinite == "raise", "nonfinite='raise'", self.nonfinite)
        plain = self.quotient == "exact" and not self.full_range and not self.min_scale
        self._need(plain, "the usual quotient, full_range and min_scale: codes are signs", super().spelled_name)
        self._need(self.sign_of_zero in (0, 1), "sign_of_zero 0 or 1", self.sign_of_zero)

    @property
    def bits_per_element(self) -> float:
        """Five bits for four elements, and the scale shared out.

        >>> import numfmt as nf
        >>> nf.get("sherry").bits_per_element
        1.5
        """
        assert isinstance(self.block, int)
        return 1.25 + self.side_bits / self.block


@structured
@dataclass(frozen=True)
class STQ1Format(StructuredBlock):
    """STQ1_0 of llama.cpp's pull request 22836: 256 elements in 42 bytes, 3:4 sparse ternary with a binary16 scale.

    Four elements that lie 16 apart belong together: of elements 64c + g + 16p (p = 0..3) of a block, for each c < 4 and
    g < 16, the first of the least magnitudes becomes 0, negative ones -d, all others (a kept zero, too) +d. d is the
    largest magnitude of the block in binary16, as in that branch's reference encoder; a better d is a matter of
    ``BlockEncoded``'s own scales. Codes are those of ``ternary``, in the order of the elements.

    Notes
    -----
    An early port of that branch (hy-mt-core, Rust) groups consecutive elements; its blocks have another meaning.
    Source: llama.cpp PR 22836, ggml-common.h block_stq1_0 and ggml-quants.c (layout facts).

    >>> import numfmt as nf
    >>> nf.get("stq1_0").bits_per_element
    1.3125
    """

    kind: ClassVar[str] = "stq1"

    def _check(self) -> None:
        fixed = (self.element == get("ternary"), self.scale == get("binary16"), self.block == 256)
        self._need(all(fixed), "element ternary, scale binary16 and block 256", super().spelled_name)
        self._need(self.rule == "absmax", "rule='absmax'", self.rule)
        self._need(self.tensor_scale is None and not self.centre, "neither tensor scale nor centre", self.tensor_scale)
        self._need(self.nonfinite == "raise", "nonfinite='raise'", self.nonfinite)
        plain = self.quotient == "exact" and not self.full_range and not self.min_scale
        self._need(plain, "the usual quotient, full_range and min_scale: codes are signs", super().spelled_name)

    @property
    def bits_per_element(self) -> float:
        """42 bytes for 256 elements."""
        return 42 * 8 / 256
