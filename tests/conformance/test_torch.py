"""numfmt against PyTorch 2.13 on the CPU, profile "torch", from float32."""

import platform
from typing import Any, NamedTuple

import numpy as np
import pytest

import numfmt as nf

torch: Any = pytest.importorskip("torch", reason="PyTorch is an optional witness (pip install numfmt[torch])")

pytestmark = pytest.mark.conformance

FLOATS = {
    "float8_e4m3fn": "fp8_e4m3fn",
    "float8_e5m2": "fp8_e5m2",
    "float8_e4m3fnuz": "fp8_e4m3fnuz",
    "float8_e5m2fnuz": "fp8_e5m2fnuz",
    "float8_e8m0fnu": "ufp8_e8m0",
    "bfloat16": "bfloat16",
    "float16": "binary16",
}


class NaNDeviation(NamedTuple):
    """torch's code of a NaN pattern where the profile has the quiet NaN with the input's sign."""

    name: str
    pattern: int
    ours: int
    theirs: int
    reason: str


D6_BF16 = "D6: the vectorised conversion gives all ones whatever the NaN's sign"
PAYLOAD = "the conversion keeps the top payload bits (F16C); numfmt's NaN has none"
NANS = (
    NaNDeviation("bfloat16", 0x7FC00000, 0x7FC0, 0xFFFF, D6_BF16),
    NaNDeviation("bfloat16", 0xFFC00000, 0xFFC0, 0xFFFF, D6_BF16),
    NaNDeviation("bfloat16", 0x7F800001, 0x7FC0, 0xFFFF, D6_BF16),
    NaNDeviation("float16", 0x7FFFFFFF, 0x7E00, 0x7FFF, PAYLOAD),
    NaNDeviation("float16", 0xFFC12345, 0xFE00, 0xFE09, PAYLOAD),
    NaNDeviation("float16", 0x7FA00000, 0x7E00, 0x7F00, PAYLOAD),
)


class Deviation(NamedTuple):
    """An input that torch encodes otherwise than one rounding of its exact value."""

    name: str
    x: float
    ours: int
    theirs: int
    reason: str


D1 = "D1: conversion from float64 goes through float32, so the value is rounded twice"
DOUBLES = (
    Deviation("float8_e4m3fn", 1.0625 + 2.0**-40, 0x39, 0x38, D1),
    Deviation("float8_e4m3fn", -431.99999999999994, 0xFD, 0xFE, D1),
    Deviation("bfloat16", 1 + 2.0**-8 + 2.0**-40, 0x3F81, 0x3F80, D1),
    Deviation("float16", 1 + 2.0**-11 + 2.0**-40, 0x3C01, 0x3C00, D1),
)


class Rule(NamedTuple):
    """A choice of torch's that differs from the format's OCP default in numfmt, and that the profile reproduces."""

    name: str
    x: float
    torch: int
    default: int
    reason: str


RULES = (
    Rule("float8_e4m3fn", np.inf, 0x7E, 0x7E, "D2: e4m3fn saturates, infinities too (NaN up to torch 2.12)"),
    Rule("float8_e4m3fn", 465.0, 0x7E, 0x7E, "D2: e4m3fn saturates"),
    Rule("float8_e5m2", 61440.0, 0x7C, 0x7B, "D3: e5m2 goes to infinity, unlike e4m3fn"),
    Rule("float8_e5m2", -np.inf, 0xFC, 0xFB, "D3: e5m2 goes to infinity, unlike e4m3fn"),
    Rule("float8_e5m2", np.nan, 0x7F, 0x7E, "D6: the all-ones NaN"),
    Rule("float8_e4m3fnuz", 248.0, 0x80, 0x7F, "D4: the fnuz types overflow to NaN"),
    Rule("float8_e5m2fnuz", -np.inf, 0x80, 0xFF, "D4: the fnuz types overflow to NaN"),
    Rule("float8_e8m0fnu", 0.0, 0x00, 0x00, "D5: zero becomes the smallest power"),
    Rule("float8_e8m0fnu", -1.0, 0x7F, 0xFF, "D5: the sign is dropped"),
    Rule("float8_e8m0fnu", 1.5 * 2.0**127, 0xFF, 0xFE, "D5: overflow gives NaN"),
)


def encode_theirs(x: Any, name: str) -> Any:
    """torch's codes of a float array."""
    wide = FLOATS[name] in ("bfloat16", "binary16")
    converted = torch.from_numpy(np.ascontiguousarray(x)).to(getattr(torch, name))
    return converted.view(torch.uint16 if wide else torch.uint8).numpy()


def decode_theirs(name: str) -> Any:
    """torch's values of every code, in binary64."""
    fmt = nf.get(FLOATS[name])
    codes = torch.from_numpy(np.arange(fmt.code_count).astype(fmt.code_dtype))
    return codes.view(getattr(torch, name)).to(torch.float64).numpy()


def encode_ours(x: Any, name: str) -> Any:
    return nf.encode(x, FLOATS[name], profile="torch").codes


