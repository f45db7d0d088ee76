"""A sheet of exercises as a page: MyST, made from what students get of it, and fields for its numbers.

What is right in a field stands nowhere in the page: a field knows on which step of a ladder the right number
lies, and of the step only a salted SHA-256. That keeps a reader from seeing it, and not from trying numbers.
"""

import contextlib
import dataclasses
import hashlib
import html
import io
import math
import numbers
import re
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

ZERO = 1e-9  # what is nearer to 0 is 0
CHECK = re.compile(r"\bcheck_(\w+)\(")


# ------------------------------------------------------------------ the page


def page(path: Path) -> str:
    """A sheet as MyST: tasks, stubs, fields, tests and hints.

    Args:
        path: the sheet as it stands in the repository. Nothing of its solutions comes into the page.
    """
    from marginlab.course import released

    source = nbformat.read(path, 4)
    asked = fields(source)
    sections: list[list[NotebookNode]] = [[]]
    for cell in released(source).cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            sections.append([])
        sections[-1].append(cell)
    parts = ["---\norphan: true\n---"]
    for section in sections:
        parts += [_cell(cell, asked) for cell in section] + _hints(section)
    title, _, rest = "\n\n".join(parts[1:]).partition("\n")
    return f"{parts[0]}\n\n{title}\n\n{_top(path)}\n{rest}\n"


def _top(path):
    chapter = int(path.parent.name[:2])
    return (
        '<p class="marginlab-sheet"><a href="exercises.ipynb" download>Open it as a notebook</a>: there you '
        "write and check your code. Here you read, and where there is a field its number is checked. "
        f'<a href="lesson.html">Back to chapter {chapter}</a></p>'
    )


def _about(cell):
    return cell.metadata.get("nbgrader", {})


def _cell(cell, asked):
    about = _about(cell)
    if cell.cell_type == "markdown":
        return _answer(about) if about.get("solution") else cell.source
    code = f"```python\n{cell.source.strip()}\n```"
    if about.get("grade"):
        return fold(f"What is tested: {_marks(about)}", code)
    return "\n\n".join([code, *(field.html() for field in asked.get(cell.id, ()))])


def _marks(about):
    return f"{about['points']:g} mark{'s' * (about['points'] != 1)}"


def _answer(about):
    return f'<p class="marginlab-answer">Your answer in words, in the notebook: {_marks(about)}.</p>'


def fold(summary: str, text: str, hint: str = "") -> str:
    """Markdown that a script folds; on paper and without scripts it is open.

    hint: the name by which the reader's browser keeps that it was opened.
    """
    kept = f' data-hint="{hint}"' if hint else ""
    head = f'<details class="marginlab-fold"{kept} open><summary>{html.escape(summary)}</summary>'
    return f"{head}\n\n{text}\n\n</details>"


def _hints(section):
    """Three for each check of an exercise: where it looks, why it fails, how to go on."""
    from marginlab.checks.tasks import TASKS

    tests = "\n".join(cell.source for cell in section if _about(cell).get("grade"))
    names = dict.fromkeys(CHECK.findall(tests))
    opened = "When it has passed, `check_{}(…).explain()` opens the worked answer in the notebook."
    return [text for name in names for text in [*hints(TASKS[name]), opened.format(name)]]


def hints(task: Any) -> list[str]:
    """Three folded levels on a task of `marginlab.checks`."""
    import numpy as np

    known = {mistake.name: mistake for mistake in task.mistakes}.values()
    where = [
        f"{part.name}: " + "; ".join(dict.fromkeys(c.what for c in part.cases))
        for part in task.points(np.random.default_rng(0))
    ]
    levels = {
        f"Hint 1 on check_{task.name}: where it looks": where,
        "Hint 2: what often goes wrong": [mistake.why for mistake in known],
        "Hint 3: how to go on": [mistake.how for mistake in known],
    }
    rows = enumerate(levels.items(), start=1)
    return [fold(head, _list(lines), f"{task.name}-{level}") for level, (head, lines) in rows]


