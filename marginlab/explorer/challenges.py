"""Challenges for a ψ of one's own: what a page holds its runs against when they have ended. Plain data.

js/challenges.js has the checks, `book/challenges.md` the texts, and `book/results/challenges.json` what was
reached when they were set: `python tests/benchmarks/challenges.py` writes it.
"""

from typing import Any

__all__ = ["CHALLENGES", "SEEDS"]

SEEDS = 5  # over which the last one asks for a median

# Accuracies are shares of the 10,000 test images, pulls are of ψ at θ = 0, angles are in degrees.
CHALLENGES: dict[str, dict[str, Any]] = {
    "scale": {"title": "High scale", "scale": 64, "accuracy": 0.965},
    "hills": {"title": "Narrow hills", "accuracy": 0.95, "median": 0.1},
    "death": {"title": "Finite, and dead", "steps": 720},
    "order": {"title": "In order", "neighbours": 10},
    "pull": {"title": "Pushed away", "accuracy": 0.9, "pull": -0.5},
    "median": {"title": "Five seeds", "seeds": SEEDS, "accuracy": 0.9638, "head": "cosface"},
}
