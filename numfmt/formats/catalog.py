"""The catalog: one literal line per named format, with its source. Everything else about a format is derived."""

from __future__ import annotations

import numpy as np

from ..rounding import Overflow, Rounding
from . import grammar  # noqa: F401  (registers the name patterns)
from .codebook import CodebookFormat, FourthRootsFormat
from .exponent import ExponentFormat
from .floating import FloatFormat, P3109Format, Specials
from .hif8 import HiFloat8Format
from .integer import IntFormat
from .lns import LnsFormat
from .posit import PositFormat
from .registry import add, ambiguous
from .takum import TakumFormat, TakumLogFormat

__all__: list[str] = []

FN, FNUZ, FINITE = Specials.FN, Specials.FNUZ, Specials.FINITE


def _float(fmt: FloatFormat, *aliases: str) -> None:
    # The grammar's own spelling is an alias when it means the same defaults.
    plain = fmt.rounding is Rounding.NEAREST_EVEN and fmt.overflow is fmt._usual_overflow
    add(fmt, *aliases, spelled=fmt.spelled_name if plain else None)


# ---- IEEE 754 and wider floats -------------------------------------------------------------------------------------
IEEE754 = "IEEE 754-2019 table 3.5"
_float(FloatFormat(5, 10, label="binary16", source=IEEE754), "float16", "fp16", "half", "f16")
_float(FloatFormat(8, 23, label="binary32", source=IEEE754), "float32", "fp32", "single", "f32")
_float(FloatFormat(11, 52, label="binary64", source=IEEE754), "float64", "fp64", "double", "f64")
_float(
    FloatFormat(8, 7, label="bfloat16", source="Intel, BFLOAT16 hardware numerics definition, 2018"), "bf16", "bfloat"
)
_float(
    FloatFormat(8, 10, label="tf32", source="NVIDIA PTX ISA 9.0 section 5.2.3; the 19 significant bits"),
    "tensorfloat32",
)
_float(FloatFormat(8, 13, label="e8m13", source="MMA-Sim f32_e8m13: accumulator of NVIDIA Ada FP8 units"), "fp22")
_float(
    FloatFormat(7, 16, 63, FINITE, subnormals=False, label="fp24_r300", source="Mesa r300 pack_float24 (ATI R300)"),
    "fp24_amd",
)
_float(
    FloatFormat(
        8,
        15,
        label="pxr24",
        rounding=Rounding.NEAREST_AWAY,
        overflow=Overflow.SAT_PROPAGATE,
        source="OpenEXR PXR24 codec",
    )
)
_float(FloatFormat(8, 15, label="fp24_e8m15", source="binary32 less 8 bits, IEEE rounding"))

