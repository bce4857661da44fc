"""The catalog of block formats: one line each, with its source, and the grammar of the others."""

from __future__ import annotations

import re
from typing import Any

from ..errors import ArgumentError, FormatNameError
from ..rounding import Rounding
from .block import BlockFormat
from .codebook import CodebookFormat
from .dynamic_map import DYNAMIC_MAP
from .integer import IntFormat
from .registry import add, add_block, get, register_family, scalar

__all__: list[str] = []


def _block(name: str, element: Any, scale: Any, block: Any, *aliases: str, **options: Any) -> BlockFormat:
    return add_block(name, BlockFormat(element, scale, block, **options), *aliases)


# ---- elements that only block formats use ------------------------------------------------------------------------
add(
    CodebookFormat(
        "bnb_dynamic8",
        DYNAMIC_MAP,
        Rounding.NEAREST_DOWN,
        source="arXiv:1511.04561; bitsandbytes create_dynamic_map (signed, 8 bits)",
    )
)


def _adaptivfloat_element(n: int, e: int) -> CodebookFormat:
    """AdaptivFloat relative to its exponent bias: no subnormals, the smallest magnitude code is zero."""
    if not 2 <= e <= 6 or not e + 2 <= n <= 16:
        raise ArgumentError(f"AdaptivFloat has 2 to 6 exponent bits and at most 16 bits, got adaptivfloat{n}_{e}")
    m = n - 1 - e
    positive = [0.0] + [(1 + (k % (1 << m)) / (1 << m)) * 2.0 ** (k >> m) for k in range(1, 1 << (n - 1))]
    values = (*positive, *(-x for x in positive))
    return CodebookFormat(f"adaptivfloat{n}_{e}_element", values, source="AdaptivFloat, arXiv:1909.13271")


def _adaptivfloat(n: int, e: int) -> BlockFormat:
    source = "AdaptivFloat, arXiv:1909.13271 algorithm 1: exponent bias per tensor"
    return BlockFormat(_adaptivfloat_element(n, e), scalar("ufp8_e8m0"), None, "floor", axis=None, source=source)


# ---- OCP MX and its integer relatives ------------------------------------------------------------------------------
E8M0, MX = "ufp8_e8m0", "OCP Microscaling Formats (MX) v1.0 table 1"
_block("mxfp8_e4m3", "fp8_e4m3fn", E8M0, 32, source=MX)
_block("mxfp8_e5m2", "fp8_e5m2", E8M0, 32, source=MX)
_block("mxfp6_e2m3", "fp6_e2m3", E8M0, 32, source=MX)
_block("mxfp6_e3m2", "fp6_e3m2", E8M0, 32, source=MX)
_block("mxfp4", "fp4_e2m1", E8M0, 32, "mxfp4_e2m1", source=MX)
_block("mxint8", "int8_f6", E8M0, 32, source=MX + "; implicit 2**-6, section 5.3.4")
INT_FP = "arXiv:2510.25602 (its scale absorbs the implicit power of two)"
_block("mxint6", IntFormat(6, frac_bits=4), E8M0, 32, source=INT_FP)
_block("mxint4", IntFormat(4, frac_bits=2), E8M0, 32, source=INT_FP + "; 4o6 reference")

# ---- NVIDIA two-level formats --------------------------------------------------------------------------------------
E4M3, F32 = "fp8_e4m3fn", "binary32"
NVFP4 = "NVIDIA cuBLAS manual, 1D block scaling for FP4; PTX ISA 9.0 scale_vec::4X ue4m3"
_block("nvfp4", "fp4_e2m1", E4M3, 16, tensor_scale=F32, source=NVFP4)
_block("nvfp4_single", "fp4_e2m1", E4M3, 16, source=NVFP4 + "; block scales only")
_block(
    "nvfp4_4over6",
    "fp4_e2m1",
    E4M3,
    16,
    rule="four_over_six",
    tensor_scale=F32,
    source="Four Over Six, arXiv:2512.02010; mit-han-lab/fouroversix",
)
for _n in (3, 4, 6):
    _block(
        f"nvint{_n}", f"int{_n}", E4M3, 16, tensor_scale=F32, source="arXiv:2510.25602; mit-han-lab/fouroversix (NVINT)"
    )

# ---- block floating point ------------------------------------------------------------------------------------------
MSFP = "MSFP, Rouhani et al., NeurIPS 2020, table 1: box of 16, 8-bit exponent, sign and magnitude"
for _n in range(12, 17):
    _m = _n - 8
    _block(f"msfp{_n}", IntFormat(_m, frac_bits=_m - 2, sign_magnitude=True), E8M0, 16, source=MSFP)
