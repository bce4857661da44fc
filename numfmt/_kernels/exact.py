"""Arithmetic on binary64 operands in integers: the exact result as 64 significant bits with everything below in bit 0.

An operand is taken apart into sign, exponent and a significand with its leading one at bit 63. Sums work in 192 bits,
products in 128, quotients and roots digit by digit with a remainder; what does not fit is kept as one sticky bit, so
rounding the result to at most 62 bits, once, in any mode, is rounding the exact value. Zeros, infinities and NaNs take
the processor's own answer, which IEEE 754 fixes (a zero sum of unlike signs apart).
"""

from __future__ import annotations

import math

import numpy as np
from numba import types

from ._jit import inline
from .bits import CODE_OUT, F64_IN, U8_OUT, U64_OUT, f64_of_bits, pattern
from .rounding import TOWARD_NEGATIVE, round_shift

U64, I64, U8, F64 = np.uint64, np.int64, np.uint8, np.float64
ONE, ZERO, LOW32, TOP = U64(1), U64(0), U64(0xFFFFFFFF), U64(1 << 63)
FRACTION, EXPONENT = U64((1 << 52) - 1), U64(0x7FF)
I64_OUT = types.int64[::1]
ADD, SUB, MUL, DIV, FMA, SQRT, RSQRT, FAA, REMAINDER = range(9)
ABSENT = I64(-(1 << 14))  # the exponent of a zero among addends: below every other
FINITE, SPECIAL = U8(0), U8(1)


@inline
def leading_zeros(x):
    """Leading zeros of a non-zero uint64."""
    n = ZERO
    if x >> U64(32) == ZERO:
        n += U64(32)
        x <<= U64(32)
    if x >> U64(48) == ZERO:
        n += U64(16)
        x <<= U64(16)
    if x >> U64(56) == ZERO:
        n += U64(8)
        x <<= U64(8)
    if x >> U64(60) == ZERO:
        n += U64(4)
        x <<= U64(4)
    if x >> U64(62) == ZERO:
        n += U64(2)
        x <<= U64(2)
    if x >> U64(63) == ZERO:
        n += ONE
    return n


@inline
def unpack(v):
    """Significand (leading one at bit 63) and exponent of a finite non-zero pattern: value = significand * 2**e."""
    field = (v >> U64(52)) & EXPONENT
    fraction = v & FRACTION
    if field == ZERO:
        shift = leading_zeros(fraction)
        return fraction << shift, I64(-1074) - I64(shift)
    return (fraction | (ONE << U64(52))) << U64(11), I64(field) - I64(1086)


@inline
def unpack_addend(v):
    """`unpack` that takes a zero as significand 0 and exponent ABSENT, and drops the sign."""
    magnitude = v & U64(0x7FFFFFFFFFFFFFFF)
    if magnitude == ZERO:
        return ZERO, ABSENT
    return unpack(magnitude)


@inline
def wide_product(a, b):
    """High and low word of a 64 by 64 bit product."""
    ah, al, bh, bl = a >> U64(32), a & LOW32, b >> U64(32), b & LOW32
    low, mid1, mid2, high = al * bl, ah * bl, al * bh, ah * bh
    carry = (low >> U64(32)) + (mid1 & LOW32) + (mid2 & LOW32)
    return high + (mid1 >> U64(32)) + (mid2 >> U64(32)) + (carry >> U64(32)), (carry << U64(32)) | (low & LOW32)


@inline
def shifted(high, middle, low, by):
    """Three words shifted right, and whether a one fell off; any `by` >= 0."""
    lost = ZERO
    while by >= U64(64):
        lost |= low
        high, middle, low = ZERO, high, middle
        if high | middle | low == ZERO:
            return high, middle, low, lost
        by -= U64(64)
    if by > ZERO:
        up = U64(64) - by
        lost |= low << up
        low = (low >> by) | (middle << up)
        middle = (middle >> by) | (high << up)
        high = high >> by
    return high, middle, low, lost


