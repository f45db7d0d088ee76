"""Unit vectors, angles, and functions of an angle."""

import math

import numpy as np

from marginlab.checks.engine import Case, Mistake, Part
from marginlab.checks.points import (
    ACOS,
    CLIP,
    TINY,
    angles,
    directions,
    flat,
    gradient,
    pair,
    reference,
    stretched,
    task,
)


def cosines(x, w):
    return np.sum(flat(x) * flat(w), axis=-1)


def _clipped(x, w, epsilon):
    return np.arccos(np.clip(cosines(x.astype("float64"), w.astype("float64")), epsilon - 1, 1 - epsilon))


# ---- unit


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
def unit(rng):
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


# ---- the angle


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
def angle(rng):
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


# ---- the cosine unrolled, and the one equation


def _waves(phi):
    return np.floor(phi / math.pi)


def _sign(phi):
    return np.where(_waves(phi) % 2 == 0, 1, -1)


@task(
    "phi",
    reference.ucos,
    [
        Mistake(
            "the sign flips past π",
            np.cos,
            "The sign flips past π: the plain cosine turns up again there.",
            "Every second half wave is turned over, and each hangs below the one before.",
        ),
        Mistake(
            "only the sign",
            lambda phi: _sign(phi) * np.cos(phi),
            "The half waves are turned over, but not hung one below the other: the result jumps at every kπ.",
            "At φ = π both formulas must give -1: by how much does the second half wave have to go down?",
        ),
        Mistake(
            "only the steps",
            lambda phi: np.cos(phi) - 2 * _waves(phi),
            "The steps down are there, and every second half wave still rises.",
            "Where k is odd, the cosine needs the other sign.",
        ),
        Mistake(
            "steps up",
            lambda phi: _sign(phi) * np.cos(phi) + 2 * _waves(phi),
            "The steps go up instead of down.",
            "The result must fall from one half wave to the next.",
        ),
        Mistake(
            "the sign turned round",
            lambda phi: -_sign(phi) * np.cos(phi) - 2 * _waves(phi),
            "The half waves that should be turned over are not, and those that should not are.",
            "At φ = 0 the result is 1, and where k is even the cosine keeps its sign.",
        ),
        Mistake(
            "steps of 2π",
            lambda phi: _sign(phi) * np.cos(phi) - 2 * math.pi * _waves(phi),
            "You go down by 2π at each joint: a half wave falls by 2.",
            "Compare the values just before and just after φ = π.",
        ),
        Mistake(
            "steps of 1",
            lambda phi: _sign(phi) * np.cos(phi) - _waves(phi),
            "The half waves hang too high: a half wave falls by 2, and you go down by 1.",
            "Compare the values just before and just after φ = π.",
        ),
        Mistake(
            "k counts whole turns",
            lambda phi: np.cos(phi) - 2 * np.floor(phi / (2 * math.pi)),
            "k counts whole turns of 2π: it must count half waves.",
            "k goes up by one at every multiple of π.",
        ),
        Mistake(
            "k is rounded",
            lambda phi: (1 - 2 * (np.round(phi / math.pi) % 2)) * np.cos(phi) - 2 * np.round(phi / math.pi),
            "k is rounded to the nearest: it goes up at π/2 instead of π.",
            "k is the number of whole half waves: round down.",
        ),
        Mistake(
            "held at π",
            lambda phi: np.cos(np.minimum(phi, math.pi)),
            "Beyond π your result stands still at -1: it must go on falling.",
            "Hang another half wave below the first.",
        ),
        Mistake(
            "reflected once",
            lambda phi: np.where(phi <= math.pi, np.cos(phi), -2 - np.cos(phi)),
            "Right up to 2π, where your second half wave turns up again.",
            "Count the half waves: k can be any whole number.",
        ),
        Mistake(
            "degrees for radians",
            lambda phi: reference.ucos(np.radians(phi)),
            "φ is in radians already.",
            "Use it as it comes.",
        ),
    ],
)
def ucos(rng):
    """the cosine unrolled, of the shape of phi, which is in radians and at least 0."""

    def case(what, low, high, dtype="float32", shape=(9,)):
        phi = np.sort(rng.uniform(low, high, shape), axis=0)
        return Case(what, (phi.astype(dtype),), _shown(phi) if phi.ndim == 1 else ())

    edges = np.array([0, 1, 2, 3, 4, 5]) * math.pi
    return [
        Part(
            "up to π, and a little beyond",
            [case("φ from 0 to 4", 0, 4), case("φ from 0 to 6", 0, 6, "float64")],
        ),
        Part("past 2π", [case("φ past 2π", 5, 14), case("φ as large as 100", 0, 100, "float64")]),
        Part(
            "any shape",
            [
                case("φ of shape (3, 4)", 0, 10, shape=(3, 4)),
                Case("φ at whole multiples of π", (edges,), _shown(edges)),
                Case(
                    "φ at whole multiples of π, in float32", (edges.astype("float32"),), _shown(edges), 1e-5
                ),
            ],
        ),
    ]


