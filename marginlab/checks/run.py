"""Runs a student's function on points, compares it with the truth, and says in words what differs.

It knows nothing of margins: a `Task` brings the truth, the points and the known mistakes. What the
verdict needs is bound here when the module is imported, so that names patched later change nothing.
"""

import ctypes
import inspect
import linecache
import math
import os
import sys
import sysconfig
import threading
import traceback
from typing import Any

import numpy as np

from marginlab.checks.report import Case, Finding, Report, Task

__all__ = ["PRINTED", "SECONDS", "SHOWN", "examine", "truths"]

SECONDS = 10.0  # for all calls together; a right function needs well under 2
PRINTED = 20_000  # characters, over all calls
SHOWN = 400  # of them, in the report

_asarray, _errstate = np.asarray, np.errstate  # bound at import, as is all that the verdict needs
_LIBRARIES = tuple({os.path.realpath(p) for p in sysconfig.get_paths().values()})


# The student's function runs in a thread of its own, which works in every kernel on every system.


class _Stop(BaseException):
    """Thrown into a function that is out of time, or that prints without end."""


class _Sink:
    """Stands in for stdout: keeps the first characters, and stops a flood."""

    def __init__(self):
        self.kept, self.count = "", 0

    def write(self, text):
        self.kept += text[: max(0, SHOWN - len(self.kept))]
        self.count += len(text)
        if self.count > PRINTED:
            raise _Stop
        return len(text)

    def flush(self):
        pass

    def isatty(self):
        return False


def _in_thread(work, seconds):
    """Run work() with prints caught, and end it when its time is over.

    Returns what was printed, and whether it goes on all the same. Code that catches everything that is thrown
    into it goes on until the interpreter ends: no thread of Python's can be ended from outside.
    """
    sink, screen = _Sink(), sys.stdout
    thread = threading.Thread(target=work, daemon=True)
    sys.stdout = sink
    try:
        thread.start()
        thread.join(seconds)
    finally:  # when the kernel is interrupted too
        if thread.is_alive():  # Python code stops at its next instruction; C code, when it returns
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident or 0), ctypes.py_object(_Stop)
            )
            thread.join(0.5)
        sys.stdout = screen
    return sink, thread.is_alive()


def _copies(args):
    return tuple(a.copy() if isinstance(a, np.ndarray) else a for a in args)


def _call(f, case, task):
    """What one call gives: a tuple of arrays, a Finding, or None where there is nothing to see."""
    args = _copies(case.args)
    with _errstate(all="ignore"):
        try:
            got = f(*args) if case.look is None else case.look(f, args)
        except _Stop:
            raise
        except SystemExit:
            return Finding(
                "exit",
                f"With {case.what} your function calls exit.",
                "exit() and quit() end the whole program, and here would end the notebook.",
                "Leave a function by return.",
            )
        except BaseException as error:  # KeyboardInterrupt too, if the student raises it
            return _exception(error, case)
    for name, before, after in zip(task.arguments, case.args, args, strict=True):
        if isinstance(before, np.ndarray) and before.tobytes() != after.tobytes():
            return Finding(
                "in place",
                f"Your function changes its argument {name.split()[0]} in place.",
                "The caller's array is no longer what it was; x -= …, x /= … and x[…] = … write into it.",
                "Make a new array, x = x / …, or begin with a copy.",
            )
    if got is None:
        return None if case.look else _NOTHING
    got = got if isinstance(got, tuple) else (got,)
    arrays = []
    for each in got:
        each = _array(each)
        if isinstance(each, Finding):
            return each
        arrays.append(each)
    return tuple(arrays)


_NOTHING = Finding(
    "nothing",
    "Your function returns None.",
    "A function without return gives None.",
    "End it with return and the result.",
)


