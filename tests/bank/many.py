"""Answers to `blockwise` and `memory`."""

import numpy as np
import tensorflow as tf

from bank import right, wrong


def _unit(v):
    return v / np.linalg.norm(v, axis=1, keepdims=True)


@right("blockwise")
def blocks_by_logaddexp(x, w, scale, block):
    out = np.full(len(x), -np.inf)
    for i in range(0, len(w), block):
        out = np.logaddexp(out, np.logaddexp.reduce(scale * _unit(x) @ _unit(w[i : i + block]).T, axis=1))
    return out


@right("blockwise")
def blocks_with_a_running_maximum(x, w, scale, block):
    x, top, total = _unit(x), np.full(len(x), -np.inf), np.zeros(len(x))
    for i in range(0, len(w), block):
        logits = scale * x @ _unit(w[i : i + block]).T
        new = np.maximum(top, logits.max(axis=1))
        total = total * np.exp(top - new) + np.exp(logits - new[:, None]).sum(axis=1)
        top = new
    return top + np.log(total)


@right("blockwise")
def blocks_in_tensorflow(x, w, scale, block):
    x, each = tf.math.l2_normalize(x, 1), []
    for i in range(0, len(w), block):
        logits = scale * tf.matmul(x, tf.math.l2_normalize(w[i : i + block], 1), transpose_b=True)
        each.append(tf.reduce_logsumexp(logits, axis=1))
    return tf.reduce_logsumexp(tf.stack(each), axis=0)


@wrong("blockwise", 3, "all classes at once")
def blocks_not_at_all(x, w, scale, block):
    logits = scale * _unit(x) @ _unit(w).T
    top = logits.max(axis=1)
    return top + np.log(np.exp(logits - top[:, None]).sum(axis=1))


@wrong("blockwise", 3, "exp without the maximum")
def blocks_overflow(x, w, scale, block):
    total = np.zeros(len(x))
    for i in range(0, len(w), block):
        total = total + np.exp(scale * _unit(x) @ _unit(w[i : i + block]).T).sum(axis=1)
    return np.log(total)


def summed(x, w, scale, block, new_top):
    total, top = np.zeros(len(x)), np.full(len(x), -np.inf)
    for i in range(0, len(w), block):
        logits = scale * _unit(x) @ _unit(w[i : i + block]).T
        top = new_top(top, logits.max(axis=1))
        total = total + np.exp(logits - top[:, None]).sum(axis=1)
    return np.log(total) + top


@wrong("blockwise", 0, "the sum not rescaled")
def blocks_not_rescaled(x, w, scale, block):
    return summed(x, w, scale, block, np.maximum)


@wrong("blockwise", 0, "each block below its own largest")
def blocks_below_their_own(x, w, scale, block):
    return summed(x, w, scale, block, lambda top, new: new)


@wrong("blockwise", 0, "the mean of the blocks")
def blocks_in_the_mean(x, w, scale, block):
    starts = range(0, len(w), block)
    return np.mean(
        [np.logaddexp.reduce(scale * _unit(x) @ _unit(w[i : i + block]).T, axis=1) for i in starts], axis=0
    )


@wrong("blockwise", 0, "the sum without its logarithm")
def blocks_without_the_logarithm(x, w, scale, block):
    return np.exp(blocks_by_logaddexp(x, w, scale, block))


@wrong("blockwise", 0, "neither is normalised")
def blocks_as_they_come(x, w, scale, block):
    return np.logaddexp.reduce(
        [np.logaddexp.reduce(scale * x @ w[i : i + block].T, axis=1) for i in range(0, len(w), block)]
    )


@wrong("blockwise", 3, "the scale for the maximum")
def blocks_below_the_scale(x, w, scale, block):
    total = np.zeros(len(x))
    for i in range(0, len(w), block):
        total = total + np.exp(scale * (_unit(x) @ _unit(w[i : i + block]).T - 1)).sum(axis=1)
    return np.log(total) + scale


@wrong("blockwise", 3, "the rest of the classes left out")
def blocks_without_the_rest(x, w, scale, block):
    whole = len(w) // block * block
    return blocks_by_logaddexp(x, w[:whole], scale, block)


@wrong("blockwise", 0, "the blocks' results added")
def blocks_added(x, w, scale, block):
    starts = range(0, len(w), block)
    return sum(np.logaddexp.reduce(scale * _unit(x) @ _unit(w[i : i + block]).T, axis=1) for i in starts)


@wrong("blockwise", 0, "the first block only")
def blocks_return_inside_the_loop(x, w, scale, block):
    for i in range(0, len(w), block):
        return np.logaddexp.reduce(scale * _unit(x) @ _unit(w[i : i + block]).T, axis=1)


@right("memory")
def memory_by_formula(classes, dim, batch):
    return 4 * (4 * classes * dim + 3 * batch * classes)


@right("memory")
def memory_in_floats(classes, dim, batch):
    return 4.0 * classes * (4.0 * dim + 3.0 * batch)


@wrong("memory", 0, "numbers for bytes")
def memory_in_numbers(classes, dim, batch):
    return 4 * classes * dim + 3 * batch * classes


@wrong("memory", 0, "gigabytes")
def memory_in_gigabytes(classes, dim, batch):
    return memory_by_formula(classes, dim, batch) / 1e9


@wrong("memory", 0, "the batch for the classes")
def memory_of_the_batch(classes, dim, batch):
    return 4 * (4 * batch * dim + 3 * batch * classes)


@wrong("memory", 0, "Adam forgotten")
def memory_without_adam(classes, dim, batch):
    return 4 * (2 * classes * dim + 3 * batch * classes)


@wrong("memory", 1, "whole numbers that overflow")
def memory_in_int32(classes, dim, batch):
    C, d, B = (np.array([n], "int32") for n in (classes, dim, batch))
    return int((4 * (4 * C * d + 3 * B * C)).astype("uint32")[0])