AMD = "AMD Quark 0.13 custom_ops/bfp; Ryzen AI BFP16: block of 8, 8-bit exponent, 8-bit elements"
_block("bfp16_amd", "int8_f6", E8M0, 8, "bfp16", source=AMD)
FLEX = "Flexpoint, arXiv:1711.02213: 16-bit mantissas, a 5-bit exponent per tensor (without Autoflex prediction)"
_block("flexpoint16_5", "int16_f14", "ufp5_e5m0", None, "flex16_5", axis=None, source=FLEX)


def _bfp(m: int, k: int) -> BlockFormat:
    if not 2 <= m <= 16:
        raise ArgumentError(f"bfpM_kK has M = 2 to 16 mantissa bits, sign included, got {m}")
    source = "classical block floating point: sign and M - 1 magnitude bits, exponent of the largest element"
    return BlockFormat(IntFormat(m, frac_bits=m - 2, sign_magnitude=True), scalar(E8M0), k, source=source)


BFP = "arXiv:2403.20137 (BFP16: 8-bit, BFP12: 4-bit mantissas)"
for _m, _k in ((8, 32), (8, 64), (8, 128), (4, 32), (4, 64), (4, 128), (6, 32)):
    add_block(f"bfp{_m}_k{_k}", _bfp(_m, _k))
for _n, _e in ((8, 3), (6, 3), (4, 2)):
    add(add_block(f"adaptivfloat{_n}_{_e}", _adaptivfloat(_n, _e)).element)

# ---- integers per tensor, channel and group ------------------------------------------------------------------------
SYM = "ONNX QuantizeLinear with zero point 0; Krishnamoorthi, arXiv:1806.08342 section 2.3"
ASYM = "ONNX QuantizeLinear; Krishnamoorthi, arXiv:1806.08342 section 2.1"
for _n in (2, 3, 4, 5, 6, 8, 16):
    _block(f"int{_n}_absmax", f"int{_n}", F32, None, f"int{_n}_channel", source=SYM)
    _block(f"int{_n}_tensor", f"int{_n}", F32, None, axis=None, source=SYM)
    _block(f"uint{_n}_affine", f"uint{_n}", F32, None, zero_point=f"uint{_n}", rule="minmax", source=ASYM)
    _block(
        f"uint{_n}_affine_tensor",
        f"uint{_n}",
        F32,
        None,
        zero_point=f"uint{_n}",
        rule="minmax",
        axis=None,
        source=ASYM,
    )
for _n in (2, 3, 4, 6, 8):
    for _g in (32, 64, 128):
        _block(f"int{_n}_g{_g}", f"int{_n}", "binary16", _g, source="group-wise symmetric integers, binary16 scales")
        _block(
            f"uint{_n}_g{_g}",
            f"uint{_n}",
            "binary16",
            _g,
            zero_point=f"uint{_n}",
            rule="minmax",
            source="group-wise asymmetric integers (GPTQ, AWQ layouts), binary16 scales",
        )
DYADIC = "HAWQ-V3, arXiv:2011.10680: scale = m / 2**e with a 31-bit m"
_block("int8_dyadic", "int8", "fp39_e8m30", None, source=DYADIC)
_block("int4_dyadic", "int4", "fp39_e8m30", None, source=DYADIC)
for _name, _element in (("fp8_e4m3", "fp8_e4m3fn"), ("fp8_e5m2", "fp8_e5m2")):
    _block(f"{_name}_channel", _element, F32, None, source="FP8 with one binary32 scale per row (absmax / largest)")
    _block(f"{_name}_tensor", _element, F32, None, axis=None, source="FP8 with one binary32 scale per tensor")
_block(
    "fp8_e4m3_128x128",
    "fp8_e4m3fn",
    F32,
    (128, 128),
    axis=(-2, -1),
    source="DeepSeek-V3, arXiv:2412.19437 section 3.3.2: weights in tiles of 128 x 128",
)
_block("fp8_e4m3_g128", "fp8_e4m3fn", F32, 128, source="DeepSeek-V3, arXiv:2412.19437 section 3.3.2: activations")

# ---- codebooks per block, with and without double quantization -----------------------------------------------------
QLORA = "QLoRA, arXiv:2305.14314; bitsandbytes"
DOUBLE = QLORA + " (double quantization of absmax)"
_double = BlockFormat(
    scalar("bnb_dynamic8"), scalar(F32), 256, axis=None, quotient="reciprocal", centre=True, source=DOUBLE
)
add_block("bnb_double", _double)
for _name, _element, _source in (
    ("nf4", "nf4", QLORA),
    ("bnb_fp4", "bnb_fp4", "bitsandbytes FP4"),
    ("af4", "af4", "AF4, arXiv:2306.06965"),
    ("nf3", "nf3_loftq", "LoftQ-style NF3"),
    ("nf2", "nf2", "LoftQ-style NF2"),
):
    for _g in (64, 128) if _element != "af4" else (64,):
        _block(f"{_name}_b{_g}", _element, F32, _g, axis=None, quotient="reciprocal", source=_source)
    _block(f"{_name}_b64_dq", _element, _double, 64, axis=None, quotient="reciprocal", source=_source + "; " + DOUBLE)
