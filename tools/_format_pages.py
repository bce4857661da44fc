"""The text of one page about block formats: fields, rule, special cases, a worked block, and where its bits lie."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from _format_diagrams import ggml_diagram

import numfmt as nf
from numfmt import BlockEncoded, BlockFormat
from numfmt.cli.block_facts import block_facts, formula, place
from numfmt.cli.output import short
from numfmt.display import bits_text, code_text, number_text, value_text
from numfmt.formats.ggml import GgmlFormat
from numfmt.interop import LAYOUTS, get_layout
from numfmt.interop.ggml import ggml_type

__all__ = ["page_text", "table"]

#: The first elements of the worked block; the rest of it is 0.
_EXAMPLE = (0.1, -0.7, 1.5, 3.0, -7.0, 0.02, 0.4, 2.25)
_COMPLEX = (0.5 + 0.1j, -1.5, 2j, -0.25j, 0.3 - 0.9j, -2 + 0.5j, 0.1 + 0.2j, 1)
_SHOWN_BYTES = 8
_DRAWN = 2


def table(heading: list[str], rows: list[list[Any]]) -> str:
    """A Markdown table."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _members(members: list[BlockFormat]) -> str:
    rows = []
    for fmt in members:
        scale = f"`{fmt.scale.name}`" + (f", `{fmt.tensor_scale.name}` tensor scale" if fmt.tensor_scale else "")
        scale += f", `{fmt.zero_point.name}` zero point" if fmt.zero_point else ""
        names = ", ".join(f"`{name}`" for name in (fmt.name, *nf.formats.aliases_of(fmt)))
        rows.append([names, f"`{fmt.element.name}`", scale, place(fmt), f"{fmt.bits_per_element:g}", fmt.source])
    return table(["names", "element", "scale", "a scale is shared by", "bits per element", "source"], rows)


def _fields(fmt: BlockFormat) -> str:
    facts = block_facts(fmt)
    rows: list[list[Any]] = [
        ["element", f"`{fmt.element.name}`", f"{fmt.element.bits} bits: {fmt.element.source}"],
        [
            "scale",
            f"`{fmt.scale.name}`",
            fmt.scale.source if isinstance(fmt.scale, nf.Format) else "a block format itself",
        ],
        ["block", facts["block"] if facts["block"] is not None else "all", place(fmt)],
    ]
    if fmt.tensor_scale is not None:
        rows.append(["tensor scale", f"`{fmt.tensor_scale.name}`", "one number for the whole array"])
    if fmt.zero_point is not None:
        rows.append(["zero point", f"`{fmt.zero_point.name}`", "one per block"])
    if facts["rule"] is not None:
        rows.append(["rule", f"`{fmt.rule}`", facts["rule"]["meaning"]])
        rows.append(["quotient", f"`{fmt.quotient}`", facts["quotient"]["meaning"]])
    if fmt.min_scale:
        rows.append(["smallest scale", number_text(fmt.min_scale), "encoding chooses no smaller one"])
    if fmt.centre:
        rows.append(["centre", "yes", "the mean of all values is subtracted first"])
    for name, words in facts["stored"].items():
        rows.append([f"stored `{name}`", "", words])
    return table(["field", "value", "meaning"], rows)


def _rule(fmt: BlockFormat) -> list[str]:
    facts = block_facts(fmt)
    if facts["rule"] is None:
        return []
    known = [] if facts["largest_element"] is None else [f"F = {facts['largest_element']:g}"]
    known += [] if facts["emax"] is None else [f"emax = {facts['emax']}"]
    where = f", with {' and '.join(known)}" if known else ""
    rule = facts["rule"]
    return [
        "## Scale rule",
        f"`{rule['name']}`: {rule['meaning']}{where}. Source: {rule['source']}. "
        "[Other rules](scale_rules.md): `scale_rule=`.",
    ]


def _special_cases(fmt: BlockFormat) -> list[str]:
    facts = block_facts(fmt)
    lines = [f'- NaN or infinity in a block: {facts["nonfinite"]["meaning"]} (`nonfinite="{fmt.nonfinite}"`).']
    if facts["zero_block"]:
        lines.append(f"- A block of zeros: {facts['zero_block']}.")
    if type(fmt) is BlockFormat:
        lines.append("- An element beyond the largest one saturates (`overflow=` chooses otherwise).")
    if facts["largest"] is not None:
        relative = " times the tensor scale" if fmt.tensor_scale else ""
        lines.append(
            f"- Largest value {short(facts['largest'])}{relative}, smallest positive value {short(facts['smallest'])}"
            f"{relative}."
        )
    return ["## Special cases", "\n".join(lines)]


def _bits(fmt: BlockFormat) -> list[str]:
    size = fmt.block_size
    if isinstance(fmt, GgmlFormat):
        text = f"{fmt.row.block_bytes} bytes / {fmt.row.block} elements = {fmt.bits_per_element:g} bits."
    elif size is None or type(fmt) is not BlockFormat:
        text = f"{fmt.bits_per_element:g} bits" + (
            " (scales shared by a whole axis are not counted)." if size is None else "."
        )
    else:
        text = f"{fmt.element.bits} + {fmt.side_bits:g} / {size} = {fmt.bits_per_element:g} bits"
        text += ", the tensor scale not counted." if fmt.tensor_scale else "."
    return ["## Bits per element", text]


