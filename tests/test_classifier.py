import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from marginlab import MarginClassifier, encoders, heads, load_mnist
from marginlab.callbacks import MarginWatch

(X, Y), (X_TEST, Y_TEST) = ((x[:2000], y[:2000]) for x, y in load_mnist())


def model(head=None, encoder=None, **compile_args):
    keras.utils.set_random_seed(0)
    model = MarginClassifier(encoder or encoders.fast(), head or heads.ArcFace(10, margin=0.3))
    model.compile(**{"optimizer": keras.optimizers.Adam(0.01)} | compile_args)
    return model


def test_the_contract():
    m = MarginClassifier(encoders.fast(), heads.ArcFace(num_classes=10, margin=0.3, scale=30.0))
    m.compile(optimizer="adam")
    history = m.fit(X, Y, epochs=2, validation_data=(X_TEST, Y_TEST), verbose=0).history
    assert set(history) == {"accuracy", "loss", "val_accuracy", "val_loss"}
    assert history["loss"][1] < history["loss"][0]
    _, accuracy = m.evaluate(X_TEST, Y_TEST, verbose=0)
    logits = m.predict(X_TEST, verbose=0)
    assert logits.shape == (2000, 10)
    assert accuracy == pytest.approx(np.mean(logits.argmax(1) == Y_TEST))
    assert m.embed(X_TEST).shape == (2000, 2)
    np.testing.assert_allclose(np.linalg.norm(m.class_directions, axis=1), 1, rtol=1e-6)


def test_training_sees_the_margin_and_nothing_else_does():
    """A margin of π changes the training loss and no accuracy, no evaluation and no prediction."""
    plain, margin = model(heads.ArcFace(10, margin=0.0)), model(heads.ArcFace(10, margin=3.0))
    for m in (plain, margin):
        m(X[:1])
    margin.set_weights(plain.get_weights())
    for m in (plain, margin):
        m.optimizer.learning_rate = 0.0
    assert plain.evaluate(X, Y, verbose=0) == margin.evaluate(X, Y, verbose=0)
    np.testing.assert_array_equal(plain.predict(X, verbose=0), margin.predict(X, verbose=0))
    a, b = (m.fit(X, Y, verbose=0, shuffle=False).history for m in (plain, margin))
    assert a["accuracy"] == b["accuracy"]
    assert b["loss"][0] > a["loss"][0] + 10


def test_pixels_of_any_type_are_the_same_pixels():
    m = model()
    np.testing.assert_allclose(m.embed(X[:9]), m.embed(X[:9].astype("float32")), atol=1e-5)


@pytest.mark.full
@pytest.mark.parametrize("jit_compile", [True, False])
def test_weights_of_samples_and_classes(jit_compile):
    m = model(jit_compile=jit_compile)
    threes = np.where(Y == 3, 0.0, 1.0)
    m.fit(X, Y, epochs=3, sample_weight=threes, verbose=0, batch_size=100)
    by_class = model(jit_compile=jit_compile)
    by_class.fit(
        X, Y, epochs=3, class_weight={k: float(k != 3) for k in range(10)}, verbose=0, batch_size=100
    )
    for trained in (m, by_class):
        assert np.mean(trained.predict(X, verbose=0).argmax(1)[Y == 3] == 3) < 0.2


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        m = model(steps_per_execution=4)
        history = m.fit(X, Y, epochs=3, verbose=0).history["loss"]
    finally:
        keras.config.set_dtype_policy(before)
    assert np.isfinite(history).all()
    assert history[-1] < history[0]
    assert keras.backend.standardize_dtype(m.head.class_directions.dtype) == "float32"


def test_save_and_load_with_the_optimiser(tmp_path):
    m = model(metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(3)])
    m.fit(X, Y, verbose=0)
    m.head.margin = 0.45
    m.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert repr(loaded.head) == "ArcFace(num_classes=10, margin=0.45, scale=30.0)"
    assert loaded.evaluate(X_TEST, Y_TEST, verbose=0) == m.evaluate(X_TEST, Y_TEST, verbose=0)
    again = [x.fit(X, Y, verbose=0, shuffle=False).history["loss"][0] for x in (m, loaded)]
    assert again[0] == pytest.approx(again[1], rel=1e-4)


