"""Sign-magnitude floating point: IEEE 754, FPnEmMx minifloats, the OCP and ml_dtypes conventions, and IEEE P3109."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError
from ..rounding import NaNRule, Overflow, Rounding
from .base import ContiguousCodes, Format
from .unpacked import Unpacked

__all__ = ["BARE_FINITE", "FloatFormat", "MinifloatBase", "P3109Format", "Specials"]

#: (E, M) whose bare OCP-style name means a format without special codes (OCP MX v1.0 sections 5.3.2, 5.3.3).
BARE_FINITE = frozenset({(2, 3), (3, 2), (2, 1), (1, 2), (3, 0)})


class Specials(Enum):
    """Which codes of a float are not numbers; suffixes as in ml_dtypes and MLIR."""

    IEEE = ""  # largest exponent: infinity, NaNs
    FN = "fn"  # finite; the all-ones magnitude is NaN
    FNUZ = "fnuz"  # finite; the code of -0 is the only NaN; no -0
    FINITE = "f"  # every code is a number


class MinifloatBase(Format):
    """What every sign-magnitude float shares; a subclass says which codes are special."""

    mantissa_bits: int
    bias: int
    signed: bool
    subnormals: bool

    #: Largest finite magnitude code; set by the subclass.
    max_magnitude: int

    @property
    def exponent_bits(self) -> int:
        """Width of the exponent field."""
        return self.bits - int(self.signed) - self.mantissa_bits

    @property
    def precision(self) -> int:
        """Significand bits, the implicit one included."""
        return self.mantissa_bits + 1

    @property
    def sign_weight(self) -> int:
        """Value of the sign bit in the code, 0 when unsigned."""
        return 1 << (self.bits - 1) if self.signed else 0

    def magnitude_value(self, magnitude: int, sign: int = 0) -> Unpacked:
        """Value of a magnitude code read as a number, whatever its special meaning (X, T fields of IEEE 754 3.4)."""
        x, t = divmod(magnitude, 1 << self.mantissa_bits)
        if x == 0:
            return Unpacked.finite(sign, t if self.subnormals else 0, 1 - self.bias - self.mantissa_bits)
        return Unpacked.finite(sign, t + (1 << self.mantissa_bits), x - self.bias - self.mantissa_bits)

    @cached_property
    def above_max(self) -> Fraction:
        return self.magnitude_value(self.max_magnitude + 1).value

    @cached_property
    def below_min(self) -> Fraction:
        return -self.above_max if self.signed else -self.magnitude_value(self._smallest_magnitude).value

    @property
    def _smallest_magnitude(self) -> int:
        return 1 if self.subnormals else 1 << self.mantissa_bits

    @property
    def has_negative_zero_code(self) -> bool:
        """Whether the code with only the sign bit set is -0."""
        raise NotImplementedError

    @cached_property
    def ordered_codes(self) -> Sequence[int]:
        low = self._smallest_magnitude
        positive = range(low, self.max_magnitude + 1)
        zero = range(1)
        if not self.signed:
            return ContiguousCodes(zero, positive)
        s = self.sign_weight
        negative = range(s + self.max_magnitude, s + low - 1, -1)
        minus_zero = range(s, s + int(self.has_negative_zero_code))
        return ContiguousCodes(negative, minus_zero, zero, positive)

    @property
    def smallest_normal(self) -> Any:
        return self._number(min(1 << self.mantissa_bits, self.max_magnitude))

    @cached_property
    def value_dtype(self) -> np.dtype[Any]:
        top = self.magnitude_value(self.max_magnitude)
        high = top.exponent + top.significand.bit_length()
        bottom = self.magnitude_value(self._smallest_magnitude).exponent
        for dtype, precision, quantum, limit in ((np.float32, 24, -149, 128), (np.float64, 53, -1074, 1024)):
            if self.precision <= precision and bottom >= quantum and high <= limit:
                return np.dtype(dtype)
        return np.dtype(object)

    @property
    def field_widths(self) -> tuple[tuple[str, int], ...]:
        return (("sign", int(self.signed)), ("exponent", self.exponent_bits), ("mantissa", self.mantissa_bits))

    def decode_array(self, codes: npt.NDArray[Any]) -> npt.NDArray[np.float64] | None:
        if self.value_dtype.kind == "O":
            return None
        code = codes.astype(np.uint64)
        magnitude = code & np.uint64((1 << (self.bits - int(self.signed))) - 1)
        x = (magnitude >> np.uint64(self.mantissa_bits)).astype(np.int32)
        t = (magnitude & np.uint64((1 << self.mantissa_bits) - 1)).astype(np.float64)
        hidden = np.where(x > 0, float(1 << self.mantissa_bits), 0.0)
        if not self.subnormals:
            t = np.where(x > 0, t, 0.0)
        # The significand is an integer below 2**53, so both steps are exact.
        with np.errstate(over="ignore"):
            values = np.ldexp(t + hidden, np.maximum(x, 1) - self.bias - self.mantissa_bits)
        if self.signed:
            values = np.where(code & np.uint64(self.sign_weight) != 0, -values, values)
        self._write_specials(code, values)
        return np.asarray(values)

    def _write_specials(self, code: npt.NDArray[np.uint64], values: npt.NDArray[np.float64]) -> None:
        nans = self.nan_codes
        values[(code >= np.uint64(nans[0])) & (code <= np.uint64(nans[-1]))] = np.nan
        for infinity, value in zip(self.infinity_codes, (np.inf, -np.inf), strict=True):
            if infinity is not None:
                values[code == np.uint64(infinity)] = value

    @cached_property
    def finite_count(self) -> int:
        magnitudes = self.max_magnitude + 1
        if not self.signed:
            return magnitudes
        return 2 * magnitudes - int(not self.has_negative_zero_code)

    def nan_code_for(self, rule: NaNRule, negative: bool) -> int | None:
        nan = self.nan_code
        ones = rule in (NaNRule.ALL_ONES, NaNRule.SIGNED_ALL_ONES)
        if nan is not None and ones and not self.signed:
            return (1 << self.bits) - 1
        if nan is None or rule is NaNRule.CANONICAL or not self.signed or nan >= self.sign_weight:
            return nan
        code = self.sign_weight - 1 if ones else nan
        return code + self.sign_weight if negative and rule is not NaNRule.ALL_ONES else code


#: Four times the bias of the widest exponent: exact values far beyond would be integers of any length.
_LARGEST_BIAS = 1 << 16


@dataclass(frozen=True)
class FloatFormat(MinifloatBase):
    """FPnEmMx: sign, `exponent_bits`, `mantissa_bits`, any bias, and one of four conventions for the special codes.

    With X and T the fields and B the bias: X = 0 gives T * 2**(1 - B - M), X > 0 gives (1 + T * 2**-M) * 2**(X - B),
    unless `specials` reserves the code. Source: IEEE 754-2019 section 3.4; OCP OFP8 rev 1.0 section 5.

    Parameters
    ----------
    E, M : int
        Exponent bits (1 to 15) and stored mantissa bits (the implicit one not counted).
    bias : int, optional
        Default: 2**(E - 1) - 1, one more for FNUZ.
    specials : Specials
        Which codes are not numbers.
    signed, subnormals : bool
        Without subnormals, exponent field 0 is zero whatever the mantissa.
    label : str
        Canonical name when it is not the grammar's own.
    rounding : Rounding
        Default rounding of `encode`.
    overflow : Overflow, optional
        Default policy of `encode`: SATURATE up to 8 bits and for FINITE, else NONSATURATING.

    >>> FloatFormat(4, 3, specials=Specials.FN).max
    448.0
    """

    E: int
    M: int
    bias: int = None  # type: ignore[assignment]
    specials: Specials = Specials.IEEE
    signed: bool = True
    subnormals: bool = True
    rounding: Rounding = Rounding.NEAREST_EVEN
    overflow: Overflow = None  # type: ignore[assignment]
    label: str = field(default="", compare=False)
    source: str = field(default="FPnEmMx grammar; IEEE 754-2019 section 3.4", compare=False)

    def __post_init__(self) -> None:
        if not 1 <= self.E <= 15 or not 0 <= self.M <= 63 or not 2 <= self.bits <= 64:
            raise ArgumentError(
                f"a float needs 1 <= E <= 15, M >= 0, 2 to 64 bits in all; got E={self.E}, M={self.M}, {self.bits} bits"
            )
        if self.specials is Specials.FNUZ and not self.signed:
            raise ArgumentError("fnuz needs a sign bit: its NaN is the code of -0; use fn or f for an unsigned float")
        if self.specials is Specials.FN and self.bits - int(self.signed) < 2:
            raise ArgumentError(f"fn needs at least two magnitude bits, got E={self.E}, M={self.M}")
        if self.bias is None:
            object.__setattr__(self, "bias", self.default_bias)
        if not -_LARGEST_BIAS <= self.bias <= _LARGEST_BIAS:
            raise ArgumentError(f"bias must be from -{_LARGEST_BIAS} to {_LARGEST_BIAS}, got {self.bias}")
        if self.overflow is None:
            object.__setattr__(self, "overflow", self._usual_overflow)
        if not self.label and (self.rounding, self.overflow) != (Rounding.NEAREST_EVEN, self._usual_overflow):
            raise ArgumentError("a float with its own default rounding or overflow needs a label of its own")

    @property
    def default_bias(self) -> int:
        """2**(E-1) - 1, and 2**(E-1) for fnuz (arXiv:2206.02915)."""
        return (1 << (self.E - 1)) - (0 if self.specials is Specials.FNUZ else 1)

    @property
    def _usual_overflow(self) -> Overflow:
        # DESIGN default: floats of at most 8 bits saturate when data is encoded, wider IEEE ones go to infinity.
        narrow = self.bits <= 8 or self.specials is Specials.FINITE
        return Overflow.SATURATE if narrow else Overflow.NONSATURATING

    @property
    def bits(self) -> int:  # type: ignore[override]
        return self.E + self.M + int(self.signed)

    @property
    def mantissa_bits(self) -> int:  # type: ignore[override]
        return self.M

    @property
    def default_rounding(self) -> Rounding:
        return self.rounding

    @property
    def default_overflow(self) -> Overflow:
        return self.overflow

    @property
    def spelled_name(self) -> str:
        """The name the grammar gives these fields."""
        suffix = self.specials.value
        if (
            self.signed
            and self.specials is Specials.IEEE
            and ((self.E, self.M) in BARE_FINITE or (self.E, self.M) == (4, 3))
        ):
            suffix = "_ieee"  # the bare name means something else, or is ambiguous
        elif self.signed and self.specials is Specials.FN and (self.E, self.M) in BARE_FINITE:
            suffix = "n"  # ml_dtypes' fn names of these shapes have no NaN at all
        base = f"{'' if self.signed else 'u'}fp{self.bits}_e{self.E}m{self.M}{suffix}"
        if not self.subnormals:
            base += "_ns"
        if self.bias == self.default_bias:
            return base
        return f"{base}_b{self.bias}" if self.bias >= 0 else f"{base}_bm{-self.bias}"

    @property
    def name(self) -> str:
        return self.label or self.spelled_name

    @property
    def max_magnitude(self) -> int:  # type: ignore[override]
        top = 1 << (self.E + self.M)
        match self.specials:
            case Specials.IEEE:
                return top - (1 << self.M) - 1
            case Specials.FN:
                return top - 2
        return top - 1

    @property
    def has_negative_zero_code(self) -> bool:
        return self.specials is not Specials.FNUZ

    def value_of(self, code: int) -> Unpacked:
        self.check_code(code)
        sign = int(self.signed and code >= self.sign_weight)
        magnitude = code - self.sign_weight if sign else code
        if self.specials is Specials.FNUZ and sign and magnitude == 0:
            return Unpacked.nan()
        if magnitude <= self.max_magnitude:
            return self.magnitude_value(magnitude, sign)
        if self.specials is Specials.IEEE and magnitude == self.max_magnitude + 1:
            return Unpacked.infinity(sign)
        return Unpacked.nan(sign)

    @cached_property
    def nan_codes(self) -> Sequence[int]:  # type: ignore[override]
        s, top = self.sign_weight, 1 << (self.E + self.M)
        match self.specials:
            case Specials.FINITE:
                return ()
            case Specials.FNUZ:
                return (s,)
            case Specials.FN:
                return (top - 1, s + top - 1) if self.signed else (top - 1,)
        first = self.max_magnitude + 2
        runs = [range(first, top)] + ([range(s + first, s + top)] if self.signed else [])
        return ContiguousCodes(*runs)

    @property
    def nan_code(self) -> int | None:
        """The quiet NaN with zero payload (IEEE), the all-ones magnitude (fn), the code of -0 (fnuz)."""
        if not len(self.nan_codes):
            return None
        if self.specials is Specials.IEEE:
            return self.max_magnitude + 1 + (1 << (self.M - 1))
        return int(self.nan_codes[0])

    @cached_property
    def infinity_codes(self) -> tuple[int | None, int | None]:
        if self.specials is not Specials.IEEE:
            return None, None
        code = self.max_magnitude + 1
        return code, code + self.sign_weight if self.signed else None

    def _write_specials(self, code: npt.NDArray[np.uint64], values: npt.NDArray[np.float64]) -> None:
        if self.specials is Specials.FNUZ:
            values[code == np.uint64(self.sign_weight)] = np.nan
        elif self.specials is not Specials.FINITE:
            magnitude = code & np.uint64((1 << (self.E + self.M)) - 1)
            values[magnitude > np.uint64(self.max_magnitude)] = np.nan
            if self.specials is Specials.IEEE:
                for infinity, value in zip(self.infinity_codes, (np.inf, -np.inf), strict=True):
                    if infinity is not None:
                        values[code == np.uint64(infinity)] = value


@dataclass(frozen=True)
class P3109Format(MinifloatBase):
    """IEEE P3109 Binary{K, P, signedness, domain}: one zero, one NaN, subnormals always, optional infinities.

    With T = code mod 2**(P-1), X = code div 2**(P-1) and bias B = 2**(K-P-1) (signed) or 2**(K-P) (unsigned):
    X = 0 gives T * 2**(1-P) * 2**(1-B), else (1 + T * 2**(1-P)) * 2**(X-B).
    Source: IEEE SA P3109 interim report v4.0 (26 June 2026), an unapproved draft.

    >>> P3109Format(8, 4).max
    224.0
    """

    K: int
    P: int
    signed: bool = True
    extended: bool = True
    source: str = field(default="IEEE SA P3109 WG interim report v4.0 (2026-06-26), section 4", compare=False)

    def __post_init__(self) -> None:
        if not 3 <= self.K <= 15 or not 1 <= self.P <= self.K - int(self.signed):
            raise ArgumentError(
                f"P3109 needs 3 <= K <= 15 and 1 <= P {'<' if self.signed else '<='} K, got K={self.K}, P={self.P}"
            )

    @property
    def bits(self) -> int:  # type: ignore[override]
        return self.K

    @property
    def mantissa_bits(self) -> int:  # type: ignore[override]
        return self.P - 1

    @property
    def bias(self) -> int:  # type: ignore[override]
        # For unsigned P = K the exponent field has one bit and B = 1.
        return 1 << (self.K - self.P - 1) if self.signed else 1 << (self.K - self.P)

    @property
    def subnormals(self) -> bool:  # type: ignore[override]
        return True

    @property
    def name(self) -> str:
        return f"p3109_k{self.K}p{self.P}{'s' if self.signed else 'u'}{'e' if self.extended else 'f'}"

    @property
    def default_overflow(self) -> Overflow:
        return Overflow.SAT_NONE

    @property
    def max_magnitude(self) -> int:  # type: ignore[override]
        if self.signed:
            return (1 << (self.K - 1)) - 1 - int(self.extended)
        return (1 << self.K) - 2 - int(self.extended)

    @property
    def has_negative_zero_code(self) -> bool:
        return False

    @property
    def nan_code(self) -> int:
        return 1 << (self.K - 1) if self.signed else (1 << self.K) - 1

    @cached_property
    def nan_codes(self) -> tuple[int, ...]:
        return (self.nan_code,)

    @cached_property
    def infinity_codes(self) -> tuple[int | None, int | None]:
        if not self.extended:
            return None, None
        return self.max_magnitude + 1, (1 << self.K) - 1 if self.signed else None

    def value_of(self, code: int) -> Unpacked:
        self.check_code(code)
        if code == self.nan_code:
            return Unpacked.nan()
        sign = int(self.signed and code > self.nan_code)
        magnitude = code - self.sign_weight if sign else code
        if magnitude > self.max_magnitude:
            return Unpacked.infinity(sign)
        return self.magnitude_value(magnitude, sign)
