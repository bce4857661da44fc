"""ggml's block types as block formats: bits as the oracle and gguf-py have them, bytes and back."""

import pickle
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import numfmt as nf
from numfmt import reference
from numfmt.errors import (
    ArgumentError,
    CodeRangeError,
    DTypeError,
    FormatMismatchError,
    FormatNameError,
    FormatOverflowError,
    NaNError,
)
from numfmt.formats.ggml import GGML_FORMATS
from numfmt.interop.ggml import ggml_type, ggml_types
from numfmt.interop.ggml_blocks import from_ggml, to_ggml

ENCODED = tuple(label for label, row in GGML_FORMATS.items() if row.can_encode)
DECODE_ONLY = tuple(label for label, row in GGML_FORMATS.items() if not row.can_encode)


def part_bits(part):
    array = np.ascontiguousarray(part).reshape(-1)
    return (array.view(f"u{array.dtype.itemsize}") if array.dtype.kind in "fi" else array).tolist()


def rounded(value, dtype):
    """The oracle's exact value in a NumPy float, rounded once."""
    name = {2: "binary16", 4: "binary32", 8: "binary64"}[np.dtype(dtype).itemsize]
    code = reference.encode(value, name, "nearest_even", "nonsaturating")
    return np.array(code, f"u{np.dtype(dtype).itemsize}").view(dtype)


def assert_like_the_oracle(x, fmt, **where):
    b = nf.encode(x, fmt, **where)
    where.pop("pad", None)
    wanted = reference.encode_tensor(x.reshape(-1).tolist(), x.shape, fmt, **where)
    assert {name: part_bits(part) for name, part in b.parts().items()} == wanted.parts
    for dtype in (np.float32, np.float64):
        values = np.array([rounded(v, dtype) for v in wanted.values])
        assert nf.decode(b, dtype=dtype).tobytes() == values.tobytes()
    return b


@pytest.fixture
def rng():
    return np.random.default_rng(44)


def block_size(label):
    return ggml_type(GGML_FORMATS[label].type_name).block


def samples(rng, size):
    """Blocks where rules switch: signs, ties, zeros of both signs, tiny and large numbers, a lone maximum."""
    signs = np.where(rng.integers(0, 2, size) == 1, 1, -1)
    yield rng.normal(size=size)
    yield rng.normal(size=size) * 2.0 ** rng.uniform(-30, 10, size)
    yield np.zeros(size)
    yield np.full(size, -0.0)
    yield np.linspace(-8, 8, size)  # halves of the scale
    yield signs * 1.0
    yield rng.integers(-15, 16, size) / 2
    yield np.abs(rng.normal(size=size)) + 1
    yield signs * 2.0**-140  # a scale that vanishes in binary16
    yield signs * 3e-8
    yield rng.uniform(-6e4, 6e4, size)


@pytest.mark.parametrize("label", ENCODED)
def test_every_bit_is_the_oracle_s(rng, label):
    size = block_size(label)
    x = np.array(list(samples(rng, size)), np.float32)
    assert_like_the_oracle(x, label)
    assert_like_the_oracle(np.ascontiguousarray(x[:2].T), label, axis=0)
    assert_like_the_oracle(x[:1, : size - 3].copy(), label, pad=True)


@pytest.mark.parametrize("label", ENCODED)
def test_binary64_input_is_rounded_to_binary32_first(rng, label):
    x = rng.normal(size=(2, block_size(label)))
    assert nf.encode(x, label).same_bits(nf.encode(x.astype(np.float32), label))
    assert_like_the_oracle(x, label)
    y = nf.quantize(x, label)
    assert y.dtype == np.float64 and y.tobytes() == nf.decode(nf.encode(x, label), dtype=np.float64).tobytes()


@pytest.mark.parametrize("label", ENCODED)
def test_bytes_are_gguf_py_s(rng, label):
    quants = pytest.importorskip("gguf.quants")
    constants = pytest.importorskip("gguf.constants")
    size = block_size(label)
    x = np.concatenate([*samples(rng, size)] * 2 + [rng.normal(size=50 * size)]).astype(np.float32).reshape(2, -1)
    # Known deviations (numfmt.interop.ggml.DEVIATIONS): overflowing reciprocals, and E8M0 below 2**-127.
    x[np.abs(x) < 2.0**-100] = 0
    kind = getattr(constants.GGMLQuantizationType, GGML_FORMATS[label].type_name)
    data = to_ggml(nf.encode(x, label))
    if label in ("q4_1", "q5_1"):
        x = x + np.float32(0)  # the sign of a zero minimum is another one
        data = to_ggml(nf.encode(x, label))
    assert data.tobytes() == quants.quantize(x, kind).tobytes()
    assert nf.decode(from_ggml(data, label, x.shape)).tobytes() == quants.dequantize(data, kind).tobytes()


