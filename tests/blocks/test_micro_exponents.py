"""Shared micro-exponents, and the block floats of AMD and Tenstorrent."""

from dataclasses import replace

import numpy as np
import pytest

import numfmt as nf

#: Output of AMD Quark 0.13, custom_ops/bfp/cpu (BFPPrimeCPUKernel, half to even), compiled and run.
BLOCK = [1.0, -0.75, 0.25, 0.1, 3.9, -0.0, 0.001, 2**-10, 1.99, 1.0, 0.5, -0.49, 0.124, 7.97, -7.99, 0.3]
QUARK = {
    "mx9": [1, -0.75, 0.25, 0.09375, 3.90625, -0.0, 0, 0, 2, 1, 0.5, -0.5, 0.125, 7.9375, -7.9375, 0.3125],
    "mx6": [1, -0.75, 0.25, 0, 3.75, -0.0, 0, 0, 2, 1, 0.5, -0.5, 0, 7.5, -7.5, 0.5],
    "mx4": [1, -1, 0, 0, 3, -0.0, 0, 0, 2, 1, 0, -0.0, 0, 6, -6, 0],
}
TINY = [2**-126, 2**-127, -(2**-126), 0, 1.5 * 2**-126, 2**-130, 0, 0, 2**-125, -(2**-125), 2**-126, 0, 0, 0, 0, -0.0]
TINY_FLUSHED = [2**-126, 0, -(2**-126), 0, 1.5 * 2**-126, 0, 0, 0, 2**-125, -(2**-125), 2**-126, 0, 0, 0, 0, -0.0]


def same(found, wanted):
    return np.asarray(found, np.float32).tobytes() == np.array(wanted, np.float32).tobytes()


@pytest.mark.parametrize("name", QUARK)
def test_values_that_quark_gives(name):
    assert same(nf.quantize(np.array(BLOCK, np.float32), name), QUARK[name])
    flushed = replace(nf.get(name), flush_subnormals=True)
    assert same(nf.quantize(np.array(TINY, np.float32), flushed), TINY_FLUSHED)


def test_micro_exponents_and_no_carry():
    b = nf.encode(np.array(BLOCK, np.float32), "mx9")
    assert int(b.scales[0]) == 127 + 2
    assert b.sides["micro_exponents"].tolist() == [[1, 1, 1, 1, 1, 1, 0, 0]]
    # 1.996 of a block with E = 0 saturates at 127/64; its neighbour pair, one binade lower, at 127/128.
    assert nf.quantize(np.array([1, 1.996, 0.998, -0.9999] + [0] * 12), "mx9")[:4].tolist() == [
        1, 1.984375, 0.9921875, -0.9921875,
    ]  # fmt: skip


def test_subnormals_count_by_default():
    assert nf.quantize(np.array(TINY, np.float32), "mx9")[1] == np.float32(2**-127)


#: Input, output of the "compiler" encoder, output of the plain one: Quark 0.13, block 8, half to even, as run.
AMD = [
    ([127.5, -127.5, 1, 3, 0.5, -0.25, 64, 100], [128, -128, 0, 4, 0, 0, 64, 100], [127, -127, 1, 3, 0, 0, 64, 100]),
    ([-127.5, 127, 1, 2.5, 3.5, 0, 0, 5], [-128, 127, 1, 2, 4, 0, 0, 5], [-127, 127, 1, 2, 4, 0, 0, 5]),
    ([254.9, -255, 127, 1, 2, 3, 4, 5], [254, -256, 128, 0, 2, 4, 4, 4], [254, -254, 128, 0, 2, 4, 4, 4]),
    ([255.0, -256, 1, 1.5, -2.5, 0.49, 3, 7], [256, -256, 0, 0, -4, 0, 4, 8], [256, -256, 0, 0, -4, 0, 4, 8]),
    ([127.49, -127.51, 0, 0, 0, 0, 0, 1], [127, -128, 0, 0, 0, 0, 0, 1], [127, -127, 0, 0, 0, 0, 0, 1]),
]


@pytest.mark.parametrize("x, compiler, plain", AMD)
def test_both_encoders_of_quark(x, compiler, plain):
    assert nf.quantize(np.array(x, np.float32), "bfp16_amd_compiler").tolist() == compiler
    assert nf.quantize(np.array(x, np.float32), "bfp16_amd").tolist() == plain


def test_the_carry_stops_at_the_largest_scale():
    b = nf.encode(np.full(8, 3.4e38, np.float32), "bfp16_amd_compiler")
    assert b.scales[0] == 254 and (b.codes == 127).all()


def host_packer(x, w):
    """E and codes of 16 binary32 numbers, on their bits: the steps of tt-metal's bfp_simd.hpp."""
    words = np.asarray(x, np.float32).view(np.uint32).tolist()
    shared = max(word >> 23 & 255 for word in words)
    codes = []
    for word in words:
        exponent, significand = word >> 23 & 255, (word & 0x7FFFFF) + (1 << 23)
        kept, rest = divmod(significand >> (shared - exponent), 1 << (24 - w))
        half = 1 << (23 - w)
        m = min(kept + (rest > half or (rest == half and kept % 2 == 1)), (1 << w) - 1) if exponent else 0
        codes.append((word >> 31 << w | m) if m else 0)
    return shared, codes


@pytest.mark.parametrize("name, w", [("bfp8_b", 7), ("bfp4_b", 3), ("bfp2_b", 1)])
def test_tenstorrent_blocks_are_those_of_the_host_packer(name, w):
    rng = np.random.default_rng(w)
    patterns = rng.integers(0, 2**32, (200, 16), dtype=np.uint32).view(np.float32)
    patterns[~np.isfinite(patterns)] = 1.0
    normal = rng.normal(size=(200, 16)) * 2.0 ** rng.integers(-9, 1, (200, 16))
    tiny = rng.normal(size=(50, 16)) * 2.0**-126
    for x in np.concatenate([patterns, normal, tiny]).astype(np.float32):
        b = nf.encode(x, name)
        assert (int(b.scales[0]), b.codes.tolist()) == host_packer(x, w)


def test_truncation_comes_before_rounding():
    # In units of 2**-6, 0.5 and a little more is 1 in exact arithmetic; the little is shifted out: a tie, to even.
    x = np.zeros(16, np.float32)
    x[0], x[1] = 1.0, 2.0**-7 * (1 + 2.0**-23)
    assert nf.encode(x, "bfp8_b").codes[1] == 0 and nf.encode(x, "msfp16").codes[1] == 1


def test_zero_has_no_sign():
    x = np.array([1.0, -0.0, -(2.0**-20)] + [0.0] * 13)
    assert nf.encode(x, "bfp8_b").codes.tolist()[1:] == [0] * 15