def _exception(error, case):
    """Which exception, and in which line of the student's own."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not os.path.realpath(frame.filename).startswith((*_LIBRARIES, os.path.dirname(__file__)))
    ]
    line = ""
    if frames:
        source = linecache.getline(frames[-1].filename, frames[-1].lineno or 0).strip()
        line = f", in line {frames[-1].lineno} of its cell or file" + (f": {source}" if source else "")
    if isinstance(error, NotImplementedError):
        why, how = "The task has not been begun, or not been finished.", "Write the function first."
    else:
        message = str(error).strip().split("\n")[0].rstrip(".")
        why = f"Python's own message is the best clue: {message}."
        if not message:
            why = f"It stopped with {type(error).__name__}, which says no more."
        how = "Call it yourself with small arrays of these shapes, and look at the shape of each step."
    return Finding("exception", f"With {case.what} it raises {type(error).__name__}{line}.", why, how)


def _array(got: Any):
    """A result as a NumPy array of real numbers, or a Finding that says why it is none."""
    home, plain = type(got).__module__.split(".")[0], isinstance(got, int | float)
    if isinstance(got, bool) or not (
        plain or home in ("numpy", "tensorflow", "keras", "torch", "jax", "jaxlib")
    ):
        kind = {list: "a list", str: "a string", complex: "a complex number", dict: "a dict", bool: "a bool"}
        name = kind.get(
            type(got), "a function" if callable(got) else f"an object of type {type(got).__name__}"
        )
        return Finding(
            "type",
            f"Your function returns {name}.",
            "An array or a number is wanted: of NumPy, TensorFlow or Keras.",
            "A list of numbers becomes an array by np.array(…), a list of tensors by tf.stack(…).",
        )
    try:
        array = _asarray(got.detach().cpu() if home == "torch" else got)
    except Exception:
        return Finding(
            "type",
            f"Your function returns {type(got).__name__}, which holds no numbers yet.",
            "A symbolic tensor stands for numbers that come later.",
            "Compute with the arrays that are given; build no model in the function.",
        )
    name = str(array.dtype)
    if array.dtype.kind not in "iuf" and name != "bfloat16":
        said = {"c": "complex numbers", "b": "booleans", "U": "strings", "O": "Python objects"}
        return Finding(
            "type",
            f"Your function returns an array of {said.get(array.dtype.kind, name)}.",
            "Real numbers are wanted. An array of objects comes from rows of different lengths.",
            "Look at result.dtype: it should be float32 or float64.",
        )
    if name in ("float16", "bfloat16"):
        return Finding(
            "type",
            f"Your function returns {name}.",
            "Half precision keeps 3 digits: too few for a small angle.",
            "Compute in float32 or float64, and leave the inputs' type as it is.",
        )
    return array


# The verdict on one call, and the likeliest cause.


def _tuple(want):
    return tuple(np.asarray(w, "float64") for w in (want if isinstance(want, tuple) else (want,)))


def _wrong(got, want, case):
    """Where got differs from want by more than is allowed: booleans. Single precision is let be itself."""
    tol = case.tol if got.dtype.itemsize >= 8 else max(case.tol, 2e-6)
    got = got.astype("float64")
    # Operators of arrays alone: a name that was patched before this module was read is not among them.
    with _errstate(all="ignore"):
        off, allowed = got - want, tol * (case.size + (want * want) ** 0.5)
        return ~((off <= allowed) & (-off <= allowed) & (off - off == 0))


def _shape(got, want, case, task):
    """A Finding for a wrong shape, or None."""
    if len(got) != len(want):
        return Finding(
            "shape",
            f"Your function returns {_count(len(got), 'result')}, and {_count(len(want), 'result')} "
            f"{'is' if len(want) == 1 else 'are'} wanted.",
            "A comma too many or too few in the return makes or loses a tuple.",
            "Compare your return with the task's last line.",
        )
    for g, w in zip(got, want, strict=True):
        if g.shape == w.shape:
            continue
        sizes = " and ".join(
            f"{name.split()[0]} {a.shape}"
            for name, a in zip(task.arguments, case.args, strict=True)
            if isinstance(a, np.ndarray)
        )
        where = f"With {case.what} you return shape {g.shape}, and {w.shape} is wanted"
        where += f" ({sizes} came in)." if sizes else "."
        if "labels (B,)" in task.arguments and w.ndim == 2 and g.shape in ((len(w),), (len(w), 1)):
            why = "One number for each row: the other classes' logits are missing."
            how = "Return the logits of all classes, (B, C); the margin comes in at the labels alone."
        elif g.ndim == w.ndim and g.shape == w.shape[::-1]:
            why, how = "It is transposed: rows and columns are exchanged.", "Look at which array comes first."
        elif g.size == w.size:
            why = "The numbers are as many as wanted, with an axis of length 1 too many or too few."
            how = "keepdims=True keeps such an axis, squeeze or a sum over it drops it."
        elif g.ndim < w.ndim:
            why = "An axis was summed or averaged away that should stay."
            how = "Sums and norms over vectors run along the last axis, axis=-1; others stay."
        else:
            why = "An axis should be gone: each row gives one number." if g.ndim > w.ndim else ""
            why = why or "Two arrays met along the wrong axis."
            how = "Write the shapes beside each line: (B, d), (C, d), (B, C)."
        return Finding("shape", where, why, how)
    return None


def _count(n, word):
    return f"{n} {word}" + "s" * (n != 1)


def _at(got, want, wrong, case, task):
    """In words: the first place where they differ, what was got and expected."""
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    place = [case.rows[at[0]]] if at and case.rows and len(case.rows) == want.shape[0] else []
    if len(at) == 2 and "labels (B,)" in task.arguments:
        label = int(case.args[task.arguments.index("labels (B,)")][at[0]])
        kind = "its true class" if at[1] == label else f"not its class, which is {label}"
        place += [f"row {at[0]}, class {at[1]} ({kind})"]
    elif at:
        place += [", ".join(f"{axis} {i}" for axis, i in zip(("row", "column"), at, strict=False))]
    place = f", at {', '.join(place)}" if place else ""
    return f"With {case.what}{place}: you have {_show(got[at])}, and {_show(want[at])} is right."


def _show(value):
    return {"nan": "NaN", "inf": "∞", "-inf": "-∞"}.get(f"{value}", f"{value:.6g}")


def _distance(form, case, got, want):
    """How far a wrong form's numbers are from the student's, or inf where they are not the same mistake.

    They are where the student's are twenty times nearer to the form than the form is to the truth.
    """
    try:
        with _errstate(all="ignore"):
            form = _tuple(form(*_copies(case.args)))
    except Exception:
        return math.inf
    if [f.shape for f in form] != [w.shape for w in want]:
        return math.inf
    if not any(_wrong(f, w, case).any() for f, w in zip(form, want, strict=True)):
        return math.inf
    total = 0.0
    for f, g, w in zip(form, got, want, strict=True):
        with _errstate(all="ignore"):
            g = g.astype("float64")
            same = (g == f) | ((g != g) & (f != f))
            off = np.where(same, 0.0, abs(g - f))
            near = off <= 0.05 * abs(w - f) + 2 * case.tol * (case.size + abs(f))
        if not (near | same).all():
            return math.inf
        total += float(off.sum())
    return total


def _verdict(got, want, case, part, task):
    """None if a call's result is right, or else a Finding without a cause yet, and what to diagnose."""
    got = tuple(_asarray(g) for g in got)
    finding = _shape(got, want, case, task)
    if finding:
        return finding, None
    for g, w in zip(got, want, strict=True):
        wrong = _wrong(g, w, case)
        if wrong.any():
            lost = ~np.isfinite(g) & np.isfinite(w)
            kind = "nan" if (wrong & lost).any() else "value"
            where = _at(g, w, wrong & lost if kind == "nan" else wrong, case, task)
            likely = part.likely
            words = (likely.why, likely.how, likely.name) if likely else ()
            return Finding(kind, where, *words), (case, got, want)
    return None, None


