"""Trainer: the model behind the sliders, compiled once and retrained many times.

A slider is only fun if the picture follows the hand. So nothing is done twice:
the images stay on the device, already averaged by the encoder's first layers;
many steps, and the look at the test set after them, are one compiled XLA
program; and a new margin or scale is a new value in a weight of the head, not a
new program.
"""

import dataclasses
import functools
import inspect
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

import keras
import numpy as np

from marginlab import _checks, encoders, family, geometry, heads
from marginlab._tensorflow import tf
from marginlab.data import load_mnist, shown_images
from marginlab.recipe import RECIPE
from marginlab.room import budget

__all__ = ["Frame", "Result", "Trainer"]


@dataclasses.dataclass(frozen=True)
class Frame:
    """One moment of a training run: what the pictures are drawn from, in plain NumPy.

    Attributes:
        step: steps taken so far.
        loss: mean training loss over the steps since the frame before.
        accuracy: share of the test images classified rightly, without margin.
        embeddings: ``(n, 2)``, of a fixed sample of the test images.
        labels: ``(n,)``, their digits.
        class_directions: ``(C, 2)``, unit vectors; ``(C, K, 2)`` of a head with several a class.
    """

    step: int
    loss: float
    accuracy: float
    embeddings: np.ndarray
    labels: np.ndarray
    class_directions: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)  # arrays have no single truth to compare
class Result:
    """A finished run.

    Attributes:
        settings: what it was trained with: head, seed, margin, scale, epochs, …
        frames: the frames of the run, in order.
        test_accuracy: on all 10,000 test images (of `Trainer`'s digits), without margin.
        test_embeddings: ``(10000, 2)``.
        seconds: from the first step to the last frame.
    """

    settings: dict
    frames: list
    test_accuracy: float
    test_embeddings: np.ndarray
    seconds: float

    @property
    def losses(self) -> np.ndarray:
        """Training loss of each frame, ``(F,)``."""
        return np.array([frame.loss for frame in self.frames])

    @property
    def accuracies(self) -> np.ndarray:
        """Test accuracy of each frame, ``(F,)``."""
        return np.array([frame.accuracy for frame in self.frames])

    @property
    def trained(self) -> bool:
        """Whether it learnt to tell the digits: a finite loss, and at least 90 % right."""
        return bool(np.isfinite(self.losses[-1]) and self.test_accuracy >= 0.9)

    def explain(self) -> str:
        """In words: how it went, and if it did not train, what the budget has to say."""
        words = f"{self.test_accuracy:.1%} of the test images right after {self.frames[-1].step} steps."
        if self.trained:
            return words
        head, scale = self.settings["head"], self.settings.get("scale")
        # A margin for each class has no one budget.
        if head not in family.numeric() or scale is None or any(np.ndim(it) for it in self.settings.values()):
            return f"It did not train: {words}"
        classes, dim = self.frames[-1].class_directions.shape
        room = budget(classes, dim, head, family.margin(head, self.settings), scale)
        return f"It did not train: {words} {room}"

    def save(self, path: str | os.PathLike) -> None:
        """Write settings, frames and test embeddings to one ``.npz`` file."""
        settings = {
            name: np.asarray(it).tolist() if np.ndim(it) else it for name, it in self.settings.items()
        }
        meta = {"settings": settings, "test_accuracy": self.test_accuracy, "seconds": self.seconds}
        columns: dict[str, Any] = {
            f.name: np.array([getattr(x, f.name) for x in self.frames]) for f in dataclasses.fields(Frame)
        }
        columns["labels"] = columns["labels"][0]
        np.savez_compressed(path, meta=json.dumps(meta), test_embeddings=self.test_embeddings, **columns)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Self:
        """Read what `save` wrote."""
        with np.load(path) as file:
            arrays = dict(file)
        meta = json.loads(str(arrays.pop("meta")))
        test_embeddings, labels = arrays.pop("test_embeddings"), arrays.pop("labels")
        rows = [dict(zip(arrays, row, strict=True)) for row in zip(*arrays.values(), strict=True)]
        frames = [
            Frame(
                **row
                | {"step": int(row["step"]), "loss": float(row["loss"]), "accuracy": float(row["accuracy"])},
                labels=labels,
            )
            for row in rows
        ]
        return cls(frames=frames, test_embeddings=test_embeddings, **meta)


