"""Which operations have vectors, and how their results are made: by the library, or row by row by the oracle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .. import reference
from .._array import Encoded
from ..errors import ArgumentError, FormatMismatchError, NumfmtError
from ..formats.base import Format
from ..formats.floating import MinifloatBase, P3109Format, Specials
from ..rounding import NaNRule, Overflow, Rounding

__all__ = [
    "FUNCTIONS",
    "NAN_POLICIES",
    "OPERATIONS",
    "Computed",
    "Policy",
    "arity_of",
    "compute",
    "oracle",
    "resolve_policy",
]

Array = npt.NDArray[Any]

#: Correctly rounded functions of one operand, of formats of at most 16 bits.
FUNCTIONS = (
    *("exp", "exp2", "exp10", "expm1", "log", "log2", "log10", "log1p", "sin", "cos"),
    *("tanh", "sigmoid", "erf", "gelu", "silu", "softplus", "cbrt"),
)
#: Number of operands by operation name.
OPERATIONS: dict[str, int] = reference.OPERATIONS | dict.fromkeys(FUNCTIONS, 1)
NAN_POLICIES = ("canonical", "x86_sse", "arm", "riscv")
#: Where callables that take arrays live.
_HOMES = ("numfmt.ops", "numfmt.ops.functions", "numfmt._api")
#: The library's function takes no policy, or raises no flags: the oracle's answer is the vector.
_ORACLE_ONLY = frozenset({"negate", "abs", "copysign", "next_up", "next_down"})
#: Refused elements are found by halving, and below this many rows by the oracle.
_SMALL = 64


@dataclass(frozen=True)
class Policy:
    """Every choice that may change a result bit, by name."""

    rounding: str
    overflow: str
    nan: str
    tininess: str

    def as_dict(self) -> dict[str, str]:
        """Field names and values, as manifests hold them."""
        return asdict(self)


class Computed(NamedTuple):
    """Result codes, flag bits (TestFloat's order), and False where the policy has no result for a row."""

    codes: Array
    flags: npt.NDArray[np.uint8]
    defined: npt.NDArray[np.bool_]


def arity_of(op: str) -> int:
    """Number of operands; `ArgumentError` for an unknown operation."""
    if op not in OPERATIONS:
        raise ArgumentError(f"op must name an operation, got {op!r}; legal names: {', '.join(OPERATIONS)}")
    return OPERATIONS[op]


def _default_overflow(fmt: Format) -> Overflow:
    if isinstance(fmt, P3109Format):
        return Overflow.SAT_NONE
    if isinstance(fmt, MinifloatBase):
        finite = getattr(fmt, "specials", None) is Specials.FINITE
        return Overflow.SATURATE if finite else Overflow.NONSATURATING
    return fmt.default_overflow


def resolve_policy(fmt: Format, rounding: Any, overflow: Any, nan: Any, tininess: str) -> Policy:
    """The policy with the defaults of arithmetic into `fmt` filled in."""
    mode = fmt.default_rounding if rounding is None else Rounding.parse(rounding)
    if mode.is_stochastic:
        raise ArgumentError(
            f"rounding must be deterministic in vectors, got {mode.name.lower()}: a row does not hold the random bits"
        )
    if tininess not in ("after", "before"):
        raise ArgumentError(f"tininess must be 'after' or 'before' rounding, got {tininess!r}")
    over = _default_overflow(fmt) if overflow is None else Overflow.parse(overflow)
    name = "canonical" if nan is None else nan.name.lower() if isinstance(nan, NaNRule) else str(nan).lower()
    if name not in NAN_POLICIES and name.upper() not in NaNRule.__members__:
        legal = ", ".join([*NAN_POLICIES, *(rule.name.lower() for rule in NaNRule)])
        raise ArgumentError(f"nan must name a policy or a NaN rule, got {nan!r}; legal names: {legal}")
    return Policy(mode.name.lower(), over.name.lower(), name, tininess)


def oracle(op: str, formats: Sequence[Format], codes: Sequence[int], fmt: Format, policy: Policy) -> tuple[int, int]:
    """(code, flag bits) of one row by the slow exact reference; its errors pass through."""
    options: dict[str, Any] = policy.as_dict()
    if op in reference.OPERATIONS:
        operands = list(zip(formats, codes, strict=True))
        outcome = reference.operate(op, operands, fmt, **options)
    else:
        function: Callable[..., Any] = import_module("numfmt.reference.functions").function
        outcome = function(op, formats[0], codes[0], fmt, options.pop("rounding"), **options)
    return outcome.code, outcome.flags.bits


def _fast(op: str) -> Callable[..., Any] | None:
    if op in _ORACLE_ONLY:
        return None
    if op == "round_to_integral_exact":
        return partial(import_module("numfmt.ops").round_to_integral, exact=True)
    for home in _HOMES:
        found = getattr(import_module(home), op, None)
        if callable(found):
            return found  # type: ignore[no-any-return]
    return None


def _run(function: Callable[..., Any], operands: list[Encoded], fmt: Format, policy: Policy) -> tuple[Array, Array]:
    options: dict[str, Any] = policy.as_dict()
    if policy.nan == "canonical":
        del options["nan"]
    result, flags = function(*operands, fmt=fmt, flags=True, **options)
    bits = np.zeros(result.codes.shape, np.uint8)
    for i, name in enumerate(("inexact", "underflow", "overflow", "divide_by_zero", "invalid")):
        bits |= np.asarray(getattr(flags, name), np.uint8) << np.uint8(i)
    return result.codes, bits


def compute(op: str, formats: Sequence[Format], columns: Sequence[Array], fmt: Format, policy: Policy) -> Computed:
    """Results of all rows; rows that the policy refuses (no NaN, division by an integer zero) are marked."""
    size = columns[0].size
    found = Computed(np.zeros(size, fmt.code_dtype), np.zeros(size, np.uint8), np.ones(size, bool))
    function = _fast(op)
    for at in range(0, size, 1 << 20):
        _fill(op, formats, columns, fmt, policy, function, found, at, min(size, at + (1 << 20)))
    return found


def _fill(
    op: str,
    formats: Sequence[Format],
    columns: Sequence[Array],
    fmt: Format,
    policy: Policy,
    function: Callable[..., Any] | None,
    found: Computed,
    start: int,
    stop: int,
) -> None:
    if function is not None:
        operands = [Encoded(c[start:stop], f) for c, f in zip(columns, formats, strict=True)]
        try:
            found.codes[start:stop], found.flags[start:stop] = _run(function, operands, fmt, policy)
            return
        except FormatMismatchError:
            raise
        except NumfmtError:
            if stop - start > _SMALL:
                middle = (start + stop) // 2
                _fill(op, formats, columns, fmt, policy, function, found, start, middle)
                _fill(op, formats, columns, fmt, policy, function, found, middle, stop)
                return
    for i in range(start, stop):
        try:
            code, bits = oracle(op, formats, [int(c[i]) for c in columns], fmt, policy)
        except NumfmtError:
            found.defined[i] = False
            continue
        found.codes[i], found.flags[i] = code, bits
