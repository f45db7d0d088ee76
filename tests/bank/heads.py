"""Answers to `arcface`, `sphereface` and `cosface`."""

import math

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from bank import entry, right, wrong
from marginlab import geometry, heads, reference


@right("arcface")
def arcface_by_the_layer(x, w, labels, margin, scale):
    head = heads.ArcFace(len(w), margin=margin, scale=scale, dtype=x.dtype.name)
    head.build((None, w.shape[1]))
    head.class_directions.assign(w)
    return head(x, labels)


@right("arcface")
def arcface_in_numpy(x, w, labels, margin, scale):
    x, w = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (x, w))
    out = x @ w.T
    rows = np.arange(len(x))
    wy, c = w[labels], out[rows, labels]
    phi = np.arctan2(np.linalg.norm(x - c[:, None] * wy, axis=1), c) + margin
    out[rows, labels] = np.where(phi < math.pi, np.cos(phi), -2 - np.cos(phi))
    return scale * out


@right("arcface")
def arcface_by_loops(x, w, labels, margin, scale):
    out = np.empty((len(x), len(w)))
    for i, y in enumerate(labels):
        for j in range(len(w)):
            a, b = x[i].astype("float64"), w[j].astype("float64")
            a, b = a / math.hypot(*a), b / math.hypot(*b)
            theta = math.atan2(math.hypot(*(a - a @ b * b)), a @ b)
            phi = theta + margin * (j == y)
            k = int(phi / math.pi)
            out[i, j] = scale * ((-1) ** k * math.cos(phi) - 2 * k)
    return out


@right("arcface")
def arcface_by_einsum(x, w, labels, margin, scale):
    x = x / np.sqrt(np.einsum("bd,bd->b", x, x))[:, None]
    w = w / np.sqrt(np.einsum("cd,cd->c", w, w))[:, None]
    cosines = np.einsum("bd,cd->bc", x, w)
    sines = np.linalg.norm(x[:, None] - cosines[..., None] * w, axis=-1)
    hot = np.eye(len(w), dtype=x.dtype)[labels]
    return scale * reference.ucos(np.arctan2(sines, cosines) + margin * hot)


@right("arcface")
def arcface_in_tensorflow(x, w, labels, margin, scale):
    theta = geometry.angle(x, tf.gather(w, labels))
    cosines = tf.matmul(geometry.unit(x), geometry.unit(w), transpose_b=True)
    at = tf.stack([tf.range(len(labels)), labels], axis=1)
    return scale * tf.tensor_scatter_nd_update(cosines, at, geometry.ucos(theta + margin))


@right("arcface")
def arcface_in_keras(x, w, labels, margin, scale):
    theta = geometry.angle(ops.expand_dims(ops.convert_to_tensor(x), 1), ops.convert_to_tensor(w))
    hot = ops.one_hot(labels, len(w), dtype=theta.dtype)
    return scale * geometry.ucos(theta + margin * hot)


@right("arcface")
def arcface_lifted_to_float64(x, w, labels, margin, scale):
    x, w = geometry.unit(tf.cast(x, "float64")), geometry.unit(tf.cast(w, "float64"))
    theta = geometry.angle(x[:, None], w)
    return scale * geometry.ucos(theta + margin * tf.one_hot(labels, len(w), dtype="float64"))


def build(psi, guard=0.0, scaled=None, every=False, softmax=False):
    """A head as it is often written: cosines, a clip, acos, one-hot."""

    def head(x, w, labels, margin, scale):
        lengths = tf.norm(x, axis=1, keepdims=True)
        cosines = tf.matmul(tf.math.l2_normalize(x, 1), tf.math.l2_normalize(w, 1), transpose_b=True)
        theta = tf.acos(tf.clip_by_value(cosines, -1 + guard, 1 - guard))
        hot = tf.ones_like(cosines) if every else tf.one_hot(labels, len(w), dtype=cosines.dtype)
        out = cosines + hot * (psi(theta, margin) - cosines)
        out = out * {None: scale, "norm": lengths, "none": 1.0}[scaled]
        return tf.nn.softmax(out) if softmax else out

    return head


def careful(psi, **rest):
    """The same with an angle that is measured well, so that only psi is at fault."""

    def head(x, w, labels, margin, scale):
        theta = geometry.angle(x[:, None], w)
        hot = tf.one_hot(labels, len(w), dtype=theta.dtype)
        return scale * (tf.cos(theta) * (1 - hot) + psi(theta, margin) * hot)

    return head


