"""`numfmt vectors`: golden vectors into a file, and `numfmt vectors verify FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import ArgumentError
from ..vectors import COLUMNS, LAYOUTS, OPERATIONS, SETS, generate, verify
from .options import NanOption, OverflowOption, RoundingOption
from .output import note

__all__ = ["vectors"]

_EXAMPLE = "numfmt vectors mul fp8_e4m3fn --set exhaustive --layout memh -o mul.hex"


def vectors(
    op: Annotated[str, typer.Argument(metavar="OP", help="Operation, such as mul or fma; or: verify.")],
    names: Annotated[
        list[str], typer.Argument(metavar="FORMAT...", help="Format of all operands, or of each; or FILE.")
    ],
    fmt: Annotated[str | None, typer.Option(metavar="FORMAT", help="Format of the result.")] = None,
    set_name: Annotated[str, typer.Option("--set", metavar="SET", help=f"{', '.join(SETS)}.")] = "exhaustive",
    n: Annotated[int | None, typer.Option("--n", metavar="N", help="Rows of a random set.")] = None,
    seed: Annotated[int, typer.Option(metavar="S", help="Of random and boundary sets.")] = 0,
    rounding: RoundingOption = None,
    overflow: OverflowOption = None,
    nan: NanOption = None,
    tininess: Annotated[str, typer.Option(metavar="WHEN", help="Underflow looks after or before rounding.")] = "after",
    flags: Annotated[bool, typer.Option("--flags/--no-flags", help="A column of exception flags.")] = True,
    column: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help=f"More columns: {', '.join(COLUMNS)}; may be repeated.")
    ] = None,
    layout: Annotated[str | None, typer.Option(metavar="LAYOUT", help=f"{', '.join(LAYOUTS)}.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="The file to write.")] = None,
) -> None:
    """Golden vectors: operands, results and flags of an operation in a file; `vectors verify FILE` checks one."""
    if op == "verify":
        _verify([Path(name) for name in names])
        return
    if op not in OPERATIONS:
        raise ArgumentError(f"OP must be verify or an operation, got {op!r}: {', '.join(OPERATIONS)}")
    if output is None or layout is None:
        raise ArgumentError(f"--layout and -o say what to write and where, for example: {_EXAMPLE}")
    made = generate(
        op,
        names,
        fmt=fmt,
        set=set_name,
        n=n,
        seed=seed,
        rounding=rounding,
        overflow=overflow,
        nan=nan,
        tininess=tininess,
        flags=flags,
        columns=column or (),
    )
    files = made.write(output, layout)
    typer.echo(str(made))
    note(f"wrote {', '.join(str(file) for file in files)}")


def _verify(files: list[Path]) -> None:
    results = [verify(file) for file in files]
    for result in results:
        typer.echo(str(result))
    if not all(result.ok for result in results):
        raise typer.Exit(1)
