"""Block formats against the libraries that people use: scales and codes bit for bit, each known deviation as data.

A deviation is one line of `DEVIATIONS`; the test that shows it states exactly which blocks deviate and, where that is
possible, what the other library computes there. ``docs/blocks.md`` carries the same lines (`test_documented`).
"""

import json
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

import numfmt as nf
from numfmt.profiles import get_profile

pytestmark = [pytest.mark.conformance, pytest.mark.filterwarnings("ignore")]  # the peers warn on import and in calls

HERE = Path(__file__).parent
f32 = np.float32
Array = npt.NDArray[Any]


class Deviation(NamedTuple):
    """What another library does otherwise, for which input, and why."""

    peer: str
    formats: str
    inputs: str
    theirs: str
    reason: str


TORCHAO, GGUF, BNB, MICRO = "torchao 0.18.0", "gguf 0.19.0", "bitsandbytes 0.50.2, CPU", "microxcaling 7bc4195"
TORCH = "PyTorch 2.13, CPU"
DEVIATIONS = {
    "torchao smallest scale": Deviation(
        TORCHAO, "MX, FLOOR EVEN CEIL", "blocks whose scale code is 0, zero blocks apart",
        "elements divided by 2^-126, stored scale 2^-127: values are halved",
        "the divisor is clamped to the smallest normal binary32",
    ),
    "torchao smallest scale, RCEIL": Deviation(
        TORCHAO, "MX, RCEIL", "blocks whose scale code is 0, zero blocks apart",
        "elements not divided at all", "scale code 0 is taken to mean a zero block",
    ),
    "torchao RCEIL logarithm": Deviation(
        TORCHAO, "MX, RCEIL", "blocks with a / F a little above a power of two",
        "scale one binade too small, largest elements saturate", "ceil of log2 rounded to binary32",
    ),
    "torchao infinity": Deviation(
        TORCHAO, "MX", "blocks with an infinity, no NaN",
        "scale 2^(128 - emax), for RCEIL 2^127; infinity becomes the largest element, finite elements nearly all 0",
        "the exponent field of infinity is used as an exponent",
    ),
    "torchao NaN codes": Deviation(
        TORCHAO, "MX", "blocks with a NaN", "scale NaN as here, but element codes that are not all 0",
        "OCP MX v1.0 section 5.1 lets elements be anything under a NaN scale",
    ),
    "torchao nonfinite NVFP4": Deviation(
        TORCHAO, "nvfp4, nvfp4_single", "blocks with NaN or infinity",
        "NaN: scale NaN (of every block with two levels); infinity: scale 448, elements 6 and 0, with two levels its "
        "scale NaN and all other elements 0", "here an error, on request `skip`",
    ),
    "torchao tiny tensor": Deviation(
        TORCHAO, "nvfp4", "tensors with a tensor scale below 2^-128", "every element that is not 0 becomes 6 or -6",
        "1 / tensor scale is infinite; here it becomes the largest binary32",
    ),
    "torchao zero tensor": Deviation(
        TORCHAO, "nvfp4", "tensors of zeros", "every block scale NaN, elements -2.0",
        "the tensor scale is 0 and 0 / 0 is not guarded; here the tensor scale is 1",
    ),
    "gguf tiny blocks": Deviation(
        GGUF, "mxfp4", "0 < a < 2^-125", "scale code modulo 256, as the C conversion of a negative float goes",
        "the exponent is not clamped before the cast to uint8",
    ),
    "gguf logarithm": Deviation(
        GGUF, "mxfp4", "a a little below a power of two", "scale one binade too large",
        "floor of log2 rounded to binary32",
    ),
    "gguf nonfinite": Deviation(
        GGUF, "mxfp4", "blocks with NaN or infinity", "a finite scale, for NaN code 0",
        "NaN compares false; float to uint8 is undefined; here the scale is NaN",
    ),
    "microxcaling logarithm": Deviation(
        MICRO, "MX", "a a little below a power of two", "scale one binade too large",
        "floor of log2 rounded to binary32",
    ),
    "microxcaling just under half": Deviation(
        MICRO, "MX", "abs(x) / scale = (1/2 - 2^-25) of the smallest element", "rounds up to the smallest element",
        "floor(abs(x) + 0.5) in binary32, and the sum rounds to 1",
    ),
    "microxcaling sign of zero": Deviation(
        MICRO, "MX", "elements that round to 0",
        "-0 for every negative x whose quotient is not 0 in binary32, +0 otherwise; also for integers",
        "zeros are made by multiplication with sign(x)",
    ),
    "bitsandbytes tiny blocks": Deviation(
        BNB, "nf4_b64, bnb_fp4_b64", "0 < a < 1e-38", "elements multiplied by 1e38",
        "the maximum is clamped to 1e-38 before the reciprocal",
    ),
    "bitsandbytes FP4 thresholds": Deviation(
        BNB, "bnb_fp4_b64", "quotients between the CUDA kernel's constants and the midpoints, and negative midpoints",
        "thresholds are midpoints rounded to binary32, and ties go to the lower level",
        "levels sorted by value; dQuantizeFP4, and the profile, compare magnitudes with constants",
    ),
    "bitsandbytes FP4 zeros": Deviation(
        BNB, "bnb_fp4_b64", "quotients that round to 0", "code 8 for positive ones, else code 0",
        "both zeros are levels of the sorted table",
    ),
    "bitsandbytes nonfinite": Deviation(
        BNB, "nf4_b64, bnb_fp4_b64", "blocks with NaN or infinity",
        "NaN: every element the largest level; infinity: it alone, the others 0", "here an error, on request `skip`",
    ),
    "bitsandbytes partial block": Deviation(
        BNB, "nf4_b64, bnb_fp4_b64", "the last block when it is not full", "x / a instead of x * (1/a)",
        "a code path of its own",
    ),
    "bitsandbytes dynamic map": Deviation(
        BNB, "bnb_double", "quotients within 2^-16 of a midpoint", "the neighbouring level",
        "the CPU kernel looks thresholds up in a table of 2^16 steps",
    ),
    "bitsandbytes double quantization": Deviation(
        BNB, "nf4_b64_dq, bnb_fp4_b64_dq", "quantized maxima", "level * scale and the sum with the mean each rounded",
        "two binary32 operations; here the exact sum is rounded once",
    ),
    "bitsandbytes mean": Deviation(
        BNB, "nf4_b64_dq, bnb_fp4_b64_dq", "the mean of the maxima", "may be an ulp off, and codes with it",
        "torch.mean adds in binary32; here in 32 lanes of binary64",
    ),
    "bitsandbytes LLM.int8": Deviation(
        BNB, "int8_absmax", "x * ((1/a) * 127) that binary32 rounds across a tie",
        "the neighbouring integer; stores a, not a / 127", "int8_vectorwise_quant",
    ),
    "torch affine": Deviation(
        TORCH, "uint8_affine", "ties of x * (1/s), and sums that binary32 rounds",
        "round(x * (1/s) + z), so that halves go to even after the shift", "zero point added before rounding",
    ),
    "torch zero blocks": Deviation(
        TORCH, "int8_absmax, int8_tensor", "blocks of zeros", "0 / 0 or 0 * inf: undefined integers, or an error",
        "the scale is 0; here every code is 0",
    ),
}  # fmt: skip

