"""`numfmt report`: figures against an independent computation, outputs, and memory."""

import csv
import html.parser
import io
import json
import math
import subprocess
import sys

import numpy as np
import pytest

import numfmt as nf
from numfmt.cli.measure import Scale, Spread, scale_of, scale_target

FEW = "--formats", "fp8_e4m3fn,int8,posit8,bfloat16"


def expected(x, name, scale):
    """The figures of one tensor, written out in NumPy on the whole array at once."""
    x = np.asarray(x, np.float64).reshape(-1)
    fmt = nf.get(name)
    scaled = x / scale
    y = nf.quantize(scaled, fmt)
    finite = np.isfinite(scaled) & np.isfinite(y)
    error = np.abs(scaled - y)[finite]
    kept = scaled[finite]
    with np.errstate(divide="ignore"):
        return {
            "sqnr": 10 * np.log10(np.sum(kept**2) / np.sum(error**2)),
            "max_rel_error": np.max(error[kept != 0] / np.abs(kept[kept != 0]), initial=0.0),
            "saturated": int(np.sum(((scaled > fmt.max) | (scaled < fmt.min)) & np.isfinite(y))),
            "flushed": int(np.sum((x != 0) & (y == 0))),
            "subnormal": int(np.sum((y != 0) & (np.abs(y) < fmt.smallest_normal))),
            "nan": int(np.sum(np.isnan(x))),
        }


def pow2_scale(x, target):
    """Smallest power of two s with max|x| / s <= target, by search."""
    largest, s = float(np.max(np.abs(x))), 2.0**-300
    while largest / s > target:
        s *= 2
    return s


def row(results, name, group="all"):
    return next(r for r in results if r["format"] == nf.get(name).name and r["group"] == group)


# ---- figures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["fp8_e4m3fn", "fp8_e5m2", "fp4_e2m1", "int8", "nf4", "posit8", "takum8", "hif8", "ternary"]
)
def test_figures_of_a_file_equal_a_direct_computation(run_json, npy, name):
    x = np.load(npy)
    found = row(run_json("report", npy, "--formats", name, "--json")["results"], name)
    scale = pow2_scale(x, scale_target(nf.get(name)))
    want = expected(x, name, scale)
    assert found["scale"] == "pow2" and found["smallest_scale"] == scale
    # Sums of 2000 squares in two orders differ by far less than 1e-9 of themselves.
    assert found["sqnr_db"] == pytest.approx(want["sqnr"], abs=1e-8)
    assert found["max_rel_error"] == pytest.approx(want["max_rel_error"], rel=1e-14)
    assert {k: found[k] for k in ("saturated", "flushed", "subnormal", "nan")} == {
        k: want[k] for k in ("saturated", "flushed", "subnormal", "nan")
    }
    assert found["flushed_share"] == want["flushed"] / x.size


@pytest.mark.parametrize("name", ["fp8_e4m3fn", "int8", "fp4_e2m1", "binary16", "posit16", "p3109_k8p4se", "uint8"])
def test_unscaled_figures_equal_the_conversion_report_of_the_library(run_json, tmp_path, name):
    rng = np.random.default_rng(1)
    x = (rng.standard_normal(3000) * 10.0 ** rng.uniform(-8, 5, 3000)).astype(np.float32)
    x[:5] = 0, -0.0, 1, 300, 7e4
    np.save(tmp_path / "x.npy", x)
    found = row(run_json("report", tmp_path / "x.npy", "--formats", name, "--scale", "none", "--json")["results"], name)
    want = nf.quantize(x, name, report=True)[1].as_dict()
    for key in ("elements", "saturated", "overflowed", "flushed", "subnormal", "nan"):
        assert found[key] == want[key], key
    assert float(found["sqnr_db"]) == pytest.approx(want["sqnr_db"], abs=1e-8)
    assert found["max_rel_error"] == pytest.approx(want["max_rel_error"], rel=1e-14)


