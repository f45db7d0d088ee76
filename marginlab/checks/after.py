"""The tasks `adaface`, `count_margins` and `subcenters`: heads that came after ArcFace."""

import math

import numpy as np

from marginlab.checks.points import angles, directions, reference, stretched
from marginlab.checks.report import Case, Mistake, Part, task

__all__ = ["adaface", "count_margins", "subcenters"]


def _quality(a, mean, deviation, h):
    return np.clip((a - mean) * h / deviation, -1, 1)


def _adaface(theta, a, mean, deviation, m, h):
    z = _quality(a, mean, deviation, h)
    return reference.ucos(theta - m * z) - m * (1 + z)


def _with(z, theta, m, angular=-1.0, fixed=1.0, additive=1.0):
    """ψ with its two margins put together in another way."""
    return reference.ucos(theta + angular * m * z) - m * (fixed + additive * z)


_NEAR = "Past 0, as past π, the cosine has to be unrolled: which value continues the fall?"


@task(
    "theta (B,); lengths (B,); mean; deviation; margin; h",
    _adaface,
    [
        Mistake(
            "not unrolled past π",
            lambda t, a, mean, sd, m, h: np.where(
                t - m * _quality(a, mean, sd, h) > math.pi,
                np.cos(t - m * _quality(a, mean, sd, h)) - m * (1 + _quality(a, mean, sd, h)),
                _adaface(t, a, mean, sd, m, h),
            ),
            "Past π your ψ turns up again.",
            "Use the unrolled cosine of chapter 3.",
        ),
        Mistake(
            "the cosine turned round at 0",
            lambda t, a, mean, sd, m, h: (
                np.cos(t - m * _quality(a, mean, sd, h)) - m * (1 + _quality(a, mean, sd, h))
            ),
            "Where θ - m·z is below 0 your ψ rises with the angle: the plain cosine has its top at 0.",
            _NEAR,
        ),
        Mistake(
            "the angle clipped at 0",
            lambda t, a, mean, sd, m, h: (
                reference.ucos(np.maximum(t - m * _quality(a, mean, sd, h), 0))
                - m * (1 + _quality(a, mean, sd, h))
            ),
            "Where θ - m·z is below 0 your ψ is level: there the best images have no gradient.",
            _NEAR,
        ),
        Mistake(
            "z is not clipped",
            lambda t, a, mean, sd, m, h: _with((a - mean) * h / sd, t, m),
            "z is not held in [-1, 1]: a very long embedding gets a margin without end.",
            "Clip it before you use it.",
        ),
        Mistake(
            "h divides",
            lambda t, a, mean, sd, m, h: _with(_quality(a, mean, sd, 1 / h), t, m),
            "You divide by h and σ: h multiplies what is divided by σ.",
            "With h = 1/3 a length three deviations above the mean has z = 1.",
        ),
        Mistake(
            "h forgotten",
            lambda t, a, mean, sd, m, h: _with(_quality(a, mean, sd, 1), t, m),
            "h is forgotten.",
            "It multiplies what is divided by σ.",
        ),
        Mistake(
            "the mean forgotten",
            lambda t, a, mean, sd, m, h: _with(_quality(a, 0, sd, h), t, m),
            "The mean length is not taken off.",
            "An embedding of mean length has z = 0.",
        ),
        Mistake(
            "the angular margin's sign",
            lambda t, a, mean, sd, m, h: _with(_quality(a, mean, sd, h), t, m, angular=1.0),
            "The angular margin has the wrong sign: a poor image, z = -1, must have ArcFace's, θ + m.",
            "Put z = -1 into your formula.",
        ),
        Mistake(
            "the additive margin's sign",
            lambda t, a, mean, sd, m, h: _with(_quality(a, mean, sd, h), t, m, additive=-1.0),
            "The additive margin has the wrong sign: at z = -1 it must be 0, and at z = 1 it is 2m.",
            "Put z = -1 into your formula.",
        ),
        Mistake(
            "the additive margin without its m",
            lambda t, a, mean, sd, m, h: _with(_quality(a, mean, sd, h), t, m, fixed=0.0),
            "The additive margin is m·z in your ψ: at z = 0 nothing is left of it, and it should be m.",
            "Put z = 0 into your formula: it must be CosFace.",
        ),
        Mistake(
            "the angular margin only",
            lambda t, a, mean, sd, m, h: _with(_quality(a, mean, sd, h), t, m, fixed=0.0, additive=0.0),
            "The additive margin is missing.",
            "At z = 0 the head is CosFace.",
        ),
        Mistake(
            "the additive margin only",
            lambda t, a, mean, sd, m, h: _with(_quality(a, mean, sd, h), t, m, angular=0.0),
            "The angular margin is missing.",
            "At z = -1 the head is ArcFace.",
        ),
        Mistake(
            "ArcFace whatever the length",
            lambda t, a, mean, sd, m, h: reference.ucos(t + m),
            "This is ArcFace: the length changes nothing.",
            "Compute z from the length first.",
        ),
        Mistake(
            "CosFace whatever the length",
            lambda t, a, mean, sd, m, h: np.cos(t) - m,
            "This is CosFace: the length changes nothing.",
            "Compute z from the length first.",
        ),
    ],
)
def adaface(rng: np.random.Generator) -> list[Part]:
    """AdaFace's ψ(θ), ``(B,)``, by the length of each embedding."""

    def case(what, low, high, z, dtype="float64", margin=0.4, h=0.333):
        theta = np.sort(rng.uniform(low, high, 8)).astype(dtype)
        mean, deviation = float(rng.uniform(5, 30)), float(rng.uniform(1, 4))
        # Spread evenly, so that of each kind there are some.
        least, most = z
        lengths = (mean + rng.permutation(np.linspace(least, most, 8)) * deviation / h).astype(dtype)
        tol = 1e-6 if dtype == "float64" else 1e-4
        return Case(what, (theta, lengths, mean, deviation, margin, h), angles(theta), tol)

    return [
        Part(
            "ordinary images",
            [
                case("lengths near the mean", 0.5, 2.2, (-0.9, 0.9)),
                case("another margin and h", 0.6, 2.0, (-0.9, 0.9), margin=0.25, h=0.5),
                case("in float32", 0.5, 2.2, (-0.9, 0.9), "float32"),
            ],
        ),
        Part("very long and very short", [case("lengths far from the mean", 0.8, 2.0, (-6, 6))]),
        Part(
            "good images near their class",
            [case("long embeddings, θ below m·z", 0.0, 0.3, (0.85, 1.5))],
        ),
        Part("past π", [case("short embeddings opposite their class", 2.9, 3.1, (-2, -1))]),
    ]


