import gc
import itertools
import math

import keras
import numpy as np
import psutil
import pytest

from marginlab import Trainer, encoders, heads, load_mnist
from marginlab.training import DEFAULTS, Result


@pytest.fixture(scope="module")
def trainer():
    return Trainer(head="arcface", seed=0)


@pytest.fixture(scope="module")
def result(trainer):
    return trainer.retrain(margin=0.3, scale=30.0)


def same(a, b):
    fields = ("step", "loss", "accuracy", "embeddings", "labels", "class_directions")
    return len(a) == len(b) and all(
        np.array_equal(getattr(x, f), getattr(y, f)) for x, y in zip(a, b, strict=True) for f in fields
    )


@pytest.mark.parametrize("head", ["softmax", "normface", "sphereface", "cosface", "arcface", "combined"])
def test_every_head_learns_the_digits_with_its_defaults(head):
    """The bar on one seed; the median of five is measured by tests/benchmarks/accuracy.py."""
    result = Trainer(head=head).retrain()
    assert result.trained
    assert result.test_accuracy >= 0.945
    assert result.settings | DEFAULTS[head] == result.settings


def test_frames(result):
    frames = result.frames
    assert len(frames) >= 10
    assert [f.step for f in frames] == sorted({f.step for f in frames})
    assert frames[-1].embeddings.shape == (1000, 2)
    assert frames[-1].class_directions.shape == (10, 2)
    np.testing.assert_allclose(np.linalg.norm(frames[0].class_directions, axis=1), 1, rtol=1e-5)
    assert frames[-1].loss < frames[-4].loss
    assert frames[-1].accuracy > frames[0].accuracy
    assert result.seconds > 0
    assert result.test_accuracy == frames[-1].accuracy == result.accuracies[-1]


def test_accuracy_is_that_of_the_shown_embeddings_without_margin(result):
    _, (_, labels) = load_mnist()
    directions = result.frames[-1].class_directions
    right = (result.test_embeddings @ directions.T).argmax(1) == labels
    assert right.mean() == pytest.approx(result.test_accuracy, abs=2e-4)
    frame = result.frames[-1]
    shown = (frame.embeddings @ directions.T).argmax(1) == frame.labels
    assert shown.mean() == pytest.approx(result.test_accuracy, abs=0.02)


def test_new_margins_and_scales_cost_no_retracing(trainer, result):
    for margin, scale in [(0.1, 10.0), (0.5, 64.0), (0, 1)]:
        trainer.retrain(margin=margin, scale=scale)
    assert trainer.traces == 1


def test_same_seed_same_frames(trainer, result):
    trainer.retrain(margin=0.5, seed=3)
    assert same(trainer.retrain(margin=0.3, scale=30.0).frames, result.frames)
    assert not same(trainer.retrain(margin=0.3, scale=30.0, seed=1).frames, result.frames)


def test_softmax_starts_anew_too():
    """Its bias is a weight that the other heads do not have."""
    trainer = Trainer("softmax", seed=0)
    first = trainer.retrain().frames
    assert same(trainer.retrain().frames, first)
    assert same(Trainer("softmax", seed=0).retrain().frames, first)


def test_some_digits_only():
    trainer = Trainer("cosface", digits=(7, 1, 9))
    result = trainer.retrain()
    _, (_, labels) = load_mnist()
    directions = result.frames[-1].class_directions
    assert directions.shape == (3, 2)
    known = np.isin(labels, (7, 1, 9))
    right = np.array([7, 1, 9])[(result.test_embeddings @ directions.T).argmax(1)] == labels
    assert result.test_accuracy == pytest.approx(right[known].mean(), abs=1e-3)
    assert result.test_accuracy > 0.95
    assert len(result.test_embeddings) == 10_000
    assert trainer.steps == math.ceil(5 * 18_956 / 120)  # 6,265 sevens, 6,742 ones, 5,949 nines


@pytest.mark.parametrize("digits", [(1,), (1, 1), (0, 10), ()])
def test_digits_are_checked(digits):
    with pytest.raises(ValueError, match=r"digits must be two or more different ones of 0 to 9, got \["):
        Trainer("arcface", digits=digits)


def test_defaults_do_not_carry_over(trainer, result):
    trainer.retrain(margin=0.7, scale=8.0)
    again = trainer.retrain()
    assert again.settings == result.settings
    assert again.settings["margin"] == 0.3


def test_a_run_may_be_left_at_any_frame(trainer, result):
    for count in (0, 1, 7):
        abandoned = list(itertools.islice(trainer.iter_frames(margin=0.9), count))
        assert len(abandoned) == count
    assert same(list(trainer.iter_frames(margin=0.3, scale=30.0)), result.frames)


def test_starting_a_run_ends_the_one_before(trainer):
    first = trainer.iter_frames()
    next(first)
    next(trainer.iter_frames())
    with pytest.raises(RuntimeError, match="another run of the same Trainer"):
        next(first)


