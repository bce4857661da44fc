"""`numfmt list` and `numfmt show` of block formats, and the commands that refuse them."""

import numpy as np
import pytest

import numfmt as nf
from numfmt.cli.families import BLOCK_FAMILIES, family_of

BLOCKS = nf.names(kind="block")


@pytest.mark.parametrize("columns", [80, 120])
def test_list_shows_block_families_within_the_terminal(run, columns):
    text = run("list", columns=str(columns)).stdout
    assert max(map(len, text.splitlines())) <= columns
    assert text.index("IEEE P3109 draft") < text.index("Blocks: OCP MX") < text.index("Blocks: codebooks")
    assert ("source" in text.split("block format")[1].splitlines()[0]) == (columns == 120)
    for name in ("mxfp4", "nvfp4", "msfp12", "int4_g128", "nf4_b64", "ternary_absmean", "q4_0"):
        assert f"\n{name} " in text


def test_list_hides_nothing_when_asked(run):
    brief = run("list").stdout
    assert "more block formats: numfmt list '*'" in brief and len(brief.splitlines()) < 240
    text = run("list", "*").stdout
    assert all(f"\n{name} " in text for name in BLOCKS)


def test_list_json_of_block_formats(run_json):
    entries = {e["name"]: e for e in run_json("list", "mx*", "--json")}
    mxfp4 = entries["mxfp4"]  # OCP MX v1.0, table 1: E2M1 elements, E8M0 scale, 32 elements
    assert (mxfp4["element"], mxfp4["scale"], mxfp4["block"], mxfp4["bits"]) == ("fp4_e2m1", "ufp8_e8m0", 32, 4.25)
    assert (mxfp4["rule"], mxfp4["family"], mxfp4["aliases"]) == ("floor", "Blocks: OCP MX", ["mxfp4_e2m1"])
    assert [e["name"] for e in run_json("list", "int4*binary16/7", "--json")] == ["int4*binary16/7"]


def test_every_block_format_has_a_family():
    titles = [title for title, _ in BLOCK_FAMILIES]
    assert {family_of(nf.get(name)) for name in BLOCKS} == set(titles)


@pytest.mark.parametrize("name", [*BLOCKS, "int4*binary16/7", "bfp5_k17"])
def test_show_every_block_format(run, run_json, name):
    result = run("show", name, columns="80")
    assert result.exit_code == 0 and max(map(len, result.stdout.splitlines())) <= 80
    facts = run_json("show", name, "--json")["format"]
    assert facts["name"] == nf.get(name).name and facts["bits_per_element"] == nf.get(name).bits_per_element
    assert facts["element"]["name"] in result.stdout and facts["kind"] == "block"


def test_show_facts_of_mxfp4_are_those_of_the_ocp_document(run, run_json):
    facts = run_json("show", "mxfp4", "--json")["format"]  # OCP MX v1.0, tables 1 and 5, section 6.3
    assert (facts["emax"], facts["largest_element"], facts["block"], facts["axis"]) == (2, 6, 32, -1)
    assert facts["rule"]["name"] == "floor" and "6.3" in facts["rule"]["source"]
    assert facts["zero_block"] == "scale 2**-127, code 0x00; element codes 0x0"
    assert facts["layouts"][:2] == ["bits", "fp4x2"]
    text = run("show", "nvfp4").stdout
    assert "binary32, one for the whole array" in text and "an error (raise)" in text


def test_show_numbers_of_a_block(run, run_json):
    """OCP MX v1.0 section 6.3: floor(log2 7) = 2 and emax 2 give X = 2**0; 7 saturates at 6."""
    found = run_json("show", "mxfp4", "0.1", "0.3", "-7", "--json")
    assert [v["code"] for v in found["values"]] == [0, 1, 15] and [v["value"] for v in found["values"]] == [0, 0.5, -6]
    assert found["scale_values"] == [1] and found["stored"] == {"scales": [127]}
    text = run("show", "mxfp4", "0.1", "0.3", "-7").stdout
    assert "2**0, code 0x7f" in text and "a = 7, emax = 2, F = 6" in text and "29 zeros fill the block" in text
    assert "2**1, code 0x80" in run("show", "mxfp4", "0.1", "-7", "--scale-rule", "rceil").stdout


def test_show_several_blocks_zero_points_sides_and_tensor_scales(run):
    text = run("show", "int4*binary16/2", "1", "2", "30", "40", "5").stdout
    assert [text.count(f"block  {i}") + text.count(f"block    {i}") for i in range(4)] == [1, 1, 1, 0]
    assert "1 zero fills the block" in text
    assert "zero point  1" in run("show", "uint4_g32", "0.1", "-0.2", "2").stdout
    assert "index    2" in run("show", "mxfp4_plus", "0.1", "-0.2", "2").stdout
    b = nf.encode(np.array([3.0, 1.0]), "nvfp4", pad=True)
    assert f"tensor scale  {float(b.tensor_scale):.9g}" in run("show", "nvfp4", "3", "1").stdout


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("show", "mxfp4", "0x3"), 2, "its scale decides the codes"),
        (("show", "mxfp4", "zwei"), 2, "is no number"),
        (("show", "mxfp4", "1e400"), 2, "lies beyond binary64"),
        (("show", "nvfp4", "nan"), 1, "must be finite"),
        (("show", "fairy", "1"), 1, "complex"),
        (("show", "q4_k", "1"), 1, "decode-only"),
        (("show", "int8", "1", "--scale-rule", "floor"), 1, "--scale-rule is for block formats"),
        (("show", "mxfp4", "--scale-rule", "absmax", "1"), 0, ""),
        (("table", "mxfp4"), 1, "mxfp4 is a block format, and this needs a scalar one; its elements are fp4_e2m1"),
        (("values", "nvfp4"), 1, "block format"),
        (("compare-profiles", "mxfp4", "ocp_sat", "torchao"), 1, "block format"),
    ],
)
def test_refusals(run, args, code, words):
    result = run(*args)
    assert result.exit_code == code and words in " ".join(result.stderr.replace("│", " ").split()), result.stderr
