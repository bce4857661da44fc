"""Counter-based random bits: a keyed 32-bit mixing hash and Philox4x32-10. The definitions are in numfmt.rounding."""

from __future__ import annotations

import numpy as np

from ._jit import inline

U32, U64 = np.uint32, np.uint64
MASK = U64(0xFFFFFFFF)

GIVEN, HASH, PHILOX = range(3)


@inline
def mix(x):
    """Low-bias 32-bit mix; `x` < 2**32 as uint64."""
    x = (x ^ (x >> U64(16))) * U64(0x7FEB352D) & MASK
    x = (x ^ (x >> U64(15))) * U64(0x846CA68B) & MASK
    return x ^ (x >> U64(16))


@inline
def hash_keys(seed, high):
    """(k0, k1) for a seed and the high word of the index, as uint64 below 2**32."""
    k0 = mix((seed & MASK) ^ mix((high + U64(0x9E3779B9)) & MASK))
    k1 = mix(((seed >> U64(32)) + U64(0x85EBCA6B) + k0) & MASK)
    return k0, k1


@inline
def hash_bits(seed, index):
    """32 random bits of element `index` under `seed`, as uint64."""
    k0, k1 = hash_keys(seed, index >> U64(32))
    x = (index & MASK) ^ k0
    x = (x ^ (x >> U64(16))) * U64(0x7FEB352D) & MASK
    x ^= k1
    x = (x ^ (x >> U64(15))) * U64(0x846CA68B) & MASK
    return x ^ (x >> U64(16))


@inline
def philox_bits(seed, index):
    """32 random bits of element `index` under `seed`: word index % 4 of Philox4x32-10 block index // 4."""
    block = index >> U64(2)
    c0, c1, c2, c3 = block & MASK, block >> U64(32), U64(0), U64(0)
    k0, k1 = seed & MASK, seed >> U64(32)
    for _ in range(10):
        p0 = U64(0xD2511F53) * c0
        p1 = U64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (p1 >> U64(32)) ^ c1 ^ k0, p1 & MASK, (p0 >> U64(32)) ^ c3 ^ k1, p0 & MASK
        k0 = (k0 + U64(0x9E3779B9)) & MASK
        k1 = (k1 + U64(0xBB67AE85)) & MASK
    lane = index & U64(3)
    return c0 if lane == U64(0) else c1 if lane == U64(1) else c2 if lane == U64(2) else c3


@inline
def random_bits(kind, given, seed, start, i, width):
    """The random integer of element `i` of a call: given, or the top `width` bits of a counter-based generator."""
    if kind == GIVEN:
        return given[i]
    index = start + U64(i)
    word = hash_bits(seed, index) if kind == HASH else philox_bits(seed, index)
    return word >> U64(32 - width)
