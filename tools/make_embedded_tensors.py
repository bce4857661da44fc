"""Train the small byte-level language model whose tensors ship in `numfmt/data/`.

Quantization experiments need tensors with the statistics of trained networks, and a test needs them without a
download. This script trains a causal transformer on the Python standard library's own source and writes

* `bytelm.npz`: weights, and activations and gradients of one held-out batch, all float32;
* `bytelm.json`: where every number comes from, with digests.

Architecture (pre-LayerNorm; every matrix is (outputs, inputs), so a product sums over the last axis of a weight):

    x = token_embedding.weight[byte] + position_embedding.weight[position]
    for each layer i:
        q, k, v = split(norm(x; layer<i>.attention_norm) @ layer<i>.attention_qkv.weight.T + bias, 3)
        p = softmax(q @ k.T / sqrt(head_width) + causal mask)             per head; head h owns channels [h*w, (h+1)*w)
        x = x + concatenate(p @ v) @ layer<i>.attention_out.weight.T + bias
        x = x + gelu(norm(x; layer<i>.mlp_norm) @ layer<i>.mlp_up.weight.T + bias) @ layer<i>.mlp_down.weight.T + bias
    logits = norm(x; final_norm) @ head.weight.T

norm is LayerNorm with the biased variance and `norm_epsilon`, gelu is the exact x/2 * (1 + erf(x/sqrt(2))).

    python tools/make_embedded_tensors.py            # needs PyTorch; about nine minutes on two cores

The seed fixes data order and initial weights, but floating-point sums differ between machines and PyTorch builds: a
rerun gives a model as good, not the same bits. The digests in `bytelm.json` identify the tensors that were committed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import platform
import sysconfig
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

SEED = 20240229
CONTEXT, WIDTH, LAYERS, HEADS, MLP_WIDTH = 128, 64, 4, 4, 256  # WIDTH and MLP_WIDTH are whole blocks of 16 and of 32
NORM_EPSILON = 1e-5
BATCH_WINDOWS = 32
PEAK_LEARNING_RATE, WARMUP_STEPS, WEIGHT_DECAY, GRADIENT_CLIP = 4e-3, 100, 0.05, 1.0
RECORDED_WINDOWS = 16  # size of the held-out batch behind `activation/` and `gradient/`
# Tests repeat themselves; encodings and pydoc_data are generated; config-* and _sysconfigdata* belong to one machine.
EXCLUDED_FOLDERS = frozenset(
    {"test", "tests", "idle_test", "idlelib", "site-packages", "dist-packages", "encodings", "pydoc_data"}
)
EXCLUDED_PREFIXES = ("config-", "_sysconfigdata")


class Corpus(NamedTuple):
    """Source text as one byte string per split, and the names of the held-out files."""

    training: bytes
    held_out: bytes
    held_out_files: list[str]


def read_corpus() -> Corpus:
    """Read the standard library; about one file in twenty, chosen by the hash of its name, is held out."""
    root = Path(sysconfig.get_paths()["stdlib"])
    training, held_out, held_out_files = [], [], []
    for name in sorted(path.relative_to(root).as_posix() for path in root.rglob("*.py")):
        parts = name.split("/")
        if EXCLUDED_FOLDERS.intersection(parts[:-1]) or any(part.startswith(EXCLUDED_PREFIXES) for part in parts):
            continue
        text = (root / name).read_bytes()
        if hashlib.sha256(name.encode()).digest()[0] % 20 == 0:
            held_out.append(text)
            held_out_files.append(name)
        else:
            training.append(text)
    return Corpus(b"\n".join(training), b"\n".join(held_out), held_out_files)


class Layer(nn.Module):
    """One pre-LayerNorm transformer layer."""

    def __init__(self) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(WIDTH, eps=NORM_EPSILON)
        self.attention_qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.attention_out = nn.Linear(WIDTH, WIDTH)
        self.mlp_norm = nn.LayerNorm(WIDTH, eps=NORM_EPSILON)
        self.mlp_up = nn.Linear(WIDTH, MLP_WIDTH)
        self.mlp_down = nn.Linear(MLP_WIDTH, WIDTH)

    def forward(self, x: Tensor, mask: Tensor, record: dict[str, Tensor] | None, name: str) -> Tensor:
        """Map (windows, positions, WIDTH) to the same shape; put intermediates into `record` when there is one."""
        windows, positions, _ = x.shape
        normed = self.attention_norm(x)
        qkv = self.attention_qkv(normed).view(windows, positions, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        query, key, value = qkv.unbind(0)
        scores = query @ key.transpose(-2, -1) * (WIDTH // HEADS) ** -0.5 + mask
        probabilities = scores.softmax(-1)
        context = (probabilities @ value).transpose(1, 2).reshape(windows, positions, WIDTH)
        x = x + self.attention_out(context)
        pre_gelu = self.mlp_up(self.mlp_norm(x))
        post_gelu = nn.functional.gelu(pre_gelu)
        if record is not None:
            record[f"{name}.attention_norm"] = normed
            record[f"{name}.attention_probabilities"] = probabilities
            record[f"{name}.attention_context"] = context
            record[f"{name}.mlp_pre_gelu"] = pre_gelu
            record[f"{name}.mlp_post_gelu"] = post_gelu
        out: Tensor = x + self.mlp_down(post_gelu)
        return out


class ByteModel(nn.Module):
    """The architecture of this file's docstring."""

    def __init__(self) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(256, WIDTH)
        self.position_embedding = nn.Embedding(CONTEXT, WIDTH)
        for i in range(LAYERS):
            self.add_module(f"layer{i}", Layer())
        self.final_norm = nn.LayerNorm(WIDTH, eps=NORM_EPSILON)
        self.head = nn.Linear(WIDTH, 256, bias=False)
        self.mask = torch.full((CONTEXT, CONTEXT), -math.inf).triu(1)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:  # residual branches start small, so that their sum over the layers stays in scale
                residual = name.endswith(("attention_out.weight", "mlp_down.weight"))
                nn.init.normal_(parameter, std=0.1 / math.sqrt(2 * LAYERS) if residual else 0.1)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, codes: Tensor, record: dict[str, Tensor] | None = None) -> Tensor:
        """Map byte codes (windows, positions) to logits (windows, positions, 256)."""
        positions = codes.shape[1]
        x = self.token_embedding(codes) + self.position_embedding.weight[:positions]
        if record is not None:
            record["embedding"] = x
        for i in range(LAYERS):
            x = self.get_submodule(f"layer{i}")(x, self.mask[:positions, :positions], record, f"layer{i}")
        logits: Tensor = self.head(self.final_norm(x))
        if record is not None:
            record["logits"] = logits
        return logits


