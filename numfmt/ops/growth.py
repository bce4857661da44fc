"""Growth of fixed-point results: the format that holds every sum or product of two formats exactly."""

from __future__ import annotations

from fractions import Fraction
from itertools import product as pairs_of
from math import prod
from typing import Any

from ..errors import ArgumentError
from ..formats.base import Format
from ..formats.integer import IntFormat
from ..formats.registry import scalar

__all__ = ["grown_format"]


def grown_format(op: str, *formats: Format | str) -> IntFormat:
    """The narrowest fixed-point format that holds every result of an operation exactly.

    Parameters
    ----------
    op : {"add", "sub", "mul", "fma", "faa"}
    formats : IntFormat or str
        One for each operand.

    Returns
    -------
    IntFormat
        As many fraction bits as the exact results need; signed (two's complement) if a result can be negative.

    Raises
    ------
    ArgumentError
        Another operation (quotients and roots have no exact format), formats that are no fixed point, more than 32
        bits.

    Notes
    -----
    Bounds are those of the codes that decode: (-128) * (-128) = 2**14 makes the product of two int8 need 16 bits.
    Source: the ranges of the operands; numfmt's own definition.

    >>> grown_format("mul", "int8_f4", "uint8_f2").name, grown_format("add", "int8", "int8").name
    ('int16_f6', 'int9')
    """
    arity = {"add": 2, "sub": 2, "mul": 2, "fma": 3, "faa": 3}
    if op not in arity:
        raise ArgumentError(f"op must be one of {', '.join(arity)} (others have no exact format), got {op!r}")
    found: list[Any] = [scalar(f) for f in formats]
    if len(found) != arity[op] or not all(isinstance(f, IntFormat) for f in found):
        names = ", ".join(f.name for f in found)
        raise ArgumentError(f"{op} grows {arity[op]} integer or fixed-point formats, got {names or 'none'}")
    ends = [(Fraction(_lowest(f)), Fraction(f.max)) for f in found]
    if op in ("mul", "fma"):
        frac_bits = sum(f.frac_bits for f in found[:2])
        corners = [prod(c) for c in pairs_of(*ends[:2])]
        low, high = min(corners), max(corners)
        if op == "fma":
            frac_bits = max(frac_bits, found[2].frac_bits)
            low, high = low + ends[2][0], high + ends[2][1]
    else:
        frac_bits = max(f.frac_bits for f in found)
        if op == "sub":
            ends[1] = (-ends[1][1], -ends[1][0])
        low, high = sum((e[0] for e in ends), Fraction(0)), sum((e[1] for e in ends), Fraction(0))
    least, most = int(low * Fraction(2) ** frac_bits), int(high * Fraction(2) ** frac_bits)
    signed = least < 0
    bits = max(most.bit_length(), (-least - 1).bit_length() if signed else 0) + int(signed)
    if bits > 32:
        raise ArgumentError(
            f"{op} of {', '.join(f.name for f in found)} needs {bits} bits, at most 32 exist; round by fmt="
        )
    return IntFormat(max(bits, 2), signed=signed, frac_bits=frac_bits)


def _lowest(fmt: IntFormat) -> Fraction:
    """The lowest value of any code, the most negative one of a narrow format too: it decodes."""
    lowest = -(1 << (fmt.bits - 1)) if fmt.narrow else fmt.min_int
    return Fraction(lowest) * Fraction(2) ** -fmt.frac_bits