@inline
def normalised(high, middle, low, lost, e):
    """Leading 64 bits, with bit 0 sticky, of three words whose unit is 2**(e - 128) at `low`; zero gives zero."""
    if high == ZERO:
        high, middle, low, e = middle, low, ZERO, e - I64(64)
        if high == ZERO:
            high, middle, e = middle, ZERO, e - I64(64)
            if high == ZERO:
                return ZERO, I64(0)
    n = leading_zeros(high)
    if n > ZERO:
        up = U64(64) - n
        high = (high << n) | (middle >> up)
        middle = (middle << n) | (low >> up)
        low = low << n
        e -= I64(n)
    if middle | low | lost != ZERO:
        high |= ONE
    return high, e


@inline
def signed_sum(ah, am, ea, sa, bh, bm, eb, sb):
    """(-1)**sa * a + (-1)**sb * b for two-word significands with leading ones; value = (h, m) * 2**(e - 64).

    Returns significand, exponent of its unit, sign; a significand of 0 is an exact zero.
    """
    if ea < eb or (ea == eb and (ah < bh or (ah == bh and am < bm))):
        ah, am, ea, sa, bh, bm, eb, sb = bh, bm, eb, sb, ah, am, ea, sa
    distance = ea - eb
    bh, bm, bl, lost = shifted(bh, bm, ZERO, U64(min(distance, I64(400))))
    if sa == sb:
        low = bl
        middle = am + bm
        carry = ONE if middle < am else ZERO
        high = ah + bh
        over = high < ah
        high2 = high + carry
        over = over or high2 < high
        if over:
            lost |= low & ONE
            low = (low >> ONE) | (middle << U64(63))
            middle = (middle >> ONE) | (high2 << U64(63))
            high2 = (high2 >> ONE) | TOP
            ea += I64(1)
        significand, e = normalised(high2, middle, low, lost, ea)
        return significand, e, sa
    borrow = ONE if lost != ZERO else ZERO  # a fraction below the last word is taken off: borrow one, stay sticky
    low = ZERO - bl - borrow
    take = ONE if (bl | borrow) != ZERO else ZERO
    middle = am - bm - take
    take2 = ONE if am < bm or (am == bm and take != ZERO) else ZERO
    high = ah - bh - take2
    significand, e = normalised(high, middle, low, lost, ea)
    return significand, e, sa


@inline
def word_of_quotient(high, b):
    """floor(high * 2**64 / b) and the remainder, for high < b and b >= 2**63: two digits of Knuth's algorithm D."""
    bh, bl = b >> U64(32), b & LOW32
    rest = high
    digits = ZERO
    for _ in range(2):
        digit = rest // bh
        left = rest - digit * bh
        while digit > LOW32 or digit * bl > (left << U64(32)):
            digit -= ONE
            left += bh
            if left > LOW32:
                break
        rest = (rest << U64(32)) - digit * b
        digits = (digits << U64(32)) | digit
    return digits, rest


@inline
def quotient(a, b):
    """Leading 64 or 65 bits of a * 2**64 / b as (significand, sticky bit set), for leading ones at bit 63.

    Returns (q, extra) with a / b = q * 2**(extra - 64), q normalised.
    """
    extra = I64(0)
    if a >= b:
        # one bit goes first: (a - b) * 2**64 / b is the rest
        high, extra = a - b, I64(1)
    else:
        high = a
    digits, rest = word_of_quotient(high, b)
    if extra == I64(1):
        # q = 2**64 + digits: drop one bit into the sticky
        sticky = (digits & ONE) | (ONE if rest != ZERO else ZERO)
        return TOP | (digits >> ONE) | sticky, extra
    if rest != ZERO:
        digits |= ONE
    return digits, extra


