"""explore() and compare(): sliders that retrain the 2-D model; `_widgets` has their classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from marginlab import _checks, family, formula
from marginlab.explorer.forms import FORMS

if TYPE_CHECKING:
    from marginlab.explorer._widgets import Comparison, Explorer

__all__ = ["compare", "explore"]


def explore(
    head: str = "arcface", seed: int = 0, psi: str | None = None, naive: str | None = None
) -> Explorer:
    """Sliders for one head; moving one retrains the model on MNIST and redraws it as it learns.

    Args:
        head: "softmax", "normface", "sphereface", "cosface", "arcface", "combined", or "own", whose ψ is a
            formula, to begin with.
        seed: of the first run; a slider changes it.
        psi: the formula of "own" to begin with, as `heads.from_formula` takes it.
        naive: a form under "break it", "acos" say, to begin with; None for none.

    Returns:
        An ipywidgets box. Where no kernel answers, as in a repository's preview, it shows its last
        whole run. A page of the built book begins with a run of its own (`explorer.engine`).

    Raises:
        ImportError: without ipywidgets and anywidget (``pip install "marginlab[lab]"``).
        ValueError: for an unknown head, a seed that is no whole number from 0 to 9, a psi that is no
            formula, or a naive form that there is not.
    """
    _check(head, seed)
    if psi is not None:
        try:
            formula.parse(psi)
        except (formula.FormulaError, TypeError) as error:
            raise ValueError(f"psi must be a formula of theta, got {psi!r}: {error}") from None
    _check_form(head, naive)
    return _load().Explorer(head, seed, psi=psi, naive=naive)


def compare(
    *heads: str, seed: int = 0, scale: float | None = None, naive: Sequence[str | None] | None = None
) -> Comparison:
    """Explorers side by side, of the same seed, on one time line: each moment is shown of all of them.

    Args:
        *heads: two or more of the names that `explore` takes, such as "softmax", "arcface".
        seed: of the first runs; the seed of each explorer moves the others'.
        scale: of the first run of every head that has one; without it each begins at its own default.
        naive: of each head None or a form under "break it", "acos" say, to begin with.

    Returns:
        An ipywidgets box.

    Raises:
        As `explore` does; ValueError also for fewer than two heads, for a scale that the sliders do not
        have, and for naive forms that are not one for each head.
    """
    if len(heads) < 2:
        raise ValueError(f"heads must be two or more names of heads, got {heads!r}")
    for head in heads:
        _check(head, seed)
    if scale is not None:
        low, high, _ = family.FAMILY["arcface"].settings["scale"].slider
        _checks.number("scale", scale, low, high, f"a number from {low} to {high}")
    forms = (None,) * len(heads) if naive is None else tuple(naive)
    if len(forms) != len(heads):
        raise ValueError(f"naive must be one for each of {len(heads)} heads, got {naive!r}")
    for head, form in zip(heads, forms, strict=True):
        _check_form(head, form)
    return _load().Comparison(heads, seed, scale, forms)


def _check(head, seed):
    _checks.one_of("head", head, [*family.numeric(), "own"])
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= 9:
        raise ValueError(f"seed must be a whole number from 0 to 9, got {seed!r}")


def _check_form(head, naive):
    if naive is not None:
        _checks.one_of("naive", naive, FORMS if head not in ("softmax", "own") else ())


def _load():
    try:
        from marginlab.explorer import _widgets
    except ImportError as error:
        raise ImportError(
            f'explore() needs {error.name}: pip install "marginlab[lab]"', name=error.name
        ) from None
    return _widgets
