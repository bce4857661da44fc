"""Codes as arrays of ml_dtypes and tensors of torch, and back, sharing memory wherever a dtype has the same bytes.

`DTYPES` is the whole knowledge: which dtype of which library has the codes of which format. A dtype narrower than its
byte (ml_dtypes' int4, float6_e2m3fn, ...) holds one code in the low bits of each byte, as `Encoded` does.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .._array import Encoded
from ..errors import ArgumentError, DTypeError, FormatMismatchError
from ..formats.base import Format
from ..formats.registry import scalar
from .packing import pack_codes, unpack_codes

__all__ = ["DTYPES", "DTypeNames", "from_ml_dtypes", "from_torch", "to_ml_dtypes", "to_torch"]


class DTypeNames(NamedTuple):
    """One format's dtypes: in NumPy or ml_dtypes, and in torch; None where there is none."""

    format: str
    ml_dtypes: str | None
    torch: str | None


_SAME = ("int8", "int16", "int32", "uint8", "uint16", "uint32")
#: Formats whose codes another library has a dtype for (ml_dtypes 0.6, torch 2.13). torch's types for integers of less
#: than a byte (``torch.int4``) name a width and hold no elements, so they are left out.
DTYPES = (
    DTypeNames("binary16", "float16", "float16"),
    DTypeNames("binary32", "float32", "float32"),
    DTypeNames("binary64", "float64", "float64"),
    DTypeNames("bfloat16", "bfloat16", "bfloat16"),
    DTypeNames("fp8_e4m3fn", "float8_e4m3fn", "float8_e4m3fn"),
    DTypeNames("fp8_e5m2", "float8_e5m2", "float8_e5m2"),
    DTypeNames("fp8_e4m3fnuz", "float8_e4m3fnuz", "float8_e4m3fnuz"),
    DTypeNames("fp8_e5m2fnuz", "float8_e5m2fnuz", "float8_e5m2fnuz"),
    DTypeNames("ufp8_e8m0", "float8_e8m0fnu", "float8_e8m0fnu"),
    DTypeNames("fp8_e4m3_ieee", "float8_e4m3", None),
    DTypeNames("fp8_e3m4", "float8_e3m4", None),
    DTypeNames("fp8_e4m3fnuz_b11", "float8_e4m3b11fnuz", None),
    DTypeNames("fp6_e2m3", "float6_e2m3fn", None),
    DTypeNames("fp6_e3m2", "float6_e3m2fn", None),
    DTypeNames("fp4_e2m1", "float4_e2m1fn", "float4_e2m1fn_x2"),
    *(DTypeNames(name, name, name) for name in _SAME),
    *(DTypeNames(name, name, None) for name in ("int2", "int4", "uint2", "uint4")),
)
#: Two codes a byte, the first in bits 3:0; the last axis of the tensor is half as long.
_TORCH_PACKED = "float4_e2m1fn_x2"


def _names_of(fmt: Format) -> DTypeNames:
    for names in DTYPES:
        if scalar(names.format) == fmt:
            return names
    return DTypeNames(fmt.name, None, None)


def _ml_dtype(name: str) -> np.dtype[Any]:
    if name in _SAME or name in ("float16", "float32", "float64"):
        return np.dtype(name)
    try:
        import ml_dtypes
    except ImportError:
        raise ArgumentError(f"{name} needs the package ml_dtypes: pip install ml_dtypes") from None
    found: Any = getattr(ml_dtypes, name, None)
    if found is None:
        raise ArgumentError(f"this version of ml_dtypes ({ml_dtypes.__version__}) has no {name}; update it")
    dtype: np.dtype[Any] = np.dtype(found)
    return dtype


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        raise ArgumentError("torch is not installed: pip install numfmt[torch], or pip install torch") from None
    return torch


def _torch_dtype(torch: Any, name: str) -> Any:
    found = getattr(torch, name, None)
    if found is None:
        raise ArgumentError(f"this version of torch ({torch.__version__}) has no dtype {name}; update it")
    return found


def to_ml_dtypes(e: Encoded) -> npt.NDArray[Any]:
    """The codes as an array of the NumPy or ml_dtypes dtype with the same bits; it shares memory with ``e.codes``.

    Raises
    ------
    FormatMismatchError
        There is no such dtype (`DTYPES` lists those there are).
    ArgumentError
        ml_dtypes is not installed.

    >>> import numfmt as nf
    >>> nf.interop.to_ml_dtypes(nf.encode([1.0, -2.5], "binary16"))
    array([ 1. , -2.5], dtype=float16)
    """
    e = _encoded(e)
    name = _names_of(e.format).ml_dtypes
    if name is None:
        raise FormatMismatchError(
            f"neither NumPy nor ml_dtypes has a dtype for {e.format.name}; they have "
            f"{', '.join(n.format for n in DTYPES if n.ml_dtypes)}; use e.codes, or np.asarray(e) for values"
        )
    return e.codes.view(_ml_dtype(name))