def test_absmax_scale(run_json, npy):
    x = np.load(npy)
    found = row(run_json("report", npy, "--formats", "int8", "--scale", "absmax", "--json")["results"], "int8")
    scale = float(np.max(np.abs(x))) / 127
    assert found["largest_scale"] == scale
    assert found["sqnr_db"] == pytest.approx(expected(x, "int8", scale)["sqnr"], abs=1e-8)


def test_groups_average_the_noise_of_tensors_by_elements(run_json, npz, arrays):
    results = run_json("report", npz, "--formats", "fp8_e4m3fn", "--json")["results"]
    assert {r["group"] for r in results} == {"all", "weight", "activation"}
    noise = 0.0
    for name in ("weight/a", "weight/b"):
        x = arrays[name]
        sqnr = expected(x, "fp8_e4m3fn", pow2_scale(x, 448))["sqnr"]
        noise += x.size * 10 ** (-sqnr / 10)
    want = -10 * math.log10(noise / (arrays["weight/a"].size + arrays["weight/b"].size))
    assert row(results, "fp8_e4m3fn", "weight")["sqnr_db"] == pytest.approx(want, abs=1e-8)


def test_group_tensor_and_none_and_patterns(run_json, npz):
    args = "report", npz, "--formats", "int8", "--json"
    per_tensor = run_json(*args, "--group", "tensor", "--tensors", "weight/*")["results"]
    assert [r["group"] for r in per_tensor] == ["all", "weight/a", "weight/b"]
    assert [r["group"] for r in run_json(*args, "--group", "none")["results"]] == ["all"]


def test_integers_count_only_by_themselves(run_json, npz):
    found = run_json("report", npz, "--formats", "int8", "--json")
    assert "index" in {t["name"] for t in found["skipped"]} and "index" not in {t["name"] for t in found["tensors"]}
    alone = run_json("report", npz, "--formats", "int8", "--tensors", "index", "--json")
    assert alone["results"][0]["elements"] == 12 and alone["results"][0]["sqnr_db"] == "inf"


def test_nan_infinities_and_empty_power(run_json, tmp_path):
    x = np.array([np.nan, np.inf, -np.inf, 1.0, 0.25, 0.0], np.float32)
    np.savez(tmp_path / "x.npz", x=x, zeros=np.zeros(4, np.float32))
    results = run_json("report", tmp_path / "x.npz", "--formats", "int8,fp8_e4m3fn,binary16,binary", "--json")[
        "results"
    ]
    for name in ("int8", "fp8_e4m3fn", "binary16"):
        found = row(results, name)
        assert found["nan"] == 1 and found["elements"] == 10
        assert found["saturated"] == (0 if name == "binary16" else 2)
        assert found["sqnr_db"] == "inf"  # 1 and 0.25 are exact everywhere
    assert row(results, "binary")["nan"] == 1


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8", "<f2", "i1", "u2", "i4", "i8"])
def test_any_stored_dtype_gives_the_figures_of_its_values(run_json, tmp_path, dtype):
    x = (np.random.default_rng(5).standard_normal((30, 40)) * 30).astype(dtype)
    np.save(tmp_path / "x.npy", np.asfortranarray(x))
    found = row(run_json("report", tmp_path / "x.npy", "--formats", "fp6_e3m2", "--json")["results"], "fp6_e3m2")
    scale = pow2_scale(x.astype(np.float64), 28)
    assert found["sqnr_db"] == pytest.approx(expected(x.astype(np.float64), "fp6_e3m2", scale)["sqnr"], abs=1e-8)


def test_magnitudes_at_both_ends_of_binary32(run_json, tmp_path):
    x = np.array([2.0**-149, -(2.0**-140), 2.0**-126, 3e-39], np.float32)
    for name, array in (
        ("small", x),
        ("large", np.array([3.4e38, -1e38, 1.0], np.float32)),
        ("both", np.append(x, 3e38)),
    ):
        np.save(tmp_path / "x.npy", array)
        for fmt in ("fp8_e4m3fn", "int8", "takum8", "posit16", "takum16", "bfloat16"):
            found = row(run_json("report", tmp_path / "x.npy", "--formats", fmt, "--json")["results"], fmt)
            want = expected(array, fmt, found["largest_scale"])
            assert found["flushed"] == want["flushed"], (name, fmt)
            assert float(found["sqnr_db"]) == pytest.approx(float(want["sqnr"]), abs=1e-6), (name, fmt)


