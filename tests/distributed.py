"""One of several processes that train together: tests/test_distribution.py starts and kills them.

python tests/distributed.py '{"rank": 0, "processes": 1, "port": 12355, "mode": "data", "heads": ["arcface"]}'

Everything is stock Keras on JAX; what a user writes is in `distribute` and `fit`. Each
batch's loss is printed as it comes, as a line of JSON.
"""

import json
import os
import sys

os.environ |= {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}

import jax
import keras
import tensorflow as tf

from marginlab import MarginClassifier, heads, load_mnist

BATCH, STEPS = 64, 50


def distribute(mode):
    """Split the batch ("data") or the classes ("model") over all devices of all processes."""
    devices = keras.distribution.list_devices()
    if mode == "data":
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    elif mode == "model":
        mesh = keras.distribution.DeviceMesh((1, len(devices)), ["batch", "model"], devices)
        layout = keras.distribution.LayoutMap(mesh)
        layout[".*class_directions"] = ("model", None)
        keras.distribution.set_distribution(
            keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch")
        )


class Report(keras.callbacks.Callback):
    """Print each batch's own loss, from Keras's running mean of them."""

    def __init__(self, name):
        super().__init__()
        self.name = name

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch, self.total = epoch, 0.0

    def on_train_batch_end(self, batch, logs=None):
        total = float(logs["loss"]) * (batch + 1)
        say(head=self.name, epoch=self.epoch, batch=batch, loss=total - self.total)
        self.total = total


def say(**line):
    print(json.dumps(line), flush=True)


def rows(variable):
    """How many rows of it this process holds."""
    return sum(shard.data.shape[0] for shard in variable.value.addressable_shards)


def resume(model, checkpoints):
    """Load the last checkpoint that was finished, if there is one: weights, optimiser and its count of steps.

    `keras.models.load_model` does not do: its weights have other paths than those that were saved.
    """
    model(keras.Input((28, 28)))  # builds the weights
    model.optimizer.build(model.trainable_variables)
    if any(name.isdigit() for name in os.listdir(checkpoints)):  # half-written, the name has more to it
        model.load_weights(checkpoints)


def fit(name, epochs=1, checkpoints=None):
    (x, y), _ = load_mnist()
    data = tf.data.Dataset.from_tensor_slices((x[: BATCH * STEPS], y[: BATCH * STEPS].astype("int32")))
    callbacks = [Report(name)]
    # Every process must make the same weights, even those that a checkpoint then replaces.
    keras.utils.set_random_seed(0)
    encoder = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(16)])
    margins = {"m2": 0.2, "m3": 0.05} if name == "combined" else {}
    model = MarginClassifier(encoder, heads.BY_NAME[name](10, **margins))
    model.compile(keras.optimizers.Adam(0.01))
    if checkpoints:
        callbacks.append(keras.callbacks.OrbaxCheckpoint(checkpoints, max_to_keep=2))
        resume(model, checkpoints)
    start = int(model.optimizer.iterations) // STEPS
    model.fit(data.batch(BATCH), epochs=epochs, initial_epoch=start, callbacks=callbacks, verbose=0)
    slots = [rows(v) for v in model.optimizer.variables if "class_directions" in v.path]
    say(head=name, rows=rows(model.head.class_directions), slots=slots)


def main(rank, processes, port, mode, heads, heartbeat=None, **fit_args):
    address = f"127.0.0.1:{port}"
    if heartbeat:
        # Keras leaves JAX's 100 seconds, after which a silent process counts as dead.
        jax.distributed.initialize(address, processes, rank, heartbeat_timeout_seconds=heartbeat)
    elif processes > 1:
        keras.distribution.initialize(address, processes, rank)
    distribute(mode)
    for name in heads:
        fit(name, **fit_args)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
