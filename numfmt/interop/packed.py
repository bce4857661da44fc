"""`Encoded.pack`, `BlockEncoded.pack` and `unpack`: value objects to packed bytes and back."""

from __future__ import annotations

import math
import operator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .._array import Encoded
from .._block_array import BlockEncoded
from .._blocks.blocking import Blocking
from ..errors import ArgumentError
from ..formats.base import Format
from ..formats.block import BlockFormat
from ..formats.codebook import FourthRootsFormat
from ..formats.ggml import GgmlFormat
from ..formats.registry import AnyFormat, get
from ..formats.sherry import STQ1Format
from .ggml_blocks import from_ggml, to_ggml
from .packing import LAYOUTS, Layout, get_layout, pack_codes, packed_size, unpack_codes

__all__ = ["GGML_BLOCKS", "layouts_for", "pack_blocks", "pack_elements", "unpack"]

Bytes = npt.NDArray[np.uint8]
#: The layout of ggml's block types: whole blocks, scales and all, in one stream of bytes. No `Layout` of codes alone.
GGML_BLOCKS = "ggml_blocks"
#: NumPy 1.26 has arrays of at most so many dimensions, and of so many bytes.
_MOST_AXES, _MOST_BYTES = 32, 1 << 62


def _suits(layout: Layout, fmt: Format) -> bool:
    if layout.name == "fourth_roots":
        return isinstance(fmt, FourthRootsFormat)
    fits = layout.bits in (None, fmt.bits)
    return fits and (layout.code_count is None or fmt.code_count <= layout.code_count)


def layouts_for(fmt: AnyFormat | str) -> list[str]:
    """Names of the layouts that hold the (element) codes of a format; the first is the default of `pack` and `unpack`.

    >>> from numfmt.interop import layouts_for
    >>> layouts_for("fp6_e2m3"), layouts_for("nvfp4")
    (['bits', 'fp6_4in3', 'fp6_4p2'], ['bits', 'fp4x2', 'bitsandbytes', 'ggml', 'ggml16'])
    """
    found = get(fmt)
    element = found.element if isinstance(found, BlockFormat) else found
    whole = [GGML_BLOCKS] if isinstance(found, (GgmlFormat, STQ1Format)) else []
    return whole + [name for name, layout in LAYOUTS.items() if _suits(layout, element)]


def _layout_of(layout: str | Layout | None, fmt: Format) -> Layout:
    chosen = None if layout == GGML_BLOCKS else get_layout(layout or "bits")
    if chosen is None or not _suits(chosen, fmt):
        name = GGML_BLOCKS if chosen is None else chosen.name
        raise ArgumentError(
            f"layout {name!r} does not hold codes of {fmt.name} ({fmt.bits} bits, {fmt.code_count} codes); "
            f"suitable: {', '.join(layouts_for(fmt))}"
        )
    return chosen


def pack_blocks(b: BlockEncoded, layout: str | Layout | None) -> Bytes:
    """Element codes of `b`, or whole blocks of ggml's types."""
    if layout in (None, GGML_BLOCKS) and isinstance(b.format, (GgmlFormat, STQ1Format)):
        return to_ggml(b)
    return pack_elements(b.codes, b.format.element, layout)


def pack_elements(codes: npt.NDArray[Any], fmt: Format, layout: str | Layout | None) -> Bytes:
    """Codes of `fmt`, packed row by row along the last axis."""
    chosen = _layout_of(layout, fmt)
    if codes.ndim == 0:
        raise ArgumentError("pack needs an axis to pack along, got a scalar; use e.reshape(1).pack()")
    return pack_codes(codes, fmt.bits, chosen)


def _checked_shape(shape: Any) -> tuple[int, ...]:
    try:
        sizes = (operator.index(shape),) if isinstance(shape, (int, np.integer)) else tuple(map(operator.index, shape))
    except TypeError:
        raise ArgumentError(f"shape must be a tuple of integers, got {shape!r}") from None
    if not 1 <= len(sizes) <= _MOST_AXES or min(sizes) < 0:
        raise ArgumentError(f"shape must have 1 to {_MOST_AXES} axes of length 0 or more, got {sizes}")
    if math.prod(n for n in sizes if n) > _MOST_BYTES // 8:
        raise ArgumentError(f"shape {sizes} is larger than any memory")
    return sizes


