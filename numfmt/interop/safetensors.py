"""The .safetensors format: eight bytes of header length, a JSON header, and the elements of every tensor, unpadded.

Source: github.com/huggingface/safetensors, README section "Format".
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from ..errors import FileFormatError

__all__ = ["CODE_DTYPES", "DTYPES", "SafetensorsHeader", "StoredTensor", "header_bytes", "read_header"]

_LONGEST_HEADER = 100_000_000
_MOST_AXES = 64
DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1", "C64": "<c8",
}  # fmt: skip
#: dtypes that NumPy lacks: the unsigned integer they are read as, and the format whose codes those are.
CODE_DTYPES = {
    "BF16": ("<u2", "bfloat16"), "F8_E4M3": ("|u1", "fp8_e4m3fn"), "F8_E5M2": ("|u1", "fp8_e5m2"),
    "F8_E4M3FNUZ": ("|u1", "fp8_e4m3fnuz"), "F8_E5M2FNUZ": ("|u1", "fp8_e5m2fnuz"), "F8_E8M0": ("|u1", "ufp8_e8m0"),
}  # fmt: skip


class StoredTensor(NamedTuple):
    """dtype by the format's own name, shape, and the bytes from `begin` to `end` after the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


class SafetensorsHeader(NamedTuple):
    """Where the elements start, the tensors by name, and the free text beside them."""

    start: int
    tensors: dict[str, StoredTensor]
    metadata: dict[str, str]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def read_header(file: IO[bytes], path: Path) -> SafetensorsHeader:
    """The header at the start of `file`, every span checked against the file's size and against the others.

    Raises
    ------
    FileFormatError
        The header is damaged, or announces more than the file holds.
    """
    size = path.stat().st_size
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, _LONGEST_HEADER):
        raise FileFormatError(f"{path.name}: the header is said to take {length:,} bytes of a file of {size:,}")
    held = size - 8 - length
    try:
        header = json.loads(file.read(length).decode("utf-8"), object_pairs_hook=_once)
        metadata = header.pop("__metadata__", {})
        if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
            raise ValueError("__metadata__ must hold strings")
        tensors = {name: _checked(path.name, name, entry, held) for name, entry in header.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as err:
        if isinstance(err, FileFormatError):
            raise
        raise FileFormatError(f"{path.name}: damaged .safetensors header: {type(err).__name__}: {err}") from None
    spans = sorted((t.begin, t.end, name) for name, t in tensors.items() if t.begin < t.end)
    for (_, end, first), (begin, _, second) in itertools.pairwise(spans):
        if begin < end:
            raise FileFormatError(f"{path.name}: tensors {first!r} and {second!r} overlap")
    return SafetensorsHeader(8 + length, tensors, metadata)


def _checked(file_name: str, name: str, entry: dict[str, Any], held: int) -> StoredTensor:
    dtype, shape, (begin, end) = str(entry["dtype"]), tuple(entry["shape"]), entry["data_offsets"]
    if (
        len(shape) > _MOST_AXES
        or not all(type(n) is int and n >= 0 for n in (*shape, begin, end))
        or max((0, *shape)) >= 1 << 63
        or begin > end
    ):
        raise FileFormatError(
            f"{file_name}: damaged .safetensors header: {name!r} has shape {shape[:8]}, bytes {begin!r} to {end!r}"
        )
    if end > held:
        raise FileFormatError(
            f"{file_name}: tensor {name!r} is said to end at byte {end:,} of {held:,}; "
            "the file is truncated or its header lies"
        )
    stored = DTYPES.get(dtype) or CODE_DTYPES.get(dtype, ("", ""))[0]
    if stored:
        nbytes = np.dtype(stored).itemsize
        for n in shape:
            nbytes *= n
        if nbytes != end - begin:
            raise FileFormatError(
                f"{file_name}: tensor {name!r} ({dtype}, shape {shape}) needs {nbytes:,} bytes, has {end - begin:,}"
            )
    return StoredTensor(dtype, shape, begin, end)


def header_bytes(tensors: dict[str, StoredTensor], metadata: dict[str, str]) -> bytes:
    """The start of a file, up to its elements; filled with spaces to a multiple of eight, as the format allows."""
    header: dict[str, Any] = {"__metadata__": metadata}
    for name, t in tensors.items():
        header[name] = {"dtype": t.dtype, "shape": list(t.shape), "data_offsets": [t.begin, t.end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
