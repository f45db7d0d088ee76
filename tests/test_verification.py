import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginlab import verification

rng = np.random.default_rng(0)


@pytest.mark.parametrize("images", [[2, 1], [5, 5, 5], [1, 1, 40, 2], list(range(1, 30))])
def test_pairs_are_what_they_say(images):
    labels = rng.permutation(np.repeat(np.arange(len(images)) * 7 - 3, images))
    first, second, same = verification.pairs(labels, 4000, seed=1)
    assert (first != second).all()
    np.testing.assert_array_equal(labels[first] == labels[second], same)
    assert same.sum() == 2000
    for a, b in zip((first, second, same), verification.pairs(labels, 4000, seed=1), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first, verification.pairs(labels, 4000, seed=2)[0])


def test_every_pair_of_one_person_is_as_likely_as_another():
    labels = np.repeat([4, 9], [5, 5])
    first, second, same = verification.pairs(labels, 80_000)
    counts = np.zeros((10, 10))
    np.add.at(counts, (first[same], second[same]), 1)
    found = counts[labels[:, None] == labels][~np.eye(5, dtype=bool)[None].repeat(2, 0).ravel()]
    np.testing.assert_allclose(found, 1000, rtol=0.15)


def by_hand(similarity, same, far):
    """The largest TAR over all thresholds, by counting."""
    best = 0.0
    for threshold in [np.inf, *similarity]:
        accepted = similarity >= threshold
        if np.mean(accepted[~same]) <= far:
            best = max(best, np.mean(accepted[same]))
    return best


scores = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=30).filter(
    lambda rows: len({same for _, same in rows}) == 2
)


@given(scores, st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]))
def test_tar_is_that_of_counting_ties_and_all(rows, far):
    similarity, same = (np.array(v) for v in zip(*rows, strict=True))
    assert verification.tar_at(similarity, same, far) == pytest.approx(by_hand(similarity, same, far))


@given(scores)
def test_rates_rise_and_the_equal_error_rate_lies_between(rows):
    similarity, same = (np.array(v) for v in zip(*rows, strict=True))
    threshold, far, tar = verification.rates(similarity, same)
    assert (far[0], tar[0], far[-1], tar[-1]) == (0, 0, 1, 1)
    assert (np.diff(threshold) < 0).all()
    assert (np.diff(far) >= 0).all()
    assert (np.diff(tar) >= 0).all()
    assert 0 <= verification.eer(similarity, same) <= 1
    # Whoever turns all answers round has as many right as he had wrong.
    assert verification.eer(similarity, same) + verification.eer(-similarity, same) == pytest.approx(1)


def test_a_case_by_hand():
    similarity = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]
    same = [True, True, False, True, False, True, False, False]
    assert verification.eer(similarity, same) == 0.25
    assert verification.tar_at(similarity, same, 0.0) == 0.5
    assert verification.tar_at(similarity, same, 0.25) == 0.75


def people(n, seed=0, apart=3.0):
    rng = np.random.default_rng(seed)
    same = np.arange(n) % 2 == 0
    return rng.normal(apart * same), same


@pytest.mark.parametrize("far", [0.1, 0.01])
def test_a_threshold_holds_its_rate_and_its_interval_is_that_of_the_bootstrap(far):
    similarity, same = people(4000)
    found = verification.threshold(similarity, same, far)
    assert found.far <= far < np.mean(similarity[~same] >= np.max(similarity[similarity < found.value]))
    assert found.tar == pytest.approx(verification.tar_at(similarity, same, far))
    assert float(found) == found.value
    assert found.enough
    assert "Too few" not in str(found)
    wrong, draws = similarity[~same], np.random.default_rng(1)
    resampled = [
        verification.threshold(
            np.concatenate([draws.choice(wrong, len(wrong)), similarity[same]]), np.sort(same), far, draws=100
        ).value
        for _ in range(400)
    ]
    np.testing.assert_allclose(found.interval, np.quantile(resampled, [0.025, 0.975]), atol=0.12)
    assert found.interval[0] < found.value < found.interval[1]


def test_the_interval_covers_the_true_threshold_as_often_as_it_says():
    true = 1.2815515655446004  # above it lies a tenth of a normal distribution
    hits = 0
    for seed in range(200):
        low, high = verification.threshold(*people(400, seed), 0.1, draws=400).interval
        hits += low <= true <= high
    assert 0.88 <= hits / 200 <= 0.99


def test_too_few_pairs_are_told():
    found = verification.threshold(*people(200), far=1e-3)
    assert not found.enough
    assert "Too few pairs to claim a false accept rate of 0.001" in found.words
    assert "at least 3000 pairs" in found.words
    assert found.far == 0
    nothing = verification.threshold([0.9, 0.1], [False, True], far=0.01)
    assert (nothing.value, nothing.tar, nothing.far) == (np.inf, 0, 0)
    tied = verification.threshold([0.5] * 4, [True, False] * 2, far=0.4)
    assert tied.value == np.inf


