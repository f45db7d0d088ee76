r"""The budget: what margin and scale C classes in d dimensions can hold, and why.

Everything follows from the one equation (see `marginlab.heads`): logits scale · cos θ_j,
and scale · ψ(θ_y) at the true class, with ψ(θ) = ucos(m₁·θ + m₂) - m₃. A margin is
**feasible** if C unit class directions in d dimensions, and an embedding for each class,
exist with

    ψ(θ_y) ≥ cos θ_j   for every class y and every j ≠ y.

If the inequality can be strict, the loss goes to 0 as the scale grows; at the largest
feasible margin the nearest classes tie, and it stops at ln(1 + ties). If it cannot hold at
all, the loss of some class grows with the scale.

The best arrangements are the circle (d = 2: even spacing), the simplex (C ≤ d + 1) and, for
d + 2 ≤ C ≤ 2d, the orthoplex ±e₁, …, ±e_d. Beyond them no formula is known, and this module
gives bounds and says so. An angle enters as its gap 1 - cos θ = 2 sin²(θ/2), written in the
latter form since the former cancels for small θ.

What is proved, and what was only computed, stands at `neighbour_angle`, `largest_margin` and
`perfect_loss`.
"""

import math
from dataclasses import dataclass

import numpy as np

from marginlab._checks import number, one_of, whole
from marginlab.family import FAMILY, NO_MARGIN, numeric, places
from marginlab.reference import TIE

__all__ = [
    "Budget",
    "arrangement",
    "budget",
    "cap_fraction",
    "half_width",
    "largest_margin",
    "least_scale",
    "neighbour_angle",
    "perfect_loss",
]


def _margins(head, margin):
    """(m₁, m₂, m₃) of a head and its margin; None is no margin."""
    one_of("head", head, numeric())
    settings = FAMILY[head].margins
    if margin is None:
        return NO_MARGIN
    if not settings:
        number("margin", margin, 0, 0, f"None or 0, since {head} has no margin")
        return NO_MARGIN
    if len(settings) == 1:
        margin = [margin]
    elif not (isinstance(margin, list | tuple) and len(margin) == len(settings)):
        names = ", ".join(setting.name for setting in settings)
        raise TypeError(f"margin must be ({names}) for {head}, got {margin!r}")
    given = {
        setting.name: float(number(setting.name, value, setting.low, setting.high, setting.allowed))
        for setting, value in zip(settings, margin, strict=True)
    }
    return places(head, given)


def _asked(head):
    """The place of the margin that "the largest" is said of, the last that the head has; or None."""
    return max(FAMILY[head].places, default=None)


def _gap(angle):
    """1 - cos, without the cancellation."""
    return 2 * np.sin(np.asarray(angle) / 2) ** 2


def _bisect(holds, low, high):
    """The largest float in [low, high] up to which holds is true; holds(low) is taken for granted."""
    while low < (middle := low + (high - low) / 2) < high:
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


# ------------------------------------------------------------------ where the classes stand


