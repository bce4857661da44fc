"""Hypothesis strategies, biased to where bugs live: codes near zero, one, the ends; reals at and beside breakpoints.

hypothesis is imported when a strategy is made, not with this module.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..formats import (
    CodebookFormat,
    FloatFormat,
    Format,
    IntFormat,
    LnsFormat,
    P3109Format,
    PositFormat,
    Specials,
    TakumFormat,
    TakumLogFormat,
    get,
    names,
)
from ..rounding import Overflow, Rounding

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["codes", "deterministic_roundings", "overflows", "real_formats", "reals_near_breakpoints"]


def deterministic_roundings() -> SearchStrategy[Rounding]:
    """Every rounding that takes no random bits.

    >>> from hypothesis import find
    >>> find(deterministic_roundings(), lambda mode: not mode.is_nearest).is_nearest
    False
    """
    from hypothesis import strategies as st

    return st.sampled_from([mode for mode in Rounding if not mode.is_stochastic])


def overflows(fmt: Format) -> SearchStrategy[Overflow]:
    """Every overflow policy that `fmt` can honour.

    >>> from hypothesis import find
    >>> find(overflows(get("int8")), lambda policy: policy is Overflow.WRAP).name
    'WRAP'
    """
    from hypothesis import strategies as st

    wraps = isinstance(fmt, IntFormat) and not fmt.sign_magnitude
    return st.sampled_from([policy for policy in Overflow if wraps or policy is not Overflow.WRAP])


def real_formats(max_bits: int = 16) -> SearchStrategy[Format]:
    """Real scalar formats of at most `max_bits`: half of them named ones, the rest made from any legal parameters.

    >>> from hypothesis import find
    >>> find(real_formats(max_bits=8), lambda fmt: fmt.bits == 8).bits
    8
    """
    from hypothesis import strategies as st

    named = [fmt for fmt in map(get, names(kind="scalar")) if fmt.bits <= max_bits and not fmt.is_complex]
    families = [_floats(max_bits), _p3109(max_bits), _integers(max_bits), _posits(max_bits), _takums(max_bits)]
    return st.one_of(st.sampled_from(named), st.one_of(*families, _lns(max_bits), _codebooks(max_bits)))


def _floats(max_bits: int) -> SearchStrategy[Any]:
    from hypothesis import strategies as st

    def make(e: int, m: int, specials: Specials, signed: bool, subnormals: bool, shift: int) -> FloatFormat:
        signed = signed or specials is Specials.FNUZ or m + e < 2
        m = min(m, max_bits - e - signed)
        return FloatFormat(e, m, (1 << (e - 1)) - 1 + shift, specials, signed, subnormals)

    exponents, mantissas = st.integers(1, min(11, max_bits - 1)), st.integers(0, max_bits - 2)
    shifts = st.one_of(st.just(0), st.integers(-20, 20))
    parameters = (exponents, mantissas, st.sampled_from(Specials), st.booleans(), st.booleans(), shifts)
    # The encodings without subnormals need a normal number, and fn two magnitude bits.
    usable = st.tuples(*parameters).filter(lambda p: p[0] + p[1] >= 2 and (p[0] > 1 or p[4]))
    return usable.map(lambda p: make(*p)).filter(lambda fmt: fmt.ordered_count > 1)


def _p3109(max_bits: int) -> SearchStrategy[Any]:
    from hypothesis import strategies as st

    return st.integers(3, min(15, max_bits)).flatmap(
        lambda k: st.builds(P3109Format, st.just(k), st.integers(1, k - 1), st.booleans(), st.booleans())
    )


def _integers(max_bits: int) -> SearchStrategy[Any]:
    from hypothesis import strategies as st

    kinds = st.sampled_from([(True, False, False), (False, False, False), (True, True, False), (True, False, True)])
    fractions = st.one_of(st.just(0), st.integers(-8, 24))
    return st.builds(
        lambda n, kind, frac: IntFormat(n, kind[0], frac, sign_magnitude=kind[1], narrow=kind[2]),
        st.integers(2, min(32, max_bits)),
        kinds,
        fractions,
    )


def _posits(max_bits: int) -> SearchStrategy[Any]:
    from hypothesis import strategies as st

    return st.builds(PositFormat, st.integers(3, min(32, max_bits)), st.integers(0, 3))


def _takums(max_bits: int) -> SearchStrategy[Any]:
    from hypothesis import strategies as st

    bits = st.integers(3, min(32, max_bits))
    return st.one_of(st.builds(TakumFormat, bits), st.builds(TakumLogFormat, bits))


def _lns(max_bits: int) -> SearchStrategy[Any]:
    from hypothesis import strategies as st

    sizes = [(n, r) for n in range(4, min(12, max_bits) + 1) for r in range(n - 1) if n - 2 - r <= 8]
    return st.sampled_from(sizes).map(lambda size: LnsFormat(*size))


def _codebooks(max_bits: int) -> SearchStrategy[Any]:
    from hypothesis import strategies as st

    values = st.lists(st.integers(-40, 40), min_size=2, max_size=min(16, 1 << max_bits), unique=True)
    roundings = deterministic_roundings()

    def make(levels: list[int], scale: int, ties: Rounding) -> CodebookFormat:
        return CodebookFormat("test_codebook", tuple(Fraction(v) * Fraction(2) ** scale for v in levels), ties)

    signed = values.filter(lambda levels: min(levels) < 0)
    return st.builds(make, signed, st.integers(-3, 3), roundings)


def codes(fmt: Format) -> SearchStrategy[int]:
    """Codes of a format, near zero, one, both ends and the special codes more often than elsewhere.

    >>> from hypothesis import find
    >>> find(codes(get("fp8_e4m3fn")), lambda code: code > 0x7F) <= 0xFF
    True
    """
    from hypothesis import strategies as st

    landmarks = {fmt.max_code, fmt.min_code, *fmt.infinity_codes, *fmt.zero_codes, fmt.nan_code}
    ordered = fmt.ordered_codes
    for x in (-1, 0, 1):
        landmarks.add(int(ordered[max(fmt.rank_below(Fraction(x)), 0)]))
    near = {c + d for c in landmarks if c is not None for d in (-1, 0, 1)}
    legal = sorted(c for c in near if 0 <= c < fmt.code_count)
    return st.one_of(st.sampled_from(legal), st.integers(0, fmt.code_count - 1))


def reals_near_breakpoints(fmt: Format) -> SearchStrategy[float]:
    """Floats at and up to two binary64 steps beside values, breakpoints and the overflow ends of `fmt`, and specials.

    >>> from hypothesis import find
    >>> find(reals_near_breakpoints(get("fp8_e4m3fn")), lambda x: x > 448) > 448
    True
    """
    from hypothesis import strategies as st

    from .line import number_line

    count = fmt.ordered_count
    zero, one = fmt.rank_below(Fraction(0)), fmt.rank_below(Fraction(1))
    lowest = st.integers(0, count - 2)
    near = [
        st.integers(max(0, min(r, count - 2) - 2), min(count - 2, max(r, 0) + 2)) for r in (0, zero, one, count - 2)
    ]

    def sites(rank: int) -> list[float]:
        line = number_line(fmt, [rank, rank + 1])
        return [float(x) for x in line.inputs()] or [0.0]

    at_sites = st.one_of(*near, lowest).flatmap(lambda rank: st.sampled_from(sites(rank)))
    special = st.sampled_from([0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, -5e-324, 1.7e308, -1.7e308])
    return st.one_of(at_sites, st.floats(allow_nan=False), special)
