"""The explorer in a built page: from a file, with no network, a network is trained in the browser."""

import base64
import dataclasses
import json
import math
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from marginlab import Trainer, budget, load_mnist
from marginlab.data import shown_images
from marginlab.explorer import page as built
from marginlab.explorer.bundle import sliders
from marginlab.explorer.engine import Engine
from marginlab.explorer.forms import FORMS
from marginlab.family import FAMILY

SETTINGS = {"head": "arcface", "margin": 0.3, "scale": 30.0, "seed": 0, "naive": None}


@pytest.fixture(scope="module")
def whole():
    """All frames of the page's own run, by the V8 that builds the book."""
    with Engine() as engine:
        return engine.run(SETTINGS)


@pytest.fixture(scope="module")
def result(whole):
    return whole.kept()


@pytest.fixture(scope="module")
def site(result, tmp_path_factory):
    """A folder with the explorer's files, and pages with one explorer and with two."""
    folder = tmp_path_factory.mktemp("site")
    for name, text in built.files().items():
        (folder / name).write_text(text, encoding="utf-8")
    scripts = "".join(f'<script defer src="{name}"></script>' for name in (built.LIGHT, built.SCRIPT))
    cell = built.html(SETTINGS, result)
    pair = built.html(SETTINGS, result, group="pair") * 2
    short = built.html(SETTINGS, result, short=True)
    for name, cells in (("one", cell), ("two", cell * 2), ("pair", pair), ("short", short)):
        (folder / f"{name}.html").write_text(
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>Explorer</title>'
            '<meta name="viewport" content="width=device-width">'
            # A cell of the book cuts off what is outside of it.
            f'<body><main><h1>Explorer</h1><h2>One</h2><h3>Here</h3><div style="overflow: auto">{cells}</div>'
            f"</main>{scripts}</body></html>",
            encoding="utf-8",
        )
    return folder