def _count_margins(counts, smallest, largest, power):
    rarity = np.maximum(np.asarray(counts), 1.0) ** -float(power)
    return smallest + (largest - smallest) * (rarity - rarity.min()) / (np.ptp(rarity) or 1.0)


def _scaled(rarity, low, high):
    return low + (high - low) * (rarity - rarity.min()) / (np.ptp(rarity) or 1.0)


@task(
    "counts (C,); smallest; largest; power",
    _count_margins,
    [
        Mistake(
            "balanced classes get the largest",
            lambda n, low, high, p: (
                np.full(len(n), float(high)) if np.ptp(n) == 0 else _count_margins(n, low, high, p)
            ),
            "Where all classes are as frequent, none is rare: all get the smallest margin, not the largest.",
            "Decide what stands there before you divide.",
        ),
        Mistake(
            "the most frequent gets the largest",
            lambda n, low, high, p: low + high - _count_margins(n, low, high, p),
            "Your margins are the other way round: the rarest class should get the largest.",
            "The power in the formula is negative.",
        ),
        Mistake(
            "a positive power",
            lambda n, low, high, p: _scaled(np.maximum(n, 1.0) ** p, low, high),
            "Your margins grow with the number of images: the rarest class should get the largest.",
            "The power in the formula is negative.",
        ),
        Mistake(
            "the power forgotten",
            lambda n, low, high, p: _scaled(1 / np.maximum(n, 1.0), low, high),
            "The power is missing: you take one over the number of images itself.",
            "Raise the number of images to minus the power.",
        ),
        Mistake(
            "always the fourth root",
            lambda n, low, high, p: _count_margins(n, low, high, 0.25),
            "You take the fourth root whatever the power is.",
            "Use the argument.",
        ),
        Mistake(
            "in a straight line",
            lambda n, low, high, p: _scaled(-np.maximum(n, 1.0), low, high),
            "Your margins fall in a straight line with the number of images.",
            "Raise the number of images to minus the power first, and scale that.",
        ),
        Mistake(
            "from 0 on",
            lambda n, low, high, p: _count_margins(n, 0.0, high - low, p),
            "The smallest margin is not added.",
            "The most frequent class must get the smallest.",
        ),
        Mistake(
            "up to too much",
            lambda n, low, high, p: low + high * _count_margins(n, 0.0, 1.0, p),
            "The rarest class gets the sum of both ends.",
            "Stretch by the difference of the two ends.",
        ),
        Mistake(
            "divided by the largest",
            lambda n, low, high, p: (
                low + (high - low) * np.maximum(n, 1.0) ** -p / (np.maximum(n, 1.0) ** -p).max()
            ),
            "The most frequent class does not get the smallest margin: you divide by the largest rarity, and "
            "do not take the least off first.",
            "Take the least rarity off, then divide by what is left of the largest.",
        ),
    ],
)
def count_margins(rng: np.random.Generator) -> list[Part]:
    """A margin for each class by its number of images, ``(C,)``: the rarer, the larger."""

    def case(what, counts, low=0.05, high=0.5, power=0.25):
        counts = np.asarray(counts)
        return Case(what, (counts, low, high, power), tuple(f"{n} images" for n in counts))

    many = rng.integers(5, 5000, 8)
    return [
        Part(
            "classes of all sizes",
            [
                case("eight classes", many),
                case("other ends and another power", many, 0.1, 0.9, 0.5),
                case("two classes", [60, 6000], power=0.4),
            ],
        ),
        Part(
            "all classes as frequent",
            [case("four classes of 100 images", [100] * 4), case("two classes of 1", [1, 1], power=0.5)],
            likely=Mistake(
                "0/0",
                None,
                "All rarities are equal, what is left of the largest is 0, and 0/0 is no number.",
                "Decide what stands there before you divide.",
            ),
        ),
        Part(
            "a class without images",
            [case("0, 1, 50 and 5000 images", [0, 1, 50, 5000])],
            likely=Mistake(
                "a power of 0",
                None,
                "0 to a negative power is infinite.",
                "A class without images counts as one of a single image.",
            ),
        ),
    ]


