"""Compare arithmetic with vectors that Berkeley TestFloat generates: values, NaN bits and exception flags.

    python tools/run_testfloat.py PATH_TO_TESTFLOAT_GEN --nan riscv [--ops f16_add ...] [--rows 2000]
        [--implementation module:function]

``tools/testfloat.md`` tells how to build testfloat_gen. `--nan` names the policy that the generator was built with:
RISCV riscv, 8086-SSE x86_sse, ARM-VFPv2 arm, ARM-VFPv2-defaultNaN arm_default.

An implementation is a function of arrays

    function(op, operands, fmt, *, rounding, tininess, nan) -> (codes, flags)

with `op` a name of ``numfmt.reference.OPERATIONS`` or ``PREDICATES``, `operands` a list of (format name, uint64 array),
`fmt` the name of the result's format ("bool" for predicates), and uint64 `codes` and uint8 `flags` in TestFloat's order
(inexact 1, underflow 2, overflow 4, divide by zero 8, invalid 16). Default: the oracle itself.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from numfmt import reference

Array = npt.NDArray[Any]
Implementation = Callable[..., tuple[Array, Array]]

FLOATS = {"f16": "binary16", "f32": "binary32", "f64": "binary64"}
BRAINS = {"bf16": "bfloat16"}
INTEGERS = {"ui32": "uint32", "i32": "int32"}  # TestFloat's 64-bit integers are wider than any IntFormat
MODES = {
    "near_even": "nearest_even",
    "near_maxMag": "nearest_away",
    "minMag": "toward_zero",
    "max": "toward_positive",
    "min": "toward_negative",
    "odd": "to_odd",
}
OPS = {"add": ("add", 2), "sub": ("sub", 2), "mul": ("mul", 2), "div": ("div", 2), "rem": ("remainder", 2)}
OPS |= {"sqrt": ("sqrt", 1), "mulAdd": ("fma", 3), "roundToInt": ("round_to_integral", 1)}
RELATIONS = {
    "eq": "equal",
    "le": "less_equal",
    "lt": "less",
    "eq_signaling": "equal_signaling",
    "le_quiet": "less_equal_quiet",
    "lt_quiet": "less_quiet",
}
#: Operations whose result may be tiny and inexact, so that the two kinds of tininess can differ.
CAN_UNDERFLOW = ("mul", "div", "mulAdd", "_to_f", "_to_bf")


class Function(NamedTuple):
    """A function of TestFloat in the words of numfmt."""

    name: str
    op: str
    sources: tuple[str, ...]
    result: str

    @property
    def rounds(self) -> bool:
        """Whether the rounding mode can matter."""
        return self.op not in reference.PREDICATES and self.op != "remainder"

    @property
    def can_underflow(self) -> bool:
        """Whether the kind of tininess can matter."""
        return any(part in self.name for part in CAN_UNDERFLOW) and self.result in (*FLOATS.values(), *BRAINS.values())


def functions() -> dict[str, Function]:
    """Every function of TestFloat between formats of numfmt."""
    found = []
    for short, fmt in FLOATS.items():
        found += [Function(f"{short}_{name}", op, (fmt,) * n, fmt) for name, (op, n) in OPS.items()]
        found += [Function(f"{short}_{name}", op, (fmt, fmt), "bool") for name, op in RELATIONS.items()]
    numbers = FLOATS | INTEGERS
    for (a, source), (b, result) in itertools.permutations(numbers.items(), 2):
        if a in FLOATS or b in FLOATS:
            found.append(Function(f"{a}_to_{b}", "cast", (source,), result))
    found += [Function("bf16_to_f32", "cast", ("bfloat16",), "binary32")]
    found += [Function("f32_to_bf16", "cast", ("binary32",), "bfloat16")]
    return {f.name: f for f in found}


def oracle(
    op: str, operands: list[tuple[str, Array]], fmt: str, *, rounding: str, tininess: str, nan: str
) -> tuple[Array, Array]:
    """The oracle of numfmt, one row at a time."""
    formats = [name for name, _ in operands]
    codes, flags = [], []
    for row in zip(*(array.tolist() for _, array in operands), strict=True):
        if op in reference.PREDICATES:
            outcome = reference.predicate(op, formats[0], row[0], formats[1], row[1])
        else:
            pairs = list(zip(formats, row, strict=True))
            outcome = reference.operate(op, pairs, fmt, rounding=rounding, tininess=tininess, nan=nan)
        codes.append(outcome.code)
        flags.append(outcome.flags.bits)
    return np.array(codes, np.uint64), np.array(flags, np.uint8)


def vectors(command: Sequence[str], rows: int, level: int, seed: int) -> Array:
    """Up to `rows` rows of a generator's output, evenly spread over the whole of it, as uint64 columns."""
    if rows <= 0:
        stride = 1
    else:
        sizes = {1: {1: 800, 2: 46464, 3: 6133248}, 2: {1: 30000, 2: 1254528, 3: 20000000}}
        arity = 3 if command[-1].endswith("mulAdd") else 1 if "_to_" in command[-1] else 2
        arity = 1 if command[-1].endswith(("sqrt", "roundToInt")) else arity
        stride = max(1, sizes[level][arity] // rows) | 1  # odd, so that it does not beat with the generator's patterns
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, bufsize=1 << 20) as process:
        assert process.stdout is not None
        kept = list(itertools.islice(process.stdout, seed % stride, None, stride))
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}")
    return np.array([[int(word, 16) for word in line.split()] for line in kept], np.uint64)


