"""`numfmt show FORMAT [VALUE...]`: the facts of a format, and what it does to a number, bit by bit."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated

import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..display import code_text, number_text, value_text
from ..formats import get
from ..formats.block import BlockFormat
from .explain import Explanation, explain
from .facts import facts_of, print_facts
from .numbers import parse_value
from .options import (
    FormatArgument,
    JsonFlag,
    NanOption,
    OverflowOption,
    ProfileOption,
    RandomOption,
    RoundingOption,
    Rules,
    ScaleRuleOption,
    block_rules,
)
from .output import bits_cell, console, fits, new_table, print_json, short
from .show_block import show_block

__all__ = ["show"]


def _rows(e: Explanation) -> list[tuple[str, int, str]]:
    """(label, code, value minus input) of the result and its neighbours."""
    rows = []
    for label, code in (("next below", e.below), ("result", e.code), ("next above", e.above)):
        if code is None:
            continue
        difference, x = "", e.typed.number
        if isinstance(x, Fraction) and e.fmt.value_of(code).is_finite:
            difference = short(e.fmt.value_of(code).value - x)
        rows.append((label, code, difference))
    return rows


def _print_codes(out: Console, e: Explanation) -> None:
    fmt, rows = e.fmt, _rows(e)
    differences = any(row[2] for row in rows)
    table = new_table("", "code", "bits", ("value", "right"), *([("minus input", "right")] if differences else []))
    for label, code, difference in rows:
        cells: list[Text | str] = [label, code_text(fmt, code), bits_cell(fmt, code), value_text(fmt, code)]
        table.add_row(*cells, *([difference] if differences else []), style="" if label == "result" else "dim")
    if fits(out, table, indent=1):
        out.print(Padding(table, (0, 0, 0, 1), expand=False), end="")
        return
    out.print()
    for label, code, difference in rows:  # the codes are too wide for a table: two lines each
        out.print(
            f"  {label:10}  {code_text(fmt, code)}  {value_text(fmt, code)}" + (f"  ({difference})" * bool(difference))
        )
        out.print(Padding(bits_cell(fmt, code), (0, 0, 0, 14), expand=False))
    out.print()


def _print_explanation(out: Console, e: Explanation) -> None:
    arrow = "means" if e.typed.code is not None else "becomes"
    head = Text.assemble((e.typed.text, "bold"), f" {arrow} ", (value_text(e.fmt, e.code), "bold"))
    out.print(head.append(f", code {code_text(e.fmt, e.code)} ({e.code})"))
    _print_codes(out, e)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="cyan", no_wrap=True)
    grid.add_column()
    if e.error is not None and e.relative_error is not None:
        grid.add_row("error", f"{short(abs(e.error))} absolute, {short(100 * e.relative_error, 4)} % of the input")
    if e.position is not None and e.position[1]:
        grid.add_row("position", f"{short(e.position[1], 4)} ulp above {number_text(e.position[0])}")
    if e.typed.code is None:
        grid.add_row("rounding", e.decision)
    out.print(Padding(grid, (0, 0, 1, 2), expand=False))


def show(
    fmt_name: FormatArgument,
    value: Annotated[list[str] | None, typer.Argument(help="Numbers (0.1, 1/3, inf, nan) or codes (0x3a).")] = None,
    rounding: RoundingOption = None,
    overflow: OverflowOption = None,
    nan: NanOption = None,
    profile: ProfileOption = None,
    random: RandomOption = None,
    rule: ScaleRuleOption = None,
    json: JsonFlag = False,
) -> None:
    """Show a format's facts and defaults; with numbers or codes, their bits, neighbours, error and rounding.

    Numbers given to a block format are one block: its scale, and each element's code, value and error.
    """
    fmt = get(fmt_name)
    rules = Rules(rounding, overflow, nan, profile, random)
    blocks = block_rules(fmt, rules, None, False, rule, None)
    if isinstance(fmt, BlockFormat):
        show_block(fmt, value or [], blocks, json)
        return
    if not fmt.is_complex:
        rules.resolved(fmt)
    explanations = [explain(fmt, parse_value(text, fmt), rules) for text in value or []]
    if json:
        print_json({"format": facts_of(fmt), "values": [e.as_json() for e in explanations]})
        return
    out = console()
    if not explanations:
        print_facts(out, fmt)
        return
    title = Text(fmt.name, "bold")
    if not fmt.is_complex:
        names = (rule.name.lower() for rule in rules.resolved(fmt))
        title.append("  rounding {}, overflow {}, NaN {}".format(*names), "dim not bold")
    out.print(title, end="\n\n")
    for explanation in explanations:
        _print_explanation(out, explanation)
