"""The library on whole blocks, beside the oracle; and the blocks to try."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import NumfmtError
from ..formats import Format
from ..formats.block import BlockFormat
from ..reference import BlockOptions, ReferenceTensor, encode_tensor
from ..reference import decode as decode_scalar
from ..reference import encode as encode_scalar
from .harness import shown

__all__ = ["BlockHarness", "arrays", "block_samples", "few", "representable"]

Array = npt.NDArray[Any]
#: Elements per sample beyond which a sample is one block with zeros between its numbers.
_DENSE = 256
_WIDE = {"float16": "binary16", "float32": "binary32", "float64": "binary64"}


def bits_of(part: Any) -> list[int]:
    """Codes of a stored array in C order; floats as their bits."""
    array = np.ascontiguousarray(part).reshape(-1)
    return [int(c) for c in (array.view(f"u{array.dtype.itemsize}") if array.dtype.kind == "f" else array)]


class BlockHarness:
    """A block format under test, and the library as its users see it."""

    def __init__(self, fmt: BlockFormat, samples: int) -> None:
        import numfmt

        self.nf: Any = numfmt
        self.fmt, self.samples = fmt, samples
        self.rng = np.random.default_rng(zlib.crc32(fmt.name.encode()))
        self.compared = self.refused = 0

    # ---- arrays of whole blocks ----------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Elements of a block; 24 where a scale covers whatever there is."""
        return self.fmt.block_size or 24

    def array(self, rows: list[list[float]], dtype: Any = np.float32) -> Array:
        """Blocks as an array whose default axis has one block after the other; every row is filled up with zeros.

        A format that scales its whole input gets one block per array: see `one_by_one`.
        """
        wide = np.zeros((len(rows), self.size), dtype)
        for i, row in enumerate(rows):
            wide[i, : len(row)] = row[: self.size]
        if self.fmt.is_complex:
            # The same numbers once more as imaginary parts, each beside itself, a neighbour or one further on.
            turned = np.roll(wide, int(self.rng.integers(0, 3)), axis=1)
            wide = wide.astype(np.complex64 if np.dtype(dtype).itemsize <= 4 else np.complex128)
            wide.imag = turned
        if isinstance(self.fmt.block, tuple):
            return wide.reshape(-1, *self.fmt.block[1:])
        return wide

    @property
    def large(self) -> bool:
        """Whether blocks are so large that a few have to do."""
        return self.size > 2048

    @property
    def one_by_one(self) -> bool:
        """Whether the format's default axis makes one block of an array."""
        return self.fmt.axis is None and self.fmt.block is None

    # ---- comparing -----------------------------------------------------------------------------------------------

    def expected(self, x: Array, options: dict[str, Any], bits: Any = None) -> ReferenceTensor | str:
        """What the oracle makes of an array, or the name of its error."""
        fmt = self.fmt
        changes = {
            name: options[key] for key, name in (("scale_rule", "rule"), ("nonfinite", "nonfinite")) if key in options
        }
        if "nan" in options:
            changes["nonfinite"] = "skip"
        policy = {k: options[k] for k in ("rounding", "overflow", "nan") if k in options}
        numbers = x.reshape(-1).tolist()
        random = None if bits is None else [(int(r), bits[1]) for r in bits[0].reshape(-1)]
        narrow = x.dtype.kind == "f" and x.dtype.itemsize <= 4
        try:
            return encode_tensor(
                numbers,
                x.shape,
                replace(fmt, **changes) if changes else fmt,
                axis=options.get("axis", "default"),
                options=BlockOptions(**policy, wide=not narrow),
                random=random,
            )
        except NumfmtError as error:
            return type(error).__name__

    def compare(self, x: Array, what: str, *, bits: Any = None, **options: Any) -> None:
        """Codes, scales and all other bits of `x`, then its values in float32 and float64, against the oracle."""
        wanted = self.expected(x, options, bits)
        before = x.copy()
        try:
            b = self.nf.encode(x, self.fmt, **options)
        except NumfmtError as error:
            name = type(error).__name__
            says = wanted if isinstance(wanted, str) else "a result"
            assert wanted == name, f"{self.fmt.name}: encode {what}: {name} ({error}), the reference says {says}"
            self.refused += 1
            return
        assert isinstance(wanted, ReferenceTensor), f"{self.fmt.name}: encode {what}: no error, reference: {wanted}"
        assert np.array_equal(before, x, equal_nan=x.dtype.kind == "f"), f"{self.fmt.name}: encode modified its input"
        found = {name: bits_of(part) for name, part in b.parts().items()}
        if found != wanted.parts:
            raise AssertionError(self._difference(x, what, found, wanted.parts))
        self.compared += sum(map(len, found.values()))
        for dtype in (np.complex64, np.complex128) if self.fmt.is_complex else (np.float32, np.float64):
            self.same_values(self.nf.decode(b, dtype=dtype), wanted.values, what)

    def same_values(self, values: Array, wanted: list[Any], what: str) -> None:
        """Decoded values are the exact ones, rounded once to their dtype."""
        if values.dtype.kind == "c":
            real, imag = [complex(v).real for v in wanted], [complex(v).imag for v in wanted]
            self.same_values(values.real, real, f"the real part of {what}")
            self.same_values(values.imag, imag, f"the imaginary part of {what}")
            return
        fmt = _WIDE[str(values.dtype)]
        got = bits_of(values)
        for i, (value, mine) in enumerate(zip(wanted, got, strict=True)):
            if mine == 0 and value == 0 and isinstance(value, Fraction):
                continue
            same = math.isnan(values.reshape(-1)[i]) if value != value else encode_scalar(value, fmt) == mine
            assert same, (
                f"{self.fmt.name}: decode to {values.dtype} of {what}: element {i} is "
                f"{shown(values.reshape(-1)[i])}, the reference says {shown(value)}"
            )
        self.compared += len(got)

    def _difference(self, x: Array, what: str, got: dict[str, list[int]], wanted: dict[str, list[int]]) -> str:
        name = next((n for n in wanted if got.get(n) != wanted[n]), next(iter(got.keys() - wanted.keys()), ""))
        mine, theirs = got.get(name), wanted.get(name)
        text = f"{self.fmt.name}: encode {what}: {name} "
        if mine is None or theirs is None or len(mine) != len(theirs):
            return text + f"are {mine if mine is None else len(mine)}, the reference has {theirs and len(theirs)}"
        at = [i for i, (a, b) in enumerate(zip(mine, theirs, strict=True)) if a != b]
        i, block = at[0], ""
        if name == "scales":
            size = len(x.reshape(-1)) // max(len(theirs), 1)
            if not isinstance(self.fmt.block, tuple) and self.fmt.axis in (-1, None):
                row = x.reshape(-1)[i * size : (i + 1) * size].tolist()
                block = f"; largest magnitude {shown(max(row, key=abs))}, block {row[:8]}"
        elif name == "codes" and len(theirs) == x.size:
            block = f"; x is {shown(x.reshape(-1)[i])}"
        return (
            text + f"[{i}] is {mine[i]:#x}, the reference says {theirs[i]:#x}{block}; {len(at)} of {len(theirs)} differ"
        )


