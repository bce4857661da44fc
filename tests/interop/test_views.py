"""Codes as arrays and tensors of other libraries: the same bits, the same memory."""

from __future__ import annotations

import numpy as np
import pytest

import numfmt as nf
from numfmt.errors import ArgumentError, CodeRangeError, DTypeError, FormatMismatchError
from numfmt.interop import DTYPES, from_ml_dtypes, from_torch, to_ml_dtypes, to_torch

IN_NUMPY = [names for names in DTYPES if names.ml_dtypes]
IN_TORCH = [names for names in DTYPES if names.torch]


def every_code(name):
    fmt = nf.get(name)
    count = min(fmt.code_count, 1 << 16)
    codes = np.arange(count, dtype=np.uint64) * np.uint64(fmt.code_count // count)  # evenly spread where wide
    return nf.Encoded(codes.astype(fmt.code_dtype), fmt)


def test_table_names_canonical_formats_once():
    assert [nf.get(names.format).name for names in DTYPES] == [names.format for names in DTYPES]
    assert len({names.format for names in DTYPES}) == len(DTYPES)


@pytest.mark.parametrize("names", IN_NUMPY, ids=lambda names: names.format)
def test_numpy_and_ml_dtypes(names):
    if names.ml_dtypes not in np.sctypeDict:
        pytest.importorskip("ml_dtypes")
    e = every_code(names.format)
    view = to_ml_dtypes(e)
    assert view.dtype.name == names.ml_dtypes and np.shares_memory(view, e.codes)
    back = from_ml_dtypes(view)
    assert back.same_bits(e) and np.shares_memory(back.codes, e.codes)
    if e.format.bits <= 32:  # the other library reads the same numbers from the same bits
        with np.errstate(invalid="ignore"):  # signalling NaNs
            values = view.astype(np.float64)
        assert np.array_equal(values, nf.decode(e, dtype=np.float64), equal_nan=True)


def test_all_of_ml_dtypes_is_in_the_table():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    dtypes = {n for n in dir(ml_dtypes) if n.startswith(("float", "bfloat", "int", "uint")) and n[-1] not in "os"}
    assert dtypes - {"int1", "uint1"} <= {names.ml_dtypes for names in DTYPES}


def test_bits_above_a_narrow_code_are_ignored():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = np.array([0xF9, 0x09, 0x10], np.uint8).view(ml_dtypes.int4)  # ml_dtypes reads -7, -7, 0
    assert from_ml_dtypes(array).codes.tolist() == [9, 9, 0]


@pytest.mark.parametrize("names", IN_TORCH, ids=lambda names: names.format)
def test_torch(names):
    torch = pytest.importorskip("torch")
    e = every_code(names.format)
    tensor = to_torch(e)
    assert str(tensor.dtype) == f"torch.{names.torch}"
    back = from_torch(tensor)
    assert back.same_bits(e)
    if names.format == "fp4_e2m1":
        assert tensor.shape == (8,) and tensor.view(torch.uint8)[0] == 0x10, "code 0 low, code 1 high"
        return
    assert tensor.data_ptr() == e.codes.ctypes.data == back.codes.ctypes.data
    if e.format.bits <= 32:
        values = tensor.to(torch.float64).numpy()
        assert np.array_equal(values, nf.decode(e, dtype=np.float64), equal_nan=True)


def test_every_torch_float_is_in_the_table():
    torch = pytest.importorskip("torch")
    dtypes = {n for n in dir(torch) if n.startswith(("float", "bfloat")) and isinstance(getattr(torch, n), torch.dtype)}
    assert dtypes - {"float"} <= {names.torch for names in DTYPES}


def test_torch_strides_and_read_only_codes():
    torch = pytest.importorskip("torch")
    e = nf.encode(np.arange(24.0).reshape(4, 6), "fp8_e4m3fn")
    turned = to_torch(e.T)
    assert turned.shape == (6, 4) and turned.data_ptr() == e.codes.ctypes.data
    assert from_torch(turned).same_bits(e.T)
    assert from_torch(to_torch(e[::-1])).same_bits(e[::-1]), "negative strides are copied"
    e.codes.setflags(write=False)
    assert from_torch(to_torch(e)).same_bits(e)
    assert to_torch(nf.encode(1.0, "bfloat16")).shape == ()
    assert isinstance(to_torch(e), torch.Tensor)


def test_integer_tensors_hold_integers_or_codes():
    torch = pytest.importorskip("torch")
    tensor = torch.tensor([0x38, 0x7E], dtype=torch.uint8)
    assert from_torch(tensor).format.name == "uint8"
    e = from_torch(tensor, "fp8_e4m3fn")
    assert np.asarray(e).tolist() == [1.0, 448.0] and e.codes.ctypes.data == tensor.data_ptr()
    assert from_torch(tensor.long(), "fp8_e4m3fn").same_bits(e)
    with pytest.raises(CodeRangeError):
        from_torch(torch.tensor([-1]), "fp8_e4m3fn")
    with pytest.raises(FormatMismatchError, match="for tensors of integers"):
        from_torch(torch.ones(2), "fp8_e4m3fn")


def test_tensors_as_input():
    torch = pytest.importorskip("torch")
    x = np.linspace(-3, 3, 64).astype(np.float32)
    for dtype in (torch.float32, torch.float64, torch.float16):
        tensor = torch.from_numpy(x).to(dtype)
        assert nf.encode(tensor, "fp8_e5m2").same_bits(nf.encode(tensor.numpy(), "fp8_e5m2"))
    half = torch.from_numpy(x).bfloat16()
    want = nf.encode(half.float().numpy(), "mxfp4")
    assert nf.encode(from_torch(half), "mxfp4").same_bits(want)
    for tensor in (half, torch.ones(32, requires_grad=True), half.to(torch.float8_e5m2)):
        for fmt in ("fp8_e5m2", "mxfp4"):
            with pytest.raises(DTypeError, match=r"interop\.from_torch"):
                nf.encode(tensor, fmt)


def test_dlpack_shares_the_codes():
    e = nf.encode([1.0, -2.0, 0.5], "posit16")
    codes = np.from_dlpack(e)
    assert np.shares_memory(codes, e.codes) and codes.dtype == np.uint16
    torch = pytest.importorskip("torch")
    tensor = torch.from_dlpack(e)
    assert tensor.data_ptr() == e.codes.ctypes.data and tensor.dtype == torch.uint16
    tensor[0] = 7
    assert e.codes[0] == 7


@pytest.mark.parametrize(
    "error, words, call",
    [
        (FormatMismatchError, "neither NumPy nor ml_dtypes", lambda: to_ml_dtypes(nf.encode([1.0], "posit8"))),
        (FormatMismatchError, "from_dlpack", lambda: to_torch(nf.encode([1.0], "fp6_e2m3"))),
        (FormatMismatchError, "b.format.element", lambda: to_torch(nf.encode(np.ones(32), "mxfp4"))),
        (FormatMismatchError, "must be an Encoded", lambda: to_ml_dtypes(np.ones(3))),
        (DTypeError, "must have one of the dtypes", lambda: from_ml_dtypes(np.ones(3, np.complex64))),
        (DTypeError, "native byte order", lambda: from_ml_dtypes(np.ones(3, np.dtype(np.float32).newbyteorder("S")))),
        (DTypeError, "masked", lambda: from_ml_dtypes(np.ma.masked_equal([1.0, 2.0], 1.0))),
    ],
)
def test_refusals(error, words, call):
    if "torch" in words or "element" in words:
        pytest.importorskip("torch")
    with pytest.raises(error, match=words):
        call()


def test_torch_refusals():
    torch = pytest.importorskip("torch")
    for error, words, call in (
        (DTypeError, "must be a torch.Tensor", lambda: from_torch(np.ones(3))),
        (DTypeError, "must have one of the dtypes", lambda: from_torch(torch.ones(3, dtype=torch.complex64))),
        (ArgumentError, "on the CPU", lambda: from_torch(torch.ones(3, device="meta"))),
        (ArgumentError, "dense", lambda: from_torch(torch.ones(3, 3).to_sparse())),
        (ArgumentError, "must be even", lambda: to_torch(nf.encode([1.0], "fp4_e2m1"))),
    ):
        with pytest.raises(error, match=words):
            call()
