"""Each page in a browser: from a file and from a server, on a phone, in both themes, before its scripts."""

import pytest
from built import MATHS, PAGES, axe, load


@pytest.mark.parametrize("name", PAGES)
def test_page_from_a_file(book, page, name):
    """No network, no server: text, mathematics, figures and what they say, a phone's width, both themes."""
    load(page, (book / f"{name}.html").as_uri())
    images = page.locator("article img")
    for image in images.all():
        image.scroll_into_view_if_needed()
        assert len(image.get_attribute("alt") or "") > 20, image.get_attribute("src")[:100]
    page.wait_for_function(
        "[...document.querySelectorAll('article img')].every(i => i.complete && i.naturalWidth > 0)"
    )
    formulas, set_ = page.locator("article .math").count(), page.locator("article mjx-container").count()
    assert bool(formulas) == bool(set_)
    assert formulas or name not in MATHS
    assert page.locator("mjx-merror, [data-mjx-error]").count() == 0
    text = page.locator("article").inner_text()
    assert "Traceback" not in text
    assert len(text) > 500
    assert page.locator("article h1").count() == 1
    assert axe(page) == []
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert axe(page) == []
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for image in images.all():
        shown, own = image.evaluate("i => [i.width / i.height, i.naturalWidth / i.naturalHeight]")
        assert abs(shown / own - 1) < 0.05, image.get_attribute("src")[:100]  # not squeezed


@pytest.mark.parametrize("name", PAGES)
def test_page_from_a_server(served, page, name):
    """Below any path; and 3 MB at most, with all figures."""
    sizes = {}
    page.on("requestfinished", lambda r: sizes.update({r.url: r.sizes()["responseBodySize"]}))
    load(page, f"{served}{name}.html")
    for image in page.locator("article img").all():
        image.scroll_into_view_if_needed()
    page.wait_for_load_state("networkidle")
    assert sum(sizes.values()) <= 3e6, sorted(sizes.items(), key=lambda item: -item[1])[:6]


@pytest.mark.parametrize("name", PAGES)
def test_page_is_painted_before_any_script_comes(served, page, name):
    page.route("**/*.js*", lambda route: None)  # never answered
    page.goto(f"{served}{name}.html", wait_until="commit")
    page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
    assert page.locator("article h1").is_visible()
