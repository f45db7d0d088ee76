"""What runs inside the wall: an IPython shell that takes cells and calls through a pipe, and answers on
another.

    python inside.py MEGABYTES < requests > answers

It belongs to the submission, and may be turned inside out by it: whoever reads its answers believes none of
them, and takes them for what a submission says its values are. It is started as a file, so that the
interpreter that a submission gets has imported neither the course nor nbgrader.
"""

import base64
import builtins
import inspect
import io
import os
import queue
import signal
import sys
import threading
import traceback
from typing import Any

__all__ = ["PRINTED", "SHOWN", "Agent", "Pipe", "Screen", "limit", "listen", "main", "make_shell"]

sys.path.pop(0)  # this folder: a submission's `import report` must not find the course's
_here = os.path.dirname(os.path.abspath(__file__))
_plain: dict[str, Any] = {"__name__": "plain", "__file__": os.path.join(_here, "plain.py")}
with open(_plain["__file__"], encoding="utf-8") as _file:
    exec(compile(_file.read(), _plain["__file__"], "exec"), _plain)

PRINTED = 100_000  # characters of a cell
SHOWN = 2**23  # bytes of a cell's figures
_CUT = "… cut here\n"


class Pipe:
    """Frames to the grader. A frame that has begun is written to its end, whatever interrupts."""

    def __init__(self, descriptor):
        self.descriptor, self.lock = descriptor, threading.Lock()

    def send(self, number, message):
        data = memoryview(_plain["frame"](number, _plain["dumps"](message)))
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if os.name == "posix" else None
        try:
            with self.lock:
                while data:
                    data = data[os.write(self.descriptor, data) :]
        finally:
            if blocked is not None:
                signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


class Screen(io.TextIOBase):
    """Stands for stdout or stderr: sends on what is printed, up to a limit for each cell."""

    def __init__(self, name, emit):
        self.name_, self.emit, self.kept, self.count = name, emit, [], 0

    encoding = "utf-8"

    def writable(self):
        return True

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        left = max(0, PRINTED - self.count)
        self.count += len(text)
        if left:
            self.kept.append(text[:left])
            if len(text) > left:
                self.kept.append(_CUT)
                self.emit({"cut": PRINTED})
            if sum(map(len, self.kept)) > 2**14:
                self.flush()
        return len(text)

    def flush(self):
        kept, self.kept = "".join(self.kept), []
        if kept:
            self.emit({"output_type": "stream", "name": self.name_, "text": kept})

    def take(self):
        kept, self.kept = "".join(self.kept), []
        return kept


def _packed(data):
    """A bundle of MIME types as JSON has it: pictures in base64."""
    return {
        str(kind): base64.b64encode(each).decode() if isinstance(each, bytes) else each
        for kind, each in data.items()
    }


def make_shell(emit):
    """IPython's shell, whose results, pictures and errors go to `emit` as a notebook's outputs."""
    from IPython.core.displayhook import DisplayHook
    from IPython.core.displaypub import DisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell

    shown = {"bytes": 0}

    def show(output):
        shown["bytes"] += sum(len(each) for each in output["data"].values() if isinstance(each, str))
        if shown["bytes"] > SHOWN:
            output = {"output_type": "stream", "name": "stdout", "text": _CUT}
        flush()
        emit(output)

    def flush():
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, Screen):
                stream.flush()

    class Hook(DisplayHook):
        def write_output_prompt(self):
            pass

        def write_format_data(self, format_dict, md_dict=None):
            count = self.prompt_count
            output = {"output_type": "execute_result", "data": _packed(format_dict), "metadata": {}}
            show(output | {"execution_count": count})

        def finish_displayhook(self):
            pass

    class Publisher(DisplayPublisher):
        def publish(self, data, metadata=None, **_more):
            show({"output_type": "display_data", "data": _packed(data), "metadata": {}})

        def clear_output(self, wait=False):
            pass

    class Shell(InteractiveShell):
        displayhook_class, display_pub_class = Hook, Publisher

        def init_history(self):
            super().init_history()
            self.history_manager.enabled = False

        def _showtraceback(self, etype, evalue, stb):
            flush()
            name = str(getattr(etype, "__name__", etype))
            lines = [str(line)[:PRINTED] for line in stb][:100]
            emit({"output_type": "error", "ename": name, "evalue": str(evalue)[:PRINTED], "traceback": lines})

        def ask_exit(self):
            raise SystemExit

    Shell.colors = "nocolor"  # pyright: ignore[reportAttributeAccessIssue] (a trait)
    shell = Shell.instance()
    shell.events.register("pre_run_cell", lambda *_: shown.update(bytes=0))
    return shell


