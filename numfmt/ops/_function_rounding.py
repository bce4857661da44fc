"""One rounding of tabulated results: leading bits to codes of any format of at most 32 bits, and the IEEE flags.

The leading 64 bits become one binary64 number by rounding to odd: cut off to 53 bits, last bit set where anything was
lost. Such a number lies on the same side of every number of at most 52 bits as the result itself, and equals one only
if the result does; so the format's own conversion from binary64, which rounds once, gives the result's rounding.
Formats whose breakpoints may need more bits (logarithmic ones, codebooks, strangers) are asked twice, 2 units of the
53rd bit below and above, and where the answers differ the exact result decides.
"""

from __future__ import annotations

import contextlib
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .._lowering import encode_plan
from ..formats.base import Format
from ..formats.codebook import CodebookFormat
from ..formats.conversion import Conversion, Policy, conversion
from ..formats.exponent import ExponentFormat
from ..formats.floating import MinifloatBase, P3109Format
from ..formats.hif8 import HiFloat8Format
from ..formats.integer import IntFormat
from ..formats.lns import LnsFormat
from ..formats.posit import PositFormat
from ..formats.real import Exponential, Real, approximation, compare
from ..formats.tables import encode_scalars, encode_steps, has_steps
from ..formats.takum import TakumFormat, TakumLogFormat
from ..formats.unpacked import Kind
from ..rounding import Rounding
from ._elementary import Event, Leading, beside_irrational, closed_form, leading_of_fraction, refined
from ._function_tables import FunctionTable, function_table, operand

__all__ = ["Flagged", "flag_tables", "rounded_codes"]

Array = npt.NDArray[Any]
#: Values and breakpoints are dyadic with at most 52 bits.
_DYADIC = (MinifloatBase, PositFormat, TakumFormat, IntFormat, HiFloat8Format, ExponentFormat)
_NO_POLES = (PositFormat, TakumFormat, TakumLogFormat, LnsFormat)
_MOST_BITS = 1 << 15


class Flagged(NamedTuple):
    """Flags by operand code."""

    inexact: Array
    underflow: Array
    overflow: Array
    divide_by_zero: Array
    invalid: Array


@lru_cache(maxsize=256)
def rounded_codes(name: str, source: Format, fmt: Format, policy: Policy) -> Array:
    """The result code (or REFUSE mark) for every code of `source`, padded with 0 to 256 or 65536 entries."""
    table, conv = function_table(name, source), conversion(fmt, policy)
    specials = conv.specials
    codes = np.full(source.code_count, specials.nan_pos, np.int64)
    pole = table.event == Event.DIVIDE_BY_ZERO
    for kind, positive, negative in (
        (Kind.ZERO, specials.zero_pos, specials.zero_neg),
        (Kind.INFINITY, specials.inf_pos, specials.inf_neg),
    ):
        at = (table.kind == kind) & ~(pole & _pole_is_nan(name, fmt))
        codes[at] = np.where(table.sign[at] == 1, negative, positive)
    at = np.flatnonzero(table.kind == Kind.FINITE)
    codes[at] = _round_finite(name, source, table, at, conv)
    padded = np.zeros(256 if source.bits <= 8 else 65536, np.int64)
    padded[: codes.size] = codes
    padded.setflags(write=False)
    return padded


def _pole_is_nan(name: str, fmt: Format) -> bool:
    """An exact infinity of a finite operand is NaR in posits (POSIT22) and takums, NaN in LNS, and in P3109 for rsqrt
    (RSqrt(x) = NaN for x <= 0, as Recip(0) = NaN) but not for the logarithms (Log(0) = -Inf)."""
    return isinstance(fmt, _NO_POLES) or (name == "rsqrt" and isinstance(fmt, P3109Format))


def _round_finite(name: str, source: Format, table: FunctionTable, at: Array, conv: Conversion) -> Array:
    if not _within_binary64(conv.fmt):
        return np.array([_decide(name, source, table, c, conv) for c in at.tolist()], np.int64)
    x = odd_binary64(table, at)
    codes = _encode(conv, x)
    if not isinstance(conv.fmt, _DYADIC):
        below, above = (np.nextafter(np.nextafter(x, end), end) for end in (-np.inf, np.inf))
        for i in np.flatnonzero(_encode(conv, below) != _encode(conv, above)).tolist():
            codes[i] = _decide(name, source, table, int(at[i]), conv)
    return codes


def _within_binary64(fmt: Format) -> bool:
    """Whether every value and breakpoint lies well within the normal range of binary64, with at most 52 bits."""
    if isinstance(fmt, MinifloatBase) and fmt.precision > 50:
        return False
    limit = Fraction(2) ** 1000
    ends = [abs(approximation(fmt.real_of(c))) for c in (fmt.max_code, fmt.min_code)]
    with contextlib.suppress(ValueError):  # no positive value
        ends += [1 / approximation(fmt.real_of(fmt.smallest_code))]
    return max(ends) < limit


