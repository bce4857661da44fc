"""Operands of exact reductions: the reduced axis last, the others broadcast by row numbers instead of copies."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from .._array import Encoded
from .._quire_lowering import Rows
from ..errors import ArgumentError, FormatMismatchError
from ._arguments import is_integer

__all__ = ["dot_rows", "sum_rows"]

Array = npt.NDArray[Any]
Shape = tuple[int, ...]


def _axis_last(e: Encoded, axis: int, ndim: int) -> tuple[Array, Shape]:
    """Codes (rows, terms) with the reduced axis last, counted in `ndim` axes, and the shape of the rest."""
    codes = e.codes
    if codes.ndim < ndim:
        codes = codes.reshape((1,) * (ndim - codes.ndim) + codes.shape)
    if axis not in (-1, ndim - 1):
        codes = np.moveaxis(codes, axis, -1)
    rest = codes.shape[:-1]
    return np.ascontiguousarray(codes).reshape(prod(rest), codes.shape[-1]), rest


def _check(*operands: Any, axis: Any) -> int:
    for e in operands:
        if not isinstance(e, Encoded):
            raise FormatMismatchError(f"operands must be Encoded, got {type(e).__name__}; use numfmt.encode(x, fmt)")
    ndim: int = max(e.ndim for e in operands)
    if not is_integer(axis) or not -ndim <= axis < ndim:
        raise ArgumentError(
            f"axis must be one of the {ndim} axes of the broadcast operands, got {axis!r} for shapes "
            + " and ".join(str(e.shape) for e in operands)
        )
    return ndim


def dot_rows(a: Any, b: Any, axis: Any) -> tuple[Rows, Rows, Shape]:
    """The rows of two operands that are multiplied and summed along `axis`, and the shape of the sums."""
    ndim = _check(a, b, axis=axis)
    (codes_a, rest_a), (codes_b, rest_b) = _axis_last(a, axis, ndim), _axis_last(b, axis, ndim)
    if codes_a.shape[1] != codes_b.shape[1]:
        raise ArgumentError(
            f"operands must have one length along axis {axis}, got {codes_a.shape[1]} and {codes_b.shape[1]} for "
            f"shapes {a.shape} and {b.shape}"
        )
    if rest_a == rest_b:
        each = np.arange(codes_a.shape[0])
        return Rows.of(codes_a, a.format, each), Rows.of(codes_b, b.format, each), rest_a
    try:
        shape = np.broadcast_shapes(rest_a, rest_b)
    except ValueError:
        raise ArgumentError(
            f"the other axes of shapes {a.shape} and {b.shape} must broadcast; axis {axis} is summed"
        ) from None
    return (
        Rows.of(codes_a, a.format, _spread(rest_a, codes_a.shape[0], shape)),
        Rows.of(codes_b, b.format, _spread(rest_b, codes_b.shape[0], shape)),
        shape,
    )


def _spread(rest: Shape, rows: int, shape: Shape) -> npt.NDArray[np.int64]:
    """For each sum, the row of an operand whose rows have the shape `rest`."""
    return np.ascontiguousarray(np.broadcast_to(np.arange(rows).reshape(rest), shape)).reshape(-1)


def sum_rows(a: Any, axis: Any) -> tuple[Rows, Shape]:
    """The rows of an operand that are summed along `axis`, and the shape of the sums."""
    codes, shape = _axis_last(a, axis, _check(a, axis=axis))
    return Rows.of(codes, a.format, np.arange(codes.shape[0])), shape
