"""What callers pass: every dtype and layout gives the bits of its contiguous copy, or an exception of numfmt.errors."""

import array
import itertools
import re
from decimal import Decimal
from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import numfmt as nf
from numfmt import errors, reference

#: One format per way of encoding: fast float, integer and posit kernel, bisection, wide float, exponent only.
FORMATS = ("fp8_e4m3fn", "int8", "posit16_1", "nf4", "binary32", "ufp8_e8m0")
SHAPES = ((3, 4), (12, 20))  # below and above the size that takes a kernel


def sample(dtype: Any, shape: tuple[int, ...]) -> Any:
    """Values around 1 in `dtype`, with zeros, negatives where there are any, and large numbers."""
    rng = np.random.default_rng(shape[0])
    size = int(np.prod(shape))
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        x = rng.integers(max(info.min, -300), min(info.max, 300), size, endpoint=True).astype(dtype)
        x[:2] = info.min, info.max
        return x.reshape(shape)
    x = rng.normal(0, 1, size) * np.exp2(rng.integers(-6, 7, size))
    x[:2] = 0.0, -0.0
    with np.errstate(all="ignore"):
        return x.astype(dtype).reshape(shape)


DTYPES = (
    np.float16, np.float32, np.float64, np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64,
    np.uint64, np.bool_, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2fnuz,
    ml_dtypes.float6_e3m2fn, ml_dtypes.float4_e2m1fn, ml_dtypes.float8_e3m4,
)  # fmt: skip


class Subclass(np.ndarray):
    """An ndarray subclass that keeps its type through views."""


def strided(a: Any) -> Any:
    big = np.zeros((2 * a.shape[0], 3 * a.shape[1]), a.dtype)
    big[::2, 1::3] = a
    return big[::2, 1::3]


def unaligned(a: Any) -> Any:
    raw = np.zeros(a.nbytes + 1, np.uint8)
    x = raw[1:].view(a.dtype).reshape(a.shape)
    x[...] = a
    return x


def read_only(a: Any) -> Any:
    a = a.copy()
    a.flags.writeable = False
    return a


LAYOUTS = {
    "strided": strided,
    "negative strides": lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
    "one negative stride": lambda a: a[:, ::-1].copy()[:, ::-1],
    "Fortran order": np.asfortranarray,
    "transposed": lambda a: a.T.copy().T,
    "read-only": read_only,
    "unaligned": unaligned,
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "big-endian strided": lambda a: strided(a.astype(a.dtype.newbyteorder(">"))),
    "subclass": lambda a: a.copy().view(Subclass),
    "column": lambda a: np.hstack([a, a])[:, : a.shape[1]],
}


def same(a: Any, b: Any) -> bool:
    """Equal dtype, shape and values, NaN equal to NaN and signs of zeros counted."""
    numbers = ~np.isnan(b)
    signs = np.array_equal(np.signbit(a[numbers]), np.signbit(b[numbers]))
    return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=True) and signs


def snapshot(x: Any) -> tuple[Any, ...]:
    return x.tobytes(), x.dtype, x.shape, x.strides, x.flags.writeable


def expected_codes(x: Any, fmt: str) -> Any:
    """The reference's codes of every element, one by one."""
    flat = x.reshape(-1)
    values = flat.tolist() if x.dtype.kind in "iub" else flat.astype(np.float64).tolist()
    codes = [reference.encode(int(v) if isinstance(v, bool) else v, fmt) for v in values]
    return np.array(codes, nf.get(fmt).code_dtype).reshape(x.shape)


# ---- dtypes and layouts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("fmt", FORMATS)
def test_every_dtype_is_encoded_exactly(fmt, dtype):
    for shape in SHAPES:
        x = sample(dtype, shape)
        before = snapshot(x)
        e = nf.encode(x, fmt)
        assert e.codes.dtype == nf.get(fmt).code_dtype
        assert np.array_equal(e.codes, expected_codes(x, fmt))
        assert snapshot(x) == before


NATIVE = (np.float16, np.float32, np.float64, np.int16, np.int64, np.uint64)
# ml_dtypes has no big-endian types.
PAIRS = [(d, n) for d in (*NATIVE, ml_dtypes.bfloat16) for n in LAYOUTS if d in NATIVE or "endian" not in n]


