"""The tasks `arcface`, `sphereface` and `cosface`."""

import math
import sys

import numpy as np

from marginlab.checks.forms import ACOS, CLIP, flat, softmax, whole
from marginlab.checks.points import TINY, angles, directions, gradient, reference, stretched, turned
from marginlab.checks.report import Case, Mistake, Part, task

__all__ = ["arcface", "cosface", "sphereface"]


def _head(psi, every=False, length=False, scaled=True, normed=(True, True)):
    """A wrong head from its ψ(θ, margin): margin at every class, scale ‖x‖, no scale, not normalised."""

    def form(x, w, labels, margin, scale):
        x, w = x.astype("float64"), w.astype("float64")
        theta = reference.angle(x[:, None], w)
        lengths = (np.linalg.norm(x, axis=1)[:, None], np.linalg.norm(w, axis=1))
        size = (1 if normed[0] else lengths[0]) * (1 if normed[1] else lengths[1])
        true = np.full(theta.shape, True) if every else np.arange(len(w)) == labels[:, None]
        out = np.where(true, psi(theta, margin), np.cos(theta)) * size
        return out * (lengths[0] if length else scale if scaled else 1.0)

    return form


def _same(v):
    return v


def _squared(v):
    return v / np.sum(v * v, axis=-1, keepdims=True)


def _by_rejection(x, w, c):
    return np.arctan2(np.linalg.norm(x - c[:, None] * w, axis=1), c)


def _by_acos(x, w, c):
    return np.arccos(c)


def _by_clipped_acos(x, w, c):
    return np.arccos(np.clip(c, -1, 1))


def _as_written(angle, psi, of_x, of_w):
    """A head as it is written down, with something else in place of the unit vectors."""

    def form(x, w, labels, margin, scale):
        x, w = of_x(x.astype("float64")), of_w(w.astype("float64"))
        out, rows = x @ w.T, np.arange(len(x))
        out[rows, labels] = psi(angle(x, w[labels], out[rows, labels]), margin)
        return scale * out

    return form


def _unnormalised(name, what, of_vectors, psi, written):
    """Vectors that keep their lengths, whichever way the angle is got from them."""
    forms = [_head(psi, normed=tuple(f is flat for f in of_vectors))]
    forms += [_as_written(angle, of_angle, *of_vectors) for angle, of_angle in written]
    why = f"Your logits grow with {what} not normalised."
    return [Mistake(name, form, why, "Divide x and w by their lengths before the product.") for form in forms]


def _wrong_lengths(name, by, way, why, how):
    """Both vectors, or one of them, divided by something else than their lengths."""
    angle, of_angle = way
    pairs = ((by, by), (by, flat), (flat, by))
    return [Mistake(name, _as_written(angle, of_angle, *pair), why, how) for pair in pairs]


