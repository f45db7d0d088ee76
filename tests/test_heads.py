"""What every head promises, beyond its numbers: contract, state, errors, precision, and the one equation."""

import math

import keras
import numpy as np
import pytest
from autodiff import BACKEND, compiled, gradients, to_numpy
from hypothesis import given
from hypothesis import strategies as st
from keras import ops
from test_numerics import CLASSES, MARGINS, make, with_directions

from marginlab import heads, reference

ALL = {"softmax": heads.Softmax, **CLASSES}
tensorflow_only = pytest.mark.skipif(BACKEND != "tensorflow", reason="a TensorFlow feature")
rng = np.random.default_rng(0)
X = rng.standard_normal((6, 2)).astype("float32")
Y = np.array([0, 3, 9, 9, 1, 0])


def some(head_name, **kwargs):
    """A head of this name with a middling margin, built for 2-D embeddings."""
    if head_name == "softmax":
        head = heads.Softmax(10, **kwargs)
    else:
        head = make(head_name, MARGINS[head_name][-2:][0], **kwargs)
    head.build((None, 2))
    return head


names = pytest.mark.parametrize("name", ALL)
cosine_names = pytest.mark.parametrize("name", CLASSES)


@names
def test_margin_is_put_in_at_the_labels_only(name):
    head = some(name)
    plain, margin = to_numpy(head(X)), to_numpy(head(X, Y))
    others = np.ones_like(plain, bool)
    others[np.arange(6), Y] = False
    assert plain.shape == (6, 10)
    np.testing.assert_array_equal(plain[others], margin[others])
    if name in ("softmax", "normface"):
        np.testing.assert_allclose(plain, margin, atol=1e-5)
    else:
        assert (margin < plain)[~others].all()


@cosine_names
def test_logits_and_loss_gradients_agree_with_reference(name):
    head = some(name, scale=4.0)
    w = to_numpy(head.class_directions)
    m = reference.margins(name, MARGINS[name][-2:][0])
    np.testing.assert_allclose(to_numpy(head(X)), reference.logits(X, w, scale=4.0), atol=1e-5)
    np.testing.assert_allclose(to_numpy(head(X, Y)), reference.logits(X, w, Y, *m, scale=4.0), atol=1e-5)

    def loss(logits):
        return ops.sum(keras.losses.sparse_categorical_crossentropy(Y, logits, from_logits=True))

    value, grads = gradients(head, loss, X, Y)
    expected = reference.losses(reference.logits(X, w, Y, *m, scale=4.0), Y).sum()
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    for g, e in zip(grads, reference.loss_gradients(X, w, Y, *m, scale=4.0), strict=True):
        np.testing.assert_allclose(g, e, atol=1e-4 * np.abs(e).max())


@pytest.mark.parametrize("use_bias", [True, False])
def test_softmax_agrees_with_reference(use_bias):
    head = some("softmax", use_bias=use_bias)
    w = to_numpy(head.class_directions)
    b = np.linspace(-1, 1, 10) if use_bias else np.zeros(10)
    if use_bias:
        head.bias.assign(b)
    assert len(head.trainable_weights) == 1 + use_bias
    np.testing.assert_allclose(to_numpy(head(X)), reference.softmax_logits(X, w, b), atol=1e-5)

    def loss(logits):
        return ops.sum(keras.losses.sparse_categorical_crossentropy(Y, logits, from_logits=True))

    _, grads = gradients(head, loss, X, Y)
    for g, e in zip(grads, reference.softmax_loss_gradients(X, w, b, Y), strict=False):
        np.testing.assert_allclose(g, e, atol=1e-5)


# ---- The one equation, as properties ----------------------------------------------------------

angles = st.floats(0, math.pi)
margins = st.one_of(
    st.tuples(st.just("sphereface"), st.floats(1, 6)),
    st.tuples(st.just("cosface"), st.floats(0, 2)),
    st.tuples(st.just("arcface"), st.floats(0, 3.1)),
    st.tuples(st.just("combined"), st.tuples(st.floats(1, 4), st.floats(0, 3.1), st.floats(0, 2))),
)


def psi(name, margin, theta):
    """ψ at these angles, by the layer: one embedding an angle, measured from class 0."""
    head = make(name, margin, 2, scale=1.0, dtype="float64")
    with_directions(head, np.array([[1.0, 0.0], [-1.0, 0.0]]))
    x = np.stack([np.cos(theta), np.sin(theta)], axis=-1)
    return to_numpy(head(x, np.zeros(len(x), "int32")))[:, 0]


# JAX computes in float32 unless told otherwise: there, differences below its rounding are not seen.
RESOLUTION = 1e-5 if BACKEND == "jax" else 1e-12


