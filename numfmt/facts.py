"""`finfo`: the facts of a format under the field names of `numpy.finfo`."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .errors import ArgumentError, FormatMismatchError
from .formats.base import Format
from .formats.floating import MinifloatBase
from .formats.registry import scalar as get

__all__ = ["FormatInfo", "finfo"]


@dataclass(frozen=True)
class FormatInfo:
    """numpy.finfo's fields, derived from the format: floats of every convention, posits, takums and the rest.

    `eps` is the gap above 1 and `epsneg` the gap below; fields without meaning for a family are None.
    """

    name: str
    bits: int
    eps: Any
    epsneg: Any
    max: Any
    min: Any
    tiny: Any
    smallest_normal: Any
    smallest_subnormal: Any
    nmant: int | None
    nexp: int | None
    iexp: int | None
    machep: int | None
    negep: int | None
    minexp: int | None
    maxexp: int | None
    precision: int | None
    resolution: Any
    dtype: Any


def finfo(fmt: Format | str) -> FormatInfo:
    """Facts of a real format under NumPy's names.

    >>> finfo("fp8_e4m3fn").eps, finfo("bfloat16").nmant
    (0.125, 7)
    """
    fmt = get(fmt)
    if fmt.is_complex:
        raise FormatMismatchError(f"finfo is for real formats; {fmt.name} is complex")
    try:
        eps = fmt.epsilon_at(1.0)
        rank = fmt.rank_below(Fraction(1))
        at = fmt.value_of(fmt.ordered_codes[rank])
        below = fmt.value_of(fmt.ordered_codes[rank - 1]) if at == 1 and rank else at
        epsneg = float(1 - below.value)
    except ArgumentError:  # 1 lies outside the format's range
        eps = epsneg = None
    float_like = isinstance(fmt, MinifloatBase)
    nmant = fmt.mantissa_bits if isinstance(fmt, MinifloatBase) else None
    nexp = fmt.exponent_bits if isinstance(fmt, MinifloatBase) else None
    minexp = 1 - fmt.bias if isinstance(fmt, MinifloatBase) else None
    maxexp = None
    if float_like:
        top = fmt.value_of(fmt.max_code)
        maxexp = top.exponent + top.significand.bit_length()
    decimal_digits = int(nmant * 0.30102999566398120) if nmant is not None else None
    return FormatInfo(
        fmt.name,
        fmt.bits,
        eps,
        epsneg,
        fmt.max,
        fmt.min,
        fmt.smallest_normal,
        fmt.smallest_normal,
        fmt.smallest,
        nmant,
        nexp,
        nexp,
        -nmant if nmant is not None else None,
        -nmant - 1 if nmant is not None else None,
        minexp,
        maxexp,
        decimal_digits,
        10.0**-decimal_digits if decimal_digits is not None else None,
        fmt.value_dtype,
    )
