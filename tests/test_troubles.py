"""Troubles made on purpose: how much of each, where, and nothing else changed."""

import numpy as np
import pytest

from marginlab import load_mnist, reference, troubles

rng = np.random.default_rng(0)
(X, Y), _ = load_mnist()


def test_level_0_leaves_an_image_as_it_is_and_the_others_lose_their_edges():
    levels = np.arange(5).repeat(40)
    found = troubles.blurred(X[:200], levels)
    np.testing.assert_array_equal(found[:40], X[:40])
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 255
    quiet = troubles.blurred(X[:40].repeat(5, 0), np.tile(np.arange(5), 40), noise=0.0)
    edges = np.abs(np.diff(quiet, axis=1)).max(axis=(1, 2)).reshape(40, 5)
    assert (np.diff(edges, axis=1) < 0).all()


def test_a_blur_is_a_gaussian_of_that_deviation():
    """Of one bright pixel there is a spot, whose second moment is the level's square."""
    spot = np.zeros((1, 28, 28))
    spot[0, 14, 14] = 255
    found = troubles.blurred(spot, [2.0], noise=0.0)[0]
    side = np.arange(28) - 14
    assert found.sum() == pytest.approx(255, rel=1e-3)
    assert (found.sum(axis=0) * side**2).sum() / found.sum() == pytest.approx(4, rel=0.01)


def test_noise_grows_with_the_level():
    grey = np.full((2, 28, 28), 128.0)
    found = troubles.blurred(grey, [1, 3])
    np.testing.assert_allclose(found.std(axis=(1, 2)), [12, 36], rtol=0.1)


@pytest.mark.parametrize("levels", [[1], [1, -1], [1, np.nan]])
def test_levels_are_checked(levels):
    with pytest.raises(ValueError, match="levels must be"):
        troubles.blurred(X[:2], levels)


@pytest.mark.parametrize("kind", ["even", "next"])
def test_a_share_of_the_labels_is_wrong(kind):
    found = troubles.mislabelled(Y, 0.2, kind)
    wrong = found != Y
    assert wrong.mean() == pytest.approx(0.2, abs=0.01)
    turn = (found - Y)[wrong] % 10
    counts = np.bincount(turn, minlength=10) / wrong.sum()
    np.testing.assert_allclose(counts[1:], 1 / 9 if kind == "even" else np.eye(9)[0], atol=0.01)
    more = troubles.mislabelled(Y, 0.4, kind)
    np.testing.assert_array_equal(more[wrong], found[wrong])
    assert (troubles.mislabelled(Y, 0.0) == Y).all()


def test_a_share_of_some_digits_stays():
    kept = troubles.thinned(Y, (3, 5), 0.01)
    rare = np.isin(Y, (3, 5))
    assert (kept[~rare] == Y[~rare]).all()
    there = kept[rare] >= 0
    assert there.mean() == pytest.approx(0.01, abs=0.002)
    assert (kept[rare][there] == Y[rare][there]).all()
    assert (troubles.thinned(Y, (3, 5), 0.1)[kept >= 0] >= 0).all()


def test_gaps_are_filled_with_images_of_the_same_digit_that_stayed():
    kept = troubles.thinned(Y, (3, 5), 0.01)
    index = troubles.repeated(kept, Y)
    assert (Y[index] == Y).all()
    assert (kept[index] >= 0).all()
    stayed = kept >= 0
    assert (index[stayed] == np.flatnonzero(stayed)).all()
    with pytest.raises(ValueError, match="no image of 3 has stayed"):
        troubles.repeated(troubles.thinned(Y, (3,), 0.0), Y)


def test_the_dominant_direction_is_that_with_most_images():
    """Class 0 has two directions, of which the second has more images; class 1 the other way round."""
    turns = np.array([[0.0, 2.0], [4.0, 5.0]])
    directions = np.stack([np.cos(turns), np.sin(turns)], axis=-1)
    at = np.array([0.1, 1.9, 2.2, 4.1, 4.0, 5.3])
    labels = np.array([0, 0, 0, 1, 1, 1])
    embeddings = 7 * np.stack([np.cos(at), np.sin(at)], axis=1)
    angles, rank = troubles.dominant_angles(embeddings, directions, labels)
    np.testing.assert_allclose(angles, np.degrees([1.9, 0.1, 0.2, 0.1, 0.0, 1.3]), atol=1e-6)
    np.testing.assert_array_equal(rank, [1, 0, 0, 0, 0, 1])


def test_of_one_direction_a_class_it_is_the_angle_to_it():
    x, w, labels = rng.normal(size=(20, 3)), rng.normal(size=(4, 3)), rng.integers(0, 4, 20)
    angles, rank = troubles.dominant_angles(x, w, labels)
    np.testing.assert_allclose(angles, np.degrees(reference.angle(x, w[labels])))
    assert not rank.any()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: troubles.mislabelled(Y, 1.5), "share must be"),
        (lambda: troubles.mislabelled(Y, 0.1, "odd"), "kind must be one of even, next"),
        (lambda: troubles.thinned(Y, (1,), -0.1), "share must be"),
    ],
)
def test_what_makes_no_sense_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
