# type: ignore (a record is a class of functions without a self: see `record_of`)
"""Hazards met in 04_cosface: CosFace."""

import math

import numpy as np
import tensorflow as tf

from marginlab import heads, reference
from marginlab.hazards.helpers import circle, gradient, off_by, with_directions
from marginlab.hazards.record import record_of
from marginlab.room import budget, largest_margin

record = record_of("04_cosface")


@record
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


@record
class margin_too_large_for_the_plane:
    symptom = (
        "CosFace's loss with the paper's m = 0.35, s = 64 stays large: about 11 if no class is given up."
    )
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


@record
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


@record
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


@record
class margin_baked_in:
    symptom = "The margin is changed between steps, by a slider or a schedule, and nothing happens."
    why = (
        "`tf.function` runs Python once, when it traces. A margin that is a Python number is read then and "
        "becomes a constant of the graph; later values are never looked at."
    )
    cure = (
        "A head keeps its margin in a variable that is no weight: setting it costs no retracing and takes "
        "effect."
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
