# type: ignore (a record is a class of functions without a self: see `record_of`)
"""Hazards met in 01_softmax: softmax."""

import math

import keras
import numpy as np
import tensorflow as tf

from marginlab import geometry, heads, reference
from marginlab.classifier import MarginClassifier
from marginlab.hazards.helpers import circle, not_finite, off_by, slopes, with_directions
from marginlab.hazards.record import record_of

record = record_of("01_softmax")


@record
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


@record
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


@record
class loss_stuck_at_69:
    symptom = "The loss stands at 69.0776, to the digit, and does not move."
    why = (
        "69.0776 = -ln 1e-30: the probability of the true class was raised to 1e-30 before its logarithm. "
        "With scale 64 a logit can be 128 behind, and e^-128 is 0 in float32. In the report it was the same "
        "for every batch, and the labels had the wrong type: where no label is found, the guard speaks too."
    )
    cure = (
        "Cross-entropy from logits. A loss that stands at -ln of a tiny number is a guard speaking: "
        "then print the labels too, their type and their range."
    )
    met = ("deepinsight/insightface#1437",)
    axis, quantity = "how far the true logit is behind", "loss (nats)"
    see = "Far behind, the loss equals the distance; the guarded one stops at 69.0776."
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


@record
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


@record
class head_never_trained:
    symptom = "The loss falls, but class directions stay where they started: clusters crowd at random places."
    why = (
        "A loss that owns weights is often left out of the optimiser's list, which holds the encoder's "
        "variables only. The encoder then learns to serve directions drawn at random, and ten such "
        "directions in the plane seldom stand well apart."
    )
    cure = "Make the head part of the model: the variables of `MarginClassifier` are the encoder's and its."
    met = (
        "tensorflow/similarity#291",
        "wujiyang/Face_Pytorch#10",
        "jonasgrebe/pt-femb-face-embeddings#3",
    )
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


@record
class weight_made_at_each_call:
    symptom = "Accuracy stays at chance, and the same image gets other logits each time it is asked for."
    why = (
        "A weight that is made inside the forward pass is a new one at each call: the optimiser holds those "
        "of another call, or none, and what a step learnt is thrown away with them."
    )
    cure = "Make weights once, in `build`, by `add_weight`; `call` only uses them."
    met = ("derived here: a weight drawn in `call`",)
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


@record
class class_pairs_in_uint8:
    symptom = "The confusion matrix has counts in cells that cannot be, and none in its last corner."
    why = (
        "Labels come as uint8, and NumPy keeps that type when a Python number is multiplied in: y·C + p "
        "wraps at 256. Ten classes end at 99 and are safe; with the 47 of EMNIST it wraps within class 5."
    )
    cure = "Widen labels before any arithmetic. A head's `checked` gives int32 or int64, never less."
    met = ("derived here: NumPy's promotion rules, NEP 50 among them",)
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
