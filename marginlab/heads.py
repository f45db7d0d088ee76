r"""The heads: layers that turn embeddings into logits, with a margin for training.

All of them but `Softmax` are one equation,

    logit_j = scale · cos θ_j,   and at the true class   scale · ψ(θ_y),
    ψ(θ) = ucos(m₁·θ + m₂) - m₃,

where θ_j is the angle between the embedding and the direction of class j. A
named head only chooses m₁, m₂ and m₃:

==============  ==============  ====================  =================================
head            (m₁, m₂, m₃)    unit of its margin    source
==============  ==============  ====================  =================================
NormFace        (1, 0, 0)       none                  Wang et al. 2017
SphereFace      (m, 0, 0)       multiplier, m ≥ 1     Liu et al. 2017, eq. 7
CosFace         (1, 0, m)       cosine units          Wang et al. 2018, eq. 4
ArcFace         (1, m, 0)       radians               Deng et al. 2019, eq. 3
CombinedMargin  (m₁, m₂, m₃)    all three             Deng et al. 2019, eq. 4
==============  ==============  ====================  =================================

Called with embeddings alone a head gives logits without a margin, for accuracy,
plots and inference; called with labels it puts the margin in, for training.
"""

import abc
import math
import numbers

import keras
import numpy as np
from keras import ops

from marginlab import geometry

__all__ = ["ArcFace", "CombinedMargin", "CosFace", "NormFace", "Softmax", "SphereFace"]


