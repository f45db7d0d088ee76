"""The explorer in a real JupyterLab and Notebook 7, with a real kernel: moved, hurried, stopped, broken."""

import json
import re
import time

import nbformat
import pytest
from test_explorer_page import RING, draw
from test_lessons import NOTEBOOK, jupyter, run_all_cells, until

CELLS = [
    "import threading\nfrom marginlab import explore\nexplorer = explore('arcface')\nexplorer",
    "other = explore('softmax')\nother",
    "print('explorers at work:', [t.name for t in threading.enumerate()].count('explorer'))",
]
NOW, SAY = ".mlx-now", ".mlx-say"
SAYS = [f"document.querySelectorAll('{SAY}')[{of}].innerText" for of in (0, 1)]


KERNEL = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
PROGRAMS = {"jupyterlab": ("LabApp", "lab/tree"), "notebook": ("JupyterNotebookApp", "notebooks")}


@pytest.fixture(scope="module", params=["jupyterlab", pytest.param("notebook", marks=pytest.mark.full)])
def notebook(request, browser, tmp_path_factory):
    """A page of JupyterLab or Notebook 7 with two explorers, all cells run."""
    shows, place = PROGRAMS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    content = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    content.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(content, folder / "explorer.ipynb")
    with jupyter(folder, request.param, shows) as url:
        # Tall, since no cell is drawn that is out of sight.
        page = browser.new_page(viewport={"width": 1300, "height": 3000})
        page.problems = []
        page.on("pageerror", lambda error: page.problems.append(error.stack or ""))
        run_all_cells(page, f"{url}/{place}/explorer.ipynb")
        page.locator(".mlx").nth(1).wait_for(timeout=60_000)
        yield page
        page.close()


def told(page, pattern, of=0, within=30):
    """The explorer's closing words, once they match."""
    until(page, f"/{pattern}/.test({SAYS[of]})", within)
    return page.locator(SAY).nth(of).inner_text()


def handle(page, number=0):
    return page.locator(".jupyter-widgets .noUi-handle").nth(number)


def readout(page):
    return page.locator(".jupyter-widgets .widget-readout").first.inner_text()


def at_work(page, count):
    """Wait until the kernel says that so many explorers are training, by running the last cell."""
    page.evaluate(f"() => {{ {NOTEBOOK}.activeCellIndex = 2 }}")
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-cell') }")
    text = f"{NOTEBOOK}.widgets[2].model.outputs.toJSON().map(o => o.text ?? '').join('')"
    until(page, f"/explorers at work: {count}/.test({text})", 30)


def test_it_shows_its_first_run_and_its_neighbours(notebook):
    assert re.match(r"9\d\.\d% of the test images right after 2500 steps", told(notebook, "right after"))
    assert re.match(r"9\d\.\d %", notebook.locator(NOW).first.inner_text())
    until(notebook, f"document.querySelectorAll('{NOW}')[1].innerText.includes('step 2,500')", 20)
    for i, head in enumerate(("ArcFace", "Softmax")):  # told a moment after it is drawn
        label = f"document.querySelectorAll('.mlx-plane')[{i}].ariaLabel"
        until(notebook, f"{label}?.startsWith('{head} at step 2500')", 20)


def test_a_slider_moved_by_keys_changes_picture_and_words(notebook):
    plane, other = notebook.locator(".mlx-plane").all()
    before, beside = plane.screenshot(), other.get_attribute("aria-label")
    said = notebook.locator(NOW).first.inner_text()
    handle(notebook).focus()
    for _ in range(4):
        notebook.keyboard.press("ArrowRight")
    assert readout(notebook) == "0.50"
    until(notebook, f"document.querySelector('{NOW}').innerText != {json.dumps(said)}", 20)
    told(notebook, "right after 2500")
    until(notebook, f"document.querySelector('{NOW}').innerText.includes('step 2,500')", 20)
    assert plane.screenshot() != before
    assert other.get_attribute("aria-label") == beside  # the neighbour is left alone
    cell = f"{NOTEBOOK}.activeCellIndex"
    active = notebook.evaluate(cell)
    plane.focus()
    notebook.keyboard.press("ArrowRight")
    notebook.keyboard.press("ArrowDown")
    until(notebook, "document.querySelector('.mlx-which').innerText.startsWith('Digit ')", 5)
    assert notebook.evaluate(cell) == active  # the keys were not the notebook's


def test_dragged_past_what_can_be_held_it_says_so(notebook):
    box = notebook.locator(".jupyter-widgets .noUi-base").first.bounding_box()
    grip = handle(notebook).bounding_box()
    y = grip["y"] + grip["height"] / 2
    notebook.mouse.move(grip["x"] + grip["width"] / 2, y)
    notebook.mouse.down()
    for share in (0.5, 0.7, 0.9):
        notebook.mouse.move(box["x"] + share * box["width"], y)
    notebook.mouse.up()
    assert float(readout(notebook)) > 1.2
    told(notebook, "right after.*No arrangement of 10 classes in the plane can satisfy this margin")