def _head_mistakes(psi, *written):
    """What goes wrong with any head, given its ψ(θ, margin), and how that is got from x, w and x·w."""
    written = written or tuple((angle, psi) for angle in (_by_rejection, _by_acos, _by_clipped_acos))
    plain = lambda theta, m: np.cos(theta)  # noqa: E731
    return (
        Mistake(
            "margin at every class",
            _head(psi, every=True),
            "The margin is added to every class: it belongs to the true class alone.",
            "Compute all logits without a margin, and replace those at the labels.",
        ),
        Mistake(
            "no margin",
            _head(plain),
            "These are the logits without the margin.",
            "At the labels, and only there, the margin comes in.",
        ),
        Mistake(
            "margin in the columns of all labels",
            lambda x, w, labels, margin, scale: np.where(
                np.isin(np.arange(len(w)), labels),
                _head(psi, every=True)(x, w, labels, margin, scale),
                _head(plain)(x, w, labels, margin, scale),
            ),
            "The margin is in whole columns: [:, labels] takes every row at the labels of all rows.",
            "Pair each row with its own label: [arange(B), labels].",
        ),
        Mistake(
            "margin at the other classes",
            lambda x, w, labels, margin, scale: np.where(
                np.arange(len(w)) == labels[:, None],
                _head(plain)(x, w, labels, margin, scale),
                _head(psi, every=True)(x, w, labels, margin, scale),
            ),
            "The true class has no margin and all others have: the mask is turned round.",
            "Look at one row of the mask beside its label.",
        ),
        Mistake(
            "scale forgotten",
            _head(psi, scaled=False),
            "Scale forgotten: your logits lie within about -1 and 1.",
            "Multiply by the scale at the end, the true class and the others alike.",
        ),
        Mistake(
            "scale at the true class only",
            lambda x, w, labels, margin, scale: (
                np.where(np.arange(len(w)) == labels[:, None], scale, 1.0)
                * _head(psi, scaled=False)(x, w, labels, margin, scale)
            ),
            "The other classes' logits have no scale.",
            "Multiply by the scale at the end, the true class and the others alike.",
        ),
        Mistake(
            "scale at the other classes only",
            lambda x, w, labels, margin, scale: (
                np.where(np.arange(len(w)) == labels[:, None], 1.0, scale)
                * _head(psi, scaled=False)(x, w, labels, margin, scale)
            ),
            "The true class's logit has no scale.",
            "Multiply by the scale at the end, the true class and the others alike.",
        ),
        Mistake(
            "‖x‖ for the scale",
            _head(psi, length=True),
            "‖x‖ stands where the scale should: a long embedding then counts for more than a short one.",
            "Both vectors are normalised here, and the scale is the argument.",
        ),
        Mistake(
            "probabilities for logits",
            softmax(_head(psi)),
            "Each row sums to 1: softmax has been taken already. Logits are what comes before it.",
            "Leave softmax to the loss, which takes it together with the logarithm.",
        ),
        Mistake(
            "probabilities for logits",
            softmax(_head(psi, length=True)),
            "Each row sums to 1: softmax has been taken already. And ‖x‖ stands where the scale should.",
            "Leave softmax to the loss, and multiply by the scale.",
        ),
        *_unnormalised("x is not normalised", "‖x‖: the embedding is", (_same, flat), psi, written),
        *_unnormalised("w is not normalised", "‖w‖: the class directions are", (flat, _same), psi, written),
        *_unnormalised("neither is normalised", "‖x‖ and ‖w‖: the two are", (_same, _same), psi, written),
        *_wrong_lengths(
            "one length for the whole array",
            whole,
            written[0],
            "Without an axis, norm takes the whole array as one long vector.",
            "Say along which axis, and keep that axis so that the division fits.",
        ),
        *_wrong_lengths(
            "divided by the squared length",
            _squared,
            written[0],
            "The root is missing: you divide by ‖x‖².",
            "Check it with (3, 4): the length is 5, and not 25.",
        ),
        *_wrong_lengths(
            "normalised along the batch",
            lambda v: flat(v, 0),
            written[0],
            "Normalised along the batch: axis 0 runs over examples, and a vector is a row.",
            "Take lengths along the last axis.",
        ),
        Mistake(
            "normalised along the batch",
            lambda x, w, labels, margin, scale: _head(psi)(flat(x, 0), flat(w, 0), labels, margin, scale),
            "Normalised along the batch: axis 0 runs over examples, and a vector is a row.",
            "Take lengths along the last axis.",
        ),
    )


def _angle_mistakes(psi):
    """What goes wrong with a head that needs the angle."""
    return (
        Mistake(
            "arguments of atan2 exchanged",
            _head(lambda t, m: psi(math.pi / 2 - t, m)),
            "atan2 takes the sine first: exchanged, it gives π/2 - θ.",
            "Try it at θ = 0, where the answer is known.",
        ),
        Mistake(
            "asin knows no angle past 90°",
            _head(lambda t, m: psi(np.arcsin(np.minimum(np.sin(t), 1)), m)),
            "asin gives the same for 60° and 120°: a sine alone does not know on which side of 90° it is.",
            "Use the cosine too: atan2 takes both, and knows all four quadrants.",
        ),
    )


def _ucos_mistakes(phi):
    """What goes wrong with the cosine unrolled in a head, given φ(θ, margin)."""
    k = lambda t, m: np.floor(phi(t, m) / math.pi)  # noqa: E731
    return (
        Mistake(
            "only the sign of ψ",
            _head(lambda t, m: reference.ucos(phi(t, m)) + 2 * k(t, m)),
            "Your ψ has the turned half waves and not the steps down, -2k: it jumps at every kπ.",
            "Each half wave hangs 2 below the one before.",
        ),
        Mistake(
            "only the steps of ψ",
            _head(lambda t, m: np.cos(phi(t, m)) - 2 * k(t, m)),
            "The steps down, -2k, are there, and every second half wave still rises.",
            "Where k is odd, the cosine needs the other sign.",
        ),
        Mistake(
            "steps up",
            _head(lambda t, m: reference.ucos(phi(t, m)) + 4 * k(t, m)),
            "The steps go up instead of down.",
            "Each half wave hangs 2 below the one before.",
        ),
    )