def check_number(name, value, low, high, allowed):
    """Return value if low <= value <= high; else say what came and what is allowed."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be {allowed}, got {value!r}")
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{name} must be {allowed}, got {value!r}")
    return value


class _Number:
    """An attribute kept in a non-trainable weight: compiled code sees new values.

    As a Python float it would be a constant of the compiled step, and every new
    value would trace and compile the step again.
    """

    def __init__(self, low, high, allowed, word=None):
        self.low, self.high, self.allowed, self.word = low, high, allowed, word

    def __set_name__(self, owner, name):
        self.name = name

    def check(self, value):
        if isinstance(value, str) and self.word:
            if value != self.word:
                raise ValueError(f"{self.name} must be {self.allowed}, got {value!r}")
            return value
        return check_number(self.name, value, self.low, self.high, self.allowed)

    def __get__(self, head, owner=None):
        if head is None:
            return self
        weight = head.state.get(self.name)
        if weight is None:
            raise AttributeError(f"{self.name} has no value yet")
        if isinstance(weight, str):
            return weight
        # The shortest decimal that names this float: 0.3, not 0.30000001192092896.
        return float(str(ops.convert_to_numpy(weight)[()]))

    def __set__(self, head, value):
        value = self.check(value)
        weight = head.state.get(self.name)
        if weight is None:
            head.state[self.name] = value if isinstance(value, str) else head.add_number(self.name, value)
        elif isinstance(weight, str) or isinstance(value, str):
            if getattr(head, self.name) != value:
                raise ValueError(
                    f"{self.name} is {getattr(head, self.name)!r} and cannot become {value!r}: "
                    f"make a new {type(head).__name__}"
                )
        else:
            weight.assign(value)


_TINY = float(np.finfo("float32").tiny)


class _Head(keras.layers.Layer, abc.ABC):
    """What all heads share: class directions, precision, and checks of the input."""

    def __init__(self, num_classes, *, initializer="random_normal", dtype=None, **kwargs):
        # A half-precision policy would round embeddings and class directions, and
        # a cosine in half cannot tell angles below 1.8° (float16) or 5° (bfloat16)
        # from 0. So a head always computes in float32, or in float64 if asked.
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        precise = "float64" if policy.compute_dtype == "float64" else "float32"
        super().__init__(dtype=precise, autocast=False, **kwargs)
        if isinstance(num_classes, bool) or not isinstance(num_classes, numbers.Integral):
            raise TypeError(f"num_classes must be a whole number of at least 2, got {num_classes!r}")
        if num_classes < 2:
            raise ValueError(f"num_classes must be a whole number of at least 2, got {num_classes!r}")
        self.num_classes = int(num_classes)
        self.initializer = keras.initializers.get(initializer)
        self.state = {}

    def add_number(self, name, value):
        return self.add_weight(
            shape=(),
            # Not initializers.Constant, which rounds to float32 on the way to float64.
            initializer=lambda shape, dtype: ops.convert_to_tensor(value, dtype),
            trainable=False,
            autocast=False,
            name=name,
        )

    def build(self, embeddings_shape):
        if len(embeddings_shape) != 2 or not embeddings_shape[-1]:
            raise ValueError(
                f"embeddings must have shape (batch, dim) with dim known, got {tuple(embeddings_shape)}"
            )
        self.class_directions = self.add_weight(
            shape=(self.num_classes, embeddings_shape[-1]),
            initializer=self.initializer,
            autocast=False,
            name="class_directions",
        )

    def __call__(self, embeddings, labels=None, **kwargs):
        # Keras takes arrays, and would refuse a list before `call` could read it.
        if isinstance(labels, list | tuple):
            labels = np.asarray(labels)
        return super().__call__(embeddings, labels, **kwargs)

    def call(self, embeddings, labels=None):
        return self._logits(*self.checked_inputs(embeddings, labels))

    def checked_inputs(self, embeddings, labels=None):
        """Embeddings (B, d) in the head's type, NaN where the label was not valid, and valid labels (B,)."""
        embeddings = lift(ops.convert_to_tensor(embeddings), self.compute_dtype)
        dim = self.class_directions.shape[1]
        if len(embeddings.shape) != 2 or embeddings.shape[1] not in (dim, None):
            raise ValueError(f"embeddings must have shape (batch, {dim}), got {tuple(embeddings.shape)}")
        if labels is not None:
            labels, valid = self.checked(labels, embeddings.shape[0])
            embeddings = ops.where(valid[:, None], embeddings, math.nan)
        return embeddings, labels

    @abc.abstractmethod
    def _logits(self, embeddings, labels):
        """Logits (B, C) of embeddings (B, d); labels (B,) are valid, or None for no margin."""

    @abc.abstractmethod
    def target(self, embeddings, labels):
        """The logit (B,) of the true class, with the margin; embeddings (B, d), labels (B,) valid."""

    @abc.abstractmethod
    def linear(self, embeddings):
        """q (B, d) and b (C,): logit_j = q·ŵ_j, or in `Softmax` q·w_j + b_j, without a margin."""

    @abc.abstractmethod
    def margins(self):
        """(m₁, m₂, m₃) of ψ(θ) = ucos(m₁·θ + m₂) - m₃, as numbers or scalar tensors."""

    def checked(self, labels, batch=None):
        """Labels (B,) as integers in [0, C), and a mask (B,) of those that were valid.

        Naive form: gather with whatever came. Where values are only known when
        compiled code runs, an index out of range reads zeros, or another class,
        and trains on it quietly. Cure: 0 in place of such a label, and a mask by
        which the caller makes the whole row NaN, and its loss with it.

        Raises TypeError or ValueError where what is wrong can be seen.
        """
        labels = ops.convert_to_tensor(labels)
        dtype = keras.backend.standardize_dtype(labels.dtype)
        if "int" not in dtype:
            raise TypeError(f"labels must be integers, got {dtype}")
        shape = tuple(labels.shape)
        if len(shape) != 1 or (None not in (batch, shape[0]) and batch != shape[0]):
            raise ValueError(
                f"labels must have shape (batch,) = ({batch or 'batch'},), one class a row, got {shape}"
            )
        labels = ops.cast(labels, "int64" if dtype in ("int64", "uint64") else "int32")
        values = _values(labels)
        if values is not None and values.size and not (values.min() >= 0 and values.max() < self.num_classes):
            raise ValueError(
                f"labels must lie in [0, {self.num_classes}), got {values.min()} to {values.max()}"
            )
        valid = (labels >= 0) & (labels < self.num_classes)
        return ops.where(valid, labels, 0), valid

    def get_config(self):
        settings = {name: getattr(self, name) for name in self.state}
        initializer = keras.initializers.serialize(self.initializer)
        return super().get_config() | {"num_classes": self.num_classes, "initializer": initializer} | settings

    def __repr__(self):
        settings = "".join(f", {name}={getattr(self, name)!r}" for name in sorted(self.state))
        return f"{type(self).__name__}(num_classes={self.num_classes}{settings})"


