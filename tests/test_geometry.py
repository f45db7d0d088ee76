import keras
import mpmath as mp
import numpy as np
import pytest
from autodiff import compiled, to_numpy
from exact import Pair, pair_at
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from marginlab import geometry, reference

HARD = {
    "zero embedding": ([0.0, 0.0], [1.0, 0.0]),
    "zero class direction": ([1.0, 2.0], [0.0, 0.0]),
    "both zero": ([0.0, 0.0], [0.0, 0.0]),
    "x on w": ([0.6, 0.8], [0.6, 0.8]),
    "x on -w": ([0.6, 0.8], [-0.6, -0.8]),
    "huge": ([1e30, -2e30], [3e30, 1e30]),
    "tiny": ([1e-30, -2e-30], [3e-30, 1e-30]),
    "huge beside tiny": ([1e30, 1e-30], [1e-30, 1e-30]),
}


def gradient(fn, *args):
    """Gradients of sum(fn(*args)) through a layer, so that one helper serves all backends."""
    args = [ops.convert_to_tensor(np.asarray(a, "float32")) for a in args]
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(args)
            y = fn(*args)
        return [to_numpy(g) for g in tape.gradient(y, args)]
    if backend == "jax":
        import jax

        return [to_numpy(g) for g in jax.grad(lambda *a: fn(*a).sum(), tuple(range(len(args))))(*args)]
    import torch

    args = [a.clone().requires_grad_(True) for a in args]
    return [to_numpy(g) for g in torch.autograd.grad(fn(*args).sum(), args)]


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("fn", [geometry.cosine, geometry.sine, geometry.angle])
def test_hard_points_have_finite_values_and_gradients(fn, name):
    x, w = (np.array([v], "float32") for v in HARD[name])
    value = to_numpy(fn(ops.convert_to_tensor(x), ops.convert_to_tensor(w)))
    expected = getattr(reference, fn.__name__)(x, w)
    np.testing.assert_allclose(value, expected, atol=3e-7)
    for g in gradient(fn, x, w):
        assert np.isfinite(g).all()


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_norm_and_unit_at_every_size(size):
    x = np.array([[3.0, 4.0]], "float32") * np.float32(size)
    np.testing.assert_allclose(to_numpy(geometry.norm(ops.convert_to_tensor(x))), [5 * size], rtol=1e-6)
    np.testing.assert_allclose(to_numpy(geometry.unit(ops.convert_to_tensor(x))), [[0.6, 0.8]], rtol=1e-6)
    np.testing.assert_allclose(gradient(geometry.norm, x)[0], [[0.6, 0.8]], rtol=1e-6)


def test_zero_vector_has_no_direction_and_no_gradient():
    zero = np.zeros((1, 3), "float32")
    assert not to_numpy(geometry.unit(ops.convert_to_tensor(zero))).any()
    assert not gradient(geometry.unit, zero)[0].any()
    assert not gradient(geometry.norm, zero)[0].any()
    angle = geometry.angle(ops.convert_to_tensor(zero), ops.ones((1, 3)))
    np.testing.assert_allclose(to_numpy(angle), [np.pi / 2], rtol=1e-6)


@pytest.mark.parametrize("wrap", [lambda f: f, compiled], ids=["eager", "compiled"])
def test_nan_is_never_hidden(wrap):
    x = ops.convert_to_tensor(np.array([[np.nan, 1.0], [np.nan, np.nan], [1.0, 0.0]], "float32"))
    for fn in (geometry.norm, geometry.unit, lambda x: geometry.angle(x, ops.ones_like(x))):
        value = to_numpy(wrap(fn)(x)).reshape(3, -1)
        assert np.isnan(value[:2]).any(axis=1).all()
        assert np.isfinite(value[2]).all()


@pytest.mark.parametrize("dim", [2, 64, 512])
@pytest.mark.parametrize("theta", [1e-6, 1e-4, 1e-3, 0.1, 1.0, 3.0, np.pi - 1e-4])
def test_angle_and_sine_against_50_digits(theta, dim):
    x, w = pair_at(theta, dim, "float32", np.random.default_rng(dim))
    exact = Pair(x, w)
    x, w = (ops.convert_to_tensor(v) for v in (x, w))
    assert abs(to_numpy(geometry.angle(x, w)) - float(exact.theta)) < 4e-7
    assert abs(to_numpy(geometry.sine(x, w)) - float(mp.sin(exact.theta))) < 4e-7


def test_pairs_broadcast_to_a_table():
    rng = np.random.default_rng(0)
    x, w = (ops.convert_to_tensor(rng.standard_normal(s).astype("float32")) for s in [(3, 1, 2), (5, 2)])
    table = to_numpy(geometry.angle(x, w))
    assert table.shape == (3, 5)
    np.testing.assert_allclose(table[2, 4], to_numpy(geometry.angle(x[2, 0], w[4])), rtol=1e-6)


@given(st.floats(-40, 40), st.floats(1e-3, 5))
def test_ucos_strictly_falls(phi, step):
    high, low = to_numpy(geometry.ucos(ops.convert_to_tensor(np.array([phi, phi + step]))))
    assert low < high


@given(st.integers(-12, 12))
def test_ucos_is_continuous_and_flat_at_every_multiple_of_pi(k):
    around = k * np.pi + np.array([-1e-3, 0.0, 1e-3])
    values = to_numpy(geometry.ucos(ops.convert_to_tensor(around)))
    np.testing.assert_allclose(values, 1 - 2 * k, atol=1e-6)


@given(st.floats(-40, 40))
def test_ucos_agrees_with_reference(phi):
    value = to_numpy(geometry.ucos(ops.convert_to_tensor(np.array([phi]))))
    np.testing.assert_allclose(value, reference.ucos([phi]), atol=1e-5)


def test_arc_is_what_the_largest_gap_leaves():
    turn = 2 * np.pi * np.arange(10) / 10 + 3  # evenly, and across the cut at π
    assert reference.arc(np.c_[np.cos(turn), np.sin(turn)] * 7) == pytest.approx(1.8 * np.pi)
    turn = np.radians([170, -170, -175, 178])
    assert reference.arc(np.c_[np.cos(turn), np.sin(turn)]) == pytest.approx(np.radians(20))


def test_spacing_is_the_angle_to_the_nearest_other():
    turn = np.radians([0, 10, 40, 190])
    plane = 3 * np.c_[np.cos(turn), np.sin(turn)]
    assert np.degrees(reference.spacing(plane)) == pytest.approx([10, 10, 30, 150])
    assert np.degrees(reference.spacing(np.eye(512)[:7])) == pytest.approx(90)
    assert reference.spacing([[1.0, 0.0], [2.0, 0.0]]) == pytest.approx(0)  # merged
