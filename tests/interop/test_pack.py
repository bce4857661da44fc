"""`pack` and `unpack` of value objects: against big integers, and against the packed tensors of other libraries."""

from __future__ import annotations

import time

import numpy as np
import pytest

import numfmt as nf
from numfmt.errors import ArgumentError, CodeRangeError, DTypeError, FormatMismatchError
from numfmt.interop import LAYOUTS, layouts_for, packed_size

RNG = np.random.default_rng(20)
X = RNG.standard_normal((4, 256)).astype(np.float32)


def random_codes(fmt, shape):
    words = RNG.integers(0, 1 << 63, shape, dtype=np.uint64) * np.uint64(2) + RNG.integers(0, 2, shape, dtype=np.uint64)
    return words if fmt.code_count == 1 << 64 else words % np.uint64(fmt.code_count)


def encoded_blocks():
    """(name, BlockEncoded) of every block format that encodes, blocks padded where the data does not fill them."""
    for name in nf.names(kind="block"):
        fmt = nf.get(name)
        x = X + 1j * X[::-1] if fmt.is_complex else X
        try:
            yield name, nf.encode(x, fmt, pad=True)
        except ArgumentError as err:
            assert "decode-only" in str(err), (name, err)


BLOCKS = dict(encoded_blocks())


@pytest.mark.parametrize("name", nf.names(kind="scalar"))
def test_default_layout_is_one_little_endian_integer_per_row(name):
    fmt = nf.get(name)
    e = nf.Encoded(random_codes(fmt, (3, 11)), fmt)
    packed = e.pack()
    assert packed.dtype == np.uint8 and packed.shape == (3, packed_size(11, fmt.bits))
    for row, codes in zip(packed, e.codes.tolist(), strict=True):
        whole = sum(code << (fmt.bits * i) for i, code in enumerate(codes))
        assert row.tobytes() == whole.to_bytes(len(row), "little")
    assert nf.unpack(packed, fmt, shape=(3, 11)).same_bits(e)
    assert nf.unpack(packed.tobytes(), name, shape=(3, 11)).same_bits(e)


@pytest.mark.parametrize(
    "name", ["fp4_e2m1", "nf4", "int4", "fp6_e2m3", "ternary", "fourth_roots", "int2", "fp8_e4m3fn"]
)
def test_every_suitable_layout_returns_the_codes(name):
    fmt = nf.get(name)
    e = nf.Encoded(random_codes(fmt, (2, 3, 64)), fmt)
    for layout in layouts_for(fmt):
        if layout == "sherry_5bit":
            continue  # takes four codes with exactly one zero, see below
        assert nf.unpack(e.pack(layout), fmt, layout=layout, shape=e.shape).same_bits(e), layout
    unsuitable = set(LAYOUTS) - set(layouts_for(fmt))
    for layout in unsuitable:
        with pytest.raises(ArgumentError, match=f"suitable: {', '.join(layouts_for(fmt))}"):
            e.pack(layout)
        with pytest.raises(ArgumentError, match="suitable"):
            nf.unpack(b"", fmt, layout=layout, shape=(0,))


def test_which_layouts_suit():
    assert layouts_for("int2") == ["bits"], "int2 has a fourth code"
    ternary = ["bits", "ternary_2bit", "ternary_base3", "ggml_trits", "sherry_5bit"]
    assert layouts_for("ternary") == layouts_for("ternary_absmean") == ternary
    assert layouts_for("fourth_roots") == ["bits", "fourth_roots"]
    assert layouts_for("q4_0")[0] == "ggml_blocks" and "ggml_blocks" not in layouts_for("mxfp4")
    assert layouts_for("binary64") == ["bits"]


def test_sherry_layout():
    e = nf.Encoded([[0, 1, 2, 2, 2, 2, 0, 1]], "ternary")
    assert nf.unpack(e.pack("sherry_5bit"), "ternary", layout="sherry_5bit", shape=(1, 8)).same_bits(e)


