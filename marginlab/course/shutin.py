"""One submission: its cells run behind a wall, its tests before a judge, and both under limits."""

import contextlib
import functools
import multiprocessing
import os
import queue
import select
import subprocess
import sys
import tempfile
import threading
import time
import typing
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nbformat.v4 import new_output
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_grade, is_locked, is_solution
from traitlets import Any

from marginlab.course import judge, landlock, plain, walls
from marginlab.course.sheet import cell_name, hidden_removed, say

__all__ = ["GRACE", "Court", "Died", "Interpreter", "Limits", "Outputs", "ShutIn", "Stuck", "error", "where"]

GRACE = 3.0  # seconds that a cell has to end after it was asked to
_OUTPUTS = 400  # of a cell
_BYTES = 2**24  # of a cell's outputs
_PRINTED = 100_000  # characters of a cell
_PROCESSES = 64  # of a submission, all together
_TASKS = 512  # processes and threads of a submission, where they are counted by the kernel


@dataclass(frozen=True)
class Limits:
    """What a submission may use.

    Attributes:
        seconds: of wall clock, in all.
        cell: seconds for one cell.
        megabytes: of memory, for one process and for all together.
    """

    seconds: float = 300.0
    cell: float = 60.0
    megabytes: int = 8192


class Died(Exception):
    """The submission's process has ended, or what it sends is not in its protocol."""


class Stuck(Exception):
    """The submission's process could not be brought to end what it does."""


class Interpreter:
    """The submission's process, seen from outside: requests go in, answers and outputs come out."""

    def __init__(self, wall: walls.Wall, limits: Limits):
        self.folder = tempfile.TemporaryDirectory(prefix="marginlab-")
        self.group = _counted_group()
        command = wall.command(walls.interpreter(limits.megabytes), self.folder.name)
        if self.group:  # the first process puts itself into it, and all others are born there
            enter = 'echo $$ > "$0/cgroup.procs"; exec "$@"'
            command = ["/bin/sh", "-c", enter, str(self.group), *command]
        self.process = subprocess.Popen(
            command,
            env=wall.environment(self.folder.name),
            cwd=self.folder.name,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,  # Ctrl+C is for the grader, which then ends this
        )
        self.frames: queue.Queue = queue.Queue(64)  # a flood waits in its own process
        self.number, self.closed = 0, False
        threading.Thread(target=self._listen, daemon=True).start()
        threading.Thread(target=_watch, args=(self.process, limits.megabytes), daemon=True).start()

    def _listen(self):
        stream = os.fdopen(os.dup(self.process.stdout.fileno()), "rb")
        found = True
        while found and not self.closed:
            found = plain.read_frame(stream)
            self.frames.put(found)
        stream.close()

    def ask(
        self,
        data: bytes,
        until: float,
        output: Callable[[object], None],
        interrupted: Callable[[], bool] = lambda: False,
    ) -> tuple[bytes, bool]:
        """The answer to a request in bytes, and whether its time ran out.

        Args:
            data: the request, plain data.
            until: when it has to be done, by `time.monotonic`; it is then interrupted.
            output: takes the outputs that come before the answer.
            interrupted: asked now and then; True interrupts it at once.

        Raises:
            Died: if the process ends, or sends what is in no protocol.
            Stuck: if it does not end although it was interrupted.
        """
        self.number += 1
        self._send(self.number, data, until)
        late = False
        while True:
            try:
                found = self.frames.get(timeout=min(0.05, max(0.001, until - time.monotonic())))
            except queue.Empty:
                if interrupted():
                    self._send(self.number, plain.dumps({"do": "interrupt"}), until)
                if time.monotonic() < until:
                    continue
                if late:
                    raise Stuck from None
                late, until = True, time.monotonic() + GRACE
                self._send(self.number, plain.dumps({"do": "interrupt"}), until)
                continue
            if found is None:
                raise Died
            number, answer = found
            if number == self.number:
                return answer, late
            if number == 0:
                output(answer)
            if time.monotonic() > until + GRACE:  # outputs without end
                raise Stuck

    def _send(self, number, data, until):
        """Write a frame; a process that reads nothing is stuck."""
        view, pipe = memoryview(plain.frame(number, data)), self.process.stdin.fileno()
        if os.name == "posix":
            os.set_blocking(pipe, False)
        try:
            while view:
                if (
                    os.name == "posix"
                    and not select.select([], [pipe], [], max(0.0, until - time.monotonic()))[1]
                ):
                    raise Stuck
                with contextlib.suppress(BlockingIOError):
                    view = view[os.write(pipe, view) :]
        except OSError:
            raise Died from None

    def end(self):
        """End the process, and all that it has started: they live in its namespace, and die with it."""
        self.closed = True
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(queue.Empty):
            while True:
                self.frames.get_nowait()  # so that the listener can go on to the end
        for pipe in (self.process.stdin, self.process.stdout):
            pipe.close()
        with contextlib.suppress(OSError):
            self.folder.cleanup()
        if self.group:
            threading.Thread(target=_remove, args=(self.group,)).start()


