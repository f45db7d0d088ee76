r"""Cross-entropy over more classes than memory has room for: the same loss, a block of classes at a time.

Plain cross-entropy holds (B, C) numbers several times over: logits, softmax, and
their gradients. But with t the true class's logit and ε the label smoothing,

    loss = softplus(o - t) + ε·(t - mean_j logit_j),    o = log Σ_{j≠y} exp(logit_j),

and o can be summed block by block, with the largest logit so far taken out. Its
gradient, the softmax, is known once o is: each block's logits are made again, used
and forgotten. That is one matrix product more than plain, four for three, and
(B, block_size) numbers in place of (B, C). t goes by the head's own route.
"""

import keras
import numpy as np
from keras import ops

from marginlab import geometry, heads


def cross_entropy(head, embeddings, labels, *, label_smoothing=0.0, block_size=2048):
    """Cross-entropy of each example with the head's margin, ``(B, d), (B,) -> (B,)``.

    Equal, with its gradients, to that of ``head(embeddings, labels)``, which is
    never made: no array has B×C numbers, forward or backward.

    Args:
        head: one of `marginlab.heads`, C classes.
        embeddings: ``(B, d)``.
        labels: ``(B,)``, integers in [0, C).
        label_smoothing: ε in [0, 1]: the target is 1 - ε at the label, and ε/C everywhere.
        block_size: how many classes are held at once.

    Raises:
        TypeError, ValueError: as the head does, and for ε or block_size out of range.
    """
    _check(label_smoothing, block_size)
    if not head.built:
        head.build(embeddings.shape)
    embeddings, labels = head.checked_inputs(embeddings, labels)
    w = ops.convert_to_tensor(head.class_directions)
    q, b = head.linear(embeddings)
    target = head.target(embeddings, labels)
    cosine = not isinstance(head, heads.Softmax)
    others = _others(q, w, b, labels, cosine=cosine, block_size=int(block_size))
    losses = ops.softplus(others - target)
    if label_smoothing:
        rows = geometry.unit(w) if cosine else w
        total = ops.matmul(q, ops.sum(rows, axis=0)) + ops.sum(b)
        plain = ops.sum(q * ops.take(rows, labels, axis=0), axis=-1) + ops.take(b, labels)
        losses = losses + label_smoothing * (target - (total - plain + target) / head.num_classes)
    return losses


@keras.saving.register_keras_serializable("marginlab")
class BlockwiseCrossentropy(keras.losses.Loss):
    """`cross_entropy` as the loss of a `MarginClassifier`, for very many classes.

    model.compile("adam", loss=BlockwiseCrossentropy())

    Training then holds no logits. A metric that is asked for, accuracy too, does
    need them, so none is the default; `predict` and `evaluate` give logits (B, C).

    Args:
        label_smoothing, block_size: as in `cross_entropy`.
        reduction, name, dtype: as in every Keras loss.
    """

    def __init__(self, label_smoothing=0.0, block_size=2048, name="blockwise_crossentropy", **kwargs):
        _check(label_smoothing, block_size)
        super().__init__(name=name, **kwargs)
        self.label_smoothing, self.block_size = label_smoothing, block_size

    def examples(self, head, embeddings, labels):
        """The loss of each example ``(B,)``."""
        settings = {"label_smoothing": self.label_smoothing, "block_size": self.block_size}
        return cross_entropy(head, embeddings, labels, **settings)

    def call(self, y_true, y_pred):
        """y_pred: logits ``(B, C)``, in evaluation; or the `examples`, in training."""
        if len(y_pred.shape) == 1:
            return y_pred
        plain = ops.sparse_categorical_crossentropy(ops.cast(y_true, "int32"), y_pred, from_logits=True)
        if not self.label_smoothing:
            return plain
        even = ops.logsumexp(y_pred, axis=-1) - ops.mean(y_pred, axis=-1)
        return (1 - self.label_smoothing) * plain + self.label_smoothing * even

    def get_config(self):
        settings = {"label_smoothing": self.label_smoothing, "block_size": self.block_size}
        return super().get_config() | settings


def _check(label_smoothing, block_size):
    heads.check_number("label_smoothing", label_smoothing, 0, 1, "a number in [0, 1]")
    heads.check_number("block_size", block_size, 1, float("inf"), "a whole number of at least 1")
    if block_size != int(block_size):
        raise ValueError(f"block_size must be a whole number of at least 1, got {block_size!r}")


def _compiled(fn):
    """fn as one program: TensorFlow copies a whole tensor to change a part of it, except under XLA."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.jit(fn, static_argnames=("cosine", "block_size"))
    if backend == "torch":
        return fn
    import tensorflow as tf

    program = tf.function(fn, jit_compile=True, autograph=False)

    def run(q, w, b, labels, **settings):
        # As tensors: variables would be bound to the program, and the next model's refused.
        return program(*map(tf.convert_to_tensor, (q, w, b, labels)), **settings)

    return run


@_compiled
def _others(q, w, b, labels, *, cosine, block_size):
    """log Σ_{j≠y} exp(q·v_j + b_j), ``(B, d), (C, d), (C,), (B,) -> (B,)``; v is ŵ if cosine, else w."""
    classes, dim = w.shape
    size = min(block_size, classes)
    count = -(-classes // size)

    def block(i, q, w, b):
        """First class, rows, what multiplies q, and logits (B, size), of which those to skip are -∞."""
        first = i * size
        # The last block starts early enough to be whole, and skips what the one before had.
        start = ops.minimum(first, classes - size)
        rows = ops.slice(w, (start, 0), (size, dim))
        vectors = geometry.unit(rows) if cosine else rows
        logits = ops.matmul(q, ops.transpose(vectors)) + ops.slice(b, (start,), (size,))
        column = start + ops.arange(size, dtype="int32")
        skip = (column == ops.cast(labels, "int32")[:, None]) | (column < first)
        return start, rows, vectors, ops.where(skip, -np.inf, logits)

    @ops.custom_gradient
    def run(q, w, b):
        def forward(i, state):
            top, total = state
            logits = block(i, q, w, b)[-1]
            new = ops.maximum(top, ops.max(logits, axis=-1))
            part = ops.sum(ops.exp(logits - new[:, None]), axis=-1)
            return new, total * ops.exp(top - new) + part

        # Finite, for -∞ less -∞ is NaN where a first block skips all it has.
        low = ops.full_like(q[:, 0], float(np.finfo("float32").min) / 2)
        top, total = ops.fori_loop(0, count, forward, (low, ops.zeros_like(low)))
        others = top + ops.log(total)

        def grad(*args, upstream=None):
            g = args[0] if upstream is None else upstream

            def backward(i, state):
                dq, dw, db = state
                start, rows, vectors, logits = block(i, q, w, b)
                p = ops.exp(logits - others[:, None]) * g[:, None]
                dv = ops.matmul(ops.transpose(p), q)
                if cosine:  # what `geometry.unit` would hand back
                    along = ops.sum(vectors * dv, axis=-1, keepdims=True)
                    length = geometry.norm(rows)[:, None]
                    dv = ops.where(length == 0, 0.0, (dv - vectors * along) / length)
                dv = dv + ops.slice(dw, (start, 0), (size, dim))
                dbias = ops.sum(p, axis=0) + ops.slice(db, (start,), (size,))
                return (
                    dq + ops.matmul(p, vectors),
                    ops.slice_update(dw, (start, 0), dv),
                    ops.slice_update(db, (start,), dbias),
                )

            return ops.fori_loop(
                0, count, backward, (ops.zeros_like(q), ops.zeros_like(w), ops.zeros_like(b))
            )

        return others, grad

    return run(q, w, b)
