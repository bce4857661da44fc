"""Pieces of a tensor have the bits of the whole array."""

from functools import partial

import numpy as np
import pytest

import numfmt as nf
from numfmt.cli.files import Tensor
from numfmt.cli.pieces import BlockRules, block_pieces, why_no_blocks
from numfmt.errors import NumfmtError


def tensor(x):
    return Tensor("x", x.dtype.name, x.shape, lambda: x)


def joined(x, name, step, **rules):
    """The pieces put together; they must follow one another without a gap."""
    parts, at = [], 0
    for piece in block_pieces(tensor(x), nf.get(name), BlockRules(**rules), step=step):
        assert piece.at == at
        parts.append(piece.quantized())
        at += parts[-1].size
    assert at == x.size
    return np.concatenate(parts).reshape(x.shape)


def same_bits(a, b):
    return a.dtype == b.dtype and a.tobytes() == b.tobytes()


def numbers(shape, dtype=np.float32, seed=3):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) * 2.0 ** rng.uniform(-4, 4, shape)).astype(dtype)


FORMATS = [
    *(
        "mxfp4",
        "mxfp8_e5m2",
        "mxint8",
        "nvfp4",
        "nvfp4_4over6",
        "nvint4",
        "if4",
        "mxfp4_plus",
        "mx6",
        "bfp8_b",
        "msfp12",
    ),
    *("int8_absmax", "int8_tensor", "uint4_affine", "uint4_affine_tensor", "int4_g32", "uint4_g32", "flexpoint16_5"),
    *("fp8_e4m3_tensor", "fp8_e4m3_g128", "nf4_b64", "nf4_b64_dq", "adaptivfloat8_3", "q4_0", "q8_0", "tq1_0"),
    *("ternary_absmean", "ternary_absmedian", "ternary_twn", "ternary_channel", "bitmod4", "sherry", "qoq_int4_g128"),
    *("int4*binary32/axis@signed_absmax;axis=flat", "fp4_e2m1*ufp8_e8m0/axis;axis=flat"),
]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("step", [64, 256, 1024])
def test_pieces_have_the_bits_of_the_whole(name, step):
    x = numbers((12, 512))
    assert same_bits(joined(x, name, step), nf.quantize(x, name))


@pytest.mark.parametrize("axis", [0, 1, 2, -2])
@pytest.mark.parametrize("name", ["mxfp4", "nvfp4", "int8_absmax", "uint4_affine", "ternary_channel"])
def test_pieces_along_every_axis(name, axis):
    x = numbers((32, 64, 96), np.float64)
    assert same_bits(joined(x, name, 512, axis=axis), nf.quantize(x, name, axis=axis))


@pytest.mark.parametrize("name", ["mxfp4", "nvfp4", "uint4_g32", "q4_0", "nf4_b64", "fp8_e4m3_128x128"])
@pytest.mark.parametrize("shape", [(7, 50), (3, 1), (130, 260)])
def test_padded_pieces(name, shape):
    x = numbers(shape, np.float16)
    assert same_bits(joined(x, name, 64, pad=True), nf.quantize(x, name, pad=True))


def test_tiles():
    x = numbers((3, 256, 384))
    assert same_bits(joined(x, "fp8_e4m3_128x128", 1000), nf.quantize(x, "fp8_e4m3_128x128"))


@pytest.mark.parametrize("name", ["mxfp4", "nvfp4", "int8_tensor", "uint4_affine_tensor", "ternary_absmean"])
def test_random_bits_do_not_depend_on_the_pieces(name):
    x = numbers((8, 320))
    rules = {"element": {"rounding": "stochastic_a"}, "seed": 5}
    assert same_bits(joined(x, name, 64, **rules), nf.quantize(x, name, rounding="stochastic_a", random=5))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["mxfp4", "flexpoint16_5", "nvfp4", "fp8_e4m3_tensor", "nf4_b64"])
def test_numbers_that_are_not_finite_do_to_pieces_what_they_do_to_the_whole(name, bad):
    x = numbers((4, 256))
    x[2, 77] = bad
    for nonfinite in (None, "skip", "nan", "raise"):
        try:
            want = nf.quantize(x, name, nonfinite=nonfinite)
        except NumfmtError as err:
            with pytest.raises(type(err)):
                joined(x, name, 64, nonfinite=nonfinite)
        else:
            assert same_bits(joined(x, name, 64, nonfinite=nonfinite), want)


@pytest.mark.parametrize("name", ["nvfp4", "int8_tensor", "flexpoint16_5", "ternary_absmean"])
@pytest.mark.parametrize("x", [np.zeros(320, np.float32), np.full(320, -0.0), np.full(320, 1e-40), np.full(320, 3e38)])
def test_extreme_tensors(name, x):
    assert same_bits(joined(x, name, 64), nf.quantize(x, name))


def test_tensors_are_read_in_ranges():
    x = numbers((40, 320))
    longest = 0

    def read(start, stop):
        nonlocal longest
        longest = max(longest, stop - start)
        return x.reshape(-1)[start:stop]

    for name in ("mxfp4", "nvfp4", "int8_tensor", "uint4_affine_tensor", "ternary_absmean"):
        source = Tensor("x", "float32", x.shape, partial(pytest.fail, "loaded whole"), read=read)
        parts = [p.quantized() for p in block_pieces(source, nf.get(name), BlockRules(), step=640)]
        assert same_bits(np.concatenate(parts).reshape(x.shape), nf.quantize(x, name))
    assert longest == 640


def test_missing_axes_are_told():
    vector = tensor(np.ones(64, np.float32))
    assert why_no_blocks(vector, nf.get("mxfp4"), "default") is None
    assert why_no_blocks(vector, nf.get("mxfp4"), 1) == "it has 1 axis, and the blocks of mxfp4 lie along axis 1"
    assert "(-2, -1)" in why_no_blocks(vector, nf.get("fp8_e4m3_128x128"), "default")
    for name in ("mxfp4", "nf4_b64"):
        number = tensor(np.float32(1).reshape(()))
        assert why_no_blocks(number, nf.get(name), "default") == "a single number has no axis for blocks"
