"""numfmt: what bits does this number format, this rounding, produce? Exactly.

>>> import numfmt as nf
>>> nf.quantize([0.1, 500.0], "fp8_e4m3fn")
array([1.015625e-01, 4.480000e+02])
"""

from . import errors, formats
from ._api import cast, decode, encode, quantize, warmup
from ._array import Encoded
from ._report import ConversionReport
from .facts import FormatInfo, finfo
from .formats import (
    CodebookFormat,
    ExponentFormat,
    FloatFormat,
    Format,
    FourthRootsFormat,
    HiFloat8Format,
    IntFormat,
    Kind,
    LnsFormat,
    P3109Format,
    PositFormat,
    Specials,
    TakumFormat,
    TakumLogFormat,
    Unpacked,
    get,
    names,
    register,
)
from .profiles import Difference, Profile, Rule, compare_profiles, profile_names
from .rounding import HashRandom, NaNRule, Overflow, PhiloxRandom, RandomBits, Rounding

__version__ = "0.1.0"

__all__ = [
    "CodebookFormat",
    "ConversionReport",
    "Difference",
    "Encoded",
    "ExponentFormat",
    "FloatFormat",
    "Format",
    "FormatInfo",
    "FourthRootsFormat",
    "HashRandom",
    "HiFloat8Format",
    "IntFormat",
    "Kind",
    "LnsFormat",
    "NaNRule",
    "Overflow",
    "P3109Format",
    "PhiloxRandom",
    "PositFormat",
    "Profile",
    "RandomBits",
    "Rounding",
    "Rule",
    "Specials",
    "TakumFormat",
    "TakumLogFormat",
    "Unpacked",
    "__version__",
    "cast",
    "compare_profiles",
    "decode",
    "encode",
    "errors",
    "finfo",
    "formats",
    "get",
    "names",
    "profile_names",
    "quantize",
    "register",
    "warmup",
]
