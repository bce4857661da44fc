"""Names to formats: the catalog, aliases, families given by a pattern, ambiguity errors and suggestions."""

from __future__ import annotations

import difflib
import fnmatch
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any, TypeVar

from ..errors import ArgumentError, FormatMismatchError, FormatNameError, NumfmtError
from .base import Format
from .block import BlockFormat

__all__ = [
    "AnyFormat",
    "add",
    "add_block",
    "ambiguous",
    "family",
    "get",
    "names",
    "register",
    "register_family",
    "scalar",
]

AnyFormat = Format | BlockFormat

_F = TypeVar("_F", bound=type[Format])

_lock = threading.RLock()
_catalog: dict[str, Format] = {}
_blocks: dict[str, BlockFormat] = {}
_block_labels: dict[BlockFormat, str] = {}
_aliases: dict[str, str] = {}
_ambiguous: dict[str, tuple[str, ...]] = {}
_families: list[tuple[re.Pattern[str], Callable[..., AnyFormat]]] = []
_parsed: dict[str, AnyFormat] = {}


def register_family(pattern: str, make: Callable[..., AnyFormat]) -> None:
    """Let names that match `pattern` whole mean ``make(**groups)``; digits arrive as int, missing groups not at all."""
    with _lock:
        _families.append((re.compile(pattern), make))
        _parsed.clear()


def family(pattern: str) -> Callable[[_F], _F]:
    r"""Class decorator: register a `Format` dataclass under a name pattern whose groups are its fields.

    Parameters
    ----------
    pattern : str
        Regular expression for the whole name, with named groups, for example ``r"pow2_(?P<bits>\d+)_b(?P<bias>\d+)"``.
        Groups of digits are passed as int, groups that did not take part are left to the field's default.
    """

    def decorate(cls: _F) -> _F:
        known = {f.name for f in fields(cls)}  # type: ignore[arg-type]
        unknown = set(re.compile(pattern).groupindex) - known
        if unknown:
            raise ArgumentError(
                f"pattern groups must be fields of {cls.__name__}; unknown: {', '.join(sorted(unknown))}"
            )
        register_family(pattern, cls)
        return cls

    return decorate


def add(fmt: Format, *aliases: str, spelled: str | None = None) -> Format:
    """Put a catalog format under its own name; `spelled` is the grammar's name for the same fields."""
    with _lock:
        _catalog[fmt.name] = fmt
        for alias in (*aliases, *((spelled,) if spelled and spelled != fmt.name else ())):
            _aliases[alias] = fmt.name
    return fmt


def add_block(name: str, fmt: BlockFormat, *aliases: str) -> BlockFormat:
    """Put a block format into the catalog under `name`; equal fields get that name back, however they were made."""
    with _lock:
        _blocks[name] = fmt
        _block_labels.setdefault(fmt, name)
        for alias in aliases:
            _aliases[alias] = name
    return fmt


def block_label(fmt: BlockFormat) -> str | None:
    """The catalog name of a block format, if it has one."""
    return _block_labels.get(fmt)


def ambiguous(name: str, *candidates: str) -> None:
    """Declare a name that people use for several formats: `get` raises and lists them."""
    _ambiguous[name] = candidates


def register(fmt: AnyFormat, *, name: str | None = None, aliases: Iterable[str] = ()) -> AnyFormat:
    """Make `fmt` known under its name and `aliases` in this process, and return it.

    Parameters
    ----------
    fmt : Format or BlockFormat
    name : str, optional
        Catalog name of a block format (a scalar format names itself).
    aliases : iterable of str

    Raises
    ------
    ArgumentError
        A name is taken by a different format.

    >>> import numfmt as nf
    >>> nf.register(nf.CodebookFormat("doc_pm3", (-3, -1, 1, 3))).name
    'doc_pm3'
    >>> nf.register(nf.BlockFormat("doc_pm3", "bfloat16", 64), name="doc_pm3_g64").bits_per_element
    2.25
    """
    if not isinstance(fmt, (Format, BlockFormat)):
        raise ArgumentError(f"fmt must be a Format or BlockFormat, got {type(fmt).__name__}")
    if name is not None and isinstance(fmt, Format):
        raise ArgumentError(f"name is for block formats; {fmt.name} names itself, pass aliases=")
    aliases = tuple(aliases)
    with _lock:
        for taken in (name or fmt.name, *aliases):
            try:
                known = get(taken)
            except FormatNameError:
                if taken in _ambiguous:
                    raise ArgumentError(f"the name {taken!r} is ambiguous and cannot be registered") from None
                continue
            if known != fmt:
                raise ArgumentError(f"the name {taken!r} already means {known!r}; choose another")
        if isinstance(fmt, BlockFormat):
            return add_block(name or fmt.name, fmt, *aliases)
        return add(fmt, *aliases)


