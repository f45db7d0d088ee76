"""A formula of one's own for ψ(θ), such as ``ucos(theta + m) - 0.1*theta``: read, and evaluated.

`grammar.json` says what a formula may hold; js/formula.js reads the same file, and is the same parser. A
formula becomes a program for a stack: numbers, letters and θ put something on it, and an operation takes its
arguments from it. So nothing of the text is ever executed, and what it costs is known before it runs.

One evaluator runs the program with whatever does the operations: `DUALS` here, with float64 NumPy, gives
value and slope; `heads.FormulaHead` gives it Keras's.
"""

import dataclasses
import functools
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from marginlab import reference

__all__ = ["DUALS", "GRAMMAR", "OPS", "Formula", "FormulaError", "dual", "evaluate", "parse"]

GRAMMAR = json.loads(Path(__file__).with_name("grammar.json").read_text(encoding="utf-8"))
OPERATORS, SIGNS, FUNCTIONS = (GRAMMAR[name] for name in ("operators", "signs", "functions"))
# What an evaluator must be able to do, by the names that NumPy and keras.ops give it.
OPS = sorted({row["op"] for part in (OPERATORS, SIGNS, FUNCTIONS) for row in part.values()} - {None})

Instruction = tuple[str, Any, bool]


class FormulaError(ValueError):
    """Why a text is no formula, and where.

    Attributes:
        why: in words.
        place: the character at which it goes wrong, from 1.
    """

    def __init__(self, why: str, place: int) -> None:
        super().__init__(f"{why} (at character {place})")
        self.why, self.place = why, place


@dataclasses.dataclass(frozen=True)
class Formula:
    """A formula that was read.

    Attributes:
        text: as it was written.
        program: instructions (operation, how many arguments it takes, whether θ is in them), ("number", its
            value, False), ("name", "theta" or a letter, …), in the order in which they are run.
        letters: those of its own that it has, in the grammar's order: what a slider moves.
        moves: whether θ is in it.
    """

    text: str
    program: tuple[Instruction, ...]
    letters: tuple[str, ...]
    moves: bool


@functools.lru_cache(maxsize=256)
def parse(text: str) -> Formula:
    """Read a formula.

    Args:
        text: at most 200 characters: numbers, + − * / ^, parentheses, theta (or θ), pi (or π), the letters
            m, a and b, and sin, cos, exp, log, sqrt, abs, tanh, ucos, min, max. As in Python, ^ binds more
            than a sign before it, and is read from the right.

    Raises:
        FormulaError: saying what is wrong, and at which character.
        TypeError: for what is no string.
    """
    if not isinstance(text, str):
        raise TypeError(f"a formula must be a string, got {text!r}")
    if len(text) > GRAMMAR["limits"]["length"]:
        raise _error("long", GRAMMAR["limits"]["length"] + 1)
    parser = _Parser(_tokens(text))
    parser.whole()
    names = {value for op, value, _ in parser.program if op == "name"}
    letters = tuple(letter for letter in GRAMMAR["letters"] if letter in names)
    return Formula(text, tuple(parser.program), letters, GRAMMAR["variable"] in names)


def _error(kind, place, what=None):
    names = [GRAMMAR["variable"], *GRAMMAR["constants"], *GRAMMAR["letters"], *FUNCTIONS]
    said = GRAMMAR["end"] if what is None else f"“{what[:20]}{'…' * (len(what) > 20)}”"
    words = GRAMMAR["limits"] | {"what": said, "names": ", ".join(names)}
    return FormulaError(GRAMMAR["errors"][kind].format(**words), place)


# ---- From characters to tokens ----

_DIGITS, _START = set("0123456789"), set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")


def _tokens(text):
    """[(kind, what, place)]: kind is "number", "name", "sign" or "end"; places count from 1."""
    tokens, at = [], 0
    while at < len(text):
        sign = GRAMMAR["spellings"].get(text[at], text[at])
        if sign in GRAMMAR["spaces"]:
            at += 1
            continue
        if sign in OPERATORS or sign in "(),":
            kind, end = "sign", at + 1
        elif len(sign) > 1:
            kind, end = "name", at + 1
        elif sign in _START:
            kind, end = "name", _run(text, at, _START | _DIGITS)
        else:
            kind, end = "number", _number(text, at)
            if end == at:
                raise _error("character", at + 1, text[at])
            sign = text[at:end]
        tokens.append((kind, text[at:end] if kind == "name" and len(sign) == 1 else sign, at + 1))
        at = end
    return [*tokens, ("end", None, len(text) + 1)]


