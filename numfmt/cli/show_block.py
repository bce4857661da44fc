"""`numfmt show` of a block format: its facts, and what becomes of the numbers of one block."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .. import BlockEncoded, BlockFormat, Format, decode, encode
from ..display import code_text, number_text, value_text
from ..errors import ArgumentError
from ..profiles import resolve_block
from .block_facts import block_facts, formula, place
from .numbers import parse_value
from .output import bits_cell, console, json_number, new_table, print_json, short
from .pieces import BlockRules

__all__ = ["show_block"]


def _numbers(texts: list[str], fmt: BlockFormat) -> npt.NDArray[np.float64]:
    """The numbers of a command line in binary64, which is what block formats take."""
    values = []
    for text in texts:
        typed = parse_value(text, fmt.element)
        if typed.code is not None or typed.number is None:
            raise typer.BadParameter(f"{text!r} is a code; a block takes numbers, its scale decides the codes")
        assert not isinstance(typed.number, complex)
        try:
            values.append(float(typed.number))
        except OverflowError:
            raise typer.BadParameter(f"{text!r} lies beyond binary64, which blocks are encoded from") from None
    return np.array(values)


def _encoded(x: npt.NDArray[np.float64], fmt: BlockFormat, rules: BlockRules) -> BlockEncoded:
    shape = (1,) * (len(fmt.block) - 1) + x.shape if isinstance(fmt.block, tuple) else x.shape
    options: dict[str, Any] = {**rules.options(), "random": rules.seed}
    b = encode(x.reshape(shape), fmt, pad=True, **options)
    assert isinstance(b, BlockEncoded)
    return b


def _scale_text(b: BlockEncoded, i: int) -> str:
    """Code and value of block scale `i`."""
    fmt = b.format.scale
    if isinstance(fmt, BlockFormat):
        return f"{short(float(np.asarray(b.scales).reshape(-1)[i]))} (decoded from {fmt.name})"
    scale = b.scales.reshape(-1)[i]
    value = float(np.asarray(b.scale_values, np.float64).reshape(-1)[i]) / float(b.tensor_scale or 1)
    power = math.frexp(value)[0] == 0.5
    shown = f"2**{math.frexp(value)[1] - 1}" if power else number_text(value)
    return f"{shown}, code {code_text(fmt, int(scale))}" if scale.dtype.kind == "u" else f"{shown} ({fmt.name})"


def _decision(fmt: BlockFormat, x: npt.NDArray[np.float64]) -> str:
    """The rule with the numbers of this block in it."""
    facts = block_facts(fmt)
    if facts["rule"] is None:
        return str(facts["about"][-1])
    finite = np.abs(x[np.isfinite(x)])
    known = [f"a = {short(float(finite.max(initial=0)))}"]
    if facts["emax"] is not None:
        known.append(f"emax = {facts['emax']}")
    if facts["largest_element"] is not None:
        known.append(f"F = {facts['largest_element']:g}")
    return f"{fmt.rule}: {facts['rule']['meaning']}; {', '.join(known)}"


def _sides(b: BlockEncoded, i: int) -> list[tuple[str, str]]:
    """What else is stored for block `i`."""
    rows = []
    if b.zero_points is not None:
        zero = b.format.zero_point
        assert zero is not None
        rows.append(("zero point", value_text(zero, int(b.zero_points.reshape(-1)[i]))))
    lead = np.asarray(b.scale_values).ndim
    for name, side in b.sides.items():
        entries = side.reshape(-1, *side.shape[lead:])[i]
        rows.append((name.replace("_", " "), ", ".join(map(str, np.asarray(entries).reshape(-1).tolist()))))
    return rows


def _block_table(fmt: BlockFormat, b: BlockEncoded, x: npt.NDArray[np.float64], y: Any, first: int) -> Table:
    plain = type(fmt) is BlockFormat
    columns: list[str | tuple[str, str]] = [("input", "right"), "code", "bits"]
    columns += [("element", "right")] if plain else []
    table = new_table(*columns, ("value", "right"), ("error", "right"))
    codes = b.codes.reshape(-1)
    for i, (number, value) in enumerate(zip(x, y, strict=True), first):
        code = int(codes[i])
        error = short(Fraction(float(value)) - Fraction(float(number))) if np.isfinite([number, value]).all() else ""
        cells: list[str | Text] = [
            number_text(float(number)),
            code_text(fmt.element, code),
            bits_cell(fmt.element, code),
        ]
        cells += [value_text(fmt.element, code)] if plain else []
        table.add_row(*cells, number_text(float(value)), error)
    return table


def _print_values(out: Console, fmt: BlockFormat, texts: list[str], rules: BlockRules) -> None:
    x = _numbers(texts, fmt)
    b = _encoded(x, fmt, rules)
    resolved, policy = resolve_block(fmt, rules.options())
    y = np.asarray(decode(b, dtype=np.float64)).reshape(-1)
    size = fmt.block_size or x.size
    out.print(Text.assemble((fmt.name, "bold"), (f"  rounding {policy.rounding.name.lower()}", "dim")))
    for i, at in enumerate(range(0, x.size, size)):
        part = slice(at, at + size)
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="cyan", no_wrap=True)
        grid.add_column(overflow="fold")
        if x.size > size:
            grid.add_row("block", str(i))
        if b.tensor_scale is not None:
            grid.add_row("tensor scale", short(float(b.tensor_scale), 9))
        grid.add_row("rule", _decision(resolved, x[part]))
        grid.add_row("scale", _scale_text(b, i))
        for label, text in _sides(b, i):
            grid.add_row(label, text)
        if missing := len(x[part]) % size and size - len(x[part]):
            grid.add_row("padding", f"{missing} zero{'s fill' if missing > 1 else ' fills'} the block")
        out.print()
        out.print(grid)
        out.print(_block_table(resolved, b, x[part], y[part], at), end="")


def _print_facts(out: Console, fmt: BlockFormat) -> None:
    facts = block_facts(fmt)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="cyan", no_wrap=True)
    grid.add_column(overflow="fold")

    def row(label: str, value: Any) -> None:
        if value:
            grid.add_row(label, value)

    row("source", facts["source"])
    row("aliases", ", ".join(facts["aliases"]))
    row("spelled", facts["spelled"] if facts["spelled"] != fmt.name else "")
    for label, paragraph in zip(("what it is", ""), facts["about"], strict=False):
        row(label, paragraph)
    row("element", f"{fmt.element.name}, {fmt.element.bits} bits")
    row("scale", _scale_words(fmt.scale))
    row("shared by", place(fmt))
    row("tensor scale", fmt.tensor_scale and f"{fmt.tensor_scale.name}, one for the whole array")
    row("zero point", fmt.zero_point and f"{fmt.zero_point.name}, one per block")
    row(
        "bits per element", f"{fmt.bits_per_element:g}" + (", the tensor scale not counted" if fmt.tensor_scale else "")
    )
    row("value", formula(fmt) if type(fmt) is BlockFormat else "")
    if rule := facts["rule"]:
        row("scale rule", f"{rule['name']}: {rule['meaning']}")
        row("", Text(rule["source"], "dim"))
    known = (
        [] if facts["largest_element"] is None or not rule else [f"largest element F = {facts['largest_element']:g}"]
    )
    row("", ", ".join(known + ([] if facts["emax"] is None else [f"emax = {facts['emax']}"])))
    row("smallest scale", facts["min_scale"] and number_text(facts["min_scale"]))
    row("rounded is", facts["quotient"] and f"{facts['quotient']['meaning']} ({facts['quotient']['name']})")
    row("NaN, infinity", f"{facts['nonfinite']['meaning']} ({facts['nonfinite']['name']})")
    row("zero block", facts["zero_block"])
    if facts["largest"] is not None:
        relative = " times the tensor scale" if fmt.tensor_scale else ""
        row("largest", short(facts["largest"]) + relative)
        row("smallest", short(facts["smallest"]) + relative)
    row("stored", "; ".join(f"{name}: {words}" for name, words in facts["stored"].items()))
    row("pack layouts", ", ".join(facts["layouts"]))
    out.print(Text.assemble((fmt.name, "bold"), "  ", (facts["family"], "dim")))
    out.print(grid)


def _scale_words(scale: Format | BlockFormat) -> str:
    if isinstance(scale, BlockFormat):
        return f"{scale.name}: scales are quantized themselves, {scale.bits_per_element:g} bits each"
    return f"{scale.name}, {scale.bits} bits"


def _json(fmt: BlockFormat, texts: list[str], rules: BlockRules) -> dict[str, Any]:
    if not texts:
        return {"format": block_facts(fmt), "values": []}
    x = _numbers(texts, fmt)
    b = _encoded(x, fmt, rules)
    y = np.asarray(decode(b, dtype=np.float64)).reshape(-1)
    rows = [
        {
            "input": text,
            "code": int(code),
            "value": json_number(float(value)),
            "error": json_number(float(value - number)),
        }
        for text, number, code, value in zip(texts, x, b.codes.reshape(-1), y, strict=False)
    ]
    scales = [json_number(float(s)) for s in np.asarray(b.scale_values, np.float64).reshape(-1)]
    parts = {name: part.reshape(-1).tolist() for name, part in b.parts().items() if name != "codes"}
    return {"format": block_facts(fmt), "values": rows, "scale_values": scales, "stored": _strict(parts)}


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _strict(v) for name, v in value.items()}
    return [_strict(v) for v in value] if isinstance(value, list) else json_number(value)


def show_block(fmt: BlockFormat, texts: list[str], rules: BlockRules, json: bool) -> None:
    """Print a block format, or the block that the numbers make."""
    if texts and fmt.is_complex:
        raise ArgumentError(f"{fmt.name} is complex: show prints its facts; encode arrays with numfmt.encode")
    resolve_block(fmt, rules.options())
    if json:
        print_json(_json(fmt, texts, rules))
    elif texts:
        _print_values(console(), fmt, texts, rules)
    else:
        _print_facts(console(), fmt)
