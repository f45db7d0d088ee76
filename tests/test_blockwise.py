"""The blockwise cross-entropy is the plain one, value and gradients, and never holds B×C numbers."""

import math

import keras
import numpy as np
import pytest
from autodiff import BACKEND, compiled, gradients, to_numpy
from keras import ops
from test_heads import ALL, some
from test_numerics import CLASSES, MARGINS, make, with_directions

from marginlab import MarginClassifier, blockwise, heads, reference

tensorflow_only = pytest.mark.skipif(BACKEND != "tensorflow", reason="a TensorFlow feature")
names = pytest.mark.parametrize("name", ALL)
rng = np.random.default_rng(0)
X = rng.standard_normal((6, 2)).astype("float32")
Y = np.array([0, 3, 9, 9, 1, 0])


class Blockwise:
    """A head whose output is its blockwise losses, so that `gradients` serves for it too."""

    def __init__(self, head, **settings):
        self.head, self.settings = head, settings
        self.trainable_weights = head.trainable_weights
        self.non_trainable_variables = head.non_trainable_variables

    def __call__(self, x, labels):
        return blockwise.cross_entropy(self.head, x, labels, **self.settings)

    def stateless_call(self, trainable, fixed, x, labels):
        variables = [*self.trainable_weights, *self.non_trainable_variables]
        pairs = zip(variables, [*trainable, *fixed], strict=True)
        with keras.StatelessScope(state_mapping=list(pairs)):
            return self(x, labels), None


def plain(logits, labels, smoothing=0.0):
    """Smoothed cross-entropy as it is written in books."""
    classes = logits.shape[1]
    target = (1 - smoothing) * ops.one_hot(labels, classes) + smoothing / classes
    return -ops.sum(target * ops.log_softmax(logits), axis=-1)


def agree(head, x, labels, smoothing=0.0, tolerance=1e-5, **settings):
    """Value and gradients of both, weighted; errors in units of the largest gradient."""
    weights = ops.convert_to_tensor(np.linspace(0, 2, len(x)).astype("float32"))
    value, expected = gradients(head, lambda z: ops.sum(weights * plain(z, labels, smoothing)), x, labels)
    other = Blockwise(head, label_smoothing=smoothing, **settings)
    mine, grads = gradients(other, lambda losses: ops.sum(weights * losses), x, labels)
    np.testing.assert_allclose(mine, value, rtol=tolerance)
    for g, e in zip(grads, expected, strict=True):
        np.testing.assert_allclose(g, e, atol=tolerance * np.abs(e).max())


@names
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("size", [1, 3, 5, 10, 64])
def test_it_is_the_plain_loss(name, smoothing, size):
    agree(some(name), X, Y, smoothing, block_size=size)


@names
def test_it_is_the_plain_loss_with_many_classes(name):
    x = rng.standard_normal((16, 32)).astype("float32")
    head = heads.Softmax(1001) if name == "softmax" else make(name, MARGINS[name][-2:][0], 1001)
    head.build(x.shape)
    if name == "softmax":
        head.bias.assign(rng.standard_normal(1001))
    agree(head, x, rng.integers(0, 1001, 16), 0.1, block_size=100)


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_with_the_length_as_scale(name, smoothing):
    agree(some(name, scale="norm"), X, Y, smoothing, block_size=4)


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("theta", [0.0, 1e-9, 1e-6, 1e-3, 1.0, math.pi - 1e-4, math.pi])
def test_gradients_against_float64_at_every_angle(name, theta):
    """At the true class on w, near it and opposite it: no worse than the plain heads promise."""
    w = rng.standard_normal((10, 8)).astype("float32")
    unit = w / np.linalg.norm(w, axis=1, keepdims=True)
    across = rng.standard_normal((10, 8))
    across -= (across * unit).sum(1, keepdims=True) * unit
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    x = (np.cos(theta) * unit + np.sin(theta) * across).astype("float32")
    margin, labels = MARGINS[name][-2:][0], np.arange(10)
    head = with_directions(make(name, margin, scale=4.0), w)
    _, grads = gradients(Blockwise(head, block_size=4), ops.sum, x, labels)
    expected = reference.loss_gradients(x, w, labels, *reference.margins(name, margin), scale=4.0)
    end = min(theta, math.pi - theta)
    bound = 1e-5 + 3e-7 * math.sqrt(8) / end if end else math.inf
    for g, e in zip(grads, expected, strict=True):
        assert np.isfinite(g).all()
        if bound < 0.5:
            np.testing.assert_allclose(g, e, atol=10 * bound * np.abs(e).max())


