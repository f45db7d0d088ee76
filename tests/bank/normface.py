"""Answers to `normface`."""

import math

import numpy as np
import tensorflow as tf
from keras import ops

from bank import right, wrong
from marginlab import geometry, reference


@right("normface")
def normface_in_numpy(x, w, scale):
    def unit(v):
        n = np.linalg.norm(v, axis=1, keepdims=True)
        return v / np.where(n > 0, n, 1)

    return scale * unit(x) @ unit(w).T


@wrong("normface", 3, "an epsilon for a guard")
def normface_in_tensorflow(x, w, scale):
    return scale * tf.matmul(tf.math.l2_normalize(x, 1), tf.math.l2_normalize(w, 1), transpose_b=True)


@right("normface")
def normface_in_keras(x, w, scale):
    x, w = geometry.unit(ops.convert_to_tensor(x)), geometry.unit(ops.convert_to_tensor(w))
    return scale * ops.einsum("bd,cd->bc", x, w)


@right("normface")
def normface_by_loops(x, w, scale):
    out = np.zeros((len(x), len(w)))
    for i, a in enumerate(x.astype("float64")):
        for j, b in enumerate(w.astype("float64")):
            lengths = math.hypot(*a) * math.hypot(*b)
            out[i, j] = scale * (a @ b) / lengths if lengths else 0.0
    return out


@wrong("normface", 0, "scale forgotten")
def normface_no_scale(x, w, scale):
    return normface_in_numpy(x, w, 1.0)


@wrong("normface", 0, "w is not normalised")
def normface_loop_that_does_nothing(x, w, scale):
    for v in (w,):
        v = v / np.linalg.norm(v, axis=1, keepdims=True)  # a new array, soon forgotten
    return scale * normface_in_numpy(x, np.eye(x.shape[1], dtype=x.dtype), 1.0) @ w.T


@wrong("normface", 0, "x is not normalised")
def normface_x_as_it_comes(x, w, scale):
    return scale * x @ tf.math.l2_normalize(w, 1).numpy().T


@wrong("normface", 0, "normalised along the batch")
def normface_along_the_batch(x, w, scale):
    return scale * (x / np.linalg.norm(x, axis=0)) @ (w / np.linalg.norm(w, axis=0)).T


@wrong("normface", 3, "an epsilon for a guard")
def normface_epsilon_added(x, w, scale):
    x, w = (v / (np.linalg.norm(v, axis=1, keepdims=True) + 1e-12) for v in (x, w))
    return scale * x @ w.T


@wrong("normface", 3, "divided, then chosen")
def normface_where_too_late(x, w, scale):
    n = np.linalg.norm(x, axis=1, keepdims=True)
    return scale * np.where(n > 0, x / n, 0) @ (w / np.linalg.norm(w, axis=1, keepdims=True)).T


@wrong("normface", 3, "divided, then chosen")
def normface_nan_to_num(x, w, scale):
    return np.nan_to_num(scale * (x / np.linalg.norm(x, axis=1, keepdims=True)) @ reference.unit(w).T)


@wrong("normface", 0, "one length for the whole array")
def normface_without_an_axis(x, w, scale):
    return scale * (x / np.linalg.norm(x)) @ (w / np.linalg.norm(w)).T


@wrong("normface", 0, "divided by the squared length")
def normface_without_the_root(x, w, scale):
    x, w = (v / np.sum(v * v, axis=1, keepdims=True) for v in (x, w))
    return scale * x @ w.T


@wrong("normface", 3, "no guard at zero")
def normface_unguarded(x, w, scale):
    return scale * (x / np.linalg.norm(x, axis=1, keepdims=True)) @ tf.math.l2_normalize(w, 1).numpy().T


@wrong("normface", 0, "shape")
def normface_transposed(x, w, scale):
    return normface_in_numpy(w, x, scale)
