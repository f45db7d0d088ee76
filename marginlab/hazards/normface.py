# type: ignore (a record is a class of functions without a self: see `record_of`)
"""Hazards met in 02_normface: normalisation and scale."""

import math

import numpy as np
import tensorflow as tf

from marginlab import geometry, heads, reference
from marginlab.hazards.helpers import along, circle, crowd, not_finite, off_by, pairs, slopes, with_directions
from marginlab.hazards.record import record_of
from marginlab.room import budget, least_scale

record = record_of("02_normface")


@record
class embedding_of_zero:
    symptom = "One image makes the whole batch NaN: a black one, or one after which every ReLU is shut."
    why = (
        "x/‖x‖ is 0/0 at the zero vector, and its derivative is no better. One NaN in a batch makes the "
        "mean loss NaN, and the step that follows makes the weights of the head and of the last layer NaN."
    )
    cure = "`geometry.unit` leaves the zero vector zero, with gradient 0: its cosine with everything is 0."
    met = (
        "keras-team/keras#23075",
        "tensorflow/tensorflow#12071",
        "tensorflow/tensorflow: l2_normalize's gradient there is 10^6, issue 56796",
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


@record
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


@record
class squares_out_of_range:
    symptom = "After normalising, vectors are not of length 1: huge and tiny ones have vanished."
    why = (
        "‖x‖² overflows float32 for ‖x‖ above 1.8e19, and vanishes below 1.1e-19 where subnormal numbers are "
        "flushed, as by TensorFlow, else below 2.6e-23. An epsilon hides this: l2_normalize takes their "
        "sum as at least 1e-12, so that all that is shorter than 1e-6 comes out too short."
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


@record
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


@record
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


@record
class cosines_without_a_scale:
    symptom = "Accuracy is fine, but the loss will not fall below about 1.5."
    why = (
        "Cosines lie in [-1, 1], so at scale 1 no probability can come near 1. With a simplex of ten classes "
        "the loss is at least ln(1 + (C-1)·exp(-C/(C-1))) = 1.377; on a circle of ten, with images on their "
        f"own directions, some class has at least {budget(10, 2, 'normface', scale=1.0).best_loss:.3f}, and "
        "a search found no lower mean."
    )
    cure = "Multiply the cosines by a scale: every head has one. `budget` says what it buys."
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


@record
class scale_from_the_simplex:
    symptom = "The scale was set by the formula, and the probabilities still stay far from what was asked."
    why = (
        "s ≥ (C-1)/C · ln((C-1)P/(1-P)) is a lower bound for every arrangement, and enough only where all "
        "classes are equally far apart, which takes C - 1 dimensions. For C = 10 and P = .99 it gives 6.1, "
        "and the circle needs 27.7. AdaCos's √2 ln(C-1), "
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


@record
class scale_too_large:
    symptom = "The loss is 0 within a few steps, and clusters stay as wide as they were."
    why = (
        "An example half-way from its class direction to the boundary has probability 1 - p of about "
        "exp(-s·(cos θ_y - cos θ_j)). Two classes at s = 64 make that e^-90, which is less than any normal "
        "float32, and the gradient s·(1 - p) is nothing. A scale is for a number of classes."
    )
    cure = (
        "Take a smaller scale. `least_scale` says from which one on a probability can be had; what the "
        "errors allow may be less (chapter 2)."
    )
    met = (
        "ronghuaiyang/arcface-pytorch: issue 38, the advice to reduce s where classes are few",
        "derived here: e^-90",
    )
    axis, quantity = "number of classes on the circle", "slope of the loss in θ, half-way to the border"
    see = "At s = 64 few classes leave nothing to learn from half-way to the border; the smaller scale pulls."
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


@record
class accuracy_with_the_margin_in:
    symptom = "Training accuracy is far below test accuracy, and falls as the margin grows."
    why = (
        "The margin lowers the true class's logit and no other, so argmax over these logits asks whether an "
        "example is right by the whole margin. That is not accuracy, and without a label it cannot be "
        "computed."
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


@record
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
