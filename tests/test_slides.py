"""The decks: of each chapter one, from its built page; slide by slide in a browser, from files alone."""

import re

import nbformat
import pytest
import slides
from bs4 import BeautifulSoup
from built import NAMES, ROOT, axe

# Not in pixels but in what is seen: a line of text may be cut by less than this without a letter lost.
SLACK = 1


@pytest.fixture(scope="module")
def decks(book):
    """All decks, made of the built book."""
    return slides.write(book.parent)


@pytest.fixture
def open_deck(decks, page):
    """Opens a deck from its file; what it asked for must have been there."""
    lost = []
    page.on("requestfailed", lambda request: lost.append(request.url))
    page.set_viewport_size({"width": 1280, "height": 720})

    def open_(name, fragment=""):
        page.goto((decks / f"{name}.html").as_uri() + fragment)
        page.wait_for_function("!document.querySelector('.math') || document.querySelector('mjx-container')")
        page.wait_for_load_state("load")
        return page

    yield open_
    assert lost == []


# What of a slide hangs over its edges, or over the box of its body: its name, and by how many px.
OVER = """slack => {
    const slide = document.querySelector(".slide.now"), edge = slide.getBoundingClientRect();
    const found = [];
    for (const it of slide.querySelectorAll("p, li, img, table, pre, div.math, canvas, h2, .mlx")) {
        const box = it.getBoundingClientRect();
        if (!box.width) continue;
        const over = Math.max(edge.left - box.left, box.right - edge.right, box.bottom - edge.bottom);
        const wide = it.matches("pre, table, .math") ? it.scrollWidth - it.clientWidth : 0;
        if (Math.max(over, wide) > slack) found.push(`${it.tagName} ${it.textContent.slice(0, 40)}: ${over}`);
    }
    const body = slide.querySelector(".body"), high = body.scrollHeight - body.clientHeight;
    return high > slack ? [...found, `the body by ${high}`] : found;
}"""


def turned(page):
    """Goes through a deck as a clicker does; gives (number, it) of each slide when all of it is there."""
    count = page.locator(".slide").count()
    for number in range(1, count + 1):
        assert page.locator(".turn span").inner_text() == f"{number} / {count}"
        while page.locator(".slide.now .later:not(.come)").count():
            page.keyboard.press("PageDown")
        yield number, page.locator(".slide.now")
        page.keyboard.press("PageDown")


def look_through(page):
    wrong, words = {}, ""
    for number, slide in turned(page):
        slide.locator("img").evaluate_all("all => Promise.all(all.map(it => it.decode()))")
        words += slide.inner_text() + "\n"
        found = page.evaluate(OVER, SLACK)
        if found:
            wrong[number] = found
    assert wrong == {}
    assert page.locator("mjx-merror, [data-mjx-error]").count() == 0
    return words


def test_one_deck_turned_slide_by_slide(open_deck, decks, browser):
    """Chapter 5, from a file: nothing hangs over, the notes are there, an explorer trains, and it prints."""
    page = open_deck("05_arcface")
    words = look_through(page)
    assert "Traceback" not in words
    for heading in ("ArcFace: add to the angle", "The common guards, compared", "What we learned"):
        assert heading in words
    # Back by the other key, each slide whole; an arrow moves a slider, and no slide.
    count = page.locator(".slide").count()
    page.keyboard.press("PageUp")
    assert page.locator(".turn span").inner_text() == f"{count - 1} / {count}"
    page.evaluate("location.hash = 'explorer?head=arcface&margin=0.5'")
    explorer = page.locator(".slide.now #explorer")
    explorer.wait_for()
    page.wait_for_selector("#explorer[data-state=done]")
    assert "of the 10,000 test images right" in explorer.locator(".mlx-say").inner_text()
    before = page.locator(".turn span").inner_text()
    explorer.locator("[name=margin]").focus()
    page.keyboard.press("ArrowRight")
    assert explorer.locator("[name=margin]").input_value() == "0.55"
    assert page.locator(".turn span").inner_text() == before
    page.wait_for_selector("#explorer[data-state=done]")
    assert page.get_by_role("button", name="embed").count() == 0
    # One page of paper a slide.
    paper = page.pdf(prefer_css_page_size=True, print_background=True)
    assert len(re.findall(rb"/Type\s*/Page\b", paper)) == count
    assert b"MathJax_Math-Italic" in paper  # the letters of formulas on slides that were not turned to, too


def test_the_speakers_notes_have_a_window_of_their_own(open_deck, page):
    open_deck("05_arcface")
    with page.expect_popup() as popup:
        page.keyboard.press("n")
    notes = popup.value
    notes.get_by_text("1 of").wait_for()
    said = set()
    for _ in range(6):
        said.add(notes.locator("body").inner_text())
        notes.keyboard.press("PageDown")  # the speaker's keys turn the slides
    assert len(said) == 6
    assert any(len(text) > 200 for text in said)
    assert not page.locator(".slide.now .notes").is_visible()


