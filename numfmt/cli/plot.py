"""SQNR against bits per element, one panel per group; needs the extra ``plot`` (matplotlib)."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

from ..errors import ArgumentError
from .output import replacing
from .study import ALL, Study, width_class

__all__ = ["check_plot", "write_plot"]

_KINDS = (".png", ".svg", ".pdf")
_PANELS = 6
#: Least distance of two labels, as a share of the height of a panel.
_GAP = 0.036


def check_plot(path: Path) -> None:
    """Raise before any work is done when the plot cannot be made."""
    if path.suffix.lower() not in _KINDS:
        raise ArgumentError(f"--plot must end in {', '.join(_KINDS)}, got {path.name!r}")
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError:
        raise ArgumentError("--plot needs matplotlib; run: pip install 'numfmt[plot]'") from None


def _spread(heights: list[float], gap: float) -> list[float]:
    """Heights of labels, in the order of `heights`, moved as little as needed to lie `gap` apart."""
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    placed = list(heights)
    # Clusters of touching labels are centred on the mean of what they label.
    clusters: list[list[int]] = []

    def middle(cluster: list[int]) -> float:
        return sum(heights[i] for i in cluster) / len(cluster)

    for i in order:
        clusters.append([i])
        while len(clusters) > 1:
            above, below = clusters[-1], clusters[-2]
            if middle(above) - middle(below) >= gap * (len(above) + len(below)) / 2:
                break
            clusters[-2:] = [below + above]
    for cluster in clusters:
        base = middle(cluster) - gap * (len(cluster) - 1) / 2
        for k, i in enumerate(cluster):
            placed[i] = base + gap * k
    return placed


def _panel(axes: Any, study: Study, group: str, low: float, high: float) -> None:
    widths = sorted({width_class(fmt) for fmt in study.formats})
    for column, bits in enumerate(widths):
        points = [(f.name, study.figures[f.name][group].sqnr_db) for f in study.formats if width_class(f) == bits]
        points = [(name, min(value, high)) for name, value in points if not math.isnan(value) and value > -math.inf]
        labels = _spread([value for _, value in points], _GAP * (high - low))
        for (name, value), at in zip(points, labels, strict=True):
            axes.plot([column], [value], "o", color="C0", markersize=5, zorder=3)
            axes.plot([column + 0.06, column + 0.16], [value, at], "-", color="0.7", linewidth=0.7)
            axes.text(column + 0.18, at, name, fontsize=8, va="center")
    axes.set_xlim(-0.3, len(widths) - 0.1)
    axes.set_ylim(low, high)
    axes.set_xticks(range(len(widths)), [str(bits) for bits in widths])
    axes.set_xlabel("whole bits per element")
    axes.set_title(group if group != ALL else "all tensors", fontsize=11)
    axes.grid(axis="y", color="0.9")
    axes.spines[["top", "right"]].set_visible(False)


def write_plot(study: Study, path: Path) -> None:
    """Draw and write the picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    groups = study.groups[:_PANELS]
    values = [study.figures[f.name][g].sqnr_db for f in study.formats for g in groups]
    finite = [v for v in values if math.isfinite(v)] or [0.0]
    low, high = min(0.0, min(finite)) - 3, max(finite) + 5
    columns = len({width_class(fmt) for fmt in study.formats})
    figure = Figure(figsize=(max(4.0, 1.35 * columns) * len(groups) + 0.5, 6.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(groups), sharey=True, squeeze=False)[0]
    for axes, group in zip(panels, groups, strict=True):
        _panel(axes, study, group, low, high)
    panels[0].set_ylabel("SQNR, dB")
    figure.suptitle(f"Formats on {study.source}", fontsize=12)
    picture = io.BytesIO()
    figure.savefig(picture, format=path.suffix.lower()[1:], dpi=130)
    with replacing(path) as file:
        file.write(picture.getvalue())
