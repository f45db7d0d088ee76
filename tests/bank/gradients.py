"""Answers to `arcface_gradient`."""

import math

import numpy as np
import tensorflow as tf

from bank import entry, right, wrong
from marginlab import reference


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
