"""The search behind the trainer's defaults: each choice changed alone, for every head, over three seeds.

By the accuracy on 10,000 training images that are held out: the test images choose nothing.

python tests/benchmarks/search_defaults.py      # writes book/results/defaults.md, in about ten minutes
"""

from pathlib import Path

import numpy as np

from marginlab import Trainer

OUT = Path(__file__).parents[2] / "book" / "results" / "defaults.md"
HEADS = ("softmax", "normface", "sphereface", "cosface", "arcface")
CHOICES = {
    "the defaults": {},
    "4 epochs": {"epochs": 4},
    "6 epochs": {"epochs": 6},
    "batch of 240": {"batch_size": 240},
    "learning rate 0.01": {"learning_rate": 0.01},
    "learning rate 0.04": {"learning_rate": 0.04},
    "beta_2 0.9": {"beta_2": 0.9},
    "beta_2 0.999 (Keras's own)": {"beta_2": 0.999},
    "not annealed": {"anneal": None},
    "annealed from 0 to 0.5": {"anneal": (0.0, 0.5)},
    "scale 5": {"scale": 5.0},
    "scale 10": {"scale": 10.0},
    "scale 30": {"scale": 30.0},
}


def cell(head, choice):
    """Median and worst accuracy of three seeds, as words."""
    if head == "softmax" and ("scale" in choice or "anneal" in choice):
        return "-"
    trainer = Trainer(head, held_out=10_000, **choice)
    accuracies = 100 * np.array([trainer.retrain(seed=seed).test_accuracy for seed in range(3)])
    return f"{np.median(accuracies):.2f} ({accuracies.min():.2f})"


def main():
    lines = [
        "# The trainer's defaults, one choice changed at a time",
        "",
        "Accuracy in per cent on the last 10,000 training images, which were held out: median of three",
        "seeds, and in brackets the worst. No test image was looked at.",
        "Written by `python tests/benchmarks/search_defaults.py`.",
        "",
        "| choice | " + " | ".join(HEADS) + " |",
        "|---|" + "---|" * len(HEADS),
    ]
    for name, choice in CHOICES.items():
        lines.append(f"| {name} | " + " | ".join(cell(head, choice) for head in HEADS) + " |")
        print(lines[-1], flush=True)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
