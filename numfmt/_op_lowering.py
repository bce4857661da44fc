"""From codes to the exact result of an operation and back: which kernel, and when a table of all operand pairs pays.

An operation takes three steps: operands as binary64 (exact for every format it accepts), the exact result in integers
(`_kernels.exact`), one rounding into the result format. Floats are packed by the kernel itself; the other families are
encoded from the result rounded to odd, which their own encoders round as they would the exact value.
"""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ._lowering import EncodePlan, decoder, encode_plan
from .errors import ArgumentError
from .formats.base import Format
from .formats.block import precision_of
from .formats.conversion import Policy
from .formats.floating import MinifloatBase
from .formats.integer import IntFormat
from .formats.random import RandomSource
from .formats.real import brief
from .rounding import NaNRule, Overflow, Rounding

__all__ = ["FLAG_BITS", "Exact", "Result", "check_operand", "exact_result", "operand_values", "round_exact"]

Array = npt.NDArray[Any]
_F64 = np.dtype(np.float64)
_NUMBER = {"add": 0, "sub": 1, "mul": 2, "div": 3, "fma": 4, "sqrt": 5, "rsqrt": 6}
FLAG_BITS = {"inexact": 1, "underflow": 2, "overflow": 4, "divide_by_zero": 8, "invalid": 16}
#: Elements that are alive in all stages at a time.
CHUNK = 1 << 14
_lock = threading.RLock()


class Exact(NamedTuple):
    """Exact results: significand with sticky bit, exponent, sign, kind (see `_kernels.exact.make_operate`)."""

    significands: Array
    exponents: Array
    signs: Array
    kinds: Array

    @classmethod
    def empty(cls, size: int) -> Exact:
        """Arrays for `size` results."""
        return cls(
            np.empty(size, np.uint64), np.empty(size, np.int64), np.empty(size, np.uint8), np.empty(size, np.uint8)
        )


class Result(NamedTuple):
    """Codes and flag bits of rounded results; `refused` as in `EncodePlan.run`."""

    codes: Array
    flags: Array
    refused: int


def check_operand(fmt: Format) -> None:
    """Refuse formats whose values binary64 does not hold exactly."""
    if fmt.is_complex:
        raise ArgumentError(f"{fmt.name} is complex; arithmetic here is real")
    if not fmt.exact or fmt.value_dtype.kind == "O" or precision_of(fmt) > 53:
        raise ArgumentError(
            f"{fmt.name} has values that binary64 does not hold exactly; arithmetic needs operands that it does"
        )


def operand_values(codes: Array, fmt: Format) -> Array:
    """Binary64 values of flat codes, exact."""
    values = np.empty(codes.shape, np.float64)
    decoder(fmt, _F64).run(np.ascontiguousarray(codes), values)
    return values


def exact_result(op: str, operands: list[Array], mode: Rounding) -> Exact:
    """The exact results of `op` on flat binary64 operands; `mode` decides the sign of a zero sum."""
    from ._kernels import exact
    from ._kernels._jit import bind

    a = operands[0]
    result = Exact.empty(a.size)
    b = operands[1] if len(operands) > 1 else a
    c = operands[2] if len(operands) > 2 else b
    bind(exact.make_operate, _NUMBER[op])(a, b, c, mode.value, *result)
    return result


def to_odd(exact: Exact) -> Array:
    """Exact results as binary64 rounded to odd."""
    from ._kernels import exact as kernels
    from ._kernels._jit import bind

    values = np.empty(exact.kinds.size)
    bind(kernels.make_to_odd)(*exact, values)
    return values


def round_exact(
    exact: Exact, fmt: Format, policy: Policy, source: RandomSource | None, tininess: str, start: int = 0
) -> Result:
    """Round exact results once into `fmt`; `start` is the flat index of the first, for random bits."""
    plan = encode_plan(fmt, policy, _F64)
    size = exact.kinds.size
    codes, flags = np.empty(size, fmt.code_dtype), np.zeros(size, np.uint8)
    if _packs(fmt, plan, policy):
        from ._kernels import exact as kernels
        from ._kernels._jit import bind

        parameters = _pack_parameters(fmt, plan)
        run = bind(kernels.make_pack_float, fmt.code_dtype.itemsize)
        refused = int(run(*exact, parameters, int(tininess == "before"), codes, flags))
        return Result(codes, flags, refused)
    if precision_of(fmt) > 51:
        raise ArgumentError(
            f"results in {fmt.name} are rounded by the deterministic modes, got {policy.rounding.name.lower()}"
        )
    values = to_odd(exact)
    if source is None:
        refused = plan.run(values, codes)
    else:
        from dataclasses import replace

        shifted = source if not hasattr(source, "start") else replace(source, start=source.start + start)
        refused = plan.run_stochastic(values, codes, shifted, values.shape)
    return Result(codes, _flags_of(values, codes, fmt, policy), refused)


def _pack_parameters(fmt: Format, plan: EncodePlan) -> Array:
    """Parameters of the packing kernel; the codes of a 64-bit format go without their sign bit."""
    if fmt.bits <= 62:
        assert plan.layout is not None
        return np.array((*plan.layout, 0), np.int64)
    assert isinstance(fmt, MinifloatBase)
    special = [c if c < 0 else c & ~fmt.sign_weight for c in plan.conv.specials[1:]]
    head = (fmt.mantissa_bits, 1 - fmt.bias, fmt.max_magnitude, 0, 1, plan.conv.policy.rounding.value)
    return np.array((*head, *special, 1), np.int64)


