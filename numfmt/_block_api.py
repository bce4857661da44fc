"""`encode`, `decode` and `quantize` of block formats: arguments in, rows of blocks down, value objects back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from ._block_array import BlockEncoded, native_scales
from ._blocks.arithmetic import lane_sum, lanes_total
from ._blocks.blocking import Blocking
from ._blocks.encoding import Blocks, ElementEncoder, encode_rows, encode_with
from ._blocks.scales import decode_codes, encode_values, tensor_scale_of
from ._input import Reals, real_input
from .errors import ArgumentError, DTypeError, FormatMismatchError, NaNError
from .formats.base import Format
from .formats.block import BlockFormat, precision_of
from .formats.random import RandomSource, random_integers
from .formats.registry import scalar
from .profiles import resolve_block

__all__ = ["BlockCall", "block_unit", "block_zero", "decode_block", "encode_block", "quantize_block", "warmup_block"]

Array = npt.NDArray[Any]
#: Elements whose temporaries are alive at a time on the NumPy path.
_CHUNK = 1 << 18


class BlockCall:
    """One call of encode or quantize: the format with its options applied, the policy, the input and its blocking."""

    def __init__(self, x: Any, fmt: BlockFormat, options: dict[str, Any]) -> None:
        self.fmt, self.policy = resolve_block(fmt, options)
        self.source: RandomSource | None = options["source"](self.policy)
        self.raise_refused = options["raise_refused"]
        axis = options.get("axis", "default")
        self.axis = self.fmt.axis if isinstance(axis, str) and axis == "default" else axis
        self.x = x
        self.single = x.dtype == np.float32
        self.blocking = Blocking(x.shape, self.fmt, self.axis, bool(options.get("pad")))
        self._tensor_scale = self._given_tensor_scale(options.get("tensor_scale"))

    @property
    def tensor_scale(self) -> float:
        """The tensor scale, given or from the largest finite magnitude; 1 for formats without one."""
        if self._tensor_scale is None:
            self.find_tensor_scale(finite_amax(self.x))
        assert self._tensor_scale is not None
        return self._tensor_scale

    def find_tensor_scale(self, amax: float) -> None:
        """Set the tensor scale from the tensor's largest finite magnitude, unless it was given."""
        if self._tensor_scale is None:
            self._tensor_scale = float(tensor_scale_of(self.fmt, amax))

    def _given_tensor_scale(self, given: Any) -> float | None:
        fmt = self.fmt.tensor_scale
        if fmt is None:
            if given is not None:
                raise ArgumentError(f"{self.fmt.name} has no tensor scale; drop tensor_scale")
            return 1.0
        if given is not None:
            value = float(given)
            if not (np.isfinite(value) and value > 0):
                raise ArgumentError(f"tensor_scale must be positive and finite, got {given!r}")
            if decode_codes(encode_values(np.array([value]), fmt), fmt)[0] != value:
                raise ArgumentError(f"tensor_scale must be a {fmt.name} number, got {given!r}")
            return value
        return None

    def encoder(self) -> ElementEncoder:
        """The element encoder of this call."""
        return ElementEncoder(self.fmt, self.policy, self.source, self.raise_refused, self.single)

    def rows(self) -> tuple[Array, Array | None]:
        """Input rows in binary32 or binary64, and the random integers of their elements."""
        rows = self.blocking.split(self.x)
        if self.source is None:
            return rows, None
        given = random_integers(self.source, self.x.size, self.x.shape).reshape(self.x.shape)
        return rows, self.blocking.split(given)


def finite_amax(x: Array) -> float:
    """Largest finite magnitude, 0 for nothing."""
    if x.size == 0:
        return 0.0
    amax = max(float(x.max()), -float(x.min()))
    if np.isfinite(amax):
        return amax
    return float(np.abs(x[np.isfinite(x)]).max(initial=0.0))