def unpacked(b, packed, layout=None):
    return nf.unpack(
        packed, b.format, layout=layout, shape=b.shape, axis=b.axis, scales=b.scales, tensor_scale=b.tensor_scale,
        zero_points=b.zero_points, offset=b.offset, sides=b.sides,
    )  # fmt: skip


@pytest.mark.parametrize("name", BLOCKS)
def test_every_block_format_of_the_catalog(name):
    b = BLOCKS[name]
    packed = b.pack("bits")
    assert packed.size == np.prod(b.codes.shape[:-1], dtype=int) * packed_size(b.codes.shape[-1], b.format.element.bits)
    assert unpacked(b, packed, "bits").same_bits(b)
    if "ggml_blocks" in layouts_for(b.format):
        whole = b.pack()
        assert 8 * whole.size == b.format.bits_per_element * b.codes.size
        assert nf.unpack(whole, b.format, shape=b.shape).same_bits(b)


@pytest.mark.parametrize("axis", [0, -1, 1, None])
@pytest.mark.parametrize("name", ["mxfp4", "nvfp4", "uint4_g32", "q8_0"])
def test_any_axis(name, axis):
    b = nf.encode(X[:, :40], name, axis=axis, pad=True)
    assert unpacked(b, b.pack("bits"), "bits").same_bits(b)
    if name == "q8_0" and axis != 0:
        assert nf.unpack(b.pack(), name, shape=b.shape, axis=axis).same_bits(b)
    if name == "q8_0" and axis == 0:
        with pytest.raises(ArgumentError, match="last axis"):
            b.pack()


@pytest.mark.parametrize("name", sorted(n for n in nf.names(kind="block") if layouts_for(n)[0] == "ggml_blocks"))
def test_bytes_of_ggml_blocks_come_back(name):
    fmt = nf.get(name)
    if name in BLOCKS:
        data = BLOCKS[name].pack()
        assert np.array_equal(nf.unpack(data, name, shape=X.shape).pack(), data)
        return
    size = int(fmt.bits_per_element * X.size) // 8  # decode-only: any bytes
    data = RNG.integers(0, 256, size, dtype=np.uint8)
    assert nf.unpack(data, name, shape=X.shape).pack().tobytes() == data.tobytes()


# ---- other libraries -------------------------------------------------------------------------------------------------


@pytest.mark.conformance
@pytest.mark.parametrize("name", ["q4_0", "q5_0", "q8_0", "tq1_0", "tq2_0"])
def test_gguf_bytes(name):
    gguf = pytest.importorskip("gguf")
    want = gguf.quants.quantize(X, gguf.GGMLQuantizationType[name.upper()])
    assert np.array_equal(nf.encode(X, name).pack(), want)


@pytest.mark.conformance
def test_torch_float4_bytes():
    torch = pytest.importorskip("torch")
    e = nf.Encoded(np.arange(16, dtype=np.uint8), "fp4_e2m1")
    tensor = torch.from_numpy(e.pack("fp4x2")).view(torch.float4_e2m1fn_x2)
    assert nf.interop.from_torch(tensor).same_bits(e)


@pytest.mark.conformance
def test_torchao_mxfp4_bytes():
    torch = pytest.importorskip("torch")
    mx = pytest.importorskip("torchao.prototype.mx_formats.mx_tensor")
    scale, data = mx.to_mx(torch.from_numpy(X), torch.float4_e2m1fn_x2, 32)
    b = nf.encode(X, "mxfp4")
    assert np.array_equal(b.scales, scale.view(torch.uint8).numpy())
    assert np.array_equal(b.pack("fp4x2"), data.view(torch.uint8).numpy())


@pytest.mark.conformance
def test_bitsandbytes_nf4_bytes():
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("bitsandbytes.functional")
    packed, state = functional.quantize_4bit(torch.from_numpy(X), blocksize=64, quant_type="nf4")
    b = nf.encode(X, "nf4_b64")
    assert np.array_equal(b.scales, state.absmax.numpy())
    assert np.array_equal(b.pack("bitsandbytes").reshape(-1), packed.numpy().reshape(-1))


# ---- refusals --------------------------------------------------------------------------------------------------------

