"""Answers to `unit` and `angle`."""

import math

import numpy as np
import tensorflow as tf
from keras import ops

from bank import right, wrong
from marginlab import geometry

right("unit")(geometry.unit)


def largest(x):
    size = np.max(np.abs(x), axis=-1, keepdims=True)
    return np.where(size == 0, 1, size)


@right("unit")
def unit_of_the_scaled(x):
    x = x / largest(x)
    n = np.linalg.norm(x, axis=-1, keepdims=True)
    return x / np.where(n == 0, 1, n)


@right("unit")
def unit_by_hypot(x):
    out = np.zeros_like(x)
    for i, row in enumerate(x):
        n = math.hypot(*row)
        if n > 0:
            out[i] = row / n
    return out


@right("unit")
def unit_by_einsum(x):
    x = x / largest(x)
    n = np.sqrt(np.einsum("bd,bd->b", x, x))
    return x / (n + (n == 0))[:, None]


@right("unit")
def unit_in_tensorflow(x):
    size = tf.reduce_max(tf.abs(x), axis=1, keepdims=True)
    x = x / tf.where(size == 0, tf.ones_like(size), size)
    squares = tf.reduce_sum(x * x, axis=1, keepdims=True)
    zero = squares == 0
    return tf.where(zero, tf.zeros_like(x), x / tf.sqrt(tf.where(zero, tf.ones_like(squares), squares)))


@right("unit")
def unit_with_a_tiny_guard(x):
    tiny = np.finfo(x.dtype).tiny
    x = x / np.maximum(np.max(np.abs(x), axis=-1, keepdims=True), tiny)
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), tiny)


@wrong("unit", 2, "squares out of range")
def unit_by_where(x):
    n = np.linalg.norm(x, axis=-1, keepdims=True)
    return x / np.where(n == 0, 1, n)


@wrong("unit", 2, "exception")
def unit_by_loops(x):
    out = np.zeros_like(x)
    for i, row in enumerate(x):
        n = sum(float(v) ** 2 for v in row) ** 0.5
        if n > 0:
            out[i] = row / n
    return out


