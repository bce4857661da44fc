"""Matrix units of real hardware as numbers: each row with its source and the evidence it rests on.

Families: F is the number of fraction bits that survive alignment, L the products of one fused step. Sources: K&M is
Khattak and Mikaitis, Accurate Models of NVIDIA Tensor Cores, arXiv:2512.07004 and their MATLAB toolbox; MMA-Sim is
arXiv:2511.10909. "matched recorded outputs" means 5000 recorded dot products of the device, bit for bit.
"""

from __future__ import annotations

import difflib

from ..errors import ArgumentError
from ..rounding import Rounding
from .model import Accumulator, Aligned, Chunk, DotModel, ExactProduct, Floating, Permuted

__all__ = ["datapath", "datapath_names"]

KM, MMASIM = "K&M, arXiv:2512.07004", "MMA-Sim, arXiv:2511.10909"
MATCHED, RUN = "matched recorded outputs", "matched MMA-Sim"
RNE, RZ = Rounding.NEAREST_EVEN, Rounding.TOWARD_ZERO
_RESULT = {"f32": ("binary32", RZ), "f16": ("binary16", RNE), "e8m13": ("e8m13", RZ)}
#: Least exponent of an alignment, by architecture and result (K&M; MMA-Sim has -126 throughout).
_FLOORS = {
    "volta": {"f16": -19},
    "turing": {"f32": -132, "f16": -20},
    "ampere": {"f32": -132, "f16": -20},
    "ada": {"f32": -132, "f16": -20},
    "hopper": {"f32": -133, "f16": -21},
    "blackwell": {"f32": -133, "f16": -21},
    "blackwell_rtx": {"f32": -133, "f16": -21},
}
_models: dict[str, DotModel] = {}


def _add(name: str, accumulator: Accumulator, source: str, evidence: str) -> None:
    output = "binary32" if "e8m13" in accumulator.describe() and name.endswith(".f32") else None
    _models[name] = DotModel(
        ExactProduct(),
        accumulator,
        output,  # type: ignore[arg-type]
        name=name,
        source=source,
        evidence=evidence,
    )


def _fused(
    arch: str, fraction_bits: int, length: int, result: str, kept: str | None = None, **options: bool
) -> Aligned:
    fmt, rounding = _RESULT[kept or result]
    floor = _FLOORS[arch].get(result)
    return Aligned(fraction_bits, length, fmt, rounding, floor, **options)  # type: ignore[arg-type]


def _unit(arch: str, instruction: str, operands: str, fraction_bits: int, length: int, evidence: str) -> None:
    """A row and its variant with MMA-Sim's exponent floor and zero handling, for both result types."""
    for operand in operands.split():
        for result in ("f32", "f16") if operand not in ("bf16", "tf32") else ("f32",):
            name = f"nvidia/{arch}/{instruction}.{operand}.{result}"
            _add(name, _fused(arch, fraction_bits, length, result), KM, evidence)
            fmt, rounding = _RESULT[result]
            sim = Aligned(fraction_bits, length, fmt, rounding, -126, True, False)  # type: ignore[arg-type]
            _add(name + "@mmasim", sim, MMASIM, RUN)


_unit("volta", "mma", "f16", 23, 4, MATCHED)
_unit("turing", "mma", "f16", 24, 8, RUN)
_unit("ampere", "mma", "f16 bf16", 24, 8, MATCHED)
_unit("ampere", "mma", "tf32", 24, 4, MATCHED)
_unit("ada", "mma", "f16 bf16", 24, 8, MATCHED)
_unit("ada", "mma", "tf32", 24, 4, MATCHED)
for _instruction in ("mma", "wgmma"):
    _unit("hopper", _instruction, "f16 bf16", 25, 16, MATCHED)
    _unit("hopper", _instruction, "tf32", 25, 8, MATCHED)
