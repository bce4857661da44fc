"""Check of stochastic rounding: how many of all 2**N random integers round an input outward."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from ..reference.places import place
from ..reference.rounding import outward_count
from ..rounding import RandomBits, Rounding
from .harness import STOCHASTIC, Array, Harness, overflow_code

__all__ = ["check_stochastic"]


def check_stochastic(h: Harness) -> int:
    """Over all 2**N random integers an input rounds outward exactly as often as P3109's definition says."""
    x = _inputs(h)
    inner, outer, nus = _outcomes(h, x)
    compared = 0
    for width in range(1, 9) if h.thorough else (1, 3):
        # Without a kernel of its own a format meets every 16th input from 5 random bits on.
        step = 16 if width > 4 and not h.has_kernel else 1
        for mode in STOCHASTIC:
            _count_outward(h, mode, width, x[::step], inner[::step], outer[::step], nus[::step])
            compared += x[::step].size << width
    return compared


def _count_outward(
    h: Harness, mode: Rounding, width: int, x: Array, inner: Array, outer: Array, nus: list[Fraction]
) -> None:
    """Encode `x` once for every random integer and compare the number of outer neighbours with the closed form."""
    ups = np.zeros(x.size, np.int64)
    for r in range(1 << width):
        codes = h.encode(x, rounding=mode, random=RandomBits(np.full(x.size, r, np.uint64), width))
        stray = np.flatnonzero((codes != inner) & (codes != outer))
        if stray.size:
            i = int(stray[0])
            neighbours = f"{int(inner[i]):#x} or {int(outer[i]):#x}"
            what = f"rounding={mode.name.lower()}, random={r} of {width} bits"
            raise AssertionError(h.message(float(x[i]), neighbours, int(codes[i]), what, "its neighbours are"))
        ups += codes == outer
    expected = np.array([outward_count(mode, nu, width) for nu in nus])
    wrong = np.flatnonzero((inner != outer) & (ups != expected))
    if wrong.size:
        i = int(wrong[0])
        what = f"rounding={mode.name.lower()} and all {width}-bit integers"
        wanted, got = (f"{n[i]} of {1 << width} outward" for n in (expected, ups))
        raise AssertionError(h.message(float(x[i]), wanted, got, what, "the definition says"))


def _inputs(h: Harness) -> Array:
    """Numbers of binary16: all of them, or some; a few where every one is decided on its own."""
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    finite: Array = halves[np.isfinite(halves) & (halves != 0)].astype(np.float64)
    if h.draws_one_by_one:
        return h.some(finite, 64 if h.thorough else 12)
    if h.thorough:
        # Far beyond the ends nothing depends on the random bits; without a kernel some of those numbers are enough.
        top = min(max(abs(Fraction(h.fmt.max)), abs(Fraction(h.fmt.min))), Fraction(1 << 17))
        inside = np.abs(finite) <= 2 * float(top)
        return finite if h.has_kernel else finite[inside | (np.arange(finite.size) % 64 == 0)]
    if not h.has_kernel and h.fmt.bits > 10:
        return h.some(finite, 12)
    return np.unique(np.concatenate([h.some(finite, 200), np.arange(-9, 10) / 8.0 + 1 / 16]))


def _outcomes(h: Harness, x: Array) -> tuple[Array, Array, list[Fraction]]:
    """Both possible codes of every input (overflow by the default policy) and its position between them."""
    inner, outer, nus = [], [], []
    for number in x.tolist():
        found = place(Fraction(number), h.fmt)
        end = overflow_code(h.fmt, number < 0, STOCHASTIC[0], h.fmt.default_overflow)
        low, high = (end if c is None else c for c in (found.inner, found.outer if found.nu else found.inner))
        assert low is not None and high is not None, f"{h.fmt.name} refuses {number} by default"
        inner.append(low)
        outer.append(high)
        nus.append(found.nu)
    return np.array(inner, np.uint64), np.array(outer, np.uint64), nus
