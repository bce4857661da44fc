"""Block formats as functions: equal to the oracle, single blocks, odd, scaled by powers of two, slices and padding."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

import numfmt as nf
from numfmt import reference
from numfmt.errors import ArgumentError

SCALES = ("ufp8_e8m0", "fp8_e4m3fn", "binary16", "binary32", "bfloat16")
ELEMENTS = ("fp4_e2m1", "fp6_e2m3", "fp6_e3m2", "fp8_e4m3fn", "fp8_e5m2", "int4", "int8", "int8_f6", "int3_sm", "nf4")
RULES = [rule.name for rule in nf.scale_rules() if rule.kind != "affine" and rule.name != "mse"]
FEW = settings(max_examples=40)


@st.composite
def block_formats(draw, block=4):
    """Block formats whose fields go together, over the rules of one scale and element."""
    element, scale = draw(st.sampled_from(ELEMENTS)), draw(st.sampled_from(SCALES))
    tensor = draw(st.sampled_from((None, "binary32"))) if _fits(element, scale, "absmax", "binary32") else None
    rules = [r for r in RULES if _fits(element, scale, r, tensor)]
    return nf.BlockFormat(element, scale, block, draw(st.sampled_from(rules)), tensor_scale=tensor)


def _fits(element, scale, rule, tensor):
    try:
        nf.BlockFormat(element, scale, 4, rule, tensor_scale=tensor)
    except ArgumentError:
        return False
    return True


#: Numbers whose blocks decode within binary32 under every rule.
NUMBERS = st.one_of(
    st.floats(-(2.0**100), 2.0**100, width=32),
    st.integers(-512, 512).map(lambda k: k / 16),
    st.sampled_from((0.0, -0.0, 2.0**-149, 448.0, 6.0, 7.0, 1.75, 1.984375)),
)


@FEW
@given(block_formats(), st.lists(NUMBERS, min_size=1, max_size=8), st.booleans())
@example(nf.BlockFormat("fp8_e4m3fn", "ufp8_e8m0", 4, "rceil_reciprocal"), [1.984375, 448.0], False)
def test_encode_agrees_with_the_oracle(fmt, x, wide):
    array = np.array(x, np.float64 if wide else np.float32)
    b = nf.encode(array, fmt, pad=True)
    options = reference.BlockOptions(wide=wide)
    wanted = reference.encode_tensor([float(v) for v in array], array.shape, fmt, options=options)
    for name, part in b.parts().items():
        flat = np.ascontiguousarray(part).reshape(-1)
        codes = flat.view(f"u{flat.dtype.itemsize}") if flat.dtype.kind == "f" else flat
        assert codes.tolist() == wanted.parts[name], name
    assert nf.decode(b, dtype=np.float64).tolist() == [float(v) for v in wanted.values]


@FEW
@given(st.sampled_from(ELEMENTS[:-1]), st.lists(NUMBERS, min_size=4, max_size=4))
def test_negation_flips_signs(element, x):
    fmt = nf.BlockFormat(element, "ufp8_e8m0", 4, "rceil")
    a, b = nf.encode(np.array(x), fmt), nf.encode(-np.array(x), fmt)
    assert np.array_equal(a.scales, b.scales)
    assert np.array_equal(nf.decode(a), -nf.decode(b))


@FEW
@given(block_formats(), st.lists(NUMBERS, min_size=8, max_size=8), st.integers(1, 7))
def test_blocks_do_not_see_each_other(fmt, x, cut):
    array = np.array(x, np.float32)
    whole = nf.encode(array, fmt)
    options = {"tensor_scale": whole.tensor_scale} if fmt.tensor_scale else {}
    first = nf.encode(array[:4], fmt, **options)
    assert np.array_equal(first.codes, whole.codes[:4]) and first.scales[0] == whole.scales[0]
    padded = nf.encode(array[:cut], fmt, pad=True, **options)
    zeros = np.concatenate([array[:cut], np.zeros(-cut % 4, np.float32)])
    assert np.array_equal(padded.codes, nf.encode(zeros, fmt, **options).codes)


@FEW
@given(st.sampled_from(ELEMENTS), st.lists(NUMBERS, min_size=4, max_size=4))
def test_the_largest_element_is_within_one_step(element, x):
    """Under rceil nothing saturates, so that every error is at most half the largest step at the block's maximum."""
    fmt = nf.BlockFormat(element, "ufp8_e8m0", 4, "rceil")
    block = reference.encode_block(x, fmt)
    if block.scale_code in (0, 254):
        return
    values = sorted(
        {v for c in range(fmt.element.code_count) if isinstance(v := reference.decode(c, element), Fraction)}
    )
    step = max(b - a for a, b in pairwise(values)) * Fraction(2) ** (block.scale_code - 127)
    if fmt.encoded_element != fmt.element or element == "nf4":
        step *= 2
    for v, y in zip(x, nf.quantize(np.array(x), fmt), strict=True):
        assert abs(Fraction(v) - Fraction(float(y))) <= step / 2
