"""The code of the demo that this book grew from, as functions: layers, then the same with a scale."""

import tensorflow as tf

from bank import wrong

EDGE = 0.00001


def layer(added, scaled=False, softmax=True):
    def call(x, w, labels, margin, scale):
        out = tf.matmul(tf.math.l2_normalize(x, 1), tf.transpose(tf.math.l2_normalize(w, 1)))
        hot = tf.one_hot(labels, len(w), dtype=out.dtype)
        out += added(tf.reduce_sum(hot * out, 1, True), margin) * hot
        out = (scale if scaled else tf.norm(x, axis=1, keepdims=True)) * out
        return tf.nn.softmax(out) if softmax else out

    return call


def arcface(c, m):
    c = tf.clip_by_value(c, -1 + EDGE, 1 - EDGE)
    return tf.cos(tf.acos(c) + m) - c


def sphereface(c, m):
    c = tf.clip_by_value(c, -1 + EDGE, 1 - EDGE)
    return tf.cos(tf.acos(tf.clip_by_value(c, 0, 3.1415926)) * m) - c


def cosface(c, m):
    return -tf.cast(m, c.dtype)


def entry(check, parts, mistake, f, name):
    f.__name__ = name
    wrong(check, parts, mistake)(f)


for check, added in (("arcface", arcface), ("sphereface", sphereface), ("cosface", cosface)):
    entry(check, 0, "probabilities for logits", layer(added), f"demo_{check}")
    entry(check, 0, "‖x‖ for the scale", layer(added, softmax=False), f"demo_{check}_logits")
entry("arcface", 2, "a clip before acos", layer(arcface, True, False), "demo_arcface_scaled")
entry(
    "sphereface",
    2,
    "the cosine clipped as an angle",
    layer(sphereface, True, False),
    "demo_sphereface_scaled",
)


@wrong("cross_entropy", 1, "the probability clipped")
def demo_loss(logits, labels):
    p = tf.clip_by_value(tf.nn.softmax(logits), 1e-9, 1)
    return tf.reduce_sum(-tf.one_hot(labels, p.shape[1], dtype=p.dtype) * tf.math.log(p), 1)


@wrong("normface", 0, "the plain head")
def demo_softmax(x, w, scale):
    return tf.matmul(x, tf.transpose(w)) + tf.zeros((len(w),), x.dtype)
