"""The reader of .gguf files: against gguf-py on good files, and on damaged and hostile ones.

Good files come from gguf-py's writer, or byte by byte from the description in ggml's docs/gguf.md, so that most tests
stand without the package.
"""

import contextlib
import os
import struct
import time
import tracemalloc

import numpy as np
import pytest

from numfmt import errors
from numfmt.interop.ggml import ggml_type, ggml_types
from numfmt.interop.gguf import read_gguf

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)


def text(s):
    raw = s if isinstance(s, bytes) else s.encode()
    return struct.pack("<Q", len(raw)) + raw


def pair(key, kind, value):
    return text(key) + struct.pack("<I", kind) + value


def array(kind, count, elements):
    return struct.pack("<IQ", kind, count) + elements


def tensor(name, dims, kind, offset):
    return text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)


def gguf(pairs=(), tensors=(), data=b"", *, version=3, n_pairs=None, n_tensors=None, alignment=32):
    counts = (len(tensors) if n_tensors is None else n_tensors, len(pairs) if n_pairs is None else n_pairs)
    header = b"GGUF" + struct.pack("<IQQ", version, *counts) + b"".join(pairs) + b"".join(tensors)
    return header + bytes(-len(header) % alignment) + data if data else header


@pytest.fixture
def read(tmp_path):
    path = tmp_path / "model.gguf"

    def from_bytes(raw):
        path.write_bytes(raw)
        return read_gguf(path)

    return from_bytes


# --- good files -------------------------------------------------------------------------------------------------------


def test_metadata_of_every_type(read):
    pairs = [
        pair("u8", U8, b"\xff"), pair("i8", I8, b"\xff"), pair("u16", U16, b"\xff\xfe"), pair("i16", I16, b"\xff\xfe"),
        pair("u32", U32, b"\xff\xff\xff\xfe"), pair("i32", I32, b"\xff\xff\xff\xfe"),
        pair("u64", U64, b"\xff" * 7 + b"\xfe"), pair("i64", I64, b"\xff" * 7 + b"\xfe"),
        pair("f32", F32, struct.pack("<f", 0.1)), pair("f64", F64, struct.pack("<d", 0.1)),
        pair("yes", BOOL, b"\1"), pair("no", BOOL, b"\0"), pair("text", STRING, text("größe")),
        pair("numbers", ARRAY, array(I16, 3, struct.pack("<3h", 1, -2, 3))),
        pair("flags", ARRAY, array(BOOL, 2, b"\1\0")),
        pair("words", ARRAY, array(STRING, 2, text("a") + text(""))),
        pair("nested", ARRAY, array(ARRAY, 2, array(U8, 2, b"\1\2") + array(STRING, 1, text("x")))),
        pair("none", ARRAY, array(F64, 0, b"")),
    ]  # fmt: skip
    for version in (2, 3):
        file = read(gguf(pairs, version=version))
        assert (file.version, file.alignment, dict(file.tensors)) == (version, 32, {})
        m = file.metadata
        # 0xFEFF and so on, least significant byte first; negative numbers in two's complement.
        assert [m[k] for k in ("u8", "i8", "u16", "i16")] == [255, -1, 0xFEFF, -257]
        assert [m[k] for k in ("u32", "i32")] == [0xFEFFFFFF, -(1 << 24) - 1]
        assert [m[k] for k in ("u64", "i64")] == [0xFEFFFFFFFFFFFFFF, -(1 << 56) - 1]
        assert (m["f32"], m["f64"]) == (float(np.float32(0.1)), 0.1)
        assert (m["yes"], m["no"], m["text"]) == (True, False, "größe")
        assert (m["numbers"].dtype, m["numbers"].tolist()) == (np.dtype(np.int16), [1, -2, 3])
        assert (m["flags"].dtype, m["flags"].tolist()) == (np.dtype(bool), [True, False])
        assert m["words"] == ["a", ""]
        assert (m["nested"][0].tolist(), m["nested"][1]) == ([1, 2], ["x"])
        assert (m["none"].dtype, m["none"].size) == (np.dtype(np.float64), 0)
    with pytest.raises(TypeError):
        file.metadata["new"] = 1


