"""ArcFace, SphereFace, CosFace and NormFace, and ArcFace's gradient by hand."""

import math

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from bank import right, wrong
from marginlab import geometry, heads, reference

# ---- ArcFace, right, in other styles


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


# ---- ArcFace, wrong


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


def entry(check, parts, mistake, name):
    def put(f):
        f.__name__ = name
        wrong(check, parts, mistake)(f)

    return put


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


# ---- SphereFace


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

# ---- CosFace


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


# ---- NormFace


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


# ---- ArcFace's gradient by hand


def parts_of(x, w):
    xn = np.linalg.norm(x, axis=1, keepdims=True)
    xu, wu = x / xn, w / np.linalg.norm(w, axis=1, keepdims=True)
    c = np.sum(xu * wu, axis=1, keepdims=True)
    rest = wu - c * xu
    s = np.linalg.norm(rest, axis=1, keepdims=True)
    return xn, xu, wu, c, rest, s


def by_hand(slope=lambda t, m: np.abs(np.sin(t + m)), towards=None, length=True, guard=True):
    def f(x, w, margin, scale):
        xn, xu, wu, c, rest, s = parts_of(x, w)
        t = towards(xu, wu, rest, s) if towards else rest / (np.where(s == 0, 1, s) if guard else s)
        return scale * slope(np.arctan2(s, c), margin) * t / (xn if length else 1)

    return f


right("arcface_gradient")(by_hand())


@right("arcface_gradient")
def gradient_by_loops(x, w, margin, scale):
    out = np.zeros(x.shape)
    for i in range(len(x)):
        a, b = x[i].astype("float64"), w[i].astype("float64")
        n = math.hypot(*a)
        a, b = a / n, b / math.hypot(*b)
        rest = b - (a @ b) * a
        s = math.hypot(*rest)
        if s > 0:
            out[i] = scale * abs(math.sin(math.atan2(s, a @ b) + margin)) * rest / s / n
    return out


@right("arcface_gradient")
def gradient_by_einsum(x, w, margin, scale):
    xn = np.sqrt(np.einsum("bd,bd->b", x, x))
    xu = x / xn[:, None]
    wu = w / np.sqrt(np.einsum("bd,bd->b", w, w))[:, None]
    c = np.einsum("bd,bd->b", xu, wu)
    rest = wu - c[:, None] * xu
    s = np.sqrt(np.einsum("bd,bd->b", rest, rest))
    size = np.divide(scale * np.abs(np.sin(np.arctan2(s, c) + margin)), s * xn, out=0 * s, where=s > 0)
    return size[:, None] * rest


@right("arcface_gradient")
def gradient_in_tensorflow(x, w, margin, scale):
    xn = tf.norm(x, axis=1, keepdims=True)
    xu = x / xn
    wu = w / tf.norm(w, axis=1, keepdims=True)
    c = tf.reduce_sum(xu * wu, axis=1, keepdims=True)
    rest = wu - c * xu
    s = tf.norm(rest, axis=1, keepdims=True)
    return scale * tf.abs(tf.sin(tf.atan2(s, c) + margin)) * tf.math.divide_no_nan(rest, s) / xn


entry("arcface_gradient", 0, "‖x‖ forgotten", "gradient_without_length")(by_hand(length=False))
entry("arcface_gradient", 0, "the gradient's sign", "gradient_downhill")(
    by_hand(lambda t, m: -np.abs(np.sin(t + m)))
)
entry("arcface_gradient", 3, "the sign flips past π", "gradient_turned_back")(
    by_hand(lambda t, m: np.sin(t + m))
)
entry("arcface_gradient", 0, "margin without its gradient", "gradient_of_the_cosine")(
    by_hand(lambda t, m: np.sin(t))
)
entry("arcface_gradient", 3, "0/0 at θ = 0", "gradient_unguarded")(by_hand(guard=False))
entry("arcface_gradient", 0, "not projected", "gradient_along_w")(by_hand(towards=lambda xu, wu, rest, s: wu))
entry("arcface_gradient", 0, "the direction's length", "gradient_short")(
    by_hand(towards=lambda xu, wu, rest, s: rest)
)
entry("arcface_gradient", 0, "degrees given for radians", "gradient_degrees")(
    by_hand(lambda t, m: np.abs(np.sin(t + np.radians(m))))
)