def test_memory_stays_level(trainer):
    process = psutil.Process()
    for _ in range(3):
        trainer.retrain()
    gc.collect()
    before = process.memory_info().rss
    for seed in range(15):
        next(trainer.iter_frames(seed=seed))
        trainer.retrain(seed=seed)
    gc.collect()
    assert process.memory_info().rss - before < 50e6


@pytest.mark.parametrize(
    ("head", "settings"),
    [("cosface", {"margin": 1.5, "scale": 64.0}), ("arcface", {"margin": 3.0, "scale": 200.0})],
)
def test_an_infeasible_margin_says_so(head, settings):
    result = Trainer(head=head, epochs=1).retrain(**settings)
    assert not result.trained
    assert result.explain().startswith("It did not train: ")
    assert "No arrangement of 10 classes in the plane" in result.explain()
    assert np.isfinite([f.embeddings for f in result.frames]).all()


def test_explain_of_a_good_run(result):
    assert result.explain() == f"{result.test_accuracy:.1%} of the test images right after 2500 steps."


def test_a_run_is_saved_and_loaded(result, tmp_path):
    result.save(tmp_path / "run.npz")
    loaded = Result.load(tmp_path / "run.npz")
    assert same(loaded.frames, result.frames)
    assert loaded.settings == result.settings
    assert (loaded.test_accuracy, loaded.seconds) == (result.test_accuracy, result.seconds)
    np.testing.assert_array_equal(loaded.test_embeddings, result.test_embeddings)
    assert isinstance(loaded.frames[0].step, int)


def test_scale_by_norm():
    result = Trainer("cosface", scale="norm", epochs=2).retrain(margin=0.1)
    assert result.settings["scale"] == "norm"
    assert result.test_accuracy > 0.9


def test_another_encoder_is_trained_from_its_own_initializers():
    def small(dim=2):
        he = keras.initializers.HeNormal()
        return keras.Sequential(
            [
                keras.Input((28, 28)),
                keras.layers.Flatten(),
                keras.layers.Dense(32, activation="relu", kernel_initializer=he),
                keras.layers.BatchNormalization(),
                keras.layers.Dense(dim),
            ]
        )

    trainer = Trainer("normface", encoder=small, epochs=2, frames=3)
    a, b = trainer.retrain(), trainer.retrain()
    assert a.test_accuracy > 0.8
    assert same(a.frames, b.frames)
    trainer._begin(seed=5)
    kernel = trainer.encoder.layers[1].kernel.numpy()
    assert kernel.std() == pytest.approx(math.sqrt(2 / 784), rel=0.02)


class NaiveArcFace(heads.ArcFace):
    """acos of a cosine, unguarded."""

    def _logits(self, embeddings, labels):
        x = keras.ops.normalize(embeddings, axis=-1)
        w = keras.ops.normalize(self.class_directions, axis=-1)
        cosine = keras.ops.matmul(x, keras.ops.transpose(w))
        if labels is not None:
            hot = keras.ops.one_hot(labels, 10)
            theta = keras.ops.arccos(cosine)
            cosine = hot * keras.ops.cos(theta + self.state["margin"]) + (1 - hot) * cosine
        return self.state["scale"] * cosine


def test_a_naive_head_dies_and_ours_does_not():
    """The same run, by acos and by atan2: one ends in NaN, and says that it did not train."""
    result = Trainer(NaiveArcFace(10, margin=0.3, scale=30.0), epochs=1).retrain()
    assert np.isnan(result.losses[-1])
    assert not result.trained
    assert result.explain().startswith("It did not train: ")
    assert Trainer("arcface", epochs=1).retrain().trained


BAD = [
    (lambda: Trainer("arcfase"), ValueError, r"head must be one of softmax, .*got 'arcfase'"),
    (lambda: Trainer("arcface", margin=4.0), ValueError, r"margin .*got 4"),
    (lambda: Trainer("cosface", epochs=0), ValueError, r"epochs .*at least 1, got 0"),
    (lambda: Trainer("cosface", batch_size=1.5), ValueError, r"batch_size .*got 1.5"),
]


@pytest.mark.parametrize(("call", "error", "words"), BAD)
def test_bad_arguments(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"margin": -1}, ValueError, "margin .*got -1"),
        ({"scale": math.nan}, ValueError, "scale .*got nan"),
        ({"scale": "norm"}, ValueError, "scale is 30.0 and cannot become 'norm'"),
        ({"m1": 2}, TypeError, "arcface has no setting 'm1'; its settings are: "),
    ],
)
def test_bad_settings_are_refused_before_anything_runs(trainer, settings, error, words):
    with pytest.raises(error, match=words):
        trainer.iter_frames(**settings)


def test_softmax_has_no_margin():
    with pytest.raises(TypeError, match="softmax has no setting 'margin'; its settings are: none"):
        Trainer("softmax", epochs=1).retrain(margin=0.3)


def test_encoders_are_made_anew():
    assert encoders.fast() is not encoders.fast()
