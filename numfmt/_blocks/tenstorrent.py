"""Encoding of Tenstorrent's block floats: flush, align by truncation, round."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..formats.exponent import ExponentFormat
from ..formats.tenstorrent import TenstorrentFormat
from .encoding import Blocks, ElementEncoder, split_nonfinite
from .scales import block_scales, decode_codes
from .schemes import Scheme, register_scheme

__all__: list[str] = []

Array = npt.NDArray[Any]
_SMALLEST_NORMAL = 2.0**-126


def encode(x: Array, encoder: ElementEncoder, tensor_scale: float, random: Array | None = None) -> Blocks:
    """Rows to blocks."""
    fmt = encoder.fmt
    assert isinstance(fmt, TenstorrentFormat) and isinstance(fmt.scale, ExponentFormat)
    clean, kept, bad = split_nonfinite(x, fmt)
    clean = np.where(np.abs(clean) < _SMALLEST_NORMAL, 0.0, clean)
    scales = block_scales(fmt, clean, 1.0, encoder.single)
    # The quotient is below 2; its 23 fraction bits are what the truncating shift leaves.
    quotients = encoder.quotients(clean, decode_codes(scales, fmt.scale))
    aligned = np.ldexp(np.trunc(np.ldexp(quotients, 23)), -23)
    codes = encoder(np.where(np.isfinite(kept), aligned, kept), random)
    codes[codes == 1 << (fmt.element.bits - 1)] = 0
    if bad is not None and fmt.nonfinite == "nan":
        codes[bad], scales[bad] = 0, fmt.scale.nan_code
    return Blocks(codes, scales)


register_scheme(TenstorrentFormat, Scheme(encode))
