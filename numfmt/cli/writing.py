"""Copies of files of tensors with other elements: the same names, shapes and dtypes, written piece by piece."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy_format

from ..errors import ArgumentError
from ..interop.npy import read_header
from ..interop.safetensors import DTYPES, StoredTensor, header_bytes
from .files import Tensor
from .output import refuse_overwrite, replacing
from .safetensors import read_layout

__all__ = ["check_output", "write_copy"]

#: The bytes of a tensor's new elements, in the order of the old ones (in C order where the file must be).
Pieces = Callable[[Tensor], Iterator[bytes]]
#: No time of writing: equal content makes equal files.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_NEW_KINDS = (".npz", ".safetensors")


def check_output(file: Path, output: Path, force: bool) -> None:
    """Raise unless a copy of `file` can be written to `output`."""
    if file.suffix.lower() == ".gguf":
        if output.suffix.lower() not in _NEW_KINDS:
            raise ArgumentError(f"OUT must end in .npz or .safetensors for a .gguf input, got {output.name!r}")
    elif output.suffix.lower() != file.suffix.lower():
        raise ArgumentError(f"OUT must have the input's ending, {file.suffix}, got {output.name!r}")
    if not output.parent.is_dir():
        raise ArgumentError(f"OUT lies in {output.parent}, which is no directory")
    if not force:
        refuse_overwrite(output, file)


def write_copy(path: Path, target: Path, tensors: list[Tensor], pieces: Pieces, c_order: bool) -> None:
    """Write the copy whole or not at all; `c_order`: `pieces` come in C order even where the file is in Fortran's."""
    with replacing(target) as out:
        match path.suffix.lower(), target.suffix.lower():
            case ".gguf", ".npz":
                _new_npz(out, tensors, pieces)
            case ".gguf", _:
                _new_safetensors(out, tensors, pieces)
            case ".npy", _:
                with path.open("rb") as file:
                    fortran_order = read_header(file, path.name).fortran_order and not c_order
                _write_npy(out, tensors[0], fortran_order, pieces)
            case ".npz", _:
                _copy_npz(path, out, tensors, pieces, c_order)
            case _:
                _copy_safetensors(path, out, tensors, pieces)


def _dtype(tensor: Tensor) -> np.dtype[Any]:
    return (tensor.load() if tensor.read is None else tensor.read(0, 0)).dtype


def _write_npy(stream: IO[bytes], tensor: Tensor, fortran_order: bool, pieces: Pieces) -> None:
    header = {"descr": npy_format.dtype_to_descr(_dtype(tensor)), "fortran_order": fortran_order}
    npy_format.write_array_header_1_0(stream, {**header, "shape": tensor.shape})
    for piece in pieces(tensor):
        stream.write(piece)


def _copy_npz(path: Path, out: IO[bytes], tensors: list[Tensor], pieces: Pieces, c_order: bool) -> None:
    by_name = {f"{t.name}.npy": t for t in tensors}
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(out, "w") as target:
        for entry in source.infolist():
            copy = zipfile.ZipInfo(entry.filename, entry.date_time)
            copy.compress_type = entry.compress_type
            with target.open(copy, "w", force_zip64=True) as stream:
                tensor = by_name.get(entry.filename)
                with source.open(entry) as original:
                    if tensor is None or tensor.skip is not None:
                        shutil.copyfileobj(original, stream)
                        continue
                    fortran_order = read_header(original, entry.filename).fortran_order and not c_order
                _write_npy(stream, tensor, fortran_order, pieces)


def _copy_safetensors(path: Path, out: IO[bytes], tensors: list[Tensor], pieces: Pieces) -> None:
    start, layout, _ = read_layout(path)
    with path.open("rb") as source:
        shutil.copyfileobj(source, out)
    for tensor in tensors:
        if tensor.skip is None:
            out.seek(start + layout[tensor.name].begin)
            for piece in pieces(tensor):
                out.write(piece)


def _new_npz(out: IO[bytes], tensors: list[Tensor], pieces: Pieces) -> None:
    with zipfile.ZipFile(out, "w") as target:
        for tensor in tensors:
            if tensor.skip is None:
                with target.open(zipfile.ZipInfo(f"{tensor.name}.npy", _EPOCH), "w", force_zip64=True) as stream:
                    _write_npy(stream, tensor, False, pieces)


def _new_safetensors(out: IO[bytes], tensors: list[Tensor], pieces: Pieces) -> None:
    names = {np.dtype(descr): name for name, descr in DTYPES.items()}
    kept = sorted((t for t in tensors if t.skip is None), key=lambda t: -_dtype(t).itemsize)  # all aligned
    header, at = {}, 0
    for tensor in kept:
        dtype = _dtype(tensor)
        header[tensor.name] = StoredTensor(names[dtype], tensor.shape, at, at + tensor.size * dtype.itemsize)
        at = header[tensor.name].end
    out.write(header_bytes(header, {}))
    for tensor in kept:
        for piece in pieces(tensor):
            out.write(piece)
