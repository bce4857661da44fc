"""The family of the design document, word for word: it must work at once, through the table path."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

import numfmt as nf
from numfmt.formats import Unpacked


# fmt: off
@nf.formats.family(r"pow2_(?P<bits>\d+)_b(?P<bias>\d+)")
@dataclass(frozen=True)
class Pow2Format(nf.Format):
    """Sign and a power of two: magnitude field 0 is zero, k > 0 is 2**(k - bias)."""
    bits: int
    bias: int = 7
    source = "example"

    @property
    def name(self):
        return f"pow2_{self.bits}_b{self.bias}"

    def value_of(self, code):
        sign, k = divmod(code, 1 << (self.bits - 1))
        return Unpacked.zero(sign) if k == 0 else Unpacked.finite(sign, 1, k - self.bias)
# fmt: on


def test_quantize_through_the_table_path():
    assert nf.quantize([0.1, 3.0, -1e9, 0.75, 0.0], "pow2_4_b7").tolist() == [0.125, 1.0, -1.0, 0.5, 0.0]
    x = np.linspace(-2, 2, 4001)
    nearest = nf.get("pow2_4_b7").table
    distance = np.abs(x[:, None] - nearest[None, :])
    assert np.array_equal(np.abs(nf.quantize(x, "pow2_4_b7") - x), distance.min(axis=1))


def test_check_format_passes():
    nf.testing.check_format(nf.get("pow2_4_b7"))
    nf.testing.check_format(nf.get("pow2_6_b12"))


def test_pattern_groups_must_be_fields():
    with pytest.raises(nf.errors.ArgumentError, match="unknown: width"):
        nf.formats.family(r"bad(?P<width>\d+)")(Pow2Format)