def _shown(phi):
    return tuple(f"φ = {p:.4g}" for p in phi)


@task(
    "theta; m1; m2; m3",
    reference.psi,
    [
        Mistake(
            "the sign flips past π",
            lambda t, a, b, c: np.cos(a * t + b) - c,
            "The sign flips past π: the plain cosine turns up again there.",
            "Use the cosine unrolled.",
        ),
        Mistake(
            "only the sign",
            lambda t, a, b, c: _sign(a * t + b) * np.cos(a * t + b) - c,
            "The half waves are turned over, but not hung one below the other: the result jumps at every kπ.",
            "Use the cosine unrolled: each half wave hangs 2 below the one before.",
        ),
        Mistake(
            "m3 at the wrong sign",
            lambda t, a, b, c: reference.psi(t, a, b, -c),
            "m₃ is added: it should make the true class harder.",
            "A margin lowers the logit.",
        ),
        Mistake(
            "m3 forgotten",
            lambda t, a, b, c: reference.psi(t, a, b),
            "m₃ is not in it: with m₁ = 1 and m₂ = 0 this should be CosFace.",
            "Try each margin alone: you know what each head looks like.",
        ),
        Mistake(
            "m2 at the wrong sign",
            lambda t, a, b, c: reference.psi(t, a, -b, c),
            "m₂ is subtracted from the angle: it should make the angle larger.",
            "A margin lowers the logit.",
        ),
        Mistake(
            "m2 forgotten",
            lambda t, a, b, c: reference.psi(t, a, 0, c),
            "m₂ is not in it: with m₁ = 1 and m₃ = 0 this should be ArcFace.",
            "Try each margin alone: you know what each head looks like.",
        ),
        Mistake(
            "m1 forgotten",
            lambda t, a, b, c: reference.psi(t, 1, b, c),
            "m₁ is not in it: with m₂ = m₃ = 0 this should be SphereFace.",
            "Try each margin alone: you know what each head looks like.",
        ),
        Mistake(
            "m1 multiplies the sum",
            lambda t, a, b, c: reference.ucos(a * (t + b)) - c,
            "You multiply θ + m₂ by m₁: only θ is multiplied.",
            "First the multiplier, then the sum.",
        ),
        Mistake(
            "m3 inside the cosine",
            lambda t, a, b, c: reference.ucos(a * t + b - c),
            "m₃ is inside the cosine: it is in cosine units, and comes off outside.",
            "m₁ and m₂ act on the angle, m₃ on the cosine.",
        ),
        Mistake(
            "m3 inside the cosine",
            lambda t, a, b, c: reference.ucos(a * t + b + c),
            "m₃ is inside the cosine: it is in cosine units, and comes off outside.",
            "m₁ and m₂ act on the angle, m₃ on the cosine.",
        ),
        Mistake(
            "degrees given for radians",
            lambda t, a, b, c: reference.psi(t, a, np.radians(b), c),
            "Degrees given for radians? m₂ is in radians already, and you turn it from degrees.",
            "Use m₂ as it comes.",
        ),
        Mistake(
            "the cosine multiplied",
            lambda t, a, b, c: a * reference.ucos(t + b) - c,
            "You multiply the cosine by m₁: the angle is what is multiplied.",
            "m₁ and m₂ act on the angle, m₃ on the cosine.",
        ),
    ],
)
def psi(rng):
    """ψ(θ) = ucos(m₁θ + m₂) - m₃, of the shape of theta; theta and m2 are in radians."""

    def case(what, low, high, *m, dtype="float64"):
        theta = np.sort(rng.uniform(low, high, 7)).astype(dtype)
        return Case(what, (theta, *m), angles(theta))

    return [
        Part(
            "one margin at a time",
            [
                case("NormFace's margins (1, 0, 0)", 0, 3.1, 1.0, 0.0, 0.0, dtype="float32"),
                case("SphereFace's margins (1.5, 0, 0)", 0.2, 2.0, 1.5, 0.0, 0.0),
                case("ArcFace's margins (1, 0.5, 0)", 0.2, 2.6, 1.0, 0.5, 0.0),
                case("CosFace's margins (1, 0, 0.35)", 0.2, 3.1, 1.0, 0.0, 0.35),
            ],
        ),
        Part(
            "all three together",
            [
                case("margins (1.2, 0.3, 0.2)", 0.2, 2.3, 1.2, 0.3, 0.2),
                case("margins (1.1, 0.2, 0.3)", 0.2, 2.3, 1.1, 0.2, 0.3, dtype="float32"),
            ],
        ),
        Part(
            "past π",
            [
                case("margins (1, 0.5, 0), past π", 2.7, 3.1, 1.0, 0.5, 0.0),
                case("margins (4, 0.3, 0.1), past 3π", 0.5, 3.1, 4.0, 0.3, 0.1),
            ],
        ),
    ]
