"""The links that set an explorer: each of a lesson or a page asks for what its sliders have."""

import ast
import importlib.util
import re
from pathlib import Path
from urllib.parse import parse_qsl

import nbformat
import pytest
from docutils import nodes
from docutils.utils import new_document
from sphinx import addnodes
from v8 import modules

from marginlab.explorer.bundle import MOST_MOVES
from marginlab.explorer.forms import FORMS
from marginlab.family import FAMILY

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"\]\(#(explorer[^)\s]*)\)")
ELSEWHERE = re.compile(r'href="\.\./(lessons/\w+/lesson)\.html#([^"]*)"')  # from another page
EXPLORERS = re.compile(r"^(?:explore|compare)\(.*\)", re.MULTILINE)


v8 = modules("link")


@pytest.fixture(scope="module")
def hints(v8):
    return v8.evaluate("Object.keys(hints.HINTS)")


def pages():
    """Of each lesson and page its prose, and how many explorers it has."""
    for path in [*sorted(ROOT.glob("lessons/*/lesson.ipynb")), *sorted(ROOT.glob("book/*.md"))]:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".ipynb":
            cells = nbformat.reads(text, as_version=4).cells
            text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
            code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
        else:
            code = text
        calls = [ast.parse(call, mode="eval").body for call in EXPLORERS.findall(code)]
        # compare() shows one explorer for each head that it is given.
        many = sum(1 if call.func.id == "explore" else len(call.args) for call in calls)
        yield path.relative_to(ROOT).as_posix(), text, many


def fault(link, explorers, hints):
    """What is wrong with a link, in words; else nothing. It reads marginlab/family.py, as the sliders do."""
    match = re.fullmatch(r"explorer(?:-([2-9]))?(?:\?(.+))?", link)
    if not match:
        return "it is no link to an explorer"
    if int(match[1] or 1) > explorers:
        return f"the page has {explorers} explorers"
    if match[2] is None:
        return ""
    pairs = parse_qsl(match[2], keep_blank_values=True, strict_parsing=True)
    asked = dict(pairs)
    if len(asked) < len(pairs):
        return "something is said twice"
    head = asked.pop("head", None)
    if head not in FAMILY:
        return f"there is no head {head!r}"
    moves = asked.pop("moves", None)
    for name, value in asked.items():
        wrong = _wrong(head, name, value, hints)
        if wrong:
            return wrong
    steps = [] if moves is None else [pair.partition(":") for pair in re.split("[;,]", moves)]
    if moves is not None and moves.count(";") >= MOST_MOVES:
        return "there are too many moves"
    return next(
        (f"a move: {wrong}" for name, _, value in steps if (wrong := _off(head, name, value))),
        "",
    )


def _wrong(head, name, value, hints):
    choices = {
        "naive": FORMS if head != "softmax" else (),
        "look": hints,
        "start": ("anew", "on"),
        "seed": map(str, range(10)),
    }
    if name in choices:
        return "" if value in choices[name] else f"{name} cannot be {value!r}"
    return _off(head, name, value)


def _off(head, name, value):
    """What is wrong with a value for a head's slider."""
    if name not in FAMILY[head].settings:
        return f"{head} has no {name!r}"
    low, high, step = FAMILY[head].settings[name].slider
    if not re.fullmatch(r"\d+(\.\d+)?", value) or not low <= float(value) <= high:
        return f"{name} goes from {low} to {high}, and not to {value}"
    steps = (float(value) - low) / step
    return "" if abs(steps - round(steps)) < 1e-6 else f"{name} goes in steps of {step}, and {value} is none"


