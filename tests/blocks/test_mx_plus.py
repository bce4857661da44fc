"""MX+ (arXiv:2510.14557)."""

import numpy as np
import pytest

import numfmt as nf

#: Name, w, emax: the block maximum reads (1 + m / 2**w) * 2**emax.
FORMATS = [("mxfp4_plus", 3, 2), ("mxfp6_e2m3_plus", 5, 2), ("mxfp6_e3m2_plus", 5, 4), ("mxfp8_e4m3_plus", 7, 8)]


def block(first, rest=0.0):
    return np.array([first] + [rest] * 31)


def test_the_published_example():
    # X = 2: -9.84 is code 0b1010 = -(1 + 2/8) * 4 * 2 = -10; MXFP4 has -8.
    b = nf.encode(block(-9.84, 1.0), "mxfp4_plus")
    assert (int(b.scales[0]), int(b.codes[0]), int(b.sides["index"][0])) == (128, 0b1010, 0)
    assert nf.decode(b)[0] == -10 and nf.quantize(block(-9.84, 1.0), "mxfp4")[0] == -8


@pytest.mark.parametrize("name, w, emax", FORMATS)
def test_every_code_of_the_maximum(name, w, emax):
    for m in range(1 << w):
        for sign in (0, 1):
            value = (-1) ** sign * (1 + m / 2**w) * 2.0**emax
            b = nf.encode(block(value), name)
            assert (int(b.scales[0]), int(b.codes[0])) == (127, sign << w | m)
            assert nf.decode(b)[0] == value


@pytest.mark.parametrize("name, w, emax", FORMATS)
def test_the_maximum_rounds_half_to_even_and_saturates_without_a_carry(name, w, emax):
    step = 2.0 ** (emax - w)
    for m in range((1 << w) - 1):
        tie = 2.0**emax + (m + 0.5) * step
        for x, code in ((np.nextafter(tie, 0), m), (tie, m + m % 2), (np.nextafter(tie, np.inf), m + 1)):
            assert int(nf.encode(block(x), name).codes[0]) == code
    top = np.nextafter(2.0 ** (emax + 1), 0)
    b = nf.encode(block(top), name)
    assert (int(b.scales[0]), int(b.codes[0])) == (127, (1 << w) - 1)
    assert nf.decode(b)[0] == 2.0 ** (emax + 1) - step


def test_first_of_equal_magnitudes_and_the_others_stay_plain():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 32)).astype(np.float32)
    x[:, 20] = -2 * np.abs(x).max(1)
    x[:, 7] = -x[:, 20]
    b, plain = nf.encode(x, "mxfp4_plus"), nf.encode(x, "mxfp4")
    assert (b.sides["index"] == 7).all() and np.array_equal(b.scales, plain.scales)
    others = np.arange(32) != 7
    assert np.array_equal(b.codes[:, others], plain.codes[:, others])
    assert np.array_equal(np.asarray(b)[:, others], np.asarray(plain)[:, others])


@pytest.mark.parametrize("name, w, emax", FORMATS)
def test_blocks_without_a_maximum_are_plain(name, w, emax):
    for x in (0.0, -0.0, 2.0**-140, np.nextafter(2.0 ** (emax - 127), 0)):
        b = nf.encode(block(x), name)
        assert int(b.sides["index"][0]) == 255 and int(b.scales[0]) == 0
        assert np.array_equal(nf.decode(b), nf.quantize(block(x), name.removesuffix("_plus")).astype(np.float32))
    assert int(nf.encode(block(2.0 ** (emax - 127)), name).sides["index"][0]) == 0
