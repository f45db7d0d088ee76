"""The explorer in a built page: what a notebook cell leaves in it, and the files that bring it to life.

A page has no kernel. What `html` gives is shown as it is where there is no JavaScript, and
is taken over by page.js where there is; `files` are the scripts that a book serves beside it.
The runs are a kernel's; `rerun` puts the page's own runs of the same settings in their places.
"""

import base64
import functools
import gzip
import hashlib
import html as escaping
import io
import json
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from marginlab import plots
from marginlab.data import load_mnist, shown_images
from marginlab.explorer import bundle

__all__ = [
    "CELL",
    "CLASS",
    "DATA",
    "FINEST",
    "FIRST",
    "HEAVY",
    "LIGHT",
    "SAMPLE",
    "SCRIPT",
    "files",
    "html",
    "images",
    "pixels",
    "rerun",
    "version",
]


CLASS = "marginlab-explorer"
SAMPLE = 1000  # of the test images: those that a Trainer's frames show
FINEST = 2047  # the largest coordinate of a frame, as the page has it: less than a tenth of a px each
SPARSE = 3  # explorers that stand side by side bring every third frame, and a page has 3 MB at most
FIRST, HEAVY = "marginlab-first.js", "marginlab-all.js"
LIGHT, SCRIPT = "marginlab-sample.js", "marginlab-explorer.js"


def html(settings: dict[str, Any], result: Any, group: str | None = None, short: bool = False) -> str:
    """A run as an explorer in a page: a strip of pictures and a table, and behind them the run's frames.

    Args:
        settings: {head, margin or m1, m2, m3, scale, seed, naive}, as the sliders had them at the start, and
            of "own" {psi, m, a, b}; and moves, where the run goes on from another: [{margin: 0.5}, …].
        result: the `Result` of such a run by a `Trainer`, or its `engine.Run`; frames show 1,000 test images.
        group: explorers of one page with the same group keep the same time.
        short: whether it comes as the plane, one slider and four buttons, with the rest behind "more",
            and plays its run on arrival. For ArcFace.

    Returns:
        HTML of some 110 kB, and half of that in a group.

    Raises:
        ValueError: for frames of other than 1,000 test images.
    """
    frames = result.frames
    if len(frames[0].labels) != SAMPLE:
        raise ValueError(f"result must have frames of {SAMPLE} test images, got {len(frames[0].labels)}")
    words = result.explain()
    if group is not None and len(frames) > 10:
        frames = frames[(len(frames) - 1) % SPARSE :: SPARSE]
    keep = ("head", "psi", "margin", "m1", "m2", "m3", "m", "a", "b", "scale", "seed", "naive", "moves")
    run = {
        "settings": {name: settings[name] for name in keep if name in settings},
        "words": words,
        "group": group,
        "short": short,
        "frames": [_packed(frame) for frame in frames],
    }
    now = functools.reduce(dict.__or__, settings.get("moves", []), run["settings"])
    numbers = [f"{k} {v:g}" for k, v in now.items() if k not in ("head", "psi", "naive", "moves")]
    title = ", ".join([*(["ψ(θ) = " + now["psi"]] if "psi" in now else []), *numbers])
    name = run["settings"]["head"]
    picks = frames[0], frames[-1]
    alt = (
        f"Training {name} ({title}) in small multiples: {SAMPLE} test digits in the plane at "
        f"steps {picks[0].step} to {picks[1].step}. {words}"
    )
    strip = _strip(frames, 5 if group is None else 3)
    # "</" would end the script; in JSON it may be written "<\/".
    data = json.dumps(run, separators=(",", ":")).replace("</", "<\\/")
    # The theme gives a cell's HTML a white ground in the dark.
    return f"""<div class="{CLASS}">
<style>html[data-theme=dark] .bd-content div.cell_output .text_html:has(div.{CLASS}) {{
background: none; color: inherit; padding: 0; }}</style>
<script type="application/json">{data}</script>
<div class="marginlab-still"><img src="data:image/png;base64,{strip}" alt="{escaping.escape(alt)}">
<p>{escaping.escape(words)}
With JavaScript this picture has sliders, and a network that retrains as they move.</p></div>
{_table(frames)}
</div>"""


CELL = re.compile(rf'<div class="{CLASS}">\n<style>.*?</tbody></table></details>\n</div>', re.DOTALL)
DATA = re.compile(r'<script type="application/json">(.*?)</script>', re.DOTALL)


def rerun(cells: str, run: Callable) -> str:
    """HTML in which each explorer of the HTML `cells` shows another run of its settings, run(settings)."""

    def again(cell):
        found: Any = DATA.search(cell[0])
        data = json.loads(found[1])
        return html(data["settings"], run(data["settings"]), data["group"], data["short"])

    return CELL.sub(again, cells)


