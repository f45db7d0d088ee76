"""The task `normface`."""

import numpy as np

from marginlab.checks.forms import softmax, whole
from marginlab.checks.points import directions, reference, stretched
from marginlab.checks.report import Case, Mistake, Part, task

__all__ = ["normface"]


def _warnings(f, args):
    """How often NumPy would have warned."""
    said = []
    with np.errstate(all="call", under="ignore", call=lambda *what: said.append(what)):
        f(*args)
    return float(len(said))


def _chosen_late(count):
    return Mistake(
        "divided, then chosen",
        lambda *args: float(count),
        "0/0 is computed at the zero vector, and NumPy warns of it, even if the result is thrown away.",
        "Choose the divisor before you divide: by where(n > 0, n, 1).",
    )


def _norm_head(x, w, scale):
    return reference.logits(x, w, scale=scale)


def _sized(by_x=1.0, by_w=1.0):
    """NormFace's cosines times powers of the lengths, and no scale."""

    def form(x, w, scale):
        return reference.norm(x)[:, None] ** by_x * reference.norm(w) ** by_w * _norm_head(x, w, 1.0)

    return form


@task(
    "x (B, d); w (C, d); scale",
    _norm_head,
    [
        Mistake(
            "scale forgotten",
            _sized(0, 0),
            "Scale forgotten: your logits are cosines, between -1 and 1.",
            "Multiply by the scale at the end.",
        ),
        Mistake(
            "x is not normalised",
            lambda x, w, s: s * _sized(1, 0)(x, w, s),
            "Your logits grow with ‖x‖: the embedding is not normalised.",
            "Divide each row of x and of w by its length, then multiply.",
        ),
        Mistake(
            "w is not normalised",
            lambda x, w, s: s * _sized(0, 1)(x, w, s),
            "Your logits grow with ‖w‖: the class directions are not normalised. If you loop: a loop that "
            "binds a new array to a name changes nothing.",
            "Divide each row of x and of w by its length, then multiply.",
        ),
        Mistake(
            "‖x‖ for the scale",
            _sized(1, 0),
            "‖x‖ stands where the scale should.",
            "Normalise both, and multiply by the scale.",
        ),
        Mistake(
            "neither is normalised",
            lambda x, w, s: s * _sized(1, 1)(x, w, s),
            "Your logits grow with ‖x‖ and ‖w‖: nothing is normalised.",
            "Divide each row of x and of w by its length, then multiply.",
        ),
        *(
            Mistake(
                "one length for the whole array",
                lambda x, w, s, of_x=of_x, of_w=of_w: s * of_x(x) @ of_w(w).T,
                "Without an axis, norm takes the whole array as one long vector.",
                "Say along which axis, and keep that axis so that the division fits.",
            )
            for of_x, of_w in ((whole, whole), (whole, reference.unit), (reference.unit, whole))
        ),
        *(
            Mistake(
                "divided by the squared length",
                lambda x, w, s, by=by: s * _sized(*by)(x, w, s),
                "The root is missing: you divide by ‖x‖².",
                "Check it with (3, 4): the length is 5, and not 25.",
            )
            for by in ((-1, -1), (-1, 0), (0, -1))
        ),
        Mistake(
            "the plain head",
            _sized(1, 1),
            "This is plain softmax's x·wᵀ: neither normalised nor scaled.",
            "Divide each row of x and of w by its length, multiply, and scale.",
        ),
        Mistake(
            "a bias",
            lambda x, w, s: _norm_head(x, w, s) + 1.0,
            "All your logits are off by the same number: a bias? NormFace has none.",
            "Leave the bias out.",
        ),
        Mistake(
            "normalised along the batch",
            lambda x, w, s: s * (x / np.linalg.norm(x, axis=0)) @ (w / np.linalg.norm(w, axis=0)).T,
            "Normalised along the batch: axis 0 runs over examples, and a vector is a row.",
            "Take lengths along the last axis.",
        ),
        Mistake(
            "x normalised along the batch",
            lambda x, w, s: s * (x / np.linalg.norm(x, axis=0)) @ reference.unit(w).T,
            "x is normalised along the batch: axis 0 runs over examples, and a vector is a row.",
            "Take lengths along the last axis.",
        ),
        Mistake(
            "probabilities for logits",
            softmax(_norm_head),
            "Each row sums to 1: softmax has been taken already. Logits are what comes before it.",
            "Leave softmax to the loss, which takes it together with the logarithm.",
        ),
    ],
)
def normface(rng: np.random.Generator) -> list[Part]:
    """NormFace's logits scale·cos θ, ``(B, C)``."""

    def case(what, n, classes, dim, scale, dtype="float32"):
        x, w = stretched(directions(n, dim, rng), rng), stretched(directions(classes, dim, rng), rng)
        return Case(what, (x.astype(dtype), w.astype(dtype), scale), size=scale)

    one = case("a batch of one", 1, 5, 2, 10.0)
    zero = case("a zero vector in the batch", 4, 3, 2, 30.0)
    zero.args[0][2] = 0
    short = case("embeddings of length 10⁻³⁰", 4, 3, 2, 30.0, "float64")
    short = short._replace(args=(1e-30 * reference.unit(short.args[0]), *short.args[1:]), mistakes=())
    return [
        Part(
            "ordinary vectors",
            [
                case("ordinary vectors, in float64", 6, 4, 3, 30.0, "float64"),
                case("in float32", 5, 10, 2, 64.0),
            ],
        ),
        Part("a batch of one", [one, case("one class", 3, 1, 2, 16.0)]),
        Part(
            "short embeddings",
            [short],
            likely=Mistake(
                "an epsilon for a guard",
                None,
                "An epsilon is far larger than a short vector's length, and makes it shorter still.",
                "Guard only the zero vector itself: divide by where(n > 0, n, 1).",
            ),
        ),
        Part(
            "the zero vector",
            [
                zero,
                zero._replace(
                    what="a zero vector in the batch, counting NumPy's warnings",
                    look=_warnings,
                    truth=lambda *args: 0.0,
                    mistakes=tuple(_chosen_late(n) for n in range(1, 9)),
                ),
            ],
            likely=Mistake(
                "no guard at zero",
                None,
                "0/0 at the zero vector is NaN, and one NaN makes the whole batch NaN.",
                "The zero vector stays zero, and its logits are 0: divide by where(n > 0, n, 1).",
            ),
        ),
    ]
