"""binary32 to narrow floats at memory speed: encode, fake-quantize and stochastic rounding.

A magnitude w in binade e of a target with M mantissa bits has the quantum 2**(e - M). Nearest modes add c = 2**(e +
23 - M), which makes the binary32 unit in the last place equal to the quantum, so the addition itself rounds to
nearest even; subtracting c is exact. Directed and stochastic modes multiply by 1 / quantum, a power of two (exact),
and take floor, ceiling or integer part, instructions that do not look at the rounding mode. Float operations that
decide bits here: that addition and subtraction, products by powers of two, floor, ceil, conversion to integers,
comparisons. They are right only under the default floating-point environment, so every kernel first probes it
(rounding direction, flush-to-zero, denormals-are-zero) and returns -1, having written nothing, when it is not: the
caller then takes the integer kernel.

Ties of the other nearest modes: a tie has an even pattern (at least two mantissa bits are dropped), so setting the
last bit of w moves exactly the ties, and only the ties, off the tie.
"""

from __future__ import annotations

import numpy as np
from numba import types

from ._jit import inline
from .bits import CODE_OUT, F32_IN, F32_OUT, bits_of_f32, f32_of_bits
from .random import hash_keys
from .rounding import (
    AWAY_FROM_ZERO,
    NEAREST_AWAY,
    NEAREST_DOWN,
    NEAREST_UP,
    NEAREST_ZERO,
    TO_ODD,
    TOWARD_POSITIVE,
    TOWARD_ZERO,
)

U32, I32, U64, I64, F32 = np.uint32, np.int32, np.uint64, np.int64, np.float32
INFINITY = 0x7F800000

#: 1, half an ulp of 1, one and a half ulps of 1, the smallest subnormal.
PROBE = np.array([0x3F800000, 0x33800000, 0x34400000, 0x00000001], np.uint32).view(np.float32)


@inline
def environment_is_default(probe):
    """Round to nearest even, no flush-to-zero, no denormals-are-zero; `probe` is read at run time so nothing folds."""
    one, half, more, tiny = probe[0], probe[1], probe[2], probe[3]
    nearest = bits_of_f32(F32(one + half)) == U32(0x3F800000) and bits_of_f32(F32(one + more)) == U32(0x3F800002)
    gradual = bits_of_f32(F32(tiny + tiny)) == U32(2)
    return nearest and gradual


@inline
def nudge(u, minus, mode):
    """`u` with exact ties moved to the side that the nearest mode wants; `minus` is the sign bit, 0 or 1."""
    if mode == NEAREST_AWAY:
        return U32(u | U32(1))
    if mode == NEAREST_ZERO:
        return U32(U32(max(u, U32(1)) - U32(1)) | U32(1))
    if mode == NEAREST_UP:
        return U32(U32(max(u, U32(1)) - minus) | U32(1))
    if mode == NEAREST_DOWN:
        return U32(U32(U32(max(u, U32(1)) - U32(1)) + minus) | U32(1))
    return u


@inline
def reciprocal_quantum(binade, mantissa):
    """2**(M - e) as a binary32; `binade` is the pattern of 2**e."""
    return f32_of_bits(U32(U32(U32(254 + mantissa) << U32(23)) - binade))


@inline
def directed_count(w, sign, binade, mantissa, mode):
    """|w| in quanta of its binade, rounded to an integer by a directed mode."""
    scale = reciprocal_quantum(binade, mantissa)
    if mode == TOWARD_ZERO:
        return U32(I32(F32(f32_of_bits(w) * scale)))
    if mode == AWAY_FROM_ZERO:
        return U32(I32(np.ceil(F32(f32_of_bits(w) * scale))))
    signed = F32(f32_of_bits(U32(w | sign)) * scale)
    if mode == TOWARD_POSITIVE:
        return U32(abs(I32(np.ceil(signed))))
    return U32(abs(I32(np.floor(signed))))


