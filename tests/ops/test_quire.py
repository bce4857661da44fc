"""Quires and fused reductions against the oracle's integers, the standard's widths, and bytes."""

from __future__ import annotations

import pickle
from fractions import Fraction

import numpy as np
import pytest

import numfmt as nf
from numfmt.errors import ArgumentError, FormatMismatchError, FormatOverflowError, NaNError
from numfmt.reference.decode import decode
from numfmt.reference.quire import ReferenceQuire, fused_dot

MODES = [m for m in nf.Rounding if not m.is_stochastic]
FORMATS = [
    "posit8",
    "posit8_0",
    "posit16",
    "posit16_1",
    "posit4_1",
    "posit16_3",
    "binary16",
    "bfloat16",
    "fp8_e4m3fn",
    "fp8_e5m2",
    "fp8_e4m3fnuz",
    "fp4_e2m1",
    "fp6_e3m2",
    "p3109_k8p4se",
    "takum8",
    "takum16",
    "hif8",
    "int8",
    "uint4",
    "e8m0",
    "nf4",
]


def codes_of(fmt: str, shape: object, seed: int, *, finite: bool = True) -> nf.Encoded:
    """Random codes, half of them from the ends of the code line and about 1."""
    f, rng = nf.get(fmt), np.random.default_rng(seed)
    legal = np.arange(f.code_count)
    if finite:
        legal = legal[np.isfinite(f.table)]
    corners = np.array([f.max_code, f.min_code, f.smallest_code, int(nf.encode(1.0, f).codes), *legal[:2]])
    drawn = np.where(rng.random(shape) < 0.5, rng.choice(legal, shape), rng.choice(corners, shape))
    return nf.Encoded(drawn.astype(f.code_dtype), f)


def exact_dot(a: nf.Encoded, b: nf.Encoded) -> Fraction:
    """The sum of products of finite codes, as fractions."""
    pairs = zip(a.codes.tolist(), b.codes.tolist(), strict=True)
    return sum((Fraction(decode(x, a.format)) * Fraction(decode(y, b.format)) for x, y in pairs), Fraction(0))


# ---- widths --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [8, 16, 32])
def test_standard_widths_are_16_n_bits(n):
    """Posit Standard (2022) section 3.1: 1 sign, 31 carry guard, 8n - 16 integer and 8n - 16 fraction bits."""
    layout = nf.Quire(f"posit{n}", width="standard").layout
    assert (layout.bits, layout.carry_bits) == (16 * n, 31)
    assert layout.integer_bits == layout.fraction_bits == 8 * n - 16
    assert nf.Quire(f"posit{n}").layout == layout
    # Fewer than 2**31 products and fewer than 2**(23 + 4n) addends are exact.
    assert layout.products == 2**31 - 1
    assert layout.addends == 2 ** (23 + 4 * n) - 1


@pytest.mark.parametrize("fmt, bits, fraction", [("posit8_0", 32, 12), ("posit16_1", 128, 56), ("posit32_2", 512, 240)])
def test_legacy_widths_are_softposits(fmt, bits, fraction):
    layout = nf.Quire(fmt, width="legacy").layout
    assert (layout.bits, layout.fraction_bits) == (bits, fraction)


@pytest.mark.parametrize(
    "fmt, other, product_bits, fraction",
    [
        # Products of the extremes: multiples of 2**-18 below 2**17.7, of 2**-32 below 2**31.7, ...
        ("fp8_e4m3fn", None, 36, 18),
        ("fp8_e5m2", None, 64, 32),
        ("fp8_e4m3fn", "fp8_e5m2", 50, 25),
        ("binary16", None, 80, 48),
        ("bfloat16", None, 522, 266),
        ("fp4_e2m1", None, 8, 2),
        ("fp6_e2m3", None, 12, 6),
        ("fp6_e3m2", None, 18, 8),
        ("binary32", None, 554, 298),
    ],
)
def test_kulisch_widths(fmt, other, product_bits, fraction):
    layout = nf.Quire(fmt, other=other).layout
    assert (layout.integer_bits + layout.fraction_bits, layout.fraction_bits) == (product_bits, fraction)
    assert layout.bits == 32 + product_bits