def odd_binary64(table: FunctionTable, at: Array) -> npt.NDArray[np.float64]:
    """Finite results rounded to odd in binary64; beyond its normal range, a number that any format takes for beyond."""
    significand, exponent = table.significand[at], table.exponent[at]
    cut = np.uint64(11)
    kept = significand >> cut
    lost = (significand & np.uint64(0x7FF)) != 0
    kept |= (lost | (table.exact[at] == 0)).astype(np.uint64)
    values = np.ldexp(kept.astype(np.float64), np.clip(exponent, -1020, 1020) - 52)
    return np.where(table.sign[at] == 1, -values, values)


def _encode(conv: Conversion, x: npt.NDArray[np.float64]) -> Array:
    codes = np.empty(x.size, conv.fmt.code_dtype)
    if encode_plan(conv.fmt, conv.policy, np.dtype(np.float64)).run(x, codes):
        # Something is refused: the definition marks which.
        return encode_steps(conv, x) if has_steps(conv) else np.array(encode_scalars(conv, x), np.int64)
    return codes.astype(np.int64)


# ---- one result, exactly -------------------------------------------------------------------------------------------


def _exact_result(name: str, source: Format, code: int, leading: Leading) -> Real | None:
    if leading.exact:
        return _bound(leading, 0)
    if abs(leading.exponent) > 1 << 12:
        return None  # closed forms of this size would be compared at great cost, and are beyond logarithmic formats
    return closed_form(name, operand(source, code))


def _bound(leading: Leading, step: int) -> Fraction:
    value = (leading.significand + step) * Fraction(2) ** (leading.exponent - 63)
    return -value if leading.sign else value


def _leading(table: FunctionTable, code: int) -> Leading:
    return Leading(
        int(table.sign[code]), int(table.exponent[code]), int(table.significand[code]), bool(table.exact[code])
    )


def _decide(name: str, source: Format, table: FunctionTable, code: int, conv: Conversion) -> int:
    """Code of one finite result by the definition of encoding, with as many bits as it takes."""
    leading = _leading(table, code)
    if leading.exact:
        return conv.encode_exact(_bound(leading, 0))
    # The result lies strictly between these two; encoding is monotone.
    inner, outer = _bound(leading, 0), _bound(leading, 1)
    if isinstance(conv.fmt, _DYADIC):
        return conv.encode_exact((inner + outer) / 2)  # breakpoints have fewer bits: none lies between
    nudge = (outer - inner) / 2**1000  # keeps off the ends, where tails (1 - exp(-1e38)) press against a value
    low = conv.encode_exact(inner + nudge)
    if low == conv.encode_exact(outer - nudge):
        return low
    exact = _exact_result(name, source, code, leading)
    if exact is None:
        exact = beside_irrational(name, operand(source, code))
    if exact is not None:
        return conv.encode_exact(exact)
    bits = 128
    while bits <= _MOST_BITS:
        low, high = (conv.encode_exact(bound) for bound in refined(name, operand(source, code), bits))
        if low == high:
            return low
        bits *= 2
    raise ArithmeticError(f"{name} of {source.name} code {code:#x} is not decided by {_MOST_BITS} bits")


# ---- flags ---------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def flag_tables(name: str, source: Format, fmt: Format, policy: Policy, tininess: str) -> Flagged:
    """IEEE 754-2019 section 7 by operand code; the same definitions for formats of every family."""
    table = function_table(name, source)
    codes = rounded_codes(name, source, fmt, policy)
    size, count = codes.size, source.code_count
    flags = Flagged(*(np.zeros(size, bool) for _ in range(5)))
    flags.divide_by_zero[:count] = table.event == Event.DIVIDE_BY_ZERO
    # Also what the format cannot hold: a NaN without a code, an infinity that is no result of a pole.
    infinite = codes[:count] != np.array([-3 if c is None else c for c in fmt.infinity_codes])[table.sign]
    unheld = (table.kind == Kind.INFINITY) & infinite & (table.event == Event.NONE)
    flags.invalid[:count] = (table.event == Event.INVALID) | unheld
    if not fmt.has_nan:
        flags.invalid[:count] |= table.kind == Kind.NAN
    zero_codes = [c for c in fmt.zero_codes if c is not None]
    flags.inexact[:count] = (table.kind == Kind.ZERO) & ~np.isin(codes[:count], zero_codes)
    finite = table.kind == Kind.FINITE
    at = np.flatnonzero(finite)
    exact = _is_value(name, source, table, at, fmt, codes[at])
    if fmt.exact:
        over, tiny = _overflows(table, at, fmt, policy), _is_tiny(table, at, fmt, policy, tininess)
    else:
        # Irrational ends: cut toward zero, what lies beyond them becomes the end, and what lies below the smallest 0.
        inward = rounded_codes(name, source, fmt, policy._replace(rounding=Rounding.TOWARD_ZERO))[at]
        over, tiny = np.isin(inward, (fmt.max_code, fmt.min_code)), np.isin(inward, zero_codes)
        over &= ~_is_value(name, source, table, at, fmt, inward)
    flags.overflow[at] = over
    flags.inexact[at] = over | ~exact
    flags.underflow[at] = (
        flags.inexact[at] & tiny & ~over
    )  # below 0 in an unsigned format: out of range, whatever its size
    for flag in flags:
        flag.setflags(write=False)
    return flags


