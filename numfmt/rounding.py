"""What may change a bit of a conversion: rounding direction, overflow, NaN and random bits, each an explicit value.

`Rounding.away` is the executable definition of every mode. The compiled twin is ``_kernels/rounding.py`` and the
independent witness ``reference/rounding.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np

from .errors import ArgumentError

__all__ = ["HashRandom", "NaNRule", "Overflow", "PhiloxRandom", "RandomBits", "Rounding"]

_E = TypeVar("_E", bound=Enum)


def _parse(cls: type[_E], value: Any, argument: str) -> _E:
    if isinstance(value, cls):
        return value
    if isinstance(value, str):
        try:
            return cls[value.upper()]
        except KeyError:
            pass
    legal = ", ".join(m.name.lower() for m in cls)
    raise ArgumentError(f"{argument} must be a {cls.__name__} or one of its names, got {value!r}; legal names: {legal}")


class Rounding(Enum):
    """How a real number between two neighbours of a format is rounded.

    Ties of the nearest modes: EVEN takes the neighbour whose code is even, AWAY the larger magnitude, UP toward
    +infinity, DOWN toward -infinity, ZERO the smaller magnitude. TO_ODD keeps exact values and otherwise takes the
    neighbour with the odd code. STOCHASTIC_A/B/C round away from zero when, with nu the exact position between the
    neighbours (0 <= nu < 1), N random bits and their integer R:

    * A: ``floor(nu * 2**N) + R >= 2**N``
    * B: ``floor(nu * 2**(N+1)) + 2*R + 1 >= 2**(N+1)``
    * C: ``round_half_even(nu * 2**N) + R >= 2**N``

    Source: IEEE 754-2019 section 4.3; IEEE P3109 interim report v4.0, RoundToPrecision; NEAREST_UP, NEAREST_DOWN and
    NEAREST_ZERO are the tie rules met in integer pipelines, bitsandbytes and gguf.

    >>> Rounding.parse("toward_zero")
    <Rounding.TOWARD_ZERO: 5>
    """

    NEAREST_EVEN = 0
    NEAREST_AWAY = 1
    NEAREST_UP = 2
    NEAREST_DOWN = 3
    NEAREST_ZERO = 4
    TOWARD_ZERO = 5
    TOWARD_POSITIVE = 6
    TOWARD_NEGATIVE = 7
    AWAY_FROM_ZERO = 8
    TO_ODD = 9
    STOCHASTIC_A = 10
    STOCHASTIC_B = 11
    STOCHASTIC_C = 12

    # Members are singletons: identity is their hash, five times faster than Enum's own in the per-call plan look-up.
    __hash__ = object.__hash__

    @classmethod
    def parse(cls, value: Rounding | str, argument: str = "rounding") -> Rounding:
        """Return the member for a member or its name in any case; raise `ArgumentError` listing the names."""
        return _parse(cls, value, argument)

    @property
    def is_stochastic(self) -> bool:
        """True for STOCHASTIC_A, B and C, which need `random=`."""
        return self.value >= 10

    @property
    def is_nearest(self) -> bool:
        """True for the five nearest modes."""
        return self.value <= 4

    def away(self, negative: bool, side: int, inner_is_even: bool) -> bool:
        """Whether an inexact value rounds to its outer neighbour (the one of larger magnitude).

        Parameters
        ----------
        negative : bool
            Sign of the value.
        side : int
            -1, 0, +1: the magnitude is below, at or above the breakpoint of the two neighbours.
        inner_is_even : bool
            Whether the neighbour of smaller magnitude has an even code.
        """
        if self.is_nearest and side:
            return side > 0
        match self:
            case Rounding.NEAREST_EVEN:
                return not inner_is_even
            case Rounding.NEAREST_AWAY | Rounding.AWAY_FROM_ZERO:
                return True
            case Rounding.NEAREST_UP | Rounding.TOWARD_POSITIVE:
                return not negative
            case Rounding.NEAREST_DOWN | Rounding.TOWARD_NEGATIVE:
                return negative
            case Rounding.NEAREST_ZERO | Rounding.TOWARD_ZERO:
                return False
            case Rounding.TO_ODD:
                return inner_is_even
        raise ArgumentError(f"rounding {self.name.lower()} needs random bits; pass random=")

    def away_stochastic(self, nu: Fraction, random: int, width: int) -> bool:
        """Whether a value at position `nu` between its neighbours rounds away, given a `width`-bit integer."""
        one = 1 << width
        match self:
            case Rounding.STOCHASTIC_A:
                return (nu.numerator * one) // nu.denominator + random >= one
            case Rounding.STOCHASTIC_B:
                return (nu.numerator * 2 * one) // nu.denominator + 2 * random + 1 >= 2 * one
            case Rounding.STOCHASTIC_C:
                return round(nu * one) + random >= one
        raise ArgumentError(f"rounding {self.name.lower()} takes no random bits; drop random=")


class Overflow(Enum):
    """What a value beyond the largest finite one becomes; the magnitude is rounded first, with unbounded exponent.

    ================ ============================ ===================================== ==================
    policy           finite overflow              infinite input                        source
    ================ ============================ ===================================== ==================
    SATURATE         largest finite               largest finite                        OCP OFP8 SAT, P3109 SatFinite
    NONSATURATING    infinity, else NaN; directed infinity, else NaN                    IEEE 754 7.4, OCP OFP8 OVF
                     roundings clamp (IEEE 7.4)
    SAT_PROPAGATE    largest finite               infinity if present, else largest     P3109 SatPropagate
    SAT_NONE         infinity if present, else    infinity if present, else largest     P3109 SatNone
                     largest; unsigned: negative
                     gives NaN
    PTX_SATFINITE    largest finite               largest finite; NaN gives the largest PTX ISA 9.0 cvt
                                                  finite where the format has no NaN
    WRAP             modulo 2**bits (integers)    ValueError                            C, ml_dtypes ints
    RAISE            FormatOverflowError          FormatOverflowError                   numfmt
    ================ ============================ ===================================== ==================
    """

    SATURATE = 0
    NONSATURATING = 1
    SAT_PROPAGATE = 2
    SAT_NONE = 3
    PTX_SATFINITE = 4
    WRAP = 5
    RAISE = 6

    __hash__ = object.__hash__

    @classmethod
    def parse(cls, value: Overflow | str, argument: str = "overflow") -> Overflow:
        """Return the member for a member or its name in any case."""
        return _parse(cls, value, argument)


class NaNRule(Enum):
    """Which code a NaN becomes when converting.

    CANONICAL: the format's canonical NaN (default where one exists). SIGNED: the canonical NaN with the sign of the
    input (ml_dtypes). ALL_ONES: every bit below the sign one, sign clear (PTX: 0x7F). SIGNED_ALL_ONES: the same with
    the sign of the input (torch e5m2). RAISE: `NaNError` (default where the format has no NaN). ZERO, NEGATIVE_ZERO,
    MAX, MIN: that code, whatever the sign. OPPOSITE_ZERO: the zero of the other sign (ml_dtypes for FP4 and FP6).
    """

    CANONICAL = 0
    SIGNED = 1
    ALL_ONES = 2
    RAISE = 3
    ZERO = 4
    NEGATIVE_ZERO = 5
    MAX = 6
    MIN = 7
    OPPOSITE_ZERO = 8
    SIGNED_ALL_ONES = 9

    __hash__ = object.__hash__

    @classmethod
    def parse(cls, value: NaNRule | str, argument: str = "nan") -> NaNRule:
        """Return the member for a member or its name in any case."""
        return _parse(cls, value, argument)


@dataclass(frozen=True, eq=False)
class RandomBits:
    """Random integers that the caller supplies for stochastic rounding, one per element.

    Parameters
    ----------
    integers : array of any integer dtype
        ``0 <= integers < 2**width``; broadcast to the shape of the data.
    width : int
        Number of random bits N, 1 to 64.

    >>> RandomBits([0, 255], width=8).width
    8
    """

    integers: Any
    width: Any

    def __post_init__(self) -> None:
        if not isinstance(self.width, (int, np.integer)) or not 1 <= self.width <= 64:
            raise ArgumentError(f"width must be an integer from 1 to 64, got {self.width!r}")
        array = np.asarray(self.integers)
        if array.dtype.kind not in "iu":
            raise ArgumentError(
                f"integers must have an integer dtype, got {array.dtype}; draw them with rng.integers(2**width)"
            )
        if array.size and (int(array.min()) < 0 or int(array.max()) >> int(self.width)):
            raise ArgumentError(
                f"integers must lie in [0, 2**{self.width}), got {int(array.min())} to {int(array.max())}"
            )
        object.__setattr__(self, "integers", array.astype(np.uint64))
        object.__setattr__(self, "width", int(self.width))


def _check_seeded(seed: Any, width: Any, start: Any) -> None:
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 1 << 64:
        raise ArgumentError(f"seed must be an integer in [0, 2**64), got {seed!r}")
    if isinstance(width, bool) or not isinstance(width, (int, np.integer)) or not 1 <= width <= 32:
        raise ArgumentError(f"width must be an integer from 1 to 32, got {width!r}; wider bits: RandomBits")
    if isinstance(start, bool) or not isinstance(start, (int, np.integer)) or not 0 <= start < 1 << 64:
        raise ArgumentError(f"start must be a flat index in [0, 2**64), got {start!r}")


@dataclass(frozen=True)
class HashRandom:
    """Counter-based random bits from a keyed 32-bit mixing hash: the fast default behind ``random=seed``.

    Element `i` (flat C-order index plus `start`) gets the top `width` bits of h(seed, i), so slices, chunks and threads
    change nothing: pass the slice's offset as `start`. With mix(x): x ^= x >> 16; x *= 0x7FEB352D; x ^= x >> 15;
    x *= 0x846CA68B; x ^= x >> 16 (all modulo 2**32), the keys are
    k0 = mix(low32(seed) ^ mix(high32(i) + 0x9E3779B9)), k1 = mix(high32(seed) + 0x85EBCA6B + k0), and
    x = low32(i) ^ k0; x ^= x >> 16; x *= 0x7FEB352D; x ^= k1; x ^= x >> 15; x *= 0x846CA68B; x ^= x >> 16.
    The multipliers are C. Wellons' published low-bias pair (hash-prospector, public domain).

    >>> HashRandom(7).width
    32
    """

    seed: int
    width: int = 32
    start: int = 0

    def __post_init__(self) -> None:
        _check_seeded(self.seed, self.width, self.start)


@dataclass(frozen=True)
class PhiloxRandom:
    """Counter-based random bits from Philox4x32-10: element `i` is word ``i % 4`` of block ``i // 4``, key `seed`.

    The counter is (low32(block), high32(block), 0, 0) and the key (low32(seed), high32(seed)); the top `width` bits
    are used. Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11.

    >>> PhiloxRandom(7, width=8).start
    0
    """

    seed: int
    width: int = 32
    start: int = 0

    def __post_init__(self) -> None:
        _check_seeded(self.seed, self.width, self.start)
