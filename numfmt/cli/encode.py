"""`numfmt encode FILE --to FORMAT -o OUT`: the codes and scales of a file of tensors, for `numfmt.load`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from .. import BlockFormat, encode
from ..errors import ArgumentError, NumfmtError
from ..formats import get
from ..interop.files import save
from .files import Tensor
from .options import (
    AxisOption,
    JsonFlag,
    NanOption,
    NonfiniteOption,
    OverflowOption,
    PadFlag,
    ProfileOption,
    RandomOption,
    RoundingOption,
    Rules,
    ScaleRuleOption,
    block_rules,
    in_options,
)
from .output import console, note, print_json, refuse_overwrite
from .quantize import choose_floats

__all__ = ["encode_file"]


def _encoded(tensor: Tensor, fmt: Any, options: dict[str, Any]) -> Any:
    x = tensor.reals(tensor.load())
    try:
        return encode(x, fmt, **options)
    except NumfmtError as err:
        raise type(err)(f"tensor {tensor.name!r}: {in_options(err)}") from None


def encode_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=".npy, .npz, .safetensors or .gguf.")],
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help="Format to encode in.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="File to write: .npz or .safetensors.")],
    rounding: RoundingOption = None,
    overflow: OverflowOption = None,
    nan: NanOption = None,
    profile: ProfileOption = None,
    random: RandomOption = None,
    axis: AxisOption = None,
    pad: PadFlag = False,
    rule: ScaleRuleOption = None,
    nonfinite: NonfiniteOption = None,
    json: JsonFlag = False,
) -> None:
    """Write codes and scales of every float in FILE, with the format's definition, for numfmt.load; in memory."""
    fmt, rules = get(to), Rules(rounding, overflow, nan, profile, random)
    if fmt.is_complex:
        raise ArgumentError(f"{fmt.name} is complex; encode takes files of real numbers")
    blocks = block_rules(fmt, rules, axis, pad, rule, nonfinite)
    if output.suffix.lower() not in (".npz", ".safetensors"):
        raise ArgumentError(f"OUT must end in .npz or .safetensors, got {output.name!r}")
    if not output.parent.is_dir():
        raise ArgumentError(f"OUT lies in {output.parent}, which is no directory")
    tensors, chosen, skipped = choose_floats(file, fmt, blocks)
    refuse_overwrite(output, file)
    options = rules.options()
    if isinstance(fmt, BlockFormat):
        options |= {"axis": blocks.axis, "pad": pad, "scale_rule": rule, "nonfinite": nonfinite}
    names = {t.name for t in chosen}
    kept = {t.name: t for t in tensors if t.skip is None}
    save(output, {name: _encoded(t, fmt, options) if name in names else t.load() for name, t in kept.items()})
    if json:
        left = {"skipped": dict(skipped)}
        print_json({"input": str(file), "output": str(output), "format": fmt.name, "encoded": sorted(names), **left})
        return
    for name, why in skipped:
        note(f"{name} is {'kept as it is' if name in kept else 'left out'}: {why}")
    count = f"{len(chosen)} tensor{'' if len(chosen) == 1 else 's'}"
    size = output.stat().st_size
    console().print(
        Text(f"{output}: {count} encoded in {fmt.name}, {size:,} bytes; numfmt.load reads it"), soft_wrap=True
    )
