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
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import ConversionReport, Format, quantize
from .._report import ReportSums
from .files import CHUNK, Tensor

__all__ = ["Figures", "Scale", "Spread", "scale_of", "scale_rule", "scale_target", "sums_of"]


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


def scale_target(fmt: Format) -> float:
    """Top of the highest octave (max/2, max], (max/4, max/2], ... that holds the most values.

    >>> import numfmt as nf
    >>> [scale_target(nf.get(name)) for name in ("fp8_e4m3fn", "int8", "nf4", "posit8", "hif8")]
    [448.0, 127.0, 1.0, 16.0, 16.0]
    """
    if fmt.bits > 16:
        return float(fmt.max)
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

    def add(self, x: npt.NDArray[Any]) -> None:
        """Take in a chunk of native floats."""
        magnitudes = np.abs(x)
        finite = np.isfinite(magnitudes)
        if not finite.all():
            self.nan += int(np.count_nonzero(np.isnan(x)))
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
    stored = tensor.flat()
    for at in range(0, stored.size, CHUNK):
        x = tensor.reals(stored[at : at + CHUNK])
        narrow = x.dtype.itemsize <= (4 if x.dtype.kind == "f" else 2)
        yield x.astype(np.float32 if narrow else np.float64)


def _scaled(x: npt.NDArray[Any], scale: float, spread: Spread) -> npt.NDArray[Any]:
    """``x / scale``, in binary64 unless binary32 is exact too."""
    if scale == 1.0:
        return x
    factor = 1.0 / scale
    is_power = math.frexp(scale)[0] == 0.5
    low, high = spread.smallest * factor, spread.largest * factor
    # In this range a power of two only moves the binary32 exponent.
    if x.dtype == np.float32 and is_power and low >= 2.0**-126 and high < 2.0**127:
        return x * np.float32(factor)
    return np.asarray(x.astype(np.float64) * factor if is_power else x.astype(np.float64) / scale)


def sums_of(fmt: Format, x: npt.NDArray[Any], scale: float, spread: Spread, sums: ReportSums) -> None:
    """Add what `fmt` does to one chunk, seen in the format's own scale."""
    scaled = _scaled(x, scale, spread)
    if fmt.value_dtype != np.float32:  # binary32 would round the format's own values
        scaled = scaled.astype(np.float64)
    # A report counts the NaN of a format that has none instead of failing; their code is irrelevant.
    nan = "max" if spread.nan and not fmt.has_nan else None
    sums.add(scaled, quantize(scaled, fmt, nan=nan))


@dataclass
class Figures:
    """What a format did to a group of tensors.

    Noise is taken relative to each tensor's own power and averaged over elements, so that a tensor of small numbers
    counts like one of large numbers; for a single tensor this is the usual signal to noise ratio.
    """

    fmt: Format
    rule: Scale
    elements: int = 0
    saturated: int = 0
    overflowed: int = 0
    flushed: int = 0
    subnormal: int = 0
    nan: int = 0
    max_rel_error: float = 0.0
    _weighted_noise: float = 0.0
    _weight: int = 0
    scales: list[float] = field(default_factory=list)

    def add(self, report: ConversionReport, scale: float) -> None:
        """Take in the report of one tensor, made under `scale`."""
        for name in ("elements", "saturated", "overflowed", "flushed", "subnormal", "nan"):
            setattr(self, name, getattr(self, name) + getattr(report, name))
        self.max_rel_error = max(self.max_rel_error, report.max_rel_error)
        self.scales.append(scale)
        if not math.isnan(report.sqnr_db):
            self._weighted_noise += report.elements * 10.0 ** (-report.sqnr_db / 10)
            self._weight += report.elements

    @property
    def sqnr_db(self) -> float:
        """10 log10 of signal over noise; infinite when nothing was rounded, NaN when there is no signal."""
        if not self._weight:
            return math.nan
        noise = self._weighted_noise / self._weight
        return -10 * math.log10(noise) if noise else math.inf

    def share(self, name: str) -> float:
        """A count as a share of all elements."""
        return float(getattr(self, name)) / self.elements if self.elements else 0.0
