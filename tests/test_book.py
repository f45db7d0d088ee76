"""The book, built with warnings as errors, and looked at in a browser with no network."""

import html
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from built import ENVIRONMENT, LESSONS, NAMES, PAGES, ROOT, axe, built_pages, lesson, load

from marginlab.explorer import page as explorer
from marginlab.explorer.engine import Engine
from marginlab.hazards import HAZARDS


def test_all_lessons_are_in_the_book_in_their_order():
    assert sorted(p.parent.name for p in ROOT.glob("lessons/*/lesson.ipynb")) == NAMES
    assert [int(name[:2]) for name in NAMES] == list(range(len(NAMES)))


def test_chapters_have_the_numbers_that_the_prose_gives_them(book, page):
    """In the sidebar, in the titles, and at the other end of each link that says "chapter 5"."""
    heads = {}
    for number, name in enumerate(LESSONS):
        load(page, (book / f"{name}.html").as_uri())
        heads[name] = page.locator("article h1").inner_text()
        assert heads[name].startswith(f"{number}. ")
        assert page.title().startswith(f"{number}. ")
    beside = page.locator(".bd-sidebar-primary a[href*='lesson'], .bd-sidebar-primary a[href='#']")
    assert [text.strip() for text in beside.all_inner_texts()] == [h.strip("#") for h in heads.values()]
    links = 0
    for name in PAGES:
        text = (book / f"{name}.html").read_text(encoding="utf-8")
        for href, number in re.findall(
            r'<a [^>]*href="([^"#]*)[^"]*"[^>]*>(?:<[^>]*>)*[Cc]hapter (\d+)<', text
        ):
            assert f"/{int(number):02}_" in href, (name, href)
            links += 1
    assert links > 20


def test_every_other_page_that_is_built(book, page, request):
    """Indexes, the search, the code: no error, no request, a phone's width; and accessible in both themes.

    Of the code's pages, all made alike, every eighth; all with --full. The Chinese ones: test_chinese.
    """
    others = [name for name in built_pages(book) if name not in PAGES and not name.startswith("zh/")]
    alike = [name for name in others if name.startswith("_modules/marginlab")]
    if not request.config.getoption("full"):
        others = [name for name in others if name not in alike or name in alike[::8]]
    assert {"genindex", "py-modindex", "search", "index"} <= set(others)
    code = [name for name in others if name.startswith("_modules/marginlab")]
    assert code
    wrong = {}
    for name in others:
        page.set_viewport_size({"width": 1280, "height": 900})
        load(page, (book / f"{name}.html").as_uri())
        page.wait_for_selector("h1", state="attached")
        found = []
        # Modules' pages are all made alike, of thousands of words that axe looks at one by one.
        if name not in code[1:]:
            found += axe(page)
            page.evaluate("document.documentElement.dataset.theme = 'dark'")
            found += axe(page)
        page.set_viewport_size({"width": 360, "height": 740})
        width = page.evaluate("document.documentElement.scrollWidth")
        found += [] if width <= 360 else [f"{width} px wide"]
        found += [*page.errors, *page.outside]
        page.errors.clear()
        if found:
            wrong[name] = found
    assert wrong == {}


def test_the_first_pictures_are_the_pages_own_runs(book, request):
    """Of every explorer: its frames are, to the letter, those that engine.js makes of its settings.

    Of three pages; of all with --full.
    """
    seen, runs = 0, {}
    pages = PAGES if request.config.getoption("full") else [PAGES[0], LESSONS[5], LESSONS[6]]
    with Engine() as engine:
        for name in pages:
            text = (book / f"{name}.html").read_text(encoding="utf-8")
            cells = explorer.CELL.findall(text)
            assert len(cells) == text.count(f'class="{explorer.CLASS}"')
            for cell in cells:
                data = json.loads(explorer.DATA.search(cell)[1])
                key = json.dumps(data["settings"])
                runs[key] = runs.get(key) or engine.run(data["settings"]).kept()
                assert cell == explorer.html(data["settings"], runs[key], data["group"], data["short"])
                seen += 1
    assert seen >= min(len(pages), len(LESSONS))


@pytest.mark.parametrize("words", ["acos", "NaN"])
def test_search_finds(book, page, words):
    load(page, (book / "search.html").as_uri() + f"?q={words}")
    page.wait_for_selector("#search-results li a", timeout=20_000)
    page.wait_for_function("document.querySelectorAll('#search-results li').length >= 3")
    assert "hazards" in page.locator("#search-results").inner_html()


@pytest.mark.parametrize("name", LESSONS)
def test_lesson_has_its_parts(book, page, name):
    load(page, (book / f"{name}.html").as_uri())
    text = page.locator("article").inner_text()
    for words in (
        "You will be able to",
        "You need",
        "Hazard",
        "Move it yourself",
        "What we learned",
        "Sources",
    ):
        assert words in text or (words == "Hazard" and "06_" in name), words
    assert page.locator("article img").count() >= 1
    assert int(re.search(r"About (\d+) minutes to read", text)[1]) <= 20
    assert page.locator("article a[href*='glossary.html#']").count() >= 1
    assert page.locator("a[href$='.ipynb']").count() >= 1  # download the notebook
    learned = next(
        c.source for c in lesson(name).cells if c.cell_type == "markdown" and "## What we learned" in c.source
    )
    words = learned.split("## What we learned")[1].split("##")[0]
    assert len(re.findall(r"[.!?](?:\s|$)", words)) == 3  # sentences


# Numbers of papers, of types and of geometry that no cell of the chapter computes.
GIVEN = {"98.56", "99.53", "99.20", "0.35", "0.99", "3.4", "0.63", "3.15"}