def _clip_first(psi, epsilon=1e-5):
    """ψ of an angle whose cosine was clipped, as the demo has it that this book grew from."""
    return lambda theta, m: psi(np.arccos(np.clip(np.cos(theta), epsilon - 1, 1 - epsilon)), m)


def _logits(which):
    """The truth of a head: logits from its (m₁, m₂, m₃) by name."""

    def truth(x, w, labels, margin, scale):
        return reference.logits(x, w, labels, *reference.margins(which, margin), scale=scale)

    return truth


def _slope(which, *margin):
    """Closed-form gradient in x of the true logits, with the margin given or else the case's own."""

    def truth(x, w, labels, m, scale):
        m = reference.margins(which, *(margin or (m,)))
        return reference.target_gradients(x, w[labels], *m, scale=scale)[0]

    return truth


def _true(out, x, w, labels, *rest):
    """The true logits of all rows, in TensorFlow."""
    tf = sys.modules["tensorflow"]
    return tf.gather(out, labels, batch_dims=1)


def _classes(what, theta, classes, dim, margin, scale, rng, dtype="float32"):
    """A case f(x, w, labels, margin, scale), row i at an angle theta[i] from its true class."""
    w = directions(classes, dim, rng)
    labels = rng.integers(0, classes, len(theta)).astype("int32")
    x = turned(w[labels], theta, rng)
    args = (stretched(x, rng).astype(dtype), stretched(w, rng).astype(dtype), labels, margin, scale)
    return Case(what, args, angles(theta), size=scale)


def _along(classes, dim, margin, scale, rng):
    """Embeddings along their class directions, but for rounding: in a quarter of them c rounds above 1."""
    case = _classes(
        "embeddings along their classes", (0.0,) * 24, classes, dim, margin, scale, rng, "float64"
    )
    _, w, labels, *rest = case.args
    return case._replace(args=(rng.uniform(0.1, 4.0, (24, 1)) * w[labels], w, labels, *rest))


def _sloped(case, which):
    """The same points, seen by the gradient of their true logits."""
    clip = Mistake("a clip before acos", lambda x, *rest: np.zeros(x.shape), *CLIP)
    lost = Mistake(
        "margin without its gradient",
        _slope("normface"),
        "The value has the margin and the gradient has not: it goes to zero with θ, as without a margin.",
        "No stop_gradient and no .numpy() on the way from x to the logit.",
    )
    size = float(case.args[4]) / 4
    return case._replace(
        what=case.what + ", by TensorFlow's gradient",
        truth=_slope(which),
        mistakes=(clip, lost),
        look=gradient(_true),
        size=size,
        tol=5e-3,
    )


def _sizes(margin, rng, none=0.0):
    """The part in which margin and scale are not those of the first; none is the margin that is none."""
    return Part(
        "any margin and scale",
        [
            _classes("a small margin", (0.3, 1.1, 1.5), 4, 2, margin, 64.0, rng, "float64"),
            _classes("a batch of one", (0.7,), 7, 3, margin, 1.0, rng),
            _classes(f"a margin of {none:g}, which is none", (0.3, 1.1, 1.5), 4, 3, none, 10.0, rng),
        ],
        likely=Mistake(
            "margin of zero",
            None,
            "Right with one margin and not with another: is a number fixed in the function? 0 is false in "
            "Python, so that `margin or 0.5` takes it for none given.",
            "Use margin and scale as they come, and ask for nothing but their values.",
        ),
    )


def _arc(theta, m):
    return reference.psi(theta, 1, m)


