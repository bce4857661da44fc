"""Quires against SoftPosit's quire8, quire16 and quire32: rounded results of fused sums, and the bits."""

from __future__ import annotations

import numpy as np
import pytest

import numfmt as nf

softposit = pytest.importorskip("softposit", reason="softposit is not installed")
pytestmark = pytest.mark.conformance

PEERS = {"posit8_0": 8, "posit16_1": 16, "posit32_2": 32}


def peer_dot(fmt: str, a: list[int], b: list[int], signs: list[int]) -> object:
    """SoftPosit's quire after the products."""
    n = PEERS[fmt]
    posit, add, sub = (getattr(softposit, name) for name in (f"posit{n}_t", f"q{n}_fdp_add", f"q{n}_fdp_sub"))
    q, x, y = getattr(softposit, f"q{n}Clr")(), posit(), posit()
    for code_a, code_b, sign in zip(a, b, signs, strict=True):
        x.v, y.v = code_a, code_b
        q = (add if sign > 0 else sub)(q, x, y)
    return q


def operands(fmt: str, terms: int, rng: np.random.Generator) -> tuple[nf.Encoded, nf.Encoded, list[int]]:
    f = nf.get(fmt)
    spread = rng.choice([2, 6, f.bits])

    def draw() -> nf.Encoded:
        codes = rng.integers(0, 1 << f.bits, terms, dtype=np.uint64)
        near_one = (1 << (f.bits - 2)) + rng.integers(-(1 << (f.bits - 3)), 1 << (f.bits - 3), terms)
        codes = np.where(rng.random(terms) < 1 / spread, codes, near_one.astype(np.uint64))
        codes[codes == 1 << (f.bits - 1)] = 1
        return nf.Encoded(codes.astype(f.code_dtype), f)

    return draw(), draw(), rng.choice([-1, 1], terms).tolist()


@pytest.mark.parametrize("fmt, count", [("posit8_0", 1500), ("posit16_1", 1500), ("posit32_2", 1500)])
def test_fused_sums_of_products(fmt, count):
    rng, rounded = np.random.default_rng(2022), getattr(softposit, f"q{PEERS[fmt]}_to_p{PEERS[fmt]}")
    for _ in range(count):
        a, b, signs = operands(fmt, int(rng.integers(1, 12)), rng)
        theirs = rounded(peer_dot(fmt, a.codes.tolist(), b.codes.tolist(), signs))
        q = nf.Quire(fmt, width="legacy")
        plus, minus = ([i for i, s in enumerate(signs) if s == wanted] for wanted in (1, -1))
        q.add_dot(a[plus], b[plus])
        q.add(nf.Quire(fmt, width="legacy").add_dot(a[minus], b[minus]).negate())
        assert int(q.to().codes) == theirs.v, (a.codes, b.codes, signs)