def from_ml_dtypes(array: Any) -> Encoded:
    """The `Encoded` whose codes are the bits of a NumPy or ml_dtypes array; it shares memory with it.

    Arrays of dtypes narrower than a byte are copied when bits above their codes are set.

    Raises
    ------
    DTypeError
        A dtype that no format of `DTYPES` has, or not in the machine's byte order.

    >>> import numfmt as nf
    >>> nf.interop.from_ml_dtypes(np.array([1.0, -2.5], np.float16)).codes
    array([15360, 49408], dtype=uint16)
    """
    if isinstance(array, np.ma.MaskedArray):
        raise DTypeError("array must not be a masked array: the mask would be lost; fill it first")
    found = np.asarray(array)
    fmt = next((scalar(n.format) for n in DTYPES if n.ml_dtypes == found.dtype.name), None)
    if fmt is None or not found.dtype.isnative:
        raise DTypeError(
            f"array must have one of the dtypes {', '.join(n.ml_dtypes for n in DTYPES if n.ml_dtypes)} in native byte "
            f"order, got {found.dtype}; numfmt.encode converts numbers"
        )
    codes = found.view(fmt.code_dtype)
    limit = fmt.code_count
    if fmt.bits < 8 and codes.size and int(codes.max()) >= limit:
        codes = codes & np.uint8(limit - 1)
    return Encoded(codes, fmt)


def to_torch(e: Encoded) -> Any:
    """The codes as a CPU tensor of the torch dtype with the same bits; it shares memory with ``e.codes``.

    Copied are fp4_e2m1 codes (torch's ``float4_e2m1fn_x2`` packs two to a byte, the first in bits 3:0, so that the last
    axis is half as long), codes that cannot be written to, and codes with negative strides: torch has no such tensors.

    Raises
    ------
    FormatMismatchError
        torch has no such dtype (`DTYPES` lists those it has).
    ArgumentError
        torch is not installed, or the last axis of fp4_e2m1 codes is odd.

    >>> import numfmt as nf
    >>> t = nf.interop.to_torch(nf.encode([1.0, -2.5], "fp8_e4m3fn"))  # doctest: +SKIP
    >>> t.dtype  # doctest: +SKIP
    torch.float8_e4m3fn
    """
    e = _encoded(e)
    name = _names_of(e.format).torch
    if name is None:
        raise FormatMismatchError(
            f"torch has no dtype for {e.format.name}; it has {', '.join(n.format for n in DTYPES if n.torch)}; "
            "torch.from_dlpack(e) gives the codes as unsigned integers"
        )
    torch = _torch()
    dtype = _torch_dtype(torch, name)
    codes = e.codes
    if name == _TORCH_PACKED:
        if e.ndim == 0 or e.shape[-1] % 2:
            raise ArgumentError(f"torch packs two {e.format.name} to a byte: the last axis must be even, got {e.shape}")
        codes = pack_codes(codes, 4, "fp4x2")
    if not codes.flags.writeable or any(stride < 0 for stride in codes.strides):
        codes = codes.copy()
    return torch.from_numpy(codes).view(dtype)


def from_torch(tensor: Any, fmt: Format | str | None = None) -> Encoded:
    """The `Encoded` whose codes are the bits of a CPU tensor; it shares memory with it, ``float4_e2m1fn_x2`` excepted.

    Parameters
    ----------
    tensor : torch.Tensor
        On the CPU, dense; a gradient is not followed.
    fmt : Format or str, optional
        For a tensor of integers: the format whose codes they are (copied unless they have its ``code_dtype``). Default:
        the format of the tensor's dtype, so that a ``torch.uint8`` tensor holds integers.

    Raises
    ------
    DTypeError
        No tensor, or one of a dtype that no format of `DTYPES` has.
    ArgumentError
        The tensor is not on the CPU, or not dense.
    CodeRangeError, FormatMismatchError
        Integers that are no codes of `fmt`; `fmt` with a tensor of floats.

    >>> import numfmt as nf, torch  # doctest: +SKIP
    >>> nf.interop.from_torch(torch.tensor([1.0, -2.5], dtype=torch.bfloat16)).codes  # doctest: +SKIP
    array([16256, 49184], dtype=uint16)
    """
    torch = _torch()
    if not isinstance(tensor, torch.Tensor):
        raise DTypeError(f"tensor must be a torch.Tensor, got {type(tensor).__name__}; see numfmt.encode")
    if tensor.device.type != "cpu" or tensor.layout != torch.strided:
        raise ArgumentError(
            f"tensor must be dense and on the CPU, got {tensor.layout} on {tensor.device}; use tensor.cpu() or "
            "tensor.to_dense()"
        )
    plain = tensor.detach().resolve_conj().resolve_neg()
    name = str(tensor.dtype).removeprefix("torch.")
    if fmt is not None:
        if "int" not in name:
            raise FormatMismatchError(f"fmt is for tensors of integers, got {tensor.dtype}; drop it")
        return Encoded(plain.numpy(), scalar(fmt))
    own = next((scalar(n.format) for n in DTYPES if n.torch == name), None)
    if own is None:
        raise DTypeError(
            f"tensor must have one of the dtypes {', '.join(n.torch for n in DTYPES if n.torch)}, got {tensor.dtype}; "
            "for integers that are codes, pass fmt"
        )
    if name == _TORCH_PACKED:
        packed = plain.view(torch.uint8).numpy()
        return Encoded(unpack_codes(packed, 4, "fp4x2", count=2 * packed.shape[-1]), own)
    return Encoded(plain.view(_torch_dtype(torch, own.code_dtype.name)).numpy(), own)


def _encoded(e: Any) -> Encoded:
    if not isinstance(e, Encoded):
        raise FormatMismatchError(
            f"e must be an Encoded, got {type(e).__name__}; of a BlockEncoded, take Encoded(b.codes, b.format.element)"
        )
    return e
