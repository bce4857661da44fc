"""`DotModel`: what happens to a * b and to the sum of products, part by part, as frozen data.

A model is a product (what one a[k] * b[k] becomes) and an accumulator (how products and the accumulator input c are
added). Accumulators nest: `Chunk(128, inner, outer)` runs `inner` over 128 products at a time and adds its results with
`outer`. Every rounding and every format is a field, and `describe()` says it all in English.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from ..errors import ArgumentError
from ..formats import Format, scalar
from ..rounding import Overflow, Rounding

__all__ = [
    "Accumulator",
    "AddAfter",
    "Aligned",
    "Chunk",
    "DotModel",
    "Exact",
    "ExactProduct",
    "Floating",
    "Integer",
    "Lanes",
    "Permuted",
    "Product",
    "RoundedProduct",
    "Tree",
    "Window",
]


def _words(rounding: Rounding) -> str:
    return rounding.name.lower().replace("_", " ")


class _Part:
    """Names of formats and roundings become objects; wrong ones are errors here."""

    def __post_init__(self) -> None:
        for f in fields(self):  # type: ignore[arg-type]
            value = getattr(self, f.name)
            if f.name == "fmt" and value is not None:
                object.__setattr__(self, f.name, scalar(value))
            elif f.name.endswith("rounding") and value is not None:
                object.__setattr__(self, f.name, Rounding.parse(value))
        self._check()

    def _check(self) -> None:
        """Further checks of a part."""

    def _positive(self, name: str) -> None:
        value = getattr(self, name)
        if type(value) is not int or value < 1:
            raise ArgumentError(f"{name} of {type(self).__name__} must be a positive int, got {value!r}")

    def _nested(self, name: str) -> None:
        if not isinstance(getattr(self, name), Accumulator):
            raise ArgumentError(f"{name} of {type(self).__name__} must be an accumulator, got {getattr(self, name)!r}")

    def describe(self) -> str:
        """One sentence of plain English."""
        raise NotImplementedError


class Product(_Part):
    """What a[k] * b[k] becomes before it is added."""


class Accumulator(_Part):
    """How products and the accumulator input become one number."""


@dataclass(frozen=True)
class ExactProduct(Product):
    """Products keep every bit."""

    def describe(self) -> str:
        return "each product is exact"


@dataclass(frozen=True)
class RoundedProduct(Product):
    """Each product is rounded to `fmt` first."""

    fmt: Format
    rounding: Rounding = Rounding.NEAREST_EVEN

    def describe(self) -> str:
        return f"each product is rounded to {self.fmt.name} ({_words(self.rounding)})"


@dataclass(frozen=True)
class Exact(Accumulator):
    """The sum of c and all products is exact, in any order; it is rounded once, by the model's output."""

    def describe(self) -> str:
        return "the sum is exact (Kulisch, quire) and independent of order"


@dataclass(frozen=True)
class Floating(Accumulator):
    """A running sum in `fmt`: s = round(s + product) with k ascending, starting from c.

    `fused`: the product enters unrounded (FMA); otherwise it is rounded to `fmt` first.
    """

    fmt: Format
    rounding: Rounding = Rounding.NEAREST_EVEN
    fused: bool = True

    def describe(self) -> str:
        how = "fused multiply-add" if self.fused else "a rounded product, then a rounded addition,"
        return f"a running sum in {self.fmt.name}, k ascending: {how} per step ({_words(self.rounding)})"


