"""`save` and `load`: arrays with their formats in .npz and .safetensors files that explain themselves.

Both are ordinary files of their kind: other tools see codes as unsigned integers, and scales. What they mean is in
`manifest`: the member ``numfmt.json`` of a .npz, the key ``numfmt`` of a .safetensors file's metadata,
whose CRC-32 is beside it (a .npz has one for each member).
"""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy_format

from ..errors import ArgumentError, FileFormatError, NumfmtError
from . import safetensors
from .manifest import MEMBER, describe, rebuild
from .npy import ARCHIVE_ERRORS, BELIEVED_BYTES, BELIEVED_RATIO, check_archive, read_header
from .replacing import replacing

__all__ = ["load", "save"]

Array = npt.NDArray[Any]
_KEY = MEMBER.removesuffix(".json")
_KEY_CRC = f"{_KEY}_crc32"
_SAFETENSORS = {np.dtype(dtype): name for name, dtype in safetensors.DTYPES.items()}
_LONGEST_MANIFEST = 100_000_000
_STEP = 1 << 20
#: Files of equal content are equal: no time of writing.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in (".npz", ".safetensors"):
        raise ArgumentError(f"path must end in .npz or .safetensors, got {path.name!r}")
    return suffix


def save(path: str | os.PathLike[str], obj: Any) -> None:
    """Save encoded arrays, with the full definition of their formats, so that `load` needs nothing else.

    Parameters
    ----------
    path : path-like
        Ends in .npz or .safetensors. An existing file is replaced in one step, once all is written.
    obj : Encoded, BlockEncoded, or mapping from str to those and to NumPy arrays

    Raises
    ------
    ArgumentError, DTypeError
        Another ending, object or name; arrays of dtypes that the file cannot hold (objects, text, longdouble).

    Notes
    -----
    Arrays are called ``codes``, ``scales``, ``tensor_scale``, ``zero_points``, ``offset``, ``sides.*``, in a mapping
    ``name.codes`` and so on. Codes are unsigned integers, one code each, not packed. Equal content gives equal bytes.
    Nothing is pickled.

    >>> import numfmt as nf, pathlib, tempfile
    >>> b = nf.encode(np.linspace(-3, 3, 64), "mxfp4")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "w.npz")
    ...     nf.save(path, {"w": b, "bias": np.zeros(4)})
    ...     with np.load(path) as plain:
    ...         plain["w.codes"].shape
    ...     nf.load(path)["w"].same_bits(b)
    (64,)
    True
    """
    from .. import __version__

    target = Path(path)
    suffix = _suffix(target)
    manifest, arrays = describe(obj, f"numfmt {__version__}")
    write = _write_npz if suffix == ".npz" else _write_safetensors
    if suffix == ".safetensors":
        _check_safetensors(arrays)
    with replacing(target) as file:
        write(file, manifest, arrays)


def _member(name: str) -> zipfile.ZipInfo:
    """A member that is the same whenever and wherever it is written."""
    member = zipfile.ZipInfo(name, _EPOCH)
    member.create_system, member.external_attr = 3, 0o644 << 16
    return member


