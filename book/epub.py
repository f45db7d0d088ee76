"""The built book as an EPUB 3, for readers of paper and of small screens.

python book/epub.py _build      # make epub: of _build/html into _build/marginlab.epub

The browser that prints the PDF turns the pages into chapters (ebook/convert.js): formulas as MathML by the
book's own MathJax, figures as they are, explorers as their pictures, nothing folded, no scripts. Here they
are put into one file. The same pages give the same file.
"""

import base64
import html
import json
import re
import sys
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from playwright.sync_api import sync_playwright
from pygments.formatters import HtmlFormatter

from marginlab import __version__
from marginlab.explorer import bundle

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import browser

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "book" / "ebook"
TOP = '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE html>\n'
THEN = (1980, 1, 1, 0, 0, 0)  # no day of building tells two files apart
TYPES = {
    ".xhtml": "application/xhtml+xml",
    ".css": "text/css",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
    ".gif": "image/gif",
}


def _yaml(name):
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


def about() -> dict[str, str]:
    """Title, author, version and day, from where the book has them."""
    config, cited = _yaml("_config.yml"), _yaml("CITATION.cff")
    return {
        "title": config["title"],
        "author": config["author"],
        "version": __version__,
        "day": str(cited["date-released"]),
        "says": " ".join(cited["abstract"].split()),
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"marginlab {__version__}")),
    }


def parts() -> list[tuple[str, list[str]]]:
    """(caption, pages) as the book's contents have them; first the landing page, without a caption."""
    toc = _yaml("_toc.yml")
    below = [(part["caption"], [each["file"] for each in part["chapters"]]) for part in toc["parts"]]
    return [("", [toc["root"]]), *below]


def name(page: str) -> str:
    """The file of a page: of a lesson its folder's name."""
    folder, last = page.split("/")[-2:]
    return f"{folder if last == 'lesson' else last}.xhtml"


# ------------------------------------------------------------------ what the browser makes


def convert(pages: Path) -> tuple[dict[str, Any], bytes]:
    """What ebook/convert.js makes of the built pages, and the cover.

    Raises:
        FileNotFoundError: if the book was not built, or there is no browser.
    """
    if not (pages / "book" / "intro.html").exists():
        raise FileNotFoundError(f"no book in {pages}: `make html` builds it")
    path = browser.find()
    if path is None:
        raise FileNotFoundError(browser.MISSING)
    given = [
        {"path": page, "name": name(page), "html": (pages / f"{page}.html").read_text("utf-8")}
        for _, its in parts()
        for page in its
    ]
    settings = _yaml("_config.yml")["sphinx"]["config"]["mathjax3_config"]
    script = bundle.script("globalThis.convert = $convert.convert;", "convert", here=HERE)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        tab = chromium.new_page()
        tab.goto((pages / "_static" / "favicon.png").as_uri())  # MathJax's files are read from files alone
        tab.evaluate(f"window.MathJax = {json.dumps(settings)}; 0")
        tab.add_script_tag(url=(pages / "_static" / "mathjax" / "tex-chtml.js").as_uri())
        tab.evaluate("MathJax.startup.promise.then(() => 0)")
        tab.evaluate(f"{script}; 0")
        made = tab.evaluate("pages => convert(pages)", given)
        front = chromium.new_page(viewport={"width": 1200, "height": 1600})
        front.set_content(cover())
        picture = front.screenshot()
        chromium.close()
    return made, picture


def cover() -> str:
    """The cover as a page: ten digits on the circle, as five heads place them."""
    heads = base64.b64encode((ROOT / "book" / "heads.png").read_bytes()).decode()
    said = {key: html.escape(value) for key, value in about().items()}
    text = (HERE / "cover.html").read_text("utf-8")
    return (
        text.replace("{title}", said["title"])
        .replace("{author}", said["author"])
        .replace("{picture}", f"data:image/png;base64,{heads}")
    )


# ------------------------------------------------------------------ what a reader's program asks for


def page(title: str, body: str) -> str:
    """A file of the book that is none of its chapters."""
    spaces = 'xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"'
    return f"""{TOP}<html {spaces} lang="en" xml:lang="en">
<head><title>{html.escape(title)}</title><link rel="stylesheet" type="text/css" href="book.css"/></head>
{body}
</html>
"""


def contents(chapters: list[dict[str, Any]]) -> str:
    """The table of contents: parts, chapters and their sections."""
    by_name = {it["name"]: it for it in chapters}

    def link(where, said, inner=""):
        below = f"<ol>{inner}</ol>" if inner else ""
        return f'<li><a href="{where}">{html.escape(said)}</a>{below}</li>\n'

    rows = ""
    for caption, its in parts():
        inner = ""
        for each in (by_name[name(it)] for it in its):
            sections = [link(f"{each['name']}#{place}", said) for place, said in each["sections"]]
            inner += link(each["name"], each["title"], "".join(sections))
        rows += f"<li><span>{html.escape(caption)}</span><ol>{inner}</ol></li>\n" if caption else inner
    nav = f'<nav epub:type="toc" class="toc"><h1>Contents</h1><ol>{rows}</ol></nav>'
    return page("Contents", f"<body>{nav}</body>")


