"""Random integers for stochastic rounding: the executable definition of the generators, in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError
from ..rounding import HashRandom, PhiloxRandom, RandomBits

__all__ = ["RandomSource", "parse_random", "random_integers"]

RandomSource = RandomBits | HashRandom | PhiloxRandom
_U64 = np.uint64
_MASK = _U64(0xFFFFFFFF)


def parse_random(random: Any) -> RandomSource:
    """The random source of a `random=` argument: an integer seed means ``HashRandom(seed)`` with 32 bits."""
    if isinstance(random, (RandomBits, HashRandom, PhiloxRandom)):
        return random
    if isinstance(random, (int, np.integer)) and not isinstance(random, bool):
        return HashRandom(int(random))
    raise ArgumentError(
        "random must be an integer seed, RandomBits(integers, width), HashRandom(seed) or PhiloxRandom(seed), "
        f"got {type(random).__name__}"
    )


def _mix(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    x = (x ^ (x >> _U64(16))) * _U64(0x7FEB352D) & _MASK
    x = (x ^ (x >> _U64(15))) * _U64(0x846CA68B) & _MASK
    return x ^ (x >> _U64(16))


def _hash_words(seed: int, index: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    s = np.array([seed], _U64)
    k0 = _mix((s & _MASK) ^ _mix(((index >> _U64(32)) + _U64(0x9E3779B9)) & _MASK))
    k1 = _mix(((s >> _U64(32)) + _U64(0x85EBCA6B) + k0) & _MASK)
    x = (index & _MASK) ^ k0
    x = (x ^ (x >> _U64(16))) * _U64(0x7FEB352D) & _MASK
    x = x ^ k1
    x = (x ^ (x >> _U64(15))) * _U64(0x846CA68B) & _MASK
    return x ^ (x >> _U64(16))


def philox4x32(counter: npt.NDArray[np.uint64], key: tuple[int, int]) -> npt.NDArray[np.uint64]:
    """Ten rounds of Philox4x32; `counter` is (4, n) of words below 2**32, and so is the result."""
    c0, c1, c2, c3 = counter
    k0, k1 = _U64(key[0]), _U64(key[1])
    for _ in range(10):
        p0, p1 = _U64(0xD2511F53) * c0, _U64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (p1 >> _U64(32)) ^ c1 ^ k0, p1 & _MASK, (p0 >> _U64(32)) ^ c3 ^ k1, p0 & _MASK
        k0, k1 = (k0 + _U64(0x9E3779B9)) & _MASK, (k1 + _U64(0xBB67AE85)) & _MASK
    return np.array([c0, c1, c2, c3])


def _philox_words(seed: int, index: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    block = index >> _U64(2)
    zero = np.zeros_like(block)
    words = philox4x32(np.array([block & _MASK, block >> _U64(32), zero, zero]), (seed & 0xFFFFFFFF, seed >> 32))
    return words[(index & _U64(3)).astype(np.intp), np.arange(index.size)]


def random_integers(source: RandomSource, size: int, shape: tuple[int, ...] | None = None) -> npt.NDArray[np.uint64]:
    """The `width`-bit random integers of `size` elements in flat C order.

    >>> random_integers(HashRandom(1, width=8), 4)
    array([ 58,  29, 185, 229], dtype=uint64)
    """
    if isinstance(source, RandomBits):
        try:
            return np.ascontiguousarray(np.broadcast_to(source.integers, shape or (size,))).reshape(-1)
        except ValueError:
            raise ArgumentError(
                f"random integers of shape {source.integers.shape} must broadcast to the shape of x, {shape}"
            ) from None
    index = np.arange(size, dtype=_U64) + _U64(source.start)
    words = _hash_words(source.seed, index) if isinstance(source, HashRandom) else _philox_words(source.seed, index)
    return words >> _U64(32 - source.width)
