"""Speed of block formats through the public API, beside the libraries people use, interleaved in one process.

Every figure is a median of rounds; ratios come from the per-round ratios of calls made one after the other, so they
hold on a noisy machine. One thread. A digest of the result bits stands beside each line, and after it whether a peer's
result has the same bits. Run:

    python benchmarks/blocks.py [--rounds 11] [--json FILE] [--microxcaling CHECKOUT]

torchao, gguf and microxcaling are optional; microxcaling is a checkout, given by --microxcaling or MICROXCALING. The
formats are numfmt's defaults (exact quotients), not the profiles that imitate a peer: a few elements may differ.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import warnings
from collections.abc import Callable
from typing import Any

for _threads in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from conversion import data, digest, interleave  # noqa: E402  (the script beside this one)

import numfmt as nf  # noqa: E402

torch.set_num_threads(1)
SIZES = (1 << 16, 1 << 20, 1 << 24)
WIDTH = 4096
ROWS: list[dict[str, Any]] = []
Calls = dict[str, Callable[[], Any]]


def torchao() -> Any:
    """torchao's MX and NVFP4 modules, or None."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from torchao.prototype.mx_formats import constants, mx_tensor, nvfp4_tensor
    except ImportError:
        return None
    return {"constants": constants, "mx": mx_tensor, "nvfp4": nvfp4_tensor}


def microxcaling(checkout: str | None) -> Any:
    """microxcaling's `_quantize_mx`, or None."""
    if not checkout:
        return None
    sys.path.insert(0, checkout)
    from mx.mx_ops import _quantize_mx

    return _quantize_mx


def line(what: str, size: int, calls: Calls, rounds: int, bits: str, same: str = "") -> None:
    """Measure the calls in turn and print our rate, each peer's time over ours, and our time over the copy's."""
    times = interleave(calls, rounds)
    rate = size / statistics.median(times["numfmt"]) / 1e6
    row: dict[str, Any] = {"what": what, "size": size, "million_per_second": round(rate, 1), "digest": bits}
    cells = []
    for name in calls:
        if name == "numfmt":
            continue
        ratio = statistics.median(b / a for a, b in zip(times["numfmt"], times[name], strict=True))
        ratio = 1 / ratio if name == "copy" else ratio
        row[name] = round(ratio, 3)
        cells.append(f"{ratio:.2f}x copy time" if name == "copy" else f"{ratio:.1f}x {name}")
    ROWS.append(row)
    print(f"{what:<30} {size:>8} {rate:>7.0f} M/s  {'; '.join(cells)}  [{bits}]{same}", flush=True)


def equality(*pairs: tuple[Any, Any]) -> str:
    """ "same bits" or the number of elements that differ."""
    differ = sum(int(np.count_nonzero(np.asarray(a) != np.asarray(b))) for a, b in pairs)
    return " same bits" if differ == 0 else f" {differ} differ"


def copy_call(x: np.ndarray) -> Callable[[], Any]:
    y = np.empty_like(x)
    return lambda: np.copyto(y, x)


def fake_quantize_rows(rounds: int, sizes: tuple[int, ...], ao: Any, micro: Any) -> None:
    """MXFP8, MXFP4, MXINT8: decode(encode(x)) beside microxcaling (half to even) and torchao (to_mx, to_dtype)."""
    for name, element in (("mxfp8_e4m3", "fp8_e4m3"), ("mxfp4", "fp4_e2m1"), ("mxint8", "int8")):
        fmt = nf.get(name)
        for size in sizes:
            x = data(size).reshape(-1, WIDTH)
            y, t = np.empty_like(x), torch.from_numpy(x)
            calls: Calls = {"numfmt": lambda x=x, y=y, fmt=fmt: nf.quantize(x, fmt, out=y)}
            same = []
            if micro is not None:

                def peer(t: Any = t, element: str = element) -> Any:
                    return micro(t, 8, element, axes=[-1], block_size=32, round="even")

                calls["microxcaling"] = peer
                same.append("microxcaling" + equality((peer().numpy(), nf.quantize(x, fmt))))
            if ao is not None and name != "mxint8":
                kind = torch.float8_e4m3fn if name == "mxfp8_e4m3" else torch.float4_e2m1fn_x2

                def torchao_peer(t: Any = t, kind: Any = kind) -> Any:
                    scale, codes = ao["mx"].to_mx(t, kind, 32)
                    return ao["mx"].to_dtype(codes, scale, kind, 32, torch.float32)

                calls["torchao"] = torchao_peer
                same.append("torchao" + equality((torchao_peer().numpy(), nf.quantize(x, fmt))))
            calls["copy"] = copy_call(x)
            line(f"fake-quantize {name}", size, calls, rounds, digest(nf.quantize(x, fmt)), "  " + ", ".join(same))


