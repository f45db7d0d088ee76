"""The hooks of `CosineHead` are enough: two heads of another kind, and all that the house does with heads."""

import inspect

import keras
import numpy as np
import pytest
from autodiff import BACKEND, gradients, to_numpy
from keras import ops
from test_blockwise import Blockwise, plain

from marginlab import MarginClassifier, blockwise, budget, family, geometry, heads, reference
from marginlab.callbacks import MarginSchedule, MarginWatch

tensorflow_only = pytest.mark.skipif(BACKEND != "tensorflow", reason="a TensorFlow feature")


@keras.saving.register_keras_serializable("tests")
class ByLength(heads.CosineHead):
    """AdaFace: the longer an embedding among those of late, the more of its margin is in the cosine.

    Kim et al., "AdaFace: Quality Adaptive Margin for Face Recognition", 2022, eq. 6 to 12.
    """

    mean_initializer, deviation_initializer = map(keras.initializers.Constant, (20.0, 100.0))

    def __init__(self, num_classes, *, margin=0.4, h=0.333, momentum=0.9, **kwargs):
        super().__init__(num_classes, **kwargs)
        self.margin, self.h, self.momentum = margin, h, momentum

    def build(self, shape):
        super().build(shape)
        number = {"shape": (), "trainable": False}
        self.mean = self.add_weight(name="mean", initializer=self.mean_initializer, **number)
        self.deviation = self.add_weight(name="deviation", initializer=self.deviation_initializer, **number)

    def psi(self, theta, x, labels):
        length = ops.stop_gradient(geometry.norm(x))
        for state, new in ((self.mean, ops.mean(length)), (self.deviation, ops.std(length))):
            state.assign(self.momentum * state + (1 - self.momentum) * new)
        z = ops.clip((length - self.mean) / (self.deviation + 1e-3) * self.h, -1.0, 1.0)
        return geometry.ucos(theta - self.margin * z) - self.margin * (z + 1)

    def get_config(self):
        return super().get_config() | {"margin": self.margin, "h": self.h, "momentum": self.momentum}


@keras.saving.register_keras_serializable("tests")
class Subcenters(heads.ArcFace):
    """ArcFace with K directions a class, of which the nearest counts.

    Deng et al., "Sub-center ArcFace: Boosting Face Recognition by Large-scale Noisy Web Faces", 2020, §3.2.
    """

    def __init__(self, num_classes, *, subcenters=3, **kwargs):
        super().__init__(num_classes, **kwargs)
        self.subcenters = subcenters

    def build(self, shape):
        rows = (self.num_classes, self.subcenters, shape[-1])
        self.class_directions = self.add_weight(rows, self.initializer, name="class_directions")

    def cosines(self, x):
        rows = ops.reshape(self.class_directions, (-1, x.shape[-1]))
        table = geometry.cosine_table(x, rows)
        return ops.max(ops.reshape(table, (-1, self.num_classes, self.subcenters)), axis=-1)

    def own_angle(self, x, labels):
        # The largest cosine is the smallest angle: of three angles that are measured, none is of acos.
        return ops.min(geometry.angle(x[:, None], ops.take(self.class_directions, labels, axis=0)), axis=-1)

    def rows(self, start, size):
        return heads.block(self.class_directions, start, size)

    def get_config(self):
        return super().get_config() | {"subcenters": self.subcenters}


@keras.saving.register_keras_serializable("tests")
class FlatSubcenters(Subcenters):
    """The same, with its rows under each other, as insightface keeps them."""

    def build(self, shape):
        rows = (self.num_classes * self.subcenters, shape[-1])
        self.class_directions = self.add_weight(rows, self.initializer, name="class_directions")

    def own_angle(self, x, labels):
        own = ops.take(ops.reshape(self.class_directions, (-1, self.subcenters, x.shape[-1])), labels, axis=0)
        return ops.min(geometry.angle(x[:, None], own), axis=-1)

    def rows(self, start, size):
        rows = heads.block(self.class_directions, start * self.subcenters, size * self.subcenters)
        return ops.reshape(rows, (size, self.subcenters, -1))


def kinds(*which):
    return pytest.mark.parametrize("kind", which, ids=lambda kind: kind.__name__)


