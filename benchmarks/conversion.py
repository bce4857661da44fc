"""Speed of conversions through the public API, beside the best peers, interleaved in one process.

Every figure is a median of rounds; ratios come from the per-round ratios of calls made one after the other, so they
hold on a noisy machine. One thread. A digest of the result bits stands beside each line. Run:

    python benchmarks/conversion.py [--rounds 15] [--json FILE]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

for _threads in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")

import ml_dtypes  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402

import numfmt as nf  # noqa: E402

torch.set_num_threads(1)
SIZES = (1 << 16, 1 << 18, 1 << 20)
ROWS: list[dict[str, Any]] = []
PEERS = {
    "fp8_e4m3fn": (torch.float8_e4m3fn, ml_dtypes.float8_e4m3fn),
    "fp8_e5m2": (torch.float8_e5m2, ml_dtypes.float8_e5m2),
    "fp6_e2m3": (None, ml_dtypes.float6_e2m3fn),
    "fp6_e3m2": (None, ml_dtypes.float6_e3m2fn),
    "fp4_e2m1": (None, ml_dtypes.float4_e2m1fn),
}


def digest(array: np.ndarray) -> str:
    """Eight hex digits of the result's bits."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:8]


def interleave(calls: dict[str, Callable[[], Any]], rounds: int, target: float = 2e-3) -> dict[str, list[float]]:
    """Seconds per call of each candidate, `rounds` times in turn; a turn repeats a call for about `target` s."""
    repeat = {}
    for name, call in calls.items():
        call()
        start = time.perf_counter()
        call()
        repeat[name] = max(1, int(target / max(time.perf_counter() - start, 1e-7)))
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            for _ in range(repeat[name]):
                call()
            times[name].append((time.perf_counter() - start) / repeat[name])
    return times


def line(
    what: str, size: int, times: dict[str, list[float]], goals: dict[str, float], bits: str, ours: str = "numfmt"
) -> None:
    """Print one row: our rate, and peer time over ours for each peer, with its goal."""
    rate = size / statistics.median(times[ours]) / 1e6
    cells, row = [], {"what": what, "size": size, "million_per_second": round(rate, 1), "digest": bits}
    for name in times:
        if name == ours:
            continue
        ratio = statistics.median(b / a for a, b in zip(times[ours], times[name], strict=True))
        if name == "copy":
            ratio = 1 / ratio
        goal = goals.get(name)
        good = goal is None or (ratio <= goal if name == "copy" else ratio >= goal)
        text = f"{ratio:.2f}x copy time" if name == "copy" else f"{ratio:.1f}x {name}"
        cells.append(text + ("" if goal is None else f" (goal {goal:g}{'' if good else ', MISSED'})"))
        row[name] = round(ratio, 3)
    ROWS.append(row)
    print(f"{what:<34} {size:>8} {rate:>8.0f} M/s  {'; '.join(cells)}  [{bits}]", flush=True)


def data(size: int, scale: float = 1.0) -> np.ndarray:
    """Gaussian float32 data, fixed seed."""
    return (np.random.default_rng(7).standard_normal(size) * scale).astype(np.float32)


def encode_rows(rounds: int) -> None:
    for name, (torch_dtype, mld) in PEERS.items():
        fmt = nf.get(name)
        nf.warmup(fmt)
        for size in SIZES:
            x = data(size)
            codes, y = np.empty(size, np.uint8), np.empty(size, np.float32)
            t = torch.from_numpy(x)
            calls: dict[str, Callable[[], Any]] = {
                "numfmt": lambda x=x, fmt=fmt, codes=codes: nf.encode(x, fmt, out=codes),
                "torch": lambda t=t, d=torch_dtype or torch.float8_e4m3fn: t.to(d),
                "ml_dtypes": lambda x=x, mld=mld: x.astype(mld),
                "copy": lambda x=x, y=y: np.copyto(y, x),
            }
            goals = {"torch": 2.5, "ml_dtypes": 30} | ({"copy": 1.1} if size == 1 << 20 else {})
            times = interleave(calls, rounds)
            label = f"encode {name}" + ("" if torch_dtype else " (torch: e4m3fn)")
            line(label, size, times, goals, digest(nf.encode(x, fmt).codes))


