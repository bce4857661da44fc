"""`numfmt list`, `show`, `table`, `values`, `compare-profiles`: what they print, as text and as JSON."""

import json
import os
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

import numfmt as nf


def numfmt(*args, **environment):
    command = [sys.executable, "-m", "numfmt", *args]
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")} | environment
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=120)


# ---- list ----------------------------------------------------------------------------------------------------------


def test_list_json_holds_every_format(run_json):
    entries = run_json("list", "--json")
    assert [e["name"] for e in entries] == nf.names()
    e4m3fn = next(e for e in entries if e["name"] == "fp8_e4m3fn")
    assert e4m3fn["max"] == 448 and e4m3fn["smallest"] == 2.0**-9 and "float8_e4m3fn" in e4m3fn["aliases"]
    assert "OCP" in e4m3fn["source"] and e4m3fn["bits"] == 8


def test_list_groups_families_and_cuts_the_large_ones(run):
    text = run("list").stdout
    assert text.index("Floating point, more than 8 bits") < text.index("Posits") < text.index("IEEE P3109 draft")
    assert len(text.split("block format")[0].splitlines()) < 160 and "more: numfmt list 'p3109*'" in text
    assert all(f"p3109_k{k}p1ue" in run("list", "p3109*").stdout for k in range(3, 16))


@pytest.mark.parametrize("columns", [80, 120])
def test_list_keeps_within_the_terminal(run, columns):
    assert max(map(len, run("list", columns=str(columns)).stdout.splitlines())) <= columns


def test_list_finds_aliases_and_names_of_the_grammar(run_json):
    assert [e["name"] for e in run_json("list", "bf16*", "--json")] == ["bfloat16"]
    assert [e["name"] for e in run_json("list", "fp12_e5m6", "--json")] == ["fp12_e5m6"]


def test_list_of_nothing_says_so(run):
    result = run("list", "fp9000*")
    assert result.exit_code == 1 and "no format matches 'fp9000*'" in result.stderr


# ---- show ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", nf.names("fp*", kind="scalar") + nf.names("posit*") + nf.names("takum*") + ["lns8_4", "nf4", "hif8"]
)
def test_show_prints_facts_and_defaults(run, name):
    result = run("show", name)
    assert result.exit_code == 0
    assert all(label in result.stdout for label in ("largest", "default rounding", "default overflow", "default NaN"))


def test_show_every_codebook_integer_and_complex_format(run_json):
    for name in ("fourth_roots", "binary", "ternary", "int2", "uint32", "int32_f31", "ufp8_e8m0", "p3109_k15p1ue"):
        facts = run_json("show", name, "--json")["format"]
        assert facts["name"] == name and facts["bits"] == nf.get(name).bits


def test_show_facts_of_e4m3fn_are_those_of_the_ocp_table(run_json):
    facts = run_json("show", "e4m3fn", "--json")["format"]  # OCP OFP8 rev 1.0, table 1
    assert (facts["bias"], facts["max"], facts["smallest_normal"], facts["smallest"]) == (7, 448, 2.0**-6, 2.0**-9)
    assert facts["fields"] == {"sign": 1, "exponent": 4, "mantissa": 3}
    assert (facts["has_inf"], facts["nan_codes"]) == (False, 2)
    assert facts["defaults"] == {"rounding": "nearest_even", "overflow": "saturate", "nan": "canonical"}


@pytest.mark.parametrize(
    ("text", "code"),
    [("0.1", 0x1D), ("1/3", 0x2B), ("-1/3", 0xAB), ("500", 0x7E), ("inf", 0x7E), ("-inf", 0xFE), ("nan", 0x7F),
     ("-0", 0x80), ("0x3a", 0x3A), ("0b111", 0x07), ("0x1.8p-3", 0x24), ("1e-30", 0x00), ("+2", 0x40)],
)  # fmt: skip
def test_show_encodes_numbers_and_reads_codes(run_json, text, code):
    (entry,) = run_json("show", "fp8_e4m3fn", text, "--json")["values"]
    assert entry["code"] == code and int(entry["bits"], 2) == code
    assert "".join(bits for _, bits in entry["fields"]) == entry["bits"]


