"""How each class of block format encodes and decodes rows: the plain scheme, and those of special formats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import RangeError
from ..formats.block import BlockFormat
from ..formats.integer import IntFormat
from .encoding import encode_rows
from .scales import decode_codes

__all__ = ["Scheme", "decode_plain", "narrowed", "register_scheme", "scheme_of"]

Array = npt.NDArray[Any]


def decode_plain(fmt: BlockFormat, codes: Array, scales: Array, zeros: Array | None, sides: dict[str, Array]) -> Array:
    """Binary64 values of rows: (element - zero point) * scale, exact."""
    values = decode_codes(codes, fmt.element)
    if zeros is not None:
        assert isinstance(fmt.zero_point, IntFormat)
        values = values - decode_codes(zeros, fmt.zero_point)[:, None]
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(values * scales[:, None])


def narrowed(exact: Array, dtype: np.dtype[Any], name: str) -> Array:
    """Exact binary64 values rounded once to `dtype`; `RangeError` where a finite one does not fit."""
    with np.errstate(over="ignore"):
        values = exact.astype(dtype)
    if dtype != np.float64 and (np.isinf(values) & np.isfinite(exact)).any():
        raise RangeError(f"{name} holds a value beyond {dtype}; decode with dtype=numpy.float64")
    return values


@dataclass(frozen=True)
class Scheme:
    """encode(rows, encoder, tensor_scale, random) -> Blocks; decode(fmt, codes, scale values, zeros, sides) -> rows.

    `encode_array` and `decode_array` replace the whole path for formats that are no rows of independent blocks.
    """

    encode: Callable[..., Any] = encode_rows
    decode: Callable[..., Array] = decode_plain
    encode_array: Callable[..., Any] | None = None
    decode_array: Callable[..., Array] | None = None


_PLAIN = Scheme()
_schemes: dict[type, Scheme] = {}


def register_scheme(cls: type[BlockFormat], scheme: Scheme) -> None:
    """Let formats of class `cls` be encoded and decoded by `scheme`."""
    _schemes[cls] = scheme


def scheme_of(fmt: BlockFormat) -> Scheme:
    """The scheme of a format: its own class's, else the plain one."""
    if type(fmt) is not BlockFormat and type(fmt) not in _schemes:
        from . import special  # noqa: F401  (registers the schemes of the catalog's classes)
    return _schemes.get(type(fmt), _PLAIN)
