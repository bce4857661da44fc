"""Where an exact real lies among the values of a logarithmic format, decided by exact order alone.

``places.py`` does this for rationals. Results of arithmetic may be irrational, may equal an irrational code, and may
lie exactly at a breakpoint (the square root of 2**(1/8) does in lns8_3), so here every question is an exact comparison.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import floor

from ..formats import LnsFormat, TakumLogFormat
from .decode import _takum_characteristic, logarithm
from .exact import Real, Root, Sum, add, compare, enclosure, multiply, negate, power, sign
from .places import Place

__all__ = ["place_logarithmic"]

HALF = Fraction(1, 2)
#: Stochastic rounding looks at multiples of 2**-65 of the position (64 random bits, and one more for the ties of C).
GRID_BITS = 66


def place_logarithmic(magnitude: Real, negative: bool, fmt: LnsFormat | TakumLogFormat, *, position: bool) -> Place:
    """The neighbours of a non-zero number; `nu` is right to the stochastic roundings when `position`, else a stand-in.

    Beyond the largest value the place is that value itself.
    """
    low, high = 0, _top(fmt)
    if compare(magnitude, _value(high, fmt)) >= 0:
        return Place.exactly(_code(high, negative, fmt))
    while high - low > 1:
        middle = (low + high) // 2
        if compare(magnitude, _value(middle, fmt)) >= 0:
            low = middle
        else:
            high = middle
    code, outer = _code(low, negative, fmt), _code(low + 1, negative, fmt)
    if low and compare(magnitude, _value(low, fmt)) == 0:
        return Place.exactly(code)
    nu = _position(magnitude, _value(low, fmt), _value(low + 1, fmt)) if position else HALF
    # Posits and takums never round a number to zero in a nearest mode; LNS does, half a step below its smallest.
    side = 1 if low == 0 and isinstance(fmt, TakumLogFormat) else compare(magnitude, _breakpoint(low, fmt))
    return Place(code, outer, nu, side, code % 2 == 0)


# ---- ranks of the magnitudes: 0 is zero, then upward ----------------------------------------------------------------


def _top(fmt: LnsFormat | TakumLogFormat) -> int:
    return (1 << (fmt.bits - 1)) - 1


def _code(rank: int, negative: bool, fmt: LnsFormat | TakumLogFormat) -> int:
    if isinstance(fmt, TakumLogFormat):
        return (-rank if negative else rank) % (1 << fmt.bits)
    half = 1 << (fmt.bits - 1)
    return half // 2 if rank == 0 else (rank - half // 2) % half + half * negative


@lru_cache(maxsize=1 << 16)
def _value(rank: int, fmt: LnsFormat | TakumLogFormat) -> Fraction | Sum:
    if rank == 0:
        return Fraction(0)
    exponent = logarithm(_code(rank, False, fmt), fmt)
    assert exponent is not None
    return power(isinstance(fmt, LnsFormat), exponent)


@lru_cache(maxsize=1 << 16)
def _breakpoint(rank: int, fmt: LnsFormat | TakumLogFormat) -> Fraction | Sum:
    """Where nearest switches between a rank and the next: half-way between the logarithms of LNS, the string followed
    by a 1 in a takum."""
    if isinstance(fmt, LnsFormat):
        return power(True, Fraction(2 * rank + 1 - (1 << (fmt.bits - 1)), 2 << fmt.frac_bits))
    c, m = _takum_characteristic(f"{2 * rank + 1:0{fmt.bits}b}")
    return power(False, c + m)


# ---- position between two neighbours -------------------------------------------------------------------------------


def _position(x: Real, low: Fraction | Sum, high: Fraction | Sum) -> Fraction:
    """A rational that no question on a grid of ``2**-GRID_BITS`` can tell from ``(x - low) / (high - low)``."""
    precision, steps = 256, 1 << GRID_BITS
    while True:
        bounds = [_bounds(v, precision) for v in (x, low, high)]
        (x0, x1), (a0, a1), (b0, b1) = bounds
        least, most = (x0 - a1) / (b1 - a0) * steps, (x1 - a0) / (b0 - a1) * steps
        if floor(least) == floor(most):
            return Fraction(2 * floor(least) + 1, 2 * steps)
        # A square root never lies on the grid: its square would be a number of several terms.
        k = floor(most)
        if not isinstance(x, Root):
            scaled = multiply(add(x, negate(low)), Fraction(steps))
            if sign(add(scaled, negate(multiply(add(high, negate(low)), Fraction(k))))) == 0:
                return Fraction(k, steps)
        precision *= 2


def _bounds(x: Real, precision: int) -> tuple[Fraction, Fraction]:
    return (x, x) if isinstance(x, Fraction) else enclosure(x, precision)
