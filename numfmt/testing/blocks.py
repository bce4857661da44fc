"""The part of `check_format` for block formats: every stored bit and every value against the oracle."""

from __future__ import annotations

import math
import pickle
from fractions import Fraction
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..formats import Format, IntFormat
from ..formats.block import BlockFormat
from ..formats.random import random_integers
from ..reference import ReferenceBlock, decode_block, oracle_of
from ..reference.tensors import block_positions
from ..rounding import HashRandom, Rounding
from .block_harness import BlockHarness, arrays, block_samples, few
from .harness import DETERMINISTIC

__all__ = ["check_block_format"]


def check_block_format(fmt: BlockFormat, samples: int) -> tuple[dict[str, int], dict[str, int]]:
    """Comparisons by check, and what had no meaning; `AssertionError` at the first violation."""
    oracle_of(fmt)  # a class without an oracle fails here, by name
    h = BlockHarness(fmt, samples)
    counts = _check_identity(h)
    if _is_decode_only(h):
        return counts, {"encoding (the format is decode-only)": 1}
    for name, check in (
        ("samples", _check_samples),
        ("roundings", _check_roundings),
        ("specials", _check_specials),
        ("stochastic", _check_stochastic),
        ("invariance", _check_invariance),
        ("quantize", _check_quantize),
        ("decode", _check_decoding),
    ):
        before = h.compared
        check(h)
        counts[name] = h.compared - before
    assert counts["samples"], f"{fmt.name}: library and reference refuse every sample, so that nothing was compared"
    return counts, {"inputs that library and reference refuse": h.refused} if h.refused else {}


def _is_decode_only(h: BlockHarness) -> bool:
    """Whether the library and the oracle both refuse to encode even a zero."""
    zero = h.array([[0.0]])
    zero = zero.reshape(-1) if h.one_by_one else zero
    try:
        h.nf.encode(zero, h.fmt)
    except ArgumentError:
        return h.expected(zero, {}) == ArgumentError.__name__
    return False


def _check_identity(h: BlockHarness) -> dict[str, int]:
    nf, fmt = h.nf, h.fmt
    copy = pickle.loads(pickle.dumps(fmt))
    assert copy == fmt and hash(copy) == hash(fmt), f"{fmt.name}: a pickled copy differs: {copy!r} != {fmt!r}"
    if type(fmt) is BlockFormat or nf.formats.registry.block_label(fmt):
        assert nf.get(fmt.name) == fmt, f"get({fmt.name!r}) is {nf.get(fmt.name)!r}, not {fmt!r}"
    if type(fmt) is BlockFormat:
        spelled = nf.get(fmt.spelled_name)
        assert spelled == fmt, f"get({fmt.spelled_name!r}) is {spelled!r}, not {fmt!r}"
    return {"pickle": 1, "name": 2}


def _check_samples(h: BlockHarness) -> None:
    for what, rows in block_samples(h):
        for x in arrays(h, rows):
            h.compare(x, what)
    for dtype in (np.float64,) if h.fmt.is_complex else (np.float16, np.float64):
        for what, rows in block_samples(h, dtype):
            if what in ("normal", "boundary maxima") and not h.large:
                for x in arrays(h, rows, dtype, 128):
                    h.compare(x, f"{np.dtype(dtype)} {what}")
    if h.fmt.is_complex:
        return
    integers = h.array([h.rng.integers(-100, 100, min(h.size, 16)).tolist()], np.int16)
    h.compare(integers.reshape(-1) if h.one_by_one else integers, "int16")


def _check_roundings(h: BlockHarness) -> None:
    x = few(h)
    for rounding in DETERMINISTIC[1::4] if h.large else DETERMINISTIC:
        h.compare(x, f"with rounding={rounding.name.lower()}", rounding=rounding)


def _check_specials(h: BlockHarness) -> None:
    specials = [[1.0, math.nan], [math.inf, -2.0], [-math.inf, 1.0, 3.0], [1.5, 0.25]]
    for x in arrays(h, [row[: h.size] for row in specials]):
        for nonfinite in (None, "skip"):
            options = {} if nonfinite is None else {"nonfinite": nonfinite}
            h.compare(x, f"NaN and infinities, nonfinite={nonfinite}", **options)
    if isinstance(h.fmt.encoded_element, IntFormat) and not h.large:
        for x in arrays(h, [row[: h.size] for row in specials]):
            h.compare(x, "NaN and infinities with nan=zero", nan="zero")


