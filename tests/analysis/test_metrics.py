"""Error measures agree with exact arithmetic and with closed forms."""

import dataclasses
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest

import numfmt as nf
from numfmt.analysis import ClipSearch, best_clip, decimal_accuracy, sqnr_db
from numfmt.errors import ArgumentError, FormatMismatchError


def exact_sqnr_db(x, q):
    signal = sum(Fraction(a) ** 2 for a in x)
    noise = sum((Fraction(a) - Fraction(b)) ** 2 for a, b in zip(x, q, strict=True))
    return float(
        10 * mpmath.log10(mpmath.mpf(signal.numerator) / signal.denominator * noise.denominator / noise.numerator)
    )


@pytest.mark.parametrize("scale", [1.0, 2.0**-600, 2.0**600])
@pytest.mark.parametrize("name", ["fp4_e2m1", "fp8_e4m3fn", "int8", "posit8_2"])
def test_sqnr_agrees_with_exact_arithmetic_at_every_scale(name, scale):
    x = np.random.default_rng(1).standard_normal(50)
    q = nf.quantize(x, name)
    assert sqnr_db(x * scale, q * scale) == pytest.approx(exact_sqnr_db(x.tolist(), q.tolist()), abs=1e-9)


def test_sqnr_agrees_with_the_conversion_report():
    x = np.random.default_rng(2).standard_normal((20, 30)).astype(np.float32)
    q, report = nf.quantize(x, "fp8_e5m2", report=True)
    assert sqnr_db(x, q) == pytest.approx(report.sqnr_db, abs=1e-9)
    assert sqnr_db(x, nf.encode(x, "fp8_e5m2")) == sqnr_db(x, q)  # an Encoded is its values


@pytest.mark.parametrize(
    "x, q, expected",
    [
        ([1.0, 2.0], [1.0, 2.0], math.inf),
        ([], [], math.inf),
        ([0.0], [0.0], math.inf),
        ([0.0], [1.0], -math.inf),
        ([1.0], [math.inf], -math.inf),
        ([3.0, 4.0], [3.0, 4.5], 20.0),  # 25 over 1/4
        ([1.0], [math.nan], math.nan),
        ([math.inf], [448.0], math.nan),
    ],
)
def test_sqnr_of_special_cases(x, q, expected):
    assert sqnr_db(x, q) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("q", [0.99, 1.01, 1 + 2.0**-52, 2.0, 0.1, 1e-300])
def test_decimal_accuracy_is_the_definition_to_full_precision(q):
    with mpmath.workdps(60):
        expected = float(-mpmath.log10(abs(mpmath.log10(mpmath.mpf(q)))))
    assert decimal_accuracy([1.0, -1.0], [q, -q]) == pytest.approx([expected, expected], abs=1e-12)


def test_decimal_accuracy_of_special_cases():
    x = [2.0, 0.0, -0.0, 1.0, 1.0, 0.0, 1.0, math.inf, math.inf, math.nan, 1.0]
    q = [2.0, 0.0, 0.0, -1.0, 0.0, 1.0, math.inf, math.inf, 448.0, 1.0, math.nan]
    inf, nan = math.inf, math.nan
    np.testing.assert_array_equal(decimal_accuracy(x, q), [inf, inf, inf, -inf, -inf, -inf, -inf, inf, -inf, nan, nan])


def test_the_shapes_must_agree():
    for measure in (sqnr_db, decimal_accuracy):
        with pytest.raises(ArgumentError, match=r"shape of x, which is \(2,\); got \(\)"):
            measure([1.0, 2.0], 1.0)