# ---- OCP FP8, FP6, FP4 and their ml_dtypes cousins -------------------------------------------------------------------
OFP8, MX = "OCP OFP8 rev 1.0 (2023-12-01) section 5", "OCP Microscaling Formats (MX) v1.0 section 5.3"
MLD, NOUNE = "ml_dtypes README and LLVM APFloat semantics", "arXiv:2206.02915 (Graphcore, AMD, Qualcomm)"
_float(FloatFormat(4, 3, specials=FN, label="fp8_e4m3fn", source=OFP8), "e4m3fn", "float8_e4m3fn", "f8e4m3fn")
_float(FloatFormat(5, 2, label="fp8_e5m2", source=OFP8), "e5m2", "float8_e5m2", "f8e5m2")
_float(FloatFormat(4, 3, label="fp8_e4m3_ieee", source=MLD), "e4m3_ieee", "float8_e4m3")
_float(FloatFormat(3, 4, label="fp8_e3m4", source=MLD), "e3m4", "float8_e3m4", "fp8_e3m4_ieee")
_float(FloatFormat(4, 3, specials=FNUZ, label="fp8_e4m3fnuz", source=NOUNE), "e4m3fnuz", "float8_e4m3fnuz")
_float(FloatFormat(5, 2, specials=FNUZ, label="fp8_e5m2fnuz", source=NOUNE), "e5m2fnuz", "float8_e5m2fnuz")
_float(FloatFormat(4, 3, 11, FNUZ, label="fp8_e4m3fnuz_b11", source=MLD), "e4m3b11fnuz", "float8_e4m3b11fnuz")
_float(FloatFormat(2, 3, specials=FINITE, label="fp6_e2m3", source=MX), "e2m3", "float6_e2m3fn", "e2m3fn", "fp6_e2m3fn")
_float(FloatFormat(3, 2, specials=FINITE, label="fp6_e3m2", source=MX), "e3m2", "float6_e3m2fn", "e3m2fn", "fp6_e3m2fn")
_float(FloatFormat(2, 1, specials=FINITE, label="fp4_e2m1", source=MX), "e2m1", "float4_e2m1fn", "e2m1fn", "fp4_e2m1fn")
_float(
    FloatFormat(1, 2, 1, FINITE, label="fp4_e1m2", source="PyPI en_dtypes float4_e1m2; k/4 up to 1.75"),
    "e1m2",
    "float4_e1m2",
)
_float(
    FloatFormat(3, 0, specials=FINITE, label="fp4_e3m0", source="microxcaling and torchao experiments"),
    "e3m0",
    "float4_e3m0",
)
_float(
    FloatFormat(
        4, 3, specials=FN, signed=False, label="ufp7_e4m3fn", source="NVIDIA PTX ISA 9.0 ue4m3 (NVFP4 block scales)"
    ),
    "ue4m3",
    "ufp8_ue4m3",
)
_float(
    FloatFormat(5, 3, specials=FN, signed=False, label="ufp8_e5m3fn", source="PTX 13.4 preview ue5m3; LLVM PR 210720"),
    "ue5m3",
)
add(ExponentFormat(8, source=MX.replace("5.3", "5.4.1")), "e8m0", "float8_e8m0fnu", "e8m0fnu", "ue8m0")
ambiguous("fp8_e4m3", "fp8_e4m3fn (OCP E4M3, max 448)", "fp8_e4m3_ieee (ml_dtypes float8_e4m3, max 240)")
ambiguous("e4m3", "fp8_e4m3fn (OCP E4M3, max 448)", "fp8_e4m3_ieee (ml_dtypes float8_e4m3, max 240)")
ambiguous("fp8", "fp8_e4m3fn", "fp8_e5m2", "p3109_k8p4se", "hif8")
ambiguous("fp6", "fp6_e2m3", "fp6_e3m2")
ambiguous("fp4", "fp4_e2m1 (OCP)", "bnb_fp4 (bitsandbytes)", "fp4_e1m2", "fp4_e3m0")
ambiguous("fp24", "fp24_r300 (ATI R300)", "pxr24 (OpenEXR)", "fp24_e8m15", "fp24_e7m16")

# ---- IEEE P3109: every legal K from 3 to 15, P, signedness and domain
# --------------------------------------------------
for _k in range(3, 16):
    for _signed in (True, False):
        for _p in range(1, _k + int(not _signed)):
            for _extended in (True, False):
                add(P3109Format(_k, _p, _signed, _extended))

# ---- integers and fixed point --------------------------------------------------------------------------------------
for _n in range(2, 33):
    add(IntFormat(_n), f"i{_n}", f"s{_n}")
    add(IntFormat(_n, signed=False), f"u{_n}")
    add(IntFormat(_n, sign_magnitude=True))
    add(IntFormat(_n, narrow=True))
add(IntFormat(8, frac_bits=6, source=MX + ".4 (MXINT8 element, implicit 2**-6)"), "mxint8_element")
add(IntFormat(8, frac_bits=4, source="Q3.4 (TI) = Q4.4 (ARM)"))
add(IntFormat(16, frac_bits=8, source="Q7.8 (TI) = Q8.8 (ARM)"))
add(IntFormat(16, frac_bits=15, source="Q15, Q0.15 (TI) = Q1.15 (ARM)"))
add(IntFormat(32, frac_bits=16, source="Q15.16 (TI) = Q16.16 (ARM)"))
add(IntFormat(32, frac_bits=31, source="Q31, Q0.31 (TI) = Q1.31 (ARM)"))

# ---- tapered and logarithmic --------------------------------------------------------------------------------------
add(HiFloat8Format(), "hifloat8")
POSIT22, GUSTAFSON = "Standard for Posit Arithmetic (2022)", "Gustafson and Yonemoto 2017; SoftPosit"
add(PositFormat(4, 1, source=GUSTAFSON))
add(PositFormat(8, 0, source=GUSTAFSON))
add(PositFormat(8, 1, source=GUSTAFSON))
add(PositFormat(8, 2, source=POSIT22), "posit8")
add(PositFormat(16, 1, source=GUSTAFSON))
add(PositFormat(16, 2, source=POSIT22), "posit16")
add(PositFormat(24, 2, source=POSIT22), "posit24")
add(PositFormat(32, 2, source=POSIT22), "posit32")
for _n in (8, 16, 32):
    add(TakumFormat(_n), f"takum_linear{_n}")
    add(TakumLogFormat(_n))
