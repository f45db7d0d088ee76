"""Losses, what the plane can hold, verification rates, and classes by the thousand."""

import math
import sys
import tracemalloc

import numpy as np

from marginlab.checks.engine import Case, Mistake, Part
from marginlab.checks.points import budget, directions, reference, stretched, task

# ---- cross-entropy


def _p(logits):
    p = np.exp(logits.astype("float64"))
    return p / p.sum(axis=1, keepdims=True)


def _of(array, labels):
    return array[np.arange(len(labels)), labels]


def _losses(logits, labels):
    return reference.losses(logits.astype("float64"), labels)


_FROM_LOGITS = "Write the logarithm of the quotient as a difference: no probability is needed, and no guard."


@task(
    "logits (B, C); labels (B,)",
    _losses,
    [
        *(
            Mistake(
                "the probability clipped",
                lambda f, y, e=e: -np.log(np.maximum(_of(np.exp(-_losses_all(f)), y), e)),
                f"Your loss stops at {-math.log(e):.2f}, which is -ln {e:.0e}: the probability is clipped "
                "before its logarithm, and the worst examples have no gradient.",
                _FROM_LOGITS,
            )
            for e in (1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15, 1e-30, 1e-300, sys.float_info.min)
        ),
        *(
            Mistake(
                "an epsilon in the logarithm",
                lambda f, y, e=e: -np.log(_of(np.exp(-_losses_all(f)), y) + e),
                "An epsilon is added to the probability: the loss stops where the worst examples begin.",
                _FROM_LOGITS,
            )
            for e in (1e-7, 1e-8, 1e-9, 1e-10, 1e-12)
        ),
        Mistake(
            "the sign of the loss",
            lambda f, y: -_losses(f, y),
            "The sign is turned round: a loss is never below 0.",
            "A probability is below 1, and its logarithm below 0.",
        ),
        Mistake(
            "the probability for the loss",
            lambda f, y: np.exp(-_losses(f, y)),
            "These are probabilities: the logarithm is missing.",
            "The loss is -ln p of the true class.",
        ),
        Mistake(
            "the wrong logarithm",
            lambda f, y: _losses(f, y) / math.log(2),
            "Your loss is in bits: log2 instead of the natural logarithm.",
            "Nats, from the natural logarithm, are what is asked for.",
        ),
        Mistake(
            "the wrong logarithm",
            lambda f, y: _losses(f, y) / math.log(10),
            "Your loss is from log10 instead of the natural logarithm.",
            "Nats, from the natural logarithm, are what is asked for.",
        ),
        Mistake(
            "the true logit alone",
            lambda f, y: -_of(f, y),
            "This is the true logit with a minus: the log-sum-exp over all classes is missing.",
            "The loss is a difference of two terms.",
        ),
        Mistake(
            "the true logit forgotten",
            lambda f, y: _losses(f, y) + _of(f, y),
            "This is the log-sum-exp alone: the true logit is not taken off.",
            "The loss is a difference of two terms.",
        ),
        Mistake(
            "the true class left out of the sum",
            lambda f, y: _losses(f, y) + np.log1p(-np.exp(-_losses(f, y))),
            "The true class is missing from the sum over classes.",
            "Softmax divides by the sum over all classes, the true one too.",
        ),
        Mistake(
            "the largest not put back",
            lambda f, y: _losses(f, y) - f.max(axis=1),
            "The largest logit is taken out of the sum and not put back: each row is off by its own maximum.",
            "What goes out of the sum before the exponential comes back after the logarithm.",
        ),
        Mistake(
            "labels counted from 1",
            lambda f, y: _losses(f, y - 1),
            "Labels are read as 1 to C: they run from 0.",
            "Label 0 is the first column.",
        ),
    ],
)
def cross_entropy(rng):
    """the cross-entropy of each row in nats, ``(B,)``, at logits of any size."""

    def case(what, logits, dtype="float32", **rest):
        labels = rng.integers(0, logits.shape[1], len(logits)).astype("int32")
        return Case(what, (logits.astype(dtype), labels), **rest)

    def apart(gaps):
        """The true logit of row i is gaps[i] below the largest other."""
        labels = rng.integers(0, 4, len(gaps)).astype("int32")
        logits = np.zeros((len(gaps), 4)) - rng.uniform(0, 1, (len(gaps), 4))
        logits[np.arange(len(gaps)), labels] = -np.asarray(gaps, "float64")
        rows = tuple(f"the true logit {abs(g):g} {'behind' if g > 0 else 'ahead'}" for g in gaps)
        return Case("logits far apart", (logits.astype("float32"), labels), rows)

    large = "logits as large as 100"
    over = Mistake(
        "exp without the maximum",
        None,
        "exp of a logit above 88.7 is infinite in float32, of 709 in float64; far below 0 it is 0.",
        "Take the largest logit of each row out of the sum before any exponential.",
    )
    return [
        Part(
            "ordinary logits",
            [
                case("ordinary logits, in float64", rng.normal(0, 2, (6, 5)), "float64"),
                case("ordinary logits, in float32", rng.normal(0, 3, (5, 10))),
                case("a batch of one", rng.normal(0, 1, (1, 3))),
            ],
        ),
        Part("logits far apart", [apart((0.5, 5.0, 15.0, 19.0, 21.0, 30.0, 64.0, 80.0))], likely=over),
        Part(
            "large logits",
            [
                case(large, rng.uniform(95, 105, (5, 4)), size=100.0),
                case("logits from -1000 to 1000", rng.uniform(-1000, 1000, (8, 4)), "float64", size=1000.0),
                case("logits below -100", rng.uniform(-900, -890, (5, 4)), "float64", size=1000.0),
                case(
                    "logits as large as 1000, in float64",
                    rng.uniform(990, 1000, (5, 4)),
                    "float64",
                    size=1000.0,
                ),
            ],
            likely=over,
        ),
    ]


