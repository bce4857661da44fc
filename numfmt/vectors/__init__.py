"""Golden vectors for test benches: generated, written in the layouts that simulators read, verified row by row.

>>> from numfmt import vectors
>>> print(vectors.generate("mul", "fp8_e4m3fn", set="smoke"))
256 vectors of mul, fp8_e4m3fn -> fp8_e4m3fn, nearest_even, smoke set
"""

from __future__ import annotations

from .boundary import Coverage
from .classes import CLASS_NAMES
from .columns import COLUMNS, Field
from .generation import VectorSet, generate
from .layouts import LAYOUTS
from .operations import OPERATIONS, Policy
from .sets import SETS
from .verification import Difference, Verification, verify

__all__ = [
    "CLASS_NAMES",
    "COLUMNS",
    "Coverage",
    "Difference",
    "Field",
    "LAYOUTS",
    "OPERATIONS",
    "Policy",
    "SETS",
    "VectorSet",
    "Verification",
    "generate",
    "verify",
]
