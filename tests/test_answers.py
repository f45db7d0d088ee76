"""Worked answers: a right function opens its own, whatever its rounding; no other, and no changed file."""

import contextlib
import json
import zlib
from base64 import b64decode
from pathlib import Path

import nbformat
import numpy as np
import pytest

pytest.importorskip("nbgrader")
from test_course import secrets

from marginlab import checks, course
from marginlab.checks import answers, run
from marginlab.checks.tasks import TASKS
from marginlab.course.__main__ import main

LESSONS = Path(__file__).parents[1] / "lessons"
TEXTS = {name: (check, text) for name, check, text in course.exercises(LESSONS)}
BY_CHECK = {check: text for check, text in TEXTS.values() if check}
RECORDS = json.loads(answers.FILE.read_text(encoding="utf-8"))
# Wrong only where no result makes a key, as in a gradient or in the last digits: the check refuses them.
BY_THE_CHECK_ALONE = {
    ("angle", "arcsin of half the chord"),
    ("least_scale", "scales in steps"),
    ("sphereface", "a clip before acos"),
    ("largest_margin", "digits lost in 1 - cos"),
    ("arcface_gradient", "the sign flips past π"),
    ("arcface_gradient", "an epsilon beside the sine"),
    ("arcface_gradient", "0/0 at θ = 0"),
    ("count_margins", "balanced classes get the largest"),
}
every_check = pytest.mark.parametrize("name", sorted(BY_CHECK))


def outputs(change, f):
    """The function, with its results changed."""

    def changed(*args):
        got = f(*args)
        return tuple(map(change, got)) if isinstance(got, tuple) else change(got)

    return changed


def rounded_up(x):
    return np.asarray(x) * (1 + 4e-7)


def rounded_down(x):
    return np.asarray(x) * (1 - 4e-7)


def results(name, f):
    """What a function gives at the points that make the key."""
    with np.errstate(all="ignore"):
        seeds = range(RECORDS["checks"][name]["seeds"])
        return [result for seed in seeds for result in run.examine(TASKS[name], f, seed).results]


def opened(name, f):
    record = RECORDS["checks"][name]
    return answers.unseal(record, answers.material(results(name, f), record["where"], record["height"]))


# ------------------------------------------------------------------ a right function


@pytest.mark.parametrize("name", course.sheets(LESSONS))
def test_a_solved_sheet_explains_each_of_its_checks(name, capsys):
    """The sheet's own answers, as a student runs them."""
    space, passed = {}, []
    for cell in nbformat.read(LESSONS / name / course.SHEET, 4).cells:
        if cell.cell_type == "code":
            source = cell.source.replace("assert check_", "reports.append(check_").replace(
                '.passed, "see the report above"', ")"
            )
            space.setdefault("reports", passed)
            exec(compile(source, cell.id, "exec"), space)
    assert {report.task for report in passed} == {
        check for each, (check, _) in TEXTS.items() if check and each[1:3] == name[:2]
    }
    for report in passed:
        assert f"check_{report.task}({report.called}).explain()" in str(report)
        assert report.explain() == BY_CHECK[report.task]
        assert "What often goes wrong" in report.explain()


@every_check
def test_other_rounding_opens_too(name):
    for change in (rounded_up, rounded_down):
        assert opened(name, outputs(change, TASKS[name].truth)) == BY_CHECK[name]


# ------------------------------------------------------------------ what is not right


@every_check
def test_an_empty_or_wrong_function_gets_no_answer(name):
    f = lambda *args: None  # noqa: E731
    report = checks.grade(name, f)
    assert report.explain() == "The worked answer opens when all parts are right."
    report.finding = None  # who claims that it has passed has no key yet
    assert "not right yet" in report.explain()


@every_check
def test_no_known_mistake_makes_the_key(name):
    """Whatever the report says: of results of a wrong form no key is made that opens the answer."""
    tried = 0
    for mistake in TASKS[name].mistakes:
        if mistake.form is None or (name, mistake.name) in BY_THE_CHECK_ALONE:
            continue
        if run.examine(TASKS[name], mistake.form).passed:
            continue  # it is wrong at other points
        with pytest.raises(ValueError, match="does not open"):
            opened(name, mistake.form)
        tried += 1
    assert tried


