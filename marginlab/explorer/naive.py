"""Heads as they are often written, to be broken on purpose: cured heads but for their angle or their wave."""

import functools

import keras
from keras import ops

from marginlab import geometry, heads

# Where the cosine is clipped before its acos, and whether the cosine of the result is unrolled.
FORMS = {
    "acos": (None, True),
    "clip": ((-1 + 1e-5, 1 - 1e-5), True),
    "no-unroll": (None, False),
    # Meant to keep the angle in [0, π]; but what it clips is the cosine, so all beyond 90° is read as 90°.
    "demo-clip": ((0.0, 1 - 1e-5), False),
}


def naive_head(head, form, num_classes=10, **settings):
    """A head whose true logit is computed in a naive way.

    Args:
        head: "normface", "sphereface", "cosface", "arcface" or "combined".
        form: "acos" (unguarded), "clip" (acos of a cosine clipped to ±(1 - 1e-5)), "no-unroll"
            (cos in place of ucos), or "demo-clip" (acos of a cosine clipped to [0, 1 - 1e-5],
            not unrolled: the original demo's SphereFace).
        num_classes: C, at least 2.
        **settings: margin and scale in place of the defaults of `marginlab.family`.

    Returns:
        A layer that is called like a head. Its weight `fell` (3,) remembers the first example of a
        run whose cosine acos cannot take, as step, row in the batch, and cosine; zeros before that.

    Raises:
        ValueError: for a head without a cosine, or an unknown form.
    """
    allowed = [name for name in heads.BY_NAME if name != "softmax"]
    if head not in allowed:
        raise ValueError(f"head must be one of {', '.join(allowed)}, got {head!r}")
    if form not in FORMS:
        raise ValueError(f"form must be one of {', '.join(FORMS)}, got {form!r}")
    return _naive(heads.BY_NAME[head], form)(num_classes, name=head, **settings)


@functools.cache
def _naive(cured, form):
    clip, unrolled = FORMS[form]
    wave = geometry.ucos if unrolled else ops.cos

    class Naive(cured):
        # A Trainer begins a run with weights as these make them.
        taken_initializer = fell_initializer = keras.initializers.Zeros()

        def build(self, embeddings_shape):
            super().build(embeddings_shape)
            # Compiled code remembers in weights alone.
            number = dict(initializer="zeros", trainable=False, autocast=False)
            self.taken = self.add_weight(shape=(), name="taken", **number)
            self.fell = self.add_weight(shape=(3,), name="fell", **number)

        def _logits(self, embeddings, labels):
            x, w = geometry.unit(embeddings), geometry.unit(self.class_directions)
            logits = ops.matmul(x, ops.transpose(w))
            if labels is not None:
                own = ops.take(w, labels, axis=0)
                c = ops.sum(x * own, axis=-1)
                if form == "no-unroll":
                    theta = geometry.unit_angle(x, own)
                else:
                    theta = ops.arccos(c if clip is None else ops.clip(c, *clip))
                m1, m2, m3 = self.margins()
                psi = wave(m1 * theta + m2) - m3
                true = ops.one_hot(labels, self.num_classes, dtype="bool")
                logits = ops.where(true, psi[:, None], logits)
                if form == "acos":
                    self._watch(c)
            return self.settings["scale"] * logits

        def _watch(self, c):
            self.taken.assign_add(1.0)
            lost = ops.logical_not(ops.abs(c) < 1.0)
            row = ops.argmax(lost)
            here = ops.stack([self.taken.value, ops.cast(row, c.dtype), ops.take(c, row)])
            first = ops.any(lost) & (self.fell[0] == 0.0)
            self.fell.assign(ops.where(first, here, self.fell))

    return Naive
