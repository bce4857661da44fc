"""Compiled plans of block formats: which kernel runs on what, and what goes back to the NumPy definition.

Every plan works on C-contiguous binary32 with consecutive blocks, nearest even, saturating. What a kernel will not do
(blocks with NaN or infinity, extreme maxima, a changed floating-point environment) goes back to the NumPy definition,
block by block or as a whole, so that plans change speed and never bits.
"""

from __future__ import annotations

import math
import threading
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ._blocks.arithmetic import LANES, lanes_total
from ._blocks.encoding import Blocks
from ._blocks.scales import decode_codes, encode_values, largest_element
from ._blocks.schemes import narrowed, scheme_of
from .formats.base import Format
from .formats.block import BlockFormat
from .formats.exponent import ExponentFormat
from .formats.floating import FloatFormat

__all__ = ["DecodePlan", "IntegerPlan", "LevelPlan", "Plan", "PowerPlan", "TernaryPlan"]

Array = npt.NDArray[Any]
#: Elements through the NumPy definition before a kernel is compiled.
COMPILE_AFTER = 1 << 18
_INFINITY = 0x7F800000
lock = threading.RLock()


def _bind(name: str, factory: str, *constants: int) -> Any:
    from importlib import import_module

    from ._kernels._jit import bind

    return bind(getattr(import_module(f"._kernels.{name}", __package__), factory), *constants)


def _probe() -> Array:
    from ._kernels.fast32 import PROBE

    return np.asarray(PROBE)


def _flat(x: Array) -> Array:
    return x.reshape(-1)


class Plan:
    """Encodes and fake-quantizes one (format, policy); subclasses hold the kernels."""

    def __init__(self, fmt: BlockFormat) -> None:
        self.fmt = fmt
        self.seen = 0
        self.ready = False

    def accepts(self, call: Any) -> bool:
        """Whether this call's data suits, and enough has been seen to pay for a compilation."""
        if not (call.single and call.blocking.in_place and call.x.flags.carray and call.x.size):
            return False
        self.seen += call.x.size
        if not self.ready and self.seen > COMPILE_AFTER:
            self.compile()
        return self.ready

    def compile(self) -> None:
        """Make the kernels."""
        with lock:
            if not self.ready:
                self.bind()
                self.ready = True

    def bind(self) -> None:
        """Get the kernels from `bind`."""
        raise NotImplementedError

    def encode(self, call: Any) -> Blocks | None:
        """Codes and scales, or None when the NumPy definition must do it."""
        raise NotImplementedError

    def quantize(self, call: Any, y: Array) -> bool:
        """Write the rounded values; False when the NumPy definition must do it."""
        raise NotImplementedError


class PowerPlan(Plan):
    """Elements of at most 8 bits under a power-of-two scale from an exponent rule."""

    def __init__(self, fmt: BlockFormat, constants: tuple[int, ...], limit: int) -> None:
        super().__init__(fmt)
        self.constants, self.limit = constants, limit

    def bind(self) -> None:
        assert isinstance(self.fmt.scale, ExponentFormat)
        self._encode = _bind("blocks", "make_encode_blocks", *self.constants, self.fmt.scale.bias)
        self._quantize = _bind("blocks", "make_quantize_blocks", *self.constants, self.limit)

    def encode(self, call: Any) -> Blocks | None:
        count, size = call.blocking.count, call.blocking.size
        codes, scales, flags = np.empty(call.x.size, np.uint8), np.empty(count, np.uint8), np.empty(count, np.uint8)
        marked = self._encode(_flat(call.x), codes, scales, flags, np.uint64(size), _probe())
        if marked < 0:
            return None
        codes = codes.reshape(count, size)
        if marked:
            rows = np.flatnonzero(flags)
            blocks = self._exactly(call, rows)
            codes[rows], scales[rows] = blocks.codes, blocks.scales
        return Blocks(codes, scales)

    def _exactly(self, call: Any, rows: Array) -> Blocks:
        x = call.x.reshape(call.blocking.count, call.blocking.size)[rows].astype(np.float64)
        blocks: Blocks = scheme_of(self.fmt).encode(x, call.encoder(), call.tensor_scale, None)
        return blocks

    def quantize(self, call: Any, y: Array) -> bool:
        flags = np.empty(call.blocking.count, np.uint8)
        x = _flat(call.x)
        if np.may_share_memory(x, y):
            x = x.copy()
        marked = self._quantize(x, _flat(y), flags, np.uint64(call.blocking.size), _probe())
        if marked > 0:
            rows = np.flatnonzero(flags)
            blocks = self._exactly(call, rows)
            assert isinstance(self.fmt.scale, Format)
            values = decode_codes(blocks.codes, self.fmt.element)
            with np.errstate(invalid="ignore", over="ignore"):
                exact = values * decode_codes(blocks.scales, self.fmt.scale)[:, None]
            y.reshape(call.blocking.count, -1)[rows] = narrowed(exact, np.dtype(np.float32), self.fmt.name)
        return bool(marked >= 0)


