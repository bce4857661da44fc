"""What every elementwise operation shares: operands, the result's format and array, policies."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .._array import Encoded
from ..errors import ArgumentError, FormatMismatchError
from ..formats.base import Format
from ..formats.conversion import Policy
from ..formats.random import RandomSource, parse_random
from ..formats.registry import scalar
from ..rounding import NaNRule, Overflow, Rounding
from ._nans import NAN_POLICIES
from .flags import arithmetic_overflow

__all__ = ["Settings", "broadcast_codes", "operands_of", "result_array", "result_format", "settings_of"]

Array = npt.NDArray[Any]


class Settings(NamedTuple):
    """Everything besides operands and result format that decides a bit."""

    policy: Policy
    #: One of `NAN_POLICIES`.
    nan: str = "canonical"
    source: RandomSource | None = None
    tininess: str = "after"


def settings_of(
    fmt: Format, rounding: Any, overflow: Any, nan: Any, random: Any = None, tininess: Any = "after"
) -> Settings:
    """Arguments checked and defaults filled in, for results in `fmt`."""
    if tininess not in ("after", "before"):
        raise ArgumentError(f"tininess must be 'after' or 'before' rounding, got {tininess!r}")
    rule = NaNRule.CANONICAL if fmt.has_nan else NaNRule.RAISE
    named = "canonical"
    if isinstance(nan, str) and nan.lower() in NAN_POLICIES:
        named = nan.lower()
    elif nan is not None:
        legal = [r.name.lower() for r in NaNRule]
        if not isinstance(nan, NaNRule) and str(nan).lower() not in legal:
            names = ", ".join(dict.fromkeys([*NAN_POLICIES, *legal]))
            raise ArgumentError(f"nan must name a NaN policy or a NaNRule, got {nan!r}; legal names: {names}")
        rule = NaNRule.parse(nan)
    policy = Policy(
        fmt.default_rounding if rounding is None else Rounding.parse(rounding),
        arithmetic_overflow(fmt) if overflow is None else Overflow.parse(overflow),
        rule,
    )
    return Settings(policy, named, _source(policy, random), tininess)


def _source(policy: Policy, random: Any) -> RandomSource | None:
    mode = policy.rounding.name.lower()
    if policy.rounding.is_stochastic and random is None:
        raise ArgumentError(f"rounding={mode} needs random bits; pass random=seed or RandomBits(integers, width)")
    if not policy.rounding.is_stochastic and random is not None:
        raise ArgumentError(f"random is for the stochastic roundings, got rounding={mode}; drop it")
    return None if random is None else parse_random(random)


def _plain(x: Any, like: Format | None) -> Encoded:
    if like is None:
        raise FormatMismatchError(f"operands must be Encoded, got {type(x).__name__}; use numfmt.encode(x, fmt)")
    from .._api import decode, encode
    from .._block_array import BlockEncoded

    if isinstance(x, BlockEncoded):
        raise FormatMismatchError(f"operands must be scalar formats, got {x.format.name}; decode and encode it")
    e: Encoded = encode(x, like)
    given = np.asarray(x, np.float64)
    same = np.asarray(decode(e, dtype=np.float64)) == given
    if not np.all(same | np.isnan(given)):
        raise FormatMismatchError(
            f"a plain operand must be exact in {like.name}, got {x!r}; round it first with numfmt.encode"
        )
    return e


def operands_of(*given: Any) -> list[Encoded]:
    """The operands as Encoded; plain numbers are taken in the format of the first Encoded, if exact there."""
    like = next((x.format for x in given if isinstance(x, Encoded)), None)
    operands = [x if isinstance(x, Encoded) else _plain(x, like) for x in given]
    for e in operands:
        if e.format.is_complex:
            raise ArgumentError(f"operands must be real, got {e.format.name}, which is complex; compute on parts")
    return operands


def broadcast_codes(operands: list[Encoded]) -> list[Array]:
    """Codes of the operands in their common shape."""
    try:
        return [np.asarray(c) for c in np.broadcast_arrays(*(e.codes for e in operands))]
    except ValueError:
        shapes = " and ".join(str(e.shape) for e in operands)
        raise ArgumentError(f"operands must broadcast against each other, got shapes {shapes}; reshape one") from None


def result_format(fmt: Any, operands: list[Encoded], op: str = "add") -> Format:
    """The result format: `fmt`, or the operands' common one."""
    if fmt is not None:
        if isinstance(fmt, str) and fmt.lower() == "grow":
            from .growth import grown_format

            return grown_format(op, *(e.format for e in operands))
        found = scalar(fmt)
        if found.is_complex:
            raise ArgumentError(f"fmt must be a real format, got {found.name}, which is complex")
        return found
    first = operands[0].format
    if any(e.format != first for e in operands):
        names = " and ".join(dict.fromkeys(e.format.name for e in operands))
        raise FormatMismatchError(f"operands are in {names}: say the result's format with fmt=")
    return first


def result_array(out: Any, shape: tuple[int, ...], fmt: Format) -> Array:
    """`out`, checked, or a new array of codes."""
    if out is None:
        return np.empty(shape, fmt.code_dtype)
    good = isinstance(out, np.ndarray) and out.dtype == fmt.code_dtype and out.shape == shape
    if not good or not out.flags.c_contiguous or not out.flags.writeable:
        got = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise ArgumentError(
            f"out must be a writeable C-contiguous {fmt.code_dtype} array of shape {shape}, got {got}; "
            "pass numpy.empty(shape, dtype)"
        )
    return np.asarray(out)
