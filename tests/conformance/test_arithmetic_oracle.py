"""The oracle of arithmetic against processors (NumPy), libm, ml_dtypes, SoftPosit and gfloat, on samples.

Berkeley TestFloat, the widest comparison, is not in any package index: see ``tools/testfloat.md``.
"""

import ctypes
import ctypes.util
import math
import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import numfmt as nf
from numfmt import reference
from numfmt.errors import NaNError

pytestmark = pytest.mark.conformance

Array = npt.NDArray[Any]
Binary = Callable[[Any, Any], Any]

PYTHON: dict[str, Binary] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
}
FLOATS = {"binary16": np.float16, "binary32": np.float32, "binary64": np.float64}


def sample(fmt: str, count: int, seed: int) -> Array:
    """Codes: specials, the neighbourhood of one, zero and the largest value, subnormals, and random ones."""
    found = nf.get(fmt)
    rng = np.random.default_rng(seed)
    bits = found.bits
    half = 1 << (bits - 1)
    one = int(reference.encode(1.0, found))
    ends = [0, 1, 2, one - 1, one, one + 1, found.max_code - 1, found.max_code, found.max_code + 1, half - 1]
    near = np.array([(e + s) % (1 << bits) for e in ends for s in (0, half)], np.uint64)
    wild = rng.integers(0, (1 << bits) - 1, count // 2, np.uint64, endpoint=True)
    # Operands of like magnitude, so that sums cancel and round.
    tame = (one + rng.integers(-(1 << bits - 5), 1 << bits - 5, count // 2)).astype(np.uint64)
    tame ^= rng.integers(0, 2, count // 2).astype(np.uint64) << np.uint64(bits - 1)
    codes = np.concatenate([near, wild, tame])
    return rng.permutation(codes).astype(found.code_dtype)


def oracle(op: str, fmt: str, *operands: Array, **options: Any) -> Array:
    pairs = zip(*(column.tolist() for column in operands), strict=True)
    codes = [reference.operate(op, [(fmt, c) for c in row], fmt, **options).code for row in pairs]
    return np.array(codes, nf.get(fmt).code_dtype)


def assert_same(ours: Array, theirs: Array, is_nan: Array, *operands: Array) -> None:
    """Equal codes; NaN for NaN, whose bits are each witness's own."""
    wrong = np.flatnonzero((ours != theirs) & ~is_nan)
    shown = [tuple(hex(int(c[i])) for c in (*operands, ours, theirs)) for i in wrong[:5]]
    assert not shown


# ---- the processor -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", PYTHON)
@pytest.mark.parametrize("fmt", FLOATS)
def test_binary_operations_equal_the_processor_s(fmt: str, op: str) -> None:
    a, b = sample(fmt, 300, 1), sample(fmt, 300, 2)
    x, y = (codes.view(FLOATS[fmt]) for codes in (a, b))
    theirs = PYTHON[op](x, y)
    ours = oracle(op, fmt, a, b)
    assert_same(ours, theirs.view(ours.dtype), np.isnan(theirs) & np.isnan(ours.view(FLOATS[fmt])), a, b)


@pytest.mark.parametrize(
    "op, function, options",
    [
        ("sqrt", np.sqrt, {}),
        ("round_to_integral", np.rint, {}),
        ("round_to_integral", np.trunc, {"rounding": "toward_zero"}),
        ("round_to_integral", np.ceil, {"rounding": "toward_positive"}),
        ("round_to_integral", np.floor, {"rounding": "toward_negative"}),
        ("next_up", lambda x: np.nextafter(x, x.dtype.type(np.inf)), {}),
        ("next_down", lambda x: np.nextafter(x, x.dtype.type(-np.inf)), {}),
        ("negate", np.negative, {}),
        ("abs", np.abs, {}),
    ],
)
@pytest.mark.parametrize("fmt", FLOATS)
def test_unary_operations_equal_the_processor_s(fmt: str, op: str, function: Any, options: dict[str, str]) -> None:
    a = sample(fmt, 200, 3)
    theirs = function(a.view(FLOATS[fmt]))
    ours = oracle(op, fmt, a, **options)
    is_nan = np.isnan(theirs) & np.isnan(ours.view(FLOATS[fmt]))
    # C's nextafter goes from -2**-1074 to -0 as nextUp does, but some versions of NumPy's binary16 one to +0.
    zero = (theirs == 0) & (ours.view(FLOATS[fmt]) == 0) & (fmt == "binary16") & op.startswith("next")
    assert_same(ours, theirs.view(ours.dtype), is_nan | zero, a)


def test_remainder_equals_c_s() -> None:
    a, b = sample("binary64", 200, 4), sample("binary64", 200, 5)
    ours = oracle("remainder", "binary64", a, b).view(np.float64)
    for x, y, z in zip(a.view(np.float64).tolist(), b.view(np.float64).tolist(), ours.tolist(), strict=True):
        try:
            expected = math.remainder(x, y)
        except ValueError:
            expected = math.nan
        assert (math.isnan(z) and math.isnan(expected)) or z.hex() == expected.hex()


@pytest.mark.parametrize("fmt, name", [("binary64", "fma"), ("binary32", "fmaf")])
def test_fma_equals_libm_s(fmt: str, name: str) -> None:
    path = ctypes.util.find_library("m")
    if path is None:
        pytest.skip("no C mathematics library of that name on this system")
    function = getattr(ctypes.CDLL(path), name)
    kind = ctypes.c_double if fmt == "binary64" else ctypes.c_float
    function.restype, function.argtypes = kind, [kind] * 3
    a, b, c = (sample(fmt, 300, seed) for seed in (6, 7, 8))
    # A third of the addends almost cancel the product.
    with np.errstate(all="ignore"):
        product = -(a.view(FLOATS[fmt]) * b.view(FLOATS[fmt]))
    c[::3] = product.view(c.dtype)[::3]
    rows = zip(*(x.view(FLOATS[fmt]).tolist() for x in (a, b, c)), strict=True)
    theirs = np.array([function(*row) for row in rows], FLOATS[fmt])
    ours = oracle("fma", fmt, a, b, c)
    assert_same(ours, theirs.view(ours.dtype), np.isnan(theirs) & np.isnan(ours.view(FLOATS[fmt])), a, b, c)


@pytest.mark.parametrize(
    "source, target", [("binary64", "binary32"), ("binary64", "binary16"), ("binary32", "binary16")]
)
def test_casts_equal_the_processor_s(source: str, target: str) -> None:
    a = sample(source, 300, 9)
    theirs = a.view(FLOATS[source]).astype(FLOATS[target])
    codes = [reference.operate("cast", [(source, code)], target).code for code in a.tolist()]
    ours = np.array(codes, nf.get(target).code_dtype)
    assert_same(ours, theirs.view(ours.dtype), np.isnan(theirs) & np.isnan(ours.view(FLOATS[target])), a)


# ---- ml_dtypes -----------------------------------------------------------------------------------------------------

ML_DTYPES = {
    "fp8_e4m3fn": "float8_e4m3fn",
    "fp8_e5m2": "float8_e5m2",
    "fp8_e4m3_ieee": "float8_e4m3",
    "fp8_e3m4_ieee": "float8_e3m4",
    "fp8_e4m3fnuz": "float8_e4m3fnuz",
    "fp8_e5m2fnuz": "float8_e5m2fnuz",
    "e4m3b11fnuz": "float8_e4m3b11fnuz",
    "fp6_e2m3": "float6_e2m3fn",
    "fp6_e3m2": "float6_e3m2fn",
    "fp4_e2m1": "float4_e2m1fn",
    "bfloat16": "bfloat16",
}


@pytest.mark.parametrize("op", PYTHON)
@pytest.mark.parametrize("fmt", ML_DTYPES)
def test_narrow_floats_equal_ml_dtypes(fmt: str, op: str) -> None:
    """Deviations: NaN results, whose codes it chooses by sign (D6); 0 / 0 in formats without NaN, an error here."""
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes is an optional witness (pip install numfmt[test])")
    dtype = getattr(ml_dtypes, ML_DTYPES[fmt])
    found = nf.get(fmt)
    rng = np.random.default_rng(len(fmt))
    a, b = (rng.integers(0, found.code_count, 200).astype(found.code_dtype) for _ in range(2))
    theirs = PYTHON[op](a.view(dtype), b.view(dtype)).view(found.code_dtype)
    for x, y, z in zip(a.tolist(), b.tolist(), theirs.tolist(), strict=True):
        try:
            code = reference.operate(op, [(fmt, x), (fmt, y)], fmt).code
        except NaNError:
            assert op == "div" and reference.decode(x, fmt) == reference.decode(y, fmt) == 0
            continue
        if reference.decode(code, fmt) != reference.decode(code, fmt):
            assert reference.decode(z, fmt) != reference.decode(z, fmt)
        else:
            assert code == z, (hex(x), hex(y))


# ---- SoftPosit -----------------------------------------------------------------------------------------------------

SOFTPOSIT = {"posit8_0": "p8", "posit16_1": "p16", "posit32_2": "p32", "posit16_2": "pX2", "posit8_2": "pX2"}


#: Not compared: fma of 32 bits and pX2, where SoftPosit loses the sticky bit of near cancellations; pX2_roundToInt, see
#: `test_softposit_bugs`.
POSIT_CASES = [
    (fmt, op)
    for fmt, prefix in SOFTPOSIT.items()
    for op in (*PYTHON, "sqrt", "fma", "round_to_integral")
    if (op, prefix) not in (("fma", "p32"), ("fma", "pX2"), ("round_to_integral", "pX2"))
]


@pytest.mark.parametrize("fmt, op", POSIT_CASES)
def test_posits_equal_softposit(fmt: str, op: str) -> None:
    softposit = pytest.importorskip("softposit", reason="softposit is built from source (pip install numfmt[witness])")
    prefix = SOFTPOSIT[fmt]
    found = nf.get(fmt)
    name = {"fma": "mulAdd", "round_to_integral": "roundToInt"}.get(op, op)
    function = getattr(softposit, f"{prefix}_{name}")
    kind = getattr(softposit, {"p8": "posit8_t", "p16": "posit16_t", "p32": "posit32_t", "pX2": "posit_2_t"}[prefix])
    shift = 32 - found.bits if prefix == "pX2" else 0
    arity = {"fma": 3, "sqrt": 1, "round_to_integral": 1}.get(op, 2)
    rng = np.random.default_rng(found.bits)
    columns = [rng.integers(0, found.code_count, 250).tolist() for _ in range(arity)]
    for row in zip(*columns, strict=True):
        operands = []
        for code in row:
            operand = kind()
            operand.v = code << shift
            operands.append(operand)
        theirs = function(*operands, *([found.bits] if prefix == "pX2" else [])).v >> shift
        assert reference.operate(op, [(fmt, c) for c in row], fmt).code == theirs, [hex(c) for c in row]


def test_softposit_bugs() -> None:
    """Results of SoftPosit that are wrong, and the right ones."""
    softposit = pytest.importorskip("softposit", reason="softposit is built from source (pip install numfmt[witness])")
    posit = softposit.posit_2_t()
    posit.v = 0x81 << 24
    assert softposit.pX2_roundToInt(posit, 8).v >> 24 == 0x7F  # -2**24 is an integer
    assert reference.operate("round_to_integral", [("posit8_2", 0x81)], "posit8_2").code == 0x81
    operands, codes = [], (0x7488BA21, 0x8B7745CB, 0x7E26BEF4)
    for code in codes:
        operands.append(softposit.posit32_t())
        operands[-1].v = code
    assert softposit.p32_mulAdd(*operands).v == 0x3FBB5F4A
    assert reference.operate("fma", [("posit32_2", code) for code in codes], "posit32_2").code == 0x3FBB5F4B


# ---- gfloat --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", ["add", "mul", "fma", "faa"])
@pytest.mark.parametrize("fmt", ["p3109_k8p3se", "p3109_k8p4se", "p3109_k6p3se", "fp8_e4m3fn"])
def test_exact_results_round_as_gfloat_rounds(fmt: str, op: str) -> None:
    """The exact result of narrow operands fits binary64, so that gfloat's rounding of it is a witness."""
    gfloat = pytest.importorskip("gfloat", reason="gfloat is an optional witness (pip install numfmt[test])")
    from gfloat import formats

    modes = {
        "nearest_even": gfloat.RoundMode.TiesToEven,
        "toward_zero": gfloat.RoundMode.TowardZero,
        "toward_positive": gfloat.RoundMode.TowardPositive,
        "toward_negative": gfloat.RoundMode.TowardNegative,
        "nearest_away": gfloat.RoundMode.TiesToAway,
    }
    shape = {"p3109_k8p3se": (8, 3), "p3109_k8p4se": (8, 4), "p3109_k6p3se": (6, 3)}
    info = (
        formats.format_info_p3109(*shape[fmt], gfloat.Signedness.Signed, gfloat.Domain.Extended)
        if fmt in shape
        else formats.format_info_ocp_e4m3
    )
    found = nf.get(fmt)
    rng = np.random.default_rng(len(op))
    values = [v for v in (reference.decode(c, fmt) for c in range(found.code_count)) if isinstance(v, Fraction)]
    code_of = {reference.encode(v, fmt): v for v in values}
    codes = list(code_of)
    for mode, theirs in modes.items():
        for _ in range(60):
            row = [int(c) for c in rng.choice(codes, 3 if op in ("fma", "faa") else 2)]
            a, b, c = (code_of[code] for code in (*row, 0)[:3])
            exact = {"add": a + b, "mul": a * b, "fma": a * b + c, "faa": a + b + c}[op]
            x = float(exact)
            assert Fraction(x) == exact
            expected = float(gfloat.round_float(info, x, theirs, sat=True))
            outcome = reference.operate(op, [(fmt, c) for c in row], fmt, rounding=mode, overflow="saturate")
            assert float(reference.decode(outcome.code, fmt)) == expected, (row, mode)
