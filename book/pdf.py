"""Prints the book's single page as a PDF, with the browser that the tests use; no TeX is needed.

python book/pdf.py _build/singlehtml/index.html _build/marginlab.pdf
"""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import browser


def main(html, pdf):
    path = browser.find() or sys.exit(browser.MISSING)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = chromium.new_page()
        page.set_default_timeout(300_000)
        page.goto(Path(html).resolve().as_uri())
        page.evaluate("document.querySelectorAll('img').forEach(image => { image.loading = 'eager' })")
        page.wait_for_function("[...document.images].every(image => image.complete)")
        page.wait_for_function("window.MathJax?.startup?.promise")
        page.evaluate("MathJax.startup.promise.then(() => true)")
        page.pdf(path=pdf, format="A4", outline=True, tagged=True, print_background=True)
        chromium.close()
    print(f"{pdf}: {Path(pdf).stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])