@given(margins, angles, st.floats(0.01, 1))
def test_psi_strictly_falls(head, theta, step):
    theta = min(theta, math.pi - step)
    high, low = psi(*head, np.array([theta, theta + step]))
    # ucos is flat to second order at kπ: the least fall over a step is 2(1 - cos(step·m₁/2)).
    assert low < high - (1 - math.cos(0.5 * 0.01 / 2)) + RESOLUTION


@given(margins, st.integers(1, 3))
def test_psi_is_continuous_where_its_angle_leaves_the_half_circle(head, k):
    m1, m2, _ = reference.margins(*head)
    edge = (k * math.pi - m2) / m1
    if 0 < edge < math.pi:
        left, right = psi(*head, edge + np.array([-1e-5, 1e-5]))
        assert abs(left - right) < 1e-4


@given(angles)
def test_psi_is_the_cosine_at_zero_margin(theta):
    for name, margin in [("sphereface", 1.0), ("cosface", 0.0), ("arcface", 0.0), ("normface", None)]:
        np.testing.assert_allclose(psi(name, margin, np.array([theta])), np.cos(theta), atol=1e-6)


@given(margins, angles)
def test_named_heads_agree_with_combined(head, theta):
    name, margin = head
    expected = psi("combined", reference.margins(name, margin), np.array([theta]))
    np.testing.assert_allclose(psi(name, margin, np.array([theta])), expected, atol=RESOLUTION)


@given(margins, angles)
def test_no_margin_raises_the_target(head, theta):
    if reference.margins(*head)[0] >= 1:
        assert psi(*head, np.array([theta])) <= psi("normface", None, np.array([theta])) + RESOLUTION


@cosine_names
@pytest.mark.parametrize("dim", [2, 5])
def test_turning_everything_together_changes_nothing(name, dim):
    x, w = rng.standard_normal((6, dim)).astype("float32"), rng.standard_normal((10, dim)).astype("float32")
    turn = np.linalg.qr(rng.standard_normal((dim, dim)))[0].astype("float32")
    margin = MARGINS[name][-1]
    before = to_numpy(with_directions(make(name, margin), w)(x, Y))
    after = to_numpy(with_directions(make(name, margin), w @ turn)(x @ turn, Y))
    np.testing.assert_allclose(before, after, atol=1e-4)


@cosine_names
def test_length_of_the_embedding_counts_only_as_scale(name):
    head, by_norm = some(name), some(name, scale="norm")
    by_norm.class_directions.assign(head.class_directions)
    np.testing.assert_allclose(to_numpy(head(X, Y)), to_numpy(head(1000 * X, Y)), atol=1e-4)
    lengths = np.linalg.norm(X, axis=1, keepdims=True)
    np.testing.assert_allclose(
        to_numpy(by_norm(X, Y)), to_numpy(head(X, Y)) * lengths / head.scale, atol=1e-5
    )


@names
def test_permuting_classes_permutes_logits(name):
    head, other = some(name), some(name)
    order = rng.permutation(10)
    other.class_directions.assign(to_numpy(head.class_directions)[order])
    place = np.argsort(order)
    np.testing.assert_allclose(to_numpy(other(X, place[Y])), to_numpy(head(X, Y))[:, order], atol=1e-5)


@names
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_labels_of_any_integer_type_agree(name, dtype):
    if BACKEND == "torch" and dtype in ("uint16", "uint32", "uint64"):
        pytest.skip("PyTorch barely has this type")
    head = some(name)
    np.testing.assert_array_equal(to_numpy(head(X, Y.astype(dtype))), to_numpy(head(X, Y)))
    np.testing.assert_array_equal(to_numpy(head(X, Y.tolist())), to_numpy(head(X, Y)))


# ---- State -------------------------------------------------------------------------------------


@cosine_names
def test_margin_and_scale_change_without_retracing(name):
    head = some(name)
    traces = []

    @compiled
    def step(weights, fixed, x, y):
        traces.append(1)
        return head.stateless_call(weights, fixed, x, y)[0]

    def fn(x, y):
        values = [[w.value for w in ws] for ws in (head.trainable_variables, head.non_trainable_variables)]
        return step(*values, x, y)

    x, y = ops.convert_to_tensor(X), ops.convert_to_tensor(Y.astype("int32"))
    first = to_numpy(fn(x, y))
    count = len(traces)
    head.scale = 7.5
    setting = {"combined": "m2", "normface": "scale"}.get(name, "margin")
    setattr(head, setting, 1.25)
    second = to_numpy(fn(x, y))
    assert len(traces) == count or BACKEND == "torch"
    assert not np.allclose(first, second)
    np.testing.assert_allclose(second, to_numpy(head(X, Y)), atol=1e-5)


