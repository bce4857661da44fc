"""`numfmt quantize` and `numfmt encode` with block formats, and .gguf files as input."""

import numpy as np
import pytest

import numfmt as nf
from numfmt.cli import pieces
from numfmt.cli.files import open_tensors


@pytest.fixture
def model(tmp_path):
    """Tensors whose last axes are multiples of 32, integers, a scalar, and the file that holds them."""
    rng = np.random.default_rng(11)
    arrays = {
        "a": rng.standard_normal((40, 64)).astype(np.float32),
        "half": rng.standard_normal((6, 2, 32)).astype(np.float16),
        "wide": np.asfortranarray(rng.standard_normal((96, 32))),
        "ids": np.arange(7),
        "temperature": np.float32(0.5),
    }
    np.savez(tmp_path / "model.npz", **arrays)
    return tmp_path / "model.npz", arrays


@pytest.mark.parametrize("name", ["mxfp4", "nvfp4", "int8_absmax", "int4_g32", "uint4_g32", "nf4_b64_dq", "q8_0"])
def test_quantize_gives_the_bits_of_the_library(run, model, tmp_path, name):
    path, arrays = model
    result = run("quantize", path, "--to", name, "-o", tmp_path / "out.npz")
    assert result.exit_code == 0, result.stderr
    assert "temperature is copied: a single number has no axis" in result.stderr
    with np.load(tmp_path / "out.npz") as out:
        for key, x in arrays.items():
            if key in ("ids", "temperature"):
                assert np.array_equal(out[key], x)
            else:
                assert out[key].tobytes() == nf.quantize(x, name).tobytes() and out[key].dtype == x.dtype


def test_quantize_in_tiny_pieces(run, model, tmp_path, monkeypatch):
    path, arrays = model
    monkeypatch.setattr(pieces.block_pieces, "__defaults__", (None, 64))
    for options, more in (
        ((), {}),
        (("--axis", "0", "--scale-rule", "rceil", "--pad"), {"axis": 0, "scale_rule": "rceil"}),
    ):
        assert run("quantize", path, "--to", "mxfp8_e4m3", "-o", tmp_path / "out.npz", *options).exit_code == 0
        with np.load(tmp_path / "out.npz") as out:
            for key in ("a", "half", "wide"):
                want = nf.quantize(arrays[key], "mxfp8_e4m3", pad=True, **more)
                assert np.array_equal(out[key], want)


def test_quantize_needs_pad_for_axes_that_blocks_do_not_divide(run, tmp_path):
    x = np.random.default_rng(1).standard_normal((3, 50)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    args = ("quantize", tmp_path / "x.npy", "--to", "mxfp4", "-o", tmp_path / "y.npy")
    result = run(*args)
    assert result.exit_code == 1 and not (tmp_path / "y.npy").exists()
    assert "tensor 'x'" in result.stderr and "length 50, block is 32" in result.stderr and "--pad" in result.stderr
    assert run(*args, "--pad").exit_code == 0
    assert np.array_equal(np.load(tmp_path / "y.npy"), nf.quantize(x, "mxfp4", pad=True))


def test_quantize_with_random_bits_a_report_and_json(run_json, model, tmp_path):
    path, arrays = model
    found = run_json("quantize", path, "--to", "mxfp4", "--rounding", "stochastic_a", "--random", "3", "--report",
                     "--json", "-o", tmp_path / "out.npz")  # fmt: skip
    assert found["scale"] == "block" and found["results"][0]["elements"] == 40 * 64 + 6 * 64 + 96 * 32
    with np.load(tmp_path / "out.npz") as out:
        want = nf.quantize(arrays["wide"], "mxfp4", rounding="stochastic_a", random=3)
        assert np.array_equal(out["wide"], want)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--to", "mxfp4", "--scale", "pow2"), "--scale is for scalar formats"),
        (("--to", "int8", "--axis", "0"), "--axis is for block formats"),
        (("--to", "int8", "--pad"), "--pad is for block formats"),
        (("--to", "mxfp4", "--axis", "left"), "--axis must be an integer"),
        (("--to", "mxfp4", "--scale-rule", "best"), "scale rule must be one of"),
        (("--to", "nvfp4", "--scale-rule", "floor"), "powers of two"),
        (("--to", "fairy"), "complex"),
        (("--to", "q4_k"), "decode-only"),
        (("--to", "mxfp4", "--profile", "torch"), "says nothing about mxfp4"),
    ],
)
def test_quantize_refuses(run, model, tmp_path, args, words):
    result = run("quantize", model[0], *args, "-o", tmp_path / "out.npz")
    assert result.exit_code == 1 and words in result.stderr, result.stderr
    assert len(result.stderr.splitlines()) == 1 and not (tmp_path / "out.npz").exists()


def test_numbers_that_are_not_finite_name_the_option(run, tmp_path):
    np.save(tmp_path / "x.npy", np.array([1.0, np.nan] * 16, np.float32))
    args = ("quantize", tmp_path / "x.npy", "--to", "nvfp4", "-o", tmp_path / "y.npy")
    assert "--nonfinite skip" in run(*args).stderr
    assert run(*args, "--nonfinite", "skip", "--nan", "zero").exit_code == 0
    assert np.load(tmp_path / "y.npy").tolist() == [1.0, 0.0] * 16