add(LnsFormat(8, 3))
add(LnsFormat(8, 4))
add(LnsFormat(12, 5))
add(LnsFormat(16, 8))

# ---- codebooks -----------------------------------------------------------------------------------------------------
DOWN, INWARD = Rounding.NEAREST_DOWN, Rounding.NEAREST_ZERO
BNB = "QLoRA arXiv:2305.14314; bitsandbytes float32 constants, ties to the lower code"


def _float32(*values: float) -> tuple[float, ...]:
    """Printed constants as the binary32 numbers that implementations hold."""
    return tuple(float(x) for x in np.array(values, np.float32))


# fmt: off
add(CodebookFormat("nf4", (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0), DOWN, True, BNB), "normal_float4")
LOFTQ = "QLoRA recipe with NF4's delta 0.9677083 (LoftQ-style code)"
add(CodebookFormat("nf3_loftq", (
    -1.0, -0.4786291718482971, -0.21714182198047638, 0.0, 0.16093020141124725, 0.33791524171829224, 0.5626170039176941,
    1.0), DOWN, True, LOFTQ))
add(CodebookFormat("nf3_rederived", (
    -1.0, -0.5350227355957031, -0.24693144857883453, 0.0, 0.1833374947309494, 0.38199397921562195, 0.6229857802391052,
    1.0), DOWN, True, "QLoRA recipe with delta re-derived for 3 bits, 0.9330357"))
ambiguous("nf3", "nf3_loftq (NF4's delta)", "nf3_rederived (delta for 3 bits)")
add(CodebookFormat("nf2", (-1.0, 0.0, 0.33791524171829224, 1.0), DOWN, True, LOFTQ))
add(CodebookFormat("af4", _float32(
    -1.0, -0.6944100856781006, -0.512437403202057, -0.3736951053142548, -0.25607553124427795, -0.14982478320598602,
    -0.04934811964631081, 0.0, 0.04273163899779320, 0.12934483587741852, 0.21961273252964020, 0.31675666570663452,
    0.42563882470130920, 0.55496233701705933, 0.72424864768981934, 1.0), DOWN, True,
    "AbnormalFloat, arXiv:2306.06965, block 64 (8 printed digits, as float32)"))
add(CodebookFormat("bnb_fp4", tuple(
    (-1.0 if code & 8 else 1.0) * (0.0, 0.0052083334885537624, 0.6666666865348816, 1.0, 0.3333333432674408, 0.5,
    0.1666666716337204, 0.25)[code & 7] for code in range(16)), INWARD, False,
    "bitsandbytes FP4 data type (not OCP E2M1): binary32 constants of dQuantizeFP4",
    (0.0026041700039058924, 0.0859375, 0.2083333283662796, 0.2916666567325592, 0.4166666865348816, 0.5833330154418945,
    0.8333333134651184)))
add(CodebookFormat("iq4_nl", (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113),
    Rounding.NEAREST_UP, False, "ggml kvalues_iq4nl"))
LLOYD = "Lloyd-Max quantizer of N(0,1) (Max 1960), computed to 20 digits; TurboQuant arXiv:2504.19874"
def _mirror(*levels: float) -> tuple[float, ...]:
    return tuple(-x for x in reversed(levels)) + levels
add(CodebookFormat("lloyd_max1", _mirror(0.7978845608028654), source=LLOYD))
add(CodebookFormat("lloyd_max2", _mirror(0.452780034636492, 1.5104176084990955), source=LLOYD))
add(CodebookFormat("lloyd_max3", _mirror(
    0.24509417894422167, 0.7560052812058773, 1.343909278505, 2.1519457045369874), source=LLOYD))
add(CodebookFormat("lloyd_max4", _mirror(
    0.128395029851147, 0.3880482994902902, 0.6567591185324634, 0.9423404564869614, 1.2562311973471771,
    1.6180463860218826, 2.0690172265313866, 2.732589570995163), source=LLOYD))
