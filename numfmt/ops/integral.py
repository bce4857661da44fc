"""Rounding to an integer in a floating-point format."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from ._documented import documented
from ._job import operate

__all__ = ["round_to_integral"]

Array = npt.NDArray[Any]


@documented(
    "a",
    "`rounding` is the direction of rounding to an integer, which keeps the sign of `a`, zeros too; TO_ODD takes the\n"
    "    odd one of two integers. Where the format lacks the integer (logarithmic formats, E8M0) it is rounded once\n"
    "    more. With `exact` a changed value raises inexact. Source: IEEE 754-2019 sections 5.3.1 and 5.9.",
    '>>> float(nf.round_to_integral(nf.encode(2.5, "binary16"), rounding="nearest_away"))',
    "3.0",
)
def round_to_integral(
    a: Any,
    *,
    exact: bool = False,
    fmt: Any = None,
    rounding: Any = None,
    overflow: Any = None,
    nan: Any = None,
    random: Any = None,
    flags: bool = False,
    tininess: str = "after",
    out: Array | None = None,
) -> Any:
    """`a` rounded to an integer value in its own format."""
    op = "round_to_integral_exact" if exact else "round_to_integral"
    return operate(op, (a,), fmt, rounding, overflow, nan, random, flags, tininess, out)
