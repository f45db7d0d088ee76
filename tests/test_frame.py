"""What the explorer's pictures are made of, without a browser: angles, regions, pulls, and what is said."""

import json
import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from v8 import V8, modules

import marginlab
from marginlab import reference
from marginlab.explorer import bundle, forms
from marginlab.family import FAMILY

SETTINGS = [
    {"head": "normface", "scale": 10},
    {"head": "sphereface", "margin": 2.5, "scale": 10},
    {"head": "cosface", "margin": 0.35, "scale": 30},
    {"head": "arcface", "margin": 0.5, "scale": 30},
    {"head": "combined", "m1": 1.5, "m2": 0.3, "m3": 0.1, "scale": 30},
]


def margins(settings):
    margin = settings.get("margin", [settings.get(m) for m in ("m1", "m2", "m3")])
    return reference.margins(settings["head"], margin)


v8 = modules("words", "code", "pointer", "plane", "charts", "svg")


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: s["head"])
def test_the_drawn_pull_is_the_slope_of_psi(v8, settings):
    theta = np.linspace(0.01, 3.13, 40)
    drawn = v8.evaluate("([t, s]) => t.map(x => frame.pull(x, s))", [theta.tolist(), settings])
    np.testing.assert_allclose(drawn, -reference.psi_slope(theta, *margins(settings)[:2]), atol=1e-6)
    turn = v8.evaluate("s => room.turningPoint(s)", settings)
    m1, m2, _ = margins(settings)
    assert math.isclose(m1 * turn + m2, math.pi)


def test_the_drawn_pull_of_naive_forms(v8):
    def pull(theta, naive, margin=0.5):
        settings = {"head": "arcface", "margin": margin, "scale": 30, "naive": naive}
        return v8.evaluate("([t, s]) => String(frame.pull(t, s))", [theta, settings])

    assert float(pull(1e-3, "clip")) == 0  # within the clip nothing pulls
    assert float(pull(0.3, "clip")) == pytest.approx(math.sin(0.8), rel=1e-3)
    assert pull(1e-5, "acos") in ("NaN", "Infinity", "-Infinity")
    assert float(pull(3.0, "no-unroll")) < 0  # pushed away
    assert float(pull(2.0, "demo-clip")) == 0


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: s["head"])
def test_no_mans_land_is_where_the_answer_is_right_but_not_by_the_margin(v8, settings):
    turns = np.sort(np.random.default_rng(0).uniform(0, 2 * np.pi, 6))
    w = np.c_[np.cos(turns), np.sin(turns)]
    wedges = v8.evaluate("([w, s]) => frame.bands(Float32Array.from(w), s)", [w.ravel().tolist(), settings])
    phi = np.radians(np.arange(720) / 2 + 0.25)
    x = np.c_[np.cos(phi), np.sin(phi)]
    cosines = x @ w.T
    own, rival = np.argmax(cosines, 1), np.sort(cosines, 1)[:, -2]
    expected = reference.psi(reference.angle(x, w[own]), *margins(settings)) < rival - 1e-9
    drawn = np.any([(phi > low) & (phi < high) for low, high in wedges] or [phi < 0], axis=0)
    assert (drawn == expected).mean() > 0.995


def test_regions_are_where_each_class_is_the_answer(v8):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(5, 3))
    polygons = v8.evaluate("w => frame.regions(w, 4)", rows.ravel().tolist())
    for r, turn in rng.uniform((0, 0), (3.98, 2 * np.pi), size=(200, 2)):
        x = r * np.array([np.cos(turn), np.sin(turn)])
        answer = np.argmax(rows[:, :2] @ x + rows[:, 2])
        inside = []
        for polygon in polygons:
            p = np.array(polygon).reshape(-1, 2) - x
            q = np.roll(p, -1, axis=0)
            side = p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]
            inside.append(len(p) > 2 and bool((side > 0).all()))
        assert inside == [j == answer for j in range(5)]


