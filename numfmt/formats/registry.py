"""Names to formats: the catalog, aliases, families given by a pattern, ambiguity errors and suggestions."""

from __future__ import annotations

import difflib
import fnmatch
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import TypeVar

from ..errors import ArgumentError, FormatMismatchError, FormatNameError, NumfmtError
from .base import Format

__all__ = ["add", "ambiguous", "family", "get", "names", "register", "register_family"]

_F = TypeVar("_F", bound=type[Format])

_lock = threading.RLock()
_catalog: dict[str, Format] = {}
_aliases: dict[str, str] = {}
_ambiguous: dict[str, tuple[str, ...]] = {}
_families: list[tuple[re.Pattern[str], Callable[..., Format]]] = []
_parsed: dict[str, Format] = {}


def register_family(pattern: str, make: Callable[..., Format]) -> None:
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


def ambiguous(name: str, *candidates: str) -> None:
    """Declare a name that people use for several formats: `get` raises and lists them."""
    _ambiguous[name] = candidates


def register(fmt: Format, *, aliases: Iterable[str] = ()) -> Format:
    """Make `fmt` known under its name and `aliases` in this process, and return it.

    Raises
    ------
    ArgumentError
        A name is taken by a different format.

    >>> import numfmt as nf
    >>> nf.register(nf.CodebookFormat("doc_pm3", (-3, -1, 1, 3))).name
    'doc_pm3'
    """
    if not isinstance(fmt, Format):
        raise ArgumentError(f"fmt must be a Format, got {type(fmt).__name__}")
    aliases = tuple(aliases)
    with _lock:
        for name in (fmt.name, *aliases):
            try:
                known = get(name)
            except FormatNameError:
                if name in _ambiguous:
                    raise ArgumentError(f"the name {name!r} is ambiguous and cannot be registered") from None
                continue
            if known != fmt:
                raise ArgumentError(f"the name {name!r} already means {known!r}; choose another")
        return add(fmt, *aliases)


def _parse(name: str) -> Format | None:
    for pattern, make in _families:
        match = pattern.fullmatch(name)
        if match is None:
            continue
        groups = {k: int(v) if v.isdecimal() else v for k, v in match.groupdict().items() if v is not None}
        try:
            fmt = make(**groups)
        except NumfmtError as err:
            raise FormatNameError(f"{name!r} is not a legal format: {err}") from None
        # The grammar can spell a catalog format in its own way; there is one canonical object.
        return _catalog.get(_aliases.get(fmt.name, fmt.name), fmt)
    return None


def get(name: str | Format) -> Format:
    """The format of a name, an alias or a grammar spelling; a Format is returned as it is.

    Parameters
    ----------
    name : str or Format
        Case is ignored; ``-`` counts as ``_``.

    Raises
    ------
    FormatNameError
        Unknown (the message lists the nearest names), ambiguous (it lists the candidates) or illegal.

    >>> import numfmt as nf
    >>> nf.get("float8_e4m3fn").name
    'fp8_e4m3fn'
    """
    if isinstance(name, Format):
        return name
    if not isinstance(name, str):
        raise FormatMismatchError(f"fmt must be a format name or a Format, got {type(name).__name__}")
    fmt = _catalog.get(name) or _parsed.get(name)
    if fmt is not None:
        return fmt
    key = name.strip().lower().replace("-", "_")
    if key in _ambiguous:
        options = ", ".join(_ambiguous[key])
        raise FormatNameError(f"format name {name!r} is ambiguous; it could mean: {options}")
    key = _aliases.get(key, key)
    fmt = _catalog.get(key) or _parse(key)
    if fmt is None:
        near = difflib.get_close_matches(key, [*_catalog, *_aliases, *_ambiguous], n=3, cutoff=0.0)
        raise FormatNameError(
            f"unknown format name {name!r}; nearest names: {', '.join(near)}. numfmt list shows them all, and the "
            "grammar takes fpN_eEmM, intN, positN_ES, takumN, lnsN_R, p3109_kKpP{s,u}{e,f}"
        )
    with _lock:
        if len(_parsed) < 4096:
            _parsed[name] = fmt
    return fmt


def names(pattern: str = "*") -> list[str]:
    """Canonical names of the catalog that match a shell-style pattern, sorted; aliases match too.

    >>> import numfmt as nf
    >>> nf.names("fp4*")
    ['fp4_e1m2', 'fp4_e2m1', 'fp4_e3m0']
    """
    found = {n for n in _catalog if fnmatch.fnmatchcase(n, pattern)}
    if pattern != "*":
        found |= {c for a, c in _aliases.items() if fnmatch.fnmatchcase(a, pattern)}
    return sorted(found)


def aliases_of(fmt: Format) -> list[str]:
    """Aliases of a catalog format, sorted."""
    return sorted(a for a, c in _aliases.items() if c == fmt.name)
