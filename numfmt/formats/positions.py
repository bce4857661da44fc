"""Logarithmic formats by position: where |x| lies on the line of codes, as a real number.

Rounding a logarithmic takum or LNS acts on the logarithm, so on the code line it is rounding to an integer: breakpoints
lie half-way between codes. The position is computed with a binary64 logarithm, whose error is bounded; an element whose
position lies within that bound of an integer or half-integer is decided exactly instead. The logarithm decides no bit
that it could get wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..rounding import Overflow, Rounding
from .conversion import Conversion
from .lns import LnsFormat
from .tables import encode_scalars
from .takum import TakumLogFormat

__all__ = ["encode_positions", "has_positions"]

Floats = npt.NDArray[np.float64]

#: Relative error granted to a binary64 logarithm: 2**-46, a hundred units in the last place.
_LOG_ERROR = 2.0**-46


def has_positions(conv: Conversion) -> bool:
    """Whether `conv` encodes into a logarithmic format with a deterministic rounding and the usual special cases."""
    plain = conv.policy.negative == "overflow" and conv.policy.overflow is not Overflow.WRAP
    # Up to 8 bits the step table is quick to make and faster to use.
    wide = isinstance(conv.fmt, (LnsFormat, TakumLogFormat)) and conv.fmt.bits > 8
    return wide and plain and not conv.policy.rounding.is_stochastic


def _takum_position(bits: int, magnitude: Floats) -> tuple[Floats, Floats]:
    """Position of magnitudes on the takum code line, and its error bound."""
    logarithm = np.clip(2.0 * np.log(magnitude), -255.5, 255.5)
    c = np.clip(np.floor(logarithm), -255.0, 254.0)
    # frexp of an integer below 2**53 gives its bit length.
    r = np.frexp(np.where(c >= 0, c + 1, -c))[1] - 1
    power = np.ldexp(1.0, r)
    head = np.where(c >= 0, 8 + r, 7 - r)
    rest = np.where(c >= 0, c + 1 - power, c + 2 * power - 1)
    scale = np.ldexp(1.0, bits - 5 - r)
    position = head * 2.0 ** (bits - 5) + (rest + (logarithm - c)) * scale
    return position, (np.abs(logarithm) + 1) * _LOG_ERROR * scale


def _lns_position(fmt: LnsFormat, magnitude: Floats) -> tuple[Floats, Floats]:
    """Position above the zero code (position 0), and its error bound."""
    logarithm = np.log2(magnitude) * 2.0**fmt.frac_bits
    half = 1 << (fmt.bits - 2)
    position = np.clip(logarithm, -half - 1, half + 1) + half
    return position, (np.abs(logarithm) + 1) * _LOG_ERROR


def _round(position: Floats, negative: npt.NDArray[np.bool_], mode: Rounding) -> Floats:
    """Positions away from integers and half-integers, rounded."""
    down = np.floor(position)
    if mode.is_nearest:
        return np.where(position - down > 0.5, down + 1, down)
    match mode:
        case Rounding.TOWARD_ZERO:
            return down
        case Rounding.AWAY_FROM_ZERO:
            return down + 1
        case Rounding.TOWARD_POSITIVE:
            return np.where(negative, down, down + 1)
        case Rounding.TOWARD_NEGATIVE:
            return np.where(negative, down + 1, down)
        case Rounding.TO_ODD:
            # A code is as odd as its rank in both families, negative ones included.
            return np.asarray(down + (down % 2 == 0))
    raise AssertionError(mode)


def encode_positions(conv: Conversion, x: Floats) -> npt.NDArray[np.int64]:
    """Codes (or REFUSE marks) of a flat binary64 array."""
    fmt, mode = conv.fmt, conv.policy.rounding
    codes = np.zeros(x.size, np.int64)
    ordinary = np.isfinite(x) & (x != 0)
    at = np.flatnonzero(ordinary)
    magnitude, negative = np.abs(x[at]), x[at] < 0
    if isinstance(fmt, TakumLogFormat):
        position, error = _takum_position(fmt.bits, magnitude)
        # Nearest rounding never gives a takum's 0.
        smallest = int(mode.is_nearest)
    else:
        assert isinstance(fmt, LnsFormat)
        position, error = _lns_position(fmt, magnitude)
        smallest = 0
    # Whatever is not zero lies above the zero code, however far below the smallest value.
    position = np.maximum(position, 0.25)
    doubled = 2 * position
    doubtful = np.abs(doubled - np.round(doubled)) <= 4 * error + 2.0**-40
    rank = np.clip(_round(position, negative, mode).astype(np.int64), smallest, (1 << (fmt.bits - 1)) - 1)
    codes[at] = _codes_of(fmt, rank, negative)
    slow = np.concatenate([np.flatnonzero(~ordinary), at[doubtful]])
    if slow.size:
        codes[slow] = encode_scalars(conv, x[slow])
    return codes


def _codes_of(fmt: Any, rank: npt.NDArray[np.int64], negative: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    if isinstance(fmt, TakumLogFormat):
        return np.where(negative, -rank, rank) & ((1 << fmt.bits) - 1)
    # LNS: the rank counts up from the most negative logarithm; two's complement within bits - 1 bits, then the sign.
    half = 1 << (fmt.bits - 2)
    field = (rank - half) & ((1 << (fmt.bits - 1)) - 1)
    return np.asarray(field | np.where(negative & (rank > 0), 1 << (fmt.bits - 1), 0))