def _student_line(error):
    """The last line of the submission's own cells that an exception passed: ``(number, text)``."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename.startswith("<ipython-input"):
            return (frame.lineno or 1, frame.line or "")
    return (0, "")


def _raised(error):
    """An exception as plain data: the builtin type that it is one of, its own name, its text and its line."""
    builtin = next(
        (kind for kind in type(error).__mro__ if getattr(builtins, kind.__name__, None) is kind), None
    )
    try:
        text = str(error)[:2000]
    except BaseException:
        text = ""
    return {
        "kind": builtin.__name__ if builtin else "Exception",
        "name": type(error).__name__,
        "text": text,
        "line": _student_line(error),
    }


def _parameters(f):
    """A function's signature as plain data, or None where it has none."""
    try:
        found = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        return None
    return [(each.name, int(each.kind), each.default is not inspect.Parameter.empty) for each in found]


class Agent:
    """Answers the grader: runs cells, tells values, calls functions."""

    def __init__(self, pipe):
        self.pipe, self.number = pipe, 0
        self.shell = make_shell(lambda output: pipe.send(0, output))
        self.run_cell, self.space = self.shell.run_cell, self.shell.user_ns

    def answer(self, request):
        """The plain answer to one request."""
        do = request["do"]
        streams = [Screen(name, lambda output: self.pipe.send(0, output)) for name in ("stdout", "stderr")]
        sys.stdout, sys.stderr = streams
        if do == "run":
            result = self.run_cell(request["code"], store_history=True)
            for stream in streams:
                stream.flush()
            return {"count": self.shell.execution_count - 1, "success": bool(result.success)}
        if do == "fetch":
            return {name: self.told(name) for name in request["names"] if name in self.space}
        reply = {}
        try:
            reply["value"] = self.space[request["name"]](*request["args"], **request["more"])
        except BaseException as error:
            reply["raised"] = _raised(error)
        return reply | {"printed": streams[0].take()}

    def told(self, name):
        value = self.space[name]
        if callable(value) and not isinstance(value, type):
            return {"function": str(getattr(value, "__name__", "f")), "parameters": _parameters(value)}
        return {"value": value}

    def serve(self, requests):
        """Answer one after another until the grader hangs up."""
        while True:
            try:
                self.number, request = 0, None
                self.number, request = requests.get()
                self.pipe.send(self.number, self.answer(request))
            except KeyboardInterrupt as error:
                if request is not None:
                    self.pipe.send(self.number, {"raised": _raised(error)})
            except Exception as error:  # an answer that is no plain data: too large, or too deep
                self.pipe.send(self.number, {"raised": _raised(error)})


def listen(stream, requests, agent):
    """Take requests off the pipe; one to stop goes to the main thread, if that is still at work on it."""
    main: Any = threading.main_thread().ident
    while True:
        found = _plain["read_frame"](stream)
        if found is None:
            os._exit(0)
        number, request = found[0], _plain["loads"](found[1])
        if request["do"] != "interrupt":
            requests.put((number, request))
        elif agent.number == number:
            if os.name == "posix":
                signal.pthread_kill(main, signal.SIGINT)
            else:
                import _thread

                _thread.interrupt_main()


def limit(megabytes):
    """What the system can promise of one process: memory, the size of a file, the number of processes."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for name, most in (("AS", megabytes * 2**20), ("FSIZE", 2**28), ("NPROC", 512), ("CORE", 0)):
        kind = getattr(resource, f"RLIMIT_{name}", None)
        if kind is not None:
            _, hard = resource.getrlimit(kind)
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(kind, (most, most))


def main():
    """Serve on what were stdin and stdout, which a submission then finds empty."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    limit(int(sys.argv[1]))
    sys.argv = [""]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    agent = Agent(Pipe(answers))
    waiting = queue.SimpleQueue()
    threading.Thread(target=listen, args=(requests, waiting, agent), daemon=True).start()
    agent.serve(waiting)


if __name__ == "__main__":
    main()
