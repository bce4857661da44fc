"""Encoding one number the readable way: place it between its neighbours, round, then apply the overflow policy."""

from __future__ import annotations

import math
import numbers
from fractions import Fraction
from functools import lru_cache
from typing import Any

from ..errors import ArgumentError, FormatOverflowError, NaNError
from ..formats import (
    CodebookFormat,
    ExponentFormat,
    FloatFormat,
    Format,
    HiFloat8Format,
    IntFormat,
    LnsFormat,
    P3109Format,
    PositFormat,
    Specials,
    TakumFormat,
    TakumLogFormat,
)
from ..formats import scalar as get
from ..rounding import NaNRule, Overflow, Rounding
from .decode import decode
from .places import Place, magnitude_limit, place
from .rounding import outward_count, rounds_outward

__all__ = ["encode", "round_up_count"]

_STRINGS = (PositFormat, TakumFormat, TakumLogFormat)
_ABOUT_ZERO = (Rounding.TOWARD_ZERO, Rounding.AWAY_FROM_ZERO, Rounding.NEAREST_ZERO, Rounding.NEAREST_AWAY)


def encode(
    x: float | int | Fraction,
    fmt: Format | str,
    rounding: Rounding | str | None = None,
    overflow: Overflow | str | None = None,
    nan: NaNRule | str | None = None,
    *,
    random: tuple[int, int] | None = None,
    zero: str = "smallest",
    negative: str = "overflow",
    keep_minus_zero: bool = True,
) -> int:
    """The code of one number: the witness against which ``numfmt.encode`` is checked.

    Parameters
    ----------
    x : float (-0.0, infinities and NaN included), int or Fraction
        Taken exactly.
    fmt : Format or str
        A scalar, real format.
    rounding, overflow, nan : members, names or None
        None: the format's default (nan under PTX_SATFINITE: the largest value where the format has no NaN).
    random : (integer, width), optional
        For the stochastic modes.
    zero : {"smallest", "nan"}
        What 0 becomes in a format without it.
    negative : {"overflow", "nan", "abs"}
        What negative numbers become in a format without them.
    keep_minus_zero : bool
        False: a zero result is +0.

    Raises
    ------
    NaNError, FormatOverflowError
        Where the policy refuses the number.

    >>> encode(464.0, "fp8_e4m3fn"), encode(3.0, "e8m0"), encode(Fraction(1, 3), "posit8_2")
    (126, 129, 51)
    """
    fmt = get(fmt)
    rounding = fmt.default_rounding if rounding is None else Rounding.parse(rounding)
    overflow = fmt.default_overflow if overflow is None else Overflow.parse(overflow)
    if nan is None:
        nan = fmt.default_nan
        if overflow is Overflow.PTX_SATFINITE and _nan_code(fmt, NaNRule.CANONICAL, False) is None:
            nan = NaNRule.MAX
    policy = _Policy(fmt, rounding, overflow, NaNRule.parse(nan), zero, negative)
    code = policy.encode(x, random)
    plus, minus = _zeros(fmt)
    return plus if plus is not None and code == minus and not keep_minus_zero and not _is_nan(x) else code


def round_up_count(x: float | int | Fraction, fmt: Format | str, rounding: Rounding | str, width: int) -> int:
    """How many of the ``2**width`` random integers round `x` to its neighbour of larger magnitude (0 for exact values).

    >>> round_up_count(1.03125, "fp8_e4m3fn", "stochastic_a", 3)
    2
    """
    found = place(Fraction(x), get(fmt)) if x else None
    return outward_count(Rounding.parse(rounding), found.nu, width) if found else 0


def _is_nan(x: Any) -> bool:
    return isinstance(x, float) and math.isnan(x)


