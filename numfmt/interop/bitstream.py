"""Codes as a stream of bits, least significant bit first, and the nibble and bit-plane orders derived from it.

Every function here takes a flat array that holds whole groups of the layout and returns a flat array; rows, padding and
checks are `packing`'s business.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "pack_fp6_planes",
    "pack_high_first",
    "pack_split_nibbles",
    "pack_stream",
    "unpack_fp6_planes",
    "unpack_high_first",
    "unpack_split_nibbles",
    "unpack_stream",
]

Bytes = npt.NDArray[np.uint8]
Codes = npt.NDArray[Any]

# Words folded at a time: a pass and its temporaries stay in the second-level cache, and NumPy's per-call cost vanishes.
_CHUNK = 1 << 16


def pack_stream(codes: Codes, bits: int) -> Bytes:
    """Bit b of code i goes to bit ``i * bits + b`` of the stream; bit k of the stream is bit k % 8 of byte k // 8."""
    if bits == 1:
        return np.packbits(codes, bitorder="little")
    if bits == 2:
        return _pack_pairs(codes)
    if bits == 4:
        return _fold(codes.view("<u2"), right=4)
    if bits in (8, 16, 32, 64):
        return codes.astype(f"<u{bits // 8}").view(np.uint8)
    per_group, group_bytes = _group(bits)
    groups = codes.reshape(-1, per_group)
    packed = np.empty((len(groups), group_bytes), np.uint8)
    for j in range(group_bytes):
        column = np.zeros(len(groups), np.uint8)
        for i in range(8 * j // bits, (8 * j + 7) // bits + 1):  # the codes that have a bit in byte j
            column |= _shifted(groups[:, i], i * bits - 8 * j).astype(np.uint8)
        packed[:, j] = column
    return packed.reshape(-1)


def unpack_stream(data: Bytes, bits: int) -> Codes:
    """The inverse of `pack_stream`, in the smallest unsigned dtype."""
    if bits == 1:
        return np.unpackbits(data, bitorder="little")
    if bits == 2:
        return _unpack_pairs(data)
    if bits == 4:
        return _unfold(data, left=4)
    if bits in (8, 16, 32, 64):
        return data.view(f"<u{bits // 8}").astype(f"=u{bits // 8}")
    dtype = np.min_scalar_type((1 << bits) - 1)
    per_group, group_bytes = _group(bits)
    groups = data.reshape(-1, group_bytes)
    codes = np.empty((len(groups), per_group), dtype)
    for i in range(per_group):
        column = np.zeros(len(groups), dtype)
        for j in range(i * bits // 8, (i * bits + bits - 1) // 8 + 1):  # the bytes that hold a bit of code i
            column |= _shifted(groups[:, j].astype(dtype), 8 * j - i * bits)
        codes[:, i] = column & dtype.type((1 << bits) - 1)
    return codes.reshape(-1)


def _group(bits: int) -> tuple[int, int]:
    """The fewest codes that fill whole bytes, and how many bytes."""
    return 8 // math.gcd(8, bits), bits // math.gcd(8, bits)


def _shifted(column: Codes, left: int) -> Codes:
    return column << left if left >= 0 else column >> -left


def _fold(words: npt.NDArray[np.uint16], right: int, left: int | None = None) -> Bytes:
    # A word is two codes; the low byte of (w >> right) | (w << left) is the packed byte.
    packed = np.empty(len(words), np.uint8)
    for start in range(0, len(words), _CHUNK):
        w = words[start : start + _CHUNK]
        other = w if left is None else w << left
        packed[start : start + _CHUNK] = (other | (w >> right)).astype(np.uint8)
    return packed


def _unfold(data: Bytes, left: int, right: int | None = None) -> Bytes:
    words = np.empty(len(data), "<u2")
    for start in range(0, len(data), _CHUNK):
        w = words[start : start + _CHUNK]
        w[...] = data[start : start + _CHUNK]
        w[...] = (w if right is None else w >> right) | (w << left)
        w &= 0x0F0F
    return words.view(np.uint8)


def _pack_pairs(codes: Codes) -> Bytes:
    words = codes.view("<u4")
    packed = np.empty(len(words), np.uint8)
    for start in range(0, len(words), _CHUNK // 4):
        w = words[start : start + _CHUNK // 4]
        w = w | (w >> 6)  # bits 3:0 hold codes 0 and 1, bits 19:16 codes 2 and 3
        packed[start : start + _CHUNK // 4] = (w | (w >> 12)).astype(np.uint8)
    return packed


def _unpack_pairs(data: Bytes) -> Bytes:
    words = np.empty(len(data), "<u4")
    for start in range(0, len(data), _CHUNK // 4):
        w = words[start : start + _CHUNK // 4]
        w[...] = data[start : start + _CHUNK // 4]
        w |= w << 12
        w |= w << 6
        w &= 0x03030303
    return words.view(np.uint8)


def pack_high_first(codes: Codes, bits: int) -> Bytes:
    """Two codes a byte, the first in the high nibble."""
    return _fold(codes.view("<u2"), right=8, left=4)


def unpack_high_first(data: Bytes, bits: int) -> Codes:
    return _unfold(data, left=8, right=4)


def pack_split_nibbles(codes: Codes, bits: int, block: int) -> Bytes:
    """In each block the low nibbles hold the first half, the high nibbles the second half."""
    words = codes.view("<u8").reshape(-1, 2, block // 16)  # eight codes a word; no code reaches its neighbour's bits
    packed: npt.NDArray[np.uint64] = words[:, 0] | (words[:, 1] << 4)
    return packed.reshape(-1).view(np.uint8)


def unpack_split_nibbles(data: Bytes, bits: int, block: int) -> Codes:
    words = data.view("<u8").reshape(-1, block // 16)
    codes = np.empty((len(words), 2, block // 16), "<u8")
    low = np.uint64(0x0F0F0F0F0F0F0F0F)
    codes[:, 0] = words & low
    codes[:, 1] = (words >> 4) & low
    return codes.reshape(-1).view(np.uint8)


def pack_fp6_planes(codes: Codes, bits: int) -> Bytes:
    """Blocks of 32: 8 + 8 bytes of high four bits, elements (4j, 4j+1) and (4j+2, 4j+3), then 8 bytes of low two."""
    first, second, third, fourth = np.moveaxis(codes.reshape(-1, 8, 4), 2, 0)
    planes = np.empty((len(first), 3, 8), np.uint8)
    planes[:, 0] = (first >> 2 << 4) | (second >> 2)
    planes[:, 1] = (third >> 2 << 4) | (fourth >> 2)
    planes[:, 2] = (first << 6) | ((second & 3) << 4) | ((third & 3) << 2) | (fourth & 3)
    return planes.reshape(-1)


def unpack_fp6_planes(data: Bytes, bits: int) -> Codes:
    front, back, low = np.moveaxis(data.reshape(-1, 3, 8), 1, 0)
    codes = np.empty((len(front), 8, 4), np.uint8)
    codes[..., 0] = (front >> 4 << 2) | (low >> 6)
    codes[..., 1] = ((front & 15) << 2) | ((low >> 4) & 3)
    codes[..., 2] = (back >> 4 << 2) | ((low >> 2) & 3)
    codes[..., 3] = ((back & 15) << 2) | (low & 3)
    return codes.reshape(-1)
