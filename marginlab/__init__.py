"""Margin losses for Keras: softmax, NormFace, SphereFace, CosFace and ArcFace.

from marginlab import heads, load_mnist, MarginClassifier, Trainer, explore, budget
"""

import importlib

from marginlab.room import budget

__version__ = "0.1.0"

_HOMES = {
    "load_mnist": "data",
    "MarginClassifier": "classifier",
    "Trainer": "training",
    "explore": "explorer",
    "compare": "explorer",
}
__all__ = ["__version__", "budget", "heads", *_HOMES]


def __getattr__(name):
    """Import on first use, so that plots and arithmetic need not wait for TensorFlow."""
    if name in _HOMES:
        value = getattr(importlib.import_module(f"marginlab.{_HOMES[name]}"), name)
    elif name == "heads":
        value = importlib.import_module("marginlab.heads")
    else:
        raise AttributeError(f"module 'marginlab' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__})
