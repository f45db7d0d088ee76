"""Nothing that a student wrote acts in the browser of whoever reads it; text, tables and figures stay.

Feedback pages open in the instructor's and the student's browser, and formgrader shows a notebook on
Jupyter's own origin, where a script may do all that the instructor may.
"""

import base64
import html
import re

from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_locked

from marginlab.course.sheet import cell_name, say

__all__ = ["Harmless", "clean_html", "clean_output", "clean_text", "harmless"]

_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*")
_TAGS = {
    "a",
    "p",
    "br",
    "hr",
    "em",
    "strong",
    "b",
    "i",
    "u",
    "s",
    "del",
    "sub",
    "sup",
    "code",
    "pre",
    "span",
    "div",
}
_TAGS |= {"blockquote", "ul", "ol", "li", "dl", "dt", "dd", "img", "input", "center", "small", "kbd", "mark"}
_TAGS |= {"table", "thead", "tbody", "tfoot", "tr", "th", "td", "caption", "details", "summary"}
_TAGS |= {f"h{level}" for level in range(1, 7)}
_PLAIN = {"alt", "title", "width", "height", "align", "start", "colspan", "rowspan", "border", "class", "id"}
_PLAIN |= {"disabled", "checked", "open", "type"}
# One tag as the strictest reader of HTML writes it: what a browser could take for another is none of them.
_TAG = re.compile(r'</?([a-z][a-z0-9]*)((?:\s+[a-z-]+(?:="[^"<>]*")?)*)\s*/?>', re.I)
_ATTRIBUTE = re.compile(r'([a-z-]+)(?:="([^"]*)")?', re.I)
# What MathJax would make a link, a style or a macro of.
_MACRO = re.compile(
    r"\\\s*(href|url|require|html\w*|cssId|class|style|csname|data|def|let|newcommand)\b", re.I
)


class Harmless(NbGraderPreprocessor):
    """nbgrader's step that takes out of a notebook what could act in a browser, and says so."""

    def preprocess(self, nb, resources):
        for cell in nb.cells:
            if cell.cell_type == "code":
                for output in cell.get("outputs", []):
                    clean_output(output)
            elif not is_locked(cell) and clean_text(cell):
                say(self, f"{_where(cell)} holds what a browser could run; it is shown as plain text.")
        return nb, resources


def _where(cell):
    name = cell_name(cell) or ""
    return "A text of the student's own" if name.startswith("extra-") else f"Cell {name}"


def clean_text(cell: NotebookNode) -> bool:
    """Leave a text as it is, or show its source where it would be more than text; says whether it did.

    A text that is changed to be safe is not what the student wrote: so it is rendered, and looked at.
    """
    raw, cell.cell_type = cell.cell_type == "raw", "markdown"
    attachments = cell.pop("attachments", {})
    kept = {str(name): _pictures(bundle) for name, bundle in attachments.items() if isinstance(bundle, dict)}
    if kept:
        cell.attachments = kept
    if not raw and harmless(cell.source, kept):
        return False
    longest = max((len(run) for run in re.findall(r"`+", cell.source)), default=0)
    fence = "`" * max(3, longest + 1)
    cell.source = f"{fence}text\n{cell.source}\n{fence}"
    cell.pop("attachments", None)
    return not raw


def _pictures(bundle):
    """Those of a bundle's pictures that are just pictures."""
    return {
        kind: data
        for kind, data in bundle.items()
        if kind in _PICTURES and isinstance(data, str) and _BASE64.fullmatch(data)
    }


def harmless(source: str, attachments: dict | None = None) -> bool:
    """Whether Markdown becomes nothing but text, tables, links and pictures."""
    if _MACRO.search(source):
        return False
    attachments = {name: bundle for name, bundle in (attachments or {}).items() if bundle}
    try:
        page = MarkdownWithMath(renderer=IPythonRenderer(escape=False, attachments=attachments)).render(
            source
        )
    except Exception:  # a picture that is not there, and whatever else a text can do to its reader
        return False
    at = 0
    while (at := page.find("<", at)) >= 0:
        tag = _TAG.match(page, at)
        if not tag or not _allowed(tag[1].lower(), tag[2]):
            return False
        at = tag.end()
    return True


def _allowed(tag, attributes):
    if tag not in _TAGS:
        return False
    for match in _ATTRIBUTE.finditer(attributes):
        name, value = match[1].lower(), match[2] or ""
        if name in ("href", "src"):
            if not _address(tag, value):
                return False
        elif name == "style":
            if not re.fullmatch(r"text-align:\s*\w+;?", value):
                return False
        elif name not in _PLAIN or (name == "type" and value != "checkbox") or "mermaid" in value:
            return False
    return True


def _address(tag, value):
    """Whether an address is one to go to or to show: of the web, of this page, or a picture in itself."""
    value = re.sub(r"[\x00-\x20\x7f-\xa0]", "", html.unescape(value)).lower()
    if tag == "img" and re.match(r"data:image/(png|jpe?g|gif|webp|svg\+xml);base64,[a-z0-9+/=]*$", value):
        return True
    scheme = re.match(r"[^/?#]*?:", value)
    return not scheme or scheme[0] in ("http:", "https:", "mailto:")


def clean_output(output: NotebookNode) -> None:
    """Keep of an output what is text, a table or a picture, in place."""
    if output.output_type not in ("display_data", "execute_result"):
        return
    data, kept = output.data, {}
    for kind, value in data.items():
        if not isinstance(value, str):
            continue
        if kind == "text/plain" or (kind in _PICTURES and _BASE64.fullmatch(value)):
            kept[kind] = value
        elif kind == "image/svg+xml":  # a picture in an img runs nothing; the same picture in a page can
            picture = base64.b64encode(value.encode()).decode()
            kept["text/html"] = f'<img src="data:image/svg+xml;base64,{picture}">'
        elif kind == "text/html" and not _MACRO.search(value):
            kept.setdefault("text/html", clean_html(value))
        elif (kind == "text/markdown" and harmless(value)) or (
            kind == "text/latex" and not _MACRO.search(value)
        ):
            kept[kind] = value
    output.data, output.metadata = NotebookNode(kept), NotebookNode()


def clean_html(text: str) -> str:
    """HTML without scripts, styles and handlers; tables and figures stay, which SanitizeHTML drops."""
    import bleach  # nbconvert's

    def attribute(tag, name, value):
        if name in ("href", "src"):
            return _address(tag, value)
        return name in _PLAIN - {"id", "type"}

    text = re.sub(r"<(script|style)\b.*?</\1\s*>", "", text, flags=re.S | re.I)
    schemes = {"http", "https", "mailto", "data"}  # data: for pictures alone, see _address
    return bleach.clean(text, tags=_TAGS - {"input"}, attributes=attribute, protocols=schemes, strip=True)
