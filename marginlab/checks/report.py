"""What a task is made of, and the report on a student's function."""

import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Case", "Finding", "Mistake", "Part", "Report", "Task", "Words", "task"]


class Case(NamedTuple):
    """One call.

    Attributes:
        what: what is special about these points, such as "tiny angles, in float32".
        args: the arguments, in order.
        rows: what each row of the result stands for, such as "θ = 0.001".
        tol: allowed error, relative to 1 + |truth| (or to `size` + |truth|).
        size: what stands for 1 there.
        truth, mistakes: in place of the task's own, where the case looks at something else.
        look: what to look at, ``look(f, args)``; None is the result. It returns None if there is
            nothing to see, and the case then counts for nothing.
    """

    what: str
    args: tuple
    rows: tuple = ()
    tol: float = 1e-6
    size: float = 1.0
    truth: Callable | None = None
    mistakes: tuple | None = None
    look: Callable | None = None


class Part(NamedTuple):
    """A step of the task that can be told from the others, and is marked for itself.

    `likely` is the mistake to name where no known form gives the student's very numbers.
    """

    name: str
    cases: list
    likely: "Mistake | None" = None
    marks: int = 1


class Mistake(NamedTuple):
    """A wrong form that people write, and what to say to one who wrote it.

    A form that rounding makes different on each computer is None, and named by a part as `likely`.
    """

    name: str
    form: Callable | None
    why: str
    how: str


@dataclass(frozen=True)
class Task:
    """A name, the truth, its points ``points(rng) -> [Part]``, the known mistakes."""

    name: str
    truth: Callable
    points: Callable
    mistakes: tuple
    arguments: tuple  # names and shapes, as in "x (B, d)"
    doc: str


class Words(str):
    """Text that a notebook shows as it stands."""

    __repr__ = str.__str__


class Finding(NamedTuple):
    """What is wrong with one call: a kind such as "shape" or "value", and three sentences."""

    kind: str
    where: str
    why: str = ""
    how: str = ""
    mistake: str = ""


def _none(task, function):
    raise KeyError(task)


@dataclass
class Report:
    """What a check found.

    Attributes:
        task: the task's name.
        parts: ``{name: whether it is right}``, one for each step that can be told apart.
        weights: ``{name: marks}`` of the parts.
        called: the function's own name.
        kind: "right", or the first thing that is wrong: "not a function", "signature", "exception",
            "exit", "time", "print", "nothing", "type", "shape", "in place", "nan" or "value".
        mistake: the name of the known mistake, or else the kind.
        printed: the first characters that the function printed.
        function, results: the function, and what each call of it gave.
        worked: opens the worked answer, ``worked(task, function)``.
    """

    task: str
    parts: dict
    weights: dict
    finding: Finding | None = None
    printed: str = ""
    called: str = "f"
    function: Callable | None = field(default=None, repr=False, compare=False)
    results: list = field(default_factory=list, repr=False, compare=False)
    worked: Callable[..., str] = field(default=_none, repr=False, compare=False)

    @property
    def passed(self) -> bool:
        return self.finding is None

    @property
    def kind(self) -> str:
        return self.finding.kind if self.finding else "right"

    @property
    def mistake(self) -> str:
        return (self.finding.mistake or self.finding.kind) if self.finding else ""

    @property
    def score(self) -> float:
        """The share of the marks, from 0 to 1."""
        return sum(self.weights[name] for name, right in self.parts.items() if right) / sum(
            self.weights.values()
        )

    def marks(self, maximum: float) -> float:
        """The marks out of a maximum, to a quarter of a mark, rounded down."""
        return int(4 * maximum * self.score + 1e-9) / 4

    def hint(self, level: int = 1) -> Words:
        """Level 1 says where it first differs, 2 why that may be, 3 how to go on.

        Raises:
            ValueError: for any other level.
        """
        if level not in (1, 2, 3):
            raise ValueError(f"level must be 1 (where), 2 (why) or 3 (how), got {level!r}")
        if self.finding is None:
            return Words("All parts are right: there is nothing to mend.")
        return Words((self.finding.where, self.finding.why, self.finding.how)[level - 1])

    def explain(self) -> Words:
        """The worked answer and what often goes wrong, once the check has passed.

        They are sealed: only what a right function gives opens them. A function that is right here and wrong
        at other points is told where.
        """
        if not self.passed:
            return Words("The worked answer opens when all parts are right.")
        try:
            return Words(self.worked(self.task, self.function))
        except KeyError:
            return Words("No sheet has an answer to this check.")
        except ValueError as error:
            return Words(error)

    def __str__(self):
        right = sum(self.parts.values())
        lines = [f"check_{self.task}: {right} of {len(self.parts)} parts right"]
        lines += [f"  {'right' if ok else 'WRONG'}  {name}" for name, ok in self.parts.items()]
        if self.printed:
            lines += ["Your function printed:", "  " + self.printed.replace("\n", "\n  ")]
        if self.finding:
            lines += [textwrap.fill(f"Where: {self.finding.where}", 96, subsequent_indent="       ")]
            call = f"check_{self.task}({self.called})"
            lines += [f"For more, in a cell of your own: `{call}.hint(2)`, then `.hint(3)`."]
        else:
            lines += [f"For the worked answer: `check_{self.task}({self.called}).explain()`."]
        return "\n".join(lines)

    def __repr__(self):
        return f"<check_{self.task}: {'passed' if self.passed else self.mistake}>"


def task(arguments: str, truth: Callable, mistakes: Iterable[Mistake]) -> Callable[[Callable], Task]:
    """Makes a function ``points(rng) -> [Part]`` the `Task` of the function's name."""

    def make(points):
        names = tuple(arguments.split("; "))
        return Task(points.__name__, truth, points, tuple(mistakes), names, points.__doc__)

    return make
