"""Every compiled path gives the bits of the exact definition; hot loops vectorise and call no library function."""

from __future__ import annotations

import re

import numpy as np
import pytest

import numfmt as nf
from numfmt._lowering import encode_plan, quantize_plan
from numfmt.formats.conversion import Policy, conversion
from numfmt.formats.tables import encode_scalars, encode_steps
from numfmt.rounding import NaNRule, Overflow, Rounding

F32, F64 = np.dtype(np.float32), np.dtype(np.float64)
DETERMINISTIC = [m for m in Rounding if not m.is_stochastic]


def samples(fmt, dtype, steps):
    """Thresholds, values and their neighbours in `dtype`, random patterns, and the specials with both signs."""
    rng = np.random.default_rng(3)
    with np.errstate(all="ignore"):
        edges = np.concatenate([steps.thresholds, fmt.table[np.isfinite(fmt.table)]]).astype(dtype)
        unsigned = np.uint32 if dtype == F32 else np.uint64
        patterns = rng.integers(0, np.iinfo(unsigned).max, 5000, unsigned, endpoint=True).view(dtype)
        near = (rng.standard_normal(5000) * float(fmt.max) / 3).astype(dtype)
        tiny = (rng.standard_normal(2000) * float(fmt.smallest) * 2).astype(dtype)
    specials = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, 1e-45, -1e-45], dtype)
    below, above = np.nextafter(edges, dtype.type(-np.inf)), np.nextafter(edges, dtype.type(np.inf))
    return np.concatenate([edges, below, above, patterns, near, tiny, specials])


def expected(conv, x):
    with np.errstate(invalid="ignore"):
        return encode_steps(conv, x.astype(np.float64))


@pytest.mark.parametrize("mode", DETERMINISTIC, ids=lambda m: m.name.lower())
@pytest.mark.parametrize("name", ["fp8_e4m3fn", "fp8_e5m2fnuz", "fp4_e2m1", "p3109_k6p3ue", "fp4_e3m0"])
def test_bound_and_runtime_kernels_equal_the_step_table(name, mode):
    fmt = nf.get(name)
    policy = Policy(mode, fmt.default_overflow, NaNRule.SIGNED if fmt.has_nan else NaNRule.OPPOSITE_ZERO)
    conv = conversion(fmt, policy)
    x = samples(fmt, F32, conv.steps)
    want = expected(conv, x)
    codes = np.empty(x.size, fmt.code_dtype)
    plan = encode_plan(fmt, policy, F32)
    for kernel in (plan._runtime_kernel(), plan._bound_kernel(), plan._table_kernel()):
        codes.fill(0x55)
        assert kernel(x, codes) == 0
        np.testing.assert_array_equal(codes, want)
    quick = quantize_plan(fmt, policy)
    if quick.constants is not None:
        quick.bind()
        y = np.empty_like(x)
        assert quick.fast(x, y) == 0
        np.testing.assert_array_equal(y.view(np.uint32), fmt.table.astype(np.float32)[want].view(np.uint32))


@pytest.mark.parametrize("overflow", [o for o in Overflow if o not in (Overflow.WRAP, Overflow.RAISE)])
@pytest.mark.parametrize("name", ["fp8_e5m2", "p3109_k8p4se", "ufp7_e4m3fn", "hif8", "posit8_1", "takum8", "int6_f2"])
def test_every_overflow_policy_in_the_runtime_kernels(name, overflow):
    fmt = nf.get(name)
    nan = fmt.default_nan if fmt.has_nan else NaNRule.MAX
    for mode in DETERMINISTIC:
        conv = conversion(fmt, Policy(mode, overflow, nan))
        x = samples(fmt, F64, conv.steps)
        want = expected(conv, x)
        x, want = x[want >= 0], want[want >= 0]
        codes = np.empty(x.size, fmt.code_dtype)
        assert encode_plan(fmt, conv.policy, F64)._runtime_kernel()(x, codes) == 0
        np.testing.assert_array_equal(codes, want)


