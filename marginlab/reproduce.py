r"""The original demo's table, reproduced: `python -m marginlab.reproduce`.

The demo trains one network under four sections: Softmax, SphereFace, CosFace
and ArcFace. Here each is trained twice: as its code was written, and with this
package's head. The table sets both beside the figures that the demo published.
"""

import argparse
import json
import os
import platform
import shutil
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import matplotlib.pyplot as plt
import numpy as np

from marginlab import encoders, heads, plots
from marginlab._tensorflow import tf
from marginlab.classifier import MarginClassifier
from marginlab.data import load_mnist

__all__ = [
    "IMAGES",
    "NOTES",
    "SECTIONS",
    "WAYS",
    "DemoArcFace",
    "DemoCosFace",
    "DemoCosine",
    "DemoLayer",
    "DemoModel",
    "DemoSoftmax",
    "DemoSphereFace",
    "Progress",
    "Section",
    "clipped",
    "draw",
    "main",
    "run",
    "table",
    "train_as_written",
    "train_right",
    "write",
]

CLASSES, BATCH, EPOCHS, SEED = 10, 32, 3, 1
IMAGES = 60_000
QUICK_IMAGES, QUICK_EPOCHS = 12_000, 1


# The demo's layers, as written. Only what they share is written once.


class DemoLayer(keras.layers.Layer):
    """Embeddings ``(B, d)`` and labels ``(B,)`` to probabilities ``(B, C)``.

    It cannot be called without labels: the demo has no way to ask the model
    for a class that it does not already know. `logits` can, for honest accuracy.
    """

    def build(self, shape: Any) -> None:
        # The transpose of the demo's w, as the package has it: so one seed starts both from the same w.
        self.w = self.add_weight(shape=(CLASSES, shape[-1]), initializer="random_normal", name="w")

    def call(self, x: Any, labels: Any) -> Any:
        return tf.math.softmax(self.logits(x, labels))


class DemoSoftmax(DemoLayer):
    """`custom_layer_softmax`: x·w + b."""

    ran = "softmax"

    def build(self, shape: Any) -> None:
        super().build(shape)
        self.b = self.add_weight(shape=(CLASSES,), initializer="zeros", name="b")

    def logits(self, x: Any, labels: Any = None) -> Any:
        return x @ tf.transpose(self.w) + self.b


class DemoCosine(DemoLayer):
    """‖x‖·cos θ, with `added(cos θ)` put on the cosine of the true class."""

    def logits(self, x: Any, labels: Any = None) -> Any:
        out = tf.math.l2_normalize(x, 1) @ tf.transpose(tf.math.l2_normalize(self.w, 1))
        if labels is not None:
            onehot = tf.one_hot(labels, CLASSES)
            out += self.added(tf.reduce_sum(onehot * out, 1, keepdims=True)) * onehot
        return tf.norm(x, axis=1, keepdims=True) * out  # the gradient of this norm is NaN at x = 0


def clipped(c: Any) -> Any:
    """The demo's guard of acos at ±1.

    Inside of θ = 0.0045, and of π - 0.0045, it takes the gradient of the margin
    away: what remains of `c + added(c)` there is the plain cosine plus a constant.
    """
    return tf.clip_by_value(c, -1 + 0.00001, 1 - 0.00001)


class DemoSphereFace(DemoCosine):
    """`custom_layer_sphereface`, m = 2."""

    ran = "cos(2·acos(max(cos θ, 0)))"

    def added(self, c: Any) -> Any:
        c = clipped(c)
        # Meant: keep the angle mθ in [0, π]. But what is clipped to [0, 3.14] is
        # the cosine. So past 90° θ is π/2, the true logit is -‖x‖ wherever the
        # embedding points, and no gradient turns it towards its class.
        theta = tf.acos(tf.clip_by_value(c, 0, 3.1415926))
        return tf.cos(theta * 2.0) - c


class DemoCosFace(DemoCosine):
    """`custom_layer_cosface`, m = 0.1. The formula is CosFace's."""

    ran = "CosFace, m = 0.1"

    def added(self, c: Any) -> Any:
        return -0.1


class DemoArcFace(DemoCosine):
    """`custom_layer_arcface`, m = 0.15. No section of the demo uses it."""

    ran = "ArcFace, m = 0.15"

    def added(self, c: Any) -> Any:
        c = clipped(c)
        # Past θ = π - m the cosine turns back up, and the gradient pushes the
        # embedding on, away from its class.
        return tf.cos(tf.acos(c) + 0.15) - c


