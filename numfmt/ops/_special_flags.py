"""Divide by zero and invalid: the exceptions that depend on the operands' classes alone (IEEE 754-2019 7.2, 7.3)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..formats.base import Format
from ._nans import signaling

__all__ = ["DIVIDE_BY_ZERO", "INVALID", "signaling_flags", "special_flags"]

Array = npt.NDArray[Any]
DIVIDE_BY_ZERO, INVALID = np.uint8(8), np.uint8(16)


def _conflict(a: Array, b: Array, *, opposite: bool) -> Array:
    """Infinities of unlike signs (or, for a difference, of like ones)."""
    return np.asarray(np.isinf(a) & np.isinf(b) & ((np.signbit(a) != np.signbit(b)) == opposite))


def _lost(a: Array, b: Array) -> Array:
    """0 * infinity."""
    return np.asarray((np.isinf(a) & (b == 0)) | ((a == 0) & np.isinf(b)))


def special_flags(op: str, values: list[Array]) -> Array:
    """Flag bits of flat operands, signaling NaNs apart."""
    a = values[0]
    b = values[1] if len(values) > 1 else a
    number = ~np.logical_or.reduce([np.isnan(v) for v in values])
    zero = np.zeros(a.shape, bool)
    if op in ("add", "sub"):
        invalid = _conflict(a, b, opposite=op == "add")
    elif op == "mul":
        invalid = _lost(a, b)
    elif op == "div":
        invalid = (np.isinf(a) & np.isinf(b)) | ((a == 0) & (b == 0))
        zero = (b == 0) & np.isfinite(a) & (a != 0)
    elif op == "fma":
        c = values[2]
        infinite = (np.isinf(a) | np.isinf(b)) & np.isinf(c)
        invalid = infinite & ((np.signbit(a) != np.signbit(b)) != np.signbit(c))
    elif op == "faa":
        c = values[2]
        invalid = _conflict(a, b, opposite=True) | _conflict(a, c, opposite=True) | _conflict(b, c, opposite=True)
    elif op == "remainder":
        invalid = np.isinf(a) | (b == 0)
    else:
        invalid = a < 0
        zero = a == 0 if op == "rsqrt" else zero
    invalid = invalid & number
    if op == "fma":
        invalid = invalid | _lost(a, b)  # whatever the addend: IEEE 754-2019 7.2 c
    return np.asarray((zero & number) * DIVIDE_BY_ZERO + invalid * INVALID)


def signaling_flags(codes: list[Array], formats: list[Format]) -> Array | None:
    """Invalid where an operand is a signaling NaN; None where no format has one."""
    found = [s for c, f in zip(codes, formats, strict=True) if (s := signaling(c, f)) is not None]
    return np.logical_or.reduce(found) * INVALID if found else None