def _unpack_elements(data: Any, fmt: Format, layout: str | Layout | None, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Codes of `shape`; nothing is allocated before the number of bytes is what the shape takes."""
    chosen = _layout_of(layout, fmt)
    *lead, count = shape
    size = packed_size(count, fmt.bits, chosen)
    wanted = (*lead, size)
    array = np.frombuffer(data, np.uint8) if isinstance(data, (bytes, bytearray, memoryview)) else np.asarray(data)
    if array.shape != wanted:
        total = math.prod(wanted)
        if array.ndim != 1 or array.size != total:
            how = "truncated" if array.size < total else "oversized" if array.size > total else "of another shape"
            raise ArgumentError(
                f"data must be {total:,} bytes, flat or of shape {wanted}, for {fmt.name} codes of shape {shape} in "
                f"layout {chosen.name}; got shape {array.shape}: it is {how}"
            )
        array = array.reshape(wanted)
    return unpack_codes(array, fmt.bits, chosen, count=count)


def unpack(
    data: Any,
    fmt: AnyFormat | str,
    *,
    layout: str | Layout | None = None,
    shape: Any,
    axis: Any = "default",
    scales: Any = None,
    tensor_scale: Any = None,
    zero_points: Any = None,
    offset: Any = None,
    sides: dict[str, Any] | None = None,
) -> Any:
    """The codes of packed bytes: the inverse of `Encoded.pack` and `BlockEncoded.pack`.

    Parameters
    ----------
    data : bytes or uint8 array
        As `pack` returned it, or flat. Each row along the last axis is packed by itself.
    fmt : Format, BlockFormat or str
    layout : str
        Name of a layout, see `numfmt.interop.LAYOUTS` and `layouts_for`. Default: ``bits``, a stream of bits with
        element 0 and the least significant bit first; for ggml's block types ``ggml_blocks``, which holds scales and
        all.
    shape : tuple of int
        Shape of the data. For block formats whose last block was padded, the shape before padding.
    axis : int, tuple of int or None
        Block formats: where the blocks lie. Default: ``fmt.axis``.
    scales, tensor_scale, zero_points, offset, sides
        Block formats: what is stored beside the element codes, as `BlockEncoded` holds it. Scales are not packed; see
        `swizzle` for NVIDIA's order of them.

    Returns
    -------
    Encoded, or BlockEncoded for a block format

    Raises
    ------
    ArgumentError
        The bytes are not as many as `shape` takes (checked before anything is allocated), a byte is none that the
        layout produces, the layout does not suit the format, scales are missing or of the wrong shape.
    CodeRangeError, DTypeError
        A code that the format does not have; data that are not bytes.

    >>> import numfmt as nf
    >>> e = nf.encode([1.0, -0.5, 3.0], "fp4_e2m1")
    >>> e.pack("fp4x2")
    array([146,   5], dtype=uint8)
    >>> nf.unpack(e.pack("fp4x2"), "fp4_e2m1", layout="fp4x2", shape=(3,)).same_bits(e)
    True
    """
    found = get(fmt)
    sizes = _checked_shape(shape)
    beside = {"scales": scales, "tensor_scale": tensor_scale, "zero_points": zero_points, "offset": offset}
    beside |= {"sides": sides}
    chosen = isinstance(axis, str) and axis == "default"
    if isinstance(found, Format):
        _refuse({**beside, "axis": None if chosen else (axis,)}, f"for block formats, and {found.name} is a scalar one")
        return Encoded(_unpack_elements(data, found, layout, sizes), found)
    where = found.axis if chosen else axis
    if layout in (None, GGML_BLOCKS) and isinstance(found, (GgmlFormat, STQ1Format)):
        _refuse(beside, f"part of the bytes in layout {GGML_BLOCKS}")
        return _unpack_ggml(data, found, sizes, where)
    padded = Blocking(sizes, found, where, pad=True).padded_shape
    if scales is None:
        raise ArgumentError(f"scales are needed for {found.name}: the ones kept beside the packed bytes (b.scales)")
    codes = _unpack_elements(data, found.element, layout, padded)
    beside.pop("scales")
    return BlockEncoded(codes, scales, found, axis=where, shape=sizes, **beside)


def _refuse(given: dict[str, Any], why: str) -> None:
    for name, value in given.items():
        if value is not None:
            raise ArgumentError(f"{name} is {why}; drop it")


def _unpack_ggml(data: Any, fmt: GgmlFormat | STQ1Format, shape: tuple[int, ...], axis: Any) -> BlockEncoded:
    if axis is not None and axis not in (-1, len(shape) - 1):
        raise ArgumentError(f"ggml's blocks lie along the last axis or in the flattened array, got axis={axis!r}")
    if axis == fmt.axis:
        return from_ggml(data, fmt, shape)
    along = replace(fmt, axis=-1)
    b = from_ggml(data, along, shape if axis is not None else (math.prod(shape),))
    padded = Blocking(shape, fmt, axis, pad=True).padded_shape
    return BlockEncoded(b.codes.reshape(padded), b.scales, fmt, axis=axis, shape=shape, sides=b.sides)
