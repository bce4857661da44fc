"""From codes to the exact result of an operation and back: which kernel, and when a table of all operand pairs pays.

An operation takes three steps: operands as binary64 (exact for every format it accepts), the exact result in integers
(`_kernels.exact`), one rounding into the result format. Floats are packed by the kernel itself; the other families are
encoded from the result rounded to odd, which their own encoders round as they would the exact value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ._lowering import EncodePlan, decoder, encode_plan
from .formats.base import TABLE_BITS, Format
from .formats.block import precision_of
from .formats.codebook import CodebookFormat
from .formats.conversion import Policy
from .formats.exponent import ExponentFormat
from .formats.floating import MinifloatBase
from .formats.integer import IntFormat
from .formats.posit import PositFormat
from .formats.random import RandomSource
from .formats.real import brief
from .formats.takum import TakumFormat
from .rounding import NaNRule, Overflow, RandomBits, Rounding

__all__ = [
    "CHUNK",
    "FLAG_BITS",
    "Exact",
    "Result",
    "exact_result",
    "holds_results",
    "is_binary64",
    "operand_values",
    "pair_lookup",
    "quick_native",
    "refuse",
    "round_exact",
    "round_short",
    "rounds_away",
    "short_result",
]

Array = npt.NDArray[Any]
_F32, _F64 = np.dtype(np.float32), np.dtype(np.float64)
_NUMBER = {"add": 0, "sub": 1, "mul": 2, "div": 3, "fma": 4, "sqrt": 5, "rsqrt": 6, "faa": 7, "remainder": 8}
FLAG_BITS = {"inexact": 1, "underflow": 2, "overflow": 4, "divide_by_zero": 8, "invalid": 16}
#: Elements that are alive in all stages at a time.
CHUNK = 1 << 14


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
    """Codes and flag bits of rounded results; `refused` as in `EncodePlan.run`.

    `doubtful` marks elements that 64 significant bits do not decide, to be computed as exact numbers.
    """

    codes: Array
    flags: Array
    refused: int
    doubtful: Array | None = None


def _remembered(fmt: Format, key: str, find: Callable[[Format], bool]) -> bool:
    known = fmt.__dict__.get(key)
    if known is None:
        known = fmt.__dict__[key] = find(fmt)
    return bool(known)


def is_binary64(fmt: Format) -> bool:
    """Whether binary64 holds every value of `fmt`."""
    return _remembered(fmt, "_is_binary64", lambda f: f.exact and f.value_dtype.kind != "O" and precision_of(f) <= 53)


def holds_results(fmt: Format, policy: Policy, width: int) -> bool:
    """Whether results rounded to odd at 53 bits, or packed by the kernel, are rounded to `fmt` as the exact ones are.

    `width` random bits look that far below the last bit; 0 for the deterministic modes.
    """
    if fmt.is_complex or not fmt.exact or fmt.value_dtype.kind == "O":
        return False
    if policy.rounding.is_stochastic:
        if policy.overflow is Overflow.WRAP or _precision(fmt) + width > 51:
            return False
    elif _packs(fmt, encode_plan(fmt, policy, _F64), policy):
        return True
    return _remembered(fmt, "_odd_suffices", _odd_suffices)


def _precision(fmt: Format) -> int:
    if isinstance(fmt, PositFormat):
        return max(fmt.bits - 2 - fmt.es, 1)
    return max(fmt.bits - 4, 1) if isinstance(fmt, TakumFormat) else precision_of(fmt)


def _odd_suffices(fmt: Format) -> bool:
    """Whether the breakpoints are numbers of at most 51 bits, well within binary64's exponents."""
    if isinstance(fmt, (IntFormat, ExponentFormat)):
        return True
    ends = [abs(float(x)) for x in (fmt.max, fmt.min, fmt.smallest)]
    if any(x and not 2.0**-990 < x < 2.0**990 for x in ends):
        return False
    if isinstance(fmt, (MinifloatBase, PositFormat, TakumFormat)):
        return _precision(fmt) <= 50
    if fmt.bits > TABLE_BITS:
        return False
    codes = [int(c) for c in fmt.ordered_codes]
    breaks = [fmt.breakpoint(a, b) for a, b in pairwise(codes) if fmt.real_of(a) != fmt.real_of(b)]
    return all(isinstance(x, Fraction) and abs(x.numerator).bit_length() <= 51 for x in breaks)


