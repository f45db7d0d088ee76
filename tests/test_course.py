"""The sheets through nbgrader's own command line, and a class of honest, broken and hostile submissions."""

import csv
import os
import re
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell

pytest.importorskip("nbgrader")
from marginlab import course

ROOT = Path(__file__).parent.parent
LESSONS = ROOT / "lessons"
SHEETS = course.sheets(LESSONS)
AUTOMATIC = ("grade", "locked")


def sheet(name):
    return nbformat.read(LESSONS / name / course.SHEET, 4)


def about(cell):
    return cell.metadata.get("nbgrader", {})


def automatic(nb):
    return sum(about(c)["points"] for c in nb.cells if all(about(c).get(key) for key in AUTOMATIC))


REGION = re.compile(r"### BEGIN (?:SOLUTION|HIDDEN TESTS)(.*?)### END (?:SOLUTION|HIDDEN TESTS)", re.S)


def secrets(name):
    """Every line of a sheet's solutions, hidden tests and notes that stands nowhere else in it."""
    hidden, shown = set(), ""
    for cell in sheet(name).cells:
        essay = about(cell).get("solution") and about(cell)["grade"]
        if essay or "instructor" in cell.metadata.get("tags", []):
            hidden |= set(cell.source.splitlines())
        else:
            hidden |= {line for part in REGION.findall(cell.source) for line in part.splitlines()}
            shown += REGION.sub("", cell.source) + "\n"
    return {line.strip() for line in hidden if len(line.strip()) > 20 and line.strip() not in shown}


def sources(text):
    """The cells of a notebook's text, without what JSON does to them."""
    return "\n".join(cell.source for cell in nbformat.reads(text, 4).cells)


def test_there_are_eight_sheets_of_four_to_seven_exercises():
    assert [name[:2] for name in SHEETS] == [f"{k:02}" for k in range(8)]
    for name in SHEETS:
        headings = [c for c in sheet(name).cells if c.cell_type == "markdown" and c.source.startswith("## ")]
        assert 4 <= len(headings) <= 7
        for cell in headings:
            assert re.search(r"\*Goal: .+ \d+ minutes, \d+ marks?\. Practises: .+\*", cell.source), cell.id


def test_ids_are_the_same_for_nbgrader_and_the_notebook_and_unique_over_the_course():
    names = [about(c).get("grade_id", c.id) for name in SHEETS for c in sheet(name).cells]
    assert names == [c.id for name in SHEETS for c in sheet(name).cells]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", SHEETS)
def test_the_marks_that_the_text_promises_are_those_of_the_cells(name):
    given, promised, marks = None, {}, {}
    for cell in sheet(name).cells:
        heading = re.search(r"minutes, (\d+) marks?\. Practises", cell.source)
        if heading and cell.cell_type == "markdown":
            given = cell.id
            promised[given], marks[given] = int(heading[1]), 0
        elif about(cell).get("grade"):
            marks[given] += about(cell)["points"]
    assert marks == promised
    total = re.search(r"(\w+) exercises, (\d+) marks", sheet(name).cells[0].source)
    assert int(total[2]) == sum(marks.values())
    words = dict(zip(("Four", "Five", "Six", "Seven"), range(4, 8), strict=True))
    assert words[total[1]] == len(marks)


def test_release_leaves_no_database_and_no_secret(tmp_path):
    paths = course.release(LESSONS, tmp_path / "release")
    assert [path.parent.name for path in paths] == SHEETS
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == [course.SHEET] * 8
    for name, path in zip(SHEETS, paths, strict=True):
        text = sources(path.read_text(encoding="utf-8"))
        assert len(secrets(name)) > 40
        assert not [line for line in secrets(name) if line in text]
        assert "instructor" not in path.read_text(encoding="utf-8")


