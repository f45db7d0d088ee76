"""Keep the built pages to themselves: no script that asks another host, and no console error.

Jupyter Book always loads sphinx_thebe, whose script names a host outside and,
added twice to a page, stops with an error. No page here uses it.
"""


def _drop_thebe(app, pagename, templatename, context, doctree):
    def is_thebe(script):
        return "thebe" in str(getattr(script, "filename", "")) or "THEBE" in str(
            getattr(script, "attributes", {}).get("body", "")
        )

    if "script_files" in context:
        context["script_files"] = [script for script in context["script_files"] if not is_thebe(script)]


def setup(app):
    app.connect("html-page-context", _drop_thebe, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
