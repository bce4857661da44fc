"""The header of a .gguf file, read without believing a number of it before it has been held against the file's size.

gguf-py's own reader allocates, loops and multiplies by what the header says, which is why this is a reader of our own.
A count is checked against the fewest bytes that so many entries can take: work and memory stay linear in the file's
size.

Source: ggml `docs/gguf.md` (versions 2 and 3); type numbers from `ggml.h`.
"""

from __future__ import annotations

import itertools
import math
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import FileFormatError
from .ggml import ggml_types

__all__ = ["Header", "Stored", "TensorEntry", "read_header"]

_SCALARS = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d",
}  # fmt: skip
_BOOL, _STRING, _ARRAY = 7, 8, 9
_LONGEST_NAME = 65_535
_DEEPEST_ARRAY = 4
_MOST_DIMS = 4
_MOST_ELEMENTS = 1 << 59  # so that no shape, empty axes or not, is more than NumPy can describe
_SMALLEST_PAIR = 8 + 4 + 1  # empty key, type, one byte
_SMALLEST_ENTRY = 8 + 4 + 4 + 8  # empty name, number of dimensions, type, offset
_SMALLEST_ELEMENT = {_STRING: 8, _ARRAY: 4 + 8}


class Stored(NamedTuple):
    """A tensor type: elements and bytes of a block, bytes None where they are not known or depend on the version."""

    name: str
    block: int
    block_bytes: int | None
    #: dtype of plain numbers.
    dtype: str | None = None


_STORED = {
    0: Stored("F32", 1, 4, "<f4"), 1: Stored("F16", 1, 2, "<f2"), 24: Stored("I8", 1, 1, "i1"),
    25: Stored("I16", 1, 2, "<i2"), 26: Stored("I32", 1, 4, "<i4"), 27: Stored("I64", 1, 8, "<i8"),
    28: Stored("F64", 1, 8, "<f8"), 30: Stored("BF16", 1, 2),
    # Listed only. Q8_1 took 40 bytes in old files and takes 36 now.
    9: Stored("Q8_1", 32, None), 10: Stored("Q2_K", 256, 84), 11: Stored("Q3_K", 256, 110),
    13: Stored("Q5_K", 256, 176), 15: Stored("Q8_K", 256, 292), 16: Stored("IQ2_XXS", 256, 66),
    17: Stored("IQ2_XS", 256, 74), 18: Stored("IQ3_XXS", 256, 98), 19: Stored("IQ1_S", 256, 50),
    21: Stored("IQ3_S", 256, 110), 22: Stored("IQ2_S", 256, 82), 23: Stored("IQ4_XS", 256, 136),
    29: Stored("IQ1_M", 256, 56), 41: Stored("Q1_0", 128, 18),
    **{t.number: Stored(t.name, t.block, t.block_bytes) for t in ggml_types()},
}  # fmt: skip


class TensorEntry(NamedTuple):
    """One tensor: shape in NumPy order, first byte in the file, and length where the type's is known."""

    name: str
    shape: tuple[int, ...]
    stored: Stored
    start: int
    n_bytes: int | None


class Header(NamedTuple):
    version: int
    alignment: int
    metadata: dict[str, Any]
    tensors: list[TensorEntry]


