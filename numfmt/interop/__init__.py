"""Bytes of other people's tools: packed codes, scale orders, dtypes of other libraries, files.

Layouts know widths, not formats: codes in, bytes out, and back. `numfmt.unpack`, `numfmt.save` and `numfmt.load` know
formats too.
"""

from .files import load, save
from .packed import layouts_for, unpack
from .packing import LAYOUTS, Layout, get_layout, pack_codes, packed_size, unpack_codes
from .swizzle import swizzle, unswizzle
from .tq1_0 import pack_tq1_0, unpack_tq1_0
from .views import DTYPES, DTypeNames, from_ml_dtypes, from_torch, to_ml_dtypes, to_torch

__all__ = [
    "DTYPES",
    "DTypeNames",
    "LAYOUTS",
    "Layout",
    "from_ml_dtypes",
    "from_torch",
    "get_layout",
    "layouts_for",
    "load",
    "pack_codes",
    "pack_tq1_0",
    "packed_size",
    "save",
    "swizzle",
    "to_ml_dtypes",
    "to_torch",
    "unpack",
    "unpack_codes",
    "unpack_tq1_0",
    "unswizzle",
]
