"""Profiles as data: coverage, precedence, and a complete list of differences."""

from __future__ import annotations

import numpy as np
import pytest

import numfmt as nf


def test_every_profile_covers_what_its_rules_name():
    import fnmatch

    from numfmt.profiles import get_profile

    for name in nf.profile_names():
        profile = get_profile(name)
        assert profile.source
        for rule in profile.rules:
            for pattern in rule.formats.split():
                matches = fnmatch.filter(nf.names(kind="scalar"), pattern)
                assert matches, (name, pattern)
                for fmt in matches[:5]:
                    if nf.get(fmt).bits <= 16:
                        nf.encode([0.0], fmt, profile=name)


@pytest.mark.parametrize(
    ("fmt", "profile", "x", "code"),
    [
        # OCP OFP8 rev 1.0 table 3; PTX ISA 9.0 cvt; ONNX Cast opset 25; ml_dtypes 0.6.0 and torch 2.13 as recorded
        ("fp8_e4m3fn", "ocp_sat", 464.0, 0x7E),
        ("fp8_e4m3fn", "ocp_nonsat", 464.0, 0x7E),
        ("fp8_e4m3fn", "ocp_nonsat", 465.0, 0x7F),
        ("fp8_e4m3fn", "ocp_nonsat", -465.0, 0x7F),
        ("fp8_e5m2", "ocp_sat", np.inf, 0x7B),
        ("fp8_e5m2", "ocp_nonsat", 61440.0, 0x7C),
        ("fp8_e5m2", "ocp_nonsat", 61439.0, 0x7B),
        ("fp8_e4m3fn", "ml_dtypes", -np.inf, 0xFF),
        ("fp8_e4m3fn", "torch", -np.inf, 0xFE),
        ("fp8_e5m2", "torch", np.nan, 0x7F),
        ("fp8_e5m2", "ml_dtypes", np.nan, 0x7E),
        ("fp8_e5m2", "ptx_satfinite", np.nan, 0x7F),
        ("fp4_e2m1", "ptx_satfinite", np.nan, 0x7),
        ("fp4_e2m1", "onnx", np.nan, 0x7),
        ("fp4_e2m1", "ml_dtypes", np.nan, 0x8),
        ("fp4_e2m1", "ggml", 0.75, 0x1),
        ("fp8_e4m3fnuz", "ocp_like_none", 0.0, None),
        ("ufp8_e8m0", "onnx", 1.2, 0x80),
        ("ufp8_e8m0", "onnx", np.inf, 0xFE),
        ("ufp8_e8m0", "ptx_satfinite", 3.0, 0x81),
        ("ufp8_e8m0", "ptx_satfinite", -3.0, 0x81),
        ("ufp8_e8m0", "ptx", np.inf, 0xFF),
        ("ufp8_e8m0", "torch", -1.0, 0x7F),
        ("ufp8_e8m0", "torch", 0.0, 0x00),
        ("ufp8_e8m0", "ml_dtypes", 0.0, 0xFF),
        ("ufp8_e8m0", "ml_dtypes", 3.0, 0x81),
        ("int4", "ml_dtypes", 8.0, 0x8),
        ("int4", "ml_dtypes", -1.7, 0xF),
        ("hif8", "ascend_sat", np.nan, 0x00),
        ("hif8", "ascend_sat", np.inf, 0x6E),
        ("nf4", "bitsandbytes", np.nan, 0x0),
        ("bnb_fp4", "bitsandbytes", -0.0, 0x0),
        ("tf32", "ptx", 1 + 2.0**-11, 0x1FC01),
    ],
)
def test_recorded_behaviour(fmt, profile, x, code):
    if code is None:
        with pytest.raises(nf.errors.ArgumentError, match="unknown profile"):
            nf.encode(x, fmt, profile=profile)
        return
    assert int(nf.encode(x, fmt, profile=profile).codes) == code
    # The same through a kernel, and for every position of a longer array.
    assert set(nf.encode(np.full(40, x), fmt, profile=profile).codes.tolist()) == {code}


def test_explicit_arguments_override_the_profile():
    e = nf.encode([500.0, np.nan], "fp8_e4m3fn", profile="ocp_nonsat", overflow="saturate", nan="zero")
    assert e.codes.tolist() == [0x7E, 0x00]


def test_a_profile_refuses_formats_it_does_not_cover():
    with pytest.raises(nf.errors.ArgumentError, match="'torch' says nothing about posit8_2; it covers"):
        nf.encode(1.0, "posit8", profile="torch")


@pytest.mark.parametrize(
    ("fmt", "p", "q"),
    [
        ("fp8_e4m3fn", "ocp_sat", "ml_dtypes"),
        ("fp8_e5m2", "torch", "ml_dtypes"),
        ("ufp8_e8m0", "onnx", "torch"),
        ("fp4_e2m1", "onnx", "ggml"),
        ("p3109_k8p3se", "p3109_satfinite", "p3109_satnone"),
    ],
)
def test_compare_profiles_is_complete(fmt, p, q):
    found = nf.compare_profiles(fmt, p, q)
    with np.errstate(all="ignore"):
        grid = np.concatenate(
            [
                np.random.default_rng(5).integers(0, 2**64, 20000, np.uint64).view(np.float64),
                np.linspace(-600, 600, 9601),
                np.nextafter(np.linspace(-8, 8, 65), np.inf),
                [np.inf, -np.inf, np.nan, -np.nan, 0.0, -0.0, 465.0, 61440.0],
            ]
        )
    try:
        a = nf.encode(grid, fmt, profile=p).codes
        b = nf.encode(grid, fmt, profile=q).codes
    except nf.errors.NaNError:
        grid = grid[~np.isnan(grid)]
        a, b = nf.encode(grid, fmt, profile=p).codes, nf.encode(grid, fmt, profile=q).codes
    for x, ca, cb in zip(grid, a, b, strict=True):
        hits = [d for d in found if covers(d, x)]
        assert len(hits) == int(ca != cb), (x, ca, cb, hits)
        for d in hits:
            assert (d.code_p, d.code_q) == (ca, cb)


def covers(difference, x):
    if difference.what == "range":
        return np.isfinite(x) and x != 0 and difference.first <= x <= difference.last
    first = difference.first
    if np.isnan(first) or np.isnan(x):
        return bool(np.isnan(first) and np.isnan(x) and np.signbit(first) == np.signbit(x))
    return bool(first == x and np.signbit(first) == np.signbit(x))


def test_compare_profiles_refuses_what_it_cannot_list():
    with pytest.raises(nf.errors.ArgumentError, match="at most 16 bits"):
        nf.compare_profiles("binary32", "ieee754", "ieee754")
