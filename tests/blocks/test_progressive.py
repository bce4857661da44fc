"""Progressive integers: QServe's QoQ and DGQ."""

from fractions import Fraction

import numpy as np
import pytest

import numfmt as nf


def level_one(low, high):
    """s1 and z of QoQ for the extremes of a group, zero among them."""
    low, high = min(low, 0), max(high, 0)
    s = max(round(Fraction(high - low, 15)), 1)
    return s, min(max(round(Fraction(-low, s)), 0), 15)


def overflows(protective, add_first):
    """Pairs (vmin, vmax) within the range for which a decoded extreme leaves int8."""
    found = []
    for high in range(protective + 1):
        for low in range(-protective, 1):
            s, z = level_one(low, high)
            for v in (low, high):
                q = round(Fraction(v, s) + z) if add_first else round(Fraction(v, s)) + z
                if not -128 <= (min(max(q, 0), 15) - z) * s <= 127:
                    found.append((low, high))
    return found


def test_119_is_the_largest_safe_range():
    """arXiv:2405.04532 section 4.1; whether z is added before or after the rounding."""
    for add_first in (False, True):
        assert overflows(119, add_first) == []
    bad = overflows(120, False)
    assert (-119, 120) in bad and len(bad) == 7
    assert level_one(-119, 120) == (16, 7) and (15 - 7) * 16 == 128
    assert len(overflows(127, False)) == 278


def test_the_encoder_uses_that_level_one_for_every_pair():
    """Rows with s0 = 1, one for each vmin, groups for each vmax: scales, zeros, and the int8 integers."""
    x = np.zeros((120, 120, 4), np.float32)
    low, high = np.meshgrid(np.arange(120), np.arange(120), indexing="ij")
    x[..., 0], x[..., 1] = -low, high
    x = x.reshape(120, -1)
    x = np.concatenate([x, np.tile(np.float32([119, 0, 0, 0]), (120, 1))], 1)
    from dataclasses import replace

    fmt = replace(nf.get("qoq_int4_g128"), group=4)
    b = nf.encode(x, fmt)
    assert (b.scales == 1).all()
    s, z = b.sides["group_scales"][:, 0, :-1], b.sides["group_zeros"][:, 0, :-1]
    wanted = [level_one(-int(a), int(c)) for a, c in zip(low.ravel(), high.ravel(), strict=True)]
    assert list(zip(s.ravel().tolist(), z.ravel().tolist(), strict=True)) == wanted
    integers = nf.decode(b)
    assert integers.min() >= -128 and integers.max() <= 127 and (integers == np.rint(integers)).all()


def test_qoq_two_levels():
    x = np.array([119.0, -60.0, 16.0, 0.0, 20.0, 4.4])
    b = nf.encode(x, "qoq_int4_g128")
    # s1 = round(179 / 15) = 12, z = round(60 / 12) = 5
    assert (b.scales.tolist(), b.sides["group_scales"].tolist(), b.sides["group_zeros"].tolist()) == (
        [1.0],
        [[12]],
        [[5]],
    )
    assert b.codes.tolist() == [15, 0, 6, 5, 7, 5] and nf.decode(b).tolist() == [120, -60, 12, 0, 24, 0]
    halved = nf.encode(x / 2, "qoq_int4_g128")
    assert halved.scales[0] == 0.5 and np.array_equal(halved.codes, b.codes)


def test_groups_have_their_own_scales():
    x = np.concatenate([np.linspace(-1, 1, 128), np.linspace(0, 0.1, 128), np.linspace(-0.02, 0, 44)])
    for name in ("qoq_int4_g128", "dgq_int4_g128"):
        b = nf.encode(x, name)
        assert b.sides["group_scales"].shape == (1, 3) and b.scales.shape == (1,)
        s = b.sides["group_scales"][0].tolist()
        assert s[0] > 12 and s[1:] == [1, 1] and b.sides["group_zeros"][0, 1] == 0


def test_dgq_integers_stay_in_int8():
    """|(q - z) * s1| <= 127 for every s1, z and q that the clipping bounds allow, and for encoded data."""
    for s in range(1, 128):
        n = 127 // s
        for z in range(16):
            for q in (max(0, z - n), min(15, z + n)):
                assert abs((q - z) * s) <= 127
    rng = np.random.default_rng(1)
    for x in (rng.normal(size=(20, 256)), rng.standard_t(2, (20, 256)), rng.uniform(0, 1, (20, 256))):
        b = nf.encode(x, "dgq_int4_g128")
        q = b.codes.reshape(20, 2, 128).astype(int)
        integers = (q - b.sides["group_zeros"].reshape(20, 2, 1)) * b.sides["group_scales"].reshape(20, 2, 1).astype(
            int
        )
        assert np.abs(integers).max() <= 127
        assert np.array_equal(integers.reshape(20, 256) * b.scales.astype(np.float64), nf.decode(b, dtype=np.float64))


def test_dgq_worked_example():
    # s0 = 127/127; s4 = (127 + 60) / 15 = 12.47: s1 = 12; z = round(60 / 12.47) = 5; n = 10
    b = nf.encode(np.array([127.0, -60.0, 16.0, 0.0]), "dgq_int4_g128")
    assert (b.sides["group_scales"].tolist(), b.sides["group_zeros"].tolist()) == ([[12]], [[5]])
    assert b.codes.tolist() == [15, 0, 6, 5]


@pytest.mark.parametrize("name", ["qoq_int4_g128", "dgq_int4_g128"])
def test_zero_rows_and_tiny_rows(name):
    for x in (np.zeros(256), np.full(256, 1e-12)):
        b = nf.encode(x, name)
        assert b.scales[0] == 0 and (b.sides["group_scales"] == 1).all() and (b.sides["group_zeros"] == 0).all()
        assert not nf.decode(b).any()


def test_the_span_of_a_group_is_exact():
    # s4 / s0 = 67.5 / 15 = 4.5 goes to 4; the least bit more, far beyond binary64's reach beside 67.5, makes it 5.
    for low, s1 in ((0.0, 4), (-(2.0**-60), 5)):
        x = np.zeros(256, np.float32)
        x[[0, 128, 129]] = 127, 67.5, low
        assert nf.encode(x, "dgq_int4_g128").sides["group_scales"][0, 1] == s1
