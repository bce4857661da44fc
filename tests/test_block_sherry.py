"""Sherry: 3:4 sparse ternary blocks (arXiv:2601.07892), and STQ1_0, the .gguf block type made of them."""

import pickle

import numpy as np
import pytest

import numfmt as nf
from numfmt import reference
from numfmt.errors import ArgumentError, FormatMismatchError, FormatNameError, FormatOverflowError, NaNError
from numfmt.formats.sherry import SherryFormat
from numfmt.interop import pack_codes, unpack_codes
from numfmt.interop.ggml_blocks import from_ggml, to_ggml

KEPT_ZERO = "sherry(ternary*binary32/8@absmean);sign_of_zero=0"
NAMES = ("sherry", "sherry_f16", "sherry(ternary*binary32/4@absmean)", "sherry(ternary*bfloat16/64@absmean)", KEPT_ZERO)
#: block_stq1_0 of llama.cpp PR 22836: byte sign << 4 | slot holds lane p in bits 2p and 2p + 1, as code + 1 = 0, 1, 2.
STQ1_CODEBOOK = bytes.fromhex("A989 2909 A686 2606 9A92 1A12 6A62 4A42 0121 81A1 0424 84A4 1018 9098 4048 6068")


def part_bits(part):
    array = np.ascontiguousarray(part).reshape(-1)
    return (array.view(f"u{array.dtype.itemsize}") if array.dtype.kind == "f" else array).tolist()


def assert_like_the_oracle(x, fmt, **where):
    b = nf.encode(x, fmt, **where)
    where.pop("pad", None)
    wanted = reference.encode_tensor(x.reshape(-1).tolist(), x.shape, fmt, **where)
    assert {name: part_bits(part) for name, part in b.parts().items()} == wanted.parts
    # +-s and 0 are binary32 numbers: one comparison of values says all.
    assert np.array_equal(nf.decode(b, dtype=np.float64).reshape(-1), [float(v) for v in wanted.values])
    assert np.array_equal(nf.decode(b), nf.decode(b, dtype=np.float64))
    return b


@pytest.fixture
def rng():
    return np.random.default_rng(43)


