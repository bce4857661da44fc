"""Profiles: other stacks' conversion rules as data, and the exact list of inputs where two of them differ."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .errors import ArgumentError
from .formats.base import TABLE_BITS, Format
from .formats.block import BlockFormat
from .formats.conversion import Conversion, Policy, conversion
from .formats.registry import scalar as get
from .formats.scale_rules import scale_rule
from .formats.tables import encode_steps
from .rounding import NaNRule, Overflow, Rounding

__all__ = [
    "BlockRule",
    "Difference",
    "Profile",
    "Rule",
    "compare_profiles",
    "profile_names",
    "resolve_block",
    "resolve_policy",
]


@dataclass(frozen=True)
class Rule:
    """Conversion rules for the formats whose canonical names match `formats` (shell patterns, separated by spaces)."""

    formats: str
    rounding: Rounding = Rounding.NEAREST_EVEN
    overflow: Overflow = Overflow.SATURATE
    nan: NaNRule | None = None
    zero: str = "smallest"
    negative: str = "overflow"
    keep_minus_zero: bool = True


@dataclass(frozen=True)
class BlockRule:
    """Fields of a block format, and the element's conversion rules, as another stack has them."""

    formats: str
    rounding: Rounding | None = None
    overflow: Overflow | None = None
    nan: NaNRule | None = None
    keep_minus_zero: bool = True
    changes: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Profile:
    """A named bundle of rules with its source; the first rule that matches a format counts."""

    name: str
    source: str
    rules: tuple[Rule, ...] = ()
    blocks: tuple[BlockRule, ...] = field(default=())

    def block_rule_for(self, fmt: BlockFormat) -> BlockRule:
        """The rule for a block format; `ArgumentError` when the stack has none."""
        for rule in self.blocks:
            if any(fnmatch.fnmatchcase(fmt.name, pattern) for pattern in rule.formats.split()):
                return rule
        covered = " ".join(rule.formats for rule in self.blocks) or "no block formats"
        raise ArgumentError(f"profile {self.name!r} says nothing about {fmt.name}; it covers {covered}")

    def policy_for(self, fmt: Format) -> Policy:
        """The policy for `fmt`; `ArgumentError` when the stack has no such conversion."""
        for rule in self.rules:
            if any(fnmatch.fnmatchcase(fmt.name, pattern) for pattern in rule.formats.split()):
                nan = fmt.default_nan if rule.nan is None else rule.nan
                return Policy(rule.rounding, rule.overflow, nan, rule.zero, rule.negative, rule.keep_minus_zero)
        covered = " ".join(rule.formats for rule in self.rules) or "no scalar formats"
        raise ArgumentError(f"profile {self.name!r} says nothing about {fmt.name}; it covers {covered}")


_RNE, _RNA, _RZ = Rounding.NEAREST_EVEN, Rounding.NEAREST_AWAY, Rounding.TOWARD_ZERO
_SAT, _NONSAT = Overflow.SATURATE, Overflow.NONSATURATING
_FNUZ = "fp8_e4m3fnuz fp8_e5m2fnuz fp8_e4m3fnuz_b11"
_NARROW = "fp6_e2m3 fp6_e3m2 fp4_e2m1"
_MXFP = "mxfp8_e4m3 mxfp8_e5m2 mxfp6_e2m3 mxfp6_e3m2 mxfp4"
_INTS = "int*_absmax int*_tensor"

_PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            "ocp_sat",
            "OCP OFP8 rev 1.0 table 3 (SAT); OCP MX v1.0 section 6.3 for FP6, FP4 and INT8",
            (Rule("fp8_e4m3fn fp8_e5m2"), Rule(_NARROW), Rule("int8_f6")),
            (BlockRule(_MXFP + " mxint8", _RNE, _SAT, changes=(("rule", "floor"),)),),
        ),
        Profile(
            "ocp_nonsat",
            "OCP OFP8 rev 1.0 table 3 (OVF)",
            (Rule("fp8_e4m3fn fp8_e5m2", overflow=_NONSAT), Rule(_NARROW)),
        ),
        Profile(
            "ieee754",
            "IEEE 754-2019 sections 4.3.1 and 7.4",
            (Rule("binary16 binary32 binary64 bfloat16 tf32 e8m13 fp24_e8m15", overflow=_NONSAT),),
        ),
        Profile(
            "ml_dtypes",
            "ml_dtypes 0.6.0, from float32 (binary64 input rounds twice there)",
            (
                Rule("fp8_e4m3fn fp8_e5m2 fp8_e4m3_ieee fp8_e3m4 bfloat16", overflow=_NONSAT, nan=NaNRule.SIGNED),
                Rule(_FNUZ, overflow=_NONSAT),
                Rule(_NARROW, nan=NaNRule.OPPOSITE_ZERO),
                Rule("ufp8_e8m0", Rounding.NEAREST_UP, _NONSAT, zero="nan", negative="nan"),
                Rule("int2 int4 uint2 uint4", _RZ, Overflow.WRAP),
            ),
        ),
        Profile(
            "torch",
            "PyTorch 2.13 CPU, from float32; blocks: quantize_per_tensor, quantize_per_channel, fake_quantize_*_affine",
            (
                Rule("fp8_e4m3fn", nan=NaNRule.SIGNED),
                Rule("fp8_e5m2", overflow=_NONSAT, nan=NaNRule.SIGNED_ALL_ONES),
                Rule("fp8_e4m3fnuz fp8_e5m2fnuz", overflow=_NONSAT),
                Rule("binary16 bfloat16", overflow=_NONSAT, nan=NaNRule.SIGNED),
                Rule("ufp8_e8m0", Rounding.NEAREST_UP, _NONSAT, negative="abs"),
            ),
            (BlockRule(_INTS, _RNE, changes=(("quotient", "reciprocal"),)),),
        ),
        Profile(
            "onnx",
            "ONNX Cast opset 25, saturate=1, round_mode=up for E8M0; blocks: QuantizeLinear, the quotient in binary32",
            (
                Rule("fp8_e4m3fn fp8_e5m2 fp8_e4m3fnuz fp8_e5m2fnuz"),
                Rule("fp4_e2m1", nan=NaNRule.MAX),
                Rule("ufp8_e8m0", Rounding.AWAY_FROM_ZERO, _SAT, negative="abs"),
                Rule("int2 int4 int8 int16 uint2 uint4 uint8 uint16"),
                Rule("binary16 bfloat16", overflow=_NONSAT),
            ),
            (
                BlockRule(
                    _INTS + " uint*_affine uint*_affine_tensor fp8_e4m3_tensor fp8_e5m2_tensor",
                    _RNE,
                    _SAT,
                    changes=(("quotient", "divide"),),
                ),
            ),
        ),
        Profile(
            "onnx_nosat",
            "ONNX Cast opset 25, saturate=0",
            (Rule("fp8_e4m3fn fp8_e5m2 fp8_e4m3fnuz fp8_e5m2fnuz", overflow=_NONSAT),),
        ),
        Profile(
            "ptx_satfinite",
            "NVIDIA PTX ISA 9.0 cvt with satfinite",
            (
                Rule("fp8_e4m3fn fp8_e5m2", overflow=Overflow.PTX_SATFINITE, nan=NaNRule.ALL_ONES),
                Rule(_NARROW, overflow=Overflow.PTX_SATFINITE, nan=NaNRule.MAX),
                Rule("ufp8_e8m0", Rounding.TOWARD_POSITIVE, Overflow.PTX_SATFINITE, negative="abs"),
                Rule("tf32", _RNA, Overflow.PTX_SATFINITE),
            ),
        ),
        Profile(
            "ptx",
            "NVIDIA PTX ISA 9.0 cvt without satfinite: tf32.rna, ue8m0.rp",
            (
                Rule("tf32", _RNA, _NONSAT),
                Rule("ufp8_e8m0", Rounding.TOWARD_POSITIVE, _NONSAT, negative="abs"),
                Rule("binary16 bfloat16", overflow=_NONSAT),
            ),
        ),
        Profile(
            "ascend_sat",
            "CANN 9 CAST with CTRL[48]=0, CTRL[50]=0: saturating, NaN becomes 0",
            (
                Rule("hif8", _RNA, _SAT, NaNRule.ZERO),
                Rule("fp8_e4m3fn fp8_e5m2", _RNE, _SAT, NaNRule.ZERO),
            ),
        ),
        Profile("p3109_satfinite", "IEEE P3109 v4.0 (NearestTiesToEven, SatFinite)", (Rule("p3109_*", _RNE, _SAT),)),
        Profile(
            "p3109_satpropagate",
            "IEEE P3109 v4.0 (NearestTiesToEven, SatPropagate)",
            (Rule("p3109_*", _RNE, Overflow.SAT_PROPAGATE),),
        ),
        Profile(
            "p3109_satnone",
            "IEEE P3109 v4.0 (NearestTiesToEven, SatNone)",
            (Rule("p3109_*", _RNE, Overflow.SAT_NONE),),
        ),
        Profile(
            "ggml",
            "ggml and gguf-py: roundf, argmin over E2M1 with ties to the smaller magnitude (MXFP4.quantize_blocks)",
            (
                Rule("int8 int4 int5 ternary", _RNA),
                Rule("fp4_e2m1", Rounding.NEAREST_ZERO),
                Rule("iq4_nl", Rounding.NEAREST_UP),
                Rule("binary16 bfloat16", overflow=_NONSAT, nan=NaNRule.SIGNED),
            ),
            (BlockRule("mxfp4", Rounding.NEAREST_ZERO, _SAT, keep_minus_zero=False, changes=(("rule", "floor"),)),),
        ),
        Profile(
            "torchao",
            "torchao 0.18.0 prototype/mx_formats: mx_tensor.py to_mx, nvfp4_tensor.py nvfp4_quantize, from float32",
            blocks=(
                BlockRule(_MXFP, _RNE, _SAT, changes=(("rule", "floor"),)),
                BlockRule("nvfp4_single", _RNE, _SAT, changes=(("quotient", "reciprocal"), ("min_scale", 2.0**-6))),
                BlockRule("nvfp4", _RNE, _SAT, changes=(("quotient", "two_step_reciprocal"), ("min_scale", 2.0**-6))),
            ),
        ),
        Profile(
            "transformer_engine",
            "NVIDIA TransformerEngine common/util/ptx.cuh: float_to_e8m0(amax * max_norm_rcp), MXFP8 (read, not run)",
            blocks=(BlockRule("mxfp8_e4m3 mxfp8_e5m2", _RNE, _SAT, changes=(("rule", "rceil_reciprocal"),)),),
        ),
        Profile(
            "microxcaling",
            "microxcaling mx/mx_ops.py _quantize_mx, its default round='nearest' (halves away from zero)",
            blocks=(BlockRule(_MXFP + " mxint8 mxint4", _RNA, _SAT, changes=(("rule", "floor"),)),),
        ),
        Profile(
            "bitsandbytes",
            "bitsandbytes kernels.cu dQuantizeNF4, dQuantizeFP4 (comparison trees: NaN takes the last branch)",
            (
                Rule("nf4", Rounding.NEAREST_DOWN, _SAT, NaNRule.MIN),
                Rule("bnb_fp4", Rounding.NEAREST_ZERO, _SAT, NaNRule.ZERO, keep_minus_zero=False),
            ),
            (
                BlockRule("nf4_b*", Rounding.NEAREST_DOWN, _SAT, changes=(("quotient", "reciprocal"),)),
                BlockRule(
                    "bnb_fp4_b*",
                    Rounding.NEAREST_ZERO,
                    _SAT,
                    keep_minus_zero=False,
                    changes=(("quotient", "reciprocal"),),
                ),
                BlockRule("bnb_double", Rounding.NEAREST_DOWN, _SAT, changes=(("quotient", "reciprocal"),)),
            ),
        ),
        Profile(
            "posit_2022",
            "Standard for Posit Arithmetic (2022) section 4.1",
            (Rule("posit*", overflow=_NONSAT),),
        ),
    )
}


