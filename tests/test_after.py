"""The heads of `marginlab.after`: values and gradients against 50 digits, state, and the house with them."""

import json
import math
import subprocess
import sys

import keras
import mpmath as mp
import numpy as np
import pytest
from autodiff import BACKEND, compiled, gradients, to_numpy
from keras import ops
from test_blockwise import agree, plain

from marginlab import MarginClassifier, blockwise, heads, reference
from marginlab.callbacks import MarginSchedule, MarginWatch

tensorflow_only = pytest.mark.skipif(BACKEND != "tensorflow", reason="a TensorFlow feature")
rng = np.random.default_rng(0)
D, C, B = 8, 10, 12
mp.mp.dps = 50
LENGTHS = np.linspace(2, 130, B)
X = rng.standard_normal((B, D))
X = (X / np.linalg.norm(X, axis=1, keepdims=True) * LENGTHS[:, None]).astype("float32")
Y = np.arange(B) % C

PLAIN = {
    "sub-centres": lambda **k: heads.ArcFace(C, subcenters=3, **k),
    "by class": lambda **k: heads.ArcFace(C, margin=np.linspace(0.1, 1, C), **k),
    "AdaFace": lambda **k: heads.AdaFace(C, **k),
    "MagFace": lambda **k: heads.MagFace(C, **k),
    "ElasticFace": lambda **k: heads.ElasticFace(C, **{"seed": 3} | k),
    "ElasticFace+": lambda **k: heads.ElasticFace(C, plus=True, place="cosine", **{"seed": 3} | k),
    "CurricularFace": lambda **k: heads.CurricularFace(C, **k),
    "AdaCos": lambda **k: heads.AdaCos(C, **k),
}
every = pytest.mark.parametrize("kind", PLAIN)
BLOCKWISE = [name for name in PLAIN if name not in ("CurricularFace", "AdaCos")]


def sparingly(*full):
    """All kinds, of which these are compiled with --full only."""
    return [pytest.param(kind, marks=pytest.mark.full) if kind in full else kind for kind in PLAIN]


def built(kind, **settings):
    head = PLAIN[kind](initializer=keras.initializers.RandomNormal(seed=1), **settings)
    head.build((None, D))
    return head


def state(head):
    return {v.name: to_numpy(v).tolist() for v in head.non_trainable_variables}


# ---- Values and gradients against 50 digits ------------------------------------------------------
#
# What a head adds to the family is its margins: of the class, or made of the length. The oracle makes them
# anew, and takes ψ and all gradients by differences in 50 digits.


def oracle(kind, head, x, w, label, before):
    """ψ·scale at the own class in mpmath, as a function of the embedding and its own rows, both lists."""
    s = mp.mpf(head.scale)
    fixed = mp.sqrt(mp.fdot(list(map(mp.mpf, x)), list(map(mp.mpf, x))))

    def ucos(phi):
        k = mp.floor(phi / mp.pi)
        return (-1) ** int(k) * mp.cos(phi) - 2 * k

    def logit(x, rows):
        length = mp.sqrt(mp.fdot(x, x))
        theta = min(mp.acos(mp.fdot(x, row) / length / mp.sqrt(mp.fdot(row, row))) for row in rows)
        if kind == "sub-centres":
            return mp.mpf(float(np.float32(30))) * ucos(theta + mp.mpf(float(np.float32(0.3))))
        if kind == "by class":
            return mp.mpf(30) * ucos(theta + mp.mpf(float(np.float32(np.linspace(0.1, 1, C)[label]))))
        if kind == "AdaFace":  # the length that is measured is not the length that is differentiated
            m, h = mp.mpf(float(np.float32(0.4))), mp.mpf(float(np.float32(0.333)))
            z = max(-1, min(1, h * (fixed - mp.mpf(before["mean"])) / mp.mpf(before["deviation"])))
            return s * (ucos(theta - m * z) - m * (1 + z))
        if kind == "MagFace":
            a = max(mp.mpf(10), min(mp.mpf(110), length))
            return s * ucos(theta + mp.mpf(0.45) + (mp.mpf(0.8) - mp.mpf(0.45)) / 100 * (a - 10))
        if kind == "CurricularFace":
            return s * ucos(theta + mp.mpf(0.5))
        return s * mp.cos(theta)

    return logit


