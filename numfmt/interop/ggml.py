"""Block types of ggml (the tensors of .gguf files): codes and scales, their bytes, and their numbers.

`ggml_type("Q4_0")` is one row of a table: where the bits lie (`_ggml_layout`) and how numbers become codes and codes
numbers (`_ggml_rules`). The steps are separate: `quantize` -> parts -> `pack` -> bytes -> `unpack` -> parts ->
`dequantize`; `encode` and `decode` go all the way, some blocks at a time.

What every encoder with a binary16 scale has in common: the codes are found with the *unrounded* binary32 scale, which
is rounded to binary16 only when it is stored, so the decoder multiplies by a slightly different number. All arithmetic
is binary32, and a code comes from multiplying with the rounded reciprocal of the scale, not from a division.

Bytes equal those of gguf-py 0.19.0 except for `DEVIATIONS`.

Source: ggml `ggml-quants.c`, `ggml-common.h` and gguf-py `quants.py` (layout facts).
"""

from __future__ import annotations

from typing import NamedTuple

from ..errors import FormatNameError
from . import _ggml_rules as rules
from ._ggml_layout import Bits, Field, Packed6, Planes, Trits
from ._ggml_type import GgmlType

__all__ = ["DEVIATIONS", "Deviation", "GgmlType", "ggml_type", "ggml_types"]


class Deviation(NamedTuple):
    """A place where this module's bytes or numbers differ from gguf-py's, on purpose."""

    name: str
    types: tuple[str, ...]
    gguf_py: str
    numfmt: str
    reason: str


_WITH_SCALE = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "TQ1_0", "TQ2_0")

#: Every known difference from gguf-py 0.19.0.
DEVIATIONS = (
    Deviation(
        "non_finite_input",
        (*_WITH_SCALE, "MXFP4"),
        "NaN and infinite elements give blocks of zeros or of unspecified casts",
        "NaN raises NaNError, an infinity ArgumentError; the message has the index",
        "no type here has codes for them, and a cast of NaN to an integer differs between machines",
    ),
    Deviation(
        "scale_overflow",
        _WITH_SCALE,
        "a scale or minimum beyond 65504 is stored as an infinity, and the block decodes to NaN and infinities",
        "FormatOverflowError with the index of the block",
        "the numbers of the block are lost",
    ),
    Deviation(
        "reciprocal_overflow",
        _WITH_SCALE,
        "where 0 < |d| <= 2**-128 the reciprocal is infinite, and unspecified casts of infinities and NaN follow",
        "the codes are those of a block with scale 0",
        "the stored binary16 scale is 0 anyway, so only the codes are concerned",
    ),
    Deviation(
        "zero_minimum_sign",
        ("Q4_1", "Q5_1"),
        "numpy.min and numpy.max choose between +0 and -0 as the vector unit does, so m and d may be stored as -0",
        "the first of equal extremes counts, as in ggml's C loop",
        "the bytes must not depend on the machine",
    ),
    Deviation(
        "mxfp4_exponent",
        ("MXFP4",),
        "floor of a binary32 log2, which is one too large for many numbers just below a power of two",
        "the exact exponent",
        "OCP MX v1.0 section 6.3 defines the exponent, not a logarithm's rounding",
    ),
    Deviation(
        "mxfp4_tiny_block",
        ("MXFP4",),
        "where max |x| < 2**-125 the negative exponent is cast to uint8, which is unspecified",
        "byte 0, the smallest scale",
        "E8M0 has no smaller scale",
    ),
    Deviation(
        "mxfp4_scale_nan",
        ("MXFP4",),
        "scale byte 255 is read as 2**128: zeros, 2**127 and infinities",
        "every element of the block is NaN",
        "OCP MX v1.0 section 5.1 and table 7: the E8M0 byte 0xFF is NaN",
    ),
)

_HALF = Field("scales", "<f2")
_MINIMUM = Field("minimums", "<f2")
_NIBBLES = Planes(16, width=16, bits=4)  # element j low, j + 16 high
_FIFTH_BITS = Bits(4, shift=4)  # element j in bit j of a 32-bit word

