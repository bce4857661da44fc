"""One text for the arguments that all elementwise operations share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

__all__ = ["documented"]

_F = TypeVar("_F", bound=Callable[..., object])

_SHARED = """
    Parameters
    ----------
    {operands} : Encoded, broadcast against each other; formats may differ
        A plain number is taken in the format of the first Encoded operand, and must be exact there.
    fmt : Format or str, optional
        Format of the result; default: the operands' common format (an error where they differ). ``"grow"``: the
        fixed-point format that holds every result of add, sub, mul, fma or faa exactly (`grown_format`).
    rounding : Rounding or str, optional
        Default: the result format's own.
    overflow : Overflow or str, optional
        Default: the result format's non-saturating rule (IEEE: by the rounding; E4M3FN, fnuz, E8M0: NaN; P3109:
        SatNone); formats without infinity and NaN, and integers, saturate; posits, takums, LNS and codebooks keep their
        largest value.
    nan : str or NaNRule, optional
        Which NaN comes out: "canonical" (default), or as hardware propagates payloads "x86_sse", "arm", "arm_default",
        "riscv"; or what to do in a format without NaN ("zero", "max", ...), where the default is an error.
    random : int, RandomBits, HashRandom or PhiloxRandom, optional
        For the stochastic roundings, keyed by flat C-order index of the result.
    flags : bool
        Also return `Flags`.
    tininess : {{"after", "before"}}
        When the underflow flag looks: after rounding (x86, RISC-V) or before (ARM).
    out : array of ``fmt.code_dtype``, C-contiguous, of the result's shape, optional
        Receives the codes; it may be an operand's. Its content is undefined after an error.

    Returns
    -------
    Encoded, or (Encoded, Flags)

    Raises
    ------
    FormatMismatchError
        Operands of different formats without `fmt`; plain numbers that are not exact.
    NaNError, FormatOverflowError, ArgumentError
        A result that the policy refuses; division by zero into an integer format.

    Notes
    -----
    The exact result is rounded once. {note}
"""


def documented(operands: str, note: str, *examples: str) -> Callable[[_F], _F]:
    """Append the shared sections and examples to a docstring."""

    def decorate(function: _F) -> _F:
        shown = "".join(f"    {line}\n" for line in (">>> import numfmt as nf", *examples))
        function.__doc__ = f"{function.__doc__}\n{_SHARED.format(operands=operands, note=note)}\n{shown}    "
        return function

    return decorate
