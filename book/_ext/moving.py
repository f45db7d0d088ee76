"""Figures that move: in the built page some pictures get sliders, by the functions of `book/figures`.

Notebooks hold none of it. A figure belongs to a cell, by the cell's id. Where the cell shows a picture,
that picture makes way for the one that moves; where it shows a table, the table stays and a picture comes
after it, drawn here by the page's own functions. Without scripts and on paper the pictures stand as they are.

Colours and names of heads come from `plots` and `family`; what a figure needs of a trained run is trained
here, and kept beside the built book until something that it rests on changes.
"""

import hashlib
import html
import inspect
import json
import re
import urllib.parse
from pathlib import Path
from typing import Any

import numpy as np
from docutils import nodes
from nbformat.v4 import new_markdown_cell
from sphinx.errors import ExtensionError
from translated import _, script_words

LESSON = re.compile(r"lessons/\w+/lesson$")
MODULES = Path(__file__).parents[1] / "figures"
CLASS, SCRIPT, MARK = "marginlab-figure", "marginlab-figures.js", "marginlab-moves"
# The cell's id, the name of its figure in book/figures/figures.js, and, where the cell has no picture, what
# the one that comes after it shows.
CELLS = (
    ("two-dimensions-22", "digit-by-digit", ""),
    (
        "softmax-10",
        "stretch",
        "A thousand test images in the plane, and their mean loss against the stretch.",
    ),
    (
        "normface-07",
        "lowest",
        "The lowest loss against the scale, in the plane and with room for all classes.",
    ),
    ("sphereface-13", "past-pi", "How far test images are from their classes, and ψ, unrolled and plain."),
    (
        "cosface-11",
        "directions",
        "Class directions around a circle, and the image of each that has most room.",
    ),
    ("34eb6c3d", "guards", "The error of the gradient against the angle, for two clips and the sine."),
    ("arcface-25", "patches", ""),
    ("one-equation-08", "asks", ""),
    ("beyond-mnist-07", "memory", "The memory of directions and of logits against the number of classes."),
    ("283b238f", "exchanged", "What devices exchange against the number of classes, copied and spread."),
    ("beyond-mnist-13", "half", "The angle that is read against the angle, for three types: stairs."),
)
FIGURES = {cell: name for cell, name, _ in CELLS}
SHOWS = {name: shows for _, name, shows in CELLS}
MOMENTS = (0, 1, 2, 4, 9, 19, 49, 99)  # of the hundred frames of a run
SHOWN = 1000  # of the test images


def look() -> dict[str, Any]:
    """Colours and names, from the tables of the package."""
    from marginlab import plots
    from marginlab.family import FAMILY

    colours = {"ink": plots.INK, "faint": plots.FAINT, "palette": plots.PALETTE, "colours": plots.COLOURS}
    return colours | {"titles": {head: member.title for head, member in FAMILY.items()}}


def _light(text):
    """Without spaces that code does not need."""
    text = re.sub(r"\{ ([\w, ]+) \}", r"{\1}", text).replace(" => ", "=>")
    return re.sub(r"(?<=[,;{(\[])\n+|\n(?=\n)", "", text)  # every statement has its semicolon


def script() -> str:
    """The one script of the pages that have figures."""
    from marginlab.explorer import bundle

    start = f"$page.start({json.dumps(look(), ensure_ascii=False, separators=(',', ':'))});"
    return _light(bundle.script(start, "page", here=MODULES))


def stills(data: dict[str, Any], words: str = "") -> dict[str, dict[str, str]]:
    """Of each figure its first picture {svg, says}, by the page's own functions.

    data: of those that show a trained run what they need of it. words: the script with the page's language.
    """
    from marginlab.explorer.bundle import bundle
    from marginlab.explorer.engine import v8

    racer: Any = v8()
    try:
        racer.eval(f"{words}; 0")
        racer.eval(f"globalThis.F = (() => {{ {bundle('still', here=MODULES)}\nreturn $still; }})(); 0")
        asked = [[name, look(), data.get(name)] for name in FIGURES.values()]
        found = racer.eval(f"JSON.stringify({json.dumps(asked)}.map(each => F.still(...each)))")
    finally:
        racer.close()
    return dict(zip(FIGURES.values(), json.loads(found), strict=True))


def stretched() -> dict[str, Any]:
    """The run of chapter 1 without a bias.

    x, ``(1000, 2)`` embeddings of test images; y, ``(1000,)``; w, ``(10, 2)``; reach, half the window of x.
    """
    from marginlab import Trainer, heads, load_mnist
    from marginlab.data import shown_images

    head = heads.Softmax(num_classes=10, use_bias=False)
    shown = shown_images(SHOWN)
    x = Trainer(head, seed=0).retrain().test_embeddings[shown].astype("float64")
    y = load_mnist()[1][1][shown]
    reach = 2 * float(np.quantile(np.abs(x), 0.99))
    w = head.class_directions.numpy().astype("float64")
    return {"x": np.round(x, 2).tolist(), "y": y.tolist(), "w": np.round(w, 4).tolist(), "reach": reach}


