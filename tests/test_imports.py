"""The house as its files have it: imports go down the list of book/api.md, and what is public says so."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "marginlab"
LIST = re.findall(r"^## (\w+):", (ROOT / "book/api.md").read_text(encoding="utf-8"), re.M)

# Programs, which are started and not imported. Those of the course run where marginlab is not.
PROGRAMS = {"__main__", "course.__main__", "course.inside", "course.handout.smoke_test"}
# Tables of cases, which may be longer than a screen.
TABLES = {("checks.heads", "_head_mistakes")}


def module_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_of(path): ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}
ROOMS = {name.split(".")[0] for name in SOURCES if name}
modules = pytest.mark.parametrize("name", sorted(SOURCES))


def is_for_checkers(node):
    """What stands under `if TYPE_CHECKING:` is read by type checkers, and never imported."""
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def walked(node):
    yield node
    for child in ast.iter_child_nodes(node):
        if not is_for_checkers(child):
            yield from walked(child)


def imported(tree):
    """Modules of ours that a module imports, anywhere in it, without the package's name in front."""
    found = set()
    for node in walked(tree):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{each.name}" for each in node.names}
    ours = {name.removeprefix("marginlab.") for name in found if name.startswith("marginlab.")}
    # `from a.b import c` may be of module a.b or of a.b.c; what is a module is one.
    return {name if name in SOURCES else name.rpartition(".")[0] for name in ours} - {""}


def test_every_room_stands_in_the_list():
    assert len(set(LIST)) == len(LIST)
    assert {name for name in ROOMS if not name.startswith("_")} == set(LIST)


def upwards(sources, order):
    """Imports of a room below, as (who, whom)."""
    place = {room: i for i, room in enumerate(order)}
    return {
        (name, other)
        for name, tree in sources.items()
        for other in imported(tree)
        if name not in ("", "__main__")
        and place.get(other.split(".")[0], -1) > place.get(name.split(".")[0], -1)
    }


def test_imports_go_down_the_list():
    """What stands in no list, `_checks`, imports nothing of ours; the package is the door."""
    assert not upwards(SOURCES, LIST)


def test_an_import_of_a_room_below_is_found():
    late = ast.parse("def f():\n    from marginlab.training import Trainer")
    assert upwards({"heads": late}, LIST) == {("heads", "training")}
    assert upwards({"_checks": ast.parse("import marginlab.family")}, LIST) == {("_checks", "family")}
    assert not upwards({"reproduce": late}, LIST)
    checked = ast.parse("if TYPE_CHECKING:\n    from marginlab.after import AdaFace")
    assert not upwards({"heads": checked}, LIST)


def test_within_a_room_no_two_import_each_other():
    left = {name: imported(tree) & set(SOURCES) - {name} for name, tree in SOURCES.items() if name}
    while free := [name for name, others in left.items() if not others & set(left)]:
        for name in free:
            del left[name]
    assert not left


def is_public(name):
    """Chapters of hazards are reached through HAZARDS alone."""
    chapter = "record" in {
        getattr(t, "id", "") for n in SOURCES[name].body for t in getattr(n, "targets", [])
    }
    return name not in PROGRAMS and "._" not in f".{name}" and not chapter


@modules
def test_a_public_module_says_what_is_public(name):
    if not is_public(name):
        return
    tree = SOURCES[name]
    (said,) = (ast.literal_eval(n.value) for n in tree.body if "__all__" in map(name_of, targets(n)))
    there = {name_of(t) for n in tree.body for t in targets(n)}
    there |= {n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    there |= {a.asname or a.name for n in tree.body if isinstance(n, ast.ImportFrom) for a in n.names}
    # What the package gives on first use is imported nowhere; its stub says where it is from.
    assert set(said) - there == (late() if not name else set())
    assert len(set(said)) == len(said)


def test_heads_hands_on_what_comes_after_it():
    """What `heads` finds on first use, what it tells type checkers, and `after.__all__` are one list."""
    tree = SOURCES["heads"]
    (given,) = (ast.literal_eval(n.value) for n in tree.body if "_AFTER" in map(name_of, targets(n)))
    told = {a.name for n in tree.body if is_for_checkers(n) for i in n.body for a in i.names}
    (there,) = (
        ast.literal_eval(n.value) for n in SOURCES["after"].body if "__all__" in map(name_of, targets(n))
    )
    assert set(given) == told == set(there)


def late():
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    given = {a.name for n in stub.body if isinstance(n, ast.ImportFrom) for a in n.names}
    return given - {"budget"}  # which needs no TensorFlow


def targets(node):
    found = getattr(node, "targets", [getattr(node, "target", None)])
    return [each for target in found for each in getattr(target, "elts", [target])]


def name_of(node):
    return getattr(node, "id", None)


def functions(body, inside=""):
    """Functions of a module and methods of its classes, with their names."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from functions(node.body, f"{inside}{node.name}.")
        elif isinstance(node, ast.FunctionDef):
            yield f"{inside}{node.name}", node


@modules
def test_what_is_public_has_type_hints(name):
    if not is_public(name) or name.split(".")[0] == "course":
        return
    bare = []
    for full, node in functions(SOURCES[name].body):
        if any(part.startswith("_") and part != "__init__" for part in full.split(".")):
            continue
        args = node.args
        every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
        every = [arg for arg in every if arg and arg.arg not in ("self", "cls")]
        if node.returns is None or any(arg.annotation is None for arg in every):
            bare.append(full)
    assert not bare


@modules
def test_no_function_is_longer_than_a_screen(name):
    """60 lines with its docstring. A decorator is no part of it: those of `checks` are tables of cases."""
    long = {
        (name, node.name)
        for node in ast.walk(SOURCES[name])
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno - node.lineno >= 60
    }
    assert long <= TABLES


@modules
def test_an_import_has_no_effect_outside(name):
    """A module binds names, and calls nothing for what the call does."""
    if name in PROGRAMS:
        return
    for node in SOURCES[name].body:
        docs = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        binds = isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef)
        binds |= bool(targets(node)) and all(isinstance(t, ast.Name) for t in targets(node))
        main = isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"
        assert docs or binds or main or is_for_checkers(node), ast.unparse(node)[:80]


@pytest.mark.parametrize("package", sorted({name.rpartition(".")[0] for name in SOURCES}))
def test_no_function_hides_a_module(package):
    """After `import marginlab.course.sheet as s`, s is the module, whatever functions the package has."""
    found = vars(importlib.import_module(f"marginlab.{package}".rstrip(".")))
    inside = {name.rpartition(".")[2] for name in SOURCES if name.rpartition(".")[0] == package} - {""}
    assert [name for name in inside & set(found) if not inspect.ismodule(found[name])] == []
