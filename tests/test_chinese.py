"""The book in Chinese: no catalogue is behind its English, none has a gap, and its pages are whole."""

import pickle
import re
from urllib.parse import unquote

import chinese
import pytest
from babel.messages.catalog import Catalog
from built import PAGES as ENGLISH
from built import axe, load
from playwright.sync_api import expect
from translated import FOLDER, PAGES
from v8 import modules

say = modules("words")


def read_at(doctrees):
    """{page: when Sphinx read it}, of a build."""
    return pickle.loads((doctrees / "environment.pickle").read_bytes()).all_docs


def test_only_its_own_pages_are_read_anew(book):
    english, other = read_at(book.parent / ".doctrees"), read_at(chinese.DOCTREES)
    assert {page for page in english if other[page] != english[page]} <= {*PAGES, "book/review"}


# ---- Catalogues ----


@pytest.fixture(scope="module")
def templates(tmp_path_factory):
    """{name: the messages that the English of now has}."""
    folder = tmp_path_factory.mktemp("templates")
    chinese.templates(folder)
    return chinese.catalogues(folder, "pot")


def ids(catalogue):
    return {it.id for it in catalogue if it.id}


def test_every_catalogue_has_the_messages_of_its_english_and_no_other(templates):
    found = chinese.catalogues()
    assert found.keys() == templates.keys() == {*PAGES, chinese.SCRIPTS, chinese.WORDS}
    for name, template in templates.items():
        assert ids(found[name]) == ids(template), f"{name} is stale: run `make messages`"


@pytest.mark.parametrize("name", [*PAGES, chinese.SCRIPTS, chinese.WORDS])
def test_every_message_is_translated_and_keeps_what_is_no_language(name):
    catalogue = chinese.catalogues()[name]
    assert chinese.waiting(catalogue) == []
    assert {it.id: chinese.lost(it.id, it.string) for it in catalogue if chinese.lost(it.id, it.string)} == {}


def test_a_message_whose_english_has_changed_waits():
    old, new = Catalog(locale="zh_CN"), Catalog()
    old.add("The nearest ray is the answer.", "最近的射线就是答案。")
    old.add("Look at the pull.", "看拉力。")
    new.add("The nearest ray is then the answer.")
    new.add("Look at the pull.")
    old.update(new)
    assert chinese.waiting(old) == ["The nearest ray is then the answer."]


@pytest.mark.parametrize(
    ("english", "translated", "lost"),
    [
        ("a {0} of {1}", "{1} 中的 {0}", []),
        ("a {0} of {1}", "{0}", ["{1}"]),
        ("{made}", "{maed}", ["{made}", "{maed}"]),
        ("at $c = 1$", "在 $c = 1$ 处", []),
        ("at $c = 1$", "在 c = 1 处", ["$c = 1$"]),
        ("see [here](#explorer?margin=0.8)", "见[这里](#explorer?margin=0.8)", []),
        ("see [here](symptoms.md)", "见[这里](症状.md)", ["symptoms.md", "症状.md"]),
        ("`norm(x)` is 0", "`范数(x)` 是 0", ["`norm(x)`", "`范数(x)`"]),
        ('<span id="see-it"></span>It is.', "是。", ["</span>", '<span id="see-it">']),
    ],
)
def test_what_a_translation_must_keep(english, translated, lost):
    assert chinese.lost(english, translated) == lost


# ---- What scripts say ----


@pytest.mark.parametrize(
    ("script", "texts"),
    [
        ("say`plain`", ["plain"]),
        ("essay`no`; const say = 1;", []),
        ("say`${a} of ${b[`}`]} right`", ["{0} of {1} right"]),
        ("say`a ${on ? say`few` : `${k}`} of ${{ n: '}' }.n}`", ["a {0} of {1}", "few"]),
        (r"say`a \` of ${1}${2}`", ["a ` of {0}{1}"]),
    ],
)
def test_the_texts_of_a_script_are_found(script, texts):
    assert sorted(chinese.tagged(script)) == sorted(texts)


def test_a_text_takes_the_catalogues_words_and_gives_its_gaps_in_their_order(say):
    script = "(words) => { globalThis.marginlabWords = words; return say.say`${'$&'} of ${7} right`; }"
    assert say.evaluate(script, {"{0} of {1} right": "{1} 中 {0} 对"}) == "7 中 $& 对"
    assert say.evaluate(script, {"other": "别的"}) == say.evaluate(script, None) == "$& of 7 right"
    known = "{ globalThis.marginlabWords = of; return words.translatedBy(Object.keys(of), text); }"
    table = f"([text, of]) => {known}"
    words = {"no {c}": "没有 {c}", "so near {c}. It ends.": "{c}。"}
    assert say.evaluate(table, ["so near 0.5. It ends.", words]) == "0.5。"
    assert say.evaluate(table, ["other", words]) == "other"


