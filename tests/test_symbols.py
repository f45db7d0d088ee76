"""Symbols of the formulas: each row of the notation is a class on some page, and opens a card."""

import json
import re

import pytest
import symbols
from built import LESSONS, PAGES, ROOT, axe, load
from playwright.sync_api import expect

KNOWN = symbols.symbols((ROOT / "book" / "notation.md").read_text(encoding="utf-8"))
CLASS = re.compile(r"\\class\{sym-(\w+)\}")


@pytest.fixture(scope="module")
def texts(book):
    return {name: (book / f"{name}.html").read_text(encoding="utf-8") for name in PAGES}


def unwrapped(tex):
    """The formula as it was: what the classes wrap, without them."""
    while found := CLASS.search(tex):
        end = symbols._closing(tex, found.end())
        tex = tex[: found.start()] + tex[found.end() + 1 : end] + tex[end + 1 :]
    return tex


@pytest.mark.parametrize(
    ("tex", "names"),
    [
        (r"\theta", ["theta"]),
        (r"f_y = s\,\psi(\theta_y)", ["f", "y", "scale", "psi", "theta", "y"]),
        (r"\theta = \operatorname{atan2}(s, c)", ["theta", "sine", "c"]),
        (r"\operatorname{ucos}(m_1\theta + m_2) - m_3", ["ucos", "m", "theta", "m", "m"]),
        (r"\hat x\cdot\hat w_j", ["unit", "unit"]),
        (r"\lVert w_j\rVert\,\lVert x\rVert\cos\theta_j", ["length", "length", "theta"]),
        (r"\theta^{d-1}", ["theta", "d"]),
        (r"d\theta = \frac{c\,ds - s\,dc}{s^2 + c^2}", ["theta", "c", "sine", "sine", "c", "sine", "c"]),
        (r"\text{the margin m of d classes}", []),
        (r"\begin{aligned} x \end{aligned}", ["x"]),
        (r"e^{f_j}", ["f"]),
        (r"\left\lVert\frac{\partial\theta}{\partial x}\right\rVert", ["theta", "x"]),
        (r"\bigl(1 - \psi(0)\bigr)", ["psi"]),
        ("", []),
    ],
)
def test_the_symbols_of_a_formula(tex, names):
    wrapped = symbols.Wrapper(KNOWN)(tex)
    assert CLASS.findall(wrapped) == names
    assert re.sub(r"[{}\s]", "", unwrapped(wrapped)) == re.sub(r"[{}\s]", "", tex)


def test_a_letter_that_nobody_explains_is_told():
    wrap = symbols.Wrapper(KNOWN)
    wrap(r"\gamma + q_j")
    assert wrap.unknown == {r"\gamma", "q"}


def test_each_row_has_its_class_on_some_page_and_each_class_its_row(texts):
    found = {name: set(CLASS.findall(text)) for name, text in texts.items()}
    assert set().union(*found.values()) == {it.name for it in KNOWN}
    for it in KNOWN:
        first = next(name for name in LESSONS if it.name in found[name])
        assert f"(../{first}.ipynb)" in it.first, f"{it.name} comes in with {first}"


def test_a_page_has_the_words_of_its_symbols_and_little_more(texts):
    script = (ROOT / "book" / "_static" / "symbols.js").stat().st_size
    for name, text in texts.items():
        cards = re.search(r'id="marginlab-cards">(.*?)</script>', text, re.S)
        data = json.loads(cards[1]) if cards else {"symbols": {}}
        assert set(data["symbols"]) == set(CLASS.findall(text)), name
        assert script + (len(cards[1].encode()) if cards else 0) <= 20_000
        for said in data["symbols"].values():
            assert not set("$\\{}") & set(said["name"] + said["range"]), said


# Lays each formula out as it was, beside itself.
WIDTHS = """async formulas => {
  await MathJax.startup.promise;
  const box = document.querySelector("article").appendChild(document.createElement("div"));
  const size = at => {
    const {width, height} = at.querySelector("mjx-math").getBoundingClientRect();
    return [width, height];
  };
  const out = [];
  for (const item of MathJax.startup.document.math) {
    const plain = formulas[item.math];
    const made = await MathJax.tex2chtmlPromise(plain, {display: item.display});
    made.style.fontSize = item.typesetRoot.style.fontSize;
    box.append(made);
    const [a, b] = [size(item.typesetRoot), size(made)];
    made.remove();
    if (a[0]) out.push([plain, ...a, ...b]); // what is folded has no size
  }
  return out;
}"""


