"""Notebooks as files, and a lesson in a real JupyterLab: run, and moved by its slider."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted(ROOT.glob("lessons/*/*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_notebook_is_valid_and_holds_no_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_cell_ids_are_unique_over_the_book():
    ids = [cell.id for path in NOTEBOOKS for cell in nbformat.read(path, as_version=4).cells]
    assert len(ids) == len(set(ids))


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab server on the lessons, in a copy, so that running them changes no file here."""
    folder = tmp_path_factory.mktemp("lessons")
    for path in NOTEBOOKS:
        (folder / path.parent.name).mkdir(exist_ok=True)
        (folder / path.parent.name / path.name).write_bytes(path.read_bytes())
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    options = [f"--port={port}", "--no-browser", "--allow-root", "--IdentityProvider.token=test"]
    options += [f"--ServerApp.root_dir={folder}", "--LabApp.news_url=", "--expose-app-in-browser"]
    # Not this process's backend of matplotlib: the kernel's own shows figures in the page.
    env = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    log = (folder / "lab.log").open("w")
    server = subprocess.Popen([sys.executable, "-m", "jupyterlab", *options], stdout=log, stderr=log, env=env)
    url = f"http://127.0.0.1:{port}"
    for _ in range(120):
        try:
            urllib.request.urlopen(f"{url}/api/status?token=test", timeout=2)
            break
        except OSError:
            time.sleep(0.5)
    yield url
    server.terminate()
    server.wait(20)


def test_lesson_runs_in_jupyterlab_and_its_slider_retrains(lab, browser):
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    page.goto(f"{lab}/lab/tree/05_arcface/lesson.ipynb?token=test&reset")
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status='idle']", timeout=60_000)
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")
    page.wait_for_function(
        "window.jupyterapp.shell.currentWidget.content.widgets.filter(c => c.model.type == 'code')"
        ".every(c => c.model.executionCount)",
        timeout=240_000,
    )
    cells = "window.jupyterapp.shell.currentWidget.content.widgets"
    outputs = json.loads(page.evaluate(f"JSON.stringify({cells}.map(c => c.model.outputs?.toJSON() ?? []))"))
    assert not [o for cell in outputs for o in cell if o["output_type"] == "error"]
    assert len([o for cell in outputs for o in cell if "image/svg+xml" in o.get("data", {})]) >= 4

    # Not awaited: the promise of a scroll may wait for ever.
    page.evaluate(
        f"() => {{ window.jupyterapp.shell.currentWidget.content.scrollToItem({cells}.length - 2) }}"
    )
    picture = page.locator(".jupyter-widgets img.widget-image")
    picture.wait_for(timeout=60_000)
    words = page.locator(".jupyter-widgets.widget-html").last
    before, said = picture.get_attribute("src"), words.inner_text()
    assert re.match(r"9\d\.\d% of the test images right", said)

    handle = page.locator(".jupyter-widgets .noUi-handle").first  # the margin
    handle.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "src => document.querySelector('img.widget-image').src != src", arg=before, timeout=20_000
    )
    page.wait_for_function(
        "said => [...document.querySelectorAll('.widget-html')].pop().innerText != said",
        arg=said,
        timeout=20_000,
    )
    assert re.match(r"9\d\.\d% of the test images right", words.inner_text())
    readout = page.locator(".jupyter-widgets .widget-readout").first.inner_text()
    assert readout == "0.50"
    page.close()
