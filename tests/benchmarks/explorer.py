"""How fast both explorers answer a hand on a slider, and how well they learn.

    python tests/benchmarks/explorer.py [moves]       # 50 by default; writes book/results/explorer.json

stop: from a move to the end of the run before it. first: to the first new frame. complete: to the last one.
The page is opened from files, with no network, in the browser that the tests use.
"""

import json
import re
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

from marginlab import Trainer, explore
from marginlab.explorer import page as built
from marginlab.training import DEFAULTS

sys.path.insert(0, str(Path(__file__).parents[1]))
import browser as browsers

OUT = Path(__file__).parents[2] / "book" / "results" / "explorer.json"
MARGINS = (0.2, 0.4)
# Looks over the shoulder of the page: when runs are asked for, when frames come and runs stop, what is drawn.
WATCH = """
self.log = []; self.long = []; self.drawn = 0;
const NativeWorker = Worker;
self.Worker = class extends NativeWorker {
    constructor(...args) {
        super(...args);
        this.addEventListener("message", ({data}) => {
            const what = ["frame", "stopped", "done"].find(name => data[name]);
            const arrays = ["embeddings", "directions"].map(name => data.frame?.[name].byteLength ?? 0);
            log.push([performance.now(), what, data.run, arrays[0] + arrays[1]]);
        });
    }
};
addEventListener("input", () => log.push([performance.now(), "move"]), true);
const clear = CanvasRenderingContext2D.prototype.clearRect;
CanvasRenderingContext2D.prototype.clearRect = function (...args) {
    if (this.canvas.className === "mlx-plane") drawn += 1;
    return clear.apply(this, args);
};
new PerformanceObserver(list => list.getEntries().forEach(entry => long.push(entry.duration)))
    .observe({type: "longtask"});
"""


def summary(seconds):
    return {"median": float(np.median(seconds)), "worst": float(np.max(seconds)), "of": len(seconds)}


def in_the_page(moves, folder):
    """Latencies, accuracies, weights and smoothness of the page's own engine."""
    result = Trainer("arcface", frames=20).retrain()
    settings = {"head": "arcface", "naive": None, "seed": 0, "margin": 0.3, "scale": 30.0}
    for name, text in built.files().items():
        (folder / name).write_text(text, encoding="utf-8")
    cell = built.html(settings, result)
    scripts = "".join(f'<script defer src="{name}"></script>' for name in (built.LIGHT, built.SCRIPT))
    (folder / "page.html").write_text(
        f'<!doctype html><meta charset="utf-8">{cell}{scripts}', encoding="utf-8"
    )
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browsers.find(), args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1280, "height": 1000})
        page.context.set_offline(True)
        page.add_init_script(WATCH)
        page.goto((folder / "page.html").as_uri())

        def move(name, value):
            page.evaluate(
                """([name, value]) => {
                    document.querySelector("#explorer").dataset.state = "";
                    const control = document.querySelector(`[name=${name}]`);
                    control.value = value;
                    control.dispatchEvent(new Event("input", {bubbles: true}));
                }""",
                [name, value],
            )

        def reached(state):
            page.wait_for_selector(f"#explorer[data-state={state}]", timeout=120_000)

        move("margin", 0.3)  # fetches the images
        reached("done")
        page.evaluate("log.length = long.length = 0")
        for i in range(moves):
            move("margin", MARGINS[i % 2])
            reached("training")
            page.wait_for_timeout(300)
            if i % 5 == 4:
                reached("done")
        times = {"stop": [], "first": [], "complete": []}
        start, new, size = 0.0, False, 0
        for at, what, *rest in page.evaluate("log"):
            if what == "move":
                start, new = at, True
            elif what == "frame" and new:
                times["first"].append(at - start)
                new, size = False, rest[1]
            elif what == "stopped":
                times["stop"].append(at - start)
            elif what == "done":
                times["complete"].append(at - start)
        page.evaluate("drawn = long.length = 0")
        move("margin", 0.3)
        began = time.perf_counter()
        reached("done")
        rate = page.evaluate("drawn") / (time.perf_counter() - began)
        long = page.evaluate("long")
        accuracies = {}
        for head in DEFAULTS:
            move("head", head)
            for seed in range(5):
                move("seed", seed)
                reached("done")
                words = page.locator(".mlx-say").inner_text()
                accuracies.setdefault(head, []).append(float(re.match(r"[\d.]+", words)[0]) / 100)
        chromium.close()
    return {
        **{name: summary(np.array(values) / 1000) for name, values in times.items()},
        "bytes_a_frame": size,
        "frames_drawn_a_second": rate,
        "tasks_over_50_ms": {"count": len(long), "worst": max(long, default=0) / 1000},
        "accuracies": accuracies,
        "bytes": {"cell": len(cell)} | {name: (folder / name).stat().st_size for name in built.files()},
    }


def in_the_kernel(moves):
    """Latencies of explore() in this process, and what it adds to `Trainer.retrain`."""
    explorer, log = explore("arcface"), []

    def send(content, buffers=None):
        log.append((time.perf_counter(), content, sum(len(part) for part in buffers or [])))

    explorer.drawing.send = send
    trainer = explorer.trainers["arcface", None]
    times, size, plain = {"stop": [], "first": [], "complete": []}, 0, []
    for i in range(moves):
        start = time.perf_counter()
        explorer.sliders["margin"].value = MARGINS[i % 2]
        time.sleep(0.2)
        if i % 5 == 4:
            explorer._thread.join()
            times["complete"].append(time.perf_counter() - start)
            plain.append(trainer.retrain(margin=MARGINS[i % 2]).seconds)
        events = [entry for entry in log if entry[0] > start]
        times["stop"] += [at - start for at, content, _ in events if "settings" in content][:1]
        frames = [(at - start, n) for at, content, n in events if "frame" in content]
        if frames:
            times["first"].append(frames[0][0])
            size = frames[0][1]
    return {
        **{name: summary(values) for name, values in times.items()},
        "bytes_a_frame": size,
        "ratio_to_retrain": float(np.median(times["complete"]) / np.median(plain)),
        "accuracies": {
            head: [Trainer(head).retrain(seed=seed).test_accuracy for seed in range(5)] for head in DEFAULTS
        },
    }


def show(name, row):
    print(name)
    for what in ("stop", "first", "complete"):
        print("  {0:9} median {median:.3f} s, worst {worst:.3f} s of {of}".format(what, **row[what]))
    for head, values in row["accuracies"].items():
        low, middle, high = np.quantile(values, [0, 0.5, 1])
        print(f"  {head:11} median {middle:.2%}, worst {low:.2%}, best {high:.2%}")
    for what, value in row.items():
        if what not in ("stop", "first", "complete", "accuracies"):
            print(f"  {what.replace('_', ' ')}: {value}")
    sys.stdout.flush()


def main(moves=50):
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        rows["page"] = in_the_page(moves, Path(folder))
    show("In the page", rows["page"])
    rows["kernel"] = in_the_kernel(moves)
    show("In the kernel", rows["kernel"])
    OUT.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
