"""Pictures of formats: number lines and decimal-accuracy curves. Each draws on `ax` and returns it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from .. import Format, decode, quantize
from ..errors import ArgumentError, FormatMismatchError
from ..formats import scalar as get
from .metrics import decimal_accuracy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["accuracy_curve", "number_line"]

#: Okabe and Ito's colours, distinct under every common colour blindness; their yellow is too pale for lines.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")

#: Sample points in each octave of an accuracy curve.
OCTAVE_POINTS = 256


def _new_axes(height: float) -> Axes:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("plots need matplotlib, which is not installed; pip install 'numfmt[plot]'") from error
    return plt.subplots(figsize=(9.0, height), layout="constrained")[1]


def _real_formats(formats: Sequence[Format | str]) -> list[Format]:
    found = [get(fmt) for fmt in formats]
    if not found:
        raise ArgumentError("give at least one format to draw, for example 'fp4_e2m1'")
    for fmt in found:
        if fmt.is_complex:
            raise FormatMismatchError(f"{fmt.name} is complex and has no place on a line of real numbers")
    return found


def _style(styles: Mapping[str, Mapping[str, Any]] | None, fmt: Format, i: int) -> dict[str, Any]:
    return {"color": PALETTE[i % len(PALETTE)], **(styles or {}).get(fmt.name, {})}


def number_line(
    *formats: Format | str,
    ax: Axes | None = None,
    axis: Literal["linear", "log2"] = "linear",
    normalize: bool = False,
    limits: tuple[float, float] | None = None,
    styles: Mapping[str, Mapping[str, Any]] | None = None,
) -> Axes:
    """Draw every finite value of each format as a tick on a line of its own, first format on top.

    Parameters
    ----------
    *formats : Format or str
        Real formats of at most 16 bits.
    ax : matplotlib Axes, optional
        Default: a new figure.
    axis : "linear" or "log2"
        "log2" shows the positive values only.
    normalize : bool
        Divide each format's values by its largest magnitude, so that every line ends at 1.
    limits : (float, float), optional
        Ends of the horizontal axis; default: all values.
    styles : mapping from format name to line properties, optional
        For example ``{"fp4_e2m1": {"color": "black"}}``, passed to `Axes.vlines`.

    Returns
    -------
    Axes

    >>> ax = number_line("fp4_e2m1", "int4")
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['fp4_e2m1', 'int4']
    """
    found = _real_formats(formats)
    if axis not in ("linear", "log2"):
        raise ArgumentError(f"axis must be 'linear' or 'log2', got {axis!r}")
    for fmt in found:
        if fmt.bits > 16:
            raise ArgumentError(f"{fmt.name} has {fmt.bits} bits: too many values to draw (at most 16 bits)")
    ax = _new_axes(0.9 + 0.42 * len(found)) if ax is None else ax
    for row, fmt in enumerate(found):
        width = 1.6 if fmt.bits <= 6 else 0.8
        values = np.unique(np.asarray(decode(np.array(fmt.ordered_codes, fmt.code_dtype), fmt), np.float64))
        if normalize:
            values = values / np.abs(values).max()
        if axis == "log2":
            values = values[values > 0]
        ax.hlines(row, values[0], values[-1], color="0.8", linewidth=0.8, zorder=1)
        ax.vlines(values, row - 0.3, row + 0.3, **{"linewidth": width, "zorder": 2, **_style(styles, fmt, row)})
    if axis == "log2":
        ax.set_xscale("log", base=2)
    if limits is not None:
        ax.set_xlim(limits)
    ax.set_yticks(range(len(found)), [fmt.name for fmt in found])
    ax.set_ylim(len(found) - 0.45, -0.55)
    ax.tick_params(axis="y", length=0)
    ax.spines[["left", "right", "top"]].set_visible(False)
    ax.set_xlabel("value / largest value" if normalize else "value")
    return ax


def accuracy_curve(
    *formats: Format | str,
    ax: Axes | None = None,
    low: float = 1e-8,
    high: float = 1e8,
    statistic: Literal["median", "worst"] = "median",
    styles: Mapping[str, Mapping[str, Any]] | None = None,
) -> Axes:
    """Draw the decimal accuracy of each format against the magnitude of the number it rounds.

    For each octave ``[2**k, 2**(k + 1))`` that meets ``[low, high]``, 256 positive numbers in geometric progression are
    rounded by the format's defaults; the curve joins their median (or smallest) decimal accuracy. It ends where numbers
    become zero, infinite or wrong by more than a factor of ten.

    Parameters
    ----------
    *formats : Format or str
    ax : matplotlib Axes, optional
        Default: a new figure.
    low, high : float
        Range of magnitudes, ``0 < low < high``.
    statistic : "median" or "worst"
    styles : mapping from format name to line properties, optional
        For example ``{"posit8_0": {"color": "black", "linestyle": "--"}}``, passed to `Axes.plot`.

    Returns
    -------
    Axes
        One line and one text label per format, in the order given.

    See Also
    --------
    numfmt.analysis.decimal_accuracy : The measure.

    >>> ax = accuracy_curve("fp8_e4m3fn", "posit8_2", low=2.0**-4, high=2.0**4)
    >>> [text.get_text() for text in ax.texts]
    ['fp8_e4m3fn', 'posit8_2']
    """
    found = _real_formats(formats)
    if not 0 < low < high < math.inf:
        raise ArgumentError(f"low and high must satisfy 0 < low < high, got {low} and {high}")
    if statistic not in ("median", "worst"):
        raise ArgumentError(f"statistic must be 'median' or 'worst', got {statistic!r}")
    octaves = np.arange(math.floor(math.log2(low)), math.ceil(math.log2(high)))
    # Off the powers of two, which most formats hold exactly.
    x = np.exp2(octaves[:, None] + (np.arange(OCTAVE_POINTS) + 0.5) / OCTAVE_POINTS)
    middles = np.exp2(octaves + 0.5)
    curves = np.empty((len(found), octaves.size))
    for i, fmt in enumerate(found):
        accuracy = decimal_accuracy(x, quantize(x, fmt))
        curve = np.median(accuracy, axis=1) if statistic == "median" else accuracy.min(axis=1)
        curves[i] = np.where((curve > 0) & np.isfinite(curve), curve, np.nan)
    ax = _new_axes(4.5) if ax is None else ax
    for i, fmt in enumerate(found):
        ax.plot(middles, curves[i], **{"linewidth": 1.8, "label": fmt.name, **_style(styles, fmt, i)})
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    ax.set_ylim(0, 1.12 * np.nanmax(curves, initial=1.0))
    ax.set_xlabel("magnitude of the number rounded")
    ax.set_ylabel("decimal accuracy (digits)" if statistic == "median" else "worst decimal accuracy (digits)")
    ax.spines[["right", "top"]].set_visible(False)
    ax.grid(axis="y", color="0.9", linewidth=0.8)
    _label_curves(ax, found, octaves, curves)
    return ax


def _label_curves(ax: Axes, found: list[Format], octaves: npt.NDArray[Any], curves: npt.NDArray[np.float64]) -> None:
    """Write each format's name beside its curve, where no curve and no other name is in the way."""
    # In fractions of the axes' width and height, so that distances are those of the picture.
    first, last = np.log2(ax.get_xlim())
    middles = np.linspace(octaves[0], octaves[-1], 4 * octaves.size) + 0.5
    x = (middles - first) / (last - first)
    y = np.array([np.interp(middles, octaves + 0.5, curve) for curve in curves]) / ax.get_ylim()[1]
    extent = ax.get_window_extent()
    across, up = (float(pixels) * 72 / ax.figure.dpi for pixels in (extent.width, extent.height))  # in points
    high, gap_x, gap_y = 10 / up, 5 / across, 5 / up
    lines = ax.lines[len(ax.lines) - len(found) :]
    taken: list[tuple[float, float, float, float]] = []
    for i, fmt in enumerate(found):
        wide = 6 * len(fmt.name) / across
        best, left, bottom = -math.inf, 0.5 - wide / 2, 0.02  # there when the curve lies outside the picture
        for at in np.flatnonzero(np.isfinite(y[i])):
            # The other curves should be far from here, or the name could be theirs.
            room = float(np.nanmin(np.abs(np.delete(y[:, at], i) - y[i, at]), initial=0.2))
            for x0, y0 in (
                (x[at] - wide / 2, y[i, at] + gap_y),
                (x[at] - wide - gap_x, y[i, at] - high / 2),
                (x[at] + gap_x, y[i, at] - high / 2),
            ):
                x1, y1 = x0 + wide, y0 + high
                under = y[:, (x >= x0 - gap_x / 2) & (x <= x1 + gap_x / 2)]
                crossed = np.count_nonzero((under > y0 - gap_y / 2) & (under < y1 + gap_y / 2))
                hidden = sum(x0 < r and x1 > left_ and y0 < t and y1 > b for left_, b, r, t in taken)
                outside = x0 < 0 or x1 > 1 or y0 < gap_y
                score = room - 0.05 * crossed - 10 * hidden - 10 * outside
                if score > best:
                    best, left, bottom = score, float(x0), float(y0)
        taken.append((left, bottom, left + wide, bottom + high))
        ax.text(
            left + wide / 2,
            bottom,
            fmt.name,
            transform=ax.transAxes,
            ha="center",
            fontsize=9,
            color=lines[i].get_color(),
        )