BOF4 = "BOF4 arXiv:2505.06653 tables 6 and 7 (9 printed digits)"
add(CodebookFormat("bof4_mse_b64", _float32(
    -1, -0.753524542, -0.579203725, -0.438599885, -0.316767991, -0.205992445, -0.101538762, 0, 0.0887245312, 0.17937696,
    0.274149984, 0.375821143, 0.48849377, 0.618705869, 0.779045224, 1), DOWN, False, BOF4))
add(CodebookFormat("bof4_mae_b64", _float32(
    -1, -0.702630579, -0.527270377, -0.394673824, -0.28321448, -0.183531359, -0.0903086662, 0, 0.0789600015,
    0.159879252, 0.244986355, 0.337221891, 0.441359282, 0.565777063, 0.729917824, 1), DOWN, False, BOF4))
add(CodebookFormat("bof4s_mse_b64", _float32(
    -0.856846392, -0.669287443, -0.523526609, -0.400488257, -0.291063815, -0.190009296, -0.0938529596, 0, 0.0887671709,
    0.17948027, 0.274309605, 0.376019746, 0.488653004, 0.618860364, 0.779139578, 1), DOWN, False, BOF4))
add(CodebookFormat("bof4s_mae_b64", _float32(
    -0.801879823, -0.607605159, -0.468828022, -0.35596028, -0.257616937, -0.167748138, -0.0827366263, 0, 0.0789434835,
    0.159796685, 0.244849548, 0.337148011, 0.441257387, 0.565681934, 0.72980684, 1), DOWN, False, BOF4))
add(CodebookFormat("bof4s_mse_b32", _float32(
    -0.87327975, -0.690744638, -0.543703914, -0.41737017, -0.303893358, -0.198601782, -0.098155722, 0, 0.0925938413,
    0.187048003, 0.285519749, 0.390712619, 0.506283164, 0.637974858, 0.795637667, 1), DOWN, False, BOF4))
add(CodebookFormat("bof4s_mse_b128", _float32(
    -0.837391734, -0.646245241, -0.502863467, -0.383624762, -0.27837795, -0.181571394, -0.0896477327, 0, 0.0850915611,
    0.172083482, 0.263207287, 0.361329317, 0.470745265, 0.598896682, 0.761027992, 1), DOWN, False, BOF4))
add(CodebookFormat("bof4s_mse_b256", _float32(
    -0.814682901, -0.622183859, -0.482054919, -0.366965085, -0.265987188, -0.173374236, -0.0855776593, 0, 0.0815095231,
    0.164914966, 0.252439201, 0.347027421, 0.453153431, 0.57884866, 0.741859674, 1), DOWN, False, BOF4))
# fmt: on
# BitMoD: sign-magnitude codes whose -0 code holds the special value. er: extra resolution, ea: extra asymmetry.
BITMOD = "BitMoD arXiv:2411.11745 table 3; a midpoint goes to the lower level"
_FP3, _FP4 = (0, 1, 2, 4), (0, 1, 2, 3, 4, 6, 8, 12)
for _label, _grid, _special in (
    ("bitmod_fp3_er_pos", _FP3, 3),
    ("bitmod_fp3_er_neg", _FP3, -3),
    ("bitmod_fp3_ea_pos", _FP3, 6),
    ("bitmod_fp3_ea_neg", _FP3, -6),
    ("bitmod_fp4_er_pos", _FP4, 10),
    ("bitmod_fp4_er_neg", _FP4, -10),
    ("bitmod_fp4_ea_pos", _FP4, 16),
    ("bitmod_fp4_ea_neg", _FP4, -16),
):
    add(CodebookFormat(_label, (*_grid, _special, *(-x for x in _grid[1:])), DOWN, False, BITMOD))
add(CodebookFormat("bitmod_fp3", (*_FP3, -0.0, *(-x for x in _FP3[1:])), DOWN, False, BITMOD))
add(CodebookFormat("bitmod_fp4", (*_FP4, -0.0, *(-x for x in _FP4[1:])), DOWN, False, BITMOD))
add(CodebookFormat("binary", (-1, 1), Rounding.NEAREST_UP, False, "sign bit, sign(0) = +1; code 2c - 1"), "int1_pm")
add(CodebookFormat("ternary", (-1, 0, 1), INWARD, False, "BitNet b1.58 arXiv:2402.17764; code = value + 1"), "int1_58")
add(FourthRootsFormat(), "cunit4", "fairy_codes")

from . import block_catalog, block_packed, block_special  # noqa: E402, F401  (their lines name the formats above)