@pytest.fixture
def open_page(browser):
    """Opens a file with no network; afterwards nothing may have been asked of the network, nor gone wrong."""
    contexts, outside, errors = [], [], []

    def open_(path, fragment="", before="", **options):
        context = browser.new_context(
            **{"viewport": {"width": 1280, "height": 1000}, "offline": True} | options
        )
        contexts.append(context)
        page = context.new_page()
        page.asked, page.errors = [], errors
        page.on("request", lambda r: page.asked.append(r.url))
        page.on("request", lambda r: r.url.startswith(("file:", "data:", "blob:")) or outside.append(r.url))
        page.on("console", lambda m: m.type in ("error", "warning") and errors.append(m.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        if before:
            page.add_init_script(before)
        page.goto(path.as_uri() + fragment)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert outside == []
    assert errors == []


def slider(page, name, explorer="explorer"):
    return page.locator(f"[id='{explorer}'] [name={name}]")


def unfold(page):
    """Where there is little room: what is behind "more"."""
    more = page.get_by_role("button", name="more")
    for each in more.all():
        each.click()


def trained(page, explorer="explorer", timeout=60_000):
    """Waits for the end of the run; gives the words about it."""
    page.wait_for_selector(f"[id='{explorer}'][data-state=done]", timeout=timeout)
    return page.locator(f"[id='{explorer}'] .mlx-say").inner_text()


def settled(page):
    """Waits until the picture, which has a pace of its own, shows the last step; gives the line above it."""
    step = re.search(r"right after ([\d,]+)", trained(page))[1]
    page.wait_for_function(
        "step => document.querySelector('.mlx-now').innerText.includes(`step ${step}`)", arg=step
    )
    return page.locator(".mlx-now").inner_text()


def begun(page):
    """Waits for the first picture of the run that was asked for last."""
    page.wait_for_selector("#explorer[data-state=training]")


def right(words):
    return float(re.match(r"([\d.]+) % of the 10,000 test images right", words)[1])


def test_the_first_picture_is_the_pages_own_run_and_loads_nothing(open_page, site, result):
    page = open_page(site / "one.html")
    assert page.locator(".mlx-say").inner_text() == result.explain()
    page.wait_for_function(
        "text => document.querySelector('.mlx-now').innerText.startsWith(text)",
        arg=f"{100 * result.frames[-1].accuracy:.1f} %",
    )
    page.locator(".marginlab-numbers summary").click()
    assert page.locator("tbody tr").count() == 20
    assert page.locator("tbody tr").last.inner_text().split("\t")[0] == str(result.frames[-1].step)
    slider(page, "margin").focus()
    page.mouse.move(300, 300)
    assert not [url for url in page.asked if built.HEAVY in url]


# Keeps what the worker says of its frames, before the page sees it.
LISTEN = """
self.got = [];
const NativeWorker = Worker;
self.Worker = class extends NativeWorker {
    constructor(...args) {
        super(...args);
        this.addEventListener("message", ({data: {frame: f}}) => {
            if (f) got.push([f.step, f.loss, f.accuracy, [...f.embeddings], [...f.directions]]);
        });
    }
};
"""


def test_the_built_picture_is_what_this_browser_trains_frame_by_frame(open_page, site, whole, result):
    """Each frame that the build has made, and the same run in the browser: the same numbers, to the bit."""
    query = "&".join(f"{name}={value}" for name, value in SETTINGS.items() if value is not None)
    page = open_page(site / "one.html", f"#explorer?{query}", before=LISTEN)
    words = trained(page)
    assert words.startswith(whole.explain()[:-1])
    theirs = page.evaluate("got.slice(-100)")  # before them came a run with the first images
    assert len(theirs) == len(whole.frames) == 100
    for ours, (step, loss, accuracy, embeddings, directions) in zip(whole.frames, theirs, strict=True):
        assert (step, loss, accuracy) == (ours.step, ours.loss, ours.accuracy)
        np.testing.assert_array_equal(embeddings, ours.embeddings.ravel())
        np.testing.assert_array_equal(directions, ours.class_directions.ravel())
    assert [frame.step for frame in result.frames] == list(range(125, 2501, 125))
    # And what the page brings along is those frames, but for the rounding of coordinates.
    cell = json.loads(built.DATA.search((site / "one.html").read_text(encoding="utf-8"))[1])
    for packed, frame in zip(cell["frames"], result.frames, strict=True):
        triples = np.frombuffer(base64.b64decode(packed["embeddings"]), "uint8").reshape(-1, 3).astype(int)
        pairs = triples @ [65536, 256, 1]
        shares = np.stack([pairs >> 12, pairs & 4095], axis=1) / built.FINEST - (1 + 1 / built.FINEST)
        atol = packed["reach"] / (2 * built.FINEST) * (1 + 1e-6)
        np.testing.assert_allclose(shares * packed["reach"], frame.embeddings, atol=atol)
    # Of two side by side every third.
    pair = json.loads(built.DATA.search((site / "pair.html").read_text(encoding="utf-8"))[1])
    assert [frame["step"] for frame in pair["frames"]] == list(range(250, 2501, 375))


def in_order(directions):
    """The digits round the circle, beginning with 0."""
    around = list(np.argsort(np.arctan2(directions[:, 1], directions[:, 0])))
    return around[around.index(0) :] + around[: around.index(0)]


def feasible_steps(head):
    """Settings of every step of the sliders of a head's margins, one moved at a time, that can be held."""
    usual = {row["name"]: row["default"] for row in sliders(head)}
    for row in sliders(head):
        if row["name"] == "scale":
            continue
        for k in range(round((row["max"] - row["min"]) / row["step"]) + 1):
            given = usual | {row["name"]: round(row["min"] + k * row["step"], 6)}
            margin = [given[m] for m in ("m1", "m2", "m3")] if head == "combined" else given["margin"]
            if budget(head=head, margin=margin, scale=given["scale"]).feasible:
                yield {"head": head, "naive": None, "seed": 0} | given


@pytest.mark.full
@pytest.mark.parametrize(
    ("head", "many"), [("sphereface", 31), ("cosface", 20), ("arcface", 13), ("combined", 21 + 11 + 18)]
)
def test_a_margin_that_moves_leaves_the_order_of_the_digits(head, many, request):
    """All begin alike; the margin comes in when the order is settled, and what changes is its doing.

    Every step of every slider with --full; else every tenth, and the last.
    """
    todo = list(feasible_steps(head))
    assert len(todo) == many
    if not request.config.getoption("full"):
        todo = [*todo[::10], todo[-1]]

    def train(some):
        with Engine() as engine:
            return [(settings, engine.run(settings)) for settings in some]

    workers = min(os.cpu_count(), 4)
    with ThreadPoolExecutor(workers) as pool:
        runs = [run for some in pool.map(train, [todo[k::workers] for k in range(workers)]) for run in some]
    orders = {tuple(in_order(run.frames[-1].class_directions)) for _, run in runs}
    assert len(orders) == 1, [(s, in_order(run.frames[-1].class_directions)) for s, run in runs]
    assert min(run.test_accuracy for _, run in runs) > 0.94


def test_cells_of_a_kernel_get_the_pages_own_runs(result):
    other = dataclasses.replace(result, frames=result.frames[:2])
    asked = []

    def run(settings):
        asked.append(settings)
        return result

    settings = SETTINGS | {"margin": 0.4}
    cells = f"<i>{built.html(SETTINGS, other)}</i><b>{built.html(settings, other, 'pair')}</b>"
    found = built.rerun(cells, run)
    assert asked == [SETTINGS, settings]
    assert found == f"<i>{built.html(SETTINGS, result)}</i><b>{built.html(settings, result, 'pair')}</b>"
    assert built.rerun("<p>No explorer.</p>", run) == "<p>No explorer.</p>"


def test_without_mini_racer_a_build_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "py_mini_racer", None)
    with pytest.raises(ImportError, match=r'pip install "marginlab\[book\]"'):
        Engine()


def test_without_javascript_there_are_pictures_and_a_table(browser, site, result):
    context = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 740})
    page = context.new_page()
    page.goto((site / "one.html").as_uri())
    picture = page.locator(".marginlab-still img")
    assert picture.bounding_box()["width"] > 300
    assert "Training arcface (margin 0.3, scale 30, seed 0)" in picture.get_attribute("alt")
    assert result.explain() in picture.get_attribute("alt")
    page.locator(".marginlab-numbers summary").click()
    assert page.locator("tbody tr").count() == 20
    context.close()


