"""Operations that binary64 does exactly on values: rounding to an integer, and choosing the smaller or larger."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .._op_lowering import rounds_away
from ..rounding import Rounding

__all__ = ["EXTREMES", "extreme_values", "integral_values"]

Array = npt.NDArray[Any]
EXTREMES = tuple(
    f"{name}{magnitude}{number}"
    for name in ("minimum", "maximum")
    for magnitude in ("", "_magnitude")
    for number in ("", "_number")
)


def integral_values(values: Array, mode: Rounding) -> Array:
    """Values rounded to integers, each with its own sign, zeros too (IEEE 754-2019 section 5.9)."""
    magnitude = np.abs(values)
    with np.errstate(invalid="ignore"):  # infinities, signaling NaNs
        whole = np.floor(magnitude)
        nu, odd = magnitude - whole, np.fmod(whole, 2.0) == 1.0
    side = (nu > 0.5).astype(np.int8) - (nu < 0.5)
    away = (nu > 0) & rounds_away(mode, np.signbit(values), side, odd)
    return np.asarray(np.copysign(whole + away, values))


def extreme_values(op: str, a: Array, b: Array) -> Array:
    """The smaller or larger of two values; -0 lies below +0 (IEEE 754-2019 section 9.6)."""
    first = (a < b) | ((a == b) & np.signbit(a))
    if op.startswith("maximum"):
        first = (a > b) | ((a == b) & ~np.signbit(a))
    if "magnitude" in op:
        x, y = np.abs(a), np.abs(b)
        first = np.where(x == y, first, (x > y) if op.startswith("maximum") else (x < y))
    found = np.where(first, a, b)
    nan_a, nan_b = np.isnan(a), np.isnan(b)
    if op.endswith("_number"):
        return np.asarray(np.where(nan_a, b, np.where(nan_b, a, found)))
    return np.asarray(np.where(nan_a | nan_b, np.nan, found))