# ---- encode --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["npz", "safetensors"])
@pytest.mark.parametrize("name", ["mxfp4", "nvfp4", "fp8_e4m3fn", "nf4_b64_dq"])
def test_encode_writes_what_load_reads(run, model, tmp_path, ending, name):
    path, arrays = model
    out = tmp_path / f"codes.{ending}"
    extra = ("--pad",) if name.startswith("nf4_b64") else ()
    result = run("encode", path, "--to", name, "-o", out, *extra)
    assert result.exit_code == 0, result.stderr
    found = nf.load(out)
    assert list(found) == list(arrays) and np.array_equal(found["ids"], arrays["ids"])
    pad = {"pad": True} if extra else {}
    for key in ("a", "half", "wide"):
        assert found[key].same_bits(nf.encode(arrays[key], name, **pad))


def test_encode_refuses(run, model, run_json):
    path, _ = model
    assert "must end in .npz or .safetensors" in run("encode", path, "--to", "mxfp4", "-o", "x.npy").stderr
    assert "input itself" in run("encode", path, "--to", "mxfp4", "-o", path).stderr
    assert run_json("encode", path, "--to", "mxfp4", "-o", path.with_name("o.npz"), "--json")["encoded"] == [
        "a",
        "half",
        "wide",
    ]


# ---- .gguf ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def gguf(tmp_path):
    gguf = pytest.importorskip("gguf")
    x = np.random.default_rng(5).standard_normal((12, 256)).astype(np.float32)
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "test")
    writer.add_tensor("plain", x)
    writer.add_tensor("half", x.astype(np.float16))
    writer.add_tensor("ids", np.arange(5, dtype=np.int32))
    for kind in ("Q4_0", "Q8_0", "TQ1_0"):
        kind_of = getattr(gguf.GGMLQuantizationType, kind)
        writer.add_tensor(kind.lower(), gguf.quants.quantize(x, kind_of), raw_dtype=kind_of)
    # gguf-py decodes IQ4_NL only: any bytes are blocks, but for scales that are not finite.
    blocks = np.random.default_rng(6).integers(0, 256, (2, 8 * 18), np.uint8)
    blocks.reshape(-1, 18)[:, 1] = 0x20
    writer.add_tensor("iq4_nl", blocks, raw_dtype=gguf.GGMLQuantizationType.IQ4_NL)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    want = {"plain": x, "half": x.astype(np.float16)}
    for kind in ("Q4_0", "Q8_0", "TQ1_0"):
        kind_of = getattr(gguf.GGMLQuantizationType, kind)
        want[kind.lower()] = gguf.quants.dequantize(gguf.quants.quantize(x, kind_of), kind_of)
    want["iq4_nl"] = gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType.IQ4_NL)
    return tmp_path / "m.gguf", want


def test_gguf_tensors_are_read_in_any_range(gguf):
    path, want = gguf
    for tensor in open_tensors(path):
        if tensor.name in want:
            read, x = tensor.reader(), want[tensor.name].reshape(-1)
            for start, stop in ((0, x.size), (1, 2), (100, 470), (255, 257), (x.size - 1, x.size), (64, 64)):
                assert np.array_equal(read(start, stop), x[start:stop])
            assert np.array_equal(np.concatenate(list(tensor.stored_pieces())), x)


def test_report_of_a_gguf_file(run_json, gguf, tmp_path):
    path, want = gguf
    found = run_json("report", path, "--tensors", "q4_0", "--formats", "int8,mxfp4", "--json")
    np.save(tmp_path / "same.npy", want["q4_0"])
    assert found["tensors"] == [{"name": "q4_0", "dtype": "Q4_0", "shape": [12, 256]}]
    assert found["results"] == run_json("report", tmp_path / "same.npy", "--formats", "int8,mxfp4", "--json")["results"]


@pytest.mark.parametrize("ending", ["npz", "safetensors"])
@pytest.mark.parametrize("name", ["mxfp6_e3m2", "fp8_e5m2"])
def test_quantize_a_gguf_file(run, gguf, tmp_path, ending, name):
    path, want = gguf
    out = tmp_path / f"out.{ending}"
    result = run("quantize", path, "--to", name, "-o", out)
    assert result.exit_code == 0 and "ids is copied" in result.stderr, result.stderr
    written = {t.name: t.load() for t in open_tensors(out)}
    assert written.pop("ids").tolist() == [0, 1, 2, 3, 4] and written.keys() == want.keys()
    for key, x in want.items():
        assert written[key].dtype == x.dtype and np.array_equal(written[key], nf.quantize(x, name)), key
    assert "must end in .npz or .safetensors" in run("quantize", path, "--to", name, "-o", tmp_path / "o.gguf").stderr


def test_a_damaged_gguf_file_is_one_line(run, tmp_path):
    (tmp_path / "x.gguf").write_bytes(b"GGUF" + bytes(30))
    result = run("report", tmp_path / "x.gguf")
    assert result.exit_code == 1 and len(result.stderr.splitlines()) == 1 and "x.gguf" in result.stderr
