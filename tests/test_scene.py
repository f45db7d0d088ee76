"""A run that is told: the explorer stays, the items of a list pass, and the run goes with them."""

import re

import pytest
from built import axe, load
from playwright.sync_api import expect
from v8 import modules

LESSON = "lessons/05_arcface/lesson.html"
ITEMS = 6


scene = modules("scene")


@pytest.mark.parametrize(
    ("tops", "eye", "last", "moment", "item"),
    [
        ([100, 200, 500], 50, 5, 0, 0),
        ([100, 200, 500], 100, 5, 0, 0),
        ([100, 200, 500], 200, 5, 1, 1),
        ([100, 200, 500], 500 - 4e-9, 5, 4, 1),
        ([100, 200, 500], 500, 5, 5, 2),
        ([100, 200, 500], 900, 5, 5, 2),
        ([100, 200, 500], 300, 0, 0, 1),
        ([100], 50, 3, 0, 0),
        ([100], 300, 3, 3, 0),
    ],
)
def test_the_last_frame_comes_with_the_last_item(scene, tops, eye, last, moment, item):
    boxes = [{"top": top} for top in tops]
    ask = "([boxes, eye, last]) => [scene.momentOf(boxes, eye, last), scene.reading(boxes, eye)]"
    assert scene.evaluate(ask, [boxes, eye, last]) == [pytest.approx(moment), item]


def opened(browser, book, **options):
    page = browser.new_context(**options).new_page()
    page.set_default_timeout(120_000)
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    load(page, (book / LESSON).as_uri())
    return page


def scroll_to(page, k):
    page.evaluate(
        "k => scrollBy(0, document.querySelectorAll('ol.marginlab-scene > li')[k]"
        ".getBoundingClientRect().top - innerHeight * 0.44)",
        k,
    )


def test_the_run_goes_with_the_reader_and_the_explorer_stays(book, browser):
    page = opened(browser, book, viewport={"width": 1280, "height": 800})
    explorer = page.locator(".marginlab-scened .marginlab-explorer")
    steps = []
    for k in [*range(ITEMS), 2, 0]:
        scroll_to(page, k)
        expect(page.locator("li.marginlab-passing")).to_have_count(1)
        wanted = page.locator("ol.marginlab-scene > li").nth(k)
        expect(wanted).to_have_class(re.compile("marginlab-passing"))
        page.wait_for_timeout(300)
        box = explorer.locator(".mlx-plane").bounding_box()
        assert box["y"] >= 0, k
        assert box["y"] + box["height"] < 800, k
        now = explorer.locator(".mlx-now").inner_text()
        steps.append(int(re.search(r"step (\d+)", now)[1]))
        assert ("NaN" in now) == (k == ITEMS - 1)
    assert steps[:ITEMS] == sorted(steps[:ITEMS])
    assert steps[0] < steps[2] < steps[ITEMS - 1]
    assert steps[ITEMS:] == [steps[2], steps[0]]
    expect(explorer.locator(".mlx-died")).to_be_hidden()
    expect(explorer.locator(".mlx-say")).to_be_hidden()  # it tells the end
    assert page.problems == []
    page.context.close()


@pytest.mark.parametrize(
    "options",
    [
        {"viewport": {"width": 360, "height": 740}},
        {"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce"},
    ],
    ids=["phone", "calm"],
)
def test_on_phones_and_without_motion_each_item_has_its_picture(book, browser, options):
    page = opened(browser, book, **options)
    assert page.locator(".marginlab-scened").count() == 0
    pictures = page.locator("ol.marginlab-scene > li > .marginlab-moment img")
    expect(pictures).to_have_count(ITEMS)
    said = [picture.get_attribute("alt") for picture in pictures.all()]
    steps = [int(re.search(r"step (\d+)", each)[1]) for each in said]
    assert steps == sorted(steps)
    assert len({picture.get_attribute("src") for picture in pictures.all()}) == ITEMS
    captions = page.locator("ol.marginlab-scene figcaption").all_inner_texts()
    # Of so short a run most moments lie between two frames, and then no numbers of a frame are said.
    assert [each.endswith("NaN.") for each in captions] == [False] * (ITEMS - 1) + [True]
    for each, step in zip(captions, steps, strict=True):
        ends = [int(it) for it in re.findall(r"\d+", each.split(":")[0])]
        assert ends[0] <= step <= ends[-1]
        assert each.startswith("Step " if len(ends) == 1 else "Between steps ")
    assert captions[0].startswith("Step ")
    assert page.evaluate(
        "document.querySelector('ol.marginlab-scene').compareDocumentPosition("
        "document.querySelectorAll('.marginlab-explorer')[1]) === Node.DOCUMENT_POSITION_FOLLOWING"
    )
    light = pictures.first.get_attribute("src")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    expect(pictures.first).not_to_have_attribute("src", light)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.context.close()


@pytest.mark.full
def test_there_and_back_on_paper_and_in_other_windows(book, browser):
    page = opened(browser, book, viewport={"width": 1280, "height": 800})
    count = page.locator(".marginlab-explorer").count()
    scene = page.locator(".marginlab-scened")
    expect(scene).to_have_count(1)
    assert [v for v in axe(page) if "scene" in str(v)] == []
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(scene).to_have_count(0)
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(scene).to_have_count(1)
    expect(page.locator(".marginlab-moment")).to_have_count(0)
    page.set_viewport_size({"width": 500, "height": 800})
    expect(scene).to_have_count(0)
    expect(page.locator(".marginlab-moment")).to_have_count(ITEMS)
    page.set_viewport_size({"width": 1280, "height": 800})
    expect(scene).to_have_count(1)
    assert page.locator(".marginlab-explorer").count() == count
    assert page.problems == []
    page.context.close()


def test_without_scripts_it_is_a_list_below_a_picture(book, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((book / LESSON).as_uri())
    expect(page.locator("ol.marginlab-scene > li")).to_have_count(ITEMS)
    assert page.locator(".marginlab-explorer").nth(1).locator("img").count() == 1
    context.close()
