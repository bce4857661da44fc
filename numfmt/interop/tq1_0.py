"""The element order of ggml's TQ1_0 blocks, on top of the layout ``ggml_trits``."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError
from .packing import pack_codes, unpack_codes

__all__ = ["pack_tq1_0", "unpack_tq1_0"]

Bytes = npt.NDArray[np.uint8]

# Bytes, and the elements they hold: as many planes as trits in a byte, each as wide as there are bytes.
_PLANES = ((slice(0, 32), slice(0, 160)), (slice(32, 48), slice(160, 240)), (slice(48, 52), slice(240, 256)))


def pack_tq1_0(codes: Any) -> Bytes:
    """The 52 bytes of trits of a ggml TQ1_0 block, without its scale.

    Elements are interleaved: byte i < 32 holds elements i + 32 k, byte 32 + i those at 160 + i + 16 k (k = 0..4), and
    byte 48 + i those at 240 + i + 4 k (k = 0..3; the fifth digit is 0).

    Parameters
    ----------
    codes : integer array (..., 256) of 0, 1, 2

    Returns
    -------
    uint8 array (..., 52)

    Raises
    ------
    ArgumentError, CodeRangeError, DTypeError
        The last axis is not 256 long, a code is above 2, or the dtype is no integer.

    Notes
    -----
    Source: gguf-py ``quants.py``, class TQ1_0.

    >>> from numfmt.interop import pack_tq1_0, unpack_tq1_0
    >>> block = np.arange(256) % 3
    >>> pack_tq1_0(block)[:4]
    array([ 69, 108, 207,  69], dtype=uint8)
    >>> bool((unpack_tq1_0(pack_tq1_0(block)) == block).all())
    True
    """
    codes = np.asarray(codes)
    if codes.ndim == 0 or codes.shape[-1] != 256:
        raise ArgumentError(f"codes must end in an axis of 256 for TQ1_0, got shape {codes.shape}")
    digits = np.zeros((*codes.shape[:-1], 52, 5), codes.dtype)
    for rows, elements in _PLANES:
        width = rows.stop - rows.start
        planes = codes[..., elements].reshape(*codes.shape[:-1], -1, width)
        digits[..., rows, : planes.shape[-2]] = np.swapaxes(planes, -1, -2)
    return pack_codes(digits.reshape(*codes.shape[:-1], 260), 2, "ggml_trits")


def unpack_tq1_0(data: Any) -> Bytes:
    """The codes of `pack_tq1_0`: a uint8 array (..., 52) becomes (..., 256).

    Raises
    ------
    ArgumentError, DTypeError
        The last axis is not 52 bytes long, a byte is none that packing produces, or one of the last four has a fifth
        digit.

    >>> from numfmt.interop import unpack_tq1_0
    >>> unpack_tq1_0(np.full(52, 128, np.uint8))[:3]
    Traceback (most recent call last):
    ...
    numfmt.errors.ArgumentError: data[48] is 0x80, whose fifth digit is not 0: ...
    """
    digits = unpack_codes(data, 2, "ggml_trits", count=260)
    digits = digits.reshape(*digits.shape[:-1], 52, 5)
    if digits[..., 48:, 4].any():
        *lead, byte = np.argwhere(digits[..., 48:, 4])[0].tolist()
        at = (*lead, 48 + byte)
        raise ArgumentError(
            f"data[{', '.join(map(str, at))}] is {int(np.asarray(data)[at]):#04x}, whose fifth digit is not 0: "
            "the last four bytes of TQ1_0 hold four trits each"
        )
    codes = np.empty((*digits.shape[:-2], 256), np.uint8)
    for rows, elements in _PLANES:
        count = (elements.stop - elements.start) // (rows.stop - rows.start)
        planes = np.swapaxes(digits[..., rows, :count], -1, -2)
        codes[..., elements] = planes.reshape(*codes.shape[:-1], -1)
    return codes
