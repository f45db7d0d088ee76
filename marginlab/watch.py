"""MarginWatch: a stock Keras callback that sees the hazards coming."""

import math

import keras
import numpy as np
from keras import ops

from marginlab import reference

NEAR = 1e-3


class MarginWatch(keras.callbacks.Callback):
    """Looks at one batch at the end of each epoch, and says in words what is about to go wrong.

    Args:
        x, y: a batch of the training data, inputs ``(B, ...)`` and integer labels ``(B,)``.
        verbose: whether to print a line an epoch.

    `history` has one dict an epoch, over the batch, with θ the angle between an
    embedding and its own class direction:

    - ``near_ends``: share with θ within 1e-3 of 0 or π, where acos has lost the angle.
    - ``past_pi``: share with m₁θ + m₂ > π (θ past π/m or π - m), where a plain cosine
      would turn back up.
    - ``largest_slope``: largest \\|∂logit/∂cos θ\\| = S·\\|ψ'(θ)\\|/sin θ, the factor that a
      route through the cosine has to carry. Past 65504 float16 cannot.
    - ``norms``: smallest and largest ‖x‖.

    `first_nan` is None, or words: where the first NaN or infinity was, and its cause.

    Use it with a `MarginClassifier`: ``model.fit(..., callbacks=[MarginWatch(x, y)])``.
    """

    def __init__(self, x, y, verbose=1):
        super().__init__()
        self.x, self.y, self.verbose = np.asarray(x), np.asarray(y), verbose
        self.history, self.first_nan = [], None

    def on_train_begin(self, logs=None):
        self.history, self.first_nan, self._epoch = [], None, 0
        classes = self.model.head.num_classes
        if not np.isfinite(self.x).all():
            self._found("Before training: the inputs hold NaN or infinity.")
        elif self.y.min() < 0 or self.y.max() >= classes:
            labels = f"labels run from {self.y.min()} to {self.y.max()}"
            self._found(f"Before training: {labels}; they must lie in [0, {classes}).")
        else:
            self.model(ops.convert_to_tensor(self.x[:1]))  # builds the weights, if nothing has
            self._before = self.look()

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.first_nan is None and not math.isfinite((logs or {}).get("loss", 0.0)):
            self._found(
                f"Epoch {self._epoch + 1}, batch {batch + 1}: the loss is not finite. {self._cause()}"
            )

    def on_epoch_end(self, epoch, logs=None):
        if self.first_nan:
            return
        report = self.look()
        self.history.append(report)
        low, high = report["norms"]
        self._say(
            f"Epoch {epoch + 1}: {report['near_ends']:.1%} within {NEAR:g} of 0 or π, "
            f"{report['past_pi']:.1%} past π, largest slope {report['largest_slope']:.3g}, "
            f"norms {low:.3g} to {high:.3g}"
        )

    def _found(self, words):
        self.first_nan = words
        self._say(words)

    def look(self):
        """The batch under the present weights, as one of the dicts of `history`."""
        head = self.model.head
        x = np.asarray(self.model.embed(self.x), "float64")
        directions = np.asarray(ops.convert_to_numpy(head.class_directions), "float64")
        theta = reference.angle(x, directions[self.y])
        m1, m2, m3 = (float(ops.convert_to_numpy(m)) for m in head.margins())
        norms = reference.norm(x)
        scale = getattr(head, "scale", "norm")
        scale = norms if scale == "norm" else scale
        slopes = scale * np.abs(reference.psi_slope(theta, m1, m2, m3))
        sines = np.sin(theta)
        # At θ = 0 the slope of NormFace is the limit of sin θ/sin θ; that of ArcFace is infinite.
        slopes = np.divide(slopes, sines, out=np.where(slopes > 0, np.inf, 1.0 * scale), where=sines > 0)
        return {
            "near_ends": float(np.mean(np.minimum(theta, math.pi - theta) < NEAR)),
            "past_pi": float(np.mean(m1 * theta + m2 > math.pi)),
            "largest_slope": float(np.max(slopes)),
            "norms": (float(norms.min()), float(norms.max())),
        }

    def _say(self, words):
        if self.verbose:
            print(words)

    def _cause(self):
        """Words for the first place, from the input on, that is not finite any more."""
        bad = [
            f"{layer.name}/{weight.name}"
            for layer in [*self.model.encoder.layers, self.model.head]
            for weight in layer.trainable_weights
            if not np.isfinite(ops.convert_to_numpy(weight)).all()
        ]
        if not bad:
            return (
                "Every weight is finite: look for a label out of range, or NaN in the inputs, in this batch."
            )
        where = f"First place: {bad[0]}. "
        last = self.history[-1] if self.history else self._before
        if last["near_ends"] > 0:
            return where + (
                f"{last['near_ends']:.1%} of the embeddings lay on their class direction or opposite it: "
                "a head that takes acos of a cosine has an infinite gradient there."
            )
        if last["norms"][1] > 1e4:
            return where + f"Embeddings had grown to {last['norms'][1]:.3g}: lower the learning rate."
        return where + "One step's gradient did this: lower the learning rate, or look at the loss."