def _losses_all(f):
    """-ln p of every class, ``(B, C)``, with nothing lost."""
    f = f.astype("float64")
    top = f.max(axis=1, keepdims=True)
    return np.log(np.exp(f - top).sum(axis=1, keepdims=True)) + top - f


# ---- what the circle can hold


def _scalars(what, *points, **rest):
    """A case for each argument tuple of a function of numbers."""
    return [Case(what.format(*each), each, **rest) for each in points]


def _on_the_circle(scale, classes):
    """The logits of a perfect image, the true class first, for classes evenly on the circle."""
    return scale * np.cos(2 * np.pi * np.arange(classes) / classes)


def _floor(scale, classes):
    angles, counts = budget.arrangement(classes, 2)
    return budget.perfect_loss(angles, counts, scale)


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
def loss_floor(rng):
    """NormFace's lowest loss in nats for classes spread evenly over the circle, a number."""
    some = [(float(s), int(C)) for s, C in zip(rng.uniform(0.5, 20, 3), rng.integers(5, 20, 3), strict=True)]
    digits = {"size": 0.0}  # six of them, however small the loss
    return [
        Part(
            "ten classes",
            _scalars("scale {0:.4g}, {1} classes", (1.0, 10), (30.0, 10), (8.0, 10), *some, **digits),
        ),
        Part(
            "few and many classes",
            _scalars("scale {0:g}, {1} classes", (2.0, 2), (5.0, 3), (30.0, 100), **digits),
        ),
        Part(
            "large scales",
            _scalars("scale {0:g}, {1} classes", (200.0, 50), (1000.0, 10), (1000.0, 200), **digits),
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
    return budget.largest_margin(classes, 2, "cosface")[0]


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
def largest_margin(rng):
    """CosFace's largest feasible margin in the plane, in cosine units, a number."""
    several = [(int(C),) for C in rng.choice(np.arange(5, 60), 4, replace=False)]
    return [
        Part("several classes", _scalars("{0} classes", (10,), *several, tol=1e-6, size=0.01)),
        Part("few and many", _scalars("{0} classes", (2,), (3,), (4,), (8,), (1000,), tol=1e-6, size=1e-4)),
        Part(
            "a million classes",
            _scalars("{0:,} classes", (1_000_000,), (3_000_000,), tol=1e-9, size=0.0),
            likely=_LOST,
        ),
    ]


def _least(classes, probability):
    return budget.least_scale(classes, 2, probability)


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
def least_scale(rng):
    """the least scale at which the true class can have the probability on the circle, a number."""
    some = [
        (int(C), float(P)) for C, P in zip(rng.integers(5, 15, 2), rng.uniform(0.6, 0.95, 2), strict=True)
    ]
    what = "{0} classes and a probability of {1:.4g}"
    digits = {"size": 0.0}
    return [
        Part("ten classes", _scalars(what, (10, 0.99), (10, 0.5), *some, **digits)),
        Part("few classes", _scalars(what, (2, 0.9), (3, 0.99), (4, 0.999), **digits)),
        Part(
            "many classes",
            _scalars(what, (50, 0.9), (100, 0.99), mistakes=(), **digits),
            likely=Mistake(
                "the search ends too early",
                None,
                "Your search ends too early: for many classes the scale is larger than your upper end.",
                "Double the upper end until it suffices.",
            ),
        ),
    ]


# ---- verification rates


def _threshold_of(scores, same, far):
    """The lowest threshold above which at most that share of the others lies."""
    others = np.sort(scores[~same])[::-1]
    allowed = math.floor(far * len(others) + 1e-9)
    return others[allowed] if allowed < len(others) else -np.inf


def _tar(scores, same, far):
    """The share of same pairs above that threshold."""
    return float(np.mean(scores[same] > _threshold_of(scores, same, far)))


def _rates(scores, same):
    """Thresholds, and at each the false accept and the false reject rate."""
    thresholds = np.unique(scores)
    far = 1 - np.searchsorted(np.sort(scores[~same]), thresholds) / np.sum(~same)
    frr = np.searchsorted(np.sort(scores[same]), thresholds) / np.sum(same)
    return thresholds, far, frr


def _eer(scores, same):
    return _at_closest(scores, same, lambda far, frr: (far, frr))


def _at_closest(scores, same, pick):
    """The mean of two rates where they are closest."""
    one, two = pick(*_rates(scores, same)[1:])
    at = np.argmin(abs(one - two))
    return float(one[at] + two[at]) / 2


def _threshold(scores, same):
    thresholds, far, frr = _rates(scores, same)
    return float(thresholds[np.argmin(abs(far - frr))])


def _least_error(scores, same):
    _, far, frr = _rates(scores, same)
    return float(np.min(far * np.mean(~same) + frr * np.mean(same)))


def _verification(rng, same, others, far=None, apart=2.0, spread=1.0):
    """Scores and labels; about the threshold of a FAR only scores of others, so that conventions agree."""
    good, bad = rng.normal(apart, spread, same), np.sort(rng.normal(0, 1, others))[::-1]
    if far is not None:
        k = math.floor(far * others + 1e-9)
        low, high = bad[min(k + 2, others - 1)], bad[k - 3] if k > 2 else np.inf
        good = good[(good < low) | (good > high)] if k > 2 else good
    scores = np.concatenate([good, bad]) / 8
    labels = np.concatenate([np.full(len(good), True), np.full(others, False)])
    order = rng.permutation(len(scores))
    return scores[order], labels[order]


_AT_LEAST = Mistake(
    "at least for above",
    None,
    "Scores equal to the threshold are accepted, all or some of them: at least stands where above should.",
    "A pair is accepted only above the threshold. Count what lies above it.",
)
_EXCHANGED = (
    "same is turned round: you count pairs of different people as the same.",
    "same is True where both pictures show one person.",
)


@task(
    "scores (N,); same (N,); far",
    _tar,
    [
        Mistake("same turned round", lambda s, y, far: _tar(s, ~y, far), *_EXCHANGED),
        Mistake(
            "the FAR over all pairs",
            lambda s, y, far: float(np.mean(s[y] > np.sort(s[~y])[::-1][int(far * len(s))])),
            "You divide the false accepts by all pairs: the FAR is a share of the different pairs.",
            "Each rate has its own total: FAR the different pairs, TAR the same pairs.",
        ),
        Mistake(
            "the TAR over all pairs",
            lambda s, y, far: _tar(s, y, far) * float(np.mean(y)),
            "You divide the true accepts by all pairs: the TAR is a share of the same pairs.",
            "Each rate has its own total: FAR the different pairs, TAR the same pairs.",
        ),
        Mistake(
            "the threshold from all scores",
            lambda s, y, far: float(np.mean(s[y] > np.quantile(s, 1 - far))),
            "The threshold comes from all scores: only those of different pairs decide the FAR.",
            "Sort the scores of the different pairs alone.",
        ),
        Mistake(
            "the threshold from the same pairs",
            lambda s, y, far: float(np.mean(s[y] > np.quantile(s[y], 1 - far))),
            "The threshold comes from the same pairs: those of different pairs decide the FAR.",
            "Sort the scores of the different pairs alone.",
        ),
        Mistake(
            "a count for a share",
            lambda s, y, far: _tar(s, y, far) * float(np.sum(y)),
            "This is how many of the same pairs are accepted: the share is asked for.",
            "Divide by the number of same pairs.",
        ),
        Mistake(
            "the threshold from the wrong end",
            lambda s, y, far: float(np.mean(s[y] > np.quantile(s[~y], far))),
            "Your threshold was counted from the lowest score: it accepts nearly all different pairs.",
            "Count the different pairs from the highest score down.",
        ),
        Mistake(
            "the threshold for the rate",
            lambda s, y, far: float(np.quantile(s[~y], 1 - far)),
            "This is the threshold: which share of the same pairs lies above it?",
            "Count the same pairs above the threshold.",
        ),
        Mistake(
            "the rejected for the accepted",
            lambda s, y, far: 1 - _tar(s, y, far),
            "This is the share of the same pairs that are rejected.",
            "A pair is accepted where its score is high.",
        ),
        Mistake(
            "scores read as distances",
            lambda s, y, far: float(np.mean(s[y] < np.quantile(s[~y], far))),
            "You accept low scores, as if they were distances. A high score means the same person.",
            "A pair is accepted where its score is high.",
        ),
    ],
)
def tar_at_far(rng):
    """the share of same pairs accepted, where at most a share far of the others is, a number."""

    def case(what, same, others, far, **rest):
        return Case(what.format(far), (*_verification(rng, same, others, far, **rest), far))

    equal = np.array([0.9, 0.9, 0.7, 0.7, 0.7, 0.5, 0.5, 0.2, 0.1, 0.1])
    mixed = np.array([1, 1, 0, 1, 1, 1, 0, 0, 0, 0], bool)
    few = np.array([0.945, 0.943, 0.7, 0.6, 0.5, 0.4, 0.95, 0.75, 0.3, 0.2, 0.1, 0.65])
    who = np.array([1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], bool)
    return [
        Part(
            "a threshold from many pairs",
            [case("a FAR of {}", 800, 1000, 0.01), case("a FAR of {}", 300, 2000, 0.1, apart=1.0)],
        ),
        Part(
            "few pairs",
            [
                Case("few pairs and a FAR below one pair", (few, who, 0.01), mistakes=()),
                Case("few pairs and a FAR of one pair", (few, who, 1 / 7), mistakes=()),
            ],
            likely=Mistake(
                "more false accepts than allowed",
                None,
                "With few pairs the FAR cannot be just as asked; it must be at most that. Your threshold "
                "lets too many in, or too few.",
                "Count how many false accepts are allowed, rounded down, and set the threshold by that.",
            ),
        ),
        Part(
            "equal scores",
            [
                Case(f"equal scores and a FAR of {far}", (equal, mixed, far), mistakes=())
                for far in (0.0, 0.2, 0.5)
            ],
            likely=_AT_LEAST,
        ),
    ]


@task(
    "scores (N,); same (N,)",
    _eer,
    [
        Mistake(
            "1 less the error",
            lambda s, y: 1 - _eer(s, y),
            "This is 1 less the error rate: same is turned round, or you return an accuracy.",
            "same is True where both pictures show one person, and the share of errors is asked for.",
        ),
        Mistake(
            "the threshold for the rate",
            _threshold,
            "This is the threshold at which the two rates are equal: the rate is asked for.",
            "Return one of the two rates at that threshold.",
        ),
        Mistake(
            "the least error for the equal error",
            _least_error,
            "This is the least share of errors over all pairs, which depends on how many of each there are.",
            "Find where the false accept rate and the false reject rate meet, each with its own total.",
        ),
        Mistake(
            "TAR for the false rejects",
            lambda s, y: _at_closest(s, y, lambda far, frr: (far, 1 - frr)),
            "You compare the false accepts with the true accepts; they meet the false rejects, 1 - TAR.",
            "Find where the false accept rate and 1 - TAR are closest.",
        ),
        Mistake(
            "shares of all pairs",
            lambda s, y: _at_closest(s, y, lambda far, frr: (far * np.mean(~y), frr * np.mean(y))),
            "You divide both kinds of errors by all pairs: each rate has its own total.",
            "False accepts are a share of the different pairs, false rejects of the same pairs.",
        ),
        Mistake(
            "both errors added",
            lambda s, y: 2 * _eer(s, y),
            "You add the two rates.",
            "They are equal there: return one.",
        ),
    ],
)
def eer(rng):
    """the rate at which false accepts and false rejects are as frequent, a number."""

    def case(what, same, others, apart):
        return Case(what, _verification(rng, same, others, apart=apart, spread=1.8), tol=2e-3)

    return [
        Part("as many of each", [case("as many of each", 2000, 2000, 2.0), case("closer", 2000, 2000, 1.0)]),
        Part(
            "ten times as many different pairs", [case("600 same and 6000 different pairs", 600, 6000, 1.5)]
        ),
    ]


# ---- classes by the thousand


def _log_sum(x, w, scale, block=None):
    logits = reference.logits(x, w, scale=scale)
    top = logits.max(axis=1)
    return np.log(np.exp(logits - top[:, None]).sum(axis=1)) + top


def _running(x, w, scale, block, rescale, total=0.0):
    """Sums below a maximum, put together wrongly."""
    top = np.full(len(x), -np.inf)
    for i in range(0, len(w), block):
        logits = reference.logits(x, w[i : i + block], scale=scale)
        top = rescale(top, logits.max(axis=1))
        total = total + np.exp(logits - top[:, None]).sum(axis=1)
    return np.log(total) + top


def _blocks(x, w, scale, block, combine):
    """A wrong way to put the blocks' log-sum-exps together, ``(n, B) -> (B,)``."""
    return combine(np.array([_log_sum(x, w[i : i + block], scale) for i in range(0, len(w), block)]))


def _peak(f, args):
    """How many bytes of NumPy arrays f holds at once, in (B, C) arrays: 0 is less than one."""
    tracing = tracemalloc.is_tracing()
    tracemalloc.start() if not tracing else tracemalloc.reset_peak()
    try:
        before = tracemalloc.get_traced_memory()[0]
        out = f(*args)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        if not tracing:
            tracemalloc.stop()
    tf = sys.modules.get("tensorflow")
    if tf is not None and tf.is_tensor(out):
        return None  # TensorFlow's memory is not traced
    x, w = args[:2]
    return float(peak // (len(x) * len(w) * x.itemsize))


@task(
    "x (B, d); w (C, d); scale; block",
    _log_sum,
    [
        Mistake(
            "the rest of the classes left out",
            lambda x, w, s, n: _log_sum(x, w[: len(w) // n * n], s),
            "The last block is left out where the classes do not divide by the block.",
            "Let the last block be shorter.",
        ),
        Mistake(
            "the blocks' results added",
            lambda x, w, s, n: _blocks(x, w, s, n, lambda each: each.sum(axis=0)),
            "You add the blocks' log-sum-exps: sums of exponentials are added inside one logarithm.",
            "Put the blocks together as you would single classes.",
        ),
        Mistake(
            "the sum not rescaled",
            lambda x, w, s, n: _running(x, w, s, n, np.maximum),
            "The largest logit grows from block to block, and your sum still stands below the old one.",
            "When the largest grows, multiply the sum by exp of the old largest less the new.",
        ),
        Mistake(
            "each block below its own largest",
            lambda x, w, s, n: _running(x, w, s, n, lambda top, new: new),
            "Each block's sum is taken below its own largest logit, and you add them as if it were one.",
            "Bring two sums below the same largest logit before you add them.",
        ),
        Mistake(
            "the mean of the blocks",
            lambda x, w, s, n: _blocks(x, w, s, n, lambda each: each.mean(axis=0)),
            "You take the mean of the blocks' log-sum-exps.",
            "Put the blocks together as you would single classes.",
        ),
        Mistake(
            "the sum without its logarithm",
            lambda x, w, s, n: np.exp(_log_sum(x, w, s)),
            "This is the sum of the exponentials: the logarithm is missing.",
            "Take it after the last block.",
        ),
        Mistake(
            "the largest block only",
            lambda x, w, s, n: _blocks(x, w, s, n, lambda each: each.max(axis=0)),
            "You keep the largest block's result, and the others are lost.",
            "Put the blocks together as you would single classes.",
        ),
        Mistake(
            "the last block only",
            lambda x, w, s, n: _blocks(x, w, s, n, lambda each: each[-1]),
            "Only the last block is in your result: is it begun anew at each turn?",
            "Carry what you have from block to block.",
        ),
        Mistake(
            "the first block only",
            lambda x, w, s, n: _blocks(x, w, s, n, lambda each: each[0]),
            "Only the first block is in your result: does return stand inside the loop?",
            "Return after the loop.",
        ),
        Mistake(
            "the maximum for the sum",
            lambda x, w, s, n: reference.logits(x, w, scale=s).max(axis=1),
            "This is the largest logit: the others count too.",
            "Add the exponentials of all, then take the logarithm.",
        ),
        Mistake(
            "the scale for the maximum",
            lambda x, w, s, n: np.log(np.exp(reference.logits(x, w, scale=s) - s).sum(axis=1)) + s,
            "You take the scale out of the sum. Where all cosines are far below 1, every term is then 0, and "
            "its logarithm -∞.",
            "Take out the largest logit that there is, and carry it from block to block.",
        ),
        Mistake(
            "the largest not put back",
            lambda x, w, s, n: _log_sum(x, w, s) - reference.logits(x, w, scale=s).max(axis=1),
            "The largest logit is taken out of the sum and not put back.",
            "What goes out before the exponential comes back after the logarithm.",
        ),
        Mistake(
            "scale forgotten",
            lambda x, w, s, n: _log_sum(x, w, 1.0),
            "Scale forgotten.",
            "NormFace's logits are scale·cos θ.",
        ),
        Mistake(
            "neither is normalised",
            lambda x, w, s, n: np.logaddexp.reduce(s * x.astype("float64") @ w.T.astype("float64"), axis=1),
            "x and w are not normalised.",
            "NormFace's logits are scale·cos θ.",
        ),
    ],
)
def blockwise(rng):
    """log Σⱼ exp(scale·cos θⱼ), ``(B,)``, in blocks of classes and never with all at once."""

    def case(what, n, classes, dim, scale, block, dtype="float32", **rest):
        x, w = stretched(directions(n, dim, rng), rng), stretched(directions(classes, dim, rng), rng)
        return Case(what, (x.astype(dtype), w.astype(dtype), scale, block), **rest)

    far = case("a scale of 1000, all classes behind", 4, 8, 3, 1000.0, 4, "float64")
    far = far._replace(args=(-abs(far.args[0]), abs(far.args[1]), *far.args[2:]))
    whole = case("8000 classes in blocks of 500", 64, 8000, 4, 30.0, 500)
    return [
        Part(
            "blocks of one size",
            [
                case("12 classes in blocks of 4", 5, 12, 3, 10.0, 4, "float64"),
                case("100 classes in blocks of 10", 8, 100, 8, 30.0, 10),
            ],
        ),
        Part(
            "a shorter last block",
            [
                case("13 classes in blocks of 4", 5, 13, 3, 10.0, 4, "float64"),
                case("10 classes in one block of 64", 5, 10, 2, 10.0, 64),
                case("7 classes in blocks of 1", 5, 7, 2, 5.0, 1),
            ],
        ),
        Part(
            "a large scale",
            [
                case("a scale of 200, in float32", 6, 40, 3, 200.0, 8),
                case("a scale of 2000, in float64", 6, 40, 3, 2000.0, 8, "float64"),
                far,
            ],
            likely=Mistake(
                "exp without the maximum",
                None,
                "exp of a large logit is infinite: the sum over a block must be taken below its maximum.",
                "Carry the largest logit so far beside the sum, and rescale the sum when it grows.",
            ),
        ),
        Part(
            "never all classes at once",
            [
                whole,
                whole._replace(
                    what="8000 classes in blocks of 500, counting its (B, C) arrays",
                    look=_peak,
                    truth=lambda *args: 0.0,
                    mistakes=(),
                ),
            ],
            likely=Mistake(
                "all classes at once",
                None,
                "Your function holds a whole (B, C) array: the blocks save nothing.",
                "Compute the logits of one block inside the loop, and keep only numbers per row.",
            ),
        ),
    ]


def _bytes(per_weight, per_logit, each=4):
    return lambda C, d, B: each * (per_weight * C * d + per_logit * B * C)


@task(
    "classes; dim; batch",
    _bytes(4, 3),
    [
        Mistake(
            "numbers for bytes", _bytes(4, 3, 1), "You count numbers: float32 has 4 bytes each.", "Multiply."
        ),
        Mistake(
            "gigabytes",
            lambda C, d, B: _bytes(4, 3)(C, d, B) / 1e9,
            "This is in gigabytes: bytes are asked for.",
            "Leave the division out.",
        ),
        Mistake(
            "the batch for the classes",
            lambda C, d, B: 4 * (4 * B * d + 3 * B * C),
            "Your directions are (B, d): there is one for each class, and not for each image.",
            "Count the arrays of shape (C, d).",
        ),
        Mistake(
            "float64's bytes",
            _bytes(4, 3, 8),
            "A float64 has 8 bytes, and a float32 has 4.",
            "Use float32's.",
        ),
        Mistake("bits for bytes", _bytes(4, 3, 32), "32 is the number of bits.", "A byte has 8 bits."),
        Mistake(
            "the weights alone",
            _bytes(1, 3),
            "Beside the directions there are their gradient and Adam's two averages, each as large.",
            "Count the arrays of shape (C, d).",
        ),
        Mistake(
            "Adam forgotten",
            _bytes(2, 3),
            "Adam keeps two averages for each weight.",
            "Count the arrays of shape (C, d).",
        ),
        Mistake(
            "one of Adam's averages forgotten",
            _bytes(3, 3),
            "One array of shape (C, d) is missing: Adam keeps two averages, and there is the gradient too.",
            "Count the arrays of shape (C, d).",
        ),
        Mistake(
            "logits forgotten", _bytes(4, 0), "The (B, C) arrays are missing.", "Count them: there are three."
        ),
        Mistake(
            "one array of logits", _bytes(4, 1), "Of the (B, C) arrays only one is counted.", "Count them."
        ),
        Mistake(
            "two arrays of logits", _bytes(4, 2), "Of the (B, C) arrays only two are counted.", "Count them."
        ),
        Mistake(
            "embeddings for logits",
            lambda C, d, B: 4 * (4 * C * d + 3 * B * d),
            "You count arrays of shape (B, d): logits have a number for each class.",
            "Logits are (B, C).",
        ),
    ],
)
def memory(rng):
    """float32's bytes of class directions, gradient, Adam's two averages and three (B, C) arrays."""
    some = [tuple(int(n) for n in rng.integers(2, 5000, 3)) for _ in range(3)]
    what = "{0} classes, {1} dimensions, a batch of {2}"
    return [
        Part("ordinary heads", _scalars(what, *some, tol=1e-9)),
        Part(
            "large heads",
            _scalars(what, (1_000_000, 512, 1024), (100_000_000, 512, 8192), tol=1e-9),
            likely=Mistake(
                "whole numbers that overflow",
                None,
                "Right when small and wrong when large: int32 ends at 2147483647.",
                "Python's own whole numbers never overflow.",
            ),
        ),
    ]


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
def carry_over(rng):
    """class directions ``(C, d)`` and the margin in radians, from pytorch-metric-learning's."""

    def case(what, dim, classes, degrees):
        return Case(what, (directions(classes, dim, rng).T.astype("float32").copy(), degrees))

    return [
        Part("as many of each", [case("W (4, 4), 30 degrees", 4, 4, 30.0)]),
        Part("more dimensions than classes", [case("W (8, 5), 28.6 degrees", 8, 5, 28.6)]),
        Part("more classes than dimensions", [case("W (2, 10), 10 degrees", 2, 10, 10.0)]),
    ]
