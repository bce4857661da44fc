"""Sets of vectors: against the exact reference and against arithmetic done here, and what boundary sets reach."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import numfmt as nf
from numfmt import vectors
from numfmt.errors import ArgumentError, FormatMismatchError
from numfmt.vectors.classes import classify


def e4m3fn_value(code: int) -> Fraction | None:
    """OCP OFP8 table 1, by itself: None for NaN."""
    exponent, mantissa = code >> 3 & 15, code & 7
    if code & 127 == 127:
        return None
    magnitude = (
        Fraction(mantissa, 8 * 64) if exponent == 0 else (1 + Fraction(mantissa, 8)) * Fraction(2) ** (exponent - 7)
    )
    return -magnitude if code >> 7 else magnitude


def test_an_exhaustive_multiplication_is_right_by_fractions():
    made = vectors.generate("mul", "fp8_e4m3fn")
    assert len(made) == 65536
    values = {c: e4m3fn_value(c) for c in range(256)}
    positive = [(values[c], c) for c in range(127)]
    rng = np.random.default_rng(1)
    for row in rng.integers(0, 65536, 3000).tolist():
        a, b, z = (int(made[name][row]) for name in "abz")
        assert (a, b) == divmod(row, 256)
        if values[a] is None or values[b] is None:
            assert z == 0x7F
            continue
        sign = (a ^ b) & 128
        size = abs(values[a] * values[b])
        if size >= 464:  # halfway between 448 and 480: a tie to the even code, which overflows
            assert z == 0x7F if size > 464 else z in (0x7F, 0x7E | sign)
            continue
        best = min(positive, key=lambda entry: (abs(entry[0] - size), entry[1] & 1))
        assert z == best[1] | sign, row


@pytest.mark.parametrize(
    ("op", "formats", "fmt"),
    [
        ("add", ["fp8_e4m3fn", "fp8_e5m2"], "binary16"),
        ("fma", ["binary16", "binary16", "binary32"], "binary32"),
        ("div", ["binary64"], None),
        ("sqrt", ["posit16"], None),
        ("maximum_number", ["bfloat16"], None),
        ("next_up", ["fp8_e4m3fn"], None),
        ("remainder", ["fp6_e3m2"], None),
    ],
)
@pytest.mark.parametrize("rounding", ["nearest_even", "toward_negative"])
def test_smoke_sets_agree_with_the_reference_in_every_row(op, formats, fmt, rounding):
    made = vectors.generate(op, formats, fmt=fmt, set="smoke", rounding=rounding)
    assert len(made) + made.undefined == 256
    for row in range(len(made)):
        operands = [(f, int(codes[row])) for f, codes in zip(made.formats, made.operands, strict=True)]
        outcome = nf.reference.operate(op, operands, made.fmt, rounding=rounding)
        assert (int(made["z"][row]), int(made["flags"][row])) == (outcome.code, outcome.flags.bits)


@pytest.mark.parametrize(
    ("op", "formats", "fmt"),
    [
        ("add", "fp8_e4m3fn", None),
        ("mul", "fp8_e4m3fn", None),
        ("fma", "fp8_e5m2", None),
        ("div", "fp8_e5m2", None),
        ("add", "binary16", None),
        ("mul", "binary32", None),
        ("div", "binary32", None),
        ("sub", "binary64", None),
        ("sqrt", "binary16", None),
        ("cast", "binary32", "fp8_e4m3fn"),
        ("mul", "posit16", None),
    ],
)
def test_boundary_sets_reach_every_class_that_is_not_proved_out_of_reach(op, formats, fmt):
    made = vectors.generate(op, formats, fmt=fmt, set="boundary")
    coverage = made.coverage
    assert coverage.missed == ()
    assert len(made) < 4000
    again = dict.fromkeys(coverage.counts, 0)
    for row in zip(*(codes.tolist() for codes in made.operands), strict=True):
        for name in classify(op, made.formats, row, made.fmt):
            if name in again:
                again[name] += 1
    assert again == coverage.counts
    for name, count in coverage.counts.items():
        assert count >= coverage.needed or coverage.proved or name in coverage.out_of_reach


def test_classes_are_what_their_names_say():
    e4m3fn, binary16 = nf.get("fp8_e4m3fn"), nf.get("binary16")
    # 1.125 * 1.5 = 1.6875, halfway between 1.625 and 1.75.
    assert classify("mul", (e4m3fn, e4m3fn), (0x39, 0x3C), e4m3fn) == ("tie",)
    # 448 + 16 = 464, halfway to 480, the next number if there were one.
    assert classify("add", (e4m3fn, e4m3fn), (0x7E, 0x58), e4m3fn)[0] == "overflow_at_threshold"
    # 2**-5 * 2**-5 = 2**-10, half the smallest number 2**-9.
    assert "vanish_at_half" in classify("mul", (e4m3fn, e4m3fn), (0x10, 0x10), e4m3fn)
    # 1 - (1 - 2**-11) = 2**-11: eleven bits cancel.
    assert "cancel_11" in classify("sub", (binary16, binary16), (0x3C00, 0x3BFF), binary16)
    assert classify("add", (binary16, binary16), (0x7C00, 0x3C00), binary16) == ("special",)


def test_random_sets_are_counter_based():
    longer = vectors.generate("add", "binary32", set="random", n=500, seed=9)
    shorter = vectors.generate("add", "binary32", set="random", n=100, seed=9)
    assert all(np.array_equal(a[:100], b) for a, b in zip(longer.operands, shorter.operands, strict=True))
    other = vectors.generate("add", "binary32", set="random", n=100, seed=10)
    assert not np.array_equal(other["a"], shorter["a"])


def test_columns_say_what_a_datapath_holds():
    made = vectors.generate("fma", "fp8_e4m3fn", set="boundary", columns=vectors.COLUMNS)
    for row in range(0, len(made), 7):
        a, b, c = (e4m3fn_value(int(made[name][row])) for name in "abc")
        if None in (a, b, c):
            continue
        sign, significand = int(made["exact_sign"][row]), int(made["exact_significand"][row])
        exponent = int(made["exact_exponent"].astype(np.int16)[row])
        assert (-1) ** sign * significand * Fraction(2) ** exponent == a * b
        base = int(made["aligned_exponent"].astype(np.int16)[row])
        large, small = int(made["aligned_large"][row]), int(made["aligned_small"][row])
        total = large - small if made["aligned_subtract"][row] else large + small
        # Three bits below the last one of the larger addend decide the sum: exact but for the sticky bit.
        assert abs(abs(a * b + c) - abs(total) * Fraction(2) ** base) < Fraction(2) ** base
    ties = [i for i in range(len(made)) if vectors.CLASS_NAMES[made["class"][i]] == "tie"]
    assert ties and {int(made["grs"][i]) for i in ties} == {0b100}


def test_masks_are_the_free_bits_of_nans():
    made = vectors.generate("mul", "binary16", set="smoke", columns=["mask"])
    is_nan = (made["z"] & 0x7FFF) > 0x7C00
    assert np.array_equal(made["mask"] == 0x81FF, is_nan) and is_nan.any()
    assert not made["mask"][~is_nan].any()


def test_rows_without_a_result_are_left_out_and_counted():
    made = vectors.generate("div", "fp4_e2m1")
    assert (len(made), made.undefined) == (252, 4)  # 0 / 0, of both signs
    assert vectors.generate("div", "fp4_e2m1", nan="zero").undefined == 0


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        (("mull", "binary16"), {}, ArgumentError),
        (("mul", "binary16"), {}, ArgumentError),  # 2**32 rows
        (("fma", "fp8_e4m3fn"), {}, ArgumentError),  # 2**24 rows want n
        (("mul", ["fp8_e4m3fn", "fp8_e5m2"]), {}, FormatMismatchError),
        (("mul", ["fp8_e4m3fn"] * 3), {}, ArgumentError),
        (("mul", "fp8_e4m3fn"), {"set": "all"}, ArgumentError),
        (("mul", "fp8_e4m3fn"), {"set": "random"}, ArgumentError),
        (("mul", "fp8_e4m3fn"), {"set": "random", "n": 10, "seed": -1}, ArgumentError),
        (("mul", "fp8_e4m3fn"), {"set": "smoke", "n": 10}, ArgumentError),
        (("mul", "fp8_e4m3fn"), {"rounding": "stochastic_a"}, ArgumentError),
        (("mul", "fp8_e4m3fn"), {"nan": "mips"}, ArgumentError),
        (("mul", "fp8_e4m3fn"), {"tininess": "never"}, ArgumentError),
        (("add", "fp8_e4m3fn"), {"columns": ["exact"]}, ArgumentError),
        (("add", "fp8_e4m3fn"), {"columns": ["colour"]}, ArgumentError),
        (("add", "fourth_roots"), {}, FormatMismatchError),
    ],
)
def test_what_makes_no_set_is_refused(arguments, options, error):
    with pytest.raises(error):
        vectors.generate(*arguments, **options)
