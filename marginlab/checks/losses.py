"""The task `cross_entropy`."""

import math
import sys

import numpy as np

from marginlab.checks.points import reference
from marginlab.checks.report import Case, Mistake, Part, task

__all__ = ["cross_entropy"]


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
def cross_entropy(rng: np.random.Generator) -> list[Part]:
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
