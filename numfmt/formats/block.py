"""`BlockFormat`: elements of one format that share a scale. MX, NVFP4, BFP, grouped integers: the same few fields."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import ArgumentError
from .base import Format
from .exponent import ExponentFormat
from .integer import IntFormat
from .scale_rules import ScaleRule, scale_rule

__all__ = ["BlockFormat", "Quotient", "precision_of"]

#: How an element is divided by its scale before the one rounding; see `BlockFormat.quotient`.
Quotient = str
_QUOTIENTS = ("exact", "divide", "reciprocal", "two_step_reciprocal")
_NONFINITE = ("nan", "raise", "skip")


def _scalar(what: str, fmt: Format | str | None) -> Format | None:
    if fmt is None or isinstance(fmt, Format):
        return fmt
    from .registry import scalar

    if not isinstance(fmt, str):
        raise ArgumentError(f"{what} must be a scalar format or its name, got {type(fmt).__name__}")
    return scalar(fmt)


def precision_of(fmt: Format) -> int:
    """Significand bits that hold every value of `fmt` exactly."""
    if isinstance(fmt, IntFormat):
        return fmt.bits
    precision = getattr(fmt, "precision", None)
    if isinstance(precision, int):
        return precision
    if isinstance(fmt, ExponentFormat):
        return 1
    return 24 if fmt.exact and fmt.value_dtype == np.float32 else 53


def _is_plain_integer(fmt: Format, signed: bool | None = None) -> bool:
    """Whether codes count in ones, in two's complement or unsigned; of a given signedness, or of any."""
    if not isinstance(fmt, IntFormat) or fmt.frac_bits or fmt.sign_magnitude:
        return False
    return signed is None or fmt.signed == signed


