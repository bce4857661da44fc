"""Files of vectors, read by readers that share nothing with the writer; hostile files; reproducible bytes."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import struct
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

import numfmt as nf
from numfmt import vectors
from numfmt.errors import ArgumentError, VectorFileError
from numfmt.vectors.layouts import Column, hex_rows, segments
from numfmt.vectors.operations import compute, resolve_policy

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def mul():
    return vectors.generate("mul", "fp8_e4m3fn")


@pytest.fixture(scope="module")
def boundary():
    return vectors.generate("fma", "binary16", set="boundary", columns=vectors.COLUMNS)


def rows_of(made):
    return list(zip(*(field.codes.tolist() for field in made.fields), strict=True))


# ---- independent readers -------------------------------------------------------------------------------------------


def test_testfloat_text_is_read_by_splitting_lines(mul, tmp_path):
    mul.write(tmp_path / "mul.txt", "testfloat")
    lines = (tmp_path / "mul.txt").read_text("ascii").splitlines()
    assert [tuple(int(word, 16) for word in line.split(" ")) for line in lines] == rows_of(mul)
    assert all([len(word) for word in line.split(" ")] == [2, 2, 2, 2] for line in lines)


def test_testfloat_text_is_the_one_that_testfloat_gen_prints():
    """First rows of Berkeley TestFloat 3e, ``testfloat_gen -seed 1 -level 1 f16_mul``, built for 8086-SSE."""
    printed = b"87FF E850 344F 01\n0000 857F 8000 00\n74FB E879 FC00 05\n"
    binary16 = nf.get("binary16")
    rows = np.array([[int(word, 16) for word in line.split()[:2]] for line in printed.splitlines()], np.uint16)
    policy = resolve_policy(binary16, None, None, "x86_sse", "after")
    found = compute("mul", (binary16, binary16), list(rows.T), binary16, policy)
    columns = [Column("a", 16), Column("b", 16), Column("z", 16), Column("flags", 5)]
    [table] = segments("testfloat", columns, 3, "f16_mul.txt", "")
    codes = {"a": rows[:, 0], "b": rows[:, 1], "z": found.codes, "flags": found.flags}
    text = b""
    for row in range(3):
        for part in table.parts:
            one = [codes[c.name][row : row + 1] for c in part] if isinstance(part, tuple) else None
            text += part if one is None else hex_rows(part, one, table.upper).tobytes()
    assert text == printed


def test_csv_is_read_by_splitting_lines(boundary, tmp_path):
    boundary.write(tmp_path / "fma.csv", "csv")
    head, *lines = (tmp_path / "fma.csv").read_text("ascii").splitlines()
    assert head.split(",") == [field.name for field in boundary.fields]
    assert [tuple(int(word, 16) for word in line.split(",")) for line in lines] == rows_of(boundary)


def test_memh_words_are_cut_where_the_parameters_say(boundary, tmp_path):
    boundary.write(tmp_path / "fma.hex", "memh")
    values = {}
    for line in (tmp_path / "fma.svh").read_text("ascii").splitlines():
        if line.startswith("localparam"):
            name, value = line.removeprefix("localparam ").rstrip(";").split(" = ")
            values[name] = int(value)
    words = [int(line, 16) for line in (tmp_path / "fma.hex").read_text("ascii").splitlines() if line[0] != "/"]
    assert values["N"] == len(words) == len(boundary)
    assert {"A_LSB", "A_W", "B_LSB", "C_LSB", "Z_LSB", "Z_W", "FLAGS_LSB", "MASK_W", "CLASS_W"} <= set(values)
    assert sum(value for name, value in values.items() if name.endswith("_W")) == values["W"]
    for field in boundary.fields:
        low, width = values[f"{field.name.upper()}_LSB"], values[f"{field.name.upper()}_W"]
        assert [word >> low & ((1 << width) - 1) for word in words] == field.codes.tolist()


def test_bin_is_read_by_struct(mul, tmp_path):
    mul.write(tmp_path / "mul.bin", "bin")
    assert list(struct.iter_unpack("<BBBB", (tmp_path / "mul.bin").read_bytes())) == rows_of(mul)


def test_bin_holds_wide_fields_in_16_bytes(tmp_path):
    made = vectors.generate("mul", "binary64", set="smoke", columns=["exact"])
    made.write(tmp_path / "mul.bin", "bin")
    found = list(struct.iter_unpack("<QQQBBQQH", (tmp_path / "mul.bin").read_bytes()))
    assert [(*row[:5], row[5] + (row[6] << 64), row[7]) for row in found] == rows_of(made)


def test_npz_is_read_by_numpy(boundary, tmp_path):
    boundary.write(tmp_path / "fma.npz", "npz")
    with np.load(tmp_path / "fma.npz", allow_pickle=False) as arrays:
        assert list(arrays) == [field.name for field in boundary.fields]
        assert all(np.array_equal(arrays[field.name], field.codes) for field in boundary.fields)


def test_the_c_header_compiles_and_holds_the_same_bytes(mul, tmp_path):
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    mul.write(tmp_path / "mul.h", "c")
    # FNV-1a of a, b, z, flags of each row, there and here.
    (tmp_path / "main.c").write_text(
        '#include <stdio.h>\n#include "mul.h"\nint main(void) { unsigned h = 2166136261u; int i;\n'
        "for (i = 0; i < MUL_N; i++) { h = (h ^ mul_a[i]) * 16777619u; h = (h ^ mul_b[i]) * 16777619u;\n"
        "h = (h ^ mul_z[i]) * 16777619u; h = (h ^ mul_flags[i]) * 16777619u; }\n"
        'printf("%d %d %u\\n", MUL_N, MUL_Z_W, h); return 0; }\n'
    )
    warnings = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    subprocess.run([compiler, *warnings, "-o", tmp_path / "main", tmp_path / "main.c"], check=True, timeout=60)
    shown = subprocess.run([tmp_path / "main"], check=True, capture_output=True, text=True, timeout=60).stdout
    digest = 2166136261
    for row in rows_of(mul):
        for code in row:
            digest = (digest ^ code) * 16777619 % (1 << 32)
    assert shown.split() == ["65536", "8", str(digest)]


# ---- a simulator ---------------------------------------------------------------------------------------------------


def simulate(folder: Path, unit: str) -> tuple[int, int, int]:
    """(exit status, rows, wrong rows) of the multiplier's test bench."""
    (folder / "unit.sv").write_text(unit)
    build = ["iverilog", "-g2012", "-Wall", "-o", "bench.vvp", "unit.sv", str(HERE / "e4m3fn_multiplier_tb.sv")]
    subprocess.run(build, cwd=folder, check=True, timeout=120)
    done = subprocess.run(["vvp", "-n", "bench.vvp"], cwd=folder, capture_output=True, text=True, timeout=120)
    result = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    n, bad = (int(word.partition("=")[2]) for word in result.split()[1:])
    return done.returncode, n, bad