def operand_values(codes: Array, fmt: Format) -> Array:
    """Binary64 values of flat codes, exact."""
    values = np.empty(codes.shape, np.float64)
    if fmt.bits > TABLE_BITS and fmt.value_dtype == _F32:
        narrow = np.empty(codes.shape, np.float32)
        decoder(fmt, _F32).run(np.ascontiguousarray(codes), narrow)
        with np.errstate(invalid="ignore"):  # signalling NaNs
            values[...] = narrow
        return values
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
    exact: Exact,
    fmt: Format,
    policy: Policy,
    source: RandomSource | None,
    tininess: str,
    start: int = 0,
    *,
    flags_wanted: bool = True,
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
    values = to_odd(exact)
    if source is not None:
        shifted = source if isinstance(source, RandomBits) else replace(source, start=source.start + start)
        refused = plan.run_stochastic(values, codes, shifted, values.shape)
        return Result(codes, _flags_of(values, codes, fmt, policy), refused, _delicate(values, fmt))
    if policy.overflow is Overflow.WRAP:
        refused = plan.run(values, codes)  # what is refused does not depend on the bits above
        return _wrapped(exact, fmt, policy, Result(codes, _flags_of(values, codes, fmt, policy), refused))
    refused = plan.run(values, codes)
    if not flags_wanted:
        return Result(codes, flags, refused)
    doubtful = _delicate(values, fmt) if isinstance(fmt, MinifloatBase) else None
    return Result(codes, _flags_of(values, codes, fmt, policy), refused, doubtful)


def _wrapped(exact: Exact, fmt: Format, policy: Policy, found: Result) -> Result:
    """Results modulo 2**bits, of which binary64 would lose the low bits."""
    assert isinstance(fmt, IntFormat)
    s, negative = exact.significands, exact.signs != 0
    shift = -(exact.exponents + fmt.frac_bits)
    finite = (exact.kinds == 0) & (s != 0)
    right, left = np.clip(shift, 0, 63).astype(np.uint64), np.clip(-shift, 0, 63).astype(np.uint64)
    whole = np.where(shift > 63, np.uint64(0), np.where(shift < -63, np.uint64(0), (s >> right) << left))
    rest = np.where(shift > 63, s, s & ((np.uint64(1) << right) - np.uint64(1)))
    half = np.uint64(1) << (np.clip(shift, 1, 64).astype(np.uint64) - np.uint64(1))
    side = (rest > half).astype(np.int8) - (rest < half)
    side[shift > 64] = -1
    odd = whole & np.uint64(1) == 1
    away = (rest != 0) & rounds_away(policy.rounding, negative, side, odd)
    integer = whole + away
    codes = np.where(negative, np.uint64(0) - integer, integer) & np.uint64((1 << fmt.bits) - 1)
    found.codes[finite] = codes[finite]
    # Bit 0 may stand for what lies below it, and here it is no fraction below a half.
    return found._replace(doubtful=finite & (s & np.uint64(1) != 0) & (shift <= 1) & (shift > -fmt.bits))


def rounds_away(mode: Rounding, negative: Array, side: Array, odd: Array) -> Array:
    """`Rounding.away` on arrays, of inexact values in a code line of integers."""
    tie = {
        Rounding.NEAREST_EVEN: odd,
        Rounding.NEAREST_AWAY: np.ones_like(odd),
        Rounding.NEAREST_UP: ~negative,
        Rounding.NEAREST_DOWN: negative,
        Rounding.NEAREST_ZERO: np.zeros_like(odd),
        Rounding.TOWARD_ZERO: np.zeros_like(odd),
        Rounding.TOWARD_POSITIVE: ~negative,
        Rounding.TOWARD_NEGATIVE: negative,
        Rounding.AWAY_FROM_ZERO: np.ones_like(odd),
        Rounding.TO_ODD: ~odd,
    }[mode]
    return np.asarray(np.where(side == 0, tie, side > 0) if mode.is_nearest else tie)


