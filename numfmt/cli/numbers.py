"""Numbers as people type them: decimals, fractions, hexadecimal floats, infinities, NaN, and codes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import typer

from .. import Format

__all__ = ["Typed", "parse_value"]


@dataclass(frozen=True)
class Typed:
    """What a VALUE argument means: a code, or a number (exact, or a signed zero, infinity, NaN, or complex)."""

    text: str
    code: int | None = None
    number: Fraction | float | complex | None = None


def _usage(text: str) -> typer.BadParameter:
    return typer.BadParameter(
        f"{text!r} is no number; write a decimal (0.1), a fraction (1/3), a hexadecimal float (0x1.8p-3), inf, nan, "
        "or a code (0x3a, 0b0101)"
    )


def parse_value(text: str, fmt: Format) -> Typed:
    """The meaning of `text`: ``0x3a`` and ``0b101`` are codes of `fmt`, everything else is a number, taken exactly."""
    key = text.strip().lower().replace("_", "")
    unsigned = key.lstrip("+-")
    negative = key.startswith("-")
    if unsigned.startswith(("0x", "0b")) and "p" not in unsigned and "." not in unsigned:
        try:
            code = int(key, 16 if unsigned.startswith("0x") else 2)
        except ValueError:
            raise _usage(text) from None
        return Typed(text, code=fmt.check_code(code))
    if fmt.is_complex:
        try:
            return Typed(text, number=complex(key.replace("i", "j")))
        except ValueError:
            raise typer.BadParameter(f"{text!r} is no complex number; write 1, -0.5+2j, or a code (0x3)") from None
    if unsigned in ("inf", "infinity", "nan"):
        return Typed(text, number=math.copysign(float(unsigned), -1 if negative else 1))
    _, _, exponent = unsigned.partition("e")
    if len(exponent.lstrip("+-")) > 6 and not unsigned.startswith("0x"):
        raise typer.BadParameter(f"{text!r} has an exponent of more than 6 digits")
    try:
        number = Fraction(float.fromhex(key)) if unsigned.startswith("0x") else Fraction(key)
    except (ValueError, ZeroDivisionError, OverflowError):
        raise _usage(text) from None
    if number == 0:
        return Typed(text, number=-0.0 if negative else 0.0)
    return Typed(text, number=number)
