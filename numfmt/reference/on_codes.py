"""Operations on a code rather than on its value: the sign operations and the neighbours."""

from __future__ import annotations

from fractions import Fraction

from ..formats import FloatFormat, Format, PositFormat, Specials, TakumFormat, TakumLogFormat
from ..formats.unpacked import Kind
from ..rounding import Overflow, Rounding
from . import exact
from .encode import _ends, _infinities
from .nans import propagate
from .operands import Exact, Flags, NaN, Operand, Outcome, opposite, read
from .projection import Projection

__all__ = ["neighbour", "with_sign"]


def with_sign(op: str, fmt: Format, code: int, values: list[Operand], projection: Projection) -> Outcome:
    """negate, abs and copysign (IEEE 754-2019 5.5.1): the sign alone changes, and nothing is signaled."""
    x = values[0]
    negative = {"negate": not x.negative, "abs": False, "copysign": values[-1].negative}[op]
    has_sign_bit = isinstance(fmt, FloatFormat) and fmt.signed and fmt.specials is not Specials.FNUZ
    if fmt == projection.fmt and has_sign_bit:
        return Outcome(code % (1 << (fmt.bits - 1)) + (negative << (fmt.bits - 1)), Flags())
    if x.kind is Kind.NAN:
        return projection.code(Exact(Kind.NAN, nan=(x.nan or NaN())._replace(negative=negative, signaling=False)))
    flipped = x if negative == x.negative else opposite(x)
    return projection.code(Exact(flipped.kind, flipped.negative, flipped.value))


#: Below half the distance of any two values of any format, of which takum64's is the smallest: about 2**-310 (binary64:
#: 2**-1074).
_NUDGE = Fraction(1, 2**1200)


def neighbour(upward: bool, fmt: Format, code: int, x: Operand, projection: Projection) -> Outcome:
    """nextUp and nextDown (IEEE 754-2019 5.3.1): the first value found on leaving `x` in that direction."""
    smallest, largest = _ends(fmt)
    if isinstance(fmt, (PositFormat, TakumFormat, TakumLogFormat)):
        return Outcome((code + (1 if upward else -1)) % (1 << fmt.bits), Flags())
    if x.kind is Kind.NAN:
        nan = propagate([x.nan], projection.nan)
        return projection.code(Exact(Kind.NAN, nan=nan, invalid=x.nan is not None and x.nan.signaling))
    if x.kind is Kind.INFINITY:
        return Outcome(code if x.negative != upward else smallest if x.negative else largest, Flags())
    end = largest if upward else smallest
    if exact.compare(x.value, read(fmt, end).value) == 0:
        infinity = _infinities(fmt)[not upward]
        return Outcome(end if infinity is None else infinity, Flags())
    nudged = exact.add(x.value, _NUDGE if upward else -_NUDGE)
    direction = Rounding.TOWARD_POSITIVE if upward else Rounding.TOWARD_NEGATIVE
    towards = Projection(fmt, direction, Overflow.SATURATE, "canonical", None, "after", None)
    return Outcome(towards.number(nudged).code, Flags())
