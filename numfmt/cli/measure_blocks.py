"""What block formats do to tensors: the figures of `numfmt report` for formats that bring their own scales."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import BlockFormat, decode
from .._block_api import block_unit, block_zero
from .._report import ReportSums
from ..errors import NumfmtError
from .files import Tensor
from .measure import COUNTS, Spread, native, unit_of
from .pieces import BlockRules, Piece, Read, block_pieces, why_no_blocks

__all__ = ["BLOCK", "BlockSums", "unknown_counts"]

Array = npt.NDArray[Any]
#: What the scale column says.
BLOCK = "block"


def unknown_counts(fmt: BlockFormat) -> frozenset[str]:
    """Counts that need bounds of every element, which are element bounds times block scale only in plain formats."""
    return frozenset() if type(fmt) is BlockFormat else frozenset(("saturated", "subnormal"))


class BlockSums:
    """What one block format does to one tensor, accumulated piece by piece.

    The last block of an axis is filled up with zeros, and a tensor with too few axes gets some of length 1: a report
    compares formats on all tensors.
    """

    def __init__(self, fmt: BlockFormat, tensor: Tensor, spread: Spread, rules: BlockRules) -> None:
        self.fmt = fmt
        self.tensor = tensor
        while why_no_blocks(self.tensor, fmt, rules.axis) is not None:
            self.tensor = replace(self.tensor, shape=(1, *self.tensor.shape))
        self.rules = replace(rules, pad=True)
        if (spread.nan or spread.infinite) and fmt.nonfinite == "raise" and rules.nonfinite is None:
            # A report counts such elements instead of failing; they take no part in the scale.
            nan = {} if fmt.element.has_nan else {"nan": "max"}
            self.rules = replace(self.rules, nonfinite="skip", element={**rules.element, **nan})
        self.unit = unit_of(spread)
        #: Smallest and largest block scale.
        self.scales: list[float] = []
        self._sums = ReportSums(fmt.encoded_element, fmt.name)

    def run(self, stored: Read, advance: Callable[[int], None]) -> None:
        """Go through the tensor, read by ``tensor.reader()``; `advance` hears of every number of elements done."""

        def read(start: int, stop: int) -> Array:
            return native(stored(start, stop))

        try:
            for piece in block_pieces(self.tensor, self.fmt, self.rules, read):
                self._add(piece)
                advance(piece.x.size)
        except NumfmtError as err:
            raise type(err)(f"tensor {self.tensor.name!r} in {self.fmt.name}: {err}") from None

    def _add(self, piece: Piece) -> None:
        b, n = piece.encoded(), piece.x.size
        narrow = piece.x.dtype == np.float32 and np.abs(piece.x).max(initial=0) < 2.0**126
        y = np.asarray(decode(b, dtype=np.float32 if narrow else np.float64)).reshape(-1)[:n]
        scales = np.abs(np.asarray(b.scale_values))
        if np.isfinite(scales).any():
            self.scales += [float(np.nanmin(scales)), float(np.nanmax(scales))]
        with np.errstate(invalid="ignore"):
            units = block_unit(b).reshape(-1)[:n] * self.unit
            zero = block_zero(b)
            zeros = 0.0 if zero is None else zero.reshape(-1)[:n]
            self._sums.add(piece.x.astype(np.float64) * self.unit, y.astype(np.float64) * self.unit, units, zeros)

    @property
    def counts(self) -> dict[str, int]:
        """The counts by name."""
        report = self._sums.report()
        return {name: getattr(report, name) for name in COUNTS}

    @property
    def signal(self) -> float:
        """Sum of squares, in units of a power of two."""
        return self._sums.signal

    @property
    def noise(self) -> float:
        """Sum of squared errors, in the same units."""
        return self._sums.noise

    @property
    def max_rel_error(self) -> float:
        """Largest error relative to its element."""
        return self._sums.max_rel
