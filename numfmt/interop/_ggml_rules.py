"""How the numbers of a ggml block become codes, and codes numbers: the binary32 operations in the order ggml does them.

A quantiser takes finite binary32 blocks, one per row, and returns "codes" and *unrounded* binary32 scales: ggml rounds
them to binary16 only when it stores them. A factor rule turns stored parts into the binary32 scale and offset of each
sub-block. Source: ggml `ggml-quants.c` and gguf-py `quants.py` (arithmetic only).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ._ggml_layout import Parts

__all__ = [
    "E2M1_DOUBLED",
    "Factor",
    "Factors",
    "IQ4_NL_LEVELS",
    "Quantizer",
    "absmax",
    "affine_factor",
    "asymmetric",
    "e8m0_factor",
    "quantize_mxfp4",
    "scale_factor",
    "signed_maximum",
    "sub_affine_factor",
    "sub_scale_factor",
    "ue4m3_factor",
]

Blocks = npt.NDArray[np.float32]
Factors = tuple[Blocks, Blocks | None]
Quantizer = Callable[[Blocks], Parts]
Factor = Callable[[Parts], Factors]

#: Twice the E2M1 values. ggml has no -0 here: code 8 is +0.
E2M1_DOUBLED = (0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12)
IQ4_NL_LEVELS = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)


def _reciprocal(d: Blocks) -> Blocks:
    """1/d in binary32, and 0 where d is 0 or so small that 1/d overflows (see the deviation "reciprocal_overflow")."""
    with np.errstate(divide="ignore", over="ignore"):
        inverse = np.float32(1) / d
    inverse[np.isinf(inverse)] = 0
    return inverse


def _first_extreme(blocks: Blocks, index: npt.NDArray[np.intp]) -> Blocks:
    return np.take_along_axis(blocks, index[:, None], axis=1)


def signed_maximum(low: int) -> Quantizer:
    """d = (first element of largest magnitude) / -low; code = trunc(x * (1/d) + (low + 0.5)), at most 2*low - 1.

    The element of largest magnitude gets code 0. Ties of the sum go up, and the sum itself is rounded. In a block of
    zeros the first one counts: +0 gives d = -0 and -0 gives d = +0, as in gguf-py (ggml's C loop has d = -0 for both).
    """

    def quantize(blocks: Blocks) -> Parts:
        d = _first_extreme(blocks, np.abs(blocks).argmax(axis=1)) / np.float32(-low)
        shifted = blocks * _reciprocal(d)
        shifted += np.float32(low + 0.5)
        codes = shifted.astype(np.uint8)  # 0 < shifted < 2 * low + 1
        return {"codes": np.minimum(codes, np.uint8(2 * low - 1)), "scales": d[:, 0]}

    return quantize


def asymmetric(steps: int) -> Quantizer:
    """m = min, d = (max - m) / steps; code = trunc((x - m) * (1/d) + 0.5), at most steps.

    Of equal extremes the first counts, which decides the sign of a zero m, as in the C loop.
    """

    def quantize(blocks: Blocks) -> Parts:
        minimum = _first_extreme(blocks, blocks.argmin(axis=1))
        d = (_first_extreme(blocks, blocks.argmax(axis=1)) - minimum) / np.float32(steps)
        shifted = blocks - minimum
        shifted *= _reciprocal(d)
        shifted += np.float32(0.5)
        codes = shifted.astype(np.uint8)  # 0 < shifted < steps + 1, unless d is infinite, which the caller refuses
        return {"codes": np.minimum(codes, np.uint8(steps)), "scales": d[:, 0], "minimums": minimum[:, 0]}

    return quantize


def absmax(steps: int, bias: int) -> Quantizer:
    """d = max |x| / steps; code = bias + (x * (1/d) rounded to the nearest integer, ties away from zero), mod 256."""

    def quantize(blocks: Blocks) -> Parts:
        d = np.abs(blocks).max(axis=1, keepdims=True) / np.float32(steps)
        ratio = blocks * _reciprocal(d)
        magnitude = np.abs(ratio)
        whole = np.floor(magnitude)
        magnitude -= whole  # exact, where adding 0.5 would round up to the next integer
        whole += magnitude >= np.float32(0.5)
        codes = np.copysign(whole, ratio).astype(np.int8).view(np.uint8)
        codes += np.uint8(bias)
        return {"codes": codes, "scales": d[:, 0]}

    return quantize


def quantize_mxfp4(blocks: Blocks) -> Parts:
    """E8M0 byte = floor(log2 max |x|) - 2 + 127, at least 0, with the exact exponent; nearest E2M1, ties toward zero.

    A zero block has byte 0. No code is 8: what rounds to zero is +0. Above the largest element (6) codes saturate.
    """
    magnitude = np.abs(blocks)
    largest = magnitude.max(axis=1)
    # frexp has a significand in [1/2, 1), so its exponent is floor(log2) + 1; it is exact for subnormals too.
    exponent = np.frexp(largest)[1] - 1
    scales = np.where(largest > 0, np.maximum(exponent - 2 + 127, 0), 0).astype(np.uint8)
    half_unit = _half_unit(scales)
    codes = np.zeros(blocks.shape, np.uint8)
    # Midpoints of neighbouring doubled E2M1 values, times half the unit: multiples of 1/2 below 2**4 times 2**-128 or
    # more, so the products are exact, subnormals included.
    for midpoint in (0.5, 1.5, 2.5, 3.5, 5.0, 7.0, 10.0):
        codes += magnitude > half_unit * np.float32(midpoint)
    codes |= ((blocks < 0) & (codes > 0)).view(np.uint8) << np.uint8(3)
    return {"codes": codes, "scales": scales}


def _half_unit(scales: npt.NDArray[np.uint8]) -> Blocks:
    """2**(E - 128) for E8M0 bytes E < 255, NaN for 255; (n, 1) binary32, exact (2**-128 and 2**-127 are subnormal)."""
    return _HALF_UNITS[scales].reshape(-1, 1)


def _half_unit_table() -> Blocks:
    table = np.ldexp(np.ones(256, np.float32), np.arange(256) - 128)
    table[255] = np.nan
    return table


def _ue4m3_half_table() -> Blocks:
    """Half the value of ggml's UE4M3 bytes: bit 7 is ignored and 0x7F, a NaN in E4M3, is 0."""
    exponent, fraction = np.divmod(np.arange(256) & 0x7F, 8)
    significand = np.where(exponent > 0, 8 + fraction, fraction).astype(np.float32)
    table = np.ldexp(significand, np.maximum(exponent, 1) - 7 - 3 - 1)
    table[0x7F] = 0
    return np.asarray(table.astype(np.float32))


_HALF_UNITS = _half_unit_table()
_UE4M3_HALF = _ue4m3_half_table()


def _binary32(part: npt.NDArray[Any]) -> Blocks:
    return part.astype(np.float32)


def scale_factor(parts: Parts) -> Factors:
    """x = d * level."""
    return _binary32(parts["scales"])[:, None], None


def affine_factor(parts: Parts) -> Factors:
    """x = d * level + m, the product rounded to binary32 before the sum."""
    return _binary32(parts["scales"])[:, None], _binary32(parts["minimums"])[:, None]


def sub_scale_factor(parts: Parts) -> Factors:
    """x = (d * sub_scale) * level."""
    return _binary32(parts["scales"])[:, None] * _binary32(parts["sub_scales"]), None


def sub_affine_factor(parts: Parts) -> Factors:
    """x = (d * sub_scale) * level - dmin * sub_minimum."""
    scale, _ = sub_scale_factor(parts)
    return scale, -(_binary32(parts["minimums"])[:, None] * _binary32(parts["sub_minimums"]))


def e8m0_factor(parts: Parts) -> Factors:
    """x = 2**(E - 128) * doubled level, NaN for E = 255; products past binary32 are infinite."""
    return _half_unit(parts["scales"]), None


def ue4m3_factor(parts: Parts) -> Factors:
    """x = (UE4M3 / 2) * doubled level."""
    return _UE4M3_HALF[parts["scales"]], None