@pytest.mark.parametrize("fmt", [f for f in FORMATS if nf.get(f).bits <= 8 or f in ("posit16_1", "takum16")])
def test_widths_agree_with_the_oracle_that_reads_every_code(fmt):
    reference, q = ReferenceQuire(fmt), nf.Quire(fmt)
    assert (q.width, Fraction(1, 2) ** q.layout.fraction_bits) == (reference.bits, reference.unit)


def test_describe_and_repr_state_the_bits():
    text = nf.Quire("posit32").describe()
    assert "512 bits" in text and "31 carry, 240 integer, 240 fraction" in text and "NaR" in text
    assert repr(nf.Quire("binary16", (2, 3))) == "Quire('binary16', shape=(2, 3), bits=112)"
    assert "other='fp8_e5m2'" in repr(nf.Quire("e4m3fn", other="e5m2"))


# ---- exactness -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fmt", FORMATS)
def test_sums_of_random_and_extreme_products_are_exact(fmt):
    for seed, terms in enumerate([1, 2, 7, 100, 300]):
        a, b = codes_of(fmt, terms, 2 * seed), codes_of(fmt, terms, 2 * seed + 1)
        assert nf.Quire(fmt).add_dot(a, b).value == exact_dot(a, b)


@pytest.mark.parametrize("fmt", ["posit16", "bfloat16", "takum16"])
def test_chunks_and_folds_of_long_rows_are_exact(fmt):
    # More than one chunk of 1024 terms, whose magnitudes need several folds.
    a, b = codes_of(fmt, (2, 2500), 1), codes_of(fmt, (2, 2500), 2)
    q = nf.Quire(fmt, 2).add_dot(a, b)
    assert q.value.tolist() == [exact_dot(a[i], b[i]) for i in range(2)]


@pytest.mark.parametrize("fmt", ["posit8", "posit16_1", "fp8_e5m2", "binary16", "bfloat16", "takum16"])
def test_the_smallest_product_survives_the_largest(fmt):
    f = nf.get(fmt)
    big, small = (nf.Encoded(c, f) for c in (f.max_code, f.smallest_code))
    q = nf.Quire(fmt).add_product(big, big).add_product(small, small).sub_product(big, big)
    assert q.value == Fraction(f.smallest) ** 2
    assert q.bits == int(Fraction(f.smallest) ** 2 * 2**q.layout.fraction_bits)


@pytest.mark.parametrize("fmt", ["posit32", "binary32", "posit32_0", "posit24_2"])
def test_wide_operands_are_exact(fmt):
    """Products of two 28-bit significands do not fit binary64: one factor is cut in two."""
    f, rng = nf.get(fmt), np.random.default_rng(5)
    codes = rng.integers(0, 1 << f.bits, (2, 2000), dtype=np.uint64).astype(f.code_dtype)
    codes[:, ::7] = rng.integers(0, 64, codes[:, ::7].shape) + (1 << (f.bits - 2))
    with np.errstate(invalid="ignore"):  # signalling NaNs
        codes[~np.isfinite(nf.decode(nf.Encoded(codes, f), dtype=np.float64))] = 1
    a, b = nf.Encoded(codes[0], f), nf.Encoded(codes[1], f)
    assert nf.Quire(fmt).add_dot(a, b).value == exact_dot(a, b)
    assert nf.fused_dot(a, b).codes == fused_dot(*([(f, c) for c in x.codes.tolist()] for x in (a, b)), f)