def decode_rows(rounds: int) -> None:
    fmt = nf.get("fp8_e4m3fn")
    for size in SIZES:
        e = nf.encode(data(size), fmt)
        y = np.empty(size, np.float32)
        t = torch.from_numpy(e.codes).view(torch.float8_e4m3fn)
        m = e.codes.view(ml_dtypes.float8_e4m3fn)
        calls: dict[str, Callable[[], Any]] = {
            "numfmt": lambda e=e, y=y: nf.decode(e, out=y),
            "torch": lambda t=t: t.float(),
            "ml_dtypes": lambda m=m: m.astype(np.float32),
        }
        line("decode fp8_e4m3fn", size, interleave(calls, rounds), {"torch": 10}, digest(nf.decode(e)))


def quantize_rows(rounds: int) -> None:
    for name in ("fp8_e4m3fn", "fp8_e5m2"):
        fmt, torch_dtype = nf.get(name), PEERS[name][0]
        for size in (1 << 10, *SIZES, 1 << 24):
            x, y = data(size), np.empty(size, np.float32)
            t = torch.from_numpy(x)
            calls: dict[str, Callable[[], Any]] = {
                "numfmt": lambda x=x, fmt=fmt, y=y: nf.quantize(x, fmt, out=y),
                "torch": lambda t=t, d=torch_dtype: t.to(d).float(),
            }
            goals = {"torch": 11} if name == "fp8_e4m3fn" else {}
            line(f"fake-quantize {name}", size, interleave(calls, rounds), goals, digest(nf.quantize(x, fmt)))


def rounding_rows(rounds: int) -> None:
    fmt, size = nf.get("fp8_e4m3fn"), 1 << 20
    x, codes = data(size), np.empty(size, np.uint8)
    modes = [m for m in nf.Rounding if not m.is_stochastic]
    for mode in modes:
        nf.warmup(fmt, rounding=mode)
    calls = {m.name.lower(): (lambda m=m: nf.encode(x, fmt, rounding=m, out=codes)) for m in modes}
    times = interleave(calls, rounds)
    base = times["nearest_even"]
    for mode in modes[1:]:
        ratio = statistics.median(b / a for a, b in zip(base, times[mode.name.lower()], strict=True))
        ROWS.append({"what": f"rounding {mode.name.lower()}", "size": size, "time_over_nearest_even": round(ratio, 3)})
        bits = digest(nf.encode(x, fmt, rounding=mode).codes)
        print(f"rounding {mode.name.lower():<25} {size:>8} {ratio:>8.2f}x the time of nearest_even (goal 1.3) [{bits}]")


def stochastic_rows(rounds: int) -> None:
    try:
        import apytypes
    except ImportError:
        print("stochastic: apytypes is not installed, no peer")
        return
    fmt = nf.get("fp8_e4m3fn")
    apytypes.set_float_quantization_seed(1)
    for size in (1 << 16, 1 << 20):
        x, codes = data(size), np.empty(size, np.uint8)
        a = apytypes.APyFloatArray.from_array(x, 8, 23)
        mode = apytypes.QuantizationMode.STOCH_WEIGHTED

        def peer(a: Any = a, mode: Any = mode) -> Any:
            return a.cast(4, 3, quantization=mode)

        calls: dict[str, Callable[[], Any]] = {
            "numfmt": lambda x=x, codes=codes: nf.encode(
                x, fmt, rounding=nf.Rounding.STOCHASTIC_A, random=7, out=codes
            ),
            "apytypes": peer,
        }
        bits = digest(nf.encode(x, fmt, rounding="stochastic_a", random=7).codes)
        line("stochastic_a fp8_e4m3fn", size, interleave(calls, rounds), {"apytypes": 20}, bits)