def test_a_cell_is_no_heavier_than_it_may_be(result):
    cell = built.html(SETTINGS, result)
    run = re.search(r"<script type=.application/json.>(.*?)</script>", cell, re.DOTALL)[1]
    assert len(run) < 100_000
    assert len(cell) < 140_000
    assert len(built.html(SETTINGS, result, group="pair")) < 60_000
    assert cell == built.html(SETTINGS, result)  # the same run gives the same page


@pytest.mark.full
def test_frames_of_other_images_are_refused():
    with pytest.raises(ValueError, match="result must have frames of 1000 test images, got 200"):
        built.html(SETTINGS, Trainer("arcface", epochs=1, frames=1, sample=200).retrain())


def test_by_keyboard_it_retrains_to_its_accuracy(open_page, site):
    page = open_page(site / "one.html")
    slider(page, "margin").focus()
    page.keyboard.press("ArrowRight")
    assert right(trained(page)) >= 94
    assert page.url.endswith("#explorer?head=arcface&margin=0.35&scale=30&seed=0")
    assert slider(page, "margin").get_attribute("aria-valuetext") == "0.35 radians"
    assert sum(built.HEAVY in url for url in page.asked) == 1
    # To another head, whose sliders take the place of these; the focus stays where it was.
    slider(page, "head").focus()
    page.evaluate("document.querySelector('#explorer').dataset.state = ''")
    page.keyboard.press("ArrowUp")
    assert slider(page, "margin").get_attribute("aria-valuetext") == "0.10 cosine units"
    assert page.evaluate("document.activeElement.name") == "head"
    assert right(trained(page)) >= 94
    assert sum(built.HEAVY in url for url in page.asked) == 1


