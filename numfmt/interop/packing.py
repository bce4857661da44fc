"""Byte layouts of narrow codes: which bit of which code sits in which bit of which byte.

Every row along the last axis is packed by itself. What a row leaves of its last byte is 0, as ONNX and ggml have it,
and unpacking insists on that: a wrong length is then rarely silent.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError, CodeRangeError, DTypeError
from . import bitstream, trits

__all__ = ["LAYOUTS", "Layout", "get_layout", "pack_codes", "packed_size", "unpack_codes"]

Bytes = npt.NDArray[np.uint8]
Codes = npt.NDArray[Any]


@dataclass(frozen=True)
class Layout:
    """One way to put codes into bytes: data about it, and a drawing of it (`diagram`).

    Parameters
    ----------
    name : str
    bits : int or None
        Width of a code; None for any width from 1 to 64.
    group, group_bytes : int
        So many codes fill so many bytes; `group_bytes` None means the width.
    multiple : int
        A row's length must be a multiple of it; 1 where a tail is padded with zero bits.
    together : int
        So many consecutive codes share bits (the trits of a byte); 1 where each bit belongs to one code.
    code_count : int or None
        Codes are below it; None means all of the width.
    description, source : str

    >>> from numfmt.interop import LAYOUTS
    >>> print(LAYOUTS["fp4x2"].diagram())
    byte   7   6   5   4   3   2   1   0
       0 1.3 1.2 1.1 1.0 0.3 0.2 0.1 0.0
    e.b: bit b of element e
    """

    name: str
    bits: int | None
    group: int
    group_bytes: int | None
    description: str
    source: str
    multiple: int = 1
    together: int = 1
    code_count: int | None = None
    #: Bytes that packing can produce, as a mask of 256; None: all.
    legal: npt.NDArray[np.bool_] | None = field(default=None, repr=False, compare=False)
    #: Codes that stand for zero bits; they fill the last group of a row.
    filler: tuple[int, ...] = (0,)
    _check: Callable[[Codes], None] | None = field(default=None, repr=False, compare=False)
    _pack: Callable[[Codes, int], Bytes] = field(default=bitstream.pack_stream, repr=False, compare=False)
    _unpack: Callable[[Bytes, int], Codes] = field(default=bitstream.unpack_stream, repr=False, compare=False)

    def size(self, count: int, bits: int) -> int:
        """Bytes that a row of `count` codes of `bits` bits takes."""
        return -(-count * (self.group_bytes or bits) // self.group)

    def diagram(self, bits: int | None = None) -> str:
        """A drawing of the smallest repeating piece, found by packing and looking at which bits change.

        `bits` is the width of a code, needed for the layout ``bits`` only. A row is a byte, its most significant bit
        on the left.
        """
        width = _check_bits(self, self.bits if bits is None and self.bits is not None else bits)
        filled = self.group // math.gcd(self.group, self.group_bytes or width)
        count = math.lcm(filled, self.multiple)
        cells: dict[int, str] = {}
        for label, packed in self._probes(count, width):
            cells |= dict.fromkeys(np.flatnonzero(np.unpackbits(packed, bitorder="little")).tolist(), label)
        rows = range(self.size(count, width))
        space = max(map(len, cells.values())) + 1
        lines = ["byte" + "".join(f"{b:>{space}}" for b in range(7, -1, -1))]
        for row in rows:
            lines.append(f"{row:4}" + "".join(f"{cells.get(8 * row + b, '.'):>{space}}" for b in range(7, -1, -1)))
        lines.append("e.b: bit b of element e" if self.together == 1 else "a-b: elements a to b, coded together")
        return "\n".join(lines)

    def _probes(self, count: int, bits: int) -> Iterable[tuple[str, Bytes]]:
        """Labels, and the packed bits that the labelled bit or the labelled elements can change."""
        if self.together == 1:
            dtype = _dtype(bits)
            for e, b in itertools.product(range(count), range(bits)):
                codes = np.zeros(count, dtype)
                codes[e] = dtype.type(1 << b)
                yield f"{e}.{b}", pack_codes(codes, bits, self)
            return
        words = []
        for word in itertools.product(range(self.code_count or 1 << bits), repeat=self.together):
            try:
                pack_codes(np.array(word), bits, self)
            except ArgumentError:
                continue
            words.append(word)
        blank = np.tile(np.array(words[0]), count // self.together)
        reference = pack_codes(blank, bits, self)
        for first in range(0, count, self.together):
            changed = np.zeros_like(reference)
            for word in words:
                codes = blank.copy()
                codes[first : first + self.together] = word
                changed |= pack_codes(codes, bits, self) ^ reference
            yield f"{first}-{first + self.together - 1}", changed


_GGML = "llama.cpp ggml-quants.c, gguf-py quants.py"
_LAYOUTS = (
    Layout(
        "bits", None, 8, None, "a stream of bits, element 0 and the least significant bit first", "numfmt"
    ),
    Layout(
        "fp4x2", 4, 2, 1, "element 2j in bits 3:0, element 2j+1 in bits 7:4",
        "ONNX IR, 4-bit types; torch float4_e2m1fn_x2; torchao pack_uint4 (late 2025 on)",
    ),
    Layout(
        "bitsandbytes", 4, 2, 1, "element 2j in bits 7:4, element 2j+1 in bits 3:0", "bitsandbytes quantize_4bit",
        _pack=bitstream.pack_high_first, _unpack=bitstream.unpack_high_first,
    ),
    Layout(
        "ggml", 4, 32, 16, "blocks of 32: byte j holds element j in bits 3:0, element j+16 in bits 7:4", _GGML,
        multiple=32,
        _pack=partial(bitstream.pack_split_nibbles, block=32),
        _unpack=partial(bitstream.unpack_split_nibbles, block=32),
    ),
    Layout(
        "ggml16", 4, 16, 8, "blocks of 16: byte j holds element j in bits 3:0, element j+8 in bits 7:4",
        "gguf-py quants.py, class NVFP4", multiple=16,
        _pack=partial(bitstream.pack_split_nibbles, block=16),
        _unpack=partial(bitstream.unpack_split_nibbles, block=16),
    ),
    Layout(
        "fp6_4in3", 6, 4, 3, "the bit stream in groups of four: 24 bits, little-endian",
        "CUTLASS sub-byte order; no standard fixes one", multiple=4,
    ),
    Layout(
        "fp6_4p2", 6, 32, 24,
        "blocks of 32: the high four bits of elements 4j, 4j+1 in byte j and of 4j+2, 4j+3 in byte 8+j, the earlier "
        "element in the high nibble; the low two bits of the four in byte 16+j, the first in bits 7:6",
        "torchao triton_pack_uint6_kernel (ao#1687, merged as ao#1810, removed by ao#3382) at MX block 32; its "
        "pack_uint6_pytorch orders bytes otherwise",
        multiple=32, _pack=bitstream.pack_fp6_planes, _unpack=bitstream.unpack_fp6_planes,
    ),
    Layout(
        "ternary_2bit", 2, 4, 1, "codes 0, 1, 2 in two bits each, element 0 in bits 1:0; 3 is illegal",
        "the code of ggml TQ2_0, in plain element order", code_count=3, legal=trits.PAIRS_LEGAL,
    ),
    Layout(
        "ternary_base3", 2, 5, 1, "81 e0 + 27 e1 + 9 e2 + 3 e3 + e4; bytes above 242 are illegal",
        "digit order of ggml TQ1_0", together=5, code_count=3, legal=trits.BASE3_LEGAL,
        _pack=trits.pack_base3, _unpack=trits.unpack_base3,
    ),
    Layout(
        "ggml_trits", 2, 5, 1, "ceil(256 v / 243) of the base-3 byte v, in plain element order; 13 bytes are illegal",
        "gguf-py quants.py, class TQ1_0", together=5, code_count=3, legal=trits.GGML_LEGAL,
        _pack=trits.pack_ggml, _unpack=trits.unpack_ggml,
    ),
    Layout(
        "sherry_5bit", 2, 32, 5,
        "four codes with exactly one zero are the pattern sign << 4 | zero position << 2 | relative signs; the sign is "
        "that of the first kept code, relative bits 0 and 1 say that the second and the third differ from it; patterns "
        "in a bit stream",
        "Sherry arXiv:2601.07892 (5 bits for 4 weights); pattern order of llama.cpp#22836 STQ1_0",
        multiple=4, together=4, code_count=3, filler=(1, 2, 2, 2),
        _check=trits.check_sherry, _pack=trits.pack_sherry, _unpack=trits.unpack_sherry,
    ),
    Layout(
        "fourth_roots", 2, 4, 1, "code k for i**k in two bits, element 0 in bits 1:0",
        "numfmt; Fairy+-i arXiv:2508.05571 defines the values, no packing",
    ),
)  # fmt: skip

#: Every layout by name.
LAYOUTS: Mapping[str, Layout] = MappingProxyType({layout.name: layout for layout in _LAYOUTS})


def get_layout(layout: str | Layout) -> Layout:
    """The layout of that name; a `Layout` is returned as it is.

    Raises
    ------
    ArgumentError
        Unknown name; the message lists the known ones.

    >>> from numfmt.interop import get_layout
    >>> get_layout("ggml").description
    'blocks of 32: byte j holds element j in bits 3:0, element j+16 in bits 7:4'
    """
    if isinstance(layout, Layout):
        return layout
    try:
        return LAYOUTS[layout]
    except (KeyError, TypeError):
        raise ArgumentError(f"layout must be one of {', '.join(LAYOUTS)}; got {layout!r}") from None


def _dtype(bits: int) -> np.dtype[Any]:
    return np.min_scalar_type((1 << bits) - 1)


def _check_bits(layout: Layout, bits: Any) -> int:
    try:
        width = operator.index(bits)
    except TypeError:
        raise ArgumentError(f"bits must be an integer from 1 to 64, got {bits!r}") from None
    if layout.bits is not None and width != layout.bits:
        raise ArgumentError(
            f"bits must be {layout.bits} for layout {layout.name}, got {width}; layout 'bits' takes any width"
        )
    if not 1 <= width <= 64:
        raise ArgumentError(f"bits must be from 1 to 64, got {width}")
    return width


def _check_count(layout: Layout, count: Any, name: str) -> int:
    try:
        length = operator.index(count)
    except TypeError:
        raise ArgumentError(f"{name} must be an integer, got {count!r}") from None
    if length < 0:
        raise ArgumentError(f"{name} must not be negative, got {length}")
    if length % layout.multiple:
        short = layout.multiple - length % layout.multiple
        raise ArgumentError(
            f"{name} must be a multiple of {layout.multiple} for layout {layout.name}, got {length}; "
            f"pad each row with {short} more"
        )
    return length


def packed_size(count: int, bits: int, layout: str | Layout = "bits") -> int:
    """Bytes that a row of `count` codes takes.

    Raises
    ------
    ArgumentError
        Unknown layout, a width that it does not have, or a row length that it does not divide.

    >>> from numfmt.interop import packed_size
    >>> packed_size(100, 4), packed_size(100, 2, "ternary_base3"), packed_size(100, 2, "sherry_5bit")
    (50, 20, 16)
    """
    layout = get_layout(layout)
    width = _check_bits(layout, bits)
    return layout.size(_check_count(layout, count, "count"), width)


def _place(index: Iterable[int]) -> str:
    return ", ".join(map(str, index))


def _checked_codes(codes: Any, bits: int, layout: Layout) -> Codes:
    if isinstance(codes, np.ma.MaskedArray):
        raise DTypeError("codes must not be a masked array: the mask would be lost; fill it first")
    array = np.asarray(codes)
    if array.dtype.kind not in "iu":
        raise DTypeError(f"codes must be integers, got dtype {array.dtype}; pass bit patterns as an unsigned dtype")
    if array.ndim == 0:
        raise ArgumentError("codes must have at least one axis, the row to pack; got a scalar")
    limit = layout.code_count or 1 << bits
    if array.size and (int(array.max()) >= limit or int(array.min()) < 0):
        bad = tuple(np.argwhere((array >= limit) | (array < 0))[0].tolist())
        raise CodeRangeError(
            f"codes[{_place(bad)}] is {int(array[bad])}: codes must be in [0, {limit}) for layout {layout.name}"
            + (f" at {bits} bits" if layout.bits is None else "")
        )
    return array.astype(_dtype(bits), copy=False)


def pack_codes(codes: Any, bits: int, layout: str | Layout = "bits") -> Bytes:
    """Pack each row of codes, a row being the last axis.

    Parameters
    ----------
    codes : integer array (..., K)
        Unsigned codes below ``2**bits`` (below 3 for the ternary layouts), in any integer dtype.
    bits : int
        Width of a code, 1 to 64; the layouts other than ``bits`` have one width each.
    layout : str
        A name from `LAYOUTS`. Default: a bit stream with element 0 and the least significant bit first.

    Returns
    -------
    uint8 array (..., B) with ``B = packed_size(K, bits, layout)``
        The rest of a row's last byte is 0.

    Raises
    ------
    ArgumentError
        Unknown layout, wrong width, a row length that the layout does not divide, four codes without exactly one zero
        (``sherry_5bit``).
    CodeRangeError
        A code outside its range; the message names the first.
    DTypeError
        No integers.

    >>> from numfmt.interop import pack_codes
    >>> pack_codes([1, 2, 3], 4), pack_codes([1, 2, 3], 4, "bitsandbytes")
    (array([33,  3], dtype=uint8), array([18, 48], dtype=uint8))
    """
    layout = get_layout(layout)
    width = _check_bits(layout, bits)
    array = _checked_codes(codes, width, layout)
    *lead, count = array.shape
    size = layout.size(_check_count(layout, count, "the last axis of codes"), width)
    rows = math.prod(lead)
    if rows * size == 0:
        return np.zeros((*lead, size), np.uint8)
    array = np.ascontiguousarray(array).reshape(rows, count)
    if layout._check is not None:
        layout._check(array)
    missing = -count % layout.group
    if missing:
        filler = np.resize(np.array(layout.filler, array.dtype), (rows, missing))
        array = np.concatenate([array, filler], axis=1)
    packed = layout._pack(array.reshape(-1), width).reshape(rows, -1)
    return np.ascontiguousarray(packed[:, :size]).reshape(*lead, size)


def _checked_data(data: Any, size: int, count: int, layout: Layout) -> Bytes:
    if isinstance(data, (bytes, bytearray, memoryview)):
        data = np.frombuffer(data, np.uint8)
    if isinstance(data, np.ma.MaskedArray):
        raise DTypeError("data must not be a masked array: the mask would be lost; fill it first")
    array = np.asarray(data)
    if array.dtype != np.uint8:
        raise DTypeError(f"data must be uint8 or bytes, got dtype {array.dtype}; use data.view(numpy.uint8)")
    if array.ndim == 0 or array.shape[-1] != size:
        raise ArgumentError(
            f"data must end in an axis of {size} bytes for {count} codes in layout {layout.name}, "
            f"got shape {array.shape}"
        )
    if layout.legal is not None:
        legal = np.take(layout.legal, array)
        if not legal.all():
            bad = tuple(np.argwhere(~legal)[0].tolist())
            raise ArgumentError(
                f"data[{_place(bad)}] is {int(array[bad]):#04x}, which layout {layout.name} never produces; "
                "the data is damaged or in another layout"
            )
    return array


def unpack_codes(data: Any, bits: int, layout: str | Layout = "bits", *, count: int) -> Codes:
    """The codes of packed rows: the inverse of `pack_codes`.

    Parameters
    ----------
    data : uint8 array (..., B) or bytes
    bits, layout
        As for `pack_codes`.
    count : int
        Codes in a row.

    Returns
    -------
    array (..., count) in the smallest unsigned dtype that holds `bits` bits

    Raises
    ------
    ArgumentError
        The last axis is not ``packed_size(count, bits, layout)`` bytes long (checked before anything is allocated), a
        byte is none that the layout produces, or what follows the last code of a row is not 0.
    DTypeError
        `data` is not uint8.

    >>> from numfmt.interop import unpack_codes
    >>> unpack_codes(bytes([33, 3]), 4, count=3)
    array([1, 2, 3], dtype=uint8)
    """
    layout = get_layout(layout)
    width = _check_bits(layout, bits)
    count = _check_count(layout, count, "count")
    size = layout.size(count, width)
    array = _checked_data(data, size, count, layout)
    lead = array.shape[:-1]
    rows = math.prod(lead)
    if rows * count == 0:
        return np.zeros((*lead, count), _dtype(width))
    array = np.ascontiguousarray(array).reshape(rows, size)
    missing = -size % (layout.group_bytes or width)
    if missing:
        array = np.concatenate([array, np.zeros((rows, missing), np.uint8)], axis=1)
    codes = layout._unpack(array.reshape(-1), width).reshape(rows, -1)
    rest = codes[:, count:]
    if rest.size:
        wrong = (rest != np.resize(np.array(layout.filler, rest.dtype), rest.shape)).any(axis=1)
        if wrong.any():
            raise ArgumentError(
                f"data has bits set after the last of {count} codes in row {int(np.argmax(wrong))} ({layout.name}): "
                "count is wrong, or the data is in another layout; to ignore them, unpack more and slice"
            )
    return np.ascontiguousarray(codes[:, :count]).reshape(*lead, count)
