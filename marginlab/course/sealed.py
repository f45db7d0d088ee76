"""The worked answers of the sheets, as `marginlab/checks/answers.json` has them sealed, and their keys."""

import base64
import hashlib
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from nbformat import NotebookNode
from nbgrader.utils import is_grade, is_solution

from marginlab.checks.answers import FILE, material, seal, steps
from marginlab.checks.run import examine, truths
from marginlab.checks.tasks import TASKS
from marginlab.course.sheet import SHEET, sheets

__all__ = ["answers", "exercises", "keys", "write_answers"]

HEIGHTS = (2e-4, 2e-3, 2e-2, 0.3)  # of a ladder's steps
ENOUGH, MOST, SEEDS = 200, 60, 8
EDGE = 0.3  # of a step: so far from its ends the truth must lie


def exercises(source: str | Path = "lessons") -> Iterator[tuple[str, str | None, str]]:
    """Of each exercise its name, such as "x05-derive", the check that it has or None, and its worked answer.

    Raises:
        ValueError: for an exercise with two checks.
    """
    for sheet in sheets(source):
        for cells in _sections(nbformat.read(Path(source, sheet, SHEET), 4)):
            tests = "\n".join(cell.source for cell in cells if cell.cell_type == "code" and is_grade(cell))
            checks = set(re.findall(r"\bcheck_(\w+)\(", tests))
            if len(checks) > 1:
                raise ValueError(f"{cells[0].id} has more than one check: {', '.join(sorted(checks))}")
            check = next(iter(checks), None)
            yield cells[0].id, check, _text(cells, check)


def _sections(nb: NotebookNode) -> list[list[NotebookNode]]:
    found = []
    for cell in nb.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            found.append([])
        if found:
            found[-1].append(cell)
    return found


def _text(cells, check):
    parts = [cells[0].source.split("\n")[0].removeprefix("## ")]
    for cell in cells:
        if is_solution(cell):
            # Where "..." stood, the answer follows.
            source = re.sub(r"(?:^.*\.\.\..*\n)+(?=### BEGIN SOLUTION)", "", cell.source, flags=re.M)
            parts.append(re.sub(r"^ *### (?:BEGIN|END) SOLUTION\n?", "", source, flags=re.M).strip())
    if check:
        known = {mistake.name: mistake for mistake in TASKS[check].mistakes}.values()
        wrong = "\n".join(f"- {it.name}: {it.why} {it.how}" for it in known)
        parts.append(f"What often goes wrong:\n\n{wrong}")
    return "\n\n".join(parts) + "\n"


def keys(source: str | Path = "lessons") -> dict[str, str]:
    """{exercise: key}, of those that no check opens. A new answer has a new key."""
    return {name: _key(name, text) for name, check, text in exercises(source) if check is None}


def _key(name, text):
    plain = base64.b32encode(hashlib.sha256(f"{name}\n{text}".encode()).digest()).decode()
    return "-".join(plain[i : i + 4] for i in range(0, 16, 4))


def answers(source: str | Path = "lessons") -> dict[str, dict]:
    """What answers.json holds: a record for each check, and for each exercise without one."""
    found: dict[str, dict[str, Any]] = {"checks": {}, "exercises": {}}
    for name, check, text in exercises(source):
        if check is None:
            found["exercises"][name] = seal(text, _key(name, text).replace("-", ""))
        else:
            results, where = _chosen(check)
            secret = material(results, where["where"], where["height"])
            found["checks"][check] = where | seal(text, secret)
    return found


def _chosen(check):
    """The truth at a check's points, and which results make the key.

    With each seed more points: until the key is hard to guess, and no known mistake makes it too.
    """
    task, best = TASKS[check], (0, 0.0, {})
    known = [m.form for m in task.mistakes if m.form is not None and not examine(task, m.form).passed]
    results, cases, wrong = [], [], [[] for _ in known]
    for seed in range(SEEDS):
        for case, want in truths(task, seed):
            results.append(want)
            cases.append(case)
        for form, found in zip(known, wrong, strict=True):
            found += examine(task, form, seed).results
        places = list(_places(results, cases))
        for height in HEIGHTS:
            far = [place for place, value, case in places if _is_far(value, case, height)]
            where, told = _telling(far, height, results, wrong)
            weight = -len(where) * math.log(height)  # the finer the steps, the more there are to guess from
            record = {"seeds": seed + 1, "height": height, "where": where}
            best = max(best, (told, min(weight, ENOUGH), record), key=lambda it: it[:2])
        if best[:2] == (len(known), ENOUGH):
            break
    return results, best[2]


def _telling(far, height, results, wrong):
    """Of the places some, and one more for each mistake that these do not tell apart; how many they do."""
    where = far[:: math.ceil(len(far) / MOST) or 1]
    told = 0
    for found in wrong:
        differ = (p for p in [*where, *far] if _at(results, p, height) != _at(found, p, height))
        first = next(differ, None)
        told += first is not None
        where += [] if first is None or first in where else [first]
    return where, told


def _at(results, place, height):
    return material(results, [place], height)


def _places(results, cases):
    for call, (case, outputs) in enumerate(zip(cases, results, strict=True)):
        if case.look is None:
            for output, array in enumerate(outputs):
                for place, value in enumerate(np.ravel(array)):
                    yield [call, output, place], float(value), case


def _is_far(value, case, height):
    """Whether every result that the check takes for this truth lies on its step, and well inside."""
    at = steps(value, height)
    allowed = 2 * max(case.tol, 2e-6) * (case.size + abs(value))
    return not math.isnan(at) and EDGE < at % 1 < 1 - EDGE and allowed < EDGE * height * abs(value)


def write_answers(source: str | Path = "lessons", target: Path = FILE) -> Path:
    """Write answers.json anew, from the sheets."""
    groups = []
    for group, records in answers(source).items():  # a line for each record
        lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(it)}" for name, it in records.items())
        groups.append(f' "{group}": {{\n{lines}\n }}')
    target.write_text("{\n" + ",\n".join(groups) + "\n}\n", encoding="utf-8")
    return target
