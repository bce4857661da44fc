"""Datapath models: what they say, what they refuse, and the oracle on cases worked by hand."""

from __future__ import annotations

from fractions import Fraction

import pytest

import numfmt as nf
from numfmt.datapaths import (
    AddAfter,
    Aligned,
    Chunk,
    DotModel,
    Exact,
    ExactProduct,
    Floating,
    Integer,
    Lanes,
    Permuted,
    RoundedProduct,
    Tree,
    Window,
    datapath,
    datapath_names,
)
from numfmt.errors import ArgumentError
from numfmt.formats import Kind
from numfmt.reference.dot import dot


def codes(values, fmt):
    return [int(c) for c in nf.encode(values, fmt).codes]


def run(a, b, accumulator, fmt="binary32", c=None, product=None, c_format="binary32", output=None):
    model = DotModel(product or ExactProduct(), accumulator, output)
    start = None if c is None else codes([c], c_format)[0]
    return dot(
        codes(a, fmt),
        codes(b, fmt),
        model,
        formats=(fmt, fmt),
        c=start,
        c_format=c_format if c is not None else None,
    )


def test_exact_sum_is_rounded_once():
    big = 2.0**40
    value = run([big, 1.0, -big], [1.0, 1.0, 1.0], Exact(), output="binary16")
    assert value == 1.0


def test_floating_swamps_and_fused_products_differ():
    # 1 + 2**-12 squared is 1 + 2**-11 + 2**-24: the product alone loses its last bit in binary32.
    x = 1 + 2.0**-12
    fused = run([x], [x], Floating("binary32"), c=-1.0)
    separate = run([x], [x], Floating("binary32", fused=False), c=-1.0)
    assert fused.value == Fraction(1, 2**11) + Fraction(1, 2**24)
    assert separate.value == Fraction(1, 2**11)
    assert run([2048.0, 1.0], [1.0, 1.0], Floating("binary16"), fmt="binary16") == 2048.0


def test_alignment_cuts_what_lies_below_the_window():
    # Largest exponent 0, three fraction bits: 1 + 15/128 loses the small term's low bits, towards zero.
    model = Aligned(3, 4, "binary32")
    assert run([1.0, 0.1875], [1.0, 1.0], model) == 1.125
    assert run([1.0, -0.1875], [1.0, 1.0], model) == 0.875
    assert run([1.0, 0.1875], [1.0, 1.0], Aligned(4, 4, "binary32")) == 1.1875


def test_products_are_aligned_by_the_exponents_of_their_codes():
    # 1.5 * 1.5 = 2.25 keeps the exponent 0 of its factors, so 2**-4 is inside a window of four fraction bits.
    assert run([1.5, 0.0625], [1.5, 1.0], Aligned(4, 2, "binary32")) == 2.3125


def test_steps_round_between_them():
    ones = [1.0] + [2.0**-24] * 4
    one_step = run(ones, [1.0] * 5, Aligned(30, 5, "binary32", "nearest_even"))
    steps = run(ones, [1.0] * 5, Aligned(30, 1, "binary32", "nearest_even"))
    assert one_step.value == 1 + Fraction(1, 2**22)
    assert steps == 1.0


def test_specials_come_first():
    inf, nan = float("inf"), float("nan")
    for accumulator in (Exact(), Floating("binary32"), Aligned(24, 8, "binary32"), Tree("binary32", 4)):
        output = "binary32" if isinstance(accumulator, Exact) else None
        assert run([inf, 1.0], [1.0, 1.0], accumulator, output=output).kind is Kind.INFINITY
        for a, b in (([inf, -inf], [1.0, 1.0]), ([inf, 1.0], [0.0, 1.0]), ([nan, 1.0], [0.0, 1.0])):
            assert run(a, b, accumulator, output=output).kind is Kind.NAN


def test_overflow_is_infinite_even_when_truncating():
    top = float(nf.get("binary32").max)
    assert run([top, top], [1.0, 1.0], Aligned(24, 4, "binary32")).kind is Kind.INFINITY


def test_exact_zero_is_positive():
    value = run([-0.0, -0.0], [1.0, 1.0], Aligned(24, 4, "binary32"), c=-0.0)
    assert (value.kind, value.sign) == (Kind.ZERO, 0)
    assert run([-0.0], [1.0], Floating("binary32"), c=-0.0).sign == 1


