"""The budget's formulas against papers' numbers, closed forms, and a numerical search that knows none."""

import dataclasses
import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

import marginlab
from marginlab.room import (
    Budget,
    arrangement,
    budget,
    cap_fraction,
    half_width,
    largest_margin,
    least_scale,
    neighbour_angle,
    perfect_loss,
)

TRIPLE = {"normface": "", "softmax": "", "sphereface": "m1", "cosface": "m3", "arcface": "m2"}


def triple(head, margin):
    m = {"m1": 1.0, "m2": 0.0, "m3": 0.0} | {TRIPLE.get(head, ""): margin}
    return tuple(margin) if head == "combined" else (m["m1"], m["m2"], m["m3"])


def ucos(phi):
    k = np.floor(phi / np.pi)
    return (-1) ** k * np.cos(phi) - 2 * k


def losses(t, u, m, s):
    """Losses (C,) on the circle, directions at angles t, embeddings at u; gradient of each in u_y - t_j."""
    m1, m2, m3 = m
    turn = (u[:, None] - t + np.pi) % (2 * np.pi) - np.pi
    own = np.diag_indices(len(t))
    phi = m1 * np.abs(turn[own]) + m2
    logits, slope = s * np.cos(turn), -s * np.sin(turn)
    logits[own] = s * (ucos(phi) - m3)
    slope[own] = s * m1 * -((-1) ** np.floor(phi / np.pi)) * np.sin(phi) * np.sign(turn[own])
    top = logits.max(1, keepdims=True)
    e = np.exp(logits - top)
    total = e.sum(1, keepdims=True)
    grad = e / total * slope
    grad[own] -= slope[own]
    return (top + np.log(total))[:, 0] - logits[own], grad


def search(C, m, s, worst, starts=12):
    """Lowest mean loss, or lowest worst loss, over free directions and free embeddings on the circle."""
    rng, best = np.random.default_rng(0), math.inf

    def objective(z, sharpness):
        value, grad = losses(z[:C], z[C:], m, s)
        weight, total = np.full(C, 1 / C), value.mean()
        if sharpness:  # a smooth stand-in for the maximum
            e = np.exp(sharpness * (value - value.max()))
            weight, total = e / e.sum(), value.max() + np.log(e.mean()) / sharpness
        grad = grad * weight[:, None]
        return total, np.r_[-grad.sum(0), grad.sum(1)]

    for k in range(starts):
        t = rng.uniform(0, 2 * np.pi, C) if k % 3 else 2 * np.pi * np.arange(C) / C + rng.normal(0, 0.1, C)
        z = np.r_[t, t + rng.normal(0, 0.05 if k % 2 else 1.0, C)]
        for sharpness in (1, 10, 100, 1000) if worst else (0,):
            z = minimize(objective, z, (sharpness,), "L-BFGS-B", jac=True, options={"maxiter": 500}).x
        for u in (z[C:], z[:C]):  # ArcFace has a kink at θ = 0, where a smooth search does not quite arrive
            value = losses(z[:C], u, m, s)[0]
            best = min(best, value.max() if worst else value.mean())
    return best


CIRCLE = [
    (C, head, margin, scale)
    for C, (head, margin), scale in itertools.product(
        (2, 3, 5, 10),
        (("normface", None), ("cosface", 0.15), ("cosface", 0.35), ("arcface", 0.3), ("arcface", 2.0)),
        (1.0, 16.0),
    )
] + [
    (5, "sphereface", 2.5, 4.0),
    (5, "combined", (1.5, 0.3, 0.2), 8.0),
    (10, "cosface", 1.6, 64.0),
    (10, "cosface", 0.35, 64.0),
]


@pytest.mark.parametrize(("C", "head", "margin", "scale"), CIRCLE)
def test_no_arrangement_on_the_circle_serves_all_classes_better(C, head, margin, scale):
    found = search(C, triple(head, margin), scale, worst=True, starts=6)
    best = budget(C, 2, head, margin, scale).best_loss
    assert best <= found * (1 + 1e-9) + 1e-9
    assert found <= best * 1.05 + 1e-3  # the search is no straw man: it gets there


