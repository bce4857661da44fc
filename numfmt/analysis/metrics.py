"""How much of the data a format keeps: signal-to-noise ratio, decimal accuracy, and the best clipping value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import Format, quantize
from ..errors import ArgumentError, FormatMismatchError
from ..formats import scalar as get

__all__ = ["ClipSearch", "best_clip", "decimal_accuracy", "sqnr_db"]

Reals = npt.NDArray[np.float64]


def _pair(x: Any, q: Any) -> tuple[Reals, Reals]:
    x, q = np.asarray(x, np.float64), np.asarray(q, np.float64)
    if x.shape != q.shape:
        raise ArgumentError(f"q must have the shape of x, which is {x.shape}; got {q.shape}")
    return x, q


def _decibels(signal: float, noise: float) -> float:
    if noise == 0:
        return math.inf
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(10 * np.log10(np.float64(signal) / noise))


def sqnr_db(x: Any, q: Any) -> float:
    """Signal-to-quantization-noise ratio of `q`, the rounded `x`, in decibels.

    ``10 log10(sum(x**2) / sum((x - q)**2))``, computed in binary64 after a common scaling by a power of two, so that
    neither sum overflows.

    Parameters
    ----------
    x : array_like of real numbers, any shape
    q : array_like or Encoded, of the same shape

    Returns
    -------
    float
        `inf` when every element is exact, `-inf` when `q` has an infinity that `x` has not, NaN when either has a NaN
        or `x` an infinity.

    Raises
    ------
    ArgumentError
        The shapes differ.

    >>> import numfmt as nf
    >>> x = [1.0, 2.0, 3.1]
    >>> round(sqnr_db(x, nf.quantize(x, "fp4_e2m1")), 2)
    31.65
    """
    x, q = _pair(x, q)
    exponent = int(np.frexp(np.abs(x).max(initial=0.0))[1]) if np.isfinite(x).all() else 0
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.ldexp(x, -exponent)
        error = scaled - np.ldexp(q, -exponent)
        return _decibels(float(np.square(scaled).sum()), float(np.square(error).sum()))


def decimal_accuracy(x: Any, q: Any) -> Reals:
    """Decimal accuracy ``-log10(abs(log10(q / x)))`` of each element of `q`, the rounded `x`.

    Roughly the number of correct decimal digits (Gustafson and Yonemoto 2017). The logarithm of the quotient is taken
    from the difference ``q - x`` where the two are close: it is exact there, so that no digits are lost.

    Parameters
    ----------
    x : array_like of real numbers, any shape
    q : array_like or Encoded, of the same shape

    Returns
    -------
    ndarray of float64, of x's shape
        `inf` where ``q == x`` (both zeros included); `-inf` where the sign is lost or only one of them is zero or
        infinite; NaN where either is NaN.

    Raises
    ------
    ArgumentError
        The shapes differ.

    >>> import numfmt as nf
    >>> x = np.array([1.0, 1.03, 0.0001])
    >>> decimal_accuracy(x, nf.quantize(x, "fp8_e4m3fn")).round(2)
    array([ inf, 1.89, -inf])
    """
    x, q = _pair(x, q)
    with np.errstate(all="ignore"):
        relative = (q - x) / x
        close = np.log1p(relative) / math.log(10.0)
        apart = np.log10(np.abs(q)) - np.log10(np.abs(x))
        accuracy = -np.log10(np.abs(np.where(np.abs(relative) < 0.5, close, apart)))
    lost = (np.sign(x) != np.sign(q)) | (np.isinf(x) != np.isinf(q))
    accuracy = np.where(lost, -np.inf, accuracy)
    accuracy = np.where(x == q, np.inf, accuracy)
    return np.where(np.isnan(x) | np.isnan(q), np.nan, accuracy)


@dataclass(frozen=True)
class ClipSearch:
    """What `best_clip` found.

    Attributes
    ----------
    format : Format
        The format that was scaled.
    clip : float
        The clipping value of least mean squared error: the value that the format's maximum stands for.
    ratio : float
        `clip` over the largest magnitude of the data.
    scale : float
        ``format.max / clip``; the result is ``quantize(x * scale, format) / scale``.
    mse, sqnr_db : float
        Mean squared error, and signal-to-noise ratio in decibels, at `clip`.
    absmax_sqnr_db : float
        The same ratio without a search, with `clip` the largest magnitude.
    clips, sqnrs_db : tuple of float
        Every candidate, ascending, and its ratio.
    """

    format: Format
    clip: float
    ratio: float
    scale: float
    mse: float
    sqnr_db: float
    absmax_sqnr_db: float
    clips: tuple[float, ...]
    sqnrs_db: tuple[float, ...]


def best_clip(x: Any, fmt: Format | str, *, low: float = 0.02, high: float = 1.2, count: int = 48) -> ClipSearch:
    """Search the clipping value `c` of least mean squared error when `fmt` is scaled so that its maximum is `c`.

    One scale for the whole array (per tensor), as in arXiv:2303.17951. Scaling is in binary64, rounding is the format's
    default, values beyond the clipping value saturate. The largest magnitude itself is always a candidate. Tapered
    formats (posits, takums, HiF8) are coarse near their maximum and want a grid of their own, `high` far above 1.

    Parameters
    ----------
    x : array_like of finite real numbers, not all zero
    fmt : Format or str
        A real scalar format. Use one that is symmetric, such as ``"int8_narrow"`` rather than ``"int8"``, to clip both
        sides alike.
    low, high : float
        First and last candidate, as fractions of the largest magnitude; ``0 < low <= high``.
    count : int
        Number of candidates between them, in geometric progression.

    Returns
    -------
    ClipSearch

    Raises
    ------
    ArgumentError
        `x` is empty, all zero or not finite; a bad grid; a scale beyond binary64.
    FormatMismatchError
        `fmt` is complex, or its largest value is beyond binary64.

    >>> x = np.random.default_rng(0).laplace(size=10_000)
    >>> found = best_clip(x, "int8_narrow")
    >>> round(found.ratio, 2), found.sqnr_db > found.absmax_sqnr_db
    (0.92, True)
    """
    fmt = get(fmt)
    if fmt.is_complex:
        raise FormatMismatchError(f"best_clip is for real formats; {fmt.name} is complex")
    if not (0 < low <= high < math.inf and count >= 1):
        raise ArgumentError(f"the grid needs 0 < low <= high and count >= 1, got low={low}, high={high}, count={count}")
    x = np.array(x, np.float64).reshape(-1)
    largest = float(np.abs(x).max(initial=0.0))
    if not 0 < largest < math.inf:  # NaN fails both comparisons
        raise ArgumentError(f"x must be finite and not all zero; its largest magnitude is {largest}")
    if fmt.value_dtype.kind == "O":  # Fractions
        raise FormatMismatchError(f"best_clip works in binary64, which does not hold the largest value of {fmt.name}")
    top = float(fmt.max)
    ratios = np.union1d(np.geomspace(low, high, count), [1.0])
    clips = ratios * largest
    with np.errstate(over="ignore", divide="ignore"):
        scales = top / clips
        reach = largest * scales
    if not (np.isfinite(scales).all() and np.isfinite(reach).all() and scales.all()):
        raise ArgumentError(
            f"the scale {fmt.name}.max / clip leaves binary64 for data of magnitude {largest}; rescale x towards 1"
        )
    # NumPy sums pairwise, in an order that no BLAS library and no thread count changes.
    signal = float(np.square(x / largest).sum())
    noise = np.empty(clips.size)
    for i, scale in enumerate(scales.tolist()):
        scaled = x * scale
        error = (scaled - quantize(scaled, fmt, overflow="saturate")) / (largest * scale)
        noise[i] = np.square(error).sum()
    sqnrs = [_decibels(signal, float(n)) for n in noise]
    best = int(np.argmin(noise))
    return ClipSearch(
        format=fmt,
        clip=float(clips[best]),
        ratio=float(ratios[best]),
        scale=float(scales[best]),
        mse=float(noise[best]) / x.size * largest * largest,
        sqnr_db=sqnrs[best],
        absmax_sqnr_db=sqnrs[int(np.flatnonzero(ratios == 1.0)[0])],
        clips=tuple(clips.tolist()),
        sqnrs_db=tuple(sqnrs),
    )
