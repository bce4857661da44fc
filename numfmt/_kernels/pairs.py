"""Lookups in tables of all operand pairs, and bfloat16 sums and products in binary32."""

from __future__ import annotations

import numpy as np
from numba import types

from .bits import CODE_OUT, F32_IN, U8_IN, U16_IN, U16_OUT, U32_IN, bits_of_f32, f32_of_bits
from .fast32 import environment_is_default

U16, U32, U64, I64, F32 = np.uint16, np.uint32, np.uint64, np.int64, np.float32
CODE_IN = {1: U8_IN, 2: U16_IN, 4: U32_IN}
ADD, SUB, MUL = range(3)


def make_pair_lookup(bytes_a, bytes_b, bytes_out, shift, digest):
    """out[i] = table[a[i] << shift | b[i]] for legal codes."""

    def lookup(a, b, table, out):
        for i in range(a.size):
            out[i] = table[U64(U64(U64(a[i]) << U64(shift)) | U64(b[i]))]
        return I64(0 * digest)

    table = types.Array(CODE_OUT[bytes_out].dtype, 1, "C", readonly=True)
    return lookup, [types.int64(CODE_IN[bytes_a], CODE_IN[bytes_b], table, CODE_OUT[bytes_out])]


def make_bfloat16(op, digest):
    """bfloat16 sums, differences and products, nearest even, canonical NaN.

    The binary32 operation rounds to 24 bits, at least 2 * 8 + 2, so rounding it again to 8 bits is innocuous
    (Figueroa 1995); products have at most 16 significant bits and lose some only below 2**-149, where the result is
    zero either way. Returns -1, having written nothing, under a changed floating-point environment.
    """

    def operate(a, b, out, probe):
        if not environment_is_default(probe):
            return I64(-1)
        for i in range(a.size):
            x = f32_of_bits(U32(U32(a[i]) << U32(16)))
            y = f32_of_bits(U32(U32(b[i]) << U32(16)))
            if op == ADD:
                r = F32(x + y)
            elif op == SUB:
                r = F32(x - y)
            else:
                r = F32(x * y)
            u = bits_of_f32(r)
            rounded = U32(U32(u + U32(0x7FFF)) + U32(U32(u >> U32(16)) & U32(1)))
            nan = U32(u & U32(0x7FFFFFFF)) > U32(0x7F800000)
            out[i] = U16(U32(0x7FC0) if nan else U32(rounded >> U32(16)))
        return I64(0 * digest)

    return operate, [types.int64(U16_IN, U16_IN, U16_OUT, F32_IN)]
