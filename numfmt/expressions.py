"""The little language of ``numfmt eval``: formats, an operation on codes or numbers, options. Nothing is evaluated.

    FORMATS: OPERATION [-> FORMAT] [, OPTION ...]

FORMATS is one name for all operands or one name each. OPERATION is ``x + y``, ``-``, ``*``, ``/``, or a name with
operands in parentheses. An operand is a code (0x3a, 0b101) or a number that its format holds exactly. An OPTION is the
name of a rounding, an overflow policy or a NaN policy, or ``rounding=``, ``overflow=``, ``nan=``, ``tininess=``.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from .errors import ArgumentError
from .explaining import Explanation, code_of_number, explain_codes
from .formats.base import Format
from .formats.registry import scalar
from .rounding import NaNRule, Overflow, Rounding
from .vectors.operations import NAN_POLICIES, arity_of, resolve_policy

__all__ = ["evaluate"]

_OPERATORS = {"+": "add", "-": "sub", "*": "mul", "/": "div"}
_NUMBER = r"[+-]?(?:0[xX][0-9a-fA-F_.]+(?:[pP][+-]?\d+)?|0[bB][01_]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|inf|nan)"
_BINARY = re.compile(rf"\s*({_NUMBER})\s*([-+*/])\s*({_NUMBER})\s*")
_CALL = re.compile(r"\s*([a-z_][a-z_0-9]*)\s*\(([^()]*)\)\s*")
_LONGEST = 1000


def evaluate(text: str) -> Explanation:
    """Parse `text`, compute with the exact reference, and explain the result.

    Parameters
    ----------
    text : str
        At most 1000 characters of the language above.

    Raises
    ------
    ArgumentError
        The text is none of the language, with the place; an operand is no value of its format.
    FormatNameError
        An unknown format.

    >>> evaluate("fp8_e4m3fn: 0x3a * 0x51, toward_zero").code
    83
    >>> evaluate("fp8_e4m3fn, fp8_e5m2: 1.25 / 3 -> binary16").flags
    ('inexact',)
    >>> evaluate("fp8_e4m3fn: fma(0x0d, 0x1a, 0x81), rounding=toward_positive").code
    1
    """
    if len(text) > _LONGEST:
        raise ArgumentError(f"the expression must have at most {_LONGEST} characters, got {len(text)}")
    head, colon, rest = text.partition(":")
    if not colon:
        raise ArgumentError(f"expected 'FORMAT: OPERATION', got {text!r}; for example 'fp8_e4m3fn: 0x3a * 0x51'")
    op, words, tail = _operation(rest)
    if len(words) != arity_of(op):
        raise ArgumentError(f"{op} takes {arity_of(op)} operands, got {len(words)} in {rest.strip()!r}")
    names = [name.strip() for name in head.split(",")]
    if len(names) not in (1, len(words)):
        raise ArgumentError(f"expected one format or one for each of {len(words)} operands, got {len(names)}")
    formats = [scalar(name) for name in (names * len(words) if len(names) == 1 else names)]
    target, options = _options(tail, formats)
    policy = resolve_policy(target, **options)
    operands = [(f, _code(word.strip(), f)) for f, word in zip(formats, words, strict=True)]
    return explain_codes(op, operands, target, policy)


def _operation(text: str) -> tuple[str, list[str], str]:
    """(name, operands, what follows)."""
    call = _CALL.match(text)
    if call:
        return call[1], call[2].split(","), text[call.end() :]
    binary = _BINARY.match(text)
    if binary:
        rest = text[binary.end() :]
        if (rest and rest[0] not in ",-") or (rest.startswith("-") and not rest.startswith("->")):
            raise ArgumentError(
                f"expected one operation, got more at {rest!r}; each rounds by itself: write fma(a, b, c) for a fused "
                "one, or evaluate them one after the other"
            )
        return _OPERATORS[binary[2]], [binary[1], binary[3]], rest
    raise ArgumentError(f"expected an operation such as '0x3a * 0x51' or 'fma(0x0d, 0x1a, 0x81)', got {text.strip()!r}")


def _options(text: str, formats: list[Format]) -> tuple[Format, dict[str, Any]]:
    into, *words = text.split(",")
    into = into.strip()
    if into and not into.startswith("->"):
        raise ArgumentError(f"expected '-> FORMAT' or ', OPTION' after the operation, got {into!r}")
    if into:
        target = scalar(into[2:].strip())
    elif len({f.name for f in formats}) > 1:
        raise ArgumentError("operands have different formats: say the result's with '-> FORMAT'")
    else:
        target = formats[0]
    options: dict[str, Any] = {"rounding": None, "overflow": None, "nan": None, "tininess": "after"}
    for word in words:
        name, equals, value = (part.strip().lower() for part in word.partition("="))
        if not equals:
            name, value = _kind_of(name), name
        if name not in options:
            raise ArgumentError(f"option must be one of {', '.join(options)}, got {word.strip()!r}")
        options[name] = value
    return target, options


def _kind_of(word: str) -> str:
    if word.upper() in Rounding.__members__:
        return "rounding"
    if word.upper() in Overflow.__members__:
        return "overflow"
    if word in NAN_POLICIES or word.upper() in NaNRule.__members__:
        return "nan"
    legal = ", ".join(m.name.lower() for m in Rounding if not m.is_stochastic)
    raise ArgumentError(f"{word!r} names no rounding, overflow or NaN policy; roundings are {legal}")


def _code(word: str, fmt: Format) -> int:
    if not re.fullmatch(_NUMBER, word):
        raise ArgumentError(
            f"an operand is a code (0x3a, 0b101) or a number (1.5, -2, 0x1.8p3, inf, nan), got {word!r}"
        )
    key = word.lower().replace("_", "")
    if key[:2] in ("0x", "0b") and "p" not in key and "." not in key:
        return fmt.check_code(int(key, 16 if key[1] == "x" else 2))
    if key.lstrip("+-") in ("inf", "nan") or key.lstrip("+-").startswith("0x"):
        try:
            return code_of_number(float.fromhex(key), fmt)
        except (ValueError, OverflowError):
            raise ArgumentError(f"{word!r} is no hexadecimal float of binary64's range") from None
    exponent = key.partition("e")[2].lstrip("+-")
    if len(exponent) > 4:
        raise ArgumentError(f"{word!r} has an exponent of more than 4 digits; write a code")
    number = Fraction(key)
    return code_of_number(-0.0 if number == 0 and key.startswith("-") else number, fmt)