def test_bundle_and_wheel_hold_no_secret_and_the_smoke_test_passes(tmp_path):
    with zipfile.ZipFile(course.bundle(tmp_path / "course.zip", LESSONS)) as bundle:
        files = {name: bundle.read(name) for name in bundle.namelist()}
        bundle.extractall(tmp_path / "home")
    assert sum(name.endswith(course.SHEET) for name in files) == 8
    # The wheel holds the package folder and nothing else (pyproject.toml), and the bundle holds that folder.
    assert 'packages = ["marginlab"]' in files["pyproject.toml"].decode()
    for name in SHEETS:
        text = sources(files[f"lessons/{name}/{course.SHEET}"].decode())
        assert not [line for line in secrets(name) if line in text]
    # Package and book compute what the sheets ask for and may share code with them: no word of an answer.
    package = "\n".join(data.decode() for name, data in files.items() if name.endswith((".py", ".md")))
    prose = {line for name in SHEETS for line in secrets(name) if len(re.findall(r"[a-z]{3,}", line)) > 8}
    assert len(prose) > 60
    assert not [line for line in prose if line in package]
    assert not [name for name in files if "test_" in name and name != "smoke_test.py"]
    assert "smoke_test.py" in files["START.md"].decode()
    for name in SHEETS:  # what a chapter links to is there
        for link in re.findall(r"\]\(\.\./\.\./([^)#]+)", files[f"lessons/{name}/lesson.ipynb"].decode()):
            assert link in files
    env = os.environ | {"PYTHONPATH": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "smoke_test.py"], cwd=tmp_path / "home", env=env, capture_output=True, text=True
    )
    assert "All is well" in done.stdout, done.stderr


def test_variants_give_other_numbers_which_the_tests_share(tmp_path):
    paths = course.variants(["ada", "bob", "cy"], "7", tmp_path, LESSONS)
    assert len(paths) == 24
    seen = {}
    for path in paths:
        lines = re.findall(r".*# your numbers", "\n".join(c.source for c in nbformat.read(path, 4).cells))
        assert len(set(lines)) == 1
        seen.setdefault(path.parent.name, set()).add(lines[0])
    assert all(len(lines) > 1 for lines in seen.values())
    again = course.variants(["ada"], "7", tmp_path / "again", LESSONS)
    assert again[0].read_bytes() == paths[0].read_bytes()


def test_the_command_line(tmp_path, capsys):
    (tmp_path / "ids.txt").write_text("ada\nbob\n")
    commands = [
        ("release", tmp_path / "release"),
        ("bundle", tmp_path / "course.zip"),
        ("variants", tmp_path / "ids.txt", tmp_path / "variants", "--seed", "7"),
    ]
    for command in commands:
        course.main(["--source", str(LESSONS), *map(str, command)])
    assert "16 notebooks written" in capsys.readouterr().out
    assert len(list(tmp_path.rglob("release/*/*.ipynb"))) == 8
    assert (tmp_path / "course.zip").stat().st_size > 10**6
    with pytest.raises(ValueError, match=r"sheet must be one of 00_two_dimensions, .*, got '5'"):
        course.main(
            ["--source", str(LESSONS), "grade", str(tmp_path), "5", "--out", str(tmp_path / "graded")]
        )
    assert not (tmp_path / "graded").exists()


@pytest.fixture(scope="module")
def nbgraded(tmp_path_factory):
    """The eight sheets, from source to feedback and export, by nbgrader's command line and the root's file.

    Two students: "full" hands in the source, and "empty" what was released.
    """
    root = tmp_path_factory.mktemp("course")
    env = os.environ | {"PYTHONPATH": str(ROOT)}

    def nbgrader(folder, *arguments):
        command = [sys.executable, "-W", "ignore", "-m", "nbgrader", *arguments]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def through(name):
        folder = root / name
        (folder / "lessons" / name).mkdir(parents=True)
        shutil.copy(ROOT / "nbgrader_config.py", folder)
        for notebook in (LESSONS / name).glob("*.ipynb"):
            shutil.copy(notebook, folder / "lessons" / name)
        nbgrader(folder, "generate_assignment", name)
        for student in ("full", "empty"):
            (folder / "submitted" / student / name).mkdir(parents=True)
        shutil.copy(folder / "release" / name / course.SHEET, folder / "submitted/empty" / name)
        full = course.WithoutNotes()(sheet(name), {})[0]
        course._write(full, folder / "submitted/full" / name / course.SHEET)
        nbgrader(folder, "autograde", name)
        nbgrader(folder, "generate_feedback", name)
        nbgrader(folder, "export")
        with open(folder / "grades.csv", encoding="utf-8") as file:
            return {row["student_id"]: row for row in csv.DictReader(file)}

    with ThreadPoolExecutor(2) as pool:
        return root, dict(zip(SHEETS, pool.map(through, SHEETS), strict=True))


