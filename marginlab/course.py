"""A class around the sheets: release and bundle them, vary their numbers, grade what comes back.

    python -m marginlab.course release DIR              the sheets as students get them
    python -m marginlab.course bundle course.zip        a zip for students: sheets, lessons, package
    python -m marginlab.course variants ids.txt DIR     the sheets with other numbers for each student
    python -m marginlab.course grade DIR 05_arcface     what Moodle or Canvas exported, to grades.csv

Built on nbgrader (install the extra "exercises"). A sheet is one notebook, `lessons/NN_name/exercises.ipynb`,
with solutions, hidden tests and teaching notes in it; everything else is made from it. Submissions run in
processes of their own, under limits of time and memory (`marginlab.guard`). That is no sandbox: see the
book's page on grading.
"""

import argparse
import collections
import csv
import html
import multiprocessing
import os
import random
import re
import shutil
import sys
import tempfile
import time
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat.v4 import new_code_cell, new_notebook, new_output
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps import NbGraderAPI
from nbgrader.converters import Autograde, GenerateAssignment, GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import (
    CheckCellMetadata,
    ClearOutput,
    ClearSolutions,
    Execute,
    NbGraderPreprocessor,
    OverwriteCells,
    OverwriteKernelspec,
)
from nbgrader.utils import is_grade, is_locked, is_solution
from traitlets import Unicode
from traitlets.config import Config

# nbgrader finds the program alembic by PATH; a virtual environment need not be activated for that.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])

SHEET = "exercises.ipynb"
_LARGEST = 2**28  # bytes of a submitted notebook


def sheets(source="lessons"):
    """Names of the sheets below a folder, in order."""
    return sorted(path.parent.name for path in Path(source).glob(f"*/{SHEET}"))


# ------------------------------------------------------------------ what a sheet becomes


class WithoutNotes(NbGraderPreprocessor):
    """Takes out the instructors' cells: those with the tag "instructor"."""

    def preprocess(self, nb, resources):
        nb.cells = [cell for cell in nb.cells if "instructor" not in cell.metadata.get("tags", [])]
        return nb, resources


def _preprocessors(cls, name="preprocessors"):
    return list(cls.class_traits()[name].default())


def _through(steps, nb, resources=None):
    for step in steps:
        nb, resources = step()(nb, resources or {})
    return nb


def _without_database():
    """The steps of generate_assignment that need no gradebook, and ours."""
    steps = [s for s in _preprocessors(GenerateAssignment) if s.__name__ not in _DATABASE]
    return [WithoutNotes, *steps]


_DATABASE = ("SaveCells", "IncludeHeaderFooter", "InstantiateTests")


def release(source="lessons", target="release"):
    """Write the students' version of every sheet, without solutions, hidden tests and notes.

    Args:
        source: the folder of the lessons.
        target: the folder to write to; a sheet goes to `target/NN_name/exercises.ipynb`.

    Returns:
        The paths written.
    """
    paths = []
    for name in sheets(source):
        nb = _through(_without_database(), nbformat.read(Path(source, name, SHEET), 4), {"nbgrader": {}})
        paths.append(_write(nb, Path(target, name, SHEET)))
    return paths


def _write(nb, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nb, path)
    return path


# ------------------------------------------------------------------ other numbers for each student


def numbers(nb):
    """Which of a sheet's names may take which values, ``{name: values}``: its cells' metadata say it."""
    return {name: values for cell in nb.cells for name, values in cell.metadata.get("numbers", {}).items()}


def set_numbers(nb, seed):
    """Give a sheet other numbers, in place: of those that it allows, the ones that the seed chooses."""
    return write_numbers(
        nb, {name: random.Random(f"{seed}/{name}").choice(values) for name, values in numbers(nb).items()}
    )


