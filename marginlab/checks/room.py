"""The tasks `loss_floor`, `largest_margin` and `least_scale`: what the circle can hold."""

import math

import numpy as np

from marginlab.checks.points import room, scalars
from marginlab.checks.report import Mistake, Part, task

__all__ = ["largest_margin", "least_scale", "loss_floor"]


def _on_the_circle(scale, classes):
    """The logits of a perfect image, the true class first, for classes evenly on the circle."""
    return scale * np.cos(2 * np.pi * np.arange(classes) / classes)


def _floor(scale, classes):
    angles, counts = room.arrangement(classes, 2)
    return room.perfect_loss(angles, counts, scale)


_SIMPLEX = (
    "You have the simplex's bound, in which all classes are equally far apart: a circle has no room for that "
    "beyond three classes."
)


@task(
    "scale; classes",
    _floor,
    [
        Mistake(
            "1 swallows a small sum",
            lambda s, C: np.log(np.exp(_on_the_circle(s, C) - s).sum()),
            "log(1 + tiny) is 0: the 1 of the true class swallows the small sum of the others.",
            "Leave the 1 out of the sum, and use log1p, the logarithm of 1 more than it is given.",
        ),
        *(
            Mistake(
                "exp without the maximum",
                form,
                "exp of a large scale is infinite.",
                "Take the true logit out of the sum first: only differences of logits matter.",
            )
            for form in (
                lambda s, C: np.log(np.exp(_on_the_circle(s, C)).sum()) - s,
                lambda s, C: -np.log(np.exp(s) / np.exp(_on_the_circle(s, C)).sum()),
            )
        ),
        Mistake(
            "the true class left out of the sum",
            lambda s, C: np.log(np.exp(_on_the_circle(s, C)[1:] - s).sum()),
            "Your sum begins at class 1, and the true class itself, class 0, is missing: its term is 1.",
            "Softmax divides by the sum over all classes, the true one too.",
        ),
        Mistake(
            "the true logit forgotten",
            lambda s, C: _floor(s, C) + s,
            "This is the log-sum-exp alone: the true logit, which is the scale, is not taken off.",
            "The loss is the log-sum-exp less the true logit.",
        ),
        Mistake(
            "the simplex for the circle",
            lambda s, C: math.log1p((C - 1) * math.exp(-s * C / (C - 1))),
            _SIMPLEX,
            "Write down the angles from one class to all others on the circle, and sum over them.",
        ),
        Mistake(
            "the nearest two only",
            lambda s, C: math.log1p((1 if C == 2 else 2) * math.exp(s * (math.cos(2 * math.pi / C) - 1))),
            "Only the two nearest classes are in your sum.",
            "Sum over all the other classes, each at its own angle.",
        ),
        Mistake(
            "all at the nearest",
            lambda s, C: math.log1p((C - 1) * math.exp(s * (math.cos(2 * math.pi / C) - 1))),
            "You put all other classes as near as the nearest.",
            "Class j stands at its own multiple of 2π/C.",
        ),
        Mistake(
            "scale forgotten",
            lambda s, C: _floor(1.0, C),
            "Scale forgotten: your floor does not depend on it.",
            "A logit is scale·cos θ.",
        ),
        Mistake(
            "others at 90°",
            lambda s, C: math.log1p((C - 1) * math.exp(-s)),
            "You take all other cosines for 0.",
            "Class j stands at its own multiple of 2π/C.",
        ),
        Mistake(
            "others at -1",
            lambda s, C: math.log1p((C - 1) * math.exp(-2 * s)),
            "You take all other cosines for -1: only one class can be opposite.",
            "Class j stands at its own multiple of 2π/C.",
        ),
        Mistake(
            "the true class twice",
            lambda s, C: math.log1p(math.exp(_floor(s, C))),
            "The true class is in your sum twice.",
            "j = 0 is the true class itself.",
        ),
        Mistake(
            "the sum for the loss",
            lambda s, C: math.expm1(_floor(s, C)),
            "This is the sum over the other classes: the logarithm is missing.",
            "The loss is the logarithm of 1 more than that sum.",
        ),
        Mistake(
            "half a circle",
            lambda s, C: math.log1p(sum(math.exp(s * (math.cos(math.pi * j / C) - 1)) for j in range(1, C))),
            "Your classes stand on half a circle, π/C apart.",
            "A whole turn is 2π.",
        ),
        Mistake(
            "the sign of the loss",
            lambda s, C: -_floor(s, C),
            "The sign is turned round: a loss is never below 0.",
            "A probability is below 1, and its logarithm below 0.",
        ),
        Mistake(
            "the probability for the loss",
            lambda s, C: math.exp(-_floor(s, C)),
            "This is the best probability: the loss is -ln of it.",
            "Take the logarithm.",
        ),
        Mistake(
            "degrees for radians",
            lambda s, C: math.log(sum(math.exp(s * (math.cos(360 * j / C) - 1)) for j in range(C))),
            "cos takes radians, and 360/C is in degrees.",
            "A whole turn is 2π.",
        ),
    ],
)
def loss_floor(rng: np.random.Generator) -> list[Part]:
    """NormFace's lowest loss in nats for classes spread evenly over the circle, a number."""
    some = [(float(s), int(C)) for s, C in zip(rng.uniform(0.5, 20, 3), rng.integers(5, 20, 3), strict=True)]
    digits = {"size": 0.0}  # six of them, however small the loss
    return [
        Part(
            "ten classes",
            scalars("scale {0:.4g}, {1} classes", (1.0, 10), (30.0, 10), (8.0, 10), *some, **digits),
        ),
        Part(
            "few and many classes",
            scalars("scale {0:g}, {1} classes", (2.0, 2), (5.0, 3), (30.0, 100), **digits),
        ),
        Part(
            "large scales",
            scalars("scale {0:g}, {1} classes", (200.0, 50), (1000.0, 10), (1000.0, 200), **digits),
            likely=Mistake(
                "the digits of a small loss",
                None,
                "The loss is far below 1, and its digits are lost where it is added to 1, or to a logit.",
                "Sum the terms of the other classes alone, and use log1p.",
            ),
        ),
    ]


