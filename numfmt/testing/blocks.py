"""The part of `check_format` for block formats: every stored bit and every value against the oracle."""

from __future__ import annotations

import math
import pickle
import zlib
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import NaNError
from ..formats import Format, IntFormat
from ..formats.block import BlockFormat
from ..formats.random import random_integers
from ..reference import BlockOptions, ReferenceTensor, encode_tensor, oracle_of
from ..reference import decode as decode_scalar
from ..reference import encode as encode_scalar
from ..rounding import HashRandom, Rounding
from .harness import DETERMINISTIC, shown

__all__ = ["BlockHarness", "block_samples", "check_block_format"]

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
        self.compared = 0

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
            wide[i, : len(row)] = row
        if isinstance(self.fmt.block, tuple):
            return wide.reshape(-1, *self.fmt.block[1:])
        return wide

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
        fmt = replace(fmt, **changes) if changes else fmt
        policy = {k: options[k] for k in ("rounding", "overflow", "nan") if k in options}
        numbers = x.reshape(-1).tolist() if x.dtype.kind in "iu" else [float(v) for v in x.reshape(-1)]
        random = None if bits is None else [(int(r), bits[1]) for r in bits[0].reshape(-1)]
        narrow = x.dtype.kind == "f" and x.dtype.itemsize <= 4
        try:
            return encode_tensor(
                numbers,
                x.shape,
                fmt,
                axis=options.get("axis", "default"),
                options=BlockOptions(**policy, wide=not narrow),
                random=random,
            )
        except NaNError as error:
            return type(error).__name__

    def compare(self, x: Array, what: str, *, bits: Any = None, **options: Any) -> Any:
        """Codes, scales and all other bits of `x`, then its values in float32 and float64, against the oracle."""
        wanted = self.expected(x, options, bits)
        before = x.copy()
        try:
            b = self.nf.encode(x, self.fmt, **options)
        except NaNError as error:
            name = type(error).__name__
            assert wanted == name, f"{self.fmt.name}: encode {what}: {name} ({error}), the reference encodes it"
            return None
        assert isinstance(wanted, ReferenceTensor), f"{self.fmt.name}: encode {what}: no error, reference: {wanted}"
        assert np.array_equal(before, x, equal_nan=x.dtype.kind == "f"), f"{self.fmt.name}: encode modified its input"
        found = {name: bits_of(part) for name, part in b.parts().items()}
        if found != wanted.parts:
            raise AssertionError(self._difference(x, what, found, wanted.parts))
        self.compared += sum(map(len, found.values()))
        for dtype in (np.float32, np.float64):
            self._same_values(self.nf.decode(b, dtype=dtype), wanted, what)
        return b

    def _same_values(self, values: Array, wanted: ReferenceTensor, what: str) -> None:
        fmt = _WIDE[str(values.dtype)]
        codes = [encode_scalar(v, fmt) if v == v else None for v in wanted.values]
        got = bits_of(values)
        for i, (code, mine) in enumerate(zip(codes, got, strict=True)):
            same = math.isnan(values.reshape(-1)[i]) if code is None else code == mine
            assert same, (
                f"{self.fmt.name}: decode to {values.dtype} of {what}: element {i} is "
                f"{shown(values.reshape(-1)[i])}, the reference says {shown(wanted.values[i])}"
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


def _representable(values: list[Any], dtype: Any) -> list[float]:
    with np.errstate(over="ignore"):
        return [float(v) for v in np.array([float(v) for v in values]).astype(dtype) if math.isfinite(v)]


def _element_numbers(element: Format, rng: np.random.Generator) -> list[float]:
    """Values of an element format and the midpoints of neighbours, positive and negative, for a scale of one."""
    count = min(element.code_count, 1 << element.bits)
    picked = range(count) if count <= 64 else rng.integers(0, count, 64, dtype=np.uint64).tolist()
    decoded = [decode_scalar(int(c), element) for c in picked]
    values = sorted({v for v in decoded if isinstance(v, Fraction)})
    ties = [(a + b) / 2 for a, b in pairwise(values)]
    return [float(v) for v in [*values, *ties]]


def _maxima(fmt: BlockFormat) -> list[Fraction]:
    """Maxima at which some scale rule switches: F, powers of two and half-way points, as multiples of powers of two."""
    element = fmt.encoded_element
    f = Fraction(element.max)
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
    yield "wide range", [_representable(list(rng.normal(size=dense) * 2.0**exponents), dtype)]
    numbers = _element_numbers(fmt.encoded_element, rng)
    limit = max(map(abs, numbers), default=1.0)
    ties = [limit, *rng.permutation(numbers)[: dense - 1].tolist()]
    yield "ties", [_representable(ties, dtype), _representable([v / 4 for v in ties], dtype)]
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
    yield "one number", [[float(v)] for v in _representable([1e-3, -7.25, 3e4, 2.0**-14], dtype)]
    if _decodes_at_top(fmt):
        yield "largest", [[top, top / 3, -1.0][: h.size]]


def _decodes_at_top(fmt: BlockFormat) -> bool:
    """Whether values near binary32's largest stay within binary32: other rules may round up beyond it."""
    return fmt.rule == "floor" and not fmt.centre


# ---- the checks ----------------------------------------------------------------------------------------------------


def check_block_format(fmt: BlockFormat, samples: int) -> dict[str, int]:
    """Comparisons by check; `AssertionError` at the first violation."""
    oracle_of(fmt)  # a class without an oracle fails here, by name
    h = BlockHarness(fmt, samples)
    counts = _check_identity(h)
    for name, check in (
        ("samples", _check_samples),
        ("roundings", _check_roundings),
        ("specials", _check_specials),
        ("stochastic", _check_stochastic),
        ("invariance", _check_invariance),
        ("quantize", _check_quantize),
    ):
        before = h.compared
        check(h)
        counts[name] = h.compared - before
    return counts


def _arrays(h: BlockHarness, rows: list[list[float]], dtype: Any = np.float32) -> Iterator[Array]:
    if h.one_by_one:
        for row in rows:
            yield h.array([row], dtype).reshape(-1)
    elif h.size > _DENSE:
        # Large blocks are zeros for the most part; a few of them say all.
        for row in rows[:4]:
            yield h.array([row], dtype)
    else:
        yield h.array(rows, dtype)


def _check_identity(h: BlockHarness) -> dict[str, int]:
    nf, fmt = h.nf, h.fmt
    copy = pickle.loads(pickle.dumps(fmt))
    assert copy == fmt and hash(copy) == hash(fmt), f"{fmt.name}: a pickled copy differs: {copy!r} != {fmt!r}"
    if type(fmt) is BlockFormat or nf.formats.registry.block_label(fmt):
        assert nf.get(fmt.name) == fmt, f"get({fmt.name!r}) is {nf.get(fmt.name)!r}, not {fmt!r}"
    if type(fmt) is BlockFormat:
        spelled = nf.get(fmt.spelled_name)
        assert spelled == fmt, f"get({fmt.spelled_name!r}) is {spelled!r}, not {fmt!r}"
    b = nf.encode(h.array([[1.0, -0.5][: h.size]]), fmt)
    back = pickle.loads(pickle.dumps(b))
    assert back.same_bits(b), f"{fmt.name}: a pickled BlockEncoded differs"
    return {"pickle": 2, "name": 2}


def _check_samples(h: BlockHarness) -> None:
    for what, rows in block_samples(h):
        for x in _arrays(h, rows):
            h.compare(x, what)
    small = [s for s in block_samples(h, np.float16) if s[0] in ("normal", "boundary maxima")]
    for what, rows in small:
        for x in _arrays(h, rows[:3], np.float16):
            h.compare(x, f"float16 {what}")
    for what, rows in block_samples(h, np.float64):
        if what in ("normal", "wide range", "boundary maxima"):
            for x in _arrays(h, rows[:3], np.float64):
                h.compare(x, f"float64 {what}")
    integers = h.array([h.rng.integers(-100, 100, min(h.size, 16)).tolist()], np.int16)
    h.compare(integers.reshape(-1) if h.one_by_one else integers, "int16")


def _few(h: BlockHarness) -> Array:
    """Some ties and some random numbers, in two blocks or one."""
    dense = min(h.size, 40)
    numbers = _element_numbers(h.fmt.encoded_element, h.rng)
    ties = h.rng.permutation(numbers)[: dense - 1].tolist() + [max(map(abs, numbers))]
    rows = [[float(v) for v in h.rng.normal(size=dense).astype(np.float32)], _representable(ties, np.float32)]
    return next(_arrays(h, rows[1:] if h.one_by_one or h.size > _DENSE else rows))


def _check_roundings(h: BlockHarness) -> None:
    x = _few(h)
    for rounding in DETERMINISTIC:
        h.compare(x, f"with rounding={rounding.name.lower()}", rounding=rounding)


def _check_specials(h: BlockHarness) -> None:
    specials = [[1.0, math.nan], [math.inf, -2.0], [-math.inf, 1.0, 3.0], [1.5, 0.25]]
    for x in _arrays(h, [row[: h.size] for row in specials]):
        for nonfinite in (None, "skip"):
            options = {} if nonfinite is None else {"nonfinite": nonfinite}
            h.compare(x, f"NaN and infinities, nonfinite={nonfinite}", **options)
    if isinstance(h.fmt.encoded_element, IntFormat):
        for x in _arrays(h, [row[: h.size] for row in specials]):
            h.compare(x, "NaN and infinities with nan=zero", nan="zero")


def _check_stochastic(h: BlockHarness) -> None:
    x = _few(h)
    source = HashRandom(7)
    bits = random_integers(source, x.size, x.shape)
    h.compare(x, "with rounding=stochastic_a", bits=(bits, source.width), rounding=Rounding.STOCHASTIC_A, random=source)


def _check_invariance(h: BlockHarness) -> None:
    """Other axes, memory layouts and padding move bits, they never change them."""
    nf, fmt = h.nf, h.fmt
    x = _few(h)
    b = nf.encode(x, fmt)
    strided = np.zeros((*x.shape, 2), x.dtype)
    strided[..., 0] = x
    assert nf.encode(strided[..., 0], fmt).same_bits(b), f"{fmt.name}: a strided array encodes to other bits"
    assert nf.encode(x.astype(np.float64), fmt).same_bits(b) or fmt.quotient != "exact", (
        f"{fmt.name}: float64 of the same numbers encodes to other bits"
    )
    h.compared += 2 * x.size
    if isinstance(fmt.axis, int) and x.ndim == 2:
        turned = nf.encode(x.T, fmt, axis=0)
        same = np.array_equal(turned.codes.T, b.codes) and np.array_equal(turned.scale_values.T, b.scale_values)
        assert same, f"{fmt.name}: axis=0 of the transposed array encodes to other bits"
        if fmt.tensor_scale is None and not fmt.centre and isinstance(fmt.scale, Format):
            part = nf.encode(x[1:], fmt)
            assert part.same_bits(b[1:]), f"{fmt.name}: a block encodes to other bits without its neighbours"
        h.compared += 2 * x.size
    if isinstance(fmt.block, int) and fmt.block > 1:
        h.compare(x.reshape(-1)[:-1], "a padded last block", pad=True)


def _check_quantize(h: BlockHarness) -> None:
    nf, fmt = h.nf, h.fmt
    x = _few(h)
    for dtype in (np.float32, np.float64, np.float16):
        array = x.astype(dtype)
        y, decoded = nf.quantize(array, fmt), nf.decode(nf.encode(array, fmt), dtype=dtype)
        assert y.dtype == dtype and y.tobytes() == decoded.tobytes(), (
            f"{fmt.name}: quantize of {array.dtype} is not decode(encode(x))"
        )
        h.compared += x.size