_shown: set[str] = set()


def shows(*names: str) -> Callable[[Any], Any]:
    """Mark a test as the one that shows deviations."""
    _shown.update(DEVIATIONS[name] and name for name in names)
    return lambda test: test


def table() -> str:
    """DEVIATIONS as the Markdown table of the documentation."""
    lines = ["| library | formats | inputs | there | why |", "|---|---|---|---|---|"]
    return "\n".join(lines + ["| " + " | ".join(d).replace("*", "\\*") + " |" for d in DEVIATIONS.values()])


def profiles_table() -> str:
    """The block rules of every profile as the Markdown table of the documentation."""
    lines = ["| profile | formats | ties, element rounding | changes | source |", "|---|---|---|---|---|"]
    for name in nf.profile_names():
        profile = get_profile(name)
        for rule in profile.blocks:
            rounding = "the format's" if rule.rounding is None else rule.rounding.name.lower()
            changes = ", ".join(f"{field} = {value}" for field, value in rule.changes)
            lines.append(
                f"| `{name}` | {rule.formats} | {rounding} | {changes} | {profile.source} |".replace("*", "\\*")
            )
    return "\n".join(lines)


@pytest.mark.parametrize("expected", [table, profiles_table])
def test_documented(expected):
    text = (HERE.parents[1] / "docs" / "blocks.md").read_text(encoding="utf-8")
    assert expected() in text, "docs/blocks.md must hold:\n" + expected()


def test_every_deviation_is_shown():
    assert _shown == set(DEVIATIONS)


# ---- inputs ----------------------------------------------------------------------------------------------------------

LARGEST = (448.0, 57344.0, 7.5, 28.0, 6.0, 464.0, 127 / 64, 7 / 4, 7.0)


@pytest.fixture(scope="session")
def blocks() -> Array:
    """(n, 32) finite binary32: Gaussian, wide, ties, powers of two and neighbours, zeros, constants, subnormals."""
    rng, n = np.random.default_rng(20261122), 1024
    normal = rng.standard_normal((n, 32))
    powers = np.repeat(2.0 ** rng.integers(-140, 127, (n, 1)), 32, axis=1).astype(f32)
    tops = (rng.choice(LARGEST, (n, 32)) * 2.0 ** rng.integers(-20, 20, (n, 1))).astype(f32)
    patterns = rng.integers(0, 1 << 32, (n, 32), dtype=np.uint32).view(f32)
    parts = [
        normal,
        normal * 2.0 ** rng.integers(-145, 125, (n, 1)),
        normal * 2.0 ** rng.integers(-30, 30, (n, 32)),
        rng.integers(-512, 513, (n, 32)) * 2.0 ** rng.integers(-120, 100, (n, 1)),
        *(np.nextafter(x, f32(to)) for x in (powers, tops) for to in (0, np.inf)),
        powers,
        tops,
        np.where(np.isfinite(patterns), patterns, f32(1)),
        rng.integers(0, 1 << 23, (n, 32), dtype=np.uint32).view(f32) * rng.choice([-1, 1], (n, 32)),
        np.repeat(normal[:64, :1], 32, axis=1),
        np.zeros((2, 32)),
        -np.zeros((2, 32)),
    ]
    x = np.ascontiguousarray(np.concatenate([np.asarray(part, f32) for part in parts]))
    assert np.isfinite(x).all()
    return x


def amax(x: Array) -> Array:
    """Largest magnitude of each row, binary32."""
    return np.asarray(np.abs(x).max(1))


def beside_power(a: Array, side: int, ulps: float) -> Array:
    """Whether log2 of the positive binary32 `a` is no integer but within `ulps` binary32 ulps of one, from `side`."""
    with np.errstate(divide="ignore"):
        log = np.log2(a.astype(np.float64))
    k = np.rint(np.where(np.isfinite(log), log, 0.5))
    # Below k the spacing is that of the smaller magnitude; exact powers are no deviation.
    near = np.abs(log - k) <= ulps * np.spacing(np.minimum(np.abs(k), np.abs(log)).astype(f32)).astype(np.float64)
    return near & (np.exp2(k) != a) & ((a > np.exp2(k)) if side > 0 else (a < np.exp2(k)))


