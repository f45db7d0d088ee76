"""The tasks `tar_at_far` and `eer`."""

import math

import numpy as np

from marginlab.checks.points import verification
from marginlab.checks.report import Case, Mistake, Part, task

__all__ = ["eer", "tar_at_far"]


def _tar(scores, same, far):
    return verification.tar_at(scores, same, far)


def _rates(scores, same):
    """Thresholds, and at each the false accept and the false reject rate."""
    thresholds = np.unique(scores)
    far = 1 - np.searchsorted(np.sort(scores[~same]), thresholds) / np.sum(~same)
    frr = np.searchsorted(np.sort(scores[same]), thresholds) / np.sum(same)
    return thresholds, far, frr


def _eer(scores, same):
    return verification.eer(scores, same)


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
def tar_at_far(rng: np.random.Generator) -> list[Part]:
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
def eer(rng: np.random.Generator) -> list[Part]:
    """the rate at which false accepts and false rejects are as frequent, a number."""

    def case(what, same, others, apart):
        return Case(what, _verification(rng, same, others, apart=apart, spread=1.8), tol=2e-3)

    return [
        Part("as many of each", [case("as many of each", 2000, 2000, 2.0), case("closer", 2000, 2000, 1.0)]),
        Part(
            "ten times as many different pairs", [case("600 same and 6000 different pairs", 600, 6000, 1.5)]
        ),
    ]
