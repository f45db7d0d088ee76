"""Every function of the bank gets the marks and the hint named beside it; hostile ones are told apart.

pytest tests/test_checks.py -s prints the table.
"""

import keras
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("the bank has functions in TensorFlow", allow_module_level=True)

from bank import BANK

from marginlab import checks
from marginlab.checks.points import TASKS


@pytest.mark.parametrize("entry", BANK, ids=[f"{e.check}-{e.f.__name__}" for e in BANK])
def test_bank(entry):
    for seed in (0, 1):
        report = checks.grade(entry.check, entry.f, seed)
        wanted = len(report.parts) if entry.parts is None else entry.parts
        got = sum(report.parts.values())
        if seed == 0:
            print(
                f"{entry.check:18} {entry.f.__name__:36} {wanted}/{len(report.parts)} {got}  {report.mistake}"
            )
        assert got == wanted, str(report)
        assert report.mistake == entry.mistake, str(report)
        assert report.passed == (entry.parts is None)


def test_every_check_has_a_bank():
    assert {entry.check for entry in BANK} == set(TASKS)
