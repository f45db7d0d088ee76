r"""Heads that came after ArcFace: a margin of the image, of the class, or of the training so far.

Four are the one equation, ψ(θ) = ucos(m₁·θ + m₂) - m₃. No fixed number is the margin, or in AdaCos the scale:

==============  ===============  =========================  ================================
head            m₂               m₃                         where the gradient stops
==============  ===============  =========================  ================================
AdaFace         -m·ẑ(‖x‖)        m + m·ẑ(‖x‖)               ẑ: lengths do not pay
MagFace         m(‖x‖)           0                          nowhere, and g(‖x‖) is added
ElasticFace     drawn, N(m, σ)   or drawn, N(m, σ)          the draws
AdaCos          0                0                          the scale, which it sets itself
==============  ===============  =========================  ================================

and `CurricularFace` changes the other classes' cosines too. All are reached as `heads.AdaFace` and so on;
all take what `heads.CosineHead` takes. Where a published form jumps, is silent or pulls the wrong way, the
form here is the continuous one, the docstring says so, and `marginlab.hazards` shows both.
"""

import math
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from marginlab import _checks, geometry
from marginlab.family import AFTER, TINY
from marginlab.geometry import Tensor
from marginlab.heads import CosineHead, Held, documented

__all__ = ["AdaCos", "AdaFace", "CurricularFace", "ElasticFace", "MagFace", "margins_by_count"]

_SETTINGS = {name: member.settings for name, member in AFTER.items()}
_MOMENTUM = (0, 1 - 2.0**-24, "a number in [0, 1): the share of the old in a running mean")


def margins_by_count(
    counts: ArrayLike, smallest: float = 0.05, largest: float = 0.5, power: float = 0.25
) -> np.ndarray:
    """A margin for each class by how many images it has: the rarer, the larger.

    m_j = a·n_j^(-power) + b, with a and b such that the most frequent class gets `smallest` and the rarest
    `largest`. Ha et al., "Google Landmark Recognition 2020 Competition Third Place Solution", 2020; the
    power ¼ is that of Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss",
    2019.

    ``heads.ArcFace(C, margin=heads.margins_by_count(np.bincount(y, minlength=C)))``

    Args:
        counts: ``(C,)`` whole numbers. Give `minlength` to NumPy's bincount, or a last class without images
            is left out. A class of none counts as one of one.
        smallest, largest: of the margins, in the head's own unit.
        power: at least 0.

    Returns:
        ``(C,)``. Where all classes are as frequent none is rare, and all get `smallest`.

    Raises:
        TypeError, ValueError: for counts that are not so, and for smallest above largest.
    """
    counts = np.asarray(counts)
    if counts.ndim != 1 or len(counts) < 2 or counts.dtype.kind not in "iu" or counts.min() < 0:
        raise ValueError(
            "counts must be whole numbers of at least 0, one for each class, of shape (C,), C at least 2, "
            f"got {counts!r}"
        )
    _checks.number("largest", largest, 0, math.inf, "a number of at least 0")
    _checks.number("smallest", smallest, 0, largest, f"a number from 0 to largest, {largest}")
    _checks.number("power", power, 0, math.inf, "a number of at least 0")
    rarity = np.maximum(counts, 1.0) ** -float(power)
    # Naive form: (r - min)/(max - min), of balanced classes 0/0: all margins NaN. Cure: none is rare.
    share = (rarity - rarity.min()) / (np.ptp(rarity) or 1.0)
    return smallest + (largest - smallest) * share


def _gathered(values):
    """Rows of all replicas of a `tf.distribute` strategy together; elsewhere as they came."""
    if keras.backend.backend() != "tensorflow":
        return values
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return values
    # Naive form: `all_gather`. Beside the sums of the gradients collective calls meet in another order on
    # each replica, and the run is aborted. Cure: the replicas wait for each other, and one puts it together.
    return context.merge_call(
        lambda strategy, rows: tf.concat(strategy.experimental_local_results(rows), 0), (values,)
    )


def _batch(values, counts):
    """Of all replicas: values ``(B,)``, 0 where a row does not count or is not finite; 1 where it does."""
    finite = ops.isfinite(values)
    counts = finite if counts is None else counts & finite
    values = ops.stop_gradient(ops.where(counts, values, 0.0))
    return _gathered(values), _gathered(ops.cast(counts, values.dtype))