def loss_of(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy in nats per byte."""
    return nn.functional.cross_entropy(logits.reshape(-1, 256), targets.reshape(-1))


def windows_at(text: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Cut (inputs, targets), each (len(starts), CONTEXT), targets one byte ahead."""
    window = torch.from_numpy(text[starts[:, None] + np.arange(CONTEXT + 1)].astype(np.int64))
    return window[:, :-1], window[:, 1:]


def train(model: ByteModel, text: npt.NDArray[np.uint8], steps: int) -> None:
    """AdamW, linear warm-up, cosine decay to zero; windows drawn uniformly with a seeded generator."""
    rng = np.random.default_rng(SEED)
    matrices = [p for p in model.parameters() if p.ndim == 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=PEAK_LEARNING_RATE, betas=(0.9, 0.98))
    started = time.perf_counter()
    smooth = 0.0
    for step in range(steps):
        warm = min(1.0, (step + 1) / WARMUP_STEPS)
        for group in optimizer.param_groups:
            group["lr"] = PEAK_LEARNING_RATE * warm * 0.5 * (1 + math.cos(math.pi * step / steps))
        inputs, targets = windows_at(text, rng.integers(0, len(text) - CONTEXT, BATCH_WINDOWS))
        loss = loss_of(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), GRADIENT_CLIP)
        optimizer.step()
        smooth = loss.item() if step == 0 else 0.98 * smooth + 0.02 * loss.item()
        if step % 100 == 99:
            elapsed = time.perf_counter() - started
            print(f"step {step + 1}/{steps}: {smooth / math.log(2):.3f} bits per byte, {elapsed:.0f} s", flush=True)


