"""One address, and what follows from it: links, buttons, and notebooks that fetch what they need."""

import subprocess
import sys
import types
import venv

import address
import launch
import launched
import nbformat
import pytest
from built import NAMES, ROOT

URL = "https://github.com/somebody/margins"
NONE = [
    "https://gitlab.com/somebody/margins",
    "github.com/a/b",
    "https://github.com/a",
    f"{URL}/tree/main",
    "x",
]
IN_COLAB = """
import os, sys, types
from IPython.core.interactiveshell import InteractiveShell
if {colab}:
    sys.modules["google.colab"] = types.ModuleType("google.colab")
shell = InteractiveShell.instance()
result = shell.run_cell(open("cell.txt").read())
result.raise_error()
print(os.getcwd())
"""


@pytest.fixture(scope="module")
def branch():
    return launch.contents(URL)


def test_the_address_stands_in_one_place_and_can_be_taken_away():
    now = {name: (ROOT / name).read_text(encoding="utf-8") for name in address.texts("")}
    assert address.texts(address.read()) == now, "make address URL=… was not run, or its lines were edited"
    bare = address.texts("")
    with_it = address.texts(URL)
    for name, text in with_it.items():
        assert text.count(URL) >= 1
        assert URL not in bare[name]
    assert "https://somebody.github.io/margins/" in with_it["README.md"].split("\n\n")[1]


def test_setting_it_twice_or_another_is_setting_it_once(tmp_path):
    for url in (URL, "https://github.com/another/name", URL, ""):
        for name, text in address.texts(url, tmp_path if list(tmp_path.iterdir()) else ROOT).items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        assert address.read(tmp_path) == url
        assert address.texts(url, tmp_path) == address.texts(url)


@pytest.mark.parametrize("url", NONE)
def test_another_address_is_refused(url):
    with pytest.raises(ValueError, match=r"https://github\.com/OWNER/NAME"):
        address.texts(url)


def test_chapters_and_sheets_have_buttons_and_no_other_page():
    def shown(page, url):
        app = types.SimpleNamespace(config=types.SimpleNamespace(html_context={"repository": url}))
        context = {"header_buttons": []}
        launched._buttons(app, page, "", context, None)
        return [it["url"] for group in context["header_buttons"] for it in group["buttons"]]

    page = "lessons/05_arcface/exercises"
    assert shown(page, URL) == [
        f"https://colab.research.google.com/github/somebody/margins/blob/notebooks/{page}.ipynb",
        f"https://mybinder.org/v2/gh/somebody/margins/notebooks?urlpath=lab/tree/{page}.ipynb",
    ]
    assert shown(page, "") == shown("book/intro", URL) == []


@pytest.mark.parametrize("kind", ["lesson", "exercises"])
def test_every_notebook_of_the_branch_begins_by_fetching_what_it_needs(branch, kind):
    for name in NAMES:
        path = f"lessons/{name}/{kind}.ipynb"
        notebook = nbformat.reads(branch[path].decode(), 4)
        nbformat.validate(notebook)
        title, fetch, *_ = notebook.cells
        assert title.source.startswith("# ")
        assert fetch.source == launch.first_cell(path, URL)
        assert not any("BEGIN SOLUTION" in cell.source for cell in notebook.cells)
    assert all(name.split("/")[-1] in branch for name in ("binder/../requirements.txt", "pyproject.toml"))


def ran(folder, python, colab):
    (folder / "start.py").write_text(IN_COLAB.format(colab=colab))
    done = subprocess.run([python, "start.py"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-1]


def test_elsewhere_the_first_cell_does_nothing(tmp_path):
    (tmp_path / "cell.txt").write_text(launch.first_cell("lessons/05_arcface/lesson.ipynb", URL))
    assert ran(tmp_path, sys.executable, False) == str(tmp_path.resolve())
    assert {path.name for path in tmp_path.iterdir()} == {"cell.txt", "start.py"}


@pytest.mark.full
def test_in_an_empty_place_a_sheet_fetches_itself_and_runs(tmp_path):
    """As on Colab, from a repository on this disk: it is cloned, its package installed, its cells run."""
    home, place = tmp_path / "origin", tmp_path / "content"
    launch.write(home, URL)
    git = ["git", "-C", str(home), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (
        ["init", "-q", "-b", address.BRANCH],
        ["add", "."],
        ["commit", "-q", "-m", "The notebooks"],
    ):
        subprocess.run([*git, *command], check=True)
    place.mkdir()
    path = "lessons/05_arcface/exercises.ipynb"
    imports = next(c for c in nbformat.read(home / path, 4).cells if "import numpy" in c.source).source
    cell = launch.first_cell(path, home.as_uri(), str(place / "marginlab"))
    (place / "cell.txt").write_text(f"{cell}\n{imports}")
    venv.create(tmp_path / "env", with_pip=True)
    python = str(tmp_path / "env" / "bin" / "python")
    subprocess.run(
        [python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", "ipython"], check=True
    )
    for _ in range(2):  # run once more it fetches nothing again
        assert ran(place, python, True) == str((place / "marginlab" / path).parent.resolve())
