"""The task `arcface_gradient`: a gradient by hand."""

import math

import numpy as np

from marginlab.checks.forms import CLIP
from marginlab.checks.points import pair, reference
from marginlab.checks.report import Mistake, Part, task

__all__ = ["arcface_gradient"]


def _by_hand(x, w, margin, scale):
    return reference.target_gradients(x, w, 1.0, margin, 0.0, scale)[0]


def _hand(slope, towards=reference.tangent, divide=True):
    """A wrong gradient -s·slope(θ, m)·t/‖x‖."""

    def form(x, w, margin, scale):
        x, w = x.astype("float64"), w.astype("float64")
        length = reference.norm(x)[:, None] if divide else 1.0
        return -scale * slope(reference.angle(x, w), margin)[:, None] * towards(x, w) / length

    return form


def _rest(x, w):
    """ŵ - cos θ x̂, of length sin θ."""
    return reference.tangent(x, w) * reference.sine(x, w)[:, None]


def _differences(step):
    def form(x, w, margin, scale):
        ways = step * np.eye(x.shape[1])
        logit = lambda x: reference.target_logit(x, w, 1.0, margin, 0.0, scale)  # noqa: E731
        return np.stack([(logit(x + way) - logit(x - way)) / (2 * step) for way in ways], axis=1)

    return form


def _falls(theta, m):
    return reference.psi_slope(theta, 1.0, m)


