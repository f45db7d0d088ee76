"""`python -m marginlab`: what it says is there, and what it opens."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from importlib.metadata import version
from pathlib import Path

import nbformat
import pytest

import marginlab
from marginlab import __main__ as command

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def required(extra):
    """Names of what an extra brings, those of the extras within it too."""
    found = []
    for line in PROJECT["optional-dependencies"][extra]:
        name, inner = re.match(r"([\w-]+)(?:\[([\w,]+)\])?", line).groups()
        found += [it for each in inner.split(",") for it in required(each)] if name == "marginlab" else [name]
    return found


def test_it_knows_what_each_extra_brings():
    assert {name: tuple(required(name)) for name in command.EXTRAS} == command.EXTRAS
    assert PROJECT["scripts"] == {"marginlab": "marginlab.__main__:main"}
    assert callable(command.main)


def child(*arguments, **env):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "marginlab", *arguments],
        cwd=ROOT,
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout, done.stderr


def test_without_a_command_it_says_what_is_there():
    said, imported = child(KERAS_BACKEND="jax")
    assert f"marginlab {marginlab.__version__}, in {ROOT / 'marginlab'}" in said
    assert f"Keras {version('keras')} on JAX {version('jax')}" in said
    assert "MNIST: 60000 + 10000 images" in said
    for name in command.EXTRAS:
        assert re.search(
            rf'^  \[{name}\] +(installed|needs .*: pip install "marginlab\[{name}\]")$', said, re.M
        )
    assert re.search(r"^  \[tensorflow\] +installed$", said, re.M)
    # What it says it reads, and imports nothing that takes seconds.
    assert "numpy" in imported
    assert not re.search(r"\| +(keras|tensorflow|jax|torch|matplotlib)$", imported, re.M)


def test_an_extra_that_is_missing_is_said(monkeypatch, capsys):
    has = command._version
    monkeypatch.setattr(command, "_version", lambda name: None if name == "anywidget" else has(name))
    command.main([])
    assert '[lab]        needs anywidget: pip install "marginlab[lab]"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("backend", "there", "said"),
    [
        ("jax", {"keras": "3", "jax": "1"}, "Keras 3 on JAX 1"),
        (
            "",
            {"keras": "3", "jax": "1"},
            "Keras 3 is to run on TensorFlow, which is not installed: set KERAS_BACKEND=jax",
        ),
        (
            "torch",
            {"keras": "3"},
            'Keras 3 is to run on PyTorch, which is not installed: pip install "marginlab[torch]"',
        ),
        ("jax", {}, "No Keras: the sheets and what is NumPy's run, the layers do not"),
    ],
)
def test_the_backend_that_keras_would_take(backend, there, said, monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_BACKEND", backend)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(command, "_version", there.get)
    assert command._keras() == said


def test_the_backend_of_keras_own_settings_is_read(monkeypatch, tmp_path):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert command._configured() == "tensorflow"
    (tmp_path / "keras.json").write_text('{"backend": "jax"}')
    assert command._configured() == "jax"
    (tmp_path / "keras.json").write_text("{")
    assert command._configured() == "tensorflow"


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """An empty folder, and no checkout around the package."""
    (tmp_path / "away").mkdir()
    monkeypatch.chdir(tmp_path / "away")
    monkeypatch.setattr(command, "_CHECKOUT", tmp_path)
    return tmp_path / "away"


@pytest.mark.parametrize("name", ["_build/html/index.html", "Open the book.html"])
def test_book_opens_what_was_built_or_unpacked(name, elsewhere, monkeypatch):
    opened = []
    monkeypatch.setattr(command.webbrowser, "open", opened.append)
    with pytest.raises(SystemExit, match=r"No built book here.*make book.*marginlab-.*\.zip"):
        command.main(["book"])
    page = elsewhere / name
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("")
    command.main(["book"])
    assert opened == [page.as_uri()]


@pytest.mark.parametrize("arguments", [["lab"], ["sheet", "5"]])
def test_without_lessons_it_says_where_to_go(arguments, elsewhere):
    with pytest.raises(SystemExit, match="No lessons here: go into a checkout"):
        command.main(arguments)
    assert command._numbers() == []


def test_an_unknown_sheet_is_told_which_there_are():
    with pytest.raises(SystemExit, match=r"No sheet 99: there are 00_two_dimensions, .*09_strangers"):
        command.main(["sheet", "99"])
    assert command._numbers() == [
        f"{n:02}" for n in range(len(list((ROOT / "lessons").glob("*/exercises.ipynb"))))
    ]


def test_sheet_opens_a_copy_without_solutions_and_keeps_what_was_written(tmp_path):
    """In a real JupyterLab, which has to give the sheet out."""
    path = tmp_path / "sheets/05_arcface/exercises.ipynb"
    notebook = opened(tmp_path, "sheet", "5")
    text = "\n".join("".join(cell["source"]) for cell in notebook["cells"])
    assert "def my_arcface" in text
    assert "SOLUTION" not in text
    assert "HIDDEN" not in text
    mine = nbformat.read(path, 4)
    mine.cells[0].source = "Mine"
    nbformat.write(mine, path)
    again = opened(tmp_path, "sheet", "05")
    assert again["cells"][0]["source"] == "Mine"


def opened(folder, *arguments):
    """The notebook that JupyterLab, as the command starts it, gives out."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = {"allow_root": True, "open_browser": False, "port": port}
    settings = {
        "ServerApp": server,
        "ExtensionApp": {"open_browser": False},
        "IdentityProvider": {"token": "test"},
    }
    (folder / "jupyter_server_config.json").write_text(json.dumps(settings))
    places = {"JUPYTER_CONFIG_DIR": str(folder), "JUPYTER_RUNTIME_DIR": str(folder)}
    command = [sys.executable, "-m", "marginlab", *arguments]
    with (
        (folder / "server.log").open("w") as log,
        subprocess.Popen(
            command, cwd=folder, env=os.environ | places, stdout=log, stderr=log, start_new_session=True
        ) as process,
    ):
        try:
            asked = f"http://127.0.0.1:{port}/api/contents/exercises.ipynb?token=test"
            end = time.monotonic() + 90
            while True:
                try:
                    return json.load(urllib.request.urlopen(asked, timeout=30))["content"]
                except OSError:
                    assert time.monotonic() < end, (folder / "server.log").read_text()[-2000:]
                    time.sleep(0.3)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
