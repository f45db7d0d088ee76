"""Answers to `cross_entropy`."""

import math

import keras
import numpy as np
import tensorflow as tf

from bank import right, wrong


@right("cross_entropy")
def loss_in_numpy(logits, labels):
    top = logits.max(axis=1)
    return np.log(np.exp(logits - top[:, None]).sum(axis=1)) + top - logits[np.arange(len(labels)), labels]


@right("cross_entropy")
def loss_by_tensorflow(logits, labels):
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)


@right("cross_entropy")
def loss_by_keras(logits, labels):
    return keras.losses.sparse_categorical_crossentropy(labels, tf.constant(logits), from_logits=True)


@right("cross_entropy")
def loss_by_loops(logits, labels):
    out = []
    for row, y in zip(logits.astype("float64"), labels, strict=True):
        out.append(math.log(sum(math.exp(f - max(row)) for f in row)) + max(row) - row[y])
    return np.array(out)


@right("cross_entropy")
def loss_by_logaddexp(logits, labels):
    return np.logaddexp.reduce(logits, axis=1) - np.take_along_axis(logits, labels[:, None], 1)[:, 0]


@wrong("cross_entropy", 2, "exp without the maximum")
def loss_naive(logits, labels):
    return np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels]


@wrong("cross_entropy", 2, "the probability clipped")
def loss_stuck_at_691(logits, labels):
    p = np.exp(logits.astype("float64") - logits.max(axis=1, keepdims=True))
    p = p[np.arange(len(labels)), labels] / p.sum(axis=1)
    return -np.log(np.maximum(p, 1e-300))


@wrong("cross_entropy", 2, "exp without the maximum")
def loss_by_the_probability(logits, labels):
    p = np.exp(logits.astype("float64") - logits.max(axis=1, keepdims=True))
    return -np.log(p[np.arange(len(labels)), labels] / p.sum(axis=1))


@wrong("cross_entropy", 1, "the probability clipped")
def loss_stuck_at_69(logits, labels):
    p = tf.gather(tf.nn.softmax(tf.cast(logits, "float64")), labels, batch_dims=1)
    return -tf.math.log(tf.maximum(p, 1e-30))


@wrong("cross_entropy", 1, "an epsilon in the logarithm")
def loss_epsilon(logits, labels):
    p = tf.gather(tf.nn.softmax(tf.cast(logits, "float64")), labels, batch_dims=1)
    return -tf.math.log(p + 1e-12)


@wrong("cross_entropy", 0, "shape")
def loss_mean(logits, labels):
    return loss_in_numpy(logits, labels).mean()


@wrong("cross_entropy", 0, "the true logit alone")
def loss_of_the_true_logit(logits, labels):
    return -logits[np.arange(len(labels)), labels]


@wrong("cross_entropy", 0, "the sign of the loss")
def loss_sign(logits, labels):
    return -loss_in_numpy(logits, labels)


@wrong("cross_entropy", 0, "the largest not put back")
def loss_largest(logits, labels):
    return loss_in_numpy(logits, labels) - logits.max(axis=1)
