"""Encoding of block floating point whose exponent takes the carry."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..formats.carry_block import CarryBlockFormat
from ..formats.exponent import ExponentFormat
from ..formats.integer import IntFormat
from ..rounding import Overflow
from .encoding import Blocks, ElementEncoder, encode_with, split_nonfinite
from .scales import block_scales, decode_codes
from .schemes import Scheme, register_scheme

__all__: list[str] = []

Array = npt.NDArray[Any]


def encode(x: Array, encoder: ElementEncoder, tensor_scale: float, random: Array | None = None) -> Blocks:
    """Rows to blocks, under twice the scale where an element would round out of range."""
    fmt = encoder.fmt
    assert isinstance(fmt, CarryBlockFormat) and isinstance(fmt.scale, ExponentFormat)
    element = fmt.encoded_element
    assert isinstance(element, IntFormat)
    clean, kept, bad = split_nonfinite(x, fmt)
    scales = block_scales(fmt, clean, 1.0, encoder.single)
    wide = replace(encoder, policy=encoder.policy._replace(overflow=Overflow.SATURATE))
    rounded = wide(encoder.quotients(clean, decode_codes(scales, fmt.scale)), random, fmt.wide_element)
    integers = np.ldexp(decode_codes(rounded, fmt.wide_element), element.frac_bits)
    over = ((integers > element.max_int) | (integers < element.min_int)).any(1)
    scales[over & (scales < fmt.scale.code_count - 2)] += 1
    codes = encode_with(kept, scales, encoder, tensor_scale, random)
    if bad is not None and fmt.nonfinite == "nan":
        codes[bad], scales[bad] = 0, fmt.scale.nan_code
    return Blocks(codes, scales)


register_scheme(CarryBlockFormat, Scheme(encode))