def _move(state, new, momentum, known):
    """Let a running mean go towards the new value, if there is one."""
    old = ops.convert_to_tensor(state)
    moved = momentum * old + (1 - momentum) * ops.cast(new, state.dtype)
    state.assign(ops.stop_gradient(ops.where(known, moved, old)))


@documented(
    "\n        margin: m in [0, 1], in radians and in cosine units. Can be changed between steps."
    "\n        h: how many standard deviations of the length make a whole ẑ: 1/h. Can be changed."
    "\n        momentum: share of the old in the running mean and deviation of the length."
)
class AdaFace(CosineHead):
    """By the embedding's length: ψ(θ) = ucos(θ - m·ẑ) - m·(1 + ẑ).

    Kim et al., "AdaFace: Quality Adaptive Margin for Face Recognition", 2022, §3: the length stands for the
    image's quality, ẑ = clip((‖x‖ - μ)·h/σ, -1, 1) with μ and σ running over the batches. At ẑ = -1, a poor
    image, ψ is that of ArcFace; at 0 that of CosFace; at 1 the angular margin is -m and the other 2m. No
    gradient goes through ẑ.

    μ and σ begin at 20 and 100, as published, and move in training only, with the batch of all replicas; rows
    that do not count leave them alone, and σ waits for two lengths. θ - m·ẑ may be negative, where ucos goes
    on rising: the published code clips it, and a good image's own logit has no gradient there.
    """

    margin = Held(_SETTINGS["adaface"]["margin"])
    h = Held(_SETTINGS["adaface"]["h"])
    mean_initializer = keras.initializers.Constant(20.0)
    deviation_initializer = keras.initializers.Constant(100.0)

    def __init__(
        self,
        num_classes: int,
        *,
        margin: float = _SETTINGS["adaface"]["margin"].default,
        h: float = _SETTINGS["adaface"]["h"].default,
        momentum: float = 0.99,
        scale: float | str = _SETTINGS["adaface"]["scale"].default,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, scale=scale, **kwargs)
        self.margin, self.h = margin, h
        self.momentum = _checks.number("momentum", momentum, *_MOMENTUM)

    def build(self, embeddings_shape: Any) -> None:
        super().build(embeddings_shape)
        self.mean = _statistic(self, "mean", self.mean_initializer)
        self.deviation = _statistic(self, "deviation", self.deviation_initializer)

    def observe(self, x: Tensor, labels: Tensor, counts: Tensor | None = None) -> None:
        lengths, counts = _batch(geometry.norm(x), counts)
        count = ops.sum(counts)
        mean = ops.sum(lengths) / ops.maximum(count, 1.0)
        # Naive form: the standard deviation, of one image 0/0, and a running mean keeps a NaN for ever.
        deviation = geometry.norm(counts * (lengths - mean)) / ops.sqrt(ops.maximum(count - 1, 1.0))
        _move(self.mean, mean, self.momentum, count > 0)
        _move(self.deviation, deviation, self.momentum, count > 1)

    def quality(self, x: Tensor) -> Tensor:
        """ẑ in [-1, 1] of each embedding, by its length, ``(B, d) -> (B,)``; it has no gradient."""
        length, h = ops.stop_gradient(geometry.norm(x)), ops.convert_to_tensor(self.settings["h"])
        mean, deviation = ops.convert_to_tensor(self.mean), ops.convert_to_tensor(self.deviation)
        # Naive form: / σ, which is 0/0 where all lengths are one. Published: / (σ + 1e-3), which means
        # nothing for lengths of 1e-4, or of 1e6. Cure: what differs by a thousandth or less is the same.
        deviation = ops.maximum(ops.maximum(deviation, 1e-3 * mean), TINY)
        return ops.clip(h * (length - mean) / deviation, -1.0, 1.0)

    def psi(self, theta: Tensor, x: Tensor, labels: Tensor) -> Tensor:
        m, z = ops.convert_to_tensor(self.settings["margin"]), self.quality(x)
        return geometry.ucos(theta - m * z) - m * (1 + z)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"momentum": self.momentum}


