"""Bytes of other people's tools: how narrow codes are packed and how scales are laid out.

Layouts know widths, not formats: codes in, bytes out, and back.
"""

from .packing import LAYOUTS, Layout, get_layout, pack_codes, packed_size, unpack_codes
from .swizzle import swizzle, unswizzle
from .tq1_0 import pack_tq1_0, unpack_tq1_0

__all__ = [
    "LAYOUTS",
    "Layout",
    "get_layout",
    "pack_codes",
    "pack_tq1_0",
    "packed_size",
    "swizzle",
    "unpack_codes",
    "unpack_tq1_0",
    "unswizzle",
]
