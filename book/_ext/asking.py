"""Questions and predictions in the pages, from `asking.yml` beside each lesson, and the pages of all of them.

Notebooks hold none of it: they come in when a page is read. A question stands at the end of the section that
it is about, with a reason for every choice. A prediction stands before a cell, whose output is covered until
the reader has said something; what is right comes from that output. Each right answer is proved by code that
runs here: the book is not built if a claim fails.
"""

import dataclasses
import functools
import html
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from nbformat.v4 import new_markdown_cell
from sphinx.errors import ExtensionError
from translated import _, beside, unexecuted

ALL, REVIEW = "book/questions", "book/review"
LESSON = re.compile(r"lessons/(\w+)/lesson$")
SCRIPTS = Path(__file__).parents[1] / "asking"
KINDS = ("number", "point", "curve", "choice")
NUMBER = re.compile(r"NaN|[-+]?\d[\d,]*\.?\d*(?:e[-+]?\d+)?", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        id: unique in the book.
        after: the heading of the section that it stands at the end of.
        ask: Markdown.
        choices: of each its text and why, in Markdown, and of one that it is right.
        proof: Python that fails if the right answer is wrong.
        see: words of the paragraph, one of its lesson, that a reader is sent back to.
        back: whether it reaches back to an earlier chapter.
    """

    id: str
    after: str
    ask: str
    choices: tuple[dict[str, Any], ...]
    proof: str
    see: str
    back: bool = False

    def __post_init__(self):
        _check_choices(self)
        if "assert" not in self.proof:
            raise ValueError(f"{self.id}: the proof asserts nothing")

    @property
    def right(self) -> int:
        """The place of the right choice."""
        return _right(self)

    def markdown(self) -> str:
        """The question as MyST: HTML around Markdown. Without scripts all reasons are shown."""
        parts = [
            f'<fieldset class="marginlab-question" id="question-{self.id}" data-mark="{mark(self)}">',
            "<legend>" + _("Question") + "</legend>",
        ]
        parts += ["", self.ask.strip(), ""]
        parts += _choices(self)
        back = _("Where the text says it")
        parts += [f'<p class="marginlab-see"><a href="#see-{self.id}">{back}</a></p>']
        return "\n".join([*parts, "</fieldset>"])


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What a reader says of a cell's output before seeing it.

    Attributes:
        id: unique in the book.
        cell: the cell's id, or those of cells of code that follow each other: their outputs are covered.
        kind: of `KINDS`.
        ask, because: Markdown; the second is what the result says, shown with it.
        value: Python, the right answer: a number; [x, y]; [[x, y], …]. It may ask column("a heading of the
            output's table"), a list of numbers, and number("a regular expression"), whose first group is one.
        proof: Python that fails if `value` is wrong, or for a choice what is said to be right.
        x, y: the axes: from, to, name, and of their numbers unit, digits, log, ticks. y of a number is none.
        words: what it is to be below the right answer, and above.
        choices: of the kind "choice", as a question's.
        lines: of a point, what is drawn beforehand: [[[x, y], …], …].
    """

    id: str
    cell: str | list[str]
    kind: str
    ask: str
    because: str
    proof: str
    value: str = ""
    x: dict[str, Any] = dataclasses.field(default_factory=dict)
    y: dict[str, Any] = dataclasses.field(default_factory=dict)
    words: tuple[str, str] = ("too low", "too high")
    choices: tuple[dict[str, Any], ...] = ()
    lines: tuple[Any, ...] = ()

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"{self.id}: the kind is one of {', '.join(KINDS)}, not {self.kind!r}")
        if self.kind == "choice":
            _check_choices(self)
        elif not self.value or len(self.words) != 2:
            raise ValueError(f"{self.id}: it needs a value, and words for too little and too much")
        needed = {"number": "x", "point": "xy", "curve": "xy", "choice": ""}[self.kind]
        for axis in needed:
            if not {"from", "to", "name"} <= getattr(self, axis).keys():
                raise ValueError(f"{self.id}: the axis {axis} needs from, to and name")
        if "assert" not in self.proof:
            raise ValueError(f"{self.id}: the proof asserts nothing")

    @property
    def cells(self) -> list[str]:
        """The ids of the cells whose outputs it covers."""
        return [self.cell] if isinstance(self.cell, str) else list(self.cell)

    def markdown(self) -> str:
        """The prediction as MyST. `_reveal` fills in what is right; without scripts all is shown."""
        parts = [
            f'<fieldset class="marginlab-prediction" id="prediction-{self.id}" data-mark="{mark(self)}" '
            'data-prediction="">',
            "<legend>" + _("Before you look") + "</legend>",
        ]
        parts += ["", self.ask.strip(), ""]
        parts += _choices(self)
        parts += ['<div class="marginlab-because">', "", self.because.strip(), "", "</div>"]
        return "\n".join([*parts, "</fieldset>"])

    def given(self, output: "Output", names: dict[str, Any]) -> Any:
        """What is right, once proved: a number, or a list of them; of a choice its place.

        Raises:
            AssertionError: naming the prediction whose right answer is wrong.
        """
        names = names | {"column": output.column, "number": output.number, "text": output.text}
        try:
            value: Any = _right(self) if self.kind == "choice" else eval(self.value, dict(names))
            exec(compile(self.proof, f"proof of {self.id}", "exec"), names | {"value": value})
        except Exception as error:
            raise AssertionError(f"the right answer to {self.id!r} is not proved: {error!r}") from error
        return value if self.kind == "choice" else _plain(value)


