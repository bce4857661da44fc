"""What the operands and exact results of arithmetic are: classes of values, NaNs with their payloads, flags."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from ..errors import FormatMismatchError
from ..formats import FloatFormat, Format, LnsFormat, Specials, TakumLogFormat
from ..formats import scalar as get
from ..formats.unpacked import Kind
from .decode import decode, logarithm
from .exact import Real, Sum, negate, power

__all__ = ["Exact", "Flags", "NaN", "Operand", "Outcome", "opposite", "read"]


class Flags(NamedTuple):
    """The exceptions of IEEE 754-2019 section 7."""

    inexact: bool = False
    underflow: bool = False
    overflow: bool = False
    divide_by_zero: bool = False
    invalid: bool = False

    @property
    def bits(self) -> int:
        """Inexact 1, underflow 2, overflow 4, divide by zero 8, invalid 16: the order of Berkeley TestFloat."""
        return sum(flag << i for i, flag in enumerate(self))

    def __or__(self, other: object) -> Flags:
        assert isinstance(other, Flags)
        return Flags(*(a or b for a, b in zip(self, other, strict=True)))


class Outcome(NamedTuple):
    """The code of a result and the exceptions that it raised."""

    code: int
    flags: Flags


class NaN(NamedTuple):
    """What a NaN carries: `payload` are the bits below the quiet bit as a fraction, so that formats share it."""

    negative: bool = False
    payload: Fraction = Fraction(0)
    signaling: bool = False


class Operand(NamedTuple):
    """The value of a code: a class, a sign, and the real number (`value`, signed) or the NaN."""

    kind: Kind
    negative: bool
    value: Fraction | Sum = Fraction(0)
    nan: NaN | None = None


class Exact(NamedTuple):
    """The result of an operation before rounding: a number (signed `value`), a signed zero or infinity, or a NaN."""

    kind: Kind
    negative: bool = False
    value: Real = Fraction(0)
    nan: NaN | None = None
    divide_by_zero: bool = False
    invalid: bool = False


def read(fmt: Format | str, code: int) -> Operand:
    """The operand that `code` stands for in a scalar, real format."""
    fmt = get(fmt)
    if fmt.is_complex:
        raise FormatMismatchError(f"fmt must be a real format, got {fmt.name}, which holds complex numbers")
    return _read(fmt, fmt.check_code(int(code)))


@lru_cache(maxsize=1 << 16)
def _read(fmt: Format, code: int) -> Operand:
    if isinstance(fmt, (LnsFormat, TakumLogFormat)):
        exponent = logarithm(code, fmt)
        if exponent is not None:
            negative, magnitude = code >> (fmt.bits - 1) == 1, power(isinstance(fmt, LnsFormat), exponent)
            return Operand(Kind.FINITE, negative, negate(magnitude) if negative else magnitude)
    value = decode(code, fmt)
    if isinstance(value, Fraction):
        return Operand(Kind.FINITE if value else Kind.ZERO, value < 0, value)
    if math.isnan(value):
        nan = _nan_of(fmt, code)
        return Operand(Kind.NAN, nan.negative, nan=nan)
    negative = math.copysign(1.0, value) < 0
    return Operand(Kind.INFINITY if math.isinf(value) else Kind.ZERO, negative)


def opposite(x: Operand) -> Operand:
    """``-x`` for an operand that is not NaN."""
    return x._replace(negative=not x.negative, value=negate(x.value))


def _nan_of(fmt: Format, code: int) -> NaN:
    """IEEE 754-2019 6.2.1: the first bit of the trailing significand tells quiet (1) from signaling (0)."""
    if not isinstance(fmt, FloatFormat) or fmt.specials not in (Specials.IEEE, Specials.FN):
        return NaN()
    negative = fmt.signed and code >> (fmt.bits - 1) == 1
    if fmt.specials is Specials.FN:
        return NaN(negative)
    quiet_bit = 1 << fmt.M >> 1
    trailing = code % (1 << fmt.M)
    return NaN(negative, Fraction(trailing % quiet_bit, quiet_bit), trailing < quiet_bit)
