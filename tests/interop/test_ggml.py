"""ggml block types against a slow reader and writer of single blocks, and against gguf-py bit for bit.

The slow functions follow the published block layouts and quantisation loops one element at a time: products and sums
are rounded to binary32 where the loop rounds them, and exact where it does not.
"""

import math
import pickle
import struct
import warnings
from fractions import Fraction

import numpy as np
import pytest

from numfmt import errors
from numfmt.interop.ggml import DEVIATIONS, ggml_type, ggml_types

ALL = [t.name for t in ggml_types()]
ENCODERS = [t.name for t in ggml_types() if t.can_encode]
f32 = np.float32

# Block and byte counts of ggml-common.h.
SIZES = {
    "Q4_0": (32, 18), "Q4_1": (32, 20), "Q5_0": (32, 22), "Q5_1": (32, 24), "Q8_0": (32, 34), "Q4_K": (256, 144),
    "Q6_K": (256, 210), "IQ4_NL": (32, 18), "TQ1_0": (256, 54), "TQ2_0": (256, 66), "MXFP4": (32, 17),
    "NVFP4": (64, 36),
}  # fmt: skip

E2M1 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
IQ4 = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)


# --- the slow decoder -------------------------------------------------------------------------------------------------


def half(block, at):
    return struct.unpack_from("<e", block, at)[0]


def nibble_of_32(block, at, j):
    byte = block[at + j % 16]
    return byte & 15 if j < 16 else byte >> 4


def fifth_bit(block, at, j):
    return struct.unpack_from("<I", block, at)[0] >> j & 1


def trit_of(block, j):
    if j < 160:
        byte, k = block[j % 32], j // 32
    elif j < 240:
        byte, k = block[32 + (j - 160) % 16], (j - 160) // 16
    else:
        byte, k = block[48 + (j - 240) % 4], (j - 240) // 4
    return math.floor(Fraction(byte * 3**k % 256, 256) * 3)


def ue4m3(byte):
    exponent, fraction = byte >> 3 & 15, byte & 7
    if byte == 0x7F:  # a NaN in E4M3, 0 in ggml
        return 0.0
    return fraction * 2.0**-9 if exponent == 0 else (1 + fraction / 8) * 2.0 ** (exponent - 7)


def e2m1(code):
    return E2M1[code] if code < 8 else -E2M1[code - 8] if code > 8 else 0.0


def k_scales(block, j):
    s = block[4:16]
    if j < 4:
        return s[j] & 63, s[j + 4] & 63
    return (s[j + 4] & 15) | (s[j - 4] >> 6) << 4, (s[j + 4] >> 4) | (s[j] >> 6) << 4


