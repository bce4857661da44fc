"""Tensors and metadata of .gguf files, the model files of ggml and llama.cpp, mapped and decoded when asked for.

>>> import tempfile, pathlib
>>> from numfmt.interop.gguf import read_gguf
>>> header = b"GGUF" + (3).to_bytes(4, "little") + (1).to_bytes(8, "little") + bytes(8)
>>> entry = (1).to_bytes(8, "little") + b"w" + (1).to_bytes(4, "little") + (3).to_bytes(8, "little") + bytes(12)
>>> with tempfile.TemporaryDirectory() as folder:
...     path = pathlib.Path(folder, "tiny.gguf")
...     written = path.write_bytes((header + entry).ljust(64, bytes(1)) + np.array([1, 2, 3], "<f4").tobytes())
...     file = read_gguf(path)
...     file.tensors["w"].load()
array([1., 2., 3.], dtype=float32)
"""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError, FileFormatError
from ._gguf_header import Stored, TensorEntry, read_header
from .ggml import ggml_type, ggml_types

__all__ = ["GgufFile", "GgufTensor", "read_gguf"]

_BLOCK_TYPES = frozenset(t.name for t in ggml_types())


@dataclass(frozen=True, eq=False)
class GgufTensor:
    """One tensor of a .gguf file; nothing is read before it is asked for.

    Attributes
    ----------
    name : str
    shape : tuple of int
        In NumPy order, the contiguous axis last (the file has it first).
    type_name : str
        ggml's name, for example "F16" or "Q4_0"; "unknown type 99" for a number this module does not know.
    block, block_bytes : int
        Elements and bytes of a block (one element for plain numbers); `block_bytes` None where not known.
    n_blocks : int
    """

    name: str
    shape: tuple[int, ...]
    type_name: str
    block: int
    block_bytes: int | None
    n_blocks: int
    _stored: Stored = field(repr=False)
    _bytes: npt.NDArray[np.uint8] = field(repr=False)

    @property
    def dtype(self) -> np.dtype[Any]:
        """dtype of `load()` and `blocks()`: the type's own for F16, F32, F64 and integers, else float32 (exact).

        Raises `FileFormatError` for a type that cannot be decoded here.
        """
        if self._stored.dtype is not None:
            return np.dtype(self._stored.dtype).newbyteorder("=")
        if self.type_name != "BF16" and self.type_name not in _BLOCK_TYPES:
            raise FileFormatError(
                f"tensor {self.name!r} has type {self.type_name}, which is not decoded here (its bytes may be: see "
                f"raw()); decoded are F32, F16, BF16, F64, I8, I16, I32, I64, {', '.join(t.name for t in ggml_types())}"
            )
        return np.dtype(np.float32)

    def raw(self) -> npt.NDArray[np.uint8]:
        """The stored bytes, read-only and mapped: uint8, the last axis in bytes.

        `ggml_type(t.type_name).unpack(t.raw())` gives codes and scales of a block type.

        Raises
        ------
        FileFormatError
            The size of a block of this type is not known.
        """
        if self.block_bytes is None:
            raise FileFormatError(f"tensor {self.name!r} has type {self.type_name}, whose size in bytes is not known")
        if not self.shape:
            return self._bytes
        return self._bytes.reshape(*self.shape[:-1], self.shape[-1] // self.block * self.block_bytes)

    def load(self) -> npt.NDArray[Any]:
        """All elements, in the tensor's shape; see `dtype`.

        Raises
        ------
        FileFormatError
            The type cannot be decoded here.
        """
        return self.blocks().reshape(self.shape)

    def blocks(self, start: int = 0, stop: int | None = None) -> npt.NDArray[Any]:
        """The elements of blocks `start` to `stop` in memory order: (stop - start, block); see `dtype`.

        With this a tensor that does not fit memory can be walked through.

        Parameters
        ----------
        start, stop : int, 0 <= start <= stop <= n_blocks
            Blocks are numbered through all rows; `stop` None is the end.

        Raises
        ------
        ArgumentError
            The range is not within the tensor.
        FileFormatError
            The type cannot be decoded here.
        """
        stop = self.n_blocks if stop is None else stop
        if not 0 <= start <= stop <= self.n_blocks:
            raise ArgumentError(
                f"start, stop must satisfy 0 <= start <= stop <= {self.n_blocks} (blocks of tensor {self.name!r}), "
                f"got {start}, {stop}"
            )
        dtype = self.dtype
        assert self.block_bytes is not None
        raw = self._bytes[start * self.block_bytes : stop * self.block_bytes]
        if self._stored.dtype is not None:
            # tobytes: the file may be mapped to an address that does not suit the dtype.
            numbers = np.frombuffer(raw.tobytes(), self._stored.dtype).astype(dtype)
        elif self.type_name == "BF16":
            numbers = (np.frombuffer(raw.tobytes(), "<u2").astype(np.uint32) << np.uint32(16)).view(np.float32)
        else:
            numbers = ggml_type(self.type_name).decode(raw)
        return numbers.reshape(stop - start, self.block)


@dataclass(frozen=True, eq=False)
class GgufFile:
    """A .gguf file.

    Attributes
    ----------
    path : Path
    version, alignment : int
    tensors : mapping from name to GgufTensor, in the file's order
    metadata : mapping from key to bool, int, float, str, a NumPy array of numbers, or a list (of str or of arrays)
    """

    path: Path
    version: int
    alignment: int
    tensors: Mapping[str, GgufTensor] = field(repr=False)
    metadata: Mapping[str, Any] = field(repr=False)


def read_gguf(path: str | os.PathLike[str]) -> GgufFile:
    """Open a .gguf file, version 2 or 3, little-endian.

    Every count, length, dimension and offset is checked against the file's size before it is used: a damaged or hostile
    header costs one error, and never more time or memory than the file's size explains. Nothing is executed or
    unpickled. The elements stay in the file, which is mapped and must not be shortened while tensors are in use.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    GgufFile

    Raises
    ------
    FileFormatError
        There is no such file, or it is no sound GGUF file; the message names the file, what is wrong and the value.

    Notes
    -----
    Source: ggml `docs/gguf.md`. Stricter than that text: arrays nest at most 4 deep, and no two tensors share bytes.
    Not as strict: keys may be any UTF-8, tensor names may have up to 65,535 bytes, there may be gaps between tensors,
    and the alignment may be any power of two (as in ggml's `gguf.cpp`).

    >>> read_gguf("no-such-file.gguf")
    Traceback (most recent call last):
    numfmt.errors.FileFormatError: no-such-file.gguf: no such file
    """
    path = Path(path)
    data = _mapped(path)
    header = read_header(path, data)
    tensors = {entry.name: _tensor(entry, data) for entry in header.tensors}
    return GgufFile(
        path, header.version, header.alignment, MappingProxyType(tensors), MappingProxyType(header.metadata)
    )


def _mapped(path: Path) -> npt.NDArray[np.uint8]:
    try:
        # A pipe or a device is never opened: that could block.
        if not stat.S_ISREG(path.stat().st_mode):
            raise FileFormatError(f"{path.name}: not a regular file")
        with path.open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                raise FileFormatError(f"{path.name}: the file is empty")
            return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
    except FileNotFoundError:
        raise FileFormatError(f"{path.name}: no such file") from None
    except OSError as err:
        raise FileFormatError(f"{path.name}: cannot be read: {err.strerror}") from None


def _tensor(entry: TensorEntry, data: npt.NDArray[np.uint8]) -> GgufTensor:
    stored = entry.stored
    n_elements = 1
    for n in entry.shape:
        n_elements *= n
    return GgufTensor(
        entry.name,
        entry.shape,
        stored.name,
        stored.block,
        stored.block_bytes,
        n_elements // stored.block,
        stored,
        data[entry.start : entry.start + (entry.n_bytes or 0)],
    )
