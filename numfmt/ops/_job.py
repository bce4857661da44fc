"""One operation on flat codes: by the processor, a table, the short kernel, the general one, or number by number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .._array import Encoded
from .._op_lowering import (
    CHUNK,
    Exact,
    exact_result,
    holds_results,
    is_binary64,
    operand_values,
    pair_lookup,
    quick_native,
    refuse,
    round_exact,
    round_short,
    short_result,
)
from ..errors import ArgumentError
from ..formats.base import Format
from ..formats.floating import P3109Format
from ..formats.integer import IntFormat
from ..formats.random import random_integers
from ..rounding import HashRandom, NaNRule, Overflow, PhiloxRandom
from ._nans import nan_codes, propagates
from ._operands import Settings, broadcast_codes, operands_of, result_array, result_format, settings_of
from ._scalar import NO_POLES, Call, compute_scalars
from ._special_flags import DIVIDE_BY_ZERO, INVALID, signaling_flags, special_flags
from ._values import EXTREMES, extreme_values, integral_values
from .flags import Flags

__all__ = ["Job", "operate", "paired", "run_job"]

Array = npt.NDArray[Any]
#: Elements that a call counts for at least, on the way to a table of all operands: scalar calls get theirs at once.
_CALL = 1 << 11
#: Elements looked up by NumPy's indexing, without a kernel.
_TINY = 1 << 10
_NAN = np.uint64(0x7FF8 << 48)


def operate(
    op: str,
    given: tuple[Any, ...],
    fmt: Any,
    rounding: Any,
    overflow: Any,
    nan: Any,
    random: Any,
    flags: bool,
    tininess: str,
    out: Array | None,
) -> Any:
    """Run `op` on broadcast operands."""
    operands = operands_of(*given)
    target = result_format(fmt, operands, op)
    return run_job(op, operands, target, settings_of(target, rounding, overflow, nan, random, tininess), flags, out)


def run_job(
    op: str, operands: list[Encoded], target: Format, settings: Settings, flags: bool, out: Array | None
) -> Any:
    """`operate` with its arguments resolved."""
    codes = broadcast_codes(operands)
    shape = codes[0].shape
    result = result_array(out, shape, target)
    flat = [np.ascontiguousarray(c).reshape(-1) for c in codes]
    if out is not None:
        flat = [c.copy() if np.may_share_memory(out, c) else c for c in flat]
    job = Job(op, [e.format for e in operands], target, settings, shape)
    bits = np.empty(shape, np.uint8) if flags else None
    job.run(flat, result.reshape(-1), None if bits is None else bits.reshape(-1))
    e = Encoded._wrap(result, target)
    return (e, Flags.of_bits(bits)) if bits is not None else e


def paired(op: str, a: Any, b: Any) -> Encoded | None:
    """A small call with all defaults, from the table of operand pairs; None where there is none yet."""
    try:
        fmt = a.format
        table = fmt.__dict__["_op_quick"][op]
        if b.format is not fmt or a.codes.size > _TINY or b.codes.size > _TINY:
            return None
    except (AttributeError, KeyError):
        return None
    return Encoded._wrap(np.asarray(table[a.codes, b.codes]), fmt)


@dataclass(frozen=True)
class Job:
    """One operation with everything that decides its bits."""

    op: str
    formats: list[Format]
    target: Format
    settings: Settings
    shape: tuple[int, ...]

    def run(self, codes: list[Array], result: Array, bits: Array | None) -> None:
        """Write result codes, and flag bits if asked for."""
        self._numbers(codes, result, bits)
        if propagates(self.settings.nan, self.target):
            self._propagate(codes, result)

    def _numbers(self, codes: list[Array], result: Array, bits: Array | None) -> None:
        policy, source = self.settings.policy, self.settings.source
        if source is None and bits is None:
            quick = quick_native(self.op, self.formats, self.target, policy)
            if quick is not None and quick(*codes, result):
                return
        tables = self._tables(result.size)
        if tables is not None:
            pair_lookup(codes, self.formats, tables[0], result)
            if bits is not None:
                pair_lookup(codes, self.formats, tables[1], bits)
            return
        if bits is None and self._short(codes, result):
            return
        wanted = bits is not None
        self.compute(codes, result, bits if bits is not None else np.empty(result.size, np.uint8), wanted)

    def _propagate(self, codes: list[Array], result: Array) -> None:
        target = self.target
        magnitude = result & result.dtype.type((1 << (target.bits - int(target.is_signed))) - 1)
        at = np.flatnonzero(magnitude > result.dtype.type(target.infinity_codes[0] or 0))
        if at.size:
            parts = [c[at] for c in codes]
            values = (
                [operand_values(c, f) for c, f in zip(parts, self.formats, strict=True)] if self.op == "fma" else []
            )
            result[at] = nan_codes(self.op, parts, self.formats, values, target, self.settings.nan)

    # ---- tables --------------------------------------------------------------------------------------------------

    def _tables(self, size: int) -> tuple[Array, Array] | None:
        """Results and flags of all operands of at most 16 bits together, once enough has been asked for; or None."""
        width, policy = sum(f.bits for f in self.formats), self.settings.policy
        if self.settings.source is not None or width > 16 or len(self.formats) > 2:
            return None
        if any(f.code_count != 1 << f.bits for f in self.formats) or policy.overflow is Overflow.RAISE:
            return None
        partial = self.op in ("div", "rsqrt", "sqrt", "remainder") or any(f.has_nan or f.has_inf for f in self.formats)
        if partial and (isinstance(self.target, IntFormat) or policy.nan is NaNRule.RAISE):
            return None  # what has no result is an error of the element concerned
        cache: dict[Any, Any] = self.formats[0].__dict__.setdefault("_op_tables", {})
        key = (self.op, self.formats[-1].name, self.target.name, policy, self.settings.tininess)
        found: Any = cache.get(key, 0)
        if not isinstance(found, tuple):
            if found + size < (1 << width) // 16:
                cache[key] = found + max(size, _CALL)  # not worth a table yet
                return None
            if not self._is_fast:
                return None
            found = self._tabulate(width)
            if len(cache) >= 256:
                cache.clear()
            cache[key] = found
            self._publish(found[0])
        return found[0], found[1]

    def _publish(self, table: Array) -> None:
        """Let `paired` find the table of the default policy."""
        first = self.formats[0]
        alike = len(self.formats) == 2 and first is self.formats[1] is self.target
        if alike and self.settings.policy == settings_of(first, None, None, None).policy:
            quick = first.__dict__.setdefault("_op_quick", {})
            quick[self.op] = table.reshape(1 << first.bits, 1 << first.bits)

    def _tabulate(self, width: int) -> tuple[Array, Array]:
        codes, low = np.arange(1 << width), self.formats[-1].bits
        parts = [codes] if len(self.formats) == 1 else [codes >> low, codes & ((1 << low) - 1)]
        operands = [part.astype(f.code_dtype) for part, f in zip(parts, self.formats, strict=True)]
        result, bits = np.empty(codes.size, self.target.code_dtype), np.empty(codes.size, np.uint8)
        self.compute(operands, result, bits)
        return result, bits

    # ---- kernels -------------------------------------------------------------------------------------------------

    @property
    def _poles_are_nan(self) -> bool:
        return isinstance(self.target, (P3109Format, *NO_POLES))

    @property
    def _is_fast(self) -> bool:
        """Whether binary64 holds the operands, and 53 bits and a sticky one decide the results."""
        source = self.settings.source
        width = 0 if source is None else source.width
        if source is not None and self.op.startswith("round_to_integral"):
            return False
        return all(map(is_binary64, self.formats)) and holds_results(self.target, self.settings.policy, width)

    def _short(self, codes: list[Array], result: Array) -> bool:
        """The path of short operands when nobody asks for flags; False where it does not apply."""
        target, policy = self.target, self.settings.policy
        poles = self.op == "div" and (self._poles_are_nan or isinstance(target, IntFormat))
        if self.settings.source is not None or poles or not self._is_fast:
            return False
        for at in range(0, result.size, CHUNK):
            part = slice(at, at + CHUNK)
            values = [operand_values(c[part], f) for c, f in zip(codes, self.formats, strict=True)]
            odd = short_result(self.op, values, self.formats, policy.rounding)
            found = None if odd is None else round_short(odd, target, policy)
            if found is None:
                return False
            if found.refused:
                refuse(target, found.refused)
            result[part] = found.codes
        return True

    def compute(self, codes: list[Array], result: Array, bits: Array, flags_wanted: bool = True) -> None:
        """The general path: kernels in pieces, or number by number."""
        if not self._is_fast:
            self._scalars(codes, result, bits, np.arange(result.size))
            return
        source = self.settings.source
        step = CHUNK if source is None or isinstance(source, (HashRandom, PhiloxRandom)) else max(result.size, 1)
        doubtful: list[Array] = []
        for at in range(0, result.size, step):
            part = slice(at, at + step)
            found = self._piece([c[part] for c in codes], result[part], bits[part], at, flags_wanted)
            if found is not None and found.any():
                doubtful.append(at + np.flatnonzero(found))
        if doubtful:
            self._scalars(codes, result, bits, np.concatenate(doubtful))

    def _piece(self, codes: list[Array], result: Array, bits: Array, start: int, flags_wanted: bool) -> Array | None:
        settings, target = self.settings, self.target
        given = [operand_values(c, f) for c, f in zip(codes, self.formats, strict=True)]
        op, values = self._as_arithmetic(given)
        exact = exact_result(op, values, settings.policy.rounding)
        signals = special_flags(op, values) if exact.kinds.any() or op != self.op else None
        if signals is not None:
            self._check_poles(signals, exact, start)
        found = round_exact(
            exact, target, settings.policy, settings.source, settings.tininess, start, flags_wanted=flags_wanted
        )
        if found.refused:
            refuse(target, found.refused)
        result[:] = found.codes
        if not flags_wanted:
            return found.doubtful
        bits[:] = found.flags
        if self.op == "round_to_integral_exact":
            bits |= (values[0] != given[0]) & ~np.isnan(given[0])
        if signals is not None:
            bits |= signals
            bits |= self._unrepresentable(exact, signals, result)
            signaling = signaling_flags(codes, self.formats)
            if signaling is not None:
                bits |= signaling
        return found.doubtful

    def _as_arithmetic(self, values: list[Array]) -> tuple[str, list[Array]]:
        """Operations that choose or round a value exactly, as products with 1."""
        if self.op in ("cast", "round_to_integral", "round_to_integral_exact") or self.op in EXTREMES:
            found = values[0]
            if self.op in EXTREMES:
                found = extreme_values(self.op, *values)
            elif self.op != "cast":
                found = integral_values(found, self.settings.policy.rounding)
            return "mul", [found, np.ones(found.shape)]
        return self.op, values

    def _check_poles(self, signals: Array, exact: Exact, start: int) -> None:
        """x / 0 where it is no infinity: NaN, or for integers an error."""
        pole = (signals & DIVIDE_BY_ZERO) != 0
        if self._poles_are_nan:
            exact.significands[pole] = _NAN
        elif isinstance(self.target, IntFormat):
            undefined = pole | ((signals & INVALID) != 0) if self.op in ("div", "remainder") else pole
            if undefined.any() and (pole.any() or not self._rules_nan):
                first = start + int(np.flatnonzero(undefined)[0])
                raise ArgumentError(
                    f"division by zero has no result in {self.target.name} (first at flat index {first}): "
                    "mask zero divisors, or divide into a format with NaN by fmt="
                )

    @property
    def _rules_nan(self) -> bool:
        return self.settings.policy.nan.name not in ("RAISE", "CANONICAL")

    def _unrepresentable(self, exact: Exact, signals: Array, result: Array) -> Array:
        """Invalid where NaN or an infinite operand has no code in the result's format."""
        special, s = exact.kinds != 0, exact.significands & np.uint64((1 << 63) - 1)
        infinity = np.uint64(0x7FF << 52)
        invalid = special & (s > infinity) if self.target.nan_code is None else np.zeros(special.shape, bool)
        infinite = special & (s == infinity) & ((signals & DIVIDE_BY_ZERO) == 0)
        if infinite.any():
            codes = [c for c in self.target.infinity_codes if c is not None]
            invalid |= infinite & ~np.isin(result, np.array(codes, result.dtype))
        return invalid * INVALID

    # ---- exact numbers -------------------------------------------------------------------------------------------

    def _scalars(self, codes: list[Array], result: Array, bits: Array, at: Array) -> None:
        settings = self.settings
        call = Call(self.op, tuple(self.formats), self.target, settings.policy, settings.tininess, self._poles_are_nan)
        draws = None
        if settings.source is not None:
            draws = random_integers(settings.source, result.size, self.shape)[at], settings.source.width
        parts = [c[at] for c in codes]
        found, raised = np.empty(at.size, result.dtype), np.empty(at.size, np.uint8)
        compute_scalars(call, parts, found, raised, draws)
        signaling = signaling_flags(parts, self.formats)
        result[at] = found
        bits[at] = raised if signaling is None else raised | signaling
