"""BitMoD and IF4: the grid of a block is chosen by its error."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

import numfmt as nf
from numfmt.reference import decode, encode

BASE = {"bitmod3": (0, 1, 2, 4), "bitmod4": (0, 1, 2, 3, 4, 6, 8, 12)}
#: Special values in the order of the selector: abdelfattah-lab/BitMoD-HPCA-25, bitmod_quant/quant_utils.
SPECIALS = {"bitmod3": (3, -3, 6, -6), "bitmod4": (10, -10, 16, -16)}


@pytest.mark.parametrize("name", BASE)
def test_every_grid_represents_itself(name):
    base = BASE[name]
    for choice, special in enumerate(SPECIALS[name]):
        levels = [*base, *(-v for v in base[1:]), special]
        x = np.resize(np.array(levels, float), 128)
        b = nf.encode(x, name)
        assert int(b.sides["grid"][0]) == choice and float(b.scales[0]) == 1.0
        assert np.array_equal(nf.decode(b), x)
        assert b.codes[len(levels) - 1] == len(base)  # the special value is where -0 was


@pytest.mark.parametrize("name", BASE)
def test_a_midpoint_goes_to_the_lower_level(name):
    levels = sorted({*BASE[name], *(-v for v in BASE[name]), SPECIALS[name][0]})
    for low, high in pairwise(levels):
        x = np.resize(np.array(levels, float), 128)
        x[100] = (low + high) / 2
        assert nf.quantize(x, name)[100] == low
        x[100] = np.nextafter(x[100], np.inf)
        assert nf.quantize(x, name)[100] == high


def test_scale_limits():
    assert nf.encode(np.zeros(128), "bitmod4").scales[0] == np.float16(1e-5)
    b = nf.encode(np.full(128, 1e6), "bitmod4")
    assert b.scales[0] == np.float16(1e4) and set(b.codes.tolist()) == {8} and nf.decode(b)[0] == 16e4


def test_first_of_equal_errors():
    # Base levels alone: er_pos and er_neg are exact alike.
    x = np.resize(np.array([12.0, -8, 6, -4, 3, 2, 1, 0]), 128)
    assert int(nf.encode(x, "bitmod4").sides["grid"][0]) == 0


@pytest.mark.parametrize("name", BASE)
def test_better_than_every_single_grid(name):
    """BitMoD's claim, and which specials win on Gaussian data: asymmetry at 3 bits, resolution at 4."""
    rng = np.random.default_rng(0)
    for x in (rng.normal(size=(200, 128)), rng.laplace(size=(200, 128))):
        error = ((nf.quantize(x, name) - x) ** 2).sum()
        element = nf.get(name).element.name
        for label in ("er_pos", "er_neg", "ea_pos", "ea_neg"):
            single = nf.BlockFormat(f"{element}_{label}", "binary16", 128)
            assert error < ((nf.quantize(x, single) - x) ** 2).sum()
    chosen = nf.encode(rng.normal(size=(500, 128)), name).sides["grid"]
    assert (chosen >= 2).mean() > 0.8 if name == "bitmod3" else (chosen < 2).mean() > 0.6


def test_bitmod_against_the_reference_arithmetic_in_binary16():
    """The authors' code computes in binary16: the grid differs in few groups only, never the rule."""
    torch = pytest.importorskip("torch")
    w = torch.tensor(np.random.default_rng(0).normal(size=(500, 128)).astype(np.float16))
    error, chosen = torch.full([500], 1e3, dtype=torch.float16), torch.zeros(500, dtype=torch.int64)
    for choice, special in enumerate(SPECIALS["bitmod4"]):
        levels = sorted({*BASE["bitmod4"], *(-v for v in BASE["bitmod4"]), special})
        grid = torch.tensor(levels, dtype=torch.float16)
        scale = (w.abs().amax(1, keepdim=True) / float(grid.abs().max())).clamp(1e-5, 1e4)
        values = grid[torch.bucketize(w / scale, (grid[1:] + grid[:-1]) / 2)] * scale
        squares = (values - w).pow(2).mean(-1)
        chosen[squares < error] = choice
        error = torch.minimum(error, squares)
    mine = nf.encode(w.numpy(), "bitmod4").sides["grid"].ravel()
    assert (mine != chosen.numpy()).sum() <= 10  # 2 of 500 here; near-equal errors in 11 bits


# ---- IF4 -------------------------------------------------------------------------------------------------------------


