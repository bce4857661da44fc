"""Quires: exact accumulators of products and values, for posits as their standard has them and for any other format."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from .._array import Encoded
from .._quire_lowering import MINUS, NAN, PLUS, Rows, Sums, negated, settled
from ..errors import ArgumentError, FormatMismatchError, FormatOverflowError, NaNError
from ..formats.base import Format
from ..formats.quire import QuireLayout, layout
from ..formats.registry import scalar
from ._arguments import is_integer
from ._quire_rounding import parsed_rules, parsed_source, round_sums, whole_numbers
from ._quire_rows import dot_rows, sum_rows

__all__ = ["Quire"]

Array = npt.NDArray[Any]
Shape = tuple[int, ...]


class Quire:
    """An array of exact accumulators: two's complement fixed-point numbers that hold sums of products without rounding.

    For posits this is the quire of their standard; for every other format of at most 16 bits (and binary32, tf32,
    posit32, integers) it is a Kulisch accumulator made by the same rule: the lowest bit is the smallest product's, and
    above the largest product there are carry guard bits and a sign. The methods that add change the accumulator and
    return it.

    Parameters
    ----------
    fmt : Format or str
        Format of the factors and, unless `to` says otherwise, of the rounded result.
    shape : tuple of int
        Shape of the array of accumulators; default: one.
    other : Format or str, optional
        Format of the second factors; default `fmt`.
    width : int, "standard" or "legacy", optional
        Width in bits; "standard": 16 n bits for a posit of n bits with es=2 (which is the default there), "legacy":
        SoftPosit's 32, 128 and 512 bits for posit8_0, posit16_1 and posit32_2.
    carry_bits : int, optional
        Carry guard bits, instead of a width; default 31, so at least 2**31 - 1 products fit.
    overflow : {"raise", "wrap"}
        What happens when a sum leaves the width (the standard leaves it undefined): an error, with the accumulator
        unchanged, or two's complement wrap-around. It looks at the sum after a call, not at partial sums within it.

    Raises
    ------
    ArgumentError
        Values are complex or irrational, the width cannot hold one product, a name does not fit the format.

    Notes
    -----
    The pattern 10...0 is NaR (NaN), which stays until `clear`. Infinities stay as IEEE 754 sums have them: opposite
    ones, and 0 * infinity, give NaN; in a quire of posits any of them gives NaR. A sum of 0 is +0: an accumulator has
    one zero. Sources: Standard for Posit Arithmetic (2022) sections 3.1 and 5.11; U. Kulisch, Computer Arithmetic and
    Validity (2013), chapter 8; SoftPosit for the legacy widths.

    >>> import numfmt as nf
    >>> q = nf.Quire("posit16")
    >>> q
    Quire('posit16_2', bits=256, value=0)
    >>> big, small = nf.encode(2.0**56, "posit16"), nf.encode(2.0**-56, "posit16")
    >>> q.add_product(big, big).add_product(small, small).sub_product(big, big).value == Fraction(1, 2**112)
    True
    >>> q.to()
    Encoded(1.3877788e-17, 'posit16_2')
    """

    __array_ufunc__ = None
    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self,
        fmt: Format | str,
        shape: Shape | int = (),
        *,
        other: Format | str | None = None,
        width: int | str | None = None,
        carry_bits: int | None = None,
        overflow: str = "raise",
    ) -> None:
        if overflow not in ("raise", "wrap"):
            raise ArgumentError(f"overflow must be 'raise' or 'wrap', got {overflow!r}")
        one = scalar(fmt)
        self._layout = layout(one, one if other is None else scalar(other), width, carry_bits)
        self._overflow = overflow
        self._shape = _checked_shape(shape)
        self._sums = self._empty()

    def _empty(self) -> Sums:
        return Sums(int(np.prod(self._shape, dtype=np.int64)), self.width, -self.layout.fraction_bits)

    @property
    def format(self) -> Format:
        """Format of the (first) factors."""
        return self._layout.a

    @property
    def layout(self) -> QuireLayout:
        """The bits: `carry_bits`, `integer_bits`, `fraction_bits`, and the numbers of `products` and `addends` that
        always fit."""
        return self._layout

    @property
    def shape(self) -> Shape:
        """Shape of the array of accumulators."""
        return self._shape

    @property
    def width(self) -> int:
        """Bits of one accumulator."""
        return self._layout.bits

    # ---- adding --------------------------------------------------------------------------------------------------

    def add_product(self, a: Any, b: Any) -> Quire:
        """Add a * b, elementwise; operands are Encoded and broadcast to `shape` (numbers: in `format`, where exact).

        >>> import numfmt as nf
        >>> Quire("e4m3fn").add_product(448, 448).value
        Fraction(200704, 1)
        """
        return self._add(self._elements(a), self._elements(b))

    def sub_product(self, a: Any, b: Any) -> Quire:
        """Subtract a * b, elementwise."""
        return self._add(self._elements(a), self._elements(b), negative=True)

    def add(self, x: Any) -> Quire:
        """Add values, or the sums of another Quire of the same layout and shape.

        >>> import numfmt as nf
        >>> Quire("bfloat16").add(1.0).add(nf.encode(2.0**-133, "bfloat16")).sub(1.0).value == Fraction(1, 2**133)
        True
        """
        return self._merge(x, negative=False) if isinstance(x, Quire) else self._add(self._elements(x), None)

    def sub(self, x: Any) -> Quire:
        """Subtract values, or the sums of another Quire."""
        if isinstance(x, Quire):
            return self._merge(x, negative=True)
        return self._add(self._elements(x), None, negative=True)

    def add_dot(self, a: Encoded, b: Encoded, *, axis: int = -1) -> Quire:
        """Add the dot products along `axis` of the broadcast operands; the other axes broadcast to `shape`.

        >>> import numfmt as nf
        >>> x = nf.encode([3.0, 4.0], "posit8")
        >>> Quire("posit8").add_dot(x, x).value
        Fraction(25, 1)
        """
        rows_a, rows_b, shape = dot_rows(a, b, axis)
        return self._add(self._spread(rows_a, shape), self._spread(rows_b, shape))

    def add_sum(self, a: Encoded, *, axis: int = -1) -> Quire:
        """Add the sums along `axis`.

        >>> import numfmt as nf
        >>> Quire("posit8").add_sum(nf.encode([[1.0, 2.0], [3.0, 4.0]], "posit8").reshape(4)).value
        Fraction(10, 1)
        """
        rows, shape = sum_rows(a, axis)
        return self._add(self._spread(rows, shape), None)

    def negate(self) -> Quire:
        """Change the sign."""
        self._sums = negated(self._sums)
        return self

    def clear(self) -> Quire:
        """Set to zero; this ends NaR, NaN and infinity."""
        self._sums = self._empty()
        return self

    def _elements(self, x: Any) -> Rows:
        e = _encoded(x, self.format)
        return self._spread(Rows.of(e.codes.reshape(-1, 1), e.format, np.arange(e.size)), e.shape)

    def _spread(self, rows: Rows, shape: Shape) -> Rows:
        """Rows of an operand of `shape` for each accumulator."""
        if shape == self._shape:
            return rows
        try:
            index = np.broadcast_to(rows.sources.reshape(shape), self._shape)
        except ValueError:
            raise ArgumentError(
                f"operands of shape {shape} must broadcast to this Quire's shape {self._shape}; make it with that shape"
            ) from None
        return rows._replace(sources=np.ascontiguousarray(index).reshape(-1))

    def _add(self, a: Rows, b: Rows | None, *, negative: bool = False) -> Quire:
        self._layout.admit(a.fmt, None if b is None else b.fmt)
        sums = self._sums.copy()
        sums.add(a, b, negative=negative)
        return self._settle(sums)

    def _merge(self, x: Quire, *, negative: bool) -> Quire:
        if x._layout != self._layout or x._shape != self._shape:
            raise FormatMismatchError(
                f"two Quires must have one layout and shape to be added, got {self!r} and {x!r}; add to() of it instead"
            )
        term = negated(x._sums) if negative else x._sums
        sums = self._sums.copy()
        sums.limbs += term.limbs
        sums.states |= term.states
        sums.carry()
        return self._settle(sums)

    def _settle(self, sums: Sums) -> Quire:
        beyond = settled(sums, self.width)
        if beyond.any() or sums.states.any():
            self._settle_specials(sums, beyond)
        self._sums = sums
        return self

    def _settle_specials(self, sums: Sums, beyond: Array) -> None:
        """Sums that did not fit, and those that are no longer numbers."""
        finite = sums.states == 0
        outside = np.flatnonzero((beyond != 0) & finite)
        if self._overflow == "raise" and outside.size:
            at = np.unravel_index(int(outside[0]), self._shape)
            where = f" (first at {tuple(int(i) for i in at)})" if self._shape else ""
            raise FormatOverflowError(
                f"a sum leaves the {self.width} bits of this accumulator{where}, which always holds "
                f"{self._layout.products} products; nothing was added; widen it with carry_bits=, or pass "
                "overflow='wrap'"
            )
        sums.states[finite & (beyond >= 2)] = NAN
        if self._layout.is_quire:
            sums.states[sums.states != 0] = NAN
        sums.states[(sums.states & (sums.states - 1)) != 0] = NAN  # infinities of both signs
        sums.limbs[sums.states != 0] = 0

    # ---- results -------------------------------------------------------------------------------------------------

    def to(
        self, fmt: Format | str | None = None, *, rounding: Any = None, overflow: Any = None, random: Any = None
    ) -> Encoded:
        """The sums rounded once, in `fmt` (default: the Quire's format), of the Quire's shape.

        `rounding`, `overflow` (of the result: the accumulator stays as it is) and `random` as in `numfmt.add`.

        >>> import numfmt as nf
        >>> q = Quire("e4m3fn").add_product(448, 448)
        >>> q.to("binary16", rounding="toward_zero"), float(q.to()), float(q.to(overflow="saturate"))
        (Encoded(65504., 'binary16'), nan, 448.0)
        """
        target = self.format if fmt is None else scalar(fmt)
        rules = parsed_rules(target, rounding, overflow)
        codes = round_sums(self._sums, target, rules, parsed_source(rules, random), self._shape)
        return Encoded._wrap(codes.reshape(self._shape), target)

    @property
    def is_nan(self) -> Any:
        """Whether a sum is NaR or NaN: a bool, or an array of them."""
        return self._each((self._sums.states == NAN).tolist(), bool)

    @property
    def value(self) -> Any:
        """The exact sum as a Fraction, or an object array of them; NaNError where it is infinite or not a number."""
        if self._sums.states.any():
            raise NaNError("value must be a number, got infinity, NaN or NaR in an accumulator; see is_nan and to()")
        unit = Fraction(2) ** -self._layout.fraction_bits
        return self._each([whole * unit for whole in whole_numbers(self._sums)])

    @property
    def bits(self) -> Any:
        """The two's complement pattern as an int in ``0 .. 2**width - 1``, or an object array of them.

        NaR and NaN are 10...0. ArgumentError for an infinity, which has no pattern.

        >>> hex(Quire("posit8_0", width="legacy").sub(1.0).bits)
        '0xfffff000'
        """
        states = self._sums.states
        if np.any((states == PLUS) | (states == MINUS)):
            raise ArgumentError("an infinite accumulator has no pattern of bits; read it with to(), or clear() it")
        patterns = [whole % (1 << self.width) for whole in whole_numbers(self._sums)]
        return self._each([1 << (self.width - 1) if s else p for s, p in zip(states, patterns, strict=True)])

    def to_bytes(self) -> bytes:
        """The patterns, little-endian, sign-extended to whole bytes, one accumulator after the other in C order.

        >>> Quire("posit8_0", width="legacy").sub(1.0).to_bytes().hex()
        '00f0ffff'
        """
        size, sign = -(-self.width // 8), 1 << (self.width - 1)
        patterns = np.asarray(self.bits, dtype=object).reshape(-1)
        return b"".join(((p ^ sign) - sign).to_bytes(size, "little", signed=True) for p in patterns.tolist())

    def set_bits(self, bits: Any) -> Quire:
        """Set every accumulator to a pattern, an int or an array of ints that broadcasts to `shape`.

        >>> Quire("posit8_0", width="legacy").set_bits(0xFFFFF000).value
        Fraction(-1, 1)
        """
        patterns = np.asarray(bits, dtype=object)
        try:
            patterns = np.broadcast_to(patterns, self._shape)
        except ValueError:
            raise ArgumentError(f"bits of shape {patterns.shape} must broadcast to {self._shape}") from None
        flat, sign = patterns.reshape(-1).tolist(), 1 << (self.width - 1)
        sums = self._empty()
        size = 4 * sums.limbs.shape[1]
        for r, pattern in enumerate(flat):
            if not is_integer(pattern) or not 0 <= pattern < 2 * sign:
                raise ArgumentError(f"bits must be integers of {self.width} bits, got {pattern!r}")
            if pattern == sign:
                sums.states[r] = NAN
                continue
            digits = ((int(pattern) ^ sign) - sign).to_bytes(size, "little", signed=True)
            sums.limbs[r] = np.frombuffer(digits, "<u4")
            sums.limbs[r, -1] = np.frombuffer(digits, "<i4")[-1]
        self._sums = sums
        return self

    def set_bytes(self, data: bytes) -> Quire:
        """Set every accumulator from what `to_bytes` gives.

        >>> Quire("posit8_0", width="legacy").set_bytes(bytes.fromhex("00f0ffff")).value
        Fraction(-1, 1)
        """
        size, count = -(-self.width // 8), self._sums.states.size
        if len(data) != size * count:
            raise ArgumentError(f"data must have {size} bytes for each of {count} accumulators, got {len(data)} bytes")
        numbers = [int.from_bytes(data[i : i + size], "little", signed=True) for i in range(0, len(data), size)]
        half = 1 << (self.width - 1)
        for number in numbers:
            if not -half <= number < half:
                raise ArgumentError(f"data must be sign-extended from {self.width} bits, got {number:#x}")
        patterns = np.empty(count, dtype=object)
        patterns[:] = [number % (2 * half) for number in numbers]
        return self.set_bits(patterns.reshape(self._shape))

    def _each(self, results: list[Any], dtype: type = object) -> Any:
        if not self._shape:
            return results[0]
        array: Array = np.empty(len(results), dtype)
        array[:] = results
        return array.reshape(self._shape)

    # ---- manners -------------------------------------------------------------------------------------------------

    def copy(self) -> Quire:
        """Independent copy."""
        other = Quire.__new__(Quire)
        other.__dict__.update(self.__dict__, _sums=self._sums.copy())
        return other

    def same_bits(self, other: Quire) -> bool:
        """Whether layout, shape and every sum are the same.

        >>> Quire("posit8").add(1.0).same_bits(Quire("posit8").add_product(2.0, 0.5))
        True
        """
        if not isinstance(other, Quire):
            raise FormatMismatchError(f"same_bits compares two Quires, got {type(other).__name__}")
        same = self._layout == other._layout and self._shape == other._shape
        mine, its = self._sums, other._sums
        return same and np.array_equal(mine.limbs, its.limbs) and np.array_equal(mine.states, its.states)

    def describe(self) -> str:
        """The layout in words.

        >>> print(Quire("e4m3fn").describe())
        Kulisch accumulator of fp8_e4m3fn * fp8_e4m3fn: 68 bits, two's complement
        1 sign, 31 carry, 18 integer, 18 fraction bits; unit 2**-18
        always holds 2804876601 products or 1256584717458 values of fp8_e4m3fn; overflow: raise
        10...0 is NaN; infinities are kept beside the bits
        """
        own = self._layout
        kind, special = (
            ("Quire", "10...0 is NaR")
            if own.is_quire
            else (
                "Kulisch accumulator",
                "10...0 is NaN; infinities are kept beside the bits",
            )
        )
        return (
            f"{kind} of {own.a.name} * {own.b.name}: {own.bits} bits, two's complement\n"
            f"1 sign, {own.carry_bits} carry, {own.integer_bits} integer, {own.fraction_bits} fraction bits; unit "
            f"2**{-own.fraction_bits}\n"
            f"always holds {own.products} products or {own.addends} values of {own.a.name}; overflow: "
            f"{self._overflow}\n"
            f"{special}"
        )

    def __repr__(self) -> str:
        name = repr(self.format.name)
        if self._layout.b != self.format:
            name += f", other={self._layout.b.name!r}"
        if self._shape:
            return f"Quire({name}, shape={self._shape}, bits={self.width})"
        state = int(self._sums.states[0])
        finite = "" if state else str(self.value)
        text = {PLUS: "inf", MINUS: "-inf"}.get(state, "NaR" if self._layout.is_quire else "nan") if state else finite
        return f"Quire({name}, bits={self.width}, value={text if len(text) <= 60 else text[:57] + '...'})"


def _checked_shape(shape: Any) -> Shape:
    lengths = (shape,) if is_integer(shape) else shape
    if not isinstance(lengths, (tuple, list)) or not all(is_integer(n) and n >= 0 for n in lengths):
        raise ArgumentError(f"shape must be a tuple of non-negative integers, got {shape!r}")
    return tuple(int(n) for n in lengths)


def _encoded(x: Any, fmt: Format) -> Encoded:
    if isinstance(x, Encoded):
        return x
    from .._api import decode, encode

    if isinstance(x, (list, tuple)) and any(isinstance(v, Encoded) for v in x):
        raise FormatMismatchError("operands must be Encoded or numbers, got a sequence of Encoded")
    e: Encoded = encode(x, fmt)
    given = np.asarray(x, np.float64)
    if not np.all((np.asarray(decode(e, dtype=np.float64)) == given) | np.isnan(given)):
        raise FormatMismatchError(
            f"a plain operand must be exact in {fmt.name}, got {x!r}; round it with numfmt.encode"
        )
    return e