def past_pi(margin: float = 1.5) -> dict[str, Any]:
    """A run of the page's own engine, at eight moments.

    steps, ``(8,)``; angles, ``(8, 1000)`` of test images to their classes, sorted, in tenths of a degree.
    """
    from marginlab import reference
    from marginlab.explorer import engine

    settings = {"head": "sphereface", "margin": margin, "scale": 10.0, "seed": 0, "naive": None}
    with engine.Engine() as started:
        every = started.run(settings).frames
    frames = [every[k] for k in MOMENTS]
    angles = [
        np.sort(np.degrees(reference.angle(f.embeddings, f.class_directions[f.labels])) * 10) for f in frames
    ]
    tenths = [np.round(each).astype(int).tolist() for each in angles]
    return {"steps": [f.step for f in frames], "angles": tenths, "margin": margin}


RUNS = {"stretch": stretched, "past-pi": past_pi}


def _rests_on():
    """What the runs rest on: what trains, in Python and in the page, and how it is asked here."""
    package = Path(__file__).parents[2] / "marginlab"
    found = hashlib.sha256("".join(map(inspect.getsource, RUNS.values())).encode() + bytes(MOMENTS))
    for path in sorted([*package.glob("*.py"), *package.glob("explorer/js/*.js")]):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def data(kept: Path) -> dict[str, Any]:
    """What the figures show of trained runs, trained where it is not kept in this folder."""
    path = kept / f"figures-{_rests_on()}.json"
    if not path.exists():
        kept.mkdir(parents=True, exist_ok=True)
        found = {name: run() for name, run in RUNS.items()}
        path.write_text(json.dumps(found, separators=(",", ":")), encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))


def marked(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The cells of a lesson, with a mark before each that has a figure.

    A tag of the cell would say the same, and the cache of executed pages would no longer know the page.
    """
    out = []
    for cell in cells:
        name = FIGURES.get(cell.get("id", "")) if cell["cell_type"] == "code" else None
        if name:
            out.append(
                new_markdown_cell(f'<div class="{MARK}" data-figure="{name}"></div>', id=f"moves-{name}")
            )
        out.append(cell)
    return out


def _mark(app, docname, source):
    if LESSON.match(docname):
        for path in MODULES.glob("*.js"):  # by which first pictures are drawn
            app.env.note_dependency(str(path))
        notebook = json.loads(source[0])
        notebook["cells"] = marked(notebook["cells"])
        source[0] = json.dumps(notebook)


def _raw(text):
    return nodes.raw("", text, format="html")


def _wrap(app, doctree):
    """Puts each figure in the place of its mark: around its cell's picture, or after its cell."""
    known = app.marginlab_figures
    for mark in [node for node in doctree.findall(nodes.raw) if f'class="{MARK}"' in node.astext()]:
        name = re.search(r'data-figure="([\w-]+)"', mark.astext())[1]
        parent, at = mark.parent, mark.parent.index(mark)
        cell = next(node for node in parent.children[at:] if "cell" in node.get("classes", ()))
        given = json.dumps(known[name]["data"], separators=(",", ":")).replace("</", "<\\/")
        needs = f'<script type="application/json">{given}</script>' if known[name]["data"] else ""
        opening = f'<div class="{CLASS}" data-figure="{name}">{needs}<div class="marginlab-still">'
        parent.remove(mark)
        picture = next(iter(_pictures(cell)), None)
        if picture is not None:
            beside = picture.parent
            beside.insert(beside.index(picture), _raw(opening))
            beside.insert(beside.index(picture) + 1, _raw("</div></div>"))
            continue
        svg = urllib.parse.quote(known[name]["svg"], safe=" =:/(),;'!*")
        alt = html.escape(f"{_(SHOWS[name])} {known[name]['says']}")
        image = f'<img alt="{alt}" loading="lazy" src="data:image/svg+xml,{svg}">'
        parent.insert(parent.index(cell) + 1, _raw(f"{opening}{image}</div></div>"))


def _pictures(cell):
    for bundle in cell.findall(nodes.container):
        if bundle.get("nb_element") == "mime_bundle" and next(iter(bundle.findall(nodes.image)), None):
            yield bundle


def _prepare(app):
    app.marginlab_figures = {}
    try:
        needed = data(Path(app.doctreedir).parent / ".runs")
        for name, picture in stills(needed, script_words(app)).items():
            app.marginlab_figures[name] = picture | {"data": needed.get(name)}
    except ImportError as error:
        raise ExtensionError(str(error)) from None
    if app.builder.format == "html":
        static = app.outdir / "_static"
        static.mkdir(parents=True, exist_ok=True)
        (static / SCRIPT).write_text(script(), encoding="utf-8")


def _add(app, pagename, templatename, context, doctree):
    if doctree and any(f'class="{CLASS}"' in node.astext() for node in doctree.findall(nodes.raw)):
        app.add_js_file(SCRIPT, loading_method="defer")


def setup(app):
    app.connect("builder-inited", _prepare)
    app.connect("source-read", _mark)
    app.connect("doctree-read", _wrap, priority=700)  # when captions stand beside their pictures
    app.connect("html-page-context", _add, priority=790)  # explorer.py makes the list of scripts anew at 800
    return {"parallel_read_safe": True, "parallel_write_safe": True}