needs_iverilog = pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")


@needs_iverilog
def test_a_multiplier_in_verilog_gives_every_vector(mul, tmp_path):
    mul.write(tmp_path / "mul.hex", "memh")
    manifest = json.loads((tmp_path / "mul.hex.json").read_text())
    unit = (HERE / "e4m3fn_multiplier.sv").read_text()
    assert simulate(tmp_path, unit) == (0, manifest["count"], 0)


@needs_iverilog
@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("sticky || kept[0]", "1'b1"),  # ties away
        ("sticky || kept[0]", "sticky"),  # ties toward zero
        ("field > 126", "field > 127"),  # 127 is NaN already, but with the sign of the product
        ("a[7] ^ b[7]", "a[7] | b[7]"),
        ("(a[6:3] == 0) ? 8'sd1", "(a[6:3] == 0) ? 8'sd0"),  # exponent of subnormals
        ("sticky = 1'b1;", "sticky = 1'b0;"),
    ],
)
def test_faults_in_the_multiplier_are_found(mul, tmp_path, line, fault):
    mul.write(tmp_path / "mul.hex", "memh")
    unit = (HERE / "e4m3fn_multiplier.sv").read_text()
    assert line in unit
    status, n, bad = simulate(tmp_path, unit.replace(line, fault))
    assert (status, n) == (1, 65536) and bad > 0


@needs_iverilog
def test_a_short_file_is_seen_in_the_count(mul, tmp_path):
    mul.write(tmp_path / "mul.hex", "memh")
    lines = (tmp_path / "mul.hex").read_bytes().splitlines(keepends=True)
    (tmp_path / "mul.hex").write_bytes(b"".join(lines[:-100]))
    _, n, _ = simulate(tmp_path, (HERE / "e4m3fn_multiplier.sv").read_text())
    assert n == 65536 - 100
    with pytest.raises(VectorFileError, match=r"mul.hex:65439: .*65536 vectors, 65436 are complete"):
        vectors.verify(tmp_path / "mul.hex")