def _write_npz(file: IO[bytes], manifest: str, arrays: dict[str, Array]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(_member(MEMBER), manifest)
        for name, array in arrays.items():
            with archive.open(_member(f"{name}.npy"), "w", force_zip64=True) as stream:
                descr = npy_format.dtype_to_descr(array.dtype)
                header = {"descr": descr, "fortran_order": False, "shape": array.shape}
                npy_format.write_array_header_1_0(stream, header)
                stream.write(_bytes_of(array))


def _bytes_of(array: Array) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _text_crc(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


def _check_safetensors(arrays: dict[str, Array]) -> None:
    for name, array in arrays.items():
        if array.dtype not in _SAFETENSORS:
            raise ArgumentError(f"{name} has dtype {array.dtype}, which .safetensors files do not hold; save a .npz")
        if name == "__metadata__":
            raise ArgumentError("'__metadata__' is no name for an array in a .safetensors file; rename it")


def _write_safetensors(file: IO[bytes], manifest: str, arrays: dict[str, Array]) -> None:
    tensors, at = {}, 0
    ordered = sorted(arrays.items(), key=lambda item: -item[1].itemsize)  # then every tensor is aligned
    for name, array in ordered:
        tensors[name] = safetensors.StoredTensor(_SAFETENSORS[array.dtype], array.shape, at, at + array.nbytes)
        at += array.nbytes
    file.write(safetensors.header_bytes(tensors, {_KEY: manifest, _KEY_CRC: _text_crc(manifest)}))
    for _, array in ordered:
        file.write(_bytes_of(array))


def load(path: str | os.PathLike[str]) -> Any:
    """What `save` wrote: an Encoded, a BlockEncoded, or a dict of those and arrays, in the order they were saved.

    Formats are made from their definition in the file, whether or not this process knows their name; one that equals a
    format of the catalog is that format.

    Raises
    ------
    FileFormatError
        The file is not one that `save` wrote, is truncated or damaged in any bit that matters (every array has a
        checksum), or needs a format class that no imported module defines. The message names the file and the problem.
        Nothing is allocated because a header says so, and nothing is unpickled.
    FileNotFoundError, PermissionError
        As `open` raises them.

    >>> import numfmt as nf, pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "e.safetensors")
    ...     nf.save(path, nf.encode([0.1, 3.0], "posit8"))
    ...     nf.load(path)
    Encoded([0.1015625, 3.       ], 'posit8_2')
    """
    source = Path(path)
    suffix = _suffix(source)
    if not stat.S_ISREG(source.stat().st_mode):
        raise FileFormatError(f"{source.name}: not a regular file")
    with source.open("rb") as file:
        try:
            return (_load_npz if suffix == ".npz" else _load_safetensors)(source, file)
        except NumfmtError as err:
            prefix = "" if str(err).startswith(source.name) else f"{source.name}: "
            raise FileFormatError(f"{prefix}{err}") from None
        except ARCHIVE_ERRORS as err:
            words = f"{type(err).__name__}: {str(err)[:200]}"
            raise FileFormatError(f"{source.name}: not a usable {suffix} file: {words}") from None


def _load_npz(path: Path, file: IO[bytes]) -> Any:
    with zipfile.ZipFile(file) as archive:
        check_archive(path, archive)
        members = {entry.filename: entry for entry in archive.infolist()}
        claimed = sum(entry.file_size for entry in members.values())
        if claimed > max(BELIEVED_BYTES, BELIEVED_RATIO * path.stat().st_size):
            raise FileFormatError(f"claims {claimed:,} bytes in all: refused as a zip bomb; recompress it less, or not")
        if len(members) != len(archive.infolist()):
            raise FileFormatError("a member occurs twice")
        about = members.pop(MEMBER, None)
        if about is None:
            raise FileFormatError(f"has no member {MEMBER}: not written by numfmt.save; numpy.load reads its arrays")
        if about.file_size > _LONGEST_MANIFEST:
            raise FileFormatError(f"{MEMBER} claims {about.file_size:,} bytes")
        text = archive.read(about).decode("utf-8")
        strange = [name for name in members if not name.endswith(".npy")]
        if strange:
            raise FileFormatError(f"has members that are no arrays: {str(strange)[:200]}")

        def read(name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
            entry = members[f"{name}.npy"]
            with archive.open(entry) as stream:
                header = read_header(stream, f"member {name!r}")
                if (header.dtype, header.shape) != (dtype, shape):
                    raise FileFormatError(
                        f"the array {name!r} is {header.dtype} of shape {header.shape}, the manifest says {dtype} of "
                        f"shape {shape}"
                    )
                if header.offset + header.nbytes != entry.file_size:
                    raise FileFormatError(
                        f"the array {name!r} needs {header.nbytes:,} bytes, its member has "
                        f"{entry.file_size - header.offset:,}"
                    )
                array = _filled(stream, header.nbytes).view(dtype)
                if header.fortran_order:
                    return np.ascontiguousarray(array.reshape(shape[::-1]).T)
                return array.reshape(shape)

        return rebuild(text, read, {name.removesuffix(".npy") for name in members})


def _load_safetensors(path: Path, file: IO[bytes]) -> Any:
    start, tensors, metadata = safetensors.read_header(file, path)
    if _KEY not in metadata:
        raise FileFormatError(
            f"has no {_KEY!r} in its metadata: not written by numfmt.save; the package safetensors reads its tensors"
        )
    if metadata.get(_KEY_CRC) != _text_crc(metadata[_KEY]):
        raise FileFormatError(f"the metadata is damaged: the CRC-32 of {_KEY!r} is not {_KEY_CRC!r}")

    def read(name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
        tensor = tensors[name]
        if (tensor.dtype, tensor.shape) != (_SAFETENSORS.get(dtype), shape):
            raise FileFormatError(
                f"the tensor {name!r} is {tensor.dtype} of shape {tensor.shape}, the manifest says {dtype} of "
                f"shape {shape}"
            )
        file.seek(start + tensor.begin)
        return _filled(file, tensor.end - tensor.begin).view(dtype).reshape(shape)

    return rebuild(metadata[_KEY], read, tensors)


def _filled(stream: IO[bytes], nbytes: int) -> npt.NDArray[np.uint8]:
    """The next `nbytes` bytes, which the caller has checked against the file, in memory of their own."""
    array = np.empty(nbytes, np.uint8)
    for at in range(0, nbytes, _STEP):
        piece = stream.read(min(_STEP, nbytes - at))
        if len(piece) != min(_STEP, nbytes - at):
            raise FileFormatError("the file is truncated")
        array[at : at + len(piece)] = np.frombuffer(piece, np.uint8)
    return array
