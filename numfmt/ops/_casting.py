"""Conversion with exception flags: what `numfmt.cast` does when asked for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .._array import Encoded
from .._op_lowering import operand_values
from ..formats.base import Format
from ..formats.codebook import CodebookFormat
from ..formats.conversion import Policy
from ..formats.integer import IntFormat
from ..formats.random import RandomSource
from ..rounding import NaNRule
from ._job import Job
from ._nans import integer_code
from ._operands import Settings
from ._special_flags import INVALID
from .flags import Flags

__all__ = ["cast_with_flags"]

Array = npt.NDArray[Any]
_OVERFLOW = np.uint8(4)


def cast_with_flags(
    e: Encoded,
    fmt: Format,
    policy: Policy,
    nan: str,
    source: RandomSource | None,
    tininess: str,
    codes: Array,
    *,
    overflow_given: bool,
) -> Flags:
    """Write the codes of `e` in `fmt`, and give the flags.

    To an integer from anything but integers and codebooks, what cannot be represented is invalid and nothing else
    (IEEE 754-2019 sections 5.8 and 7.2 j); a NaN policy of hardware then says what NaN and numbers beyond become.
    """
    flat = np.ascontiguousarray(e.codes).reshape(-1)
    result, bits = codes.reshape(-1), np.empty(e.size, np.uint8)
    to_integer = isinstance(fmt, IntFormat) and not isinstance(e.format, (IntFormat, CodebookFormat))
    ruled = isinstance(fmt, IntFormat) and nan != "canonical"
    if ruled and policy.nan is NaNRule.RAISE:
        policy = policy._replace(nan=NaNRule.ZERO)
    Job("cast", [e.format], fmt, Settings(policy, nan, source, tininess), e.shape).run([flat], result, bits)
    if to_integer:
        beyond = (bits & (_OVERFLOW | INVALID)) != 0
        bits[beyond] = INVALID
    if ruled:
        assert isinstance(fmt, IntFormat)
        at = np.flatnonzero(bits & INVALID)
        values = operand_values(flat[at], e.format)
        for kind, where in ((None, np.isnan(values)), (True, values < 0), (False, values > 0)):
            code = integer_code(fmt, nan, kind)
            if code is not None and (kind is None or not overflow_given):
                result[at[where]] = code
    return Flags.of_bits(bits.reshape(e.shape))