def _delicate(values: Array, fmt: Format) -> Array:
    """Results whose flags a draw decides, or a rounding to unbounded exponents: near the ends of the normal numbers."""
    above = np.inf if fmt.above_max is None else float(fmt.above_max)
    below = -np.inf if fmt.below_min is None else float(fmt.below_min)
    found = ((values > float(fmt.max)) & (values < above)) | ((values < float(fmt.min)) & (values > below))
    if isinstance(fmt, MinifloatBase):
        normal = 2.0 ** (1 - fmt.bias)
        found |= (np.abs(values) < normal) & (np.abs(values) >= normal * (1 - 2.0**-fmt.precision))
    return np.asarray(found)


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
    smallest = 0.0 if isinstance(fmt, (IntFormat, CodebookFormat)) else float(fmt.smallest)
    if isinstance(fmt, MinifloatBase):
        smallest = 2.0 ** (1 - fmt.bias)
    tiny = inexact & (values != 0) & (np.abs(values) < smallest) & ~beyond
    return np.asarray((inexact | beyond) * np.uint8(1) + tiny * np.uint8(2) + beyond * np.uint8(4))


def _overflows(values: Array, fmt: Format, mode: Rounding) -> Array:
    """Whether a result rounded without limits lies beyond the format's largest or smallest value."""
    high, low = float(fmt.max), min(float(fmt.min), 0.0)
    above = None if fmt.above_max is None else float(fmt.above_max)
    below = None if fmt.below_min is None else float(fmt.below_min)
    over, under = values > high, values < low
    if not mode.is_stochastic:
        for beyond, end, successor, negative, code in (
            (over, high, above, False, fmt.max_code),
            (under, low, below, True, fmt.min_code),
        ):
            if successor is None or not beyond.any():
                continue
            if negative and fmt.negative_is_nan:
                continue
            middle = end + (successor - end) / 2
            distance = (values > middle).astype(np.int8) - (values < middle)
            side = -distance if negative else distance
            odd = np.full(values.shape, code % 2 == 1)
            inside = values > successor if negative else values < successor
            beyond &= ~inside | rounds_away(mode, np.full(values.shape, negative), side, odd)
    return np.asarray(over | under)


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


_IEEE_DEFAULT = Policy(Rounding.NEAREST_EVEN, Overflow.NONSATURATING, NaNRule.CANONICAL)
_NATIVE = {"bfloat16": ("add", "sub", "mul"), "binary32": (), "binary64": ()}


def quick_native(op: str, formats: list[Format], target: Format, policy: Policy) -> Any:
    """The processor's own operation in bfloat16 (by binary32), binary32, binary64 under the default policy, or None."""
    name = target.name
    if name not in _NATIVE or policy != _IEEE_DEFAULT or any(f.name != name for f in formats):
        return None
    if op not in (_NATIVE[name] or ("add", "sub", "mul", "div", "sqrt")):
        return None
    from ._kernels import fast32, native, pairs
    from ._kernels._jit import bind

    makers = {"bfloat16": pairs.make_bfloat16, "binary32": native.make_native32, "binary64": native.make_native64}
    kernel, probe = bind(makers[name], _NUMBER[op]), fast32.PROBE
    return lambda *operands: kernel(operands[0], operands[-2], operands[-1], probe) == 0


def short_result(op: str, operands: list[Array], formats: list[Format], mode: Rounding) -> Array | None:
    """Results rounded to odd by the short-operand kernel, or None where its preconditions fail."""
    number = _NUMBER.get(op, len(_NUMBER))
    if number > _NUMBER["fma"] or not all(_is_short(f) for f in formats):
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

    def find(f: Format) -> bool:
        ends = (abs(float(f.max)), abs(float(f.min)), float(f.smallest))
        return precision_of(f) <= 26 and all(e == 0 or 2.0**-260 < e < 2.0**260 for e in ends)

    return _remembered(fmt, "_short", find)


def round_short(values: Array, fmt: Format, policy: Policy) -> Result | None:
    """Round results to odd once into `fmt`, without flags; None where `fmt` is too precise, or wraps."""
    if fmt.bits > 32 or policy.overflow is Overflow.WRAP or not _remembered(fmt, "_odd_suffices", _odd_suffices):
        return None
    codes = np.empty(values.size, fmt.code_dtype)
    return Result(codes, codes[:0], encode_plan(fmt, policy, _F64).run(values, codes))
