"""Drawings of where bits lie: ggml's blocks, found by packing and looking at which bits change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from numfmt.interop._ggml_layout import Field, Packed6, Trits
from numfmt.interop.ggml import GgmlType

__all__ = ["ggml_diagram"]

#: Rows of a section that are drawn at its start and at its end; those between are left out.
_FIRST, _LAST = 4, 1
_SHORT = {"codes": "", "scales": "d", "minimums": "m", "sub_scales": "a", "sub_minimums": "b"}
_WORDS = {"d": "scales", "m": "minimums", "a": "sub_scales", "b": "sub_minimums"}


def _blank(t: GgmlType) -> dict[str, Any]:
    return {part: np.zeros((1, *shape), dtype) for part, (dtype, shape, _) in t._part_rows.items()}


def _changes(t: GgmlType, part: str, entry: int, bit: int) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Places of the bits that bit `bit` of one number sets."""
    parts = _blank(t)
    number = parts[part].reshape(-1)
    number.view(f"u{number.itemsize}")[entry] = 1 << bit
    return np.flatnonzero(np.unpackbits(t.pack(parts).reshape(-1), bitorder="little"))


def _width(t: GgmlType, part: str) -> int:
    dtype, _, limit = t._part_rows[part]
    return 8 * dtype.itemsize if limit is None else (limit - 1).bit_length()


def _cells(t: GgmlType) -> dict[int, str]:
    cells = {}
    for part, (_, shape, limit) in t._part_rows.items():
        if limit == 3:  # trits: no bit belongs to one element
            continue
        for entry in range(int(np.prod(shape, dtype=int))):
            name = f"{_SHORT[part]}{entry}" if shape else _SHORT[part]
            for bit in range(_width(t, part)):
                cells |= dict.fromkeys(_changes(t, part, entry, bit).tolist(), f"{name}.{bit}")
    return cells


def _sections(t: GgmlType) -> Iterator[tuple[int, int, Any]]:
    at = 0
    for section in t.sections:
        yield at, at + section.n_bytes, section
        at += section.n_bytes


def _trit_rows(section: Trits, start: int) -> Iterator[tuple[int, str]]:
    byte, element = start, 0
    for width, digits in section.spans:
        for j in range(width):
            elements = [element + j + width * k for k in range(digits)]
            yield byte + j, f"elements {', '.join(map(str, elements))} in base 3, the first the most significant"
        byte, element = byte + width, element + width * digits


def ggml_diagram(t: GgmlType) -> str:
    """A drawing of one block: a row is a byte, its most significant bit on the left."""
    cells = _cells(t)
    space = max((len(text) for text in cells.values()), default=4) + 1
    lines = ["byte" + "".join(f"{b:>{space}}" for b in range(7, -1, -1))]
    for start, stop, section in _sections(t):
        texts = dict(_trit_rows(section, start)) if isinstance(section, Trits) else {}
        edges = {start + width for width, _ in section.spans[:-1]} if isinstance(section, Trits) else set()
        shown = {*range(start, min(start + _FIRST, stop)), *range(max(stop - _LAST, start), stop), *edges}
        if isinstance(section, (Field, Packed6)) and section.n_bytes <= 16:
            shown = set(range(start, stop))
        skipping = False
        for row in range(start, stop):
            if row not in shown:
                lines += [] if skipping else [" ..."]
                skipping = True
                continue
            skipping = False
            text = "".join(f"{cells.get(8 * row + b, '.'):>{space}}" for b in range(7, -1, -1))
            lines.append(f"{row:4}" + (f"  {texts[row]}" if texts else text))
    used = [f"{short}: {words}" for short, words in _WORDS.items() if words in t._part_rows]
    return "\n".join([*lines, "; ".join(["e.b: bit b of element e", *used])])
