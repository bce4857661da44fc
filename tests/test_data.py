"""The embedded tensors are what their provenance says, and the model behind them has learned something."""

import hashlib
import importlib
import importlib.resources
import inspect
import math

import numpy as np
import pytest

from numfmt.data import provenance, tensors

FOLDER = importlib.resources.files("numfmt.data")
ARCHITECTURE = provenance()["architecture"]
WEIGHTS = {name.removeprefix("weight/"): array for name, array in tensors().items() if name.startswith("weight/")}


def norm(x, name):
    """LayerNorm over the last axis."""
    centred = x - x.mean(-1, keepdims=True)
    scale = np.sqrt((centred**2).mean(-1, keepdims=True) + ARCHITECTURE["norm_epsilon"])
    return centred / scale * WEIGHTS[f"{name}.weight"] + WEIGHTS[f"{name}.bias"]


def affine(x, name):
    return x @ WEIGHTS[f"{name}.weight"].T + WEIGHTS[f"{name}.bias"]


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def forward(codes):
    """Run the model in float64 on byte codes (windows, positions); return every recorded activation by name."""
    windows, positions = codes.shape
    heads = ARCHITECTURE["heads"]
    mask = np.triu(np.full((positions, positions), -np.inf), 1)
    x = WEIGHTS["token_embedding.weight"].astype(np.float64)[codes] + WEIGHTS["position_embedding.weight"][:positions]
    seen = {"embedding": x}
    for i in range(ARCHITECTURE["layers"]):
        layer = f"layer{i}"
        seen[f"{layer}.attention_norm"] = norm(x, f"{layer}.attention_norm")
        qkv = affine(seen[f"{layer}.attention_norm"], f"{layer}.attention_qkv").reshape(
            windows, positions, 3, heads, -1
        )
        q, k, v = qkv.transpose(2, 0, 3, 1, 4)
        p = seen[f"{layer}.attention_probabilities"] = softmax(q @ k.swapaxes(-2, -1) / math.sqrt(q.shape[-1]) + mask)
        seen[f"{layer}.attention_context"] = (p @ v).swapaxes(1, 2).reshape(windows, positions, -1)
        x = x + affine(seen[f"{layer}.attention_context"], f"{layer}.attention_out")
        h = seen[f"{layer}.mlp_pre_gelu"] = affine(norm(x, f"{layer}.mlp_norm"), f"{layer}.mlp_up")
        seen[f"{layer}.mlp_post_gelu"] = h * 0.5 * (1 + np.vectorize(math.erf)(h / math.sqrt(2)))
        x = x + affine(seen[f"{layer}.mlp_post_gelu"], f"{layer}.mlp_down")
    seen["logits"] = norm(x, "final_norm") @ WEIGHTS["head.weight"].T
    return seen


def test_files_fit_their_budget():
    # Caches of the interpreter are not shipped.
    sizes = {file.name: len(file.read_bytes()) for file in FOLDER.iterdir() if file.is_file()}
    assert {"__init__.py", "bytelm.json", "bytelm.npz"} <= sizes.keys()
    assert sum(sizes.values()) <= 2_000_000, sizes


def test_digests_of_the_provenance_match_the_archive():
    recorded = provenance()
    assert hashlib.sha256((FOLDER / "bytelm.npz").read_bytes()).hexdigest() == recorded["npz_sha256"]
    assert list(recorded["tensors"]) == list(tensors())
    for name, array in tensors().items():
        assert list(array.shape) == recorded["tensors"][name]["shape"], name
        little_endian = array.astype("<f4", copy=False)
        assert hashlib.sha256(little_endian.tobytes()).hexdigest() == recorded["tensors"][name]["sha256"], name


def test_tensors_are_finite_contiguous_float32_and_read_only():
    for name, array in tensors().items():
        assert array.dtype == np.float32, name
        assert array.flags.c_contiguous, name
        assert not array.flags.writeable, name
        assert np.isfinite(array).all(), name
        assert array.any(), name
        assert array.shape[-1] % 64 == 0, name  # whole blocks of 16, 32 and 64 along the last axis


def test_tensors_returns_a_new_dict_each_time():
    first = tensors()
    first.clear()
    assert tensors()


def test_weights_activations_and_gradients_are_there():
    groups = {}
    for name, array in tensors().items():
        group, _, rest = name.partition("/")
        groups.setdefault(group, {})[rest] = array
    assert groups.keys() == {"weight", "activation", "gradient"}
    assert sum(array.size for array in groups["weight"].values()) == ARCHITECTURE["parameters"]
    assert all(8192 <= array.size <= 32768 for group in ("activation", "gradient") for array in groups[group].values())
    assert {name for name in groups["gradient"] if name in groups["weight"]}, "no gradient of a weight"
    for name, gradient in groups["gradient"].items():
        if name in groups["weight"]:
            assert gradient.shape == groups["weight"][name].shape, name
    assert len(groups["activation"]) == 8
    assert len(groups["gradient"]) == 6


def test_attention_probabilities_are_causal_and_sum_to_one():
    (probabilities,) = (array for name, array in tensors().items() if name.endswith("attention_probabilities"))
    queries = np.arange(3, ARCHITECTURE["context"], 4)
    future = np.arange(ARCHITECTURE["context"]) > queries[:, None]
    assert not probabilities[:, future].any()
    # 128 float32 terms, each within a few 2**-24 of its value, of a sum that is one.
    np.testing.assert_allclose(probabilities.sum(-1, dtype=np.float64), 1, atol=2.0**-20)


def test_logit_gradient_sums_to_zero_over_the_vocabulary():
    # d loss / d logits = (softmax - one_hot) / n, and both parts sum to one; float32 keeps 2**-24 of the largest term.
    gradient = tensors()["gradient/logits"].astype(np.float64)
    assert abs(gradient.sum(-1)).max() < 2.0**-18 * abs(gradient).max()


def test_forward_pass_reproduces_the_recorded_activations():
    windows = np.array([list(bytes.fromhex(text)) for text in provenance()["batch"]["windows_0_and_1_hex"]])
    seen = forward(windows)
    for name, array in tensors().items():
        if name.startswith("activation/"):
            x = seen[name.removeprefix("activation/")]
            if name.endswith("attention_probabilities"):
                x = x[0, :, 3::4]
            elif array.ndim == 2:
                x = x[0, 1::2]
            # Recorded in float32, here float64: a few hundred roundings of 2**-24 in a row stay far below 2**-13.
            np.testing.assert_allclose(array, x, rtol=0, atol=2.0**-13 * abs(x).max(), err_msg=name)


@pytest.mark.parametrize(
    "module", ["calendar", "random", "textwrap"]
)  # the first two were held out of the training text
def test_model_predicts_python_source(module):
    text = np.frombuffer(inspect.getsource(importlib.import_module(module)).encode(), dtype=np.uint8)
    context = ARCHITECTURE["context"]
    windows = np.lib.stride_tricks.sliding_window_view(text, context + 1)[:: len(text) // 16][:16]
    logits = forward(windows[:, :-1])["logits"]
    log_normalizer = np.log(np.exp(logits - logits.max(-1, keepdims=True)).sum(-1)) + logits.max(-1)
    chosen = np.take_along_axis(logits, windows[:, 1:, None].astype(np.int64), -1)[..., 0]
    # Uniform guessing is 8 bits and byte frequencies alone give 4.5; other Python versions have other text.
    assert (log_normalizer - chosen).mean() / math.log(2) < 3.5
