"""For readers: a chapter's number, how long it takes to read, and light figures that load when reached."""

import re
from pathlib import Path

from docutils import nodes
from translated import _

CHAPTER = re.compile(r"lessons/(\d+)_\w+/lesson$")
WORDS, LINES = 200, 25  # a minute, of prose and of code
HAN = re.compile("[\u4e00-\u9fff]")


def _words(text):
    """Words; of Chinese, which has no spaces, two characters are read in the time of one."""
    characters = len(HAN.findall(text))
    return len(HAN.sub(" ", text).split()) + characters / 2


def minutes(doctree):
    """Minutes that it takes to read the prose and the code of a page, without what is folded or asked."""
    words, asked = 0, False
    for node in doctree.findall(lambda node: isinstance(node, nodes.paragraph | nodes.raw)):
        # A question is not read on the way, but answered by who likes.
        if isinstance(node, nodes.raw):
            asked = "<fieldset" in node.astext() or (asked and "</fieldset>" not in node.astext())
        elif not asked:
            words += _words(node.astext())
    folded = {
        block
        for cell in doctree.findall(nodes.container)
        if {"tag_hide-input", "tag_hide-cell"} & set(cell["classes"])
        for block in cell.findall(nodes.literal_block)
    }
    code = [n for n in doctree.findall(nodes.literal_block) if "python" in n.get("language", "")]
    lines = sum(n.astext().count("\n") + 1 for n in code if n not in folded)
    return round(words / WORDS + lines / LINES)


def _number(app, doctree):
    """The prose says "chapter 5": so its title says 5, in the sidebar and in links too.

    The number is the folder's. The numbers that Jupyter Book gives would begin with 1.
    """
    chapter = CHAPTER.match(app.env.docname)
    if chapter:
        title = next(iter(doctree.findall(nodes.title)))
        title.insert(0, nodes.Text(f"{int(chapter[1])}. "))


def _prepare(app, doctree):
    for image in doctree.findall(nodes.image):
        image["loading"] = "lazy"
    if CHAPTER.match(app.env.docname):
        title = next(iter(doctree.findall(nodes.title)))
        text = _("About {minutes} minutes to read.").format(minutes=minutes(doctree))
        title.parent.insert(1, nodes.paragraph("", text, classes=["reading-time"]))


def _accessible(app, pagename, templatename, context, doctree):
    """Tables scroll by keyboard; and no ARIA roles that ARIA 1.2 has withdrawn, as in bibliographies."""
    if "body" in context:
        body = re.sub(r' role="(doc-biblioentry|doc-backlink|list)"', "", context["body"])
        context["body"] = body.replace("<table ", '<table tabindex="0" ')
    if pagename == "_modules/index":  # Sphinx puts a list straight into a list, which HTML does not know
        before, start, rest = context["body"].partition("<ul>")
        items, end, after = rest.rpartition("</ul>")
        context["body"] = before + start + re.sub("</?ul>", "", items) + end + after


def _one_page(app):
    """The page that `make pdf` prints has mathematics, though its first chapter has none."""
    if app.builder.name == "singlehtml":
        app.set_html_assets_policy("always")


def _lighter(app, exception):
    """Paths of figures to a hundredth of a point, where matplotlib writes a millionth."""
    for figure in Path(app.outdir, "_images").glob("*.svg"):
        text = figure.read_text(encoding="utf-8")
        short = re.sub(r' d="[^"]+"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), text)
        if short != text:
            figure.write_text(short, encoding="utf-8")


def setup(app):
    app.connect("builder-inited", _one_page)
    app.connect("build-finished", _lighter)
    app.connect("doctree-read", _number, priority=100)  # before Sphinx collects the titles
    app.connect("doctree-read", _prepare)
    app.connect("html-page-context", _accessible)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
