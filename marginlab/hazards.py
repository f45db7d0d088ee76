r"""Every naive formula beside its cure, each a record that can be run.

    from marginlab.hazards import HAZARDS
    HAZARDS["acos-at-one"].demonstrate()     # a table: where the two differ
    HAZARDS["acos-at-one"].plot()            # the same as a picture

A record says what one sees (`symptom`), why it is so, what cures it, and where
people met it. `naive` is the formula as it is often written; `cured` calls
marginlab. `fails` says at which points a result fails as described: somewhere
for the naive form, nowhere for the cured one, and the tests assert both.

Gradients of naive forms are TensorFlow's, since that is the backend that is
taught. Angles are in radians unless a label says degrees.
"""

import inspect
import math
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

from marginlab import encoders, geometry, heads, plots, reference
from marginlab.classifier import MarginClassifier
from marginlab.room import budget, largest_margin, least_scale

__all__ = ["HAZARDS", "Hazard", "Result"]

HAZARDS = {}


# What a record is.


@dataclass(frozen=True)
class Result:
    """What a run gives, all ``(n,)``; `truth` is None where no third number is to be compared with."""

    points: np.ndarray
    naive: np.ndarray
    cured: np.ndarray
    truth: np.ndarray | None


@dataclass(frozen=True)
class Hazard:
    """A naive formula, its cure, and the points at which they differ.

    Attributes:
        name: the record's key in `HAZARDS`, such as "acos-at-one".
        chapter: the lesson in which it is met, such as "05_arcface".
        symptom: what one sees, in a sentence.
        why: the arithmetic behind it.
        cure: what to do instead.
        met: where people met it: "owner/repo#number", a section of a paper, or
            "derived here: …".
        axis: what `points` are, with their unit.
        quantity: what the numbers are, with their unit.
        see: one line on what the table and the plot show.
        points: ``(n,)``, those of the table.
        naive, cured: callables from points ``(n,)`` to numbers ``(n,)``.
        truth: such a callable in float64, or None.
        wrong: callable (points, values, truth) to booleans ``(n,)``.
        draw: "points", "gradient" (over an angle on a logarithmic axis) or "psi".
        curve: points of the plot, where they are not `points`.
        log_y: whether "points" are drawn on a logarithmic axis.
    """

    name: str
    chapter: str
    symptom: str
    why: str
    cure: str
    met: tuple[str, ...]
    axis: str
    quantity: str
    see: str
    points: np.ndarray
    naive: Callable
    cured: Callable
    wrong: Callable
    truth: Callable | None = None
    draw: str = "points"
    curve: np.ndarray | None = None
    log_y: bool = False

    def run(self, points=None):
        """A `Result` at points ``(n,)``, by default the record's own."""
        points = self.points if points is None else np.asarray(points)
        with np.errstate(all="ignore"):  # what NumPy would warn of is what is shown
            values = [f and np.asarray(f(points), "float64") for f in (self.naive, self.cured, self.truth)]
        return Result(points, *values)

    def fails(self, values):
        """At which of the record's points values ``(n,)`` fail as described: booleans ``(n,)``."""
        truth = self.truth and np.asarray(self.truth(self.points), "float64")
        with np.errstate(all="ignore"):
            return self.wrong(self.points, np.asarray(values, "float64"), truth)

    def source(self, form="naive"):
        """The source of `naive`, `cured` or `truth`, as the book shows it."""
        return textwrap.dedent(inspect.getsource(getattr(self, form)))

    def table(self):
        """Points, naive and cured values and the truth in columns, and what to see in them."""
        result = self.run()
        columns = {"naive": result.naive, "cured": result.cured, "truth": result.truth}
        columns = {name: np.where(np.abs(v) < 1e-12, 0, v) for name, v in columns.items() if v is not None}
        columns = {self.axis: result.points} | columns
        cells = [[name, *map(_number, values)] for name, values in columns.items()]
        widths = [max(map(len, cell)) for cell in cells]
        marks = ["", *np.where(self.fails(result.naive), "  <- naive fails", "")]
        rows = zip(*cells, marks, strict=True)
        lines = ["   ".join(c.rjust(w) for c, w in zip(row, widths, strict=False)) + row[-1] for row in rows]
        head, foot = (textwrap.fill(words, 78) for words in (f"{self.name}: {self.quantity}", self.see))
        return "\n".join([head, "", *lines, "", foot])

    def demonstrate(self):
        """Print the table."""
        print(self.table())

    def plot(self, ax=None):
        """Draw naive and cured values; returns the Axes."""
        ax = _DRAW[self.draw](self, self.run(self.curve), ax)
        quantity = self.quantity.replace(" = ", "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}")
        ax.set(xlabel=self.axis, ylabel=textwrap.fill(quantity, 36))
        return ax


def _number(value):
    """A whole number in full, any other to four digits; NaN and ∞ as people see them."""
    if abs(value) < 1e6 and value == round(value):
        return f"{value + 0:.0f}"  # -0 + 0 is 0
    return {"nan": "NaN", "inf": "∞", "-inf": "-∞"}.get(f"{value}", f"{value:.4g}")


def _draw_gradient(hazard, result, ax):
    curves = {"naive": result.naive, "cured": result.cured}
    return plots.gradient_by_angle(result.points, curves, ax=ax)


def _draw_psi(hazard, result, ax):
    return plots.psi(result.points, {"ψ": (result.cured, result.naive)}, ax=ax)


def _draw_points(hazard, result, ax):
    """The table as a picture: points stand side by side, whatever lies between them."""
    with plots.styled():
        ax = plt.subplots(figsize=plots.WIDE)[1] if ax is None else ax
        at = np.arange(len(result.points))
        lines = []
        styles = {"naive": ("X--", plots.PALETTE[0], 9), "cured": ("o-", plots.PALETTE[1], 7)}
        for form, (style, colour, size) in styles.items():
            values = getattr(result, form)
            seen = np.where(np.isfinite(values), values, np.nan)
            ax.plot(at, seen, style, color=colour, ms=size, label=form)
            lines.append((colour, at, values))
        if hazard.log_y:
            ax.set_yscale("log")
        ax.set_xticks(at, [_number(point) for point in result.points])
        ax.margins(y=0.12)
        plots.mark_undrawable(ax, lines)
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return ax


_DRAW = {"gradient": _draw_gradient, "psi": _draw_psi, "points": _draw_points}


def _record(chapter):
    """Make a class body the record of the class's name, and put it into HAZARDS."""

    def make(cls):
        fields = {key: value for key, value in vars(cls).items() if not key.startswith("__")}
        fields["points"] = np.asarray(fields["points"])
        hazard = Hazard(name=cls.__name__.replace("_", "-"), chapter=chapter, **fields)
        HAZARDS[hazard.name] = hazard
        return hazard

    return make


# What records share. The letters are the book's: x an embedding, w a class direction, both (n, 2).


ANGLES = np.geomspace(1e-6, 2.5, 101)  # of plots of gradients


def pairs(theta):
    """x and w of length 1 in float32, theta ``(n,)`` apart.

    How naive forms round depends on where w stands. At 5.84 rad they are near their worst: at θ = 1e-3
    their gradient is off by about a tenth here, and by less at most directions.
    """
    theta = np.asarray(theta, "float64")
    x = np.stack([np.cos(5.84 + theta), np.sin(5.84 + theta)], axis=-1)
    w = np.broadcast_to([math.cos(5.84), math.sin(5.84)], x.shape)
    return tf.constant(x, "float32"), tf.constant(w, "float32")


def circle(num_classes):
    """Class directions ``(C, 2)`` spread evenly over the circle, in float32."""
    turn = 2 * np.pi * np.arange(num_classes) / num_classes
    return np.stack([np.cos(turn), np.sin(turn)], axis=-1).astype("float32")


def along(length):
    """Vectors ``(n, 2)`` of the given lengths ``(n,)``, in the direction (3, 4), in float32."""
    return tf.constant(np.outer(length, [0.6, 0.8]), "float32")


def crowd():
    """400 embeddings about ten class directions on the circle, and their labels: some strayed."""
    labels = np.arange(400) % 10
    turn = 2 * np.pi * labels / 10 + np.random.default_rng(0).normal(0, 0.2, 400)
    return np.stack([np.cos(turn), np.sin(turn)], axis=-1).astype("float32"), labels


