"""Every function of the bank gets the marks and the hint named beside it; hostile ones are told apart.

pytest tests/test_checks.py -s prints the table.
"""

import builtins
import contextlib
import inspect
import math
import re
import sys
import threading
import time

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("the bank has functions in TensorFlow", allow_module_level=True)

import tensorflow as tf
from bank import BANK

from marginlab import checks, reference
from marginlab.checks import points, run
from marginlab.checks.tasks import TASKS

every = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)


@pytest.mark.parametrize(
    ("number", "entry"),
    list(enumerate(BANK)),
    ids=[f"{e.check}-{e.f.__name__}-{i}" for i, e in enumerate(BANK)],
)
def test_bank(number, entry):
    start = time.perf_counter()
    report = checks.grade(entry.check, entry.f, seed=number % 3)
    seconds = time.perf_counter() - start
    wanted = len(report.parts) if entry.parts is None else entry.parts
    got, of = sum(report.parts.values()), len(report.parts)
    print(
        f"{entry.check:17} {entry.f.__name__:33} {wanted}/{of} {got}/{of} {seconds:5.2f} s  {report.mistake}"
    )
    assert (got, report.mistake) == (wanted, entry.mistake), str(report)
    assert report.passed == (entry.parts is None)


def test_the_bank_is_large_enough():
    assert len(BANK) >= 60
    for name in TASKS:
        mine = [entry for entry in BANK if entry.check == name]
        assert len(mine) >= 4, name
        assert any(entry.parts is None for entry in mine)
        assert any(entry.parts is not None for entry in mine)
    of = {
        name: sum(entry.check == name for entry in BANK) for name in ("arcface", "angle", "arcface_gradient")
    }
    assert min(of.values()) >= 6


@every
def test_the_truth_passes_at_any_seed(task):
    if task.name == "blockwise":  # whose truth takes all classes at once
        return
    for seed in range(5):
        report = checks.grade(task.name, task.truth, seed)
        assert report.passed, str(report)


@every
def test_every_known_mistake_is_called_by_its_name(task):
    for mistake in task.mistakes:
        with np.errstate(all="ignore"):
            report = checks.grade(task.name, mistake.form)
        assert report.mistake == mistake.name, str(report)


@every
def test_words(task):
    """Hints are whole sentences, and hold no code that could be handed in."""
    parts = task.points(np.random.default_rng(0))
    known = [*task.mistakes, *(part.likely for part in parts if part.likely)]
    known += [m for part in parts for case in part.cases for m in case.mistakes or ()]
    for mistake in known:
        for words in (mistake.why, mistake.how):
            assert words[-1] in ".?", words
            assert not re.search(r"\b(np|tf|ops|math)\.|^return |lambda|def ", words), words
    assert len({part.name for part in parts}) == len(parts) >= 2
    check = getattr(checks, f"check_{task.name}")
    assert check.__name__ == f"check_{task.name}"
    assert f"Check f({', '.join(task.arguments)}): {task.doc}" in check.__doc__


# What is no result at all.

PAIRS = [
    ("not a function", np.ones(3)),
    ("signature", lambda x: x),
    ("signature", lambda x, w, margin: x),
    ("exception", lambda x, w: x @ w),
    ("exception", lambda x, w: 1 / 0),
    ("nothing", lambda x, w: None),
    ("type", lambda x, w: [0.0] * len(x)),
    ("type", lambda x, w: "0.5"),
    ("type", lambda x, w: reference.angle(x, w) + 0j),
    ("type", lambda x, w: reference.angle(x, w).astype("float16")),
    ("type", lambda x, w: reference.angle(x, w) > 0),
    ("type", lambda x, w: np.array([str(a) for a in reference.angle(x, w)])),
    ("type", lambda x, w: np.array([None] * len(x))),
    ("type", lambda x, w: reference.angle),
    ("type", lambda x, w: keras.Input((2,))),
    ("type", lambda x, w: tf.cast(reference.angle(x, w), "bfloat16")),
    ("shape", lambda x, w: reference.angle(x, w)[:, None]),
    ("shape", lambda x, w: reference.angle(x, w).mean()),
    ("shape", lambda x, w: (reference.angle(x, w), 0.0)),
    ("shape", lambda x, w: x @ w.T),
    ("nan", lambda x, w: reference.angle(x, w) * math.nan),
    ("nan", lambda x, w: reference.angle(x, w) + math.inf),
    ("value", lambda x, w: reference.angle(x, w) + 0.25),
    ("exit", lambda x, w: sys.exit(0)),
]


@pytest.mark.parametrize(("kind", "f"), PAIRS, ids=[f"{k}-{i}" for i, (k, _) in enumerate(PAIRS)])
def test_what_is_no_result(kind, f):
    report = checks.grade("angle", f)
    assert report.kind == kind, str(report)
    assert report.score == 0
    assert not report.passed
    for level in (1, 2, 3):
        assert report.hint(level)[-1] in ".?" or kind == "exception"