def deviating(x: Any, name: str) -> Any:
    """Mask of the inputs whose deviation the lists above describe."""
    if name == "float8_e8m0fnu":
        # D5: binary32 subnormals are rounded up to the next power of two, not to the nearest one.
        return (np.abs(x) > 2.0**-127) & (np.abs(x) < 2.0**-126)
    return np.isnan(x) if name in ("bfloat16", "float16") else np.zeros(x.shape, bool)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", FLOATS)
def test_decode_of_every_code(name, mismatches):
    fmt = nf.get(FLOATS[name])
    codes = np.arange(fmt.code_count).astype(fmt.code_dtype)
    theirs, ours = decode_theirs(name), nf.decode(codes, fmt, dtype=np.float64)
    nan = np.isnan(theirs)
    assert np.array_equal(np.isnan(ours), nan)
    assert mismatches(codes[~nan], ours[~nan], theirs[~nan]) == []


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", FLOATS)
def test_encode_from_binary32(name, specials, binary16_values, boundaries, random_patterns, mismatches):
    designed = np.concatenate([specials, binary16_values, boundaries(decode_theirs(name))])
    for x in (designed, random_patterns, designed):
        keep = ~deviating(x, name)
        assert mismatches(x[keep], encode_ours(x, name)[keep], encode_theirs(x, name)[keep]) == []


@pytest.mark.parametrize("name", FLOATS)
def test_encode_few_elements(name, specials, boundaries, mismatches):
    x = np.concatenate([specials, boundaries(decode_theirs(name))[::997]])
    x = x[~deviating(x, name)]
    ours = np.array([encode_ours(v, name).item() for v in x], nf.get(FLOATS[name]).code_dtype)
    assert mismatches(x, ours, encode_theirs(x, name)) == []


# ---- the deviations are real -----------------------------------------------------------------------------------------


@pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"), reason="torch's NaN codes are listed for its x86-64 kernels"
)
@pytest.mark.parametrize("d", NANS, ids=lambda d: f"{d.name}-{d.pattern:08x}")
def test_nan_deviation_is_as_listed(d):
    assert d.ours != d.theirs
    for count in (1, 100):
        x = np.full(count, d.pattern, np.uint32).view(np.float32)
        assert (encode_ours(x, d.name) == d.ours).all()
        assert (encode_theirs(x, d.name) == d.theirs).all(), f"torch does not deviate any more: {d.reason}"


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_nan_stays_nan_on_both_sides(name, specials, random_patterns):
    x = np.concatenate([specials, random_patterns])
    x = x[np.isnan(x)]
    assert np.isnan(nf.decode(encode_ours(x, name), FLOATS[name])).all()
    assert np.isnan(nf.decode(encode_theirs(x, name), FLOATS[name])).all()


@pytest.mark.parametrize("d", DOUBLES, ids=lambda d: f"{d.name}-{d.x!r}")
def test_double_rounding_is_as_listed(d):
    x = np.full(100, d.x)
    assert (encode_ours(x, d.name) == d.ours).all()
    assert (encode_theirs(x, d.name) == d.theirs).all(), f"torch does not deviate any more: {d.reason}"
    assert encode_ours(d.x, d.name) == d.ours


@pytest.mark.parametrize("name", FLOATS)
def test_binary64_is_rounded_once_here_and_twice_there(name, boundaries64, mismatches):
    x = boundaries64(decode_theirs(name))
    x = x[~deviating(x.astype(np.float32), name) & ~deviating(x, name) & (x != 0)]
    ours, theirs = encode_ours(x, name), encode_theirs(x, name)
    assert mismatches(x, encode_theirs(x.astype(np.float32), name), theirs) == []
    differ = ours != theirs
    inexact = x.astype(np.float32).astype(np.float64) != x
    assert not (differ & ~inexact).any()
    assert np.count_nonzero(differ) > 400, "no double rounding found any more"


def test_e8m0_subnormals_round_up_there_and_to_nearest_here(random_patterns):
    low, high = 2.0**-127, 2.0**-126
    x = np.concatenate([np.linspace(low, high, 4097, dtype=np.float32)[1:-1], random_patterns])
    x = np.abs(x[deviating(x, "float8_e8m0fnu")])
    for sign in (1, -1):
        assert (encode_theirs(sign * x, "float8_e8m0fnu") == 1).all()
        ours = encode_ours(sign * x, "float8_e8m0fnu")
        assert np.array_equal(ours, x.astype(np.float64) >= 1.5 * low)
        assert np.count_nonzero(ours == 0) > 1000, "the listed interval does not deviate any more"


@pytest.mark.parametrize("r", RULES, ids=lambda r: f"{r.name}-{r.x}")
def test_rule_is_as_listed(r):
    x = np.full(100, r.x, np.float32)
    assert (encode_theirs(x, r.name) == r.torch).all()
    assert (encode_ours(x, r.name) == r.torch).all()
    assert encode_ours(r.x, r.name) == r.torch
    assert (nf.encode(x, FLOATS[r.name]).codes == r.default).all()
