"""Faults published about other libraries' conversions, each as a test of numfmt; and fresh double-rounding traps.

Expected codes are literals worked out from the formats' definitions or come from ``numfmt.reference``.
"""

from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest

import numfmt as nf
from numfmt import reference

pytestmark = pytest.mark.conformance


class Case(NamedTuple):
    """One conversion that a peer got wrong, and the right code."""

    peer: str
    x: Any
    fmt: str
    code: int
    options: dict[str, Any] = {}  # noqa: RUF012  (never changed)


ONNX, NONSAT, AWAY = {"profile": "onnx"}, {"overflow": "nonsaturating"}, {"rounding": "nearest_away"}
JUST_BELOW = 1 - 2.0**-53

CASES = (
    # ml_dtypes: binary64 goes through binary32 (its pull request 401)
    Case("ml_dtypes double rounding", -431.99999999999994, "fp8_e4m3fn", 0xFD),  # -416, below the tie at 432
    Case("ml_dtypes double rounding", 1.0625 + 2.0**-40, "fp8_e4m3fn", 0x39),  # 1.125
    Case("ml_dtypes double rounding", 1 + 2.0**-8 + 2.0**-40, "bfloat16", 0x3F81),  # 1.0078125
    Case("ml_dtypes double rounding", 1 + 2.0**-8 - 2.0**-40, "bfloat16", 0x3F80),
    Case("torch double rounding", 1 + 2.0**-11 + 2.0**-40, "binary16", 0x3C01),
    Case("torch double rounding", 1 + 3 * 2.0**-11 - 2.0**-40, "binary16", 0x3C01),
    Case("double rounding of an overflow", np.nextafter(464.0, 0), "fp8_e4m3fn", 0x7E, NONSAT),
    Case("double rounding of an overflow", np.nextafter(464.0, 500), "fp8_e4m3fn", 0x7F, NONSAT),
    Case("double rounding of an overflow", np.nextafter(61440.0, 0), "fp8_e5m2", 0x7B, NONSAT),
    Case("double rounding of an overflow", np.nextafter(65520.0, 0), "binary16", 0x7BFF),
    Case("double rounding of an overflow", 65520.0, "binary16", 0x7C00),
    Case("double rounding of an underflow", np.nextafter(2.0**-10, 1), "fp8_e4m3fn", 0x01),
    Case("double rounding of an underflow", np.nextafter(2.0**-25, 1), "binary16", 0x0001),
    # integers beyond 2**53 (ml_dtypes, NumPy: through a float)
    Case("int64 beyond 2**53", 2**60 + 2**52 + 1, "bfloat16", 0x5D81),
    Case("int64 beyond 2**53", 2**60 + 2**52, "bfloat16", 0x5D80),
    Case("int64 beyond 2**53", 2**60 + 2**52 - 1, "bfloat16", 0x5D80),
    Case("int64 beyond 2**53", -(2**62 + 2**54 + 1), "bfloat16", 0xDE81),
    Case("int64 beyond 2**53", 2**53 + 1, "binary64", 0x4340000000000000),
    Case("int64 beyond 2**53", 2**53 + 3, "binary64", 0x4340000000000002),
    Case("int64 beyond 2**53", 2**54 + 2**30 + 1, "binary32", 0x5A800001),
    Case("int64 beyond 2**53", 2**31 + 1, "int32", 0x7FFFFFFF),
    # ml_dtypes, gfloat, ONNX: NaN into FP4
    Case("FP4 NaN", float("nan"), "fp4_e2m1", 0x7, ONNX),
    Case("FP4 NaN", -float("nan"), "fp4_e2m1", 0x7, ONNX),
    Case("FP4 NaN", float("nan"), "fp4_e2m1", 0x7, {"nan": "max"}),
    Case("FP4 NaN", float("nan"), "fp4_e2m1", 0x0, {"nan": "zero"}),
    Case("FP4 NaN", -float("nan"), "fp4_e2m1", 0x7, {"profile": "ptx_satfinite"}),
    Case("FP4 infinity", -float("inf"), "fp4_e2m1", 0xF, ONNX),
    # ONNX: the "up" reference of E8M0 masked the wrong bits (its pull request 7784)
    Case("ONNX e8m0 up", 1.125, "e8m0", 0x80, ONNX),
    Case("ONNX e8m0 up", 1.25, "e8m0", 0x80, ONNX),
    Case("ONNX e8m0 up", 5.0, "e8m0", 0x82, ONNX),
    Case("ONNX e8m0 up", 4.0, "e8m0", 0x81, ONNX),
    Case("ONNX e8m0 up, -3", -3.0, "e8m0", 0x81, ONNX),
    Case("ONNX e8m0 infinity", float("inf"), "e8m0", 0xFE, ONNX),
    Case("ONNX e8m0 zero", 0.0, "e8m0", 0x00, ONNX),
    Case("ONNX e8m0 subnormal", 2.0**-127, "e8m0", 0x00, ONNX),
    Case("ONNX e8m0 subnormal", 2.0**-149, "e8m0", 0x00, ONNX),
    Case("ONNX e8m0 subnormal", 2.0**-127 + 2.0**-149, "e8m0", 0x01, ONNX),
    # gfloat: E8M0 below 2**-127 gave the code 65514
    Case("gfloat e8m0 below the smallest", 2.0**-128, "e8m0", 0x00),
    Case("gfloat e8m0 below the smallest", 2.0**-149, "e8m0", 0x00, {"rounding": "nearest_even"}),
    Case("gfloat e8m0 below the smallest", 5e-324, "e8m0", 0x00, {"rounding": "toward_zero"}),
    Case("gfloat e8m0 zero", 0.0, "e8m0", 0x00, {"rounding": "nearest_even"}),
    # gfloat round_float: delta + 0.5 >= 1.0 rounds up before comparing
    Case("gfloat ties away", 2.0**-10 * JUST_BELOW, "fp8_e4m3fn", 0x00, AWAY),
    Case("gfloat ties away", 2.0**-10, "fp8_e4m3fn", 0x01, AWAY),
    Case("gfloat ties away", -(2.0**-17) * JUST_BELOW, "fp8_e5m2", 0x80, AWAY),
    Case("gfloat ties away", 2.0**-25 * JUST_BELOW, "binary16", 0x0000, AWAY),
    Case("gfloat ties away", 0.49999999999999994, "int8", 0x00, AWAY),
    Case("gfloat ties away", -0.49999999999999994, "int32", 0x00, AWAY),
    Case("round(x) as floor(x + 0.5)", 2.0**23 + 1.0, "int32", 0x800001, AWAY),
    Case("round(x) as floor(x + 0.5)", 0.5 - 2.0**-54, "uint8", 0x00, {"rounding": "nearest_up"}),
    # TVM: float8_e5m2 of zero and subnormals (issue 20315)
    Case("TVM e5m2", 0.0, "fp8_e5m2", 0x00),
    Case("TVM e5m2", -0.0, "fp8_e5m2", 0x80),
    Case("TVM e5m2", 2.0**-16, "fp8_e5m2", 0x01),
    Case("TVM e5m2", 3 * 2.0**-16, "fp8_e5m2", 0x03),
    Case("TVM e5m2", 2.0**-17, "fp8_e5m2", 0x00),
    Case("TVM e5m2", 3 * 2.0**-17, "fp8_e5m2", 0x02),
    Case("TVM e5m2", 7 * 2.0**-17, "fp8_e5m2", 0x04),  # carries into the first normal
    # ROCm CK software path: range test before rounding
    Case("CK range test", 464.0, "fp8_e4m3fn", 0x7E, NONSAT),
    Case("CK range test", 449.0, "fp8_e4m3fn", 0x7E, NONSAT),
    Case("CK fnuz NaN with clip", float("nan"), "fp8_e4m3fnuz", 0x80),
    # ONNX reference quantizer: casts to int32 before clipping
    Case("clip after cast", 3e9, "int8", 0x7F),
    Case("clip after cast", -3e9, "int8", 0x80),
    Case("clip after cast", float("inf"), "int8", 0x7F),
    Case("torch quint8 of +infinity", float("inf"), "uint8", 0xFF),
    # ONNX Runtime MLFloat16 to integer: truncated instead of rounded
    Case("truncation", np.float16(2.75), "int8", 0x03),
    Case("truncation", np.float16(-1.5), "int4", 0xE),
    # VeriFloat 0.1: MXINT8 scale off by 2**6, formats with a single exponent bit
    Case("MXINT8 scale", 2.0**-6, "mxint8_element", 0x01),
    Case("MXINT8 scale", -2.0, "mxint8_element", 0x80),
    Case("one exponent bit", 1.75, "fp4_e1m2", 0x7),
    Case("one exponent bit", 0.875, "fp4_e1m2", 0x4),
    # HiF8 snippets: no clamp, or floor(x + 0.5)
    Case("hif8 overflow", 40959.0, "hif8", 0x6E),
    Case("hif8 overflow", 40960.0, "hif8", 0x6F),
    Case("hif8 overflow", -1e9, "hif8", 0xEF),
    # gguf ternary rules aside: E2M1 ties are even in OCP
    Case("gguf argmin ties", 0.75, "fp4_e2m1", 0x2),
    Case("gguf argmin ties", 3.5, "fp4_e2m1", 0x6),
    Case("rocm fallback ties away", 0.25, "fp4_e2m1", 0x0),
    Case("rocm fallback ties away", 5.0, "fp4_e2m1", 0x6),
)


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.peer}-{c.x!r}-{c.fmt}")
def test_published_case(case):
    assert nf.encode(case.x, case.fmt, **case.options).codes == case.code
    # The same through the array paths: kernels from 17 elements on, and a list.
    many = nf.encode([case.x] * 100, case.fmt, **case.options).codes
    assert (many == case.code).all()
    if isinstance(case.x, float) and (case.x != case.x or float(np.float32(case.x)) == case.x):
        assert (nf.encode(np.full(100, case.x, np.float32), case.fmt, **case.options).codes == case.code).all()


