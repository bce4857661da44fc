"""The noise model against the figures of arXiv:2510.25602, and against numerical integration of its assumptions."""

from __future__ import annotations

import dataclasses
import itertools
import math

import mpmath
import numpy as np
import pytest

import numfmt as nf
from numfmt.analysis import Crossover, crossover, float_qsnr_db, int_qsnr_db
from numfmt.errors import ArgumentError, FormatMismatchError, FormatNameError

MX = {8: "fp8_e4m3fn", 6: "fp6_e2m3", 4: "fp4_e2m1"}


# ---- published crossovers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bits, options, crest, qsnr",
    [
        (8, {}, 7.55, 31.86),
        (6, {}, 1.96, 31.54),
        (4, {}, 2.04, 19.14),
        (4, {"scale": "e4m3"}, 2.39, 21.14),
    ],
)
def test_the_four_published_crossovers(bits, options, crest, qsnr):
    """arXiv:2510.25602, the theoretical comparison of QSNR against the crest factor."""
    at = crossover(bits, MX[bits], **options)
    assert (round(at.crest, 2), round(at.qsnr_db, 2)) == (crest, qsnr)


@pytest.mark.parametrize(
    "bits, fmt, options, crest",
    [  # recomputed by other code from the paper's formulas
        (8, "fp8_e4m3fn", {"overhead": 1.5}, 7.546),
        (6, "fp6_e2m3", {"overhead": 1.5}, 1.959),
        (4, "fp4_e2m1", {"overhead": 1.5}, 2.042),
        (4, "fp4_e2m1", {"scale": "e4m3", "overhead": 1.05}, 2.391),
        (4, "fp4_e2m1", {"scale": "e4m3", "overhead": 1.0}, 2.464),
        (4, "fp4_e2m1", {"scale": "e4m3", "overhead": 1.0, "levels": "power_of_two"}, 2.463),
        (8, "fp8_e4m3fn", {"levels": "exact"}, 7.48),
        (6, "fp6_e2m3", {"levels": "exact"}, 1.89),
        (4, "fp4_e2m1", {"levels": "exact"}, 1.735),
        (4, "fp4_e2m1", {"scale": "e4m3", "overhead": 1.0, "levels": "exact"}, 2.224),
        (8, "fp8_e4m3fn", {"overhead": 1.0}, 11.32),
        (8, "fp8_e4m3fn", {"overhead": math.sqrt(2)}, 8.00),
        (8, "fp8_e4m3fn", {"overhead": 2.0}, 5.66),
        (6, "fp6_e3m2", {}, 3.77),
    ],
)
def test_crossovers_under_other_assumptions(bits, fmt, options, crest):
    digits = len(str(crest).split(".")[1])
    assert round(crossover(bits, fmt, **options).crest, digits) == crest


def test_the_fourth_crossover_as_the_text_defines_it_is_another_one():
    at = crossover(4, "fp4_e2m1", scale="e4m3", overhead=1.0)
    assert round(at.qsnr_db, 2) == 21.31


def test_the_dead_zone_of_the_authors_script_hardly_matters():
    for bits, fmt in MX.items():
        assert abs(crossover(bits, fmt, dead_zone=True).crest - crossover(bits, fmt).crest) < 0.0002


def test_a_float_of_ample_range_has_a_plateau():
    """13.80 + 6.02 M dB: 10 log10(24) + 20 M log10(2)."""
    for mantissa_bits in (1, 2, 3, 7):
        plateau = 10 * math.log10(24) + 20 * mantissa_bits * math.log10(2)
        assert float_qsnr_db(3.0, (1000, mantissa_bits, 1.0)) == pytest.approx(plateau, abs=1e-9)
    assert round(float_qsnr_db(3.0, "fp8_e4m3fn"), 2) == 31.86


# ---- the model, integrated numerically ---------------------------------------------------------------------------


