"""Blocks of binary32 as symmetric integers under binary32 scales: the exact quotient, nearest even.

The scale is the row's own maximum over the largest integer, so no quotient rounds beyond that integer.
q = x * (1/s) in binary32 is within |q| * 2**-23 of x / s, below 2**-15 for up to 8 bits: unless q comes that close to a
tie, its nearest integer is the quotient's. A piece with a doubtful element is redone in binary64, where a quotient
that is no tie keeps 2**-25 distance from one (both terms have 24 bits), so snapping to multiples of 2**-30 finds the
exact ties and rounds them to even.
"""

from __future__ import annotations

import numpy as np
from numba import types

from ._jit import inline
from .bits import F32_IN, F32_OUT, F64_OUT, U8_OUT, bits_of_f32
from .fast32 import environment_is_default

U32, I32, U64, I64, U8, F32, F64 = np.uint32, np.int32, np.uint64, np.int64, np.uint8, np.float32, np.float64
#: Elements that are redone together.
PIECE = 256
#: 1.5 * 2**23, 1.5 * 2**22 and 1.5 * 2**52: adding one rounds to multiples of 1 (binary32), 2**-30 and 1 (binary64).
ROUND32, SNAP64, ROUND64 = F32(12582912.0), F64(6291456.0), F64(6755399441055744.0)
#: Pattern of 1/2 - 2**-14.
NEAR_TIE = U32(np.float32(0.5 - 2.0**-14).view(np.uint32))


@inline
def careful(x, start, stop, scale, mask, codes):
    """Codes of one piece by way of binary64."""
    inverse = F64(1.0) / F64(scale)
    for j in range(start, stop):
        q = F64(F64(x[j]) * inverse)
        snapped = F64(F64(q + SNAP64) - SNAP64)
        codes[j] = U8(U32(I32(F64(F64(snapped + ROUND64) - ROUND64))) & U32(mask))


@inline
def careful_values(x, start, stop, scale, y):
    """Values of one piece by way of binary64."""
    inverse = F64(1.0) / F64(scale)
    for j in range(start, stop):
        q = F64(F64(x[j]) * inverse)
        snapped = F64(F64(q + SNAP64) - SNAP64)
        y[j] = F32(F32(F64(F64(snapped + ROUND64) - ROUND64) + F64(0.0)) * scale)


def make_encode_integers(mask, digest):
    """Two's complement codes of rows under scales that are normal binary32 numbers with normal reciprocals."""

    def encode(x, scales, codes, length, probe):
        if not environment_is_default(probe):
            return I64(-1)
        redone = I64(0 * digest)
        for b in range(U64(scales.size)):
            scale = scales[b]
            inverse = F32(F32(1.0) / scale)
            first, last = U64(b * length), U64(U64(b + U64(1)) * length)
            for piece in range(U64(U64(length + U64(PIECE - 1)) // U64(PIECE))):
                at = U64(first + U64(piece * U64(PIECE)))
                stop = U64(min(U64(at + U64(PIECE)), last))
                worst = U32(0)
                for j in range(at, stop):
                    q = F32(x[j] * inverse)
                    t = F32(q + ROUND32)
                    worst = U32(max(worst, bits_of_f32(abs(F32(q - F32(t - ROUND32))))))
                    codes[j] = U8(bits_of_f32(t) & U32(mask))
                if worst > NEAR_TIE:
                    careful(x, at, stop, scale, mask, codes)
                    redone += I64(1)
        return redone

    return encode, [types.int64(F32_IN, F32_IN, U8_OUT, types.uint64, F32_IN)]


def make_quantize_integers(digest):
    """The same as values: integer * scale, one rounding to binary32."""

    def quantize(x, scales, y, length, probe):
        if not environment_is_default(probe):
            return I64(-1)
        redone = I64(0 * digest)
        for b in range(U64(scales.size)):
            scale = scales[b]
            inverse = F32(F32(1.0) / scale)
            first, last = U64(b * length), U64(U64(b + U64(1)) * length)
            for piece in range(U64(U64(length + U64(PIECE - 1)) // U64(PIECE))):
                at = U64(first + U64(piece * U64(PIECE)))
                stop = U64(min(U64(at + U64(PIECE)), last))
                worst = U32(0)
                for j in range(at, stop):
                    q = F32(x[j] * inverse)
                    r = F32(F32(q + ROUND32) - ROUND32)
                    worst = U32(max(worst, bits_of_f32(abs(F32(q - r)))))
                    y[j] = F32(F32(r + F32(0.0)) * scale)
                if worst > NEAR_TIE:
                    careful_values(x, at, stop, scale, y)
                    redone += I64(1)
        return redone

    return quantize, [types.int64(F32_IN, F32_IN, F32_OUT, types.uint64, F32_IN)]


@inline
def magnitude(x, at):
    """|x| of an element as a binary64."""
    return F64(abs(x[at]))


def make_lane_sums(digest):
    """|x| added in binary64 to 32 lanes, element i of a row to lane i mod 32; `lanes` is flat, 32 per row.

    Eight steps of a lane at a time: the order of additions within a lane stays, the lane is loaded once.
    """
    step = 256

    def lane_sums(x, lanes, length):
        eights = U64(length // U64(step))
        whole = U64(length // U64(32))
        for b in range(U64(U64(lanes.size) // U64(32))):
            start, lane = U64(b * length), U64(b * U64(32))
            for i in range(eights):
                at = U64(start + U64(i * U64(step)))
                for j in range(U64(32)):
                    k = U64(at + j)
                    total = lanes[U64(lane + j)] + magnitude(x, k)
                    total = F64(total + magnitude(x, U64(k + U64(32))))
                    total = F64(total + magnitude(x, U64(k + U64(64))))
                    total = F64(total + magnitude(x, U64(k + U64(96))))
                    total = F64(total + magnitude(x, U64(k + U64(128))))
                    total = F64(total + magnitude(x, U64(k + U64(160))))
                    total = F64(total + magnitude(x, U64(k + U64(192))))
                    lanes[U64(lane + j)] = F64(total + magnitude(x, U64(k + U64(224))))
            for i in range(U64(eights * U64(8)), whole):
                at = U64(start + U64(i * U64(32)))
                for j in range(U64(32)):
                    lanes[U64(lane + j)] += magnitude(x, U64(at + j))
            at = U64(start + U64(whole * U64(32)))
            for j in range(U64(length - U64(whole * U64(32)))):
                lanes[U64(lane + j)] += magnitude(x, U64(at + j))
        return I64(0 * digest)

    return lane_sums, [types.int64(F32_IN, F64_OUT, types.uint64)]
