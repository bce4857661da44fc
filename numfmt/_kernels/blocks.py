"""Blocks of binary32 under a power-of-two scale: maxima, scales, codes or rounded values in two passes per block.

The scale 2**k comes from the bits of the block's largest magnitude: k = exponent + `base` + (mantissa >= t1) +
(mantissa >= t2), with constants that spell the scale rule. Elements are rounded as in `fast32` (an addition whose unit
in the last place is the quantum), in the block's own units, so nothing is divided. Blocks that this cannot do in
ordinary binary32 numbers (NaN, infinity, subnormal or extreme maxima) are marked in `flags` and left to the caller.

Indices are uint64 throughout: a signed index that the compiler cannot prove non-negative costs a wrap-around test per
element and with it the vector code (11 times on this kind of loop).
"""

from __future__ import annotations

import numpy as np
from numba import types

from ._jit import inline
from .bits import F32_IN, F32_OUT, U8_OUT, bits_of_f32, f32_of_bits
from .fast32 import environment_is_default

U32, I32, U64, I64, U8, F32 = np.uint32, np.int32, np.uint64, np.int64, np.uint8, np.float32
#: Biased exponents of block maxima for which every intermediate number is a normal binary32.
LOWEST, HIGHEST = 47, 217


@inline
def block_max(x, start, length):
    """Pattern of the largest magnitude of `length` elements; NaN patterns are larger than every number's.

    The length is a run-time number on purpose: with a constant the compiler unrolls this loop into scalar code that is
    eight times slower.
    """
    highest = U32(0)
    for j in range(length):
        highest = U32(max(highest, U32(bits_of_f32(x[U64(start + j)]) & U32(0x7FFFFFFF))))
    return highest


@inline
def scale_exponent(highest, base, t1, t2):
    """Exponent of the scale, for a normal maximum."""
    mantissa = I32(highest & U32(0x7FFFFF))
    k = I32(I32(highest >> U32(23)) - I32(127) + I32(base))
    return I32(k + I32(mantissa >= I32(t1)) + I32(mantissa >= I32(t2)))


@inline
def is_ordinary(highest):
    """Whether the maximum is zero or in the comfortable range."""
    field = highest >> U32(23)
    return highest == U32(0) or (field >= U32(LOWEST) and field <= U32(HIGHEST))


def make_encode_blocks(size, integer, mantissa, lowest, largest, sign, base, t1, t2, bias, digest):
    """Encoder: element codes (uint8) and scale codes k + bias (0 for a zero block).

    `lowest` is the exponent of the element's lowest binade (of its quantum, for integers); `largest` the largest
    magnitude code; `sign` the sign bit's weight, or 0 for two's complement.
    """
    lift = (23 - mantissa) << 23
    sign_shift = 32 - sign.bit_length() if sign else 0

    def encode(x, codes, scales, flags, length, probe):
        if not environment_is_default(probe):
            return I64(-1)
        marked = I64(0 * digest)
        for b in range(U64(scales.size)):
            start = U64(b * U64(size))
            highest = block_max(x, start, length)
            ordinary = is_ordinary(highest)
            flags[b] = U8(0) if ordinary else U8(1)
            if not ordinary:
                marked += I64(1)
                continue
            k = I32(0) if highest == U32(0) else scale_exponent(highest, base, t1, t2)
            scales[b] = U8(0) if highest == U32(0) else U8(k + I32(bias))
            floor = U32(U32(I32(k + I32(lowest + 127))) << U32(23))
            for j in range(U64(size)):
                at = U64(start + j)
                v = bits_of_f32(x[at])
                w = U32(v & U32(0x7FFFFFFF))
                if integer:
                    c = U32(floor + U32(lift))
                    m = U32(bits_of_f32(F32(f32_of_bits(w) + f32_of_bits(c))) - c)
                else:
                    binade = U32(max(U32(w & U32(0x7F800000)), floor))
                    c = U32(binade + U32(lift))
                    m = U32(bits_of_f32(F32(f32_of_bits(w) + f32_of_bits(c))) - c)
                    m = U32(m + U32(U32(binade - floor) >> U32(23 - mantissa)))
                m = U32(min(m, U32(largest)))
                if sign != 0:
                    code = U32(m | U32(U32(v & U32(0x80000000)) >> U32(sign_shift)))
                else:
                    negative = U32(v >> U32(31))
                    code = U32(U32(U32(m ^ U32(U32(0) - negative)) + negative) & U32(2 * largest + 1))
                codes[at] = U8(code)
        return marked

    return encode, [types.int64(F32_IN, U8_OUT, U8_OUT, U8_OUT, types.uint64, F32_IN)]


def make_quantize_blocks(size, integer, mantissa, lowest, largest, sign, base, t1, t2, limit, digest):
    """Fake-quantizer; `limit` is the pattern of the largest element value, a normal binary32."""
    lift = (23 - mantissa) << 23

    def quantize(x, y, flags, length, probe):
        if not environment_is_default(probe):
            return I64(-1)
        marked = I64(0 * digest)
        for b in range(U64(flags.size)):
            start = U64(b * U64(size))
            highest = block_max(x, start, length)
            ordinary = is_ordinary(highest)
            flags[b] = U8(0) if ordinary else U8(1)
            if not ordinary:
                marked += I64(1)
                continue
            k = I32(0) if highest == U32(0) else scale_exponent(highest, base, t1, t2)
            floor = U32(U32(I32(k + I32(lowest + 127))) << U32(23))
            top = U32(I32(limit) + I32(k << I32(23)))
            for j in range(U64(size)):
                at = U64(start + j)
                v = bits_of_f32(x[at])
                w = U32(v & U32(0x7FFFFFFF))
                binade = floor
                if not integer:
                    binade = U32(max(U32(w & U32(0x7F800000)), floor))
                c = f32_of_bits(U32(binade + U32(lift)))
                r = bits_of_f32(F32(F32(f32_of_bits(w) + c) - c))
                r = U32(min(r, top))
                signed = U32(r | U32(v & U32(0x80000000)))
                if sign == 0:
                    signed = U32(0) if r == U32(0) else signed
                y[at] = f32_of_bits(signed)
        return marked

    return quantize, [types.int64(F32_IN, F32_OUT, U8_OUT, types.uint64, F32_IN)]
