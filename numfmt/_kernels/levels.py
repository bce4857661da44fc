"""Blocks of binary32 under any real scale, for elements of few levels: exact comparisons instead of a division.

x / s lies above a breakpoint b exactly when x > b * s. The product is exact in binary64 (few bits times at most 28),
and rounding it towards minus infinity to binary32 keeps the comparison with every binary32 x. Where the breakpoint
itself belongs to the upper level, a representable product steps down by one.
"""

from __future__ import annotations

import numpy as np
from numba import types

from ._jit import inline
from .bits import (
    F32_IN,
    F32_OUT,
    F64_IN,
    F64_OUT,
    I64_IN,
    U8_IN,
    U8_OUT,
    U16_IN,
    bits_of_f32,
    f32_of_bits,
    f64_of_bits,
    pattern,
)
from .blocks import block_max
from .fast32 import environment_is_default

U32, I32, U64, I64, U8, F32, F64 = np.uint32, np.int32, np.uint64, np.int64, np.uint8, np.float32, np.float64
I32_OUT, U32_OUT, U32_IN = types.int32[::1], types.uint32[::1], types.Array(types.uint32, 1, "C", readonly=True)
#: How a level becomes a code: sign bit above the level, two's complement, or an offset added to the signed level.
SIGN_MAGNITUDE, TWOS_COMPLEMENT, OFFSET = range(3)


def make_block_max(digest):
    """Patterns of the largest magnitudes of blocks of `length`, a run-time number: see `blocks.block_max`."""

    def find(x, highest, length):
        for b in range(U64(highest.size)):
            highest[b] = U32(block_max(x, U64(b * length), length) + U32(0 * digest))
        return I64(0)

    return find, [types.int64(F32_IN, U32_OUT, types.uint64)]


def make_minifloat_scales(mantissa, lowest, largest, digest):
    """Codes and values of amax / divisor, to nearest even and at most `top`, in a minifloat's positive range.

    Correct when no quotient of a binary32 by `divisor` can come within 2**-52 of a tie without being one, which holds
    for divisors of at most 28 significant bits and few mantissa bits.
    """
    lift = (52 - mantissa) << 52

    def scales(highest, divisor, top, codes, values):
        floor = U64((lowest + 1023) << 52)
        last = U64(0 * digest)
        for b in range(highest.size):
            q = pattern(F64(F64(f32_of_bits(highest[b])) / divisor))
            binade = U64(max(U64(q & U64(0x7FF0000000000000)), floor))
            c = U64(binade + U64(lift))
            rounded = F64(f64_of_bits(q) + f64_of_bits(c))
            m = U64(pattern(rounded) - c + (U64(binade - floor) >> U64(52 - mantissa)))
            over = m > U64(largest)
            codes[b] = U8(largest) if over else U8(m)
            values[b] = F64(min(F64(rounded - f64_of_bits(c)), top))
            last = U64(max(last, m))
        return I64(last)

    return scales, [types.int64(U32_IN, types.float64, types.float64, U8_OUT, F64_OUT)]


@inline
def threshold(breakpoint, scale, tie_up):
    """Pattern t (as int32) such that a magnitude pattern u belongs above the breakpoint exactly when u > t."""
    exact = F64(breakpoint * scale)
    near = F32(exact)
    t = I32(bits_of_f32(near))
    back = F64(near)
    down = I32(back > exact) + (I32(tie_up) & I32(back == exact))
    return I32(t - I32(down))


@inline
def above(u, l0, l1, l2, l3, l4, l5, l6):
    """How many of seven ascending limits the magnitude pattern exceeds."""
    low = U32(U32(u > l0) + U32(u > l1))
    middle = U32(U32(u > l2) + U32(u > l3))
    high = U32(U32(u > l4) + U32(u > l5))
    return U32(U32(low + middle) + U32(high + U32(u > l6)))


#: Blocks whose limits are found together, in loops over the blocks.
GROUP = 64


@inline
def set_limits(breakpoints, ties, scales, first, count, limits):
    """The seven limits of `count` blocks, limit i of block b at i * GROUP + b; out of reach under a zero scale."""
    for i in range(U64(7)):
        breakpoint, tie, row = breakpoints[i], ties[i], U64(i * U64(GROUP))
        for b in range(count):
            s = scales[U64(first + b)]
            t = threshold(breakpoint, s, tie)
            limits[U64(row + b)] = t if s > F64(0) else I32(0x7FFFFFFF)


@inline
def limit(limits, i, b):
    """Limit i of block b of its group."""
    return limits[U64(U64(i * GROUP) + b)]


