"""Operand columns: exhaustive, random and smoke sets; the boundary set is in ``boundary.py``."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError
from ..formats.base import Format
from ..formats.floating import FloatFormat, Specials

__all__ = ["SETS", "exhaustive", "random_codes", "smoke", "special_codes"]

Array = npt.NDArray[Any]
SETS = ("exhaustive", "boundary", "random", "smoke")
#: Rows of an exhaustive set that needs no request, and of any set.
_FREE_ROWS, _MOST_ROWS = 1 << 16, 1 << 24
SMOKE_ROWS = 256


def exhaustive(formats: Sequence[Format], n: int | None) -> list[Array]:
    """Every combination of codes, the last operand fastest."""
    counts = [f.code_count for f in formats]
    rows = prod(counts)
    if rows > _MOST_ROWS:
        raise ArgumentError(
            f"exhaustive sets have at most 2**24 rows, {' x '.join(f.name for f in formats)} would have {rows}; take "
            "set='boundary' or 'random'"
        )
    if rows > _FREE_ROWS and n != rows:
        raise ArgumentError(f"this exhaustive set has {rows} rows, more than {_FREE_ROWS}: ask for them with n={rows}")
    if n is not None and n != rows:
        raise ArgumentError(f"n must be {rows} (all rows) or None for this exhaustive set, got {n}")
    at, columns = np.arange(rows, dtype=np.int64), []
    for fmt in reversed(formats):
        at, code = np.divmod(at, fmt.code_count)
        columns.append(code.astype(fmt.code_dtype))
    return columns[::-1]


def random_codes(formats: Sequence[Format], n: int | None, seed: int) -> list[Array]:
    """Codes by Philox4x64-10 with the key (seed, operand index): row i is word i, so a longer set begins alike.

    A code is the word's low bits, or the word modulo the number of codes where that is no power of two.
    """
    if n is None or not 1 <= n <= _MOST_ROWS:
        raise ArgumentError(f"n must be 1 to {_MOST_ROWS} rows of a random set, got {n}")
    if not 0 <= seed < 1 << 64:
        raise ArgumentError(f"seed must be in [0, 2**64), got {seed}")
    columns = []
    for i, fmt in enumerate(formats):
        words = np.random.Philox(key=np.array([seed, i], np.uint64)).random_raw(n)
        codes = words if fmt.code_count == 1 << 64 else words % np.uint64(fmt.code_count)
        columns.append(codes.astype(fmt.code_dtype))
    return columns


def special_codes(fmt: Format) -> list[int]:
    """Zeros, ends of the subnormals and normals, one, the largest, infinities, NaNs quiet and signaling; both signs."""
    found: list[int] = [c for c in (*fmt.zero_codes, *fmt.infinity_codes) if c is not None]
    if fmt.has_nan:
        found += _nan_codes(fmt)
    codes, count = fmt.ordered_codes, fmt.ordered_count
    one = fmt.rank_below(_fraction(1))
    ranks = [count - 1, count - 2, one, one + 1, fmt.rank_below(fmt.value_of(fmt.smallest_code).value)]
    normal = fmt.smallest_normal
    if isinstance(normal, float) and normal > 0:
        rank = fmt.rank_below(_fraction(normal))
        ranks += [rank, rank - 1]
    if fmt.is_signed:
        ranks += [0, 1, fmt.rank_below(_fraction(-1))]
        ranks += [fmt.rank_below(-fmt.value_of(int(codes[r])).value) for r in ranks[3:] if 0 <= r < count]
    found += [int(codes[r]) for r in ranks if 0 <= r < count]
    return list(dict.fromkeys(found))


def _fraction(x: float) -> Any:
    from fractions import Fraction

    return Fraction(x)


def _nan_codes(fmt: Format) -> list[int]:
    if isinstance(fmt, FloatFormat) and fmt.specials is Specials.IEEE and fmt.mantissa_bits > 1:
        quiet, signaling = fmt.max_magnitude + 1 + (1 << (fmt.mantissa_bits - 1)), fmt.max_magnitude + 2
        signs = (0, fmt.sign_weight) if fmt.signed else (0,)
        last = quiet * 2 - (fmt.max_magnitude + 1) - 1  # all payload bits set: the exponent field is not doubled
        payloads = dict.fromkeys((quiet, signaling, last, quiet - 1))
        return [sign + magnitude for magnitude in payloads for sign in signs]
    return [int(c) for c in list(fmt.nan_codes)[:2]] if fmt.bits <= 16 else [fmt.nan_code or 0]


def smoke(formats: Sequence[Format]) -> list[Array]:
    """256 fixed rows: a quarter from the special codes, spread over their combinations, the others random."""
    combinations = list(product(*(special_codes(f) for f in formats)))
    step = -(-len(combinations) // (SMOKE_ROWS // 4))
    chosen = combinations[::step]
    rest = random_codes(formats, SMOKE_ROWS - len(chosen), 0)
    return [
        np.concatenate([np.array([row[i] for row in chosen], f.code_dtype), rest[i]]) for i, f in enumerate(formats)
    ]
