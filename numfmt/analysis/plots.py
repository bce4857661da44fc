"""Pictures of formats: number lines and decimal-accuracy curves. Each draws on `ax` and returns it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from .. import Format, decode, get, quantize
from ..errors import ArgumentError, FormatMismatchError
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
    """Write each format's name on its curve, at the octave where it is farthest from the others and their names."""
    # In units of the axes' width and height, so that distances are those of the picture.
    across = (octaves - octaves[0] + 0.5) / octaves.size
    up = curves / ax.get_ylim()[1]
    placed: list[tuple[float, float]] = []
    lines = ax.lines[len(ax.lines) - len(found) :]
    for i, fmt in enumerate(found):
        best, spot, slope = -1.0, (0.5, 0.02), 0.0  # stays there when the curve lies outside the picture
        for at in np.flatnonzero(np.isfinite(up[i])):
            if not 0.07 <= across[at] <= 0.93:
                continue
            here = (across[at], up[i, at])
            near = np.abs(across - here[0]) < 0.07  # half the width of a name
            others = np.abs(np.delete(up, i, axis=0)[:, near] - here[1])
            room = float(np.nanmin(others, initial=0.15))
            for right, top in placed:
                room = min(room, max(abs(right - here[0]) / 2, abs(top - here[1])))
            if room > best:
                ends = up[i, max(at - 1, 0) : at + 2]
                best, spot, slope = room, here, float(ends[-1] - ends[0])
        placed.append(spot)
        # Above a level stretch, on the free side of a slope.
        side = 0 if not math.isfinite(slope) or abs(slope) < 0.02 else int(math.copysign(1, slope))
        ax.annotate(
            fmt.name,
            spot,
            xycoords="axes fraction",
            xytext=(-5 * side, 3),
            textcoords="offset points",
            ha=("center", "right", "left")[side],
            va="bottom",
            fontsize=9,
            color=lines[i].get_color(),
        )
