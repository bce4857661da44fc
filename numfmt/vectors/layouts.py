"""What each layout looks like, as data that writer and reader share: fixed text, and tables of fixed-width rows.

Text layouts are lists of segments. A table has one line per row: literals, and hexadecimal numbers of one or several
fields packed with the first field in the most significant bits. All text is ASCII with LF line ends.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError

__all__ = ["BINARY", "LAYOUTS", "Column", "Table", "digits_of", "hex_rows", "parse_rows", "record_dtype", "segments"]

Array = npt.NDArray[Any]
LAYOUTS = ("testfloat", "memh", "csv", "c", "bin", "npz")
BINARY = ("bin", "npz")
_LOWER, _UPPER = b"0123456789abcdef", b"0123456789ABCDEF"


class Column(NamedTuple):
    """Name and width in bits of a field, without its codes."""

    name: str
    width: int


class Table(NamedTuple):
    """Lines of one row each: bytes as they are, and groups of columns packed into one hexadecimal number."""

    parts: tuple[bytes | tuple[Column, ...], ...]
    upper: bool = False

    @property
    def row_bytes(self) -> int:
        """Bytes of a line."""
        return sum(len(part) if isinstance(part, bytes) else digits_of(part) for part in self.parts)


def digits_of(columns: Sequence[Column]) -> int:
    """Hexadecimal digits of packed columns."""
    return (sum(c.width for c in columns) + 3) // 4


def identifier(name: str) -> str:
    """A C identifier of a file name's stem."""
    stem = re.sub(r"[^0-9A-Za-z]+", "_", name.rsplit(".", 1)[0]).strip("_").lower() or "vectors"
    return f"v_{stem}" if stem[0].isdigit() else stem


def segments(layout: str, columns: Sequence[Column], count: int, name: str, title: str) -> list[bytes | Table]:
    """The segments of a text layout; `name` is the file's name, `title` one line that says what it holds."""
    if layout == "testfloat":
        # testfloat_gen prints operands, result and flags in upper case; flags are two digits.
        wide = [Column(c.name, 8) if c.name == "flags" else c for c in columns]
        return [Table(_separated(wide, b" "), upper=True)]
    if layout == "csv":
        return [",".join(c.name for c in columns).encode() + b"\n", Table(_separated(columns, b","))]
    if layout == "memh":
        order = " ".join(f"{c.name}[{c.width}]" for c in columns)
        head = f"// {title}\n// fields, most significant first: {order}\n"
        return [head.encode(), Table((tuple(columns), b"\n"))]
    return _c_segments(columns, count, identifier(name), title)


def _separated(columns: Sequence[Column], separator: bytes) -> tuple[bytes | tuple[Column, ...], ...]:
    parts: list[bytes | tuple[Column, ...]] = []
    for column in columns:
        parts += [(column,), separator]
    return (*parts[:-1], b"\n")


def _c_segments(columns: Sequence[Column], count: int, name: str, title: str) -> list[bytes | Table]:
    if any(c.width > 64 for c in columns):
        raise ArgumentError("layout 'c' holds fields of at most 64 bits; take csv, memh or bin for exact products")
    upper = name.upper()
    lines = [f"/* {title} */", f"#ifndef {upper}_H", f"#define {upper}_H", "#include <stdint.h>"]
    lines += [f"#define {upper}_N {count}"] + [f"#define {upper}_{c.name.upper()}_W {c.width}" for c in columns]
    found: list[bytes | Table] = ["\n".join(lines).encode() + b"\n"]
    for column in columns:
        bits = next(b for b in (8, 16, 32, 64) if column.width <= b)
        found.append(f"static const uint{bits}_t {name}_{column.name}[{upper}_N] = {{\n".encode())
        found += [Table((b"0x", (column,), b",\n")), b"};\n"]
    return [*found, b"#endif\n"]


def parameters(columns: Sequence[Column], count: int, title: str) -> bytes:
    """The ``.svh`` beside a ``memh`` file."""
    width = sum(c.width for c in columns)
    lines = [f"// {title}", f"localparam N = {count};", f"localparam W = {width};"]
    at = width
    for column in columns:
        at -= column.width
        upper = column.name.upper()
        lines += [f"localparam {upper}_LSB = {at};", f"localparam {upper}_W = {column.width};"]
    return ("\n".join(lines) + "\n").encode()


