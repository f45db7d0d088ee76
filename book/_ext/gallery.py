"""The gallery of signs that a reader draws: its script, for the pages that have a place for it.

The place is a `div` of the class "marginlab-gallery" in a cell of Markdown, with the sentence that stands
there without scripts, in a notebook and on paper. The script asks the page's explorer, by an event, where
drawings lie.
"""

from docutils import nodes

CLASS, SCRIPT = "marginlab-gallery", "marginlab-gallery.js"


def script():
    """The modules of the gallery as one script, whose names are not the page's."""
    from marginlab.explorer import bundle

    return bundle.script("$gallery.start();", "gallery")


def _write(app):
    if app.builder.format == "html":
        static = app.outdir / "_static"
        static.mkdir(parents=True, exist_ok=True)
        (static / SCRIPT).write_text(script(), encoding="utf-8")


def _add(app, pagename, templatename, context, doctree):
    raw = doctree.findall(nodes.raw) if doctree else []
    if any(f'class="{CLASS}"' in node.astext() for node in raw):
        app.add_js_file(SCRIPT, loading_method="defer")


def setup(app):
    app.connect("builder-inited", _write)
    app.connect("html-page-context", _add, priority=790)  # before explorer.py, which makes the list anew
    return {"parallel_read_safe": True, "parallel_write_safe": True}
