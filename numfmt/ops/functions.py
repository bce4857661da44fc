"""Elementary functions, correctly rounded in every format of at most 16 bits: one table look-up per element.

Every function takes codes of a format of at most 16 bits and rounds the exact real result once. The results over all
operand codes are proved with interval arithmetic when a pair (function, operand format) is first used (about a second
for 16 bits, then kept on disk: `cache_directory`), so an element costs one indexed load, in every rounding direction.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from .._array import Encoded
from .._block_array import BlockEncoded
from ..errors import ArgumentError, FormatMismatchError
from ..formats.base import TABLE_BITS, Format
from ..formats.conversion import Policy, refuse
from ..formats.registry import scalar
from ..rounding import NaNRule, Overflow, Rounding
from ._elementary import NAMES
from ._function_rounding import flag_tables, rounded_codes
from ._function_tables import cache_directory
from .flags import Flags, arithmetic_overflow

__all__ = [
    "cache_directory",
    "cbrt",
    "cos",
    "erf",
    "exp",
    "exp10",
    "exp2",
    "expm1",
    "gelu",
    "log",
    "log10",
    "log1p",
    "log2",
    "rsqrt",
    "sigmoid",
    "silu",
    "sin",
    "softplus",
    "tanh",
]

Array = npt.NDArray[Any]
RESULT_BITS = 32


class Function(Protocol):
    """The signature that all functions of this module share."""

    __name__: str

    def __call__(
        self,
        e: Encoded,
        *,
        fmt: Format | str | None = None,
        rounding: Rounding | str | None = None,
        overflow: Overflow | str | None = None,
        nan: NaNRule | str | None = None,
        flags: bool = False,
        tininess: str = "after",
        out: Array | None = None,
    ) -> Any: ...


class _Text(NamedTuple):
    """What the documentation says about one function, and an example: operands as numbers, results in binary16."""

    definition: str
    special: str
    operands: str
    shown: str


IEEE = "IEEE 754-2019 section 9.2"
_TEXTS = {
    "exp": _Text(
        "e**x",
        f"exp(-inf) = +0, exp(+inf) = +inf ({IEEE})",
        "0, 1, -1",
        "Encoded([1.        , 2.71875   , 0.36791992], 'binary16')",
    ),
    "exp2": _Text(
        "2**x, exact for whole x",
        f"as exp ({IEEE})",
        "3, 0.5, -25",
        "Encoded([8.       , 1.4140625, 0.       ], 'binary16')",
    ),
    "exp10": _Text(
        "10**x", f"as exp ({IEEE})", "2, 0.5, -1", "Encoded([1.0000000e+02, 3.1621094e+00, 9.9975586e-02], 'binary16')"
    ),
    "expm1": _Text(
        "e**x - 1 without cancellation",
        f"expm1(+-0) = +-0, expm1(-inf) = -1 ({IEEE})",
        "1, 0.001, -20",
        "Encoded([ 1.718750e+00,  1.001358e-03, -1.000000e+00], 'binary16')",
    ),
    "log": _Text(
        "natural logarithm",
        f"log(+-0) = -inf and divide_by_zero, log(x < 0) invalid, log(1) = +0 ({IEEE}); P3109 alike",
        "1, 2, 10",
        "Encoded([0.       , 0.6933594, 2.3027344], 'binary16')",
    ),
    "log2": _Text(
        "logarithm to base 2, exact for powers of 2",
        f"as log ({IEEE})",
        "8, 3, 0.5",
        "Encoded([ 3.       ,  1.5849609, -1.       ], 'binary16')",
    ),
    "log10": _Text(
        "logarithm to base 10, exact for powers of 10",
        f"as log ({IEEE})",
        "1000, 2, 0.1",
        "Encoded([ 3.       ,  0.3010254, -1.       ], 'binary16')",
    ),
    "log1p": _Text(
        "log(1 + x) without cancellation",
        f"log1p(+-0) = +-0, log1p(-1) = -inf and divide_by_zero, log1p(x < -1) invalid ({IEEE}, logp1)",
        "1, 0.001, -0.5",
        "Encoded([ 0.6933594 ,  0.00099945, -0.6933594 ], 'binary16')",
    ),
    "sin": _Text(
        "sine of x radians",
        f"sin(+-0) = +-0, sin(+-inf) invalid ({IEEE})",
        "1, 3, 30000",
        "Encoded([ 0.8413086 ,  0.14111328, -0.8027344 ], 'binary16')",
    ),
    "cos": _Text(
        "cosine of x radians",
        f"cos(+-inf) invalid ({IEEE})",
        "0, 3, 30000",
        "Encoded([ 1.       , -0.9902344, -0.5961914], 'binary16')",
    ),
    "tanh": _Text(
        "hyperbolic tangent",
        f"tanh(+-0) = +-0, tanh(+-inf) = +-1 ({IEEE})",
        "0.5, 1, -9",
        "Encoded([ 0.4621582 ,  0.76171875, -1.        ], 'binary16')",
    ),
    "sigmoid": _Text(
        "1 / (1 + e**-x)",
        "sigmoid(-inf) = +0, sigmoid(+inf) = 1 (limits)",
        "0, 1, -5",
        "Encoded([0.5       , 0.73095703, 0.00669098], 'binary16')",
    ),
    "erf": _Text(
        "error function, 2/sqrt(pi) times the integral of exp(-t**2) from 0 to x",
        "erf(+-0) = +-0, erf(+-inf) = +-1 (C23 F.10.5.1)",
        "0.5, 1, -3",
        "Encoded([ 0.5205078 ,  0.84277344, -1.        ], 'binary16')",
    ),
    "gelu": _Text(
        "x * Phi(x) with the normal distribution function Phi, the exact form (arXiv:1606.08415), not the tanh one",
        "gelu(+-0) = +-0, gelu(+inf) = +inf, gelu(-inf) = -0 (limits)",
        "1, -1, -4",
        "Encoded([ 8.4130859e-01, -1.5869141e-01, -1.2671947e-04], 'binary16')",
    ),
    "silu": _Text(
        "x / (1 + e**-x), also called swish (arXiv:1702.03118)",
        "silu(+-0) = +-0, silu(+inf) = +inf, silu(-inf) = -0 (limits)",
        "1, -1, -8",
        "Encoded([ 0.73095703, -0.26904297, -0.00268364], 'binary16')",
    ),
    "softplus": _Text(
        "log(1 + e**x)",
        "softplus(-inf) = +0, softplus(+inf) = +inf (limits)",
        "0, 1, -5",
        "Encoded([0.6933594 , 1.3134766 , 0.00671387], 'binary16')",
    ),
    "rsqrt": _Text(
        "1 / sqrt(x), exact for even powers of 2",
        f"rsqrt(+-0) = +-inf and divide_by_zero, rsqrt(x < 0) invalid, rsqrt(+inf) = +0 ({IEEE}, rSqrt); a P3109 "
        "operand: rsqrt(0) = NaN",
        "4, 2, 0.1",
        "Encoded([0.5       , 0.70703125, 3.1621094 ], 'binary16')",
    ),
    "cbrt": _Text(
        "cube root, exact for cubes",
        "cbrt(+-0) = +-0, cbrt(+-inf) = +-inf (C23 F.10.4.1)",
        "27, 2, -1",
        "Encoded([ 3.       ,  1.2597656, -1.       ], 'binary16')",
    ),
}

_DOC = """{definition}; the exact value rounded once.

    Parameters
    ----------
    e : Encoded, any shape
        Operands, of a real format of at most 16 bits.
    fmt : Format or str, optional
        Result format, real and of at most 32 bits. Default: the operands'.
    rounding : Rounding or str, optional
        Any deterministic mode. Default: the result format's own.
    overflow : Overflow or str, optional
        Default: the format's non-saturating rule: infinity, else NaN (P3109: SAT_NONE; posits, takums and LNS: the
        largest value for finite results, NaN for infinite ones); integers and formats without NaN saturate.
    nan : NaNRule or str, optional
        Code of a NaN result. Default: the canonical NaN; `NaNError` in a format without NaN.
    flags : bool
        Also return the IEEE 754 exceptions of each element.
    tininess : {{"after", "before"}}
        Whether underflow looks at the rounded or the exact result.
    out : array of ``fmt.code_dtype``, C-contiguous, of e's shape, optional
        Receives the codes.

    Returns
    -------
    Encoded; with `flags`, also Flags

    Raises
    ------
    FormatMismatchError, ArgumentError
        `e` is no `Encoded`, a format is too wide, the rounding is stochastic.
    NaNError, FormatOverflowError
        A result that the policy refuses.

    Notes
    -----
    {special}. A NaN operand gives NaN, a signaling one (IEEE formats) invalid too. Flags follow IEEE 754-2019 section 7
    in formats of every family, also those whose standards have none.

    >>> import numfmt as nf
    >>> {name}(nf.encode([{operands}], "binary16"))
    {shown}
    """


def _operand(e: Any, name: str) -> Encoded:
    if isinstance(e, BlockEncoded):
        raise FormatMismatchError(
            f"e must hold codes of a scalar format, got {e.format.name}: blocks carry scales; decode, encode in a "
            f"format of at most {TABLE_BITS} bits, and apply {name} to that"
        )
    if not isinstance(e, Encoded):
        raise FormatMismatchError(
            f"e must be an Encoded, got {type(e).__name__}; write {name}(numfmt.encode(x, fmt)) to say how x rounds"
        )
    if e.format.is_complex or e.format.bits > TABLE_BITS:
        raise ArgumentError(
            f"e must have a real format of at most {TABLE_BITS} bits, got {e.format.name}: the results of wider "
            "formats cannot all be tabulated; cast to a narrower one first (numfmt.cast), or encode numpy's results"
        )
    return e


def _result_format(fmt: Any, source: Format) -> Format:
    result = source if fmt is None else scalar(fmt)
    if result.is_complex or result.bits > RESULT_BITS:
        raise ArgumentError(f"fmt must be a real format of at most {RESULT_BITS} bits, got {result.name}")
    return result


@lru_cache(maxsize=1024)
def _policy(fmt: Format, rounding: Any, overflow: Any, nan: Any) -> Policy:
    mode = fmt.default_rounding if rounding is None else Rounding.parse(rounding)
    if mode.is_stochastic:
        raise ArgumentError(
            f"rounding must be deterministic for tabulated functions, got {mode.name.lower()}; for a random rounding "
            "take a wider result format and numfmt.cast it with random="
        )
    over = arithmetic_overflow(fmt) if overflow is None else Overflow.parse(overflow)
    if over is Overflow.WRAP:
        raise ArgumentError("overflow=wrap is for integer arithmetic, not for real functions; use saturate")
    return Policy(mode, over, fmt.default_nan if nan is None else NaNRule.parse(nan))


class _Plan(NamedTuple):
    """A look-up ready to run."""

    codes: Array
    refused: Array | None


@lru_cache(maxsize=512)
def _plan(name: str, source: Format, fmt: Format, policy: Policy) -> _Plan:
    codes = rounded_codes(name, source, fmt, policy)
    refused = codes < 0
    return _Plan(np.maximum(codes, 0).astype(fmt.code_dtype), refused if refused.any() else None)


def _apply(
    name: str, e: Any, fmt: Any, rounding: Any, overflow: Any, nan: Any, flags: bool, tininess: str, out: Any
) -> Any:
    source = _operand(e, name)
    result = _result_format(fmt, source.format)
    policy = _hashable_policy(result, rounding, overflow, nan)
    if tininess not in ("after", "before"):
        raise ArgumentError(f"tininess must be 'after' or 'before', got {tininess!r}")
    if out is not None:
        _check_out(out, source.shape, result)
    plan = _plan(name, source.format, result, policy)
    codes = source.codes
    if plan.refused is not None and (bad := plan.refused[codes]).any():
        _refuse(name, source, result, policy, bad)
    if out is None:
        out = np.empty(codes.shape, result.code_dtype)
    np.take(plan.codes, codes, out=out, mode="clip")
    y = Encoded._wrap(out, result)
    if not flags:
        return y
    raised = flag_tables(name, source.format, result, policy, tininess)
    return y, Flags(*(np.take(flag, codes, mode="clip") for flag in raised))


def _hashable_policy(fmt: Format, rounding: Any, overflow: Any, nan: Any) -> Policy:
    try:
        return _policy(fmt, rounding, overflow, nan)
    except TypeError:  # an option that cannot be hashed: parsing says what is wrong with it
        return _policy.__wrapped__(fmt, rounding, overflow, nan)


def _check_out(out: Any, shape: tuple[int, ...], fmt: Format) -> None:
    if not isinstance(out, np.ndarray) or out.dtype != fmt.code_dtype or out.shape != shape:
        got = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise ArgumentError(f"out must be a {fmt.code_dtype} array of shape {shape}, got {got}")
    if not out.flags.c_contiguous or not out.flags.writeable:
        raise ArgumentError("out must be C-contiguous and writeable; pass out=numpy.empty(shape, dtype)")


def _refuse(name: str, e: Encoded, fmt: Format, policy: Policy, bad: Array) -> None:
    first = int(np.flatnonzero(bad)[0])
    code = int(e.codes.reshape(-1)[first])
    mark = int(rounded_codes(name, e.format, fmt, policy)[code])
    refuse(mark, fmt, policy, f"{name} of flat index {first}, code {code:#x} of {e.format.name}")


def _function(name: str) -> Function:
    def function(
        e: Encoded,
        *,
        fmt: Format | str | None = None,
        rounding: Rounding | str | None = None,
        overflow: Overflow | str | None = None,
        nan: NaNRule | str | None = None,
        flags: bool = False,
        tininess: str = "after",
        out: Array | None = None,
    ) -> Any:
        return _apply(name, e, fmt, rounding, overflow, nan, flags, tininess, out)

    text = _TEXTS[name]
    function.__name__ = function.__qualname__ = name
    function.__doc__ = _DOC.format(name=name, **text._asdict())
    made: Callable[..., Any] = function
    return made


exp = _function("exp")
exp2 = _function("exp2")
exp10 = _function("exp10")
expm1 = _function("expm1")
log = _function("log")
log2 = _function("log2")
log10 = _function("log10")
log1p = _function("log1p")
sin = _function("sin")
cos = _function("cos")
tanh = _function("tanh")
sigmoid = _function("sigmoid")
erf = _function("erf")
gelu = _function("gelu")
silu = _function("silu")
softplus = _function("softplus")
rsqrt = _function("rsqrt")
cbrt = _function("cbrt")

assert set(_TEXTS) == set(NAMES)
