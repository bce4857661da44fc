"""Table kernels: decode by look-up, encode by bisection of sorted binary64 thresholds. For any format of <= 16 bits."""

from __future__ import annotations

import numpy as np
from numba import types

from .bits import CODE_OUT, F32_IN, F32_OUT, F64_IN, F64_OUT, I64_IN, U8_IN, U16_IN

I64 = np.int64


def make_lookup(code_bytes, value_bytes, digest):
    """``values[i] = table[codes[i]]``; the table covers every pattern of the code dtype."""

    def lookup(codes, table, values):
        for i in range(codes.size):
            values[i] = table[codes[i]]
        return 0 * digest

    codes = U8_IN if code_bytes == 1 else U16_IN
    table, values = (F32_IN, F32_OUT) if value_bytes == 4 else (F64_IN, F64_OUT)
    return lookup, [types.int64(codes, table, values)]


def make_bisect(source_bytes, code_bytes, digest):
    """Encode by thresholds: ``steps[k]`` is the code of every x with ``thresholds[k-1] <= x < thresholds[k]``.

    `special` holds the codes for +0, -0, +inf, -inf, +NaN, -NaN (-1: NaN refused, -2: overflow refused), as do entries
    of `steps`. Comparisons are the only float operations.
    """

    def bisect(x, codes, thresholds, steps, special):
        flags = I64(0 * digest)
        count = thresholds.size
        for i in range(x.size):
            v = np.float64(x[i])
            low, size = 0, count
            while size > 0:
                half = size >> 1
                right = v >= thresholds[low + half]
                low = low + half + 1 if right else low
                size = size - half - 1 if right else half
            code = I64(steps[low])
            if v == 0.0:
                code = special[1] if np.signbit(v) else special[0]
            elif v != v:
                code = special[5] if np.signbit(v) else special[4]
            elif v == np.inf:
                code = special[2]
            elif v == -np.inf:
                code = special[3]
            if code < 0:
                flags |= -code
                code = I64(0)
            codes[i] = code
        return flags

    source = F32_IN if source_bytes == 4 else F64_IN
    return bisect, [types.int64(source, CODE_OUT[code_bytes], F64_IN, I64_IN, I64_IN)]
