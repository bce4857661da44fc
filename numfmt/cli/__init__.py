"""The command line, one file per command; needs the extra ``cli`` (typer and rich). Start at `numfmt.cli.app`."""
