"""The .safetensors format: eight bytes of header length, a JSON header, and the elements of every tensor, unpadded.

Source: github.com/huggingface/safetensors, README section "Format".
"""

from __future__ import annotations

import functools
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import Format
from ..errors import FileFormatError
from ..formats import scalar as get
from .files import Tensor, unusable

__all__ = ["open_safetensors", "read_layout"]

_LONGEST_HEADER = 100_000_000
_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1", "C64": "<c8",
}  # fmt: skip
#: dtypes that NumPy lacks: the unsigned integer they are read as, and the format whose codes those are.
_CODES = {
    "BF16": ("<u2", "bfloat16"), "F8_E4M3": ("|u1", "fp8_e4m3fn"), "F8_E5M2": ("|u1", "fp8_e5m2"),
    "F8_E4M3FNUZ": ("|u1", "fp8_e4m3fnuz"), "F8_E5M2FNUZ": ("|u1", "fp8_e5m2fnuz"), "F8_E8M0": ("|u1", "ufp8_e8m0"),
}  # fmt: skip


def read_layout(path: Path) -> tuple[int, dict[str, tuple[str, tuple[int, ...], int, int]]]:
    """Where the elements start, and (dtype, shape, begin, end) of every tensor, checked against the file's size."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, _LONGEST_HEADER):
            raise FileFormatError(f"{path.name}: the header is said to take {length:,} bytes of a file of {size:,}")
        text = file.read(length)
    try:
        header = json.loads(text)
        held = size - 8 - length
        tensors = {
            name: _checked(path.name, name, entry, held) for name, entry in header.items() if name != "__metadata__"
        }
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as err:
        raise FileFormatError(f"{path.name}: damaged .safetensors header: {type(err).__name__}: {err}") from None
    spans = sorted((begin, end, name) for name, (_, _, begin, end) in tensors.items() if begin < end)
    for (_, end, first), (begin, _, second) in itertools.pairwise(spans):
        if begin < end:
            raise FileFormatError(f"{path.name}: tensors {first!r} and {second!r} overlap")
    return 8 + length, tensors


def _checked(file_name: str, name: str, entry: dict[str, Any], held: int) -> tuple[str, tuple[int, ...], int, int]:
    dtype, shape, (begin, end) = str(entry["dtype"]), tuple(entry["shape"]), entry["data_offsets"]
    if not all(type(n) is int and n >= 0 for n in (*shape, begin, end)) or begin > end:
        raise FileFormatError(
            f"{file_name}: damaged .safetensors header: {name!r} has shape {shape}, bytes {begin} to {end}"
        )
    if end > held:
        raise FileFormatError(
            f"{file_name}: tensor {name!r} is said to end at byte {end:,} of {held:,}; "
            "the file is truncated or its header lies"
        )
    stored = _DTYPES.get(dtype) or _CODES.get(dtype, ("", ""))[0]
    if stored:
        nbytes = np.dtype(stored).itemsize
        for n in shape:
            nbytes *= n
        if nbytes != end - begin:
            raise FileFormatError(
                f"{file_name}: tensor {name!r} ({dtype}, shape {shape}) needs {nbytes:,} bytes, has {end - begin:,}"
            )
    return dtype, shape, begin, end


def _load(path: Path, dtype: str, offset: int, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    if 0 in shape:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", offset, shape)


def open_safetensors(path: Path) -> list[Tensor]:
    """The tensors of the file, memory-mapped."""
    start, layout = read_layout(path)
    if not layout:
        raise FileFormatError(f"{path.name}: the file holds no tensors")
    tensors = []
    for name, (dtype, shape, begin, _) in layout.items():
        stored_as: Format | None = None
        if dtype in _CODES:
            stored, format_name = _CODES[dtype]
            stored_as, skip = get(format_name), None
        elif dtype in _DTYPES:
            stored = _DTYPES[dtype]
            skip = unusable(np.dtype(stored))
        else:
            stored, skip = "|u1", f"dtype {dtype} is not supported"
        load = functools.partial(_load, path, stored, start + begin, shape)
        tensors.append(Tensor(name, dtype, shape, load, skip, stored_as))
    return tensors
