"""docs/policies.md: what its tables say of numfmt, row by row; the last column of each row names the test here.

Expected codes are written out from the definitions quoted in the row (encodings: OCP OFP8 rev 1.0 tables 1 and 2,
OCP MX v1.0 section 5.3, IEEE 754-2019 section 3.4, P3109 v4.0, Standard for Posit Arithmetic 2022).
"""

import re
from pathlib import Path

import numpy as np
import pytest

import numfmt as nf
from numfmt.errors import ArgumentError, FormatMismatchError, FormatOverflowError, NaNError

PAGE = Path(__file__).parents[1] / "docs" / "policies.md"
INF, NAN = np.inf, np.nan
H16 = "binary16"


def codes(e: nf.Encoded) -> list[int]:
    return np.atleast_1d(e.codes).tolist()


def encoded(x: object, fmt: str, **options: object) -> list[int]:
    return codes(nf.encode(x, fmt, **options))


def of(fmt: str, *patterns: int) -> list[nf.Encoded]:
    return [nf.Encoded(p, fmt) for p in patterns]


def twice_the_largest(fmt: str, **options: object) -> list[int]:
    largest = nf.encode([float(nf.get(fmt).max), -float(nf.get(fmt).max)], fmt)
    return codes(nf.add(largest, largest, **options))


def test_every_row_names_its_test() -> None:
    rows = re.findall(r"^\|.*\| `(test_\w+)` \|$", PAGE.read_text(encoding="utf-8"), re.M)
    tests = {name for name in globals() if name.startswith("test_")} - {"test_every_row_names_its_test"}
    assert sorted(rows) == sorted(tests)


# ---- overflow --------------------------------------------------------------------------------------------------------


def test_encode_overflow() -> None:
    assert encoded([1e9, -1e9, INF], "fp8_e4m3fn") == [0x7E, 0xFE, 0x7E]
    assert encoded([1e9, -1e9, INF], "fp8_e5m2") == [0x7B, 0xFB, 0x7B]
    assert encoded([1e9, INF], "fp8_e4m3fnuz") == [0x7F, 0x7F]
    assert encoded([1e9, INF], "fp4_e2m1") == [0x7, 0x7]
    assert encoded([1e9, INF], "fp8_e5m2", overflow="nonsaturating") == [0x7C, 0x7C]
    assert encoded([1e9, INF], "fp8_e4m3fn", overflow="nonsaturating") == [0x7F, 0x7F]
    assert encoded([1e9, INF], "fp8_e5m2", overflow="sat_propagate") == [0x7B, 0x7C]
    with pytest.raises(FormatOverflowError):
        nf.encode(1e9, "fp8_e4m3fn", overflow="raise")


def test_encode_overflow_profiles() -> None:
    found = {p: encoded([1e9, INF], "fp8_e4m3fn", profile=p) for p in ("ocp_sat", "torch", "onnx", "ptx_satfinite")}
    assert set(map(tuple, found.values())) == {(0x7E, 0x7E)}
    assert encoded([1e9, INF], "fp8_e4m3fn", profile="ml_dtypes") == [0x7F, 0x7F]
    assert encoded([1e9, INF], "fp8_e5m2", profile="torch") == [0x7C, 0x7C]
    assert encoded(1e9, "fp8_e4m3fnuz", profile="torch") == [0x80]
    assert encoded(1e9, "fp8_e4m3fnuz", profile="onnx") == [0x7F]


def test_arithmetic_overflow() -> None:
    expected = {
        "binary16": [0x7C00, 0xFC00],
        "fp8_e5m2": [0x7C, 0xFC],
        "fp8_e4m3fn": [0x7F, 0x7F],  # one canonical NaN, without the sign
        "fp8_e4m3fnuz": [0x80, 0x80],
        "fp6_e2m3": [0x1F, 0x3F],
        "fp4_e2m1": [0x7, 0xF],
    }
    assert {fmt: twice_the_largest(fmt) for fmt in expected} == expected
    assert twice_the_largest("fp8_e4m3fn", overflow="saturate") == [0x7E, 0xFE]


def test_overflow_threshold() -> None:
    # Halfway between 448 and 480, which would be the next number, is 464: a tie, and 448 has the even code.
    assert encoded([464.0, np.nextafter(464.0, INF)], "fp8_e4m3fn", overflow="nonsaturating") == [0x7E, 0x7F]
    # binary16: halfway between 65504 and 65536 the odd significand of 65504 loses.
    assert encoded([np.nextafter(65520.0, 0.0), 65520.0], H16) == [0x7BFF, 0x7C00]


