"""Operations on the sign alone: negate, absolute value, copy of a sign (IEEE 754-2019 section 5.5.1)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .._array import Encoded
from .._op_lowering import operand_values
from ..formats.base import Format
from ..formats.floating import FloatFormat, P3109Format, Specials
from ..formats.lns import LnsFormat
from ..formats.posit import PositFormat
from ..formats.registry import scalar
from ..formats.takum import TakumFormat, TakumLogFormat
from ._job import run_job
from ._nans import read_nans, signaling
from ._operands import broadcast_codes, operands_of, result_array, settings_of
from .flags import Flags

__all__ = ["absolute", "copysign", "negate"]

Array = npt.NDArray[Any]


def negate(a: Any, *, overflow: Any = None, nan: Any = None, flags: bool = False, out: Array | None = None) -> Any:
    """-a in the format of `a`: the sign bit of IEEE and ``fn`` floats is flipped, of a NaN too.

    Parameters
    ----------
    a : Encoded
    overflow : Overflow or str, optional
        For values without a negative in the format (-128 of int8, unsigned formats); default as in `add`: integers
        saturate.
    nan : NaNRule or str, optional
        For those a format cannot hold, where the overflow policy makes them NaN.
    flags : bool
        Also return `Flags`; only such overflows raise any.
    out : array of codes, optional

    Returns
    -------
    Encoded, or (Encoded, Flags)

    Raises
    ------
    ArgumentError, FormatOverflowError
        Complex formats; an overflow that the policy refuses.

    Notes
    -----
    A zero without a negative stays; NaN without a sign stays. Posits and takums: two's complement of the code.
    Source: IEEE 754-2019 section 5.5.1; POSIT22 section 5.2.

    >>> import numfmt as nf
    >>> nf.negate(nf.encode([1.0, 0.0], "fp8_e4m3fn")).codes
    array([184, 128], dtype=uint8)
    """
    (e,) = operands_of(a)
    return _with_sign(e, None, overflow, nan, flags, out)


def absolute(a: Any, *, overflow: Any = None, nan: Any = None, flags: bool = False, out: Array | None = None) -> Any:
    """|a| in the format of `a`: the sign bit of IEEE and ``fn`` floats is cleared, of a NaN too.

    Parameters and results are those of `negate`.

    >>> import numfmt as nf
    >>> nf.absolute(nf.encode([-128.0, -3.0], "int8")).codes
    array([127,   3], dtype=uint8)
    """
    (e,) = operands_of(a)
    return _with_sign(e, np.zeros((), bool), overflow, nan, flags, out)


def copysign(
    a: Any, b: Any, *, overflow: Any = None, nan: Any = None, flags: bool = False, out: Array | None = None
) -> Any:
    """The magnitude of `a` with the sign of `b`, in the format of `a`; the signs of zeros and NaNs count.

    Parameters and results are those of `negate`; `b` may be in any format, and the two are broadcast.

    >>> import numfmt as nf
    >>> np.asarray(nf.copysign(nf.encode([1.5, 2.0], "binary16"), nf.encode([-0.0, 7.0], "posit8")))
    array([1.5, 2. ], dtype=float32)
    """
    e, other = operands_of(a, b)
    codes, signs = broadcast_codes([e, other])
    negative = _is_negative(Encoded._wrap(signs, other.format))
    return _with_sign(Encoded._wrap(codes, e.format), negative, overflow, nan, flags, out)


def _is_negative(e: Encoded) -> Array:
    flat = np.ascontiguousarray(e.codes).reshape(-1)
    if e.format.value_dtype.kind == "O":
        found = np.array([bool(e.format.value_of(c).sign) for c in flat.tolist()], bool)
    else:
        values = operand_values(flat, e.format)
        found = np.where(np.isnan(values), read_nans(flat, e.format).negative, np.signbit(values))
    return np.asarray(found.reshape(e.shape))


def _kept_magnitude(fmt: Format) -> int | None:
    """The magnitude code that stands for 0 and NaN, so that its sign never changes; -1 where there is none.

    None for formats without a plain sign bit.
    """
    if isinstance(fmt, LnsFormat):
        return 1 << (fmt.bits - 2)
    if isinstance(fmt, P3109Format) and fmt.signed:
        return 0
    if isinstance(fmt, FloatFormat) and fmt.signed:
        return 0 if fmt.specials is Specials.FNUZ else -1
    return None


def _with_sign(e: Encoded, negative: Array | None, overflow: Any, nan: Any, flags: bool, out: Array | None) -> Any:
    fmt = e.format
    kept = _kept_magnitude(fmt)
    settings = settings_of(fmt, None, overflow, nan)
    if isinstance(fmt, (PositFormat, TakumFormat, TakumLogFormat)):
        change = np.ones(e.shape, bool) if negative is None else negative != _is_negative(e)
        mask = fmt.code_dtype.type((1 << fmt.bits) - 1)
        return _delivered(np.where(change, ~e.codes + fmt.code_dtype.type(1) & mask, e.codes), fmt, flags, out)
    if kept is None:
        change = np.ones(e.shape, bool) if negative is None else negative != _is_negative(e)
        ones = np.where(change, np.uint32(0xBF800000), np.uint32(0x3F800000))
        factor = Encoded._wrap(np.broadcast_to(ones, e.shape), scalar("binary32"))
        found = run_job("mul", [e, factor], fmt, settings, flags, out)
        quiet = signaling(e.codes, fmt)
        if flags and quiet is not None:
            found[1].invalid[quiet] = False  # operations on the sign signal nothing
        return found
    weight = fmt.code_dtype.type(1 << (fmt.bits - 1))
    codes = e.codes ^ weight if negative is None else (e.codes & ~weight) | (negative * weight).astype(fmt.code_dtype)
    if kept >= 0:
        codes = np.where((e.codes & ~weight) == fmt.code_dtype.type(kept), e.codes, codes)
    return _delivered(codes, fmt, flags, out)


def _delivered(codes: Array, fmt: Format, flags: bool, out: Array | None) -> Any:
    result = result_array(out, codes.shape, fmt)
    result[...] = codes
    found = Encoded._wrap(result, fmt)
    return (found, Flags.of_bits(np.zeros(codes.shape, np.uint8))) if flags else found
