"""Serves the book on localhost at once: what is there already, and how far the rest is.

    python book/serve.py                      # builds what has changed, and serves what there is meanwhile
    python book/serve.py --from FILE.zip      # a release's book: nothing is installed, nothing trained
    python book/serve.py --from zip           # the newest one that lies about

Python alone: a release can be looked at before anything is installed.
"""

import argparse
import functools
import hashlib
import html
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "_build"
PLACES = (ROOT, BUILD, Path.home() / "Downloads")  # where a release may lie
FIRST, PAGES = "first/_build/html", "html"  # below _build: the landing page alone, and the whole book
LANDING = "book/intro.html"
SPHINX = 60  # seconds that making pages takes once they are trained, about
PROGRESS = "progress.json"
WAITING = """<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="3">
<meta name="viewport" content="width=device-width"><title>{title}</title>
<style>
body {{ font: 1.1rem/1.6 system-ui, sans-serif; margin: 3rem auto; max-width: 36rem; padding: 0 1rem }}
</style>
<h1>{title}</h1><p role="status">{said}</p><p>This page looks again every three seconds.</p>
"""
# In the landing page while chapters are missing: no reload, for it would end the reader's run.
BANNER = """<p id="marginlab-building" role="status">{said}</p>
<script>
(function look() {{
  fetch("/{progress}").then((r) => r.json()).then(({{ said, ready }}) => {{
    const place = document.getElementById("marginlab-building");
    if (place.textContent !== said) place.textContent = said;
    if (!ready) return setTimeout(look, 3000);
    place.innerHTML = '<a href="">Open the chapters</a>';
    place.prepend("The whole book is there. ");
  }});
}})();
</script>
"""


# ---- From a release ------------------------------------------------------------------------------


def found(name: str, places: tuple[Path, ...] = PLACES) -> Path:
    """The zip of that name; of the name "zip" the newest release that lies in one of the places.

    Raises:
        FileNotFoundError: saying where it was looked for.
    """
    if name != "zip":
        if not Path(name).is_file():
            raise FileNotFoundError(f"--from must be a release's zip, and there is no file {name}")
        return Path(name)
    all_of_them = [path for place in places for path in place.glob("marginlab-*.zip")]
    if not all_of_them:
        looked = ", ".join(map(str, places))
        raise FileNotFoundError(f"--from zip: there is no marginlab-VERSION.zip in {looked}")
    return max(all_of_them, key=lambda path: (numbers(path.stem), path.stat().st_mtime))


def numbers(text: str) -> tuple[int, ...]:
    """Of a version: marginlab-0.10.0 is newer than marginlab-0.9.1."""
    return tuple(map(int, re.findall(r"\d+", text)))


def unpacked(path: Path, into: Path) -> Path:
    """Unpacks a release into a folder of its own there, whole or not at all; the folder of its pages.

    Raises:
        ValueError: for a file that is no release, or whose sums are not those of its files.
    """
    try:
        with zipfile.ZipFile(path) as file:
            files = {name: file.read(name) for name in file.namelist() if not name.endswith("/")}
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is no zip, or a damaged one: {error}") from None
    sums = next((name for name in files if PurePosixPath(name).name == "SHA256SUMS"), None)
    if sums is None:
        raise ValueError(f"{path} is no release of marginlab: it has no SHA256SUMS")
    folder = PurePosixPath(sums).parent
    said = dict(line.split("  ", 1)[::-1] for line in files.pop(sums).decode().splitlines())
    named = {str(folder / name): digest for name, digest in said.items()}
    wrong = sorted(set(named) ^ set(files)) or [
        name for name, data in files.items() if hashlib.sha256(data).hexdigest() != named[name]
    ]
    if wrong or str(folder / "book" / LANDING) not in files:
        what = wrong[0] if wrong else LANDING
        raise ValueError(f"{path} is damaged, or no release of marginlab: see {what} in it")
    if any(".." in PurePosixPath(name).parts or PurePosixPath(name).is_absolute() for name in files):
        raise ValueError(f"{path} would write outside of its folder")
    home, part = into / folder.name, into / f"{folder.name}.part"
    shutil.rmtree(part, ignore_errors=True)
    for name, data in files.items():
        target = part / PurePosixPath(name).relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    shutil.rmtree(home, ignore_errors=True)
    part.replace(home)
    return home / "book"


# ---- While it is built ---------------------------------------------------------------------------