@pytest.mark.parametrize("name", LESSONS)
def test_numbers_in_prose_stand_in_a_cell(book, page, name):
    """A measured number may be told only where a cell has shown it, or code has set it."""
    load(page, (book / f"{name}.html").as_uri())
    shown = " ".join(page.locator("article .cell").all_inner_texts())
    shown += " ".join(c.source for c in lesson(name).cells if c.cell_type == "code")
    for cell in lesson(name).cells:
        if cell.cell_type == "markdown":
            prose = re.sub(r"\$\$.*?\$\$", "", cell.source.split("## Sources")[0], flags=re.DOTALL)
            prose = re.sub(r"\]\([^)]*\)", "]", prose)  # where a link leads is no claim
            for number in re.findall(r"(?<![\w.])\d+\.\d+(?![\w.]\d)", prose):
                assert number in shown or number in GIVEN, (number, prose[:200])


def test_every_hazard_is_in_the_catalogue_and_can_be_found(book, page):
    load(page, (book / "book/hazards.html").as_uri())
    text = re.sub("[‘’“”]", "'", page.locator("article").inner_text())
    plain = {name: h.symptom.rstrip(".").replace("`", "").replace('"', "'") for name, h in HAZARDS.items()}
    assert [name for name, symptom in plain.items() if symptom not in text] == []
    finder = (ROOT / "book/symptoms.md").read_text(encoding="utf-8")
    missing = [name for name in HAZARDS if f"(#hazard-{name})" not in finder]
    assert missing == []


def test_no_page_holds_a_solution(book):
    """No line of a solution, a hidden test or a note, but those that a chapter or the package has itself."""
    pytest.importorskip("nbgrader")
    from test_course import SHEETS, secrets, sources

    package = [path for path in (ROOT / "marginlab").rglob("*") if path.suffix in (".py", ".js")]
    own = "".join(path.read_text(encoding="utf-8") for path in package)
    own += "".join("\n".join(cell.source for cell in lesson(name).cells) for name in LESSONS)
    found, pages = [], [p for p in book.rglob("*") if p.suffix in (".html", ".ipynb", ".txt", ".md", ".js")]
    assert len([p for p in pages if p.name == "exercises.ipynb"]) == len(SHEETS)
    lines = {line for name in SHEETS for line in secrets(name) if line not in own}
    assert len(lines) > 400
    for path in pages:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".ipynb":
            text = sources(text)
        elif path.suffix == ".html":
            text = html.unescape(re.sub(r"<[^>]+>", "", text))
        found += [(path.name, line) for line in lines if line in text]
    assert found == []


def test_every_internal_link_leads_somewhere(book):
    pages = [path for path in book.rglob("*.html") if "_static" not in path.parts]
    texts = {path: path.read_text(encoding="utf-8") for path in pages}
    ids = {path: set(re.findall(r'\bid="([^"]+)"', text)) for path, text in texts.items()}
    explorers = {path: text.count(f'class="{explorer.CLASS}"') for path, text in texts.items()}
    lost, links = [], 0
    for path, text in texts.items():
        for href in re.findall(r'<(?:a|link)\b[^>]*\bhref="([^"]*)"', text):
            address, _, fragment = html.unescape(href).partition("#")
            if ":" in address:
                continue
            target = (path.parent / unquote(address.split("?")[0])).resolve() if address else path
            links += 1
            tried = re.fullmatch(r"explorer(?:-(\d+))?\?.*", fragment)
            if tried:  # the page's script knows what to do
                lost += [] if int(tried[1] or 1) <= explorers[target] else [(path.name, href)]
                continue
            found = target.is_file() and (not fragment or target not in ids or fragment in ids[target])
            lost += [] if found else [(path.name, href)]
    assert lost == []
    assert links > 1000


@pytest.mark.full
def test_the_book_can_be_printed(book, browser, tmp_path):
    """One page with all chapters, typeset, as a PDF."""
    command = [sys.executable, str(ROOT / "book" / "build.py"), "--builder", "singlehtml"]
    build = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert build.returncode == 0, (build.stdout + build.stderr)[-4000:]
    command = [sys.executable, ROOT / "book/pdf.py", ROOT / "_build/singlehtml", tmp_path / "book.pdf"]
    printed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert printed.returncode == 0, printed.stderr[-4000:]
    assert (tmp_path / "book.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "book.pdf").stat().st_size > 2e6


def test_what_the_pages_say(book, page):
    def text(name):
        load(page, (book / f"{name}.html").as_uri())
        return page.locator("article").inner_text()

    assert "loss nan" in text("lessons/05_arcface/lesson")
    assert "never ran ArcFace" in text("book/reproduction")
    assert "ArcFace" in text("book/api")
    assert "Deng" in text("book/bibliography")
    load(page, (book / "index.html").as_uri())
    page.wait_for_selector("article h1:has-text('Margin losses you can see')")


TEXTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md")]
TEXTS += [*sorted(ROOT.glob("book/*.md")), *sorted(ROOT.glob("lessons/*/*.ipynb"))]
FILLER = [
    *("it is important to note", "it should be noted", "in order to", "needless to say", "as we all know"),
    *("delve", "leverage", "leveraged", "obviously", "basically", "essentially", "actually", "of course"),
    *("in conclusion", "cutting-edge", "seamless", "at the end of the day", "first and foremost", "myriad"),
]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: "/".join(path.parts[-2:]))
def test_prose(path):
    """No misspelt word, and no filler."""
    program = shutil.which("codespell", path=Path(sys.executable).parent)
    spelt = subprocess.run([program, str(path)], capture_output=True, text=True, check=False)
    assert spelt.stdout == ""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = nbformat.read(path, as_version=4).cells
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert [words for words in FILLER if re.search(rf"\b{words}\b", text, flags=re.IGNORECASE)] == []
