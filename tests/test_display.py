"""Texts and HTML of codes and values."""

import html.parser
from fractions import Fraction

import numpy as np
import pytest

import numfmt as nf
from numfmt.display import (
    FIELD_COLOURS,
    bit_fields,
    bits_text,
    block_encoded_html,
    encoded_html,
    number_text,
    value_text,
)


class Checker(html.parser.HTMLParser):
    """Collects text and checks that every tag is closed."""

    def __init__(self):
        super().__init__()
        self.open, self.texts, self.colours = [], [], []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.colours += [value for name, value in attrs if name == "style" and value.startswith("color:")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def parsed(text):
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    return checker


@pytest.mark.parametrize(
    ("x", "text"),
    [(Fraction(7, 64), "0.109375"), (448.0, "448"), (-0.0, "-0"), (Fraction(1, 3), "~0.33333333333333333"),
     (2**70, "1.1805916207174113e+21"), (float("inf"), "inf"), (Fraction(2) ** 5000, "~1.412467032139426e+1505")],
)  # fmt: skip
def test_number_text(x, text):
    assert number_text(x) == text


def test_number_text_of_every_binary16_value_reads_back():
    fmt = nf.get("binary16")
    for code in range(fmt.code_count):
        assert np.array_equal(float(value_text(fmt, code)), fmt.table[code], equal_nan=True)


@pytest.mark.parametrize(
    "name", ["fp8_e4m3fn", "posit8", "takum8", "hif8", "int8", "int8_f6", "lns8_4", "nf4", "p3109_k5p3se"]
)
def test_fields_are_the_bits_of_the_code(name):
    fmt = nf.get(name)
    for code in range(fmt.code_count):
        assert "".join(bits for _, bits in bit_fields(fmt, code)) == f"{code:0{fmt.bits}b}"
        assert bits_text(fmt, code).replace(" ", "") == f"{code:0{fmt.bits}b}"
        assert {field for field, _ in bit_fields(fmt, code)} <= set(FIELD_COLOURS)


def test_html_shows_fields_codes_and_values():
    checker = parsed(encoded_html(nf.encode([[1.0, 0.1], [-448.0, np.nan]], "fp8_e4m3fn")))
    text = " ".join(checker.texts)
    assert all(
        part in text
        for part in ("fp8_e4m3fn", "4 elements", "shape (2, 2)", "[0, 1]", "0x1d", "0.1015625", "-448", "nan")
    )
    assert f"color:{FIELD_COLOURS['exponent']}" in checker.colours


@pytest.mark.parametrize("name", ["fp8_e4m3fn", "binary64", "takum32", "posit16", "int8_f6"])
def test_html_of_a_million_elements_stays_small_and_is_quick(name):
    fmt = nf.get(name)
    e = nf.Encoded(np.arange(1_000_000, dtype=np.uint32).astype(fmt.code_dtype).reshape(1000, 1000), fmt)
    text = e._repr_html_()
    assert len(text) < 20_000 and "1,000,000 elements" in text and "the first 20 are shown" in text
    assert text.count("<tr>") == 21
    parsed(e.T._repr_html_())  # any layout


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0), (2, 3, 4)])
def test_html_of_any_shape(shape):
    parsed(nf.encode(np.ones(shape), "bfloat16")._repr_html_())


def test_html_of_complex_and_irrational_formats():
    assert "1j" in nf.encode([1j], "fourth_roots")._repr_html_()
    assert "~" in nf.encode([0.3], "takum_log8")._repr_html_()


def test_html_escapes_names():
    fmt = nf.CodebookFormat("<script>&", (-1, 1))
    text = nf.encode([1.0], fmt)._repr_html_()
    assert "<script>" not in text and "&lt;script&gt;&amp;" in text


@pytest.mark.parametrize("name", nf.names(kind="block"))
def test_html_of_every_block_format(name):
    fmt = nf.get(name)
    x = np.linspace(-3, 5, 2 * 512, dtype=np.float32).reshape(2, 512)
    try:
        b = nf.encode(x, fmt, pad=True)
    except nf.errors.ArgumentError as err:
        assert "decode-only" in str(err)
        return
    text = block_encoded_html(b)
    assert len(text) < 20_000 and text.count("<tr>") == 21
    shown = " ".join(parsed(text).texts)
    assert name in shown and "1,024 elements, shape (2, 512)" in shown and "the first 20 are shown" in shown


@pytest.mark.parametrize("axis", [0, 1, None])
def test_html_shows_each_element_with_the_scale_of_its_block(axis):
    b = nf.encode(np.arange(1.0, 25).reshape(4, 6) ** 3, "fp4_e2m1*ufp8_e8m0/2", axis=axis)
    rows = [row.split("<td")[1:] for row in block_encoded_html(b).split("<tr>")[2:]]
    for flat, row in enumerate(rows):
        i, j = divmod(flat, 6)
        block = {0: (i // 2, j), 1: (i, j // 2), None: (flat // 2,)}[axis]
        scale = b.scales[block]
        assert f"[{i}, {j}]" in row[0] and f"0x{b.codes[i, j]:x}" in row[2] and f"0x{scale:02x} " in row[4]


def test_html_of_a_block_array_with_a_tensor_scale_and_of_nothing():
    text = " ".join(parsed(nf.encode(np.ones(16), "nvfp4")._repr_html_()).texts)
    assert "beside the codes: scales, tensor_scale 0.000372" in text and "0x7e (448)" in text
    assert "0 elements" in block_encoded_html(nf.encode(np.zeros((0, 32)), "mxfp4"))


@pytest.mark.parametrize("name", ["mxfp4", "nf4_b64", "fp8_e4m3_128x128"])
def test_html_leaves_padding_out(name):
    b = nf.encode(np.arange(1.0, 16).reshape(3, 5), name, pad=True)
    rows = block_encoded_html(b).split("<tr>")[2:]
    assert len(rows) == 15 and "[2, 4]" in rows[-1]
    last = b.codes.reshape(-1)[14] if b.codes.ndim == 1 else b.codes[2, 4]
    assert f"0x{int(last):0{(b.format.element.bits + 3) // 4}x}" in rows[-1]
