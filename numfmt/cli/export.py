"""The report as JSON, CSV and a self-contained HTML page."""

from __future__ import annotations

import csv
import io
import math
from html import escape
from typing import Any

from .. import __version__
from .measure import Figures
from .study import ALL, Study, rows_of, width_class

__all__ = ["csv_text", "html_text", "json_report"]


def json_report(study: Study) -> dict[str, Any]:
    """Everything that was measured, ready for JSON."""
    return {
        "numfmt": __version__,
        "source": study.source,
        "elements": study.elements,
        "tensors": [{"name": t.name, "dtype": t.dtype, "shape": list(t.shape)} for t in study.tensors],
        "skipped": [{"name": name, "reason": why} for name, why in study.skipped],
        "results": rows_of(study),
    }


def csv_text(study: Study) -> str:
    """One line per format and group."""
    out = io.StringIO()
    rows = rows_of(study)
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


_STYLE = """
:root { color-scheme: light dark; --line: #8884; --bar: #3b87dd33; --dim: #777; }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { vertical-align: bottom; } th:first-child, td:first-child, .left { text-align: left; }
tr.width td { border-top: 2px solid var(--line); } td.best { font-weight: 700; } p { color: var(--dim); }
.scroll { overflow-x: auto; }
"""


def _sqnr_cell(value: float, top: float, best: bool) -> str:
    share = 0 if not math.isfinite(value) else max(0.0, min(1.0, value / top if top > 0 else 0.0))
    bar = f"background:linear-gradient(90deg,var(--bar) {100 * share:.0f}%,transparent 0)"
    return f'<td style="{bar}"{" class=best" if best else ""}>{value:.1f}</td>'


def _share_cell(f: Figures, name: str) -> str:
    percent = 100 * f.share(name)
    if math.isnan(percent):
        return "<td>-</td>"
    return f"<td>{'0' if percent == 0 else f'{percent:.3g} %'}</td>"


def html_text(study: Study, captions: list[str]) -> str:
    """A page with one row per format, SQNR per group; no scripts, nothing loaded from elsewhere."""
    groups = study.groups if study.groups == [ALL] else [*study.groups, ALL]
    finite = [f.sqnr_db for of in study.figures.values() for f in of.values() if math.isfinite(f.sqnr_db)]
    top = max(finite, default=1.0)
    names = ("saturated", "flushed", "subnormal", "overflowed", "nan")
    head = "".join(f"<th>SQNR dB<br>{escape(g)}</th>" for g in groups)
    head += "<th>max relative<br>error</th>" + "".join(f"<th>{name}</th>" for name in names)
    body, width = [], None
    for fmt in study.formats:
        of_format, wide = study.figures[fmt.name], width_class(fmt)
        cells = [f"<td>{escape(fmt.name)}</td><td>{fmt.bits:g}</td><td class=left>{of_format[ALL].rule}</td>"]
        for g in groups:
            rivals = [study.figures[other.name][g].sqnr_db for other in study.formats if width_class(other) == wide]
            value = of_format[g].sqnr_db
            cells.append(_sqnr_cell(value, top, len(rivals) > 1 and value == max(rivals)))
        cells.append(f"<td>{of_format[ALL].max_rel_error:.3g}</td>")
        cells += [_share_cell(of_format[ALL], name) for name in names]
        body.append(f"<tr{' class=width' if wide != width else ''}>{''.join(cells)}</tr>")
        width = wide
    skipped = "".join(f"<p>{escape(n)} is left out: {escape(why)}</p>" for n, why in study.skipped)
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">\n'
        f"<title>numfmt report: {escape(study.source)}</title>\n<style>{_STYLE}</style>\n"
        f"<h1>Formats on {escape(study.source)}</h1>\n"
        f"<p>{len(study.tensors)} tensors, {study.elements:,} elements. numfmt {__version__}.</p>\n"
        '<div class="scroll"><table><thead><tr><th>format</th><th>bits</th><th class=left>scale</th>'
        f"{head}</tr></thead>\n<tbody>\n"
        + "\n".join(body)
        + "\n</tbody></table></div>\n"
        + "".join(f"<p>{escape(line)}</p>\n" for line in captions)
        + skipped
        + "</html>\n"
    )
