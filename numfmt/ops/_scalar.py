"""Arithmetic one element at a time in exact numbers: for what binary64 cannot hold, and where 64 bits do not decide.

Formats of more than 53 significant bits or wider range than binary64, irrational values (LNS, logarithmic takums),
stochastic roundings that look further than the kernels' words. Some ten to a hundred microseconds an element.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import floor
from typing import Any, NamedTuple

import numpy.typing as npt

from ..errors import ArgumentError
from ..formats.base import Format
from ..formats.codebook import CodebookFormat
from ..formats.conversion import REFUSE_OVERFLOW, Conversion, Policy, conversion
from ..formats.floating import MinifloatBase
from ..formats.integer import IntFormat
from ..formats.lns import LnsFormat
from ..formats.posit import PositFormat
from ..formats.real import Real, approximation
from ..formats.takum import TakumFormat, TakumLogFormat
from ..formats.unpacked import Kind, Unpacked
from ..rounding import Overflow, Rounding
from . import _exact_numbers as exact
from ._exact_numbers import Number, decide

__all__ = ["NO_POLES", "Call", "compute_scalars", "order", "read"]

Array = npt.NDArray[Any]
#: x / 0 is NaN (NaR) in these, not an infinity: P3109 v4.0 section 4.5, POSIT22 section 5.
NO_POLES = (PositFormat, TakumFormat, TakumLogFormat, LnsFormat)
INEXACT, UNDERFLOW, OVERFLOW, DIVIDE_BY_ZERO, INVALID = 1, 2, 4, 8, 16
_NAN = Unpacked.nan()


class Operand(NamedTuple):
    """A code's class and sign, and its value where that is a number."""

    kind: Kind
    negative: bool
    value: Number


class Call(NamedTuple):
    """What the results of a call depend on besides the operands."""

    op: str
    formats: tuple[Format, ...]
    target: Format
    policy: Policy
    tininess: str
    nan_for_poles: bool


class Outcome(NamedTuple):
    """An exact result (a number that is not 0, or a special value) and the flags of the operation itself."""

    result: Number | Unpacked
    flags: int = 0


@lru_cache(maxsize=1 << 14)
def read(fmt: Format, code: int) -> Operand:
    """The operand of a code."""
    unpacked = fmt.value_of(code)
    if unpacked.kind is not Kind.FINITE:
        return Operand(unpacked.kind, bool(unpacked.sign), Fraction(0))
    return Operand(Kind.FINITE, bool(unpacked.sign), exact.of_real(fmt.real_of(code)))


def _signed(x: Number, negative_zero: bool) -> Outcome:
    if isinstance(x, Fraction) and x == 0:
        return Outcome(Unpacked.zero(int(negative_zero)))
    return Outcome(x)


_INVALID = Outcome(_NAN, INVALID)


def _sum(addends: list[Operand], downward: bool) -> Outcome:
    infinite = {x.negative for x in addends if x.kind is Kind.INFINITY}
    if infinite:
        return _INVALID if len(infinite) == 2 else Outcome(Unpacked.infinity(int(infinite.pop())))
    signs = {x.negative for x in addends}
    if all(x.kind is Kind.ZERO for x in addends):
        return Outcome(Unpacked.zero(int(signs.pop() if len(signs) == 1 else downward)))
    total: Number = Fraction(0)
    for x in addends:
        total = exact.add(total, x.value)
    return _signed(total, downward)


def _opposite(x: Operand) -> Operand:
    return Operand(x.kind, not x.negative, exact.negate(x.value))


def _product(a: Operand, b: Operand) -> Operand | None:
    negative = a.negative != b.negative
    if Kind.INFINITY in (a.kind, b.kind):
        return None if Kind.ZERO in (a.kind, b.kind) else Operand(Kind.INFINITY, negative, Fraction(0))
    if Kind.ZERO in (a.kind, b.kind):
        return Operand(Kind.ZERO, negative, Fraction(0))
    return Operand(Kind.FINITE, negative, exact.multiply(a.value, b.value))


def _quotient(a: Operand, b: Operand) -> Outcome:
    negative = int(a.negative != b.negative)
    if a.kind is b.kind and a.kind is not Kind.FINITE:
        return _INVALID
    if a.kind is Kind.INFINITY or b.kind is Kind.ZERO:
        return Outcome(Unpacked.infinity(negative), 0 if a.kind is Kind.INFINITY else DIVIDE_BY_ZERO)
    if a.kind is Kind.ZERO or b.kind is Kind.INFINITY:
        return Outcome(Unpacked.zero(negative))
    return Outcome(exact.divide(a.value, b.value))


def _roots(op: str, a: Operand) -> Outcome:
    inverse = op == "rsqrt"
    if a.kind is Kind.ZERO:
        zero = int(a.negative)
        return Outcome(Unpacked.infinity(zero), DIVIDE_BY_ZERO) if inverse else Outcome(Unpacked.zero(zero))
    if a.negative:
        return _INVALID
    if a.kind is Kind.INFINITY:
        return Outcome(Unpacked.zero() if inverse else Unpacked.infinity())
    return Outcome(exact.root(exact.divide(Fraction(1), a.value) if inverse else a.value))