@dataclass(frozen=True)
class Aligned(Accumulator):
    """Fused steps of `length` products: align to the largest exponent, truncate, add exactly, round once.

    Parameters
    ----------
    fraction_bits : int
        Bits kept below the largest exponent; what lies lower is cut off, towards zero.
    length : int
        Products of one step; steps follow each other with k ascending.
    fmt : Format
        Result of a step and accumulator of the next. Overflow gives infinity in every rounding.
    rounding : Rounding
        Of the step's sum into `fmt`.
    floor : int or None
        Least exponent that terms are aligned to.
    counts_zeros : bool
        Whether zero products and a zero accumulator take part in the largest exponent, with the exponents that their
        codes carry.
    keeps_zero_sign : bool
        Whether a negative sum that rounds to zero gives -0. An exact zero sum is +0 always.

    Notes
    -----
    Exponents are those of the operands' codes: a product of two significands in [1, 2) may reach 4, a subnormal operand
    is not normalised.
    """

    fraction_bits: int
    length: int
    fmt: Format
    rounding: Rounding = Rounding.TOWARD_ZERO
    floor: int | None = None
    counts_zeros: bool = False
    keeps_zero_sign: bool = True

    def _check(self) -> None:
        self._positive("length")
        self._positive("fraction_bits")

    def describe(self) -> str:
        floor = "" if self.floor is None else f", exponents below {self.floor} counting as {self.floor}"
        return (
            f"steps of {self.length} products and the accumulator, aligned to the largest exponent{floor} with "
            f"{self.fraction_bits} fraction bits (the rest cut off), added exactly and rounded to {self.fmt.name} "
            f"({_words(self.rounding)})"
        )


@dataclass(frozen=True)
class Integer(Accumulator):
    """An integer register of `bits` bits, two's complement; operands must be integers.

    `overflow`: WRAP modulo 2**bits, or SATURATE. `where`: saturate after "every" addition, or only at the "end".
    """

    bits: int = 32
    overflow: Overflow = Overflow.WRAP
    where: str = "end"

    def _check(self) -> None:
        object.__setattr__(self, "overflow", Overflow.parse(self.overflow))
        if not 2 <= self.bits <= 64:
            raise ArgumentError(f"bits of Integer must be 2 to 64, got {self.bits}")
        if self.overflow not in (Overflow.WRAP, Overflow.SATURATE) or self.where not in ("end", "every"):
            raise ArgumentError(
                "Integer wraps or saturates, at the 'end' or after 'every' addition; got "
                f"{self.overflow.name.lower()}, {self.where!r}"
            )

    def describe(self) -> str:
        when = "at the end" if self.where == "end" or self.overflow is Overflow.WRAP else "after every addition"
        return f"an integer sum in {self.bits} bits that {self.overflow.name.lower()}s {when}"


@dataclass(frozen=True)
class Window(Accumulator):
    """A fixed-point register: two's complement, `bits` wide, unit 2**lsb; terms are rounded to the unit first."""

    bits: int
    lsb: int
    overflow: Overflow = Overflow.WRAP
    rounding: Rounding = Rounding.TOWARD_NEGATIVE

    def _check(self) -> None:
        self._positive("bits")
        object.__setattr__(self, "overflow", Overflow.parse(self.overflow))
        if self.overflow not in (Overflow.WRAP, Overflow.SATURATE):
            raise ArgumentError(f"Window wraps or saturates, got {self.overflow.name.lower()}")

    def describe(self) -> str:
        return (
            f"a fixed-point sum of {self.bits} bits in units of 2**{self.lsb} (terms {_words(self.rounding)}) that "
            f"{self.overflow.name.lower()}s after every addition"
        )


@dataclass(frozen=True)
class Tree(Accumulator):
    """A balanced tree over `length` products, each node rounded to `fmt`; the running sum adds the trees' results.

    Halves of n split at n // 2. `rounds_leaves`: products are rounded to `fmt` before the first addition.
    """

    fmt: Format
    length: int
    rounding: Rounding = Rounding.NEAREST_EVEN
    rounds_leaves: bool = True

    def _check(self) -> None:
        self._positive("length")

    def describe(self) -> str:
        leaves = "rounded" if self.rounds_leaves else "exact"
        return (
            f"balanced trees over {self.length} {leaves} products in {self.fmt.name}, added to a running sum in "
            f"{self.fmt.name} ({_words(self.rounding)})"
        )