def test_integers_and_floats_mark_themselves():
    # Tensor maximum 6 * 448, so the tensor scale is 1; each block's maximum gives the scale 448 or 1.
    x = np.zeros((3, 16), np.float32)
    x[0, 0] = 2688
    x[1, :8] = [6, 4, 3, 2, 1.5, 1, 0.5, -6]
    x[2, :8] = [6, 30 / 7, 24 / 7, 18 / 7, 12 / 7, 6 / 7, -6 / 7, -6]
    b = nf.encode(x, "if4")
    assert b.tensor_scale == 1.0 and b.scales.ravel().tolist() == [0x7E, 0x38, 0xB8]
    assert b.codes[1, :8].tolist() == [7, 6, 5, 4, 3, 2, 1, 15]
    assert b.codes[2, :8].tolist() == [7, 5, 4, 3, 2, 1, 15, 9]
    assert np.array_equal(nf.decode(b)[1:], x[1:]), "q * 6/7 rounded once to binary32"
    assert (b.scale_values[2] < 0).all()


def test_equal_errors_stay_e2m1():
    for x in (np.zeros(16), np.resize([6.0, -6.0, 0.0], 16)):
        assert (nf.encode(x, "if4").scales < 128).all()


def test_decode_of_all_integer_codes_rounds_once():
    fmt = nf.get("if4")
    codes = np.arange(16, dtype=np.uint8)
    for tensor_scale in (1.0, float(np.float32(1 / 3)), float(np.float32(1e-38)), float(np.float32(1.7e30))):
        for scale in (0x81, 0x87, 0x88, 0xB5, 0xBB, 0xFE):
            b = nf.BlockEncoded(codes, np.array([scale], np.uint8), fmt, tensor_scale=tensor_scale)
            step = Fraction(float(nf.get("fp8_e4m3fn").value_of(scale & 127))) * Fraction(tensor_scale) * Fraction(6, 7)
            exact = [(c - 16 * (c > 7)) * step for c in range(16)]
            assert nf.decode(b, dtype=np.float64).tolist() == [float(v) for v in exact]
            assert nf.decode(b).tolist() == [float(decode(encode(v, "binary32"), "binary32")) for v in exact]


def test_if4_against_the_reference_in_binary32():
    """mit-han-lab/fouroversix, select_intfloat: the same scales, choices and codes for this data."""
    torch = pytest.importorskip("torch")
    x = torch.tensor(np.random.default_rng(0).normal(size=(1000, 16)).astype(np.float32))
    encode_scale = torch.tensor(6 * 448.0) / x.abs().max()
    scales = (x.abs().amax(1) / 6 * encode_scale).to(torch.float8_e4m3fn)
    unit = (1 / encode_scale) * scales.float()[:, None]
    quotients = x * (1 / unit)
    a = quotients.abs()
    floats = torch.where(a < 2, torch.round(2 * a) / 2, torch.where(a < 4, torch.round(a), 2 * torch.round(a / 2)))
    floats, integers = quotients.sign() * floats, (quotients * (7 / 6)).clamp(-7, 7).round()
    chosen = ((integers * unit * (6 / 7) - x) ** 2).sum(1) < ((floats * unit - x) ** 2).sum(1)
    b = nf.encode(x.numpy(), "if4")
    assert np.array_equal(b.scales.ravel() & 127, scales.view(torch.uint8).numpy())
    assert np.array_equal(b.scales.ravel() > 127, chosen.numpy())
    values = np.where(b.scales > 127, (b.codes.astype(int) ^ 8) - 8, nf.get("fp4_e2m1").table[b.codes])
    assert np.array_equal(values, torch.where(chosen[:, None], integers, floats).numpy())


def test_integer_quotients_are_exact_for_binary64():
    """3 (2 k + 1) / 7 rounded to binary64 lies off the tie by less than binary64 shows in 7/6 of it."""
    ties = [Fraction(3 * (2 * k + 1), 7) for k in range(7)]
    integers = [Fraction(6 * q, 7) for q in (7, 6, 5, 4, 3, 2, 1, -7, -6)]
    x = np.zeros((2, 16))
    x[0, 0] = 2688
    x[1] = [float(v) for v in [*integers, *ties]]
    b = nf.encode(x, "if4")
    assert b.scales.ravel().tolist() == [0x7E, 0xB8]
    wanted = [round(Fraction(float(tie)) * 7 / 6) for tie in ties]
    assert b.codes[1, 9:].tolist() == wanted != [round(tie * 7 / 6) for tie in ties]