def _nearest_integer(x: Real) -> int:
    if isinstance(x, Fraction):
        return round(x)
    low, high = x.enclosure(2048)  # irrational: no tie
    assert round(low) == round(high)
    return -round(low) if x.sign else round(low)


def _remainder(a: Operand, b: Operand) -> Outcome:
    if a.kind is Kind.INFINITY or b.kind is Kind.ZERO:
        return _INVALID
    if a.kind is Kind.ZERO or b.kind is Kind.INFINITY:
        return Outcome(Unpacked.zero(int(a.negative)) if a.kind is Kind.ZERO else a.value)
    n = decide(exact.divide(a.value, b.value), _nearest_integer)
    return _signed(exact.add(a.value, exact.multiply(b.value, Fraction(-n))), a.negative)


def order(a: Operand, b: Operand) -> int:
    """-1, 0 or 1 of operands that are not NaN; zeros are equal."""
    ranks = [(-1 if x.negative else 1) if x.kind is Kind.INFINITY else 0 for x in (a, b)]
    if ranks != [0, 0]:
        return (ranks[0] > ranks[1]) - (ranks[0] < ranks[1])
    return exact.sign(exact.add(a.value, exact.negate(b.value)))


def _copied(x: Operand) -> Outcome:
    if x.kind is Kind.FINITE:
        return Outcome(x.value)
    sign = int(x.negative)
    if x.kind is Kind.NAN:
        return Outcome(_NAN)
    return Outcome(Unpacked.infinity(sign) if x.kind is Kind.INFINITY else Unpacked.zero(sign))


def _extreme(op: str, a: Operand, b: Operand) -> Outcome:
    """IEEE 754-2019 section 9.6; -0 lies below +0."""
    if Kind.NAN in (a.kind, b.kind):
        return _copied(b if (a.kind is Kind.NAN) == op.endswith("_number") else a)
    greater, larger = op.startswith("maximum"), 0
    if "magnitude" in op:
        larger = order(*(_opposite(x) if x.negative else x for x in (a, b)))
    larger = larger or order(a, b) or int(b.negative) - int(a.negative)
    return _copied(a if (larger > 0) == greater else b)


def _integral(a: Operand, mode: Rounding, draw: tuple[int, int] | None) -> Outcome:
    if a.kind is not Kind.FINITE:
        return _copied(a)

    def rounded(real: Real) -> int:
        x = approximation(real)
        whole = floor(x)
        nu = x - whole
        if mode.is_stochastic:
            return whole + (draw is not None and nu != 0 and mode.away_stochastic(nu, *draw))
        side = (2 * nu > 1) - (2 * nu < 1)
        return whole + (nu != 0 and mode.away(a.negative, side, whole % 2 == 0))

    integer = Fraction(decide(exact.negate(a.value) if a.negative else a.value, rounded))
    return _signed(-integer if a.negative else integer, a.negative)


def _result(op: str, x: list[Operand], downward: bool) -> Outcome:
    """The exact result of an operation on operands that are not NaN (IEEE 754-2019 sections 5.4, 6.1, 6.3)."""
    if op == "cast":
        return _copied(x[0])
    if op in ("add", "faa"):
        return _sum(x, downward)
    if op == "sub":
        return _sum([x[0], _opposite(x[1])], downward)
    if op == "div":
        return _quotient(x[0], x[1])
    if op == "remainder":
        return _remainder(x[0], x[1])
    if op in ("sqrt", "rsqrt"):
        return _roots(op, x[0])
    product = _product(x[0], x[1])
    if product is None:
        return _INVALID
    if op == "fma":
        return _sum([product, x[2]], downward)
    if product.kind is Kind.FINITE:
        return Outcome(product.value)
    negative = int(product.negative)
    return Outcome(Unpacked.infinity(negative) if product.kind is Kind.INFINITY else Unpacked.zero(negative))


# ---- rounding ------------------------------------------------------------------------------------------------------


def _encoded(x: Number, conv: Conversion, draw: tuple[int, int] | None) -> int:
    return decide(x, lambda real: conv.encode_exact(real, draw))


def round_number(
    x: Number, target: Format, policy: Policy, tininess: str, draw: tuple[int, int] | None
) -> tuple[int, int]:
    """Code (or the mark of a refusal) and flags of a number other than 0."""
    mark = _encoded(x, conversion(target, policy), draw)
    if _overflows(x, target, policy, draw):
        return mark, INEXACT | OVERFLOW
    if mark < 0:
        return mark, 0
    value = exact.of_real(target.real_of(mark)) if target.value_of(mark).is_finite else None
    if value == x:
        return mark, 0
    return mark, INEXACT | (UNDERFLOW if _is_tiny(x, target, policy, tininess, draw) else 0)


