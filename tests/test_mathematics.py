"""The engine's own exp, log, sin, cos, atan2, acos, tanh and pow: their errors, and that no other is used."""

import math
import re

import mpmath
import numpy as np
import pytest
from mpmath import mpf
from v8 import modules

from marginlab.explorer.bundle import COMMENT, HERE, order, source

engine = modules("worker")
DIGITS = 80
MANY = 4000

RNG = np.random.default_rng(0)


def spread(low, high, many=MANY):
    return RNG.uniform(low, high, many)


def over(low, high, many=MANY):
    """Numbers of all sizes, e^low to e^high."""
    return np.exp(spread(low, high, many))


def near(value, many=MANY):
    """Numbers on both sides of a value, down to a rounding away."""
    return value + spread(-1, 1, many) * over(-36, -1, many)


def pairs(x, y):
    return np.stack([x, y], axis=1)


def powers():
    """Bases and exponents whose power is a number."""
    found = np.concatenate(
        [
            pairs(spread(0, 4), spread(-3, 3)),
            pairs(over(-5, 5), spread(-100, 100)),
            pairs(near(1), spread(-1, 1) * over(0, 30)),
            pairs(spread(0, 3.2), RNG.integers(-8, 9, MANY)),
            pairs(-spread(0, 3.2), RNG.integers(-9, 10, MANY)),
            pairs(over(-740, 700), spread(-2, 2)),
        ]
    )
    size = np.abs(found[:, 1] * np.log(np.abs(found[:, 0])))
    return found[size < 744]


def points():
    """(y, x) all round, of like sizes and of unlike ones, among them the least and the largest numbers."""
    turn, far = spread(-4, 4), over(-5, 5)
    tiny, huge = over(-735, -690), over(700, 709.7)
    return np.concatenate(
        [
            pairs(far * np.sin(turn), far * np.cos(turn)),
            pairs(over(-700, 700), over(-700, 700)),
            pairs(tiny * np.sin(turn), tiny * np.cos(turn)),
            pairs(huge * np.sin(turn), huge * np.cos(turn)),
        ]
    )


QUARTERS = np.arange(-3000, 3000) * (math.pi / 2)
# Of each function arguments, and the largest error that is allowed, in units of the last place.
DENSE = {
    "exp": ([spread(-745.1, 709.7), spread(-100, 0), spread(-2, 2), near(0)], 0.9),
    "log": ([over(-744, 709), spread(0.5, 2), near(1)], 0.9),
    "sin": ([spread(-10, 10), spread(-1e6, 1e6), QUARTERS, near(0), over(13, 709, 1000)], 0.8),
    "cos": ([spread(-10, 10), spread(-1e6, 1e6), QUARTERS, near(0), over(13, 709, 1000)], 0.8),
    "tanh": ([spread(-3, 3), spread(-25, 25), over(-740, 0), near(0)], 1.8),
    "acos": ([spread(-1, 1), 1 - over(-36, 0), over(-36, 0) - 1, over(-700, 0)], 1.8),
    "atan2": ([points()], 1.3),
    "pow": ([powers()], 0.95),
}


def asked(engine, name, arguments):
    return engine.evaluate(f"rows => rows.map(row => mathematics.{name}(...row))", arguments.tolist())


def error(found, right):
    """In units of the last place of the right value."""
    value = float(right)
    if math.isinf(value) or math.isnan(found) or math.isinf(found):
        return 0 if found == value else math.inf
    return float(abs(mpf(float(found)) - right) / mpf(math.ulp(value)))


@pytest.mark.parametrize("name", DENSE)
def test_errors_are_as_they_are_stated(engine, name):
    arguments, most = DENSE[name]
    rows = np.concatenate(arguments)
    rows = rows if rows.ndim == 2 else rows[:, None]
    exact = getattr(mpmath, {"pow": "power"}.get(name, name))
    with mpmath.workdps(DIGITS + 310):  # an angle of 10^308 loses 308 digits
        right = [exact(*map(mpf, row)) for row in rows.tolist()]
        errors = [error(*pair) for pair in zip(asked(engine, name, rows), right, strict=True)]
    worst = int(np.argmax(errors))
    assert errors[worst] < most, rows[worst]
    assert len(errors) > 6000
    said = re.search(rf"^//   .*\b{name}\b[^<]*< (\d)", source(HERE / "mathematics.js"), re.M)
    assert most <= int(said[1])


SPECIAL = [
    0.0,
    -0.0,
    math.inf,
    -math.inf,
    math.nan,
    1.0,
    -1.0,
    0.5,
    -0.5,
    2.0,
    -2.0,
    3.0,
    -3.0,
    1e300,
    -1e300,
]
SPECIAL += [
    5e-324,
    -5e-324,
    2.0**-1022,
    2.0**53 + 2,
    1.7976931348623157e308,
    -1.7976931348623157e308,
    709.9,
    -746.0,
]
SAME = """([name, rows, digits]) => rows.filter(row => {
    const [ours, theirs] = [mathematics[name], Math[name]].map(f => f(...row));
    return !(Object.is(ours, theirs) || Math.abs(ours - theirs) <= 4e-16 * Math.abs(theirs));
})"""


@pytest.mark.parametrize("name", DENSE)
def test_at_the_ends_it_is_what_the_browsers_say(engine, name):
    """0 and -0, ∞, NaN, the least and the largest numbers, and every pair of them: the sign of a zero too."""
    rows = [[x, y] for x in SPECIAL for y in SPECIAL] if name in ("atan2", "pow") else [[x] for x in SPECIAL]
    # JSON has no -0 and no NaN: they go in as text.
    texts = [["NaN" if math.isnan(v) else repr(v).replace("inf", "Infinity") for v in row] for row in rows]
    script = ", ".join(f"[{', '.join(row)}]" for row in texts)
    assert engine.evaluate(f"(({SAME})(['{name}', [{script}]]))") == []


