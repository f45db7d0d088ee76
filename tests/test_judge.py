"""Hidden tests before a judge: plain data alone crosses the wall, and no trick earns a mark."""

import json
import math
import struct
import time

import numpy as np
import pytest

pytest.importorskip("nbgrader")
from marginlab.course import judge, plain, walls
from marginlab.course.shutin import Court, Died, Interpreter, Limits, Stuck

LIMITS = Limits(seconds=60, cell=10, megabytes=8192)


# ------------------------------------------------------------------ plain data


def crossed(value):
    return plain.loads(plain.dumps(value))


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        -(10**40),
        0.1,
        -0.0,
        math.inf,
        1 + 2j,
        "θ\n",
        ...,
        [1, (2.0, "x")],
        {"a": [1], 2: None},
        {3},
        np.arange(6.0).reshape(2, 3),
        np.float32(1.5),
        np.zeros((0, 4), "int8"),
        np.array(True),
        range(3),
    ],
    ids=repr,
)
def test_plain_data_arrives_as_it_was(value):
    got = crossed(value)
    want = list(value) if isinstance(value, range) else value
    assert type(got) is type(want)
    assert np.array_equal(got, want) if isinstance(want, np.ndarray) else got == want
    if isinstance(want, np.ndarray | np.generic):
        assert got.dtype == want.dtype
    if isinstance(value, float):
        assert math.copysign(1, got) == math.copysign(1, value)


def test_nan_and_half_precision_of_two_kinds_arrive():
    assert math.isnan(crossed(math.nan))
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    assert crossed(np.ones(2, bfloat16)).dtype == bfloat16
    assert crossed(np.ones(2, "float16")).dtype == np.float16


class Chameleon(float):
    """A float that equals, and lies below and above, everything."""

    def __eq__(self, other):
        return True

    __lt__ = __gt__ = __le__ = __ge__ = __eq__
    __hash__ = float.__hash__

    def __sub__(self, other):
        return self

    def __float__(self):
        return self

    def hex(self):
        return "0x1p0"


class Array:
    def __array__(self, *_, **__):
        return np.ones(3)

    @property
    def __class__(self):
        return np.ndarray


def test_what_only_claims_to_be_plain_arrives_as_what_it_is_or_not_at_all():
    got = crossed([Chameleon(7.0), type("I", (int,), {"__eq__": lambda *_: True})(5), {"x": Chameleon(1)}])
    assert [type(each) for each in (*got[:2], got[2]["x"])] == [float, int, float]
    assert got == [7.0, 5, {"x": 1.0}]
    for lie in (
        Array(),
        object(),
        lambda: 1,
        np.array([Chameleon(1)], object).view(type("A", (np.ndarray,), {})),
    ):
        got = crossed(lie)
        assert isinstance(got, plain.Opaque) or (
            type(got) is np.ndarray and got.dtype == object and got.item() is None
        )
        with pytest.raises(TypeError):
            got + 1


def bytes_of(header, buffers=b""):
    text = json.dumps(header).encode()
    return struct.pack(">I", len(text)) + text + buffers


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x04cos\nsystem\n.",
        bytes_of(["x", 1]),
        bytes_of({"a": 1}),
        bytes_of(7),
        bytes_of(["i", 7]),
        bytes_of(["i", "9" * 5000]),
        bytes_of(["a", "object", [1], 8], b"x" * 8),
        bytes_of(["a", "float64", [9], 8], b"x" * 8),
        bytes_of(["a", "float64", [-1], 8], b"x" * 8),
        bytes_of(["d", [[["l", []], None]]]),
        bytes_of(["o", "os", 5, True, ""]),
        bytes_of(["a", "float64", [2**31], 8], b"x" * 8),
        struct.pack(">I", 2**31) + b"[]",
        struct.pack(">I", 200_000) + b'["l",[' * 20_000 + b"]]" * 20_000,
    ],
)
def test_bytes_that_are_no_plain_data_are_refused(data):
    with pytest.raises(ValueError):  # noqa: PT011  json's own words, among others
        plain.loads(data)


def test_data_that_is_too_large_or_too_deep_is_not_sent():
    deep = []
    for _ in range(100):
        deep = [deep]
    with pytest.raises(ValueError, match="deeply"):
        plain.dumps(deep)
    with pytest.raises(ValueError, match="more than"):
        plain.dumps(np.zeros(2**24))


# ------------------------------------------------------------------ a submission and its judge