@pytest.mark.parametrize(
    ("C", "head", "margin", "scale"),
    [c for c in CIRCLE if c[0] in (5, 10) and budget(*c[:1], 2, *c[1:3]).feasible],
)
def test_with_a_feasible_margin_even_spacing_has_the_lowest_mean_too(C, head, margin, scale):
    found = search(C, triple(head, margin), scale, worst=False)
    best = budget(C, 2, head, margin, scale).best_loss
    assert best <= found * (1 + 1e-9) + 1e-9
    assert found <= best * 1.02 + 1e-3


def test_with_an_infeasible_margin_giving_classes_up_lowers_the_mean():
    b = budget(10, 2, "cosface", 0.35, 64.0)
    assert search(10, (1, 0, 0.35), 64.0, worst=False, starts=40) < 9.4 < b.best_loss - 1
    assert "giving some of them up may lower the mean" in b.explain()


def worst_of(z, C, d, m, s):
    """Worst loss of free vectors: directions, then embeddings, in d dimensions."""
    w, x = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in z.reshape(2, C, d))
    cos = x @ w.T
    theta = 2 * np.arctan2(np.linalg.norm(x - w, axis=1), np.linalg.norm(x + w, axis=1))
    gain = s * (cos - (ucos(m[0] * theta + m[1]) - m[2])[:, None])
    np.fill_diagonal(gain, 0)
    return np.logaddexp.reduce(gain, axis=1)


@pytest.mark.parametrize(
    ("C", "d", "head", "margin", "scale"),
    [
        (4, 3, "cosface", 1.0, 4.0),
        (4, 3, "cosface", 1.8, 4.0),
        (4, 3, "arcface", 1.3, 4.0),  # above π/3 nothing is proved
        (4, 3, "arcface", 2.6, 4.0),
        (4, 3, "combined", (1.0, 1.2, 0.5), 4.0),
        (6, 3, "normface", None, 4.0),  # the octahedron
        (6, 3, "cosface", 1.2, 4.0),
        (6, 3, "arcface", 2.0, 4.0),
    ],
)
def test_nor_does_any_arrangement_in_space(C, d, head, margin, scale):
    rng, found, m = np.random.default_rng(1), math.inf, triple(head, margin)

    def objective(z, sharpness):
        value = worst_of(z, C, d, m, scale)
        return np.logaddexp.reduce(sharpness * value) / sharpness

    best = budget(C, d, head, margin, scale).best_loss
    # A start may end in a worse valley, and which one does depends on the processor's rounding.
    for _ in range(20):
        w = rng.normal(size=(C, d))
        z = np.concatenate([w, w + 0.1 * rng.normal(size=(C, d))]).ravel()
        for sharpness in (1, 10, 100):
            z = minimize(objective, z, (sharpness,), "L-BFGS-B").x
        found = min(found, worst_of(z, C, d, m, scale).max())
        assert best <= found * (1 + 1e-9) + 1e-9
        if found <= best * 1.05 + 1e-3:
            return
    pytest.fail(f"twenty starts found {found:.4f}, and {best:.4f} is said to be the best")


@pytest.mark.parametrize(("C", "d"), [(5, 2), (4, 3), (5, 3), (6, 3), (7, 4)])
def test_no_embedding_off_its_direction_holds_a_larger_cosface_margin(C, d):
    rng, found = np.random.default_rng(2), 0.0

    def split(z):
        return (v / np.linalg.norm(v, axis=1, keepdims=True) for v in z[:-1].reshape(2, C, d))

    def slack(z):
        w, x = split(z)
        cos = x @ w.T
        return (np.diag(cos)[:, None] - cos)[~np.eye(C, dtype=bool)] - z[-1]

    for _ in range(4):
        w = rng.normal(size=(C, d))
        z = np.append(np.concatenate([w, w + 0.2 * rng.normal(size=(C, d))]).ravel(), 0.0)
        z = minimize(
            lambda z: -z[-1],
            z,
            method="SLSQP",
            constraints={"type": "ineq", "fun": slack},
            options={"maxiter": 300},
        ).x
        found = max(found, z[-1] + slack(z).min())
    low, high = largest_margin(C, d, "cosface")
    assert low == high
    assert found <= high + 1e-6
    assert found >= low - 1e-2


