"""Relations of two encoded arrays: the predicates of IEEE 754-2019 section 5.6.1 and the total order of 5.10."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .._array import Encoded
from .._op_lowering import is_binary64, operand_values
from ..errors import ArgumentError
from ..formats.base import Format
from ..formats.exponent import ExponentFormat
from ..formats.floating import FloatFormat, Specials
from ..formats.lns import LnsFormat
from ..formats.posit import PositFormat
from ..formats.takum import TakumFormat, TakumLogFormat
from ..formats.unpacked import Kind
from ._nans import read_nans
from ._operands import broadcast_codes, operands_of
from ._scalar import order, read
from ._special_flags import INVALID, signaling_flags
from .flags import Flags

__all__ = ["compare", "total_order"]

Array = npt.NDArray[Any]
#: NaR belongs to the order of these, below every number (POSIT22 section 5.3; takums follow).
_ORDERED_NAR = (PositFormat, TakumFormat, TakumLogFormat)
_UNORDERED = 2
#: Relations that hold (2: unordered), and whether a quiet NaN is invalid.
_PREDICATES: dict[str, tuple[tuple[int, ...], bool]] = {
    "equal": ((0,), False),
    "not_equal": ((-1, 1, _UNORDERED), False),
    "less": ((-1,), True),
    "less_equal": ((-1, 0), True),
    "greater": ((1,), True),
    "greater_equal": ((0, 1), True),
    "unordered": ((_UNORDERED,), False),
    "equal_signaling": ((0,), True),
    "not_equal_signaling": ((-1, 1, _UNORDERED), True),
    "less_quiet": ((-1,), False),
    "less_equal_quiet": ((-1, 0), False),
    "greater_quiet": ((1,), False),
    "greater_equal_quiet": ((0, 1), False),
}


def compare(a: Any, b: Any, predicate: str = "equal", *, flags: bool = False) -> Any:
    """Whether a relation holds between the exact values of two arrays, whatever their formats.

    Parameters
    ----------
    a, b : Encoded, broadcast against each other; formats may differ
        A plain number is taken in the format of the other operand, and must be exact there.
    predicate : str
        ``equal not_equal less less_equal greater greater_equal unordered``; with ``_quiet`` or ``_signaling`` the forms
        that differ in the invalid flag alone.
    flags : bool
        Also return `Flags`: invalid for a signaling NaN, and for a quiet one in the four orders (not in their
        ``_quiet`` forms) and in ``_signaling`` ones.

    Returns
    -------
    bool array, or (bool array, Flags)

    Raises
    ------
    ArgumentError
        An unknown predicate, complex formats.

    Notes
    -----
    NaN is unordered, -0 equals +0. Between posits and takums NaR equals NaR and lies below every number. Irrational
    values (LNS, logarithmic takums) are compared exactly. Source: IEEE 754-2019 sections 5.6.1 and 5.11; POSIT22 5.3.

    >>> import numfmt as nf
    >>> nf.compare(nf.encode([1.0, 2.0], "binary16"), nf.encode([1.5, 1.5], "posit16"), "less")
    array([ True, False])
    """
    if predicate not in _PREDICATES:
        raise ArgumentError(f"predicate must name a relation, got {predicate!r}; legal names: {', '.join(_PREDICATES)}")
    holds, is_signaling = _PREDICATES[predicate]
    operands, codes = _aligned(a, b)
    relation = _relation(codes, [e.format for e in operands])
    found = np.isin(relation, holds)
    if not flags:
        return found
    bits = (relation == _UNORDERED) * INVALID if is_signaling else np.zeros(relation.shape, np.uint8)
    raised = signaling_flags(codes, [e.format for e in operands])
    return found, Flags.of_bits(bits if raised is None else bits | raised)


def _aligned(a: Any, b: Any) -> tuple[list[Encoded], list[Array]]:
    operands = operands_of(a, b)
    return operands, broadcast_codes(operands)


def _signs(difference_above: Array, difference_below: Array) -> Array:
    return difference_above.astype(np.int8) - difference_below.astype(np.int8)


def _relation(codes: list[Array], formats: list[Format]) -> Array:
    """-1, 0, 1 as a is below, equal to or above b; 2 for unordered."""
    alike = formats[0] == formats[1]
    if alike and isinstance(formats[0], TakumLogFormat):
        x, y = (_twos_complement(c, formats[0].bits) for c in codes)
        return _signs(x > y, x < y)
    # Neighbouring values of an LNS of at most 16 bits are further apart than binary64 rounds.
    if all(map(is_binary64, formats)) or (alike and isinstance(formats[0], LnsFormat)):
        a, b = (_values(c, f) for c, f in zip(codes, formats, strict=True))
        relation, nans = _signs(a > b, a < b), (np.isnan(a), np.isnan(b))
    else:
        relation, nans = _exact_relation(codes, formats)
    if all(isinstance(f, _ORDERED_NAR) for f in formats):
        return np.asarray(np.where(nans[0] | nans[1], _signs(nans[1], nans[0]), relation))
    return np.asarray(np.where(nans[0] | nans[1], np.int8(_UNORDERED), relation))


def _values(codes: Array, fmt: Format) -> Array:
    return operand_values(np.ascontiguousarray(codes).reshape(-1), fmt).reshape(codes.shape)


def _twos_complement(codes: Array, bits: int) -> Array:
    shift = np.int64(64 - bits)
    return (codes.astype(np.int64) << shift) >> shift


def _exact_relation(codes: list[Array], formats: list[Format]) -> tuple[Array, tuple[Array, Array]]:
    relation = np.zeros(codes[0].shape, np.int8)
    nans = np.zeros(relation.shape, bool), np.zeros(relation.shape, bool)
    known: dict[tuple[int, int], tuple[int, bool, bool]] = {}
    pairs = zip(codes[0].reshape(-1).tolist(), codes[1].reshape(-1).tolist(), strict=True)
    for i, pair in enumerate(pairs):
        if pair not in known:
            a, b = (read(f, c) for f, c in zip(formats, pair, strict=True))
            absent = a.kind is Kind.NAN, b.kind is Kind.NAN
            known[pair] = 0 if any(absent) else order(a, b), *absent
        relation.flat[i], nans[0].flat[i], nans[1].flat[i] = known[pair]
    return relation, nans


def total_order(a: Any, b: Any) -> Any:
    """Where the elements of `a` stand to those of `b` in a total order of all codes: -1, 0 or 1.

    Parameters
    ----------
    a, b : Encoded, broadcast against each other; formats may differ

    Returns
    -------
    int8 array
        IEEE 754's totalOrder(a, b) is ``total_order(a, b) <= 0``.

    Raises
    ------
    ArgumentError
        Complex formats.

    Notes
    -----
    -NaN < -infinity < numbers < -0 < +0 < numbers < infinity < NaN; among the NaNs of a sign, quiet ones and larger
    payloads lie farther out. A NaN without a sign is the lowest value (P3109 v4.0 for its own, POSIT22 for NaR; fnuz,
    HiF8, takum and LNS follow, their NaN being the code of -0), but that of E8M0, the all-ones code, the highest.
    Source: IEEE 754-2019 section 5.10.

    >>> import numfmt as nf
    >>> nf.total_order(nf.Encoded([0x8000, 0xFE00], "binary16"), nf.Encoded([0x0000, 0xFC00], "binary16"))
    array([-1, -1], dtype=int8)
    """
    operands, codes = _aligned(a, b)
    formats = [e.format for e in operands]
    (kind_a, fine_a), (kind_b, fine_b) = (_place(c, f) for c, f in zip(codes, formats, strict=True))
    classes, within = _signs(kind_a > kind_b, kind_a < kind_b), _signs(fine_a > fine_b, fine_a < fine_b)
    numbers = (kind_a == 0) & (kind_b == 0)
    relation = _relation(codes, formats)
    fine = np.where(numbers & (relation != 0), relation, within)
    return np.asarray(np.where(classes != 0, classes, fine))


def _place(codes: Array, fmt: Format) -> tuple[Array, Array]:
    """Class (-2 negative NaN, -1, 0 number, 1, 2 NaN) and the order within: payloads, the sign of a zero."""
    if fmt.value_dtype.kind == "O":
        found = [read(fmt, c) for c in codes.reshape(-1).tolist()]
        kinds = np.array([x.kind.value for x in found]).reshape(codes.shape)
        negative = np.array([x.negative for x in found], bool).reshape(codes.shape)
        nan, infinite = kinds == Kind.NAN.value, kinds == Kind.INFINITY.value
        minus_zero = (kinds == Kind.ZERO.value) & negative
    else:
        values = _values(codes, fmt)
        nan, infinite, negative = np.isnan(values), np.isinf(values), np.signbit(values)
        minus_zero = (values == 0) & negative
    nans = read_nans(codes, fmt)
    signed = isinstance(fmt, FloatFormat) and fmt.specials in (Specials.IEEE, Specials.FN)
    below = nans.negative if signed else np.full(codes.shape, not isinstance(fmt, ExponentFormat))
    # The quiet bit counts above all payload bits, which are 62.
    payload = (nans.payload >> np.uint64(1)) + np.where(nans.signaling, np.uint64(0), np.uint64(1 << 61))
    fine = np.where(
        nan, np.where(below, -payload.astype(np.int64), payload.astype(np.int64)), -minus_zero.astype(np.int64)
    )
    kind = np.where(nan, np.where(below, -2, 2), np.where(infinite, np.where(negative, -1, 1), 0))
    return kind, fine
