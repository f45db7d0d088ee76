"""The model in use: loops of one's own, files of other models, padding, several inputs, open sets."""

import functools
import inspect
import math
import os
import subprocess
import sys
import warnings
from contextlib import nullcontext

import keras
import numpy as np
import pytest
from keras import ops
from test_heads import compiled, tensorflow_only

from marginlab import MarginClassifier, blockwise, callbacks, encoders, heads
from marginlab.family import AFTER, FAMILY, OWN

BACKEND = keras.backend.backend()
rng = np.random.default_rng(0)
X = rng.integers(0, 256, (64, 28, 28), "uint8")
Y = rng.integers(0, 10, 64)


def small():
    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(4)]
    return keras.Sequential(layers)


def model(head=None, encoder=None, **compile_args):
    keras.utils.set_random_seed(0)
    m = MarginClassifier(encoder or small(), head or heads.ArcFace(10, margin=0.5))
    m.compile(**{"optimizer": keras.optimizers.SGD(1e-3)} | compile_args)
    return m


def encoded(m, x=X):
    return ops.convert_to_numpy(ops.stop_gradient(m.encoder(x)))


def margin_loss(m, x=X, y=Y):
    """What the loss must be, by hand: the head called with the labels."""
    logits = m.head(m.encoder(x), y)
    return float(ops.mean(keras.losses.sparse_categorical_crossentropy(y, logits, from_logits=True)))


# ---- The margin is never lost in silence ---------------------------------------------------------


def test_two_forward_passes_before_two_losses():
    m = model()
    one, two = m(X[:32], training=True), m(X[32:], training=True)
    for part, y_pred in ((slice(0, 32), one), (slice(32, 64), two)):
        assert float(m.compute_loss(y=Y[part], y_pred=y_pred)) == pytest.approx(
            margin_loss(m, X[part], Y[part]), rel=1e-5
        )


def test_a_prediction_without_its_embeddings_is_refused_and_says_what_to_do():
    m = model()
    with pytest.raises(ValueError, match=r"training=True; or with embeddings=True.*frozen batch norm"):
        m.compute_loss(y=Y, y_pred=m(X, training=False))
    assert float(m.compute_loss(y=Y, y_pred=m(X, training=False), training=False)) < margin_loss(m)


def test_a_frozen_batch_norm_keeps_the_margin_and_its_statistics():
    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(4)]
    norm = keras.layers.BatchNormalization()
    m = model(encoder=keras.Sequential([*layers, norm]))
    m(X)
    before = ops.convert_to_numpy(norm.moving_mean)
    loss = m.compute_loss(y=Y, y_pred=m(X, training=False, embeddings=True))
    assert float(loss) == pytest.approx(margin_loss(m), rel=1e-5)
    np.testing.assert_array_equal(norm.moving_mean, before)


@tensorflow_only
def test_inside_the_scope_of_a_strategy_and_outside_its_run():
    import tensorflow as tf

    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        m = model()
        assert float(m.compute_loss(y=Y, y_pred=m(X, training=True))) == pytest.approx(
            margin_loss(m), rel=1e-5
        )
        with pytest.raises(ValueError, match=r"labels must lie in \[0, 10\)"):
            m.compute_loss(y=Y + 10, y_pred=m(X, training=True))
        with pytest.raises(TypeError, match="labels must be integers"):
            m.compute_loss(y=Y + 0.5, y_pred=m(X, training=True))


@tensorflow_only
def test_each_half_in_a_function_of_its_own():
    import tensorflow as tf

    m = model()
    forward = tf.function(lambda x: m(x, training=True))
    loss = tf.function(lambda y, y_pred: m.compute_loss(y=y, y_pred=y_pred))
    assert float(loss(Y, forward(X))) == pytest.approx(margin_loss(m), rel=1e-5)