class Pair:
    """A shut-in interpreter and a judge of a sheet of one given number."""

    def __init__(self):
        self.submission = Interpreter(walls.find(trust=True), LIMITS)
        self.court = Court([("given", "import numpy as np\nfrom marginlab import checks\nN = 5")], LIMITS)

    def run(self, code, seconds=20.0):
        request = plain.dumps({"do": "run", "code": code})
        kept = []
        self.submission.ask(request, time.monotonic() + seconds, lambda data: kept.append(plain.loads(data)))
        return kept

    def test(self, source, seconds=20.0):
        return self.court.test("t", source, self.submission, seconds, lambda _: None)

    def end(self):
        self.submission.end()
        self.court.end()


@pytest.fixture
def pair():
    pair = Pair()
    yield pair
    pair.end()


def test_values_and_functions_answer_across_the_wall(pair):
    pair.run(
        "def f(x, k=1):\n    print('called')\n    return {'sum': (x.sum() * k, ...)}\nv = (1.5, [2])\nN = 99"
    )
    verdict = pair.test(
        "assert f(np.ones(3), k=N) == {'sum': (15.0, ...)}\nassert v == (1.5, [2]) and f.__name__ == 'f'"
    )
    assert verdict["error"] is None
    assert verdict["printed"] == ""


def test_what_a_function_raises_arrives_by_name_with_the_students_line(pair):
    pair.run("class Own(KeyError):\n    pass\n\ndef f(x):\n    y = 1\n    raise Own('no ' + str(y))")
    verdict = pair.test("try:\n    f(0)\nexcept KeyError as error:\n    print(error)")
    assert "Own: 'no 1'" in verdict["printed"].replace('"', "")
    printed = pair.test("report = checks.check_unit(f)\nassert report.passed")["printed"]
    assert "KeyError, in line 6 of its cell or file: raise Own" in " ".join(printed.split())
    assert pair.test("f(0)")["error"][0] == "KeyError"


def test_what_hidden_tests_ask_is_neither_printed_nor_raised_onto_a_page(pair):
    pair.run("def f(x):\n    print(x)\n    if x > 1: raise ValueError(f'asked {x}')\n    return x")
    hidden = "assert f(1) == 1\n### BEGIN HIDDEN TESTS\nassert f(31) == 31\n### END HIDDEN TESTS\n"
    hidden += "assert f(41) == 41"
    verdict = pair.test(hidden)
    assert verdict["printed"] == ""
    assert verdict["error"][:2] == ("ValueError", "")
    assert "asked 31" in verdict["error"][2][-1], "the instructor sees it"
    assert pair.test(hidden.replace("f(31) == 31", "True"))["error"][1] == "asked 41"


def test_a_name_that_is_not_there_and_a_missing_function_fail_in_words(pair):
    assert pair.test("assert nothing == 1")["error"][:2] == ("NameError", "name 'nothing' is not defined")


def test_a_check_in_the_judge_says_what_it_says_at_home(pair):
    wrong = "def f(x):\n    return x / np.linalg.norm(x)"
    pair.run("import numpy as np\n" + wrong)
    space = {"np": np}
    exec(wrong, space)
    from marginlab.checks import grade

    assert pair.test("assert checks.check_unit(f).passed")["printed"].strip() == str(
        grade("unit", space["f"])
    )


@pytest.mark.parametrize("body", ["while True: pass", "import time; time.sleep(1000)"])
def test_a_call_without_end_ends_and_the_next_one_is_answered(pair, body):
    pair.run(f"def f():\n    {body}\ndef g(): return 4")
    assert pair.test("f()", seconds=1)["error"][0] == "CellTimeoutError"
    assert pair.test("assert g() == 4")["error"] is None


def test_a_check_that_gives_up_on_a_call_leaves_the_line_in_order(pair):
    pair.run("def f(x):\n    while True: pass\ndef g(): return 4")
    verdict = pair.test("r = checks.grade('unit', f, seconds=0.5)\nprint(r.kind)\nassert g() == 4")
    assert verdict["printed"] == "time\n"
    assert verdict["error"] is None


def test_a_call_that_cannot_be_ended_is_stuck(pair):
    loop = "        try:\n            while True: time.sleep(0.01)\n        except BaseException: pass"
    pair.run(f"import time\ndef f():\n    while True:\n{loop}")
    with pytest.raises(Stuck):
        pair.test("f()", seconds=0.5)


def test_a_judge_that_a_value_exhausts_fails_the_test_and_another_takes_its_place(pair):
    pair.run("n = 10**15")
    assert pair.test("np.arange(n)")["error"][0] in ("MemoryError", "_ArrayMemoryError")
    assert pair.test("assert n == 10**15")["error"] is None


