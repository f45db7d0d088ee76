"""Losses, what the circle can hold, verification rates, blocks, memory and carried weights."""

import math

import keras
import numpy as np
import tensorflow as tf

from bank import right, wrong
from marginlab.room import budget
from marginlab.room import largest_margin as budget_margin
from marginlab.room import least_scale as budget_scale

# ---- cross-entropy


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


# ---- what the circle can hold


@right("loss_floor")
def floor_by_budget(scale, classes):
    return budget(classes, 2, "normface", scale=scale).best_loss


@right("loss_floor")
def floor_in_numpy(scale, classes):
    return np.log1p(np.sum(np.exp(scale * (np.cos(2 * np.pi * np.arange(1, classes) / classes) - 1))))


@right("loss_floor")
def floor_by_loops(scale, classes):
    total = 0.0
    for j in range(1, classes):
        total += math.exp(-2 * scale * math.sin(math.pi * j / classes) ** 2)
    return math.log1p(total)


def evenly(scale, classes):
    return scale * np.cos(2 * np.pi * np.arange(classes) / classes)


@wrong("loss_floor", 2, "1 swallows a small sum")
def floor_of_the_lesson(scale, classes):
    turn = 2 * np.pi * np.arange(classes) / classes
    return np.log(np.exp(-scale * (1 - np.cos(turn))).sum())


@wrong("loss_floor", 2, "exp without the maximum")
def floor_of_the_raw_logits(scale, classes):
    return np.log(np.exp(evenly(scale, classes)).sum()) - scale


@wrong("loss_floor", 0, "the true class left out of the sum")
def floor_without_the_one(scale, classes):
    return np.log(np.exp(evenly(scale, classes)[1:] - scale).sum())


@wrong("loss_floor", 0, "the sum for the loss")
def floor_without_the_logarithm(scale, classes):
    return np.exp(evenly(scale, classes)[1:] - scale).sum()


@wrong("loss_floor", 0, "half a circle")
def floor_on_half_a_circle(scale, classes):
    return np.log1p(np.exp(scale * (np.cos(np.pi * np.arange(1, classes) / classes) - 1)).sum())


@wrong("loss_floor", 0, "the sign of the loss")
def floor_below_zero(scale, classes):
    return -floor_in_numpy(scale, classes)


@wrong("loss_floor", 0, "the true logit forgotten")
def floor_without_the_scale(scale, classes):
    return np.logaddexp.reduce(evenly(scale, classes))


@wrong("loss_floor", 2, "1 swallows a small sum")
def floor_by_logaddexp(scale, classes):
    return np.logaddexp.reduce(evenly(scale, classes)) - scale


@wrong("loss_floor", 0, "the simplex for the circle")
def floor_simplex(scale, classes):
    return math.log(1 + (classes - 1) * math.exp(-scale * classes / (classes - 1)))


@wrong("loss_floor", 0, "the nearest two only")
def floor_nearest(scale, classes):
    near = 1 if classes == 2 else 2
    return math.log(1 + near * math.exp(scale * (math.cos(2 * math.pi / classes) - 1)))


@wrong("loss_floor", 2, "exp without the maximum")
def floor_overflows(scale, classes):
    e = np.exp(scale * np.cos(2 * np.pi * np.arange(classes) / classes))
    return -np.log(e[0] / e.sum())


@right("largest_margin")
def margin_by_budget(classes):
    return budget_margin(classes)[0]


@right("largest_margin")
def margin_as_an_array(classes):
    return 2 * np.sin(np.asarray(np.pi / classes)) ** 2


@wrong("largest_margin", 0, "the simplex for the circle")
def margin_simplex(classes):
    return classes / (classes - 1)


@wrong("largest_margin", 2, "digits lost in 1 - cos")
def margin_by_the_cosine(classes):
    return 1 - np.cos(2 * np.pi / classes)


@wrong("largest_margin", 0, "the square forgotten")
def margin_without_the_square(classes):
    return 2 * math.sin(math.pi / classes)


@wrong("largest_margin", 0, "the half of the angle forgotten")
def margin_of_the_whole_angle(classes):
    return 2 * math.sin(2 * math.pi / classes) ** 2


@wrong("largest_margin", 0, "the 2 forgotten")
def margin_without_the_2(classes):
    return math.sin(math.pi / classes) ** 2


@wrong("largest_margin", 0, "ArcFace's margin")
def margin_angle(classes):
    return 2 * math.pi / classes


