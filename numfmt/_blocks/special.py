"""Imports every module that registers the scheme of a class of block formats; `scheme_of` loads it at first need."""

from . import (  # noqa: F401
    bitmod,
    carry_block,
    fairy,
    ggml,
    if4,
    micro_exponents,
    mx_plus,
    progressive,
    sherry,
    tenstorrent,
)
