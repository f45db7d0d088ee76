"""Builds the book: executes the pages whose code has changed, two at a time, and then calls Jupyter Book.

python book/build.py                          # into _build/html
python book/build.py --builder singlehtml     # other arguments are Jupyter Book's
python book/build.py --first                  # the landing page alone, into _build/first: within a minute
python book/build.py --try                    # executes every page and keeps nothing: do all claims hold?

Jupyter Book alone builds the same pages, one after the other; but its cache knows notebooks, and not the
package that they import: an executed page whose fingerprint (fresh.py) is not the one that it was executed
with is taken out of the cache here.
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import fresh
import yaml
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.executors.utils import single_nb_execution
from myst_nb.core.config import NbParserConfig
from myst_nb.core.read import create_nb_reader
from myst_parser.config.main import MdParserConfig
from traitlets.config import Config

ROOT = Path(__file__).resolve().parents[1]
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["execute"]
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
BUILD = ROOT / "_build"
KEPT = BUILD / "fingerprints.json"
LOOKS = "book/_ext"
TOGETHER = 2  # a kernel's TensorFlow keeps a core busy, and holds a gigabyte


def notebooks():
    """{path below the root: notebook} of the book's pages that have code, as Sphinx reads them."""
    names = [TOC["root"], *(c["file"] for part in TOC["parts"] for c in part["chapters"])]
    found = {}
    for name in names:
        path = next(ROOT / f"{name}{end}" for end in (".ipynb", ".md") if (ROOT / f"{name}{end}").exists())
        text = path.read_text(encoding="utf-8")
        reader = create_nb_reader(str(path), MdParserConfig(), NbParserConfig(), text)
        if reader is not None:
            found[path.relative_to(ROOT).as_posix()] = reader.read(text)
    return found


def stale(cache, pages, before):
    """Those that are to be executed: not in the cache, or with another fingerprint. Their old pages go."""
    waiting = {}
    for name, notebook in pages.items():
        mark = fresh.fingerprint([cell.source for cell in notebook.cells if cell.cell_type == "code"])
        try:
            record = cache.match_cache_notebook(notebook)
        except KeyError:
            record = None
        if record is None or before.get(name) != mark:
            waiting[name] = mark
            if record is not None:
                cache.remove_cache(record.pk)
            # Sphinx reads a page again where what it has kept of it is gone.
            (BUILD / ".doctrees" / name).with_suffix(".doctree").unlink(missing_ok=True)
    kept = {name: mark for name, mark in before.items() if name in pages and name not in waiting}
    return waiting, kept


def looks():
    """A fingerprint of what every page goes through, and of which Sphinx knows nothing: our extensions."""
    paths = [ROOT / "_config.yml", ROOT / "_toc.yml", *sorted((ROOT / "book" / "_ext").glob("*.py"))]
    paths += sorted((ROOT / "book" / "_templates").glob("*.html"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


@contextlib.contextmanager
def quietly():
    """What kernels and TensorFlow say of themselves when they start would bury what is said here."""
    kept = os.dup(2)
    with open(BUILD / "kernels.log", "w", encoding="utf-8") as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def execute(name, notebook):
    """Executes a page's code, in the folder of the page.

    Naive: a kernel is told ports that are free. Another program takes one before the kernel binds it, and the
    kernel dies. Cure: sockets that are files, in a folder of its own; Windows has only ports.
    """
    with tempfile.TemporaryDirectory(prefix="kernel-") as folder:
        files = {"transport": "ipc", "ip": str(Path(folder, "socket"))}
        return single_nb_execution(
            notebook,
            cwd=str((ROOT / name).parent),
            timeout=CONFIG["timeout"],
            allow_errors=False,
            config=Config() if os.name == "nt" else Config(KernelManager=files),
        )


def executed(pages):
    """Executes these pages, says how far it is, and gives (name, result) of each that did not fail."""
    if not pages:
        return
    print(f"Training for {len(pages)} pages, {TOGETHER} at a time ...", flush=True)
    start = time.monotonic()
    with quietly(), ThreadPoolExecutor(TOGETHER) as pool:
        # The longest are those of most code, nearly: first, so that two end together.
        order = sorted(pages, key=lambda name: -sum(len(c.source) for c in pages[name].cells))
        running = {pool.submit(execute, name, pages[name]): name for name in order}
        for count, done in enumerate(as_completed(running), start=1):
            name, result = running[done], done.result()
            so_far = f"{count}/{len(pages)}, {time.monotonic() - start:.0f} s"
            if result.err is not None:
                print(f"  {name} FAILED ({so_far})\n{result.exc_string}", flush=True)
                continue
            print(f"  {name}: {result.time:.0f} s ({so_far})", flush=True)
            yield name, result


def refresh(only=None):
    """Executes what is stale, or of it one page, and says so. Returns how many failed; they stay stale."""
    BUILD.mkdir(exist_ok=True)
    cache = get_cache(str(ROOT / CONFIG["cache"]))
    pages = notebooks()
    before = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    waiting, kept = stale(cache, pages, before)
    waiting = {name: mark for name, mark in waiting.items() if only in (None, name)}
    if before.get(LOOKS) != looks():
        for name in (".doctrees", "html", "singlehtml", ".doctrees-zh"):
            shutil.rmtree(BUILD / name, ignore_errors=True)
    kept[LOOKS] = looks()
    KEPT.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    done = 0
    for name, result in executed({name: pages[name] for name in waiting}):
        done += 1
        bundle = CacheBundleIn(result.nb, str(ROOT / name), data={"execution_seconds": result.time})
        cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
        kept[name] = waiting[name]
        KEPT.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    return len(waiting) - done


def command(*arguments):
    return [str(Path(sys.executable).with_name("jupyter-book")), "build", str(ROOT), *arguments]


def first():
    """The landing page in a book of its own, which can be read while the others are trained.

    Its links lead to pages that are not there yet, so that warnings are no failure here.
    """
    root = f"{TOC['root']}.md"
    if refresh(only=root):
        return "The landing page is not built: see above."
    folder = BUILD / "first"
    folder.mkdir(exist_ok=True)
    toc = folder / "_toc.yml"
    toc.write_text(yaml.safe_dump({"format": TOC["format"], "root": TOC["root"]}), encoding="utf-8")
    arguments = command("--toc", str(toc), "--path-output", str(folder))
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode:
        print((done.stdout + done.stderr)[-4000:])
    return done.returncode


def main(arguments):
    if arguments == ["--first"]:
        return first()
    if arguments == ["--try"]:
        BUILD.mkdir(exist_ok=True)
        pages = notebooks()
        return len(pages) - len(dict(executed(pages)))
    if refresh():
        return "The book is not built: see above."
    done = subprocess.run(command("-W", "-n", "--keep-going", *arguments), check=False).returncode
    if done or arguments:
        return done
    return subprocess.run([sys.executable, str(ROOT / "book" / "chinese.py")], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
