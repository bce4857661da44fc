"""Exact reals that arithmetic makes of codes, where binary64 is not enough: sums of c * 2**p * exp(q / 2), and roots.

Values of LNS and logarithmic takum codes are such products with c = 1; everything else is a fraction. For distinct q
the exp(q / 2) are linearly independent over the algebraic numbers (Lindemann and Weierstrass), and for distinct p in
[0, 1) the 2**p over the rationals, so a `Sum` in normal form with an irrational term is irrational, and equal to no
code and no breakpoint unless it has one term with c a power of two: `real_of` finds those. Every other question is
settled by narrowing an enclosure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import floor, isqrt
from typing import TypeVar

from ..formats.real import Exponential, Real, compare

__all__ = [
    "Irrational",
    "Number",
    "add",
    "decide",
    "divide",
    "exceeds",
    "multiply",
    "negate",
    "of_real",
    "root",
    "sign",
]

_Key = tuple[Fraction, Fraction]
_T = TypeVar("_T")
_ZERO = Fraction(0)


@dataclass(frozen=True)
class Irrational:
    """sum(c * 2**p * exp(q / 2)) over `terms` {(p, q): c}, or its positive square root; not rational."""

    terms: tuple[tuple[_Key, Fraction], ...]
    is_root: bool = False


Number = Fraction | Irrational


def _collected(terms: list[tuple[Fraction, Fraction, Fraction]]) -> Number:
    found: dict[_Key, Fraction] = {}
    for p, q, c in terms:
        whole = floor(p)
        key = (p - whole, q)
        found[key] = found.get(key, _ZERO) + c * Fraction(2) ** whole
    found = {key: c for key, c in found.items() if c}
    if not found or set(found) == {(_ZERO, _ZERO)}:
        return found.get((_ZERO, _ZERO), _ZERO)
    return Irrational(tuple(sorted(found.items())))


def _terms(x: Number) -> list[tuple[Fraction, Fraction, Fraction]]:
    if isinstance(x, Fraction):
        return [(_ZERO, _ZERO, x)]
    assert not x.is_root
    return [(p, q, c) for (p, q), c in x.terms]


def of_real(x: Real) -> Number:
    """The value of a code."""
    if isinstance(x, Fraction):
        return x
    c = Fraction(-1 if x.sign else 1)
    return _collected([(x.exponent, _ZERO, c) if x.base == "2" else (_ZERO, x.exponent, c)])


def as_real(x: Irrational) -> Real | None:
    """`x` as a value that codes and breakpoints can have, or None: then it is equal to none of them."""
    if x.is_root or len(x.terms) > 1:
        return None
    ((p, q), c) = x.terms[0]
    if q == 0 and _is_power_of_two(abs(c)):
        return Exponential.make(int(c < 0), "2", p + _log2(abs(c)))
    return Exponential.make(int(c < 0), "sqrt_e", q) if p == 0 and abs(c) == 1 else None


def _is_power_of_two(c: Fraction) -> bool:
    return c.numerator & (c.numerator - 1) == 0 and c.denominator & (c.denominator - 1) == 0


def _log2(c: Fraction) -> int:
    return c.numerator.bit_length() - c.denominator.bit_length()


# ---- arithmetic ----------------------------------------------------------------------------------------------------


def add(x: Number, y: Number) -> Number:
    """x + y."""
    return _collected(_terms(x) + _terms(y))


def negate(x: Number) -> Number:
    """-x."""
    return multiply(x, Fraction(-1))


def multiply(x: Number, y: Number) -> Number:
    """x * y."""
    return _collected([(p + s, q + t, c * d) for p, q, c in _terms(x) for s, t, d in _terms(y)])


def divide(x: Number, y: Number) -> Number:
    """x / y for a `y` of one term, as codes have."""
    [(p, q, c)] = _terms(y)
    return multiply(x, _collected([(-p, -q, 1 / c)]))


def root(x: Number) -> Number:
    """The square root of a positive number of one term."""
    [(p, q, c)] = _terms(x)
    twos = _trailing_zeros(c.numerator) - _trailing_zeros(c.denominator)
    odd = c / Fraction(2) ** twos
    top, bottom = isqrt(odd.numerator), isqrt(odd.denominator)
    if top * top == odd.numerator and bottom * bottom == odd.denominator:
        return _collected([((p + twos) / 2, q / 2, Fraction(top, bottom))])
    return Irrational((((p, q), c),), is_root=True)


def _trailing_zeros(n: int) -> int:
    return (n & -n).bit_length() - 1


# ---- order ---------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _power(base: str, exponent: Fraction, precision: int) -> tuple[Fraction, Fraction]:
    real = Exponential.make(0, base, exponent)
    return (real, real) if isinstance(real, Fraction) else real.enclosure(precision)


def enclosure(x: Irrational, precision: int) -> tuple[Fraction, Fraction]:
    """Rationals around `x`, narrowing with `precision`."""
    low = high = _ZERO
    for (p, q), c in x.terms:
        (a, b), (d, e) = _power("2", p, precision), _power("sqrt_e", q, precision)
        ends = (c * a * d, c * b * e)
        low, high = low + min(ends), high + max(ends)
    if not x.is_root:
        return low, high
    shift = precision + low.denominator.bit_length()
    scale = 1 << (2 * shift)
    least, most = isqrt(floor(low * scale)), isqrt(floor(high * scale)) + 1
    return Fraction(least, 1 << shift), Fraction(most, 1 << shift)


def decide(x: Number, question: Callable[[Real], _T]) -> _T:
    """The answer to a question whose answer changes only at values and breakpoints of formats."""
    if isinstance(x, Fraction):
        return question(x)
    real = as_real(x)
    if real is not None:
        return question(real)
    precision = 64
    while True:
        low, high = enclosure(x, precision)
        if (low > 0) == (high > 0) and low != 0:
            answer = question(low)
            if answer == question(high):
                return answer
        precision *= 2


def sign(x: Number) -> int:
    """-1, 0 or 1."""
    return decide(x, lambda real: compare(real, _ZERO))


def exceeds(x: Number, bound: Real) -> bool:
    """Whether x > bound."""
    return decide(x, lambda real: compare(real, bound) > 0)
