"""Run this at home once: python smoke_test.py"""

import sys

import jupyterlab  # noqa: F401
import numpy as np

from marginlab import load_mnist
from marginlab.checks import check_unit

assert sys.version_info >= (3, 11), "marginlab needs Python 3.11 or newer"
assert load_mnist()[0][0].shape == (60000, 28, 28)


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


assert check_unit(unit).parts["ordinary vectors"], "the check ran, and was wrong about this function"

print("All is well. Now: jupyter lab lessons")
