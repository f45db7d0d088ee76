"""The trainer in the page against the package: the same values, gradients and losses.

In a bare V8; that a browser makes the same run to the last digit is in test_explorer_page.
"""

import inspect
import math
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from exact import pair_at
from v8 import modules

from marginlab import Trainer, budget, encoders, geometry, heads, load_mnist, reference
from marginlab.explorer import bundle
from marginlab.explorer.engine import v8
from marginlab.family import FAMILY

THETAS = [0, 1e-12, 1e-9, 1e-6, 1e-4, 1e-3, 0.01, 0.1, 1, math.pi / 2, 3]
THETAS += [math.pi - 1e-4, math.pi - 1e-6, math.pi]
SETTINGS = [
    {"head": "normface"},
    *[{"head": "sphereface", "margin": m} for m in (1.0, 1.35, 1.7, 2.0, 3.0, 4.0)],
    *[{"head": "cosface", "margin": m} for m in (0.0, 0.1, 0.35, 1.0, 2.0)],
    *[{"head": "arcface", "margin": m} for m in (0.0, 0.1, 0.3, 0.5, 1.0, 2.0, 3.1)],
    *[{"head": "combined", "m1": a, "m2": b, "m3": c} for a, b, c in ((1.0, 0.3, 0.2), (2.0, 0.5, 0.1))],
]


def margins(settings):
    head = settings["head"]
    margin = tuple(settings[m] for m in ("m1", "m2", "m3")) if head == "combined" else settings.get("margin")
    return reference.margins(head, margin)


# A V8 that holds the modules as globals; its `evaluate` runs JavaScript with them.
engine = modules("worker", "room", "course", "frame")


def close(ours, theirs, size=1.0, rtol=1e-10):
    """Within 1e-10 of theirs; where that is 0, within some units in the last place of `size`."""
    np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=8e-16 * size)


@pytest.fixture(scope="module")
def points():
    """Embeddings x and directions w at every θ, three of each, then zero vectors and lengths far out."""
    rng = np.random.default_rng(0)
    pairs = [
        pair_at(theta, 2, "float64", rng, *np.exp(rng.normal(size=2))) for theta in THETAS for _ in range(3)
    ]
    x, w = (np.array(v) for v in zip(*pairs, strict=True))
    x = np.concatenate([x, [[0, 0], [3, 4], [1e-200, 2e-200], [1e200, -1e200]]])
    w = np.concatenate([w, [[1, 2], [0, 0], [3, 1], [1, 1]]])
    return x, w


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: "-".join(map(str, s.values())))
def test_target_logit_and_its_gradients(engine, points, settings):
    x, w = points
    got = engine.evaluate(
        """([x, w, settings]) => x.map((_, i) => {
            const [u, v] = [x[i], w[i]].map(it => equation.unit(...it));
            const {theta, psi, gx, gw} = equation.target(u, v, settings);
            return [theta, psi, ...gx, ...gw];
        })""",
        [x.tolist(), w.tolist(), settings],
    )
    got, m = np.array(got), margins(settings)
    close(got[:, 0], reference.angle(x, w))
    close(got[:, 1], reference.target_logit(x, w, *m))
    gx, gw = reference.target_gradients(x, w, *m)
    # What one rounding of θ moves a gradient by, where ψ is flat and it should be 0.
    flat = (m[0] ** 2 + m[0]) * 1e-15
    for ours, theirs, v in ((got[:, 2:4], gx, x), (got[:, 4:], gw, w)):
        lengths = np.where(v.any(1), reference.norm(v), 1)[:, None]
        np.testing.assert_allclose(ours * lengths, theirs * lengths, rtol=1e-10, atol=flat)


