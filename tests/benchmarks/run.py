"""Speed, memory and accuracy against peers: prints tables and writes results.json.

    python tests/benchmarks/run.py               # about 15 minutes on two quiet cores
    python tests/benchmarks/run.py --quick       # under 3 minutes: fewer sizes, fewer repetitions

Contenders take their steps in turn, each in a process of its own, so that a busy machine is
unfair to all alike; medians are of at least 5 steps, with the spread from the first to the
third quartile. Ratios are of medians. `wall` is what a user waits; `cpu` is the seconds that
all cores together worked, which a busy machine disturbs less.
"""

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
OUT = HERE / "results.json"
PEERS = ("pml", "pml-compiled", "insightface", "insightface-compiled")
NAMES = {
    "normface": "NormFace (ours)",
    "arcface": "ArcFace (ours)",
    "cosface": "CosFace (ours)",
    "demo": "the demo's layer",
    "pml": "pytorch-metric-learning",
    "pml-compiled": "pytorch-metric-learning, torch.compile",
    "insightface": "insightface's formula",
    "insightface-compiled": "insightface's formula, torch.compile",
    "plain": "plain (logits held)",
    "blockwise": "blockwise",
}
TORCH = sys.executable


def python_of(name):
    return TORCH if name.startswith(PEERS) else sys.executable


