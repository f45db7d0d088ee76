"""Prints the book's single page as a PDF, with the browser that the tests use; no TeX is needed.

python book/pdf.py _build/singlehtml _build/marginlab.pdf
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import browser


def main(folder, pdf):
    path = browser.find() or sys.exit(browser.MISSING)
    # Sphinx writes the page into a folder of its own, but its links as if it stood above.
    html = shutil.copy(Path(folder, "book", "intro.html"), Path(folder, "book.html"))
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = chromium.new_page()
        page.goto(html.resolve().as_uri())
        # Paper moves no slider: it gets what a browser without scripts shows.
        page.evaluate("document.querySelectorAll('noscript').forEach(e => { e.outerHTML = e.textContent })")
        page.evaluate("document.querySelectorAll('img').forEach(image => { image.loading = 'eager' })")
        page.wait_for_function("[...document.images].every(image => image.complete)")
        page.wait_for_function("window.MathJax?.startup?.promise")
        page.evaluate("MathJax.startup.promise.then(() => true)")
        page.pdf(path=pdf, format="A4", outline=True, tagged=True, print_background=True)
        chromium.close()
    print(f"{pdf}: {Path(pdf).stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])
