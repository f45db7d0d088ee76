"""The tasks `imprint` and `bootstrap`."""

import math

import numpy as np

from marginlab.checks.points import reference, stretched
from marginlab.checks.report import Case, Mistake, Part, task

__all__ = ["bootstrap", "imprint"]


def _means(x, labels):
    """The mean row of each class, (C, d)."""
    return np.stack([x[labels == j].mean(axis=0) for j in range(labels.max() + 1)])


def _imprint(x, labels):
    return reference.unit(_means(reference.unit(x), labels))


_UNIT_FIRST = (
    "An embedding's length is no vote: without it all images of a class count alike. Divide each row of x by "
    "its length before you take means."
)


@task(
    "x (N, d); labels (N,)",
    _imprint,
    [
        Mistake(
            "long embeddings weigh more",
            lambda x, y: reference.unit(_means(x, y)),
            "You take the mean of the embeddings as they are: a long one pulls the direction to itself.",
            _UNIT_FIRST,
        ),
        Mistake(
            "the mean is not of length 1",
            lambda x, y: _means(reference.unit(x), y),
            "Your rows are shorter than 1: the mean of unit vectors lies inside the circle.",
            "Divide each mean by its own length.",
        ),
        Mistake(
            "nothing is normalised",
            _means,
            "These are the means of the embeddings as they are, and no directions.",
            _UNIT_FIRST + " Then divide each mean by its own length.",
        ),
        Mistake(
            "the mean of all",
            lambda x, y: np.tile(reference.unit(reference.unit(x).mean(axis=0)), (y.max() + 1, 1)),
            "Every class has the same row: the mean of all images.",
            "Take for each class only the rows of x whose label it is.",
        ),
        Mistake(
            "one image stands for its class",
            lambda x, y: reference.unit(np.stack([x[y == j][0] for j in range(y.max() + 1)])),
            "Your rows are those of the first image of each class: the others say nothing.",
            "Take the mean over all rows of the class.",
        ),
        Mistake(
            "a number that is divided by itself",
            lambda x, y: np.sign(_means(reference.unit(x), y)),
            "Your rows hold nothing but signs: each number was divided by itself.",
            "The length of a row is one number: the root of the sum of its squares.",
        ),
    ],
)
def imprint(rng: np.random.Generator) -> list[Part]:
    """of each class 0, 1, … in labels the unit direction of the mean of its unit embeddings, (C, d)."""

    def case(what, classes, each, dim, lengths):
        middles = rng.standard_normal((classes, dim))
        labels = np.repeat(np.arange(classes), each)
        x = reference.unit(middles[labels] + 0.4 * rng.standard_normal((classes * each, dim)))
        order = rng.permutation(len(labels))
        x, labels = (stretched(x, rng) if lengths else x)[order], labels[order]
        return Case(what, (x, labels), tuple(f"class {j}" for j in range(classes)))

    return [
        Part("unit embeddings", [case("unit embeddings, five a class", 4, 5, 3, False)]),
        Part(
            "embeddings of many lengths",
            [
                case("embeddings of many lengths, in the plane", 6, 8, 2, True),
                case("embeddings of many lengths, in 32 dimensions", 5, 3, 32, True),
            ],
        ),
        Part("one image a class", [case("one image a class", 4, 1, 2, True)]),
    ]


def _drawn(scores, draws, far, rank=0):
    """Of each draw the score above which at most a share far of it lies; rank: so many places lower."""
    k = math.floor(far * draws.shape[1] + 1e-9) + rank
    return np.sort(scores[draws], axis=1)[:, ::-1][:, min(k, draws.shape[1] - 1)]


def _interval(values, confidence):
    return np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])


def _bootstrap(scores, draws, far, confidence):
    return _interval(_drawn(scores, draws, far), confidence)


def _about(scores, draws, far, confidence):
    values = _drawn(scores, draws, far)
    return values.mean() + np.array([-2, 2]) * values.std()


@task(
    "scores (N,); draws (D, N); far; confidence",
    _bootstrap,
    [
        Mistake(
            "an interval of the scores",
            lambda s, d, far, c: _interval(s, c),
            "This is an interval that holds the scores: the threshold is asked for, and how it moves.",
            "Find a threshold for each row of draws, then the interval of those thresholds.",
        ),
        Mistake(
            "one tail",
            lambda s, d, far, c: np.quantile(_drawn(s, d, far), [1 - c, c]),
            "You cut the whole share off at each end: what lies outside is shared by two tails.",
            "Cut half of what the confidence leaves at each end.",
        ),
        Mistake(
            "two standard deviations",
            _about,
            "You take the mean and two standard deviations: a threshold far out moves more to one side.",
            "Take quantiles of the thresholds.",
        ),
        Mistake(
            "the threshold from the wrong end",
            lambda s, d, far, c: _interval(np.sort(s[d], axis=1)[:, math.floor(far * d.shape[1] + 1e-9)], c),
            "Your thresholds were counted from the lowest score: they accept nearly everybody.",
            "Count from the highest score of each draw down.",
        ),
        Mistake(
            "one rank too high",
            lambda s, d, far, c: _interval(_drawn(s, d, far, -1), c),
            "Your thresholds lie one rank too high: with k allowed above it, it is the (k + 1)-th.",
            "Of a draw sorted from the highest down, take the place k, counted from 0.",
        ),
        Mistake(
            "one rank too low",
            lambda s, d, far, c: _interval(_drawn(s, d, far, 1), c),
            "Your thresholds lie one rank too low, and let one too many in.",
            "Of a draw sorted from the highest down, take the place k, counted from 0.",
        ),
        Mistake(
            "the draws are not used",
            lambda s, d, far, c: _interval(_drawn(s, np.arange(len(s))[None], far), c),
            "Both ends are the same: there is one threshold, of the scores as they are.",
            "Each row of draws picks scores, some of them twice: find the threshold of each.",
        ),
    ],
)
def bootstrap(rng: np.random.Generator) -> list[Part]:
    """the lower and the upper end of the interval of the threshold at far, an array (2,)."""

    def case(what, count, far, confidence, draws=200):
        scores = rng.normal(0, 0.3, count)
        return Case(what, (scores, rng.integers(count, size=(draws, count)), far, confidence))

    ends = ("the lower end", "the upper end")
    return [
        Part(
            "95 % in the middle",
            [
                case("a FAR of 0.05, confidence 0.95", 400, 0.05, 0.95)._replace(rows=ends),
                case("a FAR of 0.1, confidence 0.95", 150, 0.1, 0.95)._replace(rows=ends),
            ],
        ),
        Part("another confidence", [case("a FAR of 0.05, confidence 0.8", 300, 0.05, 0.8)]),
        Part("a FAR below one pair", [case("a FAR of 0.001 of 100 pairs", 100, 0.001, 0.95)]),
    ]
