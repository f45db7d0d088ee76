"""The explorer's JavaScript without a browser: its modules in a bare V8, asked as a page is asked."""

import json
import math

import pytest

from marginlab.explorer.bundle import HERE, bundle, order
from marginlab.explorer.engine import v8

# JSON has no NaN and no infinity, and none of JavaScript's typed arrays.
SAID = """value => JSON.stringify(value, (_, v) => ArrayBuffer.isView(v) ? [...v]
    : typeof v === "number" && !Number.isFinite(v) ? { number: String(v) } : v)"""


class V8:
    """Modules of the explorer, each a global: ``V8("equation").evaluate("x => equation.ucos(x)", 4.0)``

    here: their folder, where they are others than the explorer's.
    """

    def __init__(self, *names, here=HERE):
        self._racer = v8()
        self._racer.eval("globalThis.self = globalThis")
        globals_ = "".join(f"self.{path.stem} = ${path.stem};" for path in order(*names, here=here))
        self._racer.eval(f"(() => {{ {bundle(*names, here=here)}\n{globals_} }})(); self.said = {SAID}; 0")

    def evaluate(self, script, argument=None):
        """What an expression gives, or a function of the argument. Both are JSON, with NaN and Infinity."""
        its = f"(it => typeof it === 'function' ? it({json.dumps(argument)}) : it)({script})"
        said = self._racer.eval(f"said({its}) ?? 'null'")
        return json.loads(said, object_hook=lambda o: number(o["number"]) if o.keys() == {"number"} else o)

    def put(self, name, data):
        """Makes bytes a global, an ArrayBuffer."""
        self._racer.eval(f"self.{name} = new ArrayBuffer({len(data)})")[:] = data

    def close(self):
        """End it: its threads would keep a program from ending."""
        self._racer.close()


def modules(*names, **options):
    """A fixture for the tests of a file: a `V8` with these modules, closed after the last."""

    @pytest.fixture(scope="module")
    def held():
        engine = V8(*names, **options)
        yield engine
        engine.close()

    return held


def number(text):
    return {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}[text]
