"""Byte layouts against slow big-integer packers written from each layout's description, and against other libraries."""

from __future__ import annotations

import itertools
from fractions import Fraction
from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numfmt.errors import ArgumentError, CodeRangeError, DTypeError
from numfmt.interop import (
    LAYOUTS,
    get_layout,
    pack_codes,
    pack_tq1_0,
    packed_size,
    swizzle,
    unpack_codes,
    unpack_tq1_0,
    unswizzle,
)

# --- The slow packers -------------------------------------------------------------------------------------------------


def _plane_bit(e, b):
    # torchao's triton_pack_uint6_kernel on rows of 32: three planes of eight bytes.
    block, quad, k = e // 32, e % 32 // 4, e % 4
    if b >= 2:
        return 8 * (24 * block + 8 * (k // 2) + quad) + (b - 2) + (4 if k % 2 == 0 else 0)
    return 8 * (24 * block + 16 + quad) + (6 - 2 * k) + b


def _halves_bit(block):
    half = block // 2
    return lambda e, b: 8 * (half * (e // block) + e % block % half) + b + (4 if e % block >= half else 0)


#: Where bit b of element e goes, as a bit of the row's little-endian integer.
BIT = {
    "fp4x2": lambda e, b: 4 * e + b,
    "bitsandbytes": lambda e, b: 8 * (e // 2) + b + (0 if e % 2 else 4),
    "ggml": _halves_bit(32),
    "ggml16": _halves_bit(16),
    "fp6_4in3": lambda e, b: 6 * e + b,
    "fp6_4p2": _plane_bit,
    "ternary_2bit": lambda e, b: 2 * e + b,
    "fourth_roots": lambda e, b: 2 * e + b,
}


def _sherry_pattern(trits):
    signs = [t - 1 for t in trits]
    zero = signs.index(0)
    first, second, third = [s for s in signs if s]
    return (first < 0) << 4 | zero << 2 | (third != first) << 1 | (second != first)


def slow_pack(row, bits, layout):
    if layout in ("ternary_base3", "ggml_trits"):
        values = []
        for at in range(0, len(row), 5):
            digits = (list(row[at : at + 5]) + [0] * 4)[:5]
            value = sum(d * 3 ** (4 - k) for k, d in enumerate(digits))
            values.append(value if layout == "ternary_base3" else ceil(Fraction(256 * value, 243)))
        return bytes(values)
    if layout == "sherry_5bit":
        row = [_sherry_pattern(row[at : at + 4]) for at in range(0, len(row), 4)]
        layout, bits = "bits", 5
    position = BIT.get(layout, lambda e, b: bits * e + b)
    integer = sum((code >> b & 1) << position(e, b) for e, code in enumerate(row) for b in range(bits))
    return integer.to_bytes((bits * len(row) + 7) // 8, "little")


def reference(rows, bits, layout):
    packed = [slow_pack([int(c) for c in row], bits, layout) for row in rows]
    return np.array([list(p) for p in packed], np.uint8).reshape(len(rows), -1)


CASES = [("bits", bits) for bits in range(1, 65)] + [(n, lay.bits) for n, lay in LAYOUTS.items() if lay.bits]


def random_codes(rng, shape, layout, bits):
    if layout == "sherry_5bit":
        codes = rng.choice([0, 2], shape).astype(np.uint8)
        groups = codes.reshape(-1, 4)
        groups[np.arange(len(groups)), rng.integers(0, 4, len(groups))] = 1
        return codes
    limit = LAYOUTS[layout].code_count or 1 << bits
    return rng.integers(0, limit, shape, dtype=np.uint64).astype(np.min_scalar_type((1 << bits) - 1))


@pytest.mark.parametrize("layout, bits", CASES)
def test_packing_equals_the_slow_packer(layout, bits):
    rng = np.random.default_rng(bits)
    step = LAYOUTS[layout].multiple
    for count in [step * n for n in (0, 1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 31, 40)]:
        codes = random_codes(rng, (3, count), layout, bits)
        packed = pack_codes(codes, bits, layout)
        assert packed.dtype == np.uint8 and packed.flags.c_contiguous
        assert packed.shape == (3, packed_size(count, bits, layout))
        assert np.array_equal(packed, reference(codes, bits, layout))
        back = unpack_codes(packed, bits, layout, count=count)
        assert back.dtype == codes.dtype and back.flags.c_contiguous and np.array_equal(back, codes)


@pytest.mark.parametrize("layout, bits", [case for case in CASES if case[0] != "sherry_5bit"])
def test_extreme_rows(layout, bits):
    limit, count = LAYOUTS[layout].code_count or 1 << bits, 3 * LAYOUTS[layout].multiple + 5
    count -= count % LAYOUTS[layout].multiple
    rows = [[limit - 1] * count, [0] * count, [limit - 1, 0] * (count // 2) + [0] * (count % 2)]
    rows += [[int(e == one) * (limit - 1) for e in range(count)] for one in (0, 1, count - 1)]
    codes = np.array(rows, np.uint64 if bits == 64 else np.int64)
    packed = pack_codes(codes, bits, layout)
    assert np.array_equal(packed, reference(codes, bits, layout))
    assert np.array_equal(unpack_codes(packed, bits, layout, count=count), codes)


@given(data=st.data(), layout=st.sampled_from([n for n in LAYOUTS if n != "sherry_5bit"]), width=st.integers(1, 64))
def test_round_trip(data, layout, width):
    bits = LAYOUTS[layout].bits or width
    limit = LAYOUTS[layout].code_count or 1 << bits
    count = LAYOUTS[layout].multiple * data.draw(st.integers(0, 12))
    row = data.draw(st.lists(st.integers(0, limit - 1), min_size=count, max_size=count))
    codes = np.array(row, np.uint64)
    packed = pack_codes(codes, bits, layout)
    assert packed.tobytes() == slow_pack(row, bits, layout)
    assert unpack_codes(packed.tobytes(), bits, layout, count=count).tolist() == row


@given(st.lists(st.tuples(st.integers(0, 3), *[st.sampled_from([0, 2])] * 3), max_size=20))
def test_sherry_round_trip(groups):
    row = [t for zero, *kept in groups for t in kept[:zero] + [1] + kept[zero:]]
    packed = pack_codes(np.array(row, np.uint8), 2, "sherry_5bit")
    assert packed.tobytes() == slow_pack(row, 2, "sherry_5bit")
    assert unpack_codes(packed, 2, "sherry_5bit", count=len(row)).tolist() == row


@pytest.mark.parametrize("layout, bits", [("bits", 3), ("bits", 4), ("bits", 8), ("bits", 16), ("ggml", 4)])
def test_memory_layouts_dtypes_and_shapes(layout, bits):
    codes = random_codes(np.random.default_rng(1), (4, 3, 64), layout, bits)
    wanted = reference(codes.reshape(12, 64), bits, layout).reshape(4, 3, -1)
    for same in (
        np.asfortranarray(codes),
        codes.astype(np.int64),
        codes.astype(">u4"),
        np.repeat(codes, 2, axis=-1)[..., ::2],
        codes[..., ::-1].copy()[..., ::-1],
        codes.tolist(),
    ):
        before = np.array(same)
        packed = pack_codes(same, bits, layout)
        assert np.array_equal(packed, wanted)
        assert np.array_equal(np.array(same), before)
        assert not np.shares_memory(packed, codes)
    for data in (np.asfortranarray(wanted), np.repeat(wanted, 3, axis=-1)[..., ::3]):
        unpacked = unpack_codes(data, bits, layout, count=64)
        assert np.array_equal(unpacked, codes) and not np.shares_memory(unpacked, data)


def test_large_rows_cross_the_chunks():
    rng = np.random.default_rng(2)
    for layout, bits in [("bits", 2), ("bits", 3), ("bits", 4), ("bitsandbytes", 4)]:
        codes = rng.integers(0, 1 << bits, 300_003, dtype=np.uint8)
        packed = pack_codes(codes, bits, layout)
        spread = np.zeros((len(packed) * 8 // bits, 8), np.uint8)
        spread[: len(codes)] = np.unpackbits(codes[:, None], axis=1, bitorder="little")
        bytes_ = spread[:, :bits]
        if layout == "bitsandbytes":
            bytes_ = bytes_.reshape(-1, 2, 4)[:, ::-1]
        assert np.array_equal(packed, np.packbits(bytes_.reshape(-1)[: 8 * len(packed)], bitorder="little"))
        assert np.array_equal(unpack_codes(packed, bits, layout, count=len(codes)), codes)


@pytest.mark.parametrize("shape", [(0,), (0, 64), (3, 0), (2, 0, 64)])
def test_empty_arrays(shape):
    for layout in LAYOUTS:
        bits = LAYOUTS[layout].bits or 6
        packed = pack_codes(np.zeros(shape, np.uint8), bits, layout)
        assert packed.shape == (*shape[:-1], packed_size(shape[-1], bits, layout))
        assert unpack_codes(packed, bits, layout, count=shape[-1]).shape == shape


# --- Ternary ----------------------------------------------------------------------------------------------------------


def test_all_243_bytes_of_five_trits():
    words = np.array(list(itertools.product(range(3), repeat=5)), np.uint8)  # the value of word v is v
    assert pack_codes(words, 2, "ternary_base3")[:, 0].tolist() == list(range(243))
    ggml = pack_codes(words, 2, "ggml_trits")[:, 0]
    # ggml reads digit k as the upper byte of 3 * (byte * 3**k mod 256).
    digits = [[(int(byte) * 3**k % 256) * 3 >> 8 for k in range(5)] for byte in ggml]
    assert digits == words.tolist() and len(set(ggml.tolist())) == 243
    for layout, legal in (("ternary_base3", set(range(243))), ("ggml_trits", set(ggml.tolist()))):
        for byte in range(256):
            if byte in legal:
                assert len(unpack_codes(bytes([byte]), 2, layout, count=5)) == 5
            else:
                with pytest.raises(ArgumentError, match=rf"data\[0\] is {byte:#04x}.*{layout}"):
                    unpack_codes(bytes([byte]), 2, layout, count=5)


def test_code_3_is_illegal_in_two_bits():
    for byte in range(256):
        pairs = [byte >> shift & 3 for shift in (0, 2, 4, 6)]
        if 3 in pairs:
            with pytest.raises(ArgumentError, match=rf"data\[1\] is {byte:#04x}"):
                unpack_codes(bytes([0, byte]), 2, "ternary_2bit", count=8)
        else:
            assert unpack_codes(bytes([byte]), 2, "ternary_2bit", count=4).tolist() == pairs


def test_sherry_patterns_are_a_bijection_and_negate_with_bit_4():
    # The codebook of STQ1_0 in llama.cpp#22836, index sign << 4 | slot: four two-bit lanes, lane 0 lowest.
    codebook = bytes.fromhex("A9892909A68626069A921A126A624A42012181A1042484A41018909840486068")
    words = np.array([w for w in itertools.product(range(3), repeat=4) if w.count(1) == 1], np.uint8)
    patterns = pack_codes(words, 2, "sherry_5bit")[:, 0]  # one group: five bits and three of padding
    assert sorted(patterns.tolist()) == list(range(32))
    for word, pattern in zip(words, patterns, strict=True):
        assert [codebook[pattern] >> 2 * lane & 3 for lane in range(4)] == word.tolist()
    assert np.array_equal(pack_codes(2 - words, 2, "sherry_5bit")[:, 0], patterns ^ 16)
    assert np.array_equal(unpack_codes(patterns[:, None], 2, "sherry_5bit", count=4), words)
    for word in itertools.product(range(3), repeat=4):
        if word.count(1) != 1:
            with pytest.raises(ArgumentError, match=r"one zero.*row 1 has \[.*\] at 4:8"):
                pack_codes([[1, 0, 0, 0, 1, 2, 2, 2], [1, 0, 0, 0, *word]], 2, "sherry_5bit")


# --- Other people's bytes ---------------------------------------------------------------------------------------------


def test_published_examples():
    assert pack_codes([1, 2, 3], 4, "fp4x2").tobytes() == b"\x21\x03"  # ONNX IR, packing of 4-bit types
    # quack, tests of pack_uint6: the CUTLASS sub-byte order.
    assert pack_codes([0x21, 0x33, 0x2A, 0x3F], 6, "fp6_4in3").tobytes() == b"\xe1\xac\xfe"
    # Recorded from torchao's triton_pack_uint6_kernel in Triton 3.9's interpreter.
    recorded = bytes.fromhex("02d696622afebe8a47239377efcb3b1fc24ac24ac24ac24a")
    assert pack_codes([(i * (i * i + 9) // 2 + 3) % 64 for i in range(32)], 6, "fp6_4p2").tobytes() == recorded
    for code, bits in ((1, 2), (2, 3), (5, 32)):
        assert pack_codes([code], bits)[0] == code


@pytest.mark.conformance
def test_fp4x2_equals_torchao():
    torch = pytest.importorskip("torch")
    kernels = pytest.importorskip("torchao.prototype.mx_formats.kernels")
    codes = np.random.default_rng(3).integers(0, 16, (5, 64), dtype=np.uint8)
    assert np.array_equal(kernels.pack_uint4(torch.from_numpy(codes)).numpy(), pack_codes(codes, 4, "fp4x2"))
    assert np.array_equal(pack_codes(codes, 4), pack_codes(codes, 4, "fp4x2"))


@pytest.mark.conformance
@pytest.mark.parametrize("kind", ["nf4", "fp4"])
def test_bitsandbytes_order_equals_bitsandbytes(kind):
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("bitsandbytes.functional")
    table = functional.get_4bit_type(kind, device="cpu")
    codes = np.random.default_rng(4).integers(0, 16, 1024, dtype=np.uint8)
    if kind == "fp4":
        codes[codes == 8] = 0  # its second zero is not encoded
    codes[::64] = int(torch.argmax(table))  # every block has its maximum 1
    packed, _ = functional.quantize_4bit(table[torch.from_numpy(codes.astype(np.int64))], blocksize=64, quant_type=kind)
    assert np.array_equal(packed.numpy().reshape(-1), pack_codes(codes, 4, "bitsandbytes"))


@pytest.mark.conformance
def test_nibbles_equal_gguf():
    quants = pytest.importorskip("gguf.quants")
    types = pytest.importorskip("gguf.constants").GGMLQuantizationType
    rng = np.random.default_rng(5)
    codes = rng.integers(0, 16, (7, 32), dtype=np.uint8)
    one = np.full((7, 1), 1, np.float16).view(np.uint8)
    blocks = np.concatenate([one, pack_codes(codes, 4, "ggml")], axis=1)
    assert np.array_equal(quants.dequantize(blocks, types.Q4_0), codes.astype(np.float32) - 8)
    codes = rng.integers(0, 16, (7, 64), dtype=np.uint8)
    scales = np.full((7, 4), 0x40, np.uint8)  # 2 in UE4M3, which gguf-py halves
    blocks = np.concatenate([scales, pack_codes(codes, 4, "ggml16")], axis=1)
    e2m1 = np.array([0, 1, 2, 3, 4, 6, 8, 12], np.float32)  # twice the OCP values
    values = np.concatenate([e2m1, -e2m1])[codes]
    assert np.array_equal(quants.dequantize(blocks, types.NVFP4), values)


@pytest.mark.conformance
def test_ternary_blocks_equal_gguf():
    quants = pytest.importorskip("gguf.quants")
    types = pytest.importorskip("gguf.constants").GGMLQuantizationType
    codes = np.random.default_rng(6).integers(0, 3, (50, 256), dtype=np.uint8)
    codes[:, 0] = 2  # the scale is 1
    weights = codes.astype(np.float32) - 1
    tq1 = quants.quantize(weights, types.TQ1_0)
    assert np.array_equal(tq1[:, :52], pack_tq1_0(codes))
    assert np.array_equal(unpack_tq1_0(tq1[:, :52]), codes)
    assert pack_tq1_0(codes.reshape(5, 10, 256)).shape == (5, 10, 52)
    # TQ2_0: halves of 128 elements, byte j of a half holds elements j, j + 32, j + 64, j + 96.
    tq2 = quants.quantize(weights, types.TQ2_0)
    order = codes.reshape(50, 2, 4, 32).swapaxes(-1, -2).reshape(50, 256)
    assert np.array_equal(tq2[:, :64], pack_codes(order, 2, "ternary_2bit"))


def test_tq1_0_errors():
    with pytest.raises(ArgumentError, match="axis of 256"):
        pack_tq1_0(np.zeros(255, np.uint8))
    with pytest.raises(CodeRangeError, match="is 3"):
        pack_tq1_0(np.full(256, 3))
    with pytest.raises(ArgumentError, match="axis of 52 bytes"):
        unpack_tq1_0(np.zeros(51, np.uint8))
    bad = pack_tq1_0(np.ones((2, 256), np.uint8))
    bad[1, 50] = 1  # digits 0, 0, 0, 0, 0 would be 0; 2 is ceil(256 / 243): 0, 0, 0, 0, 1
    with pytest.raises(ArgumentError, match="never produces"):
        unpack_tq1_0(bad)
    bad[1, 50] = 2
    with pytest.raises(ArgumentError, match=r"data\[1, 50\] is 0x02"):
        unpack_tq1_0(bad)


# --- Drawings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout, bits", CASES)
def test_diagram_shows_where_each_bit_goes(layout, bits):
    lines = LAYOUTS[layout].diagram(bits).splitlines()
    assert lines[0].split() == ["byte", *"76543210"]
    cells = [line.split() for line in lines[1:-1]]
    assert [int(row[0]) for row in cells] == list(range(len(cells)))
    shown = {8 * j + 7 - i: cell for j, row in enumerate(cells) for i, cell in enumerate(row[1:])}
    if LAYOUTS[layout].together == 1:
        place = BIT.get(layout, lambda e, b: bits * e + b)
        count = 8 * len(cells) // bits
        assert shown == {place(e, b): f"{e}.{b}" for e in range(count) for b in range(bits)}
    elif layout == "sherry_5bit":
        assert shown == {k: f"{k // 5 * 4}-{k // 5 * 4 + 3}" for k in range(40)}
    else:
        assert set(shown.values()) == {"0-4"}


def test_layouts_say_where_they_are_from():
    assert set(LAYOUTS) == {
        "bits", "fp4x2", "bitsandbytes", "ggml", "ggml16", "fp6_4in3", "fp6_4p2", "ternary_2bit", "ternary_base3",
        "ggml_trits", "sherry_5bit", "fourth_roots",
    }  # fmt: skip
    for name, layout in LAYOUTS.items():
        assert layout.name == name and layout.description and layout.source and get_layout(name) is layout
        assert get_layout(layout) is layout
    with pytest.raises(TypeError):
        LAYOUTS["mine"] = LAYOUTS["bits"]


# --- Errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error, match, call",
    [
        (CodeRangeError, r"codes\[1, 2\] is 16: .*\[0, 16\)", lambda: pack_codes([[1, 2, 3], [4, 5, 16]], 4)),
        (CodeRangeError, r"codes\[0\] is -1", lambda: pack_codes(np.array([-1], np.int8), 8)),
        (CodeRangeError, r"codes\[3\] is 3: .*\[0, 3\)", lambda: pack_codes([0, 1, 2, 3], 2, "ternary_2bit")),
        (CodeRangeError, "is 3", lambda: pack_codes([3], 2, "ternary_base3")),
        (CodeRangeError, "is 4294967296", lambda: pack_codes(np.array([1 << 32]), 32)),
        (CodeRangeError, "is 18446744073709551615", lambda: pack_codes(np.array([2**64 - 1], np.uint64), 32)),
        (DTypeError, "float64", lambda: pack_codes([1.0], 4)),
        (DTypeError, "bool", lambda: pack_codes([True], 1)),
        (DTypeError, "object", lambda: pack_codes([1 << 64], 32)),
        (DTypeError, "masked", lambda: pack_codes(np.ma.array([1, 2]), 4)),
        (ArgumentError, "at least one axis", lambda: pack_codes(3, 4)),
        (ArgumentError, "one of bits, fp4x2, .*got 'fp5'", lambda: pack_codes([1], 4, "fp5")),
        (ArgumentError, "one of bits", lambda: packed_size(1, 4, ["bits"])),
        (ArgumentError, "bits must be 4 for layout ggml, got 6", lambda: pack_codes([1], 6, "ggml")),
        (ArgumentError, "from 1 to 64, got 65", lambda: pack_codes([1], 65)),
        (ArgumentError, "from 1 to 64, got 0", lambda: pack_codes([1], 0)),
        (ArgumentError, "integer from 1 to 64, got 4.0", lambda: pack_codes([1], 4.0)),
        (ArgumentError, "from 1 to 64, got None", lambda: LAYOUTS["bits"].diagram()),
        (ArgumentError, "multiple of 32 .*got 33; pad each row with 31", lambda: pack_codes([0] * 33, 4, "ggml")),
        (ArgumentError, "multiple of 4 .*pad each row with 1", lambda: pack_codes([0] * 3, 6, "fp6_4in3")),
        (ArgumentError, "multiple of 4", lambda: pack_codes([1] * 5, 2, "sherry_5bit")),
        (ArgumentError, "count must not be negative", lambda: packed_size(-1, 4)),
        (ArgumentError, "count must be an integer", lambda: packed_size(1.5, 4)),
        (ArgumentError, "axis of 2 bytes for 3 codes", lambda: unpack_codes(bytes(1), 4, count=3)),
        (ArgumentError, "axis of 2 bytes for 3 codes", lambda: unpack_codes(bytes(3), 4, count=3)),
        (ArgumentError, "axis of 5000", lambda: unpack_codes(bytes(3), 4, count=10**30)),
        (ArgumentError, "shape \\(\\)", lambda: unpack_codes(np.uint8(3), 4, count=1)),
        (DTypeError, "int64", lambda: unpack_codes([1], 4, count=2)),
        (DTypeError, "masked", lambda: unpack_codes(np.ma.array(np.zeros(1, np.uint8)), 4, count=2)),
        (ArgumentError, "bits set after the last of 3 codes in row 0", lambda: unpack_codes(b"\x21\x13", 4, count=3)),
        (ArgumentError, "bits set after", lambda: unpack_codes(b"\x21\x31", 4, "bitsandbytes", count=3)),
        (ArgumentError, "bits set after", lambda: unpack_codes(b"\x80", 3, count=2)),
        (ArgumentError, "bits set after", lambda: unpack_codes(b"\x01", 2, "ternary_base3", count=4)),
        (ArgumentError, "bits set after", lambda: unpack_codes(b"\x20", 2, "sherry_5bit", count=4)),
    ],
)
def test_errors_name_what_is_wrong(error, match, call):
    with pytest.raises(error, match=match):
        call()


def test_padding_of_the_second_row_is_found():
    data = np.array([[0x21, 0x03], [0x21, 0x13]], np.uint8)
    with pytest.raises(ArgumentError, match="row 1"):
        unpack_codes(data, 4, count=3)
    assert unpack_codes(data, 4, count=4)[:, :3].tolist() == [[1, 2, 3], [1, 2, 3]]


# --- Scales -----------------------------------------------------------------------------------------------------------

SHAPES = [(1, 1), (128, 4), (127, 3), (129, 5), (16, 6), (256, 8), (300, 17), (1, 40), (500, 1)]


@pytest.mark.parametrize("shape", SHAPES)
def test_swizzle_equals_the_cublas_formula(shape):
    rows, columns = shape
    scales = np.random.default_rng(7).integers(1, 256, shape, dtype=np.uint8)
    across = -(-columns // 4)
    wanted = bytearray(512 * -(-rows // 128) * across)
    for r, c in itertools.product(range(rows), range(columns)):
        wanted[512 * (r // 128 * across + c // 4) + r % 32 * 16 + r % 128 // 32 * 4 + c % 4] = scales[r, c]
    data = swizzle(scales)
    assert data.tobytes() == bytes(wanted)
    assert np.array_equal(unswizzle(data, shape), scales)
    data[data == 0] = 255  # padding is not looked at
    assert np.array_equal(unswizzle(data, shape), scales)


@pytest.mark.conformance
@pytest.mark.parametrize("shape", SHAPES)
def test_swizzle_equals_torchao(shape):
    torch = pytest.importorskip("torch")
    utils = pytest.importorskip("torchao.prototype.mx_formats.utils")
    scales = np.random.default_rng(8).integers(1, 256, shape, dtype=np.uint8)
    blocked = utils.to_blocked(torch.from_numpy(scales))
    assert np.array_equal(blocked.numpy(), swizzle(scales))
    assert np.array_equal(utils.from_blocked(blocked, *shape).numpy(), unswizzle(blocked.numpy(), shape))


def test_swizzle_published_offsets():
    # nvmath-python, get_block_scale_offset: NVFP4 operand (128, 128), blocks (5, 2) and (5, 5).
    scales = np.zeros((128, 8), np.uint8)
    scales[5, 2], scales[5, 5] = 1, 2
    data = swizzle(scales)
    assert (data[82], data[593]) == (1, 2)


def test_swizzle_keeps_dtype_and_leading_axes():
    scales = np.random.default_rng(9).integers(0, 1 << 16, (2, 3, 130, 5), dtype=np.uint16)
    data = swizzle(scales)
    assert data.shape == (2, 3, 2 * 2 * 512) and data.dtype == np.uint16
    assert np.array_equal(data[1, 2], swizzle(scales[1, 2]))
    assert np.array_equal(unswizzle(data, scales.shape), scales)
    assert np.array_equal(unswizzle(data.reshape(-1), scales.shape), scales)
    assert swizzle(np.zeros((0, 4), np.uint8)).shape == (0,)
    assert unswizzle(np.zeros(0, np.uint8), (0, 4)).shape == (0, 4)


@pytest.mark.parametrize(
    "error, match, call",
    [
        (ArgumentError, "one of nvidia_128x4", lambda: swizzle(np.zeros((1, 1), np.uint8), "amd")),
        (ArgumentError, "rows and columns", lambda: swizzle(np.zeros(4, np.uint8))),
        (DTypeError, "object", lambda: swizzle([[None]])),
        (DTypeError, "masked", lambda: swizzle(np.ma.zeros((1, 1)))),
        (ArgumentError, r"\(512,\).*got \(511,\)", lambda: unswizzle(np.zeros(511, np.uint8), (1, 1))),
        (ArgumentError, "must have shape", lambda: unswizzle(np.zeros(4, np.uint8), (10**20, 10**20))),
        (ArgumentError, "rows, columns", lambda: unswizzle(np.zeros(4, np.uint8), (4,))),
        (ArgumentError, "rows, columns", lambda: unswizzle(np.zeros(0, np.uint8), (-1, 4))),
        (ArgumentError, "of integers", lambda: unswizzle(np.zeros(512, np.uint8), (1.5, 4))),
        (ArgumentError, "of integers", lambda: unswizzle(np.zeros(512, np.uint8), 4)),
    ],
)
def test_swizzle_errors(error, match, call):
    with pytest.raises(error, match=match):
        call()