def with_directions(head, w):
    """The head with class directions w ``(C, d)``."""
    head.build((None, w.shape[1]))
    head.class_directions.assign(w)
    return head


def true_logits(head, x, w):
    """Logits ``(n,)`` with the margin, where row i of x belongs to class i of direction w[i]."""
    return tf.linalg.diag_part(with_directions(head, w)(x, np.arange(len(w))))


def gradient(f, x):
    """Gradient of the sum of f(x) in x, ``(n, d)``, as float64 NumPy."""
    x = tf.convert_to_tensor(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = f(x)
    return tape.gradient(value, x, unconnected_gradients="zero").numpy().astype("float64")


def slopes(f, x):
    """Length of each row of `gradient`, ``(n,)``."""
    return np.linalg.norm(gradient(f, x), axis=-1)


def arcface_slopes(theta, scale):
    """Length of the gradient of ArcFace's logit in x, ‖x‖ = 1, m = 0.5: s|sin(θ + m)|, and 0 at θ = 0."""
    return np.where(theta > 0, scale * np.abs(reference.psi_slope(theta, m2=0.5)), 0.0)


def off_by(tolerance):
    """A predicate: the relative error exceeds the tolerance. NaN and infinity always do."""
    return lambda points, values, truth: ~(np.abs(values - truth) <= tolerance * np.abs(truth) + 1e-6)


def not_finite(points, values, truth):
    return ~np.isfinite(values)


def not_falling(points, values, truth):
    """ψ must fall as the angle grows: each value must be below all before it."""
    lowest = np.minimum.accumulate(np.append(np.inf, values[:-1]))
    return ~(values <= lowest - 1e-6)


def jumping(points, values, truth):
    """|ψ'| is at most 1, so ψ cannot change by more than the angle does."""
    step = np.abs(np.diff(values, prepend=values[:1]))
    return ~(step <= 1.001 * np.diff(points, prepend=points[:1]) + 1e-6)


# 00: two dimensions.


@_record("00_two_dimensions")
class relu_on_the_embedding:
    symptom = "All ten classes are pressed into one quarter of the picture, and some never come apart."
    why = (
        "ReLU sets negative coordinates to 0, so a 2-D embedding can point only from 0° to 90°. Of ten "
        "directions 36° apart three lie there; the embedding of any other is turned away from it, and in "
        "the third quadrant becomes the zero vector, which has no direction."
    )
    cure = "End the encoder in a linear layer, as those in `marginlab.encoders` do."
    met = ("KevinMusgrave/pytorch-metric-learning#462",)
    axis, quantity = "class direction (°)", "angle between embedding and class direction (°)"
    see = "Even an embedding that wants to lie on its class direction cannot, outside one quadrant."
    points = np.arange(0, 360, 36)

    def naive(degrees):
        w = np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=-1)
        return np.degrees(geometry.angle(tf.nn.relu(w), w))

    def cured(degrees):
        w = np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=-1)
        last = encoders.fast(dim=2).layers[-1].activation
        return np.degrees(geometry.angle(last(w), w))

    def truth(degrees):
        return np.zeros(len(degrees))

    def wrong(points, values, truth):
        return values > 1.0


# 01: softmax.


@_record("01_softmax")
class softmax_without_its_maximum:
    symptom = "The loss is NaN as soon as logits grow past 88, though accuracy was perfect."
    why = (
        "The largest float32 is 3.4e38, so exp(f) is infinite for f above 88.7, and ∞/∞ is NaN. In "
        "float16 that comes at 11.1. Nothing bounds logits whose scale is ‖x‖, or ‖w‖·‖x‖."
    )
    cure = "Give the loss logits, not probabilities: it takes the largest logit out before any exponential."
    met = ("derived here: ln of the largest number of the type",)
    axis, quantity = "logit of the true class", "loss (nats)"
    see = (
        "The true class is far ahead, so the loss is all but 0; the naive form divides infinity by infinity."
    )
    points = (1.0, 10.0, 80.0, 88.0, 89.0, 100.0)

    def naive(logit):
        f = tf.stack([tf.constant(logit, "float32"), tf.zeros(len(logit))], axis=1)
        p = tf.exp(f) / tf.reduce_sum(tf.exp(f), axis=1, keepdims=True)
        return -tf.math.log(p[:, 0])

    def cured(logit):  # the loss that MarginClassifier compiles
        f = tf.stack([tf.constant(logit, "float32"), tf.zeros(len(logit))], axis=1)
        return keras.losses.sparse_categorical_crossentropy(np.zeros(len(logit)), f, from_logits=True)

    def truth(logit):
        return reference.losses(np.stack([logit, 0 * logit], axis=1), np.zeros(len(logit), int))

    wrong = not_finite


@_record("01_softmax")
class clipped_probability:
    symptom = "The worst examples stop learning: their loss stands at 20.72 and their gradient is 0."
    why = (
        "log(clip(p, 1e-9, 1)) is constant for p below 1e-9, and a constant has no gradient. That is where "
        "the true logit is 20.72 = ln 10⁹ behind: within easy reach of scale 64. "
        "The true slope of the loss is p - 1, nearly -1, and largest just there."
    )
    cure = "Cross-entropy from logits. It needs no guard, since no logarithm of 0 is ever taken."
    met = ("the original demo: softmax_loss", "derived here: p = e^-f")
    axis, quantity = "how far the true logit is behind", "size of the loss's gradient in the logits"
    see = "The gradient ends at √2 for two classes; behind by more than 20.72 the clipped one is 0."
    points = (0.0, 5.0, 10.0, 20.0, 21.0, 30.0, 64.0)

    def naive(behind):
        def loss(logits):
            p = tf.clip_by_value(tf.nn.softmax(logits), 1e-9, 1.0)
            return -tf.math.log(p[:, 0])

        return slopes(loss, tf.constant(np.stack([0 * behind, behind], axis=1), "float32"))

    def cured(behind):  # the loss that MarginClassifier compiles
        def loss(logits):
            labels = np.zeros(len(behind))
            return keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)

        return slopes(loss, tf.constant(np.stack([0 * behind, behind], axis=1), "float32"))

    def truth(behind):
        logits = np.stack([0 * behind, behind], axis=1)
        return np.linalg.norm(reference.loss_slopes(logits, np.zeros(len(behind), int)), axis=1)

    wrong = off_by(0.01)


@_record("01_softmax")
class loss_stuck_at_69:
    symptom = "The loss stands at 69.0776, to the digit, and does not move."
    why = (
        "69.0776 = -ln 1e-30: the probability of the true class was raised to 1e-30 before its logarithm. "
        "With scale 64 a logit can be 128 behind, and e^-128 is 0 in float32."
    )
    cure = "Cross-entropy from logits. A loss that repeats to the digit is a guard speaking, not the model."
    met = ("deepinsight/insightface#1437",)
    axis, quantity = "how far the true logit is behind", "loss (nats)"
    see = "The loss should equal the distance; the guarded one stops at 69.0776."
    points = (1.0, 10.0, 50.0, 69.0, 70.0, 100.0, 128.0)

    def naive(behind):
        logits = tf.constant(np.stack([0 * behind, behind], axis=1), "float32")
        return -tf.math.log(tf.maximum(tf.nn.softmax(logits), 1e-30))[:, 0]

    def cured(behind):  # the loss that MarginClassifier compiles
        logits = tf.constant(np.stack([0 * behind, behind], axis=1), "float32")
        return keras.losses.sparse_categorical_crossentropy(np.zeros(len(behind)), logits, from_logits=True)

    def truth(behind):
        return reference.losses(np.stack([0 * behind, behind], axis=1), np.zeros(len(behind), int))

    wrong = off_by(1e-3)