# ---- reproducible, and verified ------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", vectors.LAYOUTS)
def test_files_remade_are_the_same_bytes(layout, tmp_path):
    options = {"set": "random", "n": 300, "seed": 5, "rounding": "toward_zero"}
    names = [p.name for p in vectors.generate("div", "bfloat16", **options).write(tmp_path / "div.x", layout)]
    before = [hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in names]
    vectors.generate("div", "bfloat16", **options).write(tmp_path / "div.x", layout)
    assert before == [hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in names]
    manifest = json.loads((tmp_path / "div.x.json").read_text())
    assert manifest["sha256"] == before[0] and manifest["count"] == 300
    result = vectors.verify(tmp_path / "div.x")
    assert result.ok and result.count == 300


def test_a_flipped_result_bit_is_found_and_explained(mul, tmp_path):
    mul.write(tmp_path / "mul.bin", "bin")
    raw = bytearray((tmp_path / "mul.bin").read_bytes())
    raw[4 * 0x3A51 + 2] ^= 1 << 3
    (tmp_path / "mul.bin").write_bytes(raw)
    result = vectors.verify(tmp_path / "mul.bin")
    assert not result.ok and not result.sha256_matches and result.wrong == 1
    [difference] = result.differences
    assert (difference.row, difference.field, difference.operands) == (0x3A51, "z", (0x3A, 0x51))
    assert (difference.expected, difference.found, difference.bits) == (0x53, 0x5B, (3,))
    for text in ("exact result: 11.25", "next below  0x53", "next above  0x54", "bit 3 differs"):
        assert text in str(result)


def test_a_flipped_operand_bit_is_found_even_where_the_result_stays(mul, tmp_path):
    mul.write(tmp_path / "mul.bin", "bin")
    raw = bytearray((tmp_path / "mul.bin").read_bytes())
    raw[4 * 1 + 1] = 3  # 0 * 3 in the row of 0 * 1: still 0
    (tmp_path / "mul.bin").write_bytes(raw)
    result = vectors.verify(tmp_path / "mul.bin")
    assert [(d.row, d.field, d.expected, d.found) for d in result.differences] == [(1, "b", 1, 3)]


# ---- hostile files -------------------------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path):
    def write(layout):
        vectors.generate("mul", "fp6_e2m3", set="smoke").write(tmp_path / "v.x", layout)
        return tmp_path / "v.x"

    return write


