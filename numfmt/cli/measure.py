"""What formats do to tensors: the figures of `numfmt report`, accumulated chunk by chunk.

A format of at most 8 bits is of no use on raw data, so a tensor may be scaled: measured is x -> s * Q(x / s) with one s
for the whole tensor. `pow2` takes the smallest power of two s that brings the tensor's largest magnitude to at most the
top of the format's most precise octave: the largest value of floats, integers and codebooks, a number near 1 of tapered
formats (posits, takums, HiFloat8), whose precision is there. Scaling by a power of two rounds nothing. `absmax` takes
s = largest magnitude / that same number, as in absmax quantization.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .. import BlockFormat, Format, quantize
from .files import Tensor
from .options import Rules

__all__ = [
    "COUNTS",
    "Chunk",
    "Figures",
    "Scale",
    "Spread",
    "Sums",
    "chunks",
    "native",
    "scale_of",
    "scale_rule",
    "scale_target",
    "unit_of",
]

#: What is counted, with the meaning it has in `numfmt.ConversionReport`.
COUNTS = ("elements", "saturated", "overflowed", "flushed", "subnormal", "nan")


class Scale(Enum):
    """Rule for the one scale of a tensor."""

    AUTO = "auto"  # pow2 for at most 8 bits, none above
    NONE = "none"
    POW2 = "pow2"
    ABSMAX = "absmax"


def scale_rule(fmt: Format, scale: Scale) -> Scale:
    """The rule that AUTO means for `fmt`."""
    if scale is not Scale.AUTO:
        return scale
    return Scale.POW2 if fmt.bits <= 8 else Scale.NONE


def _binary64(x: Any) -> float:
    """A fact of a format as a float; infinite where it lies beyond them, as the widest P3109 formats do."""
    try:
        return float(x)
    except OverflowError:
        return math.inf if x > 0 else -math.inf


def scale_target(fmt: Format) -> float:
    """Top of the highest octave (max/2, max], (max/4, max/2], ... that holds the most values.

    >>> import numfmt as nf
    >>> [scale_target(nf.get(name)) for name in ("fp8_e4m3fn", "int8", "nf4", "posit8", "hif8")]
    [448.0, 127.0, 1.0, 16.0, 16.0]
    """
    if fmt.bits > 16:
        return _binary64(fmt.max)
    values = np.unique(fmt.table[np.isfinite(fmt.table) & (fmt.table > 0)])
    # Octave k is max * (2**-(k+1), 2**-k]; frexp takes x/max in (1/2, 1] to exponents 0 (and 1 for exactly 1).
    mantissa, exponent = np.frexp(values / values[-1])
    octave = -(exponent - (mantissa == 0.5))
    return math.ldexp(float(values[-1]), -int(np.argmax(np.bincount(octave))))


@dataclass
class Spread:
    """Extremes of a tensor: what a scale depends on."""

    largest: float = 0.0
    smallest: float = math.inf
    nan: int = 0
    infinite: int = 0

    def add(self, x: npt.NDArray[Any]) -> None:
        """Take in a chunk of native floats."""
        magnitudes = np.abs(x)
        finite = np.isfinite(magnitudes)
        if not finite.all():
            nan = int(np.count_nonzero(np.isnan(x)))
            self.nan += nan
            self.infinite += int(finite.size - np.count_nonzero(finite)) - nan
            magnitudes = magnitudes[finite]
        self.largest = max(self.largest, float(magnitudes.max(initial=0.0)))
        self.smallest = min(self.smallest, float(magnitudes.min(where=magnitudes > 0, initial=np.inf)))


def scale_of(fmt: Format, rule: Scale, spread: Spread) -> float:
    """The scale s of a tensor under POW2, ABSMAX or NONE."""
    if rule is Scale.NONE or spread.largest == 0:
        return 1.0
    target = scale_target(fmt)
    if rule is Scale.ABSMAX:
        return spread.largest / target
    # largest/target lies in (2**(e-1), 2**e], so 2**e is the smallest power of two that is large enough.
    mantissa, exponent = math.frexp(spread.largest / target)
    return math.ldexp(1.0, exponent - (mantissa == 0.5))


def chunks(tensor: Tensor) -> Iterator[npt.NDArray[Any]]:
    """The real numbers of a tensor as native float32 or float64 arrays, whichever holds them exactly."""
    for stored in tensor.stored_pieces():
        yield native(tensor.reals(stored))


def native(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Real numbers in native float32 or float64, whichever holds their dtype exactly."""
    narrow = x.dtype.itemsize <= (4 if x.dtype.kind == "f" else 2)
    return x.astype(np.float32 if narrow else np.float64, copy=False)


def _scaled(x: npt.NDArray[Any], scale: float, spread: Spread) -> npt.NDArray[Any]:
    """``x / scale``, in binary64 unless binary32 is exact too."""
    if scale == 1.0:
        return x
    factor = 1.0 / scale
    is_power = math.frexp(scale)[0] == 0.5
    ends = factor, spread.smallest * factor, spread.largest * factor
    # In this range a power of two only moves the binary32 exponent.
    if x.dtype == np.float32 and is_power and all(2.0**-126 <= end < 2.0**127 for end in ends):
        return x * np.float32(factor)
    return np.asarray(x.astype(np.float64) * factor if is_power else x.astype(np.float64) / scale)


