"""Notebooks as files, and a lesson in a real JupyterLab: run, and moved by its slider."""

import ast
import contextlib
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


every_lesson = pytest.mark.parametrize(
    "path", [p for p in NOTEBOOKS if p.stem == "lesson"], ids=lambda p: p.parent.name
)


@every_lesson
def test_a_legend_tells_by_more_than_colours(path):
    """What the book's own functions draw is named at its place; a cell that draws names by a legend."""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code" and ".legend(" in cell.source:
            assert re.search(r'\bDASHES|\bls\b|\bhatch=|"hatch"|\bmark\b', cell.source), cell.id


def parsed(source):
    """A cell's code, without the lines that only IPython reads."""
    return ast.parse(re.sub(r"^%.*$", "", source, flags=re.M))


def parts(cells):
    """(section, cell, words of prose before it) of each cell of a lesson; of Markdown each section's part."""
    section, words = 0, 0
    for cell in cells:
        prose = cell.cell_type == "markdown"
        for part in filter(None, re.split("^(?=## )", cell.source, flags=re.M) if prose else [cell.source]):
            section += prose and part.startswith("## ")
            words += len(part.split()) if prose else 0
            yield section, cell, words


@every_lesson
def test_the_explorer_stands_at_the_end_of_the_first_section_and_in_the_first_quarter(path):
    """Touched first, read second; where the chapter needs it again, a link brings it."""
    found = list(parts(nbformat.read(path, as_version=4).cells))
    place = next(k for k, (_, cell, _) in enumerate(found) if cell.source.startswith("explore("))
    assert found[place][0] == 1
    assert found[place + 1][0] == 2
    assert found[place][2] < found[-1][2] / 4
    after = "\n".join(cell.source for _, cell, _ in found[place + 1 :] if cell.cell_type == "markdown")
    assert after.count("](#explorer?") >= 2


# Headings of what a run ends with. A table of such says its seeds and its scale, or compares what it may not.
ENDS = re.compile(
    r"\bright\b|final loss|nine in ten|half within|error rate|circle in use|arc of|dies at|length$"
)


def unfair(source):
    """The headings of the tables in a cell that hold results of runs and do not say of which."""
    found = []
    for call in ast.walk(parsed(source)):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "table":
            text = ast.unparse(call.args[0])
            heads = [n.value for n in ast.walk(call.args[0]) if isinstance(n, ast.Constant)]
            said = [n for k in call.keywords if k.arg == "of" for n in ast.walk(k.value)]
            of = " ".join(n.value for n in said if isinstance(n, ast.Constant))
            says = "seed" in of and ("scale" in of or "scale" in text)
            if not says and any(isinstance(head, str) and ENDS.search(head) for head in heads):
                found.append(text)
    return found


@every_lesson
def test_a_table_of_runs_says_their_scale_and_their_seeds(path):
    cells = nbformat.read(path, as_version=4).cells
    assert [table for cell in cells if cell.cell_type == "code" for table in unfair(cell.source)] == []


@every_lesson
def test_a_table_that_is_made_is_shown(path):
    """A notebook shows what its cell ends in. A table before that is made, and nobody sees it."""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            body = parsed(cell.source).body
            made = [part for part in body if ast.unparse(part).startswith("table(")]
            assert made in ([], body[-1:]), cell.id


def test_a_table_without_them_is_found():
    table = 'table({"head": heads, "test images right": right}, of="%s")'
    assert len(unfair(table % "One run each.")) == 1
    assert len(unfair(table % "Five seeds.")) == 1
    assert unfair(table % "Five seeds, scale 30.") == []
    assert unfair('table({"angle": angles, "cosine": cosines})') == []


@contextlib.contextmanager
def jupyter(folder, program="jupyterlab", shows="LabApp"):
    """The address of a server on a folder."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    options = [f"--port={port}", "--no-browser", "--allow-root", "--IdentityProvider.token=test"]
    options += [f"--ServerApp.root_dir={folder}", "--LabApp.news_url="]
    options += [f"--{shows}.expose_app_in_browser=True"]
    # Not this process's backend of matplotlib: the kernel's own shows figures in the page.
    env = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    log = (folder / "server.log").open("w")
    server = subprocess.Popen([sys.executable, "-m", program, *options], stdout=log, stderr=log, env=env)
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


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab on the lessons, in a copy, so that running them changes no file here."""
    folder = tmp_path_factory.mktemp("checkout")
    for path in [*NOTEBOOKS, *ROOT.glob("book/results/*.json")]:  # the chapters show these
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    with jupyter(folder) as url:
        yield url


def until(page, expression, seconds):
    """Wait until the expression is true in the page; else say what the page was doing."""
    end = time.monotonic() + seconds
    while not page.evaluate(f"() => Boolean({expression})"):
        if time.monotonic() > end:
            state = page.evaluate(f"() => {NOTEBOOK}.widgets.map(c => c.model.executionCount ?? null)")
            words = page.locator("body").inner_text()[-500:]
            pytest.fail(f"not true after {seconds} s: {expression}. Counts {state}. {words}")
        page.wait_for_timeout(250)


NOTEBOOK = "window.jupyterapp.shell.currentWidget.content"


def run_all_cells(page, url):
    """Open a notebook in JupyterLab or Notebook 7 and run it to its end."""
    page.goto(f"{url}?token=test&reset")
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
    session = "window.jupyterapp.shell.currentWidget?.sessionContext"
    until(page, f"{session}?.isReady && {session}.session?.kernel?.connectionStatus == 'connected'", 60)
    until(page, f"{session}.session.kernel.status == 'idle'", 60)
    page.wait_for_timeout(1000)  # the notebook hears of it a moment later
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")
    until(page, f"{NOTEBOOK}.widgets.every(c => c.model.type != 'code' || c.model.executionCount)", 240)


@pytest.mark.full
def test_lesson_runs_in_jupyterlab_and_its_slider_retrains(lab, browser):
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    run_all_cells(page, f"{lab}/lab/tree/lessons/05_arcface/lesson.ipynb")
    outputs = page.evaluate(
        f"() => JSON.stringify({NOTEBOOK}.widgets.map(c => c.model.outputs?.toJSON() ?? []))"
    )
    outputs = [output for cell in json.loads(outputs) for output in cell]
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert len([output for output in outputs if "image/svg+xml" in output.get("data", {})]) >= 4

    # Not awaited: the promise of a scroll may wait for ever.
    explorer = f"{NOTEBOOK}.widgets.findIndex(c => c.model.sharedModel.getSource().startsWith('explore('))"
    page.evaluate(f"() => {{ {NOTEBOOK}.scrollToItem({explorer}) }}")
    page.locator(".mlx-plane").first.wait_for(timeout=60_000)
    now = page.locator(".mlx-now").first
    until(page, "document.querySelector('.mlx-say').innerText.includes('right after')", 60)
    before = now.inner_text()
    assert re.match(r"9\d\.\d % (of the test images )?right", before)

    page.locator(".jupyter-widgets .noUi-handle").first.focus()  # the margin
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    until(page, f"document.querySelector('.mlx-now').innerText != {json.dumps(before)}", 20)
    until(page, "document.querySelector('.mlx-say').innerText.includes('right after')", 20)
    assert re.match(r"9\d\.\d% of the test images right", page.locator(".mlx-say").first.inner_text())
    assert page.locator(".jupyter-widgets .widget-readout").first.inner_text() == "0.50"
    page.close()