rng = np.random.default_rng(0)
X = (20 + 100 * rng.random((12, 1))).astype("float32") * rng.standard_normal((12, 8)).astype("float32")
Y = np.arange(12) % 10


def built(kind, **settings):
    head = kind(10, initializer=keras.initializers.RandomNormal(seed=1), **settings)
    head.build((None, 8))
    return head


@kinds(ByLength, Subcenters)
def test_it_is_written_in_under_forty_lines(kind):
    assert len(inspect.getsource(kind).splitlines()) < 40


# ---- What the two compute -------------------------------------------------------------------------


def test_the_margin_goes_by_the_length():
    head = built(ByLength, margin=0.4, scale=1.0)
    theta = reference.angle(X, to_numpy(head.class_directions)[Y])
    lengths = reference.norm(X)
    found = to_numpy(head(X, Y))[np.arange(12), Y]
    mean, deviation = 0.9 * 20 + 0.1 * lengths.mean(), 0.9 * 100 + 0.1 * lengths.std()
    z = np.clip((lengths - mean) / (deviation + 1e-3) * 0.333, -1, 1)
    assert len({*np.round(z, 3)}) > 6
    np.testing.assert_allclose(found, reference.psi(theta, 1, -0.4 * z, 0.4 * (z + 1)), atol=1e-5)
    np.testing.assert_allclose([to_numpy(head.mean), to_numpy(head.deviation)], [mean, deviation], rtol=1e-5)


def test_no_gradient_goes_through_the_length():
    """With a number for the scale, the gradient in x stands at right angles to it: lengths do not pay."""
    _, (dx, _) = gradients(built(ByLength), lambda z: ops.sum(plain(z, Y)), X, Y)
    along = (dx * X).sum(axis=1) / (reference.norm(dx) * reference.norm(X))
    np.testing.assert_allclose(along, 0, atol=1e-3)


@kinds(Subcenters, FlatSubcenters)
def test_the_nearest_direction_of_a_class_counts(kind):
    head = built(kind, margin=0.3, scale=1.0)
    w = to_numpy(head.class_directions).reshape(10, 3, 8)
    theta = reference.angle(X[:, None, None], w[None]).min(axis=-1)
    np.testing.assert_allclose(to_numpy(head(X)), np.cos(theta), atol=1e-6)
    own = theta[np.arange(12), Y]
    np.testing.assert_allclose(to_numpy(head(X, Y))[np.arange(12), Y], reference.psi(own, 1, 0.3), atol=1e-6)


def test_on_a_direction_the_gradient_is_finite():
    """Where acos of the largest cosine has none."""
    head = built(Subcenters)
    x = to_numpy(head.class_directions)[Y, 1].astype("float32")
    _, grads = gradients(head, lambda z: ops.sum(plain(z, Y)), x, Y)
    assert all(np.isfinite(g).all() for g in grads)


# ---- What the house does with them ------------------------------------------------------------------


@kinds(ByLength, Subcenters, FlatSubcenters)
@pytest.mark.parametrize(("size", "scale"), [(3, 4.0), (64, "norm")])
def test_blockwise_is_the_plain_loss(kind, size, scale):
    x = X if scale == 4.0 else X / 50  # from a length of some hundreds the softmax is 0 and 1
    weights = ops.convert_to_tensor(np.linspace(0, 2, 12).astype("float32"))
    value, expected = gradients(built(kind, scale=scale), lambda z: ops.sum(weights * plain(z, Y, 0.1)), x, Y)
    other = Blockwise(built(kind, scale=scale), label_smoothing=0.1, block_size=size)
    mine, grads = gradients(other, lambda losses: ops.sum(weights * losses), x, Y)
    np.testing.assert_allclose(mine, value, rtol=1e-5)
    for g, e in zip(grads, expected, strict=True):
        np.testing.assert_allclose(g, e, atol=1e-5 * np.abs(e).max())


def test_blockwise_asks_for_a_block_at_a_time():
    asked = []

    class Asked(Subcenters):
        def rows(self, start, size):
            asked.append(size)
            return super().rows(start, size)

    blockwise.cross_entropy(built(Asked), X, Y, block_size=4)
    assert set(asked) == {4}


