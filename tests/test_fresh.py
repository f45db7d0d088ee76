"""Which pages of the book are executed again after a change: those whose outputs it can change, no others."""

import re
import shutil
from pathlib import Path

import fresh
import pytest

ROOT = Path(__file__).parents[1]

CELLS = [
    "%config InlineBackend.figure_formats = ['svg']\nfrom marginlab import Trainer, geometry",
    "code(geometry.unit)",
    "print(open('../book/results/accuracy.json').read())",
]


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    root = tmp_path_factory.mktemp("project")
    for name in ("marginlab", "book/results", "tests/benchmarks"):
        ignore = shutil.ignore_patterns("*.npz", "__pycache__")
        shutil.copytree(ROOT / name, root / name, ignore=ignore)
    shutil.copy(ROOT / "constraints.txt", root)
    return root, mark(root)


def mark(root):
    for part in vars(fresh).values():  # a build reads each module once
        getattr(part, "cache_clear", bool)()
    return fresh.fingerprint(CELLS, root)


def replaced(old, new):
    def change(text):
        assert old in text
        return text.replace(old, new, 1)

    return change


UNTOUCHED = {
    "a comment": ("marginlab/training.py", lambda text: text + "\n# Nothing more.\n"),
    "a docstring": ("marginlab/training.py", replaced('"""A finished run.', '"""A run that is over.')),
    "a comment in what is not shown": ("marginlab/geometry.py", lambda text: "# First.\n" + text),
    "a module that no page imports": ("marginlab/reproduce.py", lambda text: text + "\nNEW = 1\n"),
    "the page's own engine": ("marginlab/explorer/js/page.js", lambda text: text + "\nconst unused = 1;\n"),
    "a result that is not read": ("book/results/defaults.md", lambda text: text + "\n"),
}
TOUCHED = {
    "what is imported": ("marginlab/training.py", lambda text: text + "\nNEW = 1\n"),
    "what that imports": ("marginlab/_checks.py", lambda text: text + "\nNEW = 1\n"),
    "a default": ("marginlab/recipe.py", replaced("epochs: int = 5", "epochs: int = 6")),
    "a comment in what is shown": (
        "marginlab/geometry.py",
        lambda text: re.sub(r"(\ndef unit\(.*:\n)", r"\1    # Here.\n", text),
    ),
    "a result that is read": ("book/results/accuracy.json", lambda text: text + "\n"),
    "a version": ("constraints.txt", lambda text: text + "\n"),
}


@pytest.mark.parametrize(("name", "again"), [*((n, False) for n in UNTOUCHED), *((n, True) for n in TOUCHED)])
def test_what_is_executed_again(copied, name, again):
    file, change = (UNTOUCHED | TOUCHED)[name]
    root, before = copied
    text = (root / file).read_text(encoding="utf-8")
    assert change(text) != text
    try:
        (root / file).write_text(change(text), encoding="utf-8")
        assert (mark(root) != before) is again
    finally:
        (root / file).write_text(text, encoding="utf-8")


def test_the_same_again(copied):
    root, before = copied
    assert mark(root) == before


def test_every_page_has_a_mark_and_the_grader_is_in_none():
    """On the real pages: what they import is found, through functions and through programs they start."""
    pytest.importorskip("jupyter_cache")
    import build

    pages = build.notebooks()
    assert len(pages) >= 10
    for name, notebook in pages.items():
        cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
        used = fresh.imported(cells)
        assert {"", "heads", "data"} <= used, name
        assert not {module for module in used if module.split(".")[0] in ("course", "checks")}, name
        assert len(fresh.fingerprint(cells)) == 64
    assert "blockwise" in fresh.imported(
        ["text = '''import os\nfrom marginlab.blockwise import cross_entropy\n'''"]
    )