def arrangement(num_classes: int, dim: int = 2) -> tuple[np.ndarray, np.ndarray] | None:
    r"""Angles from one class to the others in the best arrangement, if it is known.

    On the circle the classes stand at 2πj/C. For C ≤ d + 1 they are a simplex: from
    0 ≤ ‖Σ w_j‖² = C + Σ_{i≠j} cos θ_ij the mean cosine is at least -1/(C-1), and in a simplex
    every cosine is. For C = 2d they are the orthoplex: one at π, all others at π/2.

    Args:
        num_classes: C, at least 2.
        dim: d, at least 2.

    Returns:
        angles ``(n,)`` in radians, rising, and counts ``(n,)``, which sum to C - 1; or None.

    Raises:
        TypeError, ValueError: for num_classes or dim that is not a whole number of at least 2.
    """
    C, d = whole("num_classes", num_classes, 2), whole("dim", dim, 2)
    if d == 2:
        j = np.arange(1, C // 2 + 1)
        return 2 * np.pi * j / C, np.where(2 * j == C, 1, 2)
    if d + 1 >= C:
        return _simplex(C)
    if 2 * d == C:
        return np.array([np.pi / 2, np.pi]), np.array([C - 2, 1])
    return None


def _simplex(C):
    # arccos(-1/(C-1)) loses digits at C = 2, 3; a simplex's half angle has sin² = C/(2(C-1)).
    return np.array([2 * math.asin(math.sqrt(C / (2 * (C - 1))))]), np.array([C - 1])


def cap_fraction(angle: float, dim: int) -> float:
    """Share of the unit sphere in d dimensions that lies within an angle of one point.

    It is ∫₀^angle sin^(d-2) / ∫₀^π sin^(d-2), here by the trapezoidal rule: angle/π on the
    circle, (1 - cos angle)/2 on the sphere.

    Args:
        angle: in radians, in [0, π].
        dim: d, at least 2.
    """
    whole = math.exp(math.lgamma((dim - 1) / 2) - math.lgamma(dim / 2)) * math.sqrt(math.pi)
    t = np.linspace(0.0, angle, 4001)
    return float(np.trapezoid(np.sin(t) ** (dim - 2), t)) / whole


def neighbour_angle(num_classes: int, dim: int = 2) -> tuple[float, float]:
    r"""The largest possible smallest angle between C directions: a lower and an upper bound.

    Exact, and the two equal, in three cases. On the circle C gaps sum to 2π, so one is at most
    2π/C. For C ≤ d + 1 some cosine is at least the mean's least value -1/(C-1). For
    d + 2 ≤ C ≤ 2d it is π/2 (Rankin, "The closest packing of spherical caps in n dimensions",
    1955). Beyond, it is an open problem (Tammes). Above: it is below π/2 (Rankin), and caps
    of half the angle do not overlap, so C · cap_fraction(angle/2, d) ≤ 1. Below: as long as
    the caps of the full angle about C - 1 points do not cover the sphere, there is room for
    one more, so an angle with (C-1) · cap_fraction(angle, d) = 1 can be had.

    Args:
        num_classes: C, at least 2.
        dim: d, at least 2.

    Returns:
        (low, high), in radians.

    Raises:
        TypeError, ValueError: for num_classes or dim that is not a whole number of at least 2.
    """
    known = arrangement(num_classes, dim)
    if known:
        return float(known[0][0]), float(known[0][0])
    if num_classes <= 2 * dim:
        return math.pi / 2, math.pi / 2
    low = _bisect(lambda a: (num_classes - 1) * cap_fraction(a, dim) <= 1, 0.0, math.pi)
    half = _bisect(lambda a: num_classes * cap_fraction(a, dim) <= 1, 0.0, math.pi)
    return low, min(2 * half, math.pi / 2)


# ------------------------------------------------------------------ which margins can be held


def largest_margin(
    num_classes: int,
    dim: int = 2,
    head: str = "cosface",
    margin: float | tuple[float, ...] | None = None,
) -> tuple[float, float]:
    r"""The largest feasible margin of a head: a lower and an upper bound, equal where it is known.

    With perfect clusters (θ_y = 0) and nearest neighbours at angle δ the condition is
    cos m₂ - m₃ ≥ cos δ. That gives m ≤ δ for ArcFace; m ≤ 1 - cos δ for CosFace, which is
    1 - cos(2π/C) on the circle and C/(C-1) for a simplex (Wang et al. 2018, §3.4); and no
    limit at all for SphereFace, whose ψ(0) is 1: its price is the width of a class, see
    `half_width`. Can an embedding off its class direction hold more?

    ArcFace, no: θ_j - θ_y ≥ m and the triangle inequality give m ≤ θ(w_y, w_j).

    CosFace on the circle, no, nor with m₂ beside m₃: let the neighbours of w_y stand at angles
    a and b on its two sides. An embedding beyond one of them is nearer to it than to w_y;
    between them it is within (a+b)/2 of one of them, and cos(θ_y + m₂) - m₃ ≤ cos m₂ - m₃.
    Over all classes (a+b)/2 averages 2π/C, so for some class it is at most that.

    CosFace on a simplex, no: let S = Σ w_j. Averaged over j ≠ y the condition reads
    m ≤ (C w_y - S)·x_y/(C-1) ≤ ‖C w_y - S‖/(C-1), and the mean over y of ‖C w_y - S‖² is
    C² - ‖S‖² ≤ C². With m₂ beside m₃ it follows from `perfect_loss`, for m₂ above π/3 it was
    only computed.

    CosFace for d + 2 ≤ C, at most 1, which the orthoplex holds: by Radon's theorem some z is a
    mean of w_i, i ∈ I, and of w_j, j ∈ J, with I and J disjoint. As Σ_I λ_i‖w_i - z‖² = 1 - ‖z‖²
    ≤ 1, some w_i is within 1 of z, and m ≤ (w_i - z)·x_i ≤ 1. (These are the softmax codes of
    Jiang et al., "Generalized Neural Collapse for a Large Number of Classes", 2023.) Beyond,
    ucos(θ + m₂) - cos(θ + δ) ≤ 2 sin((δ - m₂)/2), or -4 sin²((δ - m₂)/4) if δ < m₂, gives the
    upper bound, perfect clusters the lower.

    Args:
        num_classes, dim: C and d, at least 2.
        head: "softmax", "normface", "sphereface", "cosface", "arcface" or "combined".
        margin: only for "combined": (m1, m2, m3), of which m2 counts and m3 is what is asked for.

    Returns:
        (low, high): up to low a margin is feasible, above high it is not, between them nobody
        knows. In radians for "arcface"; in cosine units for "cosface", and for "combined",
        where it is m₃, below 0 if m₂ alone is too much; (inf, inf) for "sphereface"; (0, 0)
        for "softmax" and "normface", which have no margin.

    Raises:
        TypeError, ValueError: naming the argument that is out of range.
    """
    C, d = whole("num_classes", num_classes, 2), whole("dim", dim, 2)
    _, m2, _ = _margins(head, margin)
    place = _asked(head)
    if place in (None, 0):
        return (0.0, 0.0) if place is None else (math.inf, math.inf)
    low, high = neighbour_angle(C, d)
    if place == 1:
        return low, high
    held = float(_gap(low) - _gap(m2))
    if low == high and (d == 2 or d + 1 >= C or m2 == 0):
        return held, held
    half = (high - m2) / 2
    return held, min(1.0, 2 * math.sin(half) if half >= 0 else max(held, -4 * math.sin(half / 2) ** 2))


def half_width(neighbour: float, m1: float = 1.0, m2: float = 0.0, m3: float = 0.0) -> float:
    r"""Half the width of a class's sector: how far an embedding may stray towards a neighbour.

    It is the largest θ with ψ(θ) ≥ cos(δ - θ), on the way to a neighbour at angle δ: δ/2
    without a margin, δ/(m+1) for SphereFace, (δ-m)/2 for ArcFace, and
    δ/2 - asin(m/(2 sin(δ/2))) for CosFace.

    Args:
        neighbour: δ, in radians, in [0, π].
        m1: m₁, a multiplier of at least 1.
        m2: m₂, in radians, in [0, π].
        m3: m₃, in cosine units, in [0, 2].

    Returns:
        An angle in radians; 0.0 if not even θ = 0 satisfies the margin.
    """
    # ψ falls and cos(δ - θ) rises, so there is one crossing. Past m₁θ + m₂ = π the unrolled
    # cosine is below every cosine, and the cosine at π serves as well.
    holds = lambda t: _gap(min(m1 * t + m2, math.pi)) + m3 <= _gap(neighbour - t)  # noqa: E731
    return float(_bisect(holds, 0.0, neighbour))


# ------------------------------------------------------------------ which loss remains


def perfect_loss(
    angles: np.ndarray, counts: np.ndarray, scale: float, m2: float = 0.0, m3: float = 0.0
) -> float:
    r"""Loss of an embedding on its class direction: ln(1 + Σ_{j≠y} exp(s·(cos θ_j - ψ(0)))).

    With the best arrangement this is the lowest loss that **all classes can have at once**:
    whatever the directions, some class fares no better.

    Proved for a simplex, for the mean too and with embeddings anywhere, unless m₂ > π/3. The
    loss is at least ln(1 + (C-1)·exp(-s·f_y)), with f_y the mean over j of ψ(θ_y) - cos θ_j,
    and convex in f_y, so only the mean of f_y matters. Let S = Σ w_j, a = S·w_y and
    a² + b² = ‖S‖². As ψ(θ) ≤ cos(θ + m₂) - m₃, f_y ≤ A cos θ_y + B sin θ_y - m₃ with
    A = cos m₂ + (1-a)/(C-1) and B = b/(C-1) - sin m₂, hence (f_y + m₃)² ≤ A² + b²/(C-1)²
    where it counts, and the mean of that over y is at most (cos m₂ + 1/(C-1))², its value at
    S = 0, if 2 cos m₂ ≥ (C-2)/(C-1). (For m₂ = m₃ = 0: Wang et al., "NormFace", 2017, prop. 2.)

    Proved for the circle and the orthoplex with embeddings on their directions: these minimise
    Σ_{i≠j} exp(s cos θ_ij) for every s (Cohn and Kumar, "Universally optimal distribution of
    points on spheres", 2007), and some class has at least the mean of the inner sums. With free
    embeddings it was computed only: a numerical search finds nothing better.

    It is **not** always the lowest mean loss. With an infeasible margin the mean falls if some
    classes are given up so that the others have room. For CosFace with m = .35, s = 64, C = 10
    on the circle, even spacing leaves 10.87 to each; a search that lumps four classes together
    finds a mean of 9.20: a lower mean, and four classes lost. With feasible margins the search
    finds even spacing best for the mean too.

    Args:
        angles: ``(n,)``, from one class to the others, in radians.
        counts: ``(n,)``, how many classes stand at each angle.
        scale: s, a number of at least 0.
        m2: m₂, in radians, in [0, π].
        m3: m₃, in cosine units, in [0, 2].

    Returns:
        A loss in nats. It is summed in logarithms, so no scale overflows, and losses near 0
        keep their digits.
    """
    excess = _gap(m2) + m3 - _gap(angles)
    return float(np.logaddexp.reduce(np.append(0.0, np.log(counts) + scale * excess)))


def _best_scale(angles, counts, m2, m3):
    """The scale, from 0 to inf, at which `perfect_loss` is least, and that infimum.

    The loss is convex in the scale, and its slope has the sign of h(s) = Σ a_j exp(s·a_j)
    with a_j = cos θ_j - ψ(0), which rises. If no a_j is above 0, the scale had best be
    infinite; if their mean is not below 0, it had best be 0, where the loss is ln C.
    """
    excess = _gap(m2) + m3 - _gap(angles)
    top = excess.max()
    if top <= TIE:
        return math.inf, math.log1p(counts[np.abs(excess) <= TIE].sum())
    falls = lambda s: np.sum(counts * excess * np.exp(s * (excess - top))) < 0  # noqa: E731
    if not falls(0.0):
        return 0.0, math.log1p(counts.sum())
    high = 1.0
    while falls(high):
        high *= 2
    scale = _bisect(falls, 0.0, high)
    return scale, perfect_loss(angles, counts, scale, m2, m3)


def least_scale(num_classes: int, dim: int = 2, probability: float = 0.99) -> float:
    r"""The least scale at which the true class can have a given probability, without a margin.

    It solves P = 1/Σ_j exp(s·(cos θ_j - 1)). For a simplex that is
    s = (C-1)/C · ln((C-1)P/(1-P)) (Wang et al., "CosFace", 2018, §3.3), which bounds every
    arrangement from below, and is what is returned where the best arrangement is not known.
    On the circle much more is needed: for C = 10 and P = .99, 27.7 and not 6.1.

    Args:
        num_classes: C, at least 2.
        dim: d, at least 2.
        probability: P, between 1/C and 1, both excluded.

    Raises:
        TypeError, ValueError: naming the argument that is out of range.
    """
    C, known = num_classes, arrangement(num_classes, dim)
    allowed = f"a number between 1/num_classes and 1, here in ({1 / C:.3g}, 1)"
    P = number("probability", probability, np.nextafter(1 / C, 1), np.nextafter(1, 0), allowed)
    angles, counts = known or _simplex(C)
    high = 1.0
    while perfect_loss(angles, counts, high) > -math.log(P):
        high *= 2
    return _bisect(lambda s: perfect_loss(angles, counts, s) > -math.log(P), 0.0, high)


# ------------------------------------------------------------------ all of it


@dataclass(frozen=True)
class Budget:
    """What `budget` finds. `str()` of it says it in words.

    Attributes:
        num_classes: C.
        dim: d.
        head: as asked.
        margin: as asked, with None replaced by the value that means no margin.
        scale: as asked.
        feasible: whether ψ(θ_y) ≥ cos θ_j can hold everywhere; None where nobody knows.
        largest_margin: no larger margin is feasible. See `largest_margin` for units.
        held_margin: every margin up to this is feasible; equal to largest_margin where that is known.
        neighbour_angle: largest possible smallest angle between class directions, in radians.
        half_width: how far an embedding may stray towards the nearest class, in radians.
        best_loss: the lowest loss that all classes can have at once, in nats; with
            scale="norm", its infimum over scales. See `perfect_loss`.
        best_probability: exp(-best_loss), of the true class, with the margin in.
        best_scale: the scale that it takes: `scale` if that is a number; else the best ‖x‖,
            inf if the loss goes on falling, 0.0 if it had best vanish; None where unknown.
        exact: whether the best arrangement is known. If not, neighbour_angle, largest_margin,
            half_width and best_probability are upper bounds, and best_loss a lower bound.
    """

    num_classes: int
    dim: int
    head: str
    margin: float | tuple[float, ...] | None
    scale: float | str
    feasible: bool | None
    largest_margin: float
    held_margin: float
    neighbour_angle: float
    half_width: float
    best_loss: float
    best_probability: float
    best_scale: float | None
    exact: bool

    def explain(self) -> str:
        """The budget in plain words, a few sentences."""
        where = "in the plane" if self.dim == 2 else f"in {self.dim} dimensions"
        classes = f"{self.num_classes} classes {where}"
        if self.head == "softmax":
            return (
                f"Plain softmax has no margin, and its scale is ‖w‖·‖x‖, which nothing bounds: {classes} "
                f"can be separated, and the loss falls towards 0 for as long as the lengths grow."
            )
        head, place = FAMILY[self.head], _asked(self.head)
        limit = f"the largest is {self.largest_margin:.3g}"
        if self.held_margin != self.largest_margin:
            limit = f"the largest lies between {self.held_margin:.3g} and {self.largest_margin:.3g}"
        if place is not None:
            limit += f" {head.margins[-1].unit}" + f" of {head.margins[-1].name}" * (len(head.margins) > 1)
        if place is None:
            first = f"{head.title} has no margin to hold: {classes} can always be separated."
        elif place == 0:
            first = (
                f"Any multiplier can be satisfied by {classes}, at θ = 0; the price is the width of a class, "
                f"{'at most ' * (not self.exact)}{math.degrees(self.half_width):.3g}° to each side."
            )
        elif self.feasible is None:
            first = f"Whether {classes} can satisfy this margin is not known; {limit}."
        elif self.feasible:
            first = f"{classes[0].upper()}{classes[1:]} can satisfy this margin; {limit}."
        else:
            first = f"No arrangement of {classes} can satisfy this margin; {limit}."
        chance = f"and the true class has probability {self.best_probability:.3g}"
        if self.scale != "norm" and self.exact:
            second = f"At scale {self.scale:g} the best possible loss is {self.best_loss:.3g}, {chance}."
        elif self.scale != "norm":
            second = (
                f"At scale {self.scale:g} the loss is at least {self.best_loss:.3g}, and the true class has "
                f"probability {self.best_probability:.3g} at most."
            )
        elif self.best_scale == math.inf:
            second = f"The scale is ‖x‖, and as it grows the loss falls towards {self.best_loss:.3g}."
        elif self.best_scale is None:
            second = f"The scale is ‖x‖; whatever it is, the loss is at least {self.best_loss:.3g}."
        elif self.best_scale == 0:
            second = (
                f"The scale is ‖x‖, and any length makes it worse: the loss falls towards ln C = "
                f"{self.best_loss:.3g} as ‖x‖ shrinks to 0."
            )
        else:
            second = (
                f"The scale is ‖x‖, and it will not grow: the loss is least at ‖x‖ = {self.best_scale:.3g}, "
                f"where it is {self.best_loss:.3g}, {chance}."
            )
        if self.feasible is False and self.num_classes > self.dim + 1:
            second += " That is the best for all classes at once; giving some of them up may lower the mean."
        return f"{first} {second}"

    __str__ = explain


def _checked_scale(scale):
    allowed = FAMILY["normface"].settings["scale"].allowed
    if isinstance(scale, str):
        if scale != "norm":
            raise ValueError(f"scale must be {allowed}, got {scale!r}")
        return scale
    # Wider than a layer's, which must be a float32.
    return float(number("scale", scale, np.nextafter(0, 1), math.inf, allowed))


def _best(arranged, scale, m2, m3):
    """The scale that it takes, and the loss. A simplex bounds the mean loss in too few dimensions too."""
    angles, counts = arranged
    if scale == "norm":
        return _best_scale(angles, counts, m2, m3)
    return scale, perfect_loss(angles, counts, scale, m2, m3)


def budget(
    num_classes: int = 10,
    dim: int = 2,
    head: str = "cosface",
    margin: float | tuple[float, ...] | None = None,
    scale: float | str = 30.0,
) -> Budget:
    r"""What margin and scale C classes in d dimensions can hold.

    With scale="norm" the scale is each example's ‖x‖, which training can change, and the best
    loss is an infimum over scales. If the margin is feasible it is approached as ‖x‖ grows. If it
    is not, a perfect example's loss is least at a finite ‖x‖, or at ‖x‖ → 0, where it is ln C: an additive
    margin makes short embeddings pay (Wang et al., "CosFace", 2018, §3.3).

    Args:
        num_classes, dim: C, and the embeddings' dimension d, at least 2.
        head: "softmax", "normface", "sphereface", "cosface", "arcface" or "combined".
        margin: a multiplier of at least 1 ("sphereface"), radians in [0, π] ("arcface"), cosine
            units in [0, 2] ("cosface"), or (m1, m2, m3) of all three ("combined"). None means
            no margin: 1, 0, 0 and (1, 0, 0). "softmax" and "normface" take only None or 0.
        scale: s, a finite number above 0, or "norm" for ‖x‖. "softmax" does not use it.

    Raises:
        TypeError, ValueError: naming the argument, what came and what is allowed.

    >>> print(budget(num_classes=10, dim=2, head="cosface", margin=0.35, scale=64.0).explain()[:62])
    No arrangement of 10 classes in the plane can satisfy this mar
    """
    C, d = whole("num_classes", num_classes, 2), whole("dim", dim, 2)
    _, m2, m3 = m = _margins(head, margin)
    scale = _checked_scale(scale)
    own, place = tuple(m[i] for i in FAMILY[head].places), _asked(head)
    margin = own if len(own) > 1 else own[0] if own else None
    held, most = largest_margin(C, d, head, margin)
    asked = 0.0 if place is None else m[place]
    feasible = True if asked <= held + TIE else False if asked > most + TIE else None

    known = arrangement(C, d)
    best_scale, loss = (math.inf, 0.0) if head == "softmax" else _best(known or _simplex(C), scale, m2, m3)
    if known is None:
        if scale == "norm":
            best_scale = math.inf if feasible and (asked < held or place is None) else None
        if feasible is False:
            # Some class has cos θ_j above ψ(θ_y), whatever the scale.
            loss = max(loss, math.log(2))

    delta = neighbour_angle(C, d)[1]
    asked_for = {"num_classes": C, "dim": d, "head": head, "margin": margin, "scale": scale}
    return Budget(
        **asked_for,
        feasible=feasible,
        largest_margin=most,
        held_margin=held,
        neighbour_angle=delta,
        half_width=half_width(delta, *m),
        best_loss=loss,
        best_probability=math.exp(-loss),
        best_scale=best_scale,
        exact=known is not None,
    )