for _arch, _instructions in (("blackwell", ("mma", "tcgen05")), ("blackwell_rtx", ("mma",))):
    for _instruction in _instructions:
        _unit(_arch, _instruction, "f16 bf16", 25, 16, RUN)
        _unit(_arch, _instruction, "tf32", 25, 8, RUN)
for _operand in ("e4m3", "e5m2"):
    # Two steps of 16; the binary32 register holds 13 fraction bits.
    _add(f"nvidia/ada/mma.{_operand}.f32", _fused("ada", 13, 16, "f32", "e8m13"), KM, MATCHED)
    _add(f"nvidia/ada/mma.{_operand}.f16", _fused("ada", 13, 16, "f16"), KM, MATCHED)
    _add(f"nvidia/hopper/wgmma.{_operand}.f32", _fused("hopper", 13, 32, "f32", "e8m13"), KM, MATCHED)
    _add(f"nvidia/hopper/wgmma.{_operand}.f16", _fused("hopper", 13, 32, "f16"), MMASIM, RUN)
    _unit("blackwell", "tcgen05", _operand, 25, 32, RUN)
    _unit("blackwell_rtx", "mma", _operand, 25, 32, RUN)
    # FP8 through plain mma.sync is emulated with two 16-bit steps: elements with k mod 4 in {0, 1}, then {2, 3}.
    _order = tuple(k for k in range(32) if k % 4 < 2) + tuple(k for k in range(32) if k % 4 >= 2)
    for _arch in ("hopper", "blackwell"):
        for _result in ("f32", "f16"):
            _fmt, _ = _RESULT[_result]
            _inner = Permuted(_order, _fused(_arch, 25, 16, _result))
            _add(
                f"nvidia/{_arch}/mma.{_operand}.{_result}",
                Chunk(32, _inner, Floating(_fmt, RNE)),  # type: ignore[arg-type]
                "K&M data, model established against it",
                MATCHED,
            )
for _arch in ("ampere", "ada", "hopper", "blackwell", "blackwell_rtx"):
    _add(f"nvidia/{_arch}/mma.f64.f64", Floating("binary64"), MMASIM, RUN)  # type: ignore[arg-type]
_add(
    "deepseek/hopper.e4m3.f32",
    Chunk(128, _fused("hopper", 13, 32, "f32", "e8m13"), Floating("binary32")),  # type: ignore[arg-type]
    "DeepSeek-V3, arXiv:2412.19437 section 3.3.2: promotion to binary32 every 128",
    "read",
)
_add(
    "ibm/fp8.chunk64",
    Chunk(64, Floating("fp16_e6m9"), Floating("fp16_e6m9")),  # type: ignore[arg-type]
    "Wang et al. 2018, arXiv:1812.08011: FP16 (1, 6, 9) accumulators, chunks of 64",
    "read",
)
for _operand in ("f32", "f64"):
    _fmt = {"f32": "binary32", "f64": "binary64"}[_operand]
    for _arch in ("cdna2", "cdna3"):
        _add(f"amd/{_arch}/mfma.{_operand}.{_operand}", Floating(_fmt), MMASIM, RUN)  # type: ignore[arg-type]


def datapath(name: str) -> DotModel:
    """The model of a matrix unit: ``vendor/architecture/instruction.operands.result[@variant]``.

    Raises
    ------
    ArgumentError
        Unknown names; the message lists the nearest.

    >>> datapath("nvidia/hopper/wgmma.e4m3.f32").accumulator.fraction_bits
    13
    """
    found = _models.get(str(name))
    if found is None:
        near = ", ".join(difflib.get_close_matches(str(name), _models, n=3, cutoff=0.0))
        raise ArgumentError(f"unknown datapath {name!r}; nearest: {near}; datapath_names() lists all")
    return found


def datapath_names() -> list[str]:
    """Every name of the catalog, sorted.

    >>> len(datapath_names()) > 50
    True
    """
    return sorted(_models)
