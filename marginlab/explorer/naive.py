"""Heads as they are often written, to be broken on purpose: cured heads but for their angle or their wave."""

import functools
from typing import Any

import keras
from keras import ops

from marginlab import _checks, geometry, heads
from marginlab.explorer.forms import FORMS

__all__ = ["naive_head"]


def naive_head(head: str, form: str, num_classes: int = 10, **settings: Any) -> heads.CosineHead:
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
    _checks.one_of("head", head, allowed)
    _checks.one_of("form", form, FORMS)
    return _naive(heads.BY_NAME[head], form)(num_classes, name=head, **settings)


@functools.cache
def _naive(cured, form):
    how = FORMS[form]
    wave = geometry.ucos if how.unrolled else ops.cos

    class Naive(cured):
        # A Trainer begins a run with weights as these make them.
        taken_initializer = fell_initializer = keras.initializers.Zeros()

        def build(self, embeddings_shape):
            super().build(embeddings_shape)
            # Compiled code remembers in weights alone.
            number = dict(initializer="zeros", trainable=False, autocast=False)
            self.taken = self.add_weight(shape=(), name="taken", **number)
            self.fell = self.add_weight(shape=(4 + embeddings_shape[-1],), name="fell", **number)

        def own_angle(self, x, labels):
            angle = super().own_angle(x, labels)
            if not how.acos:
                return angle
            own = ops.take(geometry.unit(self.class_directions), labels, axis=0)
            c = ops.sum(geometry.unit(x) * own, axis=-1)
            if how.clip is None:
                self._watch(c, angle, x)
            return ops.arccos(c if how.clip is None else ops.clip(c, *how.clip))

        def psi(self, theta, x, labels):
            m1, m2, m3 = self.margins()
            return wave(m1 * theta + m2) - m3

        def _watch(self, c, theta, x):
            self.taken.assign_add(1.0)
            lost = ops.logical_not(ops.abs(c) < 1.0)
            row = ops.argmax(lost)
            facts = [self.taken.value, ops.cast(row, c.dtype), ops.take(c, row), ops.take(theta, row)]
            here = ops.concatenate([ops.stack(facts), ops.take(x, row, axis=0)])
            first = ops.any(lost) & (self.fell[0] == 0.0)
            self.fell.assign(ops.where(first, here, self.fell))

    return Naive