def _statistic(head, name, initializer):
    """A number of training's, which is a weight: it is saved, and given back by EarlyStopping."""
    return head.add_weight(
        shape=(),
        initializer=initializer,
        trainable=False,
        autocast=False,
        aggregation="only_first_replica",  # all replicas have made the same
        name=name,
    )


@documented(
    "\n        margins: least and largest margin, in radians, in [0, π]."
    "\n        norms: the lengths that they belong to, both above 0."
    "\n        pull: λ, of the term that lengthens. Can be changed between steps."
)
class MagFace(CosineHead):
    """By the embedding's length, which learns: ψ(θ) = ucos(θ + m(‖x‖)), and λ·mean g(‖x‖) in the loss.

    Meng et al., "MagFace: A Universal Representation for Face Recognition and Quality Assessment", 2021,
    §3: m rises from margins[0] at norms[0] = l to margins[1] at norms[1] = u in a straight line, and
    g(a) = 1/a + a/u². The margin shortens an embedding and g lengthens it; where the two balance is the
    image's quality. No gradient is stopped.

    The published code holds the length in [l, u] before it takes m and g: outside, neither has a gradient,
    and shorter embeddings train a plain ArcFace in silence. Here m is held, and g goes on: above u as it is,
    below l in a straight line of the slope that it has there.

    The term comes by `add_loss`; `MarginClassifier` adds it, also where its loss is blockwise.
    """

    pull = Held(_SETTINGS["magface"]["pull"])

    def __init__(
        self,
        num_classes: int,
        *,
        margins: tuple[float, float] = (0.45, 0.8),
        norms: tuple[float, float] = (10.0, 110.0),
        pull: float = _SETTINGS["magface"]["pull"].default,
        scale: float | str = _SETTINGS["magface"]["scale"].default,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, scale=scale, **kwargs)
        self.ends = _pair("margins", margins, 0, math.pi, "an angle in radians in [0, π]")
        self.norms = _pair("norms", norms, TINY, 1e18, "a number above 0, and below 1e18")
        if self.norms[0] == self.norms[1]:
            raise ValueError(f"norms must be two lengths, the smaller first, got {norms!r}")
        self.pull = pull

    @property
    def least_pull(self) -> float:
        """The λ from which g lengthens every embedding of length l, whatever its loss: s·m′/-g′(l).

        The paper's bound, in its appendix: below it some embeddings may collapse onto the least length.
        """
        (low, high), (least, most) = self.norms, self.ends
        scale: Any = self.scale
        if isinstance(scale, str):
            raise ValueError(f"least_pull is of a number for the scale, got {scale!r}")
        return scale * (most - least) / (high - low) / (1 / low**2 - 1 / high**2)

    def psi(self, theta: Tensor, x: Tensor, labels: Tensor) -> Tensor:
        (low, high), (least, most) = self.norms, self.ends
        share = (ops.clip(geometry.norm(x), low, high) - low) / (high - low)
        return geometry.ucos(theta + least + (most - least) * share)

    def penalty(self, x: Tensor, counts: Tensor | None = None) -> Tensor:
        rows: Any = ops.ones(ops.shape(x)[:1], dtype="bool") if counts is None else counts
        # The rows themselves, or the gradient of a NaN among those that do not count would be NaN times 0.
        length = geometry.norm(ops.where(rows[:, None], x, 0.0))
        low, high = self.norms
        held = ops.maximum(length, low)
        # Naive form: 1/a, whose slope has no end where embeddings are short.
        g = 1 / held + held / high**2 + (1 / high**2 - 1 / low**2) * (length - held)
        rows = ops.cast(rows, g.dtype)
        return self.settings["pull"] * ops.sum(rows * g) / ops.maximum(ops.sum(rows), 1.0)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"margins": list(self.ends), "norms": list(self.norms)}


def _pair(name, values, low, high, allowed):
    """Two numbers, the smaller first."""
    if not isinstance(values, list | tuple) or len(values) != 2:
        raise TypeError(f"{name} must be a pair, each {allowed}, got {values!r}")
    first, second = (float(_checks.number(name, v, low, high, f"a pair, each {allowed}")) for v in values)
    if first > second:
        raise ValueError(f"{name} must be a pair, the smaller first, got {values!r}")
    return first, second


