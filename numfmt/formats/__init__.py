"""Formats: which real number each code stands for. Pure Python and NumPy tables; never imports numba."""

from . import catalog  # noqa: F401  (fills the registry)
from .base import Format
from .block import BlockFormat
from .codebook import CodebookFormat, FourthRootsFormat
from .exponent import ExponentFormat
from .floating import FloatFormat, P3109Format, Specials
from .hif8 import HiFloat8Format
from .integer import IntFormat, parse_q_format
from .lns import LnsFormat
from .posit import PositFormat
from .registry import AnyFormat, aliases_of, family, get, names, register, scalar
from .scale_rules import ScaleRule, scale_rule, scale_rules
from .takum import TakumFormat, TakumLogFormat
from .unpacked import Kind, Unpacked

__all__ = [
    "AnyFormat",
    "BlockFormat",
    "CodebookFormat",
    "ExponentFormat",
    "FloatFormat",
    "Format",
    "FourthRootsFormat",
    "HiFloat8Format",
    "IntFormat",
    "Kind",
    "LnsFormat",
    "P3109Format",
    "PositFormat",
    "ScaleRule",
    "Specials",
    "TakumFormat",
    "TakumLogFormat",
    "Unpacked",
    "aliases_of",
    "family",
    "get",
    "names",
    "parse_q_format",
    "register",
    "scalar",
    "scale_rule",
    "scale_rules",
]
