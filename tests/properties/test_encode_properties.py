"""Encoding as a function: equal to the reference, monotone, odd, idempotent, one rounding, seeded bits by position."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

import numfmt as nf
from numfmt import reference
from numfmt.errors import NumfmtError
from numfmt.rounding import NaNRule
from numfmt.testing.strategies import (
    codes,
    deterministic_roundings,
    overflows,
    real_formats,
    reals_near_breakpoints,
)

SYMMETRIC = ("NEAREST_EVEN", "NEAREST_AWAY", "NEAREST_ZERO", "TOWARD_ZERO", "AWAY_FROM_ZERO", "TO_ODD")
#: Formats whose negative numbers mirror the positive ones.
MIRRORED = (nf.FloatFormat, nf.P3109Format, nf.PositFormat, nf.TakumFormat, nf.TakumLogFormat, nf.HiFloat8Format)


def outcome(encode, x, fmt, **options):
    """A code, or the name of the error."""
    try:
        return encode(x, fmt, **options)
    except NumfmtError as error:
        return type(error).__name__


def encode_one(x, fmt, **options):
    return int(nf.encode(np.array([x], object if isinstance(x, (int, Fraction)) else None), fmt, **options).codes[0])


def encode_many(x, fmt, **options):
    """Through the path for larger arrays."""
    got = nf.encode(np.full(24, x), fmt, **options).codes
    assert (got == got[0]).all()
    return int(got[0])


@st.composite
def formats_with_inputs(draw, max_bits=16):
    fmt = draw(real_formats(max_bits))
    return fmt, draw(reals_near_breakpoints(fmt))


@given(formats_with_inputs(), deterministic_roundings(), st.data())
def test_encode_agrees_with_reference(pair, rounding, data):
    fmt, x = pair
    options = {"rounding": rounding, "overflow": data.draw(overflows(fmt)), "nan": data.draw(st.sampled_from(NaNRule))}
    expected = outcome(reference.encode, x, fmt, **options)
    assert outcome(encode_one, x, fmt, **options) == expected


@given(formats_with_inputs(max_bits=8), deterministic_roundings())
def test_tables_agree_with_reference(pair, rounding):
    fmt, x = pair
    if isinstance(fmt, (nf.PositFormat, nf.TakumFormat)):
        rounding = fmt.default_rounding  # a kernel is compiled for each
    assume(not math.isnan(x) or fmt.has_nan)
    assert encode_many(x, fmt, rounding=rounding) == reference.encode(x, fmt, rounding)


@given(real_formats(max_bits=32), st.floats(width=32, allow_nan=False), deterministic_roundings())
@example(nf.get("p3109_k8p1ue"), 0.0, nf.Rounding.NEAREST_EVEN)
@example(nf.get("p3109_k8p1ue"), 2.0**-127, nf.Rounding.NEAREST_EVEN)
@example(nf.get("bfloat16"), 2.0**-133, nf.Rounding.NEAREST_EVEN)
def test_binary32_sources_agree_with_reference(fmt, x, rounding):
    if isinstance(fmt, (nf.PositFormat, nf.TakumFormat)) or (fmt.bits > 8 and not isinstance(fmt, MIRRORED)):
        rounding = fmt.default_rounding
    assume(fmt.bits <= 12 or isinstance(fmt, (nf.FloatFormat, nf.P3109Format, nf.IntFormat)))
    assert encode_many(np.float32(x), fmt, rounding=rounding) == reference.encode(x, fmt, rounding)


numbers = st.one_of(
    st.integers(min_value=-(2**80), max_value=2**80),
    st.fractions(min_value=-(2**20), max_value=2**20, max_denominator=10**6),
    st.builds(lambda m, e: Fraction(m) * Fraction(2) ** e, st.integers(-(2**70), 2**70), st.integers(-200, 60)),
)


@given(real_formats(max_bits=32), numbers, deterministic_roundings())
@example(nf.get("binary64"), 2**53 + 1, nf.Rounding.NEAREST_AWAY)
@example(nf.get("fp8_e4m3fn"), Fraction(17, 16) + Fraction(1, 2**100), nf.Rounding.NEAREST_EVEN)
@example(nf.get("int32"), 2**31 - 1, nf.Rounding.NEAREST_EVEN)
def test_exact_numbers_are_rounded_once(fmt, x, rounding):
    assert encode_one(x, fmt, rounding=rounding) == reference.encode(x, fmt, rounding)


@given(real_formats(max_bits=32), real_formats(), st.data(), deterministic_roundings())
@example(nf.get("takum_log8"), nf.get("takum_log8"), 0x41, nf.Rounding.TOWARD_ZERO)
@example(nf.get("takum_log8"), nf.get("takum_log16"), 0x41, nf.Rounding.AWAY_FROM_ZERO)
@example(nf.get("lns8_3"), nf.get("lns8_3"), 0x01, nf.Rounding.TOWARD_ZERO)
def test_cast_rounds_the_exact_value_once(source, fmt, data, rounding):
    code = data if isinstance(data, int) else data.draw(codes(source))
    value = reference.decode(code, source)
    if not source.exact and source == fmt:
        expected = code  # an irrational value is a value of its own format
    elif not source.exact and {source.name, fmt.name} == {"takum_log8", "takum_log16"}:
        expected = code << 8
    else:
        assume(source.exact)
        expected = outcome(reference.encode, value, fmt, rounding=rounding, overflow="saturate")
    e = nf.Encoded([code], source)
    assert (
        outcome(lambda e, fmt, **o: int(nf.cast(e, fmt, **o).codes[0]), e, fmt, rounding=rounding, overflow="saturate")
        == expected
    )


@given(real_formats(), st.data(), deterministic_roundings())
def test_encoding_is_monotone(fmt, data, rounding):
    inputs = reals_near_breakpoints(fmt).filter(lambda x: math.isfinite(x) and (fmt.is_signed or x >= 0))
    a, b = sorted((data.draw(inputs), data.draw(inputs)))
    low, high = (reference.decode(encode_one(x, fmt, rounding=rounding, overflow="saturate"), fmt) for x in (a, b))
    assert low <= high


@given(formats_with_inputs(), st.sampled_from(SYMMETRIC))
def test_symmetric_roundings_commute_with_negation(pair, rounding):
    fmt, x = pair
    assume(isinstance(fmt, MIRRORED) and fmt.is_signed and not math.isnan(x))
    plus, minus = (reference.decode(encode_one(v, fmt, rounding=rounding), fmt) for v in (x, -x))
    assert minus == -plus or (math.isnan(plus) and math.isnan(minus))


@given(real_formats(), st.data(), deterministic_roundings())
def test_values_encode_to_their_own_code(fmt, data, rounding):
    code = data.draw(codes(fmt))
    value = reference.decode(code, fmt)
    assume(not (isinstance(value, float) and math.isnan(value)) and code in set(map(int, fmt.ordered_codes)))
    # An irrational value is decoded to the nearest binary64, which only nearest rounding sends back.
    rounding = rounding if fmt.exact else fmt.default_rounding
    assert encode_one(value, fmt, rounding=rounding) == code


@given(real_formats(), st.data())
def test_quantize_is_idempotent(fmt, data):
    x = data.draw(reals_near_breakpoints(fmt).filter(lambda x: not math.isnan(x)))
    assume(fmt.value_dtype.kind != "O")
    try:
        once = nf.quantize(np.array([x]), fmt)
    except NumfmtError:
        return
    assume(not math.isnan(once[0]) or fmt.has_nan)
    np.testing.assert_array_equal(nf.quantize(once, fmt), once)


@given(formats_with_inputs(), st.sampled_from(["stochastic_a", "stochastic_b", "stochastic_c"]), st.data())
def test_stochastic_rounding_agrees_with_reference(pair, rounding, data):
    fmt, x = pair
    assume(not math.isnan(x) or fmt.has_nan)
    width = data.draw(st.sampled_from([1, 2, 3, 8, 16, 31, 32, 33, 64]))
    r = data.draw(st.integers(0, (1 << width) - 1))
    options = {"rounding": rounding, "overflow": data.draw(overflows(fmt))}
    expected = outcome(reference.encode, x, fmt, random=(r, width), **options)
    assert outcome(encode_one, x, fmt, random=nf.RandomBits([r], width), **options) == expected


@given(
    st.sampled_from(["fp8_e4m3fn", "bfloat16", "int8", "posit8_2", "nf4", "p3109_k6p3se"]),
    st.integers(0, 2**64 - 1),
    st.integers(0, 60),
    st.integers(0, 60),
    st.sampled_from([nf.HashRandom, nf.PhiloxRandom]),
    st.sampled_from(["stochastic_a", "stochastic_b", "stochastic_c"]),
)
def test_seeded_bits_belong_to_the_flat_index(name, seed, start, length, source, rounding):
    x = np.linspace(-3, 3, 60)
    whole = nf.encode(x.reshape(6, 10), name, rounding=rounding, random=source(seed)).codes.reshape(-1)
    part = nf.encode(x[start : start + length], name, rounding=rounding, random=source(seed, start=start)).codes
    np.testing.assert_array_equal(part, whole[start : start + length])


@pytest.mark.parametrize("rounding", ["stochastic_a", "stochastic_b", "stochastic_c"])
def test_seeded_bits_are_fair(rounding):
    # 1.03125 lies a quarter of the way from 1 to 1.125: of 40000 draws 10000 go up, give or take 5 standard deviations.
    ups = nf.encode(np.full(40_000, 1.03125), "fp8_e4m3fn", rounding=rounding, random=7).codes == 0x39
    assert abs(int(ups.sum()) - 10_000) < 5 * math.sqrt(40_000 * 3 / 16)
