"""Encoding and decoding of shared micro-exponents: every pair is a row of its own under scale * 2**-D."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..formats.base import Format
from ..formats.block import BlockFormat
from ..formats.micro_exponents import MicroExponentFormat
from .encoding import Blocks, ElementEncoder, split_nonfinite
from .scales import block_scales, decode_codes
from .schemes import Scheme, decode_plain, register_scheme
from .sides import side

__all__: list[str] = []

Array = npt.NDArray[Any]
_SMALLEST_NORMAL = 2.0**-126


def encode(x: Array, encoder: ElementEncoder, tensor_scale: float, random: Array | None = None) -> Blocks:
    """Rows to blocks with one micro-exponent for every pair."""
    fmt = encoder.fmt
    assert isinstance(fmt, MicroExponentFormat) and isinstance(fmt.scale, Format)
    clean, kept, bad = split_nonfinite(x, fmt)
    if fmt.flush_subnormals:
        clean = np.where(np.abs(clean) < _SMALLEST_NORMAL, np.copysign(0.0, clean), clean)
        kept = np.where(np.abs(kept) < _SMALLEST_NORMAL, np.copysign(0.0, kept), kept)
    scales = block_scales(fmt, clean, 1.0, encoder.single)
    inner = block_scales(fmt, clean.reshape(-1, fmt.pair), 1.0, encoder.single)
    micro = np.minimum(scales[:, None] - inner.reshape(-1, fmt.groups), 1).astype(np.uint8)
    values = np.repeat(decode_codes(scales, fmt.scale), fmt.groups) * np.ldexp(1.0, -micro.reshape(-1).astype(np.int64))
    codes = encoder(encoder.quotients(kept.reshape(-1, fmt.pair), values), random).reshape(x.shape)
    if bad is not None and fmt.nonfinite == "nan":
        codes[bad], scales[bad], micro[bad] = 0, fmt.scale.nan_code, 0
    return Blocks(codes, scales, sides={"micro_exponents": micro})


def decode(fmt: BlockFormat, codes: Array, scales: Array, zeros: Array | None, sides: dict[str, Array]) -> Array:
    """Binary64 values of rows, exact."""
    assert isinstance(fmt, MicroExponentFormat)
    micro = side(fmt, sides, "micro_exponents", np.uint8, (fmt.groups,), codes.shape[0], top=1)
    shift = np.repeat(micro.astype(np.int64), fmt.pair, axis=1)
    return np.asarray(np.ldexp(decode_plain(fmt, codes, scales, zeros, sides), -shift))


register_scheme(MicroExponentFormat, Scheme(encode, decode))
