"""What callers pass as `x`: turned into a native float32 or float64 array without rounding, or into exact scalars."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .errors import DTypeError
from .formats.tables import unpack_float
from .formats.unpacked import Unpacked

__all__ = ["Reals", "exact_scalar", "real_input"]

#: Extension dtypes (ml_dtypes) that binary32 holds exactly, by name.
_NARROW_FLOATS = frozenset(
    [
        "bfloat16",
        "float8_e3m4",
        "float8_e4m3",
        "float8_e4m3b11fnuz",
        "float8_e4m3fn",
        "float8_e4m3fnuz",
        "float8_e5m2",
        "float8_e5m2fnuz",
        "float8_e8m0fnu",
        "float6_e2m3fn",
        "float6_e3m2fn",
        "float4_e2m1fn",
    ]
)
_NARROW_INTS = frozenset(("int1", "int2", "int4", "uint1", "uint2", "uint4"))
_SAFE_INTEGER = 1 << 53
_NATIVE = frozenset((np.dtype(np.float32), np.dtype(np.float64)))


class Reals(NamedTuple):
    """Exact input: floats, and where binary64 does not hold an element, its exact value by flat index."""

    array: npt.NDArray[Any]
    exact: dict[int, Fraction]
    #: dtype a fake-quantized result should have, None when the input had no float dtype.
    dtype: np.dtype[Any] | None


def exact_scalar(value: Any) -> Unpacked | Fraction:
    """The exact value of one Python or NumPy number; `DTypeError` for anything else."""
    if isinstance(value, (bool, np.bool_, int, np.integer, Fraction)):
        return Fraction(int(value)) if not isinstance(value, Fraction) else value
    if isinstance(value, np.longdouble):
        raise DTypeError(_LONGDOUBLE)
    if isinstance(value, (float, np.floating)):
        return unpack_float(float(value))
    if isinstance(value, Decimal):
        return _exact_decimal(value)
    if type(value).__name__ in _NARROW_FLOATS | _NARROW_INTS:
        return unpack_float(float(value))
    raise DTypeError(f"x must hold real numbers (int, float, Fraction, Decimal), got {type(value).__name__}: {value!r}")


def _exact_decimal(value: Decimal) -> Unpacked | Fraction:
    sign = int(value.is_signed())
    if value.is_nan():
        return Unpacked.nan(sign)
    if value.is_infinite():
        return Unpacked.infinity(sign)
    return Fraction(value) if value else Unpacked.zero(sign)


_LONGDOUBLE = (
    "longdouble (float96/float128) is not supported: its width differs between machines; convert with "
    "x.astype(numpy.float64), which rounds once, or pass Fractions"
)


def _from_objects(array: npt.NDArray[Any]) -> Reals:
    floats = np.zeros(array.shape, np.float64)
    flat = floats.reshape(-1)
    exact: dict[int, Fraction] = {}
    for i, item in enumerate(array.reshape(-1)):
        value = exact_scalar(item)
        if isinstance(value, Unpacked):
            flat[i] = float(value)
            continue
        try:
            flat[i] = float(value)
        except OverflowError:
            flat[i] = 0.0
            exact[i] = value
        else:
            if Fraction(flat[i]) != value:
                exact[i] = value
    return Reals(floats, exact, None)


def _from_wide_integers(array: npt.NDArray[Any]) -> Reals:
    floats = array.astype(np.float64)
    exact: dict[int, Fraction] = {}
    if array.size and (int(array.max()) > _SAFE_INTEGER or int(array.min()) < -_SAFE_INTEGER):
        flat = array.reshape(-1)
        large = (
            np.flatnonzero((flat > _SAFE_INTEGER) | (flat < -_SAFE_INTEGER))
            if array.dtype.kind == "i"
            else (np.flatnonzero(flat > np.uint64(_SAFE_INTEGER)))
        )
        exact = {int(i): Fraction(int(flat[i])) for i in large}
    return Reals(floats, exact, None)


def _holds_large_integer(x: Any) -> bool:
    if isinstance(x, (list, tuple)):
        return any(map(_holds_large_integer, x))
    return isinstance(x, (int, np.integer)) and not -_SAFE_INTEGER <= int(x) <= _SAFE_INTEGER


def _unreadable(x: Any, err: Exception) -> str:
    if type(x).__module__.split(".")[0] == "torch":
        return (
            f"x is a tensor that NumPy cannot read ({err}); pass numfmt.interop.from_torch(x), which keeps the bits, "
            "or x.detach().cpu().float()"
        )
    return f"x must be a rectangular array of real numbers: {err}"


def real_input(x: Any) -> Reals:
    """`x` as native float32 or float64, of any layout, together with what those cannot hold exactly.

    Raises
    ------
    DTypeError
        complex, longdouble, text, dates, structured and masked arrays.
    """
    if type(x) is np.ndarray and x.dtype in _NATIVE:
        return Reals(x, {}, x.dtype)
    if isinstance(x, np.ma.MaskedArray):
        raise DTypeError("x must not be a masked array: the mask would be lost; fill it first (x.filled(value))")
    try:
        array = np.asarray(x)
        if not hasattr(x, "dtype") and array.dtype.kind == "f" and _holds_large_integer(x):
            # NumPy has rounded a list that mixes large integers and floats.
            array = np.asarray(x, dtype=object)
    except (ValueError, TypeError, RuntimeError) as err:
        raise DTypeError(_unreadable(x, err)) from None
    with np.errstate(invalid="ignore"):  # converting a signalling NaN is no error here
        return _widen(array)


def _widen(array: npt.NDArray[Any]) -> Reals:
    dtype = array.dtype
    kind, size, name = dtype.kind, dtype.itemsize, dtype.name
    if dtype == np.longdouble and size > 8:
        raise DTypeError(_LONGDOUBLE)
    if kind == "f":
        if size >= 4:
            return Reals(
                array if dtype.isnative else array.astype(dtype.newbyteorder("=")), {}, dtype.newbyteorder("=")
            )
        return Reals(array.astype(np.float32), {}, dtype.newbyteorder("="))
    if kind in "iu":
        if size <= 2:
            return Reals(array.astype(np.float32), {}, None)
        return Reals(array.astype(np.float64), {}, None) if size == 4 else _from_wide_integers(array)
    if kind == "b":
        return Reals(array.astype(np.float32), {}, None)
    if name in _NARROW_FLOATS:
        return Reals(array.astype(np.float32), {}, dtype)
    if name in _NARROW_INTS:
        return Reals(array.astype(np.int8).astype(np.float32), {}, None)
    if kind == "O":
        return _from_objects(array)
    if kind == "c":
        raise DTypeError(
            f"x is complex ({dtype}) and the format is real; encode x.real and x.imag, or use fourth_roots"
        )
    raise DTypeError(f"x must hold real numbers, got dtype {dtype}")