class LevelPlan(Plan):
    """Elements of at most seven magnitudes under minifloat block scales, with or without a tensor scale."""

    def __init__(self, fmt: BlockFormat, scale: FloatFormat, kind: int, parameter: int) -> None:
        super().__init__(fmt)
        self.scale, self.kind, self.parameter = scale, kind, parameter
        self.levels, self.breakpoints, self.ties = element_levels(fmt.encoded_element)

    def bind(self) -> None:
        size = self.fmt.block_size or 0
        self._max = _bind("levels", "make_block_max")
        s = self.scale
        self._scales = _bind("levels", "make_minifloat_scales", s.mantissa_bits, 1 - s.bias, s.max_magnitude)
        self._encode = _bind("levels", "make_encode_levels", size, self.kind, self.parameter)
        self._quantize = _bind("levels", "make_quantize_levels", size, int(self.kind == 0))

    def scales_of(self, call: Any) -> tuple[Array, Array] | None:
        """Scale codes and values, the tensor scale included; None for data that is not finite."""
        count, size = call.blocking.count, np.uint64(call.blocking.size)
        highest, codes, values = np.empty(count, np.uint32), np.empty(count, np.uint8), np.empty(count)
        self._max(_flat(call.x), highest, size)
        if highest.max() >= _INFINITY:
            return None
        call.find_tensor_scale(float(highest.max().view(np.float32)))
        divisor = largest_element(self.fmt) * call.tensor_scale
        self._scales(highest, divisor, float(self.scale.max), codes, values)
        return codes, values * call.tensor_scale

    def encode(self, call: Any) -> Blocks | None:
        found = self.scales_of(call)
        if found is None:
            return None
        codes, size = np.empty(call.x.size, np.uint8), np.uint64(call.blocking.size)
        if self._encode(_flat(call.x), found[1], self.breakpoints, self.ties, codes, size, _probe()) < 0:
            return None
        return Blocks(codes.reshape(call.blocking.count, -1), found[0])

    def quantize(self, call: Any, y: Array) -> bool:
        found = self.scales_of(call)
        if found is None:
            return False
        x, size = _flat(call.x), np.uint64(call.blocking.size)
        arguments = (found[1], self.breakpoints, self.ties, self.levels)
        return bool(self._quantize(x, *arguments, _flat(y), size, _probe()) >= 0)


class IntegerPlan(Plan):
    """Symmetric integers of at most 8 bits under binary32 or binary16 scales, absmax rule, exact quotients."""

    def bind(self) -> None:
        self._max = _bind("levels", "make_block_max")
        self._encode = _bind("integers", "make_encode_integers", (1 << self.fmt.element.bits) - 1)
        self._quantize = _bind("integers", "make_quantize_integers")

    def scales_of(self, call: Any) -> tuple[Array, Array] | None:
        """Scale codes, and binary32 values with 1 in place of zero scales; None outside the kernel's range."""
        assert isinstance(self.fmt.scale, FloatFormat)
        highest = np.empty(call.blocking.count, np.uint32)
        self._max(_flat(call.x), highest, np.uint64(call.blocking.size))
        if highest.max() >= _INFINITY:
            return None
        # Neither quotient comes within 2**-52 of a tie of its scale format without being one: 24 by at most 7 bits.
        codes = encode_values(highest.view(np.float32).astype(np.float64) / largest_element(self.fmt), self.fmt.scale)
        values = decode_codes(codes, self.fmt.scale)
        used = values[highest != 0]
        low = max(float(self.fmt.scale.smallest_normal), 2.0**-100)
        high = min(float(self.fmt.scale.max), 2.0**100)
        if used.size and (used.min() < low or used.max() >= high):
            return None
        return codes, np.where(values == 0, 1.0, values).astype(np.float32)

    def encode(self, call: Any) -> Blocks | None:
        found = self.scales_of(call)
        if found is None:
            return None
        codes = np.empty(call.x.size, np.uint8)
        if self._encode(_flat(call.x), found[1], codes, np.uint64(call.blocking.size), _probe()) < 0:
            return None
        return Blocks(codes.reshape(call.blocking.count, -1), found[0])

    def quantize(self, call: Any, y: Array) -> bool:
        found = self.scales_of(call)
        if found is None:
            return False
        x = _flat(call.x)
        if np.may_share_memory(x, y):
            x = x.copy()  # a piece may be computed twice
        return bool(self._quantize(x, found[1], _flat(y), np.uint64(call.blocking.size), _probe()) >= 0)


