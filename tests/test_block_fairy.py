"""Fairy: fourth roots of unity with two scales (arXiv:2508.05571)."""

import cmath
import math
import pickle
from fractions import Fraction

import numpy as np
import pytest

import numfmt as nf
from numfmt import reference
from numfmt.errors import ArgumentError, DTypeError, FormatMismatchError, FormatNameError, NaNError, RangeError
from numfmt.formats.fairy import FairyFormat
from numfmt.reference.packed_blocks import fairy_code

NAMES = ("fairy", "fairy_channel", "fairy(fourth_roots*binary16/8@absmean)", "fairy(fourth_roots*bfloat16/4@absmean)")


def part_bits(part):
    array = np.ascontiguousarray(part).reshape(-1)
    return (array.view(f"u{array.dtype.itemsize}") if array.dtype.kind == "f" else array).tolist()


def assert_like_the_oracle(x, fmt, **where):
    b = nf.encode(x, fmt, **where)
    where.pop("pad", None)
    wanted = reference.encode_tensor(x.reshape(-1).tolist(), x.shape, fmt, **where)
    assert {name: part_bits(part) for name, part in b.parts().items()} == wanted.parts
    for dtype in (np.complex64, np.complex128):
        got = nf.decode(b, dtype=dtype)
        assert got.dtype == dtype
        # Scales are binary32 or narrower, so both dtypes hold them; tobytes() also compares the signs of zeros.
        assert got.tobytes() == np.array(wanted.values, dtype).reshape(x.shape).tobytes()
    return b


@pytest.fixture
def rng():
    return np.random.default_rng(42)


def gaussian(rng, shape, dtype=np.complex64):
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype)


@pytest.mark.parametrize(
    "z, code", [(1 + 1j, 1), (1 - 1j, 0), (-1 + 1j, 2), (-1 - 1j, 3), (0j, 0), (2, 0), (2j, 1), (-2, 2), (-2j, 3)]
)
def test_boundary_table_of_the_paper(z, code):
    """The four diagonals as the public code decides them: [-pi/4, pi/4) is +1, and so on."""
    assert nf.encode([z], "fairy").codes.tolist() == [code]


def test_codes_turn_one_number_beside_every_diagonal():
    base = np.float64(1.0)
    up = np.nextafter(base, 2)
    parts = [(s * a, t * b) for a in (base, up) for b in (base, up) for s in (1, -1) for t in (1, -1)]
    codes = nf.encode([complex(*p) for p in parts], "fairy").codes.tolist()
    assert codes == [fairy_code(*p) for p in parts]


def test_codes_follow_the_phase(rng):
    """Away from the diagonals the phase decides: no comparison rule is needed to know the code."""
    x = gaussian(rng, 500, np.complex128)
    phases = np.array([cmath.phase(z) for z in x])
    assert np.array_equal(nf.encode(x, "fairy").codes, np.floor((phases + np.pi / 4) / (np.pi / 2)).astype(int) % 4)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_every_bit_is_the_oracle_s(rng, name, dtype):
    x = gaussian(rng, (3, 40), dtype)
    x[0, :6] = [0, -0.0, 1 + 1j, -1 - 1j, 1e-30, 1e-30j]
    assert_like_the_oracle(x, name)
    assert_like_the_oracle(x.astype(dtype) * dtype(1e-6), name)  # the floor
    assert_like_the_oracle(np.ascontiguousarray(x.T), name, axis=0)
    assert_like_the_oracle(np.ascontiguousarray(x[:, ::3]), name, pad=True)


def test_sums_take_the_lane_order():
    """2**53 swallows a 1 added to it in its own lane, not the ones of the other lanes: the mean shows which."""
    x = np.zeros(64, np.complex128)
    x[0], x[32], x[1] = 2.0**53, 1.0, 2.0  # lane 0: 2**53 + 1 -> 2**53; lane 1: 2
    b = assert_like_the_oracle(x, FairyFormat("fourth_roots", "binary64", None, "absmean", axis=None))
    assert float(b.scales) == (2.0**53 + 2.0) / 64


def test_scales_are_means_of_their_own_set_with_a_floor():
    b = nf.encode([3 + 1j, -1 + 0j], "fairy")
    assert float(b.scales) == 2.0
    assert b.sides["scales_imag"] == np.float32(1e-5)  # nothing went to +-i
    b = nf.encode([1e-9 + 0j, 5j], "fairy")
    assert b.scales == np.float32(1e-5) and float(b.sides["scales_imag"]) == 5.0
    assert nf.encode(np.zeros(0, np.complex64), "fairy").scales == np.float32(1e-5)


@pytest.mark.parametrize("shape", [(0,), (0, 8), (2, 0)])
def test_nothing_to_encode(shape):
    for name in NAMES:
        b = nf.encode(np.zeros(shape, np.complex64), name)
        assert nf.decode(b).shape == shape and b.scales.shape == b.sides["scales_imag"].shape


def test_error_of_circular_gaussians_is_one_minus_two_over_pi(rng):
    """arXiv:2508.05571, closed form: 1 - 2/pi = 0.3634; 2e5 samples put the mean within 0.002."""
    x = gaussian(rng, 200_000)
    y = nf.quantize(x, "fairy")
    error = np.mean(np.abs(x - y) ** 2) / np.mean(np.abs(x) ** 2)
    assert abs(error - (1 - 2 / math.pi)) < 0.002
    b = nf.encode(x, "fairy")
    assert abs(float(b.scales) - 2 / math.sqrt(math.pi)) < 0.01