def _counted_group():
    """A control group that holds so many tasks and no more, or None where this user may not make one.

    RLIMIT_NPROC (`inside.limit`) stops everybody's fork bomb but root's, for whom the kernel does not ask it;
    and root is who may make control groups.
    """
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return None
    for folder in ("/sys/fs/cgroup/pids", "/sys/fs/cgroup"):
        group = Path(folder, f"marginlab-{os.getpid()}-{uuid.uuid4()}")
        for old in Path(folder).glob("marginlab-*-*"):  # of graders that were killed
            if not Path("/proc", old.name.split("-")[1]).exists():
                with contextlib.suppress(OSError):
                    old.rmdir()
        try:
            group.mkdir()
        except OSError:
            continue
        if (group / "pids.max").exists():
            (group / "pids.max").write_text(str(_TASKS))
            return group
        group.rmdir()
    return None


def _remove(group):
    """Remove a control group, when the last of its processes is gone."""
    for _ in range(100):
        try:
            group.rmdir()
            return
        except OSError:
            time.sleep(0.1)


def _family(pid):
    """The ids of a process and all below it, on Linux; a parent's list of children does not hide one."""
    found, todo = [], [pid]
    while todo and len(found) < 10 * _PROCESSES:
        each = todo.pop()
        found.append(each)
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{each}/task"):
                with open(f"/proc/{each}/task/{thread}/children") as file:
                    todo += map(int, file.read().split())
    return found


def _resident(pid):
    with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _watch(process, megabytes):
    """End a submission that has become too many processes, or that together take too much memory.

    A limit on each process (`inside.limit`) does not bound their sum, and the system's limit on their number
    does not hold for root, who grades in a container.
    """
    while sys.platform.startswith("linux") and process.poll() is None:
        family = _family(process.pid)
        if len(family) > _PROCESSES or sum(map(_resident, family)) > megabytes * 2**20:
            process.kill()
        time.sleep(0.1)


