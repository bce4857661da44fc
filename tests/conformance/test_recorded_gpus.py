"""Recorded outputs of real matrix units: every catalog model that names one must give the device's bits."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import numfmt as nf
from numfmt.datapaths import datapath
from numfmt.reference.dot import dot

pytestmark = pytest.mark.conformance

FOLDER = os.environ.get("NUMFMT_CONFORMANCE")
ARCHITECTURES = {"V100": "volta", "A100": "ampere", "Ada": "ada", "H100": "hopper"}
OPERANDS = {
    "fp16": ("f16", "binary16"),
    "bf16": ("bf16", "bfloat16"),
    "tf32": ("tf32", "tf32"),
    "E4M3": ("e4m3", "fp8_e4m3fn"),
    "E5M2": ("e5m2", "fp8_e5m2"),
}
FILES = [
    f"{gpu}_{dtype}"
    for gpu, dtypes in {
        "V100": "fp16",
        "A100": "bf16 fp16 tf32",
        "Ada": "E4M3 E5M2 bf16 fp16 tf32",
        "H100": "E4M3 E5M2 bf16 fp16 tf32",
    }.items()
    for dtype in dtypes.split()
]


def matches(name: str, result: str, count: int) -> tuple[int, int]:
    """How many of the recorded outputs the catalog's model gives, of how many compared."""
    gpu, dtype = name.split("_")
    operand, fmt = OPERANDS[dtype]
    narrow_wgmma = gpu == "H100" and dtype in ("E4M3", "E5M2") and result == "f32"
    model = datapath(f"nvidia/{ARCHITECTURES[gpu]}/{'wgmma' if narrow_wgmma else 'mma'}.{operand}.{result}")
    with np.load(Path(FOLDER) / "gpu" / f"{name}.npz", allow_pickle=False) as recorded:
        a, b = (nf.encode(recorded[key].view(np.float32), fmt).codes for key in "ab")
        c = recorded["c"].view(np.float32)
        expected = recorded["d_fp32" if result == "f32" else "d_fp16"]
    c_format = "binary32" if result == "f32" else "binary16"
    # The warp-group FP8 recordings have a zero accumulator; the others took c, rounded to binary16 for that result.
    c = np.zeros_like(c) if narrow_wgmma else c
    start = nf.encode(c, c_format).codes
    good = 0
    for i in range(count):
        value = dot(a[i].tolist(), b[i].tolist(), model, formats=(fmt, fmt), c=int(start[i]), c_format=c_format)
        good += int(np.float32(float(value)).view(np.uint32)) == int(expected[i])
    return good, count


def results_of(name: str) -> list[str]:
    """binary16 results exist for all but bfloat16 and TF32 operands."""
    return ["f32"] if name.endswith(("bf16", "tf32")) else ["f32", "f16"]


CASES = [(name, result) for name in FILES for result in results_of(name)]


@pytest.mark.skipif(FOLDER is None, reason="NUMFMT_CONFORMANCE names no folder with recorded GPU outputs")
@pytest.mark.parametrize(("name", "result"), CASES)
def test_recorded_outputs(name, result):
    assert matches(name, result, 500) == (500, 500)


@pytest.mark.slow
@pytest.mark.skipif(FOLDER is None, reason="NUMFMT_CONFORMANCE names no folder with recorded GPU outputs")
@pytest.mark.parametrize(("name", "result"), CASES)
def test_every_recorded_output(name, result):
    assert matches(name, result, 5000) == (5000, 5000)


@pytest.mark.skipif(FOLDER is None, reason="NUMFMT_CONFORMANCE names no folder with recorded GPU outputs")
def test_the_recordings_tell_models_apart():
    # The same data under the neighbouring architecture's numbers must fail somewhere, or it proves nothing.
    with np.load(Path(FOLDER) / "gpu" / "H100_fp16.npz", allow_pickle=False) as recorded:
        a, b = (nf.encode(recorded[key].view(np.float32), "binary16").codes for key in "ab")
        c, expected = nf.encode(recorded["c"].view(np.float32), "binary32").codes, recorded["d_fp32"]
    other = datapath("nvidia/ampere/mma.f16.f32")
    values = [
        dot(a[i].tolist(), b[i].tolist(), other, formats=("binary16",) * 2, c=int(c[i]), c_format="binary32")
        for i in range(500)
    ]
    found = [int(np.float32(float(v)).view(np.uint32)) for v in values]
    assert found != expected[:500].tolist()
