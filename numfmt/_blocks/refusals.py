"""What formats with a rule of their own refuse: policies that would change nothing, and numbers that are not finite."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError, NaNError
from ..formats.block import BlockFormat
from ..profiles import resolve_block
from .encoding import ElementEncoder

__all__ = ["require_finite", "require_own_rule"]


def require_own_rule(encoder: ElementEncoder) -> None:
    """Raise unless the policy is the default: silently ignoring a rounding would be a wrong answer."""
    fmt = encoder.fmt
    if encoder.policy != resolve_block(fmt, {})[1]:
        raise ArgumentError(
            f"{fmt.name} chooses its codes by a rule of its own; rounding, overflow, nan and profile do not apply: "
            "drop them"
        )


def require_finite(x: npt.NDArray[Any], fmt: BlockFormat) -> None:
    """Raise for NaN and infinities in rows of one block each."""
    finite = np.isfinite(x)
    if not finite.all():
        row, at = np.argwhere(~finite)[0].tolist()
        raise NaNError(
            f"x must be finite for {fmt.name}, got {x[row, at]} as element {at} of a block: no code stands for it; "
            "replace it first"
        )