@dataclass(frozen=True)
class Lanes(Accumulator):
    """`count` interleaved partial sums (product k in lane k mod count), each by `inner` from zero; a tree; then c."""

    count: int
    inner: Accumulator
    fmt: Format
    rounding: Rounding = Rounding.NEAREST_EVEN

    def _check(self) -> None:
        self._positive("count")
        self._nested("inner")

    def describe(self) -> str:
        return (
            f"{self.count} interleaved lanes, each {self.inner.describe()}; the lanes are added by a balanced tree and "
            f"then to c in {self.fmt.name} ({_words(self.rounding)})"
        )


@dataclass(frozen=True)
class Chunk(Accumulator):
    """`inner` runs over `length` products from zero; `outer` adds the chunks' results to c, k ascending."""

    length: int
    inner: Accumulator
    outer: Floating

    def _check(self) -> None:
        self._positive("length")
        self._nested("inner")
        if not isinstance(self.outer, Floating):
            raise ArgumentError(f"outer of Chunk must be Floating, got {self.outer!r}")

    def describe(self) -> str:
        return (
            f"chunks of {self.length} products, each from zero: {self.inner.describe()}; chunk results are added in "
            f"{self.outer.fmt.name} ({_words(self.outer.rounding)})"
        )


@dataclass(frozen=True)
class Permuted(Accumulator):
    """`inner` sees the products of each group of ``len(order)`` in that order."""

    order: tuple[int, ...]
    inner: Accumulator

    def _check(self) -> None:
        if sorted(self.order) != list(range(len(self.order))) or not self.order:
            raise ArgumentError(f"order of Permuted must be a permutation of 0..n-1, got {self.order}")
        self._nested("inner")

    def describe(self) -> str:
        return f"products of each {len(self.order)} taken in the order {self.order}: {self.inner.describe()}"


@dataclass(frozen=True)
class AddAfter(Accumulator):
    """`inner` runs over all products from zero; c is added to its result once, rounded to `fmt`."""

    inner: Accumulator
    fmt: Format
    rounding: Rounding = Rounding.NEAREST_EVEN

    def _check(self) -> None:
        self._nested("inner")

    def describe(self) -> str:
        return f"{self.inner.describe()}, from zero; c is added once in {self.fmt.name} ({_words(self.rounding)})"


@dataclass(frozen=True)
class DotModel:
    """A datapath: product, accumulator, output. Nothing else decides a bit.

    Parameters
    ----------
    product : Product
    accumulator : Accumulator
    output : Format or None
        The result is rounded to it once more; None: the accumulator's own format (exact sums need an output).
    output_rounding : Rounding
    name, source, evidence : str
        For hardware: what it is, who says so, and how it was checked.

    >>> print(DotModel(ExactProduct(), Floating("binary32")).describe())
    each product is exact; a running sum in binary32, k ascending: fused multiply-add per step (nearest even)
    """

    product: Product = field(default_factory=ExactProduct)
    accumulator: Accumulator = field(default_factory=Exact)
    output: Format | None = None
    output_rounding: Rounding = Rounding.NEAREST_EVEN
    name: str = field(default="", compare=False)
    source: str = field(default="", compare=False)
    evidence: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        for what, kind in (("product", Product), ("accumulator", Accumulator)):
            if not isinstance(getattr(self, what), kind):
                raise ArgumentError(f"{what} must be a {kind.__name__}, got {getattr(self, what)!r}")
        if self.output is not None:
            object.__setattr__(self, "output", scalar(self.output))
        object.__setattr__(self, "output_rounding", Rounding.parse(self.output_rounding))

    def describe(self) -> str:
        """The datapath in plain English."""
        text = f"{self.product.describe()}; {self.accumulator.describe()}"
        if self.output is not None:
            text += f"; the result is rounded to {self.output.name} ({_words(self.output_rounding)})"
        return text


def accumulator_format(accumulator: Any) -> Format | None:
    """The format of an accumulator's result; None for exact, integer and fixed-point sums."""
    if isinstance(accumulator, Permuted):
        return accumulator_format(accumulator.inner)
    if isinstance(accumulator, Chunk):
        return accumulator.outer.fmt
    return getattr(accumulator, "fmt", None)