@task(
    "x (B, d); w (B, d); margin; scale",
    _by_hand,
    [
        Mistake(
            "‖x‖ forgotten",
            _hand(_falls, divide=False),
            "The length of x is missing: to turn a long vector by the same angle takes a longer step.",
            "Differentiate x/‖x‖ too: a factor 1/‖x‖ comes out.",
        ),
        Mistake(
            "the gradient's sign",
            _hand(lambda t, m: -_falls(t, m)),
            "Your gradient points the wrong way: a step along it must raise the logit.",
            "Along the gradient θ falls. Look at the sign of dθ/dx.",
        ),
        Mistake(
            "the sign flips past π",
            _hand(lambda t, m: -np.sin(t + m)),
            "The sign flips past π: the slope -sin(θ + m) is positive there, and pushes x away.",
            "Differentiate the cosine unrolled: its slope is never positive.",
        ),
        Mistake(
            "margin without its gradient",
            _hand(lambda t, m: -np.sin(t)),
            "Your gradient is that of cos θ: it goes to zero with θ, and the margin is not in it.",
            "Differentiate at θ + m.",
        ),
        *(
            Mistake(
                "the rejection of x̂",
                _hand(_falls, towards, divide),
                "You took the rejection of x̂, x̂ - c ŵ. A step along it does not keep ‖x‖.",
                "Take ŵ - c x̂, the part of ŵ at right angles to x̂.",
            )
            for towards in (
                lambda x, w: reference.tangent(w, x),
                lambda x, w: -reference.tangent(w, x),
                lambda x, w: _rest(w, x),
                lambda x, w: -_rest(w, x),
            )
            for divide in (True, False)
        ),
        *(
            Mistake(
                "an epsilon beside the sine",
                _hand(_falls, lambda x, w, e=e: _rest(x, w) / (reference.sine(x, w)[:, None] + e)),
                "An epsilon added to the length of ŵ - c x̂ makes the direction too short at tiny angles.",
                "Guard only the length 0 itself: divide by where(s > 0, s, 1).",
            )
            for e in (1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12)
        ),
        Mistake(
            "one length for the whole array",
            _hand(_falls, lambda x, w: _rest(x, w) / np.linalg.norm(_rest(x, w))),
            "Without an axis, norm takes the whole array as one long vector.",
            "Say along which axis, and keep that axis so that the division fits.",
        ),
        Mistake(
            "the value for the slope",
            _hand(lambda t, m: -abs(np.cos(t + m))),
            "These have the size of cos(θ + m): it is not differentiated.",
            "The slope of ucos φ is -|sin φ|.",
        ),
        Mistake(
            "margin at the wrong sign",
            _hand(lambda t, m: _falls(t, -m)),
            "The margin is at the wrong sign: θ - m.",
            "Differentiate at θ + m.",
        ),
        *(
            Mistake(
                "not projected",
                _hand(slope, lambda x, w: reference.unit(w), divide),
                "Your gradient points along ŵ: part of that runs along x̂, and turns nothing.",
                "Take out the part of ŵ along x̂, and bring the rest to length 1.",
            )
            for slope in (_falls, lambda t, m: _falls(t, m) / np.sin(t))
            for divide in (True, False)
        ),
        *(
            Mistake(
                "differences for the gradient",
                _differences(step),
                "A difference of two logits for the gradient? Its step must be far smaller than the angle, "
                "and then the difference has no digits left.",
                "Write the derivative down, as in the task: no step is needed.",
            )
            for step in (1e-3, 1e-4, 1e-5, 1e-6)
        ),
        Mistake(
            "the direction's length",
            _hand(_falls, lambda x, w: _rest(x, w)),
            "Your direction is ŵ - cos θ x̂, which has length sin θ and not 1: one division is missing.",
            "The gradient of θ has length 1/‖x‖ at every angle.",
        ),
        Mistake(
            "scale forgotten",
            lambda x, w, m, s: _by_hand(x, w, m, 1.0),
            "Scale forgotten.",
            "The logit is scale·ψ(θ), and so is its gradient.",
        ),
        Mistake(
            "degrees given for radians",
            lambda x, w, m, s: _by_hand(x, w, np.radians(m), s),
            "Degrees given for radians? The margin is in radians already, and you turn it from degrees.",
            "Use the margin as it comes.",
        ),
        Mistake(
            "a clip before acos",
            lambda x, w, m, s: _by_hand(x, w, m, s) * (reference.angle(x, w) > math.acos(1 - 1e-5))[:, None],
            *CLIP,
        ),
        Mistake(
            "0/0 at θ = 0",
            lambda x, w, m, s: np.where((reference.sine(x, w) == 0)[:, None], np.nan, _by_hand(x, w, m, s)),
            "At θ = 0 there is no direction towards w: dividing by a sine of 0 gives NaN.",
            "Where the sine is 0, take the gradient as 0, and choose the divisor before you divide.",
        ),
    ],
)
def arcface_gradient(rng: np.random.Generator) -> list[Part]:
    """the gradient in x of ArcFace's true logit, ``(B, d)``, row by row; the margin is in radians."""

    def case(what, theta, dim, margin, scale, dtype="float32", tol=1e-4, size=None):
        found = pair(what, theta, dim, rng, dtype)
        return found._replace(args=(*found.args, margin, scale), tol=tol, size=size or scale)

    aligned = case("x along w", (0.5, 1.0, 0.3), 2, 0.5, 30.0, "float64")
    aligned.args[0][1], aligned.args[1][1] = (
        (0.0, 1.5),
        (0.0, 3.0),
    )  # exactly: along other vectors rounding is left
    return [
        Part(
            "ordinary angles",
            [
                case("ordinary angles, in float64", (0.2, 0.8, 1.5, 2.2), 4, 0.5, 30.0, "float64", 1e-6),
                case("ordinary angles, in float32", (0.2, 0.8, 1.5, 2.2), 8, 0.3, 64.0),
            ],
        ),
        Part(
            "tiny angles",
            [
                case("tiny angles, in float32", (4e-3, 2e-3, 1e-3, 1e-3, 5e-4, 1e-4), 2, 0.5, 64.0, tol=5e-3),
                case("tiny angles, in float64", (1e-3, 1e-5, 1e-6), 3, 0.5, 64.0, "float64", 1e-9),
            ],
            likely=Mistake(
                "digits lost near 0",
                None,
                "A cosine near 1 no longer knows its angle: below 2.4e-4 in float32, and 1e-8 in float64, it "
                "is 1. So 1/sin θ from acos, or from √(1 - c²), is wrong; so is a difference of two logits.",
                "Measure the sine as the length of ŵ - c x̂, and divide that vector by it.",
            ),
        ),
        Part("θ = 0", [aligned._replace(rows=("θ = 0.5", "θ = 0", "θ = 0.3"))]),
        Part("past π", [case("θ + m past π", (2.8, 3.0, 1.0), 3, 0.5, 30.0)]),
    ]