class Trainer:
    """Trains an encoder and a head on all 60,000 images of MNIST, again and again.

    Making one takes some seconds (TensorFlow and XLA compile the program); every
    `retrain` after that takes about half a second on two cores, with any margin
    and scale; or goes on, with another margin, from where the one before it ended.
    The same seed on the same machine gives the same frames to the bit.

    The first part of a run is annealed, as SphereFace's paper does it (Liu et
    al., 2017, supplement): the logits are a·(head with margin) + (1 - a)·‖x‖cos θ,
    with a going from 0 to 1. A margin that is whole from the start can glue
    classes together that lie on one direction (chapter 3 of the book).

    Args:
        head: "softmax", "normface", "sphereface", "cosface", "arcface" or
            "combined"; "own", whose ψ is a formula; or a layer that is called like a head.
        seed: of the weights and of the order of the images.
        encoder: a function that makes a Keras model from pixels ``(B, 28, 28)``, 0 to
            255, to embeddings; by default `encoders.fast`. Layers for augmentation are
            applied in training, anew at each step.
        epochs, batch_size, learning_rate, beta_2: of Adam, under one cycle: the
            rate rises for a tenth of the steps, then falls as a cosine.
        anneal: when a leaves 0 and when it reaches 1, as shares of the run; None
            for a = 1 throughout.
        frames: how many a run gives.
        sample: how many test images a frame shows.
        digits: those to learn. Class j of the head is digits[j]; accuracy counts
            the test images of these digits only, while embeddings and labels are
            of all ten, so that one can see where strangers land.
        held_out: how many of the training images, the last ones, are not trained on and stand
            wherever this class says test images: to choose a setting by, so that the test
            images have not chosen it.
        labels: of the training images, ``(60000,)``, in place of MNIST's own: to see what wrong ones do.
            An image of label -1 is left out.
        images: ``(x_train, x_test)``, pixels ``(60000, 28, 28)`` and ``(10000, 28, 28)`` from 0 to 255, in
            place of MNIST's own: to see what poor ones do.
        **settings: margin and scale (m1, m2, m3 for "combined", and for "own" m, a, b, as far as its
            formula has them) to start from, in place of the defaults of `marginlab.family`. Only here
            can scale be "norm", and psi, the formula of "own", be given: ``psi="ucos(theta + m)"``.

    Raises:
        ValueError, TypeError: for an unknown head or setting, or a value that
            the head refuses; for an encoder with a weight that no run could begin anew, or
            with a layer that XLA cannot compile.
        RuntimeError: if Keras runs on another backend than TensorFlow.
    """

    def __init__(
        self,
        head: str | keras.layers.Layer = "arcface",
        seed: int = 0,
        *,
        encoder: Callable[[], keras.Model] = encoders.fast,
        epochs: int = RECIPE.epochs,
        batch_size: int = RECIPE.batch,
        learning_rate: float = RECIPE.rate,
        beta_2: float = RECIPE.beta2,
        anneal: tuple[float, float] | None = RECIPE.anneal,
        frames: int = 10,
        sample: int = 1000,
        digits: Iterable[int] = range(10),
        held_out: int = 0,
        labels: np.ndarray | None = None,
        images: tuple[np.ndarray, np.ndarray] | None = None,
        **settings: Any,
    ) -> None:
        if keras.backend.backend() != "tensorflow":
            raise RuntimeError(
                f"Trainer needs Keras on TensorFlow, got KERAS_BACKEND={keras.backend.backend()}; "
                "MarginClassifier.fit trains on any backend"
            )
        digits = list(digits)
        if len(set(digits) & set(range(10))) != len(digits) or len(digits) < 2:
            raise ValueError(f"digits must be two or more different ones of 0 to 9, got {digits!r}")
        self.name, self.head = _named(head, len(digits), settings)
        counts = {"epochs": epochs, "batch_size": batch_size, "frames": frames, "sample": sample}
        epochs, batch_size, frames, sample = (_checks.whole(name, v, 1) for name, v in counts.items())
        _checks.number("learning_rate", learning_rate, 0, math.inf, "a finite number of at least 0")
        _checks.number("beta_2", beta_2, 0, 1 - 1e-9, "a number in [0, 1)")
        self.seed, self.anneal = _checks.whole("seed", seed, 0), _annealing(anneal)
        if isinstance(encoder, keras.layers.Layer):
            raise TypeError(f"encoder must be a function that makes a model, got the model {encoder.name}")
        self.encoder = encoder()
        self.epochs, self.batch_size, self.frames = epochs, batch_size, frames
        self._defaults = {name: getattr(self.head, name) for name in getattr(self.head, "settings", {})}
        if not 0 <= _checks.whole("held_out", held_out, 0) <= 50_000:
            raise ValueError(f"held_out must be at most 50000 of the 60000 training images, got {held_out}")
        self._sample = shown_images(min(sample, held_out or 10_000), held_out or 10_000)

        self._load(digits, held_out, labels, images)
        self.steps = -(-epochs * self._examples // batch_size)
        self._compile(learning_rate, beta_2)
        self._run, self._first = 0, 0
        self._whole: list[np.ndarray] = []  # the weights at the end of the last whole run

    def _load(self, digits, held_out, labels, images):
        """The images, after the layers that do the same to them at every step, and their classes."""
        self.encoder(np.zeros((1, 28, 28), "uint8"))  # builds the weights
        stem, self._tail = _split(self.encoder)
        self._x, self._y, self._x_test, self._y_test = _on_device(stem)
        if images is not None:
            self._x, self._x_test = (_prepared(stem, x) for x in _pixels_of(images))
        if held_out:
            self._x_test, self._y_test = self._x[-held_out:], self._y[-held_out:]
            self._x, self._y = self._x[:-held_out], self._y[:-held_out]
        if labels is not None:  # what a run is judged by keeps the right ones
            self._y = tf.constant(_digits_of(labels)[: len(self._y)])
        keep = np.flatnonzero(np.isin(self._y, digits))
        if len(keep) < len(self._y):
            _checks.whole("the number of images to train on", len(keep), 1)
            self._x, self._y = tf.gather(self._x, keep), tf.gather(self._y, keep)
        class_of = tf.constant([digits.index(d) if d in digits else -1 for d in range(10)])
        self._y, self._own = tf.gather(class_of, self._y), tf.gather(class_of, self._y_test)
        self._examples = len(self._y)

    def _compile(self, learning_rate, beta_2):
        """Weights, optimiser and the program of many steps, run once: a later run compiles nothing."""
        self.head(self._tail(self._x[:1]))
        self._beginnings = [*_beginnings(self._tail), *_beginnings(self.head)]
        self._weights = [*self._tail.trainable_variables, *self.head.trainable_variables]
        self._state = [*self._tail.weights, *self.head.trainable_variables]  # what a run leaves to the next
        warmup = self.steps // 10
        rate: Any = keras.optimizers.schedules.CosineDecay(
            0.0, self.steps - warmup, warmup_target=learning_rate, warmup_steps=warmup
        )
        self._optimizer = keras.optimizers.Adam(rate, beta_2=beta_2)
        self._optimizer.build(self._weights)
        # Naive form: tf.function(self._advance_eagerly). TensorFlow counts traces by a function's code,
        # and warns at the fifth trainer, though each is traced once. Cure: a partial has no code.
        program = functools.partial(self._advance_eagerly)
        self._advance = tf.function(program, jit_compile=True, autograph=False)
        try:
            self._advance(tf.zeros((self._chunk, self.batch_size), tf.int32))
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
            raise ValueError(
                "encoder: XLA cannot compile one of its layers (RandomRotation and RandomZoom are such), and "
                f"a run is one XLA program. Train it by MarginClassifier.fit. TensorFlow says: {error}"
            ) from error

    @property
    def _chunk(self):
        """Steps from one frame to the next."""
        return -(-self.steps // self.frames)

    @property
    def steps_on(self) -> int:
        """Steps of a run that goes on: those at the end of the recipe, in which all of the margin is in."""
        # In whole chunks, for which the program was made.
        share = (self.anneal or RECIPE.anneal)[1]
        chunks = min(math.ceil(share * self.steps / self._chunk), (self.steps - 1) // self._chunk)
        return self.steps - chunks * self._chunk

    @property
    def traces(self) -> int:
        """How often the program was traced: once, whatever margins and scales were asked for."""
        return self._advance.experimental_get_tracing_count()

    def retrain(self, *, seed: int | None = None, start: str = "anew", **settings: Any) -> Result:
        """Train with these settings and return the `Result`.

        Args:
            seed: in place of the trainer's own.
            start: "anew", or "on": from the weights that the last whole run of this trainer has left.
                Then the last part of the run is made once more, from where all of the margin is in, and
                steps count from there.
            **settings: margin (radians, cosine units or multiplier: the head's
                own unit) and scale; what is not given is the trainer's default.

        Raises as the head does for values out of range. A margin or scale too
        large for ten classes in the plane does not raise: see `Result.trained`.
        """
        began = time.perf_counter()
        frames = list(self.iter_frames(seed=seed, start=start, **settings))
        return self.result(frames, seed, time.perf_counter() - began)

    def result(self, frames: list[Frame], seed: int | None = None, seconds: float = math.nan) -> Result:
        """The `Result` of the run that has just yielded these frames, all of them."""
        whole = -(-(self.steps - self._first) // self._chunk)
        if len(frames) != whole or frames[-1].step != whole * self._chunk:
            raise ValueError(f"frames must be all {whole} of a run, got {len(frames)}")
        settings = self._trained | {"epochs": self.epochs, "batch_size": self.batch_size}
        if self.name == "own":
            settings = {"psi": self.head.formula.text} | settings
        settings = {"head": self.name, "seed": self.seed if seed is None else int(seed)} | settings
        return Result(settings, frames, frames[-1].accuracy, self._last.numpy(), seconds)

    def iter_frames(
        self, *, seed: int | None = None, start: str = "anew", **settings: Any
    ) -> Iterator[Frame]:
        """Yield the frames of a run as they come. Arguments as for `retrain`.

        It may be left at any frame: the next run starts from its own seed, or from the end of
        the last whole run, and nothing carries over. Starting another run ends this one.
        """
        seed = _checks.whole("seed", self.seed if seed is None else seed, 0)
        _checks.one_of("start", start, ("anew", "on"))
        if start == "on" and not self._whole:
            raise ValueError('start must be "anew" as long as no run of this Trainer was whole')
        self._set(settings)
        self._run += 1
        return self._frames(self._run, seed, start == "on")

    def _frames(self, run, seed, on):
        batches = None
        first = self.steps - self.steps_on if on else 0
        for step in range(first, self.steps, self._chunk):
            # Before anything is touched: the weights may be those of another run by now.
            if run != self._run:
                raise RuntimeError("this run ended when another run of the same Trainer started")
            if batches is None:
                batches = self._begin(seed)
                if on:
                    for weight, value in zip(self._state, self._whole, strict=True):
                        weight.assign(value)
                    self._optimizer.iterations.assign(first)
                self._first = first
                self._trained = {name: getattr(self.head, name) for name in self._defaults}
            loss, accuracy, self._last, directions = self._advance(batches[step : step + self._chunk])
            if step + self._chunk >= self.steps:
                self._whole = [weight.numpy() for weight in self._state]
            yield Frame(
                step + self._chunk - first,
                float(loss),
                float(accuracy),
                self._last.numpy()[self._sample],
                self._y_test.numpy()[self._sample],
                directions.numpy(),
            )

    def _set(self, settings):
        unknown = settings.keys() - self._defaults.keys()
        if unknown:
            allowed = ", ".join(self._defaults) or "none"
            raise TypeError(f"{self.name} has no setting {sorted(unknown)[0]!r}; its settings are: {allowed}")
        before = {name: getattr(self.head, name) for name in self._defaults}
        try:
            for name, value in (
                self._defaults | {k: v for k, v in settings.items() if v is not None}
            ).items():
                setattr(self.head, name, value)
        except (TypeError, ValueError):
            for name, value in before.items():  # a run may be going on with these
                setattr(self.head, name, value)
            raise

    def _begin(self, seed):
        """Fresh weights and optimiser, and the order of the images: ``(steps, batch)`` indices."""
        rng = np.random.default_rng(seed)
        for weight, initializer in self._beginnings:
            config = initializer.get_config()
            if "seed" in config:
                config["seed"] = int(rng.integers(2**31))
            weight.assign(type(initializer).from_config(config)(weight.shape, weight.dtype))
        for weight in self._optimizer.variables:
            weight.assign(tf.zeros_like(weight.value))
        count = self._chunk * self.frames * self.batch_size
        epochs = [rng.permutation(self._examples) for _ in range(-(-count // self._examples))]
        return tf.constant(np.concatenate(epochs)[:count].reshape(-1, self.batch_size), tf.int32)

    def _advance_eagerly(self, batches):
        """Take these steps, then look at the test set: loss, accuracy, embeddings, class directions."""

        def step(i, total):
            x, y = tf.gather(self._x, batches[i]), tf.gather(self._y, batches[i])
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, self._logits(x, y)))
                loss = sum(self.head.losses, start=loss)
            self._optimizer.apply(tape.gradient(loss, self._weights), self._weights)
            return i + 1, total + loss

        count = batches.shape[0]
        _, total = tf.while_loop(lambda i, _: i < count, step, [0, 0.0])
        embeddings = self._tail(self._x_test)
        # Test images of other digits have -1 for their own class, and no answer is -1.
        right = tf.argmax(self.head(embeddings), axis=1, output_type=tf.int32) == self._own
        right, known = tf.cast(right, tf.float32), tf.cast(self._own >= 0, tf.float32)
        accuracy = tf.reduce_sum(right) / tf.reduce_sum(known)
        directions = geometry.unit(self.head.class_directions)
        return total / count, accuracy, embeddings, directions

    def _logits(self, x, y):
        embeddings = self._tail(x, training=True)
        logits = self.head(embeddings, y)
        if self.anneal is None or not isinstance(self.head, heads.CosineHead):
            return logits
        start, end = self.anneal
        done = tf.cast(self._optimizer.iterations, tf.float32) / self.steps
        a = tf.clip_by_value((done - start) / (end - start), 0.0, 1.0)
        rows = geometry.unit(self.head.rows(0, self.head.num_classes))
        plain = tf.matmul(embeddings, tf.reshape(rows, (-1, rows.shape[-1])), transpose_b=True)
        if len(rows.shape) > 2:  # several directions a class: the nearest
            plain = tf.reduce_max(tf.reshape(plain, (-1, *rows.shape[:2])), axis=-1)
        return a * logits + (1 - a) * plain


def _named(head, classes, settings):
    """Name and layer of a head, which must have so many classes."""
    if isinstance(head, str):
        _checks.one_of("head", head, (*heads.BY_NAME, "own"))
        kind = heads.FormulaHead if head == "own" else heads.BY_NAME[head]
        return head, kind(classes, **settings)
    has = getattr(head, "num_classes", classes)
    if has != classes:
        raise ValueError(f"head must have a class for each of the {classes} digits, got {has}")
    return head.name, head


def _digits_of(labels):
    labels = np.asarray(labels)
    if labels.shape != (60_000,) or labels.dtype.kind not in "iu" or not np.isin(labels, range(-1, 10)).all():
        raise ValueError(
            "labels must be 60000 whole numbers from 0 to 9, or -1, one for each training image, "
            f"got {labels.dtype.name} of shape {labels.shape}"
        )
    return labels.astype("int32")


def _annealing(anneal):
    if anneal is not None:
        pair = isinstance(anneal, list | tuple) and len(anneal) == 2
        if not (pair and all(isinstance(v, int | float) for v in anneal) and 0 <= anneal[0] < anneal[1] <= 1):
            raise ValueError(f"anneal must be (from, to) with 0 <= from < to <= 1, or None, got {anneal!r}")
    return anneal


class _Seed(keras.initializers.Initializer):
    """The state of a random generator, from a seed."""

    def __init__(self, seed: Any = None):
        self.seed = seed

    def __call__(self, shape, dtype=None):
        return tf.constant([self.seed, 0], dtype)

    def get_config(self):
        return {"seed": self.seed}


def _beginnings(layer):
    """Each variable of a layer and of the layers in it, with what a new run begins it with.

    Naive form: to ask the layers of a `Sequential` for what they have. A `Sequential` in it has no
    initialisers: its weights went on from the run before. Cure: ask each layer for its own variables,
    and refuse what nobody can begin anew.
    """
    found = []
    for part in layer._flatten_layers():
        for weight in [*part._trainable_variables, *part._non_trainable_variables]:
            name = "initializer" if weight.name == "class_directions" else f"{weight.name}_initializer"
            initializer = getattr(part, name, None)
            if not isinstance(initializer, keras.initializers.Initializer):
                raise ValueError(
                    f"encoder: a run cannot begin {weight.path} anew, for the layer "
                    f"{part.name} ({type(part).__name__}) has no {name}: give it one"
                )
            found.append((weight, initializer))
        found += [(generator.state, _Seed()) for generator in part._seed_generators]
    known = {id(weight) for weight, _ in found} | {id(v) for v in getattr(layer, "settings", {}).values()}
    rest = [v.path for v in layer.variables if id(v) not in known]
    if rest:
        raise ValueError(f"encoder: a run cannot begin {rest[0]} anew: no layer says how")
    return found


def _split(encoder):
    """The encoder's first layers, which do the same to an image at every step, and the rest as a model."""
    if type(encoder) is not keras.Sequential:
        return [], encoder  # its layers may branch
    layers = list(encoder.layers)
    first = next((i for i, layer in enumerate(layers) if not _fixed(layer)), 0)
    return layers[:first], keras.Sequential(layers[first:])


def _fixed(layer):
    """Whether a layer has no weights, and does in training what it does else."""
    return not layer.variables and "training" not in inspect.signature(layer.call).parameters


_DEVICE = {}


def _on_device(stem):
    """All of MNIST as tensors, the images after the stem. Shared by all trainers with that stem."""
    # By the class itself: a notebook may define another one under the same name.
    configs = [json.dumps(layer.get_config() | {"name": None}, default=str) for layer in stem]
    key = tuple(zip(map(type, stem), configs, strict=True))
    if key not in _DEVICE:
        (x, y), (x_test, y_test) = load_mnist()
        labels = [tf.constant(v, tf.int32) for v in (y, y_test)]
        _DEVICE[key] = _prepared(stem, x), labels[0], _prepared(stem, x_test), labels[1]
    return _DEVICE[key]


def _prepared(stem, images):
    """Images after the stem, a tensor."""
    prepare = keras.Sequential(stem) if stem else tf.identity
    return tf.concat([prepare(part) for part in np.array_split(images, len(images) // 5000)], axis=0)


def _pixels_of(images):
    pair = [np.asarray(x) for x in images]
    if [x.shape for x in pair] != [(60_000, 28, 28), (10_000, 28, 28)] or any(
        x.dtype.kind not in "uif" or not (x.min() >= 0 and x.max() <= 255) for x in pair
    ):
        raise ValueError(
            "images must be pixels from 0 to 255 of shapes (60000, 28, 28) and (10000, 28, 28), "
            f"got {[(x.dtype.name, x.shape) for x in pair]}"
        )
    return pair
