"""Checks of arguments that several operations share."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError, DTypeError

__all__ = ["checked_axis", "is_integer", "plain_numbers"]

_FLOATS = frozenset(np.dtype(t) for t in (np.float16, np.float32, np.float64))


def is_integer(value: Any) -> bool:
    """A Python or NumPy integer; truth values are none."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def plain_numbers(x: Any, name: str = "x") -> npt.NDArray[Any]:
    """`x` as a native array of float16, float32, float64 or integers: dtypes whose arithmetic NumPy defines."""
    if isinstance(x, np.ma.MaskedArray):
        raise DTypeError(
            f"{name} must not be a masked array: the mask would be lost; fill it first ({name}.filled(value))"
        )
    try:
        array = np.asarray(x)
    except ValueError as err:
        raise DTypeError(f"{name} must be a rectangular array of real numbers: {err}") from None
    if array.dtype.newbyteorder("=") not in _FLOATS and array.dtype.kind not in "iu":
        raise DTypeError(
            f"{name} must be float16, float32, float64 or an integer array, got dtype {array.dtype}; sums are in its "
            f"own dtype, so choose one, for example {name}.astype(numpy.float32)"
        )
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def checked_axis(x: npt.NDArray[Any], axis: Any) -> int:
    """`axis` counted from the front."""
    if not x.ndim:
        raise ArgumentError("axis needs an array with at least one axis, got a scalar; wrap it in a list")
    if not is_integer(axis) or not -x.ndim <= axis < x.ndim:
        raise ArgumentError(f"axis must be an integer from {-x.ndim} to {x.ndim - 1} for shape {x.shape}, got {axis!r}")
    return int(axis) % x.ndim