@pytest.mark.parametrize(
    "name", ["takum32", "takum_log32", "takum_log16", "lns16_8", "posit32", "int32", "uint32_f7", "tf32"]
)
@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
def test_wide_formats_equal_the_exact_definition(name, dtype):
    fmt = nf.get(name)
    rng = np.random.default_rng(4)
    with np.errstate(all="ignore"):
        values = nf.decode(rng.integers(0, fmt.code_count, 60, np.uint64).astype(fmt.code_dtype), fmt, dtype=np.float64)
        values = values[np.isfinite(values)].astype(dtype)
        wild = (10.0 ** rng.uniform(-80, 80, 60) * rng.choice([-1, 1], 60)).astype(dtype)
    near = np.concatenate([values, np.nextafter(values, dtype.type(0)), rng.standard_normal(60).astype(dtype)])
    x = np.concatenate([near, wild[np.isfinite(wild)]])
    for mode in DETERMINISTIC:
        plan = encode_plan(fmt, Policy(mode, fmt.default_overflow, fmt.default_nan), dtype)
        want = encode_scalars(plan.conv, x)
        for kernel in (plan._runtime_kernel(), plan._bound_kernel() if mode.value % 3 == 0 else None):
            if kernel is not None:
                codes = np.empty(x.size, fmt.code_dtype)
                kernel(x, codes)
                np.testing.assert_array_equal(codes, want)


def test_refusals_set_flags_and_name_the_element():
    x = np.ones(100, np.float32)
    x[41] = np.nan
    with pytest.raises(nf.errors.NaNError, match="flat index 41"):
        nf.encode(x, "fp4_e2m1")
    x[41] = 7.5
    with pytest.raises(nf.errors.FormatOverflowError, match=r"flat index 41: 7\.5"):
        nf.encode(x, "fp4_e2m1", overflow="raise")
    assert nf.encode(np.full(100, 6.5, np.float32), "fp4_e2m1", overflow="raise").codes.tolist() == [7] * 100


def test_integers_wrap_modulo_two_to_the_bits():
    x = np.array([-9, -8, 7, 8, 15, 16, 100, 1.7, -1.7, 1e9, -1e18, 2.0**70], np.float64)
    want = [int(v) % 16 for v in x.tolist()]
    assert nf.encode(np.tile(x, 3), "int4", rounding="toward_zero", overflow="wrap").codes.tolist() == want * 3


def assembly(kernel):
    return next(iter(kernel.inspect_asm().values()))


@pytest.mark.parametrize(
    "mode", [Rounding.NEAREST_EVEN, Rounding.NEAREST_DOWN, Rounding.TOWARD_POSITIVE, Rounding.TO_ODD]
)
def test_hot_loops_vectorise_and_call_no_library(mode):
    from numba import config

    if config.DISABLE_JIT:
        pytest.skip("no machine code without the compiler")
    from numfmt._kernels import fast32
    from numfmt._lowering import _fast_parameters

    fmt = nf.get("fp8_e4m3fn")
    plan = encode_plan(fmt, Policy(mode, fmt.default_overflow, fmt.default_nan), F32)
    text = kernel_text(fast32.make_encode_fast, 1, *_fast_parameters(plan.layout))
    assert re.search(r"%[yz]mm\d|\bv\d+\.4s", text)
    assert not re.search(r"(call|bl)\S*\s+\S*(ceil|floor|rint|round|pow|exp|log)", text)


def kernel_text(factory, *constants):
    """Machine code of a freshly compiled kernel (cached ones carry none)."""
    from numba import njit

    from numfmt._kernels._jit import DIGEST, OPTIONS

    function, signatures = factory(*constants, DIGEST)
    dispatcher = njit(**OPTIONS)(function)
    dispatcher.compile(signatures[0])
    return assembly(dispatcher)
