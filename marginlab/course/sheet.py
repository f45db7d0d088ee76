"""The sheets: what students get of them, other numbers for each student, and how a hand-in becomes a sheet
again.

A sheet is one notebook, `lessons/NN_name/exercises.ipynb`, with solutions, hidden tests and teaching notes
in it; everything else is made from it.
"""

import collections
import functools
import random
import re
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import (
    CheckCellMetadata,
    ClearOutput,
    ClearSolutions,
    NbGraderPreprocessor,
    OverwriteCells,
    OverwriteKernelspec,
)
from nbgrader.utils import is_grade, is_locked, is_solution
from traitlets import List, Unicode

__all__ = [
    "SHEET",
    "Folder",
    "ForStudents",
    "Numbers",
    "Restore",
    "WithoutNotes",
    "cell_name",
    "hidden_removed",
    "numbers",
    "release",
    "released",
    "say",
    "set_numbers",
    "sheets",
    "steps_of",
    "through",
    "variants",
    "write_notebook",
    "write_numbers",
]

SHEET = "exercises.ipynb"


def sheets(source: str | Path = "lessons") -> list[str]:
    """Names of the sheets below a folder, in order."""
    return sorted(path.parent.name for path in Path(source).glob(f"*/{SHEET}"))


# ------------------------------------------------------------------ what a sheet becomes


class WithoutNotes(NbGraderPreprocessor):
    """Takes out the instructors' cells: those with the tag "instructor"."""

    def preprocess(self, nb, resources):
        nb.cells = [cell for cell in nb.cells if "instructor" not in cell.metadata.get("tags", [])]
        return nb, resources


def steps_of(cls: type, name: str = "preprocessors") -> list[type]:
    """The steps that one of nbgrader's converters takes by default."""
    return list(cls.class_traits()[name].default())


def through(steps: Iterable[type], nb: NotebookNode, resources: dict | None = None) -> NotebookNode:
    """A notebook after these steps of nbgrader's, one after another."""
    for step in steps:
        nb, resources = step()(nb, resources or {})
    return nb


_DATABASE = ("SaveCells", "IncludeHeaderFooter", "InstantiateTests")


def _without_database():
    """The steps of generate_assignment that need no gradebook, and ours."""
    steps = [s for s in steps_of(GenerateAssignment) if s.__name__ not in _DATABASE]
    return [WithoutNotes, *steps]


def released(nb: NotebookNode) -> NotebookNode:
    """A sheet as students get it: without solutions, hidden tests and notes."""
    return nbformat.reads(_released(nbformat.writes(nb)), 4)


@functools.lru_cache(32)  # a build of the book asks twice for each sheet, and nbgrader takes its time
def _released(text):
    return nbformat.writes(through(_without_database(), nbformat.reads(text, 4), {"nbgrader": {}}))


def release(source: str | Path = "lessons", target: str | Path = "release") -> list[Path]:
    """Write the students' version of every sheet, without solutions, hidden tests and notes.

    Args:
        source: the folder of the lessons.
        target: the folder to write to; a sheet goes to `target/NN_name/exercises.ipynb`.

    Returns:
        The paths written.
    """
    paths = []
    for name in sheets(source):
        nb = released(nbformat.read(Path(source, name, SHEET), 4))
        paths.append(write_notebook(nb, Path(target, name, SHEET)))
    return paths


def write_notebook(nb: NotebookNode, path: Path) -> Path:
    """Write a notebook, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nb, path)
    return path


# ------------------------------------------------------------------ other numbers for each student


def numbers(nb: NotebookNode) -> dict[str, list]:
    """Which of a sheet's names may take which values, ``{name: values}``: its cells' metadata say it."""
    return {name: values for cell in nb.cells for name, values in cell.metadata.get("numbers", {}).items()}


def set_numbers(nb: NotebookNode, seed: str) -> NotebookNode:
    """Give a sheet other numbers, in place: of those that it allows, the ones that the seed chooses."""
    return write_numbers(
        nb, {name: random.Random(f"{seed}/{name}").choice(values) for name, values in numbers(nb).items()}
    )


def write_numbers(nb: NotebookNode, chosen: dict) -> NotebookNode:
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


def variants(
    students: Sequence[str], seed: str, target: str | Path, source: str | Path = "lessons"
) -> list[Path]:
    """Write the sheets with other numbers for each student, to `target/STUDENT/NN_name/exercises.ipynb`.

    Grade them with the same seed: `grade(…, seed=seed)`.
    """
    with tempfile.TemporaryDirectory() as folder:
        plain = [nbformat.read(path, 4) for path in release(source, folder)]
    paths = []
    for student in students:
        for name, nb in zip(sheets(source), plain, strict=True):
            copy: Any = nbformat.from_dict(nb)
            nb = set_numbers(copy, f"{seed}/{student}/{name}")
            paths.append(write_notebook(nb, Path(target, student, name, SHEET)))
    return paths


# ------------------------------------------------------------------ what came back, as a sheet again


class Folder(CourseDirectory):
    """nbgrader's folder of a course, which keeps what there is to say about the submission at hand."""

    said = List(help="sentences for the student and the instructor")


