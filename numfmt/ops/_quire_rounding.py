"""From exact sums to codes: one rounding, by the kernels where binary64 rounded to odd decides it, else on integers."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .._lowering import EncodePlan, encode_plan
from .._op_lowering import holds_results, refuse, round_exact
from .._quire_lowering import PLUS, Sums, exact_of, odd_of
from ..errors import ArgumentError
from ..formats.base import Format
from ..formats.block import precision_of
from ..formats.conversion import Policy, conversion
from ..formats.random import RandomSource, parse_random, random_integers
from ..formats.unpacked import Unpacked
from ..rounding import Overflow, RandomBits, Rounding
from .flags import arithmetic_overflow

__all__ = ["Rules", "parsed_rules", "parsed_source", "round_sums", "whole_numbers"]

Array = npt.NDArray[Any]


class Rules(NamedTuple):
    """What decides the bits of a result; `plan` encodes sums rounded to odd, where that is enough."""

    policy: Policy
    plan: EncodePlan | None


def parsed_rules(fmt: Format, rounding: Any, overflow: Any) -> Rules:
    """The rules of a result in `fmt`; None is the format's default, of overflow its arithmetic one."""
    policy = Policy(
        fmt.default_rounding if rounding is None else Rounding.parse(rounding),
        arithmetic_overflow(fmt) if overflow is None else Overflow.parse(overflow),
        fmt.default_nan,
    )
    short = precision_of(fmt) <= 51 and fmt.bits <= 32 and policy.overflow is not Overflow.WRAP
    odd = short and not policy.rounding.is_stochastic and holds_results(fmt, policy, 0)
    return Rules(policy, encode_plan(fmt, policy, np.dtype(np.float64)) if odd else None)


def parsed_source(rules: Rules, random: Any) -> RandomSource | None:
    """The random bits of a stochastic rounding; None for the others."""
    mode = rules.policy.rounding
    if mode.is_stochastic and random is None:
        raise ArgumentError(f"rounding={mode.name.lower()} needs random=seed or RandomBits(integers, width)")
    if random is None:
        return None
    if not mode.is_stochastic:
        raise ArgumentError(f"random is for the stochastic roundings, got rounding={mode.name.lower()}; drop it")
    return parse_random(random)


def whole_numbers(sums: Sums) -> list[int]:
    """The sums in units of ``2**sums.unit``; what an infinite or NaN sum has there means nothing."""
    low = np.ascontiguousarray(sums.limbs[:, :-1].astype("<u4"))
    return [
        int.from_bytes(low[r].tobytes(), "little") + (int(sums.limbs[r, -1]) << (32 * low.shape[1]))
        for r in range(len(low))
    ]


def round_sums(
    sums: Sums, fmt: Format, rules: Rules, source: RandomSource | None, shape: tuple[int, ...], start: int = 0
) -> Array:
    """Codes of the sums, rounded once; `start` is the flat index of the first, for random bits given by key."""
    policy, plan = rules
    if plan is not None:
        codes = np.empty(sums.states.size, fmt.code_dtype)
        refused = plan.run(odd_of(sums), codes)
        if refused:
            refuse(fmt, refused)
        return codes
    if source is not None and isinstance(source, RandomBits):
        source = RandomBits(random_integers(source, sums.states.size, shape), source.width)
    elif source is not None:
        source = replace(source, start=source.start + start)
    if policy.overflow is Overflow.WRAP or not holds_results(fmt, policy, 0 if source is None else source.width):
        return _round_integers(sums, fmt, policy, source)
    found = round_exact(exact_of(sums), fmt, policy, source, "after")
    if found.refused:
        refuse(fmt, found.refused)
    return found.codes


def _round_integers(sums: Sums, fmt: Format, policy: Policy, source: RandomSource | None) -> Array:
    """The definition itself, one number at a time."""
    conv = conversion(fmt, policy)
    integers = [0] * sums.states.size if source is None else random_integers(source, sums.states.size).tolist()
    codes = np.empty(sums.states.size, fmt.code_dtype)
    unit = Fraction(2) ** sums.unit
    for r, whole in enumerate(whole_numbers(sums)):
        state = sums.states[r]
        given: Any = Unpacked.from_fraction(whole * unit)
        if state:
            given = Unpacked.nan() if state & (state - 1) or state > 2 else Unpacked.infinity(int(state != PLUS))
        mark = conv.encode_exact(given, None if source is None else (integers[r], source.width))
        if mark < 0:
            refuse(fmt, -mark)
        codes[r] = mark
    return codes