BAD = [
    "explorer?head=arcface&margin=1.6",
    "explorer?head=arcface&margin=0.32",
    "explorer?head=arcface&margin=-0.1",
    "explorer?head=arcface&m1=2",
    "explorer?head=arcfase",
    "explorer?margin=0.3",
    "explorer?head=arcface&margin=0.3&margin=0.4",
    "explorer?head=arcface&naive=asin",
    "explorer?head=softmax&naive=acos",
    "explorer?head=cosface&seed=10",
    "explorer?head=cosface&look=there",
    "explorer?head=cosface&start=over",
    "explorer?head=cosface&moves=margin:2",
    "explorer?head=cosface&moves=seed:2",
    "explorer?head=cosface&moves=" + ";".join(["margin:0.2"] * 21),
]
GOOD = [
    "explorer?head=arcface&margin=0.8&look=loss",
    "explorer?head=arcface&margin=0&moves=margin:0.3;margin:0.6,scale:20",
    "explorer?head=combined&m1=1.5&m2=0.2&m3=0.05&scale=128&seed=9&naive=no-unroll",
    "explorer?head=softmax",
    "explorer?head=cosface&start=on&margin=0.3&look=clusters",
]


def test_what_this_file_calls_a_fault_the_page_calls_one_too(v8, hints):
    for link in BAD + GOOD:
        told = v8.evaluate("q => link.read(q).words", link.partition("?")[2])
        assert bool(fault(link, 1, hints)) == (link in BAD) == bool(told), link
    for link in ("explorer-2?head=arcface", "explorers", "explorer-x?head=arcface", "explorer?"):
        assert fault(link, 1, hints), link
    assert fault("explorer-2?head=arcface", 2, hints) == fault("explorer", 1, hints) == ""


def test_every_link_to_an_explorer_asks_for_what_there_is(hints):
    found = [(name, link, many) for name, text, many in pages() for link in LINK.findall(text)]
    many_of = {name.removesuffix(".ipynb"): many for name, _, many in pages()}
    others = [(name, *it) for name, text, _ in pages() for it in ELSEWHERE.findall(text)]
    assert len(others) >= 5
    for name, text, _ in pages():
        assert not name.startswith("lessons/") or len(LINK.findall(text)) >= 4, name
    found += [(name, link, many_of[page]) for name, page, link in others]
    wrong = [(name, link, fault(link, many, hints)) for name, link, many in found]
    assert [row for row in wrong if row[2]] == []


def test_each_hint_is_one_line_and_each_kind_of_run_has_one(v8, hints):
    texts = v8.evaluate("Object.values(hints.HINTS).map(it => it.words)")
    assert all(text.startswith("Look at ") and len(text) <= 46 for text in texts)
    for head, member in FAMILY.items():
        for naive in (None, *FORMS) if head != "softmax" else (None,):
            settings = {"head": head, "naive": naive, "seed": 0} | member.defaults
            assert v8.evaluate("s => hints.hintFor(s, false)", settings) in hints
    arcface = {"head": "arcface", "naive": None, "seed": 0, "scale": 30}
    hint = "([s, on]) => hints.hintFor(s, on)"
    assert v8.evaluate(hint, [arcface | {"margin": 0.8}, False]) == "limit"
    assert v8.evaluate(hint, [arcface | {"margin": 0.3}, False]) == "wedges"
    assert v8.evaluate(hint, [arcface | {"margin": 0.3}, True]) == "clusters"
    assert v8.evaluate(hint, [arcface | {"margin": 0.3, "naive": "acos"}, False]) == "end"


def test_the_build_leaves_these_links_to_the_page_and_no_others():
    path = ROOT / "book" / "_ext" / "explorer.py"
    spec = importlib.util.spec_from_file_location("explorer_extension", path)
    extension = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(extension)
    document = new_document("page")
    for target in ("explorer?head=arcface&margin=0.8", "explorer-2?head=softmax", "explorer", "explorers"):
        document += nodes.paragraph(
            "", "", addnodes.pending_xref("", nodes.inline("", "try"), reftarget=target)
        )
    extension._link(None, document)
    assert [link["refuri"] for link in document.findall(nodes.reference)] == [
        "#explorer?head=arcface&margin=0.8",
        "#explorer-2?head=softmax",
        "#explorer",
    ]
    assert [left["reftarget"] for left in document.findall(addnodes.pending_xref)] == ["explorers"]
    assert document.astext().split() == ["try"] * 4
