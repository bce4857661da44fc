"""Exact accumulators on arrays: limbs, the kernels that add to them, and the way to the one rounding."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ._lowering import decoder
from ._op_lowering import Exact, operand_values
from .formats.base import Format
from .formats.quire import extent

__all__ = ["Rows", "Sums", "exact_of", "negated", "odd_of", "settled"]

Array = npt.NDArray[Any]
_F64 = np.dtype(np.float64)
_EMPTY = np.empty(0, np.float64)
#: Bits of a state, as in `_kernels.quire`: infinite or NaN terms were added.
PLUS, MINUS, NAN = 1, 2, 4
#: Of a significand of 53 bits.
_BINARY64_BITS = 53
#: Numbers of the kernel's buffer.
_BUFFER = 1 << 11
#: Codes of wide formats that are decoded at a time.
_PIECE = 1 << 13


@cache
def _kernel(factory: str, *constants: int) -> Callable[..., int]:
    from ._kernels import quire
    from ._kernels._jit import bind

    assert 2 * quire.CHUNK == _BUFFER
    kernel: Callable[..., int] = bind(getattr(quire, factory), *constants)
    return kernel


class Rows(NamedTuple):
    """An operand of `terms` elements a row, and which of its rows goes to each sum."""

    #: Flat codes of the kernel's table, or flat binary64 values where there is none.
    elements: Array
    table: Array
    terms: int
    fmt: Format
    sources: npt.NDArray[np.int64]

    @classmethod
    def of(cls, codes: Array, fmt: Format, sources: npt.NDArray[np.int64]) -> Rows:
        """From codes (rows, terms)."""
        flat = np.ascontiguousarray(codes).reshape(-1)
        table = decoder(fmt, _F64).table
        if table is None:
            values = np.empty(flat.size)
            for at in range(0, flat.size, _PIECE):
                values[at : at + _PIECE] = operand_values(flat[at : at + _PIECE], fmt)
            return cls(values, _EMPTY, codes.shape[1], fmt, sources)
        return cls(flat, table, codes.shape[1], fmt, sources)

    @property
    def kernel_bytes(self) -> int:
        """How the kernel takes the operand: bytes of a code, or 8 for binary64 values."""
        return self.elements.dtype.itemsize


class Sums:
    """`rows` sums, in 32-bit limbs: two's complement, the lowest first, the last one signed; and their states.

    `unit` is the exponent of the lowest bit. Beyond `bits` there is room for 2**32 times the width's largest number.
    """

    def __init__(self, rows: int, bits: int, unit: int) -> None:
        self.limbs = np.zeros((rows, (bits - 1) // 32 + 3), np.int64)
        self.states = np.zeros(rows, np.uint8)
        self.unit = unit

    def copy(self) -> Sums:
        """Independent copy."""
        other = Sums.__new__(Sums)
        other.limbs, other.states, other.unit = self.limbs.copy(), self.states.copy(), self.unit
        return other

    def add(self, a: Rows, b: Rows | None, *, negative: bool = False) -> None:
        """Add (subtract) the sum of each row of products; b None: of values."""
        if not self.states.size or not a.terms:
            return
        split = 0
        if b is not None and extent(a.fmt).precision + extent(b.fmt).precision > _BINARY64_BITS:
            split = extent(b.fmt).precision
        other = a if b is None else b
        _kernel("make_accumulate", a.kernel_bytes, 0 if b is None else b.kernel_bytes, split)(
            a.elements,
            a.table,
            a.sources,
            other.elements,
            other.table,
            other.sources,
            a.terms,
            int(negative),
            self.unit,
            self.limbs.reshape(-1),
            self.states,
            np.empty(_BUFFER),
        )

    def carry(self) -> None:
        """Bring every limb but the last into 0 .. 2**32 - 1."""
        limbs = self.limbs
        for i in range(limbs.shape[1] - 1):
            limbs[:, i + 1] += limbs[:, i] >> 32
            limbs[:, i] &= 0xFFFFFFFF


def negated(sums: Sums) -> Sums:
    """The opposite sums."""
    other = sums.copy()
    np.negative(other.limbs, out=other.limbs)
    other.carry()
    plus, minus = sums.states & PLUS, sums.states & MINUS
    other.states[...] = (sums.states & NAN) | (plus << 1) | (minus >> 1)
    return other


def settled(sums: Sums, bits: int) -> Array:
    """Cut the sums to `bits`, in place; 1 for each that did not fit, plus 2 where 10...0 is left."""
    beyond = np.zeros(sums.states.size, np.uint8)
    if beyond.size:
        _kernel("make_settle")(sums.limbs.reshape(-1), bits, beyond)
    return beyond


def odd_of(sums: Sums) -> npt.NDArray[np.float64]:
    """The sums as binary64 rounded to odd."""
    values = np.empty(sums.states.size)
    if values.size:
        _kernel("make_to_odd")(sums.limbs.reshape(-1), sums.states, sums.unit, values)
    return values


def exact_of(sums: Sums) -> Exact:
    """The sums as exact results to be rounded; a zero sum is +0, for an accumulator has one zero."""
    exact = Exact.empty(sums.states.size)
    exact.kinds[...] = sums.states != 0
    if sums.states.size:
        _kernel("make_to_exact")(sums.limbs.reshape(-1), sums.unit, exact.significands, exact.exponents, exact.signs)
    special = np.flatnonzero(sums.states)
    states = sums.states[special]
    values = np.where(states == PLUS, np.inf, np.where(states == MINUS, -np.inf, np.nan))
    exact.significands[special] = values.view(np.uint64)
    exact.exponents[special] = exact.signs[special] = 0
    return exact