def _diagnosed(finding, failed, task):
    """The finding with the likeliest cause: what known mistake explains most of what is wrong, if a third."""
    case = failed[0][0]
    best, most, least = None, 0, math.inf
    for mistake in task.mistakes if case.mistakes is None else case.mistakes:
        far = [_distance(mistake.form, *each) for each in failed if each[0].mistakes is case.mistakes]
        near = [each for each in far if math.isfinite(each)]
        # As good but for rounding: the one that stands first in the table.
        if far[0] in near and (len(near) > most or (len(near) == most and sum(near) < least / 2)):
            best, most, least = mistake, len(near), sum(near)
    if best and 3 * most >= sum(each[0].mistakes is case.mistakes for each in failed):
        return finding._replace(why=best.why, how=best.how, mistake=best.name)
    if finding.kind == "nan" and not finding.why:
        return finding._replace(
            why="NaN comes from 0/0, ∞ - ∞, or a root, logarithm or acos outside its range.",
            how="Print the steps at this one point, and see which is the first that is not a number.",
        )
    return finding._replace(
        why=finding.why or "No common mistake gives just these numbers.",
        how=finding.how or "Take this one point, compute it by hand, and print each step beside it.",
    )


def _wants(task, cases):
    with _errstate(all="ignore"):
        return [_tuple((case.truth or task.truth)(*_copies(case.args))) for _, case in cases]


