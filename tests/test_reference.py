"""The witness itself, against numbers printed in the standards (facts collected from the documents named below)."""

import math
from fractions import Fraction

import pytest

from numfmt import reference
from numfmt.errors import ArgumentError, FormatOverflowError, NaNError
from numfmt.formats import CodebookFormat, FloatFormat, PositFormat, Specials, get, names
from numfmt.reference.rounding import outward_count, rounds_outward
from numfmt.rounding import NaNRule, Overflow, Rounding

INF, NAN = math.inf, math.nan
NONSAT, SAT, PROPAGATE, NONE = Overflow.NONSATURATING, Overflow.SATURATE, Overflow.SAT_PROPAGATE, Overflow.SAT_NONE


# ---- decoding ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fmt, code, value",
    [
        # OCP OFP8 rev 1.0 section 5: largest normal, smallest normal, largest and smallest subnormal.
        ("fp8_e4m3fn", 0x7E, 448),
        ("fp8_e4m3fn", 0x08, Fraction(1, 64)),
        ("fp8_e4m3fn", 0x07, Fraction(7, 512)),
        ("fp8_e4m3fn", 0x01, Fraction(1, 512)),
        ("fp8_e5m2", 0x7B, 57344),
        ("fp8_e5m2", 0x04, Fraction(1, 2**14)),
        ("fp8_e5m2", 0x03, Fraction(3, 2**16)),
        ("fp8_e5m2", 0xFC, -INF),
        # OCP MX v1.0 tables of E2M1, E3M2, E2M3 and E8M0.
        ("fp4_e2m1", 0x7, 6),
        ("fp4_e2m1", 0x5, 3),
        ("fp6_e3m2", 0x1F, 28),
        ("fp6_e2m3", 0x1F, Fraction(15, 2)),
        ("ufp8_e8m0", 0x00, Fraction(1, 2**127)),
        ("ufp8_e8m0", 0xFE, 2**127),
        # arXiv:2206.02915: the fnuz formats.
        ("fp8_e4m3fnuz", 0x7F, 240),
        ("fp8_e5m2fnuz", 0x01, Fraction(1, 2**17)),
        # P3109 v4.0 section 4.1 value tables.
        ("p3109_k8p1se", 0x7E, 2**62),
        ("p3109_k8p3se", 0x7E, 49152),
        ("p3109_k8p4se", 0x40, 1),
        ("p3109_k8p4sf", 0x7F, 240),
        ("p3109_k8p3ue", 0xFD, Fraction(5, 4) * 2**31),
        ("p3109_k8p8uf", 0xFE, Fraction(127, 64)),
        ("p3109_k4p2sf", 0x7, 3),
        ("p3109_k8p4se", 0xFF, -INF),
        # Posit Standard 2022 section 3; Gustafson's posit(4, 1).
        ("posit8_2", 0x7F, 2**24),
        ("posit8_2", 0x01, Fraction(1, 2**24)),
        ("posit16_2", 0x7FFF, 2**56),
        ("posit4_1", 0x3, Fraction(1, 2)),
        ("posit4_1", 0x6, 4),
        ("posit4_1", 0x9, -16),
        # arXiv:2404.18603: takum8 and takum16 linear extremes.
        ("takum8", 0x41, Fraction(9, 8)),
        ("takum8", 0x01, Fraction(1, 2**239)),
        ("takum8", 0x7F, 2**239),
        ("takum16", 0x0001, Fraction(17, 16) * Fraction(1, 2**255)),
        ("takum16", 0x7FFF, Fraction(31, 16) * 2**254),
        # arXiv:2409.16626 table: HiF8.
        ("hif8", 0x01, Fraction(1, 2**22)),
        ("hif8", 0x08, 1),
        ("hif8", 0x6E, 32768),
        ("hif8", 0x6F, INF),
        ("hif8", 0xEF, -INF),
        ("int8", 0x80, -128),
        ("int8_f6", 0x80, -2),
        ("int8_sm", 0x85, -5),
        ("bnb_fp4", 0x3, 1),
        ("nf4", 0x7, 0),
    ],
)
def test_decode_gives_the_standards_values(fmt, code, value):
    assert reference.decode(code, fmt) == value