def arc(theta, m):
    return geometry.ucos(theta + m)


entry("arcface", 3, "the sign flips past π", "arcface_turned_back")(careful(lambda t, m: tf.cos(t + m)))


entry("arcface", 2, "a clip before acos", "arcface_clip_1e-5")(build(lambda t, m: tf.cos(t + m), 1e-5))


entry("arcface", 3, "a clip before acos", "arcface_clip_and_unrolled")(build(arc, 1e-5))


entry("arcface", 3, "acos instead of the rejection", "arcface_clip_1e-7")(build(arc, 1e-7))


entry("arcface", 3, "acos instead of the rejection", "arcface_acos")(build(arc))


entry("arcface", 3, "the fallback jumps", "arcface_fallback")(
    careful(lambda t, m: tf.where(t < math.pi - m, tf.cos(t + m), tf.cos(t) - m * math.sin(m)))
)


entry("arcface", 0, "condition turned round", "arcface_condition")(
    careful(lambda t, m: tf.where(t < math.pi - m, tf.cos(t) - m * math.sin(m), tf.cos(t + m)))
)


entry("arcface", 2, "easy margin", "arcface_easy_margin")(
    careful(lambda t, m: tf.where(t < math.pi / 2, tf.cos(t + m), tf.cos(t)))
)


entry("arcface", 3, "the angle held at π", "arcface_held")(
    careful(lambda t, m: tf.cos(tf.minimum(t + m, math.pi)))
)


entry("arcface", 0, "degrees given for radians", "arcface_degrees")(
    careful(lambda t, m: arc(t, math.radians(m)))
)


entry("arcface", 0, "margin at the wrong sign", "arcface_sign")(careful(lambda t, m: tf.cos(t - m)))


entry("arcface", 0, "margin at every class", "arcface_every")(build(arc, every=True))


entry("arcface", 0, "scale forgotten", "arcface_no_scale")(build(arc, scaled="none"))


entry("arcface", 0, "CosFace's margin", "arcface_cosface")(careful(lambda t, m: tf.cos(t) - m))


entry("arcface", 0, "no margin", "arcface_normface")(careful(lambda t, m: tf.cos(t)))


entry("arcface", 2, "margin without its gradient", "arcface_no_gradient")(
    careful(lambda t, m: tf.cos(t) + tf.stop_gradient(geometry.ucos(t + m) - tf.cos(t)))
)


entry("arcface", 3, "margin of zero", "arcface_zero_is_false")(careful(lambda t, m: arc(t, m or 0.5)))


@wrong("arcface", 0, "margin at the other classes")
def arcface_mask_turned_round(x, w, labels, margin, scale):
    theta = geometry.angle(x[:, None], w)
    hot = np.eye(len(w), dtype=x.dtype)[labels]
    return scale * geometry.ucos(theta + margin * (1 - hot))


@wrong("arcface", 0, "margin in the columns of all labels")
def arcface_columns(x, w, labels, margin, scale):
    theta = reference.angle(x[:, None], w)
    theta[:, labels] += margin
    return scale * reference.ucos(theta)


@wrong("arcface", 0, "shape")
def arcface_true_logit_only(x, w, labels, margin, scale):
    return scale * reference.ucos(reference.angle(x, w[labels]) + margin)


def flat(v):
    return v / np.linalg.norm(v, axis=1, keepdims=True)


def as_written(of_x, of_w, angle):
    def f(x, w, labels, margin, scale):
        x, w = of_x(x.astype("float64")), of_w(w.astype("float64"))
        out, rows = x @ w.T, np.arange(len(x))
        out[rows, labels] = reference.ucos(angle(x, w[labels], out[rows, labels]) + margin)
        return scale * out

    return f


def by_rejection(x, w, c):
    return np.arctan2(np.linalg.norm(x - c[:, None] * w, axis=1), c)


def by_acos(x, w, c):
    return np.arccos(np.clip(c, -1, 1))


same = lambda v: v  # noqa: E731


entry("arcface", 0, "w is not normalised", "arcface_w_as_it_comes")(as_written(flat, same, by_rejection))


entry("arcface", 0, "w is not normalised", "arcface_acos_of_w_as_it_comes")(as_written(flat, same, by_acos))


entry("arcface", 0, "x is not normalised", "arcface_x_as_it_comes")(as_written(same, flat, by_rejection))


