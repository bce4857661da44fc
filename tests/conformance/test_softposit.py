"""numfmt against SoftPosit (softposit 0.3.4.4): posit(8,0), (16,1), (32,2) and the pX2 family of any width, es = 2."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import numfmt as nf

softposit: Any = pytest.importorskip("softposit", reason="softposit is built from source (pip install numfmt[witness])")

pytestmark = pytest.mark.conformance


class Family(NamedTuple):
    """How the C library converts one posit type."""

    type_name: str
    to_double: str
    from_double: str


FIXED = {
    "posit8_0": Family("posit8_t", "convertP8ToDouble", "convertDoubleToP8"),
    "posit16_1": Family("posit16_t", "convertP16ToDouble", "convertDoubleToP16"),
    "posit32_2": Family("posit32_t", "convertP32ToDouble", "convertDoubleToP32"),
}
#: pX2: posit(n, 2) left-aligned in 32 bits. Two-bit posits are no numfmt format.
PX2_WIDTHS = (3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 17, 20, 24, 25, 28, 31, 32)
PX2 = {f"posit{n}_2": n for n in PX2_WIDTHS}
ALL = (*FIXED, *(f"px2-{name}" for name in PX2))


class Deviation(NamedTuple):
    """NaR decodes to +infinity there and to NaN here (POSIT22: quiet NaN)."""

    name: str
    theirs: float
    reason: str


D17 = "D17: NaR becomes +infinity for posit8 and posit16, NaN for posit32"
NAR = (
    Deviation("posit8_0", np.inf, D17),
    Deviation("posit16_1", np.inf, D17),
    Deviation("posit32_2", np.nan, D17),
    *(Deviation(f"px2-posit{n}_2", np.inf, D17) for n in PX2_WIDTHS if n <= 12),
)


def format_of(name: str) -> nf.PositFormat:
    fmt = nf.get(name.removeprefix("px2-"))
    assert isinstance(fmt, nf.PositFormat)
    return fmt


def decode_theirs(codes: Any, name: str) -> Any:
    family = FIXED.get(name, Family("posit_2_t", "convertPX2ToDouble", ""))
    to_double: Callable[[Any], float] = getattr(softposit, family.to_double)
    posit = getattr(softposit, family.type_name)()
    shift = 0 if name in FIXED else 32 - format_of(name).bits
    values = np.empty(len(codes))
    for i, code in enumerate(codes.tolist()):
        posit.v = code << shift
        values[i] = to_double(posit)
    return values


def encode_theirs(x: Any, name: str) -> Any:
    fmt = format_of(name)
    if name in FIXED:
        convert = getattr(softposit, FIXED[name].from_double)
        codes = [convert(v).v for v in x.tolist()]
    else:
        n = fmt.bits
        codes = [softposit.convertDoubleToPX2(v, n).v >> (32 - n) for v in x.tolist()]
    return np.array(codes, fmt.code_dtype)


def sample_codes(name: str, count: int) -> Any:
    """All codes up to 12 bits; else the ends of the ring, around 1 and -1, and random ones."""
    fmt = format_of(name)
    if fmt.bits <= 12 or (name in FIXED and fmt.bits <= 16):
        return np.arange(fmt.code_count).astype(fmt.code_dtype)
    rng = np.random.default_rng(fmt.bits)
    quarter = fmt.code_count // 4
    near = np.concatenate([k * quarter + np.arange(-100, 100) for k in range(4)]) % fmt.code_count
    return np.concatenate([near, rng.integers(0, fmt.code_count, count)]).astype(fmt.code_dtype)


def breakpoint_inputs(name: str, count: int) -> Any:
    """Values, (n+1)-bit breakpoints where SoftPosit has that width, arithmetic midpoints, with binary64 neighbours."""
    codes = sample_codes(name, count)
    values = decode_theirs(codes, name)
    finite = np.unique(values[np.isfinite(values)])
    parts = [finite, (finite[1:] + finite[:-1]) / 2]
    fmt = format_of(name)
    if fmt.es == 2 and fmt.bits < 32:
        wider = f"px2-posit{fmt.bits + 1}_2"
        parts.append(decode_theirs(2 * codes.astype(np.int64) + 1, wider))
    x = np.concatenate(parts)
    return np.concatenate([x, np.nextafter(x, np.inf), np.nextafter(x, -np.inf)])


def random_inputs(name: str, count: int) -> Any:
    fmt = format_of(name)
    rng = np.random.default_rng(fmt.bits + 100 * fmt.es)
    span = ((fmt.bits - 2) << fmt.es) + 4
    scale = np.concatenate([rng.uniform(-span, span, count), rng.uniform(-6, 6, count)])
    patterns = rng.integers(0, 1 << 64, count // 4, dtype=np.uint64).view(np.float64)
    return np.concatenate([rng.choice([-1.0, 1.0], 2 * count) * np.exp2(scale), patterns])


EXTREMES = np.array(
    [0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, 5e-324, -5e-324, 1.7976931348623157e308, -1e300, 1.0, -1.0]
)


@pytest.mark.parametrize("name", ALL)
def test_decode(name, mismatches):
    codes = sample_codes(name, 20_000 if name in FIXED else 3_000)
    nar = codes == format_of(name).nan_code
    ours, theirs = nf.decode(codes, format_of(name), dtype=np.float64), decode_theirs(codes, name)
    assert np.isnan(ours[nar]).all()
    assert mismatches(codes[~nar], ours[~nar], theirs[~nar]) == []


@pytest.mark.parametrize("name", ALL)
def test_encode(name, mismatches):
    count = 20_000 if name in FIXED else 3_000
    x = np.concatenate([EXTREMES, breakpoint_inputs(name, count), random_inputs(name, count)])
    assert mismatches(x, nf.encode(x, format_of(name)).codes, encode_theirs(x, name)) == []
    few = np.concatenate([EXTREMES, x[:: x.size // 40]])
    ours = np.array([nf.encode(v, format_of(name)).codes.item() for v in few.tolist()], format_of(name).code_dtype)
    assert mismatches(few, ours, encode_theirs(few, name)) == []


@pytest.mark.parametrize("name", FIXED)
def test_encode_from_binary32(name, boundaries, mismatches):
    values = decode_theirs(sample_codes(name, 20_000), name)
    x = np.concatenate([boundaries(values), random_inputs(name, 10_000).astype(np.float32)])
    assert mismatches(x, nf.encode(x, name).codes, encode_theirs(x.astype(np.float64), name)) == []


@pytest.mark.parametrize("name", FIXED)
def test_posit_standard_profile_is_the_default_here(name):
    x = np.concatenate([EXTREMES, random_inputs(name, 1_000)])
    assert np.array_equal(nf.encode(x, name, profile="posit_2022").codes, nf.encode(x, name).codes)


@pytest.mark.parametrize("d", NAR, ids=lambda d: d.name)
def test_nar_is_as_listed(d):
    fmt = format_of(d.name)
    nar = np.array([fmt.nan_code], fmt.code_dtype)
    theirs = decode_theirs(nar, d.name)
    assert np.array_equal(theirs, [d.theirs], equal_nan=True), f"softposit changed: {d.reason}"
    assert np.isnan(nf.decode(nar, fmt)).all()
    # Both send infinities and NaN to NaR, so only decoding deviates.
    x = np.array([np.inf, -np.inf, np.nan])
    assert (encode_theirs(x, d.name) == fmt.nan_code).all()
    assert (nf.encode(x, fmt).codes == fmt.nan_code).all()
