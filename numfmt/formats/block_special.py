"""Catalog lines of the block formats with structure inside the block."""

from __future__ import annotations

from .mx_plus import mx_plus
from .registry import add_block, get

__all__: list[str] = []

# ---- MX+ -----------------------------------------------------------------------------------------------------------
MX_PLUS = "MX+, arXiv:2510.14557"
for _name in ("mxfp4", "mxfp6_e2m3", "mxfp6_e3m2", "mxfp8_e4m3"):
    add_block(f"{_name}_plus", mx_plus(get(_name), MX_PLUS))
