"""Keep the built pages quiet: no script asks another host, none fails, none holds up the first paint.

Jupyter Book always loads sphinx_thebe, whose script names a host outside and,
added twice to a page, stops with an error. No page here uses it. The theme
brings its icons twice, as a font of 0.2 MB and as a script of 1.5 MB, and the
index of the search on every page, for a search while one types that is off. Of the font's 1,400 icons
the pages show some twenty. And most scripts stand in the head, where a browser waits for them before it
shows a word.
"""

import re
from pathlib import Path

from translated import beside


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
            # The part of it that the style sheets name is small, and needs no head start.
            short = re.sub(r'<link rel="preload"[^>]*/fa-[^>]*>', "", short)
            if page.name != "search.html":
                search = r'<script[^>]*[/"](searchtools|language_data|searchindex)\.js[^>]*></script>'
                short = re.sub(search, "", short)
            short = re.sub(r"<script(?![^>]* defer)(?=[^>]* src=)", "<script defer", short)
            # A module waits in line with the deferred script that makes what it changes.
            short = short.replace("<script>DOCUMENTATION_", '<script type="module">DOCUMENTATION_')
            if short != text:
                page.write_text(short, encoding="utf-8")


ICONS = "fa-solid-900"


def _fewer_icons(app, exception):
    """The font of icons, with those alone that a page names, or a rule of the theme: 156 kB become 2."""
    if exception is not None or app.builder.format != "html" or beside(app):
        return
    from fontTools import subset

    static = Path(app.outdir, "_static")
    pages = [path.read_text(encoding="utf-8") for path in Path(app.outdir).rglob("*.html")]
    named = {name for text in pages for name in re.findall(r"\bfa-([\w-]+)", text)}
    sheets = {path: path.read_text(encoding="utf-8") for path in static.rglob("*.css")}
    kept = set()
    for text in sheets.values():
        for rule, code in re.findall(r'([^{}]+)\{[^{}]*content:\s*"\\([ef][0-9a-f]{3})"', text):
            icons = set(re.findall(r"\.fa-([\w-]+)", rule))
            if not icons or icons & named:
                kept.add(int(code, 16))
    options = subset.Options(flavor="woff", notdef_outline=True)
    for whole in static.rglob(f"{ICONS}.ttf"):
        font = subset.load_font(whole, options)
        chosen = subset.Subsetter(options)
        chosen.populate(unicodes=kept)
        chosen.subset(font)
        subset.save_font(font, whole.with_suffix(".woff"), options)
    for path, text in sheets.items():
        short = re.sub(rf'({ICONS}\.woff)2([^)]*\)\s*format\(["\']?woff)2', r"\1\2", text)
        if short != text:
            path.write_text(short, encoding="utf-8")


def setup(app):
    app.connect("build-finished", _fewer_icons)
    app.connect("build-finished", _later)
    app.connect("html-page-context", _scripts, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