def make_encode_fast(
    code_bytes,
    mantissa,
    lowest,
    largest,
    sign,
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
    """Encoder bound to one format and policy; `lowest` is the biased binary32 exponent of the lowest binade."""
    floor = lowest << 23
    top = (lowest + (largest >> mantissa) + 1) << 23
    lift = (23 - mantissa) << 23
    sign_shift = 32 - sign.bit_length()

    def encode(x, codes, probe):
        if not environment_is_default(probe):
            return I64(-1)
        highest = U32(0 * digest)
        for i in range(x.size):
            v = bits_of_f32(x[i])
            u = U32(v & U32(0x7FFFFFFF))
            negative = v > U32(0x7FFFFFFF)
            w = nudge(U32(min(u, U32(top))), U32(v >> U32(31)), mode)
            binade = U32(max(U32(w & U32(INFINITY)), U32(floor)))
            base = U32(U32(binade - U32(floor)) >> U32(23 - mantissa))
            if mode < TOWARD_ZERO:
                c = U32(binade + U32(lift))
                m = U32(U32(bits_of_f32(F32(f32_of_bits(w) + f32_of_bits(c))) - c) + base)
            elif mode == TO_ODD:
                scaled = F32(f32_of_bits(w) * reciprocal_quantum(binade, mantissa))
                count = I32(scaled)
                m = U32(U32(U32(count) + base) | (U32(1) if F32(count) != scaled else U32(0)))
            else:
                m = U32(directed_count(w, U32(v & U32(0x80000000)), binade, mantissa, mode) + base)
            over = m > U32(largest)
            if sign != 0:
                # Both signs share every special magnitude, or the policy has its own codes for each.
                if over_neg == over_pos + sign:
                    code = U32(over_pos) if over else m
                    if zero_neg == sign:
                        code = U32(code | U32(U32(v & U32(0x80000000)) >> U32(sign_shift)))
                    else:
                        signed = U32(code | U32(sign))
                        code = signed if negative and m != U32(0) else code
                else:
                    high = U32(over_pos) if over else m
                    low = U32(over_neg) if over else U32(m | U32(sign))
                    low = U32(zero_neg) if m == U32(0) else low
                    code = low if negative else high
            else:
                high = U32(over_pos) if over else m
                low = U32(zero_neg) if m == U32(0) else U32(over_neg)
                code = low if negative else high
            if inf_pos != over_pos or inf_neg != over_neg:
                at_infinity = U32(inf_neg) if negative else U32(inf_pos)
                code = at_infinity if u == U32(INFINITY) else code
            if nan_pos >= 0:
                not_a_number = U32(nan_neg) if negative else U32(nan_pos)
                code = not_a_number if u > U32(INFINITY) else code
            else:
                highest = U32(max(highest, u))
            codes[i] = code
        return I64(1) if highest > U32(INFINITY) else I64(0)

    return encode, [types.int64(F32_IN, CODE_OUT[code_bytes], F32_IN)]


def make_quantize_fast(
    mantissa, lowest, largest, sign, mode, zero_neg, over_pos, over_neg, inf_pos, inf_neg, nan_pos, nan_neg, digest
):
    """Fake-quantize binary32 in place of encode and decode; the special cases are binary32 patterns, -1 refuses NaN."""
    floor = lowest << 23
    top = (lowest + (largest >> mantissa) + 1) << 23
    lift = (23 - mantissa) << 23
    # Pattern of the largest finite value: its exponent field and mantissa widen by 23 - mantissa zero bits.
    field, fraction = largest >> mantissa, largest & ((1 << mantissa) - 1)
    if field > 0:
        limit = ((lowest - 1 + field) << 23) | (fraction << (23 - mantissa))
    else:
        width = largest.bit_length() - 1
        limit = ((lowest - mantissa + width) << 23) | ((largest << (23 - width)) & 0x7FFFFF)

    def quantize(x, y, probe):
        if not environment_is_default(probe):
            return I64(-1)
        highest = U32(0 * digest)
        for i in range(x.size):
            v = bits_of_f32(x[i])
            u = U32(v & U32(0x7FFFFFFF))
            negative = v > U32(0x7FFFFFFF)
            w = nudge(U32(min(u, U32(top))), U32(v >> U32(31)), mode)
            binade = U32(max(U32(w & U32(INFINITY)), U32(floor)))
            if mode < TOWARD_ZERO:
                c = f32_of_bits(U32(binade + U32(lift)))
                r = bits_of_f32(F32(F32(f32_of_bits(w) + c) - c))
            else:
                quantum = f32_of_bits(U32(binade - U32(mantissa << 23)))
                if mode == TO_ODD:
                    scaled = F32(f32_of_bits(w) * reciprocal_quantum(binade, mantissa))
                    count = I32(scaled)
                    # The parity that counts is the code's: with no mantissa bits the binade takes part in it.
                    parity = I32(U32(binade - U32(floor)) >> U32(23)) if mantissa == 0 else I32(0)
                    even = I32(I32(I32(count + parity) & I32(1)) ^ I32(1))
                    count = I32(count + (even if F32(count) != scaled else I32(0)))
                else:
                    count = I32(directed_count(w, U32(v & U32(0x80000000)), binade, mantissa, mode))
                r = bits_of_f32(F32(F32(count) * quantum))
            over = r > U32(limit)
            signed = U32(r | U32(v & U32(0x80000000)))
            if sign != 0:
                low = U32(over_neg) if over else signed
            else:
                low = U32(over_neg)
            if zero_neg != 0x80000000 or sign == 0:
                low = U32(zero_neg) if r == U32(0) else low
            if over_neg == over_pos + 0x80000000 and sign != 0 and zero_neg == 0x80000000:
                code = U32((U32(over_pos) if over else r) | U32(v & U32(0x80000000)))
            else:
                code = low if negative else (U32(over_pos) if over else r)
            if inf_pos != over_pos or inf_neg != over_neg:
                at_infinity = U32(inf_neg) if negative else U32(inf_pos)
                code = at_infinity if u == U32(INFINITY) else code
            if nan_pos >= 0:
                not_a_number = U32(nan_neg) if negative else U32(nan_pos)
                code = not_a_number if u > U32(INFINITY) else code
            else:
                highest = U32(max(highest, u))
            y[i] = f32_of_bits(code)
        return I64(1) if highest > U32(INFINITY) else I64(0)

    return quantize, [types.int64(F32_IN, F32_OUT, F32_IN)]


def make_encode_stochastic(
    code_bytes,
    mantissa,
    lowest,
    largest,
    sign,
    width,
    zero_neg,
    over_pos,
    over_neg,
    inf_pos,
    inf_neg,
    nan_pos,
    nan_neg,
    digest,
):
    """Stochastic rounding A with `width` hash bits; a call stays within one 2**32 index block."""
    sign_shift = 32 - sign.bit_length()
    floor = lowest << 23
    top = (lowest + (largest >> mantissa) + 1) << 23

    def encode(x, codes, probe, seed, start):
        if not environment_is_default(probe):
            return I64(-1)
        k0_wide, k1_wide = hash_keys(seed, start >> U64(32))
        k0, k1 = U32(k0_wide), U32(k1_wide)
        first = U32(start & U64(0xFFFFFFFF))
        highest = U32(0 * digest)
        for i in range(x.size):
            # hash_bits of numfmt._kernels.random, in 32-bit lanes
            h = U32(U32(first + U32(i)) ^ k0)
            h = U32(U32(h ^ U32(h >> U32(16))) * U32(0x7FEB352D))
            h = U32(h ^ k1)
            h = U32(U32(h ^ U32(h >> U32(15))) * U32(0x846CA68B))
            h = U32(h ^ U32(h >> U32(16)))
            v = bits_of_f32(x[i])
            u = U32(v & U32(0x7FFFFFFF))
            w = U32(min(u, U32(top)))
            binade = U32(max(U32(w & U32(INFINITY)), U32(floor)))
            scaled = F32(f32_of_bits(w) * reciprocal_quantum(binade, mantissa))
            count = I32(scaled)
            # nu has at most 24 significant bits and lies below 1: both steps are exact, the conversion truncates.
            fraction = U32(F32(F32(scaled - F32(count)) * F32(4294967296.0)))
            if width == 32:
                carry = U32(fraction + h) < fraction
            else:
                carry = U32(U32(fraction >> U32(32 - width)) + U32(h >> U32(32 - width))) >= U32(1 << width)
            m = U32(U32(count) + U32(U32(binade - U32(floor)) >> U32(23 - mantissa)))
            m = U32(m + (U32(1) if carry else U32(0)))
            over = m > U32(largest)
            high = U32(over_pos) if over else m
            if sign != 0 and over_neg == over_pos + sign and zero_neg == sign:
                code = U32(high | U32(U32(v & U32(0x80000000)) >> U32(sign_shift)))
            else:
                low = U32(over_neg) if over or sign == 0 else U32(m | U32(sign))
                low = U32(zero_neg) if m == U32(0) else low
                code = low if v > U32(0x7FFFFFFF) else high
            if inf_pos != over_pos or inf_neg != over_neg:
                at_infinity = U32(inf_neg) if v > U32(0x7FFFFFFF) else U32(inf_pos)
                code = at_infinity if u == U32(INFINITY) else code
            if nan_pos >= 0:
                not_a_number = U32(nan_neg) if v > U32(0x7FFFFFFF) else U32(nan_pos)
                code = not_a_number if u > U32(INFINITY) else code
            else:
                highest = U32(max(highest, u))
            codes[i] = code
        return I64(1) if highest > U32(INFINITY) else I64(0)

    return encode, [types.int64(F32_IN, CODE_OUT[code_bytes], F32_IN, types.uint64, types.uint64)]