def nibbles(packed: Array, shape: tuple[int, ...]) -> Array:
    """Codes of bytes that hold the first element in the low nibble."""
    return np.stack([packed & 15, packed >> 4], -1).reshape(shape)


def same(ours: Array, theirs: Array) -> bool:
    """Equal bits."""
    return ours.dtype.itemsize == theirs.dtype.itemsize and ours.tobytes() == theirs.tobytes()


# ---- torchao ---------------------------------------------------------------------------------------------------------


class TorchAO:
    """torchao's CPU functions with NumPy arrays in and out."""

    def __init__(self) -> None:
        self.torch = pytest.importorskip("torch")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pytest.importorskip("torchao", reason="torchao is an optional witness (pip install torchao)")
            from torchao.prototype.mx_formats import constants, mx_tensor, nvfp4_tensor
        self.mx, self.nv = mx_tensor, nvfp4_tensor
        self.elements = {
            "mxfp8_e4m3": self.torch.float8_e4m3fn,
            "mxfp8_e5m2": self.torch.float8_e5m2,
            "mxfp6_e2m3": constants.DTYPE_FP6_E2M3,
            "mxfp6_e3m2": constants.DTYPE_FP6_E3M2,
            "mxfp4": self.torch.float4_e2m1fn_x2,
        }

    def to_mx(self, x: Array, name: str, mode: str) -> tuple[Array, Array]:
        """Scale codes per row, element codes."""
        mode = getattr(self.mx.ScaleCalculationMode, mode)
        s, q = self.mx.to_mx(self.torch.from_numpy(x), self.elements[name], 32, mode)
        codes = q.view(self.torch.uint8).numpy()
        return s.view(self.torch.uint8).numpy().reshape(-1), nibbles(codes, x.shape) if name == "mxfp4" else codes

    def nvfp4(self, x: Array, two_level: bool) -> tuple[Array, Array, Any]:
        """Scale codes, element codes, tensor scale."""
        t = self.torch.from_numpy(x)
        tensor = self.nv.per_tensor_amax_to_scale(t.abs().max()) if two_level else None
        s, q = self.nv.nvfp4_quantize(t, 16, tensor)
        return s.view(self.torch.uint8).numpy(), nibbles(q.numpy(), x.shape), None if tensor is None else tensor.numpy()


@pytest.fixture(scope="module")
def torchao() -> TorchAO:
    return TorchAO()


MX = ("mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e2m3", "mxfp6_e3m2", "mxfp4")
MODES = (("FLOOR", "floor"), ("EVEN", "even"), ("CEIL", "ceil"), ("RCEIL", "rceil"), ("RCEIL", "rceil_division"))


@shows("torchao smallest scale", "torchao smallest scale, RCEIL", "torchao RCEIL logarithm")
@pytest.mark.parametrize("mode, rule", MODES)
@pytest.mark.parametrize("name", MX)
def test_torchao_mx(torchao, blocks, name, mode, rule):
    scales, codes = torchao.to_mx(blocks, name, mode)
    b = nf.encode(blocks, name, profile="torchao", scale_rule=rule)
    ours = b.scales.reshape(-1)
    too_small = ours.astype(int) - scales
    if mode == "RCEIL":
        quotient = amax(blocks) / f32(float(nf.get(name).element.max))
        assert set(too_small.tolist()) <= {0, 1}
        assert not too_small[~beside_power(quotient, 1, 1.0) | (ours == 0)].any()
        # Nearer than a quarter of an ulp every rounding of the logarithm hits the integer.
        sure = beside_power(quotient, 1, 0.25) & (ours > 0)
        assert too_small[sure].all()
        assert not too_small[ours == 0].any()
    else:
        assert not too_small.any()
    smallest = (scales == 0) & (amax(blocks) > 0)
    plain = (too_small == 0) & ~smallest
    assert plain.sum() > 9000
    assert same(b.codes[plain], codes[plain])
    # The others are what torchao's own divisor gives: 2**-126 (code 1), or 1 (code 127) under RCEIL.
    divisors = np.where(smallest, 127 if mode == "RCEIL" else 1, scales).astype(np.uint8)
    given = nf.encode(blocks, name, profile="torchao", scales=divisors.reshape(b.scales.shape))
    assert same(given.codes, codes)
    assert (b.codes[smallest] != codes[smallest]).any(1).sum() > 1000


def test_torchao_rceil_logarithm_is_met(torchao):
    # The first binary32 above 448 * 2**k: a / 448 is above 2**k, and its logarithm rounds to k.
    x = np.zeros((40, 32), f32)
    x[:, 0] = np.nextafter((448 * 2.0 ** np.arange(8, 48)).astype(f32), f32(np.inf))
    scales, codes = torchao.to_mx(x, "mxfp8_e4m3", "RCEIL")
    ours = nf.encode(x, "mxfp8_e4m3", profile="torchao", scale_rule="rceil")
    assert (ours.scales.reshape(-1) == np.arange(8, 48) + 128).all()
    assert (scales == np.arange(8, 48) + 127).all(), "torchao does not deviate any more"
    assert (codes[:, 0] == 0x7E).all()


