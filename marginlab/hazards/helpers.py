"""What records share. The letters are the book's: x an embedding, w a class direction, both ``(n, 2)``."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from marginlab import reference

__all__ = [
    "ANGLES",
    "along",
    "arcface_slopes",
    "circle",
    "crowd",
    "gradient",
    "jumping",
    "not_falling",
    "not_finite",
    "off_by",
    "pairs",
    "slopes",
    "true_logits",
    "with_directions",
]

ANGLES = np.geomspace(1e-6, 2.5, 101)  # of plots of gradients


def pairs(theta: ArrayLike) -> tuple[tf.Tensor, tf.Tensor]:
    """x and w of length 1 in float32, theta ``(n,)`` apart.

    How forms round depends on where w stands. At 5.84 rad naive ones are off by about a tenth at θ = 1e-3,
    where the median over all directions is 2 % and the largest error 18 %; and ours stands well. Chapter 5
    shows medians.
    """
    theta = np.asarray(theta, "float64")
    x = np.stack([np.cos(5.84 + theta), np.sin(5.84 + theta)], axis=-1)
    w = np.broadcast_to([math.cos(5.84), math.sin(5.84)], x.shape)
    return tf.constant(x, "float32"), tf.constant(w, "float32")


def circle(num_classes: int) -> np.ndarray:
    """Class directions ``(C, 2)`` spread evenly over the circle, in float32."""
    turn = 2 * np.pi * np.arange(num_classes) / num_classes
    return np.stack([np.cos(turn), np.sin(turn)], axis=-1).astype("float32")


def along(length: np.ndarray) -> tf.Tensor:
    """Vectors ``(n, 2)`` of the given lengths ``(n,)``, in the direction (3, 4), in float32."""
    return tf.constant(np.outer(length, [0.6, 0.8]), "float32")


def crowd() -> tuple[np.ndarray, np.ndarray]:
    """400 embeddings about ten class directions on the circle, and their labels: some strayed."""
    labels = np.arange(400) % 10
    turn = 2 * np.pi * labels / 10 + np.random.default_rng(0).normal(0, 0.2, 400)
    return np.stack([np.cos(turn), np.sin(turn)], axis=-1).astype("float32"), labels


def with_directions(head: Any, w: Any) -> Any:
    """The head with class directions w ``(C, d)``."""
    head.build((None, w.shape[1]))
    head.class_directions.assign(w)
    return head


def true_logits(head: Any, x: Any, w: Any) -> tf.Tensor:
    """Logits ``(n,)`` with the margin, where row i of x belongs to class i of direction w[i]."""
    return tf.linalg.diag_part(with_directions(head, w)(x, np.arange(len(w))))


def gradient(f: Callable, x: Any) -> np.ndarray:
    """Gradient of the sum of f(x) in x, ``(n, d)``, as float64 NumPy."""
    x = tf.convert_to_tensor(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = f(x)
    return (
        tape.gradient(value, x, unconnected_gradients=tf.UnconnectedGradients.ZERO).numpy().astype("float64")
    )


def slopes(f: Callable, x: Any) -> np.ndarray:
    """Length of each row of `gradient`, ``(n,)``."""
    return np.linalg.norm(gradient(f, x), axis=-1)


def arcface_slopes(theta: np.ndarray, scale: float) -> np.ndarray:
    """Length of the gradient of ArcFace's logit in x, ‖x‖ = 1, m = 0.5: s|sin(θ + m)|, and 0 at θ = 0."""
    return np.where(theta > 0, scale * np.abs(reference.psi_slope(theta, m2=0.5)), 0.0)


def off_by(tolerance: float) -> Callable:
    """A predicate: the relative error exceeds the tolerance. NaN and infinity always do."""
    return lambda points, values, truth: ~(np.abs(values - truth) <= tolerance * np.abs(truth) + 1e-6)


def not_finite(points: np.ndarray, values: np.ndarray, truth: np.ndarray | None) -> np.ndarray:
    return ~np.isfinite(values)


def not_falling(points: np.ndarray, values: np.ndarray, truth: np.ndarray | None) -> np.ndarray:
    """ψ must fall as the angle grows: each value must be below all before it."""
    lowest = np.minimum.accumulate(np.append(np.inf, values[:-1]))
    return ~(values <= lowest - 1e-6)


def jumping(points: np.ndarray, values: np.ndarray, truth: np.ndarray | None) -> np.ndarray:
    """|ψ'| is at most 1, so ψ cannot change by more than the angle does."""
    step = np.abs(np.diff(values, prepend=values[:1]))
    return ~(step <= 1.001 * np.diff(points, prepend=points[:1]) + 1e-6)