@inline
def root(high, low):
    """Integer square root of a two-word radicand >= 2**126, and whether it leaves a remainder; bit by bit."""
    result, rh, rl = ZERO, ZERO, ZERO  # remainder (rh, rl) < 2 * result + 1
    for _ in range(64):
        rh = (rh << U64(2)) | (rl >> U64(62))
        rl = (rl << U64(2)) | (high >> U64(62))
        high = (high << U64(2)) | (low >> U64(62))
        low <<= U64(2)
        # trial = 4 * result + 1
        th = result >> U64(62)
        tl = (result << U64(2)) | ONE
        fits = rh > th or (rh == th and rl >= tl)
        result <<= ONE
        if fits:
            rh = rh - th - (ONE if rl < tl else ZERO)
            rl -= tl
            result |= ONE
    return result, (rh | rl) != ZERO


@inline
def root_of(high, low, lost, e):
    """Significand with sticky and exponent of the square root of (high, low) * 2**(e - 64), leading one at the top."""
    if (e + I64(64)) & I64(1) != I64(0):
        # value = radicand * 2**(even power): halve the radicand of an odd exponent
        lost |= low & ONE
        low = (low >> ONE) | (high << U64(63))
        high = high >> ONE
        e += I64(1)
    result, rest = root(high, low)
    if rest or lost != ZERO:
        result |= ONE
    return result, (e - I64(64)) // I64(2)


@inline
def reciprocal_root(a, e):
    """Significand with sticky and exponent of 1 / sqrt(a * 2**e)."""
    if a == TOP:
        return root_of(TOP, ZERO, ZERO, -e - I64(126))
    first, rest = word_of_quotient(TOP, a)
    second, rest = word_of_quotient(rest, a)
    # 1 / a = (2**63 / a) * 2**-63, the quotient in 128 bits
    return root_of(first, second, rest, -e - I64(127))


@inline
def close_sum(sa, ea, na, sb, eb, nb):
    """(-1)**na * a + (-1)**nb * b in two words with the leading one at the top, exact: low 11 bits of sa and sb are 0.

    Precondition 0 <= ea - eb <= 64. Returns (high, low, exponent, sign) with value (high, low) * 2**(exponent - 64).
    """
    gap = U64(ea - eb)
    if gap == ZERO:
        bh, bm = sb, ZERO
    elif gap == U64(64):
        bh, bm = ZERO, sb
    else:
        bh, bm = sb >> gap, sb << (U64(64) - gap)
    if na == nb:
        high, low = sa + bh, bm
        if high < sa:
            return TOP | (high >> ONE), (high << U64(63)) | (low >> ONE), ea + I64(1), na
    elif bh > sa or (bh == sa and bm != ZERO):
        high, low, na = bh - sa, bm, nb
    else:
        high, low = sa - bh - (ONE if bm != ZERO else ZERO), ZERO - bm
    if high == ZERO:
        high, low, ea = low, ZERO, ea - I64(64)
    if high == ZERO:
        return ZERO, ZERO, ABSENT, na
    n = leading_zeros(high)
    if n > ZERO:
        high = (high << n) | (low >> (U64(64) - n))
        low <<= n
    return high, low, ea - I64(n), na


@inline
def three_sum(sa, ea, na, sb, eb, nb, sc, ec, nc):
    """Significand with sticky, exponent and sign of the sum of three addends; a zero has significand 0 and ABSENT."""
    if ea < eb:
        sa, ea, na, sb, eb, nb = sb, eb, nb, sa, ea, na
    if eb < ec:
        sb, eb, nb, sc, ec, nc = sc, ec, nc, sb, eb, nb
    if ea < eb:
        sa, ea, na, sb, eb, nb = sb, eb, nb, sa, ea, na
    if ea - eb <= I64(64):
        high, low, e, negative = close_sum(sa, ea, na, sb, eb, nb)
        return signed_sum(high, low, e, negative, sc, ZERO, ec, nc)
    # The sum of the smaller two lies below the last bit of a: its sign and whether it is 0 are all that counts.
    rest, e, negative = signed_sum(sb, ZERO, eb, nb, sc, ZERO, ec, nc)
    if rest == ZERO:
        e = ABSENT
    return signed_sum(sa, ZERO, ea, na, rest, ZERO, e, negative)


