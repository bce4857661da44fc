"""Elementwise operations against the exact oracle, the standards' own examples, and Berkeley TestFloat where built."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import numfmt as nf
from numfmt import errors, reference
from numfmt.reference import ordering
from numfmt.reference.arithmetic import OPERATIONS
from numfmt.reference.projection import arithmetic_overflow

MODES = [m.name.lower() for m in nf.Rounding if not m.is_stochastic]
ARITHMETIC = {"add": 2, "sub": 2, "mul": 2, "div": 2, "remainder": 2, "fma": 3, "faa": 3, "sqrt": 1, "rsqrt": 1}
ARITHMETIC |= {"reciprocal": 1, "round_to_integral": 1, "round_to_integral_exact": 1}
EXTREMES = [op for op in OPERATIONS if "imum" in op]
FLOATS = ["binary16", "bfloat16", "tf32", "binary32", "binary64", "fp16_e5m10_ns", "fp40_e12m27", "ufp8_e4m4"]
NARROW = [
    "fp8_e4m3fn",
    "fp8_e5m2",
    "fp8_e4m3fnuz",
    "fp6_e2m3",
    "fp4_e2m1",
    "p3109_k8p4se",
    "p3109_k8p3uf",
    "hif8",
    "ufp8_e8m0",
    "nf4",
]
OTHERS = ["posit8", "posit16", "posit32", "takum8", "takum16", "takum32", "lns8_3", "takum_log8"]
INTEGERS = ["int8", "uint8", "int8_f4", "int8_sm", "int8_narrow", "int32"]
SMALL = ["fp8_e4m3fn", "fp6_e3m2", "fp4_e2m1", "p3109_k6p3sf", "posit6_1", "fp8_e5m2", "p3109_k8p4se", "posit8"]
NAMES = ("inexact", "underflow", "overflow", "divide_by_zero", "invalid")


def flag_bits(flags: Any) -> Any:
    return sum(np.asarray(getattr(flags, name), np.uint8) << np.uint8(i) for i, name in enumerate(NAMES))


def compute(op: str, operands: list[Any], fmt: Any, **options: Any) -> Any:
    if op.endswith("_exact"):
        return nf.round_to_integral(*operands, fmt=fmt, exact=True, **options)
    return getattr(nf, op)(*operands, fmt=fmt, **options)


def encoded(columns: list[Any], formats: list[Any]) -> list[nf.Encoded]:
    return [nf.Encoded(np.array(c, object).astype(f.code_dtype), f) for c, f in zip(columns, formats, strict=True)]


def expected(op: str, columns: list[Any], formats: list[Any], target: Any, **options: Any) -> tuple[Any, ...]:
    """Rows with a result, their codes and flags; `random` is RandomBits for all rows."""
    random = options.pop("random", None)
    rows, codes, flags = [], [], []
    for i, row in enumerate(zip(*columns, strict=True)):
        draw = None if random is None else (int(random.integers[i]), random.width)
        pole = isinstance(target, nf.IntFormat) and op in ("div", "rsqrt", "reciprocal")
        try:
            outcome = reference.operate(op, list(zip(formats, row, strict=True)), target, random=draw, **options)
        except errors.NumfmtError:
            continue
        if pole and (outcome.flags.divide_by_zero or outcome.flags.invalid):
            continue  # an error here, and the nearest end of the range in the oracle
        rows.append(i)
        codes.append(outcome.code)
        flags.append(outcome.flags.bits)
    return np.array(rows, int), np.array(codes, target.code_dtype), np.array(flags, np.uint8)


def check(op: str, names: list[str], target: Any, columns: list[Any], **options: Any) -> int:
    """Codes and flags of all rows as the oracle has them, with flags and without; the number of rows."""
    formats, target = [nf.get(n) for n in names], nf.get(target)
    if not target.has_nan:
        options = {"nan": "zero"} | options
    rows, codes, flags = expected(op, columns, formats, target, **options)
    if "random" in options:
        random = options["random"]
        options["random"] = nf.RandomBits(random.integers[rows], random.width)
    operands = encoded([np.array(c, object)[rows] for c in columns], formats)
    result, raised = compute(op, operands, target, flags=True, **options)
    wrong = np.flatnonzero((result.codes != codes) | (flag_bits(raised) != flags))
    if wrong.size:
        i = wrong[0]
        shown = [hex(int(e.codes[i])) for e in operands]
        pytest.fail(
            f"{op} {names} -> {target.name} {options}: {wrong.size} of {rows.size}, first {shown}: "
            f"{int(result.codes[i]):#x} flags {flag_bits(raised)[i]}, oracle {int(codes[i]):#x} {flags[i]}"
        )
    tininess = {k: v for k, v in options.items() if k != "tininess"}
    np.testing.assert_array_equal(compute(op, operands, target, **tininess).codes, codes)
    return rows.size


def drawn(fmt: Any, count: int, rng: Any) -> list[int]:
    """Codes of any kind: random ones, the ends of the classes, neighbours of one."""
    codes = [int(c) % fmt.code_count for c in rng.integers(0, 1 << 63, count, dtype=np.uint64) * np.uint64(2)]
    codes = [c ^ int(b) for c, b in zip(codes, rng.integers(0, 2, count), strict=True)]
    if isinstance(fmt, nf.FloatFormat):
        one, top = fmt.bias << fmt.M, fmt.max_magnitude
        ends = [0, 1, (1 << fmt.M) - 1, 1 << fmt.M, one - 1, one, one + 1, top - 1, top, top + 1, top + 2]
        for i in range(0, count, 3):
            codes[i] = (int(rng.choice(ends)) + fmt.sign_weight * int(rng.integers(2))) % fmt.code_count
    return [min(c, fmt.code_count - 1) for c in codes]


def related(names: list[str], count: int, seed: int) -> list[list[int]]:
    """Operands of which a third nearly cancel."""
    rng, formats = np.random.default_rng(seed), [nf.get(n) for n in names]
    columns = [drawn(f, count, rng) for f in formats]
    if len(columns) > 1 and formats[0] == formats[1]:
        for i in range(0, count, 3):
            half = 1 << (formats[0].bits - 1)
            columns[1][i] = (columns[0][i] + half + int(rng.integers(-2, 3))) % formats[0].code_count
    return columns


# ---- all operations, all families ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FLOATS + NARROW + OTHERS + INTEGERS)
def test_arithmetic_agrees_with_the_oracle(name):
    rng = np.random.default_rng(len(name))
    for seed, (op, arity) in enumerate(ARITHMETIC.items()):
        mode, tininess = MODES[rng.integers(10)], ("after", "before")[rng.integers(2)]
        assert check(op, [name] * arity, name, related([name] * arity, 24, seed), rounding=mode, tininess=tininess)


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", FLOATS + NARROW + OTHERS + INTEGERS)
def test_arithmetic_agrees_with_the_oracle_in_every_mode(name, mode):
    for seed, (op, arity) in enumerate((ARITHMETIC | dict.fromkeys(EXTREMES, 2)).items()):
        for tininess in ("after", "before"):
            columns = related([name] * arity, 300, 100 + seed)
            check(op, [name] * arity, name, columns, rounding=mode, tininess=tininess)


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SMALL)
def test_every_pair_of_small_formats(name, mode):
    fmt = nf.get(name)
    a, b = (c.ravel().tolist() for c in np.meshgrid(np.arange(fmt.code_count), np.arange(fmt.code_count)))
    for op in ("add", "sub", "mul", "div", "remainder"):
        check(op, [name, name], name, [a, b], rounding=mode)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["fp4_e2m1", "posit4_1", "p3109_k4p2se", "int4"])
def test_every_pair_and_triple_of_four_bit_formats(name):
    fmt = nf.get(name)
    pairs = [c.ravel().tolist() for c in np.meshgrid(*[np.arange(fmt.code_count)] * 2)]
    for mode in MODES:
        for op in ("add", "mul", "div", "remainder", "minimum", "maximum_magnitude_number"):
            check(op, [name] * 2, name, pairs, rounding=mode)
    triples = [c.ravel().tolist()[::3] for c in np.meshgrid(*[np.arange(fmt.code_count)] * 3)]
    for op in ("fma", "faa"):
        check(op, [name] * 3, name, triples, rounding="toward_negative")


@pytest.mark.parametrize("mode", ["stochastic_a", "stochastic_b", "stochastic_c"])
@pytest.mark.parametrize("name", ["fp8_e4m3fn", "fp4_e2m1", "binary16", "binary32", "posit16", "int8_f4", "binary64"])
def test_stochastic_roundings_use_the_given_bits(name, mode):
    rng = np.random.default_rng(3)
    for op, width in (("add", 8), ("mul", 32), ("fma", 3), ("div", 16), ("sqrt", 53), ("round_to_integral", 8)):
        random = nf.RandomBits(rng.integers(0, 1 << width, 24, dtype=np.uint64), width)
        arity = ARITHMETIC[op]
        check(op, [name] * arity, name, related([name] * arity, 24, width), rounding=mode, random=random)


def test_mixed_formats():
    rng = np.random.default_rng(9)
    every = FLOATS + NARROW + OTHERS + INTEGERS
    for seed, (op, arity) in enumerate(list(ARITHMETIC.items()) * 3):
        names = [every[i] for i in rng.integers(0, len(every), arity)]
        check(op, names, every[rng.integers(len(every))], related(names, 16, seed), rounding=MODES[seed % 10])


@pytest.mark.parametrize("policy", ["canonical", "x86_sse", "arm", "arm_default", "riscv"])
def test_nan_policies(policy):
    for name, other in (("binary16", "binary16"), ("binary32", "bfloat16"), ("bfloat16", "fp8_e5m2")):
        rng, formats = np.random.default_rng(4), [nf.get(name), nf.get(other), nf.get(name)]
        columns = []
        for f in formats:  # half of them infinities, NaNs of either kind, zeros
            top = f.max_magnitude + 1
            odd = [0, top, top + 1, f.code_count // 2 - 1, f.nan_code, f.nan_code + 1]
            columns.append([int(rng.choice(odd)) + f.sign_weight * int(rng.integers(2)) for _ in range(60)])
        for op in ("add", "sub", "mul", "div", "remainder", "fma", "faa", "sqrt", "minimum", "minimum_number"):
            arity = OPERATIONS[op]
            check(op, [name, other, name][:arity], name, columns[:arity], nan=policy)


# ---- values that documents and other projects give -----------------------------------------------------------------


def test_fma_of_llvm_apfloat_issue():
    # llvm-project, llvm/unittests/ADT/APFloatTest.cpp: a product between two subnormals of E4M3FN.
    e = [nf.Encoded(c, "fp8_e4m3fn") for c in (0x0D, 0x1A, 0x81)]
    for mode in MODES:
        wanted = reference.operate("fma", [("fp8_e4m3fn", int(x.codes)) for x in e], "fp8_e4m3fn", rounding=mode)
        assert int(nf.fma(*e, rounding=mode).codes) == wanted.code


def test_far_sticky_and_massive_cancellation():
    b64 = nf.get("binary64")
    one, tiny = 1.0, 2.0**-1074
    for mode, wanted in (("toward_positive", np.nextafter(1.0, 2.0)), ("toward_negative", 1.0), ("nearest_even", 1.0)):
        assert float(nf.add(nf.encode(one, b64), nf.encode(tiny, b64), rounding=mode)) == wanted
        assert float(nf.faa(*nf.encode([one, tiny, 0.0], b64), rounding=mode)) == wanted
    # 1 + 2**-1074 - 1: nothing of the small addend may be lost.
    assert float(nf.faa(*nf.encode([one, tiny, -one], b64))) == tiny
    assert float(nf.faa(*nf.encode([2.0**1000, -tiny, -(2.0**1000)], b64))) == -tiny
    # (1 + 2**-52)**2 - (1 + 2**-51) = 2**-104
    x = 1.0 + 2.0**-52
    assert float(nf.fma(nf.encode(x, b64), nf.encode(x, b64), nf.encode(-(1.0 + 2.0**-51), b64))) == 2.0**-104


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_processor_agrees(kind):
    rng = np.random.default_rng(2)
    fmt = nf.get({2: "binary16", 4: "binary32", 8: "binary64"}[np.dtype(kind).itemsize])
    codes = [rng.integers(0, 1 << 63, 4000, dtype=np.uint64).astype(fmt.code_dtype) for _ in range(2)]
    codes[1][:2000] = codes[0][:2000] ^ rng.integers(0, 1 << 7, 2000).astype(fmt.code_dtype)
    x, y = (c.view(kind) for c in codes)
    a, b = (nf.Encoded(c, fmt) for c in codes)
    with np.errstate(all="ignore"):
        for op, wanted in (("add", x + y), ("sub", x - y), ("mul", x * y), ("div", x / y), ("sqrt", np.sqrt(x))):
            found = getattr(nf, op)(*(a, b)[: OPERATIONS[op]]).codes.view(kind)
            number = ~np.isnan(wanted)
            np.testing.assert_array_equal(found.view(fmt.code_dtype)[number], wanted.view(fmt.code_dtype)[number])
            np.testing.assert_array_equal(found.view(fmt.code_dtype)[~number], fmt.nan_code)


# ---- one result, whichever way -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["fp8_e4m3fn", "binary16", "binary32", "posit16", "int8"])
def test_paths_chunks_broadcasting_and_out_agree(name):
    fmt, rng = nf.get(name), np.random.default_rng(1)
    a, b = (nf.Encoded(rng.integers(0, fmt.code_count, 40_000).astype(fmt.code_dtype), fmt) for _ in range(2))
    options = {} if fmt.has_nan else {"overflow": "wrap"}
    whole, flags = nf.mul(a, b, flags=True, **options)
    for _ in range(3):  # short kernel or processor, then table
        assert nf.mul(a, b, **options).same_bits(whole)
    parts = [nf.mul(a[i : i + 777], b[i : i + 777], flags=True, **options) for i in range(0, 40_000, 777)]
    np.testing.assert_array_equal(np.concatenate([p[0].codes for p in parts]), whole.codes)
    np.testing.assert_array_equal(np.concatenate([flag_bits(p[1]) for p in parts]), flag_bits(flags))
    grid = nf.mul(a[:30].reshape(30, 1), b[:20], **options)
    assert grid.shape == (30, 20)
    np.testing.assert_array_equal(grid.codes[:, 3], nf.mul(a[:30], b[3], **options).codes)
    np.testing.assert_array_equal(nf.mul(a[::-2], b[::-2], **options).codes, whole.codes[::-2])
    codes = a.codes.copy()
    assert nf.mul(nf.Encoded(codes, fmt), b, out=codes, **options).codes is codes
    np.testing.assert_array_equal(codes, whole.codes)


def test_a_seed_does_not_see_chunks():
    rng = np.random.default_rng(1)
    a, b = (nf.Encoded(rng.integers(0, 1 << 15, 40_000).astype(np.uint16), "binary16") for _ in range(2))
    whole = nf.mul(a, b, fmt="fp8_e5m2", rounding="stochastic_a", random=nf.HashRandom(5, width=8))
    for at in (0, 12_345, 33_000):
        random = nf.HashRandom(5, width=8, start=at)
        part = nf.mul(a[at : at + 99], b[at : at + 99], fmt="fp8_e5m2", rounding="stochastic_a", random=random)
        np.testing.assert_array_equal(part.codes, whole.codes[at : at + 99])


def test_scalar_calls_from_the_table():
    e = nf.encode([1.5, 1.25, 448.0, -0.0], "fp8_e4m3fn")
    first = [int(nf.add(x, y).codes) for x in e for y in e]
    wanted = [
        reference.operate("add", [("fp8_e4m3fn", int(c)) for c in (x, y)], e.format).code
        for x in e.codes
        for y in e.codes
    ]
    for _ in range(3):
        assert [int(nf.add(x, y).codes) for x in e for y in e] == first == wanted
    assert nf.add(e[0], e[1]).shape == ()


# ---- integers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["int8", "int8_f4", "uint8", "int32", "int16_f8"])
def test_wrapping_is_modulo(name):
    fmt, rng = nf.get(name), np.random.default_rng(8)
    columns = [rng.integers(0, fmt.code_count, 300).tolist() for _ in range(3)]
    for op in ("add", "sub", "mul", "fma", "faa"):
        check(op, [name] * OPERATIONS[op], name, columns[: OPERATIONS[op]], overflow="wrap", rounding="toward_negative")


def test_division_by_zero_names_the_first_index():
    a, b = nf.encode([1.0, 2.0, 3.0], "int8"), nf.encode([1.0, 0.0, 0.0], "int8")
    with pytest.raises(errors.ArgumentError, match=r"division by zero has no result in int8 \(first at flat index 1"):
        nf.div(a, b)
    np.testing.assert_array_equal(np.asarray(nf.div(a, b, fmt="binary32")), [1.0, np.inf, np.inf])


@pytest.mark.parametrize(
    "names", [("int4", "int4"), ("int4_f2", "uint3_f1"), ("uint4", "uint4"), ("int4_narrow", "int3")]
)
def test_grown_formats_hold_everything_and_no_bit_less_does(names):
    a, b = (nf.Encoded(np.arange(nf.get(n).code_count), n) for n in names)
    for op in ("add", "sub", "mul"):
        fmt = nf.ops.grown_format(op, *names)
        x, y = np.meshgrid(np.asarray(a, np.float64), np.asarray(b, np.float64), indexing="ij")
        wanted = {"add": x + y, "sub": x - y, "mul": x * y}[op]
        got = getattr(nf, op)(a.reshape(-1, 1), b, fmt="grow", overflow="raise")
        assert got.format == fmt
        np.testing.assert_array_equal(np.asarray(got, np.float64), wanted)
        narrower = nf.IntFormat(fmt.bits - 1, signed=fmt.signed, frac_bits=fmt.frac_bits)
        assert wanted.max() > narrower.max or wanted.min() < narrower.min
    with pytest.raises(errors.ArgumentError, match="others have no exact format"):
        nf.div(a[:1], a[:1], fmt="grow")


# ---- extremes, order, neighbours, signs, conversions ---------------------------------------------------------------


@pytest.mark.parametrize("name", FLOATS + NARROW + OTHERS + INTEGERS)
def test_extremes(name):
    for seed, op in enumerate(EXTREMES):
        columns = related([name] * 2, 20, seed)
        columns[1][:6] = columns[0][:6]
        check(op, [name] * 2, name, columns)


@pytest.mark.parametrize("name", FLOATS + NARROW + OTHERS + INTEGERS)
def test_relations(name):
    every, rng = FLOATS + NARROW + OTHERS + INTEGERS, np.random.default_rng(len(name))
    for other in (name, every[rng.integers(len(every))]):
        columns = related([name, other], 24, 5)
        a, b = encoded(columns, [nf.get(name), nf.get(other)])
        rows = list(zip(*columns, strict=True))
        order = [ordering.total_order(name, x, other, y) for x, y in rows]
        np.testing.assert_array_equal(nf.total_order(a, b), order)
        for predicate in ordering.PREDICATES:
            outcomes = [ordering.predicate(predicate, name, x, other, y) for x, y in rows]
            found, flags = nf.compare(a, b, predicate, flags=True)
            np.testing.assert_array_equal(found, [bool(o.code) for o in outcomes])
            np.testing.assert_array_equal(flag_bits(flags), [o.flags.bits for o in outcomes])


def test_no_elements():
    for name in ("fp8_e4m3fn", "binary32", "posit32", "lns8_3"):
        e = nf.Encoded(np.zeros((0, 3), nf.get(name).code_dtype), name)
        result, flags = nf.fma(e, e, e, flags=True)
        assert result.shape == flags.inexact.shape == nf.compare(e, e).shape == nf.next_up(e).shape == (0, 3)


def test_binary16_total_order_is_total():
    codes = np.array([0xFFFF, 0xFE00, 0xFC01, 0xFC00, 0xFBFF, 0x8001, 0x8000, 0, 1, 0x7BFF, 0x7C00, 0x7C01, 0x7E00])
    e = nf.Encoded(codes, "binary16")  # IEEE 754-2019 5.10, in increasing order
    ranks = np.arange(codes.size)
    np.testing.assert_array_equal(nf.total_order(e.reshape(-1, 1), e), np.sign(ranks[:, None] - ranks))


@pytest.mark.parametrize("name", [n for n in FLOATS if n != "fp40_e12m27"] + NARROW + OTHERS + INTEGERS)
def test_neighbours_and_signs(name):
    fmt = nf.get(name)
    codes = drawn(fmt, 60, np.random.default_rng(0)) + ([] if fmt.bits > 8 else list(range(fmt.code_count)))
    given = {"nan": "zero"} if not fmt.has_nan else {}
    (e,) = encoded([codes], [fmt])
    for op, function, options in (
        ("next_up", nf.next_up, {}),
        ("next_down", nf.next_down, {}),
        ("negate", nf.negate, given),
        ("abs", nf.absolute, given),
    ):
        rows, wanted, flags = expected(op, [codes], [fmt], fmt, **options)
        found, raised = function(e[rows], flags=True, **options)
        np.testing.assert_array_equal(found.codes, wanted, err_msg=op)
        np.testing.assert_array_equal(flag_bits(raised), flags, err_msg=op)
    signs = drawn(nf.get("fp8_e5m2"), len(codes), np.random.default_rng(1))
    rows, wanted, _ = expected("copysign", [codes, signs], [fmt, nf.get("fp8_e5m2")], fmt, **given)
    other = nf.Encoded(np.array(signs, np.uint8), "fp8_e5m2")
    np.testing.assert_array_equal(nf.copysign(e[rows], other[rows], **given).codes, wanted)


def test_neighbours_beyond_binary64():
    # The oracle's nudge is larger than this format's values; its own order decides.
    fmt = nf.get("fp40_e12m27")
    e = nf.Encoded(np.array([0, 1, fmt.sign_weight, fmt.sign_weight + 1, fmt.max_code]), fmt)
    np.testing.assert_array_equal(nf.next_up(e).codes, [1, 2, 1, fmt.sign_weight, fmt.max_code + 1])
    assert [fmt.value_of(int(c)).value for c in nf.next_down(e).codes[:2]] == [-fmt.value_of(1).value, 0]


@pytest.mark.parametrize(
    "target", ["fp8_e4m3fn", "fp8_e5m2", "binary16", "bfloat16", "posit8", "int8", "hif8", "uint8"]
)
def test_flags_of_conversions(target):
    to = nf.get(target)
    for source in ("binary32", "binary16", "binary64", "posit16", "int32", "takum_log16"):
        codes = drawn(nf.get(source), 60, np.random.default_rng(6))
        options = {"overflow": arithmetic_overflow(to)} | ({} if to.has_nan else {"nan": "zero"})
        rows, wanted, flags = expected("cast", [codes], [nf.get(source)], to, rounding="nearest_even", **options)
        (e,) = encoded([np.array(codes, object)[rows]], [nf.get(source)])
        found, raised = nf.cast(e, to, rounding="nearest_even", flags=True, **options)
        np.testing.assert_array_equal(found.codes, wanted)
        np.testing.assert_array_equal(flag_bits(raised), flags)
        assert nf.cast(e, to, rounding="nearest_even", **options).same_bits(found)


# ---- operators and errors ------------------------------------------------------------------------------------------


def test_operators_call_the_functions():
    a, b = nf.encode([3.0, -1.5], "bfloat16"), nf.encode([0.1, 7.0], "bfloat16")
    assert (a + b).same_bits(nf.add(a, b)) and (a - b).same_bits(nf.sub(a, b))
    assert (a * b).same_bits(nf.mul(a, b)) and (a / b).same_bits(nf.div(a, b))
    assert (-a).same_bits(nf.negate(a)) and abs(a).same_bits(nf.absolute(a))
    other = nf.encode([1.0, 1.0], "binary16")
    for wrong in (lambda: a + other, lambda: a * 2.0, lambda: 2.0 * a, lambda: a / np.ones(2), lambda: 1 - a):
        with pytest.raises(TypeError, match=r"must say how it rounds .* call numfmt\.\w+\(a, b, fmt="):
            wrong()
    with pytest.raises(TypeError, match=r"numfmt\.matmul"):
        a @ b
    block = nf.encode(np.ones(32), "mxfp4")
    with pytest.raises(TypeError):
        block + a
    with pytest.raises(TypeError):
        a + block


def test_plain_numbers_must_be_exact():
    a = nf.encode([3.0], "fp8_e4m3fn")
    assert float(nf.mul(a, 0.5)) == 1.5
    with pytest.raises(errors.FormatMismatchError, match=r"must be exact in fp8_e4m3fn, got 0\.1"):
        nf.mul(a, 0.1)
    with pytest.raises(errors.FormatMismatchError, match="operands must be Encoded, got float"):
        nf.mul(1.0, 2.0)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"rounding": "up"}, "rounding must be"),
        ({"rounding": "stochastic_a"}, "needs random bits"),
        ({"random": 1}, "random is for the stochastic roundings"),
        ({"nan": "sparc"}, "nan must name a NaN policy"),
        ({"tininess": "never"}, "tininess must be 'after' or 'before'"),
        ({"out": np.empty(3, np.uint8)}, "out must be a writeable C-contiguous uint8 array of shape .2,."),
        ({"fmt": "fourth_roots"}, "fmt must be a real format"),
    ],
)
def test_bad_arguments(options, message):
    a = nf.encode([1.0, 2.0], "fp8_e4m3fn")
    with pytest.raises(errors.NumfmtError, match=message):
        nf.add(a, a, **options)


def test_results_that_a_format_cannot_hold():
    zero = nf.encode([0.0], "fp4_e2m1")
    with pytest.raises(errors.NaNError, match="fp4_e2m1"):
        nf.div(zero, zero)
    assert nf.div(zero, zero, nan="max").codes.tolist() == [7]
    with pytest.raises(errors.FormatOverflowError, match="int8"):
        nf.add(nf.encode([127.0], "int8"), nf.encode([1.0], "int8"), overflow="raise")
    with pytest.raises(errors.FormatMismatchError, match="say the result's format with fmt="):
        nf.add(zero, nf.encode([0.0], "fp8_e5m2"))
    with pytest.raises(errors.ArgumentError, match=r"must broadcast .* got shapes \(2,\) and \(3,\)"):
        nf.add(nf.encode([1.0, 2.0], "int8"), nf.encode([1.0, 2.0, 3.0], "int8"))
    with pytest.raises(errors.ArgumentError, match="legal names: equal, not_equal"):
        nf.compare(zero, zero, "same")


# ---- Berkeley TestFloat --------------------------------------------------------------------------------------------


def library_results(
    op: str, operands: list[Any], fmt: str, *, rounding: str, tininess: str, nan: str
) -> tuple[Any, Any]:
    """The library as ``tools/run_testfloat.py`` wants it."""
    given = encoded([column for _, column in operands], [nf.get(name) for name, _ in operands])
    if op in reference.PREDICATES:
        result, flags = nf.compare(*given, op, flags=True)
        return result.astype(np.uint64), flag_bits(flags)
    options = {"rounding": rounding, "tininess": tininess, "nan": nan, "flags": True}
    result, flags = nf.cast(*given, fmt, **options) if op == "cast" else compute(op, given, fmt, **options)
    return result.codes.astype(np.uint64), flag_bits(flags)


GENERATORS = {"8086-SSE": "x86_sse", "ARM-VFPv2": "arm", "ARM-VFPv2-defaultNaN": "arm_default", "RISCV": "riscv"}


@pytest.mark.slow
@pytest.mark.conformance
@pytest.mark.parametrize("build", GENERATORS)
def test_testfloat_vectors(build, capsys):
    generator = Path(os.environ.get("TESTFLOAT_DIRECTORY", "")) / f"testfloat_gen-{build}"
    tool = Path(__file__).parents[2] / "tools" / "run_testfloat.py"
    if not os.environ.get("TESTFLOAT_DIRECTORY") or not generator.exists() or not tool.exists():
        pytest.skip(
            "TESTFLOAT_DIRECTORY names no directory with testfloat_gen-* (tools/testfloat.md tells how to build it)"
        )
    spec = importlib.util.spec_from_file_location("run_testfloat", tool)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    total = 0
    for name, function in module.functions().items():
        if "bf16" in name:
            continue
        for switches, options in module.settings(function, list(module.MODES), ("after", "before")):
            command = [str(generator), "-level", "1", "-seed", "1", *switches, name]
            table = module.vectors(command, 2000, 1, 1)
            options |= {"nan": GENERATORS[build]}
            count = module.check(table, function, library_results, options)
            assert (count.codes, count.flags) == (0, 0), count.examples
            total += count.rows
    assert total > 100_000
