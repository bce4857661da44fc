"""The rounding rules once more, written from the standards' sentences: the witness of ``numfmt.rounding``.

A non-zero magnitude that is no value of the format lies between two neighbours, the inner one (smaller magnitude) and
the outer one. `rounds_outward` chooses; `outward_count` says how many of the 2**N random integers choose the outer one.
"""

from __future__ import annotations

from fractions import Fraction
from math import floor

from ..errors import ArgumentError
from ..rounding import Rounding

__all__ = ["outward_count", "rounds_outward"]


def rounds_outward(
    rounding: Rounding, *, negative: bool, side: int, inner_is_even: bool, nu: Fraction, random: tuple[int, int] | None
) -> bool:
    """Whether a value strictly between two neighbours becomes the outer one.

    Parameters
    ----------
    rounding : Rounding
        Any mode.
    negative : bool
        Sign of the value; the outer neighbour of a negative value lies below it.
    side : int
        -1, 0, +1: below, at or above the point where nearest rounding switches.
    inner_is_even : bool
        Parity of the inner neighbour's code.
    nu : Fraction
        Position between the neighbours, 0 < nu < 1; only the stochastic modes look at it.
    random : (integer, width), optional
        The random integer R and its number of bits N.
    """
    at_a_tie = {
        # IEEE 754-2019 4.3.1: "the one with an even least significant digit"; "the one with larger magnitude".
        Rounding.NEAREST_EVEN: not inner_is_even,
        Rounding.NEAREST_AWAY: True,
        Rounding.NEAREST_UP: not negative,
        Rounding.NEAREST_DOWN: negative,
        Rounding.NEAREST_ZERO: False,
    }
    if rounding in at_a_tie:
        return side > 0 or (side == 0 and at_a_tie[rounding])
    directed = {
        # IEEE 754-2019 4.3.2: closest to and no greater in magnitude / no less / no greater than the exact result.
        Rounding.TOWARD_ZERO: False,
        Rounding.TOWARD_POSITIVE: not negative,
        Rounding.TOWARD_NEGATIVE: negative,
        Rounding.AWAY_FROM_ZERO: True,
        # P3109 v4.0 RoundToPrecision, ToOdd: nu > 0 and CodeIsEven.
        Rounding.TO_ODD: inner_is_even,
    }
    if rounding in directed:
        return directed[rounding]
    if random is None:
        raise ArgumentError(f"rounding {rounding.name.lower()} needs random bits; pass random=(integer, width)")
    r, n = random
    # P3109 v4.0 RoundToPrecision, StochasticA / StochasticB / StochasticC.
    if rounding is Rounding.STOCHASTIC_A:
        return floor(nu * (1 << n)) + r >= 1 << n
    if rounding is Rounding.STOCHASTIC_B:
        return floor(nu * (2 << n)) + 2 * r + 1 >= 2 << n
    return _nearest_even_integer(nu * (1 << n)) + r >= 1 << n


def outward_count(rounding: Rounding, nu: Fraction, width: int) -> int:
    """How many of the ``2**width`` random integers R round a value at position `nu` outward, in closed form.

    A: R >= 2**N - floor(nu * 2**N). B: 2R >= 2**(N+1) - 1 - F with F = floor(nu * 2**(N+1)), which ceil(F / 2) values
    of R meet. C: R >= 2**N - RNE(nu * 2**N).

    >>> [outward_count(mode, Fraction(3, 8), 1) for mode in list(Rounding)[10:]]
    [0, 1, 1]
    """
    if rounding is Rounding.STOCHASTIC_A:
        return floor(nu * (1 << width))
    if rounding is Rounding.STOCHASTIC_B:
        return (floor(nu * (2 << width)) + 1) // 2
    if rounding is Rounding.STOCHASTIC_C:
        return _nearest_even_integer(nu * (1 << width))
    raise ArgumentError(f"rounding must be stochastic_a, stochastic_b or stochastic_c, got {rounding.name.lower()}")


def _nearest_even_integer(x: Fraction) -> int:
    below = floor(x)
    twice = 2 * (x - below)
    if twice == 1:
        return below + below % 2
    return below + (1 if twice > 1 else 0)
