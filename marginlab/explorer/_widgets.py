"""The widgets behind `explore` and `compare`: ipywidgets' classes, which not everyone has installed."""

import base64
import dataclasses
import functools
import html as escaping
import io
import itertools
import math
import threading
import time
import uuid
import weakref

import anywidget
import ipywidgets as w
import numpy as np
import traitlets as t
from IPython import get_ipython
from matplotlib.figure import Figure

from marginlab import plots
from marginlab.data import load_mnist
from marginlab.explorer import page
from marginlab.explorer.bundle import MOST_MOVES, bundle, sliders
from marginlab.explorer.engine import Frame, Run
from marginlab.explorer.forms import FORMS, WHY, ended, why
from marginlab.explorer.naive import naive_head
from marginlab.family import OWN_PSI
from marginlab.formula import FormulaError, parse
from marginlab.heads import BY_NAME
from marginlab.room import budget
from marginlab.training import Trainer

COLUMNS = "repeat(auto-fit, minmax(min(100%, 320px), 1fr))"  # side by side where there is room
STARTS = {"starts anew": "anew", "goes on from here": "on"}
BREAKS = {"no": ""} | {form.title: name for name, form in FORMS.items()}
UNBREAKABLE = ("softmax", "own")  # no angle to break, and no formula of the family
_alive = weakref.WeakSet()


def _interrupt(signum=None, frame=None):
    for explorer in _alive:
        explorer.interrupt()


@functools.cache
def esm():
    """The one module that a notebook loads."""
    return bundle("widget") + "export default $widget;\n"


class _WatchedTrainer(Trainer):
    """A Trainer that knows the order of its images, (steps, batch) indices, and what its run died of."""

    def _begin(self, seed):
        self.order = super()._begin(seed)
        return self.order

    def died(self, frame):
        """None, or of a run that ended in NaN {step, example, label, at, theta, why}."""
        if math.isfinite(frame.loss):
            return None
        step, row, c, theta, *at = (
            map(float, self.head.fell.numpy()) if hasattr(self.head, "fell") else [0] * 4
        )
        if not step:
            nothing = dict.fromkeys(("example", "label", "at", "theta"))
            return {"step": frame.step} | nothing | {"why": WHY["other"]}
        example = int(self.order[self._first + int(step) - 1, int(row)])
        m1, m2, _ = self.head.margins()
        flat = (
            abs(c) <= 1
            and float(m1) * np.sin(np.float32(m1) * np.arccos(np.float32(c)) + np.float32(m2)) == 0
        )
        where = {"at": at, "theta": theta} if np.isfinite([*at, theta]).all() else {"at": None, "theta": None}
        label = int(self._y.numpy()[example])
        return {"step": int(step), "example": example, "label": label} | where | {"why": why(c, flat)}


class Drawing(anywidget.AnyWidget):
    """Frames, drawn.

    A run is sent as it comes, in messages: {"id", "settings", "words"} when it begins, and
    {"id", "frame": {step, loss, accuracy, died}} with embeddings and directions (and for softmax
    its weights and biases) as float32 buffers. When it ends it becomes the widget's state, so
    that a view which comes later has it too. A digit that somebody draws comes as {"drawn"} with
    its 28×28 bytes, and is answered with {"drawn"} and its embedding, by the run's weights as they are.
    """

    _esm = esm()
    labels, images = t.Bytes().tag(sync=True), t.Bytes().tag(sync=True)
    group = t.Unicode(None, allow_none=True).tag(sync=True)
    run, floats = t.Dict().tag(sync=True), t.Bytes().tag(sync=True)
    _id = 0

    def __init__(self, **state):
        super().__init__(**state)
        self.on_msg(self._embed)

    def _embed(self, _, content, buffers):
        image = np.frombuffer(buffers[0], "uint8").reshape(1, 28, 28).astype("float32")
        self.send({"drawn": True}, [self._trainer.encoder(image).numpy().tobytes()])

    def begin(self, trainer, settings, words):
        self._trainer = trainer
        self._id += 1
        self._new, self._parts = {"id": self._id, "settings": settings, "frames": []}, []
        self.send({"id": self._id, "settings": settings, "words": words})

    def push(self, frame):
        """Send a frame; returns what the run died of, or None."""
        trainer = self._trainer
        died = trainer.died(frame)
        parts = [frame.embeddings, frame.class_directions]
        if trainer.name == "softmax":
            parts.append(np.c_[trainer.head.class_directions.numpy(), trainer.head.bias.numpy()])
        parts = [np.ascontiguousarray(part, "float32").tobytes() for part in parts]
        facts = {
            "step": died["step"] if died else frame.step,
            "loss": None if died else frame.loss,  # JSON has no NaN
            "accuracy": None if died else frame.accuracy,
            "died": died,
        }
        self.send({"id": self._id, "frame": facts}, parts)
        self._new["frames"].append(facts | {"sizes": [len(part) for part in parts]})
        self._parts += parts
        return died

    def end(self, words):
        with self.hold_sync():
            self.floats = b"".join(self._parts)
            self.run = self._new | {"words": words}

    def notice(self, text):
        self.send({"notice": text})


