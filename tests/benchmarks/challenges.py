"""What was reached of each challenge when it was set, by the page's own runs: book/results/challenges.json.

python tests/benchmarks/challenges.py      # some three minutes
"""

import json
import math
from pathlib import Path

import numpy as np

from marginlab import reference
from marginlab.explorer.challenges import SEEDS
from marginlab.explorer.engine import Engine
from marginlab.family import FAMILY
from marginlab.formula import dual, parse

OUT = Path(__file__).parents[2] / "book" / "results" / "challenges.json"
# Of each challenge a ψ that meets it; of "order", which nobody has met, one that was tried.
TRIED = {
    "scale": {"psi": "ucos(theta + 0.4) - 0.1*theta", "scale": 64},
    "hills": {"psi": "1 - 2*sqrt(theta)", "scale": 30},
    "death": {"psi": "1e308*cos(theta)", "scale": 30},
    "order": {"psi": "1 - 2*theta", "scale": 30},
    "pull": {"psi": "cos(theta) + 0.05*tanh(20*theta)", "scale": 30},
}
MEDIAN = {"psi": "1 - sqrt(theta)", "scale": 30}


def facts(run, psi):
    """What the page asks of a run, in its units."""
    last = run.frames[-1]
    around = list(np.argsort(np.arctan2(*last.class_directions.T[::-1])))
    steps = [(around[(k + 1) % 10] - around[k]) % 10 for k in range(10)]
    theta = reference.angle(last.embeddings, last.class_directions[last.labels])
    pull = -float(dual(parse(psi), 0.0)[1])
    return {
        "accuracy": last.accuracy,
        "died": bool(last.died),
        "median": float(np.degrees(np.median(theta))),
        "neighbours": max(steps.count(1), steps.count(9)),
        "pull": pull if math.isfinite(pull) else None,
    }


def main():
    with Engine() as engine:

        def run(seed, **settings):
            return engine.run({"naive": None, "seed": seed} | settings)

        heads = {
            head: [run(seed, head=head, **member.defaults).test_accuracy for seed in range(SEEDS)]
            for head, member in FAMILY.items()
        }
        tried = {
            name: {**given, **facts(run(0, head="own", **given), given["psi"])}
            for name, given in TRIED.items()
        }
        own = [run(seed, head="own", **MEDIAN).test_accuracy for seed in range(SEEDS)]
    found = {"heads": heads, "tried": tried, "median": {**MEDIAN, "accuracies": own}}
    OUT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