def _overflows(x: Number, target: Format, policy: Policy, draw: tuple[int, int] | None) -> bool:
    if target.above_max is None:
        if exact.exceeds(x, target.real_of(target.max_code)):
            return True
    elif exact.sign(x) > 0:
        refusing = policy._replace(overflow=Overflow.RAISE)
        return _encoded(x, conversion(target, refusing), draw) == REFUSE_OVERFLOW
    if target.below_min is None and target.real_negative:
        return exact.sign(x) < 0 and exact.exceeds(exact.negate(x), _negated(target.real_of(target.min_code)))
    if target.below_min is None:
        return exact.sign(x) < 0
    refusing = policy._replace(overflow=Overflow.RAISE)
    return exact.sign(x) < 0 and _encoded(x, conversion(target, refusing), draw) == REFUSE_OVERFLOW


def _negated(x: Real) -> Real:
    return -x


def _is_tiny(x: Number, fmt: Format, policy: Policy, tininess: str, draw: tuple[int, int] | None) -> bool:
    """IEEE 754-2019 section 7.5: below the smallest normal number; `tininess` says before or after rounding."""
    if isinstance(fmt, (IntFormat, CodebookFormat)):
        return False
    negative = exact.sign(x) < 0
    magnitude = exact.negate(x) if negative else x
    if not isinstance(fmt, MinifloatBase):
        return not exact.exceeds(magnitude, fmt.real_of(fmt.smallest_code)) and magnitude != exact.of_real(
            fmt.real_of(fmt.smallest_code)
        )
    normal, p = Fraction(2) ** (1 - fmt.bias), fmt.precision
    if magnitude == normal or exact.exceeds(magnitude, normal):
        return False
    if tininess == "before":
        return True

    def reaches(real: Real) -> bool:
        if not isinstance(real, Fraction):
            low, high = real.enclosure(512)  # irrational: on neither side of it lies a rational where this changes
            assert reaches(low) == reaches(high)
            return reaches(low)
        significand = real / normal * 2**p
        if floor(significand) < 2**p - 1:
            return False
        nu = significand - floor(significand)
        if policy.rounding.is_stochastic:
            return draw is not None and policy.rounding.away_stochastic(nu, *draw)
        half = Fraction(1, 2)
        return nu != 0 and policy.rounding.away(negative, (nu > half) - (nu < half), False)

    return not decide(magnitude, reaches)


def compute_scalars(
    call: Call,
    codes: list[Array],
    result: Array,
    flags: Array,
    draws: tuple[Array, int] | None,
) -> None:
    """Results and flags of flat codes; errors name the first element that the policy refuses."""
    from ..formats.conversion import refuse

    conv = conversion(call.target, call.policy)
    downward = call.policy.rounding is Rounding.TOWARD_NEGATIVE
    memo: dict[tuple[int, ...], tuple[int, int]] = {}
    for i, key in enumerate(zip(*(c.tolist() for c in codes), strict=True)):
        found = memo.get(key) if draws is None else None
        if found is None:
            draw = None if draws is None else (int(draws[0][i]), draws[1])
            found = _one(call, key, conv, downward, draw)
            if found[0] < 0:
                refuse(found[0], call.target, call.policy, f"flat index {i} of the result")
            if draws is None:
                memo[key] = found
        result[i], flags[i] = found


def _one(
    call: Call, codes: tuple[int, ...], conv: Conversion, downward: bool, draw: tuple[int, int] | None
) -> tuple[int, int]:
    operands = [read(f, c) for f, c in zip(call.formats, codes, strict=True)]
    unrepresented = INVALID if call.target.nan_code is None else 0
    if call.op.startswith(("minimum", "maximum")):
        return _delivered(call, _extreme(call.op, operands[0], operands[1]), conv, draw)
    if any(x.kind is Kind.NAN for x in operands):
        lost = call.op == "fma" and Kind.NAN not in (operands[0].kind, operands[1].kind)
        invalid = INVALID if lost and _product(operands[0], operands[1]) is None else 0
        return conv.encode_exact(_NAN), unrepresented | invalid
    if call.op.startswith("round_to_integral"):
        outcome = _integral(operands[0], call.policy.rounding, draw)
        mark, flags = _delivered(call, outcome, conv, draw)
        changed = outcome.result != operands[0].value and operands[0].kind is Kind.FINITE
        return mark, flags | (INEXACT if changed and call.op.endswith("_exact") else 0)
    return _delivered(call, _result(call.op, operands, downward), conv, draw)


def _delivered(call: Call, outcome: Outcome, conv: Conversion, draw: tuple[int, int] | None) -> tuple[int, int]:
    """Code and flags of an exact result."""
    result, flags = outcome
    if not isinstance(result, Unpacked):
        mark, raised = round_number(result, call.target, call.policy, call.tininess, draw)
        return mark, flags | raised
    pole = bool(flags & DIVIDE_BY_ZERO)
    if pole and isinstance(call.target, IntFormat):
        raise ArgumentError(f"division by zero has no result in {call.target.name}; mask zero divisors first")
    if pole and call.nan_for_poles:
        result = _NAN
    mark = conv.encode_exact(result, draw)
    if result.kind is Kind.NAN:
        flags |= INVALID if call.target.nan_code is None else 0
    elif result.kind is Kind.INFINITY and not pole:
        flags |= 0 if mark == call.target.infinity_codes[result.sign] else INVALID
    elif result.kind is Kind.ZERO and not call.target.has_zero:
        flags |= INEXACT
    return mark, flags
