"""Figures that move: their functions against the reference, their places in the pages, and how they move."""

import ast
import json
import math
import re

import ml_dtypes
import moving
import numpy as np
import pytest
import tensorflow as tf
from built import LESSONS, ROOT, axe, lesson, load
from v8 import modules

from marginlab import budget, family, geometry, plots, reference, room
from marginlab.hazards import HAZARDS

NAMES = [name for _, name, _ in moving.CELLS]
PLACES = {
    cell["id"]: page for page in LESSONS for cell in lesson(page)["cells"] if cell["id"] in moving.FIGURES
}
WITH_FIGURES = {page: [moving.FIGURES[c] for c in PLACES if PLACES[c] == page] for page in LESSONS}


# The modules of the figures, as a page has them but for its comments.
js = modules("still", "words", here=moving.MODULES)


@pytest.fixture(scope="module")
def data(book):
    return moving.data(book.parent / ".runs")


def code_of(page, cell, name):
    """A function of a lesson's cell, as the cell has it."""
    source = next("".join(c["source"]) for c in lesson(page)["cells"] if c["id"] == cell)
    node = next(n for n in ast.parse(source).body if getattr(n, "name", None) == name)
    space = {"np": np, "tf": tf}
    exec(ast.unparse(node), space)
    return space[name]


# Places and colours.


def test_chapters_have_a_figure_and_every_figure_its_cell(js):
    assert set(PLACES) == set(moving.FIGURES)
    # What came after ArcFace is trained anew by its own sliders, in a kernel; strangers have their gallery.
    without = {lesson for lesson, names in WITH_FIGURES.items() if not names}
    assert without == {"lessons/08_after_arcface/lesson", "lessons/09_strangers/lesson"}
    assert sorted(NAMES) == sorted(js.evaluate("Object.keys(figures.FIGURES)"))
    for name in NAMES:
        assert 1 <= js.evaluate("name => figures.FIGURES[name].sliders.length", name) <= 2


def test_colours_and_names_are_those_of_the_package():
    look = moving.look()
    assert look["colours"] == plots.COLOURS
    assert look["titles"] == {head: member.title for head, member in family.FAMILY.items()}
    for path in moving.MODULES.glob("*.js"):  # white is paper
        found = {c.lower() for c in re.findall(r"#[0-9a-fA-F]{3,6}\b", path.read_text(encoding="utf-8"))}
        assert found <= {"#fff"}, path.name


def test_one_light_script_that_evaluates_nothing():
    script = moving.script()
    assert len(script.encode()) <= 40_000
    assert not re.search(r"\beval\b|new Function|innerHTML|outerHTML|insertAdjacentHTML", script)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", script)


# float32 and half precision, to the last bit.

THETAS = [*np.geomspace(1e-6, 1, 61), math.pi / 2, 3.0, math.pi]
TURNS = (0.0, 0.1, 0.5, 2.0, 4.7, 6.28)


def pairs():
    return [(float(theta), turn) for theta in THETAS for turn in TURNS]


def vectors():
    """x and w of float32, (n, 2), made as chapter 0 makes them."""
    theta, turn = np.array(pairs()).T
    both = [np.stack([np.cos(t), np.sin(t)], axis=-1).astype("float32") for t in (turn + theta, turn)]
    return both


def test_pairs_are_those_of_the_chapter(js):
    x, w = vectors()
    found = js.evaluate("all => all.map(([theta, turn]) => rounding.pair(theta, turn))", pairs())
    assert np.array_equal(np.array(found, "float32"), np.hstack([x, w]))


@pytest.mark.parametrize("name", ["cosine", "sine"])
def test_cosine_and_sine_are_those_of_the_package_to_the_last_bit(js, name):
    x, w = vectors()
    found = js.evaluate(f"all => all.map(each => rounding.{name}(rounding.pair(...each)))", pairs())
    right = np.asarray(getattr(geometry, name)(x, w))
    assert right.dtype == np.float32
    assert np.array_equal(np.array(found, "float64"), right.astype("float64"))