def test_what_is_raised_stays_between_its_ends(engine):
    """Where a result has fewer digits it is rounded once; beyond, it is 0 or ∞."""
    exps = np.array([[709.782712893384], [709.7827128933841], [-745.13321910194], [-745.1332191019412]])
    assert asked(engine, "exp", exps) == [pytest.approx(1.797693134862273e308), math.inf, 5e-324, 0]


# ---- Where its numbers come from ----


def constant(name):
    return float(re.search(rf"^const {name} = ([-\d.e]+);", source(HERE / "mathematics.js"), re.M)[1])


def top(value, bits):
    """Its first bits."""
    shift = bits - 1 - int(mpmath.floor(mpmath.log(value, 2)))
    return mpmath.ldexp(mpmath.floor(mpmath.ldexp(value, shift)), -shift)


def test_constants_are_the_parts_of_log_2_and_of_pi():
    with mpmath.workprec(1400):
        log2, quarter = mpmath.log(2), mpmath.pi / 2
        assert constant("LN2") == top(log2, 42)
        assert constant("LN2_REST") == float(log2 - constant("LN2"))
        assert constant("BY_LN2") == float(1 / log2)
        for name in ("FIRST", "SECOND", "NEXT"):
            assert constant(name) == top(quarter, 32)
            quarter -= constant(name)
        assert constant("LAST") == float(quarter)
        quarter = mpmath.pi / 2
        assert constant("BY_QUARTER") == float(1 / quarter)
        assert constant("EIGHTH") == float(quarter / 2)
        assert constant("PI_REST") == float(mpmath.pi - mpf(math.pi))
        assert constant("THIRD_REST") == float(mpf(2) / 3 - mpf(2 / 3))
        assert constant("ROOT_OF_TWO") == float(mpmath.sqrt(2))
        text = re.search(r"INVERSE = BigInt\((.*?)\);", source(HERE / "mathematics.js"), re.S)[1]
        assert int("".join(re.findall(r'"(.*)"', text)), 16) == int(
            mpmath.floor(mpmath.ldexp(1 / quarter, 1200))
        )
        whole = re.search(r'QUARTER = BigInt\("(\w+)"\)', source(HERE / "mathematics.js"))[1]
        assert int(whole, 16) == int(mpmath.floor(mpmath.ldexp(quarter, 127)))
        for tangent in (0.25, 0.5):
            angle = mpmath.atan(tangent)
            turned = rf"turnedBy\(([\d.]+), ([\d.e-]+), \(a - b / {1 / tangent:g}\)"
            hi, lo = re.search(turned, source(HERE / "mathematics.js")).groups()
            assert (float(hi), float(lo)) == (float(angle), float(angle - mpf(float(angle))))


# ---- That a run passes nothing else ----

FIXED = {"PI", "abs", "ceil", "floor", "fround", "imul", "max", "min", "round", "sign", "sqrt"}


def unfixed(text):
    """What of a module's code the standard leaves to the browser: of Math, powers, chance and the clock."""
    text = re.sub(r"//.*", "", COMMENT.sub("", text))
    taken = re.compile(r"\{([^}]*)\} = Math;")
    used = {name for names in taken.findall(text) for name in re.findall(r"\w+", names)}
    used |= set(re.findall(r"\bMath\b\.?\w*", taken.sub("", text)))
    used = {name.removeprefix("Math.") for name in used}
    # Between two values it is a power; a comment's ** is not.
    return (used - FIXED) | set(re.findall(r"(?<=[\w)\]] )\*\*(?= [\w(])|\bDate\b|\bperformance\b", text))


def test_a_run_passes_nothing_that_browsers_do_not_agree_on():
    passed = {path.stem: path for path in order("worker")}
    assert {
        "engine",
        "equation",
        "head",
        "network",
        "loops",
        "kernels",
        "formula",
        "mathematics",
    } <= passed.keys()
    found = {name: unfixed(source(path)) for name, path in passed.items() if name != "tables"}
    assert {name: what for name, what in found.items() if what} == {}


def test_what_browsers_do_not_agree_on_is_found():
    assert unfixed("const y = Math.exp(x) + x ** 2;") == {"exp", "**"}
    assert unfixed("const { cos, floor } = Math;") == {"cos"}
    assert unfixed("const m = Math;") == {"Math"}
    assert unfixed("const f = Math[name];") == {"Math"}
    assert {"cos", "sin", "atan2"} <= unfixed((HERE / "frame.js").read_text(encoding="utf-8"))


def test_the_program_of_the_kernels_has_no_relaxed_operation(engine):
    """Of SIMD the relaxed operations, 0x100 to 0x113, may differ between processors; ours are below."""
    text = source(HERE / "kernels.js")
    codes = [int(code) for code in re.findall(r"0xfd, (?:\.\.\.leb\()?(\d+)", text)]
    assert len(codes) >= 6
    assert max(codes) < 0x100


def test_without_simd_a_run_is_the_same_run(engine):
    from test_engine import in_the_page

    from marginlab import load_mnist

    (images, labels), _ = load_mnist()
    in_the_page(engine, images[:1200], labels[:1200])
    run = """([settings]) => [fast, loops.plain].map(kernels => {
        const frames = [...engine.train(data, settings, {kernels, epochs: 1, frames: 2})].filter(Boolean);
        return [frames.at(-1).weights, [...frames.at(-1).embeddings], frames.at(-1).loss];
    })"""
    fast, plain = engine.evaluate(run, [{"head": "arcface", "margin": 0.3, "scale": 30, "seed": 0}])
    assert fast == plain
    assert re.fullmatch("[0-9a-f]{32}", fast[0])
