"""The part of `check_format` for the complex codebook of the fourth roots of unity."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..formats import FourthRootsFormat

__all__ = ["check_fourth_roots"]


def _code_by_phase(z: complex) -> int:
    """[-pi/4, pi/4) to 1, [pi/4, 3 pi/4) to i, [3 pi/4, pi] and [-pi, -3 pi/4) to -1, the rest to -i; 0 to 1.

    Source: Fairy+-i, arXiv:2508.05571. Comparisons of the parts are exact, an angle is not.
    """
    a, b = z.real, z.imag
    if a == 0 and b == 0:
        return 0
    if abs(a) == abs(b):  # a diagonal belongs to the sector that begins there
        return {(1, 1): 1, (-1, 1): 2, (-1, -1): 3, (1, -1): 0}[(1 if a > 0 else -1, 1 if b > 0 else -1)]
    if abs(a) > abs(b):
        return 0 if a > 0 else 2
    return 1 if b > 0 else 3


def check_fourth_roots(fmt: FourthRootsFormat) -> dict[str, int]:
    """Decoding, round trip, and encoding by phase on and beside the axes and diagonals."""
    import numfmt

    nf: Any = numfmt
    values = nf.decode(nf.Encoded(np.arange(4, dtype=np.uint8), fmt))
    assert values.tolist() == [1, 1j, -1, -1j], f"{fmt.name}: values are {values.tolist()}, not the powers of i"
    assert nf.encode(values, fmt).codes.tolist() == [0, 1, 2, 3], f"{fmt.name}: its own values do not round trip"
    parts = [0.0]
    for x in (5e-324, 1e-3, 1.0, 7.5, 1e300):
        parts += [x, math.nextafter(x, 0), math.nextafter(x, math.inf)]
    points = [complex(s * a, t * b) for a in parts for b in parts for s in (1, -1) for t in (1, -1)]
    got = nf.encode(np.array(points), fmt).codes.tolist()
    for z, code in zip(points, got, strict=True):
        assert code == _code_by_phase(z), f"{fmt.name}: {z!r} encodes to {code}, by its phase it is {_code_by_phase(z)}"
    return {"decode": 4, "round trip": 4, "phases": len(points)}