# ---- samples -------------------------------------------------------------------------------------------------------


def representable(values: list[Any], dtype: Any) -> list[float]:
    with np.errstate(over="ignore"):
        return [float(v) for v in np.array([float(v) for v in values]).astype(dtype) if math.isfinite(v)]


def _element_numbers(element: Format, rng: np.random.Generator) -> list[float]:
    """Values of an element format and the midpoints of neighbours, positive and negative, for a scale of one."""
    if element.is_complex:
        return [float(v) for v in rng.integers(-8, 9, 16) / 4]
    count = min(element.code_count, 1 << element.bits)
    picked = range(count) if count <= 64 else rng.integers(0, count, 64, dtype=np.uint64).tolist()
    decoded = [decode_scalar(int(c), element) for c in picked]
    values = sorted({v for v in decoded if isinstance(v, Fraction)})
    ties = [(a + b) / 2 for a, b in pairwise(values)]
    return [float(v) for v in [*values, *ties]]


def _maxima(fmt: BlockFormat) -> list[Fraction]:
    """Maxima at which some scale rule switches: F, powers of two and half-way points, as multiples of powers of two."""
    element = fmt.encoded_element
    f = Fraction(1) if element.is_complex else Fraction(element.max)
    m = 2 ** (element.bits - 1)
    return [f, Fraction(1), f * Fraction(3, 2), f * Fraction(3, 4), 2 - Fraction(1, m), Fraction(m), f + Fraction(1, 2)]