@tensorflow_only
def test_a_traced_function_sees_new_margins():
    import tensorflow as tf

    head = some("arcface")
    step = tf.function(lambda x, y: head(x, y))
    first = step(X, Y)
    head.margin = 1.25
    assert not np.allclose(first, step(X, Y))
    assert step.experimental_get_tracing_count() == 1


def test_settings_are_shown_and_saved():
    head = heads.ArcFace(num_classes=10, margin=0.3, scale=30.0)
    assert repr(head) == "ArcFace(num_classes=10, margin=0.3, scale=30.0)"
    head.margin, head.scale = 0.5, 64
    assert (head.margin, head.scale) == (0.5, 64.0)
    assert repr(head) == "ArcFace(num_classes=10, margin=0.5, scale=64.0)"
    assert head.get_config()["margin"] == 0.5
    assert repr(heads.CombinedMargin(3, m2=0.1, scale="norm")) == (
        "CombinedMargin(num_classes=3, m1=1.0, m2=0.1, m3=0.05, scale='norm')"
    )
    assert repr(heads.Softmax(3)) == "Softmax(num_classes=3)"


@names
def test_weights_are_one_row_a_class_and_named(name):
    head = some(name)
    assert head.class_directions.name == "class_directions"
    assert tuple(head.class_directions.shape) == (10, 2)
    assert [w.name for w in head.trainable_weights] == ["class_directions"] + ["bias"] * (name == "softmax")


@names
def test_config_round_trips(name):
    head = some(name, initializer="orthogonal", dtype="float64", name="mine")
    again = type(head).from_config(head.get_config())
    assert again.get_config() == head.get_config()
    assert again.compute_dtype == "float64"


@names
def test_save_load_and_clone(name, tmp_path):
    head = some(name)
    model = keras.Sequential([keras.Input((2,)), head])
    if name not in ("softmax", "normface"):
        setattr(head, "m1" if name == "combined" else "margin", 1.625)
    expected = to_numpy(head(X, Y))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(to_numpy(loaded.layers[-1](X, Y)), expected)
    assert repr(loaded.layers[-1]) == repr(head)
    assert repr(keras.models.clone_model(model).layers[-1]) == repr(head)


@tensorflow_only
@names
def test_export_serves_embeddings_alone(name, tmp_path):
    import tensorflow as tf

    head = some(name)
    keras.Sequential([keras.Input((2,)), head]).export(tmp_path / "served", verbose=False)
    serve = tf.saved_model.load(tmp_path / "served").signatures["serving_default"]
    (spec,) = serve.structured_input_signature[1].values()
    assert spec.shape.as_list() == [None, 2]
    np.testing.assert_allclose(next(iter(serve(tf.constant(X)).values())), to_numpy(head(X)), atol=1e-5)


@names
def test_functional_model_with_labels_as_an_input(name):
    head = some(name)
    x, y = keras.Input((2,)), keras.Input((), dtype="int32")
    model = keras.Model([x, y], head(x, y))
    np.testing.assert_allclose(to_numpy(model([X, Y])), to_numpy(head(X, Y)), atol=1e-5)


# ---- Precision ---------------------------------------------------------------------------------


