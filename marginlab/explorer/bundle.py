"""The explorer's JavaScript as one text: for a page that is a file, a notebook's widget, and a bare V8.

The modules in js/ import each other by `import {…} from "./name.js"`, a book's modules import them by the way
from folder to folder, and all export functions, classes and constants where they are declared. One of them,
"tables", has no file: it is Python's tables as JSON.
"""

import dataclasses
import functools
import json
import re
from pathlib import Path
from typing import Any

from marginlab.explorer.challenges import CHALLENGES
from marginlab.explorer.forms import FORMS, WHY
from marginlab.family import FAMILY, OWN, OWN_PSI
from marginlab.formula import GRAMMAR
from marginlab.recipe import RECIPE

__all__ = [
    "EXPORT",
    "HERE",
    "IMAGES",
    "IMPORT",
    "MEMBERS",
    "MOST_MOVES",
    "bundle",
    "order",
    "script",
    "sliders",
    "source",
    "standalone",
]


HERE = Path(__file__).resolve().parent / "js"
MEMBERS = FAMILY | {"own": OWN}  # what an explorer offers
MOST_MOVES = 20  # that may go on from one start
# The files of images: how many to train with and to test with, and how often each is seen. The first comes
# soon and is trained with at once, the other takes over; in both are the test images that the frames show.
IMAGES = {
    "first": {"train": 6000, "test": 1000, "epochs": 10},
    "all": {"train": 60000, "test": 10000, "epochs": RECIPE.epochs},
}
IMPORT = re.compile(r'^import (\{[^}]*\}) from "(\.[./\w]*/(\w+)\.js)";$', re.MULTILINE)
# A page is light, and whoever reads the code reads the modules: comments on lines of their own and at the
# ends of lines, types, empty lines and indents. (Texts of several lines are styles and HTML: they need none.)
COMMENT = re.compile(
    r"^[ \t]*(?://[^\n]*|/\*(?:(?!\*/).)*\*/[ \t]*)?\n| //[ ][^\n]*$|/\*\*[ ]@type[ ][^\n]*?\*/[ ]|^[ \t]+",
    re.MULTILINE | re.DOTALL,
)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|const|class) (\w+))", re.MULTILINE)


def sliders(head: str) -> list[dict[str, Any]]:
    """Of a head its sliders: ``[{name, place, min, max, step, unit, default}]``."""
    rows = []
    for setting in MEMBERS[head].settings.values():
        low, high, step = setting.slider
        numbers = {"min": low, "max": high, "step": step, "unit": setting.unit, "default": setting.default}
        rows.append({"name": setting.name, "place": setting.place} | numbers)
    return rows


def _tables():
    tables = {
        "FAMILY": {
            head: {"title": member.title, "sliders": sliders(head)} for head, member in MEMBERS.items()
        },
        "OWN_PSI": OWN_PSI,
        "FORMS": {name: dataclasses.asdict(form) for name, form in FORMS.items()},
        "WHY": WHY,
        "RECIPE": dataclasses.asdict(RECIPE),
        "MOST_MOVES": MOST_MOVES,
        "IMAGES": IMAGES,
        "GRAMMAR": GRAMMAR,
        "CHALLENGES": CHALLENGES,
    }
    return "".join(f"export const {name} = {json.dumps(table)};\n" for name, table in tables.items())


def source(path: Path) -> str:
    """The text of a module: its file, or for "tables" what `family`, `forms` and `recipe` say."""
    return _tables() if path == HERE / "tables.js" else path.read_text(encoding="utf-8")


def order(*names: str, here: Path = HERE) -> list[Path]:
    """These modules of a folder and all that they import, each after those that it imports itself.

    Raises:
        ValueError: for two modules of one name, from two folders.
    """
    found: dict[Path, None] = {}

    def visit(path):
        if path not in found:
            for _, imported, _ in IMPORT.findall(source(path)):
                visit((path.parent / imported).resolve())
            found[path] = None

    for name in names:
        visit((here / f"{name}.js").resolve())
    stems = [path.stem for path in found]
    if twice := {stem for stem in stems if stems.count(stem) > 1}:
        raise ValueError(f"modules of one text must have names of their own, got {sorted(twice)} twice")
    return list(found)


@functools.cache
def bundle(*names: str, here: Path = HERE) -> str:
    """Modules, and all that they import, as one text in which `$name` has what the module "name" exports.

    Browsers load no modules from files. So each becomes a function, `nameModule`, whose text a worker can
    be given too, and `$name` is what it has returned. here: their folder, where it is not the explorer's.

    Raises:
        ValueError: for an import or an export of another kind than those that the modules have, for an
            import of what a module does not export, and for two modules of one name.
    """
    exports: dict[str, list[str]] = {}
    return "".join(_wrapped(path.stem, source(path), exports) for path in order(*names, here=here))


def _wrapped(name, text, exports):
    for imported, _, other in IMPORT.findall(text):
        if missing := set(re.findall(r"\w+", imported)) - set(exports[other]):
            raise ValueError(f"{name}.js imports {sorted(missing)}, which {other}.js does not export")
    exports[name] = EXPORT.findall(text)
    text = EXPORT.sub("", IMPORT.sub(r"const \1 = $\3;", text))
    left = re.search(r"^(import|export)\b.*", text, re.MULTILINE)
    if left:
        raise ValueError(f"{name}.js must import and export as the others do, got {left[0]!r}")
    body = f"() => {{\n{COMMENT.sub('', text)}return {{ {', '.join(exports[name])} }};\n}}"
    return f"const {name}Module = {body};\nconst ${name} = {name}Module();\n"


def script(start: str, *names: str, here: Path = HERE) -> str:
    """A bundle as a page's script, whose names are not the page's, with the statement that starts it."""
    return f'(() => {{\n"use strict";\n{bundle(*names, here=here)}\n{start}\n}})();\n'


def standalone(name: str) -> str:
    """An expression for a worker's text: a module and its imports, from the bundle before it."""
    parts = ", ".join(f"`const ${path.stem} = (${{{path.stem}Module}})();`" for path in order(name))
    return f'[{parts}].join("\\n")'
