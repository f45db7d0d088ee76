"""The sliders: move a margin, and watch the 2-D model retrain."""

from marginlab.explorer.widget import compare, explore

__all__ = ["compare", "explore"]