class DemoModel(keras.Model):
    """The demo's model: its loss and its accuracy both apply the layer with the labels.

    Keras 3 weighs the last, half-full test batch by its size and the demo did
    not, which moves the mean of the test loss in the fourth digit.
    """

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.encoder, self.layer = encoders.convnet(), layer
        self.layer.build((None, 2))
        self.accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")

    def call(self, images: Any) -> Any:
        return self.encoder(images)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        # A probability below 1e-9 is clipped to it: the loss of an image stops at
        # 20.7, and its gradient is 0. Nothing is learnt from the worst images.
        p = tf.clip_by_value(self.layer(y_pred, y), 1e-9, 1)
        return tf.reduce_mean(tf.reduce_sum(-tf.one_hot(y, CLASSES) * tf.math.log(p), 1))

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        # The margin is on: an image counts as right only if it is right by the margin.
        self.accuracy.update_state(y, self.layer(y_pred, y))
        return self.get_metrics_result()


# The demo's sections.


@dataclass(frozen=True)
class Section:
    """What a section instantiates, what it should have, and the log it published.

    loss and accuracy: of each of three epochs in training, then of the test.
    """

    name: str
    layer: type
    head: partial
    loss: tuple
    accuracy: tuple


SECTIONS = (
    Section(
        "Softmax",
        DemoSoftmax,
        partial(heads.Softmax, CLASSES),
        loss=(0.6509, 0.2986, 0.2158, 0.2131),
        accuracy=(0.6561, 0.9186, 0.9475, 0.9494),
    ),
    Section(
        "SphereFace",
        DemoSphereFace,
        partial(heads.SphereFace, CLASSES, margin=2.0, scale="norm"),
        loss=(0.6834, 0.3308, 0.2445, 0.2652),
        accuracy=(0.7002, 0.9272, 0.9532, 0.9514),
    ),
    Section(
        "CosFace",
        DemoCosFace,
        partial(heads.CosFace, CLASSES, margin=0.1, scale="norm"),
        loss=(0.7468, 0.3624, 0.2747, 0.2778),
        accuracy=(0.5744, 0.9059, 0.9342, 0.9420),
    ),
    Section(
        "ArcFace",
        DemoCosFace,  # `custom_layer = custom_layer_cosface(10)`: the section trains CosFace again
        partial(heads.ArcFace, CLASSES, margin=0.15, scale="norm"),
        loss=(0.7468, 0.3624, 0.2747, 0.2778),
        accuracy=(0.5744, 0.9059, 0.9342, 0.9420),
    ),
)


# Training.


class Progress(keras.callbacks.Callback):
    """One line for each epoch: what trains, how it goes, and the time left of the whole run.

    On a terminal the line is rewritten while its epoch lasts; elsewhere it is printed at the end.
    """

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.epochs, self.done, self.start, self.shown = epochs, 0, time.monotonic(), 0.0
        self.what, self.live = "", sys.stdout.isatty()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self.live and time.monotonic() > self.shown + 0.5:
            self.show(self.done + (batch + 1) / self.params["steps"], logs, end="")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.done += 1
        self.show(self.done, logs, end="\n")

    def show(self, done: float, logs: Any, end: str) -> None:
        self.shown = time.monotonic()
        left = (self.shown - self.start) * (self.epochs / done - 1)
        left = f"{left / 60:.0f} min" if left > 90 else f"{left:.0f} s"
        line = (
            f"{self.what:22}  epoch {self.epoch + 1}/{self.params['epochs']}  loss {logs['loss']:.4f}"
            f"  accuracy {logs['accuracy']:.4f}  {done / self.epochs:4.0%} done, about {left} left"
        )
        if self.live:
            width = shutil.get_terminal_size().columns - 1
            line = "\r" + line[:width].ljust(width)
        print(line, end=end, flush=True)


def train_as_written(section: Section, data: Any, epochs: int, progress: Any, seed: int = SEED) -> Any:
    """The figures of a section of the demo, and its picture: embeddings and class directions."""
    keras.utils.set_random_seed(seed)
    model = DemoModel(section.layer())
    figures = _train(model, data, epochs, progress, f"{section.name}, as written")
    x_test, y_test = data[1]
    embeddings = model.predict(x_test, batch_size=1000, verbose=0)
    honest = np.mean(np.argmax(model.layer.logits(embeddings), axis=1) == y_test)
    figures = {"ran": section.layer.ran} | figures | {"test_accuracy_without_margin": round(float(honest), 6)}
    return figures, (embeddings, model.layer.w.numpy())