PACKED = nf.encode(X, "mxfp4").pack("fp4x2")
SCALES = nf.encode(X, "mxfp4").scales


def unpack_mxfp4(data=PACKED, layout="fp4x2", shape=(4, 256), scales=SCALES, **more):
    return nf.unpack(data, "mxfp4", layout=layout, shape=shape, scales=scales, **more)


@pytest.mark.parametrize(
    "error, words, call",
    [
        (ArgumentError, "512 bytes, .*it is truncated", lambda: unpack_mxfp4(PACKED[:, :-1])),
        (ArgumentError, "it is truncated", lambda: unpack_mxfp4(PACKED.tobytes()[:-1])),
        (ArgumentError, "it is oversized", lambda: unpack_mxfp4(PACKED.tobytes() + b"\0")),
        (ArgumentError, "of another shape", lambda: unpack_mxfp4(PACKED.reshape(2, 256))),
        (ArgumentError, "it is truncated", lambda: unpack_mxfp4(shape=(1 << 20, 1 << 20))),
        (ArgumentError, "it is truncated", lambda: nf.unpack(b"", "binary", shape=(1 << 50,))),
        (ArgumentError, "larger than any memory", lambda: unpack_mxfp4(shape=(1 << 62, 32))),
        (ArgumentError, "larger than any memory", lambda: unpack_mxfp4(b"", shape=(0, 1 << 62))),
        (ArgumentError, "1 to 32 axes", lambda: unpack_mxfp4(shape=(1,) * 40)),
        (ArgumentError, "length 0 or more", lambda: unpack_mxfp4(shape=(-4, 256))),
        (ArgumentError, "tuple of integers", lambda: unpack_mxfp4(shape=(4.0, 256))),
        (ArgumentError, "scales are needed", lambda: unpack_mxfp4(scales=None)),
        (ArgumentError, "scales must have shape", lambda: unpack_mxfp4(scales=SCALES[:, 1:])),
        (ArgumentError, "has no tensor scale", lambda: unpack_mxfp4(tensor_scale=1.0)),
        (ArgumentError, "layout must be one of", lambda: unpack_mxfp4(layout="zip")),
        (ArgumentError, "suitable: bits, fp4x2", lambda: unpack_mxfp4(layout="ternary_2bit")),
        (ArgumentError, "'ggml_blocks' does not hold", lambda: unpack_mxfp4(layout="ggml_blocks")),
        (DTypeError, "uint8", lambda: unpack_mxfp4(PACKED.astype(np.int16))),
        (ArgumentError, "scales is for block formats", lambda: nf.unpack(b"\0", "int8", shape=(1,), scales=1)),
        (ArgumentError, "axis is for block formats", lambda: nf.unpack(b"\0", "int8", shape=(1,), axis=0)),
        (ArgumentError, "scales is part of the bytes", lambda: nf.unpack(b"", "q4_0", shape=(32,), scales=1)),
        (ArgumentError, "18 bytes", lambda: nf.unpack(bytes(17), "q4_0", shape=(32,))),
        (CodeRangeError, "must be in", lambda: nf.unpack(b"\xff", "ternary", shape=(4,))),
        (ArgumentError, "never produces", lambda: nf.unpack(b"\xff", "ternary", layout="ternary_base3", shape=(5,))),
        (ArgumentError, "bits set after the last", lambda: nf.unpack(b"\xff", "int4", shape=(1,))),
        (ArgumentError, "a scalar", lambda: nf.encode(1.0, "int8").pack()),
        (ArgumentError, "suitable: bits, fp4x2", lambda: nf.encode(X, "int4").pack("ternary_base3")),
        (FormatMismatchError, "format name or a Format", lambda: nf.unpack(b"", 3, shape=(0,))),
    ],
)
def test_refusals_are_quick(error, words, call):
    start = time.monotonic()
    with pytest.raises(error, match=words):
        call()
    assert time.monotonic() - start < 0.5


def test_swizzle_is_exported():
    scales = SCALES.repeat(32, axis=0)
    assert np.array_equal(nf.unswizzle(nf.swizzle(scales), scales.shape), scales)