@pytest.mark.parametrize("name", MX)
def test_torchao_mx_other_paths(torchao, blocks, name):
    torch, element = torchao.torch, torchao.elements[name]
    # Decoding, and binary64 input, which never takes a kernel.
    scales, codes = torchao.mx.to_mx(torch.from_numpy(blocks), element, 32)
    values = torchao.mx.to_dtype(codes, scales, element, 32, torch.float32).numpy()
    scales, codes = torchao.to_mx(blocks, name, "FLOOR")
    assert same(nf.decode(nf.BlockEncoded(codes, scales[:, None], name)), values)
    few = blocks[::4].astype(np.float64)
    b, single = nf.encode(few, name, profile="torchao"), nf.encode(blocks[::4], name, profile="torchao")
    assert b.same_bits(single)
    # bfloat16: the cast of the input comes first, in both.
    half = torch.from_numpy(blocks[: 8 * 1024]).to(torch.bfloat16)
    half = half[torch.isfinite(half).all(1)].contiguous()
    scales, codes = torchao.mx.to_mx(half, element, 32)
    b = nf.encode(half.view(torch.uint16).numpy().view(pytest.importorskip("ml_dtypes").bfloat16), name)
    assert same(b.scales.reshape(-1), scales.view(torch.uint8).numpy().reshape(-1))


@shows("torchao infinity", "torchao NaN codes")
@pytest.mark.parametrize("mode", ["FLOOR", "EVEN", "CEIL", "RCEIL"])
def test_torchao_mx_nonfinite(torchao, mode):
    for special in (np.nan, np.inf, -np.inf):
        x = np.ones((1, 32), f32)
        x[0, 3], x[0, 4] = special, -2
        scales, codes = torchao.to_mx(x, "mxfp8_e4m3", mode)
        ours = nf.encode(x, "mxfp8_e4m3", profile="torchao", scale_rule=mode.lower())
        assert ours.scales.item() == 0xFF and not ours.codes.any() and np.isnan(np.asarray(ours)).all()
        if np.isnan(special):
            assert scales.item() == 0xFF and codes.any()
        else:
            assert scales.item() == (254 if mode == "RCEIL" else 255 - 8)
            assert codes[0, :5].tolist() == [0, 0, 0, 0x7E if special > 0 else 0xFE, 0x80]


def test_torchao_nvfp4_single_level(torchao, blocks):
    x = blocks.reshape(-1, 16)
    scales, codes, _ = torchao.nvfp4(x, two_level=False)
    b = nf.encode(x, "nvfp4_single", profile="torchao")
    assert same(b.scales, scales) and same(b.codes, codes)
    # The default: smaller scales than 2**-6, zero among them, and nothing else differs.
    plain = nf.encode(x, "nvfp4_single")
    assert np.array_equal(plain.scales != scales, plain.scales < 8)
    assert np.count_nonzero(plain.scales < 8) > 1000 and (scales[plain.scales < 8] == 8).all()


def test_torchao_nvfp4_two_level(torchao, blocks):
    differ = np.zeros(3, int)
    for seed in range(120):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((2048, 16)) * 2.0 ** rng.integers(-12, 3, (2048, 1)) * 2.0 ** rng.integers(-30, 30)
        if seed % 3 == 0:
            x = rng.integers(-40, 41, (2048, 16)) * rng.choice([1, 3, 1.5, 5, 7, 0.1])
        x = x.astype(f32) if seed % 10 else blocks.reshape(-1, 16)[rng.integers(0, 2 * len(blocks), 2048)]
        scales, codes, tensor = torchao.nvfp4(x, two_level=True)
        b = nf.encode(x, "nvfp4", profile="torchao")
        assert b.tensor_scale == tensor
        assert same(b.scales, scales) and same(b.codes, codes)
        plain = nf.encode(x, "nvfp4")
        assert plain.tensor_scale == tensor
        # By default quotients are exact: beyond the clamp only what binary32 moves across a tie differs.
        other = (plain.scales != scales) & (np.maximum(plain.scales, 8) != scales)
        moved = (plain.codes != codes).any(1)[:, None] & (plain.scales == scales)
        differ += [len(x), other.sum(), moved.sum()]
    assert 0 < differ[1] < 1e-3 * differ[0] and 0 < differ[2] < 0.1 * differ[0]


@shows("torchao nonfinite NVFP4", "torchao zero tensor", "torchao tiny tensor")
def test_torchao_nvfp4_special(torchao):
    for special, scale, codes in ((np.nan, 0x7F, [4, 4, 4, 4]), (np.inf, 0x7E, [0, 0, 7, 8])):
        x = np.array([[1, 1, special, -2] + 12 * [1]], f32)
        s, q, _ = torchao.nvfp4(x, two_level=False)
        assert s.item() == scale and q[0, :4].tolist() == codes
        with pytest.raises(nf.errors.NaNError, match="nonfinite='skip'"):
            nf.encode(x, "nvfp4_single", profile="torchao")
    for special, first, second in ((np.nan, 0x7F, 0xFF), (np.inf, 0xFF, 8)):
        x = np.ones((2, 16), f32)
        x[0, 3] = special
        s, q, _ = torchao.nvfp4(x, two_level=True)
        assert (s[0].item(), s[1].item()) == (first, second) and set(q[1].tolist()) == {0 if second == 8 else 0xC}
    x = np.repeat(np.array([[2.0**-118, -(2.0**-120), 0.0, 2.0**-122]], f32), 4, axis=1)
    s, q, tensor = torchao.nvfp4(x, two_level=True)
    b = nf.encode(x, "nvfp4", profile="torchao")
    assert b.tensor_scale == tensor < 2.0**-128 and same(b.scales, s)
    assert [set(q[0, 4 * i : 4 * i + 4].tolist()) for i in (0, 1, 3)] == [{7}, {15}, {7}]
    assert not b.codes[0, 8:12].any() and (np.abs(np.asarray(b)) <= 2.0**-118).all()
    zeros = np.zeros((1, 16), f32)
    s, q, _ = torchao.nvfp4(zeros, two_level=True)
    assert s.item() == 0xFF and (q == 0xC).all()
    b = nf.encode(zeros, "nvfp4", profile="torchao")
    assert (b.tensor_scale, b.scales.item(), b.codes.any()) == (1, 8, False)


