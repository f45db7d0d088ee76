"""Where TensorFlow is not installed: the layers on JAX, and where there is no Keras either, the sheets on NumPy."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WITHOUT_KERAS = ("tensorflow", "keras", "jax", "jaxlib", "torch", "matplotlib")

# The finder of installed libraries, which does not see some: `import` and `find_spec` then answer as where they are
# not installed. (None in sys.modules is less than that: Keras asks whether a name is in there.)
ABSENT = """
import sys
from importlib.machinery import PathFinder

class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in {absent} else super().find_spec(name, path, target)

sys.meta_path = [Finder if it is PathFinder else it for it in sys.meta_path]
"""
HEADS = """
import sys, tempfile
import numpy as np
import marginlab
from marginlab import blockwise, budget, callbacks, family, formula, geometry, reference, verification
from marginlab import MarginClassifier, encoders, heads, load_mnist
import keras

assert keras.backend.backend() == "jax"
(x, y), (x_test, y_test) = load_mnist()
x, y, x_test, y_test = x[:25600], y[:25600], x_test[:2000], y_test[:2000]
keras.utils.set_random_seed(0)
model = MarginClassifier(encoders.fast(), heads.ArcFace(10, margin=0.1, scale=16.0))
model.compile(optimizer=keras.optimizers.Adam(0.005), metrics=["accuracy"])
before = model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"]
model.fit(x, y, batch_size=128, epochs=3, verbose=0, callbacks=[callbacks.MarginWatch(x_test, y_test)])
after = model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"]
with tempfile.TemporaryDirectory() as folder:
    model.save(f"{folder}/model.keras")
    again = keras.models.load_model(f"{folder}/model.keras")
assert again.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"] == after
assert np.array_equal(again.predict(x_test, verbose=0), model.predict(x_test, verbose=0))
print(f"{before:.3f} before, {after:.3f} after")
assert before < 0.3 < 0.7 < after
assert heads.from_formula("ucos(theta + m)", 10)(np.ones((1, 2), "float32")).shape == (1, 10)
assert not [name for name in sys.modules if name.split(".")[0] == "tensorflow"]
"""
SENTENCE = (
    'This part (Trainer, explore, hazards, reproduce) needs TensorFlow: pip install "marginlab[tensorflow]"'
)


def python(program, *, absent=(), executable=sys.executable, folder=None, **env):
    """What a program writes, in an interpreter of its own, where these libraries are absent."""
    keep = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    done = subprocess.run(
        [executable, "-c", ABSENT.format(absent=tuple(absent)) + program],
        cwd=folder or ROOT,
        env=keep | env,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr, done.returncode


def test_the_layers_train_save_and_load_on_jax():
    said, status = python(HEADS, absent=["tensorflow"], KERAS_BACKEND="jax")
    assert status == 0, said


TOLD = {
    "from marginlab import Trainer": SENTENCE,
    "import marginlab; marginlab.Trainer": SENTENCE,
    "from marginlab.training import Result": SENTENCE,
    "from marginlab.hazards import HAZARDS": SENTENCE,
    "import marginlab.reproduce": SENTENCE,
    "import marginlab; marginlab.explore('arcface')": 'explore() needs tensorflow: pip install "marginlab[lab]"',
}


@pytest.mark.parametrize("line", TOLD)
def test_what_needs_tensorflow_says_so_in_a_sentence(line):
    said, status = python(line, absent=["tensorflow"], KERAS_BACKEND="jax")
    assert said.strip().endswith(f"ImportError: {TOLD[line]}")
    assert status == 1


CHOICE = "; or set KERAS_BACKEND to one that is installed: tensorflow, jax or torch"


@pytest.mark.parametrize(
    ("absent", "backend", "told"),
    [
        (
            "keras",
            "jax",
            'Keras and a backend: pip install "marginlab[tensorflow]"; or [jax] or [torch], with '
            "KERAS_BACKEND=jax or torch",
        ),
        ("tensorflow", "tensorflow", f'TensorFlow: pip install "marginlab[tensorflow]"{CHOICE}'),
        ("jax", "jax", f'JAX: pip install "marginlab[jax]"{CHOICE}'),
        ("torch", "torch", f'PyTorch: pip install "marginlab[torch]"{CHOICE}'),
    ],
)
def test_the_layers_say_which_backend_is_missing(absent, backend, told):
    said, status = python("from marginlab import heads", absent=[absent], KERAS_BACKEND=backend)
    assert said.strip().endswith(f"ImportError: marginlab.heads needs {told}")
    assert status == 1


def test_a_trainer_on_another_backend_says_what_it_needs():
    said, _ = python(
        "from marginlab import Trainer; Trainer()", KERAS_BACKEND="jax", TF_CPP_MIN_LOG_LEVEL="3"
    )
    assert said.strip().endswith(
        "RuntimeError: Trainer needs Keras on TensorFlow, got KERAS_BACKEND=jax; "
        "MarginClassifier.fit trains on any backend"
    )