def test_adding_values_signs_and_merging():
    q, reference = nf.Quire("posit16_1"), ReferenceQuire("posit16_1")
    for seed in range(40):
        x, y = codes_of("posit16_1", (), seed), codes_of("posit16_1", (), seed + 100)
        sign = 1 if seed % 3 else -1
        (q.add_product if sign > 0 else q.sub_product)(x, y)
        (q.add if sign > 0 else q.sub)(y)
        reference.add_product(int(x.codes), int(y.codes), sign=sign).add(int(y.codes), sign=sign)
        assert (q.value, q.bits) == (reference.value, reference.pattern)
    half = q.copy()
    assert q.add(half).value == 2 * half.value
    assert q.sub(half).sub(half).value == 0
    assert half.negate().value == -reference.value
    assert half.clear().value == 0


@pytest.mark.parametrize("fmt", ["posit8", "binary16", "int8"])
def test_order_and_splitting_do_not_matter(fmt):
    a, b = codes_of(fmt, 257, 1), codes_of(fmt, 257, 2)
    whole = nf.Quire(fmt).add_dot(a, b)
    order = np.random.default_rng(3).permutation(257)
    assert nf.Quire(fmt).add_dot(a[order], b[order]).same_bits(whole)
    left, right = nf.Quire(fmt).add_dot(a[:100], b[:100]), nf.Quire(fmt).add_dot(a[100:], b[100:])
    assert left.add(right).same_bits(whole)
    one_by_one = nf.Quire(fmt)
    for i in range(257):
        one_by_one.add_product(a[i], b[i])
    assert one_by_one.same_bits(whole)


def test_arrays_of_accumulators_broadcast():
    a, b = codes_of("posit8", (4, 1, 30), 1), codes_of("posit8", (5, 30), 2)
    q = nf.Quire("posit8", (4, 5)).add_dot(a, b)
    assert [[q.value[i, j] == exact_dot(a[i, 0], b[j]) for j in range(5)] for i in range(4)] == [[True] * 5] * 4
    by_term = nf.Quire("posit8", (4, 5))
    for k in range(30):
        by_term.add_product(a[..., k], b[..., k])
    assert by_term.same_bits(q)
    assert nf.Quire("posit8", 3).add(1.0).add([1.0, 2.0, 4.0]).value.tolist() == [2, 3, 5]


def test_mixed_formats_where_the_width_suffices():
    a, b = codes_of("fp8_e4m3fn", 50, 1), codes_of("fp8_e5m2", 50, 2)
    for q in (nf.Quire("e4m3fn", other="e5m2"), nf.Quire("e5m2"), nf.Quire("bfloat16")):
        assert q.add_dot(a, b).value == exact_dot(a, b)
    assert nf.Quire("e5m2").add(nf.encode(448.0, "e4m3fn")).value == 448
    with pytest.raises(FormatMismatchError, match=r"other='fp8_e5m2'"):
        nf.Quire("e4m3fn").add_dot(a, b)
    with pytest.raises(FormatMismatchError, match="carry_bits"):
        nf.Quire("fp4_e2m1", carry_bits=3).add(nf.encode(1, "int32"))


@pytest.mark.parametrize("fmt", ["fp8_e4m3fn_b60", nf.IntFormat(8, frac_bits=-5), nf.IntFormat(12, frac_bits=11)])
def test_values_that_reach_beyond_the_products(fmt):
    """All below 1: values exceed products; all above 1: they are finer."""
    f = nf.get(fmt) if isinstance(fmt, str) else fmt
    legal = [c for c in range(f.code_count) if np.isfinite(f.table[c])]
    a = nf.Encoded(np.array(legal * 3)[:, None].astype(f.code_dtype), f)
    a = nf.Encoded(np.concatenate([a.codes, np.full_like(a.codes, f.max_code)], axis=1), f)
    wanted = [Fraction(decode(c, f)) + Fraction(f.max) for c in a.codes[:, 0].tolist()]
    q = nf.Quire(f, len(wanted), carry_bits=2).add_sum(a)
    assert q.value.tolist() == wanted
    assert q.add_product(a[:, 0], a[:, 1]).value.tolist() == [
        w + Fraction(decode(c, f)) * Fraction(f.max) for w, c in zip(wanted, a.codes[:, 0].tolist(), strict=True)
    ]
    rounded = [nf.reference.encode(w, "binary32") for w in wanted]
    assert nf.fused_sum(a, fmt="binary32").codes.tolist() == rounded


