"""Sums, products, quotients, fused products of short binary64 operands, to odd by error-free transformations.

For operands of at most 26 significant bits, with exponents so moderate that nothing over- or underflows, a product is
exact and a sum's error is a binary64 number (Knuth's TwoSum); an inexact result is moved to its odd neighbour on the
error's side. Rounding that to at most 51 bits rounds the exact result. Float operations decide bits here, all of them
correctly rounded additions and multiplications: the environment is probed first.
"""

from __future__ import annotations

import numpy as np
from numba import types

from ._jit import inline
from .bits import F32_IN, F64_IN, F64_OUT, f64_of_bits, pattern
from .fast32 import environment_is_default

U64, I64, F64 = np.uint64, np.int64, np.float64
ADD, SUB, MUL, DIV, FMA = range(5)
SPLIT = F64(134217729.0)  # 2**27 + 1, Veltkamp's constant


@inline
def nudged(s, error):
    """`s` moved to the odd pattern on the side of a non-zero error."""
    bits = pattern(s)
    move = error != F64(0) and (bits & U64(1)) == U64(0) and s - s == F64(0)
    outward = (error > F64(0)) == (s > F64(0))
    step = U64(1) if outward else U64(0xFFFFFFFFFFFFFFFF)
    return f64_of_bits(U64(bits + step) if move else bits)


@inline
def odd_sum(a, b):
    """a + b to odd; what is not finite passes through."""
    s = F64(a + b)
    bb = F64(s - a)
    error = F64(F64(a - F64(s - bb)) + F64(b - bb))
    return nudged(s, error if error == error else F64(0))


@inline
def odd_quotient(a, b):
    """a / b to odd for a `b` of at most 26 bits; q * b in two exact halves."""
    q = F64(a / b)
    t = F64(SPLIT * q)
    high = F64(t - F64(t - q))
    low = F64(q - high)
    rest = F64(F64(a - F64(high * b)) - F64(low * b))
    error = rest if b > F64(0) else F64(-rest)
    return nudged(q, error if error == error else F64(0))


def make_odd(op, downward, digest):
    """`downward`: the rounding to come is toward negative, where a sum of unlike signs that is zero is -0."""

    def operate(a, b, c, out, probe):
        if not environment_is_default(probe):
            return I64(-1)
        for i in range(a.size):
            if op == ADD:
                r = odd_sum(a[i], b[i])
            elif op == SUB:
                r = odd_sum(a[i], F64(-b[i]))
            elif op == MUL:
                r = F64(a[i] * b[i])
            elif op == DIV:
                r = odd_quotient(a[i], b[i])
            else:
                r = odd_sum(F64(a[i] * b[i]), c[i])
            if downward:
                if op == ADD:
                    unlike = (pattern(a[i]) ^ pattern(b[i])) >> U64(63)
                elif op == SUB:
                    unlike = U64(1) - ((pattern(a[i]) ^ pattern(b[i])) >> U64(63))
                elif op == FMA:
                    unlike = (pattern(F64(a[i] * b[i])) ^ pattern(c[i])) >> U64(63)
                else:
                    unlike = U64(0)
                r = F64(-0.0) if r == F64(0) and unlike != U64(0) else r
            out[i] = r
        return I64(0 * digest)

    return operate, [types.int64(F64_IN, F64_IN, F64_IN, F64_OUT, F32_IN)]
