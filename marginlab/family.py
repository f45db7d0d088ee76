"""The family: of each head its settings, once. Plain data, without Keras.

A setting fills a place of ψ(θ) = ucos(m₁·θ + m₂) - m₃, or is the scale. Layers, the budget,
the reference, the trainer and the explorers all read this table.
"""

import dataclasses
import math
from typing import Any

__all__ = [
    "AFTER",
    "FAMILY",
    "HUGE",
    "NO_MARGIN",
    "OWN",
    "OWN_PSI",
    "TINY",
    "Member",
    "Setting",
    "margin",
    "numeric",
    "places",
]

# Normal float32 numbers: outside of them a setting would become 0 or infinity in the layer.
TINY, HUGE = 2.0**-126, (2 - 2.0**-23) * 2.0**127


@dataclasses.dataclass(frozen=True)
class Setting:
    """One number that a head takes.

    Attributes:
        name: the argument's.
        place: 0, 1 or 2 for m₁, m₂, m₃; None for the scale.
        low, high: its range, both ends allowed.
        allowed: the range in words, with the unit.
        unit: the unit alone, as people read it beside a slider.
        slider: its least and largest value on a slider, and the step.
        default: its value where none is given.
    """

    name: str
    place: int | None
    low: float
    high: float
    allowed: str
    unit: str
    slider: tuple[float, float, float]
    default: float


def _multiplier(name, default, most):
    # Below 1 the angle to the own class counts for less than the others: perfect clusters need not be best.
    allowed = "a finite multiplier of at least 1"
    return Setting(name, 0, 1.0, HUGE, allowed, "times the angle", (1, most, 0.1), default)


def _angle(name, default, most):
    allowed = "an angle in radians in [0, π]"
    return Setting(name, 1, 0.0, math.pi, allowed, "radians", (0, most, 0.05), default)


def _cosine(name, default, most):
    allowed = "a number of cosine units in [0, 2]"
    return Setting(name, 2, 0.0, 2.0, allowed, "cosine units", (0, most, 0.01), default)


def _scale(default, unit="times ψ", allowed='a finite number above 0, or "norm" for ‖x‖'):
    return Setting("scale", None, TINY, HUGE, allowed, unit, (1, 128, 1), default)


def _other(name, default, low, high, allowed, unit=""):
    # What fills no one place of ψ, and has no slider.
    return Setting(name, None, low, high, allowed, unit, (low, high, 0.01), default)


@dataclasses.dataclass(frozen=True)
class Member:
    """A head of the family.

    Attributes:
        title: its name, as people write it.
        settings: each `Setting`, by name.
        source: who published it.
        numeric: whether its margins are numbers, the same for every image: only then a budget can be
            given, a slider moved and ψ drawn as one curve.
    """

    title: str
    settings: dict[str, Setting]
    source: str
    numeric: bool = True

    @property
    def margins(self) -> list[Setting]:
        """The settings that fill a place of ψ."""
        return [setting for setting in self.settings.values() if setting.place is not None]

    @property
    def places(self) -> list[int]:
        """The places that they fill, in their order."""
        return [setting.place for setting in self.settings.values() if setting.place is not None]

    @property
    def defaults(self) -> dict[str, float]:
        """Each setting's default, by name."""
        return {name: setting.default for name, setting in self.settings.items()}


def _member(title, source, *settings, numeric=True):
    return Member(title, {setting.name: setting for setting in settings}, source, numeric)


# The defaults were chosen by `python tests/benchmarks/search_defaults.py`; book/results/defaults.md.
FAMILY = {
    "softmax": _member("Softmax", "the plain linear layer"),
    "normface": _member("NormFace", "Wang et al. 2017", _scale(10.0, "times cos θ")),
    "sphereface": _member(
        "SphereFace", "Liu et al. 2017, eq. 7", _multiplier("margin", 1.5, 4), _scale(10.0)
    ),
    "cosface": _member("CosFace", "Wang et al. 2018, eq. 4", _cosine("margin", 0.1, 1), _scale(30.0)),
    "arcface": _member("ArcFace", "Deng et al. 2019, eq. 3", _angle("margin", 0.3, 1.5), _scale(30.0)),
    "combined": _member(
        "Combined margin",
        "Deng et al. 2019, eq. 4",
        _multiplier("m1", 1.0, 3),
        _angle("m2", 0.2, 1),
        _cosine("m3", 0.05, 0.5),
        _scale(30.0),
    ),
}

# The heads of `marginlab.after`: their margins are of the image, or of the training so far, and no numbers.
AFTER = {
    "adaface": _member(
        "AdaFace",
        "Kim et al. 2022",
        _other("margin", 0.4, 0.0, 1.0, "a number in [0, 1], of radians and cosine units both"),
        _other("h", 0.333, TINY, HUGE, "a finite number above 0"),
        _scale(64.0),
        numeric=False,
    ),
    "magface": _member(
        "MagFace",
        "Meng et al. 2021",
        _other("pull", 35.0, 0.0, HUGE, "a finite number of at least 0"),
        _scale(64.0),
        numeric=False,
    ),
    "elasticface": _member(
        "ElasticFace",
        "Boutros et al. 2022",
        _other("margin", 0.5, 0.0, 2.0, "a number in [0, 2], of radians or cosine units"),
        _other("spread", 0.05, 0.0, 1.0, "a standard deviation in [0, 1], in the margin's unit"),
        _scale(64.0),
        numeric=False,
    ),
    "curricularface": _member(
        "CurricularFace", "Huang et al. 2020", _angle("margin", 0.5, 1.5), _scale(64.0), numeric=False
    ),
    "adacos": _member(
        "AdaCos",
        "Zhang et al. 2019",
        _scale(4.0, "times cos θ", "a finite number above 0, or None for √2·ln(C - 1)"),
        numeric=False,
    ),
}


def _letter(name, default):
    allowed = "a finite number"
    return Setting(name, None, -HUGE, HUGE, allowed, "in your ψ", (-4, 4, 0.05), default)


# The reader's own head: ψ is a formula, and the letters in it are settings.
OWN = _member(
    "Your own ψ",
    "the reader",
    _letter("m", 0.3),
    _letter("a", 1.0),
    _letter("b", 0.1),
    _scale(30.0),
    numeric=False,
)
OWN_PSI = "ucos(theta + m)"  # to begin with: ArcFace

NO_MARGIN = (1.0, 0.0, 0.0)


def numeric() -> list[str]:
    """The heads whose margins are numbers, by name."""
    return [name for name, member in FAMILY.items() if member.numeric]


def places(head: str, settings: dict) -> tuple[float, float, float]:
    """(m₁, m₂, m₃) of a head by name, from its settings by name; what is not given is no margin."""
    m = list(NO_MARGIN)
    for setting in FAMILY[head].settings.values():
        if setting.place is not None:
            m[setting.place] = settings.get(setting.name, m[setting.place])
    return m[0], m[1], m[2]


def margin(head: str, settings: dict) -> Any:
    """The margin as one argument, from settings by name: None, a number, or a tuple of all that there are."""
    margins = tuple(settings[setting.name] for setting in FAMILY[head].margins)
    return margins if len(margins) > 1 else margins[0] if margins else None
