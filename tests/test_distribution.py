"""Many devices and many processes train as one does: stock Keras, on this machine, over loopback.

Two ways: TensorFlow's MirroredStrategy in one process, and `keras.distribution` on
JAX in two processes (tests/distributed.py), where the class directions may be split
so that no process holds them all. Then one of the two is killed.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from marginlab import MarginClassifier, encoders, heads, load_mnist

HERE = Path(__file__).parent
SECONDS = 300  # far more than any run here needs: a hang is a failure, and no wait
HEADS = ["softmax", "normface", "sphereface", "cosface", "arcface", "combined"]

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="starts its own backends")

# ---- Many devices, TensorFlow --------------------------------------------------------------------


class Losses(keras.callbacks.Callback):
    """The loss of every batch, from Keras's running mean; an error after `stop` epochs."""

    def __init__(self, stop=None):
        super().__init__()
        self.losses, self.stop = [], stop

    def on_epoch_begin(self, epoch, logs=None):
        self.total = 0.0
        if epoch == self.stop:
            raise InterruptedError

    def on_train_batch_end(self, batch, logs=None):
        total = logs["loss"] * (batch + 1)
        self.losses.append(total - self.total)
        self.total = total


def mirrored(folder):
    """Run in a process of its own, with two logical CPUs: prints `agreed`."""
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    (x, y), _ = load_mnist()

    def train(strategy, *callbacks, stop=None):
        keras.utils.set_random_seed(0)
        losses = Losses(stop)
        with strategy.scope():
            model = MarginClassifier(encoders.fast(), heads.ArcFace(10))
            model.compile(keras.optimizers.Adam(0.005))
            model(x[:1])
        fit = {"batch_size": 100, "epochs": 3, "shuffle": False, "verbose": 0}
        try:
            model.fit(x[:2000], y[:2000], callbacks=[losses, *callbacks], **fit)
        except InterruptedError:
            assert stop is not None
        return losses.losses

    two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    assert two.num_replicas_in_sync == 2
    one = train(tf.distribute.OneDeviceStrategy("CPU:0"))
    both = train(two)
    assert len(one) == len(both) == 60
    np.testing.assert_allclose(both, one, rtol=1e-4)

    backup = keras.callbacks.BackupAndRestore(folder)
    assert len(train(two, backup, stop=2)) == 40
    np.testing.assert_allclose(train(two, keras.callbacks.BackupAndRestore(folder)), both[40:], rtol=1e-4)
    print("agreed")


def test_two_devices_train_as_one_and_resume(tmp_path):
    code = f"import test_distribution as t; t.mirrored({str(tmp_path / 'backup')!r})"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=HERE, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert "agreed" in run.stdout


# ---- Many processes, JAX -------------------------------------------------------------------------


class Worker:
    """A process of tests/distributed.py; its lines and its errors go to files, so that no pipe fills up."""

    def __init__(self, folder, **settings):
        self.files = [folder / f"{settings['mode']}{settings['rank']}.{end}" for end in ("out", "err")]
        with open(self.files[0], "w") as out, open(self.files[1], "w") as err:
            command = [sys.executable, str(HERE / "distributed.py"), json.dumps(settings)]
            self.process = subprocess.Popen(
                command, stdout=out, stderr=err, env=os.environ | {"XLA_FLAGS": ""}
            )

    @property
    def lines(self):
        text = self.files[0].read_text()
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("}\n")]

    @property
    def errors(self):
        return self.files[1].read_text()

    def wait(self, seconds=SECONDS):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            pytest.fail(f"still running after {seconds} s\n{self.lines[-1:]}\n{self.errors[-2000:]}")

    def finish(self):
        assert self.wait() == 0, self.errors[-3000:]
        return self.lines


def workers(folder, processes, **settings):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings |= {"processes": processes, "port": port}
    return [Worker(folder, rank=rank, **settings) for rank in range(processes)]


def losses(lines, head, epoch=0):
    return [line["loss"] for line in lines if line["head"] == head and line.get("epoch") == epoch]


@pytest.fixture(scope="module")
def names(request):
    """All heads with --full; else one without scale and margin, and one with both."""
    return HEADS if request.config.getoption("full") else ["softmax", "arcface"]


@pytest.fixture(scope="module")
def one_process(names, tmp_path_factory):
    (worker,) = workers(tmp_path_factory.mktemp("one"), 1, mode="one", heads=names)
    return worker.finish()


@pytest.mark.full
@pytest.mark.parametrize(("mode", "share"), [("data", 10), ("model", 5)])
def test_two_processes_train_as_one(mode, share, names, one_process, tmp_path):
    for worker in workers(tmp_path, 2, mode=mode, heads=names):
        lines = worker.finish()
        for name in names:
            (ended,) = [line for line in lines if line["head"] == name and "rows" in line]
            # Its rows of the class directions, and of Adam's two moments of them.
            assert ended["rows"] == share
            assert ended["slots"] == [share, share]
            expected = losses(one_process, name)
            assert len(expected) == 50
            np.testing.assert_allclose(losses(lines, name), expected, rtol=1e-4)


@pytest.mark.full
def test_a_process_dies_and_both_resume(tmp_path):
    """SIGKILL while a checkpoint is written: the other ends within a minute, and says that its peer is gone.

    Started again, both go on from the last checkpoint that was finished, as if nothing had been.
    """
    checkpoints = tmp_path / "checkpoints"
    checkpoints.mkdir()
    settings = {"mode": "model", "heads": ["arcface"], "checkpoints": str(checkpoints)}
    survivor, victim = workers(tmp_path, 2, heartbeat=10, epochs=1000, **settings)
    end = time.monotonic() + SECONDS

    def finished():
        return [int(path.name) for path in checkpoints.iterdir() if path.name.isdigit()]

    while not finished() or len(finished()) == len(list(checkpoints.iterdir())):
        assert victim.process.poll() is None, victim.errors[-3000:]
        assert time.monotonic() < end, "no checkpoint"
        time.sleep(0.005)
    victim.process.send_signal(signal.SIGKILL)
    assert survivor.wait(60) != 0
    assert re.search(r"Task 1 heartbeat timeout|Connection closed by peer|peer", survivor.errors)

    last = max(finished())
    half = checkpoints / f"{last + 7}.orbax-checkpoint-tmp"
    shutil.copytree(checkpoints / str(last), half, ignore=shutil.ignore_patterns("*METADATA", "commit*"))
    again = workers(tmp_path, 2, epochs=last + 3, **settings)
    (undisturbed,) = workers(tmp_path, 1, epochs=last + 3, **settings | {"mode": "one", "checkpoints": None})
    expected = undisturbed.finish()
    for worker in again:
        lines = worker.finish()
        assert losses(lines, "arcface", last) == []
        for epoch in (last + 1, last + 2):
            np.testing.assert_allclose(
                losses(lines, "arcface", epoch), losses(expected, "arcface", epoch), rtol=1e-4
            )