@pytest.mark.parametrize(
    ("name", "target"),
    [("fp8_e4m3fn", 448), ("fp8_e5m2", 57344), ("int8", 127), ("uint8", 255), ("nf4", 1), ("ternary", 1),
     ("fp4_e2m1", 6), ("posit8", 16), ("hif8", 16), ("binary16", 65504), ("p3109_k8p4se", 224),
     ("lns8_4", 2 ** (63 / 16))],
)  # fmt: skip
def test_scale_targets(name, target):
    assert scale_target(nf.get(name)) == pytest.approx(target, rel=1e-15)


def test_pow2_scale_is_the_smallest_that_fits():
    fmt = nf.get("int8")
    for largest in (1.0, 127.0, 127.1, 63.5, 254.0, 1e-30, 3e38):
        s = scale_of(fmt, Scale.POW2, Spread(largest=largest))
        assert largest / s <= 127 < 2 * largest / s and math.frexp(s)[0] == 0.5


@pytest.mark.parametrize("scale", ["none", "pow2"])
def test_formats_beyond_binary64(run_json, npy, scale):
    for name in ("p3109_k15p1ue", "p3109_k14p1sf", "fp24_e15m8"):
        found = run_json("report", npy, "--formats", name, "--scale", scale, "--json")["results"][0]
        negative = np.count_nonzero(np.load(npy) < 0)  # NaN in an unsigned P3109 format
        assert found["saturated"] == 0 and found["overflowed"] == (negative if nf.get(name).min >= 0 else 0)


# ---- outputs -------------------------------------------------------------------------------------------------------


def test_terminal_table_fits(run, npz):
    for columns in (80, 120):
        result = run("report", npz, *FEW, columns=str(columns))
        assert result.exit_code == 0 and max(map(len, result.stdout.splitlines())) <= columns
        assert "…" not in result.stdout and "fp8_e4m3fn" in result.stdout and "2 more" not in result.stderr
        assert "text is left out: not real numbers" in result.stderr


def test_embedded_tensors_are_the_default(run_json):
    found = run_json("report", "--formats", "fp8_e4m3fn", "--tensors", "*norm*", "--json")
    assert {r["group"] for r in found["results"]} == {"all", "weight", "activation", "gradient"}
    assert found["source"].startswith("embedded")


def test_json_to_a_file_and_to_the_output(run, npy, tmp_path):
    out = tmp_path / "out.json"
    assert "SQNR" in run("report", npy, *FEW, "--json", out).stdout
    printed = json.loads(run("report", npy, *FEW, "--json").stdout)
    assert json.loads(out.read_text()) == printed == json.loads(run("report", "--json", "-", npy, *FEW).stdout)


def test_csv_has_a_line_per_format_and_group(run, npz, tmp_path):
    out = tmp_path / "out.csv"
    assert run("report", npz, *FEW, "--csv", out).exit_code == 0
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert {r["format"] for r in rows} == {"fp8_e4m3fn", "int8", "posit8_2", "bfloat16"}
    assert all(float(r["sqnr_db"]) > 0 and 0 <= float(r["flushed_share"]) <= 1 for r in rows)
    assert list(csv.DictReader(io.StringIO(run("report", npz, *FEW, "--csv", "-").stdout))) == rows


def test_html_is_one_small_self_contained_page(run, npz, tmp_path):
    out = tmp_path / "out.html"
    assert run("report", npz, *FEW, "--html", out).exit_code == 0
    text = out.read_text()
    parser = html.parser.HTMLParser()
    parser.feed(text)
    assert len(text) < 20_000 and "http" not in text and "<script" not in text
    assert (text.count("<tr") == 1 + 4 and "prefers-color-scheme" in text) or "color-scheme: light dark" in text


