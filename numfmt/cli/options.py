"""Options that several commands share, and the conversion rules they make."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer

from .. import BlockFormat, Format, HashRandom, NaNRule, Overflow, Rounding
from ..errors import ArgumentError
from ..profiles import resolve_policy
from .pieces import BlockRules

__all__ = [
    "AxisOption",
    "FormatArgument",
    "JsonFlag",
    "NanOption",
    "NonfiniteOption",
    "OverflowOption",
    "PadFlag",
    "ProfileOption",
    "RandomOption",
    "RoundingOption",
    "Rules",
    "ScaleRuleOption",
    "block_rules",
    "in_options",
]

FormatArgument = Annotated[str, typer.Argument(metavar="FORMAT", help="Format name, such as fp8_e4m3fn.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RoundingOption = Annotated[str | None, typer.Option(metavar="MODE", help="Rounding, such as toward_zero.")]
OverflowOption = Annotated[str | None, typer.Option(metavar="POLICY", help="Overflow policy, such as nonsaturating.")]
NanOption = Annotated[str | None, typer.Option(metavar="RULE", help="What NaN becomes, such as zero.")]
ProfileOption = Annotated[str | None, typer.Option(metavar="NAME", help="Another stack's rules, such as ml_dtypes.")]
RandomOption = Annotated[int | None, typer.Option(metavar="SEED", help="Seed of a stochastic rounding.")]
AxisOption = Annotated[
    str | None, typer.Option(metavar="AXIS", help="Block formats: axis of the blocks (-1, 0, flat; tiles: -2,-1).")
]
PadFlag = Annotated[bool, typer.Option("--pad", help="Block formats: fill last blocks up with zeros.")]
ScaleRuleOption = Annotated[
    str | None, typer.Option("--scale-rule", metavar="RULE", help="Block formats: scale rule, such as rceil.")
]
NonfiniteOption = Annotated[
    str | None, typer.Option(metavar="WHAT", help="Block formats: NaN, inf in a block: nan, raise or skip.")
]


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

    def of_elements(self) -> dict[str, Any]:
        """The rules without the seed, as keyword arguments."""
        return {name: value for name, value in asdict(self).items() if name != "random"}


def _axis(text: str | None) -> Any:
    """The axis that a command line names: "default", None for the flattened array, a number or several."""
    if text is None:
        return "default"
    if text.strip().lower() in ("flat", "none"):
        return None
    try:
        axes = tuple(int(part) for part in text.strip("() ").split(",") if part.strip())
    except ValueError:
        axes = ()
    if not axes:
        raise ArgumentError(f"--axis must be an integer, two of them (-2,-1) or flat, got {text!r}")
    return axes if len(axes) > 1 else axes[0]


def block_rules(
    fmt: Format | BlockFormat, rules: Rules, axis: str | None, pad: bool, rule: str | None, nonfinite: str | None
) -> BlockRules:
    """The rules of a block format; `ArgumentError` where a scalar one is given such options."""
    if isinstance(fmt, Format):
        given = {"--axis": axis is not None, "--pad": pad, "--scale-rule": rule, "--nonfinite": nonfinite}
        wrong = [name for name, value in given.items() if value]
        if wrong:
            raise ArgumentError(f"{wrong[0]} is for block formats; {fmt.name} is a scalar format: drop it")
    return BlockRules(_axis(axis), pad, rule, nonfinite, rules.of_elements(), rules.random)


def in_options(error: Exception) -> str:
    """The message of an error with the library's arguments spelled as options."""
    text = str(error).replace("pass pad=True to pad with zeros", "--pad fills the last block up with zeros")
    return text.replace("pass nonfinite='skip'", "pass --nonfinite skip")