# ---- width ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fmt", ["posit8_0", "posit4_1", "fp4_e2m1", "int8"])
@pytest.mark.parametrize("carry_bits", [1, 3])
def test_products_that_always_fit_do_and_one_more_need_not(fmt, carry_bits):
    f = nf.get(fmt)
    big = nf.Encoded(f.max_code if abs(f.max) >= abs(f.min) else f.min_code, f)
    q = nf.Quire(fmt, carry_bits=carry_bits)
    for _ in range(q.layout.products):
        q.add_product(big, big)
    held = q.copy()
    with pytest.raises(FormatOverflowError, match=f"{q.width} bits"):
        q.add_product(big, big)
    assert q.same_bits(held)
    minus = nf.Quire(fmt, carry_bits=carry_bits)
    for _ in range(q.layout.products):
        minus.sub_product(big, big)
    assert minus.value == -q.value


def test_the_legacy_posit8_quire_holds_127_products_of_maxpos():
    q = nf.Quire("posit8_0", width="legacy")
    assert q.layout.products == 127
    big = nf.encode(np.full(127, 64.0), "posit8_0")
    assert q.add_dot(big, big).value == 127 * 64**2
    with pytest.raises(FormatOverflowError):
        q.add_product(64.0, 64.0)


def test_partial_sums_beyond_the_width_are_nobodys_business():
    big = nf.encode([64.0] * 200 + [-64.0] * 200, "posit8_0")
    plus = nf.encode(np.full(400, 64.0), "posit8_0")
    assert nf.Quire("posit8_0", width="legacy").add_dot(big, plus).value == 0
    assert float(nf.fused_dot(big, plus, width="legacy")) == 0
    with pytest.raises(FormatOverflowError, match="32 bits"):
        nf.fused_dot(plus, plus, width="legacy")
    assert float(nf.fused_dot(plus, plus)) == 64.0


@pytest.mark.parametrize(
    "fmt, bits", [("posit8_0", 26), ("fp4_e2m1", 9), ("fp8_e4m3fn", 37), ("int8", 33), ("posit8", 98)]
)
def test_wrap_around_is_twos_complement(fmt, bits):
    q = nf.Quire(fmt, width=bits, overflow="wrap")
    reference = ReferenceQuire(fmt, bits=bits, unit=Fraction(1, 2) ** q.layout.fraction_bits, wrap=True)
    seen = set()
    for seed in range(60):
        a, b = codes_of(fmt, 9, 2 * seed), codes_of(fmt, 9, 2 * seed + 1)
        q.add_dot(a, b)
        reference.accumulate(zip(a.codes.tolist(), b.codes.tolist(), strict=True))
        assert q.bits == reference.pattern
        seen.add(q.bits >> (bits - 1))
    assert seen == {0, 1}


def test_wrapping_onto_the_pattern_of_nar_gives_nar():
    big = nf.encode([64.0, 64.0, 64.0], "posit8_0")
    q = nf.Quire("posit8_0", width=26, overflow="wrap").add_dot(big, big)
    assert (q.bits, q.value) == (3 << 24, -4096)
    q = nf.Quire("posit8_0", width=26, overflow="wrap").add_product(64, 64).add_product(64, 64)
    assert q.bits == 1 << 25 and q.is_nan and int(q.to().codes) == 0x80
    assert nf.Quire("posit8_0", width=26).sub_product(64, 64).value == -4096
    with pytest.raises(FormatOverflowError):
        nf.Quire("posit8_0", width=26).sub_product(64, 64).sub_product(64, 64)


# ---- specials ------------------------------------------------------------------------------------------------------


