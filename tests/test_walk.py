"""The walk through an explorer's picture: each step lights a part, and goes on when its act is done."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from test_explorer_page import (  # noqa: F401  fixtures are found by their names
    open_page,
    result,
    site,
    slider,
    whole,
)
from v8 import modules

from marginlab.explorer.bundle import MEMBERS, sliders
from marginlab.explorer.forms import FORMS

STEPS = 7


walk = modules("walk")


def steps(walk, head, **settings):
    given = {s["name"]: s["default"] for s in sliders(head)}
    psi = {"psi": "ucos(theta + m)"} if head == "own" else {}
    asked = {"head": head, "naive": None, "anneal": [0.2, 0.6], "steps": 2500} | given | psi | settings
    return walk.evaluate("settings => walk.stepsOf(settings)", asked)


@pytest.mark.parametrize("head", MEMBERS)
def test_every_head_has_its_walk(walk, head):
    found = steps(walk, head)
    assert len(found) == STEPS
    assert [each["part"] for each in found] == ["stage"] * 3 + ["time", "learning", "ψ(θ)", "the pull"]
    assert all(each["words"].endswith(".") for each in found)
    assert all(each["act"].endswith(".") for each in found[:-1])
    assert "act" not in found[-1]
    words = " ".join(each["words"] for each in found)
    margin = head not in ("softmax", "normface")
    for word in ("Hatched", "the gap between the two", "the margin comes in"):
        assert (word in words) == margin, word
    assert ("bias" in words) == (head == "softmax")
    for always in ("embedding", "rug", "dashed upright line", "pull"):
        assert always in words


def test_a_margin_of_nothing_is_no_margin(walk):
    words = " ".join(each["words"] for each in steps(walk, "arcface", margin=0))
    assert "Nothing is hatched" in words
    assert "past π" not in words


@pytest.mark.parametrize("naive", FORMS)
def test_of_a_broken_run_the_walk_says_what_the_dashed_line_is(walk, naive):
    assert FORMS[naive].title in steps(walk, "arcface", naive=naive)[-1]["words"]


def at(page):
    """The number of the step that is shown."""
    return int(page.locator(".mlx-steps [aria-current=step]").inner_text())


def stands_at(page, k):
    expect(page.locator(".mlx-steps [aria-current=step]")).to_have_text(str(k), timeout=60_000)


def a_wrong_one(page):
    """Goes by keys from digit to digit, until one is read wrong."""
    page.locator(".mlx-plane").focus()
    for _ in range(1000):
        page.keyboard.press("ArrowRight")
        if page.locator(".mlx-act").inner_text().startswith("✓"):
            return
        page.wait_for_timeout(20)
    raise AssertionError("no digit is read wrong")


def test_each_act_brings_the_next_step(open_page, site):  # noqa: F811
    page = open_page(site / "one.html")
    page.get_by_role("button", name="show me").click()
    stands_at(page, 1)
    page.locator(".mlx-plane").focus()
    page.keyboard.press("ArrowRight")
    stands_at(page, 2)
    a_wrong_one(page)
    stands_at(page, 3)
    slider(page, "margin").evaluate(
        "it => { it.value = 0.5; it.dispatchEvent(new Event('input', {bubbles: true})); }"
    )
    stands_at(page, 4)
    scrub = page.get_by_role("slider", name="moment of the training")
    scrub.evaluate("it => { it.value = 0; it.dispatchEvent(new Event('input', {bubbles: true})); }")
    page.wait_for_timeout(1500)
    assert at(page) == 4
    page.get_by_role("button", name="play").click()
    stands_at(page, 5)
    page.get_by_role("button", name="ψ(θ)", exact=True).click()
    stands_at(page, 6)
    page.get_by_role("button", name="the pull", exact=True).click()
    stands_at(page, 7)
    page.wait_for_timeout(1000)  # just after it went on by itself, "on" would skip what nobody has read
    page.get_by_role("button", name="done").click()
    expect(page.locator(".mlx-walk")).to_be_hidden()
    assert page.locator(".mlx-looked").count() == 0


def test_by_keys_alone_there_and_back_and_out(open_page, site):  # noqa: F811
    page = open_page(site / "one.html")
    page.get_by_role("button", name="show me").focus()
    page.keyboard.press("Enter")
    stands_at(page, 1)
    for k in range(2, STEPS + 1):
        page.keyboard.press("ArrowRight")
        stands_at(page, k)
        assert page.locator(".mlx-looked").count() == 1
    page.keyboard.press("ArrowLeft")
    stands_at(page, STEPS - 1)
    page.locator(".mlx-steps button").nth(2).focus()
    page.keyboard.press("Enter")
    stands_at(page, 3)
    assert page.evaluate("document.activeElement.dataset.step") == "2"
    page.keyboard.press("Escape")
    expect(page.locator(".mlx-walk")).to_be_hidden()
    assert page.evaluate("document.activeElement.dataset.do") == "walk"


@pytest.mark.parametrize(("name", "width", "scheme"), [("one", 360, "dark"), ("short", 1280, "light")])
def test_where_much_is_folded_the_panel_stands_by_its_part_and_folds_it_again(
    open_page,  # noqa: F811
    site,  # noqa: F811
    name,
    width,
    scheme,
):
    page = open_page(site / f"{name}.html", viewport={"width": width, "height": 740}, color_scheme=scheme)
    expect(page.locator(".mlx-now")).to_have_text(re.compile("right"))
    # A page of the book has its ground; this one takes the system's.
    page.add_style_tag(content="@media (prefers-color-scheme: dark) { body { background: #15171b; } }")
    page.get_by_role("button", name="show me").click()
    for k in range(1, STEPS + 1):
        stands_at(page, k)
        panel, part = page.locator(".mlx-walk").bounding_box(), page.locator(".mlx-looked").bounding_box()
        assert panel["y"] >= 0, k
        assert panel["y"] + panel["height"] <= 740, k
        apart = max(panel["y"] - part["y"] - part["height"], part["y"] - panel["y"] - panel["height"])
        assert apart < 130, k  # what is seen with the plane stands between
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), k
        options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
        assert Axe().run(page, context=".mlx", options=options).response["violations"] == []
        page.keyboard.press("ArrowRight")
    expect(page.locator(".mlx-walk")).to_be_hidden()
    expect(page.locator(".mlx-far")).to_be_hidden()