@wrong("arcface_gradient", 2, "digits lost near 0")
def gradient_by_acos(x, w, margin, scale):
    xn, xu, wu, c, _, _ = parts_of(x, w)
    s = np.sqrt(1 - c * c)
    return scale * np.abs(np.sin(np.arccos(c) + margin)) * (wu - c * xu) / s / xn


@wrong("arcface_gradient", 2, "digits lost near 0")
def gradient_by_acos_in_float64(x, w, margin, scale):
    return gradient_by_acos(x.astype("float64"), w.astype("float64"), margin, scale)


def differences(step):
    def f(x, w, margin, scale):
        x, w, out = x.astype("float64"), w.astype("float64"), []
        for way in step * np.eye(x.shape[1]):
            up, down = (reference.ucos(reference.angle(v, w) + margin) for v in (x + way, x - way))
            out.append(scale * (up - down) / (2 * step))
        return np.stack(out, axis=1)

    return f


entry("arcface_gradient", 3, "differences for the gradient", "gradient_by_differences")(differences(1e-6))
entry("arcface_gradient", 3, "differences for the gradient", "gradient_by_wide_differences")(
    differences(1e-5)
)
entry("arcface_gradient", 3, "digits lost near 0", "gradient_by_narrow_differences")(differences(1e-8))


def off(towards, name, **rest):
    f = by_hand(towards=towards, **rest)
    entry("arcface_gradient", 0, "the rejection of x̂", name)(f)


def of_x(xu, wu):
    return xu - np.sum(xu * wu, axis=1, keepdims=True) * wu


def short(v):
    return v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-30)


off(lambda xu, wu, rest, s: short(of_x(xu, wu)), "gradient_of_the_other_rejection")
off(lambda xu, wu, rest, s: -short(of_x(xu, wu)), "gradient_of_the_other_rejection_turned")
off(lambda xu, wu, rest, s: of_x(xu, wu), "gradient_of_the_other_rejection_short")
off(lambda xu, wu, rest, s: short(of_x(xu, wu)), "gradient_of_the_other_rejection_long", length=False)
entry("arcface_gradient", 3, "an epsilon beside the sine", "gradient_with_an_epsilon")(
    by_hand(towards=lambda xu, wu, rest, s: rest / (s + 1e-12))
)
entry("arcface_gradient", 0, "one length for the whole array", "gradient_without_an_axis")(
    by_hand(towards=lambda xu, wu, rest, s: rest / np.linalg.norm(rest))
)
entry("arcface_gradient", 0, "the value for the slope", "gradient_not_differentiated")(
    by_hand(lambda t, m: np.abs(np.cos(t + m)))
)
entry("arcface_gradient", 0, "margin at the wrong sign", "gradient_at_the_wrong_sign")(
    by_hand(lambda t, m: np.abs(np.sin(t - m)))
)
entry("arcface_gradient", 0, "not projected", "gradient_along_w_by_the_chain_rule")(
    by_hand(lambda t, m: np.abs(np.sin(t + m)) / np.sin(t), lambda xu, wu, rest, s: wu)
)


@wrong("arcface_gradient", 3, "a clip before acos")
def gradient_clipped(x, w, margin, scale):
    xn, _, _, c, rest, s = parts_of(x, w)
    inside = np.abs(c) < 1 - 1e-5
    t = np.where(inside, rest / np.where(s == 0, 1, s), 0)
    return scale * np.abs(np.sin(np.arctan2(s, c) + margin)) * t / xn
