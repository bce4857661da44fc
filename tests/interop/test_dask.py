"""Chunks, processes and dask: formats travel small, and where an array is cut changes no bit."""

from __future__ import annotations

import multiprocessing
import pickle

import numpy as np
import pytest

import numfmt as nf
from numfmt.errors import ArgumentError

X = np.random.default_rng(40).standard_normal((64, 512)).astype(np.float32)
FORMATS = ("fp8_e4m3fn", "posit8", "nf4", "mxfp4", "mxint8", "nvfp4_single", "int4_g32", "q8_0", "fp8_e4m3_g128")


@pytest.mark.parametrize("name", FORMATS)
def test_map_blocks(name):
    da = pytest.importorskip("dask.array")
    x = da.from_array(X, chunks=(16, 128))
    y = da.map_blocks(nf.quantize, x, name, dtype=x.dtype)
    assert y.chunks == x.chunks and y.dtype == np.float32
    whole = nf.quantize(X, name)
    assert y.compute(scheduler="synchronous").tobytes() == whole.tobytes()
    by_format = da.map_blocks(nf.quantize, x, nf.get(name), dtype=x.dtype)
    assert by_format.compute(scheduler="threads").tobytes() == whole.tobytes()


def test_a_scale_of_the_whole_tensor_is_passed_in():
    da = pytest.importorskip("dask.array")
    x = da.from_array(X, chunks=(16, 128))
    b = nf.encode(X, "nvfp4")
    y = da.map_blocks(nf.quantize, x, "nvfp4", tensor_scale=b.tensor_scale, dtype=x.dtype)
    assert y.compute(scheduler="synchronous").tobytes() == nf.quantize(X, "nvfp4").tobytes()


def test_a_chunk_that_cuts_a_block_is_an_error():
    da = pytest.importorskip("dask.array")
    x = da.from_array(X, chunks=(16, 100))
    with pytest.raises(ArgumentError, match="block must divide the axis"):
        da.map_blocks(nf.quantize, x, "mxfp4", dtype=x.dtype).compute(scheduler="synchronous")


def test_encoded_chunks_are_objects_of_their_own():
    dask = pytest.importorskip("dask")
    parts = [dask.delayed(nf.encode)(X[at : at + 16], "mxfp4") for at in range(0, 64, 16)]
    found = dask.compute(*parts, scheduler="threads")
    whole = nf.encode(X, "mxfp4")
    assert np.array_equal(np.concatenate([b.codes for b in found]), whole.codes)
    assert np.array_equal(np.concatenate([b.scales for b in found]), whole.scales)


def test_dask_knows_equal_formats():
    base = pytest.importorskip("dask.base")
    fmt = nf.get("nf4")
    before = base.tokenize(fmt)
    nf.quantize(X, fmt)  # makes tables and plans
    assert base.tokenize(fmt) == before == base.tokenize(pickle.loads(pickle.dumps(fmt)))
    assert base.tokenize(nf.get("af4")) != before


@pytest.mark.parametrize("name", FORMATS)
def test_cuts_change_no_bit(name):
    """What dask does, without it: rows in pieces, columns in pieces of whole blocks."""
    whole = nf.quantize(X, name)
    rows = [nf.quantize(X[at : at + 7], name) for at in range(0, 64, 7)]
    columns = [nf.quantize(X[:, at : at + 128], name) for at in range(0, 512, 128)]
    assert np.concatenate(rows).tobytes() == whole.tobytes() == np.concatenate(columns, axis=1).tobytes()


@pytest.mark.parametrize("name", nf.names())
def test_formats_pickle_small(name):
    fmt = nf.get(name)
    if fmt.bits <= 16 and isinstance(fmt, nf.Format):
        assert fmt.table is not None
    data = pickle.dumps(fmt)
    again = pickle.loads(data)
    assert again == fmt and hash(again) == hash(fmt) and again.name == name
    limit = 1000 + 16 * sum(len(part.values) for part in _codebooks(fmt))
    assert len(data) < limit, "no tables, no plans"


def _codebooks(fmt):
    parts = (fmt, getattr(fmt, "element", None), getattr(fmt, "scale", None))
    parts += (getattr(parts[2], "element", None),)
    return [part for part in parts if isinstance(part, nf.CodebookFormat)]


def _work(job):
    fmt, x = job
    return nf.encode(x, fmt)


def test_another_process_gives_the_same_bits():
    jobs = [(nf.get(name), X[:2]) for name in ("nvfp4", "nf4_b64_dq", "q4_0", "uint4_g32")]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for (fmt, x), b in zip(jobs, pool.map(_work, jobs), strict=True):
            assert b.same_bits(nf.encode(x, fmt))