@pytest.mark.full
def test_by_touch_on_a_phone_it_retrains(open_page, site):
    page = open_page(
        site / "one.html", viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    # The plane and the slider that is moved are seen together, one under the other; the rest is folded.
    top, plane, box = (
        page.locator(".mlx-now").bounding_box(),
        page.locator(".mlx-plane").bounding_box(),
        slider(page, "margin").bounding_box(),
    )
    assert box["y"] + box["height"] - top["y"] < 740 - 200
    assert 0 <= box["y"] - plane["y"] - plane["height"] < 20
    assert not slider(page, "head").is_visible()
    assert not page.locator(".mlx-chart").first.is_visible()
    page.touchscreen.tap(box["x"] + 0.5 * box["width"], box["y"] + box["height"] / 2)
    assert right(trained(page)) >= 93
    assert 0.6 <= float(slider(page, "margin").input_value()) <= 0.9
    assert "No arrangement of 10 classes in the plane" in page.locator(".mlx-lesson").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    unfold(page)
    assert slider(page, "head").is_visible()
    small = page.evaluate(
        "[...document.querySelectorAll('.mlp label')].filter(e => e.offsetHeight < 44).length"
    )
    assert small == 0


# Keeps all images from the page until they are released.
HOLD = """
const append = Element.prototype.append;
Element.prototype.append = function (...nodes) {
    if (!nodes.some(node => node.src?.endsWith("marginlab-all.js"))) return append.apply(this, nodes);
    self.release = () => append.apply(this, nodes);
};
"""


def test_it_trains_at_once_with_the_first_images_and_all_take_over(open_page, site):
    """And the words say which are shown."""
    page = open_page(site / "one.html", before=HOLD)
    slider(page, "margin").fill("0.2")
    begun(page)
    assert page.locator(".mlp-status").inner_text() == "With 6,000 images; the others are coming."
    page.wait_for_selector("#explorer[data-state=waiting]")
    words = page.locator(".mlx-say").inner_text()
    assert re.match(r"[89]\d\.\d % of the 1,000 test images right after 500 steps with 6,000 images", words)
    page.evaluate("release()")
    assert re.match(r"9\d\.\d % of the 10,000 test images right after 2500 steps, in", trained(page))
    assert page.locator(".mlp-status").inner_text() == ""
    assert sum(built.FIRST in url for url in page.asked) == 1
    # Whoever moves again needs them no more; and who goes on, goes on from a run of all of them.
    page.evaluate("document.querySelector('#explorer').dataset.state = ''")
    slider(page, "start").select_option("on")
    slider(page, "margin").fill("0.4")
    begun(page)
    assert page.locator(".mlp-status").inner_text() == ""
    assert "of the 10,000 test images right after 750 more steps" in trained(page)


@pytest.mark.full
def test_whoever_says_where_it_will_end_is_told_the_gap(open_page, site):
    """And a tick stands on the accuracy."""
    page = open_page(site / "one.html")
    guess = slider(page, "guess")
    assert guess.get_attribute("aria-valuetext") == "nothing said yet"
    picture = "() => document.querySelector('.mlx-chart').toDataURL()"
    before = page.evaluate(picture)
    guess.press("Home")
    for _ in range(4):
        guess.press("ArrowRight")
    assert guess.get_attribute("aria-valuetext") == "2.0 %"
    page.wait_for_function(f"before => ({picture})() !== before", arg=before)
    slider(page, "margin").fill("0.2")
    begun(page)
    words = trained(page)
    assert words.endswith(f" You said 2.0 %: {right(words) - 2:.1f} points too low.")
    # It was a guess of that run, and of no other.
    slider(page, "margin").fill("0.3")
    begun(page)
    assert guess.get_attribute("aria-valuetext") == "nothing said yet"
    assert "You said" not in trained(page)
    guess.press("End")
    slider(page, "naive").select_option("acos")
    page.locator(".mlx-died").wait_for(state="visible")
    assert "You said" not in page.locator(".mlx-say").inner_text()


def test_a_page_may_bring_a_run_that_died(open_page, tmp_path, site):
    settings = SETTINGS | {"naive": "acos"}
    with Engine() as engine:
        run = engine.run(settings).kept()
    assert run.frames[-1].died
    for path in site.glob("*.js"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    text = (site / "one.html").read_text(encoding="utf-8")
    text = built.CELL.sub(lambda _: built.html(settings, run), text)
    (tmp_path / "died.html").write_text(text, encoding="utf-8")
    page = open_page(tmp_path / "died.html")
    page.locator(".mlx-died").wait_for(state="visible")
    assert page.locator(".mlx-now").inner_text().startswith("NaN")
    assert page.locator(".mlx-say").inner_text() == run.explain()


def test_the_first_images_are_few_and_those_that_are_shown_are_among_them():
    assert len(built.files()[built.FIRST]) <= 450_000
    first, everything = (np.frombuffer(built.images(which), "uint8") for which in ("first", "all"))
    assert len(first) == 7000 * 99 + 2 * 1000
    np.testing.assert_array_equal(first[: 6000 * 98], everything[: 6000 * 98])
    _, (_, labels) = load_mnist()
    np.testing.assert_array_equal(first[7000 * 98 + 6000 : 7000 * 99], labels[shown_images(1000)])
    np.testing.assert_array_equal(first[7000 * 99 :].view("<u2"), np.arange(1000))


@pytest.mark.full
def test_of_many_moves_the_last_wins(open_page, site):
    page = open_page(site / "one.html")
    slider(page, "margin").focus()
    for _ in range(12):
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
    words = trained(page)
    assert slider(page, "margin").input_value() == "0.9"
    assert "margin=0.9&" in page.url
    assert "2500 steps" in words
    page.wait_for_timeout(500)
    assert page.locator(".mlx-say").inner_text() == words


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_naive_form_ends_in_nan_and_says_why_and_a_cure_recovers(open_page, site, theme):
    page = open_page(site / "one.html", color_scheme=theme)
    page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    slider(page, "naive").select_option("acos")
    words = trained(page)
    assert re.match(
        r"The run ended in NaN at step \d+, at training image [\d,]+, a \d\. This image lies so nearly", words
    )
    died = page.locator(".mlx-died")
    died.wait_for(state="visible")
    assert re.match(r"Training image [\d,]+, a \d, ended it\.\nThis image lies so nearly", died.inner_text())
    if theme == "light":
        page.evaluate("document.querySelector('#explorer').dataset.state = ''")
        slider(page, "naive").select_option("")
        assert right(trained(page)) >= 94
        died.wait_for(state="hidden")


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 360)])
def test_nothing_stands_in_the_way_of_who_cannot_see_it(open_page, site, theme, width):
    page = open_page(site / "one.html", color_scheme=theme, viewport={"width": width, "height": 900})
    ground = "background: #121212; color: #ced6dd" if theme == "dark" else ""
    page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    page.evaluate("ground => { document.body.style = ground }", ground)
    for fold in page.locator("summary").all():
        fold.click()
    unfold(page)
    for naive in ("", "acos"):
        if naive:
            slider(page, "naive").select_option(naive)
            trained(page)
            page.locator(".mlx-died").wait_for(state="visible")
        found = Axe().run(page).response["violations"]
        assert [(v["id"], [node["html"][:200] for node in v["nodes"]]) for v in found] == []


IN_THE_BOOK = "document.querySelector('main > div').style.width = '688px'"  # as wide as an article at 1280 px
LINES = """() => [...document.querySelectorAll(".mlp label")].filter(e => e.clientHeight).map(label => {
    const boxes = [...label.children].map(e => e.getBoundingClientRect()).filter(r => r.width);
    const middles = boxes.map(r => (r.top + r.bottom) / 2);
    const value = label.querySelector("output");
    return {lefts: boxes.map(r => r.left), off: Math.max(...middles) - Math.min(...middles),
        over: value ? value.scrollWidth - value.clientWidth : 0, tall: label.firstChild.clientHeight};
})"""


def on_a_screen(page, size, what):
    """At 1280 × 800, below the bar at the top of a page; on a phone it may be longer."""
    height = page.evaluate("document.querySelector('#explorer').getBoundingClientRect().height")
    assert size == "phone" or height <= 800 - 64, (what, height)


def on_one_line(page):
    """Each control with its name and its value; gives their places."""
    lines = page.evaluate(LINES)
    assert all(line["off"] < 2 and line["over"] <= 0 and line["tall"] < 24 for line in lines), lines
    return lines