@pytest.mark.parametrize("dtype, layout", PAIRS, ids=lambda v: v if isinstance(v, str) else np.dtype(v).name)
def test_every_layout_gives_the_bits_of_the_contiguous_copy(dtype, layout):
    for shape, fmt in itertools.product(SHAPES, FORMATS):
        a = sample(dtype, shape)
        x = LAYOUTS[layout](a)
        before = snapshot(x)
        assert np.array_equal(nf.encode(x, fmt).codes, nf.encode(a, fmt).codes)
        q, plain = nf.quantize(x, fmt), nf.quantize(a, fmt)
        assert q.dtype == plain.dtype
        assert q.astype(np.float64).tobytes() == plain.astype(np.float64).tobytes()
        assert snapshot(x) == before


@pytest.mark.parametrize("layout", [n for n in LAYOUTS if "endian" not in n])
@pytest.mark.parametrize("fmt", ["fp8_e4m3fn", "fp4_e2m1", "posit16_1", "binary32", "int32", "takum_log8"])
def test_codes_of_every_layout_decode_alike(fmt, layout):
    f = nf.get(fmt)
    for shape in (*SHAPES, *([(80, 120)] if f.exact else [])):  # logarithmic values are re-encoded one by one
        a = np.random.default_rng(5).integers(0, f.code_count, shape).astype(f.code_dtype)
        x = LAYOUTS[layout](a)
        before = snapshot(x)
        assert nf.decode(x, f).tobytes() == nf.decode(a, f).tobytes()
        assert snapshot(x) == before
        again = nf.encode(nf.decode(x, f), f)
        assert np.array_equal(np.isnan(nf.decode(again)), np.isnan(nf.decode(a, f)))


@pytest.mark.parametrize("dtype", [">u2", "<u2", "i4", ">i8", "u8", object])
def test_codes_of_every_integer_dtype(dtype):
    codes = np.arange(1 << 15)
    assert np.array_equal(
        nf.decode(codes.astype(dtype), "bfloat16"), nf.decode(codes.astype(np.uint16), "bfloat16"), equal_nan=True
    )


@pytest.mark.parametrize("fmt", FORMATS)
def test_broadcast_arrays(fmt):
    row = sample(np.float32, (3, 20))[:1]
    for x in (np.broadcast_to(row, (50, 20)), np.broadcast_to(np.float64(1.3), (7, 9)), np.broadcast_to(row, (0, 20))):
        assert np.array_equal(nf.encode(x, fmt).codes, nf.encode(x.copy(), fmt).codes)
        assert same(nf.quantize(x, fmt), nf.quantize(x.copy(), fmt))


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_memory_mapped_files(tmp_path, fmt, dtype):
    a = sample(dtype, (40, 25))
    path = tmp_path / "x.bin"
    a.tofile(path)
    for mode in ("r", "r+", "c"):
        x = np.memmap(path, dtype, mode, shape=a.shape)
        assert np.array_equal(nf.encode(x, fmt).codes, nf.encode(a, fmt).codes)
        assert np.array_equal(nf.encode(x[::2, ::-1], fmt).codes, nf.encode(a, fmt).codes[::2, ::-1])
        assert same(nf.quantize(x, fmt), nf.quantize(a, fmt))
    np.save(tmp_path / "x.npy", a)
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert np.array_equal(nf.encode(x, fmt).codes, nf.encode(a, fmt).codes)
    assert path.read_bytes() == a.tobytes()


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize(
    "value", [1.3, np.float32(1.3), np.float16(1.3), np.array(1.3), 3, np.int64(3), True, np.bool_(1)]
)
def test_zero_dimensional(fmt, value):
    e = nf.encode(value, fmt)
    assert e.shape == ()
    assert e.codes == nf.encode(np.full(100, value), fmt).codes[0]
    assert isinstance(e.codes, np.ndarray)
    assert nf.decode(e).shape == ()
    assert nf.quantize(value, fmt) == nf.decode(e)


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0, 2)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8, ml_dtypes.bfloat16, object])
def test_empty(fmt, shape, dtype):
    x = np.zeros(shape, dtype)
    e = nf.encode(x, fmt)
    assert e.shape == shape
    assert e.codes.dtype == nf.get(fmt).code_dtype
    assert nf.decode(e).shape == shape
    assert nf.quantize(x, fmt).shape == shape
    assert nf.encode(np.asfortranarray(x), fmt, report=True)[0].shape == shape


def test_empty_list():
    assert nf.encode([], "fp8_e4m3fn").shape == (0,)
    assert nf.decode([], "fp8_e4m3fn").shape == (0,)


