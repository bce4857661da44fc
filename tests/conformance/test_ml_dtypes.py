"""numfmt against ml_dtypes 0.6.0: every float and small-integer dtype it has, bit for bit."""

from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import pytest

import numfmt as nf

pytestmark = pytest.mark.conformance

FLOATS = (
    "bfloat16",
    "float8_e3m4",
    "float8_e4m3",
    "float8_e4m3b11fnuz",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
    "float6_e2m3fn",
    "float6_e3m2fn",
    "float4_e2m1fn",
)
INTEGERS = ("int2", "int4", "uint2", "uint4")


class Interval(NamedTuple):
    """Inputs in the open interval (low, high) that ml_dtypes sends to one code, whatever they are nearest to."""

    name: str
    low: float
    high: float
    theirs: int
    reason: str


#: Where the witness differs from the profile "ml_dtypes" from binary32: whole intervals.
INTERVALS = (
    Interval(
        "float8_e8m0fnu",
        2.0**-127,
        2.0**-126,
        0x01,
        "binary32 subnormals are rounded up to the next power of two, not to the nearest one",
    ),
)


class Deviation(NamedTuple):
    """One input that ml_dtypes encodes otherwise than one rounding of its exact value."""

    name: str
    x: Any
    ours: int
    theirs: int
    reason: str


D1 = "D1: conversion goes through binary32, so the value is rounded twice"
RANGE = "an integer part beyond int32 overflows the C conversion; numfmt is modulo 2**bits of the exact integer"
DEVIATIONS = (
    Deviation("float8_e4m3fn", np.float64(1.0625 + 2.0**-40), 0x39, 0x38, D1),
    Deviation("float8_e4m3fn", np.float64(-431.99999999999994), 0xFD, 0xFE, D1),
    Deviation("bfloat16", np.float64(1 + 2.0**-8 + 2.0**-40), 0x3F81, 0x3F80, D1),
    Deviation("float8_e8m0fnu", np.float64(3.0 - 2.0**-40), 0x80, 0x81, D1),
    Deviation("float4_e2m1fn", np.float64(0.25 + 2.0**-40), 0x1, 0x0, D1),
    Deviation("bfloat16", np.int64(2**24 + 2**16 + 1), 0x4B81, 0x4B80, D1),
    Deviation("bfloat16", np.int32(-(2**24 + 2**16 + 1)), 0xCB81, 0xCB80, D1),
    Deviation("bfloat16", np.int64(2**60 + 2**52 + 1), 0x5D81, 0x5D80, D1),
    Deviation("int4", np.float64(2**31 + 1), 0x1, 0x0, RANGE),
    Deviation("int4", np.float64(-(2**31) - 1), 0xF, 0x0, RANGE),
    Deviation("uint4", np.float64(2**32 + 3), 0x3, 0x0, RANGE),
    Deviation("int2", np.float64(2**40 + 1), 0x1, 0x0, RANGE),
)


class Refusal(NamedTuple):
    """An input without an integer value: ml_dtypes gives the code of 0, numfmt refuses."""

    x: float
    error: type[Exception]
    theirs: int
    reason: str


REFUSALS = (
    Refusal(np.nan, nf.errors.NaNError, 0, "C leaves the conversion of NaN to an integer undefined"),
    Refusal(np.inf, nf.errors.FormatOverflowError, 0, "an infinity has no residue modulo 2**bits"),
    Refusal(-np.inf, nf.errors.FormatOverflowError, 0, "an infinity has no residue modulo 2**bits"),
)


def dtype_of(name: str) -> np.dtype[Any]:
    return np.dtype(getattr(ml_dtypes, name))


def encode_theirs(x: Any, name: str) -> Any:
    """ml_dtypes' codes of an array; small integers occupy the low bits of a byte."""
    fmt, converted = nf.get(name), np.asarray(x).astype(dtype_of(name))
    if name in INTEGERS:
        return converted.astype(np.int8).view(np.uint8) & np.uint8(fmt.code_count - 1)
    return converted.view(fmt.code_dtype)


