# type: ignore (a record is a class of functions without a self: see `record_of`)
"""Hazards met in 05_arcface: ArcFace."""

import math

import numpy as np
import tensorflow as tf

from marginlab import geometry, heads, reference
from marginlab.hazards.helpers import (
    ANGLES,
    arcface_slopes,
    jumping,
    not_falling,
    not_finite,
    off_by,
    pairs,
    slopes,
    true_logits,
)
from marginlab.hazards.record import record_of

record = record_of("05_arcface")


@record
class acos_at_one:
    symptom = (
        "An embedding meets its class direction: the weights become NaN, and the loss from the next step on."
    )
    why = (
        "d acos(c)/dc = -1/√(1 - c²), infinite at c = ±1, and the chain rule multiplies it by ∇c, which is 0 "
        "there: ∞·0 is NaN. It need not be exact: the largest float32 below 1 is the cosine of 3.5e-4, the "
        "cosine of a smaller angle rounds to it or to 1, and a computed one may be above 1. Clipping c to "
        "[-1, 1] is no guard: its ends pass the gradient."
    )
    cure = "Never call acos: `geometry.angle` measures the sine too, and takes atan2 of both."
    met = (
        "pytorch/pytorch#8069",
        "jax-ml/jax#23649",
    )
    axis, quantity = "angle θ to the true class (rad)", "size of the gradient of θ in x"
    see = "An angle's gradient has length 1/‖x‖ = 1 at every angle but 0, where it is taken to be 0."
    points = (0.0, 1e-6, 1e-4, 1e-3, 0.01, 0.1, 1.0)
    draw, curve = "gradient", ANGLES

    def naive(theta):
        x, w = pairs(theta)

        def angle(x):
            c = tf.reduce_sum(tf.math.l2_normalize(x, 1) * tf.math.l2_normalize(w, 1), axis=1)
            return tf.acos(tf.clip_by_value(c, -1.0, 1.0))

        return slopes(angle, x)

    def cured(theta):
        x, w = pairs(theta)
        return slopes(lambda x: geometry.angle(x, w), x)

    def truth(theta):
        return np.where(theta > 0, 1.0, 0.0)

    wrong = not_finite


@record
class sine_from_the_cosine:
    symptom = (
        "NaN in a training that went well until then; on our digits the arccos, whose derivative is as "
        "infinite, does it in two or three dimensions only."
    )
    why = (
        "d√(1 - c²)/dc = -c/√(1 - c²), infinite at c = 1. Before that it is merely wrong: near 1 float32 "
        "counts in steps of 6e-8, so that at θ = 1e-3 few digits are left in 1 - c² and the gradient is off "
        "by per cents, at the worst directions by a tenth or more; at 1e-6 it is NaN in some of them, and "
        "all wrong in most others."
    )
    cure = (
        "Measure the sine as the length of x̂ - c ŵ, by subtracting vectors and not squares: `geometry.sine`."
    )
    met = (
        "ronghuaiyang/arcface-pytorch#32",
        "ronghuaiyang/arcface-pytorch#91",
        "ZhaoJ9014/face.evoLVe#117",
        "MccreeZhao/FR-Loss-on-Mnist#2",
        "d3-ai/face-verification-demo#5",
        "ktjonsson/keras-ArcFace#2",
    )
    axis, quantity = "angle θ to the true class (rad)", "size of the logit's gradient, s = 64, m = 0.5"
    see = "The gradient's true size is 64 sin(θ + 0.5); the naive one scatters about it, and ends."
    points = (1e-6, 1e-4, 1e-3, 0.01, 0.1, 1.0)
    draw, curve = "gradient", ANGLES

    def naive(theta):
        x, w = pairs(theta)

        def logit(x):
            c = tf.reduce_sum(tf.math.l2_normalize(x, 1) * tf.math.l2_normalize(w, 1), axis=1)
            return 64 * (c * math.cos(0.5) - tf.sqrt(1 - c * c) * math.sin(0.5))

        return slopes(logit, x)

    def cured(theta):
        x, w = pairs(theta)
        head = heads.ArcFace(len(theta), margin=0.5, scale=64.0)
        return slopes(lambda x: true_logits(head, x, w), x)

    def truth(theta):
        return arcface_slopes(theta, scale=64.0)

    wrong = off_by(0.05)


