"""How fast both explorers answer a hand on a slider, and how well they learn.

    python tests/benchmarks/explorer.py             # all three parts, in a quarter of an hour
    python tests/benchmarks/explorer.py page        # one alone; book/results/explorer.json keeps the others

Each move is made while a run trains. stop: from the move to the end of that run. first: to the first
frame of a run that is newer. complete: to that one's end.
The page is opened from files, with no network, in the browser that the tests use.

arriving: whoever comes to a page and moves a slider at once. From the navigation to the first frame of a run
of their own, to the first one of a run with all images, and to that one's end; from a file, and from a server
at 10 Mbit/s with a processor four times slower (the browser slows the page so, and not its worker).
"""

import functools
import http.server
import itertools
import re
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
from parts import write
from playwright.sync_api import sync_playwright
from run import the_demo

from marginlab import Trainer, explore, load_mnist
from marginlab.explorer import page as built
from marginlab.family import FAMILY

sys.path.insert(0, str(Path(__file__).parents[1]))
import browser as browsers

MOVES, SEEDS = 50, range(5)
BEFORE, MARGINS = 0.25, (0.2, 0.4)
# Looks over the page's shoulder: which runs are asked for, what comes of them, what is drawn, what blocks.
WATCH = """
self.log = []; self.newest = 0; self.long = []; self.drawn = 0;
const NativeWorker = Worker;
self.Worker = class extends NativeWorker {
    constructor(...args) {
        super(...args);
        this.addEventListener("message", ({data}) => {
            const what = ["frame", "stopped", "done"].find(name => data[name]);
            const arrays = ["embeddings", "directions"].map(name => data.frame?.[name].byteLength ?? 0);
            log.push([performance.now() / 1000, what, data.run, arrays[0] + arrays[1]]);
        });
    }
    postMessage(message, ...rest) {
        newest = message.run ?? newest;
        super.postMessage(message, ...rest);
    }
};
const clear = CanvasRenderingContext2D.prototype.clearRect;
CanvasRenderingContext2D.prototype.clearRect = function (...args) {
    if (this.canvas.className === "mlx-plane") drawn += 1;
    return clear.apply(this, args);
};
new PerformanceObserver(list => list.getEntries().forEach(entry => long.push(entry.duration / 1000)))
    .observe({type: "longtask"});
"""
MOVE = """([name, value, counted]) => {
    document.querySelector("#explorer").dataset.state = "";
    const control = document.querySelector(`[name=${name}]`);
    control.value = value;
    if (counted) log.push([performance.now() / 1000, "move", newest, 0]);
    control.dispatchEvent(new Event("input", {bubbles: true}));
}"""


def summary(seconds):
    return {"median": float(np.median(seconds)), "worst": float(np.max(seconds)), "of": len(seconds)}


# When the first frame of each run came, and the end of the last.
ARRIVE = """
self.came = {};
const NativeWorker = Worker;
self.Worker = class extends NativeWorker {
    constructor(...args) {
        super(...args);
        this.addEventListener("message", ({data}) => {
            const what = data.frame ? `run ${data.run}` : data.done ? `end ${data.run}` : null;
            if (what) came[what] ??= performance.now() / 1000;
        });
    }
};
"""


def arriving(folder, times=5):
    """Seconds from the navigation: {from a file, from a server: {first, whole, end: median and worst}}."""
    write_page(folder)
    handler = functools.partial(_Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    places = {
        "from a file": ((folder / "page.html").as_uri(), None),
        "10 Mbit/s, 4 times slower": (f"http://127.0.0.1:{server.server_port}/page.html", 10e6 / 8),
    }
    rows = {}
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browsers.find(), args=["--no-sandbox"])
        for place, (address, rate) in places.items():
            came = [_arrive(chromium, address, rate) for _ in range(times)]
            named = {"first": "run 1", "whole": "run 2", "end": "end 2"}
            rows[place] = {name: summary([each[what] for each in came]) for name, what in named.items()}
        chromium.close()
    server.shutdown()
    return rows


def _arrive(chromium, address, rate):
    page = chromium.new_page(viewport={"width": 1280, "height": 800})
    page.add_init_script(ARRIVE)
    if rate:
        slow = page.context.new_cdp_session(page)
        slow.send("Network.enable")
        network = {"offline": False, "latency": 40, "downloadThroughput": rate, "uploadThroughput": rate}
        slow.send("Network.emulateNetworkConditions", network)
        slow.send("Emulation.setCPUThrottlingRate", {"rate": 4})
    page.goto(address)
    page.evaluate(MOVE, ["margin", 0.4, False])
    page.wait_for_selector("#explorer[data-state=done]", timeout=120_000)
    came = page.evaluate("came")
    page.close()
    return came


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def latencies(log):
    """Of events (second, what, run, bytes): how soon after each "move" what was asked for came.

    The run of a "move" is the newest that there was; a frame of it that comes late counts for nothing.
    """
    times = {"stop": [], "first": [], "complete": []}
    moves = [i for i, (_, what, *_) in enumerate(log) if what == "move"]
    for i, end in itertools.pairwise([*moves, len(log)]):
        start, _, old, _ = log[i]
        for name, wanted, new in (("stop", "stopped", 0), ("first", "frame", 1), ("complete", "done", 1)):
            times[name] += [
                t - start for t, what, run, _ in log[i:end] if what == wanted and (run > old) == new
            ][:1]
    return {name: summary(values) for name, values in times.items()} | {
        "bytes_a_frame": max(log, key=lambda e: e[3])[3]
    }


