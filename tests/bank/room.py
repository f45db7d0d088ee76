"""Answers to `loss_floor`, `largest_margin` and `least_scale`."""

import math

import numpy as np

from bank import right, wrong
from marginlab.room import budget
from marginlab.room import largest_margin as budget_margin
from marginlab.room import least_scale as budget_scale


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
