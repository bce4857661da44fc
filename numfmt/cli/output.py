"""What every command prints with: consoles, tables, coloured bits, JSON, and files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.style import Style
from rich.table import Table
from rich.text import Text

from .. import Format
from ..display import FIELD_COLOURS, bit_fields, number_text
from ..errors import ArgumentError
from ..interop.replacing import replacing

__all__ = [
    "bits_cell",
    "console",
    "error_console",
    "fits",
    "json_number",
    "new_table",
    "note",
    "print_json",
    "refuse_overwrite",
    "replacing",
    "short",
    "write_text",
]

_PIPED_WIDTH = 120


def console() -> Console:
    """Standard output; colours and width as the terminal has them, NO_COLOR and COLUMNS honoured (by rich)."""
    wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _PIPED_WIDTH
    return Console(width=wide, highlight=False)


def error_console() -> Console:
    """Standard error."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def note(message: str) -> None:
    """A remark on standard error, so that standard output stays what was asked for."""
    error_console().print(Text.assemble(("note: ", "yellow"), message))


def new_table(*columns: str | tuple[str, str], title: str | None = None) -> Table:
    """A table of unwrapped columns; a column is a heading, or (heading, "right")."""
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    for column in columns:
        heading, justify = (column, "left") if isinstance(column, str) else column
        table.add_column(heading, justify="right" if justify == "right" else "left", no_wrap=True, overflow="ellipsis")
    return table


def fits(out: Console, table: Table, indent: int = 0) -> bool:
    """Whether the terminal is wide enough to show `table` uncut."""
    return Measurement.get(out, out.options.update(max_width=10_000), table).maximum + indent <= out.width


def bits_cell(fmt: Format, code: int) -> Text:
    """The bits of a code, fields coloured and separated by spaces."""
    text = Text()
    for i, (name, bits) in enumerate(bit_fields(fmt, code)):
        text.append(" " if i else "")
        text.append(bits, Style(color=FIELD_COLOURS.get(name), bold=True))
    return text


def short(x: Any, digits: int = 6) -> str:
    """A number in at most `digits` significant digits, for tables."""
    if isinstance(x, Fraction):
        text = number_text(x)
        if "e" in text:
            head, _, exponent = text.lstrip("~").partition("e")
            return f"{float(head):.{digits}g}e{exponent}"
        return f"{float(x):.{digits}g}"
    if isinstance(x, (int, float)):
        return f"{x:.{digits}g}"
    return str(x)


def json_number(x: Any) -> Any:
    """`x` as strict JSON takes it: non-finite floats become "inf", "-inf", "nan"; Fractions that are no float, text."""
    if isinstance(x, Fraction):
        with contextlib.suppress(OverflowError):
            if Fraction(float(x)) == x:
                return float(x)
        # P3109 and wide floats reach numbers of thousands of digits: those are given to 17.
        return str(x) if x.numerator.bit_length() + x.denominator.bit_length() < 400 else number_text(x)
    if isinstance(x, float) and not math.isfinite(x):
        return str(x)
    if x is None or isinstance(x, (str, int, float)):
        return x
    return str(x)


def print_json(value: Any) -> None:
    """Print `value` as strict JSON, untouched by terminal width or colours."""
    typer.echo(json.dumps(value, indent=2, allow_nan=False))


def refuse_overwrite(path: Path, source: Path) -> None:
    """Raise unless `path` and `source` are different files."""
    if path.exists() and source.exists() and path.samefile(source):
        raise ArgumentError(f"{path} is the input itself; name another output, or pass --force to replace it")


def write_text(path: Path, text: str) -> None:
    """Write a text file whole, or print it when `path` is ``-``."""
    if str(path) == "-":
        typer.echo(text, nl=not text.endswith("\n"))
        return
    with replacing(path) as file:
        file.write(text.encode("utf-8"))