@_record("01_softmax")
class labels_from_one:
    symptom = "The loss is NaN, or too good: examples of the last class cost nothing and are never learnt."
    why = (
        "Labels 1 to N leave N out of range. one_hot makes such a label a row of zeros, and Σ 0·log p = 0 is "
        "a perfect loss without gradient. Other code reads zeros, another class, or NaN."
    )
    cure = "Heads take labels in [0, C) and refuse any other by name; in compiled code its loss is NaN."
    met = ("peteryuX/arcface-tf2#20",)
    axis, quantity = "label, of 10 classes", "loss (nats); NaN where the label is refused"
    see = "Labels 10 and -1 do not exist: the naive loss rewards them, the head refuses them."
    points = (0, 1, 5, 9, 10, -1)

    def naive(labels):
        logits = with_directions(heads.NormFace(10, scale=30.0), circle(10))(tf.ones((len(labels), 2)))
        return -tf.reduce_sum(tf.one_hot(labels, 10) * tf.nn.log_softmax(logits), axis=1)

    def cured(labels):
        head, losses = with_directions(heads.NormFace(10, scale=30.0), circle(10)), []
        for label in labels:
            try:
                logits = head(tf.ones((1, 2)), np.array([label]))
                losses += [-tf.nn.log_softmax(logits)[0, label]]
            except ValueError:  # labels must lie in [0, 10), got 10 to 10
                losses += [math.nan]
        return losses

    def truth(labels):
        logits = reference.logits(np.ones((len(labels), 2)), circle(10), scale=30.0)
        return np.where(labels % 10 == labels, reference.losses(logits, labels % 10), np.nan)

    def wrong(points, values, truth):
        return np.isfinite(values) & np.isnan(truth)


@_record("01_softmax")
class head_never_trained:
    symptom = "The loss falls, but class directions stay where they started: clusters crowd at random places."
    why = (
        "A loss that owns weights is often left out of the optimiser's list, which holds the encoder's "
        "variables only. The encoder then learns to serve directions drawn at random, and ten such "
        "directions in the plane seldom stand well apart."
    )
    cure = "Make the head part of the model: the variables of `MarginClassifier` are the encoder's and its."
    met = ("tensorflow/similarity#291", "wujiyang/Face_Pytorch#10")
    axis, quantity = "steps of training", "mean turn of the class directions (°)"
    see = "With the encoder's variables alone no class direction ever turns."
    points = (0, 1, 2, 4)

    def naive(steps):
        return _turn_of_directions(steps, lambda model: model.encoder.trainable_variables)

    def cured(steps):
        return _turn_of_directions(steps, lambda model: model.trainable_variables)

    def wrong(points, values, truth):
        return (points > 0) & (values == 0)


def _turn_of_directions(steps, variables):
    """Train a toy classifier by plain gradient steps on some of its variables."""
    encoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, kernel_initializer="identity")])
    model = MarginClassifier(encoder, with_directions(heads.NormFace(10, scale=30.0), circle(10)))
    x, y = tf.constant(circle(10)), (np.arange(10) + 1) % 10
    start, turns = model.class_directions, {0: 0.0}
    for step in range(1, max(steps) + 1):
        with tf.GradientTape() as tape:
            logits = model.head(model.encoder(x), y)
            loss = keras.losses.sparse_categorical_crossentropy(y, logits, from_logits=True)
        for variable, slope in zip(variables(model), tape.gradient(loss, variables(model)), strict=True):
            variable.assign_sub(0.001 * slope)
        turns[step] = np.degrees(geometry.angle(model.class_directions, start)).mean()
    return [turns[step] for step in steps]


@_record("01_softmax")
class weight_made_at_each_call:
    symptom = "Accuracy stays at chance, and the same image gets other logits each time it is asked for."
    why = (
        "A weight that is made inside the forward pass is a new one at each call: the optimiser holds those "
        "of another call, or none, and what a step learnt is thrown away with them."
    )
    cure = "Make weights once, in `build`, by `add_weight`; `call` only uses them."
    met = ("jonasgrebe/pt-femb-face-embeddings#3",)
    axis, quantity = "call", "change of one embedding's logit since the first call"
    see = "Nothing was trained between the calls, so nothing may change."
    points = (1, 2, 3, 4)

    def naive(calls):
        seed = keras.random.SeedGenerator(0)

        def head(x):
            w = keras.random.normal((10, 2), seed=seed)  # a new weight
            return tf.matmul(x, w, transpose_b=True)

        return _changes(head, calls)

    def cured(calls):
        return _changes(heads.Softmax(10), calls)

    def truth(calls):
        return np.zeros(len(calls))

    wrong = off_by(0.0)


def _changes(head, calls):
    logits = np.array([head(tf.ones((1, 2)))[0, 0] for _ in calls])
    return logits - logits[0]


@_record("01_softmax")
class class_pairs_in_uint8:
    symptom = "The confusion matrix has counts in cells that cannot be, and none in its last corner."
    why = (
        "Labels come as uint8, and NumPy 2 keeps that type when a Python number is multiplied in: y·C + p "
        "wraps at 256. Ten classes end at 99 and are safe; with the 47 of EMNIST it wraps from class 6 on."
    )
    cure = "Widen labels before any arithmetic. A head's `checked` gives int32 or int64, never less."
    met = ("derived here: NumPy's promotion rules since 2.0 (NEP 50)",)
    axis, quantity = "class y, of 47", "cell 47 y + y of the confusion matrix"
    see = "256 is subtracted again and again, and no warning is given."
    points = (0, 1, 5, 6, 10, 46)

    def naive(classes):
        y = classes.astype("uint8")
        return y * 47 + y

    def cured(classes):
        y, _ = heads.NormFace(47).checked(classes.astype("uint8"))
        return y * 47 + y

    def truth(classes):
        return 48 * classes

    wrong = off_by(0.0)


# 02: normalisation and scale.


@_record("02_normface")
class embedding_of_zero:
    symptom = "One image makes the whole batch NaN: a black one, or one after which every ReLU is shut."
    why = (
        "x/‖x‖ is 0/0 at the zero vector, and its derivative is no better. One NaN in a batch makes the "
        "mean loss NaN, and the step that follows makes every weight NaN."
    )
    cure = "`geometry.unit` leaves the zero vector zero, with gradient 0: its cosine with everything is 0."
    met = (
        "keras-team/keras#23075",
        "keras-team/keras#23546",
        "tensorflow/tensorflow#12071",
        "tensorflow/tensorflow#56796",
    )
    axis, quantity = "length of the embedding", "cos θ"
    see = "The direction (3, 4) has cosine 0.6 with the first axis at every length but 0."
    points = (0.0, 1e-10, 1.0, 100.0)

    def naive(length):
        x = along(length)
        return (x / tf.norm(x, axis=1, keepdims=True))[:, 0]

    def cured(length):
        return geometry.cosine(along(length), np.array([[1, 0]], "float32"))

    def truth(length):
        return reference.cosine(along(length).numpy(), np.array([1.0, 0.0]))

    wrong = not_finite


@_record("02_normface")
class branch_not_taken:
    symptom = "Values are finite and the guard is in place, yet the gradient is NaN."
    why = (
        "where(n > 0, x/n, 0) picks the value 0 at n = 0. Its gradient is 0 times that of x/n, the branch "
        "not taken, and there that is infinite: 0·∞ is NaN. A guard around a function guards no derivative."
    )
    cure = (
        "Two `where`s, the inner one around the argument, so that nothing is divided by 0: `geometry.unit`."
    )
    met = ("tensorflow/tensorflow#38349", "tensorflow/tensorflow#2540")
    axis, quantity = "length of x", "size of the gradient of cos θ in x"
    see = "The gradient is sin θ/‖x‖, here 0.8/‖x‖; at 0 it is taken to be 0."
    points = (0.0, 0.5, 1.0, 2.0)

    def naive(length):
        def cosine(x):
            n = tf.sqrt(tf.reduce_sum(x * x, axis=1, keepdims=True))
            return tf.where(n > 0, x / n, 0.0)[:, 0]

        return slopes(cosine, along(length))

    def cured(length):
        w = np.array([1, 0], "float32")
        return slopes(lambda x: geometry.cosine(x, w), along(length))

    def truth(length):
        return np.where(length > 0, 0.8 / np.where(length > 0, length, 1), 0.0)

    wrong = not_finite


@_record("02_normface")
class squares_out_of_range:
    symptom = "After normalising, vectors are not of length 1: huge and tiny ones have vanished."
    why = (
        "‖x‖² overflows float32 for ‖x‖ above 1.8e19 and vanishes below 2.6e-23. An epsilon hides the "
        "latter: l2_normalize takes their sum as at least 1e-12, so that all that is shorter than 1e-6 "
        "comes out too short."
    )
    cure = "Divide by the largest coordinate before squaring: `geometry.unit` and `geometry.norm`."
    met = ("the original demo: tf.math.l2_normalize", "derived here: √ of float32's range")
    axis, quantity = "length of x", "length of x̂ = x/‖x‖"
    see = "Every direction must have length 1."
    points = (1e-30, 1e-10, 1e-7, 1e-6, 1.0, 1e18, 1e20, 1e30)

    def naive(length):
        return np.linalg.norm(tf.math.l2_normalize(along(length), axis=1), axis=1)

    def cured(length):
        return np.linalg.norm(geometry.unit(along(length)), axis=1)

    def truth(length):
        return np.ones(len(length))

    wrong = off_by(0.01)


