"""Profiles of block formats, `min_scale` and the quotients of other stacks: expected codes worked out by hand."""

from __future__ import annotations

import fnmatch
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import numfmt as nf
from numfmt.profiles import get_profile

f32 = np.float32


def test_every_block_rule_names_registered_formats_and_encodes_them():
    rng = np.random.default_rng(5)
    x = rng.standard_normal((4, 256)).astype(f32)
    for name in nf.profile_names():
        for rule in get_profile(name).blocks:
            for pattern in rule.formats.split():
                matches = fnmatch.filter(nf.names(kind="block"), pattern)
                assert matches, (name, pattern)
                for fmt in matches[:3]:
                    b = nf.encode(x, fmt, profile=name)
                    for field, value in rule.changes:
                        assert getattr(b.format, field) == value


def test_a_profile_without_the_format_says_what_it_covers():
    with pytest.raises(nf.errors.ArgumentError, match=r"torchao.*says nothing about mxint8; it covers mxfp8_e4m3"):
        nf.encode(np.ones(32, f32), "mxint8", profile="torchao")
    with pytest.raises(nf.errors.ArgumentError, match="no scalar formats"):
        nf.encode(1.0, "fp8_e4m3fn", profile="torchao")


def test_explicit_arguments_override_the_profile():
    x = np.full((1, 32), 1.9375, f32)  # E4M3: floor 2**-8, even 2**-7
    assert nf.encode(x, "mxfp8_e4m3", profile="torchao").scales.item() == 127 - 8
    assert nf.encode(x, "mxfp8_e4m3", profile="torchao", scale_rule="even").scales.item() == 127 - 7
    x[0, 1] = 2.5 / 4  # scale 1/4: a tie between 2 and 3
    away = nf.encode(x, "mxfp4", profile="microxcaling")
    even = nf.encode(x, "mxfp4", profile="microxcaling", rounding="nearest_even")
    assert (away.codes[0, 1], even.codes[0, 1]) == (5, 4)
    toward_zero = nf.encode(-x, "mxfp4", profile="ggml")
    assert toward_zero.codes[0, 1] == 8 + 4
    assert nf.encode(np.full((1, 32), -0.0, f32), "mxfp4", profile="ggml").codes.tolist() == [[0] * 32]


@pytest.mark.parametrize("size", [1, 1 << 15])  # NumPy path, and enough for a kernel
@pytest.mark.parametrize("name", ["nvfp4", "nvfp4_single", "nvint4"])
def test_min_scale(name, size):
    # Blocks with maxima 2**-12, 0 and 6: without tensor scale the first two want less than 2**-6.
    fmt = replace(nf.get(name), min_scale=2.0**-6)
    x = np.zeros((3 * size, 16), f32)
    x[::3, 0], x[2::3, 0] = 2.0**-12, float(fmt.element.max)
    for _ in range(3):
        b = nf.encode(x, fmt, tensor_scale=1.0) if fmt.tensor_scale else nf.encode(x, fmt)
        expected = np.tile([0x08, 0x08, 0x38], size)  # E4M3: 2**-6, 2**-6, 1
        assert np.array_equal(b.scales.reshape(-1), expected)
        assert not b.codes[:, 1:].any() and not b.codes[:-1:3].any()  # 2**-12 / 2**-6 rounds to 0
        assert (b.codes[2::3, 0] == fmt.element.max_code).all()


def test_min_scale_keeps_the_sign_of_a_signed_scale():
    fmt = nf.BlockFormat("int4", "fp8_e4m3fn", 4, "signed_absmax", min_scale=0.5)
    assert nf.encode(np.array([[-0.7, 0.1, 0, 0]], f32), fmt).scale_values.item() == -0.5


def test_new_options_have_names():
    fmt = replace(nf.get("nvfp4"), min_scale=2.0**-6, quotient="two_step_reciprocal")
    assert fmt.name == "fp4_e2m1*fp8_e4m3fn/16*binary32;quotient=two_step_reciprocal;min_scale=0.015625"
    assert nf.get(fmt.name) == fmt
    tiny = replace(nf.get("nvfp4"), min_scale=1e-9)
    assert nf.get(tiny.name) == tiny
    assert nf.encode(np.ones((1, 16), f32), "nvfp4", profile="torchao").format == fmt
    for axis in (-2, 0, None):
        other = replace(nf.get("nvfp4"), axis=axis)
        assert nf.get(other.name) == other
    tile = replace(nf.get("fp8_e4m3_128x128"), axis=(-3, -1))
    assert nf.get(tile.name) == tile
    for bad in ("x", "-1", "nan", "inf", "9" * 400):
        with pytest.raises(nf.errors.NumfmtError, match="min_scale"):
            nf.get(f"fp4_e2m1*fp8_e4m3fn/16;min_scale={bad}")
    for bad in (-1.0, np.inf, np.nan):
        with pytest.raises(nf.errors.ArgumentError, match="min_scale must be a finite number"):
            replace(nf.get("nvfp4"), min_scale=bad)
    for name in ("mxfp4", "nvfp4_4over6", "uint8_affine"):
        with pytest.raises(nf.errors.ArgumentError, match="need a quotient rule"):
            replace(nf.get(name), min_scale=0.5)


