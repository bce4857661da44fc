"""Orders of channels that help a block format: K-sort, and permutations to apply and undo."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError
from ._arguments import checked_axis, is_integer, plain_numbers

__all__ = ["inverse_permutation", "k_sort", "permute"]

Permutation = npt.NDArray[np.intp]


def _scores(channels: npt.NDArray[Any], key: str) -> list[float]:
    """One number per row, the same for any order of the row's elements: ties are exact."""
    if key == "norm":
        # A common power of two keeps the squares in range and changes no comparison.
        exponent = int(np.frexp(np.abs(channels).max(initial=0.0))[1])
        return [math.fsum(row) for row in np.square(np.ldexp(channels, -exponent))]
    if key == "absmax":
        return [float(v) for v in np.abs(channels).max(axis=1, initial=0.0)]
    raise ArgumentError(f"key must be 'norm' or 'absmax', got {key!r}")


def _units(head: int, rotary_pairs: str | None) -> npt.NDArray[np.intp]:
    """Channels of one head that move together: (units, channels per unit)."""
    index = np.arange(head)
    if rotary_pairs is None:
        return index.reshape(head, 1)
    if rotary_pairs not in ("adjacent", "halves"):
        raise ArgumentError(f"rotary_pairs must be None, 'adjacent' or 'halves', got {rotary_pairs!r}")
    if head % 2:
        raise ArgumentError(f"rotary_pairs needs heads of even size, got {head}")
    return index.reshape(-1, 2) if rotary_pairs == "adjacent" else index.reshape(2, -1).T


def k_sort(
    w: Any, *, axis: int = 0, key: str = "norm", head_size: int | None = None, rotary_pairs: str | None = None
) -> Permutation:
    """The order of channels by descending norm: channels of like size then share a block and its scale.

    Apply it with `permute` to the key *and* the query projection: the scores ``Q @ K.T`` are sums over the channels in
    another order, the same numbers exactly when the sums are exact.

    Parameters
    ----------
    w : array_like of finite real numbers, any shape
        The key projection, (outputs, inputs), or key vectors with the channel on `axis`.
    axis : int
        The channels; the rows of a projection by default.
    key : "norm" or "absmax"
        What is sorted by: the Euclidean norm of a channel (exact ties: squares are in binary64 and their sum is rounded
        once), or its largest magnitude. Ties keep their order.
    head_size : int, optional
        Sort inside each run of so many channels. Attention adds over one head, so a permutation may not cross heads.
        Default: all channels are one head.
    rotary_pairs : None, "adjacent" or "halves"
        Rotary position embeddings rotate pairs of channels of a head: (2i, 2i + 1) for "adjacent", (i, i + head_size/2)
        for "halves". A pair is then moved as one, by its joint norm, onto another pair's place, and the columns of the
        cosine and sine tables move with it.

    Returns
    -------
    ndarray of intp, shape (channels,)
        ``permute(w, p, axis)[i] == w[p[i]]``.

    Raises
    ------
    ArgumentError
        NaN or infinity in `w`, an unknown key, a head size that does not divide the axis or is odd with rotary pairs.
    DTypeError
        `w` is no array of floats or integers.

    Notes
    -----
    Source: K-sort of arXiv:2403.20137. It lowers the error relative to each channel, not the total squared error, and
    it can change nothing when one block covers the head.

    >>> w = np.array([[1, 1], [5, 0], [0, 2], [5, 5]])
    >>> k_sort(w)
    array([3, 1, 2, 0])
    >>> k_sort(w, head_size=2)
    array([1, 0, 3, 2])
    """
    array = plain_numbers(w, "w")
    axis = checked_axis(array, axis)
    count = array.shape[axis]
    head = count if head_size is None else head_size
    if not is_integer(head) or head < 0 or (count % head if head else count):
        raise ArgumentError(
            f"head_size must divide the axis: axis {axis} has length {count}, head_size is {head_size!r}"
        )
    moved = np.moveaxis(array, axis, 0)
    channels = moved.reshape(count, math.prod(moved.shape[1:])).astype(np.float64)
    if not np.isfinite(channels).all():
        raise ArgumentError("w must be finite: a NaN or an infinity has no place in an order; replace it first")
    units = _units(int(head), rotary_pairs)
    heads = count // head if head else 0
    permutation = np.empty((heads, *units.shape), np.intp)
    for h in range(heads):
        members = units + h * head
        scores = _scores(channels[members].reshape(len(units), units.shape[1] * channels.shape[1]), key)
        permutation[h] = members[np.argsort(-np.array(scores), kind="stable")]
    # Unit u of the result takes the places that unit u had.
    result = np.empty((heads, int(head)), np.intp)
    result[:, units] = permutation
    return result.reshape(-1)


def _checked_permutation(permutation: Any) -> Permutation:
    p = np.asarray(permutation)
    if p.ndim != 1 or (p.size and p.dtype.kind not in "iu"):
        raise ArgumentError(f"permutation must be a vector of integers, got shape {p.shape} and dtype {p.dtype}")
    if not np.array_equal(np.sort(p), np.arange(p.size)):
        raise ArgumentError(f"permutation must hold each of 0 to {p.size - 1} once, got {p}")
    return p.astype(np.intp)


def permute(x: Any, permutation: Any, axis: int = -1) -> npt.NDArray[Any]:
    """Reorder one axis: element i of the result is element ``permutation[i]`` of `x`; no bit of an element changes.

    Parameters
    ----------
    x : array_like, any dtype
    permutation : array_like of int
        Each of 0 to n-1 once, n the length of the axis.
    axis : int
        The axis to reorder.

    Returns
    -------
    ndarray of x's shape and dtype, a copy

    Raises
    ------
    ArgumentError
        `permutation` is none, or not of the axis's length.

    >>> permute([10, 20, 30], [2, 0, 1])
    array([30, 10, 20])
    """
    array = np.asarray(x)
    axis = checked_axis(array, axis)
    p = _checked_permutation(permutation)
    if p.size != array.shape[axis]:
        raise ArgumentError(
            f"permutation must be as long as the axis: axis {axis} has length {array.shape[axis]}, it has {p.size}"
        )
    return np.take(array, p, axis)


def inverse_permutation(permutation: Any) -> Permutation:
    """The permutation that undoes another: ``permute(permute(x, p), inverse_permutation(p))`` is `x`.

    Parameters
    ----------
    permutation : array_like of int
        Each of 0 to n-1 once.

    Returns
    -------
    ndarray of intp

    Raises
    ------
    ArgumentError
        `permutation` is none.

    >>> inverse_permutation([2, 0, 1])
    array([1, 2, 0])
    """
    p = _checked_permutation(permutation)
    inverse = np.empty_like(p)
    inverse[p] = np.arange(p.size)
    return inverse