def integrated_noise(kappa, bias, mantissa_bits, largest, overhead, dead_zone, known):
    """Mean squared error over variance: the noise of each |z| times the Gaussian density, by quadrature."""
    unit = mpmath.mpf(overhead) * kappa / mpmath.mpf(largest)
    smallest_normal, smallest = unit * mpmath.mpf(2) ** (1 - bias), unit * mpmath.mpf(2) ** (1 - bias - mantissa_bits)
    significands = mpmath.quad(lambda s: s**-2, [1, 2])  # mean of (2**e / x)**2, significands even over [1, 2)

    def squared_error(z):
        if z >= smallest_normal:
            return (z * mpmath.mpf(2) ** -mantissa_bits) ** 2 * significands / 12
        if dead_zone and z < smallest / 2:
            return z * z
        return smallest**2 / 12

    breaks = sorted({0, 1, 2, 4, 8, 12, *(b for b in (smallest / 2, smallest_normal) if b < 12)})
    total = 2 * sum(
        mpmath.quad(lambda z: squared_error(z) * mpmath.npdf(z), [low + mpmath.mpf(10) ** -25, high])
        for low, high in itertools.pairwise(breaks)
    )
    # A block maximum that is exact takes its own share of the noise away.
    return total - mpmath.mpf(known) * kappa**2 * mpmath.mpf(4) ** -mantissa_bits * significands / 12


@pytest.mark.parametrize("fmt", [*MX.values(), "fp6_e3m2", "fp8_e5m2"])
@pytest.mark.parametrize("crest", [1.5, 2.04, 3.9])
@pytest.mark.parametrize("dead_zone", [False, True])
@pytest.mark.parametrize("scale, overhead, known", [("e8m0", 1.5, 0), ("e8m0", 1.0, 0), ("e4m3", 1.05, 1 / 16)])
def test_float_model_agrees_with_integration(fmt, crest, dead_zone, scale, overhead, known):
    f = nf.get(fmt)
    with mpmath.workdps(20):
        noise = integrated_noise(crest, f.bias, f.mantissa_bits, f.max, overhead, dead_zone, known)
        expected = math.inf if noise <= 0 else float(-10 * mpmath.log10(noise))
    options = {"scale": scale, "overhead": overhead, "dead_zone": dead_zone}
    # Rounding errors of binary64 near 1, over a noise of at least 1e-4 (fp8_e4m3fn less the maximum): 1e-10 dB.
    assert float_qsnr_db(crest, fmt, **options) == pytest.approx(expected, abs=1e-8)
    assert float_qsnr_db(crest, (f.bias, f.mantissa_bits, f.max), **options) == float_qsnr_db(crest, fmt, **options)


@pytest.mark.parametrize("bits", [4, 6, 8])
@pytest.mark.parametrize("levels, top", [("power_of_two", 0), ("exact", 1)])
def test_integer_model_is_a_twelfth_of_the_squared_step(bits, levels, top):
    for crest, rho in ((1.5, 1.0), (3.0, 1.5)):
        step = rho * crest / (2 ** (bits - 1) - top)
        noise = float(mpmath.quad(lambda e, step=step: e * e / step, [-step / 2, step / 2]))
        got = int_qsnr_db(crest, bits, overhead=rho, levels=levels)
        assert got == pytest.approx(-10 * math.log10(noise), abs=1e-10)
        two_level = int_qsnr_db(crest, bits, overhead=rho, levels=levels, scale="e4m3")
        assert two_level == pytest.approx(-10 * math.log10(noise * 15 / 16), abs=1e-10)


@pytest.mark.parametrize("bits", [2, 4, 6, 8])
def test_the_printed_formula(bits):
    """QSNR = 4.78 + 6.02 b - 20 log10(rho) - 20 log10(kappa), arXiv:2510.25602."""
    assert int_qsnr_db(10.0, bits, overhead=1) == pytest.approx(4.78 + 6.02 * bits - 20, abs=1e-12)
    assert int_qsnr_db(1.0, bits, overhead=10) == pytest.approx(4.78 + 6.02 * bits - 20, abs=1e-12)
    assert abs(int_qsnr_db(1.0, bits) - int_qsnr_db(1.0, bits, levels="power_of_two")) < 0.01