def test_two_step_reciprocal_rounds_every_operation():
    # Step by step in binary32 from torchao nvfp4_tensor.py.
    rng = np.random.default_rng(8)
    x = (rng.standard_normal((500, 16)) * 2.0 ** rng.integers(-8, 1, (500, 1))).astype(f32)
    fmt = replace(nf.get("nvfp4"), quotient="two_step_reciprocal", min_scale=2.0**-6)
    b = nf.encode(x, fmt)
    tensor = np.abs(x).max() / f32(2688)
    block = np.clip(np.abs(x).max(1) / f32(6) / tensor, f32(2.0**-6), f32(448))
    scales = nf.encode(block, "fp8_e4m3fn")
    quotient = x * (f32(1) / tensor / np.asarray(scales))[:, None]
    assert b.tensor_scale == tensor
    assert np.array_equal(b.scales.reshape(-1), scales.codes)
    assert np.array_equal(b.codes, nf.encode(quotient, "fp4_e2m1").codes)


def test_rceil_division_of_a_quotient_that_vanishes():
    # a / 57344 is below half the smallest binary32 subnormal: the smallest scale, not 2**0.
    x = np.zeros((2, 32), f32)
    x[:, 0] = 1.73046875 * 2.0**-140, 2.0**-149
    assert Fraction(float(x[0, 0])) / 57344 < Fraction(1, 2**150)
    for rule in ("rceil_division", "rceil_reciprocal", "rceil"):
        assert nf.encode(x, "mxfp8_e5m2", scale_rule=rule).scales.reshape(-1).tolist() == [0, 0]


@pytest.mark.parametrize("quotient", ["reciprocal", "two_step_reciprocal"])
def test_an_infinite_reciprocal_leaves_zeros_alone(quotient):
    # 1 / 2**-140 is no binary32 number; 0 times it is 0, not NaN.
    x = np.zeros((1, 64), f32)
    x[0, :2] = 2.0**-140, -(2.0**-140)
    fmt = replace(nf.get("nf4_b64"), quotient=quotient)
    b = nf.encode(x, fmt)
    assert b.scales.item() == f32(2.0**-140)
    assert (b.codes[0, 2:] == 7).all()
    # 2**-140 times the largest binary32 is 2**-12: level 0.
    assert b.codes[0, :2].tolist() == [7, 7]


def test_values_reach_the_asked_dtype_without_another_rounding():
    # Just under 2**128 becomes 4 * 2**126, beyond binary32.
    b = nf.encode(np.full((1, 32), 3.4e38, f32), "mxfp4", scale_rule="ceil")
    assert (np.asarray(b, np.float64) == 2.0**128).all()
    with pytest.raises(nf.errors.RangeError, match="float64"):
        np.asarray(b)


@pytest.mark.parametrize("name, largest", [("mxfp8_e4m3", 448), ("mxfp8_e5m2", 57344)])
def test_transformer_engine_scales(name, largest):
    # float_to_e8m0 of TransformerEngine's ptx.cuh in integers: the exponent field, rounded up unless the fraction is 0;
    # of the subnormals only those above 2**-127 go up.
    rng = np.random.default_rng(2)
    patterns = rng.integers(0, 0x7F800000, 20000, dtype=np.uint32).view(f32)
    tops = (f32(largest) * 2.0 ** np.arange(-100, 100)).astype(f32)
    amax = np.concatenate([patterns, tops, np.nextafter(tops, f32(0)), np.nextafter(tops, f32(np.inf)), [f32(0)]])
    value = (amax * (f32(1) / f32(largest))).view(np.uint32)
    exponent, fraction = value >> 23, value & 0x7FFFFF
    up = (fraction > 0) & (exponent != 0xFE) & ~((exponent == 0) & (fraction <= 0x400000))
    x = np.zeros((len(amax), 32), f32)
    x[:, 7] = -amax
    b = nf.encode(x, name, profile="transformer_engine")
    assert np.array_equal(b.scales.reshape(-1), exponent + up)
    assert np.array_equal(nf.encode(x.astype(np.float64), name, profile="transformer_engine").scales, b.scales)