@pytest.mark.parametrize(
    ("layout", "damage", "reason"),
    [
        ("memh", lambda raw: raw[:-3], r"v\.x:258: an incomplete row"),
        ("memh", lambda raw: b"\xef\xbb\xbf" + raw, r"v\.x:1: the file begins with a byte order mark"),
        ("memh", lambda raw: raw.replace(b"\n", b"\r\n"), r"v\.x:1: the line ends in CR LF"),
        ("memh", lambda raw: raw + b"000000\n", r"v\.x:259: surplus text"),
        ("memh", lambda raw: raw[:-7] + b"xxxxxx\n", r"v\.x:258: .*x and z are no digits"),
        ("memh", lambda raw: raw[:-7] + b"ffffff\n", r"v\.x:258: "),
        ("csv", lambda raw: raw.replace(b"a,b", b"b,a", 1), r"v\.x:1: expected 'a,b,z,flags'"),
        ("csv", lambda raw: b"", r"v\.x:1: the file ends here"),
        ("testfloat", lambda raw: b"\xef\xbb\xbf" + raw, r"v\.x:1: the file begins with a byte order mark"),
        ("testfloat", lambda raw: raw.replace(b"\n", b"\r\n"), r"v\.x:1: the line ends in CR LF"),
        ("testfloat", lambda raw: raw.lower(), r"v\.x:\d+: "),
        ("c", lambda raw: raw.replace(b"#endif", b"#error"), r"v\.x:\d+: expected '#endif'"),
        ("bin", lambda raw: raw[:-1], r"v\.x:1: 1023 bytes, but 256 records of 4 bytes make 1024"),
        ("bin", lambda raw: raw + b"\0" * 100000, r"v\.x:1: more than 1024 bytes"),
        ("bin", lambda raw: b"\xff" + raw[1:], r"v\.x:1: row 0: a is 0xff, beyond its 64 codes"),
        ("npz", lambda raw: raw[:100], r"v\.x:1: no archive of arrays"),
        ("npz", lambda raw: b"\x80\x04cos\nsystem\n.", r"v\.x:1: no archive of arrays"),
        ("npz", lambda raw: raw.replace(b"a.npy", b"q.npy"), r"v\.x:1: members must be"),
    ],
)
def test_damaged_data_names_file_line_and_reason(small, layout, damage, reason):
    path = small(layout)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(VectorFileError, match=reason):
        vectors.verify(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 100000,
        '{"a":' * 60,
        "[[[[[1]]]]]",
        "NaN",
        '{"count": 1e400}',
        "9" * 5000,
        "\ufeff{}",
        "null",
        "\0" * 100,
        "{}" + " " * 70000,
        '{"op": 1, "op": 2}',
    ],
)
def test_manifests_that_are_none_are_refused(small, text):
    path = small("csv")
    path.with_name("v.x.json").write_text(text, encoding="utf-8")
    with pytest.raises(VectorFileError, match=r"v\.x\.json:\d+: "):
        vectors.verify(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("count", 10**12),
        ("count", 0),
        ("count", 255),
        ("count", True),
        ("count", "256"),
        ("count", -1),
        ("seed", None),
        ("op", "__class__"),
        ("op", "add"),
        ("formats", ["fp6_e2m3"]),
        ("formats", ["x" * 10**4, "y"]),
        ("formats", ["fp6_e2m3", "int999999"]),
        ("fmt", "fp8_e4m3fn"),
        ("layout", "xml"),
        ("policy", {}),
        ("policy", {"rounding": "stochastic_a", "overflow": "saturate", "nan": "canonical", "tininess": "after"}),
        ("fields", [["a", 6], ["b", 6], ["z", 6], ["flags", 5], ["a", 6]]),
        ("fields", [["a", 6], ["b", 6], ["z", 6], ["flags", 5], ["surplus", 10**9]]),
        ("columns", ["exact"]),
        ("sha256", "0" * 63),
        ("version", 2),
        ("tool", "a\nb"),
        ("surplus", 1),
    ],
)
def test_manifests_that_lie_are_refused_or_reported(small, key, value):
    path = small("bin")
    manifest = json.loads(path.with_name("v.x.json").read_text())
    manifest[key] = value
    path.with_name("v.x.json").write_text(json.dumps(manifest))
    if key == "op" and value == "add":  # a legal manifest: then nearly all rows are wrong
        assert vectors.verify(path).wrong > 100
        return
    with pytest.raises(VectorFileError, match=r"v\.x"):
        vectors.verify(path)


@pytest.mark.parametrize("layout", vectors.LAYOUTS)
def test_random_damage_is_an_error_or_a_report_and_never_passes(small, layout):
    path = small(layout)
    original, dice = path.read_bytes(), random.Random(layout)
    for _ in range(60):
        raw = bytearray(original)
        at = dice.randrange(len(raw))
        match dice.randrange(4):
            case 0:
                raw[at] ^= 1 << dice.randrange(8)
            case 1:
                del raw[at:]
            case 2:
                raw[at:at] = dice.randbytes(dice.randrange(1, 9))
            case 3:
                del raw[at : at + dice.randrange(1, 9)]
        path.write_bytes(raw)
        start = time.perf_counter()
        try:
            assert not vectors.verify(path).ok or bytes(raw) == original
        except VectorFileError as err:
            assert str(err).startswith("v.x:")
        assert time.perf_counter() - start < 5


def test_missing_files_are_named(tmp_path):
    with pytest.raises(VectorFileError, match=r"nothing\.hex\.json:1: there is no such file"):
        vectors.verify(tmp_path / "nothing.hex")


def test_what_a_layout_cannot_hold_is_refused_before_anything_is_written(boundary, tmp_path):
    wide = vectors.generate("mul", "binary64", set="smoke", columns=["exact"])
    for made, name, layout in (
        (boundary, "v.txt", "testfloat"),
        (wide, "v.h", "c"),
        (boundary, "v.hex", "vhdl"),
        (boundary, "v.svh", "memh"),
        (boundary, "no/such/folder.csv", "csv"),
    ):
        with pytest.raises(ArgumentError):
            made.write(tmp_path / name, layout)
    assert list(tmp_path.iterdir()) == []