def _packs(fmt: Format, plan: EncodePlan, policy: Policy) -> bool:
    if not isinstance(fmt, MinifloatBase) or policy.rounding.is_stochastic or fmt.mantissa_bits > 52:
        return False
    if fmt.bits == 64:
        return fmt.signed and fmt.subnormals
    return plan.layout is not None and bool(plan.layout[4])


def _flags_of(values: Array, codes: Array, fmt: Format, policy: Policy) -> Array:
    """Inexact, overflow and underflow of results that are not packed by the kernel, from the value rounded to odd."""
    rounded = operand_values(codes, fmt) if fmt.exact and fmt.value_dtype.kind != "O" else values
    finite = np.isfinite(values)
    inexact = finite & (rounded != values)
    beyond = finite & _overflows(values, fmt, policy.rounding)
    tiny = inexact & (np.abs(values) < float(fmt.smallest_normal)) & ~beyond
    return (
        (inexact | beyond).astype(np.uint8)
        + tiny.astype(np.uint8) * np.uint8(2)
        + beyond.astype(np.uint8) * np.uint8(4)
    )


def _overflows(values: Array, fmt: Format, mode: Rounding) -> Array:
    """Whether a result rounded without limits lies beyond the format's largest or smallest value."""
    high, low = float(fmt.max), float(fmt.min)
    if not isinstance(fmt, IntFormat) or mode.is_stochastic:
        return (values > high) | (values < low)
    scaled = np.ldexp(values, fmt.frac_bits)
    whole, rest = np.floor(scaled), scaled - np.floor(scaled)
    negative = scaled < 0
    up = {
        Rounding.NEAREST_EVEN: (rest > 0.5) | ((rest == 0.5) & (whole % 2 == 1)),
        Rounding.NEAREST_AWAY: (rest > 0.5) | ((rest == 0.5) & ~negative),
        Rounding.NEAREST_UP: rest >= 0.5,
        Rounding.NEAREST_DOWN: rest > 0.5,
        Rounding.NEAREST_ZERO: (rest > 0.5) | ((rest == 0.5) & negative),
        Rounding.TOWARD_ZERO: (rest > 0) & negative,
        Rounding.TOWARD_POSITIVE: rest > 0,
        Rounding.TOWARD_NEGATIVE: np.zeros(rest.shape, bool),
        Rounding.AWAY_FROM_ZERO: (rest > 0) & ~negative,
        Rounding.TO_ODD: (rest > 0) & (whole % 2 == 0),
    }[mode]
    integer = whole + up
    return (integer > fmt.max_int) | (integer < fmt.min_int)


def refuse(fmt: Format, refused: int) -> None:
    """The error for results that the policy refuses."""
    from .errors import FormatOverflowError, NaNError

    if refused & 1:
        raise NaNError(f"a result is NaN and {fmt.name} refuses it; pass nan='zero' or a format that has NaN")
    raise FormatOverflowError(
        f"a result lies beyond [{brief(fmt.min)}, {brief(fmt.max)}] of {fmt.name}; pass overflow='saturate'"
    )


def pair_lookup(codes: list[Array], formats: list[Format], table: Array, out: Array) -> None:
    """Results of one or two operands from a table of all their codes."""
    if len(codes) == 1:
        np.take(table, codes[0], out=out, mode="clip")
        return
    from ._kernels import pairs
    from ._kernels._jit import bind

    sizes = (codes[0].itemsize, codes[1].itemsize, out.itemsize)
    bind(pairs.make_pair_lookup, *sizes, formats[1].bits)(codes[0], codes[1], table, out)


def quick_bfloat16(op: str, formats: list[Format], target: Format, policy: Policy) -> Any:
    """The binary32 kernel for bfloat16 sums and products under the default policy, or None."""
    if op not in ("add", "sub", "mul") or any(f.name != "bfloat16" for f in (*formats, target)):
        return None
    if policy != Policy(Rounding.NEAREST_EVEN, Overflow.NONSATURATING, NaNRule.CANONICAL):
        return None
    from ._kernels import fast32, pairs
    from ._kernels._jit import bind

    kernel, probe = bind(pairs.make_bfloat16, _NUMBER[op]), fast32.PROBE
    return lambda a, b, out: kernel(a, b, out, probe) == 0


def short_result(op: str, operands: list[Array], formats: list[Format], mode: Rounding) -> Array | None:
    """Results rounded to odd by the short-operand kernel, or None where its preconditions fail."""
    number = _NUMBER[op]
    if number > 4 or not all(_is_short(f) for f in formats):
        return None
    from ._kernels import fast32, odd
    from ._kernels._jit import bind

    a = operands[0]
    b = operands[1] if len(operands) > 1 else a
    c = operands[2] if len(operands) > 2 else b
    values = np.empty(a.size)
    run = bind(odd.make_odd, number, int(mode is Rounding.TOWARD_NEGATIVE))
    return values if run(a, b, c, values, fast32.PROBE) == 0 else None


def _is_short(fmt: Format) -> bool:
    """At most 26 significant bits, magnitudes within 2**-260 .. 2**260."""
    known = fmt.__dict__.get("_short")
    if known is None:
        low, high = 2.0**-260, 2.0**260
        ends = (abs(float(fmt.max)), abs(float(fmt.min)), float(fmt.smallest))
        known = precision_of(fmt) <= 26 and all(e == 0 or low < e < high for e in ends)
        fmt.__dict__["_short"] = known
    return bool(known)


def round_short(values: Array, fmt: Format, policy: Policy) -> Result | None:
    """Round results to odd once into `fmt`, without flags; None where `fmt` is too precise."""
    if precision_of(fmt) > 51 or fmt.bits > 32:
        return None
    codes = np.empty(values.size, fmt.code_dtype)
    return Result(codes, codes[:0], encode_plan(fmt, policy, _F64).run(values, codes))
