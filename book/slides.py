"""A deck of slides for each chapter, from the built pages: what is shown the lesson's own cells say.

python book/slides.py _build      # make slides: of _build/html into _build/slides

In nbconvert's words, which JupyterLab sets too, a cell's metadata {"slideshow": {"slide_type": "slide"}}
begins a slide; "-" goes on with it, "fragment" too, at the next key; "skip" and cells of which nothing is
said are not shown. Beside it may stand `parts`: of a text its blocks in their order (the heading, paragraphs,
formulas), with a stroke where another slide begins, "0 1 / 3"; of a code cell "output", which is meant where
nothing is said, of it the "figure" or the "table" alone, and "code". And `ask`, the id of a question of
asking.yml, which follows as a slide.

The speaker's notes of a slide are what the lesson says from there on to the next and does not show.
"""

import copy
import dataclasses
import html
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup, Tag
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
DECK = ROOT / "book" / "deck"
SCRIPTS = ("marginlab-sample.js", "marginlab-explorer.js", "marginlab-first.js", "marginlab-all.js")
MATHS = (
    "tex-chtml.js",
    "input/tex/extensions/html.js",
    "output/chtml/fonts",
)  # what of MathJax pages ask for
WORDS = 75  # with more a slide has smaller letters
ROWS, LETTERS = 11, 84  # a table with more, or with more letters in a row, has smaller ones
WIDE = 1.6  # a figure that is wider, by its height, has no room for words beside it
ROOM = "A question to the room"
LAST = {"Exercises", "Sources"}  # sections that are for reading


@dataclasses.dataclass
class Slide:
    """What one slide shows.

    Attributes:
        title: the heading of its section.
        shown: its blocks, and of each whether it waits for a key.
        notes: blocks for the speaker alone.
    """

    title: str
    shown: list[tuple[Tag, bool]]
    notes: list[Tag] = dataclasses.field(default_factory=list)


# ------------------------------------------------------------------ what the lesson shows


def blocks(page: BeautifulSoup, ids: set[str]) -> Iterator[tuple[str, Tag]]:
    """(a cell's id, a block of it), in the order of the page: book/_ext/cells.py has marked them.

    A cell that holds several sections was read as several cells, "id-0", "id-1", …
    """
    for block in page.select('article [class*="cell-"]'):
        for name in (it.removeprefix("cell-") for it in block["class"] if it.startswith("cell-")):
            cell = name if name in ids else re.sub(r"-\d+$", "", name)
            if cell in ids:
                yield cell, block


def parts(cell: NotebookNode) -> list[list[str]]:
    """What of a cell is shown, a list for each slide; of a text [[]] for all of it."""
    said = cell.metadata.get("slideshow", {})
    if said.get("slide_type", "skip") == "skip":
        return []
    usual = "output" if cell.cell_type == "code" else ""
    return [part.split() for part in said.get("parts", usual).split("/")]


def pieces(cell: NotebookNode, its: list[Tag]) -> Iterator[tuple[bool, list[Tag]]]:
    """Of a cell (whether a slide begins, blocks that are shown), from its blocks on the page.

    Raises:
        ValueError: for a block that the cell does not have.
    """
    begins = cell.metadata.get("slideshow", {}).get("slide_type") == "slide"
    for k, part in enumerate(parts(cell)):
        if cell.cell_type == "code":
            found = [each for what in part for each in _of_code(its[0], what)]
        else:
            found = [its[int(i)] for i in part if int(i) < len(its)] if part else its
        if not found or (part and len(found) < len(part)):
            raise ValueError(f"the cell {cell.id} has no {part} to show, of {len(its)}")
        yield begins or k > 0, found


def _of_code(cell, what):
    """Of a code cell's block its "code", its "output", or of that the "figure" or the "table"."""
    if what in ("code", "output"):
        return cell.select(".cell_input" if what == "code" else ".cell_output")
    which = {"figure": "img, .marginlab-caption", "table": "table"}[what]
    output = copy.copy(cell.select_one(".cell_output"))
    for it in output.find_all(recursive=False):
        if not (it.css.match(which) or it.select(which)):
            it.decompose()
    return [output]


