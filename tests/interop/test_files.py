"""`save` and `load`: what comes back, what others can read, and files that are not what they say."""

from __future__ import annotations

import copy
import doctest
import io
import json
import os
import pickle
import random
import struct
import subprocess
import sys
import time
import tracemalloc
import zipfile
import zlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import numfmt as nf
from numfmt.errors import ArgumentError, DTypeError, FileFormatError, NumfmtError
from numfmt.interop import DTYPES, LAYOUTS

X = np.random.default_rng(30).standard_normal((4, 256)).astype(np.float32)
KINDS = (".npz", ".safetensors")
USER = nf.CodebookFormat("test_files_levels", (-1.5, -0.0, Fraction(1, 64), 1, 3.1415927410125732))
USER_BLOCKS = nf.BlockFormat(USER, "bfloat16", 16)


def samples():
    return {
        "two level": nf.encode(X, "nvfp4"),
        "nested": nf.encode(X, "nf4_b64_dq"),
        "zero points": nf.encode(X[:2, :70], "uint4_g32", pad=True),
        "tile": nf.encode(X, nf.BlockFormat("fp8_e4m3fn", "binary32", (2, 64), axis=(-2, -1))),
        "ggml": nf.encode(X, "q4_1"),
        "columns": nf.encode(X.T, "mxfp6_e3m2", axis=0, pad=True),
        "flat": nf.encode(X, "nf4_b64", axis=None),
        "user": nf.encode(X, USER_BLOCKS),
        "user element": nf.encode(X[0], USER),
        "posit": nf.encode(X[0, :9], "posit16"),
        "draft": nf.encode(X[0, :9], "p3109_k8p4se"),
        "wide": nf.encode(X[0, :9].astype(np.float64), "binary64"),
        "scalar": nf.encode(1.5, "takum8"),
        "empty": nf.encode(np.zeros((0, 3)), "lns8_3"),
        "plain": np.arange(6, dtype=np.int16).reshape(2, 3),
        "number": np.float64(0.1),
    }


OBJECTS = samples()


def same(a, b):
    if isinstance(b, (nf.Encoded, nf.BlockEncoded)):
        return type(a) is type(b) and a.same_bits(b)
    return a.dtype == np.asarray(b).dtype and np.array_equal(a, b)


def same_objects(found, want=OBJECTS):
    return list(found) == list(want) and all(same(found[name], want[name]) for name in want)


