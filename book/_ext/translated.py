"""The book in another language: which pages there are, and what of a page is translated beside its prose.

Prose, headings, tables and questions are translated by Sphinx, from one catalogue a page. Words that our
extensions write into pages are asked for by `_`, and have a catalogue of their own. What code puts out stays.
"""

from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.locale import get_translation
from sphinx.transforms import SphinxTransform

LOCALE = Path(__file__).parents[1] / "locale"
LANGUAGE, FOLDER = "zh_CN", "zh"  # as gettext says it; the folder of its pages, in the built book
# The pages that are translated in full. Whoever has filled another page's catalogue adds it here.
PAGES = (
    "book/intro",
    "book/symptoms",
    "lessons/00_two_dimensions/lesson",
    "lessons/01_softmax/lesson",
    "lessons/05_arcface/lesson",
)
WORDS = "page"  # the catalogue of what extensions say
SCRIPT = "marginlab-words.js"  # the catalogue of what scripts say, as a script


def _(text: str) -> str:
    """A text of an extension, in the language of the build."""
    return str(get_translation(WORDS)(text))


def unexecuted(app) -> bool:
    """Whether this build makes catalogues: no page has outputs then, and nothing of them is proved."""
    return app.builder.name == "gettext"


def beside(app) -> bool:
    """Whether this build makes pages beside the English book's: what all share is there, and proved."""
    return app.config.language == LANGUAGE


class OutputsStay(SphinxTransform):
    """What a cell has put out is no text to translate; but what stands for its pictures is the author's."""

    default_priority = 15  # before Sphinx translates, at 20

    def apply(self, **kwargs):
        for cell in self.document.findall(_is_cell):
            for node in cell.findall(nodes.TextElement):
                node["translatable"] = False
        for formula in self.document.findall(nodes.math_block):
            formula["translatable"] = False


def _is_cell(node):
    return isinstance(node, nodes.container) and node.get("nb_element") == "cell_code"


def _alternatives(app, doctree):
    """For the catalogues nothing is executed: the texts that stand for pictures are with the cells."""
    if unexecuted(app):
        for cell in list(doctree.findall(_is_cell)):
            alt = cell["cell_metadata"].get("mystnb", {}).get("image", {}).get("alt")
            if alt:
                cell += nodes.image("", uri="", alt=alt)


def _compiled(app):
    return Path(app.srcdir, app.config.locale_dirs[0])


def script_words(app) -> str:
    """The script that gives scripts the language of this build; "" for English."""
    return (_compiled(app) / SCRIPT).read_text(encoding="utf-8") if beside(app) else ""


def _captions(app, doctree):
    """The parts of the table of contents, which come into the first page when Sphinx has translated it."""
    for toctree in doctree.findall(addnodes.toctree):
        caption = toctree.get("caption")
        if caption:
            toctree["caption"] = _(caption)


def _in_chinese(app, doctree):
    """Reads a page again where its catalogues have changed; and the first page says what stays English."""
    docname = app.env.docname
    if not beside(app) or docname not in PAGES:
        return
    for name in (docname, WORDS):
        app.env.note_dependency(str(_compiled(app) / LANGUAGE / "LC_MESSAGES" / f"{name}.mo"))
    if docname == app.config.root_doc:
        first = next(iter(doctree.findall(nodes.paragraph)))
        stays = _(
            "Pages that are not translated yet open in English. What code has put out stays in English too: "
            "tables, and the words within pictures."
        )
        first.parent.insert(
            first.parent.index(first) + 1, nodes.paragraph("", stays, classes=["marginlab-stays"])
        )


def _switch(app, pagename, templatename, context, doctree):
    """In the header of a page that there is in both languages, the way to the other."""
    if pagename in PAGES and app.builder.name == "html":
        up = "../" * pagename.count("/")
        if (
            app.config.language == LANGUAGE
        ):  # book/chinese.py puts these pages into a folder of the English book
            other = {"href": f"../{up}{pagename}.html", "lang": "en", "name": "English"}
        else:
            other = {"href": f"{up}{FOLDER}/{pagename}.html", "lang": "zh", "name": "中文"}
        context["other_language"] = other


def setup(app):
    app.add_message_catalog(WORDS, str(_compiled(app)))
    app.add_transform(OutputsStay)
    if beside(app):
        app.add_js_file(SCRIPT, priority=100)  # before all that speaks
    app.connect("doctree-read", _captions, priority=100)  # before Sphinx collects the tables of contents
    app.connect("doctree-read", _in_chinese)
    app.connect("html-page-context", _switch)
    app.connect("doctree-read", _alternatives)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
