"""`encode`, `decode`, `quantize`, `cast`: arguments are checked here, then one call goes down."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from ._array import Encoded, check_codes
from ._block_api import decode_block, encode_block, quantize_block, warmup_block
from ._block_array import BlockEncoded
from ._input import Reals, real_input
from ._lowering import decoder, encode_plan, quantize_plan
from ._report import conversion_report, nearest_float
from .errors import ArgumentError, DTypeError, FormatMismatchError, RangeError
from .formats.base import Format
from .formats.block import BlockFormat
from .formats.codebook import FourthRootsFormat
from .formats.conversion import Policy, conversion, refuse
from .formats.random import RandomSource, parse_random, random_integers
from .formats.real import brief
from .formats.registry import AnyFormat, scalar
from .formats.registry import get as get_any
from .formats.unpacked import Kind
from .profiles import resolve_policy
from .rounding import NaNRule, Overflow, RandomBits, Rounding

__all__ = ["cast", "decode", "encode", "quantize", "warmup"]

Array = npt.NDArray[Any]
_F32, _F64 = np.dtype(np.float32), np.dtype(np.float64)
_CHUNK = 1 << 16
#: What `nan=` may say in `cast` besides a NaNRule.
HARDWARE_NAN = ("x86_sse", "arm", "arm_default", "riscv")


def encode(
    x: Any,
    fmt: AnyFormat | str,
    *,
    rounding: Any = None,
    overflow: Any = None,
    nan: Any = None,
    profile: Any = None,
    random: Any = None,
    axis: Any = "default",
    pad: bool = False,
    scale_rule: Any = None,
    nonfinite: Any = None,
    scales: Any = None,
    tensor_scale: Any = None,
    out: Array | None = None,
    report: bool = False,
) -> Any:
    """Encode real numbers in a format, with one rounding of each exact value.

    Parameters
    ----------
    x : array_like of real numbers, any shape and layout
        float16/32/64, integers of any size, bool, ml_dtypes arrays, lists of int, float, Fraction or Decimal; an
        `Encoded` is re-encoded (`cast`). Complex for complex codebooks only. Never modified.
    fmt : Format, BlockFormat or str
        A format or its name.
    rounding : Rounding or str, optional
        Default: the format's own, nearest with ties to even for most (``numfmt show FORMAT`` prints it). For block
        formats this and `overflow`, `nan` concern the elements; scales round as their format's default says.
    overflow : Overflow or str, optional
        Default: the format's own; floats of at most 8 bits and integers saturate, wider floats go to infinity.
    nan : NaNRule or str, optional
        Default: the canonical NaN; an error where the format has none.
    profile : str or Profile, optional
        Rules of another stack, for example ``"ocp_nonsat"`` or ``"torch"``; explicit arguments override it.
    random : int, RandomBits, HashRandom or PhiloxRandom, optional
        Required by the stochastic roundings, refused by the others. An integer is the seed of `HashRandom`; bits are
        keyed by flat C-order index.
    axis : int, tuple of int or None, optional
        Block formats: where the blocks lie; None flattens x in C order. Default: ``fmt.axis``, -1 for most.
    pad : bool
        Block formats: fill the last block of an axis up with zeros, instead of an error.
    scale_rule : str, optional
        Block formats: the scale rule instead of ``fmt.rule``; `numfmt.scale_rules()` lists them.
    nonfinite : {"nan", "raise", "skip"}, optional
        Block formats: what a NaN or infinity does, instead of ``fmt.nonfinite``; an explicit `nan` means "skip".
    scales, tensor_scale : optional
        Block formats: given scales, as `BlockEncoded` holds them, instead of computed ones; used as they are, so a NaN
        or infinity among the elements follows the element format's own rule.
    out : array of ``fmt.code_dtype``, C-contiguous, of x's shape, optional
        Receives the codes. Its content is undefined after an error. Scalar formats only.
    report : bool
        Also return a `ConversionReport`.

    Returns
    -------
    Encoded or BlockEncoded; with `report`, also a ConversionReport

    Raises
    ------
    FormatNameError, ArgumentError, DTypeError
        Unknown names, bad arguments, dtypes that are not real numbers (longdouble among them).
    NaNError, FormatOverflowError
        A value that the policy refuses.

    >>> encode([0.1, 1.0, 500.0], "fp8_e4m3fn").codes
    array([ 29,  56, 126], dtype=uint8)
    >>> encode(500.0, "fp8_e4m3fn", overflow="nonsaturating")
    Encoded(nan, 'fp8_e4m3fn')
    """
    if type(x) is np.ndarray and random is None and not report and isinstance(fmt, Format):
        codes = _fast(fmt, "_encode_runs", x, out, rounding, overflow, nan, profile)
        if codes is not None:
            return Encoded._wrap(codes, fmt)
    given: AnyFormat = get_any(fmt)
    blocks: dict[str, Any] = {
        "axis": axis,
        "pad": pad,
        "scale_rule": scale_rule,
        "nonfinite": nonfinite,
    }
    blocks |= {"scales": scales, "tensor_scale": tensor_scale}
    if isinstance(given, BlockFormat):
        if out is not None:
            raise ArgumentError(f"out is for scalar formats; {given.name} returns codes and scales")
        rules = (rounding, overflow, nan, profile, random)
        b = encode_block(_block_input(x, given), given, _block_options(*rules, blocks))
        return (b, _block_report(b, x)) if report else b
    _refuse_block_options(given, blocks)
    fmt = given
    if isinstance(x, Encoded):
        return cast(
            x,
            fmt,
            rounding=rounding,
            overflow=overflow,
            nan=nan,
            profile=profile,
            random=random,
            out=out,
            report=report,
        )
    if isinstance(fmt, FourthRootsFormat):
        if any(option is not None for option in (rounding, overflow, nan, profile, random)):
            raise ArgumentError(
                f"{fmt.name} is encoded by phase and takes no rounding, overflow, nan, profile or random"
            )
        return _encode_complex(x, fmt, out, report)
    policy = resolve_policy(fmt, rounding, overflow, nan, profile)
    source = _random_source(policy, random)
    reals = real_input(x)
    codes = _out_array(out, reals.array.shape, fmt.code_dtype)
    _encode_reals(reals, fmt, policy, source, codes)
    e = Encoded._wrap(codes, fmt)
    if source is None:
        _remember(fmt, "_encode_runs", policy, encode_plan(fmt, policy, _F32), (rounding, overflow, nan, profile))
    return (e, conversion_report(fmt, reals.array, np.asarray(decode(e, dtype=_report_dtype(fmt))))) if report else e


_NO_BLOCKS = {"axis": "default", "pad": False}


def _refuse_block_options(fmt: Format, blocks: dict[str, Any]) -> None:
    for name, value in blocks.items():
        usual = _NO_BLOCKS.get(name)
        if value is not usual and not (isinstance(value, str) and value == usual):
            raise ArgumentError(f"{name} is for block formats; {fmt.name} is a scalar format: drop {name}={value!r}")


def _block_options(
    rounding: Any, overflow: Any, nan: Any, profile: Any, random: Any, blocks: dict[str, Any]
) -> dict[str, Any]:
    def source(policy: Policy) -> RandomSource | None:
        return _random_source(policy, random)

    def raise_refused(conv: Any, x: Array) -> None:
        _raise_refused(conv, x, {}, None)

    rules = {"rounding": rounding, "overflow": overflow, "nan": nan, "profile": profile}
    return {**rules, **blocks, "source": source, "raise_refused": raise_refused}


def _block_input(x: Any, fmt: BlockFormat) -> Any:
    if isinstance(x, BlockEncoded):
        raise FormatMismatchError(
            f"x is encoded in {x.format.name}: decode it first, blocks are not converted directly"
        )
    return np.asarray(decode(x)) if isinstance(x, Encoded) else x


def _block_report(b: BlockEncoded, x: Any) -> Any:
    from ._block_api import block_unit, block_zero

    if b.format.is_complex:
        raise ArgumentError(f"report is for real formats; {b.format.name} is complex")
    about = conversion_report(
        b.format.encoded_element,
        np.asarray(x, np.float64),
        np.asarray(decode_block(b, np.float64)),
        unit=block_unit(b),
        name=b.format.name,
        zero=block_zero(b),
    )
    return about if type(b.format) is BlockFormat else replace(about, saturated=None, subnormal=None)


def _fast(fmt: Format, kind: str, x: Array, out: Any, *options: Any) -> Array | None:
    """A repeated call with contiguous float32 data: straight to its kernel. None means the full path must be taken."""
    runs = fmt.__dict__.get(kind)
    if runs is None or x.dtype is not _F32:
        return None
    try:
        run = runs.get(options)
    except TypeError:  # an option that cannot be hashed: the full path says what is wrong with it
        return None
    if run is None or not x.flags.carray:
        return None
    kernel, dtype = run
    if out is None:
        out = np.empty(x.shape, dtype)
    elif (
        type(out) is not np.ndarray
        or out.dtype is not dtype
        or out.shape != x.shape
        or not out.flags.carray
        or (out is not x and np.may_share_memory(x, out))
    ):
        return None
    flags = kernel(x, out) if x.ndim == 1 else kernel(x.reshape(-1), out.reshape(-1))
    return None if flags else out


def _remember(fmt: Format, kind: str, policy: Policy, plan: Any, options: tuple[Any, ...]) -> None:
    """Let later calls with the same options skip the argument checks, once their kernel is there."""
    if plan.bound and policy.negative == "overflow":
        runs = fmt.__dict__.setdefault(kind, {})
        if len(runs) < 256 and all(o is None or isinstance(o, (str, Rounding, Overflow, NaNRule)) for o in options):
            runs[options] = (plan.fast, fmt.code_dtype if kind == "_encode_runs" else _F32)


def _report_dtype(fmt: Format) -> np.dtype[Any]:
    return np.dtype(np.float64) if not fmt.is_complex else fmt.value_dtype


def _random_source(policy: Policy, random: Any) -> RandomSource | None:
    mode = policy.rounding
    if mode.is_stochastic and random is None:
        raise ArgumentError(
            f"rounding={mode.name.lower()} needs random bits; pass random=seed or RandomBits(integers, width)"
        )
    if random is None:
        return None
    if not mode.is_stochastic:
        raise ArgumentError(f"random is only for the stochastic roundings, got rounding={mode.name.lower()}; drop it")
    return parse_random(random)


def _check_indices(source: RandomSource, size: int) -> None:
    if not isinstance(source, RandomBits) and int(source.start) + size > 1 << 64:
        raise ArgumentError(f"start + size must not exceed 2**64, got start={source.start} with {size} elements")


def _out_array(out: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    if out is None:
        return np.empty(shape, dtype)
    if not isinstance(out, np.ndarray) or out.dtype != dtype or out.shape != shape:
        got = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise ArgumentError(f"out must be a {dtype} array of shape {shape}, got {got}")
    if not out.flags.c_contiguous or not out.flags.writeable:
        raise ArgumentError("out must be C-contiguous and writeable; pass out=numpy.empty(shape, dtype)")
    return out


def _flat(array: Array) -> Array:
    """A flat, aligned, C-contiguous view, or a copy where there is none."""
    if not array.flags.c_contiguous or not array.flags.aligned:
        array = np.array(array, order="C", copy=True)
    return np.asarray(array).reshape(-1)


def _encode_reals(reals: Reals, fmt: Format, policy: Policy, source: RandomSource | None, codes: Array) -> None:
    x, flat_codes = _flat(reals.array), codes.reshape(-1)
    if np.may_share_memory(x, flat_codes):
        x = x.copy()
    if policy.negative == "abs":
        x = np.abs(x)
    plan = encode_plan(fmt, policy, x.dtype)
    if source is None:
        flags = plan.run(x, flat_codes)
    else:
        _check_indices(source, x.size)
        flags = plan.run_stochastic(x, flat_codes, source, reals.array.shape)
    if flags:
        _raise_refused(plan.conv, x, reals.exact, source)
    if reals.exact:
        _encode_exact(reals.exact, plan.conv, source, flat_codes, reals.array.shape)


def _encode_exact(
    exact: dict[int, Fraction], conv: Any, source: RandomSource | None, codes: Array, shape: tuple[int, ...]
) -> None:
    bits = None if source is None else random_integers(source, codes.size, shape)
    for i, value in exact.items():
        mark = conv.encode_exact(value, None if bits is None or source is None else (int(bits[i]), source.width))
        if mark < 0:
            refuse(mark, conv.fmt, conv.policy, f"flat index {i}: {brief(value)}")
        codes[i] = mark


def _raise_refused(conv: Any, x: Array, exact: dict[int, Fraction], source: RandomSource | None) -> None:
    from .formats.tables import unpack_float

    low, high = nearest_float(conv.fmt.min), nearest_float(conv.fmt.max)
    suspects = np.flatnonzero(~np.isfinite(x) | (x > high) | (x < low))
    for i in suspects.tolist():
        if i in exact:
            continue
        # Whatever the random bits, a refused value is refused: the largest draw rounds away.
        draw = None if source is None else ((1 << source.width) - 1, source.width)
        mark = conv.encode_exact(unpack_float(float(x[i])), draw)
        if mark < 0:
            refuse(mark, conv.fmt, conv.policy, f"flat index {i}: {float(x[i])!r}")


def _encode_complex(x: Any, fmt: FourthRootsFormat, out: Any, report: bool) -> Any:
    array = np.asarray(x)
    if array.dtype.kind not in "fcbiu" or array.dtype in (np.longdouble, np.clongdouble):
        raise DTypeError(f"x must be complex64, complex128 or real for {fmt.name}, got dtype {array.dtype}")
    if np.isnan(array).any():
        conv_policy = Policy(fmt.default_rounding, fmt.default_overflow, fmt.default_nan)
        refuse(-1, fmt, conv_policy, f"flat index {int(np.flatnonzero(np.isnan(array))[0])}")
    codes = _out_array(out, array.shape, fmt.code_dtype)
    codes[...] = fmt.nearest_axis(array.real, array.imag)
    e = Encoded._wrap(codes, fmt)
    if report:
        raise ArgumentError(f"report is for real formats; {fmt.name} is complex")
    return e


def _value_dtype(fmt: Format, dtype: Any) -> np.dtype[Any]:
    if dtype is None:
        return fmt.value_dtype
    try:
        wanted: np.dtype[Any] = np.dtype(dtype)
    except TypeError:
        raise DTypeError(f"dtype must be float16, float32, float64 or object (Fractions), got {dtype!r}") from None
    if fmt.is_complex:
        if wanted.kind != "c":
            raise DTypeError(f"{fmt.name} decodes to complex numbers, got dtype {wanted}; use complex64 or complex128")
    elif wanted not in (np.float16, np.float32, np.float64, object):
        raise DTypeError(f"dtype must be float16, float32, float64 or object (Fractions), got {wanted}")
    return wanted


def decode(e: Any, fmt: Format | str | None = None, *, dtype: Any = None, out: Array | None = None) -> Any:
    """Values of codes, exact wherever the dtype holds them.

    Parameters
    ----------
    e : Encoded, BlockEncoded, or array of integer codes with `fmt`
    fmt : Format or str, optional
        Only with plain codes.
    dtype : float16, float32, float64 or object, optional
        Default ``fmt.value_dtype``: float32 if it holds every value of the format exactly, else float64, else object,
        which gives Fractions. Values that the dtype does not hold are rounded once (nearest even). Block formats:
        default float32, each value the exact product of element and scales rounded once.
    out : float32 or float64 array, C-contiguous, optional
        Receives the values; sets the dtype.

    Returns
    -------
    ndarray of e's shape

    Raises
    ------
    CodeRangeError
        A code is wider than the format.
    RangeError
        A finite value lies beyond the largest number of `dtype`.

    >>> decode([0x7E, 0x01], "fp8_e4m3fn")
    array([4.480000e+02, 1.953125e-03], dtype=float32)
    """
    if isinstance(e, BlockEncoded):
        if fmt is not None and get_any(fmt) != e.format:
            raise FormatMismatchError(f"e is encoded in {e.format.name}, not {get_any(fmt).name}")
        return decode_block(e, getattr(out, "dtype", None) if dtype is None else dtype, out)
    if isinstance(e, Encoded):
        if fmt is not None and scalar(fmt) != e.format:
            raise FormatMismatchError(f"e is encoded in {e.format.name}, not {scalar(fmt).name}; use cast to convert")
        codes, fmt = e.codes, e.format
    else:
        if fmt is None:
            raise ArgumentError("plain codes need a format: decode(codes, fmt)")
        fmt = scalar(fmt)
        codes = check_codes(e, fmt)
    if out is not None and dtype is None:
        dtype = getattr(out, "dtype", None)
    wanted = _value_dtype(fmt, dtype)
    values = _out_array(out, codes.shape, wanted)
    if fmt.is_complex:
        values[...] = fmt.table[codes]
    elif wanted.kind == "O":
        _decode_objects(fmt, codes, values)
    else:
        flat_codes, flat_values = _flat(codes), values.reshape(-1)
        if np.may_share_memory(flat_codes, flat_values):
            flat_codes = flat_codes.copy()
        decoder(fmt, wanted).run(flat_codes, flat_values)
        if not _range_fits(fmt, wanted):
            _check_decoded(fmt, flat_codes, flat_values)
    return values


def _range_fits(fmt: Format, dtype: np.dtype[Any]) -> bool:
    fits: dict[Any, bool] = fmt.__dict__.setdefault("_range_fits", {})
    if dtype not in fits:
        largest = Fraction(float(np.finfo(dtype).max))
        fits[dtype] = all(abs(fmt.value_of(c).value) <= largest for c in (fmt.max_code, fmt.min_code))
    return fits[dtype]


def _check_decoded(fmt: Format, codes: Array, values: Array) -> None:
    infinities = [c for c in fmt.infinity_codes if c is not None]
    bad = np.flatnonzero(np.isinf(values) & ~np.isin(codes, infinities))
    if bad.size:
        code = int(codes[bad[0]])
        raise RangeError(
            f"code {code:#x} of {fmt.name} has a finite value beyond {values.dtype} (largest {brief(fmt.max)}); "
            "decode with a wider dtype, or dtype=object for Fractions"
        )


def _decode_objects(fmt: Format, codes: Array, values: Array) -> None:
    flat = values.reshape(-1)
    for i, code in enumerate(codes.reshape(-1).tolist()):
        unpacked = fmt.value_of(code)
        flat[i] = unpacked.value if unpacked.kind is Kind.FINITE else float(unpacked)


def quantize(
    x: Any,
    fmt: AnyFormat | str,
    *,
    rounding: Any = None,
    overflow: Any = None,
    nan: Any = None,
    profile: Any = None,
    random: Any = None,
    axis: Any = "default",
    pad: bool = False,
    scale_rule: Any = None,
    nonfinite: Any = None,
    scales: Any = None,
    tensor_scale: Any = None,
    out: Array | None = None,
    report: bool = False,
) -> Any:
    """Round to the values of a format and give numbers back: ``decode(encode(x, fmt))`` in x's own float dtype.

    Arguments are those of `encode`; `out` is an array of the result's dtype and shape, which may be `x` itself.

    Returns
    -------
    ndarray of x's shape (a Python float for a Python number), or (ndarray, ConversionReport)
        dtype: that of `x` when it is float16, float32, float64 or an ml_dtypes float, else ``fmt.value_dtype``.

    >>> quantize([0.1, 1.0, 500.0], "fp8_e4m3fn")
    array([1.015625e-01, 1.000000e+00, 4.480000e+02])
    >>> quantize(3.3, "fp4_e2m1")
    3.0
    """
    if type(x) is np.ndarray and random is None and not report and isinstance(fmt, Format):
        values = _fast(fmt, "_quantize_runs", x, out, rounding, overflow, nan, profile)
        if values is not None:
            return values
    given: AnyFormat = get_any(fmt)
    if isinstance(x, (Encoded, BlockEncoded)):
        raise FormatMismatchError("quantize takes numbers; use cast(e, fmt) for an Encoded")
    blocks = {"axis": axis, "pad": pad, "scale_rule": scale_rule, "nonfinite": nonfinite}
    blocks |= {"scales": scales, "tensor_scale": tensor_scale}
    if isinstance(given, BlockFormat):
        options = _block_options(rounding, overflow, nan, profile, random, blocks)
        if report:
            rules = {"rounding": rounding, "overflow": overflow, "nan": nan, "profile": profile, "random": random}
            b, about = encode(x, given, **rules, **blocks, report=True)
            return decode_block(b, None if out is None else out.dtype, out), about
        return quantize_block(x, given, options, out)[0]
    _refuse_block_options(given, blocks)
    fmt = given
    if isinstance(fmt, FourthRootsFormat):
        return _quantize_complex(x, fmt, rounding, overflow, nan, profile, random, out, report)
    policy = resolve_policy(fmt, rounding, overflow, nan, profile)
    source = _random_source(policy, random)
    reals = real_input(x)
    plain = not hasattr(x, "dtype") and not isinstance(x, (list, tuple))
    dtype = reals.dtype or fmt.value_dtype
    if source is None and dtype == _F32:
        _remember(fmt, "_quantize_runs", policy, quantize_plan(fmt, policy), (rounding, overflow, nan, profile))
    extension = dtype.kind not in "fO"
    work = np.dtype(np.float32) if extension else dtype
    values = _out_array(out, reals.array.shape, dtype) if not extension else np.empty(reals.array.shape, work)
    _quantize_reals(reals, fmt, policy, source, values)
    result: Any = values
    if extension:
        result = _out_array(out, reals.array.shape, dtype)
        result[...] = values.astype(dtype)
    if plain:
        result = result.item()
    return (result, conversion_report(fmt, reals.array, values)) if report else result


def _quantize_reals(reals: Reals, fmt: Format, policy: Policy, source: RandomSource | None, values: Array) -> None:
    if reals.exact or source is not None or values.dtype.kind == "O" or policy.negative == "abs":
        codes = np.empty(reals.array.shape, fmt.code_dtype)
        _encode_reals(reals, fmt, policy, source, codes)
        values[...] = decode(Encoded._wrap(codes, fmt), dtype=values.dtype)
        return
    x, y = _flat(reals.array), values.reshape(-1)
    if x.dtype == y.dtype == _F32:
        flags = quantize_plan(fmt, policy).run(x, y)
        if flags == 0:
            return
        if flags is not None:
            _raise_refused(conversion(fmt, policy), x, {}, None)
    if np.may_share_memory(x, y) and x.size > _CHUNK and x.__array_interface__["data"] != y.__array_interface__["data"]:
        x = x.copy()
    plan, decode_ = encode_plan(fmt, policy, x.dtype), decoder(fmt, values.dtype)
    codes = np.empty(min(x.size, _CHUNK), fmt.code_dtype)
    check = not _range_fits(fmt, values.dtype)
    for at in range(0, x.size, _CHUNK):
        part = x[at : at + _CHUNK]
        chunk = codes[: part.size]
        if plan.run(part, chunk):
            _raise_refused(plan.conv, x, {}, None)
        decode_.run(chunk, y[at : at + _CHUNK])
        if check:
            _check_decoded(fmt, chunk, y[at : at + _CHUNK])


def _quantize_complex(x: Any, fmt: FourthRootsFormat, *options: Any) -> Any:
    *policy, out, report = options
    e = encode(
        x, fmt, **dict(zip(("rounding", "overflow", "nan", "profile", "random"), policy, strict=True)), report=report
    )
    dtype = np.asarray(x).dtype if np.asarray(x).dtype.kind == "c" else np.dtype(np.complex64)
    return decode(e, dtype=dtype, out=out)


def cast(
    e: Encoded,
    fmt: AnyFormat | str,
    *,
    rounding: Any = None,
    overflow: Any = None,
    nan: Any = None,
    profile: Any = None,
    random: Any = None,
    flags: bool = False,
    tininess: str = "after",
    out: Array | None = None,
    report: bool = False,
) -> Any:
    """Re-encode `e` in `fmt` with a single rounding of each exact value.

    Parameters are those of `encode`. Never passes through a dtype that would round first.

    Parameters
    ----------
    nan : NaNRule or str, optional
        Also a NaN policy of hardware, "x86_sse", "arm", "arm_default" or "riscv": payloads as it propagates them, and
        the integer that it makes of NaN and of numbers beyond the range (these unless `overflow` is given).
    flags : bool
        Also return `numfmt.Flags`. To an integer format, what it cannot represent is invalid and nothing else
        (IEEE 754-2019 section 5.8).
    tininess : {"after", "before"}
        When the underflow flag looks: after rounding (x86, RISC-V) or before (ARM).

    Returns
    -------
    Encoded, same shape, codes of dtype ``fmt.code_dtype``; with `flags`, also Flags; with `report`, a ConversionReport

    Notes
    -----
    Values of logarithmic formats are irrational; they are compared exactly. Only the stochastic roundings take them to
    128 bits.

    >>> cast(encode([3.3], "binary16"), "fp8_e5m2").codes
    array([67], dtype=uint8)
    """
    if not isinstance(e, Encoded):
        raise FormatMismatchError(f"cast takes an Encoded, got {type(e).__name__}; use encode(x, fmt) for numbers")
    fmt = scalar(fmt)
    if e.format.is_complex != fmt.is_complex:
        raise FormatMismatchError(
            f"{e.format.name} and {fmt.name} are not both real or both complex; convert parts yourself"
        )
    if e.format.is_complex:
        return encode(decode(e), fmt, out=out, report=report)
    hardware = nan.lower() if isinstance(nan, str) and nan.lower() in HARDWARE_NAN else None
    policy = resolve_policy(fmt, rounding, overflow, None if hardware else nan, profile)
    source = _random_source(policy, random)
    codes = _out_array(out, e.shape, fmt.code_dtype)
    if tininess not in ("after", "before"):
        raise ArgumentError(f"tininess must be 'after' or 'before' rounding, got {tininess!r}")
    if flags or hardware:
        from .ops._casting import cast_with_flags

        if report:
            raise ArgumentError("report and flags (or a hardware NaN policy) do not go together: call cast twice")
        given = overflow is not None
        raised = cast_with_flags(e, fmt, policy, hardware or "canonical", source, tininess, codes, overflow_given=given)
        result = Encoded._wrap(codes, fmt)
        return (result, raised) if flags else result
    source_fmt = e.format
    if source_fmt.exact and source_fmt.value_dtype.kind != "O":
        values = decode(e, dtype=source_fmt.value_dtype)
        values = _with_nan_signs(e, values)
        _encode_reals(Reals(values, {}, None), fmt, policy, source, codes)
    else:
        values = decode(e, dtype=np.float64) if source_fmt.value_dtype.kind != "O" else np.zeros(e.shape)
        _cast_scalars(e, fmt, policy, source, codes)
    result = Encoded._wrap(codes, fmt)
    return (result, conversion_report(fmt, values, decode(result, dtype=np.float64))) if report else result


def _with_nan_signs(e: Encoded, values: Array) -> Array:
    """Give NaN values the sign of their code, for NaN rules that keep it."""
    at = np.flatnonzero(np.isnan(values.reshape(-1)))
    if at.size:
        flat = values.reshape(-1)
        codes = e.codes.reshape(-1)
        for i in at.tolist():
            flat[i] = -np.nan if e.format.value_of(int(codes[i])).sign else np.nan
    return values


def _cast_scalars(e: Encoded, fmt: Format, policy: Policy, source: RandomSource | None, codes: Array) -> None:
    if source is not None:
        _check_indices(source, e.size)
    conv, flat = conversion(fmt, policy), codes.reshape(-1)
    bits = None if source is None else random_integers(source, e.size, e.shape)
    marks: dict[int, int] = {}
    for i, code in enumerate(e.codes.reshape(-1).tolist()):
        mark = marks.get(code)
        if mark is None or bits is not None:
            draw = None if bits is None or source is None else (int(bits[i]), source.width)
            value = e.format.value_of(code)
            # An irrational value is compared as what it is, never as an approximation: it may be a tie.
            exact = value if value.kind is not Kind.FINITE else e.format.real_of(code)
            mark = marks[code] = conv.encode_exact(exact, draw)
            if mark < 0:
                refuse(mark, fmt, policy, f"flat index {i}")
        flat[i] = mark


def warmup(*formats: AnyFormat | str, rounding: Any = None, overflow: Any = None, profile: Any = None) -> None:
    """Compile (or load from the disk cache) the fastest kernels for `formats` now: encode, decode and quantize of
    float32.

    Changes speed, never bits.

    >>> warmup("fp8_e4m3fn", "mxfp4")
    """
    for name in formats:
        fmt = get_any(name)
        if fmt.is_complex:
            continue
        if isinstance(fmt, BlockFormat):
            warmup_block(fmt, {"rounding": rounding, "overflow": overflow, "profile": profile})
            continue
        policy = resolve_policy(fmt, rounding, overflow, None, profile)
        if policy.rounding.is_stochastic:
            encode(np.ones(64, np.float32), fmt, rounding=rounding, overflow=overflow, profile=profile, random=0)
            continue
        encode_plan(fmt, policy, _F32).bind()
        quick = quantize_plan(fmt, policy)
        if quick.constants is not None:
            quick.bind()
        if fmt.value_dtype.kind != "O":
            decode_ = decoder(fmt, fmt.value_dtype)
            if decode_.table is not None:
                values = np.empty(8192, fmt.value_dtype)
                decode_.run(np.zeros(8192, fmt.code_dtype), values)
        one = np.full(1, fmt.smallest, np.float32) if fmt.value_dtype.kind != "O" else np.ones(1, np.float32)
        encode(one, fmt, rounding=rounding, overflow=overflow, profile=profile)
        quantize(one, fmt, rounding=rounding, overflow=overflow, profile=profile)
