"""Encoding and decoding of progressive integers, a row at a time: channel scale, integer group scales, codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError, NaNError
from ..formats.base import Format
from ..formats.block import BlockFormat
from ..formats.progressive import DGQFormat, ProgressiveFormat, QoQFormat
from ..rounding import Overflow, Rounding
from .arithmetic import exact_quotient
from .encoding import Blocks, ElementEncoder, split_nonfinite
from .scales import decode_codes, encode_values
from .schemes import Scheme, register_scheme
from .sides import side

__all__: list[str] = []

Array = npt.NDArray[Any]
#: Group scales, zero points, and the codes as integers: level 1 of a scheme, from rows and their channel scales.
Level = Callable[[Array, Array, int], tuple[Array, Array, Array]]


def _spread(values: Array, group: int, size: int) -> Array:
    """One value per group, for each of its elements."""
    return np.repeat(values, group, axis=1)[:, :size]


def _extremes(rows: Array, group: int) -> tuple[Array, Array]:
    """Least and largest element of every group, both widened to hold zero."""
    count, size = rows.shape
    wide = np.zeros((count, -(-size // group) * group))
    wide[:, :size] = rows
    wide = wide.reshape(count, -1, group)
    return wide.min(2, initial=0.0), wide.max(2, initial=0.0)


def _quotient(x: Array, s: Array) -> Array:
    """x / s rounded to odd; 0 where s is."""
    return np.where(s == 0, 0.0, exact_quotient(x, np.where(s == 0, 1.0, s)))


def _qoq(rows: Array, unit: Array, group: int) -> tuple[Array, Array, Array]:
    limit = QoQFormat.PROTECTIVE_RANGE
    v = np.clip(np.rint(_quotient(rows, unit[:, None])), -limit, limit)
    low, high = _extremes(v, group)
    # Quotients of integers below 256: binary64 meets a half only where the exact quotient is one.
    scales = np.maximum(np.rint((high - low) / 15), 1)
    zeros = np.clip(np.rint(-low / scales), 0, 15)
    s, z = _spread(scales, group, v.shape[1]), _spread(zeros, group, v.shape[1])
    return scales, zeros, np.clip(np.rint(v / s) + z, 0, 15)


def _dgq(rows: Array, unit: Array, group: int) -> tuple[Array, Array, Array]:
    limit = DGQFormat.INTEGER_RANGE
    low, high = _extremes(rows, group)
    span = high - low
    scales = np.clip(np.rint(_quotient(span, 15 * unit[:, None])), 1, limit)
    zeros = np.rint(_quotient(-15 * low, span))
    s, z = _spread(scales, group, rows.shape[1]), _spread(zeros, group, rows.shape[1])
    n = limit // s
    q = np.rint(_quotient(rows, s * unit[:, None])) + z
    return scales, zeros, np.clip(q, np.maximum(0, z - n), np.minimum(15, z + n))


def _scheme(level: Level, divisor: int) -> Scheme:
    def encode(x: Array, encoder: ElementEncoder, tensor_scale: float, random: Array | None = None) -> Blocks:
        fmt = encoder.fmt
        assert isinstance(fmt, ProgressiveFormat) and isinstance(fmt.scale, Format)
        rounding, overflow = encoder.policy.rounding, encoder.policy.overflow
        if rounding is not Rounding.NEAREST_EVEN or overflow is not Overflow.SATURATE:
            raise ArgumentError(
                f"{fmt.name} rounds half to even and saturates on both levels, got rounding={rounding.name.lower()}, "
                f"overflow={overflow.name.lower()}; drop them"
            )
        clean, kept, bad = split_nonfinite(x, fmt)
        if bad is not None and kept is not clean:
            raise NaNError(f"nonfinite='skip' leaves NaN and infinity to {fmt.element.name}, which has neither")
        amax = np.abs(clean).max(1, initial=0.0)
        scales = encode_values(exact_quotient(amax, np.full(amax.shape, float(divisor))), fmt.scale)
        group_scales, group_zeros, codes = level(clean, decode_codes(scales, fmt.scale), fmt.group)
        if bad is not None:
            codes[bad], scales[bad], group_scales[bad], group_zeros[bad] = 0, fmt.scale.nan_code, 1, 0
        sides = {"group_scales": group_scales.astype(np.uint8), "group_zeros": group_zeros.astype(np.uint8)}
        return Blocks(codes.astype(np.uint8), scales, sides=sides)

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
