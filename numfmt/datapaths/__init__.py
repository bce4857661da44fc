"""Datapaths: how a dot product is computed, as frozen data, and the matrix units of real hardware as numbers."""

from .catalog import datapath, datapath_names
from .model import (
    AddAfter,
    Aligned,
    Chunk,
    DotModel,
    Exact,
    ExactProduct,
    Floating,
    Integer,
    Lanes,
    Permuted,
    RoundedProduct,
    Tree,
    Window,
)

__all__ = [
    "AddAfter",
    "Aligned",
    "Chunk",
    "DotModel",
    "Exact",
    "ExactProduct",
    "Floating",
    "Integer",
    "Lanes",
    "Permuted",
    "RoundedProduct",
    "Tree",
    "Window",
    "datapath",
    "datapath_names",
]
