"""What tests of the built book share: which pages there are, and how one is opened and looked at."""

import os
from pathlib import Path

import nbformat
import yaml
from axe_playwright_python.sync_playwright import Axe

ROOT = Path(__file__).parent.parent
HTML = ROOT / "_build" / "html"
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
PAGES = [TOC["root"], *[c["file"] for part in TOC["parts"] for c in part["chapters"]]]
LESSONS = [page for page in PAGES if page.startswith("lessons/")]
NAMES = [page.split("/")[1] for page in LESSONS]
MATHS = {*LESSONS, "book/notation", "book/glossary"}
# Not this process's backend of matplotlib: the kernels' own shows figures in the page.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}


def load(page, url):
    page.goto(url)
    page.wait_for_load_state("load")
    page.wait_for_function("!document.querySelector('.math') || document.querySelector('mjx-container')")


def axe(page, within=None):
    """Violations of WCAG 2.1 AA, with where they are: of the page, or of what a selector finds in it."""
    options = {"preload": False, "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
    options |= {"resultTypes": ["violations"]}
    page.add_style_tag(content="* { transition: none !important; }")  # no colour is half-way to another
    found = Axe().run(page, context=within, options=options).response["violations"]
    return [(v["id"], n["target"], n.get("failureSummary", "")[:300]) for v in found for n in v["nodes"][:3]]


def built_pages(book):
    """Every page that was built, by its name, whatever built it: a table of contents, an index, a search."""
    pages = [path.relative_to(book) for path in sorted(book.rglob("*.html")) if "_static" not in path.parts]
    return [path.with_suffix("").as_posix() for path in pages]


def lesson(name):
    return nbformat.read(ROOT / f"{name}.ipynb", as_version=4)