def record_dtype(columns: Sequence[Column]) -> np.dtype[Any]:
    """A row of the "bin" layout: each field in 1, 2, 4, 8 or 16 bytes, little-endian, no padding."""
    return np.dtype([(c.name, *field_dtype(c)) for c in columns])


def field_dtype(column: Column) -> tuple[Any, ...]:
    """dtype (and shape, above 64 bits) of the codes of a field in binary layouts."""
    if column.width > 64:
        return "<u8", (2,)
    return (f"<u{next(b for b in (1, 2, 4, 8) if column.width <= 8 * b)}",)


# ---- hexadecimal ---------------------------------------------------------------------------------------------------


def limbs_of(codes: Array, width: int) -> Array:
    """Codes as (rows, k) words of 64 bits, least significant first."""
    if codes.dtype != object:
        return codes.astype(np.uint64).reshape(-1, 1)
    low = (1 << 64) - 1
    words = [[int(c) >> (64 * i) & low for i in range((width + 63) // 64)] for c in codes]
    return np.array(words, np.uint64).reshape(codes.size, -1)


def codes_of(limbs: Array, width: int) -> Array:
    """The inverse of `limbs_of`."""
    if width <= 64:
        return np.ascontiguousarray(limbs[:, 0])
    return np.array([sum(int(w) << (64 * i) for i, w in enumerate(row)) for row in limbs], object)


def hex_rows(columns: Sequence[Column], codes: Sequence[Array], upper: bool) -> Array:
    """ASCII digits of the packed columns, (rows, digits)."""
    digits, rows = digits_of(columns), codes[0].shape[0]
    words = np.zeros((rows, (digits + 15) // 16 + 1), np.uint64)
    at = 0
    for column, code in zip(reversed(columns), reversed(codes), strict=True):
        for i, limb in enumerate(limbs_of(code, column.width).T):
            word, shift = divmod(at + 64 * i, 64)
            words[:, word] |= limb << np.uint64(shift)
            if shift:
                words[:, word + 1] |= limb >> np.uint64(64 - shift)
        at += column.width
    octets = np.ascontiguousarray(words[:, ::-1]).astype(">u8").view(np.uint8)
    nibbles = np.stack([octets >> 4, octets & 15], axis=-1).reshape(rows, -1)[:, -digits:]
    return np.frombuffer(_UPPER if upper else _LOWER, np.uint8)[nibbles]


def parse_rows(columns: Sequence[Column], digits: Array, upper: bool) -> tuple[list[Array], Array]:
    """Codes of packed columns, and for each row whether it is well-formed (legal digits, no bit beyond the width)."""
    table = np.full(256, 255, np.uint8)
    table[np.frombuffer(_UPPER if upper else _LOWER, np.uint8)] = np.arange(16)
    nibbles = table[digits]
    good = (nibbles < 16).all(axis=1)
    nibbles = np.where(nibbles < 16, nibbles, 0).astype(np.uint8)
    pad = -digits.shape[1] % 16 + 16
    nibbles = np.pad(nibbles, ((0, 0), (pad, 0)))
    octets = np.ascontiguousarray(nibbles[:, ::2] << 4 | nibbles[:, 1::2])
    words = np.ascontiguousarray(octets.view(">u8").astype(np.uint64)[:, ::-1])
    found, at = [], 0
    for column in reversed(columns):
        limbs = []
        for i in range((column.width + 63) // 64):
            word, shift = divmod(at + 64 * i, 64)
            limb = words[:, word] >> np.uint64(shift)
            if shift:
                limb |= words[:, word + 1] << np.uint64(64 - shift)
            bits = min(64, column.width - 64 * i)
            limbs.append(limb & np.uint64((1 << bits) - 1))
        found.append(codes_of(np.stack(limbs, axis=1), column.width))
        at += column.width
    if at % 64 or at // 64 < words.shape[1]:
        rest = words[:, at // 64] >> np.uint64(at % 64)
        good &= rest == 0
    return found[::-1], np.asarray(good)
