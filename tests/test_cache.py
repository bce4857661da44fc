"""The compiled-kernel cache: corrupt, unwritable or racing, the bits are right; numba is imported only when needed."""

import hashlib
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import numfmt as nf

ROOT = Path(nf.__file__).resolve().parents[1]
LIMIT = 120  # seconds for a child that takes about two

#: Encodes fixed data through the run-time kernel, a bound kernel and the look-up table; prints one digest.
WORK = """
import hashlib, sys
import numpy as np
import numfmt as nf

def data():
    rng = np.random.default_rng(42)
    return rng.integers(0, 1 << 32, 20_000, dtype=np.uint32).view(np.float32)

def digest():
    x, h = data(), hashlib.sha256()
    with np.errstate(all="ignore"):
        for name in ("float8_e4m3fn", "float8_e5m2", "float4_e2m1fn"):
            h.update(nf.encode(x, name, profile="ml_dtypes").codes.tobytes())
        nf.warmup("float8_e5m2", profile="ml_dtypes")
        h.update(nf.encode(x, "float8_e5m2", profile="ml_dtypes").codes.tobytes())
        h.update(nf.decode(np.arange(65536) % 256, "float8_e4m3fnuz").view(np.uint32).tobytes())
    return h.hexdigest()
"""


def expected_digest() -> str:
    """The same digest from ml_dtypes alone."""
    x, h = np.random.default_rng(42).integers(0, 1 << 32, 20_000, dtype=np.uint32).view(np.float32), hashlib.sha256()
    with np.errstate(all="ignore"):
        for name in ("float8_e4m3fn", "float8_e5m2", "float4_e2m1fn", "float8_e5m2"):
            h.update(x.astype(np.dtype(getattr(ml_dtypes, name))).view(np.uint8).tobytes())
    codes = (np.arange(65536) % 256).astype(np.uint8)
    values = codes.view(ml_dtypes.float8_e4m3fnuz).astype(np.float32)
    values[np.isnan(values)] = np.nan
    h.update(values.view(np.uint32).tobytes())
    return h.hexdigest()


EXPECTED = expected_digest()


