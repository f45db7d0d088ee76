"""Where TensorFlow is not installed: the layers on JAX; and without any Keras the sheets, on NumPy."""

import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WITHOUT_KERAS = ("tensorflow", "keras", "jax", "jaxlib", "torch", "matplotlib")

# The finder of installed libraries, which does not see some: `import` and `find_spec` then answer as where
# they are not installed. (None in sys.modules is less than that: Keras asks whether a name is in there.)
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
x, y, x_test, y_test = x[:12800], y[:12800], x_test[:2000], y_test[:2000]
keras.utils.set_random_seed(0)
model = MarginClassifier(encoders.fast(8), heads.ArcFace(10, margin=0.3, scale=16.0))
model.compile(optimizer=keras.optimizers.Adam(0.005), metrics=["accuracy"])
before = model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"]
model.fit(x, y, batch_size=128, epochs=1, verbose=0, callbacks=[callbacks.MarginWatch(x_test, y_test)])
after = model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"]
with tempfile.TemporaryDirectory() as folder:
    model.save(f"{folder}/model.keras")
    again = keras.models.load_model(f"{folder}/model.keras")
assert again.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"] == after
assert np.array_equal(again.predict(x_test, verbose=0), model.predict(x_test, verbose=0))
print(f"{before:.3f} before, {after:.3f} after")
assert before < 0.3 < 0.8 < after
assert heads.from_formula("ucos(theta + m)", 10)(np.ones((1, 2), "float32")).shape == (1, 10)
assert not [name for name in sys.modules if name.split(".")[0] == "tensorflow"]
"""
SENTENCE = (
    'This part (Trainer, explore, hazards, reproduce) needs TensorFlow: pip install "marginlab[tensorflow]"'
)


# Every cell of a solved sheet in order, hidden tests too; `train = True`, which is the reader's, stays False.
SHEETS = """
import json, sys
from pathlib import Path
import marginlab
from marginlab import load_mnist
assert load_mnist()[0][0].shape == (60000, 28, 28)
for path in sorted(Path(sys.argv[1]).glob("*/exercises.ipynb")):
    space = {"__name__": "__main__"}
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    for source in code:
        exec(source, space)
    print(path.parent.name, len(code), "cells")
assert not {name.split(".")[0] for name in sys.modules} & set(sys.argv[2:])
"""


def python(program, *arguments, absent=(), executable=sys.executable, folder=None, **env):
    """What a program writes, in an interpreter of its own, where these libraries are absent."""
    hide = {"KERAS_BACKEND"} if executable == sys.executable else {"KERAS_BACKEND", "PYTHONPATH"}
    keep = {name: value for name, value in os.environ.items() if name not in hide}
    done = subprocess.run(
        [executable, "-c", ABSENT.format(absent=tuple(absent)) + program, *map(str, arguments)],
        cwd=folder or ROOT,
        env=keep | env,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr, done.returncode


@pytest.mark.full
def test_the_layers_train_save_and_load_on_jax():
    said, status = python(HEADS, absent=["tensorflow"], KERAS_BACKEND="jax")
    assert status == 0, said


EXPLORE = 'explore() needs tensorflow: pip install "marginlab[lab]"'
TOLD = {
    "from marginlab import Trainer": SENTENCE,
    "import marginlab; marginlab.Trainer": SENTENCE,
    "from marginlab.training import Result": SENTENCE,
    "from marginlab.hazards import HAZARDS": SENTENCE,
    "import marginlab.reproduce": SENTENCE,
    "import marginlab; marginlab.explore('arcface')": EXPLORE,
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


def test_without_keras_a_trainer_names_no_other_backend():
    said, status = python("from marginlab import Trainer", absent=WITHOUT_KERAS)
    assert said.strip().endswith(f"ImportError: {SENTENCE}")
    assert status == 1


def test_a_trainer_on_another_backend_says_what_it_needs():
    said, _ = python(
        "from marginlab import Trainer; Trainer()", KERAS_BACKEND="jax", TF_CPP_MIN_LOG_LEVEL="3"
    )
    assert said.strip().endswith(
        "RuntimeError: Trainer needs Keras on TensorFlow, got KERAS_BACKEND=jax; "
        "MarginClassifier.fit trains on any backend"
    )


def test_every_solved_sheet_runs_on_numpy_alone():
    said, status = python(SHEETS, ROOT / "lessons", *WITHOUT_KERAS, absent=WITHOUT_KERAS)
    assert status == 0, said
    assert said.count(" cells") == len(list((ROOT / "lessons").glob("*/exercises.ipynb")))


def test_without_keras_a_library_that_is_asked_for_is_missed():
    """What makes it absent works: otherwise the test above could not fail."""
    for name in WITHOUT_KERAS:
        said, status = python(f"import {name}", absent=WITHOUT_KERAS)
        assert status == 1
        assert f"No module named '{name}'" in said


# The same in environments as pip makes them.


def environment(folder):
    """The interpreter of a new virtual environment."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    return str(folder / ("Scripts" if os.name == "nt" else "bin") / "python")


def pip(executable, *arguments, folder=ROOT):
    command = [executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def megabytes(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


@pytest.mark.full
def test_an_environment_with_jax_and_no_tensorflow_trains_a_head(tmp_path):
    executable = environment(tmp_path / "jax")
    pip(executable, "install", "-c", "constraints.txt", ".[jax]")
    said, _ = python("import tensorflow", executable=executable, folder=tmp_path)
    assert "No module named 'tensorflow'" in said
    said, status = python(HEADS, executable=executable, folder=tmp_path, KERAS_BACKEND="jax")
    assert status == 0, said
    said, _ = python(
        "from marginlab import Trainer", executable=executable, folder=tmp_path, KERAS_BACKEND="jax"
    )
    assert said.strip().endswith(f"ImportError: {SENTENCE}")


@pytest.mark.full
def test_the_students_environment_is_small_and_runs_every_sheet(tmp_path):
    """By the bundle's own requirements. With -s: what pip downloads, what it fills, how long it takes."""
    from marginlab import course

    with zipfile.ZipFile(course.bundle(tmp_path / "course.zip", ROOT / "lessons")) as bundle:
        bundle.extractall(tmp_path / "home")
    home, wheels = tmp_path / "home", tmp_path / "wheels"
    executable = environment(home / ".venv")
    empty, begun = megabytes(home / ".venv"), time.monotonic()
    pip(executable, "install", "--no-cache-dir", "-r", "requirements.txt", folder=home)
    filled, seconds = megabytes(home / ".venv") - empty, time.monotonic() - begun
    pip(executable, "download", "-d", wheels, "-r", "requirements.txt", folder=home)
    print(f"{megabytes(wheels):.0f} MB downloaded, {filled:.0f} MB filled, {seconds:.0f} s")
    assert megabytes(wheels) < 120
    there = subprocess.run(
        [executable, "smoke_test.py"], cwd=home, capture_output=True, text=True, check=False
    )
    assert "All is well" in there.stdout, there.stderr
    said = subprocess.run(
        [executable, "-m", "marginlab"], cwd=home, capture_output=True, text=True, check=True
    )
    assert "No Keras" in said.stdout
    assert "[sheets]     installed" in said.stdout
    said, status = python(SHEETS, ROOT / "lessons", *WITHOUT_KERAS, executable=executable, folder=tmp_path)
    assert status == 0, said
    assert said.count(" cells") == len(list((ROOT / "lessons").glob("*/exercises.ipynb")))
