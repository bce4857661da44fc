"""Catalog lines of the complex, 3:4 sparse and ggml block formats, and the elements that only they use."""

from __future__ import annotations

from ..rounding import Rounding
from .codebook import CodebookFormat
from .fairy import FairyFormat
from .ggml import GGML_FORMATS, ggml_format
from .registry import add, add_block, get
from .sherry import SherryFormat, STQ1Format

__all__: list[str] = []

# ---- <+-1, +-i> ----------------------------------------------------------------------------------------------------
FAIRY = "Fairy+-i, arXiv:2508.05571 and its public code"
_roots, _f32, _f16, _ternary = (get(name) for name in ("fourth_roots", "binary32", "binary16", "ternary"))
add_block("fairy", FairyFormat(_roots, _f32, None, "absmean", axis=None, source=FAIRY))
add_block("fairy_channel", FairyFormat(_roots, _f32, None, "absmean", source=FAIRY + ", two scales per row"))

# ---- 3:4 sparse ternary --------------------------------------------------------------------------------------------
SHERRY = "Sherry, arXiv:2601.07892; groups of 128"
add_block("sherry", SherryFormat(_ternary, _f32, 128, "absmean", source=SHERRY))
add_block("sherry_f16", SherryFormat(_ternary, _f16, 128, "absmean", source=SHERRY + ", binary16 scales"))
add_block("stq1_0", STQ1Format(_ternary, _f16, 256, "absmax", source="llama.cpp PR 22836 (Sherry's GGUF type)"))

# ---- ggml ----------------------------------------------------------------------------------------------------------
GGML = "ggml ggml-quants.c, ggml-common.h"
AWAY, INWARD = Rounding.NEAREST_AWAY, Rounding.NEAREST_ZERO
add(CodebookFormat("int4_excess8", tuple(range(-8, 8)), AWAY, source=GGML + " (Q4_0: code - 8)"))
add(CodebookFormat("int5_excess16", tuple(range(-16, 16)), AWAY, source=GGML + " (Q5_0: code - 16)"))
add(CodebookFormat("int6_excess32", tuple(range(-32, 32)), AWAY, source=GGML + " (Q6_K: code - 32)"))
add(CodebookFormat("tq2_0_element", (-1, 0, 1, 2), AWAY, source=GGML + " (TQ2_0: code - 1; no encoder writes code 3)"))
_E2M1 = (0, 0.5, 1, 1.5, 2, 3, 4, 6)
add(
    CodebookFormat(
        "ggml_e2m1", (*_E2M1, *(0 - x for x in _E2M1)), INWARD, source=GGML + " (kvalues_mxfp4: code 8 is +0)"
    )
)


def _ue4m3(code: int) -> float:
    """0x7F, E4M3's NaN, is 0; else bit 7 is ignored, so that 0xFF is 480."""
    if code == 0x7F:
        return 0.0
    exponent, fraction = divmod(code & 0x7F, 8)
    return float((8 + fraction if exponent else fraction) * 2.0 ** (max(exponent, 1) - 10))


add(CodebookFormat("ggml_ue4m3", tuple(map(_ue4m3, range(256))), source=GGML + " (NVFP4: ggml_ue4m3_to_fp32)"))
for _label in GGML_FORMATS:
    add_block(_label, ggml_format(_label))
