"""Block formats on tensors larger than memory: pieces of whole blocks, each with what only the whole tensor knows.

A piece is a contiguous range of elements in C order. Most block formats need nothing else; one with a tensor scale
needs the largest magnitude, and one block that is larger than a piece needs its extremes or its mean. Both are found in
a pass over the elements before; then the pieces have the bits of the whole array. What no such pass can give (a median,
a search, scales that are quantized themselves) is computed with the tensor in memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .. import BlockEncoded, BlockFormat, HashRandom, encode, quantize
from .._blocks.arithmetic import LANES, lane_sum, lanes_total
from .._blocks.blocking import Blocking
from .._blocks.schemes import scheme_of
from ..formats.scale_rules import scale_rule
from ..profiles import resolve_block
from .files import CHUNK, Tensor

__all__ = ["BlockRules", "Piece", "Read", "block_pieces", "check_encodes", "why_no_blocks"]

Array = npt.NDArray[Any]
#: The real numbers of a range of elements in C order.
Read = Callable[[int, int], Array]
#: Rules whose scale follows from the least and the largest element, so that appending these to a piece is enough.
_BY_EXTREMES = ("absmax", "absmax_full", "absmax_119", "minmax")


@dataclass(frozen=True)
class BlockRules:
    """What a command line asks of block formats; None and "default" are the format's own."""

    axis: Any = "default"
    pad: bool = False
    scale_rule: str | None = None
    nonfinite: str | None = None
    #: Rounding, overflow, NaN rule and profile of the elements.
    element: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None

    def options(self) -> dict[str, Any]:
        """Keyword arguments of `numfmt.encode` that do not depend on the piece."""
        return {**self.element, "scale_rule": self.scale_rule, "nonfinite": self.nonfinite}


@dataclass(frozen=True)
class Piece:
    """Elements of a tensor in C order, and how to encode them as part of it."""

    fmt: BlockFormat
    at: int
    x: Array
    shape: tuple[int, ...]
    axis: Any
    options: dict[str, Any]
    #: Elements put behind `x` so that its one block sees the extremes of the tensor's.
    extremes: Array | None = None

    def _arranged(self) -> Array:
        if self.extremes is None:
            return self.x.reshape(self.shape)
        return np.concatenate([self.x, self.extremes]).reshape(1, -1)

    def quantized(self) -> Array:
        """The rounded elements, flat, in the dtype of `x`."""
        values = quantize(self._arranged(), self.fmt, axis=self.axis, pad=True, **self.options)
        return np.asarray(values).reshape(-1)[: self.x.size]

    def encoded(self) -> BlockEncoded:
        """Codes and scales; `extremes` included."""
        b = encode(self._arranged(), self.fmt, axis=self.axis, pad=True, **self.options)
        assert isinstance(b, BlockEncoded)
        return b


def check_encodes(fmt: BlockFormat) -> None:
    """Raise what `encode` raises for every array, such as that the format is decode-only."""
    encode(np.zeros((1,) * (len(fmt.block) if isinstance(fmt.block, tuple) else 1)), fmt, pad=True)


def why_no_blocks(tensor: Tensor, fmt: BlockFormat, axis: Any) -> str | None:
    """Why a tensor has no axis for the blocks of `fmt`, or None."""
    where = fmt.axis if axis == "default" else axis
    if not tensor.shape:
        return "a single number has no axis for blocks"
    if where is None:
        return None
    needed = max(a + 1 if a >= 0 else -a for a in (where if isinstance(where, tuple) else (where,)))
    if len(tensor.shape) >= needed:
        return None
    count = f"{len(tensor.shape)} ax{'i' if len(tensor.shape) == 1 else 'e'}s"
    return f"it has {count}, and the blocks of {fmt.name} lie along axis {where}"