def test_the_numbers_that_the_book_quotes():
    b = marginlab.budget(num_classes=10, dim=2, head="cosface", margin=0.35, scale=64.0)
    assert isinstance(b, Budget)
    assert b.feasible is False
    # Two neighbours at 36°, the rest far: 64·(.35 - (1 - cos 36°)) + ln 2.
    assert b.best_loss == pytest.approx(64 * (0.35 - 1 + math.cos(math.pi / 5)) + math.log(2), abs=1e-4)
    assert b.best_loss == pytest.approx(10.87, abs=5e-3)
    assert b.best_probability == pytest.approx(1.9e-5, rel=0.01)
    assert str(b) == b.explain()
    assert b.explain().startswith("No arrangement of 10 classes in the plane can satisfy this margin;")
    assert "the best possible loss is 10.9" in b.explain()
    # NormFace's floor ln(1 + (C-1)e^{-ℓ²C/(C-1)}) at C = 10, ℓ = 1.
    assert budget(10, 9, "normface", scale=1.0).best_loss == pytest.approx(1.377, abs=5e-4)
    # CosFace's bound at C = 10, P = .99, and what the circle takes.
    assert least_scale(10, 9, 0.99) == pytest.approx(6.113, abs=5e-4)
    assert least_scale(10, 2, 0.99) == pytest.approx(27.69, abs=5e-3)
    # CosFace §3.4: 1 - cos(2π/C) for d = 2, C/(C-1) for C ≤ d + 1. ArcFace on the circle: 2π/C.
    for C, d, most in [
        (10, 2, 1 - math.cos(math.pi / 5)),
        (8, 2, 1 - math.sqrt(0.5)),
        (10, 9, 10 / 9),
        (3, 2, 1.5),
    ]:
        assert largest_margin(C, d) == pytest.approx((most, most), abs=1e-14)
        assert budget(C, d, "cosface", most).feasible  # the papers' ≤, and a rounding does not spoil it
        assert budget(C, d, "cosface", most + 1e-9).feasible is False
    assert largest_margin(10, 2, "arcface") == pytest.approx((0.62832, 0.62832), abs=1e-5)
    assert largest_margin(4, 3, "arcface")[0] == pytest.approx(math.acos(-1 / 3), abs=1e-14)
    assert largest_margin(10, 2, "sphereface") == (math.inf, math.inf)
    assert largest_margin(10, 2, "combined", (1.0, 0.3, 0.0))[0] == pytest.approx(
        math.cos(0.3) - math.cos(math.pi / 5)
    )


@pytest.mark.parametrize(
    ("C", "d", "points"),
    [
        (7, 2, [(math.cos(2 * math.pi * k / 7), math.sin(2 * math.pi * k / 7)) for k in range(7)]),
        (4, 3, [(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)]),
        (6, 3, [s * e for e in np.eye(3) for s in (1, -1)]),
    ],
)
def test_arrangement_is_that_of_the_named_figure(C, d, points):
    p = np.array(points) / np.linalg.norm(points, axis=1, keepdims=True)
    angles, counts = arrangement(C, d)
    assert counts.sum() == C - 1
    assert np.all(np.diff(angles) > 0)
    for row in range(C):
        cos = np.sort(np.delete(p @ p[row], row))[::-1]
        np.testing.assert_allclose(np.repeat(np.cos(angles), counts), cos, atol=1e-12)


@pytest.mark.parametrize("d", [2, 3, 4, 5])
def test_cap_fraction_is_the_area(d):
    for a in (1e-3, 0.7, 1.9, math.pi):
        fraction = {  # elementary integrals of sin^(d-2)
            2: a / math.pi,
            3: math.sin(a / 2) ** 2,
            4: (a - math.sin(a) * math.cos(a)) / math.pi,
            5: (2 + math.cos(a)) * math.sin(a / 2) ** 4,
        }[d]
        assert cap_fraction(a, d) == pytest.approx(fraction, rel=1e-5)


