"""Symbols that explain themselves: each known letter of a formula gets a class, and its page what cards say.

book/notation.md is the one source: a row is a symbol. Here `\\theta` becomes `\\class{sym-theta}{\\theta}`
in every formula of the book when a page is read; notebooks stay as they are. A letter with two rows is told
apart by the formula that it stands in. The words of the cards go into the page as JSON, only those that it
needs, and symbols.js shows them; terms of the glossary that a page links to have theirs in it too.
"""

import dataclasses
import json
import re
from pathlib import Path

from docutils import nodes
from translated import _

NOTATION, GLOSSARY = "book/notation", "book/glossary"
CHAPTER = re.compile(r"lessons/(\d+)_(\w+)/(lesson|exercises)$")
ROW = re.compile(r"^\| (\$.+?)\s*\| (.+?)\s*\| (.*?)\s*\| (.*?)\s*\|$", re.M)
# Letters that a sheet of exercises uses as it likes, and says there what for.
OWN = {"a", "b", "f", "g", "n", "t", r"\delta", r"\varepsilon"}
# Letters that mean no one thing: running indices, the number e, and names of one place.
PLAIN = {"j", "i", "e", "u", "v", r"\alpha", r"\beta"}
# Taken whole, with what they hold: words, names of functions, environments; fences that grow.
HELD = r"\\(?:begin|end|text|texttt|textbf|mathrm|operatorname|tag|label)\*?\{[^{}]*\}"
FENCE = r"\\(?:left|right|[bB]igg?[lr]?)\s*(?:\\[a-zA-Z]+|\\.|.)"
WHOLE = re.compile(f"{HELD}|{FENCE}")
TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|.", re.S)
# In such a formula s is a sine; in every other, and in front of a cosine, a scale.
SINE = re.compile(r"atan2|s\^2|\bds\b|\\,ds|r/s|s = \\lVert|\(c, s\)")
TEXT = {
    r"\operatorname{ucos}": "ucos",
    r"\operatorname{atan2}": "atan2",
    r"\lVert": "‖",
    r"\rVert": "‖",
    r"\hat x": "x̂",
    r"\hat w": "ŵ",
    r"\varepsilon": "ε",
    r"\varphi": "φ",
    r"\theta": "θ",
    r"\delta": "δ",
    r"\cdot": "·",
    r"\psi": "ψ",
    r"\cos": "cos ",
    r"\sin": "sin ",
    r"\log": "log ",
    r"\pi": "π",
    r"\,": " ",
    "‖ ": "‖",
    "_j": "ⱼ",
    "_i": "ᵢ",
    "_k": "ₖ",
    "_1": "₁",
    "_2": "₂",
    "_3": "₃",
    "-": "−",
}


@dataclasses.dataclass(frozen=True)
class Symbol:
    """A row of the notation.

    Attributes:
        name: what follows "sym-" in its class.
        letter: its TeX, without indices.
        meaning, range: in words.
        first: the chapter that brings it in, as the row links to it.
    """

    name: str
    letter: str
    meaning: str
    range: str
    first: str


