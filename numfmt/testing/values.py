"""Checks of codes and values: identity, order, decoding, round trip."""

from __future__ import annotations

import itertools
import math
import pickle
from fractions import Fraction
from typing import Any

import numpy as np

from ..errors import CodeRangeError, FormatNameError
from ..formats import IntFormat, Kind
from ..formats.floating import MinifloatBase
from ..reference import decode as reference_decode
from .harness import Array, Harness, shown
from .line import Line

__all__ = ["check_decoding", "check_identity", "check_order"]


def check_identity(h: Harness) -> dict[str, int]:
    """Pickling, the name, illegal codes."""
    nf, fmt = h.nf, h.fmt
    copy = pickle.loads(pickle.dumps(fmt))
    assert copy == fmt and hash(copy) == hash(fmt), f"{fmt.name}: a pickled copy differs: {copy!r} != {fmt!r}"
    e = nf.Encoded(np.zeros(3, fmt.code_dtype), fmt)
    assert pickle.loads(pickle.dumps(e)).same_bits(e), f"{fmt.name}: a pickled Encoded differs"
    try:
        found = nf.get(fmt.name)
    except FormatNameError:
        h.skip("name round trip (not registered)")
    else:
        assert found == fmt, f"get({fmt.name!r}) is {found!r}, not {fmt!r}"
    for code in (fmt.code_count, -1, 1 << 70):
        for call in (nf.Encoded, nf.decode):
            try:
                call(np.array([code], object if abs(code) >> 63 else np.int64), fmt)
            except CodeRangeError:
                continue
            raise AssertionError(f"{fmt.name}: {call.__name__} accepts code {code}, outside [0, {fmt.code_count})")
    return {"pickle": 2, "name": 1, "illegal codes": 6}


def check_order(h: Harness, line: Line) -> int:
    """Ordered codes increase strictly in value, except from -0 to +0."""
    # Irrational values by their leading 128 bits, far finer than the distance of any two.
    fmt = h.fmt
    values: list[Any] = line.reals if fmt.exact else [fmt.value_of(int(code)).value for code in line.codes]
    for i, (a, b) in enumerate(itertools.pairwise(values)):
        increases = a < b or (fmt.has_negative_zero and a == b == 0)
        assert increases, (
            f"{fmt.name}: ordered values {i} and {i + 1} of the line do not increase: {shown(a)}, {shown(b)}"
        )
    return len(values) - 1


def check_decoding(h: Harness, line: Line) -> tuple[int, int]:
    """Decoded values are those of `value_of` and of the reference; encoding them again gives the same codes."""
    fmt = h.fmt
    codes = _codes_to_decode(h, line)
    values = h.nf.decode(h.nf.Encoded(np.array(codes, fmt.code_dtype), fmt))
    assert values.dtype == fmt.value_dtype, f"{fmt.name}: decode gives {values.dtype}, not {fmt.value_dtype}"
    for code, value in zip(codes, values.tolist(), strict=True):
        expected = reference_decode(code, fmt)
        assert _same(value, expected), (
            f"{fmt.name}: decode({code:#x}) is {shown(value)}, the reference says {shown(expected)}"
        )
        unpacked = fmt.value_of(code)
        own: Any = fmt.real_of(code) if unpacked.kind is Kind.FINITE else float(unpacked)
        same = _same(own, expected) or (unpacked.kind is Kind.FINITE and not fmt.exact)
        assert same, f"{fmt.name}: value_of({code:#x}) is {shown(own)}, the reference says {shown(expected)}"
    produced = _produced_codes(h, codes)
    back = h.encode(values[produced])
    wanted = np.array(codes, np.uint64)[produced]
    h.same_codes(values[produced], wanted, back, "the format's defaults (round trip)")
    return len(codes), len(back)


def _codes_to_decode(h: Harness, line: Line) -> list[int]:
    fmt = h.fmt
    if fmt.bits <= 16 and (h.whole or fmt.code_count <= h.samples):
        return list(range(fmt.code_count))
    some = {int(c) for c in line.codes} | {fmt.code_count - 1}
    some |= {int(h.rng.integers(fmt.code_count, dtype=np.uint64)) for _ in range(h.samples // 4)}
    some |= {c for c in (*fmt.infinity_codes, fmt.nan_code) if c is not None}
    return sorted(some)


def _produced_codes(h: Harness, codes: list[int]) -> Array:
    """Mask of the codes that encoding gives back: the finite ones, less later copies of a value."""
    fmt = h.fmt
    finite = np.array([fmt.value_of(c).is_finite for c in codes])
    if fmt.bits <= 16:
        return finite & np.isin(codes, np.array(list(fmt.ordered_codes)))
    produced = np.ones(len(codes), bool)
    if isinstance(fmt, MinifloatBase) and not fmt.subnormals:
        # Exponent field 0 is zero whatever the mantissa.
        magnitudes = [c % fmt.sign_weight if fmt.signed else c for c in codes]
        produced = np.array([m == 0 or m >> fmt.mantissa_bits > 0 for m in magnitudes])
    if isinstance(fmt, IntFormat) and fmt.narrow:
        produced = np.array([c != 1 << (fmt.bits - 1) for c in codes])
    return finite & produced


def _is_minus_zero(x: Any) -> bool:
    return isinstance(x, float) and x == 0 and math.copysign(1, x) < 0


def _same(value: Any, expected: Fraction | float) -> bool:
    """Equality of values: NaN with NaN, -0 only with -0."""
    if value != value or expected != expected:
        return value != value and expected != expected
    if _is_minus_zero(value) or _is_minus_zero(expected):
        return _is_minus_zero(value) and _is_minus_zero(expected)
    return bool(value == expected)
