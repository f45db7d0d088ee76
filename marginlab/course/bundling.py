"""The zip that students get."""

import tempfile
import zipfile
from pathlib import Path

from marginlab.course.sheet import SHEET, release

__all__ = ["bundle"]

_HANDOUT = Path(__file__).parent / "handout"


def bundle(target: str | Path, source: str | Path = "lessons") -> Path:
    """Make the students' zip: sheets, lessons and the pages they link to, the package, pinned requirements,
    a smoke test, and START.md, which says how to begin.

    Returns:
        The path of the zip.
    """
    source, target = Path(source), Path(target)
    root = source.resolve().parent
    with (
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as zipped,
        tempfile.TemporaryDirectory() as folder,
    ):
        for path in release(source, folder):
            zipped.write(path, Path("lessons", path.parent.name, SHEET))
        for path in source.glob("*/lesson.ipynb"):
            zipped.write(path, Path("lessons", path.parent.name, path.name))
        for path in sorted((root / "marginlab").rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                zipped.write(path, path.relative_to(root))
        for path in sorted((root / "book").glob("*.md")):
            zipped.write(path, path.relative_to(root))
        # What was measured: the chapters show it, from files beside them.
        for path in (root / "tests/benchmarks/results.json", *sorted(root.glob("book/results/*.json"))):
            if path.exists():
                zipped.write(path, path.relative_to(root))
        # pip needs README.md: pyproject.toml names it.
        for name in ("pyproject.toml", "constraints.txt", "README.md", "LICENSE"):
            zipped.write(root / name, name)
        for path in sorted(_HANDOUT.iterdir()):
            zipped.write(path, path.name)
        zipped.writestr("requirements.txt", "-c constraints.txt\n.[sheets]\n")
        zipped.writestr("requirements-chapters.txt", "-c constraints.txt\n.[lab]\n")
    return target