def block_samples(h: BlockHarness, dtype: Any = np.float32) -> Iterator[tuple[str, list[list[float]]]]:
    """Named groups of blocks, each a tensor of its own: zeros, random, ties, boundary maxima, subnormals, and more."""
    fmt, rng = h.fmt, h.rng
    dense = min(h.size, _DENSE)
    info = np.finfo(dtype)
    tiny, top = float(info.smallest_subnormal), float(info.max)

    def normal(count: int) -> list[float]:
        return [float(v) for v in rng.normal(size=count).astype(dtype)]

    yield "zeros", [[0.0] * 3, [-0.0] * 3, [0.0, -0.0, 1.0], [-0.0, -1.0]]
    yield "normal", [normal(dense) for _ in range(3)]
    exponents = rng.uniform(-30, 30, dense) if info.maxexp > 16 else rng.uniform(-12, 12, dense)
    yield "wide range", [representable(list(rng.normal(size=dense) * 2.0**exponents), dtype)]
    numbers = _element_numbers(fmt.encoded_element, rng)
    limit = max(map(abs, numbers), default=1.0)
    ties = [limit, *rng.permutation(numbers)[: dense - 1].tolist()]
    yield "ties", [representable(ties, dtype), representable([v / 4 for v in ties], dtype)]
    rows = []
    for site in _maxima(fmt):
        wanted = float(site) * 2.0 ** int(rng.integers(-4, 5))
        if wanted > top / 2:
            continue
        a = np.array(wanted, dtype)
        for top_of_block in (np.nextafter(a, dtype(0)), a, np.nextafter(a, dtype(np.inf))):
            rest = np.array(rng.uniform(-1, 1, 3) * float(top_of_block)).astype(dtype)
            rows.append([float(-top_of_block if rng.integers(2) else top_of_block), *map(float, rest)])
    yield "boundary maxima", [r[: h.size] for r in rows if all(map(math.isfinite, r))]
    if not h.fmt.centre:
        few = [[tiny], [-tiny, 0.0, tiny * 3], [float(info.tiny), tiny], [float(info.tiny) * 2.5, -float(info.tiny)]]
        yield "subnormals", [r[: h.size] for r in few]
    yield "one number", [[float(v)] for v in representable([1e-3, -7.25, 3e4, 2.0**-14], dtype)]
    if _decodes_at_top(fmt):
        yield "largest", [[top, top / 3, -1.0][: h.size]]


def _decodes_at_top(fmt: BlockFormat) -> bool:
    """Whether values near binary32's largest stay within binary32: other rules may round up beyond it."""
    return fmt.rule == "floor" and not fmt.centre and fmt.tensor_scale is None


def arrays(h: BlockHarness, rows: list[list[float]], dtype: Any = np.float32, limit: int = 1024) -> Iterator[Array]:
    """Blocks as arrays, some of them where they are more than about `limit` elements."""
    most = max(1, limit // h.size)
    if len(rows) > most:
        rows = [rows[i] for i in sorted(h.rng.permutation(len(rows))[:most])]
    if h.one_by_one:
        for row in rows:
            yield h.array([row], dtype).reshape(-1)
    else:
        yield h.array(rows, dtype)


def few(h: BlockHarness) -> Array:
    """Some ties and some random numbers, in two blocks or one."""
    dense = min(h.size, 40)
    numbers = _element_numbers(h.fmt.encoded_element, h.rng)
    ties = h.rng.permutation(numbers)[: dense - 1].tolist() + [max(map(abs, numbers))]
    rows = [[float(v) for v in h.rng.normal(size=dense).astype(np.float32)], representable(ties, np.float32)]
    return next(arrays(h, rows[1:] if h.one_by_one or h.size > _DENSE else rows))
