"""Exact sums of products in a two's complement fixed-point number of 32-bit limbs held in int64.

A chunk of products goes into a buffer of binary64 numbers, where each is exact. With C = 1.5 * 2**k above twice the
largest of them, t = p + C has the unit 2**(k - 52): the patterns of t and C, as integers, differ by p in that unit,
rounded, and p - (t - C) is exactly what is left, at most one unit. Integers add exactly in any order, so one such fold
takes 52 bits off the top of the whole chunk; it is repeated until nothing is left, and each total is added to the limbs
with one shift. Nothing here is rounded, whatever the direction of the floating-point environment.
"""

from __future__ import annotations

import numpy as np
from numba import types

from ._jit import inline
from .bits import F64_IN, F64_OUT, I64_IN, U8_IN, U8_OUT, U16_IN, U64_OUT, f64_of_bits, pattern
from .exact import leading_zeros

U64, I64, U8, F64 = np.uint64, np.int64, np.uint8, np.float64
ZERO, ONE, LOW32 = U64(0), U64(1), I64(0xFFFFFFFF)
MAGNITUDE, INFINITE = U64((1 << 63) - 1), I64(0x7FF << 52)
#: Bits of a special state: what infinite or NaN terms have made of a sum.
PLUS, MINUS, NAN = U8(1), U8(2), U8(4)
#: Terms of a chunk: 2**10, of two parts each at most, so totals of 2**51 units a part stay below 2**62.
CHUNK = 1 << 10

I64_OUT = types.int64[::1]


OPERAND = {1: U8_IN, 2: U16_IN, 8: F64_IN}


def make_accumulate(code_a, code_b, split, digest):
    """limbs[r] += (-1)**negative * sum of a * b along row r; then carries, and the state of infinities and NaN.

    `code_a`, `code_b` are bytes of a code, looked up in tables of binary64 values; 8: the operand is given as such
    values; `code_b` 0: there is no b, terms are the values of a. Row r takes the row rows_a[r] of a. Products are exact
    in binary64 or, with `split`, those of b with both parts of an a cut that many bits above its end are. `unit` is the
    exponent of the limbs' lowest bit, of which every product is a multiple. The buffer holds 2 * CHUNK.
    """
    if split:
        keep = U64(((1 << 64) - 1) ^ ((1 << split) - 1))
    else:
        keep = U64((1 << 64) - 1)

    def accumulate(a, values_a, rows_a, b, values_b, rows_b, terms, negative, unit, limbs, special, buffer):
        rows = rows_a.size
        width = limbs.size // rows
        for r in range(rows):
            own = limbs[r * width : (r + 1) * width]
            for start in range(0, terms, CHUNK):
                count = min(I64(CHUNK), I64(terms - start))
                at = I64(rows_a[r]) * terms + start
                part_a = a[at : at + count]
                if code_b:
                    at = I64(rows_b[r]) * terms + start
                    part_b = b[at : at + count]
                parts = 2 * count if split else count
                low_part = buffer[count : 2 * count]
                products = buffer[:parts]
                top = I64(0)
                for j in range(U64(count)):
                    x = F64(values_a[part_a[j]]) if code_a != 8 else F64(part_a[j])
                    if code_b == 0:
                        p = x
                    else:
                        y = F64(values_b[part_b[j]]) if code_b != 8 else F64(part_b[j])
                        if split:
                            high = f64_of_bits(U64(pattern(x) & keep))
                            low_part[j] = F64(F64(x - high) * y)
                            p = F64(high * y)
                        else:
                            p = F64(x * y)
                    products[j] = p
                    top = max(top, I64(pattern(p) & MAGNITUDE))
                if top >= INFINITE:
                    state = U8(special[r])
                    for j in range(U64(count)):
                        x = F64(values_a[part_a[j]]) if code_a != 8 else F64(part_a[j])
                        if code_b:
                            x = F64(x * (F64(values_b[part_b[j]]) if code_b != 8 else F64(part_b[j])))
                        if not x - x == F64(0):
                            products[j] = F64(0)
                            if split:
                                low_part[j] = F64(0)
                            if x != x:
                                state |= NAN
                            elif (x < F64(0)) != (negative != I64(0)):
                                state |= MINUS
                            else:
                                state |= PLUS
                    special[r] = state
                if split or top >= INFINITE:
                    top = I64(0)
                    for j in range(U64(parts)):
                        top = max(top, I64(pattern(products[j]) & MAGNITUDE))
                while top != I64(0):
                    # |p| < 2**(k - 1) = half the constant's binade: t stays in it, and |p| is at most 2**51 units.
                    k = max((top >> I64(52)) - I64(1021), unit + I64(52))
                    constant = (U64(k + I64(1023)) << U64(52)) | U64(1 << 51)
                    c, base = f64_of_bits(constant), I64(constant)
                    total, top = I64(0), I64(0)
                    if k - I64(52) == unit:
                        for j in range(U64(parts)):
                            total += I64(pattern(F64(products[j] + c))) - base
                    else:
                        for j in range(U64(parts)):
                            t = F64(products[j] + c)
                            total += I64(pattern(t)) - base
                            rest = F64(products[j] - F64(t - c))
                            products[j] = rest
                            top = max(top, I64(pattern(rest) & MAGNITUDE))
                    if negative != I64(0):
                        total = -total
                    # total * 2**shift in three limbs; |total| < 2**62
                    place = k - I64(52) - unit
                    index, shift = place >> I64(5), place & I64(31)
                    low, high = (total & LOW32) << shift, (total >> I64(32)) << shift
                    own[index] += low & LOW32
                    own[index + 1] += (low >> I64(32)) + (high & LOW32)
                    own[index + 2] += high >> I64(32)
            carry = I64(0)
            for i in range(width - 1):
                limb = own[i] + carry
                own[i] = limb & LOW32
                carry = limb >> I64(32)
            own[width - 1] += carry
        return I64(0 * digest)

    arguments = (
        OPERAND[code_a],
        F64_IN,
        I64_IN,
        OPERAND[code_b or code_a],
        F64_IN,
        I64_IN,
        types.int64,
        types.int64,
        types.int64,
        I64_OUT,
        U8_OUT,
        F64_OUT,
    )
    return accumulate, [types.int64(*arguments)]


