import gc
import itertools
import math

import keras
import numpy as np
import psutil
import pytest

from marginlab import Trainer, encoders, heads, load_mnist, reference
from marginlab.family import FAMILY
from marginlab.training import Frame, Result


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


@pytest.mark.parametrize("head", heads.BY_NAME)
def test_every_head_learns_the_digits_with_its_defaults(head):
    """The bar on one seed; the median of five is measured by tests/benchmarks/accuracy.py."""
    result = Trainer(head=head).retrain()
    assert result.trained
    assert result.test_accuracy >= 0.945
    assert result.settings | FAMILY[head].defaults == result.settings


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


def in_order(directions):
    around = list(np.argsort(np.arctan2(directions[:, 1], directions[:, 0])))
    return around[around.index(0) :] + around[: around.index(0)]


def test_from_here_on_the_same_clusters_draw_together(trainer):
    """From the end of the last whole run, and of no other; so that the moves alone say what comes of them."""

    def spread(frame):
        away = np.degrees(reference.angle(frame.embeddings, frame.class_directions[frame.labels]))
        return np.quantile(away, 0.9)

    start = trainer.retrain(margin=0.0).frames[-1]
    result = trainer.retrain(margin=0.6, start="on")
    assert [frame.step for frame in result.frames] == [250, 500, 750]
    assert trainer.steps_on == 750
    assert in_order(result.frames[-1].class_directions) == in_order(start.class_directions)
    assert spread(result.frames[-1]) < 0.5 * spread(start)
    assert result.settings["margin"] == 0.6
    further = trainer.retrain(margin=0.9, start="on")
    assert not same(further.frames, result.frames)
    trainer.retrain(margin=0.0)
    abandoned = trainer.iter_frames(margin=1.0, start="on")
    next(abandoned)
    assert same(trainer.retrain(margin=0.6, start="on").frames, result.frames)
    assert same(trainer.retrain(margin=0.9, start="on").frames, further.frames)
    assert trainer.traces == 1


def test_who_goes_on_must_come_from_somewhere():
    trainer = Trainer("arcface", epochs=1, frames=1)
    with pytest.raises(ValueError, match='start must be "anew" as long as no run of this Trainer was whole'):
        trainer.retrain(start="on")
    with pytest.raises(ValueError, match="start must be one of anew, on, got 'over'"):
        trainer.retrain(start="over")
    trainer.retrain()
    assert [frame.step for frame in trainer.retrain(start="on").frames] == [trainer.steps]


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


@pytest.mark.full
def test_other_labels_are_learnt_and_the_test_images_keep_theirs():
    (_, labels), _ = load_mnist()
    trainer = Trainer("normface", labels=(labels + 1) % 10, epochs=1)
    assert trainer.retrain().test_accuracy < 0.1
    assert Trainer("normface", labels=labels, epochs=1).retrain().test_accuracy > 0.8


@pytest.mark.full
def test_images_of_label_minus_1_are_left_out():
    (_, labels), _ = load_mnist()
    few = np.where(np.arange(60_000) < 6_000, labels.astype(int), -1)
    trainer = Trainer("arcface", labels=few, epochs=1)
    assert trainer.steps == 50
    some = np.where(np.isin(labels, (3, 5)), -1, labels.astype(int))
    result = Trainer("arcface", labels=some, epochs=1).retrain()
    said = (result.test_embeddings @ result.frames[-1].class_directions.T).argmax(1)
    assert np.isin(said, (3, 5)).mean() < 0.02
    with pytest.raises(ValueError, match="the number of images to train on must be"):
        Trainer("arcface", labels=np.full(60_000, -1))


def test_other_images_are_trained_on_and_judged():
    """Turned over, and the same run as of MNIST's own by an encoder that turns them back."""
    (x, _), (x_test, _) = load_mnist()
    turned = Trainer("arcface", images=(255 - x, 255 - x_test), epochs=1).retrain()

    def turned_back():
        layers = encoders.fast().layers
        flip = [LAYERS.Rescaling(-1 / 255, offset=1.0)]
        return keras.Sequential([keras.Input((28, 28)), *flip, *layers[1:]])

    back = Trainer("arcface", images=(255 - x, 255 - x_test), epochs=1, encoder=turned_back).retrain()
    own = Trainer("arcface", epochs=1).retrain()
    assert back.test_accuracy == pytest.approx(own.test_accuracy, abs=0.02)
    assert not np.allclose(turned.test_embeddings, own.test_embeddings, atol=0.1)
    mixed = Trainer("arcface", images=(x, 255 - x_test), epochs=1).retrain()
    assert mixed.test_accuracy < own.test_accuracy - 0.3


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


@pytest.mark.full
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
                keras.layers.Rescaling(1 / 255),
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
    kernel = trainer.encoder.layers[2].kernel.numpy()
    assert kernel.std() == pytest.approx(math.sqrt(2 / 784), rel=0.02)