@pytest.mark.parametrize("size", ["book", "phone"])
def test_all_of_it_is_on_a_screen_at_once_and_each_control_on_one_line(open_page, site, size):
    """At 1280 × 800, below the bar at the top of a page: whatever the head, and broken too."""
    page = open_page(site / "one.html", **SIZES.get(size, SIZES["wide"]))
    if size == "book":
        page.evaluate(IN_THE_BOOK)
    page.wait_for_timeout(100)
    unfold(page)
    for head in FAMILY:
        slider(page, "head").select_option(head)
        for naive in ("", "no-unroll"):
            if head != "softmax":
                slider(page, "naive").select_option(naive)
            on_a_screen(page, size, (head, naive))
        lines = on_one_line(page)
        for near in (True, False):  # those under the plane, and those beside it, each in line
            some = [line["lefts"] for line in lines if (line["lefts"][0] < 100) == near or size == "phone"]
            assert len({lefts[1] for lefts in some}) == len({lefts[0] for lefts in some}) == 1
            assert len({lefts[2] for lefts in some if len(lefts) > 2}) <= 1


def test_of_the_charts_the_chosen_one_is_shown_and_on_paper_all(open_page, site):
    page = open_page(site / "one.html")
    page.evaluate(IN_THE_BOOK)
    shown = "[...document.querySelectorAll('figure')].map(e => e.clientHeight > 0)"
    drawn = "[...document.querySelectorAll('.mlx-chart')].map(c => c.width > 300)"
    assert page.evaluate(shown) == [True, False, False]
    page.get_by_role("button", name="ψ(θ)").click()
    assert page.evaluate(shown) == [False, True, False]
    assert page.locator(".mlx-tabs [aria-pressed=true]").inner_text() == "ψ(θ)"
    page.wait_for_function(f"{drawn}[1]")
    assert page.evaluate(drawn) == [True, True, False]
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(shown) == page.evaluate(drawn) == [True] * 3
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.evaluate("document.querySelector('main > div').style.width = '340px'")
    page.wait_for_function("document.querySelector('.mlx-fold')")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(shown) == [True] * 3
    # Whose run is broken sees the pull, unless another chart was chosen.
    other = open_page(site / "one.html", "#explorer?head=sphereface&margin=3&naive=no-unroll")
    other.wait_for_function(f"{shown}[2]")


SIZES = {
    "wide": {"viewport": {"width": 1280, "height": 800}},
    "phone": {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True},
}


@pytest.mark.parametrize("size", SIZES)
def test_what_can_be_chosen_is_read_whole(open_page, site, size):
    """Of each choice the words have room in the closed list, beside its arrow."""
    page = open_page(site / "one.html", **SIZES[size])
    unfold(page)
    cut = page.evaluate(
        """() => [...document.querySelectorAll(".mlp select")].flatMap(select => {
            const style = getComputedStyle(select), pen = document.createElement("canvas").getContext("2d");
            pen.font = style.font;
            const padding = parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
            const room = select.clientWidth - padding - 20;
            return [...select.options].map(it => it.text).filter(text => pen.measureText(text).width > room);
        })"""
    )
    assert cut == []


# Whether two parts of the explorer lie over each other.
OVER = """([a, b]) => {
    const [p, q] = [a, b].map(name => document.querySelector(`.mlx-${name}`).getBoundingClientRect());
    return p.left < q.right && q.left < p.right && p.top < q.bottom - 1 && q.top < p.bottom - 1;
}"""


@pytest.mark.full
@pytest.mark.parametrize("size", SIZES)
def test_a_run_that_broke_says_so_beside_its_picture_and_not_over_it(open_page, site, size):
    """With each form: what broke and what it costs, in red, all of it, and none over headline or plane."""
    page = open_page(site / "one.html", **SIZES[size])
    unfold(page)
    for form in FORMS:
        page.evaluate("document.querySelector('#explorer').dataset.state = ''")
        slider(page, "naive").select_option(form)
        trained(page)
        page.wait_for_timeout(1000)
        told = page.locator(".mlx-told")
        assert not page.evaluate(OVER, ["now", "told"])
        assert not page.evaluate(OVER, ["told", "plane"])
        assert told.evaluate("e => e.scrollHeight <= e.clientHeight")
        bold = told.locator("b:visible")
        red = "rgb(169, 48, 35)"
        assert bold.evaluate("e => getComputedStyle(e).color") == red
        if form == "acos":
            assert re.match(r"Training image [\d,]+, a \d, ended it\.", bold.inner_text())
            expect(page.locator(".mlx-now")).to_have_text(re.compile("^NaN"))
        else:
            assert bold.inner_text().startswith(f"Broken by {FORMS[form].title}: ")
            assert re.search(r"\d+ of 1,000 digits (without a pull|pushed away)|no harm", bold.inner_text())


