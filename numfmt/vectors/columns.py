"""Optional columns: don't-care bits, boundary class, and what the stages of a datapath hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError
from ..formats.base import Format
from ..formats.floating import FloatFormat, MinifloatBase, Specials
from ..formats.integer import IntFormat
from ..formats.unpacked import Kind, Unpacked
from .classes import CLASS_NAMES, classify, limits
from .exact import exact_value, find_place

__all__ = ["COLUMNS", "Field", "make_columns"]

Array = npt.NDArray[Any]
COLUMNS = ("mask", "class", "exact", "aligned", "grs")
_EXPONENT_BITS = 16


class Field(NamedTuple):
    """One column of a set: its name, its width in bits, and unsigned codes (Python integers above 64 bits)."""

    name: str
    width: int
    codes: Array


class _Rows(NamedTuple):
    op: str
    formats: Sequence[Format]
    columns: Sequence[Array]
    fmt: Format
    result: Array

    def codes(self) -> Iterator[tuple[int, ...]]:
        return zip(*(c.tolist() for c in self.columns), strict=True)

    def operands(self) -> Iterator[list[Unpacked]]:
        for row in self.codes():
            yield [f.value_of(c) for f, c in zip(self.formats, row, strict=True)]


def _mask(rows: _Rows) -> list[Field]:
    """Ones where a bit may differ: sign and payload of an IEEE NaN, which implementations choose."""
    fmt, mask = rows.fmt, np.zeros(rows.result.size, np.uint64)
    if isinstance(fmt, FloatFormat) and fmt.specials is Specials.IEEE and fmt.mantissa_bits:
        codes = rows.result.astype(np.uint64)
        magnitude = codes & np.uint64((1 << (fmt.bits - fmt.signed)) - 1)
        free = (fmt.sign_weight if fmt.signed else 0) + (1 << (fmt.mantissa_bits - 1)) - 1
        mask[magnitude > np.uint64(fmt.max_magnitude + 1)] = free
    return [Field("mask", fmt.bits, mask)]


def _class(rows: _Rows) -> list[Field]:
    """The rarest boundary class, as an index into `CLASS_NAMES`."""
    number = {name: i for i, name in enumerate(CLASS_NAMES)}
    found = [number[classify(rows.op, rows.formats, row, rows.fmt)[0]] for row in rows.codes()]
    return [Field("class", 8, np.array(found, np.uint8))]


def _precisions(rows: _Rows, column: str) -> list[int]:
    if not all(isinstance(f, (MinifloatBase, IntFormat)) for f in rows.formats):
        raise ArgumentError(f"column {column!r} is for floats and integers, got {rows.formats[0].name}")
    return [limits(f).precision for f in rows.formats]


def _signed(x: int, bits: int) -> int:
    assert -(1 << (bits - 1)) <= x < 1 << (bits - 1)
    return x % (1 << bits)


def _product(a: Unpacked, b: Unpacked) -> Unpacked:
    if Kind.FINITE is a.kind is b.kind:
        return Unpacked.finite(a.sign ^ b.sign, a.significand * b.significand, a.exponent + b.exponent)
    return Unpacked.zero(a.sign ^ b.sign)


def _exact(rows: _Rows) -> list[Field]:
    """Sign, integer significand and exponent of the exact product a * b, as a multiplier array has it: unnormalized."""
    if rows.op not in ("mul", "fma"):
        raise ArgumentError(f"column 'exact' is for mul and fma, got {rows.op}")
    width = sum(_precisions(rows, "exact")[:2])
    found = []
    for a, b, *_ in rows.operands():
        product = _product(a, b) if a.is_finite and b.is_finite else Unpacked.zero()
        significand = product.significand if product.kind is Kind.FINITE else 0
        found.append((product.sign, significand, _signed(product.exponent, _EXPONENT_BITS) if significand else 0))
    sign, significands, exponent = (list(column) for column in zip(*found, strict=True))
    return [
        Field("exact_sign", 1, np.array(sign, np.uint8)),
        _wide("exact_significand", width, significands),
        Field("exact_exponent", _EXPONENT_BITS, np.array(exponent, np.uint16)),
    ]


def _wide(name: str, width: int, codes: list[int]) -> Field:
    return Field(name, width, np.array(codes, np.uint64 if width <= 64 else object))


def _aligned(rows: _Rows) -> list[Field]:
    """The two addends at the exponent of the larger, with three more bits on the right, the last one sticky.

    The addend whose (unnormalized) exponent is larger is shifted left by 3, the other right by the difference, its lost
    bits or-ed into bit 0. `aligned_exponent` is that of bit 0; `aligned_subtract` is 1 where the signs differ.
    """
    if rows.op not in ("add", "sub", "fma"):
        raise ArgumentError(f"column 'aligned' is for add, sub and fma, got {rows.op}")
    ps = _precisions(rows, "aligned")
    pair = (ps[0] + ps[1], ps[2]) if rows.op == "fma" else (ps[0], ps[1])
    width = max(pair)
    found = [_align(_two_addends(rows.op, operands), pair, width) for operands in rows.operands()]
    large, small, exponent, subtract = (list(column) for column in zip(*found, strict=True))
    return [
        _wide("aligned_large", width + 3, large),
        _wide("aligned_small", width + 3, small),
        Field("aligned_exponent", _EXPONENT_BITS, np.array(exponent, np.uint16)),
        Field("aligned_subtract", 1, np.array(subtract, np.uint8)),
    ]


def _two_addends(op: str, operands: list[Unpacked]) -> tuple[Unpacked, Unpacked] | None:
    if not all(x.is_finite for x in operands):
        return None
    a, b = operands[0], operands[1]
    if op == "fma":
        return _product(a, b), operands[2]
    return a, b if op == "add" else b._replace(sign=1 - b.sign)


def _align(pair: tuple[Unpacked, Unpacked] | None, ps: tuple[int, int], width: int) -> tuple[int, int, int, int]:
    if pair is None:
        return 0, 0, 0, 0
    found = []
    for x, p in zip(pair, ps, strict=True):
        if x.kind is Kind.FINITE:
            found.append((x.exponent - (width - p), x.significand << (width - p)))
    if not found:
        return 0, 0, 0, int(pair[0].sign != pair[1].sign)
    found.sort(reverse=True)
    exponent, large = found[0]
    small = 0
    if len(found) == 2:
        wide, shift = found[1][1] << 3, exponent - found[1][0]
        small = wide >> shift | bool(wide & ((1 << min(shift, width + 4)) - 1))
    return large << 3, small, _signed(exponent - 3, _EXPONENT_BITS), int(pair[0].sign != pair[1].sign)


def _grs(rows: _Rows) -> list[Field]:
    """Guard, round and sticky below the last bit of the exact result truncated to the format (bits 2, 1, 0)."""
    found = []
    for operands in rows.operands():
        finite = all(x.is_finite for x in operands)
        x = exact_value(rows.op, [u.value for u in operands]) if finite else None
        bits = 0
        if x is not None and x.number:
            place = find_place(rows.fmt, x)
            if place.lower is not None and place.upper is not None and place.lower != place.upper:
                low, high = rows.fmt.value_of(place.lower).value, rows.fmt.value_of(place.upper).value
                inner = low if x.number > 0 else high
                quarters = abs(x.number - inner) / (high - low) * 4
                whole = quarters.numerator // quarters.denominator
                bits = whole << 1 | int(quarters != Fraction(whole) or x.more)
        found.append(bits)
    return [Field("grs", 3, np.array(found, np.uint8))]


_MAKERS: dict[str, Callable[[_Rows], list[Field]]] = {
    "mask": _mask,
    "class": _class,
    "exact": _exact,
    "aligned": _aligned,
    "grs": _grs,
}
assert tuple(_MAKERS) == COLUMNS


def make_columns(
    names: Sequence[str], op: str, formats: Sequence[Format], columns: Sequence[Array], fmt: Format, result: Array
) -> list[Field]:
    """The fields of the named columns, in the order of `COLUMNS`."""
    unknown = [name for name in names if name not in _MAKERS]
    if unknown:
        raise ArgumentError(f"columns must be among {', '.join(COLUMNS)}, got {unknown[0]!r}")
    rows = _Rows(op, formats, columns, fmt, result)
    return [field for name in COLUMNS if name in names for field in _MAKERS[name](rows)]
