"""`generate`: operands of a set, their results, flags and columns, as one frozen value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError, FormatMismatchError, NumfmtError
from ..formats.base import Format
from ..formats.registry import scalar
from .boundary import Coverage, boundary
from .columns import COLUMNS, Field, make_columns
from .operations import Policy, arity_of, compute, oracle, resolve_policy
from .sets import SETS, exhaustive, random_codes, smoke

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["VectorSet", "assemble", "generate"]

Array = npt.NDArray[Any]
#: Rows of every set that are compared with the exact reference before the set is handed out.
_WITNESSED = 64


@dataclass(frozen=True)
class VectorSet:
    """Operand codes and what an operation makes of them; `generate` makes it.

    Attributes
    ----------
    op, formats, fmt
        The operation, the format of each operand, the format of the result.
    set, n, seed
        How the rows were chosen.
    policy : Policy
        rounding, overflow, nan, tininess, by name.
    columns : tuple of str
        The optional columns asked for.
    fields : tuple of Field
        Name, width and codes of every column: ``a b c`` (as many as operands), ``z``, ``flags`` (inexact 1, underflow
        2, overflow 4, divide by zero 8, invalid 16), then the optional ones.
    coverage : Coverage or None
        Boundary sets: rows of each class.
    undefined : int
        Rows left out because the policy has no result for them (NaN in a format without NaN).
    witnessed : int
        Rows compared with the exact reference on the way; all of them where it made them.
    """

    op: str
    formats: tuple[Format, ...]
    fmt: Format
    set: str
    n: int | None
    seed: int
    policy: Policy
    columns: tuple[str, ...]
    fields: tuple[Field, ...]
    coverage: Coverage | None
    undefined: int
    witnessed: int

    def __len__(self) -> int:
        return int(self.fields[0].codes.size)

    def __getitem__(self, name: str) -> Array:
        """The codes of a field."""
        for field in self.fields:
            if field.name == name:
                return field.codes
        raise ArgumentError(f"field must be one of {', '.join(f.name for f in self.fields)}, got {name!r}")

    @property
    def operands(self) -> tuple[Array, ...]:
        """Code columns of the operands."""
        return tuple(field.codes for field in self.fields[: len(self.formats)])

    @property
    def result(self) -> Array:
        """Code column of the results."""
        return self["z"]

    @property
    def has_flags(self) -> bool:
        """Whether the set has a column of flags."""
        return any(field.name == "flags" for field in self.fields)

    def write(self, path: str | Path, layout: str) -> list[Path]:
        """Write the set and its manifest; the same set gives the same bytes. Returns the files.

        Parameters
        ----------
        path : str or Path
            The data file. Beside it, ``PATH.json`` is the manifest, and for "memh" ``.svh`` in place of the ending.
        layout : {"testfloat", "memh", "csv", "c", "bin", "npz"}
            See the page on golden vectors.

        Raises
        ------
        ArgumentError
            An unknown layout, or a set that it cannot hold (TestFloat's has no optional columns).

        >>> import tempfile, pathlib
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> [p.name for p in generate("mul", "fp4_e2m1").write(folder / "mul.hex", "memh")]
        ['mul.hex', 'mul.svh', 'mul.hex.json']
        """
        from .files import write_set

        return write_set(self, path, layout)

    def __str__(self) -> str:
        names = ", ".join(dict.fromkeys(f.name for f in self.formats))
        text = f"{len(self)} vectors of {self.op}, {names} -> {self.fmt.name}, {self.policy.rounding}, {self.set} set"
        if self.undefined:
            text += f"\n{self.undefined} rows left out: the policy has no result for them"
        return text if self.coverage is None else f"{text}\n{self.coverage}"


def generate(
    op: str,
    formats: Format | str | Sequence[Format | str],
    *,
    fmt: Format | str | None = None,
    set: str = "exhaustive",
    n: int | None = None,
    seed: int = 0,
    rounding: Any = None,
    overflow: Any = None,
    nan: Any = None,
    tininess: str = "after",
    flags: bool = True,
    columns: Sequence[str] = (),
) -> VectorSet:
    """Golden vectors of an operation: operand codes, result codes, flags.

    Parameters
    ----------
    op : str
        A name in `OPERATIONS`: add sub mul div fma (a * b + c) faa (a + b + c) sqrt rsqrt reciprocal remainder
        round_to_integral cast minimum maximum ... exp log tanh ...
    formats : Format, str, or a sequence of them
        Format of every operand, or of each.
    fmt : Format or str, optional
        Format of the result. Default: that of the operands, an error where they differ.
    set : {"exhaustive", "boundary", "random", "smoke"}
        All rows (up to 16 bits of operands; more, to 2**24 rows, by giving their number as `n`); rows constructed so
        that the exact result is a tie, a threshold, a cancellation, ... and beside these; `n` random rows; 256 fixed
        rows.
    n : int, optional
        Rows of a random set.
    seed : int
        Of random and boundary sets; generators are counter-based.
    rounding, overflow, nan, tininess
        The policy. Default: the result format's rounding, its non-saturating overflow rule, canonical NaN, tininess
        after rounding. Deterministic roundings only.
    flags : bool
        With a column of IEEE 754 exception flags.
    columns : sequence of {"mask", "class", "exact", "aligned", "grs"}
        Don't-care bits of the result, boundary class, exact product, aligned addends, guard/round/sticky.

    Returns
    -------
    VectorSet

    Raises
    ------
    ArgumentError
        An unknown name, a set of too many rows, a column that the operation does not have.
    FormatMismatchError
        Operands of different formats without `fmt`, a complex or a block format.

    Notes
    -----
    The results are the library's; 64 rows, evenly spread, are compared with the exact reference first.

    >>> vectors = generate("mul", "fp8_e4m3fn")
    >>> len(vectors), int(vectors["z"][0x3A51])
    (65536, 83)
    """
    arity = arity_of(op)
    given = [formats] if isinstance(formats, (str, Format)) else list(formats)
    operands = [scalar(f) for f in (given * arity if len(given) == 1 else given)]
    if len(operands) != arity:
        raise ArgumentError(f"{op} takes {arity} operands: give one format or {arity}, got {len(operands)}")
    if fmt is None and len({f.name for f in operands}) > 1:
        raise FormatMismatchError(
            f"operands are in {' and '.join(f.name for f in operands)}: say the result's with fmt="
        )
    target = operands[0] if fmt is None else scalar(fmt)
    if any(f.is_complex for f in (*operands, target)):
        raise FormatMismatchError("vectors are of real formats; this one holds complex numbers")
    policy = resolve_policy(target, rounding, overflow, nan, tininess)
    coverage = None
    if set not in SETS:
        raise ArgumentError(f"set must be one of {', '.join(SETS)}, got {set!r}")
    if set in ("boundary", "smoke") and n is not None:
        raise ArgumentError(f"n is for random sets, got n={n} for a {set} set")
    _check_seed(seed)
    if set == "exhaustive":
        rows = exhaustive(operands, n)
    elif set == "random":
        rows = random_codes(operands, n, seed)
    elif set == "smoke":
        rows = smoke(operands)
    else:
        rows, coverage = boundary(op, operands, target, seed)
    fields, undefined, witnessed = assemble(op, operands, rows, target, policy, flags, columns)
    names = tuple(name for name in COLUMNS if name in columns)
    found = tuple(operands), target, set, n, seed, policy, names, tuple(fields), coverage, undefined, witnessed
    return VectorSet(op, *found)


def _check_seed(seed: Any) -> None:
    if type(seed) is not int or not 0 <= seed < 1 << 64:
        raise ArgumentError(f"seed must be an integer in [0, 2**64), got {seed!r}")


def assemble(
    op: str,
    formats: Sequence[Format],
    rows: Sequence[Array],
    fmt: Format,
    policy: Policy,
    flags: bool,
    columns: Sequence[str],
) -> tuple[list[Field], int, int]:
    """(fields, rows left out, rows witnessed) of operand columns."""
    codes, bits, defined = compute(op, formats, rows, fmt, policy)
    undefined = int(defined.size - np.count_nonzero(defined))
    if undefined:
        codes, bits, rows = codes[defined], bits[defined], [row[defined] for row in rows]
    if not codes.size:
        raise ArgumentError(f"no row has a result: {op} into {fmt.name} gives NaN only, which it cannot hold")
    witnessed = _witness(op, formats, rows, fmt, policy, codes, bits)
    fields = [Field(name, f.bits, row) for name, f, row in zip("abc", formats, rows, strict=False)]
    fields.append(Field("z", fmt.bits, codes))
    if flags:
        fields.append(Field("flags", 5, bits))
    fields += make_columns(columns, op, formats, rows, fmt, codes)
    for field in fields:
        field.codes.setflags(write=False)
    return fields, undefined, witnessed


def _witness(
    op: str, formats: Sequence[Format], rows: Sequence[Array], fmt: Format, policy: Policy, codes: Array, bits: Array
) -> int:
    """Compare evenly spread rows with the exact reference: a vector that it contradicts is never handed out."""
    chosen = np.unique(np.linspace(0, codes.size - 1, _WITNESSED).astype(np.int64)).tolist()
    for i in chosen:
        row = [int(c[i]) for c in rows]
        expected = oracle(op, formats, row, fmt, policy)
        if expected != (int(codes[i]), int(bits[i])):
            shown = ", ".join(f"{c:#x}" for c in row)
            raise NumfmtError(
                f"{op}({shown}) into {fmt.name} under {policy}: the library gives code {int(codes[i]):#x} flags "
                f"{int(bits[i]):#x}, the reference {expected[0]:#x} {expected[1]:#x}; one of them is wrong: report it"
            )
    return len(chosen)