def slides(notebook: NotebookNode, page: BeautifulSoup) -> list[Slide]:
    """The slides of a lesson, from its built page."""
    ids = [cell.id for cell in notebook.cells]
    of: dict[str, list[Tag]] = {name: [] for name in ids}
    for name, block in blocks(page, set(ids)):
        of[name].append(block)
    made: list[Slide] = []
    for cell in notebook.cells:
        its = of[cell.id]
        now, home = made[-1:], {}
        for begins, found in pieces(cell, its):
            waits = not begins and cell.metadata["slideshow"]["slide_type"] == "fragment"
            body = [(it, waits) for it in found if it.name not in ("h1", "h2")]
            if begins:
                of_section = found[0] if cell.cell_type == "markdown" else its[0]
                made.append(Slide(_title(_above(of_section)), body))
            else:
                made[-1].shown += body
            home |= {id(it): made[-1:] for it in found}
        for it in its if cell.cell_type == "markdown" else []:
            now = home.get(id(it), now)
            if now and id(it) not in home and _title(_above(it)) not in LAST:
                now[0].notes.append(it)
        asked = cell.metadata.get("slideshow", {}).get("ask")
        if asked:
            made.append(question(page, asked))
    return made


def _above(block):
    """The heading of the section that a block stands in."""
    return block if block.name in ("h1", "h2") else block.find_parent("section").find(["h1", "h2"])


def _title(heading):
    return heading.get_text().rstrip("#").strip()


def question(page: BeautifulSoup, name: str) -> Slide:
    """A question of the page to the room; what is right, and why, stands in the notes.

    Raises:
        ValueError: for a question that the page does not have.
    """
    asked = page.find(id=f"question-{name}")
    if asked is None:
        raise ValueError(f"the page asks no question {name!r}")
    choices = asked.select(".marginlab-choice")
    shown = [it for it in asked.find_all("p", recursive=False) if "marginlab-see" not in it.get("class", [])]
    items = "".join(f"<li>{_words(it)}</li>" for it in choices)
    listed = BeautifulSoup(f'<ol class="choices">{items}</ol>', "html.parser").ol
    notes = []
    for letter, why in zip("ABCDEFG", asked.select(".marginlab-why"), strict=False):
        right = " (right)" if why.get("data-right") == "true" else ""
        notes.append(BeautifulSoup(f"<p><b>{letter}{right}:</b> {_words(why)}</p>", "html.parser").p)
    body = [*(it for it in shown if it.get_text(strip=True)), listed]
    return Slide(ROOM, [(it, False) for it in body], notes)


def _words(tag):
    """What a tag holds, as HTML, without what is filled in."""
    inner = copy.copy(tag)
    for each in inner.select("input"):
        each.decompose()
    return re.sub(r"</?(?:p|label|div)\b[^>]*>", " ", inner.decode_contents()).strip()


# ------------------------------------------------------------------ a deck as a page


def clean(block: Tag, images: set[str]) -> str:
    """A block as HTML for a deck, with links to explorers alone; the names of pictures go into `images`."""
    it = copy.copy(block)
    for each in it.select(".headerlink, button, [id^=see-]"):
        each.decompose()
    for each in [it, *it.find_all(True)]:
        if not each.get("class") or "marginlab-scene" in each["class"]:
            del each["class"]
        del each["id"]
        if each.name == "img" and "_images/" in each.get("src", ""):
            each["src"] = re.sub(r".*_images/", "_images/", each["src"])
            images.add(each["src"].removeprefix("_images/"))
    for link in it.select("a"):
        if not link.get("href", "").startswith("#explorer"):
            link.unwrap()
    return str(it)


def layout(slide: Slide, pages: Path) -> str:
    """The classes of a slide: how its blocks are laid out."""
    text = " ".join(it.get_text(" ") for it, _ in slide.shown if it.name in ("p", "ul", "ol", "blockquote"))
    pictures = [img for it, _ in slide.shown for img in it.select("img")]
    explorer = any(it.select(".marginlab-explorer") for it, _ in slide.shown)
    cells = [row.get_text(" ", strip=True) for it, _ in slide.shown for row in it.select("tr:has(td)")]
    names = ["many"] * (len(cells) > ROWS or max(map(len, cells), default=0) > LETTERS)
    if len(text.split()) > WORDS:
        names.append("dense")
    if explorer:
        names.append("live")
    elif pictures and text and max(_ratio(pages / img["src"]) for img in pictures) < WIDE:
        names.append("beside")
    elif not (cells or pictures or "dense" in names or any(it.select("pre") for it, _ in slide.shown)):
        names.append("plain")
    return " ".join(["slide", *names])