@_record("02_normface")
class normalised_along_the_batch:
    symptom = "Results change with the batch size, and a batch of one is nonsense."
    why = (
        "In a batch (B, d) each embedding is a row, so lengths are taken along axis 1. Along axis 0 each "
        "coordinate is divided by its length over the batch: an embedding's cosine then depends on its "
        "neighbours, and alone it becomes (±1, ±1)."
    )
    cure = "`geometry` works along the last axis, whatever stands before it."
    met = ("derived here: the batch of one",)
    axis, quantity = "batch size", "cos θ of the batch's first embedding"
    see = "It is one and the same embedding in every batch."
    points = (1, 2, 4, 16, 256)

    def naive(sizes):
        x, w = crowd()[0][1:], circle(10)[1]
        return [tf.reduce_sum(tf.math.l2_normalize(x[:n], axis=0)[0] * w) for n in sizes]

    def cured(sizes):
        x, w = crowd()[0][1:], circle(10)[1]
        return [geometry.cosine(x[:n], w)[0] for n in sizes]

    def truth(sizes):
        return np.full(len(sizes), reference.cosine(crowd()[0][1], circle(10)[1]))

    wrong = off_by(0.01)


@_record("02_normface")
class normalisation_that_does_nothing:
    symptom = "The code normalises the weights, and they still grow: 'cosines' above 1 come out."
    why = (
        "`for w in weights: w = normalize(w)` binds the name w to a new array and drops it at the next turn. "
        "The weights are untouched, so w·x̂ = ‖w‖ cos θ is taken for a cosine."
    )
    cure = "Use what normalising returns; `geometry.cosine` and the heads normalise where they multiply."
    met = (
        "cvqluu/Angular-Penalty-Softmax-Losses-Pytorch#3",
        "cvqluu/Angular-Penalty-Softmax-Losses-Pytorch#13",
    )
    axis, quantity = "‖w‖", "cos θ, at θ = 60°"
    see = "The cosine of 60° is 0.5, whatever the length of w."
    points = (0.1, 0.5, 1.0, 2.0, 5.0)

    def naive(length):
        x, w = pairs(np.full(len(length), np.pi / 3))
        weights = [w * tf.constant(length[:, None], "float32")]
        for w in weights:
            w = tf.math.l2_normalize(w, axis=1)  # a new array, soon forgotten
        return tf.reduce_sum(weights[0] * x, axis=1)

    def cured(length):
        x, w = pairs(np.full(len(length), np.pi / 3))
        return geometry.cosine(x, w * tf.constant(length[:, None], "float32"))

    def truth(length):
        return np.full(len(length), 0.5)

    wrong = off_by(1e-3)


@_record("02_normface")
class cosines_without_a_scale:
    symptom = "Accuracy is fine, but the loss will not fall below about 1.5."
    why = (
        "Cosines lie in [-1, 1], so at scale 1 no probability can come near 1. With a simplex of ten classes "
        "the loss is at least ln(1 + (C-1)·exp(-C/(C-1))) = 1.377; on a circle of ten it is at least "
        f"{budget(10, 2, 'normface', scale=1.0).best_loss:.3f}."
    )
    cure = "Multiply the cosines by a scale: heads have 30 unless told otherwise. `budget` says what it buys."
    met = ("Wang et al. 2017, NormFace, proposition 2",)
    axis, quantity = "number of classes on the circle", "lowest loss that all classes can have (nats)"
    see = "Perfect clusters, evenly spread, and still a loss that grows with the number of classes."
    points = (2, 3, 5, 8, 10)

    def naive(classes):
        return [budget(C, 2, "normface", scale=1.0).best_loss for C in classes]

    def cured(classes):
        return [budget(C, 2, "normface", scale=30.0).best_loss for C in classes]

    def wrong(points, values, truth):
        return values > 0.1


@_record("02_normface")
class scale_from_the_simplex:
    symptom = "The scale was set by the formula, and the probabilities still stay far from what it promised."
    why = (
        "s ≥ (C-1)/C · ln((C-1)P/(1-P)) assumes that all classes are equally far apart, which takes C - 1 "
        "dimensions. For C = 10 and P = .99 it gives 6.1, and the circle needs 27.7. AdaCos's √2 ln(C-1), "
        "3.11 at C = 10, is smaller still: on the circle it allows a probability of "
        f"{budget(10, 2, 'normface', scale=math.sqrt(2) * math.log(9)).best_probability:.2f}."
    )
    cure = "`least_scale` of `marginlab.room` solves for the scale where the classes really stand."
    met = ("Wang et al. 2018, CosFace, §3.3", "Zhang et al. 2019, AdaCos: the fixed scale")
    axis, quantity = "number of classes on the circle", "best probability of the true class"
    see = "P = 0.99 was asked for. Two and three classes are a simplex in the plane; more are not."
    points = (2, 3, 4, 5, 7, 10)

    def naive(classes):
        scales = [(C - 1) / C * math.log((C - 1) * 0.99 / 0.01) for C in classes]
        return [
            budget(C, 2, "normface", scale=s).best_probability for C, s in zip(classes, scales, strict=True)
        ]

    def cured(classes):
        return [budget(C, 2, "normface", scale=least_scale(C, 2, 0.99)).best_probability for C in classes]

    def truth(classes):
        return np.full(len(classes), 0.99)

    wrong = off_by(1e-3)


@_record("02_normface")
class scale_too_large:
    symptom = "The loss is 0 within a few steps, and clusters stay as wide as they were."
    why = (
        "An example half-way from its class direction to the boundary has probability 1 - p of about "
        "exp(-s·(cos θ_y - cos θ_j)). Two classes at s = 64 make that e^-90, which is less than any float32, "
        "and the gradient s·(1 - p) is nothing. A scale is for a number of classes."
    )
    cure = "Take the least scale that allows the probability you want: `least_scale(num_classes, dim, 0.99)`."
    met = ("ronghuaiyang/arcface-pytorch#38", "KevinMusgrave/pytorch-metric-learning#530")
    axis, quantity = "number of classes on the circle", "slope of the loss in θ, half-way to the border"
    see = "At s = 64 few classes leave nothing to learn from; the fitting scale keeps pulling."
    points = (2, 3, 5, 10)

    def naive(classes):
        return [_pull_half_way(C, 64.0) for C in classes]

    def cured(classes):
        return [_pull_half_way(C, least_scale(C, 2, 0.99)) for C in classes]

    def wrong(points, values, truth):
        return values < 1e-3


def _pull_half_way(C, scale):
    """Length of the loss's gradient in an embedding half-way from class 0 to its boundary."""
    turn = math.pi / (2 * C)
    head = with_directions(heads.NormFace(C, scale=scale), circle(C))
    x = tf.constant([[math.cos(turn), math.sin(turn)]], "float32")
    return slopes(lambda x: -tf.nn.log_softmax(head(x))[:, 0], x)[0]


@_record("02_normface")
class accuracy_with_the_margin_in:
    symptom = "Training accuracy is far below test accuracy, and falls as the margin grows."
    why = (
        "The margin lowers the true class's logit and no other, so argmax over these logits asks whether an "
        "example is right by the whole margin. That is not accuracy, and no test set can be scored so."
    )
    cure = "Call the head without labels: `head(x)` has no margin. `MarginClassifier` scores by that alone."
    met = ("ronghuaiyang/arcface-pytorch#10", "ronghuaiyang/arcface-pytorch#93")
    axis, quantity = "margin of ArcFace (rad)", "accuracy (%)"
    see = "The embeddings are the same in every row; only the margin changes."
    points = (0.0, 0.1, 0.2, 0.3, 0.5)

    def naive(margins):
        (x, y), w = crowd(), circle(10)
        made = [with_directions(heads.ArcFace(10, margin=m), w) for m in margins]
        return [100 * np.mean(np.argmax(head(x, y), axis=1) == y) for head in made]

    def cured(margins):
        (x, y), w = crowd(), circle(10)
        made = [with_directions(heads.ArcFace(10, margin=m), w) for m in margins]
        return [100 * np.mean(np.argmax(head(x), axis=1) == y) for head in made]

    def truth(margins):
        (x, y), w = crowd(), circle(10)
        return np.full(len(margins), 100 * np.mean(reference.logits(x, w).argmax(axis=1) == y))

    wrong = off_by(1e-3)