class Building:
    """book/build.py in a process of its own, and how far it is."""

    def __init__(self, build: Path = BUILD) -> None:
        self.build, self.pages = build, build / PAGES
        self.before = (self.pages / LANDING).exists()  # whether there is an older book to read meanwhile
        self.begun, self.trained, self.count = time.monotonic(), 0, 0
        self.state = "building"  # then "ready" or "failed"

    def run(self) -> None:
        """Builds the landing page alone where there is no book yet, then all; passes on what is said."""
        for arguments in [[]] if self.before else [["--first"], []]:
            process = subprocess.Popen(
                [sys.executable, str(ROOT / "book" / "build.py"), *arguments],
                stdout=subprocess.PIPE,
                text=True,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )
            for line in process.stdout or ():
                print(line, end="", flush=True)
                self.hear(line)
            if process.wait():
                self.state = "failed"
                return
        self.state = "ready"

    def hear(self, line: str) -> None:
        """What build.py says after each page: `  name: 20 s (3/16, 88 s)`."""
        if said := re.search(r"\((\d+)/(\d+), \d+ s\)$", line.rstrip()):
            self.trained, self.count = int(said[1]), int(said[2])

    def said(self) -> str:
        """How far it is, in a sentence."""
        if self.state == "failed":
            return "The book could not be built: the terminal says why."
        if self.state == "ready":
            return "The whole book is there."
        passed = time.monotonic() - self.begun
        if not self.trained:
            return (
                f"The book is being built, for {passed:.0f} seconds now. The first time takes some minutes."
            )
        left = passed / self.trained * (self.count - self.trained) + SPHINX
        minutes = f"about {max(1, round(left / 60))} min left"
        return f"The chapters are being trained: {self.trained} of {self.count} pages, {minutes}."

    def folder(self) -> Path | None:
        """What can be shown just now: the whole book, the landing page alone, or nothing."""
        whole = [self.pages] if self.before or self.state == "ready" else []
        return next((it for it in (*whole, self.build / FIRST) if (it / LANDING).exists()), None)


class Finished:
    """A book that is all there."""

    state = "ready"

    def __init__(self, pages: Path) -> None:
        self.pages = pages

    def said(self) -> str:
        return "The whole book is there."

    def folder(self) -> Path:
        return self.pages


class Handler(http.server.SimpleHTTPRequestHandler):
    """Pages of a `folder()`; for those that are not there yet, how far they are."""

    def __init__(self, *args, building, **kwargs):
        self.building = building
        super().__init__(*args, **kwargs)

    def do_GET(self):
        path, building = self.path.split("?")[0], self.building
        ready = building.state == "ready"
        if path == f"/{PROGRESS}":
            return self.answer(json.dumps({"said": building.said(), "ready": ready}), "application/json")
        said, folder = html.escape(building.said()), building.folder()
        if folder is not None:
            self.directory = str(folder)
            if Path(self.translate_path(path)).exists():
                if folder == building.pages or not path.endswith(LANDING):
                    return super().do_GET()
                page = (folder / LANDING).read_text(encoding="utf-8")
                banner = BANNER.format(said=said, progress=PROGRESS)
                return self.answer(page.replace("<article", f"{banner}<article", 1))
        if ready or not path.endswith(("/", ".html")):
            return self.send_error(404)
        return self.answer(WAITING.format(title="Margin losses you can see", said=said))

    def answer(self, text, kind="text/html"):
        data = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass  # what the building says is what a reader wants to see


def server(building, port: int) -> http.server.ThreadingHTTPServer:
    """On localhost alone; port 0 takes any that is free."""
    try:
        return http.server.ThreadingHTTPServer(
            ("127.0.0.1", port), functools.partial(Handler, building=building)
        )
    except OSError as error:
        sys.exit(f"Port {port} cannot be had ({error.strerror}): make book PORT={port + 1}")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--from", dest="release", metavar="FILE.zip", help="a release's zip, or zip")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args(arguments)
    building = Building()
    if options.release:
        try:
            path = found(options.release)
            building = Finished(unpacked(path, BUILD / "from"))
        except (FileNotFoundError, ValueError) as error:
            return str(error)
        print(f"{path}: unpacked and checked.")
    with server(building, options.port) as site:
        address = f"http://127.0.0.1:{site.server_port}/"
        print(f"Open {address}  (Ctrl+C ends it; another port: make book PORT=8001)", flush=True)
        threading.Thread(target=site.serve_forever, daemon=True).start()
        try:
            if isinstance(building, Building):
                building.run()
                if building.state == "failed":
                    return "The book is not built: see above."
                print(f"The book is built: {address}", flush=True)
            threading.Event().wait()
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
