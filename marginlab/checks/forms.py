"""Wrong forms, and words about them, that several tasks share."""

from collections.abc import Callable
from typing import Any

import numpy as np

from marginlab.checks.report import Mistake

__all__ = ["ACOS", "CLIP", "cosines", "flat", "softmax", "whole"]


def flat(x: Any, axis: int | None = -1, order: int = 2) -> np.ndarray:
    return x / np.linalg.norm(x, ord=order, axis=axis, keepdims=True)


def cosines(x: Any, w: Any) -> np.ndarray:
    return np.sum(flat(x) * flat(w), axis=-1)


def whole(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v)


def softmax(form: Callable) -> Callable:
    def probabilities(*args):
        out = form(*args)
        p = np.exp(out - out.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True)

    return probabilities


ACOS = Mistake(
    "acos instead of the rejection",
    None,
    "acos, or √(1 - c²), instead of the rejection? A cosine near 1 no longer knows its angle: below 2.4e-4 "
    "in float32, and 1e-8 in float64, it is 1, and a sum that rounds above 1 makes acos NaN.",
    "Measure the sine as the length of the part of one direction that the other does not explain, and give "
    "sine and cosine to atan2.",
)


CLIP = (
    "Your result stands still and your gradient is zero at θ = 10⁻³: a clip before acos? It takes all angles "
    "below √(2ε) for one.",
    "Take the clip out, and measure the angle so that nothing needs clipping: by the sine and the cosine.",
)