@dataclass(frozen=True)
class BlockFormat:
    """Blocks of elements with a shared scale: value = element * scale [* tensor scale].

    Parameters
    ----------
    element : Format or str
        Format of the elements.
    scale : Format, str or BlockFormat
        Format of the block scales; a BlockFormat quantizes the scales themselves in blocks (double quantization).
    block : int, tuple of int, or None
        Elements per scale along `axis`; None is the whole axis; a tuple is a tile over a tuple of axes.
    rule : str
        Name of the scale rule (`numfmt.scale_rules()`); default "floor" for exponent-only scales, else "absmax".
    tensor_scale : Format or str, optional
        A second scale for the whole tensor: its largest magnitude maps to the largest element times the largest scale.
    zero_point : Format or str, optional
        Integer format of a zero point per block (affine quantization): value = (element - zero point) * scale.
    quotient : {"exact", "divide", "reciprocal", "two_step_reciprocal"}
        What the element format rounds. exact: the exact quotient x / scale, one rounding. divide: the quotient rounded
        to binary32 first (binary64 for binary64 data; ONNX, torch). reciprocal: x times the binary32 reciprocal of the
        binary32 scale, rounded. two_step_reciprocal: x * ((1 / tensor scale) / block scale), and the block scale from
        (a / F) / tensor scale, every operation rounded to binary32 (torchao nvfp4_tensor.py). The same for scales that
        are powers of two.
    nonfinite : {"nan", "raise", "skip"}
        NaN or infinity in a block. nan: the scale becomes NaN and with it the whole block. raise: `NaNError`. skip:
        they do not take part in the scale, and the element format's own policy encodes them.
    full_range : bool
        Whether a two's complement element may take its most negative code (OCP MX v1.0 section 5.3.4 leaves that
        open); default: never, so that the range is symmetric.
    min_scale : float
        Smallest block scale that encoding chooses, the tensor scale not counted; default 0, no limit (torchao's NVFP4:
        2**-6). The zero block takes it, too.
    centre : bool
        Subtract the mean of all values first; it is kept beside the codes as a binary32 (`BlockEncoded.offset`).
    axis : int, tuple of int, or None
        Where blocks lie when the caller does not say; None flattens the array in C order.

    Notes
    -----
    The zero block: its scale is the scale format's encoding of 0, for E8M0 the smallest scale. A scale of zero makes
    every element code zero.

    >>> BlockFormat("fp4_e2m1", "ufp8_e8m0", 32).name
    'mxfp4'
    """

    element: Format
    scale: Format | BlockFormat
    block: int | tuple[int, ...] | None = 32
    rule: str = ""
    tensor_scale: Format | None = None
    zero_point: Format | None = None
    quotient: Quotient = "exact"
    nonfinite: str = ""
    full_range: bool = False
    min_scale: float = 0.0
    centre: bool = False
    axis: int | tuple[int, ...] | None = -1
    source: str = field(default="user block format", compare=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        for name in ("element", "scale"):
            if getattr(self, name) is None:
                raise ArgumentError(f"a block format needs {name}, a format or its name")
        put(self, "element", _scalar("element", self.element))
        if not isinstance(self.scale, BlockFormat):
            put(self, "scale", _scalar("scale", self.scale))
        put(self, "tensor_scale", _scalar("tensor_scale", self.tensor_scale))
        put(self, "zero_point", _scalar("zero_point", self.zero_point))
        put(self, "rule", scale_rule(self.rule or ("floor" if self.power_of_two_scale else "absmax")).name)
        put(self, "nonfinite", self.nonfinite or ("nan" if self.power_of_two_scale else "raise"))
        if isinstance(self.block, list):
            put(self, "block", tuple(self.block))
        self._check_fields()

    def _check_fields(self) -> None:
        sizes = self.block if isinstance(self.block, tuple) else () if self.block is None else (self.block,)
        if not all(type(k) is int and 1 <= k <= 1 << 31 for k in sizes):
            raise ArgumentError(f"block must be a positive int, a tuple of them or None, got {self.block!r}")
        if isinstance(self.block, tuple) and (not isinstance(self.axis, tuple) or len(self.axis) != len(self.block)):
            raise ArgumentError(f"a tile {self.block} needs as many axes, got axis={self.axis!r}")
        if self.quotient not in _QUOTIENTS:
            raise ArgumentError(f"quotient must be one of {', '.join(_QUOTIENTS)}, got {self.quotient!r}")
        if self.nonfinite not in _NONFINITE:
            raise ArgumentError(f"nonfinite must be one of {', '.join(_NONFINITE)}, got {self.nonfinite!r}")
        if not 0 <= self.min_scale < float("inf"):
            raise ArgumentError(f"min_scale must be a finite number, at least 0, got {self.min_scale!r}")
        if isinstance(self.scale, Format) and self.scale.is_complex:
            raise ArgumentError(f"scale must be a real format, got {self.scale.name}")
        rule = scale_rule(self.rule)
        if rule.kind == "exponent" and not self.power_of_two_scale:
            raise ArgumentError(f"rule {rule.name!r} gives powers of two: scale must be exponent-only (ufp8_e8m0)")
        if rule.kind != "quotient" and (self.min_scale or self.quotient == "two_step_reciprocal"):
            raise ArgumentError(
                f"min_scale and the quotient 'two_step_reciprocal' need a quotient rule such as 'absmax', got "
                f"{rule.name!r}"
            )
        if (rule.kind == "affine") != (self.zero_point is not None):
            raise ArgumentError(f"rule 'minmax' and zero_point go together, got {rule.name!r} and {self.zero_point}")
        if rule.name == "absmax_full" and not _is_plain_integer(self.element, signed=True):
            raise ArgumentError(f"rule 'absmax_full' needs a two's complement integer element, got {self.element.name}")
        if rule.name == "signed_absmax" and isinstance(self.scale, Format) and not self.scale.is_signed:
            raise ArgumentError(f"rule 'signed_absmax' needs a scale format with a sign, got {self.scale.name}")
        if self.nonfinite == "nan" and not getattr(self.scale, "has_nan", False):
            raise ArgumentError(f"nonfinite='nan' needs a scale format with NaN, got {self.scale.name}; use 'raise'")
        if self.zero_point is not None:
            self._check_affine()
        precisions = [
            1 if self.element.is_complex else precision_of(self.element),
            precision_of(self.scale) if isinstance(self.scale, Format) else 24,
            precision_of(self.tensor_scale) if self.tensor_scale else 1,
        ]
        total = sum(p for p in precisions if p > 1)  # a power of two adds no bit to a product
        if total > 53:
            raise ArgumentError(
                f"element and scales of {self.element.name} * {self.scale.name} need {total} significand bits: more "
                "than the 53 that a block format can decode; use narrower ones"
            )

    def _check_affine(self) -> None:
        element, zero = self.element, self.zero_point
        if not _is_plain_integer(element):
            raise ArgumentError(
                f"a zero point needs an integer element (two's complement or unsigned, no fraction bits), got "
                f"{element.name}"
            )
        assert isinstance(element, IntFormat)
        if not (isinstance(zero, IntFormat) and _is_plain_integer(zero, element.signed) and zero.bits >= element.bits):
            raise ArgumentError(
                f"zero_point must be an integer format that holds every code of {element.name}, got {zero}; use "
                f"{element.name}"
            )
        if self.tensor_scale is not None:
            raise ArgumentError("a zero point and a tensor scale cannot be combined; drop tensor_scale")

    # ---- identity ------------------------------------------------------------------------------------------------

    @property
    def spelled_name(self) -> str:
        """The grammar's name: ``element*scale/K[*tensor][@rule]`` and the options that differ from the defaults."""
        block = "axis" if self.block is None else self.block
        if isinstance(block, tuple):
            block = "x".join(map(str, block))
        inner = f"({self.scale.spelled_name})" if isinstance(self.scale, BlockFormat) else self.scale.name
        text = f"{self.element.name}*{inner}/{block}"
        if self.tensor_scale is not None:
            text += f"*{self.tensor_scale.name}"
        if self.zero_point is not None:
            text += f"+{self.zero_point.name}"
        if self.rule != ("floor" if self.power_of_two_scale else "minmax" if self.zero_point else "absmax"):
            text += f"@{self.rule}"
        for name, usual in (
            ("quotient", "exact"),
            ("nonfinite", "nan" if self.power_of_two_scale else "raise"),
            ("full_range", False),
            ("min_scale", 0.0),
            ("centre", False),
            ("axis", -1 if not isinstance(self.block, tuple) else tuple(range(-len(self.block), 0))),
        ):
            value = getattr(self, name)
            if value != usual:
                shown = "flat" if value is None else str(value).lower().replace(" ", "")
                if name == "min_scale":
                    shown = np.format_float_positional(value, trim="-")  # names know no exponent's sign
                text += f";{name}={shown}"
        return text

    @property
    def name(self) -> str:
        """The catalog's name of these fields, else the grammar's."""
        from .registry import block_label

        return block_label(self) or self.spelled_name

    def __str__(self) -> str:
        return self.name

    def __getstate__(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def with_rule(self, rule: str | ScaleRule) -> BlockFormat:
        """The same format with another scale rule."""
        return replace(self, rule=scale_rule(rule).name)

    # ---- facts ---------------------------------------------------------------------------------------------------

    @cached_property
    def power_of_two_scale(self) -> bool:
        """Whether every scale is a power of two."""
        return isinstance(self.scale, ExponentFormat)

    @property
    def is_complex(self) -> bool:
        """Whether the values are complex numbers."""
        return self.element.is_complex

    @cached_property
    def encoded_element(self) -> Format:
        """The element format as encoding uses it: without the most negative integer unless `full_range`."""
        e = self.element
        if isinstance(e, IntFormat) and e.signed and not (e.sign_magnitude or e.narrow or self.full_range):
            return replace(e, narrow=True)
        return e

    @property
    def block_size(self) -> int | None:
        """Elements per scale, None when a scale covers a whole axis."""
        if isinstance(self.block, tuple):
            return int(np.prod(self.block))
        return self.block

    @property
    def side_bits(self) -> float:
        """Bits per block besides elements: scale, zero point."""
        inner = self.scale
        bits = inner.bits if isinstance(inner, Format) else inner.bits_per_element
        return float(bits + (self.zero_point.bits if self.zero_point else 0))

    @property
    def bits_per_element(self) -> float:
        """Storage bits per element, scales shared out; the tensor scale is not counted.

        >>> import numfmt as nf
        >>> nf.get("mxfp4").bits_per_element, nf.get("nvfp4").bits_per_element
        (4.25, 4.5)
        """
        size = self.block_size
        return self.element.bits + (self.side_bits / size if size else 0.0)

    @property
    def bits(self) -> float:
        """Alias of `bits_per_element`, so that tables can sort scalar and block formats together."""
        return self.bits_per_element

    @property
    def has_nan(self) -> bool:
        """Whether a NaN can be stored, in an element or through a NaN scale."""
        return self.element.has_nan or (isinstance(self.scale, Format) and self.scale.has_nan)