entry("arcface", 0, "neither is normalised", "arcface_as_they_come")(as_written(same, same, by_rejection))


entry("arcface", 0, "one length for the whole array", "arcface_without_an_axis")(
    as_written(lambda v: v / np.linalg.norm(v), lambda v: v / np.linalg.norm(v), by_rejection)
)


entry("arcface", 3, "acos instead of the rejection", "arcface_acos_in_float64")(
    as_written(flat, flat, lambda x, w, c: np.arccos(c))
)


entry("arcface", 3, "acos instead of the rejection", "arcface_clipped_acos_in_float64")(
    as_written(flat, flat, by_acos)
)


entry("arcface", 3, "acos instead of the rejection", "arcface_root_in_float64")(
    as_written(flat, flat, lambda x, w, c: np.arctan2(np.sqrt(np.maximum(0, 1 - c * c)), c))
)


entry("arcface", 3, "only the sign of ψ", "arcface_without_the_steps")(
    careful(lambda t, m: geometry.ucos(t + m) + 2 * tf.floor((t + m) / math.pi))
)


entry("arcface", 3, "only the steps of ψ", "arcface_without_the_turn")(
    careful(lambda t, m: tf.cos(t + m) - 2 * tf.floor((t + m) / math.pi))
)


entry("arcface", 3, "steps up", "arcface_steps_up")(
    careful(lambda t, m: geometry.ucos(t + m) + 4 * tf.floor((t + m) / math.pi))
)


entry("arcface", 0, "arguments of atan2 exchanged", "arcface_exchanged")(
    careful(lambda t, m: arc(math.pi / 2 - t, m))
)


entry("arcface", 2, "asin knows no angle past 90°", "arcface_asin")(
    as_written(flat, flat, lambda x, w, c: np.arcsin(np.minimum(np.sin(by_rejection(x, w, c)), 1)))
)


entry("arcface", 0, "one length for the whole array", "arcface_w_without_an_axis")(
    as_written(flat, lambda v: v / np.linalg.norm(v), by_rejection)
)


entry("arcface", 0, "divided by the squared length", "arcface_without_the_root")(
    as_written(lambda v: v / np.sum(v * v, axis=1, keepdims=True), flat, by_rejection)
)


entry("arcface", 0, "margin at the wrong sign", "arcface_sign_unrolled")(careful(lambda t, m: arc(t, -m)))


@wrong("arcface", 0, "normalised along the batch")
def arcface_along_the_batch(x, w, labels, margin, scale):
    x, w = x / np.linalg.norm(x, axis=0), w / np.linalg.norm(w, axis=0)
    return arcface_in_numpy(x, w, labels, margin, scale)


@wrong("arcface", 3, "acos instead of the rejection")
def arcface_sine_from_the_cosine(x, w, labels, margin, scale):
    x, w = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (x, w))
    out, rows = x @ w.T, np.arange(len(x))
    c = out[rows, labels]
    phi = np.arctan2(np.sqrt(1 - c * c), c) + margin
    out[rows, labels] = np.where(phi < math.pi, np.cos(phi), -2 - np.cos(phi))
    return scale * out


@right("sphereface")
def sphereface_in_numpy(x, w, labels, margin, scale):
    out = scale * reference.unit(x) @ reference.unit(w).T
    rows = np.arange(len(x))
    out[rows, labels] = scale * reference.ucos(margin * reference.angle(x, w[labels]))
    return out


@right("sphereface")
def sphereface_in_tensorflow(x, w, labels, margin, scale):
    theta = geometry.angle(x[:, None], w)
    hot = tf.one_hot(labels, len(w), dtype=theta.dtype)
    return scale * geometry.ucos(theta * (1 + (margin - 1) * hot))


@right("sphereface")
def sphereface_by_loops(x, w, labels, margin, scale):
    out = np.zeros((len(x), len(w)), "float32")
    for i in range(len(x)):
        theta = reference.angle(x[i], w)
        theta[labels[i]] *= margin
        for j, t in enumerate(theta):
            k = math.floor(t / math.pi)
            out[i, j] = scale * ((1 - 2 * (k % 2)) * math.cos(t) - 2 * k)
    return out


@right("sphereface")
def sphereface_by_the_layer(x, w, labels, margin, scale):
    head = heads.SphereFace(len(w), margin=margin, scale=scale, dtype=x.dtype.name)
    head.build((None, w.shape[1]))
    head.class_directions.assign(w)
    return head(x, labels)