def test_nar_sticks_until_cleared():
    nar = nf.Encoded(0x8000, "posit16")
    q = nf.Quire("posit16").add(1.0).add_product(nar, nf.encode(0.0, "posit16"))
    assert q.is_nan and q.bits == 1 << 255 and int(q.to().codes) == 0x8000
    assert q.add(1.0).negate().is_nan
    assert repr(q).endswith("value=NaR)")
    with pytest.raises(NaNError):
        _ = q.value
    assert q.clear().add(1.0).value == 1
    other = nf.Quire("posit16").add(nar)
    assert q.add(other).is_nan


def test_infinities_are_those_of_ieee_sums():
    inf, one, zero = (nf.encode(x, "binary16") for x in (np.inf, 1.0, 0.0))
    q = nf.Quire("binary16").add_product(inf, one)
    assert np.isposinf(float(q.to())) and not q.is_nan and "value=inf" in repr(q)
    assert np.isneginf(float(q.copy().negate().to()))
    assert np.isposinf(float(q.copy().sub_product(inf, nf.encode(-1.0, "binary16")).to()))
    assert q.copy().sub(inf).is_nan
    assert nf.Quire("binary16").add_product(inf, zero).is_nan
    assert q.copy().add(q).add(5.0).same_bits(q)
    assert q.copy().sub(q).is_nan
    with pytest.raises(ArgumentError, match="infinite"):
        _ = q.bits
    assert nf.Quire("posit16", carry_bits=99).add(inf).is_nan  # a quire has NaR alone


@pytest.mark.parametrize("fmt", ["binary16", "fp8_e5m2", "bfloat16", "p3109_k8p4se", "posit8", "fp8_e4m3fnuz", "hif8"])
def test_dots_with_special_terms_agree_with_the_oracle(fmt):
    specials, f = 0, nf.get(fmt)
    special = np.flatnonzero(~np.isfinite(f.table)).tolist()
    for seed in range(150):
        a, b = codes_of(fmt, 3, 2 * seed, finite=False), codes_of(fmt, 3, 2 * seed + 1, finite=False)
        if seed % 2:
            a.codes[seed % 3] = special[seed % len(special)]
        wanted = fused_dot(*([(fmt, c) for c in x.codes.tolist()] for x in (a, b)), fmt)
        assert nf.fused_dot(a, b).codes == wanted
        specials += not np.isfinite(f.table[wanted])
    assert specials > 20


def test_infinite_factors_of_operands_that_are_cut_in_two():
    a = nf.encode([0.0, 3.0, 1.0], "posit32_0")
    inf = nf.encode([1.0, np.inf, 1.0], "binary32")
    assert np.isposinf(float(nf.fused_dot(a, inf, fmt="binary32")))
    assert np.isnan(float(nf.fused_dot(a, inf[[1, 0, 0]], fmt="binary32")))


# ---- results -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("target", [None, "posit8", "fp8_e4m3fn", "binary32", "bfloat16", "int8"])
def test_rounded_once_in_every_mode(fmt, target):
    target = nf.get(fmt if target is None else target)
    if not target.is_signed and nf.get(fmt).is_signed:
        pytest.skip("signed sums into an unsigned format")
    a, b = codes_of(fmt, (25, 6), 11), codes_of(fmt, (25, 6), 12)
    for mode in MODES:
        found = nf.fused_dot(a, b, fmt=target, rounding=mode)
        for i in range(25):
            pairs = [[(fmt, c) for c in x.codes[i].tolist()] for x in (a, b)]
            assert found.codes[i] == fused_dot(*pairs, target, rounding=mode), (mode, i)


