"""`numfmt selftest`: does this installation give the bits that the library's tests saw?"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from ..selftest import Outcome, record, run
from .options import JsonFlag
from .output import print_json, write_text

__all__ = ["selftest"]


def selftest(
    full: Annotated[bool, typer.Option("--full", help="Every rounding and every row; minutes.")] = False,
    json: JsonFlag = False,
    update: Annotated[Path | None, typer.Option("--update", hidden=True, metavar="FILE")] = None,
) -> None:
    """Compute a SHA-256 of every operation, format and policy over a fixed stream; compare with the recorded ones.

    No network, about a minute; exit code 1 if any differs.
    """
    if update is not None:
        _update(update)
        return
    start, outcomes = time.perf_counter(), []
    for outcome in run(full):
        outcomes.append(outcome)
        if not json:
            typer.echo(f"{outcome.digest}  {_verdict(outcome):9}  {outcome.rows:6}  {outcome.case.name}")
    differing = [o for o in outcomes if not o.ok]
    rows = sum(o.rows for o in outcomes)
    if json:
        entries = [{"case": o.case.name, "rows": o.rows, "sha256": o.digest, "verdict": _verdict(o)} for o in outcomes]
        print_json({"digests": len(outcomes), "rows": rows, "differ": len(differing), "cases": entries})
    else:
        seconds = time.perf_counter() - start
        typer.echo(f"{len(outcomes)} digests over {rows} results in {seconds:.1f} s: {len(differing)} differ")
        for outcome in differing:
            typer.echo(f"differs: {outcome.case.name}, recorded {outcome.expected}")
    if differing:
        raise typer.Exit(1)


def _verdict(outcome: Outcome) -> str:
    return "ok" if outcome.ok else "new" if outcome.expected is None else "DIFFERS"


def _update(path: Path) -> None:
    write_text(path, record())
    typer.echo(f"digests written to {path}")