# Where ten rays may point: anywhere, in one heap, in two, a hair apart, on either side of ±π.
TURNS = st.one_of(
    st.lists(st.floats(-math.pi, math.pi), min_size=10, max_size=10),
    st.floats(-math.pi, math.pi).map(lambda turn: [turn] * 10),
    st.lists(st.sampled_from([0, 0.01, 0.02, 3.0, math.pi, -math.pi, 1e-300]), min_size=10, max_size=10),
    st.lists(st.floats(-0.01, 0.01), min_size=10, max_size=10),
)


def test_names_on_the_rim_keep_apart(v8):
    @given(TURNS, st.floats(0.01, 2 * math.pi / 10))
    def check(turns, gap):
        out = np.array(v8.evaluate("([t, gap]) => frame.spread(t, gap)", [turns, gap]))
        around = np.sort(out % (2 * np.pi))
        assert np.diff(around, append=around[0] + 2 * np.pi).min() > gap - 1e-9
        # Nobody goes further than a heap of all ten would need, and who stands free stands still.
        assert np.abs(out - turns).max() < 10 * gap
        rest = (np.subtract.outer(turns, turns) + np.pi) % (2 * np.pi) - np.pi
        free = (np.abs(rest) + 10 * np.eye(10)).min(axis=1) > 20 * gap
        np.testing.assert_array_equal(out[free], np.array(turns)[free])

    check()
    assert v8.evaluate("frame.spread([NaN, 1, 1.001, NaN], 0.2)")[1] == pytest.approx(0.9005)
    assert v8.evaluate("frame.spread([2], 0.2)") == [2]


