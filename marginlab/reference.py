r"""The heads again, in plain float64 NumPy, with gradients in closed form.

This is the mathematics without any framework: what the layers are tested
against, what the book shows beside them, and what exercises are checked by.
Shapes: embeddings x ``(B, d)``, class directions w ``(C, d)``, labels ``(B,)``.
Angles are in radians.

The gradients follow from two facts. Write x̂ = x/‖x‖, ŵ = w/‖w‖, and let t_x be
the unit vector at x̂, at right angles to it, that points towards ŵ:

    t_x = (ŵ - cos θ x̂) / sin θ,      t_w = (x̂ - cos θ ŵ) / sin θ.

Moving x along t_x by a small step ε turns it by ε/‖x‖ towards w, and moving it
along x̂ or out of the plane does not change θ at first order. So

    ∇_x θ = -t_x / ‖x‖,      ∇_w θ = -t_w / ‖w‖,      ∇_x ‖x‖ = x̂,

and every gradient below is the chain rule on these. Nothing is divided by
sin θ but a vector of that length: the gradient of θ has length 1/‖x‖ at every
angle, and the blow-up of acos is not in it.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from marginlab._checks import one_of
from marginlab.family import FAMILY, numeric, places

__all__ = [
    "TIE",
    "Number",
    "angle",
    "arc",
    "cosine",
    "logits",
    "loss_gradients",
    "loss_slopes",
    "losses",
    "margins",
    "norm",
    "psi",
    "psi_slope",
    "sine",
    "softmax_logits",
    "softmax_loss_gradients",
    "spacing",
    "tangent",
    "target_gradients",
    "target_logit",
    "ucos",
    "ucos_slope",
    "unit",
]

Number = float | np.ndarray
TIE = 1e-12  # cosines this close differ by rounding only


def margins(head: str, margin: float | Sequence[float] | None = None) -> tuple[float, float, float]:
    """(m₁, m₂, m₃) of a head by name and its margin, a number, or three of them for "combined"."""
    names = [setting.name for setting in FAMILY[one_of("head", head, numeric())].margins]
    values: Any = margin if len(names) > 1 else [margin] * len(names)
    return places(head, dict(zip(names, values, strict=True)))


def unit(x: ArrayLike) -> np.ndarray:
    """x̂ = x/‖x‖, ``(..., d) -> (..., d)``; the zero vector stays zero."""
    x = np.asarray(x, "float64")
    size = np.max(np.abs(x), axis=-1, keepdims=True)
    x = x / np.where(size == 0, 1, size)
    return x / np.where(size == 0, 1, np.linalg.norm(x, axis=-1, keepdims=True))


def norm(x: ArrayLike) -> np.ndarray:
    """‖x‖, ``(..., d) -> (...)``."""
    x = np.asarray(x, "float64")
    size = np.max(np.abs(x), axis=-1)
    return size * np.linalg.norm(x / np.where(size == 0, 1, size)[..., None], axis=-1)


def cosine(x: ArrayLike, w: ArrayLike) -> np.ndarray:
    """cos θ = x̂·ŵ, ``(..., d), (..., d) -> (...)``."""
    return np.sum(unit(x) * unit(w), axis=-1)


def sine(x: ArrayLike, w: ArrayLike) -> np.ndarray:
    """sin θ = ‖x̂ - cos θ ŵ‖, ``(..., d), (..., d) -> (...)``."""
    return norm(unit(x) - cosine(x, w)[..., None] * unit(w))


def angle(x: ArrayLike, w: ArrayLike) -> np.ndarray:
    """θ = atan2(sin θ, cos θ) in [0, π]; π/2 where x or w is zero."""
    s, c = sine(x, w), cosine(x, w)
    return np.where((s == 0) & (c == 0), math.pi / 2, np.arctan2(s, c))


def tangent(x: ArrayLike, w: ArrayLike) -> np.ndarray:
    """t_x: from x̂ towards ŵ, of length 1; zero where there is no such direction.

    ``(..., d), (..., d) -> (..., d)``. `tangent(w, x)` is t_w.
    """
    rest = unit(w) - cosine(x, w)[..., None] * unit(x)
    # Along ±x what is left is rounding, about 1e-16 long, and no direction; and x = 0 has none.
    known = (norm(rest) > 4e-16) & np.any(x, axis=-1)
    return unit(np.where(known[..., None], rest, 0.0))


def ucos(phi: ArrayLike) -> np.ndarray:
    """(-1)^k cos φ - 2k with k = ⌊φ/π⌋, ``(...) -> (...)``."""
    phi = np.asarray(phi, "float64")
    k = np.floor(phi / math.pi)
    return np.where(k % 2 == 0, 1, -1) * np.cos(phi) - 2 * k


def ucos_slope(phi: ArrayLike) -> np.ndarray:
    """``d ucos/dφ = -(-1)^k sin φ = -|sin φ|``: never positive, zero at every kπ."""
    return -np.abs(np.sin(np.asarray(phi, "float64")))


def psi(theta: ArrayLike, m1: Number = 1.0, m2: Number = 0.0, m3: Number = 0.0) -> np.ndarray:
    """ψ(θ) = ucos(m₁θ + m₂) - m₃, ``(...) -> (...)``."""
    return ucos(m1 * np.asarray(theta) + m2) - m3


def psi_slope(theta: ArrayLike, m1: Number = 1.0, m2: Number = 0.0, m3: Number = 0.0) -> np.ndarray:
    """dψ/dθ = m₁ ucos'(m₁θ + m₂), ``(...) -> (...)``."""
    return m1 * ucos_slope(m1 * np.asarray(theta) + m2)


def _scale(x, scale):
    return norm(x) if isinstance(scale, str) else np.full(len(x), float(scale))


