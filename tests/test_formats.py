"""Facts of the named formats against the tables of their standards; names, aliases, ambiguity and suggestions."""

from __future__ import annotations

import pickle
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

import numfmt as nf

# name, max, max code, min normal, max subnormal, min subnormal, finite codes, distinct values, NaN and infinity codes:
# OCP OFP8 rev 1.0 tables 1 and 2, OCP MX v1.0 tables 1 to 5, arXiv:2206.02915 table 2, ml_dtypes README.
MINIFLOATS = [
    ("fp8_e4m3fn", 448, 0x7E, 2**-6, 7 * 2**-9, 2**-9, 254, 253, 2, (None, None)),
    ("fp8_e5m2", 57344, 0x7B, 2**-14, 3 * 2**-16, 2**-16, 248, 247, 6, (0x7C, 0xFC)),
    ("fp8_e4m3_ieee", 240, 0x77, 2**-6, 7 * 2**-9, 2**-9, 240, 239, 14, (0x78, 0xF8)),
    ("fp8_e3m4", 15.5, 0x6F, 0.25, 15 * 2**-6, 2**-6, 224, 223, 30, (0x70, 0xF0)),
    ("fp8_e4m3fnuz", 240, 0x7F, 2**-7, 7 * 2**-10, 2**-10, 255, 255, 1, (None, None)),
    ("fp8_e5m2fnuz", 57344, 0x7F, 2**-15, 3 * 2**-17, 2**-17, 255, 255, 1, (None, None)),
    ("fp8_e4m3fnuz_b11", 30, 0x7F, 2**-10, 7 * 2**-13, 2**-13, 255, 255, 1, (None, None)),
    ("fp6_e2m3", 7.5, 0x1F, 1, 0.875, 0.125, 64, 63, 0, (None, None)),
    ("fp6_e3m2", 28, 0x1F, 0.25, 0.1875, 0.0625, 64, 63, 0, (None, None)),
    ("fp4_e2m1", 6, 0x7, 1, 0.5, 0.5, 16, 15, 0, (None, None)),
    ("ufp8_e5m3fn", 114688, 0xFE, 2**-14, 7 * 2**-17, 2**-17, 255, 255, 1, (None, None)),
]


@pytest.mark.parametrize("row", MINIFLOATS, ids=lambda row: row[0])
def test_minifloats_match_the_published_tables(row):
    name, largest, max_code, normal, max_subnormal, smallest, finite, distinct, nans, infinities = row
    fmt = nf.get(name)
    assert (fmt.max, fmt.max_code) == (largest, max_code)
    assert (fmt.smallest_normal, fmt.smallest) == (normal, smallest)
    code_below_normal = (1 << fmt.mantissa_bits) - 1
    assert fmt.value_of(code_below_normal) == max_subnormal
    assert (fmt.finite_count, fmt.value_count, len(fmt.nan_codes)) == (finite, distinct, nans)
    assert fmt.infinity_codes == infinities


@pytest.mark.parametrize(
    ("name", "largest", "normal", "subnormal"),
    [  # IEEE 754-2019 table 3.5 and the formats cut from binary32
        ("binary16", 65504, 2.0**-14, 2.0**-24),
        ("binary32", float(np.finfo(np.float32).max), 2.0**-126, 2.0**-149),
        ("binary64", float(np.finfo(np.float64).max), 2.0**-1022, 2.0**-1074),
        ("bfloat16", float.fromhex("0x1.fep127"), 2.0**-126, 2.0**-133),
        ("tf32", float.fromhex("0x1.ffcp127"), 2.0**-126, 2.0**-136),
        ("e8m13", float.fromhex("0x1.fff8p127"), 2.0**-126, 2.0**-139),
        ("pxr24", float.fromhex("0x1.fffep127"), 2.0**-126, 2.0**-141),
        ("fp24_r300", float.fromhex("0x1.ffffp64"), 2.0**-62, 2.0**-62),
    ],
)
def test_wide_floats_match_their_definitions(name, largest, normal, subnormal):
    fmt = nf.get(name)
    assert (fmt.max, fmt.smallest_normal, fmt.smallest) == (largest, normal, subnormal)