def make_encode_levels(size, kind, parameter, digest):
    """Codes of blocks under given scales, for at most seven magnitudes besides zero.

    Eight breakpoints, the missing ones infinite. `parameter` is the sign bit, mask or offset of `kind`. Zero scales
    give level 0.
    """

    def encode(x, scales, breakpoints, ties, codes, length, probe):
        if not environment_is_default(probe):
            return I64(-1)
        n = U64(length) if size == 0 else U64(size)
        limits = np.empty(7 * GROUP, np.int32)
        for group in range(U64((scales.size + GROUP - 1) // GROUP)):
            first = U64(group * U64(GROUP))
            count = U64(min(U64(GROUP), U64(U64(scales.size) - first)))
            set_limits(breakpoints, ties, scales, first, count, limits)
            for b in range(count):
                start = U64(U64(first + b) * n)
                l0, l1, l2, l3 = limit(limits, 0, b), limit(limits, 1, b), limit(limits, 2, b), limit(limits, 3, b)
                l4, l5, l6 = limit(limits, 4, b), limit(limits, 5, b), limit(limits, 6, b)
                for j in range(n):
                    at = U64(start + j)
                    v = bits_of_f32(x[at])
                    m = above(I32(v & U32(0x7FFFFFFF)), l0, l1, l2, l3, l4, l5, l6)
                    negative = U32(v >> U32(31))
                    if kind == SIGN_MAGNITUDE:
                        code = U32(m | U32(negative * U32(parameter)))
                    elif kind == TWOS_COMPLEMENT:
                        code = U32(U32(U32(m ^ U32(U32(0) - negative)) + negative) & U32(parameter))
                    else:
                        code = U32(U32(U32(m ^ U32(U32(0) - negative)) + negative) + U32(parameter))
                    codes[at] = U8(code + U32(0 * digest))
        return I64(0)

    return encode, [types.int64(F32_IN, F64_IN, F64_IN, I64_IN, U8_OUT, types.uint64, F32_IN)]


def make_quantize_levels(size, signed_zero, digest):
    """Values of blocks under given scales: level * scale, the exact product rounded once to binary32."""

    def quantize(x, scales, breakpoints, ties, levels, y, length, probe):
        if not environment_is_default(probe):
            return I64(-1)
        n = U64(length) if size == 0 else U64(size)
        limits = np.empty(7 * GROUP, np.int32)
        for group in range(U64((scales.size + GROUP - 1) // GROUP)):
            first = U64(group * U64(GROUP))
            count = U64(min(U64(GROUP), U64(U64(scales.size) - first)))
            set_limits(breakpoints, ties, scales, first, count, limits)
            for b in range(count):
                s = scales[U64(first + b)]
                start = U64(U64(first + b) * n)
                l0, l1, l2, l3 = limit(limits, 0, b), limit(limits, 1, b), limit(limits, 2, b), limit(limits, 3, b)
                l4, l5, l6 = limit(limits, 4, b), limit(limits, 5, b), limit(limits, 6, b)
                r0, r1 = F32(levels[0] * s), F32(levels[1] * s)
                r2, r3 = F32(levels[2] * s), F32(levels[3] * s)
                r4, r5 = F32(levels[4] * s), F32(levels[5] * s)
                r6, r7 = F32(levels[6] * s), F32(levels[7] * s)
                for j in range(n):
                    at = U64(start + j)
                    v = bits_of_f32(x[at])
                    u = I32(v & U32(0x7FFFFFFF))
                    low = r1 if u > l0 else r0
                    low = r2 if u > l1 else low
                    low = r3 if u > l2 else low
                    low = r4 if u > l3 else low
                    low = r5 if u > l4 else low
                    low = r6 if u > l5 else low
                    r = bits_of_f32(r7 if u > l6 else low)
                    signed = U32(r | U32(v & U32(0x80000000)))
                    if signed_zero == 0:
                        signed = U32(0) if r == U32(0) else signed
                    y[at] = f32_of_bits(U32(signed + U32(0 * digest)))
        return I64(0)

    return quantize, [types.int64(F32_IN, F64_IN, F64_IN, I64_IN, F64_IN, F32_OUT, types.uint64, F32_IN)]


def make_encode_ternary(digest):
    """Codes offset + sign where the magnitude exceeds half the scale, else offset, with one scale per row."""

    def encode(x, scales, codes, length, probe):
        if not environment_is_default(probe):
            return I64(-1)
        for b in range(U64(scales.size)):
            start = U64(b * length)
            limit = threshold(F64(0.5), scales[b], I64(0)) if scales[b] > F64(0) else I32(0x7FFFFFFF)
            for j in range(length):
                at = U64(start + j)
                v = bits_of_f32(x[at])
                m = U32(I32(v & U32(0x7FFFFFFF)) > limit)
                negative = U32(v >> U32(31))
                codes[at] = U8(U32(U32(U32(m ^ U32(U32(0) - negative)) + negative) + U32(1 + 0 * digest)))
        return I64(0)

    return encode, [types.int64(F32_IN, F64_IN, U8_OUT, types.uint64, F32_IN)]


def make_quantize_ternary(digest):
    """The same as values: plus or minus the scale, or +0."""

    def quantize(x, scales, y, length, probe):
        if not environment_is_default(probe):
            return I64(-1)
        for b in range(U64(scales.size)):
            start = U64(b * length)
            limit = threshold(F64(0.5), scales[b], I64(0)) if scales[b] > F64(0) else I32(0x7FFFFFFF)
            value = bits_of_f32(F32(scales[b]))
            for j in range(length):
                at = U64(start + j)
                v = bits_of_f32(x[at])
                signed = U32(value | U32(v & U32(0x80000000)))
                y[at] = f32_of_bits(signed if I32(v & U32(0x7FFFFFFF)) > limit else U32(0 * digest))
        return I64(0)

    return quantize, [types.int64(F32_IN, F64_IN, F32_OUT, types.uint64, F32_IN)]


def make_decode_blocks(code_bytes, digest):
    """Element * scale, the exact product rounded once to binary32; `table` holds the element values."""

    def decode(codes, table, scales, y, length):
        for b in range(U64(scales.size)):
            start = U64(b * length)
            s = scales[b]
            for j in range(length):
                at = U64(start + j)
                y[at] = F32(F64(table[U64(codes[at])] * s))
        return I64(0 * digest)

    source = U8_IN if code_bytes == 1 else U16_IN
    return decode, [types.int64(source, F64_IN, F64_IN, F32_OUT, types.uint64)]
