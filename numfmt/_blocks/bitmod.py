"""Encoding and decoding of BitMoD groups: every grid is tried, the first of least error stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..formats.base import Format
from ..formats.bitmod import BitModFormat
from ..formats.block import BlockFormat
from .arithmetic import exact_quotient
from .encoding import Blocks, ElementEncoder, split_nonfinite
from .scales import decode_codes, encode_values
from .schemes import Scheme, register_scheme
from .search import block_errors
from .sides import side

__all__: list[str] = []

Array = npt.NDArray[Any]


def encode(x: Array, encoder: ElementEncoder, tensor_scale: float, random: Array | None = None) -> Blocks:
    """Rows to groups."""
    fmt = encoder.fmt
    assert isinstance(fmt, BitModFormat) and isinstance(fmt.scale, Format)
    clean, kept, bad = split_nonfinite(x, fmt)
    amax = np.abs(clean).max(1, initial=0.0)
    best: Blocks | None = None
    least = np.empty(0)
    for choice, grid in enumerate(fmt.grids):
        largest = max(map(abs, grid.values))
        wanted = exact_quotient(amax, np.full(amax.shape, float(largest)))
        scales = encode_values(np.clip(wanted, fmt.LEAST_SCALE, fmt.LARGEST_SCALE), fmt.scale)
        unit = decode_codes(scales, fmt.scale)
        codes = encoder(encoder.quotients(kept, unit), random, grid)
        values = decode_codes(codes, grid) * unit[:, None]
        errors = block_errors(clean, np.where(np.isfinite(kept), values, clean), "mse")
        selector = np.full(x.shape[0], choice, np.uint8)
        if best is None:
            best, least = Blocks(codes, scales, sides={"grid": selector}), errors
            continue
        better = errors < least
        best.codes[better], best.scales[better], least[better] = codes[better], scales[better], errors[better]
        best.sides["grid"][better] = choice
    assert best is not None
    if bad is not None and fmt.nonfinite == "nan":
        best.codes[bad], best.scales[bad], best.sides["grid"][bad] = 0, fmt.scale.nan_code, 0
    return best


def decode(fmt: BlockFormat, codes: Array, scales: Array, zeros: Array | None, sides: dict[str, Array]) -> Array:
    """Binary64 values of rows, exact."""
    assert isinstance(fmt, BitModFormat)
    chosen = side(fmt, sides, "grid", np.uint8, (), codes.shape[0], top=len(fmt.SPECIALS) - 1)
    levels = np.array([grid.values for grid in fmt.grids], np.float64)
    return np.asarray(levels[chosen[:, None], codes] * scales[:, None])


register_scheme(BitModFormat, Scheme(encode, decode))
