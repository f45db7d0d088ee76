"""The book as an EPUB: its contents and its list of files; and, with --full, all of it through EPUBCheck."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import epub
import pytest
from bs4 import BeautifulSoup
from built import ENVIRONMENT, MATHS, PAGES, ROOT

from marginlab import __version__
from marginlab.explorer import bundle

CHAPTERS = [
    {
        "name": epub.name(page),
        "title": f"Of {page} & more",
        "sections": [["a-b", "ψ < 1"]] * (page in PAGES[:3]),
        "text": "<html/>",
        "maths": page in MATHS,
    }
    for page in PAGES
]
OPF = "{http://www.idpf.org/2007/opf}"


def test_every_page_has_a_file_of_its_own():
    assert [page for _, its in epub.parts() for page in its] == PAGES
    assert len({epub.name(page) for page in PAGES}) == len(PAGES)
    assert epub.name("lessons/05_arcface/lesson") == "05_arcface.xhtml"
    assert epub.name("book/glossary") == "glossary.xhtml"


def test_the_contents_lead_to_every_chapter_and_its_sections_below_their_part():
    made = BeautifulSoup(epub.contents(CHAPTERS), "html.parser")
    links = [it["href"] for it in made.select("nav a")]
    assert [it for it in links if "#" not in it] == [epub.name(page) for page in PAGES]
    assert [it for it in links if "#" in it] == [f"{epub.name(page)}#a-b" for page in PAGES[:3]]
    assert [it.get_text() for it in made.select("nav > ol > li > span")] == [it for it, _ in epub.parts()[1:]]
    assert made.find("a", href="intro.xhtml#a-b").get_text() == "ψ < 1"


def test_the_package_lists_each_file_once_and_says_what_the_book_is():
    files = dict.fromkeys(["cover.xhtml", "contents.xhtml", "book.css", "_images/cover.png", "_images/a.svg"])
    files |= dict.fromkeys(it["name"] for it in CHAPTERS)
    made = ET.fromstring(epub.package(files, CHAPTERS))
    items = {it.get("id"): it for it in made.iter(f"{OPF}item")}
    assert sorted(it.get("href") for it in items.values()) == sorted(files)
    order = [items[it.get("idref")].get("href") for it in made.iter(f"{OPF}itemref")]
    assert order == ["cover.xhtml", "contents.xhtml", *(it["name"] for it in CHAPTERS)]
    of = {it.get("href"): it.get("properties") for it in items.values()}
    assert (of["contents.xhtml"], of["_images/cover.png"], of["book.css"]) == ("nav", "cover-image", None)
    assert {name for name, what in of.items() if what == "mathml"} == {epub.name(page) for page in MATHS}
    said = epub.about()
    assert said["version"] == __version__
    text = " ".join("".join(it.itertext()) for it in made.iter() if it.tag.startswith("{http://purl.org/dc"))
    assert all(said[key] in text for key in ("title", "author", "day", "id"))


@pytest.mark.parametrize(
    ("drawn", "right"),
    [
        ('<!DOCTYPE svg PUBLIC "-//W3C//DTD"\n "a.dtd">\n<svg/>', "<svg/>"),
        ('<path id="space"/>', '<path d="" id="space"/>'),
        ('<path id="d"/>', '<path d="" id="d"/>'),
        ('<path id="a" d="M 0 0"/>', '<path id="a" d="M 0 0"/>'),
        ('<text paint-order="stroke">ψ</text>', '<text style="paint-order:stroke">ψ</text>'),
    ],
)
def test_pictures_are_as_an_epub_asks_for_them(drawn, right):
    assert epub.plain_svg(drawn.encode()).decode() == right


PAGE = r"""<html><body><nav>no</nav><article><section id="one">
<h1>One<a class="headerlink" href="#one">#</a></h1>
<script>alert(1)</script><noscript><p>without scripts</p></noscript><button onclick="x()">press</button>
<p style="color:red" data-a="1">Of <span class="math">\(\class{sym-s}{s} &lt; \sqrt{2}\)</span> and
<a href="#explorer?margin=1">at 1</a>, <a href="two.html#here">here</a>, <a href="two.html#gone">gone</a>,
<a href="exercises.html">its sheet</a>, <a href="https://example.org/">outside</a></p>
<details><summary><p class="collapsed">Show the code of figure 1.1</p><p>Hide</p></summary>x</details>
<fieldset><legend>Question</legend><input type="radio" hidden>yes</fieldset>
<img alt="a" loading="lazy" src="../_images/a.svg">
<img alt="ψ" src="data:image/svg+xml,%3Csvg%3E%CF%88%3C/svg%3E">
</section></article></body></html>"""
GONE = ("<script", "<button", "onclick", "style=", "data-", "<details", "<input", "loading", "class{", "Hide")
KEPT = ("without scripts", "yes", "The code of figure 1.1", "at 1", "its sheet", r'alttext="{s} &lt; \sqrt')
TWO = '<article><section id="two"><h1>Two</h1><section id="here"><h2>Here</h2></section></section></article>'


def test_a_page_becomes_a_chapter_without_scripts_and_with_nothing_folded(page):
    page.evaluate(bundle.script("globalThis.convert = $convert.convert;", "convert", here=epub.HERE) + "0")
    # The book's MathJax makes the MathML; what it is asked for is seen here without it.
    math = "<math xmlns='http://www.w3.org/1998/Math/MathML'><mi class='sym-s'>x</mi></math>"
    page.evaluate(f"globalThis.MathJax = {{ tex2mml: () => {json.dumps(math)} }}; 0")
    pages = [
        {"path": "book/one", "name": "one.xhtml", "html": PAGE},
        {"path": "book/two", "name": "two.xhtml", "html": TWO},
    ]
    made = page.evaluate("pages => convert(pages)", pages)
    one, two = made["chapters"]
    assert (one["title"], one["maths"], two["maths"], two["sections"]) == (
        "One",
        True,
        False,
        [["here", "Here"]],
    )
    assert ET.fromstring(one["text"]) is not None  # well formed
    for gone in GONE:
        assert gone not in one["text"], gone
    for kept in KEPT:
        assert kept in one["text"], kept
    links = re.findall(r'<a href="([^"]*)"', one["text"])
    assert links == ["two.xhtml#here", "two.xhtml", "https://example.org/"]
    assert list(made["files"]) == ["_images/a.svg", "_images/in-1.svg"]
    assert epub.base64.b64decode(made["files"]["_images/in-1.svg"]).decode() == "<svg>ψ</svg>"


@pytest.fixture(scope="module")
def made(book, browser):
    """The book's own, made by a program of its own: Playwright runs once in a process."""
    command = [sys.executable, ROOT / "book" / "epub.py", book.parent]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return book.parent / "marginlab.epub"


