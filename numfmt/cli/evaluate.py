"""`numfmt eval "fp8_e4m3fn: 0x3a * 0x51, toward_zero"`: one operation, explained."""

from __future__ import annotations

from typing import Annotated

import typer

from ..expressions import evaluate
from .options import JsonFlag
from .output import print_json

__all__ = ["evaluate_expression"]


def evaluate_expression(
    expression: Annotated[
        str, typer.Argument(metavar="EXPRESSION", help="FORMAT: OPERATION [-> FORMAT] [, OPTION...], see below.")
    ],
    json: JsonFlag = False,
) -> None:
    """Compute one operation exactly and explain it: operands, exact result, both neighbours, the decision, flags.

    OPERATION is x + y, x - y, x * y, x / y or a call such as fma(x, y, z), sqrt(x), exp(x); an operand is a code
    (0x3a, 0b101) or a number that its format holds. FORMAT is one name, or one for each operand, separated by commas.
    OPTION is a rounding, an overflow policy, a NaN policy, or tininess=before.
    """
    explanation = evaluate(expression)
    if json:
        print_json(explanation.as_dict())
    else:
        typer.echo(str(explanation))