# ---- gguf ------------------------------------------------------------------------------------------------------------


def gguf_mxfp4(x: Array) -> tuple[Array, Array]:
    """gguf-py's scale and element codes."""
    gguf = pytest.importorskip("gguf", reason="gguf is an optional witness (pip install gguf)")
    with np.errstate(all="ignore"):
        raw = gguf.quants.quantize(x, gguf.GGMLQuantizationType.MXFP4).reshape(-1, 17)
    return raw[:, 0], np.concatenate([raw[:, 1:] & 15, raw[:, 1:] >> 4], 1)


@shows("gguf logarithm", "gguf tiny blocks")
def test_gguf_mxfp4(blocks):
    scales, codes = gguf_mxfp4(blocks)
    b = nf.encode(blocks, "mxfp4", profile="ggml")
    ours, a = b.scales.reshape(-1), amax(blocks)
    tiny = (a > 0) & (a < 2.0**-125)
    assert not ours[tiny].any() and np.count_nonzero(scales[tiny]) > 1000
    kept = ~tiny
    too_large = scales.astype(int) - ours
    assert set(too_large[kept].tolist()) == {0, 1}
    assert not too_large[kept & ~beside_power(a, -1, 1.0)].any()
    assert too_large[kept & beside_power(a, -1, 0.25)].all()
    given = nf.encode(blocks[kept], "mxfp4", profile="ggml", scales=scales[kept][:, None])
    assert same(given.codes, codes[kept])
    assert np.array_equal((b.codes[kept] != codes[kept]).any(1), too_large[kept] == 1)


@shows("gguf nonfinite")
def test_gguf_nonfinite():
    x = np.ones((2, 32), f32)
    x[0, 3], x[1, 3] = np.nan, -np.inf
    scales, _ = gguf_mxfp4(x)
    assert scales[0] == 0 and scales[1] != 0xFF
    ours = nf.encode(x, "mxfp4", profile="ggml")
    assert (ours.scales == 0xFF).all() and not ours.codes.any()


# ---- microxcaling, recorded ------------------------------------------------------------------------------------------

MICRO_FORMATS = {
    "fp8_e4m3": "mxfp8_e4m3", "fp8_e5m2": "mxfp8_e5m2", "fp6_e2m3": "mxfp6_e2m3", "fp6_e3m2": "mxfp6_e3m2",
    "fp4_e2m1": "mxfp4", "int8": "mxint8", "int4": "mxint4",
}  # fmt: skip


@pytest.fixture(scope="module")
def recorded() -> dict[str, Array]:
    with np.load(HERE.parent / "vectors" / "microxcaling.npz", allow_pickle=False) as file:
        return dict(file)


def test_microxcaling_vectors_say_where_they_come_from(recorded):
    about = json.loads(str(recorded["about"]))
    assert about["commit"].startswith("7bc4195") and about["options"]["custom_cuda"] is False
    assert recorded["x"].dtype == f32 and len(recorded) == 4 + 2 * len(MICRO_FORMATS)


@shows("microxcaling logarithm", "microxcaling just under half", "microxcaling sign of zero")
@pytest.mark.parametrize("way", ["nearest", "even"])
@pytest.mark.parametrize("theirs", MICRO_FORMATS)
def test_microxcaling(recorded, theirs, way):
    x, y, name = recorded["x"], recorded[f"{theirs}.{way}"], MICRO_FORMATS[theirs]
    rounding = {} if way == "nearest" else {"rounding": "nearest_even"}  # the profile's own is half away
    b = nf.encode(x, name, profile="microxcaling", **rounding)
    finite = np.isfinite(x).all(1)
    assert (~finite).sum() == 6 and (b.scales[~finite] == 0xFF).all()
    assert np.isnan(y[~finite]).all() and np.isnan(np.asarray(b)[~finite]).all()
    x, y, scales, values = x[finite], y[finite], b.scales[finite], np.asarray(b)[finite]
    a = amax(x)
    low = beside_power(a, -1, 0.5)
    # Where the logarithm is rounded up to the integer, theirs is what the next scale gives.
    emax = int(np.frexp(float(b.format.element.max))[1]) - 1 if theirs[:3] != "int" else 0
    next_scale = np.clip(np.frexp(a)[1] - emax + 127, 0, 254)
    scales = np.where(low, next_scale, scales[:, 0]).astype(np.uint8)[:, None]
    given = nf.encode(x, name, profile="microxcaling", scales=scales, **rounding)
    quotient = (x / np.exp2(scales.astype(np.float64) - 127)).astype(f32)
    under_half = np.abs(quotient) == f32((0.5 - 2.0**-25) * float(given.format.element.smallest))
    assert np.array_equal(np.asarray(given)[~under_half], y[~under_half])  # zeros of both signs are equal
    step = np.exp2(scales.astype(np.float64) - 127) * float(given.format.element.smallest)
    assert np.array_equal(np.abs(y[under_half]), np.broadcast_to(step, y.shape)[under_half])
    assert under_half.sum() == 2 and low.sum() >= 8
    differ = (values != y).any(1)
    assert differ[low].any() and not differ[~low & ~under_half.any(1)].any()
    zero = y == 0
    assert np.array_equal(np.signbit(y[zero]), (x < 0)[zero] & (quotient != 0)[zero])
    assert (np.signbit(y) & zero).any()


