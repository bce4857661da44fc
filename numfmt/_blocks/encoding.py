"""From rows of one block each to element codes and scales: the definition that every kernel must agree with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from .._lowering import encode_plan
from ..errors import NaNError
from ..formats.base import Format
from ..formats.block import BlockFormat, precision_of
from ..formats.conversion import Policy
from ..formats.integer import IntFormat
from ..formats.random import RandomSource
from ..formats.scale_rules import scale_rule
from ..rounding import RandomBits
from .arithmetic import divided, exact_quotient, odd_difference
from .scales import block_scales, decode_codes, encode_values, twn_threshold

__all__ = ["Blocks", "ElementEncoder", "encode_rows", "split_nonfinite"]

Array = npt.NDArray[Any]


@dataclass
class Blocks:
    """Encoded rows: codes (count, size), scale codes (count,), and the side data that some schemes have."""

    codes: Array
    scales: Array
    zero_points: Array | None = None
    sides: dict[str, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class ElementEncoder:
    """Encodes quotients into the element format under one policy, with random bits for the stochastic roundings."""

    fmt: BlockFormat
    policy: Policy
    source: RandomSource | None
    raise_refused: Callable[[Any, Array], None]
    #: The caller's x was binary32 or narrower.
    single: bool

    def __call__(self, quotients: Array, random: Array | None = None, element: Format | None = None) -> Array:
        """Codes of (count, size) binary64 quotients; `random` holds their random integers."""
        element = element or self.fmt.encoded_element
        flat = np.ascontiguousarray(quotients).reshape(-1)
        codes = np.empty(flat.shape, element.code_dtype)
        plan = encode_plan(element, self.policy, np.dtype(np.float64))
        if random is None:
            flags = plan.run(flat, codes)
        else:
            assert self.source is not None
            bits = RandomBits(random.reshape(-1), self.source.width)
            flags = plan.run_stochastic(flat, codes, bits, flat.shape)
        if flags:
            self.raise_refused(plan.conv, flat)
        return codes.reshape(quotients.shape)

    @property
    def simple(self) -> bool:
        """Whether the nearest binary64 quotient decides every element: see `exact_quotient`."""
        scale = precision_of(self.fmt.scale) if isinstance(self.fmt.scale, Format) else 24
        scale += precision_of(self.fmt.tensor_scale) if self.fmt.tensor_scale else 0
        narrow = self.single and scale <= 28 and precision_of(self.fmt.element) <= 16
        return narrow and not self.policy.rounding.is_stochastic

    def quotients(self, x: Array, scales: Array, tensor_scale: float = 1.0) -> Array:
        """x / scale per row, as the format's `quotient` says; zero scales give zeros of x's sign.

        `scales` include `tensor_scale`.
        """
        given, finite = x, np.isfinite(x)
        if not finite.all():
            x = np.where(finite, x, 0.0)
        s = scales[:, None]
        safe = np.where(s == 0, 1.0, s)
        if self.fmt.power_of_two_scale or self.fmt.quotient == "exact":
            q = exact_quotient(x, safe, simple=self.fmt.power_of_two_scale or self.simple)
        else:
            q = divided(x, safe, self.fmt.quotient, self.single, tensor_scale)
        if (s == 0).any():
            q = np.where(s == 0, np.copysign(0.0, x), q)
        # Elements that are not finite reach this point only when the format lets its elements hold them.
        return q if x is given else np.where(finite, q, given)


def split_nonfinite(x: Array, fmt: BlockFormat) -> tuple[Array, Array, Array | None]:
    """Rows as their scales see them (zeros for NaN and infinity), as their elements are encoded, and the rows that hold
    such a number (None: no row); `NaNError` where `BlockFormat.nonfinite` says so.
    """
    finite = np.isfinite(x)
    if finite.all():
        return x, x, None
    bad = np.asarray(~finite.all(1))
    if fmt.nonfinite == "raise":
        row = int(np.flatnonzero(bad)[0])
        at = int(np.flatnonzero(~finite[row])[0])
        raise NaNError(
            f"x must be finite for {fmt.name}: element {at} of block {row} is {x[row, at]}; its scale cannot hold "
            "that; pass nonfinite='skip' to leave such elements to the element format"
        )
    clean = np.where(finite, x, 0.0)
    return clean, x if fmt.nonfinite == "skip" else clean, bad


def encode_rows(x: Array, encoder: ElementEncoder, tensor_scale: float, random: Array | None = None) -> Blocks:
    """Encode rows of binary64 numbers, one block each.

    Rows with NaN or infinity follow `BlockFormat.nonfinite`.
    """
    fmt = encoder.fmt
    clean, kept, bad = split_nonfinite(x, fmt)
    rule = scale_rule(fmt.rule)
    if rule.kind == "affine":
        blocks = _encode_affine(clean, kept, encoder, random)
    elif rule.kind == "search":
        from .search import encode_best

        blocks = encode_best(clean, kept, encoder, tensor_scale, random)
    else:
        assert isinstance(fmt.scale, Format)
        scales = block_scales(fmt, clean, tensor_scale, encoder.single)
        blocks = Blocks(encode_with(kept, scales, encoder, tensor_scale, random), scales)
    if bad is not None and fmt.nonfinite == "nan":
        assert isinstance(fmt.scale, Format)
        blocks.scales[bad] = fmt.scale.nan_code
        blocks.codes[bad] = 0
        if blocks.zero_points is not None:
            blocks.zero_points[bad] = 0
    return blocks


def encode_with(
    x: Array, scales: Array, encoder: ElementEncoder, tensor_scale: float, random: Array | None = None
) -> Array:
    """Element codes of rows under given scale codes."""
    fmt = encoder.fmt
    assert isinstance(fmt.scale, Format)
    values = decode_codes(scales, fmt.scale) * tensor_scale
    values = np.where(np.isnan(values), 0.0, values)
    if fmt.rule == "twn":
        finite = np.isfinite(x)
        magnitudes = np.where(finite, np.abs(x), 0.0)
        kept = magnitudes > twn_threshold(magnitudes)[:, None]
        return encoder(np.where(finite, np.where(kept, np.sign(x), 0.0), x), random)
    return encoder(encoder.quotients(x, values, tensor_scale), random)


def _encode_affine(x: Array, kept: Array, encoder: ElementEncoder, random: Array | None) -> Blocks:
    """ONNX: scale from the range widened to hold 0, integer zero point, round(x / scale) + zero point, clipped.

    `kept` are the rows with what is not finite, where the elements may see it.
    """
    fmt = encoder.fmt
    element, zero_format = fmt.element, fmt.zero_point
    assert isinstance(element, IntFormat) and isinstance(zero_format, IntFormat) and isinstance(fmt.scale, Format)
    low_code, high_code = element.min_int, element.max_int
    low, high = np.minimum(x.min(1, initial=0.0), 0.0), np.maximum(x.max(1, initial=0.0), 0.0)
    span = exact_quotient(odd_difference(high, low), np.float64(high_code - low_code))
    scales = encode_values(span, fmt.scale)
    values = decode_codes(scales, fmt.scale)
    safe = np.where(values == 0, 1.0, values)
    low = np.where(values == 0, 0.0, low)  # a scale of zero has the zero point low_code
    # An even low_code leaves the parity that decides ties to the quotient, which then loses no bit.
    odd = low_code & 1
    zeros = np.clip(np.rint(odd - exact_quotient(low, safe)) + (low_code - odd), low_code, high_code)
    wide = IntFormat(32)
    integers = decode_codes(encoder(encoder.quotients(kept, values), random, wide), wide)
    codes = np.clip(integers + zeros[:, None], low_code, high_code).astype(np.int64)
    mask = (1 << element.bits) - 1
    return Blocks(
        (codes & mask).astype(element.code_dtype),
        scales,
        (zeros.astype(np.int64) & ((1 << zero_format.bits) - 1)).astype(zero_format.code_dtype),
    )