def test_zero_huge_and_tiny_vectors():
    x = np.array([[0, 0], [1e30, 2e30], [1e-30, 2e-30], [3, 4], [3, 4]], "float32")
    w = np.array([[1, 0], [2e30, 1e30], [-1e-30, 2e-30], [3, 4], [0, 0]], "float32")
    head = with_directions(heads.ArcFace(5), w)
    value, grads = gradients(Blockwise(head, block_size=2), ops.sum, x, np.arange(5))
    expected = reference.losses(reference.logits(x, w, np.arange(5), 1, 0.3, 0, scale=30.0), np.arange(5))
    np.testing.assert_allclose(value, expected.sum(), rtol=1e-5)
    for g, vectors in zip(grads, (x, w), strict=True):
        assert np.isfinite(g).all()
        assert not g[~vectors.any(axis=1)].any()
    _, (_, dw) = gradients(head, lambda z: ops.sum(plain(z, np.arange(5))), x, np.arange(5))
    np.testing.assert_allclose(grads[1], dw, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@names
def test_half_precision_embeddings(name, dtype):
    x = ops.cast(X, dtype)
    value, grads = gradients(Blockwise(some(name), block_size=4), lambda v: 2.0**15 * ops.sum(v), x, Y)
    assert np.isfinite(value)
    assert all(np.isfinite(g).all() for g in grads)


def test_labels_are_checked():
    head = some("arcface")
    with pytest.raises(ValueError, match=r"labels must lie in \[0, 10\)"):
        blockwise.cross_entropy(head, X, Y + 1)
    with pytest.raises(TypeError, match="labels must be integers"):
        blockwise.cross_entropy(head, X, Y.astype("float32"))
    if BACKEND == "torch":
        return
    fn = compiled(lambda x, y: blockwise.cross_entropy(head, x, y, block_size=4))
    losses = to_numpy(fn(ops.convert_to_tensor(X), ops.convert_to_tensor(Y + 1)))
    np.testing.assert_array_equal(np.isnan(losses), Y == 9)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"label_smoothing": 1.5}, ValueError, r"label_smoothing must be a number in \[0, 1\], got 1.5"),
        ({"label_smoothing": "a"}, TypeError, "label_smoothing must be"),
        ({"block_size": 0}, ValueError, "block_size must be a whole number of at least 1, got 0"),
        ({"block_size": 2.5}, TypeError, "block_size must be a whole number of at least 1, got 2.5"),
        ({"block_size": None}, TypeError, "block_size must be a whole number"),
    ],
)
def test_bad_settings(settings, error, words):
    for fn in (
        blockwise.BlockwiseCrossentropy,
        lambda **s: blockwise.cross_entropy(some("arcface"), X, Y, **s),
    ):
        with pytest.raises(error, match=words):
            fn(**settings)


@names
@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch compiles nothing here")
def test_no_array_has_batch_times_classes(name):
    """Read from the compiled program itself, forward and backward; the plain one does hold them."""
    x, y = np.zeros((7, 4), "float32"), np.zeros(7, "int32")
    head = heads.Softmax(1009) if name == "softmax" else make(name, MARGINS[name][-2:][0], 1009)
    head.build(x.shape)
    for call, holds in [
        (lambda x, y: plain(head(x, y), y), True),
        (lambda x, y: blockwise.cross_entropy(head, x, y, label_smoothing=0.1, block_size=100), False),
    ]:
        program = program_of(lambda x, y, call=call: ops.sum(call(x, y)), head, x, y)
        assert "[7,4]" in program
        assert ("[7,1009]" in program or "[1009,7]" in program) is holds


