"""Encoding of 3:4 sparse ternary blocks: Sherry's own, and STQ1_0's; decoding is that of plain blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FormatOverflowError
from ..formats.base import Format
from ..formats.sherry import SherryFormat, STQ1Format
from .arithmetic import lane_sum, lanes_total
from .encoding import Blocks, ElementEncoder
from .refusals import require_finite, require_own_rule
from .scales import encode_values
from .schemes import Scheme, register_scheme

__all__: list[str] = []

Array = npt.NDArray[Any]


def _pruned(magnitudes: Array) -> npt.NDArray[np.bool_]:
    """Where the first of the least magnitudes of each four (the last axis) is."""
    return np.asarray(np.arange(4) == magnitudes.argmin(-1)[..., None])


def encode_sherry(x: Array, encoder: ElementEncoder, tensor_scale: float, random: Array | None = None) -> Blocks:
    """Rows to Sherry blocks."""
    fmt = encoder.fmt
    assert isinstance(fmt, SherryFormat) and isinstance(fmt.scale, Format)
    require_own_rule(encoder)
    require_finite(x, fmt)
    count, size = x.shape
    magnitudes = np.abs(x)
    pruned = _pruned(magnitudes.reshape(count, size // 4, 4)).reshape(count, size)
    kept = lanes_total(lane_sum(np.where(pruned, 0.0, magnitudes)))
    signs = np.where(x == 0, fmt.sign_of_zero, np.sign(x))
    codes = (np.where(pruned, 0, signs) + 1).astype(np.uint8)
    return Blocks(codes, encode_values(kept / (size // 4 * 3), fmt.scale))


def encode_stq1(x: Array, encoder: ElementEncoder, tensor_scale: float, random: Array | None = None) -> Blocks:
    """Rows to STQ1_0 blocks."""
    fmt = encoder.fmt
    assert isinstance(fmt, STQ1Format) and isinstance(fmt.scale, Format)
    require_own_rule(encoder)
    require_finite(x, fmt)
    largest = np.abs(x).max(1, initial=0.0)
    # Halfway from 65504 to 2**16: from here on binary16 rounds to infinity.
    if (largest >= 65520).any():
        raise FormatOverflowError(
            f"x must stay below 65520 for {fmt.name}, got magnitude {largest.max()}: its scale is a binary16 number; "
            "scale x down"
        )
    chunks = x.reshape(-1, 4, 4, 16)  # block, chunk of 64, lane p, group g
    pruned = _pruned(np.abs(chunks).swapaxes(2, 3)).swapaxes(2, 3)
    codes = np.where(pruned, 1, np.where(chunks < 0, 0, 2)).astype(np.uint8)
    return Blocks(codes.reshape(x.shape), encode_values(largest, fmt.scale))


register_scheme(SherryFormat, Scheme(encode_sherry))
register_scheme(STQ1Format, Scheme(encode_stq1))
