"""`to_ggml` and `from_ggml`: arrays encoded in ggml's block types as the bytes of .gguf files, and back."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
import numpy.typing as npt

from .._block_array import BlockEncoded
from ..errors import ArgumentError, DTypeError, FormatMismatchError
from ..formats.ggml import GGML_FORMATS, GgmlFormat
from ..formats.registry import get
from ..formats.sherry import STQ1Format
from ._ggml_layout import Parts
from .ggml import ggml_type
from .trits import SHERRY_TRITS, check_sherry

__all__ = ["from_ggml", "to_ggml"]

Bytes = npt.NDArray[np.uint8]
_LABELS = {row.type_name: label for label, row in GGML_FORMATS.items()}
_STQ1_BYTES = 42
_POWERS = np.array([27, 9, 3, 1])
_PATTERN = np.zeros(81, np.uint8)
_PATTERN[SHERRY_TRITS @ _POWERS] = np.arange(32)


def _sizes(fmt: GgmlFormat | STQ1Format) -> tuple[int, int]:
    """Elements and bytes of a block of bytes."""
    if isinstance(fmt, STQ1Format):
        return 256, _STQ1_BYTES
    kind = ggml_type(fmt.row.type_name)
    return kind.block, kind.block_bytes


def to_ggml(b: BlockEncoded) -> Bytes:
    """The bytes of an array encoded in a block type of ggml, as its .gguf tensor holds them.

    Parameters
    ----------
    b : BlockEncoded in a format such as ``q4_0`` or ``stq1_0``
        Its blocks lie along the last axis, or in the flattened array.

    Returns
    -------
    uint8 array (..., bytes of a row); for a flattened array (bytes,)

    Raises
    ------
    FormatMismatchError
        The format is none of ggml's.
    ArgumentError
        The blocks lie along another axis, a row is no whole number of ggml's blocks (NVFP4: 64 elements), or side data
        are missing or of the wrong shape or dtype.

    Notes
    -----
    Padding that `encode` added is part of the bytes. Source: ggml ``ggml-common.h``; see `numfmt.interop.ggml`.

    >>> import numfmt as nf
    >>> from numfmt.interop.ggml_blocks import to_ggml
    >>> to_ggml(nf.encode(np.arange(-16, 16, dtype=np.float32), "q4_0"))[:4]
    array([  0,  64, 128, 145], dtype=uint8)
    """
    fmt = getattr(b, "format", None)
    if not isinstance(fmt, (GgmlFormat, STQ1Format)):
        got = getattr(fmt, "name", type(b).__name__)
        raise FormatMismatchError(
            f"b must be encoded in a block type of ggml ({', '.join(GGML_FORMATS)}, stq1_0), got {got}"
        )
    flat = b.axis is None
    if not flat and b.axis not in (-1, b.ndim - 1):
        raise ArgumentError(f"b must have its blocks along the last axis, as ggml's rows, got axis={b.axis}")
    codes = b.codes.reshape(-1) if flat else b.codes
    elements, _ = _sizes(fmt)
    if codes.shape[-1] % elements:
        raise ArgumentError(
            f"rows must be a multiple of the {elements} elements of a block of {fmt.name}, got {codes.shape[-1]}"
        )
    leading = (*codes.shape[:-1], codes.shape[-1] // elements)
    codes = codes.reshape(*leading, elements)
    if isinstance(fmt, STQ1Format):
        data = _pack_stq1(codes.reshape(-1, 256), b.scales.reshape(-1))
        return data.reshape(*leading[:-1], leading[-1] * _STQ1_BYTES)
    kind = ggml_type(fmt.row.type_name)
    parts = {"codes": codes, "scales": b.scales, **b.sides}
    if kind.block != fmt.block:
        parts["scales"] = b.scales.reshape(*leading, -1)
    return kind.pack(parts)


def _format_of(fmt: Any) -> GgmlFormat | STQ1Format:
    label = _LABELS.get(fmt.upper()) if isinstance(fmt, str) else None
    found = get(fmt if label is None else label)
    if not isinstance(found, (GgmlFormat, STQ1Format)):
        raise FormatMismatchError(
            f"fmt must be a block type of ggml ({', '.join(GGML_FORMATS)}, stq1_0), got {found.name}"
        )
    return found


def _shape_of(shape: Any) -> tuple[int, ...]:
    try:
        sizes = (operator.index(shape),) if isinstance(shape, (int, np.integer)) else tuple(map(operator.index, shape))
    except TypeError:
        raise ArgumentError(f"shape must be a tuple of integers, got {shape!r}") from None
    if not 1 <= len(sizes) <= 32 or min(sizes) < 0:
        raise ArgumentError(f"shape must have 1 to 32 axes of length 0 or more, got {sizes}")
    return sizes


def from_ggml(data: Any, fmt: GgmlFormat | STQ1Format | str, shape: Any) -> BlockEncoded:
    """The inverse of `to_ggml`: bytes of a .gguf tensor as a BlockEncoded.

    Parameters
    ----------
    data : bytes or uint8 array
        As `to_ggml` returns it, or flat.
    fmt : format or str
        ``q4_0`` and so on, or ggml's own name of the type (``"MXFP4"`` is ``mxfp4_ggml``).
    shape : tuple of int
        Shape of the data; where the last block was padded, the shape before padding.

    Returns
    -------
    BlockEncoded
        `to_ggml` gives the bytes back, except for TQ1_0 bytes that no encoder writes.

    Raises
    ------
    ArgumentError
        The bytes are not as many as `shape` takes; checked before anything is allocated.
    FormatNameError, FormatMismatchError, DTypeError
        A name that is none of ggml's; data that are not bytes.

    >>> import numfmt as nf
    >>> from numfmt.interop.ggml_blocks import from_ggml
    >>> nf.decode(from_ggml(bytes([0, 60, *range(32)]), "q8_0", (32,)))[:4]
    array([0., 1., 2., 3.], dtype=float32)
    """
    found, sizes = _format_of(fmt), _shape_of(shape)
    array = np.frombuffer(data, np.uint8) if isinstance(data, (bytes, bytearray, memoryview)) else np.asarray(data)
    if array.dtype != np.uint8:
        raise DTypeError(f"data must be bytes or a uint8 array, got dtype {array.dtype}; use data.view(numpy.uint8)")
    if found.axis not in (-1, None):
        raise ArgumentError(f"ggml's blocks lie along the last axis, {found.name} has axis={found.axis}")
    *lead, count = (math.prod(sizes),) if found.axis is None else sizes
    elements, block_bytes = _sizes(found)
    blocks = -(-count // elements)
    # A last block that is not full is padding of `encode`, whose blocks may be smaller than ggml's (NVFP4).
    assert isinstance(found.block, int)
    if -(-count // found.block) * found.block != blocks * elements:
        raise ArgumentError(f"shape must end in a multiple of {elements} for {found.name}, got {count}")
    wanted = (*lead, blocks * block_bytes)
    if array.shape != wanted and array.shape != (math.prod(wanted),):
        raise ArgumentError(
            f"data must be {math.prod(wanted):,} bytes, flat or of shape {wanted}, for {found.name} of shape {sizes}; "
            f"got shape {array.shape}"
        )
    array = np.ascontiguousarray(array).reshape(wanted)
    if isinstance(found, STQ1Format):
        parts = _unpack_stq1(array.reshape(*lead, blocks, block_bytes))
    else:
        parts = ggml_type(found.row.type_name).unpack(array)
    codes, scales = parts.pop("codes"), parts.pop("scales")
    return _assembled(codes, scales, parts, found, sizes, (*lead, blocks * elements))


def _assembled(
    codes: npt.NDArray[Any],
    scales: npt.NDArray[Any],
    sides: Parts,
    fmt: GgmlFormat | STQ1Format,
    shape: tuple[int, ...],
    padded: tuple[int, ...],
) -> BlockEncoded:
    assert isinstance(fmt.block, int)
    codes = codes.reshape(padded)
    if fmt.axis is None and math.prod(shape) == padded[0]:
        codes = codes.reshape(shape)
    scales = scales.reshape(*padded[:-1], padded[-1] // fmt.block)
    return BlockEncoded(codes, scales, fmt, shape=shape, sides=sides)


def _pack_stq1(codes: npt.NDArray[Any], scales: npt.NDArray[Any]) -> Bytes:
    """Slots of groups 2i and 2i + 1 in byte i, low first; signs, a bit for each group; d."""
    lanes = codes.reshape(-1, 4, 4, 16).swapaxes(2, 3).reshape(-1, 256)
    check_sherry(np.ascontiguousarray(lanes))
    patterns = _PATTERN[lanes.reshape(-1, 64, 4) @ _POWERS]
    slots = (patterns[:, ::2] & 15) | ((patterns[:, 1::2] & 15) << np.uint8(4))
    signs = np.packbits(patterns >> np.uint8(4), axis=1, bitorder="little")
    d = np.ascontiguousarray(scales, "<f2").view(np.uint8).reshape(-1, 2)
    return np.concatenate([slots, signs, d], axis=1)


def _unpack_stq1(data: Bytes) -> Parts:
    rows = data.reshape(-1, _STQ1_BYTES)
    slots = np.stack([rows[:, :32] & 15, rows[:, :32] >> np.uint8(4)], axis=2).reshape(-1, 64)
    signs = np.unpackbits(rows[:, 32:40], axis=1, bitorder="little")
    lanes = SHERRY_TRITS[slots | (signs << np.uint8(4))]
    codes = lanes.reshape(-1, 4, 16, 4).swapaxes(2, 3).reshape(*data.shape[:-1], 256)
    d = np.ascontiguousarray(rows[:, 40:]).view("<f2").astype(np.float16)
    return {"codes": codes, "scales": d.reshape(data.shape[:-1])}
