r"""Cross-entropy over more classes than memory has room for: the same loss, a block of classes at a time.

Plain cross-entropy holds (B, C) numbers several times over: logits, softmax, and
their gradients. But with t the true class's logit and ε the label smoothing,

    loss = softplus(o - t) + ε·(t - mean_j logit_j),    o = log Σ_{j≠y} exp(logit_j),

and o can be summed block by block, with the largest logit so far taken out. Its
gradient, the softmax, is known once o is: each block's logits are made again, used
and forgotten. That is one matrix product more than plain, four for three, and
(B, block_size) numbers in place of (B, C). t goes by the head's own route.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from marginlab import _checks, geometry, heads
from marginlab.geometry import Tensor

__all__ = ["BlockwiseCrossentropy", "SampledCrossentropy", "cross_entropy"]


def cross_entropy(
    head: Any,
    embeddings: Tensor,
    labels: Tensor,
    *,
    label_smoothing: float = 0.0,
    block_size: int = 2048,
    training: bool = True,
) -> Tensor:
    """Cross-entropy of each example with the head's margin, ``(B, d), (B,) -> (B,)``.

    Equal, with its gradients, to that of ``head(embeddings, labels)``, which is
    never made: no array has B×C numbers, forward or backward.

    Args:
        head: one of `marginlab.heads`, C classes, or another of their hooks; `rows`, `own_angle`
            and `psi` are asked. The term of its own that MagFace has is `head.penalty`.
        embeddings: ``(B, d)``.
        labels: ``(B,)``, integers in [0, C).
        label_smoothing: ε in [0, 1]: the target is 1 - ε at the label, and ε/C everywhere.
        block_size: how many classes are held at once.
        training: whether the head takes the batch into its statistics, as in AdaFace.

    Raises:
        TypeError, ValueError: as the head does, for ε or block_size out of range, and for a head whose
            logits are not of one class alone, as CurricularFace and AdaCos; it says why.
    """
    _check(label_smoothing, block_size)
    if not head.built:
        head.build(embeddings.shape)
    _own_rows(head)  # refuses, if it does, before any statistics move
    if training:
        head.observe(*head.checked_inputs(embeddings, labels))
    block_size = int(block_size)
    count, _ = _blocks(head.num_classes, block_size)
    others, total, target = _parts(head, embeddings, labels, ops.arange(count), block_size)
    losses = ops.softplus(others - target)
    if label_smoothing:
        losses = losses + label_smoothing * (target - (total + target) / head.num_classes)
    return losses


def _parts(head, embeddings, labels, blocks, block_size):
    """Each (B,): log Σ exp(logit_j) and Σ logit_j over all j ≠ y in these blocks, and the true logit."""
    own = _own_rows(head)
    embeddings, labels = head.checked_inputs(embeddings, labels)
    q, b = head.linear(embeddings)
    # Keras hands a variable back as it is where TensorFlow wants a tensor; reshaping reads it.
    w, b = (ops.reshape(v, v.shape) for v in (head.class_directions, b))
    cosine = isinstance(head, heads.CosineHead)
    sums = _others(q, w, b, labels, blocks, own=own, cosine=cosine, block_size=block_size)
    return sums[0], sums[1], head.target(embeddings, labels)


@keras.saving.register_keras_serializable("marginlab")
class BlockwiseCrossentropy(keras.losses.Loss):
    """`cross_entropy` as the loss of a `MarginClassifier`, for very many classes.

    model.compile("adam", loss=BlockwiseCrossentropy())

    Training then holds no logits. A metric that is asked for, accuracy too, does
    need them, so none is the default; `predict` and `evaluate` give logits (B, C).

    Args:
        label_smoothing, block_size: as in `cross_entropy`.
        ignore_class: a label whose rows do not count, such as -1 of padding, or None.
        reduction, name, dtype: as in every Keras loss.
    """

    def __init__(
        self,
        label_smoothing: float = 0.0,
        block_size: int = 2048,
        ignore_class: int | None = None,
        name: str = "blockwise_crossentropy",
        **kwargs: Any,
    ) -> None:
        _check(label_smoothing, block_size)
        super().__init__(name=name, **kwargs)
        self.label_smoothing, self.block_size = label_smoothing, block_size
        self.ignore_class = ignore_class

    def __call__(self, y_true, y_pred, sample_weight=None):
        if self.ignore_class is not None:
            # Columns would be spread over rows: (B, 1) times (B,) is (B, B).
            y_true = _checks.flat(y_true)
            if sample_weight is not None:
                sample_weight = _checks.flat(ops.convert_to_tensor(sample_weight))
            counts = ops.cast(ops.not_equal(y_true, self.ignore_class), self.dtype)
            if self.reduction in ("mean", "sum_over_batch_size"):  # over those that count
                counts = counts / ops.maximum(ops.mean(counts), keras.config.epsilon())
            sample_weight = counts if sample_weight is None else counts * ops.cast(sample_weight, self.dtype)
            y_true = ops.where(ops.equal(y_true, self.ignore_class), 0, y_true)
        return super().__call__(y_true, y_pred, sample_weight)

    def examples(self, head: Any, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The loss of each example ``(B,)``, of a head that has observed the batch."""
        settings = {"label_smoothing": self.label_smoothing, "block_size": self.block_size}
        return cross_entropy(head, embeddings, labels, training=False, **settings)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """y_pred: logits ``(B, C)``, in evaluation; or the `examples`, in training."""
        if len(y_pred.shape) == 1:
            return y_pred
        plain = ops.sparse_categorical_crossentropy(ops.cast(y_true, "int32"), y_pred, from_logits=True)
        if not self.label_smoothing:
            return plain
        even = ops.logsumexp(y_pred, axis=-1) - ops.mean(y_pred, axis=-1)
        return (1 - self.label_smoothing) * plain + self.label_smoothing * even

    def get_config(self) -> dict[str, Any]:
        settings = {"label_smoothing": self.label_smoothing, "block_size": self.block_size}
        return super().get_config() | settings | {"ignore_class": self.ignore_class}


