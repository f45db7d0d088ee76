"""Brings the explorers of built pages to life: their scripts, in _static, on the pages that have one."""

from docutils import nodes

STATE = "application/vnd.jupyter.widget-state+json"


def _write(app):
    if app.builder.format != "html":
        return
    from marginlab.explorer import page

    static = app.outdir / "_static"
    static.mkdir(parents=True, exist_ok=True)
    for name, text in page.files().items():
        (static / name).write_text(text, encoding="utf-8")


def _add(app, pagename, templatename, context, doctree):
    from marginlab.explorer import page

    raw = doctree.findall(nodes.raw) if doctree else []
    if any(f'class="{page.CLASS}"' in node.astext() for node in raw):
        for name in (page.LIGHT, page.SCRIPT):
            app.add_js_file(name, loading_method="defer")
    # What a kernel's widgets would need is twice the size of the page, and of no use without a kernel.
    scripts = context.get("script_files", [])
    context["script_files"] = [s for s in scripts if getattr(s, "attributes", {}).get("type") != STATE]


def setup(app):
    app.connect("builder-inited", _write)
    app.connect("html-page-context", _add, priority=800)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