def train_right(section: Section, data: Any, epochs: int, progress: Any, seed: int = SEED) -> Any:
    """The same of this package's head, whose accuracy and test loss are always without the margin."""
    keras.utils.set_random_seed(seed)
    model = MarginClassifier(encoders.convnet(), section.head())
    figures = _train(model, data, epochs, progress, f"{section.name}, done right")
    margin = f", m = {model.head.margin:g}" if hasattr(model.head, "margin") else ""
    figures = {"ran": type(model.head).__name__ + margin} | figures
    return figures, (model.embed(data[1][0]), model.class_directions)


def _train(model, data, epochs, progress, what):
    progress.what, start = what, time.monotonic()
    model.compile(optimizer="adam")
    train, test = data
    log = model.fit(*train, batch_size=BATCH, epochs=epochs, verbose=0, callbacks=[progress]).history
    end = model.evaluate(*test, batch_size=BATCH, verbose=0, return_dict=True)
    figures = {name: [round(value, 6) for value in log[name]] for name in ("loss", "accuracy")}
    figures |= {f"test_{name}": round(end[name], 6) for name in ("loss", "accuracy")}
    return figures | {"seconds": round(time.monotonic() - start, 1)}


def run(images: int = IMAGES, epochs: int = EPOCHS) -> Any:
    """Train all sections both ways. Returns the result, as `reproduction.json` holds it, and the pictures.

    The pictures are {(section, way): (embeddings (N, 2), labels (N,), class directions (C, 2))}.
    """
    data = [(x[:images], y[:images]) for x, y in load_mnist()]
    progress, sections, pictures = Progress(2 * len(SECTIONS) * epochs), {}, {}
    for s in SECTIONS:
        key = s.name.lower()
        sections[key] = {"name": s.name, "published": _published(s)}
        for way, train in (("as_written", train_as_written), ("right", train_right)):
            sections[key][way], (embeddings, directions) = train(s, data, epochs, progress)
            pictures[key, way] = embeddings, data[1][1], directions
    settings = {"train_images": len(data[0][1]), "test_images": len(data[1][1]), "epochs": epochs}
    settings |= {"batch": BATCH, "seed": SEED, "optimizer": "adam"}
    result = {
        "quick": (images, epochs) != (IMAGES, EPOCHS),
        "settings": settings,
        "versions": {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
        },
        "seconds": round(time.monotonic() - progress.start, 1),
        "sections": sections,
    }
    return result, pictures


def _published(section):
    *loss, test_loss = section.loss
    *accuracy, test_accuracy = section.accuracy
    return {"loss": loss, "accuracy": accuracy, "test_loss": test_loss, "test_accuracy": test_accuracy}


# Showing.

NOTES = """
published   the demo's own log, from TensorFlow 2.8.0.
as written  the same code again, under TensorFlow {tensorflow} and Keras {keras}. Their random numbers are not
            2.8.0's, so equality with the published figures is not to be expected.
            Accuracy and loss are as the demo takes them, with the margin on at the true class: an image
            counts as right only if it is right by the margin.
honest      the accuracy of that same trained model from logits without the margin.
done right  marginlab's head; network, optimizer, batch, epochs and seed are the same, and so are the initial
            weights and the order of the images. Honest accuracy.

SphereFace  The demo clips cos θ to [0, 3.1415926] where it meant to clip the angle. So every angle past 90°
            counts as 90°, and there no gradient turns an embedding towards its class.
ArcFace     The demo's section instantiates custom_layer_cosface. Its figures are CosFace's to the last digit,
            in the published log and {same} in the rerun.
All four    The demo clips a probability at 1e-9 before its logarithm. That caps the loss of an image at 20.7
            and takes its gradient away: the worst images teach nothing. Cross-entropy from logits has no cap.
            In Softmax and CosFace, but for the rounding of sums, it is all that training as written and
            training done right differ by.

One seed, and another moves an accuracy by a point or two: Softmax done right has 0.931 to 0.959 with
seeds 1 to 20. So this ranks no heads, nor the demo's code against them."""