def test_angles_are_read_as_the_package_reads_them(js):
    """Libraries' arccos and atan2 of float32 differ in the last bit."""
    x, w = vectors()
    ask = "all => all.map(each => rounding.{}(rounding.pair(...each)))"
    measured = np.array(js.evaluate(ask.format("measured"), pairs()))
    np.testing.assert_allclose(measured, np.asarray(geometry.angle(x, w)), rtol=2.4e-7, atol=0)
    through = np.array(js.evaluate(ask.format("throughCosine"), pairs()))
    with np.errstate(invalid="ignore"):
        right = np.arccos(np.asarray(geometry.cosine(x, w)).astype("float64"))
    np.testing.assert_allclose(through, right, rtol=1.2e-7, atol=0)
    assert np.isnan(through).any()  # some cosines have come out above 1
    exact = np.array(js.evaluate(ask.format("truth"), pairs()))
    np.testing.assert_allclose(exact, reference.angle(x, w), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("name", "bits"), [("float16", 11), ("bfloat16", 8), ("float32", 24)])
def test_a_number_is_rounded_as_its_type_rounds_it(js, name, bits):
    values = [
        *np.cos(np.radians(np.linspace(0, 90, 901))).tolist(),
        0.5,
        1.0,
        -0.75,
        1 - 2.0**-12,
        1 - 2.0**-9,
        0.0,
    ]
    values += [1 - 3 * 2.0**-12, 1 - 2.0**-25, 1 - 3 * 2.0**-25]  # half-way: to the even neighbour
    values = [v for v in values if v == 0 or abs(v) > 1e-4]
    kind = ml_dtypes.bfloat16 if name == "bfloat16" else name
    right = np.array(values, "float32" if name == "bfloat16" else "float64").astype(kind).astype("float64")
    found = js.evaluate(f"all => all.map(v => rounding.toBits(v, {bits}))", values)
    assert np.array_equal(found, right)


def test_half_precision_cannot_tell_the_angles_that_the_hazard_names(js):
    """Cosines just below 1 go in steps of 2^-11 in float16: the smallest angle above 0 is 1.79°."""
    grid = np.radians(np.linspace(0.05, 10, 2000)).tolist()
    found = np.degrees(js.evaluate("all => all.map(v => rounding.readBack(v, 11))", grid))
    levels = np.unique(np.round(found, 4))
    assert levels[0] == 0
    assert levels[1:3].round(2).tolist() == [1.79, 2.53]
    assert "smallest angle above 0 that it can tell is 1.79°, and the next 2.53°" in " ".join(
        HAZARDS["cosine-in-half-precision"].why.split()
    )


# Gradients behind a guard.


def test_the_true_gradient_is_the_references(js):
    x, w = vectors()
    keep = reference.sine(x, w) > 0
    for m in (0.0, 0.5, 1.0):
        found = js.evaluate(
            f"all => all.map(each => rounding.trueGradient(rounding.pair(...each), {m}))", pairs()
        )
        # Of θ + m past π the figure's own angles never come; there the plain cosine is another function.
        under = keep & (reference.angle(x, w) + m < math.pi)
        right = reference.target_gradients(x, w, m2=m)[0]
        # The reference subtracts vectors, and knows the tangent to a rounding over its length, sin θ.
        allowed = 1e-12 + 5e-16 / reference.sine(x, w)[under, None]
        assert (np.abs(np.array(found) - right)[under] <= allowed).all()


def chapter_errors(formula, theta, m=0.5):
    """Relative errors of a guard's gradient over the figure's directions, by the code of chapter 5."""
    turn = 2 * np.pi * np.arange(40) / 40 + 0.1
    x, w = (tf.constant(np.stack([np.cos(t), np.sin(t)], 1), tf.float32) for t in (turn + theta, turn))
    with tf.GradientTape() as tape:
        tape.watch(x)
        if formula is None:
            logit = geometry.ucos(geometry.angle(x, w) + m)
        else:
            logit = formula(tf.reduce_sum(tf.nn.l2_normalize(x, 1) * w, axis=1), tf.constant(m))
    found = tape.gradient(logit, x).numpy()
    truth, _ = reference.target_gradients(x.numpy(), w.numpy(), m2=m)
    return np.linalg.norm(found - truth, axis=1) / np.linalg.norm(truth, axis=1)


