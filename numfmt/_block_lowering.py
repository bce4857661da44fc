"""Which compiled plan encodes, fake-quantizes or decodes which block format; None means the NumPy definition runs."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from . import _block_plans
from ._block_plans import DecodePlan, IntegerPlan, LevelPlan, Plan, PowerPlan, TernaryPlan
from .formats.base import Format
from .formats.block import BlockFormat
from .formats.conversion import Policy
from .formats.exponent import ExponentFormat
from .formats.floating import FloatFormat, Specials
from .formats.integer import IntFormat
from .formats.scale_rules import element_facts
from .rounding import Overflow, Rounding

__all__ = ["decode_plan", "plan_of"]

_NEVER = 1 << 23


def _thresholds(rule: str, element: Format) -> tuple[int, int, int] | None:
    """base, t1, t2 of `_kernels.blocks` for an exponent rule: k = exponent + base + (mantissa >= t1) + ..."""
    facts = element_facts(element)
    significand = facts.largest / Fraction(2) ** facts.emax  # F = significand * 2**emax, in [1, 2)

    def reaches(limit: Fraction) -> int:
        """Least 23-bit mantissa t with 1 + t / 2**23 >= limit."""
        return min(max(math.ceil((limit - 1) * _NEVER), 0), _NEVER)

    match rule:
        case "floor":
            found = (0, _NEVER, _NEVER)
        case "ceil":
            found = (0, 1, _NEVER)
        case "even":
            found = (0, _NEVER - (1 << (22 - facts.mantissa_bits)), _NEVER)
        case "rceil":
            found = (0, math.floor((significand - 1) * _NEVER) + 1, _NEVER)
        case "nearest":
            found = (-1, reaches(significand * Fraction(3, 4)), reaches(significand * Fraction(3, 2)))
        case "floor_quotient":
            found = (-1, reaches(significand), _NEVER)
        case _:
            return None
    return found[0] - facts.emax, found[1], found[2]


def _power_plan(fmt: BlockFormat) -> Plan | None:
    element, size = fmt.encoded_element, fmt.block_size
    if not isinstance(fmt.scale, ExponentFormat) or fmt.scale.bits != 8 or not size or size > 1024:
        return None
    thresholds = _thresholds(fmt.rule, element)
    if thresholds is None or element.bits > 8 or fmt.full_range:
        return None
    if isinstance(element, FloatFormat):
        if not (element.signed and element.subnormals and element.mantissa_bits) or element.specials is Specials.FNUZ:
            return None
        if element.default_rounding is not Rounding.NEAREST_EVEN or not -20 <= 1 - element.bias <= 8:
            return None
        head = (size, 0, element.mantissa_bits, 1 - element.bias, element.max_magnitude, element.sign_weight)
    elif isinstance(element, IntFormat) and element.signed and -8 <= element.frac_bits <= 16:
        sign = 1 << (element.bits - 1) if element.sign_magnitude else 0
        head = (size, 1, 0, -element.frac_bits, element.max_int, sign)
    else:
        return None
    limit = int(np.float32(float(element.max)).view(np.uint32))
    return PowerPlan(fmt, (*head, *thresholds), limit)


def _level_plan(fmt: BlockFormat) -> Plan | None:
    element, scale = fmt.encoded_element, fmt.scale
    if not isinstance(scale, FloatFormat) or scale.bits > 8 or not scale.subnormals or not scale.mantissa_bits:
        return None
    if scale.default_rounding is not Rounding.NEAREST_EVEN or scale.specials is Specials.FNUZ or not fmt.block_size:
        return None
    if fmt.tensor_scale is not None and fmt.tensor_scale.name != "binary32":
        return None
    if isinstance(element, FloatFormat) and element.signed and element.subnormals and element.bits <= 4:
        if element.specials is not Specials.FINITE or element.default_rounding is not Rounding.NEAREST_EVEN:
            return None
        return LevelPlan(fmt, scale, 0, element.sign_weight)
    if isinstance(element, IntFormat) and element.signed and element.bits <= 4 and not fmt.full_range:
        if element.sign_magnitude:
            return LevelPlan(fmt, scale, 0, 1 << (element.bits - 1))
        return LevelPlan(fmt, scale, 1, (1 << element.bits) - 1)
    return None


def _integer_plan(fmt: BlockFormat) -> Plan | None:
    element, scale = fmt.element, fmt.scale
    if not isinstance(element, IntFormat) or not element.signed or element.sign_magnitude or element.bits > 8:
        return None
    wide = isinstance(scale, Format) and scale.name in ("binary16", "binary32")
    return IntegerPlan(fmt) if wide and not fmt.full_range and element.frac_bits == 0 else None


def _make(fmt: BlockFormat, policy: Policy) -> Plan | None:
    if type(fmt) is not BlockFormat or isinstance(fmt.scale, BlockFormat) or fmt.zero_point or fmt.centre:
        return None
    if policy.overflow is not Overflow.SATURATE or not policy.keep_minus_zero or fmt.min_scale:
        return None
    if fmt.element.name == "ternary" and fmt.rule == "absmean" and fmt.quotient == "exact":
        name = fmt.scale.name
        return TernaryPlan(fmt) if name == "binary32" and policy.rounding is Rounding.NEAREST_ZERO else None
    if policy.rounding is not Rounding.NEAREST_EVEN:
        return None
    if fmt.power_of_two_scale:
        return _power_plan(fmt) if fmt.tensor_scale is None else None
    if fmt.rule != "absmax" or fmt.quotient != "exact":
        return None
    if fmt.tensor_scale is None:
        found = _integer_plan(fmt)
        if found is not None:
            return found
    return _level_plan(fmt)


def plan_of(fmt: BlockFormat, policy: Policy) -> Plan | None:
    """The shared plan of a format and element policy, or None."""
    plans: dict[Any, Plan | None] = fmt.__dict__.setdefault("_plans", {})
    if policy not in plans:
        with _block_plans.lock:
            plans.setdefault(policy, _make(fmt, policy))
    return plans[policy]


def decode_plan(fmt: BlockFormat, size: int) -> DecodePlan | None:
    """The compiled decoder of a plain block format, or None; small arrays never wait for it."""
    plan: DecodePlan | None = fmt.__dict__.get("_decode_plan")
    if plan is None and size > _block_plans.COMPILE_AFTER // 4 and type(fmt) is BlockFormat and fmt.zero_point is None:
        element = fmt.element
        if not (fmt.centre or element.is_complex or element.bits > 16 or element.value_dtype.kind == "O"):
            with _block_plans.lock:
                plan = fmt.__dict__.setdefault("_decode_plan", DecodePlan(fmt))
    return plan