@pytest.mark.parametrize(
    ("C", "d", "degrees"),
    # icosahedron; snub cube; 24-cell; the 240 roots of E8: the best packings of their sizes
    [(12, 3, 63.4349), (24, 3, 43.6908), (24, 4, 60.0), (240, 8, 60.0)],
)
def test_bounds_hold_the_best_packings_that_are_known(C, d, degrees):
    low, high = map(math.degrees, neighbour_angle(C, d))
    assert low < degrees < high < 90.0001
    assert high < 2.3 * low
    assert not budget(C, d, "arcface", 0.1).exact


def test_more_than_2d_directions_are_never_all_a_right_angle_apart():
    low, high = neighbour_angle(10_000, 512)  # caps alone would allow more: that is Rankin's theorem
    assert high == math.pi / 2
    assert math.radians(80) < low < high


def test_where_the_best_arrangement_is_unknown_it_says_so():
    low, high = largest_margin(100, 3, "arcface")
    answers = [budget(100, 3, "arcface", m).feasible for m in (low / 2, (low + high) / 2, high * 1.1)]
    assert answers == [True, None, False]
    assert "is not known" in budget(100, 3, "arcface", (low + high) / 2).explain()
    assert "at least" in budget(100, 3, "arcface", low / 2).explain()
    assert budget(100, 3, "combined", (1.0, 2.0, 0.0)).feasible is False  # m2 alone is too much
    assert "lies between" in budget(8, 4, "combined", (1.0, 0.3, 0.97)).explain()
    # For d + 2 ≤ C < 2d the margins are known, the loss is not.
    b = budget(8, 5, "cosface", 0.5)
    assert (b.exact, b.feasible) == (False, True)
    assert b.held_margin == b.largest_margin == pytest.approx(1.0)
    # Infeasible: some class has a wrong class at least as high as its own, so its loss is above ln 2.
    assert budget(100, 3, "arcface", 1.5, 64.0).best_loss >= math.log(2)
    assert budget(100, 3, "arcface", 1.5, "norm").best_scale is None
    assert budget(100, 3, "normface", scale="norm").best_scale == math.inf


def test_half_width_closed_forms():
    delta = math.radians(36)
    assert half_width(delta) == pytest.approx(delta / 2)
    assert half_width(delta, m1=4.0) == pytest.approx(delta / 5)  # SphereFace
    assert half_width(delta, m2=0.3) == pytest.approx((delta - 0.3) / 2)  # ArcFace
    cosface = delta / 2 - math.asin(0.1 / (2 * math.sin(delta / 2)))
    assert half_width(delta, m3=0.1) == pytest.approx(cosface)
    assert half_width(delta, m3=0.35) == 0.0
    assert budget(10, 2, "sphereface", 4.0).half_width == pytest.approx(delta / 5)


@settings(deadline=None)
@given(delta=st.floats(0.05, math.pi), m1=st.floats(1, 8), m2=st.floats(0, math.pi), m3=st.floats(0, 2))
def test_half_width_is_where_the_margin_is_just_satisfied(delta, m1, m2, m3):
    def slack(theta):
        return ucos(np.float64(m1 * theta + m2)) - m3 - math.cos(delta - theta)

    theta = half_width(delta, m1, m2, m3)
    assert 0 <= theta <= delta / 2 + 1e-12
    assert slack(theta + 1e-6) < 1e-12
    assert theta == 0 or slack(theta - 1e-6) > -1e-12


HEADS = st.one_of(
    st.tuples(st.just("normface"), st.none()),
    st.tuples(st.just("sphereface"), st.floats(1, 20)),
    st.tuples(st.just("cosface"), st.floats(0, 2)),
    st.tuples(st.just("arcface"), st.floats(0, math.pi)),
    st.tuples(st.just("combined"), st.tuples(st.floats(1, 9), st.floats(0, math.pi), st.floats(0, 2))),
)


@settings(deadline=None)
@given(C=st.integers(2, 40), d=st.integers(2, 20), hm=HEADS, scale=st.floats(1e-3, 1e4))
def test_budget_agrees_with_itself(C, d, hm, scale):
    b = budget(C, d, *hm, scale)
    assert 0 <= b.best_loss < math.inf
    assert b.best_probability == math.exp(-b.best_loss)
    assert b.held_margin <= b.largest_margin + 1e-12
    assert b.explain().count(".") >= 2
    # The scale is free, so a free scale is at least as good.
    free = budget(C, d, *hm, "norm")
    assert free.best_loss <= b.best_loss + 1e-9
    assert free.best_loss <= math.log(C) + 1e-9
    if b.exact and b.held_margin == b.largest_margin:
        sharp = budget(C, d, *hm, 1e12)
        assert b.feasible == (sharp.best_loss < math.log(C) + 1e3)  # feasible: ln(1 + ties) at worst