def test_directed_overflow() -> None:
    assert twice_the_largest(H16, rounding="toward_zero") == [0x7BFF, 0xFBFF]
    assert twice_the_largest(H16, rounding="toward_positive") == [0x7C00, 0xFBFF]
    assert twice_the_largest(H16, rounding="toward_negative") == [0x7BFF, 0xFC00]
    assert twice_the_largest("fp8_e4m3fn", rounding="toward_zero") == [0x7E, 0xFE]


def test_round_to_odd_overflow() -> None:
    assert twice_the_largest(H16, rounding="to_odd") == [0x7BFF, 0xFBFF]
    assert twice_the_largest("fp8_e5m2", rounding="to_odd") == [0x7B, 0xFB]
    # Safe for two steps: to odd in binary32, then to nearest in binary16, is one rounding; twice to nearest is not.
    x = nf.encode(1 + 3 * 2.0**-11 - 2.0**-40, "binary64")
    assert codes(nf.cast(nf.cast(x, "binary32", rounding="to_odd"), H16)) == codes(nf.cast(x, H16)) == [0x3C01]
    assert codes(nf.cast(nf.cast(x, "binary32"), H16)) == [0x3C02]


def test_p3109_saturation() -> None:
    fmt = "p3109_k8p4se"  # 0x7E is 224, 0x7F infinity
    assert encoded([1e9, INF, -INF], fmt) == [0x7F, 0x7F, 0xFF]
    assert encoded([1e9, INF, -INF], fmt, overflow="saturate") == [0x7E, 0x7E, 0xFE]
    assert encoded([1e9, INF, -INF], fmt, overflow="sat_propagate") == [0x7E, 0x7F, 0xFF]
    assert encoded([1e9, INF], "p3109_k8p4sf") == [0x7F, 0x7F]  # the finite domain: 0x7F is 240
    assert encoded(-1.0, "p3109_k8p4ue") == [0xFF]  # unsigned: NaN


def test_integer_overflow() -> None:
    assert encoded([300.0, -300.0], "int8") == [0x7F, 0x80]
    assert encoded([300.0, -300.0], "int8", overflow="wrap") == [300 % 256, -300 % 256]
    assert twice_the_largest("int8") == [0x7F, 0x80]
    assert encoded([9.0, -9.0], "int4") == [0x7, 0x8]
    assert encoded([9.0, -9.0], "int4", profile="ml_dtypes") == [9 % 16, -9 % 16]
    assert nf.add(*nf.encode([100.0, 100.0], "int8"), fmt="grow").format.name == "int9"


def test_tapered_overflow() -> None:
    assert encoded([1e30, -1e30, 1e-30, -1e-30], "posit8") == [
        0x7F,
        0x81,
        0x01,
        0xFF,
    ]  # maxpos, minpos: never NaR, never 0
    assert twice_the_largest("posit8") == [0x7F, 0x81]
    assert encoded([1e90, 1e-90], "takum8") == [0x7F, 0x01]
    assert encoded([INF, -INF, NAN], "posit8") == [0x80, 0x80, 0x80]
    assert encoded([INF, -INF, NAN], "takum8") == [0x80, 0x80, 0x80]


# ---- NaN -------------------------------------------------------------------------------------------------------------


def test_canonical_nan() -> None:
    expected = {"fp8_e4m3fn": 0x7F, "fp8_e5m2": 0x7E, "fp8_e4m3fnuz": 0x80, H16: 0x7E00, "bfloat16": 0x7FC0}
    expected |= {"p3109_k8p4se": 0x80, "posit8": 0x80, "ufp8_e8m0": 0xFF}
    for fmt, code in expected.items():
        assert encoded([NAN, np.copysign(NAN, -1)], fmt) == [code, code], fmt
    assert encoded(NAN, "fp8_e5m2", profile="torch") == encoded(NAN, "fp8_e5m2", profile="ptx_satfinite") == [0x7F]
    assert encoded([NAN, np.copysign(NAN, -1)], "fp8_e5m2", profile="ml_dtypes") == [0x7E, 0xFE]