@pytest.mark.parametrize("label", GGML_FORMATS)
def test_random_bytes_decode_as_in_gguf_py(rng, label):
    """Every type, also those without an encoder. Scales are kept finite: NumPy's NaN bits are no one's promise."""
    quants = pytest.importorskip("gguf.quants")
    constants = pytest.importorskip("gguf.constants")
    kind = ggml_type(GGML_FORMATS[label].type_name)
    parts = kind.unpack(rng.integers(0, 256, (3, 40 * kind.block_bytes), dtype=np.uint8))
    for name in ("scales", "minimums"):
        if name in parts and parts[name].dtype == np.float16:
            parts[name] = rng.normal(size=parts[name].shape).astype(np.float16)
    if label == "mxfp4_ggml":
        parts["scales"] %= 250
    data = kind.pack(parts)
    b = from_ggml(data, label, (3, 40 * kind.block))
    assert to_ggml(b).tobytes() == data.tobytes()
    theirs = quants.dequantize(data, getattr(constants.GGMLQuantizationType, kind.name))
    assert nf.decode(b).tobytes() == theirs.tobytes() == kind.decode(data).tobytes()


@pytest.mark.parametrize("label", GGML_FORMATS)
def test_decoding_to_binary64_rounds_nothing(rng, label):
    """Against Python's fractions, from the parts."""
    kind = ggml_type(GGML_FORMATS[label].type_name)
    data = rng.integers(0, 256, kind.block_bytes, dtype=np.uint8)
    parts = kind.unpack(data)
    for name in ("scales", "minimums"):
        if name in parts and parts[name].dtype == np.float16:
            parts[name] = (rng.normal(size=parts[name].shape) * 1000).astype(np.float16)
    b = from_ggml(kind.pack(parts), label, (kind.block,))
    values = nf.decode(b, dtype=np.float64)
    fmt = nf.get(label)
    subs = {name: part.reshape(-1).tolist() for name, part in b.sides.items()}
    scales = b.scale_values.reshape(-1).tolist()
    for i in range(kind.block):
        scale = Fraction(scales[i * len(scales) // kind.block])
        if "sub_scales" in subs:
            scale *= subs["sub_scales"][i * len(subs["sub_scales"]) // kind.block]
        offset = Fraction(subs["minimums"][0]) if "minimums" in subs else Fraction(0)
        if "sub_minimums" in subs:
            offset *= -subs["sub_minimums"][i // 32]
        assert Fraction(values[i]) == scale * fmt.element.value_of(int(b.codes[i])).value + offset


@pytest.mark.parametrize("label", GGML_FORMATS)
def test_the_table_agrees_with_the_layouts(label):
    fmt, row = nf.get(label), GGML_FORMATS[label]
    kind = ggml_type(row.type_name)
    assert fmt.bits_per_element == kind.bits_per_element
    assert kind.block % fmt.block == 0 and kind.block_bytes == row.block_bytes * (kind.block // fmt.block)
    assert kind.can_encode is row.can_encode
    assert fmt.name == label and nf.get(label) is fmt and nf.get(fmt.name) == fmt


def test_every_layout_has_a_format():
    assert {row.type_name for row in GGML_FORMATS.values()} == {kind.name for kind in ggml_types()}


@pytest.mark.parametrize("axis", [0, 1, None])
def test_only_the_axis_can_be_chosen(axis):
    fmt = replace(nf.get("q4_0"), axis=axis)
    assert nf.get(fmt.name) == fmt
    assert pickle.loads(pickle.dumps(fmt)) == fmt
    for change in ({"block": 64}, {"element": nf.get("int4")}, {"rule": "absmax"}, {"nonfinite": "skip"}):
        with pytest.raises(ArgumentError, match="only axis"):
            replace(fmt, **change)


@pytest.mark.parametrize("label", ENCODED)
def test_flat_padded_and_pickled(rng, label):
    size = block_size(label)
    x = rng.normal(size=(3, size + 5)).astype(np.float32)
    padded = nf.encode(x, label, pad=True)
    assert pickle.loads(pickle.dumps(padded)).same_bits(padded)
    data = to_ggml(padded)
    assert data.shape == (3, 2 * ggml_type(GGML_FORMATS[label].type_name).block_bytes)
    assert from_ggml(data, label, x.shape).same_bits(padded)
    assert from_ggml(data.tobytes(), label, x.shape).same_bits(padded)
    flat = nf.encode(x, f"{label};axis=flat", pad=True)
    assert from_ggml(to_ggml(flat), flat.format, x.shape).same_bits(flat)


def test_ggml_s_own_names_mean_its_types():
    b = nf.encode(np.arange(32, dtype=np.float32), "mxfp4_ggml")
    for name in ("MXFP4", "mxfp4", "mxfp4_ggml", b.format):
        assert from_ggml(to_ggml(b), name, (32,)).same_bits(b)


def test_every_nvfp4_scale_byte():
    """ggml reads 0x7F as 0 and ignores bit 7 otherwise: 0xFF is 480."""
    kind = ggml_type("NVFP4")
    scales = np.arange(256, dtype=np.uint8).reshape(64, 4)
    data = kind.pack({"codes": np.full((64, 64), 7, np.uint8), "scales": scales})
    b = from_ggml(data, "nvfp4_ggml", 64 * 64)
    assert nf.decode(b).tobytes() == kind.decode(data).tobytes()
    assert b.scale_values[[0x38, 0x7F, 0xFF, 0x80]].tolist() == [1, 0, 480, 0]


def test_mxfp4_differs_from_ocp_in_ties_and_zeros():
    x = np.zeros(32, np.float32)
    x[:4] = [6, 5, -5, -0.2]  # 5 lies halfway between 4 and 6; OCP's ties go to the even code, which is 4's, too
    x[4:6] = [2.5, -0.25]
    ocp, ggml = nf.encode(x, "mxfp4"), nf.encode(x, "mxfp4_ggml")
    assert ggml.scales.tolist() == ocp.scales.tolist() == [127]
    assert ggml.codes[:6].tolist() == [7, 6, 14, 0, 4, 0]
    assert ocp.codes[:6].tolist() == [7, 6, 14, 8, 4, 8]


def test_published_examples():
    """Q8_0 of ones decodes to 0.99993896: codes come from the unrounded scale (formats 9.6, run with gguf-py)."""
    b = nf.encode(np.ones(32, np.float32), "q8_0")
    assert b.codes.tolist() == [127] * 32 and nf.decode(b)[0] == np.float32(0.99993896)
    b = nf.encode(np.arange(-16, 16, dtype=np.float32), "q4_0")
    assert b.scales[0] == 2 and b.codes[0] == 0  # the element of largest magnitude has code 0


@pytest.mark.parametrize("label", DECODE_ONLY)
def test_types_that_ggml_searches_for_are_decode_only(label):
    with pytest.raises(ArgumentError, match="decode-only"):
        nf.encode(np.zeros(256, np.float32), label)


@pytest.mark.parametrize("label", ENCODED)
def test_bad_numbers(label):
    size = block_size(label)
    x = np.ones(size)
    for bad, error in ((np.nan, NaNError), (np.inf, NaNError), (1e39, FormatOverflowError)):
        x[3] = bad
        with pytest.raises(error):
            nf.encode(x, label)
    if GGML_FORMATS[label].scale == "binary16":
        x[3] = 1e38
        with pytest.raises(FormatOverflowError, match="65504"):
            nf.encode(x, label)
    for options in ({"rounding": "toward_zero"}, {"random": 3}, {"scale_rule": "absmean"}, {"nan": "zero"}):
        with pytest.raises(ArgumentError):
            nf.encode(np.ones(size), label, **options)
    with pytest.raises(ArgumentError, match="block must divide"):
        nf.encode(np.ones(size + 1), label)


def test_bad_bytes_and_parts():
    for data, shape, why in (
        (bytes(17), (32,), "18 bytes"),
        (bytes(36), (32,), "18 bytes"),
        (bytes(18), (10**12,), "data must be"),
        (bytes(18), "a", "tuple of integers"),
        (bytes(18), (-32,), "length 0 or more"),
        (bytes(36), (80,), "data must be"),
    ):
        with pytest.raises(ArgumentError, match=why):
            from_ggml(data, "q4_0", shape)
    with pytest.raises(ArgumentError, match="multiple of 64"):
        from_ggml(bytes(36), "nvfp4_ggml", (16,))
    with pytest.raises(DTypeError, match="uint8"):
        from_ggml(np.zeros(18, np.int8), "q4_0", (32,))
    with pytest.raises(FormatMismatchError, match="block type of ggml"):
        from_ggml(bytes(18), "mxint8", (32,))
    with pytest.raises(FormatNameError):
        from_ggml(bytes(18), "q9_9", (32,))
    with pytest.raises(FormatMismatchError, match="mxfp4"):
        to_ggml(nf.encode(np.zeros(32), "mxfp4"))
    with pytest.raises(ArgumentError, match="last axis"):
        to_ggml(nf.encode(np.zeros((32, 4)), "q4_0", axis=0))
    with pytest.raises(ArgumentError, match="multiple of the 64"):
        to_ggml(nf.BlockEncoded(np.zeros(16, np.uint8), np.zeros(1, np.uint8), "nvfp4_ggml"))
    b = nf.encode(np.ones(32), "q4_1")
    bare = nf.BlockEncoded(b.codes, b.scales, "q4_1")
    with pytest.raises(ArgumentError, match="minimums"):
        nf.decode(bare)
    with pytest.raises(ArgumentError, match="minimums"):
        to_ggml(bare)
    with pytest.raises(ArgumentError, match="float16"):
        nf.decode(nf.BlockEncoded(b.codes, b.scales, "q4_1", sides={"minimums": np.zeros(1, np.float32)}))
    with pytest.raises(CodeRangeError):
        nf.BlockEncoded(np.full(32, 16, np.uint8), b.scales, "q4_1")
