"""The tasks `unit` and `angle`."""

import math

import numpy as np

from marginlab.checks.forms import ACOS, CLIP, cosines, flat
from marginlab.checks.points import TINY, directions, gradient, pair, reference, stretched
from marginlab.checks.report import Case, Mistake, Part, task

__all__ = ["angle", "unit"]


def _clipped(x, w, epsilon):
    return np.arccos(np.clip(cosines(x.astype("float64"), w.astype("float64")), epsilon - 1, 1 - epsilon))


@task(
    "x (B, d)",
    reference.unit,
    [
        Mistake(
            "no guard at zero",
            lambda x: flat(x.astype("float64")),
            "0/0 at the zero vector is NaN, and one NaN makes the whole batch NaN.",
            "Divide by 1 where the length is 0: choose the divisor by where, before you divide.",
        ),
        Mistake(
            "normalised along the batch",
            lambda x: flat(np.where(x == 0, 1e-300, x).astype("float64"), axis=0),
            "Normalised along the batch: axis 0 runs over examples, so a result depends on its neighbours.",
            "A vector is a row: its length is taken along the last axis.",
        ),
        Mistake(
            "one length for the whole array",
            lambda x: x / np.linalg.norm(x.astype("float64")),
            "Without an axis, norm takes the whole array as one long vector.",
            "Say along which axis, and keep that axis so that the division fits.",
        ),
        Mistake(
            "an epsilon under the root",
            lambda x: x / np.sqrt(np.maximum(np.sum(x.astype("float64") ** 2, -1, keepdims=True), 1e-12)),
            "An epsilon of 1e-12 beside ‖x‖² (as l2_normalize has it) is larger than it for short vectors.",
            "Guard only the zero vector itself, by where.",
        ),
        Mistake(
            "an epsilon beside the length",
            lambda x: x / (np.linalg.norm(x.astype("float64"), axis=-1, keepdims=True) + 1e-8),
            "An epsilon added to ‖x‖ makes every short vector too short.",
            "Guard only the zero vector itself, by where.",
        ),
        Mistake(
            "divided by the squared length",
            lambda x: (
                x
                / np.where(
                    np.any(x, -1, keepdims=True), np.sum(x.astype("float64") ** 2, -1, keepdims=True), 1
                )
            ),
            "The root is missing: you divide by ‖x‖².",
            "Check it with (3, 4): the length is 5, and not 25.",
        ),
        Mistake(
            "the sum of sizes for the length",
            lambda x: (
                x
                / np.where(
                    np.any(x, -1, keepdims=True), np.sum(abs(x).astype("float64"), -1, keepdims=True), 1
                )
            ),
            "Σ|xᵢ| is another norm. The length of (3, 4) is 5, and not 7.",
            "The length is the root of the sum of squares.",
        ),
        Mistake(
            "the largest entry for the length",
            lambda x: x / np.where(np.any(x, -1, keepdims=True), np.max(abs(x), -1, keepdims=True), 1),
            "Dividing by the largest entry keeps squares in range, and is only the first step.",
            "Divide what is left by its length.",
        ),
        Mistake(
            "not normalised",
            lambda x: x,
            "The result is x itself: was the normalised array returned, or dropped?",
            "A function changes nothing by naming a new array; return it.",
        ),
    ],
)
def unit(rng: np.random.Generator) -> list[Part]:
    """x̂ = x/‖x‖ of each row, ``(B, d)``; the zero vector stays zero."""
    rows = stretched(directions(6, 3, rng), rng)
    long = directions(6, 4, rng) * np.array([1e-10, 1e-7, 1e-3, 1.0, 1e5, 1e10])[:, None]
    zero = stretched(directions(4, 2, rng), rng)
    zero[1] = 0
    huge = directions(4, 3, rng) * np.array([1e-200, 1e-3, 1.0, 1e200])[:, None]
    lengths = tuple(f"‖x‖ = {n}" for n in ("10⁻¹⁰", "10⁻⁷", "10⁻³", "1", "10⁵", "10¹⁰"))
    names = ("an ordinary row", "the zero vector", "an ordinary row", "an ordinary row")
    return [
        Part(
            "ordinary vectors",
            [
                Case("ordinary vectors, in float64", (rows,)),
                Case("ordinary vectors, in float32", (rows.astype("float32"),)),
                Case("a batch of one", (rows[:1],)),
            ],
        ),
        Part(
            "the zero vector",
            [
                Case("a zero vector in the batch", (zero.astype("float32"),), names),
                Case(
                    "a zero vector, in TensorFlow's gradient",
                    (zero.astype("float32"),),
                    names,
                    tol=np.inf,
                    truth=np.zeros_like,
                    mistakes=(),
                    look=gradient(lambda out, x: out),
                ),
            ],
            likely=Mistake(
                "the branch not taken",
                None,
                "The value is guarded and its gradient is not: the branch that where does not take is "
                "infinite, and 0·∞ is NaN.",
                "Put the guard around what you divide by, so that nothing is ever divided by 0.",
            ),
        ),
        Part(
            "long and short vectors",
            [
                Case("long and short vectors", (long.astype("float32"),), lengths),
                Case(
                    "vectors as long as 10²⁰⁰, in float64",
                    (huge,),
                    tuple(f"‖x‖ = {n}" for n in ("10⁻²⁰⁰", "10⁻³", "1", "10²⁰⁰")),
                    mistakes=(),
                ),
            ],
            likely=Mistake(
                "squares out of range",
                None,
                "The square of 10²⁰⁰ is no float64, and that of 10⁻²⁰⁰ is 0: the length comes out as ∞ or 0.",
                "Divide each row by its largest entry first, and then by its length.",
            ),
        ),
    ]