class _Cursor:
    """A place in the file's bytes that never goes past their end."""

    def __init__(self, path: Path, data: npt.NDArray[np.uint8]) -> None:
        self.path = path
        self.data = data
        self.at = 0

    def error(self, text: str) -> FileFormatError:
        return FileFormatError(f"{self.path.name}: {text}")

    def take(self, n_bytes: int, what: str) -> bytes:
        left = len(self.data) - self.at
        if n_bytes > left:
            raise self.error(
                f"{what} is said to take {n_bytes:,} bytes at byte {self.at:,}, and {left:,} are left; "
                "the file is truncated or its header lies"
            )
        taken = self.data[self.at : self.at + n_bytes].tobytes()
        self.at += n_bytes
        return taken

    def number(self, code: str, what: str) -> Any:
        return struct.unpack(code, self.take(struct.calcsize(code), what))[0]

    def count(self, smallest: int, what: str) -> int:
        """A 64-bit number of things that take at least `smallest` bytes each."""
        count: int = self.number("<Q", what)
        self.fits(count, smallest, what)
        return count

    def fits(self, count: int, smallest: int, what: str) -> None:
        left = len(self.data) - self.at
        if count * smallest > left:
            raise self.error(
                f"{what} is {count:,}, which takes at least {count * smallest:,} bytes, and {left:,} are left; "
                "the file is truncated or its header lies"
            )

    def text(self, what: str, longest: int | None = None) -> str:
        length = self.count(1, f"length of {what}")
        if longest is not None and length > longest:
            raise self.error(f"{what} is {length:,} bytes long; at most {longest:,} are legal")
        raw = self.take(length, what)
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as err:
            raise self.error(f"{what} is not UTF-8: {err.reason} at its byte {err.start}") from None


def _value(cursor: _Cursor, kind: int, what: str, depth: int = 0) -> Any:
    if kind == _STRING:
        return cursor.text(what)
    if kind == _ARRAY:
        return _array(cursor, what, depth + 1)
    if kind not in _SCALARS:
        raise cursor.error(f"{what} has type {kind}; known types are 0 to 12")
    if kind == _BOOL:
        return bool(_booleans(cursor, cursor.take(1, what), what)[0])
    return cursor.number(_SCALARS[kind], what)


def _array(cursor: _Cursor, what: str, depth: int) -> Any:
    if depth > _DEEPEST_ARRAY:
        raise cursor.error(f"{what} nests arrays more than {_DEEPEST_ARRAY} deep")
    kind: int = cursor.number("<I", f"element type of {what}")
    if kind not in _SCALARS and kind not in _SMALLEST_ELEMENT:
        raise cursor.error(f"{what} is an array of type {kind}; known types are 0 to 12")
    dtype = np.dtype(_SCALARS.get(kind, "V"))
    smallest = _SMALLEST_ELEMENT.get(kind, dtype.itemsize)
    length = cursor.count(smallest, f"length of {what}")
    if kind in _SMALLEST_ELEMENT:
        return [_value(cursor, kind, f"element {i} of {what}", depth) for i in range(length)]
    raw = cursor.take(length * dtype.itemsize, what)
    if kind == _BOOL:
        return _booleans(cursor, raw, what)
    return np.frombuffer(raw, dtype).astype(dtype.newbyteorder("="))


def _booleans(cursor: _Cursor, raw: bytes, what: str) -> npt.NDArray[np.bool_]:
    codes = np.frombuffer(raw, np.uint8)
    if codes.size and codes.max() > 1:
        raise cursor.error(f"{what} holds the byte {codes.max()} where a bool is 0 or 1")
    return codes.astype(np.bool_)


def _metadata(cursor: _Cursor, count: int) -> tuple[dict[str, Any], int]:
    """The pairs, and the alignment among them."""
    metadata: dict[str, Any] = {}
    alignment = 32
    for i in range(count):
        key = cursor.text(f"metadata key {i}", _LONGEST_NAME)
        what = f"metadata {_short(key)}"
        if key in metadata:
            raise cursor.error(f"{what} occurs twice")
        kind: int = cursor.number("<I", f"type of {what}")
        metadata[key] = _value(cursor, kind, what)
        if key == "general.alignment":
            alignment = metadata[key]
            if kind != 4 or alignment < 1 or alignment & (alignment - 1):
                raise cursor.error(f"{what} must be a uint32 power of two, got {alignment!r:.40} of type {kind}")
    return metadata, alignment


def _short(name: str) -> str:
    return repr(name if len(name) <= 64 else name[:61] + "...")


class _Described(NamedTuple):
    """A tensor as the header describes it, its offset relative to the data section."""

    name: str
    shape: tuple[int, ...]
    stored: Stored
    offset: int
    n_bytes: int | None


