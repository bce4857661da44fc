"""Formats as plain JSON, class and every field: a file explains itself in a process that does not know the name.

A number is never printed in decimal: floats are hexadecimal (C99), fractions are ratios of integers. Classes are looked
up among those that exist in the process; nothing is imported or evaluated by name.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from ..errors import ArgumentError, FileFormatError, NumfmtError
from ..formats.base import Format
from ..formats.block import BlockFormat
from ..formats.floating import Specials
from ..formats.registry import AnyFormat, get
from ..rounding import NaNRule, Overflow, Rounding

__all__ = ["definition_of", "format_of"]

_ENUMS: dict[str, type[Enum]] = {cls.__name__: cls for cls in (NaNRule, Overflow, Rounding, Specials)}
_LONGEST_NAME = 64  # longer ones are no catalog name, and looking for similar ones takes long


def _class_key(cls: type) -> str:
    """A class of numfmt by its name alone, so that it may move; others with their module."""
    own = cls.__module__.split(".")[0] == __name__.split(".")[0]
    return cls.__qualname__ if own else f"{cls.__module__}:{cls.__qualname__}"


def _subclasses(cls: type) -> Iterator[type]:
    sub: type
    for sub in cls.__subclasses__():
        yield sub
        yield from _subclasses(sub)


def _stored(value: Any, where: str) -> Any:
    """One field as JSON: int, bool, str and None are themselves, a list is a tuple, the rest is tagged."""
    if value is None or type(value) in (bool, int, str):
        return value
    if isinstance(value, (Format, BlockFormat)):
        return definition_of(value)
    if isinstance(value, Enum) and type(value).__name__ in _ENUMS:
        return {"enum": type(value).__name__, "member": value.name}
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, (float, np.float16, np.float32)):
        return {"float": float(value).hex()}
    if isinstance(value, (Fraction, Decimal)):
        ratio = Fraction(value)
        return {"fraction": f"{ratio.numerator:#x}/{ratio.denominator:#x}"}
    if isinstance(value, tuple):
        if value and all(type(v) is float for v in value):
            return {"floats": [v.hex() for v in value]}
        return [_stored(v, where) for v in value]
    raise ArgumentError(f"{where} holds a {type(value).__name__}, which a file cannot describe; use numbers and names")


def definition_of(fmt: AnyFormat) -> dict[str, Any]:
    """The JSON object from which `format_of` makes an equal format.

    Raises
    ------
    ArgumentError
        The class is no dataclass, or a field is no number, string, enum, format, or tuple of those.

    >>> import numfmt as nf
    >>> definition_of(nf.get("int4"))["fields"]["bits"]
    4
    """
    if not is_dataclass(fmt):
        raise ArgumentError(f"{fmt.name} cannot be saved: its class {type(fmt).__name__} is not a dataclass")
    stored = {f.name: _stored(getattr(fmt, f.name), f"{fmt.name}.{f.name}") for f in fields(fmt) if f.init}
    return {"class": _class_key(type(fmt)), "name": fmt.name, "fields": stored}


def _value(stored: Any) -> Any:
    if stored is None or type(stored) in (bool, int, str):
        return stored
    if isinstance(stored, list):
        return tuple(_value(v) for v in stored)
    match stored:
        case {"class": _}:
            return _built(stored)
        case {"float": str(text)}:
            return float.fromhex(text)
        case {"floats": [*texts]}:
            return tuple(map(float.fromhex, texts))
        case {"fraction": str(text)}:
            numerator, _, denominator = text.partition("/")
            return Fraction(int(numerator, 16), int(denominator, 16))
        case {"enum": str(name), "member": str(member)}:
            return _ENUMS[name][member]
    raise ValueError(f"no field value: {str(stored)[:60]}")


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a field's declared type, as far as that says anything."""
    if hint is Any:
        return True
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, part) for part in get_args(hint))
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(v, get_args(hint)[0]) for v in value)
    if hint in (bool, int, str, float):
        return type(value) is hint
    return isinstance(value, hint) if isinstance(hint, type) else True


def _built(stored: dict[str, Any]) -> AnyFormat:
    key, given = stored["class"], stored["fields"]
    known = {_class_key(cls): cls for base in (Format, BlockFormat) for cls in (base, *_subclasses(base))}
    cls = known.get(key) if isinstance(key, str) else None
    if cls is None or not is_dataclass(cls):
        raise ValueError(f"format class {key!r} does not exist here; import the module that defines it, then load")
    hints = get_type_hints(cls)
    names = {f.name for f in fields(cls) if f.init}
    if set(given) - names:
        raise ValueError(f"{key} has no field {', '.join(sorted(set(given) - names))}; the file is of another version")
    arguments = {name: _value(item) for name, item in given.items()}
    for name, value in arguments.items():
        if not _fits(value, hints.get(name, Any)):
            raise ValueError(f"field {name} of {key} cannot be {str(value)[:60]!r}")
    made: Any = cls(**arguments)
    return _catalogued(made)


def _catalogued(fmt: AnyFormat) -> AnyFormat:
    """The catalog's own object for an equal format: it has the tables already."""
    if len(fmt.name) <= _LONGEST_NAME:
        try:
            known: AnyFormat = get(fmt.name)
        except NumfmtError:
            return fmt
        if known == fmt:
            return known
    return fmt


def format_of(definition: Any) -> AnyFormat:
    """The format that a JSON object from `definition_of` describes.

    Raises
    ------
    FileFormatError
        Anything else, or a class that this process does not have.

    >>> import numfmt as nf
    >>> format_of(definition_of(nf.get("nvfp4"))) is nf.get("nvfp4")
    True
    """
    try:
        if not isinstance(definition, dict):
            raise ValueError("a format must be an object")
        return _built(definition)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, AssertionError, RecursionError) as err:
        words = err.args[0] if isinstance(err, (ValueError, TypeError)) and err.args else f"{type(err).__name__}: {err}"
        raise FileFormatError(f"no usable format definition: {words}") from None
