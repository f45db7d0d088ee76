"""The one way that an argument is read, and refused: its name, what came, and what is allowed."""

import math
import numbers
from collections.abc import Iterable
from typing import Any


def number(name: str, value: Any, low: float, high: float, allowed: str) -> Any:
    """Return value, a real number with low <= value <= high; `allowed` says so in words."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be {allowed}, got {value!r}")
    if not (math.isfinite(value) and low <= value <= high):  # pyright: ignore[reportOperatorIssue]
        raise ValueError(f"{name} must be {allowed}, got {value!r}")
    return value


def whole(name: str, value: Any, least: int) -> int:
    """Return value as an int, a whole number of at least `least`."""
    allowed = f"{name} must be a whole number of at least {least}, got {value!r}"
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(allowed)
    if value < least:
        raise ValueError(allowed)
    return int(value)


def one_of(name: str, value: Any, choices: Iterable[str]) -> str:
    """Return value, one of the strings in choices."""
    allowed = f"{name} must be one of {', '.join(choices)}, got {value!r}"
    if not isinstance(value, str):
        raise TypeError(allowed)
    if value not in choices:
        raise ValueError(allowed)
    return value


def flat(values: Any) -> Any:
    """A column ``(N, 1)`` as ``(N,)``, an array of NumPy's or of any backend; all else as it came."""
    return values[:, 0] if len(values.shape) == 2 and values.shape[1] == 1 else values
