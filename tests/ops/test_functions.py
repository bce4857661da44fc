"""Elementary functions against the oracle, an evaluation in decimal arithmetic, NumPy, and the standards' tables."""

import decimal
import os
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import numfmt as nf
from numfmt import reference
from numfmt.errors import ArgumentError, FormatMismatchError, NaNError
from numfmt.formats import ExponentFormat
from numfmt.ops import _elementary, _function_tables, functions
from numfmt.ops.functions import cache_directory
from numfmt.reference.functions import FUNCTIONS, function
from numfmt.rounding import Rounding

MODES = [m for m in Rounding if not m.is_stochastic]
#: One format per family and convention; the others of at most 8 bits are marked slow.
FAMILIES = ("fp4_e2m1", "fp6_e3m2", "p3109_k6p3se", "p3109_k5p2uf", "posit4_1", "int5", "uint4", "nf4", "ternary")
NARROW = [
    n for n in nf.names() if isinstance(nf.get(n), nf.Format) and nf.get(n).bits <= 8 and not nf.get(n).is_complex
]
WIDE = ("binary16", "bfloat16", "posit16")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test module run has a cache of its own: nothing from the user's is read or written."""
    directory = tmp_path_factory.getbasetemp() / "function-cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(directory))
    return directory


def nan_rule(fmt: Any) -> str | None:
    if fmt.has_nan:
        return None
    return "zero" if fmt.zero_codes[0] is not None else "max"


def agree(name: str, source: str, target: str, mode: Rounding, codes: Any) -> None:
    """Codes and flags of the table against the oracle."""
    fmt, result = nf.get(source), nf.get(target)
    rule = nan_rule(result)
    y, flags = getattr(functions, name)(nf.Encoded(codes, fmt), fmt=result, rounding=mode, nan=rule, flags=True)
    got = [flags.inexact, flags.underflow, flags.overflow, flags.divide_by_zero, flags.invalid]
    if getattr(result, "precision", 2) == 1:
        got.pop(1)  # with one bit of precision the parity of the code below the normal range is a matter of definition
    for i, code in enumerate(np.asarray(codes).tolist()):
        expected = function(name, fmt, code, result, mode, nan=rule)
        wanted = [f for k, f in enumerate(expected.flags) if len(got) == 5 or k != 1]
        assert int(y.codes[i]) == expected.code, (name, source, target, mode.name, hex(code))
        assert [bool(flag[i]) for flag in got] == wanted, (name, source, target, mode.name, hex(code), expected.flags)


@pytest.mark.exhaustive
@pytest.mark.parametrize("fmt", FAMILIES)
def test_every_code_mode_and_flag_agrees_with_the_oracle(fmt: str) -> None:
    for name in FUNCTIONS:
        for mode in MODES:
            agree(name, fmt, fmt, mode, np.arange(nf.get(fmt).code_count))


@pytest.mark.parametrize(
    "fmt",
    ["fp8_e4m3fn", "fp8_e5m2", "fp8_e4m3fnuz", "p3109_k8p4se", "hif8", "posit8_2", "takum8", "takum_log8", "lns8_3"],
)
def test_8_bit_formats_agree_with_the_oracle_in_two_modes_each(fmt: str) -> None:
    for i, name in enumerate(FUNCTIONS):
        codes = np.arange(i % 3, nf.get(fmt).code_count, 5)
        agree(name, fmt, fmt, nf.get(fmt).default_rounding, codes)
        agree(name, fmt, fmt, MODES[i % len(MODES)], codes)


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.parametrize("fmt", NARROW)
def test_every_named_format_of_8_bits(fmt: str) -> None:
    for name in FUNCTIONS:
        for mode in MODES:
            agree(name, fmt, fmt, mode, np.arange(nf.get(fmt).code_count))


@pytest.mark.parametrize("fmt", WIDE)
def test_16_bit_samples_agree_with_the_oracle(fmt: str) -> None:
    rng = np.random.default_rng(7)
    for i, name in enumerate(FUNCTIONS):
        codes = np.concatenate([rng.integers(0, 65536, 10), [0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF, 0x3C00, 0x4000]])
        agree(name, fmt, fmt, MODES[i % len(MODES)], codes)