@_record("02_normface")
class label_at_prediction:
    symptom = "A deployed model seldom answers class 0, or wants a label before it answers at all."
    why = (
        "A head that takes the label as an input needs one to predict, and people pass zeros. The margin "
        "then counts against class 0 in every answer."
    )
    cure = "Labels are optional: `head(x)` is for prediction, `head(x, labels)` for training."
    met = ("4uiiurz1/keras-arcface#29",)
    axis, quantity = "class", "examples of the class found (%)"
    see = "ArcFace with m = 0.5. Class 0 pays for the zeros, and its neighbours gain a little."
    points = (0, 1, 2, 5)

    def naive(classes):
        x, y = crowd()
        head = with_directions(heads.ArcFace(10, margin=0.5), circle(10))
        found = np.argmax(head(x, np.zeros(len(x), "int32")), axis=1)
        return [100 * np.mean(found[y == k] == k) for k in classes]

    def cured(classes):
        x, y = crowd()
        head = with_directions(heads.ArcFace(10, margin=0.5), circle(10))
        found = np.argmax(head(x), axis=1)
        return [100 * np.mean(found[y == k] == k) for k in classes]

    def truth(classes):
        x, y = crowd()
        found = reference.logits(x, circle(10)).argmax(axis=1)
        return [100 * np.mean(found[y == k] == k) for k in classes]

    def wrong(points, values, truth):
        return values < truth - 1


# 03: SphereFace.


@_record("03_sphereface")
class multiplied_past_pi:
    symptom = (
        "SphereFace trains to a worse picture than softmax, and classes can settle opposite their directions."
    )
    why = (
        "cos(mθ) has its first minimum at θ = π/m, 45° for m = 4, and turns up again: at 90° it is "
        "back at 1. Beyond π/m a worse angle gets a better logit, and training pushes the wrong way."
    )
    cure = "Unroll the cosine: ψ(θ) = ucos(mθ) falls all the way. It is SphereFace's ψ, for any real m."
    met = ("cvqluu/Angular-Penalty-Softmax-Losses-Pytorch#6", "deepinsight/insightface#290")
    axis, quantity = "angle θ to the true class (rad)", "ψ(θ), m = 4"
    see = "The plain cosine is back at 1 at 90°; the unrolled one goes on falling, to -7 at π."
    points = np.arange(9) * np.pi / 8
    draw, curve = "psi", np.linspace(0, np.pi, 241)

    def naive(theta):
        return tf.cos(4 * theta)

    def cured(theta):
        return geometry.ucos(4 * theta)

    def truth(theta):
        return reference.psi(theta, m1=4)

    wrong = not_falling


@_record("03_sphereface")
class angle_clipped_as_a_cosine:
    symptom = "Examples that start more than 90° from their class never come closer."
    why = (
        "The line clips to [0, π] to keep the angle in range, but what it clips is the cosine. Cosines below "
        "0 become 0, so every angle above 90° is read as 90°, where cos(2·90°) = -1; and a clipped value has "
        "no gradient."
    )
    cure = "No clip is needed: ψ(θ) = ucos(mθ), with θ from `geometry.angle`, falls from 0 to π."
    met = ("the original demo: custom_layer_sphereface",)
    axis, quantity = "angle θ to the true class (rad)", "ψ(θ), m = 2"
    see = "From 90° on the demo's ψ stands at -1 and does not fall."
    points = (0.0, 0.5, 1.0, np.pi / 2, 2.0, 2.5, 3.0)
    draw, curve = "psi", np.linspace(0, np.pi, 181)

    def naive(theta):
        x, w = pairs(theta)
        c = tf.clip_by_value(tf.reduce_sum(x * w, axis=1), -1 + 1e-5, 1 - 1e-5)
        return tf.cos(2 * tf.acos(tf.clip_by_value(c, 0, 3.1415926)))

    def cured(theta):
        x, w = pairs(theta)
        return geometry.ucos(2 * geometry.angle(x, w))

    def truth(theta):
        x, w = (v.numpy() for v in pairs(theta))
        return reference.psi(reference.angle(x, w), m1=2)

    wrong = not_falling


@_record("03_sphereface")
class flat_points_of_psi:
    symptom = "With m = 2 the examples that start at right angles to their class stay there for many steps."
    why = (
        "dψ/dθ = -m·|sin mθ| is 0 at every θ = kπ/m. That is ψ's own shape and not rounding: `ucos` has "
        "these points too, and no formula cures them. For m = 2 one of them is 90°, where in high dimensions "
        "most examples start."
    )
    cure = (
        "Start with m = 1, whose slope is steepest at 90°, and raise it: `head.margin` can be set between "
        "steps. At exactly 180° even cos θ is flat."
    )
    met = ("wy1iu/LargeMargin_Softmax_Loss#13", "wy1iu/sphereface#11", "wy1iu/sphereface#14")
    axis, quantity = "angle θ to the true class (rad)", "size of the gradient of ψ in x"
    see = "At 90° m = 2 gives no pull at all; the m = 1 of the first steps gives its strongest."
    points = (1.0, 1.3, 1.5, np.pi / 2, 1.65, 2.0)
    draw, curve = "gradient", np.unique([*np.geomspace(0.1, 3.1, 120), np.pi / 2])

    def naive(theta):
        x, w = pairs(theta)
        head = heads.SphereFace(len(theta), margin=2.0, scale=1.0)
        return slopes(lambda x: true_logits(head, x, w), x)

    def cured(theta):
        x, w = pairs(theta)
        head = heads.SphereFace(len(theta), margin=2.0, scale=1.0)
        head.margin = 1.0  # for the first steps
        return slopes(lambda x: true_logits(head, x, w), x)

    def wrong(points, values, truth):
        return values < 1e-3


# 04: CosFace.


@_record("04_cosface")
class margin_at_every_class:
    symptom = "The margin changes nothing: any m gives the same loss and the same picture."
    why = (
        "Softmax does not change when one number is added to all logits. s·(cos θ_j - m) for every j is the "
        "plain loss, whatever m: a margin is a difference between the true class and the others."
    )
    cure = "Put it in at the label only, as the heads do."
    met = ("derived here: softmax(f + c) = softmax(f)",)
    axis, quantity = "margin m (cosine units)", "loss (nats), s = 30"
    see = "An example 0.2 rad from its class, ten classes on the circle."
    points = (0.0, 0.05, 0.1, 0.2, 0.35)

    def naive(margins):
        x, w = tf.constant([[math.cos(0.2), math.sin(0.2)]], "float32"), tf.constant(circle(10))
        cosines = tf.matmul(x, w, transpose_b=True)
        return [-tf.nn.log_softmax(30 * (cosines - m))[0, 0] for m in margins]

    def cured(margins):
        x = tf.constant([[math.cos(0.2), math.sin(0.2)]], "float32")
        made = [with_directions(heads.CosFace(10, margin=m), circle(10)) for m in margins]
        return [-tf.nn.log_softmax(head(x, [0]))[0, 0] for head in made]

    def truth(margins):
        x, y = np.array([[math.cos(0.2), math.sin(0.2)]]), np.array([0])
        return [reference.losses(reference.logits(x, circle(10), y, m3=m, scale=30), y)[0] for m in margins]

    wrong = off_by(0.01)