@inline
def nearest_remainder(sa, ea, sb, eb):
    """Magnitude, exponent, and whether the sign of a flips, of a - n * b for n the integer nearest a / b, ties to even.

    Significands of 53 bits at the top of the word. Long division by 11 bits a step; only the parity of n is kept.
    """
    ma, mb = sa >> U64(11), sb >> U64(11)
    distance = ea - eb
    e = eb + I64(11)
    if distance < I64(-1):
        return ma, ea + I64(11), False  # a < b / 2
    if distance < I64(0):
        mb <<= ONE
        e -= I64(1)
        distance = I64(0)
    digit = ma // mb
    rest = ma - digit * mb
    while distance > I64(0):
        step = U64(min(distance, I64(11)))
        rest <<= step
        digit = rest // mb
        rest -= digit * mb
        distance -= I64(step)
    twice = rest << ONE
    if twice > mb or (twice == mb and digit & ONE != ZERO):
        return mb - rest, e, True
    return rest, e, False


def make_operate(op, digest):
    """The exact result of `op`: significand, exponent, sign; or, for special operands, a binary64 pattern.

    kinds[i] is FINITE (value = significand * 2**exponent, 0 for an exact zero) or SPECIAL (significand holds the
    binary64 pattern of a zero, infinity or NaN). `mode` only decides the sign of a zero sum.
    """

    def operate(a, b, c, mode, significands, exponents, signs, kinds):
        for i in range(a.size):
            x = a[i]
            y = b[i] if op != SQRT and op != RSQRT else x
            z = c[i] if op == FMA or op == FAA else y
            u, v, w = pattern(x), pattern(y), pattern(z)
            ordinary = math.isfinite(x) and math.isfinite(y) and x != F64(0) and y != F64(0)
            su, sv, sw = U8(u >> U64(63)), U8(v >> U64(63)), U8(w >> U64(63))
            kinds[i] = FINITE
            if op == SUB:
                sv = U8(sv ^ U8(1))
            if op == FMA:
                ordinary = ordinary and math.isfinite(z)
            if op == FAA:
                nonzero = x != F64(0) or y != F64(0) or z != F64(0)
                ordinary = nonzero and math.isfinite(x) and math.isfinite(y) and math.isfinite(z)
            if op == SQRT or op == RSQRT:
                ordinary = ordinary and su == U8(0)
            if not ordinary:
                kinds[i] = SPECIAL
                signs[i] = U8(0)
                exponents[i] = I64(0)
                if op == ADD:
                    r = x + y
                elif op == SUB:
                    r = x - y
                elif op == MUL:
                    r = x * y
                elif op == DIV:
                    r = x / y
                elif op == FMA:
                    # Either the product is special or exactly zero, or z is not finite: no rounding happens.
                    product = x * y
                    if math.isfinite(x) and math.isfinite(y):
                        product = F64(0) if su == sv else F64(-0.0)
                    r = product + z
                elif op == SQRT:
                    r = np.sqrt(x)
                elif op == RSQRT:
                    r = F64(1) / np.sqrt(x) if x != F64(0) else F64(1) / x
                elif op == FAA:
                    # Finite addends must not overflow beside an infinity.
                    p = F64(0) if math.isfinite(x) and x != F64(0) else x
                    q = F64(0) if math.isfinite(y) and y != F64(0) else y
                    r = p + q + (F64(0) if math.isfinite(z) and z != F64(0) else z)
                else:
                    r = x
                    if math.isnan(y) or not math.isfinite(x) or y == F64(0):
                        r = F64(np.nan)
                if r == F64(0) and mode == TOWARD_NEGATIVE:
                    if (op == ADD or op == SUB) and su != sv:
                        r = F64(-0.0)
                    if op == FMA and U8(su ^ sv) != sw:
                        r = F64(-0.0)
                    if op == FAA and not (su == sv and sv == sw):
                        r = F64(-0.0)
                significands[i] = pattern(r)
                if math.isfinite(r) and r != F64(0):
                    kinds[i] = FINITE
                    significands[i], exponents[i] = unpack(pattern(r) & U64(0x7FFFFFFFFFFFFFFF))
                    signs[i] = U8(pattern(r) >> U64(63))
                continue
            if op == FAA:
                sa, ea = unpack_addend(u)
                sb, eb = unpack_addend(v)
                sc, ec = unpack_addend(w)
                significand, e, negative = three_sum(sa, ea, su, sb, eb, sv, sc, ec, sw)
                if significand == ZERO:
                    negative = U8(1) if mode == TOWARD_NEGATIVE else U8(0)
                significands[i] = significand
                exponents[i] = e
                signs[i] = negative
                continue
            sa, ea = unpack(u & U64(0x7FFFFFFFFFFFFFFF))
            sb, eb = unpack(v & U64(0x7FFFFFFFFFFFFFFF))
            if op == REMAINDER:
                rest, e, flips = nearest_remainder(sa, ea, sb, eb)
                n = leading_zeros(rest) if rest != ZERO else ZERO
                significands[i] = rest << n
                exponents[i] = e - I64(n)
                signs[i] = U8(su ^ (U8(1) if flips else U8(0)))  # a zero keeps the sign of x
                continue
            negative = U8(su ^ sv)
            if op == ADD or op == SUB:
                significand, e, negative = signed_sum(sa, ZERO, ea, su, sb, ZERO, eb, sv)
            elif op == MUL:
                high, low = wide_product(sa, sb)
                significand, e = normalised(high, low, ZERO, ZERO, ea + eb + I64(64))
            elif op == DIV:
                significand, extra = quotient(sa, sb)
                e = ea - eb + extra - I64(64)
            elif op == FMA:
                high, low = wide_product(sa, sb)
                e = ea + eb + I64(64)
                if high >> U64(63) == ZERO:
                    high = (high << ONE) | (low >> U64(63))
                    low <<= ONE
                    e -= I64(1)
                if z == F64(0):
                    significand, e = normalised(high, low, ZERO, ZERO, e)
                else:
                    sc, ec = unpack(w & U64(0x7FFFFFFFFFFFFFFF))
                    significand, e, negative = signed_sum(high, low, e, negative, sc, ZERO, ec, sw)
            elif op == SQRT:
                significand, e = root_of(sa, ZERO, ZERO, ea)
                negative = U8(0)
            else:
                significand, e = reciprocal_root(sa, ea)
                negative = U8(0)
            if significand == ZERO:
                negative = U8(1) if mode == TOWARD_NEGATIVE else U8(0)
            significands[i] = significand
            exponents[i] = e
            signs[i] = negative
        return I64(0 * digest)

    arguments = (F64_IN, F64_IN, F64_IN, types.int64, U64_OUT, I64_OUT, U8_OUT, U8_OUT)
    return operate, [types.int64(*arguments)]