@pytest.mark.parametrize("fmt", ["binary16", "posit8", "posit16", "posit32", "bfloat16", "fp8_e5m2", "takum16"])
@pytest.mark.parametrize("target", [None, "binary64"])
def test_the_smallest_product_decides_a_tie(fmt, target):
    """The lowest bit of the accumulator, and it alone, lies beside a midpoint: both of its signs, and none."""
    f, goal = nf.get(fmt), nf.get(fmt if target is None else target)
    one, rank = nf.encode(1.0, f), nf.get(fmt).rank_below(Fraction(1))
    next_up = nf.Encoded(int(f.ordered_codes[rank + 1]), f)
    half = nf.encode(0.5, f)
    for sign in (1, -1, 0):
        q = nf.Quire(f).add_product(half, next_up).add_product(half, one)
        reference = ReferenceQuire(f, bits=q.width, unit=Fraction(1, 2) ** q.layout.fraction_bits)
        reference.add_product(int(half.codes), int(next_up.codes)).add_product(int(half.codes), int(one.codes))
        least = nf.Encoded(f.smallest_code, f)
        if sign:
            (q.add_product if sign > 0 else q.sub_product)(least, least)
            reference.add_product(f.smallest_code, f.smallest_code, sign=sign)
        assert q.value == reference.value
        for mode in MODES:
            assert int(q.to(goal, rounding=mode).codes) == reference.to(goal, rounding=mode), (sign, mode)


@pytest.mark.parametrize("overflow", ["saturate", "nonsaturating"])
def test_overflow_of_the_result(overflow):
    a = nf.encode([448.0, 448.0, -448.0], "e4m3fn")
    b = nf.encode([448.0, 448.0, 448.0], "e4m3fn")
    wanted = ReferenceQuire("e4m3fn").accumulate(zip(a.codes.tolist(), b.codes.tolist(), strict=True))
    assert nf.fused_dot(a, b, overflow=overflow).codes == wanted.to(overflow=overflow)
    assert nf.Quire("e4m3fn").add_dot(a, b).to(overflow=overflow).codes == wanted.to(overflow=overflow)


def test_integers_wrap_whatever_their_sum():
    a = nf.encode([2**30, 2**31 - 1, -(2**31)], "int32")
    q = nf.Quire("int32")
    for _ in range(3):
        q.add_dot(a, a[::-1])
    total = int(q.value)
    assert total == 3 * (2 * 2**30 * -(2**31) + (2**31 - 1) ** 2)
    assert int(q.to("int8", overflow="wrap").codes) == total % 256
    assert int(q.to("int32", overflow="wrap").codes) == total % 2**32
    assert int(q.add(1).to("int8", overflow="wrap").codes) == (total + 1) % 256
    with pytest.raises(FormatOverflowError):
        q.to("int8", overflow="raise")
    # More than 64 significant bits, of which the last few count.
    large = nf.encode(np.full(500, 2**31 - 1), "int32")
    q.add_dot(large, large).add(3)
    assert int(q.value) == 500 * (2**31 - 1) ** 2 + total + 4 > 2**70
    assert int(q.to("int8", overflow="wrap").codes) == int(q.value) % 256


@pytest.mark.parametrize("mode", ["stochastic_a", "stochastic_b", "stochastic_c"])
@pytest.mark.parametrize("target", ["bfloat16", "binary32", "posit8", "int8"])
def test_stochastic_results_take_the_integer_of_their_index(mode, target):
    a, b = codes_of("binary16", (4, 5, 3), 1), codes_of("binary16", (4, 5, 3), 2)
    width = 32 if target == "binary32" else 8
    integers = np.random.default_rng(4).integers(0, 1 << width, (4, 5), dtype=np.uint64)
    found = nf.fused_dot(a, b, fmt=target, rounding=mode, random=nf.RandomBits(integers, width))
    for i in np.ndindex(4, 5):
        pairs = [[("binary16", c) for c in x.codes[i].tolist()] for x in (a, b)]
        assert found.codes[i] == fused_dot(*pairs, target, rounding=mode, random=(int(integers[i]), width))


def test_seeded_results_do_not_depend_on_pieces(monkeypatch):
    a, b = codes_of("posit8", (50, 4), 1), codes_of("posit8", (50, 4), 2)
    whole = nf.fused_dot(a, b, rounding="stochastic_a", random=7)
    monkeypatch.setattr("numfmt.ops.fused._PIECE", 16)
    assert nf.fused_dot(a, b, rounding="stochastic_a", random=7).same_bits(whole)
    assert nf.Quire("posit8", 50).add_dot(a, b).to(rounding="stochastic_a", random=7).same_bits(whole)