def block_pieces(
    tensor: Tensor, fmt: BlockFormat, rules: BlockRules, read: Read | None = None, step: int = CHUNK
) -> Iterator[Piece]:
    """The pieces of a tensor, each of about `step` elements; `ArgumentError` where blocks do not divide an axis.

    `read` gives ranges of its elements, default ``tensor.reader()``.
    """
    step = max(LANES, step // LANES * LANES)  # so that sums over lanes go on from piece to piece
    axis = fmt.axis if rules.axis == "default" else rules.axis
    blocking = Blocking(tensor.shape, fmt, axis, rules.pad)
    options = rules.options()
    resolved, _ = resolve_block(fmt, options)
    read = read or tensor.reader()
    if _needs_all(fmt):
        yield _piece(fmt, 0, read(0, tensor.size), tensor.shape, axis, options, rules)
        return
    if resolved.tensor_scale is not None:
        options["tensor_scale"] = _tensor_scale(resolved, _ends(read, 0, tensor.size, step))
    for start, shape, where in _spans(tensor.shape, blocking, step):
        stop = start + math.prod(shape)
        one_block = blocking.size == stop - start and shape[0] == 1
        given = _shared_scale(resolved, read, start, stop, step) if one_block and stop - start > step else None
        if given is None:
            yield _piece(fmt, start, read(start, stop), shape, where, options, rules)
            continue
        for at in range(start, stop, step):
            x = read(at, min(at + step, stop))
            yield _piece(fmt, at, x, (1, x.size), 1, {**options, **given[0]}, rules, given[1])


def _needs_all(fmt: BlockFormat) -> bool:
    return isinstance(fmt.scale, BlockFormat) or fmt.centre or scheme_of(fmt).encode_array is not None


def _piece(
    fmt: BlockFormat,
    at: int,
    x: Array,
    shape: tuple[int, ...],
    axis: Any,
    options: dict[str, Any],
    rules: BlockRules,
    extremes: Array | None = None,
) -> Piece:
    random = None if rules.seed is None else HashRandom(rules.seed, start=at)
    return Piece(fmt, at, x, shape, axis, {**options, "random": random}, extremes)


def _spans(shape: tuple[int, ...], blocking: Blocking, step: int) -> Iterator[tuple[int, tuple[int, ...], Any]]:
    """(start, shape, axis) of ranges of whole blocks in C order; their shape has the axes before the blocks as one."""
    work = (math.prod(shape),) if blocking.flat else shape
    first = min(blocking.axes)
    tile = blocking.tile[blocking.axes.index(first)]
    lead, length, inner = math.prod(work[:first]), work[first], math.prod(work[first + 1 :])
    moved = tuple(a - first + 1 for a in blocking.axes)
    axis = moved if len(moved) > 1 else moved[0]
    row = length * inner
    if not row:
        return
    if row <= step:
        rows = step // row
        for i in range(0, lead, rows):
            yield i * row, (min(rows, lead - i), *work[first:]), axis
        return
    long = max(tile, step // inner // tile * tile)
    for i in range(lead):
        for j in range(0, length, long):
            yield i * row + j * inner, (1, min(long, length - j), *work[first + 1 :]), axis


class _Ends(NamedTuple):
    """The least and the largest finite element of a range in its dtype, and whether all its elements are finite."""

    values: Array
    all_finite: bool


def _ends(read: Read, start: int, stop: int, step: int) -> _Ends:
    found: list[Array] = []
    all_finite = True
    for at in range(start, stop, step):
        x = read(at, min(at + step, stop))
        finite = np.isfinite(x)
        if not finite.all():
            all_finite, x = False, x[finite]
        found += [np.array([x.min(), x.max()])] if x.size else []
    values = np.concatenate(found) if found else np.zeros(2)
    return _Ends(np.array([values.min(), values.max()]), all_finite)


def _tensor_scale(fmt: BlockFormat, ends: _Ends) -> float:
    """The tensor scale depends on the largest magnitude alone."""
    axes = tuple(range(len(fmt.block))) if isinstance(fmt.block, tuple) else 0
    largest = np.full((1,) * (len(axes) if isinstance(axes, tuple) else 1), float(np.abs(ends.values).max()))
    sample = encode(largest, fmt, axis=axes, pad=True)
    assert isinstance(sample, BlockEncoded)
    return float(sample.tensor_scale)


def _shared_scale(
    fmt: BlockFormat, read: Read, start: int, stop: int, step: int
) -> tuple[dict[str, Any], Array | None] | None:
    """Options and elements that give pieces of one block the scale of all of it; None where that takes all of it."""
    if type(fmt) is not BlockFormat:
        return None
    ends = _ends(read, start, stop, step)
    if not ends.all_finite:
        return None
    if fmt.rule in _BY_EXTREMES or scale_rule(fmt.rule).kind == "exponent":
        return {}, ends.values
    if fmt.rule != "absmean":
        return None
    lanes = None
    for at in range(start, stop, step):
        lanes = lane_sum(np.abs(read(at, min(at + step, stop)).astype(np.float64))[None], lanes)
    assert lanes is not None
    mean = np.float32(lanes_total(lanes)[0] / (stop - start))
    sample = encode(np.array([[mean]]), fmt, axis=1)
    assert isinstance(sample, BlockEncoded)
    return {"scales": sample.scales}, None
