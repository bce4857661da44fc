"""A digest for every operation, format and policy over a fixed stream of operands, compared with the recorded ones.

The stream of a case is all combinations of special codes (zeros, ends of ranges, infinities, NaNs) and then random
codes by Philox with a fixed key (`numfmt.vectors`); with ``full`` also every row of operands of at most 16 bits
together. A digest is the SHA-256 of the case's name, the result codes (little-endian), the flag bits, and one byte per
row that says whether the policy has a result. Equal digests on two machines, or two versions, mean equal bits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from itertools import product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FileFormatError
from ..formats.base import Format
from ..formats.registry import scalar
from ..vectors.operations import Policy, arity_of, compute, resolve_policy
from ..vectors.sets import exhaustive, random_codes, special_codes

__all__ = ["Case", "Outcome", "cases", "digest_of", "record", "recorded", "run"]

Array = npt.NDArray[Any]
_RANDOM_ROWS, _SEED = 2048, 20251122
_SPECIALS = {1: 64, 2: 20, 3: 9}
_OPERATIONS = ("add", "sub", "mul", "div", "fma", "faa", "sqrt", "rsqrt", "reciprocal", "remainder")
_OTHERS = ("round_to_integral", "minimum", "maximum_number")
_FUNCTIONS = ("exp", "log2", "tanh", "gelu")
_FORMATS = (
    *("fp4_e2m1", "fp6_e2m3", "fp8_e4m3fn", "fp8_e5m2", "fp8_e4m3fnuz", "p3109_k8p4se"),
    *("binary16", "bfloat16", "binary32", "binary64", "posit8", "posit16", "takum16", "int8"),
)
_ROUNDINGS = ("nearest_even", "toward_zero", "toward_positive", "toward_negative")
_MORE_ROUNDINGS = ("nearest_away", "nearest_up", "nearest_down", "nearest_zero", "away_from_zero", "to_odd")


@dataclass(frozen=True)
class Case:
    """One digest: an operation, operand formats, result format and policy; `full`: over every row."""

    op: str
    formats: tuple[Format, ...]
    fmt: Format
    policy: Policy
    full: bool = False

    @property
    def name(self) -> str:
        """A stable name, the key of the recorded digest."""
        names = ",".join(dict.fromkeys(f.name for f in self.formats))
        into = "" if names == self.fmt.name else f">{self.fmt.name}"
        rules = [self.policy.rounding]
        default = resolve_policy(self.fmt, self.policy.rounding, None, None, "after")
        rules += [x for x, y in zip(self.policy.as_dict().values(), default.as_dict().values(), strict=True) if x != y]
        return f"{self.op} {names}{into} {' '.join(rules)}" + " full" * self.full


@dataclass(frozen=True)
class Outcome:
    """The digest of a case beside the recorded one (None: there is none)."""

    case: Case
    rows: int
    digest: str
    expected: str | None

    @property
    def ok(self) -> bool:
        """Whether the digest begins with the 16 digits that are recorded."""
        return self.expected is not None and self.digest.startswith(self.expected)


def cases(full: bool = False) -> Iterator[Case]:
    """Every case, in a fixed order."""
    for name in _FORMATS:
        fmt = scalar(name)
        for op in (*_OPERATIONS, *_OTHERS):
            yield from _of(op, fmt, _ROUNDINGS if op in _OPERATIONS else _ROUNDINGS[:1], full)
        for op in _FUNCTIONS if fmt.bits <= 8 else ():
            yield from _of(op, fmt, _ROUNDINGS[:1], full)
    binary32 = scalar("binary32")
    for name in _FORMATS:
        target = scalar(name)
        for rounding in _ROUNDINGS if full else _ROUNDINGS[:1]:
            yield Case("cast", (binary32,), target, resolve_policy(target, rounding, None, None, "after"))


def _of(op: str, fmt: Format, roundings: tuple[str, ...], full: bool) -> Iterator[Case]:
    operands = (fmt,) * arity_of(op)
    ieee = fmt.name.startswith(("binary", "bfloat"))
    everything = full and prod(f.code_count for f in operands) <= 1 << 16
    for rounding in roundings + (_MORE_ROUNDINGS if full else ()):
        yield Case(op, operands, fmt, resolve_policy(fmt, rounding, None, None, "after"))
        if everything:
            yield Case(op, operands, fmt, resolve_policy(fmt, rounding, None, None, "after"), full=True)
    if ieee and op in _OPERATIONS:
        for nan, tininess in (("x86_sse", "after"), ("arm", "before")):
            yield Case(op, operands, fmt, resolve_policy(fmt, "nearest_even", None, nan, tininess))
    saturated = resolve_policy(fmt, "nearest_even", "saturate", None, "after")
    if full and fmt.name.startswith("fp") and saturated != resolve_policy(fmt, "nearest_even", None, None, "after"):
        yield Case(op, operands, fmt, saturated)


def operands_of(case: Case) -> list[Array]:
    """Operand columns of the case's stream."""
    if case.full:
        return exhaustive(case.formats, None)
    kept = _SPECIALS[len(case.formats)]
    combinations = list(product(*(special_codes(f)[:kept] for f in case.formats)))
    random = random_codes(case.formats, _RANDOM_ROWS, _SEED)
    chosen = [np.array([row[i] for row in combinations], f.code_dtype) for i, f in enumerate(case.formats)]
    return [np.concatenate(pair) for pair in zip(chosen, random, strict=True)]


def digest_of(case: Case) -> tuple[int, str]:
    """(rows, SHA-256 in hexadecimal) of a case."""
    found = compute(case.op, case.formats, operands_of(case), case.fmt, case.policy)
    digest = hashlib.sha256(case.name.encode("ascii"))
    digest.update(found.codes.astype(found.codes.dtype.newbyteorder("<")).tobytes())
    digest.update(found.flags.tobytes())
    digest.update(found.defined.astype(np.uint8).tobytes())
    return found.codes.size, digest.hexdigest()


def recorded() -> dict[str, str]:
    """The digests kept with the library, by case name; `FileFormatError` when the file is damaged."""
    text = resources.files(__name__).joinpath("digests.json").read_text("ascii")
    try:
        groups = json.loads(text)
        return {f"{group} {policy}": digest for group, found in groups.items() for policy, digest in found.items()}
    except (ValueError, AttributeError) as err:
        raise FileFormatError(f"numfmt/selftest/digests.json is damaged ({err}); install the package again") from None


def record() -> str:
    """The text of ``digests.json`` for this version: 16 digits of each, by operation and formats, by policy."""
    groups: dict[str, dict[str, str]] = {}
    for full in (False, True):
        for case in cases(full):
            op, formats, policy = case.name.split(" ", 2)
            groups.setdefault(f"{op} {formats}", {})[policy] = digest_of(case)[1][:16]
    return json.dumps(groups, indent=0) + "\n"


def run(full: bool = False) -> Iterator[Outcome]:
    """Compute every digest and set it beside the recorded one.

    Parameters
    ----------
    full : bool
        Every rounding, saturating policies, and all rows of operands of at most 16 bits together.

    >>> outcome = next(run())
    >>> outcome.case.name, outcome.ok
    ('add fp4_e2m1 nearest_even', True)
    """
    expected = recorded()
    for case in cases(full):
        rows, digest = digest_of(case)
        yield Outcome(case, rows, digest, expected.get(case.name))