def _ratio(path):
    """Width of a picture by its height."""
    if path.suffix != ".svg":
        return 1.0
    size = re.search(r'viewBox="\S+ \S+ ([\d.]+) ([\d.]+)"', path.read_text(encoding="utf-8"))
    return float(size[1]) / float(size[2]) if size else 1.0


def section(slide: Slide, pages: Path, images: set[str]) -> str:
    """A slide as HTML."""
    kind = layout(slide, pages)
    body = {True: "", False: ""}
    for it, waits in slide.shown:
        made = clean(it, images)
        seen = bool(it.select("img, .marginlab-explorer")) or it.name == "img"
        body[seen] += f'<div class="later">{made}</div>' if waits else made
    words = f'<div class="words">{body[False]}</div>' if body[False] else ""
    figure = f'<div class="seen">{body[True]}</div>' if body[True] else ""
    notes = "".join(clean(it, images) for it in slide.notes)
    return (
        f'<section class="{kind}"><h2>{html.escape(slide.title)}</h2><div class="body">{words}{figure}</div>'
        f'<aside class="notes" hidden>{notes}</aside></section>'
    )


PAGE = """<!doctype html>
<html lang="en" data-theme="light">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="_static/pygments.css">
<link rel="stylesheet" href="_static/deck.css">
{maths}
</head>
<body data-alone>
<main>
<h1>{title}</h1>
{body}
</main>
{scripts}
</body>
</html>
"""
SCRIPT = '<script defer src="_static/{}"></script>'


def deck(name: str, build: Path, images: set[str]) -> str:
    """The deck of a chapter as a page; the names of its pictures go into `images`.

    Raises:
        FileNotFoundError: if the book was not built.
    """
    path = build / "html" / "lessons" / name / "lesson.html"
    if not path.exists():
        raise FileNotFoundError(f"no {path}: `make html` builds it")
    page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    made = slides(nbformat.read(ROOT / "lessons" / name / "lesson.ipynb", 4), page)
    body = "\n".join(section(slide, path.parent, images) for slide in made)
    body = body.replace('class="slide', 'class="first slide', 1)
    config = next(str(it) for it in page.find_all("script") if "window.MathJax" in it.text)
    scripts = "\n".join(SCRIPT.format(it) for it in ("deck.js", *SCRIPTS[:2]))
    title = html.escape(_title(page.h1))
    return PAGE.format(
        title=title, body=body, maths=f"{config}\n{SCRIPT.format('mathjax/tex-chtml.js')}", scripts=scripts
    )


def write(build: Path) -> Path:
    """Writes _build/slides: the decks, an index, and all that they load. It can be carried elsewhere."""
    out, static = build / "slides", build / "html" / "_static"
    shutil.rmtree(out, ignore_errors=True)
    for folder in ("_static/mathjax", "_images"):
        (out / folder).mkdir(parents=True)
    images: set[str] = set()
    rows = ""
    for lesson in sorted(ROOT.glob("lessons/*/lesson.ipynb")):
        name = lesson.parent.name
        made = deck(name, build, images)
        (out / f"{name}.html").write_text(made, encoding="utf-8")
        count = made.count("<section class=")
        title = re.search("<title>(.*)</title>", made)[1]
        rows += f'<li><a href="{name}.html">{title}</a>, {count} slides</li>\n'
    for image in images:
        shutil.copy(build / "html" / "_images" / image, out / "_images")
    for each in (*SCRIPTS, "pygments.css"):
        shutil.copy(static / each, out / "_static")
    for each in DECK.glob("deck.*"):
        shutil.copy(each, out / "_static")
    for each in MATHS:
        whole, target = static / "mathjax" / each, out / "_static" / "mathjax" / each
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(whole, target) if whole.is_dir() else shutil.copy(whole, target)
    index = (DECK / "index.html").read_text(encoding="utf-8").replace("<!-- decks -->", rows)
    (out / "index.html").write_text(index, encoding="utf-8")
    return out


if __name__ == "__main__":
    print(f"The slides are in {write(Path(sys.argv[1])) / 'index.html'}")
