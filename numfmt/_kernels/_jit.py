"""The one place with numba options: `inline` for helpers, `bind` for entry points, a disk cache that checks itself."""

from __future__ import annotations

import hashlib
import os
import pickle
import threading
from pathlib import Path

import numba
import numpy as np
from numba import njit
from numba.core import caching
from numba.core.runtime import rtsys

#: No fastmath, ever: it licenses the compiler to change bits.
OPTIONS = {"nogil": True, "boundscheck": False, "error_model": "numpy"}

inline = njit(**OPTIONS)

_lock = threading.RLock()
_bound: dict = {}


def source_digest():
    """Digest of every kernel source: numba keys its cache on one file, so a changed helper would serve stale code."""
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return int.from_bytes(digest.digest()[:7], "little")


DIGEST = source_digest()


class _CheckedFile(caching.IndexDataCacheFile):
    """numba's cache file with a SHA-256 in front of every payload; anything that does not check out is a miss."""

    def _seal(self, payload):
        return hashlib.sha256(payload).digest() + payload

    def _unseal(self, sealed):
        payload = sealed[32:]
        if len(sealed) < 32 or hashlib.sha256(payload).digest() != sealed[:32]:
            raise OSError("cache file does not match its digest")
        return payload

    def _load_index(self):
        try:
            with open(self._index_path, "rb") as f:
                version, stamp, overloads = pickle.loads(self._unseal(f.read()))
        except (OSError, EOFError, ValueError, pickle.UnpicklingError):
            return {}
        if version != self._version or stamp != self._source_stamp:
            return {}
        return overloads

    def _save_index(self, overloads):
        payload = pickle.dumps((self._version, self._source_stamp, overloads), protocol=-1)
        with self._open_for_write(self._index_path) as f:
            f.write(self._seal(payload))

    def _load_data(self, name):
        with open(self._data_path(name), "rb") as f:
            return pickle.loads(self._unseal(f.read()))

    def _save_data(self, name, data):
        with self._open_for_write(self._data_path(name)) as f:
            f.write(self._seal(pickle.dumps(data, protocol=-1)))


class _CheckedCache(caching.FunctionCache):
    """A function cache whose files are checked and whose failures are never the caller's."""

    def __init__(self, py_func):
        super().__init__(py_func)
        self._cache_file = _CheckedFile(
            cache_path=self._cache_path,
            filename_base=self._impl.filename_base,
            source_stamp=self._impl.locator.get_source_stamp(),
        )

    def load_overload(self, sig, target_context):
        # numba would first refresh its registries, which imports scipy.linalg where present (0.1 s). Finished machine
        # code needs the runtime alone; a later compilation refreshes by itself.
        try:
            rtsys.initialize(target_context)
            return self._load_overload(sig, target_context)
        except Exception:  # a damaged or foreign file must cost a compilation, not the call
            return None

    def save_overload(self, sig, data):
        try:
            super().save_overload(sig, data)
        except Exception:  # read-only, full or vanished disk
            return


def _compile(function, signatures):
    dispatcher = njit(**OPTIONS)(function)
    try:
        dispatcher._cache = _CheckedCache(dispatcher.py_func)
    except Exception:  # nowhere to write: compile in memory
        pass
    if not numba.config.DISABLE_JIT:
        for signature in signatures:
            dispatcher.compile(signature)
        dispatcher.disable_compile()
    return dispatcher


def _interpreted(function):
    """The kernel as plain Python: NumPy scalars warn where machine integers wrap silently."""

    def run(*arguments):
        with np.errstate(all="ignore"):
            return function(*arguments)

    return run


def bind(factory, *constants):
    """``factory(*constants, DIGEST)`` compiled: returns the kernel, made once per process and cached on disk.

    `factory` returns ``(function, signatures)``; `constants` are integers, which become compile-time constants. Never
    pass a jitted function: a kernel that closes over one misses the disk cache in every process.
    """
    key = (factory.__module__, factory.__name__, constants)
    kernel = _bound.get(key)
    if kernel is None:
        assert all(type(c) is int for c in constants), constants
        with _lock:
            kernel = _bound.get(key)
            if kernel is None:
                function, signatures = factory(*constants, DIGEST)
                kernel = _interpreted(function) if numba.config.DISABLE_JIT else _compile(function, signatures)
                _bound[key] = kernel
    return kernel


def cache_directory():
    """Where compiled kernels are kept on disk, or None when no place is writable."""
    try:
        return os.fspath(_CheckedCache(source_digest)._cache_path)
    except Exception:
        return None
