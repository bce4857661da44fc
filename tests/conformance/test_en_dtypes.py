"""numfmt against en_dtypes 0.0.4: HiFloat8 and FP4 E1M2."""

from typing import Any, NamedTuple

import numpy as np
import pytest

import numfmt as nf

en_dtypes: Any = pytest.importorskip(
    "en_dtypes", reason="en_dtypes has no wheels for some systems (pip install numfmt[witness])"
)

pytestmark = pytest.mark.conformance

FLOATS = {"hifloat8": "hif8", "float4_e1m2": "fp4_e1m2"}


class Deviation(NamedTuple):
    """An input that en_dtypes encodes otherwise; `ours` None: numfmt refuses it."""

    name: str
    x: float
    ours: int | None
    theirs: int
    reason: str


D1 = "D1: conversion from binary64 goes through binary32, so the value is rounded twice"
NAN = "NaN in a format without one: +NaN gives +0 and -NaN gives -0 there, an error here"
DEVIATIONS = (
    Deviation("hifloat8", 1.0625 - 2.0**-40, 0x08, 0x09, D1),
    Deviation("hifloat8", -(40960 - 2.0**-30), 0xEE, 0xEF, D1),
    Deviation("float4_e1m2", 0.125 + 2.0**-40, 0x1, 0x0, D1),
    Deviation("float4_e1m2", np.nan, None, 0x0, NAN),
    Deviation("float4_e1m2", -np.nan, None, 0x8, NAN),
)


def encode_theirs(x: Any, name: str) -> Any:
    return np.asarray(x).astype(np.dtype(getattr(en_dtypes, name))).view(np.uint8)


def decode_theirs(name: str) -> Any:
    codes = np.arange(nf.get(FLOATS[name]).code_count, dtype=np.uint8)
    return codes.view(np.dtype(getattr(en_dtypes, name))).astype(np.float64)


def deviating(x: Any, name: str) -> Any:
    return np.isnan(x) if name == "float4_e1m2" else np.zeros(x.shape, bool)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", FLOATS)
def test_decode_of_every_code(name, mismatches):
    theirs = decode_theirs(name)
    codes = np.arange(theirs.size, dtype=np.uint8)
    ours = nf.decode(codes, FLOATS[name], dtype=np.float64)
    nan = np.isnan(theirs)
    assert np.array_equal(np.isnan(ours), nan)
    assert mismatches(codes[~nan], ours[~nan], theirs[~nan]) == []


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", FLOATS)
def test_encode_from_binary32(name, specials, binary16_values, boundaries, random_patterns, mismatches):
    overflow = np.array([40960, 49152, 32768], np.float32)
    overflow = np.concatenate(
        [overflow, np.nextafter(overflow, np.float32(0)), np.nextafter(overflow, np.float32(1e9))]
    )
    x = np.concatenate(
        [specials, binary16_values, boundaries(decode_theirs(name)), overflow, -overflow, random_patterns[: 1 << 20]]
    )
    x = x[~deviating(x, name)]
    assert mismatches(x, nf.encode(x, FLOATS[name]).codes, encode_theirs(x, name)) == []
    few = x[::60013]
    ours = np.array([nf.encode(v, FLOATS[name]).codes.item() for v in few], np.uint8)
    assert mismatches(few, ours, encode_theirs(few, name)) == []


def test_hif8_ties_go_away_from_zero_at_every_midpoint():
    values = np.unique(decode_theirs("hifloat8"))
    values = values[np.isfinite(values) & (values >= 0)]
    ties = ((values[1:] + values[:-1]) / 2).astype(np.float32)
    assert ties.size == 126
    for sign in (1, -1):
        rounded = nf.quantize(sign * ties, "hif8")
        assert np.array_equal(rounded, sign * values[1:].astype(np.float32))


@pytest.mark.parametrize("d", DEVIATIONS, ids=lambda d: f"{d.name}-{d.x!r}")
def test_deviation_is_as_listed(d):
    x = np.array([d.x])
    source = x.astype(np.float32) if np.isnan(d.x) else x
    assert encode_theirs(source, d.name)[0] == d.theirs, f"en_dtypes does not deviate any more: {d.reason}"
    if d.ours is None:
        with pytest.raises(nf.errors.NaNError):
            nf.encode(source, FLOATS[d.name])
    else:
        assert d.ours != d.theirs
        assert nf.encode(d.x, FLOATS[d.name]).codes == d.ours
        assert (nf.encode(np.full(100, d.x), FLOATS[d.name]).codes == d.ours).all()


@pytest.mark.parametrize("name", FLOATS)
def test_binary64_is_rounded_once_here_and_twice_there(name, boundaries64, mismatches):
    x = boundaries64(decode_theirs(name))
    x = x[x != 0]
    ours, theirs = nf.encode(x, FLOATS[name]).codes, encode_theirs(x, name)
    assert mismatches(x, encode_theirs(x.astype(np.float32), name), theirs) == []
    differ = ours != theirs
    inexact = x.astype(np.float32).astype(np.float64) != x
    assert not (differ & ~inexact).any()
    assert np.count_nonzero(differ) >= 7, "no double rounding found any more"
