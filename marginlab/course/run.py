"""Grading: each submission in processes of its own, into a folder where nothing else is touched."""

import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_notebook
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps import NbGraderAPI
from nbgrader.converters import Autograde, GenerateAssignment, GenerateFeedback
from nbgrader.preprocessors import ClearHiddenTests, ClearOutput, ClearSolutions, Execute
from traitlets.config import Config

from marginlab.course import exports, report, walls
from marginlab.course.harmless import Harmless
from marginlab.course.sheet import (
    SHEET,
    Folder,
    ForStudents,
    Restore,
    WithoutNotes,
    sheets,
    steps_of,
    through,
    write_notebook,
)
from marginlab.course.shutin import Limits, ShutIn

__all__ = ["Batch", "Job", "Stopped", "grade"]

# So that nbgrader's own commands, formgrader first of all, go on in the folder that was graded into.
_GRADED = """c = get_config()
c.CourseDirectory.notebook_id = "exercises"
c.GenerateFeedback.preprocessors = [
    "nbgrader.preprocessors.GetGrades",
    "marginlab.course.ForStudents",
    "marginlab.course.Harmless",
    "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
]
"""


class Stopped(KeyboardInterrupt):
    """Ctrl+C while grading. `rows` are the marks that stand, `left` the students that were not graded."""

    def __init__(self, rows: list[dict], done: list[str], left: list[str]):
        self.rows, self.done, self.left = rows, done, left
        super().__init__(
            f"Stopped. {len(done)} submissions were graded{_names(done)}, "
            f"and {len(left)} were not{_names(left)}."
        )


def _names(names):
    return ": " + ", ".join(names) if names else ""


@dataclass(frozen=True)
class Job:
    """What grading one submission needs to know."""

    out: Path
    sheet: str
    seed: str
    limits: Limits
    wall: walls.Wall


def _config(job):
    config = Config()
    config.CourseDirectory = Config(root=str(job.out), notebook_id="exercises", source_directory="source")
    # Processes take turns at the gradebook.
    config.CourseDirectory.db_url = f"sqlite:///{job.out / 'gradebook.db'}?timeout=120"
    config.GenerateAssignment.preprocessors = [WithoutNotes, *steps_of(GenerateAssignment)]
    config.Autograde.sanitize_preprocessors = Restore.sanitizers()
    steps = []
    for step in steps_of(Autograde, "autograde_preprocessors"):
        steps += [ShutIn, Harmless] if step is Execute else [step]
    config.Autograde.autograde_preprocessors = steps
    feedback = steps_of(GenerateFeedback)
    config.GenerateFeedback.preprocessors = [*feedback[:1], ForStudents, Harmless, *feedback[1:]]
    config.Restore.seed = job.seed
    config.ShutIn.limits, config.ShutIn.wall = job.limits, job.wall
    config.NbGraderAPI.log_level = config.Application.log_level = "ERROR"
    return config


def _api(job):
    config = _config(job)
    return NbGraderAPI(coursedir=Folder(config=config), config=config)


