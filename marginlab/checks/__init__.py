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

or, where nobody would patch it, with ``grade = marginlab.checks.fresh().grade``.
"""

import importlib
import sys

from marginlab.checks import figures, heads, vectors  # noqa: F401 (they fill TASKS)
from marginlab.checks.engine import Report, run
from marginlab.checks.points import TASKS


def grade(name, f, seed=0, seconds=10.0):
    """A `Report` on function f for the check of that name, without printing.

    Args:
        name: such as "arcface" or "check_arcface".
        f: the student's function.
        seed: other seeds give other points; the checks that print use 0.
        seconds: how long all calls together may take.

    Raises:
        KeyError: for a name that no check has.
    """
    return run(TASKS[name.removeprefix("check_")], f, seed, seconds)


def fresh():
    """A new copy of this module, read from its files again: nothing that was patched is in it."""
    ours = lambda: [name for name in sys.modules if name.startswith(__name__)]  # noqa: E731
    kept = {name: sys.modules.pop(name) for name in ours()}
    try:
        return importlib.import_module(__name__)
    finally:
        for name in ours():
            del sys.modules[name]
        sys.modules.update(kept)
        sys.modules["marginlab"].checks = kept[__name__]


def _check(task):
    def check(f):
        report = run(task, f)
        print(report)
        return report

    check.__name__ = check.__qualname__ = f"check_{task.name}"
    check.__doc__ = f"""Check f({", ".join(task.arguments)}): {task.doc}

    Prints which parts are right and where f first differs, and returns a `Report`. f takes NumPy
    arrays, and may return NumPy's, TensorFlow's or Keras's.
    """
    return check


globals().update({f"check_{name}": _check(task) for name, task in TASKS.items()})
__all__ = ["Report", "fresh", "grade", *(f"check_{name}" for name in TASKS)]
