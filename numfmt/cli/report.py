"""`numfmt report [FILE]`: compare formats on real tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from .. import BlockFormat, Format
from ..errors import ArgumentError
from ..formats import get
from .export import csv_text, html_text, json_report
from .measure import Figures, Scale
from .measure_blocks import BLOCK
from .output import console, error_console, new_table, note, print_json, write_text
from .pieces import check_encodes
from .study import ALL, Group, Study, choose, measure, width_class

__all__ = ["DEFAULT_FORMATS", "format_list", "figures_table", "print_study", "progress", "report"]

DEFAULT_FORMATS = (
    "binary16,bfloat16,posit16,takum16,fp8_e4m3fn,fp8_e5m2,fp8_e4m3fnuz,p3109_k8p4se,hif8,posit8,takum8,lns8_4,int8,"
    "mxfp8_e4m3,mxint8,fp6_e2m3,fp6_e3m2,mxfp6_e2m3,fp4_e2m1,nf4,int4,mxfp4,nvfp4,ternary"
)
#: More groups than this get rows instead of columns.
_GROUP_COLUMNS = 4
_SQNR_WORDS = (
    "SQNR in dB, higher is better: noise relative to each tensor's own power, averaged over the elements. "
    "max rel: largest relative error of an element (1: flushed to zero)."
)
_DASH_WORDS = "A dash: the format has no one range per block, so nothing is counted."
_SCALE_WORDS = {
    BLOCK: "block: the format's own scales; a last block that is not full is filled up with zeros",
    Scale.POW2.value: "pow2: one power of two per tensor moves its largest magnitude to the format's most precise "
    "range",
    Scale.ABSMAX.value: "absmax: one factor per tensor moves its largest magnitude to the top of that range exactly",
    Scale.NONE.value: "none: the values as they are",
}


def format_list(text: str) -> list[Format | BlockFormat]:
    """The real formats of a comma-separated list, by whole bits (falling) and without repetition."""
    found = [get(name) for name in text.split(",") if name.strip()]
    if not found:
        raise ArgumentError("--formats names no format; write for example --formats fp8_e4m3fn,int8")
    for fmt in found:
        if fmt.is_complex:
            raise ArgumentError(f"{fmt.name} is complex; the report compares real formats")
        if isinstance(fmt, BlockFormat):
            check_encodes(fmt)
    return sorted(dict.fromkeys(found), key=lambda fmt: -width_class(fmt))


@contextmanager
def progress(total: int) -> Iterator[Callable[[int, str], None]]:
    """A progress bar on standard error, only where that is a terminal."""
    err = error_console()
    columns = (
        TextColumn("{task.description:>16}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("", total=total)

        def advance(elements: int, name: str) -> None:
            bar.update(task, advance=elements, description=name)

        yield advance


def share_text(share: float) -> str:
    """A share in percent, short, never 0 for what is not, and a dash for what is unknown."""
    percent = 100 * share
    if math.isnan(percent):
        return "-"
    if percent == 0:
        return "0"
    if percent < 0.01:
        return "<0.01%"
    return f"{percent:.1f}%" if percent >= 10 else f"{percent:.2f}%"


def _figures_cells(f: Figures, wide: bool, nan: bool) -> list[str]:
    cells = [f"{f.max_rel_error:.3g}" if f.max_rel_error < 1e3 else f"{f.max_rel_error:.0e}"]
    names = ("saturated", "flushed", "subnormal", "overflowed") if wide else ("saturated", "flushed")
    return cells + [share_text(f.share(name)) for name in names] + ([f"{f.counts['nan']:,}"] if nan else [])


def _folded(name: str, width: int = 7) -> str:
    """A heading cut into lines of at most `width` characters."""
    lines = [name[at : at + width - 1] for at in range(0, len(name), width - 1)] if len(name) > width else [name]
    return "-\n".join(lines[:3])


def _headings(groups: list[str], by_rows: bool, wide: bool, nan: bool) -> list[str | tuple[str, str]]:
    headings: list[str | tuple[str, str]] = ["group"] if by_rows else []
    headings += ["format", ("bits", "right"), "scale"]
    headings += [(f"SQNR\n{_folded(g) if len(groups) > 1 else 'dB'}", "right") for g in groups]
    headings += [("max\nrel", "right"), ("satu-\nrated", "right"), ("flushed\nto zero", "right")]
    headings += [("sub-\nnormal", "right"), ("over-\nflowed", "right")] if wide else []
    return headings + ([("NaN", "right")] if nan else [])


def figures_table(study: Study, width: int) -> Table:
    """The table of a study: one row per format, or per group and format when there are many groups."""
    by_rows = len(study.groups) > _GROUP_COLUMNS
    columns = [ALL] if by_rows or study.groups == [ALL] else [*study.groups, ALL]
    wide = width >= 100
    nan = any(f.counts["nan"] for of_format in study.figures.values() for f in of_format.values())
    table = new_table(*_headings(columns, by_rows, wide, nan))
    table.padding = (0, int(wide), 0, 0)
    for row_group in study.groups if by_rows else [ALL]:
        bits = width_class(study.formats[0])
        for i, fmt in enumerate(study.formats):
            if width_class(fmt) != bits and not by_rows:
                table.add_section()
            bits = width_class(fmt)
            cells: list[str | Text] = [*([row_group if i == 0 else ""] if by_rows else []), fmt.name, f"{fmt.bits:g}"]
            cells.append(study.figures[fmt.name][row_group].rule)
            for group in [row_group] if by_rows else columns:
                value = study.figures[fmt.name][group].sqnr_db
                cells.append(Text(f"{value:.1f}", "bold green" if value == _best(study, bits, group) else ""))
            table.add_row(*cells, *_figures_cells(study.figures[fmt.name][row_group], wide, nan))
        table.add_section()
    return table


def _best(study: Study, bits: int, group: str) -> float:
    same = [study.figures[f.name][group].sqnr_db for f in study.formats if width_class(f) == bits]
    return max(same) if len(same) > 1 else float("nan")


def captions(study: Study) -> list[str]:
    """What the columns mean."""
    all_figures = [of_format[ALL] for of_format in study.figures.values()]
    rules = {f.rule for f in all_figures}
    words = "; ".join(text for rule, text in _SCALE_WORDS.items() if rule in rules)
    lines = [_SQNR_WORDS, f"Scale {words}{'' if rules == {BLOCK} else ' (--scale)'}."]
    return lines + ([_DASH_WORDS] if any(f.unknown for f in all_figures) else [])


def print_study(study: Study) -> None:
    """The terminal view of a study."""
    out = console()
    count = f"{len(study.tensors)} tensor{'' if len(study.tensors) == 1 else 's'}, {study.elements:,} elements"
    out.print(Text.assemble((study.source, "bold"), f": {count}"))
    out.print(figures_table(study, out.width))
    for line in captions(study):
        out.print(Text(line, "dim"))
    for name, why in study.skipped[:5]:
        note(f"{name} is left out: {why}")
    if len(study.skipped) > 5:
        note(f"{len(study.skipped) - 5} more tensors are left out (--json lists them)")


def report(
    file: Annotated[
        Path | None, typer.Argument(help=".npy, .npz, .safetensors or .gguf; default: the embedded tensors.")
    ] = None,
    formats: Annotated[str, typer.Option(metavar="A,B,...", help="Formats to compare.")] = DEFAULT_FORMATS,
    tensors: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="Only tensors of these names ('*.weight').")
    ] = None,
    group: Annotated[Group, typer.Option(help="Figures per name prefix, per tensor, or only for all.")] = Group.PREFIX,
    scale: Annotated[
        Scale, typer.Option(help="Scale of each tensor for scalar formats; auto: pow2 up to 8 bits, else none.")
    ] = Scale.AUTO,
    html: Annotated[Path | None, typer.Option(metavar="OUT", help="Write a self-contained page.")] = None,
    csv: Annotated[Path | None, typer.Option(metavar="OUT", help="Write CSV (- prints it).")] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Write a plot of SQNR against bits (.png, .svg).")
    ] = None,
    json: Annotated[Path | None, typer.Option(metavar="[OUT]", help="Print JSON, or write it to OUT.json.")] = None,
) -> None:
    """Compare formats on tensors: bits per element, SQNR, largest relative error, shares saturated and flushed."""
    if plot is not None:
        from .plot import check_plot, write_plot

        check_plot(plot)
    source, chosen, skipped = choose(file, tensors)
    study = Study(source, format_list(formats), chosen, skipped)
    with progress(study.elements * len(study.formats)) as advance:
        measure(study, scale, group, advance)
    if "-" not in (str(json), str(csv)):
        print_study(study)
    if json is not None:
        if str(json) == "-":
            print_json(json_report(study))
        else:
            write_text(json, _json_text(study))
    if csv is not None:
        write_text(csv, csv_text(study))
    if html is not None:
        write_text(html, html_text(study, captions(study)))
    if plot is not None:
        write_plot(study, plot)


def _json_text(study: Study) -> str:
    from json import dumps

    return dumps(json_report(study), indent=2, allow_nan=False) + "\n"