@pytest.mark.parametrize("folder", chinese.FOLDERS)
def test_nothing_else_is_called_say_where_that_speaks(folder):
    """Where an element of a page was called so too, its texts were no longer looked up: it was called."""
    other = re.compile(r"(?:const|let|function) say\b|[{,(] *say *[,})=]|\bsay *=[^=>]")
    for path in (chinese.ROOT / folder).glob("*.js"):
        text = path.read_text(encoding="utf-8")
        if re.search(r'^import .*say\.js";$', text, re.M):
            assert other.search(re.sub(r"^import .*$", "", text, flags=re.M)) is None, path.name


# ---- Pages ----


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('href="../../_static/a.css?v=1"', 'href="../../../_static/a.css?v=1"'),
        ('href="../05_arcface/lesson.html#x"', 'href="../05_arcface/lesson.html#x"'),
        ('href="exercises.html"', 'href="../../../lessons/01_softmax/exercises.html" hreflang="en"'),
        (
            'href="../02_normface/lesson.html"',
            'href="../../../lessons/02_normface/lesson.html" hreflang="en"',
        ),
        ('href="#here"', 'href="#here"'),
        ('href="https://example.org/a.html"', 'href="https://example.org/a.html"'),
        ('src="data:image/png;base64,AA"', 'src="data:image/png;base64,AA"'),
        ('href="../../../lessons/01_softmax/lesson.html"', 'href="../../../lessons/01_softmax/lesson.html"'),
    ],
)
def test_addresses_of_a_page_that_is_moved(before, after):
    assert chinese.moved(before, "lessons/01_softmax/lesson") == after


def test_the_pages_are_those_of_the_list_and_every_address_in_them_is_there(book):
    home = book / FOLDER
    assert {path.relative_to(home).with_suffix("").as_posix() for path in home.rglob("*.html")} == set(PAGES)
    for name in PAGES:
        path = home / f"{name}.html"
        text = path.read_text(encoding="utf-8")
        assert '<html lang="zh-CN"' in text
        for address in re.findall(r'\b(?:href|src)="(?![a-z]+:|#|//)([^"#?]+)', text):
            assert (path.parent / unquote(address)).exists(), (name, address)


def anchors(path):
    return re.findall(r'<section[^>]* id="([^"]+)"', path.read_text(encoding="utf-8"))


# Two of the pages, one without formulas and one with all there is; the others with --full.
FIRST = ("book/intro", "lessons/05_arcface/lesson")
SOME = [*FIRST, *(pytest.param(page, marks=pytest.mark.full) for page in PAGES if page not in FIRST)]


@pytest.mark.parametrize("name", SOME)
def test_the_switch_leads_to_the_same_place_and_back(book, page, name):
    here, there = book / f"{name}.html", book / FOLDER / f"{name}.html"
    assert anchors(here) == anchors(there)
    place = anchors(here)[1]
    load(page, f"{here.as_uri()}#{place}")
    for other, words in ((there, "中文"), (here, "English")):
        switch = page.locator(".marginlab-language")
        expect(switch).to_have_text(words)
        switch.focus()
        page.keyboard.press("Enter")
        page.wait_for_url(f"{other.as_uri()}#{place}")


def test_pages_in_one_language_have_no_switch(book):
    for name in set(ENGLISH) - set(PAGES):
        assert "marginlab-language" not in (book / f"{name}.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SOME)
def test_a_page_in_both_themes_and_on_a_phone(book, page, name):
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        load(page, (book / FOLDER / f"{name}.html").as_uri())
        assert axe(page) == []
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_explorer_speaks_and_trains(book, page):
    words = chinese.texts(chinese.SCRIPTS)
    load(page, (book / FOLDER / "book/intro.html").as_uri())
    expect(page.locator("[data-do=walk]")).to_have_text(words.get("show me", "show me"))
    page.locator("#explorer [name=margin]").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#explorer[data-state=done]", timeout=120_000)
    more = words.get("more", "more")
    expect(page.locator("[data-do=more]")).to_have_text(more)


def test_nothing_is_built_again_where_nothing_has_changed(book, monkeypatch):
    monkeypatch.setattr(chinese, "sphinx", None)
    assert chinese.build() == 0
