"""Whole arrays in block formats: where the blocks lie, tensor scales, nested scales, special formats."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from typing import Any

from ..errors import ArgumentError, NaNError
from ..formats import Format, get
from ..formats.block import BlockFormat
from .blocks import (
    BlockOptions,
    Draw,
    ReferenceBlock,
    Value,
    block_format,
    decode_block,
    encode_plain,
    own_tensor_scale,
)
from .decode import decode
from .encode import encode
from .scales import Number, binary32, exact, mean_in_lanes

__all__ = [
    "ReferenceTensor",
    "block_positions",
    "encode_tensor",
    "oracle_of",
    "register_oracle",
    "rowwise",
]


@dataclass(frozen=True)
class ReferenceTensor:
    """An encoded array: every stored bit by the names of `BlockEncoded.parts`, flat in C order, and its exact values.

    Attributes
    ----------
    parts : dict of lists of int
        Codes; floats as their bits.
    values : list
        One per element of the array: Fraction, or float for NaN, infinities and -0 (complex for complex formats).
    """

    parts: dict[str, list[int]]
    values: list[Any]


def block_positions(shape: tuple[int, ...], block: Any, axis: Any) -> tuple[list[list[tuple[int, int | None]]], int]:
    """The blocks of an array, in the C order of the scales.

    Returns
    -------
    (list of blocks, size of the padded array); a block lists (flat index in the padded array, flat index in the
    array or None for padding) of its elements in the C order of its tile.

    >>> block_positions((1, 3), 2, -1)
    ([[(0, 0), (1, 1)], [(2, 2), (3, None)]], 4)
    """
    if axis is None:
        shape, axis = (math.prod(shape),), 0
    axes = [a % len(shape) for a in (axis if isinstance(axis, tuple) else (axis,))]
    sizes = block if isinstance(block, tuple) else (block,)
    tile = {a: shape[a] if k is None else k for a, k in zip(axes, sizes, strict=True)}
    counts = [math.ceil(n / tile[a]) if tile.get(a) else n for a, n in enumerate(shape)]
    padded = [c * tile.get(a, 1) for a, c in enumerate(counts)]
    blocks = []
    for corner in product(*map(range, counts)):
        members: list[tuple[int, int | None]] = []
        for offsets in product(*(range(tile[a]) for a in axes)):
            index = [i * tile.get(a, 1) for a, i in enumerate(corner)]
            for a, offset in zip(axes, offsets, strict=True):
                index[a] += offset
            wide = narrow = 0
            for a, i in enumerate(index):
                wide, narrow = wide * padded[a] + i, narrow * shape[a] + i
            members.append((wide, narrow if all(i < n for i, n in zip(index, shape, strict=True)) else None))
        blocks.append(members)
    return blocks, math.prod(padded)


def encode_tensor(
    values: Sequence[Any],
    shape: tuple[int, ...],
    fmt: BlockFormat | str,
    *,
    axis: Any = "default",
    options: BlockOptions | None = None,
    random: Sequence[Draw] | None = None,
    tensor_scale: Number | None = None,
) -> ReferenceTensor:
    """Encode an array given flat in C order, padding the last blocks with zeros.

    Parameters
    ----------
    values, shape
        The array; `random` holds the random integer of each element.
    axis : as for ``numfmt.encode``

    >>> encode_tensor([6.0, 1.0, 3.0], (3,), "fp4_e2m1*ufp8_e8m0/2").parts
    {'codes': [7, 2, 7, 0], 'scales': [127, 126]}
    """
    fmt = block_format(fmt)
    if isinstance(axis, str):
        axis = fmt.axis
    return oracle_of(fmt)(list(values), shape, fmt, axis, options or BlockOptions(), random, tensor_scale)


RowEncoder = Callable[..., ReferenceBlock]
RowDecoder = Callable[[ReferenceBlock], list[Value]]


def rowwise(encode_row: RowEncoder = encode_plain, decode_row: RowDecoder = decode_block) -> Callable[..., Any]:
    """The oracle of a format whose blocks are independent.

    `encode_row(values, fmt, options, tensor scale, random) -> ReferenceBlock` encodes one block, `decode_row(block)`
    gives its exact values.
    """

    def oracle(
        values: list[Number],
        shape: tuple[int, ...],
        fmt: BlockFormat,
        axis: Any,
        options: BlockOptions,
        random: Sequence[Draw] | None,
        given: Number | None,
    ) -> ReferenceTensor:
        offset: Value | None = None
        if fmt.centre:
            if not all(map(math.isfinite, values)):
                raise NaNError(f"x must be finite for {fmt.name}, which subtracts the mean")
            offset = binary32(mean_in_lanes([float(v) for v in values]))
            values = [_minus(binary32(_as_value(v)), offset) for v in values]
        plain = fmt if isinstance(fmt.scale, Format) else replace(fmt, scale=get("binary32"), centre=False)
        rows, padded = block_positions(shape, fmt.block, axis)
        whole = Fraction(given) if given is not None else own_tensor_scale(values, fmt)
        blocks, codes = [], [0] * padded
        for row in rows:
            draws = None if random is None else [(0, random[0][1]) if at is None else random[at] for _, at in row]
            numbers = [0.0 if at is None else values[at] for _, at in row]
            blocks.append(encode_row(numbers, plain, options, whole, draws))
            for (wide, _), code in zip(row, blocks[-1].element_codes, strict=True):
                codes[wide] = code
        parts = {"codes": codes}
        if isinstance(fmt.scale, BlockFormat):
            blocks, nested = _quantize_scales(blocks, shape, fmt, axis)
            parts |= {f"scales.{name}": part for name, part in nested.items()}
        else:
            parts["scales"] = [block.scale_code for block in blocks]
        parts |= _side_parts(blocks, fmt, whole, offset)
        return ReferenceTensor(parts, _values_of(rows, blocks, math.prod(shape), offset, decode_row))

    return oracle


def _as_value(x: Number) -> Value:
    return x if isinstance(x, float) else Fraction(x)


def _minus(x: Value, offset: Value) -> Value:
    """Binary32 subtraction of finite numbers."""
    return binary32(exact(x) - exact(offset)) if offset else x


def _quantize_scales(
    blocks: list[ReferenceBlock], shape: tuple[int, ...], fmt: BlockFormat, axis: Any
) -> tuple[list[ReferenceBlock], dict[str, list[int]]]:
    """Double quantization: the elements saw the binary32 scales, which are then encoded themselves."""
    assert isinstance(fmt.scale, BlockFormat)
    scales = [decode(block.scale_code, "binary32") for block in blocks]
    scale_shape = (len(blocks),) if axis is None else _scale_shape(shape, fmt, axis)
    inner = encode_tensor(scales, scale_shape, fmt.scale)
    # Nested scales are decoded to binary32 before they scale an element.
    quantized = [replace(b, scale_value=binary32(v)) for b, v in zip(blocks, inner.values, strict=True)]
    return quantized, inner.parts


def _scale_shape(shape: tuple[int, ...], fmt: BlockFormat, axis: Any) -> tuple[int, ...]:
    axes = [a % len(shape) for a in (axis if isinstance(axis, tuple) else (axis,))]
    sizes = fmt.block if isinstance(fmt.block, tuple) else (fmt.block,)
    tile = dict(zip(axes, sizes, strict=True))
    return tuple(math.ceil(n / (tile[a] or n)) if a in tile else n for a, n in enumerate(shape))


def _side_parts(
    blocks: list[ReferenceBlock], fmt: BlockFormat, whole: Fraction, offset: Value | None
) -> dict[str, list[int]]:
    parts: dict[str, list[int]] = {}
    if fmt.tensor_scale is not None:
        held = "binary32" if fmt.tensor_scale == get("binary32") else "binary64"
        parts["tensor_scale"] = [encode(whole, held)]
    if fmt.zero_point is not None:
        parts["zero_points"] = [block.zero_point or 0 for block in blocks]
    if offset is not None:
        parts["offset"] = [encode(offset, "binary32")]
    for name in blocks[0].sides if blocks else ():
        parts[f"sides.{name}"] = [code for block in blocks for code in block.sides[name]]
    return parts


def _values_of(
    rows: list[list[tuple[int, int | None]]],
    blocks: list[ReferenceBlock],
    size: int,
    offset: Value | None,
    decode_row: RowDecoder,
) -> list[Value]:
    values: list[Value] = [Fraction(0)] * size
    for row, block in zip(rows, blocks, strict=True):
        for (_, at), value in zip(row, decode_row(block), strict=True):
            if at is not None:
                values[at] = value if offset is None or not math.isfinite(value) else exact(value) + exact(offset)
    return values


# ---- formats of special structure ----------------------------------------------------------------------------------

_oracles: dict[type[BlockFormat], Callable[..., ReferenceTensor]] = {BlockFormat: rowwise()}


def register_oracle(cls: type[BlockFormat], oracle: Callable[..., ReferenceTensor]) -> None:
    """Give the formats of class `cls` their oracle, which `check_format` compares the library with.

    Parameters
    ----------
    cls : type
        A subclass of BlockFormat; its own subclasses need their own oracle.
    oracle : callable
        ``oracle(values, shape, fmt, axis, options, random, tensor_scale) -> ReferenceTensor``; `rowwise` makes it from
        functions of one block.

    >>> class Plain(BlockFormat):
    ...     "The fields of a block format and nothing else."
    >>> register_oracle(Plain, rowwise())
    """
    _oracles[cls] = oracle


def oracle_of(fmt: BlockFormat) -> Callable[..., ReferenceTensor]:
    """The oracle of a format's own class; a class without one is an error, not a plain block format."""
    oracle = _oracles.get(type(fmt))
    if oracle is None:
        raise ArgumentError(
            f"{type(fmt).__name__} has no oracle: numfmt.reference cannot witness {fmt.name}; give its class one with "
            "numfmt.reference.register_oracle"
        )
    return oracle