class _Policy:
    def __init__(
        self, fmt: Format, rounding: Rounding, overflow: Overflow, nan: NaNRule, zero: str, negative: str
    ) -> None:
        self.fmt, self.rounding, self.overflow, self.nan = fmt, rounding, overflow, nan
        self.zero = zero
        self.negative = "overflow" if _has_negatives(fmt) else negative
        if overflow is Overflow.WRAP and (not isinstance(fmt, IntFormat) or fmt.sign_magnitude):
            raise ArgumentError(f"overflow=wrap needs a two's complement or unsigned integer format, got {fmt.name}")
        if self.nan is not NaNRule.RAISE:
            self.nan_code(False), self.nan_code(True)  # a rule that cannot be honoured raises at once

    def encode(self, x: float | int | Fraction, random: tuple[int, int] | None) -> int:
        if not isinstance(x, numbers.Rational):
            x = float(x)
            if math.isnan(x):
                return self.nan_code(math.copysign(1, x) < 0)
            if math.isinf(x):
                return self.out_of_range(x < 0 and self.negative != "abs", infinite=True)
            if x == 0:
                return self.encode_zero(math.copysign(1, x) < 0, random)
        number = Fraction(x) if isinstance(x, float) else Fraction(int(x.numerator), int(x.denominator))
        if number == 0:
            return self.encode_zero(False, random)
        return self.encode_number(abs(number) if self.negative == "abs" else number, random)

    def encode_number(self, x: Fraction, random: tuple[int, int] | None) -> int:
        found = place(x, self.fmt, wrap=self.overflow is Overflow.WRAP)
        code = found.outer if found.nu and self._outward(x < 0, found, random) else found.inner
        return self.out_of_range(x < 0, infinite=False) if code is None else code

    def _outward(self, negative: bool, found: Place, random: tuple[int, int] | None) -> bool:
        rounding = self.rounding
        if found.crosses_zero:
            # "Outward" is upward between -a and b; modes about a zero that is not there go to the nearest, ties upward.
            negative = False
            rounding = Rounding.NEAREST_UP if rounding in _ABOUT_ZERO else rounding
        return rounds_outward(
            rounding,
            negative=negative,
            side=found.side,
            inner_is_even=found.inner_is_even,
            nu=found.nu,
            random=random,
        )

    def encode_zero(self, negative: bool, random: tuple[int, int] | None) -> int:
        plus, minus = _zeros(self.fmt)
        if plus is None and minus is None:
            if self.zero == "nan":
                return self.nan_code(negative)
            return self.encode_number(Fraction(0), random) if _has_negatives(self.fmt) else _ends(self.fmt)[0]
        if plus is None or minus is None:
            return minus if plus is None else plus  # type: ignore[return-value]
        return minus if negative else plus

    # ---- overflow: the table in `numfmt.rounding.Overflow` ---------------------------------------------------------

    def out_of_range(self, negative: bool, *, infinite: bool) -> int:
        """The code of a number whose rounded magnitude is too large (or negative without a sign), or of an infinity."""
        fmt, overflow = self.fmt, self.overflow
        smallest, largest = _ends(fmt)
        end, infinity = (smallest if negative else largest), _infinities(fmt)[negative]
        unsigned = negative and not _has_negatives(fmt)
        if unsigned and (isinstance(fmt, ExponentFormat) or self.negative == "nan"):
            return self.overflow_nan(negative)
        if overflow in (Overflow.RAISE, Overflow.WRAP):
            raise FormatOverflowError(
                f"x must lie within the range of {fmt.name} with overflow={overflow.name.lower()}"
            )
        if overflow in (Overflow.SATURATE, Overflow.PTX_SATFINITE):
            return end
        if overflow is Overflow.SAT_PROPAGATE:
            return infinity if infinite and infinity is not None else end
        clamps = not infinite and self._direction_clamps(negative, end)
        if overflow is Overflow.SAT_NONE:
            if unsigned:
                return self.overflow_nan(negative)
            return end if infinity is None or clamps else infinity
        if clamps:
            return end
        return self.overflow_nan(negative) if infinity is None else infinity

    def _direction_clamps(self, negative: bool, end: int) -> bool:
        """IEEE 754 7.4 b-d and P3109 SatNone: directions that point back to the largest finite value."""
        if self.rounding is Rounding.TO_ODD:
            return self.overflow is Overflow.NONSATURATING or end % 2 == 1
        back = Rounding.TOWARD_POSITIVE if negative else Rounding.TOWARD_NEGATIVE
        return self.rounding in (Rounding.TOWARD_ZERO, back)

    def overflow_nan(self, negative: bool) -> int:
        """NaN as the result of an overflow; its bits follow the NaN rule where that speaks of NaN codes."""
        kinds = (NaNRule.SIGNED, NaNRule.ALL_ONES, NaNRule.SIGNED_ALL_ONES)
        code = _nan_code(self.fmt, self.nan if self.nan in kinds else NaNRule.CANONICAL, negative)
        if code is None:
            raise FormatOverflowError(
                f"x must lie within the range of {self.fmt.name}, which has neither infinity nor NaN"
            )
        return code

    def nan_code(self, negative: bool) -> int:
        """The code of a NaN input: the list in `numfmt.rounding.NaNRule`."""
        fmt, rule = self.fmt, self.nan
        plus, minus = _zeros(fmt)
        if rule is NaNRule.CANONICAL and self.overflow is Overflow.PTX_SATFINITE:
            # PTX ISA 9.0 cvt: 0x7F in the fp8 types, the largest value in the types without NaN.
            rule = NaNRule.MAX if _nan_code(fmt, rule, False) is None else NaNRule.ALL_ONES
        choices: dict[NaNRule, int | None] = {
            NaNRule.ZERO: plus,
            NaNRule.NEGATIVE_ZERO: minus,
            NaNRule.OPPOSITE_ZERO: plus if negative else minus,
            NaNRule.MAX: _ends(fmt)[1],
            NaNRule.MIN: _ends(fmt)[0],
        }
        if rule is NaNRule.RAISE:
            raise NaNError(f"x must not be NaN for {fmt.name} with nan=raise")
        code = choices[rule] if rule in choices else _nan_code(fmt, rule, negative)
        if code is None:
            raise ArgumentError(f"{fmt.name} has no code for nan={rule.name.lower()}")
        return code


