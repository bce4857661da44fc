"""`verify`: read a file of vectors back, recompute every row, and explain what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import NumfmtError, VectorFileError
from .columns import Field, make_columns
from .files import Stored, read_fields
from .manifest import GENERATOR, Manifest, read_manifest
from .operations import compute

__all__ = ["Difference", "Verification", "verify"]

Array = npt.NDArray[Any]
#: Differing rows that are explained.
_SHOWN = 10


@dataclass(frozen=True)
class Difference:
    """A field of a row that is not what it must be."""

    row: int
    line: int | None
    field: str
    operands: tuple[int, ...]
    expected: int | None
    found: int
    bits: tuple[int, ...]
    explanation: str

    def __str__(self) -> str:
        where = f"row {self.row}" + ("" if self.line is None else f" (line {self.line})")
        if self.expected is None:
            return f"{where}: {self.field} is {self.found:#x}, {self.explanation}"
        bits = f"bit{'s' * (len(self.bits) > 1)} {', '.join(map(str, self.bits))}"
        head = f"{where}: {self.field} is {self.found:#x}, must be {self.expected:#x}: {bits} differ"
        head += "s" * (len(self.bits) == 1)
        return f"{head}\n{self.explanation}" if self.explanation else head


@dataclass(frozen=True)
class Verification:
    """What `verify` found; `ok` is True where the digest fits and every row is right.

    Attributes
    ----------
    path : Path
    count : int
        Rows, all recomputed.
    sha256_matches : bool
        Whether the file is the one that the manifest describes.
    wrong : int
        Rows with a wrong field.
    differences : tuple of Difference
        The first ten of them.
    """

    path: Path
    count: int
    sha256_matches: bool
    wrong: int
    differences: tuple[Difference, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.sha256_matches and not self.wrong

    def __str__(self) -> str:
        if self.ok:
            return f"{self.path.name}: {self.count} vectors recomputed, all right; SHA-256 matches the manifest"
        lines = [f"{self.path.name}: {self.wrong} of {self.count} rows are wrong"]
        if not self.sha256_matches:
            lines.append("the SHA-256 of the data differs from the manifest's")
        if not self.wrong:
            lines.append("every row is right and as generated: the digest in the manifest is not that of this file")
        lines += [str(difference) for difference in self.differences]
        if self.wrong > len(self.differences):
            lines.append(f"... and {self.wrong - len(self.differences)} rows more")
        return "\n".join(lines)


def verify(path: str | Path) -> Verification:
    """Check a file of vectors against its manifest and against the library.

    Reads any layout, with the manifest ``PATH.json`` beside it; recomputes results, flags and optional columns of every
    row from the operands in the file; compares the SHA-256; and where that differs, compares the operands with those
    that the manifest's generator makes.

    Parameters
    ----------
    path : str or Path
        The data file.

    Returns
    -------
    Verification

    Raises
    ------
    VectorFileError
        The file or its manifest is not what `VectorSet.write` writes: truncated, surplus lines, x digits, CR LF, a byte
        order mark, ... The message names file, line and reason. Nothing in a file is executed, and no more is read than
        its manifest's count allows.

    >>> import tempfile, pathlib
    >>> from numfmt import vectors
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "mul.csv"
    >>> _ = vectors.generate("mul", "fp4_e2m1").write(file, "csv")
    >>> vectors.verify(file).ok
    True
    """
    path = Path(path)
    manifest = read_manifest(path)
    stored = read_fields(path, manifest)
    matches = stored.sha256 == manifest.sha256
    operands = [f.codes for f in stored.fields[: len(manifest.formats)]]
    expected = _recomputed(path, manifest, stored, operands)
    found: dict[int, list[Difference]] = {}
    for field, right, defined in expected:
        mine = next(f for f in stored.fields if f.name == field)
        for row in np.flatnonzero((mine.codes != right) | ~defined).tolist():
            expected_code = int(right[row]) if defined[row] else None
            found.setdefault(row, []).append(_difference(manifest, stored, operands, row, mine, expected_code))
    if not matches:
        for difference in _moved_operands(manifest, stored, operands):
            found.setdefault(difference.row, []).insert(0, difference)
    rows = sorted(found)
    shown = [_explained(manifest, d) for row in rows[:_SHOWN] for d in found[row][:1]]
    return Verification(path, manifest.count, matches, len(rows), tuple(shown))


def _recomputed(
    path: Path, manifest: Manifest, stored: Stored, operands: list[Array]
) -> list[tuple[str, Array, npt.NDArray[np.bool_]]]:
    """(field, right codes, where there are any) of all fields but the operands."""
    op, formats, fmt = manifest.op, manifest.formats, manifest.fmt
    typed = [codes.astype(f.code_dtype) for codes, f in zip(operands, formats, strict=True)]
    codes, bits, defined = compute(op, formats, typed, fmt, manifest.policy)
    fields = [Field("z", fmt.bits, codes)] + ([Field("flags", 5, bits)] if manifest.flags else [])
    try:
        fields += make_columns(manifest.columns, op, formats, typed, fmt, codes)
    except NumfmtError as err:
        raise VectorFileError(f"{path.name}.json:1: {err}") from None
    widths = [(f.name, f.width) for f in fields]
    if widths != [(c.name, c.width) for c in manifest.fields[len(formats) :]]:
        raise VectorFileError(f"{path.name}.json:1: fields must be the operands and {widths}")
    return [(f.name, f.codes, defined) for f in fields]


def _difference(
    manifest: Manifest, stored: Stored, operands: list[Array], row: int, field: Field, expected: int | None
) -> Difference:
    found = int(field.codes[row])
    bits = () if expected is None else tuple(i for i in range(field.width) if (found ^ expected) >> i & 1)
    codes = tuple(int(c[row]) for c in operands)
    why = "but the policy has no result for these operands" if expected is None else ""
    return Difference(row, stored.line(row), field.name, codes, expected, found, bits, why)


def _explained(manifest: Manifest, difference: Difference) -> Difference:
    """The same with the whole story of the row; only those that are shown, for it takes time."""
    from dataclasses import replace

    from ..explaining import explain_codes

    if difference.expected is None:
        return difference
    operands = list(zip(manifest.formats, difference.operands, strict=True))
    got = difference.found if difference.field == "z" else None
    told = explain_codes(manifest.op, operands, manifest.fmt, manifest.policy, got)
    text = "\n".join("  " + line for line in str(told).splitlines())
    return replace(difference, explanation=f"{difference.explanation}{text}")


def _moved_operands(manifest: Manifest, stored: Stored, operands: list[Array]) -> list[Difference]:
    """Operands that the manifest's generator does not make, where this version still has that generator."""
    from .generation import generate

    if manifest.generator != GENERATOR:
        return []
    try:
        policy: dict[str, Any] = manifest.policy.as_dict()
        made = generate(
            manifest.op, manifest.formats, fmt=manifest.fmt, set=manifest.set, n=manifest.n, seed=manifest.seed,
            **policy,
        )  # fmt: skip
    except NumfmtError as err:
        raise VectorFileError(f"{manifest.path.name}.json:1: its arguments make no set: {err}") from None
    if len(made) != manifest.count:
        raise VectorFileError(
            f"{manifest.path.name}.json:1: count is {manifest.count}, but these arguments make {len(made)} vectors"
        )
    found = []
    for field, right in zip(stored.fields, made.operands, strict=False):
        for row in np.flatnonzero(field.codes != right).tolist():
            found.append(_difference(manifest, stored, operands, row, field, int(right[row])))
    return found
