"""Speed of fused dot products through the public API, beside SoftPosit's quire, interleaved in one process.

Figures are products a second, best and median of the rounds, one thread; compilation and the first calls are left out,
and a digest of the result bits stands beside each line. Run:

    python benchmarks/quire.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import softposit

import numfmt as nf

LENGTHS = (1 << 8, 1 << 12, 1 << 16, 1 << 20)
FORMATS = ("posit8", "posit16_1", "posit16", "posit32", "fp8_e4m3fn", "binary16", "bfloat16", "binary32")


def seconds(call: Callable[[], Any], rounds: int) -> tuple[float, float]:
    """Best and median of `rounds` calls."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times), statistics.median(times)


def line(name: str, terms: int, call: Callable[[], nf.Encoded], rounds: int) -> None:
    """One row."""
    best, median = seconds(call, rounds)
    digest = hashlib.sha256(np.ascontiguousarray(call().codes).tobytes()).hexdigest()[:8]
    print(f"{name:44} {terms / best / 1e6:9.1f} {terms / median / 1e6:9.1f}  {digest}")


def peer(rounds: int) -> None:
    """SoftPosit's quire16 from Python, one product a call."""
    n = 1 << 12
    a, b = operands("posit16_1", n)
    pairs = []
    for x, y in zip(a.codes.tolist(), b.codes.tolist(), strict=True):
        left, right = softposit.posit16_t(), softposit.posit16_t()
        left.v, right.v = x, y
        pairs.append((left, right))

    def dot() -> nf.Encoded:
        q = softposit.q16Clr()
        for left, right in pairs:
            q = softposit.q16_fdp_add(q, left, right)
        return nf.Encoded(softposit.q16_to_p16(q).v, "posit16_1")

    line(f"softposit quire16, {n} terms", n, dot, rounds)
    line(f"numfmt posit16_1, {n} terms", n, lambda: nf.fused_dot(a, b), rounds)


def operands(fmt: str, *shape: int) -> tuple[nf.Encoded, nf.Encoded]:
    """Normally distributed numbers in `fmt`."""
    rng = np.random.default_rng(0)
    return nf.encode(rng.standard_normal(shape), fmt), nf.encode(rng.standard_normal(shape), fmt)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}")
    print(f"{'M products/s':44} {'best':>9} {'median':>9}  bits")
    for fmt in FORMATS:
        for terms in LENGTHS:
            a, b = operands(fmt, terms)
            for _ in range(1100):  # past the number of results that are encoded without a kernel
                nf.fused_dot(a[:1], b[:1])
            line(f"fused_dot {fmt}, {terms} terms", terms, lambda a=a, b=b: nf.fused_dot(a, b), rounds)
    a, b = operands("posit16_1", 256, 256)
    left, right = a.reshape(256, 1, 256), b.reshape(1, 256, 256)
    line("fused_dot posit16_1, 256 x 256 x 256", 256**3, lambda: nf.fused_dot(left, right), rounds)
    q, one = nf.Quire("posit16_1"), nf.encode(1.0, "posit16_1")
    print(f"one add_product, one accumulator: {seconds(lambda: q.add_product(one, one), 200)[0] * 1e6:.1f} us")
    peer(rounds)


if __name__ == "__main__":
    main()
