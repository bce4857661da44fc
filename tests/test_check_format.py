"""`check_format` over the whole registry, and proof that it finds what it looks for."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pytest

import numfmt as nf
from numfmt.rounding import NaNRule
from numfmt.testing import CheckReport, check_format
from numfmt.testing.deterministic import check_roundings
from numfmt.testing.harness import DETERMINISTIC, Harness
from numfmt.testing.line import number_line

NAMES = nf.names(kind="scalar")
BLOCK_NAMES = nf.names(kind="block")
#: Values per format in the quick suite; 646 formats have to fit in two minutes.
QUICK_SAMPLES = 300


@pytest.fixture(scope="module")
def reports(request: pytest.FixtureRequest) -> Iterator[list[CheckReport]]:
    """Collects the reports of a module's run and prints how many formats passed."""
    done: list[CheckReport] = []
    yield done
    comparisons = sum(report.total for report in done)
    whole = sum(report.exhaustive for report in done)
    capture = request.config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        print(f"\ncheck_format: {len(done)} formats passed, {whole} of them exhaustively, {comparisons} comparisons")


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", NAMES)
def test_every_registered_format(name: str, reports: list[CheckReport]) -> None:
    report = check_format(name, samples=QUICK_SAMPLES)
    assert report.format == name and report.exhaustive == (nf.get(name).bits <= 8)
    reports.append(report)


@pytest.mark.parametrize("name", BLOCK_NAMES)
def test_every_registered_block_format(name: str, reports: list[CheckReport]) -> None:
    report = check_format(name)
    assert report.format == name and (report.total > 1000 or "decode-only" in str(report))
    reports.append(report)


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.parametrize("name", NAMES)
def test_every_registered_format_exhaustively(name: str, reports: list[CheckReport]) -> None:
    report = check_format(name, exhaustive=True)
    assert report.exhaustive == (nf.get(name).bits <= 16)
    reports.append(report)


@pytest.mark.parametrize(
    "name, rounding",
    [(n, nf.Rounding.NEAREST_EVEN) for n in ("fp8_e5m2", "fp4_e2m1", "fp6_e3m2", "bfloat16", "int8", "posit8_2", "nf4")]
    + [("fp8_e4m3fn", mode) for mode in DETERMINISTIC],
)
def test_kernels_bound_to_constants(name: str, rounding: nf.Rounding) -> None:
    """Every breakpoint again, once the conversion has its compiled kernel."""
    fmt = copy.copy(nf.get(name))
    nf.warmup(fmt, rounding=rounding)
    ranks = (
        list(range(fmt.ordered_count)) if fmt.bits <= 8 else [*range(400), *range(32500, 32900), *range(65100, 65280)]
    )
    h = Harness(fmt, QUICK_SAMPLES, whole=True, thorough=False)
    assert check_roundings(h, number_line(fmt, ranks)) > 1000


UNREGISTERED = (
    [nf.PositFormat(n, es) for n, es in ((3, 0), (3, 4), (5, 3), (7, 4), (12, 3))]
    + [nf.TakumFormat(n) for n in (3, 5, 9, 11, 12, 13)]
    + [nf.TakumLogFormat(n) for n in (3, 5, 9, 10, 11)]
    + [nf.LnsFormat(n, r) for n, r in ((3, 0), (4, 2), (6, 3), (8, 0), (10, 2))]
    + [nf.ExponentFormat(n) for n in (2, 5, 11)]
    + [nf.IntFormat(n, signed, frac) for n in (2, 9) for signed in (True, False) for frac in (-7, 3, 60)]
    + [nf.IntFormat(6, frac_bits=512), nf.IntFormat(6, frac_bits=-512), nf.IntFormat(20, frac_bits=500)]
    + [
        nf.FloatFormat(e, m, bias, specials, signed, subnormals)
        for e, m, bias in ((2, 1, None), (8, 3, None), (11, 1, None), (4, 4, -3))
        for specials in nf.Specials
        for signed in (True, False)
        for subnormals in (True, False)
        if signed or specials is not nf.Specials.FNUZ
    ]
    + [
        nf.FloatFormat(1, 3),
        nf.FloatFormat(4, 3, 200),
        nf.FloatFormat(12, 3),
        nf.FloatFormat(9, 20),
        nf.FloatFormat(15, 40),
        nf.FloatFormat(15, 1),
    ]
)


#: 16-bit floats without subnormals have no kernel of their own; their step tables take a minute each.
WIDE_TABLES = [
    nf.FloatFormat(11, 4, None, specials, signed, False)
    for specials in (nf.Specials.IEEE, nf.Specials.FN, nf.Specials.FINITE)
    for signed in (True, False)
]


@pytest.mark.slow
@pytest.mark.parametrize("fmt", WIDE_TABLES, ids=str)
def test_wide_members_without_a_kernel(fmt: nf.Format) -> None:
    check_format(fmt)


@pytest.mark.parametrize("fmt", UNREGISTERED, ids=str)
def test_members_of_a_family_that_have_no_catalog_line(fmt: nf.Format) -> None:
    check_format(fmt, samples=QUICK_SAMPLES)


def test_report_counts_its_comparisons() -> None:
    report = check_format("fp4_e2m1")
    assert report.total == sum(report.counts.values()) > 1000
    assert report.counts["decode"] == 16 and str(report).startswith("fp4_e2m1: exhaustive, ")
    assert "irrational" in str(check_format("lns8_3"))


