"""What a class found hard: the progress files that students hand in by choice, counted.

A file is what the book's review page saves (book/asking/handed.js), or the whole progress that it saves:

    {"marginlab": "0.1.0", "name": "",
     "firsts": {"loss-at-69": {"first": 2, "tries": 3, "mark": "51c0d2aa"}},
     "predictions": {"cosine-at-pi": {"said": 1, "mark": "9e107d9d"}},
     "hints": {"arcface-2": true}}

first: the choice that was answered first; tries: how many it took until the right one; said: what was
predicted, null for whoever asked to see. The mark is that of the words that were asked: a question that
another version of the book asks under the same name is not counted as this one.
"""

import collections
import dataclasses
import hashlib
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path

import yaml

from marginlab.course.exports import collect, unpack

__all__ = ["Asked", "Handed", "Wrong", "asked", "hardest", "hints", "mark", "most_opened", "read"]

LARGEST = 2**20  # bytes of a file: a whole book of answers is 20 kB


@dataclasses.dataclass(frozen=True)
class Asked:
    """A question of the book, or a prediction that is a choice; of others the choices are none."""

    id: str
    lesson: str
    ask: str
    choices: tuple[str, ...]
    reasons: tuple[str, ...]
    right: int
    mark: str


@dataclasses.dataclass
class Handed:
    """What one student handed in, as far as it is sound.

    Attributes:
        firsts: {id of a question: (the first answer, tries)}; predictions that are choices are among them.
        shown, guessed: predictions that the student asked to see, and those of a number or a curve.
        hints: names of hints that were opened.
        said: sentences on what was out of the ordinary.
    """

    student: str
    name: str = ""
    firsts: dict[str, tuple[int, int]] = dataclasses.field(default_factory=dict)
    shown: set[str] = dataclasses.field(default_factory=set)
    guessed: set[str] = dataclasses.field(default_factory=set)
    hints: set[str] = dataclasses.field(default_factory=set)
    said: list[str] = dataclasses.field(default_factory=list)

    @property
    def size(self) -> int:
        """How much of it there is."""
        return len(self.firsts) + len(self.shown) + len(self.guessed) + len(self.hints)


@dataclasses.dataclass(frozen=True)
class Wrong:
    """A question: how many answered it and were wrong first, what most of these took, and why it is wrong."""

    asked: Asked
    answered: int
    wrong: int
    tries: float
    taken: str
    taken_by: int
    why: str


# ---- What the book asks ----


def mark(ask: str, choices: Iterable[str]) -> str:
    """Of a question 8 hexadecimal digits that change when its words or its choices do."""
    words = [" ".join(text.split()) for text in (ask, *choices)]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:8]


def asked(source: str | Path = "lessons") -> dict[str, Asked]:
    """{id: what it asks} of the lessons' ``asking.yml``; a prediction's id begins with "prediction ".

    Raises:
        ValueError: if there are none.
    """
    found = {}
    for path in sorted(Path(source).glob("*/asking.yml")):
        for row in yaml.safe_load(path.read_text(encoding="utf-8")):
            rows = row.get("choices", ())
            texts = tuple(each["text"].strip() for each in rows)
            name = f"prediction {row['id']}" if "cell" in row else row["id"]
            right = next((k for k, each in enumerate(rows) if each.get("right")), -1)
            reasons = tuple(each["why"].strip() for each in rows)
            found[name] = Asked(
                name, path.parent.name, row["ask"].strip(), texts, reasons, right, mark(row["ask"], texts)
            )
    if not found:
        raise ValueError(f"no lesson in {source} asks anything: --source is the folder of lessons")
    return found


def hints() -> set[str]:
    """The names of the hints that the sheets' pages fold: of each check three."""
    from marginlab.checks.tasks import TASKS

    return {f"{name}-{level}" for name in TASKS for level in (1, 2, 3)}


# ---- What was handed in ----


def read(export: str | Path, known: dict[str, Asked], folds: set[str]) -> list[Handed]:
    """What each student handed in, from a folder or a zip: Moodle's, Canvas's, or one with a file for each.

    Of several files of one student, by the folder or by the name in them, the one that holds most counts.

    Raises:
        ValueError: if it is no folder and no zip that can be read.
    """
    export = Path(export)
    if not export.is_dir():
        with tempfile.TemporaryDirectory() as folder:
            return _read(Path(folder), known, folds, unpack(export, folder))
    return _read(export, known, folds, {})


