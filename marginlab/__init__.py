"""Margin losses for Keras: softmax, NormFace, SphereFace, CosFace and ArcFace.

from marginlab import heads, load_mnist, MarginClassifier, Trainer, explore, budget
"""

# Names that are given on first use: see `__init__.pyi`.
# pyright: reportUnsupportedDunderAll=false

import importlib
from typing import Any

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


def __getattr__(name: str) -> Any:
    """Import on first use, so that plots and arithmetic need not wait for TensorFlow."""
    if name in _HOMES:
        value = getattr(importlib.import_module(f"marginlab.{_HOMES[name]}"), name)
    elif name == "heads":
        value = importlib.import_module("marginlab.heads")
    else:
        raise AttributeError(f"module 'marginlab' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