def head_gradients(engine, x, w, labels, settings, a=1.0, b=None):
    script = """([x, w, b, labels, settings, a]) => {
        const out = head.headGradients(x, w, b, labels, settings, a);
        return Object.fromEntries(Object.entries(out).map(([k, v]) => [k, [...v]]));
    }"""
    b = [0.0] * 10 if b is None else b.tolist()
    got = engine.evaluate(
        script, [x.ravel().tolist(), w.ravel().tolist(), b, labels.tolist(), settings | {"naive": None}, a]
    )
    return (
        np.array(got["losses"]),
        np.reshape(got["gx"], (-1, 2)),
        np.reshape(got["gw"], (-1, 2)),
        np.array(got["gb"]),
    )


def batch(theta=None):
    """Thirty embeddings, one of them zero, ten directions and labels."""
    rng = np.random.default_rng(3)
    x, w, labels = rng.normal(size=(30, 2)), rng.normal(size=(10, 2)), rng.integers(0, 10, 30)
    for i, theta in enumerate(THETAS):  # some at given angles to their own directions
        t = math.atan2(*w[labels[i]][::-1]) + theta
        x[i] = np.exp(rng.normal()) * np.array([math.cos(t), math.sin(t)])
    x[-1] = 0
    return x, w, labels


@pytest.mark.parametrize("a", [1.0, 0.3, 0.0])
@pytest.mark.parametrize("scale", [1.0, 30.0, "norm"])
@pytest.mark.parametrize(
    "settings", SETTINGS[::3] + SETTINGS[-1:], ids=lambda s: "-".join(map(str, s.values()))
)
def test_losses_and_gradients_of_a_head(engine, settings, scale, a):
    """a below 1: logits partly ‖x‖cos θ, as in the first part of a run."""
    x, w, labels = batch()
    losses, gx, gw, _ = head_gradients(engine, x, w, labels, settings | {"scale": scale}, a)
    m, true = margins(settings), np.eye(10, dtype=bool)[labels]
    f = a * reference.logits(x, w, labels, *m, scale) + (1 - a) * reference.logits(x, w, scale="norm")
    close(losses, reference.losses(f, labels))
    g = reference.loss_slopes(f, labels)
    want_x, want_w = np.zeros_like(x), np.zeros_like(w)
    for j in range(10):
        pair = np.broadcast_to(w[j], x.shape)
        own, plain, early = (
            reference.target_gradients(x, pair, *args)
            for args in ((*m, scale), (1, 0, 0, scale), (1, 0, 0, "norm"))
        )
        for k, out in enumerate((want_x, want_w)):
            rows = g[:, j, None] * (a * np.where(true[:, j, None], own[k], plain[k]) + (1 - a) * early[k])
            if k == 0:
                out += rows
            else:
                out[j] = rows.sum(0)
    size = 1 if scale == "norm" else scale
    np.testing.assert_allclose(gx, want_x, rtol=1e-10, atol=1e-13 * size)
    np.testing.assert_allclose(gw, want_w, rtol=1e-10, atol=1e-13 * size)


def test_losses_and_gradients_of_softmax(engine):
    x, w, labels = batch()
    b = np.random.default_rng(4).normal(size=10)
    losses, gx, gw, gb = head_gradients(engine, x, w, labels, {"head": "softmax"}, b=b)
    close(losses, reference.losses(reference.softmax_logits(x, w, b), labels))
    for ours, theirs in zip((gx, gw, gb), reference.softmax_loss_gradients(x, w, b, labels), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-14)


def test_naive_forms_fail_as_they_do_in_float32(engine):
    def target(theta, naive, head="arcface", margin=0.5):
        return engine.evaluate(
            """([theta, settings]) => {
                const f = Math.fround, at = [5.84 + theta, 5.84].map(t => [f(Math.cos(t)), f(Math.sin(t))]);
                const {psi, gx} = equation.target(equation.unit(...at[0]), equation.unit(...at[1]), settings);
                return [psi, ...gx].map(v => Number.isFinite(v) ? v : null);
            }""",
            [theta, {"head": head, "margin": margin, "naive": naive}],
        )

    def pull(theta, *args, **kwargs):
        return math.hypot(*target(theta, *args, **kwargs)[1:])

    assert None in target(0.0, "acos")  # ∞ - ∞
    assert pull(0.0, "clip") == 0
    assert pull(1e-3, "clip") == 0
    assert pull(1e-3, None) == pytest.approx(math.sin(0.501), rel=1e-6)
    assert pull(1.0, "clip") == pytest.approx(math.sin(1.5), rel=1e-4)
    assert pull(2.0, "demo-clip", "sphereface", 2.0) == 0
    assert target(2.0, "demo-clip", "sphereface", 2.0)[0] == pytest.approx(-1)
    # Past π the cosine that is not unrolled pushes away: same size, other way.
    cured, naive = (target(3.0, form) for form in (None, "no-unroll"))
    np.testing.assert_allclose(naive[1:], -np.array(cured[1:]), rtol=1e-12)
    assert naive[0] > target(math.pi - 0.5, "no-unroll")[0]