def test_an_exception_names_the_students_line():
    def helper(x):
        return x.reshape(-1, 7)  # the line at fault

    def angle(x, w):
        return np.sum(helper(x), axis=1)

    report = checks.grade("angle", angle)
    line = inspect.getsourcelines(helper)[1] + 1
    assert f"raises ValueError, in line {line}" in report.hint(1)
    assert "# the line at fault" in report.hint(1)
    assert "cannot reshape" in report.hint(2)


def test_a_task_not_begun():
    def angle(x, w):
        raise NotImplementedError

    report = checks.grade("angle", angle)
    assert report.kind == "exception"
    assert report.marks(4) == 0
    assert report.hint(2).startswith("The task has not been begun")


def test_an_exception_without_words():
    report = checks.grade("angle", lambda x, w: next(iter(())))
    assert report.hint(2) == "It stopped with StopIteration, which says no more."


def test_the_true_logits_alone():
    report = checks.grade("arcface", lambda x, w, labels, margin, scale: reference.cosine(x, w[labels]))
    assert report.kind == "shape"
    assert "the other classes' logits are missing" in report.hint(2)


def test_in_place():
    def angle(x, w):
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        return reference.angle(x, w)

    report = checks.grade("angle", angle)
    assert report.kind == "in place"
    assert "argument x" in report.hint(1)
    assert checks.grade("angle", reference.angle).passed  # what it wrote into was a copy


def test_one_part_can_fail_alone():
    def unit(x):
        if not x.all():
            raise ValueError("a zero")
        return reference.unit(x)

    report = checks.grade("unit", unit)
    assert report.parts == {
        "ordinary vectors": True,
        "the zero vector": False,
        "long and short vectors": True,
    }
    assert report.kind == "exception"
    assert report.score == pytest.approx(2 / 3)
    assert report.marks(3) == 2


# Functions that never come back, or print without end.


def forever(x, w):
    while True:
        pass


def forever_but_catching(x, w):
    while True:
        with contextlib.suppress(Exception):
            time.sleep(0.01)


@pytest.mark.parametrize("f", [forever, forever_but_catching])
def test_no_end(f):
    threads = threading.active_count()
    report = checks.grade("angle", f, seconds=0.5)
    assert report.kind == "time"
    assert "0.5 seconds" in report.hint(1)
    assert report.score == 0
    time.sleep(0.1)
    assert threading.active_count() <= threads


@pytest.mark.parametrize(("caught", "stays"), [("BaseException", True), ("ValueError", False)])
def test_a_thread_that_stays_is_said_in_the_finding(caught, stays):
    """A loop that catches whatever is thrown into it cannot be ended, and is named while it runs."""
    space = {"go_on": True, "time": time, "np": np}
    loop = f"        try:\n            time.sleep(0.005)\n        except {caught}:\n            pass"
    exec(f"def f(x):\n    while go_on:\n{loop}\n    return x", space)
    before = set(threading.enumerate())
    report = checks.grade("unit", space["f"], seconds=0.2)
    left = set(threading.enumerate()) - before
    space["go_on"] = False
    for thread in left:
        thread.join(10)
    assert report.kind == "time"
    assert bool(left) == stays
    assert ("still runs" in report.hint(1)) == stays
    assert ("restart the kernel" in str(report).replace("\n       ", " ")) == stays


def test_no_end_in_code_that_cannot_be_stopped():
    """A thread that waits in C ends when it comes back; the words about it are not kept waiting."""
    woken, trace = threading.Event(), sys.gettrace()
    before = set(threading.enumerate())
    sys.settrace(None)  # in CPython 3.11 a traced thread spins while an exception waits for one that is in C
    try:
        report = checks.grade("angle", lambda x, w: woken.wait(60), seconds=0.5)
        left = set(threading.enumerate()) - before
        assert len(left) == 1
    finally:
        woken.set()
        for thread in set(threading.enumerate()) - before:
            thread.join(10)
        sys.settrace(trace)
    assert report.kind == "time"
    assert not any(thread.is_alive() for thread in left)


def test_no_marks_for_what_came_before_the_end():
    def unit(x):
        while not x.all():
            pass
        return reference.unit(x)

    report = checks.grade("unit", unit, seconds=0.5)
    assert report.kind == "time"
    assert "zero vector" in report.hint(1)
    assert report.score == 0


def test_a_flood(capsys):
    def angle(x, w):
        while True:
            print("x" * 1000)

    report = checks.grade("angle", angle)
    assert report.kind == "print"
    assert report.score == 0
    assert len(str(report)) < 2000
    assert capsys.readouterr().out == ""