def test_show_takes_decimals_exactly(run_json):
    # 0.1 lies four fifths of the way from 3/32 (0x1c) to 13/128 (0x1d).
    (entry,) = run_json("show", "fp8_e4m3fn", "0.1", "--json")["values"]
    assert (entry["below"]["code"], entry["above"]["code"]) == (0x1C, 0x1E)
    error = Fraction(13, 128) - Fraction(1, 10)
    assert (entry["error"], entry["absolute_error"]) == (float(error), float(error))
    assert (entry["relative_error"], entry["position_ulps"]) == (float(error * 10), 0.8)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("2.5",), "a tie, exactly at the breakpoint 2.5; nearest_even rounds down to 2"),
        (("2.5", "--rounding", "toward_positive"), "toward_positive rounds up to 3"),
        (("300",), "above the largest value 127: rounding nearest_even, overflow saturate give 127"),
        (("-1000",), "below the lowest value -128"),
        (("5",), "exact"),
        (("0",), "exact"),
    ],
)
def test_show_explains_the_rounding(run, args, words):
    assert words in " ".join(run("show", "int8", *args).stdout.split())


def test_show_follows_options(run_json):
    def code(*options):
        return run_json("show", "fp8_e4m3fn", "500", "--json", *options)["values"][0]["code"]

    assert code("--overflow", "nonsaturating") == 0x7F
    assert code("--profile", "ml_dtypes") == 0x7F
    got = run_json("show", "fp8_e5m2", "0.1", "--rounding", "stochastic_a", "--random", "3", "--json")["values"][0][
        "code"
    ]
    assert got == nf.encode([Fraction(1, 10)], "fp8_e5m2", rounding="stochastic_a", random=3).codes[0]


@pytest.mark.parametrize("name", ["binary64", "takum32", "posit32", "lns8_4", "takum_log8", "binary32", "fp24_r300"])
def test_show_a_value_fits_80_columns(run, name):
    result = run("show", name, "0.1", "-3.7", "1e30", columns="80")
    assert result.exit_code == 0 and max(map(len, result.stdout.splitlines())) <= 80
    assert "…" not in result.stdout


def test_show_complex(run_json):
    values = run_json("show", "fourth_roots", "1+2j", "0x3", "--json")["values"]
    assert [v["code"] for v in values] == [1, 3]


@pytest.mark.parametrize("text", ["abc", "1/0", "--bogus", "0xzz", "1e99999999999"])
def test_show_refuses_what_is_no_number(run, text):
    result = run("show", "fp8_e4m3fn", text)
    assert result.exit_code == 2


# ---- table, values -------------------------------------------------------------------------------------------------


def test_table_lists_codes_bits_and_values(run, run_json):
    rows = run_json("table", "fp4_e2m1", "--json")
    assert [r["value"] for r in rows[:8]] == ["0", "0.5", "1", "1.5", "2", "3", "4", "6"]  # OCP MX v1.0 table 5
    assert rows[9] == {
        "code": 9, "bits": "1001", "fields": {"sign": "1", "exponent": "00", "mantissa": "1"}, "value": "-0.5"
    }  # fmt: skip
    assert run("table", "fp4_e2m1").stdout.count("0x") == 16


def test_table_limit_and_start(run, run_json):
    rows = run_json("table", "binary16", "--start", "31744", "--limit", "2", "--json")
    assert [r["value"] for r in rows] == ["inf", "nan"]
    result = run("table", "binary16", "--limit", "8")
    assert "codes 0 to 7 of 65536" in result.stderr
    assert run("table", "int8", "--start", "256").exit_code == 1


def test_values_are_sorted_distinct_and_plain(run):
    lines = run("values", "fp8_e4m3fn").stdout.splitlines()
    values = [float(line) for line in lines]
    assert values == sorted(set(values)) and len(values) == nf.get("fp8_e4m3fn").value_count
    table = nf.get("fp8_e4m3fn").table
    assert set(values) == set(table[np.isfinite(table)].tolist())


def test_values_json_and_too_wide(run, run_json):
    assert run_json("values", "ternary", "--json") == [-1, 0, 1]
    result = run("values", "binary32", "--json")
    assert result.exit_code == 1 and "at most 16 bits" in result.stderr


