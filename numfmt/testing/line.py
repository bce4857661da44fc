"""A format's number line, sampled: values, breakpoints and ends as binary64 thresholds, and choice by position.

`check_format` states the expected code of an input by selection: the input lies between ordered value i and i + 1,
below, at or above their breakpoint. Comparisons are between binary64 numbers and exact thresholds, in NumPy; nothing
is encoded.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..formats import Format
from ..formats.real import Exponential, Real
from ..reference.decode import exponential
from ..rounding import Rounding

__all__ = ["BEYOND_MAX", "BEYOND_MIN", "Line", "Position", "chosen", "goes_up", "number_line"]

Array = npt.NDArray[Any]
BEYOND_MAX, BEYOND_MIN = 1, -1


class Position(NamedTuple):
    """Where inputs lie on a `Line`, element by element."""

    gap: Array  # index of the largest value <= x; -1 below all of them
    exact: Array  # x is that value
    side: Array  # -1, 0, +1: x is below, at, above the breakpoint of the gap
    known: Array  # False: the gap's upper end was not sampled


@dataclass(frozen=True)
class Line:
    """Sampled values in increasing order, with the successors of both ends where the format overflows."""

    fmt: Format
    codes: Array  # uint64; 0 at the successors
    beyond: Array  # 0, BEYOND_MAX or BEYOND_MIN
    reals: list[Real]
    breaks: list[Real | None]  # between neighbours; None between values that are not
    at_least: Array  # smallest binary64 >= value
    above: Array  # smallest binary64 > value
    break_at_least: Array
    break_above: Array
    joined: Array  # gap i ends at the very next value
    negative: Array  # gap i lies on the negative side
    crossing: Array  # gap i holds a zero that the format lacks
    inner_is_even: Array

    def locate(self, x: Array) -> Position:
        """Positions of finite float64 inputs other than zeros."""
        gap = np.searchsorted(self.at_least, x, side="right") - 1
        last = self.codes.size - 1
        inside = np.clip(gap, 0, last)
        exact = (gap >= 0) & (x < self.above[inside])
        between = np.clip(gap, 0, max(last - 1, 0))
        side = (x >= self.break_at_least[between]).astype(np.int8) + (x >= self.break_above[between]) - 1
        known = exact | (gap < 0) | (gap == last) | self.joined[between]
        return Position(gap, exact, side, known)

    def locate_exactly(self, x: list[Fraction]) -> Position:
        """`locate` for rationals, by exact comparison; formats with rational values only."""
        values: list[Fraction] = self.reals  # type: ignore[assignment]
        gap, exact, side, known = [], [], [], []
        for number in x:
            i = _rank(values, number)
            hit = i >= 0 and values[i] == number
            inside = 0 <= i < len(values) - 1
            middle = self.breaks[i] if inside else None
            assert middle is None or isinstance(middle, Fraction)
            gap.append(i)
            exact.append(hit)
            side.append(0 if middle is None else (number > middle) - (number < middle))
            known.append(hit or not inside or middle is not None)
        return Position(np.array(gap, np.intp), np.array(exact, bool), np.array(side, np.int8), np.array(known, bool))

    def inputs(self, dtype: Any = np.float64, *, which: slice = slice(None)) -> Array:
        """Every value and breakpoint where `dtype` holds it, and the two numbers of `dtype` on each side; no zeros."""
        sites = np.concatenate([self.at_least[which], self.break_at_least[which]])
        sites = sites[np.isfinite(sites)]
        with np.errstate(over="ignore", under="ignore"):
            here = np.unique(sites.astype(dtype))
            found = [here]
            for end in (-np.inf, np.inf):
                near = here
                for _ in range(2):
                    near = np.nextafter(near, np.asarray(end, dtype))
                    found.append(near)
        x = np.unique(np.concatenate(found))
        return np.asarray(x[np.isfinite(x) & (x != 0)])


def chosen(line: Line, at: Position, rounding: Rounding) -> tuple[Array, Array]:
    """(codes, beyond) that `rounding` selects at each position: the standards' rules, seen along the real line."""
    last = line.codes.size - 1
    gap = np.clip(at.gap, 0, max(last - 1, 0))
    up = goes_up(rounding, at.side, line.negative[gap], line.inner_is_even[gap], line.crossing[gap])
    # Below all values the first one is taken, above all the last: successors of the ends stand there if there are any.
    pick = np.where(at.exact | (at.gap >= last), np.clip(at.gap, 0, last), np.where(at.gap < 0, 0, gap + up))
    return line.codes[pick], line.beyond[pick]