def test_an_orbax_checkpoint_is_loaded_whole_or_not_at_all(tmp_path):
    """Keras finds weights by path, and `load_model` makes other paths: all stayed new, without a word."""
    keras.utils.clear_session()
    m = model()
    m.fit(X, Y, verbose=0, callbacks=[keras.callbacks.OrbaxCheckpoint(tmp_path)])
    with pytest.raises(ValueError, match=r"trainable_variables: the state has .*class_directions"):
        keras.models.load_model(tmp_path)
    keras.utils.clear_session()
    again = model()
    again(X[:1])
    with pytest.raises(ValueError, match=r"optimizer_variables: the state has .*velocity.* the model \[\]"):
        again.load_weights(tmp_path)
    again.optimizer.build(again.trainable_variables)
    again.load_weights(tmp_path)
    assert again.evaluate(X_TEST, Y_TEST, verbose=0) == m.evaluate(X_TEST, Y_TEST, verbose=0)
    for a, b in zip(again.optimizer.variables, m.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a, b)


def test_export_needs_no_labels(tmp_path):
    m = model()
    m.fit(X[:100], Y[:100], verbose=0)
    m.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(tmp_path / "served")
    np.testing.assert_allclose(served.serve(X[:7]), m.predict(X[:7], verbose=0), atol=1e-5)


def test_stock_callbacks(tmp_path):
    m = model()
    callbacks = [
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor="val_accuracy", save_best_only=True),
        keras.callbacks.EarlyStopping(monitor="val_loss", patience=1),
        keras.callbacks.ReduceLROnPlateau(),
        keras.callbacks.TerminateOnNaN(),
    ]
    m.fit(X, Y, epochs=2, validation_split=0.2, callbacks=callbacks, verbose=0)
    assert keras.models.load_model(tmp_path / "best.keras").predict(X[:2], verbose=0).shape == (2, 10)


def run_apart(code, **env):
    run = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | env, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    return run.stdout


def test_on_the_jax_backend():
    code = (
        "import keras, numpy as np; from marginlab import MarginClassifier, encoders, heads, load_mnist;"
        "(x, y), (a, b) = load_mnist();"
        "m = MarginClassifier(encoders.fast(), heads.ArcFace(10)); m.compile(optimizer='adam');"
        "h = m.fit(x[:4000], y[:4000], epochs=3, verbose=0).history['loss'];"
        "assert keras.backend.backend() == 'jax' and h[-1] < h[0], h;"
        "right = np.mean(m.predict(a, verbose=0).argmax(1) == b);"
        "assert abs(m.evaluate(a, b, verbose=0)[1] - right) < 1e-6, right;"
        "m.head.margin = 3.0; print('loss', h)"
    )
    assert "loss" in run_apart(code, KERAS_BACKEND="jax")


@pytest.mark.parametrize(
    "loss",
    [
        "sparse_categorical_crossentropy",
        keras.losses.sparse_categorical_crossentropy,
        keras.losses.SparseCategoricalCrossentropy(),
    ],
)
def test_a_loss_that_takes_probabilities_is_refused(loss):
    with pytest.raises(ValueError, match="from_logits=True"):
        model(loss=loss)


@pytest.mark.parametrize("jit_compile", [True, False])
def test_bad_labels(jit_compile):
    m = model(jit_compile=jit_compile)
    with pytest.raises(TypeError, match="labels must be integers, got float32"):
        m.fit(X[:64], Y[:64].astype("float32"), verbose=0)
    with pytest.raises(ValueError, match="labels must have shape"):
        model(jit_compile=jit_compile).fit(X[:64], np.eye(10, dtype=int)[Y[:64]], verbose=0)
    m = model(jit_compile=jit_compile)
    bad = np.where(np.arange(64) == 5, 10, Y[:64])
    assert np.isnan(m.evaluate(X[:64], bad, verbose=0)[0])
    assert np.isnan(m.fit(X[:64], bad, verbose=0).history["loss"][0])


# ---- MarginWatch -------------------------------------------------------------------------------


