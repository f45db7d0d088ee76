"""Stock Keras callbacks: hazards that come, margins that grow, and people who were not trained on."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from marginlab import _checks, reference, verification

__all__ = ["MarginSchedule", "MarginWatch", "Verify"]

NEAR = 1e-3


class MarginWatch(keras.callbacks.Callback):
    """Looks at one batch at the end of each epoch, and says in words what is about to go wrong.

    Args:
        x, y: a batch of the training data, inputs ``(B, ...)`` and integer labels ``(B,)``.
        sample_weight: ``(B,)``; rows of weight 0 do not count, nor do those of the loss's `ignore_class`.
        verbose: whether to print a line an epoch.

    `history` has one dict an epoch, over the batch, with θ the angle between an
    embedding and its own class direction:

    - ``near_ends``: share with θ within 1e-3 of 0 or π, where acos is off by per cents at the least, and
      below 3.5e-4 has lost the angle.
    - ``past_pi``: share with m₁θ + m₂ > π (θ past π/m or π - m), where a plain cosine
      would turn back up.
    - ``largest_slope``: largest \\|∂logit/∂cos θ\\| = S·\\|ψ'(θ)\\|/sin θ, the factor that a
      route through the cosine has to carry. Past 65504 float16 cannot.
    - ``norms``: smallest and largest ‖x‖.

    ``past_pi`` and ``largest_slope`` are None for a head whose margins are no numbers, but its own ψ's.

    `first_nan` is None, or words: where the first NaN or infinity was, and a likely cause.

    Use it with a `MarginClassifier`: ``model.fit(..., callbacks=[MarginWatch(x, y)])``.
    """

    def __init__(
        self, x: Any, y: ArrayLike, verbose: bool | int = 1, sample_weight: ArrayLike | None = None
    ) -> None:
        super().__init__()
        self.x, self.y, self.verbose = x, _checks.flat(np.asarray(y)), verbose
        self.sample_weight = sample_weight
        self.history, self.first_nan = [], None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.history, self.first_nan, self._epoch = [], None, 0
        classes = self.model.head.num_classes
        x, y = self._counting()
        if not len(y):
            self._found("Before training: no row of this batch counts, so there is nothing to watch.")
        elif not all(np.isfinite(v).all() for v in keras.tree.flatten(x)):
            self._found("Before training: the inputs hold NaN or infinity.")
        elif y.min() < 0 or y.max() >= classes:
            labels = f"labels run from {y.min()} to {y.max()}"
            self._found(f"Before training: {labels}; they must lie in [0, {classes}).")
        else:
            self._before = self.look()

    def _counting(self):
        """Inputs and labels of the rows that count."""
        counts = self.y != getattr(self.model.loss, "ignore_class", None)
        if self.sample_weight is not None:
            counts &= _checks.flat(np.asarray(self.sample_weight)) != 0
        return keras.tree.map_structure(lambda v: np.asarray(v)[counts], self.x), self.y[counts]

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self.first_nan is None and not math.isfinite((logs or {}).get("loss", 0.0)):
            self._found(
                f"Epoch {self._epoch + 1}, batch {batch + 1}: the loss is not finite. {self._cause()}"
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.first_nan:
            return
        report = self.look()
        self.history.append(report)
        words = [f"{report['near_ends']:.1%} within {NEAR:g} of 0 or π"]
        if report["past_pi"] is not None:
            words += [f"{report['past_pi']:.1%} past π", f"largest slope {report['largest_slope']:.3g}"]
        low, high = report["norms"]
        self._say(f"Epoch {epoch + 1}: {', '.join(words)}, norms {low:.3g} to {high:.3g}")

    def _found(self, words):
        self.first_nan = words
        self._say(words)

    def look(self) -> dict[str, Any]:
        """The batch under the present weights, as one of the dicts of `history`."""
        head, (inputs, labels) = self.model.head, self._counting()
        x = np.asarray(self.model.embed(inputs), "float64")
        rows = np.asarray(ops.convert_to_numpy(head.rows(0, head.num_classes)), "float64")
        own = rows.reshape(head.num_classes, -1, x.shape[1])[labels]  # (n, K, d): several directions a class
        theta, norms = reference.angle(x[:, None], own).min(axis=1), reference.norm(x)
        report = {
            "near_ends": float(np.mean(np.minimum(theta, math.pi - theta) < NEAR)),
            "past_pi": None,
            "largest_slope": None,
            "norms": (float(norms.min()), float(norms.max())),
        }
        if (margins := head.margins()) is not None:
            margins = [np.asarray(ops.convert_to_numpy(m), "float64") for m in margins]
            m1, m2, m3 = (m[labels] if m.ndim else m for m in margins)  # one for each class, or for all
            scale: Any = getattr(head, "scale", "norm")
            scale = norms if scale == "norm" else scale
            slopes = scale * np.abs(reference.psi_slope(theta, m1, m2, m3))
            sines = np.sin(theta)
            # At θ = 0 the slope of NormFace is the limit of sin θ/sin θ; that of ArcFace is infinite.
            slopes = np.divide(slopes, sines, out=np.where(slopes > 0, np.inf, 1.0 * scale), where=sines > 0)
            report["past_pi"] = float(np.mean(m1 * theta + m2 > math.pi))
            report["largest_slope"] = float(np.max(slopes))
        return report

    def _say(self, words):
        if self.verbose:
            print(words)

    def _cause(self):
        """Words for the first place, from the input on, that is not finite any more."""
        bad = [
            "/".join(weight.path.split("/")[-2:])
            for weight in self.model.trainable_weights
            if not np.isfinite(ops.convert_to_numpy(weight)).all()
        ]
        if not bad:
            return (
                "Every weight is finite: look for a label out of range, or NaN in the inputs, in this batch."
            )
        where = f"First place: {bad[0]}. "
        last = self.history[-1] if self.history else self._before
        if last["norms"][1] > 1e4:
            return where + f"Embeddings had grown to {last['norms'][1]:.3g}: lower the learning rate."
        if last["near_ends"] > 0:
            return where + (
                f"{last['near_ends']:.1%} of the embeddings lay within {NEAR:g} of their class direction or "
                "its opposite: in a head that takes acos of a cosine, a gradient has no bound there."
            )
        return where + "One step's gradient did this: lower the learning rate, or look at the loss."


class MarginSchedule(keras.callbacks.Callback):
    """Moves settings of the head in a straight line from one value to another, and leaves them there.

    Args:
        epochs: how many epochs the way takes; the setting changes as each begins.
        steps: how many steps of the optimizer it takes, in place of epochs; the setting changes before each
            call of the compiled step, which with `steps_per_execution` is once in so many steps.
        **settings: the head's own, each with (from, to) in its own unit: margin=(0.0, 0.5), scale=(10, 30).

    Training that is resumed (`initial_epoch`, BackupAndRestore, an optimizer that was loaded) finds the
    schedule where it was. Without compiling anew, on every backend.

    Raises:
        TypeError, ValueError: for both or none of epochs and steps, for a pair that is none; as training
            begins, for a setting that the head does not have, or that refuses a value.
    """

    def __init__(
        self, *, epochs: int | None = None, steps: int | None = None, **settings: tuple[float, float]
    ) -> None:
        super().__init__()
        if (epochs is None) == (steps is None):
            raise TypeError(f"give epochs or steps, got epochs={epochs!r} and steps={steps!r}")
        self.by_epochs = steps is None
        self.length = _checks.whole(*(("epochs", epochs) if self.by_epochs else ("steps", steps)), 1)
        if not settings:
            raise TypeError("give a setting of the head, such as margin=(0.0, 0.5)")
        for name, pair in settings.items():
            if not (isinstance(pair, list | tuple) and len(pair) == 2):
                raise TypeError(f"{name} must be a pair (from, to), got {pair!r}")
        self.settings = settings

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        head = getattr(self.model, "head", None)
        if head is None:
            raise TypeError(f"MarginSchedule needs a model with a head, got {type(self.model).__name__}")
        unknown = self.settings.keys() - head.settings.keys()
        if unknown:
            has = ", ".join(head.settings) or "none"
            raise TypeError(f"{head.name} has no setting {sorted(unknown)[0]!r}; its settings are: {has}")
        for name, pair in self.settings.items():
            for value in pair:  # both are refused now, and not in the last epoch
                setattr(head, name, value)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.by_epochs:
            self._set(epoch / self.length)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if not self.by_epochs:
            self._set(int(ops.convert_to_numpy(self.model.optimizer.iterations)) / self.length)

    def _set(self, done):
        done = min(done, 1.0)
        for name, (start, end) in self.settings.items():
            setattr(self.model.head, name, start + (end - start) * done)


class Verify(keras.callbacks.Callback):
    """Validation on people who are not in training: can the embeddings tell whether two images are of one?

    At the end of each epoch it adds to the logs, for `EarlyStopping`, `ReduceLROnPlateau` and
    `TensorBoard`, which must come after it in the list of callbacks:

    - ``val_tar``: true accept rate at the threshold with a false accept rate of `far` on these pairs;
    - ``val_eer``: equal error rate;
    - ``val_recall_at_1``: share of images whose nearest other is of the same person.

    Args:
        x: what the model's encoder takes.
        y: ``(N,)`` integers, who is on each image. Not the head's classes: any numbers will do.
        far: false accept rate, in (0, 1).
        count: how many pairs are drawn, half of them of one person.
        seed: of the draw, the same pairs in each epoch.

    Raises:
        TypeError, ValueError: for far out of range, or labels from which no pairs of both kinds can be drawn.
    """

    def __init__(self, x: Any, y: ArrayLike, far: float = 0.01, count: int = 100000, seed: int = 0) -> None:
        super().__init__()
        self.x, self.y = x, np.asarray(y)
        for part in keras.tree.flatten(x):
            if hasattr(part, "shape") and len(part) != len(self.y):
                raise ValueError(f"x and y must have as many rows, got {len(part)} and {len(self.y)}")
        self.far = _checks.number("far", far, 1e-12, 1 - 1e-12, "a rate in (0, 1)")
        self.first, self.second, self.same = verification.pairs(self.y, count, seed)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        x = reference.unit(self.model.embed(self.x))
        similarity = np.sum(x[self.first] * x[self.second], axis=-1)
        if np.isnan(similarity).any():
            found = dict.fromkeys(("tar", "eer", "recall_at_1"), math.nan)
        else:
            found = {
                "tar": verification.tar_at(similarity, self.same, self.far),
                "eer": verification.eer(similarity, self.same),
                "recall_at_1": verification.recall_at(x, self.y),
            }
        if logs is not None:
            logs |= {f"val_{name}": value for name, value in found.items()}
