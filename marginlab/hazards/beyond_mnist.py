# type: ignore (a record is a class of functions without a self: see `record_of`)
"""Hazards met in 07_beyond_mnist: beyond MNIST: half precision and many classes."""

import numpy as np
import tensorflow as tf

from marginlab import geometry, heads, reference
from marginlab.hazards.helpers import ANGLES, arcface_slopes, not_finite, off_by, pairs, slopes, true_logits
from marginlab.hazards.record import record_of

record = record_of("07_beyond_mnist")


@record
class epsilon_lost_in_half_precision:
    symptom = "The guard against NaN works in float32; with mixed precision the NaN is back."
    why = (
        "An epsilon below the type's resolution is lost beside 1: 1 - 1e-5 and 1 - 1e-7 are 1 in float16, "
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


@record
class cosine_in_half_precision:
    symptom = "With a cosine in half precision all angles under 1° look the same."
    why = (
        "A cosine near 1 rounds to a multiple of 2^-11 in float16, so the smallest angle above 0 that it can "
        "tell is 1.79°, and the next 2.53°. The embedding itself is not so coarse: its coordinates know the "
        "direction to about 0.03°."
    )
    cure = "Lift the embedding to float32 before the product. Heads do, under any policy: `heads.lift`."
    met = ("derived here: arccos(1 - 2^-11); no report of it is known to us",)
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


@record
class gradient_through_the_cosine:
    symptom = "In float16 a factor of the gradient overflows, though the gradient is never longer than s/‖x‖."
    why = (
        "d logit/d cos θ = s·sin(θ + m)/sin θ passes float16's largest number, 65504, for θ below 4.7e-4 at "
        "s = 64, m = 0.5. The factor that follows, ∇cos θ, is of length sin θ: the product is at most s, "
        "but it is computed as ∞ times a small number, or ∞·0 = NaN. With an exact angle, that is: a float16 "
        "cosine knows no angle between 0 and 1.79°, so where the cosine itself is in half precision one "
        "meets ∞·0 only, or, with the loss scaled up, ∞ at larger angles too."
    )
    cure = "Go through the angle: |d logit/dθ| ≤ s always, and |∇θ| = 1/‖x‖. Heads do so, in float32."
    met = ("derived here: 65504 = (2 - 2^-10)·2^15; no report of it is known to us",)
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


@record
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