def _run(text, at, allowed):
    while at < len(text) and text[at] in allowed:
        at += 1
    return at


def _number(text, at):
    """Where the number ends that begins here; here, if none does: 2, 2.5, .5, 2e-3."""
    whole = _run(text, at, _DIGITS)
    end = _run(text, whole + 1, _DIGITS) if text[whole : whole + 1] == "." else whole
    if end - at < 1 or text[at:end] == ".":
        return at
    if text[end : end + 1] in ("e", "E"):
        power = end + 2 if text[end + 1 : end + 2] in ("+", "-") else end + 1
        last = _run(text, power, _DIGITS)
        return last if last > power else end
    return end


# ---- From tokens to a program ----


class _Parser:
    """By precedence climbing: an operator's right side is all that binds more than it does."""

    def __init__(self, tokens):
        self.tokens, self.at, self.depth = tokens, 0, 0
        self.program = []
        self.moving = []  # of what lies on the stack, whether θ is in it

    def emit(self, op, value, takes=0):
        moving = [self.moving.pop() for _ in range(takes)]
        self.moving.append(any(moving) or value == GRAMMAR["variable"])
        self.program.append((op, value, self.moving[-1]))

    def fail(self, kind):
        _, what, place = self.tokens[self.at]
        raise _error(kind, place, what)

    def take(self, sign, kind):
        if self.tokens[self.at][:2] != ("sign", sign):
            self.fail(kind)
        self.at += 1

    def whole(self):
        if self.tokens[0][0] == "end":
            raise _error("empty", 1)
        self.expression(0)
        if self.tokens[self.at][0] != "end":
            self.fail("operator")

    def expression(self, least):
        self.depth += 1
        if self.depth > GRAMMAR["limits"]["depth"]:
            self.fail("deep")
        self.operand()
        while (row := self.operator()) and row["binds"] >= least:
            self.at += 1
            self.expression(row["binds"] + (not row["right"]))
            self.emit(self.power() if row["op"] == "power" else row["op"], 2, 2)
        self.depth -= 1

    def operator(self):
        kind, what, _ = self.tokens[self.at]
        return OPERATORS.get(what) if kind == "sign" else None

    def power(self):
        """Naive form: one rule, of x^y in both. Its term with log x is NaN in x^2 where x is below 0, and
        that with 1/x in 2^y where it is 0. Cure: what does not move has no term."""
        base, exponent = self.moving[-2:]
        return "power" if base and exponent else "constant_power" if base else "power_of_constant"

    def operand(self):
        kind, what, place = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            value = float(what)
            if not math.isfinite(value):
                raise _error("large", place, what)
            self.emit("number", value)
        elif kind == "name":
            self.name(what)
        elif kind == "sign" and what in SIGNS:
            self.expression(SIGNS[what]["binds"])
            if SIGNS[what]["op"]:
                self.emit(SIGNS[what]["op"], 1, 1)
        elif kind == "sign" and what == "(":
            self.expression(0)
            self.take(")", "close")
        else:
            self.at -= 1
            self.fail("operand")

    def name(self, what):
        if what in GRAMMAR["constants"]:
            self.emit("number", GRAMMAR["constants"][what])
        elif what == GRAMMAR["variable"] or what in GRAMMAR["letters"]:
            self.emit("name", what)
        elif what in FUNCTIONS:
            takes = FUNCTIONS[what]["takes"]
            self.take("(", "open")
            for left in reversed(range(takes)):
                self.expression(0)
                self.take(*((",", "comma") if left else (")", "close")))
            self.emit(FUNCTIONS[what]["op"], takes, takes)
        else:
            self.at -= 1
            self.fail("name")


# ---- To run it ----


