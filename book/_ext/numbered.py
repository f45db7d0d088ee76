"""Numbers for figures and equations of the chapters, with captions, and words for what a folded cell makes.

A figure's caption is the first sentence of the text that stands for it where it is not seen: one text, and
not two. Numbers are the chapter's and a count: figure 5.2, equation (5.3). Each can be linked to, by
#figure-5-2 and #equation-5-3.
"""

import re

from docutils import nodes
from translated import _

CHAPTER = re.compile(r"lessons/(\d+)_\w+/lesson$")
GREEK = {"psi": "ψ", "theta": "θ", "pi": "π"}


def caption(alt: str) -> str:
    """The first sentence of an alternative text, with its letters as the figure has them."""
    first = re.match(r".+?(?:[.?!](?=\s|$)|[。？！])|.+", " ".join(alt.split()))[0]
    return re.sub(r"\b(psi|theta|pi)\b", lambda m: GREEK[m[0].lower()], first, flags=re.I)


def _cells(doctree):
    """The code cells of a page."""
    for cell in doctree.findall(nodes.container):
        if cell.get("nb_element") == "cell_code":
            yield cell


def _figures(cell):
    """Of a cell the containers that hold one figure each, in one form or several, and its text."""
    for bundle in cell.findall(nodes.container):
        if bundle.get("nb_element") == "mime_bundle":
            image = next(iter(bundle.findall(nodes.image)), None)
            if image is not None and image.get("alt"):
                yield bundle, image["alt"]


def _fold(cell, made):
    """Says on a folded cell what its code makes."""
    if "prompt_show" in cell:
        cell["prompt_show"], cell["prompt_hide"] = (
            _("Show {made}").format(made=made),
            _("Hide {made}").format(made=made),
        )


def _made(cell, numbers):
    if numbers:
        return _("the code of figure {numbers}").format(numbers=_(" and ").join(numbers))
    return _("the code of this table") if any(cell.findall(nodes.table)) else _("the code")


def _number(app, doctree):
    chapter = CHAPTER.match(app.env.docname)
    if not chapter:
        return
    chapter, figures = int(chapter[1]), 0
    for cell in list(_cells(doctree)):
        numbers = []
        for bundle, alt in list(_figures(cell)):
            figures += 1
            number = f"{chapter}.{figures}"
            numbers.append(number)
            words = [
                nodes.strong("", _("Figure {number}.").format(number=number)),
                nodes.Text(f" {caption(alt)}"),
            ]
            line = nodes.paragraph("", "", *words, classes=["marginlab-caption"])
            line["ids"] = [f"figure-{chapter}-{figures}"]
            bundle.parent.insert(bundle.parent.index(bundle) + 1, line)
        _fold(cell, _made(cell, numbers))
    for equations, formula in enumerate(doctree.findall(nodes.math_block), start=1):
        formula["number"] = f"{chapter}.{equations}"
        formula["ids"] = [f"equation-{chapter}-{equations}"]


def setup(app):
    app.connect("doctree-read", _number)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
