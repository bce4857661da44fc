"""Where a real number lies among the values of a format: its two neighbours, and its position between them.

One function per family, each from its standard's own description: P3109's RoundToPrecision for the floats, truncation
of the infinite encoding string for posits and takums, scaled integers, floor of the logarithm, or the list of values.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from math import floor
from typing import NamedTuple

from ..formats import (
    CodebookFormat,
    ExponentFormat,
    FloatFormat,
    Format,
    HiFloat8Format,
    IntFormat,
    LnsFormat,
    P3109Format,
    PositFormat,
    Specials,
    TakumFormat,
    TakumLogFormat,
)
from .decode import HIF8_MAGNITUDES, decode, exponential, logarithm, to_fraction

__all__ = ["Place", "magnitude_limit", "place"]

HALF = Fraction(1, 2)


class Place(NamedTuple):
    """The neighbours of a number as codes (None: out of range), and where it lies between them."""

    inner: int | None
    outer: int | None
    nu: Fraction  # 0: it is the inner neighbour itself
    side: int  # -1, 0, +1: below, at, above the point where nearest rounding switches
    inner_is_even: bool
    crosses_zero: bool = False  # the neighbours are -a and b around a zero that the format lacks

    @classmethod
    def exactly(cls, code: int) -> Place:
        """A number that is a value of the format, or that every rounding sends to `code`."""
        return cls(code, code, Fraction(0), -1, code % 2 == 0)


def place(x: Fraction, fmt: Format, *, wrap: bool = False) -> Place:
    """The neighbours of the non-zero number `x`; integers come modulo ``2**bits`` when `wrap`."""
    if isinstance(fmt, (FloatFormat, P3109Format)):
        return _float(x, fmt)
    if isinstance(fmt, IntFormat):
        return _integer(x, fmt, wrap)
    if isinstance(fmt, ExponentFormat):
        return _exponent(x, fmt)
    if isinstance(fmt, (PositFormat, TakumFormat, TakumLogFormat)):
        return _string(x, fmt)
    if isinstance(fmt, LnsFormat):
        return _lns(x, fmt)
    return _listed(x, fmt)


def _sign(x: Fraction) -> int:
    return (x > 0) - (x < 0)


def floor_log2(x: Fraction) -> int:
    """The largest integer e with ``2**e <= x``, x > 0."""
    e = x.numerator.bit_length() - x.denominator.bit_length()
    return e if Fraction(2) ** e <= x else e - 1


# ---- floats and P3109 ----------------------------------------------------------------------------------------------


def magnitude_limit(fmt: FloatFormat | P3109Format) -> int:
    """The code of the largest finite magnitude."""
    if isinstance(fmt, P3109Format):
        top = 1 << (fmt.K - 1) if fmt.signed else (1 << fmt.K) - 1  # the NaN, just above infinity or the largest value
        return top - (2 if fmt.extended else 1)
    top = (1 << (fmt.E + fmt.M)) - 1
    return top - {Specials.IEEE: 1 << fmt.M, Specials.FN: 1}.get(fmt.specials, 0)


def _float(x: Fraction, fmt: FloatFormat | P3109Format) -> Place:
    """P3109 v4.0 RoundToPrecision: Q = max(floor(log2 |X|), 1 - B) - P + 1, significand |X| * 2**-Q."""
    p, b, magnitude = fmt.precision, fmt.bias, abs(x)
    normal = Fraction(2) ** (1 - b)
    limit, negative = magnitude_limit(fmt), x < 0

    def pack(index: int) -> int | None:
        if index > limit or (negative and index and not fmt.signed):
            return None
        minus_zero = isinstance(fmt, FloatFormat) and fmt.specials is not Specials.FNUZ
        return index + 2 ** (fmt.bits - 1) if negative and fmt.signed and (index or minus_zero) else index

    if magnitude < normal and not fmt.subnormals:
        position = magnitude / normal
        return Place(pack(0), pack(2 ** (p - 1)), position, _sign(position - HALF), True)
    q = max(floor_log2(magnitude), 1 - b) - p + 1
    significand = magnitude / Fraction(2) ** q
    whole = floor(significand)
    nu = significand - whole
    code_is_even = whole % 2 == 0 if p > 1 else whole == 0 or (q + b) % 2 == 0
    # Magnitude codes count the values: 2**(P-1) to a binade, above the subnormals' own 2**(P-1).
    index = whole + (q - (2 - b - p)) * 2 ** (p - 1)
    return Place(pack(index), pack(index + 1), nu, _sign(nu - HALF), code_is_even)


# ---- integers and powers of two ------------------------------------------------------------------------------------


def _integer(x: Fraction, fmt: IntFormat, wrap: bool) -> Place:
    scaled = abs(x) * Fraction(2) ** fmt.frac_bits
    whole = floor(scaled)
    n, negative = fmt.bits, x < 0

    def pack(magnitude: int) -> int | None:
        integer = -magnitude if negative else magnitude
        if wrap:
            return integer % (1 << n)
        if not fmt.signed:
            return integer if 0 <= integer < 2**n else None
        smallest = -(2 ** (n - 1)) + int(fmt.narrow or fmt.sign_magnitude)
        if not smallest <= integer < 2 ** (n - 1):
            return None
        return magnitude + (negative << (n - 1)) if fmt.sign_magnitude else integer % (1 << n)

    nu = scaled - whole
    return Place(pack(whole), pack(whole + 1), nu, _sign(nu - HALF), whole % 2 == 0)


def _exponent(x: Fraction, fmt: ExponentFormat) -> Place:
    if x < 0:
        return Place(None, None, Fraction(0), -1, True)
    e, bias, largest = floor_log2(x), 2 ** (fmt.bits - 1) - 1, 2**fmt.bits - 2
    code = e + bias
    if code < 0:
        return Place.exactly(0)
    nu = x / Fraction(2) ** e - 1
    inner, outer = (c if c <= largest else None for c in (code, code + 1))
    return Place(inner, outer, nu, _sign(nu - HALF), code % 2 == 0)


# ---- posits and takums: the string rule ----------------------------------------------------------------------------


def _posit_string(x: Fraction, fmt: PositFormat) -> tuple[str, Fraction]:
    """The leading bits of the unlimited posit of x > 0 after its sign bit, and the rest as a fraction."""
    scale = floor_log2(x)
    k, e = divmod(scale, 2**fmt.es)
    regime = "1" * (k + 1) + "0" if k >= 0 else "0" * -k + "1"
    exponent = f"{e:0{fmt.es}b}" if fmt.es else ""
    return regime + exponent, x / Fraction(2) ** scale - 1


def _takum_string(c: int) -> str:
    """D R C of a characteristic: D = 1 and c = 2**r - 1 + C for c >= 0, else D = 0 and c = -2**(r+1) + 1 + C."""
    r = (c + 1).bit_length() - 1 if c >= 0 else (-c).bit_length() - 1
    tail = c - (2**r - 1) if c >= 0 else c + 2 ** (r + 1) - 1
    return f"{int(c >= 0)}{r if c >= 0 else 7 - r:03b}" + (f"{tail:0{r}b}" if r else "")


def _twice_ln(x: Fraction, precision: int) -> Fraction:
    """2 ln(x), the logarithm in base sqrt(e), with an error below ``2**-precision``."""
    import mpmath

    with mpmath.workprec(precision + 64):
        return to_fraction(2 * (mpmath.log(x.numerator) - mpmath.log(x.denominator)))


def _string_parts(x: Fraction, fmt: Format, precision: int) -> tuple[str, Fraction] | None:
    """(leading bits, fraction) of x > 0, or None when x lies below or above every string of the family."""
    if isinstance(fmt, PositFormat):
        return _posit_string(x, fmt)
    if isinstance(fmt, TakumFormat):
        c = floor_log2(x)
        fraction = x / Fraction(2) ** c - 1
    else:
        logarithm_ = _twice_ln(x, precision) if x != 1 else Fraction(0)
        c = floor(logarithm_)
        fraction = logarithm_ - c
    return (_takum_string(c), fraction) if -255 <= c <= 254 else None


def _string(x: Fraction, fmt: PositFormat | TakumFormat | TakumLogFormat) -> Place:
    """Cut the infinite string of |x| after n - 1 bits; nearest switches where the rest is one half.

    Posit Standard 2022 section 4.1: |x| >= maxpos gives maxpos, and nearest never gives 0 or NaR for a non-zero x.
    """
    n, magnitude, precision = fmt.bits, abs(x), 256
    largest = 2 ** (n - 1) - 1

    def pack(index: int) -> int:
        return (2**n - index) % 2**n if x < 0 else index

    if not _below_largest(magnitude, fmt, largest):
        return Place.exactly(pack(largest))
    parts = _string_parts(magnitude, fmt, precision)
    if parts is None:
        index, side = 0, 1
    else:
        bits, fraction = parts
        string = (int(bits, 2) + fraction) * Fraction(2) ** (n - 1 - len(bits))
        index = floor(string)
        side = 1 if index == 0 else _sign(string - index - HALF)
        if not fmt.exact and magnitude != 1:
            error = Fraction(2) ** (n - precision)
            assert floor(2 * (string - error)) == floor(2 * (string + error)), "precision too small"
    return Place(pack(index), pack(index + 1), _nu(magnitude, index, fmt), side, index % 2 == 0)


def _below_largest(magnitude: Fraction, fmt: Format, largest: int) -> bool:
    if not isinstance(fmt, TakumLogFormat):
        return magnitude < decode(largest, fmt)
    limit = logarithm(largest, fmt)
    assert limit is not None
    return _twice_ln(magnitude, 256) < limit


def _nu(magnitude: Fraction, index: int, fmt: Format) -> Fraction:
    """Position of a magnitude between the values of codes `index` and ``index + 1``; irrational values to 300 bits."""
    low, high = _magnitude(index, fmt), _magnitude(index + 1, fmt)
    return (magnitude - low) / (high - low)


def _magnitude(code: int, fmt: Format) -> Fraction:
    if isinstance(fmt, (LnsFormat, TakumLogFormat)):
        exponent = logarithm(code, fmt)
        binary = isinstance(fmt, LnsFormat)
        if exponent is None:
            return Fraction(0)
        if exponent and not (binary and exponent.denominator == 1):
            low, high = exponential(binary, exponent, 300)
            return (low + high) / 2
    value = decode(code, fmt)
    assert isinstance(value, Fraction)
    return value


# ---- LNS -----------------------------------------------------------------------------------------------------------


def _lns(x: Fraction, fmt: LnsFormat) -> Place:
    """floor(2 * 2**r * log2 |x|), from |x|**(2 * 2**r) in integers, is twice the exponent plus the half of its step."""
    n, k, magnitude, negative = fmt.bits, 2**fmt.frac_bits, abs(x), x < 0
    scale = floor_log2(magnitude)
    halves = floor_log2((magnitude / Fraction(2) ** scale) ** (2 * k)) + scale * 2 * k
    lowest = -(1 << (n - 2))
    exponent, upper_half = divmod(halves, 2)
    if exponent >= -lowest - 1:
        return Place.exactly(-lowest - 1 + negative * 2 ** (n - 1))
    if exponent < lowest or (exponent == lowest and not upper_half):
        exponent, upper_half = lowest, 0

    def pack(number: int) -> int:
        return -lowest if number == lowest else number % (1 << (n - 1)) + (negative << (n - 1))

    exact = magnitude == Fraction(2) ** scale and exponent > lowest
    inner = pack(exponent)
    nu = Fraction(0) if exact else _nu_lns(magnitude, exponent, lowest, fmt)
    return Place(inner, pack(exponent + 1), nu, 1 if upper_half else -1, exponent % 2 == 0)


def _nu_lns(magnitude: Fraction, exponent: int, lowest: int, fmt: LnsFormat) -> Fraction:
    field = 2 ** (fmt.bits - 1)
    low = Fraction(0) if exponent == lowest else _magnitude(exponent % field, fmt)
    return (magnitude - low) / (_magnitude((exponent + 1) % field, fmt) - low)


# ---- lists of values -----------------------------------------------------------------------------------------------


@lru_cache(maxsize=2048)
def _listing(fmt: Format, negative: bool) -> tuple[Sequence[Fraction], Sequence[int]]:
    """Distinct finite values in order with the lowest code of each; for negative numbers zero is -0 if there is one."""
    found: dict[Fraction, int] = {}
    if isinstance(fmt, HiFloat8Format):
        for code, magnitude in HIF8_MAGNITUDES.items():
            found |= {magnitude: code, -magnitude: code + 0x80}
        found[Fraction(0)] = 0
        # What 0x6F would have been, were it not infinity: values from here on overflow.
        found |= {Fraction(49152): 0x6F, Fraction(-49152): 0xEF}
    else:
        decoded = [(decode(code, fmt), code) for code in range(fmt.code_count)]
        zeros = [(Fraction(0), code) for value, code in decoded if isinstance(value, float) and value == 0]
        numbers = [(value, code) for value, code in decoded if isinstance(value, Fraction)]
        for value, code in zeros + numbers if negative else numbers + zeros:
            found.setdefault(value, code)
    values = sorted(found)
    return values, [found[v] for v in values]


def _listed(x: Fraction, fmt: Format) -> Place:
    """HiF8, codebooks and families of the user's own: neighbours in the list of values."""
    values, codes = _listing(fmt, x < 0)
    rank = bisect_right(values, x) - 1
    if rank < 0 or rank == len(values) - 1:
        end = 0 if rank < 0 else -1
        return _listed_end(x, fmt, values[end], codes[end])
    if values[rank] == x:
        return _hif8_overflow(Place.exactly(codes[rank]), fmt)
    low, high = values[rank], values[rank + 1]
    crosses = low < 0 < high
    outward = 1 if low >= 0 or crosses else -1
    inner, outer = (rank, rank + 1) if outward == 1 else (rank + 1, rank)
    nu = (x - values[inner]) / (values[outer] - values[inner])
    side = _sign(x - _middle(fmt, low, high, codes[rank], codes[rank + 1])) * outward
    return _hif8_overflow(Place(codes[inner], codes[outer], nu, side, codes[inner] % 2 == 0, crosses), fmt)