@pytest.mark.parametrize(("ending", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_plot(run, npz, tmp_path, ending, magic):
    pytest.importorskip("matplotlib")
    out = tmp_path / f"out.{ending}"
    result = run("report", npz, *FEW, "--plot", out)
    assert result.exit_code == 0, result.stderr
    assert out.read_bytes().startswith(magic)


def test_plot_labels_do_not_overlap():
    from numfmt.cli.plot import _spread

    heights = [31.5, 31.4, 31.5, 25.0, 31.5, 27.1, 37.9, 35.9, 31.5]
    placed = sorted(_spread(heights, 2.0))
    assert np.diff(placed).min() >= 2.0 - 1e-12
    assert _spread([1.0, 9.0], 2.0) == [1.0, 9.0]


def test_plot_kind_is_checked_before_the_work(run, npy, tmp_path):
    result = run("report", npy, "--plot", tmp_path / "out.gif")
    assert result.exit_code == 1 and "--plot must end in .png" in result.stderr


def test_outputs_into_a_missing_folder(run, npy, tmp_path):
    result = run("report", npy, *FEW, "--csv", tmp_path / "nope" / "out.csv")
    assert result.exit_code == 1 and len(result.stderr.splitlines()) == 1


# ---- large files ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_100_mb_file_takes_less_than_four_times_its_memory(tmp_path):
    path = tmp_path / "large.npy"
    np.save(path, np.random.default_rng(0).standard_normal(25_000_000, np.float32))
    code = (
        "import resource, sys\n"
        "from numfmt.cli.app import app\n"
        "try: app()\n"
        "finally: print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, "report", path], capture_output=True, text=True, timeout=1800, check=True
    )
    peak = int(result.stdout.rpartition("peak ")[2])
    assert peak < 4 * path.stat().st_size


# ---- block formats -------------------------------------------------------------------------------------------------


def padded_blocks(x, block):
    """Rows of blocks along the last axis, filled up with zeros, and which elements are not filling."""
    *_, length = x.shape
    wide = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, -length % block)])
    return wide.reshape(-1, block)


def test_affine_blocks_saturate_beyond_their_own_ends(run_json, npy):
    x, fmt = np.load(npy).astype(np.float64), nf.get("uint4_g32")
    blocks = padded_blocks(x, 32)
    keep, saturated = padded_blocks(np.ones_like(x), 32) == 1, 0
    for block, real in zip(blocks, keep, strict=True):
        b = nf.encode(block, fmt)
        scale, zero = float(b.scale_values[0]), int(b.zero_points[0])
        saturated += np.sum(((block < (0 - zero) * scale) | (block > (15 - zero) * scale))[real])
    assert (
        0
        < saturated
        == row(run_json("report", npy, "--formats", "uint4_g32", "--json")["results"], "uint4_g32")["saturated"]
    )
    padded = np.pad(x, [(0, 0), (0, -x.shape[1] % 32)])  # filling never saturates
    assert nf.quantize(padded, fmt, report=True)[1].saturated == saturated


