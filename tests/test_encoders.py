import keras
import numpy as np
import pytest

from marginlab import encoders


def test_convnet_is_the_demos():
    layers = encoders.convnet().layers
    conv1, pool, conv2, dense1, dense2 = (layers[i] for i in (1, 2, 3, 5, 6))
    assert (conv1.filters, conv2.filters, dense1.units, dense2.units) == (20, 20, 128, 2)
    assert conv1.kernel_size == conv2.kernel_size == (3, 3)
    assert pool.pool_size == (2, 2)
    activations = [layer.activation.__name__ for layer in (conv1, conv2, dense1, dense2)]
    assert activations == ["linear", "linear", "relu", "linear"]


def test_fast_sees_the_image_averaged_to_14_by_14():
    encoder = encoders.fast()
    image = np.random.default_rng(0).random((1, 28, 28)).astype("float32")
    small = image
    for layer in encoder.layers[:3]:
        small = layer(small)
    expected = image.reshape(14, 2, 14, 2).mean(axis=(1, 3)).ravel()
    np.testing.assert_allclose(np.asarray(small)[0], expected, rtol=1e-5)
    assert [w.shape for w in encoder.weights if len(w.shape) == 2] == [(196, 96), (96, 48), (48, 2)]


@pytest.mark.parametrize("make", [encoders.convnet, encoders.fast])
def test_embeddings_reach_every_quadrant(make):
    encoder = make(dim=3)
    x = np.random.default_rng(0).random((50, 28, 28)).astype("float32")
    embeddings = np.asarray(encoder(x)) - np.asarray(encoder(x)).mean(0)
    assert embeddings.shape == (50, 3)
    assert encoder.layers[-1].activation is keras.activations.linear
    assert (embeddings < 0).any(axis=0).all()