_LOST = Mistake(
    "digits lost in 1 - cos",
    lambda C: 1 - math.cos(2 * math.pi / C),
    "Among very many classes the cosine is all but 1, and 1 - cos keeps only what rounding left.",
    "1 - cos a is 2 sin²(a/2), which subtracts nothing.",
)


def _largest(classes):
    return room.largest_margin(classes, 2, "cosface")[0]


@task(
    "classes",
    _largest,
    [
        Mistake(
            "the simplex for the circle", lambda C: C / (C - 1), _SIMPLEX, "How far apart are neighbours?"
        ),
        _LOST,
        Mistake(
            "the cosine of the neighbour",
            lambda C: math.cos(2 * math.pi / C),
            "This is the neighbour's cosine: how much below the own cosine, 1, is it?",
            "The margin is a difference of two cosines.",
        ),
        Mistake(
            "the square forgotten",
            lambda C: 2 * math.sin(math.pi / C),
            "1 - cos a is 2 sin²(a/2): the square is missing.",
            "Try it with two classes, which are opposite, and with four.",
        ),
        Mistake(
            "the half of the angle forgotten",
            lambda C: 2 * math.sin(2 * math.pi / C) ** 2,
            "1 - cos a is 2 sin²(a/2): the angle is not halved.",
            "Try it with two classes, which are opposite, and with four.",
        ),
        Mistake(
            "the 2 forgotten",
            lambda C: math.sin(math.pi / C) ** 2,
            "1 - cos a is 2 sin²(a/2): the factor 2 is missing.",
            "Try it with two classes, which are opposite, and with four.",
        ),
        Mistake(
            "ArcFace's margin",
            lambda C: 2 * math.pi / C,
            "This is the angle between neighbours, the largest margin of ArcFace. CosFace counts in cosines.",
            "Turn the angle into the drop of the cosine.",
        ),
        Mistake(
            "half the angle",
            lambda C: 1 - math.cos(math.pi / C),
            "You go half-way to the neighbour: perfect clusters stand on their own directions.",
            "Compare the cosine to the own class with that to the nearest other.",
        ),
        Mistake(
            "degrees for radians",
            lambda C: 1 - math.cos(360 / C),
            "cos takes radians, and 360/C is in degrees.",
            "A whole turn is 2π.",
        ),
        Mistake(
            "the wrong sign",
            lambda C: 1 + math.cos(2 * math.pi / C),
            "1 + cos: for many classes this grows, and there is ever less room.",
            "Compare the cosine to the own class with that to the nearest other.",
        ),
        Mistake(
            "neighbours C - 1 apart",
            lambda C: 1 - math.cos(2 * math.pi / (C - 1)),
            "You have one gap too few: C classes on a circle have C gaps.",
            "A circle has no ends.",
        ),
    ],
)
def largest_margin(rng: np.random.Generator) -> list[Part]:
    """CosFace's largest feasible margin in the plane, in cosine units, a number."""
    several = [(int(C),) for C in rng.choice(np.arange(5, 60), 4, replace=False)]
    return [
        Part("several classes", scalars("{0} classes", (10,), *several, tol=1e-6, size=0.01)),
        Part("few and many", scalars("{0} classes", (2,), (3,), (4,), (8,), (1000,), tol=1e-6, size=1e-4)),
        Part(
            "a million classes",
            scalars("{0:,} classes", (1_000_000,), (3_000_000,), tol=1e-9, size=0.0),
            likely=_LOST,
        ),
    ]