@pytest.mark.parametrize("name", SHEETS)
def test_full_source_gets_all_automatic_marks_and_the_empty_release_none(nbgraded, name):
    root, grades = nbgraded
    most = automatic(sheet(name))
    assert float(grades[name]["full"]["score"]) == most >= 12
    assert float(grades[name]["empty"]["score"]) == 0
    assert sorted(p.name for p in (root / name / "release" / name).iterdir()) == [course.SHEET]
    released = sources((root / name / "release" / name / course.SHEET).read_text(encoding="utf-8"))
    assert not [line for line in secrets(name) if line in released]
    for student in ("full", "empty"):
        assert (root / name / "feedback" / student / name / "exercises.html").stat().st_size > 10_000


# A class of one sheet. Each case: what is done to the full source, marks, and a sentence of the report.

CLASS = "01_softmax"
FULL = automatic(sheet(CLASS))
CLIPPED = """def my_cross_entropy(logits, labels):
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return -np.log(np.clip(p[np.arange(len(p)), labels], 1e-10, 1))
"""


def at(nb, name):
    return next(i for i, cell in enumerate(nb.cells) if cell.id == f"x01-{name}")


def with_cell(code, after="imports", clipped=False):
    """The full source with a cell of the student's own, and the usual wrong loss if asked for."""

    def make(nb):
        if clipped:
            nb.cells[at(nb, "loss-answer")].source = CLIPPED
        nb.cells.insert(at(nb, after) + 1, new_code_cell(code))
        return nb

    return make


def changed_tests(nb):
    for cell in nb.cells:
        if about(cell).get("solution") and not about(cell)["grade"]:
            cell.source = "my_cross_entropy = my_slopes = None"
        elif about(cell).get("grade") and about(cell)["locked"]:
            cell.source, cell.metadata.nbgrader.points = "assert True", 1000
    return nb


def without_tests(nb):
    nb.cells = [cell for cell in nb.cells if not about(cell).get("grade")]
    return nb


def turned_round(nb):
    nb.cells.reverse()
    return nb


def without_metadata(nb):
    for cell in nb.cells:
        cell.metadata.pop("nbgrader", None)
    return nb


PATCH = """import marginlab.checks, marginlab.reference
marginlab.checks.check_cross_entropy = check_cross_entropy = lambda f: type("R", (), {"passed": True})
np.allclose = lambda *a, **k: True
marginlab.reference.losses = None"""
CASES = {
    "full": (lambda nb: nb, FULL, ""),
    "loop": (with_cell("while True:\n    pass"), FULL, "was stopped after 6 seconds"),
    "memory": (with_cell("block = bytearray(20 * 2**30)"), FULL, ""),
    "exit": (with_cell("import sys\nsys.exit()"), FULL, ""),
    "died": (with_cell("import os\nos._exit(1)", "loss-ordinary"), 5, "The kernel died"),
    "flood": (with_cell("print('x' * 10**8)"), FULL, "printed more than"),
    "deleted": (without_tests, FULL, "were missing and were put back"),
    "reordered": (turned_round, FULL, "in another order"),
    "changed": (changed_tests, 0, "Test cells had been changed"),
    "stripped": (without_metadata, FULL, ""),
    "wrong": (with_cell("", clipped=True), FULL - 3, ""),
    "patched": (with_cell(PATCH, "loss-answer", clipped=True), FULL - 3, ""),
    "claims": (
        with_cell(
            CLIPPED + "    import sys; sys.displayhook(5); print('passed')\n", "loss-answer", clipped=True
        ),
        FULL - 3,
        "",
    ),
    "process": (with_cell("import subprocess\nsubprocess.run(['touch', 'x'])"), FULL, ""),
    "machinery": (
        with_cell(
            "async def run_cell_async(self, *a, **k):\n"
            "    from IPython.core.interactiveshell import ExecutionResult\n"
            "    r = ExecutionResult(None); r.execution_count = 1; return r\n"
            "type(get_ipython()).run_cell_async = run_cell_async",
            "loss-ordinary",
        ),
        5,
        "changed the machinery",
    ),
}
STUBBORN = """while True:
    try:
        while True:
            pass
    except KeyboardInterrupt:
        pass"""