class TernaryPlan(Plan):
    """Ternary with the mean magnitude as scale."""

    def bind(self) -> None:
        self._sums = _bind("integers", "make_lane_sums")
        self._encode = _bind("levels", "make_encode_ternary")
        self._quantize = _bind("levels", "make_quantize_ternary")

    def scales_of(self, call: Any) -> tuple[Array, Array] | None:
        """Scale codes and values; None for data that is not finite."""
        assert isinstance(self.fmt.scale, Format)
        lanes = np.zeros(call.blocking.count * LANES)
        self._sums(_flat(call.x), lanes, np.uint64(call.blocking.size))
        if not np.isfinite(lanes).all():
            return None
        mean = lanes_total(lanes.reshape(-1, LANES)) / call.blocking.size
        wanted = np.maximum(mean.astype(np.float32).astype(np.float64), np.float64(np.float32(1e-5)))
        codes = encode_values(wanted, self.fmt.scale)
        return codes, decode_codes(codes, self.fmt.scale)

    def encode(self, call: Any) -> Blocks | None:
        found = self.scales_of(call)
        if found is None:
            return None
        codes = np.empty(call.x.size, np.uint8)
        if self._encode(_flat(call.x), found[1], codes, np.uint64(call.blocking.size), _probe()) < 0:
            return None
        return Blocks(codes.reshape(call.blocking.count, -1), found[0])

    def quantize(self, call: Any, y: Array) -> bool:
        found = self.scales_of(call)
        if found is None:
            return False
        return bool(self._quantize(_flat(call.x), found[1], _flat(y), np.uint64(call.blocking.size), _probe()) >= 0)


def element_levels(element: Format) -> tuple[Array, Array, Array]:
    """Non-negative values, breakpoints between them, and whether a breakpoint itself belongs above, filled up to 8."""
    magnitudes = [c for c in map(int, element.ordered_codes) if not element.value_of(c).sign]
    values = [float(element.value_of(c).value) for c in magnitudes]
    middles = [float(Fraction(element.breakpoint(a, b))) for a, b in pairwise(magnitudes)]  # type: ignore[arg-type]
    ties = [a % 2 for a in magnitudes[:-1]]  # to the even code: up from an odd one
    missing = 8 - len(middles)
    return (
        np.array(values + [0.0] * (8 - len(values))),
        np.array(middles + [math.inf] * missing),
        np.array(ties + [0] * missing, np.int64),
    )


class DecodePlan:
    """Decodes rows of plain block formats to binary32."""

    def __init__(self, fmt: BlockFormat) -> None:
        element = fmt.element
        self.table = np.zeros(256 if element.bits <= 8 else 65536)
        self.table[: element.code_count] = element.table
        self.largest = float(np.abs(self.table[np.isfinite(self.table)]).max())
        self.kernel = _bind("levels", "make_decode_blocks", element.code_dtype.itemsize)

    def run(self, codes: Array, scales: Array, y: Array) -> bool:
        """Write the values of C-contiguous rows; False where a value might overflow binary32."""
        if self.largest * float(np.abs(scales[np.isfinite(scales)]).max(initial=0.0)) > 3e38:
            return False
        size = np.uint64(codes.size // max(scales.size, 1))
        self.kernel(codes.reshape(-1), self.table, scales, y.reshape(-1), size)
        return True