def package(files: dict[str, bytes], chapters: list[dict[str, Any]]) -> str:
    """The list of all that is in the book, with what it says about itself."""
    said = {key: html.escape(value) for key, value in about().items()}
    special = {"contents.xhtml": ' properties="nav"', "_images/cover.png": ' properties="cover-image"'}
    special |= {it["name"]: ' properties="mathml"' for it in chapters if it["maths"]}
    ids = {path: f"f{k}" for k, path in enumerate(files)}
    items = "\n".join(
        f'<item id="{key}" href="{path}" media-type="{TYPES[Path(path).suffix]}"{special.get(path, "")}/>'
        for path, key in ids.items()
    )
    order = ["cover.xhtml", "contents.xhtml", *(it["name"] for it in chapters)]
    spine = "".join(f'<itemref idref="{ids[path]}"/>' for path in order)
    access = {
        "accessMode": ["textual", "visual"],
        "accessModeSufficient": ["textual"],
        "accessibilityFeature": ["MathML", "alternativeText", "tableOfContents", "structuralNavigation"],
        "accessibilityHazard": ["none"],
        "accessibilitySummary": ["Formulas are MathML; figures have a text that says what they show."],
    }
    rows = [(key, value) for key, values in access.items() for value in values]
    metas = "\n".join(f'<meta property="schema:{key}">{value}</meta>' for key, value in rows)
    return f"""<?xml version="1.0" encoding="utf-8"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id" xml:lang="en">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:identifier id="id">urn:uuid:{said["id"]}</dc:identifier>
<dc:title>{said["title"]}</dc:title>
<dc:creator>{said["author"]}</dc:creator>
<dc:language>en</dc:language>
<dc:date>{said["day"]}</dc:date>
<dc:description>{said["says"]}</dc:description>
<meta property="dcterms:modified">{said["day"]}T00:00:00Z</meta>
<meta property="schema:version">{said["version"]}</meta>
{metas}
</metadata>
<manifest>
{items}
</manifest>
<spine>{spine}</spine>
</package>
"""


CONTAINER = """<?xml version="1.0" encoding="utf-8"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles><rootfile full-path="book/package.opf" media-type="application/oebps-package+xml"/></rootfiles>
</container>
"""


def files(made: dict[str, Any], picture: bytes, pages: Path) -> Iterator[tuple[str, bytes]]:
    """(path, bytes) of all that the book is made of, but the package."""
    said, chapters = about(), made["chapters"]
    image = f'<img src="_images/cover.png" alt="{html.escape(said["title"])}"/>'
    line = f"<p>{html.escape(said['author'])}. Version {said['version']}, {said['day']}.</p>"
    yield "cover.xhtml", page(said["title"], f'<body class="cover"><div>{image}</div>{line}</body>').encode()
    yield "contents.xhtml", contents(chapters).encode()
    for chapter in chapters:
        yield chapter["name"], f"{TOP}{chapter['text']}\n".encode()
    code = HtmlFormatter(style="a11y-high-contrast-light").get_style_defs(".highlight")
    yield "book.css", f"{(HERE / 'book.css').read_text('utf-8')}{code}\n".encode()
    yield "_images/cover.png", picture
    for path, data in sorted(made["files"].items()):
        found = base64.b64decode(data) if data else (pages / path).read_bytes()
        yield path, plain_svg(found) if path.endswith(".svg") else found


def plain_svg(data: bytes) -> bytes:
    """A picture as EPUB 3 asks for it: no DTD, a d for each path, and what came after SVG 1.1 as a style."""
    text = re.sub(r"<!DOCTYPE[^>]*>\s*", "", data.decode())
    text = re.sub(r"<path(?![^>]*\sd=)", '<path d=""', text)
    return re.sub(r'paint-order="(\w+)"', r'style="paint-order:\1"', text).encode()


def write(build: Path) -> Path:
    """Writes the book beside what it is made of, whole or not at all."""
    pages = build / "html"
    made, picture = convert(pages)
    inside = dict(files(made, picture, pages))
    path, part = build / "marginlab.epub", build / "marginlab.epub.part"
    with zipfile.ZipFile(part, "w") as out:
        # By its first bytes, which are not packed, a program knows what the file is.
        out.writestr(zipfile.ZipInfo("mimetype", THEN), "application/epub+zip")
        listed = {"META-INF/container.xml": CONTAINER, "book/package.opf": package(inside, made["chapters"])}
        for where, data in (listed | {f"book/{key}": value for key, value in inside.items()}).items():
            out.writestr(zipfile.ZipInfo(where, THEN), data, zipfile.ZIP_DEFLATED, 9)
    return part.replace(path)


if __name__ == "__main__":
    done = write(Path(sys.argv[1]).resolve())
    print(f"{done}: {done.stat().st_size / 1e6:.1f} MB")