def _one(job, student, connection):
    """Grade and write feedback for one student, in a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the process that started this one
    warnings.simplefilter("ignore")  # nbgrader's own, of its database
    api = _api(job)
    result = api.autograde(job.sheet, student)
    said = list(api.coursedir.said)
    if result["success"]:
        result = api.generate_feedback(job.sheet, student)
    connection.send((result["success"], result.get("error") or result.get("log", ""), said))


class Batch:
    """Submissions at work, which can be stopped."""

    def __init__(self, job: Job):
        self.job, self.running, self.done, self.stopped = job, set(), [], threading.Event()
        windows = sys.platform == "win32"
        self.context: Any = multiprocessing.get_context("spawn" if windows else "forkserver")
        if not windows:  # or each process would import them again
            self.context.set_forkserver_preload(["marginlab.course"])

    def grade(self, submission: exports.Submission) -> None:
        """Grade one; where that cannot be done, an empty sheet in its place has a page, and 0 marks."""
        if self.stopped.is_set():
            return
        if not self._apart(submission) and not self.stopped.is_set():
            path = self.job.out / "submitted" / submission.student / self.job.sheet / SHEET
            path.rename(path.with_name("handed_in.ipynb"))
            write_notebook(new_notebook(), path)
            self._apart(submission)
        if not self.stopped.is_set():
            self.done.append(submission)

    def _apart(self, submission):
        """`_one` in another process; says whether it came to an end."""
        receive, send = self.context.Pipe(duplex=False)
        process = self.context.Process(target=_one, args=(self.job, submission.student, send))
        process.start()
        self.running.add(process)
        send.close()
        try:
            # Its own limit is the one that counts; this is for when it cannot keep it.
            if receive.poll(self.job.limits.seconds + 120):
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
            self.running.discard(process)
        return False

    def run(self, submissions: list[exports.Submission], jobs: int) -> None:
        """Grade them all, so many at a time; Ctrl+C ends those at work and begins no other."""
        with ThreadPoolExecutor(jobs) as pool:
            try:
                # Not in one wait: a main thread that waits for a lock is not woken on every system.
                tasks = [pool.submit(self.grade, each) for each in submissions]
                while wait(tasks, timeout=0.5).not_done:
                    pass
            except KeyboardInterrupt:
                self.stopped.set()
                for process in list(self.running):
                    process.kill()  # and the kernel ends what is behind its wall
                raise
        for task in tasks:
            task.result()


def grade(
    folder: str | Path,
    sheet: str,
    out: str | Path = "graded",
    source: str | Path = "lessons",
    *,
    jobs: int | None = None,
    seconds: float = 300,
    cell: float = 60,
    megabytes: int = 8192,
    seed: str = "",
    trust: bool = False,
) -> list[dict]:
    """Grade the submissions of one sheet, whatever is in them.

    Of what lies in `out` already only the submissions of this export, to this sheet, are written anew.

    Args:
        folder: what Moodle or Canvas exported, a folder or a zip; see `collect`.
        sheet: the sheet's name, such as "05_arcface".
        out: where to write grades-SHEET.csv, report-SHEET.html, feedback/STUDENT/SHEET/exercises.html, and
            nbgrader's own gradebook.db and autograded, from which formgrader goes on to the manual marks.
        source: the folder of the lessons.
        jobs: how many at a time; by default one for each core.
        seconds: the limit on a submission, in seconds of wall clock.
        cell: the limit on one cell, in seconds.
        megabytes: the limit on the memory of a submission.
        seed: that of `variants`, if the sheets were made by it.
        trust: whether to grade without a wall where this machine has none: submitted code then runs as you.

    Returns:
        One dict for each student whose submission of this sheet is in `out`: student, name, score, of, manual
        (marks still to give by hand), said, wall.

    Raises:
        ValueError: for a sheet that there is not, or an export that cannot be read.
        NoWall: if nothing can shut the submissions in, and the students are not trusted.
        Stopped: at Ctrl+C, when what was graded until then has been written.
    """
    out = Path(out).resolve()
    if sheet not in sheets(source):
        raise ValueError(f"sheet must be one of {', '.join(sheets(source))}, got {sheet!r}")
    private = [str(Path(source).resolve()), str(out), str(Path(folder).resolve())]
    wall = walls.find(trust, private)
    job = Job(out, sheet, seed, Limits(float(seconds), float(cell), megabytes), wall)
    _prepare(job, Path(source, sheet, SHEET))
    records = _records(job)
    submissions = _handed_in(job, folder, records)
    batch, interrupted = Batch(job), None
    try:
        batch.run(submissions, jobs or os.cpu_count() or 1)
    except KeyboardInterrupt as error:
        interrupted = error
    for each in batch.done:
        records[each.student] = {"name": each.name, "said": each.said, "wall": wall.name}
    rows = _write(job, records, {each.student for each in batch.done})
    if interrupted:
        done = [each.name for each in batch.done]
        raise Stopped(rows, done, [each.name for each in submissions if each not in batch.done]) from None
    return rows


def _prepare(job, source):
    """Put the sheet where nbgrader wants it, if it is not there yet; what students handed in stays."""
    copy = job.out / "source" / job.sheet / SHEET
    config = job.out / "nbgrader_config.py"
    old = copy.read_bytes() if copy.exists() else None
    if old == source.read_bytes() and _known(job):
        return
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, copy)
    if not config.exists():
        config.write_text(_GRADED)
    with _programs():
        result = _api(job).generate_assignment(job.sheet)
    if not result["success"]:
        if old is not None:
            copy.write_bytes(old)
        why = result.get("error") or result.get("log")
        raise RuntimeError(f"the sheet itself could not be prepared: {why}")


@contextlib.contextmanager
def _programs() -> Iterator[None]:
    """nbgrader finds the program alembic by PATH; a virtual environment need not be activated for that."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), before])
    try:
        yield
    finally:
        os.environ["PATH"] = before


