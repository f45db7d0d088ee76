"""Formulas of one's own: both parsers by one grammar and one table of cases, against Python's and mpmath."""

import json
import math
import random
import string
import time
from pathlib import Path

import mpmath
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from v8 import modules

from marginlab import formula
from marginlab.formula import GRAMMAR, FormulaError, dual, parse

CASES = json.loads(Path(__file__).with_name("formula_cases.json").read_text(encoding="utf-8"))
LETTERS = {"m": 0.7, "a": 1.3, "b": -0.4}
IN_THE_PAGE = """([text, theta, letters]) => {
    const wrong = formula.wrongWith(text);
    return wrong || [...formula.dual(formula.parse(text), theta, letters), formula.parse(text).letters];
}"""


v8 = modules("formula")


def close(ours, theirs, within):
    np.testing.assert_allclose(ours, theirs, rtol=within, atol=within)


@pytest.mark.parametrize(("text", "letters", "theta", "value", "slope"), CASES["right"])
def test_a_formula_is_read_alike_by_both(v8, text, letters, theta, value, slope):
    close(dual(parse(text), theta, **letters), [value, slope], 1e-12)
    assert parse(text).letters == tuple(letters)
    *ours, names = v8.evaluate(IN_THE_PAGE, [text, theta, letters])
    close(ours, [value, slope], 1e-12)
    assert names == list(letters)


@pytest.mark.parametrize(("text", "place", "words"), CASES["wrong"])
def test_what_is_wrong_is_told_alike_by_both_with_its_place(v8, text, place, words):
    with pytest.raises(FormulaError) as error:
        parse(text)
    assert error.value.place == place
    assert str(error.value).startswith(words)
    assert str(error.value).endswith(f" (at character {place})")
    assert v8.evaluate(IN_THE_PAGE, [text, 1, {}]) == str(error.value)


def test_the_table_of_cases_asks_for_all_of_the_grammar():
    right = " ".join(text for text, *_ in CASES["right"])
    parts = ("operators", "signs", "functions", "constants", "spellings")
    words = [GRAMMAR["variable"], *GRAMMAR["letters"], *(word for part in parts for word in GRAMMAR[part])]
    words.remove("pi")  # which is spelt π there
    assert [word for word in words if word not in right] == []
    told = " ".join(words for *_, words in CASES["wrong"])
    limits = {"long", "deep"}
    for kind, words in GRAMMAR["errors"].items():
        assert kind in limits or words.split("{")[0].strip() in told, kind


@pytest.mark.parametrize("what", [None, 3, b"theta"])
def test_what_is_no_string_is_refused(what):
    with pytest.raises(TypeError, match="a formula must be a string, got"):
        parse(what)


# ---- Against Python's parser and mpmath ----


def binary(of):
    return st.builds("{} {} {}".format, of, st.sampled_from("+-*/"), of)


def grown(of):
    functions = [name for name, row in GRAMMAR["functions"].items() if row["takes"] == 1]
    return st.one_of(
        binary(of),
        of.map("({})".format),
        of.map("-{}".format),
        st.builds("{}({})".format, st.sampled_from(functions), of),
        st.builds("{}({}, {})".format, st.sampled_from(["min", "max"]), of, of),
        st.builds("{}^{}".format, of, st.sampled_from(["2", "-1", "0.5", "3", "m", "theta"])),
        st.builds("({})^({})".format, of, of),
    )


NUMBERS = st.floats(0.01, 20).map(lambda x: f"{x:.3g}")
ATOMS = st.one_of(st.just("theta"), st.just("theta"), st.sampled_from([*GRAMMAR["letters"], "pi"]), NUMBERS)
TEXTS = st.recursive(ATOMS, grown, max_leaves=10)


class Edge(Exception):
    """A value at which a formula is not smooth, is no real number, or too large to compare."""


def real(x, far=0.0):
    x = mpmath.mpmathify(x)
    if not isinstance(x, mpmath.mpf) or not abs(x) < 1e4 or abs(x) < far:
        raise Edge
    return x


def _ucos(x):
    k = mpmath.floor(x / mpmath.pi)
    real(x / mpmath.pi - mpmath.nint(x / mpmath.pi), 0)
    return (-1) ** int(k) * mpmath.cos(x) - 2 * k


def _either(choose):
    return lambda x, y: real(x - y, 1e-3) and choose(x, y)


class Number:
    """A number of mpmath's that says when it comes to an edge."""

    def __init__(self, value):
        self.value, self.written = real(value), isinstance(value, str)

    def __neg__(self):
        return Number(-self.value)

    def __add__(self, other):
        return Number(self.value + other.value)

    def __sub__(self, other):
        return Number(self.value - other.value)

    def __mul__(self, other):
        return Number(self.value * other.value)

    def __truediv__(self, other):
        return Number(self.value / real(other.value, 1e-2))

    def __pow__(self, other):
        if self.value < 0 and not other.written:  # a real number at whole exponents alone: it has no slope
            raise Edge
        return Number(real(self.value, 1e-2) ** other.value)


def _function(f, far=0.0):
    return lambda *numbers: Number(f(*(real(number.value, far) for number in numbers)))


