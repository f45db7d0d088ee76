import functools
import http.server
import os
import subprocess
import sys
import threading

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "agg")

import browser as browsers
import pytest
from hypothesis import settings

# The machines of CI are shared: a slow example is no failure. Examples are the same in every run.
settings.register_profile("marginlab", deadline=None, derandomize=True, max_examples=20)
settings.register_profile("other backends", deadline=None, derandomize=True, max_examples=5)
settings.register_profile("full", deadline=None, derandomize=True, max_examples=100)

# Those that take minutes: begun first, so that two workers end together.
LONGEST = [
    "test_book",
    "test_backends",
    "test_course",
    "test_distribution",
    "test_lessons",
    "test_explorer_lab",
]
# Those that wait for the book, which is built while others run.
LAST = ["test_pages"]

# Files, and single tests of them, that compile or open something for each of their cases. Of each test
# `make test` takes so many cases at most, spread evenly from the first to the last, and on other backends,
# which compile slowly, one; `make test-all` (--full) takes them all.
SAMPLED = {
    "test_after": 2,
    "test_answers": 3,
    "test_asking": 2,
    "test_blockwise": 1,
    "test_checks": 8,
    "test_chinese::test_a_page_in_both_themes_and_on_a_phone": 1,
    "test_classifier": 1,
    "test_embed": 1,
    "test_engine": 3,
    "test_explorer": 1,
    "test_explorer_own": 1,
    "test_explorer_page": 1,
    "test_figures": 2,
    "test_gallery": 1,
    "test_heads": 4,
    "test_hooks": 1,
    "test_in_use": 1,
    "test_mathematics": 4,
    "test_numerics": 3,
    "test_pages::test_page_from_a_file": 6,
    "test_pages::test_page_is_painted_before_any_script_comes": 6,
    "test_receipts": 2,
    "test_room": 3,
    "test_scene": 1,
    "test_sheet_pages": 3,
    "test_training": 1,
    "test_walk": 1,
    "test_walls": 3,
    "test_zip": 1,
}


BACKEND = os.environ.get("KERAS_BACKEND", "tensorflow")


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="every parameter, and the tests marked `full`")


def pytest_configure(config):
    config.addinivalue_line("markers", "full: slow; only with --full, as in `make test-all`")
    profile = "marginlab" if BACKEND == "tensorflow" else "other backends"
    settings.load_profile("full" if config.getoption("full") else profile)


def sampled(items):
    """The cases that are taken without --full: a test without parameters is its own only case."""
    tests = {}
    for item in items:
        tests.setdefault((item.path, item.cls, getattr(item, "originalname", item.name)), []).append(item)
    for (path, *_), cases in tests.items():
        name = f"{path.stem}::{getattr(cases[0], 'originalname', cases[0].name)}"
        most = SAMPLED.get(name, SAMPLED.get(path.stem, len(cases))) if BACKEND == "tensorflow" else 1
        step = (len(cases) - 1) / max(1, most - 1)
        yield from cases if len(cases) <= most else (cases[round(k * step)] for k in range(most))


def pytest_collection_modifyitems(config, items):
    # Whoever names one test wants to see it.
    if not (config.getoption("full") or any("::" in str(arg) for arg in config.args)):
        chosen = {id(item) for item in sampled(items) if not item.get_closest_marker("full")}
        config.hook.pytest_deselected(items=[item for item in items if id(item) not in chosen])
        items[:] = [item for item in items if id(item) in chosen]
    order = {name: place for place, name in enumerate(LONGEST)} | dict.fromkeys(LAST, len(LONGEST) + 1)
    items.sort(key=lambda item: order.get(item.path.stem, len(LONGEST)))


@pytest.fixture(scope="session")
def browser():
    """A headless browser by Playwright; without one the test is skipped, and in CI it fails."""
    path = browsers.find()
    if path is None:
        if os.environ.get("CI"):
            pytest.fail(browsers.MISSING)
        pytest.skip(browsers.MISSING)
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=flags)
        yield chromium
        chromium.close()


def pytest_terminal_summary(terminalreporter):
    if any("NO BROWSER" in str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])):
        terminalreporter.section("NO BROWSER", sep="!", red=True)
        terminalreporter.write_line(browsers.MISSING)


@pytest.fixture(scope="session")
def book(tmp_path_factory):
    """The built book, every page executed whose code has changed: by the worker that asks first, for all."""
    from built import ENVIRONMENT, HTML, ROOT
    from filelock import FileLock

    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    said = shared / "book.txt"
    with FileLock(shared / "book.lock"):
        if not said.exists():
            command = [sys.executable, str(ROOT / "book" / "build.py")]
            build = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
            said.write_text(
                (build.stdout + build.stderr)[-4000:] if build.returncode else "", encoding="utf-8"
            )
    assert said.read_text(encoding="utf-8") == ""
    return HTML


@pytest.fixture(scope="session")
def served(book):
    """The same pages over http, below a path of their own."""
    handler = functools.partial(QuietHandler, directory=str(book.parent))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/html/"
    server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def page(browser):
    """A page that remembers what it asked for, what came, and what went wrong."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(120_000)  # a busy machine is slow, and that is no failure
    page.outside, page.errors, page.sizes = [], [], {}
    inside = ("file:", "data:", "blob:", "http://127.0.0.1:")
    page.on("request", lambda r: r.url.startswith(inside) or page.outside.append(r.url))
    page.on("console", lambda m: m.type == "error" and page.errors.append(m.text))
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    yield page
    assert page.outside == []
    assert page.errors == []
    context.close()