def test_the_budget_is_the_packages(engine):
    for settings in SETTINGS:
        head = settings["head"]
        margin = (
            tuple(settings[m] for m in ("m1", "m2", "m3")) if head == "combined" else settings.get("margin")
        )
        for scale in (1.0, 30.0, 128.0):
            ours = engine.evaluate("s => room.budget(s)", settings | {"scale": scale})
            theirs = budget(10, 2, head, margin, scale)
            assert ours["feasible"] == theirs.feasible
            assert ours["loss"] == pytest.approx(theirs.best_loss, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("n", [16, 48, 64, 112])
def test_kernels_some_at_a_time_are_the_plain_ones(engine, n):
    """To the bit, but for what a list has behind its end; rows of whole blocks and of what is left over."""
    plain, simd = engine.evaluate(
        """n => [loops.plain, kernels.simd(1)].map(k => {
            const fill = a => { a.forEach((_, i) => { a[i] = Math.sin(i + a.length); }); return a; };
            const made = (size, Type = Float32Array) => fill(k.array(Type, size));
            const [w, y, value] = [20 * n, n, 7].map(size => made(size));
            const index = k.array(Uint8Array, 7);
            index.set([3, 0, 19, 7, 8, 2, 11]);
            k.gather(y, w, index, value, 1, 6, n);
            k.scatter(w, index, value, 0, 7, y, n);
            k.dots(value, w, index, 2, 5, y, n);
            k.gather(y, w, index, value, 4, 4, n);  // nothing at all
            const [on, h] = [k.array(Uint8Array, 3 + n), made(3 + n)];
            y[1] = NaN;
            const end = k.positive(on, h, 3, y, n);
            y[1] = -0;
            const [pair, x, gb, gw] = [made(2 * n), made(2, Float64Array), made(n), made(2 * n)];
            k.toPlane(x, y, pair, n);
            k.fromPlane(y, made(3 + n), 3, pair, x, gb, gw, n);
            const by = k.array(Float64Array, 4), [m, v] = [made(2 * n), made(2 * n).map(Math.abs)];
            by.set([0.01, 0.1, 0.05, 1e-7]);
            const spread = k.array(Float32Array, 2 * n);
            spread.set(v);
            k.adam(pair, gw, m, spread, by);
            const list = Array.from(h.slice(0, end), String);  // with the NaN
            return [end, w, y, value, on.slice(0, end), list, x, pair, gb, gw, m, spread];
        })""",
        n,
    )
    assert simd == plain
    assert 3 < plain[0] < 3 + n
    assert "NaN" in plain[5]


def shades(images):
    """Images (n, 28, 28) in the page's 16 shades, (n, 196)."""
    return np.round(images.reshape(-1, 14, 2, 14, 2).mean((2, 4)) / 255 * 15).astype("uint8").reshape(-1, 196)


def in_the_page(engine, images, labels):
    """Puts `data` into the page: these images to train with, the first 200 to look at."""
    pixels = shades(images)
    engine.put("packed", (pixels[:, ::2] << 4 | pixels[:, 1::2]).tobytes())
    engine.put("labels", labels.astype("uint8").tobytes())
    engine.evaluate(
        """() => {
            self.fast = kernels.simd();
            const part = (buffer, n) => new Uint8Array(buffer, 0, n);
            const set = n => network.unpack(part(packed, n * 98), part(labels, n), fast);
            const sample = Uint32Array.from([...Array(200).keys()]);
            self.data = {train: set(labels.byteLength), test: set(200), sample};
            fast.keep();
            return 0;
        }"""
    )


STEPS, BATCH = 100, 120
# The first steps of a run as it is, without a margin yet; and a short cycle with the margin from the start.
# That one at a lower rate: at the full one training is chaotic, and roundings part after some forty steps.
RECIPES = {
    "as it begins": {"steps": 2500, "rate": 0.02, "anneal": [0.2, 0.7]},
    "with the margin": {"steps": STEPS, "rate": 0.002, "anneal": None},
}


def keras_losses(name, images, labels, steps, rate, anneal):
    """The weights that a run begins with, flat, and its losses: a plain loop in Keras."""
    keras.utils.set_random_seed(0)
    encoder = encoders.fast()
    head = heads.BY_NAME[name](10)
    # The encoder averages 2 × 2: whole images whose averages are the 16 shades.
    x = np.repeat(np.repeat(shades(images).reshape(-1, 14, 14), 2, 1), 2, 2).astype("float32") * 17
    head(encoder(x[:1]))
    variables = [*encoder.trainable_variables, *head.trainable_variables]
    start = np.concatenate([v.numpy().ravel() for v in variables])
    warmup = steps // 10
    cycle = keras.optimizers.schedules.CosineDecay(
        0.0, steps - warmup, warmup_target=rate, warmup_steps=warmup
    )
    optimizer = keras.optimizers.Adam(cycle, beta_2=0.95)

    @tf.function
    def step(x, y, a):
        with tf.GradientTape() as tape:
            embeddings = encoder(x)
            logits = head(embeddings, y)
            if name != "softmax":
                plain = embeddings @ tf.transpose(geometry.unit(head.class_directions))
                logits = a * logits + (1 - a) * plain
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    losses = []
    for t in range(STEPS):
        part = slice(t * BATCH, (t + 1) * BATCH)
        a = np.float32(np.clip((t / steps - anneal[0]) / (anneal[1] - anneal[0]), 0, 1) if anneal else 1)
        losses.append(float(step(x[part], labels[part].astype("int32"), a)))
    return start, np.array(losses)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", FAMILY)
def test_the_same_weights_and_images_give_the_losses_of_keras(engine, name, recipe):
    (images, labels), _ = load_mnist()
    images, labels = images[: STEPS * BATCH], labels[: STEPS * BATCH]
    start, losses = keras_losses(name, images, labels, **RECIPES[recipe])
    in_the_page(engine, images, labels)
    # The plain loops are the same numbers, slowly: for one head that is enough.
    for kernels in ("fast", "loops.plain") if name == "arcface" else ("fast",):
        ours = engine.evaluate(
            """([weights, settings, recipe, many, kernels]) => {
                if (settings.head !== "softmax") weights = [...weights, ...Array(10).fill(0)];  // its bias
                const order = Uint32Array.from(data.train.labels, (_, i) => i), losses = [];
                const options = {...recipe, weights, order, frames: recipe.steps, kernels: eval(kernels)};
                for (const frame of engine.train(data, settings, options)) {
                    if (frame && losses.push(frame.loss) === many) return losses;
                }
            }""",
            [
                start.tolist(),
                FAMILY[name].defaults | {"head": name, "naive": None},
                RECIPES[recipe],
                STEPS,
                kernels,
            ],
        )
        half = STEPS // 2
        np.testing.assert_allclose(ours[:half], losses[:half], atol=1e-3)
        np.testing.assert_allclose(ours, losses, rtol=0.02)  # training magnifies a processor's last bits
    assert losses[-5:].mean() < 0.8 * losses[:5].mean()  # it learns something in these steps


def test_a_drawn_digit_is_embedded_as_a_test_image_is(engine):
    (images, labels), _ = load_mnist()
    in_the_page(engine, images[:1200], labels[:1200])
    ours, frame = engine.evaluate(
        """([images, settings]) => {
            let reader;
            const options = {kernels: fast, onReader: it => { reader = it; }};
            const frames = [...engine.train(data, settings, options)];
            const ours = images.map(image => [...reader(network.pack(image.flat()))]);
            return [ours, [...frames.at(-1).embeddings.slice(0, 2 * images.length)]];
        }""",
        [images[:20].tolist(), FAMILY["arcface"].defaults | {"head": "arcface"}],
    )
    # Half a shade is rounded to an even one there, and up in a drawing.
    np.testing.assert_allclose(np.array(ours).ravel(), frame, atol=0.02)


def test_a_run_stops_where_acos_gives_nan_and_says_why(engine):
    (images, labels), _ = load_mnist()
    in_the_page(engine, images[:12000], labels[:12000])
    settings = FAMILY["arcface"].defaults | {"head": "arcface", "seed": 0}
    run = """([settings]) => {
        const frames = [...engine.train(data, settings, {kernels: fast, epochs: 2})].filter(Boolean);
        return frames.map(({step, loss, accuracy, died, embeddings}) =>
            ({step, loss, accuracy, died, first: embeddings[0]}));
    }"""
    died = engine.evaluate(run, [settings | {"naive": "acos"}])[-1]
    assert died["died"]["step"] == died["step"]
    assert 0 <= died["died"]["example"] < 12000
    assert "acos" in died["died"]["why"]
    assert math.isnan(died["loss"])
    assert math.isfinite(died["first"])  # the picture is the last that there was
    cured = engine.evaluate(run, [settings | {"naive": None}])
    assert cured[-1]["died"] is None
    assert cured[-1]["step"] == 200
    assert cured[-1]["accuracy"] > 0.9
    assert cured == engine.evaluate(run, [settings | {"naive": None}])  # the same seed, the same run
    assert cured != engine.evaluate(run, [settings | {"naive": None, "seed": 1}])


# Of a course the frames in short, and how narrow and in which order its clusters are at the end.
COURSE = """([settings, same]) => {
    self.kept = same ? self.kept : [];
    const frames = [...course.follow(data, settings, {kernels: fast}, kept)].filter(Boolean);
    const own = Uint8Array.from(data.sample, i => data.test.labels[i]);
    const said = f => {
        const thetas = [...frame.angles(f, own)].sort((a, b) => a - b);
        const turns = frame.turnsOf(f.directions);
        const round = [...turns.keys()].sort((a, b) => turns[a] - turns[b]);
        const at = round.indexOf(0);
        return [thetas[180], [...round.slice(at), ...round.slice(0, at)]];
    };
    const last = frames.at(-1);
    return [frames.map(f => [f.stage, f.step]), ...said(last), [...last.embeddings, ...last.directions]];
}"""


def test_from_here_on_the_same_clusters_draw_together(engine):
    (images, labels), _ = load_mnist()
    in_the_page(engine, images[:12000], labels[:12000])
    start = {"head": "arcface", "naive": None, "seed": 0, "margin": 0.0, "scale": 30.0, "moves": []}
    steps, wide, order, before = engine.evaluate(COURSE, [start, False])
    assert {stage for stage, _ in steps} == {0}
    assert steps[-1] == [0, 500]
    moves = [{"margin": 0.4}, {"margin": 0.8}]
    steps, narrow, same, after = engine.evaluate(COURSE, [start | {"moves": moves[:1]}, True])
    # What was known is not trained again; and of the recipe only what comes when all of the margin is in.
    assert {stage for stage, _ in steps} == {1}
    assert steps[-1] == [1, 150]
    assert same == order
    assert narrow < 0.6 * wide
    assert before != after
    second = engine.evaluate(COURSE, [start | {"moves": moves}, True])
    assert second[2] == order
    assert second[1] < narrow
    # The moves alone say what comes of them: all at once after another course, and after themselves.
    engine.evaluate(COURSE, [start | {"seed": 1}, True])
    steps, *rest = engine.evaluate(COURSE, [start | {"moves": moves}, True])
    assert {stage for stage, _ in steps} == {0, 1, 2}
    assert rest == second[1:]
    assert engine.evaluate(COURSE, [start | {"moves": moves}, True]) == second


def test_a_course_ends_where_a_run_of_it_dies(engine):
    (images, labels), _ = load_mnist()
    in_the_page(engine, images[:1200], labels[:1200])
    start = {"head": "arcface", "naive": "acos", "seed": 0, "margin": 0.3, "scale": 30.0}
    stages = engine.evaluate(
        """settings => {
            const frames = [...course.follow(data, settings, {kernels: fast, epochs: 40})].filter(Boolean);
            return [frames.at(-1).stage, Boolean(frames.at(-1).died)];
        }""",
        start | {"moves": [{"margin": 0.5}]},
    )
    assert stages == [0, True]


def test_both_engines_follow_one_recipe(engine):
    """What a run does unless told otherwise: of the Trainer by its signature, of the page by what it does."""
    usual = {name: p.default for name, p in inspect.signature(Trainer).parameters.items()}
    names = {
        "epochs": "epochs",
        "batch": "batch_size",
        "rate": "learning_rate",
        "beta2": "beta_2",
        "anneal": "anneal",
    }
    ours = engine.evaluate("() => tables.RECIPE")
    assert tuple(ours.pop("hidden")) == inspect.signature(encoders.fast).parameters["hidden"].default
    assert usual["encoder"] is encoders.fast
    assert {k: tuple(v) if isinstance(v, list) else v for k, v in ours.items()} == {
        k: usual[name] for k, name in names.items()
    }
    # And both do so: the rate of some steps, the margin's share at them, and the constants of Adam.
    trainer = Trainer("arcface")
    steps, optimizer = trainer.steps, trainer._optimizer
    (images, labels), _ = load_mnist()
    in_the_page(engine, images[:1200], labels[:1200])
    whole = """([settings, options]) => {
        const frames = [...engine.train(data, settings, {...options, kernels: fast})].filter(Boolean);
        return [frames.at(-1).step, [...frames.at(-1).embeddings]];
    }"""
    settings = FAMILY["arcface"].defaults | {"head": "arcface", "naive": None}
    ended = engine.evaluate(whole, [settings, {}])
    assert ended[0] == 1200 * usual["epochs"] // usual["batch_size"]
    told = {name: usual[its] for name, its in names.items()} | {"hidden": [96, 48]}
    assert ended == engine.evaluate(whole, [settings, told])
    for name, value in {
        "epochs": 1,
        "batch": 60,
        "rate": 0.01,
        "beta2": 0.999,
        "anneal": None,
        "hidden": [48, 48],
    }.items():
        assert ended != engine.evaluate(whole, [settings, told | {name: value}]), name
    assert (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon) == (0.9, usual["beta_2"], 1e-7)
    some = [1, 50, 249, 250, 251, 900, 2499]
    rates = engine.evaluate(
        "([t, s, top]) => t.map(it => engine.rateAt(it, s, top))", [some, steps, usual["learning_rate"]]
    )
    np.testing.assert_allclose(
        rates, [float(optimizer._learning_rate(t)) for t in some], rtol=1e-4, atol=1e-9
    )


@pytest.mark.parametrize("name", ["arcfase", "constructor", "__proto__", "", None])
def test_a_head_or_a_form_that_there_is_not_is_an_error(engine, name):
    ask = "s => { try { return equation.psi(1, s); } catch (error) { return String(error); } }"
    assert re.match(
        r"Error: head must be one of softmax, .*, got ", engine.evaluate(ask, {"head": name, "margin": 0.3})
    )
    said = engine.evaluate(ask, {"head": "arcface", "margin": 0.3, "naive": name})
    if name:
        assert re.match(r"Error: naive must be one of acos, .*, got ", said)
    else:
        assert said == pytest.approx(math.cos(1.3))


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: "-".join(map(str, s.values())))
def test_margins_are_those_of_the_family(engine, settings):
    assert engine.evaluate("s => equation.margins(s)", settings) == list(margins(settings))


