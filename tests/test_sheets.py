"""The sheets' cells, run in one process: every set of numbers, nothing written yet, and wrong answers."""

import contextlib
import itertools
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

pytest.importorskip("nbgrader")
from marginlab import checks, course

LESSONS = Path(__file__).parent.parent / "lessons"
SHEETS = course.sheets(LESSONS)
every = pytest.mark.parametrize("name", SHEETS)


def sheet(name):
    return nbformat.read(LESSONS / name / course.SHEET, 4)


def run(cell, space):
    exec(compile(cell.source, cell.id, "exec"), space)


def code(nb):
    return [cell for cell in nb.cells if cell.cell_type == "code"]


def is_test(cell):
    about = cell.metadata.get("nbgrader", {})
    return about.get("grade") and about.get("locked")


@every
def test_every_set_of_numbers_can_be_solved(name, monkeypatch):
    space = {}
    for cell in code(sheet(name)):
        run(cell, space)
    # A check knows nothing of the numbers: it has passed, and need not run again.
    for check in checks.__all__:
        if check.startswith("check_"):
            monkeypatch.setattr(checks, check, lambda f: SimpleNamespace(passed=True))
    numbers = course.numbers(sheet(name))
    assert numbers
    for values in itertools.product(*numbers.values()):
        chosen = dict(zip(numbers, values, strict=True))
        space = {}
        for cell in code(course.write_numbers(sheet(name), chosen)):
            try:
                run(cell, space)
            except AssertionError as error:
                raise AssertionError(f"{cell.id} with {chosen}") from error
        assert {name: space[name] for name in chosen} == chosen


@every
def test_a_sheet_without_answers_says_so_in_words(name, tmp_path):
    course.release(LESSONS, tmp_path)
    space = {}
    for cell in code(nbformat.read(tmp_path / name / course.SHEET, 4)):
        if is_test(cell):
            with pytest.raises((AssertionError, NotImplementedError)) as raised:
                run(cell, space)
            assert raised.type is NotImplementedError or str(raised.value), cell.id
        else:
            with contextlib.suppress(NotImplementedError):
                run(cell, space)


def only_visible(cell):
    cell.source = course._hidden_removed(cell.source)
    return cell


# (test cell, an answer that the visible test must refuse)
WRONG = [
    ("x05-break-two", 'broken["fallback"] = (math.pi - MARGIN - 1e-6, math.pi - MARGIN + 1e-6)\n'
     'broken["held"] = (0.0, 1e-20)'),
    ("x05-break-three", 'broken["fallback"] = (math.pi - MARGIN - 1e-6, math.pi - MARGIN + 1e-6)'),
    ("x05-break-three", 'broken["held"] = (0.0, 1e-20)'),
    ("x05-break-three", 'broken["easy"] = (1.0, 1.4)'),
    ("x05-break-repaired", "def repaired(theta, margin): return math.cos(theta) - margin"),
    ("x05-break-repaired", "def repaired(theta, margin): return -theta / 2"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "answer"), WRONG, ids=[f"{n}-{i}" for i, (n, _) in enumerate(WRONG)])
def test_the_visible_test_refuses(name, answer):
    space = {}
    nb = sheet(next(each for each in SHEETS if each[:2] == name[1:3]))
    for cell in code(nb):
        if cell.id == name:
            run(only_visible(cell), space)  # the sheet's own answer passes
            exec(answer, space)
            with pytest.raises(AssertionError) as raised:
                run(cell, space)
            assert str(raised.value)
            return
        if not is_test(cell):
            run(cell, space)
    pytest.fail(f"no cell {name}")
