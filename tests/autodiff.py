"""Gradients of a head by whichever Keras backend is running the tests."""

import keras
import numpy as np

BACKEND = keras.backend.backend()


def gradients(head, loss, x, labels=None):
    """loss(logits), and its gradients in x and in each trainable weight, as NumPy arrays."""
    x = keras.ops.convert_to_tensor(x)
    if BACKEND == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss(head(x, labels))
        grads = tape.gradient(value, [x, *[w.value for w in head.trainable_weights]])
    elif BACKEND == "jax":
        import jax

        fixed = [w.value for w in head.non_trainable_variables]

        def run(x, weights):
            return loss(head.stateless_call(weights, fixed, x, labels)[0])

        value, (gx, gw) = jax.value_and_grad(run, (0, 1))(x, [w.value for w in head.trainable_weights])
        grads = [gx, *gw]
    else:
        import torch

        x = x.clone().requires_grad_(True)
        weights = [w.value for w in head.trainable_weights]
        value = loss(head(x, labels))
        grads = torch.autograd.grad(value, [x, *weights])
    return to_numpy(value), [to_numpy(g) for g in grads]


def to_numpy(x):
    x = keras.ops.convert_to_numpy(keras.ops.cast(x, "float64") if BACKEND == "tensorflow" else x)
    return np.asarray(x, "float64")


def compiled(fn):
    """fn as the backend compiles it: XLA on TensorFlow and JAX, eager on PyTorch."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.function(fn, jit_compile=True, autograph=False)
    if BACKEND == "jax":
        import jax

        return jax.jit(fn)
    return fn
