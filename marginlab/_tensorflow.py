"""TensorFlow, for what is written in it; or a sentence that says how to get it."""

from typing import Any

from marginlab import _needs

__all__ = ["tf"]

tf: Any = _needs.library("tensorflow", "This part (Trainer, explore, hazards, reproduce)")