@pytest.mark.parametrize("name", [*NAMES, "stq1_0"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_bit_is_the_oracle_s(rng, name, dtype):
    x = rng.normal(size=(3, 256)).astype(dtype)
    x[1, :16] = [0, 0, 1, 2, -1, 1, -1, 1, -0.0, 0, -0.0, 0, 3, -3, 3, 3]  # zeros and ties
    x[2] = rng.integers(-2, 3, 256)
    assert_like_the_oracle(x, name)
    assert_like_the_oracle(np.ascontiguousarray(x.T), name, axis=0)
    assert_like_the_oracle(x[:, :101].copy(), name, pad=True)
    assert_like_the_oracle(np.zeros((1, 256), dtype), name)


@pytest.mark.parametrize(
    "four, codes",
    [
        ([0.5, -2, 3, 1], [1, 0, 2, 2]),
        ([1, 1, -1, 1], [1, 2, 0, 2]),  # the first of the least
        ([2, 1, 1, -3], [2, 1, 2, 0]),
        ([0, 0, 1, -2], [1, 2, 2, 0]),  # a kept zero is +1
        ([-0.0, -0.0, -0.0, -0.0], [1, 2, 2, 2]),
    ],
)
def test_which_becomes_zero_and_what_zeros_become(four, codes):
    assert nf.encode(np.array(four, float), "sherry(ternary*binary32/4@absmean)").codes.tolist() == codes
    torch_like = nf.encode(np.array(four * 2, float), KEPT_ZERO).codes.tolist()
    assert torch_like[:4] == [1 if v == 0 else c for v, c in zip(four, codes, strict=True)]


def test_scale_is_the_kept_sum_over_three_quarters_of_the_group():
    """papers: sum over the group / (3g/4), so that kept zeros count."""
    b = nf.encode([1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0, 6.0], "sherry(ternary*binary32/8@absmean)")
    assert b.scales.tolist() == [(2 + 3 + 4 + 6) / 6]


def test_agrees_with_the_public_code_where_that_is_defined(rng):
    """utils_quant.py NMQuant: topk by magnitude, sign, sum / (g / 4 * 3); no ties in the data, so topk is defined."""
    x = rng.normal(size=(16, 128)).astype(np.float32)
    groups = np.abs(x).reshape(16, 32, 4)
    mask = np.argsort(np.argsort(groups, axis=-1), axis=-1) > 0
    sparse = np.where(mask.reshape(x.shape), x, 0)
    b = nf.encode(x, "sherry")
    assert np.array_equal(b.codes.astype(int) - 1, np.sign(sparse))
    exact = np.abs(sparse.astype(np.longdouble)).sum(1) / 96
    # Two roundings, to binary64 and binary32, against one sum of wider numbers.
    assert np.abs(b.scales[:, 0] - exact).max() <= np.spacing(b.scales).max() * 0.51


def test_error_of_gaussians(rng):
    """papers C4: relative mean square error 0.2816, s = 0.976 sigma, for groups of 128."""
    x = rng.normal(size=(2000, 128)).astype(np.float32)
    b = nf.encode(x, "sherry")
    assert abs(np.mean((nf.decode(b) - x) ** 2) / np.mean(x * x) - 0.2816) < 0.002
    assert abs(b.scales.mean() - 0.976) < 0.002


def test_codes_pack_into_five_bits_for_four(rng):
    x = rng.integers(-1, 2, (3, 256)).astype(np.float32)  # many zeros and ties
    b = nf.encode(x, "sherry")
    packed = pack_codes(b.codes, 2, "sherry_5bit")
    assert packed.shape == (3, 256 * 5 // 32)
    assert np.array_equal(unpack_codes(packed, 2, "sherry_5bit", count=256), b.codes)
    with pytest.raises(ArgumentError, match="exactly one zero"):
        pack_codes(nf.encode(np.zeros(8), KEPT_ZERO).codes, 2, "sherry_5bit")


@pytest.mark.parametrize(
    "name, bits", [("sherry", 1.25 + 32 / 128), ("sherry_f16", 1.25 + 16 / 128), ("stq1_0", 42 * 8 / 256)]
)
def test_bits_names_and_pickles(rng, name, bits):
    fmt = nf.get(name)
    assert fmt.bits_per_element == bits
    assert nf.get(fmt.name) == fmt == nf.get(fmt.spelled_name)
    x = rng.normal(size=(2, 256)).astype(np.float32)
    b = nf.encode(x, fmt)
    assert pickle.loads(pickle.dumps(b)).same_bits(b)
    for dtype in (np.float32, np.float64):
        y = nf.quantize(x.astype(dtype), fmt)
        assert y.dtype == dtype and y.tobytes() == nf.decode(b, dtype=dtype).tobytes()


@pytest.mark.parametrize("shape", [(0,), (0, 256), (3, 0)])
def test_nothing_to_encode(shape):
    for name in ("sherry", "stq1_0"):
        assert nf.decode(nf.encode(np.zeros(shape, np.float32), name)).shape == shape


def test_own_option_is_part_of_the_name():
    fmt = nf.get(KEPT_ZERO)
    assert isinstance(fmt, SherryFormat) and fmt.sign_of_zero == 0 and fmt.name == KEPT_ZERO


@pytest.mark.parametrize("name", ["sherry", "stq1_0"])
@pytest.mark.parametrize(
    "options",
    [
        {"rounding": "toward_zero"},
        {"nonfinite": "skip"},
        {"random": 1},
        {"scale_rule": "absmedian"},
        {"scales": np.ones(1, np.float32)},
        {"tensor_scale": 1.0},
    ],
)
def test_options_that_have_no_meaning_are_refused(name, options):
    with pytest.raises(ArgumentError):
        nf.encode(np.ones(256, np.float32), name, **options)


@pytest.mark.parametrize("name", ["sherry", "stq1_0"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(name, bad):
    x = np.ones(256, np.float32)
    x[5] = bad
    with pytest.raises(NaNError, match="element 5"):
        nf.encode(x, name)


def test_other_errors():
    with pytest.raises(ArgumentError, match="block must divide"):
        nf.encode(np.ones(100), "sherry")
    for spelled, why in (
        ("sherry(int8*binary32/8@absmean)", "ternary"),
        ("sherry(ternary*binary32/6@absmean)", "of 4"),
    ):
        with pytest.raises(FormatNameError, match=why):
            nf.get(spelled)
    with pytest.raises(FormatNameError, match="block 256"):
        nf.get("stq1(ternary*binary16/128)")


# ---- STQ1_0 --------------------------------------------------------------------------------------------------------


def stq1_decoded(data):
    """One block by the published struct: qs[32], sign[8], d; groups of stride 16."""
    d = np.frombuffer(bytes(data[40:42]), "<f2")[0]
    values = np.zeros(256, np.float32)
    for g in range(64):
        slot = data[g // 2] >> 4 * (g % 2) & 15
        pattern = STQ1_CODEBOOK[(data[32 + g // 8] >> g % 8 & 1) << 4 | slot]
        for p in range(4):
            values[g // 16 * 64 + g % 16 + 16 * p] = np.float32(d) * ((pattern >> 2 * p & 3) - 1)
    return values


def test_stq1_bytes_decode_as_the_published_struct_says(rng):
    data = rng.integers(0, 256, (7, 84), dtype=np.uint8)
    data[:, 41::42] &= 0x3B  # a finite d
    b = from_ggml(data, "stq1_0", (7, 512))
    wanted = [stq1_decoded(row[k : k + 42].tolist()) for row in data for k in (0, 42)]
    assert np.array_equal(nf.decode(b).reshape(-1, 256), wanted)
    assert np.array_equal(to_ggml(b), data)


def test_stq1_encoder_keeps_signs_and_the_largest_magnitude(rng):
    x = rng.normal(size=256).astype(np.float32)
    b = nf.encode(x, "stq1_0")
    assert b.scales.dtype == np.float16 and b.scales[0] == np.float16(np.abs(x).max())
    assert np.array_equal(stq1_decoded(to_ggml(b).tolist()), nf.decode(b))
    groups = b.codes.reshape(4, 4, 16)
    assert ((groups == 1).sum(1) == 1).all()
    kept = b.codes != 1
    assert np.array_equal(np.sign(x[kept]), b.codes[kept].astype(int) - 1)


def test_stq1_errors():
    with pytest.raises(FormatOverflowError, match="65520"):
        nf.encode(np.full(256, 65520.0), "stq1_0")
    assert nf.encode(np.full(256, 65519.0), "stq1_0").scales[0] == 65504
    with pytest.raises(ArgumentError, match="42 bytes"):
        from_ggml(bytes(41), "stq1_0", (256,))
    with pytest.raises(FormatMismatchError, match="ggml"):
        to_ggml(nf.encode(np.zeros(128), "sherry"))
    b = nf.encode(np.ones(256), "stq1_0")
    with pytest.raises(ArgumentError, match="exactly one zero"):
        to_ggml(nf.BlockEncoded(np.full(256, 2, np.uint8), b.scales, b.format))
