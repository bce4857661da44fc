"""Elementwise arithmetic on codes: the exact result, rounded once, in every format and mode, with IEEE 754 flags."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .._array import Encoded
from ..formats.registry import scalar
from ._documented import documented
from ._job import operate, paired, run_job
from ._operands import operands_of, result_format, settings_of

__all__ = [
    "add",
    "div",
    "faa",
    "fma",
    "mul",
    "reciprocal",
    "remainder",
    "rsqrt",
    "sqrt",
    "sub",
]

Array = npt.NDArray[Any]


@documented(
    "a, b",
    "Infinities of unlike signs give NaN; x + (-x) is +0, or -0 in TOWARD_NEGATIVE.\n"
    "    Source: IEEE 754-2019 sections 5.4.1 and 6.3.",
    '>>> float(nf.add(nf.encode(448.0, "e4m3fn"), nf.encode(32.0, "e4m3fn")))',
    "nan",
)
def add(
    a: Any,
    b: Any,
    *,
    fmt: Any = None,
    rounding: Any = None,
    overflow: Any = None,
    nan: Any = None,
    random: Any = None,
    flags: bool = False,
    tininess: str = "after",
    out: Array | None = None,
) -> Any:
    """a + b, rounded once."""
    if fmt is rounding is overflow is nan is random is out is None and not flags and tininess == "after":
        quick = paired("add", a, b)
        if quick is not None:
            return quick
    return operate("add", (a, b), fmt, rounding, overflow, nan, random, flags, tininess, out)


@documented(
    "a, b",
    "Source: IEEE 754-2019 sections 5.4.1 and 6.3.",
    '>>> float(nf.sub(nf.encode(1.0, "bf16"), nf.encode(0.5, "bf16")))',
    "0.5",
)
def sub(
    a: Any,
    b: Any,
    *,
    fmt: Any = None,
    rounding: Any = None,
    overflow: Any = None,
    nan: Any = None,
    random: Any = None,
    flags: bool = False,
    tininess: str = "after",
    out: Array | None = None,
) -> Any:
    """a - b, rounded once."""
    if fmt is rounding is overflow is nan is random is out is None and not flags and tininess == "after":
        quick = paired("sub", a, b)
        if quick is not None:
            return quick
    return operate("sub", (a, b), fmt, rounding, overflow, nan, random, flags, tininess, out)


@documented(
    "a, b",
    "0 times infinity is NaN. Source: IEEE 754-2019 section 5.4.1.",
    '>>> float(nf.mul(nf.encode(1.5, "e5m2"), nf.encode(1.25, "e5m2")))',
    "2.0",
)
def mul(
    a: Any,
    b: Any,
    *,
    fmt: Any = None,
    rounding: Any = None,
    overflow: Any = None,
    nan: Any = None,
    random: Any = None,
    flags: bool = False,
    tininess: str = "after",
    out: Array | None = None,
) -> Any:
    """a * b, rounded once."""
    if fmt is rounding is overflow is nan is random is out is None and not flags and tininess == "after":
        quick = paired("mul", a, b)
        if quick is not None:
            return quick
    return operate("mul", (a, b), fmt, rounding, overflow, nan, random, flags, tininess, out)


@documented(
    "a, b",
    "x / 0 is an infinity (divide_by_zero), NaN in P3109, posits, takums and LNS, and an ArgumentError in integer\n"
    "    formats; 0 / 0 is NaN. Source: IEEE 754-2019 section 5.4.1; P3109 v4.0; POSIT22 section 5.",
    '>>> float(nf.div(nf.encode(1.0, "posit8"), nf.encode(3.0, "posit8")))',
    "0.34375",
)
def div(
    a: Any,
    b: Any,
    *,
    fmt: Any = None,
    rounding: Any = None,
    overflow: Any = None,
    nan: Any = None,
    random: Any = None,
    flags: bool = False,
    tininess: str = "after",
    out: Array | None = None,
) -> Any:
    """a / b, rounded once."""
    if fmt is rounding is overflow is nan is random is out is None and not flags and tininess == "after":
        quick = paired("div", a, b)
        if quick is not None:
            return quick
    return operate("div", (a, b), fmt, rounding, overflow, nan, random, flags, tininess, out)


@documented(
    "a, b",
    "A zero has the sign of `a`; x rem 0 and infinity rem y are NaN. Source: IEEE 754-2019 section 5.3.1.",
    '>>> float(nf.remainder(nf.encode(7.0, "binary16"), nf.encode(4.0, "binary16")))',
    "-1.0",
)
def remainder(
    a: Any,
    b: Any,
    *,
    fmt: Any = None,
    rounding: Any = None,
    overflow: Any = None,
    nan: Any = None,
    random: Any = None,
    flags: bool = False,
    tininess: str = "after",
    out: Array | None = None,
) -> Any:
    """a - n * b for n the integer nearest a / b (the even one of two): exact before its one rounding."""
    if fmt is rounding is overflow is nan is random is out is None and not flags and tininess == "after":
        quick = paired("remainder", a, b)
        if quick is not None:
            return quick
    return operate("remainder", (a, b), fmt, rounding, overflow, nan, random, flags, tininess, out)


@documented(
    "a, b, c",
    "0 * infinity is invalid even if c is NaN. Source: IEEE 754-2019 section 5.4.1.",
    '>>> e = [nf.Encoded(c, "e4m3fn") for c in (0x0D, 0x1A, 0x81)]',
    '>>> float(nf.fma(*e, rounding="toward_positive"))',
    "0.001953125",
)
def fma(
    a: Any,
    b: Any,
    c: Any,
    *,
    fmt: Any = None,
    rounding: Any = None,
    overflow: Any = None,
    nan: Any = None,
    random: Any = None,
    flags: bool = False,
    tininess: str = "after",
    out: Array | None = None,
) -> Any:
    """a * b + c, rounded once (fused)."""
    return operate("fma", (a, b, c), fmt, rounding, overflow, nan, random, flags, tininess, out)


@documented(
    "a, b, c",
    "Infinities of unlike signs give NaN; zeros of one sign keep it. Source: P3109 v4.0 FAA.",
    '>>> float(nf.faa(*nf.encode([448.0, 448.0, -448.0], "e4m3fn")))',
    "448.0",
)
def faa(
    a: Any,
    b: Any,
    c: Any,
    *,
    fmt: Any = None,
    rounding: Any = None,
    overflow: Any = None,
    nan: Any = None,
    random: Any = None,
    flags: bool = False,
    tininess: str = "after",
    out: Array | None = None,
) -> Any:
    """a + b + c, rounded once (fused add-add)."""
    return operate("faa", (a, b, c), fmt, rounding, overflow, nan, random, flags, tininess, out)


@documented(
    "a",
    "The root of -0 is -0, of a negative number NaN. Source: IEEE 754-2019 section 5.4.1.",
    '>>> float(nf.sqrt(nf.encode(2.0, "binary16")))',
    "1.4140625",
)
def sqrt(
    a: Any,
    *,
    fmt: Any = None,
    rounding: Any = None,
    overflow: Any = None,
    nan: Any = None,
    random: Any = None,
    flags: bool = False,
    tininess: str = "after",
    out: Array | None = None,
) -> Any:
    """Square root, rounded once."""
    return operate("sqrt", (a,), fmt, rounding, overflow, nan, random, flags, tininess, out)


@documented(
    "a",
    "Of a zero: the infinity of its sign (divide_by_zero). Source: IEEE 754-2019 table 9.1.",
    '>>> float(nf.rsqrt(nf.encode(4.0, "binary16")))',
    "0.5",
)
def rsqrt(
    a: Any,
    *,
    fmt: Any = None,
    rounding: Any = None,
    overflow: Any = None,
    nan: Any = None,
    random: Any = None,
    flags: bool = False,
    tininess: str = "after",
    out: Array | None = None,
) -> Any:
    """1 / sqrt(a), rounded once."""
    return operate("rsqrt", (a,), fmt, rounding, overflow, nan, random, flags, tininess, out)


@documented(
    "a",
    "Like `div` of 1. Source: IEEE 754-2019 section 5.4.1.",
    '>>> float(nf.reciprocal(nf.encode(3.0, "e4m3fn")))',
    "0.34375",
)
def reciprocal(
    a: Any,
    *,
    fmt: Any = None,
    rounding: Any = None,
    overflow: Any = None,
    nan: Any = None,
    random: Any = None,
    flags: bool = False,
    tininess: str = "after",
    out: Array | None = None,
) -> Any:
    """1 / a, rounded once."""
    operand = operands_of(a)[0]
    target = result_format(fmt, [operand])
    one = Encoded._wrap(np.asarray(0x3F800000, np.uint32), scalar("binary32"))
    settings = settings_of(target, rounding, overflow, nan, random, tininess)
    return run_job("div", [one, operand], target, settings, flags, out)