@wrong("unit", 1, "no guard at zero")
def unit_unguarded(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@wrong("unit", 1, "no guard at zero")
def unit_unguarded_in_tensorflow(x):
    return x / tf.norm(x, axis=1, keepdims=True)


@wrong("unit", 1, "the branch not taken")
def unit_branch_not_taken(x):
    n = tf.sqrt(tf.reduce_sum(x * x, axis=1, keepdims=True))
    return tf.where(n > 0, x / n, 0.0)


@wrong("unit", 2, "an epsilon under the root")
def unit_of_the_demo(x):
    return tf.math.l2_normalize(x, 1)


@wrong("unit", 0, "normalised along the batch")
def unit_along_the_batch(x):
    return tf.math.l2_normalize(x, 0)


@wrong("unit", 2, "an epsilon beside the length")
def unit_epsilon_added(x):
    return x / (np.linalg.norm(x, axis=-1, keepdims=True) + 1e-8)


@wrong("unit", 0, "divided by the squared length")
def unit_squared(x):
    n = np.sum(x * x, axis=-1, keepdims=True)
    return x / np.where(n == 0, 1, n)


@wrong("unit", 0, "one length for the whole array")
def unit_whole_array(x):
    return x / np.linalg.norm(x)


@wrong("unit", 0, "the sum of sizes for the length")
def unit_sum(x):
    n = np.abs(x).sum(-1, keepdims=True)
    return x / np.where(n == 0, 1, n)


@wrong("unit", 0, "not normalised")
def unit_forgotten(x):
    for row in x:
        row = row / np.linalg.norm(row)
    return x


right("angle")(geometry.angle)


@right("angle")
def angle_in_numpy(x, w):
    x, w = unit_by_where(x), unit_by_where(w)
    c = (x * w).sum(1, keepdims=True)
    return np.arctan2(np.linalg.norm(x - c * w, axis=1), c[:, 0])


@right("angle")
def angle_by_half_angles(x, w):
    x, w = unit_by_where(x), unit_by_where(w)
    return 2 * np.arctan2(np.linalg.norm(x - w, axis=1), np.linalg.norm(x + w, axis=1))


@right("angle")
def angle_by_loops_in_float64(x, w):
    out = []
    for a, b in zip(x.astype("float64"), w.astype("float64"), strict=True):
        a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
        out.append(np.arctan2(np.linalg.norm(a - a @ b * b), a @ b))
    return np.array(out)


@right("angle")
def angle_in_tensorflow(x, w):
    x, w = tf.math.l2_normalize(x, 1), tf.math.l2_normalize(w, 1)
    c = tf.reduce_sum(x * w, axis=1)
    return tf.atan2(tf.norm(x - c[:, None] * w, axis=1), c)


@right("angle")
def angle_in_keras(x, w):
    x, w = ops.normalize(x, axis=1), ops.normalize(w, axis=1)
    c = ops.einsum("bd,bd->b", x, w)
    return ops.arctan2(ops.norm(x - ops.expand_dims(c, 1) * w, axis=1), c)


@right("angle")
@tf.function(reduce_retracing=True)
def angle_compiled(x, w):
    return geometry.angle(x, w)


def _cosine(x, w):
    return tf.reduce_sum(tf.math.l2_normalize(x, 1) * tf.math.l2_normalize(w, 1), axis=1)


@wrong("angle", 2, "acos instead of the rejection")
def angle_acos(x, w):
    return tf.acos(tf.clip_by_value(_cosine(x, w), -1.0, 1.0))


@wrong("angle", 2, "acos instead of the rejection")
def angle_acos_in_numpy(x, w):
    return np.arccos((unit_by_where(x) * unit_by_where(w)).sum(1))


@wrong("angle", 2, "a clip before acos")
def angle_clipped(x, w):
    return tf.acos(tf.clip_by_value(_cosine(x, w), -1 + 1e-5, 1 - 1e-5))


@wrong("angle", 2, "acos instead of the rejection")
def angle_acos_in_float64(x, w):
    x, w = unit_of_the_scaled(x.astype("float64")), unit_of_the_scaled(w.astype("float64"))
    return np.arccos(np.clip((x * w).sum(1), -1, 1))


@wrong("angle", 2, "acos instead of the rejection")
def angle_root_in_float64(x, w):
    x, w = unit_of_the_scaled(x.astype("float64")), unit_of_the_scaled(w.astype("float64"))
    c = np.clip((x * w).sum(1), -1, 1)
    return np.arctan2(np.sqrt(1 - c * c), c)


@wrong("angle", 2, "acos instead of the rejection")
def angle_sine_from_the_cosine(x, w):
    c = np.clip((unit_by_where(x) * unit_by_where(w)).sum(1), -1, 1)
    return np.arctan2(np.sqrt(1 - c * c), c)


@wrong("angle", 2, "arcsin of half the chord")
def angle_by_the_chord(x, w):
    x, w = unit_of_the_scaled(x.astype("float64")), unit_of_the_scaled(w.astype("float64"))
    return 2 * np.arcsin(np.linalg.norm(x - w, axis=1) / 2)


@wrong("angle", 1, "asin knows no angle past 90°")
def angle_asin(x, w):
    x, w = unit_by_where(x), unit_by_where(w)
    return np.arcsin(np.linalg.norm(x - (x * w).sum(1, keepdims=True) * w, axis=1))


@wrong("angle", 1, "arctan of the quotient")
def angle_arctan(x, w):
    x, w = unit_by_where(x), unit_by_where(w)
    c = (x * w).sum(1, keepdims=True)
    return np.arctan(np.linalg.norm(x - c * w, axis=1) / c[:, 0])


@wrong("angle", 0, "degrees for radians")
def angle_degrees(x, w):
    return np.degrees(angle_in_numpy(x, w))


@wrong("angle", 0, "the cosine for the angle")
def angle_cosine(x, w):
    return _cosine(x, w)


@wrong("angle", 0, "not normalised")
def angle_not_normalised(x, w):
    return np.arccos((x * w).sum(1))


@wrong("angle", 0, "arguments of atan2 exchanged")
def angle_exchanged(x, w):
    x, w = unit_by_where(x), unit_by_where(w)
    c = (x * w).sum(1, keepdims=True)
    return np.arctan2(c[:, 0], np.linalg.norm(x - c * w, axis=1))
