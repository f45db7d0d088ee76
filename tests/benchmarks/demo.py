"""The demo's table with five seeds: as written and done right, so that one seed ranks nothing.

python tests/benchmarks/demo.py      # writes book/results/demo.json, in about 40 minutes

Softmax, whose two ways differ in nothing that should matter, has twenty, to see whether they do.

Its ArcFace section as written is not trained: it is CosFace's again, to the last digit.
"""

from pathlib import Path

import keras
import tensorflow as tf
from fair import lines

from marginlab.data import load_mnist
from marginlab.reproduce import EPOCHS, SECTIONS, Progress, train_as_written, train_right

OUT = Path(__file__).parents[2] / "book" / "results" / "demo.json"
SEEDS = {"Softmax": range(1, 21)}  # of the other sections: FIVE
FIVE = range(1, 6)
RUNS = [(s, way) for s in SECTIONS for way in (train_as_written, train_right)]
RUNS.remove((SECTIONS[3], train_as_written))
WAYS = {train_as_written: "as written", train_right: "done right"}


def main():
    count = sum(len(SEEDS.get(section.name, FIVE)) for section, _ in RUNS)
    data, progress = load_mnist(), Progress(EPOCHS * count)
    rows = []
    for section, train in RUNS:
        seeds = SEEDS.get(section.name, FIVE)
        found = [train(section, data, EPOCHS, progress, seed)[0] for seed in seeds]
        counted = [f["test_accuracy"] for f in found]
        rows.append(
            {
                "section": section.name,
                "way": WAYS[train],
                "ran": found[0]["ran"],
                "seeds": list(seeds),
                "counted": counted,
                "right": [f.get("test_accuracy_without_margin", f["test_accuracy"]) for f in found],
                "loss": [f["test_loss"] for f in found],
            }
        )
    found = {"command": "python tests/benchmarks/demo.py"}
    found |= {"tensorflow": tf.__version__, "keras": keras.__version__, "rows": rows}
    OUT.write_text(lines(found).replace('{"section":', '\n{"section":'), encoding="utf-8")


if __name__ == "__main__":
    main()