def test_integers_wrap_and_saturate_where_they_say():
    a, b = [100.0, 100.0, -100.0], [1.0, 1.0, 1.0]
    assert run(a, b, Integer(8), fmt="int8", c=0.0) == 100
    assert run(a[:2], b[:2], Integer(8), fmt="int8", c=0.0) == 200 - 256
    assert run(a, b, Integer(8, "saturate", "every"), fmt="int8", c=0.0) == 27
    assert run(a, b, Integer(8, "saturate", "end"), fmt="int8", c=0.0) == 100


def test_windows_round_terms_to_their_unit():
    a, b = [0.75, -0.75], [1.0, 1.0]
    assert run(a, b, Window(8, 0)) == -1
    assert run(a, b, Window(8, 0, rounding="toward_zero")) == 0
    assert run(a, b, Window(8, -2)) == 0
    assert run([-0.25, -0.5, 2.5], [1.0] * 3, Window(8, 0, rounding="nearest_even")) == 2


def test_trees_and_lanes_are_balanced():
    big = 2.0**24
    a = [big, 1.0, 1.0, -big]
    assert run(a, [1.0] * 4, Floating("binary32")) == 0.0
    assert run(a, [1.0] * 4, Tree("binary32", 4)) == 1.0  # (2**24 + 1 rounds to 2**24) + (1 - 2**24)
    a = [big, 1.0, -big, 1.0]
    assert run(a, [1.0] * 4, Floating("binary32")) == 1.0
    assert run(a, [1.0] * 4, Lanes(2, Floating("binary32"), "binary32")) == 2.0


def test_chunks_start_from_zero():
    big = 2.0**24
    chunked = Chunk(2, Floating("binary32"), Floating("binary32"))
    assert run([1.0, 1.0], [1.0, 1.0], chunked, c=big).value == 2**24 + 2
    assert run([1.0, 1.0], [1.0, 1.0], Floating("binary32"), c=big).value == 2**24


def test_permutation_and_late_accumulator():
    big = 2.0**24
    a = [big, 1.0, -big, 1.0]
    assert run(a, [1.0] * 4, Permuted((0, 2, 1, 3), Floating("binary32"))) == 2.0
    late = AddAfter(Floating("binary32"), "binary32")
    assert run([1.0, 1.0], [1.0, 1.0], late, c=big).value == 2**24 + 2


def test_rounded_products():
    x = 1 + 2.0**-7
    value = run([x], [x], Exact(), fmt="bfloat16", product=RoundedProduct("bfloat16"), output="binary32")
    assert value.value == 1 + Fraction(1, 2**6)


def test_every_row_of_the_catalog_runs_and_describes_itself():
    formats = {
        "f16": "binary16",
        "bf16": "bfloat16",
        "tf32": "tf32",
        "e4m3": "fp8_e4m3fn",
        "e5m2": "fp8_e5m2",
        "f64": "binary64",
        "f32": "binary32",
        "chunk64": "fp8_e5m2",
    }
    for name in datapath_names():
        model = datapath(name)
        assert model.name == name
        assert model.source
        assert model.evidence
        assert model.describe().count(";") >= 1
        operand = name.split("@")[0].split("/")[-1].split(".")[1]
        fmt = formats[operand]
        ones = codes([1.0] * 6, fmt)
        assert dot(ones, ones, model, formats=(fmt, fmt)) == 6.0, name


def test_descriptions_are_sentences():
    text = datapath("nvidia/hopper/wgmma.e4m3.f32").describe()
    assert "steps of 32 products" in text
    assert "13 fraction bits" in text
    assert "e8m13" in text


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Aligned(0, 4, "binary32"), "fraction_bits of Aligned must be a positive int, got 0"),
        (lambda: Permuted((0, 0), Exact()), "permutation of 0..n-1"),
        (lambda: Chunk(4, "exact", Floating("binary32")), "inner of Chunk must be an accumulator"),
        (lambda: Chunk(4, Exact(), Exact()), "outer of Chunk must be Floating"),
        (lambda: Integer(65), "bits of Integer must be 2 to 64"),
        (lambda: Integer(8, "nonsaturating"), "wraps or saturates"),
        (lambda: Floating("nonsense"), "unknown format name"),
        (lambda: DotModel(Exact()), "product must be a Product"),
        (lambda: datapath("nvidia/hoper/wgmma.e4m3.f32"), "nearest: nvidia/hopper/wgmma.e4m3.f32"),
    ],
)
def test_what_does_not_fit_is_named(make, words):
    with pytest.raises((ArgumentError, nf.errors.FormatNameError), match=words.replace("(", r"\(")):
        make()


def test_the_oracle_refuses_unequal_lengths():
    with pytest.raises(ArgumentError, match="equally long, got 1 and 2"):
        dot([0], [0, 0], DotModel(), formats=("binary16", "binary16"))