@_record("04_cosface")
class margin_too_large_for_the_plane:
    symptom = "The loss of CosFace with the paper's m = 0.35 and s = 64 will not fall below about 11."
    why = (
        "On a circle of C classes neighbours are 2π/C apart, and the largest feasible margin is "
        "1 - cos(2π/C): 0.191 for ten. With m = 0.35 and s = 64 even perfect, evenly spaced clusters leave "
        f"each class a loss of {budget(10, 2, 'cosface', 0.35, 64.0).best_loss:.1f}."
    )
    cure = "Ask `budget` before training; here half the largest feasible margin, and at most .35."
    met = ("Wang et al. 2018, CosFace, §3.4", "derived here: `marginlab.room`")
    axis, quantity = "number of classes on the circle", "lowest loss that all classes can have (nats), s = 64"
    see = "Where even the best arrangement loses over ln 3, its two nearest rivals win with the margin in."
    points = (2, 4, 6, 7, 8, 10)

    def naive(classes):
        return [budget(C, 2, "cosface", 0.35, 64.0).best_loss for C in classes]

    def cured(classes):
        margins = [min(0.35, largest_margin(C, 2, "cosface")[0] / 2) for C in classes]
        return [budget(C, 2, "cosface", m, 64.0).best_loss for C, m in zip(classes, margins, strict=True)]

    def wrong(points, values, truth):
        return values > math.log(3)


@_record("04_cosface")
class norm_as_scale_with_a_margin:
    symptom = "Embeddings shrink towards the origin as training goes on, and the loss stays high."
    why = (
        "With ‖x‖ as the scale the margin costs ‖x‖·m. Where ψ(θ_y) < cos θ_j for some class j, the loss "
        "rises with ‖x‖ in the end, and the gradient shortens x. For m = 0.35 and ten classes on the circle "
        f"even perfect clusters are best at ‖x‖ = {budget(10, 2, 'cosface', 0.35, 'norm').best_scale:.1f}, "
        f"with loss {budget(10, 2, 'cosface', 0.35, 'norm').best_loss:.2f}."
    )
    cure = "A fixed scale: then the loss does not depend on ‖x‖ at all."
    met = (
        "Wang et al. 2018, CosFace, §3.3",
        "the original demo: custom_layer_cosface, with an m of 0.1, which is feasible",
    )
    axis, quantity = "‖x‖", "d loss / d‖x‖; above 0 it shortens x"
    see = "Beyond ‖x‖ = 2.7 even an embedding that lies on its class direction is told to shrink."
    points = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)

    def naive(length):
        def loss(x):
            cosines = tf.matmul(tf.math.l2_normalize(x, 1), circle(10), transpose_b=True)
            return -tf.nn.log_softmax(
                tf.norm(x, axis=1, keepdims=True) * (cosines - 0.35 * tf.one_hot([0], 10))
            )[:, 0]

        x = tf.constant(np.outer(length, [1, 0]), "float32")
        return gradient(loss, x)[:, 0]

    def cured(length):
        head = with_directions(heads.CosFace(10, margin=0.35, scale=30.0), circle(10))

        def loss(x):
            return -tf.nn.log_softmax(head(x, np.zeros(len(length), "int32")))[:, 0]

        x = tf.constant(np.outer(length, [1, 0]), "float32")
        return gradient(loss, x)[:, 0]

    def wrong(points, values, truth):
        return values > 1e-3


@_record("04_cosface")
class margin_of_zero:
    symptom = "The baseline with margin 0 does as well as the margin: it has one."
    why = "In Python 0 is false, so `m or 0.5`, or `0.5 if not m else m`, takes a margin of 0 for none given."
    cure = "Compare with None, or give the default in the signature, as the heads do: margin=0 is 0."
    met = ("derived here: the truth value of 0.0",)
    axis, quantity = "margin asked for", "margin in use"
    see = "The row of the ablation that should have no margin has the largest."
    points = (0.0, 0.1, 0.2, 0.35)

    def naive(margins):
        return [m or 0.5 for m in margins]

    def cured(margins):
        return [heads.CosFace(10, margin=m).margin for m in margins]

    def truth(margins):
        return margins

    wrong = off_by(1e-6)


@_record("04_cosface")
class margin_baked_in:
    symptom = "The margin is changed between steps, by a slider or a schedule, and nothing happens."
    why = (
        "`tf.function` runs Python once, when it traces. A margin that is a Python number is read then and "
        "becomes a constant of the graph; later values are never looked at."
    )
    cure = (
        "A head keeps its margin in a non-trainable weight: setting it costs no retracing and takes effect."
    )
    met = ("derived here: what tracing does",)
    axis, quantity = "margin set", "target logit at θ = 0"
    see = "The compiled step keeps the margin of its first call."
    points = (0.0, 0.1, 0.2, 0.35)

    def naive(margins):
        settings = {}
        logit = tf.function(lambda cosine: cosine - settings["margin"])
        values = []
        for settings["margin"] in margins:
            values.append(logit(tf.constant(1.0)))
        return values

    def cured(margins):
        head = with_directions(heads.CosFace(2, scale=1.0), circle(2))
        logit = tf.function(lambda x: head(x, tf.constant([0]))[0, 0])
        values = []
        for head.margin in margins:
            values.append(logit(tf.constant([[1.0, 0.0]])))
        return values

    def truth(margins):
        return 1 - margins

    wrong = off_by(1e-3)


# 05: ArcFace.


@_record("05_arcface")
class acos_at_one:
    symptom = "The loss is NaN at the step where an embedding meets its class direction."
    why = (
        "d acos(c)/dc = -1/√(1 - c²), infinite at c = ±1, and the chain rule multiplies it by ∇c, which is 0 "
        "there: ∞·0 is NaN. It need not be exact: the largest float32 below 1 is the cosine of 3.5e-4, and "
        "smaller angles round to it or to 1. Clipping c to [-1, 1] is no guard: its ends pass the gradient."
    )
    cure = "Never call acos: `geometry.angle` measures the sine too, and takes atan2 of both."
    met = (
        "pytorch/pytorch#8069",
        "jax-ml/jax#23649",
        "auroua/InsightFace_TF#12",
        "MccreeZhao/FR-Loss-on-Mnist#2",
        "d3-ai/face-verification-demo#5",
    )
    axis, quantity = "angle θ to the true class (rad)", "size of the gradient of θ in x"
    see = "An angle's gradient has length 1/‖x‖ = 1 at every angle but 0, where it is taken to be 0."
    points = (0.0, 1e-6, 1e-4, 1e-3, 0.01, 0.1, 1.0)
    draw, curve = "gradient", ANGLES

    def naive(theta):
        x, w = pairs(theta)

        def angle(x):
            c = tf.reduce_sum(tf.math.l2_normalize(x, 1) * tf.math.l2_normalize(w, 1), axis=1)
            return tf.acos(tf.clip_by_value(c, -1.0, 1.0))

        return slopes(angle, x)

    def cured(theta):
        x, w = pairs(theta)
        return slopes(lambda x: geometry.angle(x, w), x)

    def truth(theta):
        return np.where(theta > 0, 1.0, 0.0)

    wrong = not_finite


@_record("05_arcface")
class sine_from_the_cosine:
    symptom = "NaN in the middle of a training that went well, on easy data sooner than on hard."
    why = (
        "d√(1 - c²)/dc = -c/√(1 - c²), infinite at c = 1. Before that it is merely wrong: near 1 float32 "
        "counts in steps of 6e-8, so that at θ = 1e-3 few digits are left in 1 - c² and the gradient is off "
        "by up to a tenth or more; at 1e-6 it is NaN."
    )
    cure = (
        "Measure the sine as the length of x̂ - c ŵ, by subtracting vectors and not squares: `geometry.sine`."
    )
    met = (
        "ronghuaiyang/arcface-pytorch#32",
        "ronghuaiyang/arcface-pytorch#91",
        "ZhaoJ9014/face.evoLVe#117",
        "ktjonsson/keras-ArcFace#2",
    )
    axis, quantity = "angle θ to the true class (rad)", "size of the logit's gradient, s = 64, m = 0.5"
    see = "The gradient's true size is 64 sin(θ + 0.5); the naive one scatters about it, and ends."
    points = (1e-6, 1e-4, 1e-3, 0.01, 0.1, 1.0)
    draw, curve = "gradient", ANGLES

    def naive(theta):
        x, w = pairs(theta)

        def logit(x):
            c = tf.reduce_sum(tf.math.l2_normalize(x, 1) * tf.math.l2_normalize(w, 1), axis=1)
            return 64 * (c * math.cos(0.5) - tf.sqrt(1 - c * c) * math.sin(0.5))

        return slopes(logit, x)

    def cured(theta):
        x, w = pairs(theta)
        head = heads.ArcFace(len(theta), margin=0.5, scale=64.0)
        return slopes(lambda x: true_logits(head, x, w), x)

    def truth(theta):
        return arcface_slopes(theta, scale=64.0)

    wrong = off_by(0.05)