def slope(f, x, i):
    step = mp.mpf(10) ** -20
    up, down = list(x), list(x)
    up[i], down[i] = up[i] + step, down[i] - step
    return float((f(up) - f(down)) / (2 * step))


@pytest.mark.parametrize("kind", [k for k in PLAIN if not k.startswith("Elastic")])
def test_values_and_gradients_against_fifty_digits(kind):
    x_few, y_few = X[::2], Y[::2]
    head = built(kind)
    head(x_few, y_few)  # statistics move once, and then stand still
    before = state(head)

    class Still:
        trainable_weights, non_trainable_variables = head.trainable_weights, head.non_trainable_variables

        def __call__(self, x, y):
            return head(x, y, training=False)

        def stateless_call(self, weights, fixed, x, y):
            return head.stateless_call(weights, fixed, x, y, training=False)

    def own(z):
        return ops.sum(z * ops.one_hot(y_few, C))

    values = to_numpy(head(x_few, y_few, training=False))[np.arange(len(y_few)), y_few]
    _, (gx, gw) = gradients(Still(), own, x_few, y_few)
    expected = np.zeros_like(gw)
    w = to_numpy(head.class_directions).reshape(C, -1, D)
    for i, label in enumerate(y_few):
        x, rows = list(map(mp.mpf, x_few[i].tolist())), [list(map(mp.mpf, r.tolist())) for r in w[label]]
        f = oracle(kind, head, x_few[i].tolist(), w, label, before)
        assert values[i] == pytest.approx(float(f(x, rows)), abs=64e-6 * 3)
        dx = [slope(lambda v, rows=rows, f=f: f(v, rows), x, j) for j in range(D)]
        np.testing.assert_allclose(gx[i], dx, atol=2e-5 * np.abs(gx).max())
        for k in range(len(rows)):
            dw = [
                slope(lambda v, k=k, x=x, rows=rows, f=f: f(x, [*rows[:k], v, *rows[k + 1 :]]), rows[k], j)
                for j in range(D)
            ]
            expected.reshape(C, -1, D)[label, k] += dw
    np.testing.assert_allclose(gw, expected, atol=2e-5 * np.abs(gw).max())


@pytest.mark.parametrize(
    ("head", "places"),
    [
        (heads.ArcFace, lambda m: (1, m, 0)),
        (heads.CosFace, lambda m: (1, 0, m)),
        (heads.SphereFace, lambda m: (1 + m, 0, 0)),
    ],
)
def test_a_margin_for_each_class(head, places):
    margin = np.linspace(0, 0.9, C)
    head = head(C, margin=margin + (head is heads.SphereFace), scale=4.0)
    head.build((None, D))
    w = to_numpy(head.class_directions)
    m1, m2, m3 = (np.broadcast_to(m, C)[Y] for m in places(margin))
    found = to_numpy(head(X, Y))
    np.testing.assert_allclose(found, reference.logits(X, w, Y, m1, m2, m3, scale=4.0), atol=1e-5)
    before = head.margin
    np.testing.assert_allclose(before, margin + (type(head) is heads.SphereFace), rtol=1e-6)
    head.margin = before * 0 + 1  # and not the shape
    assert (head.margin == 1).all()
    with pytest.raises(ValueError, match=r"margin must be .*, of shape \(10,\), got shape \(3,\)"):
        head.margin = np.ones(3)
    with pytest.raises(ValueError, match=r"margin must be .*got nan"):
        head.margin = np.full(C, np.nan)
    one = heads.ArcFace(C, margin=0.5)
    with pytest.raises(ValueError, match=r"margin is 0.5 and cannot become .*: make a new ArcFace"):
        one.margin = np.ones(C)


def test_margins_of_classes_are_watched_and_scheduled():
    m = model("by class")
    watch = MarginWatch(IMAGES, DIGITS, verbose=0)
    grow = MarginSchedule(margin=(0.0, np.linspace(0.1, 1, C)), epochs=2)
    m.fit(IMAGES, DIGITS, epochs=3, verbose=0, callbacks=[grow, watch])
    np.testing.assert_allclose(m.head.margin, np.linspace(0.1, 1, C), rtol=1e-6)
    assert watch.first_nan is None
    assert watch.history[-1]["largest_slope"] > 0