@pytest.mark.parametrize("settings", [{"gradient_accumulation_steps": 2}, {"use_ema": True}])
def test_optimizers_that_keep_something(settings):
    m = model(optimizer=keras.optimizers.SGD(1e-3, **settings))
    m(X)
    expected = margin_loss(m)
    assert m.fit(X, Y, batch_size=64, verbose=0).history["loss"][0] == pytest.approx(expected, rel=1e-4)


def test_train_on_batch_and_test_on_batch():
    m = model()
    m(X)
    expected = margin_loss(m)
    plain = m.test_on_batch(X, Y)[0]
    assert m.train_on_batch(X, Y)[0] == pytest.approx(expected, rel=1e-4)
    assert plain < expected - 5


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch compiles nothing here")
def test_a_stateless_loop_of_ones_own():
    m = model()
    m(X)
    expected = margin_loss(m)
    states = [[w.value for w in ws] for ws in (m.trainable_variables, m.non_trainable_variables)]

    @compiled
    def loss(trainable, fixed, x, y):
        y_pred, fixed = m.stateless_call(trainable, fixed, x, training=True)
        return m.stateless_compute_loss(trainable, fixed, [], y=y, y_pred=y_pred)[0]

    found = loss(*states, ops.convert_to_tensor(X), ops.convert_to_tensor(Y.astype("int32")))
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_a_model_around_it_is_refused_and_says_what_to_do():
    student, teacher = model(), model()
    student(X)
    teacher(X)
    distiller = keras.distillation.Distiller(
        teacher=teacher, student=student, distillation_losses=keras.distillation.LogitsDistillation()
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    distiller.compile(optimizer="sgd", loss=loss)
    with pytest.raises(RuntimeError, match=r"by Distiller, whose loss would have no\s+margin"):
        distiller.fit(X, Y, verbose=0)
    inside = model()
    inside(X)
    around = keras.Sequential([keras.layers.Identity(), inside])
    around.compile("sgd", loss)
    with pytest.raises(RuntimeError, match="whose loss would have no"):
        around.fit(X, Y, verbose=0)
    assert np.isfinite(model().fit(X, Y, verbose=0).history["loss"][0])  # by itself it trains after that


def test_computed_anew_under_a_remat_scope():
    with keras.RematScope(mode="full"):
        m = model(encoder=encoders.fast(), run_eagerly=BACKEND == "tensorflow")  # Keras's own limit, compiled
    m(X)
    expected = margin_loss(m)
    assert m.fit(X, Y, batch_size=64, verbose=0).history["loss"][0] == pytest.approx(expected, rel=1e-4)


# ---- Settings are settings -----------------------------------------------------------------------

KINDS = ["weights.h5", "keras", "orbax"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("other", [heads.CosFace, heads.SphereFace, heads.NormFace, heads.Softmax])
def test_a_file_of_another_head_is_refused(kind, other, tmp_path):
    if kind == "orbax" and BACKEND == "torch":
        pytest.skip("Keras writes Orbax checkpoints on TensorFlow and JAX")
    # All names alike, for Keras finds the variables of a checkpoint by their paths.
    made = []
    for cls in (heads.ArcFace, other):
        keras.utils.clear_session()
        made.append(model(cls(10, name="head")))
        made[-1](X)
    saved, loading = made
    before = repr(loading.head)
    if kind == "orbax":
        state = saved.get_state_tree()
        with pytest.raises(ValueError, match=r"non_trainable_variables: the state has .*arcface_margin|bias"):
            loading.set_state_tree(state)
    else:
        path = tmp_path / f"m.{kind}"
        (saved.save_weights if kind == "weights.h5" else saved.save)(path)
        with pytest.raises(ValueError, match=rf"weights of ArcFace, and this is {other.__name__}"):
            loading.load_weights(path)
    assert repr(loading.head) == before


def test_a_state_out_of_range_is_refused():
    m = model()
    m(X)
    state = m.get_state_tree(value_format="numpy_array")

    def edited(tree):
        return {
            k: edited(v) if isinstance(v, dict) else 9.0 if k.endswith("margin") else v
            for k, v in tree.items()
        }

    with pytest.raises(ValueError, match=r"margin must be an angle in radians in \[0, π\], got 9"):
        m.set_state_tree(edited(state))
    assert m.head.margin == 0.5


def test_weights_are_weights_and_a_model_file_holds_the_settings(tmp_path):
    one, two = model(heads.ArcFace(10, margin=0.1, scale=16.0)), model()
    for m in (one, two):
        m(X)
    one.save_weights(tmp_path / "w.weights.h5")
    two.load_weights(tmp_path / "w.weights.h5")
    two.set_weights(one.get_weights())
    assert (two.head.margin, two.head.scale) == (0.5, 30.0)
    np.testing.assert_allclose(two.predict(X, verbose=0), one.predict(X, verbose=0) / 16 * 30, rtol=1e-5)
    one.save(tmp_path / "m.keras")
    assert keras.models.load_model(tmp_path / "m.keras").head.margin == 0.1
    # A checkpoint holds the settings too, as state: who resumes goes on with the margin of the run.
    keras.utils.clear_session()
    three = model(heads.ArcFace(10, margin=0.1, scale=16.0, name="head"))
    keras.utils.clear_session()
    four = model(heads.ArcFace(10, name="head"))
    for m in (three, four):
        m(X)
    four.set_state_tree(three.get_state_tree())
    assert (four.head.margin, four.head.scale) == pytest.approx((0.1, 16.0))


def test_early_stopping_does_not_turn_a_schedule_back():
    m = model(optimizer=keras.optimizers.SGD(0.0))
    stop = keras.callbacks.EarlyStopping("val_loss", patience=9, restore_best_weights=True)
    schedule = callbacks.MarginSchedule(margin=(0.0, 0.4), epochs=2)
    m.fit(X, Y, epochs=4, validation_data=(X, Y), callbacks=[schedule, stop], verbose=0)
    assert m.head.margin == 0.4


TABLE = {**FAMILY, **AFTER, "own": OWN}


def made(name):
    """What makes a head of the table with ten classes."""
    if name == "own":
        return functools.partial(heads.from_formula, "m + a + b - theta")
    return functools.partial(heads.BY_NAME.get(name) or getattr(heads, TABLE[name].title), 10)


def ends():
    for name, member in TABLE.items():
        for setting in member.settings.values():
            for value in (setting.low, setting.high):
                yield name, setting.name, value


@pytest.mark.parametrize(("name", "setting", "value"), list(ends()))
def test_every_closed_end_of_every_range_comes_back(name, setting, value, tmp_path):
    head = made(name)(**{setting: value})
    assert getattr(head, setting) == value
    setattr(head, setting, getattr(head, setting))
    m = keras.Sequential([keras.Input((2,)), head])
    m.save(tmp_path / "m.keras")
    for again in (
        type(head).from_config(head.get_config()),
        keras.models.clone_model(m).layers[-1],
        keras.models.load_model(tmp_path / "m.keras").layers[-1],
    ):
        assert getattr(again, setting) == value


def test_pi_which_float32_rounds_up_comes_back():
    head = heads.ArcFace(10, margin=math.pi)
    head.margin = head.margin
    assert type(head).from_config(head.get_config()).margin == math.pi


@pytest.mark.parametrize(("name", "setting", "value"), list(ends()))
def test_beyond_every_end_is_refused(name, setting, value):
    row = TABLE[name].settings[setting]
    room = 1e-3 * max(1.0, abs(value))
    with pytest.raises(ValueError, match=f"{setting} must be "):
        made(name)(**{setting: value - room if value == row.low else value + room})


def test_the_table_gives_heads_and_trainer_the_same_defaults():
    for name, member in FAMILY.items():
        head = heads.BY_NAME[name](10)
        assert {setting: getattr(head, setting) for setting in head.settings} == member.defaults


# ---- Callbacks that set the margin ---------------------------------------------------------------


class SetsMargin(keras.callbacks.Callback):
    """Sets the margin with each batch, of a head that it keeps or of its model's."""

    def __init__(self, head=None):
        super().__init__()
        self.head, self.found = head, []

    def on_train_batch_end(self, batch, logs=None):
        head = self.head or self.model.head
        head.margin = 0.1 * (batch + 1)
        self.found.append(head.margin)


def test_a_callback_that_sets_the_margin_works_or_says_how():
    m = model(optimizer=keras.optimizers.SGD(0.0))
    callback = SetsMargin()
    m.fit(X, Y, batch_size=16, callbacks=[callback], verbose=0)
    assert callback.found == [0.1, 0.2, pytest.approx(0.3), 0.4]
    assert m.head.margin == 0.4
    kept = SetsMargin(m.head)
    if BACKEND == "jax":
        with pytest.raises(RuntimeError, match=r"self\.model\.head in a callback.*MarginSchedule"):
            m.fit(X, Y, batch_size=16, callbacks=[kept], verbose=0)
    else:
        m.fit(X, Y, batch_size=16, callbacks=[kept], verbose=0)
        assert m.head.margin == 0.4


@pytest.mark.parametrize("by", ["epochs", "steps"])
def test_a_schedule_is_obeyed_by_the_loss_and_resumes(by):
    m = model(optimizer=keras.optimizers.SGD(0.0))
    m(X)
    losses = {}
    for margin in (0.0, 0.1, 0.2, 0.3):
        m.head.margin = margin
        losses[margin] = margin_loss(m)
    schedule = callbacks.MarginSchedule(margin=(0.0, 0.2), **{by: 2})
    found = m.fit(X, Y, epochs=3, batch_size=64, callbacks=[schedule], verbose=0).history["loss"]
    np.testing.assert_allclose(found, [losses[0.0], losses[0.1], losses[0.2]], rtol=1e-4)
    again = callbacks.MarginSchedule(margin=(0.0, 0.4), **{by: 4})
    found = m.fit(X, Y, initial_epoch=3, epochs=4, batch_size=64, callbacks=[again], verbose=0).history[
        "loss"
    ]
    np.testing.assert_allclose(found, [losses[0.3]], rtol=1e-4)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"margin": (0, 1)}, TypeError, "give epochs or steps"),
        ({"margin": (0, 1), "epochs": 1, "steps": 1}, TypeError, "give epochs or steps"),
        ({"margin": (0, 1), "epochs": 0}, ValueError, "epochs must be a whole number of at least 1, got 0"),
        ({"epochs": 2}, TypeError, "give a setting"),
        ({"margin": 0.5, "epochs": 2}, TypeError, r"margin must be a pair \(from, to\), got 0.5"),
        ({"margin": (0, 4), "epochs": 2}, ValueError, "margin must be an angle.*got 4"),
        ({"m2": (0, 1), "epochs": 2}, TypeError, "has no setting 'm2'; its settings are: scale, margin"),
    ],
)
def test_bad_schedules(settings, error, words):
    with pytest.raises(error, match=words):
        model().fit(X, Y, callbacks=[callbacks.MarginSchedule(**settings)], verbose=0)


