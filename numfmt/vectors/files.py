"""Files of vectors: written byte for byte alike, read back without trusting them."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy_format

from ..errors import ArgumentError, FileFormatError, VectorFileError
from ..interop.npy import read_header
from ..interop.replacing import replacing
from .columns import Field
from .layouts import (
    BINARY,
    LAYOUTS,
    Column,
    Table,
    codes_of,
    field_dtype,
    hex_rows,
    limbs_of,
    parameters,
    parse_rows,
    record_dtype,
    segments,
)
from .manifest import Manifest, manifest_path, title_of, written

if TYPE_CHECKING:
    from .generation import VectorSet

__all__ = ["Stored", "read_fields", "write_set"]

Array = npt.NDArray[Any]
_CHUNK = 1 << 16
#: No time of writing: equal content makes equal files.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def _tool() -> str:
    from .. import __version__

    return f"numfmt {__version__}"


# ---- writing -------------------------------------------------------------------------------------------------------


def write_set(vectors: VectorSet, path: str | Path, layout: str) -> list[Path]:
    """Write data, parameters and manifest; see `VectorSet.write`."""
    path = Path(path)
    if layout not in LAYOUTS:
        raise ArgumentError(f"layout must be one of {', '.join(LAYOUTS)}, got {layout!r}")
    if layout == "testfloat" and (vectors.columns or not vectors.has_flags):
        raise ArgumentError("TestFloat's text holds operands, result and flags: no optional columns, and flags=True")
    if path.suffix in (".svh", ".json"):
        raise ArgumentError(f"path must not end in {path.suffix}, which is written beside it, got {path.name!r}")
    if not path.parent.is_dir():
        raise ArgumentError(f"path lies in {path.parent}, which is no directory")
    columns = [Column(f.name, f.width) for f in vectors.fields]
    title = title_of(_tool(), vectors.op, vectors.formats, vectors.fmt, vectors.policy, vectors.set, len(vectors))
    digest = hashlib.sha256()
    with replacing(path) as file:
        for chunk in _chunks(vectors, columns, path.name, layout, title):
            digest.update(chunk)
            file.write(chunk)
    files = [path]
    if layout == "memh":
        files.append(path.with_suffix(".svh"))
        with replacing(files[-1]) as file:
            file.write(parameters(columns, len(vectors), title))
    files.append(manifest_path(path))
    with replacing(files[-1]) as file:
        file.write(written(vectors, path.name, layout, _tool(), digest.hexdigest()))
    return files


def _chunks(vectors: VectorSet, columns: list[Column], name: str, layout: str, title: str) -> Iterator[bytes]:
    codes = {field.name: field.codes for field in vectors.fields}
    if layout == "bin":
        record = record_dtype(columns)
        for at in range(0, len(vectors), _CHUNK):
            part = np.zeros(min(_CHUNK, len(vectors) - at), record)
            for column in columns:
                part[column.name] = _binary(codes[column.name][at : at + _CHUNK], column)
            yield part.tobytes()
        return
    if layout == "npz":
        yield _npz(columns, codes)
        return
    for segment in segments(layout, columns, len(vectors), name, title):
        if isinstance(segment, bytes):
            yield segment
            continue
        for at in range(0, len(vectors), _CHUNK):
            yield _lines(segment, {k: v[at : at + _CHUNK] for k, v in codes.items()})


def _lines(table: Table, codes: dict[str, Array]) -> bytes:
    rows = next(iter(codes.values())).shape[0]
    parts = []
    for part in table.parts:
        if isinstance(part, bytes):
            parts.append(np.broadcast_to(np.frombuffer(part, np.uint8), (rows, len(part))))
        else:
            parts.append(hex_rows(part, [codes[c.name] for c in part], table.upper))
    return np.concatenate(parts, axis=1).tobytes()


def _binary(codes: Array, column: Column) -> Array:
    limbs = limbs_of(codes, column.width)
    return limbs if column.width > 64 else limbs[:, 0]


def _npz(columns: list[Column], codes: dict[str, Array]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for column in columns:
            array = np.ascontiguousarray(_binary(codes[column.name], column), field_dtype(column)[0])
            with archive.open(zipfile.ZipInfo(f"{column.name}.npy", _EPOCH), "w", force_zip64=True) as member:
                npy_format.write_array(member, array, version=(1, 0), allow_pickle=False)
    return stream.getvalue()


# ---- reading -------------------------------------------------------------------------------------------------------


class Stored:
    """What a data file holds: fields, its digest, and the line of a row (None in binary layouts)."""

    def __init__(self, fields: tuple[Field, ...], sha256: str, first_line: int | None) -> None:
        self.fields, self.sha256, self.first_line = fields, sha256, first_line

    def line(self, row: int) -> int | None:
        """The line that row `row` stands in (of the first field, in the "c" layout)."""
        return None if self.first_line is None else self.first_line + row


def read_fields(path: Path, manifest: Manifest) -> Stored:
    """Read a data file as its manifest describes it; `VectorFileError` names the first line that is otherwise."""
    columns, count = list(manifest.fields), manifest.count
    if not path.is_file():
        raise VectorFileError(f"{path.name}:1: there is no such file")
    if manifest.layout == "bin":
        expected = record_dtype(columns).itemsize * count
    elif manifest.layout == "npz":
        expected = sum(count * record_dtype([c]).itemsize + 1024 for c in columns) + 4096
    else:
        parts = segments(manifest.layout, columns, count, manifest.file, manifest.title)
        expected = sum(len(p) if isinstance(p, bytes) else p.row_bytes * count for p in parts)
    with path.open("rb") as file:
        raw = file.read(expected + 1)  # no more than there is, and no more than there may be
    if manifest.layout in BINARY:
        read = _read_bin if manifest.layout == "bin" else _read_npz
        codes, first = read(path, raw, columns, count, expected), None
    else:
        codes, first = _read_text(path, raw, parts, count)
    if manifest.layout == "memh":
        _check_parameters(path, manifest)
    fields = tuple(Field(c.name, c.width, codes[c.name]) for c in columns)
    _check_codes(path, fields, manifest, first)
    return Stored(fields, hashlib.sha256(raw).hexdigest(), first)


def _fail(path: Path, line: int, reason: str) -> NoReturn:
    raise VectorFileError(f"{path.name}:{line}: {reason}")


def _check_parameters(path: Path, manifest: Manifest) -> None:
    beside = path.with_suffix(".svh")
    expected = parameters(manifest.fields, manifest.count, manifest.title)
    if not beside.is_file():
        _fail(beside, 1, "there is no such file: a memh file needs its parameters")
    with beside.open("rb") as file:
        found = file.read(len(expected) + 1)
    if found != expected:
        _fail(beside, *_first_difference(found, expected))


def _first_difference(found: bytes, expected: bytes) -> tuple[int, str]:
    at = next(
        (i for i, (x, y) in enumerate(zip(found, expected, strict=False)) if x != y), min(len(found), len(expected))
    )
    line = expected.count(b"\n", 0, at)
    wanted = expected.split(b"\n")[line]
    if found[at : at + 1] == b"\r":
        return line + 1, "the line ends in CR LF; vectors have LF"
    if found[:3] == b"\xef\xbb\xbf":
        return 1, "the file begins with a byte order mark"
    if at == len(found):
        return line + 1, "the file ends here"
    return line + 1, f"expected {wanted[:80].decode('ascii')!r}"


def _read_text(path: Path, raw: bytes, parts: list[bytes | Table], count: int) -> tuple[dict[str, Array], int]:
    at, line, first = 0, 1, 0
    codes: dict[str, Array] = {}
    for part in parts:
        if isinstance(part, bytes):
            if raw[at : at + len(part)] != part:
                offset, reason = _first_difference(raw[at : at + len(part)], part)
                _fail(path, line + offset - 1, reason)
            at, line = at + len(part), line + part.count(b"\n")
            continue
        first = first or line
        whole = min(count, (len(raw) - at) // part.row_bytes)
        end = at + whole * part.row_bytes
        matrix = np.frombuffer(raw, np.uint8, whole * part.row_bytes, at).reshape(whole, part.row_bytes)
        codes |= _parse_table(path, part, matrix, line)
        if whole < count:
            rest = raw[end : end + 40].split(b"\n")[0]
            what = f"an incomplete row {rest.decode('ascii', 'replace')!r}" if rest else "no more rows"
            _fail(path, line + whole, f"{what}: the manifest says {count} vectors, {whole} are complete")
        at, line = end, line + count
    if len(raw) > at:
        _fail(path, line, f"surplus text after the {count} vectors of the manifest")
    return codes, first


def _parse_table(path: Path, table: Table, matrix: Array, line: int) -> dict[str, Array]:
    good, at = np.ones(matrix.shape[0], bool), 0
    codes: dict[str, Array] = {}
    for part in table.parts:
        if isinstance(part, bytes):
            good &= (matrix[:, at : at + len(part)] == np.frombuffer(part, np.uint8)).all(axis=1)
            at += len(part)
            continue
        digits = sum(c.width for c in part) + 3 >> 2
        found, legal = parse_rows(part, matrix[:, at : at + digits], table.upper)
        good &= legal
        codes |= {c.name: code for c, code in zip(part, found, strict=True)}
        at += digits
    if not good.all():
        bad = int(np.argmin(good))
        text = matrix[bad].tobytes()
        reason = f"{text.decode('ascii', 'backslashreplace')!r} is no row of {matrix.shape[1] - 1} characters"
        if b"\r" in text:
            reason = "the line ends in CR LF; vectors have LF"
        elif text.startswith(b"\xef\xbb\xbf"):
            reason = "the file begins with a byte order mark"
        elif b"x" in text.lower().replace(b"0x", b"") or b"z" in text.lower():
            reason += ": x and z are no digits"
        _fail(path, line + bad, reason)
    return codes


def _read_bin(path: Path, raw: bytes, columns: list[Column], count: int, expected: int) -> dict[str, Array]:
    if len(raw) != expected:
        size = record_dtype(columns).itemsize
        what = f"{len(raw)} bytes" if len(raw) < expected else f"more than {expected} bytes"
        _fail(path, 1, f"{what}, but {count} records of {size} bytes make {expected}")
    records = np.frombuffer(raw, record_dtype(columns))
    return {c.name: _codes(records[c.name], c) for c in columns}


def _codes(array: Array, column: Column) -> Array:
    return codes_of(array.reshape(array.shape[0], -1).astype(np.uint64), column.width)


def _read_npz(path: Path, raw: bytes, columns: list[Column], count: int, expected: int) -> dict[str, Array]:
    if len(raw) > expected:
        _fail(path, 1, f"more than the {expected} bytes that {count} vectors can take")
    codes = {}
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            if [entry.filename for entry in archive.infolist()] != [f"{c.name}.npy" for c in columns]:
                _fail(path, 1, f"members must be {', '.join(c.name for c in columns)}, in this order")
            for column, entry in zip(columns, archive.infolist(), strict=True):
                if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > len(raw):
                    _fail(path, 1, f"{entry.filename} must be stored, not compressed")
                member = archive.read(entry)
                stream = io.BytesIO(member)
                header = read_header(stream, entry.filename)
                dtype, *shape = field_dtype(column)
                wanted = (count, *(shape[0] if shape else ()))
                if header.dtype != np.dtype(dtype) or header.shape != wanted or header.fortran_order:
                    _fail(path, 1, f"{entry.filename} must be {np.dtype(dtype)} {wanted}")
                body = member[stream.tell() :]
                if len(body) != int(np.prod(wanted)) * np.dtype(dtype).itemsize:
                    _fail(path, 1, f"{entry.filename} is cut short or too long")
                codes[column.name] = _codes(np.frombuffer(body, dtype).reshape(wanted), column)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError, RuntimeError) as err:
        if isinstance(err, VectorFileError):
            raise
        reason = str(err) if isinstance(err, FileFormatError) else f"no archive of arrays: {err}"
        raise VectorFileError(f"{path.name}:1: {reason}") from None
    return codes


def _check_codes(path: Path, fields: tuple[Field, ...], manifest: Manifest, first: int | None) -> None:
    """Codes must lie within their fields and formats, which binary layouts and odd formats do not ensure."""
    counts = {name: f.code_count for name, f in zip("abc", manifest.formats, strict=False)}
    counts["z"] = manifest.fmt.code_count
    for field in fields:
        limit = counts.get(field.name, 1 << field.width)
        if field.width <= 64 and limit < 1 << 64:
            over = field.codes >= np.uint64(limit)
        else:
            over = (
                np.array([c >= limit for c in field.codes], bool) if field.codes.dtype == object else np.zeros(1, bool)
            )
        if over.any():
            row = int(np.argmax(over))
            where = row + (first or 1)
            _fail(path, where, f"row {row}: {field.name} is {int(field.codes[row]):#x}, beyond its {limit} codes")