def _check_stochastic(h: BlockHarness) -> None:
    x = few(h)
    source = HashRandom(7)
    bits = random_integers(source, x.size, x.shape)
    h.compare(x, "with rounding=stochastic_a", bits=(bits, source.width), rounding=Rounding.STOCHASTIC_A, random=source)


def _check_invariance(h: BlockHarness) -> None:
    """Other axes, memory layouts and padding move bits, they never change them."""
    nf, fmt = h.nf, h.fmt
    x = few(h)
    b = nf.encode(x, fmt)
    back = pickle.loads(pickle.dumps(b))
    assert back.same_bits(b) and b.copy().same_bits(b), f"{fmt.name}: a pickled or copied BlockEncoded differs"
    strided = np.zeros((*x.shape, 2), x.dtype)
    strided[..., 0] = x
    assert nf.encode(strided[..., 0], fmt).same_bits(b), f"{fmt.name}: a strided array encodes to other bits"
    if fmt.quotient == "exact" or fmt.power_of_two_scale:
        wide = x.astype(np.complex128 if fmt.is_complex else np.float64)
        assert nf.encode(wide, fmt).same_bits(b), f"{fmt.name}: float64 of the same numbers encodes to other bits"
    h.compared += 2 * x.size
    if isinstance(fmt.axis, int) and x.ndim == 2:
        turned = nf.encode(x.T, fmt, axis=1 - fmt.axis % 2)
        same = np.array_equal(turned.codes.T, b.codes) and np.array_equal(turned.scale_values.T, b.scale_values)
        assert same, f"{fmt.name}: the other axis of the transposed array encodes to other bits"
        if fmt.axis % 2 and fmt.tensor_scale is None and not fmt.centre and isinstance(fmt.scale, Format):
            part = nf.encode(x[1:], fmt)
            assert part.same_bits(b[1:]), f"{fmt.name}: a block encodes to other bits without its neighbours"
        h.compared += 2 * x.size
    if isinstance(fmt.block, int) and fmt.block > 1:
        h.compare(x.reshape(-1)[:-1], "a padded last block", pad=True)


def _check_quantize(h: BlockHarness) -> None:
    nf, fmt = h.nf, h.fmt
    x = few(h)
    for dtype in (np.complex64,) if fmt.is_complex else (np.float32, np.float64, np.float16):
        array = (np.clip(x, -6e4, 6e4) if dtype == np.float16 else x).astype(dtype)
        y, decoded = nf.quantize(array, fmt), nf.decode(nf.encode(array, fmt), dtype=dtype)
        assert y.dtype == dtype and y.tobytes() == decoded.tobytes(), (
            f"{fmt.name}: quantize of {array.dtype} is not decode(encode(x))"
        )
        h.compared += x.size


def _check_decoding(h: BlockHarness) -> None:
    """Any legal codes under any legal scales, also those that encoding never makes."""
    nf, fmt, rng = h.nf, h.fmt, h.rng
    if type(fmt) is not BlockFormat or not isinstance(fmt.scale, Format) or h.large:
        return
    b = nf.encode(few(h), fmt)
    codes = rng.integers(0, fmt.element.code_count, b.codes.shape, dtype=np.uint64).astype(b.codes.dtype)
    scales = rng.integers(0, fmt.scale.code_count, b.scales.shape, dtype=np.uint64).astype(fmt.scale.code_dtype)
    held = scales if b.scales.dtype.kind == "u" else scales.view(b.scales.dtype)
    zeros = b.zero_points
    if zeros is not None and fmt.zero_point is not None:
        zeros = rng.integers(0, 1 << fmt.zero_point.bits, zeros.shape).astype(zeros.dtype)
    options = {"tensor_scale": b.tensor_scale, "offset": b.offset, "shape": b.shape, "axis": b.axis}
    values = nf.decode(nf.BlockEncoded(codes, held, fmt, zero_points=zeros, **options), dtype=np.float64)
    whole = Fraction(1) if b.tensor_scale is None else Fraction(float(b.tensor_scale))
    wanted: list[Any] = [None] * b.codes.size
    for i, row in enumerate(block_positions(b.shape, fmt.block, b.axis)[0]):
        zero = None if zeros is None else int(zeros.reshape(-1)[i])
        elements = tuple(int(codes.reshape(-1)[wide]) for wide, _ in row)
        decoded = decode_block(ReferenceBlock(fmt, int(scales.reshape(-1)[i]), elements, zero, whole))
        for (_, at), value in zip(row, decoded, strict=True):
            if at is not None:
                shifted = b.offset is not None and math.isfinite(value)
                wanted[at] = Fraction(value) + Fraction(float(b.offset)) if shifted else value
    h.same_values(values, wanted, "random codes")
