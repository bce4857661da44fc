"""What a conversion did to the data: counts and errors, computed from the input and the result."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from .formats.base import Format
from .formats.real import nearest_binary64

__all__ = ["ConversionReport", "conversion_report"]

_CHUNK = 1 << 18


@dataclass(frozen=True)
class ConversionReport:
    """Counts and errors of one conversion.

    Attributes
    ----------
    format : str
        Name of the format.
    elements : int
        Number of elements.
    saturated : int or None
        Elements beyond the format's range (infinities included) that became a finite value. None where a block format
        has no range per element: its blocks hold more than elements and scales.
    overflowed : int
        Elements that were not NaN and became infinity or NaN, unless they were that infinity already.
    flushed : int
        Non-zero elements that became zero.
    subnormal : int or None
        Non-zero results below the smallest normal number; None as above.
    nan : int
        NaN elements.
    mse : float
        Mean squared error over the elements finite before and after.
    sqnr_db : float
        10 log10 of signal power over error power, the same elements; infinite when nothing was rounded.
    max_abs_error, max_rel_error : float
        Largest absolute error, and largest error relative to the element (zeros left out).
    """

    format: str
    elements: int
    saturated: int | None
    overflowed: int
    flushed: int
    subnormal: int | None
    nan: int
    mse: float
    sqnr_db: float
    max_abs_error: float
    max_rel_error: float

    def as_dict(self) -> dict[str, Any]:
        """The fields as a dictionary of plain Python numbers."""
        return asdict(self)

    def __str__(self) -> str:
        counts = {
            "saturated": self.saturated,
            "overflowed": self.overflowed,
            "flushed to zero": self.flushed,
            "subnormal": self.subnormal,
            "NaN": self.nan,
        }
        shown = ", ".join(f"{count} {what}" for what, count in counts.items() if count is not None)
        return (
            f"{self.format}: {self.elements} elements, {shown}; SQNR {self.sqnr_db:.2f} dB, "
            f"MSE {self.mse:.3e}, largest error {self.max_abs_error:.3e} (relative {self.max_rel_error:.3e})"
        )


def nearest_float(value: Any) -> float:
    """`value` as binary64; facts of the widest formats are Fractions beyond its range."""
    return nearest_binary64(Fraction(value)) if isinstance(value, Fraction) else float(value)


class ReportSums:
    """Accumulates a report chunk by chunk, so that arrays larger than memory can be measured."""

    def __init__(self, fmt: Format, name: str | None = None) -> None:
        self.fmt = fmt
        self.name = name or fmt.name
        self.counts = np.zeros(6, np.int64)
        self.signal = self.noise = 0.0
        self.used = 0
        self.max_abs = self.max_rel = 0.0

    def add(self, x: npt.NDArray[Any], y: npt.NDArray[Any], unit: Any = 1.0, zero: Any = 0.0) -> None:
        """Count flat `x` and its converted values `y`; of a block format, with scale and zero point of each element."""
        with np.errstate(all="ignore"):
            x, y = x.astype(np.float64), y.astype(np.float64)
            low, high = ((nearest_float(v) - zero) * unit for v in (self.fmt.min, self.fmt.max))
            normal = nearest_float(self.fmt.smallest_normal) * unit
            nan, finite = np.isnan(x), np.isfinite(y)
            self.counts += np.array(
                (
                    x.size,
                    np.count_nonzero(((x > high) | (x < low)) & finite),
                    np.count_nonzero(~nan & ~finite & (x != y)),
                    np.count_nonzero((x != 0) & ~nan & (y == 0)),
                    np.count_nonzero((y != 0) & (np.abs(y) < normal)),
                    np.count_nonzero(nan),
                )
            )
            use = np.isfinite(x) & finite
            if not use.all():
                x, y = x[use], y[use]
            error = np.abs(x - y)
            self.used += x.size
            self.signal += float(np.square(x).sum())
            self.noise += float(np.square(error).sum())
            if x.size:
                self.max_abs = max(self.max_abs, float(error.max()))
                relative = error[x != 0] / np.abs(x[x != 0])
                self.max_rel = max(self.max_rel, float(relative.max(initial=0.0)))

    def report(self) -> ConversionReport:
        """The report of everything added."""
        with np.errstate(all="ignore"):
            sqnr = float(10 * np.log10(np.float64(self.signal) / self.noise)) if self.signal else float("nan")
            mse = self.noise / self.used if self.used else float("nan")
        elements, saturated, overflowed, flushed, subnormal, nan = self.counts.tolist()
        return ConversionReport(
            format=self.name,
            elements=elements,
            saturated=saturated,
            overflowed=overflowed,
            flushed=flushed,
            subnormal=subnormal,
            nan=nan,
            mse=mse,
            sqnr_db=float("inf") if self.noise == 0 else sqnr,
            max_abs_error=self.max_abs,
            max_rel_error=self.max_rel,
        )


def conversion_report(
    fmt: Format,
    x: npt.NDArray[Any],
    y: npt.NDArray[Any],
    unit: npt.NDArray[Any] | None = None,
    name: str | None = None,
    zero: npt.NDArray[Any] | None = None,
) -> ConversionReport:
    """The report of data `x` that became `y` in `fmt`.

    Block formats give their element format, their name, and the scale and zero point of every element.
    """
    sums = ReportSums(fmt, name)
    flat_x, flat_y = x.reshape(-1), y.reshape(-1)
    units, zeros = (None if part is None else part.reshape(-1) for part in (unit, zero))
    for at in range(0, flat_x.size, _CHUNK):
        part = slice(at, at + _CHUNK)
        scale, offset = 1.0 if units is None else units[part], 0.0 if zeros is None else zeros[part]
        sums.add(flat_x[part], flat_y[part], scale, offset)
    return sums.report()
