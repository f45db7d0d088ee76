"""The explorers of built pages: their scripts, in _static, and a first picture that is the page's own run.

A notebook's explorer shows what its kernel has trained. A page trains with a program of its own, whose
runs of the same seed are others: so the kernel's run makes way for the page's, here, when the book is
built. A run takes some seconds, and is kept beside the built book until something that it rests on changes.

A link in the text, [at 0.8 it does not fit](#explorer?head=arcface&margin=0.8), sets the page's explorer:
js/link.js says what it may ask for, and tests/test_try_links.py that each asks for what there is.

An ordered list right after an explorer's cell is its scene: js/scene.js takes the run through it.
"""

import contextlib
import pickle
import re
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.errors import ExtensionError
from sphinx.util import logging
from translated import beside

STATE = "application/vnd.jupyter.widget-state+json"
LINK = re.compile(r"explorer(-\d+)?(\?.*)?")
logger = logging.getLogger(__name__)


def _write(app):
    if app.builder.format != "html" or beside(app):
        return
    from marginlab.explorer import page

    static = app.outdir / "_static"
    static.mkdir(parents=True, exist_ok=True)
    for name, text in page.files().items():
        (static / name).write_text(text, encoding="utf-8")


def _explorers(doctree):
    from marginlab.explorer import page

    raw = doctree.findall(nodes.raw) if doctree else []
    return [node for node in raw if f'class="{page.CLASS}"' in node.astext()]


@contextlib.contextmanager
def runs(app):
    """A function that gives the page's own run of some settings: the one that was kept, else it trains."""
    from marginlab.explorer import engine

    kept = Path(app.doctreedir).parent / ".runs"
    started = []

    def run(settings):
        try:
            path = kept / f"{engine.fingerprint(settings)}.pickle"
            if not path.exists():
                logger.info("training as the page does: %s", settings)
                started.extend([] if started else [engine.Engine()])
                made = started[0].run(settings).kept()
                kept.mkdir(parents=True, exist_ok=True)
                path.write_bytes(pickle.dumps(made))
        except ImportError as error:
            raise ExtensionError(str(error)) from None
        return pickle.loads(path.read_bytes())

    try:
        yield run
    finally:
        for each in started:
            each.close()


def _rerun(app, doctree):
    found = _explorers(doctree)
    if not found:
        return
    from marginlab.explorer import page

    with runs(app) as run:
        for node in found:
            node.replace_self(
                nodes.raw("", page.rerun(node.astext(), run), format="html", classes=node["classes"])
            )


def _link(app, doctree):
    """Links to an explorer lead to no heading: only the page's script knows them."""
    for node in list(doctree.findall(addnodes.pending_xref)):
        if LINK.fullmatch(node["reftarget"]):
            link = nodes.reference("", "", *node.children, refuri=f"#{node['reftarget']}", internal=True)
            node.replace_self(link)


def _scene(app, doctree):
    for found in _explorers(doctree):
        cell = found.parent
        while cell.get("nb_element") != "cell_code":
            cell = cell.parent
        after = cell.parent.index(cell) + 1
        following = cell.parent.children[after] if after < len(cell.parent) else None
        if isinstance(following, nodes.enumerated_list):
            following["classes"].append("marginlab-scene")


def _add(app, pagename, templatename, context, doctree):
    from marginlab.explorer import page

    if _explorers(doctree):
        for name in (page.LIGHT, page.SCRIPT):
            app.add_js_file(name, loading_method="defer")
    # What a kernel's widgets would need is twice the size of the page, and of no use without a kernel.
    scripts = context.get("script_files", [])
    context["script_files"] = [s for s in scripts if getattr(s, "attributes", {}).get("type") != STATE]


def setup(app):
    app.connect("builder-inited", _write)
    app.connect("doctree-read", _rerun)
    app.connect("doctree-read", _link)
    app.connect("doctree-read", _scene)
    app.connect("html-page-context", _add, priority=800)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
