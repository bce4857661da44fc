"""The name grammar of the scalar families: each pattern beside the class it makes."""

from __future__ import annotations

from ..errors import ArgumentError
from .exponent import ExponentFormat
from .floating import BARE_FINITE, FloatFormat, P3109Format, Specials
from .integer import IntFormat
from .lns import LnsFormat
from .posit import PositFormat
from .registry import register_family
from .takum import TakumFormat, TakumLogFormat

__all__: list[str] = []

_SUFFIXES = {
    "_ieee": Specials.IEEE,
    "fnuz": Specials.FNUZ,
    "fn": Specials.FN,
    "n": Specials.FN,
    "f": Specials.FINITE,
}


def _float(
    n: int,
    e: int,
    m: int,
    u: str = "",
    special: str = "",
    no_subnormals: str = "",
    bias: int | None = None,
    minus_bias: int | None = None,
) -> FloatFormat:
    if n != e + m + (0 if u else 1):
        raise ArgumentError(
            f"the width must be {'E + M' if u else '1 + E + M'} = {e + m + (0 if u else 1)}, the name says {n}"
        )
    specials = _SUFFIXES.get(special, Specials.IEEE)
    if not u and (e, m) == (4, 3) and not special:
        raise ArgumentError("e4m3 without a suffix is ambiguous; spell fp8_e4m3fn or fp8_e4m3_ieee")
    if not u and (e, m) in BARE_FINITE and special in ("", "fn"):
        specials = Specials.FINITE
    if minus_bias is not None:
        bias = -minus_bias
    return FloatFormat(e, m, bias, specials, signed=not u, subnormals=not no_subnormals)  # type: ignore[arg-type]


def _integer(n: int, u: str = "", frac: int = 0, minus_frac: int = 0, sm: str = "", narrow: str = "") -> IntFormat:
    return IntFormat(n, signed=not u, frac_bits=frac - minus_frac, sign_magnitude=bool(sm), narrow=bool(narrow))


def _p3109(k: int, p: int, sign: str, domain: str) -> P3109Format:
    return P3109Format(k, p, signed=sign == "s", extended=domain == "e")


def _posit(n: int, es: int = 2) -> PositFormat:
    return PositFormat(n, es)


def _exponent(n: int, e: int) -> ExponentFormat:
    if n != e:
        raise ArgumentError(f"the width must be E = {e}, the name says {n}")
    return ExponentFormat(n)


# ufpN_eNm0 comes first: an unsigned float without mantissa is the exponent-only format of OCP MX, which has no zero.
register_family(r"ufp(?P<n>\d+)_e(?P<e>\d+)m0", _exponent)
register_family(
    r"(?P<u>u)?fp(?P<n>\d+)_e(?P<e>\d+)m(?P<m>\d+)(?P<special>_ieee|fnuz|fn|n|f)?(?P<no_subnormals>_ns)?(_b(?P<bias>\d+)|_bm(?P<minus_bias>\d+))?",
    _float,
)
register_family(
    r"(?P<u>u)?int(?P<n>\d+)(_f(?P<frac>\d+)|_fm(?P<minus_frac>\d+))?(?P<sm>_sm)?(?P<narrow>_narrow)?", _integer
)
register_family(r"(p3109_k|binary)(?P<k>\d+)p(?P<p>\d+)(?P<sign>[su])(?P<domain>[ef])", _p3109)
register_family(r"posit(?P<n>\d+)(_(?P<es>\d+))?", _posit)
register_family(r"takum(_linear)?(?P<bits>\d+)", TakumFormat)
register_family(r"takum_log(?P<bits>\d+)", TakumLogFormat)
register_family(r"lns(?P<bits>\d+)_(?P<frac_bits>\d+)", LnsFormat)