@record
class clip_before_acos:
    symptom = (
        "No NaN any more; nearest to its class an example's true logit has gradient 0, and nothing says so."
    )
    why = (
        "A clipped value has no gradient. c is above 1 - 1e-5 for all θ below 4.5e-3, and there the error "
        "of the gradient is 100 %. Clipping at 1e-7 only moves the place, and leaves the error that rounding "
        "makes there, up to a tenth or more at θ = 1e-3. What it costs in a trained model was measured in "
        "chapter 5: at 1e-5 nothing that we could see, in the plane."
    )
    cure = (
        "Nothing needs clipping if acos is not called: `heads.ArcFace` has the gradient at every angle, to "
        "float32's own limit of about 1e-7/θ."
    )
    met = ("the original demo: custom_layer_arcface", "derived here: √(2e-5)")
    axis, quantity = "angle θ to the true class (rad)", "size of the logit's gradient, s = 64, m = 0.5"
    see = "The gradient is 0 just where training converges."
    points = (1e-6, 1e-4, 1e-3, 0.004, 0.005, 0.1, 1.0)
    draw, curve = "gradient", ANGLES

    def naive(theta):
        x, w = pairs(theta)

        def logit(x):
            c = tf.reduce_sum(tf.math.l2_normalize(x, 1) * tf.math.l2_normalize(w, 1), axis=1)
            c = tf.clip_by_value(c, -1 + 1e-5, 1 - 1e-5)
            return 64 * tf.cos(tf.acos(c) + 0.5)

        return slopes(logit, x)

    def cured(theta):
        x, w = pairs(theta)
        head = heads.ArcFace(len(theta), margin=0.5, scale=64.0)
        return slopes(lambda x: true_logits(head, x, w), x)

    def truth(theta):
        return arcface_slopes(theta, scale=64.0)

    wrong = off_by(0.05)


@record
class turned_back_past_pi:
    symptom = "Examples opposite their class stay there; the worst example has a better logit than a bad one."
    why = (
        "cos(θ + m) has its minimum at θ = π - m and rises after it. An example beyond, at more than "
        f"{math.degrees(math.pi - 0.5):.0f}° for m = 0.5, is pushed on to 180° instead of back."
    )
    cure = "`geometry.ucos(θ + m)`, which goes on falling past π with a continuous slope."
    met = ("KevinMusgrave/pytorch-metric-learning#537", "4uiiurz1/keras-arcface#11")
    axis, quantity = "angle θ to the true class (rad)", "ψ(θ), m = 0.5"
    see = "The naive ψ rises in its last 0.5 rad."
    points = (0.0, 1.0, 2.0, 2.5, np.pi - 0.5, 2.8, 3.0, np.pi)
    draw, curve = "psi", np.linspace(0, np.pi, 181)

    def naive(theta):
        return tf.cos(theta + 0.5)

    def cured(theta):
        return geometry.ucos(theta + 0.5)

    def truth(theta):
        return reference.psi(theta, m2=0.5)

    wrong = not_falling


