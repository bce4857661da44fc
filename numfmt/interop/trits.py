"""Ternary codes 0, 1, 2 (for -1, 0, +1): five to a byte in base 3, ggml's fixed-point form of it, and 3:4 sparse.

The five trits of a byte are the digits of v = 81 t0 + 27 t1 + 9 t2 + 3 t3 + t4, so element 0 is the most significant
digit. That is the order of ggml's TQ1_0 (gguf-py ``quants.py``, class TQ1_0), whose byte is ceil(256 v / 243): the next
trit is then the upper byte of 3 * byte, and the lower byte carries the rest. The plain form keeps the same order, hence
the two layouts differ by that one map from 0..242 to bytes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError
from .bitstream import pack_stream, unpack_stream

__all__ = [
    "BASE3_LEGAL",
    "GGML_LEGAL",
    "PAIRS_LEGAL",
    "SHERRY_TRITS",
    "check_sherry",
    "pack_base3",
    "pack_ggml",
    "pack_sherry",
    "unpack_base3",
    "unpack_ggml",
    "unpack_sherry",
]

Bytes = npt.NDArray[np.uint8]

_VALUES = np.arange(243)
_DIGITS = (_VALUES[:, None] // np.array([81, 27, 9, 3, 1]) % 3).astype(np.uint8)
_GGML_BYTE = ((256 * _VALUES + 242) // 243).astype(np.uint8)
_GGML_DIGITS = np.zeros((256, 5), np.uint8)
_GGML_DIGITS[_GGML_BYTE] = _DIGITS

_BYTES = np.arange(256)
#: Which bytes a layout can hold.
BASE3_LEGAL = _BYTES < 243
GGML_LEGAL = np.isin(_BYTES, _GGML_BYTE)
PAIRS_LEGAL = (_BYTES & (_BYTES >> 1) & 0x55) == 0  # no pair of bits is 11


def pack_base3(codes: Bytes, bits: int = 2) -> Bytes:
    """Five codes a byte; `codes` is flat and holds whole groups of five."""
    groups = codes.reshape(-1, 5)
    packed = groups[:, 0].copy()
    for i in range(1, 5):
        packed *= 3
        packed += groups[:, i]
    return packed


def unpack_base3(data: Bytes, bits: int = 2) -> Bytes:
    return np.take(_DIGITS, data, axis=0).reshape(-1)


def pack_ggml(codes: Bytes, bits: int = 2) -> Bytes:
    return np.take(_GGML_BYTE, pack_base3(codes))


def unpack_ggml(data: Bytes, bits: int = 2) -> Bytes:
    return np.take(_GGML_DIGITS, data, axis=0).reshape(-1)


def _sherry_trits() -> Bytes:
    trits = np.ones((32, 4), np.uint8)
    for pattern in range(32):
        negative, zero, relative = pattern >> 4, (pattern >> 2) & 3, pattern & 3
        kept = [lane for lane in range(4) if lane != zero]
        for lane, flip in zip(kept, (0, relative & 1, relative >> 1), strict=True):
            trits[pattern, lane] = 0 if negative ^ flip else 2
    return trits


#: Row p holds the four codes of Sherry pattern p = sign << 4 | zero position << 2 | relative signs.
SHERRY_TRITS = _sherry_trits()
_SHERRY_PATTERN = np.full(81, 255, np.uint8)
_SHERRY_PATTERN[SHERRY_TRITS @ np.array([27, 9, 3, 1])] = np.arange(32)


def check_sherry(codes: Bytes) -> None:
    """Raise `ArgumentError` unless each four codes of each row have exactly one zero."""
    ones = (codes == 1).view("<u4")  # a word is four codes; one zero makes it a power of two
    wrong = (ones == 0) | (ones & (ones - 1) != 0)
    if wrong.any():
        groups = codes.reshape(len(codes), -1, 4)
        row, group = np.argwhere(wrong)[0].tolist()
        raise ArgumentError(
            f"codes must have exactly one zero (code 1) in each four for layout sherry_5bit; row {row} has "
            f"{groups[row, group].tolist()} at {4 * group}:{4 * group + 4}; prune to 3:4 first, or use ternary_base3"
        )


def pack_sherry(codes: Bytes, bits: int = 2) -> Bytes:
    """Five bits for each four checked codes, in a bit stream."""
    groups = codes.reshape(-1, 4)
    index = groups[:, 0].copy()
    for i in range(1, 4):
        index *= 3
        index += groups[:, i]
    return pack_stream(np.take(_SHERRY_PATTERN, index), 5)


def unpack_sherry(data: Bytes, bits: int = 2) -> Bytes:
    return np.take(SHERRY_TRITS, unpack_stream(data, 5), axis=0).reshape(-1)
