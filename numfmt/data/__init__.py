"""Real tensors to try formats on: a small trained language model, with activations and gradients.

A byte-level causal transformer (4 layers, width 64) trained on the source text of the Python standard library. Names
are `weight/...` (every trained parameter), `activation/...` and `gradient/...` (one held-out batch); `provenance()`
says what each tensor is and describes the architecture well enough to run it. Made by `tools/make_embedded_tensors.py`.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["provenance", "tensors"]


@functools.cache
def _load() -> dict[str, npt.NDArray[np.float32]]:
    """Read the archive once per process; read-only arrays may be shared between callers."""
    with (
        importlib.resources.files(__name__).joinpath("bytelm.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as archive,
    ):
        arrays: dict[str, npt.NDArray[np.float32]] = {name: archive[name] for name in archive.files}
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


def tensors() -> dict[str, npt.NDArray[np.float32]]:
    """Return every embedded tensor by name.

    Matrices are (outputs, inputs), `y = x @ weight.T + bias`: a product sums over the last axis of both operands, and
    every last axis is a multiple of 64.

    Returns
    -------
    dict of str to float32 ndarray
        C-contiguous, finite and read-only; a new dict on every call, the arrays are shared. Copy an array to change it.

    See Also
    --------
    provenance : What each tensor is, and where it comes from.

    Examples
    --------
    >>> from numfmt.data import tensors
    >>> tensors()["weight/layer0.mlp_up.weight"].shape
    (256, 64)
    >>> sorted({name.split("/")[0] for name in tensors()})
    ['activation', 'gradient', 'weight']
    """
    return dict(_load())


def provenance() -> dict[str, Any]:
    """Return where the tensors come from: seed, versions, text, architecture, score, and a digest of each tensor.

    Returns
    -------
    dict
        The contents of `bytelm.json`. `["tensors"][name]` holds "shape", "what" and "sha256" (of the little-endian
        bytes in C order); `["held_out"]["bits_per_byte"]` is the model's cross-entropy on files it was not trained on.

    See Also
    --------
    tensors : The arrays themselves.

    Examples
    --------
    >>> from numfmt.data import provenance
    >>> provenance()["tensors"]["activation/logits"]["what"]
    'output of the head, natural-log units; window 0, positions 1, 3, ..., 127'
    >>> provenance()["architecture"]["heads"]
    4
    """
    text = importlib.resources.files(__name__).joinpath("bytelm.json").read_text(encoding="ascii")
    contents: dict[str, Any] = json.loads(text)
    return contents