@pytest.fixture(scope="module")
def classroom(tmp_path_factory):
    root = tmp_path_factory.mktemp("class")
    export, out, outside = root / "export", root / "graded", root / "outside.txt"
    cases = CASES | {
        "stubborn": (with_cell(STUBBORN, "loss-ordinary"), 5, "could not be stopped"),
        "writes": (with_cell(f"open({str(outside)!r}, 'w').write('here')"), FULL, ""),
        "reads": (
            with_cell(f"print('STOLEN', open({str(out / 'source' / CLASS / course.SHEET)!r}).read())"),
            FULL,
            "",
        ),
    }
    for number, (name, (make, _, _)) in enumerate(cases.items()):  # as Moodle exports them
        folder = export / f"{name}_{number}_assignsubmission_file_"
        course._write(make(course.WithoutNotes()(sheet(CLASS), {})[0]), folder / course.SHEET)
    canvas = export / "renamed_900_123_my_homework.ipynb"  # and one as Canvas does
    course._write(course.WithoutNotes()(sheet(CLASS), {})[0], canvas)
    (export / "json_901_assignsubmission_file_").mkdir()
    (export / "json_901_assignsubmission_file_" / course.SHEET).write_text('{"cells": [')
    (export / "missing_902_assignsubmission_file_").mkdir()
    rows = course.grade(export, CLASS, out, LESSONS, jobs=2, seconds=60, cell=6, megabytes=8192)
    return cases, {row["name"]: row for row in rows}, out, outside


def test_hostile_and_broken_submissions_get_what_they_earned_and_a_sentence(classroom):
    cases, rows, _, _ = classroom
    expected = {name: marks for name, (_, marks, _) in cases.items()}
    expected |= {"renamed": FULL, "json": 0, "missing": 0}
    assert {name: row["score"] for name, row in rows.items()} == expected
    sentences = {name: words for name, (_, _, words) in cases.items()}
    sentences |= {
        "renamed": "was called",
        "json": "not a notebook that can be read",
        "missing": "nothing to mark",
    }
    for name, words in sentences.items():
        assert words in " ".join(rows[name]["said"]), (name, rows[name]["said"])
    assert rows["full"]["said"] == []


def test_nothing_was_written_or_read_that_should_not_be(classroom):
    _, _, out, outside = classroom
    assert not outside.exists()
    for path in (out / "autograded").rglob("*.ipynb"):
        nb = nbformat.read(path, 4)
        printed = "".join(o.get("text", "") for c in nb.cells for o in c.get("outputs", []))
        assert "STOLEN" not in printed
        assert path.stat().st_size < 2**20


def test_grades_feedback_and_report(classroom):
    _, rows, out, _ = classroom
    with open(out / "grades.csv", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert {row["name"]: float(row["score"]) for row in table} == {n: r["score"] for n, r in rows.items()}
    report = (out / "report.html").read_text(encoding="utf-8")
    assert "x01-loss-hazards" in report
    assert "Where: " in report  # the hint that they got
    for row in rows.values():
        page = (out / "feedback" / row["student"] / CLASS / "exercises.html").read_text(encoding="utf-8")
        assert "BEGIN HIDDEN" not in page
        assert all(text.split("'")[0] in page for text in row["said"])
