"""What tasks are made from: points, looks at a gradient, and what many tasks share.

A task has its truth, its points and the mistakes that people make. A mistake is a wrong form that can
be run: where a student's numbers are those of the form, the student is told its name. Shapes and
letters are the book's: x ``(B, d)``, w ``(C, d)``. Angles are in radians.
"""

import importlib.util
import math
import sys

import numpy as np

from marginlab.checks.engine import Case, Mistake, Task


def own(name):
    """A copy of a module, for ourselves alone: what is patched in the other changes nothing here."""
    spec = importlib.util.find_spec(name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference, budget = own("marginlab.reference"), own("marginlab.room")
TASKS = {}


def task(arguments, truth, mistakes):
    """Makes a function ``points(rng) -> [Part]`` the task of the function's name."""

    def make(points):
        name = points.__name__
        TASKS[name] = Task(name, truth, points, tuple(mistakes), tuple(arguments.split("; ")), points.__doc__)
        return points

    return make


def directions(n, dim, rng):
    v = rng.standard_normal((n, dim))
    return v / np.linalg.norm(v, axis=1, keepdims=True)


def turned(w, theta, rng):
    """Unit vectors ``(n, d)`` at angles theta ``(n,)`` from unit vectors w ``(n, d)``."""
    side = rng.standard_normal(w.shape)
    side -= np.sum(side * w, axis=1, keepdims=True) * w
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    theta = np.asarray(theta)[:, None]
    return np.cos(theta) * w + np.sin(theta) * side


def stretched(v, rng):
    return v * rng.uniform(0.5, 4.0, (len(v), 1))


def angles(theta):
    return tuple(f"θ = {named(t)}" for t in theta)


def named(value):
    exponent = math.floor(math.log10(value)) if value else 0
    if 0 < value < 1e-2 and math.isclose(value, 10.0**exponent):
        return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{value:.4g}"


def pair(what, theta, dim, rng, dtype="float32", **rest):
    """A case f(x, w) with rows theta apart."""
    w = directions(len(theta), dim, rng)
    x = turned(w, theta, rng)
    args = (stretched(x, rng).astype(dtype), stretched(w, rng).astype(dtype))
    return Case(what, args, angles(theta), **rest)


TINY = (4e-3, 3e-3, 2e-3, 1e-3, 1e-3, 5e-4, 3e-4, 1e-4, 1e-4, 1e-5, 1e-6)


def gradient(pick):
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


# ---- wrong forms


def flat(x, axis=-1, order=2):
    return x / np.linalg.norm(x, ord=order, axis=axis, keepdims=True)


ACOS = Mistake(
    "acos instead of the rejection",
    None,
    "acos, or √(1 - c²), instead of the rejection? A cosine near 1 no longer knows its angle: below 3.5e-4 "
    "in float32, and 1e-8 in float64, it is 1, and a sum that rounds above 1 makes acos NaN.",
    "Measure the sine as the length of the part of one direction that the other does not explain, and give "
    "sine and cosine to atan2.",
)
CLIP = (
    "Your result stands still and your gradient is zero at θ = 10⁻³: a clip before acos? It takes all angles "
    "below √(2ε) for one.",
    "Take the clip out, and measure the angle so that nothing needs clipping: by the sine and the cosine.",
)
