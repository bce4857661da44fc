"""The manifest beside a file of vectors: what makes it reproducible, written and read strictly."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import NumfmtError, VectorFileError
from ..formats.base import Format
from ..formats.registry import scalar
from .columns import COLUMNS
from .layouts import LAYOUTS, Column
from .operations import OPERATIONS, Policy, resolve_policy
from .sets import SETS

if TYPE_CHECKING:
    from .generation import VectorSet

__all__ = ["Manifest", "manifest_path", "read_manifest", "title_of", "written"]

#: Of the manifest's keys, and of the generators of operands: a change of either asks for a new number.
VERSION, GENERATOR = 1, 1
_MOST_BYTES, _MOST_ROWS, _MOST_BRACKETS = 1 << 16, 1 << 24, 64
_KEYS: dict[str, Any] = {
    "kind": str, "version": int, "tool": str, "generator": int, "file": str, "layout": str, "op": str,
    "formats": list, "fmt": str, "set": str, "n": (int, type(None)), "seed": int, "policy": dict, "flags": bool,
    "columns": list, "fields": list, "count": int, "undefined": int, "witnessed": int,
    "coverage": (dict, type(None)), "sha256": str, "command": str,
}  # fmt: skip


@dataclass(frozen=True)
class Manifest:
    """A manifest that was read and found consistent in itself."""

    path: Path
    tool: str
    generator: int
    file: str
    layout: str
    op: str
    formats: tuple[Format, ...]
    fmt: Format
    set: str
    n: int | None
    seed: int
    policy: Policy
    flags: bool
    columns: tuple[str, ...]
    fields: tuple[Column, ...]
    count: int
    sha256: str

    @property
    def title(self) -> str:
        """The line that the data file begins with, where its layout has one."""
        return title_of(self.tool, self.op, self.formats, self.fmt, self.policy, self.set, self.count)


def manifest_path(path: Path) -> Path:
    """Where the manifest of a data file is."""
    return path.with_name(path.name + ".json")


def title_of(
    tool: str, op: str, formats: tuple[Format, ...], fmt: Format, policy: Policy, set_name: str, count: int
) -> str:
    """What a file of vectors holds, in one line."""
    names = ", ".join(f.name for f in formats)
    rules = ", ".join(policy.as_dict().values())
    return f"{tool}: {op}({names}) -> {fmt.name}; {rules}; {set_name} set, {count} vectors"


def _command(vectors: VectorSet, name: str, layout: str) -> str:
    words = ["numfmt", "vectors", vectors.op, *(f.name for f in vectors.formats), "--fmt", vectors.fmt.name]
    words += ["--set", vectors.set] + (["--n", str(vectors.n)] if vectors.n is not None else [])
    words += ["--seed", str(vectors.seed)]
    for option, value in vectors.policy.as_dict().items():
        words += [f"--{option}", value]
    words += [] if vectors.has_flags else ["--no-flags"]
    words += [word for column in vectors.columns for word in ("--column", column)]
    return shlex.join([*words, "--layout", layout, "-o", name])


def written(vectors: VectorSet, name: str, layout: str, tool: str, sha256: str) -> bytes:
    """The manifest of a file, as bytes."""
    values = {
        "kind": "numfmt vectors",
        "version": VERSION,
        "tool": tool,
        "generator": GENERATOR,
        "file": name,
        "layout": layout,
        "op": vectors.op,
        "formats": [f.name for f in vectors.formats],
        "fmt": vectors.fmt.name,
        "set": vectors.set,
        "n": vectors.n,
        "seed": vectors.seed,
        "policy": vectors.policy.as_dict(),
        "flags": vectors.has_flags,
        "columns": list(vectors.columns),
        "fields": [[field.name, field.width] for field in vectors.fields],
        "count": len(vectors),
        "undefined": vectors.undefined,
        "witnessed": vectors.witnessed,
        "coverage": None if vectors.coverage is None else vectors.coverage.counts,
        "sha256": sha256,
        "command": _command(vectors, name, layout),
    }
    return (json.dumps(values, indent=1, allow_nan=False) + "\n").encode("ascii")


# ---- reading -------------------------------------------------------------------------------------------------------


def read_manifest(path: Path) -> Manifest:
    """Read the manifest of the data file `path`; `VectorFileError` for anything that `written` would not write."""
    file = manifest_path(path)

    def fail(reason: str, line: int = 1) -> NoReturn:
        raise VectorFileError(f"{file.name}:{line}: {reason}")

    if not file.is_file():
        fail("there is no such file: the manifest must lie beside the data")
    with file.open("rb") as stream:
        raw = stream.read(_MOST_BYTES + 1)
    if len(raw) > _MOST_BYTES:
        fail(f"more than {_MOST_BYTES} bytes: no manifest is that long")
    if sum(raw.count(bracket) for bracket in (b"[", b"{")) > _MOST_BRACKETS:
        fail(f"more than {_MOST_BRACKETS} brackets: no manifest nests like that")
    try:
        values = json.loads(
            raw.decode("ascii"),
            parse_constant=lambda text: fail(f"{text} is not JSON"),
            parse_float=lambda text: fail(f"{text[:20]} must be an integer"),
            object_pairs_hook=lambda pairs: _unique(pairs, fail),
        )
    except json.JSONDecodeError as err:
        fail(f"not JSON: {err.msg}", err.lineno)
    except UnicodeDecodeError as err:
        fail(
            f"byte {raw[err.start]:#04x} at {err.start} is no ASCII (a byte order mark?)",
            raw.count(b"\n", 0, err.start) + 1,
        )
    except (ValueError, RecursionError) as err:
        if isinstance(err, VectorFileError):
            raise
        fail("not JSON: a number or a nesting beyond reason")
    if not isinstance(values, dict) or set(values) != set(_KEYS):
        odd = sorted(set(values) ^ set(_KEYS)) if isinstance(values, dict) else ["no object"]
        fail(f"keys missing or surplus: {', '.join(map(str, odd))[:200]}")
    for key, kind in _KEYS.items():
        if not isinstance(values[key], kind) or (isinstance(values[key], bool) and kind is not bool):
            fail(f"{key} must be of another type, got {str(values[key])[:40]!r}")
    try:
        return _checked(path, values)
    except NumfmtError as err:
        if isinstance(err, VectorFileError):
            raise
        fail(str(err)[:300])


def _unique(pairs: list[tuple[str, Any]], fail: Any) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        fail("a key occurs twice")
    return dict(pairs)


def _checked(path: Path, values: dict[str, Any]) -> Manifest:
    def need(condition: bool, reason: str) -> None:
        if not condition:
            raise VectorFileError(f"{path.name}.json:1: {reason}")

    need(values["kind"] == "numfmt vectors", "kind must be 'numfmt vectors'")
    need(values["version"] == VERSION, f"version must be {VERSION}, got {values['version']}")
    need(values["layout"] in LAYOUTS, f"layout must be one of {', '.join(LAYOUTS)}")
    need(values["op"] in OPERATIONS, f"op names no operation: {values['op'][:40]!r}")
    need(values["set"] in SETS, f"set must be one of {', '.join(SETS)}")
    need(1 <= values["count"] <= _MOST_ROWS, f"count must be 1 to {_MOST_ROWS}, got {str(values['count'])[:40]}")
    need(re.fullmatch("[0-9a-f]{64}", values["sha256"]) is not None, "sha256 must be 64 hexadecimal digits")
    for key, length in (("tool", 40), ("file", 255)):
        need(0 < len(values[key]) <= length and values[key].isprintable(), f"{key} must be a short line")
    names = [*values["formats"], values["fmt"]]
    need(len(names) == OPERATIONS[values["op"]] + 1, f"{values['op']} takes {OPERATIONS[values['op']]} formats")
    need(all(isinstance(name, str) and len(name) <= 80 for name in names), "formats must be names")
    need(all(name in COLUMNS for name in values["columns"]), f"columns must be among {', '.join(COLUMNS)}")
    policy = values["policy"]
    need(
        set(policy) == {"rounding", "overflow", "nan", "tininess"}, "policy must name rounding, overflow, nan, tininess"
    )
    need(all(isinstance(x, str) for x in policy.values()), "policy must hold names")
    *formats, fmt = (scalar(name) for name in names)
    fields = tuple(_column(entry, need) for entry in values["fields"])
    expected = [(name, f.bits) for name, f in zip("abc", formats, strict=False)] + [("z", fmt.bits)]
    expected += [("flags", 5)] if values["flags"] else []
    need(list(fields[: len(expected)]) == expected, f"fields must begin with {expected}")
    need(len(fields) == len({name for name, _ in fields}) <= 16, "fields must be at most 16 of different names")
    resolved = resolve_policy(fmt, **policy)
    chosen = {key: values[key] for key in ("tool", "generator", "file", "layout", "op", "set", "n", "seed", "flags")}
    return Manifest(
        path, formats=tuple(formats), fmt=fmt, policy=resolved, columns=tuple(values["columns"]), fields=fields,
        count=values["count"], sha256=values["sha256"], **chosen,
    )  # fmt: skip


def _column(entry: Any, need: Any) -> Column:
    need(isinstance(entry, list) and len(entry) == 2, "fields must be pairs of name and width")
    name, width = entry
    need(
        isinstance(name, str) and re.fullmatch("[a-z_]{1,20}", name) is not None, "a field's name must be a short word"
    )
    need(type(width) is int and 1 <= width <= 128, "a field's width must be 1 to 128 bits")
    return Column(name, width)
