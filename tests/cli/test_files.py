"""Files that are not what they say, and quantized copies of those that are."""

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest

import numfmt as nf
from numfmt.cli.files import open_tensors
from numfmt.errors import ArgumentError, FileFormatError


def npy_bytes(array):
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def npy_header(shape, descr="<f4", order=False):
    text = repr({"descr": descr, "fortran_order": order, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def safetensors_bytes(header, payload=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + payload


def one_tensor(**change):
    return {"w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24], **change}}


# ---- files that lie ------------------------------------------------------------------------------------------------

BAD_NPY = {
    "empty": (b"", "empty"),
    "wrong magic": (b"hello, this is text", "not a .npy file"),
    "pickle": (pickle.dumps([1.0, 2.0]), "looks like a pickle"),
    "object array": (npy_bytes(np.array([1.0, None], object)), "Python objects"),
    "cut in the header": (npy_bytes(np.zeros(9))[:40], "damaged .npy header"),
    "cut in the data": (npy_bytes(np.zeros(1000))[:-1], "truncated or its header lies"),
    "no data": (npy_header((10,)), "truncated or its header lies"),
    "exabytes": (npy_header((1 << 62, 1 << 62)) + bytes(64), "truncated or its header lies"),
    "negative": (npy_header((-5,)) + bytes(64), "damaged .npy header"),
    "dtype nonsense": (npy_header((5,), "<q99") + bytes(64), "damaged .npy header"),
    "version 9": (b"\x93NUMPY\x09\x00" + bytes(100), "version 9.0"),
    "code in the header": (
        b"\x93NUMPY\x01\x00" + struct.pack("<H", 30) + b"__import__('os').system('ls')\n",
        "damaged",
    ),
    "text": (npy_bytes(np.array(["a", "b"])), "nothing to measure"),
    "complex": (npy_bytes(np.ones(3, np.complex64)), "nothing to measure"),
    "longdouble": (npy_bytes(np.ones(3, np.longdouble)), "nothing to measure"),
    "raw bytes": (npy_bytes(np.ones(3, "V2")), "extension dtypes such as bfloat16"),
    "bool": (npy_bytes(np.ones(3, bool)), "not real numbers"),
    "no elements": (npy_bytes(np.ones((3, 0), np.float32)), "no elements"),
}


@pytest.mark.parametrize("case", BAD_NPY)
def test_bad_npy(run, tmp_path, case):
    content, words = BAD_NPY[case]
    path = tmp_path / "bad.npy"
    path.write_bytes(content)
    result = run("report", path, "--formats", "int8")
    assert result.exit_code == 1 and result.stdout == "" and words in result.stderr
    assert len(result.stderr.splitlines()) == 1 and result.stderr.startswith("error: ") and "bad.npy" in result.stderr


def zip_bytes(entries, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return out.getvalue()


def lying_directory():
    """The directory says that the one stored entry unpacks to 4 GB."""
    content = bytearray(zip_bytes({"a.npy": npy_bytes(np.zeros(10))}, zipfile.ZIP_STORED))
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", 4_000_000_000)
    return bytes(content)


BAD_NPZ = {
    "no zip": (b"PK\x03\x04 nothing", "not a usable .npz"),
    "empty archive": (zip_bytes({}), "holds no arrays"),
    "no arrays": (zip_bytes({"readme.txt": b"hello"}), "holds no arrays"),
    "truncated": (zip_bytes({"a.npy": npy_bytes(np.arange(5000.0))})[:-30], "not a usable .npz"),
    "header lies": (
        zip_bytes({"a.npy": npy_header((1 << 40,)) + bytes(64)}),
        "header announces 4,398,046,511,104 bytes",
    ),
    "bomb": (zip_bytes({"a.npy": npy_header((75_000_000,)) + bytes(300_000_000)}), "refused as a zip bomb"),
    "directory lies": (lying_directory(), "claims 4,000,000,000"),
    "objects only": (zip_bytes({"a.npy": npy_bytes(np.array([None]))}), "Python objects"),
    "not an array": (zip_bytes({"a.npy": b"text"}), "not a .npy file"),
}


@pytest.mark.parametrize("case", BAD_NPZ)
def test_bad_npz(run, tmp_path, case):
    content, words = BAD_NPZ[case]
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    start = time.monotonic()
    result = run("report", path, "--formats", "int8")
    assert time.monotonic() - start < 2, "refused without unpacking"
    assert result.exit_code == 1 and words in result.stderr and len(result.stderr.splitlines()) == 1


def test_damaged_entry_is_found_by_its_checksum(run, tmp_path):
    content = bytearray(zip_bytes({"a.npy": npy_bytes(np.arange(1000.0))}, zipfile.ZIP_STORED))
    content[2000] ^= 1
    (tmp_path / "bad.npz").write_bytes(content)
    result = run("report", tmp_path / "bad.npz", "--formats", "int8")
    assert result.exit_code == 1 and "a.npy: damaged" in result.stderr


BAD_SAFETENSORS = {
    "short": (b"\x01\x00", "bytes of a file of 2"),
    "long header": (struct.pack("<Q", 1 << 60) + b"{}", "the header is said to take"),
    "no json": (safetensors_bytes(b"hello"), "damaged .safetensors header"),
    "deep json": (safetensors_bytes(b"[" * 100_000), "damaged .safetensors header"),
    "list": (safetensors_bytes([1]), "damaged .safetensors header"),
    "no tensors": (safetensors_bytes({"__metadata__": {"a": "b"}}), "holds no tensors"),
    "fields missing": (safetensors_bytes({"w": {"dtype": "F32"}}), "damaged .safetensors header"),
    "truncated": (safetensors_bytes(one_tensor(), bytes(20)), "truncated or its header lies"),
    "wrong size": (safetensors_bytes(one_tensor(shape=[2, 4]), bytes(24)), "needs 32 bytes, has 24"),
    "exabytes": (safetensors_bytes(one_tensor(shape=[1 << 40, 1 << 40]), bytes(24)), "bytes, has 24"),
    "negative": (safetensors_bytes(one_tensor(shape=[-2, -3]), bytes(24)), "damaged .safetensors header"),
    "backwards": (safetensors_bytes(one_tensor(data_offsets=[24, 0]), bytes(24)), "damaged .safetensors header"),
    "overlap": (safetensors_bytes(one_tensor() | {"v": one_tensor()["w"]}, bytes(24)), "overlap"),
    "only packed": (
        safetensors_bytes(one_tensor(dtype="F4", data_offsets=[0, 3]), bytes(3)),
        "dtype F4 is not supported",
    ),
}


@pytest.mark.parametrize("case", BAD_SAFETENSORS)
def test_bad_safetensors(run, tmp_path, case):
    content, words = BAD_SAFETENSORS[case]
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    result = run("report", path, "--formats", "int8")
    assert result.exit_code == 1 and words in result.stderr and len(result.stderr.splitlines()) == 1


def test_paths_that_are_no_files(run, tmp_path):
    for path, words in ((tmp_path / "nope.npy", "no such file"), (tmp_path, "not a regular file")):
        result = run("report", path)
        assert result.exit_code == 1 and words in result.stderr
    (tmp_path / "x.csv").write_text("1,2\n")
    assert "must end in .npy, .npz, .safetensors or .gguf" in run("report", tmp_path / "x.csv").stderr
    with pytest.raises(ArgumentError, match="must end"):
        open_tensors(tmp_path / "x.csv")
    with pytest.raises(FileFormatError, match="no such file"):
        open_tensors(tmp_path / "nope.npy")


def test_lying_header_costs_no_memory(tmp_path):
    path = tmp_path / "bad.npy"
    path.write_bytes(npy_header((1 << 34,)) + bytes(1000))
    code = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))\n"
        "from numfmt.cli.app import app; app()"
    )
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, "-c", code, "report", path], capture_output=True, text=True, timeout=60, env=environment
    )
    assert result.returncode == 1 and "its header lies" in result.stderr


