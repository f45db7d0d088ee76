"""Heads on a graphics card: a step's time and memory, ours on JAX against peers on PyTorch, and a retraining.

    python tests/benchmarks/gpu.py            # writes book/results/gpu.json; under six minutes on one H100
    python tests/benchmarks/gpu.py --try      # few classes, on any device: whether it runs at all

A step is the head's forward pass, cross-entropy and backward pass, to the gradients of embeddings and class
directions, at d = 512, B = 512. Each contender has a process of its own, so that the most memory it ever held
is its own. They start side by side, for importing takes longer than measuring, and take the card in turn.

The products of all have the same precision: "float32", "tf32" (the tensor cores' float32, of 10 bits) and
"bf16" (of 7). PyTorch's bf16 is autocast, whose logits are bf16 too; ours stay float32 in all three.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
HERE = Path(__file__).parent
OUT = HERE.parents[1] / "book" / "results" / "gpu.json"
DIM, BATCH, MARGIN, SCALE = 512, 512, 0.5, 64.0
CLASSES, FEW = (100_000, 1_000_000), (1_000, 2_000)
MODES = ("float32", "tf32", "bf16")
OURS = ("normface", "arcface", "blockwise", "sampled")
PEERS = ("pml", "root", "detached", "pml-compiled", "detached-compiled")
NAMES = {
    "normface": "NormFace (ours)",
    "arcface": "ArcFace (ours)",
    "blockwise": "ArcFace (ours), blockwise, 32,768 classes at once",
    "sampled": "ArcFace (ours), a tenth of the classes",
    "pml": "pytorch-metric-learning",
    "pml-compiled": "pytorch-metric-learning, torch.compile",
    "root": "insightface's formula until December 2022",
    "detached": "insightface's formula since",
    "detached-compiled": "insightface's formula since, torch.compile",
    "retraining": "the network of the plane, 5 epochs",
}
STEPS, LIMIT = 10, 330  # steps a measurement; seconds after which no contender begins


# ---- In a contender's own process ---------------------------------------------------------------


class ByJax:
    """Our heads, on Keras's JAX backend."""

    def __init__(self, name, mode):
        import jax

        self.jax, self.name = jax, name
        if jax.devices()[0].platform == "gpu":
            algorithm = {"float32": "F32_F32_F32", "tf32": "TF32_TF32_F32", "bf16": "BF16_BF16_F32"}[mode]
            jax.config.update("jax_default_matmul_precision", algorithm)

    def losses(self, head, sampled, x, y):
        from marginlab import blockwise

        if self.name == "blockwise":
            return blockwise.cross_entropy(head, x, y, block_size=32_768)
        if self.name == "sampled":
            return sampled.examples(head, x, y)
        logits = head(x, y)
        own = self.jax.numpy.take_along_axis(logits, y[:, None], axis=1)[:, 0]
        return self.jax.nn.logsumexp(logits, axis=1) - own

    def build(self, classes):
        import keras

        from marginlab import blockwise, heads

        kind = heads.NormFace if self.name == "normface" else heads.ArcFace
        head = kind(classes, scale=SCALE, **({} if self.name == "normface" else {"margin": MARGIN}))
        head.build((BATCH, DIM))
        sampled = blockwise.SampledCrossentropy(share=0.1, seed=0)
        keys = self.jax.random.split(self.jax.random.key(0))
        x = self.jax.random.normal(keys[0], (BATCH, DIM))
        y = self.jax.random.randint(keys[1], (BATCH,), 0, classes)
        directions = head.class_directions
        fixed = [*head.non_trainable_variables, sampled.seed_generator.state]

        def loss(x, w, state):
            pairs = [(directions, w), *zip(fixed, state, strict=True)]
            with keras.StatelessScope(state_mapping=pairs):
                return self.losses(head, sampled, x, y).mean()

        state, gradient = [v.value for v in fixed], self.jax.jit(self.jax.grad(loss, (0, 1)))
        # A variable holds its array for ever: what is measured is what a step needs beside the directions.
        self.step = lambda: gradient(x, directions.value, state)

    def wait(self, made):
        self.jax.block_until_ready(made)

    def peak(self):
        return (self.jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0)

    def card(self):
        return self.jax.devices()[0].device_kind


class ByTorch:
    """The peers' formulas, as in contender.py."""

    def __init__(self, name, mode):
        import torch

        self.torch, self.name, self.mode = torch, name, mode
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        torch.set_default_device(self.device)
        torch.set_float32_matmul_precision("high" if mode == "tf32" else "highest")

    def build(self, classes):
        torch = self.torch
        torch.manual_seed(0)
        torch.compiler.reset()  # or the second number of classes would be compiled for any number
        loss, weight = torch_loss(self.name.removesuffix("-compiled"), classes)
        if self.name.endswith("-compiled"):
            loss = torch.compile(loss, dynamic=False)
        x, y = torch.randn(BATCH, DIM, requires_grad=True), torch.randint(0, classes, (BATCH,))

        def step():
            x.grad = weight.grad = None
            with torch.autocast(self.device, torch.bfloat16, enabled=self.mode == "bf16"):
                value = loss(x, y)
            value.backward()

        self.step = step

    def wait(self, made):
        if self.device == "cuda":
            self.torch.cuda.synchronize()

    def peak(self):
        return self.torch.cuda.max_memory_allocated() if self.device == "cuda" else 0

    def card(self):
        return self.torch.cuda.get_device_name() if self.device == "cuda" else "cpu"


