"""Catalog lines of the block formats with structure inside the block."""

from __future__ import annotations

from .bitmod import bitmod
from .carry_block import CarryBlockFormat
from .if4 import if4
from .micro_exponents import micro_exponents
from .mx_plus import mx_plus
from .progressive import DGQFormat, QoQFormat
from .registry import add_block, get, scalar
from .tenstorrent import tenstorrent

__all__: list[str] = []

# ---- MX+ -----------------------------------------------------------------------------------------------------------
MX_PLUS = "MX+, arXiv:2510.14557"
for _name in ("mxfp4", "mxfp6_e2m3", "mxfp6_e3m2", "mxfp8_e4m3"):
    add_block(f"{_name}_plus", mx_plus(get(_name), MX_PLUS))

# ---- shared micro-exponents ----------------------------------------------------------------------------------------
MICRO = "shared micro-exponents, Rouhani et al., ISCA 2023, table 2; AMD Quark 0.13 bfp_prime"
for _name, _m in (("mx9", 7), ("mx6", 4), ("mx4", 2)):
    add_block(_name, micro_exponents(_m, MICRO))

# ---- block floating point by vendor --------------------------------------------------------------------------------
add_block(
    "bfp16_amd_compiler",
    CarryBlockFormat(
        scalar("int8_f6"), scalar("ufp8_e8m0"), 8, full_range=True, source="AMD Quark 0.13, BFPCPUKernelCompiler"
    ),
)
TENSTORRENT = "tenstorrent/tt-metal, tt_metal/impl/data_format/bfp_simd.hpp"
for _w in (7, 3, 1):
    add_block(f"bfp{_w + 1}_b", tenstorrent(_w, TENSTORRENT))

# ---- a grid chosen per block ---------------------------------------------------------------------------------------
BITMOD = "BitMoD, arXiv:2411.11745 section III; abdelfattah-lab/BitMoD-HPCA-25"
add_block("bitmod3", bitmod(3, BITMOD))
add_block("bitmod4", bitmod(4, BITMOD))
add_block("if4", if4(get("nvfp4"), "IF4, arXiv:2603.28765; mit-han-lab/fouroversix"))

# ---- progressive integers ------------------------------------------------------------------------------------------
QOQ = "QServe (QoQ), arXiv:2405.04532 section 4.1; mit-han-lab/deepcompressor"
add_block("qoq_int4_g128", QoQFormat(scalar("uint4"), scalar("binary16"), None, "absmax_119", source=QOQ))
DGQ = "DGQ, arXiv:2310.04836; ilur98/DGQ, without the grid searches"
add_block("dgq_int4_g128", DGQFormat(scalar("uint4"), scalar("binary16"), None, "absmax", source=DGQ))
