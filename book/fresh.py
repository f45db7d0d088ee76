"""What an executed page rests on, as one fingerprint: its cells, the code they import, the files they read.

A comment, a docstring or a module that no notebook imports changes no output, and executes nothing again. The
versions of what is installed, and the source that a page shows by `code(...)`, do.
"""

import ast
import functools
import hashlib
import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "marginlab"


def fingerprint(cells, root=ROOT):
    """Of a notebook, from the sources of its code cells (a list of str): a str of hexadecimal digits."""
    code = "\n".join(cells)
    found = hashlib.sha256(code.encode())
    used = imported(cells, root)
    for module in sorted(used):
        found.update(f"{module}: {_plain(root, module)}".encode())
    for path in sorted(_read(root, code, used)):
        found.update(path.name.encode() + path.read_bytes())
    for shown in _shown(root, cells):
        found.update(shown.encode())
    found.update((root / "constraints.txt").read_bytes())
    return found.hexdigest()


def imported(cells, root=ROOT):
    """Modules that these cells import, and those that these import: dotted names, "" for the package."""
    return _closure(root, frozenset({""}.union(*(_of_cell(root, cell) for cell in cells))))


@functools.cache
def modules(root=ROOT):
    """{dotted name without `marginlab.`: path}, of the whole package; "" is `marginlab/__init__.py`."""
    home = root / PACKAGE
    paths = {path.relative_to(home).with_suffix(""): path for path in home.rglob("*.py")}
    return {".".join(p.parts).removesuffix("__init__").rstrip("."): path for p, path in paths.items()}


@functools.cache
def _tree(root, module):
    return ast.parse(modules(root)[module].read_text(encoding="utf-8"))


@functools.cache
def _plain(root, module):
    """The module as it runs: without comments (no part of a tree) and docstrings."""
    tree = ast.parse(modules(root)[module].read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        holds = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        if holds and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)


@functools.cache
def _homes(root):
    """{name that the package gives on first use: its module}, from the table in `marginlab/__init__.py`."""
    for node in _tree(root, "").body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "_HOMES":
            return ast.literal_eval(node.value)
    return {}


def _imported(root, tree):
    """Modules of the package that this code imports, anywhere in it, and the packages that these stand in."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    names = {name.removeprefix(PACKAGE).lstrip(".") for name in names if name.split(".")[0] == PACKAGE}
    names = {_homes(root).get(name, name) for name in names}
    names |= {name.rpartition(".")[0] for name in names}
    return names & set(modules(root))


def _of_cell(root, cell):
    """What a cell imports, and the programs that it holds as texts and starts as processes."""
    tree = _parsed(cell)
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    programs = [
        text for text in texts if isinstance(text, str) and f" {PACKAGE}" in text and "import " in text
    ]
    return set().union(*(_imported(root, part) for part in (tree, *map(_parsed, programs))))


@functools.cache
def _closure(root, start):
    found, waiting = set(), set(start)
    while waiting:
        module = waiting.pop()
        found.add(module)
        waiting |= _imported(root, _tree(root, module)) - found
    return found


def _read(root, code, used):
    """Files that are no modules: named in the cells, or beside the data that `marginlab.data` reads."""
    kept = [path for path in (root / "book" / "results").glob("*.*")]
    kept += [path for path in (root / PACKAGE).rglob("*.*") if path.suffix in (".js", ".json")]
    kept += (root / "tests" / "benchmarks").glob("*.json")
    data = (root / PACKAGE / "mnist").glob("*.npz") if "data" in used else []
    named = set(re.findall(r"[\w.-]+", code))  # as a whole: controls.json names no controls.js
    return {path for path in kept if path.name in named} | set(data)


def _shown(root, cells):
    """What `code(heads.ArcFace.margins, …)` puts into the page: source with its comments.

    Where an argument is not of the package by name, as in `code(hazard.naive)`, it is a hazard's.
    """
    for cell in cells:
        calls = (node for node in ast.walk(_parsed(cell)) if isinstance(node, ast.Call))
        for call in calls:
            if isinstance(call.func, ast.Name) and call.func.id == "code":
                for each in call.args:
                    yield _source(root, *ast.unparse(each).split("."))


def _parsed(cell):
    """A cell's tree; lines that only IPython knows (`%config …`) are left out."""
    lines = textwrap.dedent(cell).splitlines()
    return ast.parse("\n".join(line for line in lines if not line.startswith(("%", "!"))))


def _source(root, first, *names):
    if first in modules(root):
        node = _tree(root, first)
        for name in names:
            node = next(part for part in node.body if getattr(part, "name", None) == name)
        return ast.get_source_segment(modules(root)[first].read_text(encoding="utf-8"), node)
    hazards = sorted(name for name in modules(root) if name.split(".")[0] == "hazards")
    return "".join(modules(root)[name].read_text(encoding="utf-8") for name in hazards)
