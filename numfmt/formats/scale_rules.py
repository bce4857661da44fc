"""Scale rules by name: how the shared scale of a block follows from its elements. All exponents come from integers.

With a the largest magnitude of the block, F the largest value of the element format, emax = floor(log2 F) and m the
element's mantissa bits, an exponent rule gives the power of two itself; a quotient rule gives a real number that the
scale format then rounds once. `frexp` splits a binary64 exactly, so no rule ever takes a floating logarithm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError
from .base import Format
from .integer import IntFormat

__all__ = ["ScaleRule", "block_exponents", "element_facts", "scale_rule", "scale_rules"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class ScaleRule:
    """A named way to choose the scale of a block.

    Attributes
    ----------
    name : str
        The name in ``rule=`` and ``scale_rule=``.
    kind : {"exponent", "quotient", "affine", "search"}
        exponent: a power of two from a's exponent. quotient: statistic / divisor, rounded by the scale format.
        affine: scale and zero point from the least and largest element. search: the candidate of least error.
    meaning : str
        The formula, in words.
    source : str
        Who defines or uses it.
    """

    name: str
    kind: str
    meaning: str
    source: str


#: Below the exponent of every scale format.
_TINY_EXPONENT = -(1 << 20)
MX63 = "OCP MX v1.0 section 6.3"
_RULES = {
    rule.name: rule
    for rule in (
        ScaleRule("floor", "exponent", "2**(floor(log2 a) - emax)", MX63 + " (a recommendation); torchao FLOOR"),
        ScaleRule(
            "even",
            "exponent",
            "2**(floor(log2 a') - emax), a' = a rounded half up to m mantissa bits",
            "torchao EVEN; AMD Quark even_round",
        ),
        ScaleRule("ceil", "exponent", "2**(ceil(log2 a) - emax)", "torchao CEIL"),
        ScaleRule(
            "rceil",
            "exponent",
            "the least power of two that is >= a / F: nothing saturates",
            "NVIDIA PTX cvt.rp.ue8m0x2 of the quotient; cuBLAS; arXiv:2510.25602",
        ),
        ScaleRule(
            "rceil_division",
            "exponent",
            "rceil of a / F rounded to binary32 first; for MX elements it differs from rceil only where a / F is the "
            "binary32 quotient just above 2**-127, and never for int8_f6",
            "torchao RCEIL as written, with an exact ceiling",
        ),
        ScaleRule(
            "rceil_reciprocal",
            "exponent",
            "rceil of a * (1/F), reciprocal and product rounded to binary32; for the MX elements it differs as "
            "rceil_division does, and for int8_f6 at the significand 1.984375 + 2**-23, where it is one too small",
            "NVIDIA TransformerEngine (reciprocal of the format's maximum)",
        ),
        ScaleRule("nearest", "exponent", "a / F rounded to the nearest power of two, ties up", "MLX before mlx#4353"),
        ScaleRule(
            "floor_quotient",
            "exponent",
            "2**floor(log2(a / F)): saturates most blocks; a defect that was shipped, kept for comparison",
            "vllm#43557",
        ),
        ScaleRule("absmax", "quotient", "a / F", "symmetric quantization; ONNX QuantizeLinear; NVFP4 (NVIDIA)"),
        ScaleRule("absmax_full", "quotient", "a / 2**(n-1) for an n-bit integer element", "full-range symmetric"),
        ScaleRule(
            "signed_absmax",
            "quotient",
            "the element of largest magnitude, with its sign (the first of several), / F",
            "BOF4-S, arXiv:2505.06653",
        ),
        ScaleRule(
            "absmax_119",
            "quotient",
            "a / 119: the protective range of progressive quantization",
            "QServe (QoQ), arXiv:2405.04532 section 4.1",
        ),
        ScaleRule(
            "absmean",
            "quotient",
            "max(mean |x|, 1e-5) in the documented lane order",
            "BitNet b1.58, arXiv:2402.17764; microsoft/BitNet weight_quant",
        ),
        ScaleRule(
            "absmedian",
            "quotient",
            "max(median |x|, 1e-5), the lower middle of an even count",
            "BitNet b1.58 Reloaded, arXiv:2407.09527",
        ),
        ScaleRule(
            "twn",
            "quotient",
            "mean of the |x| above 0.7 mean |x|; elements at or below that threshold are 0",
            "Ternary Weight Networks, arXiv:1605.04711 equations 5 and 6",
        ),
        ScaleRule(
            "minmax",
            "affine",
            "(max(x, 0) - min(x, 0)) / (qmax - qmin), zero point clamp(round(qmin - min / scale))",
            "ONNX DynamicQuantizeLinear; Krishnamoorthi, arXiv:1806.08342 section 2.1",
        ),
        ScaleRule(
            "mse",
            "search",
            "least squared error among shrunken maxima a (1 - i/100), i = 0..79 (float scales), or among rceil, "
            "rceil - 1, rceil - 2 (powers of two); the first of equals",
            "GPTQ quantizer mse=True with norm 2 (arXiv:2210.17323 code)",
        ),
        ScaleRule(
            "four_over_six",
            "search",
            "a / 6 or a / 4 (1.5 times the unrounded first), the least squared error; the first of equals",
            "Four Over Six, arXiv:2512.02010",
        ),
        ScaleRule(
            "four_over_six_mae",
            "search",
            "four_over_six by the sum of absolute errors",
            "Four Over Six, arXiv:2512.02010, mae variant",
        ),
        ScaleRule(
            "four_over_six_abs_max",
            "search",
            "four_over_six by the largest absolute error",
            "Four Over Six, arXiv:2512.02010, abs_max variant",
        ),
    )
}


def scale_rule(name: str | ScaleRule) -> ScaleRule:
    """The rule of a name.

    >>> scale_rule("floor").meaning
    '2**(floor(log2 a) - emax)'
    """
    if isinstance(name, ScaleRule):
        return name
    rule = _RULES.get(str(name))
    if rule is None:
        raise ArgumentError(f"scale rule must be one of {', '.join(_RULES)}; got {name!r}")
    return rule


def scale_rules() -> list[ScaleRule]:
    """Every rule, in the order of the documentation.

    >>> [rule.name for rule in scale_rules()][:3]
    ['floor', 'even', 'ceil']
    """
    return list(_RULES.values())


@dataclass(frozen=True)
class ElementFacts:
    """What the exponent rules need to know of an element format."""

    largest: Fraction
    emax: int
    mantissa_bits: int


def element_facts(element: Format) -> ElementFacts:
    """Largest value, its exponent, and the mantissa bits of an element format; integers count as symmetric."""
    largest = Fraction(element.max)
    emax = largest.numerator.bit_length() - largest.denominator.bit_length()
    emax -= Fraction(2) ** emax > largest
    if isinstance(element, IntFormat):
        mantissa = element.bits - 1 - int(element.signed)
    else:
        mantissa = int(getattr(element, "mantissa_bits", 0))
    return ElementFacts(largest, emax, mantissa)


def block_exponents(rule: str, amax: Array, element: Format) -> npt.NDArray[np.int64]:
    """Exponents of the scales that an exponent rule gives to positive finite binary64 maxima `amax`.

    >>> import numfmt as nf
    >>> block_exponents("floor", np.array([448.0, 1.75]), nf.get("fp8_e4m3fn"))
    array([ 0, -8])
    """
    facts = element_facts(element)
    if rule in ("rceil_division", "rceil_reciprocal"):
        with np.errstate(over="ignore", under="ignore"):
            narrow = amax.astype(np.float32)
            divisor = np.float32(float(facts.largest))
            quotient = narrow / divisor if rule == "rceil_division" else narrow * (np.float32(1) / divisor)
        fraction, exponent = np.frexp(quotient.astype(np.float64))
        # A quotient that binary32 flushes to 0 asks for the smallest scale there is, an infinite one for the largest.
        exponents = np.where(quotient == 0, _TINY_EXPONENT, exponent.astype(np.int64) - (fraction == 0.5))
        return np.asarray(np.where(np.isinf(quotient), -_TINY_EXPONENT, exponents))
    fraction, exponent = np.frexp(amax)  # amax = fraction * 2**exponent, 0.5 <= fraction < 1
    exponent = exponent.astype(np.int64)
    if rule == "floor":
        return exponent - 1 - facts.emax
    if rule == "even":
        # Rounding half up to m + 1 significant bits carries into the next binade from 1 - 2**-(m+2) on.
        return np.asarray(exponent - 1 - facts.emax + (fraction >= 1 - 2.0 ** -(facts.mantissa_bits + 2)))
    if rule == "ceil":
        return np.asarray(exponent - (fraction == 0.5) - facts.emax)
    # F = f * 2**g with 0.5 <= f < 1; f has few bits, so 0.75 f and 1.5 f are exact.
    f, g = math.frexp(float(facts.largest))
    if rule == "rceil":
        return exponent - g + (fraction > f)
    if rule == "nearest":
        return exponent - g - 1 + (fraction >= 0.75 * f) + (fraction >= 1.5 * f)
    assert rule == "floor_quotient", rule
    return np.asarray(exponent - g - (fraction < f))
