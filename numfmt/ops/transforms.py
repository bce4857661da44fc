"""Orthogonal transforms in front of a quantizer: Walsh-Hadamard over blocks, Haar over adjacent pairs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError
from ..formats.random import random_integers
from ..rounding import HashRandom
from ._arguments import checked_axis, is_integer, plain_numbers

__all__ = ["hadamard", "hadamard_signs", "haar_pairs", "inverse_haar_pairs", "inverse_hadamard"]

Array = npt.NDArray[Any]

_SIGNED = tuple(np.dtype(t) for t in (np.int16, np.int32, np.int64))
_LARGEST_BLOCK = 4096
_INT64_MAX = (1 << 63) - 1


def _checked_block(block: Any) -> int:
    if not is_integer(block) or not 2 <= block <= _LARGEST_BLOCK or block & (block - 1):
        raise ArgumentError(f"block must be a power of two from 2 to {_LARGEST_BLOCK}, got {block!r}")
    return int(block)


def _check_divides(x: Array, axis: int, block: int) -> None:
    length = x.shape[axis]
    if length % block:
        fitting = min(length & -length, _LARGEST_BLOCK)
        raise ArgumentError(
            f"block must divide the axis: axis {axis} has length {length}, block is {block}; pad x with zeros to "
            f"{-(-length // block) * block}" + (f" or use block={fitting}" if fitting >= 2 else "")
        )


def hadamard_signs(seed: int, length: int) -> npt.NDArray[np.int8]:
    """The +1 and -1 that `hadamard` multiplies by when ``signs=seed``: fixed for ever, on every machine.

    Sign `i` is -1 where the top bit of the 32-bit hash h(seed, i) is set; h is written out at `numfmt.HashRandom`. It
    depends on nothing but `seed` and `i`, so a shorter call returns the beginning of a longer one.

    Parameters
    ----------
    seed : int
        ``0 <= seed < 2**64``.
    length : int
        How many, from 0.

    Returns
    -------
    ndarray of int8, shape (length,)

    Raises
    ------
    ArgumentError
        `seed` or `length` is out of range or no integer.

    >>> hadamard_signs(0, 8)
    array([ 1, -1, -1,  1,  1,  1, -1, -1], dtype=int8)
    """
    if not is_integer(length) or length < 0:
        raise ArgumentError(f"length must be a non-negative integer, got {length!r}")
    bits = random_integers(HashRandom(seed, width=1), int(length))
    return (1 - 2 * bits.astype(np.int8)).astype(np.int8)


def _checked_signs(signs: Any, block: int, length: int) -> npt.NDArray[np.int8] | None:
    """One sign per element of the axis, or None."""
    if signs is None:
        return None
    array: Array = hadamard_signs(int(signs), block) if is_integer(signs) else plain_numbers(signs, "signs")
    if array.ndim != 1 or array.size not in (block, length):
        raise ArgumentError(
            f"signs must be a seed, or hold one sign per element of a block ({block}) or of the axis ({length}); "
            f"got shape {array.shape}"
        )
    if not np.isin(array, (-1, 1)).all():
        raise ArgumentError("signs must hold only +1 and -1; hadamard_signs(seed, length) makes some")
    return np.resize(array.astype(np.int8), length)


def _columns(x: Array, axis: int, block: int, dtype: np.dtype[Any]) -> Array:
    """A new array (block, blocks): element i of every block is row i, so that each butterfly is one long addition."""
    last = np.moveaxis(x, axis, -1)
    rows = last.reshape(*last.shape[:-1], last.shape[-1] // block, block)
    work = np.empty((block, *rows.shape[:-1]), dtype)
    work[...] = np.moveaxis(rows, -1, 0)
    return work.reshape(block, -1)


def _from_columns(work: Array, shape: tuple[int, ...], axis: int) -> Array:
    rest = shape[:axis] + shape[axis + 1 :]
    block = work.shape[0]
    rows = np.moveaxis(work.reshape(block, *rest, shape[axis] // block), 0, -1)
    return np.ascontiguousarray(np.moveaxis(rows.reshape(*rest, shape[axis]), -1, axis))


def _pairs(work: Array, distance: int) -> tuple[Array, Array]:
    """Views of the rows i and i + distance that one stage of butterflies combines."""
    stage = work.reshape(work.shape[0] // (2 * distance), 2, distance, -1)
    return stage[:, 0], stage[:, 1]


def _butterflies(work: Array) -> None:
    """Sylvester's H times every column, in place: distances 1, 2, 4, ..., each addition rounded in the dtype."""
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        distance = 1
        while distance < work.shape[0]:
            a, b = _pairs(work, distance)
            difference = a - b
            a += b
            b[...] = difference
            distance *= 2


