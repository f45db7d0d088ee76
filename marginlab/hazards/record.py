"""What a record of a hazard is: it runs, says where it fails, and shows itself as a table or a plot."""

import functools
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from marginlab import plots

__all__ = ["Hazard", "Result", "record_of"]


@dataclass(frozen=True)
class Result:
    """What a run gives, all ``(n,)``; `truth` is None where no third number is to be compared with."""

    points: np.ndarray
    naive: np.ndarray
    cured: np.ndarray
    truth: np.ndarray | None


@dataclass(frozen=True)
class Hazard:
    """A naive formula, its cure, and the points at which they differ.

    Attributes:
        name: the record's key in `HAZARDS`, such as "acos-at-one".
        chapter: the lesson in which it is met, such as "05_arcface".
        symptom: what one sees, in a sentence.
        why: the arithmetic behind it.
        cure: what to do instead.
        met: where people met it: "owner/repo#number", a section of a paper, or
            "derived here: …".
        axis: what `points` are, with their unit.
        quantity: what the numbers are, with their unit.
        see: one line on what the table and the plot show.
        points: ``(n,)``, those of the table.
        naive, cured: callables from points ``(n,)`` to numbers ``(n,)``.
        truth: such a callable in float64, or None.
        wrong: callable (points, values, truth) to booleans ``(n,)``.
        draw: "points", "gradient" (over an angle on a logarithmic axis) or "psi".
        curve: points of the plot, where they are not `points`.
        log_y: whether "points" are drawn on a logarithmic axis.
    """

    name: str
    chapter: str
    symptom: str
    why: str
    cure: str
    met: tuple[str, ...]
    axis: str
    quantity: str
    see: str
    points: np.ndarray
    naive: Callable
    cured: Callable
    wrong: Callable
    truth: Callable | None = None
    draw: str = "points"
    curve: np.ndarray | None = None
    log_y: bool = False

    def run(self, points: ArrayLike | None = None) -> Result:
        """A `Result` at points ``(n,)``, by default the record's own."""
        return self._own if points is None else self._at(np.asarray(points))

    @functools.cached_property
    def _own(self) -> Result:
        """At its own points. Some train for seconds, and table, plot and words show the same run."""
        return self._at(self.points)

    def _at(self, points: np.ndarray) -> Result:
        with np.errstate(all="ignore"):  # what NumPy would warn of is what is shown
            naive, cured = (np.asarray(form(points), "float64") for form in (self.naive, self.cured))
            truth = self.truth and np.asarray(self.truth(points), "float64")
        return Result(points, naive, cured, truth)

    def fails(self, values: ArrayLike) -> np.ndarray:
        """At which of the record's points values ``(n,)`` fail as described: booleans ``(n,)``."""
        with np.errstate(all="ignore"):
            return self.wrong(self.points, np.asarray(values, "float64"), self._own.truth)

    def source(self, form: str = "naive") -> str:
        """The source of `naive`, `cured` or `truth`, as the book shows it."""
        return textwrap.dedent(inspect.getsource(getattr(self, form)))

    def table(self) -> str:
        """Points, naive and cured values and the truth in columns, and what to see in them."""
        result = self.run()
        columns = {"naive": result.naive, "cured": result.cured, "truth": result.truth}
        columns = {name: np.where(np.abs(v) < 1e-12, 0, v) for name, v in columns.items() if v is not None}
        columns = {self.axis: result.points} | columns
        cells = [[name, *map(_number, values)] for name, values in columns.items()]
        widths = [max(map(len, cell)) for cell in cells]
        marks = ["", *np.where(self.fails(result.naive), "  <- naive fails", "")]
        rows = zip(*cells, marks, strict=True)
        lines = ["   ".join(c.rjust(w) for c, w in zip(row, widths, strict=False)) + row[-1] for row in rows]
        head, foot = (textwrap.fill(words, 78) for words in (f"{self.name}: {self.quantity}", self.see))
        return "\n".join([head, "", *lines, "", foot])

    def demonstrate(self) -> None:
        """Print the table."""
        print(self.table())

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw naive and cured values; returns the Axes."""
        ax = _DRAW[self.draw](self, self.run(self.curve), ax)
        quantity = self.quantity.replace(" = ", "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}")
        ax.set(xlabel=self.axis, ylabel=textwrap.fill(quantity, 36))
        return ax


def _number(value):
    """A whole number in full, any other to four digits; NaN and ∞ as people see them."""
    if abs(value) < 1e6 and value == round(value):
        return f"{value + 0:.0f}"  # -0 + 0 is 0
    return {"nan": "NaN", "inf": "∞", "-inf": "-∞"}.get(f"{value}", f"{value:.4g}")


def _draw_gradient(hazard, result, ax):
    curves = {"naive": result.naive, "cured": result.cured}
    return plots.gradient_by_angle(result.points, curves, ax=ax)


def _draw_psi(hazard, result, ax):
    return plots.psi(result.points, {"ψ": (result.cured, result.naive)}, ax=ax)


def _draw_points(hazard, result, ax):
    """The table as a picture: points stand side by side, whatever lies between them."""
    with plots.styled():
        ax = plt.subplots(figsize=plots.WIDE)[1] if ax is None else ax
        at = np.arange(len(result.points))
        lines = []
        styles = {"naive": ("X--", 9), "cured": ("o-", 7)}
        for form, (style, size) in styles.items():
            colour = plots.COLOURS[form]
            values = getattr(result, form)
            seen = np.where(np.isfinite(values), values, np.nan)
            ax.plot(at, seen, style, color=colour, ms=size, label=form)
            lines.append((colour, at, values))
        if hazard.log_y:
            ax.set_yscale("log")
        ax.set_xticks(at, [_number(point) for point in result.points])
        ax.margins(y=0.12)
        plots.mark_undrawable(ax, lines)
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return ax


_DRAW = {"gradient": _draw_gradient, "psi": _draw_psi, "points": _draw_points}


def record_of(chapter: str) -> Callable[[type], Hazard]:
    """Makes a class body the record of the class's name, met in that chapter."""

    # A class body, and not a call with lambdas: `inspect.getsource` then gives each form as a function of
    # some lines, and the book shows it.
    def record(cls):
        fields = {key: value for key, value in vars(cls).items() if not key.startswith("__")}
        fields["points"] = np.asarray(fields["points"])
        return Hazard(name=cls.__name__.replace("_", "-"), chapter=chapter, **fields)

    return record
