"""`explain`: one operation on one row of operands, every step in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ._array import Encoded
from .display import bits_text, code_text, number_text, value_text
from .errors import ArgumentError, FormatMismatchError, NumfmtError
from .formats.base import Format
from .formats.registry import scalar
from .formats.unpacked import Kind
from .rounding import Rounding
from .vectors.exact import Value, exact_value, find_place
from .vectors.operations import Policy, arity_of, oracle, resolve_policy

__all__ = ["Explanation", "code_of_number", "explain", "explain_codes"]

_FLAG_NAMES = ("inexact", "underflow", "overflow", "divide_by_zero", "invalid")
_SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
_TIES = {
    "nearest_even": "the neighbour whose code is even",
    "nearest_away": "the neighbour of larger magnitude",
    "nearest_up": "the upper neighbour",
    "nearest_down": "the lower neighbour",
    "nearest_zero": "the neighbour of smaller magnitude",
}


@dataclass(frozen=True)
class Explanation:
    """What `explain` found; ``str()`` prints it, `as_dict` is ready for JSON."""

    op: str
    operands: tuple[tuple[Format, int], ...]
    fmt: Format
    policy: Policy
    code: int | None
    flags: tuple[str, ...]
    exact: Value | None
    below: int | None
    above: int | None
    decision: str
    diagnosis: str | None = None

    @property
    def expression(self) -> str:
        """The operation on codes, as ``numfmt eval`` reads it."""
        codes = [code_text(f, c) for f, c in self.operands]
        names = list(dict.fromkeys(f.name for f, _ in self.operands))
        formats = names if len(names) == 1 else [f.name for f, _ in self.operands]
        body = f"{codes[0]} {_SIGNS[self.op]} {codes[1]}" if self.op in _SIGNS else f"{self.op}({', '.join(codes)})"
        into = "" if names == [self.fmt.name] else f" -> {self.fmt.name}"
        return f"{', '.join(formats)}: {body}{into}, {self.policy.rounding}"

    def distance(self, code: int | None) -> Fraction | None:
        """Value of `code` minus the exact result (400 bits of an irrational one); None where not finite."""
        if code is None or self.exact is None or not self.fmt.value_of(code).is_finite:
            return None
        return self.fmt.value_of(code).value - self.exact.number

    def as_dict(self) -> dict[str, Any]:
        """All of it, with exact numbers as text."""

        def described(fmt: Format, code: int | None) -> dict[str, Any] | None:
            if code is None:
                return None
            return {"format": fmt.name, "hex": code_text(fmt, code), "bits": bits_text(fmt, code), "code": code} | {
                "value": value_text(fmt, code)
            }

        return {
            "expression": self.expression,
            "op": self.op,
            "operands": [described(f, c) for f, c in self.operands],
            "policy": self.policy.as_dict(),
            "result": described(self.fmt, self.code),
            "flags": list(self.flags),
            "exact": None if self.exact is None else _exact_text(self.exact),
            "below": described(self.fmt, self.below),
            "above": described(self.fmt, self.above),
            "decision": self.decision,
            "diagnosis": self.diagnosis,
        }

    def __str__(self) -> str:
        rows = [
            (f"operand {letter}", *_cells(f, c), f.name) for letter, (f, c) in zip("abc", self.operands, strict=False)
        ]
        if self.below is not None and self.below != self.above:
            rows.append(("next below", *_cells(self.fmt, self.below), _distance_text(self.distance(self.below))))
        if self.above is not None and self.below != self.above:
            rows.append(("next above", *_cells(self.fmt, self.above), _distance_text(self.distance(self.above))))
        if self.code is not None:
            rows.append(("result", *_cells(self.fmt, self.code), self.fmt.name))
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        lines = [self.expression]
        for row in rows:
            lines.append("  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())
        if self.exact is not None:
            lines.append(f"  exact result: {_exact_text(self.exact)}")
        lines.append(f"  decision: {self.decision}")
        policy = f"overflow {self.policy.overflow}, NaN {self.policy.nan}, tininess {self.policy.tininess} rounding"
        lines.append(f"  flags: {', '.join(self.flags) or 'none'} ({policy})")
        return "\n".join(lines + ([f"  {self.diagnosis}"] if self.diagnosis else []))


def _cells(fmt: Format, code: int) -> tuple[str, str, str]:
    return code_text(fmt, code), bits_text(fmt, code), value_text(fmt, code)


def _exact_text(x: Value) -> str:
    text = number_text(x.number)
    short = max(x.number.numerator.bit_length(), x.number.denominator.bit_length()) <= 128
    if x.more:
        return f"{text.lstrip('~')}... (irrational)" if "~" in text else f"just beyond {text}"
    if text.startswith("~"):
        return f"{text.lstrip('~')}... = {x.number}" if short else f"{text.lstrip('~')}..."
    return f"{text} = {x.number}" if short and x.number.denominator > 1 else text


def _distance_text(x: Fraction | None) -> str:
    return "" if x is None else f"exact {'+' if x >= 0 else '-'} {number_text(abs(x)).lstrip('~')}"


def code_of_number(x: Any, fmt: Format) -> int:
    """The code of a number that `fmt` holds exactly; `ArgumentError` names the neighbours of any other."""
    if isinstance(x, float) and math.isnan(x):
        if fmt.nan_code is None:
            raise ArgumentError(f"operand must be a value of {fmt.name}, which has no NaN; write a code, such as 0x0")
        return fmt.nan_code
    negative = math.copysign(1, x) < 0 if isinstance(x, float) else x < 0
    if isinstance(x, float) and math.isinf(x):
        infinity = fmt.infinity_codes[negative]
        if infinity is None:
            raise ArgumentError(f"operand must be a value of {fmt.name}, which has no such infinity; write a code")
        return infinity
    exact = Fraction(x)
    if exact == 0 and fmt.zero_codes[negative] is not None:
        return int(fmt.zero_codes[negative] or 0)
    place = find_place(fmt, Value(exact))
    if place.lower is not None and place.lower == place.upper:
        return place.lower
    near = " and ".join(f"{code_text(fmt, c)} ({value_text(fmt, c)})" for c in place if c is not None)
    raise ArgumentError(
        f"operand {number_text(exact)} is no value of {fmt.name}: beside it lie {near}; write one of these codes"
    )


def explain(
    op: str,
    *operands: Any,
    fmt: Format | str | None = None,
    rounding: Rounding | str | None = None,
    overflow: Any = None,
    nan: Any = None,
    tininess: str = "after",
    got: int | None = None,
) -> Explanation:
    """Say what an operation gives and why: operands, exact result, its neighbours, the decision, the flags.

    The result is that of the slow exact reference, not of the array kernels.

    Parameters
    ----------
    op : str
        Name of an operation, such as "mul", "fma" or "exp"; `numfmt.vectors.OPERATIONS` lists them.
    operands : Encoded with one element each, or numbers
        A number is taken in the format of the first Encoded operand, which must hold it exactly.
    fmt : Format or str, optional
        Format of the result. Default: that of the operands, an error where they differ.
    rounding, overflow, nan, tininess
        The policy, with the defaults of arithmetic: the format's own rounding, its non-saturating overflow rule,
        "canonical" NaN, tininess "after" rounding.
    got : int, optional
        A code that something else produced: the explanation says which bits differ and which other policy gives it.

    Returns
    -------
    Explanation
        ``code`` is None where the policy has no result (a NaN in a format without NaN); ``decision`` then says so.

    Raises
    ------
    ArgumentError
        An unknown operation or policy, a wrong number of operands, an operand of more than one element.
    FormatMismatchError
        No operand is Encoded, or the formats differ and `fmt` is not given.

    >>> import numfmt as nf
    >>> print(nf.explain("mul", nf.Encoded(0x3A, "fp8_e4m3fn"), nf.Encoded(0x51, "fp8_e4m3fn")))
    fp8_e4m3fn: 0x3a * 0x51, nearest_even
      operand a   0x3a  0 0111 010  1.25   fp8_e4m3fn
      operand b   0x51  0 1010 001  9      fp8_e4m3fn
      next below  0x53  0 1010 011  11     exact - 0.25
      next above  0x54  0 1010 100  12     exact + 0.75
      result      0x53  0 1010 011  11     fp8_e4m3fn
      exact result: 11.25 = 45/4
      decision: 11.25 is below the tie 11.5: nearest_even takes the nearer neighbour, 11
      flags: inexact (overflow nonsaturating, NaN canonical, tininess after rounding)
    """
    arity = arity_of(op)
    if len(operands) != arity:
        raise ArgumentError(f"{op} takes {arity} operands, got {len(operands)}")
    like = next((x.format for x in operands if isinstance(x, Encoded)), None)
    if like is None:
        raise FormatMismatchError("at least one operand must be Encoded; write numfmt.Encoded(code, fmt)")
    rows = [_one(x, like, f"operand {i + 1}") for i, x in enumerate(operands)]
    names = {f.name for f, _ in rows}
    if fmt is None and len(names) > 1:
        raise FormatMismatchError(f"operands are in {' and '.join(sorted(names))}: say the result's format with fmt=")
    target = rows[0][0] if fmt is None else scalar(fmt)
    return explain_codes(op, rows, target, resolve_policy(target, rounding, overflow, nan, tininess), got)


def _one(x: Any, like: Format, name: str) -> tuple[Format, int]:
    if isinstance(x, Encoded):
        if x.size != 1:
            raise ArgumentError(f"{name} must have one element, got shape {x.shape}; index it first")
        return x.format, int(x.codes.reshape(-1)[0])
    return like, code_of_number(x, like)


def explain_codes(
    op: str, operands: Sequence[tuple[Format, int]], fmt: Format, policy: Policy, got: int | None = None
) -> Explanation:
    """`explain` below the surface: formats and codes that are known to be legal."""
    formats, codes = [f for f, _ in operands], [c for _, c in operands]
    try:
        code, bits = oracle(op, formats, codes, fmt, policy)
        refusal = None
    except NumfmtError as err:
        code, bits, refusal = None, 0, str(err)
    flags = tuple(name for i, name in enumerate(_FLAG_NAMES) if bits >> i & 1)
    unpacked = [f.value_of(c) for f, c in operands]
    exact = None
    if all(x.is_finite for x in unpacked) and all(f.exact for f in formats):
        exact = exact_value(op, [x.value for x in unpacked])
    place = None if exact is None or not fmt.exact else find_place(fmt, exact)
    below, above = (None, None) if place is None else place
    if refusal is not None:
        decision = f"no result: {refusal}"
    elif exact is None or code is None:
        decision = _special_decision(op, unpacked, fmt, code, flags)
    else:
        decision = _decision(exact, fmt, below, above, code, policy, flags)
    diagnosis = None if got is None or code is None else _diagnosis(op, operands, fmt, policy, code, got)
    found = tuple(operands), fmt, policy, code, flags, exact, below, above, decision, diagnosis
    return Explanation(op, *found)


def _special_decision(op: str, operands: Sequence[Any], fmt: Format, code: int | None, flags: tuple[str, ...]) -> str:
    result = "" if code is None else value_text(fmt, code)
    if any(x.kind is Kind.NAN for x in operands):
        signaling = " (a signaling one, hence invalid)" if "invalid" in flags else ""
        return f"an operand is NaN{signaling}: {result} by the NaN policy"
    if "divide_by_zero" in flags:
        return f"a pole: an infinite result of finite operands, here {result}"
    if "invalid" in flags:
        return f"invalid: the operation has no value for these operands, {result} by the NaN policy"
    if any(x.kind is Kind.INFINITY for x in operands):
        return f"infinities are exact operands (IEEE 754-2019 section 6.1): {result}"
    return f"{result}, by the definition of {op}"


def _decision(
    x: Value, fmt: Format, below: int | None, above: int | None, code: int, policy: Policy, flags: tuple[str, ...]
) -> str:
    mode, result = policy.rounding, value_text(fmt, code)
    if x.number == 0:
        return f"exactly zero, the sign by IEEE 754-2019 section 6.3 and rounding {mode}: {result}"
    if below is not None and below == above and "overflow" not in flags:
        return f"exact: {fmt.name} holds {number_text(x.number)}"
    if below is None or above is None:
        end = "largest" if above is None else "lowest"
        code_of_end = below if above is None else above
        limit = "" if code_of_end is None else f" {value_text(fmt, code_of_end)}"
        effect = f"overflow {policy.overflow} gives" if "overflow" in flags else f"{mode} gives"
        return f"beyond the {end} value{limit}: {effect} {result}"
    low, high = value_text(fmt, below), value_text(fmt, above)
    if not mode.startswith("nearest"):
        return f"between {low} and {high}: {mode} takes {result}"
    middle = fmt.breakpoint(below, above)
    if not isinstance(middle, Fraction):
        return f"between {low} and {high}: {mode} takes {result}"
    side, text, tie = x.compare(middle), number_text(x.number), number_text(middle)
    if side:
        where = "above" if side > 0 else "below"
        kind = "the nearer neighbour" if middle * 2 == _sum(fmt, below, above) else "the neighbour on that side"
        return f"{text} is {where} the tie {tie}: {mode} takes {kind}, {result}"
    return f"{text} is a tie between {low} and {high}: {mode} takes {_TIES[mode]}, {result}"


def _sum(fmt: Format, a: int, b: int) -> Fraction:
    return fmt.value_of(a).value + fmt.value_of(b).value


def _diagnosis(
    op: str, operands: Sequence[tuple[Format, int]], fmt: Format, policy: Policy, code: int, got: int
) -> str:
    """Which bits of `got` differ, and which other policy would give it."""
    fmt.check_code(got)
    if got == code:
        return f"got {code_text(fmt, got)}, as expected"
    wrong = [str(i) for i in range(fmt.bits) if (got ^ code) >> i & 1]
    bits = f"bits {', '.join(wrong)} differ" if len(wrong) > 1 else f"bit {wrong[0]} differs"
    text = f"got {code_text(fmt, got)} ({value_text(fmt, got)}) instead of {code_text(fmt, code)}: {bits}"
    formats, codes = [f for f, _ in operands], [c for _, c in operands]
    same = []
    for mode in Rounding:
        if not mode.is_stochastic and mode.name.lower() != policy.rounding:
            other = Policy(mode.name.lower(), policy.overflow, policy.nan, policy.tininess)
            try:
                if oracle(op, formats, codes, fmt, other)[0] == got:
                    same.append(mode.name.lower())
            except NumfmtError:
                continue
    return text + (f"; that is the result of {', '.join(same)}" if same else "; no rounding gives that")