@wrong("largest_margin", 0, "half the angle")
def margin_half(classes):
    return 1 - math.cos(math.pi / classes)


@right("least_scale")
def scale_by_budget(classes, probability):
    return budget_scale(classes, 2, probability)


@right("least_scale")
def scale_by_bisection(classes, probability):
    gaps = np.cos(2 * np.pi * np.arange(classes) / classes) - 1
    low, high = 0.0, 1e5
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if 1 / np.exp(middle * gaps).sum() < probability else (low, middle)
    return high


@wrong("least_scale", 0, "the simplex for the circle")
def scale_simplex(classes, probability):
    return (classes - 1) / classes * math.log((classes - 1) * probability / (1 - probability))


def bisected(enough, low=0.0, high=1e6):
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


@wrong("least_scale", 2, "the search ends too early")
def scale_up_to_100(classes, probability):
    return bisected(lambda s: math.exp(-floor_in_numpy(s, classes)) >= probability, high=100.0)


@wrong("least_scale", 2, "the search ends too early")
def scale_up_to_1000(classes, probability):
    return bisected(lambda s: math.exp(-floor_in_numpy(s, classes)) >= probability, high=1000.0)


@wrong("least_scale", 2, "the search ends too early")
def scale_up_to_300(classes, probability):
    return bisected(lambda s: math.exp(-floor_in_numpy(s, classes)) >= probability, high=300.0)


@wrong("least_scale", 0, "the search never finds enough")
def scale_turned_round(classes, probability):
    return bisected(lambda s: math.exp(-floor_in_numpy(s, classes)) < probability)


@wrong("least_scale", 0, "the loss for the probability")
def scale_of_a_floor_of_the_rest(classes, probability):
    return bisected(lambda s: floor_in_numpy(s, classes) <= 1 - probability)


@wrong("least_scale", 0, "the search never finds enough")
def scale_by_a_naive_probability(classes, probability):
    def enough(s):
        e = np.exp(evenly(s, classes))
        return e[0] / e.sum() >= probability

    return bisected(enough, high=1e4)


@wrong("least_scale", 0, "the loss for the probability")
def scale_of_a_floor_of_p(classes, probability):
    return bisected(lambda s: floor_in_numpy(s, classes) <= probability)


@wrong("least_scale", 0, "the other classes forgotten")
def scale_of_a_sigmoid(classes, probability):
    return math.log(probability / (1 - probability))


@wrong("least_scale", 0, "value")
def scale_fixed(classes, probability):
    return 2.5


@wrong("least_scale", 0, "scales in steps")
def scale_in_steps(classes, probability):
    return next(s for s in np.arange(0, 10000, 0.1) if math.exp(-floor_in_numpy(s, classes)) >= probability)


@wrong("least_scale", 0, "AdaCos's scale")
def scale_adacos(classes, probability):
    return math.sqrt(2) * math.log(classes - 1) if classes > 2 else 0.0


# ---- verification rates


@right("tar_at_far")
def tar_by_sorting(scores, same, far):
    others = np.sort(scores[~same])
    return np.mean(scores[same] > others[len(others) - 1 - math.floor(far * len(others) + 1e-9)])


@right("tar_at_far")
def tar_by_trying_all(scores, same, far):
    best = 0.0
    for t in np.append(np.unique(scores), np.inf):
        if np.mean(scores[~same] >= t) <= far + 1e-12:
            best = max(best, float(np.mean(scores[same] >= t)))
    return best


@right("tar_at_far")
def tar_by_counting_strangers_first(scores, same, far):
    order = np.lexsort((same, -scores))
    rates = np.cumsum(~same[order]) / np.sum(~same), np.cumsum(same[order]) / np.sum(same)
    return rates[1][rates[0] <= far + 1e-12].max(initial=0.0)


@wrong("tar_at_far", 2, "at least for above")
def tar_by_counting(scores, same, far):
    order = np.argsort(-scores)
    rates = np.cumsum(~same[order]) / np.sum(~same), np.cumsum(same[order]) / np.sum(same)
    return rates[1][rates[0] <= far + 1e-12].max(initial=0.0)


@wrong("tar_at_far", 0, "same turned round")
def tar_turned_round(scores, same, far):
    return tar_by_sorting(scores, ~same, far)


@wrong("tar_at_far", 0, "the rejected for the accepted")
def tar_rejected(scores, same, far):
    return 1 - tar_by_sorting(scores, same, far)


