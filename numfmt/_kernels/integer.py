"""Integers and fixed point: round x * 2**frac_bits once, then clamp, wrap or refuse."""

from __future__ import annotations

import numpy as np
from numba import types

from ._jit import inline
from .bits import CODE_OUT, F32_IN, F64_IN, U64_IN, pattern
from .random import random_bits
from .rounding import STOCHASTIC_A, round_shift, round_shift_random

U64, I64 = np.uint64, np.int64
TWOS_COMPLEMENT, SIGN_MAGNITUDE = range(2)
#: Magnitudes are capped here: far beyond any 32-bit code, small enough for int64. Low bits above 2**53 stay exact.
CAP_BITS = 62


@inline
def rounded_magnitude(u, negative, source_mantissa, source_bias, frac_bits, mode, random, width):
    """|x| * 2**frac_bits rounded to an integer modulo 2**62, and whether it is really larger than that."""
    e = I64(u >> U64(source_mantissa))
    significand = u & ((U64(1) << U64(source_mantissa)) - U64(1))
    if e > 0:
        significand |= U64(1) << U64(source_mantissa)
    else:
        e = I64(1)
    exponent = e - I64(source_bias + source_mantissa - frac_bits)  # value = significand * 2**exponent
    huge = False
    if exponent >= 0:
        huge = significand != U64(0) and exponent > I64(CAP_BITS - source_mantissa - 1)
        left = min(exponent, I64(63))
        magnitude = (significand << U64(left)) & ((U64(1) << U64(CAP_BITS)) - U64(1))
        if exponent > 63:
            magnitude = U64(0)
    else:
        shift = -exponent
        if mode >= STOCHASTIC_A:
            magnitude = round_shift_random(significand, U64(min(shift, I64(100))), U64(0), mode, random, width)
        else:
            magnitude = round_shift(significand, U64(min(shift, I64(56))), U64(0), negative, mode)
    return magnitude, huge


def make_encode_integer(source_bits, code_bytes, digest):
    """Encoder with run-time parameters.

    p = (frac_bits, min, max, bits, layout, wraps, mode, nan_pos, nan_neg, inf_pos, inf_neg, refuse_pos,
    refuse_neg); the last two say whether an overflow of that sign is an error.
    """
    if source_bits == 32:
        source, source_mantissa, source_bias = F32_IN, 23, 127
    else:
        source, source_mantissa, source_bias = F64_IN, 52, 1023
    infinity = ((source_bias << 1) + 1) << source_mantissa
    sign_shift = source_bits - 1
    mask = (1 << sign_shift) - 1

    def encode(x, codes, p, kind, given, width, seed, start):
        flags = I64(0 * digest)
        frac_bits, lowest, highest, bits, layout, wraps, mode = p[0], p[1], p[2], p[3], p[4], p[5], p[6]
        wrap = (I64(1) << bits) - I64(1)
        for i in range(x.size):
            v = pattern(x[i])
            u = v & U64(mask)
            negative = (v >> U64(sign_shift)) != U64(0)
            random = U64(0)
            if mode >= STOCHASTIC_A:
                random = random_bits(kind, given, seed, start, i, width)
            magnitude, huge = rounded_magnitude(
                u, negative, source_mantissa, source_bias, frac_bits, mode, random, width
            )
            q = -I64(magnitude) if negative else I64(magnitude)
            over = q > highest or q < lowest or huge
            if over and wraps == 0:
                q = lowest if negative else highest
                if u < U64(infinity) and (p[12] if negative else p[11]) != 0:
                    flags |= I64(2)
            code = q & wrap
            if layout == SIGN_MAGNITUDE:
                code = I64(magnitude) if not over else highest
                code |= (I64(1) << (bits - I64(1))) if negative else I64(0)
            if u > U64(infinity):
                code = p[8] if negative else p[7]
            elif u == U64(infinity):
                code = p[10] if negative else p[9]
            if code < 0:
                flags |= -code
                code = I64(0)
            codes[i] = code
        return flags

    arguments = (
        source,
        CODE_OUT[code_bytes],
        types.int64[::1],
        types.int64,
        U64_IN,
        types.int64,
        types.uint64,
        types.uint64,
    )
    return encode, [types.int64(*arguments)]


def make_encode_integer_bound(
    source_bits,
    code_bytes,
    frac_bits,
    lowest,
    highest,
    bits,
    layout,
    overflow,
    mode,
    nan_pos,
    nan_neg,
    inf_pos,
    inf_neg,
    digest,
):
    """The same encoder with every parameter a constant; deterministic modes, clamping."""
    if source_bits == 32:
        source, source_mantissa, source_bias = F32_IN, 23, 127
    else:
        source, source_mantissa, source_bias = F64_IN, 52, 1023
    infinity = ((source_bias << 1) + 1) << source_mantissa
    sign_shift = source_bits - 1
    mask = (1 << sign_shift) - 1
    wrap = (1 << bits) - 1
    # From this pattern on every magnitude is beyond the range: 2**(bits + 1) quanta.
    beyond = (bits + 1 - frac_bits + source_bias) << source_mantissa
    unit = source_bias + source_mantissa - frac_bits
    guard = bits + 2 - source_mantissa  # left shifts that remain below `beyond`

    def encode(x, codes):
        flags = I64(0 * digest)
        for i in range(x.size):
            v = pattern(x[i])
            u = v & U64(mask)
            negative = (v >> U64(sign_shift)) != U64(0)
            w = min(u, U64(beyond))
            e = I64(w >> U64(source_mantissa))
            significand = w & ((U64(1) << U64(source_mantissa)) - U64(1))
            significand |= (U64(1) << U64(source_mantissa)) if e > 0 else U64(0)
            # value = significand * 2**exponent quanta; scaled up by the guard so that only right shifts are left
            exponent = max(e, I64(1)) - I64(unit)
            shift = I64(max(guard, 0) + 1) - exponent
            magnitude = round_shift(
                significand << U64(max(guard, 0) + 1), U64(min(shift, I64(62))), U64(0), negative, mode
            )
            q = -I64(magnitude) if negative else I64(magnitude)
            q = min(max(q, I64(lowest)), I64(highest))
            if layout == SIGN_MAGNITUDE:
                code = min(I64(magnitude), I64(highest)) | (I64(1 << (bits - 1)) if negative else I64(0))
            else:
                code = q & I64(wrap)
            code = I64(inf_pos) if u == U64(infinity) and not negative else code
            code = I64(inf_neg) if u == U64(infinity) and negative else code
            if nan_pos >= 0:
                code = (I64(nan_neg) if negative else I64(nan_pos)) if u > U64(infinity) else code
            else:
                flags |= I64(1) if u > U64(infinity) else I64(0)
            codes[i] = code
        return flags

    return encode, [types.int64(source, CODE_OUT[code_bytes])]