def _packed(frame):
    """A frame in some 4 kB: of each embedding two shares of the largest coordinate, 12 bits each, base64."""
    reach = float(np.abs(frame.embeddings).max()) or 1.0
    x, y = np.rint(frame.embeddings / reach * FINEST).astype(int).T + FINEST + 1
    pairs = x << 12 | y
    shares = np.stack([pairs >> 16, pairs >> 8 & 255, pairs & 255], axis=1).astype("uint8")
    linear = getattr(frame, "linear", None)  # of plain softmax, and not every trainer keeps it
    rows = {} if linear is None else {"linear": np.round(linear, 5).ravel().tolist()}
    return rows | {
        "step": frame.step,
        "loss": round(frame.loss, 6) if math.isfinite(frame.loss) else None,  # JSON has no NaN
        "died": getattr(frame, "died", None),
        "accuracy": round(frame.accuracy, 6),
        "reach": reach,
        "embeddings": base64.b64encode(shares.tobytes()).decode(),
        "directions": np.round(frame.class_directions, 5).ravel().tolist(),
    }


def _strip(frames, columns):
    """A few moments side by side, in 64 colours: a quarter of the bytes of all."""
    drawn, buffer = io.BytesIO(), io.BytesIO()
    with plots.styled():
        figure = plots.frame_strip(frames, columns=columns)
        figure.savefig(drawn, format="png", dpi=110)
    plots.plt.close(figure)
    few = Image.open(drawn).convert("RGB").quantize(64, dither=Image.Dither.NONE)
    few.save(buffer, format="png", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def _table(frames):
    row = "<tr><td>{}</td><td>{:.4f}</td><td>{:.2%}</td></tr>".format
    names = ("step", "training loss", "test images right")
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    rows = "\n".join(row(frame.step, frame.loss, frame.accuracy) for frame in frames)
    return f"""<details class="marginlab-numbers"><summary>The numbers of this run</summary>
<table><thead><tr>{head}</tr></thead>
<tbody>
{rows}
</tbody></table></details>"""


def files() -> dict[str, str]:
    """The scripts of a page with an explorer, by name: its code, the images shown, 6,000 more, and all."""
    return {SCRIPT: _script(), LIGHT: _sample(), FIRST: _packed_images("first"), HEAVY: _packed_images("all")}


def _script():
    """The modules of a page as one script for a file:// page; those that train go into a worker too."""
    start = f'$page.start(document.currentScript.src, {bundle.standalone("worker")}, "{version()}");'
    return bundle.script(start, "worker", "page")


@functools.cache
def version() -> str:
    """Names the engine in a receipt, by its program, tables and images: 12 hexadecimal digits."""
    return hashlib.sha256(bundle.bundle("worker").encode() + images()).hexdigest()[:12]


def pixels(x: np.ndarray) -> np.ndarray:
    """Images as the explorer has them, ``(n, 28, 28) -> (n, 196)``: 14 × 14 means in 16 shades."""
    return np.rint(x.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)) / 17).astype("uint8").reshape(-1, 196)


def _pairs(x):
    """The pixels of images, two a byte."""
    shades = pixels(x)
    return (shades[:, ::2] << 4 | shades[:, 1::2]).tobytes()


def _base64(data):
    return base64.b64encode(data).decode()


def _sample():
    _, (x, y) = load_mnist()
    shown = shown_images(SAMPLE)
    labels, pairs = "".join(map(str, y[shown])), _base64(_pairs(x[shown]))
    return f'self.marginlabSample = {{ labels: "{labels}", images: "{pairs}" }};\n'


@functools.cache
def images(which: str = "all") -> bytes:
    """The "first" images or "all" of MNIST in bytes, as worker.js reads them.

    Two pixels a byte, then labels, then which test images are shown.
    """
    (x, y), (x_test, y_test) = load_mnist()
    shown = shown_images(SAMPLE)
    if which == "first":
        many = bundle.IMAGES[which]["train"]
        x, y, x_test, y_test = x[:many], y[:many], x_test[shown], y_test[shown]
        shown = np.arange(SAMPLE)
    parts = [_pairs(x), _pairs(x_test), y.tobytes(), y_test.tobytes(), shown.astype("<u2").tobytes()]
    return b"".join(parts)


@functools.cache
def _packed_images(which):
    data = _base64(gzip.compress(images(which), 6, mtime=0))
    return f'(self.marginlabImages ??= {{}}).{which} = "{data}";\n'
