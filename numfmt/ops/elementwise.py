"""Elementwise arithmetic on codes: the exact result, rounded once, in every format and mode, with IEEE 754 flags."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .._array import Encoded
from .._op_lowering import (
    CHUNK,
    FLAG_BITS,
    check_operand,
    exact_result,
    operand_values,
    pair_lookup,
    quick_bfloat16,
    refuse,
    round_exact,
    round_short,
    short_result,
)
from ..errors import ArgumentError, FormatMismatchError
from ..formats.base import Format
from ..formats.conversion import Policy
from ..formats.floating import MinifloatBase, P3109Format, Specials
from ..formats.integer import IntFormat
from ..formats.random import RandomSource, parse_random
from ..formats.registry import scalar
from ..rounding import HashRandom, NaNRule, Overflow, PhiloxRandom, Rounding

__all__ = ["Flags", "add", "div", "fma", "mul", "reciprocal", "rsqrt", "sqrt", "sub"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Flags:
    """Exception flags of each element, as IEEE 754-2019 section 7 defines them: boolean arrays of the result's shape."""

    inexact: Array
    underflow: Array
    overflow: Array
    divide_by_zero: Array
    invalid: Array

    @classmethod
    def of_bits(cls, bits: Array) -> Flags:
        """From the kernels' flag bits."""
        return cls(*(np.asarray(bits & np.uint8(bit) != 0) for bit in FLAG_BITS.values()))


def arithmetic_overflow(fmt: Format) -> Overflow:
    """The overflow policy of arithmetic results: the format's own non-saturating rule, where it has one."""
    if isinstance(fmt, P3109Format):
        return Overflow.SAT_NONE
    if isinstance(fmt, MinifloatBase):
        finite = getattr(fmt, "specials", None) is Specials.FINITE
        return Overflow.SATURATE if finite else Overflow.NONSATURATING
    return fmt.default_overflow


def arithmetic_policy(fmt: Format, rounding: Any, overflow: Any) -> Policy:
    """The policy of an operation's one rounding."""
    return Policy(
        fmt.default_rounding if rounding is None else Rounding.parse(rounding),
        arithmetic_overflow(fmt) if overflow is None else Overflow.parse(overflow),
        NaNRule.CANONICAL if fmt.has_nan else NaNRule.RAISE,
    )


def _operand(x: Any, like: Format | None) -> Encoded:
    if isinstance(x, Encoded):
        return x
    if like is None:
        raise FormatMismatchError(f"operands must be Encoded, got {type(x).__name__}; use numfmt.encode(x, fmt)")
    from .._api import decode, encode

    e: Encoded = encode(x, like, overflow="raise") if like.above_max is not None else encode(x, like)
    same = np.asarray(decode(e, dtype=np.float64)) == np.asarray(x, np.float64)
    if not np.all(same | np.isnan(np.asarray(x, np.float64))):
        raise FormatMismatchError(
            f"a plain operand must be exact in {like.name}, got {x!r}; round it first with numfmt.encode"
        )
    return e


def operands_of(*given: Any) -> list[Encoded]:
    """The operands as Encoded; plain numbers are taken in the format of the first Encoded, if exact there."""
    like = next((x.format for x in given if isinstance(x, Encoded)), None)
    return [_operand(x, like) for x in given]


def result_format(fmt: Any, operands: list[Encoded]) -> Format:
    """The result format: `fmt`, or the operands' common one."""
    if fmt is not None:
        return scalar(fmt)
    formats = {e.format.name: e.format for e in operands}
    if len(formats) > 1:
        raise FormatMismatchError(f"operands are in {' and '.join(formats)}: say the result's format with fmt=")
    return operands[0].format


def _source(policy: Policy, random: Any) -> RandomSource | None:
    if policy.rounding.is_stochastic and random is None:
        raise ArgumentError(f"rounding={policy.rounding.name.lower()} needs random=seed or RandomBits(integers, width)")
    if not policy.rounding.is_stochastic and random is not None:
        raise ArgumentError(f"random is for the stochastic roundings, got rounding={policy.rounding.name.lower()}")
    return None if random is None else parse_random(random)


