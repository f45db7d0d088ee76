"""MarginClassifier: an encoder and a head as one Keras model."""

import inspect
import math
import sys
import types
import warnings
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from marginlab import _checks, geometry
from marginlab.blockwise import BlockwiseCrossentropy

__all__ = ["MarginClassifier"]

_NO_EMBEDDINGS = (
    "y_pred has logits alone, and the margin needs the embeddings that made them. Call the model with "
    "training=True; or with embeddings=True, where layers shall stay in inference mode (a frozen batch "
    "norm). For the loss without a margin say compute_loss(…, training=False)"
)


@keras.saving.register_keras_serializable("marginlab")
class MarginClassifier(keras.Model):
    """Inputs to logits, trained with the head's margin and judged without it.

    `fit` puts the margin in at the labels, inside the loss and nowhere else.
    `predict`, `evaluate`, validation and every metric see the plain logits, so
    accuracy never depends on the margin. It is a stock `keras.Model` in all
    else: callbacks, `sample_weight`, `class_weight`, `steps_per_execution`,
    `jit_compile`, mixed precision, distribution, saving and loading.

    Args:
        encoder: a Keras model or layer from inputs, of any structure, to embeddings
            ``(B, d)``. It gets the inputs as they come: what divides pixels by 255 is
            a layer of it (`keras.layers.Rescaling`), as in `marginlab.encoders`.
        head: one of `marginlab.heads`.

    Call:
        inputs to logits ``(B, C)``. In training, or with ``embeddings=True``, to
        ``{"logits": (B, C), "embeddings": (B, d)}``: what `compute_loss` needs for the
        margin, and `compute_metrics` takes the logits from.

    Labels are integers ``(B,)`` or ``(B, 1)`` in [0, C). A row whose `sample_weight` is 0, or
    whose label is the loss's `ignore_class`, may have any other.

    Raises:
        TypeError, ValueError: in training and evaluation, for other labels; one that
            only compiled code sees makes that example's loss NaN. From `compute_loss`,
            for a training loss of logits without their embeddings.
        RuntimeError: if another model (a `Sequential`, a `Distiller`) calls it in
            training, whose own loss would have no margin.
    """

    def __init__(self, encoder: keras.layers.Layer, head: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.encoder = encoder
        self.head = head
        # Made under a RematScope, the encoder's layers are computed anew; a whole model cannot be, for its
        # call has arguments that are no tensors.
        self._remat_mode = head._remat_mode = None
        if isinstance(encoder, keras.Model):
            encoder._remat_mode = None
        # Past Keras's tracking: what inputs were, and the model behind `embed`, which shares the encoder.
        self._known = types.SimpleNamespace(inputs=None, trained=None, embedder=None, generator=None)

    def __call__(self, inputs, *args, **kwargs):
        self._known.inputs = _described(inputs)
        if kwargs.get("training"):
            self._known.trained = self._known.inputs
        return super().__call__(inputs, *args, **kwargs)

    def build(self, input_shape: Any) -> None:
        """Make the weights of encoder and head, for inputs of this shape, or structure of shapes."""
        known = keras.tree.flatten(self._known.inputs or getattr(self.encoder, "inputs", None) or [])
        types_of = iter([keras.backend.standardize_dtype(i.dtype) for i in known])
        inputs = keras.tree.map_shape_structure(
            lambda shape: keras.KerasTensor(shape, next(types_of, "float32")), input_shape
        )
        with keras.name_scope(self.name, caller=self):  # the weights' paths, whoever builds
            self.head(self.encoder(inputs))

    def call(self, inputs: Any, training: bool = False, embeddings: bool | None = None) -> Any:
        outer = self._outer() if training and embeddings is None else None
        if outer is not None:
            raise RuntimeError(
                f"{self.name} is called in training by {type(outer).__name__}, whose loss would have no "
                "margin. Train the MarginClassifier itself, with what comes before it as a part of the "
                "encoder; or call it with embeddings=True and take the loss from its compute_loss"
            )
        found = self.encoder(inputs, training=training)
        logits = self.head(found)
        # The loss needs embeddings and labels together, and Keras hands them to different methods. They
        # travel with the logits that they made: kept on the model, they would be another batch's one day.
        if training if embeddings is None else embeddings:
            return {"logits": logits, "embeddings": found}
        return logits

    def _outer(self):
        """The outermost model that calls this one as a part of itself, or None."""
        # Naive form: Keras's call context. On JAX a trainer calls `call` itself, and leaves none.
        frame, outer = sys._getframe(1), None
        while frame is not None:
            caller, frame = frame.f_locals.get("self"), frame.f_back
            if isinstance(caller, keras.Model) and caller is not self and self in caller._flatten_layers():
                outer = caller
        return outer

    def compile(
        self,
        optimizer: Any = "adam",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        **kwargs: Any,
    ) -> None:
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
        self._take_generator(getattr(loss, "seed_generator", None))
        self._known.embedder = None  # as `predict` it may be compiled anew after a change of the encoder
        super().compile(optimizer, loss, loss_weights, metrics, **kwargs)

    def _take_generator(self, generator):
        """Make the state of a loss that draws the model's own.

        Naive form: to leave it with the loss. On JAX a compiled step knows the model's state alone, and the
        loss would draw the same in every step.
        """
        own = [g for g in self._seed_generators if g is not self._known.generator]
        self._seed_generators[:] = own if generator is None else [*own, generator]
        self._known.generator = generator

    def compile_from_config(self, config: dict[str, Any]) -> None:
        # Keras does not call an overridden `compile` by itself when it loads a model.
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            self.optimizer.build(self.trainable_variables)

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        *args: Any,
        validation_data: Any = None,
        validation_split: float = 0.0,
        **kwargs: Any,
    ) -> Any:
        """As `keras.Model.fit`; it warns before training of a validation whose loss would be NaN."""
        if validation_split and y is not None:
            # The last rows, as Keras takes them.
            start = math.floor(len(y) * (1 - validation_split))
            self._warn_of_strangers((None, y[start:]))
        self._warn_of_strangers(validation_data)
        more = {"validation_data": validation_data, "validation_split": validation_split}
        return super().fit(x, y, *args, **more, **kwargs)

    def _warn_of_strangers(self, validation_data):
        """Say before training that a validation set has classes which the head has not.

        Arrays are looked at whole, and of a data set the first batch, if it can be read twice.
        """
        batch = validation_data
        if hasattr(batch, "cardinality"):  # a tf.data set; one that a generator feeds has none that is known
            batch = next(iter(batch.take(1)), None) if int(batch.cardinality()) > 0 else None
        elif isinstance(batch, keras.utils.PyDataset):
            batch = batch[0]
        if not isinstance(batch, list | tuple) or len(batch) < 2 or batch[1] is None:
            return
        labels = _checks.flat(np.asarray(ops.convert_to_numpy(batch[1])))
        strange = (labels < 0) | (labels >= self.head.num_classes)
        strange &= labels != getattr(self.loss, "ignore_class", None)
        if len(batch) > 2 and batch[2] is not None:
            strange &= _checks.flat(np.asarray(ops.convert_to_numpy(batch[2]))) != 0
        if strange.any():
            found = labels[strange]
            warnings.warn(
                f"the validation has labels from {found.min()} to {found.max()}, and the head knows those in "
                f"[0, {self.head.num_classes}): val_loss will be NaN. For people who are not in training use "
                "marginlab.callbacks.Verify",
                stacklevel=3,
            )

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        logits, embeddings = _parts(y_pred)
        if training and embeddings is None:
            raise ValueError(_NO_EMBEDDINGS)
        if not training and _is_a_mean(y):
            y = ops.cast(y, "int32")
        spared = self._spared(y, sample_weight)
        labels, valid = self.head.checked(y, logits.shape[0], spared)
        counts = valid if spared is None else valid & ops.logical_not(spared)
        if training:
            embeddings, _ = self.head.checked_inputs(embeddings)
            self.head.observe(embeddings, labels, counts)
            # What a head does beside its logits it has done, for the rows that count.
            if isinstance(self.loss, BlockwiseCrossentropy):
                y_pred = self.loss.examples(self.head, embeddings, labels)
            else:
                y_pred = self.head(embeddings, labels, training=False)
        else:
            y_pred = logits
        y_pred = ops.where(valid if len(y_pred.shape) == 1 else valid[:, None], y_pred, math.nan)
        if spared is not None and getattr(self.loss, "ignore_class", None) is not None:
            labels = ops.where(spared, self.loss.ignore_class, labels)
        loss = super().compute_loss(x, labels, y_pred, sample_weight, training)
        term = self.head.penalty(embeddings, counts) if training else None
        return loss if term is None else loss + self._aggregate_additional_loss(term)

    def _spared(self, y, sample_weight):
        """Rows (B,) whose label nobody asks for, or None where all count."""
        labels = ops.cast(y, "int32")
        masks = []
        if (ignored := getattr(self.loss, "ignore_class", None)) is not None:
            masks.append(ops.equal(labels, ignored))
        if sample_weight is not None:
            masks.append(ops.equal(ops.convert_to_tensor(sample_weight), 0))
        # Some are (B, 1), and a weight may be one number for all.
        masks = [_checks.flat(mask) for mask in masks]
        return None if not masks else masks[0] if len(masks) == 1 else ops.logical_or(*masks)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        return super().compute_metrics(x, y, _parts(y_pred)[0], sample_weight)

    def embed(self, x: Any, batch_size: int | None = None, **kwargs: Any) -> np.ndarray:
        """Embeddings ``(N, d)`` of whatever `predict` takes, as a NumPy array.

        Args:
            x: arrays ``(N, ...)`` in the structure that the encoder takes, also none (N = 0); a tf.data
                set, a `keras.utils.PyDataset`, a generator.
            batch_size: as of `predict`.
            kwargs: other arguments of `predict`.
        """
        flat = keras.tree.flatten(x)
        arrays = bool(flat) and all(hasattr(v, "shape") and hasattr(v, "dtype") for v in flat)
        if arrays and not self.built:
            # By its own name, or the weights would be called after what embeds.
            self._known.inputs = _described(x)
            self.build(keras.tree.map_structure(lambda spec: spec.shape, self._known.inputs))
            self.built = True
        if arrays and all(len(v) == 0 for v in flat):
            return np.zeros((0, self.head.class_directions.shape[-1]), "float32")
        if self._known.embedder is None:
            self._known.embedder = _Embedder(self.encoder)
        return self._known.embedder.predict(x, batch_size=batch_size, **{"verbose": 0} | kwargs)

    @property
    def class_directions(self) -> np.ndarray:
        """The head's class directions as unit vectors ``(C, d)``, a NumPy array."""
        return ops.convert_to_numpy(geometry.unit(self.head.class_directions))

    def extend(
        self, num_classes: int, x: Any = None, y: Any = None, *, verbose: bool | int = 1, **settings: Any
    ) -> Self:
        """A new classifier that knows more classes: the old rows kept to the bit, and the encoder's weights.

        The direction of a new class is the mean of its images' unit embeddings (imprinting: Qi et al.,
        "Low-Shot Learning with Imprinted Weights", 2018), as long as the old ones are in the mean; that of a
        class without images begins as in a new head. Of several directions a class the first is the mean, and
        the others lie about it. If this model is compiled, so is the new one, by the same settings, and where
        its optimizer has taken steps the new one goes on from its state; new rows begin with zeros in it.

        Args:
            num_classes: of the new classifier, at least as many as now. Class j stays class j.
            x, y: images of new classes, as `fit` takes arrays, and perhaps of old ones, by which the accuracy
                on the old classes is told: ``extended.extension`` is ``{"old_before", "old_after", "new"}``,
                each a share, or None where there are no such images.
            verbose: whether to print it.
            settings: of the new head, such as a margin for each class.

        Raises:
            TypeError, ValueError: for fewer classes than now, for labels that are not in [0, num_classes),
                for a head whose margin is one for each class if none is given; and before it is built.
        """
        _checks.whole("num_classes", num_classes, self.head.num_classes)
        if (x is None) != (y is None):
            raise ValueError("x and y must be given together")
        labels = None if y is None else _checks.flat(np.asarray(y))
        if labels is not None:
            inside = labels.dtype.kind in "iu" and np.all((labels >= 0) & (labels < num_classes))
            if not inside:
                raise ValueError(f"y must be whole numbers in [0, {num_classes}), got {np.unique(labels)}")
        new = _larger(self, num_classes, settings)
        embeddings = None if y is None else self.embed(x)
        _fill_rows(self.head, new.head, embeddings, labels)
        if self.compiled and self.optimizer.built:
            _carry_optimizer(self, new)
        new.extension = _told(self.head, new.head, embeddings, labels)
        if verbose and labels is not None:
            shown = {k: "no images" if v is None else f"{v:.2%}" for k, v in new.extension.items()}
            print(
                f"Accuracy on images of the old classes: {shown['old_before']} before, {shown['old_after']} "
                f"after; of the new ones: {shown['new']}"
            )
        return new

    def summary(self, *args: Any, expand_nested: bool = True, **kwargs: Any) -> None:
        """As `keras.Model.summary`, with the encoder's layers: what divides the pixels is one of them."""
        super().summary(*args, expand_nested=expand_nested, **kwargs)

    def export(
        self,
        filepath: Any,
        format: str = "tf_saved_model",
        verbose: Any = None,
        input_signature: Any = None,
        **kwargs: Any,
    ) -> Any:
        """As `keras.Model.export`, for inputs of the type and shape that the model was trained with."""
        described = self._known.trained or self._known.inputs
        if input_signature is None and described is not None:
            input_signature = [described]
        return super().export(filepath, format, verbose, input_signature, **kwargs)

    def set_state_tree(self, state_tree: dict[str, Any]) -> None:
        """As Keras has it, for `load_weights` of an Orbax checkpoint and what else restores a state.

        Raises:
            ValueError: if the two do not have the same variables, or a setting is out of its range.
        """
        # Naive form: Keras's own, which passes over what it cannot find by its path. A model from
        # `load_model` has other paths than the one that was saved: it kept new weights, and said nothing.
        for kind, own in self.get_state_tree().items():
            own, given = (
                {"/".join(map(str, path)): value for path, value in keras.tree.flatten_with_path(tree)}
                for tree in (own, state_tree.get(kind, own))
            )
            if own.keys() != given.keys() and kind != "metrics_variables":
                raise ValueError(
                    f"{kind}: the state has {sorted(given.keys() - own)}, the model "
                    f"{sorted(own.keys() - given)}; "
                    "make and build model and optimizer by the code that made what was saved"
                )
            self.head.check_settings(given)
        super().set_state_tree(state_tree)

    def get_config(self) -> dict[str, Any]:
        parts = {"encoder": self.encoder, "head": self.head}
        parts = {name: keras.saving.serialize_keras_object(part) for name, part in parts.items()}
        return super().get_config() | parts

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        parts = {k: keras.saving.deserialize_keras_object(config[k]) for k in ("encoder", "head")}
        return cls(**config | parts)

    def get_build_config(self) -> dict[str, Any] | None:
        described = self._known.trained or self._known.inputs
        # None where it is not built: a file must not say that it is.
        return None if described is None else {"inputs": keras.saving.serialize_keras_object(described)}

    def build_from_config(self, config: dict[str, Any]) -> None:
        described = keras.saving.deserialize_keras_object(config["inputs"])
        self._known.inputs = self._known.trained = described
        self.build(keras.tree.map_structure(lambda spec: spec.shape, described))
        self.built = True


