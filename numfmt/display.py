"""How codes and values are shown: exact number texts, coloured bit fields, and the HTML view of an `Encoded`."""

from __future__ import annotations

import html
import math
from decimal import Context, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from .formats import Format, IntFormat, Kind

if TYPE_CHECKING:
    from ._array import Encoded
    from ._block_array import BlockEncoded

__all__ = [
    "FIELD_COLOURS",
    "bit_fields",
    "bits_text",
    "block_encoded_html",
    "code_text",
    "encoded_html",
    "number_text",
    "value_text",
]

#: Field name to a colour that reads well on white and on black.
FIELD_COLOURS = {
    "sign": "#d9485f",
    "regime": "#a868c9",
    "exponent": "#2f9e5b",
    "integer": "#2f9e5b",
    "mantissa": "#3b87dd",
    "fraction": "#3b87dd",
    "code": "#3b87dd",
}
_SHOWN = 20
_LONGEST_EXACT = 40


def number_text(x: Fraction | float | int) -> str:
    """A number as short as it can be written exactly; ``~`` marks 17 digits of one that binary64 does not hold.

    >>> number_text(Fraction(7, 64)), number_text(448.0), number_text(Fraction(1, 3))
    ('0.109375', '448', '~0.33333333333333333')
    """
    if isinstance(x, float) and not math.isfinite(x):
        return str(x)
    try:
        nearest = float(x)
    except OverflowError:
        nearest = math.inf
    if math.isfinite(nearest) and Fraction(nearest) == Fraction(x):
        return repr(nearest).removesuffix(".0")
    exact = Fraction(x)
    context = Context(prec=17, Emax=10**9, Emin=-(10**9))
    quotient = context.divide(Decimal(exact.numerator), Decimal(exact.denominator))
    mark = "" if Fraction(quotient) == exact else "~"
    return f"{mark}{quotient.normalize(context):g}"


def value_text(fmt: Format, code: int) -> str:
    """The value of a code.

    >>> import numfmt as nf
    >>> value_text(nf.get("fp8_e4m3fn"), 0x7E), value_text(nf.get("posit8"), 0x80)
    ('448', 'NaR')
    """
    if fmt.is_complex:
        return str(complex(fmt.table[code])).strip("()")
    unpacked = fmt.value_of(code)
    if unpacked.kind is Kind.NAN:
        return "NaR" if fmt.name.startswith(("posit", "takum")) else "nan"
    if unpacked.kind is Kind.INFINITY:
        return "-inf" if unpacked.sign else "inf"
    if unpacked.kind is Kind.ZERO:
        return "-0" if unpacked.sign else "0"
    return number_text(unpacked.value)


def code_text(fmt: Format, code: int) -> str:
    """A code in hexadecimal, all its digits.

    >>> import numfmt as nf
    >>> code_text(nf.get("binary16"), 10)
    '0x000a'
    """
    return f"0x{code:0{(fmt.bits + 3) // 4}x}"


def bit_fields(fmt: Format, code: int) -> tuple[tuple[str, str], ...]:
    """The bit fields of a code, most significant first; those of integers are sign, integer and fraction.

    >>> import numfmt as nf
    >>> bit_fields(nf.get("int8_f6"), 0x41)
    (('sign', '0'), ('integer', '1'), ('fraction', '000001'))
    """
    fields = fmt.fields_of(code)
    if isinstance(fmt, IntFormat):
        names = {"exponent": "integer", "mantissa": "fraction"}
        return tuple((names.get(name, name), text) for name, text in fields)
    return fields


def bits_text(fmt: Format, code: int) -> str:
    """The bits of a code, a space between fields.

    >>> import numfmt as nf
    >>> bits_text(nf.get("fp8_e4m3fn"), 0x1D)
    '0 0011 101'
    """
    return " ".join(text for _, text in bit_fields(fmt, code))


def _html_bits(fmt: Format, code: int) -> str:
    return " ".join(
        f'<span style="color:{FIELD_COLOURS.get(name, "inherit")}">{html.escape(text)}</span>'
        for name, text in bit_fields(fmt, code)
    )


def _sample(e: Encoded) -> list[tuple[str, int]]:
    """(index text, code) of at most 20 leading elements in C order."""
    import numpy as np

    rows = []
    for flat in range(min(e.size, _SHOWN)):
        index = np.unravel_index(flat, e.shape) if e.ndim else ()
        rows.append((", ".join(str(int(i)) for i in index), int(e.codes[index])))
    return rows


def _legend(fmt: Format, codes: list[int]) -> str:
    names = dict.fromkeys(name for code in codes for name, _ in bit_fields(fmt, code))
    return " ".join(
        f'<span style="color:{FIELD_COLOURS.get(n, "inherit")}">{html.escape(n)}</span>' for n in names if n != "code"
    )