@pytest.mark.parametrize(
    "fmt, code",
    [("fp8_e4m3fn", 0x7F), ("fp8_e5m2", 0xFD), ("fp8_e4m3fnuz", 0x80), ("p3109_k8p4se", 0x80), ("p3109_k8p4ue", 0xFF)]
    + [("posit8_2", 0x80), ("takum_log16", 0x8000), ("hif8", 0x80), ("ufp8_e8m0", 0xFF), ("lns8_3", 0xC0)],
)
def test_decode_gives_nan_where_the_standards_put_it(fmt, code):
    assert math.isnan(reference.decode(code, fmt))


def test_decode_keeps_minus_zero():
    assert math.copysign(1, reference.decode(0x80, "fp8_e4m3fn")) == -1
    assert math.copysign(1, reference.decode(0x80, "int8_sm")) == -1


def test_irrational_values_are_correctly_rounded():
    # takum16 logarithmic range of arXiv:2404.18603, and 2**(1/8).
    assert reference.decode(0x7FFF, "takum_log16") == pytest.approx(2.285e55, rel=5e-4)
    assert reference.decode(0x0001, "takum_log16") == pytest.approx(4.375e-56, rel=5e-4)
    assert reference.decode(0x01, "lns8_3") == 1.0905077326652577


@pytest.mark.parametrize("name", [n for n in names(kind="scalar") if get(n).bits <= 10 and not get(n).is_complex])
def test_decode_agrees_with_value_of_everywhere(name):
    fmt = get(name)
    for code in range(fmt.code_count):
        value, unpacked = reference.decode(code, fmt), fmt.value_of(code)
        if isinstance(value, Fraction):
            assert unpacked.value == value
        else:
            assert float(unpacked) == value or (math.isnan(value) and math.isnan(float(unpacked)))