# ---- special codes, family by family -------------------------------------------------------------------------------


def _nan_code(fmt: Format, rule: NaNRule, negative: bool) -> int | None:
    """Code under CANONICAL, SIGNED, ALL_ONES or SIGNED_ALL_ONES; None where the format has no NaN."""
    if isinstance(fmt, FloatFormat) and fmt.specials in (Specials.IEEE, Specials.FN):
        ones = (1 << fmt.E + fmt.M) - 1
        quiet = ones if fmt.specials is Specials.FN else ones - (1 << fmt.M) + 1 + (1 << fmt.M >> 1)
        if fmt.specials is Specials.IEEE and fmt.M == 0:
            return None
        magnitude = ones if rule in (NaNRule.ALL_ONES, NaNRule.SIGNED_ALL_ONES) else quiet
        keeps_sign = rule in (NaNRule.SIGNED, NaNRule.SIGNED_ALL_ONES)
        return magnitude + (ones + 1 if negative and fmt.signed and keeps_sign else 0)
    if isinstance(fmt, FloatFormat):
        return (1 << fmt.bits - 1) if fmt.specials is Specials.FNUZ else None
    if isinstance(fmt, (*_STRINGS, HiFloat8Format)):
        return 1 << fmt.bits - 1
    if isinstance(fmt, P3109Format):
        return (1 << fmt.K - 1) if fmt.signed else (1 << fmt.K) - 1
    if isinstance(fmt, LnsFormat):
        return (1 << fmt.bits - 1) + (1 << fmt.bits - 2)
    if isinstance(fmt, ExponentFormat):
        return (1 << fmt.bits) - 1
    return None if isinstance(fmt, (IntFormat, CodebookFormat)) else fmt.nan_code


def _infinities(fmt: Format) -> tuple[int | None, int | None]:
    if isinstance(fmt, FloatFormat):
        plus = ((1 << fmt.E) - 1) * (1 << fmt.M)
        if fmt.specials is not Specials.IEEE:
            return None, None
        return plus, plus + (1 << fmt.bits - 1) if fmt.signed else None
    if isinstance(fmt, P3109Format) and fmt.extended:
        return ((1 << fmt.K - 1) - 1, (1 << fmt.K) - 1) if fmt.signed else ((1 << fmt.K) - 2, None)
    if isinstance(fmt, HiFloat8Format):
        return 0x6F, 0xEF
    finite = (P3109Format, IntFormat, CodebookFormat, ExponentFormat, LnsFormat, *_STRINGS)
    return (None, None) if isinstance(fmt, finite) else fmt.infinity_codes


@lru_cache(maxsize=2048)
def _ends(fmt: Format) -> tuple[int, int]:
    """Codes of the smallest (most negative) and largest finite values."""
    if isinstance(fmt, (FloatFormat, P3109Format)):
        largest = magnitude_limit(fmt)
        return (largest + (1 << fmt.bits - 1) if fmt.signed else 0), largest
    half = 1 << fmt.bits - 1
    if isinstance(fmt, IntFormat):
        if not fmt.signed:
            return 0, 2 * half - 1
        return (2 * half - 1 if fmt.sign_magnitude else half + fmt.narrow), half - 1
    if isinstance(fmt, _STRINGS):
        return half + 1, half - 1
    if isinstance(fmt, LnsFormat):
        return half + half // 2 - 1, half // 2 - 1
    if isinstance(fmt, ExponentFormat):
        return 0, 2 * half - 2
    if isinstance(fmt, HiFloat8Format):
        return 0xEE, 0x6E
    numbers_ = sorted((v, c) for c in range(fmt.code_count) if isinstance(v := decode(c, fmt), Fraction))
    lowest_code = min(c for v, c in numbers_ if v == numbers_[-1][0])
    return numbers_[0][1], lowest_code


def _has_negatives(fmt: Format) -> bool:
    if isinstance(fmt, (FloatFormat, P3109Format, IntFormat)):
        return fmt.signed
    value = decode(_ends(fmt)[0], fmt)
    return value < 0


@lru_cache(maxsize=2048)
def _zeros(fmt: Format) -> tuple[int | None, int | None]:
    """Codes of +0 and -0."""
    if isinstance(fmt, (FloatFormat, IntFormat)):
        two = fmt.sign_magnitude if isinstance(fmt, IntFormat) else fmt.signed and fmt.specials is not Specials.FNUZ
        return 0, (1 << fmt.bits - 1) if two else None
    if isinstance(fmt, ExponentFormat):
        return None, None
    if isinstance(fmt, LnsFormat):
        return (1 << fmt.bits - 2), None
    if isinstance(fmt, (P3109Format, HiFloat8Format, *_STRINGS)):
        return 0, None
    values = [decode(c, fmt) for c in range(fmt.code_count)]
    plus = next((c for c, v in enumerate(values) if v == 0 and isinstance(v, Fraction)), None)
    return plus, next((c for c, v in enumerate(values) if v == 0 and isinstance(v, float)), None)
