"""Elementary functions of one exact number: special cases, exact cases, and the leading 64 bits of everything else.

Every finite non-zero result is written as ``(-1)**sign * m * 2**(exponent - 63)`` with ``2**63 <= m < 2**64``, cut off
toward zero, and a mark whether anything was cut. That is all a rounding to at most 60 bits needs.

Why the precision loop of `leading_bits` ends. It runs only where the result is not rational, so that more bits decide
every comparison with a dyadic number in the end. For a rational (or algebraic) operand x other than 0:

* exp, expm1, sin, cos, tanh, sigmoid, silu and log (x != 1), log1p: transcendental by Lindemann and Weierstrass (each
  would otherwise give an algebraic relation between 1, exp(x) or exp(ix)). softplus: exp(r) = 1 + exp(x) with r
  algebraic contradicts the linear independence of exp(r), exp(x), exp(0); softplus(0) = ln 2.
* exp2, exp10: rational only for integer x (2 and 10 are no perfect powers); log2, log10: only for powers of 2 and of
  10 (unique factorisation; dyadic powers of 10 are whole).
* rsqrt, cbrt: algebraic, rational only where numerator and denominator are squares (cubes).
* erf, gelu: no theorem is known to us that excludes a rational value. Here the finished table is the proof: the loop
  has ended for every operand in it, and it raises instead of going on for ever.

The operands of logarithmic formats may be exp(q): log of those, log2 and the roots of powers of 2 are recognised as
exact, the others are decided by the loop like erf.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import isqrt
from typing import Any, NamedTuple

from ..formats.real import Exponential, Real
from ..formats.unpacked import Kind, Unpacked

__all__ = ["CLIP", "NAMES", "Event", "Leading", "Result", "beside_irrational", "closed_form", "evaluate", "refined"]

#: Results beyond ``2**+-CLIP`` are all alike: formats of at most 32 bits end below ``2**(2**18)``.
CLIP = 1 << 20
#: |x| below ``2**-TINY``: two terms of the series decide 64 bits, since the second is below ``2**-(TINY - 1)``.
TINY = 80
#: exp(-TAIL) < 2**-92 and erfc(ERF_TAIL / sqrt(2)) < 2**-74: what is missing to a limit is below the leading 64 bits.
TAIL, ERF_TAIL = 64, 10
_MOST_BITS = 1 << 15


class Event:
    """IEEE 754-2019 section 7: what happened besides rounding."""

    NONE, DIVIDE_BY_ZERO, INVALID = range(3)


class Leading(NamedTuple):
    """The leading bits of a finite non-zero result; `exact`: nothing was cut off."""

    sign: int
    exponent: int
    significand: int
    exact: bool


class Result(NamedTuple):
    """A result: `kind` and `sign`, `leading` when finite, and the event."""

    kind: Kind
    sign: int
    leading: Leading | None = None
    event: int = Event.NONE


_NAN, _INVALID = Result(Kind.NAN, 0), Result(Kind.NAN, 0, None, Event.INVALID)
_ODD = frozenset({"expm1", "log1p", "sin", "tanh", "erf", "gelu", "silu", "cbrt"})  # f(+-0) = +-0
_LOGS = frozenset({"log", "log2", "log10"})
#: f(+inf), f(-inf): a number, "inf", "-inf", "0", "-0" or "invalid". IEEE 754-2019 section 9.2.1; the limit for the
#: functions it does not list.
_LIMITS: dict[str, tuple[str | int, str | int]] = {
    "exp": ("inf", "0"),
    "exp2": ("inf", "0"),
    "exp10": ("inf", "0"),
    "expm1": ("inf", -1),
    "log": ("inf", "invalid"),
    "log2": ("inf", "invalid"),
    "log10": ("inf", "invalid"),
    "log1p": ("inf", "invalid"),
    "sin": ("invalid", "invalid"),
    "cos": ("invalid", "invalid"),
    "tanh": (1, -1),
    "sigmoid": (1, "0"),
    "erf": (1, -1),
    "gelu": ("inf", "-0"),
    "silu": ("inf", "-0"),
    "softplus": ("inf", "0"),
    "rsqrt": ("0", "invalid"),
    "cbrt": ("inf", "-inf"),
}
NAMES = tuple(_LIMITS)


# ---- special operands and poles ------------------------------------------------------------------------------------


def _of_limit(limit: str | int) -> Result:
    if isinstance(limit, int):
        return Result(Kind.FINITE, int(limit < 0), leading_of_fraction(Fraction(limit)))
    if limit == "invalid":
        return _INVALID
    return Result(Kind.INFINITY if "inf" in limit else Kind.ZERO, int(limit[0] == "-"))


def _pole(sign: int) -> Result:
    return Result(Kind.INFINITY, sign, None, Event.DIVIDE_BY_ZERO)


def evaluate(name: str, x: Unpacked | Exponential) -> Result:
    """The function `name` of `x`: an exact `Unpacked` or an irrational `Exponential`."""
    if isinstance(x, Unpacked):
        if x.kind is Kind.NAN:
            return _NAN
        if x.kind is Kind.INFINITY:
            return _of_limit(_LIMITS[name][x.sign])
        if x.kind is Kind.ZERO:
            return _at_zero(name, x.sign)
        zeros = (x.significand & -x.significand).bit_length() - 1
        x = x._replace(significand=x.significand >> zeros, exponent=x.exponent + zeros)
    if x.sign:
        if name in _LOGS or name == "rsqrt":
            return _INVALID
        if name == "log1p" and (side := _beside_minus_one(x)) >= 0:
            return _INVALID if side else _pole(1)
    if name == "exp2" and isinstance(x, Unpacked) and x.exponent >= 0 and _top(x) <= 20:
        return Result(Kind.FINITE, 0, Leading(0, int(x.value), 1 << 63, True))
    exact = closed_form(name, x)
    if isinstance(exact, Fraction):
        if exact == 0:
            return Result(Kind.ZERO, 0)  # log(1) = +0 in every rounding direction (9.2.1)
        return Result(Kind.FINITE, int(exact < 0), leading_of_fraction(exact))
    leading = _shortcut(name, x) or leading_bits(name, x)
    return Result(Kind.FINITE, leading.sign, leading)


def _at_zero(name: str, sign: int) -> Result:
    if name in _ODD:
        return Result(Kind.ZERO, sign)
    if name in _LOGS:
        return _pole(1)
    if name == "rsqrt":
        return _pole(sign)
    if name == "softplus":
        return Result(Kind.FINITE, 0, leading_bits(name, Unpacked.zero()))
    return Result(Kind.FINITE, 0, leading_of_fraction(Fraction(1, 2) if name == "sigmoid" else Fraction(1)))


def _beside_minus_one(x: Unpacked | Exponential) -> int:
    """Sign of |x| - 1."""
    if isinstance(x, Exponential):
        return 1 if x.exponent > 0 else -1  # exponent 0 would be rational
    top = x.exponent + x.significand.bit_length()
    if top != 1:
        return 1 if top > 1 else -1
    return int(x.significand & (x.significand - 1) != 0)


# ---- exact results -------------------------------------------------------------------------------------------------


def closed_form(name: str, x: Unpacked | Real) -> Real | None:
    """The result where it is rational, a power of 2 or of sqrt(e); None where it is none of these.

    `x` is finite, not 0 and within the domain.
    """
    if isinstance(x, Unpacked):
        if name in ("exp", "exp2", "exp10") and not -TINY <= _top(x) <= 20:
            return None
        if name in ("exp", "exp2", "exp10", "log", "log2", "log10", "rsqrt", "cbrt"):
            x = x.value
    if isinstance(x, Exponential):
        return _of_exponential(name, x)
    return _of_fraction(name, x) if isinstance(x, Fraction) else None


def _of_exponential(name: str, x: Exponential) -> Real | None:
    match name:
        case "log" if x.base == "sqrt_e":
            return x.exponent / 2
        case "log2" if x.base == "2":
            return x.exponent
        case "rsqrt":
            return Exponential.make(0, x.base, -x.exponent / 2)
        case "cbrt":
            return Exponential.make(x.sign, x.base, x.exponent / 3)
    return None


def _of_fraction(name: str, x: Fraction) -> Real | None:
    match name:
        case "exp":
            return Exponential.make(0, "sqrt_e", 2 * x)
        case "exp2":
            return Exponential.make(0, "2", x)
        case "exp10":
            # Beyond 10**64 there are more than 64 significant bits, which the loop decides as well.
            return Fraction(10) ** int(x) if x.denominator == 1 and abs(x) <= 64 else None
        case "log":
            return Fraction(0) if x == 1 else None
        case "log2":
            return _power_of_two(x)
        case "log10":
            digits = len(str(x.numerator)) - 1 if x.numerator.bit_length() < 1 << 10 else 0
            return Fraction(digits) if x == Fraction(10) ** digits else None
        case "rsqrt":
            return _root(1 / x, 2)
        case "cbrt":
            return _root(x, 3)
    return None


def _power_of_two(x: Fraction) -> Fraction | None:
    n, d = x.numerator, x.denominator
    if n & (n - 1) or d & (d - 1):
        return None
    return Fraction(n.bit_length() - d.bit_length())


def _root(x: Fraction, degree: int) -> Real | None:
    n, d = _integer_root(abs(x.numerator), degree), _integer_root(x.denominator, degree)
    if n and d:
        return Fraction(n if x > 0 else -n, d)
    power = _power_of_two(abs(x))
    return None if power is None else Exponential.make(int(x < 0), "2", power / degree)


def _integer_root(n: int, degree: int) -> int:
    """The root where `n` is a perfect power, else 0."""
    if degree == 2:
        root = isqrt(n)
    else:
        root = 1 << -(-n.bit_length() // 3)
        while root**3 > n:  # Newton from above falls monotonically to floor(cbrt(n))
            root = (2 * root + n // (root * root)) // 3
    return root if root**degree == n else 0


def leading_of_fraction(x: Fraction) -> Leading:
    """The leading bits of a non-zero rational."""
    n, d = abs(x.numerator), x.denominator
    shift = 64 - (n.bit_length() - d.bit_length())
    quotient, rest = divmod(n << shift, d) if shift >= 0 else divmod(n, d << -shift)
    extra = quotient.bit_length() - 64  # 0 or 1
    exact = rest == 0 and not (extra and quotient & 1)
    return Leading(int(x < 0), 63 + extra - shift, quotient >> extra, exact)


# ---- tails ---------------------------------------------------------------------------------------------------------

_HUGE, _VANISHING = (CLIP, 1 << 63, False), (-CLIP, 1 << 63, False)


def _beside(x: Fraction | Unpacked, outward: bool, sign: int) -> Leading:
    """Just above (`outward`) or just below the magnitude of `x`, which has at most 60 significant bits."""
    m, e = (x.significand, x.exponent) if isinstance(x, Unpacked) else (x.numerator, 1 - x.denominator.bit_length())
    exponent = e + m.bit_length() - 1
    significand = m << (64 - m.bit_length())
    if not outward:
        significand -= 1
        if significand < 1 << 63:
            exponent, significand = exponent - 1, (1 << 64) - 1
    return Leading(sign, exponent, significand, False)


def beside_irrational(name: str, x: Unpacked | Exponential) -> Exponential | None:
    """For large x = exp(q / 2) or 2**q, a number on the side of x where gelu, silu (below) or softplus (above) lies.

    It is nearer to x than any other breakpoint of a logarithmic format, whose exponents have fewer than 200 bits.
    """
    large = ERF_TAIL if name == "gelu" else TAIL
    if not isinstance(x, Exponential) or x.sign or name not in ("gelu", "silu", "softplus") or not _exceeds(x, large):
        return None
    return Exponential(0, x.base, x.exponent + Fraction(1 if name == "softplus" else -1, 1 << 200))


#: Above (True) or below |x| * scale for small x > 0 and x < 0; the first two terms of the Taylor series at 0.
_NEAR_ZERO: dict[str, tuple[bool, bool]] = {
    "sin": (False, False),
    "tanh": (False, False),
    "expm1": (True, False),
    "log1p": (False, True),
    "gelu": (True, False),
    "silu": (True, False),
}


def _shortcut(name: str, x: Unpacked | Exponential) -> Leading | None:
    """Results too close to a limit, or too far out, for any precision: decided by an inequality."""
    top = _top(x)
    if name in ("exp", "exp2", "exp10") and top > 20:
        return Leading(0, *(_VANISHING if x.sign else _HUGE))  # |x| >= 2**20
    if _exceeds(x, ERF_TAIL if name in ("erf", "gelu") else TAIL):
        limited = {"tanh": 1, "erf": 1, "sigmoid": not x.sign, "expm1": x.sign}
        if limited.get(name):
            return _beside(Fraction(1), False, x.sign if name != "sigmoid" else 0)
        if x.sign and top > (12 if name == "gelu" else 24) and name in ("sigmoid", "gelu", "silu", "softplus"):
            return Leading(int(name in ("gelu", "silu")), *_VANISHING)
        if not x.sign and name == "expm1" and top > 24:
            return Leading(0, *_HUGE)
        if not x.sign and isinstance(x, Unpacked) and name in ("gelu", "silu", "softplus"):
            return _beside(x, name == "softplus", 0)
    if top < -TINY:
        if name in ("exp", "exp2", "exp10", "cos"):
            return _beside(Fraction(1), name != "cos" and not x.sign, 0)
        if name == "sigmoid":
            return _beside(Fraction(1, 2), not x.sign, 0)
        if name in _NEAR_ZERO and isinstance(x, Unpacked) and x.significand.bit_length() <= 60:
            near = x._replace(exponent=x.exponent - 1) if name in ("gelu", "silu") else x
            return _beside(near, _NEAR_ZERO[name][x.sign], x.sign)
    return None


def _top(x: Unpacked | Exponential) -> int:
    """``|x| < 2**top``, and not much smaller."""
    if isinstance(x, Unpacked):
        return x.exponent + x.significand.bit_length()
    low, _ = x.enclosure(32)
    return low.numerator.bit_length() - low.denominator.bit_length() + 1


def _exceeds(x: Unpacked | Exponential, limit: int) -> bool:
    top = _top(x)
    return top > limit.bit_length() + 1 or (top >= limit.bit_length() and _magnitude(x) > limit)


def _magnitude(x: Unpacked | Exponential) -> Fraction:
    return abs(x.value) if isinstance(x, Unpacked) else x.enclosure(32)[0]


# ---- everything else -----------------------------------------------------------------------------------------------


def leading_bits(name: str, x: Unpacked | Exponential) -> Leading:
    """The leading 64 bits, with the precision doubled until the error bound no longer reaches them."""
    bits = 88
    while bits <= _MOST_BITS:
        sign, man, exponent = _approximation(name, x, bits)
        length = man.bit_length()
        slack = (man >> bits) + 1
        cut = length - 64
        low, high = man - slack, man + slack
        if cut > 0 and low >> cut == high >> cut and high.bit_length() == low.bit_length() == length:
            top = exponent + length - 1
            if abs(top) >= CLIP:
                return Leading(sign, *(_HUGE if top > 0 else _VANISHING))
            return Leading(sign, top, man >> cut, False)
        bits *= 2
    raise ArithmeticError(f"{name} of {x} is not decided by {_MOST_BITS} bits")


def refined(name: str, x: Unpacked | Exponential, bits: int) -> tuple[Fraction, Fraction]:
    """Rationals around the result, `bits` correct bits; for results that the leading 64 bits leave in doubt."""
    sign, man, exponent = _approximation(name, x, bits)
    slack = (man >> bits) + 1
    scale = Fraction(2) ** exponent * (-1 if sign else 1)
    low, high = (man - slack) * scale, (man + slack) * scale
    return (high, low) if sign else (low, high)


def _approximation(name: str, x: Unpacked | Exponential, bits: int) -> tuple[int, int, int]:
    """(sign, integer, exponent) of the result with a relative error below ``2**-bits``."""
    from mpmath import libmp

    top = max(0, _top(x)) if x != Unpacked.zero() else 0
    # mpmath's results are good to a few units in the last place. 32 bits more cover that and the compositions below,
    # and the conditioning of exp2, exp10 and gelu, whose errors grow like |x| and x**2.
    precision = bits + 32 + (2 * min(top, 24) if name in ("exp2", "exp10", "gelu") else 0)
    if isinstance(x, Unpacked):
        operand = libmp.from_man_exp(-x.significand if x.sign else x.significand, x.exponent)
    else:
        # An error of the operand is multiplied by the condition number: below 2**(top + 48) for sin and cos (no
        # operand here is nearer to a zero than 2**-48, checked below) and below 2**48 |x|**2 for the others.
        low, high = x.enclosure(precision + 2 * abs(_top(x)) + 64)
        middle = (low + high) / (-2 if x.sign else 2)
        operand = libmp.from_rational(middle.numerator, middle.denominator, precision + 2 * abs(_top(x)) + 64)
    sign, man, exponent, _ = _evaluators()[name](operand, precision)
    assert isinstance(x, Unpacked) or name not in ("sin", "cos") or exponent + man.bit_length() > -48 + min(0, _top(x))
    man = int(man)
    short = bits + 8 - man.bit_length()  # a short result would make the error bound too coarse
    return int(sign), man << max(short, 0), int(exponent) - max(short, 0)


_made: dict[str, Callable[[Any, int], Any]] = {}


def _evaluators() -> dict[str, Callable[[Any, int], Any]]:
    """Each function of an mpmath number to a relative error of a few units of ``2**-precision``."""
    if _made:
        return _made
    from mpmath import libmp as m

    one, half = m.fone, m.fhalf

    def magnitude(x: Any) -> int:
        return int(x[2] + x[3]) if x[1] else 0

    def scaled_exp(constant: Callable[[int], Any]) -> Callable[[Any, int], Any]:
        return lambda x, p: m.mpf_exp(m.mpf_mul(x, constant(p)), p)

    def expm1(x: Any, p: int) -> Any:
        return m.mpf_sub(m.mpf_exp(x, p + max(0, -magnitude(x))), one, p)

    def log1p(x: Any, p: int) -> Any:
        if magnitude(x) < -p:
            return x  # relative error |x| / 2
        return m.mpf_log(m.mpf_add(one, x) if magnitude(x) <= p else m.mpf_add(one, x, p), p)

    def sigmoid(x: Any, p: int) -> Any:
        return m.mpf_div(one, m.mpf_add(one, m.mpf_exp(m.mpf_neg(x), p), p), p)

    def softplus(x: Any, p: int) -> Any:
        rest = log1p(m.mpf_exp(m.mpf_neg(m.mpf_abs(x)), p), p)
        return rest if x[0] else m.mpf_add(x, rest, p)

    def gelu(x: Any, p: int) -> Any:
        tail = m.mpf_erfc(m.mpf_neg(m.mpf_mul(x, m.mpf_sqrt(half, p))), p)
        return m.mpf_mul(m.mpf_mul(x, half), tail, p)

    def cbrt(x: Any, p: int) -> Any:
        root = m.mpf_nthroot(m.mpf_abs(x), 3, p)
        return m.mpf_neg(root) if x[0] else root

    _made.update(
        exp=m.mpf_exp,
        exp2=scaled_exp(m.mpf_ln2),
        exp10=scaled_exp(m.mpf_ln10),
        expm1=expm1,
        log=m.mpf_log,
        log2=lambda x, p: m.mpf_div(m.mpf_log(x, p), m.mpf_ln2(p), p),
        log10=lambda x, p: m.mpf_div(m.mpf_log(x, p), m.mpf_ln10(p), p),
        log1p=log1p,
        sin=m.mpf_sin,
        cos=m.mpf_cos,
        tanh=m.mpf_tanh,
        sigmoid=sigmoid,
        erf=m.mpf_erf,
        gelu=gelu,
        silu=lambda x, p: m.mpf_mul(x, sigmoid(x, p), p),
        softplus=softplus,
        rsqrt=lambda x, p: m.mpf_div(one, m.mpf_sqrt(x, p), p),
        cbrt=cbrt,
    )
    return _made
