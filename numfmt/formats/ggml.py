"""ggml's block types as block formats: element codes, binary16 scales, and what else a block of bytes holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..errors import ArgumentError
from .base import Format
from .block import BlockFormat
from .registry import get, register_family

__all__ = ["GGML_FORMATS", "GgmlFormat", "GgmlRow", "ggml_format"]


class GgmlRow(NamedTuple):
    """What one ggml type is as a block format.

    `block_bytes` holds `block` elements; `sides` lists (name, dtype, entries per block; 0 for a single number).
    """

    type_name: str
    element: str
    scale: str
    block: int
    block_bytes: int
    sides: tuple[tuple[str, str, int], ...] = ()
    rule: str = "absmax"
    can_encode: bool = True


_MINIMUM = ("minimums", "float16", 0)
GGML_FORMATS = {
    "q4_0": GgmlRow("Q4_0", "int4_excess8", "binary16", 32, 18, rule="signed_absmax"),
    "q4_1": GgmlRow("Q4_1", "uint4", "binary16", 32, 20, (_MINIMUM,)),
    "q5_0": GgmlRow("Q5_0", "int5_excess16", "binary16", 32, 22, rule="signed_absmax"),
    "q5_1": GgmlRow("Q5_1", "uint5", "binary16", 32, 24, (_MINIMUM,)),
    "q8_0": GgmlRow("Q8_0", "int8", "binary16", 32, 34),
    "q4_k": GgmlRow(
        "Q4_K",
        "uint4",
        "binary16",
        256,
        144,
        (_MINIMUM, ("sub_scales", "uint8", 8), ("sub_minimums", "uint8", 8)),
        can_encode=False,
    ),
    "q6_k": GgmlRow("Q6_K", "int6_excess32", "binary16", 256, 210, (("sub_scales", "int8", 16),), can_encode=False),
    "iq4_nl_ggml": GgmlRow("IQ4_NL", "iq4_nl", "binary16", 32, 18, can_encode=False),
    "tq1_0": GgmlRow("TQ1_0", "ternary", "binary16", 256, 54),
    "tq2_0": GgmlRow("TQ2_0", "tq2_0_element", "binary16", 256, 66),
    "mxfp4_ggml": GgmlRow("MXFP4", "ggml_e2m1", "ufp8_e8m0", 32, 17, rule="floor"),
    # A scale for each 16 elements; four of them make the 36 bytes of ggml's block.
    "nvfp4_ggml": GgmlRow("NVFP4", "ggml_e2m1", "ggml_ue4m3", 16, 9, can_encode=False),
}


@dataclass(frozen=True)
class GgmlFormat(BlockFormat):
    """A block type of ggml. Everything but `axis` is fixed by `label`; make it with ``numfmt.get("q4_0")``.

    ``codes`` are ggml's own element codes in the order of the elements, ``scales`` the stored binary16 d (MXFP4: the
    E8M0 byte, NVFP4: the UE4M3 bytes), ``sides`` the minimums and sub-block scales where the type has them.

    Encoding is ggml's arithmetic, not the library's: x is rounded to binary32 (ggml's input), and every step from there
    is a binary32 operation as `numfmt.interop.ggml` says for each type (`GgmlType.rule`); so the bytes equal
    gguf-py's. Codes come from the unrounded scale, which is rounded to binary16 only when it is stored. A scale beyond
    binary16 is an error. Types for which ggml searches for scales, and NVFP4, are decode-only.

    Decoding is exact: element * scale (+ minimum) rounded once, which for float32 gives ggml's numbers.

    Source: ggml ``ggml-quants.c``, ``ggml-common.h``; gguf-py 0.19.0 ``quants.py``.

    >>> import numfmt as nf
    >>> b = nf.encode(np.arange(-16, 16, dtype=np.float32), "q4_0")
    >>> b.scales, b.codes[:6]
    (array([2.], dtype=float16), array([0, 1, 1, 2, 2, 3], dtype=uint8))
    >>> nf.get("q4_0").bits_per_element, nf.get("tq1_0").bits_per_element
    (4.5, 1.6875)
    """

    label: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.label not in GGML_FORMATS:
            raise ArgumentError(f"label must be one of {', '.join(GGML_FORMATS)}, got {self.label!r}")
        row = self.row
        fixed: dict[str, Any] = {"element": get(row.element), "scale": get(row.scale), "block": row.block}
        fixed |= {"rule": row.rule, "tensor_scale": None, "zero_point": None, "quotient": "exact"}
        fixed |= {"nonfinite": "raise", "full_range": False, "min_scale": 0.0, "centre": False}
        for name, value in fixed.items():
            if getattr(self, name) != value:
                raise ArgumentError(
                    f"{self.label} is ggml's {row.type_name}, which fixes {name}={getattr(value, 'name', value)}; got "
                    f"{getattr(getattr(self, name), 'name', getattr(self, name))!s}: only axis can be chosen"
                )

    @property
    def row(self) -> GgmlRow:
        """The facts of the type."""
        return GGML_FORMATS[self.label]

    @property
    def spelled_name(self) -> str:
        """``q4_0``, with ``;axis=...`` unless the blocks lie along the last axis."""
        if self.axis == -1:
            return self.label
        return f"{self.label};axis={'flat' if self.axis is None else self.axis}"

    @property
    def side_bits(self) -> float:
        """Bits per block besides elements of whole bits; less than 0 where five trits share a byte."""
        assert isinstance(self.element, Format)
        return float(8 * self.row.block_bytes - self.element.bits * self.row.block)


def ggml_format(label: str, axis: int | str | None = -1) -> GgmlFormat:
    """The block format of a ggml type, with its blocks along `axis` ("flat" or None: the flattened array)."""
    row = GGML_FORMATS[label]
    if isinstance(axis, str):
        axis = None if axis == "flat" else int(axis)
    return GgmlFormat(
        get(row.element),
        get(row.scale),
        row.block,
        row.rule,
        nonfinite="raise",
        axis=axis,
        label=label,
        source=f"ggml {row.type_name}: ggml-quants.c, ggml-common.h; gguf-py quants.py",
    )


register_family(rf"(?P<label>{'|'.join(GGML_FORMATS)})(;axis=(?P<axis>flat|-?\d+))?", ggml_format)
