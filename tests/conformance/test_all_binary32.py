"""All 2**32 binary32 inputs: numfmt's codes are ml_dtypes' codes, byte for byte. One to two minutes a format."""

import ml_dtypes
import numpy as np
import pytest

import numfmt as nf

pytestmark = [pytest.mark.conformance, pytest.mark.slow, pytest.mark.exhaustive]

CHUNK = 1 << 24


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2", "float4_e2m1fn"])
def test_all_binary32_inputs(name, capsys):
    dtype, fmt = np.dtype(getattr(ml_dtypes, name)), nf.get(name)
    nf.warmup(fmt, profile="ml_dtypes")
    ours = np.empty(CHUNK, fmt.code_dtype)
    pattern = np.arange(CHUNK, dtype=np.uint32)
    compared = 0
    for _ in range(0, 1 << 32, CHUNK):
        x = pattern.view(np.float32)
        nf.encode(x, fmt, profile="ml_dtypes", out=ours)
        theirs = x.astype(dtype).view(fmt.code_dtype)
        if not np.array_equal(ours, theirs):
            i = int(np.flatnonzero(ours != theirs)[0])
            pytest.fail(f"pattern {pattern[i]:#010x} ({x[i]!r}): numfmt {ours[i]:#04x}, ml_dtypes {theirs[i]:#04x}")
        compared += x.size
        pattern += np.uint32(CHUNK)  # wraps to 0 after the last chunk
    assert compared == 1 << 32
    with capsys.disabled():
        print(f"\n{name}: {compared} binary32 inputs compared with ml_dtypes {ml_dtypes.__version__}, 0 differences")
