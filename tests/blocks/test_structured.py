"""Block formats with structure inside the block: names, storage, the oracle, errors. One more test file per idea."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

import numfmt as nf
from numfmt.errors import ArgumentError, FormatNameError, NaNError
from numfmt.reference import encode_tensor

NAMES = [
    "mxfp4_plus", "mxfp6_e2m3_plus", "mxfp6_e3m2_plus", "mxfp8_e4m3_plus", "mx9", "mx6", "mx4", "bfp16_amd_compiler",
    "bfp8_b", "bfp4_b", "bfp2_b", "bitmod3", "bitmod4", "if4", "qoq_int4_g128", "dgq_int4_g128",
]  # fmt: skip
#: Bits per element with everything a block stores; the channel scales of qoq and dgq are not counted.
BITS = {
    "mxfp4_plus": 4 + 16 / 32, "mxfp6_e2m3_plus": 6.5, "mxfp6_e3m2_plus": 6.5, "mxfp8_e4m3_plus": 8.5,
    "mx9": 9, "mx6": 6, "mx4": 4, "bfp16_amd_compiler": 9, "bfp8_b": 8.5, "bfp4_b": 4.5, "bfp2_b": 2.5,
    "bitmod3": 3 + 18 / 128, "bitmod4": 4 + 18 / 128, "if4": 4.5,
    "qoq_int4_g128": 4 + 12 / 128, "dgq_int4_g128": 4 + 12 / 128,
}  # fmt: skip


def bits_of(part):
    part = np.ascontiguousarray(part).reshape(-1)
    return (part.view(f"u{part.itemsize}") if part.dtype.kind == "f" else part).tolist()


def agree(x, fmt, **options):
    """Every stored bit and every binary64 value of `x` against the oracle."""
    b = nf.encode(x, fmt, **options)
    wanted = encode_tensor([float(v) for v in x.reshape(-1)], x.shape, nf.get(fmt), **options)
    assert {name: bits_of(part) for name, part in b.parts().items()} == wanted.parts
    values = nf.decode(b, dtype=np.float64).reshape(-1)
    for got, value in zip(values.tolist(), wanted.values, strict=True):
        same = got != got if value != value else (got, np.signbit(got)) == (float(value), np.signbit(float(value)))
        assert same, (got, value)
    return b


def rows(seed, size, dtype=np.float32):
    """Rows that are hard on block formats: outliers, tiny elements, halves, powers of two and their neighbours."""
    rng = np.random.default_rng(seed)
    x = [
        rng.normal(size=size),
        rng.normal(size=size) * 2.0 ** rng.integers(-18, 18, size),
        rng.integers(-9, 10, size) / 2,
    ]
    x += [
        rng.normal(size=size) * 2.0**-126,
        rng.integers(-255, 256, size) / 2,
        np.ldexp(1.0, rng.integers(-6, 6, size)),
    ]
    x = np.array(x).astype(dtype)
    return np.concatenate([x, np.nextafter(x[-1:], np.inf).astype(dtype), np.nextafter(x[-1:], -np.inf).astype(dtype)])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_and_values_are_those_of_the_oracle(name, dtype):
    size = 128 if "bitmod" in name else 96
    for seed in range(3):
        agree(rows(seed, size, dtype), name)
    agree(np.array([[0.0] * size, [-0.0] * size, [1.0] + [0.0] * (size - 1)], dtype), name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rounding", ["toward_zero", "toward_negative", "nearest_away"])
def test_roundings_of_the_elements(name, rounding):
    from numfmt.reference import BlockOptions

    x = rows(9, 128)[:4]
    b = nf.encode(x, name, rounding=rounding)
    wanted = encode_tensor(
        [float(v) for v in x.reshape(-1)], x.shape, nf.get(name), options=BlockOptions(rounding=rounding)
    )
    assert {key: bits_of(part) for key, part in b.parts().items()} == wanted.parts


@pytest.mark.parametrize("name", NAMES)
def test_name_storage_and_copies(name):
    fmt = nf.get(name)
    assert nf.get(fmt.name) == fmt and fmt.name == name
    assert nf.get(fmt.spelled_name) is fmt
    assert fmt != nf.BlockFormat(fmt.element, fmt.scale, fmt.block, fmt.rule, fmt.tensor_scale)
    assert fmt.bits_per_element == BITS[name]
    skip = replace(fmt, nonfinite="skip")
    assert nf.get(skip.name) == skip
    b = nf.encode(rows(1, 128), fmt)
    assert pickle.loads(pickle.dumps(b)).same_bits(b) and b.copy().same_bits(b)
    assert nf.quantize(rows(1, 128), fmt).tobytes() == nf.decode(b).tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_blocks_lie_along_any_axis(name):
    x = rows(2, 128)
    b, turned = nf.encode(x, name), nf.encode(np.ascontiguousarray(x.T), name, axis=0)
    assert np.asarray(turned).T.tobytes(order="C") == np.asarray(b).tobytes()
    for key, side in b.sides.items():
        assert np.moveaxis(turned.sides[key], 0, 1).tobytes() == side.tobytes()
    if nf.get(name).tensor_scale is None:
        assert nf.encode(x[2:5], name).same_bits(b[2:5])


@pytest.mark.parametrize("name", NAMES)
def test_nan_and_infinity(name):
    fmt = nf.get(name)
    x = rows(3, 128)
    x[1, 3], x[2, 5] = np.nan, -np.inf
    if fmt.nonfinite == "raise":
        with pytest.raises(NaNError, match="element 3 of block"):
            nf.encode(x, name)
    else:
        bad = np.isnan(agree(x, name).__array__()).reshape(8, -1, fmt.block_size)
        assert (bad.any(2) == bad.all(2)).all() and bad.sum() == 2 * fmt.block_size
    x[1, 3] = 2.0
    b = nf.encode(x, name, nonfinite="skip")
    agree(x, replace(fmt, nonfinite="skip"))
    assert nf.decode(b)[2, 5] < 0 and np.isfinite(nf.decode(b)).all()


@pytest.mark.parametrize("name", NAMES)
def test_extremes_of_binary64_and_empty_arrays(name):
    for x in (np.full(128, 1.7e308), np.full(128, 5e-324), -np.full(128, 2.0**-140)):
        b = nf.encode(x, name)
        assert np.isfinite(nf.decode(b, dtype=np.float64)).all()
    assert nf.encode(np.zeros((0, 128)), name).shape == (0, 128)
    assert nf.decode(nf.encode(np.zeros((3, 0)), name)).shape == (3, 0)


@pytest.mark.parametrize("name", [n for n in NAMES if nf.get(n).block is not None])
def test_padding_of_the_last_block(name):
    b = nf.encode(rows(4, 128)[:, :100], name, pad=True)
    whole = rows(4, 128)
    whole[:, 100:] = 0
    assert np.array_equal(nf.decode(b), nf.decode(nf.encode(whole, name))[:, :100])


@pytest.mark.parametrize("name", NAMES)
def test_given_scales_are_refused_where_a_block_stores_more(name):
    b = nf.encode(rows(5, 128), name)
    with pytest.raises(ArgumentError, match="scales cannot be given"):
        nf.encode(rows(5, 128), name, scales=b.scales)


@pytest.mark.parametrize("name", [n for n in NAMES if nf.encode(np.ones(128), n).sides])
def test_side_data_is_checked_before_use(name):
    b = nf.encode(rows(6, 128), name)
    kept = {"axis": b.axis, "shape": b.shape, "tensor_scale": b.tensor_scale}
    with pytest.raises(ArgumentError, match="needs sides"):
        nf.decode(nf.BlockEncoded(b.codes, b.scales, b.format, **kept))
    wide = {key: side.astype(np.int64) for key, side in b.sides.items()}
    with pytest.raises(ArgumentError, match="must be uint8"):
        nf.decode(nf.BlockEncoded(b.codes, b.scales, b.format, sides=wide, **kept))


@pytest.mark.parametrize(
    "spelled, message",
    [
        ("mx_plus(fp4_e2m1*ufp8_e8m0/32@rceil)", "rule='floor'"),
        ("mx_plus(int8*ufp8_e8m0/32)", "a float element"),
        ("mx_plus(fp4_e2m1*binary32/32)", "exponent-only scale|rule"),
        ("mx_plus(fp4_e2m1*ufp8_e8m0/512)", "at most 255"),
        ("mx_plus(mxfp4_plus)", "wraps a plain block format"),
        ("micro_exponents(int8_f6_sm*ufp8_e8m0/16);pair=3", "`pair` divides"),
        ("micro_exponents(int8_f6_sm*ufp8_e8m0/16);half=3", "no option"),
        ("micro_exponents(int8_f6_sm*ufp8_e8m0/16);flush_subnormals=maybe", "true or false"),
        ("micro_exponents(int8_f6*ufp8_e8m0/16)", "sign-magnitude"),
        ("carry(fp4_e2m1*ufp8_e8m0/16)", "integer element"),
        ("tenstorrent(int8_sm*ufp8_e8m0/16)", "fraction bits"),
        ("bitmod(nf4*binary16/128)", "bitmod_fp3 or bitmod_fp4"),
        ("if4(fp4_e2m1*binary32/16)", "fp8_e4m3fn"),
        ("qoq(uint4*binary16/axis)", "absmax_119"),
        ("qoq(uint4*binary16/128@absmax_119)", "whole axis"),
        ("dgq(uint8*binary16/axis)", "uint4"),
    ],
)
def test_names_of_formats_that_make_no_sense(spelled, message):
    with pytest.raises(FormatNameError, match=message):
        nf.get(spelled)


@pytest.mark.parametrize("name", ["mxfp4_plus", "mx9", "bfp8_b", "bitmod3", "if4", "qoq_int4_g128"])
def test_another_scale_rule_is_refused(name):
    with pytest.raises(ArgumentError, match="need rule="):
        nf.encode(np.ones(128), name, scale_rule="ceil" if nf.get(name).power_of_two_scale else "absmean")
