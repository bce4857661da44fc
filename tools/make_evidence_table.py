"""Writes the table of docs/evidence.md that says, for each operation and format, what its results were compared with.

    python tools/make_evidence_table.py [--quick]

Every cell is made by the comparison that it names: a difference ends the program and leaves the page as it was. Rows
are compared with `numfmt.reference` (values and flags), all of them where the operands have at most 16 bits together;
binary32 and binary64 also with NumPy, whose arithmetic is the processor's. ``--quick`` samples where the page has all.
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import product
from math import prod
from pathlib import Path

import numpy as np

from numfmt import __version__, vectors
from numfmt.formats import scalar
from numfmt.vectors.operations import arity_of, compute, oracle, resolve_policy
from numfmt.vectors.sets import exhaustive, random_codes, special_codes

PAGE = Path(__file__).parents[1] / "docs" / "evidence.md"
BEGIN, END = "<!-- begin: tools/make_evidence_table.py -->", "<!-- end: tools/make_evidence_table.py -->"
OPERATIONS = ("add", "sub", "mul", "div", "remainder", "minimum", "fma", "faa", "sqrt", "rsqrt", "reciprocal")
FORMATS = (
    *("fp4_e2m1", "fp6_e2m3", "fp8_e4m3fn", "fp8_e5m2", "p3109_k8p4se", "posit8", "int8"),
    *("binary16", "bfloat16", "binary32", "binary64", "posit16", "takum16"),
)
ROUNDINGS = ("nearest_even", "nearest_away", "toward_zero", "toward_positive", "toward_negative", "to_odd")
#: NumPy's functions of the processor's formats.
HARDWARE = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "sqrt": np.sqrt}
DTYPES = {"binary32": np.float32, "binary64": np.float64}
SAMPLED, HARDWARE_ROWS = 400, 1 << 20


def compare_with_reference(op: str, name: str, rows: list[np.ndarray], rounding: str) -> int:
    """Rows compared, refusals included; ends the program at the first difference."""
    fmt = scalar(name)
    formats, policy = (fmt,) * len(rows), resolve_policy(fmt, rounding, None, None, "after")
    codes, bits, defined = compute(op, formats, rows, fmt, policy)
    for i, row in enumerate(zip(*(column.tolist() for column in rows), strict=True)):
        try:
            expected = oracle(op, formats, row, fmt, policy)
        except ValueError:
            expected = None
        found = (int(codes[i]), int(bits[i])) if defined[i] else None
        if found != expected:
            sys.exit(f"{op} {name} {rounding} {[hex(c) for c in row]}: {found}, the reference says {expected}")
    return len(rows[0])


def compare_with_hardware(op: str, name: str) -> int:
    """Rows compared with NumPy in nearest_even; NaN codes are a policy and count as equal."""
    fmt, dtype = scalar(name), DTYPES[name]
    formats, policy = (fmt,) * arity_of(op), resolve_policy(fmt, None, None, None, "after")
    rows = random_codes(formats, HARDWARE_ROWS, 1)
    found = compute(op, formats, rows, fmt, policy).codes
    with np.errstate(all="ignore"):
        expected = HARDWARE[op](*(row.view(dtype) for row in rows))
    same = (found == expected.view(fmt.code_dtype)) | (np.isnan(expected) & np.isnan(found.view(dtype)))
    if not same.all():
        sys.exit(f"{op} {name}: differs from NumPy at {[hex(int(row[np.argmin(same)])) for row in rows]}")
    return HARDWARE_ROWS


def cell(op: str, name: str, quick: bool) -> str:
    """What one operation of one format was compared with."""
    fmt = scalar(name)
    formats = (fmt,) * arity_of(op)
    count = prod(f.code_count for f in formats)
    everything = count <= 1 << 16 and not (quick and count > 2000)
    if everything:
        rows = exhaustive(formats, None)
        modes = ROUNDINGS if count <= 1 << 12 else ROUNDINGS[:1]
        for rounding in modes:
            compare_with_reference(op, name, rows, rounding)
        text = f"all {count} x {len(modes)}"
    else:
        kept = 12 if len(formats) < 3 else 5
        special = list(product(special_codes(fmt)[:kept], repeat=len(formats)))
        random = random_codes(formats, SAMPLED, 7)
        rows = [
            np.concatenate([[r[i] for r in special], random[i]]).astype(fmt.code_dtype) for i in range(len(formats))
        ]
        if not quick and fmt.exact and op in vectors.OPERATIONS:
            made = vectors.generate(op, name, set="boundary").operands
            rows = [np.concatenate([column, more]) for column, more in zip(rows, made, strict=True)]
        done = sum(compare_with_reference(op, name, rows, rounding) for rounding in ROUNDINGS)
        text = f"{done} rows"
    if op in HARDWARE and name in DTYPES:
        text += f"; NumPy {compare_with_hardware(op, name)}"
    return text


def main() -> None:
    """Compare, then rewrite the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    quick, start = parser.parse_args().quick, time.perf_counter()
    lines = ["| | " + " | ".join(OPERATIONS) + " |", "|---" * (len(OPERATIONS) + 1) + "|"]
    for name in FORMATS:
        cells = [cell(op, name, quick) for op in OPERATIONS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
        print(f"{time.perf_counter() - start:6.0f} s  {name}", flush=True)
    page = PAGE.read_text("utf-8")
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    head = f"Version {__version__}, {'quick' if quick else 'whole'} run:\n\n"
    PAGE.write_text(f"{before}{BEGIN}\n{head}" + "\n".join(lines) + f"\n{END}{after}", "utf-8")


if __name__ == "__main__":
    main()
