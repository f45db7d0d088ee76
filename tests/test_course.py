"""The sheets through nbgrader, and a class of honest, broken and hostile submissions through `grade`."""

import csv
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell

pytest.importorskip("nbgrader")
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from traitlets.config.loader import PyFileConfigLoader

from marginlab import course
from marginlab.course import report, walls
from marginlab.course.__main__ import main

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


def test_every_chapter_has_a_sheet_of_four_to_eight_exercises():
    assert [name[:2] for name in SHEETS] == [f"{k:02}" for k in range(len(SHEETS))]
    assert len(SHEETS) == len(list(LESSONS.glob("*/lesson.ipynb")))
    for name in SHEETS:
        headings = [c for c in sheet(name).cells if c.cell_type == "markdown" and c.source.startswith("## ")]
        assert 4 <= len(headings) <= 8
        for cell in headings:
            assert re.search(r"\*Goal: .+ \d+ minutes, \d+ marks?\. Practises: .+\*", cell.source), cell.id


QUARTERS = ("", " and a quarter", " and a half", " and three quarter")


@pytest.mark.parametrize("name", SHEETS)
def test_the_hours_that_a_sheet_promises_are_those_of_its_exercises(name):
    text = "\n".join(cell.source for cell in sheet(name).cells if cell.cell_type == "markdown")
    hours, quarter = divmod(round(sum(map(int, re.findall(r"\*Goal: .+ (\d+) minutes", text))) / 15), 4)
    assert f"about {('one', 'two', 'three')[hours - 1]}{QUARTERS[quarter]} hours" in text


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
    words = dict(zip(("Four", "Five", "Six", "Seven", "Eight"), range(4, 9), strict=True))
    assert words[total[1]] == len(marks)


def test_release_leaves_no_database_and_no_secret(tmp_path):
    paths = course.release(LESSONS, tmp_path / "release")
    assert [path.parent.name for path in paths] == SHEETS
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == [course.SHEET] * len(SHEETS)
    for name, path in zip(SHEETS, paths, strict=True):
        text = sources(path.read_text(encoding="utf-8"))
        assert len(secrets(name)) > 40
        assert not [line for line in secrets(name) if line in text]
        assert "instructor" not in path.read_text(encoding="utf-8")


def test_the_bundle_holds_no_secret_and_the_smoke_test_passes(tmp_path):
    with zipfile.ZipFile(course.bundle(tmp_path / "course.zip", LESSONS)) as bundle:
        files = {name: bundle.read(name) for name in bundle.namelist()}
        bundle.extractall(tmp_path / "home")
    assert sum(name.endswith(course.SHEET) for name in files) == len(SHEETS)
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
    for name in SHEETS:  # what a chapter links to is there, and what its cells read
        text = files[f"lessons/{name}/lesson.ipynb"].decode()
        for link in re.findall(r"""(?:\]\(|Path\(\\")\.\./\.\./([^)#\\]+)""", text):
            assert link in files
    env = os.environ | {"PYTHONPATH": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "smoke_test.py"], cwd=tmp_path / "home", env=env, capture_output=True, text=True
    )
    assert "All is well" in done.stdout, done.stderr


def test_variants_give_other_numbers_which_the_tests_share(tmp_path):
    paths = course.variants(["ada", "bob", "cy"], "7", tmp_path, LESSONS)
    assert len(paths) == 3 * len(SHEETS)
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
        main(["--source", str(LESSONS), *map(str, command)])
    assert f"{2 * len(SHEETS)} notebooks written" in capsys.readouterr().out
    assert len(list(tmp_path.rglob("release/*/*.ipynb"))) == len(SHEETS)
    assert (tmp_path / "course.zip").stat().st_size > 10**6
    with pytest.raises(ValueError, match=r"sheet must be one of 00_two_dimensions, .*, got '5'"):
        main(["--source", str(LESSONS), "grade", str(tmp_path), "5", "--out", str(tmp_path / "graded")])
    assert not (tmp_path / "graded").exists()


COMMAND_LINE = ["05_arcface"]


def nbgrader_folder(root, name):
    """The API's sheets share a folder: a gradebook takes seconds to make."""
    return root / ("alone" if name in COMMAND_LINE else "together")