# ---- quantize ------------------------------------------------------------------------------------------------------


def test_quantize_npz_keeps_names_dtypes_layouts_and_other_tensors(run, npz, arrays, tmp_path):
    out = tmp_path / "out.npz"
    result = run("quantize", npz, "--to", "fp6_e3m2", "-o", out)
    assert result.exit_code == 0, result.stderr
    assert "4 tensors rounded to fp6_e3m2" in result.stdout and "index is copied" in result.stderr
    with np.load(out) as written:
        assert written.files == list(arrays)
        for name, x in arrays.items():
            y = written[name]
            want = nf.quantize(x, "fp6_e3m2") if x.dtype.kind == "f" else x
            assert y.dtype == x.dtype and np.array_equal(y, want)
            assert y.flags.f_contiguous == x.flags.f_contiguous
    assert zipfile.ZipFile(out).infolist()[0].compress_type == zipfile.ZIP_DEFLATED


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_quantize_npy(run, tmp_path, dtype, order):
    x = np.array(np.random.default_rng(3).standard_normal((20, 30)), dtype, order=order)
    np.save(tmp_path / "x.npy", x)
    assert run("quantize", tmp_path / "x.npy", "--to", "posit8", "-o", tmp_path / "y.npy").exit_code == 0
    y = np.load(tmp_path / "y.npy", allow_pickle=False)
    assert y.dtype == x.dtype and np.array_equal(y, nf.quantize(x, "posit8"))


