"""Points that tasks ask a function at, and looks at its gradient.

Shapes and letters are the book's: x ``(B, d)``, w ``(C, d)``. Angles are in radians.
"""

import importlib.util
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from marginlab.checks.report import Case

__all__ = [
    "TINY",
    "angles",
    "directions",
    "gradient",
    "named",
    "own",
    "pair",
    "reference",
    "room",
    "scalars",
    "stretched",
    "turned",
    "verification",
]


def own(name: str) -> Any:
    """A copy of a module, for ourselves alone: what is patched in the other changes nothing here."""
    spec: Any = importlib.util.find_spec(name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference, room, verification = map(own, ("marginlab.reference", "marginlab.room", "marginlab.verification"))


def directions(n: int, dim: int, rng: np.random.Generator) -> np.ndarray:
    v = rng.standard_normal((n, dim))
    return v / np.linalg.norm(v, axis=1, keepdims=True)


def turned(w: Any, theta: Any, rng: np.random.Generator) -> np.ndarray:
    """Unit vectors ``(n, d)`` at angles theta ``(n,)`` from unit vectors w ``(n, d)``."""
    side = rng.standard_normal(w.shape)
    side -= np.sum(side * w, axis=1, keepdims=True) * w
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    theta = np.asarray(theta)[:, None]
    return np.cos(theta) * w + np.sin(theta) * side


def stretched(v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return v * rng.uniform(0.5, 4.0, (len(v), 1))


def angles(theta: Any) -> tuple[str, ...]:
    return tuple(f"θ = {named(t)}" for t in theta)


def named(value: float) -> str:
    exponent = math.floor(math.log10(value)) if value else 0
    if 0 < value < 1e-2 and math.isclose(value, 10.0**exponent):
        return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{value:.4g}"


def pair(
    what: str, theta: Any, dim: int, rng: np.random.Generator, dtype: str = "float32", **rest: Any
) -> Case:
    """A case f(x, w) with rows theta apart."""
    w = directions(len(theta), dim, rng)
    x = turned(w, theta, rng)
    args = (stretched(x, rng).astype(dtype), stretched(w, rng).astype(dtype))
    return Case(what, args, angles(theta), **rest)


TINY = (4e-3, 3e-3, 2e-3, 1e-3, 1e-3, 5e-4, 3e-4, 1e-4, 1e-4, 1e-5, 1e-6)


def gradient(pick: Callable) -> Callable:
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


def scalars(what: str, *points: Any, **rest: Any) -> list[Case]:
    """A case for each argument tuple of a function of numbers."""
    return [Case(what.format(*each), each, **rest) for each in points]