@pytest.mark.parametrize(
    ("name", "ext_max", "fin_max", "normal", "subnormal"),
    [  # IEEE P3109 interim report v4.0, value tables of the 8-, 6- and 4-bit formats
        ("p3109_k8p1s", 2.0**62, 2.0**63, 2.0**-63, 2.0**-63),
        ("p3109_k8p2s", 2.0**31, 1.5 * 2.0**31, 2.0**-31, 2.0**-32),
        ("p3109_k8p3s", 49152, 57344, 2.0**-15, 2.0**-17),
        ("p3109_k8p4s", 224, 240, 2.0**-7, 2.0**-10),
        ("p3109_k8p5s", 15, 15.5, 0.125, 2.0**-7),
        ("p3109_k8p6s", 3.875, 3.9375, 0.5, 2.0**-6),
        ("p3109_k8p7s", 1.96875, 1.984375, 1, 2.0**-6),
        ("p3109_k8p1u", 2.0**125, 2.0**126, 2.0**-127, 2.0**-127),
        ("p3109_k8p3u", 1.25 * 2.0**31, 1.5 * 2.0**31, 2.0**-31, 2.0**-33),
        ("p3109_k8p4u", 53248, 57344, 2.0**-15, 2.0**-18),
        ("p3109_k8p8u", 1.9765625, 1.984375, 1, 2.0**-7),
        ("p3109_k6p3s", 12, 14, 0.125, 2.0**-5),
        ("p3109_k6p4s", 3.5, 3.75, 0.5, 2.0**-4),
        ("p3109_k4p2s", 2, 3, 0.5, 0.25),
    ],
)
def test_p3109_matches_the_draft(name, ext_max, fin_max, normal, subnormal):
    extended, finite = nf.get(name + "e"), nf.get(name + "f")
    assert (extended.max, finite.max) == (ext_max, fin_max)
    assert (extended.smallest, finite.smallest) == (subnormal, subnormal)
    if extended.P > 1:
        assert extended.smallest_normal == normal
    # Draft section 4: code of one, NaN and the infinities.
    signed, k = extended.signed, extended.K
    assert extended.value_of(1 << (k - 2 if signed else k - 1)) == 1
    assert extended.nan_code == (1 << (k - 1) if signed else (1 << k) - 1)
    assert extended.infinity_codes == (((1 << (k - 1)) - 1, (1 << k) - 1) if signed else ((1 << k) - 2, None))


def test_every_legal_p3109_format_is_registered():
    expected = sum(2 * (k - 1) + 2 * k for k in range(3, 16))
    assert len(nf.names("p3109_*")) == expected == 442


@pytest.mark.parametrize(
    ("name", "largest", "smallest"),
    [  # Posit Standard 2022 section 3; arXiv:2404.18603; SoftPosit sizes
        ("posit4_1", 16, 1 / 16),
        ("posit8_0", 64, 1 / 64),
        ("posit8_1", 4096, 1 / 4096),
        ("posit8_2", 2.0**24, 2.0**-24),
        ("posit16_1", 2.0**28, 2.0**-28),
        ("posit16_2", 2.0**56, 2.0**-56),
        ("posit32_2", 2.0**120, 2.0**-120),
        ("takum8", 2.0**239, 2.0**-239),
        ("takum16", (1 + 15 / 16) * 2.0**254, (1 + 1 / 16) * 2.0**-255),
    ],
)
def test_tapered_formats_match_their_definitions(name, largest, smallest):
    fmt = nf.get(name)
    assert (fmt.max, fmt.smallest) == (largest, smallest)
    assert fmt.value_of(fmt.nan_code).kind is nf.Kind.NAN
    one = fmt.value_of(1 << (fmt.bits - 2))
    assert one == 1


def test_posit4_1_codes():
    values = [nf.get("posit4_1").value_of(c).value for c in range(8)]
    assert values == [0, Fraction(1, 16), Fraction(1, 4), Fraction(1, 2), 1, 2, 4, 16]


