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
import importlib
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from marginlab import _checks, family, formula, geometry
from marginlab.family import FAMILY
from marginlab.geometry import Tensor

if TYPE_CHECKING:
    from marginlab.after import AdaCos as AdaCos
    from marginlab.after import AdaFace as AdaFace
    from marginlab.after import CurricularFace as CurricularFace
    from marginlab.after import ElasticFace as ElasticFace
    from marginlab.after import MagFace as MagFace
    from marginlab.after import margins_by_count as margins_by_count

__all__ = [
    "ArcFace",
    "CombinedMargin",
    "CosFace",
    "CosineHead",
    "FormulaHead",
    "NormFace",
    "Softmax",
    "SphereFace",
    "from_formula",
]


class Held:
    """A setting, kept in a variable that is no weight: compiled code sees new values.

    Naive form: a Python float. It would be a constant of the compiled step, and every new value
    would trace and compile the step again. Naive form, too: a non-trainable weight. A weights file,
    `set_weights` and EarlyStopping would then change a margin in silence, and read that of another
    head in another unit. Cure: one of the layer's `variables`, as the state of a random generator is.

    A margin that fills a place of ψ may be one number, or one for each class ``(C,)``.

    Args:
        setting: its row in `marginlab.family`.
        word: a string that is allowed in place of a number.
    """

    def __init__(self, setting: family.Setting, word: str | None = None) -> None:
        self.setting, self.word = setting, word

    def __set_name__(self, owner, name):
        self.name = name

    def check(self, value: Any, dtype: Any, classes: int) -> Any:
        """Return value if it is allowed: a number, the word, or numbers of shape (classes,)."""
        allowed = self.setting.allowed
        if isinstance(value, str) and self.word:
            if value != self.word:
                raise ValueError(f"{self.name} must be {allowed}, got {value!r}")
            return value
        if self.setting.place is None or not getattr(value, "shape", isinstance(value, list | tuple)):
            return self._number(value, dtype, allowed)
        allowed = f"{allowed}, or one for each class, of shape ({classes},)"
        values = np.asarray(value)
        if values.dtype.kind not in "fiu":
            raise TypeError(f"{self.name} must be {allowed}, got {value!r}")
        if values.shape != (classes,):
            raise ValueError(f"{self.name} must be {allowed}, got shape {values.shape}")
        ends = [self._number(end, dtype, allowed) for end in (values.min().item(), values.max().item())]
        return np.clip(values, *ends)

    def _number(self, value, dtype, allowed):
        """Return value if it is a number in the range.

        Naive form: low <= value <= high. π is 3.1415927 in float32, which is above π, so that a head
        refused the margin that it had saved. Cure: what the layer cannot tell from an end is that end.
        """
        low, high = self.setting.low, self.setting.high
        value = _checks.number(self.name, value, -math.inf, math.inf, allowed)
        with np.errstate(over="ignore"):
            ends = [end for end in (low, high) if np.dtype(dtype).type(end) == np.dtype(dtype).type(value)]
        return _checks.number(self.name, ends[0] if ends else value, low, high, allowed)

    def __get__(self, head, owner=None):
        if head is None:
            return self
        variable = head.settings.get(self.name)
        if variable is None:
            raise AttributeError(f"{self.name} has no value yet")
        if isinstance(variable, str):
            return variable
        try:
            value = ops.convert_to_numpy(variable.value)
        except TypeError:
            # While JAX trains, Keras moves all variables into the compiled step's own state.
            raise RuntimeError(
                f"{self.name} cannot be read or set from here while the model trains on JAX, where a head "
                "that was kept aside is out of date: take it as self.model.head in a callback, or use "
                "marginlab.callbacks.MarginSchedule"
            ) from None
        # The shortest decimal that names this float: 0.3, not 0.30000001192092896.
        value = value.astype(str).astype("float64") if value.ndim else float(str(value[()]))
        return self.check(value, variable.dtype, head.num_classes)

    def __set__(self, head, value):
        value = self.check(value, head.variable_dtype, head.num_classes)
        old = head.settings.get(self.name)
        if old is None:
            head.settings[self.name] = value if isinstance(value, str) else head._variable(self.name, value)
            return
        before = getattr(head, self.name)
        if isinstance(old, str) or isinstance(value, str) or np.ndim(before) < np.ndim(value):
            if not np.array_equal(before, value):
                raise ValueError(
                    f"{self.name} is {before!r} and cannot become {value!r}: make a new {type(head).__name__}"
                )
        elif not np.array_equal(before, value):
            old.assign(np.broadcast_to(value, np.shape(before)))


