"""ggml's block types behind `encode` and `decode`: its binary32 arithmetic forth, exact values back."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError, FormatOverflowError
from ..formats.block import BlockFormat
from ..formats.ggml import GGML_FORMATS, GgmlFormat
from .encoding import Blocks, ElementEncoder
from .refusals import require_finite, require_own_rule
from .scales import decode_codes
from .schemes import Scheme, register_scheme
from .sides import side

__all__ = ["ggml_sides"]

Array = npt.NDArray[Any]


def encode(x: Array, encoder: ElementEncoder, tensor_scale: float, random: Array | None = None) -> Blocks:
    """Rows to blocks, byte for byte what gguf-py makes of them."""
    from ..interop.ggml import ggml_type

    fmt = encoder.fmt
    assert isinstance(fmt, GgmlFormat)
    row = fmt.row
    if not row.can_encode:
        possible = ", ".join(label for label, other in GGML_FORMATS.items() if other.can_encode)
        raise ArgumentError(
            f"{fmt.label} is decode-only: ggml searches for the scales of {row.type_name} (or departs from E4M3), so "
            f"no encoding is defined; use one of {possible}"
        )
    require_own_rule(encoder)
    require_finite(x, fmt)
    with np.errstate(over="ignore"):
        single = x.astype(np.float32)
    if np.isinf(single).any():
        raise FormatOverflowError(
            f"x must fit binary32 for {fmt.name}, got {x[np.isinf(single)][0]}: ggml encodes binary32 numbers"
        )
    try:
        parts = ggml_type(row.type_name).quantize(single)
    except FormatOverflowError:
        raise FormatOverflowError(
            f"x has a block whose scale or minimum is beyond 65504, the largest binary16 number, in which {fmt.name} "
            f"stores it (largest |x| {np.abs(single).max()}); scale x down"
        ) from None
    sides = {name: parts[name].reshape(len(x), *((entries,) if entries else ())) for name, _, entries in row.sides}
    scales = parts["scales"].reshape(len(x))
    codes = parts["codes"].reshape(x.shape)
    return Blocks(codes, scales.view(np.uint16) if scales.dtype == np.float16 else scales, None, sides)


def ggml_sides(fmt: GgmlFormat, sides: dict[str, Array], count: int) -> dict[str, Array]:
    """The parts besides codes and scales of `count` blocks, checked."""
    return {
        name: side(fmt, sides, name, np.dtype(dtype), (entries,) if entries else (), count)
        for name, dtype, entries in fmt.row.sides
    }


def decode(fmt: BlockFormat, codes: Array, scales: Array, zeros: Array | None, sides: dict[str, Array]) -> Array:
    """Binary64 values of rows. Every step is exact: at most 50 bits lie between 2**-24 and the largest sum."""
    assert isinstance(fmt, GgmlFormat)
    found = ggml_sides(fmt, sides, len(codes))
    values = decode_codes(codes, fmt.element)
    offsets = None
    with np.errstate(invalid="ignore"):
        factors = scales[:, None]
        if "minimums" in found:
            offsets = found["minimums"].astype(np.float64)[:, None]
        if "sub_scales" in found:
            factors = factors * found["sub_scales"]
        if "sub_minimums" in found and offsets is not None:
            offsets = -(offsets * found["sub_minimums"])
        parts = values.reshape(len(codes), factors.shape[1], -1)
        parts *= factors[:, :, None]
        if offsets is not None:
            parts += offsets[:, :, None]
    return values


register_scheme(GgmlFormat, Scheme(encode, decode))
