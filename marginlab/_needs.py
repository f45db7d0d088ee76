"""Libraries that an extra brings: what is missing, in a sentence with the line that installs it."""

import importlib
from typing import Any

__all__ = ["library", "sentence"]

_ANY = 'pip install "marginlab[tensorflow]"; or [jax] or [torch], with KERAS_BACKEND=jax or torch'
_LINES = {
    "keras": f"Keras and a backend: {_ANY}",
    "matplotlib": 'matplotlib: pip install "marginlab[tensorflow]", or [jax] or [torch]',
    "tensorflow": 'TensorFlow: pip install "marginlab[tensorflow]"',
    "jax": 'JAX: pip install "marginlab[jax]"',
    "torch": 'PyTorch: pip install "marginlab[torch]"',
}
_CHOICE = "; or set KERAS_BACKEND to one that is installed: tensorflow, jax or torch"


def sentence(who: str, error: ModuleNotFoundError, choice: bool = False) -> ImportError | None:
    """What to install when `who` meets this error, or None if no extra of ours brings what is missing.

    Args:
        choice: whether another backend of Keras would do.
    """
    missing = (error.name or "").partition(".")[0]
    if missing not in _LINES:
        return None
    more = _CHOICE if choice and missing in ("tensorflow", "jax", "torch") else ""
    return ImportError(f"{who} needs {_LINES[missing]}{more}", name=missing)


def library(name: str, who: str) -> Any:
    """The library of that name.

    Raises:
        ImportError: if it is not installed, with what to install for `who`.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise sentence(who, error) or error from None
