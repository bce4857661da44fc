"""The exact meaning of encoding: a policy resolved against a format, scalar encoding, and binary64 step tables.

Encoding a real is a monotone step function of it (every mode but the stochastic ones and wrap-around). `steps` writes
that function down once, from the exact breakpoints, as sorted binary64 thresholds and codes; so any format of at most
16 bits is encoded by comparisons alone. `encode_exact` evaluates the same definition on a rational number.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError, FormatOverflowError, NaNError
from ..rounding import NaNRule, Overflow, Rounding
from .base import TABLE_BITS, Format
from .floating import MinifloatBase
from .integer import IntFormat
from .real import Real, approximation, binary64_at_or_above, brief, compare, is_negative
from .unpacked import Kind, Unpacked

__all__ = ["REFUSE_NAN", "REFUSE_OVERFLOW", "Conversion", "Policy", "SpecialCodes", "Steps"]

#: Marks in place of a code: the input is an error. The same numbers are the kernels' flag bits, negated.
REFUSE_NAN, REFUSE_OVERFLOW = -1, -2


class Policy(NamedTuple):
    """Everything besides the format that decides a converted bit."""

    rounding: Rounding
    overflow: Overflow
    nan: NaNRule
    #: Formats without zero: "smallest" or "nan".
    zero: str = "smallest"
    #: Formats without negative numbers: "overflow" (by the overflow policy), "nan", "abs".
    negative: str = "overflow"
    #: False: -0 encodes as +0.
    keep_minus_zero: bool = True


class SpecialCodes(NamedTuple):
    """Codes of the inputs that are not ordinary numbers; REFUSE_NAN or REFUSE_OVERFLOW where they are errors."""

    zero_pos: int
    zero_neg: int
    over_pos: int
    over_neg: int
    inf_pos: int
    inf_neg: int
    nan_pos: int
    nan_neg: int


class Steps(NamedTuple):
    """`codes[k]` encodes every finite non-zero x with ``thresholds[k-1] <= x < thresholds[k]``."""

    thresholds: npt.NDArray[np.float64]
    codes: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Conversion:
    """Encoding into `fmt` under `policy`."""

    fmt: Format
    policy: Policy

    def __post_init__(self) -> None:
        fmt, policy = self.fmt, self.policy
        if policy.overflow is Overflow.WRAP and not isinstance(fmt, IntFormat):
            raise ArgumentError(f"overflow=wrap is for integer formats, got {fmt.name}; use saturate")
        if policy.zero not in ("smallest", "nan") or policy.negative not in ("overflow", "nan", "abs"):
            raise ArgumentError(f"zero must be smallest or nan and negative overflow, nan or abs, got {policy}")

    # ---- specials ------------------------------------------------------------------------------------------------

    @cached_property
    def specials(self) -> SpecialCodes:
        """Codes of zeros, overflow, infinities and NaNs."""
        zero_pos, zero_neg = self._zeros()
        over_pos, over_neg = self._end(False, finite=True), self._end(True, finite=True)
        return SpecialCodes(
            zero_pos,
            zero_neg,
            over_pos,
            over_neg,
            self._end(False, finite=False),
            self._end(True, finite=False),
            self.nan_code(negative=False),
            self.nan_code(negative=True),
        )

    @cached_property
    def _zero_is_drawn(self) -> bool:
        """Whether 0 lies between a negative and a positive value, an ordinary number to be rounded at random."""
        fmt = self.fmt
        if not self.policy.rounding.is_stochastic or fmt.has_zero:
            return False
        return 0 <= fmt.rank_below(Fraction(0)) < fmt.ordered_count - 1

    def _zeros(self) -> tuple[int, int]:
        positive, negative = self.fmt.zero_codes
        if positive is None and negative is None:
            if self.policy.zero == "nan":
                return self.nan_code(negative=False), self.nan_code(negative=True)
            rank = self.fmt.rank_below(Fraction(0))
            if rank < 0 or self._zero_is_drawn:  # a drawn zero is decided by encode_exact, each time
                code = self.fmt.min_code
            elif rank == self.fmt.ordered_count - 1:
                code = self.fmt.max_code
            else:
                code = self._encode_between(Fraction(0), None)
            return code, code
        if positive is None:
            assert negative is not None
            positive = negative
        if negative is None or not self.policy.keep_minus_zero:
            negative = positive
        return positive, negative

    def nan_code(self, *, negative: bool) -> int:
        """Code of a NaN input, or REFUSE_NAN."""
        fmt, rule = self.fmt, self.policy.nan
        if rule is NaNRule.CANONICAL and self.policy.overflow is Overflow.PTX_SATFINITE:
            # PTX ISA 9.0, cvt: NaN gives 0x7F in the fp8 types and the largest value where there is no NaN.
            rule = NaNRule.ALL_ONES if fmt.has_nan else NaNRule.MAX
        zero_pos, zero_neg = fmt.zero_codes
        match rule:
            case NaNRule.RAISE:
                return REFUSE_NAN
            case NaNRule.CANONICAL | NaNRule.SIGNED | NaNRule.ALL_ONES | NaNRule.SIGNED_ALL_ONES:
                code = fmt.nan_code_for(rule, negative)
                if code is None:
                    raise ArgumentError(
                        f"{fmt.name} has no NaN: nan={rule.name.lower()} is impossible; use raise, zero, max or min"
                    )
                return code
            case NaNRule.MAX:
                return fmt.max_code
            case NaNRule.MIN:
                return fmt.min_code
            case NaNRule.ZERO:
                wanted = zero_pos
            case NaNRule.NEGATIVE_ZERO:
                wanted = zero_neg
            case NaNRule.OPPOSITE_ZERO:
                wanted = zero_pos if negative else zero_neg
        if wanted is None:
            raise ArgumentError(f"{fmt.name} has no such zero, so nan={rule.name.lower()} cannot be honoured")
        return wanted

    def _clamped(self, negative: bool) -> int:
        return self.fmt.min_code if negative else self.fmt.max_code

    def _nan_or_refuse(self, negative: bool) -> int:
        """NaN as the result of an overflow (never the rule for NaN inputs to formats without NaN)."""
        if not self.fmt.has_nan:
            return REFUSE_OVERFLOW
        rule = self.policy.nan
        kinds = (NaNRule.SIGNED, NaNRule.ALL_ONES, NaNRule.SIGNED_ALL_ONES)
        code = self.fmt.nan_code_for(rule if rule in kinds else NaNRule.CANONICAL, negative)
        assert code is not None
        return code

    def _stops_at_max(self, negative: bool) -> bool:
        """Whether the rounding direction itself keeps an overflow at the largest finite value."""
        match self.policy.rounding:
            case Rounding.TOWARD_ZERO:
                return True
            case Rounding.TOWARD_POSITIVE:
                return negative
            case Rounding.TOWARD_NEGATIVE:
                return not negative
            case Rounding.TO_ODD:
                # IEEE style keeps the largest value (its code is the odd one); P3109 takes the odd code of the two.
                return self.policy.overflow is not Overflow.SAT_NONE or self.fmt.max_code % 2 == 1
        return False

    def _end(self, negative: bool, *, finite: bool) -> int:
        """Code of a finite overflow, or of an infinity, of the given sign."""
        fmt, overflow = self.fmt, self.policy.overflow
        infinity = fmt.infinity_codes[int(negative)]
        if negative and (fmt.negative_is_nan or self.policy.negative != "overflow"):
            # Exponent-only formats have no rule of their own for negative numbers: NaN, unless told to drop the sign.
            return self._nan_or_refuse(negative)
        beyond_unsigned = negative and not fmt.is_signed
        match overflow:
            case Overflow.RAISE:
                return REFUSE_OVERFLOW
            case Overflow.WRAP:
                return REFUSE_OVERFLOW  # an infinity cannot wrap; finite values never come here
            case Overflow.SATURATE | Overflow.PTX_SATFINITE:
                return self._clamped(negative)
            case Overflow.SAT_PROPAGATE:
                return infinity if infinity is not None and not finite else self._clamped(negative)
            case Overflow.SAT_NONE:
                if beyond_unsigned:
                    return self._nan_or_refuse(negative)
                if infinity is None or (finite and self._stops_at_max(negative)):
                    return self._clamped(negative)
                return infinity
            case Overflow.NONSATURATING:
                if finite and (self._stops_at_max(negative) or not self._overflows(negative)):
                    return self._clamped(negative)
                return infinity if infinity is not None else self._nan_or_refuse(negative)
        raise AssertionError(overflow)

    def _overflows(self, negative: bool) -> bool:
        return (self.fmt.below_min if negative else self.fmt.above_max) is not None

    # ---- scalars -------------------------------------------------------------------------------------------------

    def encode_exact(self, x: Real | Unpacked, random: tuple[int, int] | None = None) -> int:
        """Code of one exact value, or a REFUSE mark.

        Parameters
        ----------
        x : Fraction, Exponential or Unpacked
            Unpacked carries signed zeros, infinities and NaN; it must be exact.
        random : (integer, width), optional
            For the stochastic modes.
        """
        if isinstance(x, Unpacked):
            if x.kind is Kind.NAN:
                return self.specials.nan_neg if x.sign else self.specials.nan_pos
            if x.kind is Kind.INFINITY:
                if x.sign and self.policy.negative == "abs":
                    return self.specials.inf_pos
                return self.specials.inf_neg if x.sign else self.specials.inf_pos
            if x.kind is Kind.ZERO and not self._zero_is_drawn:
                return self.specials.zero_neg if x.sign else self.specials.zero_pos
            x = x.value
        if x == 0 and not self._zero_is_drawn:
            return self.specials.zero_pos
        if self.policy.negative == "abs" and is_negative(x):
            x = -x
        if self.policy.overflow is Overflow.WRAP:
            return self._encode_wrapping(approximation(x), random)
        return self._encode_between(x, random)

    def _encode_between(self, x: Real, random: tuple[int, int] | None) -> int:
        fmt = self.fmt
        rank, last = fmt.rank_below(x), fmt.ordered_count - 1
        if rank == last:
            return self._beyond(x, fmt.max_code, fmt.above_max, False, random)
        if rank < 0:
            return self._beyond(x, fmt.min_code, fmt.below_min, True, random)
        lower, upper = int(fmt.ordered_codes[rank]), int(fmt.ordered_codes[rank + 1])
        low = fmt.real_of(lower)
        if compare(x, low) == 0:
            return lower
        negative = is_negative(x)
        inner, outer = (upper, lower) if negative else (lower, upper)
        if self._crosses_zero(lower, upper):
            negative, inner, outer = False, lower, upper
        if self.policy.rounding.is_stochastic:
            away = self._draw(x, fmt.value_of(inner).value, fmt.value_of(outer).value, random)
        else:
            side = compare(x, fmt.breakpoint(lower, upper))
            away = self._mode(lower, upper).away(negative, -side if negative else side, inner % 2 == 0)
        if not away:
            # A negative value that rounds to zero gives -0 where there is one.
            return self.specials.zero_neg if is_negative(x) and inner in fmt.zero_codes else inner
        return outer

    def _crosses_zero(self, lower: int, upper: int) -> bool:
        """Whether two neighbours lie on either side of a zero the format does not have."""
        low, high = self.fmt.value_of(lower), self.fmt.value_of(upper)
        return low.kind is Kind.FINITE and high.kind is Kind.FINITE and low.sign != high.sign

    def _mode(self, lower: int, upper: int) -> Rounding:
        mode = self.policy.rounding
        about_zero = (Rounding.TOWARD_ZERO, Rounding.AWAY_FROM_ZERO, Rounding.NEAREST_ZERO, Rounding.NEAREST_AWAY)
        # Without a zero "toward zero" has no target: the nearest value is taken, a tie upward.
        return Rounding.NEAREST_UP if mode in about_zero and self._crosses_zero(lower, upper) else mode

    def _draw(self, x: Real, inner: Fraction, outer: Fraction, random: tuple[int, int] | None) -> bool:
        if random is None:
            raise ArgumentError(f"rounding {self.policy.rounding.name.lower()} needs random bits; pass random=")
        return self.policy.rounding.away_stochastic((approximation(x) - inner) / (outer - inner), *random)

    def _beyond(
        self, x: Real, end: int, successor: Fraction | None, below: bool, random: tuple[int, int] | None
    ) -> int:
        """A value at or beyond the largest (smallest) finite one."""
        fmt = self.fmt
        over = self.specials.over_neg if below else self.specials.over_pos
        if below and is_negative(x) and fmt.negative_is_nan:
            return over
        if successor is None or compare(x, fmt.real_of(end)) == 0:
            return end
        edge = fmt.value_of(end).value
        if compare(x, successor) * (-1 if below else 1) >= 0:
            return over
        if self.policy.rounding.is_stochastic:
            away = self._draw(x, edge, successor, random)
        else:
            side = compare(x, (edge + successor) / 2)
            away = self.policy.rounding.away(below, -side if below else side, end % 2 == 0)
        if away:
            return over
        return self.specials.zero_neg if below and end in fmt.zero_codes else end

    def _encode_wrapping(self, x: Fraction, random: tuple[int, int] | None) -> int:
        fmt = self.fmt
        assert isinstance(fmt, IntFormat)
        scaled = abs(x) * Fraction(2) ** fmt.frac_bits
        floor = scaled.numerator // scaled.denominator
        nu = scaled - floor
        away = False
        if nu:
            if self.policy.rounding.is_stochastic:
                away = self._draw(nu, Fraction(0), Fraction(1), random)
            else:
                side = (nu > Fraction(1, 2)) - (nu < Fraction(1, 2))
                away = self.policy.rounding.away(x < 0, side, floor % 2 == 0)
        q = floor + int(away)
        if fmt.sign_magnitude:
            raise ArgumentError("overflow=wrap is modulo 2**bits and needs two's complement or unsigned codes")
        return (-q if x < 0 else q) & ((1 << fmt.bits) - 1)

    # ---- steps ---------------------------------------------------------------------------------------------------

    @cached_property
    def steps(self) -> Steps:
        """The step function over finite non-zero binary64 inputs; formats of at most 16 bits, deterministic modes."""
        fmt, policy = self.fmt, self.policy
        if policy.rounding.is_stochastic or policy.overflow is Overflow.WRAP:
            raise ArgumentError(
                f"{policy.rounding.name.lower()} with {policy.overflow.name.lower()} is no step function"
            )
        if fmt.bits > TABLE_BITS:
            raise ArgumentError(f"{fmt.name} is too wide for a step table (at most {TABLE_BITS} bits)")
        return _build_steps(self)


class _Builder:
    """Collects (threshold, code) pairs in increasing order."""

    def __init__(self, first: int) -> None:
        self.thresholds: list[float] = []
        self.codes: list[int] = [first]

    def step(self, real: Real, strictly: bool, code: int) -> None:
        if code == self.codes[-1]:
            return
        at = binary64_at_or_above(real, strictly=strictly)
        if at == float("inf"):
            return
        # Steps closer than one binary64 collapse into the last of them.
        if self.thresholds and self.thresholds[-1] == at:
            self.codes[-1] = code
        else:
            self.thresholds.append(at)
            self.codes.append(code)


def _flip(mode: Rounding, negative: bool, inner_is_even: bool) -> tuple[str, bool]:
    """Where between two neighbours the code changes: at ("lower" | "break" | "upper"), and whether strictly above it.

    Written from `Rounding.away`, seen along the real line instead of outward from zero.
    """
    match mode:
        case Rounding.NEAREST_EVEN:
            return "break", inner_is_even != negative
        case Rounding.NEAREST_UP:
            return "break", False
        case Rounding.NEAREST_DOWN:
            return "break", True
        case Rounding.NEAREST_AWAY:
            return "break", negative
        case Rounding.NEAREST_ZERO:
            return "break", not negative
        case Rounding.TOWARD_POSITIVE:
            return "lower", True
        case Rounding.TOWARD_NEGATIVE:
            return "upper", False
        case Rounding.TOWARD_ZERO:
            return ("lower", True) if negative else ("upper", False)
        case Rounding.AWAY_FROM_ZERO:
            return ("upper", False) if negative else ("lower", True)
        case Rounding.TO_ODD:
            return ("lower", True) if inner_is_even != negative else ("upper", False)
    raise AssertionError(mode)


def _build_steps(conversion: Conversion) -> Steps:
    fmt, policy, special = conversion.fmt, conversion.policy, conversion.specials
    codes = [int(c) for c in fmt.ordered_codes]
    below, above = fmt.below_min, fmt.above_max
    first = codes[0]
    if policy.negative == "abs":
        below = None
    negatives_differ = below is not None or (fmt.negative_is_nan and policy.negative != "abs")
    builder = _Builder(special.over_neg if negatives_differ else first)
    minus_zero = special.zero_neg

    def pair(low: Real, high: Real, middle: Real, negative: bool, even: bool, mode: Rounding, code: int) -> None:
        where, strictly = _flip(mode, negative, even)
        at = {"lower": low, "break": middle, "upper": high}[where]
        if where == "break" and at == low:
            strictly = True  # the lower value itself keeps its code
        if where == "break" and at == high:
            strictly = False
        builder.step(at, strictly, code)

    if below is not None:
        edge = fmt.real_of(first)
        assert isinstance(edge, Fraction)
        code = minus_zero if first in fmt.zero_codes else first
        pair(below, edge, (below + edge) / 2, True, first % 2 == 0, policy.rounding, code)
    elif fmt.negative_is_nan and policy.negative != "abs":
        builder.step(Fraction(0), True, first)
    if first in fmt.zero_codes and special.zero_pos != builder.codes[-1]:
        builder.step(Fraction(0), False, special.zero_pos)

    for lower, upper in pairwise(codes):
        low, high = fmt.value_of(lower), fmt.value_of(upper)
        if low.kind is Kind.ZERO and high.kind is Kind.ZERO:
            builder.step(Fraction(0), False, special.zero_pos)
            continue
        negative = bool(low.sign) and not (high.kind is Kind.FINITE and not high.sign)
        code = upper
        if high.kind is Kind.ZERO:
            code = minus_zero
        pair(
            fmt.real_of(lower),
            fmt.real_of(upper),
            fmt.breakpoint(lower, upper),
            negative,
            (upper if negative else lower) % 2 == 0,
            conversion._mode(lower, upper),
            code,
        )
        if high.kind is Kind.ZERO and not (fmt.has_negative_zero and fmt.zero_codes[0] is not None):
            builder.step(Fraction(0), False, special.zero_pos)
    if above is not None:
        edge = fmt.real_of(codes[-1])
        assert isinstance(edge, Fraction)
        pair(edge, above, (edge + above) / 2, False, codes[-1] % 2 == 0, policy.rounding, special.over_pos)
    return Steps(np.array(builder.thresholds), np.array(builder.codes, np.int64))


@lru_cache(maxsize=2048)
def conversion(fmt: Format, policy: Policy) -> Conversion:
    """A shared `Conversion`, so that its tables are built once."""
    return Conversion(fmt, policy)


def refuse(code: int, fmt: Format, policy: Policy, what: Any = None) -> None:
    """Raise the error that a REFUSE mark stands for."""
    shown = "" if what is None else f" (first at {what})"
    if code == REFUSE_NAN:
        raise NaNError(
            f"x must not contain NaN{shown}: {fmt.name} {'refuses it (nan=raise)' if fmt.has_nan else 'has no NaN'}; "
            "pass nan='zero', nan='max' or another rule"
        )
    if code == REFUSE_OVERFLOW:
        raise FormatOverflowError(
            f"x must lie within [{brief(fmt.min)}, {brief(fmt.max)}] for {fmt.name} with "
            f"overflow={policy.overflow.name.lower()}{shown}; pass overflow='saturate' or another policy"
        )


def is_float_layout(fmt: Format) -> bool:
    """Whether the integer float kernel understands `fmt`."""
    return isinstance(fmt, MinifloatBase)