@_record("05_arcface")
class clip_before_acos:
    symptom = "No NaN any more, but clusters stop tightening: the best examples have gradient 0."
    why = (
        "A clipped value has no gradient. c is above 1 - 1e-5 for all θ below 4.5e-3, and there training "
        "stops: at θ = 1e-3 the error of the gradient is 100 %. Clipping at 1e-7 only moves the place, "
        "and leaves the error of a tenth or more that rounding makes there."
    )
    cure = (
        "Nothing needs clipping if acos is not called. `heads.ArcFace` has the right gradient at every angle."
    )
    met = ("the original demo: custom_layer_arcface", "derived here: √(2e-5)")
    axis, quantity = "angle θ to the true class (rad)", "size of the logit's gradient, s = 64, m = 0.5"
    see = "The gradient is 0 just where training converges."
    points = (1e-6, 1e-4, 1e-3, 0.004, 0.005, 0.1, 1.0)
    draw, curve = "gradient", ANGLES

    def naive(theta):
        x, w = pairs(theta)

        def logit(x):
            c = tf.reduce_sum(tf.math.l2_normalize(x, 1) * tf.math.l2_normalize(w, 1), axis=1)
            c = tf.clip_by_value(c, -1 + 1e-5, 1 - 1e-5)
            return 64 * tf.cos(tf.acos(c) + 0.5)

        return slopes(logit, x)

    def cured(theta):
        x, w = pairs(theta)
        head = heads.ArcFace(len(theta), margin=0.5, scale=64.0)
        return slopes(lambda x: true_logits(head, x, w), x)

    def truth(theta):
        return arcface_slopes(theta, scale=64.0)

    wrong = off_by(0.05)


@_record("05_arcface")
class turned_back_past_pi:
    symptom = "Examples opposite their class stay there; the worst example has a better logit than a bad one."
    why = (
        "cos(θ + m) has its minimum at θ = π - m and rises after it. An example beyond, at more than "
        f"{math.degrees(math.pi - 0.5):.0f}° for m = 0.5, is pushed on to 180° instead of back."
    )
    cure = "`geometry.ucos(θ + m)`, which goes on falling past π with a continuous slope."
    met = ("KevinMusgrave/pytorch-metric-learning#537", "4uiiurz1/keras-arcface#11")
    axis, quantity = "angle θ to the true class (rad)", "ψ(θ), m = 0.5"
    see = "The naive ψ rises in its last 0.5 rad."
    points = (0.0, 1.0, 2.0, 2.5, np.pi - 0.5, 2.8, 3.0, np.pi)
    draw, curve = "psi", np.linspace(0, np.pi, 181)

    def naive(theta):
        return tf.cos(theta + 0.5)

    def cured(theta):
        return geometry.ucos(theta + 0.5)

    def truth(theta):
        return reference.psi(theta, m2=0.5)

    wrong = not_falling


@_record("05_arcface")
class jump_of_the_fallback:
    symptom = "The loss of hard examples jitters: a tiny turn changes their logit by several units."
    why = (
        "Past π - m the usual code takes cos θ - m sin m instead. At θ = π - m the two are -1 and "
        f"{-math.cos(0.5) - 0.5 * math.sin(0.5):.3f} for m = 0.5: ψ jumps, by "
        f"{64 * (math.cos(0.5) + 0.5 * math.sin(0.5) - 1):.1f} at s = 64, and no gradient knows of it."
    )
    cure = "`geometry.ucos(θ + m)` is continuous there, and so is its slope."
    met = ("deepinsight/insightface#228", "deepinsight/insightface#247")
    axis, quantity = "angle θ to the true class (rad)", "ψ(θ), m = 0.5"
    see = "A step at π - 0.5 = 2.642, where the formula changes hands."
    points = (2.0, 2.4, 2.6, 2.641, 2.642, 2.7, 3.0, np.pi)
    draw, curve = "psi", np.linspace(0, np.pi, 361)

    def naive(theta):
        return tf.where(theta < math.pi - 0.5, tf.cos(theta + 0.5), tf.cos(theta) - 0.5 * math.sin(0.5))

    def cured(theta):
        return geometry.ucos(theta + 0.5)

    def truth(theta):
        return reference.psi(theta, m2=0.5)

    wrong = jumping


@_record("05_arcface")
class jump_of_the_easy_margin:
    symptom = "With easy_margin a sample gains by turning past 90°, away from its class."
    why = (
        "easy_margin uses cos(θ + m) where cos θ > 0 and plain cos θ elsewhere. At 90° these are -sin m and "
        f"0: ψ jumps up by sin m, {math.sin(0.5):.3f} for m = 0.5, so it is not monotone."
    )
    cure = "One formula for all angles: `geometry.ucos(θ + m)`."
    met = ("deepinsight/insightface#22",)
    axis, quantity = "angle θ to the true class (rad)", "ψ(θ), m = 0.5"
    see = "A step up at 90°, in the middle of where untrained examples lie."
    points = (1.0, 1.4, 1.57, 1.571, 1.6, 1.8, 2.0)
    draw, curve = "psi", np.linspace(0, np.pi, 361)

    def naive(theta):
        return tf.where(tf.cos(theta) > 0, tf.cos(theta + 0.5), tf.cos(theta))

    def cured(theta):
        return geometry.ucos(theta + 0.5)

    def truth(theta):
        return reference.psi(theta, m2=0.5)

    wrong = not_falling


@_record("05_arcface")
class angle_held_at_pi:
    symptom = "Examples far from their class have loss but no gradient."
    why = (
        "min(θ + m, π) keeps the cosine from turning back, and makes it constant: for θ above π - m the "
        "slope is 0. The examples that need the push most are those that get none."
    )
    cure = "`geometry.ucos(θ + m)` falls there, with slope -|sin(θ + m)|."
    met = ("ydwen/opensphere: its ArcFace head clamps θ + m to 3.14159",)
    axis, quantity = "angle θ to the true class (rad)", "ψ(θ), m = 0.5"
    see = "The naive ψ stands at -1 in its last 0.5 rad."
    points = (0.0, 1.0, 2.0, 2.6, 2.7, 2.9, np.pi)
    draw, curve = "psi", np.linspace(0, np.pi, 181)

    def naive(theta):
        return tf.cos(tf.minimum(theta + 0.5, math.pi))

    def cured(theta):
        return geometry.ucos(theta + 0.5)

    def truth(theta):
        return reference.psi(theta, m2=0.5)

    wrong = not_falling


@_record("05_arcface")
class condition_turned_round:
    symptom = "ArcFace behaves like CosFace: its margin is too strong near θ = 0, and too weak at 90°."
    why = (
        "With the condition of the fallback inverted, cos θ - m sin m is used for all θ below π - m. That is "
        f"CosFace with margin m sin m, {0.5 * math.sin(0.5):.2f} for m = 0.5, and as an angle it is "
        f"{math.acos(1 - 0.5 * math.sin(0.5)):.2f} at θ = 0 and {math.asin(0.5 * math.sin(0.5)):.2f} at 90°. "
        "Only θ above π - m sees cos(θ + m)."
    )
    cure = "One formula has no condition to invert: `geometry.ucos(θ + m)`."
    met = ("TreB1eN/InsightFace_Pytorch#6",)
    axis, quantity = "angle θ to the true class (rad)", "ψ(θ), m = 0.5"
    see = "The two cross; the naive one is CosFace until the last half radian, and there it turns up."
    points = (0.0, 0.5, 1.0, 1.5, 2.0, 2.6, 2.7, np.pi)
    draw, curve = "psi", np.linspace(0, np.pi, 361)

    def naive(theta):
        return tf.where(theta < math.pi - 0.5, tf.cos(theta) - 0.5 * math.sin(0.5), tf.cos(theta + 0.5))

    def cured(theta):
        return geometry.ucos(theta + 0.5)

    def truth(theta):
        return reference.psi(theta, m2=0.5)

    wrong = off_by(0.05)