def slow_code(name, block, j):
    match name:
        case "Q4_0" | "IQ4_NL":
            return nibble_of_32(block, 2, j)
        case "Q4_1":
            return nibble_of_32(block, 4, j)
        case "Q5_0":
            return nibble_of_32(block, 6, j) | fifth_bit(block, 2, j) << 4
        case "Q5_1":
            return nibble_of_32(block, 8, j) | fifth_bit(block, 4, j) << 4
        case "Q8_0":
            return block[2 + j]
        case "Q4_K":
            byte = block[16 + j // 64 * 32 + j % 32]
            return byte >> 4 if j % 64 >= 32 else byte & 15
        case "Q6_K":
            half_block, r = divmod(j, 128)  # 64 bytes of low nibbles and 32 of high bits for each 128 elements
            low = block[half_block * 64 + r % 64]
            high = block[128 + half_block * 32 + r % 32] >> (r // 32 * 2) & 3
            return (low >> 4 if r >= 64 else low & 15) | high << 4
        case "TQ1_0":
            return trit_of(block, j)
        case "TQ2_0":
            return block[j // 128 * 32 + j % 32] >> (j % 128 // 32 * 2) & 3
        case "MXFP4":
            return nibble_of_32(block, 1, j)
        case "NVFP4":
            byte = block[4 + j // 16 * 8 + j % 8]
            return byte >> 4 if j % 16 >= 8 else byte & 15


def slow_number(name, block, j):
    """Element j as a binary32; float arithmetic on binary16 scales and small integers is exact in binary64."""
    code = slow_code(name, block, j)
    match name:
        case "Q4_0":
            return f32(half(block, 0) * (code - 8))
        case "Q4_1" | "Q5_1":
            return f32(half(block, 0) * code + half(block, 2))
        case "Q5_0":
            return f32(half(block, 0) * (code - 16))
        case "Q8_0":
            return f32(half(block, 0) * (code - 256 if code > 127 else code))
        case "Q4_K":
            scale, minimum = k_scales(block, j // 32)
            return f32(half(block, 0) * scale * code - half(block, 2) * minimum)
        case "Q6_K":
            (scale,) = struct.unpack_from("<b", block, 192 + j // 16)
            return f32(half(block, 208) * scale * (code - 32))
        case "IQ4_NL":
            return f32(half(block, 0) * IQ4[code])
        case "TQ1_0":
            return f32(half(block, 52) * (code - 1))
        case "TQ2_0":
            return f32(half(block, 64) * (code - 1))
        case "MXFP4":
            if block[0] == 255:
                return f32(np.nan)
            with np.errstate(over="ignore"):
                return f32(2.0 ** (block[0] - 127) * e2m1(code))
        case "NVFP4":
            return f32(ue4m3(block[j // 16]) * e2m1(code))


# --- the slow encoder: codes and the scale that goes with them --------------------------------------------------------


def reciprocal(d):
    with np.errstate(over="ignore"):
        inverse = f32(1) / d if d else f32(0)
    return f32(0) if np.isinf(inverse) else inverse


def round_away(y):
    exact = Fraction(float(y))
    return int(math.copysign(math.floor(abs(exact) + Fraction(1, 2)), exact)) if exact else 0


def slow_quantize(name, x):
    """(codes, d, m) of one block of binary32 numbers, as in ggml-quants.c; d and m are not yet binary16.

    In a block of zeros the first one is the largest, as in gguf-py; the C loop starts from +0.
    """
    match name:
        case "Q4_0" | "Q5_0":
            low = 8 if name == "Q4_0" else 16
            largest = x[0]
            for v in x:
                if abs(v) > abs(largest):
                    largest = v
            d = largest / f32(-low)
            r = reciprocal(d)
            return [min(2 * low - 1, int(f32(v * r) + f32(low + 0.5))) for v in x], d, None
        case "Q4_1" | "Q5_1":
            steps = 15 if name == "Q4_1" else 31
            minimum = maximum = x[0]
            for v in x:
                minimum = v if v < minimum else minimum
                maximum = v if v > maximum else maximum
            d = f32(maximum - minimum) / f32(steps)
            r = reciprocal(d)
            return [min(steps, int(f32(f32(v - minimum) * r) + f32(0.5))) for v in x], d, minimum
        case "Q8_0":
            d = max(abs(v) for v in x) / f32(127)
            r = reciprocal(d)
            return [round_away(v * r) % 256 for v in x], d, None
        case "TQ1_0" | "TQ2_0":
            d = max(abs(v) for v in x)
            r = reciprocal(d)
            return [round_away(v * r) + 1 for v in x], d, None
        case "MXFP4":
            exact = [Fraction(float(v)) for v in x]
            largest = max(map(abs, exact))
            exponent = -127
            while largest and Fraction(2) ** (exponent + 3) <= largest:
                exponent += 1
            codes = []
            for v in exact:
                distances = [abs(abs(v) / Fraction(2) ** exponent - Fraction(level)) for level in E2M1]
                code = distances.index(min(distances))
                codes.append(code | 8 if v < 0 and code else code)
            return codes, exponent + 127, None


# --- data -------------------------------------------------------------------------------------------------------------


def random_bytes(name, n_blocks, seed):
    """Blocks of random bytes whose binary16 scales are finite."""
    block_bytes = SIZES[name][1]
    data = np.random.default_rng(seed).integers(0, 256, (n_blocks, block_bytes), dtype=np.uint8)
    at = {"Q4_1": (0, 2), "Q5_1": (0, 2), "Q4_K": (0, 2), "Q6_K": (208,), "TQ1_0": (52,), "TQ2_0": (64,)}.get(
        name, (0,)
    )
    if name not in ("MXFP4", "NVFP4"):
        for low in at:
            data[:, low + 1] &= 0xBF  # exponent below the largest
    return data


def hard_blocks(size, seed=5):
    """Finite blocks: wide range, constants, zeros of both signs, ties, one large element, subnormal scales."""
    rng = np.random.default_rng(seed)
    rows = [
        np.zeros(size), -np.zeros(size), np.full(size, 1.5), np.full(size, -1.5), np.full(size, 1e-30),
        np.arange(size) - size // 2, size // 2 - np.arange(size), np.where(np.arange(size) % 2, 8.0, -8.0),
        np.where(np.arange(size) % 2, -8.0, 8.0), np.arange(size) % 33 / 4 - 4.0, np.arange(size) % 31 / 2.0,
        np.eye(1, size, 3)[0] * 6e4, np.eye(1, size, 3)[0] * -6e4, np.eye(1, size, 0)[0] * 1e-44 + 1,
        np.where(np.arange(size) == 5, -0.0, np.linspace(1, 3, size)), 65519 - np.arange(size) / 64,
        np.where(np.arange(size) % 3, 2.0**-149, 2.0**-100), np.linspace(-6, 6, size), np.linspace(-0.5, 0.5, size),
    ]  # fmt: skip
    rows += [rng.standard_normal(size) * 2.0**e for e in range(-110, 12)]
    rows += [rng.integers(-16, 17, size) * 2.0 ** rng.integers(-20, 5) / 2 for _ in range(60)]
    rows += [rng.standard_normal(size) * 2.0 ** rng.integers(-30, 10, size) for _ in range(60)]
    rows += [rng.standard_normal(size) * 2.0 ** rng.integers(-24, -10) for _ in range(40)]  # subnormal binary16 scales
    return np.array(rows, f32)


def peculiar_blocks(size, seed=6):
    """Finite blocks where gguf-py may deviate, and elements half a step between two codes, give or take a rounding."""
    rng = np.random.default_rng(seed)
    tiny = rng.standard_normal((30, size)) * 2.0 ** np.arange(-149, -119)[:, None]
    zeros = np.where(rng.random((8, size)) < 0.5, 0.0, -0.0)
    below = np.nextafter(np.ldexp(f32(1), np.arange(-20, 14)), f32(0))[:, None] * np.linspace(0, 1, size)
    between = []
    for steps in (7, 8, 15, 16, 31, 127, 1):
        largest = rng.uniform(1, 2, (12, 1))
        row = largest / steps * (rng.integers(0, steps, (12, size)) + 0.5)
        row[:, 0], row[:, 1] = largest[:, 0], 0  # for the types with a minimum it is 0
        between += [row, -row]
    return np.concatenate([tiny, zeros, np.where(rng.random(zeros.shape) < 0.2, 1, zeros), below, *between]).astype(f32)


def bits(x):
    """Bit patterns, one for every NaN: payloads are not specified."""
    x = np.ascontiguousarray(x, f32)
    return np.where(np.isnan(x), np.uint32(0x7FC00000), x.view(np.uint32))


# --- the table --------------------------------------------------------------------------------------------------------


def test_the_types_have_the_sizes_of_ggml_common_h():
    assert {t.name: (t.block, t.block_bytes) for t in ggml_types()} == SIZES


def test_decode_only_types_say_why():
    for name in set(ALL) - set(ENCODERS):
        with pytest.raises(errors.ArgumentError, match=rf"{name} is decode-only: ggml's encoder searches"):
            ggml_type(name).encode(np.zeros(256, f32))


def test_names_are_found_in_any_case_and_unknown_ones_list_the_known():
    assert ggml_type("mxfp4") is ggml_type("MXFP4")
    assert pickle.loads(pickle.dumps(ggml_type("Q8_0"))) is ggml_type("Q8_0")
    with pytest.raises(errors.FormatNameError, match=r"'Q8_1'; known: Q4_0, .*NVFP4"):
        ggml_type("Q8_1")


# --- against the slow functions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_codes_and_numbers_are_those_of_the_slow_decoder(name):
    q = ggml_type(name)
    data = random_bytes(name, 60 if q.block < 256 else 12, seed=1)
    codes, numbers = q.unpack(data)["codes"][:, 0], q.decode(data)
    for i, block in enumerate(data):
        block = block.tobytes()
        assert codes[i].tolist() == [slow_code(name, block, j) for j in range(q.block)]
        expected = np.array([slow_number(name, block, j) for j in range(q.block)])
        # +0 and -0 differ where a product is 0: d * +0 in the loops, which the slow products repeat.
        np.testing.assert_array_equal(bits(numbers[i]), bits(expected))


@pytest.mark.parametrize("name", ALL)
def test_every_byte_position_is_read(name):
    """Each bit of a block changes exactly the elements the slow decoder says it does."""
    q = ggml_type(name)
    block = random_bytes(name, 1, seed=2)[0]
    for position in range(0, 8 * q.block_bytes, 1 if q.block < 256 else 7):
        flipped = block.copy()
        flipped[position // 8] ^= np.uint8(1 << position % 8)
        codes = q.unpack(flipped)["codes"][0]
        assert codes.tolist() == [slow_code(name, flipped.tobytes(), j) for j in range(q.block)]


def test_every_mxfp4_scale_byte_and_code():
    q = ggml_type("MXFP4")
    for byte in range(256):
        block = bytes([byte, *(low | (15 - low) << 4 for low in range(16))])
        expected = np.array([slow_number("MXFP4", block, j) for j in range(32)])
        np.testing.assert_array_equal(bits(q.decode(block)), bits(expected))


def test_every_nvfp4_scale_byte_and_code():
    q = ggml_type("NVFP4")
    for byte in range(256):
        block = bytes([byte, 255 - byte, byte, byte ^ 1, *(low | (15 - low) << 4 for low in range(16)), *range(16)])
        expected = np.array([slow_number("NVFP4", block, j) for j in range(64)])
        np.testing.assert_array_equal(bits(q.decode(block)), bits(expected))


@pytest.mark.parametrize("name", ENCODERS)
def test_codes_and_scales_are_those_of_the_slow_encoder(name):
    q = ggml_type(name)
    x = np.concatenate([hard_blocks(q.block), peculiar_blocks(q.block)])
    x = x if q.block < 256 else x[::4]
    parts = q.quantize(x)
    for i, row in enumerate(x):
        codes, d, m = slow_quantize(name, row)
        assert parts["codes"][i, 0].tolist() == codes
        if name == "MXFP4":
            assert parts["scales"][i, 0] == d
            continue
        assert parts["scales"][i, 0].tobytes() == np.float16(d).tobytes()
        if m is not None:
            assert parts["minimums"][i, 0].tobytes() == np.float16(m).tobytes()


def test_mxfp4_at_every_midpoint_and_beside_it():
    """Round to the nearest, ties toward zero, for the largest element's binade and every smaller one."""
    q = ggml_type("MXFP4")
    for exponent in (-149, -140, -127, -126, -125, -124, -1, 0, 1, 100, 125):
        unit = 2.0**exponent
        levels = np.array([0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5, 3, 3.5, 4, 5, 6, 7]) * unit
        near = np.concatenate([levels, np.nextafter(levels.astype(f32), f32(0)), levels + unit / 64]).astype(f32)
        x = np.concatenate([near, -near])[:96].reshape(3, 32)
        parts = q.quantize(x)
        for i, row in enumerate(x):
            codes, scale, _ = slow_quantize("MXFP4", row)
            assert (parts["scales"][i, 0], parts["codes"][i, 0].tolist()) == (scale, codes)


def test_a_trit_byte_is_the_rounded_up_fraction_and_reads_back():
    q = ggml_type("TQ1_0")
    for value in range(243):
        trits = [value // 3 ** (4 - k) % 3 for k in range(5)]
        codes = np.ones((1, 256), np.uint8)
        codes[0, 7:160:32] = trits  # byte 7 of the first section
        data = q.pack({"codes": codes, "scales": np.ones(1, np.float16)})
        assert data[7] == math.ceil(Fraction(value * 256, 243))
        assert q.unpack(data)["codes"][0, 7:160:32].tolist() == trits


# --- the steps fit together -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_bytes_survive_unpack_and_pack(name):
    q = ggml_type(name)
    data = random_bytes(name, 50, seed=3).reshape(5, -1)
    parts = q.unpack(data)
    assert parts["codes"].shape == (5, 10, q.block)
    again = q.pack(parts)
    if name == "TQ1_0":  # 13 bytes of 256, and more with four digits, are never written
        for part, array in q.unpack(again).items():
            np.testing.assert_array_equal(array, parts[part])
    else:
        np.testing.assert_array_equal(again, data)
    np.testing.assert_array_equal(bits(q.dequantize(parts)), bits(q.decode(data)))


@pytest.mark.parametrize("name", ENCODERS)
def test_encode_is_pack_of_quantize_for_any_memory_layout(name):
    q = ggml_type(name)
    rng = np.random.default_rng(8)
    x = rng.standard_normal((3, 5, 17 * 256)).astype(f32)  # more than one piece, the last one short
    whole = q.encode(x)
    np.testing.assert_array_equal(whole, q.pack(q.quantize(x)))
    np.testing.assert_array_equal(whole[1:, ::2], q.encode(x[1:, ::2]))
    np.testing.assert_array_equal(q.encode(np.asfortranarray(x)), whole)
    np.testing.assert_array_equal(q.encode(x.astype(np.float64)), whole)
    np.testing.assert_array_equal(q.encode(x.astype(">f4")), whole)
    np.testing.assert_array_equal(q.encode(np.arange(256)), q.encode(np.arange(256, dtype=f32)))
    np.testing.assert_array_equal(q.decode(np.asfortranarray(whole)), q.decode(whole.tobytes()).reshape(x.shape))
    assert q.encode(np.zeros((4, 0), f32)).shape == (4, 0)
    assert q.decode(b"").shape == (0,)


def test_the_stored_scale_is_rounded_after_the_codes_were_found():
    q = ggml_type("Q8_0")
    parts = q.quantize(np.ones(32, f32))
    assert parts["codes"].min() == 127  # with the rounded scale the ratio would be 127.0078 and the code the same,
    assert float(parts["scales"][0]) != 1 / 127  # but the number that comes back is not 1
    assert q.decode(q.encode(np.ones(32, f32)))[0] == f32(0.99993896)


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_bytes_that_are_no_whole_blocks_are_refused(name):
    q = ggml_type(name)
    for n in (1, q.block_bytes - 1, q.block_bytes + 1):
        with pytest.raises(errors.ArgumentError, match=f"multiple of the {q.block_bytes} bytes"):
            q.decode(bytes(n))
        with pytest.raises(errors.ArgumentError, match=f"multiple of the {q.block_bytes} bytes"):
            q.unpack(np.zeros((2, n), np.uint8))
    with pytest.raises(errors.DTypeError, match="uint8"):
        q.decode(np.zeros(q.block_bytes, np.int8))


@pytest.mark.parametrize("name", ENCODERS)
def test_bad_numbers_are_refused_and_nothing_is_changed(name):
    q = ggml_type(name)
    x = np.zeros((2, 512), f32)
    with pytest.raises(errors.ArgumentError, match=f"multiple of the {q.block} elements"):
        q.encode(x[:, 1:])
    with pytest.raises(errors.ArgumentError, match=r"shape \(\)"):
        q.encode(f32(1))
    x[1, 300] = np.nan
    with pytest.raises(errors.NaNError, match=r"nan at index \(1, 300\)"):
        q.encode(x)
    x[1, 300] = -np.inf
    with pytest.raises(errors.ArgumentError, match=r"-inf at index \(1, 300\)"):
        q.quantize(x)
    assert np.count_nonzero(x) == 1
    with pytest.raises(errors.DTypeError, match=r"0\.1.* at index \(0, 3\)"):
        q.encode(np.array([[0, 0, 0, 0.1, *[0] * 252]]))
    with pytest.raises(errors.DTypeError, match="1e\\+300"):
        q.encode(np.full(256, 1e300))
    with pytest.raises(errors.DTypeError, match=r"9007199254740993.*int64"):  # 2**53 + 1, which binary64 rounds too
        q.encode(np.full(256, (1 << 53) + 1))
    with pytest.raises(errors.DTypeError, match="complex128"):
        q.encode(np.zeros(256, complex))


def test_bad_parts_are_refused():
    q = ggml_type("Q4_1")
    good = q.quantize(np.arange(64, dtype=f32))
    for change, error, message in [
        ({"codes": good["codes"] + np.uint8(9)}, errors.CodeRangeError, r"below 16, got 16 at index \(0, 14\)"),
        ({"codes": good["codes"].astype(int)}, errors.DTypeError, "dtype uint8, got int64"),
        ({"codes": good["codes"][0, 0]}, errors.ArgumentError, r"n_blocks, 32"),
        ({"scales": good["scales"][:1]}, errors.ArgumentError, r"shape \(2,\), got \(1,\)"),
        ({"scales": good["scales"].astype(f32)}, errors.DTypeError, "dtype float16, got float32"),
        ({"extra": good["scales"]}, errors.ArgumentError, "must be codes, scales, minimums; got"),
    ]:
        with pytest.raises(error, match=message):
            q.pack({**good, **change})
        with pytest.raises(error, match=message):
            q.dequantize({**good, **change})
    k = ggml_type("Q4_K")
    parts = k.unpack(bytes(144))
    with pytest.raises(errors.CodeRangeError, match=r"'sub_scales'.*below 64, got 64"):
        k.pack({**parts, "sub_scales": parts["sub_scales"] + np.uint8(64)})


# --- gguf-py ----------------------------------------------------------------------------------------------------------


def peer_quantize(name, x):
    gguf = pytest.importorskip("gguf")
    with warnings.catch_warnings():  # it divides by subnormal scales and casts what comes out
        warnings.simplefilter("ignore", RuntimeWarning)
        return gguf.quants.quantize(x, gguf.GGMLQuantizationType[name])


def peer_dequantize(name, data):
    gguf = pytest.importorskip("gguf")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return gguf.quants.dequantize(data, gguf.GGMLQuantizationType[name])


def listed(name):
    (found,) = [d for d in DEVIATIONS if d.name == name]
    return found.types


def differing(name, x):
    """Which blocks gguf-py encodes to other bytes."""
    return (peer_quantize(name, x) != ggml_type(name).encode(x)).any(axis=-1)


@pytest.mark.conformance
@pytest.mark.parametrize("name", ALL)
def test_sizes_and_numbers_are_those_of_gguf_py(name):
    gguf = pytest.importorskip("gguf")
    kind = gguf.GGMLQuantizationType[name]
    q = ggml_type(name)
    assert (q.number, (q.block, q.block_bytes)) == (kind.value, gguf.GGML_QUANT_SIZES[kind])


@pytest.mark.conformance
@pytest.mark.parametrize("name", ENCODERS)
def test_encoded_bytes_equal_gguf_py(name):
    q = ggml_type(name)
    x = hard_blocks(q.block)
    assert not differing(name, x).any()
    rng = np.random.default_rng(11)
    wide = rng.standard_normal((2000, q.block)) * np.exp2(rng.integers(-60, 14, (2000, 1)))
    assert not differing(name, wide.astype(f32)).any()
    ties = rng.integers(-255, 256, (2000, q.block)) / np.exp2(rng.integers(0, 9, (2000, 1)))
    assert not differing(name, ties.astype(f32)).any()


@pytest.mark.conformance
@pytest.mark.parametrize("name", ALL)
def test_decoded_numbers_equal_gguf_py(name):
    q = ggml_type(name)
    data = np.random.default_rng(12).integers(0, 256, (500, q.block_bytes), dtype=np.uint8)  # infinite scales too
    if name == "MXFP4":
        data[:, 0] %= 255
    np.testing.assert_array_equal(bits(q.decode(data)), bits(peer_dequantize(name, data)))


def non_finite_input(name):
    q = ggml_type(name)
    for bad, error in [(np.nan, errors.NaNError), (np.inf, errors.ArgumentError), (-np.inf, errors.ArgumentError)]:
        x = np.ones((1, q.block), f32)
        x[0, 3] = bad
        assert peer_quantize(name, x).shape == (1, q.block_bytes)
        with pytest.raises(error, match="index"):
            q.encode(x)


def scale_overflow(name):
    q = ggml_type(name)
    # 65520 is the least number that binary16 rounds to infinity.
    steps = {"Q4_0": 8, "Q4_1": 15, "Q5_0": 16, "Q5_1": 31, "Q8_0": 127}.get(name, 1)
    x = np.zeros((4, q.block), f32)
    x[2, 1] = 65520.0 * steps
    assert not np.isfinite(peer_dequantize(name, peer_quantize(name, x))).all()
    with pytest.raises(errors.FormatOverflowError, match=r"block \(2, 0\) needs scale -?65520"):
        q.encode(x)
    x[2, 1] = np.nextafter(x[2, 1], f32(0))
    assert not differing(name, x).any()
    if name in ("Q4_1", "Q5_1"):
        x[2] = -65520
        with pytest.raises(errors.FormatOverflowError, match=r"block \(2, 0\) needs minimum -65520"):
            q.encode(x)
        x[2, :2] = np.finfo(f32).max * np.array([1, -1], f32)  # max - min is infinite
        with pytest.raises(errors.FormatOverflowError, match=r"block \(2, 0\) needs scale inf"):
            q.encode(x)


def reciprocal_overflow(name):
    q = ggml_type(name)
    exponents = np.arange(-149, -110)
    x = np.random.default_rng(13).standard_normal((len(exponents), q.block)).astype(f32)
    x = np.ldexp(x / np.abs(x).max(axis=1, keepdims=True), exponents[:, None])
    d = np.array([slow_quantize(name, row)[1] for row in x])
    with np.errstate(over="ignore", divide="ignore"):
        tiny = (d != 0) & np.isinf(1 / d)
    assert 5 < tiny.sum() < len(d) - 5
    assert not (differing(name, x) & ~tiny).any()
    zero = q.quantize(np.zeros((1, q.block), f32))["codes"]
    assert (q.quantize(x)["codes"][tiny] == zero).all()
    assert not q.decode(q.encode(x)).any()


def zero_minimum_sign(name):
    q = ggml_type(name)
    rng = np.random.default_rng(14)
    zeros = np.where(rng.random((200, 32)) < 0.5, f32(0), f32(-0.0))
    x = np.concatenate([zeros, np.where(rng.random((200, 32)) < 0.2, f32(1), zeros), zeros])
    x[400:, 5] = -1  # the maximum is a zero, the minimum is not
    peer, ours = peer_quantize(name, x), q.encode(x)
    # Sign bits of d and m, of a zero, are all that may differ.
    differ = peer ^ ours
    differ[:, 1] &= 0x7F
    differ[:, 3] &= 0x7F
    assert not differ.any()
    signs = np.signbit(q.quantize(x)["minimums"][:, 0])
    first = np.array([np.signbit(next(v for v in row if v == row.min())) for row in x])
    np.testing.assert_array_equal(signs, first)


def mxfp4_exponent(name):
    q = ggml_type(name)
    exponents = np.arange(-120, 127)
    below = np.nextafter(np.ldexp(f32(1), exponents), f32(0))
    largest = np.concatenate([below, np.nextafter(below, f32(0)), np.ldexp(f32(1), exponents), below * f32(0.75)])
    x = np.zeros((len(largest), 32), f32)
    x[:, 0] = largest
    x[:, 1:] = largest[:, None] * np.linspace(-1, 1, 31, dtype=f32)
    rounded_up = np.floor(np.log2(largest)) != np.frexp(largest)[1] - 1
    np.testing.assert_array_equal(differing(name, x), rounded_up)
    for row, scale in zip(x[::7], q.quantize(x[::7])["scales"][:, 0], strict=True):
        assert slow_quantize(name, row)[1] == scale


def mxfp4_tiny_block(name):
    q = ggml_type(name)
    exponents = np.arange(-149, -118)
    x = np.zeros((len(exponents), 32), f32)
    x[:, 4] = np.ldexp(f32(1), exponents)
    x[:, 9] = -np.ldexp(f32(1), exponents - 1)
    assert not differing(name, x)[exponents >= -125].any()
    assert (q.encode(x)[exponents < -125, 0] == 0).all()
    for row, codes in zip(x, q.quantize(x)["codes"][:, 0], strict=True):
        assert slow_quantize(name, row)[0] == codes.tolist()


def mxfp4_scale_nan(name):
    q = ggml_type(name)
    data = np.random.default_rng(15).integers(0, 256, (256, 17), dtype=np.uint8)
    data[:, 0] = np.arange(256)
    ours, peer = q.decode(data), peer_dequantize(name, data)
    differ = (bits(ours) != bits(peer)).any(axis=1)
    assert np.flatnonzero(differ).tolist() == [255]
    assert np.isnan(ours[255]).all() and not np.isnan(peer[255]).any()


CHECKS = {
    check.__name__: check
    for check in (
        non_finite_input, scale_overflow, reciprocal_overflow, zero_minimum_sign,
        mxfp4_exponent, mxfp4_tiny_block, mxfp4_scale_nan,
    )
}  # fmt: skip


@pytest.mark.conformance
@pytest.mark.parametrize(("deviation", "name"), [(d.name, name) for d in DEVIATIONS for name in d.types])
def test_gguf_py_deviates_exactly_where_it_is_listed(deviation, name):
    CHECKS[deviation](name)


def test_every_check_belongs_to_a_listed_deviation():
    assert {d.name for d in DEVIATIONS} == set(CHECKS)
    assert all(set(listed(d)) <= set(ENCODERS) for d in CHECKS)
