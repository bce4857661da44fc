"""IF4: an NVFP4 block whose unused scale sign says that its codes are integers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .block import BlockFormat
from .integer import IntFormat
from .structured import StructuredBlock, structured

__all__ = ["IF4Format", "if4"]


@structured
@dataclass(frozen=True)
class IF4Format(StructuredBlock):
    """The NVFP4 layout with two element formats: a block whose scale has its sign set holds int4 codes worth q * 6/7.

    Scale and tensor scale are those of NVFP4. Both candidates share the scale; an int4 code is the exact quotient times
    7/6, rounded half to even in [-7, 7], two's complement. The one of the least squared error is kept, E2M1 for equals.
    Errors are binary64: squares of rounded differences from the decoded values, added in the order of the elements. A
    decoded integer is q * 6 * scale * tensor scale / 7, rounded once.

    `BlockEncoded.scale_values` of an integer block are negative: the sign is the marker.

    The authors' code works in binary32 (x times the reciprocal of the scales, times 7/6) and may choose otherwise when
    the two errors nearly agree. Source: arXiv:2603.28765; mit-han-lab/fouroversix, quantize/pytorch/reference.py
    (select_intfloat).

    >>> import numfmt as nf
    >>> b = nf.encode([7.0, 5.0, 3.0, 1.0], IF4Format("fp4_e2m1", "fp8_e4m3fn", 4))
    >>> b.codes, int(b.scales[0]) >> 7
    (array([7, 5, 3, 1], dtype=uint8), 1)
    """

    kind: ClassVar[str] = "if4"

    def _check(self) -> None:
        self._need(self.element.name == "fp4_e2m1", "element fp4_e2m1", self.element.name)
        self._need(self.scale.name == "fp8_e4m3fn", "scale fp8_e4m3fn", self.scale.name)
        self._need(self.rule == "absmax", "rule='absmax'", self.rule)
        self._need(self.quotient == "exact" and not self.centre, "the exact quotient and no centre", self.quotient)

    @property
    def integer_element(self) -> IntFormat:
        """Element format of the marked blocks, before the factor 6/7."""
        return IntFormat(4, narrow=True)


def if4(plain: BlockFormat, source: str) -> IF4Format:
    """The IF4 form of NVFP4."""
    return IF4Format(plain.element, plain.scale, plain.block, tensor_scale=plain.tensor_scale, source=source)
