"""Encoders: networks from images to embeddings that can be looked at.

Both take images ``(B, 28, 28)`` as pixels from 0 to 255, of any type, to embeddings
``(B, dim)``: their first layer divides by 255. Both end in a linear layer, for a
ReLU there would shut the embeddings into one quadrant (see the hazard of that name).
"""

from collections.abc import Iterable

import keras
from keras import layers

from marginlab.recipe import RECIPE

__all__ = ["SIDE", "convnet", "fast"]

SIDE = 28


def convnet(dim: int = 2) -> keras.Sequential:
    """The original demo's network, layer for layer, behind its division by 255.

    Its convolutions have no activation. That is how the demo has it, and it is
    kept so that the demo's table can be reproduced.
    """
    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE)),
            layers.Rescaling(1 / 255),
            layers.Reshape((SIDE, SIDE, 1)),
            layers.Conv2D(20, 3),
            layers.MaxPooling2D(2),
            layers.Conv2D(20, 3),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(dim),
        ],
        name="convnet",
    )


def fast(dim: int = 2, hidden: Iterable[int] = RECIPE.hidden) -> keras.Sequential:
    """A small network for sliders: the image averaged to 14×14, then ReLU layers.

    It trains in about a second on two cores, and is small enough to be trained
    in a browser page too. The layers before the first `Dense` have no weights,
    so a trainer may apply them once.
    """
    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE)),
            layers.Rescaling(1 / 255),
            layers.Reshape((SIDE, SIDE, 1)),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            *[layers.Dense(width, activation="relu") for width in hidden],
            layers.Dense(dim),
        ],
        name="fast",
    )
