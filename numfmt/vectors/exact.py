"""The exact result of an operation as a rational, and where it lies in a format: what classes and explanations need.

Written from the definitions a second time, without the kernels and without `numfmt.reference`.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import isqrt
from typing import NamedTuple

from ..formats.base import Format
from ..formats.floating import MinifloatBase
from ..formats.unpacked import Unpacked

__all__ = ["Place", "Value", "addends", "exact_value", "exponent_of", "find_place"]

#: Bits kept of an irrational result: more than any breakpoint of a format has.
_KEPT_BITS = 400


class Value(NamedTuple):
    """A real number: `number`, or (`more`) one farther from zero by less than one part in 2**_KEPT_BITS."""

    number: Fraction
    more: bool = False

    def compare(self, x: Fraction) -> int:
        """Sign of the number minus `x`, a number of few bits."""
        side = (self.number > x) - (self.number < x)
        return side or (0 if not self.more else 1 if self.number > 0 else -1)


def exponent_of(x: Fraction) -> int:
    """``floor(log2(abs(x)))`` of a non-zero number."""
    n, d = abs(x.numerator), x.denominator
    e = n.bit_length() - d.bit_length()
    return e if (n >= d << e if e >= 0 else n << -e >= d) else e - 1


def _square_root(x: Fraction) -> Value:
    shift = max(0, _KEPT_BITS - exponent_of(x) // 2) if x else 0
    scaled = x * (1 << (2 * shift))
    root = isqrt(scaled.numerator // scaled.denominator)
    return Value(Fraction(root, 1 << shift), root * root != scaled)


def addends(op: str, values: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """The exact addends of a sum; () for other operations."""
    match op:
        case "add" | "faa":
            return tuple(values)
        case "sub":
            return values[0], -values[1]
        case "fma":
            return values[0] * values[1], values[2]
    return ()


def exact_value(op: str, values: Sequence[Fraction]) -> Value | None:
    """The exact finite result for finite operands; None where there is none (a pole, an invalid operation)."""
    a, b = values[0], values[1] if len(values) > 1 else Fraction(1)
    match op:
        case "add" | "sub" | "fma" | "faa":
            return Value(sum(addends(op, values), Fraction(0)))
        case "mul":
            return Value(a * b)
        case "div":
            return Value(a / b) if b else None
        case "reciprocal":
            return Value(1 / a) if a else None
        case "sqrt":
            return _square_root(a) if a >= 0 else None
        case "rsqrt":
            return _square_root(1 / a) if a > 0 else None
        case "remainder":
            return Value(a - b * round(a / b)) if b else None
        case "cast" | "minimum" | "maximum":
            return Value({"cast": a, "minimum": min(a, b), "maximum": max(a, b)}[op])
    return _function_value(op, a)


def _function_value(op: str, x: Fraction) -> Value | None:
    from ..ops._elementary import NAMES, evaluate

    if op not in NAMES or x.denominator & (x.denominator - 1):
        return None
    leading = evaluate(op, Unpacked.from_fraction(x)).leading
    if leading is None:
        return None
    number = Fraction(leading.significand) * Fraction(2) ** (leading.exponent - 63)
    return Value(-number if leading.sign else number, not leading.exact)


class Place(NamedTuple):
    """Neighbours of a number among a format's values: equal codes where it is one of them, None beyond the ends."""

    lower: int | None
    upper: int | None


def _place_in_minifloat(fmt: MinifloatBase, x: Value) -> Place:
    """As `find_place`, by the exponent: code * quantum below the smallest normal number, and so on above it."""
    magnitude, m = abs(x.number), fmt.mantissa_bits
    e = max(exponent_of(magnitude), 1 - fmt.bias)
    scaled = magnitude * Fraction(2) ** (m - e)
    whole = scaled.numerator // scaled.denominator
    inner = min(((e + fmt.bias - 1) << m) + whole, fmt.max_magnitude)
    exact = scaled == whole and not x.more and inner < fmt.max_magnitude
    exact = exact or (magnitude == fmt.magnitude_value(inner).value and not x.more)
    outer = inner if exact else inner + 1 if inner < fmt.max_magnitude else None
    if x.number > 0:
        return Place(inner, outer)
    sign = fmt.sign_weight
    toward_zero = inner + sign if inner or fmt.has_negative_zero_code else 0
    return Place(None if outer is None else outer + sign, toward_zero)


def find_place(fmt: Format, x: Value) -> Place:
    """The codes of the largest value ``<= x`` and the smallest value ``>= x``."""
    if isinstance(fmt, MinifloatBase) and fmt.subnormals and x.number and (fmt.signed or x.number > 0):
        return _place_in_minifloat(fmt, x)
    codes, count = fmt.ordered_codes, fmt.ordered_count
    rank = fmt.rank_below(x.number)
    if rank >= 0 and fmt.value_of(int(codes[rank])).value == x.number:
        if not x.more:
            return Place(int(codes[rank]), int(codes[rank]))
        rank -= x.number < 0
        # -0 and 0 are two codes of one value.
        while rank >= 0 and x.number < 0 and fmt.value_of(int(codes[rank])).value == x.number:
            rank -= 1
    return Place(int(codes[rank]) if rank >= 0 else None, int(codes[rank + 1]) if rank + 1 < count else None)
