"""The real MNIST, from inside the package: nothing is downloaded."""

import functools
import hashlib
import io
from pathlib import Path

import numpy as np

__all__ = ["MNIST", "SHA256", "load_mnist", "shown_images"]

MNIST = Path(__file__).parent / "mnist" / "mnist.npz"
SHA256 = "06af5dfe73b70e3bc1c36439982b18a8d76803db9b544f6fdf838a37fbb01b64"


def load_mnist() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """The whole of MNIST, as `keras.datasets.mnist.load_data()` returns it.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: uint8 images ``(60000, 28, 28)``
        and ``(10000, 28, 28)`` with values 0 to 255, and their uint8 labels
        ``(60000,)`` and ``(10000,)``. The arrays are yours to change.

    Raises:
        FileNotFoundError: if the file is not in the package.
        ValueError: if it is not the file that was packed.

    Source: LeCun, Bottou, Bengio and Haffner, 1998. Licence: CC BY-SA 3.0.
    """
    arrays = _read(MNIST)
    x_train, y_train, x_test, y_test = (
        arrays[name].copy() for name in ("x_train", "y_train", "x_test", "y_test")
    )
    return (x_train, y_train), (x_test, y_test)


@functools.cache
def _read(path):
    try:
        packed = path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(
            f"MNIST is missing from the installation: {path}. Reinstall marginlab."
        ) from None
    digest = hashlib.sha256(packed).hexdigest()
    if digest != SHA256:
        raise ValueError(
            f"MNIST is damaged: {path} has SHA-256 {digest}, and should have {SHA256}. Reinstall marginlab."
        )
    with np.load(io.BytesIO(packed)) as archive:
        return dict(archive)


def shown_images(count: int, of: int = 10_000) -> np.ndarray:
    """Which test images are shown where not all can be: ``(count,)`` indices, always the same ones."""
    return np.sort(np.random.default_rng(0).choice(of, count, replace=False))