def test_margins_by_count():
    found = heads.margins_by_count([1, 2, 10, 100, 1000, 5000])
    np.testing.assert_allclose(found, [0.5, 0.419, 0.276, 0.151, 0.080, 0.05], atol=5e-4)
    with_none = heads.margins_by_count([0, 1, 7])
    assert with_none[0] == with_none[1] == 0.5
    assert heads.margins_by_count([3, 3, 3]).tolist() == [0.05] * 3
    for counts, words in (([1.5, 2], "counts must be whole"), ([1], "C at least 2"), ([-1, 2], "at least 0")):
        with pytest.raises(ValueError, match=words):
            heads.margins_by_count(counts)
    with pytest.raises(ValueError, match=r"smallest must be a number from 0 to largest, 0\.1, got 0\.2"):
        heads.margins_by_count([1, 2], smallest=0.2, largest=0.1)


# ---- What each paper says of itself --------------------------------------------------------------


def test_adaface_is_arcface_for_poor_images_and_cosface_in_between():
    head = built("AdaFace", scale=1.0)
    head.mean.assign(50.0)
    head.deviation.assign(1.0)
    theta = reference.angle(X, to_numpy(head.class_directions)[Y])
    for length, psi in (
        (1.0, reference.psi(theta, 1, 0.4, 0)),
        (50.0, reference.psi(theta, 1, 0, 0.4)),
        (99.0, reference.psi(theta, 1, -0.4, 0.8)),
    ):
        x = (X / LENGTHS[:, None] * length).astype("float32")
        found = to_numpy(head(x, Y, training=False))[np.arange(B), Y]
        np.testing.assert_allclose(found, psi, atol=1e-5)


def test_adaface_falls_where_the_published_forms_do_not():
    """For θ < m·ẑ its code clips the angle, and CVLFace's value rises."""
    head = built("AdaFace", scale=1.0)
    head.mean.assign(1.0)
    head.deviation.assign(1e-2)
    angles = np.linspace(0, 0.6, 13)
    w = np.eye(D, dtype="float32")[:C]
    head.class_directions.assign(np.concatenate([w, -w[: C - D]]))
    x = 10 * (np.cos(angles)[:, None] * w[0] + np.sin(angles)[:, None] * w[1]).astype("float32")
    found = to_numpy(head(x, np.zeros(13, int), training=False))[:, 0]
    assert (np.diff(found) < 0).all()


@pytest.mark.parametrize("kind", ["AdaFace", "MagFace"])
def test_only_magface_lets_the_gradient_into_the_length(kind):
    _, (dx, _) = gradients(built(kind), lambda z: ops.sum(plain(z, Y)), X, Y)
    along = np.abs((dx * X).sum(axis=1)) / (reference.norm(dx) * reference.norm(X))
    inside = (LENGTHS > 10) & (LENGTHS < 110)
    if kind == "AdaFace":
        assert along.max() < 1e-3
    else:
        assert along[inside].min() > 1e-3
        assert along[~inside].max() < 1e-3  # m is held there


def test_magface_pulls_everywhere_and_adds_it_once():
    head = built("MagFace")
    length = np.array([0.0, 0.01, 5, 10, 50, 110, 500, 1e30])
    x = np.zeros((8, D), "float32")
    x[:, 0] = length

    def g(a):
        held = np.maximum(a, 10)
        return 1 / held + held / 110**2 + (1 / 110**2 - 1 / 10**2) * (a - held)

    np.testing.assert_allclose(to_numpy(head.penalty(x[:7])), 35 * g(length[:7]).mean(), rtol=1e-5)
    counts = np.arange(8) < 3
    x[7] = np.nan

    class Term:
        trainable_weights, non_trainable_variables = head.trainable_weights, head.non_trainable_variables

        def __call__(self, x, y):
            return head.penalty(x, ops.convert_to_tensor(counts))

        def stateless_call(self, weights, fixed, x, y):
            return self(x, y), None

    if BACKEND != "tensorflow":
        return  # no weight takes part
    import tensorflow as tf

    z = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(z)
        value = Term()(z, None)
    pull = 35 * (1 / 110**2 - 1 / 100) / 3
    np.testing.assert_allclose(
        to_numpy(tape.gradient(value, z))[:, 0], [0, pull, pull, 0, 0, 0, 0, 0], rtol=1e-5
    )
    head(X, Y)
    assert [to_numpy(v) for v in head.losses] == pytest.approx([35 * g(LENGTHS).mean()], rel=1e-5)
    head(X, Y, training=False)
    assert head.losses == []
    assert head.least_pull == pytest.approx(64 * 0.0035 * 110**2 * 10**2 / (110**2 - 10**2))


