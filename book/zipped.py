"""Puts the whole built book into one file that opens by a double click, from any folder, offline.

python book/zipped.py _build      # _build/marginlab-VERSION.zip, of _build/html and what else is there

In it: `Open the book.html`, which says its version; the pages; the notebooks with all that they need; the
PDF, the EPUB and the slides where they were made; and SHA256SUMS. The same files give the same zip,
to the byte.
"""

import hashlib
import html
import sys
import zipfile
from pathlib import Path

from marginlab import __version__, course

ROOT = Path(__file__).resolve().parents[1]
START = "Open the book.html"
# Windows opens no path of more than 260 characters, and the reader's own folder takes its part.
LONGEST = 150
THEN = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip knows: no day of building tells two zips apart
TITLE = "Margin losses you can see"
PAGE = f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{TITLE}</title>
<style>
body {{ font: 1.1rem/1.6 system-ui, sans-serif; margin: 3rem auto; max-width: 36rem; padding: 0 1rem }}
</style>
<h1>{TITLE}</h1>
<p>This is marginlab {html.escape(__version__)}, the whole book. It needs no network and no installation.</p>
<p><a href="book/book/intro.html">Open the book</a></p>
"""
MORE = {
    "marginlab.pdf": '<p>To print: <a href="marginlab.pdf">the book as one PDF</a>.</p>\n',
    "marginlab.epub": '<p>For an e-reader: <a href="marginlab.epub">the book as an EPUB</a>.</p>\n',
    "slides/": '<p>To teach from: <a href="slides/index.html">a deck of slides for each chapter</a>.</p>\n',
    "notebooks/": "<p>To work in: the chapters and the sheets as notebooks, with the package, in the folder "
    '<code>notebooks</code>. <a href="notebooks/START.md">START.md</a> there says how to begin.</p>\n',
}


def contents(build: Path) -> dict[str, bytes]:
    """{path in the zip: bytes} of a built book.

    Raises:
        FileNotFoundError: if no book was built there.
        ValueError: for a path that Windows could not open.
    """
    pages = build / "html"
    if not (pages / "book" / "intro.html").exists():
        raise FileNotFoundError(f"no book in {pages}: `make html` builds it")
    files = {
        f"book/{path.relative_to(pages).as_posix()}": path
        for path in sorted(pages.rglob("*"))
        if path.is_file() and "_sources" not in path.relative_to(pages).parts and path.suffix != ".buildinfo"
    }
    decks = (path for path in sorted(build.glob("slides/**/*")) if path.is_file())
    files |= {path.relative_to(build).as_posix(): path for path in decks}
    whole = (build / "marginlab.pdf", build / "marginlab.epub")
    files |= {path.name: path for path in whole if path.exists()}
    out = {name: path.read_bytes() for name, path in files.items()}
    out |= {f"notebooks/{name}": data for name, data in course.contents(ROOT / "lessons").items()}
    more = "".join(text for name, text in MORE.items() if any(it.startswith(name) for it in out))
    out[START] = (PAGE + more).encode()
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(out.items()))
    out["SHA256SUMS"] = sums.encode()
    long = [name for name in out if len(name) > LONGEST]
    if long:
        raise ValueError(f"paths of more than {LONGEST} characters: {long}")
    return out


def write(build: Path) -> Path:
    """Writes the zip beside what it is made of, whole or not at all."""
    folder = f"marginlab-{__version__}"
    path, part = build / f"{folder}.zip", build / f"{folder}.zip.part"
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
        for name, data in sorted(contents(build).items()):
            info = zipfile.ZipInfo(f"{folder}/{name}", THEN)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            out.writestr(info, data)
    return part.replace(path)


if __name__ == "__main__":
    made = write(Path(sys.argv[1]))
    print(f"{made}: {made.stat().st_size / 1e6:.1f} MB")