class NaiveArcFace(heads.ArcFace):
    """acos of a cosine, unguarded."""

    def own_angle(self, x, labels):
        x, w = (keras.ops.normalize(v, axis=-1) for v in (x, self.class_directions))
        return keras.ops.arccos(keras.ops.sum(x * keras.ops.take(w, labels, axis=0), axis=-1))


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
    (lambda: Trainer(heads.ArcFace(5)), ValueError, "a class for each of the 10 digits, got 5"),
    (lambda: Trainer(anneal=(0.7, 0.2)), ValueError, r"anneal must be .*got \(0.7, 0.2\)"),
    (lambda: Trainer(anneal=0.3), ValueError, "anneal must be .*got 0.3"),
    (lambda: Trainer(learning_rate=-1), ValueError, "learning_rate must be .*got -1"),
    (lambda: Trainer(learning_rate="a"), TypeError, "learning_rate must be .*got 'a'"),
    (lambda: Trainer(beta_2=1), ValueError, "beta_2 must be .*got 1"),
    (lambda: Trainer(seed="x"), TypeError, "seed must be .*got 'x'"),
    (lambda: Trainer(encoder=encoders.fast()), TypeError, "encoder must be a function that makes a model"),
    (lambda: Trainer(labels=[1, 2]), ValueError, r"labels must be 60000 .*got int64 of shape \(2,\)"),
    (
        lambda: Trainer(labels=np.full(60_000, 10)),
        ValueError,
        "labels must be 60000 whole numbers from 0 to 9",
    ),
    (
        lambda: Trainer(images=(np.zeros((60_000, 28, 28)), np.full((10_000, 28, 28), 256))),
        ValueError,
        "images must be pixels from 0 to 255",
    ),
    (
        lambda: Trainer(images=[np.zeros((2, 28, 28))] * 2),
        ValueError,
        r"images must be .*got .*\(2, 28, 28\)",
    ),
    (lambda: Trainer(labels=np.zeros(60_000)), ValueError, "labels must be .*got float64"),
    (lambda: Trainer("cosface", epochs=0), ValueError, r"epochs .*at least 1, got 0"),
    (lambda: Trainer("cosface", batch_size=1.5), TypeError, r"batch_size .*got 1.5"),
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
        ({"seed": -1}, ValueError, "seed must be a whole number of at least 0, got -1"),
        ({"m1": 2}, TypeError, "arcface has no setting 'm1'; its settings are: "),
    ],
)
def test_bad_settings_are_refused_before_anything_runs(trainer, settings, error, words):
    with pytest.raises(error, match=words):
        trainer.iter_frames(**settings)


LAYERS = keras.layers


def with_batch_norm():
    part = keras.Sequential([LAYERS.Dense(16, activation="relu"), LAYERS.BatchNormalization()])
    return keras.Sequential([LAYERS.Rescaling(1 / 255), LAYERS.Flatten(), part, LAYERS.Dense(2)])


def with_branches():
    x = inputs = keras.Input((28, 28))
    for layer in (LAYERS.Rescaling(1 / 255), LAYERS.Flatten()):
        x = layer(x)
    branches = [LAYERS.Dense(8, activation=kind)(x) for kind in ("relu", "tanh")]
    return keras.Model(inputs, LAYERS.Dense(2)(LAYERS.Concatenate()(branches)))


def with_noise(size=0.5):
    front = [LAYERS.Rescaling(1 / 255), LAYERS.Reshape((28, 28, 1)), LAYERS.AveragePooling2D(4)]
    rest = [LAYERS.GaussianNoise(size), LAYERS.Flatten(), LAYERS.Dense(16, activation="relu")]
    return keras.Sequential([*front, *rest, LAYERS.Dropout(0.1), LAYERS.Dense(2)])


@pytest.mark.parametrize("encoder", [with_batch_norm, with_branches, with_noise])
def test_a_run_is_its_seed_whatever_the_encoder(encoder):
    trainer = Trainer("arcface", encoder=encoder, digits=(0, 1, 2), epochs=1, frames=2)
    runs = [trainer.retrain(seed=seed) for seed in (4, 5, 4)]
    assert same(runs[0].frames, runs[2].frames)
    assert runs[0].losses[-1] != runs[1].losses[-1]
    other = Trainer("arcface", encoder=encoder, digits=(0, 1, 2), epochs=1, frames=2)
    assert same(other.retrain(seed=4).frames, runs[0].frames)


def test_noise_is_put_on_in_training_anew_at_each_step_and_nowhere_else():
    """Without it in training the same seed has a lower loss; the test images never have it."""
    noisy = Trainer("arcface", encoder=with_noise, digits=(0, 1), epochs=1, frames=1)
    assert isinstance(noisy._tail.layers[0], LAYERS.GaussianNoise)
    result = noisy.retrain()
    np.testing.assert_allclose(result.test_embeddings[:50], noisy.encoder(load_mnist()[1][0][:50]), atol=1e-4)
    quiet = Trainer("arcface", encoder=lambda: with_noise(0.0), digits=(0, 1), epochs=1, frames=1).retrain()
    assert result.frames[-1].loss > quiet.frames[-1].loss