def test_watch_reports_every_epoch(capsys):
    m, watch = model(), MarginWatch(X[:500], Y[:500])
    m.fit(X, Y, epochs=2, callbacks=[watch], verbose=0)
    assert len(watch.history) == 2
    assert watch.first_nan is None
    out = capsys.readouterr().out
    assert "Epoch 1: " in out
    assert "largest slope" in out


def test_watch_measures_what_it_says():
    m = model(heads.ArcFace(10, margin=0.5, scale=2.0), encoder=keras.Sequential([keras.layers.Flatten()]))
    m(np.zeros((1, 2), "float32"))
    m.head.class_directions.assign(np.tile([[1.0, 0.0]], (10, 1)))
    angles = np.array([0.0, 5e-4, 0.1, 2.0, 3.0])
    x = np.stack([np.cos(angles), np.sin(angles)], -1) * np.array([[1.0], [2], [3], [4], [5]])
    watch = MarginWatch(x.astype("float32"), np.zeros(5, int), verbose=0)
    watch.set_model(m)
    report = watch.look()
    assert report["near_ends"] == pytest.approx(2 / 5)
    assert report["past_pi"] == pytest.approx(1 / 5)
    assert report["norms"] == pytest.approx((1, 5))
    assert report["largest_slope"] == np.inf
    watch.x, watch.y = watch.x[2:4], watch.y[2:4]
    assert watch.look()["largest_slope"] == pytest.approx(2 * np.sin(0.6) / np.sin(0.1), rel=1e-4)


@keras.saving.register_keras_serializable("tests")
class NaiveArcFace(heads.ArcFace):
    """The head as everybody writes it first: acos of the cosine."""

    def own_angle(self, x, labels):
        # Not by l2_normalize: on some processors it makes 0.99999994 of 1.
        x, w = (v / tf.norm(v, axis=1, keepdims=True) for v in (x, self.class_directions.value))
        return tf.acos(tf.reduce_sum(x * tf.gather(w, labels), axis=1))


def test_watch_names_the_naive_heads_nan(capsys):
    """Embeddings that start on their class direction: acos kills the run, the cure does not."""
    x = np.eye(2, dtype="float32")[[0, 1] * 32]
    y = np.array([0, 1] * 32)
    reports = {}
    for cls in (NaiveArcFace, heads.ArcFace):
        encoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, kernel_initializer="identity")])
        m = model(cls(10, margin=0.3), encoder=encoder, run_eagerly=True)
        m(x[:1])
        directions = np.tile([[-1.0, -1.0]], (10, 1))
        directions[:2] = np.eye(2)
        m.head.class_directions.assign(directions)
        watch = MarginWatch(x, y)
        m.fit(x, y, epochs=2, batch_size=32, verbose=0, callbacks=[watch])
        reports[cls] = watch.first_nan
    assert reports[heads.ArcFace] is None
    assert reports[NaiveArcFace].startswith("Epoch 1, batch 2: the loss is not finite. First place: dense")
    assert "100.0% of the embeddings lay within 0.001 of their class direction" in reports[NaiveArcFace]
    assert reports[NaiveArcFace] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (np.full((64, 28, 28), np.nan, "float32"), Y[:64], "inputs hold NaN"),
        (X[:64], np.full(64, 10), "labels run from 10 to 10"),
    ],
)
def test_watch_names_bad_data(x, y, words, capsys):
    # TensorFlow's ReLU turns NaN into 0, so with NaN inputs the loss stays finite and nothing is learnt.
    m, watch = model(), MarginWatch(x, y)
    m.fit(x, y, verbose=0, callbacks=[watch])
    assert watch.first_nan.startswith("Before training: ")
    assert words in watch.first_nan
    assert watch.first_nan in capsys.readouterr().out


def test_watch_blames_the_learning_rate_when_norms_explode():
    m, watch = model(optimizer=keras.optimizers.SGD()), MarginWatch(X[:64], Y[:64], verbose=0)
    rates = keras.callbacks.LearningRateScheduler(lambda epoch: (1e8, 1e38)[epoch])
    m.fit(X, Y, epochs=2, verbose=0, callbacks=[watch, rates])
    assert watch.history[0]["norms"][1] > 1e4
    assert watch.first_nan.startswith("Epoch 2, ")
    assert "Embeddings had grown to " in watch.first_nan
    assert watch.first_nan.endswith(": lower the learning rate.")


