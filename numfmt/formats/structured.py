"""`StructuredBlock`: block formats with more in a block than elements and a scale, spelled around the block grammar."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar

from ..errors import ArgumentError, FormatNameError
from .block import BlockFormat
from .registry import get, register_family

__all__ = ["StructuredBlock", "structured"]

_C = TypeVar("_C", bound="type[StructuredBlock]")


@dataclass(frozen=True)
class StructuredBlock(BlockFormat):
    """A block format of its own kind, spelled ``kind(element*scale/K...)``, then ``;field=value`` for its own fields.

    The fields of `BlockFormat` keep their meaning; each subclass says what its blocks store besides.
    """

    #: Word before the parentheses of the spelled name.
    kind: ClassVar[str] = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check()

    def _check(self) -> None:
        """Refuse field values that the kind does not cover."""

    def _need(self, holds: bool, rule: str, got: Any) -> None:
        if not holds:
            raise ArgumentError(f"{self.kind} blocks need {rule}, got {got}")

    @classmethod
    def _own_fields(cls) -> list[Any]:
        plain = {f.name for f in fields(BlockFormat)}
        return [f for f in fields(cls) if f.name not in plain]

    @property
    def spelled_name(self) -> str:
        """``kind(plain block name)`` and the own fields that differ from their defaults."""
        text = f"{self.kind}({super().spelled_name})"
        for f in self._own_fields():
            value = getattr(self, f.name)
            if value != f.default:
                text += f";{f.name}={str(value).lower()}"
        return text


def structured(cls: _C) -> _C:
    """Class decorator: let ``kind(...)`` names mean formats of `cls`."""

    def make(inner: str, options: str = "") -> BlockFormat:
        plain = get(inner)
        if type(plain) is not BlockFormat:
            raise FormatNameError(f"{cls.kind}(...) wraps a plain block format, got {inner!r}")
        chosen = {f.name: getattr(plain, f.name) for f in fields(BlockFormat) if f.name != "source"}
        types = {f.name: type(f.default) for f in cls._own_fields()}
        for option in filter(None, options.split(";")):
            name, _, text = option.partition("=")
            if name not in types:
                raise FormatNameError(
                    f"{name!r} is no option of {cls.kind}(...); options: {', '.join(types) or 'none'}"
                )
            chosen[name] = _parse(types[name], name, text)
        return cls(**chosen)

    register_family(rf"{cls.kind}\((?P<inner>.+)\)(?P<options>(;[a-z_]+=[^;()]+)*)", make)
    return cls


def _parse(kind: type, name: str, text: str) -> Any:
    if kind is bool and text in ("true", "false"):
        return text == "true"
    if kind is int and text.isdecimal():
        return int(text)
    raise FormatNameError(f"{name} must be {'true or false' if kind is bool else 'a positive integer'}, got {text!r}")
