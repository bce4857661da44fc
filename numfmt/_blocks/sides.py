"""Side data of blocks that a caller may have put together: checked before it is used."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError
from ..formats.block import BlockFormat

__all__ = ["side"]

Array = npt.NDArray[Any]


def side(
    fmt: BlockFormat, sides: dict[str, Array], name: str, dtype: Any, shape: tuple[int, ...], count: int, top: int = 255
) -> Array:
    """``sides[name]`` of `count` blocks, of `dtype`, `shape` for each block and at most `top`, or an error."""
    found = sides.get(name)
    if found is None:
        raise ArgumentError(f"{fmt.name} needs sides[{name!r}], one entry of shape {shape} for each block")
    if found.dtype != dtype or found.shape != (count, *shape):
        raise ArgumentError(
            f"sides[{name!r}] of {fmt.name} must be {np.dtype(dtype)} with {shape} for each block, got {found.dtype} "
            f"with {found.shape[1:]}"
        )
    if top < 255 and found.size and found.max() > top:
        raise ArgumentError(f"sides[{name!r}] of {fmt.name} must be at most {top}, got {found.max()}")
    return found