@contextlib.contextmanager
def _gradebook(job) -> Iterator[Gradebook]:
    with _programs(), Gradebook(_config(job).CourseDirectory.db_url) as gradebook:
        yield gradebook


def _known(job):
    if not (job.out / "gradebook.db").exists():
        return False
    with _gradebook(job) as gradebook, contextlib.suppress(MissingEntry):
        gradebook.find_assignment(job.sheet)
        return True
    return False


def _records(job):
    """Of each student graded before: name, what there was to say, and which wall."""
    path = job.out / f"students-{job.sheet}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _handed_in(job, folder, records):
    """Write each student's notebook of this export to `submitted`."""
    source = nbformat.read(job.out / "source" / job.sheet / SHEET, 4)
    empty = through([WithoutNotes, ClearSolutions, ClearHiddenTests, ClearOutput], source)
    taken = {student: record["name"] for student, record in records.items()}
    with tempfile.TemporaryDirectory() as unpacked:
        left_out = {}
        if Path(folder).is_file():
            left_out, folder = exports.unpack(folder, unpacked), unpacked
        submissions = exports.collect(folder, left_out, taken)
        for each in submissions:
            nb = exports.read(each, empty)
            write_notebook(nb, job.out / "submitted" / each.student / job.sheet / SHEET)
    return submissions


def _write(job, records, fresh):
    """Write the sheet's table, page and records; of the students' pages those of this time."""
    rows, out, sheet = _rows(job, records), job.out, job.sheet
    text = json.dumps(records, ensure_ascii=False, indent=1, sort_keys=True)
    (out / f"students-{sheet}.json").write_text(text + "\n", encoding="utf-8")
    report.write_grades(out / f"grades-{sheet}.csv", rows)
    report.write_report(out / f"report-{sheet}.html", out, sheet, rows)
    for row in rows:
        if row["student"] in fresh:
            report.tell(out, sheet, row)
    return rows


def _rows(job, records):
    """The marks of everybody who has handed in this sheet, this time or before."""
    rows = []
    with _gradebook(job) as gradebook:
        most = gradebook.find_assignment(job.sheet).max_score
        known = {each.student.id for each in gradebook.assignment_submissions(job.sheet)} | set(records)
        for student in sorted(known):
            row = {"student": student, "name": student, "score": 0.0, "of": most, "manual": 0.0}
            row |= {"said": [], "wall": ""} | records.get(student, {})
            with contextlib.suppress(MissingEntry):
                done = gradebook.find_submission(job.sheet, student)
                grades = [grade for notebook in done.notebooks for grade in notebook.grades]
                row["score"] = done.score
                row["manual"] = sum(g.max_score for g in grades if g.needs_manual_grade)
            rows.append(row)
    return rows
