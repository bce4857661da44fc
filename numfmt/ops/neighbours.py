"""The next value up or down (IEEE 754-2019 section 5.3.1), on the code line of any format."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .._array import Encoded
from ..formats.base import TABLE_BITS, ContiguousCodes, Format
from ..formats.posit import PositFormat
from ..formats.takum import TakumFormat, TakumLogFormat
from ..formats.unpacked import Kind
from ._nans import nan_codes, propagates, signaling
from ._operands import operands_of, result_array, settings_of
from ._special_flags import INVALID
from .flags import Flags

__all__ = ["next_down", "next_up"]

Array = npt.NDArray[Any]


def next_up(a: Any, *, nan: Any = None, flags: bool = False, out: Array | None = None) -> Any:
    """The smallest value of the format that is larger than `a`.

    Parameters
    ----------
    a : Encoded
    nan : str, optional
        NaN policy, as in `add`.
    flags : bool
        Also return `Flags`: invalid for a signaling NaN; nothing else is raised.
    out : array of codes, optional

    Returns
    -------
    Encoded, or (Encoded, Flags)

    Raises
    ------
    ArgumentError
        Complex formats.

    Notes
    -----
    The largest value goes to infinity, or stays where there is none; -infinity goes to the lowest value. The value
    below 0 goes to -0 where that exists, both zeros to the smallest positive value. Posits and takums: the next code,
    NaR between the largest and the lowest. Source: IEEE 754-2019 section 5.3.1; POSIT22 section 5.2.

    >>> import numfmt as nf
    >>> np.asarray(nf.next_up(nf.encode([1.0, 448.0], "fp8_e4m3fn")))
    array([  1.125, 448.   ], dtype=float32)
    """
    return _neighbour(a, True, nan, flags, out)


def next_down(a: Any, *, nan: Any = None, flags: bool = False, out: Array | None = None) -> Any:
    """The largest value of the format that is smaller than `a`; the mirror image of `next_up`, whose notes hold.

    >>> import numfmt as nf
    >>> np.asarray(nf.next_down(nf.encode([1.0, 0.0], "fp8_e4m3fn")))
    array([ 0.9375 , -0.00195312], dtype=float32)
    """
    return _neighbour(a, False, nan, flags, out)


def _neighbour(a: Any, up: bool, nan: Any, flags: bool, out: Array | None) -> Any:
    (e,) = operands_of(a)
    fmt = e.format
    settings = settings_of(fmt, None, None, nan)
    result = result_array(out, e.shape, fmt)
    codes = np.array(e.codes, order="C").reshape(-1)
    found = _next_codes(codes, fmt, up)
    if propagates(settings.nan, fmt):
        at = np.flatnonzero(np.isin(found, np.array([fmt.nan_code], found.dtype)))
        found[at] = nan_codes("next", [codes[at]], [fmt], [], fmt, settings.nan)
    result.reshape(-1)[:] = found
    answer = Encoded._wrap(result, fmt)
    if not flags:
        return answer
    invalid = signaling(codes, fmt)
    bits = np.zeros(e.shape, np.uint8) if invalid is None else (invalid * INVALID).reshape(e.shape)
    return answer, Flags.of_bits(bits)


def _next_codes(codes: Array, fmt: Format, up: bool) -> Array:
    if isinstance(fmt, (PositFormat, TakumFormat, TakumLogFormat)):
        step = codes.dtype.type(1)
        moved = codes + step if up else codes - step
        return np.asarray(moved & codes.dtype.type((1 << fmt.bits) - 1))
    if fmt.bits <= TABLE_BITS:
        table: Array | None = fmt.__dict__.get(f"_next_{up}")
        if table is None:
            table = np.array([_next_code(fmt, c, up) for c in range(fmt.code_count)], fmt.code_dtype)
            fmt.__dict__[f"_next_{up}"] = table
        return np.asarray(table[codes])
    return _next_wide(codes, fmt, up)


def _next_code(fmt: Format, code: int, up: bool) -> int:
    """One code, from the definition."""
    value, ordered = fmt.value_of(code), fmt.ordered_codes
    if value.kind is Kind.NAN:
        canonical = fmt.nan_code
        assert canonical is not None
        return canonical
    if value.kind is Kind.INFINITY:
        return code if bool(value.sign) != up else fmt.min_code if value.sign else fmt.max_code
    real = fmt.real_of(code)
    rank = fmt.rank_below(real)
    if up:
        rank += 1
    else:
        while rank >= 0 and fmt.real_of(int(ordered[rank])) == real:  # both zeros
            rank -= 1
    if 0 <= rank < fmt.ordered_count:
        return int(ordered[rank])
    infinity = fmt.infinity_codes[0 if up else 1]
    return infinity if infinity is not None else fmt.max_code if up else fmt.min_code


def _next_wide(codes: Array, fmt: Format, up: bool) -> Array:
    """Formats whose code line is a few runs: one step along a run, the ends of runs and everything else one by one."""
    found, done = codes.copy(), np.zeros(codes.shape, bool)
    assert isinstance(fmt.ordered_codes, ContiguousCodes)
    for run in fmt.ordered_codes._runs:
        low, high, step = min(run[0], run[-1]), max(run[0], run[-1]), run.step if up else -run.step
        last = run[-1] if up else run[0]
        inside = (
            (codes >= codes.dtype.type(low)) & (codes <= codes.dtype.type(high)) & (codes != codes.dtype.type(last))
        )
        moved = codes + codes.dtype.type(1) if step > 0 else codes - codes.dtype.type(1)
        found[inside] = moved[inside]
        done |= inside
    rest, where = np.unique(codes[~done], return_inverse=True)
    found[~done] = np.array([_next_code(fmt, c, up) for c in rest.tolist()], codes.dtype)[where]
    return found