@pytest.mark.full
@pytest.mark.parametrize("size", SIZES)
def test_no_band_of_the_page_is_empty(open_page, site, size):
    """Slots have room for their longest text; at rest no more than two lines of it are blank."""
    page = open_page(site / "one.html", **SIZES[size])
    unfold(page)
    page.wait_for_timeout(500)
    for head in FAMILY:
        page.evaluate("document.querySelector('#explorer').dataset.state = ''")
        slider(page, "head").select_option(head)
        begun(page)
        # Words come with the frames of a run, and a busy machine is late with both.
        page.wait_for_function(
            """() => [...document.querySelectorAll(".mlx-told, .mlx-key, .mlx-point, .mlp-status")]
            .filter(e => e.clientHeight).every(e => {
                const range = document.createRange();
                range.selectNodeContents(e);
                return e.getBoundingClientRect().height - range.getBoundingClientRect().height <= 40;
            })""",
            timeout=20_000,
        )


RING = [(0.5 + 0.25 * math.cos(k / 4), 0.5 + 0.35 * math.sin(k / 4)) for k in range(26)]


def draw(page, points, touch=False):
    """A stroke on the page's first pad, through points in shares of its side, by mouse or by finger."""
    pad = page.locator(".mlx-pad canvas").first
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    points = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in points]
    if touch:
        fingers = page.context.new_cdp_session(page)
        for k, (x, y) in enumerate(points):
            event = {"type": "touchMove" if k else "touchStart", "touchPoints": [{"x": x, "y": y}]}
            fingers.send("Input.dispatchTouchEvent", event)
        fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    else:
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points:
            page.mouse.move(*point)
        page.mouse.up()


@pytest.mark.parametrize("touch", [False, True], ids=["mouse", "finger"])
def test_a_digit_of_ones_own_is_read_rightly(open_page, site, touch):
    page = open_page(site / "one.html", has_touch=touch)
    page.get_by_role("button", name="draw a digit").click()
    draw(page, RING, touch)
    trained(page)  # without a run there is no network to read it
    page.wait_for_function("document.querySelector('.mlx-own').innerText.startsWith('Read as 0. θ')")
    page.get_by_role("button", name="clear").click()
    draw(page, [(0.5, 0.2 + 0.12 * k) for k in range(6)], touch)
    page.wait_for_function("document.querySelector('.mlx-own').innerText.startsWith('Read as 1. θ')")


def test_a_link_shows_its_run(open_page, site):
    page = open_page(site / "one.html", "#explorer?head=combined&m1=1.5&m2=99&m3=0.1&seed=3&naive=no-unroll")
    trained(page)
    values = {name: slider(page, name).input_value() for name in ("head", "m1", "m2", "m3", "scale", "seed")}
    assert values == {"head": "combined", "m1": "1.5", "m2": "1", "m3": "0.1", "scale": "30", "seed": "3"}
    assert slider(page, "naive").input_value() == "no-unroll"


@pytest.mark.parametrize("query", ["head=%3Cimg%20src=x%20onerror=alert(1)%3E", "head=cosface&margin=-3"])
def test_of_a_wrong_link_the_reader_is_told_and_the_explorer_lives(open_page, site, query):
    """What each kind of fault comes to, test_link says."""
    page = open_page(site / "one.html", f"#explorer?{query}")
    status = page.locator(".mlp-status")
    words = "“<img src=x onerror=alert(1)>”" if "img" in query else "margin cannot be “-3”, and is 0."
    expect(status).to_contain_text(words, timeout=20_000)
    assert status.is_visible()
    assert page.locator(".mlp img").count() == 0
    slider(page, "head").select_option("combined")
    assert slider(page, "m1").get_attribute("aria-valuetext") == "1.0 times the angle"
    expect(status).not_to_contain_text(words, timeout=20_000)


@pytest.mark.parametrize(
    "fragment", ["#", "#explorer", "#explorer-2", "#constructor", "#?head=arcface", "#/x?y", "#%"]
)
def test_a_fragment_that_is_no_link_to_a_run_says_nothing(open_page, site, fragment):
    page = open_page(site / "one.html", fragment)
    assert page.locator(".mlx-now").inner_text()
    assert page.locator(".mlp-status").inner_text() == ""
    assert not [url for url in page.asked if built.HEAVY in url]


TEXT = """() => document.querySelector("main").insertAdjacentHTML("beforeend", `
    <div style="height: 2000px"></div>
    <p><a href="#explorer?head=arcface&margin=0.8">it does not fit</a>
    <a href="#explorer?head=arcface&margin=0.3&scale=30&seed=0&look=pull">its pull</a>
    <a href="#explorer?head=cosface&margin=0.2&look=there">elsewhere</a></p>`)"""


