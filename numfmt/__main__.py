"""Command line: ``numfmt`` or ``python -m numfmt``. The work is in `numfmt.cli`, which needs the extra ``cli``."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; exit code 0 (done), 1 (failed) or 2 (bad usage, or the extra is not installed)."""
    try:
        import rich  # noqa: F401
        import typer  # noqa: F401
    except ModuleNotFoundError as err:
        print(f"error: the command line needs {err.name}; run: pip install 'numfmt[cli]'", file=sys.stderr)
        raise SystemExit(2) from None
    from .cli.app import app

    app(prog_name="numfmt")


if __name__ == "__main__":
    main()
