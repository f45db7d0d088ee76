"""Checks that tell a student in words where a function first goes wrong, and why that may be::

    from marginlab.checks import check_arcface
    report = check_arcface(my_function)     # prints what is right and where it first differs
    report.hint(2)                          # why that may be; hint(3): how to go on

`grade(name, f)` is the same without the printing, for graded cells. What is compared is bound when
this package is imported, from copies of `marginlab.reference` and `marginlab.room` of its own. A
graded cell, which must not trust what a notebook did before it, begins with::

    import sys
    for name in [name for name in sys.modules if name.startswith("marginlab.checks")]:
        del sys.modules[name]
    from marginlab.checks import grade

or, where nobody hands in a patched interpreter, with ``grade = marginlab.checks.fresh().grade``.
"""

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from marginlab.checks.answers import of_check, of_exercise
from marginlab.checks.report import Report, Task, Words
from marginlab.checks.run import examine
from marginlab.checks.tasks import TASKS

__all__ = [
    "Report",
    "check_adaface",
    "check_angle",
    "check_arcface",
    "check_arcface_gradient",
    "check_blockwise",
    "check_bootstrap",
    "check_carry_over",
    "check_cosface",
    "check_count_margins",
    "check_cross_entropy",
    "check_eer",
    "check_imprint",
    "check_largest_margin",
    "check_least_scale",
    "check_loss_floor",
    "check_memory",
    "check_normface",
    "check_psi",
    "check_sphereface",
    "check_subcenters",
    "check_tar_at_far",
    "check_ucos",
    "check_unit",
    "explain",
    "fresh",
    "grade",
]


def grade(name: str, f: Any, seed: int = 0, seconds: float = 10.0) -> Report:
    """A `Report` on function f for the check of that name, without printing.

    Args:
        name: such as "arcface" or "check_arcface".
        f: the student's function.
        seed: other seeds give other points; the checks that print use 0.
        seconds: how long all calls together may take.

    Raises:
        KeyError: for a name that no check has.
    """
    report = examine(TASKS[name.removeprefix("check_")], f, seed, seconds)
    report.worked = of_check
    return report


def explain(name: str, key: str) -> Words:
    """The worked answer to an exercise that no check opens, such as "x05-derive", by the instructor's key.

    A check that has passed opens its own: ``check_arcface(my_arcface).explain()``.

    Raises:
        KeyError: for an exercise that has none.
        ValueError: if the key is not this exercise's.
    """
    return Words(of_exercise(name, key))


def fresh() -> ModuleType:
    """A new copy of this module, read from its files again: nothing that was patched is in it."""
    kept = {name: sys.modules.pop(name) for name in _loaded()}
    try:
        return importlib.import_module(__name__)
    finally:
        for name in _loaded():
            del sys.modules[name]
        sys.modules.update(kept)
        setattr(sys.modules["marginlab"], "checks", kept[__name__])  # noqa: B010 (a module has no such field)


def _loaded():
    return [name for name in sys.modules if name.startswith(__name__)]


def _check(task: Task) -> Callable[[Any], Report]:
    def check(f):
        report = examine(task, f)
        report.worked = of_check
        print(report)
        return report

    check.__name__ = check.__qualname__ = f"check_{task.name}"
    check.__doc__ = f"""Check f({", ".join(task.arguments)}): {task.doc}

    Prints which parts are right and where f first differs, and returns a `Report`. f takes NumPy
    arrays, and may return NumPy's, TensorFlow's or Keras's.
    """
    return check


check_unit = _check(TASKS["unit"])
check_angle = _check(TASKS["angle"])
check_cross_entropy = _check(TASKS["cross_entropy"])
check_normface = _check(TASKS["normface"])
check_loss_floor = _check(TASKS["loss_floor"])
check_least_scale = _check(TASKS["least_scale"])
check_ucos = _check(TASKS["ucos"])
check_sphereface = _check(TASKS["sphereface"])
check_cosface = _check(TASKS["cosface"])
check_largest_margin = _check(TASKS["largest_margin"])
check_arcface = _check(TASKS["arcface"])
check_arcface_gradient = _check(TASKS["arcface_gradient"])
check_psi = _check(TASKS["psi"])
check_tar_at_far = _check(TASKS["tar_at_far"])
check_eer = _check(TASKS["eer"])
check_blockwise = _check(TASKS["blockwise"])
check_memory = _check(TASKS["memory"])
check_carry_over = _check(TASKS["carry_over"])
check_subcenters = _check(TASKS["subcenters"])
check_count_margins = _check(TASKS["count_margins"])
check_adaface = _check(TASKS["adaface"])
check_imprint = _check(TASKS["imprint"])
check_bootstrap = _check(TASKS["bootstrap"])