def make_to_odd(digest):
    """Exact results as binary64 rounded to odd (53 bits); exponents far outside every format are brought within."""

    def to_odd(significands, exponents, signs, kinds, values):
        for i in range(significands.size):
            s = significands[i]
            if kinds[i] == SPECIAL:
                values[i] = f64_of_bits(s)
                continue
            sign = U64(signs[i]) << U64(63)
            if s == ZERO:
                values[i] = f64_of_bits(sign)
                continue
            m = s >> U64(11)
            if s & U64(0x7FF) != ZERO:
                m |= ONE
            e = min(max(exponents[i] + I64(63), I64(-1000)), I64(1000))
            values[i] = f64_of_bits(sign | (U64(e + I64(1023)) << U64(52)) | (m & FRACTION))
        return I64(0 * digest)

    ins = (
        types.Array(types.uint64, 1, "C", readonly=True),
        types.Array(types.int64, 1, "C", readonly=True),
        types.Array(types.uint8, 1, "C", readonly=True),
        types.Array(types.uint8, 1, "C", readonly=True),
    )
    return to_odd, [types.int64(*ins, types.float64[::1])]


INEXACT, UNDERFLOW, OVERFLOW, DIVIDE_BY_ZERO, INVALID = 1, 2, 4, 8, 16


