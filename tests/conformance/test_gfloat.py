"""numfmt against gfloat 0.5.2: decoding, rounding and encoding, explicit random bits, every P3109 format of K <= 8."""

from typing import Any, NamedTuple

import numpy as np
import pytest

import numfmt as nf

gfloat: Any = pytest.importorskip("gfloat", reason="gfloat is an optional witness (pip install numfmt[test])")
formats: Any = pytest.importorskip("gfloat.formats", reason="gfloat is an optional witness (pip install numfmt[test])")

pytestmark = pytest.mark.conformance

Mode = gfloat.RoundMode
NAMED = {
    "fp8_e4m3fn": formats.format_info_ocp_e4m3,
    "fp8_e5m2": formats.format_info_ocp_e5m2,
    "fp6_e2m3": formats.format_info_ocp_e2m3,
    "fp6_e3m2": formats.format_info_ocp_e3m2,
    "fp4_e2m1": formats.format_info_ocp_e2m1,
    "int8_f6": formats.format_info_ocp_int8,
    "ufp8_e8m0": formats.format_info_ocp_e8m0,
    "binary16": formats.format_info_binary16,
    "bfloat16": formats.format_info_bfloat16,
}
P3109 = {
    info.name: info
    for k in range(3, 9)
    for signedness in gfloat.Signedness
    for p in range(1, k + int(signedness is gfloat.Signedness.Unsigned))
    for domain in gfloat.Domain
    for info in [formats.format_info_p3109(k, p, signedness, domain)]
}
INFOS = {**NAMED, **P3109}
WIDE = {"binary32": formats.format_info_binary32, "binary64": formats.format_info_binary64}

MODES = {
    "toward_zero": Mode.TowardZero,
    "toward_positive": Mode.TowardPositive,
    "toward_negative": Mode.TowardNegative,
    "nearest_even": Mode.TiesToEven,
    "nearest_away": Mode.TiesToAway,
}
STOCHASTIC = {
    "stochastic_a": Mode.StochasticFastest,
    "stochastic_b": Mode.StochasticFast,
    "stochastic_c": Mode.Stochastic,
}
OVERFLOW = {True: "saturate", False: "nonsaturating"}


class Deviation(NamedTuple):
    """One rounding that gfloat's array function does otherwise; values, because gfloat returns values."""

    name: str
    mode: str
    sat: bool
    x: float
    ours: float
    theirs: float
    reason: str


D8 = "D8: P3109 unsigned formats send negative numbers to NaN (SatNone) or 0; gfloat rounds the negative value itself"
D9 = "D9: gfloat's E8M0 returns 0, which is no member"
D9_BELOW = "D9: gfloat's E8M0 returns powers below 2**-127, which are no members"
SAT_NONE = "P3109 SatNone clamps in finite formats; gfloat without saturation gives NaN"
TINY, BELOW = 2.0**-127, 2.0**-128
DEVIATIONS = (
    Deviation("p3109_k8p4ue", "nearest_even", False, -1.0, np.nan, -1.0, D8),
    Deviation("p3109_k8p4ue", "nearest_even", False, -1000.0, np.nan, -1024.0, D8),
    Deviation("p3109_k8p4ue", "nearest_even", True, -1.0, 0.0, -1.0, D8),
    Deviation("p3109_k8p4uf", "nearest_even", False, -0.125, np.nan, -0.125, D8),
    Deviation("p3109_k8p4sf", "nearest_even", False, 1e6, 240.0, np.nan, SAT_NONE),
    Deviation("p3109_k8p4sf", "nearest_even", False, -np.inf, -240.0, np.nan, SAT_NONE),
    Deviation("p3109_k4p2sf", "nearest_away", False, 100.0, 3.0, np.nan, SAT_NONE),
    Deviation("ufp8_e8m0", "nearest_even", True, 0.0, TINY, 0.0, D9),
    Deviation("ufp8_e8m0", "toward_positive", False, 0.0, TINY, 0.0, D9),
    Deviation("ufp8_e8m0", "nearest_even", True, BELOW, TINY, BELOW, D9_BELOW),
    Deviation("ufp8_e8m0", "toward_zero", False, 1.5 * BELOW, TINY, BELOW, D9_BELOW),
    Deviation("ufp8_e8m0", "toward_negative", True, 2.0**-149, TINY, 2.0**-149, D9_BELOW),
)