def test_curricularface_is_continuous_and_never_pulls_a_wrong_class_closer():
    head = built("CurricularFace")
    cosines = np.linspace(-1, 1, 2001)
    for t in (0.0, 0.4, 0.9):
        head.t.assign(t)
        for own in (-1.3, -0.6, 0.0, 0.5):
            found = to_numpy(
                head.others(ops.convert_to_tensor(cosines[None], "float32"), ops.convert_to_tensor([own]))
            )[0]
            steps = np.diff(found)
            assert steps.min() > -1e-6
            assert steps.max() < 1e-3 * (2 + t) + 1e-6  # no jump: the slope is t + 2c at most
            hard = (cosines > max(own, -t / 2) + 1e-3) & (cosines < 1)
            slope = np.gradient(found, cosines)[hard]
            np.testing.assert_allclose(slope, (t + 2 * cosines)[hard], atol=2e-3)
            np.testing.assert_allclose(found[cosines < own - 1e-3], cosines[cosines < own - 1e-3], atol=1e-6)


def test_no_gradient_goes_through_the_threshold_of_curricularface():
    """The own class's gradient is that of ArcFace under the same probabilities."""
    head = built("CurricularFace", scale=8.0)
    head.t.assign(0.5)

    def own(z):
        p = ops.stop_gradient(ops.softmax(z))
        return ops.sum(ops.sum(p * z, axis=-1) * 0 + ops.sum(z * ops.one_hot(Y, C), axis=-1))

    arc = heads.ArcFace(C, margin=0.5, scale=8.0)
    arc.build((None, D))
    arc.class_directions.assign(head.class_directions)
    _, (dx, _) = gradients(head, own, X, Y)
    _, (expected, _) = gradients(arc, own, X, Y)
    np.testing.assert_allclose(dx, expected, atol=1e-5 * np.abs(expected).max())


def test_adacos_sets_its_scale_by_the_rule():
    head = built("AdaCos")
    s = math.sqrt(2) * math.log(C - 1)
    assert head.scale == pytest.approx(s, rel=1e-6)
    w = to_numpy(head.class_directions)
    for _ in range(3):
        z = s * reference.logits(X, w)
        z[np.arange(B), Y] = -np.inf
        middle = np.median(reference.angle(X, w[Y]))
        s = math.log(np.exp(z).sum(axis=1).mean()) / math.cos(min(math.pi / 4, middle))
        logits = to_numpy(head(X, Y))
        assert head.scale == pytest.approx(s, rel=1e-5)
        np.testing.assert_allclose(logits, s * reference.logits(X, w), atol=1e-4)
    head(X)
    head(X, Y, training=False)
    assert head.scale == pytest.approx(s, rel=1e-5)
    again = heads.AdaCos.from_config(head.get_config())
    assert again.scale == head.scale


def test_adacos_stays_finite_where_all_directions_are_one():
    """And none of them the own one: s then grows by √2 in each step."""
    head = built("AdaCos")
    w = np.ones((C, D), "float32")
    w[0] *= -1
    head.class_directions.assign(w)
    for _ in range(30):
        head(-w[:1], [0])
    assert head.scale == 1024.0
    for _ in range(30):
        head(w[:1], [0])
    assert head.scale == pytest.approx((C - 1) / C * math.log(C - 1), rel=1e-6)


def test_elasticface_draws_anew_and_can_be_repeated():
    draws = []
    for _ in range(2):
        head = built("ElasticFace", scale=1.0)
        run = compiled(lambda v, head=head: head.drawn(v)) if BACKEND == "tensorflow" else head.drawn
        draws.append([to_numpy(run(ops.zeros(1000))) for _ in range(2)])
    np.testing.assert_array_equal(draws[0][0], draws[1][0])
    assert np.abs(draws[0][0] - draws[0][1]).max() > 0.05
    assert np.mean(draws[0]) == pytest.approx(0.5, abs=0.01)
    assert np.std(draws[0]) == pytest.approx(0.05, rel=0.1)


