r"""The one idea: measure the sine, and never call acos.

Every function here works on the last axis and broadcasts over the others, so
``(B, d)`` against ``(B, d)`` gives ``(B,)``, and ``(B, 1, d)`` against
``(C, d)`` gives ``(B, C)``. Angles are in radians. All of it is `keras.ops`, so
it runs, and is differentiated, on every Keras backend.
"""

import math
from typing import Any

import keras
from keras import ops

__all__ = [
    "Tensor",
    "angle",
    "cosine",
    "cosine_table",
    "largest",
    "norm",
    "sine",
    "ucos",
    "unit",
    "unit_angle",
]

Tensor = Any  # of whichever backend Keras runs on, or an array of NumPy's


def _scaled(x):
    """Split x into a positive size and x / size, so that squares stay in range.

    ``(..., d) -> (..., 1), (..., d), (..., 1)``: the size, x divided by it, and
    where x is not the zero vector.

    Naive form: sqrt(sum(x²)). In float32 it overflows for ‖x‖ above 1.8e19 and
    vanishes below 1.1e-19 (where subnormals are kept, 2.6e-23), and its derivative
    at zero is 0/0.
    Cure: divide by the largest entry first; put a constant in place of the
    zero vector, whose derivative is then 0. A NaN is not zero, and passes.
    """
    size = ops.stop_gradient(largest(ops.abs(x))[..., None])
    nonzero = ops.not_equal(size, 0.0)
    size = ops.where(nonzero, size, 1.0)
    return size, ops.where(nonzero, x / size, 0.0), nonzero


def _root(scaled, nonzero):
    """Length of what `_scaled` gives, ``(..., d) -> (..., 1)``; 1 for the zero vector."""
    # Naive form: where(nonzero, sqrt(squares), 1). At the zero vector the root's
    # derivative is 1/0, and 1/0 times 0 is NaN, even in the branch that `where`
    # does not take (tensorflow#38349). Cure: the `where` inside, so that the root
    # never sees 0.
    squares = ops.sum(scaled * scaled, axis=-1, keepdims=True)
    return ops.sqrt(ops.where(nonzero, squares, 1.0))


def largest(x: Tensor) -> Tensor:
    """Largest entry of each vector, ``(..., d) -> (...)``; 0 where there are none."""
    return ops.sum(x, axis=-1) if 0 in tuple(x.shape) else ops.max(x, axis=-1)


def norm(x: Tensor) -> Tensor:
    """Length of each vector, ``(..., d) -> (...)``; its gradient at zero is 0.

    No overflow and no underflow: vectors of length 1e30 and 1e-30 are measured
    as well as those of length 1, in float32 too.
    """
    size, scaled, nonzero = _scaled(x)
    return ops.squeeze(size * ops.where(nonzero, _root(scaled, nonzero), 0.0), axis=-1)


def unit(x: Tensor) -> Tensor:
    """Direction of each vector, ``(..., d) -> (..., d)``: x̂ = x/‖x‖.

    The zero vector has no direction. It stays zero, with zero gradient, so its
    cosine with everything is 0 and its angle π/2.
    """
    _, scaled, nonzero = _scaled(x)
    return scaled / _root(scaled, nonzero)


def cosine(x: Tensor, w: Tensor) -> Tensor:
    """Cosine of the angle between x and w, ``(..., d), (..., d) -> (...)``."""
    return _cosine(unit(x), unit(w))


def cosine_table(x: Tensor, w: Tensor) -> Tensor:
    """Cosine of every x with every w, ``(B, d), (C, d) -> (B, C)``, by one matrix product.

    The products are divided by ‖w‖, and not w itself: where classes are many,
    a copy ŵ (C, d) and its gradient would be most of the work beside the product.

    Naive form: to leave the gradient to the framework. It keeps w divided by its
    size (C, d) from the forward pass to the backward one, as much memory as the
    directions' gradient itself. Cure: the same gradient, written with w alone. It is
    taken on TensorFlow; JAX has no forward mode, and PyTorch no second derivative,
    through a gradient that is written out.
    """
    x, w = unit(x), ops.reshape(w, w.shape)  # a variable becomes a tensor
    return _written_out(x, w) if keras.backend.backend() == "tensorflow" else _table(x, w)[0]


