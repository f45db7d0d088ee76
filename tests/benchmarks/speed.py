"""How much faster a retraining is than the demo's own training, measured side by side.

    python tests/benchmarks/speed.py         # writes book/results/speed.json

The demo's training is its network, its layer and its loss under stock `fit`: three
epochs, batches of 32. Its first epoch traces and compiles; so the epoch that is timed
is the second, and three times its time is taken. The retrainings run before and after
it, in the same process.
"""

import json
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from marginlab import Trainer, load_mnist
from marginlab.reproduce import SECTIONS, DemoModel

OUT = Path(__file__).parents[2] / "book" / "results" / "speed.json"


def demo_seconds(repetitions=3):
    """Seconds of three epochs of the demo's CosFace training, once for each repetition."""
    (x, y), _ = load_mnist()
    x = x / 255.0
    keras.utils.set_random_seed(1)
    section = next(section for section in SECTIONS if section.name == "CosFace")
    model = DemoModel(section.layer())
    model.compile(optimizer="adam", jit_compile=False)  # the faster of the two for this network
    model.fit(x[:3200], y[:3200], batch_size=32, verbose=0)
    for _ in range(repetitions):
        start = time.perf_counter()
        model.fit(x, y, batch_size=32, verbose=0)
        yield 3 * (time.perf_counter() - start)


def gemm_rate(n=2048):
    """Floating-point operations a second of this machine's matrix product."""
    a = tf.random.normal((n, n))
    product = tf.function(lambda: tf.matmul(a, a))
    product()
    times = []
    for _ in range(5):
        start = time.perf_counter()
        product().numpy()
        times.append(time.perf_counter() - start)
    return 2 * n**3 / float(np.median(times))


def main():
    trainer = Trainer("arcface")
    trainer.retrain()
    ours, demo = [], []
    for seconds in demo_seconds():
        demo.append(seconds)
        ours += [trainer.retrain(seed=seed).seconds for seed in range(5)]
        print(f"demo {seconds:6.1f} s, retraining {np.median(ours):.3f} s", flush=True)
    # Two operations a multiply-add; forward, and two products backward, less that by the images.
    shapes = [w.shape for w in trainer._tail.trainable_weights if len(w.shape) == 2]
    adds = sum(3 * a * b for a, b in shapes) - shapes[0][0] * shapes[0][1]
    floor = 2 * adds * trainer.steps * trainer.batch_size / gemm_rate()
    row = {
        "demo_seconds": demo,
        "retrain_seconds": ours,
        "ratio": float(np.median(demo) / np.median(ours)),
        "floor_seconds": floor,
        "times_the_floor": float(np.median(ours) / floor),
    }
    print(f"ratio {row['ratio']:.0f}; {row['times_the_floor']:.1f} times the floor of its matrix products")
    OUT.write_text(json.dumps(row, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
