"""The application: its commands, and how an error becomes one line and an exit code."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from rich.text import Text
from typer.core import TyperCommand, TyperGroup

from .. import __version__
from ..errors import NumfmtError
from . import encode, evaluate, listing, profiles, quantize, report, selftest, show, vectors
from .output import error_console

__all__ = ["app"]


class _Group(TyperGroup):
    """Turns numfmt's errors and the file system's into one red line and exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # the reader (head, less) has seen enough
            # Whatever is still buffered goes nowhere, or the interpreter would report the pipe again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except NumfmtError as err:
            message = " ".join(str(err).split())
        except (OSError, MemoryError) as err:
            message = _system_message(err)
        error_console().print(Text.assemble(("error:", "bold red"), " ", message))
        raise typer.Exit(1)


class _JsonTo(TyperCommand):
    """Lets ``--json`` stand alone (print) or before a file ending in .json (write)."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        expanded = []
        for i, arg in enumerate(args):
            expanded.append(arg)
            following = args[i + 1] if i + 1 < len(args) else ""
            if arg == "--json" and following != "-" and not following.endswith(".json"):
                expanded.append("-")
        return super().parse_args(ctx, expanded)


def _system_message(err: OSError | MemoryError) -> str:
    if isinstance(err, MemoryError):
        return f"out of memory: {err}".rstrip(": ")
    reason = err.strerror or str(err)
    return f"{err.filename}: {reason}" if err.filename else reason


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="What bits does this number format, this rounding, produce? Exactly.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"numfmt {__version__}")
        raise typer.Exit()


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


app.command("list")(listing.list_formats)
# A negative number is a VALUE, not an option.
app.command("show", context_settings={"ignore_unknown_options": True})(show.show)
app.command("table")(listing.table_of_codes)
app.command("values")(listing.values)
app.command("report", cls=_JsonTo)(report.report)
app.command("quantize")(quantize.quantize_file)
app.command("encode")(encode.encode_file)
app.command("compare-profiles")(profiles.compare)
app.command("vectors")(vectors.vectors)
app.command("eval")(evaluate.evaluate_expression)
app.command("selftest")(selftest.selftest)