def unit_of(spread: Spread) -> float:
    """The inverse of a power of two near the largest magnitude: multiplied with it, no square overflows."""
    return math.ldexp(1.0, -math.frexp(spread.largest)[1]) if spread.largest else 1.0


class Measured(Protocol):
    """What is known of one format on one tensor."""

    @property
    def counts(self) -> dict[str, int]: ...
    @property
    def signal(self) -> float: ...
    @property
    def noise(self) -> float: ...
    @property
    def max_rel_error(self) -> float: ...
    @property
    def scales(self) -> list[float]: ...


class Chunk:
    """A piece of a tensor, with what every format needs of it worked out once."""

    def __init__(self, x: npt.NDArray[Any], spread: Spread, at: int = 0) -> None:
        self.x, self.at = x, at
        self.unit = unit_of(spread)
        self.wide = x.astype(np.float64) * self.unit
        self.nonzero = x != 0
        self.finite = np.isfinite(x) if spread.nan or spread.infinite else None
        #: Divisor of relative errors, which makes those of zeros 0.
        self.magnitude = np.where(self.nonzero, np.abs(self.wide), np.inf)


def _power(x: npt.NDArray[Any]) -> float:
    """Sum of squares; not by BLAS, whose threads cost more than they save on a chunk."""
    return float(np.square(x).sum())


class Sums:
    """What one format does to one tensor under one scale and given rules, accumulated chunk by chunk."""

    def __init__(self, fmt: Format, scale: float, spread: Spread, rules: Rules) -> None:
        self.fmt, self.scale, self.spread = fmt, scale, spread
        self.scales = [scale]
        self.counts = dict.fromkeys(COUNTS, 0)
        self.signal = self.noise = self.max_rel_error = 0.0
        self.low, self.high, self.normal = (_binary64(x) for x in (fmt.min, fmt.max, fmt.smallest_normal))
        self.fits = not spread.infinite and spread.largest / scale <= min(self.high, -self.low)
        self.rules = rules
        if spread.nan and not fmt.has_nan and rules.nan is None:
            # A report counts the NaN of a format that has none instead of failing; their code is irrelevant.
            self.rules = replace(rules, nan="max")

    def add(self, chunk: Chunk) -> None:
        """Quantize one chunk and take in what happened."""
        scaled = _scaled(chunk.x, self.scale, self.spread)
        if self.fmt.value_dtype != np.float32:  # binary32 would round the format's own values
            scaled = scaled.astype(np.float64)
        y = quantize(scaled, self.fmt, **self.rules.options(chunk.at))
        is_zero = y == 0
        self._count("elements", y.size)
        self._count("flushed", np.count_nonzero(is_zero & chunk.nonzero))
        self._count("subnormal", np.count_nonzero(np.abs(y) < self.normal) - np.count_nonzero(is_zero))
        x, magnitude, wide = chunk.wide, chunk.magnitude, y.astype(np.float64)
        if not self.fits:
            finite = np.isfinite(y)
            self._count("saturated", np.count_nonzero(((scaled > self.high) | (scaled < self.low)) & finite))
            self._count("overflowed", np.count_nonzero(~finite & ~np.isnan(scaled) & (scaled != y)))
        if chunk.finite is not None or not self.fits:
            use = np.isfinite(scaled) & np.isfinite(y)
            x, magnitude, wide = x[use], magnitude[use], wide[use]
        if chunk.finite is not None:
            self._count("nan", np.count_nonzero(np.isnan(scaled)))
        wide *= self.scale * chunk.unit
        np.subtract(x, wide, out=wide)
        self.signal += _power(x)
        self.noise += _power(wide)
        wide /= magnitude
        self.max_rel_error = max(self.max_rel_error, float(wide.max(initial=0.0)), -float(wide.min(initial=0.0)))

    def _count(self, name: str, count: int | np.intp) -> None:
        self.counts[name] += int(count)


@dataclass
class Figures:
    """What a format did to a group of tensors.

    Noise is taken relative to each tensor's own power and averaged over elements, so that a tensor of small numbers
    counts like one of large numbers; for a single tensor this is the usual signal to noise ratio.
    """

    fmt: Format | BlockFormat
    #: Where scales come from: a `Scale`, or "block".
    rule: str
    #: Names of counts that have no meaning for the format.
    unknown: frozenset[str] = frozenset()
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    max_rel_error: float = 0.0
    scales: list[float] = field(default_factory=list)
    _weighted_noise: float = 0.0
    _weight: int = 0

    def add(self, sums: Measured) -> None:
        """Take in one tensor."""
        for name, count in sums.counts.items():
            self.counts[name] += count
        self.max_rel_error = max(self.max_rel_error, sums.max_rel_error)
        self.scales += sums.scales
        if sums.signal:
            self._weighted_noise += sums.counts["elements"] * (sums.noise / sums.signal)
            self._weight += sums.counts["elements"]

    @property
    def sqnr_db(self) -> float:
        """10 log10 of signal over noise; infinite when nothing was rounded, NaN when there is no signal."""
        if not self._weight:
            return math.nan
        noise = self._weighted_noise / self._weight
        return -10 * math.log10(noise) if noise else math.inf

    def share(self, name: str) -> float:
        """A count as a share of all elements; NaN where it has no meaning."""
        if name in self.unknown:
            return math.nan
        return self.counts[name] / self.counts["elements"]
