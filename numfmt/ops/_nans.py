"""NaN results as hardware makes them: the choice that IEEE 754-2019 section 6.2.3 leaves open, as named policies.

canonical, riscv, arm_default: the default NaN, positive, quiet, payload 0. x86_sse: the first operand that is a NaN,
made quiet; the default NaN is negative. arm: the first signaling NaN, else the first NaN, made quiet; the default NaN
is positive. Three operands: the rule on the first two, then on its result and the third. 0 * infinity + NaN offers the
default NaN and the addend. Source: Berkeley SoftFloat 3e, specializations RISCV, ARM-VFPv2-defaultNaN, 8086-SSE and
ARM-VFPv2 (propagateNaN, commonNaN, mulAdd). Payloads are aligned at the quiet bit when formats differ.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..formats.base import Format
from ..formats.floating import FloatFormat, Specials
from ..formats.integer import IntFormat

__all__ = ["NAN_POLICIES", "has_payload", "integer_code", "nan_codes", "propagates", "read_nans", "signaling"]

Array = npt.NDArray[Any]
NAN_POLICIES = ("canonical", "riscv", "arm_default", "x86_sse", "arm")
_PAYLOAD_BITS = 62


class _NaNs(NamedTuple):
    """NaN operands: which elements are NaN, signaling, negative, and the payload below the quiet bit in 62 bits."""

    present: Array
    signaling: Array
    negative: Array
    payload: Array

    def where(self, condition: Array, other: _NaNs) -> _NaNs:
        return _NaNs(*(np.where(condition, a, b) for a, b in zip(self, other, strict=True)))


def has_payload(fmt: Format) -> bool:
    """Whether NaNs of `fmt` are IEEE NaNs with a trailing significand."""
    return isinstance(fmt, FloatFormat) and fmt.specials is Specials.IEEE and fmt.M > 0


def propagates(policy: str, target: Format) -> bool:
    """Whether results under `policy` can be other than the canonical NaN."""
    return policy in ("x86_sse", "arm") and has_payload(target)


def _trailing(codes: Array, fmt: FloatFormat) -> tuple[Array, Array]:
    """Whether codes are NaN, and their trailing significands."""
    magnitude = codes & codes.dtype.type((1 << (fmt.E + fmt.M)) - 1)
    return magnitude > codes.dtype.type(fmt.max_magnitude + 1), codes & codes.dtype.type((1 << fmt.M) - 1)


def signaling(codes: Array, fmt: Format) -> Array | None:
    """Elements that are signaling NaNs (leading trailing-significand bit 0); None where the format has none."""
    if not has_payload(fmt) or fmt.M < 2:  # type: ignore[attr-defined]
        return None
    assert isinstance(fmt, FloatFormat)
    nan, trailing = _trailing(codes, fmt)
    return np.asarray(nan & (trailing < codes.dtype.type(1 << (fmt.M - 1))))


def read_nans(codes: Array, fmt: Format) -> _NaNs:
    """The NaNs among codes, and what they carry."""
    none, zero = np.zeros(codes.shape, bool), np.zeros(codes.shape, np.uint64)
    if has_payload(fmt):
        assert isinstance(fmt, FloatFormat)
        nan, trailing = _trailing(codes, fmt)
        quiet = 1 << (fmt.M - 1)
        payload = (trailing.astype(np.uint64) & np.uint64(quiet - 1)) << np.uint64(_PAYLOAD_BITS - (fmt.M - 1))
        negative = (codes & codes.dtype.type(fmt.sign_weight)) != 0
        return _NaNs(nan, nan & (trailing < codes.dtype.type(quiet)), negative, payload)
    nan = np.isin(codes, np.array([*fmt.nan_codes], codes.dtype)) if fmt.has_nan else none
    signed = isinstance(fmt, FloatFormat) and fmt.specials is Specials.FN and fmt.signed
    negative = (codes & codes.dtype.type(fmt.sign_weight)) != 0 if signed else none  # type: ignore[attr-defined]
    return _NaNs(nan, none, negative, zero)


def _chosen(a: _NaNs, b: _NaNs, policy: str) -> _NaNs:
    second = ~a.present
    if policy == "arm":
        second |= b.present & b.signaling & ~(a.present & a.signaling)
    found = b.where(second, a)
    return found._replace(signaling=np.zeros_like(found.signaling))


def nan_codes(
    op: str, codes: list[Array], formats: list[Format], values: list[Array], target: Format, policy: str
) -> Array:
    """Codes of NaN results of flat operands; `values` are needed for fma alone, to see 0 * infinity."""
    assert isinstance(target, FloatFormat)
    operands = [read_nans(c, f) for c, f in zip(codes, formats, strict=True)]
    shape = codes[0].shape
    yes, none = np.ones(shape, bool), np.zeros(shape, bool)
    default = _NaNs(yes, none, yes if policy == "x86_sse" else none, np.zeros(shape, np.uint64))
    if op == "fma":
        a, b = values[0], values[1]
        lost = (np.isinf(a) & (b == 0)) | ((a == 0) & np.isinf(b))
        operands[0] = default.where(lost, operands[0])
    found = operands[0]._replace(signaling=operands[0].signaling)
    for other in operands[1:]:
        found = _chosen(found, other, policy)
    found = found.where(found.present, default)
    quiet = 1 << (target.M - 1)
    top = target.max_magnitude + 1 + quiet
    payload = found.payload >> np.uint64(_PAYLOAD_BITS - (target.M - 1))
    sign = found.negative.astype(np.uint64) * np.uint64(target.sign_weight)
    return np.asarray((payload | np.uint64(top) | sign).astype(target.code_dtype))


def integer_code(fmt: IntFormat, policy: str, negative: bool | None) -> int | None:
    """What conversion to an integer gives for NaN (`negative` None) or a number beyond the range; None: no rule.

    x86_sse: the "integer indefinite" code (80...0 signed, all ones unsigned). riscv: the nearest end, the largest for
    NaN. arm, arm_default: the nearest end, 0 for NaN. Source: SoftFloat 3e specialize.h of each.
    """
    if policy == "canonical":
        return None
    if policy == "x86_sse":
        return 1 << (fmt.bits - 1) if fmt.signed else (1 << fmt.bits) - 1
    if negative is None:
        return fmt.max_code if policy == "riscv" else 0
    return fmt.min_code if negative else fmt.max_code
