"""`numfmt list`, `numfmt table`, `numfmt values`: the formats, and the codes and values of one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .. import Format, formats
from ..display import bit_fields, bits_text, code_text, number_text, value_text
from ..errors import ArgumentError, FormatNameError
from ..formats import names
from ..formats import scalar as get
from .families import FAMILIES, OTHER, family_of
from .options import FormatArgument, JsonFlag
from .output import bits_cell, console, json_number, new_table, note, print_json, short

__all__ = ["list_formats", "table_of_codes", "values"]

#: Without a pattern, larger families are cut to their best-known members.
_BRIEF = 40
_BEST_KNOWN = frozenset(
    (
        "int2",
        "int4",
        "int8",
        "int16",
        "int32",
        "uint4",
        "uint8",
        "uint16",
        "int8_f6",
        "int8_sm",
        "int8_narrow",
        "int16_f15",
    )
    + ("p3109_k3p2se", "p3109_k4p2sf", "p3109_k4p2se", "p3109_k6p3se", "p3109_k8p1ue", "p3109_k8p3se", "p3109_k8p4se")
    + ("p3109_k8p4sf", "p3109_k8p5se", "p3109_k15p8se")
)
_TABLE_LIMIT = 256
_JSON_VALUES = 1 << 16


def _entry(fmt: Format) -> dict[str, Any]:
    real = not fmt.is_complex
    return {
        "name": fmt.name,
        "family": family_of(fmt),
        "bits": fmt.bits,
        "max": json_number(fmt.max) if real else None,
        "smallest": json_number(fmt.smallest) if real else None,
        "source": fmt.source,
        "aliases": formats.aliases_of(fmt),
    }


def _grid(out: Console) -> Table:
    """The columns of the listing, of the same widths for every family."""
    grid = Table.grid(padding=(0, 1))
    for width, right in ((18, False), (4, True), (12, True), (12, True)):
        grid.add_column(width=width, justify="right" if right else "left", no_wrap=True, overflow="ellipsis")
    rest = out.width - 50
    aliases = rest if out.width < 110 else rest * 2 // 5
    grid.add_column(width=aliases, style="cyan", no_wrap=True, overflow="ellipsis")
    if aliases < rest:
        grid.add_column(width=rest - aliases - 1, style="dim", no_wrap=True, overflow="ellipsis")
    return grid


def _print_family(out: Console, title: str, members: list[Format], brief: bool) -> None:
    shown = [fmt for fmt in members if fmt.name in _BEST_KNOWN] if brief and len(members) > _BRIEF else members
    out.print(Text.assemble("\n", (title, "bold"), (f"  {len(members)}", "dim")))
    grid = _grid(out)
    wide = len(grid.columns) == 6
    for fmt in shown:
        numbers = ("", "") if fmt.is_complex else (short(fmt.max), short(fmt.smallest))
        aliases = sorted(formats.aliases_of(fmt), key=len)
        grid.add_row(fmt.name, str(fmt.bits), *numbers, ", ".join(aliases), *([fmt.source] if wide else []))
    out.print(grid)
    if len(shown) < len(members):
        pattern = "p3109*" if members[0].name.startswith("p3109") else "*int*"
        out.print(Text(f"... {len(members) - len(shown)} more: numfmt list '{pattern}'", "dim"))


def list_formats(
    pattern: Annotated[str | None, typer.Argument(help="Shell pattern over names and aliases, such as 'fp8*'.")] = None,
    json: JsonFlag = False,
) -> None:
    """List the formats by family: bits, largest and smallest value, aliases, source."""
    found = [get(name) for name in names(pattern or "*", kind="scalar")]
    if not found:
        assert pattern is not None
        try:  # a name of the grammar, such as fp12_e5m6, is no catalog entry
            found = [get(pattern)]
        except FormatNameError as err:
            raise FormatNameError(f"no format matches {pattern!r}; {err}") from None
    if json:
        print_json([_entry(fmt) for fmt in found])
        return
    out = console()
    header = _grid(out)
    header.add_row("name", "bits", "max", "smallest", "aliases", *(["source"] if len(header.columns) == 6 else []))
    out.print(header, style="bold")
    for title in (*(family[0] for family in FAMILIES), OTHER):
        members = sorted((f for f in found if family_of(f) == title), key=lambda f: (f.bits, f.name))
        if members:
            _print_family(out, title, members, brief=pattern is None)


def _code_entry(fmt: Format, code: int) -> dict[str, Any]:
    return {
        "code": code,
        "bits": bits_text(fmt, code).replace(" ", ""),
        "fields": dict(bit_fields(fmt, code)),
        "value": value_text(fmt, code),
    }


def table_of_codes(
    fmt_name: FormatArgument,
    limit: Annotated[int, typer.Option(min=1, help="At most so many codes.")] = _TABLE_LIMIT,
    start: Annotated[int, typer.Option(min=0, help="First code.")] = 0,
    json: JsonFlag = False,
) -> None:
    """Show the codes of a format with their bits and values."""
    fmt = get(fmt_name)
    fmt.check_code(start)
    codes = range(start, min(fmt.code_count, start + limit))
    if json:
        print_json([_code_entry(fmt, code) for code in codes])
        return
    out = console()
    values_ = [value_text(fmt, code) for code in codes]
    bits = [bits_cell(fmt, code) for code in codes]
    width = len(code_text(fmt, 0)) + max(map(len, bits)) + max(map(len, values_)) + 7
    groups = max(1, min((out.width + 2) // width, (len(codes) + 7) // 8))
    rows = -(-len(codes) // groups)
    columns: list[str | tuple[str, str]] = ["code", "bits", ("value", "right"), ""] * groups
    table = new_table(*columns[:-1], title=f"{fmt.name}: {fmt.bits} bits")
    for row in range(rows):
        cells: list[Text | str] = []
        for i in range(row, len(codes), rows):
            cells += [Text(code_text(fmt, codes[i]), "dim"), bits[i], values_[i], ""]
        table.add_row(*cells[:-1])
    out.print(table)
    if len(codes) < fmt.code_count:
        note(f"codes {codes.start} to {codes.stop - 1} of {fmt.code_count}; --start and --limit show others")


def _distinct_values(fmt: Format) -> Iterator[str]:
    """Finite values in increasing order; zero once."""
    if fmt.is_complex:
        yield from (value_text(fmt, code) for code in range(fmt.code_count))
        return
    seen_zero = False
    for code in map(int, fmt.ordered_codes):
        unpacked = fmt.value_of(code)
        is_zero = unpacked.significand == 0
        if not (is_zero and seen_zero):
            yield number_text(unpacked.value)
        seen_zero |= is_zero


def values(
    fmt_name: FormatArgument,
    json: JsonFlag = False,
) -> None:
    """Print the distinct finite values of a format in increasing order, one a line."""
    fmt = get(fmt_name)
    if json:
        if fmt.bits > 16:
            raise ArgumentError(f"--json lists formats of at most 16 bits ({_JSON_VALUES} values), got {fmt.name}")
        print_json([json_number(_as_number(text)) for text in _distinct_values(fmt)])
        return
    lines = _distinct_values(fmt)
    while chunk := list(itertools.islice(lines, 4096)):
        typer.echo("\n".join(chunk))


def _as_number(text: str) -> float | str:
    """The float a text stands for exactly, else the text."""
    try:
        return float(text)
    except ValueError:
        return text
