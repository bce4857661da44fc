"""Complex arrays to fourth roots of unity with two scales, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .._input import real_input
from ..errors import ArgumentError, DTypeError, NaNError, RangeError
from ..formats.base import Format
from ..formats.codebook import FourthRootsFormat
from ..formats.fairy import FairyFormat
from ..profiles import resolve_block
from .arithmetic import lane_sum, lanes_total
from .blocking import Blocking
from .scales import decode_codes, encode_values
from .schemes import Scheme, register_scheme

__all__: list[str] = []

Array = npt.NDArray[Any]
_REFUSED = ("rounding", "overflow", "nan", "profile", "scales", "tensor_scale")
_COMPLEX = (np.dtype(np.complex64), np.dtype(np.complex128))


def complex_input(x: Any, fmt: FairyFormat) -> Array:
    """`x` as complex64 or complex128, exactly; real numbers get imaginary part 0."""
    array = np.asarray(x)
    if array.dtype in _COMPLEX and not isinstance(x, np.ma.MaskedArray):
        finite = np.isfinite(array)
        if not finite.all():
            at = int((~finite).argmax())
            raise NaNError(f"x must be finite for {fmt.name}, got {array.reshape(-1)[at]} at flat index {at}")
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype.kind == "c":
        raise DTypeError(f"x must be complex64, complex128 or real for {fmt.name}, got dtype {array.dtype}")
    reals = real_input(x)
    if reals.exact:
        raise DTypeError(f"x must fit binary64 for {fmt.name}; flat index {min(reals.exact)} does not")
    return complex_input(reals.array.astype(np.complex64 if reals.array.dtype == np.float32 else np.complex128), fmt)


def encode_array(x: Any, fmt: Any, options: dict[str, Any]) -> Any:
    """A complex array to a BlockEncoded."""
    from .._block_array import BlockEncoded, native_scales

    given = [name for name in _REFUSED if options.get(name) is not None]
    if given:
        raise ArgumentError(f"{fmt.name} is encoded by phase and chooses its scales: drop {', '.join(given)}")
    fmt, policy = resolve_block(fmt, options)
    options["source"](policy)  # refuses random bits, which nothing would use
    assert isinstance(fmt, FairyFormat) and isinstance(fmt.scale, Format)
    assert isinstance(fmt.element, FourthRootsFormat)
    array = complex_input(x, fmt)
    axis = options.get("axis", "default")
    axis = fmt.axis if isinstance(axis, str) and axis == "default" else axis
    blocking = Blocking(array.shape, fmt, axis, bool(options.get("pad")))
    rows = blocking.split(array)
    codes = fmt.element.nearest_axis(rows.real, rows.imag)
    imaginary = codes & 1 == 1
    scales = [_scales(rows.real, ~imaginary, fmt), _scales(rows.imag, imaginary, fmt)]
    s_re, s_im = (blocking.join_scales(native_scales(codes, fmt.scale)) for codes in scales)
    return BlockEncoded(blocking.join(codes), s_re, fmt, axis=axis, shape=array.shape, sides={"scales_imag": s_im})


def _scales(part: Array, members: npt.NDArray[np.bool_], fmt: FairyFormat) -> Array:
    """Scale codes of rows: the mean magnitude of the members, at least the floor."""
    assert isinstance(fmt.scale, Format)
    # Only means beyond every scale format overflow, and those saturate.
    with np.errstate(over="ignore"):
        total = lanes_total(lane_sum(np.where(members, np.abs(part.astype(np.float64)), 0.0)))
    mean = total / np.maximum(members.sum(1), 1)
    codes, floor = encode_values(mean, fmt.scale), encode_values(np.array([fmt.FLOOR]), fmt.scale)
    return np.where(decode_codes(codes, fmt.scale) < decode_codes(floor, fmt.scale), floor, codes)


def decode_array(b: Any, dtype: Any = None, out: Array | None = None) -> Array:
    """A complex64 (default) or complex128 array: exact products of root and scale, rounded once."""
    from .._block_array import native_scales, scale_codes, scale_values

    wanted = np.dtype(np.complex64 if dtype is None else dtype)
    if wanted not in _COMPLEX:
        raise DTypeError(f"dtype must be complex64 or complex128 for {b.format.name}, got {wanted}")
    values = np.empty(b.shape, wanted) if out is None else out
    if values.shape != b.shape or values.dtype != wanted or not values.flags.c_contiguous:
        raise ArgumentError(f"out must be a C-contiguous {wanted} array of shape {b.shape}")
    blocking, scale = b._blocking, b.format.scale
    imag_scales = b.sides.get("scales_imag")
    if imag_scales is None or imag_scales.shape != blocking.scale_shape:
        raise ArgumentError(f"{b.format.name} needs sides['scales_imag'] of shape {blocking.scale_shape}")
    imag_scales = scale_values(native_scales(scale_codes(imag_scales, scale), scale), scale)
    s_re, s_im = (blocking.split_scales(np.asarray(s)) for s in (b.scale_values, imag_scales))
    roots = np.zeros((blocking.count, 4), wanted)
    # Part by part: a complex product would make NaN of 0 * infinity in the other part.
    with np.errstate(over="ignore"):
        roots.real[:, 0], roots.real[:, 2] = s_re, -s_re
        roots.imag[:, 1], roots.imag[:, 3] = s_im, -s_im
    if (np.isinf(roots).any(1) & np.isfinite(s_re) & np.isfinite(s_im)).any():
        raise RangeError(f"{b.format.name} holds a value beyond {wanted}; decode with dtype=numpy.complex128")
    codes = blocking.whole.split(b.codes)
    rows = roots[0][codes] if blocking.count == 1 else np.take_along_axis(roots, codes.astype(np.intp), 1)
    values[...] = blocking.crop(blocking.join(rows))
    return values


register_scheme(FairyFormat, Scheme(encode_array=encode_array, decode_array=decode_array))