def torch_loss(name, classes):
    """A function (x, y) -> loss, and its weights."""
    import torch
    from contender import torch_losses
    from torch.nn.functional import cross_entropy, linear, normalize

    if name != "detached":
        return torch_losses({"root": "insightface"}.get(name, name), classes, DIM)
    weight = torch.nn.Parameter(0.01 * torch.randn(classes, DIM))

    def loss(x, y):
        cosine = linear(normalize(x), normalize(weight)).clamp(-1, 1)
        index = y[:, None]
        with torch.no_grad():  # the margin is put in where no gradient sees it, at the true class alone
            own = cosine.gather(1, index)
            more = torch.cos(torch.arccos(own) + MARGIN) - own
        return cross_entropy(SCALE * cosine.scatter_add(1, index, more), y)

    return loss, weight


def serve(name, mode, sizes):
    """Ready: a line. Then, when told to go, a line of JSON."""
    contender = (ByJax if name in OURS else ByTorch)(name, mode)
    print("ready", flush=True)
    sys.stdin.readline()
    rows = []
    for classes in sizes:
        row = {"name": name, "mode": mode, "classes": classes}
        try:
            rows.append(row | measure(contender, classes))
        except Exception as error:
            said = str(error)
            if "out of memory" not in said.lower() and "RESOURCE_EXHAUSTED" not in said:
                raise
            rows.append(row | {"failed": "out of memory"})
    print(json.dumps({"card": contender.card(), "rows": rows}), flush=True)


def measure(contender, classes):
    contender.build(classes)
    start = time.perf_counter()
    for _ in range(3):
        contender.wait(contender.step())
    first = time.perf_counter() - start
    times = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(STEPS):
            made = contender.step()
        contender.wait(made)
        times.append((time.perf_counter() - start) / STEPS)
    return {
        "ms": [1e3 * t for t in sorted(times)],
        "peak_gib": contender.peak() / 2**30,
        "begin_s": first,
    }


def retrain():
    """The book's network of the plane by `fit`, ArcFace 0.3, scale 30: the first time, and twice again."""
    import jax
    import keras

    from marginlab import MarginClassifier, encoders, heads, load_mnist
    from marginlab.recipe import RECIPE

    print("ready", flush=True)
    sys.stdin.readline()
    (x, y), test = load_mnist()
    rows = []
    keras.utils.set_random_seed(0)
    model = MarginClassifier(encoders.fast(), heads.ArcFace(10, margin=0.3, scale=30.0))
    model.compile(keras.optimizers.Adam(5e-3, beta_2=RECIPE.beta2), metrics=["accuracy"])
    for _ in range(3):
        start = time.perf_counter()
        model.fit(x, y, batch_size=RECIPE.batch, epochs=RECIPE.epochs, verbose=0)
        rows.append(time.perf_counter() - start)
    right = float(model.evaluate(*test, verbose=0, return_dict=True)["accuracy"])
    row = {"name": "retraining", "mode": "float32", "seconds": rows, "right_after_15_epochs": right}
    print(json.dumps({"card": jax.devices()[0].device_kind, "rows": [row]}), flush=True)


# ---- The runner --------------------------------------------------------------------------------


def begun(name, mode, sizes):
    command = [sys.executable, str(HERE / "gpu.py"), "--serve", name, mode, *map(str, sizes)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    return process


def finished(process):
    said, wrong = process.communicate("go\n")
    if process.returncode:
        raise RuntimeError(wrong[-1500:])
    return json.loads(said.splitlines()[-1])


def versions():
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in ("jax", "keras", "torch", "pytorch-metric-learning"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def lines(found):
    """JSON with a line for each row, of four digits."""
    rows = [{k: rounded(v) for k, v in row.items()} for row in found["rows"]]
    text = json.dumps(found | {"rows": ["ROWS"]}, indent=1)
    return text.replace('"ROWS"', ",\n  ".join(map(json.dumps, rows))) + "\n"


def rounded(value):
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def shown(row):
    name = f"{NAMES[row['name']]:52} {row['mode']:8}"
    if row["name"] == "retraining":
        return f"{name} {' '.join(f'{s:.1f} s' for s in row['seconds'])}"
    if "failed" in row:
        return f"{name} {row['classes']:>9,}  {row['failed']}"
    return f"{name} {row['classes']:>9,} {row['ms'][2]:8.2f} ms {row['peak_gib']:7.2f} GiB"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--try", dest="trial", action="store_true", help="few classes; nothing is written")
    parser.add_argument("--serve", nargs="+", metavar=("NAME", "MODE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        name, mode, *sizes = args.serve
        return retrain() if name == "retraining" else serve(name, mode, list(map(int, sizes)))
    start, sizes = time.monotonic(), FEW if args.trial else CLASSES
    runs = [(name, mode) for mode in MODES for name in (*OURS, *PEERS)]
    runs.insert(len(OURS) + len(PEERS), ("retraining", "float32"))
    found = {"command": "python tests/benchmarks/gpu.py", "dim": DIM, "batch": BATCH, "versions": versions()}
    found |= {"rows": [], "left_out": []}
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(begun, *run, sizes) for run in runs[:4]]
        for place, run in enumerate(runs):
            if time.monotonic() - start > LIMIT:
                found["left_out"].append(run)
                continue
            process = waiting.pop(0).result()
            if place + 4 < len(runs):
                waiting.append(pool.submit(begun, *runs[place + 4], sizes))
            try:
                said = finished(process)
            except RuntimeError as error:
                print(NAMES[run[0]], run[1], error, flush=True)
                continue
            found["card"] = said["card"]
            found["rows"] += said["rows"]
            print("\n".join(map(shown, said["rows"])), flush=True)
            found["seconds"] = round(time.monotonic() - start)
            if not args.trial:
                OUT.write_text(lines(found), encoding="utf-8")
        for process in waiting:
            process.result().kill()
    print(f"{found['seconds']} s; left out: {found['left_out']}")


if __name__ == "__main__":
    main()
