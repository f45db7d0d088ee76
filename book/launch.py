"""The notebooks as Colab and Binder open them: with a first cell that fetches and installs what they need.

python book/launch.py _build/launch     # a folder, which the pages workflow puts on the branch `notebooks`

Colab opens a notebook alone, without the files beside it; Binder makes an environment of the whole branch.
The sheets on it are those that students get. Where no address is set (address.py) nothing is written.
"""

import json
import shutil
import sys
from pathlib import Path, PurePosixPath

import address

from marginlab import course

ROOT = Path(__file__).resolve().parents[1]
FIRST = """\
# On Colab this fetches the notebooks and installs what this one needs, in a minute or two.
# Elsewhere it does nothing.
import sys

if "google.colab" in sys.modules:
    !test -d {folder} || git clone -q --depth 1 --branch {branch} {url} {folder}
    %cd -q {folder}/{here}
    %pip install -q {needs}\
"""
# A sheet is NumPy's, and the network of its last exercise Colab's own TensorFlow's.
NEEDS = {"lesson.ipynb": '"../..[tensorflow]" anywidget', "exercises.ipynb": "../.."}


def first_cell(name: str, url: str, folder: str = "/content/marginlab") -> str:
    """The source of a notebook's first code cell, for the notebook of this path in the branch."""
    path = PurePosixPath(name)
    return FIRST.format(
        folder=folder, branch=address.BRANCH, url=url, here=path.parent, needs=NEEDS[path.name]
    )


def opened(data: bytes, name: str, url: str) -> bytes:
    """The notebook with its first code cell, right under its title."""
    notebook = json.loads(data)
    source = first_cell(name, url).splitlines(keepends=True)
    cell = {
        "cell_type": "code",
        "execution_count": None,
        "id": "fetch",
        "metadata": {},
        "outputs": [],
        "source": source,
    }
    notebook["cells"].insert(1, cell)
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def contents(url: str) -> dict[str, bytes]:
    """{path in the branch: bytes}, for the repository's address."""
    files = course.contents(ROOT / "lessons")
    out = {name: opened(data, name, url) if name.endswith(".ipynb") else data for name, data in files.items()}
    # Binder reads these alone. A list that a list names is looked for from that list's folder.
    out["binder/runtime.txt"] = b"python-3.11\n"
    out["binder/requirements.txt"] = b"-c ../constraints.txt\n.[lab]\n"
    return out


def write(folder: Path, url: str) -> None:
    """Writes the folder anew."""
    files = contents(url)
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


if __name__ == "__main__":
    known = address.read()
    if known:
        write(Path(sys.argv[1]), known)
    else:  # no failure: the workflow asks at each push
        print("No address is set, so that nothing could be fetched: `make address URL=...` sets it.")
