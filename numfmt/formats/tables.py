"""The table path in NumPy: any format of at most 16 bits by its steps, stochastic rounding by exact positions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from ..rounding import Overflow, Rounding
from .base import TABLE_BITS
from .conversion import Conversion, Policy, conversion
from .unpacked import Unpacked

__all__ = ["encode_scalars", "encode_steps", "encode_stochastic", "has_steps", "special_vector"]


def has_steps(conv: Conversion) -> bool:
    """Whether `conv` is a step function with a table."""
    policy = conv.policy
    return conv.fmt.bits <= TABLE_BITS and not policy.rounding.is_stochastic and policy.overflow is not Overflow.WRAP


def special_vector(conv: Conversion) -> npt.NDArray[np.int64]:
    """Codes of +0, -0, +inf, -inf, +NaN, -NaN, as the bisecting kernel takes them."""
    s = conv.specials
    return np.array([s.zero_pos, s.zero_neg, s.inf_pos, s.inf_neg, s.nan_pos, s.nan_neg], np.int64)


def _place_specials(conv: Conversion, x: npt.NDArray[Any], codes: npt.NDArray[np.int64]) -> None:
    s, negative = conv.specials, np.signbit(x)
    for mask, positive_code, negative_code in (
        (x == 0, s.zero_pos, s.zero_neg),
        (x == np.inf, s.inf_pos, s.inf_pos),
        (x == -np.inf, s.inf_neg, s.inf_neg),
        (np.isnan(x), s.nan_pos, s.nan_neg),
    ):
        if mask.any():
            codes[mask] = np.where(negative[mask], negative_code, positive_code)


def encode_steps(conv: Conversion, x: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Codes (or REFUSE marks) of a float array, by comparison with the thresholds."""
    steps = conv.steps
    codes = steps.codes[np.searchsorted(steps.thresholds, x, side="right")]
    _place_specials(conv, x, codes)
    return codes


def encode_scalars(
    conv: Conversion, x: npt.NDArray[Any], random: npt.NDArray[np.uint64] | None = None, width: int = 0
) -> list[int]:
    """Codes (or REFUSE marks) of a flat float array one by one: the definition itself, for small or rare work."""
    return [
        conv.encode_exact(unpack_float(value), None if random is None else (int(random[i]), width))
        for i, value in enumerate(x.tolist())
    ]


def encode_specials(conv: Conversion, x: npt.NDArray[Any]) -> list[int]:
    """`encode_scalars` of an array of zeros, infinities and NaNs."""
    return encode_scalars(conv, x)


def unpack_float(x: float) -> Unpacked:
    """The exact value of a Python float."""
    if x != x:
        return Unpacked.nan(int(np.signbit(x)))
    if x in (float("inf"), float("-inf")):
        return Unpacked.infinity(int(x < 0))
    if x == 0:
        return Unpacked.zero(int(np.signbit(x)))
    return Unpacked.from_fraction(Fraction(x))


def encode_stochastic(
    conv: Conversion, x: npt.NDArray[np.float64], random: npt.NDArray[np.uint64], width: int
) -> npt.NDArray[np.int64]:
    """Stochastic rounding of a flat float64 array into a format of at most 16 bits.

    The position nu between the neighbours is first computed in binary64. Where that leaves floor(nu * 2**(N+1)) in
    doubt, the element is decided exactly, so the result is that of the definition.
    """
    fmt = conv.fmt
    down = conversion(fmt, Policy(Rounding.TOWARD_NEGATIVE, Overflow.SATURATE, conv.policy.nan))
    codes = np.empty(x.size, np.int64)
    inside = np.isfinite(x) & (x != 0) & (x > fmt.table[fmt.min_code]) & (x < fmt.table[fmt.max_code])
    doubtful = ~inside
    values = fmt.table
    if fmt.exact and np.isfinite(values[np.asarray(fmt.ordered_codes)]).all() and width <= 32:
        at = np.flatnonzero(inside)
        v = x[at]
        order = np.asarray(fmt.ordered_codes)
        rank_of = np.zeros(fmt.code_count, np.intp)
        rank_of[order] = np.arange(order.size)
        lower = encode_steps(down, v)
        rank = rank_of[lower]
        upper = order[np.minimum(rank + 1, order.size - 1)]
        low, high = values[lower], values[upper]
        negative = (v < 0) & (high <= 0)
        inner, outer = np.where(negative, high, low), np.where(negative, low, high)
        # Two roundings and a division: relative error below 2**-50; scaled below 2**33, so absolute below 2**-16.
        gap = np.abs(outer - inner)
        scaled = np.abs(v - inner) / gap * 2.0 ** (width + 1)
        whole = np.floor(scaled)
        fraction = scaled - whole
        # The difference is exact when v <= 2 * inner (Sterbenz) or inner is 0; dividing by a power of two is exact.
        exact = ((np.abs(v) <= 2 * np.abs(inner)) | (inner == 0)) & (np.frexp(gap)[0] == 0.5)
        unsure = ((fraction < 2.0**-14) | (fraction > 1 - 2.0**-14)) & ~exact
        # Between a zero-less format's negative and positive neighbours positions count upward from the lower one.
        crossing = (low < 0) & (high > 0)
        f = whole.astype(np.uint64)
        r, one = random[at], np.uint64(1)
        limit = one << np.uint64(width)
        match conv.policy.rounding:
            case Rounding.STOCHASTIC_A:
                away = (f >> one) + r >= limit
            case Rounding.STOCHASTIC_B:
                away = f + r + r + one >= limit + limit
            case _:
                # f keeps one bit below N; what lies below that bit decides against a tie.
                whole_n = f >> one
                up = (f & one).astype(bool) & ((fraction > 0) | (whole_n & one).astype(bool))
                away = whole_n + up.astype(np.uint64) + r >= limit
        exact_hit = v == low
        picked = np.where(
            exact_hit, lower, np.where(away, np.where(negative, lower, upper), np.where(negative, upper, lower))
        )
        zero_neg = conv.specials.zero_neg
        picked = np.where((v < 0) & np.isin(picked, [c for c in fmt.zero_codes if c is not None]), zero_neg, picked)
        codes[at] = picked
        doubtful[at[(unsure & ~exact_hit) | crossing]] = True
    else:
        doubtful[:] = True
    left = np.flatnonzero(doubtful)
    if left.size:
        codes[left] = encode_scalars(conv, x[left], random[left], width)
    return codes
