"""Quotients and sums whose rounding is defined: the exact quotient to odd, and sums in a fixed lane order."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["LANES", "divided", "exact_quotient", "lane_sum", "odd_difference"]

Array = npt.NDArray[Any]
#: Lanes of every sum that decides a scale: element i of a block is added to lane i mod 32, in increasing i.
LANES = 32
_SPLIT = 134217729.0  # 2**27 + 1, Veltkamp's constant for binary64


def _remainder_sign(x: Array, q: Array, s: Array) -> Array:
    """Sign of x - q * s, exactly, for 1/2 <= x, s < 1 and q the rounded quotient (Dekker's product)."""

    def halves(a: Array) -> tuple[Array, Array]:
        t = _SPLIT * a
        high = t - (t - a)
        return high, a - high

    p = q * s
    qh, ql = halves(q)
    sh, sl = halves(s)
    error = ((qh * sh - p) + qh * sl + ql * sh) + ql * sl  # q * s = p + error
    return np.asarray(np.sign((x - p) - error))


def exact_quotient(x: Array, s: Any, *, simple: bool = False) -> Array:
    """``x / s`` in binary64, rounded to odd: every later rounding to at most 51 bits is that of the exact quotient.

    `x` is binary64, `s` positive or negative finite and not 0 (broadcasts). `simple`: x and s have so few bits that the
    nearest quotient already lies on the right side of every value it will be compared with.
    """
    fx, ex = np.frexp(np.abs(x))
    fs, es = np.frexp(np.abs(s))
    q = fx / fs
    if not simple:
        remainder = _remainder_sign(fx, q, np.broadcast_to(fs, fx.shape))
        bits = q.view(np.int64)
        even = (bits & 1) == 0
        q = (bits + np.where(even & (x != 0), remainder, 0).astype(np.int64)).view(np.float64)
    # Far outside every format the exponent no longer matters; keep it within binary64's normal range.
    exponent = np.clip(ex - es, -900, 900)
    return np.asarray(np.copysign(np.ldexp(q, exponent), x * np.sign(s)))


def odd_difference(a: Array, b: Array) -> Array:
    """``a - b`` of binary64 a >= 0 >= b, rounded to odd; beyond binary64 its largest number."""
    half = np.where(np.maximum(a, -b) > 1e300, 0.5, 1.0)  # so that nothing overflows
    x, y = a * half, -b * half
    total = x + y
    part = total - x
    error = (x - (total - part)) + (y - part)  # Knuth's two-sum: exactly what the sum lost
    bits = total.view(np.int64)
    odd = (bits + np.where((bits & 1) == 0, np.sign(error), 0.0).astype(np.int64)).view(np.float64)
    return np.asarray(np.minimum(odd, np.finfo(np.float64).max * half) / half)


def divided(x: Array, s: Array, how: str, single: bool, tensor_scale: float = 1.0) -> Array:
    """``x / s`` as other stacks compute it: rounded to binary32 (`single`) or binary64, once or by a reciprocal.

    `s` includes `tensor_scale`. A reciprocal beyond the dtype becomes its largest number, so that 0 stays 0.
    """
    dtype: Any = np.float32 if single else np.float64
    largest = np.finfo(dtype).max
    with np.errstate(all="ignore"):
        a = x.astype(dtype)
        if how == "divide":
            return np.asarray(a / s.astype(dtype), np.float64)
        if how == "two_step_reciprocal":
            reciprocal = (dtype(1) / dtype(tensor_scale)) / (s / tensor_scale).astype(dtype)
        else:
            reciprocal = dtype(1) / s.astype(dtype)
        return np.asarray(a * np.clip(reciprocal, -largest, largest), np.float64)


def lane_sum(values: Array, lanes: Array | None = None) -> Array:
    """Binary64 lane sums of (count, size) non-negative `values`, continued from `lanes` (count, LANES).

    Sizes other than multiples of LANES are filled up with zeros, which change nothing.
    """
    count, size = values.shape
    rows = -(-size // LANES)
    if rows * LANES != size:
        wide = np.zeros((count, rows * LANES))
        wide[:, :size] = values
        values = wide
    total = np.zeros((count, LANES)) if lanes is None else lanes
    stepped = values.reshape(count, rows, LANES)
    for i in range(rows) if rows <= count else ():
        total = total + stepped[:, i]
    if rows > count > 0:
        # Along the outer axis NumPy adds row after row: the same order.
        total = np.stack([np.add.reduce(np.vstack([total[j], stepped[j]]), axis=0) for j in range(count)])
    return total


def lanes_total(lanes: Array) -> Array:
    """Sum of the lanes (count, LANES) by halves: 16 + 16, 8 + 8, ..."""
    while lanes.shape[1] > 1:
        half = lanes.shape[1] // 2
        lanes = lanes[:, :half] + lanes[:, half:]
    return lanes[:, 0]