@task(
    "x (B, d); w (C, d); labels (B,); margin; scale",
    _logits("arcface"),
    [
        Mistake(
            "the sign flips past π",
            _head(lambda theta, m: np.cos(theta + m)),
            "The sign flips past π: cos(θ + m) turns up again there, so that a worse angle is rewarded.",
            "Use the cosine unrolled, which goes on falling past π.",
        ),
        Mistake("a clip before acos", _head(_clip_first(_arc)), *CLIP),
        Mistake(
            "a clip before acos",
            _head(_clip_first(lambda theta, m: np.cos(theta + m))),
            *CLIP,
        ),
        *_ucos_mistakes(lambda t, m: t + m),
        Mistake(
            "the fallback jumps",
            _head(lambda t, m: np.where(t < math.pi - m, np.cos(t + m), np.cos(t) - m * np.sin(m))),
            "Past π - m you take cos θ - m·sin m: the two formulas do not meet, and the logit jumps.",
            "One formula serves all angles: the cosine unrolled.",
        ),
        Mistake(
            "condition turned round",
            _head(lambda t, m: np.where(t < math.pi - m, np.cos(t) - m * np.sin(m), np.cos(t + m))),
            "The condition is turned round: below π - m you have the fallback, which is CosFace.",
            "One formula serves all angles, and has no condition: the cosine unrolled.",
        ),
        Mistake(
            "easy margin",
            _head(lambda t, m: np.where(t < math.pi / 2, np.cos(t + m), np.cos(t))),
            'Past 90° you leave the margin out ("easy margin"): the logit jumps up there, by sin m.',
            "One formula serves all angles: the cosine unrolled.",
        ),
        Mistake(
            "the angle held at π",
            _head(lambda t, m: np.cos(np.minimum(t + m, math.pi))),
            "θ + m is held at π: beyond, the logit stands still and has no gradient.",
            "Use the cosine unrolled, which goes on falling past π.",
        ),
        Mistake(
            "degrees given for radians",
            _head(lambda t, m: _arc(t, np.radians(m))),
            "Degrees given for radians? The margin is in radians already, and you turn it from degrees.",
            "Use the margin as it comes.",
        ),
        Mistake(
            "degrees given for radians",
            _head(lambda t, m: np.cos(t + np.degrees(m))),
            "Degrees given for radians? You turn the margin into degrees, and add it to an angle in radians.",
            "Use the margin as it comes.",
        ),
        *(
            Mistake(
                "margin at the wrong sign",
                _head(psi),
                "The margin is at the wrong sign: θ - m, or a plus between the two products of cos(θ + m), "
                "makes the true class easier.",
                "At θ = 0 the true logit must be scale·cos m, below the scale.",
            )
            for psi in (lambda t, m: np.cos(t - m), lambda t, m: _arc(t, -m))  # the plain cosine, or not
        ),
        Mistake(
            "CosFace's margin",
            _head(lambda t, m: np.cos(t) - m),
            "You take the margin from the cosine, as CosFace does. ArcFace adds it to the angle.",
            "Get the angle first, then add, then take the cosine.",
        ),
        Mistake(
            "SphereFace's margin",
            _head(lambda t, m: np.cos(m * t)),
            "You multiply the angle by the margin, as SphereFace does. ArcFace adds it.",
            "Get the angle first, then add, then take the cosine.",
        ),
        *_angle_mistakes(_arc),
        *_head_mistakes(_arc),
    ],
)
def arcface(rng: np.random.Generator) -> list[Part]:
    """ArcFace's logits ``(B, C)``; the margin is in radians."""
    past = (2.7, 2.8, 2.9, 3.1, 1.0)
    tiny = _classes("tiny angles", TINY, 6, 2, 0.5, 64.0, rng)
    ordinary = _classes("ordinary angles", (0.2, 0.6, 1.0, 1.5, 1.9, 2.3), 9, 8, 0.5, 30.0, rng)
    double = _classes("tiny angles, in float64", (1e-6, 1e-6, 1e-8, 1e-8), 6, 3, 0.5, 64.0, rng, "float64")
    along = _along(6, 3, 0.5, 64.0, rng)
    return [
        Part("ordinary angles", [ordinary, _sloped(ordinary, "arcface")]),
        _sizes(0.2, rng),
        Part(
            "tiny angles",
            [tiny, _sloped(tiny, "arcface"), double._replace(tol=1e-12), along._replace(tol=1e-12)],
            likely=ACOS,
        ),
        Part(
            "past π",
            [
                _classes("θ + m past π", past, 5, 3, 0.5, 30.0, rng),
                _classes("θ + m past π", past, 5, 2, 1.2, 30.0, rng, "float64"),
            ],
        ),
    ]


def _sphere(theta, m):
    return reference.psi(theta, m)