def mark(asked: Question | Prediction) -> str:
    """What tells a question from what another version of the book asks under its name."""
    from marginlab.course import progress

    return progress.mark(asked.ask, [choice["text"] for choice in asked.choices])


def _words(axis):
    """What an axis says: its name, and its unit, where it has one."""
    return {part: axis[part] for part in ("name", "unit") if axis.get(part, "").strip()}


def _axis(axis):
    """An axis, with its words in the language of the page."""
    return axis | {part: _(text) for part, text in _words(axis).items()}


def said_beside(prediction: Prediction) -> list[str]:
    """What a prediction's axes and its script say, which is no part of the page's text."""
    return [*prediction.words, *_words(prediction.x).values(), *_words(prediction.y).values()]


def _plain(value):
    """Numbers of any kind as JSON has them, to six digits."""
    if hasattr(value, "__len__"):
        return [_plain(each) for each in value]
    return float(f"{float(value):.6g}")


class Output:
    """The outputs of cells, read: `text`, and of their tables the columns."""

    def __init__(self, containers: list[nodes.Element]):
        self.text = "\n".join(each.astext() for each in containers)
        self._columns = {}
        for table in (t for each in containers for t in each.findall(nodes.table)):
            rows = [[cell.astext() for cell in row.findall(nodes.entry)] for row in table.findall(nodes.row)]
            self._columns |= {heads[0]: heads[1:] for heads in zip(*rows, strict=True)}

    def column(self, heading: str) -> list[float]:
        """The first number of each cell below a heading; NaN where there is none."""
        found = [NUMBER.search(cell.replace("−", "-")) for cell in self._columns[heading]]
        return [float(match[0].replace(",", "")) if match else math.nan for match in found]

    def number(self, pattern: str) -> float:
        """The first group of a regular expression that the text holds."""
        match = re.search(pattern, self.text)
        if not match:
            raise ValueError(f"the output has no {pattern!r}")
        return float(match[1].replace(",", ""))


def _right(asked):
    return next(k for k, choice in enumerate(asked.choices) if choice.get("right"))


def _check_choices(asked):
    if sum(bool(choice.get("right")) for choice in asked.choices) != 1 or len(asked.choices) < 3:
        raise ValueError(f"{asked.id}: of three choices or more exactly one must be right")
    if not all(choice.keys() <= {"text", "why", "right"} and choice["why"] for choice in asked.choices):
        raise ValueError(f"{asked.id}: each choice needs text and why, and may have right")


def _choices(asked):
    """Lines of MyST: each choice with its reason."""
    parts = []
    for k, choice in enumerate(asked.choices):
        at, right = f"{asked.id}-{k}", "true" if choice.get("right") else "false"
        field = f'<input type="radio" name="{asked.id}" id="{at}" aria-labelledby="{at}-text" hidden>'
        parts += [f'<div class="marginlab-choice">{field}<div id="{at}-text">', ""]
        parts += [choice["text"].strip(), "", "</div></div>"]
        parts += [f'<div class="marginlab-why" data-for="{at}" data-right="{right}">', ""]
        said = "**Right.** " if choice.get("right") else "**No.** "
        parts += [said + choice["why"].strip(), "", "</div>"]
    return parts


def _rows(path):
    return _parsed(path.read_text(encoding="utf-8")) if path.exists() else []


_parsed = functools.cache(yaml.safe_load)  # of each text once: a build asks for it seven times


def read(path: Path) -> list[Question]:
    """The questions of one lesson.

    Raises:
        ValueError, TypeError: where one is not as `Question` says; the message names it.
    """
    return [Question(**row | {"choices": tuple(row["choices"])}) for row in _rows(path) if "cell" not in row]


def predictions(path: Path) -> list[Prediction]:
    """The predictions of one lesson: the rows that name a cell.

    Raises:
        ValueError, TypeError: where one is not as `Prediction` says; the message names it.
    """
    return [
        Prediction(**row | {"choices": tuple(row.get("choices", ()))}) for row in _rows(path) if "cell" in row
    ]


