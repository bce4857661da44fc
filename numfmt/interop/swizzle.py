"""The order in which NVIDIA's matrix units want block scales."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError, DTypeError

__all__ = ["swizzle", "unswizzle"]

_LAYOUTS = ("nvidia_128x4",)


def _check_layout(layout: str) -> None:
    if layout not in _LAYOUTS:
        raise ArgumentError(f"layout must be one of {', '.join(_LAYOUTS)} for scales, got {layout!r}")


def _array(values: Any, name: str) -> npt.NDArray[Any]:
    if isinstance(values, np.ma.MaskedArray):
        raise DTypeError(f"{name} must not be a masked array: the mask would be lost; fill it first")
    array = np.asarray(values)
    if array.dtype.hasobject:
        raise DTypeError(f"{name} must be an array of scale codes, got dtype {array.dtype}; pass numpy.uint8 codes")
    return array


def _tiles(rows: int, columns: int) -> tuple[int, int]:
    return -(-rows // 128), -(-columns // 4)


def swizzle(scales: Any, layout: str = "nvidia_128x4") -> npt.NDArray[Any]:
    """Block scales in the order of NVIDIA's block-scaled matrix products.

    The matrix is padded with 0 to multiples of 128 rows and 4 columns and cut into tiles of that size, row-major.
    Inside a tile of 512 entries the scale of (row r, column c) is entry ``(r % 32) * 16 + (r // 32) * 4 + c``.

    Parameters
    ----------
    scales : array (..., R, C)
        Any dtype; R rows of the operand, C blocks along the product's sum.
    layout : "nvidia_128x4"

    Returns
    -------
    array (..., 512 * ceil(R / 128) * ceil(C / 4)), dtype of `scales`

    Raises
    ------
    ArgumentError, DTypeError
        Fewer than two axes, an unknown layout, or an array of objects.

    Notes
    -----
    Source: cuBLAS manual, "1D Block Scaling Factors Layout". Same bits as torchao's ``to_blocked``.

    >>> from numfmt.interop import swizzle
    >>> scales = np.arange(96, dtype=np.uint8).reshape(16, 6)
    >>> swizzle(scales).shape, int(swizzle(scales)[82]), int(scales[5, 2])
    ((1024,), 32, 32)
    """
    _check_layout(layout)
    scales = _array(scales, "scales")
    if scales.ndim < 2:
        raise ArgumentError(f"scales must have rows and columns as last axes, got shape {scales.shape}; reshape it")
    *lead, rows, columns = scales.shape
    down, across = _tiles(rows, columns)
    padded = np.zeros((*lead, 128 * down, 4 * across), scales.dtype)
    padded[..., :rows, :columns] = scales
    # Axes: tile row, r // 32, r % 32, tile column, c; the second and the fourth change places.
    tiles = np.swapaxes(padded.reshape(*lead, down, 4, 32, across, 4), -4, -2)
    return tiles.reshape(*lead, 512 * down * across)


def unswizzle(data: Any, shape: Sequence[int], layout: str = "nvidia_128x4") -> npt.NDArray[Any]:
    """The inverse of `swizzle`: scales of `shape` (..., R, C) from their swizzled form.

    The padding is not looked at: kernels leave it uninitialised.

    Raises
    ------
    ArgumentError, DTypeError
        `shape` has fewer than two axes, or `data` has not the size that `shape` takes in this layout.

    >>> from numfmt.interop import swizzle, unswizzle
    >>> scales = np.arange(96, dtype=np.uint8).reshape(16, 6)
    >>> bool((unswizzle(swizzle(scales), (16, 6)) == scales).all())
    True
    """
    _check_layout(layout)
    data = _array(data, "data")
    try:
        sizes = tuple(map(operator.index, shape))
    except TypeError:
        raise ArgumentError(f"shape must be a tuple of integers (..., rows, columns), got {shape!r}") from None
    if len(sizes) < 2 or min(sizes) < 0:
        raise ArgumentError(f"shape must be (..., rows, columns), got {sizes}")
    *lead, rows, columns = sizes
    down, across = _tiles(rows, columns)
    wanted = (*lead, 512 * down * across)
    if data.shape != wanted and not (data.ndim == 1 and data.size == math.prod(wanted)):
        raise ArgumentError(f"data must have shape {wanted} for scales of shape {sizes} in {layout}, got {data.shape}")
    tiles = data.reshape(*lead, down, across, 32, 4, 4)
    padded = np.swapaxes(tiles, -4, -2).reshape(*lead, 128 * down, 4 * across)
    return np.ascontiguousarray(padded[..., :rows, :columns])
