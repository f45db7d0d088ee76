"""What the explorer's pictures are made of, without a browser: angles, regions, pulls, and what is said."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from v8 import V8

import marginlab
from marginlab import reference

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


@pytest.fixture(scope="module")
def v8():
    v8 = V8("words", "code", "pointer")
    yield v8
    v8.close()


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
    exec(v8.evaluate("s => code.code(s)", settings), {})
    assert calls == [("arcface", {"seed": 3, "frames": 20}), {"margin": 0.45, "scale": 20}]
