"""NumPy's .npy and .npz files, headers checked before anything is allocated."""

from __future__ import annotations

import functools
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy_format

from ..errors import FileFormatError
from .files import Tensor, unusable

__all__ = ["Header", "check_archive", "open_npy", "open_npz", "read_header"]

#: Deflate reaches about 1030 to 1 on constant data. Below this ratio, or this size, an entry is believed.
_BELIEVED_RATIO = 200
_BELIEVED_BYTES = 1 << 26


@dataclass(frozen=True)
class Header:
    """What a .npy header says, and where the elements start."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[Any]
    offset: int

    @property
    def nbytes(self) -> int:
        """Bytes of the elements; a Python integer, which no lie overflows."""
        n = self.dtype.itemsize
        for length in self.shape:
            n *= length
        return n


def read_header(file: IO[bytes], what: str) -> Header:
    """The header at the start of `file`; `FileFormatError` when it is none, or announces pickled objects."""
    start = file.read(6)
    if start != npy_format.MAGIC_PREFIX:
        pickled = " (it looks like a pickle, which is never opened)" if start[:1] == b"\x80" else ""
        raise FileFormatError(f"{what}: not a .npy file; it starts with {start!r}{pickled}")
    version = file.read(2)
    read = {b"\1\0": npy_format.read_array_header_1_0, b"\2\0": npy_format.read_array_header_2_0}.get(version)
    if read is None:
        raise FileFormatError(
            f"{what}: .npy version {'.'.join(map(str, version))} holds no plain numbers; save version 1"
        )
    try:
        shape, fortran_order, dtype = read(file)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError, EOFError) as err:
        raise FileFormatError(f"{what}: damaged .npy header: {str(err).splitlines()[0]}") from None
    if dtype.hasobject:
        raise FileFormatError(
            f"{what}: holds Python objects (a pickle), which are never opened; save an array of numbers"
        )
    if any(isinstance(n, bool) or n < 0 for n in shape):
        raise FileFormatError(f"{what}: damaged .npy header: shape {shape}")
    return Header(tuple(shape), fortran_order, dtype, file.tell())


def open_npy(path: Path) -> Tensor:
    """The one tensor of a .npy file, memory-mapped."""
    with path.open("rb") as file:
        header = read_header(file, path.name)
    held = path.stat().st_size - header.offset
    if held < header.nbytes:
        raise FileFormatError(
            f"{path.name}: the header announces {header.nbytes:,} bytes of elements (shape {header.shape}, "
            f"{header.dtype}), the file holds {held:,}; it is truncated or its header lies"
        )

    def load() -> npt.NDArray[Any]:
        if header.nbytes == 0:
            return np.empty(header.shape, header.dtype)
        order: Literal["C", "F"] = "F" if header.fortran_order else "C"
        mapped: npt.NDArray[Any] = np.memmap(path, header.dtype, "r", header.offset, header.shape, order)
        return mapped

    return Tensor(path.stem, header.dtype.name, header.shape, load, unusable(header.dtype))


def check_archive(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse archives whose directory promises more than the file can hold."""
    compressed = 0
    for entry in archive.infolist():
        compressed += entry.compress_size
        what = f"{path.name}: {entry.filename}"
        if entry.flag_bits & 1:
            raise FileFormatError(f"{what} is encrypted")
        stored = entry.compress_type == zipfile.ZIP_STORED
        if stored and entry.file_size != entry.compress_size:
            raise FileFormatError(f"{what} is stored in {entry.compress_size:,} bytes but claims {entry.file_size:,}")
        if entry.file_size > _BELIEVED_BYTES and entry.file_size > _BELIEVED_RATIO * max(entry.compress_size, 1):
            raise FileFormatError(
                f"{what} claims {entry.file_size:,} bytes from {entry.compress_size:,} compressed ones, more than "
                f"{_BELIEVED_RATIO} to 1: refused as a zip bomb; save it uncompressed (numpy.savez) if it is real"
            )
    if compressed > path.stat().st_size:
        raise FileFormatError(f"{path.name}: entries overlap or lie outside the file: refused as a zip bomb")


def open_npz(path: Path) -> list[Tensor]:
    """The tensors of a .npz archive; each is read when asked for."""
    try:
        with zipfile.ZipFile(path) as archive:
            check_archive(path, archive)
            tensors = [_entry(path, archive, entry) for entry in archive.infolist() if entry.filename.endswith(".npy")]
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, UnicodeDecodeError) as err:
        raise FileFormatError(f"{path.name}: not a usable .npz archive: {err}") from None
    if not tensors:
        raise FileFormatError(f"{path.name}: the archive holds no arrays")
    return tensors


def _entry(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Tensor:
    what = f"{path.name}: {entry.filename}"
    name = entry.filename.removesuffix(".npy")
    with archive.open(entry) as file:
        try:
            header = read_header(file, what)
        except FileFormatError as err:
            if "Python objects" in str(err):  # one such entry need not spoil the others
                return Tensor(
                    name, "object", (), functools.partial(np.empty, 0), "Python objects, which are never opened"
                )
            raise
    if header.offset + header.nbytes != entry.file_size:
        raise FileFormatError(
            f"{what}: the header announces {header.nbytes:,} bytes of elements (shape {header.shape}, {header.dtype}), "
            f"the archive holds {entry.file_size - header.offset:,}"
        )

    def load() -> npt.NDArray[Any]:
        try:
            with zipfile.ZipFile(path) as again, again.open(entry) as stream:
                return np.asarray(npy_format.read_array(stream, allow_pickle=False))
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as err:
            raise FileFormatError(f"{what}: damaged: {err}") from None

    return Tensor(name, header.dtype.name, header.shape, load, unusable(header.dtype))
