"""Posits of any size: two's complement codes, regime, exponent, fraction; rounding on the encoding string."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError
from ..rounding import Overflow
from .base import ContiguousCodes, Format
from .real import Real
from .unpacked import Unpacked

__all__ = ["PositFormat", "TwosComplementCodes", "posit_value"]


def posit_value(code: int, bits: int, es: int) -> Unpacked:
    """Exact value of a posit(bits, es) code.

    Sign, then a regime run of m identical bits (k = -m for zeros, m - 1 for ones), up to `es` exponent bits (cut-off
    bits read as 0), then the fraction: (1 + f) * 2**(k * 2**es + e). Source: Posit Standard 2022 section 3; es free as
    in the 2017 definition.
    """
    half = 1 << (bits - 1)
    if code == 0:
        return Unpacked.zero()
    if code == half:
        return Unpacked.nan()
    sign = int(code > half)
    body = (2 * half - code if sign else code) & (half - 1)
    left = bits - 1  # bits not yet read
    leading = body >> (left - 1)
    run = 0
    while left and (body >> (left - 1)) & 1 == leading:
        run, left = run + 1, left - 1
    k = run - 1 if leading else -run
    left = max(left - 1, 0)  # the bit that ends the regime
    tail = body & ((1 << left) - 1)
    if left >= es:
        fraction_bits = left - es
        exponent = tail >> fraction_bits
        fraction = tail & ((1 << fraction_bits) - 1)
    else:
        fraction_bits = fraction = 0
        exponent = tail << (es - left)
    scale = (k << es) + exponent
    return Unpacked.finite(sign, (1 << fraction_bits) + fraction, scale - fraction_bits)


class TwosComplementCodes(Format):
    """Shared by posits and takums: codes order as signed integers, 10...0 is NaR, no infinity, nothing overflows."""

    @cached_property
    def ordered_codes(self) -> Sequence[int]:
        half = 1 << (self.bits - 1)
        return ContiguousCodes(range(half + 1, 2 * half), range(half))

    @property
    def nan_code(self) -> int:
        return 1 << (self.bits - 1)

    @property
    def nan_codes(self) -> tuple[int, ...]:
        return (self.nan_code,)

    @property
    def infinity_codes(self) -> tuple[int | None, int | None]:
        return None, None

    @property
    def finite_count(self) -> int:
        return (1 << self.bits) - 1

    @property
    def default_overflow(self) -> Overflow:
        # Finite values never overflow (they stop at the largest one); an infinite input becomes NaR.
        return Overflow.NONSATURATING


@dataclass(frozen=True)
class PositFormat(TwosComplementCodes):
    """posit(bits, es); the 2022 standard fixes es = 2.

    Nearest rounding flips at the (bits + 1)-bit posit between two neighbours (geometric where exponent bits are cut
    off), ties to the even code; a non-zero value never rounds to 0 or NaR in the nearest modes. Directed modes take the
    true neighbour, 0 included, and stop at the largest value. Infinities and NaN give NaR.
    Source: Standard for Posit Arithmetic (2022) sections 3 and 4.1.

    >>> PositFormat(8, 2).max
    16777216.0
    """

    bits: int
    es: int = 2
    source: str = field(default="Standard for Posit Arithmetic (2022), sections 3 and 4.1", compare=False)

    def __post_init__(self) -> None:
        if not 3 <= self.bits <= 32 or not 0 <= self.es <= 4:
            raise ArgumentError(f"posits need 3 <= bits <= 32 and 0 <= es <= 4, got bits={self.bits}, es={self.es}")

    @property
    def name(self) -> str:
        return f"posit{self.bits}_{self.es}"

    def value_of(self, code: int) -> Unpacked:
        return posit_value(self.check_code(code), self.bits, self.es)

    def breakpoint(self, lower: int, upper: int) -> Real:
        if 0 in (lower, upper):
            return self.value_of(0).value
        return posit_value(2 * lower + 1, self.bits + 1, self.es).value

    def fields_of(self, code: int) -> tuple[tuple[str, str], ...]:
        text = f"{code:0{self.bits}b}"
        if code in (0, self.nan_code):
            return (("sign", text[0]), ("regime", text[1:]))
        half = 1 << (self.bits - 1)
        body = f"{2 * half - code if code > half else code:0{self.bits}b}"[1:]
        run = len(body) - len(body.lstrip(body[0]))
        # Fields of the absolute pattern, shown on the pattern itself: their positions are the same.
        cut = min(run + 1, self.bits - 1) + 1
        parts = (("sign", text[0]), ("regime", text[1:cut]), ("exponent", text[cut : cut + self.es]))
        return (*(p for p in parts if p[1]), *((("mantissa", text[cut + self.es :]),) if text[cut + self.es :] else ()))

    @cached_property
    def value_dtype(self) -> np.dtype[Any]:
        scale = (self.bits - 2) << self.es
        # Longest significand: sign, two regime bits, es exponent bits leave bits - 3 - es fraction bits.
        precision = max(self.bits - 3 - self.es, 0) + 1
        return np.dtype(np.float32 if scale <= 126 and precision <= 24 else np.float64)

    def decode_array(self, codes: npt.NDArray[Any]) -> npt.NDArray[np.float64] | None:
        n, es = self.bits, self.es
        code = codes.astype(np.int64)
        half = 1 << (n - 1)
        sign = code > half
        body = np.where(sign, 2 * half - code, code) & (half - 1)
        left = np.int64(n - 1)
        leading = (body >> (left - 1)) & 1
        # The run's length from the highest bit that differs: frexp gives the exact bit length of an integer < 2**53.
        inverted = np.where(leading == 1, ~body & (half - 1), body)
        length = np.frexp(inverted.astype(np.float64))[1].astype(np.int64)
        run = left - length
        k = np.where(leading == 1, run - 1, -run)
        rest = np.maximum(left - run - 1, 0)
        tail = body & ((np.int64(1) << rest) - 1)
        fraction_bits = np.maximum(rest - es, 0)
        exponent = np.where(rest >= es, tail >> fraction_bits, tail << np.maximum(es - rest, 0))
        fraction = np.where(rest >= es, tail & ((np.int64(1) << fraction_bits) - 1), 0)
        significand = ((np.int64(1) << fraction_bits) + fraction).astype(np.float64)
        values = np.ldexp(significand, ((k << es) + exponent - fraction_bits).astype(np.int32))
        values = np.where(sign, -values, values)
        values = np.where(code == 0, 0.0, values)
        return np.asarray(np.where(code == half, np.nan, values))