def write_numbers(nb, chosen):
    """Give a sheet the numbers chosen, ``{name: value}``, in place.

    Each line that ends in "# your numbers" is written anew, in the sheet's tests too, so that both sides
    speak of the same numbers.
    """

    def line(match):
        names = match[1].split(", ")
        return f"{match[1]} = {', '.join(repr(chosen[name]) for name in names)}  # your numbers"

    for cell in nb.cells:
        if cell.cell_type == "code" and not is_solution(cell):
            cell.source = re.sub(r"^([A-Z0-9_, ]+?) = .*  # your numbers$", line, cell.source, flags=re.M)
    return nb


def variants(students, seed, target, source="lessons"):
    """Write the sheets with other numbers for each student, to `target/STUDENT/NN_name/exercises.ipynb`.

    Grade them with the same seed: `grade(…, seed=seed)`.
    """
    with tempfile.TemporaryDirectory() as folder:
        plain = [nbformat.read(path, 4) for path in release(source, folder)]
    paths = []
    for student in students:
        for name, nb in zip(sheets(source), plain, strict=True):
            nb = set_numbers(nbformat.from_dict(nb), f"{seed}/{student}/{name}")
            paths.append(_write(nb, Path(target, student, name, SHEET)))
    return paths


# ------------------------------------------------------------------ a zip for students

_SMOKE = '''"""Run this at home once: python smoke_test.py"""

import sys

import numpy as np

import jupyterlab  # noqa: F401
from marginlab import load_mnist
from marginlab.checks import check_unit

assert sys.version_info >= (3, 11), "marginlab needs Python 3.11 or newer"
assert load_mnist()[0][0].shape == (60000, 28, 28)


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


assert check_unit(unit).parts["ordinary vectors"], "the check ran, and was wrong about this function"

print("All is well. Now: jupyter lab lessons")
'''

_START = """# Start here

You need Python 3.11 or newer, and the network once, to install.

    python -m venv .venv
    .venv/bin/pip install -r requirements.txt        (Windows: .venv\\Scripts\\pip)
    .venv/bin/python smoke_test.py
    .venv/bin/jupyter lab lessons

TensorFlow may print a few red lines about oneDNN or a GPU when it starts. They are harmless.

**The chapters** are `lessons/NN_name/lesson.ipynb`. Run them from top to bottom.

**The sheets** are `lessons/NN_name/exercises.ipynb`, one for each chapter. Write only where a cell says YOUR
CODE HERE or YOUR ANSWER HERE: replace `...`, and `raise NotImplementedError()`, by your own code. Each cell
after yours tests what you wrote. Run it as often as you like: an error says what is still missing. The
checks print which parts are right and a first hint; two more come by `.hint(2)` and `.hint(3)`.

**To hand in**, choose Kernel, Restart Kernel and Run All Cells, save, and give in your `exercises.ipynb`
under that name, where your course asks for it. Hidden tests, on other numbers, give the marks. Do not
delete cells; cells of your own may stay.

`book/` holds the glossary and the other pages that the chapters link to.
"""