def _larger(model, num_classes, settings):
    """A classifier by the same code with more classes, and all weights but those of a class."""
    config, build = model.get_config(), model.get_build_config()
    if build is None or not model.built:
        raise ValueError("extend needs a model that is built: train it, or call it on a batch")
    head = config["head"]["config"]
    for name, value in head.items():
        if name in model.head.settings and isinstance(value, list) and name not in settings:
            raise ValueError(
                f"{name} is one for each of {len(value)} classes: give extend one of shape ({num_classes},)"
            )
    config["head"] = config["head"] | {"config": head | {"num_classes": num_classes} | settings}
    new = type(model).from_config(config)
    new.build_from_config(build)
    new.encoder.set_weights(model.encoder.get_weights())
    for own, old in zip(new.head.weights, model.head.weights, strict=True):
        if own.shape == old.shape:  # a statistic; or all, where no class is new
            own.assign(old)
    if model.compiled:
        new.compile_from_config(model.get_compile_config())
    return new


def _fill_rows(old, new, embeddings, labels):
    """Rows of the old classes as they are, and those of new ones from the mean of their images."""
    known, dim = old.num_classes, old.class_directions.shape[-1]
    before, rows = (np.array(ops.convert_to_numpy(h.class_directions)) for h in (old, new))
    table = rows.reshape(new.num_classes, -1, dim)  # a view
    table[:known] = before.reshape(known, -1, dim)
    length = np.linalg.norm(table[:known], axis=-1).mean()
    for j in range(known, new.num_classes) if labels is not None else ():
        if not (labels == j).any():
            continue
        mean = _unit(_unit(embeddings[labels == j]).mean(axis=0))
        about = 0.1 * _unit(table[j, 1:])  # equally near ones would learn the same for ever
        table[j, 0], table[j, 1:] = length * mean, length * _unit(mean + about)
    new.class_directions.assign(rows)
    if getattr(old, "use_bias", False):
        bias = np.array(ops.convert_to_numpy(old.bias))
        new.bias.assign(np.append(bias, np.full(new.num_classes - known, bias.mean())))