# ---- Python objects --------------------------------------------------------------------------------------------------

EXACT = (
    Fraction(17, 16) + Fraction(1, 1 << 90),
    Fraction(1, 3),
    -Fraction(1, 1 << 1200),
    Fraction(10) ** 400,
    Decimal("1.0625000000000000000000000001"),
    Decimal("-0.3"),
    2**64 + 1,
    -(2**200),
    2**53 + 1,
    10**400,
    0,
    True,
    0.1,
    -0.0,
    float("inf"),
    np.float32(0.1),
    np.float16(3.5),
    np.int64(-5),
    np.uint64(2**63 + 1),
    ml_dtypes.bfloat16(1.5),
)


def reference_of(value: Any, fmt: str) -> int:
    if isinstance(value, (Fraction, Decimal)):
        return reference.encode(Fraction(value), fmt)
    return reference.encode(int(value) if isinstance(value, (int, np.integer)) else float(value), fmt)


@pytest.mark.parametrize(
    "fmt", ["fp8_e4m3fn", "int8", "posit16_1", "binary32", "binary64", "bfloat16", "nf4", "takum_log16"]
)
def test_python_numbers_are_taken_exactly(fmt):
    expected = [reference_of(v, fmt) for v in EXACT]
    assert [nf.encode(v, fmt).codes.item() for v in EXACT] == expected
    assert nf.encode(list(EXACT), fmt).codes.tolist() == expected
    assert nf.encode(tuple(EXACT), fmt).codes.tolist() == expected
    assert nf.encode(np.array(EXACT, object), fmt).codes.tolist() == expected
    many = np.array(list(EXACT) * 30, object).reshape(30, -1)
    assert (nf.encode(many, fmt).codes == expected).all()
    assert (nf.encode(many.T, fmt).codes == np.array(expected)[:, None]).all()


def test_decimal_specials():
    codes = nf.encode([Decimal("NaN"), Decimal("Infinity"), Decimal("-Infinity"), Decimal("-0")], "binary16").codes
    assert codes.tolist() == [0x7E00, 0x7C00, 0xFC00, 0x8000]
    # A signalling NaN is a NaN, or is refused by name; it is no bare ValueError.
    try:
        assert nf.encode([Decimal("sNaN")], "binary16").codes.tolist() == [0x7E00]
    except errors.NumfmtError as err:
        assert "x" in str(err)


def test_lists_of_large_integers_and_floats_are_not_rounded_by_numpy():
    mixed = [2**60 + 2**52 + 1, 0.5, -(2**53) - 1]
    assert nf.encode(mixed, "bfloat16").codes.tolist() == [reference_of(v, "bfloat16") for v in mixed]
    nested = [[2**53 + 1, 0.5], [2**53 + 3, 1]]
    assert nf.encode(nested, "binary64").codes.tolist() == [
        [reference_of(v, "binary64") for v in row] for row in nested
    ]
    assert nf.encode([2**64 + 2**12 + 1, 2**63], "binary64").codes.tolist() == [0x43F0000000000001, 0x43E0000000000000]


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_wide_integers_are_rounded_once(dtype):
    base = (1 << 62) + (1 << 54)  # a tie of bfloat16
    x = np.array([base - 1, base, base + 1] * 40, dtype)
    assert np.array_equal(nf.encode(x, "bfloat16").codes, np.tile(np.array([0x5E80, 0x5E80, 0x5E81], np.uint16), 40))
    assert np.array_equal(nf.encode(x[:3], "bfloat16").codes, [0x5E80, 0x5E80, 0x5E81])
    info = np.iinfo(dtype)
    ends = np.array([info.min, info.max, info.max - 1] * 40, dtype)
    assert np.array_equal(nf.encode(ends, "binary64").codes, expected_codes(ends, "binary64"))


@pytest.mark.parametrize(
    "x", [range(40), memoryview(np.arange(40, dtype=np.float32)), array.array("d", range(40)), bytearray(range(40))]
)
def test_buffers_and_sequences(x):
    assert np.array_equal(nf.encode(x, "fp8_e5m2").codes, nf.encode(np.arange(40.0), "fp8_e5m2").codes)