@record
class jump_of_the_fallback:
    symptom = "The loss of hard examples can jump: a tiny turn changes their logit by several units."
    why = (
        "Past π - m the usual code takes cos θ - m sin m instead. At θ = π - m the two are -1 and "
        f"{-math.cos(0.5) - 0.5 * math.sin(0.5):.3f} for m = 0.5: ψ jumps, by "
        f"{64 * (math.cos(0.5) + 0.5 * math.sin(0.5) - 1):.1f} at s = 64, and no gradient knows of it."
    )
    cure = "`geometry.ucos(θ + m)` is continuous there, and so is its slope."
    met = ("deepinsight/insightface#22", "deepinsight/insightface#228")
    axis, quantity = "angle θ to the true class (rad)", "ψ(θ), m = 0.5"
    see = "A step at π - 0.5 = 2.642, where the formula changes hands."
    points = (2.0, 2.4, 2.6, 2.641, 2.642, 2.7, 3.0, np.pi)
    draw, curve = "psi", np.linspace(0, np.pi, 361)

    def naive(theta):
        return tf.where(theta < math.pi - 0.5, tf.cos(theta + 0.5), tf.cos(theta) - 0.5 * math.sin(0.5))

    def cured(theta):
        return geometry.ucos(theta + 0.5)

    def truth(theta):
        return reference.psi(theta, m2=0.5)

    wrong = jumping


@record
class jump_of_the_easy_margin:
    symptom = "With easy_margin a sample gains by turning past 90°, away from its class."
    why = (
        "easy_margin uses cos(θ + m) where cos θ > 0 and plain cos θ elsewhere. At 90° these are -sin m and "
        f"0: ψ jumps up by sin m, {math.sin(0.5):.3f} for m = 0.5, so it is not monotone."
    )
    cure = "One formula for all angles: `geometry.ucos(θ + m)`."
    met = ("deepinsight/insightface#22",)
    axis, quantity = "angle θ to the true class (rad)", "ψ(θ), m = 0.5"
    see = "A step up at 90°, in the middle of where untrained examples lie."
    points = (1.0, 1.4, 1.57, 1.571, 1.6, 1.8, 2.0)
    draw, curve = "psi", np.linspace(0, np.pi, 361)

    def naive(theta):
        return tf.where(tf.cos(theta) > 0, tf.cos(theta + 0.5), tf.cos(theta))

    def cured(theta):
        return geometry.ucos(theta + 0.5)

    def truth(theta):
        return reference.psi(theta, m2=0.5)

    wrong = not_falling


@record
class angle_held_at_pi:
    symptom = "Examples far from their class have loss, and no pull of their own class."
    why = (
        "min(θ + m, π) keeps the cosine from turning back, and makes it constant: for θ above π - m the "
        "slope is 0. The examples that need the push most get none of it from their own class; only the "
        "other classes push them, and not always towards it."
    )
    cure = "`geometry.ucos(θ + m)` falls there, with slope -|sin(θ + m)|."
    met = (
        "mk-minchul/AdaFace: head.py clips theta + m_arc, with the gradient through it",
        "4uiiurz1/keras-arcface#11",
    )
    axis, quantity = "angle θ to the true class (rad)", "ψ(θ), m = 0.5"
    see = "The naive ψ stands at -1 in its last 0.5 rad."
    points = (0.0, 1.0, 2.0, 2.6, 2.7, 2.9, np.pi)
    draw, curve = "psi", np.linspace(0, np.pi, 181)

    def naive(theta):
        return tf.cos(tf.minimum(theta + 0.5, math.pi))

    def cured(theta):
        return geometry.ucos(theta + 0.5)

    def truth(theta):
        return reference.psi(theta, m2=0.5)

    wrong = not_falling