def test_a_function_that_is_right_here_only_is_told_so():
    first = run.truths(TASKS["memory"])
    truth = TASKS["memory"].truth
    known = {tuple(case.args) for case, _ in first}
    report = checks.check_memory(
        lambda classes, dim, batch: truth(classes, dim, batch) if (classes, dim, batch) in known else 0
    )
    assert report.passed
    assert report.explain().startswith("At other points it is not right yet. With ")


def test_a_check_without_a_sheet_says_so(monkeypatch):
    monkeypatch.setattr(answers, "_records", lambda: {"checks": {}, "exercises": {}})
    report = checks.grade("unit", TASKS["unit"].truth)
    assert report.explain() == "No sheet has an answer to this check."


# ------------------------------------------------------------------ the file


def test_the_sealed_answers_are_the_sheets(tmp_path):
    """After a change to a sheet: python -m marginlab.course answers."""
    assert RECORDS["checks"].keys() == BY_CHECK.keys()
    assert RECORDS["exercises"].keys() == {name for name, (check, _) in TEXTS.items() if check is None}
    for check, text in BY_CHECK.items():
        assert opened(check, TASKS[check].truth) == text
    for name, key in course.keys(LESSONS).items():
        assert checks.explain(name, key) == TEXTS[name][1]


@pytest.mark.full
def test_the_command_makes_it(tmp_path):
    made = json.loads(course.write_answers(LESSONS, tmp_path / "answers.json").read_text(encoding="utf-8"))
    assert made["exercises"] == RECORDS["exercises"]
    assert made["checks"].keys() == RECORDS["checks"].keys()


def test_the_command_prints_the_keys(capsys):
    main(["--source", str(LESSONS), "keys"])
    lines = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert lines == course.keys(LESSONS)
    assert "x05-derive" in lines
    assert "x05-implement" not in lines


def test_no_answer_can_be_read_in_it():
    text = answers.FILE.read_text(encoding="utf-8")
    for sheet in course.sheets(LESSONS):
        assert not [line for line in secrets(sheet) if line in text]
    for record in [*RECORDS["checks"].values(), *RECORDS["exercises"].values()]:
        raw = b64decode(record["sealed"])
        for start in (0, 16):
            with pytest.raises(zlib.error):
                zlib.decompress(raw[start:])


@pytest.mark.parametrize("at", [3, 40, -1])
def test_a_changed_file_is_refused(tmp_path, monkeypatch, at):
    changed = json.loads(json.dumps(RECORDS))
    raw = bytearray(b64decode(changed["exercises"]["x05-derive"]["sealed"]))
    raw[at] ^= 1
    record = changed["exercises"]["x05-derive"]
    record["sealed"] = answers.base64.b64encode(raw).decode()
    monkeypatch.setattr(answers, "FILE", tmp_path / "answers.json")
    answers.FILE.write_text(json.dumps(changed))
    key = course.keys(LESSONS)["x05-derive"]
    with pytest.raises(ValueError, match=r"answers\.json is damaged"):
        checks.explain("x05-derive", key)
    record["sum"] = answers.hashlib.sha256(bytes(raw)).hexdigest()[:16]  # by somebody who knows how
    answers.FILE.write_text(json.dumps(changed))
    with pytest.raises(ValueError, match="does not open"):
        checks.explain("x05-derive", key)


def test_keys():
    key = course.keys(LESSONS)["x05-derive"]
    assert checks.explain("x05-derive", f" {key.lower()} ").startswith("2. Derive: the blow-up")
    for wrong in ("", "AAAA-AAAA-AAAA-AAAA", key[:-1], course.keys(LESSONS)["x04-open"]):
        with pytest.raises(ValueError, match="does not open"):
            checks.explain("x05-derive", wrong)
    with pytest.raises(KeyError, match="x05-implement"):
        checks.explain("x05-implement", key)


def test_steps_are_robust_where_results_count():
    """Each result that makes a key lies far from its step's ends: no rounding moves it."""
    for name, record in RECORDS["checks"].items():
        found = [result for seed in range(record["seeds"]) for _, result in run.truths(TASKS[name], seed)]
        places = [found[call][output].flat[place] for call, output, place in record["where"]]
        assert len(places) * -np.log(record["height"]) > 14, name  # e^14 guesses, a tenth of a second each
        for value in places:
            assert 0.25 < answers.steps(value, record["height"]) % 1 < 0.75
    with contextlib.suppress(ValueError):
        assert np.isnan(answers.steps(0.0, 0.1))
    assert np.isnan(answers.steps(np.nan, 0.1))