def say(step: NbGraderPreprocessor, sentence: str) -> None:
    """Keep a sentence about the submission; nbgrader's own commands, which have no place for it, log it."""
    said = getattr(step.parent.parent.coursedir, "said", None)
    if said is None:
        step.log.warning(sentence)
    elif sentence not in said:
        said.append(sentence)


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
        master = through([WithoutNotes, ClearSolutions, ClearOutput], nbformat.read(Path(sheet, SHEET), 4))
        known = {cell_name(cell): cell for cell in master.cells}
        theirs, extra, order, here = {}, collections.defaultdict(list), [], None
        for cell in nb.cells:
            name = cell_name(cell)
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
                if cell.cell_type == "markdown" and theirs[name].get(
                    "attachments"
                ):  # a derivation on paper, photographed
                    cell.attachments = theirs[name].attachments
            cells += [cell, *extra[name]]
        if nb.cells:
            self._say(known, theirs, order)
        nb.cells, nb.metadata = cells, master.metadata
        nb.nbformat, nb.nbformat_minor = master.nbformat, master.nbformat_minor
        return nb, resources

    def _say(self, known, theirs, order):
        missing = [name for name in known if name not in theirs]
        if missing:
            say(
                self, f"{len(missing)} of the sheet's cells were missing and were put back: {_some(missing)}."
            )
        # Two cells may have changed by white space alone, and a variant's by its numbers.
        plain = lambda text: re.sub(r"\s+", "", re.sub(r"= .*# your numbers", "", text))  # noqa: E731
        changed = [
            name
            for name, cell in theirs.items()
            if is_grade(known[name])
            and is_locked(known[name])
            and plain(cell.source) != plain(hidden_removed(known[name].source))
            and plain(cell.source) != plain(known[name].source)
        ]
        if changed:
            say(self, f"Test cells had been changed; the sheet's own were run: {_some(changed)}.")
        if order != [name for name in known if name in theirs]:
            say(self, "The cells stood in another order; they were run in the sheet's.")


def _some(names):
    return ", ".join(names[:4]) + (", …" if len(names) > 4 else "")


def cell_name(cell: NotebookNode) -> str | None:
    """A cell's name in the sheet: nbgrader's, or the cell's id, its twin, where a program lost nbgrader's."""
    meta = cell.metadata.get("nbgrader")
    return (meta.get("grade_id") if isinstance(meta, dict) else None) or cell.get("id")


def hidden_removed(source: str) -> str:
    """A test cell as students see it."""
    return re.sub(r"### BEGIN HIDDEN TESTS.*?### END HIDDEN TESTS\n?", "", source, flags=re.S)


class Numbers(NbGraderPreprocessor):
    """The student's own numbers, after nbgrader has written the sheet's into every locked cell."""

    def preprocess(self, nb, resources):
        seed = Restore(parent=self.parent).seed
        if seed:
            about = resources["nbgrader"]
            set_numbers(nb, f"{seed}/{about['student']}/{about['assignment']}")
        return nb, resources


class ForStudents(NbGraderPreprocessor):
    """What a feedback page leaves out: hidden tests, and the lines of them that a traceback shows."""

    def preprocess_cell(self, cell, resources, index):
        if cell.cell_type == "code" and is_grade(cell):
            cell.source = hidden_removed(cell.source)
            for output in cell.outputs:
                if output.output_type == "error":
                    why = output.evalue or "a hidden test failed: the same task on other numbers"
                    output.traceback = [f"{output.ename}: {why}"]
        return cell, resources