def _parse(name: str) -> AnyFormat | None:
    for pattern, make in _families:
        match = pattern.fullmatch(name)
        if match is None:
            continue
        groups = {k: int(v) if v.isdecimal() else v for k, v in match.groupdict().items() if v is not None}
        try:
            fmt = make(**groups)
        except NumfmtError as err:
            raise FormatNameError(f"{name!r} is not a legal format: {err}") from None
        if isinstance(fmt, BlockFormat):
            return _blocks.get(block_label(fmt) or "", fmt)
        # The grammar can spell a catalog format in its own way; there is one canonical object.
        return _catalog.get(_aliases.get(fmt.name, fmt.name), fmt)
    return None


def get(name: str | AnyFormat) -> Any:
    """The format of a name, an alias or a grammar spelling; a format object is returned as it is.

    Parameters
    ----------
    name : str, Format or BlockFormat
        Case is ignored; ``-`` counts as ``_``.

    Returns
    -------
    Format or BlockFormat

    Raises
    ------
    FormatNameError
        Unknown (the message lists the nearest names), ambiguous (it lists the candidates) or illegal.

    >>> import numfmt as nf
    >>> nf.get("float8_e4m3fn").name
    'fp8_e4m3fn'
    """
    if isinstance(name, (Format, BlockFormat)):
        return name
    if not isinstance(name, str):
        raise FormatMismatchError(f"fmt must be a format name or a Format, got {type(name).__name__}")
    fmt: AnyFormat | None = _catalog.get(name) or _blocks.get(name) or _parsed.get(name)
    if fmt is not None:
        return fmt
    key = name.strip().lower().replace("-", "_")
    if key in _ambiguous:
        options = ", ".join(_ambiguous[key])
        raise FormatNameError(f"format name {name!r} is ambiguous; it could mean: {options}")
    key = _aliases.get(key, key)
    fmt = _catalog.get(key) or _blocks.get(key) or _parse(key)
    if fmt is None:
        near = difflib.get_close_matches(key, [*_catalog, *_blocks, *_aliases, *_ambiguous], n=3, cutoff=0.0)
        raise FormatNameError(
            f"unknown format name {name!r}; nearest names: {', '.join(near)}. numfmt list shows them all, and the "
            "grammar takes fpN_eEmM, intN, positN_ES, takumN, lnsN_R, p3109_kKpP{s,u}{e,f}, bfpM_kK, element*scale/K"
        )
    with _lock:
        if len(_parsed) < 4096:
            _parsed[name] = fmt
    return fmt


def scalar(name: str | AnyFormat) -> Format:
    """Like `get`, for places that need a scalar format."""
    fmt = get(name)
    if isinstance(fmt, BlockFormat):
        raise FormatMismatchError(
            f"{fmt.name} is a block format, and this needs a scalar one; its elements are {fmt.element.name}"
        )
    assert isinstance(fmt, Format)
    return fmt


def names(pattern: str = "*", *, kind: str | None = None) -> list[str]:
    """Canonical names of the catalog that match a shell-style pattern, sorted; aliases match too.

    Parameters
    ----------
    pattern : str
        Shell pattern.
    kind : {"scalar", "block"}, optional
        Only scalar or only block formats.

    >>> import numfmt as nf
    >>> nf.names("fp4*")
    ['fp4_e1m2', 'fp4_e2m1', 'fp4_e3m0']
    >>> nf.names("mxint*", kind="block")
    ['mxint4', 'mxint6', 'mxint8']
    """
    if kind not in (None, "scalar", "block"):
        raise ArgumentError(f"kind must be 'scalar', 'block' or None, got {kind!r}")
    known: dict[str, Any] = {**(_catalog if kind != "block" else {}), **(_blocks if kind != "scalar" else {})}
    found = {n for n in known if fnmatch.fnmatchcase(n, pattern)}
    if pattern != "*":
        found |= {c for a, c in _aliases.items() if c in known and fnmatch.fnmatchcase(a, pattern)}
    return sorted(found)


def aliases_of(fmt: AnyFormat) -> list[str]:
    """Aliases of a catalog format, sorted."""
    return sorted(a for a, c in _aliases.items() if c == fmt.name)