def truths(task: Task, seed: int = 0) -> list[tuple[Case, tuple]]:
    """A task's calls, and what is right in each: a tuple of arrays."""
    cases = [(part, case) for part in task.points(np.random.default_rng(seed)) for case in part.cases]
    return [(case, want) for (_, case), want in zip(cases, _wants(task, cases), strict=True)]


def examine(task: Task, f: Any, seed: int = 0, seconds: float = SECONDS) -> Report:
    """A `Report` on a student's function f for a task; other seeds give other points."""
    parts = task.points(np.random.default_rng(seed))
    cases = [(part, case) for part in parts for case in part.cases]
    # The truth is computed before the student's function runs, and what that has patched is put back after.
    wants = _wants(task, cases)
    own = dict(globals())
    report = Report(task.name, {part.name: False for part in parts}, {p.name: p.marks for p in parts})
    name = str(getattr(f, "__name__", ""))
    report.called, report.function = name if name.isidentifier() else "f", f
    report.finding = _not_callable(task, f)
    if report.finding:
        return report

    calls = []

    def work():
        try:
            for _, case in cases:
                calls.append(_call(f, case, task))
        except _Stop:
            pass

    sink, stays = _in_thread(work, seconds)
    globals().update(own)
    report.results = calls
    report.printed = sink.kept + " …" * (sink.count > SHOWN)

    findings, failed, right = [], [], {part.name for part in parts}
    for (part, case), want, got in zip(cases, wants, calls, strict=False):
        if got is None and case.look:
            continue
        got = _NOTHING if got is None else got
        finding, evidence = (got, None) if isinstance(got, Finding) else _verdict(got, want, case, part, task)
        if finding:
            findings.append((finding, evidence))
            right.discard(part.name)
            failed += [evidence] if evidence else []
    report.parts = {part.name: part.name in right for part in parts}
    if sink.count > PRINTED or len(calls) < len(cases):
        report.parts = dict.fromkeys(report.parts, False)
        endless = _endless(cases[min(len(calls), len(cases) - 1)][1].what, seconds, stays)
        report.finding = _FLOOD if sink.count > PRINTED else endless
    elif findings:
        first, evidence = findings[0]
        start = next((i for i, e in enumerate(failed) if e is evidence), 0)
        report.finding = _diagnosed(first, failed[start:], task) if evidence else first
    return report


_FLOOD = Finding(
    "print",
    f"Your function prints more than {PRINTED} characters.",
    "A print inside a loop, or of whole arrays, buries the notebook and slows it down.",
    "Take the print out, or print one number.",
)


def _endless(what, seconds, stays):
    where = f"With {what} your function did not return within {seconds:g} seconds."
    if stays:
        where += " It could not be stopped and still runs, beside all that you do next: restart the kernel."
    return Finding(
        "time",
        where,
        "A while loop whose condition never becomes false, or a loop over far more than the rows given.",
        "Print the loop's variable a few times. If the notebook stays slow, restart the kernel.",
    )


def _not_callable(task, f):
    if not callable(f):
        return Finding(
            "not a function",
            f"check_{task.name} was given {type(f).__name__} instead of a function.",
            "With brackets, check(f(x)), Python calls the function first and hands over its result.",
            f"Give the function itself, by its name: check_{task.name}(f).",
        )
    try:
        signature = inspect.signature(f)
    except (TypeError, ValueError):
        return None  # NumPy's and TensorFlow's own: the call will tell
    try:
        signature.bind(*task.arguments)
    except TypeError:
        wanted = ", ".join(task.arguments)
        return Finding(
            "signature",
            f"Your function takes {signature}, and is called with {wanted}.",
            "It has other arguments than the task names, or more, or fewer.",
            "Write the def line as the task gives it; what else you need, make inside.",
        )
    return None
