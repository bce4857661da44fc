"""The only bridge between a `Format` and a kernel: which compiled text encodes what, and with which integers.

A plan encodes one (format, policy, source dtype). Small work never waits for a compiler: it runs on the exact scalar
path or on NumPy tables. Larger work takes a kernel with run-time parameters, and after `BIND_AFTER` elements (or
`numfmt.warmup`) the same text bound to constants. Every path gives the same bits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .formats.base import TABLE_BITS, Format
from .formats.conversion import Conversion, Policy, conversion
from .formats.floating import FloatFormat, MinifloatBase, Specials
from .formats.integer import IntFormat
from .formats.posit import PositFormat
from .formats.positions import encode_positions, has_positions
from .formats.random import RandomSource, random_integers
from .formats.tables import encode_scalars, encode_specials, encode_steps, encode_stochastic, has_steps, special_vector
from .formats.takum import TakumFormat
from .rounding import HashRandom, Overflow, RandomBits, Rounding

__all__ = ["Decoder", "EncodePlan", "decoder", "encode_plan", "quantize_plan"]

Array = npt.NDArray[Any]

#: Arrays up to this size are encoded without waiting for a compilation ...
SMALL = 16
#: ... until so many elements have come that way; then a kernel pays.
SMALL_TOTAL = 1024
#: Elements through a run-time-parameter kernel before a bound one is compiled.
BIND_AFTER = 1 << 22

_EMPTY = np.empty(0, np.uint64)
_lock = threading.RLock()


def _layout(conv: Conversion) -> tuple[int, ...] | None:
    """Parameters of the integer float kernel, or None when it cannot encode this conversion."""
    fmt, special = conv.fmt, conv.specials
    if not isinstance(fmt, MinifloatBase) or fmt.bits > 62 or conv.policy.overflow is Overflow.WRAP:
        return None
    if conv.policy.negative != "overflow" or special.zero_pos != 0:
        return None
    return (
        fmt.mantissa_bits,
        1 - fmt.bias,
        fmt.max_magnitude,
        fmt.sign_weight,
        int(fmt.subnormals),
        conv.policy.rounding.value,
        special.zero_neg,
        special.over_pos,
        special.over_neg,
        special.inf_pos,
        special.inf_neg,
        special.nan_pos,
        special.nan_neg,
    )


def _fast_parameters(layout: tuple[int, ...]) -> tuple[int, ...] | None:
    """The parameters of the binary32 float kernels, or None when their preconditions fail (see _kernels/fast32.py)."""
    mantissa, lowest, largest, sign, subnormals, mode, zero_neg, *codes = layout
    low = lowest + 127
    top = low + (largest >> mantissa) + 1
    if not subnormals or mantissa > 21 or low - mantissa < 2 or top + 23 - mantissa > 254:
        return None
    if mantissa == 0 and mode == Rounding.NEAREST_EVEN.value:
        return None  # ties go to the even code, which the addition cannot see without a mantissa bit
    if -2 in codes or -1 in codes[:4] or largest + sign >= 1 << 31:
        return None
    return (mantissa, low, largest, sign, mode, zero_neg, *codes)


def _binary64() -> Format:
    from .formats.registry import scalar as get

    return get("binary64")


def _widened(x: Array) -> Array:
    with np.errstate(invalid="ignore"):  # signalling NaNs
        return x.astype(np.float64)


class EncodePlan:
    """Encodes flat contiguous arrays of one dtype into one format under one policy."""

    def __init__(self, conv: Conversion, source: np.dtype[Any]) -> None:
        self.conv = conv
        self.source = source
        self.code_bytes = conv.fmt.code_dtype.itemsize
        self.layout = _layout(conv)
        self.kernel: Callable[[Array, Array], int] | None = None
        self.bound = False
        self.seen = 0
        self.stochastic: dict[Any, Callable[..., int] | None] = {}

    # ---- deterministic -------------------------------------------------------------------------------------------

    def run(self, x: Array, codes: Array) -> int:
        """Write the codes of flat `x`; the result is 0 or flag bits (1: NaN refused, 2: overflow refused)."""
        kernel = self.kernel
        if kernel is None or not self.bound:
            self.seen += x.size
            kernel = self._choose(x.size)
        return kernel(x, codes)

    def _choose(self, size: int) -> Callable[[Array, Array], int]:
        if self.kernel is None and size <= SMALL and self.seen <= SMALL_TOTAL:
            return self._scalar
        with _lock:
            if self.seen > BIND_AFTER or size <= SMALL:
                self.bind()
            elif self.kernel is None:
                self.kernel = self._runtime_kernel()
        assert self.kernel is not None
        return self.kernel

    @property
    def fast(self) -> Callable[[Array, Array], int]:
        """The bound kernel as a bare callable."""
        assert self.kernel is not None
        return self.kernel

    def bind(self) -> None:
        """Compile (or load) the fastest kernel this plan has."""
        with _lock:
            if not self.bound:
                self.kernel = self._bound_kernel() or self.kernel or self._runtime_kernel()
                self.bound = True

    def _store(self, marks: npt.NDArray[np.int64], codes: Array) -> int:
        refused = marks < 0
        if not refused.any():
            codes[...] = marks
            return 0
        codes[...] = np.where(refused, 0, marks)
        return int(np.bitwise_or.reduce(-marks[refused]))

    def _scalar(self, x: Array, codes: Array) -> int:
        return self._store_codes(encode_scalars(self.conv, x), codes)

    def _steps(self, x: Array, codes: Array) -> int:
        return self._store(encode_steps(self.conv, x), codes)

    def _copy_binary64(self, x: Array, codes: Array) -> int:
        # Every source value is a binary64 number: nothing is rounded, only infinities and NaNs follow the policy.
        wide = _widened(x)
        codes[...] = wide.view(np.uint64)
        at = np.flatnonzero(~np.isfinite(wide) | (wide == 0))
        if not at.size:
            return 0
        marks = np.empty(at.size, codes.dtype)
        flags = self._store_codes(encode_specials(self.conv, wide[at]), marks)
        codes[at] = marks
        return flags

    def _store_codes(self, marks: list[int], codes: Array) -> int:
        flags = 0
        for i, mark in enumerate(marks):
            flags |= -mark if mark < 0 else 0
            codes[i] = max(mark, 0)
        return flags

    def _runtime_kernel(self) -> Callable[[Array, Array], int]:
        if self.conv.fmt == _binary64() and self.conv.policy.negative == "overflow":
            return self._copy_binary64
        from ._kernels import floating, integer
        from ._kernels._jit import bind

        bits = self.source.itemsize * 8
        if self.layout is not None:
            if self._source_is_wide_enough():
                run = bind(floating.make_encode, bits, self.code_bytes)
                p = np.array(self.layout, np.int64)
                return lambda x, codes: int(run(x, codes, p, 0, _EMPTY, 1, 0, 0))
            wider = self._wider_plan()
            if wider is not None:
                return lambda x, codes: wider.run(_widened(x), codes)
        p_integer = self._integer_parameters()
        if p_integer is not None:
            run = bind(integer.make_encode_integer, bits, self.code_bytes)
            return lambda x, codes: int(run(x, codes, p_integer, 0, _EMPTY, 1, 0, 0))
        return self._string_kernel(bound=False) or self._position_kernel() or self._table_kernel()

    def _source_is_wide_enough(self) -> bool:
        assert self.layout is not None
        # The kernel neither lengthens a significand nor normalises a subnormal source, so the target must not have a
        # longer mantissa or a lower lowest binade than the source.
        mantissa, lowest = (52, -1022) if self.source.itemsize == 8 else (23, -126)
        # (Without subnormals of its own the target must start above the source's.)
        return self.layout[0] <= mantissa and self.layout[1] >= lowest + int(not self.layout[4])

    def _wider_plan(self) -> EncodePlan | None:
        """The binary64 plan of a float format that binary32 sources do not suit, if the kernel can take that."""
        wider = (
            encode_plan(self.conv.fmt, self.conv.policy, np.dtype(np.float64)) if self.source.itemsize == 4 else None
        )
        return wider if wider is not None and wider._source_is_wide_enough() else None

    def _integer_parameters(self) -> Array | None:
        fmt, special, policy = self.conv.fmt, self.conv.specials, self.conv.policy
        if not isinstance(fmt, IntFormat) or policy.negative != "overflow" or not policy.keep_minus_zero:
            return None
        if policy.overflow is Overflow.WRAP and fmt.sign_magnitude:
            return None
        return np.array(
            [
                fmt.frac_bits,
                fmt.min_int,
                fmt.max_int,
                fmt.bits,
                int(fmt.sign_magnitude),
                int(policy.overflow is Overflow.WRAP),
                policy.rounding.value,
                special.nan_pos,
                special.nan_neg,
                special.inf_pos,
                special.inf_neg,
                int(special.over_pos < 0),
                int(special.over_neg < 0),
            ],
            np.int64,
        )

    def _string_kernel(self, *, bound: bool) -> Callable[[Array, Array], int] | None:
        """Posits and linear takums, rounded on their encoding strings."""
        fmt, special, policy = self.conv.fmt, self.conv.specials, self.conv.policy
        if not isinstance(fmt, (PositFormat, TakumFormat)) or policy.rounding.is_stochastic:
            return None
        if special.nan_pos != special.nan_neg:
            return None
        from ._kernels import posit, takum
        from ._kernels._jit import bind

        bits = self.source.itemsize * 8
        ordinary = isinstance(fmt, PositFormat) and (fmt.bits - 2) << fmt.es <= 126
        if bits == 32 and not ordinary:
            # Subnormal binary32 sources are ordinary numbers here: widen them first (exact).
            wide = encode_plan(fmt, policy, np.dtype(np.float64))
            return lambda x, codes: wide.run(_widened(x), codes)
        codes = (policy.rounding.value, special.inf_pos, special.inf_neg, special.nan_pos)
        factories: tuple[Callable[..., Any], Callable[..., Any]]
        if isinstance(fmt, PositFormat):
            parameters: tuple[int, ...] = (fmt.bits, fmt.es, *codes)
            factories = posit.make_encode_posit, posit.make_encode_posit_runtime
        else:
            parameters, factories = (fmt.bits, *codes), (takum.make_encode_takum, takum.make_encode_takum_runtime)
        if bound:
            run: Callable[[Array, Array], int] = bind(factories[0], bits, self.code_bytes, *parameters)
            return run
        generic, p = bind(factories[1], bits, self.code_bytes), np.array(parameters, np.int64)
        return lambda x, codes: int(generic(x, codes, p))

    def _position_kernel(self) -> Callable[[Array, Array], int] | None:
        """Logarithmic formats: the position on the code line, decided exactly where it is in doubt."""
        if not has_positions(self.conv):
            return None
        return lambda x, codes: self._store(encode_positions(self.conv, _widened(x)), codes)

    def _table_kernel(self) -> Callable[[Array, Array], int]:
        if not has_steps(self.conv):
            return self._scalar
        from ._kernels import table
        from ._kernels._jit import bind

        run = bind(table.make_bisect, self.source.itemsize, self.code_bytes)
        steps, special = self.conv.steps, special_vector(self.conv)
        return lambda x, codes: int(run(x, codes, steps.thresholds, steps.codes, special))

    def _bound_integer(self) -> Callable[[Array, Array], int] | None:
        """Clamping integers whose range lies well inside the source's exponents."""
        parameters, bits = self._integer_parameters(), self.source.itemsize * 8
        if parameters is None or self.conv.policy.rounding.is_stochastic:
            return None
        if parameters[5] or (parameters[9:11] < 0).any() or parameters[11:].any():
            return None  # wrapping or refusing: the run-time kernel does that
        width, frac_bits = int(parameters[3]), int(parameters[0])
        if not -60 <= frac_bits <= 60 or width > (32 if bits == 64 else 24):
            return None
        from ._kernels import integer
        from ._kernels._jit import bind

        run: Callable[[Array, Array], int] = bind(
            integer.make_encode_integer_bound, bits, self.code_bytes, *map(int, parameters[:11])
        )
        return run

    def _bound_kernel(self) -> Callable[[Array, Array], int] | None:
        if isinstance(self.conv.fmt, IntFormat):
            return self._bound_integer()
        if isinstance(self.conv.fmt, (PositFormat, TakumFormat)):
            return self._string_kernel(bound=True)
        if self.layout is None or not self._source_is_wide_enough():
            return None
        from ._kernels import fast32, floating
        from ._kernels._jit import bind

        bits = self.source.itemsize * 8
        fast = _fast_parameters(self.layout) if bits == 32 else None
        if fast is None:
            run: Callable[[Array, Array], int] = bind(floating.make_encode_bound, bits, self.code_bytes, *self.layout)
            return run
        quick = bind(fast32.make_encode_fast, self.code_bytes, *fast)
        probe, slow = fast32.PROBE, self._runtime_kernel

        def encode(x: Array, codes: Array) -> int:
            flags: int = quick(x, codes, probe)
            return flags if flags >= 0 else slow()(x, codes)

        return encode

    # ---- stochastic ----------------------------------------------------------------------------------------------

    def run_stochastic(self, x: Array, codes: Array, source: RandomSource, shape: tuple[int, ...]) -> int:
        """Like `run`, with random bits for every element."""
        wider = self._wider_plan() if self.layout is not None and not self._source_is_wide_enough() else None
        if wider is not None:
            return wider.run_stochastic(_widened(x), codes, source, shape)
        self.seen += x.size
        small = x.size <= SMALL and self.seen <= SMALL_TOTAL
        kernel = None if small else self._stochastic_kernel_for(source)
        if kernel is None:
            given = random_integers(source, x.size, shape)
            if self.conv.fmt.bits <= TABLE_BITS and x.size > SMALL:
                return self._store(encode_stochastic(self.conv, _widened(x), given, source.width), codes)
            return self._store_codes(encode_scalars(self.conv, x, given, source.width), codes)
        if isinstance(source, RandomBits):
            given = random_integers(source, x.size, shape)
            return kernel(x, codes, 0, given, source.width, 0, 0)
        kind = 1 if isinstance(source, HashRandom) else 2
        flags = 0
        # One call stays within a block of 2**32 indices, where the hash keys are constant.
        at = 0
        while at < x.size:
            index = source.start + at
            count = min(x.size - at, (1 << 32) - index % (1 << 32))
            flags |= kernel(x[at : at + count], codes[at : at + count], kind, _EMPTY, source.width, source.seed, index)
            at += count
        return flags

    def _stochastic_kernel_for(self, source: RandomSource) -> Callable[..., int] | None:
        key = (type(source), source.width)
        if key not in self.stochastic:
            with _lock:
                self.stochastic[key] = self._stochastic_kernel(source)
        return self.stochastic[key]

    def _fast_stochastic(self, constants: tuple[int, ...]) -> Callable[..., int]:
        from ._kernels import fast32, floating
        from ._kernels._jit import bind

        quick = bind(fast32.make_encode_stochastic, self.code_bytes, *constants)
        p, probe = np.array(self.layout, np.int64), fast32.PROBE

        def encode(x: Array, codes: Array, kind: int, given: Array, width: int, seed: int, start: int) -> int:
            flags = int(quick(x, codes, probe, np.uint64(seed), np.uint64(start)))
            if flags < 0:
                slow = bind(floating.make_encode, 32, self.code_bytes)
                flags = int(slow(x, codes, p, kind, given, width, np.uint64(seed), np.uint64(start)))
            return flags

        return encode

    def _stochastic_kernel(self, source: RandomSource) -> Callable[..., int] | None:
        """A kernel taking (x, codes, kind, given, width, seed, start), or None."""
        if source.width > 32:
            return None
        from ._kernels import floating, integer
        from ._kernels._jit import bind

        bits = self.source.itemsize * 8
        if self.layout is not None and not self._source_is_wide_enough():
            return None
        if self.layout is not None:
            fast = _fast_parameters(self.layout) if bits == 32 else None
            if fast and self.conv.policy.rounding is Rounding.STOCHASTIC_A and isinstance(source, HashRandom):
                *head, _mode, zero_neg = fast[:6]
                return self._fast_stochastic((*head, source.width, zero_neg, *fast[6:]))
            run = bind(floating.make_encode, bits, self.code_bytes)
            p: Array = np.array(self.layout, np.int64)
        else:
            parameters = self._integer_parameters()
            if parameters is None:
                return None
            run, p = bind(integer.make_encode_integer, bits, self.code_bytes), parameters
        return lambda x, codes, kind, given, width, seed, start: int(
            run(x, codes, p, kind, given, width, np.uint64(seed), np.uint64(start))
        )