class StochasticDeviation(NamedTuple):
    """gfloat adds delta and R * 2**-N in binary64; a sum just below 1 is rounded up to 1."""

    name: str
    mode: str
    width: int
    bits: int
    x: float
    ours: float
    theirs: float


JUST_BELOW = 1 - 2.0**-53
STOCHASTIC_DEVIATIONS = (
    StochasticDeviation("fp8_e4m3fn", "stochastic_a", 1, 1, 2.0**-10 * JUST_BELOW, 0.0, 2.0**-9),
    StochasticDeviation("fp8_e4m3fn", "stochastic_a", 3, 4, -(2.0**-10) * JUST_BELOW, 0.0, -(2.0**-9)),
    StochasticDeviation("fp8_e5m2", "stochastic_a", 8, 128, 2.0**-17 * JUST_BELOW, 0.0, 2.0**-16),
    StochasticDeviation("int8_f6", "stochastic_a", 1, 1, 2.0**-7 * JUST_BELOW, 0.0, 2.0**-6),
    StochasticDeviation("fp8_e4m3fn", "stochastic_b", 1, 1, 2.0**-11 * JUST_BELOW, 0.0, 2.0**-9),
)

#: The scalar function decides ties-away by ``delta + 0.5 >= 1.0``, a sum that rounds up; the array function is right.
SCALAR_TIES_AWAY = {
    "fp8_e4m3fn": (2.0**-10 * JUST_BELOW, 2.0**-9),
    "fp8_e5m2": (2.0**-17 * JUST_BELOW, 2.0**-16),
    "fp4_e2m1": (0.25 * JUST_BELOW, 0.5),
    "binary16": (2.0**-25 * JUST_BELOW, 2.0**-24),
}

#: The code gfloat gives a NaN: the last one with the sign bit. numfmt's canonical NaN is quiet and positive.
NAN_CODES = {"fp8_e4m3fn": (0x7F, 0xFF), "fp8_e5m2": (0x7E, 0xFF), "binary16": (0x7E00, 0xFFFF)}


def decode_theirs(name: str) -> Any:
    fmt = nf.get(name)
    return gfloat.decode_ndarray(INFOS[name], np.arange(fmt.code_count))


def all_codes(name: str) -> Any:
    fmt = nf.get(name)
    return np.arange(fmt.code_count).astype(fmt.code_dtype)


def inputs(name: str, boundaries64: Any) -> Any:
    """Breakpoints with neighbours, extremes and infinities; only what both libraries define."""
    x = np.concatenate([boundaries64(decode_theirs(name)), [np.inf, -np.inf, 1e30, -1e30, 5e-324, -5e-324, 0.0, -0.0]])
    if not nf.get(name).is_signed:
        x = x[(x > 0) | ((x == 0) & ~np.signbit(x))]  # D8
    if name == "ufp8_e8m0":
        x = x[x >= TINY]  # D9
    return x


def both(name: str, x: Any, mode: str, sat: bool) -> tuple[Any, Any]:
    """Values of numfmt and gfloat, None for an error."""
    try:
        theirs = gfloat.round_ndarray(INFOS[name], x, MODES[mode], sat)
    except ValueError:
        theirs = None
    try:
        codes = nf.encode(x, name, rounding=mode, overflow=OVERFLOW[sat]).codes
    except nf.errors.FormatOverflowError:
        return None, theirs
    return codes, theirs


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", INFOS)
def test_decode_of_every_code(name, mismatches):
    codes, theirs = all_codes(name), decode_theirs(name)
    ours = nf.decode(codes, name, dtype=np.float64)
    nan = np.isnan(theirs)
    assert np.array_equal(np.isnan(ours), nan)
    assert mismatches(codes[~nan], ours[~nan], theirs[~nan]) == []


