"""`BlockEncoded`: element codes, block scales and what else a block format stores, as plain arrays."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ._array import check_codes
from ._blocks.blocking import Blocking
from .errors import ArgumentError, FormatMismatchError
from .formats.base import Format
from .formats.block import BlockFormat
from .formats.registry import get

__all__ = ["BlockEncoded"]

Array = npt.NDArray[Any]
#: Scale formats whose codes are a NumPy float's own bits: such scales are held as floats.
_NATIVE: dict[str, np.dtype[Any]] = {
    "binary16": np.dtype(np.float16),
    "binary32": np.dtype(np.float32),
    "binary64": np.dtype(np.float64),
}


def native_scales(codes: Array, fmt: Format) -> Array:
    """Scale codes as users hold them: floats for binary16/32/64, else unsigned codes."""
    dtype = _NATIVE.get(fmt.name)
    return codes if dtype is None else np.asarray(codes.view(dtype))


def scale_codes(scales: Any, fmt: Format) -> Array:
    """The inverse of `native_scales`; anything but exactly that dtype is an error."""
    dtype = _NATIVE.get(fmt.name)
    if dtype is None:
        return check_codes(scales, fmt)
    array = np.asarray(scales)
    if array.dtype != dtype:
        raise ArgumentError(f"scales must be {dtype} values for {fmt.name}, got dtype {array.dtype}")
    return np.asarray(array, order="C").view(fmt.code_dtype)


def scale_values(scales: Array, fmt: Format) -> Array:
    """Binary64 values of scales as users hold them."""
    if fmt.name in _NATIVE:
        with np.errstate(invalid="ignore"):  # signaling NaN
            return scales.astype(np.float64)
    from ._blocks.scales import decode_codes

    return decode_codes(scales, fmt)


class BlockEncoded:
    """An array encoded in a block format. ``np.asarray(b)`` is its value; every stored bit is in plain arrays.

    Attributes
    ----------
    codes : array
        Element codes, of ``format.element.code_dtype``, in the shape of the data (block axes padded to whole blocks
        when it was encoded with ``pad=True``).
    scales : array or BlockEncoded
        One per block, `shape` with the number of blocks on the block axis: codes of ``format.scale``, or floats where
        that is binary16, binary32 or binary64; a BlockEncoded where the scales are quantized themselves.
    tensor_scale : float or None
        Scale of the whole tensor, for two-level formats.
    zero_points : array or None
        Codes of the integer zero points, for affine formats.
    offset : float or None
        The mean that a centred format subtracted.
    sides : dict of arrays
        Further per-block data of some formats, by name; the first axes are those of `scales`.
    format : BlockFormat
    axis : int, tuple of int or None
        Where the blocks lie; None: in the flattened array.
    shape : tuple of int
        Shape of the data.

    >>> import numfmt as nf
    >>> b = nf.encode([[6.0, 1.0], [0.5, -0.25]], nf.BlockFormat("fp4_e2m1", "ufp8_e8m0", 2))
    >>> b.codes, b.scales
    (array([[ 7,  2],
           [ 6, 12]], dtype=uint8), array([[127],
           [124]], dtype=uint8))
    """

    __slots__ = (
        "_blocking",
        "axis",
        "codes",
        "format",
        "offset",
        "scales",
        "shape",
        "sides",
        "tensor_scale",
        "zero_points",
    )
    #: NumPy ufuncs on codes would be silently wrong.
    __array_ufunc__: ClassVar[None] = None

    codes: Array
    scales: Any
    tensor_scale: Any
    zero_points: Array | None
    offset: Any
    sides: dict[str, Array]
    format: BlockFormat
    axis: Any
    shape: tuple[int, ...]

    def __init__(
        self,
        codes: Any,
        scales: Any,
        format: BlockFormat | str,
        *,
        axis: Any = "default",
        shape: tuple[int, ...] | None = None,
        tensor_scale: Any = None,
        zero_points: Any = None,
        offset: Any = None,
        sides: dict[str, Any] | None = None,
    ) -> None:
        fmt = get(format)
        if not isinstance(fmt, BlockFormat):
            raise FormatMismatchError(f"format must be a block format, got {fmt.name}; use Encoded for scalar formats")
        self.format = fmt
        self.axis = fmt.axis if isinstance(axis, str) and axis == "default" else axis
        self.codes = check_codes(codes, fmt.element)
        self.shape = tuple(int(n) for n in (self.codes.shape if shape is None else shape))
        self._blocking = Blocking(self.shape, fmt, self.axis, pad=True)
        if self.codes.shape != self._blocking.padded_shape:
            raise ArgumentError(
                f"codes must have shape {self._blocking.padded_shape} for data of shape {self.shape} in {fmt.name}, "
                f"got {self.codes.shape}"
            )
        self.scales = self._checked_scales(scales)
        self.tensor_scale = self._checked_tensor_scale(tensor_scale)
        self.zero_points = self._checked_zeros(zero_points)
        if (offset is not None) != fmt.centre:
            raise ArgumentError(
                f"offset {'is needed' if fmt.centre else 'must be None'} for {fmt.name}, got {offset!r}"
            )
        self.offset = None if offset is None else np.float32(offset)
        self.sides = {name: np.asarray(side) for name, side in (sides or {}).items()}
        for name, side in self.sides.items():
            if side.shape[: len(self._blocking.scale_shape)] != self._blocking.scale_shape:
                raise ArgumentError(
                    f"sides[{name!r}] must start with the shape of the scales, {self._blocking.scale_shape}, got "
                    f"{side.shape}"
                )

    @classmethod
    def _trusted(cls, blocking: Blocking, codes: Array, scales: Array, fmt: BlockFormat, axis: Any, **more: Any) -> Any:
        """What encoding has made, without the checks that users' arrays need."""
        b = cls.__new__(cls)
        b.format, b.axis, b.shape, b._blocking = fmt, axis, blocking.shape, blocking
        b.codes, b.scales = codes, scales
        tensor_scale = more.get("tensor_scale")
        b.tensor_scale = None
        if tensor_scale is not None:
            assert fmt.tensor_scale is not None
            b.tensor_scale = (np.float32 if fmt.tensor_scale.name == "binary32" else np.float64)(tensor_scale)
        b.zero_points, b.sides = more.get("zero_points"), more.get("sides") or {}
        b.offset = None if more.get("offset") is None else np.float32(more["offset"])
        return b

    def _checked_scales(self, scales: Any) -> Any:
        fmt, shape = self.format.scale, self._blocking.scale_shape
        if isinstance(fmt, BlockFormat):
            if not isinstance(scales, BlockEncoded) or scales.format != fmt:
                raise ArgumentError(f"scales must be a BlockEncoded in {fmt.name}, got {type(scales).__name__}")
            found = scales.shape
        else:
            scales = native_scales(scale_codes(scales, fmt), fmt)
            found = scales.shape
        if found != shape:
            raise ArgumentError(
                f"scales must have shape {shape}, one per block of {self.format.name} in data of shape {self.shape} "
                f"(axis={self.axis}), got {found}"
            )
        return scales

    def _checked_tensor_scale(self, tensor_scale: Any) -> Any:
        fmt = self.format.tensor_scale
        if fmt is None:
            if tensor_scale is not None:
                raise ArgumentError(f"{self.format.name} has no tensor scale, got {tensor_scale!r}; drop it")
            return None
        if tensor_scale is None:
            raise ArgumentError(f"{self.format.name} needs tensor_scale, a {fmt.name} number")
        from ._blocks.scales import decode_codes, encode_values

        value = np.array([float(tensor_scale)])
        if not np.array_equal(decode_codes(encode_values(value, fmt), fmt), value):
            raise ArgumentError(f"tensor_scale must be a {fmt.name} number, got {tensor_scale!r}")
        return np.float32(tensor_scale) if fmt.name == "binary32" else np.float64(tensor_scale)

    def _checked_zeros(self, zeros: Any) -> Array | None:
        fmt = self.format.zero_point
        if (zeros is not None) != (fmt is not None):
            needed = "are needed" if fmt is not None else "must be None"
            raise ArgumentError(f"zero_points {needed} for {self.format.name}")
        if fmt is None:
            return None
        found = check_codes(zeros, fmt)
        if found.shape != self._blocking.scale_shape:
            raise ArgumentError(f"zero_points must have shape {self._blocking.scale_shape}, got {found.shape}")
        return found

    # ---- array manners -------------------------------------------------------------------------------------------

    @property
    def ndim(self) -> int:
        """Number of dimensions of the data."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements, padding not counted."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-dimensional BlockEncoded")
        return self.shape[0]

    @property
    def scale_values(self) -> Array:
        """Binary64 values of the block scales, the tensor scale included."""
        inner = self.format.scale
        if isinstance(inner, Format):
            values = scale_values(self.scales, inner)
        else:
            # Nested scales count as the binary32 numbers that they decode to, as bitsandbytes holds its absmax.
            values = np.asarray(self.scales, np.float32).astype(np.float64)
        return values if self.tensor_scale is None else values * np.float64(self.tensor_scale)

    def parts(self) -> dict[str, Array]:
        """Every stored array by name, nested scales as ``scales.codes`` and so on: what `save` writes."""
        found: dict[str, Array] = {"codes": self.codes}
        if isinstance(self.scales, BlockEncoded):
            found |= {f"scales.{name}": part for name, part in self.scales.parts().items()}
        else:
            found["scales"] = self.scales
        for name in ("tensor_scale", "zero_points", "offset"):
            value = getattr(self, name)
            if value is not None:
                found[name] = np.asarray(value)
        return found | {f"sides.{name}": side for name, side in self.sides.items()}

    @property
    def nbytes(self) -> int:
        """Bytes of the (unpacked) arrays."""
        return sum(part.nbytes for part in self.parts().values())

    def __getitem__(self, index: Any) -> BlockEncoded:
        """Part of the data along the leading axes, up to the first block axis."""
        blocking = self._blocking
        free = 0 if blocking.flat else min(blocking.axes)
        items = index if isinstance(index, tuple) else (index,)
        if len(items) > free or isinstance(self.scales, BlockEncoded):
            raise ArgumentError(
                f"only the {free} axes before the blocks (axis={self.axis}) can be indexed, got {index!r}; decode "
                "first, or index codes and scales yourself"
            )
        codes, scales = self.codes[items], self.scales[items]
        lost = self.codes.ndim - codes.ndim
        axis = self.axis
        if isinstance(axis, tuple):
            axis = tuple(a if a < 0 else a - lost for a in axis)
        elif axis >= 0:
            axis -= lost
        shape = (*codes.shape[: codes.ndim - (len(self.shape) - free)], *self.shape[free:])
        zeros = None if self.zero_points is None else self.zero_points[items]
        return BlockEncoded(
            codes,
            scales,
            self.format,
            axis=axis,
            shape=shape,
            tensor_scale=self.tensor_scale,
            zero_points=zeros,
            offset=self.offset,
            sides={name: side[items] for name, side in self.sides.items()},
        )

    def copy(self) -> BlockEncoded:
        """Independent copy."""
        return BlockEncoded(
            self.codes.copy(),
            self.scales.copy(),
            self.format,
            axis=self.axis,
            shape=self.shape,
            tensor_scale=self.tensor_scale,
            zero_points=None if self.zero_points is None else self.zero_points.copy(),
            offset=self.offset,
            sides={name: side.copy() for name, side in self.sides.items()},
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        from ._api import decode

        if copy is False:
            raise ArgumentError("decoding makes a new array: copy=False cannot be honoured")
        # Straight to the asked float: by way of float32 values could round twice, or not fit.
        floats = (np.float16, np.float32, np.float64)
        direct = dtype is not None and not self.format.is_complex and np.dtype(dtype) in floats
        values = np.asarray(decode(self, dtype=dtype) if direct else decode(self))
        return values if dtype is None or direct else values.astype(dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        state = (self.codes, self.scales, self.format, self.axis, self.shape)
        return _rebuild, (*state, self.tensor_scale, self.zero_points, self.offset, self.sides)

    def pack(self, layout: Any = None) -> Array:
        """The element codes in packed bytes, each row along the last axis by itself; `numfmt.unpack` is the inverse.

        Scales and what else is stored stay arrays of their own, except in ``ggml_blocks``.

        Parameters
        ----------
        layout : str
            Name of a layout, see `numfmt.interop.LAYOUTS`. Default: ``bits``, a stream of bits with element 0 and the
            least significant bit first; for ggml's block types ``ggml_blocks``, whole blocks with their scales.

        Returns
        -------
        uint8 array (..., B), leading axes as those of `codes`

        Raises
        ------
        ArgumentError
            The layout does not suit the element format (the message lists those that do), or a row is no multiple of
            what it takes at a time.

        >>> import numfmt as nf
        >>> b = nf.encode(np.ones((2, 32)), "mxfp4")
        >>> b.pack("fp4x2").shape, b.scales.shape
        ((2, 16), (2, 1))
        """
        from .interop.packed import pack_blocks

        return pack_blocks(self, layout)

    # ---- comparison ----------------------------------------------------------------------------------------------

    def same_bits(self, other: BlockEncoded) -> bool:
        """Whether format, blocking, shape and every stored bit are the same."""
        if not isinstance(other, BlockEncoded):
            raise FormatMismatchError(f"same_bits compares two BlockEncoded, got {type(other).__name__}")
        mine, theirs = self.parts(), other.parts()
        axes = None if self._blocking.flat else self._blocking.axes
        other_axes = None if other._blocking.flat else other._blocking.axes
        return (
            (self.format, axes, self.shape) == (other.format, other_axes, other.shape)
            and mine.keys() == theirs.keys()
            and all(a.dtype == theirs[n].dtype and a.tobytes() == theirs[n].tobytes() for n, a in mine.items())
        )

    def _refuse(self, other: object = None) -> Any:
        raise FormatMismatchError(
            f"arithmetic and comparison are not defined on {self.format.name} blocks: compute on decoded values "
            "(np.asarray(b)), compare stored bits with same_bits"
        )

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __matmul__ = __rmatmul__ = __pow__ = __rpow__ = __neg__ = __abs__ = _refuse
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        flat = self.codes.reshape(-1)[:12]
        codes = np.array2string(flat, separator=", ")
        more = "" if self.codes.size <= 12 else " ..."
        return f"BlockEncoded({self.format.name!r}, shape={self.shape}, axis={self.axis}, codes={codes}{more})"

    def _repr_html_(self) -> str:
        from .display import block_encoded_html

        return block_encoded_html(self)


def _rebuild(
    codes: Array, scales: Any, fmt: BlockFormat, axis: Any, shape: Any, tensor: Any, zeros: Any, offset: Any, sides: Any
) -> BlockEncoded:
    return BlockEncoded(
        codes, scales, fmt, axis=axis, shape=shape, tensor_scale=tensor, zero_points=zeros, offset=offset, sides=sides
    )