def test_products_of_codes_add(rng):
    x, y = gaussian(rng, 50), gaussian(rng, 50)
    a, b = nf.encode(x, "fairy"), nf.encode(y, "fairy")
    roots = np.array([1, 1j, -1, -1j])
    assert np.array_equal(roots[a.codes] * roots[b.codes], roots[(a.codes + b.codes) % 4])


def test_quantize_keeps_complex_dtypes(rng):
    x = gaussian(rng, (2, 8))
    for given in (x, x.astype(np.complex128)):
        y = nf.quantize(given, "fairy_channel")
        assert y.dtype == given.dtype
        assert y.tobytes() == nf.decode(nf.encode(given, "fairy_channel"), dtype=given.dtype).tobytes()
        out = given.copy()
        assert nf.quantize(out, "fairy_channel", out=out) is out
        assert out.tobytes() == y.tobytes()
    assert nf.quantize([1.0, -2.0], "fairy").dtype == np.complex64


def test_real_input_has_imaginary_part_zero():
    real = np.array([1.5, -2.0, 0.0], np.float32)
    assert nf.encode(real, "fairy").same_bits(nf.encode(real.astype(np.complex64), "fairy"))
    assert nf.encode([1, -2, 0], "fairy").codes.tolist() == [0, 2, 0]


def test_bits_shapes_and_pickles(rng):
    assert nf.get("fairy").bits_per_element == 2.0
    fmt = nf.get("fairy(fourth_roots*binary32/32@absmean)")
    assert fmt.bits_per_element == 2 + 2 * 32 / 32
    x = gaussian(rng, (2, 3, 64))
    b = nf.encode(x, fmt)
    assert b.codes.shape == x.shape and b.scales.shape == b.sides["scales_imag"].shape == (2, 3, 2)
    again = pickle.loads(pickle.dumps(b))
    assert again.same_bits(b) and again.format == fmt
    assert np.asarray(b).dtype == np.complex64
    assert nf.encode(np.asarray(b), fmt).same_bits(b)  # idempotent: the means of equal magnitudes are exact
    strided = np.zeros((2, 3, 128), np.complex64)
    strided[..., ::2] = x
    assert nf.encode(strided[..., ::2], fmt).same_bits(b)


@pytest.mark.parametrize("name", NAMES)
def test_names_give_the_format_back(name):
    fmt = nf.get(name)
    assert nf.get(fmt.name) == fmt == nf.get(fmt.spelled_name)


@pytest.mark.parametrize("bad", [complex(math.nan, 0), complex(0, math.nan), complex(1, math.inf), -math.inf])
def test_a_part_that_is_not_finite_is_an_error(bad):
    with pytest.raises(NaNError, match="flat index 1"):
        nf.encode([1 + 1j, bad], "fairy")


@pytest.mark.parametrize(
    "options",
    [
        {"rounding": "toward_zero"},
        {"nan": "zero"},
        {"random": 1},
        {"scale_rule": "absmax"},
        {"nonfinite": "skip"},
        {"tensor_scale": 1.0},
        {"scales": np.float32(1)},
        {"report": True},
        {"profile": "torch"},
        {"axis": 7},
    ],
)
def test_options_that_have_no_meaning_are_refused(options):
    with pytest.raises(ArgumentError):
        nf.encode(np.ones(4, np.complex64), "fairy", **options)


def test_values_beyond_complex64_are_refused():
    b = nf.encode([1e300 + 0j, 2j], FairyFormat("fourth_roots", "binary64", None, "absmean", axis=None))
    assert nf.decode(b, dtype=np.complex128).tolist() == [1e300, 2j]
    with pytest.raises(RangeError, match="complex128"):
        nf.decode(b)
    # A scale of its own format saturates.
    assert nf.encode([1e300 + 0j], "fairy").scales == np.finfo(np.float32).max


def test_plain_blocks_of_complex_elements_point_to_fairy():
    with pytest.raises(FormatMismatchError, match=r"fairy\(fourth_roots\*binary32/4@absmean\)"):
        nf.encode(np.ones(4, np.complex64), "fourth_roots*binary32/4")


def test_other_errors():
    with pytest.raises(DTypeError, match="complex64, complex128 or real"):
        nf.encode(np.ones(2, np.clongdouble), "fairy")
    with pytest.raises(DTypeError):
        nf.encode(["a"], "fairy")
    with pytest.raises(DTypeError, match="fit binary64"):
        nf.encode([Fraction(1, 3)], "fairy")
    with pytest.raises(DTypeError, match="complex64 or complex128"):
        nf.decode(nf.encode([1j], "fairy"), dtype=np.float32)
    with pytest.raises(FormatNameError, match="element fourth_roots"):
        nf.get("fairy(int8*binary32/32@absmean)")
    b = nf.encode(np.ones(4, np.complex64), "fairy_channel")
    with pytest.raises(ArgumentError, match="scales_imag"):
        nf.decode(nf.BlockEncoded(b.codes, b.scales, b.format))
    with pytest.raises(ArgumentError, match="C-contiguous"):
        nf.decode(b, out=np.zeros(3, np.complex64))
