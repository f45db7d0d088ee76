# type: ignore (a record is a class of functions without a self: see `record_of`)
"""Hazards met in 00_two_dimensions: two dimensions."""

import numpy as np
import tensorflow as tf

from marginlab import encoders, geometry
from marginlab.hazards.record import record_of

record = record_of("00_two_dimensions")


@record
class relu_on_the_embedding:
    symptom = "All ten classes are pressed into one quarter of the picture, and some never come apart."
    why = (
        "ReLU sets negative coordinates to 0, so a 2-D embedding can point only from 0° to 90°. Of ten "
        "directions 36° apart two or three lie there; the embedding of any other is turned away from it, and "
        "in the third quadrant becomes the zero vector, which has no direction."
    )
    cure = "End the encoder in a linear layer, as those in `marginlab.encoders` do."
    met = ("KevinMusgrave/pytorch-metric-learning#462",)
    axis, quantity = "class direction (°)", "angle between embedding and class direction (°)"
    see = "Even an embedding that wants to lie on its class direction cannot, outside one quadrant."
    points = np.arange(0, 360, 36)

    def naive(degrees):
        w = np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=-1)
        return np.degrees(geometry.angle(tf.nn.relu(w), w))

    def cured(degrees):
        w = np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=-1)
        last = encoders.fast(dim=2).layers[-1].activation
        return np.degrees(geometry.angle(last(w), w))

    def truth(degrees):
        return np.zeros(len(degrees))

    def wrong(points, values, truth):
        return values > 1.0