@settings(deadline=None)
@given(
    C=st.integers(2, 30),
    d=st.integers(2, 12),
    head=st.sampled_from(["cosface", "arcface"]),
    scale=st.floats(0.1, 99),
)
def test_a_larger_margin_never_lowers_the_loss_and_a_dimension_never_raises_it(C, d, head, scale):
    rising = [budget(C, d, head, m, scale).best_loss for m in (0.0, 0.4, 1.1, 2.0)]
    assert rising == sorted(rising)
    if budget(C, d + 1).exact and budget(C, d).exact:
        assert budget(C, d + 1, head, 0.4, scale).best_loss <= rising[1] + 1e-12


def test_losses_keep_their_digits_and_never_overflow():
    angles, counts = arrangement(10)
    # The sum as it is written, where doubles can hold it.
    plain = sum(
        n * math.exp(20 * (math.cos(a) - math.cos(0.2) + 0.1)) for a, n in zip(angles, counts, strict=True)
    )
    assert perfect_loss(angles, counts, 20.0, 0.2, 0.1) == pytest.approx(math.log1p(plain), rel=1e-12)
    with np.errstate(all="raise", under="ignore"):
        assert perfect_loss(angles, counts, 1e4, 0.0, 2.0) == pytest.approx(
            1e4 * (1 + math.cos(angles[0])) + math.log(2)
        )
        tiny = perfect_loss(angles, counts, 500.0)
    # 1 - cos cancels; exp(-500·2 sin²18°) times two neighbours does not round to 0.
    assert tiny == pytest.approx(2 * math.exp(-1000 * math.sin(math.pi / 10) ** 2), rel=1e-9)


@settings(deadline=None)
@given(C=st.integers(2, 200), d=st.integers(2, 200), over=st.floats(0.01, 0.999))
def test_least_scale_is_the_inverse_of_the_loss(C, d, over):
    P = 1 / C + over * (1 - 1 / C)
    s = least_scale(C, d, P)
    simplex = (C - 1) / C * math.log((C - 1) * P / (1 - P))  # CosFace §3.3
    assert s >= simplex - 1e-9
    if d + 1 >= C or arrangement(C, d) is None:
        assert s == pytest.approx(simplex, rel=1e-9, abs=1e-12)
    else:
        assert budget(C, d, "normface", scale=s).best_probability == pytest.approx(P, rel=1e-9)


def test_a_free_scale_grows_stops_or_vanishes():
    grows = budget(10, 2, "cosface", 0.1, "norm")
    assert (grows.best_scale, grows.best_loss, grows.best_probability) == (math.inf, 0.0, 1.0)
    stops = budget(10, 2, "cosface", 0.35, "norm")
    grid = np.linspace(0.01, 20, 4000)
    brute = [perfect_loss(*arrangement(10), r, 0.0, 0.35) for r in grid]
    assert stops.best_scale == pytest.approx(grid[np.argmin(brute)], abs=0.01)
    assert stops.best_loss == pytest.approx(min(brute), abs=1e-6)
    assert "it will not grow" in stops.explain()
    vanishes = budget(10, 9, "cosface", 1.2, "norm")  # a simplex: all neighbours in the way, at once
    assert vanishes.best_scale == 0.0
    assert vanishes.best_loss == pytest.approx(math.log(10))
    assert "shrinks to 0" in vanishes.explain()
    assert "giving" not in vanishes.explain()  # on a simplex that lowers nothing: see `perfect_loss`
    tie = budget(10, 2, "cosface", 1 - math.cos(math.pi / 5), "norm")  # with its two neighbours
    assert tie.best_loss == pytest.approx(math.log(3))
    assert tie.feasible
    softmax = budget(10, 2, "softmax")
    assert (softmax.feasible, softmax.best_loss, softmax.margin) == (True, 0.0, None)
    assert "no margin" in softmax.explain()


