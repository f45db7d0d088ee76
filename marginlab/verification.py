"""Verification: are two images of one person? Pairs, rates, thresholds, probabilities and recall, in NumPy.

A pair is accepted when its similarity, a cosine, reaches a threshold. The false accept rate (FAR) is
the share of pairs of two people that are accepted, the true accept rate (TAR) that of pairs of one.
"""

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from marginlab._checks import flat, number, whole
from marginlab.reference import TIE, unit

__all__ = [
    "Calibration",
    "Threshold",
    "calibrate",
    "eer",
    "pairs",
    "rates",
    "recall_at",
    "tar_at",
    "threshold",
]


def pairs(labels: ArrayLike, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw pairs of images, half of them of one person.

    Args:
        labels: ``(N,)``, who is on each image.
        count: how many pairs, at least 2.
        seed: of the draw.

    Returns:
        first ``(count,)``, second ``(count,)``: indices, different in each pair; and same ``(count,)``, bool.

    Raises:
        TypeError, ValueError: for a count below 2, or labels with no two alike or no two different.
    """
    labels, count = _people(labels), whole("count", count, 2)
    people, who, images = np.unique(labels, return_inverse=True, return_counts=True)
    if len(people) < 2 or images.max() < 2:
        raise ValueError(
            f"labels must have two people, and one of them twice; got {len(people)} in {len(labels)} images"
        )
    rng = np.random.default_rng(seed)
    same = np.arange(count) < count // 2
    # Sorted by person, those of one stand together: another of the same is some places further on.
    order = np.argsort(who, kind="stable")
    start = np.concatenate([[0], np.cumsum(images)[:-1]])
    place = np.empty(len(labels), int)
    place[order] = np.arange(len(labels)) - start[who[order]]
    first = np.empty(count, int)
    first[same] = rng.choice(np.flatnonzero(images[who] > 1), same.sum())
    first[~same] = rng.integers(len(labels), size=(~same).sum())
    own = who[first]
    step = 1 + np.floor(rng.random(count) * (images[own] - 1)).astype(int)
    alike = order[start[own] + (place[first] + step) % images[own]]
    others = len(labels) - images[own]
    skip = np.floor(rng.random(count) * others).astype(int)
    other = order[np.where(skip < start[own], skip, skip + images[own])]
    return first, np.where(same, alike, other), same


def rates(similarity: ArrayLike, same: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """FAR and TAR at each threshold at which one of them changes.

    Args:
        similarity: ``(N,)``, of each pair.
        same: ``(N,)``, bool, whether it is of one person.

    Returns:
        threshold, far, tar ``(n,)``: from a threshold that accepts nothing (infinite) down to the least.

    Raises:
        ValueError: without pairs of both kinds, or with a NaN.
    """
    similarity, same = _both_kinds(similarity, same)
    order = np.argsort(-similarity, kind="stable")
    falling, hits = similarity[order], np.cumsum(same[order])
    last = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))  # equal ones are accepted together
    tar, far = hits[last] / same.sum(), (1 + last - hits[last]) / (~same).sum()
    return (
        np.concatenate([[np.inf], falling[last]]),
        np.concatenate([[0], far]),
        np.concatenate([[0], tar]),
    )


def tar_at(similarity: ArrayLike, same: ArrayLike, far: float = 0.01) -> float:
    """The largest TAR with a false accept rate of at most `far`, in [0, 1]."""
    number("far", far, 0, 1, "a rate in [0, 1]")
    _, fars, tars = rates(similarity, same)
    return float(tars[fars <= far].max())


def eer(similarity: ArrayLike, same: ArrayLike) -> float:
    """The equal error rate: FAR = 1 - TAR, on the line between the two thresholds next to it."""
    _, far, tar = rates(similarity, same)
    gap = far - (1 - tar)  # rises from -1 to 1
    i = int(np.argmax(gap >= 0))
    part = -gap[i - 1] / (gap[i] - gap[i - 1])
    return float(far[i - 1] + part * (far[i] - far[i - 1]))


@dataclasses.dataclass(frozen=True)
class Threshold:
    """What `threshold` found; ``float(t)`` is the threshold, ``str(t)`` the words.

    Attributes:
        value: accept a pair whose similarity is at least this; infinite where nothing can be accepted.
        far, tar: the rates on these pairs.
        interval: of the value, (low, high), by the bootstrap.
        enough: whether there are at least 3/far pairs of strangers. With fewer the rate cannot be claimed
            even if none is accepted; with more it may still be missed.
        words: all this as people say it.
    """

    value: float
    far: float
    tar: float
    interval: tuple[float, float]
    enough: bool
    words: str

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        return self.words


def threshold(
    similarity: ArrayLike,
    same: ArrayLike,
    far: float = 1e-3,
    *,
    confidence: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> Threshold:
    """The lowest threshold with a false accept rate of at most `far` on these pairs, and how sure it is.

    The interval is that of the bootstrap over the pairs of two people: of n drawn with replacement, with k
    allowed above the threshold, the (k + 1)-th largest has a rank from Beta(k + 1, n - k), so the ranks are
    drawn and no pairs. It takes the pairs for independent; where they share images, or people, it is too
    narrow. Nothing that was accepted in n pairs is compatible with a rate of up to about 3/n (Hanley and
    Lippman-Hand, "If Nothing Goes Wrong, Is Everything All Right?", 1983): below 3/far pairs of two people
    the rate cannot be claimed, and `words` say so.

    Args:
        similarity, same: ``(N,)``, as in `rates`. Not those that the model was trained or tuned on.
        far: false accept rate, in (0, 1).
        confidence: of the interval, in (0, 1).
        draws: how many, at least 100.
        seed: of the draws.

    Raises:
        TypeError, ValueError: for an argument out of its range, and as `rates` does.
    """
    number("far", far, 1e-12, 1 - 1e-12, "a rate in (0, 1)")
    number("confidence", confidence, 1e-12, 1 - 1e-12, "a share in (0, 1)")
    whole("draws", draws, 100)
    similarity, same = _both_kinds(similarity, same)
    known, falling = np.sort(similarity), np.sort(similarity[~same])[::-1]
    n = len(falling)
    allowed = math.floor(far * n + 1e-9)  # the product of a rate and a count may lie a rounding below

    def above(rank):  # the lowest similarity there is above that of this rank among pairs of two people
        place = np.searchsorted(known, falling[rank], side="right")
        return np.append(known, np.inf)[place]

    value = float(above(allowed))
    ranks = np.random.default_rng(seed).beta(allowed + 1, n - allowed, draws) * n
    # By order and not by lines between: one of them may be infinite.
    found = np.sort(above(np.minimum(ranks.astype(int), n - 1)))
    tail = (1 - confidence) / 2 * (draws - 1)
    interval = float(found[math.floor(tail)]), float(found[math.ceil(draws - 1 - tail)])
    accepted = similarity >= value
    rate, tar = float(np.mean(accepted[~same])), float(np.mean(accepted[same]))
    words = (
        f"Threshold {value:.4g} ({confidence:.0%} interval {interval[0]:.4g} to {interval[1]:.4g}): accepts "
        f"{accepted[~same].sum()} of {n} pairs of two people and {tar:.1%} of those of one."
    )
    enough = n * far >= 3
    if not enough:
        words += (
            f" Too few pairs to claim a false accept rate of {far:g}: if none of {n} is accepted it may be "
            f"up to {min(1, 3 / n):.2g}. That rate takes at least {math.ceil(3 / far)} pairs of two people."
        )
    return Threshold(value, rate, tar, interval, enough, words)


@dataclasses.dataclass(frozen=True)
class Calibration:
    """From similarity to probability: p = 1/(1 + exp(-(slope·similarity + offset))).

    Attributes:
        slope, offset: the line of the log-odds.
        share: of pairs of one person among those it was made of.
    """

    slope: float
    offset: float
    share: float

    def __call__(self, similarity: ArrayLike, share: float | None = None) -> np.ndarray:
        """Probability that each pair is of one person, ``(...) -> (...)``.

        Args:
            similarity: of pairs.
            share: of pairs of one person where it is used, in (0, 1); None for that of the pairs it was made
                of. At a gate where one in a hundred is somebody else's, it is another than in drawn pairs.
        """
        odds = self.slope * np.asarray(similarity, "float64") + self.offset
        if share is not None:
            number("share", share, 1e-12, 1 - 1e-12, "a share in (0, 1)")
            odds = odds + math.log(share / (1 - share)) - math.log(self.share / (1 - self.share))
        return np.exp(-np.logaddexp(0, -odds))


def calibrate(similarity: ArrayLike, same: ArrayLike) -> Calibration:
    """A probability for each similarity: logistic regression, on pairs that nothing was trained on.

    The softmax of a head is none: its scale is a setting of the training, and a cosine 0.1 above another
    at scale 64 has the odds exp(6.4) against it, about 600 to 1, whether that is right in nine cases of ten
    or in six.

    Platt, "Probabilistic Outputs for Support Vector Machines", 1999, with his targets: of n pairs of one
    person (n + 1)/(n + 2) instead of 1, and so 1/(n + 2) for 0, so that the slope stays finite where a
    threshold separates the pairs.

    Args:
        similarity, same: ``(N,)``, as in `rates`.

    Raises:
        ValueError: as `rates` does; for similarities that are all one.
    """
    similarity, same = _both_kinds(similarity, same)
    centre, spread = similarity.mean(), similarity.std()
    if not np.isfinite(spread) or np.ptp(similarity) == 0:
        raise ValueError("similarity must be finite, and not the same for all pairs")
    ones, zeros = same.sum(), (~same).sum()
    target = np.where(same, (ones + 1) / (ones + 2), 1 / (zeros + 2))
    rows = np.stack([(similarity - centre) / spread, np.ones(len(same))], axis=-1)
    line = np.array([0.0, math.log(ones / zeros)])

    def loss(line):
        odds = rows @ line
        return np.sum(np.logaddexp(0, odds) - target * odds)

    for _ in range(100):
        p = np.exp(-np.logaddexp(0, -(rows @ line)))
        curvature = (rows * (p * (1 - p))[:, None]).T @ rows + 1e-12 * np.eye(2)
        step = np.linalg.solve(curvature, rows.T @ (target - p))
        while loss(line + step) > loss(line) + 1e-12 * len(same):  # Newton's step may go too far
            step = step / 2
        line = line + step
        if np.abs(step).max() < 1e-10:
            break
    slope = line[0] / spread
    return Calibration(float(slope), float(line[1] - slope * centre), float(ones / len(same)))


def recall_at(embeddings: ArrayLike, labels: ArrayLike, k: int = 1) -> float:
    """Share of images that have one of their own person among their k nearest others, by the cosine.

    Of others that are equally near, those that count are drawn by lot: the share is the expected one.

    Args:
        embeddings: ``(N, d)``.
        labels: ``(N,)``. Who is on one image alone does not count.
        k: at least 1.

    Raises:
        ValueError: if nobody is on two images, or an embedding is not finite.
    """
    x, labels, k = np.asarray(embeddings, "float64"), _people(labels), whole("k", k, 1)
    if x.ndim != 2 or len(x) != len(labels):
        raise ValueError(f"embeddings must have shape ({len(labels)}, d), as many as labels, got {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError(f"embeddings must be finite, got {(~np.isfinite(x)).sum()} numbers that are not")
    x = unit(x)
    _, who, images = np.unique(labels, return_inverse=True, return_counts=True)
    asked = np.flatnonzero(images[who] > 1)
    if not asked.size:
        raise ValueError(f"labels must have somebody twice, got {len(images)} people in {len(labels)} images")
    k, right = min(k, len(x) - 1), 0.0
    for rows in np.array_split(asked, -(-len(asked) // 1000)):
        similarity = x[rows] @ x.T
        similarity[np.arange(len(rows)), rows] = -np.inf
        right += _found(similarity, who[rows][:, None] == who, k).sum()
    return float(right / len(asked))


def _found(similarity, same, k):
    """Of each row the chance that one of the k nearest is the same; equally near ones are drawn by lot.

    Naive form: argsort. Embeddings that have all become one then find whoever stands first in the array.
    """
    last = -np.partition(-similarity, k - 1, axis=1)[:, k - 1 : k]
    nearer, tied = similarity > last + TIE, np.abs(similarity - last) <= TIE
    drawn = k - nearer.sum(axis=1)
    ties, others = tied.sum(axis=1), (tied & ~same).sum(axis=1)
    none = np.ones(len(similarity))
    for i in range(int(drawn.max())):
        none *= np.where(i < drawn, np.maximum(others - i, 0) / np.maximum(ties - i, 1), 1.0)
    return np.where((nearer & same).any(axis=1), 1.0, 1.0 - none)


def _both_kinds(similarity, same):
    """Similarities (N,) in float64 and bools (N,), checked."""
    similarity, same = np.asarray(similarity, "float64"), np.asarray(same, bool)
    if similarity.shape != same.shape or similarity.ndim != 1:
        raise ValueError(
            f"similarity and same must have one shape (N,), got {similarity.shape} and {same.shape}"
        )
    if not (same.any() and not same.all()):
        raise ValueError(f"same must have pairs of both kinds, got {same.sum()} of {same.size} true")
    if np.isnan(similarity).any():
        raise ValueError(f"similarity must be numbers, got NaN in {np.isnan(similarity).sum()} places")
    return similarity, same


def _people(labels: Any) -> np.ndarray:
    labels = flat(np.asarray(labels))
    if labels.ndim != 1 or labels.dtype == object:
        raise ValueError(
            f"labels must have shape (N,), who is on each image, got {labels.dtype} of shape {labels.shape}"
        )
    return labels