@wrong("tar_at_far", 0, "the threshold from all scores")
def tar_all_scores(scores, same, far):
    return np.mean(scores[same] > np.quantile(scores, 1 - far))


@wrong("tar_at_far", 2, "at least for above")
def tar_at_least(scores, same, far):
    others = np.sort(scores[~same])
    return np.mean(scores[same] >= others[len(others) - 1 - math.floor(far * len(others) + 1e-9)])


@right("tar_at_far")
def tar_by_a_loop(scores, same, far):
    for t in np.append(-np.inf, np.unique(scores)):
        if np.mean(scores[~same] > t) <= far + 1e-12:
            return np.mean(scores[same] > t)


@wrong("tar_at_far", 2, "more false accepts than allowed")
def tar_by_quantile(scores, same, far):
    return np.mean(scores[same] > np.quantile(scores[~same], 1 - far))


@wrong("tar_at_far", 1, "more false accepts than allowed")
def tar_one_too_high(scores, same, far):
    others = np.sort(scores[~same])[::-1]
    return np.mean(scores[same] > others[max(math.floor(far * len(others) + 1e-9) - 1, 0)])


@wrong("tar_at_far", 0, "a count for a share")
def tar_count(scores, same, far):
    return tar_by_sorting(scores, same, far) * np.sum(same)


@wrong("tar_at_far", 0, "the threshold from the wrong end")
def tar_from_below(scores, same, far):
    return np.mean(scores[same] > np.sort(scores[~same])[math.floor(far * np.sum(~same) + 1e-9)])


@wrong("tar_at_far", 0, "the threshold for the rate")
def tar_threshold(scores, same, far):
    return np.quantile(scores[~same], 1 - far)


@right("eer")
def eer_by_trying_all(scores, same):
    rates = [(np.mean(scores[~same] >= t), np.mean(scores[same] < t)) for t in np.linspace(-0.5, 1, 1501)]
    far, frr = min(rates, key=lambda r: abs(r[0] - r[1]))
    return (far + frr) / 2


@right("eer")
def eer_interpolated(scores, same):
    order = np.argsort(-scores)
    far = np.cumsum(~same[order]) / np.sum(~same)
    frr = 1 - np.cumsum(same[order]) / np.sum(same)
    i = int(np.argmax(far >= frr))
    return (far[i] + frr[i]) / 2


@wrong("eer", 0, "1 less the error")
def eer_accuracy(scores, same):
    return 1 - eer_interpolated(scores, same)


@wrong("eer", 0, "TAR for the false rejects")
def eer_of_tar(scores, same):
    rates = [(np.mean(scores[~same] > t), np.mean(scores[same] > t)) for t in np.linspace(-0.5, 1, 1501)]
    return np.mean(min(rates, key=lambda r: abs(r[0] - r[1])))


@wrong("eer", 0, "shares of all pairs")
def eer_of_all_pairs(scores, same):
    rates = [
        (np.mean((scores > t) & ~same), np.mean((scores <= t) & same)) for t in np.linspace(-0.5, 1, 1501)
    ]
    return np.mean(min(rates, key=lambda r: abs(r[0] - r[1])))


@wrong("eer", 0, "the threshold for the rate")
def eer_threshold(scores, same):
    ts = np.linspace(-0.5, 1, 1501)
    return ts[np.argmin([abs(np.mean(scores[~same] >= t) - np.mean(scores[same] < t)) for t in ts])]


@wrong("eer", 0, "the least error for the equal error")
def eer_least(scores, same):
    return min(np.mean((scores >= t) != same) for t in np.linspace(-0.5, 1, 1501))


# ---- classes by the thousand


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


@right("carry_over")
def carried_in_numpy(W, degrees):
    return W.T, np.radians(degrees)


@right("carry_over")
def carried_in_tensorflow(W, degrees):
    return tf.transpose(W), tf.constant(degrees * math.pi / 180, "float64")


@wrong("carry_over", 0, "degrees given for radians")
def carried_in_degrees(W, degrees):
    return W.T, degrees


@wrong("carry_over", 0, "not transposed")
def carried_as_it_is(W, degrees):
    return W, math.radians(degrees)


@wrong("carry_over", 0, "reshaped instead of transposed")
def carried_by_reshape(W, degrees):
    return W.reshape(W.shape[1], W.shape[0]), math.radians(degrees)


@wrong("carry_over", 0, "shape")
def carried_without_margin(W, degrees):
    return W.T
