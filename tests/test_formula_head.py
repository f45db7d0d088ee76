"""A formula as a head: its values and gradients are the dual numbers'; saved and trained as others are."""

import keras
import numpy as np
import pytest
from autodiff import BACKEND, gradients, to_numpy
from hypothesis import assume, given, settings
from keras import ops
from test_formula import LETTERS, TEXTS

from marginlab import heads, reference
from marginlab.formula import dual, parse

tensorflow_only = pytest.mark.skipif(BACKEND != "tensorflow", reason="a TensorFlow feature")

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 2)).astype("float32")
Y = rng.integers(0, 10, 40)
FORMULAS = [
    "ucos(theta + 0.3)",
    "ucos(m*theta + a) - b",
    "cos(theta) - 0.1*theta^2",
    "tanh(1 - theta) + exp(-theta)/2",
    "1 - sqrt(theta + 0.1)*log(theta + 1.5)",
    "max(cos(theta) - m, -abs(theta - 1))",
    "min(1, 2 - theta)*sin(theta + pi/2)",
    "2^(-theta) - theta^m",
]


def built(text, dtype=None, **given):
    used = {name: value for name, value in LETTERS.items() if name in parse(text).letters}
    head = heads.from_formula(
        text, initializer=keras.initializers.RandomNormal(seed=1), dtype=dtype, **used | given
    )
    head.build((None, 2))
    return head


def own(logits):
    return ops.sum(ops.take_along_axis(logits, ops.convert_to_tensor(Y)[:, None], axis=1))


def by_duals(head, x):
    """The true logits' sum, and its gradients in x and w, from the formula's dual numbers."""
    w = to_numpy(head.class_directions)[Y]
    letters = {name: getattr(head, name) for name in head.formula.letters}
    value, slope = dual(head.formula, reference.angle(x, w), **letters)
    gx = -(head.scale * slope)[:, None] * reference.tangent(x, w) / reference.norm(x)[:, None]
    pairs = -(head.scale * slope)[:, None] * reference.tangent(w, x) / reference.norm(w)[:, None]
    gw = np.zeros((10, 2))
    np.add.at(gw, Y, pairs)
    return head.scale * value, gx, gw


@pytest.mark.parametrize("text", FORMULAS)
def test_values_and_gradients_are_those_of_the_dual_numbers(text):
    head = built(text)
    logits = to_numpy(head(X, Y))
    _, (gx, gw) = gradients(head, own, X, Y)
    value, want_x, want_w = by_duals(head, X)
    np.testing.assert_allclose(logits[np.arange(40), Y], value, atol=2e-4)
    np.testing.assert_allclose(gx, want_x, rtol=2e-4, atol=2e-4 * np.abs(want_x).max())
    np.testing.assert_allclose(gw, want_w, rtol=2e-4, atol=2e-4 * np.abs(want_w).max())
    np.testing.assert_allclose(
        to_numpy(head(X)), 30 * reference.cosine(X[:, None], to_numpy(head.class_directions)), atol=1e-4
    )


@tensorflow_only
def test_gradients_of_any_formula_are_the_duals_in_float64():
    """To 1e-9, numbers of the formula too: none of them goes through float32."""
    compared = []

    @settings(max_examples=40)
    @given(TEXTS)
    def check(text):
        assume(len(text) <= 200)
        head = built(text, "float64", scale=1.0)
        x = X.astype("float64")
        value, want_x, _ = by_duals(head, x)
        size = np.abs(np.c_[value, want_x]).max()
        assume(np.isfinite(size) and size < 1e4)
        assume(not {"minimum", "maximum", "abs"} & {op for op, *_ in head.formula.program})
        logits = to_numpy(head(x, Y))
        _, (gx, _) = gradients(head, own, x, Y)
        np.testing.assert_allclose(logits[np.arange(40), Y], value, atol=1e-8 * max(1, size))
        np.testing.assert_allclose(gx, want_x, atol=1e-8 * max(1, size))
        compared.append(text)

    check()
    assert len(compared) >= 20


def test_on_its_direction_and_at_the_zero_vector_the_gradient_is_finite():
    head = built("ucos(theta + m) - 0.1*theta")
    w = to_numpy(head.class_directions)[Y].astype("float32")
    for x in (w, -w, 0 * w, 1e20 * w, 1e-20 * w):
        _, grads = gradients(head, own, x, Y)
        assert all(np.isfinite(g).all() for g in grads)