@pytest.mark.parametrize("name", [LESSONS[0], LESSONS[5]])
def test_nothing_is_moved_by_a_pixel(book, page, name):
    load(page, (book / f"{name}.html").as_uri())
    formulas = "MathJax.startup.promise.then(() => [...MathJax.startup.document.math].map(it => it.math))"
    tex = page.evaluate(formulas)
    sizes = page.evaluate(WIDTHS, {it: unwrapped(it) for it in tex})
    assert len(sizes) > 30
    wrong = [it for it in sizes if abs(it[1] - it[3]) > 0.5 or abs(it[2] - it[4]) > 0.5]
    assert wrong == []


@pytest.fixture
def arcface(book, page):
    load(page, (book / f"{LESSONS[5]}.html").as_uri())
    page.wait_for_selector(".marginlab-list", state="attached")
    return page


def symbol(page, name, place=0):
    return page.locator(f"article mjx-math .sym-{name}").nth(place)


def test_a_card_says_what_a_symbol_is_here_and_what_it_is_now(arcface):
    card = arcface.locator(".marginlab-card")
    assert card.is_hidden()
    arcface.locator(".marginlab-explorer [name=margin]").first.fill("0.5")
    symbol(arcface, "m").hover()
    text = card.inner_text()
    assert "ArcFace's, an angle in radians" in text
    assert "In the explorer now: 0.50 radians." in text
    assert arcface.locator(".sym-m:not(.marginlab-lit)").count() == 0
    # The pointer may go to the card, which stays; Escape closes it.
    card.hover()
    arcface.wait_for_timeout(500)
    assert card.is_visible()
    assert card.locator("a").first.get_attribute("href").endswith("03_sphereface/lesson.html")
    arcface.keyboard.press("Escape")
    assert card.is_hidden()
    assert arcface.locator(".marginlab-lit").count() == 0


def test_theta_is_that_of_the_digit_pointed_at(arcface):
    arcface.locator(".mlx-plane").first.focus()
    arcface.keyboard.press("ArrowRight")
    which = arcface.locator(".mlx-which").first
    expect(which).to_contain_text("θ to its class")
    said = which.inner_text()
    symbol(arcface, "theta").hover()
    assert said in arcface.locator(".marginlab-card").inner_text()


def test_who_points_at_the_picture_sees_its_symbols(arcface):
    arcface.locator(".marginlab-explorer [name=margin]").first.hover()
    assert arcface.locator(".sym-m.marginlab-lit").count() > 0
    assert arcface.locator(".sym-psi.marginlab-lit").count() == 0
    arcface.locator("article h1").hover()
    assert arcface.locator(".marginlab-lit").count() == 0


def test_by_keys_and_by_touch_a_formula_lists_its_symbols(arcface):
    card = arcface.locator(".marginlab-card")
    formula = arcface.locator("article div.math").first
    formula.locator("mjx-container").focus()
    assert "margin" in card.inner_text()
    arcface.keyboard.press("Escape")
    formula.locator(".marginlab-list").click()
    said = card.inner_text()
    assert all(f" {name}." in said for name in ("angle between x and wⱼ", "margin"))
    arcface.locator("article h1").click()
    assert card.is_hidden()


def test_terms_and_papers_have_cards_too(book, page):
    load(page, (book / f"{LESSONS[2]}.html").as_uri())
    card = page.locator(".marginlab-card")
    page.locator("article a[href*='glossary.html#scale']").first.hover()
    assert card.inner_text().startswith("Scale\n")
    page.locator("article a[href*='bibliography.html#']", has_text="Wang, F. and others (2017)").first.hover()
    assert "NormFace" in card.inner_text()


def test_a_card_is_accessible_in_both_themes(arcface):
    for theme in ("light", "dark"):
        arcface.evaluate("theme => (document.documentElement.dataset.theme = theme)", theme)
        symbol(arcface, "theta").hover()
        assert arcface.locator(".marginlab-card").is_visible()
        assert axe(arcface, ".marginlab-card, .marginlab-lit") == []
        arcface.locator("article h1").hover()  # what the pointer rests on already says nothing again
        arcface.keyboard.press("Escape")
