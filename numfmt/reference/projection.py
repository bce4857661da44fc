"""From an exact result to a code: one rounding, then the overflow policy, with the exceptions of IEEE 754.

Inexact, underflow, overflow, divide by zero and invalid are those of IEEE 754-2019 section 7. For formats that IEEE 754
does not know they follow the same definitions:

* inexact: the delivered value is not the exact one (always so when overflow is raised);
* overflow: the magnitude, rounded with unbounded exponent, exceeds the largest value; in formats that take their
  largest value for everything beyond it (posits, takums, LNS, codebooks), the exact value exceeds it; a negative number
  without a place in an unsigned format;
* underflow: tiny and inexact. Tiny is a non-zero magnitude below the smallest normal number (of formats without
  subnormals, the smallest number), before or after rounding to the format's precision. Integers, fixed point and
  codebooks never underflow;
* divide_by_zero: an exact infinite result of finite operands, whatever the format makes of it;
* invalid: no useful definable result; a NaN or an infinite operand that the format cannot represent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import floor

from ..errors import ArgumentError, NaNError
from ..formats import (
    CodebookFormat,
    ExponentFormat,
    FloatFormat,
    Format,
    IntFormat,
    LnsFormat,
    P3109Format,
    PositFormat,
    Specials,
    TakumFormat,
    TakumLogFormat,
)
from ..formats.unpacked import Kind
from ..rounding import NaNRule, Overflow, Rounding
from .decode import decode
from .encode import _infinities, _nan_code, _Policy
from .exact import Real, Root, compare, decide, negate, sign
from .log_places import place_logarithmic
from .nans import default_nan, integer_code, packed_nan
from .operands import Exact, Flags, NaN, Outcome, read
from .places import floor_log2, place
from .rounding import rounds_outward

__all__ = ["Projection", "arithmetic_overflow"]

HALF = Fraction(1, 2)
_SATURATED = Flags(inexact=True, overflow=True)
#: P3109 v4.0 and POSIT22: a quotient by zero is NaN (NaR), not an infinity; takum and LNS follow.
_NO_POLES = (P3109Format, PositFormat, TakumFormat, TakumLogFormat, LnsFormat)


def arithmetic_overflow(fmt: Format) -> Overflow:
    """The overflow rule of results when none is asked for: the non-saturating one of the format's own standard.

    IEEE 754, OCP and fnuz floats and E8M0: NONSATURATING; formats without specials (fp6, fp4) and every other family:
    the default of conversion, which already is their standard's rule.

    >>> import numfmt as nf
    >>> [arithmetic_overflow(nf.get(n)).name for n in ("fp8_e4m3fn", "fp4_e2m1", "p3109_k8p4se", "int8")]
    ['NONSATURATING', 'SATURATE', 'SAT_NONE', 'SATURATE']
    """
    has_room = isinstance(fmt, FloatFormat) and fmt.specials is not Specials.FINITE
    return Overflow.NONSATURATING if has_room or isinstance(fmt, ExponentFormat) else fmt.default_overflow


@dataclass(frozen=True)
class Projection:
    """The destination of a result and every policy on the way; `to_integer` is IEEE 754-2019 5.8's conversion.

    `code(exact)` rounds, saturates and encodes.
    """

    fmt: Format
    rounding: Rounding
    overflow: Overflow
    nan: str
    nan_rule: NaNRule | None
    tininess: str
    random: tuple[int, int] | None
    to_integer: bool = False
    overflow_given: bool = False

    def __post_init__(self) -> None:
        if self.tininess not in ("after", "before"):
            raise ArgumentError(f"tininess must be 'after' or 'before', got {self.tininess!r}")

    @cached_property
    def policy(self) -> _Policy:
        """The policy of conversion that decides signs of zero, overflow and NaN codes."""
        has_nan = _nan_code(self.fmt, NaNRule.CANONICAL, False) is not None
        rule = self.nan_rule or (NaNRule.CANONICAL if has_nan else NaNRule.RAISE)
        return _Policy(self.fmt, self.rounding, self.overflow, rule, "smallest", "overflow")

    def code(self, result: Exact) -> Outcome:
        """The code and flags of an exact result."""
        if result.kind is Kind.NAN:
            outcome = self.nan_outcome(result.nan or default_nan(self.nan))
        elif result.kind is Kind.INFINITY:
            outcome = self.infinite(result.negative, result.divide_by_zero)
        elif result.kind is Kind.ZERO:
            code = self.policy.encode_zero(result.negative, self.random)
            outcome = Outcome(code, Flags(inexact=decode(code, self.fmt) != 0))
        else:
            outcome = self.number(result.value)
        given = Flags(divide_by_zero=result.divide_by_zero, invalid=result.invalid)
        return Outcome(outcome.code, outcome.flags | given)

    # ---- NaN and infinities --------------------------------------------------------------------------------------

    def nan_outcome(self, nan: NaN) -> Outcome:
        """NaN as this format and policy have it; without NaN an error, unless a rule says otherwise."""
        fmt = self.fmt
        canonical = _nan_code(fmt, NaNRule.CANONICAL, False)
        flags = Flags(invalid=canonical is None)
        if self.nan_rule is not None:
            return Outcome(self.policy.nan_code(nan.negative), flags)
        if isinstance(fmt, IntFormat):
            ruled = integer_code(fmt, self.nan, None)
            if ruled is not None:
                return Outcome(ruled, flags)
        packed = None if self.nan == "canonical" else packed_nan(nan, fmt)
        code = canonical if packed is None else packed
        if code is None:
            raise NaNError(
                f"the result is NaN, which {fmt.name} cannot hold; pass nan='zero', nan='max' or another rule"
            )
        return Outcome(code, flags)

    def infinite(self, negative: bool, divide_by_zero: bool) -> Outcome:
        """An exact infinity."""
        if divide_by_zero and isinstance(self.fmt, _NO_POLES):
            return Outcome(self.nan_outcome(default_nan(self.nan)).code, Flags())
        ruled = self._ruled_integer(negative)
        code = self.policy.out_of_range(negative, infinite=True) if ruled is None else ruled
        return Outcome(code, Flags(invalid=code != _infinities(self.fmt)[negative] and not divide_by_zero))

    def _ruled_integer(self, negative: bool) -> int | None:
        if not isinstance(self.fmt, IntFormat) or self.overflow_given or not self.to_integer:
            return None
        return integer_code(self.fmt, self.nan, negative)

    # ---- numbers -------------------------------------------------------------------------------------------------

    def number(self, x: Real) -> Outcome:
        """A non-zero number, rounded once."""
        if self.overflow is Overflow.RAISE:
            outcome = replace(self, overflow=Overflow.SATURATE, overflow_given=True).number(x)
            return self._beyond(Fraction(sign(x))) if outcome.flags.overflow or outcome.flags.invalid else outcome
        if isinstance(self.fmt, (LnsFormat, TakumLogFormat)):
            return self._logarithmic(x, self.fmt)
        return decide(x, self._rational)

    def _rational(self, x: Fraction) -> Outcome:
        if x == 0:  # only as the end of an enclosure
            return Outcome(self.policy.encode_zero(False, self.random), Flags())
        found = place(x, self.fmt)
        # `_outward` is `rounds_outward` with the modes about a zero that the format may lack.
        code = found.outer if found.nu and self.policy._outward(x < 0, found, self.random) else found.inner
        if code is None:
            return self._beyond(x)
        value = read(self.fmt, code).value
        assert isinstance(value, Fraction)
        if value == x:
            return Outcome(code, Flags())
        if found.nu == 0 and abs(x) > abs(value):
            return Outcome(code, _SATURATED)
        return Outcome(code, Flags(inexact=True, underflow=self._is_tiny(x)))

    def _beyond(self, x: Fraction) -> Outcome:
        if self.overflow is Overflow.WRAP:
            return Outcome(self.policy.encode_number(x, self.random), _SATURATED)
        ruled = self._ruled_integer(x < 0)
        code = self.policy.out_of_range(x < 0, infinite=False) if ruled is None else ruled
        # IEEE 754-2019 7.2 j: conversion to an integer signals what it cannot represent as invalid and nothing else.
        return Outcome(code, Flags(invalid=True) if self.to_integer else _SATURATED)

    def _logarithmic(self, x: Real, fmt: LnsFormat | TakumLogFormat) -> Outcome:
        negative = sign(x) < 0
        magnitude = x if isinstance(x, Root) or not negative else negate(x)
        found = place_logarithmic(magnitude, negative, fmt, position=self.rounding.is_stochastic)
        inner, outer = found.inner, found.outer
        assert inner is not None and outer is not None  # logarithmic formats have no infinities
        if found.nu == 0:
            return Outcome(inner, Flags() if compare(x, read(fmt, inner).value) == 0 else _SATURATED)
        code = outer if self.policy._outward(negative, found, self.random) else inner
        return Outcome(code, Flags(inexact=True, underflow=decode(inner, fmt) == 0))

    # ---- tininess ------------------------------------------------------------------------------------------------

    def _is_tiny(self, x: Fraction) -> bool:
        """IEEE 754-2019 7.5."""
        fmt, magnitude = self.fmt, abs(x)
        if isinstance(fmt, (IntFormat, CodebookFormat)):
            return False
        if not isinstance(fmt, (FloatFormat, P3109Format)):
            return magnitude < Fraction(fmt.smallest)
        if magnitude >= Fraction(2) ** (1 - fmt.bias):
            return False
        return self.tininess == "before" or not self._reaches_normal(magnitude, x < 0, fmt)

    def _reaches_normal(self, magnitude: Fraction, negative: bool, fmt: FloatFormat | P3109Format) -> bool:
        """Whether a number below the smallest normal one rounds to it "as though the exponent range were unbounded"."""
        p = fmt.precision
        if floor_log2(magnitude) < -fmt.bias:
            return False
        significand = magnitude / Fraction(2) ** (1 - fmt.bias - p)
        nu = significand - floor(significand)
        if floor(significand) < 2**p - 1 or nu == 0:
            return False
        side = (nu > HALF) - (nu < HALF)
        return rounds_outward(
            self.rounding, negative=negative, side=side, inner_is_even=False, nu=nu, random=self.random
        )
