"""NumPy's .npy headers and .npz archives, checked before anything they announce is allocated."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy_format

from ..errors import FileFormatError

__all__ = ["ARCHIVE_ERRORS", "BELIEVED_BYTES", "BELIEVED_RATIO", "Header", "check_archive", "read_header"]

#: What `zipfile` raises on damaged archives.
ARCHIVE_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    ValueError,
    LookupError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    OSError,
)
#: Deflate reaches about 1030 to 1 on constant data. Below this ratio, or this size, an entry is believed.
BELIEVED_RATIO = 200
BELIEVED_BYTES = 1 << 26


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
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError, EOFError, Warning) as err:
        words = (str(err) or type(err).__name__).splitlines()[0]
        raise FileFormatError(f"{what}: damaged .npy header: {words}") from None
    if dtype.hasobject:
        raise FileFormatError(
            f"{what}: holds Python objects (a pickle), which are never opened; save an array of numbers"
        )
    if any(isinstance(n, bool) or n < 0 for n in shape):
        raise FileFormatError(f"{what}: damaged .npy header: shape {shape}")
    return Header(tuple(shape), fortran_order, dtype, file.tell())


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
        if entry.file_size > BELIEVED_BYTES and entry.file_size > BELIEVED_RATIO * max(entry.compress_size, 1):
            raise FileFormatError(
                f"{what} claims {entry.file_size:,} bytes from {entry.compress_size:,} compressed ones, more than "
                f"{BELIEVED_RATIO} to 1: refused as a zip bomb; save it uncompressed (numpy.savez) if it is real"
            )
    if compressed > path.stat().st_size:
        raise FileFormatError(f"{path.name}: entries overlap or lie outside the file: refused as a zip bomb")
