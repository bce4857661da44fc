"""Public conformance tools: `check_format` runs every promise a format makes; `strategies` feeds hypothesis.

Importing this package needs neither pytest nor hypothesis.
"""

from .check import CheckReport, check_format

__all__ = ["CheckReport", "check_format"]
