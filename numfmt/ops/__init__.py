"""Operations on arrays: transforms in front of a quantizer, orders of channels."""

from .permutation import inverse_permutation, k_sort, permute
from .transforms import haar_pairs, hadamard, hadamard_signs, inverse_haar_pairs, inverse_hadamard

__all__ = [
    "haar_pairs",
    "hadamard",
    "hadamard_signs",
    "inverse_haar_pairs",
    "inverse_hadamard",
    "inverse_permutation",
    "k_sort",
    "permute",
]