def posit_rows(rounds: int) -> None:
    try:
        import softposit
    except ImportError:
        print("posit: softposit is not installed, no peer")
        return
    fmt = nf.get("posit16_1")
    nf.warmup(fmt)
    sample = data(4096)
    for size in (1 << 16, 1 << 20):
        x, codes = data(size), np.empty(size, np.uint16)
        listed = sample.tolist()
        calls: dict[str, Callable[[], Any]] = {
            "numfmt": lambda x=x, codes=codes: nf.encode(x, fmt, out=codes),
            "softposit": lambda listed=listed: [softposit.posit16(v) for v in listed],
        }
        times = interleave(calls, rounds)
        times["softposit"] = [t * size / len(listed) for t in times["softposit"]]
        line("encode posit16_1", size, times, {"softposit": 700}, digest(nf.encode(x, fmt).codes))


def small_rows(rounds: int) -> None:
    fmt = nf.get("fp8_e4m3fn")
    nf.warmup(fmt)
    for size in (1, 16):
        x, codes = data(size), np.empty(size, np.uint8)
        e = nf.encode(x, fmt)
        calls: dict[str, Callable[[], Any]] = {
            "encode": lambda x=x: nf.encode(x, fmt),
            "encode out=": lambda x=x, codes=codes: nf.encode(x, fmt, out=codes),
            "quantize": lambda x=x: nf.quantize(x, fmt),
            "decode": lambda e=e: nf.decode(e),
            "ml_dtypes": lambda x=x: x.astype(ml_dtypes.float8_e4m3fn),
        }
        times = interleave(calls, rounds, 5e-3)
        parts = [f"{name} {statistics.median(t) * 1e6:.2f} us" for name, t in times.items()]
        ROWS.append(
            {"what": "small", "size": size} | {n: round(statistics.median(t) * 1e6, 3) for n, t in times.items()}
        )
        print(f"n = {size:<30} {'; '.join(parts)}  (goal <= 3 us a call)")


def process_rows(rounds: int) -> None:
    def seconds(code: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - start

    bare = "import numpy"
    ours, peer, base = [], [], []
    for _ in range(max(rounds, 9)):
        base.append(seconds("pass"))
        ours.append(seconds("import numfmt"))
        peer.append(seconds("import ml_dtypes"))
    ratio = statistics.median((a - c) / (b - c) for a, b, c in zip(ours, peer, base, strict=True))
    whole = statistics.median(a / b for a, b in zip(ours, peer, strict=True))
    numpy_only = statistics.median(seconds(bare) for _ in range(5)) - statistics.median(base)
    print(
        f"import numfmt: {1e3 * (statistics.median(ours) - statistics.median(base)):.0f} ms, {ratio:.2f}x import "
        f"ml_dtypes (whole process {whole:.2f}x; goal 1.15); import numpy alone {1e3 * numpy_only:.0f} ms"
    )
    probe = (
        "import time, numpy as np, numfmt as nf, sys\n"
        "x = np.ones(4096, np.float32); assert 'numba' not in sys.modules\n"
        "t = time.perf_counter(); nf.encode(x, 'fp8_e4m3fn'); print(time.perf_counter() - t)"
    )

    def first_call() -> float:
        return float(subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True).stdout)

    first_call()
    warm = [first_call() for _ in range(max(rounds // 2, 5))]
    print(f"first call, warm cache, numba's import included: {1e3 * statistics.median(warm):.0f} ms (goal <= 300)")
    ROWS.append({"what": "import over ml_dtypes", "ratio": round(ratio, 3), "whole_process": round(whole, 3)})
    ROWS.append({"what": "first call ms", "ms": round(1e3 * statistics.median(warm))})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", help="also write the rows to this file")
    parser.add_argument("--only", nargs="*", help="encode decode quantize rounding stochastic posit small process")
    options = parser.parse_args()
    print(
        f"numpy {np.__version__}, torch {torch.__version__}, ml_dtypes {ml_dtypes.__version__}, "
        f"python {platform.python_version()}, one thread, median of {options.rounds} rounds"
    )
    groups = {
        "encode": encode_rows,
        "decode": decode_rows,
        "quantize": quantize_rows,
        "rounding": rounding_rows,
        "stochastic": stochastic_rows,
        "posit": posit_rows,
        "small": small_rows,
        "process": process_rows,
    }
    for name, rows in groups.items():
        if not options.only or name in options.only:
            rows(options.rounds)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as f:
            json.dump(ROWS, f, indent=1)


if __name__ == "__main__":
    main()
