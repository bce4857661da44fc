"""Quires the readable way: one Python integer, in units of the smallest product, and one rounding of its value.

Written from the Posit Standard (2022) sections 3.1 and 5.11 and from IEEE 754-2019 sections 6.1 and 7.2 for infinities,
apart from the accumulators of ``numfmt.Quire``; widths come from all codes of a format, not from its parameters.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache
from typing import Any

from ..errors import ArgumentError, FormatOverflowError
from ..formats import Format, PositFormat
from ..formats import scalar as get
from .decode import decode
from .encode import encode
from .projection import arithmetic_overflow

__all__ = ["ReferenceQuire", "fused_dot"]

Value = Fraction | float


@lru_cache(maxsize=256)
def _numbers(fmt: Format) -> tuple[Fraction, ...]:
    """Every non-zero finite value, from the codes."""
    if fmt.bits > 16:
        raise ArgumentError(f"the codes of {fmt.name} are too many to read; state the unit and the width")
    values = (decode(code, fmt) for code in range(fmt.code_count))
    return tuple(Fraction(v) for v in values if math.isfinite(v) and v != 0)


def _unit(fmt: Format) -> Fraction:
    """The largest power of two of which every value is a multiple."""
    return min(Fraction((v.numerator & -v.numerator), v.denominator) for v in _numbers(fmt))


class ReferenceQuire:
    """One accumulator of products of a format's values.

    Parameters
    ----------
    fmt, other : Format or str
        Formats of the factors; `other` defaults to `fmt`.
    bits, unit : int and Fraction, optional
        Width and weight of the lowest bit. Default: 31 carry bits above the largest product and a sign, and the
        smallest product's lowest bit, by reading every code.
    wrap : bool
        Two's complement wrap-around instead of an error.

    >>> q = ReferenceQuire("posit8")
    >>> q.bits, q.add_product(0x40, 0x40).value
    (128, Fraction(1, 1))
    """

    def __init__(
        self,
        fmt: Format | str,
        other: Format | str | None = None,
        *,
        bits: int | None = None,
        unit: Fraction | None = None,
        wrap: bool = False,
    ) -> None:
        self.a = get(fmt)
        self.b = self.a if other is None else get(other)
        self.unit = _unit(self.a) * _unit(self.b) if unit is None else unit
        if bits is None:
            largest = max(map(abs, _numbers(self.a))) * max(map(abs, _numbers(self.b)))
            bits = 1 + 31 + (math.ceil(largest / self.unit) - 1).bit_length()
        self.bits, self.wrap = bits, wrap
        self.nar = isinstance(self.a, PositFormat) and isinstance(self.b, PositFormat)
        self.sum = 0
        self.special: float | None = None

    def add_product(self, a: int, b: int, *, sign: int = 1) -> ReferenceQuire:
        """Add the product of two codes."""
        return self.accumulate([(a, b)], sign=sign)

    def accumulate(self, pairs: Iterable[tuple[int, int]], *, sign: int = 1) -> ReferenceQuire:
        """Add the products of pairs of codes, then look whether the sum still fits."""
        for a, b in pairs:
            self._add(sign * _product(decode(a, self.a), decode(b, self.b)))
        return self._settle()

    def add(self, code: int, fmt: Format | str | None = None, *, sign: int = 1) -> ReferenceQuire:
        """Add a value."""
        self._add(sign * decode(code, self.a if fmt is None else get(fmt)))
        return self._settle()

    def _add(self, x: Value) -> None:
        if not math.isfinite(x):
            with_nan = self.nar or math.isnan(x) or (self.special is not None and self.special != x)
            self.special = math.nan if with_nan else float(x)
            return
        units = Fraction(x) / self.unit
        if units.denominator != 1:
            raise ArgumentError(f"{x} is no multiple of the unit {self.unit}")
        self.sum += units.numerator

    def _settle(self) -> ReferenceQuire:
        half = 1 << (self.bits - 1)
        if self.special is not None:
            self.sum = 0
        elif not -half < self.sum < half:
            if not self.wrap:
                raise FormatOverflowError(f"the sum needs more than {self.bits} bits")
            self.sum = (self.sum + half) % (2 * half) - half
            if self.sum == -half:
                self.sum, self.special = 0, math.nan
        return self

    @property
    def value(self) -> Value:
        """The sum: a Fraction, an infinity or NaN."""
        return self.sum * self.unit if self.special is None else self.special

    @property
    def pattern(self) -> int:
        """The two's complement pattern, 10...0 for NaR and NaN."""
        return 1 << (self.bits - 1) if self.special is not None else self.sum % (1 << self.bits)

    def to(
        self, fmt: Format | str | None = None, rounding: Any = None, overflow: Any = None, random: Any = None
    ) -> int:
        """The code of the sum, rounded once."""
        target = self.a if fmt is None else get(fmt)
        rule = arithmetic_overflow(target) if overflow is None else overflow
        return encode(self.value, target, rounding, rule, random=random)


def _product(x: Value, y: Value) -> Value:
    """0 * infinity is NaN, and an exact product has no sign of zero here."""
    if math.isfinite(x) and math.isfinite(y):
        return Fraction(x) * Fraction(y)
    if math.isnan(x) or math.isnan(y) or x == 0 or y == 0:
        return math.nan
    return math.inf if (x > 0) == (y > 0) else -math.inf


def fused_dot(
    a: Iterable[tuple[Format | str, int]], b: Iterable[tuple[Format | str, int]], fmt: Format | str, **options: Any
) -> int:
    """The code of the exact dot product of two sequences of (format, code), rounded once into `fmt`.

    >>> big, small = ("posit8", 0x7F), ("posit8", 0x01)
    >>> fused_dot([big, big, small], [big, ("posit8", 0x81), big], "posit8")
    64
    """
    total, special = Fraction(0), None
    for (fa, x), (fb, y) in zip(a, b, strict=True):
        p = _product(decode(x, fa), decode(y, fb))
        if math.isfinite(p):
            total += Fraction(p)
        else:
            special = float(p) if special is None or special == p else math.nan
    target = get(fmt)
    rule = arithmetic_overflow(target) if options.get("overflow") is None else options["overflow"]
    value = total if special is None else special
    return encode(value, target, options.get("rounding"), rule, random=options.get("random"))
