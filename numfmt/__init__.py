"""numfmt: what bits does this number format, this rounding, produce? Exactly.

>>> import numfmt as nf
>>> nf.quantize([0.1, 500.0], "fp8_e4m3fn")
array([1.015625e-01, 4.480000e+02])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import analysis, datapaths, errors, formats, interop, ops, reference, testing, vectors
    from ._api import cast, decode, encode, quantize, warmup
    from ._array import Encoded
    from ._block_array import BlockEncoded
    from ._report import ConversionReport
    from .explaining import Explanation, explain
    from .facts import FormatInfo, finfo
    from .formats import (
        BlockFormat,
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
        ScaleRule,
        Specials,
        TakumFormat,
        TakumLogFormat,
        Unpacked,
        get,
        names,
        register,
        scale_rules,
    )
    from .interop import load, save, unpack
    from .interop.swizzle import swizzle, unswizzle
    from .ops.comparison import compare, total_order
    from .ops.elementwise import add, div, faa, fma, mul, reciprocal, remainder, rsqrt, sqrt, sub
    from .ops.extremes import (
        maximum,
        maximum_magnitude,
        maximum_magnitude_number,
        maximum_number,
        minimum,
        minimum_magnitude,
        minimum_magnitude_number,
        minimum_number,
    )
    from .ops.flags import Flags
    from .ops.functions import (
        cbrt,
        cos,
        erf,
        exp,
        exp2,
        exp10,
        expm1,
        gelu,
        log,
        log1p,
        log2,
        log10,
        sigmoid,
        silu,
        sin,
        softplus,
        tanh,
    )
    from .ops.fused import fused_dot, fused_sum
    from .ops.growth import grown_format
    from .ops.integral import round_to_integral
    from .ops.neighbours import next_down, next_up
    from .ops.quire import Quire
    from .ops.signs import absolute, copysign, negate
    from .profiles import Difference, Profile, Rule, compare_profiles, profile_names
    from .rounding import HashRandom, NaNRule, Overflow, PhiloxRandom, RandomBits, Rounding

__version__ = "0.1.0"

__all__ = [
    "BlockEncoded",
    "BlockFormat",
    "CodebookFormat",
    "ConversionReport",
    "Difference",
    "Encoded",
    "Explanation",
    "ExponentFormat",
    "Flags",
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
    "Quire",
    "RandomBits",
    "Rounding",
    "Rule",
    "ScaleRule",
    "Specials",
    "TakumFormat",
    "TakumLogFormat",
    "Unpacked",
    "__version__",
    "absolute",
    "add",
    "analysis",
    "cast",
    "cbrt",
    "compare",
    "compare_profiles",
    "copysign",
    "cos",
    "datapaths",
    "decode",
    "div",
    "encode",
    "erf",
    "errors",
    "exp",
    "exp10",
    "exp2",
    "explain",
    "expm1",
    "faa",
    "finfo",
    "fma",
    "formats",
    "fused_dot",
    "fused_sum",
    "gelu",
    "get",
    "grown_format",
    "interop",
    "load",
    "log",
    "log10",
    "log1p",
    "log2",
    "maximum",
    "maximum_magnitude",
    "maximum_magnitude_number",
    "maximum_number",
    "minimum",
    "minimum_magnitude",
    "minimum_magnitude_number",
    "minimum_number",
    "mul",
    "names",
    "negate",
    "next_down",
    "next_up",
    "ops",
    "profile_names",
    "quantize",
    "reciprocal",
    "reference",
    "register",
    "remainder",
    "round_to_integral",
    "rsqrt",
    "save",
    "scale_rules",
    "sigmoid",
    "silu",
    "sin",
    "softplus",
    "sqrt",
    "sub",
    "swizzle",
    "tanh",
    "testing",
    "total_order",
    "unpack",
    "unswizzle",
    "vectors",
    "warmup",
]

# Names are imported when first used (PEP 562): `import numfmt` costs nothing that is not needed.
_HOME = {
    "_api": "cast decode encode quantize warmup",
    "_array": "Encoded",
    "_block_array": "BlockEncoded",
    "_report": "ConversionReport",
    "explaining": "Explanation explain",
    "facts": "FormatInfo finfo",
    "formats": "BlockFormat CodebookFormat ExponentFormat FloatFormat Format FourthRootsFormat HiFloat8Format "
    "IntFormat Kind LnsFormat P3109Format PositFormat ScaleRule Specials TakumFormat TakumLogFormat Unpacked get names "
    "register scale_rules",
    "interop": "load save swizzle unpack unswizzle",
    "ops.functions": "cbrt cos erf exp exp10 exp2 expm1 gelu log log10 log1p log2 sigmoid silu sin softplus tanh",
    "ops.fused": "fused_dot fused_sum",
    "ops.quire": "Quire",
    "ops.comparison": "compare total_order",
    "ops.elementwise": "add div faa fma mul reciprocal remainder rsqrt sqrt sub",
    "ops.extremes": "maximum maximum_magnitude maximum_magnitude_number "
    "maximum_number minimum minimum_magnitude "
    "minimum_magnitude_number minimum_number",
    "ops.flags": "Flags",
    "ops.growth": "grown_format",
    "ops.integral": "round_to_integral",
    "ops.neighbours": "next_down next_up",
    "ops.signs": "absolute copysign negate",
    "profiles": "Difference Profile Rule compare_profiles profile_names",
    "rounding": "HashRandom NaNRule Overflow PhiloxRandom RandomBits Rounding",
}
_SUBMODULES = ("analysis", "datapaths", "errors", "formats", "interop", "ops", "reference", "testing", "vectors")
_MODULE_OF = {name: module for module, members in _HOME.items() for name in members.split()}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _MODULE_OF:
        value = getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
    elif name in _SUBMODULES:
        value = import_module(f".{name}", __name__)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
