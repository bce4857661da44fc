"""The boundary set: rows constructed so that their exact results lie where implementations fail.

A target (a tie, a threshold, a little beside one) is chosen among the values of the result format, all operands but
the last from codes that suit the operation, and the last is solved for exactly and taken from both sides. Every
candidate is then classified from its exact result (``classes.py``), and kept while one of its classes wants more rows.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ..formats.base import Format
from .classes import class_names_of, classify, limits, out_of_reach
from .exact import Value, exponent_of, find_place
from .sets import special_codes

__all__ = ["Coverage", "boundary"]

Array = npt.NDArray[Any]
#: Rows wanted of each class, and the number below which a class counts as missed. With one operand a threshold is met
#: by one number of each sign.
WANTED, NEEDED, NEEDED_OF_ONE = 16, 8, 2
#: Rows up to which all are looked at, which proves that a class is out of reach.
_PROVABLE_ROWS = 1 << 16


@dataclass(frozen=True)
class Coverage:
    """Rows of each boundary class, and why some have none.

    `proved`: every row there is was looked at, so what is missing cannot be reached; `reasons`: the same by argument.
    """

    counts: dict[str, int]
    proved: bool
    reasons: dict[str, str]
    needed: int

    @property
    def out_of_reach(self) -> tuple[str, ...]:
        """Classes without rows, proved to have none."""
        return tuple(name for name, n in self.counts.items() if not n and (self.proved or name in self.reasons))

    @property
    def missed(self) -> tuple[str, ...]:
        """Classes with too few rows that are not proved to have no more."""
        short = [name for name, n in self.counts.items() if n < self.needed and name not in self.out_of_reach]
        return () if self.proved else tuple(short)

    def __str__(self) -> str:
        few = [name for name, n in self.counts.items() if 0 < n < self.needed and self.proved]
        reachable = len(self.counts) - len(self.out_of_reach)
        lines = [f"{reachable - len(self.missed)} of {reachable} reachable boundary classes have {self.needed} rows"]
        lines[0] += f", of these {len(few)} all the rows there are" if few else ""
        lines += [f"  {name} {n}" for name, n in self.counts.items() if n]
        if self.out_of_reach:
            lines.append(f"out of reach, by {'looking at every row' if self.proved else 'argument'}:")
            lines += [f"  {name}: {self.reasons.get(name, 'no row')}" for name in self.out_of_reach]
        if self.missed:
            lines.append(f"too few or none found: {', '.join(self.missed)}")
        return "\n".join(lines)


class _Dice:
    """Counter-based choices: number i depends on the seed and on i alone, on every platform alike."""

    def __init__(self, seed: int) -> None:
        self.key, self.count = seed.to_bytes(8, "little"), 0

    def below(self, n: int) -> int:
        """An integer in [0, n)."""
        self.count += 1
        digest = hashlib.blake2b(self.count.to_bytes(8, "little"), key=self.key, digest_size=16).digest()
        return int.from_bytes(digest, "little") % n

    def between(self, low: int, high: int) -> int:
        """An integer in [low, high]."""
        return low + self.below(high - low + 1) if high > low else low


def _value(fmt: Format, code: int) -> Fraction:
    return fmt.value_of(code).value


def _near(fmt: Format, x: Fraction) -> list[int]:
    """The codes on both sides of `x`."""
    return list(dict.fromkeys(c for c in find_place(fmt, Value(x)) if c is not None))


def _solve(op: str, given: Sequence[Fraction], target: Fraction) -> Fraction | None:
    """The last operand that gives `target`."""
    a = given[0] if given else Fraction(0)
    match op:
        case "add":
            return target - a
        case "sub":
            return a - target
        case "mul":
            return target / a if a else None
        case "div":
            return a / target if target else None
        case "fma":
            return target - a * given[1]
        case "faa":
            return target - a - given[1]
        case "sqrt":
            return target * target if target > 0 else None
        case "rsqrt":
            return 1 / (target * target) if target > 0 else None
        case "reciprocal":
            return 1 / target if target else None
    return target


# ---- targets -------------------------------------------------------------------------------------------------------


def _targets(fmt: Format, dice: _Dice, rounds: int) -> Iterator[Fraction]:
    """Ties and thresholds of the result format, and numbers beside them."""
    bounds, codes, count = limits(fmt), fmt.ordered_codes, fmt.ordered_count
    beside = (Fraction(0), Fraction(1, 16), Fraction(-1, 16), Fraction(1, 64), Fraction(-1, 64))
    marks: list[tuple[Fraction, Fraction]] = []
    if bounds.overflow is not None and bounds.above is not None:
        ulp = bounds.above - bounds.maximum
        marks += [(bounds.overflow, ulp), (bounds.above, ulp), (bounds.maximum, ulp), (bounds.above * 2, ulp)]
    if bounds.smallest is not None:
        marks += [(bounds.smallest * k / 4, bounds.smallest) for k in (1, 2, 3, 4, 6)]
    if bounds.normal is not None and bounds.quantum is not None:
        marks += [(bounds.normal + bounds.quantum * k / 8, bounds.quantum) for k in (-8, -4, -2, -1, 0, 1, 4, 8)]
    for at, ulp in marks:
        for offset in beside:
            yield at + offset * ulp
            if fmt.is_signed:
                yield -(at + offset * ulp)
    one, zero = fmt.rank_below(Fraction(1)), fmt.rank_below(Fraction(0))
    for i in range(rounds):
        low, high = ((zero, count - 2), (zero, one), (one, count - 2), (0, count - 2))[i % 4]
        rank = dice.between(max(low, 0), max(high, 0))
        if i % 8 == 5:
            rank = min(max(zero + dice.between(0, 1 << (i % 4)), 0), count - 2)
        lower, upper = int(codes[rank]), int(codes[rank + 1])
        tie = fmt.breakpoint(lower, upper)
        if isinstance(tie, Fraction):
            for offset in beside:
                yield tie + offset * (_value(fmt, upper) - _value(fmt, lower))


def _small_divisors(n: int) -> list[int]:
    """Odd divisors of `n` made of primes below 128."""
    rest, found = abs(n), [1]
    for prime in range(3, 128, 2):
        while rest and rest % prime == 0:
            rest //= prime
            found += [d * prime for d in found if d * prime < 1 << 20]
    return sorted(set(found))


def _short(fmt: Format, dice: _Dice, bits: int, exponent: int) -> int | None:
    """A code whose significand is an odd number of `bits` bits, times a power of two near ``2**exponent``."""
    significand = 1 << (bits - 1) | 1 | (dice.below(1 << (bits - 1)) if bits > 1 else 0)
    x = Fraction(significand) * Fraction(2) ** (exponent - bits + 1)
    x = -x if fmt.is_signed and dice.below(2) else x
    near = _near(fmt, x)
    return near[0] if len(near) == 1 else None


# ---- candidates ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Candidates:
    """All candidate rows, in a fixed order."""

    op: str
    formats: Sequence[Format]
    fmt: Format
    dice: _Dice

    def specials(self) -> Iterator[tuple[int, ...]]:
        """All combinations of special codes."""
        kept = None if len(self.formats) < 3 else 12
        yield from product(*(special_codes(f)[:kept] for f in self.formats))

    def powers(self) -> Iterator[tuple[int, ...]]:
        """Powers of two and their neighbours, beside a few operands each."""
        low, high = self._exponents(self.formats[0])
        for e in range(low, high + 1, max(1, (high - low) // 64)):
            for a in _near(self.formats[0], Fraction(2) ** e):
                for around in (a - 1, a, a + 1):
                    if 0 <= around < self.formats[0].code_count:
                        yield (around, *(self._any(f) for f in self.formats[1:]))

    def solved(self, rounds: int) -> Iterator[tuple[int, ...]]:
        """Operands whose exact result is a target or lies beside it."""
        for target in _targets(self.fmt, self.dice, rounds):
            for given in self._partners(target):
                values = [_value(f, c) for f, c in zip(self.formats, given, strict=False)]
                last = _solve(self.op, values, target)
                if last is not None:
                    for code in _near(self.formats[-1], last):
                        yield (*given, code)

    def sums(self, rounds: int) -> Iterator[tuple[int, ...]]:
        """Cancellation of every number of bits, and addends far apart."""
        if self.op not in ("add", "sub", "fma", "faa"):
            return
        p = limits(self.fmt).precision
        low, high = self._exponents(self.formats[0])
        ones = [_near(f, Fraction(1 if self.op == "fma" else 0))[0] for f in self.formats[1:-1]]
        for _ in range(rounds):  # a power of two and its predecessor differ by 2**-p of it
            power = Fraction(2) ** self.dice.between(low, high)
            given = (_near(self.formats[0], power)[0], *ones)
            yield from self._with_last(given, power / (1 << p))
        for k in range(1, min(p, 64) + 1):
            for _ in range(rounds):
                given, total = self._finite_partners()
                if not total:
                    continue
                top = exponent_of(total)
                step = Fraction(2) ** (top - max(p, k) + 1)
                target = step * self.dice.between(1, max(1, (Fraction(2) ** (top - k + 1) / step).__floor__()))
                yield from self._with_last(given, target if total > 0 else -target)
                far = total * Fraction(self.dice.between(17, 31), 16) / (1 << (p + 1 + k % 4))
                yield from self._with_last(given, total + far * (1 if k % 2 else -1))

    def short_products(self, rounds: int) -> Iterator[tuple[int, ...]]:
        """Odd significands of i and j bits: i + j, or one less, are the product's, which decides on ties."""
        if self.op not in ("mul", "fma"):
            return
        p = limits(self.fmt).precision
        first, second = self.formats[:2]
        for total in (p + 1, p + 2, p + 3):
            for i in range(1, total):
                for _ in range(rounds):
                    e = self.dice.between(*self._exponents(first)) // 2
                    a, b = _short(first, self.dice, i, e), _short(second, self.dice, total - i, -e)
                    if a is not None and b is not None:
                        yield (a, b, *(self._any(f) for f in self.formats[2:]))

    def everything(self) -> Iterator[tuple[int, ...]]:
        """All rows there are."""
        yield from product(*(range(f.code_count) for f in self.formats))

    # ---- choices of operands ---------------------------------------------------------------------------------------

    def _any(self, fmt: Format) -> int:
        return self.dice.below(fmt.code_count)

    def _finite(self, fmt: Format) -> int:
        return int(fmt.ordered_codes[self.dice.below(fmt.ordered_count)])

    def _exponents(self, fmt: Format) -> tuple[int, int]:
        top = exponent_of(_value(fmt, fmt.max_code))
        return exponent_of(_value(fmt, fmt.smallest_code)), top

    def _finite_partners(self) -> tuple[tuple[int, ...], Fraction]:
        """All operands but the last, and what they add up to."""
        given = tuple(self._finite(f) for f in self.formats[:-1])
        values = [_value(f, c) for f, c in zip(self.formats, given, strict=False)]
        return given, prod(values, start=Fraction(1)) if self.op == "fma" else sum(values, Fraction(0))

    def _with_last(self, given: tuple[int, ...], target: Fraction) -> Iterator[tuple[int, ...]]:
        values = [_value(f, c) for f, c in zip(self.formats, given, strict=False)]
        last = _solve(self.op, values, target)
        assert last is not None
        for code in _near(self.formats[-1], last):
            yield (*given, code)

    def _partners(self, target: Fraction) -> list[tuple[int, ...]]:
        """Choices of all operands but the last that leave it a chance to be exact."""
        if len(self.formats) == 1:
            return [()]
        head, size = self.formats[0], abs(target) or Fraction(1)
        ratios = (Fraction(1, 2), Fraction(3, 4), Fraction(1), Fraction(3, 2), Fraction(-1, 4), Fraction(2))
        if self.op in ("add", "sub", "faa"):
            seeds = [target * r for r in (*ratios, Fraction(self.dice.between(-31, 31), 16))]
        else:
            low, high = self._exponents(head)
            middle = Fraction(2) ** min(max(exponent_of(size) // 2, low), high)
            seeds = [middle * m for m in (1, -1, 3, Fraction(5, 4), 7, Fraction(self.dice.between(17, 31), 16))]
            divisors = _small_divisors(target.numerator)
            for _ in range(3):
                divisor = divisors[self.dice.below(len(divisors))]
                seeds.append(divisor * Fraction(2) ** self.dice.between(low, max(low, high - divisor.bit_length())))
        chosen = [_near(head, x)[0] for x in seeds] + [self._finite(head)]
        if len(self.formats) == 2:
            return [(c,) for c in chosen]
        seconds = [_near(self.formats[1], Fraction(1))[0], self._finite(self.formats[1])]
        return [(c, seconds[i % 2]) for i, c in enumerate(chosen)]


def boundary(op: str, formats: Sequence[Format], fmt: Format, seed: int) -> tuple[list[Array], Coverage]:
    """Operand columns and the classes they reach; results may be any policy's, the rows do not depend on it."""
    candidates = _Candidates(op, formats, fmt, _Dice(seed))
    wanted, reasons = class_names_of(op, formats, fmt), out_of_reach(op, formats, fmt)
    counts, rows = Counter(dict.fromkeys(wanted, 0)), dict.fromkeys(candidates.specials())
    seen = set(rows)
    for row in rows:
        counts.update(name for name in classify(op, formats, row, fmt) if name in counts)

    def take(stream: Iterator[tuple[int, ...]], quota: int) -> None:
        for row in stream:
            if row not in seen:
                seen.add(row)
                names = [name for name in classify(op, formats, row, fmt) if name in counts]
                if any(counts[name] < quota for name in names):
                    rows[row] = None
                    counts.update(names)

    exact = all(f.exact for f in (*formats, fmt))
    small = exact and prod(f.code_count for f in formats) <= _PROVABLE_ROWS
    needed = NEEDED if len(formats) > 1 else NEEDED_OF_ONE

    def satisfied() -> bool:
        return all(n >= needed or name in reasons for name, n in counts.items())

    for stream in (candidates.short_products(1), candidates.solved(24), candidates.sums(6), candidates.powers()):
        take(stream, WANTED)
    if small and not satisfied():
        take(candidates.everything(), NEEDED)
    for _ in range(0 if small or not exact else 6):
        if satisfied():
            break
        take(candidates.solved(24), NEEDED)
        take(candidates.sums(6), NEEDED)
    columns = [np.array([row[i] for row in rows], f.code_dtype) for i, f in enumerate(formats)]
    coverage = Coverage({name: counts[name] for name in wanted}, small, reasons, needed)
    return columns, coverage