def encoded_html(e: Encoded) -> str:
    """An `Encoded` as an HTML table of its first 20 elements: coloured bit fields, code and value, and a summary line.

    The text stays below 20 KB whatever the size of the array.

    >>> import numfmt as nf
    >>> "0x38" in encoded_html(nf.encode([1.0], "fp8_e4m3fn"))
    True
    """
    rows = _sample(e)
    shape = f"shape {tuple(int(n) for n in e.shape)}, " if e.ndim != 1 else ""
    summary = f"{e.size:,} element{'' if e.size == 1 else 's'}, {shape}{e.format.bits} bits each in {e.codes.dtype}"
    cells = [
        [
            html.escape(f"[{index}]"),
            _html_bits(e.format, code),
            code_text(e.format, code),
            html.escape(value_text(e.format, code)[:_LONGEST_EXACT]),
        ]
        for index, code in rows
    ]
    headings = ["index", f"bits {_legend(e.format, [c for _, c in rows])}", "code", "value"]
    return _html_table(f"<b>Encoded</b> {html.escape(e.format.name)}", summary, e.size, headings, cells)


def _html_table(title: str, summary: str, size: int, headings: list[str], rows: list[list[str]]) -> str:
    mono = "font-family:monospace;white-space:pre;text-align:left;padding:0 0.8em"
    if size > len(rows):
        summary += f"; the first {len(rows)} are shown"
    out = [f"<div><div>{title}: {html.escape(summary)}</div><table><thead><tr>"]
    out += [f'<th style="{mono}">{heading}</th>' for heading in headings]
    out.append("</tr></thead><tbody>")
    for row in rows:
        out.append("<tr>" + "".join(f'<td style="{mono}">{cell}</td>' for cell in row) + "</tr>")
    out.append("</tbody></table></div>")
    return "".join(out)


def block_encoded_html(b: BlockEncoded) -> str:
    """A `BlockEncoded` as an HTML table of its first 20 elements: bit fields, code, and the scale of its block.

    Formats that are no more than element times scale show the element's value, too. The text stays below 20 KB whatever
    the size of the array.

    >>> import numfmt as nf
    >>> "0x7f" in block_encoded_html(nf.encode([1.0, 6.0] * 16, "mxfp4"))
    True
    """
    import numpy as np

    fmt, element = b.format, b.format.element
    indices = [tuple(int(i) for i in np.unravel_index(flat, b.shape)) for flat in range(min(b.size, _SHOWN))]
    # Blocks of the flattened array, when filled up, have codes of another shape than the data.
    codes = [int(b.codes[i] if b.codes.ndim == b.ndim else b.codes[flat]) for flat, i in enumerate(indices)]
    plain = type(fmt).__name__ == "BlockFormat"
    scales = np.asarray(b.scales).reshape(-1)
    names = ", ".join(name for name in b.parts() if name != "codes")
    summary = f"{b.size:,} element{'' if b.size == 1 else 's'}, shape {b.shape}, {fmt.bits_per_element:g} bits each; "
    summary += f"beside the codes: {names}"
    if b.tensor_scale is not None:
        summary += f" {number_text(float(b.tensor_scale))}"
    cells = []
    for flat, (index, code) in enumerate(zip(indices, codes, strict=True)):
        scale = scales[_block_of(b, index, flat)]
        text = code_text(fmt.scale, int(scale)) if isinstance(fmt.scale, Format) and scale.dtype.kind == "u" else ""
        shown = f"{text} ({value_text(fmt.scale, int(scale))})" if text and isinstance(fmt.scale, Format) else ""
        value = [html.escape(value_text(element, code)[:_LONGEST_EXACT])] if plain else []
        bits = [f"[{', '.join(map(str, index))}]", _html_bits(element, code), code_text(element, code)]
        cells.append([*bits, *value, html.escape(shown or number_text(float(scale)))])
    headings = ["index", f"bits {_legend(element, codes)}", "code", *(["element"] * plain), "scale"]
    return _html_table(f"<b>BlockEncoded</b> {html.escape(fmt.name)}", summary, b.size, headings, cells)


def _block_of(b: BlockEncoded, index: tuple[int, ...], flat: int) -> int:
    """Flat index into the scales of the element at `index`, the `flat`-th of the data."""
    import numpy as np

    blocking = b._blocking
    if not blocking.scale_shape:
        return 0
    place = [flat] if blocking.flat else list(index)
    for axis, length in zip(blocking.axes, blocking.tile, strict=True):
        place[axis] //= max(length, 1)
    return int(np.ravel_multi_index(place, blocking.scale_shape))
