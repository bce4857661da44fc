"""Which family a format belongs to, for listings."""

from __future__ import annotations

from .. import Format, formats

__all__ = ["FAMILIES", "OTHER", "family_of"]

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


def family_of(fmt: Format) -> str:
    """The family title of a format.

    >>> import numfmt as nf
    >>> family_of(nf.get("posit8"))
    'Posits'
    """
    for title, cls, fewest_bits in FAMILIES:
        if type(fmt) is cls and fmt.bits >= fewest_bits:
            return title
    return OTHER
