"""Sign-magnitude floats in integers: one text for every rounding, run with parameters or bound to constants.

The source is taken apart by bits (`source_mantissa` and `source_bias` say how), the significand is shifted to the
target's quantum, rounded once by `round_shift`, and the magnitude code is completed by the special cases. Codes of the
special cases come ready-made from the caller; -1 asks for a NaN error, -2 for an overflow error (returned as flag
bits).
"""

from __future__ import annotations

import numpy as np
from numba import types

from ._jit import inline
from .bits import CODE_OUT, F32_IN, F64_IN, U64_IN, pattern
from .random import random_bits
from .rounding import STOCHASTIC_A, round_shift, round_shift_random

U64, I64 = np.uint64, np.int64
FLAG_NAN, FLAG_OVERFLOW = 1, 2

# Layout of the parameter vector. Magnitudes are below 2**63, codes may be -1 or -2.
(
    P_MANTISSA,  # stored mantissa bits of the target
    P_LOWEST,  # 1 - bias: exponent of its lowest binade
    P_MAX,  # largest finite magnitude code
    P_SIGN,  # weight of the sign bit, 0 when unsigned
    P_SUBNORMALS,
    P_MODE,
    P_ZERO_NEG,  # code of a negative value that rounds to zero
    P_OVER_POS,
    P_OVER_NEG,  # also every negative value that does not round to zero, when unsigned
    P_INF_POS,
    P_INF_NEG,
    P_NAN_POS,
    P_NAN_NEG,
    P_COUNT,
) = range(14)


@inline
def round_magnitude(u, negative, source_mantissa, source_bias, mantissa, lowest, subnormals, mode, random, width):
    """Magnitude code of the finite non-negative source pattern `u`, exponent unbounded above."""
    e = I64(u >> U64(source_mantissa))
    significand = u & ((U64(1) << U64(source_mantissa)) - U64(1))
    if e > 0:
        significand |= U64(1) << U64(source_mantissa)
    else:
        e = I64(1)
    below = I64(lowest) + I64(source_bias) - e  # binades below the target's lowest
    # A guard bit keeps the shift at 1 or more when source and target have equally long significands.
    shift = I64(source_mantissa - mantissa + 1)
    base = U64(0)
    up = I64(0)
    if below > 0:
        shift += below
        if not subnormals:
            shift += I64(mantissa)
            up = I64(mantissa)
    else:
        base = U64(-below) << U64(mantissa)
    significand = significand << U64(1)
    if mode >= STOCHASTIC_A:
        magnitude = round_shift_random(significand, U64(min(shift, I64(100))), base, mode, random, width)
    else:
        # significand < 2**54: past a shift of 56 every mode sees the same tiny fraction.
        magnitude = round_shift(significand, U64(min(shift, I64(56))), base, negative, mode)
    return magnitude << U64(up)


@inline
def finish(
    u, negative, magnitude, infinity, largest, sign, zero_neg, over_pos, over_neg, inf_pos, inf_neg, nan_pos, nan_neg
):
    """Code (int64, or -1 / -2) from a rounded magnitude and the source pattern."""
    m = I64(magnitude)
    positive = over_pos if m > largest else m
    if sign != 0:
        minus = over_neg if m > largest else m + sign
    else:
        minus = over_neg
    if m == 0:
        minus = zero_neg
    code = minus if negative else positive
    if u >= infinity:
        at_infinity = inf_neg if negative else inf_pos
        code = at_infinity if u == infinity else (nan_neg if negative else nan_pos)
    return code


def make_encode(source_bits, code_bytes, digest):
    """Encoder with run-time parameters, for any format, mode and random source: the small-work and long-tail kernel."""
    if source_bits == 32:
        source, source_mantissa, source_bias = F32_IN, 23, 127
    else:
        source, source_mantissa, source_bias = F64_IN, 52, 1023
    infinity = ((source_bias << 1) + 1) << source_mantissa
    sign_shift = source_bits - 1
    mask = (1 << sign_shift) - 1

    def encode(x, codes, p, kind, given, width, seed, start):
        flags = 0 * digest
        mantissa, lowest, largest, sign, subnormals, mode = p[0], p[1], p[2], p[3], p[4], p[5]
        zero_neg, over_pos, over_neg = p[6], p[7], p[8]
        inf_pos, inf_neg, nan_pos, nan_neg = p[9], p[10], p[11], p[12]
        for i in range(x.size):
            v = pattern(x[i])
            u = v & U64(mask)
            negative = (v >> U64(sign_shift)) != U64(0)
            random = U64(0)
            if mode >= STOCHASTIC_A:
                random = random_bits(kind, given, seed, start, i, width)
            m = round_magnitude(
                u, negative, source_mantissa, source_bias, mantissa, lowest, subnormals, mode, random, width
            )
            code = finish(
                u,
                negative,
                m,
                U64(infinity),
                largest,
                sign,
                zero_neg,
                over_pos,
                over_neg,
                inf_pos,
                inf_neg,
                nan_pos,
                nan_neg,
            )
            if code < 0:
                # bit 0: NaN refused, bit 1: overflow refused
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


def make_encode_bound(
    source_bits,
    code_bytes,
    mantissa,
    lowest,
    largest,
    sign,
    subnormals,
    mode,
    zero_neg,
    over_pos,
    over_neg,
    inf_pos,
    inf_neg,
    nan_pos,
    nan_neg,
    digest,
):
    """The same encoder with every parameter a constant; deterministic modes."""
    if source_bits == 32:
        source, source_mantissa, source_bias = F32_IN, 23, 127
    else:
        source, source_mantissa, source_bias = F64_IN, 52, 1023
    infinity = ((source_bias << 1) + 1) << source_mantissa
    sign_shift = source_bits - 1
    mask = (1 << sign_shift) - 1

    def encode(x, codes):
        flags = I64(0 * digest)
        for i in range(x.size):
            v = pattern(x[i])
            u = v & U64(mask)
            negative = (v >> U64(sign_shift)) != U64(0)
            m = round_magnitude(
                u, negative, source_mantissa, source_bias, mantissa, lowest, subnormals, mode, U64(0), 1
            )
            code = finish(
                u,
                negative,
                m,
                U64(infinity),
                largest,
                sign,
                zero_neg,
                over_pos,
                over_neg,
                inf_pos,
                inf_neg,
                nan_pos,
                nan_neg,
            )
            flags |= I64(-code) if code < 0 else I64(0)
            codes[i] = I64(0) if code < 0 else code
        return flags

    return encode, [types.int64(source, CODE_OUT[code_bytes])]