def test_a_formula_without_theta_has_no_pull():
    head = built("0.5")
    assert to_numpy(head(X, Y))[np.arange(40), Y] == pytest.approx(15)
    assert not by_duals(head, X)[1].any()


def test_the_text_is_in_the_config_and_in_the_file(tmp_path):
    head = built("ucos(theta + m) - 0.1*theta*b")
    head.b = 0.25
    again = heads.FormulaHead.from_config(head.get_config())
    assert again.formula == head.formula
    assert (again.m, again.b, again.scale) == (0.7, 0.25, 30.0)
    assert "psi='ucos(theta + m) - 0.1*theta*b'" in repr(again)
    inputs = keras.Input((2,))
    model = keras.Model(inputs, head(inputs))
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras").layers[-1]
    assert loaded.formula.text == head.formula.text
    np.testing.assert_array_equal(to_numpy(loaded(X, Y)), to_numpy(head(X, Y)))


def test_weights_of_another_formula_are_refused(tmp_path):
    def model(text):
        inputs = keras.Input((2,))
        return keras.Model(inputs, heads.from_formula(text)(inputs))

    model("ucos(theta + m)").save_weights(tmp_path / "w.weights.h5")
    model("ucos(theta + m)").load_weights(tmp_path / "w.weights.h5")
    with pytest.raises(
        ValueError, match=r"weights of FormulaHead ucos\(theta \+ m\), and this is FormulaHead cos\(theta\)"
    ):
        model("cos(theta)").load_weights(tmp_path / "w.weights.h5")


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (
            lambda: heads.from_formula("sine(theta)"),
            ValueError,
            r"psi must be a formula of theta, got 'sine\(theta\)': there is no “sine”.*at character 1",
        ),
        (lambda: heads.from_formula(3), TypeError, "psi must be a formula of theta, got 3"),
        (
            lambda: heads.from_formula("ucos(theta)", m=0.3),
            ValueError,
            r"m must be a letter of the formula, got 'ucos\(theta\)'",
        ),
        (lambda: setattr(built("theta*a"), "b", 1.0), ValueError, "b must be a letter of the formula"),
        (lambda: built("theta*a", a=np.inf), ValueError, "a must be a finite number, got inf"),
        (lambda: built("theta*a", a="1"), TypeError, "a must be a finite number, got '1'"),
        (lambda: built("theta*a", scale=0), ValueError, "scale must be a finite number above 0"),
        (
            lambda: heads.from_formula("theta", 1),
            ValueError,
            "num_classes must be a whole number of at least 2",
        ),
    ],
)
def test_what_is_refused_is_named(make, error, words):
    with pytest.raises(error, match=words):
        make()


# ---- The Trainer ----


@pytest.mark.full
@tensorflow_only
def test_the_formula_of_arcface_gives_the_very_frames_of_arcface():
    from marginlab import Trainer

    theirs = Trainer("arcface", frames=20).retrain(margin=0.3, scale=30.0)
    for trainer, letters in (
        (Trainer("own", psi="ucos(theta + 0.3)", frames=20), {}),
        (Trainer("own", frames=20), {"m": 0.3}),
    ):
        ours = trainer.retrain(scale=30.0, **letters)
        for a, b in zip(ours.frames, theirs.frames, strict=True):
            assert (a.step, a.loss, a.accuracy) == (b.step, b.loss, b.accuracy)
            np.testing.assert_array_equal(a.embeddings, b.embeddings)
            np.testing.assert_array_equal(a.class_directions, b.class_directions)
        assert ours.test_accuracy == theirs.test_accuracy


@tensorflow_only
def test_a_letter_that_moves_compiles_nothing():
    from marginlab import Trainer

    trainer = Trainer("own", psi="ucos(theta + m) - a*theta", epochs=1, frames=2)
    results = [trainer.retrain(m=m, a=0.1) for m in (0.1, 0.4)]
    assert trainer.traces == 1
    assert results[0].losses[-1] < results[1].losses[-1]
    told = {"head": "own", "psi": "ucos(theta + m) - a*theta", "seed": 0, "m": 0.4, "a": 0.1, "scale": 30.0}
    assert results[1].settings | told == results[1].settings
    assert results[1].explain()
    with pytest.raises(TypeError, match="own has no setting 'b'; its settings are: scale, m, a"):
        trainer.retrain(b=1.0)
    with pytest.raises(ValueError, match="psi must be a formula"):
        Trainer("own", psi="2 theta")