# ---- encoding: nearest ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fmt, overflow, x, code",
    [
        # OCP OFP8 table 3 and the exact boundaries: 464 ties to 448 (even), 61440 ties to infinity (even).
        ("fp8_e4m3fn", NONSAT, 464, 0x7E),
        ("fp8_e4m3fn", NONSAT, Fraction(464) + Fraction(1, 2**60), 0x7F),
        ("fp8_e4m3fn", SAT, 465, 0x7E),
        ("fp8_e4m3fn", NONSAT, -INF, 0x7F),
        ("fp8_e4m3fn", SAT, -INF, 0xFE),
        ("fp8_e5m2", NONSAT, 61440, 0x7C),
        ("fp8_e5m2", NONSAT, 61439.99, 0x7B),
        ("fp8_e5m2", SAT, 1e9, 0x7B),
        ("fp8_e5m2", NONSAT, -1e9, 0xFC),
        # fnuz: the tie at 248 leaves the odd code 0x7F for NaN.
        ("fp8_e4m3fnuz", NONSAT, 247.999, 0x7F),
        ("fp8_e4m3fnuz", NONSAT, 248, 0x80),
        ("fp8_e4m3fnuz", SAT, -1e-9, 0x00),
        ("fp8_e4m3fn", SAT, -1e-9, 0x80),
        # ml_dtypes and torch round twice here (facts D1); one rounding gives 1.125.
        ("fp8_e4m3fn", SAT, 1.0625 + 2**-40, 0x39),
        # OCP MX, E2M1 ties: 0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.
        ("fp4_e2m1", SAT, 0.25, 0x0),
        ("fp4_e2m1", SAT, 0.75, 0x2),
        ("fp4_e2m1", SAT, 1.25, 0x2),
        ("fp4_e2m1", SAT, 1.75, 0x4),
        ("fp4_e2m1", SAT, 2.5, 0x4),
        ("fp4_e2m1", SAT, 3.5, 0x6),
        ("fp4_e2m1", SAT, -5, 0xE),
        ("fp4_e2m1", SAT, -0.1, 0x8),
        # IEEE 754: binary16 overflow from 65520 on, gradual underflow to 2**-24.
        ("binary16", NONSAT, 65519.99, 0x7BFF),
        ("binary16", NONSAT, 65520, 0x7C00),
        ("binary16", NONSAT, 2**-25, 0x0000),
        ("binary16", NONSAT, 2**-25 * 1.0001, 0x0001),
        ("binary64", NONSAT, Fraction(2**53 + 1), 0x4340000000000000),
        # E8M0 (facts 3.3, numfmt's own default): midpoints up, zero to the smallest, negative numbers NaN.
        ("ufp8_e8m0", SAT, 1.5, 0x80),
        ("ufp8_e8m0", SAT, 3.0, 0x81),
        ("ufp8_e8m0", SAT, 1.2, 0x7F),
        ("ufp8_e8m0", SAT, 0.0, 0x00),
        ("ufp8_e8m0", SAT, 2.0**-149, 0x00),
        ("ufp8_e8m0", SAT, -1.0, 0xFF),
        ("ufp8_e8m0", SAT, INF, 0xFE),
        ("ufp8_e8m0", NONSAT, 1.5 * 2.0**127, 0xFF),
        # HiF8: ties away from zero at every midpoint, overflow from 40960 on, no -0.
        ("hif8", NONSAT, 2**-23, 0x01),
        ("hif8", NONSAT, 2**-23 * 0.999, 0x00),
        ("hif8", NONSAT, 40959.99, 0x6E),
        ("hif8", NONSAT, 40960, 0x6F),
        ("hif8", SAT, -40960, 0xEE),
        ("hif8", NONSAT, -0.0, 0x00),
        ("hif8", NONSAT, 1.0625, 0x09),
        # P3109 v4.0: in precision 1 ties go to the even code (3 lies between codes 0x41 and 0x42 of k8p1).
        ("p3109_k8p1se", NONE, 3.0, 0x42),
        ("p3109_k8p1se", NONE, 1.5, 0x40),
        ("p3109_k8p4se", NONE, 232, 0x7E),
        ("p3109_k8p4se", NONE, 233, 0x7F),
        ("p3109_k8p4sf", NONE, 1e6, 0x7F),
        ("p3109_k8p4se", NONE, -INF, 0xFF),
        ("p3109_k8p4ue", NONE, -1, 0xFF),
        ("p3109_k8p4ue", NONE, -INF, 0xFF),
        ("p3109_k8p4ue", SAT, -INF, 0x00),
        ("p3109_k8p4ue", NONE, -(2.0**-19), 0x00),
        ("p3109_k8p4se", PROPAGATE, 1e9, 0x7E),
        ("p3109_k8p4se", PROPAGATE, INF, 0x7F),
        ("p3109_k8p4sf", PROPAGATE, INF, 0x7F),
        # Integers: saturation, ties to even; ONNX: 3e9 saturates.
        ("int8", SAT, 3_000_000_000, 0x7F),
        ("int8", SAT, -2.5, 0xFE),
        ("int8_narrow", SAT, -1000, 0x81),
        ("uint4", SAT, -3, 0),
        ("int4", Overflow.WRAP, 8, 0x8),
        ("int4", Overflow.WRAP, -9, 0x7),
        ("int4", Overflow.WRAP, 100, 0x4),
    ],
)
def test_encode_follows_the_standards(fmt, overflow, x, code):
    assert reference.encode(x, fmt, None, overflow) == code