def test_a_link_in_the_text_sets_the_explorer_and_docks_it_out_of_sight(open_page, site):
    page = open_page(site / "one.html")
    page.evaluate(TEXT)
    docked, status = page.locator(".marginlab-docked"), page.locator(".mlp-status")
    tall = "document.documentElement.scrollHeight"
    before = page.evaluate(tall)
    page.get_by_text("it does not fit").focus()
    page.keyboard.press("Enter")
    begun(page)
    assert page.evaluate("scrollY") > 1000  # who reads stays where they are
    box = docked.bounding_box()
    assert box["width"] < 260
    assert box["y"] > 500
    assert page.evaluate(tall) == before
    assert slider(page, "margin").input_value() == "0.8"
    assert status.inner_text() == "Look at the loss, not at the share right."
    assert page.locator("figure.mlx-looked").is_visible()
    assert not page.locator(".mlx-tabs").is_visible()
    assert Axe().run(page).response["violations"] == []
    # It goes by its button and by Escape, comes with the next link, and on paper it stands at its place.
    page.keyboard.press("Escape")
    assert docked.count() == 0
    page.get_by_text("its pull").click()
    assert status.inner_text() == "Look at the pull."
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert docked.count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert docked.count() == 1
    page.get_by_role("button", name="close (Escape)").click()
    assert docked.count() == 0
    page.get_by_text("elsewhere").click()
    assert "nothing to look at called “there”" in status.inner_text()
    page.get_by_role("button", name="go to it").click()
    assert docked.count() == 0
    assert page.evaluate("scrollY") < 300
    assert "Look at" in status.inner_text()
    slider(page, "margin").fill("0.1")  # a hand knows where to look
    assert status.inner_text() == ""
    assert page.locator(".mlx-looked").count() == 0


def test_the_short_form_plays_its_run_and_has_one_slider_and_four_buttons(open_page, site):
    page = open_page(site / "short.html")
    moment = "Number(document.querySelector('.mlx-time input').value)"
    assert page.evaluate(moment) < 15
    page.wait_for_function(f"{moment} === 19")
    assert not [url for url in page.asked if built.HEAVY in url]  # it is the run that came with the page
    visible = page.locator(".mlp :is(input, select):visible")
    assert [each.get_attribute("name") for each in visible.all()] == ["margin"]
    assert not page.locator("figure").first.is_visible()
    buttons = page.locator(".mlp-presets button")
    assert buttons.all_inner_texts() == ["none", "0.3", "too much", "break it"]
    assert Axe().run(page).response["violations"] == []
    buttons.nth(2).click()
    begun(page)
    assert page.url.endswith("#explorer?head=arcface&margin=0.8&scale=30&seed=0")
    said = page.locator(".mlp-status").inner_text()
    assert said == "Look at the loss, in the line above the picture, not at the share right."
    buttons.nth(3).click()
    page.locator(".mlx-died").wait_for(state="visible")
    page.get_by_role("button", name="more").click()
    assert slider(page, "naive").input_value() == "acos"
    assert page.locator("figure:visible").count() == 1
    # Whoever comes by a link sees its run, and who wants no motion sees none.
    other = open_page(site / "short.html", "#explorer?head=cosface&margin=0.2")
    begun(other)
    assert slider(other, "margin").input_value() == "0.2"
    calm = open_page(site / "short.html", reduced_motion="reduce")
    calm.wait_for_timeout(300)
    assert calm.evaluate(moment) == 19
    assert calm.get_by_label("pause").count() == 0


def test_the_same_link_again_trains_again_and_one_in_sight_does_not_dock(open_page, site):
    page = open_page(site / "one.html")
    page.evaluate(TEXT.replace("2000px", "10px"))
    page.get_by_text("its pull").click()
    begun(page)
    page.evaluate("document.querySelector('#explorer').dataset.state = ''")
    page.get_by_text("its pull").click()
    begun(page)
    assert page.locator(".marginlab-docked").count() == 0


def test_a_link_to_an_explorer_that_is_not_there_is_told(open_page, site):
    page = open_page(site / "two.html", "#explorer-7?head=arcface")
    assert page.locator(".mlp-status").all_inner_texts() == ["This page has no “explorer-7”.", ""]
    page.evaluate("location.hash = '#explorer-2?head=constructor'")
    expect(page.locator(".mlp-status").last).to_contain_text("“constructor”")
    page.evaluate("location.hash = '#explorer-2?head=cosface&margin=0.2'")
    expect(page.locator(".mlp-status").last).not_to_contain_text("“constructor”")
    assert slider(page, "margin", "explorer-2").input_value() == "0.2"


@pytest.mark.parametrize("width", [1280, 360])
def test_the_ring_of_what_has_the_focus_is_whole(open_page, site, width):
    """Of every control the outline lies within all that could cut it off."""
    page = open_page(site / "one.html", viewport={"width": width, "height": 900})
    unfold(page)
    page.get_by_role("button", name="draw a digit").click()
    page.evaluate("document.querySelector('.marginlab-explorer').scrollIntoView()")
    seen = []
    page.evaluate("document.activeElement.blur()")
    for _ in range(40):
        page.keyboard.press("Tab")
        facts = page.evaluate(
            """() => {
                const element = document.activeElement, style = getComputedStyle(element);
                if (!element.closest(".marginlab-explorer")) return null;
                const reach = parseFloat(style.outlineOffset) + parseFloat(style.outlineWidth);
                const box = element.getBoundingClientRect();
                const cut = [];
                for (let e = element.parentElement; e; e = e.parentElement) {
                    if (getComputedStyle(e).overflow === "visible") continue;
                    const room = e.getBoundingClientRect();
                    const over = [room.left - box.left, box.right - room.right, room.top - box.top,
                        e.scrollHeight > e.clientHeight ? -99 : box.bottom - room.bottom];
                    if (Math.max(...over) + reach > 0.01) cut.push(over);
                }
                return [element.name || element.dataset.do || element.tagName, style.outlineStyle,
                    parseFloat(style.outlineWidth), cut];
            }"""
        )
        if facts is None:
            break
        seen.append(facts)
    names = [name for name, *_ in seen]
    assert {"head", "margin", "scale", "seed", "naive", "play", "png", "clear", "CANVAS"} <= set(names)
    for name, kind, thickness, cut in seen:
        assert name == "SUMMARY" or (kind, thickness >= 2) == ("solid", True), name
        assert name == "SUMMARY" or cut == [], name


