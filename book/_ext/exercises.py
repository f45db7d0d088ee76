"""The students' version of each sheet of exercises, beside its chapter: a page and a notebook.

The sheets in the repository hold solutions and hidden tests; Sphinx must never read or copy those. What it
reads is written from the release to a folder beside the built book, as the source of pages that stand where
the sheets stand.
"""

import os
from pathlib import Path

from docutils import nodes
from translated import _, beside

SHEET, PAGE, SCRIPT = "exercises.ipynb", "exercises.html", "fields.js"
HERE = "lessons/{}/exercises"


def _folder(app):
    return Path(app.doctreedir).parent / "sheets"


def _sheet(app, name):
    return Path(app.srcdir, "lessons", name, SHEET)


def _write(app):
    if beside(app):
        return
    from sheet_page import page

    from marginlab.course import sheets

    for name in sheets(Path(app.srcdir, "lessons")):
        target = _folder(app) / name / "exercises.md"
        target.parent.mkdir(parents=True, exist_ok=True)
        text = page(_sheet(app, name))
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.write_text(text, encoding="utf-8")


def _found(app, env, added, changed, removed):
    """Adds the pages to those that Sphinx has found, under the names that the sheets would have.

    Returns those that Sphinx has not read, or not since they were written.
    """
    names = []
    for path in sorted(_folder(app).glob("*/exercises.md")):
        if not _sheet(app, path.parent.name).exists():  # it was there when the book was built before
            continue
        name = HERE.format(path.parent.name)
        where = os.path.relpath(path, app.srcdir)
        env.project.docnames.add(name)
        env.project._docname_to_path[name] = where
        env.project._path_to_docname[where] = name
        names.append(name)
    removed.difference_update(names)
    return [name for name in names if _written(env, name) > env.all_docs.get(name, -1)]


def _written(env, name):
    """When the page's text was written, in microseconds as Sphinx counts them."""
    return Path(env.doc2path(name)).stat().st_mtime_ns // 1000


def _is_page(pagename):
    return pagename.startswith("lessons/") and pagename.endswith("/exercises")


def _link(app, doctree):
    """The prose of a chapter says `exercises.ipynb`: it means the page, and the notebook."""
    docname = app.env.docname
    if not docname.startswith("lessons/") or not _sheet(app, docname.split("/")[1]).exists():
        return  # in a source archive there are no sheets
    if _is_page(docname):
        return
    for name in [n for n in doctree.findall(nodes.literal) if n.astext() == SHEET]:
        page = nodes.reference("", _("a page to read"), refuri=PAGE, internal=True)
        sheet = nodes.reference("", "", nodes.literal("", SHEET), refuri=SHEET, internal=True)
        name.parent.replace(name, [page, nodes.Text(_(" and a notebook to work in, ")), sheet])


def _context(app, pagename, templatename, context, doctree):
    """No source is copied beside these pages: the notebook stands there."""
    if _is_page(pagename):
        context["sourcename"] = context["page_source_suffix"] = ""
        app.add_js_file(SCRIPT, loading_method="defer")


def _script(app):
    from marginlab.explorer import bundle

    if app.builder.format == "html" and not beside(app):
        static = app.outdir / "_static"
        static.mkdir(parents=True, exist_ok=True)
        text = bundle.script("$fields.start();", "fields", here=Path(app.srcdir, "book", "sheet"))
        (static / SCRIPT).write_text(text, encoding="utf-8")


def _release(app, exception):
    if exception is None and app.builder.format == "html" and not beside(app):
        from marginlab.course import release

        release(source=Path(app.srcdir, "lessons"), target=Path(app.outdir, "lessons"))


def setup(app):
    app.connect("builder-inited", _write)
    app.connect("builder-inited", _script)
    app.connect("env-get-outdated", _found)
    app.connect("doctree-read", _link)
    app.connect("html-page-context", _context, priority=100)
    app.connect("build-finished", _release)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
