"""Test accuracy of every head with its defaults, over five seeds, and the time of a retraining.

python tests/benchmarks/accuracy.py      # writes book/results/accuracy.json
"""

import json
from pathlib import Path

import numpy as np

from marginlab import Trainer, load_mnist, plots

BOOK = Path(__file__).parents[2] / "book"
OUT = BOOK / "results" / "accuracy.json"
HEADS = ("softmax", "normface", "sphereface", "cosface", "arcface", "combined")


def draw(results, path):
    """Each head's first run, as the README shows it."""
    _, (_, labels) = load_mnist()
    with plots.styled():
        figure, axes = plots.plt.subplots(1, len(results), figsize=(4 * len(results), 4.4))
    for ax, (head, result) in zip(axes, results.items(), strict=True):
        plots.scatter_on_circle(result.test_embeddings, labels, result.frames[-1].class_directions, ax=ax)
        ax.set_title(head)
    figure.savefig(path, dpi=75)


def main(seeds=range(5)):
    rows, pictures = {}, {}
    print("head         settings                                   median   worst    best   seconds")
    for head in HEADS:
        trainer = Trainer(head)
        results = [trainer.retrain(seed=seed) for seed in seeds]
        pictures[head] = results[0]
        accuracies = [r.test_accuracy for r in results]
        settings = {
            k: v for k, v in results[0].settings.items() if k not in ("head", "seed", "epochs", "batch_size")
        }
        seconds = float(np.median([r.seconds for r in results]))
        rows[head] = {
            "settings": settings,
            "accuracies": accuracies,
            "seconds": seconds,
            "traces": trainer.traces,
        }
        words = ", ".join(f"{k}={v:g}" for k, v in settings.items())
        low, middle, high = np.quantile(accuracies, [0, 0.5, 1])
        print(f"{head:12} {words:40} {middle:8.2%}{low:8.2%}{high:8.2%}{seconds:10.2f}", flush=True)
    draw({head: pictures[head] for head in HEADS[:5]}, BOOK / "heads.png")
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