def _middle(fmt: Format, low: Fraction, high: Fraction, lower: int, upper: int) -> Fraction:
    """Where nearest switches: half-way, or that number as a binary32 constant, or where a user's family says."""
    middle = (low + high) / 2
    if isinstance(fmt, CodebookFormat) and fmt.breakpoints:
        # Stated for the magnitudes in ascending order: the i-th lies above the i-th of them.
        smaller = min(abs(low), abs(high))
        stated_at = fmt.breakpoints[len({abs(Fraction(v)) for v in fmt.values if abs(v) < smaller})]
        return Fraction(stated_at if low >= 0 else -stated_at)
    if isinstance(fmt, CodebookFormat) and fmt.float32_breakpoints:
        return _binary32(middle)
    if isinstance(fmt, (CodebookFormat, HiFloat8Format)):
        return middle
    stated = fmt.breakpoint(lower, upper)
    assert isinstance(stated, Fraction)
    return stated


def _listed_end(x: Fraction, fmt: Format, end: Fraction, code: int) -> Place:
    """At or beyond the ends: codebooks take the end; HiF8 overflows; a user's family says what would follow."""
    if isinstance(fmt, HiFloat8Format):
        return Place(None, None, Fraction(0), -1, True)
    successor = fmt.above_max if x >= end else fmt.below_min
    if isinstance(fmt, CodebookFormat) or successor is None or x == end:
        return Place.exactly(code)
    nu = (x - end) / (successor - end)
    if nu >= 1:
        return Place(None, None, Fraction(0), -1, True)
    return Place(code, None, nu, _sign(nu - HALF), code % 2 == 0)


def _hif8_overflow(found: Place, fmt: Format) -> Place:
    if not isinstance(fmt, HiFloat8Format):
        return found
    inner, outer = (None if c in (0x6F, 0xEF) else c for c in (found.inner, found.outer))
    return found._replace(inner=inner, outer=outer)


def _binary32(x: Fraction) -> Fraction:
    """The binary32 nearest to a number in its normal range, ties to even."""
    quantum = Fraction(2) ** (floor_log2(abs(x)) - 23) if x else Fraction(1)
    return round(x / quantum) * quantum