@names
@pytest.mark.parametrize("policy", ["float16", "mixed_float16", "mixed_bfloat16"])
def test_half_policies_never_round_the_class_directions(name, policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        head = some(name)
        # Inside a model of that policy Keras would cast the head's weights on access, too.
        inside = keras.Sequential([keras.Input((2,)), keras.layers.Identity(), head])
    finally:
        keras.config.set_dtype_policy(before)
    head.class_directions.assign(head.class_directions + 1e-5)
    half = X.astype("float16")
    plain = some(name)
    plain.set_weights(head.get_weights())
    np.testing.assert_array_equal(to_numpy(head(half)), to_numpy(plain(half.astype("float32"))))
    assert keras.backend.standardize_dtype(head.class_directions.dtype) == "float32"
    assert keras.backend.standardize_dtype(inside(X).dtype) == "float32"


# ---- Bad input ---------------------------------------------------------------------------------

BAD_SETTINGS = [
    (heads.ArcFace, {"num_classes": 1}, ValueError, r"num_classes .*at least 2, got 1"),
    (heads.ArcFace, {"num_classes": 2.0}, TypeError, r"num_classes .*got 2.0"),
    (heads.ArcFace, {"num_classes": True}, TypeError, r"num_classes .*got True"),
    (heads.Softmax, {"num_classes": 0}, ValueError, r"num_classes .*got 0"),
    (heads.ArcFace, {"margin": -0.1}, ValueError, r"margin .*radians in \[0, π\], got -0.1"),
    (heads.ArcFace, {"margin": 3.2}, ValueError, r"margin .*radians in \[0, π\], got 3.2"),
    (heads.ArcFace, {"margin": math.nan}, ValueError, r"margin .*got nan"),
    (heads.ArcFace, {"margin": "0.3"}, TypeError, r"margin .*got '0.3'"),
    (heads.ArcFace, {"margin": None}, TypeError, r"margin .*got None"),
    (heads.CosFace, {"margin": 2.1}, ValueError, r"margin .*cosine units in \[0, 2\], got 2.1"),
    (heads.CosFace, {"margin": True}, TypeError, r"margin .*got True"),
    (heads.SphereFace, {"margin": 0.9}, ValueError, r"margin .*multiplier of at least 1, got 0.9"),
    (heads.SphereFace, {"margin": math.inf}, ValueError, r"margin .*got inf"),
    (heads.CombinedMargin, {"m1": 0.9}, ValueError, r"m1 .*multiplier of at least 1, got 0.9"),
    (heads.CombinedMargin, {"m2": 4.0}, ValueError, r"m2 .*got 4"),
    (heads.CombinedMargin, {"m3": -1.0}, ValueError, r"m3 .*got -1"),
    (heads.NormFace, {"scale": 0}, ValueError, r'scale .*above 0, or "norm".*got 0'),
    (heads.NormFace, {"scale": -1.0}, ValueError, r"scale .*got -1"),
    (heads.NormFace, {"scale": math.nan}, ValueError, r"scale .*got nan"),
    (heads.NormFace, {"scale": math.inf}, ValueError, r"scale .*got inf"),
    (heads.NormFace, {"scale": "length"}, ValueError, r"scale .*got 'length'"),
    (heads.NormFace, {"scale": None}, TypeError, r"scale .*got None"),
]


@pytest.mark.parametrize(("cls", "kwargs", "error", "words"), BAD_SETTINGS)
def test_bad_settings(cls, kwargs, error, words):
    with pytest.raises(error, match=words):
        cls(**{"num_classes": 10} | kwargs)


def test_a_refused_setting_leaves_the_old_one():
    head = heads.ArcFace(10, margin=0.3)
    with pytest.raises(ValueError, match="margin"):
        head.margin = 9
    with pytest.raises(ValueError, match="scale"):
        head.scale = "norm"
    assert repr(head) == "ArcFace(num_classes=10, margin=0.3, scale=30.0)"
    by_norm = heads.ArcFace(10, scale="norm")
    by_norm.scale = "norm"
    with pytest.raises(ValueError, match="scale is 'norm' and cannot become 3"):
        by_norm.scale = 3


BAD_LABELS = [
    (Y.astype(bool), TypeError, r"labels must be integers, got bool"),
    (Y.astype("float32"), TypeError, r"labels must be integers, got float32"),
    (np.eye(10, dtype="int32")[Y], ValueError, r"labels must have shape.*got \(6, 10\)"),
    (Y[:5], ValueError, r"labels must have shape \(batch,\) = \(6,\).*got \(5,\)"),
    (Y[0], ValueError, r"labels must have shape.*got \(\)"),
]


@pytest.mark.parametrize(("labels", "error", "words"), BAD_LABELS)
@pytest.mark.parametrize("wrap", [lambda f: f, compiled], ids=["eager", "compiled"])
@pytest.mark.parametrize("name", ["softmax", "arcface"])
def test_bad_labels(name, wrap, labels, error, words):
    head = some(name)
    with pytest.raises(error, match=words):
        wrap(lambda x, y: head(x, y))(ops.convert_to_tensor(X), ops.convert_to_tensor(labels))


@pytest.mark.parametrize("bad", [-1, 10, 2**31 - 1])
@names
def test_label_out_of_range(name, bad):
    head = some(name)
    labels = np.array([0, 3, bad, 9, 1, 0], "int32")
    with pytest.raises(ValueError, match=rf"labels must lie in \[0, 10\), got .*{bad}"):
        head(X, labels)
    if BACKEND == "torch":
        pytest.skip("PyTorch runs eagerly, where the error above is raised")
    logits = to_numpy(
        compiled(lambda x, y: head(x, y))(ops.convert_to_tensor(X), ops.convert_to_tensor(labels))
    )
    assert np.isnan(logits[2]).all()
    assert np.isfinite(logits[[0, 1, 3, 4, 5]]).all()


@pytest.mark.parametrize("shape", [(2,), (6, 3), (6, 2, 2)])
def test_bad_embeddings(shape):
    with pytest.raises(ValueError, match=r"embeddings must have shape \(batch, 2\)"):
        some("arcface")(np.zeros(shape, "float32"))
    with pytest.raises(ValueError, match="embeddings must have shape"):
        heads.ArcFace(10).build((None, 2, 2))


def test_heads_that_are_not_final_cannot_be_made():
    with pytest.raises(TypeError, match="CosineHead has no margin: a subclass says it in margins, or in psi"):
        heads.CosineHead(10)
