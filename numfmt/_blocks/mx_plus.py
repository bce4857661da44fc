"""Encoding and decoding of MX+ blocks: a plain MX block, then its maximum once more under the known exponent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..formats.block import BlockFormat
from ..formats.exponent import ExponentFormat
from ..formats.mx_plus import MXPlusFormat
from ..rounding import NaNRule, Overflow
from .encoding import Blocks, ElementEncoder, encode_rows
from .scales import decode_codes
from .schemes import Scheme, decode_plain, register_scheme
from .sides import side

__all__: list[str] = []

Array = npt.NDArray[Any]


def encode(x: Array, encoder: ElementEncoder, tensor_scale: float, random: Array | None = None) -> Blocks:
    """Rows to MX+ blocks."""
    fmt = encoder.fmt
    assert isinstance(fmt, MXPlusFormat) and isinstance(fmt.scale, ExponentFormat)
    blocks = encode_rows(x, encoder, tensor_scale, random)
    magnitudes = np.where(np.isfinite(x), np.abs(x), 0.0)
    index = magnitudes.argmax(1)
    rows = np.arange(x.shape[0])
    # NaN scales compare false: their blocks stay as they are.
    unit = np.ldexp(decode_codes(blocks.scales, fmt.scale), fmt.emax)
    known = np.flatnonzero(magnitudes[rows, index] >= unit)
    at = index[known]
    draw = None if random is None else random[known, at]
    # Finite by choice of the index, and saturating whatever the other elements do.
    policy = encoder.policy._replace(overflow=Overflow.SATURATE, nan=NaNRule.RAISE)
    integers = replace(encoder, policy=policy)(x[known, at] / unit[known], draw, fmt.maximum_format)
    w = fmt.mantissa_width
    # sign | 1 | w bits  ->  sign | w bits
    blocks.codes[known, at] = (integers >> 1 & 1 << w) | (integers & (1 << w) - 1)
    blocks.sides["index"] = np.full(x.shape[0], fmt.NO_INDEX, np.uint8)
    blocks.sides["index"][known] = at
    return blocks


def decode(fmt: BlockFormat, codes: Array, scales: Array, zeros: Array | None, sides: dict[str, Array]) -> Array:
    """Binary64 values of MX+ rows, exact."""
    assert isinstance(fmt, MXPlusFormat)
    values = decode_plain(fmt, codes, scales, zeros, sides)
    index = side(fmt, sides, "index", np.uint8, (), codes.shape[0])
    known = np.flatnonzero(index < codes.shape[1])
    at = index[known]
    w = fmt.mantissa_width
    code = codes[known, at].astype(np.int64)
    integers = np.where(code >> w, -1.0, 1.0) * ((1 << w) + (code & (1 << w) - 1))
    values[known, at] = np.ldexp(integers, fmt.emax - w) * scales[known]
    return values


register_scheme(MXPlusFormat, Scheme(encode, decode))
