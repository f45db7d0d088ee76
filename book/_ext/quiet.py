"""Keep the built pages quiet: no script asks another host, none fails, and none keeps a page from showing.

Jupyter Book always loads sphinx_thebe, whose script names a host outside and,
added twice to a page, stops with an error. No page here uses it.
"""


def _scripts(app, pagename, templatename, context, doctree):
    def is_thebe(script):
        return "thebe" in str(getattr(script, "filename", "")) or "THEBE" in str(
            getattr(script, "attributes", {}).get("body", "")
        )

    if "script_files" in context:
        context["script_files"] = [script for script in context["script_files"] if not is_thebe(script)]
        for script in context["script_files"]:
            # Deferred scripts run in their order, after the page has been read.
            if getattr(script, "filename", None):
                script.attributes.setdefault("defer", "defer")


def setup(app):
    app.connect("html-page-context", _scripts, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