def goes_up(rounding: Rounding, side: Array, negative: Array, even: Array, crossing: Array) -> Array:
    """Whether a number inside a gap takes the upper value. On the negative side the inner neighbour is the upper."""
    outward = ~negative  # upward is outward
    tie = {
        Rounding.NEAREST_EVEN: even == negative,
        Rounding.NEAREST_AWAY: outward | crossing,
        Rounding.NEAREST_UP: np.ones_like(negative),
        Rounding.NEAREST_DOWN: np.zeros_like(negative),
        Rounding.NEAREST_ZERO: negative | crossing,
    }
    nearest = {mode: np.where(side == 0, at_tie, side > 0) for mode, at_tie in tie.items()}
    if rounding in nearest:
        return nearest[rounding]
    # Without a zero in between, the modes about zero go to the nearest value.
    across = nearest[Rounding.NEAREST_UP]
    directed: dict[Rounding, Array] = {
        Rounding.TOWARD_POSITIVE: np.ones_like(negative),
        Rounding.TOWARD_NEGATIVE: np.zeros_like(negative),
        Rounding.TOWARD_ZERO: np.where(crossing, across, negative),
        Rounding.AWAY_FROM_ZERO: np.where(crossing, across, outward),
        Rounding.TO_ODD: even == outward,
    }
    return directed[rounding]


# ---- building --------------------------------------------------------------------------------------------------------


def number_line(fmt: Format, ranks: list[int]) -> Line:
    """The line through the values of the given ranks (sorted, first and last rank included)."""
    ordered = fmt.ordered_codes
    codes = [int(ordered[r]) for r in ranks]
    reals = [fmt.real_of(code) for code in codes]
    joined = [b == a + 1 for a, b in itertools.pairwise(ranks)]
    breaks: list[Real | None] = [
        fmt.breakpoint(codes[i], codes[i + 1]) if near and reals[i] != reals[i + 1] else None
        for i, near in enumerate(joined)
    ]
    beyond = [0] * len(codes)
    if fmt.above_max is not None:
        breaks, joined = [*breaks, _middle(reals[-1], fmt.above_max)], [*joined, True]
        codes, beyond, reals = [*codes, 0], [*beyond, BEYOND_MAX], [*reals, fmt.above_max]
    if fmt.below_min is not None:
        breaks, joined = [_middle(reals[0], fmt.below_min), *breaks], [True, *joined]
        codes, beyond, reals = [0, *codes], [BEYOND_MIN, *beyond], [fmt.below_min, *reals]
    signs = np.array([_sign(real) for real in reals])
    low, high = signs[:-1], signs[1:]
    crossing = (low < 0) & (high > 0)
    negative = (low < 0) & ~crossing
    even = np.array(codes, np.uint64) % np.uint64(2) == 0
    at_least, above = np.array([_binary64_bounds(real) for real in reals], np.float64).T
    middles = [_binary64_bounds(real) if real is not None else (math.nan, math.nan) for real in breaks]
    break_at_least, break_above = np.array(middles, np.float64).reshape(-1, 2).T
    return Line(
        fmt,
        np.array(codes, np.uint64),
        np.array(beyond, np.int8),
        reals,
        breaks,
        at_least,
        above,
        break_at_least,
        break_above,
        joined=np.array(joined, bool),
        negative=negative,
        crossing=crossing,
        inner_is_even=np.where(negative, even[1:], even[:-1]),
    )


def _middle(a: Real, b: Fraction) -> Fraction:
    assert isinstance(a, Fraction)
    return (a + b) / 2


def _sign(real: Real) -> int:
    if isinstance(real, Exponential):
        return -1 if real.sign else 1
    return (real > 0) - (real < 0)


def _rank(values: list[Fraction], x: Fraction) -> int:
    low, high = -1, len(values) - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if values[middle] <= x else (low, middle - 1)
    return low


def _at_least(x: Fraction) -> float:
    """The smallest finite binary64 >= x; +infinity when there is none."""
    try:
        f = float(x)
    except OverflowError:
        return math.inf if x > 0 else -math.nextafter(math.inf, 0)
    return f if Fraction(f) >= x else math.nextafter(f, math.inf)


def _binary64_bounds(real: Real) -> tuple[float, float]:
    """(smallest binary64 >= real, smallest binary64 > real)."""
    if isinstance(real, Exponential):
        low, high = exponential(real.base == "2", real.exponent, 200)
        low, high = (-high, -low) if real.sign else (low, high)
        f = _at_least(low)
        assert f == _at_least(high), "200 bits do not place this irrational value among the binary64 numbers"
        return f, f
    f = _at_least(real)
    if math.isfinite(f) and Fraction(f) == real:
        return f, math.nextafter(f, math.inf)
    return f, f