# ---- what a crossover is -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"scale": "e4m3"}, {"levels": "exact", "dead_zone": True}])
@pytest.mark.parametrize("bits", [4, 6])
def test_the_integer_leads_below_and_trails_above(bits, options):
    at = crossover(bits, MX[bits], **options)
    ints = {k: v for k, v in options.items() if k != "dead_zone"}
    floats = {k: v for k, v in options.items() if k != "levels"}

    def lead(crest):
        return int_qsnr_db(crest, bits, **ints) - float_qsnr_db(crest, MX[bits], **floats)

    assert lead(at.crest * (1 - 1e-9)) > 0 > lead(at.crest * (1 + 1e-9))
    assert at.qsnr_db == pytest.approx(float_qsnr_db(at.crest, MX[bits], **floats), abs=1e-9)
    grid = np.linspace(1, 4, 300)
    np.testing.assert_array_equal(lead(grid) > 0, grid < at.crest)


def test_formats_that_never_cross():
    # Steps of 1/8 up to 1.875: fifteen levels, nowhere finer than the 127 of int8.
    always = crossover(8, (1, 3, 1.875))
    assert isinstance(always, Crossover) and always.crest == math.inf and math.isnan(always.qsnr_db)
    never = crossover(2, "fp8_e4m3fn")
    assert never.crest == 0 and math.isnan(never.qsnr_db)


def test_arrays_and_scalars():
    crest = np.linspace(1, 4, 12).reshape(3, 4)
    for function, fmt in ((int_qsnr_db, 8), (float_qsnr_db, "fp8_e4m3fn")):
        for scale in ("e8m0", "e4m3"):
            y = function(crest, fmt, scale=scale)
            assert y.shape == crest.shape
            assert y.tolist() == [[function(v, fmt, scale=scale) for v in row] for row in crest.tolist()]
            assert type(function(2, fmt)) is float
    with pytest.raises(dataclasses.FrozenInstanceError):
        crossover(8, "fp8_e4m3fn").crest = 1.0


def test_a_model_without_noise_left_is_infinite():
    # At crest sqrt(block) one element holds all the energy; with no subnormals in reach no noise is left.
    assert float_qsnr_db(4.0, (1000, 3, 1.0), scale="e4m3") == math.inf


# ---- errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, message",
    [
        ({"scale": "fp32"}, "scale must be 'e8m0' or 'e4m3', got 'fp32'"),
        ({"overhead": 0}, "overhead must be positive and finite, got 0"),
        ({"overhead": math.nan}, "overhead must be"),
        ({"block": 1}, "block must be an integer from 2 to"),
        ({"block": 32.0}, "block must be an integer from 2 to"),
    ],
)
def test_bad_assumptions(options, message):
    for call in (lambda: int_qsnr_db(2.0, 8, **options), lambda: float_qsnr_db(2.0, MX[8], **options)):
        with pytest.raises(ArgumentError, match=message):
            call()
    with pytest.raises(ArgumentError, match=message):
        crossover(8, MX[8], **options)


def test_bad_arguments():
    for crest in (0.0, -1.0, math.nan, math.inf, [1.0, 0.0]):
        with pytest.raises(ArgumentError, match="crest must be positive and finite"):
            int_qsnr_db(crest, 8)
        with pytest.raises(ArgumentError, match="crest must be positive and finite"):
            float_qsnr_db(crest, MX[8])
    with pytest.raises(ArgumentError, match=r"crest cannot exceed sqrt\(block\) = 4, .* got 4.1"):
        float_qsnr_db([2.0, 4.1], MX[4], scale="e4m3")
    assert math.isfinite(float_qsnr_db(7.55, MX[8]))  # beyond sqrt(32), as published: the formula has no block
    for bits in (1, 65, 8.0, True):
        with pytest.raises(ArgumentError, match="bits must be an integer from 2 to 64"):
            int_qsnr_db(2.0, bits)
    with pytest.raises(ArgumentError, match="levels must be"):
        int_qsnr_db(2.0, 8, levels="127")
    for fmt in ((1, 2), (1, -2, 6.0), (1, 1, "6")):
        with pytest.raises(ArgumentError, match="mantissa_bits, max"):
            float_qsnr_db(2.0, fmt)
    for fmt in ("int8", "posit8_2"):
        with pytest.raises(
            FormatMismatchError, match=f"fmt must be a float with subnormals, {nf.get(fmt).name} is none"
        ):
            float_qsnr_db(2.0, fmt)
    with pytest.raises(FormatNameError):
        float_qsnr_db(2.0, "fp8_e4m3")
