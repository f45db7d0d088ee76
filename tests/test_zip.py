"""The whole book in one file: unpacked into awkward folders, with no network, it opens and trains."""

import hashlib
import zipfile

import pytest
import zipped
from built import ROOT
from playwright.sync_api import expect

from marginlab import __version__, course


@pytest.fixture(scope="module")
def made(book):
    return zipped.write(book.parent)


@pytest.mark.parametrize("folder", ["a folder with spaces", "Bücher & Übungen", "книга 书"])
def test_it_opens_from_any_folder_on_a_phone_and_trains(made, browser, tmp_path, folder):
    with zipfile.ZipFile(made) as file:
        file.extractall(tmp_path / folder)
    context = browser.new_context(viewport={"width": 360, "height": 740}, offline=True)
    page, wrong = context.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("requestfailed", lambda request: wrong.append(request.url))
    page.goto((tmp_path / folder / f"marginlab-{__version__}" / zipped.START).as_uri())
    assert f"marginlab {__version__}" in page.locator("body").inner_text()
    page.get_by_role("link", name="Open the book").click()
    slider = page.locator("#explorer [name=margin]")
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#explorer[data-state=done]", timeout=120_000)
    expect(page.locator("#explorer .mlx-say")).to_contain_text("of the 10,000 test images right")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert wrong == []
    context.close()


def test_its_sums_are_those_of_its_files_and_no_solution_is_in_it(made):
    with zipfile.ZipFile(made) as file:
        top = f"marginlab-{__version__}/"
        sums = dict(line.split("  ")[::-1] for line in file.read(f"{top}SHA256SUMS").decode().splitlines())
        names = {name.removeprefix(top) for name in file.namelist()} - {"SHA256SUMS"}
        assert names == set(sums)
        files = {name: file.read(top + name) for name in names}
    for name, data in files.items():
        assert hashlib.sha256(data).hexdigest() == sums[name]
        if not name.endswith((".py", ".md")):  # the package knows these marks, and instructors read of them
            assert b"BEGIN SOLUTION" not in data
            assert b"BEGIN HIDDEN TESTS" not in data
    assert {name for name in names if name.endswith("lesson.html")} >= {"book/lessons/05_arcface/lesson.html"}
    notebooks = course.contents(ROOT / "lessons")
    assert {name for name in names if name.startswith("notebooks/")} == {
        f"notebooks/{name}" for name in notebooks
    }


def test_the_same_book_gives_the_same_file_and_none_gives_an_error(made, book, tmp_path):
    before = made.read_bytes()
    assert zipped.write(book.parent).read_bytes() == before
    with pytest.raises(FileNotFoundError, match="make html"):
        zipped.write(tmp_path)
    assert not list(tmp_path.glob("*.zip"))