@pytest.mark.parametrize(
    "bits, es, x, code",
    [
        # Posit Standard 2022 section 4.1: between 2**20 and 2**24 posit8 switches at 2**22, their geometric middle.
        (8, 2, 2.0**22, 0x7E),
        (8, 2, math.nextafter(2.0**22, 0), 0x7E),
        (8, 2, math.nextafter(2.0**22, INF), 0x7F),
        (8, 2, 2.0**23, 0x7F),
        (8, 2, 1e-300, 0x01),
        (8, 2, -1e-300, 0xFF),
        (8, 2, 1e300, 0x7F),
        (8, 2, INF, 0x80),
        (8, 2, -0.0, 0x00),
        (4, 1, 8.0, 0x6),
        (4, 1, 8.001, 0x7),
        (32, 2, 1.0, 0x40000000),
    ],
)
def test_posits_round_on_the_encoding_string(bits, es, x, code):
    assert reference.encode(x, PositFormat(bits, es)) == code


@pytest.mark.parametrize(
    "fmt, x, code",
    [
        # The nearest logarithm decides: between 1 and 2**(1/8) lns8_3 switches at 2**(1/16).
        ("lns8_3", 2 ** (1 / 16) - 1e-15, 0x00),
        ("lns8_3", 2 ** (1 / 16) + 1e-15, 0x01),
        ("lns8_3", -1.0, 0x80),
        ("lns8_3", 0.0, 0x40),
        ("lns8_3", 1e30, 0x3F),
        ("takum_log16", 1.0, 0x4000),
        ("takum_log16", -1.0, 0xC000),
        ("takum_log16", 1e300, 0x7FFF),
        ("takum_log16", 1e-300, 0x0001),
    ],
)
def test_logarithmic_formats_round_the_logarithm(fmt, x, code):
    assert reference.encode(x, fmt) == code


def test_codebook_breakpoints_of_bitsandbytes():
    # NF4: ties to the lower code, at the midpoint as a binary32 constant.
    middle = Fraction(reference.decode(8, "nf4") + reference.decode(7, "nf4")) / 2
    constant = reference.decode(reference.encode(middle, "binary32"), "binary32")
    assert reference.encode(constant, "nf4") == 7
    assert reference.encode(constant + Fraction(1, 2**80), "nf4") == 8
    # bitsandbytes FP4 thresholds (facts 8.3), codes 0, 1, 6, 7, 4, 5, 2, 3 in order of value.
    thresholds = (0.00260417, 0.0859375, 0.20833333, 0.29166667, 0.4166667, 0.583333, 0.8333333)
    order = (0, 1, 6, 7, 4, 5, 2, 3)
    for i, threshold in enumerate(thresholds):
        assert reference.encode(threshold - 1e-6, "bnb_fp4") == order[i]
        assert reference.encode(threshold + 1e-6, "bnb_fp4") == order[i + 1]


# ---- encoding: other directions ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mode, codes",
    [
        # E2M1 values 2, 3, 4 (codes 4, 5, 6): inputs 2.2, 2.5, 3.5, -2.5, -3.5, 3.
        (Rounding.NEAREST_EVEN, (4, 4, 6, 12, 14, 5)),
        (Rounding.NEAREST_AWAY, (4, 5, 6, 13, 14, 5)),
        (Rounding.NEAREST_UP, (4, 5, 6, 12, 13, 5)),
        (Rounding.NEAREST_DOWN, (4, 4, 5, 13, 14, 5)),
        (Rounding.NEAREST_ZERO, (4, 4, 5, 12, 13, 5)),
        (Rounding.TOWARD_ZERO, (4, 4, 5, 12, 13, 5)),
        (Rounding.TOWARD_POSITIVE, (5, 5, 6, 12, 13, 5)),
        (Rounding.TOWARD_NEGATIVE, (4, 4, 5, 13, 14, 5)),
        (Rounding.AWAY_FROM_ZERO, (5, 5, 6, 13, 14, 5)),
        (Rounding.TO_ODD, (5, 5, 5, 13, 13, 5)),
    ],
)
def test_every_rounding_of_ieee_754_and_p3109(mode, codes):
    assert tuple(reference.encode(x, "fp4_e2m1", mode) for x in (2.2, 2.5, 3.5, -2.5, -3.5, 3)) == codes