def _example_input(fmt: BlockFormat) -> np.ndarray[Any, Any]:
    shape = fmt.block if isinstance(fmt.block, tuple) else (fmt.block or len(_EXAMPLE),)
    group = getattr(fmt, "group", None)
    if fmt.block is None and isinstance(group, int):
        shape = (group,)
    first = _COMPLEX if fmt.is_complex else _EXAMPLE
    x = np.zeros(shape, np.complex64 if fmt.is_complex else np.float32)
    x.reshape(-1)[: len(first)] = first[: x.size]
    return x


def _number(value: Any) -> str:
    if isinstance(value, (complex, np.complexfloating)):
        return str(complex(value)).strip("()")
    return number_text(float(value))


def _side_rows(b: BlockEncoded) -> list[list[str]]:
    rows = []
    for name, part in b.parts().items():
        if name == "codes":
            continue
        flat = part.reshape(-1)
        texts = [str(v) if flat.dtype.kind in "ui" else number_text(float(v)) for v in flat[:4].tolist()]
        if name == "scales" and isinstance(b.format.scale, nf.Format) and flat.dtype.kind == "u":
            value = value_text(b.format.scale, int(flat[0]))
            texts = [f"{code_text(b.format.scale, int(flat[0]))} ({value})"]
        rows.append([f"`{name}`", ", ".join(texts) + (", ..." if len(flat) > len(texts) else "")])
    return rows


def _example(fmt: BlockFormat) -> list[str]:
    x = _example_input(fmt)
    try:
        b = nf.encode(x, fmt)
    except nf.errors.NumfmtError:
        return [
            "## Example",
            "There is no encoder: blocks come from files (`numfmt.interop.gguf`), and decode exactly.",
        ]
    assert isinstance(b, BlockEncoded)
    wide = np.complex128 if fmt.is_complex else np.float64
    y = np.asarray(nf.decode(b, dtype=wide)).reshape(-1)
    codes, flat, rows = b.codes.reshape(-1), x.reshape(-1), []
    for i in range(min(len(_EXAMPLE), flat.size)):
        code = int(codes[i])
        cells = [i, _number(flat[i]), f"`{code_text(fmt.element, code)}`", f"`{bits_text(fmt.element, code)}`"]
        error = "" if fmt.is_complex else short(Fraction(float(y[i])) - Fraction(float(flat[i])))
        rows.append([*cells, _number(y[i]), error])
    rest = x.size - len(rows)
    intro = f"The first elements of a block of {x.size}, the others 0:" if rest > 0 else f"A block of {x.size}:"
    return [
        "## Example",
        intro,
        table(["i", "x (binary32)", "code", "bits", "value", "error"], rows),
        table(["stored beside the codes", ""], _side_rows(b)),
        "Packed, `b.pack(layout)`, the first bytes in hexadecimal:",
        table(["layout", "bytes"], _packed(fmt, b)),
    ]


def _packed(fmt: BlockFormat, b: BlockEncoded) -> list[list[str]]:
    rows = []
    for layout in block_facts(fmt)["layouts"]:
        try:
            packed = b.pack(layout).reshape(-1)
        except nf.errors.NumfmtError:
            continue  # a layout for rows of another length
        more = " ..." if packed.size > _SHOWN_BYTES else ""
        rows.append([f"`{layout}`", f"`{bytes(packed[:_SHOWN_BYTES].tolist()).hex(' ')}{more}`"])
    return rows


def _diagrams(fmt: BlockFormat) -> list[str]:
    if isinstance(fmt, GgmlFormat):
        t = ggml_type(fmt.row.type_name)
        text = f"One block of {t.name}, {t.block} elements in {t.block_bytes} bytes, numbers little-endian:"
        return ["## Bytes", text, f"```\n{ggml_diagram(t)}\n```"]
    names = [name for name in block_facts(fmt)["layouts"] if name in LAYOUTS]
    # The bit stream is drawn where no layout of this width has a name.
    drawn = [name for name in names if name != "bits"][:_DRAWN] or ["bits"]
    out = [
        "## Bytes",
        "Element codes in bytes; a row is a byte, its most significant bit on the left. Scales are arrays of their "
        "own.",
    ]
    for name in drawn:
        out += [f"Layout `{name}`:", f"```\n{get_layout(name).diagram(fmt.element.bits)}\n```"]
    others = ", ".join(f"`{name}`" for name in block_facts(fmt)["layouts"] if name not in drawn)
    return [*out, f"{'Others' if others else 'All'}: {others + ', see ' if others else ''}[layouts](layouts.md)."]


def page_text(title: str, words: str, members: list[BlockFormat]) -> str:
    """A page on `members`, of which the first is the one that is worked out."""
    fmt = members[0]
    about = block_facts(fmt)["about"]
    parts = [f"# {title}", *([words] if words else []), *about, _members(members)]
    if len(members) > 1:
        parts.append(f"What follows is `{fmt.name}`.")
    parts += ["## Fields", _fields(fmt)]
    if type(fmt) is BlockFormat:
        parts += ["## Value", f"`{formula(fmt)}`, computed exactly and rounded once into the result's dtype."]
    parts += [*_rule(fmt), *_special_cases(fmt), *_bits(fmt), *_example(fmt), *_diagrams(fmt)]
    parts.append(f"Spelled out: `{fmt.spelled_name}`." if fmt.spelled_name != fmt.name else "")
    return "\n\n".join(part for part in parts if part) + "\n"
