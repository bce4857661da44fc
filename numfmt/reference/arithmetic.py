"""Arithmetic the readable way: take the exact values of the codes, operate without rounding, round once.

The equations are those of IEEE 754-2019 sections 5 and 9; infinities, signs of zero (6.3) and NaNs (6.2) come first in
each function. What a format's own standard says otherwise is in ``projection.py``, the choice of NaN in ``nans.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import floor

from ..errors import ArgumentError, FormatMismatchError
from ..formats import CodebookFormat, Format, IntFormat
from ..formats import scalar as get
from ..formats.unpacked import Kind
from ..rounding import NaNRule, Overflow, Rounding
from . import exact
from .exact import Real, Sum, decide, sign
from .nans import default_nan, nan_policy, propagate
from .on_codes import neighbour, with_sign
from .operands import Exact, Flags, Operand, Outcome, opposite, read
from .ordering import extreme
from .projection import Projection, arithmetic_overflow
from .rounding import rounds_outward

__all__ = ["OPERATIONS", "operate"]

HALF = Fraction(1, 2)


@dataclass(frozen=True)
class _Call:
    """What operations may depend on besides their operands."""

    rounding: Rounding
    policy: str
    random: tuple[int, int] | None

    def number(self, x: Real, *, zero_is_negative: bool | None = None) -> Exact:
        """A finite result; an exact zero from a sum of opposites is -0 only in TOWARD_NEGATIVE (IEEE 754-2019 6.3)."""
        if sign(x):
            return Exact(Kind.FINITE, sign(x) < 0, x)
        if zero_is_negative is None:
            zero_is_negative = self.rounding is Rounding.TOWARD_NEGATIVE
        return Exact(Kind.ZERO, zero_is_negative)

    def invalid(self) -> Exact:
        """The NaN of an invalid operation."""
        return Exact(Kind.NAN, nan=default_nan(self.policy), invalid=True)


def _infinity(negative: bool, *, divide_by_zero: bool = False) -> Exact:
    return Exact(Kind.INFINITY, negative, divide_by_zero=divide_by_zero)


def _zero(negative: bool) -> Exact:
    return Exact(Kind.ZERO, negative)


# ---- sums and products ---------------------------------------------------------------------------------------------


def _sum(call: _Call, *addends: Operand) -> Exact:
    """add and fused add-add: infinities of both signs are invalid; zeros of one sign keep it."""
    infinite = {x.negative for x in addends if x.kind is Kind.INFINITY}
    if infinite:
        return call.invalid() if len(infinite) == 2 else _infinity(infinite.pop())
    if all(x.kind is Kind.ZERO for x in addends) and len({x.negative for x in addends}) == 1:
        return _zero(addends[0].negative)
    total: Fraction | Sum = Fraction(0)
    for x in addends:
        total = exact.add(total, x.value)
    return call.number(total)


def _subtract(call: _Call, a: Operand, b: Operand) -> Exact:
    return _sum(call, a, opposite(b))


def _product(a: Operand, b: Operand) -> Operand | None:
    """The exact product; None for 0 * infinity."""
    negative, kinds = a.negative != b.negative, {a.kind, b.kind}
    if Kind.INFINITY in kinds:
        return None if Kind.ZERO in kinds else Operand(Kind.INFINITY, negative)
    kind = Kind.ZERO if Kind.ZERO in kinds else Kind.FINITE
    return Operand(kind, negative, exact.multiply(a.value, b.value))


def _multiply(call: _Call, a: Operand, b: Operand) -> Exact:
    found = _product(a, b)
    return call.invalid() if found is None else Exact(found.kind, found.negative, found.value)


def _fused_multiply_add(call: _Call, a: Operand, b: Operand, c: Operand) -> Exact:
    found = _product(a, b)
    return call.invalid() if found is None else _sum(call, found, c)


# ---- quotients and roots -------------------------------------------------------------------------------------------


def _divide(call: _Call, a: Operand, b: Operand) -> Exact:
    negative = a.negative != b.negative
    if a.kind is b.kind and a.kind is not Kind.FINITE:
        return call.invalid()  # 0 / 0, infinity / infinity
    if a.kind is Kind.INFINITY or b.kind is Kind.ZERO:
        return _infinity(negative, divide_by_zero=a.kind is not Kind.INFINITY)
    if a.kind is Kind.ZERO or b.kind is Kind.INFINITY:
        return _zero(negative)
    return call.number(exact.divide(a.value, b.value))


def _reciprocal(call: _Call, a: Operand) -> Exact:
    return _divide(call, Operand(Kind.FINITE, False, Fraction(1)), a)


def _square_root(call: _Call, a: Operand) -> Exact:
    if a.kind is Kind.ZERO:
        return _zero(a.negative)
    if a.negative:
        return call.invalid()
    return _infinity(False) if a.kind is Kind.INFINITY else call.number(exact.root(a.value))


def _reciprocal_square_root(call: _Call, a: Operand) -> Exact:
    """IEEE 754-2019 table 9.1: rSqrt of a zero is the infinity of its sign, with divideByZero."""
    if a.kind is Kind.ZERO:
        return _infinity(a.negative, divide_by_zero=True)
    if a.negative:
        return call.invalid()
    if a.kind is Kind.INFINITY:
        return _zero(False)
    return call.number(exact.root(exact.divide(Fraction(1), a.value)))


def _remainder(call: _Call, a: Operand, b: Operand) -> Exact:
    """IEEE 754-2019 5.3.1: x - y * n, n the integer nearest x / y, the even one of two; a zero has the sign of x."""
    if a.kind is Kind.INFINITY or b.kind is Kind.ZERO:
        return call.invalid()
    if a.kind is Kind.ZERO or b.kind is Kind.INFINITY:
        return Exact(a.kind, a.negative, a.value)
    n = decide(exact.divide(a.value, b.value), round)
    rest = exact.add(a.value, exact.multiply(b.value, Fraction(-n)))
    return call.number(rest, zero_is_negative=a.negative)


# ---- rounding to an integer ----------------------------------------------------------------------------------------


def _round_to_integral(call: _Call, a: Operand) -> Exact:
    """IEEE 754-2019 5.9: the integer keeps the sign of x, a zero too; TO_ODD takes the odd one of two integers."""
    if a.kind is not Kind.FINITE:
        return Exact(a.kind, a.negative)
    magnitude = exact.negate(a.value) if a.negative else a.value

    def rounded(x: Fraction) -> int:
        whole = floor(x)
        nu = x - whole
        side = (nu > HALF) - (nu < HALF)
        return whole + (
            nu != 0
            and rounds_outward(
                call.rounding,
                negative=a.negative,
                side=side,
                inner_is_even=whole % 2 == 0,
                nu=nu,
                random=call.random,
            )
        )

    integer = Fraction(decide(magnitude, rounded))
    return call.number(-integer if a.negative else integer, zero_is_negative=a.negative)


def _copy(call: _Call, a: Operand) -> Exact:
    return Exact(a.kind, a.negative, a.value)


_Function = Callable[..., Exact]
#: Functions of operands that are not NaN.
_FUNCTIONS: dict[str, tuple[int, _Function]] = {
    "add": (2, _sum),
    "sub": (2, _subtract),
    "mul": (2, _multiply),
    "div": (2, _divide),
    "fma": (3, _fused_multiply_add),
    "faa": (3, _sum),
    "sqrt": (1, _square_root),
    "rsqrt": (1, _reciprocal_square_root),
    "reciprocal": (1, _reciprocal),
    "remainder": (2, _remainder),
    "round_to_integral": (1, _round_to_integral),
    "round_to_integral_exact": (1, _round_to_integral),
    "cast": (1, _copy),
}
_EXTREMES = tuple(
    f"{name}{magnitude}{number}"
    for name in ("minimum", "maximum")
    for magnitude in ("", "_magnitude")
    for number in ("", "_number")
)
_SIGN_OPERATIONS = {"negate": 1, "abs": 1, "copysign": 2}
#: Number of operands of every operation.
OPERATIONS: dict[str, int] = (
    {name: arity for name, (arity, _) in _FUNCTIONS.items()}
    | dict.fromkeys(_EXTREMES, 2)
    | {"next_up": 1, "next_down": 1}
    | _SIGN_OPERATIONS
)


def operate(
    op: str,
    operands: Sequence[tuple[Format | str, int]],
    fmt: Format | str,
    *,
    rounding: Rounding | str | None = None,
    overflow: Overflow | str | None = None,
    nan: NaNRule | str | None = None,
    tininess: str = "after",
    random: tuple[int, int] | None = None,
) -> Outcome:
    """One operation on codes, exact and then rounded once: the witness of the library's arithmetic.

    Parameters
    ----------
    op : str
        A name in `OPERATIONS`: add sub mul div fma (a * b + c) faa (a + b + c) sqrt rsqrt reciprocal remainder
        round_to_integral (never inexact) round_to_integral_exact cast, minimum and maximum with _magnitude, _number or
        both, next_up next_down negate abs copysign.
    operands : sequence of (format, code)
        Scalar, real formats, each its own.
    fmt : Format or str
        The format of the result; that of the operand for next_up and next_down.
    rounding : member or name, optional
        Default: that of `fmt`. It also is the direction of round_to_integral.
    overflow : member or name, optional
        Default: `arithmetic_overflow`.
    nan : str or NaNRule, optional
        "canonical" (default), "x86_sse", "arm", "arm_default", "riscv" (``nans.py``); or the rule ("zero", "max", ...)
        for a format without NaN, where the default is an error.
    tininess : {"after", "before"}
        When underflow is detected.
    random : (integer, width), optional
        For the stochastic roundings.

    Returns
    -------
    Outcome
        ``(code, flags)``.

    Raises
    ------
    ArgumentError
        An unknown operation, a wrong number of operands, next_up into another format.
    NaNError, FormatOverflowError
        Where the policy refuses the result.

    Notes
    -----
    negate, abs and copysign change the sign bit of an IEEE or ``fn`` code, NaN included, and raise nothing. Round to
    integral rounds a second time where `fmt` lacks the integer (logarithmic formats). next_up of the largest value of a
    format without infinity is that value, of a posit or takum NaR, whose own next_up is the smallest value (POSIT22:
    the successor of the bit string).

    >>> operate("add", [("fp8_e4m3fn", 0x7E), ("fp8_e4m3fn", 0x7E)], "fp8_e4m3fn").code
    127
    >>> operate("fma", [("fp8_e4m3fn", c) for c in (0x0D, 0x1A, 0x81)], "fp8_e4m3fn", rounding="toward_positive").code
    1
    """
    fmt = get(fmt)
    if op not in OPERATIONS:
        raise ArgumentError(f"op must name an operation, got {op!r}; legal names: {', '.join(OPERATIONS)}")
    if len(operands) != OPERATIONS[op]:
        raise ArgumentError(f"{op} takes {OPERATIONS[op]} operands, got {len(operands)}")
    if fmt.is_complex:
        raise FormatMismatchError(f"fmt must be a real format, got {fmt.name}, which holds complex numbers")
    formats = [get(f) for f, _ in operands]
    codes = [int(code) for _, code in operands]
    values = [read(f, code) for f, code in zip(formats, codes, strict=True)]
    to_integer = op == "cast" and isinstance(fmt, IntFormat) and not isinstance(formats[0], (IntFormat, CodebookFormat))
    projection = _projection(fmt, rounding, overflow, nan, tininess, random, to_integer)
    if op in _SIGN_OPERATIONS:
        return with_sign(op, formats[0], codes[0], values, projection)
    if op in ("next_up", "next_down"):
        if formats[0] != fmt:
            raise ArgumentError(
                f"{op} takes an operand of the result's format {fmt.name}, got {formats[0].name}; cast it"
            )
        return neighbour(op == "next_up", fmt, codes[0], values[0], projection)
    call = _Call(projection.rounding, projection.nan, random)
    signaling = any(x.nan is not None and x.nan.signaling for x in values)
    result = _result(op, call, values)
    outcome = projection.code(result)
    flags = outcome.flags | Flags(invalid=signaling)
    if op == "round_to_integral_exact" and result.value != values[0].value:
        flags |= Flags(inexact=True)
    return Outcome(outcome.code, flags)


@lru_cache(maxsize=256)
def _projection(
    fmt: Format,
    rounding: Rounding | str | None,
    overflow: Overflow | str | None,
    nan: NaNRule | str | None,
    tininess: str,
    random: tuple[int, int] | None,
    to_integer: bool,
) -> Projection:
    policy, rule = nan_policy(nan)
    return Projection(
        fmt=fmt,
        rounding=fmt.default_rounding if rounding is None else Rounding.parse(rounding),
        overflow=arithmetic_overflow(fmt) if overflow is None else Overflow.parse(overflow),
        overflow_given=overflow is not None,
        nan=policy,
        nan_rule=rule,
        tininess=tininess,
        random=random,
        to_integer=to_integer,
    )


def _result(op: str, call: _Call, values: list[Operand]) -> Exact:
    if op in _EXTREMES:
        return extreme(op, values[0], values[1], call.policy)
    nans = [x.nan for x in values]
    if any(nan is not None for nan in nans):
        if op == "fma" and nans[:2] == [None, None] and _product(values[0], values[1]) is None:
            # 0 * infinity + NaN: invalid, and its default NaN goes first into the choice (SoftFloat 3e mulAdd).
            chosen = propagate([default_nan(call.policy), nans[2]], call.policy)
            return Exact(Kind.NAN, nan=chosen, invalid=True)
        return Exact(Kind.NAN, nan=propagate(nans, call.policy))
    return _FUNCTIONS[op][1](call, *values)