@pytest.mark.parametrize("name", ["binary32", "binary64"])
def test_decode_of_wide_formats(name, mismatches):
    fmt = nf.get(name)
    codes = np.random.default_rng(7).integers(0, fmt.code_count, 20_000, dtype=np.uint64).astype(fmt.code_dtype)
    theirs = np.array([gfloat.decode_float(WIDE[name], int(c)).fval for c in codes[:2000]])
    ours = nf.decode(codes[:2000], fmt, dtype=np.float64)
    nan = np.isnan(theirs)
    assert np.array_equal(np.isnan(ours), nan)
    assert mismatches(codes[:2000][~nan], ours[~nan], theirs[~nan]) == []


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", INFOS)
def test_round_and_encode_in_every_mode(name, boundaries64, mismatches):
    x = inputs(name, boundaries64)
    inside = x[np.abs(x) <= float(nf.get(name).max)]
    for mode in MODES:
        for sat in (True, False):
            codes, theirs = both(name, x, mode, sat)
            assert (codes is None) == (theirs is None), (mode, sat)
            shown = x
            if codes is None:  # no infinity and no NaN to overflow to: both refuse
                shown = inside
                codes, theirs = both(name, inside, mode, sat)
            ours = nf.decode(codes, name, dtype=np.float64)
            nan = np.isnan(theirs)
            assert np.array_equal(np.isnan(ours), nan), (mode, sat)
            assert mismatches(shown[~nan], ours[~nan], theirs[~nan]) == [], (mode, sat)
            their_codes = gfloat.encode_ndarray(INFOS[name], theirs[~nan]).astype(codes.dtype)
            assert mismatches(shown[~nan], codes[~nan], their_codes) == [], (mode, sat)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", INFOS)
def test_binary32_input_gives_the_same(name, boundaries, mismatches):
    x = boundaries(decode_theirs(name))
    subnormals = np.array([1, 3, 0x1FFFFF, 0x200000, 0x300000, 0x3FFFFF, 0x400000, 0x500000, 0x7FFFFF], np.uint32)
    x = np.concatenate([x, subnormals.view(np.float32), -subnormals.view(np.float32)])
    x = x[np.abs(x) <= float(nf.get(name).max)]
    if not nf.get(name).is_signed:
        x = x[(x > 0) | ((x == 0) & ~np.signbit(x))]  # D8
    if name == "ufp8_e8m0":
        x = x[x >= TINY]  # D9
    for mode in MODES:
        codes, theirs = both(name, x, mode, True)[0], both(name, x.astype(np.float64), mode, True)[1]
        assert mismatches(x, nf.decode(codes, name, dtype=np.float64), theirs) == [], mode


@pytest.mark.parametrize("name", INFOS)
def test_stochastic_rounding_with_explicit_bits(name, boundaries64, mismatches):
    base = inputs(name, boundaries64)
    base = base[np.isfinite(base)]
    rng = np.random.default_rng(len(name))
    x = np.concatenate([base, rng.choice(base, 1000) * rng.uniform(0.8, 1.25, 1000)])
    # 24-bit significands: gfloat's binary64 sums are then exact (see STOCHASTIC_DEVIATIONS).
    x = x.astype(np.float32).astype(np.float64)
    if name == "ufp8_e8m0":
        x = x[x >= TINY]
    for mode, theirs_mode in STOCHASTIC.items():
        for width in (1, 4, 8):
            bits = rng.integers(0, 1 << width, x.size)
            random = nf.RandomBits(bits, width)
            theirs = gfloat.round_ndarray(INFOS[name], x, theirs_mode, True, bits, width)
            for source in (x, x.astype(np.float32)):
                codes = nf.encode(source, name, rounding=mode, overflow="saturate", random=random).codes
                assert mismatches(x, nf.decode(codes, name, dtype=np.float64), theirs) == [], (mode, width)


@pytest.mark.parametrize("name", ["fp8_e4m3fn", "p3109_k6p3se", "p3109_k5p1sf"])
def test_stochastic_rounding_with_all_bits(name, boundaries64, mismatches):
    x = np.unique(np.abs(inputs(name, boundaries64).astype(np.float32)))
    x = x[np.isfinite(x)][::3].astype(np.float64)
    width = 5
    grid, bits = np.meshgrid(x, np.arange(1 << width), indexing="ij")
    for mode, theirs_mode in STOCHASTIC.items():
        theirs = gfloat.round_ndarray(INFOS[name], grid.ravel(), theirs_mode, True, bits.ravel(), width)
        ours = nf.quantize(grid, name, rounding=mode, overflow="saturate", random=nf.RandomBits(bits, width))
        assert mismatches(grid.ravel(), ours.ravel(), theirs) == []