@pytest.mark.full
def test_from_here_on_the_address_has_the_moves_and_makes_them_again(open_page, site):
    """Of a run that is gone on from twice: in the picture, in the address, and from the address anew."""
    page = open_page(site / "one.html")
    slider(page, "start").select_option("on")
    said = page.locator(".mlx-now").inner_text()
    slider(page, "margin").fill("0.6")
    # The picture that the page came with stays until there is more: nothing begins anew.
    page.wait_for_function("text => document.querySelector('.mlx-now').innerText !== text", arg=said)
    assert int(re.search(r"step (\d+)", page.locator(".mlx-now").inner_text())[1]) < 300
    assert "right after 750 more steps" in trained(page)
    page.evaluate("document.querySelector('#explorer').dataset.state = ''")
    slider(page, "scale").fill("20")
    right_now = settled(page)
    address = page.url.split("#")[1]
    assert address == "explorer?head=arcface&margin=0.3&scale=30&seed=0&moves=margin:0.6;scale:20"
    again = open_page(site / "one.html", f"#{address}")
    assert settled(again) == right_now
    values = {name: slider(again, name).input_value() for name in ("start", "margin", "scale")}
    assert values == {"start": "on", "margin": "0.6", "scale": "20"}


@pytest.mark.full
def test_words_that_come_and_go_leave_the_picture_where_it_is(open_page, site):
    page = open_page(site / "one.html")
    for width in (1280, 760, 360):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(100)
        unfold(page)
        top = "document.querySelector('.mlx-plane').getBoundingClientRect().top + scrollY"
        page.evaluate("document.querySelector('#explorer').dataset.state = ''")
        slider(page, "margin").fill("0.3")
        begun(page)
        before = page.evaluate(top)
        page.evaluate("document.querySelector('#explorer').dataset.state = ''")
        slider(page, "margin").fill("1.5")
        expect(page.locator(".mlx-lesson")).to_contain_text("No arrangement of 10 classes")
        assert page.evaluate(top) == before
        page.evaluate("document.querySelector('#explorer').dataset.state = ''")
        slider(page, "naive").select_option("acos")
        trained(page)
        assert page.evaluate(top) == before
        slider(page, "naive").select_option("")


@pytest.mark.full
def test_two_on_a_page_do_not_disturb_each_other(open_page, site):
    page = open_page(site / "two.html")
    slider(page, "seed").focus()
    page.keyboard.press("ArrowRight")
    slider(page, "seed", "explorer-2").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    first, second = trained(page), trained(page, "explorer-2")
    assert right(first) >= 94
    assert right(second) >= 94
    assert (slider(page, "seed").input_value(), slider(page, "seed", "explorer-2").input_value()) == (
        "1",
        "2",
    )


@pytest.mark.full
def test_two_that_are_compared_have_one_seed(open_page, site):
    page = open_page(site / "pair.html")
    slider(page, "seed").focus()
    page.keyboard.press("ArrowRight")
    for explorer in ("explorer", "explorer-2"):
        assert right(trained(page, explorer)) >= 94
        assert slider(page, "seed", explorer).input_value() == "1"
    slider(page, "margin").focus()
    page.keyboard.press("ArrowRight")
    assert slider(page, "margin", "explorer-2").input_value() == "0.3"


@pytest.mark.parametrize("lacking", ["Worker", "DecompressionStream"])
def test_a_browser_without_what_is_needed_is_told_so(open_page, site, lacking):
    page = open_page(site / "one.html", before=f"delete self.{lacking};")
    notice = page.locator(".mlx-notice")
    assert f"it has no {lacking}." in notice.inner_text()
    assert slider(page, "margin").is_disabled()
    assert page.locator(".mlx-now").inner_text()  # the picture is there


def test_images_that_are_missing_are_told_and_asked_for_again(open_page, site, tmp_path):
    for path in site.iterdir():
        if path.name != built.HEAVY:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    page = open_page(tmp_path / "one.html")
    slider(page, "margin").focus()
    page.keyboard.press("ArrowRight")
    notice = page.locator(".mlx-notice")
    notice.wait_for(state="visible")
    assert "The images did not load" in notice.inner_text()
    assert "ERR_FILE_NOT_FOUND" in page.errors.pop()  # the browser says so too
    assert "500 steps with 6,000 images" in trained(page)  # those it has
    assert page.locator(".mlp-status").inner_text() == ""
    page.evaluate("document.querySelector('#explorer').dataset.state = ''")
    (tmp_path / built.HEAVY).write_bytes((site / built.HEAVY).read_bytes())
    page.keyboard.press("ArrowRight")
    assert right(trained(page)) >= 94
    assert not notice.is_visible()
