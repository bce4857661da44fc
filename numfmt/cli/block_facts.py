"""The facts of a block format in words, for `numfmt show` and the pages in docs/formats."""

from __future__ import annotations

import inspect
import math
from fractions import Fraction
from typing import Any

import numpy as np

from .. import BlockEncoded, BlockFormat, Format, encode, formats
from ..display import code_text, number_text
from ..errors import NumfmtError
from ..formats.ggml import GgmlFormat
from ..formats.scale_rules import element_facts, scale_rule
from ..interop import layouts_for
from ..interop.ggml import ggml_type
from .families import family_of
from .output import json_number

__all__ = ["NONFINITE", "QUOTIENTS", "block_facts", "formula", "own_words", "place", "stored_arrays", "zero_block"]

#: What `BlockFormat.quotient` means.
QUOTIENTS = {
    "exact": "the exact quotient x / scale, rounded once",
    "divide": "x / scale rounded to binary32, then rounded to the element format",
    "reciprocal": "x times the binary32 reciprocal of the scale, in binary32, then rounded to the element format",
    "two_step_reciprocal": "x * ((1 / tensor scale) / scale), every step in binary32, then rounded",
}
#: What `BlockFormat.nonfinite` means.
NONFINITE = {
    "nan": "the scale becomes NaN, and with it the whole block",
    "raise": "an error",
    "skip": "no part in the scale; the element format's own policy encodes them",
}


def place(fmt: BlockFormat) -> str:
    """Which elements share a scale, in words."""
    axis = fmt.axis
    if isinstance(fmt.block, tuple):
        axes = axis if isinstance(axis, tuple) else ()
        return f"tiles of {' x '.join(map(str, fmt.block))} over axes {', '.join(map(str, axes))}"
    if fmt.block is None:
        return "the whole array" if axis is None else f"all of axis {axis}: a scale for each row"
    return f"{fmt.block} elements " + ("in C order, whatever the shape" if axis is None else f"along axis {axis}")


def formula(fmt: BlockFormat) -> str:
    """The value of an element, for formats that are no more than their fields."""
    element = "(element - zero point)" if fmt.zero_point is not None else "element"
    text = f"value = {element} * scale"
    if fmt.tensor_scale is not None:
        text += " * tensor scale"
    return text + (" + mean" if fmt.centre else "")


def own_words(fmt: BlockFormat) -> list[str]:
    """The paragraphs that the class of a special format says about itself; none for plain block formats."""
    if type(fmt) is BlockFormat:
        return []
    if isinstance(fmt, GgmlFormat):
        t = ggml_type(fmt.row.type_name)
        stored = f"ggml's {t.name}: {fmt.row.block_bytes} bytes hold {fmt.row.block} elements."
        how = "Decode-only: ggml searches for the scales, or departs from E4M3." if not fmt.row.can_encode else ""
        return [part for part in (f"{stored} {how}".strip(), f"Arithmetic: {t.rule}.") if part]
    text = (inspect.getdoc(type(fmt)) or "").split("\n>>>")[0]
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    kept: list[str] = []
    for paragraph in paragraphs:
        if set(paragraph.split(" ", 1)[-1].split(" ")[0]) == {"-"}:  # a section of parameters ends the description
            break
        kept.append(paragraph.replace("``", "`"))
    return [p for p in kept if p]


def zero_block(fmt: BlockFormat) -> str | None:
    """What a block of zeros becomes, found by encoding one; None where the format is decode-only."""
    b = _sample(fmt)
    if b is None:
        return None
    codes = ", ".join(code_text(fmt.element, code) for code in sorted({int(c) for c in b.codes.reshape(-1)}))
    if isinstance(b.scales, BlockEncoded):
        return f"element codes {codes}"
    value = float(np.asarray(b.scale_values, np.float64).reshape(-1)[0]) / float(b.tensor_scale or 1)
    shown = f"2**{math.frexp(value)[1] - 1}" if fmt.power_of_two_scale and value else number_text(value)
    scale = np.asarray(b.scales).reshape(-1)[0]
    code = (
        f", code {code_text(fmt.scale, int(scale))}"
        if scale.dtype.kind == "u" and isinstance(fmt.scale, Format)
        else ""
    )
    return f"scale {shown}{code}; element codes {codes}"