def _subcenters(x, w):
    return np.max(_all_cosines(x, w), axis=2)


def _all_cosines(x, w):
    return np.einsum("bd,ckd->bck", reference.unit(x), reference.unit(w))


@task(
    "x (B, d); w (C, K, d)",
    _subcenters,
    [
        Mistake(
            "the mean of the directions' cosines",
            lambda x, w: _all_cosines(x, w).mean(axis=2),
            "You take the mean over a class's directions: then all of them are pulled to every image.",
            "Only the nearest direction of a class counts.",
        ),
        Mistake(
            "the sum of the cosines",
            lambda x, w: _all_cosines(x, w).sum(axis=2),
            "You add the cosines of a class's directions.",
            "Only the nearest direction of a class counts.",
        ),
        Mistake(
            "the furthest direction",
            lambda x, w: _all_cosines(x, w).min(axis=2),
            "You take the smallest cosine, which is that of the furthest direction.",
            "Near means a large cosine.",
        ),
        Mistake(
            "the first direction only",
            lambda x, w: _all_cosines(x, w)[:, :, 0],
            "Only the first direction of each class is in your result.",
            "Look at all K of them.",
        ),
        Mistake(
            "the mean direction",
            lambda x, w: np.einsum("bd,cd->bc", reference.unit(x), reference.unit(reference.unit(w).mean(1))),
            "You take the mean of a class's directions first, and that is a class with one direction.",
            "Take the K cosines, then the largest.",
        ),
        Mistake(
            "the angle for the cosine",
            lambda x, w: np.arccos(np.clip(_subcenters(x, w), -1, 1)),
            "These are angles: cosines are asked for.",
            "Leave the arccos out.",
        ),
        Mistake(
            "the size of the cosine",
            lambda x, w: np.abs(_all_cosines(x, w)).max(axis=2),
            "You take the largest absolute value: a direction opposite to the image is as far as can be.",
            "Leave the sign as it is.",
        ),
        Mistake(
            "w is not normalised",
            lambda x, w: np.einsum("bd,ckd->bck", reference.unit(x), w).max(axis=2),
            "w is not normalised: the longest direction wins, and not the nearest.",
            "Divide each of the C·K rows by its own length.",
        ),
        Mistake(
            "x is not normalised",
            lambda x, w: np.einsum("bd,ckd->bck", x, reference.unit(w)).max(axis=2),
            "x is not normalised.",
            "Divide each row by its own length.",
        ),
        Mistake(
            "neither is normalised",
            lambda x, w: np.einsum("bd,ckd->bck", x, w).max(axis=2),
            "x and w are not normalised: these are products, and not cosines.",
            "Divide each row by its own length.",
        ),
        Mistake(
            "one length for a whole class",
            lambda x, w: np.einsum(
                "bd,ckd->bck", reference.unit(x), w / np.linalg.norm(w, axis=(1, 2), keepdims=True)
            ).max(axis=2),
            "You divide a class's K directions by one common length.",
            "Each of the C·K rows has its own.",
        ),
    ],
)
def subcenters(rng: np.random.Generator) -> list[Part]:
    """cos θ to the nearest of each class's K directions, ``(B, C)``."""

    def case(what, n, classes, count, dim, dtype="float64"):
        x = stretched(directions(n, dim, rng), rng)
        w = stretched(directions(classes * count, dim, rng), rng).reshape(classes, count, dim)
        return Case(what, (x.astype(dtype), w.astype(dtype)), tol=1e-6 if dtype == "float64" else 1e-5)

    return [
        Part(
            "several directions a class",
            [
                case("3 directions in the plane", 6, 5, 3, 2),
                case("2 directions in 8 dimensions, float32", 4, 10, 2, 8, "float32"),
            ],
        ),
        Part("one direction a class", [case("K = 1", 5, 4, 1, 3)]),
        Part("as many directions as classes", [case("4 classes of 4 directions", 4, 4, 4, 4)]),
    ]
