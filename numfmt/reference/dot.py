"""The oracle of dot products: one output, in Python integers and fractions, straight from the model's fields."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from ..datapaths.model import (
    AddAfter,
    Aligned,
    Chunk,
    DotModel,
    Exact,
    Floating,
    Integer,
    Lanes,
    Permuted,
    RoundedProduct,
    Tree,
    Window,
)
from ..errors import ArgumentError
from ..formats import FloatFormat, Format, IntFormat, Kind, Unpacked, scalar
from ..rounding import Overflow, Rounding
from .encode import encode

__all__ = ["dot"]


class Term(NamedTuple):
    """A number on its way into a sum: ``(-1)**sign * significand * 2**lsb``, aligned by `head`, or a special."""

    kind: Kind
    sign: int
    significand: int
    lsb: int
    #: Exponent of the bit in front of the point, as the operands' codes give it; the value may reach 4 * 2**head.
    head: int

    @property
    def value(self) -> Fraction:
        """The exact value of a finite term."""
        magnitude = Fraction(self.significand) * Fraction(2) ** self.lsb
        return -magnitude if self.sign else magnitude


def _operand(code: int, fmt: Format) -> Term:
    """A code as significand and exponents; subnormals are not normalised, zeros carry the lowest exponent."""
    u = fmt.value_of(code)
    if isinstance(fmt, FloatFormat):
        m = fmt.mantissa_bits
        lowest = 1 - fmt.bias
        if u.kind is Kind.ZERO:
            return Term(u.kind, u.sign, 0, lowest - m, lowest)
        return Term(u.kind, u.sign, u.significand, u.exponent, u.exponent + m)
    return Term(u.kind, u.sign, u.significand, u.exponent, u.exponent + max(u.significand.bit_length() - 1, 0))


def _times(a: Term, b: Term) -> Term:
    sign = a.sign ^ b.sign
    kinds = {a.kind, b.kind}
    if Kind.NAN in kinds or kinds == {Kind.INFINITY, Kind.ZERO}:
        return Term(Kind.NAN, 0, 0, 0, 0)
    if Kind.INFINITY in kinds:
        return Term(Kind.INFINITY, sign, 0, 0, 0)
    kind = Kind.ZERO if Kind.ZERO in kinds else Kind.FINITE
    return Term(kind, sign, a.significand * b.significand, a.lsb + b.lsb, a.head + b.head)


def _special(terms: Sequence[Term]) -> Term | None:
    """NaN, or the infinity of a sum that has one."""
    infinite = {t.sign for t in terms if t.kind is Kind.INFINITY}
    if any(t.kind is Kind.NAN for t in terms) or len(infinite) == 2:
        return Term(Kind.NAN, 0, 0, 0, 0)
    return Term(Kind.INFINITY, infinite.pop(), 0, 0, 0) if infinite else None


def _rounded(
    x: Fraction, fmt: Format, rounding: Rounding, *, to_infinity: bool = False, minus_zero: bool = False
) -> Term:
    """`x` rounded to `fmt`; `to_infinity`: overflow gives infinity in every mode; an exact zero has the given sign."""
    if x == 0:
        return _operand(encode(-0.0 if minus_zero else 0.0, fmt), fmt)
    if to_infinity and fmt.above_max is not None and abs(x) >= fmt.above_max:
        return Term(Kind.INFINITY, int(x < 0), 0, 0, 0)
    overflow = (
        Overflow.SATURATE if isinstance(fmt, IntFormat) or not (fmt.has_inf or fmt.has_nan) else Overflow.NONSATURATING
    )
    return _operand(encode(x, fmt, rounding, overflow), fmt)


def _plus(a: Term, b: Term, fmt: Format, rounding: Rounding) -> Term:
    """a + b rounded to `fmt`, with IEEE 754's signs of zero."""
    special = _special((a, b))
    if special is not None:
        return special
    if a.kind is b.kind is Kind.ZERO and a.sign == b.sign:
        return _rounded(Fraction(0), fmt, rounding, minus_zero=bool(a.sign))
    return _rounded(a.value + b.value, fmt, rounding, minus_zero=rounding is Rounding.TOWARD_NEGATIVE)


