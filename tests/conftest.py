import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "agg")

import browser as browsers
import pytest
from hypothesis import settings

# The machines of CI are shared: a slow example is no failure. Examples are the same in every run.
settings.register_profile("marginlab", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("marginlab")


# Those that take minutes: begun first, so that two workers end together.
LONGEST = [
    "test_book",
    "test_backends",
    "test_course",
    "test_distribution",
    "test_lessons",
    "test_explorer_lab",
]


def pytest_collection_modifyitems(items):
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


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
