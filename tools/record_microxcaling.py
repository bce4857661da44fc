"""Record what microxcaling's CPU path makes of a compact set of blocks, for tests that cannot install it.

microxcaling is in no package index. Given a checkout, this script runs its pure PyTorch path (`custom_cuda=False`) on
blocks of 32 binary32 numbers and writes inputs, outputs and a description to one .npz file:

    python tools/record_microxcaling.py PATH_TO_CHECKOUT [-o tests/vectors/microxcaling.npz]

* `x`: (blocks, 32) binary32 inputs; `kind`: the name of each block's family (index into `kinds`);
* `<format>.<round>`: (blocks, 32) binary32 outputs of `_quantize_mx(x, scale_bits=8, elem_format,
  shared_exp_method="max", axes=[-1], block_size=32, round)`, for every format and for round in nearest, even;
* `about`: JSON with repository, commit, options and versions.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

REPOSITORY = "https://github.com/microsoft/microxcaling"
FORMATS = ("fp8_e4m3", "fp8_e5m2", "fp6_e2m3", "fp6_e3m2", "fp4_e2m1", "int8", "int4")
ROUNDS = ("nearest", "even")
SEED, SIZE = 20231010, 32
LARGEST = (448.0, 57344.0, 7.5, 28.0, 6.0, 127 / 64, 7 / 4)

Blocks = npt.NDArray[np.float32]


def families() -> dict[str, Blocks]:
    """Input blocks by what they probe."""
    rng = np.random.default_rng(SEED)
    normal = rng.standard_normal((128, SIZE))
    powers = np.repeat(2.0 ** np.array([-126, -125, -60, -20, -7, -1, 0, 1, 5, 8, 20, 60, 126]), SIZE).reshape(-1, SIZE)
    powers = powers.astype(np.float32)
    below, above = (np.nextafter(powers, np.float32(to)) for to in (0, np.inf))
    grid = rng.integers(-(1 << 9), (1 << 9) + 1, (64, SIZE)) * 2.0 ** rng.integers(-12, 6, (64, 1))
    tops = rng.choice(LARGEST, (8, SIZE)) * 2.0 ** rng.integers(-20, 20, (8, 1))
    special = rng.standard_normal((6, SIZE))
    special[np.arange(6), rng.integers(0, SIZE, 6)] = (np.nan, np.inf, -np.inf, np.nan, np.inf, -np.inf)
    patterns = rng.integers(0, 1 << 32, (24, SIZE), dtype=np.uint32).view(np.float32)
    half_steps = (0.5 - 2.0**-25) * 2.0 ** -np.arange(SIZE, dtype=np.float64)
    half_steps[0] = 1.0
    signed_zeros = np.stack([np.zeros(SIZE), -np.zeros(SIZE), np.where(np.arange(SIZE) % 2, 0.0, -0.0)])
    found = {
        "normal": normal,
        "block exponents from -140 to 120": normal[:80] * 2.0 ** rng.integers(-140, 120, (80, 1)),
        "element exponents from -20 to 20": normal[:48] * 2.0 ** rng.integers(-20, 20, (48, SIZE)),
        "power of two": powers,
        "one ulp below a power of two": below,
        "one ulp above a power of two": above,
        "multiples of a power of two, halfway cases": grid,
        "largest elements": tops,
        "just under half a step": np.stack([half_steps, -half_steps]),
        "zero": signed_zeros,
        "constant": np.repeat(normal[:8, :1], SIZE, axis=1),
        "subnormal": rng.integers(0, 1 << 23, (12, SIZE), dtype=np.uint32).view(np.float32),
        "NaN or infinity": special,
        "random patterns": np.where(np.isfinite(patterns), patterns, np.float32(1)),
    }
    with np.errstate(over="ignore"):
        return {name: np.ascontiguousarray(blocks, np.float32) for name, blocks in found.items()}


def record(checkout: Path) -> dict[str, Any]:
    """Arrays of the file, `about` included."""
    sys.path.insert(0, str(checkout))
    from mx.mx_ops import _quantize_mx

    groups = families()
    x = np.concatenate(list(groups.values()))
    kind = np.repeat(np.arange(len(groups), dtype=np.uint8), [len(blocks) for blocks in groups.values()])
    arrays: dict[str, Any] = {"x": x, "kind": kind, "kinds": np.array(list(groups))}
    options = {"scale_bits": 8, "shared_exp_method": "max", "axes": [-1], "block_size": SIZE, "custom_cuda": False}
    for name in FORMATS:
        for way in ROUNDS:
            y = _quantize_mx(torch.from_numpy(x.copy()), elem_format=name, round=way, **options)
            arrays[f"{name}.{way}"] = y.numpy()
    commit = subprocess.run(
        ["git", "-C", str(checkout), "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    about = {
        "repository": REPOSITORY,
        "commit": commit,
        "function": "mx.mx_ops._quantize_mx",
        "options": options | {"flush_fp32_subnorms": False},
        "seed": SEED,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "generator": "tools/record_microxcaling.py",
    }
    arrays["about"] = np.array(json.dumps(about))
    return arrays


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkout", type=Path, help="a checkout of microsoft/microxcaling")
    parser.add_argument("-o", "--output", type=Path, default=Path("tests/vectors/microxcaling.npz"))
    given = parser.parse_args()
    arrays = record(given.checkout)
    np.savez_compressed(given.output, **arrays)
    print(f"{given.output}: {len(arrays['x'])} blocks, {given.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
