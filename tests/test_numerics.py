"""Values and gradients of every head against 50-digit arithmetic: the table that the layers promise.

pytest tests/test_numerics.py -s        # prints the worst case of each head and dimension
"""

import math

import keras
import numpy as np
import pytest
from autodiff import compiled, gradients, to_numpy
from exact import Pair, pair_at
from keras import ops

from marginlab import heads, reference
from marginlab.family import FAMILY

THETAS = [0, 1e-12, 1e-9, 1e-6, 1e-4, 1e-3, 0.01, 0.1, 1, math.pi / 2, 3]
THETAS += [math.pi - 1e-4, math.pi - 1e-6, math.pi]
MARGINS = {
    "normface": [None],
    "sphereface": [1.0, 1.35, 1.7, 2.0, 3.0, 4.0],
    "cosface": [0.0, 0.1, 0.35, 1.0, 2.0],
    "arcface": [0.0, 0.1, 0.3, 0.5, 1.0, 2.0, 3.1],
    "combined": [(1.0, 0.3, 0.2), (1.2, 0.4, 0.15), (2.0, 0.5, 0.1)],
}
CLASSES = {name: heads.BY_NAME[name] for name in MARGINS}
DIMS = [2, 8, 64, 512]


def make(head_name, margin, num_classes=10, **kwargs):
    names = [setting.name for setting in FAMILY[head_name].margins]
    margins = margin if len(names) > 1 else [margin] * len(names)
    return CLASSES[head_name](num_classes, **dict(zip(names, margins, strict=True)), **kwargs)


def with_directions(head, w):
    head.build((None, w.shape[1]))
    head.class_directions.assign(w)
    return head


def stored(name, margin):
    """The margins as the float32 numbers that the head holds."""
    return [float(np.float32(m)) for m in reference.margins(name, margin)]


@pytest.fixture(scope="module", params=DIMS, ids=lambda d: f"d={d}")
def pairs(request):
    """Pairs (x, w) at every θ, three of each, with norms spread over a decade."""
    rng = np.random.default_rng(request.param)
    points = [
        pair_at(theta, request.param, "float32", rng, *np.exp(rng.normal(size=2)))
        for theta in THETAS
        for _ in range(3)
    ]
    x, w = (np.array(v) for v in zip(*points, strict=True))
    return x, w, [Pair(*point) for point in points]


def target(logits):
    """Sum of the target logits where example i has class i."""
    return ops.sum(ops.diagonal(logits))


@pytest.mark.parametrize("scale", [1.0, 30.0, 64.0, "norm"])
@pytest.mark.parametrize("name", CLASSES)
def test_values_and_gradients(name, scale, pairs):
    x, w, exact = pairs
    dim, worst = x.shape[1], {"value": 0.0, "gradient": 0.0}
    for margin in MARGINS[name]:
        head = with_directions(make(name, margin, len(x), scale=scale), w)
        labels = np.arange(len(x))
        values = np.diag(to_numpy(head(x, labels)))
        _, (gx, gw) = gradients(head, target, x, labels)
        for i, pair in enumerate(exact):
            value, k, ex, ew, slope = pair.logit(*stored(name, margin), scale)
            size = float(pair.x_norm) if scale == "norm" else scale
            error = abs(values[i] - value) / (size * (1 + k))
            worst["value"] = max(worst["value"], error)
            assert error <= 1e-6

            end = float(min(pair.theta, math.pi - pair.theta))
            bound = 1e-5 + 3e-7 * math.sqrt(dim) / end if end else math.inf
            for g, e, length in ((gx[i], ex, pair.x_norm), (gw[i], ew, pair.w_norm)):
                assert np.isfinite(g).all()
                full, length = np.linalg.norm(e), float(length)
                # Where ψ is flat (m·θ = kπ) the gradient is 0, and no relative error
                # exists: allow what two roundings of θ itself move it by.
                m1 = stored(name, margin)[0]
                flat = 2.4e-7 * max(1.0, float(pair.theta)) * m1**2 * size / length
                if bound < 0.5:
                    error = np.linalg.norm(g - e)
                    worst["gradient"] = max(worst["gradient"], error / (full * bound + flat))
                    assert error <= bound * full + flat
                else:
                    limit = abs(slope) * size / length
                    if scale == "norm" and length == float(pair.x_norm):
                        limit = max(limit, full)
                    assert np.linalg.norm(g) <= 1.1 * limit + 1e-6 * m1**2 * size / length
    print(f"\n{name:>10} d={dim} scale={scale}: value error / scale {worst['value']:.1e}", end=", ")
    print(f"gradient error / bar {worst['gradient']:.2f}", end="")


