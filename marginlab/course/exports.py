"""What Moodle or Canvas exported: which file is whose, and which of them is the sheet."""

import hashlib
import re
import stat
import zipfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_notebook
from nbgrader.utils import is_solution

from marginlab.course.sheet import cell_name

__all__ = ["LARGEST", "Submission", "collect", "read", "unpack"]

LARGEST = 2**26  # bytes of one file
_STUDENT = 2**27  # bytes of one student's files together
_EXPORT = 2**32  # bytes of an export
_FILES = 100_000
_NOTEBOOKS = (".ipynb", ".json", ".txt", "")


@dataclass
class Submission:
    """One student's hand-in: who, which files, and what there is to say about it."""

    student: str
    name: str
    files: list[Path] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


_MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_\w+?_(?P<file>.*)$")
_CANVAS = re.compile(r"(?P<name>[^_]+)_(?:LATE_)?(?P<id>\d+)_\d+_(?P<file>.+)$")


def collect(
    folder: str | Path, left_out: dict[str, list[str]] | None = None, taken: dict[str, str] | None = None
) -> list[Submission]:
    """Submissions in a folder as Moodle or Canvas export them, or with a folder or file for each student.

    Moodle: "Ada Lovelace_123_assignsubmission_file_/any.ipynb", or the same without folders. Canvas:
    "lovelaceada_123_456_any.ipynb". The number after the name is the student's id; else the folder's name is.

    Args:
        folder: the export.
        left_out: of `unpack`, sentences about what was not unpacked, by the entry that it belongs to.
        taken: ids of students who handed in before, and their names; nobody else gets one of these.
    """
    folder, found, left_out = Path(folder), {}, left_out or {}
    taken = dict(taken or {})
    entries = {path.name: path for path in folder.iterdir()} | {name: folder / name for name in left_out}
    for name, path in sorted(entries.items()):
        if name.startswith((".", "__")) or path.is_symlink():
            continue
        single = not path.is_dir() and (path.is_file() or "." in name)
        match = _MOODLE.match(name) or (_CANVAS.match(name) if single else None)
        called = match["name"] if match else path.stem if single else name
        student = match["id"] if match else _id(called, taken)
        files = [path] if path.is_file() else [each for each in sorted(path.rglob("*")) if _regular(each)]
        taken[student] = called
        submission = found.setdefault(student, Submission(student, called))
        submission.files += files
        submission.said += left_out.get(name, [])
    return [found[student] for student in sorted(found)]


def _regular(path):
    return path.is_file() and not path.is_symlink()


def _id(name, taken):
    """An id made of a name. Two names that look the same without their odd characters stay two students."""
    student = re.sub(r"[^\w.-]", "_", name).strip(".") or "_"
    if taken.get(student, name) != name:
        student += "-" + hashlib.sha256(name.encode()).hexdigest()[:6]
    return student


def unpack(path: str | Path, target: str | Path) -> dict[str, list[str]]:
    """Unpack what may be a notebook, within limits that are looked at before anything is written.

    Returns:
        For each entry of the export that files were left out of: sentences that say so.

    Raises:
        ValueError: if it is no zip, or as a whole larger than any class's.
    """
    target, left_out = Path(target).resolve(), defaultdict(list)
    try:
        zipped = zipfile.ZipFile(path)
    except zipfile.BadZipFile:
        raise ValueError(f"{path} is neither a folder nor a zip that can be read") from None
    with zipped:
        members = [each for each in zipped.infolist() if not each.is_dir()]
        sizes = defaultdict(int)
        for each in members:
            sizes[_top(each)] += each.file_size
        if len(members) > _FILES or sum(min(size, _STUDENT) for size in sizes.values()) > _EXPORT:
            raise ValueError(f"{path} would unpack to {sum(sizes.values()) >> 20} MB in {len(members)} files")
        for each in members:
            top, name = _top(each), PurePosixPath(each.filename).name
            if not _safe(each):
                left_out[top].append(f"{name} lies outside of the export, and was not read.")
            elif each.file_size > LARGEST:
                left_out[top].append(_too_large(name))
            elif sizes[top] > _STUDENT:
                left_out[top].append(f"The files take more than {_STUDENT >> 20} MB, and were not read.")
            elif PurePosixPath(each.filename).suffix.lower() in _NOTEBOOKS:
                _extract(zipped, each, target / each.filename, left_out[top])
            else:
                left_out[top] += []  # so that the student is there, with nothing to mark
    return {top: list(dict.fromkeys(said)) for top, said in left_out.items()}


def _top(member):
    return PurePosixPath(member.filename).parts[0] if member.filename.strip("/") else ""


def _safe(member):
    path = PurePosixPath(member.filename)
    odd = path.is_absolute() or ".." in path.parts or "\\" in member.filename or ":" in path.parts[0][:2]
    return not odd and not stat.S_ISLNK(member.external_attr >> 16)


def _extract(zipped, member, path, said):
    """One file: no larger than its entry said, for the size in an entry is only what somebody wrote there."""
    try:
        with zipped.open(member) as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            said.append(_too_large(path.name))
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except Exception as error:  # encrypted, damaged, or named as no file can be
        said.append(f"{path.name} could not be unpacked ({type(error).__name__}).")


def _too_large(name):
    return f"{name} is larger than {LARGEST >> 20} MB and was not read."


def read(submission: Submission, empty: NotebookNode) -> NotebookNode:
    """The student's notebook: of several the one with the most answers; an empty one if none is this sheet.

    Args:
        submission: gets a sentence for whatever is out of the ordinary.
        empty: the sheet as it was handed out.
    """
    known = {cell_name(cell) for cell in empty.cells}
    blank = {cell_name(cell): _bare(cell.source) for cell in empty.cells if is_solution(cell)}
    found = []
    for path in submission.files:
        nb = _notebook(path, submission.said)
        if nb is None:
            continue
        named = {cell_name(cell): cell.source for cell in nb.cells}
        if known & set(named):
            answers = sum(name in named and _bare(named[name]) != blank[name] for name in blank)
            found.append((answers, len(known & set(named)), path, nb))
        else:
            submission.said.append(f"{path.name} has none of the sheet's cells.")
    if not found:
        submission.said.append("No notebook of this sheet was found; there is nothing to mark.")
        return new_notebook()
    # Browsers and platforms call a second download "exercises (1).ipynb", and which is which nobody knows.
    answers, _, path, nb = max(found, key=lambda each: each[:2])
    if len(found) > 1:
        others = ", ".join(f"{other[2].name} ({_count(other[0])})" for other in found if other[2] != path)
        submission.said.append(
            f"There were {len(found)} notebooks of this sheet: {path.name} ({_count(answers)}) was marked, "
            f"and not {others}."
        )
    if not re.search(r"(^|_)exercises([-_ ()\d]*)\.ipynb$", path.name):
        submission.said.append(f"The notebook was called {path.name}; it was graded all the same.")
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return nb


def _count(answers):
    return f"{answers} answer" + "s" * (answers != 1)


def _bare(source):
    return re.sub(r"\s+", "", source)


def _notebook(path, said):
    """A file as a notebook, or None and a sentence."""
    if path.suffix.lower() not in _NOTEBOOKS:
        return None
    try:
        if path.stat().st_size > LARGEST:
            said.append(_too_large(path.name))
            return None
        nb = nbformat.read(path, 4)
        nbformat.validate(nb, relax_add_props=True)
        return nb
    except Exception as error:  # whatever a file can hold
        said.append(f"{path.name} is not a notebook that can be read ({type(error).__name__}).")
        return None