def test_psi_and_its_pull_are_those_of_the_moment(v8):
    """As training blends them: a·scale·ψ + (1 - a)·‖x‖·cos θ, by the middle length."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(101, 2)) * 5
    length = np.median(np.linalg.norm(x, axis=1))
    theta = np.linspace(0.01, 3.1, 50)
    for step, a in ((1, 0), (500, 0), (1126, 0.5), (1626, 0.9), (1751, 1), (2500, 1)):
        for settings in SETTINGS[1:]:
            s = settings | {"steps": 2500, "anneal": [0.2, 0.7], "naive": None}
            drawn = v8.evaluate(
                """([x, step, theta, s]) => {
                    const share = frame.blend({step, embeddings: Float32Array.from(x)}, s);
                    const [psi, pull] = [frame.psiAt, frame.pullAt].map(f => theta.map(t => f(t, s, share)));
                    return [share, psi, pull];
                }""",
                [x.ravel().tolist(), step, theta.tolist(), s],
            )
            share = a * s["scale"] / (a * s["scale"] + (1 - a) * length)
            assert drawn[0] == pytest.approx(share, rel=1e-5)
            m = margins(settings)
            np.testing.assert_allclose(
                drawn[1], share * reference.psi(theta, *m) + (1 - share) * np.cos(theta), atol=1e-5
            )
            slope = -reference.psi_slope(theta, *m[:2])
            np.testing.assert_allclose(drawn[2], share * slope + (1 - share) * np.sin(theta), atol=1e-5)


@pytest.mark.parametrize("form", [None, "clip"])
def test_copied_code_makes_the_run(v8, form, monkeypatch):
    settings = {"head": "arcface", "margin": 0.45, "scale": 20, "seed": 3, "naive": form}
    calls = []

    class Spy:
        def __init__(self, head, **options):
            calls.append((head if isinstance(head, str) else head.name, options))

        def retrain(self, **options):
            calls.append(options)

    monkeypatch.setattr(marginlab, "Trainer", Spy)
    exec(v8.evaluate("s => code.code([s, { ...s, margin: 0.6 }])", settings), {})
    assert calls == [
        ("arcface", {"seed": 3, "frames": 20}),
        {"margin": 0.45, "scale": 20},
        {"margin": 0.6, "scale": 20, "start": "on"},  # what goes on from it
    ]


# What is said of a moment, and what is drawn: of the same scene that a page has.


def moment(settings, theta=None, labels=None, step=2500, died=None, length=5.0, **frame):
    """A scene as an expression of JavaScript: ten rays at 36°, and embeddings at angles θ to their own."""
    rng = np.random.default_rng(0)
    theta = rng.uniform(-3, 3, 200) if theta is None else np.asarray(theta, float)
    labels = rng.integers(0, 10, len(theta)) if labels is None else np.asarray(labels)
    turns = 2 * np.pi * np.arange(10) / 10
    at = turns[labels] + theta
    x = length * np.c_[np.cos(at), np.sin(at)]
    frame = {"step": step, "loss": 0.5, "accuracy": 0.9, "died": died} | frame
    anneal = None if settings["head"] == "softmax" else [0.2, 0.7]
    facts = json.dumps([settings | {"steps": 2500, "anneal": anneal}, frame, labels.tolist()])
    arrays = json.dumps([x.ravel().tolist(), np.c_[np.cos(turns), np.sin(turns)].ravel().tolist()])
    return f"""(() => {{
        const [settings, given, list] = {facts};
        const [embeddings, directions] = {arrays}.map(a => Float32Array.from(a));
        const labels = Uint8Array.from(list), it = {{...given, embeddings, directions}};
        if (given.linear) it.linear = Float32Array.from(given.linear);
        const thetas = frame.angles(it, labels), share = frame.blend(it, settings);
        return {{settings, labels, frame: it, frames: [it], position: 0, thetas, share, died: given.died,
            focus: null, circle: false, dim: Boolean(given.died), own: null, answer: null, ...looks.LIGHT,
            fates: settings.naive ? frame.fates(it, labels, thetas, settings, share) : null}};
    }})()"""


def drawn(v8, paint, scene, width=460, height=176):
    """What is drawn of a scene, as SVG."""
    text = v8.evaluate(
        f"(() => {{ const ctx = new svg.SvgContext({width}, {height}); "
        f"{paint}(...[ctx, {width}, {height}].slice(0, {paint}.length - 1), {scene}); "
        "return ctx.end(''); })()"
    )
    return ElementTree.fromstring(text)


def texts(root):
    return [node.text for node in root if node.tag.endswith("text")]


RED = "#a93023"


def crosses(root):
    """Where red crosses stand: the middles of their strokes, which come in pairs."""
    strokes = [p for p in root if p.get("stroke") == RED and p.get("stroke-width") == "2.6"]
    ends = [np.array(re.findall(r"-?[\d.]+", p.get("d")), float).reshape(2, 2) for p in strokes]
    return [tuple(end.mean(axis=0)) for end in ends[::2]]


USUAL = [{"head": head, **member.defaults} for head, member in FAMILY.items() if head != "softmax"]
STRONG = [{"head": "sphereface", "margin": 3.0, "scale": 10}, {"head": "arcface", "margin": 0.6, "scale": 30}]


@pytest.mark.parametrize("form", forms.FORMS)
@pytest.mark.parametrize("settings", USUAL + STRONG, ids=lambda s: f"{s['head']}-{s.get('margin')}")
def test_what_a_break_costs_is_counted_on_the_digits_shown(v8, settings, form):
    """By the formula of each form, and not by the code that draws it."""
    theta = np.r_[np.random.default_rng(1).uniform(1e-4, 3.14, 300), np.geomspace(1e-4, 0.02, 80)]
    labels = np.random.default_rng(2).integers(0, 10, len(theta))
    scene = moment(settings | {"naive": form}, theta, labels)
    m1, m2, _ = margins(settings)
    cured = m1 * np.abs(np.sin(m1 * theta + m2))
    c = np.cos(theta)
    low, high = forms.FORMS[form].clip or (-2, 2)
    held = (c > low) & (c < high)
    none = ~held & (cured > 1e-3)
    away = held & (m1 * np.sin(m1 * theta + m2) < -1e-3) & (not forms.FORMS[form].unrolled)
    found = v8.evaluate(f"words.harm({scene})")
    sure = np.abs(np.r_[c - low, c - high]).reshape(2, -1).min(0) > 3e-7  # float32 decides at the ends
    for kind, expected in {
        "near": none & (theta < math.pi / 4),
        "far": none & (theta >= math.pi / 4),
        "away": away,
    }.items():
        got = np.isin(np.arange(len(theta)), found[kind])
        lost = np.isin(np.arange(len(theta)), found["lost"])
        assert (got == expected)[sure & ~lost].all(), kind
    short, long = v8.evaluate(f"words.cost({scene})")
    stuck = len(found["near"]) + len(found["far"])
    assert (f"{stuck} of 380 digits without a pull" in short) == bool(stuck)
    assert ("pushed away" in short) == bool(found["away"])
    assert ("no harm" in short) == (stuck + len(found["away"]) + len(found["lost"]) == 0)
    # And those read wrong among them, by the nearest of ten rays at 36°.
    hurt = np.isin(np.arange(len(theta)), found["far"] + found["away"] + found["lost"])
    wrong = int((hurt & (theta > math.pi / 10)).sum())
    assert len(found["wrong"]) == wrong
    assert (f"{wrong} of them" in long or "It is read wrong" in long) == bool(wrong)
    told = v8.evaluate(f"words.told({scene})")
    assert told.startswith(f'<b class="mlx-red">Broken by {forms.FORMS[form].title}: {short}')
    # In the plane each of them has a ring, and the legend says so.
    rings = [p for p in drawn(v8, "plane.drawPlane", scene, 500) if p.get("stroke-width") == "1.3"]
    many = sum(len(found[kind]) for kind in ("near", "far", "away", "lost"))
    assert sum(p.get("d").count("M") for p in rings) == many
    assert ("Red rings" in v8.evaluate(f"words.what({scene})")) == bool(many)


@pytest.mark.parametrize("settings", USUAL, ids=lambda s: s["head"])
def test_before_the_margin_comes_in_nothing_of_it_is_drawn_or_said(v8, settings):
    def look(step):
        scene = moment(settings, step=step)
        plane = drawn(v8, "plane.drawPlane", scene, 500)
        psi = drawn(v8, "charts.drawPsi", scene)
        hatched = [p for p in plane if p.get("stroke-width") == "0.8" and p.get("d").count("A") > 10]
        grey = [p for p in psi if p.tag.endswith("rect")]
        return bool(hatched), bool(grey), v8.evaluate(f"words.what({scene}) + words.keyOfPsi({scene})")

    margin = settings["head"] != "normface"
    turns = margins(settings)[0] * math.pi + margins(settings)[1] > math.pi + 1e-9
    hatched, grey, said = look(400)
    assert (hatched, grey) == (False, False)
    assert "atched" not in said
    assert "past π" not in said
    assert ("not come in yet" in said) == margin
    hatched, grey, said = look(2500)
    assert (hatched, grey) == (margin, turns)
    assert ("Hatched" in said, "past π" in said) == (margin, turns)


@pytest.mark.parametrize("theta", [0.0, 2e-5, 2e-4, 0.02, 1.0])
def test_where_a_run_broke_there_is_one_cross_with_its_name(v8, theta):
    """In the chart of the pull at the image's own θ, on the axis; in the plane where it was."""
    died = {"step": 130, "example": 41234, "label": 7, "theta": theta, "at": [3.0, -4.0], "why": "."}
    scene = moment(
        {"head": "arcface", "margin": 0.5, "scale": 30, "naive": "acos"}, step=130, died=died, loss=math.nan
    )
    pull = drawn(v8, "charts.drawPull", scene)
    ((x, y),) = crosses(pull)
    low, high = math.log10(math.radians(0.001)), math.log10(math.pi)
    share = (max(math.log10(max(theta, 1e-9)), low) - low) / (high - low)
    assert x == pytest.approx(44 + share * (460 - 44 - 14), abs=0.02)
    assert y == pytest.approx(176 - 38, abs=0.02)
    assert "image 41,234" in texts(pull)
    (where,) = crosses(drawn(v8, "plane.drawPlane", scene, 500))
    (reach,) = v8.evaluate(f"[frame.extent({scene}.frame.embeddings)]")
    np.testing.assert_allclose(where, 250 + np.array([3, 4]) / reach * (250 - 21), atol=0.05)
    assert "The axis" not in v8.evaluate(f"words.keyOfPull({scene})")
    key = v8.evaluate(f"words.keyOfPull({scene}) + words.what({scene})")
    assert "the image that ended it" in key
    assert "×: the image that ended the run" in key


