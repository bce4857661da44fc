"""`numfmt list`, `numfmt table`, `numfmt values`: the formats, and the codes and values of one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .. import BlockFormat, Format, formats
from ..display import bit_fields, bits_text, code_text, number_text, value_text
from ..errors import ArgumentError, FormatNameError
from ..formats import get, names, scalar
from .families import TITLES, family_of
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
_BEST_KNOWN_BLOCKS = frozenset(
    ("mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e2m3", "mxfp6_e3m2", "mxfp4", "mxint8", "mxfp4_plus")
    + ("nvfp4", "nvfp4_4over6", "nvint4", "if4", "q4_0", "q4_k", "q8_0", "tq1_0", "mxfp4_ggml")
    + ("bfp16_amd", "bfp8_b", "bfp8_k32", "flexpoint16_5", "msfp12", "mx9", "fairy", "sherry", "ternary_absmean")
    + ("qoq_int4_g128", "int4_g128", "int8_absmax", "int8_tensor", "uint4_g128", "uint8_affine")
    + ("fp8_e4m3_128x128", "fp8_e4m3_tensor", "af4_b64", "bitmod4", "bnb_fp4_b64", "nf4_b64", "nf4_b64_dq")
)
#: (width, whether numbers stand to the right) of the columns before aliases and source.
_SCALAR_COLUMNS = ((18, False), (4, True), (12, True), (12, True))
_BLOCK_COLUMNS = ((21, False), (6, True), (21, False), (12, False), (7, True))
_LEAST_SOURCE = 20
_TABLE_LIMIT = 256
_JSON_VALUES = 1 << 16


def _entry(fmt: Format | BlockFormat) -> dict[str, Any]:
    if isinstance(fmt, BlockFormat):
        return _block_entry(fmt)
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


def _block_entry(fmt: BlockFormat) -> dict[str, Any]:
    return {
        "name": fmt.name,
        "family": family_of(fmt),
        "bits": fmt.bits_per_element,
        "element": fmt.element.name,
        "scale": fmt.scale.name,
        "block": list(fmt.block) if isinstance(fmt.block, tuple) else fmt.block,
        "axis": list(fmt.axis) if isinstance(fmt.axis, tuple) else fmt.axis,
        "tensor_scale": None if fmt.tensor_scale is None else fmt.tensor_scale.name,
        "rule": fmt.rule,
        "source": fmt.source,
        "aliases": formats.aliases_of(fmt),
    }


def _block_text(fmt: BlockFormat) -> str:
    """Elements per scale, short."""
    if isinstance(fmt.block, tuple):
        return "x".join(map(str, fmt.block))
    return str(fmt.block or ("tensor" if fmt.axis is None else "row"))


def _scale_text(fmt: BlockFormat) -> str:
    return f"{fmt.scale.name} *" if fmt.tensor_scale is not None else fmt.scale.name


def _grid(out: Console, blocks: bool = False) -> Table:
    """The columns of the listing, of the same widths for every family; block formats have element, scale and block."""
    grid = Table.grid(padding=(0, 1))
    columns = _BLOCK_COLUMNS if blocks else _SCALAR_COLUMNS
    for width, right in columns:
        grid.add_column(width=width, justify="right" if right else "left", no_wrap=True, overflow="ellipsis")
    rest = out.width - sum(width + 1 for width, _ in columns)
    if blocks:
        if rest >= _LEAST_SOURCE:
            grid.add_column(width=rest, style="dim", no_wrap=True, overflow="ellipsis")
        return grid
    aliases = rest if out.width < 110 else rest * 2 // 5
    grid.add_column(width=aliases, style="cyan", no_wrap=True, overflow="ellipsis")
    if aliases < rest:
        grid.add_column(width=rest - aliases - 1, style="dim", no_wrap=True, overflow="ellipsis")
    return grid


def _shown(members: list[Any], brief: bool) -> list[Any]:
    if not brief:
        return members
    if isinstance(members[0], BlockFormat):
        return [fmt for fmt in members if fmt.name in _BEST_KNOWN_BLOCKS]
    return [fmt for fmt in members if fmt.name in _BEST_KNOWN] if len(members) > _BRIEF else members


def _print_family(out: Console, title: str, members: list[Any], brief: bool) -> None:
    shown = _shown(members, brief)
    out.print(Text.assemble("\n", (title, "bold"), (f"  {len(members)}", "dim")))
    grid = _grid(out, isinstance(members[0], BlockFormat))
    for fmt in shown:
        if isinstance(fmt, BlockFormat):
            cells = [fmt.name, f"{fmt.bits:.5g}", fmt.element.name, _scale_text(fmt), _block_text(fmt), fmt.source]
            grid.add_row(*cells[: len(grid.columns)])
            continue
        numbers = ("", "") if fmt.is_complex else (short(fmt.max), short(fmt.smallest))
        aliases = sorted(formats.aliases_of(fmt), key=len)
        cells = [fmt.name, str(fmt.bits), *numbers, ", ".join(aliases)]
        grid.add_row(*cells, *([fmt.source] if len(grid.columns) == 6 else []))
    out.print(grid)
    if len(shown) < len(members) and not isinstance(members[0], BlockFormat):
        pattern = "p3109*" if members[0].name.startswith("p3109") else "*int*"
        out.print(Text(f"... {len(members) - len(shown)} more: numfmt list '{pattern}'", "dim"))


def _heading(out: Console, blocks: bool) -> None:
    grid = _grid(out, blocks)
    if blocks:
        out.print()
        grid.add_row(*["block format", "bits", "element", "scale", "block", "source"][: len(grid.columns)])
    else:
        grid.add_row("name", "bits", "max", "smallest", "aliases", *(["source"] if len(grid.columns) == 6 else []))
    out.print(grid, style="bold")


def list_formats(
    pattern: Annotated[str | None, typer.Argument(help="Shell pattern over names and aliases, such as 'fp8*'.")] = None,
    json: JsonFlag = False,
) -> None:
    """List the formats by family: bits, largest and smallest value, aliases, source; blocks: element, scale, size.

    A star after a scale: there is a tensor scale besides.
    """
    found = [get(name) for name in names(pattern or "*")]
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
    for blocks in (False, True):
        of_kind = [fmt for fmt in found if isinstance(fmt, BlockFormat) == blocks]
        if of_kind:
            _heading(out, blocks)
        for title in TITLES:
            members = [fmt for fmt in of_kind if family_of(fmt) == title]
            if members:
                members.sort(key=lambda f: f.name if blocks else (f.bits, f.name))
                _print_family(out, title, members, brief=pattern is None)
    if pattern is None:
        more = sum(isinstance(fmt, BlockFormat) and fmt.name not in _BEST_KNOWN_BLOCKS for fmt in found)
        out.print(Text(f"\n... {more} more block formats: numfmt list '*', or a pattern such as 'int4*'", "dim"))


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
    fmt = scalar(fmt_name)
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
    fmt = scalar(fmt_name)
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
