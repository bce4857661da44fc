"""Bit casts between floats and integers, and the array types of kernel signatures."""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

F32_IN = types.Array(types.float32, 1, "C", readonly=True)
F64_IN = types.Array(types.float64, 1, "C", readonly=True)
U8_IN = types.Array(types.uint8, 1, "C", readonly=True)
U16_IN = types.Array(types.uint16, 1, "C", readonly=True)
U32_IN = types.Array(types.uint32, 1, "C", readonly=True)
U64_IN = types.Array(types.uint64, 1, "C", readonly=True)
I64_IN = types.Array(types.int64, 1, "C", readonly=True)
F32_OUT, F64_OUT = types.float32[::1], types.float64[::1]
U8_OUT, U16_OUT, U32_OUT, U64_OUT = types.uint8[::1], types.uint16[::1], types.uint32[::1], types.uint64[::1]
CODE_OUT = {1: U8_OUT, 2: U16_OUT, 4: U32_OUT, 8: U64_OUT}


def _bitcast(result, argument, llvm_type):
    def typing(context, x):
        def generate(ctx, builder, signature, arguments):
            return builder.bitcast(arguments[0], llvm_type)

        return result(argument), generate

    return typing


def _pattern(context, x):
    """Typing of `pattern`: the bits of a binary32 or binary64, zero-extended to uint64."""
    if x == types.float32:

        def generate(ctx, builder, signature, arguments):
            return builder.zext(builder.bitcast(arguments[0], ir.IntType(32)), ir.IntType(64))
    else:

        def generate(ctx, builder, signature, arguments):
            return builder.bitcast(arguments[0], ir.IntType(64))

    return types.uint64(x), generate


if config.DISABLE_JIT:

    def pattern(x):
        """Bits of a binary32 or binary64 as uint64."""
        return np.uint64(x.view(np.uint32) if x.dtype == np.float32 else x.view(np.uint64))

    def bits_of_f32(x):
        """Pattern of a binary32 as uint32."""
        return np.float32(x).view(np.uint32)

    def f32_of_bits(x):
        """binary32 of a uint32 pattern."""
        return np.uint32(x).view(np.float32)

    def f64_of_bits(x):
        """binary64 of a uint64 pattern."""
        return np.uint64(x).view(np.float64)

else:
    bits_of_f32 = intrinsic(_bitcast(types.uint32, types.float32, ir.IntType(32)))
    f32_of_bits = intrinsic(_bitcast(types.float32, types.uint32, ir.FloatType()))
    f64_of_bits = intrinsic(_bitcast(types.float64, types.uint64, ir.DoubleType()))
    pattern = intrinsic(_pattern)
