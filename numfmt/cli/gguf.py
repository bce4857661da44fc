"""The tensors of a .gguf file; ggml's block types are decoded some blocks at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FileFormatError
from ..interop.gguf import GgufTensor, read_gguf
from .files import Tensor, unusable

__all__ = ["open_gguf"]


def open_gguf(path: Path) -> list[Tensor]:
    """The tensors of the file; their dtype is the name that ggml gives the type."""
    tensors = [_tensor(t) for t in read_gguf(path).tensors.values()]
    if not tensors:
        raise FileFormatError(f"{path.name}: the file holds no tensors")
    return tensors


def _tensor(t: GgufTensor) -> Tensor:
    try:
        skip = unusable(t.dtype)
    except FileFormatError:
        skip = f"{t.type_name} is not decoded here"

    def read(start: int, stop: int) -> npt.NDArray[Any]:
        first = start // t.block
        blocks = t.blocks(first, -(-stop // t.block)).reshape(-1)
        return blocks[start - first * t.block : stop - first * t.block]

    def load() -> npt.NDArray[Any]:
        return np.empty(0, np.uint8) if skip else t.load()

    return Tensor(t.name, t.type_name, t.shape, load, skip, read=read)