@pytest.mark.parametrize(
    "mode, positive, negative",
    [
        # IEEE 754-2019 section 7.4, binary16: to nearest and away to infinity, the others to the largest finite number.
        (Rounding.NEAREST_EVEN, 0x7C00, 0xFC00),
        (Rounding.NEAREST_AWAY, 0x7C00, 0xFC00),
        (Rounding.TOWARD_ZERO, 0x7BFF, 0xFBFF),
        (Rounding.TOWARD_POSITIVE, 0x7C00, 0xFBFF),
        (Rounding.TOWARD_NEGATIVE, 0x7BFF, 0xFC00),
        (Rounding.AWAY_FROM_ZERO, 0x7C00, 0xFC00),
        (Rounding.TO_ODD, 0x7BFF, 0xFBFF),
    ],
)
def test_ieee_754_overflow_by_direction(mode, positive, negative):
    assert reference.encode(1e9, "binary16", mode) == positive
    assert reference.encode(-1e9, "binary16", mode) == negative


@pytest.mark.parametrize(
    "fmt, mode, x, code",
    [
        # P3109 v4.0 SatNone: clamps toward zero, against the direction, and with ToOdd if unsigned and extended.
        ("p3109_k8p4se", Rounding.TOWARD_ZERO, 1e9, 0x7E),
        ("p3109_k8p4se", Rounding.TOWARD_NEGATIVE, 1e9, 0x7E),
        ("p3109_k8p4se", Rounding.TOWARD_POSITIVE, -1e9, 0xFE),
        ("p3109_k8p4se", Rounding.TOWARD_POSITIVE, 1e9, 0x7F),
        ("p3109_k8p4se", Rounding.TO_ODD, 1e9, 0x7F),
        ("p3109_k8p4ue", Rounding.TO_ODD, 1e9, 0xFD),
        ("p3109_k8p4ue", Rounding.TOWARD_ZERO, -1e9, 0xFF),
    ],
)
def test_p3109_sat_none_by_direction(fmt, mode, x, code):
    assert reference.encode(x, fmt, mode, NONE) == code


def test_posits_may_reach_zero_in_directed_modes_only():
    assert reference.encode(1e-300, "posit8_2", Rounding.TOWARD_ZERO) == 0
    assert reference.encode(-1e-300, "posit8_2", Rounding.TOWARD_POSITIVE) == 0
    assert reference.encode(1e300, "posit8_2", Rounding.TOWARD_POSITIVE) == 0x7F


# ---- NaN, refusals, formats with something missing -----------------------------------------------------------------


@pytest.mark.parametrize(
    "fmt, rule, positive, negative",
    [
        ("fp8_e5m2", NaNRule.CANONICAL, 0x7E, 0x7E),
        ("fp8_e5m2", NaNRule.SIGNED, 0x7E, 0xFE),  # ml_dtypes
        ("fp8_e5m2", NaNRule.SIGNED_ALL_ONES, 0x7F, 0xFF),  # torch
        ("fp8_e5m2", NaNRule.ALL_ONES, 0x7F, 0x7F),  # PTX
        ("fp8_e4m3fnuz", NaNRule.SIGNED, 0x80, 0x80),
        ("bfloat16", NaNRule.SIGNED, 0x7FC0, 0xFFC0),
        ("fp4_e2m1", NaNRule.OPPOSITE_ZERO, 0x8, 0x0),  # ml_dtypes
        ("fp4_e2m1", NaNRule.MAX, 0x7, 0x7),  # PTX, ONNX
        ("int8", NaNRule.ZERO, 0x00, 0x00),
    ],
)
def test_nan_rules(fmt, rule, positive, negative):
    assert reference.encode(NAN, fmt, nan=rule) == positive
    assert reference.encode(-NAN, fmt, nan=rule) == negative