def test_hif8_code_table_of_arxiv_2409_16626():
    fmt = nf.get("hif8")
    quoted = {
        0x00: 0,
        0x01: 2**-22,
        0x07: 2**-16,
        0x08: 1,
        0x0F: 1.875,
        0x10: 2,
        0x18: 0.5,
        0x20: 4,
        0x28: 8,
        0x30: 0.25,
    }
    quoted |= {0x40: 16, 0x50: 1 / 16, 0x60: 256, 0x6E: 32768, 0x70: 2**-8, 0x7E: 2**-15, 0x7F: 1.5 * 2**-15}
    assert {c: float(fmt.value_of(c)) for c in quoted} == quoted
    assert fmt.infinity_codes == (0x6F, 0xEF)
    assert list(fmt.nan_codes) == [0x80]
    assert fmt.finite_count == 253


@pytest.mark.parametrize(
    ("name", "low", "high", "count"),
    [
        ("int8", -128, 127, 256),
        ("uint8", 0, 255, 256),
        ("int4_sm", -7, 7, 16),
        ("int8_narrow", -127, 127, 255),
        ("int2", -2, 1, 4),
        ("int32", -(2**31), 2**31 - 1, 2**32),
        ("int8_f6", -2, 127 / 64, 256),
    ],
)
def test_integers(name, low, high, count):
    fmt = nf.get(name)
    assert (fmt.min, fmt.max, fmt.finite_count) == (low, high, count)


def test_q_formats_need_a_style():
    assert nf.formats.parse_q_format("Q3.4", style="ti") == nf.formats.parse_q_format("Q4.4", style="arm")
    assert nf.formats.parse_q_format("UQ4.4", style="ti").name == "uint8_f4"
    with pytest.raises(nf.errors.ArgumentError, match="style"):
        nf.formats.parse_q_format("Q3.4", style="dsp")


def test_fourth_roots_products_add_codes():
    table = nf.get("fourth_roots").table
    for a in range(4):
        for b in range(4):
            assert table[a] * table[b] == table[(a + b) % 4]
    # Fairy+-i: the +45 degree diagonal goes to i, the -45 degree one to 1, and 0 to 1.
    x = np.array([1 + 1j, 1 - 1j, -1 + 1j, -1 - 1j, 0, 1, 1j, -1, -1j, 2 + 1j, -3 + 2j])
    assert nf.encode(x, "fourth_roots").codes.tolist() == [1, 0, 2, 3, 0, 0, 1, 2, 3, 0, 2]


def test_names_resolve_to_one_canonical_object():
    for name in nf.names(kind="scalar"):
        fmt = nf.get(name)
        assert fmt.name == name
        assert nf.get(fmt.name) == fmt
        assert fmt.source
        for alias in nf.formats.aliases_of(fmt):
            assert nf.get(alias) is fmt
        assert pickle.loads(pickle.dumps(fmt)) == fmt
        assert hash(pickle.loads(pickle.dumps(fmt))) == hash(fmt)


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("E4M3FN", "fp8_e4m3fn"),
        ("float8_e4m3fn", "fp8_e4m3fn"),
        ("fp16_e5m10", "binary16"),
        ("fp16", "binary16"),
        ("bf16", "bfloat16"),
        ("fp16_e8m7", "bfloat16"),
        ("float6_e2m3fn", "fp6_e2m3"),
        ("fp4_e2m1f", "fp4_e2m1"),
        ("posit8", "posit8_2"),
        ("binary8p4se", "p3109_k8p4se"),
        ("ufp8_e8m0", "ufp8_e8m0"),
        ("takum_linear16", "takum16"),
        ("i8", "int8"),
        ("fp8_e4m3fn_b9", "fp8_e4m3fn_b9"),
        ("fp10_e5m4", "fp10_e5m4"),
        ("fp8_e4m3_ieee_b3", "fp8_e4m3_ieee_b3"),
        ("ufp8_e4m4fn", "ufp8_e4m4fn"),
        ("fp6_e2m3n", "fp6_e2m3n"),
        ("int12_f3_sm", "int12_f3_sm"),
        ("fp8_e4m3fn_bm2", "fp8_e4m3fn_bm2"),
    ],
)
def test_grammar_and_aliases(spelling, name):
    fmt = nf.get(spelling)
    assert fmt.name == name
    assert nf.get(fmt.name) == fmt