@pytest.mark.full
def test_of_two_hundred_moves_the_last_wins(notebook):
    handle(notebook).focus()
    notebook.keyboard.press("Home")
    start = time.monotonic()
    for move in range(200):
        notebook.keyboard.press("ArrowLeft" if move % 8 >= 4 else "ArrowRight")
        notebook.wait_for_timeout(max(0, 1000 * (start + move * 0.1 - time.monotonic())))
    for _ in range(2):
        notebook.keyboard.press("ArrowRight")
    value = readout(notebook)
    told(notebook, "right after 2500")
    notebook.evaluate("() => navigator.clipboard.writeText('').catch(() => {})")
    # The view's own settings are in the code it offers.
    notebook.evaluate("() => { navigator.clipboard.writeText = async text => { window.copied = text } }")
    notebook.get_by_role("button", name="copy as code").first.click()
    until(notebook, "window.copied", 5)
    assert f"margin={float(value):g}, scale=30" in notebook.evaluate("window.copied")
    at_work(notebook, 0)


def test_the_kernel_stays_free_while_it_trains(notebook):
    handle(notebook).focus()
    notebook.keyboard.press("ArrowRight")
    at_work(notebook, "[0-9]")  # another cell runs
    told(notebook, "right after 2500")


def test_broken_on_purpose_the_picture_says_where_and_why(notebook):
    choose = notebook.locator(".jupyter-widgets select").nth(1)
    choose.select_option("acos(c), unguarded")
    dead = notebook.locator(".mlx-died").first
    dead.wait_for(timeout=60_000)
    words = dead.inner_text()
    assert re.match(r"Training image [\d,]+, a \d, ended it\.\n", words)
    assert "float32 rounds the cosine c" in words
    choose.select_option("no")
    told(notebook, "right after 2500")
    assert not dead.is_visible()


def test_a_drawn_digit_is_embedded_by_the_kernel(notebook):
    notebook.get_by_role("button", name="draw a digit").first.click()
    draw(notebook, RING)
    until(notebook, "document.querySelector('.mlx-own').innerText.startsWith('Read as 0. θ')", 20)
    notebook.get_by_role("button", name="close").click()


def threads(page):
    """The names of the kernel's threads, as it says itself."""
    return page.evaluate(
        f"""async () => {{
            const code = "import threading; print([t.name for t in threading.enumerate()])";
            const future = {KERNEL}.requestExecute({{code}});
            let said = "";
            future.onIOPub = message => {{ said += message.content.text ?? "" }};
            await future.done;
            return said;
        }}"""
    )


def test_an_interrupt_ends_the_run_and_the_next_move_begins_another(notebook):
    # In one go: the run that the move begins takes but a second.
    handle(notebook).focus()
    notebook.keyboard.press("ArrowRight")
    notebook.evaluate(
        f"""async () => {{
            const words = () => document.querySelector("{NOW}").innerText.replace(",", "");
            const step = () => Number(/step (\\d+)/.exec(words())[1]);
            const end = performance.now() + 20_000;
            while (!(step() < 1500) && performance.now() < end) await new Promise(requestAnimationFrame);
            await {KERNEL}.interrupt();
        }}"""
    )
    notice = notebook.locator(".mlx-notice").first
    notice.wait_for(timeout=10_000)
    assert notice.inner_text() == "Interrupted. Move a slider to train again."
    assert "explorer" not in threads(notebook)
    assert "step 2,500" not in notebook.locator(NOW).first.inner_text()
    notebook.keyboard.press("ArrowRight")
    told(notebook, "right after 2500")
    until(notebook, f"document.querySelector('{NOW}').innerText.includes('step 2,500')", 20)
    assert not notice.is_visible()


def test_a_restart_is_noticed_and_leaves_nothing_running(notebook):
    handle(notebook).focus()
    notebook.keyboard.press("ArrowRight")
    notebook.evaluate(f"() => {{ {KERNEL}.restart() }}")
    notebook.locator(".mlx-notice").first.wait_for(timeout=30_000)
    assert "The kernel has stopped" in notebook.locator(".mlx-notice").first.inner_text()
    assert notebook.locator(".mlx-plane").first.is_visible()
    until(notebook, f"{KERNEL}.status == 'idle' && {KERNEL}.connectionStatus == 'connected'", 60)
    notebook.wait_for_timeout(500)
    names = threads(notebook)
    assert "MainThread" in names
    assert "explorer" not in names
    # The widget's module is loaded from a blob; other errors are the program's own.
    assert [stack for stack in notebook.problems if "blob:" in stack] == []