def spread(js, theta, epsilon):
    way = "v => rounding.measuredGradient(v, 0.5)"
    if epsilon is not None:
        way = f"v => rounding.clippedGradient(v, 0.5, {epsilon!r})"
    return js.evaluate(f"theta => precision.spread(theta, {way})", theta)


@pytest.mark.parametrize(
    ("guard", "epsilon"), [("clip_wide", 1e-5), ("clip_narrow", 1e-7), ("clip_to_one", 0.0), (None, None)]
)
@pytest.mark.parametrize("theta", [1e-1, 1e-2, 1e-3, 1e-4, 1e-6])
def test_a_guards_error_is_that_of_the_chapters_code(js, guard, epsilon, theta):
    """Which directions are hit depends on last bits of a library: so the size, and whether there are NaN."""
    formula = guard and code_of("lessons/05_arcface/lesson", "arcface-11", guard)
    right = chapter_errors(formula, theta)
    found = spread(js, theta, epsilon)
    assert bool(found["broken"]) == bool(np.isnan(right).any())
    if np.isnan(right).any():
        return
    assert 0.2 < found["median"] / np.median(right) < 5
    if np.median(right) == 1:  # silent
        assert found["median"] == 1


def test_a_clip_is_silent_below_the_angle_that_the_sentence_names(js):
    for epsilon in (1e-2, 1e-5, 1e-7):
        edge = math.acos(js.evaluate("e => rounding.top(e)", epsilon))
        assert spread(js, 0.6 * edge, epsilon)["median"] == 1
        assert spread(js, 1.6 * edge, epsilon)["median"] < 0.2
    assert js.evaluate("rounding.top(1e-9)") == 1


# The one equation.


def test_psi_is_the_references(js):
    theta = np.linspace(0, np.pi, 181)
    for m in [(1, 0, 0), (1.5, 0, 0), (4, 0, 0), (1, 0.5, 0), (1, 1.5, 0), (1, 0, 0.35), (3, 0.2, 0.1)]:
        found = js.evaluate(f"all => all.map(t => margins.psi(t, {list(m)}))", theta.tolist())
        np.testing.assert_allclose(found, reference.psi(theta, *m), rtol=0, atol=1e-12)


PATCHED = {
    "fallback": "jump-of-the-fallback",
    "easy margin": "jump-of-the-easy-margin",
    "held at π": "angle-held-at-pi",
}


@pytest.mark.parametrize("name", PATCHED)
def test_a_patch_is_the_hazards_naive_form(js, name):
    theta = np.linspace(0, np.pi, 500)  # none of them at a jump
    found = js.evaluate(f"all => all.map(t => margins.PATCHES[{json.dumps(name)}](t, 0.5))", theta.tolist())
    np.testing.assert_allclose(found, HAZARDS[PATCHED[name]].run(theta).naive, rtol=0, atol=1e-6)


@pytest.mark.parametrize("m", [0.05, 0.5, 1.0, 1.5])
def test_a_jump_is_as_high_as_the_sentence_says(js, m):
    for name, at in (("fallback", math.pi - m), ("easy margin", math.pi / 2)):
        ask = f"[-1e-9, 1e-9].map(d => margins.PATCHES[{json.dumps(name)}]({at!r} + d, {m}))"
        before, after = js.evaluate(ask)
        assert abs(after - before - js.evaluate(f"margins.JUMPS[{json.dumps(name)}]({m})")) < 1e-8


def test_who_asks_for_how_much(js):
    theta = np.radians(np.arange(0, 91, 1.0))
    for m in [(1.5, 0, 0), (2, 0, 0), (1, 0, 0.1), (1, 0, 0.2), (1, 0.3, 0), (1, 0.6, 0), (1, 0, 0)]:
        found = np.array(js.evaluate(f"all => all.map(t => margins.asked(t, {list(m)}))", theta.tolist()))
        psi = reference.psi(theta, *m)
        with np.errstate(invalid="ignore"):
            right = np.where(np.abs(psi) <= 1, np.arccos(psi), np.nan) - theta
        # Near 0 an arccos is as exact as its cosine allows, 1e-8, in both.
        np.testing.assert_allclose(np.cos(found + theta), np.cos(right + theta), rtol=0, atol=1e-12)
    # A CosFace that asks for more than there is: beyond -1 no angle is enough.
    assert math.isnan(js.evaluate("margins.asked(Math.PI, [1, 0, 0.2])"))


