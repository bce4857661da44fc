"""Where the bits of a ggml block lie: sections in byte order, each a rule that maps parts to bytes and back.

Everything works on flat arrays with one row per block. All numbers are little-endian.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["Field", "Packed6", "Parts", "Planes", "Section", "Trits"]

Parts = dict[str, npt.NDArray[Any]]
Bytes = npt.NDArray[np.uint8]


class Section(Protocol):
    """A run of bytes at a fixed place of every block."""

    @property
    def n_bytes(self) -> int: ...
    def pack(self, parts: Parts) -> Bytes:
        """The (n, n_bytes) bytes that hold this section's share of `parts`."""

    def unpack(self, data: Bytes, parts: Parts) -> None:
        """Put what (n, n_bytes) bytes hold into `parts`, whose "codes" are zero where no section has been yet."""


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


@dataclass(frozen=True)
class Planes:
    """`bits` bits of every code: byte j of a group of `width` holds elements j, j + width, ... from its lowest bits up.

    `shift` is the place of these bits within the code (the high bits of Q5_0 and Q6_K lie in a section of their own).
    """

    n_bytes: int
    width: int
    bits: int
    shift: int = 0

    def _shifts(self) -> Bytes:
        return np.arange(0, 8, self.bits, dtype=np.uint8).reshape(1, 1, -1, 1)

    def pack(self, parts: Parts) -> Bytes:
        codes = parts["codes"]
        field = (codes >> np.uint8(self.shift)) & np.uint8((1 << self.bits) - 1)
        planes = field.reshape(len(codes), self.n_bytes // self.width, 8 // self.bits, self.width) << self._shifts()
        return np.bitwise_or.reduce(planes, axis=2).reshape(len(codes), self.n_bytes)

    def unpack(self, data: Bytes, parts: Parts) -> None:
        groups = data.reshape(len(data), self.n_bytes // self.width, 1, self.width)
        field = (groups >> self._shifts()) & np.uint8((1 << self.bits) - 1)
        parts["codes"] |= field.reshape(parts["codes"].shape) << np.uint8(self.shift)


@dataclass(frozen=True)
class Trits:
    """Base-3 digits, `digits` to a byte, most significant first: byte j holds elements first + j + k * n_bytes.

    The byte is ceil(v * 256 / 243) with v = sum of t_k * 3**(4 - k), so that digit k is the integer part of
    3 * ((byte * 3**k mod 256) / 256). Only 243 (81 with four digits) of the 256 bytes are ever written; all are read.
    """

    n_bytes: int
    digits: int
    first: int

    def _elements(self) -> slice:
        return slice(self.first, self.first + self.digits * self.n_bytes)

    def pack(self, parts: Parts) -> Bytes:
        codes = parts["codes"][:, self._elements()].reshape(-1, self.digits, self.n_bytes)
        value = np.zeros((len(codes), self.n_bytes), np.uint16)
        for k in range(self.digits):
            value += codes[:, k] * np.uint16(3 ** (4 - k))
        return ((value * np.uint16(256) + np.uint16(242)) // np.uint16(243)).astype(
            np.uint8
        )  # <= 242 * 256 + 242 < 2**16

    def unpack(self, data: Bytes, parts: Parts) -> None:
        rest = data[:, None, :] * (np.uint8(3) ** np.arange(self.digits, dtype=np.uint8))[:, None]  # mod 256
        parts["codes"][:, self._elements()] = ((rest * np.uint16(3)) >> np.uint16(8)).reshape(len(data), -1)


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
