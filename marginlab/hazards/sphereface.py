# type: ignore (a record is a class of functions without a self: see `record_of`)
"""Hazards met in 03_sphereface: SphereFace."""

import numpy as np
import tensorflow as tf

from marginlab import geometry, heads, reference
from marginlab.hazards.helpers import not_falling, pairs, slopes, true_logits
from marginlab.hazards.record import record_of

record = record_of("03_sphereface")


@record
class multiplied_past_pi:
    symptom = (
        "SphereFace trains to a worse picture than softmax, and classes can settle opposite their directions."
    )
    why = (
        "cos(mθ) has its first minimum at θ = π/m, 45° for m = 4, and turns up again: at 90° it is "
        "back at 1. From π/m to 2π/m a worse angle gets a better logit, which pushes the wrong way; "
        "beyond, the sign goes on changing."
    )
    cure = "Unroll the cosine: ψ(θ) = ucos(mθ) falls all the way. It is SphereFace's ψ, for any real m."
    met = ("cvqluu/Angular-Penalty-Softmax-Losses-Pytorch#6",)
    axis, quantity = "angle θ to the true class (rad)", "ψ(θ), m = 4"
    see = "The plain cosine is back at 1 at 90°; the unrolled one goes on falling, to -7 at π."
    points = np.arange(9) * np.pi / 8
    draw, curve = "psi", np.linspace(0, np.pi, 241)

    def naive(theta):
        return tf.cos(4 * theta)

    def cured(theta):
        return geometry.ucos(4 * theta)

    def truth(theta):
        return reference.psi(theta, m1=4)

    wrong = not_falling


@record
class angle_clipped_as_a_cosine:
    symptom = "Examples beyond 90° of their class are not pulled by it, and more of them stay there."
    why = (
        "The line clips to [0, π] to keep the angle in range, but what it clips is the cosine. Cosines below "
        "0 become 0, so every angle above 90° is read as 90°, where cos(2·90°) = -1; and a clipped value has "
        "no gradient."
    )
    cure = "No clip is needed: ψ(θ) = ucos(mθ), with θ from `geometry.angle`, falls from 0 to π."
    met = ("the original demo: custom_layer_sphereface",)
    axis, quantity = "angle θ to the true class (rad)", "ψ(θ), m = 2"
    see = "From 90° on the demo's ψ stands at -1 and does not fall."
    points = (0.0, 0.5, 1.0, np.pi / 2, 2.0, 2.5, 3.0)
    draw, curve = "psi", np.linspace(0, np.pi, 181)

    def naive(theta):
        x, w = pairs(theta)
        c = tf.clip_by_value(tf.reduce_sum(x * w, axis=1), -1 + 1e-5, 1 - 1e-5)
        return tf.cos(2 * tf.acos(tf.clip_by_value(c, 0, 3.1415926)))

    def cured(theta):
        x, w = pairs(theta)
        return geometry.ucos(2 * geometry.angle(x, w))

    def truth(theta):
        x, w = (v.numpy() for v in pairs(theta))
        return reference.psi(reference.angle(x, w), m1=2)

    wrong = not_falling


@record
class flat_points_of_psi:
    symptom = "With m = 2 the examples that start at right angles to their class stay there for many steps."
    why = (
        "dψ/dθ = -m·|sin mθ| is 0 at every θ = kπ/m. That is ψ's own shape and not rounding: `ucos` has "
        "these points too, and no formula cures them. For m = 2 one of them is 90°, where in high dimensions "
        "most examples start."
    )
    cure = (
        "Start with m = 1, whose slope is steepest at 90°, and raise it: `head.margin` can be set between "
        "steps. At exactly 180° even cos θ is flat."
    )
    met = ("wy1iu/LargeMargin_Softmax_Loss#13",)
    axis, quantity = "angle θ to the true class (rad)", "size of the gradient of ψ in x"
    see = "At 90° m = 2 gives no pull at all; the m = 1 of the first steps gives its strongest."
    points = (1.0, 1.3, 1.5, np.pi / 2, 1.65, 2.0)
    draw, curve = "gradient", np.unique([*np.geomspace(0.1, 3.1, 120), np.pi / 2])

    def naive(theta):
        x, w = pairs(theta)
        head = heads.SphereFace(len(theta), margin=2.0, scale=1.0)
        return slopes(lambda x: true_logits(head, x, w), x)

    def cured(theta):
        x, w = pairs(theta)
        head = heads.SphereFace(len(theta), margin=2.0, scale=1.0)
        head.margin = 1.0  # for the first steps
        return slopes(lambda x: true_logits(head, x, w), x)

    def wrong(points, values, truth):
        return values < 1e-3
