"""js/engine.js without a browser: the run that a built page makes, made while the book is built.

The same program, in the V8 of the package mini-racer, WebAssembly and all. So the first picture of a
page is a run of the page itself, and what changes when a slider moves is the slider's doing.
"""

import dataclasses
import hashlib
import importlib.metadata
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from marginlab.data import load_mnist, shown_images
from marginlab.explorer import page
from marginlab.explorer.bundle import bundle
from marginlab.explorer.forms import ended

__all__ = ["KEEP", "RUN", "Engine", "Frame", "Run", "fingerprint", "v8"]


KEEP = 5  # every so many of the frames that the page draws go into the page: 20 of 100

# Frames come out as one array of numbers and one JSON of facts: those of the run after the last move.
RUN = """({ moves = [], ...start }) => {
    const all = [...$course.follow(data, { ...start, moves }, { kernels: fast })].filter(Boolean);
    const frames = all.filter(({ stage }) => stage === all.at(-1).stage);
    const numbers = frames.flatMap(f => [...f.embeddings, ...f.directions, ...(f.linear ?? [])]);
    self.numbers = Float32Array.from(numbers).buffer;
    return JSON.stringify(frames.map(({ step, loss, accuracy, died, weights = null }) =>
        ({ step, loss: Number.isFinite(loss) ? loss : null, accuracy, died, weights })));
}"""

# What a receipt says: its run, as a link has it; and what comes of it, from its last frame alone.
READ = """(query) => {
    const { settings, words } = $link.read(query);
    return JSON.stringify({ settings, words, run: settings && $link.write(settings) });
}"""
LAST = """(settings) => {
    let last;
    for (const frame of $course.follow(data, settings, { kernels: fast, frames: 1 })) last = frame ?? last;
    const { accuracy, weights } = last;
    return JSON.stringify({ accuracy: String(accuracy), end: $receipt.endOf(last), weights });
}"""


@dataclasses.dataclass(frozen=True, eq=False)
class Frame:
    """A moment of a run, as engine.js yields it; linear are (10, 3) rows (w_x, w_y, b) of plain softmax.

    A run's last frame has a digest of its weights, 32 hexadecimal digits.
    """

    step: int
    loss: float
    accuracy: float
    embeddings: np.ndarray
    labels: np.ndarray
    class_directions: np.ndarray
    linear: np.ndarray | None = None
    died: dict | None = None
    weights: str | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """What `page.html` shows of a run."""

    frames: list

    @property
    def test_accuracy(self) -> float:
        """On all 10,000 test images, without margin; of a run that died, on those shown."""
        return self.frames[-1].accuracy

    def explain(self) -> str:
        """In the words in which the page tells of its runs."""
        last = self.frames[-1]
        if last.died:
            return ended(last.died)
        return f"{last.accuracy:.1%} of the 10,000 test images right after {last.step} steps.".replace(
            "%", " %"
        )

    def kept(self) -> "Run":
        """The same run in as many frames as a page brings along: every fifth, and the last."""
        last = len(self.frames) - 1
        return Run([f for i, f in enumerate(self.frames) if (last - i) % KEEP == 0])


def v8() -> Any:
    """A new V8, a `MiniRacer`.

    Naive form: MiniRacer(). Its V8 has one thread, and compiles WebAssembly by its quick compiler alone,
    where a browser compiles again what runs often: a run takes 2.5 times as long. Cure: the good compiler at
    once. The digits of a run are the same.

    Raises:
        ImportError: without mini-racer.
    """
    try:
        from py_mini_racer import MiniRacer, init_mini_racer
    except ImportError as error:
        raise ImportError(
            f'the page\'s own runs need {error.name}: pip install "marginlab[book]"', name=error.name
        ) from None
    init_mini_racer(flags=("--no-liftoff",), ignore_duplicate_init=True)
    # Where its thread has an event loop, as in a notebook, it would take that, and no limit of time.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(MiniRacer).result()


class Engine:
    """A V8 with the engine and MNIST in it. ``with Engine() as engine: run = engine.run(settings)``

    Raises:
        ImportError: without mini-racer (``pip install "marginlab[book]"``).
    """

    def __init__(self) -> None:
        images = page.images()
        self._labels = load_mnist()[1][1][shown_images(page.SAMPLE)]
        self._v8: Any = v8()
        try:
            self._v8.eval("globalThis.self = globalThis")
            self._v8.eval(bundle("worker", "receipt"))
            self._v8.eval(f"self.images = new ArrayBuffer({len(images)})")[:] = images
            self._v8.eval(
                "self.fast = $kernels.simd() ?? undefined; self.data = $worker.read(images, fast); 0"
            )
        except Exception:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        """End the V8: its threads would keep a program from ending."""
        self._v8.close()

    def run(self, settings: dict[str, Any]) -> Run:
        """The `Run`, with all its frames, of settings {head, naive, seed, margin or m1, m2, m3, scale}.

        moves, [{margin: 0.5}, …], are made one after the other, each from the weights that the one before
        it has left; the run is then that of the last.
        """
        facts = json.loads(self._v8.eval(f"({RUN})({json.dumps(settings)})"))
        rows = np.frombuffer(bytes(self._v8.eval("numbers")), "<f4").reshape(len(facts), -1)
        many = 2 * page.SAMPLE
        frames = [
            Frame(
                fact["step"],
                float("nan") if fact["loss"] is None else fact["loss"],
                fact["accuracy"],
                row[:many].reshape(-1, 2),
                self._labels,
                row[many : many + 20].reshape(10, 2),
                row[many + 20 :].reshape(10, 3) if len(row) > many + 20 else None,
                fact["died"],
                fact["weights"],
            )
            for fact, row in zip(facts, rows, strict=True)
        ]
        return Run(frames)

    def read(self, link: str) -> dict[str, Any]:
        """What a link asks for, ``"head=arcface&margin=0.3"``, by the page's own reader.

        Returns:
            {settings, None where it names no head; words: what of it there is not; run: as a page would
            write it}.
        """
        return json.loads(self._v8.eval(f"({READ})({json.dumps(link)})"))

    def last(self, settings: dict[str, Any], seconds: float | None = None) -> dict[str, str]:
        """What a receipt says of a run with settings as `read` gives them: {accuracy, end, weights}.

        Raises:
            TimeoutError: where it takes more than so many seconds.
        """
        return json.loads(self._v8.eval(f"({LAST})({json.dumps(settings)})", timeout_sec=seconds))


def fingerprint(settings: dict[str, Any]) -> str:
    """Names a run by all that it depends on: the program, the images, the V8, the settings."""
    program, version = bundle("worker"), importlib.metadata.version("mini-racer")
    parts = [program.encode(), page.images(), version.encode(), json.dumps(settings, sort_keys=True).encode()]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:32]
