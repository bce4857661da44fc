"""Linear takums: build the encoding string of |x| and round on the string."""

from __future__ import annotations

import numpy as np
from numba import types

from ._jit import inline
from .bits import CODE_OUT, pattern
from .posit import source_layout, string_code
from .rounding import NEAREST_ZERO, round_shift

U64, I64 = np.uint64, np.int64


@inline
def takum_magnitude(u, negative, source_mantissa, source_bias, bits, mode):
    """Code of the finite non-zero magnitude pattern `u`: 1 to 2**(bits-1) - 1, or 0 in directed modes.

    The string after the sign is D | R (3) | C (r) | M. Characteristics beyond [-255, 254] take the ends.
    """
    scale = I64(u >> U64(source_mantissa)) - I64(source_bias)
    fraction = u & ((U64(1) << U64(source_mantissa)) - U64(1))
    over = scale > I64(254)
    under = scale < I64(-255)
    c = min(max(scale, I64(-255)), I64(254))
    # r = floor(log2(c + 1)) or floor(log2(-c)): the bit length of a number of at most 8 bits, less one.
    size = c + I64(1) if c >= 0 else -c
    r = I64(0)
    for k in range(1, 8):
        r += I64(1) if size >= (I64(1) << I64(k)) else I64(0)
    head = (I64(8) + r) if c >= 0 else (I64(7) - r)
    rest = (c + I64(1) - (I64(1) << r)) if c >= 0 else (c + (I64(2) << r) - I64(1))
    # D R | C | fraction, left-aligned in 62 bits: 4 + r + source_mantissa <= 63 of them, so one may be lost.
    tail = (U64(rest) << U64(source_mantissa)) | fraction  # r + source_mantissa <= 59 bits
    room = I64(58) - r - I64(source_mantissa)
    if room >= 0:
        string = (U64(head) << U64(58)) | (tail << U64(room))
    else:
        string = (U64(head) << U64(58)) | (tail >> U64(-room)) | (tail & U64(1))
    code = round_shift(string, U64(62 - (bits - 1)), U64(0), negative, mode)
    largest = U64((1 << (bits - 1)) - 1)
    # Below the smallest value the nearest modes never give 0; the directed ones take the true neighbour.
    tiny = U64(1) if mode <= NEAREST_ZERO else round_shift(U64(1), U64(2), U64(0), negative, mode)
    nearest_floor = U64(1) if code == U64(0) and mode <= NEAREST_ZERO else code
    code = tiny if under else nearest_floor
    return largest if over or code > largest else code


def make_encode_takum_runtime(source_bits, code_bytes, digest):
    """Linear takum encoder with run-time parameters: p = (bits, mode, inf_code, inf_neg_code, nan_code)."""
    source, source_mantissa, source_bias, infinity, sign_shift, mask = source_layout(source_bits)

    def encode(x, codes, p):
        flags = I64(0 * digest)
        bits, mode, inf_code, inf_neg_code, nan_code = p[0], p[1], p[2], p[3], p[4]
        for i in range(x.size):
            v = pattern(x[i])
            u = v & U64(mask)
            negative = (v >> U64(sign_shift)) != U64(0)
            m = I64(takum_magnitude(u, negative, source_mantissa, source_bias, bits, mode))
            code = string_code(u, negative, m, U64(infinity), bits, inf_code, inf_neg_code, nan_code)
            flags |= -code if code < 0 else I64(0)
            codes[i] = max(code, I64(0))
        return flags

    return encode, [types.int64(source, CODE_OUT[code_bytes], types.int64[::1])]


def make_encode_takum(source_bits, code_bytes, bits, mode, inf_code, inf_neg_code, nan_code, digest):
    """The same encoder bound to its size and a deterministic mode."""
    source, source_mantissa, source_bias, infinity, sign_shift, mask = source_layout(source_bits)

    def encode(x, codes):
        flags = I64(0 * digest)
        for i in range(x.size):
            v = pattern(x[i])
            u = v & U64(mask)
            negative = (v >> U64(sign_shift)) != U64(0)
            m = I64(takum_magnitude(u, negative, source_mantissa, source_bias, bits, mode))
            code = string_code(u, negative, m, U64(infinity), bits, inf_code, inf_neg_code, nan_code)
            flags |= -code if code < 0 else I64(0)
            codes[i] = max(code, I64(0))
        return flags

    return encode, [types.int64(source, CODE_OUT[code_bytes])]