def program_of(loss, head, x, y):
    """The optimised HLO of a loss and its gradients."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        @tf.function(jit_compile=True, autograph=False)
        def step(x, y):
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = loss(x, y)
            return tape.gradient(value, [x, *[w.value for w in head.trainable_weights]])

        return step.experimental_get_compiler_ir(tf.constant(x), tf.constant(y))(stage="optimized_hlo")
    import jax

    def run(x, weights):
        pairs = list(zip(head.trainable_weights, weights, strict=True))
        with keras.StatelessScope(state_mapping=pairs):
            return loss(x, y)

    weights = [w.value for w in head.trainable_weights]
    return jax.jit(jax.grad(run, (0, 1))).lower(x, weights).compile().as_text()


# ---- In a MarginClassifier -----------------------------------------------------------------------

IMAGES, DIGITS = rng.random((256, 28, 28), "float32"), rng.integers(0, 10, 256)


def model(loss=None, head="arcface", **compile_args):
    keras.utils.set_random_seed(0)
    encoder = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(8)])
    model = MarginClassifier(encoder, heads.BY_NAME[head](10))
    model.compile(keras.optimizers.Adam(0.01), loss=loss, **compile_args)
    return model


def losses(m, **fit_args):
    return m.fit(IMAGES, DIGITS, epochs=3, verbose=0, shuffle=False, **fit_args).history["loss"]


@pytest.mark.parametrize(
    "fit_args", [{}, {"sample_weight": np.linspace(0, 1, 256)}, {"class_weight": {3: 0.0}}]
)
@pytest.mark.parametrize("head", ["softmax", "arcface"])
def test_fit_gives_the_same_curve(head, fit_args):
    if "class_weight" in fit_args:
        fit_args = {"class_weight": {k: float(k != 3) for k in range(10)}}
    loss = blockwise.BlockwiseCrossentropy(block_size=3)
    np.testing.assert_allclose(
        losses(model(loss, head), **fit_args), losses(model(None, head), **fit_args), rtol=1e-4
    )


@tensorflow_only
@pytest.mark.parametrize(
    "settings", [{"jit_compile": False}, {"run_eagerly": True}, {"steps_per_execution": 4}]
)
def test_fit_in_every_mode(settings):
    loss = blockwise.BlockwiseCrossentropy(block_size=3)
    np.testing.assert_allclose(losses(model(loss, **settings)), losses(model()), rtol=1e-4)


@pytest.mark.full
def test_metrics_are_only_what_is_asked_for():
    m = model(blockwise.BlockwiseCrossentropy(label_smoothing=0.1))
    assert set(m.fit(IMAGES, DIGITS, verbose=0).history) == {"loss"}
    m.compile("adam", blockwise.BlockwiseCrossentropy(label_smoothing=0.1), metrics=["accuracy"])
    assert set(m.fit(IMAGES, DIGITS, verbose=0).history) == {"loss", "accuracy"}
    loss, accuracy = m.evaluate(IMAGES, DIGITS, verbose=0)
    logits = m.predict(IMAGES, verbose=0)
    assert accuracy == pytest.approx(np.mean(logits.argmax(1) == DIGITS))
    expected = to_numpy(plain(ops.convert_to_tensor(logits), DIGITS, 0.1)).mean()
    assert loss == pytest.approx(expected, rel=1e-5)


def test_save_and_load(tmp_path):
    m = model(blockwise.BlockwiseCrossentropy(label_smoothing=0.1, block_size=3))
    m.fit(IMAGES, DIGITS, verbose=0)
    m.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert (loaded.loss.label_smoothing, loaded.loss.block_size) == (0.1, 3)
    np.testing.assert_allclose(*[losses(x) for x in (m, loaded)], rtol=1e-4)


# ---- Some of the wrong classes -------------------------------------------------------------------


def many(classes=1000, rows=33):
    """A head and a batch whose softmax is spread over many classes."""
    head = heads.ArcFace(classes, margin=0.2, scale=4.0, initializer=keras.initializers.RandomNormal(seed=1))
    head.build((None, 8))
    return head, rng.standard_normal((rows, 8)).astype("float32"), rng.integers(0, classes, rows)


@pytest.mark.parametrize(("classes", "block_size"), [(1000, None), (1003, 16), (50, None)])
def test_a_sample_is_the_exact_loss_in_the_mean(classes, block_size):
    """Over 20 draws, in value and gradients; without log of the share it would lie log(1/share) below."""
    head, x, y = many(classes)
    exact, expected = gradients(Blockwise(head), ops.mean, x, y)
    loss = blockwise.SampledCrossentropy(share=0.2, block_size=block_size, seed=0)

    class Sampled(Blockwise):
        def losses(self, x, labels):
            return loss.examples(self.head, ops.convert_to_tensor(x), ops.convert_to_tensor(labels))

        __call__ = losses

    found = [gradients(Sampled(head), ops.mean, x, y) for _ in range(20 if BACKEND == "tensorflow" else 1)]
    values = np.array([value for value, _ in found])
    if BACKEND == "tensorflow":  # on JAX the generator's state is the caller's to carry
        # What is unbiased is the sum of exponentials, exp(loss). Its logarithm lies a little below (Jensen).
        whole = np.exp(to_numpy(blockwise.cross_entropy(head, x, y)).astype("float64"))
        parts = [np.exp(to_numpy(Sampled(head).losses(x, y)).astype("float64")) for _ in range(20)]
        ratio = np.mean(np.array(parts) / whole, axis=1)  # of each draw, over the batch
        assert ratio.std() > 0
        assert abs(ratio.mean() - 1) < 4 * ratio.std() / math.sqrt(20)
        assert exact - 0.3 < values.mean() < exact + 4 * values.std() / math.sqrt(20)
        for i, e in enumerate(expected):
            mean = np.mean([grads[i] for _, grads in found], axis=0)
            assert np.linalg.norm(mean - e) < 0.3 * np.linalg.norm(e)
    assert values[0] == pytest.approx(exact, abs=0.5)
    assert abs(values.mean() + math.log(0.2) - exact) > 1  # what Partial FC reports


def test_all_of_the_classes_are_the_exact_loss():
    head, x, y = many(50)
    exact = to_numpy(blockwise.cross_entropy(head, x, y)).sum()
    loss = blockwise.SampledCrossentropy(share=1.0, block_size=7)
    found = to_numpy(loss.examples(head, ops.convert_to_tensor(x), ops.convert_to_tensor(y)))
    assert found.sum() == pytest.approx(exact, rel=1e-5)


def test_a_sample_may_be_of_no_wrong_class():
    head, x, _ = many(50)
    loss = blockwise.SampledCrossentropy(share=0.02, block_size=1, seed=0)  # one class in each step

    class Sampled(Blockwise):
        def __call__(self, x, labels):
            return loss.examples(self.head, ops.convert_to_tensor(x), ops.convert_to_tensor(labels))

    for y in range(0, 50, 9):
        value, grads = gradients(Sampled(head), ops.sum, x, np.full(33, y))
        assert np.isfinite(value)
        assert all(np.isfinite(g).all() for g in grads)


@pytest.mark.full
def test_sampling_trains_and_draws_anew_in_each_step(tmp_path):
    """Images that are all alike, a rate of 0, a ragged last batch: losses differ by the draw alone."""
    m = model(blockwise.SampledCrossentropy(share=0.3, block_size=1, seed=0))
    m.compile(keras.optimizers.SGD(0.0), loss=m.loss)
    images, digits = np.repeat(IMAGES[:1], 100, axis=0), np.repeat(DIGITS[:1], 100)
    seen = []

    class Each(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(logs["loss"] * (batch + 1) - sum(seen))

    m.fit(images, digits, batch_size=32, verbose=0, shuffle=False, callbacks=[Each()])
    assert len(seen) == 4
    assert len({round(float(v), 4) for v in seen}) > 1
    assert m.evaluate(IMAGES, DIGITS, verbose=0) == pytest.approx(
        model().evaluate(IMAGES, DIGITS, verbose=0)[0]
    )
    m.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras").loss
    assert (again.share, again.block_size, again.seed) == (0.3, 1, 0)


@pytest.mark.parametrize("share", [0, -0.1, 1.5, "a"])
def test_a_bad_share(share):
    with pytest.raises((TypeError, ValueError), match=r"share must be a share in \(0, 1\], got"):
        blockwise.SampledCrossentropy(share=share)