@pytest.mark.parametrize("form", [None, *forms.FORMS])
def test_an_axis_that_is_another_says_so(v8, form):
    scene = moment({"head": "arcface", "margin": 0.3, "scale": 30, "naive": form})
    near = form in ("acos", "clip")
    assert ("Logarithmic axis" in v8.evaluate(f"words.keyOfPull({scene})")) == near
    assert any("logarithmic" in text for text in texts(drawn(v8, "charts.drawPull", scene))) == near
    assert "loss, logarithmic" in v8.evaluate(f"words.keyOfProgress({scene})")


def test_why_a_run_ended_is_said_in_full():
    """c is introduced, the image is named, and what gives NaN is there before it is said to do so."""
    for c, flat in ((1.0, False), (1.0, True), (-1.0, False), (1.00000012, False), (-1.0000002, True)):
        said = forms.why(c, flat)
        assert said.startswith(
            "This image lies so nearly on the line of its class direction that float32 rounds"
        )
        assert f"{c:.8g}".replace("-", "−") in said
        assert "-" not in said
        if "∞ − ∞" in said:
            assert "subtracts ∞ from ∞" in said
        if "0 · ∞" in said:
            assert "slope −1/√(1 − c²) = −∞, and ψ the slope 0" in said
        assert ("beyond ±1" in said) == (abs(c) > 1)