def test_nan_payloads() -> None:
    signaling, quiet = of(H16, 0x7D01, 0xFE05)
    expected = {
        "canonical": [0x7E00, 0x7E00],
        "riscv": [0x7E00, 0x7E00],
        "arm_default": [0x7E00, 0x7E00],
        "x86_sse": [0x7F01, 0xFE05],  # the first operand that is a NaN, made quiet
        "arm": [0x7F01, 0x7F01],  # a signaling one first
    }
    for policy, found in expected.items():
        assert codes(nf.add(signaling, quiet, nan=policy)) == found[:1], policy
        assert codes(nf.add(quiet, signaling, nan=policy)) == found[1:], policy
    infinity = nf.encode(INF, H16)
    made = {policy: codes(nf.sub(infinity, infinity, nan=policy))[0] for policy in expected}
    assert made == {"canonical": 0x7E00, "riscv": 0x7E00, "arm_default": 0x7E00, "x86_sse": 0xFE00, "arm": 0x7E00}


def test_fma_of_zero_times_infinity_and_nan() -> None:
    e, flags = nf.fma(*nf.encode([0.0, INF, NAN], H16), flags=True)
    assert codes(e) == [0x7E00] and bool(flags.invalid)


def test_nan_into_a_format_without_one() -> None:
    for fmt in ("fp4_e2m1", "fp6_e2m3", "int8", "nf4"):
        with pytest.raises(NaNError):
            nf.encode(NAN, fmt)
    assert encoded(NAN, "fp4_e2m1", nan="zero") == [0x0]
    assert encoded(NAN, "fp4_e2m1", nan="max") == encoded(NAN, "fp4_e2m1", profile="onnx") == [0x7]
    assert encoded(NAN, "fp4_e2m1", overflow="ptx_satfinite") == [0x7]
    assert encoded([NAN, np.copysign(NAN, -1)], "fp4_e2m1", profile="ml_dtypes") == [0x8, 0x0]
    with pytest.raises(NaNError):
        nf.sqrt(nf.encode(-1.0, "fp4_e2m1"))


# ---- zeros, poles, domains -------------------------------------------------------------------------------------------


def test_signs_of_zero() -> None:
    one, zero, minus = nf.encode([1.0, 0.0, -0.0], H16)
    assert codes(nf.sub(one, one)) == [0x0000]
    assert codes(nf.sub(one, one, rounding="toward_negative")) == [0x8000]
    assert codes(nf.add(minus, minus)) == [0x8000] and codes(nf.add(zero, minus)) == [0x0000]
    assert codes(nf.sqrt(minus)) == [0x8000]
    assert codes(nf.mul(nf.encode(-1.0, H16), zero)) == [0x8000]
    tiny = nf.encode(-(2.0**-24), H16)
    assert codes(nf.mul(tiny, nf.encode(0.25, H16))) == [0x8000]  # underflow keeps the sign


def test_one_zero() -> None:
    for fmt in ("p3109_k8p4se", "fp8_e4m3fnuz", "posit8", "takum8", "int8"):
        zero = encoded(0.0, fmt)
        assert encoded(-0.0, fmt) == zero
        assert codes(nf.mul(nf.encode(-1.0, fmt), nf.encode(0.0, fmt))) == zero


def test_exact_sum_of_zeros() -> None:
    minus = nf.encode([-0.0, -0.0], H16)
    assert codes(nf.fused_sum(minus)) == [0x0000]
    assert codes(nf.fused_dot(minus, nf.encode([1.0, 1.0], H16))) == [0x0000]


def test_division_by_zero() -> None:
    def quotient(fmt: str) -> list[int]:
        return codes(nf.div(nf.encode([1.0, -1.0], fmt), nf.encode(0.0, fmt)))

    assert quotient(H16) == [0x7C00, 0xFC00]
    assert quotient("fp8_e4m3fn") == [0x7F, 0x7F]  # no infinity: NaN
    assert quotient("fp4_e2m1") == [0x7, 0xF]  # neither: the largest
    assert quotient("p3109_k8p4se") == quotient("posit8") == quotient("takum8") == [0x80, 0x80]
    for fmt in (H16, "fp8_e4m3fn", "p3109_k8p4se"):
        one, zero = nf.encode([1.0, 0.0], fmt)
        assert bool(nf.div(one, zero, flags=True)[1].divide_by_zero)


def test_integer_division() -> None:
    one, zero = nf.encode([1.0, 0.0], "int8")
    with pytest.raises(ArgumentError, match="division by zero"):
        nf.div(one, zero)
    assert codes(nf.div(one, zero, fmt=H16)) == [0x7C00]
    seven, two = nf.encode([7.0, 2.0], "int8")
    assert codes(nf.div(seven, two)) == [4]  # nearest even, not the C quotient
    assert codes(nf.div(seven, two, rounding="toward_zero")) == [3]