@pytest.mark.parametrize("name", ["fp8_e4m3", "e4m3", "fp8", "fp4", "nf3", "fp24"])
def test_ambiguous_names_list_their_candidates(name):
    with pytest.raises(nf.errors.FormatNameError, match="ambiguous; it could mean"):
        nf.get(name)


def test_ambiguity_reaches_the_grammar():
    with pytest.raises(nf.errors.FormatNameError, match=r"ambiguous.*fp8_e4m3fn"):
        nf.get("fp8_e4m3_b11")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fp8_e4m3m", "nearest names: "),
        ("fp9_e4m3", "the width must be 1 \\+ E \\+ M = 8"),
        ("posit40_2", "3 <= bits <= 32"),
        ("p3109_k8p8se", "1 <= P < K"),
        ("int40", "2 to 32"),
        ("lns16_1", "at most 10 integer exponent bits"),
    ],
)
def test_bad_names_say_what_is_wrong(name, words):
    with pytest.raises(nf.errors.FormatNameError, match=words):
        nf.get(name)


def test_register_refuses_taken_names():
    fmt = nf.CodebookFormat("test_pm3", (-3, -1, 1, 3))
    assert nf.register(fmt, aliases=["test_pm3_alias"]) is fmt
    assert nf.get("test_pm3_alias") == fmt
    assert nf.register(fmt) is fmt
    with pytest.raises(nf.errors.ArgumentError, match="already means"):
        nf.register(nf.CodebookFormat("test_pm3", (-2, 2)))
    with pytest.raises(nf.errors.ArgumentError, match="ambiguous"):
        nf.register(nf.CodebookFormat("fp8", (-2, 2)))


@pytest.mark.parametrize(
    ("name", "dtype"), [("binary16", np.float16), ("binary32", np.float32), ("binary64", np.float64)]
)
def test_finfo_has_numpy_s_values(name, dtype):
    ours, numpys = nf.finfo(name), np.finfo(dtype)
    for field in ("bits", "eps", "epsneg", "max", "min", "tiny", "smallest_normal", "smallest_subnormal"):
        assert getattr(ours, field) == getattr(numpys, field), field
    for field in ("nmant", "nexp", "iexp", "machep", "negep", "minexp", "maxexp", "precision"):
        assert getattr(ours, field) == getattr(numpys, field), field


def test_finfo_agrees_with_ml_dtypes():
    import ml_dtypes

    for name, dtype in [("fp8_e4m3fn", "float8_e4m3fn"), ("fp8_e5m2", "float8_e5m2"), ("bfloat16", "bfloat16")]:
        ours, theirs = nf.finfo(name), ml_dtypes.finfo(getattr(ml_dtypes, dtype))
        for field in (
            "bits",
            "eps",
            "max",
            "min",
            "smallest_normal",
            "smallest_subnormal",
            "nmant",
            "nexp",
            "minexp",
            "maxexp",
        ):
            assert float(getattr(ours, field)) == float(getattr(theirs, field)), (name, field)


def test_lloyd_max_tables_are_fixed_points():
    import math

    def phi(x):
        return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)

    def upper(x):
        return math.erfc(x / math.sqrt(2)) / 2

    for b in range(1, 5):
        levels = [v for v in nf.get(f"lloyd_max{b}").values if v > 0]
        edges = [0.0] + [(p + q) / 2 for p, q in pairwise(levels)] + [math.inf]
        for level, low, high in zip(levels, edges[:-1], edges[1:], strict=True):
            mean = (phi(low) - (phi(high) if high < math.inf else 0)) / (upper(low) - upper(high))
            assert abs(mean - level) < 1e-13  # rounding of about ten binary64 operations


def test_epsilon_and_dynamic_range():
    fmt = nf.get("fp8_e4m3fn")
    assert (fmt.epsilon_at(1), fmt.epsilon_at(0.99), fmt.epsilon_at(300), fmt.epsilon_at(0)) == (
        0.125,
        0.0625,
        32,
        2**-9,
    )
    assert abs(fmt.dynamic_range - np.log10(448 / 2**-9)) < 1e-12
    with pytest.raises(nf.errors.ArgumentError, match="x must lie in"):
        fmt.epsilon_at(448)