def test_a_zero_sum_is_positive_in_every_mode():
    a, b = nf.encode([1.0, -1.0], "binary16"), nf.encode([1.0, 1.0], "binary16")
    for mode in MODES:
        assert int(nf.fused_dot(a, b, rounding=mode).codes) == 0
        assert int(nf.fused_sum(nf.encode([-0.0, -0.0], "binary16"), rounding=mode).codes) == 0


# ---- fused reductions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_axes_of_dot_and_sum(axis):
    a, b = codes_of("fp8_e5m2", (3, 4, 5), 1), codes_of("fp8_e5m2", (3, 4, 5), 2)
    dots, sums = nf.fused_dot(a, b, axis=axis, fmt="binary32"), nf.fused_sum(a, axis=axis, fmt="binary32")
    x, y = np.moveaxis(a.codes, axis, -1), np.moveaxis(b.codes, axis, -1)
    assert dots.shape == sums.shape == x.shape[:-1]
    for i in np.ndindex(x.shape[:-1]):
        left, right = nf.Encoded(x[i], "fp8_e5m2"), nf.Encoded(y[i], "fp8_e5m2")
        ones = nf.encode(np.ones(left.size), "fp8_e5m2")
        for found, other in ((dots, right), (sums, ones)):
            pairs = [[("fp8_e5m2", c) for c in e.codes.tolist()] for e in (left, other)]
            assert found.codes[i] == fused_dot(*pairs, "binary32")


def test_outer_axes_broadcast_as_a_matrix_product():
    a, b = codes_of("posit16_1", (6, 1, 20), 1), codes_of("posit16_1", (1, 7, 20), 2)
    c = nf.fused_dot(a, b)
    assert c.shape == (6, 7)
    for i, j in np.ndindex(6, 7):
        pairs = [("posit16_1", k) for k in a.codes[i, 0].tolist()], [("posit16_1", k) for k in b.codes[0, j].tolist()]
        assert c.codes[i, j] == fused_dot(*pairs, "posit16_1")


def test_empty_sums_are_zero_and_empty_shapes_are_empty():
    empty = nf.Encoded(np.empty((3, 0), np.uint8), "posit8")
    assert nf.fused_dot(empty, empty).codes.tolist() == [0, 0, 0]
    assert nf.fused_sum(empty).codes.tolist() == [0, 0, 0]
    assert nf.fused_sum(empty, axis=0).shape == (0,)
    assert nf.Quire("posit8", (0, 2)).add(1.0).to().shape == (0, 2)