@pytest.mark.parametrize(
    "pair",
    ["bfloat16 binary16", "binary16 binary32", "bfloat16 fp8_e4m3fn", "binary16 posit32_2", "bfloat16 ufp8_e5m3fn"],
)
def test_results_in_other_formats(pair: str) -> None:
    source, target = pair.split()
    rng = np.random.default_rng(8)
    for name in ("exp", "log", "sin", "gelu", "rsqrt", "erf"):
        agree(name, source, target, Rounding.NEAREST_EVEN, rng.integers(0, 65536, 25))


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.parametrize("fmt", WIDE)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_16_bit_code(fmt: str, name: str) -> None:
    for mode in (Rounding.NEAREST_EVEN, Rounding.TOWARD_NEGATIVE, Rounding.TOWARD_POSITIVE, Rounding.TO_ODD):
        agree(name, fmt, fmt, mode, np.arange(65536))


# ---- an evaluation that shares nothing, not even mpmath -------------------------------------------------------------

D1 = Decimal(1)


def _series(first: Decimal, ratio: Any) -> Decimal:
    total, term, n = first, first, 1
    while abs(term) > abs(total) * Decimal(10) ** -108 and n < 2000:
        term = ratio(term, n)
        total, n = total + term, n + 1
    return total


def _decimal(name: str, x: Decimal) -> Decimal:
    """f(x) to about 100 digits for moderate x: the C library libmpdec for exp and ln, Taylor series for the rest."""
    two, ten = Decimal(2), Decimal(10)
    match name:
        case "exp":
            return x.exp()
        case "exp2":
            return (x * two.ln()).exp()
        case "exp10":
            return (x * ten.ln()).exp()
        case "expm1":
            return x.exp() - 1
        case "log":
            return x.ln()
        case "log2":
            return x.ln() / two.ln()
        case "log10":
            return x.log10()
        case "log1p":
            return (1 + x).ln()
        case "sin":
            return _series(x, lambda t, n: -t * x * x / (2 * n * (2 * n + 1)))
        case "cos":
            return _series(D1, lambda t, n: -t * x * x / ((2 * n - 1) * 2 * n))
        case "tanh":
            return ((2 * x).exp() - 1) / ((2 * x).exp() + 1)
        case "sigmoid":
            return 1 / (1 + (-x).exp())
        case "silu":
            return x / (1 + (-x).exp())
        case "softplus":
            return (1 + x.exp()).ln()
        case "rsqrt":
            return 1 / x.sqrt()
        case "cbrt":
            return (abs(x).ln() / 3).exp().copy_sign(x)
    scaled = x if name == "erf" else x / two.sqrt()
    # erf(z) = 2 / sqrt(pi) * exp(-z**2) * sum (2 z**2)**n z / (1 3 5 ... (2n + 1)): all terms of one sign.
    pi = Decimal(
        "3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534211706798"
    )
    erf = _series(scaled, lambda t, n: t * 2 * scaled * scaled / (2 * n + 1)) * (-scaled * scaled).exp() * 2 / pi.sqrt()
    return erf if name == "erf" else x * (1 + erf) / 2


@pytest.mark.parametrize("name", FUNCTIONS)
def test_decimal_arithmetic_agrees(name: str) -> None:
    # Moderate operands (the series lose digits beyond); all ways to round an inexact result, from one enclosure.
    codes = np.arange(0x2000, 0x4B00, 97)  # 2**-7 to 14
    if name not in ("log", "log2", "log10", "rsqrt"):
        codes = np.concatenate([codes, codes[codes < 0x3BFF] + 0x8000])
    modes = (Rounding.NEAREST_EVEN, Rounding.TOWARD_NEGATIVE, Rounding.TOWARD_POSITIVE, Rounding.TO_ODD)
    got = {m: getattr(functions, name)(nf.Encoded(codes, "binary16"), rounding=m).codes for m in modes}
    with decimal.localcontext(decimal.Context(prec=125, Emin=-999999, Emax=999999)):
        for i, code in enumerate(codes.tolist()):
            x = reference.decode(code, "binary16")
            assert isinstance(x, Fraction)
            value = Fraction(_decimal(name, Decimal(x.numerator) / Decimal(x.denominator)))
            low, high = value * (1 - Fraction(1, 10**95)), value * (1 + Fraction(1, 10**95))
            for m in modes:
                expected = reference.encode(low, "binary16", m, "nonsaturating")
                if expected == reference.encode(high, "binary16", m, "nonsaturating"):
                    assert int(got[m][i]) == expected, (m.name, hex(code))
                else:  # an exact result
                    near = got[Rounding.NEAREST_EVEN][i]
                    assert got[m][i] == near and abs(Fraction(reference.decode(int(near), "binary16")) / value - 1) < (
                        Fraction(1, 10**90)
                    )


