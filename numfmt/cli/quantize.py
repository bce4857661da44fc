"""`numfmt quantize FILE --to FORMAT -o OUT`: a copy of a file of tensors, every real number rounded to a format."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from numpy.lib import format as npy_format
from rich.text import Text

from .. import Format, encode, quantize
from ..errors import ArgumentError, FileFormatError, NumfmtError, RangeError
from ..formats import scalar as get
from ..interop.npy import read_header
from .export import json_report
from .files import CHUNK, Tensor, open_tensors
from .measure import Scale, scale_of, scale_rule
from .options import (
    JsonFlag,
    NanOption,
    OverflowOption,
    ProfileOption,
    RandomOption,
    RoundingOption,
    Rules,
)
from .output import console, note, print_json, refuse_overwrite, replacing
from .report import print_study, progress
from .safetensors import read_layout
from .study import Group, Study, measure, spread_of

__all__ = ["quantize_file"]


@dataclass(frozen=True)
class Job:
    """Which format and rules, and whom to tell about progress."""

    fmt: Format
    rules: Rules
    scale: Scale
    advance: Callable[[int, str], None]

    def pieces(self, tensor: Tensor) -> Iterator[bytes]:
        """The quantized elements of a tensor in its stored dtype and memory order."""
        # Random bits are keyed by C order, whatever the order in memory.
        stored = tensor.flat() if self.rules.random is None else tensor.load().reshape(-1)
        if tensor.skip is not None or tensor.is_integer:
            yield from (stored[at : at + CHUNK].tobytes() for at in range(0, stored.size, CHUNK))
            return
        rule = scale_rule(self.fmt, self.scale)
        scale = 1.0 if rule is Scale.NONE else scale_of(self.fmt, rule, spread_of(tensor))
        for at in range(0, stored.size, CHUNK):
            piece = stored[at : at + CHUNK]
            try:
                yield self._quantized(tensor, piece, scale, at).tobytes()
            except NumfmtError as err:
                raise type(err)(f"tensor {tensor.name!r}, piece from element {at}: {err}") from None
            self.advance(piece.size, self.fmt.name)

    def _quantized(self, tensor: Tensor, piece: npt.NDArray[Any], scale: float, at: int) -> npt.NDArray[Any]:
        x, options = tensor.reals(piece), self.rules.options(at)
        if scale == 1.0:
            y = quantize(x, self.fmt, **options)
        else:  # a power of two rounds nothing in binary64; the cast below is then the one rounding into the dtype
            y = quantize(x.astype(np.float64) / scale, self.fmt, **options) * scale
        if tensor.stored_as is not None:
            return np.asarray(encode(y, tensor.stored_as).codes)
        with np.errstate(over="ignore"):
            result = y.astype(piece.dtype)
        if np.count_nonzero(np.isfinite(y)) != np.count_nonzero(np.isfinite(result)):
            raise RangeError(f"values of {self.fmt.name} lie beyond {piece.dtype}; save the input in a wider dtype")
        return np.asarray(result)


def _write_npy(stream: IO[bytes], tensor: Tensor, fortran_order: bool, job: Job) -> None:
    fortran_order = fortran_order and job.rules.random is None
    header = {"descr": npy_format.dtype_to_descr(tensor.load().dtype), "fortran_order": fortran_order}
    npy_format.write_array_header_1_0(stream, {**header, "shape": tensor.shape})
    for piece in job.pieces(tensor):
        stream.write(piece)


def _write_npz(path: Path, out: IO[bytes], tensors: list[Tensor], job: Job) -> None:
    by_name = {f"{t.name}.npy": t for t in tensors}
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(out, "w") as target:
        for entry in source.infolist():
            copy = zipfile.ZipInfo(entry.filename, entry.date_time)
            copy.compress_type = entry.compress_type
            with target.open(copy, "w", force_zip64=True) as stream:
                tensor = by_name.get(entry.filename)
                with source.open(entry) as original:
                    if tensor is None or tensor.skip is not None:
                        shutil.copyfileobj(original, stream)
                        continue
                    fortran_order = read_header(original, entry.filename).fortran_order
                _write_npy(stream, tensor, fortran_order, job)


def _write_safetensors(path: Path, out: IO[bytes], tensors: list[Tensor], job: Job) -> None:
    start, layout, _ = read_layout(path)
    with path.open("rb") as source:
        shutil.copyfileobj(source, out)
    for tensor in tensors:
        if tensor.skip is None:
            out.seek(start + layout[tensor.name][2])
            for piece in job.pieces(tensor):
                out.write(piece)


def _write(path: Path, target: Path, tensors: list[Tensor], job: Job) -> None:
    with replacing(target) as out:
        match path.suffix.lower():
            case ".npy":
                with path.open("rb") as file:
                    fortran_order = read_header(file, path.name).fortran_order
                _write_npy(out, tensors[0], fortran_order, job)
            case ".npz":
                _write_npz(path, out, tensors, job)
            case _:
                _write_safetensors(path, out, tensors, job)


def _check_output(file: Path, output: Path, force: bool) -> None:
    if output.suffix.lower() != file.suffix.lower():
        raise ArgumentError(f"OUT must have the input's ending, {file.suffix}, got {output.name!r}")
    if not output.parent.is_dir():
        raise ArgumentError(f"OUT lies in {output.parent}, which is no directory")
    if not force:
        refuse_overwrite(output, file)


def quantize_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=".npy, .npz or .safetensors.")],
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help="Format to round to.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="File to write, of the same kind.")],
    rounding: RoundingOption = None,
    overflow: OverflowOption = None,
    nan: NanOption = None,
    profile: ProfileOption = None,
    random: RandomOption = None,
    scale: Annotated[Scale, typer.Option(help="Scale of each tensor, undone after rounding.")] = Scale.NONE,
    report: Annotated[bool, typer.Option("--report", help="Also print what the rounding did.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Let OUT be FILE itself.")] = False,
    json: JsonFlag = False,
) -> None:
    """Write a copy of FILE with every float rounded to FORMAT; dtypes, names, shapes and other tensors stay."""
    fmt, rules = get(to), Rules(rounding, overflow, nan, profile, random)
    if fmt.is_complex:
        raise ArgumentError(f"{fmt.name} is complex; quantize rounds real numbers")
    rules.resolved(fmt)
    tensors = open_tensors(file)
    _check_output(file, output, force)
    skipped = [(t.name, t.skip or "integers keep their values") for t in tensors if t.skip or t.is_integer]
    chosen = [t for t in tensors if t.name not in dict(skipped) and t.size]
    if not chosen:
        reasons = "; ".join(f"{name}: {why}" for name, why in skipped[:3]) or "no elements"
        raise FileFormatError(f"{file.name}: nothing to quantize; {reasons}")
    study = Study(file.name, [fmt], chosen, skipped)
    with progress(study.elements * (2 if report else 1)) as advance:
        if report:  # before writing: OUT may be FILE
            measure(study, scale, Group.PREFIX, advance, rules)
        _write(file, output, tensors, Job(fmt, rules, scale, advance))
    if json:
        result = {"input": str(file), "output": str(output), "format": fmt.name, "scale": scale_rule(fmt, scale).value}
        figures = json_report(study) if report else {"quantized": [t.name for t in chosen], "skipped": dict(skipped)}
        print_json({**result, **figures})
        return
    if report:
        print_study(study)
    else:
        for name, why in skipped:
            note(f"{name} is copied: {why}")
    count = f"{len(chosen)} tensor{'' if len(chosen) == 1 else 's'}"
    console().print(Text(f"{output}: {count} rounded to {fmt.name}, {study.elements:,} elements"), soft_wrap=True)
