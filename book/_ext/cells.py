"""Of each block of a lesson's page the cell that it is from, as a class: book/slides.py finds it by that."""

import json
import re

from docutils import nodes

LESSON = re.compile(r"lessons/\w+/lesson$")
EACH = 10_000  # lines that MyST-NB gives to a cell


def _note(app, docname, source):
    """Keeps the ids of the cells as they are read: questions have been put between the lesson's own."""
    if LESSON.match(docname):
        app.env.temp_data["marginlab_cells"] = [cell.get("id", "") for cell in json.loads(source[0])["cells"]]


def _mark(app, doctree):
    ids = app.env.temp_data.get("marginlab_cells", [])
    for parent in doctree.findall(lambda node: isinstance(node, nodes.document | nodes.section)):
        for node in parent.children:
            if isinstance(node, nodes.Element) and not isinstance(node, nodes.section | nodes.raw):
                place = node.get("cell_index", (node.line or 0) // EACH - 1)
                if 0 <= place < len(ids):
                    node["classes"].append(f"cell-{ids[place]}")


def setup(app):
    app.connect("source-read", _note, priority=900)
    app.connect("doctree-read", _mark, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
