"""When INT beats FP in theory: the noise model of arXiv:2510.25602, every assumption an argument.

A block of Gaussian numbers is divided by a scale that maps its largest magnitude to the format's maximum, or below it
by the overhead, and rounded. All that the model knows of a block is its crest factor, largest magnitude over rms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import FloatFormat, Format, get
from ..errors import ArgumentError, FormatMismatchError

__all__ = ["Crossover", "crossover", "float_qsnr_db", "int_qsnr_db"]

Reals = npt.NDArray[np.float64]

#: Scale overheads behind the paper's figures. For E4M3 its text says 1, and 1.05 is what gives its printed crossover.
_OVERHEAD = {"e8m0": 1.5, "e4m3": 1.05}
_BLOCK = {"e8m0": 32, "e4m3": 16}
#: Where a search for a crossover ends when the scale sets no bound of its own.
_LARGEST_CREST = 4096.0


@dataclass(frozen=True)
class Crossover:
    """Where the integer format stops being the better one.

    Attributes
    ----------
    crest : float
        The crest factor below which INT has the higher QSNR; `inf` when it has it everywhere, 0 when nowhere.
    qsnr_db : float
        The QSNR of both formats there, NaN when they do not cross.
    """

    crest: float
    qsnr_db: float


def _checked_integer(name: str, value: Any, low: int, high: int) -> int:
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or not low <= value <= high:
        raise ArgumentError(f"{name} must be an integer from {low} to {high}, got {value!r}")
    return int(value)


def _assumptions(scale: str, overhead: float | None, block: int | None) -> tuple[float, int]:
    if scale not in _OVERHEAD:
        raise ArgumentError(f"scale must be 'e8m0' or 'e4m3', got {scale!r}")
    rho = _OVERHEAD[scale] if overhead is None else float(overhead)
    if not 0 < rho < math.inf:
        raise ArgumentError(f"overhead must be positive and finite, got {overhead!r}; 1 is a scale without overhead")
    return rho, _checked_integer("block", _BLOCK[scale] if block is None else block, 2, 1 << 32)


def _crests(crest: Any, scale: str, block: int) -> Reals:
    kappa = np.asarray(crest, np.float64)
    if not ((kappa > 0) & (kappa < np.inf)).all():
        raise ArgumentError(f"crest must be positive and finite: largest magnitude over rms; got {crest!r}")
    if scale == "e4m3" and (kappa * kappa > block * (1 + 1e-12)).any():
        raise ArgumentError(
            f"crest cannot exceed sqrt(block) = {math.sqrt(block):.4g}, and with an E4M3 scale the model needs it; "
            f"got {float(kappa.max()):.4g}"
        )
    return kappa


def _phi(t: Reals) -> Reals:
    return np.asarray(np.exp(-t * t / 2) / math.sqrt(2 * math.pi))


def _within(t: Reals) -> Reals:
    """P(|Z| < t) for a standard Gaussian Z."""
    return np.asarray(np.frompyfunc(math.erf, 1, 1)(t / math.sqrt(2))).astype(np.float64)


def _plain(x: Reals) -> Any:
    return float(x) if x.ndim == 0 else x


def int_qsnr_db(
    crest: Any,
    bits: int,
    *,
    scale: str = "e8m0",
    overhead: float | None = None,
    levels: str = "printed",
    block: int | None = None,
) -> Any:
    """QSNR of a symmetric integer format in the noise model of arXiv:2510.25602, in decibels.

    Rounding noise is spread evenly over a step of ``overhead * max|x| / Q``, so that
    ``QSNR = 10 log10(12) + 20 log10(Q) - 20 log10(overhead) - 20 log10(crest)``. With an E4M3 scale the largest element
    of the block is exact and takes no part: plus ``10 log10(block / (block - 1))``.

    Parameters
    ----------
    crest : array_like of float
        Crest factor: largest magnitude of the block over its root mean square.
    bits : int
        Width of the integers, sign included, at least 2.
    scale : "e8m0" or "e4m3"
        The block's scale: a power of two (MX), or E4M3 (NVIDIA's two-level formats).
    overhead : float, optional
        The scale over the smallest one that does not clip. Default: 1.5 for E8M0, a mean over 1 to 2; 1.05 for E4M3.
        The paper's text has 1 for E4M3, its figure is met by 1.05.
    levels : "printed", "power_of_two" or "exact"
        The terms in Q. "printed": ``4.78 + 6.02 bits``, the paper's formula. "power_of_two": what that rounds,
        ``Q = 2**(bits - 1)``, 0.004 to 0.006 dB less for 8 to 4 bits. "exact": the largest code that the formats have,
        ``Q = 2**(bits - 1) - 1``.
    block : int, optional
        Elements of a block; only an E4M3 scale makes use of it. Default: 32 for E8M0, 16 for E4M3.

    Returns
    -------
    float, or ndarray of crest's shape

    Raises
    ------
    ArgumentError
        An argument out of its range; with an E4M3 scale, a crest factor beyond ``sqrt(block)``, which no block has.

    >>> round(int_qsnr_db(2.0, 8), 2), round(int_qsnr_db(2.0, 8, overhead=1, levels="exact"), 2)
    (43.4, 46.85)
    """
    rho, block = _assumptions(scale, overhead, block)
    bits = _checked_integer("bits", bits, 2, 64)
    if levels not in ("printed", "power_of_two", "exact"):
        raise ArgumentError(f"levels must be 'printed', 'power_of_two' or 'exact', got {levels!r}")
    kappa = _crests(crest, scale, block)
    top = (1 << (bits - 1)) - (levels == "exact")
    resolution = 4.78 + 6.02 * bits if levels == "printed" else 10 * math.log10(12) + 20 * math.log10(top)
    qsnr = resolution - 20 * math.log10(rho) - 20 * np.log10(kappa)
    if scale == "e4m3":
        qsnr = qsnr + 10 * math.log10(block / (block - 1))
    return _plain(np.asarray(qsnr))


def _float_facts(fmt: Any) -> tuple[int, int, float]:
    """Bias, mantissa bits, largest value."""
    if isinstance(fmt, tuple):
        if len(fmt) != 3 or not all(isinstance(v, (int, float)) for v in fmt) or fmt[1] < 0 or fmt[2] <= 0:
            raise ArgumentError(f"fmt must be a float format, its name, or (bias, mantissa_bits, max), got {fmt!r}")
        return fmt
    found = get(fmt)
    if not isinstance(found, FloatFormat) or not found.subnormals:
        raise FormatMismatchError(f"fmt must be a float with subnormals, {found.name} is none; pass a FloatFormat")
    return found.bias, found.mantissa_bits, float(found.max)


def float_qsnr_db(
    crest: Any,
    fmt: Format | str | tuple[int, int, float],
    *,
    scale: str = "e8m0",
    overhead: float | None = None,
    block: int | None = None,
    dead_zone: bool = False,
) -> Any:
    """QSNR of a float format in the noise model of arXiv:2510.25602, in decibels.

    With bias B, M mantissa bits and largest value m, an element of z standard deviations is normal where
    ``|z| >= t1 = overhead * crest * 2**(1 - B) / m``. There the noise is ``alpha z**2``, ``alpha = 1 / (24 * 4**M)``: a
    twelfth of the squared step, significands spread evenly over [1, 2). Below, it is that of the constant step of the
    subnormals, ``beta (overhead * crest)**2`` with ``beta = 4**(1 - B - M) / (12 m**2)``. The relative noise is
    ``alpha * (E[Z**2; |Z| >= t1] - eta) + beta * (overhead * crest)**2 * P(|Z| < t1)`` for a standard Gaussian Z, with
    ``eta = crest**2 / block`` for an E4M3 scale, whose block maximum is exact, and 0 for E8M0.

    Parameters
    ----------
    crest, scale, overhead, block
        As in `int_qsnr_db`.
    fmt : Format, str, or (bias, mantissa_bits, max)
        A float format with subnormals.
    dead_zone : bool
        Count elements that round to zero, ``|z| < t0 = overhead * crest * 2**(-B - M) / m``, with their own square as
        the noise. The authors' script does, the paper's formula does not; the difference is small.

    Returns
    -------
    float, or ndarray of crest's shape
        `inf` where the model leaves no noise.

    Raises
    ------
    ArgumentError
        As `int_qsnr_db`, or a tuple that is none of three numbers.
    FormatMismatchError
        `fmt` is not a float, or has no subnormals.

    >>> round(float_qsnr_db(2.0, "fp8_e4m3fn"), 2), round(float_qsnr_db(2.0, (1, 1, 6.0)), 2)
    (31.86, 19.18)
    """
    rho, block = _assumptions(scale, overhead, block)
    bias, mantissa_bits, largest = _float_facts(fmt)
    kappa = _crests(crest, scale, block)
    reach = rho * kappa / largest  # what one unit of the format is worth, in standard deviations
    t1 = reach * 2.0 ** (1 - bias)
    below = _within(t1)
    normal = 1 - (below - 2 * t1 * _phi(t1))
    lost = 0.0 * t1
    if dead_zone:
        t0 = reach * 2.0 ** (-bias - mantissa_bits)
        zeros = _within(t0)
        lost = zeros - 2 * t0 * _phi(t0)
        below = below - zeros
    eta = kappa * kappa / block if scale == "e4m3" else 0.0
    step = reach * 2.0 ** (1 - bias - mantissa_bits)
    noise = (normal - eta) / (24 * 4.0**mantissa_bits) + step * step / 12 * below + lost
    with np.errstate(divide="ignore"):
        return _plain(np.asarray(-10 * np.log10(np.maximum(noise, 0.0))))


def crossover(
    int_bits: int,
    float_fmt: Format | str | tuple[int, int, float],
    *,
    scale: str = "e8m0",
    overhead: float | None = None,
    levels: str = "printed",
    block: int | None = None,
    dead_zone: bool = False,
) -> Crossover:
    """The crest factor where an integer and a float format have the same QSNR; the integer wins below it.

    The first crossing from 1 up, by bisection: to 4096 for an E8M0 scale, to ``sqrt(block)``, which no block exceeds,
    for E4M3. With the defaults, the four published crossovers of arXiv:2510.25602: 7.55, 1.96, 2.04 for the MX formats
    of 8, 6 and 4 bits, and 2.39 for NVINT4 and NVFP4. An E8M0 crossover may lie beyond ``sqrt(block)``; then no block
    reaches it, and the integer always wins.

    Parameters
    ----------
    int_bits : int
        As `bits` of `int_qsnr_db`.
    float_fmt : Format, str, or (bias, mantissa_bits, max)
        As `fmt` of `float_qsnr_db`.
    scale, overhead, levels, block, dead_zone
        As in those two; the same for both formats.

    Returns
    -------
    Crossover

    Raises
    ------
    ArgumentError, FormatMismatchError
        As `int_qsnr_db` and `float_qsnr_db`.

    >>> at = crossover(8, "fp8_e4m3fn")
    >>> round(at.crest, 2), round(at.qsnr_db, 2)
    (7.55, 31.86)
    """

    def lead(kappa: Any) -> Any:
        integer = int_qsnr_db(kappa, int_bits, scale=scale, overhead=overhead, levels=levels, block=block)
        return integer - float_qsnr_db(
            kappa, float_fmt, scale=scale, overhead=overhead, block=block, dead_zone=dead_zone
        )

    _, size = _assumptions(scale, overhead, block)
    grid = np.geomspace(1.0, math.sqrt(size) if scale == "e4m3" else _LARGEST_CREST, 1024)
    behind = np.flatnonzero(lead(grid) <= 0)
    if behind.size == 0:
        return Crossover(math.inf, math.nan)
    if behind[0] == 0:
        return Crossover(0.0, math.nan)
    low, high = float(grid[behind[0] - 1]), float(grid[behind[0]])
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if lead(middle) > 0 else (low, middle)
    return Crossover(
        high, float(int_qsnr_db(high, int_bits, scale=scale, overhead=overhead, levels=levels, block=block))
    )