def encode_plan(fmt: Format, policy: Policy, source: np.dtype[Any]) -> EncodePlan:
    """The shared plan of a format, policy and source dtype (float32 or float64)."""
    plans: dict[Any, EncodePlan] = fmt.__dict__.setdefault("_encode_plans", {})
    key = (policy, source)
    plan = plans.get(key)
    if plan is None:
        with _lock:
            plan = plans.setdefault(key, EncodePlan(conversion(fmt, policy), source))
    return plan


class Decoder:
    """Decodes flat arrays of legal codes of one format to float32 or float64."""

    def __init__(self, fmt: Format, dtype: np.dtype[Any]) -> None:
        self.fmt, self.dtype = fmt, dtype
        self.table: Array | None = None
        if fmt.bits <= TABLE_BITS:
            entries = 256 if fmt.bits <= 8 else 65536
            self.table = np.zeros(entries, dtype)
            with np.errstate(over="ignore"):
                self.table[: fmt.code_count] = _narrowed(fmt, dtype)
        self.lookup: Callable[[Array, Array, Array], int] | None = None

    def run(self, codes: Array, values: Array) -> None:
        """Write the values of flat `codes`."""
        if self.table is None:
            values[...] = _decode_wide(self.fmt, codes, self.dtype)
            return
        lookup = self.lookup
        if lookup is None:
            if codes.size <= 4096 or values.dtype.itemsize < 4:
                np.take(self.table, codes, out=values, mode="clip")
                return
            from ._kernels import table
            from ._kernels._jit import bind

            lookup = self.lookup = bind(table.make_lookup, self.fmt.code_dtype.itemsize, self.dtype.itemsize)
        lookup(codes, self.table, values)