def operate(
    op: str,
    given: tuple[Any, ...],
    fmt: Any,
    *,
    rounding: Any = None,
    overflow: Any = None,
    random: Any = None,
    flags: bool = False,
    tininess: str = "after",
    out: Array | None = None,
) -> Any:
    """Run `op` on broadcast operands: the path of every function of this module."""
    operands = operands_of(*given)
    target = result_format(fmt, operands)
    for e in operands:
        check_operand(e.format)
    if tininess not in ("after", "before"):
        raise ArgumentError(f"tininess must be 'after' or 'before' rounding, got {tininess!r}")
    policy = arithmetic_policy(target, rounding, overflow)
    source = _source(policy, random)
    codes = np.broadcast_arrays(*(e.codes for e in operands))
    shape = codes[0].shape
    result = np.empty(shape, target.code_dtype) if out is None else out
    if result.shape != shape or result.dtype != target.code_dtype or not result.flags.c_contiguous:
        raise ArgumentError(f"out must be a C-contiguous {target.code_dtype} array of shape {shape}")
    flat = [np.ascontiguousarray(c).reshape(-1) for c in codes]
    if out is not None and any(np.may_share_memory(out, c) for c in flat):
        flat = [c.copy() for c in flat]
    formats = [e.format for e in operands]
    job = _Job(op, formats, target, policy, source, tininess)
    bits = np.empty(shape, np.uint8) if flags else None
    job.run(flat, result.reshape(-1), None if bits is None else bits.reshape(-1))
    e = Encoded._wrap(result, target)
    return (e, Flags.of_bits(bits)) if bits is not None else e


@dataclass(frozen=True)
class _Job:
    """One operation on flat codes: by table, by a special kernel, or by the general path."""

    op: str
    formats: list[Format]
    target: Format
    policy: Policy
    source: RandomSource | None
    tininess: str

    def run(self, codes: list[Array], result: Array, bits: Array | None) -> None:
        """Write result codes, and flag bits if asked for."""
        if self.source is None and bits is None:
            quick = quick_bfloat16(self.op, self.formats, self.target, self.policy)
            if quick is not None and quick(*codes, result):
                return
        tables = self.tables(result.size)
        if tables is None:
            if bits is not None or not self.compute_short(codes, result):
                self.compute(codes, result, np.empty(result.size, np.uint8) if bits is None else bits)
            return
        pair_lookup(codes, self.formats, tables[0], result)
        if bits is not None:
            pair_lookup(codes, self.formats, tables[1], bits)

    def tables(self, size: int) -> tuple[Array, Array] | None:
        """Results and flags of all operands of at most 16 bits together, once enough has been asked for; or None."""
        width = sum(f.bits for f in self.formats)
        legal = all(f.code_count == 1 << f.bits for f in self.formats)
        if self.source is not None or width > 16 or not legal or len(self.formats) > 2:
            return None
        if isinstance(self.target, IntFormat) and self.op in ("div", "rsqrt"):
            return None  # a zero divisor is an error of the element that has it
        cache: dict[Any, Any] = self.formats[0].__dict__.setdefault("_op_tables", {})
        key = (self.op, self.formats[-1].name, self.target.name, self.policy, self.tininess)
        found: Any = cache.get(key, 0)
        if not isinstance(found, tuple):
            if found + size < (1 << width) // 16:
                cache[key] = found + size  # not worth a table yet
                return None
            found = self._tabulate(width)
            if len(cache) >= 256:
                cache.clear()
            cache[key] = found
        return found[0], found[1]

    def _tabulate(self, width: int) -> tuple[Array, Array]:
        codes, low = np.arange(1 << width), self.formats[-1].bits
        parts = [codes] if len(self.formats) == 1 else [codes >> low, codes & ((1 << low) - 1)]
        operands = [part.astype(f.code_dtype) for part, f in zip(parts, self.formats, strict=True)]
        result, bits = np.empty(codes.size, self.target.code_dtype), np.empty(codes.size, np.uint8)
        self.compute(operands, result, bits)
        return result, bits

    def compute_short(self, codes: list[Array], result: Array) -> bool:
        """The path of short operands when nobody asks for flags; False where it does not apply."""
        target, nan = self.target, isinstance(self.target, (P3109Format, IntFormat)) and self.op == "div"
        if self.source is not None or nan:
            return False
        for at in range(0, result.size, CHUNK):
            part = slice(at, at + CHUNK)
            values = [operand_values(c[part], f) for c, f in zip(codes, self.formats, strict=True)]
            odd = short_result(self.op, values, self.formats, self.policy.rounding)
            found = None if odd is None else round_short(odd, target, self.policy)
            if found is None:
                return False
            if found.refused:
                refuse(target, found.refused)
            result[part] = found.codes
        return True

    def compute(self, codes: list[Array], result: Array, bits: Array) -> None:
        """The general path, in pieces."""
        op, formats, target, source = self.op, self.formats, self.target, self.source
        step = CHUNK if source is None or isinstance(source, (HashRandom, PhiloxRandom)) else max(result.size, 1)
        for at in range(0, result.size, step):
            part = slice(at, at + step)
            values = [operand_values(c[part], f) for c, f in zip(codes, formats, strict=True)]
            exact = exact_result(op, values, self.policy.rounding)
            special = exact.kinds.any()
            signals = _special_flags(op, values, [c[part] for c in codes], formats) if special else None
            if special and isinstance(target, P3109Format) and signals is not None:
                # P3109 v4.0 section 4.5: no exceptions, x / 0 is NaN.
                exact.significands[(signals & np.uint8(8)) != 0] = np.uint64(0x7FF8 << 48)
            if isinstance(target, IntFormat) and signals is not None and (signals & np.uint8(8)).any():
                raise ArgumentError(f"division by zero has no result in {target.name}; mask zero divisors first")
            found = round_exact(exact, target, self.policy, source, self.tininess, at)
            if found.refused:
                refuse(target, found.refused)
            result[part] = found.codes
            bits[part] = found.flags if signals is None else found.flags | signals