# ---- Any input that Keras takes ------------------------------------------------------------------


def losses_of(**settings):
    return {
        "plain": keras.losses.SparseCategoricalCrossentropy(from_logits=True, **settings),
        "blockwise": blockwise.BlockwiseCrossentropy(block_size=3, **settings),
    }


@pytest.mark.parametrize("eagerly", [True, False])
@pytest.mark.parametrize("loss", losses_of())
def test_rows_that_do_not_count_may_have_any_label(loss, eagerly):
    labels = np.where(np.arange(64) < 9, -1, Y)
    weights = (labels >= 0).astype("float32")
    fit = {"batch_size": 64, "verbose": 0}
    padded, ignored, without = (
        model(loss=kinds[loss], run_eagerly=eagerly)
        for kinds in (losses_of(), losses_of(ignore_class=-1), losses_of())
    )
    expected = without.fit(X[9:], Y[9:], **fit).history["loss"][0]
    assert ignored.fit(X, labels, **fit).history["loss"][0] == pytest.approx(expected, rel=1e-4)
    found = padded.fit(X, labels, sample_weight=weights, **fit).history["loss"][0]
    assert found == pytest.approx(expected * 55 / 64, rel=1e-4)
    for a, b in zip(ignored.get_weights(), without.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert np.isfinite(
        padded.evaluate(X, labels, sample_weight=weights, verbose=0)[0] if loss == "plain" else 0
    )


@pytest.mark.parametrize("loss", losses_of())
def test_weights_as_a_column_are_the_same_weights(loss):
    labels, weights = np.where(np.arange(64) < 5, -1, Y), rng.random(64).astype("float32")
    found = [
        model(loss=losses_of(ignore_class=-1)[loss]).train_on_batch(X, y, sample_weight=w)
        for y in (labels, labels[:, None])
        for w in (weights, weights[:, None])
    ]
    first = [np.ravel(each)[0] for each in found]
    np.testing.assert_allclose(first, first[0], rtol=1e-6)


@pytest.mark.parametrize("loss", losses_of())
def test_a_batch_in_which_no_row_counts_is_finite(loss):
    m = model(loss=losses_of(ignore_class=-1)[loss])
    assert m.fit(X, np.full(64, -1), verbose=0).history["loss"][0] == 0
    assert np.isfinite(m.get_weights()[0]).all()


def test_labels_as_a_column():
    found = [model().fit(X, y, verbose=0, batch_size=64).history for y in (Y, Y[:, None])]
    assert found[0] == found[1]
    watch = callbacks.MarginWatch(X, Y[:, None], verbose=0)
    model().fit(X, Y[:, None], callbacks=[watch], verbose=0)
    assert len(watch.history) == 1


def test_an_encoder_that_divides_gets_the_pixels_as_they_are(capsys):
    m = model()
    np.testing.assert_allclose(m.embed(X), encoded(m, X.astype("float32")), atol=1e-5)
    m.summary()
    assert "Rescaling" in capsys.readouterr().out


@tensorflow_only
def test_what_is_served_is_what_was_trained(tmp_path):
    import tensorflow as tf

    m = model(encoder=encoders.fast())
    m(np.zeros((1, 28, 28), "float32"))  # a first call with another type
    m.fit(X, Y, verbose=0)
    for name, exported in (("one", m), ("loaded", None)):
        if exported is None:
            m.save(tmp_path / "m.keras")
            exported = keras.models.load_model(tmp_path / "m.keras")
        exported.export(tmp_path / name, verbose=False)
        served = tf.saved_model.load(tmp_path / name)
        (spec,) = served.signatures["serving_default"].structured_input_signature[1].values()
        assert spec.dtype == tf.uint8
        for images in (X, X.astype("float32")):
            np.testing.assert_allclose(served.serve(images), m.predict(X, verbose=0), atol=1e-5)


def two_inputs(kind):
    a, b = keras.Input((4,), name="a"), keras.Input((3,), dtype="int32", name="b")
    found = keras.layers.Dense(2)(
        keras.layers.Concatenate()([a, keras.layers.Flatten()(keras.layers.Embedding(9, 2)(b))])
    )
    x = [rng.random((64, 4)).astype("float32"), rng.integers(0, 9, (64, 3), "int32")]
    names = {"a": a, "b": b}, dict(zip("ab", x, strict=True))
    inputs, x = {"dict": names, "list": ([a, b], x), "tuple": ((a, b), tuple(x))}[kind]
    return keras.Model(inputs, found), x


@pytest.mark.filterwarnings("ignore:The structure of `inputs`")  # Keras's own, of a dict in a dict's place
@pytest.mark.parametrize("kind", ["dict", "list", "tuple"])
def test_inputs_of_any_structure(kind, tmp_path):
    encoder, x = two_inputs(kind)
    m = model(encoder=encoder)
    m.fit(x, Y, verbose=0)
    logits = m.predict(x, verbose=0)
    assert m.embed(x).shape == (64, 2)
    assert m.embed(keras.tree.map_structure(lambda v: v[:0], x)).shape == (0, 2)
    m.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(again.predict(x, verbose=0), logits, atol=1e-6)
    if BACKEND == "tensorflow":
        import tensorflow as tf

        again.export(tmp_path / "served", verbose=False)
        served = tf.saved_model.load(tmp_path / "served")
        tensors = keras.tree.map_structure(tf.constant, list(x) if kind == "tuple" else x)
        np.testing.assert_allclose(served.serve(tensors), logits, atol=1e-5)


def test_a_subclassed_encoder_with_a_dictionary():
    class Sum(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(3)

        def call(self, x):
            return self.dense(ops.concatenate([x["a"], ops.cast(x["b"], "float32")], axis=-1))

    _, x = two_inputs("dict")
    m = model(encoder=Sum())
    m.fit(x, Y, verbose=0)
    assert m.embed(x).shape == (64, 3)


def test_build_makes_the_head_too(tmp_path):
    m, again = model(), model()
    m(X)
    m.save_weights(tmp_path / "m.weights.h5")
    again.build((None, 28, 28))
    assert again.head.built
    again.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_array_equal(again.predict(X, verbose=0), m.predict(X, verbose=0))


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 4

    def __getitem__(self, i):
        return X[16 * i : 16 * (i + 1)], Y[16 * i : 16 * (i + 1)]


def test_embed_takes_what_predict_takes():
    import tensorflow as tf

    m = model()
    expected = encoded(m)
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(10)
    for x in (X, data, Batches(), ((part,) for part in (X[:32], X[32:]))):
        np.testing.assert_allclose(m.embed(x), expected, atol=1e-5)
    assert model().embed(X[:0]).shape == (0, 4)


def test_embed_follows_the_encoder():
    m = model()
    m.embed(X)
    m.encoder.layers[-1].enable_lora(2)
    m.encoder.layers[-1].lora_kernel_b.assign(np.ones((2, 4), "float32"))
    m.compile("sgd")
    np.testing.assert_allclose(m.embed(X), encoded(m), atol=1e-4)


def test_weights_have_one_name_whoever_builds_them():
    paths = []
    for build in (lambda m: m(X), lambda m: m.embed(X), lambda m: m.build((None, 28, 28))):
        keras.utils.clear_session()
        m = model(heads.ArcFace(10, name="head"))
        build(m)
        paths.append([v.path for v in m.weights])
    assert paths[0] == paths[1] == paths[2]


def test_a_file_of_a_model_that_was_never_called_trains(tmp_path):
    m = model(encoder=encoders.fast(), optimizer="adam")
    m.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert np.isfinite(again.fit(X, Y, verbose=0).history["loss"][0])


def test_a_file_of_another_shape_says_so(tmp_path):
    one, other = model(), model(heads.ArcFace(12))
    for m in (one, other):
        m(X)
    one.save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(ValueError, match=r"directions of shape \(10, 4\), and this ArcFace \(12, 4\)"):
        other.load_weights(tmp_path / "m.weights.h5")


def test_a_store_without_weights_is_refused_in_words_after_a_load_too(tmp_path):
    m = model()
    m(X)
    m.save_weights(tmp_path / "m.weights.h5")
    m.load_weights(tmp_path / "m.weights.h5")
    with pytest.raises(ValueError, match="the file has no weights for this ArcFace"):
        m.head.load_own_variables({})


def test_embedding_leaves_no_trace_in_the_file(tmp_path):
    m, again = model(), model()
    m(X)
    m.embed(X)
    m.save_weights(tmp_path / "m.weights.h5")
    again(X)
    again.load_weights(tmp_path / "m.weights.h5")
    assert len(m.weights) == 3
    np.testing.assert_array_equal(again.embed(X), m.embed(X))


# ---- People who are not in training --------------------------------------------------------------


def validations():
    """Of each its data and its `validation_split`."""
    import tensorflow as tf

    late = np.where(np.arange(64) > 60, 77, Y)
    weights = (late < 10).astype("float32")
    return {
        "other people": ((X, Y + 10), 0.0),
        "negative": ((X, Y - 1), 0.0),
        "a data set": (tf.data.Dataset.from_tensor_slices((X, Y + 10)).batch(32), 0.0),
        "one late": ((X, late), 0.0),
        "in the split": (None, 0.1),
        "weight 0": ((X, late, weights), 0.0),
        "known people": ((X, Y), 0.0),
        "a column": ((X, Y[:, None]), 0.0),
    }


@pytest.mark.parametrize("kind", ["other people", "negative", "a data set", "one late", "in the split"])
def test_strangers_in_the_validation_are_told_at_the_start(kind):
    data, split = validations()[kind]
    labels = np.where(np.arange(64) > 60, 77, Y) if split else Y
    # Where nothing is compiled, the first such batch is then an error.
    eagerly = pytest.raises(ValueError, match="labels must lie in") if BACKEND == "torch" else nullcontext()
    history = {"val_loss": [np.nan]}
    with pytest.warns(UserWarning, match=r"the head knows those in\s+\[0, 10\).*callbacks\.Verify"), eagerly:
        history = model().fit(X, labels, validation_data=data, validation_split=split, verbose=0).history
    assert np.isnan(history["val_loss"]).all()


@pytest.mark.parametrize("kind", ["weight 0", "known people", "a column"])
def test_nothing_is_said_of_a_validation_that_has_a_loss(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        history = model().fit(X, Y, validation_data=validations()[kind][0], verbose=0).history
    assert np.isfinite(history["val_loss"]).all()


def test_verify_measures_strangers_for_the_callbacks_after_it():
    m = model(optimizer=keras.optimizers.SGD(0.0))
    people = np.repeat(np.arange(100, 116), 4)
    verify = callbacks.Verify(X, people, far=0.1, count=500)
    stop = keras.callbacks.EarlyStopping("val_tar", mode="max", patience=1)
    history = m.fit(X, Y, epochs=9, callbacks=[verify, stop], verbose=0).history
    assert len(history["val_tar"]) == 2  # nothing is learnt at a rate of 0, and it stopped
    assert {"val_eer", "val_recall_at_1"} < history.keys()
    # An encoder that knows the people has no errors, and that is what it says.
    angles = np.arange(16) * 2 * np.pi / 16
    known = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    m = model(encoder=keras.Sequential([keras.layers.Identity()]), optimizer=keras.optimizers.SGD(0.0))
    verify = callbacks.Verify(known[people - 100].astype("float32"), people, far=0.01, count=500)
    history = m.fit(rng.random((64, 2), "float32"), Y, callbacks=[verify], verbose=0).history
    assert (history["val_tar"], history["val_eer"], history["val_recall_at_1"]) == ([1.0], [0.0], [1.0])


# ---- What is refused -----------------------------------------------------------------------------


@pytest.mark.skipif(BACKEND == "torch", reason="Keras's custom gradients are differentiated once there")
def test_second_derivatives_of_the_blockwise_loss_are_refused_in_words():
    head, x, y = heads.ArcFace(10), ops.convert_to_tensor(rng.random((8, 4), "float32")), Y[:8]
    head(x)

    def loss(x):
        return ops.sum(blockwise.cross_entropy(head, x, y, block_size=4))

    def slope_of_the_slope():
        if BACKEND == "jax":
            import jax

            return jax.grad(lambda x: ops.sum(jax.grad(loss)(x) ** 2))(x)
        import tensorflow as tf

        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                value = loss(x)
            square = ops.sum(inner.gradient(value, x) ** 2)
        return outer.gradient(square, x)

    with pytest.raises(NotImplementedError, match="first derivatives only"):
        slope_of_the_slope()


def test_compile_takes_its_arguments_in_kerass_order():
    own, stock = (list(inspect.signature(c.compile).parameters) for c in (MarginClassifier, keras.Model))
    assert own[:5] == stock[:5]
    m = model()
    m.compile("sgd", None, [2.0])
    m(X)
    assert m.train_on_batch(X, Y)[0] == pytest.approx(2 * margin_loss(model()), rel=1e-4)


def test_a_watch_with_a_layer_for_an_encoder_still_diagnoses():
    x = rng.random((64, 4)).astype("float32")
    x[40] = np.nan
    watch = callbacks.MarginWatch(x[:32], Y[:32], verbose=0)
    model(encoder=keras.layers.Dense(2)).fit(x, Y, epochs=2, callbacks=[watch], verbose=0)
    assert "the loss is not finite. First place: dense" in watch.first_nan


@pytest.mark.skipif(BACKEND != "tensorflow", reason="starts a JAX of its own")
def test_classes_that_the_devices_do_not_divide_are_refused_in_words():
    code = """
import keras
from marginlab import heads
devices = keras.distribution.list_devices()
mesh = keras.distribution.DeviceMesh((1, len(devices)), ["batch", "model"], devices)
layout = keras.distribution.LayoutMap(mesh)
layout[".*class_directions"] = ("model", None)
keras.distribution.set_distribution(
    keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch")
)
heads.ArcFace(12).build((None, 4))
try:
    heads.ArcFace(10).build((None, 4))
except ValueError as error:
    print(error)
"""
    flags = {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    run = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | flags, capture_output=True, text=True, check=True
    )
    assert "num_classes must be a multiple of the devices" in run.stdout
    assert "got 10. Round it up" in run.stdout


def test_a_watch_counts_what_the_loss_counts():
    labels = np.where(np.arange(64) < 9, -1, Y)
    padded = callbacks.MarginWatch(X, labels, verbose=0, sample_weight=labels >= 0)
    model().fit(X, Y, callbacks=[padded], verbose=0)
    ignored = callbacks.MarginWatch(X, labels, verbose=0)
    model(loss=losses_of(ignore_class=-1)["plain"]).fit(X, Y, callbacks=[ignored], verbose=0)
    only = callbacks.MarginWatch(X[9:], Y[9:], verbose=0)
    model().fit(X, Y, callbacks=[only], verbose=0)
    for other in (padded.history, ignored.history):
        for name, value in only.history[0].items():
            assert other[0][name] == pytest.approx(value, rel=1e-4)
    none = callbacks.MarginWatch(X, np.full(64, -1), verbose=0, sample_weight=np.zeros(64))
    model().fit(X, Y, callbacks=[none], verbose=0)
    assert "no row of this batch counts" in none.first_nan


@pytest.mark.filterwarnings("ignore:The structure of `inputs`")
def test_a_watch_takes_inputs_of_any_structure():
    encoder, x = two_inputs("dict")
    watch = callbacks.MarginWatch(x, Y, verbose=0)
    model(encoder=encoder).fit(x, Y, callbacks=[watch], verbose=0)
    assert len(watch.history) == 1


def test_verify_and_schedule_refuse_in_words():
    with pytest.raises(ValueError, match="x and y must have as many rows, got 4 and 3"):
        callbacks.Verify(X[:4], [0, 0, 1], count=10)
    plain = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10)])
    plain.compile("sgd", "mse")
    with pytest.raises(TypeError, match="MarginSchedule needs a model with a head, got Sequential"):
        plain.fit(X, np.eye(10)[Y], callbacks=[callbacks.MarginSchedule(margin=(0, 1), epochs=1)], verbose=0)