def _in_order(root):
    return sorted(Path(root).glob("lessons/*/asking.yml"))


def every(root: Path) -> Iterator[tuple[str, Question]]:
    """(lesson, question) for the whole book."""
    for path in _in_order(root):
        for question in read(path):
            yield path.parent.name, question


def every_prediction(root: Path) -> Iterator[tuple[str, Prediction]]:
    """(lesson, prediction) for the whole book."""
    for path in _in_order(root):
        for prediction in predictions(path):
            yield path.parent.name, prediction


def names(root: Path) -> dict[str, Any]:
    """What proofs may use."""
    import numpy as np

    from marginlab import budget, family, geometry, heads, reference, room
    from marginlab.hazards import HAZARDS

    results = {
        p.stem: json.loads(p.read_text(encoding="utf-8")) for p in Path(root, "book/results").glob("*.json")
    }
    found = {"np": np, "budget": budget, "geometry": geometry, "heads": heads, "family": family, "room": room}
    return found | {"reference": reference, "HAZARDS": HAZARDS, "results": results}


def prove(questions: list[Question], root: Path) -> None:
    """Runs each proof.

    Raises:
        AssertionError: naming the question whose right answer is wrong.
    """
    known = names(root)
    for question in questions:
        try:
            exec(compile(question.proof, f"proof of {question.id}", "exec"), dict(known))
        except Exception as error:
            raise AssertionError(f"the right answer to {question.id!r} is not proved: {error!r}") from error


def placed(
    cells: list[dict[str, Any]], questions: list[Question], before: list[Prediction] | None = None
) -> list[dict[str, Any]]:
    """The cells of a lesson with each question at the end of its section, and predictions before their cells.

    Raises:
        ValueError: for a section, a paragraph or a cell that is not there.
    """
    cells = _marked(cells, questions)
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
    return _foretold([cell for section in sections.values() for cell in section], before or [])


def _marked(cells, questions):
    """The cells, with a place to go to before the paragraph that each question names by its words."""
    cells = [dict(cell) for cell in cells]
    for question in questions:
        found = [
            (cell, re.search(rf"(?:\A|\n\n)(?=(?:(?!\n\n).)*{re.escape(question.see)})", text, re.DOTALL))
            for cell in cells
            if cell["cell_type"] == "markdown" and question.see in (text := "".join(cell["source"]))
        ]
        if len(found) != 1:
            raise ValueError(
                f"{len(found)} paragraphs say {question.see!r}, for the question {question.id!r}"
            )
        (cell, match), *_ = found
        text = "".join(cell["source"])
        cell["source"] = f'{text[: match.end()]}<span id="see-{question.id}"></span>{text[match.end() :]}'
    return cells


def _foretold(cells, before):
    """The cells, with each prediction before the first that it covers."""
    places = {cell.get("id"): k for k, cell in enumerate(cells) if cell["cell_type"] == "code"}
    code, ahead = list(places), {}
    for prediction in before:
        first = prediction.cells[0]
        start = code.index(first) if first in places else 0
        if code[start : start + len(prediction.cells)] != prediction.cells:
            raise ValueError(f"no cells {prediction.cell!r} for the prediction {prediction.id!r}")
        ahead[places[first]] = new_markdown_cell(prediction.markdown(), id=f"prediction-{prediction.id}")
    return [each for k, cell in enumerate(cells) for each in ([ahead[k], cell] if k in ahead else [cell])]


def _reveal(app, doctree):
    """Gives each prediction of a page what is right, and marks the outputs that it covers."""
    lesson = LESSON.match(app.env.docname)
    known = predictions(Path(app.srcdir, "lessons", lesson[1], "asking.yml")) if lesson else []
    if not known or unexecuted(app):
        return
    space = names(Path(app.srcdir))
    raws = [node for node in doctree.findall(nodes.raw) if "marginlab-prediction" in node.astext()]
    for prediction in known:
        (opening,) = (node for node in raws if f'id="prediction-{prediction.id}"' in node.astext())
        beside = opening.parent.children[opening.parent.index(opening) :]
        cells = [node for node in beside if "cell" in node.get("classes", ())] if beside else []
        covered = [
            output
            for cell in cells[: len(prediction.cells)]
            for output in cell.findall(
                lambda node: "cell_output" in getattr(node, "attributes", {}).get("classes", ())
            )
        ]
        try:
            value = prediction.given(Output(covered), space)
        except AssertionError as error:
            raise ExtensionError(f"asking: {error}") from error
        for output in covered:
            output["classes"] += ["marginlab-result", f"marginlab-of-{prediction.id}"]
        right = {prediction.id: _said(prediction, value)}
        app.env.marginlab_right = getattr(app.env, "marginlab_right", {}) | right
        data = {"kind": prediction.kind, "value": value, "words": [_(word) for word in prediction.words]}
        data |= {"x": _axis(prediction.x), "y": _axis(prediction.y), "lines": list(prediction.lines)}
        text = opening.astext().replace(
            'data-prediction=""', f'data-prediction="{html.escape(json.dumps(data))}"', 1
        )
        opening.replace_self(nodes.raw("", text, format="html"))


