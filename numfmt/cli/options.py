"""Options that several commands share, and the conversion rules they make."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer

from .. import Format, HashRandom, NaNRule, Overflow, Rounding
from ..profiles import resolve_policy

__all__ = [
    "FormatArgument",
    "JsonFlag",
    "NanOption",
    "OverflowOption",
    "ProfileOption",
    "RandomOption",
    "RoundingOption",
    "Rules",
]

FormatArgument = Annotated[str, typer.Argument(metavar="FORMAT", help="Format name, such as fp8_e4m3fn.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RoundingOption = Annotated[str | None, typer.Option(metavar="MODE", help="Rounding, such as toward_zero.")]
OverflowOption = Annotated[str | None, typer.Option(metavar="POLICY", help="Overflow policy, such as nonsaturating.")]
NanOption = Annotated[str | None, typer.Option(metavar="RULE", help="What NaN becomes, such as zero.")]
ProfileOption = Annotated[str | None, typer.Option(metavar="NAME", help="Another stack's rules, such as ml_dtypes.")]
RandomOption = Annotated[int | None, typer.Option(metavar="SEED", help="Seed of a stochastic rounding.")]


@dataclass(frozen=True)
class Rules:
    """The conversion rules of a command line, as given."""

    rounding: str | None = None
    overflow: str | None = None
    nan: str | None = None
    profile: str | None = None
    random: int | None = None

    def resolved(self, fmt: Format) -> tuple[Rounding, Overflow, NaNRule]:
        """The rules that hold for `fmt`; raises for unknown names."""
        policy = resolve_policy(fmt, self.rounding, self.overflow, self.nan, self.profile)
        return policy.rounding, policy.overflow, policy.nan

    def options(self, start: int = 0) -> dict[str, Any]:
        """Keyword arguments of `numfmt.encode` and `numfmt.quantize` for a piece whose first flat index is `start`."""
        random = None if self.random is None else HashRandom(self.random, start=start)
        return {**asdict(self), "random": random}
