"""``numfmt vectors``, ``eval`` and ``selftest`` on the command line."""

from __future__ import annotations

import hashlib
import json
import shlex

import pytest

from numfmt.selftest import Outcome, cases, digest_of, recorded


def test_vectors_are_written_and_verified(run, tmp_path):
    file = tmp_path / "mul.hex"
    made = run("vectors", "mul", "fp8_e4m3fn", "--set", "boundary", "--layout", "memh", "-o", file)
    assert made.exit_code == 0 and "reachable boundary classes have 8 rows" in made.stdout
    assert "mul.svh" in made.stderr
    checked = run("vectors", "verify", file)
    assert checked.exit_code == 0 and "all right" in checked.stdout


@pytest.mark.parametrize("layout", ["csv", "c", "bin"])
def test_the_command_in_the_manifest_makes_the_same_bytes(run, tmp_path, monkeypatch, layout):
    monkeypatch.chdir(tmp_path)
    options = ["--fmt", "binary16", "--set", "random", "--n", "50", "--seed", "3", "--rounding", "to_odd"]
    columns = ["--column", "class", "--column", "grs", "--no-flags"]
    made = run("vectors", "mul", "fp8_e4m3fn", "fp8_e5m2", *options, *columns, "--layout", layout, "-o", "m.x")
    assert made.exit_code == 0, made.stderr
    before = hashlib.sha256((tmp_path / "m.x").read_bytes()).hexdigest()
    program, *words = shlex.split(json.loads((tmp_path / "m.x.json").read_text())["command"])
    (tmp_path / "m.x").unlink()
    assert program == "numfmt" and run(*words).exit_code == 0
    assert hashlib.sha256((tmp_path / "m.x").read_bytes()).hexdigest() == before


def test_verify_fails_for_a_wrong_row_and_for_no_file(run, tmp_path):
    file = tmp_path / "mul.csv"
    assert run("vectors", "mul", "fp4_e2m1", "--layout", "csv", "-o", file).exit_code == 0
    text = file.read_text()
    file.write_text(text[:-5] + ("1" if text[-5] == "0" else "0") + text[-4:])
    wrong = run("vectors", "verify", file)
    assert wrong.exit_code == 1 and "1 of 256 rows are wrong" in wrong.stdout
    missing = run("vectors", "verify", tmp_path / "none.csv")
    assert missing.exit_code == 1 and missing.stderr.startswith("error: none.csv.json:1:")


def test_vectors_without_a_file_say_what_is_missing(run):
    result = run("vectors", "mul", "fp8_e4m3fn")
    assert result.exit_code == 1 and "--layout and -o" in result.stderr
    assert "verify or an operation" in run("vectors", "mull", "fp8_e4m3fn").stderr


def test_eval_prints_operands_exact_result_and_decision(run, run_json):
    shown = run("eval", "fp8_e4m3fn: 0x3a * 0x51, toward_zero").stdout
    for text in ("operand a   0x3a  0 0111 010  1.25", "exact result: 11.25 = 45/4", "toward_zero takes 11"):
        assert text in shown
    found = run_json("eval", "fp8_e4m3fn: 0x3a * 0x51, toward_zero", "--json")
    assert found["result"]["hex"] == "0x53" and found["flags"] == ["inexact"]
    bad = run("eval", "fp8_e4m3fn: 0.1 * 2")
    assert bad.exit_code == 1 and "0x1c (0.09375) and 0x1d (0.1015625)" in bad.stderr


# ---- selftest ------------------------------------------------------------------------------------------------------


def test_a_sample_of_digests_is_as_recorded():
    """Every 29th case; ``numfmt selftest`` runs them all."""
    expected = recorded()
    chosen = list(cases())[::29]
    assert len(chosen) > 20
    for case in chosen:
        rows, digest = digest_of(case)
        assert Outcome(case, rows, digest, expected.get(case.name)).ok, case.name


def test_every_case_has_a_digest_of_its_own():
    names = [case.name for full in (False, True) for case in cases(full)]
    assert set(names) == set(recorded())
    assert len({case.name for case in cases(True)}) == len(list(cases(True)))


def test_selftest_names_what_differs(run, monkeypatch):
    from numfmt import selftest

    few = list(cases())[:3]
    changed = dict(recorded())
    changed[few[1].name] = "0" * 16
    monkeypatch.setattr(selftest, "cases", lambda full: iter(few))
    monkeypatch.setattr(selftest, "recorded", lambda: changed)
    result = run("selftest")
    assert result.exit_code == 1
    assert f"differs: {few[1].name}, recorded {'0' * 16}" in result.stdout
    assert "3 digests over" in result.stdout and "1 differ" in result.stdout
    found = json.loads(run("selftest", "--json").stdout)
    assert found["differ"] == 1 and [case["verdict"] for case in found["cases"]] == ["ok", "DIFFERS", "ok"]