@pytest.mark.parametrize("classes", [2, 3, 4, 10, 100])
@pytest.mark.parametrize("scale", [0.5, 1.0, 8.0, 30.0, 128.0])
def test_the_floor_is_the_budgets(js, classes, scale):
    flat, far = js.evaluate(f"[true, false].map(plane => margins.floor({classes}, {scale}, plane))")
    right = budget(classes, 2, "normface", scale=scale).best_loss
    np.testing.assert_allclose(flat, right, rtol=1e-12)
    dim = max(2, classes - 1)
    np.testing.assert_allclose(far, budget(classes, dim, "normface", scale=scale).best_loss, rtol=1e-12)
    if right > 1e-9:  # the chapter's own lines, which round at 1
        formula = code_of("lessons/02_normface/lesson", "normface-07", "floor")(scale, classes)
        np.testing.assert_allclose(flat, formula, rtol=0, atol=1e-12)


@pytest.mark.parametrize("factor", [0.25, 1.0, 4.0])
def test_stretched_losses_are_the_references(js, data, factor):
    run = data["stretch"]
    x, y, w = (np.array(run[key]) for key in "xyw")
    logits = reference.softmax_logits(factor * x, w)
    right = logits.argmax(axis=1) == y
    losses = reference.losses(logits, y)
    found = js.evaluate(f"run => margins.stretched(run, {factor})", run)
    assert found["count"] == right.sum()
    wanted = losses[right].mean(), losses[~right].mean(), losses.mean()
    np.testing.assert_allclose([found[key] for key in ("right", "wrong", "mean")], wanted, rtol=1e-12)


def test_memory_and_bytes_are_those_of_the_pages(js):
    gigabytes = code_of("lessons/07_beyond_mnist/lesson", "beyond-mnist-07", "gigabytes")
    devices = (ROOT / "book/devices.md").read_text(encoding="utf-8")
    space = {}
    exec(re.search(r"^def exchanged\(.*?\n\n\n", devices, re.M | re.S)[0], space)
    for classes in (1_000, 100_000, 100_000_000):
        for batch in (32, 128, 8192):
            found = js.evaluate(f"margins.memory({classes}, 512, {batch})")
            right = gigabytes(classes, batch=batch)
            np.testing.assert_allclose([found[k] / 1e9 for k in right], list(right.values()), rtol=1e-12)
            found = js.evaluate(f"margins.sent({classes}, 512, {batch})")
            assert found["copied"] == space["exchanged"]("data", classes, 512, batch)
            assert found["spread"] == space["exchanged"]("model", classes, 512, batch)


# Room between directions.


def arrangements():
    rng = np.random.default_rng(0)
    yield from (rng.uniform(0, 2 * np.pi, n) for n in (2, 2, 3, 3, 4, 5, 7, 10, 10))
    yield np.array([0.0, 0.3])  # a gap wider than π
    yield np.array([0.0, 0.1, 0.2])
    yield np.array([1.0, 1.0, 4.0])  # two in one place
    yield np.array([6.2, 0.1, 3.0])  # across 0


