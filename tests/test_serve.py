"""`make book` at once: a release from its zip, and the landing page while the chapters are trained."""

import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import zipfile

import pytest
import serve
import zipped
from built import ENVIRONMENT, ROOT

from marginlab import __version__


def get(address):
    """Status and text."""
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


@pytest.fixture
def serving():
    """Serves a building: a function that gives its address."""
    open_ones = []

    def begin(building):
        site = serve.server(building, 0)
        threading.Thread(target=site.serve_forever, daemon=True).start()
        open_ones.append(site)
        return f"http://127.0.0.1:{site.server_port}/"

    yield begin
    for site in open_ones:
        site.shutdown()
        site.server_close()


# ---- From a release ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def release(book):
    return zipped.write(book.parent)


def test_a_release_is_served_by_a_python_that_has_nothing_installed(release, tmp_path):
    shutil.copytree(ROOT / "book", tmp_path / "book", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-I", "-S", tmp_path / "book" / "serve.py", "--from", release, "--port", "0"]
    for _ in range(2):  # twice: what is unpacked already is unpacked anew
        # What a shell starts in the background ignores Ctrl+C, and so does all that it starts.
        heard = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **heard) as process:
            assert "unpacked and checked" in process.stdout.readline()
            address = re.search(r"http://\S+/", process.stdout.readline())[0]
            assert get(f"{address}book/intro.html")[0] == 200
            assert "ArcFace" in get(f"{address}lessons/05_arcface/lesson.html")[1]
            assert get(f"{address}nothing.html")[0] == 404
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0


def spoiled(release, path, change):
    """The release with its files changed by a function of {name: bytes}."""
    with zipfile.ZipFile(release) as file:
        files = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w") as out:
        for name, data in change(files).items():
            out.writestr(name, data)
    return path


TOP = f"marginlab-{__version__}/"


def with_sum(files, name, data):
    """Files with one more, which its sums name too."""
    sums = files[f"{TOP}SHA256SUMS"] + f"{hashlib.sha256(data).hexdigest()}  {name}\n".encode()
    return files | {f"{TOP}{name}": data, f"{TOP}SHA256SUMS": sums}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda files: files | {f"{TOP}book/book/intro.html": b"other"}, "damaged"),
        (lambda files: {n: d for n, d in files.items() if not n.endswith("intro.html")}, "damaged"),
        (lambda files: files | {f"{TOP}book/more.html": b"not summed"}, "more.html"),
        (lambda files: {n: d for n, d in files.items() if "SHA256SUMS" not in n}, "no release"),
        (lambda files: with_sum(files, "../../outside.html", b"x"), "outside"),
        (lambda _: {}, "no release"),
    ],
)
def test_a_damaged_or_strange_zip_is_refused_and_what_was_there_stays(release, tmp_path, change, word):
    home = serve.unpacked(release, tmp_path / "from")
    before = (home / serve.LANDING).read_bytes()
    path = spoiled(release, tmp_path / "marginlab-9.zip", change)
    with pytest.raises(ValueError, match=word):
        serve.unpacked(path, tmp_path / "from")
    assert (home / serve.LANDING).read_bytes() == before
    assert [it.name for it in (tmp_path / "from").iterdir()] == [TOP.strip("/")]
    assert not (tmp_path / "outside.html").exists()


def test_no_zip_and_no_file_are_said(tmp_path):
    text = tmp_path / "notes.zip"
    text.write_text("no zip")
    with pytest.raises(ValueError, match=r"notes\.zip is no zip"):
        serve.unpacked(text, tmp_path)
    with pytest.raises(FileNotFoundError, match=r"there is no file .*none\.zip"):
        serve.found(str(tmp_path / "none.zip"))
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path))):
        serve.found("zip", (tmp_path,))


def test_the_newest_release_is_the_one_of_the_highest_version(tmp_path):
    for name in ("marginlab-0.9.1.zip", "marginlab-0.10.0.zip", "marginlab-0.2.0.zip", "other-1.0.zip"):
        (tmp_path / name).touch()
    assert serve.found("zip", (tmp_path / "none", tmp_path)).name == "marginlab-0.10.0.zip"


# ---- While it is built ---------------------------------------------------------------------------


def pages_of(folder):
    (folder / serve.LANDING).parent.mkdir(parents=True)
    (folder / serve.LANDING).write_text("<body><article class=bd>the book</article>", encoding="utf-8")
    return folder


def test_what_is_not_there_yet_says_how_far_it_is_and_then_it_is_there(tmp_path, serving):
    building = serve.Building(tmp_path)
    address = serving(building)
    status, said = get(address)
    assert status == 200
    assert "is being built" in said
    assert 'http-equiv="refresh"' in said

    pages_of(tmp_path / serve.FIRST)
    building.hear("  lessons/05_arcface/lesson.ipynb: 61 s (4/16, 120 s)\n")
    building.begun -= 120
    status, said = get(f"{address}{serve.LANDING}")
    assert "4 of 16 pages, about 7 min left" in said
    assert "the book</article>" in said
    assert 'http-equiv="refresh"' not in said  # it would end the reader's run
    assert "4 of 16" in get(f"{address}lessons/05_arcface/lesson.html")[1]
    assert get(f"{address}_static/none.css")[0] == 404

    pages_of(tmp_path / serve.PAGES)  # pages are written one by one: not yet
    assert json.loads(get(f"{address}{serve.PROGRESS}")[1])["ready"] is False
    assert "4 of 16" in get(f"{address}{serve.LANDING}")[1]
    building.state = "ready"
    assert json.loads(get(f"{address}{serve.PROGRESS}")[1])["ready"] is True
    assert get(f"{address}{serve.LANDING}")[1] == "<body><article class=bd>the book</article>"
    assert get(f"{address}lessons/05_arcface/lesson.html")[0] == 404


def test_an_older_book_is_read_while_it_is_built_anew(tmp_path, serving):
    pages_of(tmp_path / serve.PAGES)
    building = serve.Building(tmp_path)
    assert building.before
    assert "building" not in get(f"{serving(building)}{serve.LANDING}")[1]
    building.state = "failed"
    assert "the terminal says why" in building.said()


def test_it_hears_what_the_build_says():
    """The words are build.py's own: its format stands in its code once."""
    source = (ROOT / "book" / "build.py").read_text(encoding="utf-8")
    assert 'so_far = f"{count}/{len(pages)}, {time.monotonic() - start:.0f} s"' in source
    building = serve.Building()
    building.hear(f"  name: {20.4:.0f} s ({3}/{16}, {88.2:.0f} s)\n")
    assert (building.trained, building.count) == (3, 16)


@pytest.mark.full
def test_the_landing_page_comes_alone_and_trains_and_then_leads_to_the_chapters(book, page, serving):
    command = [sys.executable, str(ROOT / "book" / "build.py"), "--first"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    building = serve.Building()
    building.before = False
    page.goto(serving(building))
    banner = page.locator("#marginlab-building")
    assert "is being built" in banner.inner_text()
    page.locator("#explorer [name=margin]").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#explorer[data-state=done]")
    building.state = "ready"
    banner.get_by_role("link").click()
    page.wait_for_load_state()
    assert page.locator("#marginlab-building").count() == 0
    page.goto(page.url.replace("book/intro.html", "lessons/05_arcface/lesson.html"))
    assert "ArcFace" in page.title()
