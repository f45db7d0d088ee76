# PYTHON_ARGCOMPLETE_OK
"""`python -m marginlab`: what is there, and the book, the lab or a sheet, opened."""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from marginlab import __version__
from marginlab.data import MNIST, load_mnist

__all__ = ["EXTRAS", "main"]

# What `pip install "marginlab[name]"` brings. Where marginlab runs from a folder, no list of pip's says so.
EXTRAS = {
    "tensorflow": ("tensorflow", "matplotlib"),
    "jax": ("keras", "jax", "matplotlib"),
    "torch": ("keras", "torch", "matplotlib"),
    "sheets": ("jupyterlab", "ipykernel"),
    "lab": ("tensorflow", "matplotlib", "jupyterlab", "ipykernel", "ipywidgets", "anywidget"),
    "exercises": ("tensorflow", "matplotlib", "nbgrader", "pyyaml"),
}
_BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
_CHECKOUT = Path(__file__).resolve().parents[1]
_LESSONS = "lessons"
_SOLUTION = "### BEGIN SOLUTION"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; without one, say what is there."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except LookupError as error:
        sys.exit(str(error.args[0]))


def _parser():
    parser = argparse.ArgumentParser(prog="python -m marginlab", description=_about.__doc__)
    parser.set_defaults(run=_about)
    parser.add_argument("--version", action="version", version=f"marginlab {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="command")
    for name, run in (("book", _book), ("lab", _lab), ("sheet", _sheet)):
        command = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
        command.set_defaults(run=run)
    number: Any = command.add_argument("number", help="of the chapter, such as 5 or 05")
    number.completer = _numbers
    # Tab completes in shells where argcomplete is installed and switched on; nothing else needs it.
    if importlib.util.find_spec("argcomplete"):
        importlib.import_module("argcomplete").autocomplete(parser)
    return parser


def _about(_):
    """Say which marginlab this is, what it runs on, and which extras are installed."""
    print(f"marginlab {__version__}, in {Path(__file__).parent}")
    print(f"Python {platform.python_version()}, NumPy {_version('numpy')}")
    print(_keras())
    (x, _), (x_test, _) = load_mnist()
    print(f"MNIST: {len(x)} + {len(x_test)} images, read from {MNIST.relative_to(Path(__file__).parent)}")
    for name, libraries in EXTRAS.items():
        missing = [library for library in libraries if _version(library) is None]
        said = f'needs {", ".join(missing)}: pip install "marginlab[{name}]"' if missing else "installed"
        print(f"  [{name}]".ljust(15) + said)


def _version(library):
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def _keras():
    """Keras and its backend, as Keras would choose it: importing it would take seconds."""
    if _version("keras") is None:
        return "No Keras: the sheets and what is NumPy's run, the layers do not"
    backend = os.environ.get("KERAS_BACKEND") or _configured()
    name, found = _BACKENDS.get(backend, backend), _version(backend)
    if found:
        return f"Keras {_version('keras')} on {name} {found}"
    others = [f"KERAS_BACKEND={it}" for it in _BACKENDS if _version(it)]
    cure = f"set {' or '.join(others)}" if others else f'pip install "marginlab[{backend}]"'
    return f"Keras {_version('keras')} is to run on {name}, which is not installed: {cure}"


def _configured():
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    try:
        return json.loads((home / "keras.json").read_text(encoding="utf-8")).get("backend", "tensorflow")
    except (OSError, ValueError):
        return "tensorflow"


def _book(_):
    """Open the built book in the browser."""
    for folder in (Path.cwd(), _CHECKOUT):
        for name in ("_build/html/index.html", "Open the book.html"):
            if (folder / name).exists():
                print(folder / name)
                webbrowser.open((folder / name).resolve().as_uri())
                return
    raise LookupError(
        "No built book here. In a checkout of marginlab `make book` builds it, in about ten minutes; "
        f"or unpack marginlab-{__version__}.zip of the release, go into its folder, and say this again."
    )


def _lab(_):
    """Open the lessons in JupyterLab."""
    _jupyter(_lessons())


def _sheet(options):
    """Open a chapter's sheet of exercises in JupyterLab: a copy without solutions, in the folder sheets."""
    names = {path.parent.name: path for path in _lessons().glob("*/exercises.ipynb")}
    chosen = [name for name in names if name.startswith(f"{options.number:0>2}_")]
    if not chosen:
        raise LookupError(f"No sheet {options.number}: there are {', '.join(sorted(names)) or 'none'}.")
    source = names[chosen[0]]
    _jupyter(_own(source) if _SOLUTION in source.read_text(encoding="utf-8") else source)


def _numbers(**_):
    try:
        return [path.parent.name[:2] for path in sorted(_lessons().glob("*/exercises.ipynb"))]
    except LookupError:  # no lessons, nothing to complete
        return []


def _lessons():
    for folder in (Path.cwd(), _CHECKOUT):
        if any((folder / _LESSONS).glob("*/*.ipynb")):
            return folder / _LESSONS
    raise LookupError("No lessons here: go into a checkout of marginlab, or a course's folder.")


def _own(source):
    """A sheet without its solutions, the reader's own: what is there already is never written over."""
    path = Path("sheets", source.parent.name, source.name)
    if not path.exists():
        try:
            import nbformat

            from marginlab.course import sheet
        except ModuleNotFoundError as error:
            raise LookupError(
                f'To take the solutions out, {error.name} is needed: pip install "marginlab[exercises]"'
            ) from None
        sheet.write_notebook(sheet.released(nbformat.read(source, 4)), path)
    return path


def _jupyter(path):
    if _version("jupyterlab") is None:
        raise LookupError(
            'JupyterLab is not installed: pip install "marginlab[lab]", or for sheets alone [sheets].'
        )
    print(f"Opening {path} in JupyterLab (Ctrl+C ends it) ...")
    try:
        subprocess.run([sys.executable, "-m", "jupyterlab", str(path)], check=False)
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main()