def _step(model: Aligned, terms: list[Term], c: Term) -> Term:
    """One fused step: alignment, truncation, exact sum, one rounding."""
    special = _special([*terms, c])
    if special is not None:
        return special
    everything = [*terms, c]
    heads = [t.head for t in everything if t.significand or model.counts_zeros]
    if model.floor is not None:
        heads.append(model.floor)
    if not heads:
        return _rounded(Fraction(0), model.fmt, model.rounding)
    unit = max(heads) - model.fraction_bits
    total = 0
    for t in everything:
        shift = t.lsb - unit
        magnitude = t.significand << shift if shift >= 0 else t.significand >> -shift
        total += -magnitude if t.sign else magnitude
    if total == 0:
        return _rounded(Fraction(0), model.fmt, model.rounding)
    result = _rounded(total * Fraction(2) ** unit, model.fmt, model.rounding, to_infinity=True)
    if result.kind is Kind.ZERO and not model.keeps_zero_sign:
        return result._replace(sign=0)
    return result


def _tree(terms: list[Term], fmt: Format, rounding: Rounding) -> Term:
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    return _plus(_tree(terms[:half], fmt, rounding), _tree(terms[half:], fmt, rounding), fmt, rounding)


def _round_term(t: Term, fmt: Format, rounding: Rounding) -> Term:
    if t.kind > Kind.FINITE:
        return t
    return _rounded(t.value, fmt, rounding, minus_zero=bool(t.sign))


def _integer(model: Integer, terms: list[Term], c: Term) -> Term:
    low, high = -(1 << (model.bits - 1)), (1 << (model.bits - 1)) - 1
    total = 0
    for t in (c, *terms):
        if t.kind > Kind.FINITE or t.value.denominator != 1:
            raise ArgumentError(f"an integer accumulator adds integers, got {t.kind.name.lower()}")
        total += int(t.value)
        if model.overflow is Overflow.SATURATE and model.where == "every":
            total = max(low, min(total, high))
    if model.overflow is Overflow.WRAP:
        total = (total - low) % (1 << model.bits) + low
    return _exact_term(Fraction(max(low, min(total, high))))


def _window(model: Window, terms: list[Term], c: Term) -> Term:
    special = _special([*terms, c])
    if special is not None:
        return special
    low, high = -(1 << (model.bits - 1)), (1 << (model.bits - 1)) - 1
    wide = IntFormat(32)
    total = 0
    for t in (c, *terms):
        units = t.value / Fraction(2) ** model.lsb
        whole = units.numerator // units.denominator
        rest = units - whole
        if rest:
            # The last bits decide; a small integer with the same parity rounds the same way.
            near = encode(whole % 2 + rest if units >= 0 else rest + whole % 2 - 2, wide, model.rounding)
            signed = near - (1 << 32) if near >> 31 else near
            whole = whole - (whole % 2 if units >= 0 else whole % 2 - 2) + signed
        total += whole
        if model.overflow is Overflow.SATURATE:
            total = max(low, min(total, high))
        else:
            total = (total - low) % (1 << model.bits) + low
    return _exact_term(total * Fraction(2) ** model.lsb)


def _exact_term(x: Fraction, sign: int = 0) -> Term:
    if x == 0:
        return Term(Kind.ZERO, sign, 0, 0, 0)
    u = Unpacked.from_fraction(x)
    return Term(Kind.FINITE, u.sign, u.significand, u.exponent, u.exponent + u.significand.bit_length() - 1)


_ZERO = Term(Kind.ZERO, 0, 0, 0, -(1 << 20))