def _unit(x):
    return ops.convert_to_numpy(geometry.unit(x))


def _carry_optimizer(model, new):
    """The optimizer's state, with zeros for rows that are new."""
    for own, old in zip(new.optimizer.variables, model.optimizer.variables, strict=True):
        value = np.zeros(own.shape, ops.convert_to_numpy(own).dtype)
        there = ops.convert_to_numpy(old)
        if value.shape == there.shape:
            value = there
        else:
            value[: len(there)] = there
        own.assign(value)


def _told(old, new, embeddings, labels):
    """Accuracy on images of the old classes before and after, and on those of the new."""
    told: dict[str, float | None] = dict.fromkeys(("old_before", "old_after", "new"))
    if labels is None:
        return told
    kinds = (("old_before", old, True), ("old_after", new, True), ("new", new, False))
    for name, head, known in kinds:
        rows = (labels < old.num_classes) == known
        if rows.any():
            answers = ops.convert_to_numpy(ops.argmax(head(embeddings[rows]), axis=-1))
            told[name] = float(np.mean(answers == labels[rows]))
    return told


class _Embedder(keras.Model):
    """The encoder alone, so that `embed` takes all that `predict` takes."""

    def __init__(self, encoder):
        super().__init__(name="embedder")
        self.encoder = encoder

    def call(self, inputs):
        return self.encoder(inputs, training=False)


def _parts(y_pred):
    """Logits, and embeddings or None, of what the model's call gave."""
    return (y_pred["logits"], y_pred["embeddings"]) if isinstance(y_pred, dict) else (y_pred, None)


def _is_a_mean(labels):
    """Whether Keras only builds the loss, outside every replica of a tf.distribute strategy.

    It then passes the mean of the replicas' labels, which is no integer, and drops the result.
    """
    if keras.backend.backend() != "tensorflow" or "int" in keras.backend.standardize_dtype(labels.dtype):
        return False
    import tensorflow as tf

    return tf.distribute.in_cross_replica_context() and not tf.executing_eagerly()


def _described(inputs):
    """Type and shape of each input, the batch left open, in their structure; None if a rank is not known."""
    try:
        return keras.tree.map_structure(
            lambda v: keras.InputSpec(
                dtype=keras.backend.standardize_dtype(getattr(v, "dtype", "float32")),
                shape=(None, *tuple(getattr(v, "shape", np.shape(v)))[1:]),
            ),
            inputs,
        )
    except ValueError:
        return None