@pytest.mark.parametrize(
    ("c", "settings"),
    [
        (1, {"head": "arcface", "margin": 0.3}),
        (1, {"head": "sphereface", "margin": 1.5}),
        (-1, {"head": "sphereface", "margin": 1.5}),
        (1 + 2**-23, {"head": "cosface", "margin": 0.1}),
    ],
)
def test_both_engines_say_the_same_of_an_end(c, settings):
    v8 = V8("engine")
    said = v8.evaluate("([c, s]) => engine.why(c, s)", [c, settings | {"naive": "acos"}])
    other = v8.evaluate("([c, s]) => engine.why(c, s)", [c, settings | {"naive": "no-unroll"}])
    v8.close()
    m1, m2, _ = margins(settings)
    flat = abs(c) == 1 and m1 * math.sin(m1 * math.acos(c) + m2) == 0
    assert said == forms.why(c, flat)
    assert other == forms.WHY["other"]


def test_no_legend_speaks_in_words_that_it_does_not_explain(v8):
    """Nor with a hyphen for a minus: of every head, form and moment."""
    for settings in [{"head": "softmax"}, *USUAL, *STRONG]:
        for form in [None, *forms.FORMS] if settings["head"] != "softmax" else [None]:
            for step in (400, 1200, 2500):
                scene = moment(settings | {"naive": form}, step=step)
                said = v8.evaluate(
                    "(it => ['told', 'what', 'keyOfProgress', 'keyOfPsi', 'keyOfPull'].map(f => words[f](it))"
                    f".concat(words.chartsInWords(it, it.frame), words.planeInWords(it, it.frame)))({scene})"
                )
                for text in said:
                    text = re.sub(r"<[^>]*>", " ", text)
                    assert not re.search(r"naive|cured|-[\d∞.]|undefined|NaN", text), text