# ---- More classes --------------------------------------------------------------------------------


def points(labels, seed=0):
    """Images of a line of pixels, another for each class."""
    noise = np.random.default_rng(seed).standard_normal((len(labels), 8))
    return (np.eye(8)[labels % 8] * 3 + 0.3 * noise).astype("float32")


OLD = np.arange(120) % 4
NEW = np.arange(60) % 6


def grown(head, **compile_args):
    keras.utils.set_random_seed(0)
    m = MarginClassifier(keras.Sequential([keras.Input((8,)), keras.layers.Dense(8)]), head)
    m.compile(**{"optimizer": keras.optimizers.Adam(0.02)} | compile_args)
    m.fit(points(OLD), OLD, epochs=8, verbose=0)
    return m


def old_rows(model):
    return ops.convert_to_numpy(model.head.class_directions)[:4]


@pytest.mark.parametrize(
    "head",
    [
        lambda: heads.ArcFace(4, margin=0.2, scale=16.0),
        lambda: heads.Softmax(4),
        lambda: heads.AdaFace(4, subcenters=2, scale=16.0, initializer="glorot_uniform"),
    ],
    ids=["ArcFace", "Softmax", "AdaFace of two"],
)
def test_extend_keeps_what_is_old_and_knows_what_is_new(head, capsys):
    m = grown(head())
    x = points(NEW, 1)
    extended = m.extend(num_classes=6, x=x, y=NEW)
    assert extended.head.num_classes == 6
    np.testing.assert_array_equal(old_rows(extended), old_rows(m))
    np.testing.assert_array_equal(extended.embed(x), m.embed(x))
    told = extended.extension
    known = NEW < 4
    assert told["old_before"] == np.mean(m.predict(x[known], verbose=0).argmax(1) == NEW[known]) > 0.9
    assert told["old_after"] == np.mean(extended.predict(x[known], verbose=0).argmax(1) == NEW[known]) > 0.8
    assert told["new"] == np.mean(extended.predict(x[~known], verbose=0).argmax(1) == NEW[~known]) > 0.6
    assert "before" in capsys.readouterr().out
    if isinstance(m.head, heads.AdaFace):
        assert (
            float(ops.convert_to_numpy(extended.head.mean)) == float(ops.convert_to_numpy(m.head.mean)) != 20
        )
    # The optimizer goes on; what has no past begins with zeros.
    assert int(extended.optimizer.iterations) == int(m.optimizer.iterations) > 0
    for own, old in zip(extended.optimizer.variables, m.optimizer.variables, strict=True):
        own, old = (ops.convert_to_numpy(v) for v in (own, old))
        np.testing.assert_array_equal(own if own.shape == old.shape else own[:4], old)
        assert own.shape == old.shape or not own[4:].any()
    before = m.get_weights()
    losses = extended.fit(x, NEW, epochs=2, verbose=0).history["loss"]
    assert losses[1] < losses[0]
    for a, b in zip(before, m.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_extend_without_images_and_what_it_refuses():
    m = grown(heads.ArcFace(4, margin=np.full(4, 0.2), scale=16.0))
    with pytest.raises(
        ValueError, match=r"margin is one for each of 4 classes: give extend one of shape \(5,\)"
    ):
        m.extend(5)
    extended = m.extend(5, margin=np.full(5, 0.3))
    np.testing.assert_array_equal(old_rows(extended), old_rows(m))
    assert extended.extension == {"old_before": None, "old_after": None, "new": None}
    for call, words in (
        (lambda: m.extend(3), "num_classes must be a whole number of at least 4, got 3"),
        (lambda: m.extend(5, x=points(OLD)), "x and y must be given together"),
        (lambda: m.extend(5, points(OLD), OLD + 2), r"y must be whole numbers in \[0, 5\)"),
        (
            lambda: MarginClassifier(keras.layers.Dense(2), heads.ArcFace(3)).extend(4),
            "a model that is built",
        ),
    ):
        with pytest.raises(ValueError, match=words):
            call()