ORACLE = {
    "sin": _function(mpmath.sin),
    "cos": _function(mpmath.cos),
    "exp": _function(mpmath.exp),
    "tanh": _function(mpmath.tanh),
    "log": _function(mpmath.log, 1e-2),
    "sqrt": _function(mpmath.sqrt, 1e-2),
    "abs": _function(abs, 1e-3),
    "ucos": _function(_ucos),
    "min": _function(_either(min)),
    "max": _function(_either(max)),
}


def by_mpmath(text, theta):
    """(value, slope) with 50 digits: read by Python, whose ^ is written **, and differentiated in steps."""
    numbers = LETTERS | {"pi": +mpmath.pi}
    names = ORACLE | {name: Number(value) for name, value in numbers.items()} | {"Number": Number}
    words = formula._tokens(text)[:-1]
    python = "".join(
        f"Number({what!r})" if kind == "number" else {"^": "**"}.get(what, what) for kind, what, _ in words
    )
    program = compile(python, text, "eval")

    def value(t):
        return eval(program, names | {"theta": Number(t)}).value

    return value(mpmath.mpf(theta)), mpmath.diff(value, mpmath.mpf(theta))


def test_values_and_slopes_are_those_of_mpmath_and_of_both(v8):
    compared = []

    @settings(max_examples=300)
    @given(TEXTS, st.floats(0.02, 3.1))
    @example("-theta^2 + 2^-theta", 1.5)
    def check(text, theta):
        assume(len(text) <= GRAMMAR["limits"]["length"])
        try:
            with mpmath.workdps(50):
                expected = [float(x) for x in by_mpmath(text, theta)]
        except (Edge, ZeroDivisionError, OverflowError):
            assume(False)
        ours = dual(parse(text), theta, **LETTERS)
        theirs = v8.evaluate(IN_THE_PAGE, [text, theta, LETTERS])[:2]
        # What an intermediate value of 1e4 loses, none of the two can know.
        size = max(1, abs(expected[0]), abs(expected[1]))
        assume(size < 1e6)
        close(np.array(ours) / size, np.array(expected) / size, 1e-9)
        close(np.array(theirs) / size, np.array(ours) / size, 1e-12)
        compared.append(text)

    check()
    assert len(compared) >= 300


# ---- Hostile strings ----


def hostile():
    """A thousand strings that are no formulas."""
    rng = random.Random(0)
    words = ["constructor", "__proto__", "toString", "self", "eval", "Function", "theta.x", "theta[0]", "`1`"]
    words += ["()=>1", "1;2", "theta=1", "<img>", "//", "/*", "%", "\\u0000", "\x00", "\u202e", "\ud800", "🜚"]
    deep = ["(", "-", "cos(", "2^", "min(", "min(1,", "((((", "-(", "+-"]
    yield from (part * n for part in deep for n in (1, 31, 33, 60, 100, 5000))
    yield from (part + "theta" for part in ("(" * 33, "-" * 33, "2^" * 33, "cos(" * 33))
    yield from ("x" * 10_000, "theta+" * 2000, "1" * 10_000, "☃" * 10_000, "𝟙" * 300, "9" * 199 + "e9999")
    yield from words
    signs = string.printable + "θπ·×−☃𝟙é\u0301\u200b"
    while True:
        text = "".join(rng.choice([*signs, *words, "theta", "cos("]) for _ in range(rng.randrange(1, 60)))
        try:
            parse(text)
        except FormulaError:
            yield text


def test_a_thousand_hostile_strings_end_in_a_message_at_once(v8):
    parse.cache_clear()
    for text, _ in zip(hostile(), range(1000), strict=False):
        began = time.perf_counter()
        with pytest.raises(FormulaError) as error:
            parse(text)
        assert time.perf_counter() - began < 0.05
        said, took = v8.evaluate(
            "t => { const began = Date.now(), w = formula.wrongWith(t); return [w, Date.now() - began]; }",
            text,
        )
        assert said == str(error.value)
        assert took < 50
        assert len(said) < 200


def test_a_long_and_a_deep_formula_within_the_limits_run(v8):
    limits = GRAMMAR["limits"]
    deep = "(" * (limits["depth"] - 1) + "theta" + ")" * (limits["depth"] - 1)
    long = "1+" * ((limits["length"] - 1) // 2) + "1"
    for text, value in ((deep, 1.0), (long, (len(long) + 1) / 2)):
        assert dual(parse(text), 1.0)[0] == value
        assert v8.evaluate(IN_THE_PAGE, [text, 1.0, {}])[0] == value
    with pytest.raises(FormulaError, match="more than 32 parentheses"):
        parse(f"({deep})")


def test_arrays_of_angles_and_infinite_slopes():
    value, slope = dual(parse("1 - sqrt(theta)"), [0.0, 0.25, 1.0])
    np.testing.assert_array_equal(value, [1, 0.5, 0])
    np.testing.assert_array_equal(slope, [-math.inf, -1, -0.5])
    value, slope = dual(parse("m"), np.zeros((2, 3)), m=0.5)
    assert value.shape == slope.shape == (2, 3)
