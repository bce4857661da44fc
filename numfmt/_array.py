"""`Encoded`: an array of codes with its format, the value object that users hold."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from .errors import ArgumentError, CodeRangeError, DTypeError, FormatMismatchError
from .formats.base import Format
from .formats.real import brief
from .formats.registry import scalar as get

__all__ = ["Encoded", "check_codes"]


def check_codes(codes: Any, fmt: Format) -> npt.NDArray[Any]:
    """`codes` as an array of ``fmt.code_dtype``; errors for wrong dtypes and codes out of range."""
    try:
        array = np.asarray(codes)
    except ValueError as err:
        raise DTypeError(f"codes must be a rectangular array of integers: {err}") from None
    if array.dtype == fmt.code_dtype:
        if fmt.code_count < 1 << (8 * fmt.code_dtype.itemsize) and array.size:
            _check_range(array, fmt)
        return array
    if array.size == 0 and array.dtype == np.float64:
        return array.astype(fmt.code_dtype)
    if array.dtype == np.float64 and not hasattr(codes, "dtype"):
        exact = np.asarray(codes, dtype=object)  # NumPy makes floats of integers on both sides of 2**63
        array = exact if all(type(c) is int for c in exact.reshape(-1)) else array
    if array.dtype.kind not in "iu" and not (array.dtype == object and all(type(c) is int for c in array.reshape(-1))):
        raise DTypeError(
            f"codes must have an integer dtype, got {array.dtype}; to encode numbers use numfmt.encode(x, {fmt.name!r})"
        )
    if array.size:
        _check_range(array, fmt)
    return array.astype(fmt.code_dtype)


def _check_range(array: npt.NDArray[Any], fmt: Format) -> None:
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= fmt.code_count:
        bad = low if low < 0 else high
        raise CodeRangeError(
            f"codes must be in [0, {fmt.code_count:#x}) for {fmt.name} ({fmt.bits} bits), got {bad} ({bad:#x}); "
            "they are unsigned bit patterns"
        )


class Encoded:
    """Codes and their format. ``np.asarray(e)`` is the decoded value; codes are compared with `same_bits`.

    Parameters
    ----------
    codes : array of integers, any shape
        Bit patterns in the low ``format.bits`` bits.
    format : Format or str
        A scalar format.

    Raises
    ------
    CodeRangeError
        A code does not fit the format.

    >>> e = Encoded([0x38, 0x7E], "fp8_e4m3fn")
    >>> np.asarray(e)
    array([  1., 448.], dtype=float32)
    """

    __slots__ = ("codes", "format")
    #: NumPy ufuncs on codes would be silently wrong: they raise, and the message of `_operation` helps.
    __array_ufunc__: ClassVar[None] = None

    codes: npt.NDArray[Any]
    format: Format

    def __init__(self, codes: Any, format: Format | str) -> None:
        self.format = get(format)
        self.codes = check_codes(codes, self.format)

    @classmethod
    def _wrap(cls, codes: npt.NDArray[Any], fmt: Format) -> Encoded:
        e = cls.__new__(cls)
        e.codes = codes
        e.format = fmt
        return e

    # ---- array manners -------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.codes.shape

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self.codes.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.codes.size

    @property
    def nbytes(self) -> int:
        """Bytes of the (unpacked) code array."""
        return self.codes.nbytes

    @property
    def T(self) -> Encoded:
        """Transpose (a view)."""
        return Encoded._wrap(self.codes.T, self.format)

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, index: Any) -> Encoded:
        return Encoded._wrap(np.asarray(self.codes[index]), self.format)

    def reshape(self, *shape: Any) -> Encoded:
        """Same codes in another shape."""
        return Encoded._wrap(self.codes.reshape(*shape), self.format)

    def transpose(self, *axes: Any) -> Encoded:
        """Permuted axes (a view)."""
        return Encoded._wrap(self.codes.transpose(*axes), self.format)

    def copy(self) -> Encoded:
        """Independent copy."""
        return Encoded._wrap(self.codes.copy(), self.format)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        from ._api import decode

        if copy is False:
            raise ArgumentError("decoding makes a new array: copy=False cannot be honoured")
        values = np.asarray(decode(self))
        return values if dtype is None else values.astype(dtype)

    def __float__(self) -> float:
        if self.codes.size != 1:
            raise ArgumentError(f"only one element converts to a float, got shape {self.shape}")
        return float(np.asarray(self).reshape(-1)[0])

    def __reduce__(self) -> tuple[Any, ...]:
        return Encoded, (self.codes, self.format)

    # ---- interchange ---------------------------------------------------------------------------------------------

    def pack(self, layout: Any = None) -> npt.NDArray[np.uint8]:
        """The codes in packed bytes, each row along the last axis by itself; `numfmt.unpack` is the inverse.

        Parameters
        ----------
        layout : str
            Name of a layout, see `numfmt.interop.LAYOUTS`. Default: ``bits``, a stream of bits with element 0 and the
            least significant bit first; that is also what ``fp4x2``, ``fp6_4in3`` and ``ternary_2bit`` give.

        Returns
        -------
        uint8 array (..., B)
            The rest of a row's last byte is 0.

        Raises
        ------
        ArgumentError
            The layout does not suit the format (the message lists those that do), or a row is no multiple of what it
            takes at a time.

        >>> import numfmt as nf
        >>> nf.encode([1.0, -0.5, 3.0], "fp4_e2m1").pack()
        array([146,   5], dtype=uint8)
        """
        from .interop.packed import pack_elements

        return pack_elements(self.codes, self.format, layout)

    def __dlpack__(self, **options: Any) -> Any:
        """The code array (unsigned integers, no copy) by DLPack; DLPack has no type for most formats."""
        return self.codes.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.codes.__dlpack_device__()

    # ---- comparison ----------------------------------------------------------------------------------------------

    def same_bits(self, other: Encoded) -> bool:
        """Whether format, shape and every code are the same.

        >>> Encoded([0x00], "fp8_e5m2").same_bits(Encoded([0x80], "fp8_e5m2"))
        False
        """
        if not isinstance(other, Encoded):
            raise FormatMismatchError(f"same_bits compares two Encoded, got {type(other).__name__}")
        return self.format == other.format and np.array_equal(self.codes, other.codes)

    def _compared(self, other: object, sign: str, predicate: str) -> Any:
        if not isinstance(other, Encoded) or other.format != self.format:
            what = other.format.name if isinstance(other, Encoded) else type(other).__name__
            raise FormatMismatchError(
                f"{sign} compares two Encoded of one format, got {self.format.name} and {what}; "
                "compare decoded values (np.asarray) or bits (same_bits)"
            )
        if self.format.is_complex:
            if predicate != "equal":
                raise FormatMismatchError(f"{sign} needs an order, and {self.format.name} is complex")
            return np.asarray(self) == np.asarray(other)
        from .ops.comparison import compare

        return compare(self, other, predicate)

    def __eq__(self, other: object) -> Any:
        return self._compared(other, "==", "equal")

    def __ne__(self, other: object) -> Any:
        return ~self._compared(other, "!=", "equal")

    def __lt__(self, other: object) -> Any:
        return self._compared(other, "<", "less")

    def __le__(self, other: object) -> Any:
        return self._compared(other, "<=", "less_equal")

    def __gt__(self, other: object) -> Any:
        return self._compared(other, ">", "greater")

    def __ge__(self, other: object) -> Any:
        return self._compared(other, ">=", "greater_equal")

    __hash__ = None  # type: ignore[assignment]

    def _operation(self, other: object, sign: str, name: str) -> Any:
        if not isinstance(other, Encoded) or other.format != self.format:
            what = f"Encoded in {other.format.name}" if isinstance(other, Encoded) else type(other).__name__
            raise FormatMismatchError(
                f"{sign} on Encoded must say how it rounds unless both are Encoded in one format, got "
                f"{self.format.name} and {what}; call numfmt.{name}(a, b, fmt=...)"
            )
        from .ops import elementwise

        return getattr(elementwise, name)(self, other)

    def __add__(self, other: object) -> Any:
        return self._operation(other, "+", "add")

    def __sub__(self, other: object) -> Any:
        return self._operation(other, "-", "sub")

    def __mul__(self, other: object) -> Any:
        return self._operation(other, "*", "mul")

    def __truediv__(self, other: object) -> Any:
        return self._operation(other, "/", "div")

    __radd__, __rsub__, __rmul__, __rtruediv__ = __add__, __sub__, __mul__, __truediv__  # only ever to raise

    def __neg__(self) -> Encoded:
        from .ops.signs import negate

        return negate(self)  # type: ignore[no-any-return]

    def __abs__(self) -> Encoded:
        from .ops.signs import absolute

        return absolute(self)  # type: ignore[no-any-return]

    def _no_operator(self, other: object = None) -> Any:
        raise FormatMismatchError(
            "@ and ** on Encoded must say how they round: call numfmt.matmul(a, b, model=...), or compute on decoded "
            "values (np.asarray(e)) and encode those"
        )

    __matmul__ = __rmatmul__ = __pow__ = __rpow__ = _no_operator

    # ---- display -------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        values = np.array2string(
            np.asarray(self._sample()),
            separator=", ",
            prefix="Encoded(",
            max_line_width=100,
            formatter={"object": brief} if self.format.value_dtype.kind == "O" else None,
        )
        if self.size <= 20:
            return f"Encoded({values}, {self.format.name!r})"
        return f"Encoded({values[:-1]}, ...], {self.format.name!r}, shape={self.shape})"

    def _sample(self) -> Encoded:
        """At most 20 leading elements, so that showing a million of them costs nothing."""
        if self.size <= 20:
            return self
        return Encoded._wrap(
            self.codes.reshape(-1)[:20] if self.codes.flags.c_contiguous else self.codes.flat[:20], self.format
        )

    def _repr_html_(self) -> str:
        from .display import encoded_html

        return encoded_html(self)