# ---- the deviations are real -----------------------------------------------------------------------------------------


def overflow_for(d: Deviation) -> str:
    return "saturate" if d.sat else "sat_none" if d.name.startswith("p3109") else "nonsaturating"


@pytest.mark.parametrize("d", DEVIATIONS, ids=lambda d: f"{d.name}-{d.mode}-{d.x}")
def test_deviation_is_as_listed(d):
    theirs = gfloat.round_ndarray(INFOS[d.name], np.array([d.x]), MODES[d.mode], d.sat)
    assert np.array_equal(theirs, [d.theirs], equal_nan=True), f"gfloat does not deviate any more: {d.reason}"
    assert not np.array_equal([d.ours], [d.theirs], equal_nan=True)
    for x in (np.array([d.x]), np.full(100, d.x), np.full(100, d.x, np.float32)):
        ours = nf.quantize(x, d.name, rounding=d.mode, overflow=overflow_for(d))
        assert np.array_equal(ours, np.full(x.shape, d.ours, x.dtype), equal_nan=True)


def test_gfloat_e8m0_codes_leave_the_byte():
    below = np.array([BELOW])
    rounded = gfloat.round_ndarray(NAMED["ufp8_e8m0"], below, Mode.TiesToEven, True)
    assert gfloat.encode_ndarray(NAMED["ufp8_e8m0"], rounded)[0] > 0xFF, "gfloat's E8M0 code fits a byte now"
    assert nf.encode(below, "e8m0", rounding="nearest_even").codes[0] == 0x00


@pytest.mark.parametrize("d", STOCHASTIC_DEVIATIONS, ids=lambda d: f"{d.name}-{d.mode}-{d.width}")
def test_stochastic_deviation_is_as_listed(d):
    x, bits = np.array([d.x]), np.array([d.bits])
    theirs = gfloat.round_ndarray(INFOS[d.name], x, STOCHASTIC[d.mode], True, bits, d.width)
    assert theirs[0] == d.theirs, "gfloat does not deviate any more"
    assert d.ours != d.theirs
    for count in (1, 100):
        random = nf.RandomBits(np.full(count, d.bits), d.width)
        ours = nf.quantize(np.full(count, d.x), d.name, rounding=d.mode, random=random)
        assert (ours == d.ours).all()


@pytest.mark.parametrize("name", SCALAR_TIES_AWAY)
def test_scalar_ties_away_deviation_is_as_listed(name):
    x, theirs = SCALAR_TIES_AWAY[name]
    assert gfloat.round_float(INFOS[name], x, Mode.TiesToAway) == theirs, (
        "gfloat's round_float does not deviate any more"
    )
    assert gfloat.round_ndarray(INFOS[name], np.array([x]), Mode.TiesToAway)[0] == 0.0
    assert nf.quantize(x, name, rounding="nearest_away") == 0.0
    assert (nf.quantize(np.full(100, x), name, rounding="nearest_away") == 0.0).all()


@pytest.mark.parametrize("name", NAN_CODES)
def test_nan_codes_are_as_listed(name):
    ours, theirs = NAN_CODES[name]
    x = np.array([np.nan, -np.nan])
    assert (gfloat.encode_ndarray(INFOS[name], x) == theirs).all()
    assert (nf.encode(x, name).codes == ours).all()


def test_nan_into_a_format_without_nan_is_refused_by_both():
    for name in ("fp6_e2m3", "fp6_e3m2", "fp4_e2m1"):
        with pytest.raises(ValueError, match="No NaN"):
            gfloat.round_float(INFOS[name], float("nan"))
        with pytest.raises(nf.errors.NaNError):
            nf.encode(float("nan"), name)


def test_modes_without_a_counterpart():
    # gfloat's StochasticOdd has no P3109 definition; numfmt's A, B and C are P3109's. Released gfloat lacks ToOdd.
    assert "StochasticOdd" in Mode.__members__
    assert "ToOdd" not in Mode.__members__
