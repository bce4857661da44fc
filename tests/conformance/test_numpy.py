"""numfmt against NumPy's own binary16, binary32 and binary64 conversions."""

from typing import Any, NamedTuple

import numpy as np
import pytest

import numfmt as nf

pytestmark = pytest.mark.conformance

DTYPES = {"binary16": np.float16, "binary32": np.float32, "binary64": np.float64}


class Deviation(NamedTuple):
    """A NaN whose payload NumPy keeps; numfmt's NaN is the quiet one without payload."""

    name: str
    source: type[Any]
    pattern: int
    ours: int
    theirs: int


NANS = (
    Deviation("binary16", np.float32, 0x7FFFFFFF, 0x7E00, 0x7FFF),
    Deviation("binary16", np.float32, 0xFFC02000, 0x7E00, 0xFE01),
    Deviation("binary16", np.float64, 0x7FF8040000000000, 0x7E00, 0x7E01),
    Deviation("binary32", np.float64, 0x7FFFFFFFFFFFFFFF, 0x7FC00000, 0x7FFFFFFF),
)


def codes_of(x: Any) -> Any:
    return x.view(f"u{x.dtype.itemsize}")


def same_numbers(name: str, x: Any, mismatches: Any, **options: Any) -> None:
    """Codes equal on numbers and infinities, NaN on NaN."""
    ours, theirs = nf.encode(x, name, **options).codes, codes_of(x.astype(DTYPES[name]))
    nan = np.isnan(x)
    assert mismatches(x[~nan], ours[~nan], theirs[~nan]) == []
    assert (ours[nan] == nf.get(name).nan_code).all()


@pytest.mark.exhaustive
def test_binary16_decode_of_every_code(mismatches):
    codes = np.arange(1 << 16, dtype=np.uint16)
    theirs = codes.view(np.float16).astype(np.float64)
    nan = np.isnan(theirs)
    for dtype in (np.float16, np.float32, np.float64):
        ours = nf.decode(codes, "binary16", dtype=dtype)
        assert np.array_equal(np.isnan(ours), nan)
        assert mismatches(codes[~nan], ours[~nan], theirs[~nan].astype(dtype)) == []


@pytest.mark.exhaustive
def test_binary16_from_every_boundary(boundaries, boundaries64, specials, mismatches):
    values = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float64)
    for x in (boundaries(values), boundaries64(values), specials, specials.astype(np.float64)):
        same_numbers("binary16", x, mismatches)


def test_binary16_and_binary32_from_random_patterns(random_patterns, mismatches):
    same_numbers("binary16", random_patterns, mismatches)
    same_numbers("binary32", random_patterns, mismatches)
    rng = np.random.default_rng(64)
    x = rng.integers(0, 1 << 64, 1 << 20, dtype=np.uint64).view(np.float64)
    near = np.ldexp(rng.uniform(1, 2, 1 << 20), rng.integers(-160, 130, 1 << 20)) * rng.choice([-1.0, 1.0], 1 << 20)
    for y in (x, near, np.ldexp(near, -100)):
        same_numbers("binary16", y, mismatches)
        same_numbers("binary32", y, mismatches)
        same_numbers("binary64", y, mismatches)


def test_binary32_from_the_boundaries_of_random_values(random_patterns, mismatches):
    low = random_patterns[:200_000]
    low = low[np.isfinite(low)]
    high = np.nextafter(low, np.float32(np.inf))
    low, high = low[np.isfinite(high)].astype(np.float64), high[np.isfinite(high)].astype(np.float64)
    tie = (low + high) / 2
    for x in (tie, np.nextafter(tie, np.inf), np.nextafter(tie, -np.inf), low):
        same_numbers("binary32", x, mismatches)
    top = np.float64(np.finfo(np.float32).max)
    edge = top + 2.0**103
    ends = np.array(
        [top, edge, np.nextafter(edge, 0), np.nextafter(edge, np.inf), 2.0**-150, 2.0**-149, 1.5 * 2.0**-149]
    )
    ends = np.concatenate([ends, np.nextafter(ends, np.inf), np.nextafter(ends, 0)])
    same_numbers("binary32", np.concatenate([ends, -ends]), mismatches)


def test_decode_of_wide_formats_is_a_view(random_patterns, mismatches):
    numbers = random_patterns[~np.isnan(random_patterns)]
    assert mismatches(numbers, nf.decode(codes_of(numbers), "binary32"), numbers) == []
    wide = np.random.default_rng(3).integers(0, 1 << 64, 200_000, dtype=np.uint64).view(np.float64)
    wide = wide[~np.isnan(wide)]
    assert mismatches(wide, nf.decode(codes_of(wide), "binary64"), wide) == []


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64])
def test_integers_to_floats(dtype, mismatches):
    info = np.iinfo(dtype)
    rng = np.random.default_rng(8)
    x = rng.integers(info.min, info.max, 4000, dtype=dtype, endpoint=True)
    x = np.concatenate([x, np.array([info.min, info.max, 0, 1], dtype)])
    for name in ("binary16", "binary32", "binary64"):
        if name == "binary16" and info.bits > 32:
            continue  # NumPy converts 64-bit integers to binary16 in two steps
        theirs = codes_of(x.astype(DTYPES[name]))
        assert mismatches(x, nf.encode(x, name).codes, theirs) == []


@pytest.mark.parametrize("d", NANS, ids=lambda d: f"{d.name}-{d.pattern:x}")
def test_nan_payload_deviation_is_as_listed(d):
    x = np.full(100, d.pattern, f"u{np.dtype(d.source).itemsize}").view(d.source)
    assert d.ours != d.theirs
    assert (nf.encode(x, d.name).codes == d.ours).all()
    assert (codes_of(x.astype(DTYPES[d.name])) == d.theirs).all(), "NumPy does not keep the payload any more"
