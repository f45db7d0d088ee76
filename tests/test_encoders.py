import keras
import numpy as np
import pytest

from marginlab import encoders


def test_convnet_is_the_demos():
    layers = encoders.convnet().layers
    conv1, pool, conv2, dense1, dense2 = (layers[i] for i in (2, 3, 4, 6, 7))
    assert (conv1.filters, conv2.filters, dense1.units, dense2.units) == (20, 20, 128, 2)
    assert conv1.kernel_size == conv2.kernel_size == (3, 3)
    assert pool.pool_size == (2, 2)
    activations = [layer.activation.__name__ for layer in (conv1, conv2, dense1, dense2)]
    assert activations == ["linear", "linear", "relu", "linear"]


@pytest.mark.parametrize("make", [encoders.convnet, encoders.fast])
def test_pixels_are_divided_by_255_once_and_the_summary_says_where(make, capsys):
    encoder = make()
    pixels = np.random.default_rng(0).integers(0, 256, (5, 28, 28), "uint8")
    rest = keras.Sequential(encoder.layers[1:])
    np.testing.assert_allclose(encoder(pixels), rest(pixels / np.float32(255)), atol=1e-5)
    np.testing.assert_allclose(encoder(pixels), encoder(pixels.astype("float32")), atol=1e-6)
    encoder.summary()
    assert "Rescaling" in capsys.readouterr().out


def test_fast_sees_the_image_averaged_to_14_by_14():
    encoder = encoders.fast()
    image = np.random.default_rng(0).integers(0, 256, (1, 28, 28), "uint8")
    small = image
    for layer in encoder.layers[:4]:
        small = layer(small)
    expected = image.reshape(14, 2, 14, 2).mean(axis=(1, 3)).ravel() / 255
    np.testing.assert_allclose(np.asarray(small)[0], expected, rtol=1e-5)
    assert [w.shape for w in encoder.weights if len(w.shape) == 2] == [(196, 96), (96, 48), (48, 2)]


@pytest.mark.parametrize("make", [encoders.convnet, encoders.fast])
def test_embeddings_reach_every_quadrant(make):
    encoder = make(dim=3)
    x = np.random.default_rng(0).integers(0, 256, (50, 28, 28), "uint8")
    embeddings = np.asarray(encoder(x)) - np.asarray(encoder(x)).mean(0)
    assert embeddings.shape == (50, 3)
    assert encoder.layers[-1].activation is keras.activations.linear
    assert (embeddings < 0).any(axis=0).all()
