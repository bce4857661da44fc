"""The tensors of NumPy's .npy and .npz files."""

from __future__ import annotations

import functools
import zipfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy_format

from ..errors import FileFormatError
from ..interop.npy import ARCHIVE_ERRORS, check_archive, read_header
from .files import Tensor, unusable

__all__ = ["open_npy", "open_npz"]


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


def open_npz(path: Path) -> list[Tensor]:
    """The tensors of a .npz archive; each is read when asked for."""
    try:
        with zipfile.ZipFile(path) as archive:
            check_archive(path, archive)
            tensors = [_entry(path, archive, entry) for entry in archive.infolist() if entry.filename.endswith(".npy")]
    except ARCHIVE_ERRORS as err:
        if isinstance(err, FileFormatError):
            raise
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
        except ARCHIVE_ERRORS as err:
            raise FileFormatError(f"{what}: damaged: {err}") from None

    return Tensor(name, header.dtype.name, header.shape, load, unusable(header.dtype))
