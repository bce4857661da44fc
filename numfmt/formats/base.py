"""`Format`: frozen data plus one exact function, `value_of(code)`, from which every other fact is derived."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError, CodeRangeError, FormatMismatchError
from ..rounding import NaNRule, Overflow, Rounding
from .real import Real, brief, compare, nearest_binary64
from .unpacked import Kind, Unpacked

__all__ = ["ContiguousCodes", "Format", "code_dtype"]

#: Widest format whose whole value table is built.
TABLE_BITS = 16


def code_dtype(bits: int) -> np.dtype[Any]:
    """The smallest unsigned dtype that holds `bits` bits.

    >>> code_dtype(6)
    dtype('uint8')
    """
    return np.dtype(next(d for w, d in ((8, "u1"), (16, "u2"), (32, "u4"), (64, "u8")) if bits <= w))


class ContiguousCodes(Sequence[int]):
    """Codes in order of value when they are a few runs of consecutive integers, for formats too wide for a table."""

    def __init__(self, *runs: range) -> None:
        self._runs = [r for r in runs if len(r)]
        self._size = sum(len(r) for r in self._runs)

    @property
    def size(self) -> int:
        """Number of codes; unlike `len` not limited to what fits a signed machine word."""
        return self._size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, rank: Any) -> Any:
        if isinstance(rank, slice):
            return [self[i] for i in range(*rank.indices(self._size))]
        rank = range(self._size)[rank]
        for run in self._runs:
            if rank < len(run):
                return run[rank]
            rank -= len(run)
        raise IndexError(rank)  # pragma: no cover - range() above has checked it


class Format(ABC):
    """A number format: which real number each code stands for.

    A subclass is a frozen dataclass with `bits`, a `name`, a `source` and `value_of`. Everything else (tables, order,
    neighbours, ranges, thresholds) is derived from those, so a new family works at once through the table path.
    """

    source: str = ""
    bits: int

    # ---- what a family states ------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def name(self) -> str:
        """The canonical name; ``numfmt.get(f.name) == f``."""

    @abstractmethod
    def value_of(self, code: int) -> Unpacked:
        """The exact value of `code`, ``0 <= code < code_count``, straight from the standard."""

    def real_of(self, code: int) -> Real:
        """The exact finite value of `code` as a rational or an irrational `Exponential`."""
        return self.value_of(code).value

    def breakpoint(self, lower: int, upper: int) -> Real:
        """Where nearest rounding turns from code `lower` to its neighbour `upper`; default: the midpoint."""
        low, high = self.real_of(lower), self.real_of(upper)
        assert isinstance(low, Fraction) and isinstance(high, Fraction)
        return (low + high) / 2

    @property
    def above_max(self) -> Fraction | None:
        """The value that would follow the largest finite one if the exponent were unbounded.

        None: larger magnitudes round to the largest value, and nothing overflows.
        """
        return None

    @property
    def below_min(self) -> Fraction | None:
        """The value that would precede the smallest (most negative) one."""
        return None

    @property
    def negative_is_nan(self) -> bool:
        """Whether a negative number, having no place in the format, encodes as NaN instead of the smallest value."""
        return False

    @property
    def default_rounding(self) -> Rounding:
        """The rounding used when none is asked for."""
        return Rounding.NEAREST_EVEN

    @property
    def default_overflow(self) -> Overflow:
        """The overflow policy of `encode` when none is asked for."""
        return Overflow.SATURATE

    @property
    def default_nan(self) -> NaNRule:
        """The NaN rule of `encode` when none is asked for: canonical NaN, or an error where the format has none."""
        return NaNRule.CANONICAL if self.has_nan else NaNRule.RAISE

    @property
    def exact(self) -> bool:
        """Whether `value_of` is exact; False for logarithmic formats, whose values are irrational."""
        return True

    @property
    def is_complex(self) -> bool:
        """True for codebooks of complex numbers."""
        return False

    @property
    def code_count(self) -> int:
        """Number of legal codes, ``2**bits`` unless a family leaves some out."""
        return 1 << self.bits

    @property
    def field_widths(self) -> tuple[tuple[str, int], ...]:
        """Names and widths of the bit fields, most significant first, for display."""
        return (("code", self.bits),)

    def fields_of(self, code: int) -> tuple[tuple[str, str], ...]:
        """The fields of one code as (name, bits as text), most significant first, for display."""
        text, out, at = f"{code:0{self.bits}b}", [], 0
        for field, width in self.field_widths:
            if width:
                out.append((field, text[at : at + width]))
            at += width
        return tuple(out)

    # ---- identity ------------------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        # Derived tables and compiled plans are remade, never pickled.
        if is_dataclass(self):
            return {f.name: getattr(self, f.name) for f in fields(self)}
        return {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __str__(self) -> str:
        return self.name

    # ---- order ---------------------------------------------------------------------------------------------------

    @property
    def code_dtype(self) -> np.dtype[Any]:
        """dtype of code arrays: the smallest of uint8, uint16, uint32, uint64."""
        return code_dtype(self.bits)

    @cached_property
    def _unpacked(self) -> tuple[Unpacked, ...]:
        if self.bits > TABLE_BITS:
            raise ArgumentError(
                f"{self.name} has 2**{self.bits} codes: too wide for a table (at most {TABLE_BITS} bits)"
            )
        return tuple(self.value_of(code) for code in range(self.code_count))

    @cached_property
    def ordered_codes(self) -> Sequence[int]:
        """Finite codes in increasing order of value, -0 before +0, one (the lowest) per value."""
        finite = [(c, u) for c, u in enumerate(self._unpacked) if u.is_finite]
        if self.exact:
            # Dyadic values sort exactly as integers over a common power of two.
            low = min((u.exponent for _, u in finite if u.kind is Kind.FINITE), default=0)
            keyed = [((u.significand << (u.exponent - low)) * (1 - 2 * u.sign), 1 - u.sign, c) for c, u in finite]
        else:
            # value_of carries about 100 correct bits, far finer than the distance of any two codes.
            keyed = [(u.value, 1 - u.sign, c) for c, u in finite]  # type: ignore[misc]
        codes, last = [], None
        for key, positive, code in sorted(keyed):
            here = (key, positive if key == 0 else None)
            if here != last:
                codes.append(code)
            last = here
        return codes

    @property
    def ordered_count(self) -> int:
        """Number of entries of `ordered_codes`."""
        codes = self.ordered_codes
        return codes.size if isinstance(codes, ContiguousCodes) else len(codes)

    def rank_below(self, x: Real) -> int:
        """Largest rank whose value is ``<= x`` (-1 when all values are larger)."""
        codes = self.ordered_codes
        low, high = -1, self.ordered_count - 1
        while low < high:
            middle = (low + high + 1) // 2
            if compare(x, self.real_of(codes[middle])) >= 0:
                low = middle
            else:
                high = middle - 1
        return low

    # ---- facts ---------------------------------------------------------------------------------------------------

    def _number(self, code: int) -> Any:
        real = self.real_of(code)
        x = nearest_binary64(real)
        return x if not isinstance(real, Fraction) or (math.isfinite(x) and Fraction(x) == real) else real

    @cached_property
    def max_code(self) -> int:
        """Code of the largest finite value."""
        return int(self.ordered_codes[self.ordered_count - 1])

    @cached_property
    def min_code(self) -> int:
        """Code of the smallest (most negative) finite value."""
        return int(self.ordered_codes[0])

    @cached_property
    def smallest_code(self) -> int:
        """Code of the smallest positive value."""
        rank = self.rank_below(Fraction(0)) + 1
        if rank >= self.ordered_count:
            raise ArgumentError(f"{self.name} has no positive value")
        return int(self.ordered_codes[rank])

    @cached_property
    def max(self) -> Any:
        """The largest finite value (float where exact, else Fraction)."""
        return self._number(self.max_code)

    @cached_property
    def min(self) -> Any:
        """The most negative finite value."""
        return self._number(self.min_code)

    @cached_property
    def smallest(self) -> Any:
        """The smallest positive value."""
        return self._number(self.smallest_code)

    @property
    def smallest_normal(self) -> Any:
        """The smallest positive value with full precision; equals `smallest` in formats without subnormals."""
        return self.smallest

    @cached_property
    def zero_codes(self) -> tuple[int | None, int | None]:
        """Codes of +0 and -0; None where the format has no such value (a -0 is then encoded as +0)."""
        positive = negative = None
        rank = self.rank_below(Fraction(0))
        for r in (rank, rank - 1):
            if r >= 0:
                code = int(self.ordered_codes[r])
                unpacked = self.value_of(code)
                if unpacked.kind is Kind.ZERO:
                    if unpacked.sign:
                        negative = code
                    else:
                        positive = code
        return positive, negative

    @property
    def has_zero(self) -> bool:
        """Whether 0 is a value."""
        return self.zero_codes != (None, None)

    @property
    def has_negative_zero(self) -> bool:
        """Whether -0 is distinct from +0."""
        return self.zero_codes[1] is not None

    @cached_property
    def nan_codes(self) -> tuple[int, ...]:
        """Every NaN code, ascending."""
        return tuple(c for c, u in enumerate(self._unpacked) if u.kind is Kind.NAN)

    @cached_property
    def infinity_codes(self) -> tuple[int | None, int | None]:
        """Codes of +infinity and -infinity, None where absent."""
        found: list[int | None] = [None, None]
        for code, unpacked in enumerate(self._unpacked):
            if unpacked.kind is Kind.INFINITY:
                found[unpacked.sign] = code
        return found[0], found[1]

    @property
    def nan_code(self) -> int | None:
        """The canonical NaN (or NaR) code, None where the format has none; default: the lowest NaN code."""
        return self.nan_codes[0] if self.nan_codes else None

    def nan_code_for(self, rule: NaNRule, negative: bool) -> int | None:
        """NaN code under CANONICAL, SIGNED or ALL_ONES; families with a sign bit override it."""
        return self.nan_code

    @property
    def has_inf(self) -> bool:
        """Whether an infinity is representable."""
        return self.infinity_codes != (None, None)

    @property
    def has_nan(self) -> bool:
        """Whether NaN (or NaR) is representable."""
        return self.nan_code is not None

    @property
    def is_signed(self) -> bool:
        """Whether any negative number is representable."""
        return bool(self.real_negative)

    @cached_property
    def real_negative(self) -> bool:
        unpacked = self.value_of(self.min_code)
        return unpacked.kind is Kind.FINITE and unpacked.sign == 1

    @cached_property
    def finite_count(self) -> int:
        """Number of codes with a finite value, both zeros counted."""
        return sum(u.is_finite for u in self._unpacked)

    @property
    def value_count(self) -> int:
        """Number of distinct finite values (both zeros count once)."""
        return self.ordered_count - int(self.has_negative_zero and self.zero_codes[0] is not None)

    @property
    def dynamic_range(self) -> float:
        """``log10(max / smallest)``: decades between the extremes of the positive values."""
        high, low = self.value_of(self.max_code), self.value_of(self.smallest_code)
        # log10 by parts: the quotient itself may exceed binary64.
        difference = (math.log2(high.significand) + high.exponent) - (math.log2(low.significand) + low.exponent)
        return difference * math.log10(2.0)

    def epsilon_at(self, x: float | int | Fraction) -> Any:
        """Distance between the largest value ``<= x`` and the next one above; the relative step at 1 is
        ``epsilon_at(1)``.

        >>> import numfmt as nf
        >>> nf.get("fp8_e4m3fn").epsilon_at(16.5)
        2.0
        """
        if not math.isfinite(x):
            raise ArgumentError(f"x must be finite, got {x}")
        rank = self.rank_below(Fraction(x))
        codes = self.ordered_codes
        if not 0 <= rank < self.ordered_count - 1:
            raise ArgumentError(f"x must lie in [{brief(self.min)}, {brief(self.max)}) for {self.name}, got {brief(x)}")
        step = self.value_of(codes[rank + 1]).value - self.value_of(codes[rank]).value
        return nearest_binary64(step)

    # ---- tables --------------------------------------------------------------------------------------------------

    def decode_array(self, codes: npt.NDArray[Any]) -> npt.NDArray[np.float64] | None:
        """Vectorised decode to binary64 of legal codes, or None when the family has none. Must equal `value_of`."""
        return None

    @cached_property
    def table(self) -> npt.NDArray[np.float64]:
        """Value of every code as binary64, correctly rounded (exact for all but irrational or out-of-range values)."""
        if self.bits > TABLE_BITS:
            raise ArgumentError(f"{self.name} is too wide for a table (at most {TABLE_BITS} bits); use decode")
        values = self.decode_array(np.arange(self.code_count, dtype=self.code_dtype))
        if values is None:
            values = np.empty(self.code_count)
            for code, unpacked in enumerate(self._unpacked):
                values[code] = nearest_binary64(self.real_of(code)) if unpacked.kind is Kind.FINITE else float(unpacked)
        values.setflags(write=False)
        return values

    @cached_property
    def value_dtype(self) -> np.dtype[Any]:
        """Default dtype of decoded values: float32 if it holds every value exactly, else float64, else object.

        Object means Fractions: some value lies beyond binary64. Irrational values are correctly rounded to float64.
        """
        return self._smallest_dtype()

    def _smallest_dtype(self) -> np.dtype[Any]:
        if self.bits > TABLE_BITS:
            raise FormatMismatchError(f"{type(self).__name__} must define value_dtype for more than {TABLE_BITS} bits")
        if self.exact and not all(
            u.kind is not Kind.FINITE or _fits(u, 53, -1074, 1024) for u in map(self.value_of, self._extreme_codes())
        ):
            return np.dtype(object)
        with np.errstate(over="ignore"):
            narrow = self.table.astype(np.float32).astype(np.float64)
        same = self.exact and np.array_equal(narrow, self.table, equal_nan=True)
        return np.dtype(np.float32 if same else np.float64)

    def _extreme_codes(self) -> list[int]:
        # The code of widest significand cannot be known in general, so small formats are checked whole.
        if self.bits <= 8:
            return list(range(self.code_count))
        return [
            self.max_code,
            self.min_code,
            self.smallest_code,
            int(self.ordered_codes[self.rank_below(Fraction(0)) - 1]),
        ]

    def check_code(self, code: int) -> int:
        """`code` itself, or `CodeRangeError` when it is not a code of this format."""
        if not 0 <= code < self.code_count:
            raise CodeRangeError(
                f"code must be in [0, {self.code_count:#x}) for {self.name} ({self.bits} bits), got {code:#x}"
            )
        return code


def _fits(u: Unpacked, precision: int, low: int, high: int) -> bool:
    """Whether a finite value fits a float with `precision` bits, quantum ``2**low`` and values below ``2**high``."""
    trailing = (u.significand & -u.significand).bit_length() - 1
    width = u.significand.bit_length() - trailing
    return width <= precision and u.exponent + trailing >= low and u.exponent + u.significand.bit_length() <= high