class Explorer(w.VBox):
    """Sliders, and a drawing of the run that they ask for."""

    def __init__(self, head, seed, group=None, scale=None, naive=None, psi=None):
        self.trainers, self.result = {}, None
        self._stop, self._thread, self._lock = threading.Event(), None, threading.Lock()
        self.head = w.Dropdown(options=[*BY_NAME, "own"], value=head, description="head")
        # With Enter, or when it is left: each formula is a program of its own, compiled in seconds.
        self.formula = w.Text(psi or OWN_PSI, description="ψ(θ) =", continuous_update=False)
        self.wrong, self._psi = w.HTML(), self.formula.value
        self.breaks = w.Dropdown(options=BREAKS, value=naive or "", description="break it")
        self.seed = w.IntSlider(seed, min=0, max=9, description="seed")
        self.start = w.Dropdown(options=STARTS, description="a change")
        self.rows = w.VBox()
        self._make_sliders({} if scale is None else {"scale": float(scale)})
        trainer = self._trainer(self.settings)
        self.drawing = Drawing(**_sample(trainer), group=group)
        super().__init__([self.rows, self.drawing])
        self._asked, self._arrived = self.settings, False
        self._stages = [
            self._asked
        ]  # the run from the start, and those that go on from it, as in js/moves.js
        self._run(trainer, self._stages, self._stop)
        self.head.observe(self._change_head, "value")
        self.formula.observe(self._change_formula, "value")
        for control in (self.breaks, self.seed):
            control.observe(self._restart, "value")
        _alive.add(self)
        self._hear_interrupts()

    def _hear_interrupts(self):
        # An idle kernel ignores its interrupt button. What is saved here it puts back when idle again.
        kernel = getattr(get_ipython(), "kernel", None)
        if hasattr(kernel, "saved_sigint_handler"):
            kernel.saved_sigint_handler = _interrupt

    def _rows(self):
        """Of the head its sliders, as `bundle.sliders` has them: of the reader's own those of its formula."""
        rows, own = sliders(self.head.value), self.head.value == "own"
        return [row for row in rows if not own or row["name"] in (*parse(self._psi).letters, "scale")]

    def _make_sliders(self, values=()):
        """Those of the head, at its defaults, or at these values ``{name: value}``."""
        rows, given = self._rows(), dict(values)
        self.sliders = {
            s["name"]: w.FloatSlider(
                given.get(s["name"], s["default"]),
                min=s["min"],
                max=s["max"],
                step=s["step"],
                description=s["name"],
                readout_format=f".{max(0, -math.floor(math.log10(s['step'])))}f",
            )
            for s in rows
        }
        units = {s["name"]: s["unit"] for s in rows}
        for slider in self.sliders.values():
            slider.observe(self._restart, "value")
        self.breaks.disabled = self.head.value in UNBREAKABLE
        self.rows.children = [
            w.HBox([self.head, self.breaks, self.start]),
            *([w.HBox([self.formula, self.wrong])] if self.head.value == "own" else []),
            *[w.HBox([slider, w.Label(units[name])]) for name, slider in self.sliders.items()],
            self.seed,
        ]

    def _change_head(self, change):
        self._make_sliders()
        if change["new"] in UNBREAKABLE and self.breaks.value:
            self.breaks.value = ""  # which restarts
        else:
            self._restart(change)

    def _change_formula(self, change):
        """Train with it; of what is no formula say why, and leave the text and the last run as they are."""
        try:
            parse(change["new"])
        except FormulaError as error:
            self.wrong.value = f'<p role="status">This is no formula yet: {escaping.escape(str(error))}.</p>'
            return
        self.wrong.value, self._psi = "", change["new"]
        self._make_sliders({name: slider.value for name, slider in self.sliders.items()})
        self._restart(change)

    @property
    def settings(self):
        """What the sliders ask for: head, naive, seed, and the head's own numbers; of "own" also psi."""
        # A page may send 30.000000000000004 back for 30.
        values = {name: round(slider.value, 6) for name, slider in self.sliders.items()}
        return {
            "head": self.head.value,
            "naive": self.breaks.value or None,
            "seed": self.seed.value,
            **({"psi": self._psi} if self.head.value == "own" else {}),
        } | values

    def _trainer(self, settings):
        """This explorer's own for a head, form and formula, compiled when it is first asked for."""
        key = head, naive, *psi = _program(settings)
        if key not in self.trainers:
            # The unguarded form dies within tens of steps: look at it every five.
            frames = 500 if naive == "acos" else 20
            layer = naive_head(head, naive) if naive else head
            # Of formulas the last one alone: who tries many would fill the memory.
            if psi:
                self.trainers = {k: trainer for k, trainer in self.trainers.items() if k[0] != "own"}
            self.trainers[key] = _WatchedTrainer(layer, frames=frames, **({"psi": psi[0]} if psi else {}))
        return self.trainers[key]

    def _restart(self, change):
        """Abandon the run in progress and start one with the sliders as they are now.

        In a thread, so that the kernel stays free to hear the next move. It first waits for
        the thread before it, which looks at its flag after each frame.
        """
        with self._lock:
            if self.settings == self._asked and not self._stop.is_set():
                return
            self._stages = self._next(self.settings)
            self._asked, self._arrived = self.settings, False
            self._hear_interrupts()
            self._stop.set()
            self._stop = threading.Event()
            self._thread = threading.Thread(
                target=self._train, args=[self._stop, self._thread], daemon=True, name="explorer"
            )
            self._thread.start()

    def _next(self, settings):
        """The stages with these settings as their last: of a run anew, or of one that goes on.

        Only from the end of a whole run one can go on, so that the moves alone say what comes of them:
        where a run has not arrived yet, it is itself that moves.
        """
        fixed = ("head", "naive", "seed", "psi")
        on = self.start.value == "on" and all(settings.get(it) == self._asked.get(it) for it in fixed)
        before = self._stages if self._arrived else self._stages[:-1]
        return [*before, settings] if on and len(before) <= MOST_MOVES else [settings]

    def interrupt(self):
        """End the run in progress, and begin no other."""
        self._stop.interrupted = True  # pyright: ignore[reportAttributeAccessIssue] (of our own)
        self._stop.set()

    def _train(self, stop, before):
        if before:
            before.join()
        if stop.is_set():
            return
        stages = self._stages
        settings = stages[-1]
        try:
            if _program(settings) not in self.trainers:
                self.drawing.notice("Compiling this form, which takes some seconds the first time …")
            self._run(self._trainer(settings), stages, stop)
        except Exception as error:
            # A thread's exception would reach nobody: show it, and leave the sliders usable.
            self.words = f"{type(error).__name__}: {error}"
            self.drawing.notice(self.words)

    def _run(self, trainer, stages, stop):
        settings, on = stages[-1], len(stages) > 1
        asked = {k: v for k, v in settings.items() if k not in ("head", "naive", "psi")}
        limits = _limits(settings)
        coming = trainer.iter_frames(**asked, start="on" if on else "anew")
        anneal = None if on or settings["head"] == "softmax" else trainer.anneal
        facts = {"anneal": anneal, "steps": trainer.steps_on if on else trainer.steps, "stages": stages}
        self.drawing.begin(trainer, settings | facts, limits)
        frames, died, start = [], None, time.perf_counter()
        for frame in coming:
            if stop.is_set():
                if hasattr(stop, "interrupted"):
                    self.drawing.notice("Interrupted. Move a slider to train again.")
                return
            frames.append(frame)
            died = self.drawing.push(frame)
            if died:
                self.words = ended(died)
                break
        else:
            result = trainer.result(frames, settings["seed"], time.perf_counter() - start)
            self.words = result.explain()
            if limits and limits not in self.words:
                self.words += " " + limits
            self._arrived = True
            if not settings["naive"] or self.result is None:
                self.result, self._shown = result, _course(stages)
        if self.result is None and frames:  # it was broken from the beginning, and died
            self.result, self._shown = _until(frames, died), _course(stages)
        self.drawing.end(self.words)

    def _repr_mimebundle_(self, **kwargs):
        """The widget; for a built page the same in the page; for a preview a picture."""
        return _bundle(super()._repr_mimebundle_(**kwargs), [self.result], self.page())

    def page(self):
        """HTML of the same explorer for a built page, with its last whole run."""
        return page.html(self._shown, self.result, self.drawing.group)