def test_a_flood_whose_end_is_caught():
    def angle(x, w):
        with contextlib.suppress(BaseException):
            print("x" * 100_000)
        return reference.angle(x, w)

    assert checks.grade("angle", angle).kind == "print"


def test_a_little_printing_is_shown(capsys):
    def angle(x, w):
        print("θ:", x.shape)
        return reference.angle(x, w)

    report = checks.check_angle(angle)
    out = capsys.readouterr().out
    assert report.passed
    assert "Your function printed:" in out
    assert "θ: (4, 3)" in out


# Tampering.


def patched(monkeypatch, where):
    monkeypatch.setattr(where, "angle", lambda x, w: np.zeros(len(x)))
    monkeypatch.setattr(where, "unit", lambda x: x)


def test_a_patched_reference_changes_nothing(monkeypatch):
    patched(monkeypatch, reference)
    assert checks.grade("angle", lambda x, w: np.zeros(len(x))).score == 0
    assert checks.grade("unit", lambda x: x).score == 0


def test_a_fresh_copy_is_not_patched(monkeypatch):
    right = run.Report("angle", {"a": True}, {"a": 1})
    monkeypatch.setattr(checks, "examine", lambda *args: right)
    monkeypatch.setitem(TASKS, "angle", TASKS["unit"])
    monkeypatch.setattr(run, "_verdict", lambda *args: (None, None))
    patched(monkeypatch, reference)
    cheat = lambda x, w: np.zeros(len(x))  # noqa: E731
    assert checks.grade("angle", cheat).score == 1
    copy = checks.fresh()
    assert copy is not checks
    assert copy.grade("angle", cheat).score == 0
    assert sys.modules["marginlab.checks"] is checks
    assert sys.modules["marginlab"].checks is checks


@pytest.mark.parametrize(
    ("where", "name", "put"),
    [
        (np, "isfinite", lambda x: np.ones(np.shape(x), bool)),
        (builtins, "abs", lambda x: x * 0),
        (reference, "angle", lambda x, w: np.zeros(len(x))),
        (points.reference, "angle", lambda x, w: np.zeros(len(x))),
        (run, "_wrong", lambda got, want, case: np.zeros(got.shape, bool)),
        (run, "_verdict", lambda *args: (None, None)),
        (run, "_call", lambda *args: None),
        (run, "_asarray", lambda x: x),
        (run, "Report", None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_function_that_patches_while_it_runs(where, name, put):
    real = getattr(where, name)

    def angle(x, w):
        setattr(where, name, put)
        return np.zeros(len(x))

    try:
        report = checks.grade("angle", angle)
    finally:
        setattr(where, name, real)
    assert report.score == 0


def test_an_array_that_says_yes_to_everything():
    class Yes(np.ndarray):
        def __sub__(self, other):
            return np.zeros(self.shape)

        __rsub__ = __sub__
        __le__ = __lt__ = lambda self, other: np.ones(self.shape, bool)

    assert checks.grade("angle", lambda x, w: np.zeros(len(x)).view(Yes)).score == 0


def test_other_seeds_have_other_points():
    seen = []
    for seed in (0, 0, 1):
        checks.grade("angle", lambda x, w: seen.append(x) or reference.angle(x, w), seed)
    calls = len(seen) // 3
    assert np.array_equal(seen[0], seen[calls])
    assert not np.array_equal(seen[0], seen[2 * calls])


# Reports.


def test_the_report_in_words(capsys):
    report = checks.check_arcface(next(e.f for e in BANK if e.f.__name__ == "arcface_turned_back"))
    out = capsys.readouterr().out
    assert str(report) in out
    assert "3 of 4 parts right" in out
    assert "WRONG  past π" in out
    assert re.search(r"at θ = \d\.\d+, row \d, class \d \(its true class\): you have -\d+", report.hint(1))
    assert "`check_arcface(arcface_turned_back).hint(2)`, then `.hint(3)`" in out
    assert "`check_unit(f).hint(2)`" in str(checks.grade("unit", lambda x: x))
    assert "flips past π" in report.hint(2)
    assert "unrolled" in report.hint(3)
    assert repr(report.hint(2)) == report.hint(2)
    assert repr(report) == "<check_arcface: the sign flips past π>"
    assert report.marks(4) == 3
    with pytest.raises(ValueError, match="level must be 1"):
        report.hint(4)


def test_the_report_of_a_right_function(capsys):
    report = checks.check_unit(reference.unit)
    assert report.passed
    assert report.score == 1
    assert report.marks(5) == 5
    assert "nothing to mend" in report.hint()
    assert "WRONG" not in capsys.readouterr().out


def test_no_such_check():
    with pytest.raises(KeyError):
        checks.grade("magface", lambda x: x)
    assert checks.grade("check_unit", reference.unit).passed