def test_ptx_satfinite():
    # PTX ISA 9.0 cvt: NaN gives 0x7F in the fp8 types, the largest value where there is no NaN; infinities clamp.
    for fmt, x, code in (
        ("fp8_e5m2", NAN, 0x7F),
        ("fp8_e4m3fn", INF, 0x7E),
        ("fp4_e2m1", NAN, 0x7),
        ("fp6_e3m2", -INF, 0x3F),
    ):
        assert reference.encode(x, fmt, overflow="ptx_satfinite") == code


def test_refusals():
    with pytest.raises(NaNError):
        reference.encode(NAN, "fp4_e2m1")
    with pytest.raises(FormatOverflowError):
        reference.encode(1e9, "fp8_e4m3fn", overflow="raise")
    with pytest.raises(FormatOverflowError):
        reference.encode(INF, "int8", overflow="nonsaturating")
    with pytest.raises(ArgumentError):
        reference.encode(1.0, "fp4_e2m1", nan="canonical")
    with pytest.raises(ArgumentError):
        reference.encode(1.0, "fp8_e4m3fn", overflow="wrap")
    with pytest.raises(ArgumentError):
        reference.encode(1.1, "fp8_e4m3fn", "stochastic_a")
    assert reference.encode(448, "fp8_e4m3fn", overflow="raise") == 0x7E
    assert reference.encode(460, "fp8_e4m3fn", overflow="raise") == 0x7E, "460 rounds to 448: no overflow"


def test_e8m0_options_of_other_stacks():
    # Facts 3.3: ml_dtypes sends 0 and negative numbers to NaN, torch and PTX drop the sign.
    assert reference.encode(0.0, "e8m0", zero="nan") == 0xFF
    assert reference.encode(-3.0, "e8m0", "toward_positive", negative="abs") == 0x81
    assert reference.encode(-INF, "e8m0", negative="abs") == 0xFE


def test_formats_without_zero():
    assert reference.encode(0.0, "binary") == 1, "sign(0) = +1"
    assert reference.encode(-0.4, "binary", "toward_zero") == 0, "toward a zero that is not there: the nearest"
    assert reference.encode(0, "iq4_nl") == 8


def test_codebooks_take_the_end_beyond_their_ends():
    positive = CodebookFormat("positive_levels", (0, 1, 2))
    assert [reference.encode(x, positive) for x in (-0.6, -100, 9)] == [0, 0, 2]


def test_unsigned_all_ones_nan():
    fmt = FloatFormat(4, 3, specials=Specials.IEEE, signed=False)
    assert reference.encode(NAN, fmt) == 0b1111100
    assert reference.encode(NAN, fmt, nan="all_ones") == 0b1111111


# ---- stochastic rounding -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["stochastic_a", "stochastic_b", "stochastic_c"])
@pytest.mark.parametrize("width", [1, 2, 5])
def test_outward_count_is_the_number_of_outward_integers(mode, width):
    mode = Rounding.parse(mode)
    for nu in [Fraction(k, 96) for k in range(1, 96)] + [Fraction(1, 10**9)]:
        decided = [
            rounds_outward(mode, negative=False, side=0, inner_is_even=True, nu=nu, random=(r, width))
            for r in range(1 << width)
        ]
        assert outward_count(mode, nu, width) == sum(decided)


def test_p3109_stochastic_examples():
    # nu = 3/8, N = 1: A floor(0.75) = 0; B ceil(floor(1.5) / 2) = 1; C RNE(0.75) = 1. fp8_e4m3fn has step 1/8 above 1.
    x = 1 + 3 / 64
    assert [
        reference.round_up_count(x, "fp8_e4m3fn", m, 1) for m in ("stochastic_a", "stochastic_b", "stochastic_c")
    ] == [0, 1, 1]
    assert reference.encode(x, "fp8_e4m3fn", "stochastic_b", random=(1, 1)) == 0x39
    assert reference.encode(x, "fp8_e4m3fn", "stochastic_b", random=(0, 1)) == 0x38
    assert reference.round_up_count(1.0, "fp8_e4m3fn", "stochastic_a", 8) == 0
    assert reference.round_up_count(-1.0625, "fp8_e4m3fn", "stochastic_a", 8) == 128