@_record("05_arcface")
class degrees_for_radians:
    symptom = "With a margin of 28.6 the loss starts at a senseless value, and training goes nowhere."
    why = (
        "Libraries differ: 28.6 degrees in one is 0.499 radians in another. As radians 28.6 is "
        f"{28.6 - 8 * math.pi:.2f} after four whole turns, {math.degrees(28.6 - 8 * math.pi):.0f}°: the "
        "cosine rises where it should fall."
    )
    cure = "`heads.ArcFace` takes radians, says so, and refuses anything outside [0, π]."
    met = ("auroua/InsightFace_TF#1", "KevinMusgrave/pytorch-metric-learning: margin=28.6, in degrees")
    axis, quantity = "angle θ to the true class (rad)", "ψ(θ), m = 28.6°"
    see = "The naive ψ rises over nearly all angles."
    points = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
    draw, curve = "psi", np.linspace(0, np.pi, 181)

    def naive(theta):
        return tf.cos(theta + 28.6)

    def cured(theta):
        x, w = pairs(theta)
        return true_logits(heads.ArcFace(len(theta), margin=math.radians(28.6), scale=1.0), x, w)

    def truth(theta):
        return reference.psi(theta, m2=math.radians(28.6))

    wrong = off_by(0.05)


@_record("05_arcface")
class margin_without_its_gradient:
    symptom = "The loss rises with the margin as it should, and yet clusters come out little tighter."
    why = (
        "If cos(θ + m) - cos θ is computed without gradient and added to cos θ, the value has the margin, "
        "but the slope is sin θ and not sin(θ + m). Near θ = 0 it goes to 0: the push that makes ArcFace's "
        "clusters tight is gone. Some do so on purpose, for stability."
    )
    cure = "Differentiate through the margin, which is safe with `geometry.angle`."
    met = ("deepglint/unicom#11", "ydwen/opensphere: its ArcFace head works under no_grad")
    axis, quantity = "angle θ to the true class (rad)", "size of the gradient of ψ, m = 0.5"
    see = "The naive gradient dies at 0, where the true one is still sin 0.5 = 0.479."
    points = (1e-3, 0.01, 0.1, 0.5, 1.0, 2.0)
    draw, curve = "gradient", np.geomspace(1e-3, 2.5, 120)

    def naive(theta):
        x, w = pairs(theta)

        def psi(x):
            c = geometry.cosine(x, w)
            return c + tf.stop_gradient(tf.cos(geometry.angle(x, w) + 0.5) - c)

        return slopes(psi, x)

    def cured(theta):
        x, w = pairs(theta)
        head = heads.ArcFace(len(theta), margin=0.5, scale=1.0)
        return slopes(lambda x: true_logits(head, x, w), x)

    def truth(theta):
        return arcface_slopes(theta, scale=1.0)

    wrong = off_by(0.05)


# 07: beyond MNIST: half precision and many classes.


@_record("07_beyond_mnist")
class epsilon_lost_in_half_precision:
    symptom = "The guard against NaN works in float32; with mixed precision the NaN is back."
    why = (
        "An epsilon below the type's resolution is 0: 1 - 1e-5 and 1 - 1e-7 both round to 1 in float16, "
        "whose largest number below 1 is .99951, the cosine of 1.79°. In bfloat16 it is .99609, or 5.07°."
    )
    cure = "No epsilon at all: heads lift half precision to float32, and `geometry.angle` needs no guard."
    met = ("derived here: the spacing of floats below 1",)
    axis, quantity = "epsilon of the guard", "size of the gradient at θ = 0, in float16"
    see = "An epsilon guards only where float16 can tell 1 - epsilon from 1."
    points = (1e-2, 1e-3, 1e-4, 1e-5, 1e-7)

    def naive(epsilon):
        w = tf.constant([[1.0, 0.0]] * len(epsilon), "float16")
        limit = tf.constant(1 - epsilon, "float16")

        def angle(x):
            c = tf.reduce_sum(x * w, axis=1)
            return tf.acos(tf.clip_by_value(c, -limit, limit))

        return slopes(angle, w)

    def cured(epsilon):
        w = tf.constant([[1.0, 0.0]] * len(epsilon), "float16")
        head = heads.ArcFace(len(epsilon), margin=0.5, dtype="mixed_float16")
        return slopes(lambda x: true_logits(head, x, tf.cast(w, "float32")), w)

    def truth(epsilon):
        return np.zeros(len(epsilon))

    wrong = not_finite


@_record("07_beyond_mnist")
class cosine_in_half_precision:
    symptom = "With mixed precision training stalls early: all angles under 1° look the same."
    why = (
        "A cosine near 1 rounds to a multiple of 2^-11 in float16, so the smallest angle above 0 that it can "
        "tell is 1.79°, and the next 2.53°. The embedding itself is not so coarse: its coordinates know the "
        "direction to about 0.03°."
    )
    cure = "Lift the embedding to float32 before the product. Heads do, under any policy: `heads.lift`."
    met = (
        "KevinMusgrave/pytorch-metric-learning#209",
        "open-mmlab/mmpretrain#1181",
        "deepinsight/insightface#1443",
    )
    axis, quantity = "angle of the embeddings (°)", "angle that is read (°)"
    see = "The inputs are the same float16 vectors; only where the product is taken differs."
    points = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)

    def naive(degrees):
        x, w = (tf.cast(v, "float16") for v in pairs(np.radians(degrees)))
        c = tf.reduce_sum(tf.math.l2_normalize(x, 1) * tf.math.l2_normalize(w, 1), axis=1)
        return np.degrees(tf.acos(tf.cast(c, "float32")))

    def cured(degrees):
        x, w = (tf.cast(v, "float16") for v in pairs(np.radians(degrees)))
        return np.degrees(geometry.angle(heads.lift(x, "float32"), heads.lift(w, "float32")))

    def truth(degrees):
        x, w = (tf.cast(v, "float16").numpy() for v in pairs(np.radians(degrees)))
        return np.degrees(reference.angle(x, w))

    wrong = off_by(0.05)


@_record("07_beyond_mnist")
class gradient_through_the_cosine:
    symptom = "In float16 the gradient overflows, though no gradient of the loss is larger than the scale."
    why = (
        "d logit/d cos θ = s·sin(θ + m)/sin θ passes float16's largest number, 65504, for θ below 4.7e-4 at "
        "s = 64, m = 0.5. The factor that follows, ∇cos θ, is of length sin θ: the product is at most s, "
        "but it is computed as ∞ times a small number, or ∞·0 = NaN."
    )
    cure = "Go through the angle: |d logit/dθ| ≤ s always, and |∇θ| = 1/‖x‖. Heads do so, in float32."
    met = ("derived here: 65504 = (2 - 2^-10)·2^15",)
    axis, quantity = "angle θ to the true class (rad)", "size of the logit's gradient, s = 64, m = 0.5"
    see = "The true gradient is about 31 near θ = 0; the way through the cosine gets there by ∞."
    points = (0.0, 1e-6, 1e-4, 4e-4, 1e-3, 0.01, 0.1, 1.0)
    draw, curve = "gradient", ANGLES

    def naive(theta):
        along_cosine = np.float16(64 * np.sin(theta + 0.5) / np.sin(theta))
        return along_cosine * np.float16(np.sin(theta))

    def cured(theta):
        x, w = pairs(theta)
        head = heads.ArcFace(len(theta), margin=0.5, scale=64.0, dtype="mixed_float16")
        return slopes(lambda x: true_logits(head, x, w), x)

    def truth(theta):
        return arcface_slopes(theta, scale=64.0)

    wrong = not_finite


@_record("07_beyond_mnist")
class labels_in_float16:
    symptom = (
        "With thousands of classes, half precision learns some people as their neighbours, or gives NaN."
    )
    why = (
        "A batch cast to float16 takes its labels along. float16 counts whole numbers up to 2048 only: 2049 "
        "becomes 2048, and ids from 65520 on become infinite."
    )
    cure = "Labels are integers from end to end. Heads take no other: a float label is a TypeError."
    met = ("THUFutureLab/gluon-face#28",)
    axis, quantity = "class id", "class id after the cast"
    see = "Odd ids go first; the largest become infinite."
    points = (9, 2048, 2049, 10001, 65504, 65520, 85741)
    log_y = True

    def naive(ids):
        return tf.cast(ids, "float16")

    def cured(ids):
        return heads.ArcFace(85742).checked(ids)[0]

    def truth(ids):
        return ids

    wrong = off_by(1e-9)