# ---- what comes back -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_block_format_of_the_catalog(tmp_path, kind):
    path = tmp_path / f"b{kind}"
    for name in nf.names(kind="block"):
        fmt = nf.get(name)
        try:
            b = nf.encode(X + 1j * X[::-1] if fmt.is_complex else X, fmt, pad=True)
        except ArgumentError as err:  # decode-only: any bytes
            assert "decode-only" in str(err)
            b = nf.unpack(bytes(int(fmt.bits_per_element * X.size) // 8), fmt, shape=X.shape)
        nf.save(path, b)
        found = nf.load(path)
        assert found.same_bits(b) and found.format is nf.get(name) and found.axis == b.axis, name
        assert found.codes.flags.writeable


@pytest.mark.parametrize("kind", KINDS)
def test_every_scalar_format_of_the_catalog(tmp_path, kind):
    codes = {name: nf.get(name).code_count - 1 for name in nf.names(kind="scalar")}
    objects = {name: nf.Encoded([0, code], name) for name, code in codes.items()}
    nf.save(tmp_path / f"s{kind}", objects)
    found = nf.load(tmp_path / f"s{kind}")
    assert same_objects(found, objects) and all(e.format is nf.get(name) for name, e in found.items())


@pytest.mark.parametrize("kind", KINDS)
def test_a_mapping_and_each_alone(tmp_path, kind):
    path = tmp_path / f"m{kind}"
    nf.save(str(path), OBJECTS)
    assert same_objects(nf.load(str(path)))
    for name in OBJECTS.keys() - {"plain", "number"}:
        nf.save(path, OBJECTS[name])
        assert same(nf.load(path), OBJECTS[name]), name
    nf.save(path, {})
    assert nf.load(path) == {}


LOADER = """
import hashlib, sys
import numpy as np, numfmt as nf
for name, obj in nf.load(sys.argv[1]).items():
    values = np.ascontiguousarray(obj)
    print(name, values.dtype, values.shape, hashlib.sha256(values.tobytes()).hexdigest(), sep="|")
"""


@pytest.mark.parametrize("kind", KINDS)
def test_a_fresh_process_needs_no_registration(tmp_path, kind):
    import hashlib

    path = tmp_path / f"f{kind}"
    nf.save(path, OBJECTS)
    run = subprocess.run([sys.executable, "-c", LOADER, path], capture_output=True, text=True, check=True)
    want = []
    for name, obj in OBJECTS.items():
        values = np.ascontiguousarray(obj)
        digest = hashlib.sha256(values.tobytes()).hexdigest()
        want.append(f"{name}|{values.dtype}|{values.shape}|{digest}")
    assert run.stdout.splitlines() == want


@dataclass(frozen=True)
class Thirds(nf.Format):
    """A family of the user's own."""

    bits: int = 3
    source = "a test"

    @property
    def name(self):
        return f"thirds_{self.bits}"

    def value_of(self, code):
        return nf.Unpacked.from_fraction(Fraction(code)) if code else nf.Unpacked.zero(0)


def test_a_class_of_the_user_is_named_when_it_is_missing(tmp_path):
    path = tmp_path / "u.npz"
    nf.save(path, nf.Encoded([1, 2], Thirds(4)))
    assert nf.load(path).format == Thirds(4)
    run = subprocess.run([sys.executable, "-c", LOADER, path], capture_output=True, text=True)
    assert "FileFormatError: u.npz: " in run.stderr and "Thirds' does not exist here; import the module" in run.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_layouts_in_memory_do_not_matter(tmp_path, kind):
    path = tmp_path / f"l{kind}"
    wide = np.arange(24, dtype=np.int32).reshape(4, 6)
    e = nf.encode(wide, "int16")
    objects = {"f": wide.T, "reversed": wide[::-1, ::2], "swapped": wide.astype(wide.dtype.newbyteorder()), "e": e.T}
    nf.save(path, objects)
    found = nf.load(path)
    for name in ("f", "reversed", "swapped"):
        assert np.array_equal(found[name], objects[name]) and found[name].dtype == np.int32
    assert found["e"].same_bits(e.T)
    first = path.read_bytes()
    nf.save(path, {name: np.ascontiguousarray(o) if name != "e" else o for name, o in objects.items()})
    assert path.read_bytes() == first, "equal content, equal bytes"


# ---- other tools -----------------------------------------------------------------------------------------------------


def test_numpy_reads_the_arrays(tmp_path):
    nf.save(tmp_path / "a.npz", OBJECTS)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as plain:
        assert np.array_equal(plain["two level.codes"], OBJECTS["two level"].codes)
        assert np.array_equal(plain["nested.scales.codes"], OBJECTS["nested"].scales.codes)
        assert plain["number"] == 0.1 and plain["plain"].dtype == np.int16
        about = json.loads(plain["numfmt.json"])
    assert about["version"] == 1 and about["entries"]["two level"]["shape"] == [4, 256]


def test_safetensors_reads_and_rewrites_the_file(tmp_path):
    library = pytest.importorskip("safetensors")
    numpy_api = pytest.importorskip("safetensors.numpy")
    path, copied = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    nf.save(path, OBJECTS)
    with library.safe_open(path, "np") as file:
        metadata = file.metadata()
    tensors = numpy_api.load_file(path)
    assert np.array_equal(tensors["two level.codes"], OBJECTS["two level"].codes)
    assert tensors["posit.codes"].dtype == np.uint16
    numpy_api.save_file(tensors, copied, metadata)
    assert same_objects(nf.load(copied))


def test_a_recompressed_archive_loads(tmp_path):
    nf.save(tmp_path / "a.npz", OBJECTS)
    (tmp_path / "b.npz").write_bytes(zip_bytes(members_of(tmp_path / "a.npz"), zipfile.ZIP_DEFLATED))
    assert same_objects(nf.load(tmp_path / "b.npz"))


# ---- writing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_failed_save_leaves_the_old_file(tmp_path, kind, monkeypatch):
    path = tmp_path / f"a{kind}"
    nf.save(path, OBJECTS["posit"])
    before = path.read_bytes()
    monkeypatch.setattr("numfmt.interop.files._bytes_of", lambda array: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        nf.save(path, OBJECTS)
    assert path.read_bytes() == before and os.listdir(tmp_path) == [path.name]


def test_mode_and_links_are_kept(tmp_path):
    if os.name != "posix":
        pytest.skip("file modes and links of POSIX")
    target, link = tmp_path / "a.npz", tmp_path / "b.npz"
    nf.save(target, OBJECTS["posit"])
    assert target.stat().st_mode & 0o111 == 0
    target.chmod(0o640)
    link.symlink_to(target)
    nf.save(link, OBJECTS["draft"])
    assert link.is_symlink() and target.stat().st_mode & 0o777 == 0o640 and same(nf.load(target), OBJECTS["draft"])


@pytest.mark.parametrize(
    "error, words, name, obj",
    [
        (ArgumentError, "must end in .npz or .safetensors", "a.npy", OBJECTS["posit"]),
        (ArgumentError, "obj must be an Encoded", "a.npz", X),
        (ArgumentError, "obj must be an Encoded", "a.npz", [OBJECTS["posit"]]),
        (ArgumentError, "'w' is a list", "a.npz", {"w": [1.0]}),
        (ArgumentError, "'w' is a dict", "a.npz", {"w": {}}),
        (ArgumentError, "'w' is a MaskedArray", "a.npz", {"w": np.ma.masked_equal([1], 1)}),
        (DTypeError, "dtype object", "a.npz", {"w": np.array([None])}),
        (DTypeError, "dtype <U1", "a.npz", {"w": np.array(["a"])}),
        (ArgumentError, "does|do not hold", "a.safetensors", {"w": np.ones(1, np.complex128)}),
        (ArgumentError, "printable strings", "a.npz", {"": X}),
        (ArgumentError, "printable strings", "a.npz", {3: X}),
        (ArgumentError, "printable strings", "a.npz", {"a\nb": X}),
        (ArgumentError, "paths to elsewhere", "a.npz", {"../w": X}),
        (ArgumentError, "paths to elsewhere", "a.npz", {"/w": X}),
        (ArgumentError, "two arrays would be called 'w.codes'", "a.npz", {"w": OBJECTS["posit"], "w.codes": X}),
        (ArgumentError, "no name for an array", "a.safetensors", {"__metadata__": X}),
    ],
)
def test_what_cannot_be_saved(tmp_path, error, words, name, obj):
    with pytest.raises(error, match=words):
        nf.save(tmp_path / name, obj)
    assert os.listdir(tmp_path) == []


# ---- files that lie --------------------------------------------------------------------------------------------------


def members_of(path):
    with zipfile.ZipFile(path) as archive:
        return {entry.filename: archive.read(entry) for entry in archive.infolist()}


def zip_bytes(members, method=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def npy_bytes(array, **options):
    out = io.BytesIO()
    np.save(out, array, **options)
    return out.getvalue()


def npy_header(shape, descr="|u1"):
    text = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def refused(path, content, words):
    """The one error, quickly, with the file's name, and without allocating what a header says."""
    path.write_bytes(content)
    tracemalloc.start()
    start = time.monotonic()
    try:
        with pytest.raises(FileFormatError, match=words) as caught:
            nf.load(path)
        assert time.monotonic() - start < 1
        assert tracemalloc.get_traced_memory()[1] < 4 * len(content) + (8 << 20)
    finally:
        tracemalloc.stop()
    assert path.name in str(caught.value)


@pytest.fixture
def parts(tmp_path):
    """Members and manifest of a small .npz."""
    path = tmp_path / "good.npz"
    nf.save(path, {"b": OBJECTS["two level"], "z": OBJECTS["zero points"], "e": OBJECTS["user element"]})
    members = members_of(path)
    return members, json.loads(members["numfmt.json"])


def changed(parts, change, **members):
    held, manifest = parts
    manifest = copy.deepcopy(manifest)
    change(manifest)
    return zip_bytes({**held, "numfmt.json": json.dumps(manifest).encode(), **members})


def entry_of(manifest, *path):
    at = manifest["entries"]
    for key in path:
        at = at[key]
    return at


BAD_ARCHIVES = {
    "pickled member": (lambda p: zip_bytes({**p[0], "b.codes.npy": npy_bytes(np.array([None]))}), "Python objects"),
    "pickle": (lambda p: zip_bytes({**p[0], "b.codes.npy": pickle.dumps([1])}), "looks like a pickle"),
    "no manifest": (lambda p: zip_bytes({"b.npy": npy_bytes(X)}), "not written by numfmt.save"),
    "missing array": (lambda p: zip_bytes({k: v for k, v in p[0].items() if k != "b.scales.npy"}), "'b.scales' is"),
    "one array more": (lambda p: zip_bytes({**p[0], "x.npy": npy_bytes(X)}), "does not know: \\['x'\\]"),
    "no array": (lambda p: zip_bytes({**p[0], "readme.txt": b""}), "no arrays: \\['readme.txt'\\]"),
    "wrong dtype": (lambda p: zip_bytes({**p[0], "b.codes.npy": npy_bytes(X)}), "float32 .*manifest says uint8"),
    "other content": (lambda p: zip_bytes({**p[0], "z.scales.npy": npy_bytes(np.ones((2, 3), "<f2"))}), "CRC-32"),
    "header lies": (
        lambda p: changed(p, lambda m: entry_of(m, "b", "parts", "codes").update(shape=[1 << 40]),
                          **{"b.codes.npy": npy_header((1 << 40,)) + bytes(64)}),
        "needs 1,099,511,627,776 bytes",
    ),
    "bomb": (
        lambda p: zip_bytes({**p[0], "b.codes.npy": npy_header((100_000_000,)) + bytes(100_000_000)},
                            zipfile.ZIP_DEFLATED),
        "refused as a zip bomb",
    ),
    "many small bombs": (
        lambda p: zip_bytes({**p[0], **{f"x{i}.npy": npy_header((40 << 20,)) + bytes(40 << 20) for i in range(2)}},
                            zipfile.ZIP_DEFLATED),
        "in all: refused as a zip bomb",
    ),
    "manifest is no JSON": (lambda p: zip_bytes({**p[0], "numfmt.json": b"{"}), "manifest is damaged"),
    "deep manifest": (lambda p: zip_bytes({**p[0], "numfmt.json": b"[" * 200_000}), "manifest is damaged"),
    "not UTF-8": (lambda p: zip_bytes({**p[0], "numfmt.json": b"\xff"}), "not a usable .npz"),
    "newer": (lambda p: changed(p, lambda m: m.update(version=2)), "newer numfmt"),
    "unknown class": (lambda p: changed(p, lambda m: m["formats"][0].update({"class": "os:system"})), "does not exist"),
    "unknown enum": (
        lambda p: changed(p, lambda m: m["formats"][-1]["fields"].update(ties={"enum": "os", "member": "name"})),
        "no usable format",
    ),
    "illegal format": (lambda p: changed(p, lambda m: m["formats"][0]["fields"].update(block=0)), "block must be"),
    "huge format": (
        lambda p: changed(p, lambda m: m["formats"][0]["fields"]["element"]["fields"].update(bias=1 << 60)), "bias",
    ),
    "no such format": (lambda p: changed(p, lambda m: entry_of(m, "b").update(format=9)), "format 9"),
    "scalar format": (lambda p: changed(p, lambda m: entry_of(m, "b").update(format=2)), "format 2 is no Block"),
    "other shape": (lambda p: changed(p, lambda m: entry_of(m, "b").update(shape=[4, 512])), "codes must have shape"),
    "absurd shape": (lambda p: changed(p, lambda m: entry_of(m, "b").update(shape=[1 << 61, 3])), "codes must have sh"),
    "shape of text": (lambda p: changed(p, lambda m: entry_of(m, "b").update(shape=["4"])), "damaged shape"),
    "axis": (lambda p: changed(p, lambda m: entry_of(m, "b").update(axis=7)), "axis 7 does not exist"),
    "no zero points": (
        lambda p: changed(p, lambda m: entry_of(m, "z", "parts").pop("zero_points")), "zero_points are needed",
    ),
    "no scales": (lambda p: changed(p, lambda m: entry_of(m, "b", "parts").pop("scales")), "needs codes and scales"),
    "strange part": (
        lambda p: changed(p, lambda m: entry_of(m, "b", "parts").update(
            system=entry_of(m, "b", "parts").pop("tensor_scale"))), "system",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_ARCHIVES)
def test_bad_archives(tmp_path, parts, case):
    make, words = BAD_ARCHIVES[case]
    refused(tmp_path / "bad.npz", make(parts), words)


def safetensors_parts(path):
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def safetensors_bytes(header, data):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def test_bad_safetensors(tmp_path):
    path = tmp_path / "bad.safetensors"
    nf.save(path, OBJECTS["two level"])
    header, data = safetensors_parts(path)
    good = path.read_bytes()
    refused(path, b"", "header is said to take")
    refused(path, (1 << 62).to_bytes(8, "little") + good[8:], "4,611,686,018,427,387,904 bytes of a file")
    refused(path, good[:-1], "truncated or its header lies")
    refused(path, good[:-1] + bytes([good[-1] ^ 1]), "'scales' is damaged: its CRC-32")
    for change, words in (
        ({"codes": None}, "damaged .safetensors header"),
        ({"codes": {**header["codes"], "shape": [1 << 70, 4]}}, "damaged .safetensors header"),
        ({"codes": {**header["codes"], "shape": [1 << 40, 1 << 40]}}, "needs 1,208,925,819,614,629,174,706,176 bytes"),
        ({"codes": {**header["codes"], "shape": [256, 4]}}, "the manifest says"),
        ({"codes": {**header["codes"], "dtype": "I8"}}, "the manifest says"),
        ({"codes": {**header["codes"], "data_offsets": [0, 1024]}}, "overlap"),
        ({"__metadata__": {}}, "not written by numfmt.save"),
        ({"__metadata__": {"numfmt": 3}}, "__metadata__ must hold strings"),
        ({"__metadata__": {**header["__metadata__"], "numfmt": "{}"}}, "metadata is damaged"),
        ({"__metadata__": {"numfmt": "{}", "numfmt_crc32": f"{zlib.crc32(b'{}'):08x}"}}, "must have the keys version"),
        ({"more": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}}, "does not know: \\['more'\\]"),
    ):
        refused(path, safetensors_bytes({**header, **change}, data), words)
    path.write_bytes(safetensors_bytes(header, data))
    assert same(nf.load(path), OBJECTS["two level"])


def test_what_is_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        nf.load(tmp_path / "none.npz")
    with pytest.raises(ArgumentError, match="must end in"):
        nf.load(tmp_path / "a.gguf")
    (tmp_path / "d.npz").mkdir()
    with pytest.raises(FileFormatError, match=r"d\.npz: not a regular file"):
        nf.load(tmp_path / "d.npz")


def damaged(content, source):
    """One of: cut off, a bit flipped, some bytes replaced, some left out, some put in."""
    content, at = bytearray(content), source.randrange(len(content))
    match source.randrange(5):
        case 0:
            del content[at:]
        case 1:
            content[at] ^= 1 << source.randrange(8)
        case 2:
            for _ in range(source.randrange(2, 20)):
                content[source.randrange(len(content))] = source.randrange(256)
        case 3:
            del content[at : at + source.randrange(1, 100)]
        case _:
            content[at:at] = source.randbytes(source.randrange(1, 20))
    return bytes(content)


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_reported_or_harmless(tmp_path, kind):
    path = tmp_path / f"f{kind}"
    want = {name: OBJECTS[name] for name in ("two level", "zero points", "user element", "plain")}
    nf.save(path, want)
    good, source, unharmed = path.read_bytes(), random.Random(kind), 0
    start, cases = time.monotonic(), 1000
    for _ in range(cases):
        path.write_bytes(damaged(good, source))
        try:
            found = nf.load(path)
        except FileFormatError as err:
            assert path.name in str(err)
        else:
            assert same_objects(found, want)
            unharmed += 1
    assert unharmed < cases // 20 and time.monotonic() - start < 30


def leaves(value, path=()):
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    for key, inner in items:
        yield from leaves(inner, (*path, key))


HOSTILE = (None, -1, 10**6, 10**19, 0.5, True, "", "x", [], [10**18] * 3, [0] * 40, {}, {"a": 1}, "uint64")


def test_hostile_manifests(tmp_path, parts):
    """Every node of the manifest, replaced by what does not belong there: the one error, or an object."""
    _, manifest = parts
    path = tmp_path / "bad.npz"
    start, refusals = time.monotonic(), 0
    for i, node in enumerate(leaves(manifest)):
        for value in HOSTILE[i % 7 :: 7]:

            def replace(m, node=node, value=value):
                for key in node[:-1]:
                    m = m[key]
                m[node[-1]] = value

            path.write_bytes(changed(parts, replace))
            try:
                nf.load(path)
            except FileFormatError:
                refusals += 1
    assert refusals > 200 and time.monotonic() - start < 30


def test_the_page_says_what_is_true():
    """Its examples run, and it names every layout, every dtype and every part of a file."""
    page = Path(__file__).parents[2] / "docs" / "interchange.md"
    failed, tried = doctest.testfile(
        str(page), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    )
    assert tried > 5 and failed == 0
    text = page.read_text()
    names = [*LAYOUTS, "ggml_blocks", *(n for row in DTYPES for n in row if n and "int" not in n)]
    assert [name for name in names if f"`{name}`" not in text] == []


def test_one_error_class():
    assert issubclass(FileFormatError, NumfmtError) and issubclass(FileFormatError, ValueError)
