"""What every check shares: calling the library, comparing codes, and messages that hold all one needs to reproduce."""

from __future__ import annotations

import zlib
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FormatOverflowError, NaNError, NumfmtError
from ..formats import Format, IntFormat, LnsFormat, PositFormat, TakumFormat, TakumLogFormat
from ..formats.floating import MinifloatBase
from ..reference import decode as reference_decode
from ..reference import encode as reference_encode
from ..rounding import Overflow, Rounding

__all__ = ["DETERMINISTIC", "STOCHASTIC", "Harness", "overflow_code", "shown"]

Array = npt.NDArray[Any]
DETERMINISTIC = tuple(mode for mode in Rounding if not mode.is_stochastic)
STOCHASTIC = tuple(mode for mode in Rounding if mode.is_stochastic)


class Harness:
    """A format under test, how thoroughly, and the library as its users see it."""

    def __init__(self, fmt: Format, samples: int, whole: bool, thorough: bool) -> None:
        import numfmt

        self.nf: Any = numfmt
        self.fmt, self.samples, self.whole, self.thorough = fmt, samples, whole, thorough
        self.skipped: dict[str, int] = {}
        #: Inputs of each rounding and policy that are decided one by one, where every comparison is slow.
        self.spots = max(1, min(5, samples // 400))
        # The same sample in every run: seeded by the name.
        self.rng = np.random.default_rng(zlib.crc32(fmt.name.encode()))

    def skip(self, what: str, count: int = 1) -> None:
        """Count comparisons that have no meaning for the format."""
        self.skipped[what] = self.skipped.get(what, 0) + count

    def some(self, x: Array, count: int) -> Array:
        """At most `count` elements."""
        return x if x.size <= count else np.asarray(self.rng.choice(x, count, replace=False))

    # ---- what costs how much -------------------------------------------------------------------------------------

    @property
    def has_kernel(self) -> bool:
        """Whether one compiled kernel serves every policy and random integer."""
        fmt = self.fmt
        # Floats whose lowest binade lies below that of binary64 go through a table.
        return isinstance(fmt, IntFormat) or (isinstance(fmt, MinifloatBase) and fmt.bias <= 1023 and fmt.bits <= 62)

    @property
    def has_costly_policies(self) -> bool:
        """Whether each (rounding, policy) has a large table of its own."""
        shared = isinstance(self.fmt, (PositFormat, TakumFormat, LnsFormat, TakumLogFormat))
        return not self.has_kernel and not shared and self.fmt.bits > 10

    @property
    def draws_one_by_one(self) -> bool:
        """Whether stochastic rounding decides every number on its own."""
        beyond_tables = self.fmt.bits > 16 or self.fmt.value_dtype.kind == "O"
        return not self.fmt.exact or (beyond_tables and not self.has_kernel)

    def policies(self) -> list[Overflow]:
        """The overflow policies, the default first; WRAP has a check of its own."""
        default = self.fmt.default_overflow
        return [default] + [o for o in Overflow if o not in (default, Overflow.WRAP)]

    # ---- calling the library -------------------------------------------------------------------------------------

    def encode(self, x: Array, *, small: bool = False, **options: Any) -> Array:
        """Codes as uint64. Arrays of at most 16 go through the path for larger ones, unless `small`."""
        size = x.size
        if not small and size <= 16 and x.dtype != object and "random" not in options:
            x = np.resize(x, 17)
        before = x.copy()
        e = self.nf.encode(x, self.fmt, **options)
        assert e.format == self.fmt and e.codes.dtype == self.fmt.code_dtype and e.codes.shape == x.shape
        assert np.array_equal(before, x, equal_nan=x.dtype != object), f"{self.fmt.name}: encode modified its input"
        return np.asarray(e.codes.astype(np.uint64)[:size])

    def outcome(self, x: float, **options: Any) -> int | str:
        """Code of one number, or the name of the error."""
        try:
            return int(self.nf.encode(np.array([x]), self.fmt, **options).codes[0])
        except NumfmtError as error:
            return type(error).__name__

    def reference(self, x: float, **options: Any) -> int | str:
        """`outcome` by the reference."""
        try:
            return reference_encode(x, self.fmt, **options)
        except NumfmtError as error:
            return type(error).__name__

    # ---- comparing -----------------------------------------------------------------------------------------------

    def must_refuse(self, x: Array, error: type[Exception], what: str, **options: Any) -> None:
        """`x` must raise `error`."""
        try:
            codes = self.nf.encode(x, self.fmt, **options).codes
        except error:
            return
        raise AssertionError(self.message(x[0], error.__name__, int(codes[0]), what, "expected"))

    def same_outcome(self, x: float, **options: Any) -> None:
        """Library and reference must agree on one number."""
        expected, got = self.reference(x, **options), self.outcome(x, **options)
        assert expected == got, self.message(x, expected, got, _listed(options), "the reference says")

    def same_codes(self, x: Array, expected: Array, got: Array, what: str) -> None:
        """Codes must be equal; the message shows the first that is not."""
        wrong = np.flatnonzero(expected != got)
        if wrong.size:
            i = int(wrong[0])
            found = self.message(x[i], int(expected[i]), int(got[i]), what, "expected")
            raise AssertionError(f"{found}; {wrong.size} of {x.size} inputs differ")

    def message(self, x: Any, expected: Any, got: Any, what: str, who: str) -> str:
        """One line: format, input, policy, both outcomes."""
        return f"{self.fmt.name}: encode {shown(x)} with {what}: got {self._code(got)}, {who} {self._code(expected)}"

    def _code(self, code: Any) -> str:
        if not isinstance(code, int) or not 0 <= code < self.fmt.code_count:
            return str(code)
        return f"code {code:#x} ({shown(reference_decode(code, self.fmt))})"


def shown(x: Any) -> str:
    """A number for a message: floats also in hexadecimal, rationals too long to print by their magnitude."""
    if isinstance(x, (float, np.floating)):
        return f"{float(x)!r} ({float(x).hex()})" if x != round(x, 3) else repr(float(x))
    if isinstance(x, Fraction) and max(x.numerator.bit_length(), x.denominator.bit_length()) > 200:
        return f"{'-' if x < 0 else ''}2**{x.numerator.bit_length() - x.denominator.bit_length()} or so"
    return str(x)


def _listed(options: dict[str, Any]) -> str:
    return ", ".join(f"{k}={v.name.lower() if hasattr(v, 'name') else v}" for k, v in options.items())


@lru_cache(maxsize=4096)
def overflow_code(fmt: Format, negative: bool, rounding: Rounding, overflow: Overflow) -> int | None:
    """What the reference makes of a finite number far beyond an end; None where it refuses."""
    far = Fraction(-1 if negative else 1) * (1 << 40_000)
    random = (0, 1) if rounding.is_stochastic else None
    try:
        return reference_encode(far, fmt, rounding, overflow, random=random)
    except (FormatOverflowError, NaNError):
        return None
