"""Which NaN comes out: the rules that IEEE 754-2019 section 6.2.3 leaves to the implementation, as named policies.

========== ============ ==========================================================================================
policy     default NaN  a NaN among the operands gives
========== ============ ==========================================================================================
canonical  quiet, +     the default NaN
riscv      quiet, +     the default NaN
arm_default quiet, +    the default NaN (FPCR.DN = 1)
x86_sse    quiet, -     the first operand that is a NaN, made quiet
arm        quiet, +     the first signaling NaN, else the first NaN, made quiet
========== ============ ==========================================================================================

With three operands the rule is applied to the first two and then to its result and the third. Payloads are aligned at
the quiet bit: a wider result gets zeros, a narrower one loses the low bits. ``fma(0, inf, NaN)`` raises invalid in
every policy and offers the default NaN, then the addend, to the rule; x86 processors differ from that (they return the
addend and raise nothing for a quiet one), ARM's and RISC-V's do not. IEEE 754-2019 7.2 c allows both.

Source: Berkeley SoftFloat 3e, specializations RISCV, ARM-VFPv2-defaultNaN, 8086-SSE and ARM-VFPv2 (propagateNaN,
commonNaN, mulAdd). Only formats of IEEE style with a trailing significand have payloads; the others have one NaN (with
a sign in the ``fn`` formats), which every policy gives in its canonical form.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import floor

from ..errors import ArgumentError
from ..formats import FloatFormat, Format, IntFormat, Specials
from ..rounding import NaNRule
from .encode import _ends
from .operands import NaN

__all__ = ["NAN_POLICIES", "default_nan", "integer_code", "nan_policy", "packed_nan", "propagate"]

NAN_POLICIES = ("canonical", "riscv", "arm_default", "x86_sse", "arm")


def nan_policy(nan: NaNRule | str | None) -> tuple[str, NaNRule | None]:
    """The policy and, where `nan` names a `NaNRule` such as "zero", that rule."""
    if nan is None:
        return "canonical", None
    name = nan.name.lower() if isinstance(nan, NaNRule) else str(nan).lower()
    if name in NAN_POLICIES:
        return name, None
    if name.upper() in NaNRule.__members__:
        return "canonical", NaNRule.parse(name)
    legal = ", ".join([*NAN_POLICIES, *(rule.name.lower() for rule in NaNRule if rule is not NaNRule.CANONICAL)])
    raise ArgumentError(f"nan must name a policy or a NaN rule, got {nan!r}; legal names: {legal}")


def default_nan(policy: str) -> NaN:
    """The NaN of an invalid operation."""
    return NaN(negative=policy == "x86_sse")


def propagate(nans: Sequence[NaN | None], policy: str) -> NaN:
    """The result for operands of which some are NaN (None: a number), first to last."""

    def choose(a: NaN | None, b: NaN | None) -> NaN | None:
        if policy == "arm" and b is not None and b.signaling and not (a is not None and a.signaling):
            a = b
        chosen = b if a is None else a
        return None if chosen is None else chosen._replace(signaling=False)

    if policy not in ("x86_sse", "arm"):
        return default_nan(policy)
    found = reduce(choose, nans[1:], nans[0])
    assert found is not None
    return found._replace(signaling=False)


def packed_nan(nan: NaN, fmt: Format) -> int | None:
    """The code of a quiet NaN in a format with payloads; None for other formats."""
    if not isinstance(fmt, FloatFormat) or fmt.specials is not Specials.IEEE or fmt.M == 0:
        return None
    quiet_bit = 1 << (fmt.M - 1)
    exponent = ((1 << fmt.E) - 1) << fmt.M
    return (int(nan.negative and fmt.signed) << (fmt.bits - 1)) + exponent + quiet_bit + floor(nan.payload * quiet_bit)


def integer_code(fmt: IntFormat, policy: str, negative: bool | None) -> int | None:
    """What conversion to an integer gives for NaN (`negative` None) or a number beyond the range; None: not ruled.

    x86_sse: the "integer indefinite" code in every case (80...0 signed, all ones unsigned). riscv: the nearest end, and
    the largest for NaN. arm, arm_default: the nearest end, and 0 for NaN.
    """
    if policy == "canonical":
        return None
    if policy == "x86_sse":
        return 1 << (fmt.bits - 1) if fmt.signed else (1 << fmt.bits) - 1
    smallest, largest = _ends(fmt)
    if negative is None:
        return largest if policy == "riscv" else 0
    return smallest if negative else largest