@task(
    "x (B, d); w (B, d)",
    reference.angle,
    [
        Mistake("a clip before acos", lambda x, w: _clipped(x, w, 1e-5), *CLIP),
        Mistake("a clip before acos", lambda x, w: _clipped(x, w, 1e-4), *CLIP),
        Mistake("a clip before acos", lambda x, w: _clipped(x, w, 1e-6), *CLIP),
        Mistake(
            "asin knows no angle past 90°",
            lambda x, w: np.arcsin(np.minimum(reference.sine(x, w), 1)),
            "asin gives the same for 60° and 120°: a sine alone does not know on which side of 90° it is.",
            "Use the cosine too: atan2 takes both, and knows all four quadrants.",
        ),
        Mistake(
            "arcsin of half the chord",
            lambda x, w: 2 * np.arcsin(np.linalg.norm(reference.unit(x) - reference.unit(w), axis=-1) / 2),
            "2 arcsin(‖x̂ - ŵ‖/2) is right near 0, and loses its digits near π, where arcsin is steep.",
            "atan2 is steep nowhere: give it a sine and a cosine, each measured by itself.",
        ),
        Mistake(
            "arctan of the quotient",
            lambda x, w: np.arctan(reference.sine(x, w) / reference.cosine(x, w)),
            "arctan(s/c) gives negative angles past 90°: the quotient has lost the signs.",
            "Hand the two numbers to atan2 without dividing them.",
        ),
        Mistake(
            "arguments of atan2 exchanged",
            lambda x, w: np.arctan2(reference.cosine(x, w), reference.sine(x, w)),
            "atan2 takes the sine first: exchanged, it gives π/2 - θ.",
            "Try it at θ = 0, where the answer is known.",
        ),
        Mistake(
            "the cosine for the angle",
            lambda x, w: reference.cosine(x, w),
            "These are cosines, not angles.",
            "The cosine is half of what atan2 needs.",
        ),
        Mistake(
            "the sine for the angle",
            lambda x, w: reference.sine(x, w),
            "These are sines, not angles.",
            "The sine is half of what atan2 needs.",
        ),
        Mistake(
            "degrees for radians",
            lambda x, w: np.degrees(reference.angle(x, w)),
            "Your angles are 57.3 times too large: degrees given for radians.",
            "Angles are in radians throughout.",
        ),
        Mistake(
            "not normalised",
            lambda x, w: np.arccos(np.sum(x.astype("float64") * w, axis=-1)),
            "x·w is ‖x‖ ‖w‖ cos θ: the cosine needs unit vectors, and acos of a number above 1 is NaN.",
            "Divide both vectors by their lengths first.",
        ),
        Mistake(
            "w is not normalised",
            lambda x, w: np.arctan2(
                np.linalg.norm(flat(x) - np.sum(flat(x) * w, -1, keepdims=True) * w, axis=-1),
                np.sum(flat(x) * w, -1),
            ),
            "One of the two vectors keeps its length.",
            "Divide both vectors by their lengths first.",
        ),
        Mistake(
            "normalised along the batch",
            lambda x, w: np.arccos(np.sum(flat(x, 0).astype("float64") * flat(w, 0), -1)),
            "Normalised along the batch: axis 0 runs over examples, so an angle depends on its neighbours.",
            "A vector is a row: its length is taken along the last axis.",
        ),
        Mistake(
            "the other angle",
            lambda x, w: math.pi - reference.angle(x, w),
            "You have π - θ: a sign is turned round.",
            "Try it at θ = 0, where the answer is known.",
        ),
    ],
)
def angle(rng: np.random.Generator) -> list[Part]:
    """the angle of each pair of rows in radians, ``(B,)``, accurate at tiny angles in float32 too."""
    tiny = np.array([1e-5, 1e-6, 1e-7, 1e-7])
    near_pi = math.pi - np.array([1e-3, 1e-2, 0.3, 1e-4])
    return [
        Part(
            "ordinary angles",
            [
                pair("ordinary angles, in float64", (0.1, 0.7, 1.2, 1.5), 3, rng, "float64"),
                pair("ordinary angles, in float32", (0.1, 0.7, 1.2, 1.5), 8, rng),
                pair("a batch of one", (0.9,), 2, rng),
            ],
        ),
        Part(
            "angles past 90°",
            [pair("angles past 90°, in float32", (1.6, 2.0, 2.8, 0.5), 5, rng)],
        ),
        Part(
            "tiny angles",
            [
                pair("tiny angles, in float32", TINY, 2, rng, tol=2e-6),
                pair("tiny angles, in 16 dimensions", TINY, 16, rng, tol=2e-6),
                pair("angles near π, in float32", near_pi, 2, rng, tol=2e-6),
                pair("tiny angles, in float64", (1e-5, 1e-7, 1e-7, 1e-8), 3, rng, "float64", size=0.0),
                pair("angles near π, in float64", math.pi - tiny, 3, rng, "float64", tol=1e-13, size=0.0),
            ],
            likely=ACOS,
        ),
    ]