@record
class condition_turned_round:
    symptom = "ArcFace behaves like CosFace: its margin is too strong near θ = 0, and too weak at 90°."
    why = (
        "With the condition of the fallback inverted, cos θ - m sin m is used for all θ below π - m. That is "
        f"CosFace with margin m sin m, {0.5 * math.sin(0.5):.2f} for m = 0.5, and as an angle it is "
        f"{math.acos(1 - 0.5 * math.sin(0.5)):.2f} at θ = 0 and {math.asin(0.5 * math.sin(0.5)):.2f} at 90°. "
        "Only θ above π - m sees cos(θ + m)."
    )
    cure = "One formula has no condition to invert: `geometry.ucos(θ + m)`."
    met = ("TreB1eN/InsightFace_Pytorch#6",)
    axis, quantity = "angle θ to the true class (rad)", "ψ(θ), m = 0.5"
    see = "The two cross; the naive one is CosFace until the last half radian, and there it turns up."
    points = (0.0, 0.5, 1.0, 1.5, 2.0, 2.6, 2.7, np.pi)
    draw, curve = "psi", np.linspace(0, np.pi, 361)

    def naive(theta):
        return tf.where(theta < math.pi - 0.5, tf.cos(theta) - 0.5 * math.sin(0.5), tf.cos(theta + 0.5))

    def cured(theta):
        return geometry.ucos(theta + 0.5)

    def truth(theta):
        return reference.psi(theta, m2=0.5)

    wrong = off_by(0.05)


@record
class degrees_for_radians:
    symptom = "With a margin of 28.6 the loss starts at a senseless value, and training goes nowhere."
    why = (
        "Libraries differ: 28.6 degrees in one is 0.499 radians in another. As radians 28.6 is "
        f"{28.6 - 8 * math.pi:.2f} after four whole turns, {math.degrees(28.6 - 8 * math.pi):.0f}°: the "
        "cosine rises where it should fall."
    )
    cure = "`heads.ArcFace` takes radians, says so, and refuses anything outside [0, π]."
    met = ("KevinMusgrave/pytorch-metric-learning: up to 2.9 margin=28.6, in degrees",)
    axis, quantity = "angle θ to the true class (rad)", "ψ(θ), m = 28.6°"
    see = "The naive ψ rises over nearly all angles."
    points = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
    draw, curve = "psi", np.linspace(0, np.pi, 181)

    def naive(theta):
        return tf.cos(theta + 28.6)

    def cured(theta):
        x, w = pairs(theta)
        return true_logits(heads.ArcFace(len(theta), margin=math.radians(28.6), scale=1.0), x, w)

    def truth(theta):
        return reference.psi(theta, m2=math.radians(28.6))

    wrong = off_by(0.05)


@record
class margin_without_its_gradient:
    symptom = "The loss rises with the margin as it should, but an image that has arrived is pulled no more."
    why = (
        "If cos(θ + m) - cos θ is computed without gradient and added to cos θ, the value has the margin, "
        "but the slope is sin θ and not sin(θ + m). Near θ = 0 it goes to 0. Its gradient is never NaN (its "
        "value still is, where an arccos is given a cosine past 1), and some do so on purpose. Chapter 5 "
        "trains it: for the accuracy the value alone does most of what the margin does, and the middle of "
        "each cluster stays wider."
    )
    cure = "Differentiate through the margin, which is safe with `geometry.angle`."
    met = (
        "deepglint/unicom#11",
        "deepinsight/insightface: arcface_torch since 657ae30 (December 2022)",
        "ydwen/opensphere: its ArcFace head works under no_grad",
    )
    axis, quantity = "angle θ to the true class (rad)", "size of the gradient of ψ, m = 0.5"
    see = "The naive gradient dies at 0, where the true one is still sin 0.5 = 0.479."
    points = (1e-3, 0.01, 0.1, 0.5, 1.0, 2.0)
    draw, curve = "gradient", np.geomspace(1e-3, 2.5, 120)

    def naive(theta):
        x, w = pairs(theta)

        def psi(x):
            c = geometry.cosine(x, w)
            return c + tf.stop_gradient(tf.cos(geometry.angle(x, w) + 0.5) - c)

        return slopes(psi, x)

    def cured(theta):
        x, w = pairs(theta)
        head = heads.ArcFace(len(theta), margin=0.5, scale=1.0)
        return slopes(lambda x: true_logits(head, x, w), x)

    def truth(theta):
        return arcface_slopes(theta, scale=1.0)

    wrong = off_by(0.05)