def target_logit(
    x: ArrayLike,
    w: ArrayLike,
    m1: Number = 1.0,
    m2: Number = 0.0,
    m3: Number = 0.0,
    scale: float | str = 1.0,
) -> np.ndarray:
    """S·ψ(θ) of each pair, ``(B, d), (B, d) -> (B,)``; S is the scale, or ‖x‖ for "norm"."""
    return _scale(x, scale) * psi(angle(x, w), m1, m2, m3)


def target_gradients(
    x: ArrayLike,
    w: ArrayLike,
    m1: Number = 1.0,
    m2: Number = 0.0,
    m3: Number = 0.0,
    scale: float | str = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """∇_x and ∇_w of `target_logit`, each ``(B, d)``.

    With f = S ψ(θ):

        ∇_x f = ψ ∇_x S + S ψ' ∇_x θ = ψ ∇_x S - S ψ' t_x/‖x‖
        ∇_w f = S ψ' ∇_w θ           = -S ψ' t_w/‖w‖

    where ∇_x S is x̂ if S = ‖x‖, and 0 if S is a number. Where θ is 0 or π there
    is no direction t; the gradient there is taken as 0, and as 0 at x = 0.
    """
    x, w = np.asarray(x, "float64"), np.asarray(w, "float64")
    theta, s = angle(x, w), _scale(x, scale)
    slope = (s * psi_slope(theta, m1, m2, m3))[:, None]
    gx = -slope * tangent(x, w) / _nonzero(norm(x))
    gw = -slope * tangent(w, x) / _nonzero(norm(w))
    if isinstance(scale, str):
        gx = gx + psi(theta, m1, m2, m3)[:, None] * unit(x)
    return gx, gw


def _nonzero(length):
    return np.where(length == 0, 1, length)[:, None]


def logits(
    x: ArrayLike,
    w: ArrayLike,
    labels: np.ndarray | None = None,
    m1: Number = 1.0,
    m2: Number = 0.0,
    m3: Number = 0.0,
    scale: float | str = 1.0,
) -> np.ndarray:
    """Logits ``(B, C)``: S cos θ_j, and S ψ(θ_y) at the labels if there are any."""
    out = _scale(x, scale)[:, None] * (unit(x) @ unit(w).T)
    if labels is not None:
        out[np.arange(len(out)), labels] = target_logit(x, np.asarray(w)[labels], m1, m2, m3, scale)
    return out


def softmax_logits(x: ArrayLike, w: ArrayLike, b: ArrayLike = 0.0) -> np.ndarray:
    """The plain head: x wᵀ + b, ``(B, C)``."""
    return np.asarray(x, "float64") @ np.asarray(w, "float64").T + b


def losses(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Cross-entropy of each row, ``(B, C), (B,) -> (B,)``: log Σ_j exp(f_j) - f_y.

    Naive form: -log(softmax(f)_y), where the softmax underflows to 0.
    Cure: take the largest logit out of the sum before any exponential.
    """
    top = logits.max(axis=1, keepdims=True)
    total = np.log(np.exp(logits - top).sum(axis=1)) + top[:, 0]
    return total - logits[np.arange(len(labels)), labels]


def loss_slopes(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """d loss_i / d f_ij = p_ij - [j = y_i], ``(B, C)``, with p the softmax."""
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(labels)), labels] -= 1
    return p


def loss_gradients(
    x: ArrayLike,
    w: ArrayLike,
    labels: np.ndarray,
    m1: Number = 1.0,
    m2: Number = 0.0,
    m3: Number = 0.0,
    scale: float | str = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of the summed cross-entropy of a margin head, ``(B, d)`` and ``(C, d)``.

    Each logit passes its slope g_ij = p_ij - [j = y_i] on to its own pair. The
    pairs (i, j ≠ y_i) have no margin: there ψ is the plain cosine.
    """
    x, w = np.asarray(x, "float64"), np.asarray(w, "float64")
    g = loss_slopes(logits(x, w, labels, m1, m2, m3, scale), labels)
    gx, gw = np.zeros_like(x), np.zeros_like(w)
    for j in range(len(w)):
        pair = np.broadcast_to(w[j], x.shape)
        plain = target_gradients(x, pair, scale=scale)
        margin = target_gradients(x, pair, m1, m2, m3, scale)
        true = (labels == j)[:, None]
        gx += g[:, j, None] * np.where(true, margin[0], plain[0])
        gw[j] = np.sum(g[:, j, None] * np.where(true, margin[1], plain[1]), axis=0)
    return gx, gw


def softmax_loss_gradients(
    x: ArrayLike, w: ArrayLike, b: ArrayLike, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of the summed cross-entropy of the plain head in x, w and b."""
    x, w = np.asarray(x, "float64"), np.asarray(w, "float64")
    g = loss_slopes(softmax_logits(x, w, b), labels)
    return g @ w, g.T @ x, g.sum(axis=0)


def arc(directions: ArrayLike) -> float:
    """The shortest arc of the circle, in radians, that holds all 2-D directions ``(C, 2)``.

    C directions spread evenly leave one gap of 2π/C open: their arc is 2π(1 - 1/C).
    """
    turn = np.sort(np.arctan2(*np.asarray(directions, "float64").T[::-1]))
    return 2 * np.pi - np.diff(turn, append=turn[0] + 2 * np.pi).max()


def spacing(directions: ArrayLike) -> np.ndarray:
    """The angle in radians from each of the directions ``(C, d)`` to the nearest of the others, ``(C,)``."""
    directions = unit(directions)
    between = angle(directions[:, None], directions[None])
    np.fill_diagonal(between, np.inf)
    return between.min(axis=0)
