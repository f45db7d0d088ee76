"""Keep the built pages quiet: no script asks another host, none fails, none holds up the first paint.

Jupyter Book always loads sphinx_thebe, whose script names a host outside and,
added twice to a page, stops with an error. No page here uses it. The theme
brings its icons twice, as a font of 0.2 MB and as a script of 1.5 MB, and the
index of the search on every page, for a search while one types that is off. And
most scripts stand in the head, where a browser waits for them before it shows a word.
"""

import re
from pathlib import Path


def _scripts(app, pagename, templatename, context, doctree):
    def is_thebe(script):
        return "thebe" in str(getattr(script, "filename", "")) or "THEBE" in str(
            getattr(script, "attributes", {}).get("body", "")
        )

    if "script_files" in context:
        context["script_files"] = [script for script in context["script_files"] if not is_thebe(script)]


def _later(app, exception):
    if exception is None and app.builder.format == "html":
        for page in Path(app.outdir).rglob("*.html"):
            text = page.read_text(encoding="utf-8")
            short = re.sub(r"<script[^>]*/fontawesome\.js[^>]*></script>", "", text)
            if page.name != "search.html":
                search = r'<script[^>]*[/"](searchtools|language_data|searchindex)\.js[^>]*></script>'
                short = re.sub(search, "", short)
            short = re.sub(r"<script(?![^>]* defer)(?=[^>]* src=)", "<script defer", short)
            # A module waits in line with the deferred script that makes what it changes.
            short = short.replace("<script>DOCUMENTATION_", '<script type="module">DOCUMENTATION_')
            if short != text:
                page.write_text(short, encoding="utf-8")


def setup(app):
    app.connect("build-finished", _later)
    app.connect("html-page-context", _scripts, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
