"""The explorer alone, in a frame of another's page; the dialog that makes it; a page that is projected."""

import html
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from built import axe
from playwright.sync_api import expect

QUERY = "head=arcface&margin=0.5&hide=scale,naive&lock=seed"
DONE = "#explorer[data-state=done]"


@pytest.fixture
def alone(book):
    return (book / "embed.html").as_uri()


@pytest.fixture
def foreign():
    """frame(line): the address of a page of another server that holds a line of HTML and nothing else."""
    lines = []

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(
                f'<!doctype html><html lang="en"><link rel="icon" href="data:,">{lines[-1]}'.encode()
            )

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def frame(line):
        lines.append(line)
        return f"http://127.0.0.1:{server.server_port}/"

    yield frame
    server.shutdown()
    server.server_close()


def reached(page):
    """The names of the controls that the Tab key comes to."""
    page.evaluate("document.activeElement.blur()")
    found = []
    for _ in range(60):
        page.keyboard.press("Tab")
        found.append(page.evaluate("document.activeElement.getAttribute('name')"))
    return {name for name in found if name}


def test_what_a_link_hides_is_not_there_and_what_it_locks_does_not_move(alone, page):
    page.goto(f"{alone}#explorer?{QUERY}")
    page.wait_for_selector(DONE)
    assert "of the 10,000 test images right" in page.locator(".mlx-say").inner_text()
    tree = page.locator("main").aria_snapshot()
    assert 'slider "margin' in tree
    assert re.search(r'slider "seed[^\n]*\[disabled\]', tree), tree
    assert "scale" not in tree
    assert "break it" not in tree
    assert 'button "embed"' not in tree  # it is embedded already
    assert reached(page) == {"margin", "guess", "head", "start"}
    assert page.locator("[name=margin]").input_value() == "0.5"
    expect(page.locator("[name=seed]")).to_be_disabled()
    # Another head has other sliders: the same are hidden. And so they are where the frame is loaded again.
    page.locator("[name=head]").select_option("cosface")
    page.wait_for_function("location.hash.includes('head=cosface')")
    page.reload()
    page.wait_for_selector(DONE)
    assert reached(page) == {"margin", "guess", "head", "start"}
    assert page.evaluate("location.hash").endswith("&hide=scale,naive&lock=seed")
    # A link without them leaves them; one that says "hide=" shows all.
    page.evaluate("location.hash = 'explorer?head=cosface&margin=0.2&hide='")
    page.wait_for_function("document.querySelector('[name=margin]').value === '0.2'")
    assert {"scale", "naive", "seed"} <= reached(page)
    page.evaluate("location.hash = 'explorer?head=own&hide=psi,head,start,guess,naive,seed,scale,m,a,b'")
    page.wait_for_function("location.hash.includes('psi=')")
    assert reached(page) == set()
    assert not re.search('group "', page.locator("main").aria_snapshot())  # of controls none is left


HOSTILE = {
    "explorer?head=arcface&hide=constructor,__proto__": "there is no control called “constructor, __proto__”",
    "explorer?head=arcface&lock=toString": "there is no control called “toString”",
    "explorer?hide=scale": "names no head",
    "explorer?head=arcface&hide=%3Cimg%20src=x%20onerror=alert(1)%3E": "“<img src=x onerror=alert(1)>”",
    "explorer?head=arcface&hide=" + ",".join(f"x{k}" for k in range(2000)): "no control called “x0, x1",
    "explorer?head=__proto__&hide=hasOwnProperty": "And there is no control called “hasOwnProperty”",
    "explorer?head=arcface&margin=99&lock=margin": "margin cannot be “99”",
    "explorer?head=arcface&hide=scale&hide=seed": "“hide” is said more than once",
    "explorer-7?head=arcface&hide=scale": "This page has no “explorer-7”",
    "explorer?%&&=&hide": "names no head",
}


def test_an_edited_hash_breaks_nothing_and_is_answered(alone, page):
    for fragment, words in HOSTILE.items():
        page.goto("about:blank")
        page.goto(f"{alone}#{fragment}")
        status = page.locator(".mlp-status")
        expect(status).to_contain_text(words)
        assert len(status.inner_text()) < 300
        assert page.locator("[name=margin]").is_visible()
    assert page.locator("img[src=x]").count() == 0


def test_in_a_frame_of_another_page_it_trains_from_320_px_on(served, foreign, page):
    address = html.escape(f"{served}embed.html#explorer?{QUERY}")
    for width, height in ((320, 900), (760, 720)):
        page.goto(
            foreign(f'<iframe src="{address}" width="{width}" height="{height}" title="Explorer"></iframe>')
        )
        frame = page.frames[1]
        frame.wait_for_selector(DONE)
        wide = frame.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide == [width, width]
    # The usual height holds it without a bar at its side.
    assert frame.evaluate("document.documentElement.scrollHeight <= innerHeight")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_alone_it_is_accessible_as_the_readers_system_has_it(alone, page, scheme):
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{alone}#explorer?{QUERY}")
    page.wait_for_selector(DONE)
    ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert ground == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(21, 23, 27)")
    assert axe(page) == []
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.emulate_media(color_scheme="dark" if scheme == "light" else "light")
    page.wait_for_function("s => document.documentElement.dataset.theme !== s", arg=scheme)


