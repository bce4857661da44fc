"""binary32 and binary64 sums, products, quotients and square roots by the processor's own operation.

IEEE 754 fixes every result of these operations under the default environment (nearest even, gradual underflow), which
is probed first; of a NaN only that it is one, so NaNs are written in their canonical form.
"""

from __future__ import annotations

import numpy as np
from numba import types

from .bits import F32_IN, U32_IN, U32_OUT, U64_IN, U64_OUT, bits_of_f32, f32_of_bits, f64_of_bits, pattern
from .fast32 import environment_is_default

U32, U64, I64, F32, F64 = np.uint32, np.uint64, np.int64, np.float32, np.float64
ADD, SUB, MUL, DIV, SQRT = 0, 1, 2, 3, 5


def make_native32(op, digest):
    """Codes of binary32 results; -1, with nothing written, under a changed floating-point environment."""

    def operate(a, b, out, probe):
        if not environment_is_default(probe):
            return I64(-1)
        for i in range(a.size):
            x, y = f32_of_bits(a[i]), f32_of_bits(b[i])
            if op == ADD:
                r = F32(x + y)
            elif op == SUB:
                r = F32(x - y)
            elif op == MUL:
                r = F32(x * y)
            elif op == DIV:
                r = F32(x / y)
            else:
                r = F32(np.sqrt(x))
            u = bits_of_f32(r)
            out[i] = U32(0x7FC00000) if U32(u & U32(0x7FFFFFFF)) > U32(0x7F800000) else u
        return I64(0 * digest)

    return operate, [types.int64(U32_IN, U32_IN, U32_OUT, F32_IN)]


def make_native64(op, digest):
    """Codes of binary64 results; -1, with nothing written, under a changed floating-point environment."""

    def operate(a, b, out, probe):
        if not environment_is_default(probe):
            return I64(-1)
        for i in range(a.size):
            x, y = f64_of_bits(a[i]), f64_of_bits(b[i])
            if op == ADD:
                r = F64(x + y)
            elif op == SUB:
                r = F64(x - y)
            elif op == MUL:
                r = F64(x * y)
            elif op == DIV:
                r = F64(x / y)
            else:
                r = F64(np.sqrt(x))
            u = pattern(r)
            out[i] = U64(0x7FF8 << 48) if U64(u & U64((1 << 63) - 1)) > U64(0x7FF << 52) else u
        return I64(0 * digest)

    return operate, [types.int64(U64_IN, U64_IN, U64_OUT, F32_IN)]
