"""Fused reductions: the exact sum of products, or of values, rounded once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._array import Encoded
from .._quire_lowering import Rows, Sums, settled
from ..errors import FormatMismatchError, FormatOverflowError
from ..formats.base import Format
from ..formats.quire import QuireLayout, layout
from ..formats.registry import scalar
from ..rounding import RandomBits
from ._quire_rounding import Rules, parsed_rules, parsed_source, round_sums
from ._quire_rows import dot_rows, sum_rows

__all__ = ["fused_dot", "fused_sum"]

#: Sums that are alive at a time.
_PIECE = 1 << 14


def fused_dot(
    a: Encoded,
    b: Encoded,
    *,
    fmt: Format | str | None = None,
    axis: int = -1,
    rounding: Any = None,
    overflow: Any = None,
    random: Any = None,
    width: int | str | None = None,
) -> Encoded:
    """Dot products along `axis`: the exact sum of the exact products, rounded once.

    The result does not depend on the order of the terms. It is what a quire (posits) or a Kulisch accumulator (any
    other format) of sufficient width gives, and P3109's block dot product with scales of 1.

    Parameters
    ----------
    a, b : Encoded, broadcast against each other; formats may differ
        Any format of at most 16 bits with exact real values, posits, floats and integers of up to 32.
    fmt : Format or str, optional
        Format of the result; default: the operands' common one (an error where they differ).
    axis : int
        The axis that is summed, counted in the broadcast shape; both operands have its whole length.
    rounding : Rounding or str, optional
        Of the result; default: its format's own.
    overflow : Overflow or str, optional
        Of the result, as in `numfmt.add`.
    random : int, RandomBits, HashRandom or PhiloxRandom, optional
        For the stochastic roundings, keyed by flat C-order index of the result.
    width : int, "standard" or "legacy", optional
        Width of an accumulator, as in `Quire`, that every sum must fit; default: whatever is needed.

    Returns
    -------
    Encoded
        Without the summed axis; the empty sum is 0.

    Raises
    ------
    FormatOverflowError
        A sum does not fit `width`, or the result's policy refuses it.
    NaNError
        A sum is NaN (0 * infinity, opposite infinities, a NaN or NaR operand) and the result's format has none.

    Notes
    -----
    A sum of 0 is +0 in every rounding: an accumulator has one zero. Sources: Standard for Posit Arithmetic (2022)
    section 5.11; IEEE 754-2019 section 9.4 for infinities and NaN; IEEE P3109 for the block dot product.

    >>> import numfmt as nf
    >>> a, b = nf.encode([2.0**20, 1.0, -(2.0**20)], "posit8"), nf.encode([16.0, 0.5, 16.0], "posit8")
    >>> float(fused_dot(a, b))
    0.5
    """
    rows_a, rows_b, shape = dot_rows(a, b, axis)
    if fmt is None and a.format != b.format:
        raise FormatMismatchError(
            f"operands are in {a.format.name} and {b.format.name}: say the result's format with fmt="
        )
    target = a.format if fmt is None else scalar(fmt)
    return _reduce(rows_a, rows_b, shape, target, rounding, overflow, random, width)


def fused_sum(
    a: Encoded,
    *,
    fmt: Format | str | None = None,
    axis: int = -1,
    rounding: Any = None,
    overflow: Any = None,
    random: Any = None,
    width: int | str | None = None,
) -> Encoded:
    """Sums along `axis`, exact and then rounded once; everything else as in `fused_dot`.

    >>> import numfmt as nf
    >>> float(fused_sum(nf.encode([65504.0, 2.0**-24, -65504.0], "binary16"))) == 2.0**-24
    True
    """
    rows, shape = sum_rows(a, axis)
    return _reduce(rows, None, shape, a.format if fmt is None else scalar(fmt), rounding, overflow, random, width)


class _Plan(NamedTuple):
    """What a reduction needs beside its operands; the formats are kept since the plan is found by their identity."""

    formats: tuple[Format, Format, Format]
    layout: QuireLayout
    rules: Rules


def _plan(a: Format, b: Format, target: Format, rounding: Any, overflow: Any, width: Any, carry_bits: int) -> _Plan:
    plans: dict[Any, _Plan] = a.__dict__.setdefault("_fused_plans", {})
    key: Any = (id(b), id(target), rounding, overflow, width, type(width), carry_bits)
    try:
        found = plans.get(key)
    except TypeError:  # arguments that cannot be hashed have an error of their own
        found, key = None, None
    if found is None:
        # Without a width: as many carry bits as the terms can use.
        own = layout(a, b, width, carry_bits if width is None else None)
        found = _Plan((a, b, target), own, parsed_rules(target, rounding, overflow))
        if len(plans) >= 256:
            plans.clear()
        plans[key] = found
    return found


def _reduce(
    a: Rows,
    b: Rows | None,
    shape: tuple[int, ...],
    target: Format,
    rounding: Any,
    overflow: Any,
    random: Any,
    width: int | str | None,
) -> Encoded:
    plan = _plan(a.fmt, a.fmt if b is None else b.fmt, target, rounding, overflow, width, max(a.terms, 1).bit_length())
    own, rules = plan.layout, plan.rules
    source = parsed_source(rules, random)
    count = a.sources.size
    codes = np.empty(count, target.code_dtype)
    step = max(count, 1) if isinstance(source, RandomBits) else _PIECE
    for at in range(0, count, step):
        part = slice(at, at + step)
        sums = Sums(min(step, count - at), own.bits, -own.fraction_bits)
        if count <= step:
            sums.add(a, b)
        else:
            sums.add(a._replace(sources=a.sources[part]), None if b is None else b._replace(sources=b.sources[part]))
        if width is not None:
            _check_width(sums, own)
        codes[part] = round_sums(sums, target, rules, source, shape, at)
    return Encoded._wrap(codes.reshape(shape), target)


def _check_width(sums: Sums, own: QuireLayout) -> None:
    beyond = settled(sums, own.bits)
    if np.any((beyond != 0) & (sums.states == 0)):
        raise FormatOverflowError(
            f"a sum does not fit the {own.bits} bits of width=, which always hold {own.products} products; leave width "
            "out, or use Quire(..., overflow='wrap') and its add_dot"
        )
