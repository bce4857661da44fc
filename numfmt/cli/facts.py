"""The facts of a format: as JSON, and as the page that `numfmt show FORMAT` prints."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from rich.console import Console
from rich.style import Style
from rich.table import Table
from rich.text import Text

from .. import Format, formats
from ..display import FIELD_COLOURS, bit_fields, number_text
from ..errors import NumfmtError
from .families import family_of
from .output import json_number

__all__ = ["facts_of", "print_facts"]

_ROUNDING_WORDS = {
    "nearest_even": "nearest, ties to the even code",
    "nearest_away": "nearest, ties away from zero",
    "nearest_up": "nearest, ties toward +infinity",
    "nearest_down": "nearest, ties toward -infinity",
    "nearest_zero": "nearest, ties toward zero",
}


def _fact(fact: Callable[[], Any]) -> Any:
    """A fact, or None where the format has no such thing (or is too wide to count it)."""
    try:
        return fact()
    except NumfmtError:
        return None


def facts_of(fmt: Format) -> dict[str, Any]:
    """Everything that `show` prints about a format, ready for JSON; None where it does not apply."""
    real = not fmt.is_complex
    numbers = ("max", "min", "smallest_normal", "smallest")
    return {
        "name": fmt.name,
        "family": family_of(fmt),
        "aliases": formats.aliases_of(fmt),
        "source": fmt.source,
        "bits": fmt.bits,
        "fields": None if _varying(fmt) else {name: len(bits) for name, bits in bit_fields(fmt, 0)},
        "bias": getattr(fmt, "bias", None),
        **{name: json_number(getattr(fmt, name)) if real else None for name in numbers},
        "epsilon_at_1": _fact(lambda: json_number(fmt.epsilon_at(1))) if real else None,
        "decades": _fact(lambda: round(fmt.dynamic_range, 2)) if real else None,
        "distinct_values": _fact(lambda: fmt.value_count),
        "nan_codes": _fact(lambda: len(fmt.nan_codes)) if real else 0,
        "has_inf": fmt.has_inf,
        "has_nan": fmt.has_nan,
        "has_zero": fmt.has_zero,
        "has_negative_zero": fmt.has_negative_zero,
        "exact": fmt.exact,
        "code_dtype": str(fmt.code_dtype),
        "value_dtype": str(fmt.value_dtype),
        "defaults": {
            "rounding": fmt.default_rounding.name.lower(),
            "overflow": fmt.default_overflow.name.lower(),
            "nan": fmt.default_nan.name.lower(),
        }
        if real
        else None,
    }


def _varying(fmt: Format) -> bool:
    """Whether the field boundaries depend on the code, as in posits."""
    return fmt.field_widths[0][0] == "code" and any(len(bit_fields(fmt, c)) > 1 for c in (0, fmt.code_count - 1))


def _layout(fmt: Format) -> Text:
    if _varying(fmt):
        widest = max(range(1 << 8), key=lambda c: len(bit_fields(fmt, c * fmt.code_count >> 8)))
        labels = [(name, name) for name, _ in bit_fields(fmt, widest * fmt.code_count >> 8)]
        end = "  (widths depend on the code)"
    else:
        labels = [(name, f"{name} {len(bits)}") for name, bits in bit_fields(fmt, 0)]
        end = ""
    text = Text("  ").join(Text(label, Style(color=FIELD_COLOURS.get(name), bold=True)) for name, label in labels)
    return text.append(end, "default")


def _codes(facts: dict[str, Any]) -> str:
    parts = [] if facts["distinct_values"] is None else [f"{facts['distinct_values']:,} values"]
    parts.append("no zero" if not facts["has_zero"] else "0 and -0" if facts["has_negative_zero"] else "0 but no -0")
    parts.append("infinities" if facts["has_inf"] else "no infinity")
    count = facts["nan_codes"]
    parts.append("no NaN" if not facts["has_nan"] else "NaN" if count is None else f"{count:,} NaN")
    return ", ".join(parts)


def print_facts(out: Console, fmt: Format) -> None:
    """The page of one format."""
    facts = facts_of(fmt)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="cyan", no_wrap=True)
    grid.add_column(overflow="fold")

    def row(label: str, value: Any) -> None:
        if value is not None and value != "":
            grid.add_row(label, value if isinstance(value, Text) else str(value))

    row("source", facts["source"])
    row("aliases", ", ".join(facts["aliases"]))
    row("bits", f"{fmt.bits}; codes are {facts['code_dtype']}, values {facts['value_dtype']}")
    row("fields", _layout(fmt))
    row("exponent bias", facts["bias"])
    if not fmt.is_complex:
        row("largest", _precise(fmt.max))
        row("lowest", _precise(fmt.min))
        row("smallest normal", _precise(fmt.smallest_normal) if fmt.smallest_normal != fmt.smallest else None)
        row("smallest", _precise(fmt.smallest))
        row("step above 1", None if facts["epsilon_at_1"] is None else number_text(facts["epsilon_at_1"]))
        row("range", None if facts["decades"] is None else f"{facts['decades']} decades from smallest to largest")
    row("codes", _codes(facts))
    row("precision", None if fmt.exact else "logarithmic: values are irrational, shown to 17 digits")
    if defaults := facts["defaults"]:
        rounding = defaults["rounding"]
        row(
            "default rounding", f"{rounding} ({_ROUNDING_WORDS[rounding]})" if rounding in _ROUNDING_WORDS else rounding
        )
        row("default overflow", defaults["overflow"])
        row("default NaN", defaults["nan"] + ("" if fmt.has_nan else " (the format has no NaN)"))
    out.print(Text.assemble((fmt.name, "bold"), "  ", (facts["family"], "dim")))
    out.print(grid)


def _precise(x: Any) -> str:
    return number_text(x) if isinstance(x, (int, float, Fraction)) else f"~{float(x.enclosure(64)[0]):.17g}"
