"""`round_shift`: the one place where a kernel rounds. Modes are the integers of ``numfmt.rounding.Rounding``."""

from __future__ import annotations

import numpy as np

from ._jit import inline

U64 = np.uint64
ONE = U64(1)

NEAREST_EVEN, NEAREST_AWAY, NEAREST_UP, NEAREST_DOWN, NEAREST_ZERO = range(5)
TOWARD_ZERO, TOWARD_POSITIVE, TOWARD_NEGATIVE, AWAY_FROM_ZERO, TO_ODD = range(5, 10)
STOCHASTIC_A, STOCHASTIC_B, STOCHASTIC_C = range(10, 13)


@inline
def round_shift(significand, shift, base, negative, mode):
    """``base + significand / 2**shift`` rounded to an integer by a deterministic mode.

    1 <= shift <= 63, significand < 2**62 as uint64; `base` is even or takes part in the parity of the result code.
    """
    kept = base + (significand >> shift)
    half = ONE << (shift - ONE)
    full = (half << ONE) - ONE  # everything below the kept bits
    odd = kept & ONE
    if mode == NEAREST_EVEN:
        addend = half - ONE + odd
    elif mode == NEAREST_AWAY:
        addend = half
    elif mode == NEAREST_UP:
        addend = half - ONE if negative else half
    elif mode == NEAREST_DOWN:
        addend = half if negative else half - ONE
    elif mode == NEAREST_ZERO:
        addend = half - ONE
    elif mode == TOWARD_POSITIVE:
        addend = U64(0) if negative else full
    elif mode == TOWARD_NEGATIVE:
        addend = full if negative else U64(0)
    elif mode == AWAY_FROM_ZERO:
        addend = full
    elif mode == TO_ODD:
        addend = U64(0) if odd else full
    else:
        addend = U64(0)
    return base + ((significand + addend) >> shift)


@inline
def round_shift_random(significand, shift, base, mode, random, width):
    """The stochastic modes: nu = fraction / 2**shift, N = `width` <= 32 random bits in `random`.

    significand < 2**54, 1 <= shift <= 100: beyond 63 the kept part is zero and only nu's leading bits matter.
    """
    extra = U64(width) + ONE  # one bit more than N decides B and C
    if shift > U64(63):
        kept = U64(0)
        fraction = significand
    else:
        kept = significand >> shift
        fraction = significand & ((ONE << shift) - ONE)
    # scaled = floor(nu * 2**(N+1)); sticky = whether anything lies below it.
    if shift > extra:
        drop = shift - extra
        if drop > U64(63):
            scaled, sticky = U64(0), fraction != U64(0)
        else:
            scaled = fraction >> drop
            sticky = (fraction & ((ONE << drop) - ONE)) != U64(0)
    else:
        scaled = fraction << (extra - shift)
        sticky = False
    limit = ONE << U64(width)
    if mode == STOCHASTIC_A:
        away = (scaled >> ONE) + random >= limit
    elif mode == STOCHASTIC_B:
        away = scaled + random + random + ONE >= limit + limit
    else:
        whole = scaled >> ONE
        if scaled & ONE and (sticky or whole & ONE):
            whole += ONE
        away = whole + random >= limit
    return base + kept + (ONE if away else U64(0))