def test_best_clip_reports_what_the_scaled_format_does():
    x = np.random.default_rng(3).standard_t(5, (50, 40))
    before = x.copy()
    found = best_clip(x, "fp8_e2m5f", count=20)
    np.testing.assert_array_equal(x, before)
    fmt = nf.get("fp8_e2m5f")
    results = {}
    for clip in found.clips:
        scale = fmt.max / clip
        q = nf.quantize(np.clip(x, -clip, clip) * scale, fmt) / scale
        results[clip] = q
    # The scale is applied in another order of operations: agreement to rounding errors of binary64.
    assert [sqnr_db(x, q) for q in results.values()] == pytest.approx(list(found.sqnrs_db), abs=1e-9)
    assert found.sqnr_db == max(found.sqnrs_db) >= found.absmax_sqnr_db
    assert found.mse == pytest.approx(np.mean((x - results[found.clip]) ** 2), rel=1e-9)
    assert found.clip == found.ratio * np.abs(x).max()
    assert found.scale == fmt.max / found.clip
    assert np.abs(x).max() in found.clips and len(found.clips) == 21


def test_best_clip_of_two_values_is_found_by_hand():
    # Narrow int2 is {-1, 0, 1}, so 99 ones and a ten all become c while c < 2, and the ones become 0 above. The sum of
    # squares 99 (1 - c)**2 + (10 - c)**2 is least at c = 1.09.
    x = np.append(np.ones(99), 10.0)
    found = best_clip(x, "int2_narrow", low=0.01, high=1.0, count=2001)
    assert found.clip == pytest.approx(1.09, rel=np.log(100) / 2000)
    assert found.absmax_sqnr_db == pytest.approx(10 * math.log10(199 / 99))


@pytest.mark.parametrize("fmt", ["fp8_e4m3fn", "fp8_e4m3fnuz", "binary16", "p3109_k8p4se", "posit8_2", "hif8", "nf4"])
def test_best_clip_saturates_in_every_family(fmt):
    x = np.random.default_rng(4).standard_normal(500)
    assert np.isfinite(best_clip(x, fmt, count=5).sqnrs_db).all()  # an infinity would give -inf, a NaN NaN


def test_best_clip_of_a_tapered_format_lies_far_above_the_data():
    # posit8_0 has its most accurate values near 1, a sixty-fourth of its maximum.
    x = np.random.default_rng(6).standard_normal(2000)
    found = best_clip(x, "posit8_0", low=0.1, high=100.0)
    assert 5 < found.ratio < 50 and found.sqnr_db > found.absmax_sqnr_db + 10


def test_best_clip_does_not_depend_on_the_scale_of_the_data():
    x = np.random.default_rng(5).laplace(size=1000)
    here, there = best_clip(x, "int8_narrow"), best_clip(x * 2.0**500, "int8_narrow")
    assert (here.ratio, here.sqnrs_db) == (there.ratio, there.sqnrs_db)


def test_clip_search_is_a_value():
    found = best_clip([1.0, 2.5], nf.get("int4_narrow"), count=3)
    assert isinstance(found, ClipSearch) and found == best_clip([1.0, 2.5], "int4_narrow", count=3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.clip = 1.0


@pytest.mark.parametrize("x", [[], [0.0, 0.0], [1.0, math.nan], [math.inf]])
def test_best_clip_refuses_data_without_a_range(x):
    with pytest.raises(ArgumentError, match="finite and not all zero"):
        best_clip(x, "int8_narrow")


@pytest.mark.parametrize("grid", [{"low": 0.0}, {"low": 2.0, "high": 1.0}, {"high": math.inf}, {"count": 0}])
def test_best_clip_refuses_a_bad_grid(grid):
    with pytest.raises(ArgumentError, match="0 < low <= high and count >= 1"):
        best_clip([1.0], "int8_narrow", **grid)


def test_best_clip_refuses_what_binary64_cannot_scale():
    with pytest.raises(ArgumentError, match="rescale x"):
        best_clip([1e-300], "takum8")
    with pytest.raises(FormatMismatchError, match="complex"):
        best_clip([1.0], "fourth_roots")
    with pytest.raises(FormatMismatchError, match="largest value"):
        best_clip([1.0], "fp16_e14m1")