def pack_rows(rounds: int, sizes: tuple[int, ...], ao: Any) -> None:
    """MXFP4 and NVFP4: scales and packed codes, beside torchao and gguf."""
    try:
        import gguf
    except ImportError:
        gguf = None
    for name in ("mxfp4", "nvfp4_single", "nvfp4"):
        fmt = nf.get(name)
        for size in sizes:
            x = data(size).reshape(-1, WIDTH)
            t = torch.from_numpy(x)
            calls: Calls = {"numfmt": lambda x=x, fmt=fmt: nf.encode(x, fmt).pack("fp4x2")}
            b, same = nf.encode(x, fmt), []
            if ao is not None:

                def peer(t: Any = t, name: str = name) -> Any:
                    if name == "mxfp4":
                        return ao["mx"].to_mx(t, torch.float4_e2m1fn_x2, 32)
                    whole = ao["nvfp4"].per_tensor_amax_to_scale(t.abs().max()) if name == "nvfp4" else None
                    return ao["nvfp4"].nvfp4_quantize(t, 16, whole)

                calls["torchao"] = peer
                scales, codes = (part.view(torch.uint8).numpy() for part in peer())
                ours = b.pack("fp4x2").reshape(codes.shape)
                same.append("torchao" + equality((scales.reshape(b.scales.shape), b.scales), (codes, ours)))
            if gguf is not None and name == "mxfp4" and size < 1 << 24:
                calls["gguf"] = lambda x=x, gguf=gguf: gguf.quants.quantize(x, gguf.GGMLQuantizationType.MXFP4)
            calls["copy"] = copy_call(x)
            bits = digest(np.concatenate([b.codes.reshape(-1), b.scales.reshape(-1)]))
            line(f"encode + pack {name}", size, calls, rounds, bits, "  " + ", ".join(same))


def integer_rows(rounds: int, sizes: tuple[int, ...]) -> None:
    """int8 with one scale per row, and ternary with one per tensor, beside torch eager."""
    for size in sizes:
        x = data(size).reshape(-1, WIDTH)
        t, fmt = torch.from_numpy(x), nf.get("int8_absmax")

        def int8(t: Any = t) -> Any:
            scale = t.abs().amax(1, keepdim=True) / 127
            return torch.clamp(torch.round(t / scale), -127, 127).to(torch.int8), scale

        b = nf.encode(x, fmt)
        codes, scales = int8()
        same = "  torch" + equality((scales.numpy(), b.scales), (codes.numpy(), b.codes.view(np.int8)))
        calls: Calls = {"numfmt": lambda x=x, fmt=fmt: nf.encode(x, fmt), "torch": int8, "copy": copy_call(x)}
        line("encode int8_absmax", size, calls, rounds, digest(b.codes), same)
    for size in sizes:
        x = data(size).reshape(-1, WIDTH)
        t, fmt = torch.from_numpy(x), nf.get("ternary_absmean")

        def ternary(t: Any = t) -> Any:
            scale = t.abs().mean().clamp(min=1e-5)
            return torch.clamp(torch.round(t / scale), -1, 1).to(torch.int8), scale

        b = nf.encode(x, fmt)
        codes, _ = ternary()
        values = nf.decode(b.codes, fmt.element)
        calls = {"numfmt": lambda x=x, fmt=fmt: nf.encode(x, fmt), "torch": ternary, "copy": copy_call(x)}
        line(
            "encode ternary_absmean",
            size,
            calls,
            rounds,
            digest(b.codes),
            "  torch" + equality((codes.numpy(), values)),
        )


def decode_rows(rounds: int, sizes: tuple[int, ...], ao: Any) -> None:
    """MXFP8 and MXFP4 back to binary32, beside torchao (whose MXFP4 codes are packed)."""
    for name in ("mxfp8_e4m3", "mxfp4"):
        for size in sizes:
            x = data(size).reshape(-1, WIDTH)
            b, y = nf.encode(x, name), np.empty_like(x)
            calls: Calls = {"numfmt": lambda b=b, y=y: nf.decode(b, out=y)}
            same = ""
            if ao is not None:
                kind = torch.float8_e4m3fn if name == "mxfp8_e4m3" else torch.float4_e2m1fn_x2
                scale, codes = ao["mx"].to_mx(torch.from_numpy(x), kind, 32)

                def peer(codes: Any = codes, scale: Any = scale, kind: Any = kind) -> Any:
                    return ao["mx"].to_dtype(codes, scale, kind, 32, torch.float32)

                calls["torchao"] = peer
                same = "  torchao" + equality((peer().numpy(), nf.decode(b)))
            calls["copy"] = copy_call(x)
            line(f"decode {name}", size, calls, rounds, digest(nf.decode(b)), same)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--json", help="also write the rows to this file")
    parser.add_argument("--only", nargs="*", help="fake pack integer decode")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="elements, multiples of 4096")
    parser.add_argument(
        "--microxcaling", default=os.environ.get("MICROXCALING"), help="a checkout of microsoft/microxcaling"
    )
    options = parser.parse_args()
    ao, micro, sizes = torchao(), microxcaling(options.microxcaling), tuple(options.sizes)
    nf.warmup("mxfp8_e4m3", "mxfp4", "mxint8", "nvfp4", "nvfp4_single", "int8_absmax", "ternary_absmean")
    print(
        f"numpy {np.__version__}, torch {torch.__version__}, torchao {'yes' if ao else 'no'}, microxcaling "
        f"{'yes' if micro else 'no'}, python {platform.python_version()}, one thread, median of {options.rounds} rounds"
    )
    groups: dict[str, Callable[[], None]] = {
        "fake": lambda: fake_quantize_rows(options.rounds, sizes, ao, micro),
        "pack": lambda: pack_rows(options.rounds, sizes, ao),
        "integer": lambda: integer_rows(options.rounds, sizes),
        "decode": lambda: decode_rows(options.rounds, sizes, ao),
    }
    for name, rows in groups.items():
        if not options.only or name in options.only:
            rows()
    if options.json:
        with open(options.json, "w", encoding="utf-8") as f:
            json.dump(ROWS, f, indent=1)


if __name__ == "__main__":
    main()