NUMPY = ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tanh", "cbrt")


@pytest.mark.parametrize("name", NUMPY)
def test_numpy_float64_agrees_where_it_leaves_no_doubt(name: str) -> None:
    x = np.arange(65536, dtype=np.uint16).view(np.float16).astype(np.float64)
    with np.errstate(all="ignore"):
        y = getattr(np, name)(x)
    with np.errstate(all="ignore"):
        below, above = (y * (1 - 2.0**-40)).astype(np.float16), (y * (1 + 2.0**-40)).astype(np.float16)
    clear = np.isfinite(y) & (below.view(np.uint16) == above.view(np.uint16))
    assert clear.sum() > 10_000
    codes = getattr(functions, name)(nf.Encoded(np.arange(65536), "binary16")).codes
    assert np.array_equal(codes[clear], below.view(np.uint16)[clear])


@pytest.mark.parametrize("name", ["exp", "expm1", "log", "log1p", "tanh", "sigmoid", "erf", "softplus", "cbrt"])
@pytest.mark.parametrize("mode", ["nearest_even", "toward_zero", "toward_positive"])
def test_increasing_functions_stay_so(name: str, mode: str) -> None:
    fmt = nf.get("bfloat16")
    e = nf.Encoded(np.array(fmt.ordered_codes), fmt)
    y = np.asarray(nf.decode(getattr(functions, name)(e, rounding=mode), dtype=np.float64))
    y = y[~np.isnan(y)]
    assert y.size > 30_000 and (y[1:] >= y[:-1]).all()


# ---- special values -------------------------------------------------------------------------------------------------

