"""Exact real numbers of the arithmetic oracle, and their order, decided without approximation.

A value is a Fraction; a `Sum` of rational multiples of ``2**p * exp(q / 2)`` with rational p and q, which is what LNS
and logarithmic takum codes and their sums and products are; or a `Root`, the square root of a rational times such a
power.

Why every comparison ends: for distinct q the numbers exp(q / 2) are linearly independent over the algebraic numbers
(Lindemann and Weierstrass), and for distinct p in [0, 1) the numbers 2**p are so over the rationals (x**n - 2 is
irreducible). A `Sum` therefore is zero only when it has no terms left, and the sign of any other is found by narrowing
an enclosure. Square roots are ordered by their squares.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import floor, isqrt
from typing import TypeVar

from .decode import to_fraction

__all__ = [
    "Real",
    "Root",
    "Sum",
    "add",
    "compare",
    "decide",
    "divide",
    "enclosure",
    "multiply",
    "negate",
    "power",
    "root",
    "sign",
]

_T = TypeVar("_T")
_Terms = dict[tuple[Fraction, Fraction], Fraction]
ZERO = Fraction(0)


@dataclass(frozen=True)
class Sum:
    """The irrational number sum(c * 2**p * exp(q / 2)): terms ((p, q), c), 0 <= p < 1, c != 0, no (p, q) twice."""

    terms: tuple[tuple[tuple[Fraction, Fraction], Fraction], ...]


@dataclass(frozen=True)
class Root:
    """The positive irrational number sqrt(radicand) * 2**p * exp(q / 2), no number of the kind `Sum`."""

    radicand: Fraction
    p: Fraction
    q: Fraction


Real = Fraction | Sum | Root


def _terms(x: Fraction | Sum) -> _Terms:
    if isinstance(x, Sum):
        return dict(x.terms)
    return {(ZERO, ZERO): x} if x else {}


def _collect(terms: list[tuple[Fraction, Fraction, Fraction]]) -> Fraction | Sum:
    """The value of sum(c * 2**p * exp(q / 2)) over (p, q, c), like terms added: a Fraction where it is rational."""
    found: _Terms = {}
    for p, q, c in terms:
        whole = floor(p)
        key = (p - whole, q)
        found[key] = found.get(key, ZERO) + c * Fraction(2) ** whole
    found = {key: c for key, c in found.items() if c}
    if not found:
        return ZERO
    if set(found) == {(ZERO, ZERO)}:
        return found[ZERO, ZERO]
    return Sum(tuple(sorted(found.items())))


def power(binary: bool, exponent: Fraction) -> Fraction | Sum:
    """``2**exponent`` (`binary`) or ``exp(exponent / 2)``.

    >>> power(True, Fraction(3)), power(True, Fraction(1, 2)) == power(True, Fraction(3))
    (Fraction(8, 1), False)
    """
    return _collect([(exponent, ZERO, Fraction(1)) if binary else (ZERO, exponent, Fraction(1))])


# ---- arithmetic ----------------------------------------------------------------------------------------------------


def add(x: Fraction | Sum, y: Fraction | Sum) -> Fraction | Sum:
    """``x + y``."""
    if isinstance(x, Fraction) and isinstance(y, Fraction):
        return x + y
    return _collect([(p, q, c) for z in (x, y) for (p, q), c in _terms(z).items()])


def negate(x: Fraction | Sum) -> Fraction | Sum:
    """``-x``."""
    return -x if isinstance(x, Fraction) else Sum(tuple((key, -c) for key, c in x.terms))


def multiply(x: Fraction | Sum, y: Fraction | Sum) -> Fraction | Sum:
    """``x * y``."""
    if isinstance(x, Fraction) and isinstance(y, Fraction):
        return x * y
    pairs = [(a, b) for a in _terms(x).items() for b in _terms(y).items()]
    return _collect([(p + s, q + t, c * d) for ((p, q), c), ((s, t), d) in pairs])


def divide(x: Fraction | Sum, y: Fraction | Sum) -> Fraction | Sum:
    """``x / y`` for a `y` of one term, which the value of a code always is."""
    if isinstance(y, Fraction):
        return multiply(x, 1 / y)
    [((p, q), c)] = y.terms
    return multiply(x, _collect([(-p, -q, 1 / c)]))


def root(x: Fraction | Sum) -> Real:
    """The square root of a positive number of one term.

    >>> root(Fraction(9, 4)), root(Fraction(2)) == power(True, Fraction(1, 2))
    (Fraction(3, 2), True)
    """
    [((p, q), c)] = _terms(x).items()
    twos = _trailing_zeros(c.numerator) - _trailing_zeros(c.denominator)
    odd = c / Fraction(2) ** twos
    p, q = (p + twos) / 2, q / 2
    top, bottom = isqrt(odd.numerator), isqrt(odd.denominator)
    if top * top == odd.numerator and bottom * bottom == odd.denominator:
        return _collect([(p, q, Fraction(top, bottom))])
    whole = floor(p)
    p, odd = p - whole, odd * Fraction(4) ** whole
    return Root(odd * 2, ZERO, q) if p == Fraction(1, 2) else Root(odd, p, q)


def _trailing_zeros(n: int) -> int:
    return (n & -n).bit_length() - 1


# ---- order ---------------------------------------------------------------------------------------------------------


def sign(x: Real) -> int:
    """-1, 0 or 1."""
    if isinstance(x, Fraction):
        return (x > 0) - (x < 0)
    if isinstance(x, Root):
        return 1
    if len(x.terms) == 1:
        return 1 if x.terms[0][1] > 0 else -1
    return decide(x, lambda bound: (bound > 0) - (bound < 0))


def compare(x: Real, y: Fraction | Sum) -> int:
    """Sign of ``x - y``; a square root against a positive number by the squares of both.

    >>> compare(root(Fraction(3)), Fraction(7, 4)), compare(power(True, Fraction(1, 2)), Fraction(3, 2))
    (-1, -1)
    """
    if isinstance(x, Root):
        square = _collect([(2 * x.p, 2 * x.q, x.radicand)])
        return 1 if sign(y) <= 0 else compare(square, multiply(y, y))
    return sign(add(x, negate(y)))


def decide(x: Real, question: Callable[[Fraction], _T]) -> _T:
    """The answer to a question about `x` that changes only at rationals (or not at `x` itself).

    An irrational `x` is enclosed ever more narrowly until both ends give the same answer, which the points between
    them share. That ends because `x` is not one of the points where the answer changes.
    """
    if isinstance(x, Fraction):
        return question(x)
    precision = 64
    while True:
        low, high = enclosure(x, precision)
        answer = question(low)
        if answer == question(high):
            return answer
        precision *= 2


def enclosure(x: Sum | Root, precision: int) -> tuple[Fraction, Fraction]:
    """Rationals strictly below and above `x`, each term good to about `precision` bits."""
    if isinstance(x, Root):
        shift = precision + x.radicand.denominator.bit_length()
        square = x.radicand * 4**shift
        # low**2 < radicand < high**2, as integers: the square root of a rational that is no square is irrational.
        low = isqrt(square.numerator // square.denominator)
        below, above = _power_enclosure(x.p, x.q, precision)
        return Fraction(low, 2**shift) * below, Fraction(low + 1, 2**shift) * above
    lows, highs = [], []
    for (p, q), c in x.terms:
        bounds = [c * bound for bound in _power_enclosure(p, q, precision)]
        lows.append(min(bounds))
        highs.append(max(bounds))
    return sum(lows, ZERO), sum(highs, ZERO)


@lru_cache(maxsize=4096)
def _power_enclosure(p: Fraction, q: Fraction, precision: int) -> tuple[Fraction, Fraction]:
    if p == q == 0:
        return Fraction(1), Fraction(1)
    import mpmath

    # mpmath's functions are good to a few units in the last place, and |q| < 2**16 costs 16 bits: 64 more are plenty.
    assert abs(q) < 2**16
    with mpmath.workprec(precision + 64):
        exponent = mpmath.mpf(q.numerator) / q.denominator / 2
        near = to_fraction(mpmath.power(2, mpmath.mpf(p.numerator) / p.denominator) * mpmath.exp(exponent))
    return near * (1 - Fraction(1, 2**precision)), near * (1 + Fraction(1, 2**precision))