PLAIN = [(0, "F32", "<f4"), (1, "F16", "<f2"), (24, "I8", "i1"), (25, "I16", "<i2"), (26, "I32", "<i4"),
         (27, "I64", "<i8"), (28, "F64", "<f8")]  # fmt: skip


@pytest.mark.parametrize(("number", "name", "dtype"), PLAIN)
def test_plain_numbers_keep_their_dtype_and_bits(read, number, name, dtype):
    raw = np.random.default_rng(number).integers(0, 256, 6 * np.dtype(dtype).itemsize, dtype=np.uint8)
    alignment = pair("general.alignment", U32, struct.pack("<I", 1))  # so that the numbers lie at an odd address
    header = gguf([alignment], [tensor("w", (3, 2), number, 0)])
    t = read(header + raw.tobytes()).tensors["w"]
    assert (t.name, t.type_name, t.shape, t.n_blocks) == ("w", name, (2, 3), 6)
    loaded = t.load()
    assert (loaded.dtype, loaded.shape) == (np.dtype(dtype).newbyteorder("="), (2, 3))
    assert loaded.astype(dtype).tobytes() == raw.tobytes() == t.raw().tobytes()
    assert t.raw().shape == (2, 3 * np.dtype(dtype).itemsize)
    assert t.blocks(4, 5).tobytes() == loaded.reshape(-1)[4:5].tobytes()


def test_bfloat16_is_widened(read):
    codes = np.array([0x3F80, 0xBFC0, 0x8000, 0x7F80, 0x0001], "<u2")
    t = read(gguf([], [tensor("w", (5,), 30, 0)], codes.tobytes())).tensors["w"]
    assert t.load().view(np.uint32).tolist() == [c << 16 for c in codes.tolist()]
    assert t.dtype == np.float32


@pytest.mark.parametrize("q", ggml_types(), ids=lambda q: q.name)
def test_block_types_decode_whole_and_in_pieces(read, q):
    raw = np.random.default_rng(q.number).integers(0, 128, (3, 2 * q.block_bytes), dtype=np.uint8)
    t = read(gguf([], [tensor("w", (2 * q.block, 3), q.number, 0)], raw.tobytes())).tensors["w"]
    assert (t.type_name, t.shape, t.block, t.n_blocks) == (q.name, (3, 2 * q.block), q.block, 6)
    expected = q.decode(raw)
    np.testing.assert_array_equal(t.load(), expected)
    np.testing.assert_array_equal(t.raw(), raw)
    pieces = [t.blocks(i, min(i + 4, 6)) for i in (0, 4)]
    np.testing.assert_array_equal(np.concatenate(pieces).reshape(t.shape), expected)
    for start, stop in [(-1, 2), (3, 2), (0, 7)]:
        with pytest.raises(errors.ArgumentError, match="<= 6"):
            t.blocks(start, stop)
    assert t.blocks(6).shape == (0, q.block)
    with pytest.raises(ValueError, match="read-only"):
        t.raw()[0, 0] = 1


def test_shapes_without_axes_and_without_elements(read):
    file = read(gguf([], [tensor("scalar", (), 0, 0), tensor("none", (1 << 40, 0), 0, 32)], bytes(60) + b"\0\0\x80?"))
    assert file.tensors["scalar"].load() == np.float32(0)
    assert file.tensors["none"].load().shape == (0, 1 << 40)


def test_types_that_are_not_decoded_are_listed(read):
    tensors = [
        tensor("k", (256,), 10, 0),  # Q2_K, 84 bytes
        tensor("old", (32,), 9, 96),  # Q8_1, whose size depends on the version
        tensor("new", (7,), 99, 96),
        tensor("w", (4,), 24, 128),
    ]
    file = read(gguf([], tensors, bytes(range(132))))
    assert [t.type_name for t in file.tensors.values()] == ["Q2_K", "Q8_1", "unknown type 99", "I8"]
    assert file.tensors["w"].load().tolist() == [-128, -127, -126, -125]
    assert file.tensors["k"].raw().tolist() == list(range(84))
    for name in ("k", "old", "new"):
        with pytest.raises(errors.FileFormatError, match=f"'{name}' has type .*not decoded here"):
            file.tensors[name].load()
    for name in ("old", "new"):
        with pytest.raises(errors.FileFormatError, match="size in bytes is not known"):
            file.tensors[name].raw()