def test_each_head_is_told_by_what_is_to_be_seen(v8):
    """And it is so: how wide no-man's-land is between two rays, of each head."""
    told = [v8.evaluate(f"words.told({moment(settings)})") for settings in [{"head": "softmax"}, *USUAL]]
    assert len(set(told)) == len(FAMILY)
    by = dict(zip(FAMILY, told, strict=True))
    gaps = np.radians([30, 36, 50, 70])

    def strips(head):
        given = FAMILY[head].defaults | {"head": head}
        widths = v8.evaluate("([gaps, s]) => gaps.map(gap => words.strip(gap, s))", [gaps.tolist(), given])
        for gap, width in zip(gaps, widths, strict=True):  # what the picture hatches there
            directions = [math.cos(gap / 2), math.sin(gap / 2), math.cos(gap / 2), -math.sin(gap / 2)]
            wedges = v8.evaluate("([w, s]) => frame.bands(Float32Array.from(w), s)", [directions, given])
            near = [b - a for a, b in wedges if min(a, 2 * math.pi - b) < gap / 2]
            assert sum(near) == pytest.approx(width, abs=0.02)
        return np.array(widths)

    margin = {head: FAMILY[head].defaults.get("margin") for head in FAMILY}
    np.testing.assert_allclose(strips("arcface"), margin["arcface"], rtol=1e-6)
    assert f"{math.degrees(margin['arcface']):.1f}° wide between any two rays" in by["arcface"]
    m = margin["sphereface"]
    np.testing.assert_allclose(strips("sphereface") / gaps, (m - 1) / (m + 1), rtol=1e-6)
    assert "same part of each gap" in by["sphereface"]
    assert (np.diff(strips("cosface")) < -0.01).all()
    assert "wider where two rays are close" in by["cosface"]
    for head in ("softmax", "normface"):
        assert "atched" not in by[head]


def test_a_class_that_is_read_in_the_middle_is_named_there(v8):
    """Plain softmax may give a class a land that no ray leads to."""
    turns = 2 * np.pi * np.arange(10) / 10
    rows = np.c_[np.cos(turns), np.sin(turns), np.zeros(10)]
    plain = moment({"head": "softmax"}, linear=rows.ravel().tolist())
    assert "middle" not in v8.evaluate(f"words.told({plain})")
    rows[8] = [0.1, 0, 1.5]
    scene = moment({"head": "softmax"}, linear=rows.ravel().tolist())
    assert "8 is read in the middle" in v8.evaluate(f"words.told({scene})")
    assert "8 here" in texts(drawn(v8, "plane.drawPlane", scene, 500))


def test_the_plane_says_what_distance_is_and_who_stands_on_the_rim(v8):
    scene = moment({"head": "normface", "scale": 10})
    assert "From the middle: the length ‖x‖ of the embedding." in v8.evaluate(f"words.what({scene})")
    long = f"(it => {{ it.frame.embeddings.set([90, 0, -80], 0); return words.what(it); }})({scene})"
    assert "(2 longer ones stand on the rim)" in v8.evaluate(long)
    assert "‖x‖·cos θ becomes scale·cos θ" in v8.evaluate(f"words.keyOfProgress({scene})")
    assert "‖x‖ → scale" in texts(drawn(v8, "charts.drawProgress", scene))
    assert "margin comes in" in texts(drawn(v8, "charts.drawProgress", moment(USUAL[2])))


def test_no_function_is_longer_than_a_screen():
    for path in bundle.HERE.glob("*.js"):
        name, start = None, 0
        for k, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
            if re.match(r"(export )?(async )?function|  (static |async |#|get |set )?\w+\(.*\) {$", line):
                name, start = line, k
            if line in ("}", "  }") and name:
                assert k - start < 60, (path.name, name)
                name = None
