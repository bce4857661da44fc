"""Encoding and decoding of progressive integers, a row at a time: channel scale, integer group scales, codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..formats.base import Format
from ..formats.block import BlockFormat
from ..formats.integer import IntFormat
from ..formats.progressive import DGQFormat, ProgressiveFormat, QoQFormat
from .arithmetic import exact_quotient, odd_difference
from .encoding import Blocks, ElementEncoder, split_nonfinite
from .scales import decode_codes, encode_values
from .schemes import Scheme, register_scheme
from .sides import side

__all__: list[str] = []

Array = npt.NDArray[Any]
#: Holds the integers before the zero point is added and the range applied.
_WIDE = IntFormat(32)


@dataclass(frozen=True)
class Level:
    """Level 1: group scales and zero points (count, groups); what becomes an integer, and the bounds of the codes."""

    scales: Array
    zeros: Array
    quotients: Array
    lower: Array
    upper: Array


def _spread(values: Array, group: int, size: int) -> Array:
    """One value per group, for each of its elements."""
    return np.repeat(values, group, axis=1)[:, :size]


def _extremes(rows: Array, group: int) -> tuple[Array, Array]:
    """Least and largest element of every group, both widened to hold zero."""
    count, size = rows.shape
    groups = -(-size // group)
    wide = np.zeros((count, groups * group))
    wide[:, :size] = rows
    wide = wide.reshape(count, groups, group)
    return wide.min(2, initial=0.0), wide.max(2, initial=0.0)


def _quotient(x: Array, s: Array) -> Array:
    """x / s rounded to odd; 0 where s is."""
    return np.where(s == 0, 0.0, exact_quotient(x, np.where(s == 0, 1.0, s)))


def _qoq(clean: Array, kept: Array, unit: Array, group: int) -> Level:
    limit, size = QoQFormat.PROTECTIVE_RANGE, clean.shape[1]
    v = np.clip(np.rint(_quotient(clean, unit[:, None])), -limit, limit)
    low, high = _extremes(v, group)
    # Quotients of integers below 256: binary64 meets a half only where the exact quotient is one.
    scales = np.maximum(np.rint((high - low) / 15), 1)
    zeros = np.clip(np.rint(-low / scales), 0, 15)
    quotients = _quotient(v, _spread(scales, group, size))
    return Level(scales, zeros, np.where(np.isfinite(kept), quotients, kept), np.zeros(v.shape), np.full(v.shape, 15.0))


def _dgq(clean: Array, kept: Array, unit: Array, group: int) -> Level:
    limit, size = DGQFormat.INTEGER_RANGE, clean.shape[1]
    low, high = _extremes(clean, group)
    unit = unit[:, None]
    scales = np.clip(np.rint(_quotient(odd_difference(high, low), 15 * unit)), 1, limit)
    # 15 |low| / span, both taken smaller by powers of two so that nothing overflows.
    zeros = np.rint(8 * _quotient(low / 16 - low, np.where(unit == 0, 0.0, high / 2 - low / 2)))
    s, z = _spread(scales, group, size), _spread(zeros, group, size)
    n = limit // s
    quotients = _quotient(clean, s * unit)
    return Level(
        scales, zeros, np.where(np.isfinite(kept), quotients, kept), np.maximum(0, z - n), np.minimum(15, z + n)
    )


def _scheme(level: Callable[[Array, Array, Array, int], Level], divisor: int) -> Scheme:
    def encode(x: Array, encoder: ElementEncoder, tensor_scale: float, random: Array | None = None) -> Blocks:
        fmt = encoder.fmt
        assert isinstance(fmt, ProgressiveFormat) and isinstance(fmt.scale, Format)
        clean, kept, bad = split_nonfinite(x, fmt)
        amax = np.abs(clean).max(1, initial=0.0)
        scales = encode_values(exact_quotient(amax, np.full(amax.shape, float(divisor))), fmt.scale)
        found = level(clean, kept, decode_codes(scales, fmt.scale), fmt.group)
        integers = decode_codes(encoder(found.quotients, random, _WIDE), _WIDE)
        zeros = _spread(found.zeros, fmt.group, x.shape[1])
        codes = np.clip(integers + zeros, found.lower, found.upper).astype(np.uint8)
        sides = {"group_scales": found.scales.astype(np.uint8), "group_zeros": found.zeros.astype(np.uint8)}
        if bad is not None and fmt.nonfinite == "nan":
            codes[bad], scales[bad] = 0, fmt.scale.nan_code
            sides["group_scales"][bad], sides["group_zeros"][bad] = 1, 0
        return Blocks(codes, scales, sides=sides)

    return Scheme(encode, decode)


def decode(fmt: BlockFormat, codes: Array, scales: Array, zeros: Array | None, sides: dict[str, Array]) -> Array:
    """Binary64 values of rows, exact."""
    assert isinstance(fmt, ProgressiveFormat)
    count, size = codes.shape
    groups = -(-size // fmt.group)
    s = side(fmt, sides, "group_scales", np.uint8, (groups,), count).astype(np.float64)
    z = side(fmt, sides, "group_zeros", np.uint8, (groups,), count, top=15).astype(np.float64)
    integers = (codes - _spread(z, fmt.group, size)) * _spread(s, fmt.group, size)
    return np.asarray(integers * scales[:, None])


register_scheme(QoQFormat, _scheme(_qoq, QoQFormat.PROTECTIVE_RANGE))
register_scheme(DGQFormat, _scheme(_dgq, DGQFormat.INTEGER_RANGE))
