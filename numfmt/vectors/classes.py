"""Boundary classes: what is special about a row, decided from the exact result, never from how the row was made."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

from ..formats.base import Format
from ..formats.floating import MinifloatBase
from ..formats.integer import IntFormat
from ..formats.unpacked import Kind
from .exact import Value, addends, exact_value, exponent_of, find_place
from .operations import FUNCTIONS

__all__ = ["CLASS_NAMES", "class_names_of", "classify", "limits", "out_of_reach"]

#: From the rarest to the commonest: the first that fits is the row's `class` column.
CLASS_NAMES = (
    "ordinary",
    "special",
    "divide_by_zero_or_invalid",
    "tie_subnormal",
    "tie",
    "overflow_at_threshold",
    "overflow_below_threshold",
    "overflow_above_threshold",
    "tiny_at_threshold",
    "tiny_rounds_to_normal",
    "tiny_below_threshold",
    "tiny_above_threshold",
    "vanish_at_half",
    "vanish_below_half",
    "vanish_above_half",
    "tie_below",
    "tie_above",
    "cancel_total",
    *(f"cancel_{k}" for k in range(1, 66)),
    "far_sticky",
    "carry_out",
    "round_up_to_power",
    "overflow_far",
    "vanish_far",
    "zero_operand",
    "exact",
)
_SUMS = ("add", "sub", "fma", "faa")
_SELECTIONS = ("minimum", "maximum")
_COMPUTED = (*_SUMS, "mul", "div", "sqrt", "rsqrt", "reciprocal", "remainder", "cast", *FUNCTIONS)
#: Operations without a number for some finite operands.
_POLES = ("div", "reciprocal", "sqrt", "rsqrt", "remainder", "log", "log2", "log10", "log1p")


class Limits:
    """The thresholds of a result format, as rationals; None where it has none."""

    def __init__(self, fmt: Format) -> None:
        self.maximum = fmt.value_of(fmt.max_code).value
        above = fmt.above_max
        self.overflow = None if above is None else (self.maximum + above) / 2
        self.above = above
        smallest = fmt.value_of(fmt.smallest_code).value
        graded = not isinstance(fmt, IntFormat)
        self.smallest = smallest if graded and above is not None and fmt.has_zero else None
        has_normal = isinstance(fmt, MinifloatBase)
        self.normal = Fraction(2) ** (1 - fmt.bias) if isinstance(fmt, MinifloatBase) else None
        self.quantum = smallest if has_normal else None
        self.precision = _precision(fmt)


@lru_cache(maxsize=64)
def limits(fmt: Format) -> Limits:
    """Thresholds of `fmt`."""
    return Limits(fmt)


def _precision(fmt: Format) -> int:
    """Significant bits at 1, where precision is (nearly) the largest."""
    if isinstance(fmt, MinifloatBase):
        return fmt.precision
    if isinstance(fmt, IntFormat):
        return fmt.bits
    rank = fmt.rank_below(Fraction(1))
    if not 0 < rank < fmt.ordered_count - 1:
        return 2
    step = fmt.value_of(int(fmt.ordered_codes[rank + 1])).value - fmt.value_of(int(fmt.ordered_codes[rank])).value
    return max(1, 1 - exponent_of(step))


def class_names_of(op: str, formats: Sequence[Format], fmt: Format) -> tuple[str, ...]:
    """The classes that a boundary set of `op` into `fmt` looks for; some may be out of reach."""
    if not all(f.exact for f in (*formats, fmt)):
        return ("special",)  # irrational values: nothing lies at a threshold
    same = all(f == fmt for f in formats)
    if op in _SELECTIONS or (same and op in ("remainder", "cast")):
        return ("special", "zero_operand", "exact") + (("divide_by_zero_or_invalid",) if op in _POLES else ())
    if op not in _COMPUTED:
        return ("special", "ordinary")
    bounds = limits(fmt)
    names = ["special", "tie", "tie_below", "tie_above", "exact", "zero_operand"]
    if op in _POLES:
        names.append("divide_by_zero_or_invalid")
    if bounds.overflow is not None:
        names += [f"overflow_{side}_threshold" for side in ("at", "below", "above")] + ["overflow_far"]
    if bounds.smallest is not None:
        names += ["vanish_at_half", "vanish_below_half", "vanish_above_half", "vanish_far"]
    if bounds.normal is not None:
        names += [f"tiny_{side}_threshold" for side in ("at", "below", "above")]
        names += ["tiny_rounds_to_normal", "tie_subnormal"]
    if op in _SUMS:
        names += ["cancel_total", *(f"cancel_{k}" for k in range(1, min(64, bounds.precision) + 1))]
        names += ["far_sticky", "carry_out"]
    names.append("round_up_to_power")
    return tuple(name for name in CLASS_NAMES if name in names)


def classify(op: str, formats: Sequence[Format], codes: Sequence[int], fmt: Format) -> tuple[str, ...]:
    """The classes of one row, in the order of `CLASS_NAMES`."""
    operands = [f.value_of(c) for f, c in zip(formats, codes, strict=True)]
    if any(x.kind in (Kind.NAN, Kind.INFINITY) for x in operands):
        return ("special",)
    if not all(f.exact for f in (*formats, fmt)):
        return ("ordinary",)
    found = set()
    values = [x.value for x in operands]
    if not all(values):
        found.add("zero_operand")
    x = exact_value(op, values)
    if x is None:
        return ("divide_by_zero_or_invalid",) if op in _POLES else ("ordinary",)
    if x.number:
        found |= _of_sum(op, values, fmt) | _of_result(x, fmt)
    elif all(values) and op in _SUMS:
        found.add("cancel_total")
    else:
        found.add("exact")
    return tuple(name for name in CLASS_NAMES if name in found) or ("ordinary",)


def _of_sum(op: str, values: Sequence[Fraction], fmt: Format) -> set[str]:
    parts = [part for part in addends(op, values) if part]
    if len(parts) < 2:
        return set()
    found = set()
    tops = sorted((exponent_of(part) for part in parts), reverse=True)
    total = exponent_of(sum(parts, Fraction(0)))
    if 0 < tops[0] - total <= 64:
        found.add(f"cancel_{tops[0] - total}")
    if total > tops[0]:
        found.add("carry_out")
    if any(high - low > limits(fmt).precision for high, low in pairwise(tops)):
        found.add("far_sticky")
    return found


def _of_result(x: Value, fmt: Format) -> set[str]:
    """Classes of a non-zero exact result."""
    bounds, found = limits(fmt), set()
    size = Value(abs(x.number), x.more)
    if bounds.overflow is not None and bounds.above is not None and size.compare(bounds.maximum) > 0:
        side = size.compare(bounds.overflow)
        if side > 0 and size.number > bounds.above:
            return {"overflow_far"}
        return {("overflow_at_threshold", "overflow_above_threshold", "overflow_below_threshold")[side]}
    if bounds.smallest is not None and size.compare(bounds.smallest) < 0:
        side = size.compare(bounds.smallest / 2)
        if side < 0 and size.number < bounds.smallest / 4:
            return {"vanish_far"}
        found.add(("vanish_at_half", "vanish_above_half", "vanish_below_half")[side])
    if bounds.normal is not None and bounds.quantum is not None:
        found |= _about_normal(size, bounds.normal, bounds.quantum)
    place = find_place(fmt, x)
    if place.lower == place.upper:
        return found | {"exact"}
    if place.lower is None or place.upper is None:
        return found
    low, high = fmt.value_of(place.lower).value, fmt.value_of(place.upper).value
    middle = fmt.breakpoint(place.lower, place.upper)
    if not isinstance(middle, Fraction):
        return found
    side = x.compare(middle)
    if side == 0:
        subnormal = bounds.normal is not None and size.compare(bounds.normal) < 0
        found.add("tie_subnormal" if subnormal else "tie")
    elif abs(x.number - middle) <= (high - low) / 8:
        # Below and above in magnitude, as truncation sees it.
        found.add("tie_above" if (side > 0) == (x.number > 0) else "tie_below")
    outer = high if x.number > 0 else -low
    if side * (1 if x.number > 0 else -1) >= 0 and outer.numerator & (outer.numerator - 1) == 0:
        found.add("round_up_to_power")
    return found


def _about_normal(size: Value, normal: Fraction, quantum: Fraction) -> set[str]:
    """Around the smallest normal number, where tininess before and after rounding differ."""
    side = size.compare(normal)
    if side == 0:
        return {"tiny_at_threshold"}
    if side > 0:
        return {"tiny_above_threshold"} if size.compare(normal + quantum) < 0 else set()
    if size.compare(normal - quantum / 4) >= 0:
        return {"tiny_rounds_to_normal", "tiny_below_threshold"}
    return {"tiny_below_threshold"} if size.compare(normal - quantum) > 0 else set()


# ---- what cannot be reached, by an argument ------------------------------------------------------------------------


def out_of_reach(op: str, formats: Sequence[Format], fmt: Format) -> dict[str, str]:
    """Classes that no operands reach, each with the proof in a sentence; not all such classes."""
    if not isinstance(fmt, MinifloatBase) or not all(isinstance(f, MinifloatBase) for f in formats):
        return {}
    bounds, p = limits(fmt), fmt.precision
    quanta = [f.value_of(f.smallest_code).value for f in formats]
    found: dict[str, str] = {}
    if op in ("add", "sub", "faa") and bounds.quantum is not None and min(quanta) >= bounds.quantum:
        why = "sums of multiples of the smallest number are multiples of it"
        names: tuple[str, ...] = (
            "vanish_at_half",
            "vanish_below_half",
            "vanish_above_half",
            "vanish_far",
            "tie_subnormal",
        )
        names += ("tiny_below_threshold", "tiny_above_threshold", "tiny_rounds_to_normal")
        found |= dict.fromkeys(names if min(quanta) == bounds.quantum else names[:5], why)
    if op == "cast" and bounds.above is not None and limits(formats[0]).maximum <= bounds.above:
        found["overflow_far"] = "no operand is beyond the number that would follow the largest"
    narrow = all(limits(f).precision <= p for f in formats)
    if op in ("div", "reciprocal") and narrow:
        why = "a quotient of significands of p bits is no odd number of p + 1 bits, and none is above 2 - 2**(1-p)"
        found |= dict.fromkeys(("tie", "overflow_at_threshold", "overflow_below_threshold"), why)
        found["tiny_rounds_to_normal"] = "a quotient of p-bit significands below 1 is at most 1 - 1 / (2**p - 1)"
    if op == "sqrt" and formats[0] == fmt:
        found |= dict.fromkeys(("tie", "round_up_to_power"), "the square of such a number has more than p bits")
        names = tuple(name for name in CLASS_NAMES if name.startswith(("overflow", "tiny", "vanish")))
        found |= dict.fromkeys(
            (*names, "tie_subnormal"), "roots lie between the smallest normal number and the largest"
        )
    return found
