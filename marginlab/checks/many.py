"""The tasks `blockwise` and `memory`: classes by the thousand."""

import sys
import tracemalloc

import numpy as np

from marginlab.checks.points import directions, reference, scalars, stretched
from marginlab.checks.report import Case, Mistake, Part, task

__all__ = ["blockwise", "memory"]


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
def blockwise(rng: np.random.Generator) -> list[Part]:
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
def memory(rng: np.random.Generator) -> list[Part]:
    """float32's bytes of class directions, gradient, Adam's two averages and three (B, C) arrays."""
    some = [tuple(int(n) for n in rng.integers(2, 5000, 3)) for _ in range(3)]
    what = "{0} classes, {1} dimensions, a batch of {2}"
    return [
        Part("ordinary heads", scalars(what, *some, tol=1e-9)),
        Part(
            "large heads",
            scalars(what, (1_000_000, 512, 1024), (100_000_000, 512, 8192), tol=1e-9),
            likely=Mistake(
                "whole numbers that overflow",
                None,
                "Right when small and wrong when large: int32 ends at 2147483647.",
                "Python's own whole numbers never overflow.",
            ),
        ),
    ]