class OneTable(heads.ArcFace):
    def cosines(self, x):
        return 0.5 * super().cosines(x)


class HalfRows(heads.ArcFace):
    def rows(self, start, size):
        return super().rows(start, size)[:, :4]


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        (OneTable, TypeError, "OneTable has its own cosines, .* asks `rows`"),
        (HalfRows, ValueError, r"HalfRows.rows must be the 80 numbers of 10 classes .*got \(10, 4\)"),
    ],
)
def test_blockwise_refuses_rows_that_are_not_the_heads(kind, error, words):
    with pytest.raises(error, match=words):
        blockwise.cross_entropy(built(kind), X, Y)


def model(kind, loss=None):
    keras.utils.set_random_seed(0)
    encoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(8)])
    m = MarginClassifier(encoder, kind(10, scale=10.0))
    m.compile(keras.optimizers.Adam(0.01), loss=loss)
    return m


def fitted(m, epochs, *callbacks):
    """The losses of some epochs in which the scale grows."""
    callbacks = [MarginSchedule(scale=(5.0, 10.0), epochs=2), *callbacks]
    return m.fit(IMAGES, DIGITS, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks).history["loss"]


IMAGES = rng.standard_normal((10, 4)).astype("float32")[np.arange(320) % 10]
IMAGES += 0.1 * rng.standard_normal(IMAGES.shape).astype("float32")
DIGITS = np.arange(320) % 10


@kinds(ByLength, Subcenters)
def test_it_trains_is_watched_saved_and_exported(kind, tmp_path):
    m, watch = model(kind), MarginWatch(IMAGES, DIGITS, verbose=1)
    curve = fitted(m, 15, watch)
    np.testing.assert_allclose(
        fitted(model(kind, blockwise.BlockwiseCrossentropy(block_size=4)), 3), curve[:3], rtol=1e-4
    )
    assert m.evaluate(IMAGES, DIGITS, verbose=0)[1] > 0.95
    assert (watch.first_nan, len(watch.history)) == (None, 15)
    assert (watch.history[-1]["past_pi"] is None) == (kind is ByLength)
    m.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert type(loaded.head) is kind
    np.testing.assert_allclose(*[x.predict(IMAGES, verbose=0) for x in (m, loaded)], atol=1e-5)
    state, again = ([to_numpy(v) for v in x.head.variables] for x in (m, loaded))
    for a, b in zip(state, again, strict=True):
        np.testing.assert_array_equal(a, b)
    if BACKEND == "tensorflow":
        import tensorflow as tf

        m.export(tmp_path / "served", verbose=False)
        served = tf.saved_model.load(str(tmp_path / "served"))
        np.testing.assert_allclose(served.serve(IMAGES), m.predict(IMAGES, verbose=0), atol=1e-5)


@tensorflow_only
@kinds(ByLength, Subcenters)
def test_the_trainer_takes_it(kind):
    from marginlab import Trainer

    trainer = Trainer(kind(10, scale=10.0), epochs=1, frames=2)
    first, second = trainer.retrain(), trainer.retrain()
    assert first.test_accuracy > 0.6
    assert first.losses.tolist() == second.losses.tolist()
    assert first.explain()


def test_a_budget_is_given_where_margins_are_numbers(monkeypatch):
    """By what the table says of the head, and not by its name."""
    row = family.Member("AdaFace", "Kim et al. 2022", family.FAMILY["arcface"].settings, numeric=False)
    monkeypatch.setitem(family.FAMILY, "adaface", row)
    assert set(family.FAMILY) - set(family.numeric()) == {"adaface"}
    with pytest.raises(ValueError, match=r"head must be one of softmax, .*combined, got 'adaface'"):
        budget(10, 2, "adaface", 0.3)


@pytest.mark.parametrize("head", [name for name in family.FAMILY if name != "softmax"])
def test_a_margin_from_settings_is_what_a_budget_takes(head):
    member = family.FAMILY[head]
    margin = family.margin(head, member.defaults)
    assert budget(10, 2, head, margin).margin == margin
    assert reference.margins(head, margin) == family.places(head, member.defaults)
