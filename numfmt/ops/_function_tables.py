"""Tables of an elementary function over every code of a format: made once, kept on disk, never trusted unchecked.

A table holds what `_elementary.evaluate` proves about each result, so it serves every rounding and every result format.
On disk it is one file per function and operand format in the user's cache directory: a SHA-256, the key, the arrays.
The key names everything the content depends on (layout version, function, format with its parameters, and a digest of
the operand values); a file that does not check out is ignored and replaced, and a directory that cannot be written is
no error. Content is a mathematical fact: two processes that write at once write the same bytes, each by renaming.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import sys
from collections import OrderedDict
from dataclasses import fields, is_dataclass
from fractions import Fraction
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..formats.base import Format
from ..formats.floating import FloatFormat, Specials
from ..formats.real import Exponential
from ..formats.unpacked import Kind, Unpacked
from ._elementary import Event, Result, evaluate

__all__ = ["FunctionTable", "cache_directory", "function_table", "operand"]

#: Changes with the layout of the file or the meaning of its arrays.
VERSION = 1
#: Tables kept in memory: about 1 MB each for 16-bit operands.
KEPT = 64

_DTYPES = {"kind": "u1", "sign": "u1", "exact": "u1", "event": "u1", "exponent": "<i4", "significand": "<u8"}


class FunctionTable(NamedTuple):
    """Results by operand code; exponent, significand and exact as in `_elementary.Leading`."""

    kind: npt.NDArray[np.uint8]
    sign: npt.NDArray[np.uint8]
    exact: npt.NDArray[np.uint8]
    event: npt.NDArray[np.uint8]
    exponent: npt.NDArray[np.int32]
    significand: npt.NDArray[np.uint64]


def operand(fmt: Format, code: int) -> Unpacked | Exponential:
    """The exact value of a code: irrational values of the logarithmic formats as `Exponential`."""
    unpacked = fmt.value_of(code)
    if fmt.exact or unpacked.kind is not Kind.FINITE:
        return unpacked
    real = fmt.real_of(code)
    return Unpacked.from_fraction(real) if isinstance(real, Fraction) else real


def _is_signaling(fmt: Format, code: int) -> bool:
    """IEEE 754-2019 6.2.1: the first bit of the trailing significand is 0 in a signaling NaN."""
    if not isinstance(fmt, FloatFormat) or fmt.specials is not Specials.IEEE:
        return False
    return not code >> (fmt.mantissa_bits - 1) & 1


def make_table(name: str, fmt: Format) -> FunctionTable:
    """Evaluate `name` at every code of `fmt`."""
    count = fmt.code_count
    columns = {column: np.zeros(count, dtype) for column, dtype in _DTYPES.items()}
    for code in range(count):
        x = operand(fmt, code)
        result = evaluate(name, x)
        if result.kind is Kind.NAN and isinstance(x, Unpacked) and x.kind is Kind.NAN and _is_signaling(fmt, code):
            result = result._replace(event=Event.INVALID)
        _store(columns, code, result)
    return FunctionTable(**columns)


def _store(columns: dict[str, npt.NDArray[Any]], code: int, result: Result) -> None:
    columns["kind"][code], columns["sign"][code], columns["event"][code] = result.kind, result.sign, result.event
    if result.leading is not None:
        _, exponent, significand, exact = result.leading
        columns["exponent"][code], columns["significand"][code] = exponent, significand
        columns["exact"][code] = exact


# ---- memory and disk -----------------------------------------------------------------------------------------------

_tables: OrderedDict[tuple[str, Format], FunctionTable] = OrderedDict()
_lock = RLock()


def function_table(name: str, fmt: Format) -> FunctionTable:
    """The table of `name` over `fmt`, from memory, from disk, or made now."""
    with _lock:
        table = _tables.get((name, fmt))
        if table is not None:
            _tables.move_to_end((name, fmt))
            return table
        key = _key(name, fmt)
        table = _load(key, fmt.code_count) if key else None
        if table is None:
            table = make_table(name, fmt)
            if key:
                _save(key, table)
        for column in table:
            column.setflags(write=False)
        _tables[name, fmt] = table
        while len(_tables) > KEPT:
            _tables.popitem(last=False)
        return table


def cache_directory() -> Path:
    """Where function tables are kept: below XDG_CACHE_HOME, LOCALAPPDATA, ~/Library/Caches or ~/.cache."""
    usual = {"win32": "LOCALAPPDATA"}.get(sys.platform, "")
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get(usual)
    if not base:
        base = os.path.expanduser("~/Library/Caches" if sys.platform == "darwin" else "~/.cache")
    return Path(base) / "numfmt" / f"functions-{VERSION}"


def _key(name: str, fmt: Format) -> bytes:
    """Everything the table depends on, or nothing where it is not worth a file or the values cannot be named."""
    named = type(fmt).__module__.startswith("numfmt.formats.") and is_dataclass(fmt)
    if not named or fmt.bits <= 8:
        return b""  # a small table is made in a few milliseconds; a stranger's class may change between two runs
    parameters = [(f.name, getattr(fmt, f.name)) for f in fields(fmt) if f.compare]  # type: ignore[arg-type]
    with np.errstate(over="ignore"):
        values = hashlib.sha256(fmt.table.astype("<f8").tobytes()).hexdigest()
    return f"numfmt {VERSION} {name} {type(fmt).__qualname__} {parameters!r} {values}".encode()


def _path(key: bytes) -> Path:
    return cache_directory() / f"{hashlib.sha256(key).hexdigest()[:32]}.table"


def _load(key: bytes, count: int) -> FunctionTable | None:
    """A table whose file is whole and is this one's, else None."""
    size = 32 + len(key) + count * sum(np.dtype(d).itemsize for d in _DTYPES.values())
    try:
        with open(_path(key), "rb") as file:
            sealed = file.read(size + 1)
    except (OSError, RuntimeError):
        return None
    payload = sealed[32:]
    if len(sealed) != size or hashlib.sha256(payload).digest() != sealed[:32] or not payload.startswith(key):
        return None
    at, columns = len(key), {}
    for column, dtype in _DTYPES.items():
        columns[column] = np.frombuffer(payload, dtype, count, at).astype(np.dtype(dtype).newbyteorder("="))
        at += columns[column].nbytes
    return FunctionTable(**columns)


def _save(key: bytes, table: FunctionTable) -> None:
    """Put the file in place whole, or not at all; a disk that refuses costs the next process the computation."""
    arrays = table._asdict()
    payload = key + b"".join(arrays[column].astype(dtype).tobytes() for column, dtype in _DTYPES.items())
    part = None
    try:
        target = _path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{secrets.token_hex(8)}.part")
        with open(part, "xb") as file:
            file.write(hashlib.sha256(payload).digest() + payload)
        os.replace(part, target)
    except (OSError, RuntimeError):
        if part is not None:
            with contextlib.suppress(OSError):
                part.unlink()
