"""Block scales: the statistic a rule wants, rounded once by the scale format."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .._lowering import decoder, encode_plan
from ..formats.base import Format
from ..formats.block import BlockFormat
from ..formats.conversion import Policy
from ..formats.exponent import ExponentFormat
from ..formats.integer import IntFormat
from ..formats.scale_rules import block_exponents, scale_rule
from ..rounding import NaNRule, Overflow
from .arithmetic import exact_quotient, lane_sum, lanes_total

__all__ = ["block_scales", "decode_codes", "encode_values", "tensor_scale_of"]

Array = npt.NDArray[Any]
_F64 = np.dtype(np.float64)
#: Largest block scale that the tensor scale aims at, where it is not the scale format's largest value.
_TENSOR_RANGE = {"four_over_six": 256.0, "four_over_six_mae": 256.0, "four_over_six_abs_max": 256.0}
_FLOOR = np.float64(np.float32(1e-5))
_MAX32 = float(np.finfo(np.float32).max)


def encode_values(values: Array, fmt: Format) -> Array:
    """Codes of binary64 `values`, nearest by the format's own rule, saturating; NaN allowed where the format has it."""
    if fmt.name == "binary32":
        # NumPy's own conversion is the nearest even one; clipping first saturates.
        return np.clip(values, -_MAX32, _MAX32).astype(np.float32).view(np.uint32)
    policy = Policy(fmt.default_rounding, Overflow.SATURATE, NaNRule.CANONICAL if fmt.has_nan else NaNRule.RAISE)
    flat = np.ascontiguousarray(values, np.float64).reshape(-1)
    codes = np.empty(flat.shape, fmt.code_dtype)
    encode_plan(fmt, policy, _F64).run(flat, codes)
    return codes.reshape(values.shape)


def decode_codes(codes: Array, fmt: Format) -> Array:
    """Binary64 values of codes, exact for every format that a block may use."""
    if fmt.name == "binary32":
        return np.asarray(codes.view(np.float32).astype(np.float64))
    flat = np.ascontiguousarray(codes).reshape(-1)
    values = np.empty(flat.shape, np.float64)
    decoder(fmt, _F64).run(flat, values)
    return values.reshape(codes.shape)


def largest_element(fmt: BlockFormat) -> float:
    """F of the rules: the largest magnitude that encoding can produce."""
    return float(fmt.encoded_element.max)


def tensor_scale_of(fmt: BlockFormat, amax: float) -> np.float64:
    """The tensor scale for a tensor of largest magnitude `amax`: amax / (F * largest block scale), 1 for zero."""
    assert fmt.tensor_scale is not None and isinstance(fmt.scale, Format)
    if amax == 0 or not np.isfinite(amax):
        return np.float64(1.0)
    top = _TENSOR_RANGE.get(fmt.rule, float(fmt.scale.max))
    divisor = largest_element(fmt) * top
    moderate = divisor < 2.0**24 and 2.0**-100 < amax < 2.0**100
    if fmt.tensor_scale.name == "binary32" and moderate and np.float32(amax) == amax and np.float32(divisor) == divisor:
        # A quotient of 24 by 24 bits is no near-tie of binary32: nearest binary64 first changes nothing.
        return np.float64(np.float32(amax / divisor))
    wanted = exact_quotient(np.array([amax]), np.array([divisor]))
    if fmt.tensor_scale.name == "binary32":
        # Scales saturate; the clamp lies on the far side of every rounding.
        value = np.float64(np.minimum(wanted, np.finfo(np.float32).max).astype(np.float32)[0])
    else:
        value = decode_codes(encode_values(wanted, fmt.tensor_scale), fmt.tensor_scale)[0]
    # A maximum too small for its scale still needs one that is not zero.
    return np.float64(value if value > 0 else float(fmt.tensor_scale.smallest))


def _median(magnitudes: Array) -> Array:
    """The lower middle of an even count, as torch.median."""
    middle = (magnitudes.shape[1] - 1) // 2
    return np.asarray(np.partition(magnitudes, middle, axis=1)[:, middle])


def _mean(magnitudes: Array) -> Array:
    """Mean of each row, rounded to binary64 and then to binary32: lane sum / count."""
    mean = lanes_total(lane_sum(magnitudes)) / magnitudes.shape[1]
    return np.asarray(mean.astype(np.float32).astype(np.float64))


def _statistic(fmt: BlockFormat, x: Array, magnitudes: Array) -> tuple[Array, float]:
    """Numerator per block and common divisor of a quotient rule."""
    rule, largest = fmt.rule, largest_element(fmt)
    if x.shape[1] == 0:
        return np.zeros(x.shape[0]), 1.0
    if rule == "absmax_full":
        element = fmt.element
        return magnitudes.max(1), largest if not isinstance(element, IntFormat) else -float(element.min)
    if rule == "absmax_119":
        return magnitudes.max(1), 119.0
    if rule == "signed_absmax":
        at = magnitudes.argmax(1)
        return x[np.arange(x.shape[0]), at] + 0.0, largest  # the scale of a block of -0 is +0
    if rule == "absmean":
        return np.maximum(_mean(magnitudes), _FLOOR), 1.0
    if rule == "absmedian":
        return np.maximum(_median(magnitudes), _FLOOR), 1.0
    if rule == "twn":
        return twn_scale(magnitudes), 1.0
    return magnitudes.max(1), largest


def twn_threshold(magnitudes: Array) -> Array:
    """0.7 times the mean magnitude of each row, in binary64."""
    return np.asarray(0.7 * (lanes_total(lane_sum(magnitudes)) / magnitudes.shape[1]))


def twn_scale(magnitudes: Array) -> Array:
    """Mean of the magnitudes above the threshold; 0 where none is."""
    kept = magnitudes > twn_threshold(magnitudes)[:, None]
    count = kept.sum(1)
    total = lanes_total(lane_sum(np.where(kept, magnitudes, 0.0)))
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, total / np.maximum(count, 1), 0.0)


def block_scales(fmt: BlockFormat, x: Array, tensor_scale: float, simple: bool) -> Array:
    """Scale codes (uint) of the rows of finite binary64 `x`, for exponent and quotient rules."""
    assert isinstance(fmt.scale, Format)
    magnitudes = np.abs(x)
    rule = scale_rule(fmt.rule)
    if rule.kind == "exponent":
        assert isinstance(fmt.scale, ExponentFormat)
        amax = magnitudes.max(1, initial=0.0)
        exponents = block_exponents(rule.name, np.where(amax == 0, 1.0, amax), fmt.encoded_element)
        codes = np.clip(exponents + fmt.scale.bias, 0, fmt.scale.code_count - 2)
        return np.where(amax == 0, 0, codes).astype(fmt.scale.code_dtype)
    numerator, divisor = _statistic(fmt, x, magnitudes)
    if fmt.quotient == "two_step_reciprocal":
        dtype: Any = np.float32 if simple else np.float64
        with np.errstate(over="ignore", under="ignore"):
            wanted = (numerator.astype(dtype) / dtype(divisor) / dtype(tensor_scale)).astype(np.float64)
    elif divisor * tensor_scale == 1.0:
        wanted = numerator
    else:
        wanted = exact_quotient(numerator, np.float64(divisor * tensor_scale), simple=simple)
    if fmt.min_scale:
        wanted = np.copysign(np.maximum(np.abs(wanted), fmt.min_scale), wanted)
    return encode_values(wanted, fmt.scale)