def _narrowed(fmt: Format, dtype: np.dtype[Any]) -> Array:
    """The value table in `dtype`, each entry rounded once from the exact value."""
    table = fmt.table.astype(dtype)
    if fmt.exact or dtype == np.float64:
        # binary64 holds the value exactly or is itself the target; a second rounding needs an inexact first one.
        return table
    # An irrational value was rounded to binary64 already: rounding again can err only where that landed on a tie.
    wide = fmt.table
    with np.errstate(over="ignore", invalid="ignore"):
        towards = np.where(np.abs(wide) < np.abs(table), -np.inf, np.inf) * np.sign(wide)
        other = np.nextafter(table, towards.astype(dtype)).astype(np.float64)
        ties = np.abs(wide - table) == np.abs(other - wide)
    for code in np.flatnonzero(ties & np.isfinite(wide) & (wide != table)):
        table[code] = _round_real(fmt, int(code), dtype)
    return table


def _round_real(fmt: Format, code: int, dtype: np.dtype[Any]) -> float:
    unpacked = fmt.value_of(code)
    if not unpacked.is_finite or unpacked.significand == 0:
        return float(unpacked)
    from .formats.registry import scalar as get

    name = {2: "binary16", 4: "binary32"}[dtype.itemsize]
    target = get(name)
    policy = Policy(Rounding.NEAREST_EVEN, Overflow.NONSATURATING, target.default_nan)
    # value_of carries 128 bits of an irrational number: no binary32 tie can be that close (the tables are checked).
    return float(target.value_of(conversion(target, policy).encode_exact(unpacked)))