def bits_per_byte(model: ByteModel, text: npt.NDArray[np.uint8]) -> float:
    """Mean over all whole windows of `text`, side by side, so context is 1 to CONTEXT bytes."""
    starts = np.arange(0, len(text) - CONTEXT, CONTEXT)
    total = 0.0
    with torch.no_grad():
        for chunk in np.array_split(starts, math.ceil(len(starts) / 128)):
            inputs, targets = windows_at(text, chunk)
            total += loss_of(model(inputs), targets).item() * len(chunk)
    return total / len(starts) / math.log(2)


# What is kept of an activation, or of its gradient, of shape (windows, ..., positions, last axis): 16384 elements each.
SAMPLES = {
    "wide": ("window 0, positions 1, 3, ..., 127", lambda x: x[0, 1::2]),
    "narrow": ("windows 0 and 1, all positions", lambda x: x[:2]),
    "attention": ("window 0, all heads, query positions 3, 7, ..., 127", lambda x: x[0, :, 3::4]),
}
LAST = f"layer{LAYERS - 1}"
ACTIVATIONS = {
    "embedding": ("narrow", "token plus position embedding, the input of layer 0"),
    "layer0.attention_norm": ("narrow", "input of the query-key-value product, after LayerNorm"),
    "layer0.mlp_pre_gelu": ("wide", "input of GELU"),
    "layer0.mlp_post_gelu": ("wide", "output of GELU, input of the second MLP product"),
    f"{LAST}.attention_probabilities": ("attention", "softmax output (head, query, key); exactly 0 where key > query"),
    f"{LAST}.attention_context": ("narrow", "attention output, heads side by side, input of the output product"),
    f"{LAST}.mlp_post_gelu": ("wide", "output of GELU, input of the second MLP product"),
    "logits": ("wide", "output of the head, natural-log units"),
}
WEIGHT_GRADIENTS = ("layer0.attention_qkv.weight", "layer0.mlp_up.weight", f"{LAST}.mlp_down.weight")
ACTIVATION_GRADIENTS = {"layer0.attention_norm": "narrow", f"{LAST}.mlp_pre_gelu": "wide", "logits": "wide"}


def collect(model: ByteModel, held_out: npt.NDArray[np.uint8]) -> tuple[dict[str, Tensor], dict[str, str], bytes]:
    """Return (tensors, what each one is, the input bytes of windows 0 and 1) for one held-out batch."""
    # Window starts spread evenly over the held-out files.
    starts = np.linspace(0, len(held_out) - CONTEXT - 1, RECORDED_WINDOWS + 2).astype(np.int64)[1:-1]
    inputs, targets = windows_at(held_out, starts)
    record: dict[str, Tensor] = {}
    logits = model(inputs, record)
    for activation in record.values():
        activation.retain_grad()
    model.zero_grad()
    loss_of(logits, targets).backward()

    parameters = dict(model.named_parameters())
    tensors: dict[str, Tensor] = {f"weight/{name}": parameter for name, parameter in parameters.items()}
    meaning = {f"weight/{name}": "trained parameter" for name in parameters}
    for name, (sample, text) in ACTIVATIONS.items():
        where, cut = SAMPLES[sample]
        tensors[f"activation/{name}"] = cut(record[name])
        meaning[f"activation/{name}"] = f"{text}; {where}"
    for name in WEIGHT_GRADIENTS:
        gradient = parameters[name].grad
        assert gradient is not None
        tensors[f"gradient/{name}"] = gradient
        meaning[f"gradient/{name}"] = "gradient of the batch's mean loss with respect to this weight"
    for name, sample in ACTIVATION_GRADIENTS.items():
        where, cut = SAMPLES[sample]
        gradient = record[name].grad
        assert gradient is not None
        tensors[f"gradient/{name}"] = cut(gradient)
        meaning[f"gradient/{name}"] = f"gradient of the batch's mean loss with respect to this activation; {where}"
    return tensors, meaning, inputs[:2].numpy().astype(np.uint8).tobytes()