@pytest.mark.full
def test_a_deck_is_dark_where_the_system_is_and_light_on_paper(open_deck, page):
    page.emulate_media(color_scheme="dark")
    open_deck("05_arcface")
    dressed = "document.documentElement.dataset.theme"
    assert page.evaluate(dressed) == "dark"
    for _ in turned(page):
        assert axe(page, ".slide.now") == []
    explorers = page.locator(".slide .mlx.mlx-dark")
    assert explorers.count() > 1
    page.evaluate("dispatchEvent(new Event('beforeprint'))")  # at once: paper does not wait
    assert (page.evaluate(dressed), explorers.count()) == ("light", 0)
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(dressed) == "dark"
    page.emulate_media(color_scheme="light")
    page.wait_for_function(f"{dressed} === 'light'")


@pytest.mark.full
@pytest.mark.parametrize("name", [name for name in NAMES if name != "05_arcface"])
def test_every_deck_turned_slide_by_slide(open_deck, name):
    assert "What we learned" in look_through(open_deck(name))


def test_each_chapter_has_its_slides_and_the_speaker_notes_to_them(decks):
    index = (decks / "index.html").read_text(encoding="utf-8")
    for name in NAMES:
        deck = BeautifulSoup((decks / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
        made = deck.select(".slide")
        assert 8 <= len(made) <= 25, (name, len(made))
        assert f'<a href="{name}.html">' in index
        assert ["first" in it["class"] for it in made] == [True] + [False] * (len(made) - 1)
        assert deck.select(".marginlab-explorer"), name
        noted = [it for it in deck.select(".notes") if len(it.get_text().split()) > 20]
        assert len(noted) >= len(made) / 4, name
        asked = [it for it in made if it.h2.get_text() == slides.ROOM]
        assert asked, name
        for it in asked:  # the room sees the choices, and the speaker which is right
            assert len(it.select(".choices li")) >= 3
            assert it.select_one(".notes").get_text().count("(right)") == 1
            assert "(right)" not in it.select_one(".body").get_text()
        # Nothing of a slide is twice in the deck, and none is empty.
        shown = [it.select_one(".body").get_text(" ", strip=True) for it in made]
        assert all(text or it.img for text, it in zip(shown, made, strict=True)), name
        assert len({*shown}) == len(shown), name


def test_no_deck_holds_a_solution_or_asks_another_host(decks):
    solutions = [
        line.strip()
        for path in ROOT.glob("lessons/*/exercises.ipynb")
        for cell in nbformat.read(path, 4).cells
        for part in re.findall(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", cell.source, re.DOTALL)
        for line in part.splitlines()
        if len(line.strip()) > 30
    ]
    assert len(solutions) > 50
    lessons = "\n".join(path.read_text(encoding="utf-8") for path in ROOT.glob("lessons/*/lesson.ipynb"))
    for path in decks.glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert [line for line in solutions if line in text and line not in lessons] == []
        assert re.findall(r'(?:src|href)="(?:https?:|//)[^"]*"', text) == []
        assert "SOLUTION" not in text


def test_what_a_cell_says_wrongly_is_told():
    cell = nbformat.v4.new_markdown_cell("A\n\nB", id="c", metadata={"slideshow": {"slide_type": "slide"}})
    tags = BeautifulSoup("<p>A</p><p>B</p>", "html.parser").find_all("p")
    assert list(slides.pieces(cell, tags)) == [(True, tags)]
    cell.metadata["slideshow"]["parts"] = "1 / 0"
    assert list(slides.pieces(cell, tags)) == [(True, [tags[1]]), (True, [tags[0]])]
    cell.metadata["slideshow"]["parts"] = "0 2"
    with pytest.raises(ValueError, match="the cell c has no"):
        list(slides.pieces(cell, tags))
    cell.metadata["slideshow"] = {"slide_type": "skip", "parts": "2"}
    assert list(slides.pieces(cell, tags)) == []


KNOWN = {"tags", "mystnb", "slideshow"}


def test_the_lessons_cells_hold_no_other_metadata():
    for path in ROOT.glob("lessons/*/lesson.ipynb"):
        for cell in nbformat.read(path, 4).cells:
            assert set(cell.metadata) <= KNOWN, (path, cell.id)
            said = cell.metadata.get("slideshow", {})
            assert set(said) <= {"slide_type", "parts", "ask"}, (path, cell.id)
            assert said.get("slide_type", "slide") in ("slide", "-", "fragment", "skip"), (path, cell.id)