@pytest.fixture(scope="module")
def nbgraded(tmp_path_factory, request):
    """All sheets, from source to feedback, by nbgrader alone and the root's file; two without --full.

    One of them by its command line, export and all; the others by its API, which has nothing to start.
    Two students: "full" hands in the source, and "empty" what was released.
    """
    root = tmp_path_factory.mktemp("course")
    env = os.environ | {"PYTHONPATH": str(ROOT)}

    def nbgrader(folder, *arguments):
        command = [sys.executable, "-W", "ignore", "-m", "nbgrader", *arguments]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def prepare(name):
        folder = nbgrader_folder(root, name)
        (folder / "lessons" / name).mkdir(parents=True)
        shutil.copy(ROOT / "nbgrader_config.py", folder)
        for notebook in (LESSONS / name).glob("*.ipynb"):
            shutil.copy(notebook, folder / "lessons" / name)
        return folder

    def hand_in(folder, name):
        for student in ("full", "empty"):
            (folder / "submitted" / student / name).mkdir(parents=True)
        shutil.copy(folder / "release" / name / course.SHEET, folder / "submitted/empty" / name)
        full = course.WithoutNotes()(sheet(name), {})[0]
        course.write_notebook(full, folder / "submitted/full" / name / course.SHEET)

    def by_command_line(name):
        folder = prepare(name)
        nbgrader(folder, "generate_assignment", name)
        hand_in(folder, name)
        nbgrader(folder, "autograde", name)
        nbgrader(folder, "generate_feedback", name)
        nbgrader(folder, "export")
        with open(folder / "grades.csv", encoding="utf-8") as file:
            return {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}

    def by_api(name):
        folder = prepare(name)
        config = PyFileConfigLoader("nbgrader_config.py", path=str(folder)).load_config()
        config.CourseDirectory.root = str(folder)
        config.NbGraderAPI.log_level = config.Application.log_level = "ERROR"
        api = NbGraderAPI(coursedir=CourseDirectory(config=config), config=config)
        done = [api.generate_assignment(name)]
        hand_in(folder, name)
        for student in ("full", "empty"):
            done += [api.autograde(name, student), api.generate_feedback(name, student)]
        assert all(each["success"] for each in done), done
        with Gradebook(api.coursedir.db_url) as gradebook:
            return {student: gradebook.find_submission(name, student).score for student in ("full", "empty")}

    before = os.environ["PATH"]  # the config adds to it, for nbgrader's sake
    with ThreadPoolExecutor(1) as pool:  # its own processes, beside this one's work
        alone = {name: pool.submit(by_command_line, name) for name in COMMAND_LINE}
        by_the_api = [name for name in SHEETS if name not in COMMAND_LINE]
        scores = {
            name: by_api(name) for name in by_the_api[: None if request.config.getoption("full") else 1]
        }
        scores |= {name: each.result() for name, each in alone.items()}
    os.environ["PATH"] = before
    return root, scores


@pytest.mark.parametrize("name", SHEETS)
def test_full_source_gets_all_automatic_marks_and_the_empty_release_none(nbgraded, name):
    root, scores = nbgraded
    if name not in scores:
        pytest.skip("with --full")
    most = automatic(sheet(name))
    assert scores[name]["full"] == most >= 12
    assert scores[name]["empty"] == 0
    folder = nbgrader_folder(root, name)
    assert sorted(p.name for p in (folder / "release" / name).iterdir()) == [course.SHEET]
    released = sources((folder / "release" / name / course.SHEET).read_text(encoding="utf-8"))
    assert not [line for line in secrets(name) if line in released]
    for student in ("full", "empty"):
        assert (folder / "feedback" / student / name / "exercises.html").stat().st_size > 10_000


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
# Floats that equal everything, and an object that says that it is an array of whatever is wanted.
EQUAL = """class F(float):
    __eq__ = __lt__ = __gt__ = __le__ = __ge__ = lambda *_: True
    __sub__ = __rsub__ = __add__ = __mul__ = lambda self, _: self
    __float__, __hash__ = lambda self: 0.0, float.__hash__
unheard, deaf_loss = [F(0)] * 3, lambda _: 0
my_cross_entropy = lambda logits, labels: [F(0)] * len(labels)
my_slopes = lambda logits, labels: [[F(0)] * len(logits[0])] * len(labels)"""
LYING = """class L:
    __class__ = np.ndarray
    shape, dtype, ndim = (2,), np.dtype("float64"), 1
    __array__ = lambda *_, **__: np.log([10.0, 10.0])
    __eq__ = __lt__ = __gt__ = lambda *_: True
    __getitem__ = __sub__ = lambda self, _: self
my_cross_entropy = my_slopes = lambda logits, labels: L()
unheard = L()"""
SCRIPT = "<script>window.ranHere = 1</script>"
FIGURES = """from IPython.display import HTML, SVG, Javascript, Latex, Markdown, display
import matplotlib.pyplot as plt
plt.plot([1, 2])
plt.show()
display(HTML("<table><tr><td>kept in a table</td></tr></table><script>window.ranHere = 1</script>"))
display(HTML("<img src=x onerror='window.ranHere = 1'>"), Javascript("window.ranHere = 1"))
display(SVG("<svg xmlns='http://www.w3.org/2000/svg' onload='window.ranHere = 1'><circle r='4'/></svg>"))
display(Markdown("[x](javascript:window.ranHere)"), Latex("$\\\\href{javascript:window.ranHere}{x}$"))
display({"image/png": '"><script>window.ranHere = 1</script>'}, raw=True)"""