def _decode_wide(fmt: Format, codes: Array, dtype: np.dtype[Any]) -> Array:
    if isinstance(fmt, FloatFormat) and fmt.specials is Specials.IEEE and fmt.signed and fmt.subnormals:
        # A binary32 or binary64 cut short: the missing mantissa bits are zeros.
        if (fmt.E, fmt.bias) == (8, 127) and fmt.M <= 23 and dtype.itemsize == 4:
            return (codes << np.uint32(23 - fmt.M)).view(np.float32)
        if (fmt.E, fmt.bias, fmt.M) == (11, 1023, 52) and dtype.itemsize == 8:
            return codes.view(np.float64)
    values = fmt.decode_array(codes)
    if values is None:
        from .formats.real import nearest_binary64

        values = np.empty(codes.size)
        for i, code in enumerate(codes.tolist()):
            unpacked = fmt.value_of(code)
            finite = unpacked.is_finite and unpacked.significand
            values[i] = nearest_binary64(fmt.real_of(code)) if finite else float(unpacked)
    with np.errstate(over="ignore"):
        return values.astype(dtype)


def decoder(fmt: Format, dtype: np.dtype[Any]) -> Decoder:
    """The shared decoder of a format and output dtype."""
    decoders: dict[Any, Decoder] = fmt.__dict__.setdefault("_decoders", {})
    found = decoders.get(dtype)
    if found is None:
        with _lock:
            found = decoders.setdefault(dtype, Decoder(fmt, dtype))
    return found