def bundle(target, source="lessons"):
    """Make the students' zip: sheets, lessons and the pages they link to, the package, pinned requirements,
    a smoke test, and START.md, which says how to begin.

    Returns:
        The path of the zip.
    """
    source, target = Path(source), Path(target)
    root = source.resolve().parent
    with (
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as zipped,
        tempfile.TemporaryDirectory() as folder,
    ):
        for path in release(source, folder):
            zipped.write(path, Path("lessons", path.parent.name, SHEET))
        for path in source.glob("*/lesson.ipynb"):
            zipped.write(path, Path("lessons", path.parent.name, path.name))
        for path in sorted((root / "marginlab").rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                zipped.write(path, path.relative_to(root))
        for path in sorted((root / "book").glob("*.md")):
            zipped.write(path, path.relative_to(root))
        measured = Path("tests/benchmarks/results.json")  # chapter 7 shows it where there is one
        if (root / measured).exists():
            zipped.write(root / measured, measured)
        # pip needs README.md: pyproject.toml names it.
        for name in ("pyproject.toml", "constraints.txt", "README.md", "LICENSE"):
            zipped.write(root / name, name)
        zipped.writestr("START.md", _START)
        zipped.writestr("requirements.txt", "-c constraints.txt\n.[lab]\n")
        zipped.writestr("smoke_test.py", _SMOKE)
    return target


# ------------------------------------------------------------------ running one submission

_SAID = []  # sentences about the submission that this process grades


class Restore(NbGraderPreprocessor):
    """Puts a submission back into the sheet: its cells, its order, its tests; of the student's, the answers.

    Cells of the student's own stay, behind the cell that they stood behind.
    """

    seed = Unicode("", help="the seed that the students' numbers were made with").tag(config=True)

    @classmethod
    def sanitizers(cls):
        """The steps that nbgrader's autograde should take before a notebook runs."""
        return [ClearOutput, cls, OverwriteKernelspec, OverwriteCells, Numbers, CheckCellMetadata]

    def preprocess(self, nb, resources):
        where = self.parent.parent.coursedir
        sheet = where.format_path(where.source_directory, ".", resources["nbgrader"]["assignment"])
        master = _through([WithoutNotes, ClearSolutions, ClearOutput], nbformat.read(Path(sheet, SHEET), 4))
        known = {_name(cell): cell for cell in master.cells}
        theirs, extra, order, here = {}, collections.defaultdict(list), [], None
        for cell in nb.cells:
            name = _name(cell)
            if name in known and name not in theirs:
                theirs[name], here = cell, name
                order.append(name)
            elif cell.source.strip():
                cell.metadata, cell.id = {}, f"extra-{len(nb.cells)}-{sum(map(len, extra.values()))}"
                extra[here].append(cell)
        cells = list(extra[None])
        for name, cell in known.items():
            if is_solution(cell) and name in theirs:
                cell.source = theirs[name].source
            cells += [cell, *extra[name]]
        if nb.cells:
            self._say(known, theirs, order)
        nb.cells, nb.metadata = cells, master.metadata
        nb.nbformat, nb.nbformat_minor = master.nbformat, master.nbformat_minor
        return nb, resources

    def _say(self, known, theirs, order):
        missing = [name for name in known if name not in theirs]
        if missing:
            _SAID.append(
                f"{len(missing)} of the sheet's cells were missing and were put back: {_some(missing)}."
            )
        # Two cells may have changed by white space alone, and a variant's by its numbers.
        plain = lambda text: re.sub(r"\s+", "", re.sub(r"= .*# your numbers", "", text))  # noqa: E731
        changed = [
            name
            for name, cell in theirs.items()
            if is_grade(known[name])
            and is_locked(known[name])
            and plain(cell.source) != plain(_hidden_removed(known[name].source))
            and plain(cell.source) != plain(known[name].source)
        ]
        if changed:
            _SAID.append(f"Test cells had been changed; the sheet's own were run: {_some(changed)}.")
        if order != [name for name in known if name in theirs]:
            _SAID.append("The cells stood in another order; they were run in the sheet's.")


def _some(names):
    return ", ".join(names[:4]) + (", …" if len(names) > 4 else "")


def _name(cell):
    """A cell's name in the sheet: nbgrader's, or the cell's id, its twin, where a program lost nbgrader's."""
    meta = cell.metadata.get("nbgrader")
    return (meta.get("grade_id") if isinstance(meta, dict) else None) or cell.get("id")


def _where(cell):
    name = _name(cell)
    return "A cell of the student's own" if name.startswith("extra-") else f"Cell {name}"


def _hidden_removed(source):
    return re.sub(r"### BEGIN HIDDEN TESTS.*?### END HIDDEN TESTS\n?", "", source, flags=re.S)


class Numbers(NbGraderPreprocessor):
    """The student's own numbers, after nbgrader has written the sheet's into every locked cell."""

    def preprocess(self, nb, resources):
        seed = Restore(parent=self.parent).seed
        if seed:
            about = resources["nbgrader"]
            set_numbers(nb, f"{seed}/{about['student']}/{about['assignment']}")
        return nb, resources


class GuardedKernel(AsyncKernelManager):
    """A kernel under `marginlab.guard`."""

    def format_kernel_cmd(self, extra_arguments=None):
        return [sys.executable, "-m", "marginlab.guard", "-f", self.connection_file]


class Guarded(Execute):
    """Runs a submission under limits, and keeps what it has earned whatever happens to its kernel."""

    largest_output = 100_000  # characters of a cell

    def __init__(self, **more):
        super().__init__(kernel_manager_class=GuardedKernel, **more)
        self.iopub_timeout = 20

    def preprocess(self, nb, resources, km=None):
        self.ends, self.over, self.written = time.monotonic() + _LIMITS["seconds"], None, 0
        with tempfile.TemporaryDirectory() as folder:
            resources.setdefault("metadata", {})["path"] = folder
            names = ("HOME", "TMPDIR", "IPYTHONDIR", "MPLCONFIGDIR")
            os.environ.update(dict.fromkeys(names, folder), MPLBACKEND="agg", PYTHONDONTWRITEBYTECODE="1")
            return super().preprocess(nb, resources, km)

    def preprocess_cell(self, cell, resources, index):
        if cell.cell_type != "code" or not cell.source.strip():
            return cell, resources
        left = self.ends - time.monotonic()
        if left <= 0 and not self.over:
            self._end(
                f"The notebook took longer than {_LIMITS['seconds']:.0f} seconds; the rest was not run."
            )
        if not self.over:
            self.written, self.timeout = 0, max(1, min(_LIMITS["cell"], int(left)))
            graded = is_grade(cell) and is_locked(cell)
            try:
                if graded:
                    self._canary(index)
                if not self.over:
                    cell, resources = super().preprocess_cell(cell, resources, index)
            except DeadKernelError:
                self.over = f"The kernel died; the rest was not run. {_where(cell)} was the last."
                _SAID.append(self.over)
            except CellTimeoutError:
                self._end(f"{_where(cell)} could not be stopped; the rest was not run.")
            except Exception as error:  # output that nobody can read, and the like
                self._end(f"{_where(cell)} could not be run to its end ({type(error).__name__}).")
            if graded:  # nbgrader would read such a value as a partial grade, and a notebook can send one
                cell.outputs = [o for o in cell.outputs if o.output_type != "execute_result"]
            if any(o.output_type == "error" and o.ename == "CellTimeoutError" for o in cell.outputs):
                _SAID.append(f"{_where(cell)} was stopped after {self.timeout} seconds.")
        if self.over:
            cell.outputs = [*cell.get("outputs", []), _error("NotRun", self.over)]
        return cell, resources

    def _canary(self, index):
        """A cell that must fail; where it does not, the notebook has taken hold of what runs it."""
        token = f"{random.getrandbits(64):x}"
        cell = new_code_cell(f"assert False, '{token}'")
        super().preprocess_cell(cell, self.resources, index)
        if not any(o.output_type == "error" and token in o.evalue for o in cell.outputs):
            if any(o.output_type == "error" and o.ename == "CellTimeoutError" for o in cell.outputs):
                self._end("A cell could not be stopped; the rest was not run.")
            else:
                self._end(
                    "The notebook changed the machinery that runs its tests; from there on none counts."
                )

    def _end(self, why):
        self.over = why
        _SAID.append(why)
        # Not through the client, whose own loop may be what hangs.
        process = getattr(self.km.provisioner, "process", None)
        if process:
            process.kill()

    def process_message(self, msg, cell, cell_index):
        text = str(msg["content"].get("text", "") or msg["content"].get("data", ""))
        self.written += len(text)
        if self.written > self.largest_output and msg["msg_type"] in (
            "stream",
            "display_data",
            "execute_result",
        ):
            if self.written - len(text) <= self.largest_output:
                _SAID.append(
                    f"{_where(cell)} printed more than {self.largest_output} characters; they were cut."
                )
                cell.outputs.append(new_output("stream", name="stdout", text="… cut here\n"))
            return None
        return super().process_message(msg, cell, cell_index)


_LIMITS = {"seconds": 300.0, "cell": 60}


def _error(name, value):
    return new_output("error", ename=name, evalue=value, traceback=[f"{name}: {value}"])


class ForStudents(NbGraderPreprocessor):
    """What a feedback page leaves out: hidden tests, and the lines of them that a traceback shows."""

    def preprocess_cell(self, cell, resources, index):
        if cell.cell_type == "code" and is_grade(cell):
            cell.source = _hidden_removed(cell.source)
            for output in cell.outputs:
                if output.output_type == "error":
                    why = output.evalue or "a hidden test failed: the same task on other numbers"
                    output.traceback = [f"{output.ename}: {why}"]
        return cell, resources


# ------------------------------------------------------------------ what comes back


@dataclass
class Submission:
    """One student's hand-in: who, which notebook, and what there is to say about it."""

    student: str
    name: str
    files: list = field(default_factory=list)
    said: list = field(default_factory=list)


_MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_\w+?_(?P<file>.*)$")
_CANVAS = re.compile(r"(?P<name>[^_]+)_(?:LATE_)?(?P<id>\d+)_\d+_(?P<file>.+)$")


def collect(folder):
    """Submissions in a folder as Moodle or Canvas export them, or with a folder or file for each student.

    Moodle: "Ada Lovelace_123_assignsubmission_file_/any.ipynb", or the same without folders. Canvas:
    "lovelaceada_123_456_any.ipynb". The number after the name is the student's id; else the folder's name is.
    """
    folder, found = Path(folder), {}
    entries = [path for path in sorted(folder.iterdir()) if not path.name.startswith((".", "__"))]
    for path in entries:
        match = _MOODLE.match(path.name) or (path.is_file() and _CANVAS.match(path.name))
        name = match["name"] if match else path.stem if path.is_file() else path.name
        student = re.sub(r"[^\w.-]", "_", match["id"] if match else name)
        files = [path] if path.is_file() else [p for p in sorted(path.rglob("*")) if p.is_file()]
        found.setdefault(student, Submission(student, name)).files += files
    return [found[student] for student in sorted(found)]


def _read(submission, known):
    """The notebook that has most of the sheet's cells; an empty one, and a sentence, if none has any."""
    best, most = None, 0
    for path in submission.files:
        try:
            if path.suffix.lower() not in (".ipynb", ".json", ".txt", ""):
                continue
            if path.stat().st_size > _LARGEST:
                submission.said.append(f"{path.name} is larger than {_LARGEST >> 20} MB and was not read.")
                continue
            nb = nbformat.read(path, 4)
            nbformat.validate(nb, relax_add_props=True)
        except Exception as error:  # whatever a file can hold
            submission.said.append(
                f"{path.name} is not a notebook that can be read ({type(error).__name__})."
            )
            continue
        shared = len(known & {_name(cell) for cell in nb.cells})
        if shared > most:
            best, most = (path, nb), shared
        elif not shared:
            submission.said.append(f"{path.name} has none of the sheet's cells.")
    if best is None:
        submission.said.append("No notebook of this sheet was found; there is nothing to mark.")
        return new_notebook()
    path, nb = best
    if not re.search(r"(^|_)exercises([-_ ()\d]*)\.ipynb$", path.name):
        submission.said.append(f"The notebook was called {path.name}; it was graded all the same.")
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return nb


# So that nbgrader's own commands, formgrader first of all, go on in the folder that was graded into.
_GRADED = """c = get_config()
c.CourseDirectory.notebook_id = "exercises"
c.GenerateFeedback.preprocessors = [
    "nbgrader.preprocessors.GetGrades",
    "marginlab.course.ForStudents",
    "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
]
"""


def _config(out, seed=""):
    config = Config()
    config.CourseDirectory = Config(root=str(out), notebook_id="exercises", source_directory="source")
    # Processes take turns at the gradebook.
    config.CourseDirectory.db_url = f"sqlite:///{out / 'gradebook.db'}?timeout=120"
    config.GenerateAssignment.preprocessors = [WithoutNotes, *_preprocessors(GenerateAssignment)]
    config.Autograde.sanitize_preprocessors = Restore.sanitizers()
    steps = _preprocessors(Autograde, "autograde_preprocessors")
    config.Autograde.autograde_preprocessors = [Guarded if step is Execute else step for step in steps]
    feedback = _preprocessors(GenerateFeedback)
    config.GenerateFeedback.preprocessors = [*feedback[:1], ForStudents, *feedback[1:]]
    config.Restore.seed = seed
    config.NbGraderAPI.log_level = config.Application.log_level = "ERROR"
    return config


def _api(out, seed=""):
    config = _config(Path(out), seed)
    return NbGraderAPI(coursedir=CourseDirectory(config=config), config=config)


def _one(out, sheet, student, seed, limits, private, connection):
    """Grade and write feedback for one student, in a process of its own."""
    warnings.simplefilter("ignore")  # nbgrader's own, of its database
    _LIMITS.update(limits)
    os.environ["MARGINLAB_MEGABYTES"] = str(limits["megabytes"])
    os.environ["MARGINLAB_PRIVATE"] = os.pathsep.join(private)
    api = _api(out, seed)
    result = api.autograde(sheet, student)
    if result["success"]:
        result = api.generate_feedback(sheet, student)
    connection.send((result["success"], result.get("error") or result.get("log", ""), _SAID))


def _apart(out, sheet, submission, seed, limits, private):
    """`_one` in another process; says whether it came to an end."""
    context = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
    if sys.platform != "win32":
        context.set_forkserver_preload(
            ["marginlab", "nbgrader.apps"]
        )  # or each process would import them again
    receive, send = context.Pipe(duplex=False)
    job = (str(out), sheet, submission.student, seed, limits, private, send)
    process = context.Process(target=_one, args=job)
    process.start()
    send.close()
    try:
        # Its own limit is the one that counts; this is for when it cannot keep it.
        if receive.poll(limits["seconds"] + 120):
            success, why, said = receive.recv()
            submission.said += said
            if not success:
                submission.said.append(f"It could not be graded: {why.strip().splitlines()[-1:]}")
            return success
        submission.said.append("Grading did not come to an end and was stopped.")
    except EOFError:
        submission.said.append("The process that graded it died.")
    finally:
        process.join(5)
        if process.is_alive():
            process.kill()
    return False


def grade(
    folder, sheet, out="graded", source="lessons", *, jobs=None, seconds=300, cell=60, megabytes=8192, seed=""
):
    """Grade the submissions of one sheet, whatever is in them.

    Args:
        folder: what Moodle or Canvas exported, a folder or a zip; see `collect`.
        sheet: the sheet's name, such as "05_arcface".
        out: where to write grades.csv, feedback/STUDENT/SHEET/exercises.html, report.html, and nbgrader's own
            gradebook.db and autograded, from which `nbgrader formgrade` goes on to the manual marks.
        source: the folder of the lessons.
        jobs: how many at a time; by default one for each core.
        seconds: the limit on a submission, in seconds of wall clock.
        cell: the limit on one cell, in seconds.
        megabytes: the limit on the memory of a submission's kernel.
        seed: that of `variants`, if the sheets were made by it.

    Returns:
        One dict a student: student, name, score, of, manual (marks still to give by hand), said.
    """
    out = Path(out).resolve()
    if sheet not in sheets(source):
        raise ValueError(f"sheet must be one of {', '.join(sheets(source))}, got {sheet!r}")
    for path in (out / "source" / sheet, *(out / step for step in ("submitted", "autograded", "feedback"))):
        shutil.rmtree(path / sheet if path.name == sheet else path, ignore_errors=True)
    (out / "source" / sheet).mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(source, sheet, SHEET), out / "source" / sheet / SHEET)
    (out / "nbgrader_config.py").write_text(_GRADED)
    result = _api(out).generate_assignment(sheet)
    if not result["success"]:
        raise RuntimeError(
            f"the sheet itself could not be prepared: {result.get('error') or result.get('log')}"
        )
    known = {_name(c) for c in nbformat.read(out / "source" / sheet / SHEET, 4).cells}

    with tempfile.TemporaryDirectory() as unpacked:
        if Path(folder).is_file():
            shutil.unpack_archive(folder, unpacked, "zip")
            folder = unpacked
        submissions = collect(folder)
        for each in submissions:
            _write(_read(each, known), out / "submitted" / each.student / sheet / SHEET)

    limits = {"seconds": float(seconds), "cell": cell, "megabytes": megabytes}
    private = [str(Path(source).resolve()), str(out)]

    def run(each):
        if not _apart(
            out, sheet, each, seed, limits, private
        ):  # an empty sheet in its place has a page and a 0
            _write(new_notebook(), out / "submitted" / each.student / sheet / SHEET)
            _apart(out, sheet, each, seed, limits, private)

    with ThreadPoolExecutor(jobs or os.cpu_count()) as pool:
        list(pool.map(run, submissions))

    rows = _rows(out, sheet, submissions)
    with open(out / "grades.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["student", "name", "score", "of", "manual", "said"])
        writer.writeheader()
        writer.writerows(row | {"said": " ".join(row["said"])} for row in rows)
    (out / "report.html").write_text(_report(out, sheet, rows), encoding="utf-8")
    _tell(out, sheet, rows)
    return rows


def _rows(out, sheet, submissions):
    rows = []
    with Gradebook(_config(out).CourseDirectory.db_url) as gradebook:
        most = gradebook.find_assignment(sheet).max_score
        for each in submissions:
            row = {"student": each.student, "name": each.name, "score": 0.0, "of": most, "manual": 0.0}
            try:
                done = gradebook.find_submission(sheet, each.student)
                grades = [grade for notebook in done.notebooks for grade in notebook.grades]
                row["score"] = done.score
                row["manual"] = sum(g.max_score for g in grades if g.needs_manual_grade)
            except MissingEntry:
                pass
            rows.append(row | {"said": each.said})
    return rows


# ------------------------------------------------------------------ pages


def _page(title, body):
    style = (
        "body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#222}"
        "table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ddd;padding:.3rem .6rem;"
        "text-align:left;vertical-align:top}.bar{background:#4c78a8;height:1rem;display:inline-block}"
        "pre{white-space:pre-wrap;margin:0}"
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{style}</style>'
        f"<h1>{title}</h1>{body}</html>\n"
    )


def _table(head, rows):
    def line(tag, cells):
        return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"

    return "<table>" + line("th", head) + "".join(line("td", row) for row in rows) + "</table>"


def _missed(out, sheet, rows):
    """For each automatic test: how many missed it, and the hints that they got, the most frequent first."""
    counts, hints = collections.Counter(), collections.defaultdict(collections.Counter)
    for row in rows:
        path = out / "autograded" / row["student"] / sheet / SHEET
        if not path.exists():
            continue
        for cell in nbformat.read(path, 4).cells:
            errors = [o for o in cell.get("outputs", []) if o.output_type == "error"]
            if cell.cell_type == "code" and is_grade(cell) and errors:
                said = "".join(o.text for o in cell.outputs if o.output_type == "stream").strip()
                counts[_name(cell)] += 1
                hints[_name(cell)][said or f"{errors[0].ename}: {errors[0].evalue}".strip(": ")] += 1
    return [(name, count, hints[name].most_common(2)) for name, count in counts.most_common()]


def _report(out, sheet, rows):
    """The class report: how marks lie, which checks were missed and with which hint, and what happened."""
    top = max((row["of"] for row in rows), default=0) or 1
    bins = collections.Counter(min(9, int(10 * row["score"] / top)) for row in rows)
    bars = [
        (
            f"{k * top / 10:.3g} to {(k + 1) * top / 10:.3g}",
            bins[k],
            f'<span class="bar" style="width:{20 * bins[k] / max(bins.values(), default=1):.1f}rem"></span>',
        )
        for k in range(10)
    ]
    missed = [
        (name, count, "".join(f"<pre>{n} ×: {html.escape(text[:400])}</pre>" for text, n in hints))
        for name, count, hints in _missed(out, sheet, rows)
    ]
    students = [
        (
            f'<a href="feedback/{row["student"]}/{sheet}/exercises.html">{html.escape(row["name"])}</a>'
            f" ({row['student']})",
            f"{row['score']:g} of {row['of']:g}",
            f"{row['manual']:g}" if row["manual"] else "",
            html.escape(" ".join(row["said"])),
        )
        for row in rows
    ]
    body = f"<p>{len(rows)} submissions. Marks that are still to be given by hand are not in the scores.</p>"
    body += "<h2>Distribution</h2>" + _table(["marks", "students", ""], bars)
    body += "<h2>Most missed checks</h2>" + _table(["check", "missed by", "hint that they got"], missed)
    body += "<h2>Students</h2>" + _table(["student", "marks", "to mark by hand", "what happened"], students)
    return _page(f"Sheet {sheet}", body)


def _tell(out, sheet, rows):
    """Put the sentences about a submission on top of its feedback page, and the page where there is none."""
    for row in rows:
        path = out / "feedback" / row["student"] / sheet / "exercises.html"
        said = "".join(f"<li>{html.escape(text)}</li>" for text in row["said"])
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_page(f"Sheet {sheet}", f"<p>0 marks of {row['of']:g}.</p><ul>{said}</ul>"))
        elif said:
            text = path.read_text(encoding="utf-8")
            note = f'<div class="container"><h3>About this submission</h3><ul>{said}</ul></div>'
            os.chmod(path, 0o644)
            body = re.search(r"<body[^>]*>", text).end()
            path.write_text(text[:body] + note + text[body:], encoding="utf-8")