@pytest.mark.parametrize("angles", list(arrangements()), ids=lambda a: f"{len(a)} classes at {a[0]:.2f}")
def test_an_image_at_its_place_has_that_margin_and_none_anywhere_has_more(js, angles):
    rooms = js.evaluate("angles => margins.room(angles)", angles.tolist())
    w = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    turn = np.linspace(0, 2 * np.pi, 20_001)
    cosines = reference.logits(np.stack([np.cos(turn), np.sin(turn)], axis=1), w)
    for k, found in enumerate(rooms):
        others = np.delete(np.arange(len(angles)), k)
        best = (cosines[:, k] - cosines[:, others].max(axis=1)).max()
        assert best <= found["margin"] + 1e-12
        assert best >= found["margin"] - 2 * (turn[1] - turn[0])  # no two cosines part faster
        x = np.array([[math.cos(found["at"]), math.sin(found["at"])]])
        logits = reference.logits(x, w, np.array([k]), m3=found["margin"])[0]
        np.testing.assert_allclose(logits[k], logits[others].max(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("classes", range(2, 11))
def test_an_even_spread_holds_what_the_budget_says(js, classes):
    angles = f"Array.from({{length: {classes}}}, (_, k) => 2 * Math.PI * k / {classes})"
    found = [each["margin"] for each in js.evaluate(f"margins.room({angles})")]
    np.testing.assert_allclose(found, room.largest_margin(classes, 2, "cosface")[0], rtol=0, atol=1e-12)


# Runs.


def test_the_run_of_chapter_1_is_the_chapters(data, book):
    """A thousand of its ten thousand images: its mean losses, as near as a sample is."""
    run = data["stretch"]
    text = (book / "lessons/01_softmax/lesson.html").read_text(encoding="utf-8")
    table = text[text.index("<p>loss of those wrong</p>") :]
    cells = re.findall(r"<td[^>]*><p>([\d.]+)", table[: table.index("</table>")])
    means = {float(factor): float(mean) for factor, mean in zip(cells[::5], cells[4::5], strict=True)}
    assert set(means) == {0.25, 0.5, 1.0, 2.0, 4.0}
    x, y, w = (np.array(run[key]) for key in "xyw")
    for factor, mean in means.items():
        losses = reference.losses(reference.softmax_logits(factor * x, w), y)
        assert abs(losses.mean() - mean) < 4 * losses.std() / math.sqrt(len(y))


def test_who_is_past_pi_is_counted_in_a_run_of_the_page(js, data):
    run = data["past-pi"]
    assert [len(each) for each in run["angles"]] == [1000] * len(moving.MOMENTS)
    assert run["steps"] == sorted(run["steps"])
    for tenths in run["angles"]:
        assert tenths == sorted(tenths)
        assert tenths[0] >= 0
        assert tenths[-1] <= 1800
        for m in (1, 2, 4):
            found = js.evaluate(f"all => margins.past(all, {m})", tenths)
            assert found == (np.array(tenths) / 10 * m > 180).sum()
    medians = [np.median(each) for each in run["angles"]]
    assert medians[-1] < medians[0] / 4  # they come in


# In the pages.


def sliders(figure):
    return figure.get_by_role("slider").and_(figure.locator("input"))


def figures_of(page, book, name):
    load(page, (book / f"{name}.html").as_uri())
    return {each.get_attribute("data-figure"): each for each in page.locator(".marginlab-figure").all()}


@pytest.mark.parametrize("name", LESSONS)
def test_every_figure_moves_by_keys_and_says_what_it_shows(book, page, name):
    found = figures_of(page, book, name)
    assert list(found) == WITH_FIGURES[name]
    for figure in found.values():
        state = figure.locator(".marginlab-state")
        picture = figure.locator("svg > g").first
        assert state.get_attribute("aria-live") == "polite"
        assert figure.locator(".marginlab-hint").is_visible()
        for slider in sliders(figure).all():
            assert slider.evaluate("e => e.labels[0].textContent.length > 3")
            seen = set()
            for key in ("End", "Home"):
                slider.press(key)
                seen.add((slider.get_attribute("aria-valuetext"), picture.inner_html()))
                said = state.inner_text()
                assert len(said) > 40
                assert not re.search(r"undefined|null|Infinity|NaN(?!;| in )", said), said
            assert len(seen) == 2


@pytest.mark.parametrize("name", LESSONS)
def test_a_page_with_figures_at_both_ends_is_accessible_and_narrow(book, page, name):
    for end in ("min", "max"):
        page.set_viewport_size({"width": 1280, "height": 900})
        found = figures_of(page, book, name)
        for figure in found.values():
            for slider in sliders(figure).all():
                slider.evaluate(f"e => {{ e.value = e.{end}; e.dispatchEvent(new Event('input')); }}")
        for theme in ("light", "dark"):
            page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
            assert not found or axe(page, ".marginlab-figure") == []  # the rest of it: test_pages
        page.set_viewport_size({"width": 360, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        for figure in found.values():
            box = figure.locator("svg").bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 360


@pytest.mark.parametrize("name", LESSONS)
def test_on_paper_and_without_scripts_the_picture_stands(book, browser, page, name):
    found = figures_of(page, book, name)
    opacity = "e => getComputedStyle(e).opacity"
    for figure in found.values():
        assert figure.locator(".marginlab-moving").is_visible()
        assert figure.locator(".marginlab-still").evaluate(opacity) == "0"
    page.emulate_media(media="print")
    for figure in found.values():
        assert not figure.locator(".marginlab-moving").is_visible()
        still = figure.locator(".marginlab-still")
        assert (still.evaluate(opacity), still.evaluate("e => getComputedStyle(e).position")) == (
            "1",
            "static",
        )
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto((book / f"{name}.html").as_uri())
    for figure in plain.locator(".marginlab-figure").all():
        assert figure.locator("svg, input").count() == 0
        image = figure.locator("img").first
        image.scroll_into_view_if_needed()
        assert image.is_visible()
        assert len(image.get_attribute("alt")) > 40
        assert image.bounding_box()["width"] > 200
    context.close()


def test_directions_are_dragged_and_moved_by_keys(book, page):
    figure = figures_of(page, book, "lessons/04_cosface/lesson")["directions"]
    state = figure.locator(".marginlab-state")
    assert state.inner_text().startswith("The largest margin that fits is 0.191, and no arrangement")
    handle = figure.locator("circle[role=slider]").nth(3)
    handle.focus()
    for _ in range(10):
        handle.press("ArrowLeft")
    assert handle.get_attribute("aria-valuenow") == "98"
    assert handle.get_attribute("aria-valuetext").startswith("98°, room for a margin of")
    angles = np.radians(36.0 * np.arange(10))
    angles[3] = np.radians(98)
    a, b = np.radians(36.0), np.radians(26.0)  # of class 2, between 1 and 3
    fits = 2 * math.sin(a / 2) * math.sin(b / 2)
    assert f"fits is {fits:.3f}: class 2, between 1 and 3, has no more." in state.inner_text()
    handle.press("PageUp")
    assert state.inner_text().startswith("The largest margin that fits is 0.191, and no arrangement")
    # By pointer: class 0 to the place of class 5, where neither has room.
    box = figure.locator("svg").bounding_box()
    first, fifth = (figure.locator("circle[role=slider]").nth(k).bounding_box() for k in (0, 5))
    middle = lambda it: (it["x"] + it["width"] / 2, it["y"] + it["height"] / 2)  # noqa: E731
    page.mouse.move(*middle(first))
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 5, steps=4)
    page.mouse.move(*middle(fifth), steps=4)
    page.mouse.up()
    assert "fits is 0.000: " in state.inner_text()
    figure.locator("input").first.press("ArrowLeft")  # nine classes, evenly spread
    assert figure.locator("circle[role=slider]").count() == 9
    assert f"fits is {1 - math.cos(2 * math.pi / 9):.3f}, and no arrangement of 9" in state.inner_text()


def test_the_sentences_say_what_the_package_says(book, page):
    """One sentence a figure, at a place of the sliders, against Python."""
    figure = figures_of(page, book, "lessons/02_normface/lesson")["lowest"]
    classes, scale = sliders(figure).all()
    scale.press("End")
    classes.press("End")
    best = budget(100, 2, "normface", scale=128.0)
    sure = f"{best.best_loss:.2g}, a probability of {100 * best.best_probability:.1f} %"
    assert f"the lowest loss in the plane is {sure}; " in figure.locator(".marginlab-state").inner_text()
    figure = figures_of(page, book, "lessons/06_one_equation/lesson")["asks"]
    sliders(figure).first.press("Home")
    arc, cos_ = math.degrees(0.3), math.degrees(math.acos(1 - 0.1))
    said = f"by SphereFace for 0.0° more, by CosFace for {cos_:.1f}° more, by ArcFace for {arc:.1f}° more."
    assert said in figure.locator(".marginlab-state").inner_text()
    figure = figures_of(page, book, "lessons/05_arcface/lesson")["patches"]
    margin = sliders(figure).first
    margin.press("End")
    assert "Easy margin jumps up by 1.00 at 90°, the fallback down by 0.57 at 94°." in figure.inner_text()
    margin.press("Home")
    assert "Without a margin nothing jumps." in figure.inner_text()