def test_there_are_at_least_fifteen_published_peers():
    assert len({case.peer for case in CASES}) >= 15


@pytest.mark.parametrize("fmt", ["fp4_e2m1", "fp6_e2m3", "fp6_e3m2", "int8", "uint4"])
def test_nan_into_a_format_without_nan_is_an_error(fmt):
    for x in (float("nan"), np.full(100, np.nan, np.float32), np.full(100, -np.nan)):
        with pytest.raises(nf.errors.NaNError, match="nan="):
            nf.encode(x, fmt)


@pytest.mark.exhaustive
@pytest.mark.parametrize("fmt", ["fp8_e4m3fn", "fp8_e4m3_ieee", "fp8_e5m2", "fp8_e4m3fnuz", "fp8_e5m2fnuz"])
def test_binary16_into_the_subnormal_range_is_rounded_once(fmt):
    # OpenVINO rounded twice here, Float8s.jl and TVM mishandled subnormals: every binary16 there.
    top = 2 * float(nf.get(fmt).smallest_normal)
    x = np.arange(1 << 15, dtype=np.uint16).view(np.float16)
    x = x[x <= top]
    expected = np.array([reference.encode(float(v), fmt) for v in x], np.uint8)
    assert np.array_equal(nf.encode(x, fmt).codes, expected)
    negative = np.array([reference.encode(-float(v), fmt) for v in x[::7]], np.uint8)
    assert np.array_equal(nf.encode(-x[::7], fmt).codes, negative)