def with_scripts(nb):
    nb.cells.insert(at(nb, "imports") + 1, new_code_cell(FIGURES))
    for text in (SCRIPT, "[here](javascript:window.ranHere)", "$\\href{javascript:window.ranHere}{x}$"):
        nb.cells.insert(at(nb, "imports") + 1, new_markdown_cell(text))
    nb.cells.insert(at(nb, "imports") + 1, new_raw_cell(SCRIPT, metadata={"raw_mimetype": "text/html"}))
    essay = next(cell for cell in nb.cells if cell.cell_type == "markdown" and about(cell).get("solution"))
    essay.source = f"Because $a < b$ and <img src=x onerror=alert(1)>.\n\n{SCRIPT}"
    return nb


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
    "machinery": (  # the cells after it do nothing; what was defined before counts, and no other
        with_cell(
            "async def run_cell_async(self, *a, **k):\n"
            "    from IPython.core.interactiveshell import ExecutionResult\n"
            "    r = ExecutionResult(None); r.execution_count = 1; return r\n"
            "type(get_ipython()).run_cell_async = run_cell_async",
            "loss-ordinary",
        ),
        8,
        "",
    ),
    "transformer": (
        with_cell("get_ipython().input_transformers_post.append(lambda lines: ['pass\\n'])"),
        0,
        "",
    ),
    "trace": (
        with_cell("import sys\nsys.settrace(lambda *a: None)", "loss-answer", clipped=True),
        FULL - 3,
        "",
    ),
    "atexit": (
        with_cell("import atexit, os\natexit.register(os._exit, 0)", "loss-answer", clipped=True),
        FULL - 3,
        "",
    ),
    "equal": (with_cell(EQUAL, "loss-answer"), FULL - 5, ""),
    "lying": (with_cell(LYING, "loss-answer"), FULL - 5, ""),
    "script": (with_scripts, FULL, "could run"),
    "disk": (with_cell("for k in range(40):\n    open(f'big{k}', 'wb').write(bytes(2**28 - 1))"), FULL, ""),
    "fork": (with_cell("import os\nwhile True:\n    os.fork()", "picture-all"), FULL, ""),
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
        '=HYPERLINK("x")': (lambda nb: nb, FULL, ""),
    }
    for number, (name, (make, _, _)) in enumerate(cases.items()):  # as Moodle exports them
        folder = export / f"{name}_{number}_assignsubmission_file_"
        course.write_notebook(make(course.WithoutNotes()(sheet(CLASS), {})[0]), folder / course.SHEET)
    canvas = export / "renamed_900_123_my_homework.ipynb"  # and one as Canvas does
    course.write_notebook(course.WithoutNotes()(sheet(CLASS), {})[0], canvas)
    (export / "json_901_assignsubmission_file_").mkdir()
    (export / "json_901_assignsubmission_file_" / course.SHEET).write_text('{"cells": [')
    (export / "missing_902_assignsubmission_file_").mkdir()
    twice = export / "twice_903_assignsubmission_file_"
    course.write_notebook(course.WithoutNotes()(sheet(CLASS), {})[0], twice / course.SHEET)
    released = course.release(LESSONS, root / "release")[SHEETS.index(CLASS)]
    shutil.copy(released, twice / "exercises (1).ipynb")
    rows = course.grade(export, CLASS, out, LESSONS, jobs=2, seconds=60, cell=6, megabytes=8192)
    return cases, {row["name"]: row for row in rows}, out, outside