def profile_names() -> list[str]:
    """Names of all profiles, sorted.

    >>> "ocp_sat" in profile_names()
    True
    """
    return sorted(_PROFILES)


def get_profile(name: str | Profile) -> Profile:
    """The profile of a name; a Profile is returned as it is."""
    if isinstance(name, Profile):
        return name
    if name not in _PROFILES:
        raise ArgumentError(f"unknown profile {name!r}; profiles: {', '.join(profile_names())}")
    return _PROFILES[name]


def resolve_policy(fmt: Format, rounding: Any, overflow: Any, nan: Any, profile: Any) -> Policy:
    """The policy of a call: explicit arguments first, then the profile, then the format's own defaults."""
    if profile is not None:
        base = get_profile(profile).policy_for(fmt)
    else:
        base = Policy(fmt.default_rounding, fmt.default_overflow, fmt.default_nan)
    if rounding is not None:
        base = base._replace(rounding=Rounding.parse(rounding))
    if overflow is not None:
        base = base._replace(overflow=Overflow.parse(overflow))
        if base.overflow is Overflow.PTX_SATFINITE:
            base = base._replace(nan=NaNRule.CANONICAL)  # PTX defines its NaN for every format
    if nan is not None:
        base = base._replace(nan=NaNRule.parse(nan))
    return base


def resolve_block(fmt: BlockFormat, options: Mapping[str, Any]) -> tuple[BlockFormat, Policy]:
    """The block format and element policy of a call: explicit arguments, then the profile, then the format's own."""
    element = fmt.encoded_element
    base = Policy(element.default_rounding, Overflow.SATURATE, element.default_nan)
    changes: dict[str, Any] = {}
    if options.get("profile") is not None:
        rule = get_profile(options["profile"]).block_rule_for(fmt)
        changes.update(rule.changes)
        given: dict[str, Any] = {"rounding": rule.rounding, "overflow": rule.overflow, "nan": rule.nan}
        base = base._replace(**{name: value for name, value in given.items() if value is not None})
        base = base._replace(keep_minus_zero=rule.keep_minus_zero)
    if options.get("rounding") is not None:
        base = base._replace(rounding=Rounding.parse(options["rounding"]))
    if options.get("overflow") is not None:
        base = base._replace(overflow=Overflow.parse(options["overflow"]))
    if options.get("nan") is not None:
        base = base._replace(nan=NaNRule.parse(options["nan"]))
        changes["nonfinite"] = "raise" if base.nan is NaNRule.RAISE else "skip"
    if options.get("nonfinite") is not None:
        changes["nonfinite"] = options["nonfinite"]
    if options.get("scale_rule") is not None:
        changes["rule"] = scale_rule(options["scale_rule"]).name
    return (_variant(fmt, changes) if changes else fmt), base