def _least(classes, probability):
    return room.least_scale(classes, 2, probability)


@task(
    "classes; probability",
    _least,
    [
        Mistake(
            "the simplex for the circle",
            lambda C, P: (C - 1) / C * math.log((C - 1) * P / (1 - P)),
            _SIMPLEX,
            "Write the probability on the circle as a function of the scale, and solve that.",
        ),
        Mistake(
            "AdaCos's scale",
            lambda C, P: math.sqrt(2) * math.log(C - 1),
            "This is AdaCos's fixed scale, which knows neither the circle nor the probability.",
            "Write the probability on the circle as a function of the scale, and solve that.",
        ),
        Mistake(
            "the loss for the probability",
            lambda C, P: _least(C, math.exp(-P)),
            "You compare the loss with P: the loss is -ln of the probability.",
            "Compare exp of minus the loss with P, or the loss with -ln P.",
        ),
        *(
            Mistake(
                "scales in steps",
                lambda C, P, step=step: math.ceil(_least(C, P) / step) * step,
                "You try scales in steps, and take the first that suffices: its digits end with the step.",
                "Halve the interval between a scale that is too small and one that suffices, many times.",
            )
            for step in (1.0, 0.5, 0.1, 0.01, 0.001, 1e-4)
        ),
        Mistake(
            "the loss for the probability",
            lambda C, P: _least(C, math.exp(P - 1)),
            "You compare the loss with 1 - P: the loss is -ln of the probability.",
            "Compare exp of minus the loss with P, or the loss with -ln P.",
        ),
        Mistake(
            "the other classes forgotten",
            lambda C, P: math.log(P / (1 - P)),
            "ln(P/(1 - P)) is the lead that one logit needs over a single other, of cosine 0.",
            "All other classes are in the sum, each at its own angle.",
        ),
        *(
            Mistake(
                "the search never finds enough",
                lambda C, P, e=e: e,
                "Your search ends where it began, at its upper end. Is the comparison turned round? Or exp "
                "of a large scale is infinite, ∞/∞ is NaN, and no NaN is at least P.",
                "Take the true logit out of every exponential: only differences of logits matter.",
            )
            for e in (100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 1e5, 1e6)
        ),
        Mistake(
            "the nearest two only",
            lambda C, P: math.log((1 if C == 2 else 2) * P / (1 - P)) / (1 - math.cos(2 * math.pi / C)),
            "Only the two nearest classes are in your sum.",
            "Sum over all the other classes, each at its own angle.",
        ),
        Mistake(
            "all at the nearest",
            lambda C, P: math.log((C - 1) * P / (1 - P)) / (1 - math.cos(2 * math.pi / C)),
            "You put all other classes as near as the nearest.",
            "Class j stands at its own multiple of 2π/C.",
        ),
        Mistake(
            "others at 90°",
            lambda C, P: math.log((C - 1) * P / (1 - P)),
            "You take all other cosines for 0.",
            "Class j stands at its own multiple of 2π/C.",
        ),
    ],
)
def least_scale(rng: np.random.Generator) -> list[Part]:
    """the least scale at which the true class can have the probability on the circle, a number."""
    some = [
        (int(C), float(P)) for C, P in zip(rng.integers(5, 15, 2), rng.uniform(0.6, 0.95, 2), strict=True)
    ]
    what = "{0} classes and a probability of {1:.4g}"
    digits = {"size": 0.0}
    return [
        Part("ten classes", scalars(what, (10, 0.99), (10, 0.5), *some, **digits)),
        Part("few classes", scalars(what, (2, 0.9), (3, 0.99), (4, 0.999), **digits)),
        Part(
            "many classes",
            scalars(what, (50, 0.9), (100, 0.99), mistakes=(), **digits),
            likely=Mistake(
                "the search ends too early",
                None,
                "Your search ends too early: for many classes the scale is larger than your upper end.",
                "Double the upper end until it suffices.",
            ),
        ),
    ]
