"""The slow, independent oracle: every conversion once more in Python integers and fractions, one number at a time.

It shares no arithmetic with the kernels, with ``formats/conversion.py`` or with `value_of`, so that an agreement of the
two is evidence. Correct beats fast here: some ten to a hundred microseconds a number.
"""

from .decode import decode
from .encode import encode, round_up_count

__all__ = ["decode", "encode", "round_up_count"]