def decode_theirs(name: str) -> Any:
    """ml_dtypes' values of every code, in binary64."""
    fmt = nf.get(name)
    return np.arange(fmt.code_count).astype(fmt.code_dtype).view(dtype_of(name)).astype(np.float64)


def deviating(x: Any, name: str) -> Any:
    """Mask of the inputs inside an interval of the list above."""
    mask = np.zeros(x.shape, bool)
    for interval in INTERVALS:
        if interval.name == name:
            mask |= (x > interval.low) & (x < interval.high)
    return mask


def test_every_float_and_integer_dtype_of_ml_dtypes_is_covered():
    known = {n for n in dir(ml_dtypes) if n.startswith(("bfloat", "float", "int", "uint"))}
    # 1-bit integers are no format here: numfmt's integers have 2 to 32 bits.
    assert known - {"int1", "uint1"} == {*FLOATS, *INTEGERS}


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", FLOATS + INTEGERS)
def test_decode_of_every_code(name, mismatches):
    fmt = nf.get(name)
    codes = np.arange(fmt.code_count).astype(fmt.code_dtype)
    theirs, ours = decode_theirs(name), nf.decode(codes, fmt, dtype=np.float64)
    nan = np.isnan(theirs)
    assert np.array_equal(np.isnan(ours), nan)
    # Signs of zeros count, NaN payloads are not part of a value.
    assert mismatches(codes[~nan], ours[~nan], theirs[~nan]) == []


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", FLOATS)
def test_encode_from_binary32(name, specials, binary16_values, boundaries, random_patterns, mismatches):
    designed = np.concatenate([specials, binary16_values, boundaries(decode_theirs(name))])
    # The random patterns take the run-time kernel past the size that binds one; the designed inputs go through both.
    for x in (designed, random_patterns, designed):
        keep = ~deviating(x, name)
        ours, theirs = nf.encode(x, name, profile="ml_dtypes").codes, encode_theirs(x, name)
        assert mismatches(x[keep], ours[keep], theirs[keep]) == []


@pytest.mark.parametrize("name", FLOATS)
def test_encode_few_elements(name, specials, boundaries, mismatches):
    x = np.concatenate([specials, boundaries(decode_theirs(name))[::997]])
    x = x[~deviating(x, name)]
    ours = np.array([nf.encode(v, name, profile="ml_dtypes").codes.item() for v in x], nf.get(name).code_dtype)
    assert mismatches(x, ours, encode_theirs(x, name)) == []


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", FLOATS)
def test_encode_every_code_of_the_other_dtypes(name, mismatches):
    for source in ("float16", *FLOATS):
        if source == name:
            continue  # a copy of the bits there: NaN payloads stay
        dtype = np.dtype(np.float16) if source == "float16" else dtype_of(source)
        legal = nf.get(source).code_count
        x = np.arange(legal).astype(f"u{dtype.itemsize}").view(dtype)
        if "float8_e8m0fnu" in (source, name) and not {source, name} & {"float16", "bfloat16"}:
            with pytest.raises(TypeError, match="Cannot cast"):  # ml_dtypes has no such cast; numfmt has
                encode_theirs(x, name)
            nf.encode(x, name, profile="ml_dtypes")
            continue
        keep = ~deviating(x.astype(np.float32), name)
        ours, theirs = nf.encode(x, name, profile="ml_dtypes").codes, encode_theirs(x, name)
        assert mismatches(x.astype(np.float64)[keep], ours[keep], theirs[keep]) == []


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_wrap(name, mismatches):
    ramp = np.arange(-70000, 70000) * 0.37
    for dtype in (np.float32, np.float64):
        x = np.concatenate([ramp, [2**31 - 128, -(2**31), 2**24 + 2, 0.5, -0.5, 0.999, -0.999]]).astype(dtype)
        assert mismatches(x, nf.encode(x, name, profile="ml_dtypes").codes, encode_theirs(x, name)) == []
    for dtype in (np.int8, np.uint8, np.int16, np.int32, np.int64, np.uint32):
        info = np.iinfo(dtype)
        x = np.unique(np.clip(np.arange(-300, 300), info.min, info.max)).astype(dtype)
        x = np.concatenate([x, np.array([info.min, info.min + 1, info.max - 1, info.max], dtype)])
        assert mismatches(x, nf.encode(x, name, profile="ml_dtypes").codes, encode_theirs(x, name)) == []