def _special_flags(op: str, values: list[Array], codes: list[Array], formats: list[Format]) -> Array:
    """Divide by zero and invalid, of elements whose result is no ordinary number."""
    a = values[0]
    b = values[1] if len(values) > 1 else a
    nan_in = np.logical_or.reduce([np.isnan(v) for v in values])
    if op in ("add", "sub"):
        opposite = np.signbit(a) != np.signbit(b) if op == "add" else np.signbit(a) == np.signbit(b)
        invalid, zero = np.isinf(a) & np.isinf(b) & opposite, np.zeros(a.shape, bool)
    elif op == "mul":
        invalid, zero = (np.isinf(a) & (b == 0)) | ((a == 0) & np.isinf(b)), np.zeros(a.shape, bool)
    elif op == "div":
        invalid = (np.isinf(a) & np.isinf(b)) | ((a == 0) & (b == 0))
        zero = (b == 0) & np.isfinite(a) & (a != 0)
    elif op == "fma":
        product_inf = (np.isinf(a) | np.isinf(b)) & (a != 0) & (b != 0)
        product_sign = np.signbit(a) != np.signbit(b)
        invalid = (np.isinf(a) & (b == 0)) | ((a == 0) & np.isinf(b))
        invalid |= product_inf & np.isinf(values[2]) & (product_sign != np.signbit(values[2])) & ~np.isnan(a + b)
        zero = np.zeros(a.shape, bool)
    else:
        invalid, zero = (a < 0), (a == 0) if op == "rsqrt" else np.zeros(a.shape, bool)
    invalid = (invalid & ~nan_in) | _signalling(codes, formats)
    return (zero & ~nan_in).astype(np.uint8) * np.uint8(8) + invalid.astype(np.uint8) * np.uint8(16)


def _signalling(codes: list[Array], formats: list[Format]) -> Array:
    """Elements with a signalling NaN operand: an IEEE-style NaN whose leading mantissa bit is 0."""
    found = np.zeros(codes[0].shape, bool)
    for c, f in zip(codes, formats, strict=True):
        if getattr(f, "specials", None) is Specials.IEEE and f.mantissa_bits > 1:  # type: ignore[attr-defined]
            magnitude = c & np.asarray(f.sign_weight - 1, c.dtype) if f.sign_weight else c  # type: ignore[attr-defined]
            infinity = f.max_magnitude + 1  # type: ignore[attr-defined]
            quiet = 1 << (f.mantissa_bits - 1)  # type: ignore[attr-defined]
            found |= (magnitude > infinity) & (magnitude & np.asarray(quiet, c.dtype) == 0)
    return found


