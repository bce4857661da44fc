"""What a format does to one number: the code, its neighbours, the error, and the rounding decision in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .. import Format, encode
from ..display import bit_fields, bits_text, code_text, number_text, value_text
from .numbers import Typed
from .options import Rules
from .output import short

__all__ = ["Explanation", "explain"]


@dataclass(frozen=True)
class Explanation:
    """One VALUE of the command line and what became of it."""

    fmt: Format
    typed: Typed
    code: int
    #: Codes of the next smaller and next larger value, None at the ends and around NaN.
    below: int | None
    above: int | None
    #: Result minus input; None unless both are finite.
    error: Fraction | None
    #: Where the input lies between the values around it: (value below, 0 <= position < 1); None beyond the ends.
    position: tuple[Fraction, Fraction] | None
    decision: str

    @property
    def relative_error(self) -> Fraction | None:
        """Magnitude of the error over that of the input."""
        x = self.typed.number
        return abs(self.error / x) if self.error is not None and isinstance(x, Fraction) else None

    def as_json(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {
            "input": self.typed.text,
            **self._described(self.code),
            "bits": bits_text(self.fmt, self.code).replace(" ", ""),
            "fields": [list(field) for field in bit_fields(self.fmt, self.code)],
            "below": None if self.below is None else self._described(self.below),
            "above": None if self.above is None else self._described(self.above),
            "error": _nearest(self.error),
            "absolute_error": _nearest(None if self.error is None else abs(self.error)),
            "relative_error": _nearest(self.relative_error),
            "position_ulps": None if self.position is None else float(self.position[1]),
            "decision": self.decision,
        }

    def _described(self, code: int) -> dict[str, Any]:
        return {"code": code, "hex": code_text(self.fmt, code), "value": value_text(self.fmt, code)}


def _nearest(x: Fraction | None) -> float | str | None:
    """`x` as the nearest float, or as text where it lies beyond them."""
    if x is None:
        return None
    try:
        return float(x)
    except OverflowError:
        return number_text(x)


def explain(fmt: Format, typed: Typed, rules: Rules) -> Explanation:
    """Encode what was typed and say what happened."""
    x = typed.number
    if typed.code is not None:
        code = typed.code
        return Explanation(fmt, typed, code, *_neighbours(fmt, code), None, None, "a code: nothing was rounded")
    if fmt.is_complex:
        code = int(encode([x], fmt).codes[0])
        return Explanation(fmt, typed, code, None, None, None, None, "nearest axis by phase")
    code = int(encode([x], fmt, **rules.options()).codes[0])
    got = fmt.value_of(code)
    exact = Fraction(0) if isinstance(x, float) and x == 0 else x
    if not isinstance(exact, Fraction):
        return Explanation(fmt, typed, code, *_neighbours(fmt, code), None, None, _special(fmt, x, code, rules))
    error = got.value - exact if got.is_finite else None
    place = _place(fmt, exact)
    position = None if place is None else (fmt.value_of(place[0]).value, place[2])
    decision = _decision(fmt, exact, code, rules)
    return Explanation(fmt, typed, code, *_neighbours(fmt, code), error, position, decision)


def _neighbours(fmt: Format, code: int) -> tuple[int | None, int | None]:
    if fmt.is_complex or not fmt.value_of(code).is_finite:
        return None, None
    value, codes = fmt.value_of(code).value, fmt.ordered_codes
    # Equal values (-0 and 0, and rank_below's answer for irrational ones) are stepped over.
    low = high = fmt.rank_below(value)
    while low >= 0 and fmt.value_of(int(codes[low])).value >= value:
        low -= 1
    high = low + 1
    while high < fmt.ordered_count and fmt.value_of(int(codes[high])).value <= value:
        high += 1
    return (int(codes[low]) if low >= 0 else None), (int(codes[high]) if high < fmt.ordered_count else None)


def _place(fmt: Format, x: Fraction) -> tuple[int, int, Fraction] | None:
    """(lower code, upper code, position in [0, 1)) of `x` between two values; None beyond the ends."""
    rank = fmt.rank_below(x)
    if not 0 <= rank < fmt.ordered_count - 1:
        return None
    lower, upper = int(fmt.ordered_codes[rank]), int(fmt.ordered_codes[rank + 1])
    low, high = fmt.value_of(lower).value, fmt.value_of(upper).value
    return lower, upper, (x - low) / (high - low)


def _special(fmt: Format, x: Any, code: int, rules: Rules) -> str:
    _, overflow, nan = rules.resolved(fmt)
    what = f"NaN under the rule {nan.name.lower()}"
    if math.isinf(x):
        what = f"infinity under overflow {overflow.name.lower()}"
    return f"{what} gives {value_text(fmt, code)}"


def _decision(fmt: Format, x: Fraction, code: int, rules: Rules) -> str:
    mode, policy, _ = rules.resolved(fmt)
    rounding, overflow = mode.name.lower(), policy.name.lower()
    got, result = fmt.value_of(code), value_text(fmt, code)
    if got.is_finite and got.value == x:
        return "exact: the format holds this number"
    place = _place(fmt, x)
    if place is None:
        top = x > 0 and x > fmt.value_of(fmt.max_code).value
        where = f"above the largest value {short(fmt.max)}" if top else f"below the lowest value {short(fmt.min)}"
        return f"{where}: rounding {rounding}, overflow {overflow} give {result}"
    lower, upper, _position = place
    if code not in (lower, upper) and got.value not in (fmt.value_of(lower).value, fmt.value_of(upper).value):
        return f"rounding {rounding}, overflow {overflow} give {result}"
    side = "up" if got.value > x else "down"
    if not mode.is_nearest:
        return f"{rounding} rounds {side} to {result}"
    at = fmt.breakpoint(lower, upper)
    if not isinstance(at, Fraction):
        return f"{rounding} rounds {side} to {result} (nearest in the logarithm)"
    relation = "a tie, exactly at" if x == at else "above" if x > at else "below"
    return f"{relation} the breakpoint {number_text(at)}; {rounding} rounds {side} to {result}"