# ---- bitsandbytes ----------------------------------------------------------------------------------------------------


class BitsAndBytes:
    """bitsandbytes on the CPU with NumPy arrays in and out."""

    def __init__(self) -> None:
        self.torch = pytest.importorskip("torch")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pytest.importorskip("bitsandbytes", reason="bitsandbytes is an optional witness (pip install bitsandbytes)")
            import bitsandbytes.functional
        self.functional = bitsandbytes.functional

    def quantize_4bit(self, x: Array, kind: str) -> tuple[Array, Array]:
        """Maxima and codes for blocks of 64."""
        packed, state = self.functional.quantize_4bit(self.torch.from_numpy(x), blocksize=64, quant_type=kind)
        codes = packed.numpy().reshape(-1)
        return state.absmax.numpy(), np.stack([codes >> 4, codes & 15], -1).reshape(-1)[: x.size].reshape(x.shape)


@pytest.fixture(scope="module")
def bnb() -> BitsAndBytes:
    return BitsAndBytes()


def test_bitsandbytes_tables(bnb):
    assert same(nf.get("nf4").table.astype(f32), bnb.functional.get_4bit_type("nf4", device="cpu").numpy())
    fp4 = bnb.functional.get_4bit_type("fp4", device="cpu").numpy()
    assert np.array_equal(nf.get("bnb_fp4").table.astype(f32), fp4)
    assert same(np.array(nf.get("bnb_dynamic8").table, f32), bnb.functional.create_dynamic_map().numpy())


#: dQuantizeFP4 of bitsandbytes csrc/kernels.cu: thresholds of the magnitude, in increasing order, `x > t`.
CUDA_FP4 = np.array([0.00260417, 0.0859375, 0.20833333, 0.29166667, 0.4166667, 0.583333, 0.8333333], f32)
FP4_MAGNITUDES = np.array([0, 5.208333333e-03, 1 / 6, 0.25, 1 / 3, 0.5, 2 / 3, 1], f32)


def fp4_by_magnitude(quotient: Array) -> Array:
    """Levels as the CUDA kernel chooses them."""
    return np.copysign(FP4_MAGNITUDES[np.searchsorted(CUDA_FP4, np.abs(quotient))], quotient)


def fp4_by_value(quotient: Array, levels: Array) -> Array:
    """Levels as the CPU code chooses them: thresholds between sorted levels, each rounded to binary32."""
    return np.asarray(levels[np.searchsorted((levels[:-1] + levels[1:]) / f32(2), quotient)])


