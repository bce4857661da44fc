"""docs/formats is what `tools/make_format_pages.py` makes of the catalog, and names every block format."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import numfmt as nf

HOME = Path(__file__).parents[1]
PAGES = HOME / "docs" / "formats"


def test_pages_are_those_that_the_script_writes(tmp_path):
    pytest.importorskip("typer")
    command = [sys.executable, HOME / "tools" / "make_format_pages.py", "--output", tmp_path]
    subprocess.run(command, check=True, timeout=300, cwd=HOME)
    made, kept = ({p.name: p.read_bytes() for p in folder.glob("*.md")} for folder in (tmp_path, PAGES))
    different = [name for name in made.keys() | kept.keys() if made.get(name) != kept.get(name)]
    assert not different, "run tools/make_format_pages.py"


def test_the_index_names_every_block_format_and_links_to_its_page():
    index = (PAGES / "README.md").read_text(encoding="utf-8")
    pages = {name: slug for slug, names in re.findall(r"\]\((\w+)\.md\) \| ([^|]+) \|", index)
             for name in re.findall(r"`([^`]+)`", names)}  # fmt: skip
    assert sorted(pages) == nf.names(kind="block")
    for name, slug in pages.items():
        assert f"`{name}`" in (PAGES / f"{slug}.md").read_text(encoding="utf-8")


def test_rules_and_layouts_are_all_there():
    rules, layouts = ((PAGES / f"{name}.md").read_text(encoding="utf-8") for name in ("scale_rules", "layouts"))
    assert all(f"| `{rule.name}` | {rule.kind} |" in rules for rule in nf.scale_rules())
    assert all(f"## `{name}`" in layouts for name in nf.interop.LAYOUTS)


def test_links_lead_somewhere():
    for page in PAGES.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
