"""What students get: the zip of a course, and the same files for whoever opens a notebook elsewhere."""

import tempfile
import zipfile
from pathlib import Path

from marginlab.course.sheet import SHEET, release

__all__ = ["bundle", "contents"]

_HANDOUT = Path(__file__).parent / "handout"


def contents(source: str | Path = "lessons") -> dict[str, bytes]:
    """All that the notebooks need: sheets, lessons, pages they link to, what was measured, the package,
    pinned requirements, a smoke test, and START.md, which says how to begin.

    Returns:
        {path in the folder, with slashes: bytes}. No solution and no hidden test is in it.
    """
    source = Path(source)
    root = source.resolve().parent
    with tempfile.TemporaryDirectory() as folder:
        out = {f"lessons/{path.parent.name}/{SHEET}": path.read_bytes() for path in release(source, folder)}
    files = [*source.resolve().glob("*/lesson.ipynb"), *root.glob("book/*.md")]
    files += [path for path in (root / "marginlab").rglob("*") if "__pycache__" not in path.parts]
    # What was measured: the chapters show it, from files beside them.
    files += [root / "tests" / "benchmarks" / "results.json", *root.glob("book/results/*.json")]
    # pip needs README.md: pyproject.toml names it.
    files += [root / name for name in ("pyproject.toml", "constraints.txt", "README.md", "LICENSE")]
    out |= {path.relative_to(root).as_posix(): path.read_bytes() for path in files if path.is_file()}
    out |= {path.name: path.read_bytes() for path in _HANDOUT.iterdir() if path.is_file()}
    out["requirements.txt"] = b"-c constraints.txt\n.[sheets]\n"
    out["requirements-chapters.txt"] = b"-c constraints.txt\n.[lab]\n"
    return dict(sorted(out.items()))


def bundle(target: str | Path, source: str | Path = "lessons") -> Path:
    """Make the students' zip, of `contents`.

    Returns:
        The path of the zip.
    """
    target = Path(target)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, data in contents(source).items():
            zipped.writestr(name, data)
    return target
