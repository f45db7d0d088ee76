"""The task `carry_over`: weights of another library."""

import math

import numpy as np

from marginlab.checks.points import directions
from marginlab.checks.report import Case, Mistake, Part, task

__all__ = ["carry_over"]


def _carried(W, degrees):
    return W.T, math.radians(degrees)


@task(
    "W (d, C); degrees",
    _carried,
    [
        Mistake(
            "degrees given for radians",
            lambda W, a: (W.T, a),
            "Degrees given for radians: the margin is still in degrees.",
            "A whole turn is 360 degrees, or 2π.",
        ),
        Mistake(
            "radians turned into degrees",
            lambda W, a: (W.T, math.degrees(a)),
            "The margin is turned the wrong way: it became larger.",
            "A whole turn is 360 degrees, or 2π.",
        ),
        Mistake(
            "not transposed",
            lambda W, a: (W, math.radians(a)),
            "W is as it came: its columns are the classes, and here rows are.",
            "A class is a column of W, and must become a row.",
        ),
        Mistake(
            "reshaped instead of transposed",
            lambda W, a: (W.reshape(W.shape[::-1]), math.radians(a)),
            "The shape is right and the numbers stand elsewhere: reshape reads on along rows.",
            "A class is a column of W, and must become a row.",
        ),
        Mistake(
            "the cosine of the margin",
            lambda W, a: (W.T, math.cos(math.radians(a))),
            "This is the cosine of the margin: the angle itself is asked for.",
            "ArcFace's margin is an angle, in radians.",
        ),
    ],
)
def carry_over(rng: np.random.Generator) -> list[Part]:
    """class directions ``(C, d)`` and the margin in radians, from pytorch-metric-learning's."""

    def case(what, dim, classes, degrees):
        return Case(what, (directions(classes, dim, rng).T.astype("float32").copy(), degrees))

    return [
        Part("as many of each", [case("W (4, 4), 30 degrees", 4, 4, 30.0)]),
        Part("more dimensions than classes", [case("W (8, 5), 28.6 degrees", 8, 5, 28.6)]),
        Part("more classes than dimensions", [case("W (2, 10), 10 degrees", 2, 10, 10.0)]),
    ]