@shows("bitsandbytes tiny blocks", "bitsandbytes FP4 zeros")
@pytest.mark.parametrize("name, kind", [("nf4_b64", "nf4"), ("bnb_fp4_b64", "fp4")])
def test_bitsandbytes_4bit(bnb, blocks, name, kind):
    x = blocks[: len(blocks) // 2 * 2].reshape(-1, 64)
    x = np.concatenate([x, np.random.default_rng(1).standard_normal((200, 64)).astype(f32) * f32(1e-39)])
    maxima, codes = bnb.quantize_4bit(x, kind)
    b = nf.encode(x, name, profile="bitsandbytes")
    assert same(b.scales, maxima)
    tiny = (maxima > 0) & (maxima < 1e-38)
    # Tiny blocks: the quotient that their clamp gives, through the scalar format.
    quotient = x * (f32(1) / np.maximum(maxima, f32(1e-38)))[:, None]
    by_clamp = nf.encode(quotient, name.removesuffix("_b64"), profile="bitsandbytes").codes
    expected = np.where(tiny[:, None], by_clamp, b.codes)
    if kind == "fp4":
        zero = (expected & 7) == 0
        assert zero.any() and np.array_equal(codes[zero] == 8, (quotient > 0)[zero])
        levels = np.unique(bnb.functional.get_4bit_type("fp4", device="cpu").numpy())
        other = fp4_by_value(quotient, levels) != fp4_by_magnitude(quotient)
        assert np.count_nonzero(other) < 1e-3 * other.size
        expected, codes = np.where(zero | other, 0, expected), np.where(zero | other, 0, codes)
    assert np.array_equal(expected, codes)
    assert (b.codes[tiny] != codes[tiny]).any(1).sum() > 100


def test_bitsandbytes_nf4_midpoints(bnb):
    levels = bnb.functional.get_4bit_type("nf4", device="cpu").numpy()
    middle = (levels[:-1] + levels[1:]) / f32(2)
    x = np.ones((3, 64), f32)
    x[:, 1:16] = middle, np.nextafter(middle, f32(2)), np.nextafter(middle, f32(-2))
    _, codes = bnb.quantize_4bit(x, "nf4")
    assert np.array_equal(codes[:, 1:16] - np.arange(15), [[0] * 15, [1] * 15, [0] * 15])
    assert same(nf.encode(x, "nf4_b64", profile="bitsandbytes").codes, codes)


@shows("bitsandbytes FP4 thresholds")
def test_bitsandbytes_fp4_thresholds(bnb):
    levels = np.unique(bnb.functional.get_4bit_type("fp4", device="cpu").numpy())
    middle = (levels[:-1] + levels[1:]) / f32(2)
    probes = np.concatenate([middle, CUDA_FP4, -CUDA_FP4])
    x = np.ones((3, 64), f32)
    x[:, 1 : 1 + len(probes)] = probes, np.nextafter(probes, f32(2)), np.nextafter(probes, f32(-2))
    _, codes = bnb.quantize_4bit(x, "fp4")
    values = nf.get("bnb_fp4").table.astype(f32)
    theirs = values[codes]
    assert np.array_equal(theirs, fp4_by_value(x, levels))
    ours = nf.decode(nf.encode(x, "bnb_fp4_b64", profile="bitsandbytes"))
    assert np.array_equal(ours, fp4_by_magnitude(x))
    assert 10 < np.count_nonzero(theirs != ours) < theirs.size // 2


@shows("bitsandbytes nonfinite", "bitsandbytes partial block")
def test_bitsandbytes_special(bnb):
    for special, others in ((np.nan, 15), (np.inf, 7), (-np.inf, 7)):
        x = np.linspace(-1, 1, 64).astype(f32)
        x[3] = special
        _, codes = bnb.quantize_4bit(x, "nf4")
        assert codes[3] == 15 and (np.delete(codes, 3) == others).all()
        with pytest.raises(nf.errors.NaNError, match="nonfinite='skip'"):
            nf.encode(x, "nf4_b64", profile="bitsandbytes")
    x = np.random.default_rng(4).standard_normal((4000, 40)).astype(f32)
    partial = np.stack([bnb.quantize_4bit(row, "nf4")[1] for row in x])
    rows = np.concatenate([x, np.zeros((len(x), 24), f32)], 1)
    divided = nf.encode(rows, replace(nf.get("nf4_b64"), quotient="divide"), rounding="nearest_down")
    assert np.array_equal(divided.codes[:, :40], partial)
    ours = nf.encode(x[0], "nf4_b64", profile="bitsandbytes", pad=True)
    assert ours.codes.shape == (64,) and ours.scales == np.abs(x[0]).max()


@shows("bitsandbytes dynamic map")
def test_bitsandbytes_double_quantization(bnb):
    maxima = np.random.default_rng(3).gamma(4, size=1 << 16).astype(f32)
    shifted = maxima - f32(maxima.mean())
    packed, state = bnb.functional.quantize_blockwise(bnb.torch.from_numpy(shifted), blocksize=256)
    b = nf.encode(shifted, replace(nf.get("bnb_double"), centre=False), rounding="nearest_down")
    assert same(b.scales, state.absmax.numpy())
    codes = packed.numpy()
    levels = nf.get("bnb_dynamic8").table.astype(np.float64)
    midpoints = (levels[1:] + levels[:-1]) / 2
    quotient = (shifted.reshape(-1, 256) * (f32(1) / b.scales.reshape(-1, 1))).reshape(-1)
    near = np.abs(quotient[:, None] - midpoints).min(1) <= 2.0**-16
    assert np.array_equal(b.codes[~near], codes[~near])
    assert 10 < np.count_nonzero(b.codes != codes) < 0.01 * codes.size


@shows("bitsandbytes double quantization", "bitsandbytes mean")
@pytest.mark.parametrize("name, kind", [("nf4_b64", "nf4"), ("bnb_fp4_b64", "fp4")])
def test_bitsandbytes_decode(bnb, name, kind):
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((4096, 64)) * 2.0 ** rng.integers(-5, 5, (4096, 1))).astype(f32)
    quantize, dequantize = bnb.functional.quantize_4bit, bnb.functional.dequantize_4bit
    maxima, codes = bnb.quantize_4bit(x, kind)
    packed, state = quantize(bnb.torch.from_numpy(x), blocksize=64, quant_type=kind)
    assert same(nf.decode(nf.BlockEncoded(codes, maxima, name)) + f32(0), dequantize(packed, state).numpy() + f32(0))
    packed, state = quantize(bnb.torch.from_numpy(x), blocksize=64, quant_type=kind, compress_statistics=True)
    levels, outer = state.absmax.numpy(), state.state2.absmax.numpy()
    offset = state.offset.numpy()
    inner = nf.BlockEncoded(levels, outer, "bnb_double", offset=offset)
    exact = nf.get("bnb_dynamic8").table[levels].reshape(-1, 256) * outer.astype(np.float64)[:, None]
    assert same(np.asarray(inner), (exact + float(offset)).reshape(-1).astype(f32))
    theirs = exact.reshape(-1).astype(f32) + offset
    assert theirs.dtype == f32 and np.count_nonzero(theirs != np.asarray(inner)) > 100
    values = dequantize(packed, state).numpy()
    assert np.array_equal(nf.decode(nf.BlockEncoded(codes, theirs, name)), values)
    # The mean: ours is the rounded exact one for these data, theirs may be ulps away.
    ours = np.array([nf.encode(x[:n], f"{name}_dq").scales.offset for n in range(256, 4097, 256)])
    exact = np.array([math.fsum(maxima[:n].tolist()) / n for n in range(256, 4097, 256)]).astype(f32)
    means = np.array([bnb.torch.from_numpy(maxima[:n]).mean().item() for n in range(256, 4097, 256)], f32)
    assert same(ours, exact) and (means != exact).any() and (np.abs(means - exact) <= 4 * np.spacing(exact)).all()


@shows("bitsandbytes LLM.int8")
def test_bitsandbytes_int8(bnb, blocks):
    x = blocks[amax(blocks) > 2.0**-100]
    codes, stats, _ = bnb.torch.ops.bitsandbytes.int8_vectorwise_quant(bnb.torch.from_numpy(x.copy()))
    assert same(stats.numpy(), amax(x))
    b = nf.encode(x, "int8_absmax")
    ours, theirs = b.codes.view(np.int8), codes.numpy()
    # PyTorch divides a number by a tensor as the tensor's reciprocal times the number.
    assert np.array_equal(theirs, np.rint(x * (f32(1) / amax(x) * f32(127))[:, None]))
    assert 0 < np.count_nonzero(ours != theirs) < 0.01 * ours.size
    assert set((ours.astype(int) - theirs)[ours != theirs].tolist()) <= {-1, 1}