def opened(page):
    page.get_by_role("button", name="embed").first.click()
    dialog = page.get_by_role("dialog", name="Put this explorer into a page of yours")
    dialog.wait_for()
    return dialog


@pytest.mark.full
def test_the_dialog_makes_a_link_and_a_line_that_work_elsewhere(served, foreign, page):
    page.goto(f"{served}lessons/05_arcface/lesson.html#explorer?head=cosface&margin=0.4&seed=3")
    page.wait_for_selector(DONE)
    button = page.get_by_role("button", name="embed").first
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    assert dialog.get_by_label("The book’s address on the web").input_value() == served
    dialog.get_by_label("hide scale").check()
    dialog.get_by_label("lock seed").check()
    dialog.get_by_label("hide break it").check()
    link = dialog.get_by_label("Link", exact=True).input_value()
    query = "head=cosface&margin=0.4&scale=30&seed=3&hide=scale,naive&lock=seed"
    assert link == f"{served}embed.html#explorer?{query}"
    line = dialog.get_by_label("Line for a page").input_value()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    dialog.get_by_role("button", name="copy the line").click()
    dialog.get_by_role("button", name="copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == line
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert button.evaluate("it => it === document.activeElement")
    # The line, in a page of another server.
    page.goto(foreign(line))
    frame = page.frames[1]
    frame.wait_for_selector(DONE)
    assert frame.locator("[name=margin]").input_value() == "0.4"
    assert not frame.locator("[name=scale]").is_visible()
    expect(frame.locator("[name=seed]")).to_be_disabled()


@pytest.mark.full
def test_from_a_file_the_dialog_asks_where_on_the_web_the_book_is(book, page):
    page.goto((book / "lessons/05_arcface/lesson.html").as_uri())
    dialog = opened(page)
    expect(dialog.get_by_role("status")).to_contain_text("a file, which others cannot open")
    assert (
        dialog.get_by_label("Link", exact=True).input_value().startswith("embed.html#explorer?head=arcface&")
    )
    dialog.get_by_label("The book’s address on the web").fill('https://example.org/"><b>book')
    expect(dialog.get_by_role("status")).to_have_text("")
    assert (
        dialog.get_by_label("Line for a page")
        .input_value()
        .startswith(
            '<iframe src="https://example.org/&quot;>&lt;b>book/embed.html#explorer?head=arcface&amp;margin='
        )
    )
    assert axe(page) == []
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert axe(page) == []
    page.set_viewport_size({"width": 360, "height": 640})
    box = dialog.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 360
    assert dialog.evaluate("it => it.scrollWidth <= it.clientWidth")


# How far from the left, as a share, the ink of a canvas lies in the mean.
INK = """it => {
    const { width, height } = it, { data } = it.getContext("2d").getImageData(0, 0, width, height);
    const inked = Array.from({ length: width * height }, (_, k) => k).filter(k => data[4 * k + 3] > 128);
    return inked.reduce((sum, k) => sum + (k % width), 0) / inked.length / width;
}"""


SIDES = ".bd-sidebar-primary, .bd-sidebar-secondary, .prev-next-area, .bd-header-article"


def test_a_projected_page_goes_from_figure_to_figure(book, page):
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto((book / "lessons/05_arcface/lesson.html").as_uri() + "?present")
    page.wait_for_load_state("networkidle")
    assert page.locator(SIDES).evaluate_all("all => all.every(it => !it.getBoundingClientRect().height)")
    size = "it => parseFloat(getComputedStyle(it).fontSize) * (it.currentCSSZoom ?? 1)"
    assert page.locator("article p").nth(2).evaluate(size) == pytest.approx(1.35 * 16, abs=0.6)
    seen = []
    for _ in range(5):
        page.keyboard.press("PageDown")
        page.wait_for_function("new Promise(done => requestAnimationFrame(() => done(true)))")
        seen.append(page.evaluate("scrollY"))
    assert seen == sorted(seen)
    assert len(set(seen)) == 5
    page.locator("#explorer [name=margin]").focus()  # a clicker does not know what has the focus
    value = page.locator("#explorer [name=margin]").input_value()
    page.keyboard.press("PageUp")
    assert page.locator("#explorer [name=margin]").input_value() == value
    # An explorer fits, and nothing hangs over.
    picture = page.locator("#explorer .mlx")
    picture.scroll_into_view_if_needed()
    assert picture.locator(".mlx-grid").bounding_box()["height"] < 720
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    # What is drawn lies where it is drawn, though the page is zoomed.
    picture.get_by_role("button", name="draw a digit").click()
    pad = picture.locator(".mlx-pad canvas")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.8 * box["height"], steps=5)
    page.mouse.up()
    assert pad.evaluate(INK) == pytest.approx(0.7, abs=0.02)
    page.locator("article h1").click()
    page.keyboard.press("Escape")
    assert page.evaluate("location.search") == ""
    assert page.locator(".bd-sidebar-primary").is_visible()