def lift(embeddings, dtype):
    """Embeddings in dtype. The gradient going back into float16 stays finite.

    Naive form: cast(x, "float32"), whose gradient is cast(g, "float16"). With
    loss scaling g passes 65504 as soon as ‖x‖ is small, and becomes infinite.
    Cure: shorten such a row of g, keeping its direction, until float16 can hold it.
    """
    if keras.backend.standardize_dtype(embeddings.dtype) != "float16":
        return ops.cast(embeddings, dtype)

    @ops.custom_gradient
    def lift_float16(x):
        def grad(*args, upstream=None):
            g = args[0] if upstream is None else upstream
            largest = ops.max(ops.abs(g), axis=-1, keepdims=True)
            limit = float(np.finfo("float16").max)
            return ops.cast(ops.where(largest > limit, g / largest * limit, g), "float16")

        return ops.cast(x, dtype), grad

    return lift_float16(embeddings)


def _values(labels):
    """Labels as a NumPy array, or None inside compiled or symbolic code."""
    try:
        return ops.convert_to_numpy(labels)
    except (AttributeError, NotImplementedError, TypeError, ValueError):
        return None


@keras.saving.register_keras_serializable("marginlab")
class Softmax(_Head):
    """The plain linear head: logit_j = w_j·x + b_j. It has no margin.

    The rows of `class_directions` keep their lengths here: a longer row is a
    class with more say.

    Args:
        num_classes: C, at least 2.
        use_bias: whether to add a learnt b (C,), as the demo does.
        initializer: of `class_directions` (C, d).
        dtype: "float64" to compute in float64; anything else means float32.

    Call:
        ``(B, d)`` embeddings, and optionally ``(B,)`` integer labels, which are
        checked and change nothing, to ``(B, C)`` logits.

    Raises:
        TypeError, ValueError: for num_classes below 2, labels that are not
            integers of shape (B,) in [0, C), embeddings not of shape (B, d).
    """

    bias_initializer = keras.initializers.Zeros()

    def __init__(self, num_classes, *, use_bias=True, **kwargs):
        super().__init__(num_classes, **kwargs)
        self.use_bias = bool(use_bias)

    def build(self, embeddings_shape):
        super().build(embeddings_shape)
        if self.use_bias:
            self.bias = self.add_weight(
                shape=(self.num_classes,), initializer=self.bias_initializer, autocast=False, name="bias"
            )

    def margins(self):
        return 1.0, 0.0, 0.0

    def _logits(self, embeddings, labels):
        logits = ops.matmul(embeddings, ops.transpose(self.class_directions))
        return logits + self.bias if self.use_bias else logits

    def target(self, embeddings, labels):
        logits = ops.sum(embeddings * ops.take(self.class_directions, labels, axis=0), axis=-1)
        return logits + ops.take(self.bias, labels) if self.use_bias else logits

    def linear(self, embeddings):
        return embeddings, (self.bias if self.use_bias else ops.zeros((self.num_classes,), embeddings.dtype))

    def get_config(self):
        return super().get_config() | {"use_bias": self.use_bias}


class _CosineHead(_Head):
    """The one equation. Subclasses say what (m₁, m₂, m₃) are."""

    scale = _Number(_TINY, math.inf, 'a finite number above 0, or "norm" for ‖x‖', word="norm")

    def __init__(self, num_classes, *, scale=30.0, **kwargs):
        super().__init__(num_classes, **kwargs)
        self.scale = scale

    def _logits(self, embeddings, labels):
        logits = geometry.cosine_table(embeddings, self.class_directions)
        if labels is not None:
            place = ops.stack([ops.arange(ops.shape(labels)[0], dtype=labels.dtype), labels], axis=-1)
            logits = ops.scatter_update(logits, place, self._psi(embeddings, labels))
        return self._scales(embeddings)[..., None] * logits

    def target(self, embeddings, labels):
        return self._scales(embeddings) * self._psi(embeddings, labels)

    def linear(self, embeddings):
        q = self._scales(embeddings)[..., None] * geometry.unit(embeddings)
        return q, ops.zeros((self.num_classes,), q.dtype)

    def _psi(self, embeddings, labels):
        m1, m2, m3 = self.margins()
        theta = geometry.angle(embeddings, ops.take(self.class_directions, labels, axis=0))
        return geometry.ucos(m1 * theta + m2) - m3

    def _scales(self, embeddings):
        """The scale, or one for each row (B,)."""
        scale = self.state["scale"]
        return geometry.norm(embeddings) if isinstance(scale, str) else ops.convert_to_tensor(scale)