def test_a_submission_that_dies_in_a_call(pair):
    pair.run("def f():\n    import os\n    os._exit(3)")
    with pytest.raises(Died):
        pair.test("f()")


# Each trick stands in front of a wrong answer, and must not make it right.
WRONG = "\nanswer = 41\ndef f(x): return x + 1"
TEST = "assert answer == 42\n_got = f(np.array([1.0]))\nassert -1e-9 < float(_got[0]) - 7.25 < 1e-9"
FRAMES = """
def f(x):
    import sys, gc
    code, frame = [], sys._getframe()
    while frame:
        code.append(frame.f_code)
        frame = frame.f_back
    code += [o.__code__ for o in gc.get_objects() if hasattr(o, '__code__')]
    found = [c for each in code for c in getattr(each, 'co_consts', ()) if type(c) is float]
    found += [v for o in gc.get_objects() if type(o) is dict for v in list(o.values()) if type(v) is float]
    return [next((v for v in found if 7 < v < 7.5), 0.0)]
answer = 42
"""
TRICKS = {
    "input transformers": "get_ipython().input_transformers_post.append(lambda lines: ['pass\\n'])",
    "numpy": "import numpy as np\nnp.allclose = np.isclose = np.array_equal = lambda *a, **k: True",
    "builtins": "import builtins\nbuiltins.float = lambda x: 7.25\n"
    "builtins.AssertionError = type('A', (), {})",
    "settrace": "import sys\nsys.settrace(lambda *_: (lambda *_: None))\nsys.setprofile(lambda *_: None)",
    "atexit": "import atexit, os\natexit.register(os._exit, 0)",
    "float": WRONG
    + "\nclass F(float):\n    __eq__ = __lt__ = __gt__ = lambda *_: True\n    __sub__ = lambda s, o: s\n"
    "    __float__ = lambda s: 7.25\n    __hash__ = None\nanswer = F(1)\nf = lambda x: [F(1)]",
    "frames": FRAMES,
    "lying object": "import numpy as np\nclass L:\n    __class__ = int\n    __eq__ = lambda *_: True\n"
    "    __array__ = lambda *_, **__: np.array([7.25])\n    __getitem__ = lambda s, i: s\n"
    "    __float__ = lambda s: 7.25\nanswer = L()\nf = lambda x: L()",
    "module": "import sys, marginlab.checks\nfor m in list(sys.modules.values()):\n"
    "    m.__dict__['answer'] = 42",
    "main": "import __main__\n__main__.answer = 42\n__main__.f = lambda x: [0]\nexec('answer = 42')\n"
    "answer = 0",
}


@pytest.mark.parametrize("trick", TRICKS)
def test_a_trick_earns_nothing(pair, trick):
    code = TRICKS[trick]
    try:
        pair.run(code if "answer" in code else code + WRONG)
        assert pair.test(TEST)["error"] is not None
    except Died:  # who takes Python's own types away has taken them from what would answer
        assert trick == "builtins"
        return
    pair.run("answer = 42\ndef f(x): return x + 6.25")
    if trick != "input transformers":  # which keeps its own author from running anything
        assert pair.test(TEST)["error"] is None, "and an honest answer is not punished for it"


FORGED = """
import os, struct, json, glob, builtins
class Value:
    pass
def frame(number, header):
    text = json.dumps(header).encode()
    data = struct.pack('>I', len(text)) + text
    return struct.pack('>IQ', len(data), number) + data
def f(x):
    for fd in range(3, 20):
        for number in range(200):
            try:
                os.write(fd, frame(number, %s))
            except OSError:
                break
    return 0
answer = 42
"""


@pytest.mark.parametrize(
    "header",
    [
        "['d', [[['s', 'kind'], ['s', 'verdict']], [['s', 'error'], None]]]",
        "['l', []]",
        "['d', []]",
        "None",
        "['x']",
    ],
)
def test_a_forged_answer_is_a_wrong_value_and_no_verdict(pair, header):
    pair.run(FORGED % header)
    try:
        verdict = pair.test(TEST, seconds=5)
    except (Died, Stuck):
        return
    assert verdict["error"] is not None


def test_names_that_a_test_needs_of_the_submission():
    source = (
        "a, b = pair\nfor i in range(3):\n    c = [x for x in f(i)]\nimport math as m\ndef g(y): return y\n"
    )
    source += "try:\n    g(m.pi + N)\nexcept ValueError as error:\n    print(error)"
    assert judge.needs(source, {"N": 1}) == ["f", "pair"]
