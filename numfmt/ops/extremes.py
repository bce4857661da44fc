"""The smaller and the larger of two values: the eight operations of IEEE 754-2019 section 9.6."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from ._documented import documented
from ._job import operate

__all__ = [
    "maximum",
    "maximum_magnitude",
    "maximum_magnitude_number",
    "maximum_number",
    "minimum",
    "minimum_magnitude",
    "minimum_magnitude_number",
    "minimum_number",
]

Array = npt.NDArray[Any]


@documented(
    "a, b",
    "-0 lies below +0; NaR counts as a NaN.\n    Source: IEEE 754-2019 section 9.6, maximum.",
    '>>> float(nf.maximum(nf.encode(2.0, "binary16"), nf.encode(-3.0, "binary16")))',
    "2.0",
)
def maximum(
    a: Any,
    b: Any,
    *,
    fmt: Any = None,
    rounding: Any = None,
    overflow: Any = None,
    nan: Any = None,
    random: Any = None,
    flags: bool = False,
    tininess: str = "after",
    out: Array | None = None,
) -> Any:
    """The larger of a and b; NaN if either is."""
    return operate("maximum", (a, b), fmt, rounding, overflow, nan, random, flags, tininess, out)


@documented(
    "a, b",
    "-0 lies below +0; NaR counts as a NaN.\n    Source: IEEE 754-2019 section 9.6, maximumMagnitude.",
    '>>> float(nf.maximum_magnitude(nf.encode(2.0, "binary16"), nf.encode(-3.0, "binary16")))',
    "-3.0",
)
def maximum_magnitude(
    a: Any,
    b: Any,
    *,
    fmt: Any = None,
    rounding: Any = None,
    overflow: Any = None,
    nan: Any = None,
    random: Any = None,
    flags: bool = False,
    tininess: str = "after",
    out: Array | None = None,
) -> Any:
    """The larger of a and b in magnitude (of equal magnitudes the larger number); NaN if either is."""
    return operate("maximum_magnitude", (a, b), fmt, rounding, overflow, nan, random, flags, tininess, out)


@documented(
    "a, b",
    "A signaling NaN is invalid all the same. -0 lies below +0; NaR counts as a NaN.\n"
    "    Source: IEEE 754-2019 section 9.6, maximumMagnitudeNumber.",
    '>>> float(nf.maximum_magnitude_number(nf.encode(2.0, "binary16"), nf.encode(-3.0, "binary16")))',
    "-3.0",
)
def maximum_magnitude_number(
    a: Any,
    b: Any,
    *,
    fmt: Any = None,
    rounding: Any = None,
    overflow: Any = None,
    nan: Any = None,
    random: Any = None,
    flags: bool = False,
    tininess: str = "after",
    out: Array | None = None,
) -> Any:
    """The larger of a and b in magnitude (of equal magnitudes the larger number); a number beside a NaN wins."""
    return operate("maximum_magnitude_number", (a, b), fmt, rounding, overflow, nan, random, flags, tininess, out)


@documented(
    "a, b",
    "A signaling NaN is invalid all the same. -0 lies below +0; NaR counts as a NaN.\n"
    "    Source: IEEE 754-2019 section 9.6, maximumNumber.",
    '>>> float(nf.maximum_number(nf.encode(2.0, "binary16"), nf.encode(-3.0, "binary16")))',
    "2.0",
)
def maximum_number(
    a: Any,
    b: Any,
    *,
    fmt: Any = None,
    rounding: Any = None,
    overflow: Any = None,
    nan: Any = None,
    random: Any = None,
    flags: bool = False,
    tininess: str = "after",
    out: Array | None = None,
) -> Any:
    """The larger of a and b; a number beside a NaN wins."""
    return operate("maximum_number", (a, b), fmt, rounding, overflow, nan, random, flags, tininess, out)


@documented(
    "a, b",
    "-0 lies below +0; NaR counts as a NaN.\n    Source: IEEE 754-2019 section 9.6, minimum.",
    '>>> float(nf.minimum(nf.encode(2.0, "binary16"), nf.encode(-3.0, "binary16")))',
    "-3.0",
)
def minimum(
    a: Any,
    b: Any,
    *,
    fmt: Any = None,
    rounding: Any = None,
    overflow: Any = None,
    nan: Any = None,
    random: Any = None,
    flags: bool = False,
    tininess: str = "after",
    out: Array | None = None,
) -> Any:
    """The smaller of a and b; NaN if either is."""
    return operate("minimum", (a, b), fmt, rounding, overflow, nan, random, flags, tininess, out)


@documented(
    "a, b",
    "-0 lies below +0; NaR counts as a NaN.\n    Source: IEEE 754-2019 section 9.6, minimumMagnitude.",
    '>>> float(nf.minimum_magnitude(nf.encode(2.0, "binary16"), nf.encode(-3.0, "binary16")))',
    "2.0",
)
def minimum_magnitude(
    a: Any,
    b: Any,
    *,
    fmt: Any = None,
    rounding: Any = None,
    overflow: Any = None,
    nan: Any = None,
    random: Any = None,
    flags: bool = False,
    tininess: str = "after",
    out: Array | None = None,
) -> Any:
    """The smaller of a and b in magnitude (of equal magnitudes the smaller number); NaN if either is."""
    return operate("minimum_magnitude", (a, b), fmt, rounding, overflow, nan, random, flags, tininess, out)


@documented(
    "a, b",
    "A signaling NaN is invalid all the same. -0 lies below +0; NaR counts as a NaN.\n"
    "    Source: IEEE 754-2019 section 9.6, minimumMagnitudeNumber.",
    '>>> float(nf.minimum_magnitude_number(nf.encode(2.0, "binary16"), nf.encode(-3.0, "binary16")))',
    "2.0",
)
def minimum_magnitude_number(
    a: Any,
    b: Any,
    *,
    fmt: Any = None,
    rounding: Any = None,
    overflow: Any = None,
    nan: Any = None,
    random: Any = None,
    flags: bool = False,
    tininess: str = "after",
    out: Array | None = None,
) -> Any:
    """The smaller of a and b in magnitude (of equal magnitudes the smaller number); a number beside a NaN wins."""
    return operate("minimum_magnitude_number", (a, b), fmt, rounding, overflow, nan, random, flags, tininess, out)


@documented(
    "a, b",
    "A signaling NaN is invalid all the same. -0 lies below +0; NaR counts as a NaN.\n"
    "    Source: IEEE 754-2019 section 9.6, minimumNumber.",
    '>>> float(nf.minimum_number(nf.encode(2.0, "binary16"), nf.encode(-3.0, "binary16")))',
    "-3.0",
)
def minimum_number(
    a: Any,
    b: Any,
    *,
    fmt: Any = None,
    rounding: Any = None,
    overflow: Any = None,
    nan: Any = None,
    random: Any = None,
    flags: bool = False,
    tininess: str = "after",
    out: Array | None = None,
) -> Any:
    """The smaller of a and b; a number beside a NaN wins."""
    return operate("minimum_number", (a, b), fmt, rounding, overflow, nan, random, flags, tininess, out)
