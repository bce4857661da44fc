"""`check_format`: every promise a format makes, checked through the public functions."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from fractions import Fraction

from ..formats import Format, FourthRootsFormat, IntFormat, get
from ..formats.block import BlockFormat
from .blocks import check_block_format
from .complex_codes import check_fourth_roots
from .deterministic import check_rational_inputs, check_reference, check_roundings, check_specials, check_wrapping
from .harness import Harness
from .line import number_line
from .stochastic import check_stochastic
from .values import check_decoding, check_identity, check_order

__all__ = ["CheckReport", "check_format"]


@dataclass(frozen=True)
class CheckReport:
    """What `check_format` compared: number of single comparisons by check, and what had no meaning for the format."""

    format: str
    exhaustive: bool
    counts: dict[str, int]
    skipped: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Comparisons made."""
        return sum(self.counts.values())

    def __str__(self) -> str:
        extent = "exhaustive" if self.exhaustive else "sampled"
        counts = ", ".join(f"{name} {count}" for name, count in self.counts.items())
        skipped = "".join(f"; skipped {name} ({count})" for name, count in self.skipped.items())
        return f"{self.format}: {extent}, {self.total} comparisons: {counts}{skipped}"


def check_format(
    fmt: Format | BlockFormat | str, *, exhaustive: bool | None = None, samples: int = 2000
) -> CheckReport:
    """Check a format against its own definition and the independent `numfmt.reference`.

    Decoding and round trip of codes, order, rounding at every breakpoint and both neighbours and the binary64 (and
    binary32) numbers next to them under every deterministic rounding and overflow policy, special values under every
    NaN rule, the number of random integers that round up, agreement with `numfmt.reference`, pickling, the name,
    illegal codes. Formats may be the caller's own.

    Block formats: every stored bit and every decoded value of blocks with boundary maxima, ties, zeros, subnormals,
    wide ranges and random numbers against the reference, in several dtypes, under every deterministic and a stochastic
    rounding; NaN and infinities; any codes under any scales; axes, slices, padding and memory layouts; pickling and
    names; `quantize`. A subclass of BlockFormat needs an oracle (`numfmt.reference.register_oracle`).

    Parameters
    ----------
    fmt : Format, BlockFormat or str
    exhaustive : bool, optional
        True: every code and breakpoint up to 16 bits under every policy, and every binary16 input with 1 to 8 random
        bits (seconds to minutes). None: every code and breakpoint up to 8 bits, else a sample. False: a sample. Block
        formats are always sampled.
    samples : int
        About this many values in a sample: the ends, what lies near zero, one and the smallest normal, random ones.

    Returns
    -------
    CheckReport

    Raises
    ------
    AssertionError
        At the first violation; the message holds the input, the policy and both codes.
    ArgumentError
        A class of block formats without an oracle.

    >>> report = check_format("fp8_e4m3fn")
    >>> report.exhaustive, report.counts["decode"]
    (True, 256)
    """
    found: Format | BlockFormat = get(fmt)
    if isinstance(found, BlockFormat):
        return CheckReport(found.name, False, *check_block_format(found, samples))
    # A copy has no compiled plans yet, whatever ran before: small arrays then wait for no compilation.
    fmt = copy.copy(found)
    if isinstance(fmt, FourthRootsFormat):
        h = Harness(fmt, samples, whole=True, thorough=False)
        h.skip("roundings, policies and order of complex numbers")
        return CheckReport(fmt.name, True, check_identity(h) | check_fourth_roots(fmt), h.skipped)
    whole = fmt.bits <= 16 and (exhaustive is True or (exhaustive is None and fmt.bits <= 8))
    h = Harness(fmt, samples, whole, thorough=exhaustive is True)
    return CheckReport(fmt.name, whole, _run(h), h.skipped)


def _run(h: Harness) -> dict[str, int]:
    counts = check_identity(h)
    line = number_line(h.fmt, _ranks(h))
    # First arrays of at most 16, which numfmt encodes one by one until larger ones have come; then the kernels.
    counts["reference"] = check_reference(h, line)
    counts["specials"] = check_specials(h)
    if all(isinstance(real, Fraction | None) for real in (*line.reals, *line.breaks)):
        counts["rational inputs"] = check_rational_inputs(h, line)
    else:
        h.skip("rational inputs at irrational thresholds")
    counts["order"] = check_order(h, line)
    counts["decode"], counts["round trip"] = check_decoding(h, line)
    counts["rounding"] = check_roundings(h, line)
    if isinstance(h.fmt, IntFormat) and not h.fmt.sign_magnitude:
        counts["wrap"] = check_wrapping(h)
    counts["stochastic"] = check_stochastic(h)
    return counts


def _ranks(h: Harness) -> list[int]:
    """Ranks to look at: all, or both ends, the neighbourhoods of zero, one and the smallest normal, and random ones."""
    fmt, count = h.fmt, h.fmt.ordered_count
    if h.whole or count <= h.samples:
        return list(range(count))
    zero = fmt.rank_below(Fraction(0))
    centres = [0, count - 1, zero]
    for landmark in (Fraction(fmt.smallest_normal), Fraction(1)):
        centres += [fmt.rank_below(landmark), fmt.rank_below(-landmark)]
    centres += h.rng.integers(count, size=max(h.samples // 4, 8), dtype="uint64").tolist()
    # Values of small magnitude are few among uniform ranks of a wide format; halve towards zero for more.
    centres += [zero + (1 << k) for k in range(count.bit_length() - 1)]
    near = {c + d for c in centres for d in (-1, 0, 1, 2)}
    return sorted(r for r in near if 0 <= r < count)