@pytest.mark.parametrize("place", ["angle", "cosine"])
def test_elasticface_puts_its_draw_where_it_says(place):
    head, twin = (built("ElasticFace", scale=1.0, place=place) for _ in range(2))
    theta = reference.angle(X, to_numpy(head.class_directions)[Y])
    draw = to_numpy(twin.drawn(ops.convert_to_tensor(theta, "float32")))
    m = (1, draw, 0) if place == "angle" else (1, 0, draw)
    found = to_numpy(head(X, Y))[np.arange(B), Y]
    np.testing.assert_allclose(found, reference.psi(theta, *m), atol=1e-5)


def test_elasticface_plus_gives_the_furthest_the_largest():
    theta = np.arccos([0.9, 0.1, 0.5, 0.3]).astype("float32")
    draw = to_numpy(built("ElasticFace+").drawn(ops.convert_to_tensor(theta)))
    assert np.argsort(draw).tolist() == np.argsort(theta).tolist()


# ---- State ---------------------------------------------------------------------------------------


@every
def test_config_goes_round_and_a_refused_argument_is_named(kind):
    head = built(kind)
    again = type(head).from_config(json.loads(json.dumps(head.get_config())))
    assert again.get_config() == head.get_config()
    assert repr(again) == repr(head)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (
            lambda: heads.ArcFace(C, subcenters=0),
            ValueError,
            "subcenters must be a whole number of at least 1",
        ),
        (lambda: heads.AdaFace(C, margin=2), ValueError, r"margin must be a number in \[0, 1\], .*got 2"),
        (lambda: heads.AdaFace(C, margin=np.ones(C)), TypeError, r"margin must be a number in \[0, 1\]"),
        (lambda: heads.AdaFace(C, h=0), ValueError, "h must be a finite number above 0, got 0"),
        (
            lambda: heads.AdaFace(C, momentum=1.0),
            ValueError,
            r"momentum must be a number in \[0, 1\).*got 1.0",
        ),
        (
            lambda: heads.MagFace(C, margins=(0.8, 0.4)),
            ValueError,
            "margins must be a pair, the smaller first",
        ),
        (lambda: heads.MagFace(C, margins=0.4), TypeError, "margins must be a pair, each an angle"),
        (lambda: heads.MagFace(C, norms=(0, 4)), ValueError, "norms must be a pair, each a number above 0"),
        (lambda: heads.MagFace(C, norms=(4, 4)), ValueError, "norms must be two lengths, the smaller first"),
        (lambda: heads.MagFace(C, pull=-1), ValueError, "pull must be a finite number of at least 0, got -1"),
        (
            lambda: heads.ElasticFace(C, place="sine"),
            ValueError,
            "place must be one of angle, cosine, got 'sine'",
        ),
        (lambda: heads.ElasticFace(C, spread=-1), ValueError, "spread must be a standard deviation"),
        (lambda: heads.CurricularFace(C, margin=4), ValueError, r"margin must be an angle in radians"),
        (lambda: heads.AdaCos(2), ValueError, "num_classes must be a whole number of at least 3, got 2"),
        (lambda: heads.AdaCos(3, scale="norm"), TypeError, "scale must be a finite number above 0, or None"),
        (lambda: heads.NoFace, AttributeError, "module 'marginlab.heads' has no attribute 'NoFace'"),
    ],
)
def test_what_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_they_are_found_where_the_heads_are():
    from marginlab import after

    assert heads.AdaFace is after.AdaFace
    assert set(after.__all__) <= set(dir(heads))


EDGES = {
    "one image": (X[:1], Y[:1]),
    "no image": (X[:0], Y[:0]),
    "one length": (np.full((B, D), 3.0, "float32"), Y),
    "zero": (np.zeros((B, D), "float32"), Y),
    "huge and tiny": ((X * np.geomspace(1e-25, 1e25, B)[:, None]).astype("float32"), Y),
}


@pytest.mark.parametrize("edge", EDGES)
@every
def test_at_the_edges_all_is_finite(kind, edge):
    head, (x, y) = built(kind), EDGES[edge]
    for _ in range(2):
        value, grads = gradients(head, lambda z: ops.sum(plain(z, y)), x, y)
        head(x, y)  # on JAX `gradients` leaves no state behind
        assert np.isfinite(value)
        assert all(np.isfinite(g).all() for g in grads)
        assert all(np.isfinite(v).all() for v in state(head).values())
        assert all(np.isfinite(to_numpy(v)) for v in head.losses)