# ------------------------------------------------------------------ the command line


def main(arguments=None):
    """`python -m marginlab.course`."""
    parser = argparse.ArgumentParser(prog="python -m marginlab.course", description=__doc__.split("\n")[0])
    parser.add_argument("--source", default="lessons", help="the folder of the lessons (default: lessons)")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("release", help="write the sheets as students get them")
    command.add_argument("target", help="the folder to write to")
    command = commands.add_parser("bundle", help="make the students' zip")
    command.add_argument("target", help="the zip to write")
    command = commands.add_parser("variants", help="write the sheets with other numbers for each student")
    command.add_argument("students", help="a text file, one student's id a line")
    command.add_argument("target", help="the folder to write to")
    command.add_argument("--seed", default="1", help="keep it: grading needs it again")
    command = commands.add_parser("grade", help="grade submissions as Moodle or Canvas export them")
    command.add_argument("folder", help="the export, a folder or a zip")
    command.add_argument("sheet", help="such as 05_arcface")
    command.add_argument("--out", default="graded", help="where to write (default: graded)")
    command.add_argument("--jobs", type=int, help="submissions at a time (default: one a core)")
    command.add_argument("--seconds", type=float, default=300, help="limit on a submission (default: 300)")
    command.add_argument("--cell", type=int, default=60, help="limit on a cell, in seconds (default: 60)")
    command.add_argument("--megabytes", type=int, default=8192, help="limit on memory (default: 8192)")
    command.add_argument("--seed", default="", help="the seed that the variants were made with")
    options = vars(parser.parse_args(arguments))
    command, source = options.pop("command"), options.pop("source")
    if command == "release":
        print(*release(source, options["target"]), sep="\n")
    elif command == "bundle":
        print(bundle(options["target"], source))
    elif command == "variants":
        students = Path(options["students"]).read_text(encoding="utf-8").split()
        print(len(variants(students, options["seed"], options["target"], source)), "notebooks written")
    else:
        rows = grade(source=source, **options)
        print(f"{len(rows)} submissions graded: {options['out']}/grades.csv, {options['out']}/report.html")


if __name__ == "__main__":
    main()
