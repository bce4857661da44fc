"""Files to try the command line on, and a way to run it."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from numfmt.cli.app import app


@pytest.fixture
def run():
    """Run the command line in this process; the result has exit_code, stdout and stderr."""

    def run(*args, columns="120", **environment):
        return CliRunner().invoke(app, [str(a) for a in args], env={"COLUMNS": columns, **environment})

    return run


@pytest.fixture
def run_json(run):
    """Run, expect success, and parse standard output as strict JSON."""

    def run_json(*args):
        result = run(*args)
        assert result.exit_code == 0, result.stderr

        def refuse(text):
            raise AssertionError(f"{text} is not JSON")

        return json.loads(result.stdout, parse_constant=refuse)

    return run_json


@pytest.fixture
def arrays():
    """Tensors of several dtypes: two groups of floats, zeros, integers, and text."""
    rng = np.random.default_rng(20)
    return {
        "weight/a": rng.standard_normal((40, 50)).astype(np.float32),
        "weight/b": (rng.standard_normal(300) * 1e-3).astype(np.float64),
        "activation/c": np.asfortranarray(rng.standard_normal((7, 31)).astype(np.float16)),
        "activation/zeros": np.zeros(5, np.float32),
        "index": np.arange(12, dtype=np.int64).reshape(3, 4),
        "text": np.array(["x", "y"]),
    }


@pytest.fixture
def npz(tmp_path, arrays):
    path = tmp_path / "model.npz"
    np.savez_compressed(path, **arrays)
    return path


@pytest.fixture
def npy(tmp_path, arrays):
    path = tmp_path / "one.npy"
    np.save(path, arrays["weight/a"])
    return path