@pytest.mark.parametrize(
    ("change", "words"),
    {
        "row = 40": "a row must have a multiple of 16 numbers, got 40",
        "many = 257": "a matrix must have at most 256 rows, got 257",
        "Index = Uint16Array": "an index must be a Uint8Array",
        "to = 8": "from and to must be within 0 and 7, got 1 and 8",
        "from = -1": "from and to must be within 0 and 7, got -1 and 6",
    }.items(),
)
@pytest.mark.parametrize(
    "call",
    [
        "gather(y, w, index, value, from, to, row)",
        "scatter(w, index, value, from, to, y, row)",
        "dots(value, w, index, from, to, y, row)",
    ],
)
def test_kernels_refuse_what_they_would_read_beside(engine, call, change, words):
    said = engine.evaluate(
        f"""() => {{
            let [row, many, Index, from, to] = [48, 256, Uint8Array, 1, 6];
            {change};
            const k = kernels.simd(1), w = k.array(Float32Array, many * row), y = k.array(Float32Array, row);
            const index = k.array(Index, 7), value = k.array(Float32Array, 7);
            try {{ k.{call}; return "taken"; }} catch (error) {{ return error.message; }}
        }}"""
    )
    assert said == words


@pytest.mark.parametrize(
    "text", ["import x from './y.js';", "export default 1;", "export { a };", "export let a;"]
)
def test_what_the_bundler_does_not_know_it_refuses(tmp_path, text):
    (tmp_path / "odd.js").write_text(f"const a = 1;\n{text}\n")
    with pytest.raises(ValueError, match="must import and export as the others do"):
        bundle.bundle("odd", here=tmp_path)


