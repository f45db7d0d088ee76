"""Troubles with data, made on purpose: poor images, wrong labels, rare classes. NumPy alone.

Each takes MNIST's arrays and a seed, and gives arrays that `training.Trainer` takes in their place.
"""

import numpy as np
from numpy.typing import ArrayLike

from marginlab import _checks, reference

__all__ = ["blurred", "dominant_angles", "mislabelled", "repeated", "thinned"]


def blurred(images: ArrayLike, levels: ArrayLike, seed: int = 0, noise: float = 12.0) -> np.ndarray:
    """Images blurred, and with noise in each pixel.

    Args:
        images: ``(N, 28, 28)``, pixels from 0 to 255.
        levels: ``(N,)``: the standard deviation of the blur in pixels; 0 leaves an image as it is.
        seed: of the noise.
        noise: its standard deviation at level 1, in steps of 255; it grows with the level.

    Returns:
        ``(N, 28, 28)``, float32, from 0 to 255.

    Raises:
        ValueError: for levels below 0, or not one for each image.
    """
    images, levels = np.asarray(images, "float32"), np.asarray(levels, "float32")
    if levels.shape != images.shape[:1] or not (levels >= 0).all():
        raise ValueError(f"levels must be numbers of at least 0, one for each image, got {levels!r}")
    rng, found = np.random.default_rng(seed), images.copy()
    side = np.arange(images.shape[1], dtype="float32")
    for level in np.unique(levels[levels > 0]):
        at = np.flatnonzero(levels == level)
        kernel = np.exp(-(((side[:, None] - side) / level) ** 2) / 2)
        kernel /= kernel.sum(axis=1, keepdims=True)
        grain = noise * level * rng.standard_normal((len(at), *images.shape[1:]), dtype="float32")
        found[at] = np.clip(kernel @ images[at] @ kernel.T + grain, 0, 255)
    return found


def mislabelled(labels: ArrayLike, share: float, kind: str = "even", seed: int = 0) -> np.ndarray:
    """Labels ``(N,)`` of ten digits, of which a share is wrong.

    Args:
        labels: ``(N,)``, from 0 to 9.
        share: of each label the probability to be made wrong.
        kind: "even", any of the nine others; "next", the digit after it, and 0 after 9.
        seed: of the draws. A larger share makes the same labels wrong, and more.
    """
    _checks.number("share", share, 0, 1, "a number in [0, 1]")
    _checks.one_of("kind", kind, ("even", "next"))
    labels, rng = np.asarray(labels).astype("int64"), np.random.default_rng(seed)
    wrong, turn = rng.random(len(labels)) < share, rng.integers(1, 10, len(labels))
    return np.where(wrong, (labels + (turn if kind == "even" else 1)) % 10, labels)


def thinned(labels: ArrayLike, rare: ArrayLike, share: float, seed: int = 0) -> np.ndarray:
    """Labels ``(N,)``, and -1 for the images left out: of the rare digits all but a share.

    Args:
        labels: ``(N,)``, from 0 to 9.
        rare: which digits are rare.
        share: of each of their images the probability to stay.
        seed: of the draws. A larger share keeps the same images, and more.
    """
    _checks.number("share", share, 0, 1, "a number in [0, 1]")
    labels = np.asarray(labels).astype("int64")
    drawn = np.random.default_rng(seed).random(len(labels))
    return np.where(np.isin(labels, rare) & (drawn >= share), -1, labels)


def repeated(kept: ArrayLike, labels: ArrayLike, seed: int = 0) -> np.ndarray:
    """Which image stands in each place where those left out are replaced: indices ``(N,)``.

    Args:
        kept: ``(N,)``, from `thinned`: -1 for the images left out.
        labels: ``(N,)``, as they were before.
        seed: of the draws: each gap gets one of its digit's images that stayed.

    Raises:
        ValueError: for a digit of which none stayed.
    """
    kept, labels = np.asarray(kept), np.asarray(labels)
    rng, index = np.random.default_rng(seed), np.arange(len(labels))
    for digit in np.unique(labels[kept < 0]):
        gaps, there = np.flatnonzero((kept < 0) & (labels == digit)), np.flatnonzero(kept == digit)
        if not len(there):
            raise ValueError(f"no image of {digit} has stayed")
        index[gaps] = rng.choice(there, len(gaps))
    return index


def dominant_angles(
    embeddings: ArrayLike, directions: ArrayLike, labels: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """How far each image is from the direction that most images of its label are nearest to.

    Deng et al., "Sub-center ArcFace", 2020, §3.3: the dominant of a class's K directions.

    Args:
        embeddings: ``(N, d)``.
        directions: ``(C, K, d)``, or ``(C, d)`` for one a class.
        labels: ``(N,)``, as given in training.

    Returns:
        Angles ``(N,)`` in degrees to the dominant direction of the own label, and ``(N,)``, which of the K
        is nearest, counted from the one with most images.
    """
    directions, labels = np.asarray(directions, "float64"), np.asarray(labels)
    rows = directions[:, None] if directions.ndim == 2 else directions
    own = reference.angle(np.asarray(embeddings, "float64")[:, None], rows[labels])
    nearest, counts = own.argmin(axis=1), np.zeros(rows.shape[:2], int)
    np.add.at(counts, (labels, nearest), 1)
    order = np.argsort(-counts, axis=1, kind="stable")
    rank = np.argsort(order, axis=1, kind="stable")
    at = np.arange(len(labels))
    return np.degrees(own[at, order[labels, 0]]), rank[labels, nearest]
