"""Imports every module that registers the scheme of a class of block formats; `scheme_of` loads it at first need."""

from . import bitmod, carry_block, if4, micro_exponents, mx_plus, progressive, tenstorrent  # noqa: F401