def test_roots_of_negative_numbers() -> None:
    assert codes(nf.sqrt(nf.encode(-1.0, H16))) == [0x7E00]
    assert codes(nf.sqrt(nf.encode(-1.0, "posit8"))) == codes(nf.sqrt(nf.encode(-1.0, "p3109_k8p4se"))) == [0x80]
    assert codes(nf.rsqrt(nf.encode([0.0, -0.0, -1.0], H16))) == [0x7C00, 0xFC00, 0x7E00]


def test_remainder() -> None:
    def rest(x: float, y: float) -> list[int]:
        return codes(nf.remainder(*nf.encode([x, y], H16)))

    assert rest(5.0, 2.0) == [0x3C00] and rest(7.0, 2.0) == [0xBC00]  # n is the even one of 2.5, 3.5
    assert rest(-4.0, 2.0) == [0x8000] and rest(1.0, INF) == [0x3C00]
    assert rest(1.0, 0.0) == rest(INF, 1.0) == [0x7E00]


# ---- flags -----------------------------------------------------------------------------------------------------------


def test_tininess() -> None:
    a, b = of(H16, 0x0401, 0x3BFE)  # 2**-14 * (1 + 2**-10) * (1 - 2**-10): below 2**-14, rounds to it
    assert not nf.mul(a, b, flags=True)[1].underflow
    assert nf.mul(a, b, flags=True, tininess="before")[1].underflow
    assert codes(nf.mul(a, b)) == codes(nf.mul(a, b, tininess="before")) == [0x0400]


def test_exact_subnormals_raise_nothing() -> None:
    flags = nf.mul(*nf.encode([2.0**-24, 2.0], H16), flags=True)[1]
    assert not (flags.underflow or flags.inexact)


def test_flags_of_other_families() -> None:
    flags = nf.add(*nf.encode([2.0**24, 2.0**24], "posit8"), flags=True)[1]
    assert flags.overflow and flags.inexact
    flags = nf.div(*nf.encode([1.0, 3.0], "p3109_k8p4se"), flags=True)[1]
    assert flags.inexact and not (flags.overflow or flags.underflow or flags.invalid or flags.divide_by_zero)


# ---- rounding --------------------------------------------------------------------------------------------------------


def test_default_roundings() -> None:
    expected = {H16: "NEAREST_EVEN", "fp8_e4m3fn": "NEAREST_EVEN", "posit8": "NEAREST_EVEN", "int8": "NEAREST_EVEN"}
    expected |= {"hif8": "NEAREST_AWAY", "ufp8_e8m0": "NEAREST_UP", "nf4": "NEAREST_DOWN"}
    assert {fmt: nf.get(fmt).default_rounding.name for fmt in expected} == expected


def test_posit_midpoints() -> None:
    # 2**20 is 0 1111110 0..., 2**24 is maxpos; one more bit splits them at 2**22, not at the mean.
    low, high = nf.encode([2.0**20, 2.0**24], "posit8").codes.tolist()
    assert high == low + 1 == 0x7F
    assert encoded([2.0**22, np.nextafter(2.0**22, INF)], "posit8") == [low, high]


def test_stochastic_definitions() -> None:
    # 1 + 2**-8 is half an ulp above 1 in bfloat16, 1 + 2**-10 an eighth of one: R counts those that round away.
    def away(x: float, name: str, width: int) -> int:
        integers = nf.RandomBits(np.arange(1 << width), width=width)
        e = nf.encode(np.full(1 << width, x), "bfloat16", rounding=f"stochastic_{name}", random=integers)
        return int(np.count_nonzero(e.codes == 0x3F81))

    assert [away(1 + 2.0**-8, name, 1) for name in "abc"] == [1, 1, 1]
    assert [away(1 + 2.0**-10, name, 1) for name in "abc"] == [0, 0, 0]
    assert [away(1 + 3 * 2.0**-9, name, 1) for name in "abc"] == [1, 2, 2]  # 3/4: cut, half up, half to even
    assert [away(1 + 2.0**-9, name, 1) for name in "abc"] == [0, 1, 0]  # 1/4
    with pytest.raises(ArgumentError, match="random"):
        nf.encode(1.1, "bfloat16", rounding="stochastic_a")


