"""Where hidden tests run: an interpreter that no submission has prepared.

It runs the sheet's own cells, and each test in a copy of what these bind. What a test wants of the
submission is asked for through a pipe, as plain data (`plain.py`): a number is that number, and a function
is a stand-in that sends its arguments across the wall and brings back what came of them. A submission can
lie about its values. It sees nothing of the test, neither what is expected nor how it is compared, and no
object of its own comes here.
"""

import ast
import builtins
import contextlib
import inspect
import io
import linecache
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection

from marginlab.course import plain

__all__ = ["PRINTED", "Line", "Stuck", "needs", "serve", "test", "values"]

PRINTED = 100_000  # characters of a test
_WAIT = 3.0  # seconds for a call that was given up to come back


class Stuck(BaseException):
    """The submission does not answer any more."""


class _OutOfTime(BaseException):
    """The cell's time is over."""


def needs(source: str, space: dict) -> list[str]:
    """Names that a cell reads and neither it nor the space nor Python binds: the submission's."""
    nodes = list(ast.walk(ast.parse(source)))
    read = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    bound = {node.id for node in nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    bound |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    bound |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    bound |= {node.name for node in nodes if isinstance(node, ast.ExceptHandler) and node.name}
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {(each.asname or each.name).split(".")[0] for each in node.names}
    return sorted(read - bound - set(space) - set(dir(builtins)))


class Line:
    """The judge's end of the line to the submission.

    One question at a time: a check that gives up on a call leaves it unanswered, and the next question first
    waits for the answer to that, or says that the submission is stuck.
    """

    def __init__(self, connection: Connection):
        self.connection, self.waiting = connection, False

    def ask(self, question: dict) -> object:
        """The submission's answer, as plain data."""
        if self.waiting:
            self._give_up()
        data = plain.dumps(question)
        self.waiting = True
        self.connection.send(("ask", data))
        # Short waits: a check stops a thread of its own between two of them, and not inside one.
        while not self.connection.poll(0.05):
            pass
        return self._read()

    def _read(self):
        kind, data = self.connection.recv()
        self.waiting = False
        if kind != "answer":
            raise {"time": _OutOfTime, "stuck": Stuck}[kind](kind)
        return plain.loads(data)

    def _give_up(self):
        self.connection.send(("interrupt", None))
        if not self.connection.poll(_WAIT):
            raise Stuck
        with contextlib.suppress(ValueError):
            self._read()


def values(line: Line, names: Sequence[str]) -> dict:
    """What the submission says that it has bound these names to."""
    told = line.ask({"do": "fetch", "names": list(names)}) if names else {}
    if not isinstance(told, dict):
        raise ValueError("the submission's answer was none")
    if "raised" in told:
        raise ValueError(f"the submission's values could not be read: {_text(told['raised'], 'text')}")
    found = {}
    for name in names:
        each = told.get(name)
        if isinstance(each, dict) and "function" in each:
            found[name] = _function(line, name, each)
        elif isinstance(each, dict) and "value" in each:
            found[name] = each["value"]
    return found


def _text(mapping, key):
    value = mapping.get(key, "") if isinstance(mapping, dict) else ""
    return value if isinstance(value, str) else ""


def _function(line, name, told):
    """A stand-in for a function of the submission's."""

    def f(*args, **more):
        reply = line.ask({"do": "call", "name": name, "args": args, "more": more})
        if not isinstance(reply, dict):
            raise ValueError("the submission's answer was none")
        # To a check that listens, and to nobody else: else a page would show what hidden tests ask.
        if not isinstance(sys.stdout, _Screen):
            sys.stdout.write(_text(reply, "printed"))
        if "raised" in reply:
            _raise(reply["raised"])
        return reply.get("value")

    called = _text(told, "function")
    f.__name__ = f.__qualname__ = called if called.isidentifier() else name
    with contextlib.suppress(TypeError, ValueError):
        f.__signature__ = inspect.Signature([_parameter(*each) for each in told["parameters"]])
    return f


def _parameter(name, kind, has_default):
    default = None if has_default else inspect.Parameter.empty
    return inspect.Parameter(name, inspect._ParameterKind(kind), default=default)


def _raise(told):
    """Raise what the function raised: a builtin type, its text, and the student's line in the traceback."""
    kind = getattr(builtins, _text(told, "kind"), None)
    if not (isinstance(kind, type) and issubclass(kind, BaseException)):
        kind = RuntimeError
    name, text = _text(told, "name"), _text(told, "text")
    try:
        error = kind(text if name == kind.__name__ else f"{name}: {text}")
    except TypeError:  # some want more than a text
        error = RuntimeError(f"{name}: {text}")
    number, source = told.get("line", (0, "")) if isinstance(told, dict) else (0, "")
    if not (type(number) is int and 0 < number < 10_000 and isinstance(source, str)):
        raise error
    # The checks name the student's line that an exception came from: so it stands in the traceback.
    file = f"<the submission {id(error)}>"
    lines = ["\n"] * (number - 1) + [source + "\n"]
    linecache.cache[file] = (sum(map(len, lines)), None, lines, file)
    exec(compile("\n" * (number - 1) + "raise error", file, "exec"), {"error": error})


class _Screen(io.StringIO):
    """Keeps the first characters that are printed."""

    def write(self, text):
        if self.tell() < PRINTED:
            super().write(text[: PRINTED - self.tell()])
        return len(text)


def test(line: Line, name: str, source: str, space: dict) -> dict:
    """Run one test: what it printed, and its error, ``(name, text, lines)`` or None."""
    screen, error = _Screen(), None
    space, before = dict(space), sys.stdout
    sys.stdout = screen
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            space |= values(line, needs(source, space))
            exec(compile(source, name, "exec"), space)
    except BaseException as raised:
        error = _said(raised, name, source)
    finally:
        sys.stdout = before
    stuck = error is not None and error[0] == "Stuck"
    return {"printed": screen.getvalue(), "error": error, "stuck": stuck}


def _said(error, name, source):
    """An error in words: with the test's own lines, and without this module's.

    Students see the text and not the lines. In a hidden part it is empty: a function could raise what it got.
    """
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == name]
    above = "\n".join(source.splitlines()[: frames[0].lineno]) if frames else ""
    hidden = above.count("### BEGIN HIDDEN TESTS") > above.count("### END HIDDEN TESTS")
    lines = [f"{name}, line {frame.lineno}: {frame.line}" for frame in frames]
    kind = {"_OutOfTime": "CellTimeoutError"}.get(type(error).__name__, type(error).__name__)
    try:
        text = str(error)[:2000]
    except BaseException:  # of an argument that came from elsewhere
        text = ""
    return (kind, "" if hidden else text, [*lines, f"{kind}: {text}"])


def serve(connection: Connection, given: Sequence[tuple[str, str]], limit: Callable[[], None] | None) -> None:
    """A judge's life: bind what the sheet gives, then run test after test, until the grader hangs up.

    Args:
        connection: to the grader, which passes questions on to the submission.
        given: the sheet's own cells, ``(name, source)``, in order. One that speaks of the submission's names
            shows something, and gives nothing to the tests: it is left out.
        limit: called first, for limits on this process.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the grader's to answer
    if limit is not None:
        limit()
    space: dict = {"__name__": "__main__"}
    screen, sys.stdout = sys.stdout, _Screen()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, source in given:
            if not needs(source, space):
                exec(compile(source, name, "exec"), space)
    sys.stdout = screen
    line = Line(connection)
    with contextlib.suppress(EOFError, BrokenPipeError):
        connection.send(("ready", None))
        while True:
            connection.send(("verdict", test(line, *connection.recv(), space)))  # pyright: ignore[reportCallIssue]
