"""Workflows and container call what is there: targets of the Makefile, files of tests, supported Pythons."""

import json
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))


def commands(path):
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    return "\n".join(step.get("run", "") for job in jobs.values() for step in job["steps"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_what_a_workflow_calls_is_there(path):
    said = commands(path)
    made = re.findall(r"\bmake ([\w-]+)", said)
    assert set(made) <= TARGETS
    files = re.findall(r"\b(?:tests|book)/\w+\.py", said)
    assert made or files
    assert [name for name in files if not (ROOT / name).exists()] == []


def test_every_night_there_is_other_rounding_and_pytorch():
    """`make test-all` promises both: it runs the one, and installs the other."""
    assert "make test-all" in commands(ROOT / ".github/workflows/nightly.yml")
    needs = re.search(r"^test-all:(.*)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)[1]
    assert "test-rounding" in needs
    assert "bench" in needs


def test_every_supported_python_is_tested():
    jobs = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))["jobs"]
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    low, high = map(int, re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', project).groups())
    assert jobs["test"]["strategy"]["matrix"]["python"] == [f"3.{minor}" for minor in range(low, high)]


def test_the_container_installs_what_ci_does():
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    ours = (ROOT / ".ci/run").read_text(encoding="utf-8")
    packages = re.search(r"--no-install-recommends (.*)", ours)[1].split()
    assert set(packages) <= set(container["onCreateCommand"].split())