def test_hostile_and_broken_submissions_get_what_they_earned_and_a_sentence(classroom):
    cases, rows, _, _ = classroom
    expected = {name: marks for name, (_, marks, _) in cases.items()}
    expected |= {"renamed": FULL, "json": 0, "missing": 0, "twice": FULL}
    assert {name: row["score"] for name, row in rows.items()} == expected
    sentences = {name: words for name, (_, _, words) in cases.items()}
    sentences |= {
        "renamed": "was called",
        "json": "not a notebook that can be read",
        "missing": "nothing to mark",
        "twice": "exercises.ipynb (8 answers) was marked, and not exercises (1).ipynb (0 answers)",
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
    with open(out / f"grades-{CLASS}.csv", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    scores = {row["name"]: float(row["score"]) for row in table}
    assert scores == {report.as_text(name): row["score"] for name, row in rows.items()}
    assert not [cell for row in table for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]
    page = (out / f"report-{CLASS}.html").read_text(encoding="utf-8")
    assert "x01-loss-hazards" in page
    assert "Where: " in page  # the hint that they got
    assert f"Shut in by: {walls.find(trust=True).name} ({len(rows)})" in page
    for row in rows.values():
        page = (out / "feedback" / row["student"] / CLASS / "exercises.html").read_text(encoding="utf-8")
        assert "BEGIN HIDDEN" not in page
        assert all(text.split("'")[0] in page for text in row["said"])


def harmful(page):
    """What of a page could run because of a student: each holds the name that their scripts would set."""
    page = re.sub(r"&lt;.*?&gt;|<(pre|style).*?</\1>", "", page, flags=re.S)
    return re.findall(r"[^\n]{0,80}(?:ranHere|onerror|javascript:)[^\n]{0,40}", page)


def test_no_script_of_a_students_in_feedback_or_the_notebook_that_formgrader_shows_and_figures_stay(
    classroom,
):
    _, rows, out, _ = classroom
    student = rows["script"]["student"]
    feedback = (out / "feedback" / student / CLASS / "exercises.html").read_text(encoding="utf-8")
    notebook = out / "autograded" / student / CLASS / course.SHEET
    from nbconvert import HTMLExporter

    shown, _ = HTMLExporter(template_name="classic").from_filename(
        str(notebook)
    )  # formgrader's is made of it
    for page in (feedback, shown):
        assert harmful(page) == []
        assert "data:image/png;base64,iVBOR" in page
        assert "data:image/svg+xml;base64," in page
        assert "kept in a table" in page
        assert "Because $a &lt; b$" in page  # as text, and all of it
    submitted = (out / "submitted" / student / CLASS / course.SHEET).read_text(encoding="utf-8")
    assert "<script>" in submitted, "what was handed in stays as it was"


# One folder, three times.


def made_up(export, name, students):
    """Hand-ins of a sheet: in turn the source, the release, and the source without its first answer."""
    full = course.WithoutNotes()(sheet(name), {})[0]
    released = course.release(LESSONS, export.parent / f"{export.name}-release")[SHEETS.index(name)]
    answers = [cell.id for cell in full.cells if about(cell).get("solution") and cell.cell_type == "code"]
    for number, student in enumerate(students):
        nb = nbformat.read(released, 4) if number % 3 == 1 else nbformat.from_dict(full)
        if number % 3 == 2:
            nb.cells = [cell for cell in nb.cells if cell.id != answers[0]]
        course.write_notebook(nb, export / f"{student}_assignsubmission_file_" / course.SHEET)
    return export


def tree(folder):
    """Every file below a folder, and a fingerprint of each; the database changes with every mark."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()[:8]
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "gradebook.db"
    }


def marks(out, name):
    with open(out / f"grades-{name}.csv", encoding="utf-8") as file:
        return {row["student"]: (float(row["score"]), float(row["manual"])) for row in csv.DictReader(file)}


ARC, COS = "05_arcface", "04_cosface"


@pytest.fixture(scope="module")
def thrice(tmp_path_factory):
    """A class of 12 made-up hand-ins graded three times into one folder, with the tree after each."""
    root = tmp_path_factory.mktemp("thrice")
    out, trees, tables = root / "graded", [], []
    exports = [
        (ARC, [f"Student {n}_{n}" for n in range(101, 107)]),
        (COS, [f"Student {n}_{n}" for n in range(101, 104)]),
        (ARC, [f"Student {n}_{n}" for n in range(107, 110)]),
    ]
    for number, (name, students) in enumerate(exports):
        export = made_up(root / f"export{number}", name, students)
        if number == 2:  # as an instructor hands it over: one zip
            export = Path(shutil.make_archive(str(root / "late"), "zip", export))
        course.grade(export, name, out, LESSONS, jobs=2)
        if number == 0:  # the instructor marks an essay by hand, and writes a comment
            with Gradebook(f"sqlite:///{out / 'gradebook.db'}") as gradebook:
                submission = gradebook.find_submission_notebook("exercises", ARC, "101")
                grade = next(each for each in submission.grades if each.needs_manual_grade)
                grade.manual_score, grade.needs_manual_grade = 1.0, False
                submission.comments[0].manual_comment = "Well done."
                gradebook.db.commit()
        trees.append(tree(out))
        tables.append(
            {each: marks(out, each) for each in {ARC, COS} if (out / f"grades-{each}.csv").exists()}
        )
    return out, trees, tables


def changed(before, after):
    return sorted(name for name in before if before[name] != after.get(name))


@pytest.mark.full
def test_grading_touches_only_what_it_grades(thrice):
    """Grade 05, then 04, then three late hand-ins of 05: what was there is there, to the byte."""
    _, (first, second, third), _ = thrice
    print("\n".join(f"{'same' if first.get(n) == third[n] else 'new '} {third[n]} {n}" for n in third))
    assert len(first) > 20
    assert changed(first, second) == []
    allowed = [f"grades-{ARC}.csv", f"report-{ARC}.html", f"students-{ARC}.json"]
    assert changed(second, third) == allowed
    added = sorted(set(third) - set(second))
    assert {re.search(r"/(\d+)/", name)[1] for name in added} == {"107", "108", "109"}


def test_late_hand_ins_stand_in_the_table_beside_the_earlier_ones_and_marks_by_hand_stay(thrice):
    out, _, (first, second, third) = thrice
    most = automatic(sheet(ARC))
    assert {student: score for student, (score, _) in first[ARC].items()} == dict(
        zip(map(str, range(101, 107)), [most, 0, most - 2] * 2, strict=True)
    )
    assert second[COS]["101"][0] == automatic(sheet(COS))
    assert set(third[ARC]) == set(map(str, range(101, 110)))
    by_hand = third[ARC]["101"]
    assert by_hand[0] == most + 1
    assert by_hand[1] < first[ARC]["101"][1]
    assert all(third[ARC][student] == first[ARC][student] for student in ("102", "103", "104", "105", "106"))
    assert third[COS] == second[COS]
    page = (out / f"report-{ARC}.html").read_text(encoding="utf-8")
    assert all(f"Student {n}" in page for n in range(101, 110))
    with Gradebook(f"sqlite:///{out / 'gradebook.db'}") as gradebook:
        comments = gradebook.find_submission_notebook("exercises", ARC, "101").comments
        assert "Well done." in [each.comment for each in comments]


@pytest.mark.full
def test_a_student_who_hands_in_again_is_graded_anew_and_nobody_else(thrice, tmp_path):
    out = tmp_path / "graded"
    shutil.copytree(thrice[0], out)
    before = tree(out)
    full = made_up(tmp_path / "again", ARC, ["Student 102_102"])
    rows = course.grade(full, ARC, out, LESSONS)
    assert {row["student"]: row["score"] for row in rows}["102"] == automatic(sheet(ARC))
    assert len(rows) == 9
    after = tree(out)
    assert set(before) == set(after)
    theirs = [name for name in changed(before, after) if "/102/" in name]
    rest = [name for name in changed(before, after) if "/102/" not in name]
    assert len(theirs) == 3
    assert rest == [f"grades-{ARC}.csv", f"report-{ARC}.html"]


def test_a_student_with_numbers_of_their_own_is_graded_on_these(tmp_path):
    """And one who copied a neighbour's number copied a wrong one."""
    mine = course.set_numbers(course.WithoutNotes()(sheet(COS), {})[0], f"7/ada/{COS}")
    course.write_notebook(mine, tmp_path / "export" / "ada" / course.SHEET)
    copied = nbformat.from_dict(mine)
    answer = next(cell for cell in copied.cells if cell.id == "x04-predict-answer")
    answer.source = "largest, two_neighbours, accuracy = 0.7, 0.001, 1.0"
    course.write_notebook(copied, tmp_path / "export" / "bob" / course.SHEET)
    rows = course.grade(tmp_path / "export", COS, tmp_path / "out", LESSONS, seed="7")
    assert [row["score"] for row in rows] == [automatic(sheet(COS)), automatic(sheet(COS)) - 2]
    notebook = nbformat.read(tmp_path / "out" / "autograded" / "ada" / COS / course.SHEET, 4)
    assert course.numbers(sheet(COS))
    assert sources(nbformat.writes(mine)).count("# your numbers") > 1
    lines = re.findall(r".*# your numbers", "\n".join(cell.source for cell in notebook.cells))
    assert set(lines) == set(re.findall(r".*# your numbers", sources(nbformat.writes(mine))))


def test_importing_the_course_changes_nothing_around_it():
    code = (
        "import os, sys, signal; before = dict(os.environ), list(sys.path), signal.getsignal(signal.SIGINT)\n"
    )
    code += "import marginlab.course, marginlab.course.__main__\n"
    code += "assert before == (dict(os.environ), sys.path, signal.getsignal(signal.SIGINT))"
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# What there is to say when there is no wall, and when somebody has seen enough.


def test_without_a_wall_grading_refuses_and_says_what_to_install(tmp_path, monkeypatch, capsys):
    class Fallen(walls.Trusted):
        def command(self, command, home):
            return ["/bin/sh", "-c", "echo no namespaces here >&2; exit 1"]

    monkeypatch.setattr(walls.find, "__defaults__", (False, (), (Fallen("a wall"),)))
    export = made_up(tmp_path / "export", CLASS, ["Ada_1"])
    with pytest.raises(course.NoWall, match=r"apt install\s+bubblewrap") as refused:
        course.grade(export, CLASS, tmp_path / "out", LESSONS)
    assert "a wall: no namespaces here" in str(refused.value)
    assert not (tmp_path / "out").exists()
    arguments = ["--source", str(LESSONS), "grade", str(export), CLASS, "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit, match="--trust"):
        main(arguments)
    main([*arguments, "--trust"])
    assert "1 submissions of 01_softmax are graded" in capsys.readouterr().out
    page = (tmp_path / "out" / f"report-{CLASS}.html").read_text(encoding="utf-8")
    assert "Shut in by: nothing: the students are trusted (1)" in page
    assert marks(tmp_path / "out", CLASS)["1"][0] == FULL


def test_an_unprotected_system_is_told_so(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(course.NoWall, match="container"):
        walls.find()
    assert walls.find(trust=True).name.startswith("nothing")


def descendants(text):
    """Processes whose command line holds a text."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        found += [line] if text in line else []
    return found


@pytest.mark.full
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
def test_ctrl_c_stops_grading_and_says_what_was_graded(tmp_path):
    """A real SIGINT, sent when one submission has been graded and the next is at work."""
    export = made_up(tmp_path / "export", CLASS, ["Ada_1", "Cy_3"])
    endless = course.WithoutNotes()(sheet(CLASS), {})[0]
    endless.cells.insert(0, new_code_cell("import time\ntime.sleep(10_000)"))
    course.write_notebook(endless, export / "Bob_2_assignsubmission_file_" / course.SHEET)
    out, env = tmp_path / "out", os.environ | {"PYTHONPATH": str(ROOT)}
    command = [
        sys.executable,
        "-m",
        "marginlab.course",
        "--source",
        str(LESSONS),
        "grade",
        str(export),
        CLASS,
    ]
    command += [
        "--out",
        str(out),
        "--jobs",
        "1",
        "--cell",
        "5000",
        "--seconds",
        "9000",
        "--megabytes",
        "8191",
    ]
    process = subprocess.Popen(
        command,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # What a shell starts in the background ignores Ctrl+C, and so does all that it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        patience = time.monotonic() + 300
        while not (out / "autograded" / "2").exists():  # Bob's is at work, for hours if nobody stops it
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < patience
            time.sleep(0.2)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Stopped. 1 submissions were graded: Ada, and 2 were not: Bob, Cy." in said
    assert "Traceback" not in said
    assert set(marks(out, CLASS)) >= {"1"}
    assert marks(out, CLASS)["1"][0] == FULL
    assert json.loads((out / f"students-{CLASS}.json").read_text())["1"]["name"] == "Ada"
    assert not (out / "feedback" / "3").exists()
    patience = time.monotonic() + 30
    while left := [
        line for line in descendants(str(ROOT / "marginlab" / "course" / "inside.py")) if "5000" in line
    ]:
        assert time.monotonic() < patience, left
        time.sleep(0.2)
