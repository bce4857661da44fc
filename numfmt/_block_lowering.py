"""Which compiled text encodes or fake-quantizes which block format; None means the NumPy definition runs."""

from __future__ import annotations

from typing import Any

from .formats.block import BlockFormat
from .formats.conversion import Policy

__all__ = ["encode_plan", "quantize_plan"]


def encode_plan(fmt: BlockFormat, policy: Policy) -> Any:
    """The compiled encoder of a block format, or None."""
    return None


def quantize_plan(fmt: BlockFormat, policy: Policy) -> Any:
    """The compiled fake-quantizer of a block format, or None."""
    return None