def write_page(folder):
    """A page with an explorer, and its files. Returns the explorer's HTML."""
    result = Trainer("arcface", frames=20).retrain()
    settings = {"head": "arcface", "naive": None, "seed": 0, "margin": 0.3, "scale": 30.0}
    for name, text in built.files().items():
        (folder / name).write_text(text, encoding="utf-8")
    cell = built.html(settings, result)
    scripts = "".join(f'<script defer src="{name}"></script>' for name in (built.LIGHT, built.SCRIPT))
    (folder / "page.html").write_text(
        f'<!doctype html><meta charset="utf-8">{cell}{scripts}', encoding="utf-8"
    )
    return cell


def demo_seconds():
    """Its three epochs, by the time of one: beside the page's run, on the same machine."""
    (x, y), _ = load_mnist()
    demo, start = the_demo(x, y), time.perf_counter()
    demo.fit(x, y, batch_size=32, verbose=0)
    return 3 * (time.perf_counter() - start)


def in_the_page(moves, folder):
    """Latencies, accuracies, weights and smoothness of the page's own engine."""
    cell = write_page(folder)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browsers.find(), args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1280, "height": 1000})
        page.context.set_offline(True)
        page.add_init_script(WATCH)
        page.goto((folder / "page.html").as_uri())

        def move(name, value, counted=False):
            page.evaluate(MOVE, [name, value, counted])

        def reached(state):
            page.wait_for_selector(f"#explorer[data-state={state}]", timeout=120_000)

        move("margin", BEFORE)  # fetches the images
        reached("done")
        page.evaluate("drawn = long.length = log.length = 0")
        began = time.perf_counter()
        for i in range(moves):
            move("margin", BEFORE)
            reached("training")
            page.wait_for_timeout(300)
            move("margin", MARGINS[i % 2], counted=True)
            reached("done")
        rate = page.evaluate("drawn") / (time.perf_counter() - began)
        log, long = page.evaluate("[log, long]")
        accuracies = {}
        for head in FAMILY:
            move("head", head)
            for seed in SEEDS:
                move("seed", seed)
                reached("done")
                words = page.locator(".mlx-say").inner_text()
                accuracies.setdefault(head, []).append(float(re.match(r"[\d.]+", words)[0]) / 100)
        chromium.close()
    return latencies(log) | {
        "the_demos_own_training_s": demo_seconds(),
        "frames_drawn_a_second": rate,
        "tasks_over_50_ms": {"count": len(long), "worst": max(long, default=0)},
        "accuracies": accuracies,
        "bytes": {"cell": len(cell)} | {name: (folder / name).stat().st_size for name in built.files()},
    }


def in_the_kernel(moves):
    """Latencies of explore() in this process, what it adds to `Trainer.retrain`, and what it keeps."""
    explorer, log = explore("arcface"), []
    margin, trainer, send = (
        explorer.sliders["margin"],
        explorer.trainers["arcface", None],
        explorer.drawing.send,
    )

    def watched(content, buffers=None):
        if "frame" in content:
            log.append((time.perf_counter(), "frame", content["id"], sum(len(part) for part in buffers)))
        send(content, buffers)

    explorer.drawing.send = watched
    for i in range(moves):
        margin.value, many = BEFORE, len(log)
        while len(log) == many:
            time.sleep(0.001)
        time.sleep(0.1)
        training, old = explorer._thread, explorer.drawing._id
        log.append((time.perf_counter(), "move", old, 0))
        margin.value = MARGINS[i % 2]
        training.join()
        log.append((time.perf_counter(), "stopped", old, 0))
        explorer._thread.join()
        log.append((time.perf_counter(), "done", explorer.drawing._id, 0))

    ratios, resident = [], {}
    for i in range(4 * moves):
        start = time.perf_counter()
        margin.value = MARGINS[i % 2]
        explorer._thread.join()
        if i < moves:
            ratios.append((time.perf_counter() - start) / trainer.retrain(margin=MARGINS[i % 2]).seconds)
        resident[i + 1] = psutil.Process().memory_info().rss
    return latencies(log) | {
        "ratio_to_retrain": float(np.median(ratios)),
        "resident_bytes_after_retrainings": {n: resident[n] for n in (max(moves // 5, 1), 4 * moves)},
        "accuracies": {
            head: [Trainer(head).retrain(seed=seed).test_accuracy for seed in SEEDS] for head in FAMILY
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


def show_arriving(rows):
    for place, row in rows.items():
        print(place)
        for what, of in row.items():
            print("  {0:9} median {median:.1f} s, worst {worst:.1f} s of {of}".format(what, **of))
    sys.stdout.flush()


def shown(part, measured):
    """A part that shows what it has measured, in a folder of its own."""

    def run():
        with tempfile.TemporaryDirectory() as folder:
            rows = measured(Path(folder))
        show_arriving(rows) if part == "arriving" else show(f"In the {part}", rows)
        return rows

    return part, run


if __name__ == "__main__":
    parts = {
        "page": lambda folder: in_the_page(MOVES, folder),
        "arriving": arriving,
        "kernel": lambda folder: in_the_kernel(MOVES),
    }
    write("explorer", dict(shown(*each) for each in parts.items()), SEEDS)
