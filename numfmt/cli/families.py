"""Which family a format belongs to, for listings."""

from __future__ import annotations

from collections.abc import Callable

from .. import BlockFormat, Format, formats

__all__ = ["BLOCK_FAMILIES", "FAMILIES", "OTHER", "TITLES", "family_of"]

#: (title, class, fewest bits): the first that fits counts; the order is that of the listing.
FAMILIES: tuple[tuple[str, type[Format], int], ...] = (
    ("Floating point, more than 8 bits", formats.FloatFormat, 9),
    ("Floating point, at most 8 bits", formats.FloatFormat, 0),
    ("Exponent only", formats.ExponentFormat, 0),
    ("HiFloat8", formats.HiFloat8Format, 0),
    ("Posits", formats.PositFormat, 0),
    ("Takums, linear", formats.TakumFormat, 0),
    ("Takums, logarithmic", formats.TakumLogFormat, 0),
    ("Logarithmic (LNS)", formats.LnsFormat, 0),
    ("Codebooks", formats.CodebookFormat, 0),
    ("Complex codebooks", formats.FourthRootsFormat, 0),
    ("Integers and fixed point", formats.IntFormat, 0),
    ("IEEE P3109 draft", formats.P3109Format, 0),
)
#: Title of the families that users have added.
OTHER = "Others"


def _is(fmt: BlockFormat, *kinds: str) -> bool:
    return type(fmt).__name__.removesuffix("Format") in kinds


#: (title, whether a block format belongs): the first that fits counts; the order is that of the listing.
BLOCK_FAMILIES: tuple[tuple[str, Callable[[BlockFormat], bool]], ...] = (
    ("Blocks: OCP MX", lambda f: type(f) is BlockFormat and f.block == 32 and _shared_exponent(f) and not _signed(f)),
    ("Blocks: MX+, a larger maximum", lambda f: _is(f, "MXPlus")),
    ("Blocks: NVIDIA, block and tensor scale", lambda f: _is(f, "Block", "IF4") and _named(f.scale) == "fp8_e4m3fn"),
    ("Blocks: ggml (llama.cpp)", lambda f: _is(f, "Ggml")),
    ("Blocks: block floating point", lambda f: _shared_exponent(f)),
    ("Blocks: complex", lambda f: f.is_complex),
    ("Blocks: ternary", lambda f: f.element.name == "ternary"),
    ("Blocks: integers with two scales", lambda f: _is(f, "QoQ", "DGQ")),
    ("Blocks: integers", lambda f: isinstance(f.element, formats.IntFormat) and f.zero_point is None),
    ("Blocks: integers with zero point", lambda f: isinstance(f.element, formats.IntFormat)),
    ("Blocks: 8-bit floats", lambda f: isinstance(f.element, formats.FloatFormat) and not _is(f, "BitMoD")),
    ("Blocks: codebooks", lambda f: True),
)


def _named(scale: Format | BlockFormat) -> str:
    return scale.name


def _shared_exponent(fmt: BlockFormat) -> bool:
    return isinstance(fmt.scale, formats.ExponentFormat)


def _signed(fmt: BlockFormat) -> bool:
    return isinstance(fmt.element, formats.IntFormat) and fmt.element.sign_magnitude


def family_of(fmt: Format | BlockFormat) -> str:
    """The family title of a format.

    >>> import numfmt as nf
    >>> family_of(nf.get("posit8")), family_of(nf.get("mxfp4"))
    ('Posits', 'Blocks: OCP MX')
    """
    if isinstance(fmt, BlockFormat):
        return next(title for title, belongs in BLOCK_FAMILIES if belongs(fmt))
    for title, cls, fewest_bits in FAMILIES:
        if type(fmt) is cls and fmt.bits >= fewest_bits:
            return title
    return OTHER


#: Every title in the order of the listing.
TITLES = (*(family[0] for family in FAMILIES), OTHER, *(family[0] for family in BLOCK_FAMILIES))