@pytest.mark.parametrize("name", CLASSES)
def test_compiled_agrees_with_eager(name, pairs):
    x, w, _ = pairs
    head = with_directions(make(name, MARGINS[name][-1], len(x)), w)
    x, labels = ops.convert_to_tensor(x), ops.convert_to_tensor(np.arange(len(x), dtype="int32"))
    fast = to_numpy(compiled(lambda x, y: head(x, y))(x, labels))
    np.testing.assert_allclose(fast, to_numpy(head(x, labels)), atol=2e-5)


@pytest.mark.parametrize("scale", [30.0, "norm"])
@pytest.mark.parametrize("name", CLASSES)
def test_zero_huge_and_tiny_vectors(name, scale):
    x = np.array([[0, 0], [1e30, 2e30], [1e-30, 2e-30], [3, 4], [3, 4]], "float32")
    w = np.array([[1, 0], [2e30, 1e30], [-1e-30, 2e-30], [3, 4], [0, 0]], "float32")
    for margin in MARGINS[name]:
        head = with_directions(make(name, margin, 5, scale=scale), w)
        logits = to_numpy(head(x, np.arange(5)))
        expected = reference.logits(x, w, np.arange(5), *stored(name, margin), scale=scale)
        size = reference.norm(x) if scale == "norm" else np.full(5, scale)
        for value, exact in zip(logits, expected, strict=True):
            np.testing.assert_allclose(value, exact, atol=1e-5 * max(np.abs(exact).max(), 1.0))
        _, grads = gradients(head, target, x, np.arange(5))
        expected = reference.target_gradients(x, w, *stored(name, margin), scale=scale)
        for vectors, g, e in zip((x, w), grads, expected, strict=True):
            assert np.isfinite(g).all()
            # The largest that this gradient could be, at each point.
            largest = size / np.maximum(reference.norm(vectors), 1e-37) * max(1, stored(name, margin)[0])
            np.testing.assert_array_less(np.linalg.norm(g - e, axis=1), 2e-4 * largest + 1e-30)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", CLASSES)
def test_half_precision_never_gives_nan(name, dtype):
    """10⁵ random and hazard points, scale 64, loss scaled by 2¹⁵ as Keras's loss scaling starts."""
    rng = np.random.default_rng(0)
    w = rng.standard_normal((10, 8)).astype("float32")
    x = rng.standard_normal((100_000, 8)) * np.exp(rng.normal(size=(100_000, 1)) * 2)
    y = rng.integers(0, 10, len(x))
    x[:20_000] = w[y[:20_000]]  # on the class direction
    x[20_000:40_000] = -w[y[20_000:40_000]]  # opposite it
    x[40_000:50_000] = w[y[40_000:50_000]] * (1 + 1e-3 * rng.standard_normal((10_000, 8)))
    x[50_000:51_000] = 0
    x[51_000:60_000] *= 1e-4  # so short that the true gradient is beyond float16
    x = ops.cast(np.clip(x, -6e4, 6e4).astype("float32"), dtype)
    for margin in MARGINS[name]:
        head = with_directions(make(name, margin, scale=64.0, dtype=f"mixed_{dtype}"), w)

        def loss(logits):
            assert keras.backend.standardize_dtype(logits.dtype) == "float32"
            return 2.0**15 / 128 * ops.sum(keras.losses.sparse_categorical_crossentropy(y, logits, True))

        value, grads = gradients(head, loss, x, y)
        assert np.isfinite(value)
        for g in grads:
            assert np.isfinite(g).all()


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="JAX has float64 only if jax_enable_x64 is set; Keras's arctan2 on PyTorch computes in float32",
)
def test_float64_computes_in_float64():
    x, w = pair_at(1e-9, 8, "float64", np.random.default_rng(0))
    exact = Pair(x, w).logit(1, 0.3, 0, 30.0)
    head = heads.ArcFace(num_classes=2, margin=0.3, scale=30.0, dtype="float64")
    with_directions(head, np.stack([w, -w]))
    value, (gx, _) = gradients(head, lambda logits: logits[0, 0], x[None], np.array([0]))
    assert abs(value - exact[0]) < 1e-12
    np.testing.assert_allclose(gx[0], exact[2], rtol=1e-5)
