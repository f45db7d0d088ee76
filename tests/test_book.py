"""The book, built with warnings as errors, and looked at in a browser with no network."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
HTML = ROOT / "_build" / "html"
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
LESSONS = [c["file"] for part in TOC["parts"] for c in part["chapters"] if c["file"].startswith("lessons/")]
PAGES = [TOC["root"], *[c["file"] for part in TOC["parts"] for c in part["chapters"]]]


@pytest.fixture(scope="session")
def book():
    """Builds the book, executing every page that has changed since the last build."""
    # Pages are executed again when they change; here, also when the package they import has.
    index = HTML / "index.html"
    code = max(path.stat().st_mtime for path in (ROOT / "marginlab").rglob("*.py"))
    if index.exists() and index.stat().st_mtime < code:
        shutil.rmtree(ROOT / "_build")
    program = shutil.which("jupyter-book", path=Path(sys.executable).parent)
    command = [program, "build", str(ROOT), "-W", "-n", "--keep-going"]
    # Not this process's backend of matplotlib: the kernels' own shows figures in the page.
    env = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    build = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert build.returncode == 0, (build.stdout + build.stderr)[-4000:]
    return HTML


@pytest.fixture
def page(browser):
    """A page with no network that remembers what it asked for and what went wrong."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    page = context.new_page()
    page.outside, page.errors = [], []
    page.on("request", lambda r: r.url.startswith(("file:", "data:", "blob:")) or page.outside.append(r.url))
    page.on("console", lambda m: m.type == "error" and page.errors.append(m.text))
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    yield page
    context.close()


def test_all_five_lessons_are_in_the_book():
    assert [Path(lesson).parent.name for lesson in LESSONS] == [
        "01_softmax",
        "02_normface",
        "03_sphereface",
        "04_cosface",
        "05_arcface",
    ]
    assert {
        p.parent.relative_to(ROOT).as_posix() + "/lesson" for p in ROOT.glob("lessons/*/lesson.ipynb")
    } == set(LESSONS)


@pytest.mark.parametrize("name", PAGES)
def test_page_in_a_browser(book, page, name):
    page.goto((book / f"{name}.html").as_uri())
    page.wait_for_load_state("load")
    for image in page.locator("article img").all():
        image.scroll_into_view_if_needed()
    page.wait_for_function(
        "[...document.querySelectorAll('article img')].every(i => i.complete && i.naturalWidth > 0)"
    )
    text = page.locator("article").inner_text()
    assert "Traceback" not in text
    assert len(text) > 800
    assert page.locator("article h1").count() == 1
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.outside == []
    assert page.errors == []


@pytest.mark.parametrize("name", LESSONS)
def test_lesson_shows_its_figures_mathematics_and_slider(book, page, name):
    page.goto((book / f"{name}.html").as_uri())
    page.wait_for_selector("mjx-container")
    assert page.locator("article img").count() >= 3
    assert page.locator(".cell_output img").last.get_attribute("src").endswith(".png")  # explore()'s picture
    text = page.locator("article").inner_text()
    for words in ("The idea", "Hazard", "Move it yourself", "What we learned", "right"):
        assert words in text
    assert "naive fails" in text or name.endswith("01_softmax/lesson") or "Cure" in text


def test_what_the_pages_say(book, page):
    def text(name):
        page.goto((book / f"{name}.html").as_uri())
        return page.locator("article").inner_text()

    assert "loss nan" in text("lessons/05_arcface/lesson")
    assert "CosFace" in text("book/reproduction")
    hazards = text("book/hazards")
    from marginlab.hazards import HAZARDS

    assert all(hazard.symptom in hazards for hazard in HAZARDS.values())
    page.goto((book / "index.html").as_uri())
    page.wait_for_selector("article h1:has-text('Margin losses you can see')")