def _halving_butterflies(work: Array) -> bool:
    """H / n times every column of integers, in place; False when some result is no integer.

    The stages commute, so undoing any of them leaves the other stages of an integer vector: sum and difference are even
    at every stage exactly when the end result is integer. No intermediate exceeds the largest input.
    """
    distance = 1
    while distance < work.shape[0]:
        a, b = _pairs(work, distance)
        if ((a ^ b) & 1).any():
            return False
        odd = a & 1
        a >>= 1
        b >>= 1
        difference = a - b
        a += b
        a += odd
        b[...] = difference
        distance *= 2
    return True


def _multiply_signs(x: Array, axis: int, signs: npt.NDArray[np.int8] | None) -> Array:
    if signs is None:
        return x
    shape = [1] * x.ndim
    shape[axis] = -1
    with np.errstate(invalid="ignore"):
        return np.asarray(x * signs.reshape(shape).astype(x.dtype))


def _magnitude(x: Array) -> int:
    return max(-int(x.min()), int(x.max())) if x.size else 0


def _exact_float64(x: Array) -> Array:
    if _magnitude(x) > 1 << 53:
        raise ArgumentError(
            f"integers beyond 2**53 have no exact float64, and x holds magnitude {_magnitude(x)}; "
            "use normalize=False, which stays in integers"
        )
    return x.astype(np.float64)


def _grown(x: Array, block: int) -> Array:
    """`x` in the smallest signed dtype that holds ``block`` times anything its own dtype holds, or checked int64."""
    width = 8 * x.dtype.itemsize
    bound = block * (1 << (width - 1) if x.dtype.kind == "i" else (1 << width) - 1)
    for dtype in _SIGNED:
        if bound < 1 << (8 * dtype.itemsize - 1):
            return x.astype(dtype)
    if block * _magnitude(x) > _INT64_MAX:
        raise ArgumentError(
            f"the transform of {x.dtype} may reach block * max|x| = {block} * {_magnitude(x)}, beyond int64; use "
            "smaller integers, a smaller block, or floats"
        )
    return x.astype(np.int64)


