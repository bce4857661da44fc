"""Operations: arithmetic and elementary functions on codes, quires, transforms before a quantizer, channel orders."""

from .comparison import compare, total_order
from .elementwise import add, div, faa, fma, mul, reciprocal, remainder, rsqrt, sqrt, sub
from .extremes import (
    maximum,
    maximum_magnitude,
    maximum_magnitude_number,
    maximum_number,
    minimum,
    minimum_magnitude,
    minimum_magnitude_number,
    minimum_number,
)
from .flags import Flags
from .functions import (
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
from .fused import fused_dot, fused_sum
from .growth import grown_format
from .integral import round_to_integral
from .neighbours import next_down, next_up
from .permutation import inverse_permutation, k_sort, permute
from .quire import Quire
from .signs import absolute, copysign, negate
from .transforms import haar_pairs, hadamard, hadamard_signs, inverse_haar_pairs, inverse_hadamard

__all__ = [
    "Flags",
    "Quire",
    "absolute",
    "add",
    "cbrt",
    "compare",
    "copysign",
    "cos",
    "div",
    "erf",
    "exp",
    "exp10",
    "exp2",
    "expm1",
    "faa",
    "fma",
    "fused_dot",
    "fused_sum",
    "gelu",
    "grown_format",
    "haar_pairs",
    "hadamard",
    "hadamard_signs",
    "inverse_haar_pairs",
    "inverse_hadamard",
    "inverse_permutation",
    "k_sort",
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
    "negate",
    "next_down",
    "next_up",
    "permute",
    "reciprocal",
    "remainder",
    "round_to_integral",
    "rsqrt",
    "sigmoid",
    "silu",
    "sin",
    "softplus",
    "sqrt",
    "sub",
    "tanh",
    "total_order",
]
