"""Integers and fixed point: two's complement, sign-magnitude and unsigned, with any number of fraction bits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError, FormatNameError
from .base import ContiguousCodes, Format
from .unpacked import Unpacked

__all__ = ["IntFormat", "parse_q_format"]


@dataclass(frozen=True)
class IntFormat(Format):
    """INTn, UINTn and fixed point: code read as an integer, times ``2**-frac_bits``.

    Parameters
    ----------
    bits : int
        2 to 32, the sign included.
    signed : bool
        Two's complement, unless `sign_magnitude`.
    frac_bits : int
        Fraction bits; may be negative or exceed `bits`.
    sign_magnitude : bool
        Top bit is the sign, with a -0.
    narrow : bool
        Symmetric range: two's complement without its most negative code, which decodes but is never produced.

    >>> IntFormat(8, frac_bits=6).max
    1.984375
    """

    bits: int
    signed: bool = True
    frac_bits: int = 0
    sign_magnitude: bool = False
    narrow: bool = False
    source: str = field(
        default="two's complement and sign-magnitude integers; ONNX QuantizeLinear ranges", compare=False
    )

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 32:
            raise ArgumentError(f"bits must be 2 to 32 for an integer format, got {self.bits}")
        if not -512 <= self.frac_bits <= 512:
            raise ArgumentError(f"frac_bits must be -512 to 512, got {self.frac_bits}")
        if (self.sign_magnitude or self.narrow) and not self.signed:
            raise ArgumentError("sign_magnitude and narrow need a signed format")
        if self.sign_magnitude and self.narrow:
            raise ArgumentError("sign-magnitude is symmetric already; drop narrow")

    @property
    def name(self) -> str:
        fraction = f"_f{self.frac_bits}" if self.frac_bits >= 0 else f"_fm{-self.frac_bits}"
        return (
            f"{'' if self.signed else 'u'}int{self.bits}{fraction if self.frac_bits else ''}"
            f"{'_sm' if self.sign_magnitude else ''}{'_narrow' if self.narrow else ''}"
        )

    @cached_property
    def max_int(self) -> int:
        """Largest integer that a code stands for, before the fraction bits."""
        return (1 << (self.bits - int(self.signed))) - 1

    @cached_property
    def min_int(self) -> int:
        """Smallest integer that encoding produces."""
        if not self.signed:
            return 0
        return -self.max_int if self.sign_magnitude or self.narrow else -self.max_int - 1

    @property
    def above_max(self) -> Fraction:
        return self._scaled(self.max_int + 1)

    @property
    def below_min(self) -> Fraction:
        return self._scaled(self.min_int - 1)

    def _scaled(self, integer: int) -> Fraction:
        return Fraction(integer) * Fraction(2) ** -self.frac_bits

    def value_of(self, code: int) -> Unpacked:
        self.check_code(code)
        half = 1 << (self.bits - 1)
        if not self.signed or code < half:
            return Unpacked.finite(0, code, -self.frac_bits)
        magnitude = code - half if self.sign_magnitude else 2 * half - code
        return Unpacked.finite(1, magnitude, -self.frac_bits)

    @cached_property
    def ordered_codes(self) -> Sequence[int]:
        positive = range(self.max_int + 1)
        if not self.signed:
            return ContiguousCodes(positive)
        half, top = 1 << (self.bits - 1), 1 << self.bits
        if self.sign_magnitude:
            return ContiguousCodes(range(top - 1, half - 1, -1), positive)
        return ContiguousCodes(range(half + int(self.narrow), top), positive)

    @property
    def nan_codes(self) -> tuple[int, ...]:
        return ()

    @property
    def infinity_codes(self) -> tuple[int | None, int | None]:
        return None, None

    @property
    def finite_count(self) -> int:
        return self.ordered_count

    @cached_property
    def value_dtype(self) -> np.dtype[Any]:
        top = self.bits - int(self.signed)
        for dtype, precision, quantum, limit in ((np.float32, 24, -149, 128), (np.float64, 53, -1074, 1024)):
            if top <= precision and -self.frac_bits >= quantum and top + 1 - self.frac_bits <= limit:
                return np.dtype(dtype)
        return np.dtype(object)

    @property
    def field_widths(self) -> tuple[tuple[str, int], ...]:
        integer = self.bits - int(self.signed)
        fraction = min(max(self.frac_bits, 0), integer)
        return (("sign", int(self.signed)), ("exponent", integer - fraction), ("mantissa", fraction))

    def decode_array(self, codes: npt.NDArray[Any]) -> npt.NDArray[np.float64] | None:
        if self.value_dtype.kind == "O":
            return None
        integer = codes.astype(np.int64)
        half = 1 << (self.bits - 1)
        values = integer.astype(np.float64)
        if self.signed:
            negative = integer >= half
            if self.sign_magnitude:
                values = np.where(negative, -(integer - half).astype(np.float64), values)
            else:
                values = np.where(negative, (integer - 2 * half).astype(np.float64), values)
        return np.asarray(np.ldexp(values, -self.frac_bits))


def parse_q_format(text: str, *, style: str, signed: bool = True) -> IntFormat:
    """The fixed-point format of a Qm.n spelling; `style` says whether m counts the sign bit.

    Parameters
    ----------
    text : str
        ``"Q3.4"``; a leading ``U`` makes it unsigned.
    style : {"ti", "arm"}
        TI: the word is m + n + 1 bits (the sign is not counted). ARM: the word is m + n bits.

    >>> parse_q_format("Q3.4", style="ti").name, parse_q_format("Q4.4", style="arm").name
    ('int8_f4', 'int8_f4')
    """
    match = re.fullmatch(r"(U?)Q(\d+)\.(\d+)", text.strip(), re.IGNORECASE)
    if match is None:
        raise FormatNameError(f"a Q format is spelled Qm.n or UQm.n, got {text!r}")
    if style not in ("ti", "arm"):
        raise ArgumentError(f"style must be 'ti' (sign bit not counted) or 'arm' (counted), got {style!r}")
    signed = signed and not match[1]
    m, n = int(match[2]), int(match[3])
    return IntFormat(m + n + int(signed and style == "ti"), signed=signed, frac_bits=n)