def hadamard(x: Any, block: int = 32, *, axis: int = -1, signs: Any = None, normalize: bool = True) -> Array:
    """Walsh-Hadamard transform of every `block` consecutive elements: ``H @ (signs * x) / sqrt(block)``.

    H is Sylvester's matrix, ``H[i, j] = (-1)**popcount(i & j)``. The rotation spreads an outlier over its block, and a
    product of two operands rotated alike is unchanged, ``(R a) . (R b) = a . b``. With `signs` it is the randomised
    transform.

    Parameters
    ----------
    x : array_like of float16, float32, float64 or integers
        Never modified; any memory layout.
    block : int
        A power of two from 2 to 4096 that divides the axis.
    axis : int
        Along which the blocks lie.
    signs : None, int, or array_like of +1 and -1
        Multiplied first (exact). An integer is a seed: ``hadamard_signs(seed, block)``, the same for every block. An
        array has one sign per element of a block, or one per element of the axis.
    normalize : bool
        True: orthonormal; the last step divides by the square root of `block`, rounded to the dtype. For a power of
        four that is a power of two and the division is exact. False: no division; additions and subtractions only.

    Returns
    -------
    ndarray of x's shape, C-contiguous
        Floats keep their dtype. Integers give float64 when `normalize` (exact input up to 2**53), else an integer
        dtype: the first of int16, int32, int64 that holds `block` times the largest magnitude of x's own dtype, that is
        log2(block) more bits; int8 and block 32 give int16.

    Raises
    ------
    ArgumentError
        A block that is no power of two or does not divide the axis, bad signs, 64-bit integers so large that a sum
        could leave int64, integers beyond 2**53 with `normalize`.
    DTypeError
        Complex, boolean, longdouble, extension, object and masked arrays.

    Notes
    -----
    The bits are defined by the order of additions: stages of distance h = 1, 2, 4, ..., block/2; a stage replaces
    elements i and i + h of each group of 2h by ``x[i] + x[i+h]`` and ``x[i] - x[i+h]``, each rounded to nearest even in
    the dtype of x. Overflow goes to infinity, and a NaN or infinity spreads over its block.

    Sources: J. J. Sylvester 1867 for the matrix; rotations of size 32 before block formats in arXiv:2510.25602, of size
    256, normalised by 1/16, in arXiv:2603.27914.

    >>> hadamard([1.0, 0.0, 0.0, 0.0, 8.0, 8.0, 8.0, 8.0], block=4)
    array([ 0.5,  0.5,  0.5,  0.5, 16. ,  0. ,  0. ,  0. ])
    >>> hadamard(np.array([1, 2, 3, 4], np.int8), block=4, normalize=False)
    array([10, -2, -4,  0], dtype=int16)
    """
    array = plain_numbers(x)
    axis, block = checked_axis(array, axis), _checked_block(block)
    _check_divides(array, axis, block)
    factors = _checked_signs(signs, block, array.shape[axis])
    if array.dtype.kind in "iu":
        array = _exact_float64(array) if normalize else _grown(array, block)
    work = _columns(_multiply_signs(array, axis, factors), axis, block, array.dtype)
    _butterflies(work)
    if normalize:
        _divide_by_root(work, block)
    return _from_columns(work, array.shape, axis)


def _divide_by_root(work: Array, block: int) -> None:
    with np.errstate(under="ignore", invalid="ignore"):
        work /= work.dtype.type(math.sqrt(block))


def inverse_hadamard(x: Any, block: int = 32, *, axis: int = -1, signs: Any = None, normalize: bool = True) -> Array:
    """Undo `hadamard` called with the same arguments: ``signs * (H @ x) / sqrt(block)``, or ``/ block``.

    H is its own inverse up to the factor `block`. Integers come back exactly. Floats come back exactly where no sum and
    no division was rounded, for example small integers held in floats with a power of four as `block`, or with
    ``normalize=False``; else to rounding errors. A zero may come back with the other sign.

    Parameters
    ----------
    x, block, axis, signs
        As in `hadamard`.
    normalize : bool
        True: divides by the rounded square root of `block`, as `hadamard` does. False: divides by `block`, an exact
        scaling by a power of two.

    Returns
    -------
    ndarray of x's shape, C-contiguous
        Floats keep their dtype. Integers give float64 when `normalize`, else integers of x's dtype (the next wider
        signed dtype for unsigned ones).

    Raises
    ------
    ArgumentError
        As `hadamard`; or integers, ``normalize=False``, and `x` is no transform of integers.
    DTypeError
        As `hadamard`.

    Notes
    -----
    For floats the order of additions is that of `hadamard`; the division and then the signs follow.

    >>> x = np.arange(64, dtype=np.int8)
    >>> y = hadamard(x, 32, signs=7, normalize=False)
    >>> np.array_equal(inverse_hadamard(y, 32, signs=7, normalize=False), x)
    True
    """
    array = plain_numbers(x)
    axis, block = checked_axis(array, axis), _checked_block(block)
    _check_divides(array, axis, block)
    factors = _checked_signs(signs, block, array.shape[axis])
    integer = array.dtype.kind in "iu"
    if integer:
        array = _exact_float64(array) if normalize else _signed(array)
    work = _columns(array, axis, block, array.dtype)
    if integer and not normalize:
        if not _halving_butterflies(work):
            raise ArgumentError(
                f"x must be the transform of integers: the inverse of x with block {block} has fractions; "
                "use a float dtype to get them"
            )
        _check_negatable(work, factors)
    else:
        _butterflies(work)
        _divide_by_root(work, block if normalize else block * block)
    return _multiply_signs(_from_columns(work, array.shape, axis), axis, factors)


