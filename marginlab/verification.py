"""Verification: are two images of one person? Pairs, rates, and recall, in NumPy.

A pair is accepted when its similarity, a cosine, reaches a threshold. The false accept rate (FAR) is
the share of pairs of two people that are accepted, the true accept rate (TAR) that of pairs of one.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from marginlab._checks import flat, number, whole
from marginlab.reference import TIE, unit

__all__ = ["eer", "pairs", "rates", "recall_at", "tar_at"]


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
    similarity, same = np.asarray(similarity, "float64"), np.asarray(same, bool)
    if similarity.shape != same.shape or similarity.ndim != 1:
        raise ValueError(
            f"similarity and same must have one shape (N,), got {similarity.shape} and {same.shape}"
        )
    if not (same.any() and not same.all()):
        raise ValueError(f"same must have pairs of both kinds, got {same.sum()} of {same.size} true")
    if np.isnan(similarity).any():
        raise ValueError(f"similarity must be numbers, got NaN in {np.isnan(similarity).sum()} places")
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


def _people(labels: Any) -> np.ndarray:
    labels = flat(np.asarray(labels))
    if labels.ndim != 1 or labels.dtype == object:
        raise ValueError(
            f"labels must have shape (N,), who is on each image, got {labels.dtype} of shape {labels.shape}"
        )
    return labels