def _beside(table: FunctionTable, at: Array, limit: Fraction) -> Array:
    """Sign of |result| - limit for a positive limit of at most 64 bits."""
    edge = leading_of_fraction(limit)
    assert edge.exact
    exponent, significand = table.exponent[at].astype(np.int64), table.significand[at]
    bits = np.where(significand > np.uint64(edge.significand), 1, -1)
    bits[significand == np.uint64(edge.significand)] = 0
    bits = np.where((bits == 0) & (table.exact[at] == 0), 1, bits)
    return np.where(exponent == edge.exponent, bits, np.sign(exponent - edge.exponent))


def _overflows(table: FunctionTable, at: Array, fmt: Format, policy: Policy) -> Array:
    """Whether the result, rounded with unbounded range, is none of the format's."""
    over = np.zeros(at.size, bool)
    for negative, end_code, successor in ((False, fmt.max_code, fmt.above_max), (True, fmt.min_code, fmt.below_min)):
        side = np.flatnonzero((table.sign[at] == 1) == negative)
        mine = at[side]
        end = abs(approximation(fmt.real_of(end_code)))
        if negative and not fmt.is_signed:
            end = Fraction(0)
        beyond = _beside(table, mine, end) > 0 if end else np.ones(mine.size, bool)
        if successor is None:
            over[side] = beyond
            continue
        outside = _beside(table, mine, abs(successor)) >= 0
        middle = _beside(table, mine, (end + abs(successor)) / 2)
        even = end_code % 2 == 0
        away = np.array([policy.rounding.away(negative, s, even) for s in (-1, 0, 1)])[middle + 1]
        over[side] = outside | (beyond & away)
    return over


def _is_value(name: str, source: Format, table: FunctionTable, at: Array, fmt: Format, codes: Array) -> Array:
    """Whether the result is exactly the value of its code."""
    same = np.zeros(at.size, bool)
    exact = table.exact[at] == 1
    if not fmt.exact:
        exact = np.ones(at.size, bool)  # irrational results may be values too
    for i in np.flatnonzero(exact & (codes >= 0)).tolist():
        unpacked = fmt.value_of(int(codes[i]))
        if unpacked.is_finite:
            result = _exact_result(name, source, int(at[i]), _leading(table, int(at[i])))
            value = fmt.real_of(int(codes[i]))
            if isinstance(result, Exponential) or isinstance(value, Exponential):
                same[i] = result is not None and compare(result, value) == 0
            else:
                same[i] = result == value
    return same


def _is_tiny(table: FunctionTable, at: Array, fmt: Format, policy: Policy, tininess: str) -> Array:
    """7.5: magnitude below the smallest normal number, before or after rounding to precision with unbounded range."""
    normal = _smallest_normal(fmt)
    if normal is None:
        return np.zeros(at.size, bool)
    tiny = _beside(table, at, normal) < 0
    if tininess == "before" or not isinstance(fmt, MinifloatBase):
        return tiny
    # After rounding: only results above the last number below `normal` can reach it, whose significand is all ones.
    step = normal / 2**fmt.precision
    near = tiny & (_beside(table, at, normal - step) > 0)
    side = _beside(table, at, normal - step / 2)
    even = fmt.precision == 1  # the significand below is odd, except that with one bit codes alternate
    for i in np.flatnonzero(near).tolist():
        if policy.rounding.away(bool(table.sign[at[i]]), int(side[i]), even):
            tiny[i] = False
    return tiny


def _smallest_normal(fmt: Format) -> Fraction | None:
    """None for integers and codebooks, which never underflow."""
    if isinstance(fmt, (IntFormat, CodebookFormat)):
        return None
    if isinstance(fmt, MinifloatBase):
        return Fraction(2) ** (1 - fmt.bias)
    try:
        return abs(approximation(fmt.real_of(fmt.smallest_code)))
    except ValueError:
        return None
