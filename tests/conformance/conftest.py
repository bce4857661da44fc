"""What every witness is shown: binary32 specials, all binary16 values, boundaries with neighbours, random patterns.

Inputs come from the witness's own decoded values, never from numfmt, so a wrong table cannot hide its own boundaries.
"""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pytest

Boundaries = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float32]]
Mismatches = Callable[..., list[str]]

# Zeros, infinities, quiet and signalling NaNs of both signs with and without payload, extreme numbers.
SPECIAL_PATTERNS = (
    0x00000000, 0x7F800000, 0x7FC00000, 0x7F800001, 0x7FFFFFFF, 0x7FC12345,
    0x00000001, 0x007FFFFF, 0x00800000, 0x7F7FFFFF,
)  # fmt: skip


@pytest.fixture(autouse=True)
def _quiet_numpy() -> Iterator[None]:
    # NumPy warns of overflow and of signalling NaNs in the very conversions that are compared.
    with np.errstate(all="ignore"):
        yield


@pytest.fixture(scope="session")
def specials() -> npt.NDArray[np.float32]:
    """binary32 specials, both signs."""
    patterns = np.array(SPECIAL_PATTERNS, np.uint32)
    return np.concatenate([patterns, patterns | np.uint32(0x80000000)]).view(np.float32)


@pytest.fixture(scope="session")
def binary16_values() -> npt.NDArray[np.float32]:
    """All 65536 binary16 codes as binary32 (NaNs among them)."""
    with np.errstate(all="ignore"):
        return np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)


@pytest.fixture(scope="session")
def random_patterns() -> npt.NDArray[np.float32]:
    """2**22 uniform bit patterns of binary32."""
    return np.random.default_rng(20261122).integers(0, 1 << 32, 1 << 22, dtype=np.uint32).view(np.float32)


def breakpoints64(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Finite values, their midpoints, and the midpoint and next value beyond each end."""
    finite = np.unique(values[np.isfinite(values)])
    low, high = finite[0] - (finite[1] - finite[0]), finite[-1] + (finite[-1] - finite[-2])
    edges = np.array([(finite[0] + low) / 2, low, (finite[-1] + high) / 2, high])
    return np.concatenate([finite, (finite[1:] + finite[:-1]) / 2, edges])


@pytest.fixture(scope="session")
def boundaries64() -> Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]:
    """Function: breakpoints of a table of values with the binary64 on each side, both signs."""

    def make(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        x = breakpoints64(values)
        x = np.concatenate([x, np.nextafter(x, np.inf), np.nextafter(x, -np.inf)])
        return np.concatenate([x, -x])

    return make


@pytest.fixture(scope="session")
def boundaries() -> Boundaries:
    """Function: breakpoints of a table of values with the binary32 on each side, both signs."""

    def make(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        with np.errstate(over="ignore"):
            x = breakpoints64(values).astype(np.float32)
        x = np.concatenate([x, np.nextafter(x, np.float32(np.inf)), np.nextafter(x, np.float32(-np.inf))])
        return np.concatenate([x, -x])

    return make


@pytest.fixture(scope="session")
def mismatches() -> Mismatches:
    """Function: descriptions of the first inputs where two arrays of codes or values differ in a bit; [] if none."""

    def bits(a: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        return a.view(f"u{a.dtype.itemsize}") if a.dtype.kind == "f" else a

    def find(x: npt.NDArray[np.generic], ours: npt.NDArray[np.generic], theirs: npt.NDArray[np.generic]) -> list[str]:
        assert x.shape == ours.shape == theirs.shape
        a, b = bits(ours), bits(theirs)
        if np.array_equal(a, b):
            return []
        bad = np.flatnonzero(a != b)
        lines = [f"{bad.size} of {x.size} differ"]
        for i in bad[:8].tolist():
            shown = float(x[i]).hex() if x.dtype.kind == "f" else str(x[i])
            lines.append(f"x={shown} ({x[i]!r}): numfmt {ours[i]!r}, witness {theirs[i]!r}")
        return lines

    return find