def evaluate(formula: Formula, names: Mapping[str, Any], ops: Mapping[str, Callable]) -> Any:
    """What a formula gives.

    Args:
        formula: from `parse`.
        names: θ as "theta", and the letters that the formula has.
        ops: a function for each of `OPS`, and "number", which makes an operand of a float; and, if values
            alone are not enough, "constant_power" and "power_of_constant" in place of "power" where the
            exponent or the base does not move with θ, and "still", which is given what θ is not in.
    """
    stack: list[Any] = []
    for op, value, moves in formula.program:
        if op in ("number", "name"):
            stack.append(ops["number"](value) if op == "number" else names[value])
        else:
            result = ops.get(op, ops["power"])(*stack[-value:])
            stack[-value:] = [result if moves or "still" not in ops else ops["still"](result)]
    return stack[0]


# Dual numbers: (value, slope in θ), both float64. Each rule is the chain rule of one operation.


def _divide(u, v):
    quotient = u[0] / v[0]
    return quotient, (u[1] - quotient * v[1]) / v[0]


def _tanh(u):
    value = np.tanh(u[0])
    return value, (1 - value * value) * u[1]


def _sqrt(u):
    value = np.sqrt(u[0])
    return value, u[1] / (2 * value)


def _exp(u):
    value = np.exp(u[0])
    return value, value * u[1]


def _constant_power(u, v):
    return np.power(u[0], v[0]), v[0] * np.power(u[0], v[0] - 1) * u[1]


def _power_of_constant(u, v):
    value = np.power(u[0], v[0])
    # x^y log x goes to 0 with x: 0 · ∞ would be NaN.
    return value, np.where(u[0] == 0, 0.0, value * np.log(u[0]) * v[1])


def _power(u, v):
    value, slope = _constant_power(u, v)
    return value, slope + _power_of_constant(u, v)[1]


def _chosen(first, u, v):
    return np.where(first, u[0], v[0]), np.where(first, u[1], v[1])


DUALS: dict[str, Callable] = {
    "number": lambda value: (np.float64(value), np.float64(0.0)),
    # The slope of sqrt(m) is 0, and at m = 0 the rule would say 0/0.
    "still": lambda u: (u[0], np.float64(0.0)),
    "add": lambda u, v: (u[0] + v[0], u[1] + v[1]),
    "subtract": lambda u, v: (u[0] - v[0], u[1] - v[1]),
    "multiply": lambda u, v: (u[0] * v[0], u[1] * v[0] + u[0] * v[1]),
    "divide": _divide,
    "power": _power,
    "constant_power": _constant_power,
    "power_of_constant": _power_of_constant,
    "negative": lambda u: (-u[0], -u[1]),
    "sin": lambda u: (np.sin(u[0]), np.cos(u[0]) * u[1]),
    "cos": lambda u: (np.cos(u[0]), -np.sin(u[0]) * u[1]),
    "exp": _exp,
    "log": lambda u: (np.log(u[0]), u[1] / u[0]),
    "sqrt": _sqrt,
    "abs": lambda u: (np.abs(u[0]), np.sign(u[0]) * u[1]),
    "tanh": _tanh,
    "ucos": lambda u: (reference.ucos(u[0]), reference.ucos_slope(u[0]) * u[1]),
    "minimum": lambda u, v: _chosen(u[0] <= v[0], u, v),
    "maximum": lambda u, v: _chosen(u[0] >= v[0], u, v),
}


def dual(formula: Formula, theta: ArrayLike, **letters: float) -> tuple[np.ndarray, np.ndarray]:
    """ψ(θ) and dψ/dθ, ``(...) -> (...), (...)``, in float64.

    Args:
        formula: from `parse`.
        theta: angles in radians.
        **letters: a value for each letter of the formula.

    Returns:
        Value and slope; NaN or infinite where the formula is. At a kink the slope is one of many: 0 at that
        of abs, and that of the first argument where two are equally small or large. At 0, sqrt has an
        infinite slope, or none, NaN, where its argument does not move there.
    """
    theta = np.asarray(theta, "float64")
    names: dict[str, Any] = {name: (np.float64(letters[name]), np.float64(0.0)) for name in formula.letters}
    names[GRAMMAR["variable"]] = (theta, np.ones_like(theta))
    with np.errstate(all="ignore"):
        value, slope = evaluate(formula, names, DUALS)
    return np.broadcast_to(value, theta.shape), np.broadcast_to(slope, theta.shape)