def words(markdown: str) -> str:
    """Markdown with formulas as plain text, for a card."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown)

    def plain(match):
        tex = match[1]
        for key, value in TEXT.items():
            tex = tex.replace(key, value)
        return re.sub(r"[\\{}]", "", tex).replace("  ", " ")

    return re.sub(r"[*`]", "", re.sub(r"\$([^$]*)\$", plain, text))


def symbols(text: str) -> list[Symbol]:
    """The rows of the first table of book/notation.md.

    Raises:
        ValueError: for two rows of one name.
    """
    table = text.split("\n## ", maxsplit=1)[0]
    rows = [row for row in ROW.findall(table) if "---" not in row[0]]
    letters = [re.match(r"\$(\\operatorname\{\w+\}|\\[a-zA-Z]+|\w)", row[0])[1] for row in rows]
    found = []
    for letter, (_tex, meaning, allowed, first) in zip(letters, rows, strict=True):
        bare = {r"\lVert": "length", r"\hat": "unit"}.get(letter) or re.sub(
            r"\\|operatorname|[{}]", "", letter
        )
        # Of two rows with one letter each is called by what it means.
        name = bare if letters.count(letter) == 1 else meaning.split()[0]
        found.append(Symbol(name, letter, meaning, allowed, first))
    if len({it.name for it in found}) < len(found):
        raise ValueError(f"two rows of the notation have one name: {sorted(it.name for it in found)}")
    return found


class Wrapper:
    """Wraps the symbols of formulas. `unknown` collects letters that are neither in the table nor plain."""

    def __init__(self, known: list[Symbol]):
        self.by_letter: dict[str, list[Symbol]] = {}
        for it in known:
            self.by_letter.setdefault(it.letter, []).append(it)
        self.unknown: set[str] = set()
        self.sine = False

    def __call__(self, tex: str, sine: bool = False) -> str:
        """The formula with each symbol in a class; sine: whether s is one here, whatever the formula."""
        self.sine = sine or bool(SINE.search(tex))
        return self._wrap(tex)

    def _name(self, letter):
        rows = self.by_letter.get(letter)
        if not rows:
            return None
        if len(rows) == 1:
            return rows[0].name
        return "sine" if self.sine else "scale"

    def _wrap(self, tex):
        out, at = [], 0
        while at < len(tex):
            end, base, name = self._base(tex, at)
            if name is None:
                out.append(base)
                at = end
                continue
            scripts, end = self._scripts(tex, end)
            out.append(rf"\class{{sym-{name}}}{{{base}{scripts}}}")
            at = end
        return "".join(out)

    def _base(self, tex, at):
        """(end, what stands there, the name of its symbol or None)."""
        whole = WHOLE.match(tex, at)
        if whole:
            return whole.end(), whole[0], self._name(whole[0])
        length = re.compile(r"\\lVert(.*?)\\rVert", re.S).match(tex, at)
        if length and "\\lVert" not in length[1]:
            return length.end(), length[0], self._name(r"\lVert")
        hat = re.compile(r"\\hat ?(?:[xw]|\{[xw]\})").match(tex, at)
        if hat:
            return hat.end(), hat[0], self._name(r"\hat")
        differential = re.compile(r"d(?=\\theta|[csrx](?![a-zA-Z]))").match(tex, at)
        if differential:
            return differential.end(), "d", None
        token = TOKEN.match(tex, at)[0]
        name = self._name(token)
        letter = re.fullmatch(r"[a-zA-Z]", token) or re.fullmatch(
            r"\\(alpha|beta|gamma|lambda|mu|sigma|tau|phi|epsilon|eta|omega)", token
        )
        if name is None and letter and token not in PLAIN:
            self.unknown.add(token)
        return at + len(token), token, name

    def _scripts(self, tex, at):
        """Indices and powers behind a symbol belong to it; what they hold is wrapped by itself."""
        out = ""
        while at < len(tex) and tex[at] in "_^'":
            sign, at = tex[at], at + 1
            if sign == "'":
                out += sign
                continue
            if tex[at] == "{":
                end = _closing(tex, at)
                out += f"{sign}{{{self._wrap(tex[at + 1 : end])}}}"
                at = end + 1
            else:
                token = TOKEN.match(tex, at)[0]
                out += f"{sign}{{{self._wrap(token)}}}"
                at += len(token)
        return out, at


def _closing(tex, at):
    depth = 0
    for k in range(at, len(tex)):
        depth += {"{": 1, "}": -1}.get(tex[k], 0) if tex[k - 1] != "\\" else 0
        if depth == 0:
            return k
    raise ValueError(f"no closing brace in {tex!r}")


def terms(text: str) -> dict[str, tuple[str, str]]:
    """{anchor: (term, what it is)} of the glossary."""
    parts = re.findall(r"^## (.+)\n+(.+)", text, re.M)
    return {re.sub(r"[^\w]+", "-", term.lower()).strip("-"): (term, words(said)) for term, said in parts}


def here(docname: str, symbol: Symbol) -> str:
    """What the margin is in a chapter of one head, from the family table; "" for what is the same in all."""
    from marginlab.family import FAMILY

    chapter = CHAPTER.match(docname)
    member = FAMILY.get(chapter[2]) if chapter else None
    if symbol.letter != "m" or member is None or not member.margins:
        return ""
    return _("Here: {head}'s, {range}.").format(head=member.title, range=_(member.margins[0].allowed))


def _ranged(symbol):
    return "" if symbol.range.startswith("see") else words(symbol.range)


def said(root: Path, pages: list[str]) -> list[str]:
    """What cards say in these pages: of every symbol, and of the terms that the pages link to."""
    from marginlab.family import FAMILY

    rows = symbols(_read_source(root, NOTATION))
    found = [
        text for it in rows for text in (words(it.meaning), _ranged(it), *re.findall(r"^\[(.+?)\]", it.first))
    ]
    found += [member.margins[0].allowed for member in FAMILY.values() if member.margins]
    known = terms(_read_source(root, GLOSSARY))
    linked = {name for page in pages for name in re.findall(r"glossary\.md#([\w-]+)", page)}
    return [text for text in found if text] + [text for name in sorted(linked) for text in known[name]]


def _source(app, name):
    return _read_source(app.srcdir, name)


def _read_source(root, name):
    return Path(root, f"{name}.md").read_text(encoding="utf-8")


def _read(app, doctree):
    docname = app.env.docname
    app.env.note_dependency(str(Path(app.srcdir, f"{NOTATION}.md")))
    known = symbols(_source(app, NOTATION))
    chapter = CHAPTER.match(docname)
    sheet = bool(chapter and chapter[3] == "exercises")
    wrap = Wrapper([it for it in known if not (sheet and it.letter in OWN)])
    for formula in doctree.findall(lambda n: isinstance(n, nodes.math | nodes.math_block)):
        if isinstance(formula.parent, nodes.title):
            continue
        row = next((it for it in _rows_of(formula)), None) if docname == NOTATION else None
        text = formula.astext()
        sine = bool(chapter and int(chapter[1]) == 0) or (row is not None and "sine" in row)
        new = nodes.Text(wrap(text, sine))
        formula.children = []
        formula.append(new)
        if formula.rawsource:
            formula.rawsource = new
    if wrap.unknown and not sheet:
        raise ValueError(f"{docname}: not in the notation, and not plain: {sorted(wrap.unknown)}")


def _rows_of(formula):
    """The text of the table row that a formula stands in."""
    node = formula.parent
    while node is not None and not isinstance(node, nodes.row):
        node = node.parent
    if node is not None:
        yield node.astext()


def _cards(app, pagename, templatename, context, doctree):
    if doctree is None or "body" not in context:
        return
    used = set(re.findall(r"\\class\{sym-(\w+)\}", context["body"]))
    uri = lambda name: app.builder.get_relative_uri(pagename, name)  # noqa: E731
    cards = {}
    for it in symbols(_source(app, NOTATION)):
        if it.name in used:
            link = re.match(r"\[(.+?)\]\(\.\./(.+?)\.(?:ipynb|md)\)", it.first)
            said = {
                "name": _(words(it.meaning)),
                "range": _(_ranged(it)) if _ranged(it) else "",
                "here": here(pagename, it),
            }
            cards[it.name] = said | {"first": [_(link[1]), uri(link[2])] if link else []}
    linked = set(re.findall(r'href="[^"]*glossary\.html#([\w-]+)"', context["body"]))
    said = {
        key: [_(part) for part in value]
        for key, value in terms(_source(app, GLOSSARY)).items()
        if key in linked
    }
    if cards or said:
        data = {"symbols": cards, "terms": said, "notation": uri(NOTATION)}
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
        context["body"] += f'<script type="application/json" id="marginlab-cards">{text}</script>'


def setup(app):
    app.connect("doctree-read", _read)
    app.connect("html-page-context", _cards)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