_TYPES = (
    GgmlType(
        "Q4_0", 2, 32, (_HALF, _NIBBLES), rules.scale_factor,
        "d = binary32(signed max / -8), r = binary32(1/d), code = min(15, trunc(binary32(binary32(x*r) + 8.5))); "
        "d stored as binary16; x = binary32(d * (code - 8))",
        bias=8, quantizer=rules.signed_maximum(8),
    ),
    GgmlType(
        "Q4_1", 3, 32, (_HALF, _MINIMUM, _NIBBLES), rules.affine_factor,
        "d = binary32(binary32(max - min) / 15), r = binary32(1/d), code = min(15, trunc(binary32(binary32("
        "binary32(x - min) * r) + 0.5))); d and m = min stored as binary16; x = binary32(binary32(d * code) + m)",
        quantizer=rules.asymmetric(15),
    ),
    GgmlType(
        "Q5_0", 6, 32, (_HALF, _FIFTH_BITS, _NIBBLES), rules.scale_factor,
        "as Q4_0 with 16 for 8: code = min(31, trunc(binary32(binary32(x*r) + 16.5))); x = binary32(d * (code - 16))",
        bias=16, code_limit=32, quantizer=rules.signed_maximum(16),
    ),
    GgmlType(
        "Q5_1", 7, 32, (_HALF, _MINIMUM, _FIFTH_BITS, _NIBBLES), rules.affine_factor,
        "as Q4_1 with 31 for 15",
        code_limit=32, quantizer=rules.asymmetric(31),
    ),
    GgmlType(
        "Q8_0", 8, 32, (_HALF, Field("codes", "u1", 32)), rules.scale_factor,
        "d = binary32(max |x| / 127), r = binary32(1/d), code = binary32(x*r) to the nearest integer, ties away from "
        "zero; d stored as binary16; x = binary32(d * code)",
        code_limit=256, quantizer=rules.absmax(127, 0),
    ),
    GgmlType(
        "Q4_K", 12, 256, (_HALF, _MINIMUM, Packed6(), Planes(128, width=32, bits=4)), rules.sub_affine_factor,
        "x = binary32((d * sub_scale) * code - dmin * sub_minimum), 8 sub-blocks of 32; both products are exact",
    ),
    GgmlType(
        "Q6_K", 14, 256,
        (
            Planes(128, width=64, bits=4), Planes(64, width=32, bits=2, shift=4), Field("sub_scales", "i1", 16), _HALF,
        ),
        rules.sub_scale_factor,
        "x = (d * sub_scale) * (code - 32), 16 sub-blocks of 16; exact",
        bias=32, code_limit=64,
    ),
    GgmlType(
        "IQ4_NL", 20, 32, (_HALF, _NIBBLES), rules.scale_factor,
        "x = d * levels[code], exact",
        levels=rules.IQ4_NL_LEVELS,
    ),
    GgmlType(
        "TQ1_0", 34, 256, (Trits(((32, 5), (16, 5), (4, 4))), _HALF),
        rules.scale_factor,
        "d = max |x|, r = binary32(1/d), code = 1 + binary32(x*r) to the nearest integer, ties away from zero; "
        "d stored as binary16; x = d * (code - 1)",
        bias=1, code_limit=3, quantizer=rules.absmax(1, 1),
    ),
    GgmlType(
        "TQ2_0", 35, 256, (Planes(64, width=32, bits=2), _HALF), rules.scale_factor,
        "as TQ1_0; the unused code 3 decodes to 2 * d",
        bias=1, code_limit=4, quantizer=rules.absmax(1, 1),
    ),
    GgmlType(
        "MXFP4", 39, 32, (Field("scales", "u1"), _NIBBLES), rules.e8m0_factor,
        "E = max(0, floor(log2 max |x|) + 125), code = nearest E2M1 of x / 2**(E - 127), ties toward zero, saturating, "
        "never -0; x = 2**(E - 127) * E2M1, exact below 2**128; E = 255 is NaN; code 8 is +0",
        levels=rules.E2M1_DOUBLED, quantizer=rules.quantize_mxfp4,
    ),
    GgmlType(
        "NVFP4", 40, 64, (Field("scales", "u1", 4), Planes(32, width=8, bits=4)), rules.ue4m3_factor,
        "x = UE4M3 * E2M1, exact, 4 sub-blocks of 16; ggml ignores bit 7 of a scale and reads 0x7F as 0; code 8 is +0",
        levels=rules.E2M1_DOUBLED,
    ),
)  # fmt: skip
_BY_NAME = {t.name: t for t in _TYPES}


def ggml_types() -> tuple[GgmlType, ...]:
    """Every block type this module knows, by its number in .gguf files.

    >>> from numfmt.interop.ggml import ggml_types
    >>> [t.name for t in ggml_types() if not t.can_encode]
    ['Q4_K', 'Q6_K', 'IQ4_NL', 'NVFP4']
    """
    return _TYPES


def ggml_type(name: str) -> GgmlType:
    """The block type of that name, upper or lower case.

    Raises
    ------
    FormatNameError
        No such type; the message lists the known ones.

    >>> from numfmt.interop.ggml import ggml_type
    >>> ggml_type("q5_1")
    GgmlType('Q5_1', 32 elements in 24 bytes)
    >>> ggml_type("tq1_0").bits_per_element
    1.6875
    """
    found = _BY_NAME.get(str(name).upper())
    if found is None:
        raise FormatNameError(f"unknown ggml block type {name!r}; known: {', '.join(_BY_NAME)}")
    return found
