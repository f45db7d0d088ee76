"""Answers to `carry_over`."""

import math

import numpy as np
import tensorflow as tf

from bank import right, wrong


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