def test_an_import_of_what_is_not_exported_is_refused(tmp_path):
    (tmp_path / "a.js").write_text("export const a = 1;\nconst b = 2;\n")
    (tmp_path / "c.js").write_text('import { a, b } from "./a.js";\nexport const c = a + b;\n')
    with pytest.raises(ValueError, match=r"c\.js imports \['b'\], which a\.js does not export"):
        bundle.bundle("c", here=tmp_path)


def test_a_bundle_is_without_comments_and_their_like_in_texts_stays(tmp_path):
    text = """// whole
/** A function.
 * @param {number} x of two
 */
export const a = "http://b"; // at the end

/* And this. */
export const f = (x) => {
  return /** @type {any} */ (x);
};
"""
    (tmp_path / "a.js").write_text(text)
    made = bundle.bundle("a", here=tmp_path)
    assert made.split("\n")[1:5] == ['const a = "http://b";', "const f = (x) => {", "return (x);", "};"]
    assert not any(
        word in made for word in ("whole", "A function", "at the end", "And this", "@type", "\n\n")
    )


def test_two_modules_of_one_name_are_refused(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.js").write_text("export const a = 1;\n")
    (tmp_path / "a.js").write_text('import { a } from "./other/a.js";\nexport const b = a;\n')
    with pytest.raises(ValueError, match=r"names of their own, got \['a'\] twice"):
        bundle.bundle("a", here=tmp_path)


def test_a_bundle_has_each_module_after_those_that_it_imports(tmp_path):
    names = [path.stem for path in bundle.HERE.glob("*.js")]
    assert len(names) > 20
    for name in names:
        order = bundle.order(name)
        assert order[-1].stem == name
        for k, each in enumerate(order):
            imported = {stem for *_, stem in bundle.IMPORT.findall(bundle.source(each))}
            assert imported <= {path.stem for path in order[:k]}
    # A module may export what another is called: neither hides the other. And it may stand in another folder.
    for name, text in {
        "deep/a": "export const b = 1;",
        "b": 'import { b } from "./deep/a.js";\nexport const c = b + 1;',
    }.items():
        (tmp_path / f"{name}.js").parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.js").write_text(text + "\n")
    racer = v8()
    assert racer.eval(f"{bundle.bundle('b', here=tmp_path)}; $b.c") == 2
    racer.close()