BOF = "BOF4, arXiv:2505.06653 tables 6 and 7"
for _name in ("bof4_mse_b64", "bof4_mae_b64"):
    _block(_name.replace("bof4_", "bof4_block_"), _name, F32, 64, source=BOF)
for _name in ("bof4s_mse_b32", "bof4s_mse_b64", "bof4s_mae_b64", "bof4s_mse_b128", "bof4s_mse_b256"):
    _block(
        _name.replace("bof4s_", "bof4s_block_"), _name, F32, int(_name.split("_b")[1]), rule="signed_absmax", source=BOF
    )

# ---- ternary -------------------------------------------------------------------------------------------------------
B158 = "BitNet b1.58, arXiv:2402.17764 equation 3"
_block("ternary_absmean", "ternary", F32, None, "bitnet_b158", rule="absmean", axis=None, source=B158)
RELOADED = "BitNet b1.58 Reloaded, arXiv:2407.09527"
_block("ternary_absmedian", "ternary", F32, None, rule="absmedian", axis=None, source=RELOADED)
_block(
    "ternary_twn",
    "ternary",
    F32,
    None,
    rule="twn",
    axis=None,
    source="Ternary Weight Networks, arXiv:1605.04711 equations 5 and 6",
)
_block("ternary_channel", "ternary", F32, None, rule="absmean", source=B158 + ", one scale per row")


# ---- grammar -------------------------------------------------------------------------------------------------------
_PLAIN = r"[^*/()@+;]+"


def _parse_option(name: str, text: str) -> Any:
    if name in ("full_range", "centre"):
        if text not in ("true", "false"):
            raise FormatNameError(f"{name} must be true or false, got {text!r}")
        return text == "true"
    if name == "min_scale":
        if not re.fullmatch(r"\d+(\.\d+)?", text):
            raise FormatNameError(f"min_scale must be a decimal number, got {text!r}")
        return float(text)
    if name == "axis":
        text = text.replace("_", "-")  # names are looked up with every - as _
        if text == "flat":
            return None
        if re.fullmatch(r"-?\d+", text):
            return int(text)
        if re.fullmatch(r"\((-?\d+,?)+\)", text):
            return tuple(int(part) for part in text[1:-1].split(",") if part)
        raise FormatNameError(f"axis must be an integer, a tuple or flat, got {text!r}")
    if name in ("quotient", "nonfinite"):
        return text
    known = "axis, centre, full_range, min_scale, nonfinite, quotient"
    raise FormatNameError(f"unknown block option {name!r}; options: {known}")


def _spelled(
    element: str, scale: str, block: Any, tensor: str = "", zero: str = "", rule: str = "", options: str = ""
) -> BlockFormat:
    inner = get(scale[1:-1] if scale.startswith("(") else scale)
    size: Any = None if block == "axis" else block
    if isinstance(size, str):
        size = tuple(int(part) for part in size.split("x"))
    chosen: dict[str, Any] = {"axis": tuple(range(-len(size), 0)) if isinstance(size, tuple) else -1}
    for option in filter(None, options.split(";")):
        name, _, text = option.partition("=")
        chosen[name] = _parse_option(name, text)
    return BlockFormat(
        element,  # type: ignore[arg-type]
        inner,
        size,
        rule or ("minmax" if zero else ""),
        tensor or None,  # type: ignore[arg-type]
        zero or None,  # type: ignore[arg-type]
        **chosen,
    )


register_family(r"bfp(?P<m>\d+)_k(?P<k>\d+)", _bfp)
register_family(r"adaptivfloat(?P<n>\d+)_(?P<e>\d+)", _adaptivfloat)
register_family(r"adaptivfloat(?P<n>\d+)_(?P<e>\d+)_element", _adaptivfloat_element)
register_family(
    rf"(?P<element>{_PLAIN})\*(?P<scale>\(.+\)|{_PLAIN})/(?P<block>axis|\d+(x\d+)*)(\*(?P<tensor>{_PLAIN}))?"
    rf"(\+(?P<zero>{_PLAIN}))?(@(?P<rule>{_PLAIN}))?(?P<options>(;[a-z_]+=[^;]+)*)",
    _spelled,
)