@pytest.mark.parametrize("name", ["mxfp4", "mxfp8_e4m3", "mxint8", "msfp12", "int4_g32"])
def test_figures_of_block_formats_equal_those_of_each_block_by_itself(run_json, npy, name):
    x, fmt = np.load(npy).astype(np.float64), nf.get(name)
    found = row(run_json("report", npy, "--formats", name, "--json")["results"], name)
    blocks, scales, values = padded_blocks(x, fmt.block), [], []
    for block in blocks:
        b = nf.encode(block, fmt)
        scales.append(float(b.scale_values[0]))
        values.append(np.asarray(nf.decode(nf.Encoded(b.codes, fmt.element)), np.float64) * scales[-1])
    keep = padded_blocks(np.ones_like(x), fmt.block) == 1
    unit = np.repeat(scales, fmt.block).reshape(blocks.shape)[keep]
    before, after = blocks[keep], np.array(values)[keep]
    error = np.abs(before - after)
    largest = float(fmt.encoded_element.max)
    assert found["sqnr_db"] == pytest.approx(10 * np.log10(np.sum(before**2) / np.sum(error**2)), abs=1e-8)
    assert found["max_rel_error"] == pytest.approx(np.max(error / np.abs(before)), rel=1e-14)
    assert found["saturated"] == np.sum(np.abs(before) > largest * unit)
    assert found["flushed"] == np.sum((before != 0) & (after == 0))
    assert found["subnormal"] == np.sum((after != 0) & (np.abs(after) < float(fmt.element.smallest_normal) * unit))
    assert (found["scale"], found["bits"]) == ("block", fmt.bits_per_element)
    assert (found["smallest_scale"], found["largest_scale"]) == (min(scales), max(scales))


def test_report_pads_and_adds_axes_so_that_every_format_sees_every_tensor(run_json, npz, arrays):
    names = "mxfp4,nvfp4,fp8_e4m3_128x128,nf4_b64_dq,q4_0,int8_tensor,uint4_affine,mxfp4_plus,mx6,sherry,fp8_e4m3fn"
    results = run_json("report", npz, "--formats", names, "--json")["results"]
    count = sum(a.size for name, a in arrays.items() if "/" in name)
    for name in names.split(","):
        assert row(results, name)["elements"] == count, name
    assert row(results, "mx6")["saturated"] is None and row(results, "mx6")["subnormal_share"] is None


def test_report_counts_what_is_not_finite_in_block_formats_too(run_json, tmp_path):
    x = np.linspace(-3, 3, 256, dtype=np.float32)
    x[[3, 200]] = np.nan, np.inf
    np.save(tmp_path / "x.npy", x)
    results = run_json("report", tmp_path / "x.npy", "--formats", "nvfp4,mxfp4,int8_tensor", "--json")["results"]
    assert [row(results, name)["nan"] for name in ("nvfp4", "mxfp4", "int8_tensor")] == [1, 1, 1]
    assert row(results, "mxfp4")["overflowed"] == 63, "the infinity, and 31 finite elements beside each of the two"


def test_report_of_block_formats_on_screen_as_page_and_as_picture(run, npz, tmp_path):
    pytest.importorskip("matplotlib")
    page, picture = tmp_path / "r.html", tmp_path / "r.png"
    args = ("report", npz, "--formats", "mxfp4,mx6,int4", "--html", page, "--plot", picture)
    text = run(*args, columns="80").stdout
    assert " 4.25 block" in text and max(map(len, text.splitlines())) <= 80
    assert "block: the format's own scales" in text and " -" in text and "A dash: the format has no one" in text
    assert "(--scale)" in text and "(--scale)" not in run("report", npz, "--formats", "mxfp4").stdout
    assert "<td>4.25</td><td class=left>block</td>" in page.read_text() and picture.read_bytes()[:4] == b"\x89PNG"


def test_decode_only_and_complex_block_formats_are_refused_by_name(run, npy):
    for name in ("q4_k", "fairy"):
        result = run("report", npy, "--formats", f"mxfp4,{name}")
        assert result.exit_code == 1 and name in result.stderr and len(result.stderr.splitlines()) == 1


def test_figures_of_block_formats_do_not_depend_on_the_pieces(run_json, npz, monkeypatch):
    from numfmt.cli import pieces

    args = ("report", npz, "--formats", "mxfp4,nvfp4,uint4_affine_tensor,ternary_absmean", "--json")
    whole = run_json(*args)["results"]
    monkeypatch.setattr(pieces.block_pieces, "__defaults__", (None, 64))
    for a, b in zip(whole, run_json(*args)["results"], strict=True):
        # Sums of a few thousand squares in two orders differ by far less than 1e-9 of themselves.
        assert a.pop("sqnr_db") == pytest.approx(b.pop("sqnr_db"), abs=1e-8) and a == b