def test_calibration_finds_the_line_that_made_the_pairs():
    draws = np.random.default_rng(0)
    similarity = draws.uniform(-1, 1, 40_000)
    same = draws.random(40_000) < 1 / (1 + np.exp(-(8 * similarity - 2)))
    found = verification.calibrate(similarity, same)
    assert found.slope == pytest.approx(8, rel=0.05)
    assert found.offset == pytest.approx(-2, rel=0.05)
    p = found(similarity)
    for low in (0.1, 0.5, 0.8):
        inside = (p > low) & (p < low + 0.1)
        assert np.mean(same[inside]) == pytest.approx(p[inside].mean(), abs=0.04)
    # Another share of pairs of one person moves the odds by as much.
    odds = lambda p: p / (1 - p)  # noqa: E731
    moved = odds(found(0.2, share=0.01)) / odds(found(0.2))
    assert moved == pytest.approx(odds(0.01) / odds(found.share))


def test_calibration_of_separated_and_shifted_pairs_is_finite():
    found = verification.calibrate([0.1, 0.2, 0.8, 0.9], [False, False, True, True])
    assert 0 < found.slope < 1e3
    shifted = verification.calibrate([1000.1, 1000.2, 1000.8, 1000.9], [False, False, True, True])
    np.testing.assert_allclose(shifted(1000.5), found(0.5), rtol=1e-6)
    assert np.isfinite(found([-1e9, 1e9])).all()


def test_recall():
    angles = np.array([0.0, 0.1, 1.0, 1.1, 2.2])
    x = np.stack([np.cos(angles), np.sin(angles)], axis=-1) * [[1.0], [5], [1], [9], [1]]
    assert verification.recall_at(x, [0, 0, 1, 1, 2]) == 1
    assert verification.recall_at(x, [0, 1, 0, 1, 2]) == 0
    assert verification.recall_at(x, [0, 1, 0, 1, 2], k=3) == 1
    assert verification.recall_at(x, [0, 0, 1, 1, 2], k=99) == 1


@pytest.mark.parametrize("k", [1, 3])
def test_recall_of_a_collapsed_encoder_is_chance_in_any_order(k):
    labels = np.repeat([0, 1], [30, 10])
    none = {label: 1.0 for label in (0, 1)}
    for label, own in ((0, 30), (1, 10)):
        for i in range(k):
            none[label] *= (40 - own - i) / (39 - i)
    expected = (30 * (1 - none[0]) + 10 * (1 - none[1])) / 40
    for order in (np.arange(40), rng.permutation(40)):
        assert verification.recall_at(np.ones((40, 2)), labels[order], k=k) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: verification.pairs([1, 1], 4), ValueError, "labels must have two people"),
        (
            lambda: verification.pairs([1, 2], 4),
            ValueError,
            "labels must have two people, and one of them twice",
        ),
        (
            lambda: verification.pairs([1, 1, 2], 1),
            ValueError,
            "count must be a whole number of at least 2, got 1",
        ),
        (lambda: verification.rates([1.0, 2.0], [True, True]), ValueError, "pairs of both kinds, got 2 of 2"),
        (lambda: verification.rates([1.0, np.nan], [True, False]), ValueError, "got NaN in 1 places"),
        (lambda: verification.rates([1.0], [True, False]), ValueError, r"one shape \(N,\), got \(1,\) and"),
        (
            lambda: verification.tar_at([1, 2], [True, False], 1.5),
            ValueError,
            r"far must be a rate in \[0, 1\]",
        ),
        (
            lambda: verification.threshold([1, 2], [True, False], 0),
            ValueError,
            r"far must be a rate in \(0, 1\)",
        ),
        (lambda: verification.threshold([1, 2], [True, False], draws=1), ValueError, "draws must be a whole"),
        (lambda: verification.threshold([1, 2], [True, True]), ValueError, "pairs of both kinds"),
        (lambda: verification.calibrate([1, 1], [True, False]), ValueError, "not the same for all pairs"),
        (
            lambda: verification.calibrate([1, 2], [True, False])(0.1, share=1),
            ValueError,
            r"share must be a share in \(0, 1\)",
        ),
        (lambda: verification.recall_at(np.eye(3), [0, 1, 2]), ValueError, "labels must have somebody twice"),
        (
            lambda: verification.recall_at(np.eye(3)[:2], [0, 0, 2]),
            ValueError,
            r"embeddings must have shape \(3, d\)",
        ),
        (lambda: verification.recall_at(np.ones(3), [0, 0, 2]), ValueError, "embeddings must have shape"),
        (
            lambda: verification.recall_at(np.full((3, 2), np.nan), [0, 0, 2]),
            ValueError,
            "must be finite, got 6",
        ),
        (lambda: verification.pairs(np.eye(4), 4), ValueError, r"labels must have shape \(N,\)"),
        (lambda: verification.pairs([0, None, 0], 4), ValueError, "labels must have shape .* got object"),
        (lambda: verification.recall_at(np.eye(3), [0, 0, 2], k=0), ValueError, "k must be a whole number"),
    ],
)
def test_what_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()