class Contender:
    """A process that takes a step when asked."""

    def __init__(self, name, classes, dim, batch):
        command = [python_of(name), HERE / "contender.py", name, classes, dim, batch]
        self.process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.memory = json.loads(self.process.stdout.readline())

    def step(self):
        self.process.stdin.write("step\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def summary(values):
    """Median and quartiles."""
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return {"median": middle, "quartiles": [low, high], "repetitions": len(values)}


def race(runs, repetitions):
    """Steps in turn: for each (name, classes, dim, batch), times in seconds and memory in MiB."""
    with contextlib.ExitStack() as stack:
        contenders = []
        for run in runs:  # started one after the other, for memory is measured at the start
            contenders.append(Contender(*run))
            stack.callback(contenders[-1].close)
        times = [[] for _ in runs]
        for _ in range(repetitions):
            for contender, taken in zip(contenders, times, strict=True):
                taken.append(contender.step())
    return [
        {
            "name": name,
            "classes": classes,
            "dim": dim,
            "batch": batch,
            **{clock: summary([t[clock] for t in taken]) for clock in ("wall", "cpu")},
            "resting_mib": contender.memory["resting"],
            "extra_mib": contender.memory["peak"] - contender.memory["resting"],
        }
        for (name, classes, dim, batch), contender, taken in zip(runs, contenders, times, strict=True)
    ]


def table(title, rows):
    """Print dicts of the same keys as a table."""
    print(f"\n{title}")
    cells = [list(rows[0])] + [[v if isinstance(v, str) else f"{v:.3g}" for v in r.values()] for r in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        print("  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))))  # noqa: B905
    sys.stdout.flush()


def shown(rows, base=None):
    """Rows of `race` as a table: milliseconds and spread, and ratios to the row called base."""
    by_name = {r["name"]: r for r in rows}
    for r in rows:
        low, high = r["wall"]["quartiles"]
        line = {
            "": NAMES.get(r["name"], r["name"]),
            "wall ms": 1e3 * r["wall"]["median"],
            "quartiles": f"{1e3 * low:.1f}-{1e3 * high:.1f}",
            "cpu ms": 1e3 * r["cpu"]["median"],
            "extra MiB": f"{r['extra_mib']:.0f}",
        }
        if base:
            for clock in ("wall", "cpu"):
                ratio = r[clock]["median"] / by_name[base][clock]["median"]
                line[f"{clock} / {base}"] = f"{ratio:.2f}"
        yield line


# ---- What is measured --------------------------------------------------------------------------


def machine():
    """This machine, and what runs on it."""

    def installed(python, package):
        code = f"import importlib.metadata as m; print(m.version({package!r}))"
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
        return done.stdout.strip() or None

    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    models = {line.split(":")[1].strip() for line in info.splitlines() if line.startswith("model name")}
    with contextlib.suppress(PackageNotFoundError):
        versions = {p: version(p) for p in ("tensorflow", "keras", "numpy", "jax")}
    versions |= {p: installed(TORCH, p) for p in ("torch", "pytorch-metric-learning")}
    return {
        "processor": ", ".join(sorted(models)) or platform.processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "load": os.getloadavg()[0],
        "versions": versions,
        "torch_threads": os.cpu_count(),
    }


def gemm_rate(n=2048):
    """Floating-point operations a second of this machine's matrix product: the best of ten."""
    import tensorflow as tf

    a = tf.random.normal((n, n))
    product = tf.function(lambda: tf.matmul(a, a))
    product()
    times = []
    for _ in range(10):
        start = time.perf_counter()
        product().numpy()
        times.append(time.perf_counter() - start)
    return 2 * n**3 / min(times)


def heads(quick):
    """Forward and backward at B = 128, d = 512, for ours and the peers."""
    rows = []
    for classes in (10_000,) if quick else (10, 1_000, 10_000, 100_000):
        names = ("normface", "arcface", "cosface", "demo", *PEERS)
        part = race([(name, classes, 512, 128) for name in names], 5 if quick else 9)
        table(
            f"One step of a head: {classes:,} classes, d = 512, B = 128, float32",
            list(shown(part, "normface")),
        )
        rows += part
    return rows


def blocks(quick):
    """Blockwise against plain where both fit, and a million classes."""
    classes = 20_000 if quick else 100_000
    rows = race([(name, classes, 128, 128) for name in ("plain", "blockwise")], 5 if quick else 15)
    table(f"Blockwise cross-entropy: {classes:,} classes, d = 128, B = 128", list(shown(rows, "plain")))
    if not quick:
        for name in ("blockwise", "plain"):
            rows += race([(name, 1_000_000, 128, 128)], 5)
        table("One million classes", list(shown(rows[2:], "plain")))
        for r in rows[2:]:
            print(
                f"{r['name']}: whole process {(r['resting_mib'] + r['extra_mib']) / 1024:.2f} GiB at its peak"
            )
    return rows


def own_gradient(name, pair):
    """∂logit/∂x of each one's own function of θ, at scale 1 (the demo: ‖x‖ and m = 0.15), in float64."""
    from contender import MARGIN

    if name == "demo":
        value, _, gradient, _, _ = pair.logit(1, 0.15, 0, "norm")
        if pair.theta + 0.15 <= np.pi:
            return gradient
        # Past π the demo's cosine turns back up, where ours is unrolled.
        psi, size = np.cos(float(pair.theta) + 0.15), float(pair.x_norm)
        radial = gradient - value / size * pair.x_unit
        return psi * pair.x_unit - radial
    if name == "arcface" or pair.theta + MARGIN <= np.pi:
        return pair.logit(1, MARGIN, 0, 1)[2]
    return pair.logit(1, 0, 0, 1)[2]  # past θ = π - m both fall back on cos θ - m·sin m


def gradient_errors(quick):
    """Relative error of the ArcFace logit's gradient in x, against 50 digits; worst of three pairs."""
    from exact import Pair, pair_at

    thetas = [0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 2.0, 3.0, np.pi - 1e-3, np.pi - 1e-6]
    rng, rows = np.random.default_rng(0), []
    for dim in (2,) if quick else (2, 512):
        pairs = [pair_at(theta, dim, "float32", rng) for theta in thetas for _ in range(3)]
        exact = [Pair(*pair) for pair in pairs]
        sent = json.dumps([[v.tolist() for v in pair] for pair in pairs])
        columns = {}
        for name in ("arcface", "demo", "pml", "insightface"):
            command = [python_of(name), HERE / "contender.py", f"errors-{name}"]
            done = subprocess.run(command, input=sent, stdout=subprocess.PIPE, text=True, check=True)
            errors = []
            for gradient, pair in zip(json.loads(done.stdout), exact, strict=True):
                truth = own_gradient(name, pair)
                error = np.linalg.norm(gradient - truth) / np.linalg.norm(truth)
                errors.append(error if np.isfinite(gradient).all() else np.inf)
            columns[name] = np.reshape(errors, (-1, 3)).max(axis=1)
        part = [
            {"theta": theta, "dim": dim} | {n: float(v[i]) for n, v in columns.items()}
            for i, theta in enumerate(thetas)
        ]
        shown_rows = [
            {"θ": f"{r['theta']:.6g}"}
            | {NAMES[n]: "NaN" if np.isinf(r[n]) else f"{r[n]:.1e}" for n in columns}
            for r in part
        ]
        table(f"Error of the gradient in x, d = {dim}, float32, each against its own function", shown_rows)
        rows += part
    return rows


def imports(quick):
    """Seconds to import what a user imports of the package, and tensorflow, in fresh processes, in turn."""
    lines = {"tensorflow": "import tensorflow", "keras": "import keras"}
    lines["marginlab"] = "from marginlab import heads, MarginClassifier, Trainer, load_mnist"
    times = {name: {"wall": [], "cpu": []} for name in lines}
    code = "import time; {}; print(time.process_time())"
    for _ in range(3 if quick else 7):
        for name, line in lines.items():
            start = time.perf_counter()
            command = [sys.executable, "-c", code.format(line)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            times[name]["wall"].append(time.perf_counter() - start)
            times[name]["cpu"].append(float(done.stdout))
    rows = [{"name": n} | {c: summary(v) for c, v in taken.items()} for n, taken in times.items()]
    cells = [{"": r["name"], "wall s": r["wall"]["median"], "cpu s": r["cpu"]["median"]} for r in rows]
    table("Import", cells)
    return rows


def communication(quick):
    """Bytes that a device holds and sends in a step, from compiled programs: nothing is run."""
    rows = []
    sizes = (10_000,) if quick else (1_000, 10_000, 100_000)
    points = [("data", 2, c, 512, 128) for c in sizes] + [("model", 2, c, 512, 128) for c in sizes]
    if not quick:
        points += [("model", n, 10_000, 512, 128) for n in (4, 8)]
        points += [("model", 2, 10_000, d, 128) for d in (64, 1024)]
        points += [("model", 2, 10_000, 512, b) for b in (32, 512)]
        points += [("model", 2, 10_000, 512, 128, "blockwise")]
    for point in points:
        command = [sys.executable, HERE / "communication.py", *point]
        done = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True)
        found = json.loads(done.stdout.splitlines()[-1])
        keys = ("mode", "devices", "classes", "dim", "batch", "loss")
        rows.append(dict(zip(keys, [*point, "plain"][:6], strict=True)) | found)
    lines = [
        {k: str(r[k]) for k in ("mode", "devices", "classes", "dim", "batch", "loss")}
        | {"sent MB": sum(r["collectives"].values()) / 1e6, "held MB": sum(r["held"].values()) / 1e6}
        for r in rows
    ]
    table("One device's share of a step: results of collective operations, arguments and temporaries", lines)
    return rows


def slope(sizes, values):
    """Of the straight line through log(value) over log(size), by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def growth(quick):
    """How a step grows with C, d and B, and a retraining with its frames and with how many trainers live."""
    base = {"classes": 10_000, "dim": 256, "batch": 128}
    sweeps = {
        "classes": (4_000, 16_000, 64_000) if quick else (4_000, 8_000, 16_000, 32_000, 64_000, 128_000),
        "dim": (128, 256, 512) if quick else (64, 128, 256, 512, 1024),
        "batch": (64, 128, 256) if quick else (64, 128, 256, 512, 1024),
    }
    rows = []
    for what, sizes in sweeps.items():
        runs = [("arcface", *(base | {what: size}).values()) for size in sizes]
        part = race(runs, 5 if quick else 9)
        row = {"what": what, "sizes": list(sizes)}
        for clock in ("wall", "cpu"):
            row[clock] = [r[clock]["median"] for r in part]
            row[f"{clock}_slope"] = slope(sizes, row[clock])
        rows.append(row)
    if not quick:
        rows += trainers()
    words = {"classes": "C (d = 256, B = 128)", "dim": "d (C = 10,000)", "batch": "B (C = 10,000)"}
    words |= {"frames": "frames of a run", "trainers": "trainers alive"}
    lines = [
        {
            "": words[r["what"]],
            "from": str(r["sizes"][0]),
            "to": str(r["sizes"][-1]),
            "slope of wall": f"{r['wall_slope']:.2f}",
            "slope of cpu": f"{r['cpu_slope']:.2f}",
        }
        for r in rows
    ]
    table("Growth: slope of log time over log size; arithmetic has 1", lines)
    return rows


def trainers():
    """Time of a retraining by its number of frames, and of the newest of so many trainers."""
    from marginlab import Trainer

    rows, living = [], []
    for what, sizes in {"frames": (10, 20, 40, 80), "trainers": (1, 2, 4, 8)}.items():
        row = {"what": what, "sizes": list(sizes), "wall": [], "cpu": []}
        for size in sizes:
            if what == "frames":
                trainer = Trainer("arcface", frames=size)
            else:
                living += [Trainer("arcface") for _ in range(size - len(living))]
                trainer = living[-1]
            runs = []
            for seed in range(4):
                wall, cpu = time.perf_counter(), time.process_time()
                trainer.retrain(seed=seed)
                runs.append((time.perf_counter() - wall, time.process_time() - cpu))
            for clock, value in zip(("wall", "cpu"), np.median(runs[1:], axis=0), strict=True):
                row[clock].append(float(value))
        rows.append(row | {f"{clock}_slope": slope(sizes, row[clock]) for clock in ("wall", "cpu")})
    return rows


def retraining(quick):
    """One head on all 60,000 images, against the demo's training and the floor of its matrix products."""
    import keras

    from marginlab import MarginClassifier, Trainer, encoders, load_mnist
    from marginlab import heads as layers
    from marginlab.reproduce import SECTIONS, DemoModel

    (x, y), _ = load_mnist()
    trainer = Trainer("arcface")
    trainer.retrain()
    keras.utils.set_random_seed(1)
    demo = DemoModel(next(s for s in SECTIONS if s.name == "CosFace").layer())
    demo.compile(optimizer="adam", jit_compile=False)  # the faster of the two for this network
    ours = MarginClassifier(encoders.fast(), layers.ArcFace(10, margin=0.3, scale=30.0))
    ours.compile(optimizer=keras.optimizers.Adam(0.003))
    images = x / np.float32(255)
    # What is timed is an epoch, or a part of one: the first trace and compilation are left out.
    share = 10 if quick else 1
    demo.fit(images[:3200], y[:3200], batch_size=32, verbose=0)
    ours.fit(images[:12000], y[:12000], batch_size=120, verbose=0)
    times = {"demo": [], "stock fit": [], "retrain": []}
    for _ in range(2 if quick else 5):
        n = len(x) // share
        for name, model, batch, epochs in (("demo", demo, 32, 3), ("stock fit", ours, 120, trainer.epochs)):
            start = time.perf_counter()
            model.fit(images[:n], y[:n], batch_size=batch, verbose=0)
            times[name].append(share * epochs * (time.perf_counter() - start))
        for seed in range(3):
            times["retrain"].append(trainer.retrain(seed=seed).seconds)
    # Two operations a multiply-add; forward, and two products backward, less that by the images.
    shapes = [w.shape for w in trainer._tail.trainable_weights if len(w.shape) == 2]
    adds = sum(3 * a * b for a, b in shapes) - shapes[0][0] * shapes[0][1]
    rate = gemm_rate()
    row = {name: summary(taken) for name, taken in times.items()}
    row["gemm_gflops"] = rate / 1e9
    row["floor_seconds"] = 2 * adds * trainer.steps * trainer.batch_size / rate
    middle = {name: row[name]["median"] for name in times}
    lines = [
        {
            "": name,
            "seconds": seconds,
            "quartiles": "{:.2f}-{:.2f}".format(*row[name]["quartiles"]),
            "times retrain": seconds / middle["retrain"],
            "times the floor": seconds / row["floor_seconds"],
        }
        for name, seconds in middle.items()
    ]
    table(f"Training on 60,000 images; matrix products run at {rate / 1e9:.0f} GFLOP/s", lines)
    return row


PARTS = {
    "heads": heads,
    "gradient_errors": gradient_errors,
    "blocks": blocks,
    "imports": imports,
    "communication": communication,
    "growth": growth,
    "retraining": retraining,
}


def main():
    global TORCH
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer sizes and repetitions")
    parser.add_argument("--torch", default=TORCH, help="the Python that has torch and the peers")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="only these")
    args = parser.parse_args()
    TORCH = args.torch
    # A quick run has a file of its own beside the full one; a part alone leaves the others as they were.
    out = OUT.with_name("quick.json") if args.quick else OUT
    results = json.loads(out.read_text()) if out.exists() else {}
    print(json.dumps(machine(), indent=2))
    for name in args.parts or PARTS:
        results[name] = {"machine": machine(), "rows": PARTS[name](args.quick)}
        out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