def _signed(x: Array) -> Array:
    if x.dtype.kind == "i":
        return x
    if _magnitude(x) > _INT64_MAX:
        raise ArgumentError(f"x holds {_magnitude(x)}, beyond int64; a transform of integers stays within int64")
    return x.astype(np.dtype(f"i{min(2 * x.dtype.itemsize, 8)}"))


def _check_negatable(work: Array, signs: npt.NDArray[np.int8] | None) -> None:
    lowest = np.iinfo(work.dtype).min
    if signs is not None and (work == lowest).any():
        raise ArgumentError(f"the inverse holds {lowest}, which {work.dtype} cannot negate; pass a wider integer dtype")


def haar_pairs(x: Any, *, axis: int = -1, normalize: bool = True) -> Array:
    """One level of the Haar transform: sums and differences of adjacent elements, sums first.

    For pairs (a, b) = (x[2i], x[2i+1]) along `axis` of length n, element i of the result is ``(a + b) / sqrt(2)`` and
    element n/2 + i is ``(a - b) / sqrt(2)``; without `normalize`, ``a + b`` and ``a - b``. A smooth row has its energy
    in the first half.

    Parameters
    ----------
    x : array_like of float16, float32, float64 or integers
        The axis has even length.
    axis : int
        Along which pairs are taken.
    normalize : bool
        True: orthonormal, divided by the square root of 2 rounded to the dtype (never exact). False: no division.

    Returns
    -------
    ndarray of x's shape, C-contiguous
        dtype as from `hadamard` with ``block=2``: floats keep theirs; integers give float64, or without `normalize` the
        next wider signed integers.

    Raises
    ------
    ArgumentError
        An odd axis; 64-bit integers whose sum could leave int64.
    DTypeError
        As `hadamard`.

    Notes
    -----
    Source: the Haar-domain binarizer of arXiv:2602.13710, whose normalisation (1/sqrt(2) or 1/2) we could not confirm.

    >>> haar_pairs([3, 1, 10, 10], normalize=False)
    array([ 4, 20,  2,  0])
    """
    y = hadamard(x, 2, axis=axis, normalize=normalize)
    return np.concatenate([_strided(y, axis, 0), _strided(y, axis, 1)], axis)


def _strided(x: Array, axis: int, start: int) -> Array:
    return np.moveaxis(np.moveaxis(x, axis, -1)[..., start::2], -1, axis)


def inverse_haar_pairs(x: Any, *, axis: int = -1, normalize: bool = True) -> Array:
    """Undo `haar_pairs`: ``a = (low + high) / 2``, ``b = (low - high) / 2``, or over ``sqrt(2)`` when `normalize`.

    Parameters
    ----------
    x : array_like of float16, float32, float64 or integers
        Sums in the first half of the axis, differences in the second.
    axis, normalize
        As given to `haar_pairs`.

    Returns
    -------
    ndarray of x's shape, C-contiguous
        dtype as from `inverse_hadamard`.

    Raises
    ------
    ArgumentError
        An odd axis; or integers, ``normalize=False``, and a sum and its difference are not both even or both odd.
    DTypeError
        As `hadamard`.

    >>> inverse_haar_pairs([4, 20, 2, 0], normalize=False)
    array([ 3,  1, 10, 10])
    """
    array = plain_numbers(x)
    axis = checked_axis(array, axis)
    _check_divides(array, axis, 2)
    half = array.shape[axis] // 2
    last = np.moveaxis(array, axis, -1)
    interleaved = np.stack([last[..., :half], last[..., half:]], -1).reshape(last.shape)
    return inverse_hadamard(np.moveaxis(interleaved, -1, axis), 2, axis=axis, normalize=normalize)
