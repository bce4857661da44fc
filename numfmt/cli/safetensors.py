"""The tensors of a .safetensors file, memory-mapped."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import Format
from ..errors import FileFormatError
from ..formats import scalar as get
from ..interop.safetensors import CODE_DTYPES, DTYPES, SafetensorsHeader, read_header
from .files import Tensor, unusable

__all__ = ["open_safetensors", "read_layout"]


def read_layout(path: Path) -> SafetensorsHeader:
    """The header of a file, checked against the file's size."""
    with path.open("rb") as file:
        return read_header(file, path)


def _load(path: Path, dtype: str, offset: int, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    if 0 in shape:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", offset, shape)


def open_safetensors(path: Path) -> list[Tensor]:
    """The tensors of the file, memory-mapped."""
    start, layout, _ = read_layout(path)
    if not layout:
        raise FileFormatError(f"{path.name}: the file holds no tensors")
    tensors = []
    for name, (dtype, shape, begin, _) in layout.items():
        stored_as: Format | None = None
        if dtype in CODE_DTYPES:
            stored, format_name = CODE_DTYPES[dtype]
            stored_as, skip = get(format_name), None
        elif dtype in DTYPES:
            stored = DTYPES[dtype]
            skip = unusable(np.dtype(stored))
        else:
            stored, skip = "|u1", f"dtype {dtype} is not supported"
        load = functools.partial(_load, path, stored, start + begin, shape)
        tensors.append(Tensor(name, dtype, shape, load, skip, stored_as))
    return tensors
