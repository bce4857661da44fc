"""Where the blocks of an array lie: from the caller's axes to rows of one block each, and back."""

from __future__ import annotations

from functools import cached_property
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError
from ..formats.block import BlockFormat

__all__ = ["Blocking"]

Array = npt.NDArray[Any]


def _axes(axis: Any, ndim: int) -> tuple[int, ...]:
    given = axis if isinstance(axis, tuple) else (axis,)
    if not all(isinstance(a, (int, np.integer)) and not isinstance(a, bool) for a in given):
        raise ArgumentError(f"axis must be an int, a tuple of ints or None, got {axis!r}")
    for a in given:
        if not -ndim <= a < ndim:
            raise ArgumentError(f"axis {a} does not exist: x has {ndim} dimension{'' if ndim == 1 else 's'}")
    axes = tuple(int(a) % ndim for a in given)
    if len(set(axes)) != len(axes):
        raise ArgumentError(f"axis {axis!r} names one axis twice")
    return axes


class Blocking:
    """The blocks of one array of a given shape.

    Attributes
    ----------
    shape : the array's shape; padded_shape : the same with the block axes filled up to whole blocks
    scale_shape : one entry per block: `shape` with block counts on the block axes
    count, size : number of blocks, elements of each
    """

    def __init__(self, shape: tuple[int, ...], fmt: BlockFormat, axis: Any, pad: bool) -> None:
        self.shape = shape
        self.axis = axis
        self.flat = axis is None
        work = (prod(shape),) if self.flat else tuple(shape)
        if not work:
            raise ArgumentError(f"x must have an axis to block, got a scalar; reshape it to (1,) for {fmt.name}")
        self.axes = (0,) if self.flat else _axes(axis, len(work))
        tile = fmt.block if isinstance(fmt.block, tuple) else (fmt.block,)
        if len(tile) != len(self.axes):
            axes = "one axis" if len(tile) == 1 else f"{len(tile)} axes"
            raise ArgumentError(f"{fmt.name} has blocks over {axes}, got axis={axis!r}")
        lengths = [work[a] for a in self.axes]
        self.tile = tuple(length if k is None else k for k, length in zip(tile, lengths, strict=True))
        counts = []
        for a, k, length in zip(self.axes, self.tile, lengths, strict=True):
            if k and length % k and not pad:
                where = "the flattened array" if self.flat else f"axis {a if a == axis else axis}"
                raise ArgumentError(
                    f"block must divide the axis: {where} has length {length}, block is {k}; pass pad=True to pad "
                    "with zeros"
                )
            counts.append(-(-length // k) if k else 1)
        self.counts = tuple(counts)
        padded, scales = list(work), list(work)
        for a, n, k in zip(self.axes, self.counts, self.tile, strict=True):
            padded[a], scales[a] = n * k, n
        self._work, self._padded = work, tuple(padded)
        self.is_padded = self._padded != tuple(work)
        self.scale_shape = tuple(scales)
        if self.flat and fmt.block is None:
            self.scale_shape = ()
        self.padded_shape = shape if self.flat and not self.is_padded else self._padded
        self._fmt = fmt
        self.size = prod(self.tile)
        self.count = prod(scales)

    @property
    def _order(self) -> tuple[int, ...]:
        """Axes of the working array with the block axes last."""
        rest = [a for a in range(len(self._work)) if a not in self.axes]
        return (*rest, *self.axes)

    @property
    def whole(self) -> Blocking:
        """The blocking of the padded array, which has the same blocks."""
        return Blocking(self.padded_shape, self._fmt, self.axis, True) if self.is_padded else self

    @cached_property
    def in_place(self) -> bool:
        """Whether the blocks of a C-contiguous array are consecutive in memory."""
        return not self.is_padded and len(self.axes) == 1 and self.axes[0] == len(self._work) - 1

    def split(self, x: Array) -> Array:
        """`x` as (count, size): a view where the blocks are consecutive, else a copy; padding is zero."""
        x = x.reshape(self._work)
        if self.is_padded:
            wide = np.zeros(self._padded, x.dtype)
            wide[tuple(map(slice, self._work))] = x
            x = wide
        x = x.transpose(self._order)
        lead = x.shape[: x.ndim - len(self.axes)]
        inner = [part for n, k in zip(self.counts, self.tile, strict=True) for part in (n, k)]
        x = x.reshape(*lead, *inner)
        m = len(self.axes)
        order = (*range(len(lead)), *(len(lead) + 2 * i for i in range(m)), *(len(lead) + 2 * i + 1 for i in range(m)))
        return x.transpose(order).reshape(self.count, self.size)

    def join(self, blocks: Array) -> Array:
        """The inverse of `split`: (count, size) as an array of `padded_shape`."""
        if self.in_place:
            return blocks.reshape(self.padded_shape)
        lead = [self._work[a] for a in range(len(self._work)) if a not in self.axes]
        m = len(self.axes)
        x = blocks.reshape(*lead, *self.counts, *self.tile)
        order = [*range(len(lead))]
        for i in range(m):
            order += [len(lead) + i, len(lead) + m + i]
        x = x.transpose(order).reshape(*lead, *(n * k for n, k in zip(self.counts, self.tile, strict=True)))
        return np.ascontiguousarray(x.transpose(np.argsort(self._order))).reshape(self.padded_shape)

    def crop(self, x: Array) -> Array:
        """An array of `padded_shape` without its padding, in `shape`."""
        if not self.is_padded:
            return x.reshape(self.shape)
        return np.ascontiguousarray(x.reshape(self._padded)[tuple(map(slice, self._work))]).reshape(self.shape)

    def join_scales(self, values: Array) -> Array:
        """(count, ...) per-block values in `scale_shape`, further axes last."""
        more = values.shape[1:]
        if self.in_place:
            return values.reshape(self.scale_shape + more)
        lead = [self._work[a] for a in range(len(self._work)) if a not in self.axes]
        x = values.reshape(*lead, *self.counts, *more)
        order = [*np.argsort(self._order), *range(len(self._order), x.ndim)]
        return np.ascontiguousarray(x.transpose(order))

    def split_scales(self, values: Array) -> Array:
        """`scale_shape` values, with or without further axes, as (count, ...)."""
        if self.in_place:
            return values.reshape(self.count, *values.shape[len(self.scale_shape) :])
        order = (*self._order, *range(len(self._order), values.ndim))
        return np.ascontiguousarray(values.transpose(order)).reshape(self.count, *values.shape[len(self._order) :])
