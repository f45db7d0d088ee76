"""The report of a class: what it got wrong first, which hints it opened, what it missed, what it ran."""

import collections
import csv
from pathlib import Path

from marginlab.course import progress
from marginlab.course.progress import Asked, Handed
from marginlab.course.report import Table, failed

__all__ = ["tables"]

LEVELS = {"1": "where it looks", "2": "what often goes wrong", "3": "how to go on"}
VERDICTS = ("true", "forged", "other version", "unreadable")


def tables(
    source: str | Path = "lessons",
    folder: str | Path | None = None,
    graded: str | Path | None = None,
    receipts: str | Path | None = None,
    anonymous: bool = False,
) -> list[Table]:
    """The tables of what there is.

    Args:
        source: the lessons, with what they ask.
        folder: files of answers, one or more a student, as `progress.read` takes them.
        graded: what `grade` wrote.
        receipts: the table that `verify` wrote.
        anonymous: without names, and without what students' programs said.

    Raises:
        ValueError: if there is nothing to report, or one of them is not what it should be.
    """
    if not (folder or graded or receipts):
        raise ValueError("There is nothing to report: name a folder of answers, --graded or --receipts.")
    found = []
    if folder:
        known = progress.asked(source)
        handed = progress.read(folder, known, progress.hints())
        found += [_wrong(handed, known), _hints(handed)]
    if graded:
        found.append(_failed(Path(graded), anonymous))
    if receipts:
        found.append(_runs(Path(receipts)))
    return [*found, _students(handed, anonymous)] if folder else found


def _wrong(handed: list[Handed], known: dict[str, Asked]):
    def row(it):
        where = f"chapter {int(it.asked.lesson[:2])}: {it.asked.ask}"
        tries = f"{it.tries:.1f}"
        return where, f"{it.wrong} of {it.answered}", tries, f"{it.taken} ({it.taken_by})", it.why

    head = ("question", "wrong first", "tries", "wrong choice most taken", "why it is wrong")
    rows = [row(it) for it in progress.hardest(handed, known)]
    return Table("Questions that most got wrong first", head, rows, "Nobody got a question wrong first.")


def _hints(handed):
    rows = []
    for name, count in progress.most_opened(handed):
        check, level = name.rsplit("-", 1)
        rows.append((f"check_{check}", f"{level}, {LEVELS[level]}", f"{count} of {len(handed)}"))
    return Table("Hints most opened", ("check", "hint", "opened by"), rows, "Nobody opened a hint.")


def _failed(graded, anonymous):
    if not (graded / "autograded").is_dir():
        raise ValueError(f"{graded} is no folder that `grade` wrote to")
    rows = [row[:3] if anonymous else row for row in failed(graded)]
    head = ("sheet", "check", "missed by", "hint that most of them got")
    return Table("Checks most missed", head[:3] if anonymous else head, rows, "Nobody missed a check.")


def _runs(receipts):
    with open(receipts, newline="", encoding="utf-8-sig", errors="replace") as file:
        table = list(csv.DictReader(file))
    if not table or not {"head", "verdict"} <= table[0].keys():
        raise ValueError(f"{receipts} is no table that `verify` wrote, or it is empty")
    counts = collections.Counter((row["head"] or "", row["verdict"]) for row in table)
    heads = sorted({head for head, _ in counts})
    rows = [(head or "none", *(counts[head, verdict] for verdict in VERDICTS)) for head in heads]
    return Table("Runs that were handed in", ("head", *VERDICTS), rows)


def _students(handed, anonymous):
    rows = [
        (it.name, len(it.firsts), len(it.shown) + len(it.guessed), len(it.hints), " ".join(it.said))
        for it in sorted(handed, key=lambda it: (not it.said, -it.size, it.student))
    ]
    if anonymous:  # first where something happened, then by how much there is: no order of names
        rows = [(f"student {k}", *row[1:]) for k, row in enumerate(rows, start=1)]
    head = ("student", "questions", "predictions", "hints", "what happened")
    return Table(f"Who handed in: {len(rows)}", head, rows, "Nobody.")
