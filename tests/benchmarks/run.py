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
import psutil

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
OUT = HERE / "results.json"
DIRECTIONS = 101  # of the errors of gradients
PEERS = ("pml", "pml-compiled", "insightface", "insightface-compiled")
NAMES = {
    "normface": "NormFace (ours)",
    "sphereface": "SphereFace (ours)",
    "arcface": "ArcFace (ours)",
    "cosface": "CosFace (ours)",
    "demo": "the demo's layer",
    "pml": "pytorch-metric-learning",
    "pml-compiled": "pytorch-metric-learning, torch.compile",
    "insightface": "insightface's formula until December 2022",
    "detached": "insightface's formula since",
    "insightface-compiled": "insightface's formula until December 2022, torch.compile",
    "plain": "plain (logits held)",
    "blockwise": "ArcFace (ours), blockwise",
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

    def memory(self):
        """When it is ready: what it held at rest, and what a step takes more, in MiB."""
        return json.loads(self.process.stdout.readline())

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
        contenders = [Contender(*run) for run in runs]
        for contender in contenders:
            stack.callback(contender.close)
        memories = [contender.memory() for contender in contenders]
        times = [[] for _ in runs]
        for _ in range(repetitions):
            for contender, taken in zip(contenders, times, strict=True):
                time.sleep(0.02)  # PyTorch's threads spin for a while after a step, at the cost of the next
                taken.append(contender.step())
    return [
        {
            "name": name,
            "classes": classes,
            "dim": dim,
            "batch": batch,
            **{clock: summary([t[clock] for t in taken]) for clock in ("wall", "cpu")},
            **memory,
        }
        for (name, classes, dim, batch), memory, taken in zip(runs, memories, times, strict=True)
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
        # At rest? The share of its time that others took in the second before.
        "busy": psutil.cpu_percent(1) / 100,
        "versions": versions,
        "torch_threads": os.cpu_count(),
    }


def heads(quick):
    """Forward and backward at B = 128, d = 512, for ours and the peers."""
    rows = []
    for classes in (10_000,) if quick else (10, 1_000, 10_000, 100_000):
        names = ("normface", "arcface", "pml", "pml-compiled")
        if not quick:
            names = ("normface", "sphereface", "cosface", "arcface", "blockwise", "demo", *PEERS)
        part = race(
            [(name, classes, 512, 128) for name in names], 5 if quick else 15 if classes > 10_000 else 41
        )
        table(
            f"One step of a head: {classes:,} classes, d = 512, B = 128, float32",
            list(shown(part, "normface")),
        )
        rows += part
    return rows


def blocks(quick):
    """Blockwise against plain where both fit, and a million classes."""
    from contender import blockwise_error

    classes = 20_000 if quick else 100_000
    rows = race([(name, classes, 128, 128) for name in ("plain", "blockwise")], 5 if quick else 15)
    table(f"Blockwise cross-entropy: {classes:,} classes, d = 128, B = 128", list(shown(rows, "plain")))
    if not quick:
        for name in ("blockwise", "plain"):
            rows += race([(name, 1_000_000, 128, 128)], 5)
        table("One million classes", list(shown(rows[2:], "plain")))
        for r in rows[2:]:
            print(f"{r['name']}: the whole process held {gib(r):.2f} GiB at its peak")
    return [*rows, {"name": "difference", "classes": classes, "error": blockwise_error(classes, 128, 128)}]


def gib(row):
    """What its whole process held at its peak."""
    return (row["resting_mib"] + row["extra_mib"]) / 1024


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
    if name == "detached":  # its value is the plain cosine past π too, which turns back up
        return -pair.logit(1, MARGIN, 0, 1)[2]
    return pair.logit(1, 0, 0, 1)[2]  # past θ = π - m both fall back on cos θ - m·sin m


def gradient_errors(quick):
    """Relative error of the ArcFace logit's gradient in x, to 50 digits, over random directions.

    Of each form [median, largest]; NaN is the largest there is, and stands as None.
    """
    from exact import Pair, pair_at

    thetas = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 2.0, 3.0, np.pi - 1e-3, np.pi - 1e-6]
    rng, rows, count = np.random.default_rng(0), [], 5 if quick else DIRECTIONS
    for dim in (2,) if quick else (2, 512):
        pairs = [pair_at(theta, dim, "float32", rng) for theta in thetas for _ in range(count)]
        exact = [Pair(*pair) for pair in pairs]
        sent = json.dumps([[v.tolist() for v in pair] for pair in pairs])
        gradients, columns = {}, {}
        for names in (("arcface", "demo"), ("pml", "insightface", "detached")):
            command = [python_of(names[0]), HERE / "contender.py", "errors", *names]
            done = subprocess.run(command, input=sent, stdout=subprocess.PIPE, text=True, check=True)
            gradients |= json.loads(done.stdout)
        for name, found in gradients.items():
            errors = []
            for gradient, pair in zip(found, exact, strict=True):
                truth = own_gradient(name, pair)
                error = np.linalg.norm(gradient - truth) / np.linalg.norm(truth)
                errors.append(error if np.isfinite(gradient).all() else np.inf)
            errors = np.sort(np.reshape(errors, (-1, count)), axis=1)
            columns[name] = [
                [float(v) if np.isfinite(v) else None for v in (row[count // 2], row[-1])] for row in errors
            ]
        part = [
            {"theta": theta, "dim": dim, "directions": count} | {n: v[i] for n, v in columns.items()}
            for i, theta in enumerate(thetas)
        ]
        shown_rows = [
            {"θ": f"{r['theta']:.6g}"}
            | {NAMES[n]: " ".join("NaN" if v is None else f"{v:.1e}" for v in r[n]) for n in columns}
            for r in part
        ]
        table(f"Error of the gradient in x, d = {dim}, float32, each against its own function", shown_rows)
        rows += part
    return rows


def imports(quick):
    """Seconds to import what a user imports of the package, and tensorflow, in fresh processes, in turn."""
    lines = {"tensorflow": "import tensorflow"}
    lines["marginlab"] = "from marginlab import heads, MarginClassifier, Trainer, load_mnist"
    times = {name: {"wall": [], "cpu": []} for name in lines}
    code = "import time; {}; print(time.process_time())"
    for _ in range(5 if quick else 9):
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


def timed(runs, repetitions):
    """Medians of what functions take in turn, in this process, after one time each: (len(runs),) by clock."""
    times = np.empty((repetitions + 1, len(runs), 2))
    for row in times:
        for i, run in enumerate(runs):
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            row[i] = time.perf_counter() - wall, time.process_time() - cpu
    return dict(zip(("wall", "cpu"), np.median(times[1:], axis=0).T.tolist(), strict=True))


def growth(quick):
    """How a step grows with C, d and B, and a retraining with its frames and with how many trainers live."""
    from contender import by_tensorflow

    base = {"classes": 10_000, "dim": 256, "batch": 128}
    sweeps = {
        "classes": (4_000, 16_000, 64_000) if quick else (4_000, 8_000, 16_000, 32_000, 64_000, 128_000),
        "dim": (128, 256, 512) if quick else (64, 128, 256, 512, 1024),
        "batch": (64, 128, 256) if quick else (64, 128, 256, 512, 1024),
    }
    rows = []
    for what, sizes in sweeps.items():
        runs = [by_tensorflow("arcface", *(base | {what: size}).values()) for size in sizes]
        rows.append((what, sizes, timed(runs, 5 if quick else 9)))
    if not quick:
        from marginlab import Trainer

        sizes = (10, 20, 40, 80)
        rows.append(("frames", sizes, timed([Trainer("arcface", frames=n).retrain for n in sizes], 5)))
        sizes, living, taken = (1, 2, 4, 8), [], {"wall": [], "cpu": []}
        for size in sizes:
            living += [Trainer("arcface") for _ in range(size - len(living))]
            for clock, (median,) in timed([living[-1].retrain], 5).items():
                taken[clock].append(median)
        rows.append(("trainers", sizes, taken))
    rows = [
        {"what": what, "sizes": list(sizes)}
        | taken
        | {f"{clock}_slope": slope(sizes, values) for clock, values in taken.items()}
        for what, sizes, taken in rows
    ]
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


def the_demo(x, y):
    """The demo's network with its CosFace layer, compiled, as it trains: batches of 32, three epochs."""
    import keras

    from marginlab.reproduce import SECTIONS, DemoModel

    keras.utils.set_random_seed(1)
    demo = DemoModel(next(s for s in SECTIONS if s.name == "CosFace").layer())
    demo.compile(optimizer="adam", jit_compile=False)  # the faster of the two for this network
    demo.fit(x[:3200], y[:3200], batch_size=32, verbose=0)
    return demo


def retraining(quick):
    """One head on all 60,000 images, against the demo's training and the floor of its matrix products."""
    import keras
    from contender import gemm_rate

    from marginlab import MarginClassifier, Trainer, encoders, load_mnist
    from marginlab import heads as layers

    (x, y), _ = load_mnist()
    trainer = Trainer("arcface")
    trainer.retrain()
    demo = the_demo(x, y)
    ours = MarginClassifier(encoders.fast(), layers.ArcFace(10, margin=0.3, scale=30.0))
    ours.compile(optimizer=keras.optimizers.Adam(0.003))
    # What is timed is an epoch, or a part of one: the first trace and compilation are left out.
    share = 10 if quick else 1
    ours.fit(x[:12000], y[:12000], batch_size=120, verbose=0)
    times = {"demo": [], "stock fit": [], "retrain": []}
    for _ in range(2 if quick else 5):
        n = len(x) // share
        for name, model, batch, epochs in (("demo", demo, 32, 3), ("stock fit", ours, 120, trainer.epochs)):
            start = time.perf_counter()
            model.fit(x[:n], y[:n], batch_size=batch, verbose=0)
            times[name].append(share * epochs * (time.perf_counter() - start))
        for seed in range(3):
            times["retrain"].append(trainer.retrain(seed=seed).seconds)
    # Two operations a multiply-add; forward, and two products backward, less that by the images.
    shapes = [w.shape for w in trainer._tail.trainable_weights if len(w.shape) == 2]
    adds = sum(3 * a * b for a, b in shapes) - shapes[0][0] * shapes[0][1]
    rate = gemm_rate()
    one_core = subprocess.run(
        [sys.executable, HERE / "contender.py", "gemm"], stdout=subprocess.PIPE, check=True
    )
    row = {name: summary(taken) for name, taken in times.items()}
    row["gemm_gflops"], row["gemm_gflops_one_core"] = rate / 1e9, float(one_core.stdout) / 1e9
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
    rates = f"{rate / 1e9:.0f} GFLOP/s, on one core {row['gemm_gflops_one_core']:.0f}"
    table(f"Training on 60,000 images; large matrix products run at {rates}", lines)
    return row


# ---- The bars ----------------------------------------------------------------------------------


def bars(results):
    """What was asked for, for each part that was measured: the figure, the bar, and whether it is met."""
    found = {name: part["rows"] for name, part in results.items() if name in PARTS}
    out = []

    def bar(what, figure, at_most=None, at_least=None):
        met = figure <= at_most if at_least is None else figure >= at_least
        wanted = f"≤ {at_most:g}" if at_least is None else f"≥ {at_least:g}"
        out.append({"what": what, "figure": float(figure), "bar": wanted, "met": bool(met)})

    if row := found.get("retraining"):
        seconds = {name: row[name]["median"] for name in ("demo", "retrain")}
        bar("the demo's training, in retrainings", seconds["demo"] / seconds["retrain"], at_least=50)
        bar("a retraining, in floors of its products", seconds["retrain"] / row["floor_seconds"], 2)
    for classes in sorted({row["classes"] for row in found.get("heads", [])}):
        rows = {row["name"]: row for row in found["heads"] if row["classes"] == classes}
        for clock in ("wall", "cpu"):
            time_of = {name: row[clock]["median"] for name, row in rows.items()}
            if classes >= 10_000:
                for name in {"sphereface", "cosface", "arcface"} & {*rows}:
                    ratio = time_of[name] / time_of["normface"]
                    bar(f"{NAMES[name]} over NormFace, C = {classes:,}, {clock}", ratio, 1.05)
            if classes == 100_000:
                best = min(time_of["pml"], time_of["pml-compiled"])
                bar(
                    f"ArcFace over pytorch-metric-learning, C = {classes:,}, {clock}",
                    time_of["arcface"] / best,
                    0.4,
                )
        if classes == 100_000:
            least = min(rows["pml"]["extra_mib"], rows["pml-compiled"]["extra_mib"])
            for name in ("arcface", "blockwise"):
                bar(f"extra memory of {NAMES[name]}, over theirs", rows[name]["extra_mib"] / least, 0.5)
    if rows := found.get("gradient_errors"):
        # The bar of tests/test_numerics.py, where it says anything.
        worst = 0
        for row in rows:
            bound = 1e-5 + 3e-7 * row["dim"] ** 0.5 / min(row["theta"], np.pi - row["theta"])
            if bound < 0.5:
                worst = max(worst, row["arcface"][1] / bound)
        bar("ArcFace's gradient error over its bound 1e-5 + 3e-7·√d / min(θ, π - θ)", worst, 1)
    if rows := found.get("blocks"):
        plain, blockwise = rows[:2]
        for clock in ("wall", "cpu"):
            ratio = blockwise[clock]["median"] / plain[clock]["median"]
            bar(f"blockwise over plain, C = {plain['classes']:,}, {clock}", ratio, 1.3)
        bar("difference of their losses and gradients", rows[-1]["error"], 1e-5)
        for row in rows[2:-1]:
            if row["name"] == "blockwise":
                bar("GiB of the whole process at a million classes", gib(row), 6)
    if rows := found.get("imports"):
        seconds = {row["name"]: row["cpu"]["median"] for row in rows}
        bar("import of marginlab over tensorflow, cpu", seconds["marginlab"] / seconds["tensorflow"], 1.05)
    for row in found.get("growth", []):
        bar(f"growth with {row['what']}, slope of cpu", row["cpu_slope"], 1.1)
    return out


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
    results = json.loads(out.read_text()) if args.parts and out.exists() else {}
    print(json.dumps(machine(), indent=2))
    for name in args.parts or PARTS:
        here, start = machine(), time.perf_counter()
        rows = PARTS[name](args.quick)
        seconds = time.perf_counter() - start
        print(f"({name}: {seconds:.0f} s; in the second before, the machine was {here['busy']:.0%} busy)")
        results[name] = {"machine": here, "seconds": seconds, "rows": rows}
        results["bars"] = bars(results)
        out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    words = [
        {"": b["what"], "figure": b["figure"], "bar": b["bar"], "met": "met" if b["met"] else "not met"}
        for b in results["bars"]
    ]
    table("The bars", words)


if __name__ == "__main__":
    main()
