"""What is handed on: one version, and a wheel and a source distribution that hold what they should."""

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import marginlab

ROOT = Path(__file__).parents[1]


def test_one_version():
    """The package's own; what cannot read it, the citations, must agree."""
    assert 'dynamic = ["version"]' in (ROOT / "pyproject.toml").read_text()
    for name, pattern in (("CITATION.cff", r"^version: (.*)$"), ("book/citing.md", r"version = \{(.*)\}")):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert re.findall(pattern, text, re.M) == [marginlab.__version__], name


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Names in the wheel and in the source distribution, as pip would get them from this checkout."""
    out = tmp_path_factory.mktemp("dist")
    code = (
        "import sys; from hatchling.builders.wheel import WheelBuilder;"
        "from hatchling.builders.sdist import SdistBuilder;"
        "[next(b('.').build(directory=sys.argv[1])) for b in (WheelBuilder, SdistBuilder)]"
    )
    subprocess.run([sys.executable, "-c", code, str(out)], cwd=ROOT, check=True)
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = archive.getnames()
    with zipfile.ZipFile(wheel) as archive:
        about = archive.read(f"marginlab-{marginlab.__version__}.dist-info/METADATA").decode()
        return archive.namelist(), [name.partition("/")[2] for name in names], about


def test_the_wheel_holds_the_package_and_nothing_else(built):
    wheel, *_ = built
    tops = {name.partition("/")[0] for name in wheel}
    assert tops == {"marginlab", f"marginlab-{marginlab.__version__}.dist-info"}
    tracked = subprocess.run(
        ["git", "ls-files", "marginlab"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert {name for name in wheel if name.startswith("marginlab/")} == set(tracked)
    assert "marginlab/py.typed" in wheel  # its type hints are for those who use it too


def test_the_source_distribution_builds_and_holds_no_solution(built):
    _, sdist, _ = built
    assert {"Makefile", "constraints.txt", "pyproject.toml", "README.md", "_toc.yml"} <= set(sdist)
    assert any(name.endswith("lesson.ipynb") for name in sdist)
    assert not [name for name in sdist if name.endswith("exercises.ipynb") or "tests/bank" in name]


def test_numpy_is_all_that_is_required_and_a_backend_is_an_extra(built):
    needs = re.findall(r"^Requires-Dist: ([\w-]+)[^;\n]*(?:; extra == '(\w+)')?$", built[2], re.M)
    brings = {extra: {name for name, of in needs if of == extra} for _, extra in needs}
    assert brings[""] == {"numpy"}
    assert {extra for extra, names in brings.items() if "tensorflow" in names} == {
        *("tensorflow", "book", "lab", "exercises", "test", "bench")
    }
    for backend in ("jax", "torch"):
        assert brings[backend] == {"keras", "matplotlib", backend}