def table(result: dict[str, Any]) -> str:
    """The table and its notes, as text. result: from `run`, or from a JSON file that `main` wrote."""
    sections = result["sections"]
    scope = "{train_images:,} training and {test_images:,} test images, epochs: {epochs}."
    if result["quick"]:
        scope = f"QUICK VERSION, not comparable with the published figures: the first {scope}"
    rows: list[Any] = [
        ("section", "published", "as written", "what that code ran", "honest", "done right", "")
    ]
    for s in sections.values():
        published, written, right = s["published"], s["as_written"], s["right"]
        both = [f"{way['test_accuracy']:.4f} ({way['test_loss']:.4f})" for way in (published, written)]
        honest, cured = f"{written['test_accuracy_without_margin']:.4f}", f"{right['test_accuracy']:.4f}"
        rows.append((s["name"], *both, written["ran"], honest, cured, right["ran"]))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    cosface, arcface = ({**sections[name]["as_written"], "seconds": 0} for name in ("cosface", "arcface"))
    title = "The demo's table, reproduced. Test accuracy, and in brackets the test loss."
    notes = NOTES.format(**result["versions"], same="also" if cosface == arcface else "not")
    return "\n".join([title, scope.format(**result["settings"]), "", *lines, notes])


WAYS = {"as_written": "as written", "right": "done right"}


@plots.styled()
def draw(result: dict[str, Any], pictures: Any, folder: Any, stem: str) -> Path:
    """Write each picture as PNG and SVG, and all of them in one PNG. Returns the path of that one."""
    frames = []
    for (key, way), (x, y, w) in sorted(pictures.items(), key=lambda item: list(WAYS).index(item[0][1])):
        section = result["sections"][key]
        figures = section[way]
        accuracy = figures.get("test_accuracy_without_margin", figures["test_accuracy"])
        ax = plots.scatter(x, y, w)
        figure = ax.get_figure(root=True)
        title = f"{section['name']}, {WAYS[way]}\n{figures['ran']}: honest accuracy {100 * accuracy:.1f} %"
        ax.set_title(title, size=11.5)
        for suffix in ("png", "svg"):
            figure.savefig(folder / f"{stem}_{key}_{way}.{suffix}", dpi=160)
        plt.close(figure)
        frames.append(SimpleNamespace(step=0, accuracy=accuracy, embeddings=x, labels=y, class_directions=w))

    figure = plots.frame_strip(frames, columns=len(SECTIONS), rows=len(WAYS))
    for i, (ax, frame) in enumerate(zip(figure.axes, frames, strict=True)):
        row, column = divmod(i, len(SECTIONS))
        ax.set_title(f"{SECTIONS[column].name}\n{100 * frame.accuracy:.1f} %", size=12)
        place = {"transform": ax.transAxes, "size": 12, "ha": "center"}
        if column == 0:
            ax.text(-0.1, 0.5, [*WAYS.values()][row], rotation=90, va="center", **place)
        elif np.array_equal(frame.embeddings, frames[i - 1].embeddings):
            ax.text(0.5, -0.04, f"({SECTIONS[column - 1].name} again)", va="top", **place)
    path = folder / f"{stem}.png"
    figure.savefig(path, dpi=160)
    plt.close(figure)
    return path


def write(path: Any, result: dict[str, Any]) -> None:
    """Write JSON whole or not at all."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _count(most):
    def count(text):
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {most}, got {text!r}")
        return int(text)

    return count


def main(argv: list[str] | None = None) -> int:
    """The command line. Returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m marginlab.reproduce", description=__doc__.split(":")[0])
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK_IMAGES} images, {QUICK_EPOCHS} epoch: under 2 minutes"
    )
    parser.add_argument("--images", type=_count(IMAGES), help="train, and test, on the first so many images")
    parser.add_argument("--epochs", type=_count(1000), help=f"epochs of each training (default: {EPOCHS})")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("_build/reproduction"),
        metavar="DIR",
        help="where to write (default: %(default)s; book/results renews the book's own)",
    )
    args = parser.parse_args(argv)
    if keras.backend.backend() != "tensorflow":
        parser.error(f"the demo needs Keras on TensorFlow, got KERAS_BACKEND={keras.backend.backend()}")
    images = args.images or (QUICK_IMAGES if args.quick else IMAGES)
    epochs = args.epochs or (QUICK_EPOCHS if args.quick else EPOCHS)
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"argument --out: cannot make the folder {args.out}: {error.strerror}")

    try:
        result, pictures = run(images, epochs)
        # Only a full run may take the place of a full run's result.
        stem = "reproduction-quick" if result["quick"] else "reproduction"
        figure = draw(result, pictures, args.out, stem)
        write(args.out / f"{stem}.json", result)
    except KeyboardInterrupt:
        print("\nInterrupted: no result was written.")
        return 130
    print(f"\n{table(result)}\n\nWritten: {args.out / stem}.json, {figure} and its parts {stem}_*.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