class Court:
    """The judge's process, seen from the grader; a new one where the last was ended."""

    def __init__(self, given, limits: Limits):
        self.given, self.limits = given, limits
        self._start()  # while the submission's own interpreter starts

    def _start(self):
        start = _starting()
        context: typing.Any = multiprocessing.get_context(start)
        self.connection, theirs = context.Pipe()
        limit = functools.partial(_limit_memory, self.limits.megabytes)
        first = functools.partial(_copied, theirs.fileno(), limit) if start == "fork" else limit
        self.process = context.Process(target=judge.serve, args=(theirs, self.given, first), daemon=True)
        self.process.start()
        self.ready = None
        theirs.close()

    def test(self, name: str, source: str, interpreter: Interpreter, seconds: float, output) -> dict:
        """The verdict on one test; see `judge.test`. Raises what `Interpreter.ask` raises."""
        if self.process is None:
            self._start()
        if self.connection is not self.ready:
            self.connection.recv()  # that it is there: starting takes nothing off the test's time
            self.ready = self.connection
        until = time.monotonic() + seconds
        self.connection.send((name, source))
        asked = lambda: self.connection.poll() and self.connection.recv()[0] == "interrupt"  # noqa: E731
        try:
            while self.connection.poll(max(0.0, until + 2 * GRACE - time.monotonic())):
                kind, body = self.connection.recv()
                if kind == "verdict":
                    return body
                if kind == "ask" and time.monotonic() < until:
                    answer, late = interpreter.ask(body, until, output, asked)
                    self.connection.send(("time", None) if late else ("answer", answer))
                elif kind == "ask":
                    self.connection.send(("time", None))
        except EOFError:
            self.end()
            return _failed("MemoryError", "The test's process ended.")
        except (Died, Stuck):
            self.end()
            raise
        self.end()
        return _failed("CellTimeoutError", "The test did not come to an end.")

    def end(self):
        """End the judge."""
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.connection.close()
            self.process = None


def _starting():
    """How to start a judge: where that is safe as a copy of this process, which has imported all it needs.

    A copy of a process with threads can inherit a lock that nobody will open.
    """
    if sys.platform == "linux" and threading.active_count() == 1:
        return "fork"
    return "spawn" if sys.platform == "win32" else "forkserver"


def _copied(kept, limit):
    """A copy has this process's ends of all pipes too, and would keep them open: it closes them first."""
    landlock.die_with_parent()
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))
    limit()


def _failed(kind, text):
    return {"printed": "", "error": (kind, text, [f"{kind}: {text}"]), "stuck": False}


def _limit_memory(megabytes):
    """A value of a submission's can be an honest, and enormous, number of things to make."""
    with contextlib.suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (megabytes * 2**20, megabytes * 2**20))


class ShutIn(NbGraderPreprocessor):
    """nbgrader's step that runs a notebook: behind a wall, and what was earned counts come what may."""

    wall = Any(help="the wall; see marginlab.course.walls").tag(config=True)
    limits = Any(Limits(), help="the limits on a submission").tag(config=True)

    def preprocess(self, nb, resources):
        self.ends, self.over = time.monotonic() + self.limits.seconds, None
        given = [
            (cell_name(cell), cell.source)
            for cell in nb.cells
            if cell.cell_type == "code" and is_locked(cell) and not is_grade(cell) and not is_solution(cell)
        ]
        self.court = Court(given, self.limits)
        self.interpreter = Interpreter(self.wall, self.limits)
        try:
            for cell in nb.cells:
                if cell.cell_type == "code" and cell.source.strip():
                    self._cell(cell)
        finally:
            self.interpreter.end()
            self.court.end()
        return nb, resources

    def _cell(self, cell):
        left = self.ends - time.monotonic()
        if left <= 0 and not self.over:
            self._stop(
                f"The notebook took longer than {self.limits.seconds:.0f} seconds; the rest was not run."
            )
        cell.outputs, cell.execution_count = [], None
        if not self.over:
            self.timeout = max(1.0, min(self.limits.cell, left))
            outputs = Outputs(self, cell)
            try:
                test = is_grade(cell) and is_locked(cell)
                (self._test if test else self._run)(cell, outputs)
            except Died:
                self._stop(f"The kernel died; the rest was not run. {where(cell)} was the last.")
            except Stuck:
                self._stop(f"{where(cell)} could not be stopped; the rest was not run.")
            cell.outputs = outputs.kept
            if any(o.output_type == "error" and o.ename == "CellTimeoutError" for o in cell.outputs):
                say(self, f"{where(cell)} was stopped after {self.timeout:.0f} seconds.")
        if self.over:
            cell.outputs = [*cell.outputs, error("NotRun", self.over)]

    def _run(self, cell, outputs, source=None):
        """Run a cell in the submission's interpreter; says whether it ended without an error."""
        until = time.monotonic() + self.timeout
        request = plain.dumps({"do": "run", "code": cell.source if source is None else source})
        answer, late = self.interpreter.ask(request, until, outputs.take)
        if late:
            failed = error("CellTimeoutError", f"longer than {self.timeout:.0f} seconds")
            outputs.kept = [*(o for o in outputs.kept if o.output_type != "error"), failed]
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            count = plain.loads(answer).get("count")
            cell.execution_count = count if type(count) is int and 0 < count < 10**6 else None
        return not late and not any(o.output_type == "error" for o in outputs.kept)

    def _test(self, cell, outputs):
        """A test: what of it is visible where the student runs it, and all of it before the judge.

        A check may look at what only the student's own interpreter has, such as memory and warnings. A
        submission can make that part pass, and cannot reach the other.
        """
        seen = Outputs(self, cell)
        try:
            passed = self._run(cell, seen, hidden_removed(cell.source))
        finally:
            # A result would be read as a part of the marks, and a warning as none.
            outputs.kept = [o for o in seen.kept if o.output_type == "error" or o.get("name") == "stdout"]
        if not passed:
            if not any(o.output_type == "error" for o in outputs.kept):
                outputs.kept.append(error("AssertionError", "The visible test failed."))
            return
        verdict = self.court.test(
            cell_name(cell) or "", cell.source, self.interpreter, self.timeout, lambda _: None
        )
        if verdict["error"] and verdict["printed"]:
            outputs.kept = [new_output("stream", name="stdout", text=verdict["printed"])]
        if verdict["error"]:
            outputs.kept.append(error(*verdict["error"]))
        if verdict["stuck"]:
            raise Stuck

    def _stop(self, why):
        self.over = why
        say(self, why)
        self.interpreter.process.kill()


