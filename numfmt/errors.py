"""Every exception numfmt raises: each message names the argument, the rule, the value, and the fix."""

from __future__ import annotations

__all__ = [
    "ArgumentError",
    "CodeRangeError",
    "DTypeError",
    "FileFormatError",
    "FormatMismatchError",
    "FormatNameError",
    "FormatOverflowError",
    "NaNError",
    "NumfmtError",
    "RangeError",
    "VectorFileError",
]


class NumfmtError(Exception):
    """Base class: ``except numfmt.errors.NumfmtError`` catches everything the library raises on purpose."""


class ArgumentError(NumfmtError, ValueError):
    """An argument has a value its rule does not allow."""


class FormatNameError(NumfmtError, ValueError, LookupError):
    """A format name is unknown, ambiguous or not legal."""


class FormatMismatchError(NumfmtError, TypeError):
    """Two formats, or a format and an array, do not fit together."""


class DTypeError(NumfmtError, TypeError):
    """An array has a dtype that cannot be converted exactly."""


class CodeRangeError(NumfmtError, ValueError):
    """A code lies outside the width of its format."""


class NaNError(NumfmtError, ValueError):
    """A NaN meets a format that has none, or a rule that forbids it."""


class FormatOverflowError(NumfmtError, OverflowError):
    """A value is out of range and the policy is RAISE (or the format has nothing to put there)."""


class RangeError(NumfmtError, OverflowError):
    """A decoded value lies outside the range of the requested dtype."""


class FileFormatError(NumfmtError, ValueError):
    """A file is not what its name or header says."""


class VectorFileError(FileFormatError):
    """A file of vectors, or its manifest, cannot be read; the message begins with file and line."""