def environment(cache: Path | None, **extra: str) -> dict[str, str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    env["PYTHONPATH"] = os.pathsep.join(p for p in (str(ROOT), env.get("PYTHONPATH")) if p)
    if cache is not None:
        env["NUMBA_CACHE_DIR"] = str(cache)
    return {**env, **extra}


def start(code: str, cache: Path | None, **extra: str) -> subprocess.Popen[str]:
    source = textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-c", source],
        env=environment(cache, **extra),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(child: subprocess.Popen[str]) -> str:
    try:
        out, err = child.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        pytest.fail(f"no answer within {LIMIT} s")
    assert child.returncode == 0, err
    assert "Traceback" not in err, err
    return out.strip()


def finish_all(children: list[subprocess.Popen[str]]) -> list[str]:
    try:
        return [finish(child) for child in children]
    finally:
        for child in children:
            if child.poll() is None:
                child.kill()
            child.communicate()


def run(code: str, cache: Path | None, **extra: str) -> str:
    return finish(start(code, cache, **extra))


def cache_files(cache: Path) -> list[Path]:
    return sorted(p for p in cache.rglob("*") if p.suffix in (".nbi", ".nbc"))


@pytest.fixture(scope="module")
def warm(tmp_path_factory: Any) -> Path:
    """A cache directory that one child has filled."""
    cache = tmp_path_factory.mktemp("warm")
    assert run(WORK + "print(digest())", cache) == EXPECTED
    files = cache_files(cache)
    assert {p.suffix for p in files} == {".nbi", ".nbc"}, "the kernels are not cached on disk"
    return cache


# ---- damage ----------------------------------------------------------------------------------------------------------


def truncate(path: Path, rng: np.random.Generator) -> None:
    path.write_bytes(path.read_bytes()[: int(rng.integers(1, path.stat().st_size))])


def empty(path: Path, rng: np.random.Generator) -> None:
    path.write_bytes(b"")


def zero(path: Path, rng: np.random.Generator) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def flip_bits(path: Path, rng: np.random.Generator) -> None:
    payload = np.frombuffer(path.read_bytes(), np.uint8).copy()
    payload[rng.integers(0, payload.size, 8)] ^= np.uint8(1) << rng.integers(0, 8, 8).astype(np.uint8)
    path.write_bytes(payload.tobytes())


def flip_one_bit_of_code(path: Path, rng: np.random.Generator) -> None:
    """One bit in the second half, where the machine code lies; the index files stay whole."""
    if path.suffix == ".nbc":
        payload = bytearray(path.read_bytes())
        payload[int(rng.integers(len(payload) // 2, len(payload)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(payload))


def replace_by_pickle(path: Path, rng: np.random.Generator) -> None:
    path.write_bytes(b"\x80\x04N.")  # a valid pickle of None


def swap_in_a_directory(path: Path, rng: np.random.Generator) -> None:
    path.unlink()
    path.mkdir()


DAMAGES = (truncate, empty, zero, flip_bits, flip_one_bit_of_code, replace_by_pickle, swap_in_a_directory)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda f: f.__name__)
def test_damaged_cache_files_cost_a_compilation_at_most(tmp_path, warm, damage):
    cache = tmp_path / "cache"
    shutil.copytree(warm, cache)
    rng = np.random.default_rng(len(damage.__name__))
    for path in cache_files(cache):
        damage(path, rng)
    assert run(WORK + "print(digest())", cache) == EXPECTED
    # And whatever that child has left on disk serves the next one.
    assert run(WORK + "print(digest())", cache) == EXPECTED


def test_whole_cache_is_used(tmp_path, warm):
    cache = tmp_path / "cache"
    shutil.copytree(warm, cache)
    before = {p: p.read_bytes() for p in cache_files(cache)}
    assert run(WORK + "print(digest())", cache) == EXPECTED
    assert {p: p.read_bytes() for p in cache_files(cache)} == before, "a warm cache was written again"


# ---- nowhere to write ------------------------------------------------------------------------------------------------

#: Every place numba probes refuses, as on a read-only file system (an administrator ignores permission bits).
READ_ONLY = """
import os, tempfile
real_makedirs = os.makedirs

def refuse(*args, **kwargs):
    raise PermissionError(13, "Permission denied")

tempfile.TemporaryFile = tempfile.NamedTemporaryFile = refuse
"""
#: The directory passes the probe, but every later write fails: disk full.
FULL_DISK = """
from numba.core import caching

def refuse(*args, **kwargs):
    raise OSError(28, "No space left on device")

assert hasattr(caching.IndexDataCacheFile, "_open_for_write")
caching.IndexDataCacheFile._open_for_write = refuse
"""


def test_cache_directory_below_a_regular_file(tmp_path):
    file = tmp_path / "file"
    file.write_text("not a directory")
    assert run(WORK + "print(digest())", file / "cache") == EXPECTED
    assert file.read_text() == "not a directory"


def test_read_only_everywhere(tmp_path):
    assert run(READ_ONLY + WORK + "print(digest())", None, HOME=str(tmp_path / "absent")) == EXPECTED
    assert run(READ_ONLY + WORK + "print(digest())", tmp_path / "cache") == EXPECTED


def test_disk_that_fills_up(tmp_path):
    assert run(FULL_DISK + WORK + "print(digest())", tmp_path / "cache") == EXPECTED


def test_directory_without_permissions(tmp_path, warm):
    cache = tmp_path / "cache"
    shutil.copytree(warm, cache)
    for path in (*cache_files(cache), cache):
        path.chmod(0o555 if path.is_dir() else 0o000)
    try:
        assert run(WORK + "print(digest())", cache) == EXPECTED
    finally:
        cache.chmod(0o755)


def test_cache_that_vanishes_while_in_use(tmp_path):
    cache = tmp_path / "cache"
    code = (
        WORK
        + f"""
first = digest()
import shutil
shutil.rmtree({str(cache)!r})
nf.warmup("fp8_e5m2", rounding="toward_zero")
assert digest() == first
print(first)
"""
    )
    assert run(code, cache) == EXPECTED


# ---- races -----------------------------------------------------------------------------------------------------------


def test_four_processes_start_cold_at_once(tmp_path):
    cache = tmp_path / "cache"
    children = [start(WORK + "print(digest())", cache) for _ in range(4)]
    assert finish_all(children) == [EXPECTED] * 4
    assert run(WORK + "print(digest())", cache) == EXPECTED


THREADS = """
import threading
barrier, found, failed = threading.Barrier(8), [], []

def work():
    barrier.wait()
    try:
        found.append(digest())
    except BaseException as error:
        failed.append(repr(error))

threads = [threading.Thread(target=work) for _ in range(8)]
for t in threads:
    t.start()
for t in threads:
    t.join(100)
assert not any(t.is_alive() for t in threads), "a thread hangs"
assert not failed, failed
assert len(found) == 8 and len(set(found)) == 1
print(found[0])
"""


def test_first_call_in_eight_threads(tmp_path):
    assert run(WORK + THREADS, tmp_path / "cache") == EXPECTED


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_fork_after_the_first_call(tmp_path):
    code = (
        WORK
        + """
import os
first = digest()
read, write = os.pipe()
if os.fork() == 0:
    os.write(write, digest().encode())
    os._exit(0)
os.close(write)
assert os.read(read, 100).decode() == first
assert os.wait()[1] == 0
print(first)
"""
    )
    assert run(code, tmp_path / "cache", PYTHONWARNINGS="ignore") == EXPECTED


# ---- without numba, and without compilation --------------------------------------------------------------------------


def test_importing_numfmt_does_not_import_numba(tmp_path):
    code = """
import sys
import numfmt as nf
assert not [m for m in sys.modules if m.split(".")[0] in ("numba", "llvmlite", "mpmath", "torch", "ml_dtypes", "rich")]
nf.get("fp8_e4m3fn").max, nf.finfo("posit16_2"), nf.names("fp*")
assert "numba" not in sys.modules
print("ok")
"""
    assert run(code, tmp_path) == "ok"


def test_small_calls_do_not_import_numba(tmp_path):
    code = """
import sys
import numpy as np
import numfmt as nf
x = np.linspace(-3, 3, 16, dtype=np.float32)
for name in ("fp8_e4m3fn", "bfloat16", "int8", "posit16_2", "nf4", "hif8", "ufp8_e8m0", "takum_linear16"):
    e = nf.encode(x, name)
    nf.decode(e), nf.quantize(x, name), nf.cast(e, "fp8_e5m2"), repr(e)
    nf.encode(1.25, name), nf.encode(x.astype(np.float64), name, rounding="toward_zero")
    nf.encode(x, name, rounding="stochastic_a", random=3)
    assert "numba" not in sys.modules, name
nf.encode(np.linspace(-3, 3, 17, dtype=np.float32), "fp8_e4m3fn")
print("numba" in sys.modules)
"""
    assert run(code, tmp_path) == "True"  # 17 elements take a kernel


#: Every kind of kernel, deterministic and stochastic, on few elements: interpreted kernels are slow.
BROAD = """
import hashlib, sys, warnings
import numpy as np
import numfmt as nf
warnings.simplefilter("ignore")
rng = np.random.default_rng(7)
x32 = rng.integers(0, 1 << 32, 100, dtype=np.uint32).view(np.float32)
near = (rng.normal(0, 1, 200) * np.exp2(rng.integers(-9, 9, 200))).astype(np.float32)
x32 = np.concatenate([x32[~np.isnan(x32)], near, [0.0, -0.0, np.inf, -np.inf, 1e-45, 448, 464, 465]]).astype(np.float32)
h = hashlib.sha256()
modes = ("nearest_even", "nearest_away", "nearest_up", "nearest_down", "nearest_zero", "toward_zero",
         "toward_positive", "toward_negative", "away_from_zero", "to_odd")
for name in ("fp8_e4m3fn", "fp8_e5m2fnuz", "fp4_e2m1", "p3109_k8p1se", "binary16", "tf32", "int8", "int8_sm", "uint4",
             "posit8_2", "posit16_1", "nf4", "hif8", "ufp8_e8m0"):
    # Each mode of a posit is a kernel of its own.
    for mode in modes if not name.startswith("posit") else ("nearest_even", "to_odd"):
        for x in (x32, x32.astype(np.float64)):
            h.update(nf.encode(x, name, rounding=mode, overflow="saturate").codes.tobytes())
    if name == "posit16_1":
        continue
    for mode in ("stochastic_a", "stochastic_b", "stochastic_c"):
        bits = nf.RandomBits(np.arange(x32.size) % 16, 4)
        for random in (nf.HashRandom(5, 32, 2**32 - 9), nf.PhiloxRandom(5, 8), bits):
            h.update(nf.encode(x32, name, rounding=mode, overflow="saturate", random=random).codes.tobytes())
for name in ("fp8_e4m3fn", "fp8_e5m2", "fp4_e2m1"):
    for options in ({}, {"overflow": "nonsaturating"} if name != "fp4_e2m1" else {}, {"rounding": "toward_zero"}):
        nf.warmup(name, **options)
        h.update(nf.encode(x32, name, **options).codes.tobytes())
        h.update(nf.quantize(x32, name, **options).tobytes())
h.update(nf.encode(x32[np.abs(x32) < 1e30], "int16", overflow="wrap").codes.tobytes())
h.update(nf.decode(np.arange(20_000) % 256, "fp8_e3m4").tobytes())
h.update(nf.decode(np.arange(20_000), "posit16_1").tobytes())
print(h.hexdigest())
"""


def test_interpreted_kernels_give_the_same_bits(tmp_path):
    compiled = start(BROAD, tmp_path / "cache")
    interpreted = start(BROAD, tmp_path / "cache", NUMBA_DISABLE_JIT="1")
    digests = finish_all([compiled, interpreted])
    assert digests[0] == digests[1]


@pytest.mark.slow
def test_optimisation_level_and_cpu_change_no_bit(tmp_path):
    children = [
        start(BROAD, tmp_path / "a", NUMBA_OPT="0"),
        start(BROAD, tmp_path / "b", NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES=""),
    ]
    plain = run(BROAD, tmp_path / "c")
    assert finish_all(children) == [plain] * 2
