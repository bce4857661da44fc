"""What every operation returns beside its codes, and the overflow rule it starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..formats.base import Format
from ..formats.exponent import ExponentFormat
from ..formats.floating import FloatFormat, Specials
from ..rounding import Overflow

__all__ = ["Flags", "arithmetic_overflow"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Flags:
    """Exceptions of each element by IEEE 754-2019 section 7, as boolean arrays of the result's shape."""

    inexact: Array
    underflow: Array
    overflow: Array
    divide_by_zero: Array
    invalid: Array

    @classmethod
    def of_bits(cls, bits: Array) -> Flags:
        """From bits in the order of Berkeley TestFloat: inexact 1, underflow 2, overflow 4, infinite 8, invalid 16."""
        return cls(*(np.asarray(bits & np.uint8(1 << i) != 0) for i in range(5)))


def arithmetic_overflow(fmt: Format) -> Overflow:
    """The overflow policy of results: the non-saturating rule of IEEE, ``fn`` and ``fnuz`` floats and of E8M0; every
    other family converts by its own standard's rule already.

    >>> import numfmt as nf
    >>> [arithmetic_overflow(nf.get(n)).name for n in ("fp8_e4m3fn", "fp4_e2m1", "p3109_k8p4se", "int8")]
    ['NONSATURATING', 'SATURATE', 'SAT_NONE', 'SATURATE']
    """
    has_room = isinstance(fmt, FloatFormat) and fmt.specials is not Specials.FINITE
    return Overflow.NONSATURATING if has_room or isinstance(fmt, ExponentFormat) else fmt.default_overflow