def test_random_bits_belong_to_elements() -> None:
    x = np.linspace(1, 2, 101)
    whole = nf.encode(x, "bfloat16", rounding="stochastic_a", random=7)
    rest = nf.encode(x[40:], "bfloat16", rounding="stochastic_a", random=nf.HashRandom(7, start=40))
    assert codes(whole)[40:] == codes(rest)


def test_one_rounding() -> None:
    assert encoded(1.0625 + 2.0**-40, "fp8_e4m3fn") == [0x39]  # binary32 first would make it a tie, and 1
    assert encoded(1 + 2.0**-8 + 2.0**-40, "bfloat16") == [0x3F81]


def test_fused() -> None:
    a, c = nf.encode([1 + 2.0**-10, -1 - 2.0**-9], H16)
    assert float(nf.fma(a, a, c)) == 2.0**-20
    assert float(nf.add(nf.mul(a, a), c)) == 0.0
    x = nf.encode([65504.0, 2.0**-24, -65504.0], H16)
    assert float(nf.fused_sum(x)) == 2.0**-24 == float(nf.faa(*x))


def test_mixed_formats() -> None:
    a, b = nf.encode(1.0, H16), nf.encode(1.0, "bfloat16")
    for call in (lambda: nf.add(a, b), lambda: a + b, lambda: nf.add(a, 0.1)):
        with pytest.raises(FormatMismatchError):
            call()
    assert codes(nf.add(a, b, fmt="fp8_e4m3fn")) == [0x40]


# ---- conversions -----------------------------------------------------------------------------------------------------


def test_float_to_integer() -> None:
    e = nf.encode([3e4, -3e4, NAN], H16)
    with pytest.raises(NaNError):
        nf.cast(e, "int8")
    assert codes(nf.cast(e[:2], "int8")) == [0x7F, 0x80]
    expected = {"x86_sse": [0x80, 0x80, 0x80], "arm": [0x7F, 0x80, 0x00], "riscv": [0x7F, 0x80, 0x7F]}
    assert {policy: codes(nf.cast(e, "int8", nan=policy)) for policy in expected} == expected
    flags = nf.cast(e[:1], "int8", flags=True)[1]
    assert flags.invalid[0] and not (flags.overflow[0] or flags.inexact[0])


def test_e8m0() -> None:
    fmt = "ufp8_e8m0"  # code c is 2**(c - 127), 0xFF is NaN
    assert encoded([3.0, 6.0, 1.5], fmt) == [0x81, 0x82, 0x80]
    assert encoded([3.0, 6.0, 1.5], fmt, rounding="nearest_even") == [0x80, 0x82, 0x80]
    assert encoded([0.0, 2.0**-130, -1.0, 1e39, INF, NAN], fmt) == [0x00, 0x00, 0xFF, 0xFE, 0xFE, 0xFF]
    assert encoded([0.0, 2.0**-130, -1.0, INF], fmt, profile="ml_dtypes") == [0xFF, 0x00, 0xFF, 0xFF]
    assert encoded([0.0, -2.0, INF], fmt, profile="torch") == [0x00, 0x80, 0xFF]
    assert encoded([0.0, -2.0, 2.5, INF], fmt, profile="onnx") == [0x00, 0x80, 0x81, 0xFE]
    assert encoded(2.5, fmt, profile="ptx") == [0x81]


def test_block_scales() -> None:
    assert nf.get("mxfp8_e4m3").rule == "floor"
    assert nf.get("nvfp4").min_scale == 0
    zeros = nf.encode(np.zeros(32), "mxfp8_e4m3", axis=-1)
    assert zeros.scales.reshape(-1).tolist() == [0x00] and not zeros.codes.any()


# ---- comparisons -----------------------------------------------------------------------------------------------------


def test_comparisons() -> None:
    nan, zero, minus = nf.encode([NAN, 0.0, -0.0], H16)
    assert not nf.compare(nan, nan) and nf.compare(zero, minus) and not zero.same_bits(minus)
    nar, lowest = nf.encode([NAN, -(2.0**24)], "posit8")
    assert nf.compare(nar, nar) and nf.compare(nar, lowest, "less")


def test_minimum_and_maximum() -> None:
    nan, one, zero, minus = nf.encode([NAN, 1.0, 0.0, -0.0], H16)
    assert codes(nf.maximum(nan, one)) == [0x7E00] and codes(nf.maximum_number(nan, one)) == [0x3C00]
    assert codes(nf.maximum(minus, zero)) == codes(nf.maximum(zero, minus)) == [0x0000]
    assert codes(nf.minimum(minus, zero)) == codes(nf.minimum(zero, minus)) == [0x8000]
