"""The elementary functions once more, one operand at a time: exact where they are, else enclosed ever more narrowly.

What is exact: f(0) and the limits at infinity; exp2 at integers; exp10 at integers; log, log2, log10 of 1, of powers
of 2, of powers of 10; rsqrt and cbrt of squares and cubes; and with a logarithmic result whatever is a power of 2 or of
sqrt(e). For every other algebraic operand, and every function but erf and gelu, the theorems of Lindemann-Weierstrass
(e**x and what is algebraic in it) and Gelfond-Schneider (2**x, 10**x, log2, log10), or unique factorisation (roots),
say that the result is no rational number, hence neither a value nor a breakpoint of a format with rational ones. So the
enclosure comes to lie between two of these. For erf, gelu, and operands that are powers of e, no theorem is known to
us; there an end of the loop is its own proof, and without one the loop raises.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from ..errors import ArgumentError, FormatMismatchError
from ..formats import Format, LnsFormat, P3109Format, TakumLogFormat
from ..formats import scalar as get
from ..formats.unpacked import Kind
from ..rounding import NaNRule, Overflow, Rounding
from . import exact
from .decode import to_fraction
from .encode import _infinities
from .nans import nan_policy, propagate
from .operands import Exact, Flags, Operand, Outcome, read
from .places import floor_log2
from .projection import Projection, arithmetic_overflow

__all__ = ["FUNCTIONS", "enclosure", "function"]

#: Value at +0, at +infinity, at -infinity: a number, "+0" (the operand's own zero), "inf", "-inf" or "invalid".
#: IEEE 754-2019 section 9.2.1 and table 9.1; tanh, erf, cbrt: C23 annex F.10; the others are limits.
_POINTS: dict[str, tuple[Any, Any, Any]] = {
    "exp": (1, "inf", "0"),
    "exp2": (1, "inf", "0"),
    "exp10": (1, "inf", "0"),
    "expm1": ("own", "inf", -1),
    "log": ("pole", "inf", "invalid"),
    "log2": ("pole", "inf", "invalid"),
    "log10": ("pole", "inf", "invalid"),
    "log1p": ("own", "inf", "invalid"),
    "sin": ("own", "invalid", "invalid"),
    "cos": (1, "invalid", "invalid"),
    "tanh": ("own", 1, -1),
    "sigmoid": (Fraction(1, 2), 1, "0"),
    "erf": ("own", 1, -1),
    "gelu": ("own", "inf", "-0"),
    "silu": ("own", "inf", "-0"),
    "softplus": (None, "inf", "0"),
    "rsqrt": ("own pole", "0", "invalid"),
    "cbrt": ("own", "inf", "-inf"),
}
FUNCTIONS = tuple(_POINTS)
#: Beyond every format: their exponents stay below 2**17.
_FAR = 1 << 18
_NEAR = Fraction(1, 1 << 1000)


def function(
    name: str,
    fmt: Format | str,
    code: int,
    result_fmt: Format | str | None = None,
    rounding: Rounding | str | None = None,
    *,
    overflow: Overflow | str | None = None,
    nan: NaNRule | str | None = None,
    tininess: str = "after",
) -> Outcome:
    """An elementary function of the value of `code`, rounded once: the witness of ``numfmt.ops.functions``.

    Parameters
    ----------
    name : str
        One of `FUNCTIONS`: exp exp2 exp10 expm1 log log2 log10 log1p sin cos tanh sigmoid erf gelu (x * Phi(x)) silu
        softplus rsqrt cbrt.
    fmt, code
        The operand.
    result_fmt : Format or str, optional
        Default: `fmt`.
    rounding, overflow, nan, tininess
        As `operate` has them; deterministic roundings only.

    Returns
    -------
    Outcome
        ``(code, flags)``.

    >>> function("exp", "binary16", 0x3C00).code == 0x4170, function("log", "fp8_e5m2", 0).flags.divide_by_zero
    (True, True)
    """
    fmt = get(fmt)
    target = fmt if result_fmt is None else get(result_fmt)
    if name not in _POINTS:
        raise ArgumentError(f"name must be one of {', '.join(FUNCTIONS)}, got {name!r}")
    if target.is_complex:
        raise FormatMismatchError(f"result_fmt must be a real format, got {target.name}")
    mode = target.default_rounding if rounding is None else Rounding.parse(rounding)
    if mode.is_stochastic:
        raise ArgumentError(f"rounding must be deterministic, got {mode.name.lower()}")
    policy, rule = nan_policy(nan)
    projection = Projection(
        fmt=target,
        rounding=mode,
        overflow=arithmetic_overflow(target) if overflow is None else Overflow.parse(overflow),
        nan=policy,
        nan_rule=rule,
        tininess=tininess,
        random=None,
        overflow_given=overflow is not None,
    )
    x = read(fmt, int(code))
    if x.nan is not None:
        outcome = projection.code(Exact(Kind.NAN, nan=propagate([x.nan], policy)))
        return Outcome(outcome.code, outcome.flags | Flags(invalid=x.nan.signaling))
    special = _special(name, x, target)
    if special is not None:
        return _project(special, projection)
    return _finite(name, x.value, projection)


# ---- special operands ----------------------------------------------------------------------------------------------


def _special(name: str, x: Operand, target: Format) -> Exact | None:
    at_zero, at_plus, at_minus = _POINTS[name]
    if x.kind is Kind.INFINITY:
        return _point(at_minus if x.negative else at_plus, x.negative)
    if x.kind is Kind.ZERO:
        return None if at_zero is None else _point(at_zero, x.negative)
    if name in ("log", "log2", "log10", "rsqrt") and x.negative:
        return _point("invalid", False)
    if name == "log1p" and x.negative:
        against_one = exact.compare(x.value, Fraction(-1))
        if against_one <= 0:
            return _point("invalid" if against_one else "pole", False)
    return None


def _point(what: Any, negative: bool) -> Exact:
    if not isinstance(what, str):
        return Exact(Kind.FINITE, what < 0, Fraction(what))
    if what == "invalid":
        return Exact(Kind.NAN, invalid=True)
    if what == "own":
        return Exact(Kind.ZERO, negative)
    if "pole" in what:
        return Exact(Kind.INFINITY, negative if what == "own pole" else True, divide_by_zero=True)
    return Exact(Kind.INFINITY if "inf" in what else Kind.ZERO, what[0] == "-")


def _project(result: Exact, projection: Projection) -> Outcome:
    minus = _infinities(projection.fmt)[1]
    if result.divide_by_zero and result.negative and isinstance(projection.fmt, P3109Format) and minus is not None:
        # P3109: Log(0) = -Inf, where RSqrt(0) = Recip(0) = NaN (which only have the positive sign here).
        outcome = projection.code(result._replace(divide_by_zero=False))
        return Outcome(outcome.code, outcome.flags | Flags(divide_by_zero=True))
    return projection.code(result)


# ---- finite operands -----------------------------------------------------------------------------------------------


def _finite(name: str, x: Fraction | exact.Sum, projection: Projection) -> Outcome:
    logarithmic = isinstance(projection.fmt, (LnsFormat, TakumLogFormat))
    known = _known(name, x, logarithmic)
    if known is not None:
        if known == 0:
            return projection.code(Exact(Kind.ZERO))
        return projection.number(known)
    if isinstance(x, exact.Sum) and name in ("gelu", "silu", "softplus") and exact.compare(x, Fraction(64)) > 0:
        # x * Phi(x), x * sigmoid(x) < x < softplus(x), closer than any two codes of a logarithmic format are.
        nearly_one = exact.power(False, Fraction(1 if name == "softplus" else -1, 1 << 200))
        return projection.number(exact.multiply(x, nearly_one))
    precision = 64
    while precision <= 1 << 16:
        low, high = enclosure(name, x, precision)
        outcome = projection.number(low)
        if outcome == projection.number(high) and outcome.flags.inexact:
            return outcome
        precision *= 2
    raise ArithmeticError(f"{name} of {x} is not decided by {precision} bits")


def _known(name: str, x: Fraction | exact.Sum, logarithmic: bool) -> exact.Real | None:
    """An exactly known result; powers of 2 and sqrt(e) with irrational values only where the format may hold them."""
    if name == "rsqrt":
        known = exact.root(exact.divide(Fraction(1), x))
        return known if isinstance(known, Fraction) or logarithmic else None
    if isinstance(x, exact.Sum):
        return _known_of_power(name, x, logarithmic)
    small = abs(x) < 1 << 10
    if name == "exp2" and small and (x.denominator == 1 or logarithmic):
        return exact.power(True, x)
    if name == "exp" and small and logarithmic:
        return exact.power(False, 2 * x)
    if name == "exp10" and x.denominator == 1 and small:
        return Fraction(10) ** int(x)
    if name.startswith("log") and x > 0 and name != "log1p":
        k = floor_log2(x)
        if name == "log2" and x == Fraction(2) ** k:
            return Fraction(k)
        if x == 1:
            return Fraction(0)
        if name == "log10" and x.denominator == 1 and (digits := len(str(int(x))) - 1) and x == 10**digits:
            return Fraction(digits)
    if name == "cbrt":
        n, d = (_cube_root(part) for part in (abs(x.numerator), x.denominator))
        if n and d:
            return Fraction(n if x > 0 else -n, d)
        k = floor_log2(abs(x))
        if logarithmic and abs(x) == Fraction(2) ** k:
            magnitude = exact.power(True, Fraction(k, 3))
            return magnitude if x > 0 else exact.negate(magnitude)
    return None


def _known_of_power(name: str, x: exact.Sum, logarithmic: bool) -> exact.Real | None:
    """`x` is plus or minus 2**p * exp(q / 2), the value of a code."""
    [((p, q), c)] = x.terms
    p += floor_log2(abs(c))
    if name == "log" and p == 0:
        return q / 2
    if name == "log2" and q == 0:
        return p
    if name == "cbrt" and logarithmic:
        magnitude = exact.multiply(exact.power(True, p / 3), exact.power(False, q / 3))
        return magnitude if c > 0 else exact.negate(magnitude)
    return None


def _cube_root(n: int) -> int:
    """The integer whose cube is `n`, or 0, by bisection."""
    low, high = 0, 1 << (n.bit_length() // 3 + 1)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if middle**3 >= n else (middle + 1, high)
    return low if low**3 == n else 0


# ---- enclosures ----------------------------------------------------------------------------------------------------


def enclosure(name: str, x: Fraction | exact.Sum, precision: int) -> tuple[Fraction, Fraction]:
    """Rationals around f(x), low first, about `precision` correct bits; beyond all formats, or closer to a limit than
    any format can tell, one number that rounds as f(x) does.

    >>> low, high = enclosure("exp", Fraction(1), 64)
    >>> float(low), float(high), float(high - low) < 1e-18
    (2.718281828459045, 2.718281828459045, True)
    """
    far = _far(name, x)
    if far is not None:
        return far, far
    import mpmath

    low, high = (x, x) if isinstance(x, Fraction) else exact.enclosure(x, 64)
    size = abs(floor_log2(max(abs(low), abs(high)))) if x else 0
    # mpmath is good to a few units in the last place; 64 bits more, and the operand's size for the conditioning of
    # exp2 (x), gelu (x**2), sin (x) at operands that are not exact.
    with mpmath.workprec(precision + 96 + 2 * min(size, 1 << 12)):
        if isinstance(x, Fraction):
            operand = mpmath.mpf(x.numerator) / x.denominator
        else:
            low, high = exact.enclosure(x, mpmath.mp.prec + 16)
            operand = (mpmath.mpf(low.numerator) / low.denominator + mpmath.mpf(high.numerator) / high.denominator) / 2
        value = to_fraction(_MP[name](mpmath.mp, operand))
    error = abs(value) / (1 << precision)
    return value - error, value + error


def _far(name: str, x: Fraction | exact.Sum) -> Fraction | None:
    """What stands for results that no precision reaches."""
    low, high = (x, x) if isinstance(x, Fraction) else exact.enclosure(x, 64)
    # erfc(40) and exp(-1000) are below 2**-1000.
    bound = 40 if name in ("erf", "gelu") else 1000
    if -bound < low and high < bound:
        return None
    up, magnitude = low > 0, abs(low)
    if name in ("exp", "exp2", "exp10", "expm1") and magnitude > _FAR and (up or name != "expm1"):
        return Fraction(1 << _FAR) if up else Fraction(1, 1 << _FAR)
    limits = {"tanh": 1 if up else -1, "erf": 1 if up else -1}
    limits |= {"sigmoid": 1} if up else {"expm1": -1}
    if name in limits:
        return (1 - _NEAR) * int(limits[name])
    if name in ("gelu", "silu", "softplus") and up:
        return low * (1 + _NEAR if name == "softplus" else 1 - _NEAR) if isinstance(x, Fraction) else None
    if not up and name in ("gelu", "silu", "softplus", "sigmoid") and magnitude > (1000 if name == "gelu" else _FAR):
        return Fraction(-1 if name in ("gelu", "silu") else 1, 1 << _FAR)
    return None


_MP: dict[str, Callable[[Any, Any], Any]] = {
    "exp": lambda m, x: m.exp(x),
    "exp2": lambda m, x: m.power(2, x),
    "exp10": lambda m, x: m.power(10, x),
    "expm1": lambda m, x: m.expm1(x),
    "log": lambda m, x: m.log(x),
    "log2": lambda m, x: m.log(x, 2),
    "log10": lambda m, x: m.log10(x),
    "log1p": lambda m, x: m.log1p(x),
    "sin": lambda m, x: m.sin(x),
    "cos": lambda m, x: m.cos(x),
    "tanh": lambda m, x: m.tanh(x),
    "sigmoid": lambda m, x: 1 / (1 + m.exp(-x)),
    "erf": lambda m, x: m.erf(x),
    "gelu": lambda m, x: x * m.erfc(-x / m.sqrt(2)) / 2,
    "silu": lambda m, x: x / (1 + m.exp(-x)),
    "softplus": lambda m, x: m.log1p(m.exp(x)) if x <= 0 else x + m.log1p(m.exp(-x)),
    "rsqrt": lambda m, x: 1 / m.sqrt(x),
    "cbrt": lambda m, x: m.cbrt(x) if x > 0 else -m.cbrt(-x),
}