@documented(
    "\n        margin: m, the mean of the draws, in [0, 2]. Can be changed between steps."
    "\n        spread: σ of the draws, in [0, 1]. Can be changed between steps."
    '\n        place: "angle", in radians as in ArcFace, or "cosine", as in CosFace.'
    "\n        plus: whether the image furthest from its class gets the largest of the draws."
    "\n        seed: of the draws, a whole number; None for one of Keras's own."
)
class ElasticFace(CosineHead):
    """A margin drawn for each image anew: ψ(θ) = ucos(θ + m) or cos θ - m, with m from N(margin, spread).

    Boutros et al., "ElasticFace: Elastic Margin Loss for Deep Face Recognition", 2022. With
    `plus`, its "+", draws go to the images by rank; the published code of that gives image i the draw of
    index argsort[i], where its rank was meant.

    The draws come from a generator of the head's own: with a seed, training can be repeated, and compiled
    code draws anew in each step. They are made whenever labels are given.
    """

    margin = Held(_SETTINGS["elasticface"]["margin"])
    spread = Held(_SETTINGS["elasticface"]["spread"])

    def __init__(
        self,
        num_classes: int,
        *,
        margin: float = _SETTINGS["elasticface"]["margin"].default,
        spread: float = _SETTINGS["elasticface"]["spread"].default,
        place: str = "angle",
        plus: bool = False,
        scale: float | str = _SETTINGS["elasticface"]["scale"].default,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, scale=scale, **kwargs)
        self.margin, self.spread = margin, spread
        self.place = _checks.one_of("place", place, ("angle", "cosine"))
        self.plus, self.seed = bool(plus), seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def drawn(self, theta: Tensor) -> Tensor:
        """A margin for each image, ``(B,) -> (B,)``, new at each call; it has no gradient."""
        draws = keras.random.normal(ops.shape(theta), dtype=theta.dtype, seed=self.seed_generator)
        if self.plus:
            # Naive form: sorted[argsort θ]. It is right where argsort is its own inverse. Cure: the rank.
            draws = ops.take(ops.sort(draws), ops.argsort(ops.argsort(theta)), axis=0)
        return self.settings["margin"] + self.settings["spread"] * draws

    def psi(self, theta: Tensor, x: Tensor, labels: Tensor) -> Tensor:
        if self.place == "angle":
            return geometry.ucos(theta + self.drawn(theta))
        return ops.cos(theta) - self.drawn(theta)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"place": self.place, "plus": self.plus, "seed": self.seed}


@documented(
    "\n        margin: m, in radians, in [0, π]. Can be changed between steps."
    "\n        momentum: share of the old in the running mean t."
)
class CurricularFace(CosineHead):
    """ArcFace, with hard wrong classes that count little at first and more later.

    Huang et al., "CurricularFace: Adaptive Curriculum Learning Loss for Deep Face Recognition", 2020, §3:
    a wrong class is hard for an image if its cosine c passes T = ψ(θ_y). It then has c·(t + c) in place of
    c, with t the running mean of cos θ_y, from 0. No gradient goes through t or T.

    That jumps at c = T, and for negative c it pulls the wrong class closer: the slope t + 2c is negative
    below -t/2. Here a hard class has T + (c + t/2)₊² - (T + t/2)₊², with (·)₊ = max(·, 0): continuous,
    never falling, and with the published slope wherever that is positive, 0 elsewhere.

    t moves in training only, with the batch of all replicas. Not blockwise: a class's logit needs T.
    """

    why_not_blockwise = "the other classes' logits change once that of the true class is known"
    margin = Held(_SETTINGS["curricularface"]["margin"])
    t_initializer = keras.initializers.Zeros()

    def __init__(
        self,
        num_classes: int,
        *,
        margin: float = _SETTINGS["curricularface"]["margin"].default,
        momentum: float = 0.99,
        scale: float | str = _SETTINGS["curricularface"]["scale"].default,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, scale=scale, **kwargs)
        self.margin = margin
        self.momentum = _checks.number("momentum", momentum, *_MOMENTUM)

    def build(self, embeddings_shape: Any) -> None:
        super().build(embeddings_shape)
        self.t = _statistic(self, "t", self.t_initializer)

    def observe(self, x: Tensor, labels: Tensor, counts: Tensor | None = None) -> None:
        cosines, counts = _batch(ops.cos(self.own_angle(x, labels)), counts)
        count = ops.sum(counts)
        _move(self.t, ops.sum(cosines) / ops.maximum(count, 1.0), self.momentum, count > 0)

    def psi(self, theta: Tensor, x: Tensor, labels: Tensor) -> Tensor:
        return geometry.ucos(theta + self.settings["margin"])

    def others(self, cosines: Tensor, own: Tensor) -> Tensor:
        own, t = ops.stop_gradient(own)[:, None], ops.convert_to_tensor(self.t)

        def area(c):  # under the slope t + 2c, where it is positive
            return ops.square(ops.maximum(c + t / 2, 0.0))

        return ops.where(cosines > own, own + area(cosines) - area(own), cosines)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"momentum": self.momentum}


