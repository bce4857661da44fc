"""Posits: build the encoding string of |x| with unbounded length, cut it at the word and round on the string."""

from __future__ import annotations

import numpy as np
from numba import types

from ._jit import inline
from .bits import CODE_OUT, F32_IN, F64_IN, pattern
from .rounding import NEAREST_ZERO, round_shift

U64, I64 = np.uint64, np.int64


@inline
def posit_magnitude(u, negative, source_mantissa, source_bias, bits, es, mode):
    """Code of the finite non-zero magnitude pattern `u` in a posit(bits, es), 1 to maxpos, or 0 in directed modes.

    The string is regime | exponent | fraction, left-aligned in 62 bits; what does not fit is ORed into the last bit,
    which lies below the rounding position because bits - 1 <= 31.
    """
    # Subnormal sources lie below minpos (the caller picks a source for which they do), so their scale need not be
    # exact.
    scale = I64(u >> U64(source_mantissa)) - I64(source_bias)
    fraction = u & ((U64(1) << U64(source_mantissa)) - U64(1))
    limit = I64((bits - 2) << es)
    over = scale >= limit
    under = scale < -limit
    s = min(max(scale, -limit), limit - I64(1))
    k = s >> I64(es)
    exponent = U64(s & I64((1 << es) - 1))
    # exponent and fraction, left-aligned below bit 62 - run
    run = (k + I64(2)) if k >= 0 else (I64(1) - k)  # regime bits, terminator included
    # regime: k >= 0: k+1 ones and a zero; k < 0: -k zeros and a one
    regime = ((U64(1) << U64(run)) - U64(2)) if k >= 0 else U64(1)
    tail = ((exponent << U64(source_mantissa)) | fraction) << U64(62 - es - source_mantissa)
    lost = tail & ((U64(1) << U64(run)) - U64(1))
    string = (regime << U64(62 - run)) | (tail >> U64(run)) | (U64(1) if lost != U64(0) else U64(0))
    code = round_shift(string, U64(62 - (bits - 1)), U64(0), negative, mode)
    largest = U64((1 << (bits - 1)) - 1)
    # Below minpos the nearest modes never give 0; the directed ones take the true neighbour.
    tiny = U64(1) if mode <= NEAREST_ZERO else round_shift(U64(1), U64(2), U64(0), negative, mode)
    code = tiny if under else code
    return largest if over or code > largest else code


@inline
def string_code(u, negative, magnitude, infinity, bits, inf_code, inf_neg_code, nan_code):
    """Code (or mark) of a two's complement string format from a rounded magnitude and the source pattern."""
    code = (-magnitude if negative else magnitude) & ((I64(1) << I64(bits)) - I64(1))
    code = I64(0) if u == U64(0) else code
    at_infinity = I64(inf_neg_code) if negative else I64(inf_code)
    code = at_infinity if u == infinity else code
    return I64(nan_code) if u > infinity else code


def source_layout(source_bits):
    """(array type, mantissa bits, bias, infinity pattern, sign shift, magnitude mask) of a source width."""
    source, mantissa, bias = (F32_IN, 23, 127) if source_bits == 32 else (F64_IN, 52, 1023)
    return source, mantissa, bias, ((bias << 1) + 1) << mantissa, source_bits - 1, (1 << (source_bits - 1)) - 1


def make_encode_posit_runtime(source_bits, code_bytes, digest):
    """Posit encoder with run-time parameters: p = (bits, es, mode, inf_code, inf_neg_code, nan_code)."""
    source, source_mantissa, source_bias, infinity, sign_shift, mask = source_layout(source_bits)

    def encode(x, codes, p):
        flags = I64(0 * digest)
        bits, es, mode, inf_code, inf_neg_code, nan_code = p[0], p[1], p[2], p[3], p[4], p[5]
        for i in range(x.size):
            v = pattern(x[i])
            u = v & U64(mask)
            negative = (v >> U64(sign_shift)) != U64(0)
            m = I64(posit_magnitude(u, negative, source_mantissa, source_bias, bits, es, mode))
            code = string_code(u, negative, m, U64(infinity), bits, inf_code, inf_neg_code, nan_code)
            flags |= -code if code < 0 else I64(0)
            codes[i] = max(code, I64(0))
        return flags

    return encode, [types.int64(source, CODE_OUT[code_bytes], types.int64[::1])]


def make_encode_posit(source_bits, code_bytes, bits, es, mode, inf_code, inf_neg_code, nan_code, digest):
    """The same encoder bound to its size and a deterministic mode."""
    source, source_mantissa, source_bias, infinity, sign_shift, mask = source_layout(source_bits)

    def encode(x, codes):
        flags = I64(0 * digest)
        for i in range(x.size):
            v = pattern(x[i])
            u = v & U64(mask)
            negative = (v >> U64(sign_shift)) != U64(0)
            m = I64(posit_magnitude(u, negative, source_mantissa, source_bias, bits, es, mode))
            code = string_code(u, negative, m, U64(infinity), bits, inf_code, inf_neg_code, nan_code)
            flags |= -code if code < 0 else I64(0)
            codes[i] = max(code, I64(0))
        return flags

    return encode, [types.int64(source, CODE_OUT[code_bytes])]