@pytest.mark.parametrize("kind", ["AdaFace", "CurricularFace", "AdaCos"])
def test_statistics_move_in_training_only_and_by_the_rows_that_count(kind):
    head, other = built(kind), built(kind)
    begin = state(head)
    head(X)
    head(X, Y, training=False)
    assert state(head) == begin
    head.observe(X[:0], Y[:0])
    assert state(head) == begin
    padded = np.concatenate([X, np.full((2, D), np.nan, "float32"), 1e6 * X[:1]])
    counts = np.arange(len(padded)) < B
    head.observe(*map(ops.convert_to_tensor, (padded, np.resize(Y, len(padded)), counts)))
    other(X, Y)
    assert state(head) != begin
    for name, value in state(other).items():
        assert state(head)[name] == pytest.approx(value, rel=1e-5)


def test_statistics_of_adaface():
    head = built("AdaFace", momentum=0.9)
    head(X, Y)
    assert to_numpy(head.mean) == pytest.approx(0.9 * 20 + 0.1 * LENGTHS.mean(), rel=1e-5)
    assert to_numpy(head.deviation) == pytest.approx(0.9 * 100 + 0.1 * LENGTHS.std(ddof=1), rel=1e-5)
    head(X[:1], Y[:1])  # one image has no deviation
    assert to_numpy(head.deviation) == pytest.approx(0.9 * 100 + 0.1 * LENGTHS.std(ddof=1), rel=1e-5)


# ---- What the house does with them ---------------------------------------------------------------


@pytest.mark.parametrize("kind", BLOCKWISE)
@pytest.mark.parametrize("size", [3, 64])
def test_blockwise_is_the_plain_loss(kind, size):
    # Both draw the same, and see the statistics where they stand after one batch.
    head = built(kind, scale=4.0)
    draw, begin = (head.seed_generator, 7) if kind.startswith("Elastic") else (None, 0)
    still(head)
    if draw:
        head.drawn = lambda theta: ops.convert_to_tensor(np.linspace(0.3, 0.6, B), "float32") + begin * 0
    agree(head, X / 50, Y, 0.1, block_size=size)


def still(head):
    head.observe = lambda *args: None


@pytest.mark.parametrize("kind", ["CurricularFace", "AdaCos"])
def test_blockwise_says_why_not(kind):
    with pytest.raises(TypeError, match=f"{kind} has no blockwise loss, for .*: take the plain one"):
        blockwise.cross_entropy(built(kind), X, Y)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@every
def test_half_precision_stays_finite(kind, dtype):
    x = ops.cast(np.concatenate([X, X * 1e-3, 0 * X[:1]]), dtype)
    y = np.concatenate([Y, Y, Y[:1]])
    head = built(kind, dtype=f"mixed_{dtype}")
    value, grads = gradients(head, lambda z: 2.0**15 / 25 * ops.sum(plain(z, y)), x, y)
    assert np.isfinite(value)
    assert all(np.isfinite(g).all() for g in grads)
    assert all(
        keras.backend.standardize_dtype(v.dtype).startswith(("float32", "uint", "int"))
        for v in head.variables
    )


IMAGES = rng.standard_normal((C, 4)).astype("float32")[np.arange(160) % C]
IMAGES += 0.1 * rng.standard_normal(IMAGES.shape).astype("float32")
DIGITS = np.arange(160) % C


def model(kind, loss=None, **compile_args):
    keras.utils.set_random_seed(0)
    encoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(D)])
    m = MarginClassifier(encoder, PLAIN[kind]())
    m.compile(keras.optimizers.Adam(0.01), loss=loss, **compile_args)
    return m


def losses(m, epochs=2, **kwargs):
    history = m.fit(IMAGES, DIGITS, epochs=epochs, batch_size=48, shuffle=False, verbose=0, **kwargs).history
    return history["loss"]