@pytest.fixture
def written(tmp_path):
    """A file by gguf-py's writer, with many types, and what gguf-py reads from it."""
    peer = pytest.importorskip("gguf")
    rng = np.random.default_rng(3)
    path = tmp_path / "peer.gguf"
    writer = peer.GGUFWriter(path, "llama")
    writer.add_name("größe")
    writer.add_uint8("u8", 200)
    writer.add_int64("i64", -5)
    writer.add_float32("f32", 0.1)
    writer.add_float64("f64", 0.1)
    writer.add_bool("yes", True)
    writer.add_array("tokens", ["a", "▁b", ""])
    writer.add_array("scores", [0.5, -1.5])
    for dtype in (np.float32, np.float16, np.float64, np.int8, np.int16, np.int32, np.int64):
        writer.add_tensor(f"plain.{np.dtype(dtype).name}", (rng.standard_normal((2, 3, 4)) * 9).astype(dtype))
    for q in ggml_types():
        raw = rng.integers(0, 128, (3, 2 * q.block_bytes), dtype=np.uint8)
        writer.add_tensor(f"block.{q.name}", raw, raw_dtype=peer.GGMLQuantizationType[q.name])
    bf16 = peer.quants.quantize(rng.standard_normal((2, 8)).astype(np.float32), peer.GGMLQuantizationType.BF16)
    writer.add_tensor("plain.bfloat16", bf16, raw_dtype=peer.GGMLQuantizationType.BF16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path, peer.GGUFReader(path)


@pytest.mark.conformance
def test_a_file_of_gguf_py_reads_as_gguf_py_reads_it(written):
    peer = pytest.importorskip("gguf")
    path, reader = written
    file = read_gguf(path)
    assert list(file.tensors) == [t.name for t in reader.tensors]
    for theirs in reader.tensors:
        ours = file.tensors[theirs.name]
        assert ours.type_name == theirs.tensor_type.name
        assert ours.shape == tuple(reversed(theirs.shape.tolist()))
        assert ours.raw().tobytes() == theirs.data.tobytes()
        expected, loaded = theirs.data, ours.load()
        if theirs.name.startswith("block.") or ours.type_name == "BF16":
            expected = peer.quants.dequantize(theirs.data, theirs.tensor_type)
        assert (loaded.dtype, loaded.shape) == (expected.dtype, ours.shape)
        # The random scales include NaN, whose sign and payload nobody specifies.
        same = (loaded == expected) & (np.signbit(loaded) == np.signbit(expected))
        assert (same | (np.isnan(loaded) & np.isnan(expected))).all()
    keys = [key for key in reader.fields if not key.startswith("GGUF.")]
    assert list(file.metadata) == keys
    for key in keys:
        value = file.metadata[key]
        value = value.tolist() if isinstance(value, np.ndarray) else value
        assert value == reader.fields[key].contents()


# --- damaged files ----------------------------------------------------------------------------------------------------


def small_file():
    """Header and tensors of three kinds, with a pair of every class of value."""
    pairs = [
        pair("general.alignment", U32, struct.pack("<I", 8)),
        pair("s", STRING, text("hé")),
        pair("b", BOOL, b"\1"),
        pair("w", ARRAY, array(STRING, 2, text("ab") + text("c"))),
        pair("n", ARRAY, array(ARRAY, 1, array(F32, 2, bytes(8)))),
    ]
    tensors = [tensor("a", (2, 2), 0, 0), tensor("q", (32,), 2, 16), tensor("x", (256,), 34, 40)]
    raw = ggml_type("Q4_0").encode(np.arange(32, dtype=np.float32)).tobytes()
    data = bytes(16) + raw + bytes(6) + bytes(54)
    return gguf(pairs, alignment=8), gguf(pairs, tensors, data, alignment=8)


def read_everything(file):
    for t in file.tensors.values():
        try:
            t.load()
            t.raw()
        except errors.FileFormatError:
            pass
    return file


def test_every_truncation_is_refused(read):
    _, whole = small_file()
    assert list(read_everything(read(whole)).tensors) == ["a", "q", "x"]
    for length in range(len(whole)):
        with pytest.raises(errors.FileFormatError, match=r"^model\.gguf: "):
            read(whole[:length])


def test_every_flipped_bit_is_read_or_refused(read):
    _, whole = small_file()
    refused = 0
    started = time.perf_counter()
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            read_everything(read(bytes(damaged)))
        except errors.FileFormatError as err:
            assert str(err).startswith("model.gguf: ")
            refused += 1
    assert refused > 1000
    assert time.perf_counter() - started < 60  # some 4,000 files; a single count that is believed takes longer


def test_random_bytes_after_the_magic_are_read_or_refused(read):
    rng = np.random.default_rng(21)
    _, whole = small_file()
    for _ in range(500):
        damaged = np.frombuffer(whole, np.uint8).copy()
        start = int(rng.integers(8, len(whole) - 8))
        damaged[start : start + 8] = rng.choice([0, 1, 0x7F, 0x80, 0xFF], 8)
        with contextlib.suppress(errors.FileFormatError):
            read_everything(read(damaged.tobytes()))


def nested(depth):
    return array(ARRAY, 1, b"") * depth + array(U8, 0, b"")


ALIGN = "general.alignment"
HOSTILE = {
    "empty file": (b"", "the file is empty"),
    "not gguf": (b"PK\3\4" + bytes(60), r"it starts with b'PK\\x03\\x04'"),
    "version 1": (gguf(version=1), "version 1: only 2 and 3 are read"),
    "big-endian": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian file; convert"),
    "pairs": (gguf(n_pairs=1 << 60), "number of metadata pairs is 1,152,921,504,606,846,976"),
    "tensors": (gguf(n_tensors=1 << 60), "number of tensors is 1,152,921,504,606,846,976"),
    "all ones": (b"GGUF" + struct.pack("<I", 3) + b"\xff" * 64, "number of metadata pairs"),
    "key length": (gguf([struct.pack("<Q", 1 << 63) + bytes(40)]), "length of metadata key 0 is 9,223,372,036"),
    "string length": (gguf([pair("k", STRING, struct.pack("<Q", 1 << 63))]), "length of metadata 'k' is 9,223"),
    "array length": (gguf([pair("k", ARRAY, array(F64, 1 << 61, b""))]), "takes at least 18,446,744,073,709,551,616"),
    "string array": (gguf([pair("k", ARRAY, array(STRING, 1 << 40, bytes(64)))]), "length of metadata 'k' is 1,099"),
    "array array": (gguf([pair("k", ARRAY, array(ARRAY, 1 << 40, bytes(64)))]), "length of metadata 'k' is 1,099"),
    "nesting": (gguf([pair("k", ARRAY, nested(100_000))]), "nests arrays more than 4 deep"),
    "value type": (gguf([pair("k", 13, bytes(8))]), "'k' has type 13"),
    "element type": (gguf([pair("k", ARRAY, array(77, 0, b""))]), "array of type 77"),
    "bool": (gguf([pair("k", BOOL, b"\2")]), "holds the byte 2"),
    "bool array": (gguf([pair("k", ARRAY, array(BOOL, 2, b"\1\3"))]), "holds the byte 3"),
    "utf-8": (gguf([pair(b"\xff", U8, b"\0")]), "metadata key 0 is not UTF-8"),
    "long key": (gguf([pair("k" * 70_000, U8, b"\0")]), "70,000 bytes long"),
    "same key": (gguf([pair("k", U8, b"\0")] * 2), "'k' occurs twice"),
    "alignment 0": (gguf([pair(ALIGN, U32, bytes(4))]), "power of two, got 0"),
    "alignment 24": (gguf([pair(ALIGN, U32, b"\x18\0\0\0")]), "power of two, got 24"),
    "alignment text": (gguf([pair(ALIGN, STRING, text("32"))]), "power of two, got '32' of type 8"),
    "alignment 2**31": (gguf([pair(ALIGN, U32, b"\0\0\0\x80")], [tensor("w", (1,), 0, 0)], bytes(64)),
                        "bytes 2,147,483,648 to"),
    "dimensions": (gguf([], [text("w") + struct.pack("<I", 1 << 31) + bytes(64)]), "2,147,483,648 dimensions"),
    "five dimensions": (gguf([], [tensor("w", (1,) * 5, 0, 0)], bytes(64)), "5 dimensions; at most 4"),
    "product": (gguf([], [tensor("w", (1 << 32, 1 << 32), 0, 0)], bytes(64)), "more elements than any file holds"),
    "product wraps": (gguf([], [tensor("w", (1 << 62, 4), 24, 0)], bytes(64)), "more elements than any file holds"),
    "empty product": (gguf([], [tensor("w", (0, 1 << 60), 24, 0)], bytes(64)), "more elements than any file holds"),
    "dimension 2**63": (gguf([], [tensor("w", (1 << 63,), 24, 0)], bytes(64)), "more elements than any file holds"),
    "too long": (gguf([], [tensor("w", (17,), 0, 0)], bytes(64)), "'w' is said to take bytes 64 to 132 of 128"),
    "row": (gguf([], [tensor("w", (16, 2), 2, 0)], bytes(64)), "rows of 16 elements, no multiple of a block's 32"),
    "row of none": (gguf([], [tensor("w", (), 2, 0)], bytes(64)), "rows of 1 elements"),
    "offset": (gguf([], [tensor("w", (1,), 0, 1 << 63)], bytes(64)), "'w' is said to take bytes 9,223"),
    "odd offset": (gguf([], [tensor("w", (1,), 0, 4)], bytes(64)), "offset 4, no multiple of the alignment 32"),
    "unknown type": (gguf([], [tensor("w", (1,), 99, 1 << 40)], bytes(64)), "'w' is said to take bytes 1,099"),
    "overlap": (gguf([], [tensor("v", (9,), 0, 0), tensor("w", (1,), 0, 32)], bytes(64)), "'v' and 'w' overlap"),
    "same place": (gguf([], [tensor("v", (1,), 0, 0), tensor("w", (1,), 0, 0)], bytes(64)), "'v' and 'w' overlap"),
    "same name": (gguf([], [tensor("w", (1,), 0, 0), tensor("w", (1,), 0, 32)], bytes(64)), "'w' occurs twice"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_headers_cost_one_error(read, case):
    raw, message = HOSTILE[case]
    tracemalloc.start()
    try:
        started = time.perf_counter()
        with pytest.raises(errors.FileFormatError, match=message) as caught:
            read(raw)
        assert time.perf_counter() - started < 1
        assert tracemalloc.get_traced_memory()[1] < 300_000 + 4 * len(raw)
    finally:
        tracemalloc.stop()
    assert str(caught.value).startswith("model.gguf: ")
    assert len(str(caught.value)) < 300


def test_paths_that_are_no_files(tmp_path):
    with pytest.raises(errors.FileFormatError, match=r"none\.gguf: no such file"):
        read_gguf(tmp_path / "none.gguf")
    with pytest.raises(errors.FileFormatError, match="not a regular file"):
        read_gguf(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.gguf")
        with pytest.raises(errors.FileFormatError, match="not a regular file"):  # and does not wait for a writer
            read_gguf(str(tmp_path / "pipe.gguf"))


def test_a_tensor_larger_than_memory_is_walked_through(tmp_path):
    """A sparse file of 17 GiB: opening it and reading its last blocks touches a few pages."""
    path = tmp_path / "large.gguf"
    n = 1 << 34
    header = gguf([], [tensor("w", (n // 32 * 32,), 8, 0)], b"\0")[:-1]
    size = len(header) + n // 32 * 34
    try:
        with path.open("wb") as file:
            file.write(header)
            file.truncate(size)
            file.seek(size - 34)
            file.write(ggml_type("Q8_0").encode(np.full(32, 127, np.float32)).tobytes())
    except OSError as err:
        pytest.skip(f"the file system has no sparse files of this size: {err}")
    t = read_gguf(path).tensors["w"]
    assert t.n_blocks == n // 32
    assert t.blocks(t.n_blocks - 2).sum() == 32 * 127