@documented("")
class AdaCos(CosineHead):
    """No margin, and a scale that sets itself in training: the logits are s·cos θ_j.

    Zhang et al., "AdaCos: Adaptively Scaling Cosine Logits for Effectively Learning Deep Face
    Representations", 2019: s begins at √2·ln(C - 1), and each batch makes it
    ln(B)/cos(min(π/4, θ_med)), with B the mean of Σ_{j≠y} exp(s·cos θ_j) under the old s and θ_med the median
    of θ_y. No gradient goes through it. The fixed kind is ``heads.NormFace(C, scale=√2·ln(C - 1))``.

    By this rule the image in the middle keeps probability ½, and the loss stays near ln 2. s is a setting and
    no weight: a `.keras` file has it, and a weights file does not. It stays at or above ln(C - 1)·(C - 1)/C,
    where it settles if classes are as far apart as they can be, and at or below 1024.

    Args:
        scale: s to begin with, a number; None for √2·ln(C - 1).

    C must be at least 3: of two classes s would be 0 for ever. Not blockwise: s is made of all logits.
    """

    why_not_blockwise = "its scale is made of all logits of a batch"
    scale = Held(_SETTINGS["adacos"]["scale"])

    def __init__(self, num_classes: int, *, scale: float | None = None, **kwargs: Any) -> None:
        _checks.whole("num_classes", num_classes, 3)
        begin = math.sqrt(2) * math.log(num_classes - 1)
        super().__init__(num_classes, scale=begin if scale is None else scale, **kwargs)

    def margins(self) -> tuple[Any, Any, Any]:
        return 1.0, 0.0, 0.0

    def observe(self, x: Tensor, labels: Tensor, counts: Tensor | None = None) -> None:
        s = ops.convert_to_tensor(self.settings["scale"])
        own = ops.arange(self.num_classes) == ops.cast(labels, "int32")[:, None]
        # Naive form: log(mean of Σ exp(s·c)), which overflows from s·c = 88. Cure: logsumexp, over rows too.
        rows, known = _batch(
            ops.logsumexp(ops.where(own, -math.inf, s * self.cosines(x)), axis=1),
            counts,
        )
        theta, _ = _batch(self.own_angle(x, labels), counts)
        count = ops.sum(known)
        log_b = ops.logsumexp(ops.where(known > 0, rows, -math.inf)) - ops.log(ops.maximum(count, 1.0))
        middle = _median(theta, known, count)
        least = (self.num_classes - 1) / self.num_classes * math.log(self.num_classes - 1)
        new = ops.clip(log_b / ops.cos(ops.minimum(middle, math.pi / 4)), least, 1024.0)
        self.settings["scale"].assign(ops.stop_gradient(ops.where(count > 0, new, s)))


def _median(values, known, count):
    """Median of those values ``(B,)`` that are known, `count` of them; 0 where there are none."""
    if values.shape[0] == 0:
        return ops.zeros((), values.dtype)
    falling = ops.sort(ops.where(known > 0, values, math.inf))
    last = ops.maximum(ops.cast(count, "int32") - 1, 0)
    both = ops.take(falling, ops.stack([last // 2, (last + 1) // 2]), axis=0)
    return ops.mean(ops.where(count > 0, both, 0.0))