_SHARED = """

    Args:
        num_classes: C, at least 2.{margin}
        scale: s, a positive number, or "norm" to use ‖x‖, as SphereFace's paper
            and the demo do. A number can be changed between steps.
        initializer: of `class_directions` (C, d); only the directions count.
        dtype: "float64" to compute in float64 (on TensorFlow; on JAX it needs
            jax_enable_x64, and on PyTorch Keras takes the angle in float32).
            Anything else means float32, whatever the embeddings' type.

    Call:
        ``(B, d)`` embeddings to ``(B, C)`` logits without margin; with ``(B,)``
        integer labels the margin is put in at the labels.

    Raises:
        TypeError, ValueError: naming the argument, for num_classes below 2, a
            margin or scale out of range, labels that are not integers of shape
            (B,) in [0, C), or embeddings not of shape (B, d). In compiled code,
            where labels have no values yet, a label out of range makes that
            example's loss NaN.
"""


def _documented(margin):
    """Give a head's docstring the part that all heads share."""

    def decorate(cls):
        cls.__doc__ = cls.__doc__.rstrip() + _SHARED.format(margin=margin)
        return keras.saving.register_keras_serializable("marginlab")(cls)

    return decorate


@_documented("")
class NormFace(_CosineHead):
    """Cosine logits and no margin: ψ(θ) = cos θ.

    Wang et al., "NormFace: L2 Hypersphere Embedding for Face Verification", 2017.
    """

    def margins(self):
        return 1.0, 0.0, 0.0


@_documented("\n        margin: m, a real multiplier of at least 1. Can be changed between steps.")
class SphereFace(_CosineHead):
    """Multiply the angle: ψ(θ) = ucos(m·θ).

    Liu et al., "SphereFace: Deep Hypersphere Embedding for Face Recognition",
    2017, eq. 7, there for whole m only. ψ is flat at every θ = kπ/m.
    """

    margin = _Number(1.0, math.inf, "a finite multiplier of at least 1")

    def __init__(self, num_classes, *, margin=1.5, **kwargs):
        super().__init__(num_classes, **kwargs)
        self.margin = margin

    def margins(self):
        return self.state["margin"], 0.0, 0.0


@_documented("\n        margin: m, in cosine units, in [0, 2]. Can be changed between steps.")
class CosFace(_CosineHead):
    """Subtract from the cosine: ψ(θ) = cos θ - m.

    Wang et al., "CosFace: Large Margin Cosine Loss for Deep Face Recognition",
    2018, eq. 4.
    """

    margin = _Number(0.0, 2.0, "a number of cosine units in [0, 2]")

    def __init__(self, num_classes, *, margin=0.1, **kwargs):
        super().__init__(num_classes, **kwargs)
        self.margin = margin

    def margins(self):
        return 1.0, 0.0, self.state["margin"]


@_documented("\n        margin: m, in radians, in [0, π]. Can be changed between steps.")
class ArcFace(_CosineHead):
    """Add to the angle: ψ(θ) = ucos(θ + m).

    Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face
    Recognition", 2019, eq. 3. Past θ = π - m, where cos(θ + m) would turn back
    up, ψ goes on falling.
    """

    margin = _Number(0.0, math.pi, "an angle in radians in [0, π]")

    def __init__(self, num_classes, *, margin=0.3, **kwargs):
        super().__init__(num_classes, **kwargs)
        self.margin = margin

    def margins(self):
        return 1.0, self.state["margin"], 0.0


@_documented(
    "\n        m1: m₁, a real multiplier above 0."
    "\n        m2: m₂, in radians, in [0, π]."
    "\n        m3: m₃, in cosine units, in [0, 2]. Each can be changed between steps."
)
class CombinedMargin(_CosineHead):
    """All three margins: ψ(θ) = ucos(m₁·θ + m₂) - m₃.

    Deng et al., "ArcFace", 2019, eq. 4.
    """

    m1 = _Number(_TINY, math.inf, "a finite multiplier above 0")
    m2 = _Number(0.0, math.pi, "an angle in radians in [0, π]")
    m3 = _Number(0.0, 2.0, "a number of cosine units in [0, 2]")

    def __init__(self, num_classes, *, m1=1.0, m2=0.0, m3=0.0, **kwargs):
        super().__init__(num_classes, **kwargs)
        self.m1, self.m2, self.m3 = m1, m2, m3

    def margins(self):
        return self.state["m1"], self.state["m2"], self.state["m3"]


BY_NAME = {
    "softmax": Softmax,
    "normface": NormFace,
    "sphereface": SphereFace,
    "cosface": CosFace,
    "arcface": ArcFace,
    "combined": CombinedMargin,
}
