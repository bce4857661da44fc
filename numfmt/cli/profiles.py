"""`numfmt compare-profiles FORMAT P Q`: every input that two stacks encode differently."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.text import Text

from .. import Difference, Format, compare_profiles, profile_names
from ..display import bits_text, code_text, value_text
from ..formats import scalar as get
from .options import FormatArgument, JsonFlag
from .output import bits_cell, console, fits, json_number, new_table, print_json

__all__ = ["compare"]


def _side(fmt: Format, code: int | None) -> dict[str, Any] | None:
    if code is None:
        return None
    return {"code": code, "bits": bits_text(fmt, code).replace(" ", ""), "value": value_text(fmt, code)}


def _inputs(difference: Difference) -> str:
    if difference.what != "range":
        return difference.what
    return f"{difference.first!r} to {difference.last!r}"


def _cells(fmt: Format, code: int | None) -> tuple[Text, str]:
    """Code with its bits, and value; the profile refuses the input where there is no code."""
    if code is None:
        return Text("error", "red"), ""
    return Text.assemble(code_text(fmt, code), " ", bits_cell(fmt, code)), value_text(fmt, code)


def compare(
    fmt_name: FormatArgument,
    p: Annotated[str, typer.Argument(metavar="P", help=f"Profile: {', '.join(profile_names())}.")],
    q: Annotated[str, typer.Argument(metavar="Q", help="The other profile.")],
    json: JsonFlag = False,
) -> None:
    """List every binary64 input that two profiles encode differently; the list is complete, not sampled."""
    fmt = get(fmt_name)
    differences = compare_profiles(fmt, p, q)
    if json:
        rows = [
            {
                "input": d.what,
                "first": json_number(float(d.first)),
                "last": json_number(float(d.last)),
                p: _side(fmt, d.code_p),
                q: _side(fmt, d.code_q),
            }
            for d in differences
        ]
        print_json({"format": fmt.name, "p": p, "q": q, "differences": rows})
        return
    out = console()
    if not differences:
        out.print(f"{fmt.name}: {p} and {q} encode every binary64 input the same")
        return
    table = new_table("binary64 input", p, "", q, "", title=f"{fmt.name}: {p} against {q}")
    for d in differences:
        table.add_row(_inputs(d), *_cells(fmt, d.code_p), *_cells(fmt, d.code_q))
    if fits(out, table):
        out.print(table)
        return
    out.print(Text(f"{fmt.name}: {p} against {q}", "bold"))
    for d in differences:  # too wide for a table: a line for each side
        out.print(_inputs(d))
        for name, code in ((p, d.code_p), (q, d.code_q)):
            bits, value = _cells(fmt, code)
            out.print(Text("  ").join((Text(f"    {name:{max(len(p), len(q))}}", "dim"), bits, Text(value))))
