"""Operations on arrays: arithmetic on codes, transforms in front of a quantizer, orders of channels."""

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
from .growth import grown_format
from .integral import round_to_integral
from .neighbours import next_down, next_up
from .permutation import inverse_permutation, k_sort, permute
from .signs import absolute, copysign, negate
from .transforms import haar_pairs, hadamard, hadamard_signs, inverse_haar_pairs, inverse_hadamard

__all__ = [
    "Flags",
    "absolute",
    "add",
    "compare",
    "copysign",
    "div",
    "faa",
    "fma",
    "grown_format",
    "haar_pairs",
    "hadamard",
    "hadamard_signs",
    "inverse_haar_pairs",
    "inverse_hadamard",
    "inverse_permutation",
    "k_sort",
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
    "sqrt",
    "sub",
    "total_order",
]
