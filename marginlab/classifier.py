"""MarginClassifier: an encoder and a head as one Keras model."""

import inspect
import math

import keras
import numpy as np
from keras import ops

from marginlab import geometry
from marginlab.blockwise import BlockwiseCrossentropy


@keras.saving.register_keras_serializable("marginlab")
class MarginClassifier(keras.Model):
    """Images to logits, trained with the head's margin and judged without it.

    `fit` puts the margin in at the labels, inside the loss and nowhere else.
    `predict`, `evaluate`, validation and every metric see the plain logits, so
    accuracy never depends on the margin. It is a stock `keras.Model` in all
    else: callbacks, `sample_weight`, `class_weight`, `steps_per_execution`,
    `jit_compile`, mixed precision, distribution, saving and loading.

    Args:
        encoder: a Keras model or layer from inputs to embeddings ``(B, d)``.
        head: one of `marginlab.heads`.

    Call:
        inputs to logits ``(B, C)``. uint8 inputs are pixels and are divided by
        255; anything else goes to the encoder as it is.

    Raises:
        TypeError, ValueError: in training and evaluation, for labels that are
            not integers ``(B,)`` in [0, C); a label out of range that only
            compiled code sees makes that example's loss NaN.
    """

    def __init__(self, encoder, head, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.head = head
        self._training_embeddings = None

    def call(self, inputs, training=False):
        embeddings = self._encode(inputs, training)
        # The loss needs the embeddings and the labels together, and Keras hands
        # them to different methods of the same step: see compute_loss.
        self._training_embeddings = embeddings if training else None
        return self.head(embeddings)

    def _encode(self, inputs, training=False):
        if keras.backend.standardize_dtype(inputs.dtype) == "uint8":
            inputs = ops.cast(inputs, self.compute_dtype) / 255.0
        return self.encoder(inputs, training=training)

    def compile(self, optimizer="adam", loss=None, metrics=None, **kwargs):
        """As `keras.Model.compile`; the loss is cross-entropy from logits unless given.

        For very many classes give `marginlab.blockwise.BlockwiseCrossentropy`.

        Raises:
            ValueError: for a cross-entropy that takes its input for
                probabilities, which logits are not.
        """
        loss = keras.losses.get(loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        takes_logits = getattr(loss, "get_config", dict)().get("from_logits")
        if (
            takes_logits is None
            and inspect.isfunction(loss)
            and "from_logits" in inspect.signature(loss).parameters
        ):
            takes_logits = False
        if takes_logits is False:
            raise ValueError(f"loss must take logits: give it from_logits=True, got {loss}")
        if metrics is None:
            metrics = [] if isinstance(loss, BlockwiseCrossentropy) else ["accuracy"]
        super().compile(optimizer, loss, metrics=metrics, **kwargs)

    def compile_from_config(self, config):
        # Keras does not call an overridden `compile` by itself when it loads a model.
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            self.optimizer.build(self.trainable_variables)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        embeddings, self._training_embeddings = self._training_embeddings, None
        if _between_replicas():
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        y, valid = self.head.checked(y, y_pred.shape[0])
        if training and embeddings is not None:
            if isinstance(self.loss, BlockwiseCrossentropy):
                y_pred = self.loss.examples(self.head, embeddings, y)
            else:
                y_pred = self.head(embeddings, y)
        y_pred = ops.where(valid if len(y_pred.shape) == 1 else valid[:, None], y_pred, math.nan)
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    def embed(self, inputs, batch_size=1000):
        """Embeddings ``(N, d)`` of inputs ``(N, ...)``, as a NumPy array."""
        starts = range(0, len(inputs), batch_size)
        batches = (self._encode(ops.convert_to_tensor(inputs[i : i + batch_size])) for i in starts)
        return np.concatenate([ops.convert_to_numpy(b) for b in batches])

    @property
    def class_directions(self):
        """The head's class directions as unit vectors ``(C, d)``, a NumPy array."""
        return ops.convert_to_numpy(geometry.unit(self.head.class_directions))

    def set_state_tree(self, state_tree):
        """As Keras has it, for `load_weights` of an Orbax checkpoint and what else restores a state.

        Raises:
            ValueError: if the two do not have the same variables.
        """
        # Naive form: Keras's own, which passes over what it cannot find by its path. A model from
        # `load_model` has other paths than the one that was saved: it kept new weights, and said nothing.
        for kind, own in self.get_state_tree().items():
            own, given = (
                {"/".join(map(str, path)) for path, _ in keras.tree.flatten_with_path(tree)}
                for tree in (own, state_tree.get(kind, own))
            )
            if own != given and kind != "metrics_variables":
                raise ValueError(
                    f"{kind}: the state has {sorted(given - own)}, the model {sorted(own - given)}; "
                    "make and build model and optimizer by the code that made what was saved"
                )
        super().set_state_tree(state_tree)

    def get_config(self):
        parts = {"encoder": self.encoder, "head": self.head}
        parts = {name: keras.saving.serialize_keras_object(part) for name, part in parts.items()}
        return super().get_config() | parts

    @classmethod
    def from_config(cls, config):
        parts = {k: keras.saving.deserialize_keras_object(config[k]) for k in ("encoder", "head")}
        return cls(**config | parts)


def _between_replicas():
    """Whether Keras is only building the loss, outside every replica of a tf.distribute strategy.

    It then passes the mean of the replicas' labels, which is no integer, and
    drops the result.
    """
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return tf.distribute.in_cross_replica_context()
