"""Numbers of figures and equations, links of citations, and what stands at the foot of each page."""

import re
from types import SimpleNamespace

import cited
import numbered
import pytest
from bs4 import BeautifulSoup
from built import LESSONS, PAGES, ROOT
from pybtex.database import parse_file

ENTRIES = parse_file(str(ROOT / "book" / "references.bib")).entries
CITED = cited.by_name([SimpleNamespace(key=key, entry=entry) for key, entry in ENTRIES.items()])


@pytest.fixture(scope="module")
def pages(book):
    read = {name: (book / f"{name}.html").read_text(encoding="utf-8") for name in PAGES}
    return {name: BeautifulSoup(text, "html.parser") for name, text in read.items()}


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("Liu and others (2016, 2017) read softmax", ["liu2016lsoftmax", "liu2017sphereface"]),
        ("(Deng and others, 2022), and", ["deng2022arcface"]),
        ("见 Wen 等 (2016)。", ["wen2016center"]),
        ("of Wang, F. and others (2017), called", ["wang2017normface"]),
        ("Wang, H. and others (2018) introduced", ["wang2018cosface"]),
        ("Papyan, Han and Donoho (2020).", ["papyan2020collapse"]),
        ("old advice (Kahan, 2006).", ["kahan2006futile"]),
        ("Musgrave and others (2020)", ["musgrave2020reality"]),
        ("Wang and others (2018): which of two?", []),
        ("Deng and others (1999); in 2019 nobody", []),
        ("", []),
    ],
)
def test_a_paper_is_found_by_its_names_and_year(text, keys):
    found = cited.parts(text, CITED)
    assert [part[1].key for part in found if not isinstance(part, str)] == keys
    assert "".join(part if isinstance(part, str) else part[0] for part in found) == text


def test_every_paper_named_in_a_chapter_links_to_its_entry(pages):
    entries = {it["id"] for it in pages["book/bibliography"].select("div.citation")}
    assert len(entries) == len(ENTRIES)
    linked = 0
    for name, page in pages.items():
        for link in page.select("article a[href*='bibliography.html#']"):
            assert link["href"].split("#")[1] in entries
            linked += bool(re.search(r"\d{4}", link.text))
            link.decompose()
        prose = page.select_one("article")
        for code in prose.select("pre, code, .citation, .bibtex-citation"):
            code.decompose()
        assert not re.findall(r"\w+ and others,? \(?\d{4}", prose.get_text()), name
    assert linked > 25


def test_each_paper_has_an_address():
    without = {key for key, entry in ENTRIES.items() if not {"doi", "eprint", "url"} & set(entry.fields)}
    # Talks, newspapers, laws and courts.
    kept = {
        "kahan2006futile",
        "murgia2019withdrawn",
        "platt1999probabilistic",
        "aclu2024williams",
        "eu2024ai",
    }
    assert without == kept


@pytest.mark.parametrize(
    ("alt", "first"),
    [
        ("Psi against theta, from 0 to pi. Two curves.", "ψ against θ, from 0 to π."),
        ("At m = 0.5 it falls. Then not.", "At m = 0.5 it falls."),
        ("No stop", "No stop"),
    ],
)
def test_a_caption_is_the_first_sentence(alt, first):
    assert numbered.caption(alt) == first


@pytest.mark.parametrize("name", LESSONS)
def test_figures_and_equations_are_numbered_in_their_order(pages, name):
    chapter = int(name.split("/")[1][:2])
    captions = pages[name].select("article .marginlab-caption")
    assert [it["id"] for it in captions] == [f"figure-{chapter}-{k + 1}" for k in range(len(captions))]
    figures = [it for it in pages[name].select("article .cell_output img[alt]") if it["src"].endswith(".svg")]
    assert len(captions) == len(figures) > 0
    for caption, figure in zip(captions, figures, strict=True):
        assert caption.get_text().startswith(f"Figure {caption['id'][7:].replace('-', '.')}. ")
        assert caption.find_previous("img")["src"] == figure["src"]
    numbers = [it.get_text().strip("()#¶ ") for it in pages[name].select("article .eqno")]
    assert numbers == [f"{chapter}.{k + 1}" for k in range(len(numbers))]
    assert len(numbers) > 0


def test_a_folded_cell_says_what_it_makes(pages):
    said = [it.get_text() for name in LESSONS for it in pages[name].select("details.hide summary")]
    assert not [it for it in said if "code cell" in it]
    assert [it for it in said if "the code of figure 6.2" in it]
    assert [it for it in said if "the code of this table" in it]


def test_a_report_says_the_page_the_section_the_version_and_the_explorer(book, page):
    page.goto((book / "lessons/05_arcface/lesson.html").as_uri())
    assert "What is new" in page.locator(".marginlab-foot").inner_text()
    page.evaluate("history.replaceState(null, '', '#explorer?head=arcface&margin=0.3')")
    page.locator("#the-common-guards-compared").evaluate("it => it.scrollIntoView({behavior: 'instant'})")
    page.wait_for_timeout(300)
    page.locator(".marginlab-report").click()
    text = page.locator(".marginlab-reported").input_value()
    assert text.startswith(
        "Page: 5. ArcFace: add to the angle\nSection: The common guards, compared\nVersion: "
    )
    assert "Explorer: #explorer?head=arcface&margin=0.3\nWhat is wrong: " in text
    page.locator(".marginlab-report").click()
    assert page.locator(".marginlab-reported").count() == 1


def test_where_a_form_has_an_address_it_is_opened_with_the_text(book, page):
    page.goto((book / "book/glossary.html").as_uri())
    page.evaluate("self.open = (...all) => (self.opened = all)")
    page.locator(".marginlab-report").evaluate("it => (it.dataset.to = 'https://example.org/new')")
    page.locator(".marginlab-report").click()
    address = page.evaluate("opened[0]")
    assert address.startswith("https://example.org/new?body=Page%3A%20Glossary%0A")