class Comparison(w.GridBox):
    """Explorers side by side."""

    def __init__(self, heads, seed, scale, forms):
        group = uuid.uuid4().hex
        self.explorers = [
            Explorer(head, seed, group, scale, form) for head, form in zip(heads, forms, strict=True)
        ]
        for explorer in self.explorers[1:]:
            w.link((self.explorers[0].seed, "value"), (explorer.seed, "value"))
        super().__init__(
            self.explorers,
            layout={"grid_template_columns": COLUMNS, "grid_gap": "24px"},
        )

    def _repr_mimebundle_(self, **kwargs):
        runs = [explorer.result for explorer in self.explorers]
        pages = "".join(f"<div>{explorer.page()}</div>" for explorer in self.explorers)
        style = f"display: grid; grid-template-columns: {COLUMNS}; gap: 24px"
        return _bundle(super()._repr_mimebundle_(**kwargs), runs, f'<div style="{style}">{pages}</div>')


def _program(settings):
    """What a trainer is compiled for."""
    psi = settings.get("psi")
    return (settings["head"], settings["naive"], *([psi] if psi else []))


def _course(stages):
    """Stages as one state: the settings at the start, and what was moved since."""
    moves = [
        {k: v for k, v in now.items() if v != before[k]} or {"scale": now["scale"]}
        for before, now in itertools.pairwise(stages)
    ]
    return stages[0] | ({"moves": moves} if moves else {})