def _documented(name: str, summary: str, example: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        function.__doc__ = f"""{summary}

    Parameters
    ----------
    operands : Encoded, broadcast against each other; formats may differ
        A plain number is taken in the format of the first Encoded operand, and must be exact there.
    fmt : Format or str, optional
        Format of the result; default: the operands' common format (an error where they differ).
    rounding : Rounding or str, optional
        Default: the result format's own.
    overflow : Overflow or str, optional
        Default: the result format's non-saturating rule (IEEE: by the rounding; E4M3FN, fnuz: NaN; P3109: SatNone);
        formats without infinity and NaN, and integers, saturate.
    random : int, RandomBits, HashRandom or PhiloxRandom, optional
        For the stochastic roundings, keyed by flat C-order index of the result.
    flags : bool
        Also return `Flags`.
    tininess : {{"after", "before"}}
        When the underflow flag looks: after rounding (x86, RISC-V) or before (ARM).
    out : array of codes, optional

    Returns
    -------
    Encoded, or (Encoded, Flags)

    Notes
    -----
    The exact result is rounded once. Zeros, infinities and NaN follow IEEE 754-2019 sections 6 and 7; posits and takums
    give NaR, P3109 gives NaN for a division by zero. Source: IEEE 754-2019 section 5.4.1.

    >>> import numfmt as nf
    {example}
    """
        function.__name__ = name
        return function

    return decorate


@_documented(
    "add", "a + b, rounded once.", '>>> float(add(nf.encode(448.0, "e4m3fn"), nf.encode(32.0, "e4m3fn")))\n    nan'
)
def add(a: Any, b: Any, *, fmt: Any = None, **options: Any) -> Any:
    return operate("add", (a, b), fmt, **options)


@_documented("sub", "a - b, rounded once.", '>>> float(sub(nf.encode(1.0, "bf16"), nf.encode(0.5, "bf16")))\n    0.5')
def sub(a: Any, b: Any, *, fmt: Any = None, **options: Any) -> Any:
    return operate("sub", (a, b), fmt, **options)


@_documented("mul", "a * b, rounded once.", '>>> float(mul(nf.encode(1.5, "e5m2"), nf.encode(1.25, "e5m2")))\n    2.0')
def mul(a: Any, b: Any, *, fmt: Any = None, **options: Any) -> Any:
    return operate("mul", (a, b), fmt, **options)


@_documented(
    "div", "a / b, rounded once.", '>>> float(div(nf.encode(1.0, "posit8"), nf.encode(3.0, "posit8")))\n    0.34375'
)
def div(a: Any, b: Any, *, fmt: Any = None, **options: Any) -> Any:
    return operate("div", (a, b), fmt, **options)


@_documented(
    "fma",
    "a * b + c, rounded once (fused).",
    '>>> float(fma(*(nf.Encoded(c, "e4m3fn") for c in (0x0D, 0x1A, 0x81)), rounding="toward_positive"))\n    0.001953125',
)
def fma(a: Any, b: Any, c: Any, *, fmt: Any = None, **options: Any) -> Any:
    return operate("fma", (a, b, c), fmt, **options)


@_documented("sqrt", "Square root, rounded once.", '>>> float(sqrt(nf.encode(2.0, "binary16")))\n    1.4140625')
def sqrt(a: Any, *, fmt: Any = None, **options: Any) -> Any:
    return operate("sqrt", (a,), fmt, **options)


@_documented("rsqrt", "1 / sqrt(a), rounded once.", '>>> float(rsqrt(nf.encode(4.0, "binary16")))\n    0.5')
def rsqrt(a: Any, *, fmt: Any = None, **options: Any) -> Any:
    return operate("rsqrt", (a,), fmt, **options)


@_documented("reciprocal", "1 / a, rounded once.", '>>> float(reciprocal(nf.encode(3.0, "e4m3fn")))\n    0.34375')
def reciprocal(a: Any, *, fmt: Any = None, **options: Any) -> Any:
    one = operands_of(a)[0]
    target = result_format(fmt, [one])
    from .._api import encode

    return operate("div", (encode(1.0, "binary32"), one), target, **options)