# ---- the deviations are real -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("interval", INTERVALS, ids=lambda i: i.name)
def test_interval_deviates_as_listed(interval, random_patterns):
    inside = (
        np.nextafter(np.float32(interval.low), np.float32(np.inf)),
        np.nextafter(np.float32(interval.high), np.float32(0)),
    )
    x = np.concatenate([np.array(inside), np.linspace(*inside, 4096, dtype=np.float32), random_patterns])
    x = x[deviating(x, interval.name)]
    ours, theirs = nf.encode(x, interval.name, profile="ml_dtypes").codes, encode_theirs(x, interval.name)
    assert (theirs == interval.theirs).all()
    # Nearest with ties up: the code changes at the midpoint.
    nearest = np.where(x.astype(np.float64) >= (interval.low + interval.high) / 2, interval.theirs, interval.theirs - 1)
    assert np.array_equal(ours, nearest)
    assert np.count_nonzero(ours != theirs) > 1000, "the listed interval does not deviate any more"
    # The ends themselves are no deviation.
    ends = np.array([interval.low, interval.high], np.float32)
    assert np.array_equal(nf.encode(ends, interval.name, profile="ml_dtypes").codes, encode_theirs(ends, interval.name))


@pytest.mark.parametrize("d", DEVIATIONS, ids=lambda d: f"{d.name}-{d.x!r}")
def test_deviation_is_as_listed(d):
    assert d.ours != d.theirs
    assert nf.encode(d.x, d.name, profile="ml_dtypes").codes == d.ours
    assert encode_theirs(np.array([d.x]), d.name)[0] == d.theirs, f"ml_dtypes does not deviate any more: {d.reason}"
    many = np.full(100, d.x)
    assert (nf.encode(many, d.name, profile="ml_dtypes").codes == d.ours).all()


@pytest.mark.parametrize("name", FLOATS)
def test_binary64_is_rounded_once_here_and_twice_there(name, boundaries64, mismatches):
    x = boundaries64(decode_theirs(name))
    x = x[~deviating(x.astype(np.float32), name) & ~deviating(x, name) & (x != 0)]
    ours, theirs = nf.encode(x, name, profile="ml_dtypes").codes, encode_theirs(x, name)
    # Their binary64 conversion is their binary32 conversion of the value rounded to binary32, on every input.
    through32 = encode_theirs(x.astype(np.float32), name)
    assert mismatches(x, through32, theirs) == []
    differ = ours != theirs
    inexact = x.astype(np.float32).astype(np.float64) != x
    assert not (differ & ~inexact).any()
    assert np.count_nonzero(differ) > 20, "no double rounding found any more"


@pytest.mark.parametrize("r", REFUSALS, ids=lambda r: str(r.x))
@pytest.mark.parametrize("name", INTEGERS)
def test_refusal_is_as_listed(r, name):
    with pytest.raises(r.error):
        nf.encode(r.x, name, profile="ml_dtypes")
    assert encode_theirs(np.array([r.x], np.float32), name)[0] == r.theirs


def test_nan_sign_of_fp4_and_fp6_is_odd_there_and_an_error_here_by_default():
    # D7: +NaN gives -0 and -NaN gives +0. The profile repeats it, the default refuses.
    nans = np.array([0x7FC00000, 0xFFC00000], np.uint32).view(np.float32)
    for name in ("float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn"):
        minus_zero = nf.get(name).code_count // 2
        assert encode_theirs(nans, name).tolist() == [minus_zero, 0]
        assert nf.encode(nans, name, profile="ml_dtypes").codes.tolist() == [minus_zero, 0]
        with pytest.raises(nf.errors.NaNError):
            nf.encode(nans, name)