# ---- bits and bytes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fmt, width", [("posit8_0", "legacy"), ("posit16", None), ("fp8_e4m3fn", None), ("fp4_e2m1", 33)]
)
def test_bits_and_bytes_round_trip(fmt, width):
    a, b = codes_of(fmt, (6, 5), 1), codes_of(fmt, (6, 5), 2)
    q = nf.Quire(fmt, (2, 3), width=width).add_dot(a.reshape(2, 3, 5), b.reshape(2, 3, 5))
    again = nf.Quire(fmt, (2, 3), width=width).set_bits(q.bits)
    assert again.same_bits(q)
    data = q.to_bytes()
    size = -(-q.width // 8)
    assert len(data) == 6 * size
    numbers = [int.from_bytes(data[i : i + size], "little", signed=True) for i in range(0, len(data), size)]
    assert [Fraction(n, 2**q.layout.fraction_bits) for n in numbers] == q.value.reshape(-1).tolist()
    assert nf.Quire(fmt, (2, 3), width=width).set_bytes(data).same_bits(q)
    assert pickle.loads(pickle.dumps(q)).same_bits(q)


def test_patterns_at_the_ends():
    q = nf.Quire("posit8_0", width="legacy")
    assert q.set_bits((1 << 31) - 1).value == Fraction(2**31 - 1, 2**12)
    assert q.set_bits((1 << 31) + 1).value == -Fraction(2**31 - 1, 2**12)
    assert q.set_bits(1 << 31).is_nan
    assert nf.Quire("posit8_0", width="legacy").set_bytes(q.to_bytes()).is_nan


# ---- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make, error, text",
    [
        (lambda: nf.Quire("posit8", width="legacy"), ArgumentError, "legacy"),
        (lambda: nf.Quire("posit8_0", width="standard"), ArgumentError, "standard"),
        (lambda: nf.Quire("posit8", width=97), ArgumentError, "from 98 to"),
        (lambda: nf.Quire("posit8", width=128, carry_bits=31), ArgumentError, "not both"),
        (lambda: nf.Quire("posit8", carry_bits=-1), ArgumentError, "carry_bits"),
        (lambda: nf.Quire("posit8", carry_bits=1 << 40), ArgumentError, "carry_bits"),
        (lambda: nf.Quire("posit8", width=True), ArgumentError, "width"),
        (lambda: nf.Quire("posit8", overflow="saturate"), ArgumentError, "overflow"),
        (lambda: nf.Quire("posit8", (2, -1)), ArgumentError, "shape"),
        (lambda: nf.Quire("lns8_3"), ArgumentError, "irrational"),
        (lambda: nf.Quire("fourth_roots"), ArgumentError, "complex"),
        (lambda: nf.Quire("binary64"), ArgumentError, "2\\*\\*"),
        (lambda: nf.Quire("posit8").add(0.3), FormatMismatchError, "exact"),
        (lambda: nf.Quire("posit8", 2).add(nf.encode([1.0, 1, 1], "posit8")), ArgumentError, "broadcast"),
        (lambda: nf.Quire("posit8").add(nf.Quire("posit16")), FormatMismatchError, "layout"),
        (lambda: nf.Quire("posit8").set_bits(1 << 128), ArgumentError, "128 bits"),
        (lambda: nf.Quire("posit8").set_bits(-1), ArgumentError, "bits"),
        (lambda: nf.Quire("posit8").set_bytes(b"123"), ArgumentError, "16 bytes"),
        (lambda: nf.Quire("fp4_e2m1", width=9).set_bytes(b"\xff\x7f"), ArgumentError, "sign-extended"),
        (lambda: nf.fused_dot(nf.encode([1.0], "posit8"), [1.0]), FormatMismatchError, "Encoded"),
        (lambda: nf.fused_dot(nf.encode([1.0], "posit8"), nf.encode([1.0, 2.0], "posit8")), ArgumentError, "length"),
        (lambda: nf.fused_dot(nf.encode([1.0], "posit8"), nf.encode([1.0], "posit16")), FormatMismatchError, "fmt="),
        (lambda: nf.fused_sum(nf.encode(1.0, "posit8")), ArgumentError, "axis"),
        (lambda: nf.fused_sum(nf.encode([1.0], "posit8"), axis=1), ArgumentError, "axis"),
        (lambda: nf.fused_sum(nf.encode([1.0], "posit8"), random=1), ArgumentError, "stochastic"),
        (lambda: nf.fused_sum(nf.encode([1.0], "posit8"), rounding="stochastic_a"), ArgumentError, "random"),
        (lambda: nf.fused_sum(nf.encode([np.nan], "e4m3fn"), fmt="int8"), NaNError, "NaN"),
    ],
)
def test_errors_name_the_rule(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_operands_are_left_alone():
    a = codes_of("posit16", (3, 40), 1)
    before = a.codes.copy()
    nf.fused_dot(a, a, axis=0)
    nf.Quire("posit16", 3).add_dot(a, a)
    assert np.array_equal(a.codes, before)
    nf.fused_sum(nf.Encoded(before[:, ::2], "posit16"))