@wrong("sphereface", 0, "margin in the columns of all labels")
def sphereface_columns(x, w, labels, margin, scale):
    theta = reference.angle(x[:, None], w)
    theta[:, labels] *= margin
    return scale * reference.ucos(theta)


@wrong("sphereface", 3, "acos instead of the rejection")
def sphereface_acos_in_float64(x, w, labels, margin, scale):
    out = flat(x.astype("float64")) @ flat(w.astype("float64")).T
    rows = np.arange(len(x))
    out[rows, labels] = reference.ucos(margin * np.arccos(out[rows, labels]))
    return scale * out


entry("sphereface", 3, "the sign flips past π", "sphereface_plain")(careful(lambda t, m: tf.cos(m * t)))


entry("sphereface", 3, "only the sign of ψ", "sphereface_no_steps")(
    careful(lambda t, m: geometry.ucos(m * t) + 2 * tf.floor(m * t / math.pi))
)


entry("sphereface", 3, "the angle held at π", "sphereface_held")(
    careful(lambda t, m: tf.cos(tf.minimum(m * t, math.pi)))
)


entry("sphereface", 0, "ArcFace's margin", "sphereface_arcface_unrolled")(careful(arc))


entry("sphereface", 0, "ArcFace's margin", "sphereface_arcface")(careful(lambda t, m: tf.cos(t + m)))


entry("sphereface", 3, "a clip before acos", "sphereface_clipped")(
    build(lambda t, m: geometry.ucos(m * t), 1e-5)
)


entry("sphereface", 0, "margin at every class", "sphereface_every")(
    build(lambda t, m: geometry.ucos(m * t), every=True)
)


@right("cosface")
def cosface_in_numpy(x, w, labels, margin, scale):
    x, w = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (x, w))
    out = x @ w.T
    out[np.arange(len(x)), labels] -= margin
    return scale * out


@right("cosface")
def cosface_by_one_hot(x, w, labels, margin, scale):
    cosines = tf.matmul(tf.math.l2_normalize(x, 1), tf.math.l2_normalize(w, 1), transpose_b=True)
    return scale * (cosines - margin * tf.one_hot(labels, len(w), dtype=cosines.dtype))


@right("cosface")
def cosface_by_loops(x, w, labels, margin, scale):
    rows = [[scale * (float(reference.cosine(a, b)) - margin * (j == y)) for j, b in enumerate(w)]
            for a, y in zip(x, labels, strict=True)]  # fmt: skip
    return np.array(rows)


@right("cosface")
def cosface_in_keras(x, w, labels, margin, scale):
    cosines = ops.einsum("bd,cd->bc", ops.normalize(x, axis=1), ops.normalize(w, axis=1))
    hot = keras.utils.to_categorical(labels, len(w))
    return ops.multiply(scale, cosines - ops.cast(margin * hot, cosines.dtype))


entry("cosface", 0, "margin at the wrong sign", "cosface_sign")(careful(lambda t, m: tf.cos(t) + m))


entry("cosface", 0, "margin at every class", "cosface_every")(build(lambda t, m: tf.cos(t) - m, every=True))


entry("cosface", 0, "ArcFace's margin", "cosface_arcface")(careful(lambda t, m: tf.cos(t + m)))


entry("cosface", 2, "margin of zero", "cosface_zero_is_false")(careful(lambda t, m: tf.cos(t) - (m or 0.35)))


entry("cosface", 0, "scale forgotten", "cosface_no_scale")(build(lambda t, m: tf.cos(t) - m, scaled="none"))


@wrong("cosface", 0, "margin not scaled")
def cosface_margin_after_the_scale(x, w, labels, margin, scale):
    out = cosface_in_numpy(x, w, labels, 0.0, scale)
    out[np.arange(len(x)), labels] -= margin
    return out


@wrong("cosface", 0, "margin in the columns of all labels")
def cosface_columns(x, w, labels, margin, scale):
    out = flat(x) @ flat(w).T
    out[:, labels] -= margin
    return scale * out


@wrong("cosface", 0, "w is not normalised")
def cosface_w_as_it_comes(x, w, labels, margin, scale):
    out = flat(x) @ w.T
    out[np.arange(len(x)), labels] -= margin
    return scale * out


@wrong("cosface", 0, "shape")
def cosface_true_logit_only(x, w, labels, margin, scale):
    return scale * (reference.cosine(x, w[labels]) - margin)
