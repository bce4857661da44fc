"""Encoding and decoding of IF4 blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..formats.base import Format
from ..formats.block import BlockFormat
from ..formats.if4 import IF4Format
from .arithmetic import exact_quotient
from .encoding import Blocks, ElementEncoder, encode_rows
from .scales import decode_codes
from .schemes import Scheme, decode_plain, register_scheme
from .search import block_errors

__all__: list[str] = []

Array = npt.NDArray[Any]
_MARK = 0x80


def _integer_values(fmt: IF4Format, codes: Array, unit: Array) -> Array:
    """q * 6 * unit / 7: the product has at most 34 bits, so binary64 rounds once, and a later rounding to binary32 is
    not changed by it (a quotient by 7 is either a 25-bit number or farther than 2**-33 from one).
    """
    return np.asarray(decode_codes(codes, fmt.integer_element) * 6.0 * unit[:, None] / 7.0)


def _seven_eighths(x: Array) -> Array:
    """7/8 x rounded to odd: it compares with every number of at most 52 bits as the exact product does."""
    eighth = x / 8.0
    product = x - eighth
    lost = (x - product) - eighth  # exact: the smaller operand comes last (Dekker)
    bits = product.view(np.int64)
    step = np.sign(lost).astype(np.int64) * np.where(x < 0, -1, 1)
    return np.asarray((bits + np.where(bits & 1 == 0, step, 0)).view(np.float64))


def encode(x: Array, encoder: ElementEncoder, tensor_scale: float, random: Array | None = None) -> Blocks:
    """Rows to blocks: as NVFP4, then as integers under the same scale."""
    fmt = encoder.fmt
    assert isinstance(fmt, IF4Format) and isinstance(fmt.scale, Format)
    blocks = encode_rows(x, encoder, tensor_scale, random)
    clean = np.where(np.isfinite(x), x, 0.0)
    unit = decode_codes(blocks.scales, fmt.scale) * tensor_scale
    usable = np.flatnonzero(unit > 0)  # neither NaN nor zero
    x, clean, unit = x[usable], clean[usable], unit[usable]
    q = 8.0 * exact_quotient(_seven_eighths(clean), 6.0 * unit[:, None])
    draw = None if random is None else random[usable]
    codes = encoder(np.where(np.isfinite(x), q, x), draw, fmt.integer_element)
    floats = decode_codes(blocks.codes[usable], fmt.element) * unit[:, None]
    integers = _integer_values(fmt, codes, unit)
    seen = np.isfinite(x)
    better = block_errors(clean, np.where(seen, integers, clean), "mse") < block_errors(
        clean, np.where(seen, floats, clean), "mse"
    )
    blocks.codes[usable[better]] = codes[better]
    blocks.scales[usable[better]] |= _MARK
    return blocks


def decode(fmt: BlockFormat, codes: Array, scales: Array, zeros: Array | None, sides: dict[str, Array]) -> Array:
    """Binary64 values of rows: exact for E2M1 blocks, rounded once for integers."""
    assert isinstance(fmt, IF4Format)
    marked = np.signbit(scales)
    values = decode_plain(fmt, codes, np.where(marked, np.abs(scales), scales), zeros, sides)
    values[marked] = _integer_values(fmt, codes[marked], np.abs(scales[marked]))
    return values


register_scheme(IF4Format, Scheme(encode, decode))