class Outputs:
    """The outputs of one cell as a submission sends them: a notebook's, few enough, and nothing else.

    `inside.py` keeps to the same limits; but what it sends is the submission's to change.
    """

    def __init__(self, step, cell):
        self.step, self.cell, self.kept = step, cell, []
        self.bytes = self.printed = 0

    def take(self, data: bytes) -> None:
        """One message; what is no output is no output."""
        self.bytes += len(data)
        with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
            told = plain.loads(data) if self.bytes <= _BYTES else {"cut": True}
            if "cut" in told:
                self._cut()
            elif len(self.kept) < _OUTPUTS:
                self._add(told)

    def _cut(self):
        say(self.step, f"{where(self.cell)} printed more than {_PRINTED} characters; they were cut.")

    def _add(self, told):
        kind = told["output_type"]
        if kind == "stream":
            self._print("stderr" if told["name"] == "stderr" else "stdout", str(told["text"]))
        elif kind == "error":
            lines = [str(each) for each in told["traceback"]][:100]
            self.kept.append(error(str(told["ename"]), str(told["evalue"]), lines))
        elif kind in ("display_data", "execute_result"):
            data = {str(key): each for key, each in told["data"].items() if isinstance(each, str)}
            more = {"execution_count": None} if kind == "execute_result" else {}
            self.kept.append(new_output(kind, data=data, **more))

    def _print(self, name, text):
        left = max(0, _PRINTED + 100 - self.printed)
        self.printed += len(text)
        if len(text) > left:
            self._cut()
        last = self.kept[-1] if self.kept else None
        if last is not None and last.output_type == "stream" and last.name == name:
            last.text += text[:left]
        elif left:
            self.kept.append(new_output("stream", name=name, text=text[:left]))


def error(name: str, value: str, lines: list[str] | None = None):
    """A notebook's output for an error."""
    return new_output("error", ename=name, evalue=value, traceback=lines or [f"{name}: {value}"])


def where(cell) -> str:
    """A cell in words."""
    name = cell_name(cell)
    return "A cell of the student's own" if name.startswith("extra-") else f"Cell {name}"