def _sample(fmt: BlockFormat) -> BlockEncoded | None:
    """One block of zeros, or None where the format is decode-only."""
    shape = fmt.block if isinstance(fmt.block, tuple) else (fmt.block or 256,)
    dtype = np.complex64 if fmt.is_complex else np.float32
    try:
        b = encode(np.zeros(shape, dtype), fmt)
    except NumfmtError:
        return None
    assert isinstance(b, BlockEncoded)
    return b


_NESTED = {"scales.codes": "one per block, filled up to whole blocks of scales", "scales.scales": "one per such block"}


def stored_arrays(fmt: BlockFormat) -> list[tuple[str, str, str]]:
    """(name, dtype, entries) of every array of a `BlockEncoded`."""
    b = _sample(fmt)
    if b is None:
        assert isinstance(fmt, GgmlFormat)
        sides = [(f"sides.{name}", dtype, _entries(count)) for name, dtype, count in fmt.row.sides]
        scale = fmt.scale.name
        scales = [("scales", "float16" if scale == "binary16" else "uint8", "one per block")]
        return [("codes", str(fmt.element.code_dtype), "one per element"), *scales, *sides]
    found, blocks = [], max(np.asarray(b.scale_values).size, 1)
    for name, part in b.parts().items():
        if name == "codes":
            words = "one per element"
        elif name in ("tensor_scale", "offset"):
            words = "one per array"
        elif name.startswith("scales."):
            words = _NESTED.get(name, "one per array")
        else:
            words = _entries(part.size // blocks if part.size > blocks else 0)
        found.append((name, str(part.dtype), words))
    return found


def _entries(count: int) -> str:
    return f"{count} per block" if count else "one per block"


def _range(fmt: BlockFormat) -> tuple[Any, Any]:
    """Largest and smallest positive magnitude, the tensor scale as 1; None where scale or element tell neither."""
    if (
        type(fmt) is not BlockFormat
        or fmt.is_complex
        or isinstance(fmt.scale, BlockFormat)
        or fmt.zero_point is not None
    ):
        return None, None
    largest = max(Fraction(fmt.encoded_element.max), -Fraction(fmt.encoded_element.min)) * Fraction(fmt.scale.max)
    return largest, Fraction(fmt.element.smallest) * Fraction(fmt.scale.smallest)


def block_facts(fmt: BlockFormat) -> dict[str, Any]:
    """Everything that `show` prints about a block format, ready for JSON; None where it does not apply."""
    is_ggml = isinstance(fmt, GgmlFormat)
    rule = scale_rule(fmt.rule)
    real = not fmt.is_complex and isinstance(fmt.scale, Format)
    facts = element_facts(fmt.encoded_element) if real and rule.kind == "exponent" else None
    largest, smallest = _range(fmt)
    return {
        "name": fmt.name,
        "kind": "block",
        "family": family_of(fmt),
        "aliases": formats.aliases_of(fmt),
        "source": fmt.source,
        "spelled": fmt.spelled_name,
        "bits_per_element": fmt.bits_per_element,
        "element": {"name": fmt.element.name, "bits": fmt.element.bits},
        "scale": {"name": fmt.scale.name, "bits": fmt.scale.bits},
        "block": list(fmt.block) if isinstance(fmt.block, tuple) else fmt.block,
        "axis": list(fmt.axis) if isinstance(fmt.axis, tuple) else fmt.axis,
        "tensor_scale": None if fmt.tensor_scale is None else fmt.tensor_scale.name,
        "zero_point": None if fmt.zero_point is None else fmt.zero_point.name,
        "rule": None
        if is_ggml
        else {"name": rule.name, "kind": rule.kind, "meaning": rule.meaning, "source": rule.source},
        "largest_element": json_number(Fraction(fmt.encoded_element.max)) if real else None,
        "emax": None if facts is None else facts.emax,
        "quotient": None if is_ggml else {"name": fmt.quotient, "meaning": QUOTIENTS[fmt.quotient]},
        "nonfinite": {"name": fmt.nonfinite, "meaning": NONFINITE[fmt.nonfinite]},
        "full_range": fmt.full_range,
        "min_scale": fmt.min_scale,
        "centre": fmt.centre,
        "zero_block": zero_block(fmt),
        "largest": json_number(largest),
        "smallest": json_number(smallest),
        "stored": {name: f"{dtype}, {words}" for name, dtype, words in stored_arrays(fmt)},
        "layouts": layouts_for(fmt),
        "about": own_words(fmt),
    }
