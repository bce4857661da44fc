"""`numfmt quantize FILE --to FORMAT -o OUT`: a copy of a file of tensors, every real number rounded to a format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from rich.text import Text

from .. import BlockFormat, Format, encode, quantize
from .._blocks.blocking import Blocking
from ..errors import ArgumentError, FileFormatError, NumfmtError, RangeError
from ..formats import get
from ..profiles import resolve_block
from .export import json_report
from .files import CHUNK, Tensor, open_tensors
from .measure import Scale, scale_of, scale_rule
from .measure_blocks import BLOCK
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
from .output import console, note, print_json
from .pieces import BlockRules, block_pieces, check_encodes, why_no_blocks
from .report import print_study, progress
from .study import Group, Study, measure, spread_of
from .writing import check_output, write_copy

__all__ = ["choose_floats", "quantize_file", "why_skipped"]

Advance = Callable[[int, str], None]


@dataclass(frozen=True)
class ScalarJob:
    """Which scalar format and rules, and whom to tell about progress."""

    fmt: Format
    rules: Rules
    scale: Scale
    advance: Advance

    @property
    def c_order(self) -> bool:
        """Whether pieces come in C order whatever the order in memory: random bits are keyed by it."""
        return self.rules.random is not None

    def _stored(self, tensor: Tensor) -> Iterator[npt.NDArray[Any]]:
        if tensor.read is not None or not self.c_order:
            yield from tensor.stored_pieces()
            return
        stored = tensor.load().reshape(-1)
        yield from (stored[at : at + CHUNK] for at in range(0, stored.size, CHUNK))

    def values(self, tensor: Tensor) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
        """Stored pieces of a tensor, and the numbers they become."""
        rule = scale_rule(self.fmt, self.scale)
        scale = 1.0 if rule is Scale.NONE else scale_of(self.fmt, rule, spread_of(tensor))
        at = 0
        for piece in self._stored(tensor):
            try:
                yield piece, self._quantized(tensor.reals(piece), scale, at)
            except NumfmtError as err:
                raise type(err)(f"tensor {tensor.name!r}, piece from element {at}: {err}") from None
            at += piece.size
            self.advance(piece.size, self.fmt.name)

    def _quantized(self, x: npt.NDArray[Any], scale: float, at: int) -> npt.NDArray[Any]:
        options = self.rules.options(at)
        if scale == 1.0:
            return np.asarray(quantize(x, self.fmt, **options))
        # A power of two rounds nothing in binary64; the cast into the dtype is then the one rounding.
        return np.asarray(quantize(x.astype(np.float64) / scale, self.fmt, **options) * scale)


@dataclass(frozen=True)
class BlockJob:
    """Which block format and rules, and whom to tell about progress."""

    fmt: BlockFormat
    rules: BlockRules
    advance: Advance
    c_order: bool = True

    def values(self, tensor: Tensor) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
        """Pieces of a tensor in C order, and the numbers they become."""
        try:
            for piece in block_pieces(tensor, self.fmt, self.rules):
                yield piece.x, piece.quantized()
                self.advance(piece.x.size, self.fmt.name)
        except NumfmtError as err:
            raise type(err)(f"tensor {tensor.name!r}: {in_options(err)}") from None


def _pieces(tensor: Tensor, job: ScalarJob | BlockJob) -> Iterator[bytes]:
    """The new elements of a tensor in its stored dtype."""
    if tensor.skip is not None or why_skipped(tensor, job.fmt, getattr(job.rules, "axis", "default")) is not None:
        stored = tensor.stored_pieces() if not job.c_order or tensor.read is not None else [tensor.load().reshape(-1)]
        yield from (piece.tobytes() for piece in stored)
        return
    for piece, y in job.values(tensor):
        yield _stored_bytes(tensor, job.fmt, piece.dtype, y)


def _stored_bytes(tensor: Tensor, fmt: Format | BlockFormat, dtype: np.dtype[Any], y: npt.NDArray[Any]) -> bytes:
    if tensor.stored_as is not None:
        return bytes(encode(y, tensor.stored_as).codes.tobytes())
    with np.errstate(over="ignore"):
        result = y.astype(dtype)
    if np.count_nonzero(np.isfinite(y)) != np.count_nonzero(np.isfinite(result)):
        raise RangeError(
            f"tensor {tensor.name!r}: values of {fmt.name} lie beyond {dtype}; save the input in a wider dtype"
        )
    return result.tobytes()


def why_skipped(tensor: Tensor, fmt: Format | BlockFormat, axis: Any) -> str | None:
    """Why a tensor keeps its elements, or None."""
    if tensor.skip is not None:
        return tensor.skip
    if tensor.is_integer:
        return "integers keep their values"
    return why_no_blocks(tensor, fmt, axis) if isinstance(fmt, BlockFormat) else None


def choose_floats(
    file: Path, fmt: Format | BlockFormat, rules: BlockRules
) -> tuple[list[Tensor], list[Tensor], list[tuple[str, str]]]:
    """All tensors of a file, those that `fmt` can round, and the others by name with the reason.

    Raises `ArgumentError` for the first one whose axis the blocks do not divide, before anything is written.
    """
    tensors = open_tensors(file)
    reasons = [(t.name, why_skipped(t, fmt, rules.axis)) for t in tensors]
    skipped = [(name, why) for name, why in reasons if why is not None]
    chosen = [t for t in tensors if t.name not in dict(skipped) and t.size]
    if not chosen:
        words = "; ".join(f"{name}: {why}" for name, why in skipped[:3]) or "no elements"
        raise FileFormatError(f"{file.name}: nothing to quantize; {words}")
    if isinstance(fmt, BlockFormat):
        check_encodes(fmt)
        axis = fmt.axis if rules.axis == "default" else rules.axis
        for tensor in chosen:
            try:
                Blocking(tensor.shape, fmt, axis, rules.pad)
            except ArgumentError as err:
                raise ArgumentError(f"tensor {tensor.name!r}: {in_options(err)}") from None
    return tensors, chosen, skipped


def quantize_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=".npy, .npz, .safetensors or .gguf.")],
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help="Format to round to.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="File to write, of the same kind (.gguf: another).")
    ],
    rounding: RoundingOption = None,
    overflow: OverflowOption = None,
    nan: NanOption = None,
    profile: ProfileOption = None,
    random: RandomOption = None,
    scale: Annotated[Scale, typer.Option(help="Scalar formats: scale of each tensor, undone after.")] = Scale.NONE,
    axis: AxisOption = None,
    pad: PadFlag = False,
    rule: ScaleRuleOption = None,
    nonfinite: NonfiniteOption = None,
    report: Annotated[bool, typer.Option("--report", help="Also print what the rounding did.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Let OUT be FILE itself.")] = False,
    json: JsonFlag = False,
) -> None:
    """Write a copy of FILE with every float rounded to FORMAT; dtypes, names, shapes and other tensors stay."""
    fmt, rules = get(to), Rules(rounding, overflow, nan, profile, random)
    if fmt.is_complex:
        raise ArgumentError(f"{fmt.name} is complex; quantize rounds real numbers")
    blocks = block_rules(fmt, rules, axis, pad, rule, nonfinite)
    if isinstance(fmt, BlockFormat):
        if scale is not Scale.NONE:
            raise ArgumentError(
                f"--scale is for scalar formats; {fmt.name} chooses its own scales (--scale-rule), drop --scale"
            )
        resolve_block(fmt, blocks.options())
    else:
        rules.resolved(fmt)
    tensors, chosen, skipped = choose_floats(file, fmt, blocks)
    check_output(file, output, force)
    study = Study(file.name, [fmt], chosen, skipped)
    with progress(study.elements * (2 if report else 1)) as advance:
        if report:  # before writing: OUT may be FILE
            measure(study, scale, Group.PREFIX, advance, rules, blocks)
        is_block = isinstance(fmt, BlockFormat)
        job = BlockJob(fmt, blocks, advance) if is_block else ScalarJob(fmt, rules, scale, advance)
        write_copy(file, output, tensors, lambda tensor: _pieces(tensor, job), job.c_order)
    words = BLOCK if is_block else scale_rule(fmt, scale).value
    if json:
        result = {"input": str(file), "output": str(output), "format": fmt.name, "scale": words}
        figures = json_report(study) if report else {"quantized": [t.name for t in chosen], "skipped": dict(skipped)}
        print_json({**result, **figures})
        return
    left_out = {t.name for t in tensors if t.skip and t.read is not None}
    _print_done(study, fmt, output, report, left_out)


def _print_done(study: Study, fmt: Format | BlockFormat, output: Path, report: bool, left_out: set[str]) -> None:
    if report:
        print_study(study)
    else:
        for name, why in study.skipped:
            note(f"{name} is {'left out' if name in left_out else 'copied'}: {why}")
    count = f"{len(study.tensors)} tensor{'' if len(study.tensors) == 1 else 's'}"
    console().print(Text(f"{output}: {count} rounded to {fmt.name}, {study.elements:,} elements"), soft_wrap=True)
