"""What a fixed-point accumulator must hold so that sums of products of a format are exact: quires and their kin."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import ArgumentError, FormatMismatchError
from .base import TABLE_BITS, Format
from .floating import MinifloatBase
from .integer import IntFormat
from .posit import PositFormat

__all__ = ["CARRY_BITS", "Extent", "QuireLayout", "extent", "layout"]

#: Carry guard bits unless stated: those of the Posit Standard (2022) section 3.1, about 2**31 products.
CARRY_BITS = 31
#: Widths of SoftPosit's quire8, quire16 and quire32 (softposit_types.h), by (bits, es).
LEGACY = {(8, 0): 32, (16, 1): 128, (32, 2): 512}
#: Exponents within which chunks of products are folded in binary64.
_REACH = 1000
_MOST_CARRY = 4096


@dataclass(frozen=True)
class Extent:
    """Every finite value is a multiple of ``2**unit``, of at most `precision` bits, and at most `magnitude`."""

    unit: int
    precision: int
    magnitude: Fraction


def extent(fmt: Format) -> Extent:
    """The extent of a format's finite values, by enumeration up to 16 bits.

    >>> import numfmt as nf
    >>> extent(nf.get("fp8_e4m3fn"))
    Extent(unit=-9, precision=4, magnitude=Fraction(448, 1))
    """
    found: Extent | None = fmt.__dict__.get("_extent")
    if found is None:
        found = fmt.__dict__["_extent"] = _extent(fmt)
    return found


def _extent(fmt: Format) -> Extent:
    if fmt.is_complex or not fmt.exact:
        what = "complex" if fmt.is_complex else "irrational"
        raise ArgumentError(f"{fmt.name} has {what} values, which no fixed-point accumulator holds exactly")
    magnitude = max(abs(Fraction(fmt.max)), abs(Fraction(fmt.min)))
    if fmt.bits <= TABLE_BITS:
        values = np.abs(fmt.table[np.isfinite(fmt.table) & (fmt.table != 0)])
        significands, exponents = np.frexp(values)
        whole = np.ldexp(significands, 53).astype(np.int64)
        zeros = np.frexp((whole & -whole).astype(np.float64))[1] - 1
        return Extent(int((exponents - 53 + zeros).min()), int((53 - zeros).max()), magnitude)
    if isinstance(fmt, PositFormat):
        # Below 1 a posit loses fraction bits faster than it gains exponent: all are multiples of the smallest.
        return Extent(-((fmt.bits - 2) << fmt.es), max(fmt.bits - 3 - fmt.es, 0) + 1, magnitude)
    if isinstance(fmt, MinifloatBase):
        return Extent(1 - fmt.bias - fmt.mantissa_bits, fmt.mantissa_bits + 1, magnitude)
    if isinstance(fmt, IntFormat):
        return Extent(-fmt.frac_bits, fmt.bits, magnitude)
    raise ArgumentError(
        f"{fmt.name} has {fmt.bits} bits; accumulators take any format of at most {TABLE_BITS} bits, and wider posits, "
        "floats and integers"
    )


def _ceil_log2(x: Fraction) -> int:
    """Smallest integer n with ``x <= 2**n``, for x > 0."""
    n = x.numerator.bit_length() - x.denominator.bit_length()
    return n if x <= Fraction(2) ** n else n + 1


@dataclass(frozen=True)
class QuireLayout:
    """A two's complement fixed-point number: 1 sign, `carry_bits`, `integer_bits` and `fraction_bits`, from the top.

    Products of a and b, and their values, are multiples of ``2**-fraction_bits`` and at most ``2**integer_bits``;
    `product` is the largest magnitude of a product. The pattern 10...0 is no number but NaR, or NaN.
    """

    a: Format
    b: Format
    carry_bits: int
    integer_bits: int
    fraction_bits: int
    product: Fraction

    @property
    def bits(self) -> int:
        """Width in bits."""
        return 1 + self.carry_bits + self.integer_bits + self.fraction_bits

    @property
    def is_quire(self) -> bool:
        """Whether both factors are posits, whose only special value is NaR."""
        return isinstance(self.a, PositFormat) and isinstance(self.b, PositFormat)

    @property
    def largest(self) -> Fraction:
        """The largest sum; the smallest is its opposite, since 10...0 is taken."""
        return Fraction((1 << (self.bits - 1)) - 1) / Fraction(2) ** self.fraction_bits

    @property
    def products(self) -> int:
        """How many products always fit, whatever their values."""
        return int(self.largest / self.product)

    @property
    def addends(self) -> int:
        """How many values of `a` always fit."""
        return int(self.largest / extent(self.a).magnitude)

    def admit(self, a: Format, b: Format | None) -> None:
        """Refuse products of a and b (values of a, for None) that may lie between the units or beyond the width."""
        if a is self.a and b is self.b:
            return
        one, other = extent(a), Extent(0, 1, Fraction(1)) if b is None else extent(b)
        what = a.name if b is None else f"{a.name} * {b.name}"
        unit, largest = one.unit + other.unit, one.magnitude * other.magnitude
        if unit < -self.fraction_bits:
            raise FormatMismatchError(
                f"{what} has multiples of 2**{unit}, this accumulator counts in 2**{-self.fraction_bits}: make it for "
                f"those formats, Quire({a.name!r}, other={(b or a).name!r})"
            )
        if largest > self.largest:
            raise FormatMismatchError(
                f"{what} reaches {float(largest):.4g}, this accumulator {float(self.largest):.4g}: make it for those "
                "formats, or wider with carry_bits="
            )


def layout(a: Format, b: Format, width: Any = None, carry_bits: Any = None) -> QuireLayout:
    """The accumulator of products of `a` and `b`.

    >>> import numfmt as nf
    >>> layout(nf.get("posit16"), nf.get("posit16")).bits, layout(nf.get("binary16"), nf.get("binary16")).bits
    (256, 112)
    """
    for name, given in (("width", width), ("carry_bits", carry_bits)):
        if isinstance(given, bool) or not isinstance(given, (int, np.integer, str, type(None))):
            raise ArgumentError(f"{name} must be a number of bits (width also 'standard' or 'legacy'), got {given!r}")
    return _layout(a, b, width, carry_bits)


@lru_cache(maxsize=1024, typed=True)
def _layout(a: Format, b: Format, width: Any, carry_bits: Any) -> QuireLayout:
    one, other = extent(a), extent(b)
    product = one.magnitude * other.magnitude
    # Values are added too: where all are below 1 or above it, they reach beyond the products.
    fraction_bits = -min(one.unit + other.unit, one.unit, other.unit)
    integer_bits = _ceil_log2(max(product, one.magnitude, other.magnitude))
    if max(fraction_bits, integer_bits) > _REACH:
        raise ArgumentError(
            f"products of {a.name} and {b.name} reach from 2**{-fraction_bits} to 2**{integer_bits}; accumulators are "
            f"made within 2**{-_REACH} .. 2**{_REACH}"
        )
    if width is not None and carry_bits is not None:
        raise ArgumentError(f"give width or carry_bits, not both, got width={width!r} and carry_bits={carry_bits!r}")
    carry = CARRY_BITS if carry_bits is None else carry_bits
    if width is not None:
        carry = _width_of(a, b, width) - 1 - integer_bits - fraction_bits
    # The largest product of posits is a power of two, one unit more than the integer bits hold.
    least = int(max(product, one.magnitude, other.magnitude) == Fraction(2) ** integer_bits)
    if not isinstance(carry, (int, np.integer)) or not least <= carry <= _MOST_CARRY:
        taken = 1 + integer_bits + fraction_bits
        raise ArgumentError(
            f"products of {a.name} and {b.name} take a sign, {integer_bits} integer and {fraction_bits} fraction bits, "
            f"and carry_bits must be an integer from {least} to {_MOST_CARRY} (a width from {taken + least} to "
            f"{taken + _MOST_CARRY}): got carry_bits={carry!r}"
        )
    return QuireLayout(a, b, int(carry), integer_bits, fraction_bits, product)


def _width_of(a: Format, b: Format, width: Any) -> int:
    if isinstance(width, (int, np.integer)):
        return int(width)
    if a == b and isinstance(a, PositFormat):
        if width == "standard" and a.es == 2:
            return 16 * a.bits
        if width == "legacy" and (a.bits, a.es) in LEGACY:
            return LEGACY[a.bits, a.es]
    raise ArgumentError(
        "width must be a number of bits, 'standard' (posits with es=2, 16 bits each bit of the posit) or 'legacy' "
        f"(SoftPosit's posit8_0, posit16_1, posit32_2), got {width!r} for {a.name} and {b.name}"
    )