@pytest.mark.full
def test_the_book_is_whole_without_scripts_and_asks_nobody(made, book):
    with zipfile.ZipFile(made) as file:
        assert file.infolist()[0].filename == "mimetype"
        assert file.infolist()[0].compress_type == zipfile.ZIP_STORED
        texts = {name: file.read(name).decode() for name in file.namelist() if name.endswith(".xhtml")}
    assert len(texts) == len(PAGES) + 2
    for page in PAGES:
        text = texts[f"book/{epub.name(page)}"]
        built = BeautifulSoup((book / f"{page}.html").read_text("utf-8"), "html.parser").article
        chapter = BeautifulSoup(text, "html.parser")
        assert len(chapter.find_all("math")) == len(built.select(".math")), page
        assert len(chapter.find_all("img")) == len(built.select("img")), page
        assert all(it.get("alt") for it in chapter.find_all("img")), page
        assert not chapter.select("script, style, iframe, input, button, details"), page
        assert not re.search(r'src="(https?:|data:)', text), page
    assert made.stat().st_size < 5e6
    before = hashlib.sha256(made.read_bytes()).digest()
    command = [sys.executable, ROOT / "book" / "epub.py", book.parent]
    subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True)
    assert hashlib.sha256(made.read_bytes()).digest() == before


@pytest.mark.full
def test_epubcheck_finds_nothing(made, tmp_path):
    checker = shutil.which("epubcheck")
    if not (checker and shutil.which("java")):
        pytest.skip("no EPUBCheck: apt install epubcheck")
    # Debian's is a jar that only a desktop runs by its name.
    jar = Path(checker).read_bytes().startswith(b"PK")
    command = ["java", "-jar", checker] if jar else [checker]
    subprocess.run([*command, made, "--json", tmp_path / "said.json", "--quiet"], check=False)
    said = json.loads((tmp_path / "said.json").read_text("utf-8"))
    assert said["messages"] == []
    assert said["publication"]["title"] == epub.about()["title"]
