"""Tensors of a .npy, .npz, .safetensors or .gguf file, opened without trusting what its headers claim.

Every header is checked against the size of the file before anything is allocated: a lying header, a truncated file or a
zip bomb costs one `FileFormatError` and no memory. Arrays are memory-mapped where the format allows it. Nothing is ever
unpickled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import Format, decode
from ..errors import ArgumentError, FileFormatError

__all__ = ["CHUNK", "Tensor", "open_tensors", "unusable"]

#: Elements that are looked at together: small enough for the cache and for any memory.
CHUNK = 1 << 17


@dataclass(frozen=True)
class Tensor:
    """One array of a file, loaded when asked for."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    load: Callable[[], npt.NDArray[Any]]
    #: Why it holds no real numbers that can be measured, or None.
    skip: str | None = None
    #: The number format of the stored codes, where NumPy has no dtype for it (bfloat16 and fp8 in safetensors).
    stored_as: Format | None = None
    #: Elements `start` to `stop` in C order, for files whose elements must be decoded; None: `load` is cheap.
    read: Callable[[int, int], npt.NDArray[Any]] | None = None

    @property
    def size(self) -> int:
        """Number of elements."""
        size = 1
        for n in self.shape:
            size *= n
        return size

    @property
    def is_integer(self) -> bool:
        """Whether the elements are integers, which `numfmt quantize` leaves alone."""
        return self.stored_as is None and re.fullmatch(r"u?int\d+|[iu]\d+", self.dtype.lower()) is not None

    def flat(self) -> npt.NDArray[Any]:
        """The stored elements in memory order, flat: never a copy of a mapped file."""
        array = self.load()
        return (array if array.flags.c_contiguous else array.T).reshape(-1)

    def stored_pieces(self) -> Iterator[npt.NDArray[Any]]:
        """The stored elements in memory order, at most CHUNK at a time."""
        if self.read is not None:
            yield from (self.read(at, min(at + CHUNK, self.size)) for at in range(0, self.size, CHUNK))
            return
        stored = self.flat()
        yield from (stored[at : at + CHUNK] for at in range(0, stored.size, CHUNK))

    def reader(self) -> Callable[[int, int], npt.NDArray[Any]]:
        """A function from `start`, `stop` to the real numbers of that range in C order.

        The file is opened once; one in Fortran order is read whole.
        """
        read = self.read
        if read is None:
            stored = self.load().reshape(-1)
            return lambda start, stop: self.reals(stored[start:stop])
        return read

    def reals(self, stored: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The real numbers of a piece of `flat()`."""
        if self.stored_as is None:
            return stored
        return np.asarray(decode(stored, self.stored_as))


def unusable(dtype: np.dtype[Any]) -> str | None:
    """Why arrays of this dtype cannot be measured, or None."""
    if dtype.kind in "iu" or (dtype.kind == "f" and dtype.itemsize <= 8):
        return None
    if dtype.kind == "f":
        return f"{dtype.name} differs between machines"
    if dtype.kind == "V" and dtype.names is None:
        return f"raw bytes ({dtype.str}): NumPy files lose extension dtypes such as bfloat16"
    return f"not real numbers ({dtype})"


def open_tensors(path: Path) -> list[Tensor]:
    """The tensors of a file in its own order; raises `FileFormatError` when the file is not what it says.

    Parameters
    ----------
    path : Path
        Ends in .npy, .npz, .safetensors or .gguf.
    """
    from . import gguf, npy, safetensors

    if not path.exists():
        raise FileFormatError(f"{path}: no such file")
    if not path.is_file():
        raise FileFormatError(f"{path}: not a regular file")
    if path.stat().st_size == 0:
        raise FileFormatError(f"{path}: the file is empty")
    match path.suffix.lower():
        case ".npy":
            return [npy.open_npy(path)]
        case ".npz":
            return npy.open_npz(path)
        case ".safetensors":
            return safetensors.open_safetensors(path)
        case ".gguf":
            return gguf.open_gguf(path)
    raise ArgumentError(f"FILE must end in .npy, .npz, .safetensors or .gguf, got {path.name!r}")
