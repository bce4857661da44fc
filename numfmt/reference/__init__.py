"""The slow, independent oracle: every conversion once more in Python integers and fractions, one number at a time.

It shares no arithmetic with the kernels, with ``formats/conversion.py`` or with `value_of`, so that an agreement of the
two is evidence. Correct beats fast here: some ten to a hundred microseconds a number. Block formats share nothing with
``numfmt/_blocks`` and ``formats/scale_rules.py`` either.
"""

from . import packed_blocks, structured  # noqa: F401  (they register the oracles of their formats)
from .arithmetic import OPERATIONS, operate
from .blocks import BlockOptions, ReferenceBlock, decode_block, encode_block, tensor_scale
from .decode import decode
from .encode import encode, round_up_count
from .operands import Flags, Outcome
from .ordering import PREDICATES, compare, predicate, total_order
from .tensors import ReferenceTensor, encode_tensor, oracle_of, register_oracle, rowwise

__all__ = [
    "BlockOptions",
    "Flags",
    "OPERATIONS",
    "Outcome",
    "PREDICATES",
    "ReferenceBlock",
    "ReferenceTensor",
    "compare",
    "decode",
    "decode_block",
    "encode",
    "encode_block",
    "encode_tensor",
    "operate",
    "oracle_of",
    "predicate",
    "register_oracle",
    "round_up_count",
    "rowwise",
    "tensor_scale",
    "total_order",
]