def _list(lines):
    """Plain sentences as a list, whatever signs of Markdown stand in them."""
    items = "".join(f"<li>{_plain(line)}</li>" for line in dict.fromkeys(lines))
    return f"<ul>{items}</ul>"


def _plain(line):
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(line, quote=False))


# ------------------------------------------------------------------ its fields


@dataclasses.dataclass(frozen=True)
class Field:
    """One answer that the page can tell.

    Attributes:
        name: what the task calls it, such as "true_size" or "plain[0]".
        salt: unique in the book.
        percent: how near a number must be.
        right: the right answer, a number or a word.
    """

    name: str
    salt: str
    percent: float
    right: Any

    @property
    def shift(self) -> float:
        """What puts the right number into the middle of its step; without one, a number like others."""
        if self._kind != "number":
            return round(int(hashlib.sha256(self.salt.encode()).hexdigest()[:8], 16) / 2**32 - 0.5, 6)
        place = math.log(abs(self.right)) / self._step
        return round(0.5 - place % 1, 6)

    @property
    def _step(self):
        return math.log((100 + self.percent) / (100 - self.percent))

    @property
    def _kind(self):
        if not isinstance(self.right, numbers.Real):
            return "word"
        return "number" if abs(self.right) > ZERO else "zero"

    def step(self, value: Any) -> str:
        """The step on which a value lies, as the page's script names it (book/sheet/fields.js)."""
        if not isinstance(value, numbers.Real):
            return str(value).strip().strip("\"'").lower()
        if abs(value) <= ZERO:
            return "0"
        sign = "-" if value < 0 else "+"
        return f"{sign}{math.floor(math.log(abs(value)) / self._step + self.shift)}"

    def mark(self, value: Any) -> str:
        """The salted digest of the step on which a value lies."""
        return hashlib.sha256(f"{self.salt}:{self.step(value)}".encode()).hexdigest()

    @property
    def near(self) -> str:
        """In words: how near is right."""
        if self._kind == "word":
            return "one word"
        return "exactly" if self.percent < 0.05 else f"within {self.percent:g} %"

    def html(self) -> str:
        """A line to fill in; a script makes a field of it."""
        kind = "word" if self._kind == "word" else "number"
        data = f'data-kind="{kind}" data-salt="{self.salt}" data-step="{self._step:.9g}" '
        data += f'data-shift="{self.shift:.6f}" data-mark="{self.mark(self.right)}" data-near="{self.near}"'
        name = html.escape(self.name)
        return (
            f'<p class="marginlab-field" {data}><label><code>{name}</code> = </label>'
            f'<span class="marginlab-blank">…</span> <small>({self.near})</small></p>'
        )


def fields(sheet: NotebookNode) -> dict[str, list[Field]]:
    """{id of an answer's cell: its fields}, as the cells' metadata name them: ``{name: percent}``.

    Raises:
        ValueError: if the sheet's own solution gives no number and no word for one of them.
    """
    names: dict[str, Any] = {}
    found = {}
    for cell in sheet.cells:
        if cell.cell_type != "code" or _about(cell).get("grade"):
            continue
        if found.keys() >= {c.id for c in sheet.cells if c.metadata.get("fields")}:
            break  # what follows the last field need not run
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(cell.source, cell.id, "exec"), names)
        asked = cell.metadata.get("fields", {})
        if asked:
            found[cell.id] = [_field(name, f"{cell.id}-{name}", asked[name], names) for name in asked]
    return found


def _field(name, salt, percent, names):
    right = eval(name, dict(names))
    if not isinstance(right, numbers.Real | str) or (
        isinstance(right, numbers.Real) and not math.isfinite(right)
    ):
        raise ValueError(f"{salt}: the sheet's own answer is {right!r}, no number and no word")
    return Field(name, salt, percent, right if isinstance(right, str) else float(right))
