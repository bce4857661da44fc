"""The steps between numbers, parts and bytes of one ggml block type, and what they accept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError, CodeRangeError, DTypeError, FormatOverflowError, NaNError
from . import _ggml_rules as rules
from ._ggml_layout import Field, Packed6, Parts, Section

__all__ = ["GgmlType"]

#: Elements that `encode` and `decode` work on together: the temporaries stay in the cache.
_CHUNK = 1 << 16


@dataclass(frozen=True, eq=False)
class GgmlType:
    """One block type of ggml.

    A block holds `block` consecutive elements of the last axis in `block_bytes` bytes. Its parts are a dict of arrays
    whose leading axes are those of the data and one for the blocks:

    * "codes": uint8, (..., n_blocks, block), the element codes in logical order. Q8_0 codes are two's complement bytes.
    * "scales": float16, (..., n_blocks); for MXFP4 the uint8 E8M0 byte, for NVFP4 (..., n_blocks, 4) UE4M3 bytes.
    * "minimums": float16, (..., n_blocks), where the type has them.
    * "sub_scales", "sub_minimums": of the K types, 8-bit, with a last axis for the sub-blocks.

    Attributes
    ----------
    name, number : str, int
        ggml's name and its number in .gguf files.
    block, block_bytes : int
        Elements and bytes of a block.
    rule : str
        The arithmetic in words, roundings in order.
    """

    name: str
    number: int
    block: int
    sections: tuple[Section, ...]
    factor: rules.Factor
    rule: str
    #: The number a code stands for: code - bias, or levels[code].
    bias: int = 0
    levels: tuple[int, ...] = ()
    code_limit: int = 16
    quantizer: rules.Quantizer | None = None
    source: str = "ggml-quants.c / gguf-py quants.py (layout facts)"

    def __repr__(self) -> str:
        return f"GgmlType({self.name!r}, {self.block} elements in {self.block_bytes} bytes)"

    def __reduce__(self) -> tuple[Any, ...]:
        from .ggml import ggml_type  # the table is made of these

        return ggml_type, (self.name,)

    @cached_property
    def block_bytes(self) -> int:
        """Bytes of one block."""
        return sum(section.n_bytes for section in self.sections)

    @property
    def bits_per_element(self) -> float:
        """Storage with scales, for example 4.5 for Q4_0."""
        return 8 * self.block_bytes / self.block

    @property
    def can_encode(self) -> bool:
        """Whether one encoder is defined; for the K types and IQ4_NL ggml searches, for NVFP4 it departs from E4M3."""
        return self.quantizer is not None

    @cached_property
    def _part_rows(self) -> dict[str, tuple[np.dtype[Any], tuple[int, ...], int | None]]:
        """dtype, shape of one block and exclusive upper bound of every part."""
        rows: dict[str, tuple[np.dtype[Any], tuple[int, ...], int | None]] = {
            "codes": (np.dtype(np.uint8), (self.block,), self.code_limit)
        }
        for section in self.sections:
            if isinstance(section, Field):
                rows[section.part] = (np.dtype(section.dtype).newbyteorder("="), section.shape, None)
            elif isinstance(section, Packed6):
                rows["sub_scales"] = rows["sub_minimums"] = (np.dtype(np.uint8), (8,), 64)
        return rows

    def quantize(self, x: npt.ArrayLike) -> Parts:
        """Codes and scales of real numbers, by ggml's own rule for the type (see `rule`).

        Parameters
        ----------
        x : array-like, (..., K), K a multiple of `block`
            Finite numbers that binary32 holds exactly; nothing is rounded on the way in.

        Returns
        -------
        dict of arrays with leading shape (..., K // block), see the class.

        Raises
        ------
        ArgumentError
            The type is decode-only, K does not fit, or an element is infinite.
        NaNError
            An element is NaN.
        FormatOverflowError
            A scale or minimum does not fit binary16.
        DTypeError
            An element is not a binary32 number.

        >>> from numfmt.interop.ggml import ggml_type
        >>> parts = ggml_type("Q4_0").quantize(np.arange(-16, 16, dtype=np.float32))
        >>> parts["scales"], parts["codes"][0, :6]          # the element of largest magnitude, -16, gets code 0
        (array([2.], dtype=float16), array([0, 1, 1, 2, 2, 3], dtype=uint8))
        """
        blocks = self._blocks_of(x)
        leading = blocks.shape[:-1]
        flat = self._quantized(blocks.reshape(-1, self.block), leading, 0)
        return {part: array.reshape(leading + array.shape[1:]) for part, array in flat.items()}

    def pack(self, parts: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.uint8]:
        """The bytes of parts: uint8, (..., n_blocks * block_bytes).

        Raises
        ------
        ArgumentError, DTypeError, CodeRangeError
            A part is missing, has not the shape or dtype that `quantize` and `unpack` give, or has a code out of range.

        >>> from numfmt.interop.ggml import ggml_type
        >>> q = ggml_type("Q4_0")
        >>> q.pack({"codes": np.arange(32, dtype=np.uint8)[None] % 16, "scales": np.ones(1, np.float16)})[:5]
        array([ 0, 60,  0, 17, 34], dtype=uint8)
        """
        flat, leading = self._flat_parts(parts)
        return self._packed(flat).reshape(*leading[:-1], leading[-1] * self.block_bytes)

    def unpack(self, data: npt.ArrayLike | bytes) -> Parts:
        """The parts that bytes hold; `pack` gives the bytes back, except for TQ1_0 bytes that no encoder writes.

        Parameters
        ----------
        data : bytes or uint8 array, (..., n_blocks * block_bytes)

        Raises
        ------
        ArgumentError, DTypeError
            The last axis is no multiple of `block_bytes`, or the dtype is not uint8.

        >>> from numfmt.interop.ggml import ggml_type
        >>> ggml_type("Q8_0").unpack(bytes([0, 60, *range(32)]))["scales"]
        array([1.], dtype=float16)
        """
        rows = self._rows_of(data)
        leading = rows.shape[:-1]
        flat = self._unpacked(rows.reshape(-1, self.block_bytes))
        return {part: array.reshape(leading + array.shape[1:]) for part, array in flat.items()}

    def dequantize(self, parts: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
        """The numbers of parts: float32, (..., n_blocks * block). Errors as in `pack`.

        Scales that are infinite or NaN give infinities and NaN, and products beyond binary32 infinities, as in ggml.

        >>> from numfmt.interop.ggml import ggml_type
        >>> t = ggml_type("MXFP4")
        >>> t.dequantize(t.quantize(np.linspace(-3, 3, 32, dtype=np.float32)))[:4]
        array([-3., -3., -3., -2.], dtype=float32)
        """
        flat, leading = self._flat_parts(parts)
        return self._numbers(flat).reshape(*leading[:-1], leading[-1] * self.block)

    def encode(self, x: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """`pack(quantize(x))` in cache-sized pieces: uint8, (..., K // block * block_bytes). Errors as in `quantize`.

        >>> from numfmt.interop.ggml import ggml_type
        >>> ggml_type("Q8_0").encode(np.zeros((2, 64), np.float32)).shape
        (2, 68)
        """
        blocks = self._blocks_of(x)
        leading = blocks.shape[:-1]
        flat = blocks.reshape(-1, self.block)
        out = np.empty((len(flat), self.block_bytes), np.uint8)
        for piece in self._pieces(len(flat)):
            self._packed(self._quantized(flat[piece], leading, piece.start), out[piece])
        return out.reshape(*leading[:-1], leading[-1] * self.block_bytes)

    def decode(self, data: npt.ArrayLike | bytes) -> npt.NDArray[np.float32]:
        """`dequantize(unpack(data))` in cache-sized pieces: float32, (..., n_blocks * block). Errors as in `unpack`.

        >>> from numfmt.interop.ggml import ggml_type
        >>> q = ggml_type("Q8_0")
        >>> q.decode(q.encode(np.ones(32, np.float32)))[0]  # the scale 1/127 was rounded to binary16
        np.float32(0.99993896)
        """
        rows = self._rows_of(data)
        leading = rows.shape[:-1]
        flat = rows.reshape(-1, self.block_bytes)
        out = np.empty((len(flat), self.block), np.float32)
        for piece in self._pieces(len(flat)):
            self._numbers(self._unpacked(flat[piece]), out[piece])
        return out.reshape(*leading[:-1], leading[-1] * self.block)

    def _pieces(self, n_blocks: int) -> Iterator[slice]:
        step = max(1, _CHUNK // self.block)
        return (slice(start, min(start + step, n_blocks)) for start in range(0, n_blocks, step))

    def _quantized(self, blocks: npt.NDArray[np.float32], leading: tuple[int, ...], first: int) -> Parts:
        assert self.quantizer is not None
        self._require_finite(blocks, leading, first)
        # Only a scale that is refused below overflows.
        with np.errstate(over="ignore", invalid="ignore"):
            parts = self.quantizer(blocks)
            for part in ("scales", "minimums"):
                if part in parts and parts[part].dtype == np.float32:
                    parts[part] = self._stored(part, parts[part], leading, first)
        return parts

    def _require_finite(self, blocks: npt.NDArray[np.float32], leading: tuple[int, ...], first: int) -> None:
        finite = np.isfinite(blocks)
        if finite.all():
            return
        block, element = _index(finite)
        *outer, last = (int(i) for i in np.unravel_index(first + block, leading))
        bad = blocks[block, element]
        error = NaNError if np.isnan(bad) else ArgumentError
        raise error(
            f"x must be finite, {self.name} has no code for {bad!s} at index {(*outer, last * self.block + element)}; "
            "replace it first"
        )

    def _stored(
        self, part: str, unrounded: npt.NDArray[np.float32], leading: tuple[int, ...], first: int
    ) -> npt.NDArray[np.float16]:
        stored = unrounded.astype(np.float16)
        if not np.isfinite(stored).all():
            bad = int(np.isfinite(stored).argmin())
            index = tuple(int(i) for i in np.unravel_index(first + bad, leading))
            raise FormatOverflowError(
                f"x: block {index} needs {part[:-1]} {unrounded[bad]!s}, and {self.name} stores it in binary16, whose "
                "largest number is 65504; scale x down, or use MXFP4"
            )
        return stored

    def _packed(self, flat: Parts, out: npt.NDArray[np.uint8] | None = None) -> npt.NDArray[np.uint8]:
        return np.concatenate([section.pack(flat) for section in self.sections], axis=1, out=out)

    def _unpacked(self, rows: npt.NDArray[np.uint8]) -> Parts:
        parts: Parts = {}
        start = 0
        for section in self.sections:
            section.unpack(rows[:, start : start + section.n_bytes], parts)
            start += section.n_bytes
        return parts

    def _numbers(self, flat: Parts, out: npt.NDArray[np.float32] | None = None) -> npt.NDArray[np.float32]:
        codes = flat["codes"]
        if out is None:
            out = np.empty(codes.shape, np.float32)
        if self.levels:
            np.take(np.asarray(self.levels, np.float32), codes, out=out, mode="clip")  # "raise" would buffer `out`
        elif self.code_limit == 256:
            out[...] = codes.view(np.int8)
        else:
            out[...] = codes
            out -= np.float32(self.bias)
        with np.errstate(over="ignore", invalid="ignore"):
            scale, offset = self.factor(flat)
            by_sub_block = out.reshape(len(out), scale.shape[1], -1)
            by_sub_block *= scale[:, :, None]
            if offset is not None:
                by_sub_block += offset[:, :, None]
        return out

    def _blocks_of(self, x: npt.ArrayLike) -> npt.NDArray[np.float32]:
        if self.quantizer is None:
            raise ArgumentError(
                f"{self.name} is decode-only: ggml's encoder searches for scales (for NVFP4: departs from E4M3), so no "
                "bytes are defined; use Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, TQ1_0, TQ2_0 or MXFP4"
            )
        array = np.asarray(x)
        if array.dtype.kind not in "biuf" and not np.can_cast(array.dtype, np.float32):
            raise DTypeError(f"x must hold real numbers, got dtype {array.dtype}; pass float32")
        if array.ndim == 0 or array.shape[-1] % self.block:
            raise ArgumentError(
                f"x: the last axis must be a multiple of the {self.block} elements of a {self.name} block, got shape "
                f"{array.shape}; pad it with zeros"
            )
        with np.errstate(over="ignore"):
            blocks = np.ascontiguousarray(array, np.float32)
        if not np.can_cast(array.dtype, np.float32):
            _require_exact(blocks, array)
        return blocks.reshape(*blocks.shape[:-1], blocks.shape[-1] // self.block, self.block)

    def _rows_of(self, data: npt.ArrayLike | bytes) -> npt.NDArray[np.uint8]:
        if isinstance(data, (bytes, bytearray, memoryview)):
            data = np.frombuffer(data, np.uint8)
        array = np.asarray(data)
        if array.dtype != np.uint8:
            raise DTypeError(
                f"data must be bytes or a uint8 array, got dtype {array.dtype}; use data.view(numpy.uint8)"
            )
        if array.ndim == 0 or array.shape[-1] % self.block_bytes:
            raise ArgumentError(
                f"data: the last axis must be a multiple of the {self.block_bytes} bytes of a {self.name} block, got "
                f"shape {array.shape}; the data are truncated or of another type"
            )
        rows = np.ascontiguousarray(array)
        return rows.reshape(*rows.shape[:-1], rows.shape[-1] // self.block_bytes, self.block_bytes)

    def _flat_parts(self, parts: Mapping[str, npt.NDArray[Any]]) -> tuple[Parts, tuple[int, ...]]:
        rows = self._part_rows
        if set(parts) != set(rows):
            raise ArgumentError(f"parts of {self.name} must be {', '.join(rows)}; got {', '.join(map(str, parts))}")
        codes = np.asarray(parts["codes"])
        leading = codes.shape[:-1]
        if codes.ndim < 2:
            raise ArgumentError(f"parts['codes'] must have shape (..., n_blocks, {self.block}), got {codes.shape}")
        flat: Parts = {}
        for part, (dtype, shape, limit) in rows.items():
            array = np.asarray(parts[part])
            if array.dtype != dtype:
                raise DTypeError(f"parts[{part!r}] of {self.name} must have dtype {dtype}, got {array.dtype}")
            if array.shape != leading + shape:
                raise ArgumentError(
                    f"parts[{part!r}] of {self.name} must have shape {leading + shape}, got {array.shape}"
                )
            if limit is not None and limit < 256 and array.size and array.max() >= limit:
                index = _index(array < limit)
                raise CodeRangeError(
                    f"parts[{part!r}] of {self.name} must be below {limit}, got {array[index]} at index {index}"
                )
            flat[part] = array.reshape(-1, *shape)
        return flat, leading


def _index(good: npt.NDArray[np.bool_]) -> tuple[int, ...]:
    """Where `good` is false first."""
    return tuple(int(i) for i in np.unravel_index(int(good.argmin()), good.shape))


def _require_exact(blocks: npt.NDArray[np.float32], array: npt.NDArray[Any]) -> None:
    if array.dtype.kind == "f":
        exact = (blocks == array) | np.isnan(array)
    else:  # compared as binary64, which holds integers up to here
        exact = (blocks == array) & (array <= 1 << 53) & (array >= -(1 << 53))
    if not exact.all():
        index = _index(exact)
        raise DTypeError(
            f"x must hold binary32 numbers, got {array[index]!s} ({array.dtype}) at index {index}; round it yourself "
            "with x.astype(numpy.float32)"
        )
