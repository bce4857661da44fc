"""Rules that try several scales and keep the one of least error: four_over_six and mse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ..formats.base import Format
from ..formats.exponent import ExponentFormat
from ..formats.scale_rules import block_exponents
from .arithmetic import exact_quotient
from .encoding import Blocks, ElementEncoder, encode_with
from .scales import decode_codes, encode_values, largest_element

__all__ = ["block_errors", "encode_best"]

Array = npt.NDArray[Any]


def block_errors(x: Array, y: Array, measure: str) -> Array:
    """Error of each row in binary64, elements taken in increasing order: squared, absolute, or the largest."""
    total = np.zeros(x.shape[0])
    for i in range(x.shape[1]):
        distance = np.abs(x[:, i] - y[:, i])
        if measure == "abs_max":
            total = np.maximum(total, distance)
        else:
            with np.errstate(over="ignore"):  # beyond binary64 all errors are equal: infinite
                total = total + (distance if measure == "mae" else distance * distance)
    return total


def _candidates(x: Array, encoder: ElementEncoder, tensor_scale: float) -> Iterator[Array]:
    """Scale codes to try, in order of preference."""
    fmt = encoder.fmt
    assert isinstance(fmt.scale, Format)
    amax = np.abs(x).max(1, initial=0.0)
    if fmt.rule.startswith("four_over_six"):
        for largest in (6.0, 4.0):
            wanted = exact_quotient(amax, np.float64(largest * tensor_scale), simple=encoder.single)
            yield encode_values(wanted, fmt.scale)
    elif isinstance(fmt.scale, ExponentFormat):
        exponents = block_exponents("rceil", np.where(amax == 0, 1.0, amax), fmt.encoded_element)
        for less in range(3):
            codes = np.clip(exponents - less + fmt.scale.bias, 0, fmt.scale.code_count - 2)
            yield np.where(amax == 0, 0, codes).astype(fmt.scale.code_dtype)
    else:
        divisor = np.float64(100 * largest_element(fmt) * tensor_scale)
        for i in range(80):
            yield encode_values(exact_quotient(amax * (100 - i), divisor), fmt.scale)


def encode_best(
    clean: Array, x: Array, encoder: ElementEncoder, tensor_scale: float, random: Array | None = None
) -> Blocks:
    """Encode under every candidate and keep the first of least error; `x` may hold what the scale does not see."""
    fmt = encoder.fmt
    assert isinstance(fmt.scale, Format)
    measure = {"four_over_six_mae": "mae", "four_over_six_abs_max": "abs_max"}.get(fmt.rule, "mse")
    best: Blocks | None = None
    least = np.empty(0)
    for scales in _candidates(clean, encoder, tensor_scale):
        codes = encode_with(x, scales, encoder, tensor_scale, random)
        values = decode_codes(codes, fmt.element) * (decode_codes(scales, fmt.scale) * tensor_scale)[:, None]
        errors = block_errors(clean, np.where(np.isfinite(x), values, clean), measure)
        if best is None:
            best, least = Blocks(codes, scales), errors
            continue
        better = errors < least
        best.codes[better], best.scales[better], least[better] = codes[better], scales[better], errors[better]
    assert best is not None
    return best