def test_values_may_be_piped_into_head():
    command = f"{sys.executable} -m numfmt values binary32 | head -n 2"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=120)
    assert len(result.stdout.splitlines()) == 2 and result.stderr == ""


# ---- compare-profiles ----------------------------------------------------------------------------------------------


def test_compare_profiles(run, run_json):
    found = run_json("compare-profiles", "fp8_e4m3fn", "ocp_sat", "ocp_nonsat", "--json")["differences"]
    assert len(found) == len(nf.compare_profiles("fp8_e4m3fn", "ocp_sat", "ocp_nonsat")) == 4
    assert found[0]["input"] == "+infinity" and found[0]["first"] == "inf"
    assert (found[0]["ocp_sat"]["value"], found[0]["ocp_nonsat"]["value"]) == ("448", "nan")
    text = run("compare-profiles", "fp8_e4m3fn", "ocp_sat", "ocp_nonsat").stdout
    assert "464.00000000000006 to 1.7976931348623157e+308" in text
    assert "the same" in run("compare-profiles", "fp8_e4m3fn", "ocp_sat", "ocp_sat").stdout


def test_compare_profiles_loses_nothing_on_a_narrow_terminal(run):
    text = run("compare-profiles", "ufp8_e8m0", "torch", "onnx", columns="80").stdout
    assert "…" not in text and max(map(len, text.splitlines())) <= 80
    assert text.count("onnx") == 1 + len(nf.compare_profiles("ufp8_e8m0", "torch", "onnx"))


# ---- manners -------------------------------------------------------------------------------------------------------


def test_version_and_help(run):
    assert run("--version").stdout == f"numfmt {nf.__version__}\n"
    for command in ("list", "show", "table", "values", "report", "quantize", "compare-profiles"):
        help_text = run(command, "--help")
        assert help_text.exit_code == 0 and "--json" in help_text.stdout


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("show", "fp8_e4m3"), "ambiguous; it could mean: fp8_e4m3fn"),
        (("show", "fp8_e4m3fm"), "unknown format name 'fp8_e4m3fm'; nearest names: fp8_e4m3fn"),
        (("show", "int8", "0x100"), "code must be in [0, 0x100)"),
        (("show", "int8", "nan"), "pass nan='zero'"),
        (("show", "int8", "1", "--rounding", "up"), "rounding must be a Rounding"),
        (("show", "int8", "1", "--profile", "x"), "unknown profile 'x'"),
        (("report", "--formats", "int8,nope"), "unknown format name 'nope'"),
        (("report", "--formats", "fourth_roots"), "complex"),
        (("report", "--tensors", "nope"), "no tensor of embedded"),
    ],
)
def test_errors_are_one_line_and_exit_code_1(run, args, words):
    result = run(*args)
    assert result.exit_code == 1 and result.stdout == ""
    assert words in result.stderr and result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1 and "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "args", [(), ("nope",), ("show",), ("report", "--scale", "x"), ("table", "int8", "--limit", "0")]
)
def test_bad_usage_is_exit_code_2(run, args):
    assert run(*args).exit_code == 2


def test_colours_only_when_wanted():
    escape = "\x1b["
    assert escape not in numfmt("show", "fp8_e4m3fn", "0.1").stdout  # a pipe
    assert escape in numfmt("show", "fp8_e4m3fn", "0.1", FORCE_COLOR="1").stdout
    plain = numfmt("show", "fp8_e4m3fn", "0.1", FORCE_COLOR="1", NO_COLOR="1").stdout
    assert "38;2" not in plain and "[31" not in plain and "[36m" not in plain
    error = numfmt("show", "nope", FORCE_COLOR="1")
    assert error.returncode == 1 and "\x1b[1;31merror:" in error.stderr
    json.loads(numfmt("show", "int8", "--json", FORCE_COLOR="1").stdout)


def test_import_of_the_package_leaves_the_command_line_alone():
    code = "import sys, numfmt; print(sorted({m.partition('.')[0] for m in sys.modules} & {'typer', 'rich', 'numba'}))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_missing_extra_names_the_command_to_run():
    code = "import sys; sys.modules['typer'] = None; from numfmt.__main__ import main; main()"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 2 and result.stderr.strip() == (
        "error: the command line needs typer; run: pip install 'numfmt[cli]'"
    )