@dataclass(frozen=True)
class Triangular(nf.Format):
    """A caller's own family: triangular numbers k * (k + 1) / 2 with a sign bit; overflow at the next one."""

    bits: int = 7
    source = "test"

    @property
    def name(self) -> str:
        return f"triangular{self.bits}"

    def value_of(self, code: int) -> nf.Unpacked:
        sign, k = divmod(self.check_code(code), 1 << (self.bits - 1))
        return nf.Unpacked.finite(sign, k * (k + 1) // 2, -3)

    @property
    def above_max(self) -> Fraction:
        k = 1 << (self.bits - 1)
        return Fraction(k * (k + 1), 16)

    @property
    def below_min(self) -> Fraction:
        return -self.above_max


def test_a_format_of_ones_own() -> None:
    report = check_format(Triangular())
    assert report.exhaustive and "name round trip (not registered)" in report.skipped


class Unwitnessed(nf.BlockFormat):
    """A class of block formats that nobody has written an oracle for."""


def test_a_class_of_block_formats_without_an_oracle_fails_by_name() -> None:
    with pytest.raises(nf.errors.ArgumentError, match=r"Unwitnessed has no oracle.*register_oracle"):
        check_format(Unwitnessed("fp4_e2m1", "ufp8_e8m0", 32))


@pytest.mark.parametrize(
    "fmt",
    [
        nf.BlockFormat("posit8_2", "bfloat16", 8),
        nf.BlockFormat("int4", "ufp8_e8m0", (2, 4), "rceil", axis=(0, 1)),
        nf.BlockFormat("fp6_e3m2", "binary32", None, axis=0),
        nf.BlockFormat("int4", "fp8_e4m3fn", 1, tensor_scale="bfloat16", full_range=True),
        nf.BlockFormat(
            "fp4_e2m1", "fp8_e4m3fn", 16, tensor_scale="binary32", quotient="two_step_reciprocal", min_scale=2**-6
        ),
    ],
    ids=str,
)
def test_block_formats_of_ones_own(fmt: nf.BlockFormat) -> None:
    check_format(fmt)


@pytest.mark.parametrize(
    "name, change",
    [
        ("mxfp4", {"scale_rule": "rceil"}),
        ("mxfp4", {"rounding": nf.Rounding.NEAREST_AWAY}),
        ("nvfp4", {"tensor_scale": 1.0}),
        ("int4_g32", {"scale_rule": "absmax_119"}),
        ("mxint8", {"nonfinite": "raise"}),
    ],
)
def test_a_library_with_another_block_rule_is_found(name: str, change: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    right = nf.encode
    monkeypatch.setattr(nf, "encode", lambda x, fmt, **options: right(x, fmt, **(change | options)))
    with pytest.raises(AssertionError, match=name):
        check_format(name)


def test_a_user_codebook_on_one_side_of_zero() -> None:
    check_format(nf.CodebookFormat("test_positive", (0, 1, 3, 7)))


# ---- it fails where it should --------------------------------------------------------------------------------------


class _Wrong(Triangular):
    """Each subclass below breaks one promise."""


class _NotMonotone(_Wrong):
    @property
    def ordered_codes(self) -> list[int]:  # type: ignore[override]
        codes = list(Triangular(self.bits).ordered_codes)
        codes[70], codes[71] = codes[71], codes[70]
        return codes


class _WrongName(_Wrong):
    @property
    def name(self) -> str:
        return "fp8_e4m3fn"


class _WrongTable(_Wrong):
    @property
    def table(self) -> np.ndarray:  # type: ignore[override]
        values = np.array(Triangular(self.bits).table)
        values[5] = np.nextafter(values[5], 9)
        return values


@pytest.mark.parametrize("broken", [_NotMonotone, _WrongName, _WrongTable])
def test_a_broken_format_is_found(broken: type[Triangular]) -> None:
    with pytest.raises(AssertionError):
        check_format(broken())


@pytest.mark.parametrize(
    "name, change",
    [
        ("fp8_e4m3fn", {"rounding": nf.Rounding.NEAREST_AWAY}),
        ("fp8_e4m3fn", {"overflow": nf.Overflow.NONSATURATING}),
        ("fp8_e4m3fn", {"nan": NaNRule.SIGNED}),
        ("posit8_2", {"rounding": nf.Rounding.NEAREST_AWAY}),
        ("int8", {"rounding": nf.Rounding.NEAREST_DOWN}),
    ],
)
def test_a_library_with_another_policy_is_found(name: str, change: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    right = nf.encode

    def wrong(x, fmt, **options):  # type: ignore[no-untyped-def]
        option = next(iter(change))
        asked = options.get(option)
        usual = getattr(nf.get(fmt), f"default_{option}")
        return right(x, fmt, **(options | change if asked in (None, usual) and "random" not in options else options))

    monkeypatch.setattr(nf, "encode", wrong)
    with pytest.raises(AssertionError):
        check_format(name)


def test_a_biased_random_source_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = nf.encode

    def wrong(x, fmt, **options):  # type: ignore[no-untyped-def]
        if "random" in options:
            bits = options["random"]
            options["random"] = replace(bits, integers=np.maximum(bits.integers, 1))
        return right(x, fmt, **options)

    monkeypatch.setattr(nf, "encode", wrong)
    with pytest.raises(AssertionError, match="the definition says"):
        check_format("fp8_e4m3fn")
