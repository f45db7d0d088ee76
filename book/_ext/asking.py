"""Questions in the pages, from `asking.yml` beside each lesson, and the page of all of them.

Notebooks hold none of it: the questions come in when a page is read. Each stands at the end of the section
that it is about, with a reason for every choice, and each right answer is proved by code that runs here: the
book is not built if a claim fails.
"""

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from nbformat.v4 import new_markdown_cell
from sphinx.errors import ExtensionError

ALL = "book/questions"
LESSON = re.compile(r"lessons/(\w+)/lesson$")


@dataclasses.dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        id: unique in the book.
        after: the heading of the section that it stands at the end of.
        ask: Markdown.
        choices: of each its text and why, in Markdown, and of one that it is right.
        proof: Python that fails if the right answer is wrong.
        back: whether it reaches back to an earlier chapter.
    """

    id: str
    after: str
    ask: str
    choices: tuple[dict[str, Any], ...]
    proof: str
    back: bool = False

    def __post_init__(self):
        if sum(bool(choice.get("right")) for choice in self.choices) != 1 or len(self.choices) < 3:
            raise ValueError(f"{self.id}: of three choices or more exactly one must be right")
        if not all(choice.keys() <= {"text", "why", "right"} and choice["why"] for choice in self.choices):
            raise ValueError(f"{self.id}: each choice needs text and why, and may have right")
        if "assert" not in self.proof:
            raise ValueError(f"{self.id}: the proof asserts nothing")

    @property
    def right(self) -> int:
        """The place of the right choice."""
        return next(k for k, choice in enumerate(self.choices) if choice.get("right"))

    def markdown(self) -> str:
        """The question as MyST: HTML around Markdown. Without scripts all reasons are shown."""
        parts = [
            f'<fieldset class="marginlab-question" id="question-{self.id}">',
            "<legend>Question</legend>",
        ]
        parts += ["", self.ask.strip(), ""]
        for k, choice in enumerate(self.choices):
            at, right = f"{self.id}-{k}", "true" if choice.get("right") else "false"
            field = f'<input type="radio" name="{self.id}" id="{at}" aria-labelledby="{at}-text" hidden>'
            parts += [f'<div class="marginlab-choice">{field}<div id="{at}-text">', ""]
            parts += [choice["text"].strip(), "", "</div></div>"]
            parts += [f'<div class="marginlab-why" data-for="{at}" data-right="{right}">', ""]
            said = "**Right.** " if choice.get("right") else "**No.** "
            parts += [said + choice["why"].strip(), "", "</div>"]
        return "\n".join([*parts, "</fieldset>"])


def read(path: Path) -> list[Question]:
    """The questions of one lesson.

    Raises:
        ValueError, TypeError: where one is not as `Question` says; the message names it.
    """
    rows = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [Question(**row | {"choices": tuple(row["choices"])}) for row in rows]


def every(root: Path) -> Iterator[tuple[str, Question]]:
    """(lesson, question) for the whole book."""
    for path in sorted(Path(root).glob("lessons/*/asking.yml")):
        for question in read(path):
            yield path.parent.name, question


def prove(questions: list[Question], root: Path) -> None:
    """Runs each proof.

    Raises:
        AssertionError: naming the question whose right answer is wrong.
    """
    import numpy as np

    from marginlab import budget, family, geometry, heads, reference, room
    from marginlab.hazards import HAZARDS

    results = {
        p.stem: json.loads(p.read_text(encoding="utf-8")) for p in Path(root, "book/results").glob("*.json")
    }
    names = {"np": np, "budget": budget, "geometry": geometry, "heads": heads, "family": family, "room": room}
    names |= {"reference": reference, "HAZARDS": HAZARDS, "results": results}
    for question in questions:
        try:
            exec(compile(question.proof, f"proof of {question.id}", "exec"), dict(names))
        except Exception as error:
            raise AssertionError(f"the right answer to {question.id!r} is not proved: {error!r}") from error


def placed(cells: list[dict[str, Any]], questions: list[Question]) -> list[dict[str, Any]]:
    """The cells of a lesson with each question at the end of its section.

    Raises:
        ValueError: for a question about a section that is not there.
    """
    sections: dict[str | None, list] = {None: []}
    for cell in cells:
        parts = [cell]
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown" and re.search("^## ", text, re.M):
            texts = [part for part in re.split(r"^(?=## )", text, flags=re.M) if part.strip()]
            parts = [
                cell | {"source": part.rstrip(), "id": f"{cell['id']}-{k}"} for k, part in enumerate(texts)
            ]
        for part in parts:
            heading = re.match("## (.*)", "".join(part["source"]))
            if heading and part["cell_type"] == "markdown":
                sections[heading[1].strip()] = []
            next(reversed(sections.values())).append(part)
    for question in questions:
        if question.after not in sections:
            raise ValueError(f"no section {question.after!r} for the question {question.id!r}")
        sections[question.after].append(new_markdown_cell(question.markdown(), id=f"question-{question.id}"))
    return [cell for section in sections.values() for cell in section]


def _prove(app):
    try:
        prove([question for _, question in every(Path(app.srcdir))], Path(app.srcdir))
    except (AssertionError, ValueError, TypeError) as error:
        raise ExtensionError(f"asking: {error}") from error


def _ask(app, docname, source):
    lesson = LESSON.match(docname)
    if docname == ALL:
        source[0] += _page(Path(app.srcdir))
        for path in Path(app.srcdir).glob("lessons/*/asking.yml"):
            app.env.note_dependency(str(path))
    elif lesson:
        path = Path(app.srcdir, "lessons", lesson[1], "asking.yml")
        app.env.note_dependency(str(path))
        if path.exists():
            notebook = json.loads(source[0])
            notebook["cells"] = placed(notebook["cells"], read(path))
            source[0] = json.dumps(notebook)


def _page(root):
    """Every question with its answer folded, a heading each, to be projected."""
    out, before = [], None
    for lesson, question in every(root):
        if lesson != before:
            first = json.loads((root / "lessons" / lesson / "lesson.ipynb").read_text(encoding="utf-8"))
            title = "".join(first["cells"][0]["source"]).splitlines()[0].lstrip("# ")
            out.append(f"\n## {int(lesson[:2])}. {title}\n")
            before = lesson
        right = question.choices[question.right]
        choices = "\n".join(f"- {choice['text'].strip()}" for choice in question.choices)
        link = f"[where it stands](../lessons/{lesson}/lesson.ipynb)"
        out += [
            f"\n### {question.id.replace('-', ' ').capitalize()}\n\n{question.ask.strip()}\n\n{choices}\n"
        ]
        out += [f":::{{dropdown}} Answer\n{right['text'].strip()} {right['why'].strip()} ({link})\n:::\n"]
    return "\n".join(out)


def setup(app):
    app.connect("builder-inited", _prove)
    app.connect("source-read", _ask)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