def _variant(fmt: BlockFormat, changes: dict[str, Any]) -> BlockFormat:
    """`fmt` with some fields changed: one object per change, so that its compiled plans are found again."""
    known: dict[Any, BlockFormat] = fmt.__dict__.setdefault("_variants", {})
    key = tuple(sorted(changes.items()))
    found = known.get(key)
    if found is None:
        found = replace(fmt, **changes)
        if len(known) < 256:
            known[key] = found
    return found


class Difference(NamedTuple):
    """One run of inputs that two profiles encode differently: a special, or every binary64 in [first, last]."""

    what: str
    first: float
    last: float
    code_p: int | None
    code_q: int | None

    def describe(self, fmt: Format) -> str:
        """One line of plain English."""

        def shown(code: int | None) -> str:
            return "error" if code is None else f"{code:#04x} ({float(fmt.value_of(code))!r})"

        where = self.what if self.what != "range" else f"{self.first!r} to {self.last!r}"
        return f"{where}: {shown(self.code_p)} against {shown(self.code_q)}"


def _encode(conv: Conversion, x: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    return encode_steps(conv, np.abs(x) if conv.policy.negative == "abs" else x)


def _starts(conv: Conversion) -> npt.NDArray[np.float64]:
    """First binary64 of every run of inputs with one code."""
    thresholds = conv.steps.thresholds
    if conv.policy.negative == "abs":
        return np.concatenate([thresholds, np.nextafter(-thresholds, np.inf)])
    return thresholds


def compare_profiles(fmt: Format | str, p: str | Profile, q: str | Profile) -> list[Difference]:
    """Every binary64 input that profiles `p` and `q` encode differently, as specials and whole ranges.

    The step functions of both are merged, so the list is complete, not sampled. Codes are None where a profile refuses.

    Parameters
    ----------
    fmt : Format or str
        Real format of at most 16 bits; wrap-around profiles are not step functions and raise ArgumentError.
    p, q : str or Profile

    >>> for d in compare_profiles("fp8_e4m3fn", "ocp_sat", "ocp_nonsat"):
    ...     print(d.describe(get("fp8_e4m3fn")))
    +infinity: 0x7e (448.0) against 0x7f (nan)
    -infinity: 0xfe (-448.0) against 0x7f (nan)
    -1.7976931348623157e+308 to -464.00000000000006: 0xfe (-448.0) against 0x7f (nan)
    464.00000000000006 to 1.7976931348623157e+308: 0x7e (448.0) against 0x7f (nan)
    """
    fmt = get(fmt)
    if fmt.bits > TABLE_BITS or fmt.is_complex:
        raise ArgumentError(f"fmt must be a real format of at most {TABLE_BITS} bits, got {fmt.name}")
    left, right = (conversion(fmt, get_profile(name).policy_for(fmt)) for name in (p, q))

    def shown(mark: int) -> int | None:
        return None if mark < 0 else int(mark)

    found: list[Difference] = []
    specials = (
        ("+0", 0.0),
        ("-0", -0.0),
        ("+infinity", np.inf),
        ("-infinity", -np.inf),
        ("NaN", np.nan),
        ("-NaN", -np.nan),
    )
    values = np.array([v for _, v in specials])
    for (what, value), a, b in zip(specials, _encode(left, values), _encode(right, values), strict=True):
        if a != b:
            found.append(Difference(what, value, value, shown(a), shown(b)))
    largest = np.finfo(np.float64).max
    starts = np.unique(np.concatenate([[-largest], _starts(left), _starts(right)]))
    # Thresholds at 0 start with the smallest positive number: 0 itself is a special, listed above.
    probe = np.where(starts == 0, 5e-324, starts)
    ends = np.append(np.nextafter(starts[1:], -np.inf), largest)
    ends = np.where(ends == 0, -5e-324, ends)
    codes_left, codes_right = _encode(left, probe), _encode(right, probe)
    for first, last, a, b in zip(probe, ends, codes_left, codes_right, strict=True):
        if a != b and first <= last:
            previous = found[-1] if found and found[-1].what == "range" else None
            if previous and np.nextafter(previous.last, np.inf) == first and previous[3:] == (shown(a), shown(b)):
                found[-1] = previous._replace(last=float(last))
            else:
                found.append(Difference("range", float(first), float(last), shown(a), shown(b)))
    return found