def _describe(cursor: _Cursor, index: int) -> _Described:
    name = cursor.text(f"name of tensor {index}", _LONGEST_NAME)
    what = f"tensor {_short(name)}"
    n_dims: int = cursor.number("<I", f"number of dimensions of {what}")
    if n_dims > _MOST_DIMS:
        raise cursor.error(f"{what} has {n_dims:,} dimensions; at most {_MOST_DIMS} are legal")
    dims = [cursor.number("<Q", f"dimension {i} of {what}") for i in range(n_dims)]  # the fastest first
    type_number: int = cursor.number("<I", f"type of {what}")
    offset: int = cursor.number("<Q", f"offset of {what}")
    if math.prod(max(n, 1) for n in dims) >= _MOST_ELEMENTS:
        raise cursor.error(f"{what} has dimensions {dims}: more elements than any file holds")
    stored = _STORED.get(type_number, Stored(f"unknown type {type_number}", 1, None))
    if (dims[0] if dims else 1) % stored.block:
        raise cursor.error(
            f"{what} of type {stored.name} has rows of {dims[0] if dims else 1:,} elements, "
            f"no multiple of a block's {stored.block}"
        )
    n_bytes = None if stored.block_bytes is None else math.prod(dims) // stored.block * stored.block_bytes
    return _Described(name, tuple(reversed(dims)), stored, offset, n_bytes)


def _place(cursor: _Cursor, described: list[_Described], alignment: int) -> list[TensorEntry]:
    """The tensors in the file, none past its end and no two in the same bytes."""
    data_start = -(-cursor.at // alignment) * alignment
    size = len(cursor.data)
    tensors = []
    for name, shape, stored, offset, n_bytes in described:
        start = data_start + offset
        if offset % alignment:
            raise cursor.error(
                f"tensor {_short(name)} has offset {offset:,}, no multiple of the alignment {alignment:,}"
            )
        if start + (n_bytes or 0) > size and (n_bytes or offset):
            raise cursor.error(
                f"tensor {_short(name)} is said to take bytes {start:,} to {start + (n_bytes or 0):,} of {size:,}; "
                "the file is truncated or its header lies"
            )
        tensors.append(TensorEntry(name, shape, stored, start, n_bytes))
    filled = sorted((t for t in tensors if t.n_bytes), key=lambda t: t.start)
    for first, second in itertools.pairwise(filled):
        if first.start + (first.n_bytes or 0) > second.start:
            raise cursor.error(f"tensors {_short(first.name)} and {_short(second.name)} overlap")
    return tensors


def read_header(path: Path, data: npt.NDArray[np.uint8]) -> Header:
    """Everything before the elements; `data` are all bytes of the file, usually mapped.

    Raises
    ------
    FileFormatError
        With the file's name, what is wrong, and the value.
    """
    cursor = _Cursor(path, data)
    magic = cursor.take(4, "magic")
    if magic != b"GGUF":
        raise cursor.error(f"not a GGUF file: it starts with {magic!r}, not with b'GGUF'")
    version: int = cursor.number("<I", "version")
    if version not in (2, 3):
        swapped = int.from_bytes(version.to_bytes(4, "little"), "big") in (2, 3)
        why = "a big-endian file; convert it with gguf-py's gguf_convert_endian" if swapped else "only 2 and 3 are read"
        raise cursor.error(f"GGUF version {version:,}: {why}")
    n_tensors: int = cursor.number("<Q", "number of tensors")
    n_pairs = cursor.count(_SMALLEST_PAIR, "number of metadata pairs")
    cursor.fits(n_tensors, _SMALLEST_ENTRY, "number of tensors")
    metadata, alignment = _metadata(cursor, n_pairs)
    cursor.fits(n_tensors, _SMALLEST_ENTRY, "number of tensors")
    described: dict[str, _Described] = {}
    for i in range(n_tensors):
        tensor = _describe(cursor, i)
        if tensor.name in described:
            raise cursor.error(f"tensor {_short(tensor.name)} occurs twice")
        described[tensor.name] = tensor
    return Header(version, alignment, metadata, _place(cursor, list(described.values()), alignment))