def test_branches_are_not_flattened():
    trainer = Trainer("arcface", encoder=with_branches, digits=(0, 1), epochs=1, frames=1)
    images = load_mnist()[1][0][:50]
    np.testing.assert_allclose(trainer.retrain().test_embeddings[:50], trainer.encoder(images), atol=1e-4)


class Unnamed(LAYERS.Layer):
    """A layer whose weight nobody can begin anew: it does not keep its initialiser."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 2), initializer="glorot_uniform", name="own")

    def call(self, x):
        return keras.ops.matmul(x, self.kernel)


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (Unnamed, r"cannot begin .*own anew, for the layer .*\(Unnamed\) has no own_initializer"),
        (lambda: LAYERS.RandomRotation(0.1), "XLA cannot compile one of its layers"),
    ],
)
def test_what_cannot_be_repeated_is_refused_by_name(last, words):
    def encoder():
        front = [LAYERS.Rescaling(1 / 255), LAYERS.Reshape((28, 28, 1))]
        rest = [LAYERS.Flatten(), LAYERS.Dense(2)]
        middle = [last()] if last is not Unnamed else [LAYERS.Flatten(), last()]
        return keras.Sequential([*front, *middle, *rest])

    with pytest.raises(ValueError, match=words):
        Trainer("arcface", encoder=encoder, epochs=1, frames=1)


def test_a_run_that_has_ended_touches_nothing(trainer):
    ended = trainer.iter_frames(seed=3, margin=0.1)
    going_on = trainer.iter_frames(seed=5)
    frames = [next(going_on)]
    with pytest.raises(RuntimeError, match="this run ended"):
        next(ended)
    assert same([*frames, *going_on], trainer.retrain(seed=5).frames)


def test_a_refused_setting_leaves_the_run_that_is_going_on(trainer):
    undisturbed = trainer.retrain(seed=2, margin=0.1, scale=10.0).frames
    frames = trainer.iter_frames(seed=2, margin=0.1, scale=10.0)
    found = [next(frames)]
    with pytest.raises(ValueError, match="margin must be"):
        trainer.retrain(scale=64.0, margin=9)
    assert same([*found, *frames], undisturbed)


def test_a_result_is_of_its_own_run(trainer):
    frames = list(trainer.iter_frames(margin=0.1))
    trainer.iter_frames(margin=0.7)
    assert trainer.result(frames).settings["margin"] == 0.1
    with pytest.raises(ValueError, match="frames must be all 10 of a run, got 4"):
        trainer.result(frames[:4])


def prepared(times):
    class Prepare(LAYERS.Layer):
        def call(self, x):
            return keras.ops.cast(x, "float32") * times

    return lambda: keras.Sequential([Prepare(), LAYERS.Flatten(), LAYERS.Dense(2)])


@pytest.mark.full
def test_another_layer_of_the_same_name_has_its_own_images():
    one, none = (Trainer(encoder=prepared(t), digits=(0, 1), epochs=1, frames=1) for t in (1 / 255, 0.0))
    assert float(keras.ops.max(one._x)) == pytest.approx(1)
    assert float(keras.ops.max(none._x)) == 0


@pytest.mark.parametrize("head", FAMILY)
def test_a_report_never_raises_at_the_ends_of_the_ranges(head):
    for end in ("low", "high"):
        settings = {name: getattr(setting, end) for name, setting in FAMILY[head].settings.items()}
        frame = Frame(10, math.nan, 0.1, np.zeros((1, 2)), np.zeros(1), np.eye(10, 2))
        result = Result({"head": head} | settings, [frame], 0.1, np.zeros((1, 2)), 1.0)
        assert result.explain().startswith("It did not train: ")


def test_a_margin_for_each_class_is_reported_saved_and_loaded(tmp_path):
    frame = Frame(10, math.nan, 0.1, np.zeros((1, 2)), np.zeros(1), np.eye(10, 2))
    settings = {"head": "arcface", "margin": np.linspace(0, 0.5, 10), "scale": 30.0}
    result = Result(settings, [frame], 0.1, np.zeros((1, 2)), 1.0)
    assert result.explain() == "It did not train: 10.0% of the test images right after 10 steps."
    result.save(tmp_path / "r.npz")
    again = Result.load(tmp_path / "r.npz")
    np.testing.assert_array_equal(again.settings["margin"], settings["margin"])
    assert again.explain() == result.explain()


def test_softmax_has_no_margin():
    with pytest.raises(TypeError, match="softmax has no setting 'margin'; its settings are: none"):
        Trainer("softmax", epochs=1).retrain(margin=0.3)


def test_encoders_are_made_anew():
    assert encoders.fast() is not encoders.fast()