def _zero_of(model: Any) -> Term:
    """+0 in the accumulator's own format, whose exponent some datapaths look at."""
    fmt = getattr(model, "fmt", None)
    if fmt is None and isinstance(model, Permuted):
        return _zero_of(model.inner)
    return _ZERO if fmt is None else _operand(encode(0.0, fmt), fmt)


def _accumulate(model: Any, terms: list[Term], c: Term) -> Term:
    """The result of an accumulator over finished products."""
    match model:
        case Exact():
            special = _special([*terms, c])
            return special or _exact_term(sum((t.value for t in terms), c.value))
        case Floating():
            s = c
            for t in terms:
                p = t if model.fused else _round_term(t, model.fmt, model.rounding)
                s = _plus(s, p, model.fmt, model.rounding)
            return s
        case Aligned():
            for at in range(0, len(terms), model.length):
                c = _step(model, terms[at : at + model.length], c)
            return c
        case Integer():
            return _integer(model, terms, c)
        case Window():
            return _window(model, terms, c)
        case Tree():
            for at in range(0, len(terms), model.length):
                leaves = terms[at : at + model.length]
                if model.rounds_leaves:
                    leaves = [_round_term(t, model.fmt, model.rounding) for t in leaves]
                c = _plus(c, _tree(leaves, model.fmt, model.rounding), model.fmt, model.rounding)
            return c
        case Lanes():
            lanes = [
                _accumulate(model.inner, terms[i :: model.count], _zero_of(model.inner)) for i in range(model.count)
            ]
            return _plus(c, _tree(lanes, model.fmt, model.rounding), model.fmt, model.rounding)
        case Chunk():
            for at in range(0, len(terms), model.length):
                part = _accumulate(model.inner, terms[at : at + model.length], _zero_of(model.inner))
                c = _plus(c, part, model.outer.fmt, model.outer.rounding)
            return c
        case Permuted():
            n = len(model.order)
            taken = [terms[at + i] for at in range(0, len(terms), n) for i in model.order if at + i < len(terms)]
            return _accumulate(model.inner, taken, c)
        case AddAfter():
            return _plus(c, _accumulate(model.inner, terms, _zero_of(model.inner)), model.fmt, model.rounding)
    raise ArgumentError(f"no oracle for the accumulator {type(model).__name__}")


def dot(
    a: Sequence[int],
    b: Sequence[int],
    model: DotModel,
    *,
    formats: tuple[Format | str, Format | str],
    c: int | None = None,
    c_format: Format | str | None = None,
) -> Unpacked:
    """One dot product of codes `a` and `b` under `model`, with accumulator input `c`: the exact final value.

    Parameters
    ----------
    a, b : sequences of int
        Codes in the two `formats`.
    c : int, optional
        Code of the accumulator input in `c_format`; default +0.

    >>> from numfmt.datapaths import datapath
    >>> float(dot([0x38] * 4, [0x40] * 4, datapath("nvidia/hopper/wgmma.e4m3.f32"), formats=("e4m3fn", "e4m3fn")))
    8.0
    """
    if len(a) != len(b):
        raise ArgumentError(f"a and b must be equally long, got {len(a)} and {len(b)}")
    fa, fb = (scalar(f) for f in formats)
    terms = [_times(_operand(x, fa), _operand(y, fb)) for x, y in zip(a, b, strict=True)]
    if isinstance(model.product, RoundedProduct):
        terms = [_round_term(t, model.product.fmt, model.product.rounding) for t in terms]
    if c is None:
        start = _zero_of(model.accumulator)
    else:
        if c_format is None:
            raise ArgumentError("an accumulator input needs c_format=")
        start = _operand(c, scalar(c_format))
    result = _accumulate(model.accumulator, terms, start)
    if model.output is not None:
        result = _round_term(result, model.output, model.output_rounding)
    if result.kind > Kind.FINITE:
        return Unpacked(result.kind, result.sign, 0, 0)
    return Unpacked.finite(result.sign, result.significand, result.lsb)