@pytest.mark.parametrize("order", ["C", "F"])
def test_quantize_stochastically_gives_the_bits_of_the_library(run, tmp_path, order):
    x = np.array(np.random.default_rng(3).standard_normal((400, 700)), np.float32, order=order)  # several pieces
    np.save(tmp_path / "x.npy", x)
    result = run("quantize", tmp_path / "x.npy", "--to", "fp8_e5m2", "-o", tmp_path / "y.npy",
                 "--rounding", "stochastic_a", "--random", "7")  # fmt: skip
    assert result.exit_code == 0, result.stderr
    want = nf.quantize(np.ascontiguousarray(x), "fp8_e5m2", rounding="stochastic_a", random=7)
    assert np.array_equal(np.load(tmp_path / "y.npy"), want)


def test_quantize_with_a_scale_and_a_report(run, run_json, npy, tmp_path):
    out = tmp_path / "y.npy"
    found = run_json("quantize", npy, "--to", "int4", "--scale", "pow2", "-o", out, "--report", "--json")
    x, y = np.load(npy), np.load(out)
    scale = found["results"][0]["largest_scale"]
    assert np.array_equal(y, nf.quantize(x / np.float32(scale), "int4") * np.float32(scale))
    noise = np.sum((x.astype(np.float64) - y) ** 2)
    assert found["results"][0]["sqnr_db"] == pytest.approx(
        10 * np.log10(np.sum(x.astype(np.float64) ** 2) / noise), abs=1e-8
    )
    assert "SQNR" in run("quantize", npy, "--to", "int4", "-o", out, "--report").stdout


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_quantize_safetensors(run, run_json, tmp_path, dtype):
    safetensors = pytest.importorskip("safetensors.numpy")
    ml_dtypes = pytest.importorskip("ml_dtypes")
    dtype = np.dtype(dtype) if dtype.startswith("float") and "_" not in dtype else np.dtype(getattr(ml_dtypes, dtype))
    x = np.random.default_rng(4).standard_normal((9, 17)).astype(dtype)
    path, out = tmp_path / "x.safetensors", tmp_path / "y.safetensors"
    tensors = {"w": x, "ids": np.arange(5), "empty": np.zeros((0, 4), np.float32), "odd": np.ones(3, np.uint8)}
    safetensors.save_file(tensors, path, metadata={"made by": "a test"})
    assert run("quantize", path, "--to", "fp4_e2m1", "-o", out).exit_code == 0
    written = {t.name: t for t in open_tensors(out)}  # the safetensors library does not read every dtype into NumPy
    assert np.array_equal(written["ids"].load(), np.arange(5)) and written["empty"].shape == (0, 4)
    want = nf.quantize(x.astype(np.float32), "fp4_e2m1")
    assert np.array_equal(written["w"].load().view(dtype).astype(np.float32), want)
    with safetensors.safe_open(out, "np") as reader:  # the library itself accepts the file
        assert set(reader.keys()) == set(tensors) and reader.metadata() == {"made by": "a test"}
    found = run_json("report", path, "--tensors", "w", "--formats", "fp4_e2m1", "--scale", "none", "--json")["results"][
        0
    ]
    noise = np.sum((x.astype(np.float64) - want) ** 2)
    assert found["sqnr_db"] == pytest.approx(10 * np.log10(np.sum(x.astype(np.float64) ** 2) / noise), abs=1e-8)


def test_quantize_never_replaces_its_input_unasked(run, npy):
    before = npy.read_bytes()
    result = run("quantize", npy, "--to", "int8", "-o", npy)
    assert result.exit_code == 1 and "--force" in result.stderr and npy.read_bytes() == before
    assert run("quantize", npy, "--to", "int8", "-o", npy, "--force").exit_code == 0
    assert np.array_equal(np.load(npy), nf.quantize(np.load(io.BytesIO(before)), "int8"))


def test_a_failure_leaves_the_output_as_it_was(run, tmp_path):
    np.save(tmp_path / "x.npy", np.array([1.0, np.nan], np.float32))
    (tmp_path / "y.npy").write_bytes(b"before")
    result = run("quantize", tmp_path / "x.npy", "--to", "int8", "-o", tmp_path / "y.npy")
    assert result.exit_code == 1 and "tensor 'x'" in result.stderr and "nan" in result.stderr
    assert (tmp_path / "y.npy").read_bytes() == b"before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.npy", "y.npy"]
    assert run("quantize", tmp_path / "x.npy", "--to", "int8", "-o", tmp_path / "y.npy", "--nan", "zero").exit_code == 0
    assert np.load(tmp_path / "y.npy").tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("--to", "int8", "-o", "out.npz"), 1, "must have the input's ending"),
        (("--to", "int8", "-o", "nope/out.npy"), 1, "no directory"),
        (("--to", "fourth_roots", "-o", "out.npy"), 1, "complex"),
        (("--to", "int8"), 2, "output"),
        (("-o", "out.npy"), 2, "to"),
    ],
)
def test_quantize_refuses(run, npy, args, code, words):
    result = run("quantize", npy, *args)
    assert result.exit_code == code and words in result.stderr