def main() -> None:
    """Train, evaluate, write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=4200)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1] / "numfmt" / "data")
    arguments = parser.parse_args()

    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(arguments.threads)
    corpus = read_corpus()
    training = np.frombuffer(corpus.training, dtype=np.uint8)
    held_out = np.frombuffer(corpus.held_out, dtype=np.uint8)
    model = ByteModel()
    print(f"{sum(p.numel() for p in model.parameters())} parameters, {len(training)} + {len(held_out)} bytes of text")
    train(model, training, arguments.steps)
    score = bits_per_byte(model, held_out)
    print(f"held out: {score:.4f} bits per byte")

    recorded, meaning, window_bytes = collect(model, held_out)
    arrays = {name: np.ascontiguousarray(t.detach().numpy(), dtype=np.float32) for name, t in recorded.items()}
    assert all(np.isfinite(array).all() for array in arrays.values())
    npz = arguments.output / "bytelm.npz"
    np.savez(npz, allow_pickle=False, **arrays)
    provenance = {
        "description": "Tensors of a byte-level causal transformer trained on the source text of the Python standard "
        "library; activations and gradients are of one held-out batch. Made by tools/make_embedded_tensors.py.",
        "licence": "Weights, activations and gradients are derived from the source text of the Python standard "
        "library, (c) Python Software Foundation, PSF License Version 2 (SPDX: PSF-2.0).",
        "seed": SEED,
        "python_version": platform.python_version(),
        "torch_version": torch.__version__,
        "numpy_version": np.__version__,
        "architecture": {
            "vocabulary": 256,
            "context": CONTEXT,
            "width": WIDTH,
            "layers": LAYERS,
            "heads": HEADS,
            "mlp_width": MLP_WIDTH,
            "norm": "LayerNorm before each branch and before the head, biased variance",
            "norm_epsilon": NORM_EPSILON,
            "activation": "GELU, exact: x/2 * (1 + erf(x/sqrt(2)))",
            "position": "learned, added to the token embedding",
            "attention": "causal; attention_qkv gives query, key, value in that order, each heads x (width/heads); "
            "scores times 1/sqrt(width/heads)",
            "matrices": "(outputs, inputs): y = x @ weight.T + bias; the head is untied and has no bias",
            "parameters": sum(p.numel() for p in model.parameters()),
        },
        "training": {
            "steps": arguments.steps,
            "batch": [BATCH_WINDOWS, CONTEXT],
            "optimizer": f"AdamW, betas 0.9 and 0.98, weight decay {WEIGHT_DECAY} on matrices, "
            f"gradient norm clipped to {GRADIENT_CLIP}",
            "learning_rate": f"peak {PEAK_LEARNING_RATE}, {WARMUP_STEPS} steps of warm-up, cosine to 0",
            "text_bytes": len(corpus.training),
            "text_sha256": hashlib.sha256(corpus.training).hexdigest(),
        },
        "held_out": {
            "bits_per_byte": round(score, 4),
            "text_bytes": len(corpus.held_out),
            "text_sha256": hashlib.sha256(corpus.held_out).hexdigest(),
            "files": corpus.held_out_files,
        },
        "batch": {
            "description": f"Activations and gradients are of {RECORDED_WINDOWS} held-out windows of {CONTEXT} bytes; "
            "the loss is the mean cross-entropy in nats per byte over all of them. Each tensor keeps the windows and "
            "positions it names.",
            "windows_0_and_1_hex": [window_bytes[:CONTEXT].hex(), window_bytes[CONTEXT:].hex()],
        },
        "npz_sha256": hashlib.sha256(npz.read_bytes()).hexdigest(),
        "tensors": {
            name: {
                "shape": list(array.shape),
                "what": meaning[name],
                "sha256": hashlib.sha256(array.tobytes()).hexdigest(),
            }
            for name, array in arrays.items()
        },
    }
    text = json.dumps(provenance, indent=1, ensure_ascii=True)
    (arguments.output / "bytelm.json").write_text(text + "\n", encoding="ascii", newline="\n")
    print(f"{npz.stat().st_size} bytes of tensors, {len(text) + 1} bytes of provenance")


if __name__ == "__main__":
    main()