@task(
    "x (B, d); w (C, d); labels (B,); margin; scale",
    _logits("sphereface"),
    [
        Mistake(
            "the sign flips past π",
            _head(lambda theta, m: np.cos(m * theta)),
            "The sign flips past π: cos(mθ) turns up again at θ = π/m, and a worse angle is rewarded.",
            "Use the cosine unrolled, which goes on falling past π.",
        ),
        Mistake("a clip before acos", _head(_clip_first(_sphere)), *CLIP),
        Mistake("a clip before acos", _head(_clip_first(lambda t, m: np.cos(m * t))), *CLIP),
        Mistake(
            "the cosine clipped as an angle",
            _head(lambda t, m: np.cos(m * np.arccos(np.clip(np.cos(t), 0, 1 - 1e-5)))),
            "You clip the cosine to [0, π], which is a range of angles: all angles past 90° become 90°.",
            "No clip is needed: the cosine unrolled falls for every angle.",
        ),
        Mistake(
            "the angle held at π",
            _head(lambda t, m: np.cos(np.minimum(m * t, math.pi))),
            "mθ is held at π: beyond, the logit stands still and has no gradient.",
            "Use the cosine unrolled, which goes on falling past π.",
        ),
        *_ucos_mistakes(lambda t, m: m * t),
        *(
            Mistake(
                "ArcFace's margin",
                _head(psi),
                "You add the margin to the angle, as ArcFace does. SphereFace multiplies by it.",
                "Multiply the angle, then take the cosine unrolled.",
            )
            for psi in (_arc, lambda t, m: np.cos(t + m))  # unrolled, or not
        ),
        Mistake(
            "the cosine multiplied",
            _head(lambda t, m: m * np.cos(t)),
            "You multiply the cosine by the margin: the angle is what is multiplied.",
            "Get the angle first, then multiply it.",
        ),
        Mistake(
            "CosFace's margin",
            _head(lambda t, m: np.cos(t) - m),
            "You take the margin from the cosine, as CosFace does. SphereFace multiplies the angle by it.",
            "Get the angle first, then multiply it.",
        ),
        *_angle_mistakes(_sphere),
        *_head_mistakes(_sphere),
    ],
)
def sphereface(rng: np.random.Generator) -> list[Part]:
    """SphereFace's logits ``(B, C)``; the margin is a multiplier of at least 1, of any real value."""
    tiny = _classes("tiny angles", TINY, 6, 2, 4.0, 64.0, rng)
    ordinary = _classes("ordinary angles", (0.2, 0.6, 0.9, 1.2, 1.4), 9, 8, 2.0, 30.0, rng)
    return [
        Part("ordinary angles", [ordinary, _sloped(ordinary, "sphereface")]),
        _sizes(1.35, rng, none=1.0),
        Part(
            "tiny angles",
            [tiny, _sloped(tiny, "sphereface"), _along(6, 3, 2.0, 30.0, rng)],
            likely=ACOS,
        ),
        Part(
            "past π",
            [
                _classes("mθ past π, m = 2", (1.7, 2.0, 2.6, 3.0, 1.0), 5, 3, 2.0, 30.0, rng),
                _classes("mθ past 2π and 3π, m = 4", (1.7, 2.0, 2.6, 3.0, 1.0), 5, 3, 4.0, 30.0, rng),
                _classes("mθ past π, m = 2.5", (1.4, 2.0, 2.6, 3.0, 1.0), 5, 2, 2.5, 30.0, rng, "float64"),
            ],
        ),
    ]


def _cos(theta, m):
    return np.cos(theta) - m


@task(
    "x (B, d); w (C, d); labels (B,); margin; scale",
    _logits("cosface"),
    [
        Mistake(
            "margin at the wrong sign",
            _head(lambda t, m: np.cos(t) + m),
            "The margin is at the wrong sign: it makes the true class easier, and should make it harder.",
            "At θ = 0 the true logit must be below the scale.",
        ),
        Mistake(
            "margin not scaled",
            lambda x, w, labels, margin, scale: (
                _head(_cos)(x, w, labels, 0.0, scale) - margin * (np.arange(len(w)) == labels[:, None])
            ),
            "The margin is taken off after the scale: s·cos θ - m is almost no margin.",
            "The margin is in cosine units: take it from the cosine, then multiply by the scale.",
        ),
        *(
            Mistake(
                "ArcFace's margin",
                _head(psi),
                "You add the margin to the angle, as ArcFace does. CosFace takes it from the cosine.",
                "CosFace needs no angle at all.",
            )
            for psi in (_arc, lambda t, m: np.cos(t + m))  # unrolled, or not
        ),
        Mistake(
            "the cosine multiplied",
            _head(lambda t, m: m * np.cos(t)),
            "You multiply the cosine by the margin: it is to be subtracted.",
            "The margin is in cosine units: take it from the cosine.",
        ),
        *_head_mistakes(_cos, (lambda x, w, c: c, lambda c, m: c - m)),
    ],
)
def cosface(rng: np.random.Generator) -> list[Part]:
    """CosFace's logits ``(B, C)``; the margin is in cosine units."""
    ordinary = _classes("ordinary angles", (0.2, 0.6, 1.0, 1.5, 1.9, 2.9), 9, 8, 0.35, 30.0, rng)
    tiny = _classes("tiny angles", TINY, 6, 2, 0.35, 64.0, rng)
    return [
        Part("ordinary angles", [ordinary, _sloped(ordinary, "cosface")]),
        _sizes(0.1, rng),
        Part("tiny angles", [tiny]),
    ]
