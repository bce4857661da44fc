"""What a saved file says about its arrays: one JSON text, written and read with the same care.

Version 1::

    {"version": 1, "library": "numfmt 0.1.0", "single": false, "formats": [definition, ...],
     "entries": {"w": {"kind": "block", "format": 0, "axis": -1, "shape": [2, 64], "parts": {"codes": part, ...}}}}

kind is "array", "encoded" or "block"; a definition is `definitions.definition_of`; a part is {"dtype", "shape",
"crc32"}, the CRC-32 that of its little-endian elements in C order. The array of part P of entry W is called "W.P"; that
of a plain array "W"; of a single object saved without a name "P". Quantized scales are an entry of their own, "scales",
inside theirs.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .._array import Encoded
from .._block_array import BlockEncoded
from ..errors import ArgumentError, DTypeError, FileFormatError
from ..formats.base import Format
from ..formats.block import BlockFormat
from ..formats.registry import AnyFormat
from .definitions import definition_of, format_of

__all__ = ["DTYPES", "MEMBER", "describe", "rebuild"]

Array = npt.NDArray[Any]
#: Reads the array of a name, which must have that dtype and shape.
Reader = Callable[[str, np.dtype[Any], tuple[int, ...]], Array]

VERSION = 1
#: Name of the manifest in a .npz; its stem is the key in a .safetensors.
MEMBER = "numfmt.json"
_KINDS = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
#: dtypes of arrays in files, little-endian, by their NumPy name.
DTYPES = {
    name: np.dtype(name).newbyteorder("<")
    for name in (*_KINDS, "float16", "float32", "float64", "complex64", "complex128")
}
_LONGEST_NAME, _MOST_AXES = 200, 32


# ---- objects to text and arrays -----------------------------------------------------------------------------------


class _Description:
    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}
        self._formats: dict[str, int] = {}

    @property
    def formats(self) -> list[Any]:
        return [json.loads(text) for text in self._formats]

    def _format(self, fmt: AnyFormat) -> int:
        definition = definition_of(fmt)
        text = json.dumps(definition)
        if text not in self._formats:
            if format_of(definition) != fmt:
                raise ArgumentError(f"{fmt.name} cannot be saved: its fields do not make an equal format")
            self._formats[text] = len(self._formats)
        return self._formats[text]

    def _part(self, name: str, array: Array) -> dict[str, Any]:
        kind = array.dtype.newbyteorder("=").name
        if kind not in DTYPES:
            raise DTypeError(
                f"{name or 'array'} has dtype {array.dtype}, which files do not hold; numfmt.interop.from_ml_dtypes "
                "makes an Encoded of extension dtypes"
            )
        if name in self.arrays or name == MEMBER:
            raise ArgumentError(f"two arrays would be called {name!r} in the file; rename an entry")
        stored = np.asarray(array, DTYPES[kind], order="C")
        self.arrays[name] = stored
        return {"dtype": kind, "shape": list(array.shape), "crc32": _crc32(stored)}

    def entry(self, name: str, obj: Any) -> dict[str, Any]:
        prefix = f"{name}." if name else ""
        if isinstance(obj, Encoded):
            parts = {"codes": self._part(f"{prefix}codes", obj.codes)}
            return {"kind": "encoded", "format": self._format(obj.format), "parts": parts}
        if isinstance(obj, BlockEncoded):
            found = {key: part for key, part in obj.parts().items() if not key.startswith("scales.")}
            entry = {
                "kind": "block",
                "format": self._format(obj.format),
                "axis": list(obj.axis) if isinstance(obj.axis, tuple) else obj.axis,
                "shape": list(obj.shape),
                "parts": {key: self._part(f"{prefix}{key}", part) for key, part in found.items()},
            }
            if isinstance(obj.scales, BlockEncoded):
                entry["scales"] = self.entry(f"{prefix}scales", obj.scales)
            return entry
        if name and isinstance(obj, (np.ndarray, np.generic)) and not isinstance(obj, np.ma.MaskedArray):
            return {"kind": "array", "parts": {"": self._part(name, np.asarray(obj))}}
        raise ArgumentError(
            f"{repr(name) + ' is' if name else 'obj must be an Encoded, a BlockEncoded or a mapping from names to'} "
            f"{'a ' + type(obj).__name__ + '; save' if name else 'them and'} NumPy arrays"
            + ("" if name else f", got {type(obj).__name__}")
        )


def _crc32(stored: Array) -> int:
    return zlib.crc32(stored.reshape(-1).view(np.uint8).data)


def _check_name(name: Any) -> str:
    if not isinstance(name, str) or not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable():
        raise ArgumentError(f"names must be printable strings of 1 to {_LONGEST_NAME} characters, got {name!r}")
    if "\\" in name or any(piece in ("", ".", "..") for piece in name.split("/")):
        raise ArgumentError(f"names must not look like paths to elsewhere, got {name!r}")
    return name


def describe(obj: Any, library: str) -> tuple[str, dict[str, Array]]:
    """The manifest of an object or of a mapping, and every array by name, little-endian and in C order."""
    found = _Description()
    single = not isinstance(obj, Mapping)
    entries = {"": found.entry("", obj)} if single else {n: found.entry(_check_name(n), obj[n]) for n in obj}
    about = {"version": VERSION, "library": library, "single": single}
    return json.dumps({**about, "formats": found.formats, "entries": entries}), found.arrays


# ---- text and arrays to objects -----------------------------------------------------------------------------------


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def _take(value: Any, what: str, **wanted: Any) -> list[Any]:
    """The values of exactly the wanted keys, each of its type."""
    if not isinstance(value, dict) or set(value) != set(wanted):
        keys = sorted(value) if isinstance(value, dict) else type(value).__name__
        raise FileFormatError(f"{what} must have the keys {', '.join(wanted)}, got {str(keys)[:200]}")
    for key, kind in wanted.items():
        if type(value[key]) is not kind:
            raise FileFormatError(f"{key} of {what} must be {kind.__name__}, got {str(value[key])[:60]!r}")
    return [value[key] for key in wanted]


def _lengths(value: list[Any], what: str) -> tuple[int, ...]:
    if len(value) > _MOST_AXES or not all(type(n) is int and 0 <= n < 1 << 62 for n in value):
        raise FileFormatError(f"{what} has a damaged shape: {str(value)[:60]}")
    return tuple(value)


class _Rebuilding:
    def __init__(self, formats: list[Any], read: Reader, present: Collection[str]) -> None:
        self.formats = [format_of(definition) for definition in formats]
        self.read = read
        self.left = set(present)

    def _part(self, name: str, part: Any) -> Array:
        kind, shape, crc = _take(part, f"part {name!r}", dtype=str, shape=list, crc32=int)
        if kind not in DTYPES:
            raise FileFormatError(f"part {name!r} has the unknown dtype {kind[:40]!r}")
        if name not in self.left:
            raise FileFormatError(f"the array {name!r} is missing")
        self.left.remove(name)
        array = self.read(name, DTYPES[kind], _lengths(shape, name))
        if _crc32(array) != crc:
            raise FileFormatError(f"the array {name!r} is damaged: its CRC-32 is not the one that was recorded")
        return array.astype(array.dtype.newbyteorder("="), copy=False)

    def _format(self, index: int, cls: type) -> Any:
        fmt = self.formats[index] if 0 <= index < len(self.formats) else None
        if not isinstance(fmt, cls):
            raise FileFormatError(f"format {index} is no {cls.__name__}")
        return fmt

    def entry(self, name: str, entry: Any) -> Any:
        kind = entry.get("kind") if isinstance(entry, dict) else None
        prefix, what = (f"{name}." if name else ""), f"entry {name!r}"
        if kind == "array":
            _, parts = _take(entry, what, kind=str, parts=dict)
            return self._part(name, *_take(parts, what, **{"": dict}))
        if kind == "encoded":
            _, index, parts = _take(entry, what, kind=str, format=int, parts=dict)
            fmt = self._format(index, Format)
            return Encoded(self._part(f"{prefix}codes", *_take(parts, what, codes=dict)), fmt)
        if kind == "block":
            return self._block(prefix, what, entry)
        raise FileFormatError(f"{what} is of the unknown kind {str(kind)[:40]!r}")

    def _block(self, prefix: str, what: str, entry: dict[str, Any]) -> BlockEncoded:
        rest = dict(entry)
        nested, axis = rest.pop("scales", None), rest.pop("axis", 0.5)
        _, index, lengths, parts = _take(rest, what, kind=str, format=int, shape=list, parts=dict)
        axes = axis if isinstance(axis, list) else [axis]
        if axis is not None and not all(type(a) is int for a in axes):
            raise FileFormatError(f"{what} has a damaged axis: {str(axis)[:60]}")
        fmt = self._format(index, BlockFormat)
        arrays = {key: self._part(f"{prefix}{key}", part) for key, part in parts.items()}
        sides = {key[6:]: arrays.pop(key) for key in list(arrays) if key.startswith("sides.")}
        if nested is not None:
            arrays["scales"] = self.entry(f"{prefix}scales", nested)
        unknown = set(arrays) - {"codes", "scales", "tensor_scale", "zero_points", "offset"}
        if unknown or not {"codes", "scales"} <= set(arrays):
            raise FileFormatError(f"{what} has the parts {str(sorted(arrays))[:200]}, and needs codes and scales")
        for key in ("tensor_scale", "offset"):
            if key in arrays:
                if arrays[key].shape != () or arrays[key].dtype.kind != "f":
                    raise FileFormatError(f"{key} of {what} must be one float")
                arrays[key] = arrays[key][()]
        return BlockEncoded(
            arrays.pop("codes"),
            arrays.pop("scales"),
            fmt,
            axis=tuple(axis) if isinstance(axis, list) else axis,
            shape=_lengths(lengths, what),
            sides=sides,
            **arrays,
        )


def rebuild(text: str, read: Reader, present: Collection[str]) -> Any:
    """The object or the mapping that a manifest describes; `present` are the names of the file's arrays.

    Raises
    ------
    FileFormatError
        The manifest is damaged, of a newer version, or does not fit the arrays.
    """
    try:
        about = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
        version = about.get("version") if isinstance(about, dict) else None
        if type(version) is int and version > VERSION:
            raise FileFormatError(f"written by a newer numfmt (version {version}; this one reads 1); update numfmt")
        _, _, single, formats, entries = _take(
            about, "the manifest", version=int, library=str, single=bool, formats=list, entries=dict
        )
        if version != VERSION or (single and list(entries) != [""]) or (not single and "" in entries):
            raise FileFormatError("the manifest is damaged")
        found = _Rebuilding(formats, read, present)
        objects = {name: found.entry(name, entry) for name, entry in entries.items()}
    except (ValueError, RecursionError) as err:
        if isinstance(err, FileFormatError):
            raise
        raise FileFormatError(f"the manifest is damaged: {str(err)[:200]}") from None
    if found.left:
        raise FileFormatError(f"holds arrays that its manifest does not know: {str(sorted(found.left))[:200]}")
    return objects[""] if single else objects
