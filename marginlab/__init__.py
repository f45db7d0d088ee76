"""Margin losses for Keras: softmax, NormFace, SphereFace, CosFace and ArcFace.

from marginlab import heads, load_mnist, MarginClassifier, Trainer, explore, budget
"""

# Names that are given on first use: see `__init__.pyi`.
# pyright: reportUnsupportedDunderAll=false

import importlib
import importlib.util
from typing import Any

from marginlab import _needs
from marginlab.room import budget

__all__ = [
    "MarginClassifier",
    "Trainer",
    "__version__",
    "budget",
    "compare",
    "explore",
    "heads",
    "load_mnist",
]

__version__ = "0.1.0"

_HOMES = {
    "load_mnist": "data",
    "MarginClassifier": "classifier",
    "Trainer": "training",
    "explore": "explorer",
    "compare": "explorer",
}
_OF_TENSORFLOW = ("training", "hazards", "reproduce")  # no other backend would do


def __getattr__(name: str) -> Any:
    """Import on first use, so that plots and arithmetic need neither wait for TensorFlow nor have it.

    Raises:
        ImportError: with what to install, where a library is missing.
    """
    home = f"marginlab.{_HOMES.get(name, name)}"
    if name.startswith("_") or importlib.util.find_spec(home) is None:
        raise AttributeError(f"module 'marginlab' has no attribute {name!r}")
    if home.removeprefix("marginlab.") in _OF_TENSORFLOW:
        importlib.import_module("marginlab._tensorflow")
    try:
        module = importlib.import_module(home)
    except ModuleNotFoundError as error:
        raise _needs.sentence(f"marginlab.{name}", error, choice=True) or error from None
    value = globals()[name] = getattr(module, name) if name in _HOMES else module
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
