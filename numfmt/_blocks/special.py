"""Imports every module that registers the scheme of a class of block formats; `scheme_of` loads it at first need."""

from . import mx_plus  # noqa: F401