def _table(x, w):
    """Cosines of unit x with w, ``(B, C)``, and ‖w‖ ``(C,)`` in two factors, the first ∞ for a zero row."""
    # Two factors, for 1/‖w‖² of a single one's gradient leaves float32's range at 1e±20. And a product
    # with ones, for the sum of a row's squares would first write down all the squares.
    size = ops.stop_gradient(ops.maximum(largest(w), -ops.min(w, axis=-1)))
    nonzero = ops.not_equal(size, 0.0)
    scaled = w / ops.where(nonzero, size, 1.0)[:, None]
    squares = ops.matmul(scaled * scaled, ops.ones((w.shape[1], 1), w.dtype))[:, 0]
    root = ops.sqrt(ops.where(nonzero, squares, 1.0))
    # A zero row gives 0, and its gradient is 0 too: anything over infinity is 0.
    size = ops.where(nonzero, size, math.inf)
    return ops.matmul(x, ops.transpose(w)) / size / root, size, root


@ops.custom_gradient
def _written_out(x, w):
    """`_table`, with c_bj = x_b·w_j/‖w_j‖ and ∂c_bj/∂w_j = (x_b - c_bj ŵ_j)/‖w_j‖."""
    table, size, root = _table(x, w)

    def gradient(upstream):
        along = ops.sum(upstream * table, axis=0) / size / root
        each = upstream / size / root
        unit_w = w / (size * root)[:, None]
        return ops.matmul(each, w), ops.matmul(ops.transpose(each), x) - unit_w * along[:, None]

    return table, gradient


def sine(x: Tensor, w: Tensor) -> Tensor:
    r"""Sine of the angle between x and w, ``(..., d), (..., d) -> (...)``, ≥ 0.

    It is the length of the rejection, the part of x̂ that ŵ does not explain:
    s = ‖x̂ - (x̂·ŵ) ŵ‖.

    Naive form: sqrt(1 - c²). In float32 a cosine c near 1 no longer knows its
    angle: the smallest that it can stand for is 3.45e-4. Where c rounds to 1,
    the root is 0, and its derivative -c/sqrt(1 - c²) is infinite. Cure: subtract
    the vectors, which do know it, and not the squares.
    """
    x, w = unit(x), unit(w)
    return _sine(x, w, _cosine(x, w))


def angle(x: Tensor, w: Tensor) -> Tensor:
    r"""Angle between x and w in [0, π], ``(..., d), (..., d) -> (...)``.

    θ = atan2(s, c), with the sine s measured by the rejection.

    Naive form: acos(c), whose derivative -1/sqrt(1 - c²) is infinite at ±1.
    Clipping c first makes that derivative zero instead, just where training
    ends. atan2 has the gradient (c ds - s dc)/(s² + c²), and s² + c² = 1.
    """
    x, w = unit(x), unit(w)
    return unit_angle(x, w)


def unit_angle(x: Tensor, w: Tensor) -> Tensor:
    """`angle` of vectors that are unit vectors (or zero) already."""
    c = _cosine(x, w)
    s = _sine(x, w, c)
    # A zero vector has s = c = 0, where atan2 has no derivative: call it π/2.
    return ops.arctan2(ops.where((s == 0.0) & (c == 0.0), 1.0, s), c)


def ucos(phi: Tensor) -> Tensor:
    r"""Cosine unrolled, ``(...) -> (...)``: (-1)^k cos φ - 2k, with k = ⌊φ/π⌋.

    Naive form: cos φ, which turns back up past π, so that a worse angle is
    rewarded. Cure: turn every second half wave over and hang it below the one
    before. The result falls strictly, and is continuous with a continuous
    first derivative, for every φ; it is flat at every φ = kπ.

    SphereFace (Liu et al., 2017), the ψ of section 3.2, for whole multiples;
    here for any φ, so that m·θ and θ + m are the same case.
    """
    k = ops.stop_gradient(ops.floor(phi / math.pi))
    sign = 1.0 - 2.0 * (k - 2.0 * ops.floor(k / 2.0))
    return sign * ops.cos(phi) - 2.0 * k


def _cosine(x, w):
    return ops.sum(x * w, axis=-1)


def _sine(x, w, c):
    return norm(x - ops.expand_dims(c, -1) * w)