@inline
def fraction_of(significand, shift):
    """Whether any of the low `shift` bits is set."""
    return significand & ((ONE << shift) - ONE) != ZERO


def make_pack_float(code_bytes, digest):
    """Round exact results into a sign-magnitude float with subnormals; parameters as in `floating` (P_MANTISSA ...),
    and last whether the format has 64 bits, whose codes are then given without their sign.

    Also the flags inexact, underflow (tiny `before` or after rounding, and inexact) and overflow. The result is 0 or
    the marks of refused values.
    """

    def pack(significands, exponents, signs, kinds, p, before, codes, flags):
        refused = I64(0 * digest)
        mantissa, lowest, largest, sign_weight, mode = p[0], p[1], p[2], p[3], p[5]
        zero_neg, over_pos, over_neg, inf_pos, inf_neg, nan_pos, nan_neg = p[6], p[7], p[8], p[9], p[10], p[11], p[12]
        for i in range(significands.size):
            s = significands[i]
            negative = signs[i] != U8(0)
            is_nan = False
            flag = U8(0)
            magnitude = ZERO
            code = I64(0)
            if kinds[i] == SPECIAL:
                negative = s >> U64(63) != ZERO
                rest = s & U64(0x7FFFFFFFFFFFFFFF)
                is_nan = rest > U64(0x7FF0000000000000)
                if is_nan:
                    code = nan_neg if negative else nan_pos
                elif rest != ZERO:
                    code = inf_neg if negative else inf_pos
                else:
                    code = zero_neg if negative else I64(0)
            elif s == ZERO:
                code = zero_neg if negative else I64(0)
            else:
                # 62 bits with the lowest sticky; the leading bit stands for 2**top
                top = exponents[i] + I64(63)
                t = (s >> U64(2)) | (ONE if s & U64(3) != ZERO else ZERO)
                normal = U64(I64(61) - mantissa)
                below = lowest - top
                shift = normal
                base = ZERO
                if below > I64(0):
                    shift = U64(min(I64(normal) + below, I64(63)))
                else:
                    base = U64(min(-below, (largest >> mantissa) + I64(2))) << U64(mantissa)
                magnitude = round_shift(t, shift, base, negative, mode)
                if fraction_of(t, shift):
                    flag |= U8(INEXACT)
                    if below > I64(0):
                        full = round_shift(t, normal, ZERO, negative, mode)
                        carried = full >> U64(mantissa + I64(1)) != ZERO
                        if before != I64(0) or not (below == I64(1) and carried):
                            flag |= U8(UNDERFLOW)
                if magnitude > U64(largest):
                    flag |= U8(OVERFLOW | INEXACT)
                    code = over_neg if negative else over_pos
                elif magnitude == ZERO:
                    code = zero_neg if negative else I64(0)
                elif negative and p[13] == I64(0):
                    code = I64(magnitude) + sign_weight
                    if sign_weight == I64(0):
                        flag = U8(OVERFLOW | INEXACT)
                        code = over_neg
                else:
                    code = I64(magnitude)
            if code < I64(0):
                refused |= -code
                code = I64(0)
            if code_bytes == 8:
                # Of a 64-bit format the codes above are magnitudes; a NaN is the canonical, positive one.
                whole = U64(code)
                if negative and not is_nan and p[13] != I64(0):
                    whole |= TOP
                codes[i] = whole
            else:
                codes[i] = code
            flags[i] = flag
        return refused

    ins = (
        types.Array(types.uint64, 1, "C", readonly=True),
        types.Array(types.int64, 1, "C", readonly=True),
        types.Array(types.uint8, 1, "C", readonly=True),
        types.Array(types.uint8, 1, "C", readonly=True),
    )
    arguments = (*ins, types.int64[::1], types.int64, CODE_OUT[code_bytes], U8_OUT)
    return pack, [types.int64(*arguments)]