def _prove(app):
    if unexecuted(app) or beside(app):
        return
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
    elif docname == REVIEW:
        source[0] += _prompts(Path(app.srcdir))
        for path in Path(app.srcdir).glob("lessons/*/*"):  # what is right comes from the lessons' outputs
            app.env.note_dependency(str(path))
    elif lesson:
        path = Path(app.srcdir, "lessons", lesson[1], "asking.yml")
        app.env.note_dependency(str(path))
        if path.exists():
            notebook = json.loads(source[0])
            notebook["cells"] = placed(notebook["cells"], read(path), predictions(path))
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
        choices = "\n".join(f"- {choice['text'].strip()}" for choice in question.choices)
        link = f"[where it stands](../lessons/{lesson}/lesson.ipynb)"
        out += [
            f"\n### {question.id.replace('-', ' ').capitalize()}\n\n{question.ask.strip()}\n\n{choices}\n"
        ]
        out += [f":::{{dropdown}} Answer\n{_answer(question)} ({link})\n:::\n"]
    return "\n".join(out)


def _answer(asked):
    """What is right of some choices, and why."""
    right = asked.choices[_right(asked)]
    answer = f"{right['text'].strip()}: {right['why'].strip()}"
    return answer[0].upper() + answer[1:]


def _prompts(root):
    """All that is asked as prompts with their answers; what is right of a prediction `_fill` puts in."""
    out = ["", '<div class="marginlab-review">']
    asked = [*every(root), *every_prediction(root)]
    for lesson, each in sorted(asked, key=lambda row: row[0]):
        kind = "question" if isinstance(each, Question) else "prediction"
        where = f"see-{each.id}" if kind == "question" else f"prediction-{each.id}"
        if each.choices:
            answer = _answer(each)
        else:
            answer = f'<span data-right="{each.id}"></span> {each.because.strip()}'
        link = f'<a href="../lessons/{lesson}/lesson.html#{where}">Chapter {int(lesson[:2])}</a>'
        out += [
            f'<section class="marginlab-prompt" data-prompt="{kind}-{each.id}">',
            "",
            each.ask.strip(),
            "",
        ]
        out += ['<div class="marginlab-back">', "", f"{answer} ({link})", "", "</div></section>"]
    care = '<div class="marginlab-care" hidden></div>'  # what the script fills: export, import, reset
    return "\n".join([*out, "</div>", care, ""])


def _said(prediction, value):
    """What is right, in words; nothing for a curve or a choice."""

    def number(axis, v):
        text = f"{v:.3g}" if axis.get("log") else f"{v:.{axis.get('digits', 0)}f}"
        return text.replace("-", "−") + axis.get("unit", "")

    if prediction.kind == "number":
        return f"{number(prediction.x, value)}."
    if prediction.kind == "point":
        return f"({number(prediction.x, value[0])}, {number(prediction.y, value[1])})."
    return ""


def _fill(app, pagename, templatename, context, doctree):
    if pagename == REVIEW:
        right = getattr(app.env, "marginlab_right", {})
        fill = re.compile(r'<span data-right="([\w-]+)"></span>')
        context["body"] = fill.sub(lambda match: html.escape(right[match[1]]), context["body"])


def _merge(app, env, docnames, other):
    env.marginlab_right = getattr(env, "marginlab_right", {}) | getattr(other, "marginlab_right", {})


def table(root: Path) -> dict[str, list[str]]:
    """{lesson: the names of all that it asks}, by which the sidebar counts."""
    asked = {path.parent.name: [f"question-{q.id}" for q in read(path)] for path in _in_order(root)}
    for lesson, prediction in every_prediction(root):
        asked[lesson].append(f"prediction-{prediction.id}")
    return asked


def script(root: Path) -> str:
    """The one script of the pages, from the modules in `book/asking`."""
    from marginlab import __version__
    from marginlab.explorer import bundle

    start = f"$start.start({json.dumps(table(root))}, {json.dumps(__version__)});"
    return bundle.script(start, "start", here=SCRIPTS)


def _write(app):
    static = app.outdir / "_static"
    static.mkdir(parents=True, exist_ok=True)
    (static / "asking.js").write_text(script(Path(app.srcdir)), encoding="utf-8")


def setup(app):
    app.connect("builder-inited", _prove)
    app.connect("builder-inited", _write)
    app.connect("source-read", _ask)
    app.connect("doctree-read", _reveal)
    app.connect("env-merge-info", _merge)
    app.connect("html-page-context", _fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