INF, NAN = np.inf, np.nan
#: operand: result and exception (z: divide by zero, i: invalid). IEEE 754-2019 sections 9.2 and 9.2.1; C23 F.10.
SPECIAL: dict[str, tuple[tuple[float, float, str], ...]] = {
    "exp": ((0.0, 1, ""), (-0.0, 1, ""), (INF, INF, ""), (-INF, 0.0, "")),
    "exp2": ((-0.0, 1, ""), (INF, INF, ""), (-INF, 0.0, ""), (10, 1024, "")),
    "exp10": ((-0.0, 1, ""), (INF, INF, ""), (-INF, 0.0, ""), (4, 10000, "")),
    "expm1": ((0.0, 0.0, ""), (-0.0, -0.0, ""), (INF, INF, ""), (-INF, -1, "")),
    "log": ((0.0, -INF, "z"), (-0.0, -INF, "z"), (1, 0.0, ""), (INF, INF, ""), (-1, NAN, "i"), (-INF, NAN, "i")),
    "log2": ((0.0, -INF, "z"), (1, 0.0, ""), (8, 3, ""), (2.0**-24, -24, ""), (-2, NAN, "i")),
    "log10": ((-0.0, -INF, "z"), (1, 0.0, ""), (1000, 3, ""), (-INF, NAN, "i"), (INF, INF, "")),
    "log1p": ((0.0, 0.0, ""), (-0.0, -0.0, ""), (-1, -INF, "z"), (-1.5, NAN, "i"), (-INF, NAN, "i"), (INF, INF, "")),
    "sin": ((0.0, 0.0, ""), (-0.0, -0.0, ""), (INF, NAN, "i"), (-INF, NAN, "i")),
    "cos": ((0.0, 1, ""), (-0.0, 1, ""), (INF, NAN, "i"), (-INF, NAN, "i")),
    "tanh": ((0.0, 0.0, ""), (-0.0, -0.0, ""), (INF, 1, ""), (-INF, -1, "")),
    "sigmoid": ((0.0, 0.5, ""), (-0.0, 0.5, ""), (INF, 1, ""), (-INF, 0.0, "")),
    "erf": ((0.0, 0.0, ""), (-0.0, -0.0, ""), (INF, 1, ""), (-INF, -1, "")),
    "gelu": ((0.0, 0.0, ""), (-0.0, -0.0, ""), (INF, INF, ""), (-INF, -0.0, "")),
    "silu": ((0.0, 0.0, ""), (-0.0, -0.0, ""), (INF, INF, ""), (-INF, -0.0, "")),
    "softplus": ((INF, INF, ""), (-INF, 0.0, "")),
    "rsqrt": ((0.0, INF, "z"), (-0.0, -INF, "z"), (4, 0.5, ""), (INF, 0.0, ""), (-1, NAN, "i"), (-INF, NAN, "i")),
    "cbrt": ((0.0, 0.0, ""), (-0.0, -0.0, ""), (INF, INF, ""), (-INF, -INF, ""), (-27, -3, "")),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_values_of_ieee_formats(name: str) -> None:
    for fmt in ("binary16", "bfloat16", "fp8_e5m2"):
        for x, expected, event in (*SPECIAL[name], (NAN, NAN, "")):
            if name == "exp10" and x == 4 and fmt != "binary16":
                continue  # 10000 is no value there
            if fmt == "fp8_e5m2" and (abs(x) in (2.0**-24, 27, 1000) or expected == -24):
                continue
            y, flags = getattr(functions, name)(nf.encode([x], fmt, overflow="nonsaturating"), flags=True)
            if name == "log10" and x == 1000 and fmt != "binary16":
                continue
            value = float(y)
            assert np.array_equal([value], [expected], equal_nan=True) and (
                np.isnan(expected) or np.signbit(value) == np.signbit(expected)
            ), (name, fmt, x, value)
            raised = (bool(flags.divide_by_zero[0]), bool(flags.invalid[0]), bool(flags.inexact[0]))
            assert raised == (event == "z", event == "i", False), (name, fmt, x)


def test_a_signaling_nan_is_invalid() -> None:
    _, flags = functions.exp(nf.Encoded([0x7C01, 0x7E00], "binary16"), flags=True)
    assert flags.invalid.tolist() == [True, False]


def test_p3109_has_its_own_poles() -> None:
    # P3109: Log(0) = -Inf, RSqrt(x) = NaN for x <= 0.
    zero = nf.Encoded([0], "p3109_k8p4se")
    assert functions.log(zero).codes[0] == 0xFF and functions.rsqrt(zero).codes[0] == 0x80


@pytest.mark.parametrize("fmt", ["posit16", "takum16", "posit8_2"])
def test_posits_and_takums_give_nar_for_what_has_no_value_and_neither_0_nor_nar_otherwise(fmt: str) -> None:
    f = nf.get(fmt)
    half = 1 << (f.bits - 1)
    e = nf.Encoded(np.arange(f.code_count), fmt)
    assert (functions.log(e).codes[half:] == half).all() and functions.log(e).codes[0] == half
    assert functions.rsqrt(e).codes[0] == half
    y = np.delete(functions.exp(e).codes, half)
    assert not np.isin(y, (0, half)).any()


def test_overflow_and_underflow_follow_the_direction() -> None:
    e = nf.encode([20.0, -30.0], "binary16")  # exp: 4.9e8 and 9.4e-14
    for mode, expected in (
        ("nearest_even", [0x7C00, 0]),
        ("toward_zero", [0x7BFF, 0]),
        ("toward_positive", [0x7C00, 1]),
        ("toward_negative", [0x7BFF, 0]),
    ):
        y, flags = functions.exp(e, rounding=mode, flags=True)
        assert y.codes.tolist() == expected
        assert flags.overflow.tolist() == [True, False] and flags.underflow.tolist() == [False, True]
    assert functions.exp(e, overflow="saturate").codes[0] == 0x7BFF


# ---- the cache ------------------------------------------------------------------------------------------------------

CHILD = """
import hashlib, numpy as np, numfmt as nf
from numfmt.ops import functions
e = nf.Encoded(np.arange(4096), nf.formats.FloatFormat(5, 6))
print(hashlib.sha256(functions.exp(e).codes.tobytes()).hexdigest())
"""


def child(directory: Path) -> "subprocess.Popen[str]":
    root = Path(nf.__file__).resolve().parents[1]
    env = {**os.environ, "XDG_CACHE_HOME": str(directory), "PYTHONPATH": str(root)}
    return subprocess.Popen([sys.executable, "-c", CHILD], env=env, stdout=subprocess.PIPE, text=True)


def digest(process: "subprocess.Popen[str]") -> str:
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return out


def test_racing_corrupt_and_unwritable_caches_change_nothing(tmp_path: Path) -> None:
    fmt = nf.formats.FloatFormat(5, 6)
    codes = [function("exp", fmt, c).code for c in range(0, 4096, 64)]
    racing = [child(tmp_path), child(tmp_path)]
    digests = {digest(p) for p in racing}
    assert len(digests) == 1
    [file] = (tmp_path / "numfmt").rglob("*.table")
    good = file.read_bytes()
    for bad in (b"", good + b"x", good[:-5] + bytes([good[-5] ^ 1]) + good[-4:]):
        file.write_bytes(bad)
        assert digest(child(tmp_path)) in digests
        assert file.read_bytes() == good  # remade, and identical
    blocked = tmp_path / "a file, no directory"
    blocked.write_text("")
    assert digest(child(blocked)) in digests
    assert functions.exp(nf.Encoded(np.arange(0, 4096, 64), fmt)).codes.tolist() == codes


def test_a_table_from_disk_is_the_table(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fmt = nf.formats.FloatFormat(4, 5)
    made = _function_tables.function_table("tanh", fmt)
    assert cache_directory().is_relative_to(own_cache)
    monkeypatch.setattr(_function_tables, "make_table", None)
    _function_tables._tables.clear()
    loaded = _function_tables.function_table("tanh", fmt)
    assert all(np.array_equal(a, b) for a, b in zip(made, loaded, strict=True))


def test_formats_of_one_name_do_not_share_a_file() -> None:
    one, other = (nf.formats.CodebookFormat("mine", tuple(k * step for k in range(300))) for step in (0.25, 0.5))
    keys = {_function_tables._key("exp", f) for f in (one, other)}
    assert len(keys) == 2 and b"" not in keys


# ---- arguments ------------------------------------------------------------------------------------------------------


def test_errors_say_what_to_do() -> None:
    e = nf.encode([1.0], "binary16")
    for bad, kind, text in (
        (np.ones(2), FormatMismatchError, "numfmt.encode"),
        (nf.encode(np.ones(32), "mxfp4"), FormatMismatchError, "scalar format"),
        (nf.encode([1.0], "binary32"), ArgumentError, "at most 16 bits"),
    ):
        with pytest.raises(kind, match=text):
            functions.exp(bad)
    for options, text in (
        ({"rounding": "stochastic_a"}, "deterministic"),
        ({"fmt": "binary64"}, "at most 32 bits"),
        ({"overflow": "wrap", "fmt": "int8"}, "wrap"),
        ({"tininess": "during"}, "tininess"),
        ({"out": np.empty(1, np.uint8)}, "out must be"),
        ({"rounding": []}, "rounding"),
    ):
        with pytest.raises(ArgumentError, match=text):
            functions.exp(e, **options)
    with pytest.raises(NaNError, match="flat index 1"):
        functions.log(nf.encode([1.0, -1.0], "fp4_e2m1"))
    assert functions.log(nf.encode([1.0, -1.0], "fp4_e2m1"), nan="zero").codes.tolist() == [0, 0]


def test_out_shapes_and_scalars() -> None:
    e = nf.encode(np.linspace(-3, 3, 24).reshape(2, 3, 4), "bfloat16")
    out = np.empty(e.shape, np.uint16)
    y = functions.gelu(e, out=out)
    assert y.codes is out and functions.gelu(e.T).codes.tolist() == out.T.tolist()
    assert functions.gelu(e[0, 0, 0]).shape == () and functions.exp(e[:0]).size == 0
    same = e.copy()
    assert functions.exp(same, out=same.codes).same_bits(functions.exp(e))


def test_the_lists_of_functions_are_one() -> None:
    assert set(_elementary.NAMES) == set(FUNCTIONS) == set(functions.__all__) - {"cache_directory"}
    assert isinstance(nf.get("e8m0"), ExponentFormat)