# ---- torch -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def torch() -> Iterator[Any]:
    return pytest.importorskip("torch", reason="PyTorch is an optional witness (pip install numfmt[torch])")


def test_torch_int8_eager_and_per_channel(torch, blocks):
    x = blocks[amax(blocks) > 2.0**-100]
    t = torch.from_numpy(x)
    scales = t.abs().amax(1) / 127
    eager = torch.clamp(torch.round(t / scales[:, None]), -127, 127).to(torch.int8).numpy()
    onnx = nf.encode(x, "int8_absmax", profile="onnx")
    assert same(onnx.scales, scales[:, None].numpy()) and same(onnx.codes, eager)
    zeros = torch.zeros(len(x), dtype=torch.int32)
    channel = torch.quantize_per_channel(t, scales.double(), zeros.long(), 0, torch.qint8).int_repr().numpy()
    b = nf.encode(x, "int8_absmax", profile="torch")
    assert same(b.scales, scales[:, None].numpy()) and same(b.codes, channel)
    fake = torch.fake_quantize_per_channel_affine(t, scales, zeros, 0, -127, 127).numpy()
    assert np.array_equal(np.asarray(b), fake)
    # The default is the exact quotient: both binary32 ways differ from it, and from each other.
    exact = nf.encode(x, "int8_absmax")
    assert same(exact.scales, b.scales)
    assert all(0 < np.count_nonzero(exact.codes != other) < 1e-2 * x.size for other in (onnx.codes, b.codes))


@pytest.mark.parametrize("bits", [4, 8])
def test_torch_per_tensor(torch, bits):
    top = 2 ** (bits - 1) - 1
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x = (rng.standard_normal(4096) * 2.0 ** rng.integers(-20, 20)).astype(f32)
        x = x if seed % 2 else np.rint(x * 8 / np.abs(x).max()).astype(f32)
        scale = float(np.abs(x).max() / f32(top))
        b = nf.encode(x, f"int{bits}_tensor", profile="torch")
        assert b.scales.item() == scale
        fake = torch.fake_quantize_per_tensor_affine(torch.from_numpy(x), scale, 0, -top, top).numpy()
        assert np.array_equal(np.asarray(b), fake)
        if bits == 8:
            codes = torch.quantize_per_tensor(torch.from_numpy(x), scale, 0, torch.qint8).int_repr().numpy()
            assert same(b.codes, codes)


@shows("torch affine")
def test_torch_affine(torch, blocks):
    x = blocks[(amax(blocks) > 2.0**-100) & (amax(blocks) < 2.0**100)]
    b = nf.encode(x, "uint8_affine", profile="onnx")
    scales, zeros = b.scales.reshape(-1), b.zero_points.reshape(-1)
    t, z = torch.from_numpy(x), torch.from_numpy(zeros.astype(np.int64))
    theirs = torch.quantize_per_channel(t, torch.from_numpy(scales).double(), z, 0, torch.quint8).int_repr().numpy()
    shifted = x * (f32(1) / scales)[:, None] + zeros.astype(f32)[:, None]
    assert np.array_equal(theirs, np.clip(np.rint(shifted), 0, 255))
    # ONNX QuantizeLinear: the zero point is added after rounding.
    onnx = np.clip(np.rint(x / scales[:, None]) + zeros[:, None].astype(np.int64), 0, 255)
    assert np.array_equal(b.codes, onnx)
    assert 0 < np.count_nonzero(theirs != b.codes) < 0.01 * x.size


@shows("torch zero blocks")
def test_torch_zero_block(torch):
    x = np.zeros((2, 32), f32)
    t = torch.from_numpy(x)
    assert torch.isnan(t / (t.abs().amax(1) / 127)[:, None]).all()
    for profile in ("torch", "onnx", None):
        b = nf.encode(x, "int8_absmax", profile=profile)
        assert not b.codes.any() and not b.scales.any()


# ---- ml_dtypes: elements under our scales ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, theirs",
    [
        ("mxfp8_e4m3", "float8_e4m3fn"),
        ("mxfp8_e5m2", "float8_e5m2"),
        ("mxfp6_e2m3", "float6_e2m3fn"),
        ("mxfp6_e3m2", "float6_e3m2fn"),
        ("mxfp4", "float4_e2m1fn"),
    ],
)
@pytest.mark.parametrize("rule", ["floor", "rceil", "ceil", "even"])
def test_ml_dtypes_elements(blocks, name, theirs, rule):
    dtype = getattr(pytest.importorskip("ml_dtypes"), theirs)
    b = nf.encode(blocks, name, profile="ocp_sat", scale_rule=rule)
    largest = float(b.format.element.max)
    quotient = blocks / np.exp2(b.scales.astype(np.float64) - 127)
    with np.errstate(all="ignore"):
        # ml_dtypes goes through binary32 and overflows: clamp first. Division by 2**-127 is exact in binary64.
        codes = np.clip(quotient, -largest, largest).astype(f32).astype(dtype)
    assert same(b.codes, codes.view(np.uint8))
    expected = codes.astype(np.float64) * np.exp2(b.scales.astype(np.float64) - 127)
    assert np.array_equal(nf.decode(b, dtype=np.float64), expected)
