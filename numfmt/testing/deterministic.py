"""Checks of encoding without random bits: every rounding and policy at breakpoints and ends, specials, wrap-around."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np

from ..errors import FormatOverflowError
from ..formats import CodebookFormat, IntFormat, LnsFormat, TakumLogFormat
from ..rounding import NaNRule, Overflow, Rounding
from .harness import DETERMINISTIC, Array, Harness, overflow_code
from .line import BEYOND_MAX, BEYOND_MIN, Line, Position, chosen, goes_up

__all__ = ["check_rational_inputs", "check_reference", "check_roundings", "check_specials", "check_wrapping"]


def expected_codes(h: Harness, at: Position, x: Array, line: Line, rounding: Rounding, overflow: Overflow) -> Any:
    """(codes, refused) by selection on the line; beyond the ends the code that the policy puts there."""
    fmt = h.fmt
    codes, beyond = chosen(line, at, rounding)
    if fmt.below_min is None and not fmt.is_signed and not isinstance(fmt, CodebookFormat):
        beyond = np.where(x < 0, BEYOND_MIN, beyond)
    refused = np.zeros(x.shape, bool)
    for end in (BEYOND_MAX, BEYOND_MIN):
        there = beyond == end
        if there.any():
            code = overflow_code(fmt, end == BEYOND_MIN, rounding, overflow)
            codes = np.where(there, np.uint64(0 if code is None else code), codes)
            refused |= there & (code is None)
    return codes, refused


def check_roundings(h: Harness, line: Line) -> int:
    """Every rounding and policy at every sampled breakpoint, value and end."""
    fmt = h.fmt
    ends = [outside(line), line.inputs(which=slice(0, 3)), line.inputs(which=slice(-3, None))]
    near_ends = np.unique(np.concatenate(ends))
    everything = np.unique(np.concatenate([line.inputs(), near_ends]))
    narrow = line.inputs(np.float32)
    # Beside an irrational threshold every number is decided by its logarithm to a hundred bits and more.
    few = 2 * h.samples if isinstance(fmt, (LnsFormat, TakumLogFormat)) and fmt.bits > 8 else everything.size
    costly = h.has_costly_policies and not h.thorough
    compared = 0
    for overflow, rounding in itertools.product(h.policies(), DETERMINISTIC):
        default = overflow is fmt.default_overflow
        if costly and not (default and (fmt.bits <= 8 or rounding is fmt.default_rounding)):
            # In pieces of 16, which are encoded one by one: no table is built.
            picked = h.some(everything, 160 if default else 16)
            pieces = [picked[at : at + 16] for at in range(0, picked.size, 16)]
            compared += sum(_check_rounded(h, line, piece, rounding, overflow, small=True) for piece in pieces)
            continue
        usual = default and rounding is fmt.default_rounding
        limit = everything.size if usual and h.thorough else few
        x = everything if default or h.whole else near_ends
        compared += _check_rounded(h, line, h.some(x, limit), rounding, overflow)
        if default and narrow.size and (usual or not costly):
            compared += _check_rounded(h, line, h.some(narrow, limit), rounding, overflow)
    return compared


def _check_rounded(
    h: Harness, line: Line, x: Array, rounding: Rounding, overflow: Overflow, *, small: bool = False
) -> int:
    wide = x.astype(np.float64)
    at = line.locate(wide)
    expected, refused = expected_codes(h, at, wide, line, rounding, overflow)
    if not at.known.all():
        h.skip("inputs beyond the sampled neighbours", int(np.count_nonzero(~at.known)))
    options = {"rounding": rounding, "overflow": overflow}
    what = f"rounding={rounding.name.lower()}, overflow={overflow.name.lower()}"
    if refused.any():
        h.must_refuse(x[refused][:1], FormatOverflowError, what, **options)
        h.must_refuse(x[refused][-1:], FormatOverflowError, what, **options)
    take = at.known & ~refused
    if take.any():
        h.same_codes(x[take], expected[take], h.encode(x[take], small=small, **options), what)
    return int(np.count_nonzero(at.known))


def check_rational_inputs(h: Harness, line: Line) -> int:
    """Fractions at values and breakpoints and a hair beside them, also where binary64 cannot follow."""
    ranks = np.unique(np.concatenate([np.arange(3), h.rng.integers(len(line.reals), size=6), [len(line.reals) - 1]]))
    sites: list[Any] = [line.reals[i] for i in ranks if i < len(line.reals)]
    sites += [line.breaks[i] for i in ranks if i < len(line.breaks)]
    x: list[Fraction] = []
    for site in sites:
        if isinstance(site, Fraction) and site:
            hair = abs(site) / (1 << 200)
            x += [site, site + hair, site - hair]
    x += [max(map(abs, x)) * 3, -max(map(abs, x)) * 3]
    # Pieces of 16 take numfmt's path for small arrays, which builds and compiles nothing.
    compared, size = 0, 16 * min(h.spots, 3)
    for rounding in DETERMINISTIC:
        some = [x[i] for i in h.rng.permutation(len(x))[:size]]
        signs = np.array([1 if number > 0 else -1 for number in some])
        at = line.locate_exactly(some)
        codes, refused = expected_codes(h, at, signs, line, rounding, h.fmt.default_overflow)
        take = np.flatnonzero(at.known & ~refused)
        for start in range(0, take.size, 16):
            piece = np.array([some[i] for i in take[start : start + 16]], object)
            got = h.encode(piece, rounding=rounding)
            h.same_codes(piece, codes[take[start : start + 16]], got, f"rounding={rounding.name.lower()}")
            compared += piece.size
    return compared


def check_wrapping(h: Harness) -> int:
    """Modulo 2**bits, from floor and remainder in binary64 where both are exact."""
    fmt = h.fmt
    assert isinstance(fmt, IntFormat)
    half = 2.0 ** (fmt.bits - 1)
    quarters = np.arange(-12, 13) / 4
    scaled = np.unique(np.concatenate([c + quarters for c in np.array([0, 1, -1, 2, -2, 5, -7]) * half]))
    scaled = scaled[scaled != 0]
    whole = np.floor(scaled)
    side = np.sign(scaled - whole - 0.5).astype(np.int8)
    negative = scaled < 0
    even = np.where(negative, whole + 1, whole) % 2 == 0
    for rounding in DETERMINISTIC:
        up = (whole != scaled) & goes_up(rounding, side, negative, even, np.zeros_like(negative))
        expected = ((whole.astype(np.int64) + up) % (1 << fmt.bits)).astype(np.uint64)
        x = np.ldexp(scaled, -fmt.frac_bits)
        got = h.encode(x, rounding=rounding, overflow=Overflow.WRAP)
        h.same_codes(x, expected, got, f"rounding={rounding.name.lower()}, overflow=wrap")
    return len(DETERMINISTIC) * int(scaled.size)


def check_reference(h: Harness, line: Line) -> int:
    """A few inputs from everywhere, every rounding and policy, one by one (numfmt's path for small arrays)."""
    x = np.concatenate([line.inputs(), outside(line)])
    x = np.concatenate([x, x[np.abs(x) < 1e300] * 1.0625])
    combinations = list(itertools.product(h.policies(), DETERMINISTIC))
    for overflow, rounding in combinations:
        for number in h.rng.choice(x, h.spots).tolist():
            h.same_outcome(number, rounding=rounding, overflow=overflow)
    return len(combinations) * h.spots


def check_specials(h: Harness) -> int:
    """Zeros, infinities and NaNs under every overflow policy and NaN rule; a rule without meaning is refused."""
    numbers = [0.0, -0.0, math.inf, -math.inf, math.nan, -math.nan]
    combinations = list(itertools.product(h.policies(), [None, *NaNRule], numbers))
    for overflow, rule, number in combinations:
        h.same_outcome(number, overflow=overflow, nan=rule)
    return len(combinations)


def outside(line: Line) -> Array:
    """Numbers far beyond both ends and next to zero."""
    top = float(np.max(np.abs(line.at_least[np.isfinite(line.at_least)]), initial=1.0))
    with np.errstate(over="ignore"):
        far = np.array([top * 1.5, top * 2, top * 3, top * 1e10, 1e300, float(np.finfo(np.float64).max)])
    x = np.concatenate([far, [5e-324, 1e-310, 1e-45, 1e-20]])
    x = x[np.isfinite(x)]
    return np.concatenate([x, -x])