@pytest.mark.parametrize("fmt, step", [("fp8_e4m3fn", 2.0**-9), ("fp8_e4m3_ieee", 2.0**-9), ("fp8_e5m2", 2.0**-16)])
def test_subnormal_codes_are_multiples_of_the_step(fmt, step):
    # Float8s.jl issue 22: e4m3 subnormals decoded wrongly.
    count = 1 << nf.get(fmt).M
    codes = np.arange(count, dtype=np.uint8)
    assert np.array_equal(nf.decode(codes, fmt), (codes * step).astype(np.float32))
    assert np.array_equal(nf.encode(codes * step, fmt).codes, codes)


# ---- fresh traps -----------------------------------------------------------------------------------------------------

#: Formats whose breakpoints are rational and mostly held by binary32.
TRAPPED = (
    "fp8_e4m3fn", "fp8_e5m2", "fp8_e4m3_ieee", "fp8_e3m4", "fp8_e4m3fnuz", "fp8_e5m2fnuz", "fp8_e4m3fnuz_b11",
    "fp6_e2m3", "fp6_e3m2", "fp4_e2m1", "fp4_e1m2", "ue4m3", "ue5m3", "e8m0", "bfloat16", "binary16", "tf32", "e8m13",
    "p3109_k8p3se", "p3109_k8p4se", "p3109_k4p2sf", "p3109_k8p1uf", "hif8", "posit8_0", "posit8_2", "posit16_1",
    "posit16_2", "takum_linear8", "takum_linear16", "int4", "int8", "uint8", "int8_f6", "nf4",
)  # fmt: skip
WANTED = 1000