_SETTINGS = {name: member.settings for name, member in FAMILY.items()}


class _Head(keras.layers.Layer, abc.ABC):
    """What all heads share: class directions, precision, and checks of the input."""

    subcenters = 1  # directions a class
    why_not_blockwise = ""  # in words, where a class's logit is not known from its own rows and embedding

    def __init__(
        self, num_classes: int, *, initializer: Any = "random_normal", dtype: Any = None, **kwargs: Any
    ) -> None:
        # A half-precision policy would round embeddings and class directions, and
        # a cosine in half cannot tell angles below 1.8° (float16) or 5° (bfloat16)
        # from 0. So a head always computes in float32, or in float64 if asked.
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        precise = "float64" if policy.compute_dtype == "float64" else "float32"
        super().__init__(dtype=precise, autocast=False, **kwargs)
        self.num_classes = _checks.whole("num_classes", num_classes, 2)
        self.initializer = keras.initializers.get(initializer)
        # Past Keras's own __setattr__, which would make weights of the variables in it.
        object.__setattr__(self, "settings", {})

    def _variable(self, name, value):
        # The head's name is in the variable's: a checkpoint of one head has no place in another.
        with keras.name_scope(self.name, caller=self):
            return keras.Variable(
                # Not initializers.Constant, which rounds to float32 on the way to float64.
                lambda shape, dtype: ops.convert_to_tensor(value, dtype),
                shape=np.shape(value),
                dtype=self.variable_dtype,
                trainable=False,
                autocast=False,
                aggregation="only_first_replica",  # who sets it in training has the batch of all replicas
                name=f"{type(self).__name__.lower()}_{name}",
            )

    @property
    def variables(self) -> list:
        """All state: the weights, and the settings that compiled code reads."""
        return [*super().variables, *(v for v in self.settings.values() if not isinstance(v, str))]

    def check_settings(self, values: dict[str, Any]) -> None:
        """Raise ValueError if one of these values ``{path of a variable: value}`` is out of its range."""
        for name, variable in self.settings.items():
            if not isinstance(variable, str) and (value := values.get(variable.path)) is not None:
                value = ops.convert_to_numpy(value)
                getattr(type(self), name).check(
                    value if value.ndim else float(value), variable.dtype, self.num_classes
                )

    def save_own_variables(self, store: Any) -> None:
        super().save_own_variables(store)
        store["head"] = np.frombuffer(self.kind.encode(), "uint8")

    @property
    def kind(self) -> str:
        """What a weights file is of: another head's is refused."""
        return type(self).__name__

    def load_own_variables(self, store: Any) -> None:
        """Class directions (and biases) of a head of the same class; settings stay as they are.

        Raises:
            ValueError: for what another head saved.
        """
        own, keys = self.kind, list(store.keys())
        if not keys:
            # Keras asks twice, by two paths, of which one leads nowhere, and shows the last answer.
            raise ValueError(getattr(self, "_refusal", "") or f"the file has no weights for this {own}")
        saved = bytes(np.asarray(store["head"])).decode() if "head" in keys else "an unknown head"
        values = {name: store[name] for name in keys if name != "head"}
        self._refusal = self._refused(saved, values)
        if self._refusal:
            raise ValueError(self._refusal)
        super().load_own_variables(values)

    def _refused(self, saved, values):
        """Why weights cannot be loaded, or an empty string."""
        own = self.kind
        if saved != own:
            return (
                f"these are weights of {saved}, and this is {own}: a margin of one head means nothing in "
                "another. To go on from its directions load them into the head that they are of, and then "
                "new.class_directions.assign(old.class_directions)"
            )
        if self.built and "0" in values and tuple(values["0"].shape) != tuple(self.class_directions.shape):
            return (
                f"the file has class directions of shape {tuple(values['0'].shape)}, and this {own} "
                f"{tuple(self.class_directions.shape)}: classes and dimensions must be the same"
            )
        return ""

    def build(self, embeddings_shape: Any) -> None:
        if len(embeddings_shape) != 2 or not embeddings_shape[-1]:
            raise ValueError(
                f"embeddings must have shape (batch, dim) with dim known, got {tuple(embeddings_shape)}"
            )
        try:
            self.class_directions = self.add_weight(
                shape=(self.num_classes, *[self.subcenters][: self.subcenters > 1], embeddings_shape[-1]),
                initializer=self.initializer,
                autocast=False,
                name="class_directions",
            )
        except ValueError as error:
            if "evenly divide" not in str(error):
                raise
            raise ValueError(
                "num_classes must be a multiple of the devices that class_directions are split over, got "
                f"{self.num_classes}. Round it up: a class without images is one more wrong answer. ({error})"
            ) from error

    def __call__(self, embeddings, labels=None, **kwargs):
        # Keras takes arrays, and would refuse a list before `call` could read it.
        if isinstance(labels, list | tuple):
            labels = np.asarray(labels)
        return super().__call__(embeddings, labels, **kwargs)

    def call(self, embeddings: Tensor, labels: Tensor | None = None, training: bool | None = None) -> Tensor:
        embeddings, labels = self.checked_inputs(embeddings, labels)
        if labels is not None and training is not False:
            self.observe(embeddings, labels)
            if (term := self.penalty(embeddings)) is not None:
                self.add_loss(term)
        return self.logits(embeddings, labels)

    def observe(self, x: Tensor, labels: Tensor, counts: Tensor | None = None) -> None:
        """Take a batch into the statistics of training, before its logits are made.

        Args:
            x: embeddings ``(B, d)``, in the head's type.
            labels: ``(B,)``, valid.
            counts: ``(B,)``, bool: which rows count; None for all.
        """

    def penalty(self, x: Tensor, counts: Tensor | None = None) -> Tensor | None:
        """The head's own term of the loss in training, a number, of the rows that count; None without one."""
        return None

    def checked_inputs(
        self, embeddings: Tensor, labels: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Embeddings (B, d) in the head's type, NaN where the label was not valid, and valid labels (B,)."""
        embeddings = lift(ops.convert_to_tensor(embeddings), self.compute_dtype)
        dim = self.class_directions.shape[-1]
        if len(embeddings.shape) != 2 or embeddings.shape[1] not in (dim, None):
            raise ValueError(f"embeddings must have shape (batch, {dim}), got {tuple(embeddings.shape)}")
        if labels is not None:
            labels, valid = self.checked(labels, embeddings.shape[0])
            embeddings = ops.where(valid[:, None], embeddings, math.nan)
        return embeddings, labels

    @abc.abstractmethod
    def logits(self, embeddings: Tensor, labels: Tensor | None) -> Tensor:
        """Logits (B, C) of embeddings (B, d); labels (B,) are valid, or None for no margin."""

    @abc.abstractmethod
    def target(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The logit (B,) of the true class, with the margin; embeddings (B, d), labels (B,) valid."""

    @abc.abstractmethod
    def linear(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """q (B, d) and b (C,): logit_j = q·ŵ_j, or in `Softmax` q·w_j + b_j, without a margin."""

    @abc.abstractmethod
    def margins(self) -> tuple[Any, Any, Any] | None:
        """(m₁, m₂, m₃) of ψ(θ) = ucos(m₁·θ + m₂) - m₃; None if they are no numbers.

        Each is a number, a scalar tensor, or one for each class ``(C,)``.
        """

    def rows(self, start: Any, size: int) -> Tensor:
        """The directions of `size` classes from `start` on, ``(size, d)`` or ``(size, K, d)``.

        `marginlab.blockwise` asks for a block at a time, and of K rows takes the nearest. `start` may be
        known only when compiled code runs. What is returned are numbers of `class_directions` in their
        order, to which the gradients go back; no other variable is read.
        """
        return block(self.class_directions, start, size)

    def checked(
        self, labels: Tensor, batch: int | None = None, spared: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Labels (B,) or (B, 1) as integers (B,) in [0, C), and a mask (B,) of those that were valid.

        Where spared (B,) is true the label may be any integer, and counts as valid.

        Naive form: gather with whatever came. Where values are only known when
        compiled code runs, an index out of range reads zeros, or another class,
        and trains on it quietly. Cure: 0 in place of such a label, and a mask by
        which the caller makes the whole row NaN, and its loss with it.

        Raises TypeError or ValueError where what is wrong can be seen.
        """
        labels = ops.convert_to_tensor(labels)
        dtype = keras.backend.standardize_dtype(labels.dtype)
        if "int" not in dtype:
            columns = labels.shape[1:]
            hint = f" of shape {tuple(labels.shape)}: if they are one-hot, take the argmax" if columns else ""
            raise TypeError(f"labels must be integers, got {dtype}{hint}")
        labels = _checks.flat(labels)
        shape = tuple(labels.shape)
        if len(shape) != 1 or (None not in (batch, shape[0]) and batch != shape[0]):
            raise ValueError(
                f"labels must have shape (batch,) = ({batch or 'batch'},), one class a row, got {shape}"
            )
        labels = ops.cast(labels, "int64" if dtype in ("int64", "uint64") else "int32")
        if spared is not None:
            labels = ops.where(spared, 0, labels)
        values = _values(labels)
        if values is not None and values.size and not (values.min() >= 0 and values.max() < self.num_classes):
            raise ValueError(
                f"labels must lie in [0, {self.num_classes}), got {values.min()} to {values.max()}"
            )
        valid = (labels >= 0) & (labels < self.num_classes)
        return ops.where(valid, labels, 0), valid

    def get_config(self) -> dict[str, Any]:
        settings = {name: getattr(self, name) for name in self.settings}
        settings = {name: v.tolist() if np.ndim(v) else v for name, v in settings.items()}
        initializer = keras.initializers.serialize(self.initializer)
        return super().get_config() | {"num_classes": self.num_classes, "initializer": initializer} | settings

    def __repr__(self):
        try:
            settings = "".join(f", {name}={_shown(getattr(self, name))}" for name in sorted(self.settings))
        except (NotImplementedError, RuntimeError):  # in compiled code, where they have no values yet
            settings = ", …"
        return f"{type(self).__name__}(num_classes={self.num_classes}{settings})"


def _shown(value):
    return f"{value.min():g} to {value.max():g}" if np.ndim(value) else repr(value)


def block(table: Tensor, start: Any, size: int) -> Tensor:
    """``size`` rows of a table from `start` on, ``(N, ...) -> (size, ...)``."""
    rest = tuple(table.shape[1:])
    return ops.slice(ops.convert_to_tensor(table), (start, *[0] * len(rest)), (size, *rest))


def lift(embeddings: Tensor, dtype: Any) -> Tensor:
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

    def __init__(self, num_classes: int, *, use_bias: bool = True, **kwargs: Any) -> None:
        super().__init__(num_classes, **kwargs)
        self.use_bias = bool(use_bias)

    def build(self, embeddings_shape: Any) -> None:
        super().build(embeddings_shape)
        if self.use_bias:
            self.bias = self.add_weight(
                shape=(self.num_classes,), initializer=self.bias_initializer, autocast=False, name="bias"
            )

    def margins(self) -> tuple[Any, Any, Any]:
        return 1.0, 0.0, 0.0

    def logits(self, embeddings: Tensor, labels: Tensor | None) -> Tensor:
        logits = ops.matmul(embeddings, ops.transpose(self.class_directions))
        return logits + self.bias if self.use_bias else logits

    def target(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        logits = ops.sum(embeddings * ops.take(self.class_directions, labels, axis=0), axis=-1)
        return logits + ops.take(self.bias, labels) if self.use_bias else logits

    def linear(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        return embeddings, (self.bias if self.use_bias else ops.zeros((self.num_classes,), embeddings.dtype))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"use_bias": self.use_bias}


class CosineHead(_Head):
    """The one equation: scale·cos θ_j, and scale·ψ(θ_y) at the true class.

    A subclass says in `margins` what m₁, m₂ and m₃ are; or it overrides `psi`, where they depend on the
    image, `others`, where the other classes' logits change too, and `observe` and `penalty`, where it has
    statistics of training or a term of the loss. Another kind of directions overrides `cosines`, `own_angle`
    and `rows`, and makes its `class_directions`, ``(C, ..., d)``, in `build`.
    """

    scale = Held(_SETTINGS["normface"]["scale"], word="norm")

    def __init__(
        self,
        num_classes: int,
        *,
        scale: float | str = _SETTINGS["normface"]["scale"].default,
        subcenters: int = 1,
        **kwargs: Any,
    ) -> None:
        if type(self).margins is CosineHead.margins and type(self).psi is CosineHead.psi:
            raise TypeError(f"{type(self).__name__} has no margin: a subclass says it in margins, or in psi")
        super().__init__(num_classes, **kwargs)
        self.scale = scale
        self.subcenters = _checks.whole("subcenters", subcenters, 1)

    def margins(self) -> Any:
        return None

    def cosines(self, x: Tensor) -> Tensor:
        """Cosine of each embedding with each class, ``(B, d) -> (B, C)``: of its K rows, the largest."""
        if self.subcenters == 1:
            return geometry.cosine_table(x, self.class_directions)
        table = geometry.cosine_table(x, ops.reshape(self.class_directions, (-1, x.shape[-1])))
        return geometry.largest(ops.reshape(table, (-1, self.num_classes, self.subcenters)))

    def own_angle(self, x: Tensor, labels: Tensor) -> Tensor:
        """Angle to the own class in radians, ``(B, d), (B,) -> (B,)``: to that of its K rows that won."""
        own = ops.take(self.class_directions, labels, axis=0)
        if self.subcenters == 1:
            return geometry.angle(x, own)
        # The largest cosine is the smallest angle, and each of the K angles is measured.
        return -geometry.largest(-geometry.angle(x[:, None], own))

    def psi(self, theta: Tensor, x: Tensor, labels: Tensor) -> Tensor:
        """ψ(θ) at the own class, in place of its cosine, ``(B,), (B, d), (B,) -> (B,)``; in training only."""
        m1, m2, m3 = (
            ops.take(m, labels, axis=0) if len(getattr(m, "shape", ())) else m for m in self.margins()
        )
        return geometry.ucos(m1 * theta + m2) - m3

    def others(self, cosines: Tensor, own: Tensor) -> Tensor:
        """What other classes have in place of their cosines ``(B, C)``, by own ψ ``(B,)``; in training."""
        return cosines

    def logits(self, embeddings: Tensor, labels: Tensor | None) -> Tensor:
        logits = self.cosines(embeddings)
        if labels is not None:
            own = self._own(embeddings, labels)
            place = ops.stack([ops.arange(ops.shape(labels)[0], dtype=labels.dtype), labels], axis=-1)
            logits = ops.scatter_update(self.others(logits, own), place, own)
        return self._scales(embeddings)[..., None] * logits

    def target(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return self._scales(embeddings) * self._own(embeddings, labels)

    def linear(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        q = self._scales(embeddings)[..., None] * geometry.unit(embeddings)
        return q, ops.zeros((self.num_classes,), q.dtype)

    def _own(self, embeddings, labels):
        return self.psi(self.own_angle(embeddings, labels), embeddings, labels)

    def _scales(self, embeddings):
        """The scale, or one for each row (B,)."""
        scale = self.settings["scale"]
        return geometry.norm(embeddings) if isinstance(scale, str) else ops.convert_to_tensor(scale)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"subcenters": self.subcenters}


_SHARED = """

    Args:
        num_classes: C, at least 2.{margin}
        scale: s, a positive number, or "norm" to use ‖x‖, as SphereFace's paper
            and the demo do. A number can be changed between steps.
            Margin and scale are settings, and no weights. A `.keras` file and an
            Orbax checkpoint hold them. Weights files, `set_weights` and what rests on
            these (EarlyStopping, BackupAndRestore) do not, and leave them alone.
        subcenters: K, directions a class, of which the nearest to an embedding counts
            (Deng et al., "Sub-center ArcFace", 2020, §3.2). `class_directions` are then
            (C, K, d). They must begin apart: what is equally near learns the same.
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


def documented(margin: str) -> Callable[[type], Any]:
    """Give a head's docstring the part that all heads share, and make it known to Keras."""

    def decorate(cls):
        cls.__doc__ = cls.__doc__.rstrip() + _SHARED.format(margin=margin)
        return keras.saving.register_keras_serializable("marginlab")(cls)

    return decorate


@documented("")
class NormFace(CosineHead):
    """Cosine logits and no margin: ψ(θ) = cos θ.

    Wang et al., "NormFace: L2 Hypersphere Embedding for Face Verification", 2017.
    """

    def margins(self) -> tuple[Any, Any, Any]:
        return 1.0, 0.0, 0.0


@documented(
    "\n        margin: m, a real multiplier of at least 1, or one for each class (C,)."
    "\n            Can be changed between steps."
)
class SphereFace(CosineHead):
    """Multiply the angle: ψ(θ) = ucos(m·θ).

    Liu et al., "SphereFace: Deep Hypersphere Embedding for Face Recognition",
    2017, eq. 7, there for whole m only. ψ is flat at every θ = kπ/m.
    """

    margin = Held(_SETTINGS["sphereface"]["margin"])

    def __init__(
        self,
        num_classes: int,
        *,
        margin: float | ArrayLike = _SETTINGS["sphereface"]["margin"].default,
        scale: float | str = _SETTINGS["sphereface"]["scale"].default,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, scale=scale, **kwargs)
        self.margin = margin

    def margins(self) -> tuple[Any, Any, Any]:
        return self.settings["margin"], 0.0, 0.0


@documented(
    "\n        margin: m, in cosine units, in [0, 2], or one for each class (C,)."
    "\n            Can be changed between steps."
)
class CosFace(CosineHead):
    """Subtract from the cosine: ψ(θ) = cos θ - m.

    Wang et al., "CosFace: Large Margin Cosine Loss for Deep Face Recognition",
    2018, eq. 4.
    """

    margin = Held(_SETTINGS["cosface"]["margin"])

    def __init__(
        self,
        num_classes: int,
        *,
        margin: float | ArrayLike = _SETTINGS["cosface"]["margin"].default,
        scale: float | str = _SETTINGS["cosface"]["scale"].default,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, scale=scale, **kwargs)
        self.margin = margin

    def margins(self) -> tuple[Any, Any, Any]:
        return 1.0, 0.0, self.settings["margin"]


@documented(
    "\n        margin: m, in radians, in [0, π], or one for each class (C,)."
    "\n            Can be changed between steps."
)
class ArcFace(CosineHead):
    """Add to the angle: ψ(θ) = ucos(θ + m).

    Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face
    Recognition", 2019, eq. 3. Past θ = π - m, where cos(θ + m) would turn back
    up, ψ goes on falling.
    """

    margin = Held(_SETTINGS["arcface"]["margin"])

    def __init__(
        self,
        num_classes: int,
        *,
        margin: float | ArrayLike = _SETTINGS["arcface"]["margin"].default,
        scale: float | str = _SETTINGS["arcface"]["scale"].default,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, scale=scale, **kwargs)
        self.margin = margin

    def margins(self) -> tuple[Any, Any, Any]:
        return 1.0, self.settings["margin"], 0.0


@documented(
    "\n        m1: m₁, a real multiplier of at least 1."
    "\n        m2: m₂, in radians, in [0, π]."
    "\n        m3: m₃, in cosine units, in [0, 2]. Each may be one for each class (C,)."
    "\n            Each can be changed between steps."
)
class CombinedMargin(CosineHead):
    """All three margins: ψ(θ) = ucos(m₁·θ + m₂) - m₃.

    Deng et al., "ArcFace", 2019, eq. 4.
    """

    m1, m2, m3 = (Held(_SETTINGS["combined"][name]) for name in ("m1", "m2", "m3"))

    def __init__(
        self,
        num_classes: int,
        *,
        m1: float | ArrayLike = _SETTINGS["combined"]["m1"].default,
        m2: float | ArrayLike = _SETTINGS["combined"]["m2"].default,
        m3: float | ArrayLike = _SETTINGS["combined"]["m3"].default,
        scale: float | str = _SETTINGS["combined"]["scale"].default,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, scale=scale, **kwargs)
        self.m1, self.m2, self.m3 = m1, m2, m3

    def margins(self) -> tuple[Any, Any, Any]:
        return self.settings["m1"], self.settings["m2"], self.settings["m3"]


class _Letter(Held):
    """A letter of a formula; of one that the formula does not have there is no value."""

    def __set__(self, head, value):
        if self.name not in head.formula.letters:
            raise ValueError(f"{self.name} must be a letter of the formula, got {head.formula.text!r}")
        super().__set__(head, value)


# What a formula's operations are here. Numbers in the head's own type: those alone would be float32.
_OPS = {name: getattr(ops, name) for name in formula.OPS if name != "ucos"} | {"ucos": geometry.ucos}


@documented(
    "\n        psi: ψ(θ) as a formula, as `formula.parse` reads it."
    "\n        m, a, b: values of the letters that the formula has, in place of the defaults of"
    "\n            `family.OWN`. Each can be changed between steps."
)
class FormulaHead(CosineHead):
    """Your own: ψ(θ) is a formula, such as ``ucos(theta + m) - 0.1*theta``. `from_formula` makes one.

    The gradient is the framework's, and is that of `formula.dual` but for two things. At a kink, where the
    arguments of min or max are equal or that of abs is 0, it may be any slope between the two. And it is NaN
    where the argument that min or max does not take has an infinite slope, for a framework multiplies by 0.
    """

    m, a, b = (_Letter(family.OWN.settings[name]) for name in formula.GRAMMAR["letters"])

    def __init__(
        self,
        num_classes: int,
        *,
        psi: str = family.OWN_PSI,
        m: float | None = None,
        a: float | None = None,
        b: float | None = None,
        scale: float | str = family.OWN.settings["scale"].default,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, scale=scale, **kwargs)
        if not isinstance(psi, str):
            raise TypeError(f"psi must be a formula of theta, got {psi!r}")
        try:
            self.formula = formula.parse(psi)
        except formula.FormulaError as error:
            raise ValueError(f"psi must be a formula of theta, got {psi!r}: {error}") from None
        given = {name: value for name, value in {"m": m, "a": a, "b": b}.items() if value is not None}
        usual = {name: family.OWN.defaults[name] for name in self.formula.letters}
        for name, value in (usual | given).items():
            setattr(self, name, value)

    @property
    def kind(self) -> str:
        return f"{super().kind} {self.formula.text}"

    def psi(self, theta: Tensor, x: Tensor, labels: Tensor) -> Tensor:
        names = {name: ops.convert_to_tensor(self.settings[name]) for name in self.formula.letters}
        table = _OPS | {"number": lambda value: ops.convert_to_tensor(value, theta.dtype)}
        value = formula.evaluate(self.formula, names | {"theta": theta}, table)
        return value if self.formula.moves else ops.broadcast_to(value, ops.shape(theta))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"psi": self.formula.text}

    def __repr__(self):
        return f"{super().__repr__()[:-1]}, psi={self.formula.text!r})"


def from_formula(text: str, num_classes: int = 10, **settings: Any) -> FormulaHead:
    """A head whose ψ(θ) is a formula: ``from_formula("ucos(theta + m) - 0.1*theta", 10, m=0.3)``.

    Args:
        text: numbers, + − * / ^, parentheses, theta, pi, the letters m, a and b, and sin, cos, exp, log,
            sqrt, abs, tanh, ucos, min, max; θ is in radians, and ψ in cosine units.
        num_classes: C, at least 2.
        **settings: scale, m, a, b, and all else that `FormulaHead` takes.

    Raises:
        ValueError: for a text that is no formula, with the place where it goes wrong; for a letter that the
            formula does not have; and as `FormulaHead` does.
        TypeError: for a text that is no string.
    """
    return FormulaHead(num_classes, psi=text, **settings)


BY_NAME = {
    "softmax": Softmax,
    "normface": NormFace,
    "sphereface": SphereFace,
    "cosface": CosFace,
    "arcface": ArcFace,
    "combined": CombinedMargin,
}

_AFTER = ("AdaCos", "AdaFace", "CurricularFace", "ElasticFace", "MagFace", "margins_by_count")


def __getattr__(name: str) -> Any:
    """What stands in `marginlab.after`, which imports this module, is found here too."""
    if name not in _AFTER:
        raise AttributeError(f"module 'marginlab.heads' has no attribute {name!r}")
    return getattr(importlib.import_module("marginlab.after"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_AFTER})