class QuantizePlan:
    """Fake-quantizes flat float32 arrays in one pass; made only where the fast kernel applies."""

    def __init__(self, fmt: Format, policy: Policy) -> None:
        self.plan = encode_plan(fmt, policy, np.dtype(np.float32))
        layout = self.plan.layout
        fast = _fast_parameters(layout) if layout is not None else None
        self.constants: tuple[int, ...] | None = None
        if fast is not None and fmt.value_dtype == np.float32 and fmt.bits <= TABLE_BITS:
            mantissa, low, largest, sign, mode, *codes = fast
            patterns = np.array(fmt.table, np.float32).view(np.uint32)
            self.constants = (mantissa, low, largest, sign, mode, *(int(patterns[c]) if c >= 0 else c for c in codes))
        self.kernel: Callable[[Array, Array, Array], int] | None = None
        self.seen = 0

    def run(self, x: Array, y: Array) -> int | None:
        """Flags as in `EncodePlan.run`, or None when the caller must encode and decode."""
        if self.constants is None:
            return None
        if self.kernel is None:
            self.seen += x.size
            if self.seen <= BIND_AFTER:
                return None
            self.bind()
        flags = self.fast(x, y)
        return None if flags < 0 else flags

    @property
    def bound(self) -> bool:
        """Whether the kernel is there."""
        return self.kernel is not None

    def fast(self, x: Array, y: Array) -> int:
        """Flags, or -1 (nothing written) under a changed floating-point environment."""
        assert self.kernel is not None
        return int(self.kernel(x, y, self.probe))

    def bind(self) -> None:
        """Compile (or load) the kernel."""
        from ._kernels import fast32
        from ._kernels._jit import bind

        assert self.constants is not None
        self.probe = fast32.PROBE
        self.kernel = bind(fast32.make_quantize_fast, *self.constants)


def quantize_plan(fmt: Format, policy: Policy) -> QuantizePlan:
    """The shared fake-quantize plan of a format and policy, for float32 data."""
    plans: dict[Any, QuantizePlan] = fmt.__dict__.setdefault("_quantize_plans", {})
    plan = plans.get(policy)
    if plan is None:
        with _lock:
            plan = plans.setdefault(policy, QuantizePlan(fmt, policy))
    return plan