@pytest.mark.parametrize("kind", sparingly("by class", "ElasticFace", "CurricularFace"))
def test_it_trains_is_saved_and_exported(kind, tmp_path):
    m = model(kind)
    begin = state(m.head)
    curve = losses(m, 4)
    assert curve[-1] < curve[0]
    if kind in ("AdaFace", "CurricularFace", "AdaCos"):
        assert state(m.head) != begin
    if kind in BLOCKWISE:
        other = losses(model(kind, blockwise.BlockwiseCrossentropy(block_size=4)))
        np.testing.assert_allclose(other, curve[:2], rtol=1e-4)
    there = state(m.head)
    m.evaluate(IMAGES, DIGITS, verbose=0)
    assert state(m.head) == there
    m.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert repr(loaded.head) == repr(m.head)
    for name, value in state(loaded.head).items():
        if "seed" not in name:  # Keras saves no generator's state
            np.testing.assert_array_equal(value, there[name])
    expected = m.predict(IMAGES, verbose=0)
    np.testing.assert_allclose(loaded.predict(IMAGES, verbose=0), expected, rtol=1e-5, atol=1e-4)
    clone = type(m.head).from_config(m.head.get_config())
    assert repr(clone) == repr(m.head)
    if BACKEND == "tensorflow":
        import tensorflow as tf

        m.export(tmp_path / "served", verbose=False)
        served = tf.saved_model.load(str(tmp_path / "served"))
        np.testing.assert_allclose(served.serve(IMAGES), expected, rtol=1e-5, atol=1e-4)


@tensorflow_only
@pytest.mark.parametrize("kind", sparingly(*PLAIN))
def test_compiled_by_xla_and_mixed_it_is_the_same(kind):
    # XLA draws other numbers from the same seed.
    rtol = 0.05 if kind.startswith("Elastic") else 1e-3
    np.testing.assert_allclose(
        losses(model(kind, jit_compile=True), 1), losses(model(kind, run_eagerly=True), 1), rtol=rtol
    )


@tensorflow_only
def test_the_term_of_magface_is_in_the_loss_however_it_is_made():
    """By hand, and in a functional model with labels as an input."""
    m = model("MagFace")
    x, y = IMAGES[:48], DIGITS[:48]
    embeddings = m.encoder(x)
    term = float(m.head.penalty(embeddings))
    bare = float(ops.mean(plain(m.head(embeddings, y, training=False), y)))
    y_pred = m(x, training=True)
    assert float(m.compute_loss(x, y, y_pred)) == pytest.approx(bare + term, rel=1e-5)
    # A row that does not count has no pull, be it NaN or not.
    weights = (np.arange(48) < 24).astype("float32")
    half = float(m.compute_loss(x, y, y_pred, weights)) - float(m.head.penalty(embeddings[:24]))
    assert half == pytest.approx(
        float(ops.mean(plain(m.head(embeddings, y, training=False), y) * weights)), rel=1e-5
    )
    inputs, labels = keras.Input((4,)), keras.Input((), dtype="int32")
    functional = keras.Model([inputs, labels], m.head(m.encoder(inputs), labels))
    functional.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert functional.train_on_batch([x, y], y) == pytest.approx(bare + term, rel=1e-4)


@tensorflow_only
def test_statistics_do_not_ask_how_steps_are_gathered():
    """Gradient accumulation updates weights in every second step, and statistics in each."""
    found = []
    for steps in (None, 2):
        m = model("AdaFace")
        m.compile(keras.optimizers.SGD(0.0, gradient_accumulation_steps=steps), run_eagerly=True)
        losses(m, 1)
        found.append(state(m.head))
    assert found[0] == found[1]


def replicas():
    """Run in a process of its own, with two logical CPUs: prints the statistics on one and on two."""
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    found = {}
    for name in ("AdaFace", "CurricularFace", "AdaCos", "MagFace"):
        found[name] = []
        for strategy in (
            tf.distribute.OneDeviceStrategy("CPU:0"),
            tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]),
        ):
            keras.utils.set_random_seed(0)
            with strategy.scope():
                m = MarginClassifier(
                    keras.Sequential([keras.Input((4,)), keras.layers.Dense(D)]), PLAIN[name]()
                )
                m.compile(keras.optimizers.SGD(0.01))
            # 17 in the last batch of 16: one image, and so a replica without any.
            history = m.fit(IMAGES[:49], DIGITS[:49], batch_size=16, shuffle=False, verbose=0).history
            found[name].append(
                [*history["loss"], *(float(to_numpy(v)) for v in m.head.non_trainable_variables)]
            )
    print(json.dumps(found))


@tensorflow_only
@pytest.mark.full
def test_statistics_are_those_of_all_replicas():
    code = "import test_after; test_after.replicas()"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=__file__.rpartition("/")[0], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr[-3000:]
    for name, (one, two) in json.loads(run.stdout.strip().splitlines()[-1]).items():
        np.testing.assert_allclose(two, one, rtol=2e-4, err_msg=name)