@pytest.mark.parametrize("name", ["int2", "int4", "uint2", "uint4"])
def test_small_integer_arrays_of_ml_dtypes(name):
    dtype = np.dtype(getattr(ml_dtypes, name))
    x = np.arange(nf.get(name).code_count, dtype=np.uint8).view(dtype)
    for y in (x, np.tile(x, 30)):
        assert np.array_equal(nf.encode(y, "fp8_e4m3fn").codes, nf.encode(y.astype(np.int64), "fp8_e4m3fn").codes)


def test_encoded_arrays_are_cast_without_a_second_rounding():
    e = nf.encode(np.linspace(-5, 5, 100), "binary64")
    assert np.array_equal(nf.encode(e, "fp8_e4m3fn").codes, nf.encode(np.linspace(-5, 5, 100), "fp8_e4m3fn").codes)
    strided_view = e[::-3]
    assert np.array_equal(nf.cast(strided_view, "fp4_e2m1").codes, nf.cast(e, "fp4_e2m1").codes[::-3])


# ---- refused inputs --------------------------------------------------------------------------------------------------

BAD = {
    "longdouble": (np.ones(3, np.longdouble), "longdouble.*astype"),
    "longdouble scalar": (np.longdouble(1), "longdouble.*astype"),
    "longdouble in a list": ([np.longdouble(1)], "longdouble.*astype"),
    "longdouble in an object array": (np.array([np.longdouble(1), 1], object), "longdouble.*astype"),
    "complex": (np.ones(3, np.complex64), r"x is complex \(complex64\).*x\.real"),
    "complex double": (np.ones(300, np.complex128), r"x is complex \(complex128\).*x\.real"),
    "complex long double": (np.ones(3, np.clongdouble), "x is complex"),
    "complex list": ([1j, 2], "x is complex"),
    "complex among Fractions": ([Fraction(1, 3), 1j], "x must hold real numbers.*complex"),
    "text": (np.array(["1", "2"]), "x must hold real numbers.*<U1"),
    "a string": ("1.0", "x must hold real numbers.*<U3"),
    "bytes": (np.array([b"12"]), r"x must hold real numbers.*\|S2"),
    "bytes object": (b"12", r"x must hold real numbers.*\|S2"),
    "dates": (np.array(["2020-01-01"], "M8[D]"), "x must hold real numbers.*datetime64"),
    "durations": (np.array([1] * 50, "m8[s]"), "x must hold real numbers.*timedelta64"),
    "structured": (np.zeros(3, [("a", "f4"), ("b", "i4")]), "x must hold real numbers.*'a'"),
    "raw bytes": (np.zeros(3, "V4"), r"x must hold real numbers.*\|V4"),
    "records": (np.zeros(2, [("a", "f4")]).view(np.recarray), "x must hold real numbers"),
    "object junk": (np.array([1, "a", None], object), "x must hold real numbers.*str: 'a'"),
    "None": (None, "x must hold real numbers.*NoneType"),
    "None in a list": ([1.0, None], "x must hold real numbers.*NoneType"),
    "dict": ({1: 2}, "x must hold real numbers.*dict"),
    "set": ({1.0}, "x must hold real numbers.*set"),
    "generator": ((i for i in range(3)), "x must hold real numbers.*generator"),
    "object": (object(), "x must hold real numbers.*object"),
    "ragged": ([[1, 2], [3]], "x must be a rectangular array"),
    "masked": (np.ma.array([1.0, 2.0], mask=[0, 1]), r"masked.*filled"),
    "masked without mask": (np.ma.array(np.ones(100)), r"masked.*filled"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_real_number_is_refused(what):
    x, pattern = BAD[what]
    for call in (nf.encode, nf.quantize):
        with pytest.raises(errors.DTypeError) as caught:
            call(x, "fp8_e4m3fn")
        assert re.search(pattern, str(caught.value), re.DOTALL)
        assert "numba" not in str(caught.value).lower()


NO_NAN = ("fp4_e2m1", "fp6_e2m3", "int8", "uint4", "nf4", "ternary", "int32")


@pytest.mark.parametrize("fmt", NO_NAN)
@pytest.mark.parametrize("count", [1, 40, 5000])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_nan_into_a_format_without_nan(fmt, count, dtype):
    x = np.zeros(count, dtype)
    x[count // 2] = np.nan
    pattern = rf"x must not contain NaN \(first at .*{fmt} has no NaN; pass nan="
    for call in (nf.encode, nf.quantize):
        with pytest.raises(errors.NaNError, match=pattern) as caught:
            call(x, fmt)
        if count > 1:
            assert f"flat index {count // 2}" in str(caught.value)
    with pytest.raises(errors.NaNError, match=pattern):
        nf.encode(x.tolist(), fmt)
    for rule in ("zero", "max", "min"):
        if rule == "zero" and nf.get(fmt).zero_codes[0] is None:
            continue
        codes = nf.encode(x, fmt, nan=rule).codes
        wanted = {"zero": nf.get(fmt).zero_codes[0], "max": nf.get(fmt).max_code, "min": nf.get(fmt).min_code}[rule]
        assert codes[count // 2] == wanted


@pytest.mark.parametrize("count", [1, 40, 5000])
@pytest.mark.parametrize("fmt", ["fp8_e4m3fn", "int8", "nf4", "fp8_e5m2"])
def test_overflow_raise_names_the_range(fmt, count):
    x = np.zeros(count, np.float32)
    # A codebook has no step beyond its last level, so finite values end there; infinities are refused.
    for bad in (1e9, -1e9, np.inf, -np.inf) if fmt != "nf4" else (np.inf, -np.inf):
        x[-1] = bad
        with pytest.raises(errors.FormatOverflowError, match=r"x must lie within .*overflow=raise.*pass overflow="):
            nf.encode(x, fmt, overflow="raise")
    x[-1] = nf.get(fmt).max
    nf.encode(x, fmt, overflow="raise")


def test_wrapping_an_infinity_is_an_error_and_everything_finite_wraps():
    assert nf.encode([2.0**40 + 3, -1, 255.9], "uint8", overflow="wrap", rounding="toward_zero").codes.tolist() == [
        3,
        255,
        255,
    ]
    for count in (1, 100):
        with pytest.raises(errors.FormatOverflowError, match="x must lie within"):
            nf.encode(np.full(count, np.inf), "uint8", overflow="wrap")


ARGUMENTS = {
    "rounding": ({"rounding": "up"}, "rounding must be .*'up'.*legal names: nearest_even"),
    "rounding of another type": ({"rounding": 3}, "rounding must be .*got 3; legal names"),
    "overflow": ({"overflow": "clip"}, "overflow must be .*'clip'.*legal names: saturate"),
    "wrap": ({"overflow": "wrap"}, "overflow=wrap is for integer formats, got fp8_e4m3fn; use saturate"),
    "nan": ({"nan": "nothing"}, "nan must be .*'nothing'.*legal names: canonical"),
    "profile": ({"profile": "mine"}, "unknown profile 'mine'; profiles: .*ml_dtypes"),
    "profile of another format": ({"profile": "posit_2022"}, "says nothing about fp8_e4m3fn; it covers posit"),
    "no random bits": ({"rounding": "stochastic_b"}, "needs random bits; pass random="),
    "random without need": ({"random": 1}, "random is only for the stochastic roundings.*drop it"),
    "random of another type": (
        {"rounding": "stochastic_a", "random": "seed"},
        "random must be an integer seed.*got str",
    ),
    "random bool": ({"rounding": "stochastic_a", "random": True}, "random must be an integer seed.*got bool"),
    "negative seed": ({"rounding": "stochastic_a", "random": -1}, r"seed must be an integer in \[0, 2\*\*64\), got -1"),
    "large seed": ({"rounding": "stochastic_a", "random": 2**64}, r"seed must be an integer in \[0, 2\*\*64\)"),
}


@pytest.mark.parametrize("what", ARGUMENTS)
@pytest.mark.parametrize("count", [1, 100])
def test_bad_arguments(what, count):
    options, pattern = ARGUMENTS[what]
    x = np.ones(count, np.float32)
    for call in (nf.encode, nf.quantize):
        with pytest.raises(errors.ArgumentError, match=pattern):
            call(x, "fp8_e4m3fn", **options)
    with pytest.raises(errors.ArgumentError, match=pattern):
        nf.cast(nf.encode(x, "binary16"), "fp8_e4m3fn", **options)


def test_nan_rules_a_format_cannot_honour():
    with pytest.raises(errors.ArgumentError, match=r"fp4_e2m1 has no NaN.*nan=canonical.*use raise, zero, max or min"):
        nf.encode(1.0, "fp4_e2m1", nan="canonical")
    with pytest.raises(errors.ArgumentError, match="nan=zero"):
        nf.encode(np.nan, "e8m0", nan="zero")


def test_random_bits_that_do_not_fit():
    x = np.ones((5, 20), np.float32)
    for shape in [(3,), (5, 19), (2, 5, 20)]:
        random = nf.RandomBits(np.zeros(shape, np.uint8), 8)
        with pytest.raises(errors.ArgumentError, match=r"random integers.*broadcast.*\(5, 20\)"):
            nf.encode(x, "fp8_e4m3fn", rounding="stochastic_a", random=random)
    for integers, width, pattern in [
        ([256], 8, r"integers must lie in \[0, 2\*\*8\), got 256"),
        ([-1], 8, r"integers must lie in \[0, 2\*\*8\), got -1"),
        ([1.0], 8, r"integers must have an integer dtype, got float64; draw them"),
        ([1], 0, "width must be an integer from 1 to 64, got 0"),
        ([1], 65, "width must be an integer from 1 to 64, got 65"),
    ]:
        with pytest.raises(errors.ArgumentError, match=pattern):
            nf.RandomBits(integers, width)
    for cls, (options, pattern) in itertools.product(
        (nf.HashRandom, nf.PhiloxRandom),
        [
            ({"width": 33}, "width must be an integer from 1 to 32, got 33; wider bits: RandomBits"),
            ({"width": 0}, "width must be"),
            ({"start": -1}, "start must be"),
            ({"start": 0.5}, "start must be"),
        ],
    ):
        with pytest.raises(errors.ArgumentError, match=pattern):
            cls(1, **options)


@pytest.mark.parametrize("cls", [nf.HashRandom, nf.PhiloxRandom])
@pytest.mark.parametrize("start", [2**64, 2**64 - 50, 2**70])
@pytest.mark.parametrize("count", [1, 100])
def test_flat_indices_beyond_64_bits_are_refused_by_name(cls, start, count):
    if start + count <= 2**64:
        nf.encode(np.full(count, 1.1), "fp8_e4m3fn", rounding="stochastic_a", random=cls(1, start=start))
        return
    with pytest.raises(errors.ArgumentError, match="start"):
        nf.encode(np.full(count, 1.1), "fp8_e4m3fn", rounding="stochastic_a", random=cls(1, start=start))


# ---- out= ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("count", [10, 100])
def test_out_receives_the_result(fmt, count):
    x = sample(np.float32, (count, 2))
    f = nf.get(fmt)
    codes = np.full(x.shape, 1, f.code_dtype)
    e = nf.encode(x, f, out=codes)
    assert e.codes is codes
    assert np.array_equal(codes, nf.encode(x, f).codes)
    values = np.empty(x.shape, f.value_dtype)
    assert nf.decode(codes, f, out=values) is values
    assert same(values, nf.decode(codes, f))
    assert nf.decode(codes, f, out=np.empty(x.shape, np.float64)).dtype == np.float64
    rounded = np.empty_like(x)
    assert nf.quantize(x, f, out=rounded) is rounded
    assert same(rounded, nf.quantize(x, f))


def frozen(shape: Any, dtype: Any) -> Any:
    a = np.zeros(shape, dtype)
    a.flags.writeable = False
    return a


@pytest.mark.parametrize("count", [10, 100])
def test_out_that_does_not_fit(count):
    x = np.ones(count, np.float32)
    e = nf.encode(x, "fp8_e4m3fn")
    wrong = "out must be a .* array of shape"
    manner = "out must be C-contiguous and writeable; pass out="
    for dtype, call in (
        (np.uint8, lambda out: nf.encode(x, "fp8_e4m3fn", out=out)),
        (np.float32, lambda out: nf.decode(e, out=out)),
        (np.float32, lambda out: nf.quantize(x, "fp8_e4m3fn", out=out)),
        (np.uint8, lambda out: nf.cast(nf.encode(x, "bfloat16"), "fp8_e4m3fn", out=out)),
    ):
        cases = [
            (np.zeros(count + 1, dtype), wrong),
            (np.zeros((count, 1), dtype), wrong),
            (np.zeros(count, np.dtype(dtype).newbyteorder(">") if dtype is np.float32 else np.uint16), wrong),
            ([0] * count, wrong),
            (np.zeros(2 * count, dtype)[::2], manner),
            (np.zeros(count, dtype)[::-1], manner),
            (frozen(count, dtype), manner),
        ]
        for out, pattern in cases:
            if isinstance(out, np.ndarray) and not out.dtype.isnative:
                pattern = f"{wrong}|dtype must be"
            before = list(out)
            with pytest.raises(errors.NumfmtError, match=pattern):
                call(out)
            assert list(out) == before
    with pytest.raises(errors.DTypeError, match="dtype must be float16, float32, float64 or object"):
        nf.decode(e, out=np.zeros(count, np.int32))


@pytest.mark.parametrize("fmt", ["fp8_e4m3fn", "int8", "posit16_1", "nf4", "bfloat16"])
@pytest.mark.parametrize("count", [12, 200])
def test_out_may_overlap_the_input(fmt, count):
    f = nf.get(fmt)
    size = f.code_dtype.itemsize
    x = sample(np.float32, (count, 1)).reshape(-1)
    expected = nf.encode(x, f).codes
    for offset in (0, 1, 4 * count - size * count):
        buffer = np.zeros(4 * count + 8, np.uint8)
        inside = buffer[: 4 * count].view(np.float32)
        inside[...] = x
        offset -= offset % size
        codes = buffer[offset : offset + size * count].view(f.code_dtype)
        assert np.array_equal(nf.encode(inside, f, out=codes).codes, expected)
    values = nf.decode(expected, f)
    for offset in (0, 3 * count):
        buffer = np.zeros(8 * count + 64, np.uint8)
        offset -= offset % size
        codes = buffer[offset : offset + size * count].view(f.code_dtype)
        codes[...] = expected
        out = buffer[: values.nbytes].view(values.dtype)
        assert np.array_equal(nf.decode(codes, f, out=out), values)


@pytest.mark.parametrize("fmt", ["fp8_e4m3fn", "nf4", "posit16_1"])
def test_quantize_in_place_and_shifted(fmt):
    for count, dtype in itertools.product((12, 300, 200_000), (np.float32, np.float64)):
        x = sample(dtype, (count, 1)).reshape(-1)
        expected = nf.quantize(x, fmt)
        y = x.copy()
        assert nf.quantize(y, fmt, out=y) is y
        assert np.array_equal(y, expected)
        for shift in (1, 7):
            buffer = np.zeros(count + 10, dtype)
            buffer[:count] = x
            assert np.array_equal(nf.quantize(buffer[:count], fmt, out=buffer[shift : shift + count]), expected)
            buffer[shift : shift + count] = x
            assert np.array_equal(nf.quantize(buffer[shift : shift + count], fmt, out=buffer[:count]), expected)


# ---- codes and names -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fmt, bad",
    [
        ("fp8_e4m3fn", 256),
        ("fp8_e4m3fn", -1),
        ("fp4_e2m1", 16),
        ("fp6_e2m3", 64),
        ("binary32", 2**32),
        ("posit24_2", 2**24),
        ("binary64", -1),
        ("fp8_e4m3fn", 2**70),
    ],
)
@pytest.mark.parametrize("count", [1, 5000])
def test_codes_out_of_range(fmt, bad, count):
    good = 1
    codes = [good] * count
    codes[-1] = bad
    pattern = rf"codes must be in \[0, {nf.get(fmt).code_count:#x}\) for {fmt} .*got {bad} .*unsigned bit patterns"
    with pytest.raises(errors.CodeRangeError, match=pattern):
        nf.decode(codes, fmt)
    with pytest.raises(errors.CodeRangeError, match=pattern):
        nf.Encoded(codes, fmt)
    if abs(bad) < 2**63:
        with pytest.raises(errors.CodeRangeError, match=pattern):
            nf.decode(np.array(codes, np.int64), fmt)


@pytest.mark.parametrize("codes", [[1.0], np.ones(100), [True], np.zeros(3, bool), ["a"], [1j], None, [None]])
def test_codes_that_are_no_integers(codes):
    with pytest.raises(errors.DTypeError, match=r"codes must have an integer dtype, got .*numfmt\.encode"):
        nf.decode(codes, "fp8_e4m3fn")


def test_ragged_codes():
    with pytest.raises(errors.NumfmtError, match="codes"):
        nf.decode([[1], [1, 2]], "fp8_e4m3fn")


def test_decode_arguments():
    with pytest.raises(errors.ArgumentError, match=r"plain codes need a format: decode\(codes, fmt\)"):
        nf.decode([1])
    e = nf.encode([1.0], "fp8_e4m3fn")
    with pytest.raises(errors.FormatMismatchError, match="e is encoded in fp8_e4m3fn, not fp8_e5m2; use cast"):
        nf.decode(e, "fp8_e5m2")
    for dtype in (np.int32, np.longdouble, np.complex64, "f2x", bool):
        with pytest.raises(errors.DTypeError, match="dtype must be float16, float32, float64 or object"):
            nf.decode(e, dtype=dtype)
    with pytest.raises(errors.RangeError, match=r"code 0x7f7f of bfloat16 .*beyond float16.*decode with a wider dtype"):
        nf.decode(np.array([1, 0x7F7F], np.uint16), "bfloat16", dtype=np.float16)


def test_wrong_objects():
    e = nf.encode([1.0], "fp8_e4m3fn")
    with pytest.raises(errors.FormatMismatchError, match=r"cast takes an Encoded, got list; use encode"):
        nf.cast([1.0], "fp8_e4m3fn")
    with pytest.raises(errors.FormatMismatchError, match=r"quantize takes numbers; use cast"):
        nf.quantize(e, "fp8_e4m3fn")
    with pytest.raises(
        errors.FormatMismatchError, match=r"\+ on Encoded must say how it rounds .*numfmt.add\(a, b, fmt="
    ):
        e + 1
    with pytest.raises(TypeError):
        np.add(e, 1)
    with pytest.raises(errors.FormatMismatchError, match="both real or both complex"):
        nf.cast(nf.encode([1j], "fourth_roots"), "fp8_e4m3fn")
    with pytest.raises(errors.ArgumentError, match=r"only one element converts to a float, got shape \(2,\)"):
        float(nf.encode([1.0, 2.0], "fp8_e4m3fn"))


@pytest.mark.parametrize(
    "name, options",
    [
        ("e4m3", ("fp8_e4m3fn", "fp8_e4m3_ieee")),
        ("fp8_e4m3", ("fp8_e4m3fn", "fp8_e4m3_ieee")),
        ("FP8", ("fp8_e4m3fn", "fp8_e5m2", "hif8")),
        ("fp4", ("fp4_e2m1", "bnb_fp4")),
        ("fp6", ("fp6_e2m3", "fp6_e3m2")),
        ("fp24", ("fp24_r300", "pxr24", "fp24_e8m15")),
        ("nf3", ("nf3_loftq", "nf3_rederived")),
    ],
)
def test_ambiguous_names_list_the_candidates(name, options):
    with pytest.raises(errors.FormatNameError, match="ambiguous") as caught:
        nf.encode([1.0], name)
    for option in options:
        assert option in str(caught.value)


@pytest.mark.parametrize(
    "name, near", [("bfloat17", "bfloat16"), ("fp8_e4m3fnuzz", "fp8_e4m3fnuz"), ("hif9", "hif8"), ("posit", "posit")]
)
def test_unknown_names_suggest_the_nearest(name, near):
    with pytest.raises(errors.FormatNameError, match=f"unknown format name '{name}'; nearest names: .*{near}"):
        nf.get(name)


@pytest.mark.parametrize(
    "name, pattern",
    [
        ("fp8_e4m4", r"width must be 1 \+ E \+ M = 9, the name says 8"),
        ("int1", "bits must be 2 to 32"),
        ("int33", "bits must be 2 to 32"),
        ("posit64", "3 <= bits <= 32"),
        ("posit8_5", "0 <= es <= 4"),
        ("p3109_k2p1se", "3 <= K <= 15"),
        ("p3109_k8p8se", "P < K"),
        ("lns8_9", "frac_bits <= bits - 2"),
    ],
)
def test_illegal_names_say_why(name, pattern):
    with pytest.raises(errors.FormatNameError, match=rf"'{name}' is not a legal format: .*{pattern}"):
        nf.get(name)


@pytest.mark.parametrize("fmt", [None, 8, 1.0, b"fp8_e4m3fn", np.float32, ["fp8_e4m3fn"]])
def test_a_format_must_be_a_name_or_a_format(fmt):
    with pytest.raises(errors.FormatMismatchError, match="fmt must be a format name or a Format, got"):
        nf.encode([1.0], fmt)


def test_every_error_is_a_numfmt_error_with_a_builtin_base():
    classes = [getattr(errors, name) for name in errors.__all__ if name != "NumfmtError"]
    assert len(classes) >= 8
    for cls in classes:
        assert issubclass(cls, errors.NumfmtError)
        assert any(base.__module__ == "builtins" and base is not object for base in cls.__mro__[2:])
