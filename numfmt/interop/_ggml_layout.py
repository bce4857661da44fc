"""Where the bits of a ggml block lie: sections in byte order, each a rule that maps parts to bytes and back.

Everything works on flat arrays with one row per block. All numbers are little-endian.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["Bits", "Field", "Packed6", "Parts", "Planes", "Section", "Trits"]

Parts = dict[str, npt.NDArray[Any]]
Bytes = npt.NDArray[np.uint8]


class Section(Protocol):
    """A run of bytes at a fixed place of every block."""

    @property
    def n_bytes(self) -> int: ...
    def pack(self, parts: Parts) -> Bytes:
        """The (n, n_bytes) bytes that hold this section's share of `parts`."""

    def unpack(self, data: Bytes, parts: Parts) -> None:
        """Put what (n, n_bytes) bytes hold into `parts`; "codes" may come together from several sections."""


@dataclass(frozen=True)
class Field:
    """`count` numbers of one dtype: the part of that name, without a last axis when there is only one."""

    part: str
    dtype: str
    count: int = 1

    @property
    def n_bytes(self) -> int:
        return self.count * np.dtype(self.dtype).itemsize

    @property
    def shape(self) -> tuple[int, ...]:
        return () if self.count == 1 else (self.count,)

    def pack(self, parts: Parts) -> Bytes:
        numbers = np.ascontiguousarray(parts[self.part], self.dtype)
        return numbers.reshape(-1, self.count).view(np.uint8)

    def unpack(self, data: Bytes, parts: Parts) -> None:
        numbers = np.ascontiguousarray(data).view(self.dtype).astype(np.dtype(self.dtype).newbyteorder("="))
        parts[self.part] = numbers.reshape(-1, *self.shape)


def _merge(parts: Parts, codes: Bytes) -> None:
    if "codes" in parts:
        parts["codes"] |= codes
    else:
        parts["codes"] = codes


@dataclass(frozen=True)
class Planes:
    """`bits` bits of every code: byte j of a group of `width` holds elements j, j + width, ... from its lowest bits up.

    `shift` is the place of these bits within the code (the high bits of Q6_K lie in a section of their own).
    """

    n_bytes: int
    width: int
    bits: int
    shift: int = 0

    def _runs(self, codes: Bytes) -> npt.NDArray[np.void]:
        """Codes as runs of `width` elements, (n, groups, planes): NumPy moves a run as one item."""
        return codes.view(f"V{self.width}").reshape(len(codes), self.n_bytes // self.width, 8 // self.bits)

    def pack(self, parts: Parts) -> Bytes:
        codes = np.ascontiguousarray(parts["codes"])
        runs = self._runs(codes)
        data = np.zeros((len(codes), self.n_bytes), np.uint8)
        for plane in range(8 // self.bits):
            field = np.ascontiguousarray(runs[:, :, plane]).view(np.uint8).reshape(data.shape) >> np.uint8(self.shift)
            field &= np.uint8((1 << self.bits) - 1)
            data |= field << np.uint8(plane * self.bits)
        return data

    def unpack(self, data: Bytes, parts: Parts) -> None:
        data = np.ascontiguousarray(data)
        codes = np.empty((len(data), self.n_bytes * 8 // self.bits), np.uint8)
        runs = self._runs(codes)
        for plane in range(8 // self.bits):
            field = data >> np.uint8(plane * self.bits)
            field &= np.uint8((1 << self.bits) - 1)
            field <<= np.uint8(self.shift)
            runs[:, :, plane] = field.view(runs.dtype)
        _merge(parts, codes)


@dataclass(frozen=True)
class Bits:
    """One bit of every code, at place `shift` of it: element j in bit j of a little-endian word."""

    n_bytes: int
    shift: int

    def pack(self, parts: Parts) -> Bytes:
        return np.packbits((parts["codes"] >> np.uint8(self.shift)) & np.uint8(1), axis=1, bitorder="little")

    def unpack(self, data: Bytes, parts: Parts) -> None:
        _merge(parts, np.unpackbits(data, axis=1, bitorder="little") << np.uint8(self.shift))


@dataclass(frozen=True)
class Trits:
    """Base-3 digits, several to a byte, most significant first, in spans of (bytes, digits of each).

    Byte j of a span of w bytes holds its elements j, j + w, ... The byte is ceil(v * 256 / 243) with
    v = sum of t_k * 3**(4 - k), so that digit k is the integer part of 3 * ((byte * 3**k mod 256) / 256). Only 243 (81
    with four digits) of the 256 bytes are ever written; all are read.
    """

    spans: tuple[tuple[int, int], ...]

    @property
    def n_bytes(self) -> int:
        return sum(width for width, _ in self.spans)

    def pack(self, parts: Parts) -> Bytes:
        value = np.zeros((len(parts["codes"]), self.n_bytes), np.uint16)
        byte = element = 0
        for width, digits in self.spans:
            for k in range(digits):
                value[:, byte : byte + width] += parts["codes"][:, element : element + width] * np.uint16(3 ** (4 - k))
                element += width
            byte += width
        return ((value * np.uint16(256) + np.uint16(242)) // np.uint16(243)).astype(np.uint8)  # value <= 242

    def unpack(self, data: Bytes, parts: Parts) -> None:
        codes = np.empty((len(data), sum(width * digits for width, digits in self.spans)), np.uint8)
        byte = element = 0
        for width, digits in self.spans:
            for k in range(digits):
                rest = data[:, byte : byte + width] * np.uint8(3**k)  # mod 256
                codes[:, element : element + width] = (rest * np.uint16(3)) >> np.uint16(8)
                element += width
            byte += width
        _merge(parts, codes)


@dataclass(frozen=True)
class Packed6:
    """Eight 6-bit "sub_scales" a and eight 6-bit "sub_minimums" b of Q4_K in twelve bytes.

    For j < 4: byte j is a[j] with bits 4, 5 of a[j + 4] above it, byte j + 4 the same for b, and byte j + 8 has the low
    nibbles of a[j + 4] (low) and b[j + 4] (high).
    """

    n_bytes: int = 12

    def pack(self, parts: Parts) -> Bytes:
        a, b = parts["sub_scales"], parts["sub_minimums"]
        high = np.uint8(4)
        top = [p[:, :4] | ((p[:, 4:] >> high) << np.uint8(6)) for p in (a, b)]
        low = (a[:, 4:] & np.uint8(15)) | ((b[:, 4:] & np.uint8(15)) << high)
        return np.concatenate([*top, low], axis=1)

    def unpack(self, data: Bytes, parts: Parts) -> None:
        a, b, low = data[:, :4], data[:, 4:8], data[:, 8:]
        high = np.uint8(4)
        for part, top, nibble in (("sub_scales", a, low & np.uint8(15)), ("sub_minimums", b, low >> high)):
            upper = nibble | ((top >> np.uint8(6)) << high)
            parts[part] = np.concatenate([top & np.uint8(63), upper], axis=1)
