"""What the checks compare: for each task its truth, its points and the mistakes that people make.

A mistake is a wrong form that can be run. Where a student's numbers are those of the form, the
student is told its name. Shapes and letters are the book's: x ``(B, d)``, w ``(C, d)``.
"""

import importlib.util
import math
import sys

import numpy as np

from marginlab.checks.engine import Case, Mistake, Part, Task


def _own(name):
    """A copy of a module, for ourselves alone: what is patched in the other changes nothing here."""
    spec = importlib.util.find_spec(name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference, budget = _own("marginlab.reference"), _own("marginlab.budget")
TASKS = {}


def _task(arguments, truth, mistakes):
    """Makes a function ``points(rng) -> [Part]`` the task of the function's name."""

    def make(points):
        name = points.__name__
        TASKS[name] = Task(name, truth, points, tuple(mistakes), tuple(arguments.split("; ")))
        return points

    return make


# ------------------------------------------------------------------ points


def _directions(n, dim, rng):
    v = rng.standard_normal((n, dim))
    return v / np.linalg.norm(v, axis=1, keepdims=True)


def _turned(w, theta, rng):
    """Unit vectors ``(n, d)`` at angles theta ``(n,)`` from unit vectors w ``(n, d)``."""
    side = rng.standard_normal(w.shape)
    side -= np.sum(side * w, axis=1, keepdims=True) * w
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    theta = np.asarray(theta)[:, None]
    return np.cos(theta) * w + np.sin(theta) * side


def _lengths(v, rng):
    return v * rng.uniform(0.5, 4.0, (len(v), 1))


def _angles(theta):
    return tuple(f"θ = {_named(t)}" for t in theta)


def _named(value):
    exponent = math.floor(math.log10(value)) if value else 0
    if 0 < value < 1e-2 and math.isclose(value, 10.0**exponent):
        return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{value:.4g}"


def _pair(what, theta, dim, rng, dtype="float32", **rest):
    """A case f(x, w) with rows theta apart."""
    w = _directions(len(theta), dim, rng)
    x = _turned(w, theta, rng)
    args = (_lengths(x, rng).astype(dtype), _lengths(w, rng).astype(dtype))
    return Case(what, args, _angles(theta), **rest)


TINY = (4e-3, 3e-3, 2e-3, 1e-3, 1e-3, 5e-4, 3e-4, 1e-4, 1e-4, 1e-5, 1e-6)


def _gradient(pick):
    """A look at TensorFlow's gradient of the sum of pick(out, *args) in the first argument.

    NumPy has no gradient to look at: then there is nothing to see.
    """

    def look(f, args):
        tf = sys.modules.get("tensorflow")
        if tf is None or not tf.is_tensor(f(*args)):
            return None
        x = tf.constant(args[0])
        with tf.GradientTape() as tape:
            tape.watch(x)
            try:
                total = tf.reduce_sum(pick(f(x, *args[1:]), *args))
            except Exception:
                return None
        slope = tape.gradient(total, x)
        return None if slope is None else tf.convert_to_tensor(slope)

    return look


# ------------------------------------------------------------------ wrong forms


def _flat(x, axis=-1, order=2):
    return x / np.linalg.norm(x, ord=order, axis=axis, keepdims=True)


def _cosines(x, w):
    return np.sum(_flat(x) * _flat(w), axis=-1)


def _clipped(x, w, epsilon):
    return np.arccos(np.clip(_cosines(x.astype("float64"), w.astype("float64")), epsilon - 1, 1 - epsilon))


ACOS = Mistake(
    "acos instead of the rejection",
    None,
    "acos instead of the rejection? A float32 cosine near 1 no longer knows its angle: below 3.5e-4 it is 1, "
    "and a sum that rounds above 1 makes acos NaN.",
    "Measure the sine as the length of the part of one direction that the other does not explain, and give "
    "sine and cosine to atan2.",
)
_CLIP_HOW = (
    "Take the clip out, and measure the angle so that nothing needs clipping: by the sine and the cosine."
)


def _clip(name="a clip before acos"):
    return (
        name,
        "Your result stands still and your gradient is zero at θ = 10⁻³: a clip before acos? It takes all "
        "angles below √(2ε) for one.",
        _CLIP_HOW,
    )


# ------------------------------------------------------------------ unit


@_task(
    "x (B, d)",
    reference.unit,
    [
        Mistake(
            "no guard at zero",
            lambda x: _flat(x.astype("float64")),
            "0/0 at the zero vector is NaN, and one NaN makes the whole batch NaN.",
            "Divide by 1 where the length is 0: choose the divisor by where, before you divide.",
        ),
        Mistake(
            "normalised along the batch",
            lambda x: _flat(np.where(x == 0, 1e-300, x).astype("float64"), axis=0),
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
    rows = _lengths(_directions(6, 3, rng), rng)
    long = _directions(6, 4, rng) * np.array([1e-10, 1e-7, 1e-3, 1.0, 1e5, 1e10])[:, None]
    zero = _lengths(_directions(4, 2, rng), rng)
    zero[1] = 0
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
                    look=_gradient(lambda out, x: out),
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
        Part("long and short vectors", [Case("long and short vectors", (long.astype("float32"),), lengths)]),
    ]


# ------------------------------------------------------------------ the angle


@_task(
    "x (B, d); w (B, d)",
    reference.angle,
    [
        Mistake("a clip before acos", lambda x, w: _clipped(x, w, 1e-5), *_clip()[1:]),
        Mistake("a clip before acos", lambda x, w: _clipped(x, w, 1e-4), *_clip()[1:]),
        Mistake("a clip before acos", lambda x, w: _clipped(x, w, 1e-6), *_clip()[1:]),
        Mistake(
            "asin knows no angle past 90°",
            lambda x, w: np.arcsin(np.minimum(reference.sine(x, w), 1)),
            "asin gives the same for 60° and 120°: a sine alone does not know on which side of 90° it is.",
            "Use the cosine too: atan2 takes both, and knows all four quadrants.",
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
                np.linalg.norm(_flat(x) - np.sum(_flat(x) * w, -1, keepdims=True) * w, axis=-1),
                np.sum(_flat(x) * w, -1),
            ),
            "One of the two vectors keeps its length.",
            "Divide both vectors by their lengths first.",
        ),
        Mistake(
            "normalised along the batch",
            lambda x, w: np.arccos(np.sum(_flat(x, 0).astype("float64") * _flat(w, 0), -1)),
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
    near_pi = math.pi - np.array([1e-3, 1e-2, 0.3, 1e-4])
    return [
        Part(
            "ordinary angles",
            [
                _pair("ordinary angles, in float64", (0.1, 0.7, 1.2, 1.5), 3, rng, "float64"),
                _pair("ordinary angles, in float32", (0.1, 0.7, 1.2, 1.5), 8, rng),
                _pair("a batch of one", (0.9,), 2, rng),
            ],
        ),
        Part(
            "angles past 90°",
            [_pair("angles past 90°, in float32", (1.6, 2.0, 2.8, 0.5), 5, rng)],
        ),
        Part(
            "tiny angles",
            [
                _pair("tiny angles, in float32", TINY, 2, rng, tol=2e-6),
                _pair("tiny angles, in 16 dimensions", TINY, 16, rng, tol=2e-6),
                _pair("angles near π, in float32", near_pi, 2, rng, tol=2e-6),
            ],
            likely=ACOS,
        ),
    ]


# ------------------------------------------------------------------ the heads


def _head(psi, every=False, length=False, scaled=True, flat=(True, True)):
    """A wrong head from its ψ(θ, margin): margin at every class, scale ‖x‖, no scale, not normalised."""

    def form(x, w, labels, margin, scale):
        x, w = x.astype("float64"), w.astype("float64")
        theta = reference.angle(x[:, None], w)
        lengths = (np.linalg.norm(x, axis=1)[:, None], np.linalg.norm(w, axis=1))
        size = (1 if flat[0] else lengths[0]) * (1 if flat[1] else lengths[1])
        true = np.full(theta.shape, True) if every else np.arange(len(w)) == labels[:, None]
        out = np.where(true, psi(theta, margin), np.cos(theta)) * size
        return out * (lengths[0] if length else scale if scaled else 1.0)

    return form


def _softmax(form):
    def probabilities(*args):
        out = form(*args)
        p = np.exp(out - out.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True)

    return probabilities


def _head_mistakes(psi):
    """What goes wrong with any head, given its ψ(θ, margin)."""
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
            _softmax(_head(psi)),
            "Each row sums to 1: softmax has been taken already. Logits are what comes before it.",
            "Leave softmax to the loss, which takes it together with the logarithm.",
        ),
        Mistake(
            "x is not normalised",
            _head(psi, flat=(False, True)),
            "Your logits grow with ‖x‖: the embedding is not normalised.",
            "Divide x and w by their lengths before the product.",
        ),
        Mistake(
            "w is not normalised",
            _head(psi, flat=(True, False)),
            "Your logits grow with ‖w‖: the class directions are not normalised.",
            "Divide x and w by their lengths before the product.",
        ),
        Mistake(
            "neither is normalised",
            _head(psi, flat=(False, False)),
            "Your logits grow with ‖x‖ and ‖w‖: nothing is normalised.",
            "Divide x and w by their lengths before the product.",
        ),
        Mistake(
            "normalised along the batch",
            lambda x, w, labels, margin, scale: _head(psi)(
                x / np.linalg.norm(x, axis=0), w / np.linalg.norm(w, axis=0), labels, margin, scale
            ),
            "Normalised along the batch: axis 0 runs over examples, and a vector is a row.",
            "Take lengths along the last axis.",
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


def _classes(what, theta, classes, dim, margin, scale, rng, dtype="float32", **rest):
    """A case f(x, w, labels, margin, scale), row i at an angle theta[i] from its true class."""
    w = _directions(classes, dim, rng)
    labels = rng.integers(0, classes, len(theta)).astype("int32")
    x = _turned(w[labels], theta, rng)
    args = (_lengths(x, rng).astype(dtype), _lengths(w, rng).astype(dtype), labels, margin, scale)
    return Case(what, args, _angles(theta), **rest)


def _sloped(case, which, **rest):
    """The same points, seen by the gradient of their true logits."""
    clip = Mistake("a clip before acos", lambda x, *rest: np.zeros(x.shape), *_clip()[1:])
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
        look=_gradient(_true),
        size=size,
        tol=5e-3,
    )


def _arc(theta, m):
    return reference.psi(theta, 1, m)


@_task(
    "x (B, d); w (C, d); labels (B,); margin; scale",
    _logits("arcface"),
    [
        Mistake(
            "the sign flips past π",
            _head(lambda theta, m: np.cos(theta + m)),
            "The sign flips past π: cos(θ + m) turns up again there, so that a worse angle is rewarded.",
            "Use the cosine unrolled, which goes on falling past π.",
        ),
        Mistake("a clip before acos", _head(_clip_first(_arc)), *_clip()[1:]),
        Mistake(
            "a clip before acos",
            _head(_clip_first(lambda theta, m: np.cos(theta + m))),
            *_clip()[1:],
        ),
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
            "Degrees given for radians: the margin was turned from degrees into radians, and is in radians.",
            "Use the margin as it comes.",
        ),
        Mistake(
            "degrees given for radians",
            _head(lambda t, m: np.cos(t + np.degrees(m))),
            "Degrees given for radians: the margin is in radians, and is added to an angle in radians.",
            "Use the margin as it comes.",
        ),
        Mistake(
            "margin at the wrong sign",
            _head(lambda t, m: np.cos(t - m)),
            "The margin has the wrong sign: θ - m makes the true class easier, and a margin makes it harder.",
            "At θ = 0 the true logit must be scale·cos m, below the scale.",
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
        Mistake(
            "the cosine of the sum taken apart with a wrong sign",
            _head(lambda t, m: np.cos(t) * np.cos(m) + np.sin(t) * np.sin(m)),
            "cos(θ + m) has a minus between its two products.",
            "At θ = 90° the true logit must be -scale·sin m.",
        ),
        *_head_mistakes(_arc),
    ],
)
def arcface(rng):
    past = (2.7, 2.9, 3.1, 3.14, 1.0)
    tiny = _classes("tiny angles", TINY, 6, 2, 0.5, 64.0, rng, tol=1.5e-6, size=64.0)
    ordinary = _classes("ordinary angles", (0.2, 0.6, 1.0, 1.5, 1.9, 2.3), 5, 8, 0.5, 30.0, rng)
    return [
        Part(
            "ordinary angles",
            [
                ordinary,
                _classes("ordinary angles, in float64", (0.3, 1.1, 1.7), 4, 2, 0.2, 64.0, rng, "float64"),
                _classes("a margin of 0", (0.3, 1.1, 1.7), 4, 3, 0.0, 10.0, rng),
                _sloped(ordinary, "arcface"),
            ],
        ),
        Part(
            "tiny angles",
            [tiny, _sloped(tiny, "arcface")],
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
