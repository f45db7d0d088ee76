"""The same tests of what is written in keras.ops, on the other backends, each in a process of its own."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = ["test_geometry.py", "test_heads.py", "test_numerics.py"]
# These compile more, and most a model a test, which takes minutes on another backend: with --full.
MORE = ["test_formula_head.py", "test_blockwise.py", "test_hooks.py", "test_after.py", "test_in_use.py"]


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_heads_on(backend, request):
    if importlib.util.find_spec(backend) is None:
        missing = f"{backend} is not installed (the bench extra brings torch)"
        # `make test-all` installs it, and promises it.
        pytest.fail(missing) if request.config.getoption("full") else pytest.skip(missing)
    full = ["--full", *MORE] if request.config.getoption("full") else []
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *full, *FILES],
        cwd=HERE,
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-2000:]
    assert " passed" in run.stdout