@keras.saving.register_keras_serializable("marginlab")
class SampledCrossentropy(BlockwiseCrossentropy):
    """The loss over some of the wrong classes, others in each step, for classes too many even for blocks.

    ``model.compile("adam", loss=SampledCrossentropy(share=0.1))``

    A step takes the true class and a random share of the blocks of classes, and subtracts log of the share
    from the logits of the wrong ones: their sum of exp(logit) is then that of all classes in the mean, so
    that losses at two shares can be compared. (The loss, a logarithm of the sum, lies a little below in the
    mean.) Partial FC (An et al., "Killing Two Birds with One Stone", 2022) draws anew in each step too, and
    subtracts nothing: its loss is lower by up to log(1/share), and lower the less it takes.

    Evaluation takes all classes. With share=1 it is `BlockwiseCrossentropy`.

    Args:
        share: of the wrong classes, in (0, 1].
        block_size: classes that are drawn together; None for at least 16 blocks in each step, where there
            are as many classes.
        seed: of the draws, a whole number; None for one of Keras's own.
        ignore_class, reduction, name, dtype: as in `BlockwiseCrossentropy`.
    """

    def __init__(
        self,
        share: float = 0.1,
        block_size: int | None = None,
        seed: int | None = None,
        ignore_class: int | None = None,
        name: str = "sampled_crossentropy",
        **kwargs: Any,
    ) -> None:
        super().__init__(block_size=block_size or 1, ignore_class=ignore_class, name=name, **kwargs)
        _checks.number("share", share, 1e-9, 1, "a share in (0, 1]")
        self.share, self.block_size, self.seed = share, block_size, seed
        self.seed_generator = keras.random.SeedGenerator(seed)  # a model takes its state for its own

    def examples(self, head: Any, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The loss of each example ``(B,)``, with a new draw, of a head that has observed the batch."""
        classes = head.num_classes
        size = self.block_size or min(2048, max(1, int(self.share * classes) // 16))
        count, _ = _blocks(classes, size)
        taken = max(1, round(self.share * count))
        order = ops.argsort(keras.random.uniform((count,), seed=self.seed_generator))
        others, _, target = _parts(head, embeddings, labels, ops.cast(order[:taken], "int32"), size)
        return ops.softplus(others - math.log(taken / count) - target)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["label_smoothing"]
        return config | {"share": self.share, "seed": self.seed}


def _check(label_smoothing, block_size):
    _checks.number("label_smoothing", label_smoothing, 0, 1, "a number in [0, 1]")
    _checks.whole("block_size", block_size, 1)


def _own_rows(head):
    """The head if it says in `rows` how they are read, else None: all others share one compiled program.

    Raises:
        TypeError: for a head with its own `cosines` alone, of which these rows may know nothing; and for one
            whose logits are not of one class alone.
    """
    own_others = isinstance(head, heads.CosineHead) and type(head).others is not heads.CosineHead.others
    if head.why_not_blockwise or own_others:
        why = head.why_not_blockwise or "it has its own `others`"
        raise TypeError(
            f"{type(head).__name__} has no blockwise loss, for {why}: take the plain one, of (B, C) logits"
        )
    if type(head).rows is not heads.CosineHead.rows:
        return head
    if isinstance(head, heads.CosineHead) and type(head).cosines is not heads.CosineHead.cosines:
        raise TypeError(
            f"{type(head).__name__} has its own cosines, and the blockwise loss asks `rows`: override it too"
        )
    return None


def _others(q, w, b, labels, blocks, **settings):
    """(2, B): log Σ exp(logit_j) and Σ logit_j over all j ≠ y in these blocks; logit_j = q·v_j + b_j.

    v is ŵ if cosine, or w; blocks are numbers ``(n,)``, none of them twice.
    """

    @ops.custom_gradient
    def run(q, w, b, labels, blocks):
        # Stopped, or TensorFlow would keep every block for a backward pass of its own.
        inputs = [ops.stop_gradient(v) for v in (q, w, b, labels, blocks)]
        others, total = _sums(*inputs, **settings)

        def grad(*args, upstream=None):  # PyTorch passes it by name, after the inputs
            upstream = args[0] if upstream is None else upstream
            found = _first_only(lambda g: _gradients(*inputs, others, g[0], g[1], **settings), upstream)
            return *found, _no_gradient(labels), _no_gradient(blocks)

        return ops.stack([others, total]), grad  # one output is all that PyTorch's way has room for

    return run(q, w, b, labels, blocks)


def _first_only(gradients, upstream):
    """gradients(upstream), which cannot be differentiated again.

    Naive form: to leave it open. TensorFlow then ends in a LookupError about a while loop, and
    PyTorch in a wrong number, for the inputs were stopped above. Cure: to say so.
    """

    @ops.custom_gradient
    def run(upstream):
        def refuse(*args, upstream=None):
            raise NotImplementedError(
                "the blockwise loss has first derivatives only: for a derivative of its gradient "
                "(a penalty of the gradient, a Hessian) take the plain loss, head(embeddings, labels)"
            )

        return gradients(ops.stop_gradient(upstream)), refuse

    return run(upstream)


def _no_gradient(labels):
    """What stands for the gradient of integers."""
    if keras.backend.backend() != "jax":
        return None
    import jax

    return np.zeros(labels.shape, jax.dtypes.float0)


def _compiled(fn: Callable) -> Callable:
    """fn as one program: TensorFlow copies a whole tensor to change a part of it, except under XLA."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        program = jax.jit(fn, static_argnames=("own", "cosine", "block_size"))
        # What is static is kept for ever, and that is no place for a head.
        return lambda *args, own, **settings: (fn if own else program)(*args, own=own, **settings)
    if backend == "torch":
        return fn
    import tensorflow as tf

    return tf.function(fn, jit_compile=True, autograph=False)


def _over(blocks, step, state):
    """step(block, state) -> state, over the numbers of blocks ``(n,)``.

    Naive form: blocks[i]. As the place where a slice begins XLA takes them for constants, and compiles anew
    for each draw of them. Cure: to carry them along and turn them, for what changes in a loop is no constant.
    """

    def run(i, carried):
        blocks, *state = carried
        return ops.roll(blocks, -1), *step(blocks[0], state)

    return ops.fori_loop(0, blocks.shape[0], run, (blocks, *state))[1:]


def _blocks(classes, block_size):
    """How many blocks, and of how many classes."""
    size = min(block_size, classes)
    return -(-classes // size), size


class _Block(NamedTuple):
    """Some classes, from `start` on: K directions each, mostly one."""

    start: Any
    rows: Any  # (size·K, d)
    inverse: Any  # (size·K,): what to multiply q·row with
    won: Any  # (B, size·K): which row is its class's nearest, 1 in all; None where K = 1
    counts: Any  # (B, size): not the label, and not in a block before
    logits: Any  # (B, size)


def _rows(own, w, start, size):
    """Rows of w ``(size, d)`` or ``(size, K, d)``, as the head `own` reads them, or as all others do."""
    if own is None:
        return heads.block(w, start, size)
    with keras.StatelessScope(state_mapping=[(own.class_directions, w)], initialize_variables=False):
        rows = own.rows(start, size)
    entries = size * math.prod(w.shape) // own.num_classes
    if len(rows.shape) not in (2, 3) or rows.shape[0] != size or math.prod(rows.shape) != entries:
        raise ValueError(
            f"{type(own).__name__}.rows must be the {entries} numbers of {size} classes in class_directions, "
            f"of shape ({size}, d) or ({size}, K, d), got {tuple(rows.shape)}"
        )
    return rows


def _block(i, q, w, b, labels, size, own, cosine):
    classes = b.shape[0]
    # The last block starts early enough to be whole, and skips what the one before had.
    start = ops.minimum(i * size, classes - size)
    rows = _rows(own, w, start, size)
    each = 1 if len(rows.shape) == 2 else rows.shape[1]
    rows = ops.reshape(rows, (size * each, q.shape[1]))
    inverse = ops.ones((size,), q.dtype)
    if cosine:  # 1/‖row‖, and 0 for the zero vector
        length = geometry.norm(rows)
        inverse = ops.where(length == 0, 0.0, 1 / length)
    logits, won = ops.matmul(q, ops.transpose(rows)) * inverse, None
    if each > 1:
        table = ops.reshape(logits, (-1, size, each))
        logits = ops.max(table, axis=-1)
        # Equally near ones share the gradient, as they do in the gradient of a maximum.
        won = ops.cast(table == logits[..., None], q.dtype)
        won = ops.reshape(won / ops.sum(won, axis=-1, keepdims=True), (-1, size * each))
    column = start + ops.arange(size, dtype="int32")
    counts = (column != ops.cast(labels, "int32")[:, None]) & (column >= i * size)
    return _Block(start, rows, inverse, won, counts, logits + ops.slice(b, (start,), (size,)))


@_compiled
def _sums(q, w, b, labels, blocks, *, own, cosine, block_size):
    """As `_others`, apart."""
    _, size = _blocks(b.shape[0], block_size)

    def step(i, state):
        top, share, total = state
        block = _block(i, q, w, b, labels, size, own, cosine)
        counts, logits = block.counts, block.logits
        new = ops.maximum(top, ops.max(ops.where(counts, logits, -np.inf), axis=-1))
        part = ops.sum(ops.where(counts, ops.exp(logits - new[:, None]), 0.0), axis=-1)
        return (
            new,
            share * ops.exp(top - new) + part,
            total + ops.sum(ops.where(counts, logits, 0.0), axis=-1),
        )

    zero = ops.zeros_like(q[:, 0])
    # Finite, for -∞ less -∞ is NaN where a first block skips all it has.
    low = ops.full_like(zero, float(np.finfo("float32").min) / 2)
    top, share, total = _over(blocks, step, (low, zero, zero))
    return top + ops.log(share), total


@_compiled
def _gradients(q, w, b, labels, blocks, others, g_others, g_total, *, own, cosine, block_size):
    """In q, w and b, from the gradients (B,) in both sums."""
    classes = b.shape[0]
    _, size = _blocks(classes, block_size)

    def step(i, state):
        dq, dw, db = state
        block = _block(i, q, w, b, labels, size, own, cosine)
        rows, inverse, logits = block.rows, block.inverse, block.logits
        p = ops.exp(logits - others[:, None]) * g_others[:, None] + g_total[:, None]
        p = ops.where(block.counts, p, 0.0)
        dbias = ops.sum(p, axis=0)
        if block.won is not None:
            each = rows.shape[0] // size
            p, logits = ops.repeat(p, each, axis=1) * block.won, ops.repeat(logits, each, axis=1)
        dv = ops.matmul(ops.transpose(p), q) * inverse[:, None]
        if cosine:  # less its part along ŵ; a cosine head has no b, so q·ŵ is the logit
            along = ops.sum(p * logits, axis=0)
            dv = dv - (rows * inverse[:, None]) * (along * inverse)[:, None]
        # A class is one entry of w, or some that follow each other.
        entries = w.shape[0] // classes
        place = (block.start * entries, *[0] * (len(w.shape) - 1))
        shape = (size * entries, *w.shape[1:])
        return (
            dq + ops.matmul(p * inverse, rows),
            ops.slice_update(dw, place, ops.reshape(dv, shape) + ops.slice(dw, place, shape)),
            ops.slice_update(db, (block.start,), dbias + ops.slice(db, (block.start,), (size,))),
        )

    return _over(blocks, step, (ops.zeros_like(q), ops.zeros_like(w), ops.zeros_like(b)))
