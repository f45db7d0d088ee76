"""The students' version of each sheet of exercises, beside its chapter and linked from it.

The sheets in the repository hold solutions and hidden tests; Sphinx must never copy those.
"""

from pathlib import Path

from docutils import nodes

SHEET = "exercises.ipynb"


def _link(app, doctree):
    if app.env.docname.startswith("lessons/"):
        for name in [n for n in doctree.findall(nodes.literal) if n.astext() == SHEET]:
            name.replace_self(nodes.reference("", "", nodes.literal("", SHEET), refuri=SHEET, internal=True))


def _release(app, exception):
    if exception is None and app.builder.format == "html":
        from marginlab.course import release

        release(source=Path(app.srcdir, "lessons"), target=Path(app.outdir, "lessons"))


def setup(app):
    app.connect("doctree-read", _link)
    app.connect("build-finished", _release)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