def rational_breakpoints(fmt: nf.Format, rng: np.random.Generator) -> list[Fraction]:
    """Where nearest rounding changes its mind, from the reference's values: midpoints, or (n+1)-bit strings."""
    if fmt.bits <= 8:
        codes = list(range(fmt.code_count))
    else:
        codes = sorted(set(rng.integers(0, fmt.code_count, 600).tolist()))
    if isinstance(fmt, nf.PositFormat | nf.TakumFormat):
        longer = type(fmt)(fmt.bits + 1, *([fmt.es] if isinstance(fmt, nf.PositFormat) else []))
        found = [reference.decode(2 * c + 1, longer) for c in codes]
    elif fmt.bits <= 8:
        values = sorted({v for c in codes if isinstance(v := reference.decode(c, fmt), Fraction)})
        found = [(a + b) / 2 for a, b in pairwise(values)]
    else:
        pairs = [(reference.decode(c, fmt), reference.decode(c + 1, fmt)) for c in codes if c + 1 < fmt.code_count]
        found = [(a + b) / 2 for a, b in pairs if isinstance(a, Fraction) and isinstance(b, Fraction)]
    normal = [f for f in found if isinstance(f, Fraction) and f and 2.0**-120 < abs(f) < 2.0**120]
    # Only breakpoints that binary32 holds can catch a value that passes through binary32.
    return [f for f in normal if Fraction(float(np.float32(float(f)))) == f]


@pytest.mark.parametrize("name", TRAPPED)
def test_fresh_double_rounding_traps(name):
    fmt = nf.get(name)
    rng = np.random.default_rng(sum(name.encode()))
    points = rational_breakpoints(fmt, rng)
    assert points
    traps: dict[float, int] = {}
    through: dict[float, int] = {}
    for _attempt in range(40):
        for point in (points[i] for i in rng.integers(0, len(points), 400)):
            x = float(point) * (1 + float(rng.choice([-1, 1])) * float(np.exp2(-rng.uniform(26, 51.5))))
            narrow = float(np.float32(x))
            if narrow == x or x in traps:
                continue
            if narrow not in through:
                through[narrow] = reference.encode(narrow, fmt)
            expected = reference.encode(x, fmt)
            if expected != through[narrow]:
                traps[x] = expected
        if len(traps) >= WANTED:
            break
    assert len(traps) >= WANTED
    x, expected = np.array(list(traps)), np.array(list(traps.values()), fmt.code_dtype)
    codes = nf.encode(x, fmt).codes
    bad = np.flatnonzero(codes != expected)
    assert bad.size == 0, [(x[i].hex(), int(codes[i]), int(expected[i])) for i in bad[:5]]
    few = [nf.encode(v, fmt).codes.item() for v in x[:20].tolist()]
    assert few == expected[:20].tolist()
    exact = nf.encode([Fraction(v) for v in x[:50].tolist()], fmt).codes
    assert np.array_equal(exact, expected[:50])


@pytest.mark.parametrize("name", ["bfloat16", "binary32", "binary64", "posit24_2", "posit32_2", "tf32"])
def test_integer_traps_beyond_binary64(name):
    fmt = nf.get(name)
    rng = np.random.default_rng(53)
    # Ties of the format's precision at 2**62, moved by one: binary64 rounds them back to the tie.
    bits = {"bfloat16": 8, "binary32": 24, "binary64": 53, "posit24_2": 5, "posit32_2": 13, "tf32": 11}[name]
    ties = (2 * rng.integers(1 << (bits - 1), 1 << bits, 500) + 1) << (62 - bits)
    x = np.concatenate([ties + 1, ties - 1, -(ties + 1), -(ties - 1), ties])
    expected = np.array([reference.encode(int(v), fmt) for v in x], fmt.code_dtype)
    assert np.array_equal(nf.encode(x, fmt).codes, expected)
    assert np.array_equal(nf.encode(x.tolist()[::50], fmt).codes, expected[::50])
    positive = x[x > 0].astype(np.uint64) * np.uint64(2) + np.uint64(1)
    wide = np.array([reference.encode(int(v), fmt) for v in positive], fmt.code_dtype)
    assert np.array_equal(nf.encode(positive, fmt).codes, wide)
    if name != "binary64":
        through = nf.encode(x.astype(np.float64), fmt).codes
        assert np.count_nonzero(through != expected) > 300, "no trap: binary64 would have done"
