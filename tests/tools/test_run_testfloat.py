"""The TestFloat runner with a generator of our own: it counts what differs and says so in its exit status."""

import importlib.util
import stat
import sys
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "run_testfloat.py"

#: binary16: 1 + 1 = 2; MAX + MAX overflows; then a wrong sum and a sum with a wrong flag.
ROWS = {"good": ["3C00 3C00 4000 00", "7BFF 7BFF 7C00 05"], "bad": ["3C00 3C00 4001 00", "3C00 3C00 4000 01"]}


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_testfloat", TOOL)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def generator(folder: Path, rows: list[str], status: int = 0) -> str:
    path = folder / "testfloat_gen"
    path.write_text(f"#!{sys.executable}\nprint({chr(10).join(rows)!r})\nraise SystemExit({status})\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.mark.skipif(sys.platform == "win32", reason="the generator is a script with a #! line")
@pytest.mark.parametrize("kind, status, result", [("good", 0, "n=2 bad=0"), ("bad", 1, "n=2 bad=2")])
def test_counts(
    tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, status: int, result: str
) -> None:
    options = ["--nan", "riscv", "--ops", "f16_add", "--modes", "near_even", "--tininess", "after", "--rows", "0"]
    report = tmp_path / "report.json"
    assert tool.main([generator(tmp_path, ROWS[kind]), *options, "--json", str(report)]) == status
    out = capsys.readouterr().out
    assert f"RESULT {result}" in out
    assert ("f16_add 3c00 3c00: 4000 flags 00, TestFloat 4001 00" in out) == (kind == "bad")
    assert report.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="the generator is a script with a #! line")
def test_a_failing_generator_is_an_error(tool: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="ended with status 3"):
        tool.vectors([generator(tmp_path, [], status=3), "f16_add"], 0, 1, 1)


def test_every_function_names_an_operation(tool: ModuleType) -> None:
    from numfmt import get, reference

    functions = tool.functions()
    assert len(functions) == 3 * 14 + 3 * 2 + 3 * 2 * 2 + 2
    for function in functions.values():
        assert function.op in reference.OPERATIONS or function.op in reference.PREDICATES
        assert all(get(name) for name in (*function.sources, *({function.result} - {"bool"})))
