"""A comparison of formats on a set of tensors: which tensors, which groups, which figures."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import numpy.typing as npt

from .. import BlockFormat, Format
from ..errors import ArgumentError, FileFormatError
from .files import Tensor, open_tensors
from .measure import COUNTS, Chunk, Figures, Scale, Spread, Sums, chunks, scale_of, scale_rule
from .measure_blocks import BLOCK, BlockSums, unknown_counts
from .options import Rules
from .output import json_number
from .pieces import BlockRules

__all__ = ["ALL", "Group", "Study", "choose", "embedded", "measure", "rows_of", "spread_of", "width_class"]

#: Group of all tensors together.
ALL = "all"


class Group(Enum):
    """What gets figures of its own besides all tensors together."""

    PREFIX = "prefix"  # the text before the first "/" of the names
    TENSOR = "tensor"
    NONE = "none"


@dataclass
class Study:
    """The figures of every format and group."""

    source: str
    formats: list[Format | BlockFormat]
    tensors: list[Tensor]
    skipped: list[tuple[str, str]]
    #: figures[format name][group]
    figures: dict[str, dict[str, Figures]] = field(default_factory=dict)

    @property
    def elements(self) -> int:
        """Elements measured."""
        return sum(t.size for t in self.tensors)

    @property
    def groups(self) -> list[str]:
        """Groups in the order of the tensors, without ALL when there is another."""
        first: dict[str, Figures] = next(iter(self.figures.values()), {})
        return [g for g in first if g != ALL] or [ALL]


def embedded() -> list[Tensor]:
    """The tensors that ship with the package."""
    from ..data import tensors

    def load(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return array

    return [Tensor(name, a.dtype.name, a.shape, partial(load, a)) for name, a in tensors().items()]


def choose(path: Path | None, pattern: str | None) -> tuple[str, list[Tensor], list[tuple[str, str]]]:
    """(source, tensors to measure, skipped ones with the reason); an error when nothing is left."""
    found = embedded() if path is None else open_tensors(path)
    source = "embedded tensors of a byte-level language model" if path is None else path.name
    if pattern is not None:
        chosen = [t for t in found if any(fnmatch.fnmatchcase(t.name, p) for p in pattern.split(","))]
        if not chosen:
            names = ", ".join(t.name for t in found[:5]) + (", ..." if len(found) > 5 else "")
            raise ArgumentError(f"no tensor of {source} matches {pattern!r}; it has {names}")
        found = chosen
    has_floats = any(not (t.skip or t.is_integer) for t in found)
    skipped = [(t.name, why) for t in found if (why := _why_skipped(t, has_floats))]
    names_skipped = {name for name, _ in skipped}
    usable = [t for t in found if t.name not in names_skipped]
    if not usable:
        raise FileFormatError(f"{source}: nothing to measure; " + "; ".join(f"{n}: {why}" for n, why in skipped[:3]))
    return source, usable, skipped


def _why_skipped(tensor: Tensor, has_floats: bool) -> str | None:
    if tensor.skip is None and tensor.is_integer and has_floats:
        return "integers beside floats are taken for indices; --tensors chooses them alone"
    return tensor.skip or ("no elements" if not tensor.size else None)


def _group_of(tensor: Tensor, group: Group) -> str:
    if group is Group.TENSOR:
        return tensor.name
    return tensor.name.partition("/")[0] if group is Group.PREFIX and "/" in tensor.name else ALL


def spread_of(tensor: Tensor) -> Spread:
    """The extremes of a tensor."""
    spread = Spread()
    for x in chunks(tensor):
        spread.add(x)
    return spread


Advance = Callable[[int, str], None]


def measure(
    study: Study,
    scale: Scale,
    group: Group,
    advance: Advance,
    options: Rules | None = None,
    block_options: BlockRules | None = None,
) -> None:
    """Fill in the figures; `advance` hears of every finished (elements, format name)."""
    scalars = [(fmt, scale_rule(fmt, scale)) for fmt in study.formats if isinstance(fmt, Format)]
    blocks = [fmt for fmt in study.formats if isinstance(fmt, BlockFormat)]
    empty = {fmt.name: partial(Figures, fmt, rule.value) for fmt, rule in scalars}
    empty |= {fmt.name: partial(Figures, fmt, BLOCK, unknown_counts(fmt)) for fmt in blocks}
    study.figures = {fmt.name: {ALL: empty[fmt.name]()} for fmt in study.formats}
    for tensor in study.tensors:
        spread = spread_of(tensor)
        plans = [Sums(fmt, scale_of(fmt, rule, spread), spread, options or Rules()) for fmt, rule in scalars]
        _measure_scalars(tensor, spread, plans, advance)
        block_plans = [BlockSums(fmt, tensor, spread, block_options or BlockRules()) for fmt in blocks]
        stored = tensor.reader() if block_plans else None
        for sums in block_plans:
            assert stored is not None
            sums.run(stored, partial(_tell, advance, sums.fmt.name))
        finished: list[Sums | BlockSums] = [*plans, *block_plans]
        for done in finished:
            of_format = study.figures[done.fmt.name]
            for name in {ALL, _group_of(tensor, group)}:
                of_format.setdefault(name, empty[done.fmt.name]()).add(done)


def _tell(advance: Advance, name: str, elements: int) -> None:
    advance(elements, name)


def _measure_scalars(tensor: Tensor, spread: Spread, plans: list[Sums], advance: Advance) -> None:
    at = 0
    for x in chunks(tensor) if plans else ():
        chunk = Chunk(x, spread, at)
        at += x.size
        for sums in plans:
            advance(0, sums.fmt.name)
            sums.add(chunk)
            advance(x.size, sums.fmt.name)


def width_class(fmt: Format | BlockFormat) -> int:
    """Whole bits of an element, by which formats are compared: 4 for int4, mxfp4 (4.25) and nvfp4 (4.5)."""
    return int(fmt.bits)


def rows_of(study: Study) -> list[dict[str, Any]]:
    """One flat record per format and group, ready for JSON and CSV."""
    rows = []
    for fmt in study.formats:
        for group, f in study.figures[fmt.name].items():
            rows.append(
                {
                    "format": fmt.name,
                    "bits": fmt.bits,
                    "scale": f.rule,
                    "group": group,
                    "elements": f.counts["elements"],
                    "sqnr_db": json_number(f.sqnr_db),
                    "max_rel_error": json_number(f.max_rel_error),
                    **{name: None if name in f.unknown else f.counts[name] for name in COUNTS[1:]},
                    **{f"{name}_share": None if name in f.unknown else f.share(name) for name in COUNTS[1:]},
                    "smallest_scale": min(f.scales, default=None),
                    "largest_scale": max(f.scales, default=None),
                }
            )
    return rows