def make_settle(digest):
    """Cut carried limbs to `bits` of two's complement, sign-extended; beyond[r] is 1 for a sum that did not fit.

    A result 10...0, which stands for no number, adds 2. The limbs reach at least one beyond the sign bit's.
    """

    def settle(limbs, bits, beyond):
        rows = beyond.size
        width = limbs.size // rows
        index, place = I64((bits - 1) >> I64(5)), I64((bits - 1) & I64(31))
        below = I64((I64(1) << place) - I64(1))
        for r in range(rows):
            own = limbs[r * width : (r + 1) * width]
            negative = (own[index] >> place) & I64(1)
            extension = LOW32 if negative else I64(0)
            rest = own[index] & below
            kept = rest | (extension & (LOW32 ^ below))
            fits = kept == own[index] and own[width - 1] == -negative
            for i in range(index + 1, width - 1):
                fits = fits and own[i] == extension
                own[i] = extension
            own[index], own[width - 1] = kept, -negative
            for i in range(index):
                rest |= own[i]
            beyond[r] = U8(I64(0 if fits else 1) + I64(2 if negative and rest == I64(0) else 0))
        return I64(0 * digest)

    return settle, [types.int64(I64_OUT, types.int64, U8_OUT)]


@inline
def leading(own, digits):
    """Leading 64 bits of carried limbs with bit 0 sticky, the exponent of their unit, and the sign; 0 for a zero.

    `digits` is scratch of two more entries; the exponent counts from the limbs' lowest bit.
    """
    width = own.size
    negative = own[width - 1] < I64(0)
    carry = ONE
    digits[0] = digits[1] = ZERO
    for i in range(width):
        digit = U64(own[i] & LOW32)
        if negative:
            digit = (digit ^ U64(LOW32)) + carry
            carry = digit >> U64(32)
            digit &= U64(LOW32)
        digits[i + 2] = digit
    top = width + 1
    while top > 1 and digits[top] == ZERO:
        top -= 1
    if top == 1:
        return ZERO, I64(0), U8(0)
    word = (digits[top] << U64(32)) | digits[top - 1]
    below = digits[top - 2] if top > 2 else ZERO
    n = leading_zeros(word)
    word = (word << n) | ((below << U64(32)) >> (U64(64) - n) if n else ZERO)
    sticky = (below << n) & U64(LOW32)
    for i in range(2, top - 2):
        sticky |= digits[i]
    if sticky != ZERO:
        word |= ONE
    # digits[i + 2] counts 2**(32 * i); the leading 64 bits begin one digit below the top one
    return word, I64(32) * I64(top - 3) - I64(n), U8(1) if negative else U8(0)


def make_to_exact(digest):
    """Carried limbs as significand (leading one at bit 63, bit 0 sticky; 0 for a zero), exponent and sign."""

    def to_exact(limbs, unit, significands, exponents, signs):
        rows = signs.size
        width = limbs.size // rows
        digits = np.empty(width + 2, np.uint64)
        for r in range(rows):
            word, exponent, sign = leading(limbs[r * width : (r + 1) * width], digits)
            significands[r], exponents[r], signs[r] = word, exponent + unit, sign
        return I64(0 * digest)

    return to_exact, [types.int64(I64_OUT, types.int64, U64_OUT, I64_OUT, U8_OUT)]


def make_to_odd(digest):
    """Carried limbs as binary64 rounded to odd, the largest number for what lies beyond; infinities and NaN by state.

    Every sum's lowest bit is above binary64's subnormal numbers.
    """

    def to_odd(limbs, states, unit, values):
        rows = states.size
        width = limbs.size // rows
        digits = np.empty(width + 2, np.uint64)
        for r in range(rows):
            word, exponent, sign = leading(limbs[r * width : (r + 1) * width], digits)
            magnitude = ZERO
            if word != ZERO:
                # 53 bits, the last one sticky; the leading one adds 1 to the exponent field
                short = (word >> U64(11)) | (ONE if word & U64(0x7FF) != ZERO else ZERO)
                field = exponent + unit + I64(63 + 1022)
                magnitude = (U64(field) << U64(52)) + short if field < I64(2046) else U64(INFINITE) - ONE
            state = U8(states[r])
            if state != U8(0):
                sign = U8(1) if state == MINUS else U8(0)
                magnitude = U64(INFINITE) if state == PLUS or state == MINUS else U64(0x7FF8 << 48)
            values[r] = f64_of_bits(U64(magnitude | (U64(sign) << U64(63))))
        return I64(0 * digest)

    return to_odd, [types.int64(I64_OUT, U8_OUT, types.int64, F64_OUT)]