class Count(NamedTuple):
    """One comparison: rows, rows with anything wrong, with wrong codes, with wrong flags, and the first wrong rows."""

    rows: int
    wrong: int
    codes: int
    flags: int
    examples: list[str]


def check(table: Array, function: Function, implementation: Implementation, options: dict[str, str]) -> Count:
    """Compare one table of TestFloat with an implementation."""
    *operands, wanted, wanted_flags = table.T
    arguments = {"op": function.op} | options
    columns = list(zip(function.sources, operands, strict=True))
    codes, flags = implementation(arguments.pop("op"), columns, function.result, **arguments)
    wrong_code = codes.astype(np.uint64) != wanted
    wrong_flags = flags != wanted_flags.astype(np.uint8)
    examples = []
    for i in np.flatnonzero(wrong_code | wrong_flags)[:5]:
        inputs = " ".join(f"{int(column[i]):x}" for column in operands)
        examples.append(
            f"{function.name} {inputs}: {int(codes[i]):x} flags {int(flags[i]):02x}, "
            f"TestFloat {int(wanted[i]):x} {int(wanted_flags[i]):02x}"
        )
    return Count(
        len(table), int((wrong_code | wrong_flags).sum()), int(wrong_code.sum()), int(wrong_flags.sum()), examples
    )


def settings(
    function: Function, modes: Sequence[str], tininess: Sequence[str]
) -> Iterator[tuple[list[str], dict[str, str]]]:
    """The generator's switches and the implementation's arguments of every run of a function."""
    for mode in modes if function.rounds else ("near_even",):
        for when in tininess if function.can_underflow else ("after",):
            arguments = {"rounding": MODES[mode], "tininess": when}
            switches = [f"-r{mode}", f"-tininess{when}"]
            if function.op == "round_to_integral":
                yield [*switches, "-notexact"], arguments | {"op": "round_to_integral"}
                yield [*switches, "-exact"], arguments | {"op": "round_to_integral_exact"}
            else:
                yield [*switches, "-exact"], arguments


def load(name: str) -> Implementation:
    """The function of ``module:function``; "oracle" is the one above."""
    if name == "oracle":
        return oracle
    module, _, attribute = name.partition(":")
    found: Implementation = getattr(importlib.import_module(module), attribute)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison; the exit status is 1 when anything differs."""
    every = functions()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("generator", type=Path, help="a built testfloat_gen")
    parser.add_argument("--nan", required=True, choices=("riscv", "x86_sse", "arm", "arm_default"))
    parser.add_argument("--implementation", default="oracle", help="module:function")
    parser.add_argument(
        "--ops", nargs="*", default=[n for n in every if "bf16" not in n], choices=list(every), metavar="OP"
    )
    parser.add_argument("--modes", nargs="*", default=list(MODES), choices=list(MODES))
    parser.add_argument("--tininess", nargs="*", default=["after", "before"], choices=["after", "before"])
    parser.add_argument("--rows", type=int, default=2000, help="rows of each run, about; 0: all")
    parser.add_argument("--level", type=int, default=1, choices=(1, 2))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the counts here")
    given = parser.parse_args(arguments)
    implementation = load(given.implementation)
    total = wrong = 0
    report = {}
    start = time.monotonic()
    for name in given.ops:
        function = every[name]
        for switches, options in settings(function, given.modes, given.tininess):
            command = [str(given.generator), "-level", str(given.level), "-seed", str(given.seed), *switches, name]
            table = vectors(command, given.rows, given.level, given.seed)
            label = " ".join([name, *switches])
            count = check(table, function, implementation, options | {"nan": given.nan})
            report[label] = count._asdict()
            total += count.rows
            wrong += count.wrong
            print(f"{label}: {count.rows} rows, {count.codes} codes and {count.flags} flags wrong", flush=True)
            for example in count.examples:
                print(f"    {example}")
    print(f"RESULT n={total} bad={wrong} nan={given.nan} seconds={time.monotonic() - start:.0f}")
    if given.json:
        given.json.write_text(json.dumps(report, indent=1) + "\n")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