@pytest.mark.parametrize(("C", "margin"), [(5, 0.9), (10, 0.35)])
def test_no_arrangement_and_no_lengths_serve_all_classes_better_with_a_free_scale(C, margin):
    rng, found = np.random.default_rng(3), math.inf

    def each(z):
        t, u, r = z[:C], z[C : 2 * C], np.exp(z[2 * C : 3 * C])
        gain = r[:, None] * (np.cos(u[:, None] - t) - np.cos(u - t)[:, None] + margin)
        np.fill_diagonal(gain, 0)
        return np.logaddexp.reduce(gain, axis=1)

    for k in range(6):
        t = 2 * np.pi * np.arange(C) / C + rng.normal(0, 0.1 + k / 3, C)
        z = np.r_[t, t + rng.normal(0, 0.1, C), np.full(C, 0.7)]
        below = {"type": "ineq", "fun": lambda z: z[-1] - each(z[:-1])}
        z = minimize(lambda z: z[-1], np.append(z, each(z).max()), method="SLSQP", constraints=below).x
        found = min(found, each(z[:-1]).max())
    best = budget(C, 2, "cosface", margin, "norm").best_loss
    assert best - 1e-9 <= found <= best + 1e-3


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"num_classes": 1}, ValueError, "num_classes must be a whole number of at least 2, got 1"),
        ({"num_classes": 10.0}, TypeError, "num_classes must be a whole number of at least 2, got 10.0"),
        ({"num_classes": True}, TypeError, "num_classes"),
        ({"dim": 1}, ValueError, "dim must be a whole number of at least 2, got 1"),
        ({"head": "adaface"}, ValueError, "head must be one of softmax, normface, sphereface"),
        ({"head": None}, TypeError, "head must be one of"),
        ({"margin": 2.1}, ValueError, r"margin must be a number of cosine units in \[0, 2\], got 2.1"),
        ({"margin": "0.1"}, TypeError, "margin must be a number of cosine units"),
        ({"margin": math.nan}, ValueError, "margin"),
        (
            {"head": "arcface", "margin": 28.6},
            ValueError,
            r"margin must be an angle in radians in \[0, π\], got 28.6",
        ),
        (
            {"head": "sphereface", "margin": 0.5},
            ValueError,
            "margin must be a finite multiplier of at least 1",
        ),
        ({"head": "sphereface", "margin": math.inf}, ValueError, "margin must be a finite multiplier"),
        ({"head": "normface", "margin": 0.1}, ValueError, "normface has no margin"),
        ({"head": "softmax", "margin": 0.1}, ValueError, "softmax has no margin"),
        ({"head": "combined", "margin": 0.3}, TypeError, r"margin must be \(m1, m2, m3\)"),
        ({"head": "combined", "margin": (1, 4, 0)}, ValueError, "m2 must be an angle in radians"),
        ({"scale": 0}, ValueError, "scale must be a finite number above 0"),
        ({"scale": math.inf}, ValueError, "scale"),
        ({"scale": "auto"}, ValueError, "scale must be .*\"norm\" for ‖x‖, got 'auto'"),
        ({"scale": None}, TypeError, "scale"),
    ],
)
def test_bad_input_is_named(arguments, error, words):
    with pytest.raises(error, match=words):
        budget(**arguments)


@pytest.mark.parametrize("P", [0.1, 1.0, 0.0])
def test_a_probability_that_no_scale_is_needed_for_or_can_reach(P):
    with pytest.raises(ValueError, match=r"probability must be .*\(0.1, 1\)"):
        least_scale(10, 2, P)


def test_no_margin_is_the_default_and_the_result_is_frozen():
    assert budget(10, 2, "normface").best_loss == budget(10, 2, "sphereface").best_loss
    assert [budget(head=h).margin for h in ("cosface", "arcface", "sphereface", "combined", "softmax")] == [
        0.0,
        0.0,
        1.0,
        (1.0, 0.0, 0.0),
        None,
    ]
    with pytest.raises(dataclasses.FrozenInstanceError):
        budget().margin = 1.0


def test_it_needs_no_keras():
    code = "import sys, marginlab; marginlab.budget(); sys.exit(bool({'keras', 'scipy'} & {*sys.modules}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
