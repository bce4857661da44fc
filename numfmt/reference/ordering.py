"""The order of numbers, in one format or two: comparisons, total order, minimum and maximum.

Source: IEEE 754-2019 sections 5.6.1, 5.10, 5.11 and 9.6.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from ..errors import ArgumentError
from ..formats import ExponentFormat, FloatFormat, Format, PositFormat, Specials, TakumFormat, TakumLogFormat
from ..formats import scalar as get
from ..formats.unpacked import Kind
from .exact import compare as compare_reals
from .exact import negate
from .nans import propagate
from .operands import Exact, Flags, Operand, Outcome, read

__all__ = ["PREDICATES", "compare", "extreme", "order", "predicate", "total_order"]

#: NaR is an ordinary member of these formats' order, below every number (POSIT22: a posit compares as an integer).
_ORDERED_NAR = (PositFormat, TakumFormat, TakumLogFormat)

#: Relations that hold, and whether a quiet NaN is invalid (IEEE 754-2019 5.6.1).
PREDICATES: dict[str, tuple[tuple[int | None, ...], bool]] = {
    "equal": ((0,), False),
    "not_equal": ((-1, 1, None), False),
    "less": ((-1,), True),
    "less_equal": ((-1, 0), True),
    "greater": ((1,), True),
    "greater_equal": ((0, 1), True),
    "equal_signaling": ((0,), True),
    "not_equal_signaling": ((-1, 1, None), True),
    "less_quiet": ((-1,), False),
    "less_equal_quiet": ((-1, 0), False),
    "greater_quiet": ((1,), False),
    "greater_equal_quiet": ((0, 1), False),
    "unordered": ((None,), False),
}


def order(a: Operand, b: Operand) -> int:
    """-1, 0 or 1 for two operands that are not NaN; the zeros are equal."""
    ranks = [(-1 if x.negative else 1) if x.kind is Kind.INFINITY else 0 for x in (a, b)]
    if ranks != [0, 0]:
        return (ranks[0] > ranks[1]) - (ranks[0] < ranks[1])
    return compare_reals(a.value, b.value)


def compare(a_fmt: Format | str, a_code: int, b_fmt: Format | str, b_code: int) -> int | None:
    """-1, 0 or 1 as `a` is below, equal to or above `b`; None when they are unordered (a NaN).

    The zeros are equal. NaR, between posits and takums only, equals itself and lies below every number.

    >>> compare("fp8_e4m3fn", 0x80, "binary16", 0), compare("binary16", 0x7E00, "binary16", 0)
    (0, None)
    >>> compare("posit8_2", 0x80, "posit16_2", 0x8001), compare("lns8_3", 4, "binary32", 0x3FB504F3)
    (-1, 1)
    """
    a_fmt, b_fmt = get(a_fmt), get(b_fmt)
    a, b = read(a_fmt, a_code), read(b_fmt, b_code)
    if Kind.NAN in (a.kind, b.kind):
        if isinstance(a_fmt, _ORDERED_NAR) and isinstance(b_fmt, _ORDERED_NAR):
            return (b.kind is Kind.NAN) - (a.kind is Kind.NAN)
        return None
    return order(a, b)


def predicate(name: str, a_fmt: Format | str, a_code: int, b_fmt: Format | str, b_code: int) -> Outcome:
    """One of the relations of IEEE 754-2019 5.6.1, `PREDICATES`: 1 or 0, and the invalid exception.

    "equal" and "unordered" are the quiet ones, the four orders the signaling ones; the others are named.

    >>> predicate("less", "binary16", 0x7E00, "binary16", 0)
    Outcome(code=0, flags=Flags(inexact=False, underflow=False, overflow=False, divide_by_zero=False, invalid=True))
    """
    if name not in PREDICATES:
        raise ArgumentError(f"name must be a predicate, got {name!r}; legal names: {', '.join(PREDICATES)}")
    holds, signaling = PREDICATES[name]
    relation = compare(a_fmt, a_code, b_fmt, b_code)
    nans = [x.nan for x in (read(a_fmt, a_code), read(b_fmt, b_code)) if x.nan is not None]
    invalid = any(nan.signaling for nan in nans) or (signaling and relation is None)
    return Outcome(int(relation in holds), Flags(invalid=invalid))


# ---- total order ---------------------------------------------------------------------------------------------------


class _Key(NamedTuple):
    """Sorts as IEEE 754-2019 5.10 asks: class, then number, then the sign of a zero or the payload of a NaN."""

    kind: int  # -2 negative NaN, -1 -infinity, 0 number, 1 infinity, 2 positive NaN
    fine: Fraction


def _key(fmt: Format, x: Operand) -> _Key:
    if x.kind is Kind.NAN:
        assert x.nan is not None
        magnitude = x.nan.payload + (0 if x.nan.signaling else 1)
        signed = isinstance(fmt, FloatFormat) and fmt.specials in (Specials.IEEE, Specials.FN)
        negative = x.negative if signed else not isinstance(fmt, ExponentFormat)
        return _Key(-2, -magnitude) if negative else _Key(2, magnitude)
    if x.kind is Kind.INFINITY:
        return _Key(-1 if x.negative else 1, Fraction(0))
    return _Key(0, Fraction(-1 if x.kind is Kind.ZERO and x.negative else 0))


def total_order(a_fmt: Format | str, a_code: int, b_fmt: Format | str, b_code: int) -> int:
    """-1, 0 or 1 in the total order; IEEE 754's totalOrder(a, b) is ``total_order(...) <= 0``.

    -NaN < -infinity < numbers < -0 < +0 < numbers < infinity < NaN; among the NaNs of a sign, larger magnitudes
    (quiet above signaling, then payloads) lie farther out. A NaN without a sign is the lowest value (P3109 v4.0 for its
    own, POSIT22 for NaR; fnuz, HiF8, takum and LNS follow, with the sign bit set), but that of E8M0 the highest.

    >>> total_order("binary16", 0x8000, "binary16", 0), total_order("p3109_k8p4se", 0x80, "p3109_k8p4se", 0xFF)
    (-1, -1)
    """
    a_fmt, b_fmt = get(a_fmt), get(b_fmt)
    a, b = read(a_fmt, a_code), read(b_fmt, b_code)
    key, other = _key(a_fmt, a), _key(b_fmt, b)
    if key.kind == other.kind == 0:
        numeric = order(a, b)
        if numeric:
            return numeric
    return (key > other) - (key < other)


# ---- minimum and maximum -------------------------------------------------------------------------------------------


def extreme(name: str, a: Operand, b: Operand, policy: str) -> Exact:
    """minimum, maximum, minimum_number, maximum_number and their _magnitude forms (IEEE 754-2019 9.6).

    -0 lies below +0. Without _number a NaN operand gives NaN; with it the other operand, a signaling NaN being invalid
    all the same.
    """
    if Kind.NAN in (a.kind, b.kind):
        if not name.endswith("_number") or a.kind == b.kind:
            return Exact(Kind.NAN, nan=propagate([a.nan, b.nan], policy))
        return _copy(b if a.kind is Kind.NAN else a)
    greater = name.startswith("maximum")
    if "magnitude" in name:
        larger = order(_absolute(a), _absolute(b))
        if larger:
            return _copy(a if (larger > 0) == greater else b)
    larger = order(a, b) or (a.kind is b.kind is Kind.ZERO and b.negative - a.negative)
    return _copy(a if (larger > 0) == greater else b)


def _absolute(x: Operand) -> Operand:
    return x._replace(negative=False, value=negate(x.value) if x.negative else x.value)


def _copy(x: Operand) -> Exact:
    return Exact(x.kind, x.negative, x.value)
