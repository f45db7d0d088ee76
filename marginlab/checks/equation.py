"""The tasks `ucos` and `psi`: the cosine unrolled, and the one equation."""

import math

import numpy as np

from marginlab.checks.points import angles, reference
from marginlab.checks.report import Case, Mistake, Part, task

__all__ = ["psi", "ucos"]


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
def ucos(rng: np.random.Generator) -> list[Part]:
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
def psi(rng: np.random.Generator) -> list[Part]:
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