def _read(folder, known, folds, left_out):
    found: dict[str, list[Handed]] = {}
    for submission in collect(folder, left_out):
        its = []
        for path in (each for each in submission.files if each.suffix.lower() in (".json", ".txt")):
            it = Handed(submission.student, submission.name)
            inside = _fill(it, path, known, folds)
            # Of files that lie side by side, without a platform's names, the name inside says whose it is.
            if inside and path.parent == folder and path.stem == submission.name:
                it.student, it.name = inside.casefold(), inside
            its.append(it)
        for it in its or [Handed(submission.student, submission.name, said=["There is no file of answers."])]:
            it.said += ["Some files could not be unpacked."] * bool(submission.said)
            found.setdefault(it.student, []).append(it)
    return [_fullest(its) for its in found.values()]


def _fullest(its):
    best = max(its, key=lambda it: it.size)
    if len(its) > 1:
        best.said.append(f"There were {len(its)} files: the one that holds most was counted.")
    return best


def _fill(it, path, known, folds):
    """Puts what a file holds into `it`, with sentences on all else; gives back the name in it, or ""."""
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError
        data = json.loads(path.read_bytes())
        if not isinstance(data, dict) or not data.keys() & {"firsts", "predictions", "hints", "questions"}:
            raise ValueError
    except (OSError, ValueError, RecursionError):
        it.said.append("The file cannot be read: it is no file of answers, or it was damaged.")
        return ""
    left = [*_firsts(it, data, known), *_predictions(it, data, known), *_hints(it, data, folds)]
    it.said += [f"Not counted: {count} {what}." for what, count in collections.Counter(left).items()]
    if not it.size:
        it.said.append("It holds no answers that can be counted.")
    name = data.get("name")
    return " ".join(name.split())[:80] if isinstance(name, str) else ""


OTHER = "that another version of the book asks"
DAMAGED = "that were changed or damaged"


def _firsts(it, data, known):
    """Takes what is sound; yields of all else what it is. So do the next two."""
    for name, value in _items(data, "firsts"):
        question, first, tries = known.get(name), value.get("first"), value.get("tries")
        if _is_other(question, value):
            yield OTHER
        elif not (_is_choice(question, first) and _is_whole(tries, 1)) or (
            first == question.right and tries != 1
        ):
            yield DAMAGED
        else:
            it.firsts[name] = (first, tries)


def _predictions(it, data, known):
    for name, value in _items(data, "predictions"):
        name, said = f"prediction {name}", value.get("said")
        question = known.get(name)
        if _is_other(question, value):
            yield OTHER
        elif "said" not in value:
            yield DAMAGED
        elif said is None:
            it.shown.add(name)
        elif not question.choices:
            it.guessed.add(name)
        elif _is_choice(question, said):
            it.firsts[name] = (said, 1)
        else:
            yield DAMAGED


def _hints(it, data, folds):
    for name, _ in _items(data, "hints"):
        if name in folds:
            it.hints.add(name)
        else:
            yield "hints that the sheets do not have"


def _items(data, part):
    """(name, value) of a part of a file; a value that is none comes as an empty one."""
    found = data.get(part)
    for name, value in found.items() if isinstance(found, dict) else ():
        yield name, value if isinstance(value, dict) else {}


def _is_whole(number, least, most=999):
    return type(number) is int and least <= number <= most


def _is_choice(question, choice):
    return _is_whole(choice, 0, len(question.choices) - 1)


def _is_other(question, value):
    return question is None or value.get("mark", question.mark) != question.mark


# ---- What the class found hard ----


def hardest(class_: Iterable[Handed], known: dict[str, Asked]) -> list[Wrong]:
    """Questions that somebody got wrong first, sorted by the share of these, then by their number."""
    answers = collections.defaultdict(list)
    for it in class_:
        for name, answer in it.firsts.items():
            answers[name].append(answer)
    rows = []
    for name, its in answers.items():
        question = known[name]
        wrong = collections.Counter(first for first, _ in its if first != question.right)
        if wrong:
            choice, by = min(wrong.items(), key=lambda pair: (-pair[1], pair[0]))
            tries = sum(tries for _, tries in its) / len(its)
            told = (question.choices[choice], by, question.reasons[choice])
            rows.append(Wrong(question, len(its), wrong.total(), tries, *told))
    return sorted(rows, key=lambda row: (-row.wrong / row.answered, -row.wrong, row.asked.id))


def most_opened(class_: Iterable[Handed]) -> list[tuple[str, int]]:
    """(hint, how many opened it), the most opened first."""
    counts = collections.Counter(name for it in class_ for name in it.hints)
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