def _until(frames, died):
    """A run that died, as one that can be shown: in its last frame everything is where it was before."""
    whole = [Frame(**vars(frame)) for frame in frames[:-1] or frames]
    return Run([*whole, dataclasses.replace(whole[-1], step=died["step"], loss=math.nan, died=died)])


def _limits(settings):
    """What the budget has to say of a margin that cannot be held; else nothing."""
    head = settings["head"]
    if head == "own":  # the verdicts beside the picture say it
        return ""
    margin = tuple(settings[m] for m in ("m1", "m2", "m3")) if head == "combined" else settings.get("margin")
    found = budget(head=head, margin=margin, scale=settings.get("scale", 1.0))
    return str(found) if found.feasible is False else ""


def _sample(trainer):
    """Labels and images of the test images that a trainer's frames show."""
    _, (x, y) = load_mnist()
    return {"labels": y[trainer._sample].tobytes(), "images": page.pixels(x[trainer._sample]).tobytes()}


def _bundle(widgets, runs, html):
    """What ipywidgets shows, and beside it a picture of the runs and HTML, as a bundle of mime types."""
    data, metadata = widgets if isinstance(widgets, tuple) else (widgets, {})
    return data | {"image/png": base64.b64encode(_picture(*runs)).decode(), "text/html": html}, metadata


@functools.lru_cache(maxsize=4)  # a notebook asks for it at each display
def _picture(*runs):
    """Of each run its last frame beside its curves, as PNG bytes."""
    with plots.styled():
        figure = Figure(figsize=(10, 5 * len(runs)))
        for (left, right), run in zip(figure.subplots(len(runs), 2, squeeze=False), runs, strict=True):
            frames, last = run.frames, run.frames[-1]
            plots.scatter_on_circle(last.embeddings, last.labels, last.class_directions, ax=left)
            steps, losses, accuracies = zip(*((f.step, f.loss, f.accuracy) for f in frames), strict=True)
            plots.training_curves(steps, losses, accuracies, ax=right)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
    return buffer.getvalue()