def _reals(x: Any, fmt: BlockFormat) -> Reals:
    reals = real_input(x)
    if reals.exact:
        raise DTypeError(
            f"x must fit binary64 for block formats ({fmt.name}), got a number it does not hold at flat index "
            f"{min(reals.exact)}"
        )
    return reals


def _encode_chunks(call: BlockCall) -> Blocks:
    rows, random = call.rows()
    encoder, step = call.encoder(), max(1, _CHUNK // max(call.blocking.size, 1))
    from ._blocks.schemes import scheme_of

    encode = scheme_of(call.fmt).encode
    parts = []
    for at in range(0, max(rows.shape[0], 1), step):
        draw = None if random is None else random[at : at + step]
        parts.append(encode(rows[at : at + step].astype(np.float64), encoder, call.tensor_scale, draw))
    if len(parts) == 1:
        return cast(Blocks, parts[0])
    zeros = None if parts[0].zero_points is None else np.concatenate([p.zero_points for p in parts])
    return Blocks(
        np.concatenate([p.codes for p in parts]),
        np.concatenate([p.scales for p in parts]),
        zeros,
        {name: np.concatenate([p.sides[name] for p in parts]) for name in parts[0].sides},
    )


def _mean(x: Array) -> np.float32:
    """Mean in the documented lane order, rounded to binary64 and then to binary32."""
    return np.float32((lanes_total(lane_sum(x.astype(np.float64).reshape(1, -1))) / max(x.size, 1))[0])


def encode_block(x: Any, fmt: BlockFormat, options: dict[str, Any]) -> BlockEncoded:
    """Encode numbers in a block format; `options` are the keyword arguments of `numfmt.encode`."""
    from ._blocks.schemes import scheme_of

    scheme = scheme_of(fmt)
    if scheme.encode_array is not None:
        return cast(BlockEncoded, scheme.encode_array(x, fmt, options))
    if fmt.is_complex:
        raise FormatMismatchError(f"{fmt.name} has one real scale for complex elements; use fairy({fmt.name}@absmean)")
    reals = _reals(x, fmt)
    array, offset = reals.array, None
    if fmt.centre:
        if not np.isfinite(array).all():
            raise NaNError(f"x must be finite for {fmt.name}, which subtracts the mean of all values")
        offset = _mean(array)
        array = array.astype(np.float32) - offset
    if isinstance(fmt.scale, BlockFormat):
        return _encode_nested(array, fmt, offset, options)
    call = BlockCall(array, fmt, options)
    given = options.get("scales")
    if given is not None:
        blocks = _encode_given(call, given)
    else:
        blocks = _encode_fast(call) or _encode_chunks(call)
    return _wrap(call, blocks, offset)


def _encode_fast(call: BlockCall) -> Blocks | None:
    from ._block_lowering import plan_of

    plan = plan_of(call.fmt, call.policy) if call.source is None else None
    return plan.encode(call) if plan is not None and plan.accepts(call) else None


def _encode_given(call: BlockCall, given: Any) -> Blocks:
    fmt = call.fmt
    from ._blocks.schemes import scheme_of

    if fmt.zero_point is not None or scheme_of(fmt).encode is not encode_rows:
        more = "zero points" if fmt.zero_point is not None else "data of its own beside them"
        raise ArgumentError(f"scales cannot be given for {fmt.name}, which also needs {more}; encode without them")
    assert isinstance(fmt.scale, Format)
    empty = np.zeros(call.blocking.padded_shape, fmt.element.code_dtype)
    holder = BlockEncoded(
        empty,
        given,
        fmt,
        axis=call.axis,
        shape=call.x.shape,
        tensor_scale=call.tensor_scale if fmt.tensor_scale else None,
    )
    scales = call.blocking.split_scales(np.asarray(holder.scales, order="C")).view(fmt.scale.code_dtype)
    rows, random = call.rows()
    return Blocks(encode_with(rows.astype(np.float64), scales, call.encoder(), call.tensor_scale, random), scales)


def _wrap(call: BlockCall, blocks: Blocks, offset: Any) -> BlockEncoded:
    fmt, blocking = call.fmt, call.blocking
    assert isinstance(fmt.scale, Format)
    scales = blocking.join_scales(native_scales(np.ascontiguousarray(blocks.scales), fmt.scale))
    zeros = None if blocks.zero_points is None else blocking.join_scales(blocks.zero_points)
    sides = {name: blocking.join_scales(side) for name, side in blocks.sides.items()}
    return cast(
        BlockEncoded,
        BlockEncoded._trusted(
            blocking,
            blocking.join(blocks.codes),
            scales,
            fmt,
            call.axis,
            tensor_scale=call.tensor_scale if fmt.tensor_scale else None,
            zero_points=zeros,
            offset=offset,
            sides=sides,
        ),
    )


def _encode_nested(x: Array, fmt: BlockFormat, offset: Any, options: dict[str, Any]) -> BlockEncoded:
    """Double quantization: elements see the binary32 scales, which are then encoded themselves."""
    assert isinstance(fmt.scale, BlockFormat)
    plain = replace(fmt, scale=scalar("binary32"), centre=False)
    b = encode_block(x, plain, options)
    inner = {**options, "axis": "default", "pad": True, "random": None, "scales": None, "tensor_scale": None}
    inner |= {"source": lambda policy: None, "rounding": None, "overflow": None, "nan": None, "profile": None}
    inner["scale_rule"] = inner["nonfinite"] = None
    scales = encode_block(b.scales, fmt.scale, inner)
    return BlockEncoded(b.codes, scales, fmt, axis=b.axis, shape=b.shape, offset=offset)


def decode_block(b: BlockEncoded, dtype: Any = None, out: Array | None = None) -> Array:
    """Values of a BlockEncoded in float32 (default), float16 or float64: exact products, rounded once."""
    from ._block_lowering import decode_plan
    from ._blocks.schemes import decode_plain, narrowed, scheme_of

    scheme = scheme_of(b.format)
    if scheme.decode_array is not None:
        return scheme.decode_array(b, dtype, out)
    wanted = np.dtype(np.float32 if dtype is None else dtype)
    if wanted not in (np.float16, np.float32, np.float64):
        raise DTypeError(f"dtype must be float16, float32 or float64 for block formats, got {wanted}")
    values = np.empty(b.shape, wanted) if out is None else out
    if values.shape != b.shape or values.dtype != wanted or not values.flags.c_contiguous:
        raise ArgumentError(f"out must be a C-contiguous {wanted} array of shape {b.shape}")
    blocking = b._blocking
    scales = blocking.split_scales(b.scale_values)
    codes = blocking.whole.split(b.codes)
    zeros = None if b.zero_points is None else blocking.split_scales(b.zero_points)
    sides = {name: blocking.split_scales(side) for name, side in b.sides.items()}
    if wanted == np.float32 and zeros is None and scheme.decode is decode_plain and b.offset is None:
        plan = decode_plan(b.format, b.codes.size)
        rows = values.reshape(codes.shape) if blocking.in_place else np.empty(codes.shape, wanted)
        if plan is not None and plan.run(np.ascontiguousarray(codes), scales, rows):
            if not blocking.in_place:
                values[...] = blocking.crop(blocking.join(rows))
            return values
    rows = values.reshape(codes.shape) if blocking.in_place else np.empty(codes.shape, wanted)
    step = max(1, _CHUNK // max(blocking.size, 1))
    for at in range(0, blocking.count, step):
        part = slice(at, at + step)
        exact = scheme.decode(
            b.format,
            codes[part],
            scales[part],
            None if zeros is None else zeros[part],
            {name: side[part] for name, side in sides.items()},
        )
        if b.offset is not None:
            exact = exact + np.float64(b.offset)
        rows[part] = narrowed(exact, wanted, b.format.name)
    if not blocking.in_place:
        values[...] = blocking.crop(blocking.join(rows))
    return values


def quantize_block(x: Any, fmt: BlockFormat, options: dict[str, Any], out: Array | None) -> tuple[Any, Reals]:
    """decode(encode(x)) in x's own dtype, and the input as it was taken."""
    if fmt.is_complex:
        return _quantize_complex(x, fmt, options, out)
    reals = _reals(x, fmt)
    dtype = reals.dtype or np.dtype(np.float32)
    extension = dtype.kind != "f"
    work = np.dtype(np.float32) if extension else dtype
    values = np.empty(reals.array.shape, work) if out is None or extension else out
    if values.shape != reals.array.shape or values.dtype != work or not values.flags.c_contiguous:
        raise ArgumentError(f"out must be a C-contiguous {work} array of shape {reals.array.shape}")
    # Binary32 holds the values of narrow elements under powers of two; others would be rounded twice on their way.
    twice = extension and not (fmt.power_of_two_scale and precision_of(fmt.element) <= 16)
    if twice:
        values = _odd_binary32(decode_block(encode_block(reals.array, fmt, options), np.float64))
    elif not _quantize_fast(reals.array, fmt, options, values):
        b = encode_block(reals.array, fmt, options)
        decode_block(b, work, values)
    if extension:
        values = values.astype(dtype)
        if out is not None:
            out[...] = values
            values = out
    return values, reals


def _quantize_complex(x: Any, fmt: BlockFormat, options: dict[str, Any], out: Array | None) -> tuple[Any, Reals]:
    """The same for complex elements: complex128 stays, everything else becomes complex64."""
    array = np.asarray(x)
    dtype = np.dtype(np.complex128 if array.dtype == np.complex128 else np.complex64)
    return decode_block(encode_block(x, fmt, options), dtype, out), Reals(array, {}, dtype)


def _odd_binary32(exact: Array) -> Array:
    """Binary64 numbers rounded to odd in binary32: rounding to a narrower format then gives what one rounding gives."""
    with np.errstate(over="ignore"):
        nearest = exact.astype(np.float32)
    back = nearest.astype(np.float64)
    bits = nearest.view(np.int32) - (np.abs(back) > np.abs(exact))
    odd = np.where(back == exact, bits, bits | 1)
    return np.asarray(np.where(np.isfinite(exact), odd, nearest.view(np.int32)).astype(np.int32).view(np.float32))


def _quantize_fast(x: Array, fmt: BlockFormat, options: dict[str, Any], values: Array) -> bool:
    """One pass over float32 data where a compiled plan applies; False when nothing was done."""
    from ._block_lowering import plan_of

    if not (x.dtype == values.dtype == np.float32) or isinstance(fmt.scale, BlockFormat) or fmt.centre:
        return False
    resolved, policy = resolve_block(fmt, options)
    plan = plan_of(resolved, policy)
    if plan is None or options.get("scales") is not None:
        return False
    call = BlockCall(x, fmt, options)
    return call.source is None and plan.accepts(call) and plan.quantize(call, values)


def warmup_block(fmt: BlockFormat, options: dict[str, Any]) -> None:
    """Compile what a block format's encode, decode and quantize may run."""
    from ._block_lowering import decode_plan, plan_of

    resolved, policy = resolve_block(fmt, options)
    plan = plan_of(resolved, policy)
    if plan is not None:
        plan.compile()
    decode_plan(resolved, 1 << 62)


def block_unit(b: BlockEncoded) -> Array:
    """The scale of every element, in the data's shape: what bounds and quanta of the element are multiplied with."""
    return _each(b, np.abs(b.scale_values))


def block_zero(b: BlockEncoded) -> Array | None:
    """The zero point of every element, in the data's shape; None for formats without."""
    if b.zero_points is None:
        return None
    assert b.format.zero_point is not None
    return _each(b, decode_codes(b.zero_points, b.format.zero_point))


def _each(b: BlockEncoded, per_block: Array) -> Array:
    """A number per block as one per element."""
    blocking = b._blocking
    numbers = blocking.split_scales(per_block)
    wide = np.broadcast_to(numbers[:, None], (blocking.count, blocking.size))
    return blocking.crop(blocking.join(np.ascontiguousarray(wide)))
