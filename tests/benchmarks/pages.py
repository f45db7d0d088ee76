"""Each page of the built book: its weight, and what goes wrong on it.

    python tests/benchmarks/pages.py      # after `make html`

at first: bytes until the page is at rest. all: with every figure scrolled to. Then requests to other hosts,
errors on the console, and violations of WCAG 2.1 AA in both themes.
"""

import functools
import http.server
import sys
import threading
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))
import browser as browsers
from built import HTML, axe, built_pages
from conftest import QuietHandler


def measure(page, url):
    """A row of the table, for one page."""
    sizes, outside, errors = {}, [], []
    page.on(
        "request", lambda r: r.url.startswith(("http://127.0.0.1:", "data:", "blob:")) or outside.append(r)
    )
    page.on("requestfinished", lambda r: sizes.update({r.url: r.sizes()["responseBodySize"]}))
    page.on("console", lambda m: m.type == "error" and errors.append(m.text))
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(url)
    page.wait_for_load_state("networkidle")
    weights = [sum(sizes.values())]
    for image in page.locator("article img").all():
        image.scroll_into_view_if_needed()
    page.wait_for_load_state("networkidle")
    weights.append(sum(sizes.values()))
    page.add_style_tag(content="* { transition: none !important; }")
    violations = len(axe(page))
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    return [
        *(f"{weight / 1e6:.2f}" for weight in weights),
        len(outside),
        len(errors),
        violations + len(axe(page)),
    ]


def main():
    handler = functools.partial(QuietHandler, directory=str(HTML))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    line = "{:36} {:>13} {:>7} {:>8} {:>7} {:>11}".format
    print(line("page", "at first (MB)", "all", "outside", "errors", "violations"))
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browsers.find(), args=["--no-sandbox"])
        for name in built_pages(HTML):
            context = chromium.new_context(viewport={"width": 1280, "height": 900})
            found = measure(context.new_page(), f"http://127.0.0.1:{server.server_port}/{name}.html")
            print(line(name, *found), flush=True)
            context.close()
        chromium.close()
    server.shutdown()


if __name__ == "__main__":
    main()
